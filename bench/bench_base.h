/* SPDX-License-Identifier: MIT
 *
 * What bench.h and the part of the system, bench_posix.h or bench_windows.h, both stand on. It is C
 * and C++, as is all but bench_windows.h, because libraries of both are measured.
 */
#ifndef BENCH_BENCH_BASE_H
#define BENCH_BENCH_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#include <atomic>
typedef std::atomic<bool> bench_flag;
#define BENCH_NORETURN [[noreturn]]
#else
#include <stdatomic.h>
typedef atomic_bool bench_flag;
#define BENCH_NORETURN _Noreturn
#endif

#define BENCH_BLOCK 65536u /* a stream repeats one block of so many bytes */
#define BENCH_SIZE_MAX (16 * BENCH_BLOCK)
#define BENCH_PHASES 4093u /* so many different messages of a size */
#define BENCH_SAMPLES_MAX (1u << 20)
#define BENCH_SECONDS_MAX 60u /* whoever hangs is ended by the system */
#define BENCH_LEFT_OUT 77     /* exit code: this peer cannot take part here, and says why */

enum bench_kind {
    BENCH_ECHO,    /* one message there and back, under way on each connection */
    BENCH_STREAM,  /* chunks one way; the total comes back at the end */
    BENCH_CONNECT, /* connect, one message there and back, close */
    BENCH_IDLE,    /* connections that were used once: their memory */
    BENCH_BURST,   /* `depth` messages are handed over at once; an answer when all have come */
    BENCH_FANOUT,  /* the server sends one message to all connections */
    BENCH_MIXED,   /* BENCH_ECHO on one connection, BENCH_BURST of 64 KiB on another */
    BENCH_KINDS
};

enum bench_spin { BENCH_SPIN_DEFAULT, BENCH_SPIN_ON, BENCH_SPIN_OFF };

/* What one process says about itself, or 0. */
struct bench_side {
    uint64_t waits, reads, writes;
    uint64_t hub_bytes;
    uint64_t dirty_before, dirty_after; /* private memory of the process */
    bench_flag over;                    /* BENCH_CONNECT: the client closes for the last time */
};

/* One request that is under way on one connection. */
struct bench_flow {
    uint64_t sent_ns;
    size_t got;
    uint32_t seq, index;
};

struct bench_conn; /* bench_loop.h */
#define BENCH_MANY_MAX 64u

struct bench {
    const char *kind_name;
    enum bench_kind kind;
    enum bench_spin spin;
    size_t size;
    uint32_t conns, depth;
    uint64_t run_ns, count_max; /* a run ends by time, or after so many operations if not 0 */
    bool check_all, one_core, two_cores, messages, single_thread, judge;
    size_t
        gather; /* a stream's chunks are gathered until there are so many bytes, where a peer can */
    size_t outbox;       /* of leat's connections, in bytes; 0: its default */
    uint32_t many;       /* so many of a stream's chunks are handed over by one call; 0: one */
    const char *backend; /* leat's; null: its default */
    char role;           /* 's', 'c', or 0: both */
    char folder[96];     /* the run's own, or the one given for a role */
    char path[128];
    intptr_t ready;            /* the system's: where the server says that it listens */
    intptr_t server;           /* the system's: its process, or 0 */
    struct bench_side *served; /* shared with the server's process */
    struct bench_side client;
    struct bench_flow *flows;
    unsigned char *pattern;
    unsigned char *buffer; /* to read into */
    unsigned char *last;   /* of `size`: a stream's last chunk; a message that goes to all */
    uint32_t *samples;
    size_t sample_count;
    uint64_t operations;
    uint64_t stream_sent, stream_bytes, block_ns; /* sent, received; when the block began */
    const unsigned char *chunks[BENCH_MANY_MAX];  /* many: to be handed over */
    uint32_t chunks_count, chunks_at;
    uint64_t bulk_bytes; /* BENCH_MIXED: what was transferred beside */
    uint64_t begin_ns, end_at_ns, end_ns, cpu_client_ns, cpu_server_ns;
    uint64_t switches_client, switches_server;
    uint32_t early_ns, late_ns; /* BENCH_IDLE: one connection more, at first and at last */
    bool over;
    bool stream_ended;               /* the last block was sent */
    bool stream_over;                /* the last block came */
    bool served_here;                /* this process is the server */
    struct bench_conn *ends, *spare; /* bench_loop.h */
    uint32_t ended, under_way;
    void *loop; /* the peer's own */
};

/* Null: this peer does not take part in that case. */
struct bench_peer {
    const char *name;
    const char *version; /* of the library */
    void (*serve)(struct bench *b);
    void (*client[BENCH_KINDS])(struct bench *b);
};

static const char *const bench_kinds[] = {"echo",  "stream", "connect", "idle",
                                          "burst", "fanout", "mixed"};

/* The system's own way of saying why; it ends the process. */
BENCH_NORETURN static inline void bench_die(const char *what);

static inline void bench_need(bool good, const char *what)
{
    if (!good)
        bench_die(what);
}

#endif
