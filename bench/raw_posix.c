/* SPDX-License-Identifier: MIT
 *
 * The peer `raw`: plain blocking read and write, no loop. With many connections both sides go
 * through them in one fixed order, which no real server can do. With --gather it is `raw-batch`: a
 * stream's chunks are gathered until there are so many bytes.
 */
#include "bench.h"

#include <sys/socket.h>
#include <sys/un.h>

static void read_full(int fd, void *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = read(fd, (char *)buffer + done, size - done);
        bench_need(part > 0, "read");
        done += (size_t)part;
    }
}

static void write_full(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = write(fd, (const char *)data + done, size - done);
        bench_need(part > 0, "write");
        done += (size_t)part;
    }
}

static int raw_dial(const struct bench *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_need(fd >= 0, "socket");
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)sizeof address.sun_path - 1,
             b->path);
    bench_need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

static int raw_listen(const struct bench *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_need(fd >= 0, "socket");
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)sizeof address.sun_path - 1,
             b->path);
    bench_need(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    bench_need(listen(fd, 4096) == 0, "listen");
    return fd;
}

static int raw_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    bench_need(fd >= 0, "accept");
    return fd;
}

/* ---- Server ---------------------------------------------------------------------------------- */

/* Serves one echo; false at the end of the stream. */
static bool raw_echo(const struct bench *b, int fd)
{
    ssize_t part = read(fd, b->buffer, b->size);
    bench_need(part >= 0, "read");
    if (part == 0)
        return false;
    read_full(fd, b->buffer + part, b->size - (size_t)part);
    write_full(fd, b->buffer, b->size);
    return true;
}

static void raw_serve_stream(struct bench *b, int fd)
{
    ssize_t part;
    do {
        part = read(fd, b->buffer, BENCH_BLOCK);
        bench_need(part > 0, "read");
    } while (!bench_stream_got(b, b->buffer, (size_t)part));
    write_full(fd, &b->stream_bytes, sizeof b->stream_bytes);
}

static void raw_serve(struct bench *b)
{
    int listener = raw_listen(b);
    int *fds = bench_alloc(b->conns * sizeof *fds);
    bool more = true;
    bench_ready(b);
    while (b->kind == BENCH_CONNECT && bench_serving(b, 0)) {
        int fd = raw_accept(listener);
        while (raw_echo(b, fd))
            ;
        close(fd);
    }
    if (b->kind == BENCH_CONNECT)
        return;
    for (uint32_t i = 0; i < b->conns; i++) {
        fds[i] = raw_accept(listener);
        if (b->kind == BENCH_IDLE)
            raw_echo(b, fds[i]);
    }
    if (b->kind == BENCH_STREAM)
        raw_serve_stream(b, fds[0]);
    while (more && b->kind != BENCH_STREAM)
        for (uint32_t i = 0; i < b->conns; i++)
            more = raw_echo(b, fds[i]) && more;
    for (uint32_t i = 0; i < b->conns; i++)
        close(fds[i]);
}

/* ---- Client ---------------------------------------------------------------------------------- */

static void raw_send(struct bench *b, int fd, struct bench_flow *flow)
{
    write_full(fd, bench_message(b, flow), b->size);
}

static void raw_receive(struct bench *b, int fd, struct bench_flow *flow)
{
    read_full(fd, b->buffer, b->size);
    bench_got(b, flow, b->buffer, b->size);
}

static void raw_client_echo(struct bench *b)
{
    int *fds = bench_alloc(b->conns * sizeof *fds);
    for (uint32_t i = 0; i < b->conns; i++)
        fds[i] = raw_dial(b);
    bench_begin(b);
    for (uint32_t i = 0; i < b->conns; i++)
        b->flows[i].sent_ns = b->begin_ns;
    while (!b->over) {
        for (uint32_t i = 0; i < b->conns; i++)
            raw_send(b, fds[i], &b->flows[i]);
        for (uint32_t i = 0; i < b->conns; i++)
            raw_receive(b, fds[i], &b->flows[i]);
    }
    bench_end(b);
    for (uint32_t i = 0; i < b->conns; i++)
        close(fds[i]);
    free(fds);
}

static void raw_stream_gathered(struct bench *b, int fd)
{
    const unsigned char *chunk;
    size_t held = 0;
    bench_need(b->gather <= BENCH_BLOCK, "so much cannot be gathered");
    while ((chunk = bench_stream_next(b)) != NULL) {
        memcpy(b->buffer + held, chunk, b->size);
        held += b->size;
        if (held >= b->gather || b->stream_ended) {
            write_full(fd, b->buffer, held);
            held = 0;
        }
    }
}

static void raw_client_stream(struct bench *b)
{
    const unsigned char *chunk;
    uint64_t arrived = 0;
    int fd = raw_dial(b);
    bench_begin(b);
    if (b->gather)
        raw_stream_gathered(b, fd);
    while ((chunk = bench_stream_next(b)) != NULL)
        write_full(fd, chunk, b->size);
    read_full(fd, &arrived, sizeof arrived);
    bench_end(b);
    bench_stream_total(b, &arrived, sizeof arrived);
    close(fd);
}

static void raw_client_connect(struct bench *b)
{
    struct bench_flow *flow = &b->flows[0];
    bench_begin(b);
    flow->sent_ns = b->begin_ns;
    while (!b->over) {
        int fd = raw_dial(b);
        raw_send(b, fd, flow);
        raw_receive(b, fd, flow);
        bench_closing(b);
        close(fd);
    }
    bench_end(b);
}

static void raw_client_idle(struct bench *b)
{
    int *fds = bench_alloc(b->conns * sizeof *fds);
    bench_idle_begin(b);
    for (uint32_t i = 0; i < b->conns; i++) {
        b->flows[i].sent_ns = bench_now();
        fds[i] = raw_dial(b);
        raw_send(b, fds[i], &b->flows[i]);
        raw_receive(b, fds[i], &b->flows[i]);
    }
    bench_idle_end(b);
    for (uint32_t i = 0; i < b->conns; i++)
        close(fds[i]);
    free(fds);
}

int main(int argc, char **argv)
{
    static const struct bench_peer peer = {
        "raw",
        "none",
        raw_serve,
        {raw_client_echo, raw_client_stream, raw_client_connect, raw_client_idle, NULL, NULL, NULL},
    };
    return bench_main(&peer, argc, argv);
}
