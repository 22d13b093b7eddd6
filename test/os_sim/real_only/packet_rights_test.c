/* SPDX-License-Identifier: MIT
 *
 * Packets with descriptors, which no call of the seam can send: on the real kernel only.
 *
 * Happy path: a peer that is not ours sends descriptors along; the packet arrives, they do not.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: the number of open descriptors is the same after each receive.
 */
#include "harness.h"

#include "os_posix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIGHTS_MAX 16

/* The next descriptor's number, which tells whether one was opened meanwhile. */
static int rights_next(int fd)
{
    int next = dup(fd);
    REQUIRE(next >= 0);
    CHECK_INT(close(next), 0);
    return next;
}

/* Sends `sent` so many times along with the bytes. */
static void rights_send(int fd, const void *data, size_t size, int sent, size_t count)
{
    union {
        char bytes[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    memset(&control, 0, sizeof control);
    union {
        const void *read_only;
        void *plain;
    } memory = {.read_only = data};
    struct iovec piece = {.iov_base = memory.plain, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    REQUIRE(count > 0 && count <= RIGHTS_MAX);
    message.msg_control = control.bytes;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(header) + i * sizeof sent, &sent, sizeof sent);
    CHECK_INT(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), (int64_t)size);
}

/* Sockets as a stranger makes them, who lets descriptors pass. */
static void rights_open(int fds[2])
{
    REQUIRE_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    REQUIRE(lti_os_packets(fds[1], 1) > 0);
}

TEST(packet_descriptors_are_dropped)
{
    static const size_t counts[] = {1, 2, 4, RIGHTS_MAX};
    int fds[2];
    rights_open(fds);
    int next = rights_next(fds[0]);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t size = 0; size <= 3; size += 3) {
            char buffer[4];
            rights_send(fds[0], "abc", size, fds[0], counts[i]);
            for (int turn = 0; turn < 3; turn++) { /* the size, the packet left there, the packet */
                uint32_t flags = turn < 2 ? LTI_OS_PACKET_PEEK : 0;
                size_t room = turn == 0 ? 0 : sizeof buffer;
                CHECK_INT(lti_os_recv_packet(fds[1], buffer, room, NULL, &flags), (int64_t)size);
                CHECK_INT(flags, LTI_OS_PACKET_CUT); /* there is no place for them */
                CHECK_INT(rights_next(fds[0]), next);
            }
            CHECK_MEM(buffer, "abc", size);
        }
    }
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}

TEST(packet_descriptors_of_a_dropped_packet_are_closed)
{
    int fds[2], ends[2];
    char byte = 0;
    uint32_t flags = 0;
    rights_open(fds);
    REQUIRE_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    /* The end that stays says when nobody holds the other any more. */
    rights_send(fds[0], "a", 1, ends[0], 1);
    CHECK_INT(close(ends[0]), 0);
    CHECK_INT(recv(ends[1], &byte, 1, MSG_DONTWAIT), -1);
    CHECK_INT(errno, EAGAIN);
    CHECK_INT(lti_os_recv_packet(fds[1], NULL, 0, NULL, &flags), 1);
    CHECK_INT(recv(ends[1], &byte, 1, MSG_DONTWAIT), 0);
    CHECK_INT(close(ends[1]), 0);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}
