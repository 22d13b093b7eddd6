/* SPDX-License-Identifier: MIT
 *
 * What is not a pipe: memory, clock, random, locks, signals, threads.
 *
 * Happy path: each does what it is for.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: every thread is joined.
 */
#include "probe.h"

#define MS INT64_C(1000000)
#define THREADS 4
#define ROUNDS 10000u

/* A kernel may have threads only inside of its own scheduler. */
static intptr_t base_thread(void (*function)(void *argument), void *argument)
{
    int64_t thread = lti_os_thread_start(function, argument);
    if (lti_os_kind_of(thread) == LTI_OS_UNSUPPORTED)
        SKIP_NEEDS("threads");
    REQUIRE_HANDLE(thread);
    return (intptr_t)thread;
}

TEST(nt_base_memory)
{
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        uint8_t *memory = lti_os_alloc(size);
        REQUIRE(memory != NULL);
        CHECK_INT((uintptr_t)memory % sizeof(void *), 0);
        memset(memory, 0x5A, size);
        CHECK_INT(memory[size - 1], 0x5A);
        lti_os_free(memory);
    }
    lti_os_free(NULL);
}

TEST(nt_base_clock_never_goes_back)
{
    uint64_t last = lti_os_now_ns();
    CHECK(last > 0);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = lti_os_now_ns();
        REQUIRE(now >= last);
        last = now;
    }
}

TEST(nt_base_clock_goes_as_a_wait_does)
{
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    uint64_t begin = lti_os_now_ns();
    CHECK_INT(lti_os_signal_wait((intptr_t)signal, 100 * MS), 0);
    uint64_t took = lti_os_now_ns() - begin;
    /* A timer of Windows may be early by the time between two interrupts of its clock. */
    CHECK(took >= 80 * MS);
    CHECK(took < UINT64_C(20000000000));
    CHECK_INT(lti_os_handle_close((intptr_t)signal), 0);
}

TEST(nt_base_random_differs)
{
    uint8_t one[32] = {0}, two[32] = {0}, none[32] = {0};
    CHECK_INT(lti_os_random(one, sizeof one), sizeof one);
    CHECK_INT(lti_os_random(two, sizeof two), sizeof two);
    CHECK(memcmp(one, two, sizeof one) != 0);
    CHECK(memcmp(one, none, sizeof one) != 0);
    CHECK_INT(lti_os_random(one, 0), 0);
}

TEST(nt_base_never_forked)
{
    CHECK_INT(lti_os_fork_count(), 0);
    CHECK(lti_os_thread_id() != 0);
    CHECK_INT(lti_os_thread_id(), lti_os_thread_id());
    CHECK(lti_os_cpus() >= 1);
}

/* ---- Signals --------------------------------------------------------------------------------- */

TEST(nt_signal_stays_until_it_is_cleared)
{
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    intptr_t handle = (intptr_t)signal;
    CHECK_INT(lti_os_signal_wait(handle, 0), 0);
    CHECK_INT(lti_os_signal_set(handle), 0);
    CHECK_INT(lti_os_signal_wait(handle, 0), 1);
    CHECK_INT(lti_os_signal_wait(handle, -1), 1);
    CHECK_INT(lti_os_signal_clear(handle), 0);
    CHECK_INT(lti_os_signal_wait(handle, 0), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
}

TEST(nt_signal_set_twice_is_set)
{
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    intptr_t handle = (intptr_t)signal;
    CHECK_INT(lti_os_signal_set(handle), 0);
    CHECK_INT(lti_os_signal_set(handle), 0);
    CHECK_INT(lti_os_signal_clear(handle), 0);
    CHECK_INT(lti_os_signal_wait(handle, 1), 0);
    CHECK_INT(lti_os_signal_clear(handle), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
}

struct base_shared {
    struct lti_os_mutex *mutex;
    intptr_t go, queue;
    uint64_t count;
    uint64_t ids[THREADS];
    uint32_t used;
};

static void base_set(void *argument)
{
    struct base_shared *shared = argument;
    (void)lti_os_signal_set(shared->go);
}

TEST(nt_signal_ends_a_wait_in_another_thread)
{
    struct base_shared shared = {.go = (intptr_t)lti_os_signal_create()};
    REQUIRE_HANDLE(shared.go);
    intptr_t thread = base_thread(base_set, &shared);
    CHECK_INT(lti_os_signal_wait(shared.go, 20000 * MS), 1);
    CHECK_INT(lti_os_thread_join(thread), 0);
    CHECK_INT(lti_os_handle_close(shared.go), 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void base_count(void *argument)
{
    struct base_shared *shared = argument;
    (void)lti_os_signal_wait(shared->go, -1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lti_os_mutex_lock(shared->mutex);
        shared->count++;
        if (i == 0)
            shared->ids[shared->used++] = lti_os_thread_id();
        lti_os_mutex_unlock(shared->mutex);
    }
}

TEST(nt_threads_share_a_lock)
{
    struct base_shared shared = {.go = (intptr_t)lti_os_signal_create()};
    intptr_t threads[THREADS];
    REQUIRE_HANDLE(shared.go);
    REQUIRE_INT(lti_os_mutex_create(&shared.mutex), 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = base_thread(base_count, &shared);
    CHECK_INT(lti_os_signal_set(shared.go), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(lti_os_thread_join(threads[i]), 0);
    CHECK_INT(shared.count, (uint64_t)THREADS * ROUNDS);
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < i; j++)
            CHECK(shared.ids[i] != shared.ids[j] && shared.ids[i] != lti_os_thread_id());
    lti_os_mutex_destroy(shared.mutex);
    CHECK_INT(lti_os_handle_close(shared.go), 0);
}

static void base_post(void *argument)
{
    struct base_shared *shared = argument;
    (void)lti_os_queue_post(shared->queue, NULL, 0);
}

TEST(nt_threads_wake_a_queue)
{
    struct base_shared shared = {.queue = (intptr_t)lti_os_queue_create()};
    struct lti_os_completion completion;
    REQUIRE_HANDLE(shared.queue);
    intptr_t thread = base_thread(base_post, &shared);
    REQUIRE_INT(lti_os_queue_wait(shared.queue, &completion, 1, 20000 * MS), 1);
    CHECK(completion.op == NULL);
    CHECK_INT(lti_os_thread_join(thread), 0);
    CHECK_INT(lti_os_handle_close(shared.queue), 0);
}
