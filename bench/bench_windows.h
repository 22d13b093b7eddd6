/* SPDX-License-Identifier: MIT
 *
 * What bench.h needs of Windows: clocks, cores, memory, and the server's process, which is this
 * program once more. Only bench.h includes it.
 */
#ifndef BENCH_BENCH_WINDOWS_H
#define BENCH_BENCH_WINDOWS_H

#include "bench_base.h"

#define WIN32_LEAN_AND_MEAN 1
#include <windows.h>
/* after windows.h, which it needs */
#include <psapi.h>

#define BENCH_BACKLOG 0u /* what is usual */

static struct {
    HANDLE shared, parent; /* given to a server by --shared and --parent */
} bench_given;

BENCH_NORETURN static inline void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s (error %lu)\n", what, GetLastError());
    exit(1);
}

static inline uint64_t bench_now(void)
{
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    uint64_t count = (uint64_t)ticks.QuadPart, each = (uint64_t)frequency.QuadPart;
    return count / each * 1000000000u + count % each * 1000000000u / each;
}

static inline uint64_t bench_filetime_ns(FILETIME time)
{
    return (((uint64_t)time.dwHighDateTime << 32) | time.dwLowDateTime) * 100;
}

static inline uint64_t bench_cpu(intptr_t process)
{
    FILETIME made, ended, kernel, user;
    HANDLE handle = process != 0 ? (HANDLE)process : GetCurrentProcess();
    bench_need(GetProcessTimes(handle, &made, &ended, &kernel, &user), "the processor's time");
    return bench_filetime_ns(kernel) + bench_filetime_ns(user);
}

static inline uint64_t bench_private_dirty(intptr_t process)
{
    PROCESS_MEMORY_COUNTERS counters;
    HANDLE handle = process != 0 ? (HANDLE)process : GetCurrentProcess();
    bench_need(K32GetProcessMemoryInfo(handle, &counters, sizeof counters), "memory");
    return counters.PagefileUsage;
}

/* The system does not count them for a process. */
static inline uint64_t bench_switches(intptr_t process)
{
    (void)process;
    return 0;
}

/* Handles have no such limit. */
static inline void bench_descriptors(uint64_t count)
{
    (void)count;
}

/* Runs on one core only: the first or the second of the machine. */
static inline void bench_pin(unsigned number)
{
    DWORD_PTR own, left;
    bench_need(GetProcessAffinityMask(GetCurrentProcess(), &own, &left), "affinity");
    for (unsigned seen = 0; seen < number; seen++)
        left &= left - 1;
    bench_need(left != 0, "too few cores");
    bench_need(SetProcessAffinityMask(GetCurrentProcess(), left & (~left + 1)), "affinity");
}

static inline bool bench_system_option(const char *option, const char *value)
{
    HANDLE handle = (HANDLE)(uintptr_t)strtoull(value, NULL, 10);
    if (strcmp(option, "--shared") == 0)
        bench_given.shared = handle;
    else if (strcmp(option, "--parent") == 0)
        bench_given.parent = handle;
    else
        return false;
    return true;
}

/* Whoever hangs, or whose client has gone, is ended. */
static DWORD WINAPI bench_watchdog(void *process)
{
    (void)WaitForSingleObject(process, BENCH_SECONDS_MAX * 1000);
    (void)TerminateProcess(GetCurrentProcess(), 3);
    return 0;
}

static inline void bench_system_prepare(struct bench *b)
{
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    HANDLE watch = bench_given.parent ? bench_given.parent : GetCurrentProcess();
    HANDLE thread = CreateThread(NULL, 0, bench_watchdog, watch, 0, NULL);
    bench_need(thread != NULL, "thread");
    CloseHandle(thread);
    if (b->role != 's')
        bench_given.shared = CreateFileMappingA(INVALID_HANDLE_VALUE, &inherit, PAGE_READWRITE, 0,
                                                sizeof *b->served, NULL);
    b->served =
        MapViewOfFile(bench_given.shared, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, sizeof *b->served);
    bench_need(b->served != NULL, "shared memory");
    if (b->role == 0)
        snprintf(b->folder, sizeof b->folder, "%lu", GetCurrentProcessId());
    snprintf(b->path, sizeof b->path, "\\\\.\\pipe\\leat-bench-%s", b->folder);
}

/* The server listens: the client may begin. */
static inline void bench_ready(const struct bench *b)
{
    DWORD written = 0;
    (void)b;
    bench_need(WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "ready\n", 6, &written, NULL) &&
                   written == 6,
               "ready");
}

/* The server in a process of its own, which ends with this one. */
static inline void bench_start(struct bench *b, const struct bench_peer *peer)
{
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION made;
    HANDLE from, self;
    char line[1024], answer[8];
    DWORD size = 0;
    (void)peer;
    bench_need(CreatePipe(&from, &start.hStdOutput, &inherit, 0), "pipe");
    bench_need(SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0), "inherit");
    bench_need(DuplicateHandle(GetCurrentProcess(), GetCurrentProcess(), GetCurrentProcess(), &self,
                               SYNCHRONIZE, TRUE, 0),
               "duplicate");
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    int length =
        snprintf(line, sizeof line, "%s --role s --folder %s --shared %llu --parent %llu",
                 GetCommandLineA(), b->folder, (unsigned long long)(uintptr_t)bench_given.shared,
                 (unsigned long long)(uintptr_t)self);
    bench_need(length > 0 && (size_t)length < sizeof line, "the command line is too long");
    bench_need(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made),
               "the server did not start");
    b->server = (intptr_t)made.hProcess;
    CloseHandle(made.hThread);
    CloseHandle(start.hStdOutput);
    CloseHandle(self);
    bench_need(ReadFile(from, answer, sizeof answer, &size, NULL) && size == 6,
               "the server did not begin");
    CloseHandle(from);
}

static inline void bench_join(const struct bench *b)
{
    DWORD code = 1;
    bench_need(WaitForSingleObject((HANDLE)b->server, INFINITE) == WAIT_OBJECT_0, "wait");
    bench_need(GetExitCodeProcess((HANDLE)b->server, &code) && code == 0, "the server failed");
    CloseHandle((HANDLE)b->server);
}

#endif
