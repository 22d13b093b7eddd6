/* SPDX-License-Identifier: MIT
 *
 * leat doctor on Windows: whether a pipe exists, what it is, and what its descriptor allows.
 *
 * Happy path: after leat's own connect an instance is opened for looking only, asked for its kind,
 * owner and descriptor, and closed.
 *
 * Fails: what cannot be asked is left out; a descriptor that keeps us out is a finding.
 *
 * Invariants: nothing is changed and not one byte is sent. The server learns no more of us than who
 * we are: it may not act as us. To look takes an instance, and a server may have one only, for one
 * client only: so leat's own connect comes first, and is never the second.
 */
#include "doctor.h"
#include "os_windows.h"

#include <aclapi.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#define LOOKING (READ_CONTROL | FILE_READ_ATTRIBUTES | SYNCHRONIZE)
/* FILE_CREATE_PIPE_INSTANCE: to a pipe, what appending is to a file. */
#define MAKE_INSTANCES FILE_APPEND_DATA
/* After a connect that failed, a server with one instance takes a moment to offer it again. */
#define LOOK_WAIT_MS 250u
#define SID_EVERYBODY "S-1-1-0"
#define SID_OWNER_RIGHTS "S-1-3-4" /* in a descriptor: the owner, whoever that is */

/* Words of FILE_PIPE_LOCAL_INFORMATION, which the system's headers for applications lack. */
#define PIPE_FACTS ((FILE_INFORMATION_CLASS)24)
#define PIPE_BOTH_WAYS 2u

struct pipe_facts {
    ULONG type, ways, instances_max, instances, quota_in, readable, quota_out, room, state, end;
};

/* Which of its ways the pipe lacks is no part of its descriptor. */
static void kind_look(struct lti_tool_doctor *d, HANDLE pipe)
{
    IO_STATUS_BLOCK status;
    struct pipe_facts facts;
    char now_text[16];
    char most_text[24];

    if (NtQueryInformationFile(pipe, &status, &facts, sizeof facts, PIPE_FACTS) < 0) {
        return;
    }
    (void)snprintf(now_text, sizeof now_text, "%lu", (unsigned long)facts.instances);
    (void)snprintf(most_text, sizeof most_text, "at most %lu", (unsigned long)facts.instances_max);
    if (facts.instances_max >= PIPE_UNLIMITED_INSTANCES) {
        (void)snprintf(most_text, sizeof most_text, "without a limit");
    }
    lti_tool_found(d, LTI_TOOL_F_PIPE, d->address, facts.type != 0 ? "messages" : "bytes", now_text,
                   most_text);
    if (facts.ways != PIPE_BOTH_WAYS) {
        lti_tool_found(d, LTI_TOOL_F_PIPE_ONE_WAY, d->address,
                       facts.ways == 0 ? "from its clients to its server"
                                       : "from its server to its clients",
                       NULL, NULL);
    }
}

static void owner_look(struct lti_tool_doctor *d, PSID owner)
{
    struct lti_tool_identity identity;
    char user[LTI_TOOL_USER_BYTES];

    memset(&identity, 0, sizeof identity);
    if (owner == NULL ||
        !lti_tool_windows_sid_text(owner, identity.peer.user, sizeof identity.peer.user)) {
        return;
    }
    identity.peer.known = LEAT_PEER_USER;
    if (!lti_tool_let(lti_tool_judge(&d->o->policy, &identity))) {
        lti_tool_identity_user(identity.peer.user, false, user, sizeof user);
        lti_tool_found(d, LTI_TOOL_F_PIPE_OWNER, d->o->name, user,
                       lti_tool_policy_words(&d->o->policy), identity.peer.user);
    }
}

/* What we ourselves may do, as the system would judge it. */
static void rights_look(struct lti_tool_doctor *d, PSECURITY_DESCRIPTOR descriptor)
{
    GENERIC_MAPPING mapping = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                               FILE_ALL_ACCESS};
    PRIVILEGE_SET privileges;
    DWORD privileges_size = sizeof privileges;
    DWORD granted = 0;
    BOOL some = FALSE;
    HANDLE own = NULL;
    HANDLE token = NULL;
    char text[64];

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_DUPLICATE | TOKEN_QUERY, &own)) {
        return;
    }
    if (DuplicateToken(own, SecurityIdentification, &token)) {
        if (AccessCheck(descriptor, token, MAXIMUM_ALLOWED, &mapping, &privileges, &privileges_size,
                        &granted, &some)) {
            (void)snprintf(text, sizeof text, "%sread, %swrite, %smake instances",
                           (granted & FILE_READ_DATA) != 0 ? "" : "not ",
                           (granted & FILE_WRITE_DATA) != 0 ? "" : "not ",
                           (granted & MAKE_INSTANCES) != 0 ? "" : "not ");
            lti_tool_found(d, LTI_TOOL_F_PIPE_RIGHTS, text, NULL, NULL, NULL);
        }
        (void)CloseHandle(token);
    }
    (void)CloseHandle(own);
}

static void instances_found(struct lti_tool_doctor *d, const char *sid)
{
    char user[LTI_TOOL_USER_BYTES];

    lti_tool_identity_user(sid, true, user, sizeof user);
    lti_tool_found(d, LTI_TOOL_F_PIPE_OPEN, user, NULL, NULL, NULL);
}

/* Others than the owner and the administrators that could take clients away. */
static void instances_look(struct lti_tool_doctor *d, PACL list, PSID owner)
{
    const DWORD making = MAKE_INSTANCES | GENERIC_WRITE | GENERIC_ALL;

    for (DWORD i = 0; i < list->AceCount; i++) {
        ACCESS_ALLOWED_ACE *entry = NULL;
        void *found = NULL;
        char sid[LEAT_PEER_TEXT_BYTES];

        if (!GetAce(list, i, &found)) {
            continue;
        }
        entry = found;
        if (entry->Header.AceType != ACCESS_ALLOWED_ACE_TYPE || (entry->Mask & making) == 0 ||
            (owner != NULL && EqualSid(&entry->SidStart, owner)) ||
            !lti_tool_windows_sid_text(&entry->SidStart, sid, sizeof sid) ||
            strcmp(sid, SID_OWNER_RIGHTS) == 0 ||
            lti_tool_os_user_standing(sid) != LTI_TOOL_USER_OTHER) {
            continue;
        }
        instances_found(d, sid);
    }
}

static void descriptor_look(struct lti_tool_doctor *d, HANDLE pipe)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    PSID owner = NULL;
    PACL list = NULL;
    BOOL present = FALSE;
    BOOL usual = FALSE;
    DWORD parts =
        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;

    if (GetSecurityInfo(pipe, SE_KERNEL_OBJECT, parts, &owner, NULL, NULL, NULL, &descriptor) !=
        ERROR_SUCCESS) {
        return;
    }
    owner_look(d, owner);
    rights_look(d, descriptor);
    if (GetSecurityDescriptorDacl(descriptor, &present, &list, &usual) && present) {
        if (list != NULL) {
            instances_look(d, list, owner);
        } else {
            instances_found(d, SID_EVERYBODY); /* a list that is there and null forbids nothing */
        }
    }
    (void)LocalFree(descriptor);
}

/* Takes an instance, if one is free within that time. */
static void pipe_look(struct lti_tool_doctor *d, DWORD wait_ms)
{
    wchar_t *name = lti_tool_windows_wide(d->address);
    HANDLE pipe = INVALID_HANDLE_VALUE;

    if (name != NULL && WaitNamedPipeW(name, wait_ms)) {
        pipe = CreateFileW(name, LOOKING, 0, NULL, OPEN_EXISTING,
                           SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    }
    if (pipe != INVALID_HANDLE_VALUE) {
        kind_look(d, pipe);
        descriptor_look(d, pipe);
        (void)CloseHandle(pipe);
    }
    free(name);
}

void lti_tool_os_doctor_place(struct lti_tool_doctor *d)
{
    wchar_t *name = lti_tool_windows_wide(d->address);

    /* It only asks whether an instance is free; 1 ms is the shortest wait there is. */
    if (name != NULL && !WaitNamedPipeW(name, 1) && GetLastError() == ERROR_FILE_NOT_FOUND) {
        lti_tool_found(d, LTI_TOOL_F_PIPE_MISSING, d->address, d->o->name, NULL, NULL);
    }
    free(name);
}

void lti_tool_os_doctor_connected(struct lti_tool_doctor *d)
{
    pipe_look(d, 1);
}

static void denied_explain(struct lti_tool_doctor *d, int64_t os_code)
{
    char text[256];
    char user[LTI_TOOL_USER_BYTES];

    lti_tool_os_text(os_code, text, sizeof text);
    lti_tool_os_own_user(user, sizeof user);
    lti_tool_found(d, LTI_TOOL_F_PIPE_DENIED, text, user, NULL, NULL);
}

static bool pipe_of_messages(const struct lti_tool_doctor *d)
{
    const struct lti_tool_found *pipe = lti_tool_found_find(d, LTI_TOOL_F_PIPE);

    return pipe != NULL && strcmp(pipe->args[1], "messages") == 0;
}

void lti_tool_os_doctor_failed(struct lti_tool_doctor *d, enum leat_error error, int64_t os_code)
{
    if (error == LEAT_E_NOT_FOUND) {
        lti_tool_found(d, LTI_TOOL_F_PIPE_MISSING, d->address, d->o->name, NULL, NULL);
        return;
    }
    pipe_look(d, LOOK_WAIT_MS);
    if (d->faults > 0) {
        return;
    }
    if (error == LEAT_E_TIMEOUT || error == LEAT_E_BUSY) {
        lti_tool_found(d, LTI_TOOL_F_PIPE_BUSY, d->address, d->o->name, NULL, NULL);
    } else if (error == LEAT_E_DENIED) {
        denied_explain(d, os_code);
    } else if (error == LEAT_E_REFUSED && pipe_of_messages(d)) {
        lti_tool_found(d, LTI_TOOL_F_PIPE_MESSAGES, d->address, NULL, NULL, NULL);
    }
}

/* Names without a path have no folder. */
void lti_tool_os_doctor_scope(struct lti_tool_doctor *d)
{
    (void)d;
}

/* Who owns the pipe is who leat says the server is. */
enum lti_tool_verdict lti_tool_os_place_judge(const struct lti_tool_options *o,
                                              const struct lti_tool_policy *policy,
                                              const char *address)
{
    (void)o;
    (void)policy;
    (void)address;
    return LTI_TOOL_LET_SELF;
}
