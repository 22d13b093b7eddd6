/* SPDX-License-Identifier: MIT
 *
 * The real poller, wake-up, peer and random of Linux: epoll, eventfd, SO_PEERCRED, getrandom.
 *
 * Happy path: one system call each; every registration is edge-triggered.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a wait without an event never ends early, because milliseconds are rounded up.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "os_real_posix.h"

#include <errno.h>
#include <stdatomic.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* As many as the port asks for: it takes a full batch for a sign that there is more. */
#define LINUX_EVENTS_MAX 128

int64_t lti_os_random(void *buffer, size_t size)
{
    return lti_real_result(getrandom(buffer, size, 0));
}

bool lti_os_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* Set when this kernel knows the option: then every socket made here has it, and those accepted
 * from one inherit it. */
static atomic_bool sockets_plain;

bool lti_real_refuse_descriptors(int fd)
{
    /* Since Linux 6.16; older kernels say ENOPROTOOPT, and the port then drops what came. */
    int allowed = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &allowed, sizeof allowed) != 0)
        return false;
    atomic_store_explicit(&sockets_plain, true, memory_order_relaxed);
    return true;
}

bool lti_real_refuses_descriptors(int fd)
{
    int allowed = 1;
    socklen_t length = sizeof allowed;
    return getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &allowed, &length) == 0 && allowed == 0;
}

bool lti_os_sockets_plain(void)
{
    return atomic_load_explicit(&sockets_plain, memory_order_relaxed);
}

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    struct ucred native;
    socklen_t length = sizeof native;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &native, &length) != 0)
        return lti_real_errno(errno);
    *peer_out = (struct lti_os_peer){
        .uid = (uint32_t)native.uid, .gid = (uint32_t)native.gid, .pid = native.pid};
    return 0;
}

int64_t lti_os_peer_process(int fd)
{
    int process = -1;
    socklen_t length = sizeof process;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &length) != 0)
        return lti_real_errno(errno);
    return process;
}

int64_t lti_os_peer_label(int fd, char *label_out, size_t size)
{
    socklen_t length = (socklen_t)(size - 1);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label_out, &length) != 0)
        return lti_real_errno(errno);
    while (length > 0 && label_out[length - 1] == 0)
        length--; /* some security modules count their zero byte */
    label_out[length] = 0;
    return (int64_t)length;
}

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    _Static_assert(sizeof(gid_t) == sizeof groups_out[0], "groups come as they are");
    socklen_t length = (socklen_t)(count * sizeof groups_out[0]);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups_out, &length) != 0)
        return lti_real_errno(errno);
    return (int64_t)(length / sizeof groups_out[0]);
}

int64_t lti_os_poller_create(void)
{
    return lti_real_result(epoll_create1(EPOLL_CLOEXEC));
}

static int64_t linux_control(int poller, int operation, int fd, uint32_t interest, uint64_t cookie)
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
    return linux_control(poller, EPOLL_CTL_ADD, fd, interest, cookie);
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    return linux_control(poller, EPOLL_CTL_MOD, fd, interest, cookie);
}

int64_t lti_os_poller_remove(int poller, int fd)
{
    return lti_real_result(epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL));
}

static int linux_milliseconds(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -1;
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

static uint32_t linux_flags(uint32_t events)
{
    uint32_t flags = 0;
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
    struct epoll_event natives[LINUX_EVENTS_MAX];
    int room = count > LINUX_EVENTS_MAX ? LINUX_EVENTS_MAX : (int)count;
    int result = epoll_wait(poller, natives, room, linux_milliseconds(timeout_ns));
    if (result < 0)
        return lti_real_errno(errno);
    for (int i = 0; i < result; i++) {
        ready_out[i].cookie = natives[i].data.u64;
        ready_out[i].flags = linux_flags(natives[i].events);
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
