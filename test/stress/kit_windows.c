/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share, for Windows: names, threads, what is open.
 *
 * Happy path: each test's names have a word of its own in them; a thread runs to its end.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: whoever starts a thread joins it.
 */
#include "stress.h"

#include "os_nt.h"

#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include <psapi.h>

void *stress_memory(size_t bytes)
{
    return calloc(1, bytes);
}

void stress_memory_end(void *memory, size_t bytes)
{
    (void)bytes;
    free(memory);
}

void stress_system_begin(void)
{
}

/* A pipe's name is gone with its last handle: the harness counts these. */
void stress_system_end(void)
{
}

const char *stress_system_name(const char *word)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "stress-%lu-%s", (unsigned long)GetCurrentProcessId(), word);
    return name;
}

int64_t stress_system_handles(void)
{
    DWORD count = 0;
    REQUIRE(GetProcessHandleCount(GetCurrentProcess(), &count));
    return count;
}

uint64_t stress_system_memory(void)
{
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
    if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        return 0;
    return counters.PagefileUsage;
}

struct stress_thread {
    intptr_t handle;
};

struct stress_thread *stress_thread_start(void (*run)(void *argument), void *argument)
{
    struct stress_thread *thread = malloc(sizeof *thread);
    REQUIRE(thread != NULL);
    int64_t handle = lti_os_thread_start(run, argument);
    REQUIRE(handle >= 0);
    thread->handle = (intptr_t)handle;
    return thread;
}

void stress_thread_join(struct stress_thread *thread)
{
    REQUIRE_INT(lti_os_thread_join(thread->handle), 0);
    free(thread);
}

void stress_handle_close(intptr_t handle)
{
    CHECK_INT(lti_os_handle_close(handle), 0);
}
