/* SPDX-License-Identifier: MIT
 *
 * The real descriptors that come along with what is received.
 *
 * Happy path: the numbers in each control message that holds some are handed on.
 * Fails:      when there are more than there is room for: those are closed here. No system lets so
 *             many through that leat was written for.
 * Invariants: a message has as many as its own length says, and padding is none; what it says to
 *             have and was not delivered (Apple's kernel leaves the sender's length as it was) is
 *             none either. All are close-on-exec; where receiving cannot do that at once, a program
 *             that another thread begins in between has them too.
 */
#include "os_real_posix.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined __linux__ && !defined SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* On Linux the sender's process may come in a message of its own. */
static bool came_holds(const struct cmsghdr *header)
{
#ifdef __linux__
    bool known = header->cmsg_type == SCM_RIGHTS || header->cmsg_type == SCM_PIDFD;
#else
    bool known = header->cmsg_type == SCM_RIGHTS;
#endif
    return header->cmsg_level == SOL_SOCKET && known;
}

/* musl's macro mixes signs, which warnings take for ours. */
static struct cmsghdr *came_next(struct msghdr *message, struct cmsghdr *header)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
    return CMSG_NXTHDR(message, header);
#pragma GCC diagnostic pop
}

static size_t came_count(const struct msghdr *message, const struct cmsghdr *header)
{
    size_t at = (size_t)((const char *)header - (const char *)message->msg_control);
    size_t size = header->cmsg_len;
    if (size > message->msg_controllen - at)
        size = message->msg_controllen - at;
    return size < CMSG_LEN(0) ? 0 : (size - CMSG_LEN(0)) / sizeof(int);
}

static void came_add(const struct cmsghdr *header, size_t count, struct lti_os_came *came)
{
    for (size_t i = 0; i < count; i++) {
        int fd = -1;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (came->count == LTI_OS_CAME_MAX) {
            (void)close(fd);
            continue;
        }
#ifndef MSG_CMSG_CLOEXEC
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
        came->fds[came->count++] = fd;
    }
}

bool lti_real_came(const struct msghdr *message, struct lti_os_came *came_out)
{
    struct msghdr all = *message;
    size_t sum = 0;
    came_out->count = 0;
    for (struct cmsghdr *it = CMSG_FIRSTHDR(&all); it; it = came_next(&all, it)) {
        if (!came_holds(it))
            continue;
        size_t count = came_count(message, it);
        came_add(it, count, came_out);
        sum += count;
    }
    return sum == came_out->count;
}

bool lti_real_would_come(const struct msghdr *message)
{
    struct msghdr all = *message;
    for (struct cmsghdr *it = CMSG_FIRSTHDR(&all); it; it = came_next(&all, it))
        if (came_holds(it))
            return true;
    return false;
}

/* ---- Room for them --------------------------------------------------------------------------- */

/* Numbers are given from below, so the highest ones are the last to be used. Each is asked for by
 * itself: poll could do that for many at once, but asks what is open, too, and a file whose server
 * does not answer would let us wait. */
bool lti_os_descriptors_left(uint32_t want)
{
    enum { LOOKED_MAX = 2048 };
    struct rlimit limit;
    uint32_t left = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    int end = limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
    for (int looked = 0; looked < LOOKED_MAX && end > 0 && left < want; looked++)
        left += fcntl(--end, F_GETFD) < 0;
    return left >= want;
}
