/* SPDX-License-Identifier: MIT
 *
 * The peer `leat-blocking`: no loop, but leat_connect_wait, leat_read_full and leat_write_full on
 * both sides, one connection at a time, with deadlines and the default options.
 */
#include "leat/leat.h"

#include "bench.h"

#define PATIENCE_MS 20000u
#define SPIN_US 50u /* leat's default, also where a process may use one core only */

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, leat_error_text(error));
    exit(1);
}

static struct leat_hub *hub_open(const struct bench *b)
{
    struct leat_hub_options options = {.size = sizeof options, .single_thread = b->single_thread};
    struct leat_hub *hub;
    if (b->spin != BENCH_SPIN_DEFAULT)
        options.spin_us = b->spin == BENCH_SPIN_ON ? SPIN_US : LEAT_SPIN_OFF;
    check("hub", leat_hub_create(&options, &hub));
    return hub;
}

static void write_full(struct leat_hub *hub, leat_conn conn, const void *data, size_t size)
{
    size_t done;
    check("write", leat_write_full(hub, conn, data, size, PATIENCE_MS, &done));
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

/* ---- Server ---------------------------------------------------------------------------------- */

static void serve_echo(struct bench *b, struct leat_hub *hub, leat_conn conn)
{
    size_t done;
    enum leat_error error;
    while ((error = leat_read_full(hub, conn, b->buffer, b->size, PATIENCE_MS, &done)) == LEAT_OK)
        write_full(hub, conn, b->buffer, done);
    check("read", error == LEAT_E_FINISHED && done == 0 ? LEAT_OK : error);
}

static void serve_stream(struct bench *b, struct leat_hub *hub, leat_conn conn)
{
    enum leat_error error;
    while ((error = leat_wait_readable(hub, conn, PATIENCE_MS)) == LEAT_OK) {
        const void *data;
        size_t size;
        check("peek", leat_peek(hub, conn, &data, &size));
        bool over = bench_stream_got(b, data, size);
        check("consume", leat_consume(hub, conn, size));
        if (over)
            write_full(hub, conn, &b->stream_bytes, sizeof b->stream_bytes);
    }
    check("wait", error == LEAT_E_FINISHED ? LEAT_OK : error);
}

static void blocking_serve(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    leat_listener listener;
    uint64_t ended = 0;
    check("listen", leat_listen(hub, b->path, NULL, &listener));
    bench_ready(b);
    while (bench_serving(b, ended)) {
        leat_conn conn;
        check("accept", leat_wait_accepted(hub, listener, PATIENCE_MS, &conn));
        if (b->kind == BENCH_STREAM)
            serve_stream(b, hub, conn);
        else
            serve_echo(b, hub, conn);
        count_calls(hub, conn, b->served);
        check("close", leat_close(hub, conn, PATIENCE_MS));
        ended++;
    }
    check("destroy", leat_hub_destroy(hub));
}

/* ---- Client ---------------------------------------------------------------------------------- */

static leat_conn dial(const struct bench *b, struct leat_hub *hub)
{
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = PATIENCE_MS};
    leat_conn conn;
    check("connect", leat_connect_wait(hub, b->path, &options, &conn));
    return conn;
}

static void round_trip(struct bench *b, struct leat_hub *hub, leat_conn conn)
{
    size_t done;
    write_full(hub, conn, bench_message(b, &b->flows[0]), b->size);
    check("read", leat_read_full(hub, conn, b->buffer, b->size, PATIENCE_MS, &done));
    bench_got(b, &b->flows[0], b->buffer, done);
}

static void client_echo(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    struct leat_hub_info info = {.size = sizeof info};
    leat_conn conn = dial(b, hub);
    bench_need(b->conns == 1, "one connection only");
    check("info", leat_hub_info_get(hub, &info));
    bench_begin(b);
    b->flows[0].sent_ns = b->begin_ns;
    while (!b->over)
        round_trip(b, hub, conn);
    bench_end(b);
    count_calls(hub, conn, &b->client);
    b->client.waits -= info.waits;
    check("destroy", leat_hub_destroy(hub));
}

static void client_stream(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    leat_conn conn = dial(b, hub);
    const unsigned char *chunk;
    uint64_t arrived;
    size_t done;
    bench_begin(b);
    while ((chunk = bench_stream_next(b)) != NULL)
        write_full(hub, conn, chunk, b->size);
    check("total", leat_read_full(hub, conn, &arrived, sizeof arrived, PATIENCE_MS, &done));
    bench_end(b);
    bench_stream_total(b, &arrived, sizeof arrived);
    count_calls(hub, conn, &b->client);
    check("destroy", leat_hub_destroy(hub));
}

static void client_connect(struct bench *b)
{
    struct leat_hub *hub = hub_open(b);
    bench_begin(b);
    b->flows[0].sent_ns = b->begin_ns;
    while (!b->over) {
        leat_conn conn = dial(b, hub);
        round_trip(b, hub, conn);
        bench_closing(b);
        check("close", leat_close(hub, conn, PATIENCE_MS));
    }
    bench_end(b);
    check("destroy", leat_hub_destroy(hub));
}

int main(int argc, char **argv)
{
    const struct bench_peer peer = {
        "leat-blocking",
        leat_version(),
        blocking_serve,
        {client_echo, client_stream, client_connect, NULL, NULL, NULL, NULL},
    };
    return bench_main(&peer, argc, argv);
}
