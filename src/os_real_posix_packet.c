/* SPDX-License-Identifier: MIT
 *
 * The real sockets of packets.
 *
 * Happy path: every packet is stamped with a time as it is received; what comes without a stamp is
 *             the end of the stream, which otherwise looks like an empty packet.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a received descriptor is never installed: the room for control data is taken by the
 *             stamp, which the system writes first.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "os_real_posix.h"

#include <errno.h>
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

int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, uint32_t *flags)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct timeval))];
        struct cmsghdr aligned;
    } stamp;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = stamp.bytes,
        .msg_controllen = sizeof stamp.bytes,
    };
    int peek = (*flags & LTI_OS_PACKET_PEEK) ? MSG_PEEK : 0;
    ssize_t result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC | peek);
    if (result < 0)
        return lti_real_errno(errno);
    *flags = result == 0 && message.msg_controllen == 0 ? LTI_OS_PACKET_END : 0;
    return result;
}
