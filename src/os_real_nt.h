/* SPDX-License-Identifier: MIT
 *
 * What the os_real_nt_* files share: the system's headers, and its numbers as failure words. Nobody
 * else includes it.
 */
#ifndef LTI_OS_REAL_NT_H
#define LTI_OS_REAL_NT_H

#include "os_nt.h"
#include "os_nt_code.h"

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#define WIN32_LEAN_AND_MEAN 1
#include <windows.h>
#include <winternl.h>

static inline HANDLE real_handle(intptr_t handle)
{
    return (HANDLE)handle;
}

/* The word for what GetLastError says. */
int64_t lti_real_last(void);
/* The word for a status of the kernel that is no success. */
int64_t lti_real_status(NTSTATUS status);
/* Milliseconds, rounded up; for ever when it is negative. */
DWORD lti_real_milliseconds(int64_t timeout_ns);

#endif
