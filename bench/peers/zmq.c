/* SPDX-License-Identifier: MIT
 *
 * The peer `zmq` (ZeroMQ): whole messages, with blocking calls in one thread beside that of the
 * library. One connection is a PAIR. Several are one ROUTER on each side, where a frame in front of
 * the message says which connection it is for; in BENCH_CONNECT each client is a DEALER.
 */
#include "map.h"

#include <zmq.h>

#define LOOK_MS 20 /* how often a server that hears nothing looks whether its clients have gone */

enum shape { SHAPE_PAIR, SHAPE_ROUTER, SHAPE_DEALER };

static struct {
    void *context, *socket, *monitor;
    struct map ends;
    enum shape shape;
    bool stop;
} zmq;

static void check(const char *what, int result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void set(void *socket, int option, int value)
{
    check("option", zmq_setsockopt(socket, option, &value, sizeof value));
}

static void *socket_make(const struct bench *b, int type)
{
    void *socket = zmq_socket(zmq.context, type);
    bench_need(socket != NULL, "socket");
    set(socket, ZMQ_LINGER, 0);
    set(socket, ZMQ_BACKLOG, (int)BENCH_BACKLOG);
    if (b->served_here)
        set(socket, ZMQ_RCVTIMEO, LOOK_MS);
    if (b->kind == BENCH_BURST) /* no limit */
        set(socket, ZMQ_SNDHWM, 0);
    if (type == ZMQ_ROUTER)
        set(socket, ZMQ_ROUTER_MANDATORY, 1); /* wait for room, rather than drop */
    return socket;
}

static void peer_open(struct bench *b)
{
    static const int types[] = {ZMQ_PAIR, ZMQ_ROUTER, ZMQ_DEALER};
    zmq.shape = b->kind == BENCH_CONNECT ? (b->served_here ? SHAPE_ROUTER : SHAPE_DEALER)
                : b->conns == 1          ? SHAPE_PAIR
                                         : SHAPE_ROUTER;
    map_make(&zmq.ends, b->conns);
    zmq.context = zmq_ctx_new();
    bench_need(zmq.context != NULL, "context");
    if (zmq.shape != SHAPE_DEALER)
        zmq.socket = socket_make(b, types[zmq.shape]);
}

static void peer_shut(struct bench *b)
{
    (void)b;
    if (zmq.monitor != NULL)
        check("close", zmq_close(zmq.monitor));
    if (zmq.socket != NULL)
        check("close", zmq_close(zmq.socket));
    check("end", zmq_ctx_term(zmq.context));
}

static void peer_listen(struct bench *b)
{
    char url[160];
    ipc_url(b, url, sizeof url);
    check("monitor", zmq_socket_monitor(zmq.socket, "inproc://ends", ZMQ_EVENT_DISCONNECTED));
    zmq.monitor = zmq_socket(zmq.context, ZMQ_PAIR);
    bench_need(zmq.monitor != NULL, "monitor");
    check("monitor", zmq_connect(zmq.monitor, "inproc://ends"));
    check("bind", zmq_bind(zmq.socket, url));
}

/* A connection of a ROUTER has the name that was set before it was made: its number, and a letter,
 * because names that begin with 0 are the library's. */
static void peer_dial(struct bench *b, struct bench_conn *end)
{
    char url[160];
    ipc_url(b, url, sizeof url);
    if (zmq.shape == SHAPE_DEALER)
        zmq.socket = socket_make(b, ZMQ_DEALER);
    if (zmq.shape == SHAPE_ROUTER) {
        unsigned char name[5] = {'c'};
        memcpy(name + 1, &end->index, sizeof end->index);
        check("name", zmq_setsockopt(zmq.socket, ZMQ_CONNECT_ROUTING_ID, name, sizeof name));
        end->handle = end->index;
        map_put(&zmq.ends, end->index, end);
    }
    check("connect", zmq_connect(zmq.socket, url));
    bench_opened(b, end);
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    if (zmq.shape == SHAPE_ROUTER) {
        unsigned char name[5] = {b->served_here ? 0 : 'c'};
        uint32_t key = (uint32_t)end->handle;
        memcpy(name + 1, &key, sizeof key);
        check("send", zmq_send(zmq.socket, name, sizeof name, ZMQ_SNDMORE));
    }
    check("send", zmq_send(zmq.socket, data, size, 0));
    return size;
}

/* The connections of one socket end with it. */
static void peer_close(struct bench *b, struct bench_conn *end)
{
    (void)b;
    (void)end;
    if (zmq.socket != NULL)
        check("close", zmq_close(zmq.socket));
    zmq.socket = NULL;
}

/* Tells the driver of clients that have gone. The library does not say which; of those that come
 * one after the other it is the one that is there. */
static void zmq_gone(struct bench *b)
{
    zmq_msg_t event;
    check("message", zmq_msg_init(&event));
    while (!zmq.stop && zmq_msg_recv(&event, zmq.monitor, ZMQ_DONTWAIT) >= 0) {
        if (zmq_msg_more(&event)) /* the address follows */
            continue;
        if (b->kind != BENCH_CONNECT)
            bench_closed(b, &b->ends[b->ended]);
    }
    if (b->kind == BENCH_CONNECT && atomic_load(&b->served->over))
        zmq.stop = true;
    check("message", zmq_msg_close(&event));
}

static struct bench_conn *zmq_end(struct bench *b, const zmq_msg_t *name)
{
    uint32_t key;
    bench_need(zmq_msg_size(name) == 1 + sizeof key, "a name");
    memcpy(&key, (const unsigned char *)zmq_msg_data((zmq_msg_t *)(uintptr_t)name) + 1, sizeof key);
    struct bench_conn *end = map_find(&zmq.ends, key);
    if (end != NULL)
        return end;
    bench_need(b->served_here, "from nowhere");
    if (b->kind == BENCH_CONNECT && b->ends[0].used) { /* the next one: see zmq_gone */
        end = &b->ends[0];
        map_drop(&zmq.ends, (uint32_t)end->handle);
    } else {
        end = bench_accepted(b);
    }
    end->handle = key;
    map_put(&zmq.ends, key, end);
    return end;
}

/* One message; false when none came in time. */
static bool zmq_next(struct bench *b, zmq_msg_t *message)
{
    struct bench_conn *end = &b->ends[0];
    if (zmq_msg_recv(message, zmq.socket, 0) < 0) {
        check("receive", zmq_errno() == EAGAIN ? 0 : -1);
        return false;
    }
    if (zmq.shape == SHAPE_ROUTER) {
        end = zmq_end(b, message);
        check("receive", zmq_msg_recv(message, zmq.socket, 0));
    } else if (b->served_here && !end->used) {
        bench_accepted(b);
    }
    bench_data(b, end, zmq_msg_data(message), zmq_msg_size(message));
    return true;
}

static void peer_run(struct bench *b)
{
    zmq_msg_t message;
    check("message", zmq_msg_init(&message));
    zmq.stop = false;
    while (!zmq.stop)
        if (!zmq_next(b, &message) && b->served_here)
            zmq_gone(b);
    check("message", zmq_msg_close(&message));
}

static void peer_stop(struct bench *b)
{
    (void)b;
    zmq.stop = true;
}

int main(int argc, char **argv)
{
    int major, minor, patch;
    char version[48];
    zmq_version(&major, &minor, &patch);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    return bench_loop_main("zmq", version, argc, argv);
}
