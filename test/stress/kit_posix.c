/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share, for POSIX systems: shared memory, names, threads, processes.
 *
 * Happy path: plain names are pointed into the test's folder; a child is a forked copy of the test.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: whoever starts a thread or a process waits for it, and for no other.
 */
#include "stress_posix.h"

#include "os_fault.h"
#include "os_posix.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *stress_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void stress_memory_end(void *memory, size_t bytes)
{
    CHECK_INT(munmap(memory, bytes), 0);
}

void stress_system_begin(void)
{
    REQUIRE(setenv("XDG_RUNTIME_DIR", lti_test_folder(), 1) == 0);
}

/* An empty folder can be removed: so no socket and no lock is left. */
void stress_system_end(void)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/leat", lti_test_folder());
    CHECK(rmdir(path) == 0 || errno == ENOENT);
}

const char *stress_system_name(const char *word)
{
    return word;
}

int64_t stress_system_handles(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -1; /* the folder's own */
    REQUIRE(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

uint64_t stress_system_memory(void)
{
#if LTI_TEST_SANITIZED
    return 0;
#else
    unsigned long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%llu %llu", &all, &resident);
    (void)fclose(file);
    return found == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
#endif
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct stress_thread {
    pthread_t native;
    void (*run)(void *argument);
    void *argument;
};

static void *thread_run(void *argument)
{
    const struct stress_thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

struct stress_thread *stress_thread_start(void (*run)(void *argument), void *argument)
{
    struct stress_thread *thread = malloc(sizeof *thread);
    REQUIRE(thread != NULL);
    thread->run = run;
    thread->argument = argument;
    REQUIRE(pthread_create(&thread->native, NULL, thread_run, thread) == 0);
    return thread;
}

void stress_thread_join(struct stress_thread *thread)
{
    REQUIRE(pthread_join(thread->native, NULL) == 0);
    free(thread);
}

void stress_handle_close(intptr_t handle)
{
    CHECK_INT(lti_os_close((int)handle), 0);
}

/* ---- Processes ------------------------------------------------------------------------------- */

pid_t stress_child(void (*run)(void *argument), void *argument)
{
    int64_t allocations = lti_test_allocations_live();
    int64_t descriptors = lti_test_descriptors_live();
    (void)fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0)
        return child;
    run(argument);
    bool good = CHECK_INT(lti_test_allocations_live(), allocations) &&
                CHECK_INT(lti_test_descriptors_live(), descriptors);
    (void)fflush(stdout);
    _exit(good ? 0 : 1);
}

static int child_wait(pid_t child, int flags)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, flags);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == child);
    return status;
}

void stress_child_good(pid_t child)
{
    int status = child_wait(child, 0);
    if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        (void)printf("process %d ended with 0x%x\n", (int)child, (unsigned int)status);
}

bool stress_child_stop(pid_t child)
{
    REQUIRE(kill(child, SIGSTOP) == 0);
    int status = child_wait(child, WUNTRACED);
    if (WIFSTOPPED(status))
        return true;
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

void stress_child_go_on(pid_t child)
{
    REQUIRE(kill(child, SIGCONT) == 0);
}

bool stress_child_kill(pid_t child, struct stress_tale *tale, uint32_t teller)
{
    if (!stress_child_stop(child))
        return false;
    if (tale != NULL)
        stress_tell_killed(tale, teller);
    REQUIRE(kill(child, SIGKILL) == 0);
    int status = child_wait(child, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return true;
}
