/* SPDX-License-Identifier: MIT
 *
 * The peers `leat-bytes` and (--messages) `leat-messages`: both sides pull events with leat_next,
 * with the default options of a hub and of a connection, but for --spin and the outbox of a burst.
 */
#include "leat/leat.h"

#define BENCH_PEER_MANY
#include "bench_loop.h"

#define LINGER_MS 5000u
#define VIEWED_MAX 16u
#define SPIN_US 50u /* leat's default, also where a process may use one core only */

struct loop {
    struct leat_hub *hub;
    bool stop;
};

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, leat_error_text(error));
    exit(1);
}

static struct leat_hub *hub_of(const struct bench *b)
{
    return ((const struct loop *)b->loop)->hub;
}

static leat_conn conn_of(const struct bench_conn *end)
{
    return (leat_conn){end->handle};
}

/* The end is the tag of its connection. */
static struct bench_conn *end_of(const struct leat_event *event)
{
    return (struct bench_conn *)(uintptr_t)event->tag;
}

static struct leat_conn_options conn_options(const struct bench *b)
{
    struct leat_conn_options options = {
        .size = sizeof options,
        .protocol = b->messages ? LEAT_MESSAGES : LEAT_BYTES,
        .gather_bytes = b->gather,
        .outbox_bytes = b->outbox,
    };
    if (b->kind == BENCH_BURST) { /* the outbox is what is measured */
        options.outbox_bytes = bench_high_water(b);
        options.outbox_messages_max = b->depth + 16;
    }
    return options;
}

static void peer_open(struct bench *b)
{
    static struct loop loop;
    struct leat_hub_options options = {.size = sizeof options, .single_thread = b->single_thread};
    if (b->spin != BENCH_SPIN_DEFAULT)
        options.spin_us = b->spin == BENCH_SPIN_ON ? SPIN_US : LEAT_SPIN_OFF;
    if (b->backend)
        options.backend =
            strcmp(b->backend, "uring") == 0 ? LEAT_BACKEND_URING : LEAT_BACKEND_AHEAD;
    check("hub", leat_hub_create(&options, &loop.hub));
    b->loop = &loop;
}

static void count_hub(struct bench *b)
{
    struct leat_hub_info info = {.size = sizeof info};
    struct bench_side *side = b->served_here ? b->served : &b->client;
    check("info", leat_hub_info_get(hub_of(b), &info));
    side->waits = info.waits;
    if (b->kind == BENCH_IDLE && side->hub_bytes < info.memory_bytes)
        side->hub_bytes = info.memory_bytes;
}

static void peer_shut(struct bench *b)
{
    check("destroy", leat_hub_destroy(hub_of(b)));
}

static void peer_listen(struct bench *b)
{
    struct leat_conn_options conn = conn_options(b);
    struct leat_listen_options options = {
        .size = sizeof options,
        .backlog = BENCH_BACKLOG,
        .conns_max = 65536,
        .handshakes_max = 65536,
        .conn = &conn,
    };
    leat_listener listener;
    check("listen", leat_listen(hub_of(b), b->path, &options, &listener));
}

/* What is written before the connection is there waits in its outbox. */
static void peer_dial(struct bench *b, struct bench_conn *end)
{
    struct leat_conn_options conn_with = conn_options(b);
    struct leat_connect_options options = {
        .size = sizeof options, .tag = (uintptr_t)end, .timeout_ms = 10000, .conn = &conn_with};
    leat_conn conn;
    check("connect", leat_connect(hub_of(b), b->path, &options, &conn));
    end->handle = conn.id;
    bench_opened(b, end);
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    size_t taken = size;
    enum leat_error error = b->messages ? leat_send(hub_of(b), conn_of(end), data, size)
                                        : leat_write(hub_of(b), conn_of(end), data, size, &taken);
    if (error == LEAT_E_FULL)
        return 0;
    check("send", error);
    return taken;
}

static size_t peer_send_many(struct bench *b, struct bench_conn *end,
                             const unsigned char *const *chunks, size_t count, size_t part)
{
    struct leat_slice slices[BENCH_MANY_MAX];
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
        slices[i] = (struct leat_slice){chunks[i], b->size};
    slices[0] = (struct leat_slice){chunks[0] + part, b->size - part};
    enum leat_error error = b->messages
                                ? leat_send_many(hub_of(b), conn_of(end), slices, count, &taken)
                                : leat_write_slices(hub_of(b), conn_of(end), slices, count, &taken);
    if (error == LEAT_E_FULL)
        return 0;
    check("send", error);
    return b->messages ? taken * b->size : taken;
}

static void count_calls(struct bench *b, struct bench_conn *end)
{
    struct leat_conn_stats stats = {.size = sizeof stats};
    struct bench_side *side = b->served_here ? b->served : &b->client;
    check("stats", leat_conn_stats_get(hub_of(b), conn_of(end), &stats));
    side->reads += stats.reads;
    side->writes += stats.writes;
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    if (b->kind != BENCH_CONNECT) /* where it would be measured */
        count_calls(b, end);
    check("close", leat_close(hub_of(b), conn_of(end), LINGER_MS));
    end->handle = 0;
}

static void loop_closed(struct bench *b, struct bench_conn *end, enum leat_event_type type)
{
    bench_need(b->served_here, "the server has gone");
    if (type == LEAT_EVENT_FINISHED)
        peer_close(b, end);
    else if (b->kind != BENCH_CONNECT)
        count_calls(b, end);
    bench_closed(b, end);
}

static void loop_readable(struct bench *b, struct bench_conn *end)
{
    struct leat_hub *hub = hub_of(b);
    leat_conn conn = conn_of(end);
    if (!b->messages) {
        const void *data;
        size_t size;
        check("peek", leat_peek(hub, conn, &data, &size));
        bench_data(b, end, data, size);
        if (end->handle == conn.id)
            check("consume", leat_consume(hub, conn, size));
        return;
    }
    /* All that is there, rather than an event for each; the driver may close it in between. */
    struct leat_slice messages[BENCH_MANY_MAX];
    size_t most = b->many ? b->many : VIEWED_MAX, count = most;
    while (end->handle == conn.id && count == most &&
           leat_view_many(hub, conn, messages, most, &count) == LEAT_OK) {
        for (size_t i = 0; i < count && end->handle == conn.id; i++)
            bench_data(b, end, messages[i].data, messages[i].size);
        if (end->handle == conn.id)
            check("release", leat_release(hub, conn));
    }
}

static void loop_accepted(struct bench *b, leat_conn conn)
{
    struct bench_conn *end = bench_accepted(b);
    end->handle = conn.id;
    check("tag", leat_set_tag(hub_of(b), conn, (uintptr_t)end));
}

static void peer_run(struct bench *b)
{
    struct loop *loop = b->loop;
    loop->stop = false;
    while (!loop->stop) {
        struct leat_event event;
        check("next", leat_next(loop->hub, &event, LEAT_FOREVER));
        switch (event.type) {
        case LEAT_EVENT_ACCEPTED:
            loop_accepted(b, event.conn);
            if (b->kind == BENCH_IDLE)
                count_hub(b);
            break;
        case LEAT_EVENT_READABLE:
            loop_readable(b, end_of(&event));
            break;
        case LEAT_EVENT_WRITABLE:
            bench_writable(b, end_of(&event));
            break;
        case LEAT_EVENT_FINISHED:
        case LEAT_EVENT_CLOSED:
            loop_closed(b, end_of(&event), event.type);
            break;
        case LEAT_EVENT_CONNECTED:
        case LEAT_EVENT_HANGUP:
            break;
        default:
            fprintf(stderr, "bench: %s came (%s)\n", leat_event_name(event.type),
                    leat_error_name(event.error));
            exit(1);
        }
    }
    count_hub(b);
}

static void peer_stop(struct bench *b)
{
    ((struct loop *)b->loop)->stop = true;
}

int main(int argc, char **argv)
{
    return bench_loop_main(bench_asks(argc, argv, "--messages", NULL) ? "leat-messages"
                                                                      : "leat-bytes",
                           leat_version(), argc, argv);
}
