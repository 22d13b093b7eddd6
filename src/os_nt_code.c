/* SPDX-License-Identifier: MIT
 *
 * What the numbers of Windows mean here: one table.
 *
 * Happy path: a number is looked up and travels on beside its kind.
 * Fails:      a number that is not in the table is OTHER.
 * Invariants: no other file gives a kind to a number of Windows.
 */
#include "os_nt_code.h"

#include <stddef.h>

static const struct {
    uint16_t error;
    uint8_t kind;
} kinds[] = {
    {LTI_NT_INVALID_FUNCTION, LTI_OS_UNSUPPORTED},
    {LTI_NT_FILE_NOT_FOUND, LTI_OS_NOT_FOUND},
    {LTI_NT_PATH_NOT_FOUND, LTI_OS_NOT_FOUND},
    {LTI_NT_TOO_MANY_OPEN_FILES, LTI_OS_DESCRIPTORS},
    {LTI_NT_ACCESS_DENIED, LTI_OS_ACCESS},
    {LTI_NT_INVALID_HANDLE, LTI_OS_NOT_SOCKET},
    {LTI_NT_NOT_ENOUGH_MEMORY, LTI_OS_MEMORY},
    {LTI_NT_OUTOFMEMORY, LTI_OS_MEMORY},
    {LTI_NT_HANDLE_EOF, LTI_OS_PIPE},
    {LTI_NT_NOT_SUPPORTED, LTI_OS_UNSUPPORTED},
    {LTI_NT_INVALID_PARAMETER, LTI_OS_INVALID},
    {LTI_NT_BROKEN_PIPE, LTI_OS_PIPE},
    {LTI_NT_SEM_TIMEOUT, LTI_OS_TIMED_OUT},
    {LTI_NT_INVALID_NAME, LTI_OS_INVALID},
    {LTI_NT_BAD_PATHNAME, LTI_OS_INVALID},
    {LTI_NT_ALREADY_EXISTS, LTI_OS_EXISTS},
    {LTI_NT_FILENAME_EXCED_RANGE, LTI_OS_TOO_LONG},
    {LTI_NT_BAD_PIPE, LTI_OS_WRONG_TYPE},
    {LTI_NT_PIPE_BUSY, LTI_OS_BUSY},
    {LTI_NT_NO_DATA, LTI_OS_PIPE},
    {LTI_NT_PIPE_NOT_CONNECTED, LTI_OS_RESET},
    {LTI_NT_WAIT_TIMEOUT, LTI_OS_TIMED_OUT},
    {LTI_NT_PIPE_CONNECTED, LTI_OS_IS_CONNECTED},
    {LTI_NT_PIPE_LISTENING, LTI_OS_NOT_CONNECTED},
    {LTI_NT_OPERATION_ABORTED, LTI_OS_CANCELLED},
    {LTI_NT_IO_PENDING, LTI_OS_IN_PROGRESS},
    {LTI_NT_NOT_FOUND, LTI_OS_NOT_FOUND},
    {LTI_NT_CANNOT_IMPERSONATE, LTI_OS_NOT_CONNECTED},
    {LTI_NT_NO_SYSTEM_RESOURCES, LTI_OS_MEMORY},
    {LTI_NT_COMMITMENT_LIMIT, LTI_OS_MEMORY},
    {LTI_NT_NOT_ENOUGH_QUOTA, LTI_OS_MEMORY},
};

int64_t lti_nt_fail(uint32_t error)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].error == error)
            return lti_os_fail((enum lti_os_kind)kinds[i].kind, (int32_t)error);
    return lti_os_fail(LTI_OS_OTHER, (int32_t)error);
}
