/* SPDX-License-Identifier: MIT
 *
 * The harness tested with itself: what only Windows can break.
 */
#include "harness_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* A helper that shall live until it is ended. */
#define STAYS "stays_for_ever"

static HANDLE program_start(const char *first, const char *second, HANDLE output)
{
    char command[2048];
    STARTUPINFOA start = {.cb = sizeof start,
                          .dwFlags = STARTF_USESTDHANDLES,
                          .hStdInput = NULL,
                          .hStdOutput = output,
                          .hStdError = output};
    PROCESS_INFORMATION process;
    snprintf(command, sizeof command, "\"%s\" %s %s", lti_test_program(), first,
             second != NULL ? second : "");
    REQUIRE(
        CreateProcessA(NULL, command, NULL, NULL, output != NULL, 0, NULL, NULL, &start, &process));
    CloseHandle(process.hThread);
    return process.hProcess;
}

int program_run(const char *first, const char *second, char *text, size_t size)
{
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    char folder[300];
    char path[320];
    DWORD code = 0;
    DWORD got = 0;
    snprintf(folder, sizeof folder, "%s", lti_test_folder());
    snprintf(path, sizeof path, "%s/output", folder);
    HANDLE output = CreateFileA(path, GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, CREATE_NEW,
                                FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    REQUIRE(output != INVALID_HANDLE_VALUE);
    SetEnvironmentVariableA("LEAT_TEST_FOLDER", NULL);
    HANDLE process = program_start(first, second, output);
    SetEnvironmentVariableA("LEAT_TEST_FOLDER", folder);
    REQUIRE_INT(WaitForSingleObject(process, INFINITE), WAIT_OBJECT_0);
    REQUIRE(GetExitCodeProcess(process, &code));
    SetFilePointer(output, 0, NULL, FILE_BEGIN);
    REQUIRE(ReadFile(output, text, (DWORD)(size - 1), &got, NULL));
    text[got] = '\0';
    CloseHandle(process);
    CloseHandle(output);
    return (int)code;
}

BROKEN(abort, "crashed: 0xc0000409, abort")
{
    CHECK(true);
    abort();
}

BROKEN(memory, "crashed: 0xc0000005, access violation")
{
    volatile int *volatile nowhere = NULL;
    CHECK(true);
    *nowhere = 1;
}

BROKEN(trap, "crashed: 0xc000001d, illegal instruction")
{
    CHECK(true);
    __builtin_trap();
}

BROKEN(event, "left open: Event")
{
    CHECK(CreateEventA(NULL, FALSE, FALSE, NULL) != NULL);
}

BROKEN(open_file, "left open: File")
{
    HANDLE file = CreateFileA("NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
}

BROKEN(closed_handle, "closed, but not opened")
{
    CHECK(CloseHandle(GetStdHandle(STD_INPUT_HANDLE)));
}

/* The handle is closed, so that the process is all that is left. */
BROKEN(process, "left a process running")
{
    CHECK(CloseHandle(program_start("--run", STAYS, NULL)));
}

TEST_ON_DEMAND(stays_for_ever, 60)
{
    for (;;)
        lti_test_pause();
}

/* A time limit ends the whole tree: else this test would be reported for what it left. */
TEST_ON_DEMAND(broken_tree, 2)
{
    CHECK(true);
    WaitForSingleObject(program_start("--run", STAYS, NULL), INFINITE);
}

TEST(harness_ends_a_tree)
{
    expect_failed("broken_tree", "ran longer than ");
}
