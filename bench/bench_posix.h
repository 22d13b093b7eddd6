/* SPDX-License-Identifier: MIT
 *
 * What bench.h needs of a POSIX system: clocks, cores, memory, and the server's process, which is a
 * fork. Only bench.h includes it.
 */
#ifndef BENCH_BENCH_POSIX_H
#define BENCH_BENCH_POSIX_H

#include "bench_base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_BACKLOG 4096u

static cpu_set_t bench_cores; /* those that this process may use */

BENCH_NORETURN static inline void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static inline uint64_t bench_clock(clockid_t clock)
{
    struct timespec time;
    bench_need(clock_gettime(clock, &time) == 0, "clock");
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline uint64_t bench_now(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

static inline uint64_t bench_cpu(intptr_t process)
{
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    if (process != 0)
        bench_need(clock_getcpuclockid((pid_t)process, &clock) == 0, "the server's clock");
    return bench_clock(clock);
}

static inline uint64_t bench_private_dirty(intptr_t process)
{
    char path[64], line[128];
    unsigned long long kilobytes = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup",
             process != 0 ? (int)process : (int)getpid());
    FILE *file = fopen(path, "re");
    bench_need(file != NULL, path);
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "Private_Dirty: %llu", &kilobytes) == 1;
    fclose(file);
    bench_need(found, "no Private_Dirty");
    return kilobytes * 1024;
}

/* How often the system took a core from a thread of the process, or the thread gave it away. */
static inline uint64_t bench_switches(intptr_t process)
{
    char path[300], line[128];
    unsigned long long count, sum = 0;
    int pid = process != 0 ? (int)process : (int)getpid();
    const struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    bench_need(folder != NULL, path);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
        FILE *file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof line, file)) /* null: the thread has ended */
            if (sscanf(line, "voluntary_ctxt_switches: %llu", &count) == 1 ||
                sscanf(line, "nonvoluntary_ctxt_switches: %llu", &count) == 1)
                sum += count;
        if (file != NULL)
            fclose(file);
    }
    closedir(folder);
    return sum;
}

/* Runs on one core only: the first or the second of those that this process may use. */
static inline void bench_pin(unsigned number)
{
    cpu_set_t one;
    size_t core = 0;
    for (unsigned seen = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &bench_cores) && seen++ == number)
            break;
    bench_need(core < CPU_SETSIZE, "too few cores");
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    bench_need(sched_setaffinity(0, sizeof one, &one) == 0, "affinity");
}

static inline bool bench_system_option(const char *option, const char *value)
{
    (void)option;
    (void)value;
    return false;
}

/* So many descriptors in each process, or this peer cannot take part. */
static inline void bench_descriptors(uint64_t count)
{
    struct rlimit files;
    count += 64;
    bench_need(getrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    if (files.rlim_max < count) {
        struct rlimit more;
        more.rlim_cur = more.rlim_max = (rlim_t)count;
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) /* only root may */
            return;
        fprintf(stderr, "left out: %llu descriptors are needed, %llu are allowed\n",
                (unsigned long long)count, (unsigned long long)files.rlim_max);
        exit(BENCH_LEFT_OUT);
    }
    files.rlim_cur = files.rlim_max;
    bench_need(setrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
}

static inline void bench_system_prepare(struct bench *b)
{
    bench_need(sched_getaffinity(0, sizeof bench_cores, &bench_cores) == 0, "affinity");
    signal(SIGPIPE, SIG_IGN);
    alarm(BENCH_SECONDS_MAX);
    b->ready = STDOUT_FILENO;
    void *shared =
        mmap(NULL, sizeof *b->served, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench_need(shared != MAP_FAILED, "mmap");
    b->served = (struct bench_side *)shared;
    snprintf(b->path, sizeof b->path, "%s/s", b->folder);
}

/* The server listens: the client may begin. */
static inline void bench_ready(const struct bench *b)
{
    bench_need(write((int)b->ready, "ready\n", 6) == 6, "ready");
}

/* The server in a process of its own, which ends with this one. */
static inline void bench_start(struct bench *b, const struct bench_peer *peer)
{
    int ready[2];
    char answer[8];
    const char *tmp = getenv("TMPDIR");
    snprintf(b->folder, sizeof b->folder, "%s/leat-bench-XXXXXX", tmp ? tmp : "/tmp");
    bench_need(mkdtemp(b->folder) != NULL, "mkdtemp");
    snprintf(b->path, sizeof b->path, "%s/s", b->folder);
    bench_need(pipe(ready) == 0, "pipe");
    b->ready = ready[1];
    pid_t server = fork();
    bench_need(server >= 0, "fork");
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(BENCH_SECONDS_MAX);
        close(ready[0]);
        if (b->two_cores)
            bench_pin(1);
        peer->serve(b);
        _exit(0);
    }
    b->server = server;
    close(ready[1]);
    bench_need(read(ready[0], answer, sizeof answer) == 6, "the server did not start");
    close(ready[0]);
}

static inline void bench_join(const struct bench *b)
{
    int status = 0;
    bench_need(waitpid((pid_t)b->server, &status, 0) == (pid_t)b->server, "waitpid");
    unlink(b->path);
    rmdir(b->folder);
    bench_need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server failed");
}

#endif
