/* SPDX-License-Identifier: MIT
 *
 * The real memory, clock, lock and process of a POSIX system, and the table from errno to kind.
 *
 * Happy path: one C library call each.
 * Fails:      with the kind that the table gives; alloc with null.
 * Invariants: no errno leaves the os_real_* files but packed beside its kind.
 */
#include "os_real_posix.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Numbers that are equal on some systems and not on others (EAGAIN, EWOULDBLOCK) appear once, by
 * the name that POSIX gives the cause; a repeated case would not compile. */

/* What only calls on sockets say. */
static enum lti_os_kind socket_kind(int number)
{
    switch (number) {
    case EINPROGRESS:
    case EALREADY:
        return LTI_OS_IN_PROGRESS;
    case ECONNREFUSED:
        return LTI_OS_REFUSED;
    case EADDRINUSE:
        return LTI_OS_IN_USE;
    case ECONNRESET:
        return LTI_OS_RESET;
    case EPIPE:
        return LTI_OS_PIPE;
    case ECONNABORTED:
        return LTI_OS_ABORTED;
    case ETIMEDOUT:
        return LTI_OS_TIMED_OUT;
    case ENOTSOCK:
    case EBADF:
        return LTI_OS_NOT_SOCKET;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENOSYS:
    case ENOPROTOOPT:
        return LTI_OS_UNSUPPORTED;
    case EPROTOTYPE:
        return LTI_OS_WRONG_TYPE;
    case ENOTCONN:
        return LTI_OS_NOT_CONNECTED;
    case EISCONN:
        return LTI_OS_IS_CONNECTED;
    case EMSGSIZE:
        return LTI_OS_TOO_BIG;
    default:
        return LTI_OS_OTHER;
    }
}

static enum lti_os_kind base_kind(int number)
{
    switch (number) {
    case EAGAIN:
        return LTI_OS_AGAIN;
    case EINTR:
        return LTI_OS_INTERRUPTED;
    case ENOENT:
    case ESRCH: /* a process that has gone */
        return LTI_OS_NOT_FOUND;
    case ENOTDIR:
    case ELOOP:
        return LTI_OS_NOT_DIR;
    case EACCES:
    case EPERM:
        return LTI_OS_ACCESS;
    case EEXIST:
    case EISDIR: /* a folder, or a socket, where a lock is to be */
    case ENXIO:
        return LTI_OS_EXISTS;
    case ENAMETOOLONG:
        return LTI_OS_TOO_LONG;
    case EROFS:
        return LTI_OS_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return LTI_OS_NO_SPACE;
    case EMFILE:
    case ENFILE:
        return LTI_OS_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS:
        return LTI_OS_MEMORY;
    case EINVAL:
        return LTI_OS_INVALID;
    case EIO:
        return LTI_OS_IO;
    default:
        return socket_kind(number);
    }
}

int64_t lti_real_errno(int number)
{
    return lti_os_fail(base_kind(number), number);
}

int64_t lti_real_result(int64_t value)
{
    return value == -1 ? lti_real_errno(errno) : value;
}

void *lti_os_alloc(size_t size)
{
    return malloc(size);
}

void lti_os_free(void *memory)
{
    free(memory);
}

/* These calls fail only when the program has overwritten memory; going on would do harm. */
static void base_must(bool held)
{
    if (!held)
        abort();
}

uint64_t lti_os_now_ns(void)
{
    struct timespec time = {0, 0};
    base_must(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    /* The clock may start at zero with the machine; zero is kept free to mean "no time". */
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec + 1;
}

int lti_real_milliseconds(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -1;
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

uint64_t lti_os_thread_id(void)
{
    /* The address of a thread's own variable tells running threads apart without a system call. */
    static _Thread_local char mark;
    return (uint64_t)(uintptr_t)&mark;
}

struct base_thread {
    void (*function)(void *argument);
    void *argument;
};

static void *base_thread_main(void *argument)
{
    struct base_thread thread = *(struct base_thread *)argument;
    lti_os_free(argument);
    thread.function(thread.argument);
    return NULL;
}

int64_t lti_os_thread_run(void (*function)(void *argument), void *argument)
{
    pthread_t native;
    sigset_t all, before;
    struct base_thread *thread = lti_os_alloc(sizeof *thread);
    if (!thread)
        return lti_real_errno(ENOMEM);
    *thread = (struct base_thread){function, argument};
    (void)sigfillset(&all);
    base_must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int number = pthread_create(&native, NULL, base_thread_main, thread);
    base_must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (number != 0) {
        lti_os_free(thread);
        return lti_real_errno(number);
    }
    base_must(pthread_detach(native) == 0);
    return 0;
}

static atomic_uint base_forks;
static atomic_bool base_has_forked;
static bool base_forks_unseen;
static atomic_bool base_forks_seen; /* saves the look that pthread_once takes, at every call */

static void base_forking(void)
{
    atomic_store_explicit(&base_has_forked, true, memory_order_relaxed);
}

static void base_forked(void)
{
    atomic_fetch_add_explicit(&base_forks, 1, memory_order_relaxed);
}

static void base_watch_forks(void)
{
    base_forks_unseen = pthread_atfork(base_forking, NULL, base_forked) != 0;
    atomic_store_explicit(&base_forks_seen, !base_forks_unseen, memory_order_release);
}

uint32_t lti_os_fork_count(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (atomic_load_explicit(&base_forks_seen, memory_order_acquire))
        return atomic_load_explicit(&base_forks, memory_order_relaxed);
    base_must(pthread_once(&once, base_watch_forks) == 0);
    /* Without a handler (out of memory) the process id still tells a child from its parent. */
    if (base_forks_unseen)
        return (uint32_t)getpid();
    return atomic_load_explicit(&base_forks, memory_order_relaxed);
}

const atomic_uint *lti_real_forks(void)
{
    (void)lti_os_fork_count();
    return base_forks_unseen ? NULL : &base_forks;
}

bool lti_real_has_forked(void)
{
    return base_forks_unseen || atomic_load_explicit(&base_has_forked, memory_order_relaxed);
}

uint32_t lti_os_euid(void)
{
    return (uint32_t)geteuid();
}

const char *lti_os_getenv(const char *name)
{
    return getenv(name);
}
