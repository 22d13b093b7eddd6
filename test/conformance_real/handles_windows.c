/* SPDX-License-Identifier: MIT
 *
 * What takes the system's own calls: handles that no pipe is behind, standard handles, and the
 * descriptor of ours.
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

static void conn_refused_for(struct leat_hub *hub, HANDLE handle,
                             const struct leat_conn_options *options)
{
    leat_conn conn = {77};
    DWORD flags = 0;
    CHECK_ERROR(leat_adopt_conn(hub, (intptr_t)handle, 1, options, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    CHECK(GetHandleInformation(handle, &flags));
}

static void conn_refused(struct leat_hub *hub, HANDLE handle)
{
    conn_refused_for(hub, handle, NULL);
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
    REQUIRE(CreatePipe(&reading, &writing, NULL, 0));
    conn_refused(hub, file);
    conn_refused(hub, event);
    conn_refused(hub, nul);
    /* Messages need both ways. */
    conn_refused_for(hub, reading, &kit_messages);
    conn_refused_for(hub, writing, &kit_messages);
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

/* ---- Standard handles ------------------------------------------------------------------------ */

#define STANDARD_BYTES (4 * 65536u)

static leat_conn standard_adopt(struct leat_hub *hub, HANDLE handle)
{
    leat_conn conn = {77};
    REQUIRE_ERROR(leat_adopt_conn(hub, (intptr_t)handle, 0, &kit_roomy, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    return conn;
}

/* Runs as a child: says again what it reads, until the end, on the handles that it was given. */
TEST_ON_DEMAND(helper_standard, 120)
{
    static uint8_t bytes[65536];
    struct leat_hub *hub = kit_hub(NULL);
    leat_conn in = standard_adopt(hub, GetStdHandle(STD_INPUT_HANDLE));
    leat_conn out = standard_adopt(hub, GetStdHandle(STD_OUTPUT_HANDLE));
    enum leat_error error;
    uint64_t undelivered = 0;
    while ((error = leat_wait_readable(hub, in, 60000)) == LEAT_OK) {
        size_t size = 0, written = 0;
        REQUIRE_ERROR(leat_read(hub, in, bytes, sizeof bytes, &size), LEAT_OK);
        REQUIRE_ERROR(leat_write_full(hub, out, bytes, size, KIT_SOON_MS, &written), LEAT_OK);
    }
    bool good = error == LEAT_E_FINISHED &&
                leat_close_wait(hub, out, KIT_SOON_MS, &undelivered) == LEAT_OK &&
                leat_hub_destroy(hub) == LEAT_OK;
    /* Not the harness's way: it would print to a handle that is closed. */
    (void)TerminateProcess(GetCurrentProcess(), good ? 0 : 1);
}

/* A child on two pipes as every shell makes them; *in_out and *out_out are our ends. */
static HANDLE standard_child(HANDLE *in_out, HANDLE *out_out)
{
    char command[1200];
    HANDLE in = NULL, out = NULL;
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;
    REQUIRE(CreatePipe(&in, in_out, &inherited, 0) && CreatePipe(out_out, &out, &inherited, 0));
    REQUIRE(SetHandleInformation(*in_out, HANDLE_FLAG_INHERIT, 0));
    REQUIRE(SetHandleInformation(*out_out, HANDLE_FLAG_INHERIT, 0));
    start.hStdInput = in;
    start.hStdOutput = out;
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    (void)snprintf(command, sizeof command, "\"%s\" --run helper_standard", lti_test_program());
    REQUIRE(CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process));
    CHECK(CloseHandle(in) && CloseHandle(out) && CloseHandle(process.hThread));
    return process.hProcess;
}

TEST_TIMEOUT(nt_standard_handles_of_a_child, 120)
{
    static uint8_t sent[STANDARD_BYTES], got[STANDARD_BYTES];
    struct leat_hub *hub = kit_begin();
    HANDLE in, out;
    size_t size = 0;
    HANDLE child = standard_child(&in, &out);
    leat_conn to = standard_adopt(hub, in), from = standard_adopt(hub, out);
    kit_pattern(sent, sizeof sent, 0);
    kit_write(hub, to, sent, sizeof sent);
    REQUIRE_ERROR(leat_read_full(hub, from, got, sizeof got, 60000, &size), LEAT_OK);
    CHECK_MEM(got, sent, sizeof sent);
    kit_write_text(hub, to, "and the end");
    CHECK_ERROR(leat_close(hub, to, KIT_SOON_MS), LEAT_OK);
    kit_read_text(hub, from, "and the end");
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    DWORD code = 999;
    CHECK_INT(WaitForSingleObject(child, (DWORD)lti_test_scaled_ms(60000)), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child, &code) && CloseHandle(child));
    CHECK_INT(code, 0);
    kit_end(hub);
}

TEST_TIMEOUT(nt_standard_handles_of_a_child_that_is_killed, 120)
{
    struct leat_hub *hub = kit_begin();
    HANDLE in, out;
    HANDLE child = standard_child(&in, &out);
    leat_conn to = standard_adopt(hub, in), from = standard_adopt(hub, out);
    kit_write_text(hub, to, "hello");
    kit_read_text(hub, from, "hello");
    CHECK(TerminateProcess(child, 1));
    REQUIRE(WaitForSingleObject(child, 30000) == WAIT_OBJECT_0);
    CHECK(CloseHandle(child));
    /* Both ends are told of it, each by itself. */
    uint64_t begin = kit_now_ms();
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(1000));
    kit_end(hub);
}

/* ---- What a pipe of ours says of itself ------------------------------------------------------ */

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

/* Nothing is added to a descriptor of the user's own, and nothing taken from it. */
TEST(nt_sddl_text_comes_back)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("own"), *own = kit_own_sid();
    char sddl[600];
    (void)snprintf(sddl, sizeof sddl,
                   "O:%sG:%sD:P(D;;FA;;;AN)(A;;FA;;;%s)(A;;0x12019b;;;S-1-5-21-1-2-3-1001)", own,
                   own, own);
    const struct leat_listen_options options = {
        .size = sizeof options, .who = LEAT_WHO_INSECURE_ANYONE, .sddl = sddl};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, name, &options, &listener), LEAT_OK);
    int fd = kit_raw_connect(name);
    char *text = descriptor_text(kit_raw_handle(fd));
    CHECK_STR(text, sddl);
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
