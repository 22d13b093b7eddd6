/* SPDX-License-Identifier: MIT
 *
 * The peers `leat-bytes` and (--messages) `leat-messages`: both sides pull events with leat_next,
 * with the default options of a hub and of a connection.
 */
#include "leat/leat.h"

#include "bench.h"

#define LINGER_MS 5000u

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, leat_error_text(error));
    exit(1);
}

static struct leat_hub *hub_open(const struct bench *b)
{
    struct leat_hub_options options = {
        .size = sizeof options, .single_thread = b->single_thread, .spin_us = b->spin_us};
    struct leat_hub *hub;
    check("hub", leat_hub_create(&options, &hub));
    return hub;
}

static struct leat_conn_options conn_options(const struct bench *b)
{
    return (struct leat_conn_options){
        .size = sizeof(struct leat_conn_options),
        .protocol = b->messages ? LEAT_MESSAGES : LEAT_BYTES,
        .gather_bytes = b->gather,
    };
}

/* Any other event is a defect, or the other process has gone. */
static void expect(bool good, const struct leat_event *event)
{
    if (good)
        return;
    fprintf(stderr, "bench: %s came (%s)\n", leat_event_name(event->type),
            leat_error_name(event->error));
    exit(1);
}

/* ---- What both sides do ---------------------------------------------------------------------- */

static void give(const struct bench *b, struct leat_hub *hub, leat_conn conn, const void *data,
                 size_t size)
{
    size_t accepted = size;
    if (b->messages)
        check("send", leat_send(hub, conn, data, size));
    else
        check("write", leat_write(hub, conn, data, size, &accepted));
    bench_need(accepted == size, "a short write");
}

/* Shows what is there, without copying. */
static void look(const struct bench *b, struct leat_hub *hub, leat_conn conn, const void **data,
                 size_t *size)
{
    if (b->messages)
        check("view", leat_view(hub, conn, data, size));
    else
        check("peek", leat_peek(hub, conn, data, size));
}

static void drop(const struct bench *b, struct leat_hub *hub, leat_conn conn, size_t size)
{
    if (b->messages)
        check("release", leat_release(hub, conn));
    else
        check("consume", leat_consume(hub, conn, size));
}

static void count_calls(struct leat_hub *hub, leat_conn conn, struct bench_side *side)
{
    struct leat_conn_stats stats = {.size = sizeof stats};
    struct leat_hub_info info = {.size = sizeof info};
    check("stats", leat_conn_stats_get(hub, conn, &stats));
    check("info", leat_hub_info_get(hub, &info));
    side->reads += stats.reads;
    side->writes += stats.writes;
    side->waits = info.waits;
}

/* The most memory that the hub had, for the case with idle connections. */
static void count_memory(const struct bench *b, struct leat_hub *hub, struct bench_side *side)
{
    struct leat_hub_info info = {.size = sizeof info};
    if (b->kind != BENCH_IDLE)
        return;
    check("info", leat_hub_info_get(hub, &info));
    side->hub_bytes = info.memory_bytes;
}

/* ---- Server ---------------------------------------------------------------------------------- */

/* Small messages are taken until there is none: an event for each would cost more than they do. */
static void serve_messages(struct bench *b, struct leat_hub *hub, leat_conn conn)
{
    enum leat_error error;
    size_t size;
    while ((error = leat_receive(hub, conn, b->buffer, BENCH_BLOCK, &size)) == LEAT_OK)
        if (bench_stream_got(b, b->buffer, size))
            give(b, hub, conn, &b->stream_bytes, sizeof b->stream_bytes);
    check("receive", error == LEAT_E_EMPTY ? LEAT_OK : error);
}

static void serve_readable(struct bench *b, struct leat_hub *hub, leat_conn conn)
{
    const void *data;
    size_t size;
    if (b->messages && b->chunk && b->kind == BENCH_STREAM) {
        serve_messages(b, hub, conn);
        return;
    }
    look(b, hub, conn, &data, &size);
    if (b->kind != BENCH_STREAM)
        give(b, hub, conn, data, size);
    else if (bench_stream_got(b, data, size))
        give(b, hub, conn, &b->stream_bytes, sizeof b->stream_bytes);
    drop(b, hub, conn, size);
}

static void loop_serve(struct bench *b)
{
    struct leat_conn_options conn = conn_options(b);
    struct leat_listen_options options = {
        .size = sizeof options,
        .backlog = BENCH_BACKLOG,
        .conns_max = 65536,
        .handshakes_max = 65536,
        .conn = &conn,
    };
    struct leat_hub *hub = hub_open(b);
    leat_listener listener;
    uint64_t ended = 0;
    check("listen", leat_listen(hub, b->path, &options, &listener));
    bench_ready(b);
    while (bench_serving(b, ended)) {
        struct leat_event event;
        check("next", leat_next(hub, &event, LEAT_FOREVER));
        switch (event.type) {
        case LEAT_EVENT_ACCEPTED:
            count_memory(b, hub, b->served);
            break;
        case LEAT_EVENT_READABLE:
            serve_readable(b, hub, event.conn);
            break;
        case LEAT_EVENT_FINISHED:
            count_calls(hub, event.conn, b->served);
            check("close", leat_close(hub, event.conn, LINGER_MS));
            ended++;
            break;
        case LEAT_EVENT_CLOSED:
            count_calls(hub, event.conn, b->served);
            ended++;
            break;
        default:
            expect(event.type == LEAT_EVENT_HANGUP, &event);
            break;
        }
    }
    check("destroy", leat_hub_destroy(hub));
}

/* ---- Client ---------------------------------------------------------------------------------- */

static leat_conn dial(const struct bench *b, struct leat_hub *hub, uint64_t tag)
{
    struct leat_conn_options conn_with = conn_options(b);
    struct leat_connect_options options = {
        .size = sizeof options, .tag = tag, .timeout_ms = 10000, .conn = &conn_with};
    leat_conn conn;
    check("connect", leat_connect_wait(hub, b->path, &options, &conn));
    return conn;
}

static void request(struct bench *b, struct leat_hub *hub, leat_conn conn, uint64_t index)
{
    give(b, hub, conn, bench_message(b, &b->flows[index]), b->size);
}

/* Waits for an echo to be whole and gives its flow; others go on as they come. */
static uint64_t receive(struct bench *b, struct leat_hub *hub)
{
    for (;;) {
        struct leat_event event;
        const void *data;
        size_t size;
        check("next", leat_next(hub, &event, LEAT_FOREVER));
        expect(event.type == LEAT_EVENT_READABLE, &event);
        look(b, hub, event.conn, &data, &size);
        bool whole = bench_got(b, &b->flows[event.tag], data, size);
        drop(b, hub, event.conn, size);
        if (whole)
            return event.tag;
    }
}

static void client_echo(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    leat_conn *conns = bench_alloc(b->conns * sizeof *conns);
    struct leat_hub_info info = {.size = sizeof info};
    for (uint32_t i = 0; i < b->conns; i++)
        conns[i] = dial(b, hub, i);
    check("info", leat_hub_info_get(hub, &info));
    bench_begin(b);
    for (uint32_t i = 0; i < b->conns; i++) {
        b->flows[i].sent_ns = b->begin_ns;
        request(b, hub, conns[i], i);
    }
    for (uint32_t under_way = b->conns; under_way > 0;) {
        uint64_t index = receive(b, hub);
        if (b->over)
            under_way--;
        else
            request(b, hub, conns[index], index);
    }
    bench_end(b);
    for (uint32_t i = 0; i < b->conns; i++)
        count_calls(hub, conns[i], &b->client);
    b->client.waits -= info.waits;
    check("destroy", leat_hub_destroy(hub));
    free(conns);
}

/* Sends one block, waiting for room as often as it needs. */
static void stream_block(const struct bench *b, struct leat_hub *hub, leat_conn conn,
                         const unsigned char *data)
{
    size_t chunk = b->chunk ? b->chunk : BENCH_BLOCK;
    for (size_t done = 0; done < BENCH_BLOCK;) {
        size_t part = BENCH_BLOCK - done < chunk ? BENCH_BLOCK - done : chunk;
        enum leat_error error = b->messages ? leat_send(hub, conn, data + done, part)
                                            : leat_write(hub, conn, data + done, part, &part);
        if (error == LEAT_OK) {
            done += part;
            continue;
        }
        struct leat_event event;
        check("send", error == LEAT_E_FULL ? LEAT_OK : error);
        check("next", leat_next(hub, &event, LEAT_FOREVER));
        expect(event.type == LEAT_EVENT_WRITABLE, &event);
    }
}

static void client_stream(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    leat_conn conn = dial(b, hub, 0);
    struct leat_event event = {0};
    uint64_t arrived = 0;
    const void *data;
    size_t size;
    bench_begin(b);
    for (uint64_t began_ns = b->begin_ns; !b->over; began_ns = bench_done(b, began_ns))
        stream_block(b, hub, conn, b->pattern);
    stream_block(b, hub, conn, bench_last_block(b));
    while (event.type != LEAT_EVENT_READABLE) {
        check("next", leat_next(hub, &event, LEAT_FOREVER));
        expect(event.type == LEAT_EVENT_READABLE || event.type == LEAT_EVENT_WRITABLE, &event);
    }
    look(b, hub, conn, &data, &size);
    bench_end(b);
    bench_need(size == sizeof arrived, "no total");
    memcpy(&arrived, data, size);
    bench_need(arrived == bench_stream_total(b), "bytes were lost");
    count_calls(hub, conn, &b->client);
    check("destroy", leat_hub_destroy(hub));
}

static void client_connect(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    bench_begin(b);
    b->flows[0].sent_ns = b->begin_ns;
    while (!b->over) {
        leat_conn conn = dial(b, hub, 0);
        request(b, hub, conn, 0);
        receive(b, hub);
        bench_closing(b);
        check("close", leat_close(hub, conn, LINGER_MS));
    }
    bench_end(b);
    check("destroy", leat_hub_destroy(hub));
}

static void client_idle(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    bench_idle_begin(b);
    for (uint32_t i = 0; i < b->conns; i++) {
        b->flows[i].sent_ns = bench_now();
        leat_conn conn = dial(b, hub, i);
        request(b, hub, conn, i);
        receive(b, hub);
    }
    bench_idle_end(b);
    count_memory(b, hub, &b->client);
    check("destroy", leat_hub_destroy(hub));
}

int main(int argc, char **argv)
{
    struct bench_peer peer = {
        "leat-bytes",
        loop_serve,
        {client_echo, client_stream, client_connect, client_idle},
    };
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--messages") == 0)
            peer.name = "leat-messages";
    return bench_main(&peer, argc, argv);
}
