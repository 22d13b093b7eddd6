/* SPDX-License-Identifier: MIT
 *
 * The real signals and threads of Windows.
 *
 * Happy path: one call of the system each.
 * Fails:      with the kind of GetLastError; a thread that does not begin costs nothing.
 * Invariants: a signal stays set until it is cleared; a thread's handle is closed by the join.
 */
#include "os_real_nt.h"

struct signal_start { /* what a new thread is to do; the thread frees it */
    void (*function)(void *argument);
    void *argument;
};

int64_t lti_os_signal_create(void)
{
    HANDLE handle = CreateEventW(NULL, TRUE, FALSE, NULL);
    return handle ? (intptr_t)handle : lti_real_last();
}

int64_t lti_os_signal_set(intptr_t signal)
{
    return SetEvent(real_handle(signal)) ? 0 : lti_real_last();
}

int64_t lti_os_signal_clear(intptr_t signal)
{
    return ResetEvent(real_handle(signal)) ? 0 : lti_real_last();
}

int64_t lti_os_signal_wait(intptr_t signal, int64_t timeout_ns)
{
    DWORD result = WaitForSingleObject(real_handle(signal), lti_real_milliseconds(timeout_ns));
    if (result == WAIT_OBJECT_0)
        return 1;
    return result == WAIT_TIMEOUT ? 0 : lti_real_last();
}

static DWORD WINAPI signal_thread(void *argument)
{
    struct signal_start *start = argument;
    void (*function)(void *) = start->function;
    void *given = start->argument;
    lti_os_free(start);
    function(given);
    return 0;
}

int64_t lti_os_thread_start(void (*function)(void *argument), void *argument)
{
    struct signal_start *start = lti_os_alloc(sizeof *start);
    if (!start)
        return lti_nt_fail(LTI_NT_NOT_ENOUGH_MEMORY);
    *start = (struct signal_start){function, argument};
    HANDLE handle = CreateThread(NULL, 0, signal_thread, start, 0, NULL);
    if (!handle) {
        int64_t result = lti_real_last();
        lti_os_free(start);
        return result;
    }
    return (intptr_t)handle;
}

int64_t lti_os_thread_cancel(intptr_t thread)
{
    return CancelSynchronousIo(real_handle(thread)) ? 0 : lti_real_last();
}

int64_t lti_os_thread_join(intptr_t thread)
{
    if (WaitForSingleObject(real_handle(thread), INFINITE) != WAIT_OBJECT_0)
        return lti_real_last();
    return CloseHandle(real_handle(thread)) ? 0 : lti_real_last();
}
