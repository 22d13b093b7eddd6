/* SPDX-License-Identifier: MIT
 *
 * The peer `raw-epoll`, the reference: what one writes by hand around a level-triggered epoll, with
 * nothing but what the case needs. With --spin on it is `raw-spin`: before it sleeps it asks again
 * and again for 50 us, with a read where there is one connection only, else with epoll_wait. With
 * --judge it is `raw-judged`: it asks what leat asks about who is there, at both ends.
 */
#include "bench_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define EVENTS_MAX 128
#define SPIN_NS 50000u
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

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

static bool is_ours(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

/* Connects to a node that was looked at, and to no other. */
static void dial_judged(const struct bench *b, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat facts;
    int refused = 0; /* descriptors are; an older kernel does not know that */
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &refused, sizeof refused);
    int node = open(b->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bench_need(node >= 0 && fstat(node, &facts) == 0, "the node");
    bench_need(S_ISSOCK(facts.st_mode) && is_ours(facts.st_uid), "a node of somebody else");
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", node);
    bench_need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    close(node);
}

static void peer_judge(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    bench_need(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && is_ours(peer.uid),
               "somebody else");
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    struct sockaddr_un address;
    int fd = epoll_socket(b, &address);
    if (b->judge)
        dial_judged(b, fd);
    else
        bench_need(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    loop_add(b, end, fd);
    if (b->judge)
        peer_judge(fd);
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
    if (fd < 0)
        return;
    if (b->judge)
        peer_judge(fd);
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
