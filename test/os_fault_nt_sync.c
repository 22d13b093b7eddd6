/* SPDX-License-Identifier: MIT
 *
 * The fault object's calls that wait, on handles that were opened for synchronous I/O.
 *
 * Happy path: each call is counted and forwarded.
 * Fails:      as armed.
 * Invariants: none of these is an operation of a queue, so that nothing is written down.
 */
#include "os_fault_private.h"

int64_t lti_os_pipe_read_sync(intptr_t handle, void *buffer, size_t size)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_read_sync);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    return lti_real_pipe_read_sync(handle, buffer, lti_fault_less(fault, size));
}

int64_t lti_os_pipe_write_sync(intptr_t handle, const void *data, size_t size)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_write_sync);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    return lti_real_pipe_write_sync(handle, data, lti_fault_less(fault, size));
}

int64_t lti_os_thread_cancel(intptr_t thread)
{
    FAULT_CALL(thread_cancel, lti_real_thread_cancel(thread));
    return result;
}
