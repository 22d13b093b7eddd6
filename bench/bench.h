/* SPDX-License-Identifier: MIT
 *
 * What all peers of the benchmark share: the command line, the bytes that are sent and checked, and
 * the one line of JSON at the end. bench_posix.h and bench_windows.h have what belongs to a system:
 * the two processes, the clock, the memory.
 *
 * Each peer is a program of its own that includes this file once; so it has no .c file.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#ifdef _WIN32
#include "bench_windows.h"
#else
#include "bench_posix.h"
#endif

#include <errno.h>

#ifndef BENCH_DESCRIPTORS
#define BENCH_DESCRIPTORS 1u /* that a peer's process has for each connection, at most */
#endif

/* ---- Time ------------------------------------------------------------------------------------ */

static inline uint64_t bench_server_cpu(const struct bench *b)
{
    return b->server != 0 ? bench_cpu(b->server) : 0;
}

static inline uint64_t bench_server_switches(const struct bench *b)
{
    return b->server != 0 ? bench_switches(b->server) : 0;
}

static inline void bench_begin(struct bench *b)
{
    b->switches_server = bench_server_switches(b);
    b->switches_client = bench_switches(0);
    b->cpu_server_ns = bench_server_cpu(b);
    b->cpu_client_ns = bench_cpu(0);
    b->begin_ns = b->block_ns = bench_now();
    b->end_at_ns = b->begin_ns + b->run_ns;
}

static inline void bench_end(struct bench *b)
{
    b->end_ns = bench_now();
    b->cpu_client_ns = bench_cpu(0) - b->cpu_client_ns;
    b->cpu_server_ns = bench_server_cpu(b) - b->cpu_server_ns;
    b->switches_client = bench_switches(0) - b->switches_client;
    b->switches_server = bench_server_switches(b) - b->switches_server;
}

/* `count` operations, which the caller has counted, are over. */
static inline uint64_t bench_done_many(struct bench *b, uint64_t began_ns, uint64_t count)
{
    uint64_t now = bench_now();
    uint64_t took = (now - began_ns) / count;
    b->samples[b->sample_count++ % BENCH_SAMPLES_MAX] =
        took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    b->over = b->count_max ? b->operations >= b->count_max : now >= b->end_at_ns;
    return now;
}

/* One operation is over. All peers read the clock here, once an operation (of a stream: once a
 * block), and nowhere else. */
static inline uint64_t bench_done(struct bench *b, uint64_t began_ns)
{
    b->operations++;
    return bench_done_many(b, began_ns, 1);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* The present message of a flow: each is different from the one before. */
static inline const unsigned char *bench_message(const struct bench *b,
                                                 const struct bench_flow *flow)
{
    return b->pattern + (flow->seq * UINT32_C(61) + flow->index * UINT32_C(7)) % BENCH_PHASES;
}

/* Takes a piece of an echo; true when the whole came, which ends the operation. */
static inline bool bench_got(struct bench *b, struct bench_flow *flow, const void *data,
                             size_t size)
{
    bench_need(size <= b->size - flow->got, "more came back than was sent");
    bench_need(memcmp(bench_message(b, flow) + flow->got, data, size) == 0, "a wrong echo");
    flow->got += size;
    if (flow->got < b->size)
        return false;
    flow->got = 0;
    flow->seq++;
    flow->sent_ns = bench_done(b, flow->sent_ns);
    return true;
}

/* The next chunk of a stream, which is one operation; null after the last one. The stream repeats
 * one block, and its last block ends with another byte, because not every system has a half-close
 * to end a stream with. */
static inline const unsigned char *bench_stream_next(struct bench *b)
{
    const unsigned char *chunk = b->pattern + (b->stream_sent & (BENCH_BLOCK - 1));
    if (b->stream_ended)
        return NULL;
    b->stream_sent += b->size;
    b->operations++;
    if ((b->stream_sent & (BENCH_BLOCK - 1)) != 0)
        return chunk;
    if (b->over) {
        memcpy(b->last, chunk, b->size);
        b->last[b->size - 1] = (unsigned char)~chunk[b->size - 1];
        b->stream_ended = true;
        return b->last;
    }
    b->block_ns =
        bench_done_many(b, b->block_ns, b->size < BENCH_BLOCK ? BENCH_BLOCK / b->size : 1);
    return chunk;
}

/* Checks a piece of the stream, which begins at byte `at` of it. In a timed run its ends are
 * checked, so that the check does not hide what the peers cost; with --check every byte is. */
static inline void bench_check(const struct bench *b, uint64_t at, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    for (size_t done = 0; done < size;) {
        size_t from = (size_t)(at + done) & (BENCH_BLOCK - 1);
        size_t part = BENCH_BLOCK - from < size - done ? BENCH_BLOCK - from : size - done;
        bench_need(bytes[done] == b->pattern[from], "a wrong stream");
        bench_need(bytes[done + part - 1] == b->pattern[from + part - 1], "a wrong stream");
        if (b->check_all)
            bench_need(memcmp(b->pattern + from, bytes + done, part) == 0, "a wrong stream");
        done += part;
    }
}

/* Takes a piece of the stream; true when that is its end. */
static inline bool bench_stream_got(struct bench *b, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    bench_need(!b->stream_over && size > 0, "more came after the end");
    uint64_t end = b->stream_bytes + size;
    size_t last = (size_t)(end - 1) & (BENCH_BLOCK - 1);
    if (last == BENCH_BLOCK - 1 && bytes[size - 1] == (unsigned char)~b->pattern[last]) {
        b->stream_over = true;
        size--;
    }
    bench_check(b, b->stream_bytes, data, size);
    b->stream_bytes = end;
    return b->stream_over;
}

/* The last byte of a block that is not the end of a piece is checked in bench_check: so an end that
 * bytes follow is a wrong stream. What the receiver counted must be what was sent. */
static inline void bench_stream_total(const struct bench *b, const void *data, size_t size)
{
    uint64_t arrived;
    bench_need(size == sizeof arrived, "no total");
    memcpy(&arrived, data, sizeof arrived);
    bench_need(arrived == b->stream_sent, "bytes were lost");
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static inline uint64_t bench_server_dirty(const struct bench *b)
{
    return b->server != 0 ? bench_private_dirty(b->server) : 0;
}

/* Pages that two processes share since the fork become private when one of them writes: now. */
static inline void bench_touch(void *memory, size_t size)
{
    volatile unsigned char *bytes = (volatile unsigned char *)memory;
    for (size_t i = 0; i < size; i += 512)
        bytes[i] = bytes[i];
}

/* Before the first connection: all that grows from here on is theirs. */
static inline void bench_idle_begin(struct bench *b)
{
    bench_touch(b->flows, b->conns * sizeof *b->flows);
    bench_touch(b->samples, BENCH_SAMPLES_MAX * sizeof *b->samples);
    bench_touch(b->buffer, BENCH_SIZE_MAX);
    bench_begin(b); /* which allocates, to read what the system counts */
    b->served->dirty_before = bench_server_dirty(b);
    b->client.dirty_before = bench_private_dirty(0);
}

static inline int bench_order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The median of 1,000 samples, or of what there is, from `first` on. */
static inline uint32_t bench_middle(struct bench *b, size_t first)
{
    size_t count = b->sample_count - first < 1000 ? b->sample_count - first : 1000;
    uint32_t *copy = (uint32_t *)(void *)b->buffer;
    memcpy(copy, b->samples + first, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, bench_order);
    return copy[count / 2];
}

/* Did one connection more cost at the end what it cost after the first 64? */
static inline void bench_idle_end(struct bench *b)
{
    bench_end(b);
    if (b->sample_count > 64 && b->sample_count <= BENCH_SAMPLES_MAX) {
        b->early_ns = bench_middle(b, 64);
        b->late_ns = bench_middle(b, b->sample_count > 1064 ? b->sample_count - 1000 : 64);
    }
    b->served->dirty_after = bench_server_dirty(b);
    b->client.dirty_after = bench_private_dirty(0);
}

/* ---- The two processes ----------------------------------------------------------------------- */

/* Whether the server, which saw so many connections end, goes on. */
static inline bool bench_serving(const struct bench *b, uint64_t ended)
{
    return b->kind == BENCH_CONNECT ? !atomic_load(&b->served->over) : ended < b->conns;
}

/* This peer cannot take part in a case, and says why. */
BENCH_NORETURN static inline void bench_leave_out(const char *why)
{
    fprintf(stderr, "left out: %s\n", why);
    exit(BENCH_LEFT_OUT);
}

/* Whether the command line has an option, with this value if not null. */
static inline bool bench_asks(int argc, char **argv, const char *option, const char *value)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], option) == 0 &&
            (value == NULL || (i + 1 < argc && strcmp(argv[i + 1], value) == 0)))
            return true;
    return false;
}

/* In BENCH_CONNECT each client says this before it closes, so that the server ends with it. */
static inline void bench_closing(const struct bench *b)
{
    if (b->over)
        atomic_store(&b->served->over, true);
}

static inline uint64_t bench_number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bench_need(errno == 0 && end != text && *end == 0, "a number is wanted");
    return number;
}

/* Options without a value; false: it is another one. */
static inline bool bench_flag_option(struct bench *b, const char *option)
{
    static const char *const names[] = {"--check",    "--one-core",      "--two-cores",
                                        "--messages", "--single-thread", "--judge"};
    bool *const flags[] = {&b->check_all, &b->one_core,      &b->two_cores,
                           &b->messages,  &b->single_thread, &b->judge};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(option, names[i]) == 0)
            return *flags[i] = true;
    return false;
}

static inline void bench_value_option(struct bench *b, const char *option, const char *value)
{
    if (strcmp(option, "--size") == 0)
        b->size = (size_t)bench_number(value);
    else if (strcmp(option, "--conns") == 0)
        b->conns = (uint32_t)bench_number(value);
    else if (strcmp(option, "--depth") == 0)
        b->depth = (uint32_t)bench_number(value);
    else if (strcmp(option, "--ms") == 0)
        b->run_ns = bench_number(value) * 1000000;
    else if (strcmp(option, "--count") == 0)
        b->count_max = bench_number(value);
    else if (strcmp(option, "--gather") == 0)
        b->gather = (size_t)bench_number(value);
    else if (strcmp(option, "--outbox") == 0)
        b->outbox = (size_t)bench_number(value);
    else if (strcmp(option, "--many") == 0)
        b->many = (uint32_t)bench_number(value);
    else if (strcmp(option, "--spin") == 0)
        b->spin = strcmp(value, "on") == 0    ? BENCH_SPIN_ON
                  : strcmp(value, "off") == 0 ? BENCH_SPIN_OFF
                                              : BENCH_SPIN_DEFAULT;
    else if (strcmp(option, "--backend") == 0)
        b->backend = value;
    else if (strcmp(option, "--role") == 0)
        b->role = value[0];
    else if (strcmp(option, "--folder") == 0)
        snprintf(b->folder, sizeof b->folder, "%s", value);
    else
        bench_need(bench_system_option(option, value), option);
}

static inline void bench_parse(struct bench *b, int argc, char **argv)
{
    size_t kind = 0;
    bench_need(argc > 1, "usage: PEER echo|stream|connect|idle|burst|fanout|mixed [--size N] ...");
    while (kind < BENCH_KINDS && strcmp(argv[1], bench_kinds[kind]) != 0)
        kind++;
    bench_need(kind < BENCH_KINDS, "no such case");
    b->kind = (enum bench_kind)kind;
    b->kind_name = bench_kinds[kind];
    for (int i = 2; i < argc; i++) {
        if (bench_flag_option(b, argv[i]))
            continue;
        bench_need(i + 1 < argc, argv[i]);
        bench_value_option(b, argv[i], argv[i + 1]);
        i++;
    }
    if (b->kind == BENCH_MIXED)
        b->conns = 2;
    bench_need(b->size > 0 && b->size <= BENCH_SIZE_MAX && b->conns > 0, "out of range");
    bench_need(b->many <= BENCH_MANY_MAX, "too many at a time");
    bench_need(b->kind != BENCH_STREAM ||
                   (b->size < BENCH_BLOCK ? BENCH_BLOCK % b->size : b->size % BENCH_BLOCK) == 0,
               "a chunk must divide a block, or be blocks");
}

static inline void *bench_alloc(size_t size)
{
    void *memory = malloc(size);
    bench_need(memory != NULL, "memory");
    memset(memory, 0x55, size); /* touched now, so that it is in no measurement */
    return memory;
}

static inline void bench_prepare(struct bench *b)
{
    const size_t pattern_size = BENCH_SIZE_MAX + BENCH_BLOCK + BENCH_PHASES;
    uint32_t random = 1;
    bench_system_prepare(b);
    bench_descriptors((uint64_t)b->conns * BENCH_DESCRIPTORS);
    if (b->one_core || b->two_cores)
        bench_pin(b->two_cores && b->role == 's');
    b->pattern = (unsigned char *)bench_alloc(pattern_size);
    for (size_t i = 0; i < pattern_size; i++) {
        random = random * UINT32_C(1664525) + UINT32_C(1013904223);
        b->pattern[i] =
            i < BENCH_BLOCK ? (unsigned char)(random >> 24) : b->pattern[i - BENCH_BLOCK];
    }
    b->buffer = (unsigned char *)bench_alloc(BENCH_SIZE_MAX);
    b->last = (unsigned char *)bench_alloc(b->size);
    b->samples = (uint32_t *)bench_alloc(BENCH_SAMPLES_MAX * sizeof *b->samples);
    b->flows = (struct bench_flow *)bench_alloc(b->conns * sizeof *b->flows);
    memset(b->flows, 0, b->conns * sizeof *b->flows);
    for (uint32_t i = 0; i < b->conns; i++)
        b->flows[i].index = i;
}

static inline void bench_side_print(const char *name, const struct bench_side *side)
{
    printf(", \"%s\": {\"waits\": %llu, \"reads\": %llu, \"writes\": %llu, \"hub_bytes\": %llu, "
           "\"dirty\": %lld}",
           name, (unsigned long long)side->waits, (unsigned long long)side->reads,
           (unsigned long long)side->writes, (unsigned long long)side->hub_bytes,
           (long long)(side->dirty_after - side->dirty_before));
}

/* How many samples are in each class: 32 classes an octave, so that runs can be put together. */
static inline void bench_histogram_print(const struct bench *b, size_t count)
{
    size_t i = 0;
    printf(", \"histogram\": [");
    while (i < count) {
        uint32_t low = b->samples[i], step = 1;
        while (low / step >= 64)
            step *= 2;
        uint32_t from = low / step * step;
        size_t first = i;
        while (i < count && b->samples[i] - from < step)
            i++;
        printf("%s[%u, %zu]", first ? ", " : "", from + step / 2, i - first);
    }
    printf("]");
}

static inline void bench_print(struct bench *b, const char *peer)
{
    size_t count = b->sample_count < BENCH_SAMPLES_MAX ? b->sample_count : BENCH_SAMPLES_MAX;
    uint64_t sum = 0;
    qsort(b->samples, count, sizeof *b->samples, bench_order);
    for (size_t i = 0; i < count; i++)
        sum += b->samples[i];
    bench_need(b->operations > 0 && count > 0, "nothing was done");
    printf("{\"peer\": \"%s\", \"case\": \"%s\", \"operations\": %llu, \"wall_ns\": %llu, "
           "\"p50_ns\": %u, \"p99_ns\": %u, \"p999_ns\": %u, \"mean_ns\": %llu, "
           "\"cpu_client_ns\": %llu, \"cpu_server_ns\": %llu, \"switches_client\": %llu, "
           "\"switches_server\": %llu, \"bulk_bytes\": %llu, \"early_ns\": %u, \"late_ns\": %u",
           peer, b->kind_name, (unsigned long long)b->operations,
           (unsigned long long)(b->end_ns - b->begin_ns), b->samples[count / 2],
           b->samples[count - 1 - count / 100], b->samples[count - 1 - count / 1000],
           (unsigned long long)(sum / count), (unsigned long long)b->cpu_client_ns,
           (unsigned long long)b->cpu_server_ns, (unsigned long long)b->switches_client,
           (unsigned long long)b->switches_server, (unsigned long long)b->bulk_bytes, b->early_ns,
           b->late_ns);
    bench_side_print("client", &b->client);
    bench_side_print("server", b->served);
    bench_histogram_print(b, count);
    printf("}\n");
}

static inline int bench_main(const struct bench_peer *peer, int argc, char **argv)
{
    static struct bench b; /* not on the stack: the last of it are counters that begin at 0 */
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        printf("%s\n", peer->version);
        return 0;
    }
    b.size = 64;
    b.conns = b.depth = 1;
    b.run_ns = 150000000;
    bench_parse(&b, argc, argv);
    bench_need(peer->client[b.kind] != NULL, "not a case of this peer");
    bench_prepare(&b);
    if (b.role == 's') {
        peer->serve(&b);
        return 0;
    }
    if (b.role == 0)
        bench_start(&b, peer);
    peer->client[b.kind](&b);
    if (b.role == 0)
        bench_join(&b);
    bench_print(&b, peer->name);
    return 0;
}

#endif
