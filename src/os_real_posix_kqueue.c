/* SPDX-License-Identifier: MIT
 *
 * The real poller of the systems that come from BSD: kqueue. Written from their manuals; untested
 * on real systems.
 *
 * Happy path: a descriptor has a filter for reading, and one for writing while there is interest in
 *             it; both are cleared when they are told (EV_CLEAR), and adding one again makes the
 *             system look anew. What goes away is told by the filter that is always there.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a descriptor that is closed is out of its queue. A child has no queue of its parent:
 *             its number may be anybody's there, so it is left alone.
 */
#include "os_real_posix.h"

#if LTI_REAL_POLLER == LTI_REAL_KQUEUE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* As many as the port asks for: it takes a full batch for a sign that there is more. */
#define KQUEUE_EVENTS_MAX 128

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a cookie fits what kqueue carries");

int64_t lti_os_poller_create(void)
{
    int queue = kqueue();
    if (queue < 0)
        return lti_real_errno(errno);
    if (fcntl(queue, F_SETFD, FD_CLOEXEC) < 0) {
        int number = errno;
        (void)close(queue);
        return lti_real_errno(number);
    }
    return queue;
}

int64_t lti_os_poller_close(int poller, bool forked)
{
    return forked ? 0 : lti_real_result(close(poller));
}

int64_t lti_os_poller_waitable(int poller)
{
    return poller;
}

void lti_real_closing(int fd)
{
    lti_real_event_closing(fd);
}

/* One change each, so that its own failure is told. */
static int kqueue_change(int poller, int fd, int filter, int flags, uint64_t cookie)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, filter, flags, 0, 0, (void *)(uintptr_t)cookie);
    return kevent(poller, &change, 1, NULL, 0, NULL);
}

static int64_t kqueue_set(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    int result = kqueue_change(poller, fd, EVFILT_READ, EV_ADD | EV_CLEAR, cookie);
    if (result == 0 && (interest & LTI_OS_OUT))
        result = kqueue_change(poller, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, cookie);
    return lti_real_result(result);
}

int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    return kqueue_set(poller, fd, interest, cookie);
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    /* What is not there need not be removed. */
    if (!(interest & LTI_OS_OUT) &&
        kqueue_change(poller, fd, EVFILT_WRITE, EV_DELETE, cookie) != 0 && errno != ENOENT)
        return lti_real_errno(errno);
    return kqueue_set(poller, fd, interest, cookie);
}

int64_t lti_os_poller_remove(int poller, int fd)
{
    int writing = kqueue_change(poller, fd, EVFILT_WRITE, EV_DELETE, 0);
    if (writing != 0 && errno != ENOENT)
        return lti_real_errno(errno);
    return lti_real_result(kqueue_change(poller, fd, EVFILT_READ, EV_DELETE, 0));
}

/* The end of one direction may be a half-close. When both are over, the socket has no peer. */
static bool kqueue_both_over(int fd)
{
#ifdef __linux__
    /* Here a queue is a library's, and a socket never forgets its peer. */
    struct pollfd look = {.fd = fd};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLHUP);
#else
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &length) != 0 && errno != ENOTSOCK;
#endif
}

static uint32_t kqueue_flags(const struct kevent *native)
{
    uint32_t flags = native->filter == EVFILT_WRITE ? LTI_OS_OUT : LTI_OS_IN;
    if (native->flags & EV_ERROR)
        return LTI_OS_IN | LTI_OS_OUT | LTI_OS_ERROR;
    if (native->flags & EV_EOF) {
        if (native->filter == EVFILT_READ)
            flags |= LTI_OS_READ_HANGUP;
        if (kqueue_both_over((int)native->ident))
            flags |= LTI_OS_HANGUP;
        if (native->fflags != 0) /* the socket's error */
            flags |= LTI_OS_ERROR;
    }
#ifdef EV_OOBAND
    if (native->flags & EV_OOBAND)
        flags |= LTI_OS_URGENT;
#endif
    return flags;
}

int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns)
{
    struct kevent natives[KQUEUE_EVENTS_MAX];
    const struct timespec most = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                  .tv_nsec = (long)(timeout_ns % 1000000000)};
    int room = count > KQUEUE_EVENTS_MAX ? KQUEUE_EVENTS_MAX : (int)count;
    int result = kevent(poller, NULL, 0, natives, room, timeout_ns < 0 ? NULL : &most);
    if (result < 0)
        return lti_real_errno(errno);
    for (int i = 0; i < result; i++) {
        ready_out[i].cookie = (uint64_t)(uintptr_t)natives[i].udata;
        ready_out[i].flags = kqueue_flags(&natives[i]);
    }
    return result;
}

#endif
