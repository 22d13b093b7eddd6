/* SPDX-License-Identifier: MIT
 *
 * The real sockets of packets, which leat has on Linux only: elsewhere a packet that is too large
 * does not tell its size, or there are no such sockets.
 *
 * Happy path: every packet is stamped with a time as it is received; what comes without a stamp is
 *             the end of the stream, which otherwise looks like an empty packet.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a received descriptor is handed on, or never installed: without a place for it the
 *             room for control data is taken by the stamp, which the system writes first.
 */
#include "os_real_posix.h"

#include <errno.h>

#ifdef __linux__

#include <limits.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

/* What the system counts of a buffer beside the packet's own bytes. */
#define PACKET_EXTRA_BYTES 32

int64_t lti_os_packets(int fd, size_t want)
{
    int on = 1;
    int room = 0;
    socklen_t length = sizeof room;
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &length) != 0)
        return lti_real_errno(errno);
    if (want > INT_MAX - PACKET_EXTRA_BYTES)
        want = INT_MAX - PACKET_EXTRA_BYTES;
    int wanted = (int)want + PACKET_EXTRA_BYTES;
    if (room < wanted) {
        /* The system may give more or less than that: how much is asked below. */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) != 0 ||
            getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &length) != 0)
            return lti_real_errno(errno);
    }
    return room > PACKET_EXTRA_BYTES ? room - PACKET_EXTRA_BYTES : 0;
}

int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags)
{
    union {
        char bytes[LTI_REAL_CONTROL_BYTES];
        struct cmsghdr aligned;
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = came_out ? sizeof control.bytes : CMSG_SPACE(sizeof(struct timeval)),
    };
    int peek = (*flags & LTI_OS_PACKET_PEEK) ? MSG_PEEK : 0;
    ssize_t result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC | peek);
    int number = errno;
    lti_real_looked(fd);
    if (result < 0)
        return lti_real_errno(number);
    *flags = result == 0 && message.msg_controllen == 0 ? LTI_OS_PACKET_END : 0;
    bool whole = !came_out || lti_real_came(&message, came_out);
    if (!whole || (message.msg_flags & MSG_CTRUNC))
        *flags |= LTI_OS_PACKET_CUT;
    return result;
}

#else

int64_t lti_os_packets(int fd, size_t want)
{
    (void)fd;
    (void)want;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags)
{
    (void)fd;
    (void)buffer;
    (void)size;
    (void)came_out;
    *flags = 0;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

#endif
