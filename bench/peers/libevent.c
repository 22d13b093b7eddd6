/* SPDX-License-Identifier: MIT
 *
 * The peer `libevent`: bufferevents on both sides. What is written waits in the output buffer until
 * the loop runs, so that libevent gathers it. Its reads are of 4 KiB, whatever one asks for.
 */
#include "../bench_loop.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct event_base *base;
static struct evconnlistener *listener;
static struct bench *bench; /* a connection's callbacks have its end only */

static void peer_open(struct bench *b)
{
    bench = b;
    base = event_base_new();
    bench_need(base != NULL, "event_base");
}

static void peer_shut(struct bench *b)
{
    (void)b;
    if (listener != NULL)
        evconnlistener_free(listener);
    event_base_free(base);
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    (void)b;
    bufferevent_free(end->peer);
    end->peer = NULL;
}

static void conn_readable(struct bufferevent *conn, void *context)
{
    struct bench_conn *end = context;
    struct evbuffer *input = bufferevent_get_input(conn);
    struct evbuffer_iovec piece;
    while (end->peer == conn && evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
        size_t size = piece.iov_len;
        bench_data(bench, end, piece.iov_base, size);
        if (end->peer == conn)
            evbuffer_drain(input, size);
    }
}

/* The output is empty. */
static void conn_writable(struct bufferevent *conn, void *context)
{
    (void)conn;
    bench_writable(bench, context);
}

static void conn_event(struct bufferevent *conn, short what, void *context)
{
    struct bench_conn *end = context;
    (void)conn;
    if (what & BEV_EVENT_CONNECTED) {
        bench_opened(bench, end);
        return;
    }
    bench_need(bench->served_here && what & BEV_EVENT_EOF, "the server has gone");
    peer_close(bench, end);
    bench_closed(bench, end);
}

static struct bufferevent *conn_make(evutil_socket_t fd, struct bench_conn *end)
{
    struct bufferevent *conn = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    bench_need(conn != NULL, "bufferevent");
    bufferevent_setcb(conn, conn_readable, conn_writable, conn_event, end);
    bufferevent_set_max_single_read(conn, BENCH_BLOCK);
    bufferevent_set_max_single_write(conn, BENCH_BLOCK);
    bench_need(bufferevent_enable(conn, EV_READ | EV_WRITE) == 0, "enable");
    end->peer = conn;
    return conn;
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    struct evbuffer *output = bufferevent_get_output(end->peer);
    if (evbuffer_get_length(output) > bench_high_water(b))
        return 0;
    bench_need(evbuffer_add(output, data, size) == 0, "write");
    return size;
}

static void conn_accept(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address,
                        int size, void *context)
{
    (void)from;
    (void)address;
    (void)size;
    conn_make(fd, bench_accepted(context));
}

static struct sockaddr_un conn_address(const struct bench *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)sizeof address.sun_path - 1,
             b->path);
    return address;
}

static void peer_listen(struct bench *b)
{
    struct sockaddr_un address = conn_address(b);
    listener = evconnlistener_new_bind(base, conn_accept, b, LEV_OPT_CLOSE_ON_FREE, BENCH_BACKLOG,
                                       (struct sockaddr *)&address, sizeof address);
    bench_need(listener != NULL, "listen");
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    struct sockaddr_un address = conn_address(b);
    struct bufferevent *conn = conn_make(-1, end);
    bench_need(bufferevent_socket_connect(conn, (struct sockaddr *)&address, sizeof address) == 0,
               "connect");
}

static void peer_run(struct bench *b)
{
    (void)b;
    bench_need(event_base_dispatch(base) >= 0, "loop");
}

static void peer_stop(struct bench *b)
{
    (void)b;
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    return bench_loop_main("libevent", event_get_version(), argc, argv);
}
