/* SPDX-License-Identifier: MIT
 *
 * The real poller and wake-up of Linux: epoll, eventfd.
 *
 * Happy path: one system call each; every registration is edge-triggered.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a wait without an event never ends early, because milliseconds are rounded up.
 */
#include "os_real_posix.h"

#if LTI_REAL_POLLER == LTI_REAL_EPOLL

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* As many as the port asks for: it takes a full batch for a sign that there is more. */
#define EPOLL_EVENTS_MAX 128

int64_t lti_os_poller_create(void)
{
    return lti_real_result(epoll_create1(EPOLL_CLOEXEC));
}

int64_t lti_os_poller_close(int poller, bool forked)
{
    (void)forked; /* a child has a copy */
    return lti_real_result(close(poller));
}

int64_t lti_os_poller_waitable(int poller)
{
    return poller;
}

static int64_t epoll_control(int poller, int operation, int fd, uint32_t interest, uint64_t cookie)
{
    struct epoll_event native = {.data = {.u64 = cookie}};
    native.events = EPOLLET | EPOLLRDHUP | EPOLLPRI;
    if (interest & LTI_OS_IN)
        native.events |= EPOLLIN;
    if (interest & LTI_OS_OUT)
        native.events |= EPOLLOUT;
    return lti_real_result(epoll_ctl(poller, operation, fd, &native));
}

int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    return epoll_control(poller, EPOLL_CTL_ADD, fd, interest, cookie);
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    return epoll_control(poller, EPOLL_CTL_MOD, fd, interest, cookie);
}

int64_t lti_os_poller_remove(int poller, int fd)
{
    return lti_real_result(epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL));
}

static uint32_t epoll_flags(uint32_t events)
{
    uint32_t flags = 0;
    if (events == EPOLLIN) /* nearly always */
        return LTI_OS_IN;
    if (events & EPOLLIN)
        flags |= LTI_OS_IN;
    if (events & EPOLLOUT)
        flags |= LTI_OS_OUT;
    if (events & EPOLLRDHUP)
        flags |= LTI_OS_READ_HANGUP;
    if (events & EPOLLHUP)
        flags |= LTI_OS_HANGUP;
    if (events & EPOLLERR)
        flags |= LTI_OS_ERROR;
    if (events & EPOLLPRI)
        flags |= LTI_OS_URGENT;
    return flags;
}

int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns)
{
    struct epoll_event natives[EPOLL_EVENTS_MAX];
    int room = count > EPOLL_EVENTS_MAX ? EPOLL_EVENTS_MAX : (int)count;
    int result = epoll_wait(poller, natives, room, lti_real_milliseconds(timeout_ns));
    if (result < 0)
        return lti_real_errno(errno);
    for (int i = 0; i < result; i++) {
        ready_out[i].cookie = natives[i].data.u64;
        ready_out[i].flags = epoll_flags(natives[i].events);
    }
    return result;
}

int64_t lti_os_event_create(void)
{
    return lti_real_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int64_t lti_os_event_set(int fd)
{
    uint64_t one = 1;
    return lti_real_result(write(fd, &one, sizeof one));
}

int64_t lti_os_event_clear(int fd)
{
    uint64_t count = 0;
    return lti_real_result(read(fd, &count, sizeof count));
}

#endif
