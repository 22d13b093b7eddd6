/* SPDX-License-Identifier: MIT
 *
 * The peer `raw-epoll`, the reference: what one writes by hand around a level-triggered epoll, with
 * nothing but what the case needs. With --spin on it is `raw-spin`: before it sleeps it asks again
 * and again for 50 us, with a read where there is one connection only, else with epoll_wait.
 */
#include "bench_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define EVENTS_MAX 128
#define SPIN_NS 50000u

struct loop {
    int poller, listener;
    bool stop, spin;
    struct bench_conn *only; /* the one connection that there is */
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

/* A null end is the listener. */
static void loop_watch(const struct loop *loop, int operation, int fd, uint32_t events,
                       struct bench_conn *end)
{
    struct epoll_event event = {.events = events, .data = {.ptr = end}};
    bench_need(epoll_ctl(loop->poller, operation, fd, &event) == 0, "epoll_ctl");
}

static void loop_add(struct bench *b, struct bench_conn *end, int fd)
{
    struct loop *loop = b->loop;
    end->handle = (uint64_t)fd;
    end->peer = NULL;
    loop->only = b->conns == 1 ? end : NULL;
    loop_watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, end);
}

static void peer_open(struct bench *b)
{
    static struct loop loop;
    loop.poller = epoll_create1(EPOLL_CLOEXEC);
    loop.listener = -1;
    loop.spin = b->spin == BENCH_SPIN_ON;
    bench_need(loop.poller >= 0, "epoll_create");
    b->loop = &loop;
}

static void peer_shut(struct bench *b)
{
    struct loop *loop = b->loop;
    close(loop->poller);
    if (loop->listener >= 0)
        close(loop->listener);
}

static void peer_listen(struct bench *b)
{
    struct loop *loop = b->loop;
    struct sockaddr_un address;
    loop->listener = epoll_socket(b, &address);
    bench_need(bind(loop->listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    bench_need(listen(loop->listener, BENCH_BACKLOG) == 0, "listen");
    loop_watch(loop, EPOLL_CTL_ADD, loop->listener, EPOLLIN, NULL);
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    struct sockaddr_un address;
    int fd = epoll_socket(b, &address);
    bench_need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    loop_add(b, end, fd);
    bench_opened(b, end);
}

/* Its room is watched, with end->peer as the mark, from the first time on that there is none. */
static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    ssize_t part = write((int)end->handle, data, size);
    bench_need(part > 0 || errno == EAGAIN, "write");
    size_t taken = part > 0 ? (size_t)part : 0;
    if (taken < size && end->peer == NULL) {
        end->peer = end;
        loop_watch(b->loop, EPOLL_CTL_MOD, (int)end->handle, EPOLLIN | EPOLLRDHUP | EPOLLOUT, end);
    }
    return taken;
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    struct loop *loop = b->loop;
    loop->only = NULL;
    close((int)end->handle);
}

static void epoll_writable(struct bench *b, struct bench_conn *end)
{
    if (bench_writable(b, end))
        return;
    end->peer = NULL;
    loop_watch(b->loop, EPOLL_CTL_MOD, (int)end->handle, EPOLLIN | EPOLLRDHUP, end);
}

/* One read, also a vain one; true when something came or the other side has gone. */
static bool epoll_readable(struct bench *b, struct bench_conn *end)
{
    ssize_t part = recv((int)end->handle, b->buffer, BENCH_BLOCK, MSG_DONTWAIT);
    bench_need(part >= 0 || errno == EAGAIN, "read");
    if (part > 0) {
        bench_data(b, end, b->buffer, (size_t)part);
    } else if (part == 0) {
        bench_need(b->served_here, "the server has gone");
        peer_close(b, end);
        bench_closed(b, end);
    }
    return part >= 0;
}

static void epoll_accept(struct bench *b)
{
    struct loop *loop = b->loop;
    int fd = accept4(loop->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    bench_need(fd >= 0 || errno == EAGAIN, "accept");
    if (fd >= 0)
        loop_add(b, bench_accepted(b), fd);
}

/* Asks for up to 50 us. Gives how many events there are; -1: one was read already. */
static int epoll_spin(struct bench *b, struct epoll_event *events)
{
    struct loop *loop = b->loop;
    uint64_t end_at = bench_now() + SPIN_NS;
    do {
        bool waits_for_room = loop->only != NULL && loop->only->peer != NULL;
        if (loop->only != NULL && !waits_for_room) {
            if (epoll_readable(b, loop->only))
                return -1;
        } else {
            int count = epoll_wait(loop->poller, events, EVENTS_MAX, 0);
            if (count > 0)
                return count;
        }
    } while (bench_now() < end_at);
    return 0;
}

static void peer_run(struct bench *b)
{
    struct loop *loop = b->loop;
    struct epoll_event events[EVENTS_MAX];
    loop->stop = false;
    while (!loop->stop) {
        int count = loop->spin ? epoll_spin(b, events) : 0;
        if (count == 0)
            count = epoll_wait(loop->poller, events, EVENTS_MAX, -1);
        bench_need(count >= -1, "epoll_wait");
        for (int i = 0; i < count && !loop->stop; i++) {
            struct bench_conn *end = events[i].data.ptr;
            if (end == NULL)
                epoll_accept(b);
            else if (events[i].events & EPOLLOUT)
                epoll_writable(b, end);
            if (end != NULL && events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
                epoll_readable(b, end);
        }
    }
}

static void peer_stop(struct bench *b)
{
    ((struct loop *)b->loop)->stop = true;
}

int main(int argc, char **argv)
{
    return bench_loop_main("raw-epoll", "none", argc, argv);
}
