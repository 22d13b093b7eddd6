/* SPDX-License-Identifier: MIT
 *
 * The real named pipes of Windows.
 *
 * Happy path: one call of the system each; what it does at once is told at once.
 * Fails:      with the kind of GetLastError; IN_PROGRESS when a completion will tell.
 * Invariants: a pipe is duplex, overlapped, not inheritable, and no other machine reaches it; a
 *             server can see who opened it, and not act as them. No handle is -1.
 */
#include "os_real_nt.h"

/* Waiting for a free instance by the system's own means is not used; its default, explicitly. */
#define PIPE_PATIENCE_MS 50u
/* A byte more would not fit a DWORD with room for the sum of two. */
#define PIPE_BYTES_MAX 0x40000000u

/* Words of FILE_PIPE_LOCAL_INFORMATION, which the system's headers for applications lack. */
#define PIPE_TYPE_OF_MESSAGES 1u
#define PIPE_END_OF_SERVER 1u
#define PIPE_STATE_CONNECTED 3u
#define PIPE_STATE_CLOSING 4u

/* The rights of a client: reading, writing, setting the read mode, asking for facts and owner. To
 * make instances (0x4, which GENERIC_WRITE contains) is not one of them. */
#define PIPE_CLIENT_ACCESS                                                                         \
    (FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES |             \
     READ_CONTROL | SYNCHRONIZE)

int64_t lti_os_pipe_create(const uint16_t *name, uint32_t flags, uint32_t instances_max,
                           uint32_t quota_bytes, const void *security)
{
    SECURITY_ATTRIBUTES attributes = {sizeof attributes, (void *)(uintptr_t)security, FALSE};
    DWORD open = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
    if (flags & LTI_OS_PIPE_FIRST)
        open |= FILE_FLAG_FIRST_PIPE_INSTANCE;
    DWORD mode = PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    if (flags & LTI_OS_PIPE_MESSAGE)
        mode |= PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
    if (instances_max > LTI_OS_PIPE_INSTANCES_MAX)
        instances_max = PIPE_UNLIMITED_INSTANCES;
    HANDLE handle = CreateNamedPipeW((const WCHAR *)name, open, mode, instances_max, quota_bytes,
                                     quota_bytes, PIPE_PATIENCE_MS, &attributes);
    return handle != INVALID_HANDLE_VALUE ? (intptr_t)handle : lti_real_last();
}

int64_t lti_os_pipe_listen(intptr_t handle, struct lti_os_op *op)
{
    if (ConnectNamedPipe(real_handle(handle), (OVERLAPPED *)op))
        return 0;
    return GetLastError() == ERROR_PIPE_CONNECTED ? 0 : lti_real_last();
}

int64_t lti_os_pipe_open(const uint16_t *name)
{
    HANDLE handle =
        CreateFileW((const WCHAR *)name, PIPE_CLIENT_ACCESS, 0, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    return handle != INVALID_HANDLE_VALUE ? (intptr_t)handle : lti_real_last();
}

int64_t lti_os_pipe_read_messages(intptr_t handle)
{
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    return SetNamedPipeHandleState(real_handle(handle), &mode, NULL, NULL) ? 0 : lti_real_last();
}

static DWORD pipe_bytes(size_t size)
{
    return size < PIPE_BYTES_MAX ? (DWORD)size : PIPE_BYTES_MAX;
}

int64_t lti_os_pipe_read(intptr_t handle, void *buffer, size_t size, struct lti_os_op *op)
{
    OVERLAPPED *native = (OVERLAPPED *)op;
    if (ReadFile(real_handle(handle), buffer, pipe_bytes(size), NULL, native))
        return (int64_t)native->InternalHigh;
    /* A warning is a success to the queue: a message that goes on skips it, too. */
    if (GetLastError() == ERROR_MORE_DATA)
        return (int64_t)native->InternalHigh | LTI_OS_PIPE_MORE;
    return lti_real_last();
}

int64_t lti_os_pipe_write(intptr_t handle, const void *data, size_t size, struct lti_os_op *op)
{
    OVERLAPPED *native = (OVERLAPPED *)op;
    if (WriteFile(real_handle(handle), data, pipe_bytes(size), NULL, native))
        return (int64_t)native->InternalHigh;
    return lti_real_last();
}

int64_t lti_os_pipe_cancel(intptr_t handle, struct lti_os_op *op)
{
    return CancelIoEx(real_handle(handle), (OVERLAPPED *)op) ? 0 : lti_real_last();
}

int64_t lti_os_pipe_read_sync(intptr_t handle, void *buffer, size_t size)
{
    DWORD done = 0;
    if (ReadFile(real_handle(handle), buffer, pipe_bytes(size), &done, NULL))
        return done;
    return GetLastError() == ERROR_MORE_DATA ? done | LTI_OS_PIPE_MORE : lti_real_last();
}

int64_t lti_os_pipe_write_sync(intptr_t handle, const void *data, size_t size)
{
    DWORD done = 0;
    return WriteFile(real_handle(handle), data, pipe_bytes(size), &done, NULL) ? done
                                                                               : lti_real_last();
}

int64_t lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out)
{
    *facts_out = (struct lti_os_pipe_facts){.pipe = false};
    SetLastError(NO_ERROR);
    DWORD type = GetFileType(real_handle(handle));
    if (type == FILE_TYPE_UNKNOWN && GetLastError() != NO_ERROR)
        return lti_real_last();
    if (type != FILE_TYPE_PIPE)
        return 0;
    /* Sockets are of this type as well, and know nothing of pipes. */
    IO_STATUS_BLOCK status;
    FILE_PIPE_LOCAL_INFORMATION local;
    FILE_MODE_INFORMATION mode;
    FILE_ACCESS_INFORMATION access;
    if (NtQueryInformationFile(real_handle(handle), &status, &local, sizeof local,
                               FilePipeLocalInformation) < 0)
        return 0;
    NTSTATUS result = NtQueryInformationFile(real_handle(handle), &status, &mode, sizeof mode,
                                             FileModeInformation);
    if (result >= 0)
        result = NtQueryInformationFile(real_handle(handle), &status, &access, sizeof access,
                                        FileAccessInformation);
    if (result < 0)
        return lti_real_status(result);
    facts_out->pipe = true;
    facts_out->server = local.NamedPipeEnd == PIPE_END_OF_SERVER;
    facts_out->message = local.NamedPipeType == PIPE_TYPE_OF_MESSAGES;
    facts_out->overlapped =
        (mode.Mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) == 0;
    facts_out->can_read = (access.AccessFlags & FILE_READ_DATA) != 0;
    facts_out->can_write = (access.AccessFlags & FILE_WRITE_DATA) != 0;
    facts_out->connected = local.NamedPipeState == PIPE_STATE_CONNECTED;
    facts_out->closing = local.NamedPipeState == PIPE_STATE_CLOSING;
    facts_out->instances = local.CurrentInstances;
    facts_out->instances_max =
        local.MaximumInstances > LTI_OS_PIPE_INSTANCES_MAX ? UINT32_MAX : local.MaximumInstances;
    facts_out->readable = local.ReadDataAvailable;
    return 0;
}

int64_t lti_os_pipe_peer_pid(intptr_t handle, bool server)
{
    ULONG pid = 0;
    BOOL known = server ? GetNamedPipeServerProcessId(real_handle(handle), &pid)
                        : GetNamedPipeClientProcessId(real_handle(handle), &pid);
    return known ? (int64_t)pid : lti_real_last();
}

int64_t lti_os_handle_close(intptr_t handle)
{
    return CloseHandle(real_handle(handle)) ? 0 : lti_real_last();
}
