/* SPDX-License-Identifier: MIT
 *
 * The processes of the kill tests, and how one is followed from call to call.
 *
 * Happy path: fork, play a part, _exit. One that is followed stops before its first call of the
 *             library; from there on the system shows each of its calls before it is made.
 * Fails:      the test does, when the system does.
 * Invariants: only processes that were started here are ended here. One that is followed dies with
 *             its follower.
 */
#include "kill.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>

/* The kernel's header of this name and the C library's cannot be included together. */
#define PROCESS_SYSCALL_INFO 0x420e
#define PROCESS_SYSCALL_ENTRY 1
struct process_syscall {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t instruction, stack, number, arguments[6];
    uint64_t room[4];
};

static uint64_t process_cpu_ms;

struct kill_world *kill_world_begin(void)
{
    void *memory = mmap(NULL, sizeof(struct kill_world), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

void kill_world_end(struct kill_world *world)
{
    CHECK(kill_folder_is_empty());
    (void)munmap(world, sizeof *world);
}

const char *kill_path(void)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/k", lti_test_folder());
    return path;
}

bool kill_folder_is_empty(void)
{
    DIR *folder = opendir(lti_test_folder());
    REQUIRE(folder != NULL);
    bool empty = true;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        empty = empty && entry->d_name[0] == '.';
    (void)closedir(folder);
    return empty;
}

/* ---- Starting and waiting -------------------------------------------------------------------- */

static void process_mark(const void *argument)
{
    const struct kill_part *part = argument;
    if (part->mark)
        part->mark(part->argument);
    (void)raise(SIGSTOP);
}

pid_t kill_start(const struct kill_part *part, bool followed)
{
    (void)fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0)
        return child;
    struct kill_part own = *part;
    if (followed) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(9);
        own.mark = process_mark;
        own.argument = part;
    }
    kill_act(&own);
    _exit(0);
}

bool kill_wait(pid_t pid, uint64_t limit_ms, int *status_out)
{
    struct rusage usage;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(limit_ms);
    pid_t waited = wait4(pid, status_out, WNOHANG, &usage);
    while ((waited == 0 || (waited < 0 && errno == EINTR)) && lti_test_now_ms() < until) {
        lti_test_pause();
        waited = wait4(pid, status_out, WNOHANG, &usage);
    }
    bool ended = waited == pid;
    if (!ended) {
        (void)kill(pid, SIGKILL);
        (void)wait4(pid, status_out, 0, &usage);
    }
    process_cpu_ms = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                     (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    return ended;
}

uint64_t kill_cpu_ms(void)
{
    return process_cpu_ms;
}

static bool process_is_gone(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
}

void kill_wait_listening(const struct kill_end *server, pid_t pid)
{
    CHECK_WITHIN(KILL_PATIENCE_MS, atomic_load(&server->listening) || process_is_gone(pid));
}

/* ---- Following ------------------------------------------------------------------------------- */

/* Waits for the followed process's next stop; false when it is gone. */
static bool trace_wait(struct kill_trace *trace)
{
    pid_t waited;
    do
        waited = waitpid(trace->pid, &trace->status, __WALL);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == trace->pid);
    return WIFSTOPPED(trace->status);
}

static void trace_strike(struct kill_trace *trace)
{
    trace->struck = true;
    if (trace->blow == KILL_BLOW_KILL) {
        REQUIRE(kill(trace->pid, SIGKILL) == 0);
        while (trace_wait(trace))
            continue;
        return;
    }
    /* The signal waits while the process is let go, so the call that it is about to make is the one
     * that is interrupted. */
    REQUIRE(kill(trace->pid, SIGSTOP) == 0);
    REQUIRE(ptrace(PTRACE_DETACH, trace->pid, NULL, NULL) == 0);
    int status = 0;
    REQUIRE(waitpid(trace->pid, &status, WUNTRACED) == trace->pid);
    REQUIRE(WIFSTOPPED(status));
}

/* At a call that begins: true when that is the one to strike at. */
static bool trace_count(struct kill_trace *trace)
{
    struct process_syscall call;
    memset(&call, 0, sizeof call);
    REQUIRE(ptrace((enum __ptrace_request)PROCESS_SYSCALL_INFO, trace->pid, (void *)sizeof call,
                   &call) > 0);
    if (call.op != PROCESS_SYSCALL_ENTRY)
        return false;
    if (trace->each)
        trace->each(trace->argument);
    /* On older kernels hundreds of these look whether descriptors are there, and change nothing. */
    bool look = call.number == SYS_fcntl && call.arguments[1] == F_GETFD;
    if (look || atomic_load(&trace->end->over))
        return false;
    if (trace->count < KILL_CALLS_MAX)
        trace->numbers[trace->count] = (int)call.number;
    trace->count++;
    return trace->blow != KILL_BLOW_NONE && trace->count == trace->at;
}

void kill_follow(struct kill_trace *trace)
{
    trace->count = 0;
    trace->struck = false;
    REQUIRE(trace_wait(trace) && WSTOPSIG(trace->status) == SIGSTOP);
    REQUIRE(ptrace(PTRACE_SETOPTIONS, trace->pid, NULL,
                   (void *)(intptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) == 0);
    intptr_t signal = 0;
    for (;;) {
        REQUIRE(ptrace(PTRACE_SYSCALL, trace->pid, NULL, (void *)signal) == 0);
        if (!trace_wait(trace))
            return;
        bool call = WSTOPSIG(trace->status) == (SIGTRAP | 0x80);
        signal = call ? 0 : WSTOPSIG(trace->status);
        if (call && trace_count(trace)) {
            trace_strike(trace);
            return;
        }
    }
}
