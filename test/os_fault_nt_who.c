/* SPDX-License-Identifier: MIT
 *
 * The fault object's users and security descriptors.
 *
 * Happy path: each call is counted and forwarded; a descriptor counts as an allocation.
 * Fails:      as armed.
 * Invariants: a stranger is somebody who could be asked about:
 *             only the name, or the level, is another.
 */
#include "os_fault_private.h"

#include <string.h>

#define FAULT_STRANGER_SID "S-1-5-21-1-2-3-4444"
#define FAULT_LOW_SID "S-1-16-4096"

int64_t lti_os_identity(struct lti_os_identity *identity_out)
{
    FAULT_CALL(identity, lti_real_identity(identity_out));
    return result;
}

int64_t lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *identity_out)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_client);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    int64_t result = lti_real_pipe_client(handle, group, identity_out);
    if (fault && result >= 0)
        memcpy(identity_out->user, FAULT_STRANGER_SID, sizeof FAULT_STRANGER_SID);
    return result;
}

int64_t lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_owner);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    int64_t result = lti_real_pipe_owner(handle, sid_out);
    if (fault && result >= 0)
        memcpy(sid_out, FAULT_STRANGER_SID, sizeof FAULT_STRANGER_SID);
    return result;
}

int64_t lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_label);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    int64_t result = lti_real_pipe_label(handle, sid_out);
    if (fault && result >= 0)
        memcpy(sid_out, FAULT_LOW_SID, sizeof FAULT_LOW_SID);
    return result;
}

int64_t lti_os_security_create(const char *sddl, void **security_out)
{
    FAULT_CALL(security_create, lti_real_security_create(sddl, security_out));
    if (result >= 0)
        lti_fault_allocated(1);
    return result;
}

void lti_os_security_free(void *security)
{
    if (security)
        lti_fault_allocated(-1);
    lti_real_security_free(security);
}

bool lti_os_security_listed(const void *security)
{
    return lti_real_security_listed(security);
}

int64_t lti_os_process_began(intptr_t process)
{
    FAULT_CALL(process_began, lti_real_process_began(process));
    return result;
}

int64_t lti_os_time_of_day(void)
{
    return lti_real_time_of_day();
}
