/* SPDX-License-Identifier: MIT
 *
 * The peer `nng`: whole messages over the pair protocol, with blocking calls in one thread beside
 * those of the library. One connection is a plain pair; several are one polyamorous socket on each
 * side, where a message's pipe says which connection it is for.
 */
#include "map.h"

#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <pthread.h>

#define LOOK_MS 20 /* how often a server that hears nothing looks whether its clients have gone */
#define QUEUE 128  /* messages that a plain pair holds, on each side */
#define GONE_MAX 65536u

static struct {
    nng_socket socket;
    struct map ends;
    bool plain, stop;
    /* What the library's threads tell of pipes; guarded by the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t pipe, dialer; /* the last one that was added, and of which dialer it is */
    uint32_t gone[GONE_MAX], gone_first, gone_count;
} pair = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void check(const char *what, int code)
{
    if (code == 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, nng_strerror(code));
    exit(1);
}

static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    (void)context;
    pthread_mutex_lock(&pair.lock);
    if (event == NNG_PIPE_EV_ADD_POST) {
        pair.pipe = (uint32_t)nng_pipe_id(pipe);
        pair.dialer = (uint32_t)nng_dialer_id(nng_pipe_dialer(pipe));
        pthread_cond_signal(&pair.changed);
    } else {
        bench_need(pair.gone_count < GONE_MAX, "too many have gone");
        pair.gone[(pair.gone_first + pair.gone_count++) % GONE_MAX] = (uint32_t)nng_pipe_id(pipe);
    }
    pthread_mutex_unlock(&pair.lock);
}

static void peer_open(struct bench *b)
{
    pair.plain = b->conns == 1 && b->kind != BENCH_CONNECT;
    map_make(&pair.ends, b->kind == BENCH_CONNECT ? BENCH_SPARE_ENDS : b->conns);
    if (pair.plain) {
        check("socket", nng_pair1_open(&pair.socket));
        check("queue", nng_socket_set_int(pair.socket, NNG_OPT_SENDBUF, QUEUE));
        check("queue", nng_socket_set_int(pair.socket, NNG_OPT_RECVBUF, QUEUE));
    } else {
        check("socket", nng_pair1_open_poly(&pair.socket));
    }
    check("size", nng_socket_set_size(pair.socket, NNG_OPT_RECVMAXSZ, 0));
    check("time", nng_socket_set_ms(pair.socket, NNG_OPT_RECVTIMEO, LOOK_MS));
    check("notify",
          nng_pipe_notify(pair.socket, b->served_here ? NNG_PIPE_EV_REM_POST : NNG_PIPE_EV_ADD_POST,
                          pipe_changed, NULL));
}

static void peer_shut(struct bench *b)
{
    (void)b;
    check("close", nng_close(pair.socket));
}

static void peer_listen(struct bench *b)
{
    char url[160];
    ipc_url(b, url, sizeof url);
    check("listen", nng_listen(pair.socket, url, NULL, 0));
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    char url[160];
    nng_dialer dialer;
    ipc_url(b, url, sizeof url);
    check("dial", nng_dial(pair.socket, url, &dialer, 0));
    pthread_mutex_lock(&pair.lock);
    while (pair.dialer != (uint32_t)nng_dialer_id(dialer))
        pthread_cond_wait(&pair.changed, &pair.lock);
    end->handle = pair.pipe;
    pthread_mutex_unlock(&pair.lock);
    end->peer = (void *)(uintptr_t)dialer.id;
    map_put(&pair.ends, (uint32_t)end->handle, end);
    bench_opened(b, end);
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    nng_msg *message;
    (void)b;
    check("message", nng_msg_alloc(&message, size));
    memcpy(nng_msg_body(message), data, size);
    if (!pair.plain)
        nng_msg_set_pipe(message, (nng_pipe){(uint32_t)end->handle});
    check("send", nng_sendmsg(pair.socket, message, 0));
    return size;
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    (void)b;
    map_drop(&pair.ends, (uint32_t)end->handle);
    check("close", nng_dialer_close((nng_dialer){(uint32_t)(uintptr_t)end->peer}));
}

/* Tells the driver of the pipes that have gone; those that never said anything are not known. */
static void pair_gone(struct bench *b)
{
    pthread_mutex_lock(&pair.lock);
    while (pair.gone_count > 0) {
        uint32_t pipe = pair.gone[pair.gone_first];
        pair.gone_first = (pair.gone_first + 1) % GONE_MAX;
        pair.gone_count--;
        struct bench_conn *end = map_find(&pair.ends, pipe);
        if (end != NULL) {
            map_drop(&pair.ends, pipe);
            bench_closed(b, end);
        }
    }
    pthread_mutex_unlock(&pair.lock);
}

static void pair_message(struct bench *b, nng_msg *message)
{
    uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(message));
    struct bench_conn *end = map_find(&pair.ends, pipe);
    if (end == NULL) {
        bench_need(b->served_here, "from nowhere");
        end = bench_accepted(b);
        end->handle = pipe;
        map_put(&pair.ends, pipe, end);
    }
    bench_data(b, end, nng_msg_body(message), nng_msg_len(message));
    nng_msg_free(message);
}

static void peer_run(struct bench *b)
{
    pair.stop = false;
    for (uint32_t count = 0; !pair.stop; count++) {
        nng_msg *message;
        int code = nng_recvmsg(pair.socket, &message, 0);
        if (code == 0)
            pair_message(b, message);
        else
            check("receive", code == NNG_ETIMEDOUT ? 0 : code);
        if (b->served_here && (code != 0 || count % 64 == 0))
            pair_gone(b);
    }
}

static void peer_stop(struct bench *b)
{
    (void)b;
    pair.stop = true;
}

int main(int argc, char **argv)
{
    if (bench_asks(argc, argv, "mixed", NULL))
        bench_leave_out("a polyamorous pair drops what its pipe cannot take at once");
    return bench_loop_main("nng", nng_version(), argc, argv);
}
