/* SPDX-License-Identifier: MIT
 *
 * Stands between os_real_nt_* and Windows.
 *
 * Happy path: a call that nobody asked to fail goes on to Windows.
 * Fails:      the one call that was asked for, once, with the number as that call tells it.
 * Invariants: one failure waits at a time; tests that use this have one thread.
 */
#include "calls.h"

#include <windows.h>

#include <aclapi.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

static struct {
    const char *function;
    int left;
    bool answers;
    DWORD number;
    intptr_t answer;
} waiting;

static bool completion_waits;
static NTSTATUS completion_status;
static PACL labels;

void lti_call_fails(const char *function, int nth, int number)
{
    waiting.function = function;
    waiting.left = nth;
    waiting.answers = false;
    waiting.number = (DWORD)number;
}

void lti_call_answers(const char *function, int nth, intptr_t answer)
{
    lti_call_fails(function, nth, 0);
    waiting.answers = true;
    waiting.answer = answer;
}

void lti_call_completion(int32_t status)
{
    completion_waits = true;
    completion_status = status;
}

void lti_call_labels(void *list)
{
    labels = list;
}

bool lti_call_waits(void)
{
    return waiting.function || completion_waits || labels;
}

/* True for the call that is not to be made: *result_out is what it gives, `failure` or the answer.
 */
static bool taken(const char *function, intptr_t failure, intptr_t *result_out)
{
    if (!waiting.function || strcmp(waiting.function, function) != 0 || --waiting.left > 0)
        return false;
    waiting.function = NULL;
    *result_out = waiting.answers ? waiting.answer : failure;
    SetLastError(waiting.number);
    return true;
}

#define WRAP(type, failure, name, parameters, arguments)                                           \
    extern type(WINAPI *__real___imp_##name) parameters;                                           \
    extern type(WINAPI *__wrap___imp_##name) parameters;                                           \
    static type WINAPI wrapped_##name parameters                                                   \
    {                                                                                              \
        intptr_t result;                                                                           \
        if (taken(#name, (intptr_t)(failure), &result))                                            \
            return (type)result;                                                                   \
        return __real___imp_##name arguments;                                                      \
    }                                                                                              \
    type(WINAPI *__wrap___imp_##name) parameters = wrapped_##name;

WRAP(BOOL, FALSE, CheckTokenMembership, (HANDLE token, PSID sid, PBOOL member),
     (token, sid, member))
WRAP(BOOL, FALSE, CloseHandle, (HANDLE handle), (handle))
WRAP(BOOL, FALSE, ConnectNamedPipe, (HANDLE handle, OVERLAPPED *native), (handle, native))
WRAP(BOOL, FALSE, ConvertStringSidToSidA, (LPCSTR text, PSID *sid_out), (text, sid_out))
WRAP(HANDLE, NULL, CreateEventW,
     (LPSECURITY_ATTRIBUTES security, BOOL manual, BOOL set, LPCWSTR name),
     (security, manual, set, name))
WRAP(HANDLE, NULL, CreateIoCompletionPort,
     (HANDLE file, HANDLE queue, ULONG_PTR key, DWORD threads), (file, queue, key, threads))
WRAP(HANDLE, NULL, CreateThread,
     (LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE run, LPVOID argument,
      DWORD flags, LPDWORD id),
     (security, stack, run, argument, flags, id))
WRAP(BOOL, FALSE, GetAce, (PACL list, DWORD number, LPVOID *entry_out), (list, number, entry_out))
WRAP(DWORD, FILE_TYPE_UNKNOWN, GetFileType, (HANDLE handle), (handle))
WRAP(BOOL, FALSE, GetNamedPipeServerProcessId, (HANDLE handle, PULONG pid), (handle, pid))
WRAP(BOOL, FALSE, GetProcessAffinityMask, (HANDLE process, PDWORD_PTR ours, PDWORD_PTR all),
     (process, ours, all))
WRAP(BOOL, FALSE, GetProcessTimes,
     (HANDLE process, LPFILETIME began, LPFILETIME ended, LPFILETIME kernel, LPFILETIME user),
     (process, began, ended, kernel, user))
WRAP(BOOL, FALSE, GetSecurityDescriptorDacl,
     (PSECURITY_DESCRIPTOR security, LPBOOL present, PACL *list, LPBOOL usual),
     (security, present, list, usual))
WRAP(BOOL, FALSE, GetTokenInformation,
     (HANDLE token, TOKEN_INFORMATION_CLASS kind, LPVOID record, DWORD room, PDWORD size),
     (token, kind, record, room, size))
WRAP(LPVOID, NULL, HeapAlloc, (HANDLE heap, DWORD flags, SIZE_T size), (heap, flags, size))
WRAP(BOOL, FALSE, OpenProcessToken, (HANDLE process, DWORD access, PHANDLE token),
     (process, access, token))
WRAP(BOOL, FALSE, OpenThreadToken, (HANDLE thread, DWORD access, BOOL self, PHANDLE token),
     (thread, access, self, token))
WRAP(BOOL, FALSE, PostQueuedCompletionStatus,
     (HANDLE queue, DWORD bytes, ULONG_PTR key, LPOVERLAPPED native), (queue, bytes, key, native))
WRAP(BOOL, FALSE, ReadFile,
     (HANDLE handle, LPVOID buffer, DWORD size, LPDWORD done, LPOVERLAPPED native),
     (handle, buffer, size, done, native))
WRAP(BOOL, FALSE, ResetEvent, (HANDLE event), (event))
WRAP(BOOL, FALSE, RevertToSelf, (void), ())
WRAP(BOOL, FALSE, SetEvent, (HANDLE event), (event))
WRAP(BOOL, FALSE, SetFileCompletionNotificationModes, (HANDLE handle, UCHAR modes), (handle, modes))
WRAP(BOOL, FALSE, SetThreadToken, (PHANDLE thread, HANDLE token), (thread, token))
WRAP(DWORD, WAIT_FAILED, WaitForSingleObject, (HANDLE handle, DWORD time_ms), (handle, time_ms))

/* The answer is a text of its own, of so many characters. */
extern BOOL(WINAPI *__real___imp_ConvertSidToStringSidA)(PSID sid, LPSTR *text_out);
extern BOOL(WINAPI *__wrap___imp_ConvertSidToStringSidA)(PSID sid, LPSTR *text_out);
static BOOL WINAPI wrapped_ConvertSidToStringSidA(PSID sid, LPSTR *text_out)
{
    intptr_t size;
    if (!taken("ConvertSidToStringSidA", 0, &size))
        return __real___imp_ConvertSidToStringSidA(sid, text_out);
    if (size == 0)
        return FALSE;
    *text_out = LocalAlloc(LPTR, (SIZE_T)size + 1);
    if (*text_out)
        memset(*text_out, '1', (size_t)size);
    return *text_out != NULL;
}
BOOL(WINAPI *__wrap___imp_ConvertSidToStringSidA)
(PSID sid, LPSTR *text_out) = wrapped_ConvertSidToStringSidA;

#define SECURITY_PARAMETERS                                                                        \
    (HANDLE handle, SE_OBJECT_TYPE type, SECURITY_INFORMATION what, PSID * owner, PSID * group,    \
     PACL * dacl, PACL * sacl, PSECURITY_DESCRIPTOR * descriptor)
extern DWORD(WINAPI *__real___imp_GetSecurityInfo) SECURITY_PARAMETERS;
extern DWORD(WINAPI *__wrap___imp_GetSecurityInfo) SECURITY_PARAMETERS;
static DWORD WINAPI wrapped_GetSecurityInfo SECURITY_PARAMETERS
{
    intptr_t number;
    if (taken("GetSecurityInfo", (intptr_t)waiting.number, &number))
        return (DWORD)number;
    if (labels && sacl) {
        *sacl = labels;
        *descriptor = NULL;
        labels = NULL;
        return ERROR_SUCCESS;
    }
    return __real___imp_GetSecurityInfo(handle, type, what, owner, group, dacl, sacl, descriptor);
}
DWORD(WINAPI *__wrap___imp_GetSecurityInfo) SECURITY_PARAMETERS = wrapped_GetSecurityInfo;

#define QUEUE_PARAMETERS                                                                           \
    (HANDLE queue, LPOVERLAPPED_ENTRY entries, ULONG count, PULONG came, DWORD time_ms, BOOL alert)
extern BOOL(WINAPI *__real___imp_GetQueuedCompletionStatusEx) QUEUE_PARAMETERS;
extern BOOL(WINAPI *__wrap___imp_GetQueuedCompletionStatusEx) QUEUE_PARAMETERS;
static BOOL WINAPI wrapped_GetQueuedCompletionStatusEx QUEUE_PARAMETERS
{
    static OVERLAPPED record;
    intptr_t result;
    if (taken("GetQueuedCompletionStatusEx", FALSE, &result))
        return (BOOL)result;
    if (!completion_waits)
        return __real___imp_GetQueuedCompletionStatusEx(queue, entries, count, came, time_ms,
                                                        alert);
    completion_waits = false;
    record.Internal = 0x103; /* STATUS_PENDING */
    entries[0] =
        (OVERLAPPED_ENTRY){.lpOverlapped = &record, .Internal = (ULONG_PTR)completion_status};
    *came = 1;
    return TRUE;
}
BOOL(WINAPI *__wrap___imp_GetQueuedCompletionStatusEx)
QUEUE_PARAMETERS = wrapped_GetQueuedCompletionStatusEx;

/* These two give a status, which the number or the answer is. */
NTSTATUS NTAPI __real_NtQueryInformationFile(HANDLE handle, PIO_STATUS_BLOCK status, PVOID record,
                                             ULONG size, FILE_INFORMATION_CLASS kind);
NTSTATUS NTAPI __wrap_NtQueryInformationFile(HANDLE handle, PIO_STATUS_BLOCK status, PVOID record,
                                             ULONG size, FILE_INFORMATION_CLASS kind);
NTSTATUS NTAPI __wrap_NtQueryInformationFile(HANDLE handle, PIO_STATUS_BLOCK status, PVOID record,
                                             ULONG size, FILE_INFORMATION_CLASS kind)
{
    intptr_t result;
    if (taken("NtQueryInformationFile", 0, &result))
        return (NTSTATUS)result;
    return __real_NtQueryInformationFile(handle, status, record, size, kind);
}

NTSTATUS WINAPI __real_BCryptGenRandom(PVOID algorithm, PUCHAR buffer, ULONG size, ULONG flags);
NTSTATUS WINAPI __wrap_BCryptGenRandom(PVOID algorithm, PUCHAR buffer, ULONG size, ULONG flags);
NTSTATUS WINAPI __wrap_BCryptGenRandom(PVOID algorithm, PUCHAR buffer, ULONG size, ULONG flags)
{
    intptr_t result;
    if (taken("BCryptGenRandom", 0, &result))
        return (NTSTATUS)result;
    return __real_BCryptGenRandom(algorithm, buffer, size, flags);
}

/* A program that must not go on ends in a way that a count of lines can tell. */
void __wrap_abort(void);
void __wrap_abort(void)
{
    _exit((int)0xC0000409); /* STATUS_STACK_BUFFER_OVERRUN: what a fatal end looks like */
}
