/* SPDX-License-Identifier: MIT
 *
 * The POSIX port's table of errors: each kind gives what its caller can act upon.
 */
#include "port_posix.h"

#include "harness.h"

#include <stdio.h>

TEST(port_posix_error_rows)
{
    static const struct {
        enum lti_os_kind kind;
        enum leat_error expected, of_poller;
    } rows[] = {
        {LTI_OS_AGAIN, LEAT_E_EMPTY, LEAT_E_SYSTEM},
        {LTI_OS_INTERRUPTED, LEAT_E_EMPTY, LEAT_E_SYSTEM},
        {LTI_OS_IN_PROGRESS, LEAT_E_EMPTY, LEAT_E_SYSTEM},
        {LTI_OS_REFUSED, LEAT_E_REFUSED, LEAT_E_SYSTEM},
        {LTI_OS_NOT_FOUND, LEAT_E_NOT_FOUND, LEAT_E_SYSTEM},
        {LTI_OS_NOT_DIR, LEAT_E_NOT_FOUND, LEAT_E_SYSTEM},
        {LTI_OS_ACCESS, LEAT_E_DENIED, LEAT_E_SYSTEM},
        {LTI_OS_READ_ONLY, LEAT_E_DENIED, LEAT_E_SYSTEM},
        {LTI_OS_EXISTS, LEAT_E_IN_USE, LEAT_E_SYSTEM},
        {LTI_OS_IN_USE, LEAT_E_IN_USE, LEAT_E_SYSTEM},
        {LTI_OS_TOO_LONG, LEAT_E_NAME_TOO_LONG, LEAT_E_SYSTEM},
        {LTI_OS_NO_SPACE, LEAT_E_LIMIT, LEAT_E_LIMIT},
        {LTI_OS_DESCRIPTORS, LEAT_E_LIMIT, LEAT_E_LIMIT},
        {LTI_OS_MEMORY, LEAT_E_MEMORY, LEAT_E_MEMORY},
        {LTI_OS_RESET, LEAT_E_BROKEN, LEAT_E_SYSTEM},
        {LTI_OS_ABORTED, LEAT_E_BROKEN, LEAT_E_SYSTEM},
        {LTI_OS_PIPE, LEAT_E_CLOSED, LEAT_E_SYSTEM},
        {LTI_OS_TIMED_OUT, LEAT_E_TIMEOUT, LEAT_E_SYSTEM},
        {LTI_OS_NOT_SOCKET, LEAT_E_HANDLE, LEAT_E_SYSTEM},
        {LTI_OS_WRONG_TYPE, LEAT_E_HANDLE, LEAT_E_SYSTEM},
        {LTI_OS_UNSUPPORTED, LEAT_E_UNSUPPORTED, LEAT_E_SYSTEM},
        {LTI_OS_TOO_BIG, LEAT_E_TOO_BIG, LEAT_E_SYSTEM},
        {LTI_OS_INVALID, LEAT_E_SYSTEM, LEAT_E_SYSTEM},
        {LTI_OS_NOT_CONNECTED, LEAT_E_SYSTEM, LEAT_E_SYSTEM},
        {LTI_OS_IS_CONNECTED, LEAT_E_SYSTEM, LEAT_E_SYSTEM},
        {LTI_OS_IO, LEAT_E_SYSTEM, LEAT_E_SYSTEM},
        {LTI_OS_OTHER, LEAT_E_SYSTEM, LEAT_E_SYSTEM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t result = lti_os_fail(rows[i].kind, 71);
        struct os_code code = {LTI_OS_NONE, 0};
        if (!CHECK_ERROR(lti_port_error(result, &code), rows[i].expected) ||
            !CHECK_INT(code.kind, rows[i].kind) || !CHECK_INT(code.raw, 71))
            printf("for the kind %d\n", (int)rows[i].kind);
        CHECK_ERROR(lti_port_error(result, 0), rows[i].expected);
        CHECK_ERROR(lti_poller_error(result, 0), rows[i].of_poller);
    }
}

TEST(port_posix_error_success)
{
    struct os_code code = {LTI_OS_OTHER, 7};
    CHECK_ERROR(lti_port_error(0, &code), LEAT_OK);
    CHECK_INT(code.kind, LTI_OS_NONE);
    CHECK_INT(code.raw, 0);
    CHECK_ERROR(lti_port_error(INT64_C(1) << 40, &code), LEAT_OK);
    CHECK_ERROR(lti_poller_error(5, &code), LEAT_OK);
}
