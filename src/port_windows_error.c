/* SPDX-License-Identifier: MIT
 *
 * Translates what the system said into what the caller can do about it: the only place of the
 * Windows port that does.
 *
 * Happy path: a code is looked up once, at the port's edge; the raw code travels beside it.
 * Fails:      never; an unknown code is SYSTEM.
 * Invariants: the same cause gives the same error as on POSIX. Only where the operation gives a
 *             code another meaning (a name that exists, the end of a stream) does another file
 *             choose.
 */
#include "port_windows.h"

enum leat_error lti_port_error(int64_t result, struct os_code *code_out)
{
    struct os_code code = lti_os_code_of(result);
    if (code_out)
        *code_out = code;
    switch (code.kind) {
    case LTI_OS_NONE:
        return LEAT_OK;
    case LTI_OS_IN_PROGRESS:
        return LEAT_E_EMPTY;
    case LTI_OS_NOT_FOUND:
        return LEAT_E_NOT_FOUND;
    case LTI_OS_ACCESS:
        return LEAT_E_DENIED;
    case LTI_OS_BUSY:
        return LEAT_E_BUSY;
    case LTI_OS_EXISTS:
    case LTI_OS_IN_USE:
        return LEAT_E_IN_USE;
    case LTI_OS_TOO_LONG:
        return LEAT_E_NAME_TOO_LONG;
    case LTI_OS_DESCRIPTORS:
        return LEAT_E_LIMIT;
    case LTI_OS_MEMORY:
        return LEAT_E_MEMORY;
    case LTI_OS_RESET:
    case LTI_OS_CANCELLED: /* not by us: how much the peer got is not known */
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
    default:
        return LEAT_E_SYSTEM;
    }
}
