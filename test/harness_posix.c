/* SPDX-License-Identifier: MIT
 *
 * What the harness needs of a POSIX system.
 *
 * Happy path: a job is a forked process that runs this program again, in a process group of its
 * own, with a pipe for what it prints; SIGCHLD ends the parent's poll.
 *
 * Fails: a system call that the harness cannot do without ends it with 2.
 *
 * Invariants: a process group is killed before its leader is reaped, so that its number cannot mean
 * anybody else's.
 */
#include "harness_system.h"
#include "harness_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void lti_harness_prepare(void)
{
}

void lti_harness_die(const char *what)
{
    fprintf(stderr, "harness: %s: %s\n", what, strerror(errno));
    exit(2);
}

void lti_harness_leave(int code)
{
    _exit(code);
}

/* ---- Time, folder, program ------------------------------------------------------------------- */

uint64_t lti_test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void lti_test_pause(void)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

bool lti_test_on_wine(void)
{
    return false;
}

const char *lti_test_program(void)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0)
        lti_harness_die("finding this program");
    path[size] = '\0';
    return path;
}

void lti_harness_folder_make(char folder[LTI_HARNESS_PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/' || strlen(parent) > 40)
        parent = "/tmp";
    snprintf(folder, LTI_HARNESS_PATH_BYTES, "%s/leat-XXXXXX", parent);
    if (mkdtemp(folder) == NULL)
        lti_harness_die("making a folder");
}

static int folder_remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *place)
{
    (void)status;
    if (type == FTW_DNR && chmod(path, 0700) != 0)
        return 0;
    if (place->level > 0)
        printf("left behind: %s\n", path);
    remove(path);
    return 0;
}

bool lti_harness_folder_remove(const char *folder)
{
    if (rmdir(folder) == 0)
        return true;
    nftw(folder, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return false;
}

void lti_harness_folder_tell(const char *folder)
{
    if (setenv(LTI_HARNESS_FOLDER_ENV, folder, 1) != 0)
        lti_harness_die("telling the folder");
}

/* ---- The test's process ---------------------------------------------------------------------- */

static struct fds open_before;

void lti_harness_child_prepare(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}

int64_t lti_harness_process(void)
{
    return getpid();
}

void lti_harness_open_note(void)
{
    fds_note(&open_before);
}

bool lti_harness_open_same(void)
{
    static struct fds after;
    fds_note(&after);
    return fds_same(&open_before, &after);
}

/* ---- The parent ------------------------------------------------------------------------------ */

static int signal_pipe[2];
static volatile sig_atomic_t interrupted;

static void signal_note(int number)
{
    int saved = errno;
    if (number != SIGCHLD)
        interrupted = number;
    ssize_t ignored = write(signal_pipe[1], "", 1);
    (void)ignored;
    errno = saved;
}

void lti_harness_parent_prepare(void)
{
    const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        lti_harness_die("making a pipe");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = {.sa_handler = signal_note, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], &action, NULL) != 0)
            lti_harness_die("catching a signal");
    }
}

int lti_harness_interrupted(void)
{
    return interrupted;
}

__attribute__((noreturn)) static void job_exec(const struct lti_harness_job *job, int output)
{
    struct rlimit no_core = {0, 0};
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGPIPE, SIG_DFL);
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        setenv(LTI_HARNESS_FOLDER_ENV, job->folder, 1) != 0)
        _exit(2);
    /* The system cannot run a program of another machine; whoever runs this one can. */
    const char *emulator = getenv("LEAT_TEST_EMULATOR");
    if (emulator != NULL)
        execl(emulator, emulator, lti_test_program(), "--run", job->test->name, (char *)NULL);
    else
        execl(lti_test_program(), lti_test_program(), "--run", job->test->name, (char *)NULL);
    _exit(2);
}

void lti_harness_job_begin(struct lti_harness_job *job)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        lti_harness_die("making a pipe");
    job->output = ends[0];
    pid_t pid = fork();
    if (pid < 0)
        lti_harness_die("starting a process");
    if (pid == 0)
        job_exec(job, ends[1]);
    setpgid(pid, pid); /* both do it: neither may be late */
    job->process = pid;
    close(ends[1]);
}

/* Takes what the child printed; true at the end, when no process can print any more. */
static bool job_drain(struct lti_harness_job *job)
{
    char rest[4096];
    for (;;) {
        size_t room = sizeof job->text - job->size;
        ssize_t size = room > 0 ? read((int)job->output, job->text + job->size, room)
                                : read((int)job->output, rest, sizeof rest);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size == 0;
        if (room > 0)
            job->size += (size_t)size;
        else
            job->dropped = true;
    }
}

/* It stays unreaped. */
bool lti_harness_job_ended(struct lti_harness_job *job)
{
    siginfo_t info = {.si_pid = 0};
    job_drain(job);
    return waitid(P_PID, (id_t)job->process, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == job->process;
}

void lti_harness_job_kill(struct lti_harness_job *job)
{
    kill((pid_t)-job->process, SIGKILL);
}

void lti_harness_job_finish(struct lti_harness_job *job, struct lti_harness_end *end_out)
{
    /* A process that the test ended itself may need a moment to be gone. */
    struct pollfd wait = {(int)job->output, POLLIN, 0};
    bool silent = job_drain(job);
    for (int tries = 0; !silent && !job->timed_out && tries < 10; tries++) {
        poll(&wait, 1, 100);
        silent = job_drain(job);
    }
    int status = 0;
    lti_harness_job_kill(job);
    while (waitpid((pid_t)job->process, &status, 0) < 0)
        if (errno != EINTR)
            lti_harness_die("waiting for a process");
    close((int)job->output);
    job->process = 0;
    *end_out = (struct lti_harness_end){.alone = silent};
    end_out->crashed = WIFSIGNALED(status);
    if (end_out->crashed)
        snprintf(end_out->words, sizeof end_out->words, "signal %d, %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        end_out->code = WEXITSTATUS(status);
}

void lti_harness_jobs_wait(struct lti_harness_job *jobs, size_t count, uint64_t wait_ms)
{
    struct pollfd fds[LTI_HARNESS_JOBS_MAX + 1] = {{signal_pipe[0], POLLIN, 0}};
    nfds_t used = 1;
    for (size_t i = 0; i < count; i++)
        if (jobs[i].test != NULL)
            fds[used++] = (struct pollfd){(int)jobs[i].output, POLLIN, 0};
    poll(fds, used, (int)wait_ms);
    char drained[64];
    while (read(signal_pipe[0], drained, sizeof drained) > 0) {
    }
}
