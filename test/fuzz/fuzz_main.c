/* SPDX-License-Identifier: MIT
 *
 * PROGRAM [--near COUNT] CORPUS...
 * PROGRAM --one NAME INDEX CORPUS
 *
 * Runs a fuzz target on its corpus, without a fuzzer: the corpus as a test. A corpus has a line for
 * each input, its name and its bytes in hexadecimal.
 *
 * Happy path: for each input a process runs it, and then COUNT neighbours of it, which are always
 *             the same: a byte changed, a piece cut out, doubled or filled.
 * Fails:      an input at which the process ends, or that takes longer than a minute, is told with
 *             the command that repeats it, and the next one follows; the closing line counts
 *             inputs; the exit code is 1 if any failed or there was none.
 * Invariants: only the processes that it started are waited for, or ended (by their own alarm).
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX (1024 * 1024)
#define CORPUS_MAX (4 * INPUT_MAX)
#define SECONDS_MAX 60

static struct {
    uint32_t near_count, passed, failed;
    uint32_t *at; /* which neighbour runs; shared with the process that runs it */
    const char *program;
    uint8_t input[INPUT_MAX], neighbour[INPUT_MAX];
} state;

/* The neighbour of this number, from 1; 0 is the input itself. */
static size_t neighbour_make(size_t size, uint32_t index)
{
    struct prng random = {size * UINT64_C(1000003) + index};
    memcpy(state.neighbour, state.input, size);
    for (size_t changes = index == 0 ? 0 : 1 + prng_below(&random, 3); changes > 0; changes--) {
        size_t at = prng_below(&random, size + 1);
        size_t length = prng_below(&random, 16) + 1;
        if (length > size - at)
            length = size - at;
        switch (prng_below(&random, 5)) {
        case 0:
            memmove(state.neighbour + at, state.neighbour + at + length, size - at - length);
            size -= length;
            break;
        case 1:
            if (size + length > INPUT_MAX)
                break;
            memmove(state.neighbour + at + length, state.neighbour + at, size - at);
            size += length;
            break;
        case 2:
            memset(state.neighbour + at, prng_below(&random, 2) ? 0xFF : 0, length);
            break;
        case 3:
            if (length > 0)
                state.neighbour[at] ^= (uint8_t)(1u << prng_below(&random, 8));
            break;
        default:
            if (length > 0)
                state.neighbour[at] = (uint8_t)prng_next(&random);
            break;
        }
    }
    return size;
}

/* The memory is a copy of exactly that size, so that a sanitizer sees a look behind it. */
static void input_run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* An input and its neighbours, in a process. */
static void input_judge(const char *corpus, const char *name, size_t size)
{
    *state.at = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (*state.at = 0; *state.at <= state.near_count; ++*state.at) {
            (void)alarm(SECONDS_MAX);
            input_run(state.neighbour, neighbour_make(size, *state.at));
        }
        exit(0); /* a sanitizer may have found a leak */
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        state.passed++;
        return;
    }
    state.failed++;
    (void)printf("FAIL %s; again: %s --one %s %u %s\n", name, state.program, name, *state.at,
                 corpus);
}

static int digit_of(char letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = letter != '\0' ? strchr(digits, letter) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The bytes of a line into state.input; SIZE_MAX when they are none, or too many. "-" stands for
 * none at all. */
static size_t bytes_parse(const char *hex)
{
    size_t size = 0;
    if (strcmp(hex, "-") == 0)
        return 0;
    for (; hex[0] != '\0'; hex += 2) {
        int high = digit_of(hex[0]), low = high < 0 ? -1 : digit_of(hex[1]);
        if (low < 0 || size == INPUT_MAX)
            return SIZE_MAX;
        state.input[size++] = (uint8_t)(high * 16 + low);
    }
    return size;
}

/* The whole text. No stream is open when an input runs, since its process would share it. */
static char *corpus_read(const char *path)
{
    char *text = malloc(CORPUS_MAX + 1);
    FILE *file = fopen(path, "r");
    if (text == NULL || file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    size_t size = fread(text, 1, CORPUS_MAX + 1, file);
    if (ferror(file) || size > CORPUS_MAX) {
        (void)fprintf(stderr, "%s: cannot be read, or is too long\n", path);
        exit(2);
    }
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

/* Runs all of it or, if one is chosen, that one's neighbour in this process. True when any ran. */
static bool corpus_run(const char *path, const char *chosen)
{
    char *text = corpus_read(path), *rest = text;
    const char *name;
    bool ran = false;
    while ((name = strtok_r(rest, " \n", &rest)) != NULL) {
        const char *hex = strtok_r(rest, " \n", &rest);
        size_t size = hex != NULL ? bytes_parse(hex) : SIZE_MAX;
        if (size == SIZE_MAX) {
            (void)fprintf(stderr, "%s: a line that is no input: %s\n", path, name);
            exit(2);
        }
        if (chosen != NULL && strcmp(name, chosen) != 0)
            continue;
        ran = true;
        if (chosen == NULL)
            input_judge(path, name, size);
        else
            input_run(state.neighbour, neighbour_make(size, state.near_count));
    }
    free(text);
    return ran;
}

int main(int argc, char **argv)
{
    int first = 1;
    state.program = argv[0];
    if (argc == 5 && strcmp(argv[1], "--one") == 0) {
        state.near_count = (uint32_t)strtoul(argv[3], NULL, 10);
        if (corpus_run(argv[4], argv[2]))
            return 0;
        (void)fprintf(stderr, "%s: no input is named %s\n", argv[4], argv[2]);
        return 2;
    }
    if (argc > 3 && strcmp(argv[1], "--near") == 0) {
        state.near_count = (uint32_t)strtoul(argv[2], NULL, 10);
        first = 3;
    }
    state.at =
        mmap(NULL, sizeof *state.at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (state.at == MAP_FAILED)
        return 2;
    for (int i = first; i < argc; i++)
        (void)corpus_run(argv[i], NULL);
    (void)printf("%u passed, %u failed\n", state.passed, state.failed);
    return state.failed > 0 || state.passed == 0;
}
