/* SPDX-License-Identifier: MIT
 *
 * The real memory, clock, random and lock of Windows.
 *
 * Happy path: one system call each.
 * Fails:      with the kind that os_nt_code.c gives to the number; alloc with null.
 * Invariants: time is exact to the counter's tick, at any uptime: no product overflows.
 */
#include "os_real_nt.h"

#include <bcrypt.h>
#include <stdatomic.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define RANDOM_BYTES_MAX 0x40000000u

struct nt_mutex {
    struct lti_os_mutex base;
    SRWLOCK native;
};
static const char mutex_never; /* nobody says how many threads there are */

int64_t lti_real_last(void)
{
    return lti_nt_fail(GetLastError());
}

int64_t lti_real_status(NTSTATUS status)
{
    return lti_nt_fail(RtlNtStatusToDosError(status));
}

DWORD lti_real_milliseconds(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return INFINITE;
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms < (int64_t)INFINITE ? (DWORD)timeout_ms : INFINITE - 1;
}

void *lti_os_alloc(size_t size)
{
    return HeapAlloc(GetProcessHeap(), 0, size);
}

void lti_os_free(void *memory)
{
    if (memory)
        (void)HeapFree(GetProcessHeap(), 0, memory);
}

/* The counter's frequency is fixed when the system starts; asked for once. */
static uint64_t base_frequency(void)
{
    static _Atomic uint64_t known;
    uint64_t frequency = atomic_load_explicit(&known, memory_order_relaxed);
    if (frequency == 0) {
        LARGE_INTEGER native;
        (void)QueryPerformanceFrequency(&native); /* never fails since Windows XP */
        frequency = (uint64_t)native.QuadPart;
        atomic_store_explicit(&known, frequency, memory_order_relaxed);
    }
    return frequency;
}

uint64_t lti_os_now_ns(void)
{
    LARGE_INTEGER native;
    (void)QueryPerformanceCounter(&native); /* never fails since Windows XP */
    uint64_t ticks = (uint64_t)native.QuadPart;
    uint64_t frequency = base_frequency();
    /* Whole seconds apart from their rest, which stays below 2^64 up to 18 GHz. Zero is kept free
     * to mean "no time". */
    return ticks / frequency * NS_PER_SECOND + ticks % frequency * NS_PER_SECOND / frequency + 1;
}

int64_t lti_os_random(void *buffer, size_t size)
{
    ULONG count = size < RANDOM_BYTES_MAX ? (ULONG)size : RANDOM_BYTES_MAX;
    NTSTATUS status = BCryptGenRandom(NULL, buffer, count, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    return status < 0 ? lti_real_status(status) : (int64_t)count;
}

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    struct nt_mutex *mutex = lti_os_alloc(sizeof *mutex);
    if (!mutex)
        return lti_nt_fail(LTI_NT_NOT_ENOUGH_MEMORY);
    InitializeSRWLock(&mutex->native);
    mutex->base.alone = &mutex_never;
    *mutex_out = &mutex->base;
    return 0;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    lti_os_free(mutex);
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    AcquireSRWLockExclusive(&((struct nt_mutex *)mutex)->native);
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    ReleaseSRWLockExclusive(&((struct nt_mutex *)mutex)->native);
}

uint64_t lti_os_thread_id(void)
{
    return GetCurrentThreadId();
}

uint32_t lti_os_cpus(void)
{
    DWORD_PTR ours = 0, all = 0;
    uint32_t count = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &ours, &all))
        return 1;
    for (; ours; ours &= ours - 1)
        count++;
    return count > 0 ? count : 1; /* none: it has those of several groups, and has not said which */
}

uint32_t lti_os_fork_count(void)
{
    return 0; /* this system has no fork */
}
