/* SPDX-License-Identifier: MIT
 *
 * What takes the system's own calls: handles that no pipe is behind, and the descriptor of ours.
 *
 * Happy path: a pipe of ours has the descriptor that was asked for, and no other.
 * Fails:      a handle that cannot work is refused, and stays the caller's, open and unchanged.
 * Invariants: nothing of leat's is called with a handle that was closed.
 */
#include "conformance/kit_nt.h"

#include <stdio.h>
#include <string.h>
#include <winsock2.h>
/* These need winsock2.h before them. */
#include <aclapi.h>
#include <sddl.h>

static void conn_refused(struct leat_hub *hub, HANDLE handle)
{
    leat_conn conn = {77};
    DWORD flags = 0;
    CHECK_ERROR(leat_adopt_conn(hub, (intptr_t)handle, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    CHECK(GetHandleInformation(handle, &flags));
}

TEST(nt_adopt_refuses_what_only_real_systems_have)
{
    struct leat_hub *hub = kit_begin();
    char path[300];
    HANDLE reading = NULL, writing = NULL;
    (void)snprintf(path, sizeof path, "%s/file", lti_test_folder());
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW,
                              FILE_FLAG_OVERLAPPED, NULL);
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE nul = CreateFileA("NUL", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    REQUIRE(file != INVALID_HANDLE_VALUE && nul != INVALID_HANDLE_VALUE && event != NULL);
    REQUIRE(CreatePipe(&reading, &writing, NULL, 0)); /* they wait in every call */
    conn_refused(hub, file);
    conn_refused(hub, event);
    conn_refused(hub, nul);
    conn_refused(hub, reading);
    conn_refused(hub, writing);
    /* A closed one is none; its number is not used again meanwhile. */
    leat_conn conn = {77};
    CHECK(CloseHandle(event));
    CHECK_ERROR(leat_adopt_conn(hub, (intptr_t)event, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_ERROR(leat_adopt_conn(hub, (intptr_t)GetCurrentProcess(), 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    /* The pipe works as before. */
    DWORD done = 0;
    char byte = 'x';
    CHECK(WriteFile(writing, &byte, 1, &done, NULL) && done == 1);
    byte = 0;
    CHECK(ReadFile(reading, &byte, 1, &done, NULL) && byte == 'x');
    CHECK(CloseHandle(file) && CloseHandle(nul) && CloseHandle(reading) && CloseHandle(writing));
    CHECK(DeleteFileA(path));
    kit_end(hub);
}

/* The text of what a pipe's handle says of itself; to be freed with LocalFree. */
static char *descriptor_text(intptr_t handle)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    char *text = NULL;
    const SECURITY_INFORMATION wanted =
        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    REQUIRE_INT(GetSecurityInfo((HANDLE)handle, SE_KERNEL_OBJECT, wanted, NULL, NULL, NULL, NULL,
                                &descriptor),
                ERROR_SUCCESS);
    REQUIRE(ConvertSecurityDescriptorToStringSecurityDescriptorA(descriptor, SDDL_REVISION_1,
                                                                 wanted, &text, NULL));
    (void)LocalFree(descriptor);
    return text;
}

TEST(attack_w05_descriptor_text)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("ours");
    char expected[400];
    (void)kit_listen(hub, name, NULL);
    int fd = kit_raw_connect(name);
    char *text = descriptor_text(kit_raw_handle(fd));
    (void)snprintf(expected, sizeof expected, "O:%sG:%sD:P(D;;", kit_own_sid(), kit_own_sid());
    if (!CHECK(strncmp(text, expected, strlen(expected)) == 0))
        (void)printf("the descriptor: %s\n", text);
    /* Denied to the network and to nobody first, then let in: us, and the system as a client. */
    const char *network = strstr(text, ";;;NU)"), *anonymous = strstr(text, ";;;AN)");
    const char *allowed = strstr(text, "(A;;");
    CHECK(network != NULL && anonymous != NULL && allowed != NULL);
    CHECK(network < allowed && anonymous < allowed);
    CHECK(strstr(allowed, "0x12019b;;;SY)") != NULL);
    CHECK(strstr(text, ";;;WD)") == NULL && strstr(text, ";;;AC)") == NULL);
    (void)LocalFree(text);
    kit_raw_close(fd);
    kit_end(hub);
}

/* What a descriptor allows this process's user. */
static bool access_allowed(const char *sddl, DWORD wanted)
{
    HANDLE process = NULL, token = NULL;
    void *descriptor = NULL;
    GENERIC_MAPPING mapping = {FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE,
                               FILE_ALL_ACCESS};
    PRIVILEGE_SET privileges;
    DWORD size = sizeof privileges, granted = 0;
    BOOL allowed = FALSE;
    REQUIRE(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &process));
    REQUIRE(DuplicateToken(process, SecurityImpersonation, &token));
    REQUIRE_INT(lti_os_security_create(sddl, &descriptor), 0);
    CHECK(AccessCheck(descriptor, token, wanted, &mapping, &privileges, &size, &granted, &allowed));
    lti_os_security_free(descriptor);
    CHECK(CloseHandle(token) && CloseHandle(process));
    return allowed;
}

TEST(attack_w06_who_is_let_in)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("ours");
    (void)kit_listen(hub, name, NULL);
    int fd = kit_raw_connect(name);
    char *text = descriptor_text(kit_raw_handle(fd));
    const DWORD client = FILE_READ_DATA | FILE_WRITE_DATA | READ_CONTROL | SYNCHRONIZE;
    CHECK(access_allowed(text, client));
    char others[300];
    (void)snprintf(others, sizeof others, "O:SYG:SYD:P(A;;FA;;;SY)");
    CHECK(!access_allowed(others, client));
    CHECK(!access_allowed(others, FILE_CREATE_PIPE_INSTANCE));
    (void)LocalFree(text);
    kit_raw_close(fd);
    kit_end(hub);
}
