/* SPDX-License-Identifier: MIT
 *
 * What the sockets, files and locks of os_real_posix_* and os_real_linux.c make of a C library that
 * fails, or that says what kernels seldom say.
 */
#include "calls.h"
#include "harness.h"
#include "leat/leat.h"
#include "os_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

struct two {
    int fds[2];
};

static struct two two_open(bool packets)
{
    struct two two;
    REQUIRE_INT(lti_os_socketpair(packets, two.fds), 0);
    return two;
}

static void two_close(struct two two)
{
    CHECK_INT(lti_os_close(two.fds[0]), 0);
    CHECK_INT(lti_os_close(two.fds[1]), 0);
}

TEST(calls_sockets_that_cannot_be_made)
{
    int fds[2] = {-7, -7};
    CHECK_FAILS("socketpair", 1, EMFILE, LTI_OS_DESCRIPTORS, lti_os_socketpair(false, fds));
    CHECK_INT(fds[0], -7);
}

/* Whatever is wrong with a listener is for an accept to say, so it is said to be ready; and an
 * accept never waits from then on. */
TEST(calls_accept_ready_of_what_is_none)
{
    struct two two = two_open(false);
    int flags = fcntl(two.fds[0], F_GETFL);
    CHECK(flags >= 0 && fcntl(two.fds[0], F_SETFL, flags & ~O_NONBLOCK) == 0);
    lti_call_fails("fcntl", 1, EBADF);
    CHECK(!lti_os_accept_ready(two.fds[0]));
    CHECK_INT(fcntl(two.fds[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK(!lti_os_accept_ready(two.fds[0]));
    CHECK_INT(fcntl(two.fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_INT(lti_os_close(two.fds[1]), 0);
    CHECK(lti_os_accept_ready(two.fds[0]));
    CHECK_INT(lti_os_close(two.fds[0]), 0);
    CHECK(lti_os_accept_ready(two.fds[0]));
}

/* What cannot be known is for an accept to say, too. */
TEST(calls_accept_more)
{
    struct two two = two_open(false);
    CHECK(!lti_os_accept_more(two.fds[0]));
    lti_call_fails("poll", 1, EINTR);
    CHECK(lti_os_accept_more(two.fds[0]));
    CHECK(!lti_os_accept_more(two.fds[0]));
    CHECK_INT(lti_os_close(two.fds[1]), 0);
    CHECK(lti_os_accept_more(two.fds[0]));
    CHECK_INT(lti_os_close(two.fds[0]), 0);
    CHECK(lti_os_accept_more(two.fds[0]));
}

TEST(calls_addresses_that_do_not_fit)
{
    char path[LTI_OS_PATH_MAX + 2];
    memset(path, 'x', sizeof path);
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    CHECK_INT(lti_os_kind_of(lti_os_bind((int)fd, "", 0)), LTI_OS_TOO_LONG);
    CHECK_INT(lti_os_kind_of(lti_os_bind((int)fd, path, sizeof path)), LTI_OS_TOO_LONG);
    CHECK_INT(lti_os_kind_of(lti_os_connect((int)fd, "", 0)), LTI_OS_TOO_LONG);
    CHECK_INT(lti_os_kind_of(lti_os_connect((int)fd, path, sizeof path)), LTI_OS_TOO_LONG);
    CHECK_INT(lti_os_close((int)fd), 0);
}

/* More than an int holds is as many as there can be. */
TEST(calls_a_backlog_beyond_an_int)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/s", lti_test_folder());
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    CHECK_INT(lti_os_bind((int)fd, path, strlen(path)), 0);
    CHECK_INT(lti_os_listen((int)fd, UINT32_MAX), 0);
    CHECK_INT(lti_os_close((int)fd), 0);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(calls_without_proc_there_are_no_nodes)
{
    char path[LTI_OS_FOLDER_PATH_BYTES];
    int64_t fd = lti_os_socket(false);
    int64_t node = lti_os_open_node("/tmp");
    REQUIRE(fd >= 0 && node >= 0);
    CHECK_FAILS("connect", 1, ENOENT, LTI_OS_UNSUPPORTED, lti_os_connect_node((int)fd, (int)node));
    CHECK_FAILS("connect", 1, EACCES, LTI_OS_ACCESS, lti_os_connect_node((int)fd, (int)node));
    CHECK_FAILS("chmod", 1, ENOENT, LTI_OS_UNSUPPORTED, lti_os_node_mode((int)node, 0600));
    CHECK_FAILS("chmod", 1, EPERM, LTI_OS_ACCESS, lti_os_node_mode((int)node, 0600));
    CHECK_FAILS("access", 1, ENOENT, LTI_OS_UNSUPPORTED, lti_os_folder_path((int)node, path));
    CHECK_INT(lti_os_close((int)node), 0);
    CHECK_INT(lti_os_close((int)fd), 0);
}

/* Another holds the lock, whichever of its two numbers a system has for that. */
TEST(calls_a_lock_in_use_has_two_numbers)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/lock", lti_test_folder());
    int64_t fd = lti_os_make_lock(path);
    REQUIRE(fd >= 0);
    CHECK_FAILS("fcntl", 1, EAGAIN, LTI_OS_IN_USE, lti_os_lock((int)fd));
    CHECK_FAILS("fcntl", 1, EACCES, LTI_OS_IN_USE, lti_os_lock((int)fd));
    CHECK_FAILS("fcntl", 1, EBADF, LTI_OS_NOT_SOCKET, lti_os_lock((int)fd));
    CHECK_INT(lti_os_close((int)fd), 0);
    CHECK_INT(lti_os_unlink(path), 0);
}

/* ---- What a recvmsg may bring ---------------------------------------------------------------- */

static int spare; /* a descriptor to make copies of */
static size_t spare_count;

/* So many descriptors came along, more than a kernel ever lets through; and other things did. */
static ssize_t many_come(struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    const int none = 0;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SO_TIMESTAMP;
    header->cmsg_len = CMSG_LEN(sizeof none);
    memcpy(CMSG_DATA(header), &none, sizeof none);
    struct cmsghdr *second = (struct cmsghdr *)(void *)((char *)header + CMSG_SPACE(sizeof none));
    second->cmsg_level = SOL_SOCKET + 1; /* the same type, and another's */
    second->cmsg_type = SCM_RIGHTS;
    second->cmsg_len = CMSG_LEN(sizeof none);
    struct cmsghdr *third = (struct cmsghdr *)(void *)((char *)second + CMSG_SPACE(sizeof none));
    third->cmsg_level = SOL_SOCKET;
    third->cmsg_type = SCM_PIDFD;
    third->cmsg_len = CMSG_LEN(spare_count * sizeof(int));
    for (size_t i = 0; i < spare_count; i++) {
        int copy = dup(spare);
        REQUIRE(copy >= 0);
        memcpy(CMSG_DATA(third) + i * sizeof copy, &copy, sizeof copy);
    }
    message->msg_controllen = 2 * CMSG_SPACE(sizeof none) + CMSG_SPACE(spare_count * sizeof(int));
    message->msg_flags = 0;
    memset(message->msg_iov->iov_base, 'x', 1);
    return 1;
}

static void came_close(struct lti_os_came *came)
{
    for (uint32_t i = 0; i < came->count; i++)
        CHECK(close(came->fds[i]) == 0);
}

TEST(calls_more_descriptors_than_there_is_room_for)
{
    struct two two = two_open(false);
    struct lti_os_came came;
    char byte;
    spare = two.fds[1];
    spare_count = LTI_OS_CAME_MAX + 1;
    uint32_t flags = 0;
    lti_call_recvmsg(many_come);
    CHECK_INT(lti_os_recv(two.fds[0], &byte, 1, &came, &flags), 1);
    CHECK_INT(flags, LTI_OS_RECV_MORE | LTI_OS_RECV_CUT);
    CHECK_INT(came.count, LTI_OS_CAME_MAX);
    came_close(&came);
    flags = 0;
    lti_call_recvmsg(many_come);
    CHECK_INT(lti_os_recv_packet(two.fds[0], &byte, 1, &came, &flags), 1);
    CHECK_INT(flags, LTI_OS_PACKET_CUT);
    came_close(&came);
    spare_count = 2;
    flags = 0;
    lti_call_recvmsg(many_come);
    CHECK_INT(lti_os_recv_packet(two.fds[0], &byte, 1, &came, &flags), 1);
    CHECK_INT(flags, 0);
    CHECK_INT(came.count, 2);
    came_close(&came);
    two_close(two);
}

static void limit_set(rlim_t count)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(calls_how_many_descriptors_are_left)
{
    struct two two = two_open(false);
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(lti_os_descriptors_left(100));
    lti_call_fails("getrlimit", 1, EPERM);
    CHECK(!lti_os_descriptors_left(1));
    limit_set((rlim_t)two.fds[1] + 3); /* two are left, and what is not used below */
    CHECK(lti_os_descriptors_left(2));
    CHECK(!lti_os_descriptors_left((uint32_t)two.fds[1] + 2));
    limit_set(before.rlim_max < 1200 ? before.rlim_max : 1200);
    CHECK(lti_os_descriptors_left(600));
    CHECK(!lti_os_descriptors_left(1198));
    limit_set(before.rlim_cur);
    two_close(two);
}

static ssize_t end_with_something(struct msghdr *message)
{
    message->msg_controllen = 0;
    message->msg_flags = MSG_CTRUNC;
    return 0;
}

TEST(calls_the_end_with_something_left_is_not_all)
{
    struct two two = two_open(false);
    lti_call_recvmsg(end_with_something);
    CHECK_INT(lti_os_recv_over(two.fds[0]), 1);
    CHECK_INT(lti_os_close(two.fds[1]), 0);
    CHECK_INT(lti_os_recv_over(two.fds[0]), 0);
    CHECK_INT(lti_os_close(two.fds[0]), 0);
}

TEST(calls_more_slices_than_there_is_room_for)
{
    struct two two = two_open(false);
    struct leat_slice slices[LEAT_SLICES_MAX + 1];
    char got[LEAT_SLICES_MAX + 1];
    for (size_t i = 0; i < LEAT_SLICES_MAX + 1; i++)
        slices[i] = (struct leat_slice){.data = "x", .size = 1};
    CHECK_INT(lti_os_send(two.fds[0], slices, LEAT_SLICES_MAX + 1), LEAT_SLICES_MAX);
    CHECK_INT(recv(two.fds[1], got, sizeof got, 0), LEAT_SLICES_MAX);
    two_close(two);
}

/* ---- What is asked of a socket --------------------------------------------------------------- */

TEST(calls_a_socket_that_tells_nothing)
{
    struct two two = two_open(true);
    struct lti_os_socket_facts facts;
    struct lti_os_peer peer;
    uint32_t groups[4];
    char label[20];
    const int fd = two.fds[0];
    for (int nth = 1; nth <= 3; nth++)
        CHECK_FAILS("getsockopt", nth, ENOBUFS, LTI_OS_MEMORY, lti_os_socket_facts(fd, &facts));
    CHECK_FAILS("getsockopt", 1, EINVAL, LTI_OS_INVALID, lti_os_peer(fd, &peer));
    CHECK_FAILS("getsockopt", 1, ENOPROTOOPT, LTI_OS_UNSUPPORTED, lti_os_peer_process(fd));
    CHECK_FAILS("getsockopt", 1, EINVAL, LTI_OS_INVALID, lti_os_peer_groups(fd, groups, 4));
    CHECK_FAILS("getsockopt", 1, ENOPROTOOPT, LTI_OS_UNSUPPORTED,
                lti_os_peer_label(fd, label, sizeof label));
    two_close(two);
}

/* A security module may count the zero byte behind its label, or several, or give none. */
TEST(calls_labels_end_before_their_zero_bytes)
{
    struct two two = two_open(false);
    char label[20];
    memset(label, '?', sizeof label);
    lti_call_option(SO_PEERSEC, "unconfined", 10);
    CHECK_INT(lti_os_peer_label(two.fds[0], label, sizeof label), 10);
    CHECK_STR(label, "unconfined");
    lti_call_option(SO_PEERSEC, "user\0\0", 6);
    CHECK_INT(lti_os_peer_label(two.fds[0], label, sizeof label), 4);
    CHECK_STR(label, "user");
    lti_call_option(SO_PEERSEC, "\0", 1);
    CHECK_INT(lti_os_peer_label(two.fds[0], label, sizeof label), 0);
    CHECK_STR(label, "");
    CHECK(!lti_call_waits());
    two_close(two);
}

TEST(calls_packets_on_a_socket_that_refuses)
{
    struct two two = two_open(true);
    const int fd = two.fds[0];
    const int none = 32;
    CHECK_FAILS("setsockopt", 1, EPERM, LTI_OS_ACCESS, lti_os_packets(fd, 1000));
    CHECK_FAILS("getsockopt", 1, EPERM, LTI_OS_ACCESS, lti_os_packets(fd, 1000));
    CHECK_FAILS("setsockopt", 2, EPERM, LTI_OS_ACCESS, lti_os_packets(fd, (size_t)1 << 30));
    CHECK_FAILS("getsockopt", 2, EPERM, LTI_OS_ACCESS, lti_os_packets(fd, (size_t)1 << 30));
    lti_call_option(SO_SNDBUF, &none, sizeof none);
    CHECK_INT(lti_os_packets(fd, 0), 0); /* the system wants all of that for itself */
    CHECK(!lti_call_waits());
    two_close(two);
}

static int fcntl_flags(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC ? 1 : 0) | (fcntl(fd, F_GETFL) & O_NONBLOCK ? 2 : 0);
}

TEST(calls_a_descriptor_that_cannot_be_set_up)
{
    int fds[2];
    REQUIRE_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int nth = 1; nth <= 4; nth++)
        CHECK_FAILS("fcntl", nth, EPERM, LTI_OS_ACCESS, lti_os_set_flags(fds[0]));
    /* An older kernel has no word for refusing descriptors, and does not know whether it has. */
    lti_call_fails("getsockopt", 1, ENOPROTOOPT);
    CHECK(lti_os_set_flags(fds[0]) >= 0);
    CHECK(!lti_call_waits());
    lti_call_fails("setsockopt", 1, ENOPROTOOPT);
    CHECK_INT(lti_os_set_flags(fds[0]), 0);
    CHECK(!lti_call_waits());
    CHECK_INT(fcntl_flags(fds[0]), 3);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
}
