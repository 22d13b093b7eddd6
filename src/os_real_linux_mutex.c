/* SPDX-License-Identifier: MIT
 *
 * The real lock of Linux: one word, and a futex for who has to wait.
 *
 * Happy path: a process with one thread stores, which the lock's users do by themselves; with
 *             several, one locked instruction takes a free lock and one gives it back. Every call
 *             of the library takes it once: docs/adr/0011-lock.md.
 * Fails:      creating, without memory. A kernel that lets nobody wait makes who waits ask again.
 * Invariants: CONTENDED when anybody may sleep: who unlocks then wakes one. Whoever slept takes the
 *             lock as contended, because there may be others. While the C library knows of one
 *             thread only, no other can be inside, or wait.
 */
#include "os_real_posix.h"

#ifdef __linux__

#include "lti_assert.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#define MUTEX_ALONE (&__libc_single_threaded)
#endif
#endif
#ifndef MUTEX_ALONE
#define MUTEX_ALONE (&mutex_never)
#endif
static const char mutex_never;

#ifndef SYS_futex /* newer systems of 32 bits; without a time there is no difference */
#define SYS_futex SYS_futex_time64
#endif

/* Of <linux/futex.h>, which not every C library comes with. */
#define MUTEX_WAIT 128 /* FUTEX_WAIT_PRIVATE */
#define MUTEX_WAKE 129 /* FUTEX_WAKE_PRIVATE */

enum { MUTEX_FREE, MUTEX_TAKEN, MUTEX_CONTENDED };

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    struct lti_os_mutex *mutex = lti_os_alloc(sizeof *mutex);
    if (!mutex)
        return lti_real_errno(ENOMEM);
    mutex->forks = lti_real_forks();
    mutex->alone = mutex->forks ? MUTEX_ALONE : &mutex_never;
    atomic_init(&mutex->state, MUTEX_FREE);
    *mutex_out = mutex;
    return 0;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    lti_os_free(mutex);
}

static void mutex_wait(struct lti_os_mutex *mutex)
{
    int number = errno;
    while (atomic_exchange_explicit(&mutex->state, MUTEX_CONTENDED, memory_order_acquire) !=
           MUTEX_FREE) {
        long result = syscall(SYS_futex, &mutex->state, MUTEX_WAIT, MUTEX_CONTENDED, NULL, NULL, 0);
        if (result != 0 && errno != EAGAIN && errno != EINTR)
            (void)sched_yield();
    }
    errno = number;
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    unsigned expected = MUTEX_FREE;
    if (!atomic_compare_exchange_strong_explicit(&mutex->state, &expected, MUTEX_TAKEN,
                                                 memory_order_acquire, memory_order_relaxed))
        mutex_wait(mutex);
}

static void mutex_wake(struct lti_os_mutex *mutex)
{
    int number = errno;
    (void)syscall(SYS_futex, &mutex->state, MUTEX_WAKE, 1, NULL, NULL, 0);
    errno = number;
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    if (atomic_exchange_explicit(&mutex->state, MUTEX_FREE, memory_order_release) ==
        MUTEX_CONTENDED)
        mutex_wake(mutex);
}

#endif
