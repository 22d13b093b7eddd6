/* SPDX-License-Identifier: MIT
 *
 * The real Unix-domain sockets.
 *
 * Happy path: one system call each; every descriptor made here is close-on-exec and
 *             non-blocking.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: a received descriptor is handed on; or, where the caller takes none, never installed:
 *             by Linux because there is no control buffer, and elsewhere because nothing is taken
 *             out of the queue. SIGPIPE is never raised.
 */
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
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef __linux__
#define SOCKET_PACKETS 1
#else
#define SOCKET_PACKETS 0
#endif

/* Whether a socket can be made close-on-exec and non-blocking from its beginning. The values are no
 * numbers to the preprocessor. */
#ifdef SOCK_CLOEXEC
#define SOCKET_HAS_FLAGS 1
#define SOCKET_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
#else
#define SOCKET_HAS_FLAGS 0
#define SOCKET_FLAGS 0
#endif

/* Apple's headers of today have the flag, and its older systems do not: there a socket is told once
 * that it raises no signal. */
#ifdef __APPLE__
#define SOCKET_QUIET MSG_DONTWAIT
#else
#define SOCKET_QUIET (MSG_NOSIGNAL | MSG_DONTWAIT)
#endif

#ifdef MSG_CMSG_CLOEXEC
#define SOCKET_TAKES (MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
#else
#define SOCKET_TAKES MSG_DONTWAIT
#endif

/* How a look learns what would come along. On Linux it would get copies of the descriptors if it
 * had room for them; without room the system says so. Elsewhere it gets none, and the system says
 * nothing to who has no room. */
#ifdef __linux__
#define SOCKET_LOOK_TAKES_NONE 0
#else
#define SOCKET_LOOK_TAKES_NONE 1
#endif

/* An accepted socket has this from its listener. */
static int socket_silence(int fd)
{
#ifdef __APPLE__
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#else
    (void)fd;
    return 0;
#endif
}

static int socket_type(bool packets)
{
    return (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCKET_FLAGS;
}

/* What the flags of the call that made it did not do. Between that call and this another thread may
 * begin a program, which then has the descriptor too; there is no way around that. */
static int64_t socket_made(int fd, bool accepted)
{
    int result = accepted ? 0 : socket_silence(fd);
#if !SOCKET_HAS_FLAGS
    if (result == 0)
        result = lti_real_set_up(fd);
#endif
    if (result != 0) {
        int number = errno;
        (void)close(fd);
        return lti_real_errno(number);
    }
    (void)lti_real_refuse_descriptors(fd);
    return fd;
}

int64_t lti_os_socket(bool packets)
{
    if (packets && !SOCKET_PACKETS)
        return lti_real_errno(EPROTONOSUPPORT);
    int fd = socket(AF_UNIX, socket_type(packets), 0);
    return fd < 0 ? lti_real_errno(errno) : socket_made(fd, false);
}

int64_t lti_os_socketpair(bool packets, int fds_out[2])
{
    int fds[2];
    if (packets && !SOCKET_PACKETS)
        return lti_real_errno(EPROTONOSUPPORT);
    if (socketpair(AF_UNIX, socket_type(packets), 0, fds) != 0)
        return lti_real_errno(errno);
    int64_t first = socket_made(fds[0], false);
    int64_t second = first < 0 ? first : socket_made(fds[1], false);
    if (second < 0) {
        (void)close(first < 0 ? fds[1] : fds[0]);
        return second;
    }
    fds_out[0] = fds[0];
    fds_out[1] = fds[1];
    return 0;
}

size_t lti_os_path_max(void)
{
    size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    return most > LTI_OS_PATH_MAX ? LTI_OS_PATH_MAX : most;
}

/* Returns 0 for an address that does not fit, since no address has that length. */
static socklen_t socket_address(const char *address, size_t size, struct sockaddr_un *address_out)
{
    if (size == 0 || size > lti_os_path_max())
        return 0;
    memset(address_out, 0, sizeof *address_out);
    address_out->sun_family = AF_UNIX;
    memcpy(address_out->sun_path, address, size);
    /* A path carries its zero byte; an abstract name is exactly its bytes. */
    size_t length = offsetof(struct sockaddr_un, sun_path) + size + (address[0] != '\0');
#ifdef LTI_REAL_BSD
    address_out->sun_len = (uint8_t)length;
#endif
    return (socklen_t)length;
}

/* Abstract names are Linux' own. */
static bool socket_name_known(const char *address, size_t size)
{
#ifdef __linux__
    (void)address;
    (void)size;
    return true;
#else
    return size > 0 && address[0] != '\0';
#endif
}

/* Where a socket cannot be told its mode, the node is told it, before anybody can connect: listen
 * comes later. What was bound and stays open to others must not be. */
static int64_t socket_bound(const char *path)
{
#ifdef __linux__
    (void)path;
    return 0;
#else
    int64_t result = lti_os_path_mode(path, 0600);
    if (result < 0)
        (void)unlink(path);
    return result;
#endif
}

int64_t lti_os_bind(int fd, const char *address, size_t size)
{
    struct sockaddr_un native;
    socklen_t length = socket_address(address, size, &native);
    if (!socket_name_known(address, size))
        return lti_real_errno(EAFNOSUPPORT);
    if (length == 0)
        return lti_real_errno(ENAMETOOLONG);
    if (bind(fd, (const struct sockaddr *)&native, length) != 0)
        return lti_real_errno(errno);
    return socket_bound(native.sun_path);
}

int64_t lti_os_listen(int fd, uint32_t backlog)
{
    return lti_real_result(listen(fd, backlog > INT_MAX ? INT_MAX : (int)backlog));
}

int64_t lti_os_connect(int fd, const char *address, size_t size)
{
    struct sockaddr_un native;
    socklen_t length = socket_address(address, size, &native);
    if (!socket_name_known(address, size))
        return lti_real_errno(EAFNOSUPPORT);
    if (length == 0)
        return lti_real_errno(ENAMETOOLONG);
    return lti_real_result(connect(fd, (const struct sockaddr *)&native, length));
}

#ifdef __linux__

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

#else

int64_t lti_os_connect_node(int fd, int node)
{
    (void)fd;
    (void)node;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

#endif

int64_t lti_os_accept(int fd)
{
#if SOCKET_HAS_FLAGS
    int made = accept4(fd, NULL, NULL, SOCKET_FLAGS);
#else
    int made = accept(fd, NULL, NULL);
#endif
    int number = errno;
    lti_real_looked(fd);
    if (made < 0)
        return lti_real_errno(number);
#ifdef __linux__
    return made; /* what was told to the listener holds for it */
#else
    return socket_made(made, true);
#endif
}

bool lti_os_accept_ready(int fd)
{
    /* Linux waits in accept no longer than the receive time-out, which becomes one tick of its
     * clock. Other systems go by the flag alone. */
    const struct timeval brief = {.tv_usec = 1};
    struct pollfd there = {.fd = fd, .events = POLLIN};
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
    lti_real_looked(fd);
    return poll(&there, 1, 0) != 0; /* an accept says what is wrong */
}

bool lti_os_accept_more(int fd)
{
    struct pollfd there = {.fd = fd, .events = POLLIN};
    return poll(&there, 1, 0) != 0; /* an accept says what is wrong */
}

void lti_os_listen_over(int fd)
{
    (void)shutdown(fd, SHUT_RDWR); /* systems beside Linux have no such thing for a listener */
}

int64_t lti_os_shutdown_write(int fd)
{
    return lti_real_result(shutdown(fd, SHUT_WR));
}

void lti_os_end_copies(int fd)
{
    if (!lti_real_has_forked())
        return;
    int how = SHUT_RDWR;
#if SOCKET_LOOK_TAKES_NONE
    /* Reading goes on where ending it would close what is queued: see lti_os_recv_over. */
    if (lti_os_recv_over(fd) > 0)
        how = SHUT_WR;
#endif
    (void)shutdown(fd, how); /* a peer that is gone does not need to be told */
}

int64_t lti_os_close(int fd)
{
    lti_real_closing(fd);
    return lti_real_result(close(fd));
}

int64_t lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                    uint32_t *flags)
{
    if (*flags & LTI_OS_RECV_PLAIN) {
        *flags = 0;
        int64_t plain = lti_real_result(recv(fd, buffer, size, MSG_DONTWAIT));
        lti_real_looked(fd);
        return plain;
    }
    union {
        char bytes[LTI_REAL_CONTROL_BYTES];
        struct cmsghdr aligned;
    } control;
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    int peek = (*flags & LTI_OS_RECV_PEEK) ? MSG_PEEK : 0;
    if (came_out || (peek && SOCKET_LOOK_TAKES_NONE)) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
    }
    int64_t result = lti_real_result(recvmsg(fd, &message, SOCKET_TAKES | peek));
    lti_real_looked(fd);
    if (result < 0)
        return result;
    bool cut = came_out ? !lti_real_came(&message, came_out) : lti_real_would_come(&message);
    if (cut || (message.msg_flags & MSG_CTRUNC))
        *flags = LTI_OS_RECV_MORE | LTI_OS_RECV_CUT;
    else
        *flags = came_out && came_out->count ? LTI_OS_RECV_MORE : 0;
    return result;
}

int64_t lti_os_recv_over(int fd)
{
    char byte;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
#if SOCKET_LOOK_TAKES_NONE
    /* Elsewhere shutdown throws away what is in the queue, and Apple's kernel closes descriptors in
     * it before it returns, however long that takes. So it is not called, and what a peer sends
     * between this look and the close is closed by that. */
    union {
        char bytes[LTI_REAL_CONTROL_BYTES];
        struct cmsghdr aligned;
    } control;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
#else
    (void)shutdown(fd, SHUT_RD);
#endif
    ssize_t result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_PEEK);
    bool cut = result == 0 && ((message.msg_flags & MSG_CTRUNC) || lti_real_would_come(&message));
    return result > 0 || cut;
}

int64_t lti_os_linger_none(int fd)
{
    const struct linger none = {.l_onoff = 0, .l_linger = 0};
    return lti_real_result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
}

int64_t lti_os_send(int fd, const struct leat_slice *slices, size_t count)
{
    lti_real_wrote(fd);
    if (count == 1)
        return lti_real_result(send(fd, slices->data, slices->size, SOCKET_QUIET));
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
    struct msghdr message = {.msg_iov = pieces};
    message.msg_iovlen = (LTI_REAL_IOVLEN)count;
    return lti_real_result(sendmsg(fd, &message, SOCKET_QUIET));
}

static int64_t socket_option(int fd, int option, int *value_out)
{
    socklen_t length = sizeof *value_out;
    return lti_real_result(getsockopt(fd, SOL_SOCKET, option, value_out, &length));
}

static int64_t socket_domain(int fd, int *domain_out)
{
#ifdef SO_DOMAIN
    return socket_option(fd, SO_DOMAIN, domain_out);
#else
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof name;
    int64_t result = lti_real_result(getsockname(fd, (struct sockaddr *)&name, &length));
    *domain_out = name.ss_family;
    return result;
#endif
}

int64_t lti_os_socket_facts(int fd, struct lti_os_socket_facts *facts_out)
{
    int domain = 0;
    int type = 0;
    int accepts = 0;
    int64_t result = socket_domain(fd, &domain);
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
    facts_out->unix_packets = domain == AF_UNIX && type == SOCK_SEQPACKET && SOCKET_PACKETS;
    facts_out->listening = accepts != 0;
    return 0;
}

int lti_real_set_up(int fd)
{
    int descriptor_flags = fcntl(fd, F_GETFD);
    if (descriptor_flags < 0)
        return -1;
    int status_flags = fcntl(fd, F_GETFL);
    if (status_flags < 0 || fcntl(fd, F_SETFL, status_flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, descriptor_flags | FD_CLOEXEC) < 0)
        return -1;
    return 0;
}

int64_t lti_os_set_flags(int fd)
{
    if (socket_silence(fd) != 0 || lti_real_set_up(fd) != 0)
        return lti_real_errno(errno);
    /* Who refused them before has none in the queue. Nor is one where nothing is there: it would be
     * read, or accepted, with bytes. */
    bool refused = lti_real_refuses_descriptors(fd);
    struct pollfd there = {.fd = fd, .events = POLLIN};
    return lti_real_refuse_descriptors(fd) && (refused || poll(&there, 1, 0) == 0);
}
