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

/* ---- Time ------------------------------------------------------------------------------------ */

static inline uint64_t bench_server_cpu(const struct bench *b)
{
    return b->server != 0 ? bench_cpu(b->server) : 0;
}

static inline void bench_begin(struct bench *b)
{
    b->cpu_server_ns = bench_server_cpu(b);
    b->cpu_client_ns = bench_cpu(0);
    b->begin_ns = bench_now();
    b->end_at_ns = b->begin_ns + b->run_ns;
}

static inline void bench_end(struct bench *b)
{
    b->end_ns = bench_now();
    b->cpu_client_ns = bench_cpu(0) - b->cpu_client_ns;
    b->cpu_server_ns = bench_server_cpu(b) - b->cpu_server_ns;
}

/* One operation is over. All peers read the clock here, once an operation, and nowhere else. */
static inline uint64_t bench_done(struct bench *b, uint64_t began_ns)
{
    uint64_t now = bench_now();
    uint64_t took = now - began_ns;
    b->samples[b->sample_count++ % BENCH_SAMPLES_MAX] =
        took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
    b->operations++;
    b->over = b->count_max ? b->operations >= b->count_max : now >= b->end_at_ns;
    return now;
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

/* The stream repeats one block. Its last one ends with another byte, because not every system has
 * a half-close to end a stream with. */
static inline const unsigned char *bench_last_block(const struct bench *b)
{
    memcpy(b->buffer, b->pattern, BENCH_BLOCK);
    b->buffer[BENCH_BLOCK - 1] = (unsigned char)~b->pattern[BENCH_BLOCK - 1];
    return b->buffer;
}

/* Takes a piece of the stream; true when that is its end. In a timed run the ends of a piece are
 * checked, so that the check does not hide what the peers cost; with --check every byte is. */
static inline bool bench_stream_got(struct bench *b, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    bench_need(!b->stream_over, "more came after the end");
    for (size_t done = 0; done < size;) {
        size_t at = (size_t)(b->stream_bytes % BENCH_BLOCK);
        size_t part = BENCH_BLOCK - at < size - done ? BENCH_BLOCK - at : size - done;
        size_t last = at + part - 1;
        bool whole = last == BENCH_BLOCK - 1;
        bool over = whole && bytes[done + part - 1] == (unsigned char)~b->pattern[last];
        bench_need(bytes[done] == b->pattern[at] || (over && part == 1), "a wrong stream");
        bench_need(bytes[done + part - 1] == b->pattern[last] || over, "a wrong stream");
        bench_need(!b->check_all || memcmp(b->pattern + at, bytes + done, part - 1) == 0,
                   "a wrong stream");
        b->stream_bytes += part;
        done += part;
        b->stream_over = over;
        bench_need(!over || done == size, "more came after the end");
    }
    return b->stream_over;
}

/* What the receiver of the stream must have counted. */
static inline uint64_t bench_stream_total(const struct bench *b)
{
    return (b->operations + 1) * BENCH_BLOCK;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static inline uint64_t bench_server_dirty(const struct bench *b)
{
    return b->server != 0 ? bench_private_dirty(b->server) : 0;
}

/* Before the first connection: all that grows from here on is theirs. */
static inline void bench_idle_begin(struct bench *b)
{
    b->served->dirty_before = bench_server_dirty(b);
    b->client.dirty_before = bench_private_dirty(0);
    bench_begin(b);
}

static inline void bench_idle_end(struct bench *b)
{
    bench_end(b);
    b->served->dirty_after = bench_server_dirty(b);
    b->client.dirty_after = bench_private_dirty(0);
}

/* ---- The two processes ----------------------------------------------------------------------- */

/* Whether the server, which saw so many connections end, goes on. */
static inline bool bench_serving(const struct bench *b, uint64_t ended)
{
    return b->kind == BENCH_CONNECT ? !atomic_load(&b->served->over) : ended < b->conns;
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

static inline void bench_parse(struct bench *b, int argc, char **argv)
{
    size_t kind = 0;
    bench_need(argc > 1, "usage: PEER echo|stream|connect|idle [--size N] [--conns N] ...");
    while (kind <= BENCH_IDLE && strcmp(argv[1], bench_kinds[kind]) != 0)
        kind++;
    bench_need(kind <= BENCH_IDLE, "no such case");
    b->kind = (enum bench_kind)kind;
    b->kind_name = bench_kinds[kind];
    for (int i = 2; i < argc; i++) {
        const char *option = argv[i];
        if (strcmp(option, "--check") == 0)
            b->check_all = true;
        else if (strcmp(option, "--one-core") == 0)
            b->one_core = true;
        else if (strcmp(option, "--two-cores") == 0)
            b->two_cores = true;
        else if (strcmp(option, "--messages") == 0)
            b->messages = true;
        else if (strcmp(option, "--single-thread") == 0)
            b->single_thread = true;
        else if (++i == argc)
            bench_die(option);
        else if (strcmp(option, "--size") == 0)
            b->size = (size_t)bench_number(argv[i]);
        else if (strcmp(option, "--conns") == 0)
            b->conns = (uint32_t)bench_number(argv[i]);
        else if (strcmp(option, "--ms") == 0)
            b->run_ns = bench_number(argv[i]) * 1000000;
        else if (strcmp(option, "--count") == 0)
            b->count_max = bench_number(argv[i]);
        else if (strcmp(option, "--gather") == 0)
            b->gather = (size_t)bench_number(argv[i]);
        else if (strcmp(option, "--chunk") == 0)
            b->chunk = (size_t)bench_number(argv[i]);
        else if (strcmp(option, "--spin") == 0)
            b->spin_us = strcmp(argv[i], "off") == 0 ? UINT32_MAX : 50;
        else if (strcmp(option, "--role") == 0)
            b->role = argv[i][0];
        else if (strcmp(option, "--folder") == 0)
            snprintf(b->folder, sizeof b->folder, "%s", argv[i]);
        else
            bench_need(bench_system_option(option, argv[i]), option);
    }
    bench_need(b->size > 0 && b->size <= BENCH_BLOCK && b->conns > 0, "out of range");
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
    uint32_t random = 1;
    bench_system_prepare(b);
    if (b->one_core || b->two_cores)
        bench_pin(b->two_cores && b->role == 's');
    b->pattern = bench_alloc(BENCH_BLOCK + BENCH_PHASES);
    for (size_t i = 0; i < BENCH_BLOCK + BENCH_PHASES; i++) {
        random = random * UINT32_C(1664525) + UINT32_C(1013904223);
        b->pattern[i] = (unsigned char)(random >> 24);
    }
    b->buffer = bench_alloc(BENCH_BLOCK);
    b->samples = bench_alloc(BENCH_SAMPLES_MAX * sizeof *b->samples);
    b->flows = bench_alloc(b->conns * sizeof *b->flows);
    for (uint32_t i = 0; i < b->conns; i++)
        b->flows[i] = (struct bench_flow){.index = i};
}

static inline int bench_order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static inline void bench_side_print(const char *name, const struct bench_side *side)
{
    printf(", \"%s\": {\"waits\": %llu, \"reads\": %llu, \"writes\": %llu, \"hub_bytes\": %llu, "
           "\"dirty\": %lld}",
           name, (unsigned long long)side->waits, (unsigned long long)side->reads,
           (unsigned long long)side->writes, (unsigned long long)side->hub_bytes,
           (long long)(side->dirty_after - side->dirty_before));
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
           "\"p50_ns\": %u, \"p99_ns\": %u, \"mean_ns\": %llu, \"cpu_client_ns\": %llu, "
           "\"cpu_server_ns\": %llu",
           peer, b->kind_name, (unsigned long long)b->operations,
           (unsigned long long)(b->end_ns - b->begin_ns), b->samples[count / 2],
           b->samples[count - 1 - count / 100], (unsigned long long)(sum / count),
           (unsigned long long)b->cpu_client_ns, (unsigned long long)b->cpu_server_ns);
    bench_side_print("client", &b->client);
    bench_side_print("server", b->served);
    printf("}\n");
}

static inline int bench_main(const struct bench_peer *peer, int argc, char **argv)
{
    struct bench b = {.size = 64, .conns = 1, .run_ns = 150000000};
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
