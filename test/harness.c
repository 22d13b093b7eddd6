/* SPDX-License-Identifier: MIT
 *
 * Runs tests, each in a process of its own, and judges them.
 *
 * Happy path: constructors register the tests; main starts this program again with --run NAME for
 * each, at most LEAT_TEST_JOBS at a time; the child runs the test and compares what is open and
 * allocated before and after; the parent judges how the child ended and counts.
 *
 * Fails: a test that fails in any way is reported with all it printed and makes the exit code 1;
 * a harness that cannot work (no process, no memory) says so and ends with 2.
 *
 * Invariants: a child leads a process group, which is killed before the child is reaped, so that
 * its number cannot mean anybody else's; an outcome is counted exactly once.
 */
#include "harness.h"
#include "harness_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 16
#define OUTPUT_BYTES_MAX 65536
#define PATH_BYTES 64
#define FOLDER_ENV "LEAT_TEST_FOLDER"

enum outcome { OUTCOME_PASSED = 0, OUTCOME_FAILED = 100, OUTCOME_SKIPPED = 77 };

static struct lti_test *tests_first;
static struct lti_test **tests_last = &tests_first;
static bool verbose;

__attribute__((noreturn)) static void harness_die(const char *what)
{
    fprintf(stderr, "harness: %s: %s\n", what, strerror(errno));
    exit(2);
}

void lti_test_register(struct lti_test *test)
{
    *tests_last = test;
    tests_last = &test->next;
}

static const struct lti_test *test_named(const char *name)
{
    for (const struct lti_test *test = tests_first; test != NULL; test = test->next)
        if (strcmp(test->name, name) == 0)
            return test;
    return NULL;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static atomic_uint_fast64_t checks_made;
static atomic_uint_fast64_t checks_failed;

static bool check_count(bool held)
{
    atomic_fetch_add_explicit(&checks_made, 1, memory_order_relaxed);
    if (!held)
        atomic_fetch_add_explicit(&checks_failed, 1, memory_order_relaxed);
    return held;
}

bool lti_test_check(bool held, const char *text, const char *file, int line)
{
    if (!check_count(held))
        printf("%s:%d: does not hold: %s\n", file, line, text);
    return held;
}

bool lti_test_check_int(int64_t actual, int64_t expected, const char *text, const char *file,
                        int line)
{
    if (!check_count(actual == expected))
        printf("%s:%d: %lld (0x%llx) is not %lld (0x%llx): %s\n", file, line, (long long)actual,
               (unsigned long long)actual, (long long)expected, (unsigned long long)expected, text);
    return actual == expected;
}

static const char *error_name(int error)
{
    switch (error) {
    case 0:
        return "OK";
#define LEAT_ERROR(name, value, text)                                                              \
    case value:                                                                                    \
        return #name;
#include "leat/error.def"
#undef LEAT_ERROR
    default:
        return "no leat error";
    }
}

bool lti_test_check_error(int actual, int expected, const char *text, const char *file, int line)
{
    if (!check_count(actual == expected))
        printf("%s:%d: %s (%d) is not %s (%d): %s\n", file, line, error_name(actual), actual,
               error_name(expected), expected, text);
    return actual == expected;
}

bool lti_test_check_str(const char *actual, const char *expected, const char *text,
                        const char *file, int line)
{
    bool held = actual != NULL && expected != NULL && strcmp(actual, expected) == 0;
    if (!check_count(held))
        printf("%s:%d: \"%s\" is not \"%s\": %s\n", file, line, actual != NULL ? actual : "(null)",
               expected != NULL ? expected : "(null)", text);
    return held;
}

bool lti_test_check_mem(const void *actual, const void *expected, size_t size, const char *text,
                        const char *file, int line)
{
    const unsigned char *left = actual;
    const unsigned char *right = expected;
    size_t at = 0;
    while (at < size && left[at] == right[at])
        at++;
    if (!check_count(at == size))
        printf("%s:%d: byte %zu of %zu: 0x%02x is not 0x%02x: %s\n", file, line, at, size, left[at],
               right[at], text);
    return at == size;
}

/* Ends at once: nothing that exit runs could add to what is known, leak reports least of all. */
void lti_test_stop(void)
{
    fflush(NULL);
    _exit(OUTCOME_FAILED);
}

void lti_test_skip(const char *what, const char *file, int line)
{
    if (atomic_load(&checks_failed) > 0)
        lti_test_stop();
    printf("%s:%d: needs %s\n", file, line, what);
    fflush(NULL);
    _exit(OUTCOME_SKIPPED);
}

/* ---- Time, folder, program ------------------------------------------------------------------- */

uint64_t lti_test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t lti_test_scaled_ms(uint64_t timeout_ms)
{
    const char *text = getenv("LEAT_TEST_TIMEOUT_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 1;
    return scale > 0 && scale <= 1000 ? (uint64_t)((double)timeout_ms * scale) : timeout_ms;
}

void lti_test_pause(void)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

const char *lti_test_folder(void)
{
    return getenv(FOLDER_ENV);
}

const char *lti_test_program(void)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0)
        harness_die("finding this program");
    path[size] = '\0';
    return path;
}

static void folder_make(char folder[PATH_BYTES])
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/' || strlen(parent) > 40)
        parent = "/tmp";
    snprintf(folder, PATH_BYTES, "%s/leat-XXXXXX", parent);
    if (mkdtemp(folder) == NULL)
        harness_die("making a folder");
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

/* True when the test had emptied it. */
static bool folder_remove(const char *folder)
{
    if (rmdir(folder) == 0)
        return true;
    nftw(folder, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return false;
}

/* ---- The child: one test, judged from inside ------------------------------------------------- */

static pid_t test_process;
static bool test_over;

/* A test that calls exit(0) would look as if it had passed; a process that it forked may do so. */
static void exit_guard(void)
{
    if (test_over || getpid() != test_process)
        return;
    printf("the test called exit\n");
    lti_test_stop();
}

static int64_t allocations_live(void)
{
    return lti_test_allocations_live != NULL ? lti_test_allocations_live() : 0;
}

static int child_run(const struct lti_test *test)
{
    static struct fds before;
    static struct fds after;
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_process = getpid();
    if (atexit(exit_guard) != 0)
        harness_die("preparing the test");
    int64_t allocations = allocations_live();
    fds_note(&before);
    test->run();
    fds_note(&after);
    if (getpid() != test_process) {
        printf("a forked process returned from the test\n");
        lti_test_stop();
    }
    allocations = allocations_live() - allocations;
    test_over = true;
    bool passed = atomic_load(&checks_failed) == 0;
    if (atomic_load(&checks_made) == 0) {
        printf("the test made no check\n");
        passed = false;
    }
    if (!fds_same(&before, &after))
        passed = false;
    if (allocations != 0) {
        printf("allocations left: %lld\n", (long long)allocations);
        passed = false;
    }
    if (!passed)
        lti_test_stop();
    return OUTCOME_PASSED;
}

/* In this process, without a time limit. */
static int child_main(const char *name)
{
    const struct lti_test *test = test_named(name);
    if (test == NULL) {
        fprintf(stderr, "harness: no test is called %s\n", name);
        return 2;
    }
    if (getenv(FOLDER_ENV) != NULL)
        return child_run(test);
    char folder[PATH_BYTES];
    folder_make(folder);
    if (setenv(FOLDER_ENV, folder, 1) != 0)
        harness_die("telling the folder");
    int result = child_run(test);
    return folder_remove(folder) ? result : OUTCOME_FAILED;
}

/* ---- The parent: processes ------------------------------------------------------------------- */

struct job {
    const struct lti_test *test; /* null: free */
    pid_t pid;
    int output;
    uint64_t start_ms, limit_ms;
    bool timed_out;
    size_t size; /* of text; what comes above OUTPUT_BYTES_MAX is dropped, and said so */
    bool dropped;
    char folder[PATH_BYTES];
    char text[OUTPUT_BYTES_MAX];
};

static struct job jobs[JOBS_MAX];
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

static void signals_prepare(void)
{
    const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        harness_die("making a pipe");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = {.sa_handler = signal_note, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], &action, NULL) != 0)
            harness_die("catching a signal");
    }
}

__attribute__((noreturn)) static void job_exec(const struct job *job, int output)
{
    struct rlimit no_core = {0, 0};
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGPIPE, SIG_DFL);
    if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        setenv(FOLDER_ENV, job->folder, 1) != 0)
        _exit(2);
    execl(lti_test_program(), lti_test_program(), "--run", job->test->name, (char *)NULL);
    _exit(2);
}

static void job_start(struct job *job, const struct lti_test *test)
{
    int ends[2];
    folder_make(job->folder);
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        harness_die("making a pipe");
    job->test = test;
    job->output = ends[0];
    job->start_ms = lti_test_now_ms();
    job->limit_ms = lti_test_scaled_ms((uint64_t)test->seconds * 1000);
    job->timed_out = false;
    job->size = 0;
    job->dropped = false;
    fflush(NULL);
    job->pid = fork();
    if (job->pid < 0)
        harness_die("starting a process");
    if (job->pid == 0)
        job_exec(job, ends[1]);
    setpgid(job->pid, job->pid); /* both do it: neither may be late */
    close(ends[1]);
}

/* Takes what the child printed; true at the end, when no process can print any more. */
static bool job_drain(struct job *job)
{
    char rest[4096];
    for (;;) {
        size_t room = sizeof job->text - job->size;
        ssize_t size = room > 0 ? read(job->output, job->text + job->size, room)
                                : read(job->output, rest, sizeof rest);
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

/* True when it has ended; it stays unreaped. */
static bool job_ended(const struct job *job)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == job->pid;
}

static int job_reap(struct job *job)
{
    int status = 0;
    kill(-job->pid, SIGKILL);
    while (waitpid(job->pid, &status, 0) < 0)
        if (errno != EINTR)
            harness_die("waiting for a process");
    job->pid = 0;
    return status;
}

/* ---- The parent: judging --------------------------------------------------------------------- */

static uint32_t counts[3]; /* passed, failed, skipped */

static bool job_judge(const struct job *job, int status, bool silent, char *why, size_t why_size)
{
    if (job->timed_out)
        snprintf(why, why_size, "ran longer than %llu ms and was killed",
                 (unsigned long long)job->limit_ms);
    else if (WIFSIGNALED(status))
        snprintf(why, why_size, "crashed: signal %d, %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != OUTCOME_PASSED && WEXITSTATUS(status) != OUTCOME_FAILED &&
             WEXITSTATUS(status) != OUTCOME_SKIPPED)
        snprintf(why, why_size, "ended with exit code %d", WEXITSTATUS(status));
    else if (WEXITSTATUS(status) == OUTCOME_FAILED)
        snprintf(why, why_size, "a check failed");
    else if (!silent)
        snprintf(why, why_size, "left a process running");
    else
        return true;
    return false;
}

static void job_report(const struct job *job, const char *verdict, const char *why)
{
    printf("%s %s%s%s (%llu ms)\n", verdict, job->test->name, why[0] != '\0' ? ": " : "", why,
           (unsigned long long)(lti_test_now_ms() - job->start_ms));
    if (strcmp(verdict, "ok") == 0)
        return;
    fwrite(job->text, 1, job->size, stdout);
    if (job->size > 0 && job->text[job->size - 1] != '\n')
        putchar('\n');
    if (job->dropped)
        printf("(the rest of its output was dropped)\n");
}

static void job_finish(struct job *job)
{
    char why[128] = "";
    bool silent = job_drain(job);
    /* A process that the test ended itself may need a moment to be gone. */
    struct pollfd wait = {job->output, POLLIN, 0};
    for (int tries = 0; !silent && !job->timed_out && tries < 10; tries++) {
        poll(&wait, 1, 100);
        silent = job_drain(job);
    }
    int status = job_reap(job);
    close(job->output);
    bool good = job_judge(job, status, silent, why, sizeof why);
    bool skipped = good && WEXITSTATUS(status) == OUTCOME_SKIPPED;
    if (!good)
        job_report(job, "FAILED", why);
    else if (skipped)
        job_report(job, "skipped", "");
    bool empty = folder_remove(job->folder);
    if (good && !skipped && !empty) {
        job_report(job, "FAILED", "left files behind");
        good = false;
    }
    if (good && !skipped && verbose)
        job_report(job, "ok", "");
    counts[skipped ? 2 : good ? 0 : 1]++;
    job->test = NULL;
}

/* Waits until a job ends, prints, or runs out of time. */
static void jobs_wait(size_t count)
{
    struct pollfd fds[JOBS_MAX + 1] = {{signal_pipe[0], POLLIN, 0}};
    nfds_t used = 1;
    uint64_t now_ms = lti_test_now_ms();
    uint64_t wait_ms = 1000; /* a signal that was lost costs no more than this */
    for (size_t i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        if (job->test == NULL)
            continue;
        uint64_t end_ms = job->start_ms + job->limit_ms;
        uint64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
        if (left_ms == 0 && !job->timed_out && !job_ended(job)) {
            job->timed_out = true;
            kill(-job->pid, SIGKILL);
        }
        if (left_ms > 0 && left_ms < wait_ms)
            wait_ms = left_ms;
        fds[used++] = (struct pollfd){job->output, POLLIN, 0};
    }
    poll(fds, used, (int)wait_ms);
    char drained[64];
    while (read(signal_pipe[0], drained, sizeof drained) > 0) {
    }
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].test == NULL)
            continue;
        job_drain(&jobs[i]);
        if (job_ended(&jobs[i]))
            job_finish(&jobs[i]);
    }
}

static void jobs_give_up(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].test == NULL)
            continue;
        job_reap(&jobs[i]);
        folder_remove(jobs[i].folder);
    }
    fprintf(stderr, "harness: interrupted\n");
    exit(128 + interrupted);
}

/* ---- The parent: which tests ----------------------------------------------------------------- */

static bool test_wanted(const struct lti_test *test, char **filters, int count)
{
    bool wanted = count == 0 && !test->on_demand;
    for (int i = 0; i < count; i++) {
        if (strcmp(test->name, filters[i]) == 0)
            wanted = true;
        else if (!test->on_demand && strstr(test->name, filters[i]) != NULL)
            wanted = true;
    }
    return wanted;
}

static int tests_run(char **filters, int filter_count)
{
    const char *text = getenv("LEAT_TEST_JOBS");
    long asked = text != NULL ? strtol(text, NULL, 10) : 2;
    size_t count = asked < 1 ? 1 : asked > JOBS_MAX ? JOBS_MAX : (size_t)asked;
    const struct lti_test *next = tests_first;
    signals_prepare();
    for (;;) {
        bool running = false;
        for (size_t i = 0; i < count; i++) {
            while (next != NULL && !test_wanted(next, filters, filter_count))
                next = next->next;
            if (jobs[i].test == NULL && next != NULL) {
                job_start(&jobs[i], next);
                next = next->next;
            }
            running = running || jobs[i].test != NULL;
        }
        if (!running)
            break;
        jobs_wait(count);
        if (interrupted)
            jobs_give_up(count);
    }
    printf("%u passed, %u failed", counts[0], counts[1]);
    if (counts[2] > 0)
        printf(", %u skipped", counts[2]);
    putchar('\n');
    return counts[1] > 0 || counts[0] == 0;
}

int main(int argc, char **argv)
{
    int at = 1;
    bool list = false;
    for (const struct lti_test *test = tests_first; test != NULL; test = test->next) {
        if (test_named(test->name) != test) {
            fprintf(stderr, "harness: two tests are called %s\n", test->name);
            return 2;
        }
    }
    if (argc == 3 && strcmp(argv[1], "--run") == 0)
        return child_main(argv[2]);
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--list") == 0) {
            list = true;
        } else if (strcmp(argv[at], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "use: %s [--list] [--verbose] [FILTER...] | --run NAME\n", argv[0]);
            return 2;
        }
    }
    if (!list)
        return tests_run(argv + at, argc - at);
    for (const struct lti_test *test = tests_first; test != NULL; test = test->next)
        if (test_wanted(test, argv + at, argc - at))
            printf("%s\n", test->name);
    return 0;
}
