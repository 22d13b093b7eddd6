/* SPDX-License-Identifier: MIT
 *
 * The real locks of an open file.
 *
 * Happy path: locks of a byte each, of the open file and not of the process, so that two hubs of
 *             one process are two. Where the system has none of that kind, flock is the one lock,
 *             and there is no turn.
 * Fails:      LTI_OS_IN_USE when another is in the way; else with the kind of errno.
 * Invariants: no call waits.
 */
#include "os_real_posix.h"

#include <errno.h>
#include <fcntl.h>

/* These numbers mean "try again" and "denied" elsewhere; here another holds the lock. */
static int64_t lock_result(int result)
{
    bool held = result != 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EACCES);
    return held ? lti_os_fail(LTI_OS_IN_USE, errno) : lti_real_result(result);
}

#ifdef F_OFD_SETLK

#include <unistd.h>

/* The bytes of the lock file that are locked; it is empty, which makes no difference. */
#define LOCK_BYTE_TURN 0
#define LOCK_BYTE_LIFE 1

static int64_t lock_bytes(int fd, short type, off_t byte, off_t count)
{
    struct flock native = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = count};
    return lock_result(fcntl(fd, F_OFD_SETLK, &native));
}

int64_t lti_os_lock(int fd)
{
    return lock_bytes(fd, F_WRLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_share(int fd)
{
    return lock_bytes(fd, F_RDLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_share_over(int fd)
{
    return lock_bytes(fd, F_UNLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_turn(int fd)
{
    return lock_bytes(fd, F_WRLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_turn_share(int fd)
{
    return lock_bytes(fd, F_RDLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_turn_over(int fd)
{
    return lock_bytes(fd, F_UNLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_unlock(int fd)
{
    return lock_bytes(fd, F_UNLCK, LOCK_BYTE_TURN, 2);
}

#else

#include <sys/file.h>

int64_t lti_os_lock(int fd)
{
    return lock_result(flock(fd, LOCK_EX | LOCK_NB));
}

int64_t lti_os_share(int fd)
{
    return lock_result(flock(fd, LOCK_SH | LOCK_NB));
}

int64_t lti_os_share_over(int fd)
{
    return lock_result(flock(fd, LOCK_UN));
}

int64_t lti_os_turn(int fd)
{
    (void)fd;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

int64_t lti_os_turn_share(int fd)
{
    (void)fd;
    return 0;
}

int64_t lti_os_turn_over(int fd)
{
    (void)fd;
    return 0;
}

int64_t lti_os_unlock(int fd)
{
    return lock_result(flock(fd, LOCK_UN));
}

#endif
