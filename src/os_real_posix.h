/* SPDX-License-Identifier: MIT
 *
 * What the os_real_* files of POSIX systems share: which system this is, the one table from errno
 * to kind. Nobody else includes it, save the fault object. It comes before any system header.
 */
#ifndef LTI_OS_REAL_POSIX_H
#define LTI_OS_REAL_POSIX_H

/* The systems' own calls beside those of POSIX, which C11 alone would hide. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef _NETBSD_SOURCE
#define _NETBSD_SOURCE 1
#endif

#include "os_posix.h"

#include <sys/types.h>

#if defined __APPLE__ || defined __FreeBSD__ || defined __OpenBSD__ || defined __NetBSD__ ||       \
    defined __DragonFly__
#define LTI_REAL_BSD 1
#endif

/* The poller: what the builder asks for, else the best that the system has. kqueue carries a
 * pointer where epoll carries 64 bits, so where that is too short it is poll. */
#define LTI_REAL_EPOLL 1
#define LTI_REAL_KQUEUE 2
#define LTI_REAL_POLL 3
#if defined LEAT_POLLER_POLL
#define LTI_REAL_POLLER LTI_REAL_POLL
#elif defined LEAT_POLLER_KQUEUE
#define LTI_REAL_POLLER LTI_REAL_KQUEUE
#elif defined __linux__ || defined LEAT_POLLER_EPOLL
#define LTI_REAL_POLLER LTI_REAL_EPOLL
#elif UINTPTR_MAX < UINT64_MAX
#define LTI_REAL_POLLER LTI_REAL_POLL
#elif defined LTI_REAL_BSD
#define LTI_REAL_POLLER LTI_REAL_KQUEUE
#else
#define LTI_REAL_POLLER LTI_REAL_POLL
#endif

/* The type of msghdr's msg_iovlen. */
#ifdef __GLIBC__
#define LTI_REAL_IOVLEN size_t
#else
#define LTI_REAL_IOVLEN int
#endif

int64_t lti_real_errno(int number); /* the word for an errno */
int64_t
lti_real_result(int64_t value); /* a call's result as it is, or the word for errno if it is -1 */

/* For poll and its like: rounded up, so that no wait ends early; -1: for ever. */
int lti_real_milliseconds(int64_t timeout_ns);

/* Where the system shows this process's descriptors as files: with a number behind it. */
#define LTI_REAL_PROC "/proc/self/fd/"
#define LTI_REAL_PROC_BYTES (sizeof LTI_REAL_PROC + 10)

/* What lti_os_fork_count says, to be looked at; null: only that can tell. */
const atomic_uint *lti_real_forks(void);
bool lti_real_has_forked(void); /* since the first hub; nothing is told of exec without fork */

/* Tells the system, where it can be told, that no descriptor may be sent to this socket. */
bool lti_real_refuse_descriptors(int fd);
bool lti_real_refuses_descriptors(int fd); /* it was told so before */

/* Room for all that a system puts beside what is received: credentials, a label, descriptors, a
 * time; so what finds no place are descriptors that this process may not have. */
#define LTI_REAL_CONTROL_BYTES 6144
struct msghdr;
/* The descriptors that a recvmsg has brought; false: some found no place, and are closed. */
bool lti_real_came(const struct msghdr *message, struct lti_os_came *came_out);
/* A recvmsg with MSG_PEEK was shown some that would come. */
bool lti_real_would_come(const struct msghdr *message);

/* Close-on-exec and non-blocking, where no call makes a descriptor so; 0 or -1. */
int lti_real_set_up(int fd);

/* What the poller must hear of where the system does not tell it: that a descriptor goes, that
 * somebody has looked what there is to read, or has written. With epoll there is none of it. */
#if LTI_REAL_POLLER == LTI_REAL_EPOLL
static inline void lti_real_closing(int fd)
{
    (void)fd;
}
#else
void lti_real_closing(int fd);
/* A wake-up of the pipe kind is no descriptor of its own; the poller's file asks first. */
void lti_real_event_closing(int fd);
/* A pipe whose ends are set up; 0 or the word for an errno. */
int64_t lti_real_pipe(int ends_out[2]);
#endif
#if LTI_REAL_POLLER == LTI_REAL_POLL
void lti_real_looked(int fd);
void lti_real_wrote(int fd);
#else
static inline void lti_real_looked(int fd)
{
    (void)fd;
}
static inline void lti_real_wrote(int fd)
{
    (void)fd;
}
#endif

#endif
