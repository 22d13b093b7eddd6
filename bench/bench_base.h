/* SPDX-License-Identifier: MIT
 *
 * What bench.h and the part of the system, bench_posix.h or bench_windows.h, both stand on.
 */
#ifndef BENCH_BENCH_BASE_H
#define BENCH_BENCH_BASE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_BLOCK 65536u
#define BENCH_PHASES 4093u /* so many different messages of a size */
#define BENCH_SAMPLES_MAX (1u << 20)
#define BENCH_SECONDS_MAX 60u /* whoever hangs is ended by the system */

enum bench_kind { BENCH_ECHO, BENCH_STREAM, BENCH_CONNECT, BENCH_IDLE };

/* What one process of leat says about itself, or 0. */
struct bench_side {
    uint64_t waits, reads, writes;
    uint64_t hub_bytes;
    uint64_t dirty_before, dirty_after; /* private memory of the process */
    atomic_bool over;                   /* BENCH_CONNECT: the client closes for the last time */
};

/* One request that is under way on one connection. */
struct bench_flow {
    uint64_t sent_ns;
    size_t got;
    uint32_t seq, index;
};

struct bench {
    const char *kind_name;
    enum bench_kind kind;
    size_t size;
    uint32_t conns;
    uint64_t run_ns, count_max; /* a run ends by time, or after so many operations if not 0 */
    bool check_all, one_core, two_cores, messages, single_thread;
    size_t gather, chunk; /* of leat's streams: gather_bytes; how much a call writes, 0: a block */
    uint32_t spin_us;     /* of leat's hubs; 0: its default */
    char role;            /* 's', 'c', or 0: both */
    char folder[96];      /* the run's own, or the one given for a role */
    char path[128];
    intptr_t ready;            /* the system's: where the server says that it listens */
    intptr_t server;           /* the system's: its process, or 0 */
    struct bench_side *served; /* shared with the server's process */
    struct bench_side client;
    struct bench_flow *flows;
    unsigned char *pattern, *buffer;
    uint32_t *samples;
    size_t sample_count;
    uint64_t operations, stream_bytes;
    uint64_t begin_ns, end_at_ns, end_ns, cpu_client_ns, cpu_server_ns;
    bool over;
    bool stream_over; /* the last block came */
};

/* Null: this peer does not take part in that case. */
struct bench_peer {
    const char *name;
    void (*serve)(struct bench *b);
    void (*client[BENCH_IDLE + 1])(struct bench *b);
};

static const char *const bench_kinds[] = {"echo", "stream", "connect", "idle"};

/* The system's own way of saying why; it ends the process. */
_Noreturn static inline void bench_die(const char *what);

static inline void bench_need(bool good, const char *what)
{
    if (!good)
        bench_die(what);
}

#endif
