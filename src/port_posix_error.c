/* SPDX-License-Identifier: MIT
 *
 * Translates what the system said into what the caller can do about it: the only place that
 * does.
 *
 * Happy path: a code is looked up once, at the port's edge; the raw code travels beside it.
 * Fails:      never; an unknown code is SYSTEM.
 * Invariants: no other file of the POSIX port chooses a leat error for a system code, save where
 *             the operation gives a code another meaning (a full backlog, an absent listener's
 *             lock).
 */
#include "port_posix.h"

enum leat_error lti_port_error(int64_t result, struct os_code *code_out)
{
    struct os_code code = lti_os_code_of(result);
    if (code_out)
        *code_out = code;
    switch (code.kind) {
    case LTI_OS_NONE:
        return LEAT_OK;
    case LTI_OS_AGAIN:
    case LTI_OS_INTERRUPTED:
    case LTI_OS_IN_PROGRESS:
        return LEAT_E_EMPTY;
    case LTI_OS_REFUSED:
        return LEAT_E_REFUSED;
    case LTI_OS_NOT_FOUND:
    case LTI_OS_NOT_DIR:
        return LEAT_E_NOT_FOUND;
    case LTI_OS_ACCESS:
    case LTI_OS_READ_ONLY:
        return LEAT_E_DENIED;
    case LTI_OS_EXISTS:
    case LTI_OS_IN_USE:
        return LEAT_E_IN_USE;
    case LTI_OS_TOO_LONG:
        return LEAT_E_NAME_TOO_LONG;
    case LTI_OS_DESCRIPTORS:
    case LTI_OS_NO_SPACE:
        return LEAT_E_LIMIT;
    case LTI_OS_MEMORY:
        return LEAT_E_MEMORY;
    case LTI_OS_RESET:
    case LTI_OS_ABORTED:
        return LEAT_E_BROKEN;
    case LTI_OS_PIPE:
        return LEAT_E_CLOSED;
    case LTI_OS_TIMED_OUT:
        return LEAT_E_TIMEOUT;
    case LTI_OS_NOT_SOCKET:
    case LTI_OS_WRONG_TYPE:
        return LEAT_E_HANDLE;
    case LTI_OS_UNSUPPORTED:
        return LEAT_E_UNSUPPORTED;
    case LTI_OS_TOO_BIG:
        return LEAT_E_TOO_BIG;
    case LTI_OS_INVALID:
    case LTI_OS_NOT_CONNECTED:
    case LTI_OS_IS_CONNECTED:
    case LTI_OS_IO:
    case LTI_OS_BUSY: /* pipes only, as the next */
    case LTI_OS_CANCELLED:
    case LTI_OS_OTHER:
        break;
    }
    return LEAT_E_SYSTEM;
}

enum leat_error lti_poller_error(int64_t result, struct os_code *code_out)
{
    enum leat_error error = lti_port_error(result, code_out);
    if (error == LEAT_OK || error == LEAT_E_MEMORY || error == LEAT_E_LIMIT)
        return error;
    return LEAT_E_SYSTEM;
}
