/* SPDX-License-Identifier: MIT
 *
 * What the real system's error numbers are called: a row of the table in os_real_posix_base.c each
 * for those that a caller is told by a name of their own.
 */
#include "os_real_posix.h"

#include "harness.h"

#include <errno.h>

TEST(real_errno_has_a_kind)
{
    static const struct {
        int number;
        enum lti_os_kind kind;
    } rows[] = {
        {EAGAIN, LTI_OS_AGAIN},
        {ENOENT, LTI_OS_NOT_FOUND},
        {ESRCH, LTI_OS_NOT_FOUND},
        {EACCES, LTI_OS_ACCESS},
        {EPERM, LTI_OS_ACCESS},
        {EMFILE, LTI_OS_DESCRIPTORS},
        {ENOBUFS, LTI_OS_MEMORY},
        {ECONNRESET, LTI_OS_RESET},
        {EPIPE, LTI_OS_PIPE},
        {EMSGSIZE, LTI_OS_TOO_BIG},
        {EPROTOTYPE, LTI_OS_WRONG_TYPE},
        {ENOPROTOOPT, LTI_OS_UNSUPPORTED},
        {ECONNREFUSED, LTI_OS_REFUSED},
        {EADDRINUSE, LTI_OS_IN_USE},
        {ENOTSOCK, LTI_OS_NOT_SOCKET},
        {EIO, LTI_OS_IO},
        {EDOM, LTI_OS_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t word = lti_real_errno(rows[i].number);
        CHECK_INT(lti_os_kind_of(word), rows[i].kind);
        CHECK_INT(lti_os_code_of(word).raw, rows[i].number);
    }
}
