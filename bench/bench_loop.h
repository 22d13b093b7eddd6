/* SPDX-License-Identifier: MIT
 *
 * Every case for a peer with an event loop: what client and server do is written once, here, and a
 * peer is how its library does it: eight functions, declared below, that its file defines.
 *
 * Each connection begins with a hello of eight bytes there and back, except in BENCH_CONNECT, where
 * the connecting is measured; its first byte says what the connection is for. The next one is
 * dialled when that came, so that no backlog overflows and every connection has been used once.
 */
#ifndef BENCH_BENCH_LOOP_H
#define BENCH_BENCH_LOOP_H

#include "bench.h"

#define BENCH_HELLO_BYTES 8u
#define BENCH_BULK_DEPTH 16u               /* BENCH_MIXED: a transfer is so many blocks: 1 MiB */
#define BENCH_HIGH_WATER (2 * BENCH_BLOCK) /* for what has no limit of its own: leat's default */
#define BENCH_SPARE_ENDS 4096u /* BENCH_CONNECT: that a server may have, not yet closed */

/* One connection, on either side. */
struct bench_conn {
    uint64_t handle; /* the peer's own */
    void *peer;      /* the peer's own */
    uint32_t index;
    bool used;  /* the server's has a connection */
    bool open;  /* the hello is over */
    bool pumps; /* a stream or a burst goes out here */
    char role;  /* 'e' echo, 's' stream, 'b' burst, 'f' fan-out */
    /* What is being given: a chunk of which `part` was taken; a copy of the rest of an answer. */
    const unsigned char *chunk;
    size_t chunk_size, part;
    unsigned char *rest;
    uint32_t burst_left;
    uint64_t bytes, sent_ns; /* of bursts */
    struct bench_conn *next; /* of those to spare */
};

/* ---- What a peer defines --------------------------------------------------------------------- */

/* Makes the loop, in each of the two processes, and takes it down. */
static void peer_open(struct bench *b);
static void peer_shut(struct bench *b);
/* From now on bench_accepted is called for each connection. */
static void peer_listen(struct bench *b);
/* bench_opened follows, or is called here. */
static void peer_dial(struct bench *b, struct bench_conn *end);
/* How much was taken, all or nothing of a message; if not all, bench_writable follows. */
static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size);
#ifdef BENCH_PEER_MANY
/* Of `count` chunks, of whose first `part` bytes were taken: how many bytes are taken now. */
static size_t peer_send_many(struct bench *b, struct bench_conn *end,
                             const unsigned char *const *chunks, size_t count, size_t part);
#endif
/* The connection is over for the driver, which is told nothing more of it. */
static void peer_close(struct bench *b, struct bench_conn *end);
/* Calls bench_opened, bench_data, bench_writable and bench_closed until peer_stop was called. */
static void peer_run(struct bench *b);
static void peer_stop(struct bench *b);

/* ---- Giving ---------------------------------------------------------------------------------- */

/* What may wait in an outbox that the peer limits itself. */
static inline size_t bench_high_water(const struct bench *b)
{
    size_t burst = b->kind == BENCH_BURST ? b->depth * (b->size + 16) : 0;
    return burst + BENCH_HIGH_WATER;
}

static inline const unsigned char *bench_burst_next(const struct bench *b, struct bench_conn *end)
{
    if (end->burst_left == 0)
        return NULL;
    const unsigned char *chunk = b->pattern + (end->bytes & (BENCH_BLOCK - 1));
    end->burst_left--;
    end->bytes += end->chunk_size;
    return chunk;
}

static inline void bench_rest_free(struct bench_conn *end)
{
    free(end->rest);
    end->rest = NULL;
}

#ifdef BENCH_PEER_MANY
/* bench_pump for a stream, several chunks at a time. */
static inline bool bench_pump_many(struct bench *b, struct bench_conn *end)
{
    for (;;) {
        const unsigned char *chunk;
        if (b->chunks_at == b->chunks_count)
            b->chunks_at = b->chunks_count = 0;
        while (b->chunks_at == 0 && b->chunks_count < b->many &&
               (chunk = bench_stream_next(b)) != NULL)
            b->chunks[b->chunks_count++] = chunk;
        if (b->chunks_count == 0)
            return true;
        uint32_t count = b->chunks_count - b->chunks_at;
        size_t left = count * b->size - end->part;
        size_t taken = peer_send_many(b, end, b->chunks + b->chunks_at, count, end->part);
        end->part += taken;
        b->chunks_at += (uint32_t)(end->part / b->size);
        end->part %= b->size;
        if (taken < left)
            return false;
    }
}
#endif

/* Gives as much as is taken; at once true when all that there is was given. */
static inline bool bench_pump(struct bench *b, struct bench_conn *end)
{
#ifdef BENCH_PEER_MANY
    if (b->many > 0 && end->pumps && end->role == 's')
        return bench_pump_many(b, end);
#endif
    for (;;) {
        if (end->chunk == NULL && end->pumps) {
            end->part = 0;
            end->chunk = end->role == 's' ? bench_stream_next(b) : bench_burst_next(b, end);
        }
        if (end->chunk == NULL)
            return true;
        end->part += peer_send(b, end, end->chunk + end->part, end->chunk_size - end->part);
        if (end->part < end->chunk_size)
            return false;
        end->chunk = NULL;
        if (end->rest != NULL)
            bench_rest_free(end);
    }
}

/* Gives one message. What is not taken is kept, which next to never happens, because no more than
 * one message is under way in each direction. */
static inline void bench_give(struct bench *b, struct bench_conn *end, const void *data,
                              size_t size)
{
    bench_need(end->chunk == NULL, "two messages are under way");
    size_t taken = peer_send(b, end, data, size);
    if (taken == size)
        return;
    end->rest = (unsigned char *)malloc(size - taken);
    bench_need(end->rest != NULL, "memory");
    memcpy(end->rest, (const unsigned char *)data + taken, size - taken);
    end->chunk = end->rest;
    end->chunk_size = size - taken;
    end->part = 0;
}

/* The peer: there is room again. Whether more waits to be given. */
static inline bool bench_writable(struct bench *b, struct bench_conn *end)
{
    return !bench_pump(b, end);
}

/* ---- Server ---------------------------------------------------------------------------------- */

static inline struct bench_conn *bench_accepted(struct bench *b)
{
    struct bench_conn *end = b->spare;
    bench_need(end != NULL, "too many connections");
    b->spare = end->next;
    end->used = true;
    end->open = b->kind == BENCH_CONNECT;
    end->role = 'e';
    end->bytes = 0;
    end->chunk = NULL;
    return end;
}

/* The peer: the client has gone, and this side is closed as well. */
static inline void bench_closed(struct bench *b, struct bench_conn *end)
{
    end->used = false;
    end->next = b->spare;
    b->spare = end;
    bench_rest_free(end);
    b->ended++;
    if (b->kind == BENCH_CONNECT ? atomic_load(&b->served->over) : b->ended == b->conns)
        peer_stop(b);
}

static inline uint64_t bench_burst_bytes(const struct bench *b)
{
    return b->kind == BENCH_MIXED ? (uint64_t)BENCH_BULK_DEPTH * BENCH_BLOCK
                                  : (uint64_t)b->depth * b->size;
}

static inline void bench_serve_burst(struct bench *b, struct bench_conn *end, const void *data,
                                     size_t size)
{
    uint64_t whole = bench_burst_bytes(b);
    bench_check(b, end->bytes, data, size);
    bench_need(end->bytes % whole + size <= whole, "more than a burst");
    end->bytes += size;
    if (end->bytes % whole == 0)
        bench_give(b, end, &end->bytes, sizeof end->bytes);
}

/* Not in b->buffer, into which the next piece may be read. */
static inline void bench_serve_fanout(struct bench *b, struct bench_conn *end, const void *data,
                                      size_t size)
{
    bench_need(end->bytes + size <= b->size, "more than one message");
    memcpy(b->last + end->bytes, data, size);
    end->bytes += size;
    if (end->bytes < b->size)
        return;
    end->bytes = 0;
    for (uint32_t i = 0; i < b->conns; i++)
        bench_give(b, &b->ends[i], b->last, b->size);
}

static inline void bench_serve_data(struct bench *b, struct bench_conn *end, const void *data,
                                    size_t size)
{
    if (!end->open) {
        bench_need(size == BENCH_HELLO_BYTES, "no hello");
        end->open = true;
        end->role = *(const char *)data;
        bench_give(b, end, data, size);
    } else if (end->role == 'e') {
        bench_give(b, end, data, size);
    } else if (end->role == 'b') {
        bench_serve_burst(b, end, data, size);
    } else if (end->role == 'f') {
        bench_serve_fanout(b, end, data, size);
    } else {
        bench_need(!b->messages || size == b->size, "a message was cut or joined");
        if (bench_stream_got(b, data, size))
            bench_give(b, end, &b->stream_bytes, sizeof b->stream_bytes);
    }
}

/* ---- Client ---------------------------------------------------------------------------------- */

static inline void bench_request(struct bench *b, struct bench_conn *end)
{
    bench_give(b, end, bench_message(b, &b->flows[end->index]), b->size);
}

static inline void bench_burst(struct bench *b, struct bench_conn *end)
{
    bool bulk = b->kind == BENCH_MIXED;
    end->chunk_size = bulk ? BENCH_BLOCK : b->size;
    end->burst_left = bulk ? BENCH_BULK_DEPTH : b->depth;
    end->pumps = true;
    bench_pump(b, end);
}

/* All connections are there: the clock starts. */
static inline void bench_go(struct bench *b)
{
    if (b->kind == BENCH_IDLE) {
        bench_idle_end(b);
        peer_stop(b);
        return;
    }
    bench_begin(b);
    b->under_way = b->conns;
    for (uint32_t i = 0; i < b->conns; i++) {
        struct bench_conn *end = &b->ends[i];
        b->flows[i].sent_ns = end->sent_ns = b->begin_ns;
        if (end->role == 'e' || (end->role == 'f' && i == 0)) {
            bench_request(b, end);
        } else if (end->role == 'b') {
            bench_burst(b, end);
        } else if (end->role == 's') {
            end->chunk_size = b->size;
            end->pumps = true;
            bench_pump(b, end);
        }
    }
}

/* A flow has nothing more to do. */
static inline void bench_flow_over(struct bench *b)
{
    if (--b->under_way > 0)
        return;
    bench_end(b);
    peer_stop(b);
}

/* The peer: a dialled connection is there. */
static inline void bench_opened(struct bench *b, struct bench_conn *end)
{
    static const char roles[] = {'e', 's', 'e', 'e', 'b', 'f', 'e'};
    unsigned char hello[BENCH_HELLO_BYTES] = {0};
    end->role = b->kind == BENCH_MIXED && end->index == 1 ? 'b' : roles[b->kind];
    hello[0] = (unsigned char)end->role;
    hello[1] = (unsigned char)end->index;
    if (b->kind == BENCH_CONNECT)
        bench_request(b, end);
    else
        bench_give(b, end, hello, sizeof hello);
}

static inline void bench_hello(struct bench *b, struct bench_conn *end, const void *data,
                               size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    bench_need(size == BENCH_HELLO_BYTES && bytes[0] == (unsigned char)end->role &&
                   bytes[1] == (unsigned char)end->index,
               "a wrong hello");
    end->open = true;
    if (b->kind == BENCH_IDLE)
        b->flows[end->index].sent_ns = bench_done(b, b->flows[end->index].sent_ns);
    if (end->index + 1 == b->conns) {
        bench_go(b);
        return;
    }
    b->flows[end->index + 1].sent_ns = b->flows[end->index].sent_ns;
    peer_dial(b, &b->ends[end->index + 1]);
}

/* One whole echo has come. */
static inline void bench_echo_got(struct bench *b, struct bench_conn *end)
{
    if (b->kind != BENCH_CONNECT) {
        if (b->over)
            bench_flow_over(b);
        else
            bench_request(b, end);
        return;
    }
    bench_closing(b);
    peer_close(b, end);
    if (b->over) {
        bench_end(b);
        peer_stop(b);
    } else {
        peer_dial(b, end);
    }
}

static inline void bench_burst_got(struct bench *b, struct bench_conn *end, const void *data,
                                   size_t size)
{
    uint64_t arrived;
    bench_need(size == sizeof arrived, "no total");
    memcpy(&arrived, data, sizeof arrived);
    bench_need(arrived == end->bytes, "bytes were lost");
    if (b->kind == BENCH_MIXED) {
        b->bulk_bytes = end->bytes;
    } else {
        b->operations += b->depth;
        end->sent_ns = bench_done_many(b, end->sent_ns, b->depth);
    }
    if (b->over)
        bench_flow_over(b);
    else
        bench_burst(b, end);
}

/* A piece of the message that goes to all; the operation is over when all have it. */
static inline void bench_fanout_got(struct bench *b, struct bench_conn *end, const void *data,
                                    size_t size)
{
    struct bench_flow *first = &b->flows[0], *flow = &b->flows[end->index];
    bench_need(size <= b->size - flow->got, "more came than was sent");
    bench_need(memcmp(bench_message(b, first) + flow->got, data, size) == 0, "a wrong message");
    flow->got += size;
    if (flow->got < b->size || --b->under_way > 0)
        return;
    for (uint32_t i = 0; i < b->conns; i++)
        b->flows[i].got = 0;
    first->seq++;
    first->sent_ns = bench_done(b, first->sent_ns);
    if (b->over) {
        bench_end(b);
        peer_stop(b);
        return;
    }
    b->under_way = b->conns;
    bench_request(b, &b->ends[0]);
}

static inline void bench_client_data(struct bench *b, struct bench_conn *end, const void *data,
                                     size_t size)
{
    if (!end->open && b->kind != BENCH_CONNECT) {
        bench_hello(b, end, data, size);
    } else if (end->role == 'e') {
        if (bench_got(b, &b->flows[end->index], data, size))
            bench_echo_got(b, end);
    } else if (end->role == 'b') {
        bench_burst_got(b, end, data, size);
    } else if (end->role == 'f') {
        bench_fanout_got(b, end, data, size);
    } else {
        bench_end(b);
        bench_stream_total(b, data, size);
        peer_stop(b);
    }
}

/* ---- Both ------------------------------------------------------------------------------------ */

/* The peer: bytes came, or one whole message. */
static inline void bench_data(struct bench *b, struct bench_conn *end, const void *data,
                              size_t size)
{
    if (b->served_here)
        bench_serve_data(b, end, data, size);
    else
        bench_client_data(b, end, data, size);
}

static inline void bench_ends_make(struct bench *b, uint32_t count)
{
    b->ends = (struct bench_conn *)bench_alloc(count * sizeof *b->ends);
    memset(b->ends, 0, count * sizeof *b->ends);
    b->spare = NULL;
    for (uint32_t i = count; i-- > 0;) {
        b->ends[i].index = i;
        b->ends[i].next = b->spare;
        b->spare = &b->ends[i];
    }
}

static inline void bench_loop_serve(struct bench *b)
{
    b->served_here = true;
    bench_ends_make(b, b->kind == BENCH_CONNECT ? BENCH_SPARE_ENDS : b->conns);
    peer_open(b);
    peer_listen(b);
    bench_ready(b);
    peer_run(b);
    peer_shut(b);
}

static inline void bench_loop_client(struct bench *b)
{
    bench_ends_make(b, b->conns);
    peer_open(b);
    if (b->kind == BENCH_IDLE)
        bench_idle_begin(b);
    else
        bench_begin(b); /* BENCH_CONNECT; others begin again when all is connected */
    b->flows[0].sent_ns = b->begin_ns;
    peer_dial(b, &b->ends[0]);
    peer_run(b);
    for (uint32_t i = 0; i < b->conns && b->kind != BENCH_CONNECT; i++)
        peer_close(b, &b->ends[i]);
    peer_shut(b);
}

static inline int bench_loop_main(const char *name, const char *version, int argc, char **argv)
{
    struct bench_peer peer;
    peer.name = name;
    peer.version = version;
    peer.serve = bench_loop_serve;
    for (size_t i = 0; i < BENCH_KINDS; i++)
        peer.client[i] = bench_loop_client;
    return bench_main(&peer, argc, argv);
}

#endif
