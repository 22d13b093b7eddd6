/* SPDX-License-Identifier: MIT
 *
 * Who we are, who a client is, who owns a pipe, of which level it is, which process has a pid:
 * tokens, security descriptors and processes of Windows.
 *
 * Happy path: a token is opened, asked, closed; what it says is given as text.
 * Fails:      with the kind of GetLastError; what cannot be found out fails as a whole, so that
 *             nobody is taken for more than is known.
 * Invariants: a thread leaves with the token it came with, or the process ends: to go on as
 *             somebody else would be worse than not to go on.
 */
#include "os_real_nt.h"

#include <aclapi.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>

#define WHO_ANONYMOUS "S-1-5-7"

union who_sid { /* a record of the system with its SID behind it */
    TOKEN_USER user;
    TOKEN_MANDATORY_LABEL label;
    uint8_t room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
};

static int64_t who_text(PSID sid, char text_out[LTI_OS_SID_BYTES])
{
    LPSTR text = NULL;
    if (!ConvertSidToStringSidA(sid, &text))
        return lti_real_last();
    size_t size = strlen(text) + 1;
    if (size <= LTI_OS_SID_BYTES)
        memcpy(text_out, text, size);
    (void)LocalFree(text);
    return size <= LTI_OS_SID_BYTES ? 0 : lti_nt_fail(LTI_NT_INVALID_PARAMETER);
}

static int64_t who_ask(HANDLE token, struct lti_os_identity *identity_out)
{
    union who_sid record;
    DWORD size = 0, container = 0;
    if (!GetTokenInformation(token, TokenUser, &record, sizeof record, &size))
        return lti_real_last();
    int64_t result = who_text(record.user.User.Sid, identity_out->user);
    if (result < 0)
        return result;
    identity_out->integrity[0] = '\0';
    if (GetTokenInformation(token, TokenIntegrityLevel, &record, sizeof record, &size))
        result = who_text(record.label.Label.Sid, identity_out->integrity);
    if (result < 0)
        return result;
    if (!GetTokenInformation(token, TokenIsAppContainer, &container, sizeof container, &size))
        return lti_real_last();
    identity_out->container = container != 0;
    identity_out->member = false;
    identity_out->session_known = GetTokenInformation(token, TokenSessionId, &identity_out->session,
                                                      sizeof identity_out->session, &size);
    return 0;
}

int64_t lti_os_identity(struct lti_os_identity *identity_out)
{
    HANDLE token = NULL;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return lti_real_last();
    identity_out->level = SecurityDelegation; /* it is us */
    int64_t result = who_ask(token, identity_out);
    (void)CloseHandle(token);
    return result;
}

static int64_t who_member(HANDLE token, const char *group, bool *member_out)
{
    PSID sid = NULL;
    BOOL member = FALSE;
    if (!ConvertStringSidToSidA(group, &sid))
        return lti_real_last();
    int64_t result = CheckTokenMembership(token, sid, &member) ? 0 : lti_real_last();
    (void)LocalFree(sid);
    *member_out = member != FALSE;
    return result;
}

/* The token of the client as whom this thread acts just now. */
static int64_t who_client(const char *group, struct lti_os_identity *identity_out)
{
    HANDLE token = NULL;
    SECURITY_IMPERSONATION_LEVEL level = SecurityAnonymous;
    DWORD size = 0;
    /* As ourselves: a client that may only be identified has no right to open anything. */
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token)) {
        if (GetLastError() != ERROR_CANT_OPEN_ANONYMOUS)
            return lti_real_last();
        *identity_out = (struct lti_os_identity){.user = WHO_ANONYMOUS, .level = SecurityAnonymous};
        return 0;
    }
    int64_t result = who_ask(token, identity_out);
    if (result >= 0 &&
        !GetTokenInformation(token, TokenImpersonationLevel, &level, sizeof level, &size))
        result = lti_real_last();
    if (result >= 0 && group)
        result = who_member(token, group, &identity_out->member);
    identity_out->level = (uint32_t)level;
    (void)CloseHandle(token);
    return result;
}

int64_t lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *identity_out)
{
    /* A service's thread may act as somebody already, and must go on doing so afterwards. */
    HANDLE before = NULL;
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY | TOKEN_IMPERSONATE, TRUE, &before) &&
        GetLastError() != ERROR_NO_TOKEN)
        return lti_real_last();
    int64_t result = 0;
    if (!ImpersonateNamedPipeClient(real_handle(handle))) {
        result = lti_real_last();
    } else {
        result = who_client(group, identity_out);
        if (!RevertToSelf() || (before && !SetThreadToken(NULL, before)))
            abort();
    }
    if (before)
        (void)CloseHandle(before);
    return result;
}

int64_t lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    PSID owner = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    DWORD error = GetSecurityInfo(real_handle(handle), SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION,
                                  &owner, NULL, NULL, NULL, &descriptor);
    if (error != ERROR_SUCCESS)
        return lti_nt_fail(error);
    int64_t result = owner ? who_text(owner, sid_out) : lti_nt_fail(LTI_NT_NOT_FOUND);
    (void)LocalFree(descriptor);
    return result;
}

/* The first label among the entries of a list: the one that the system goes by. */
static int64_t who_label(PACL list, char sid_out[LTI_OS_SID_BYTES])
{
    for (DWORD i = 0; list && i < list->AceCount; i++) {
        void *entry = NULL;
        if (!GetAce(list, i, &entry))
            return lti_real_last();
        const ACE_HEADER *header = entry;
        if (header->AceType == SYSTEM_MANDATORY_LABEL_ACE_TYPE &&
            !(header->AceFlags & INHERIT_ONLY_ACE))
            return who_text(&((SYSTEM_MANDATORY_LABEL_ACE *)entry)->SidStart, sid_out);
    }
    sid_out[0] = '\0';
    return 0;
}

int64_t lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    PACL list = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    DWORD error = GetSecurityInfo(real_handle(handle), SE_KERNEL_OBJECT, LABEL_SECURITY_INFORMATION,
                                  NULL, NULL, NULL, &list, &descriptor);
    if (error != ERROR_SUCCESS)
        return lti_nt_fail(error);
    int64_t result = who_label(list, sid_out);
    (void)LocalFree(descriptor);
    return result;
}

int64_t lti_os_security_create(const char *sddl, void **security_out)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(sddl, SDDL_REVISION_1, &descriptor,
                                                              NULL))
        return lti_real_last();
    *security_out = descriptor;
    return 0;
}

void lti_os_security_free(void *security)
{
    (void)LocalFree(security);
}

bool lti_os_security_listed(const void *security)
{
    BOOL present = FALSE, usual = FALSE;
    PACL list = NULL;
    return GetSecurityDescriptorDacl((PSECURITY_DESCRIPTOR)(uintptr_t)security, &present, &list,
                                     &usual) &&
           present && list;
}

int64_t lti_os_process_open(int64_t pid)
{
    HANDLE process =
        OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    return process ? (intptr_t)process : lti_real_last();
}

static int64_t who_time(const FILETIME *time)
{
    return (int64_t)((uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime);
}

int64_t lti_os_process_began(intptr_t process)
{
    FILETIME began, ended, kernel, user;
    if (!GetProcessTimes(real_handle(process), &began, &ended, &kernel, &user))
        return lti_real_last();
    DWORD state = WaitForSingleObject(real_handle(process), 0);
    if (state == WAIT_OBJECT_0)
        return lti_nt_fail(LTI_NT_NOT_FOUND);
    return state == WAIT_TIMEOUT ? who_time(&began) : lti_real_last();
}

int64_t lti_os_time_of_day(void)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return who_time(&now);
}
