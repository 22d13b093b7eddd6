/* SPDX-License-Identifier: MIT
 *
 * Helpers: other processes of this program, each of which runs one test that is only run so.
 *
 * Happy path: the environment tells a helper a name, and who started it.
 * Fails:      a helper that cannot be started, or is told nothing, ends the test.
 * Invariants: no helper outlives who started it for the sake of being killed by it.
 */
#include "helpers_windows.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_ENV "LEAT_TEST_NAME"
#define STARTER_ENV "LEAT_TEST_STARTER" /* a process's number */
#define END_MS 60000
#define STAY_MS 120000

struct helper helper_start(const char *test, const char *name, bool inherit)
{
    char command[1200], starter[16];
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    (void)snprintf(command, sizeof command, "\"%s\" --run %s", lti_test_program(), test);
    (void)snprintf(starter, sizeof starter, "%lu", GetCurrentProcessId());
    REQUIRE(SetEnvironmentVariableA(NAME_ENV, name));
    REQUIRE(SetEnvironmentVariableA(STARTER_ENV, starter));
    REQUIRE(CreateProcessA(NULL, command, NULL, NULL, inherit, 0, NULL, NULL, &start, &process));
    return (struct helper){process.hProcess, process.hThread, process.dwProcessId};
}

int helper_end(struct helper *helper, bool kill)
{
    DWORD code = 999;
    if (kill)
        CHECK(TerminateProcess(helper->process, 1));
    CHECK_INT(WaitForSingleObject(helper->process, (DWORD)lti_test_scaled_ms(END_MS)),
              WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(helper->process, &code));
    CHECK(CloseHandle(helper->process) && CloseHandle(helper->thread));
    return (int)code;
}

static const char *told(const char *variable)
{
    const char *text = getenv(variable);
    REQUIRE(text != NULL);
    return text;
}

const char *helper_name(void)
{
    return told(NAME_ENV);
}

void helper_stay(void)
{
    HANDLE starter = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)strtoul(told(STARTER_ENV), NULL, 10));
    REQUIRE(starter != NULL);
    CHECK_INT(WaitForSingleObject(starter, (DWORD)lti_test_scaled_ms(STAY_MS)), WAIT_OBJECT_0);
    CHECK(CloseHandle(starter));
}
