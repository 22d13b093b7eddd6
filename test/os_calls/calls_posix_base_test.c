/* SPDX-License-Identifier: MIT
 *
 * What os_real_posix_base.c makes of a C library that fails.
 */
#include "calls.h"
#include "harness.h"
#include "os_real_posix.h"
#include "traps.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

extern __typeof__(lti_os_cpus) lti_real_cpus; /* the fault object answers for itself */

static enum lti_os_kind kind(int number)
{
    int64_t word = lti_real_errno(number);
    CHECK(word < 0);
    CHECK_INT(lti_os_code_of(word).raw, number);
    return lti_os_kind_of(word);
}

TEST(calls_every_number_has_its_kind)
{
    static const struct {
        int number;
        enum lti_os_kind kind;
    } rows[] = {
        {EINPROGRESS, LTI_OS_IN_PROGRESS},
        {EALREADY, LTI_OS_IN_PROGRESS},
        {ECONNREFUSED, LTI_OS_REFUSED},
        {EADDRINUSE, LTI_OS_IN_USE},
        {ECONNRESET, LTI_OS_RESET},
        {EPIPE, LTI_OS_PIPE},
        {ECONNABORTED, LTI_OS_ABORTED},
        {ETIMEDOUT, LTI_OS_TIMED_OUT},
        {ENOTSOCK, LTI_OS_NOT_SOCKET},
        {EBADF, LTI_OS_NOT_SOCKET},
        {EOPNOTSUPP, LTI_OS_UNSUPPORTED},
        {EAFNOSUPPORT, LTI_OS_UNSUPPORTED},
        {ENOSYS, LTI_OS_UNSUPPORTED},
        {EPROTONOSUPPORT, LTI_OS_UNSUPPORTED},
        {ENOPROTOOPT, LTI_OS_UNSUPPORTED},
        {EPROTOTYPE, LTI_OS_WRONG_TYPE},
        {ENOTCONN, LTI_OS_NOT_CONNECTED},
        {EISCONN, LTI_OS_IS_CONNECTED},
        {EMSGSIZE, LTI_OS_TOO_BIG},
        {EAGAIN, LTI_OS_AGAIN},
        {EINTR, LTI_OS_INTERRUPTED},
        {ENOENT, LTI_OS_NOT_FOUND},
        {ESRCH, LTI_OS_NOT_FOUND},
        {ENOTDIR, LTI_OS_NOT_DIR},
        {ELOOP, LTI_OS_NOT_DIR},
        {EACCES, LTI_OS_ACCESS},
        {EPERM, LTI_OS_ACCESS},
        {EEXIST, LTI_OS_EXISTS},
        {EISDIR, LTI_OS_EXISTS},
        {ENXIO, LTI_OS_EXISTS},
        {ENAMETOOLONG, LTI_OS_TOO_LONG},
        {EROFS, LTI_OS_READ_ONLY},
        {ENOSPC, LTI_OS_NO_SPACE},
        {EDQUOT, LTI_OS_NO_SPACE},
        {EMFILE, LTI_OS_DESCRIPTORS},
        {ENFILE, LTI_OS_DESCRIPTORS},
        {ENOMEM, LTI_OS_MEMORY},
        {ENOBUFS, LTI_OS_MEMORY},
        {EINVAL, LTI_OS_INVALID},
        {EIO, LTI_OS_IO},
        {EXDEV, LTI_OS_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(kind(rows[i].number), rows[i].kind);
}

TEST(calls_milliseconds_are_rounded_up_and_bounded)
{
    CHECK_INT(lti_real_milliseconds(-1), -1);
    CHECK_INT(lti_real_milliseconds(0), 0);
    CHECK_INT(lti_real_milliseconds(1), 1);
    CHECK_INT(lti_real_milliseconds(1000000), 1);
    CHECK_INT(lti_real_milliseconds(1000001), 2);
    CHECK_INT(lti_real_milliseconds(INT64_MAX), INT_MAX);
}

TEST(calls_a_lock_that_cannot_be_made)
{
    struct lti_os_mutex *mutex = NULL;
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY, lti_os_mutex_create(&mutex));
    CHECK(!mutex);
}

#define LOCK_THREADS 4
#define LOCK_ROUNDS 20000

struct lock_shared {
    struct lti_os_mutex *mutex;
    atomic_uint inside, met;
    uint32_t count;
};

/* Whoever is inside counts on being alone there; every hundredth stays until others are waiting. */
static void *lock_count(void *argument)
{
    struct lock_shared *shared = argument;
    for (int i = 0; i < LOCK_ROUNDS; i++) {
        lti_os_mutex_lock(shared->mutex);
        if (atomic_fetch_add(&shared->inside, 1) != 0)
            atomic_fetch_add(&shared->met, 1);
        shared->count++;
        if (i % 100 == 0)
            (void)sched_yield();
        atomic_fetch_sub(&shared->inside, 1);
        lti_os_mutex_unlock(shared->mutex);
    }
    return NULL;
}

TEST(calls_a_lock_lets_one_in)
{
    struct lock_shared shared = {.count = 0};
    pthread_t threads[LOCK_THREADS];
    REQUIRE_INT(lti_os_mutex_create(&shared.mutex), 0);
    lock_count(&shared); /* as a process with one thread, if it is one */
    /* Threads begin while it is taken, and find it taken. */
    lti_os_mutex_lock(shared.mutex);
    for (int i = 0; i < LOCK_THREADS; i++)
        REQUIRE_INT(pthread_create(&threads[i], NULL, lock_count, &shared), 0);
    CHECK_INT(shared.count, LOCK_ROUNDS);
    errno = ENOTTY;
    lti_os_mutex_unlock(shared.mutex);
    CHECK_INT(errno, ENOTTY);
    for (int i = 0; i < LOCK_THREADS; i++)
        REQUIRE_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(shared.count, LOCK_ROUNDS * (LOCK_THREADS + 1));
    CHECK_INT(atomic_load(&shared.met), 0);
    lti_os_mutex_destroy(shared.mutex);
}

static void *lock_once(void *argument)
{
    struct lock_shared *shared = argument;
    lti_os_mutex_lock(shared->mutex);
    shared->count++;
    lti_os_mutex_unlock(shared->mutex);
    return NULL;
}

/* A kernel that lets nobody wait: who wants the lock asks again, and has it when it is free. */
TEST(calls_a_lock_that_cannot_be_waited_for)
{
    struct lock_shared shared = {.count = 0};
    pthread_t thread;
    const uint64_t end_ms = lti_test_now_ms() + 20000;
    REQUIRE_INT(lti_os_mutex_create(&shared.mutex), 0);
    lti_os_mutex_lock(shared.mutex);
    lti_call_fails("syscall", 1, ENOSYS);
    REQUIRE_INT(pthread_create(&thread, NULL, lock_once, &shared), 0);
    while (lti_call_waits() && lti_test_now_ms() < end_ms)
        (void)sched_yield();
    CHECK(!lti_call_waits());
    CHECK_INT(shared.count, 0);
    lti_os_mutex_unlock(shared.mutex);
    REQUIRE_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(shared.count, 1);
    lti_os_mutex_destroy(shared.mutex);
}

/* Who is not told, or is bound to one, has one: then nobody asks instead of sleeping. */
TEST(calls_cpus_of_this_thread)
{
    cpu_set_t set;
    REQUIRE_INT(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK_INT(lti_real_cpus(), CPU_COUNT(&set));
    lti_call_fails("sched_getaffinity", 1, EPERM);
    CHECK_INT(lti_real_cpus(), 1);
    CHECK(!lti_call_waits());
    size_t first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    REQUIRE_INT(sched_setaffinity(0, sizeof set, &set), 0);
    CHECK_INT(lti_real_cpus(), 1);
}

static void nothing(void *argument)
{
    (void)argument;
}

TEST(calls_a_thread_that_cannot_begin)
{
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY, lti_os_thread_run(nothing, NULL));
    CHECK_FAILS("pthread_create", 1, EAGAIN, LTI_OS_AGAIN, lti_os_thread_run(nothing, NULL));
}

TEST(calls_a_clock_that_fails_ends_the_program)
{
    CHECK_TRAPS({
        lti_call_fails("clock_gettime", 1, EINVAL);
        (void)lti_os_now_ns();
    });
    CHECK(lti_os_now_ns() > 0);
}

/* Then the process's number tells a child from its parent, and every process counts as forked. */
TEST(calls_forks_that_nobody_can_watch)
{
    lti_call_fails("pthread_atfork", 1, ENOMEM);
    CHECK_INT(lti_os_fork_count(), getpid());
    CHECK(!lti_call_waits());
    CHECK(lti_real_has_forked());
}
