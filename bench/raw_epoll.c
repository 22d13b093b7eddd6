/* SPDX-License-Identifier: MIT
 *
 * The peer `raw-epoll`, the reference: what one writes by hand around a level-triggered epoll, with
 * nothing but what the case needs.
 */
#include "bench.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define EVENTS_MAX 128
#define LISTENER UINT64_MAX

struct loop {
    int poller;
    int count, next;
    struct epoll_event events[EVENTS_MAX];
};

static int epoll_socket(const struct bench *b, struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bench_need(fd >= 0, "socket");
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "%.*s", (int)sizeof address->sun_path - 1,
             b->path);
    return fd;
}

static void loop_watch(struct loop *loop, int operation, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data = {.u64 = data}};
    bench_need(epoll_ctl(loop->poller, operation, fd, &event) == 0, "epoll_ctl");
}

static void loop_open(struct loop *loop)
{
    loop->poller = epoll_create1(EPOLL_CLOEXEC);
    loop->count = loop->next = 0;
    bench_need(loop->poller >= 0, "epoll_create");
}

static uint64_t loop_next(struct loop *loop)
{
    while (loop->next == loop->count) {
        loop->next = 0;
        loop->count = epoll_wait(loop->poller, loop->events, EVENTS_MAX, -1);
        bench_need(loop->count >= 0, "epoll_wait");
    }
    return loop->events[loop->next++].data.u64;
}

/* How much came; 0: nothing now. At the end of the stream *end_out is set. */
static size_t epoll_read(int fd, void *buffer, bool *end_out)
{
    ssize_t part = read(fd, buffer, BENCH_BLOCK);
    bench_need(part >= 0 || errno == EAGAIN, "read");
    *end_out = part == 0;
    return part > 0 ? (size_t)part : 0;
}

/* A request or its echo always fits into the socket, because only one is under way. */
static void epoll_write(int fd, const void *data, size_t size)
{
    bench_need(write(fd, data, size) == (ssize_t)size, "write");
}

/* ---- Server ---------------------------------------------------------------------------------- */

static void epoll_accept(struct loop *loop, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bench_need(fd >= 0 || errno == EAGAIN, "accept");
    if (fd >= 0)
        loop_watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, (uint64_t)fd);
}

static void epoll_serve(struct bench *b)
{
    struct sockaddr_un address;
    struct loop loop;
    uint64_t ended = 0;
    int listener = epoll_socket(b, &address);
    loop_open(&loop);
    bench_need(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    bench_need(listen(listener, 4096) == 0, "listen");
    loop_watch(&loop, EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER);
    bench_ready(b);
    while (bench_serving(b, ended)) {
        uint64_t data = loop_next(&loop);
        bool end;
        if (data == LISTENER) {
            epoll_accept(&loop, listener);
            continue;
        }
        size_t size = epoll_read((int)data, b->buffer, &end);
        if (end) {
            close((int)data);
            ended++;
        } else if (b->kind == BENCH_STREAM) {
            if (bench_stream_got(b, b->buffer, size))
                epoll_write((int)data, &b->stream_bytes, sizeof b->stream_bytes);
        } else if (size > 0) {
            epoll_write((int)data, b->buffer, size);
        }
    }
}

/* ---- Client ---------------------------------------------------------------------------------- */

static int epoll_dial(const struct bench *b, struct loop *loop, uint64_t data)
{
    struct sockaddr_un address;
    int fd = epoll_socket(b, &address);
    bench_need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    loop_watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, data);
    return fd;
}

/* Waits for an echo to be whole and gives its flow; others go on as they come. */
static uint32_t epoll_receive(struct bench *b, struct loop *loop, const int *fds)
{
    for (;;) {
        uint32_t index = (uint32_t)loop_next(loop);
        bool end;
        size_t size = epoll_read(fds[index], b->buffer, &end);
        bench_need(!end, "the server has gone");
        if (size > 0 && bench_got(b, &b->flows[index], b->buffer, size))
            return index;
    }
}

static void epoll_request(struct bench *b, int fd, uint32_t index)
{
    epoll_write(fd, bench_message(b, &b->flows[index]), b->size);
}

static void epoll_client_echo(struct bench *b)
{
    struct loop loop;
    int *fds = bench_alloc(b->conns * sizeof *fds);
    loop_open(&loop);
    for (uint32_t i = 0; i < b->conns; i++)
        fds[i] = epoll_dial(b, &loop, i);
    bench_begin(b);
    for (uint32_t i = 0; i < b->conns; i++) {
        b->flows[i].sent_ns = b->begin_ns;
        epoll_request(b, fds[i], i);
    }
    for (uint32_t under_way = b->conns; under_way > 0;) {
        uint32_t index = epoll_receive(b, &loop, fds);
        if (b->over)
            under_way--;
        else
            epoll_request(b, fds[index], index);
    }
    bench_end(b);
    for (uint32_t i = 0; i < b->conns; i++)
        close(fds[i]);
    free(fds);
}

/* Sends one block, waiting for room as often as it needs. */
static void epoll_block(struct loop *loop, int fd, const unsigned char *data)
{
    for (size_t done = 0; done < BENCH_BLOCK;) {
        ssize_t part = write(fd, data + done, BENCH_BLOCK - done);
        bench_need(part > 0 || errno == EAGAIN, "write");
        if (part > 0)
            done += (size_t)part;
        else
            loop_next(loop);
    }
}

static void epoll_client_stream(struct bench *b)
{
    uint64_t arrived = 0;
    struct loop loop;
    size_t size = 0;
    bool end = false;
    loop_open(&loop);
    int fd = epoll_dial(b, &loop, 0);
    loop_watch(&loop, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT, 0);
    bench_begin(b);
    for (uint64_t began_ns = b->begin_ns; !b->over; began_ns = bench_done(b, began_ns))
        epoll_block(&loop, fd, b->pattern);
    epoll_block(&loop, fd, bench_last_block(b));
    loop_watch(&loop, EPOLL_CTL_MOD, fd, EPOLLIN, 0);
    while (size == 0 && !end) {
        loop_next(&loop);
        size = epoll_read(fd, b->buffer, &end);
    }
    bench_end(b);
    bench_need(size == sizeof arrived, "no total");
    memcpy(&arrived, b->buffer, sizeof arrived);
    bench_need(arrived == bench_stream_total(b), "bytes were lost");
    close(fd);
}

static void epoll_client_connect(struct bench *b)
{
    struct loop loop;
    loop_open(&loop);
    bench_begin(b);
    b->flows[0].sent_ns = b->begin_ns;
    while (!b->over) {
        int fd = epoll_dial(b, &loop, 0);
        epoll_request(b, fd, 0);
        epoll_receive(b, &loop, &fd);
        bench_closing(b);
        close(fd);
    }
    bench_end(b);
}

static void epoll_client_idle(struct bench *b)
{
    struct loop loop;
    int *fds = bench_alloc(b->conns * sizeof *fds);
    loop_open(&loop);
    bench_idle_begin(b);
    for (uint32_t i = 0; i < b->conns; i++) {
        b->flows[i].sent_ns = bench_now();
        fds[i] = epoll_dial(b, &loop, i);
        epoll_request(b, fds[i], i);
        epoll_receive(b, &loop, fds);
    }
    bench_idle_end(b);
    for (uint32_t i = 0; i < b->conns; i++)
        close(fds[i]);
    free(fds);
}

int main(int argc, char **argv)
{
    static const struct bench_peer peer = {
        "raw-epoll",
        epoll_serve,
        {epoll_client_echo, epoll_client_stream, epoll_client_connect, epoll_client_idle},
    };
    return bench_main(&peer, argc, argv);
}
