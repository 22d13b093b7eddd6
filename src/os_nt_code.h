/* SPDX-License-Identifier: MIT
 *
 * What the numbers of Windows mean here. Pure: the real and the simulated system share it.
 */
#ifndef LTI_OS_NT_CODE_H
#define LTI_OS_NT_CODE_H

#include "os_code.h"

#define LTI_NT_INVALID_FUNCTION 1
#define LTI_NT_FILE_NOT_FOUND 2
#define LTI_NT_PATH_NOT_FOUND 3
#define LTI_NT_TOO_MANY_OPEN_FILES 4
#define LTI_NT_ACCESS_DENIED 5
#define LTI_NT_INVALID_HANDLE 6
#define LTI_NT_NOT_ENOUGH_MEMORY 8
#define LTI_NT_OUTOFMEMORY 14
#define LTI_NT_HANDLE_EOF 38
#define LTI_NT_NOT_SUPPORTED 50
#define LTI_NT_INVALID_PARAMETER 87
#define LTI_NT_BROKEN_PIPE 109
#define LTI_NT_SEM_TIMEOUT 121
#define LTI_NT_INVALID_NAME 123
#define LTI_NT_BAD_PATHNAME 161
#define LTI_NT_ALREADY_EXISTS 183
#define LTI_NT_FILENAME_EXCED_RANGE 206
#define LTI_NT_BAD_PIPE 230
#define LTI_NT_PIPE_BUSY 231
#define LTI_NT_NO_DATA 232
#define LTI_NT_PIPE_NOT_CONNECTED 233
#define LTI_NT_MORE_DATA 234
#define LTI_NT_WAIT_TIMEOUT 258
#define LTI_NT_PIPE_CONNECTED 535
#define LTI_NT_PIPE_LISTENING 536
#define LTI_NT_OPERATION_ABORTED 995
#define LTI_NT_IO_PENDING 997
#define LTI_NT_NOT_FOUND 1168
#define LTI_NT_CANNOT_IMPERSONATE 1368
#define LTI_NT_NO_SYSTEM_RESOURCES 1450
#define LTI_NT_COMMITMENT_LIMIT 1455
#define LTI_NT_NOT_ENOUGH_QUOTA 1816

/* A failure word for what GetLastError said; never a success. */
int64_t lti_nt_fail(uint32_t error);

#endif
