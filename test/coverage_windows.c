/* SPDX-License-Identifier: MIT
 *
 * Writes what a process of Windows has counted when it ends: what clang's own runtime does, which
 * distributions have for Linux only.
 *
 * Happy path: LLVM_PROFILE_FILE is the beginning of a name; at exit, and at _exit, which the linker
 *             leads here, a file of that process's own has the counts, as llvm-profdata reads them.
 * Fails:      without a word when that file cannot be written: then its counts are missing.
 * Invariants: the layout is that of clang 19 (raw profiles, version 10); another version's reader
 *             refuses the file, so counts are never misread.
 */
#include <windows.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Clang refers to it, so that a runtime is linked. */
extern int __llvm_profile_runtime;
int __llvm_profile_runtime;

/* The linker sorts sections by what follows the dollar sign; all that is counted has an M. */
#define MARK(name) __attribute__((section(name), used)) static
MARK(".lprfd$A") uint64_t data_begin = 0;
MARK(".lprfd$Z") uint64_t data_end = 0;
MARK(".lprfc$A") uint64_t counts_begin = 0;
MARK(".lprfc$Z") uint64_t counts_end = 0;
MARK(".lprfb$A") char bits_begin = 0;
MARK(".lprfb$Z") char bits_end = 0;
MARK(".lprfn$A") const char names_begin = 0;
MARK(".lprfn$Z") const char names_end = 0;

#define COVERAGE_MAGIC 0xff6c70726f667281u /* "lprofr" between its two marks, 64 bits */
#define COVERAGE_VERSION 10u
#define COVERAGE_DATA_BYTES 64u /* of one function */
#define COVERAGE_VALUE_LAST 2u

enum {
    HEADER_MAGIC,
    HEADER_VERSION,
    HEADER_IDS_BYTES,
    HEADER_DATA,
    HEADER_PAD_BEFORE_COUNTS,
    HEADER_COUNTS,
    HEADER_PAD_AFTER_COUNTS,
    HEADER_BITS_BYTES,
    HEADER_PAD_AFTER_BITS,
    HEADER_NAMES_BYTES,
    HEADER_COUNTS_DELTA,
    HEADER_BITS_DELTA,
    HEADER_NAMES_DELTA,
    HEADER_TABLES,
    HEADER_TABLE_NAMES_BYTES,
    HEADER_VALUE_LAST,
    HEADER_WORDS
};

struct part {
    const void *begin;
    size_t bytes;
};

static struct part part_of(const void *mark, size_t mark_bytes, const void *end)
{
    const uintptr_t begin = (uintptr_t)mark + mark_bytes;
    return (struct part){(const char *)mark + mark_bytes, (uintptr_t)end - begin};
}

static uint64_t padding(size_t bytes)
{
    return (8 - bytes % 8) % 8;
}

/* Windows relocates the low half of a distance only, so that is all that the data has of each. */
static uint64_t distance(struct part from, struct part to)
{
    return (uint32_t)((uintptr_t)to.begin - (uintptr_t)from.begin);
}

static bool part_write(FILE *file, struct part part)
{
    static const char zeros[8];
    const size_t pad = (size_t)padding(part.bytes);
    return fwrite(part.begin, 1, part.bytes, file) == part.bytes &&
           fwrite(zeros, 1, pad, file) == pad;
}

static bool coverage_write_to(FILE *file)
{
    const struct part data = part_of(&data_begin, sizeof data_begin, &data_end);
    const struct part counts = part_of(&counts_begin, sizeof counts_begin, &counts_end);
    const struct part bits = part_of(&bits_begin, sizeof bits_begin, &bits_end);
    const struct part names = part_of(&names_begin, sizeof names_begin, &names_end);
    const uint64_t header[HEADER_WORDS] = {
        [HEADER_MAGIC] = COVERAGE_MAGIC,
        [HEADER_VERSION] = COVERAGE_VERSION,
        [HEADER_DATA] = data.bytes / COVERAGE_DATA_BYTES,
        [HEADER_COUNTS] = counts.bytes / sizeof(uint64_t),
        [HEADER_BITS_BYTES] = bits.bytes,
        [HEADER_PAD_AFTER_BITS] = padding(bits.bytes),
        [HEADER_NAMES_BYTES] = names.bytes,
        [HEADER_COUNTS_DELTA] = distance(data, counts),
        [HEADER_BITS_DELTA] = distance(data, bits),
        [HEADER_NAMES_DELTA] = (uintptr_t)names.begin,
        [HEADER_VALUE_LAST] = COVERAGE_VALUE_LAST,
    };
    return fwrite(header, sizeof header, 1, file) == 1 && part_write(file, data) &&
           part_write(file, counts) && part_write(file, bits) && part_write(file, names);
}

/* A number that Windows has given away before may come again, so the time is in the name too. */
static void coverage_write(void)
{
    char name[600];
    FILETIME now;
    const char *prefix = getenv("LLVM_PROFILE_FILE");
    if (!prefix)
        return;
    GetSystemTimeAsFileTime(&now);
    const int size = snprintf(name, sizeof name, "%s-%lu-%08lx%08lx.profraw", prefix,
                              (unsigned long)GetCurrentProcessId(),
                              (unsigned long)now.dwHighDateTime, (unsigned long)now.dwLowDateTime);
    if (size < 0 || (size_t)size >= sizeof name)
        return;
    FILE *file = fopen(name, "wb");
    if (!file)
        return;
    const bool whole = coverage_write_to(file);
    if (fclose(file) != 0 || !whole)
        (void)remove(name);
}

__attribute__((constructor)) static void coverage_begin(void)
{
    (void)atexit(coverage_write);
}

__attribute__((noreturn)) void __real__exit(int code);
__attribute__((noreturn)) void __wrap__exit(int code);

void __wrap__exit(int code)
{
    coverage_write();
    __real__exit(code);
}
