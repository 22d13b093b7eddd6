/* SPDX-License-Identifier: MIT
 *
 * The real completion queue of Windows.
 *
 * Happy path: one call of the system each.
 * Fails:      with the kind of GetLastError, or of the completion's status.
 * Invariants: a handle in a queue tells each operation once: by its call, or by one completion. An
 *             operation that was posted carries its result in its own record, and a key says so.
 */
#include "os_real_nt.h"

#include <string.h>

/* As many as the port asks for. */
#define QUEUE_ENTRIES_MAX 128u
#define QUEUE_KEY_POSTED 1u
#define QUEUE_STATUS_MORE ((NTSTATUS)0x80000005) /* STATUS_BUFFER_OVERFLOW: a message goes on */
#define QUEUE_STATUS_PENDING ((NTSTATUS)0x103)

_Static_assert(sizeof(OVERLAPPED) <= sizeof(struct lti_os_op), "an operation has room for it");
_Static_assert(_Alignof(OVERLAPPED) <= _Alignof(struct lti_os_op), "and begins where it may");

int64_t lti_os_queue_create(void)
{
    HANDLE queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    return queue ? (intptr_t)queue : lti_real_last();
}

int64_t lti_os_queue_add(intptr_t queue, intptr_t handle, bool all)
{
    UCHAR modes = FILE_SKIP_SET_EVENT_ON_HANDLE;
    if (!all)
        modes |= FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;
    /* In this order: a handle of another queue must not lose the completions that its owner waits
     * for. */
    if (!CreateIoCompletionPort(real_handle(handle), real_handle(queue), 0, 0) ||
        !SetFileCompletionNotificationModes(real_handle(handle), modes))
        return lti_real_last();
    return 0;
}

int64_t lti_os_queue_post(intptr_t queue, struct lti_os_op *op, int64_t result)
{
    if (op)
        memcpy(op->system, &result, sizeof result);
    return PostQueuedCompletionStatus(real_handle(queue), 0, QUEUE_KEY_POSTED, (OVERLAPPED *)op)
               ? 0
               : lti_real_last();
}

static int64_t queue_posted(const OVERLAPPED *native)
{
    int64_t result = 0;
    memcpy(&result, native, sizeof result);
    return result;
}

/* The record tells, unless nobody was left who could write it: then only the completion does. */
static int64_t queue_result(const OVERLAPPED *native, NTSTATUS told)
{
    NTSTATUS status = (NTSTATUS)native->Internal;
    if (status == QUEUE_STATUS_PENDING)
        return told < 0 ? lti_real_status(told) : LTI_OS_PIPE_UNTOLD;
    if (status == QUEUE_STATUS_MORE)
        return (int64_t)native->InternalHigh | LTI_OS_PIPE_MORE;
    return status < 0 ? lti_real_status(status) : (int64_t)native->InternalHigh;
}

int64_t lti_os_queue_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                          int64_t timeout_ns)
{
    OVERLAPPED_ENTRY entries[QUEUE_ENTRIES_MAX];
    ULONG came = 0;
    if (!GetQueuedCompletionStatusEx(real_handle(queue), entries,
                                     count < QUEUE_ENTRIES_MAX ? (ULONG)count : QUEUE_ENTRIES_MAX,
                                     &came, lti_real_milliseconds(timeout_ns), FALSE))
        return GetLastError() == WAIT_TIMEOUT ? 0 : lti_real_last();
    for (ULONG i = 0; i < came; i++) {
        OVERLAPPED *native = entries[i].lpOverlapped;
        completions_out[i].op = (struct lti_os_op *)native;
        completions_out[i].result = 0;
        if (native && entries[i].lpCompletionKey == QUEUE_KEY_POSTED)
            completions_out[i].result = queue_posted(native);
        else if (native)
            completions_out[i].result = queue_result(native, (NTSTATUS)entries[i].Internal);
    }
    return came;
}
