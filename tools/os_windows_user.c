/* SPDX-License-Identifier: MIT
 *
 * The leat command's contact with Windows: users, groups, programs, the console that answers.
 *
 * Happy path: users are SIDs; names for them and programs come from the system.
 *
 * Fails: what has no name stays a SID; what is neither a SID nor the name of an account is no user.
 *
 * Invariants: a SID is written one way only, the system's, so texts can be compared.
 */
#include "os_windows.h"

#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_UNITS 256u
#define PROGRAM_UNITS 1024u

/* Whether all of it fitted; else the text is empty. */
static bool narrow(const wchar_t *wide, char *to, size_t size)
{
    int bytes = WideCharToMultiByte(CP_UTF8, 0, wide, -1, to, (int)size, NULL, NULL);

    if (bytes <= 0) {
        to[0] = '\0';
    }
    return bytes > 0;
}

bool lti_tool_windows_sid_text(void *sid, char *text_out, size_t size)
{
    LPSTR text = NULL;
    bool fits = false;

    if (ConvertSidToStringSidA(sid, &text)) {
        fits = strlen(text) < size;
        if (fits) {
            memcpy(text_out, text, strlen(text) + 1);
        }
        (void)LocalFree(text);
    }
    return fits;
}

/* A user's name is none of a group, nor the reverse. The accounts that services run as count as
 * groups that everybody knows, so those may be either. */
static bool account_find(const char *name, bool group, char *text_out, size_t size)
{
    union {
        SID sid;
        char room[SECURITY_MAX_SID_SIZE];
    } record;
    wchar_t domain[ACCOUNT_UNITS];
    DWORD sid_bytes = sizeof record;
    DWORD domain_units = ACCOUNT_UNITS;
    SID_NAME_USE use = SidTypeUnknown;
    wchar_t *wide = lti_tool_windows_wide(name);
    bool found = wide != NULL && LookupAccountNameW(NULL, wide, &record.sid, &sid_bytes, domain,
                                                    &domain_units, &use);

    free(wide);
    if (!found) {
        return false;
    }
    found = use == SidTypeWellKnownGroup || (group ? use == SidTypeGroup || use == SidTypeAlias
                                                   : use == SidTypeUser || use == SidTypeComputer);
    return found && lti_tool_windows_sid_text(&record.sid, text_out, size);
}

/* What looks like a SID is one, or nobody: never the name of an account. */
bool lti_tool_os_user_find(const char *name, bool group, char *text_out, size_t size)
{
    PSID sid = NULL;
    bool found;

    if (strncmp(name, "S-1-", 4) != 0) {
        return account_find(name, group, text_out, size);
    }
    if (!ConvertStringSidToSidA(name, &sid)) {
        return false;
    }
    found = lti_tool_windows_sid_text(sid, text_out, size);
    (void)LocalFree(sid);
    return found;
}

void lti_tool_os_user_name(const char *text, bool group, char *name_out, size_t size)
{
    PSID sid = NULL;
    wchar_t name[ACCOUNT_UNITS];
    wchar_t domain[ACCOUNT_UNITS];
    wchar_t both[2 * ACCOUNT_UNITS];
    DWORD name_units = ACCOUNT_UNITS;
    DWORD domain_units = ACCOUNT_UNITS;
    SID_NAME_USE use;

    (void)group;
    name_out[0] = '\0';
    if (strncmp(text, "S-1-", 4) != 0 || !ConvertStringSidToSidA(text, &sid)) {
        return;
    }
    if (LookupAccountSidW(NULL, sid, name, &name_units, domain, &domain_units, &use)) {
        (void)swprintf(both, 2 * ACCOUNT_UNITS, domain[0] != 0 ? L"%ls\\%ls" : L"%ls%ls", domain,
                       name);
        (void)narrow(both, name_out, size);
    }
    (void)LocalFree(sid);
}

void lti_tool_os_own_user(char *text_out, size_t size)
{
    union {
        TOKEN_USER user;
        char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } record;
    DWORD used = 0;
    HANDLE token = NULL;

    text_out[0] = '\0';
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        return;
    }
    if (GetTokenInformation(token, TokenUser, &record, sizeof record, &used)) {
        (void)lti_tool_windows_sid_text(record.user.User.Sid, text_out, size);
    }
    (void)CloseHandle(token);
}

enum lti_tool_user lti_tool_os_user_standing(const char *text)
{
    char own[256];

    lti_tool_os_own_user(own, sizeof own);
    if (own[0] != '\0' && strcmp(text, own) == 0) {
        return LTI_TOOL_USER_SELF;
    }
    /* SYSTEM, and the administrators, who own what their services make. */
    return strcmp(text, "S-1-5-18") == 0 || strcmp(text, "S-1-5-32-544") == 0 ? LTI_TOOL_USER_ADMIN
                                                                              : LTI_TOOL_USER_OTHER;
}

static bool own_level(DWORD *level_out)
{
    union {
        TOKEN_MANDATORY_LABEL label;
        char room[sizeof(TOKEN_MANDATORY_LABEL) + SECURITY_MAX_SID_SIZE];
    } record;
    DWORD used = 0;
    HANDLE token = NULL;
    bool known = false;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        return false;
    }
    if (GetTokenInformation(token, TokenIntegrityLevel, &record, sizeof record, &used)) {
        *level_out = *GetSidSubAuthority(record.label.Label.Sid, 0);
        known = true;
    }
    (void)CloseHandle(token);
    return known;
}

bool lti_tool_os_label_fits(const char *label, bool as_us)
{
    static const char prefix[] = "S-1-16-";
    DWORD wanted = 0;

    if (strncmp(label, prefix, sizeof prefix - 1) != 0 || !own_level(&wanted)) {
        return false;
    }
    if (!as_us && wanted > SECURITY_MANDATORY_MEDIUM_RID) {
        wanted = SECURITY_MANDATORY_MEDIUM_RID;
    }
    return strtoul(label + sizeof prefix - 1, NULL, 10) >= wanted;
}

const char *lti_tool_os_name_example(void)
{
    return "\\\\.\\pipe\\x";
}

void lti_tool_os_program(int64_t pid, char *program_out, size_t size)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    wchar_t wide[PROGRAM_UNITS];
    DWORD units = PROGRAM_UNITS;

    program_out[0] = '\0';
    if (process == NULL) {
        return;
    }
    if (QueryFullProcessImageNameW(process, 0, wide, &units)) {
        (void)narrow(wide, program_out, size);
    }
    (void)CloseHandle(process);
}

bool lti_tool_os_process_gone(intptr_t process)
{
    bool gone = WaitForSingleObject((HANDLE)process, 0) != WAIT_TIMEOUT;

    (void)CloseHandle((HANDLE)process);
    return gone;
}

/* Two threads must not read the console at once, so its standard stream is used where it is one. */
intptr_t lti_tool_os_terminal_open(void)
{
    HANDLE console;

    if (lti_tool_os_is_terminal(0)) {
        return lti_tool_os_stdin();
    }
    console = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE,
                          FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    return console != INVALID_HANDLE_VALUE ? lti_tool_windows_stream_open(console, true)
                                           : LTI_TOOL_NO_HANDLE;
}

/* A standard stream may be open for reading only, which is too little for this. */
void lti_tool_os_terminal_forget(intptr_t handle)
{
    HANDLE console = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);

    lti_tool_windows_stream_forget(handle);
    if (console != INVALID_HANDLE_VALUE) {
        (void)FlushConsoleInputBuffer(console);
        (void)CloseHandle(console);
    }
}
