/* SPDX-License-Identifier: MIT
 *
 * The real Unix-domain sockets.
 *
 * Happy path: one system call each; every descriptor made here is close-on-exec and
 *             non-blocking.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a received descriptor is handed on, or never installed, because there is no control
 *             buffer; SIGPIPE is never raised.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "os_real_posix.h"

#include "leat/leat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int socket_type(bool packets)
{
    return (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
}

int64_t lti_os_socket(bool packets)
{
    int fd = socket(AF_UNIX, socket_type(packets), 0);
    if (fd < 0)
        return lti_real_errno(errno);
    (void)lti_real_refuse_descriptors(fd);
    return fd;
}

int64_t lti_os_socketpair(bool packets, int fds_out[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, socket_type(packets), 0, fds) != 0)
        return lti_real_errno(errno);
    for (int i = 0; i < 2; i++) {
        (void)lti_real_refuse_descriptors(fds[i]);
        fds_out[i] = fds[i];
    }
    return 0;
}

/* Returns 0 for an address that does not fit, since no address has that length. */
static socklen_t socket_address(const char *address, size_t size, struct sockaddr_un *address_out)
{
    if (size == 0 || size > LTI_OS_PATH_MAX)
        return 0;
    memset(address_out, 0, sizeof *address_out);
    address_out->sun_family = AF_UNIX;
    memcpy(address_out->sun_path, address, size);
    /* A path carries its zero byte; an abstract name is exactly its bytes. */
    size_t length = offsetof(struct sockaddr_un, sun_path) + size + (address[0] != '\0');
    return (socklen_t)length;
}

int64_t lti_os_bind(int fd, const char *address, size_t size)
{
    struct sockaddr_un native;
    socklen_t length = socket_address(address, size, &native);
    if (length == 0)
        return lti_real_errno(ENAMETOOLONG);
    return lti_real_result(bind(fd, (const struct sockaddr *)&native, length));
}

int64_t lti_os_listen(int fd, uint32_t backlog)
{
    return lti_real_result(listen(fd, backlog > INT_MAX ? INT_MAX : (int)backlog));
}

int64_t lti_os_connect(int fd, const char *address, size_t size)
{
    struct sockaddr_un native;
    socklen_t length = socket_address(address, size, &native);
    if (length == 0)
        return lti_real_errno(ENAMETOOLONG);
    return lti_real_result(connect(fd, (const struct sockaddr *)&native, length));
}

int64_t lti_os_connect_node(int fd, int node)
{
    char path[LTI_REAL_PROC_BYTES];
    struct sockaddr_un native;
    int size = snprintf(path, sizeof path, LTI_REAL_PROC "%d", node);
    socklen_t length = socket_address(path, (size_t)size, &native);
    int result = connect(fd, (const struct sockaddr *)&native, length);
    /* What an open descriptor stands for is found, so the way to it must be missing. */
    return result != 0 && errno == ENOENT ? lti_os_fail(LTI_OS_UNSUPPORTED, errno)
                                          : lti_real_result(result);
}

int64_t lti_os_accept(int fd)
{
    return lti_real_result(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

int64_t lti_os_shutdown_write(int fd)
{
    return lti_real_result(shutdown(fd, SHUT_WR));
}

void lti_os_end_copies(int fd)
{
    if (lti_real_has_forked())
        (void)shutdown(fd, SHUT_RDWR); /* a peer that is gone does not need to be told */
}

int64_t lti_os_close(int fd)
{
    return lti_real_result(close(fd));
}

int64_t lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                    uint32_t *flags)
{
    if (*flags & LTI_OS_RECV_PLAIN) {
        *flags = 0;
        return lti_real_result(recv(fd, buffer, size, MSG_DONTWAIT));
    }
    union {
        char bytes[LTI_REAL_CONTROL_BYTES];
        struct cmsghdr aligned;
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    /* A look takes no descriptor: it would get one that is closed with a wait all the same. */
    int peek = (*flags & LTI_OS_RECV_PEEK) ? MSG_PEEK : 0;
    if (came_out) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
    }
    ssize_t result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | peek);
    if (result < 0)
        return lti_real_errno(errno);
    *flags = (message.msg_flags & MSG_CTRUNC) ? LTI_OS_RECV_MORE | LTI_OS_RECV_CUT : 0;
    if (came_out) {
        lti_real_came(&message, came_out);
        *flags |= came_out->count ? LTI_OS_RECV_MORE : 0;
    }
    return result;
}

int64_t lti_os_recv_over(int fd)
{
    char byte;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    (void)shutdown(fd, SHUT_RD);
    ssize_t result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_PEEK);
    return result > 0 || (result == 0 && (message.msg_flags & MSG_CTRUNC));
}

int64_t lti_os_linger_none(int fd)
{
    const struct linger none = {.l_onoff = 0, .l_linger = 0};
    return lti_real_result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
}

int64_t lti_os_send(int fd, const struct leat_slice *slices, size_t count)
{
    if (count == 1)
        return lti_real_result(send(fd, slices->data, slices->size, MSG_NOSIGNAL | MSG_DONTWAIT));
    struct iovec pieces[LEAT_SLICES_MAX];
    /* Sending less than all is always allowed, so more slices than fit are simply not sent yet. */
    if (count > LEAT_SLICES_MAX)
        count = LEAT_SLICES_MAX;
    for (size_t i = 0; i < count; i++) {
        union {
            const void *read_only;
            void *plain;
        } data = {.read_only = slices[i].data};
        pieces[i] = (struct iovec){.iov_base = data.plain, .iov_len = slices[i].size};
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    return lti_real_result(sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

static int64_t socket_option(int fd, int option, int *value_out)
{
    socklen_t length = sizeof *value_out;
    return lti_real_result(getsockopt(fd, SOL_SOCKET, option, value_out, &length));
}

int64_t lti_os_socket_facts(int fd, struct lti_os_socket_facts *facts_out)
{
    int domain = 0;
    int type = 0;
    int accepts = 0;
    int64_t result = socket_option(fd, SO_DOMAIN, &domain);
    if (result < 0)
        return result;
    result = socket_option(fd, SO_TYPE, &type);
    if (result < 0)
        return result;
    result = socket_option(fd, SO_ACCEPTCONN, &accepts);
    if (result < 0)
        return result;
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    facts_out->connected = getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
    facts_out->unix_stream = domain == AF_UNIX && type == SOCK_STREAM;
    facts_out->unix_packets = domain == AF_UNIX && type == SOCK_SEQPACKET;
    facts_out->listening = accepts != 0;
    return 0;
}

int64_t lti_os_set_flags(int fd)
{
    int descriptor_flags = fcntl(fd, F_GETFD);
    if (descriptor_flags < 0)
        return lti_real_errno(errno);
    int status_flags = fcntl(fd, F_GETFL);
    if (status_flags < 0)
        return lti_real_errno(errno);
    if (fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) < 0)
        return lti_real_errno(errno);
    if (fcntl(fd, F_SETFD, descriptor_flags | FD_CLOEXEC) < 0)
        return lti_real_errno(errno);
    /* Who refused them before has none in the queue. Nor is one where nothing is there: it would be
     * read, or accepted, with bytes. */
    bool refused = lti_real_refuses_descriptors(fd);
    struct pollfd there = {.fd = fd, .events = POLLIN};
    return lti_real_refuse_descriptors(fd) && (refused || poll(&there, 1, 0) == 0);
}
