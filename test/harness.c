/* SPDX-License-Identifier: MIT
 *
 * Runs tests, each in a process of its own, and judges them. What differs between systems is in
 * harness_posix.c and harness_windows.c.
 *
 * Happy path: constructors register the tests; main starts this program again with --run NAME for
 * each, at most LEAT_TEST_JOBS at a time; the child runs the test and compares what is open and
 * allocated before and after; the parent judges how the child ended and counts.
 *
 * Fails: a test that fails in any way is reported with all it printed and makes the exit code 1;
 * a harness that cannot work (no process, no memory) says so and ends with 2.
 *
 * Invariants: what a child started is ended before the child is forgotten; an outcome is counted
 * exactly once.
 */
#include "harness_system.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lti_test *tests_first;
static struct lti_test **tests_last = &tests_first;
static bool verbose;

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
    lti_harness_leave(LTI_HARNESS_FAILED);
}

void lti_test_skip(const char *what, const char *file, int line)
{
    if (atomic_load(&checks_failed) > 0)
        lti_test_stop();
    printf("%s:%d: needs %s\n", file, line, what);
    fflush(NULL);
    lti_harness_leave(LTI_HARNESS_SKIPPED);
}

uint64_t lti_test_scaled_ms(uint64_t timeout_ms)
{
    const char *text = getenv("LEAT_TEST_TIMEOUT_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 1;
    return scale > 0 && scale <= 1000 ? (uint64_t)((double)timeout_ms * scale) : timeout_ms;
}

const char *lti_test_folder(void)
{
    return getenv(LTI_HARNESS_FOLDER_ENV);
}

/* ---- The child: one test, judged from inside ------------------------------------------------- */

static int64_t test_process;
static bool test_over;

/* A test that calls exit(0) would look as if it had passed; a process that it forked may do so. */
static void exit_guard(void)
{
    if (test_over || lti_harness_process() != test_process)
        return;
    printf("the test called exit\n");
    lti_test_stop();
}

/* What counts when nobody else does. */
__attribute__((weak)) int64_t lti_test_allocations_live(void)
{
    return 0;
}

static int child_run(const struct lti_test *test)
{
    lti_harness_child_prepare();
    test_process = lti_harness_process();
    if (atexit(exit_guard) != 0)
        lti_harness_die("preparing the test");
    int64_t allocations = lti_test_allocations_live();
    lti_harness_open_note();
    test->run();
    bool open_same = lti_harness_open_same();
    if (lti_harness_process() != test_process) {
        printf("a forked process returned from the test\n");
        lti_test_stop();
    }
    allocations = lti_test_allocations_live() - allocations;
    test_over = true;
    bool passed = atomic_load(&checks_failed) == 0;
    if (atomic_load(&checks_made) == 0) {
        printf("the test made no check\n");
        passed = false;
    }
    if (!open_same)
        passed = false;
    if (allocations != 0) {
        printf("allocations left: %lld\n", (long long)allocations);
        passed = false;
    }
    if (!passed)
        lti_test_stop();
    return LTI_HARNESS_PASSED;
}

/* In this process, without a time limit. */
static int child_main(const char *name)
{
    const struct lti_test *test = test_named(name);
    if (test == NULL) {
        fprintf(stderr, "harness: no test is called %s\n", name);
        return 2;
    }
    if (getenv(LTI_HARNESS_FOLDER_ENV) != NULL)
        return child_run(test);
    char folder[LTI_HARNESS_PATH_BYTES];
    lti_harness_folder_make(folder);
    lti_harness_folder_tell(folder);
    int result = child_run(test);
    return lti_harness_folder_remove(folder) ? result : LTI_HARNESS_FAILED;
}

/* ---- The parent: judging --------------------------------------------------------------------- */

static struct lti_harness_job jobs[LTI_HARNESS_JOBS_MAX];
static uint32_t counts[3]; /* passed, failed, skipped */

static void job_start(struct lti_harness_job *job, const struct lti_test *test)
{
    lti_harness_folder_make(job->folder);
    job->test = test;
    job->start_ms = lti_test_now_ms();
    job->limit_ms = lti_test_scaled_ms((uint64_t)test->seconds * 1000);
    job->timed_out = false;
    job->size = 0;
    job->dropped = false;
    fflush(NULL);
    lti_harness_job_begin(job);
}

static bool job_judge(const struct lti_harness_job *job, const struct lti_harness_end *end,
                      char *why, size_t why_size)
{
    if (job->timed_out)
        snprintf(why, why_size, "ran longer than %llu ms and was killed",
                 (unsigned long long)job->limit_ms);
    else if (end->crashed)
        snprintf(why, why_size, "crashed: %s", end->words);
    else if (end->code == LTI_HARNESS_FAILED)
        snprintf(why, why_size, "a check failed");
    else if (end->code != LTI_HARNESS_PASSED && end->code != LTI_HARNESS_SKIPPED)
        snprintf(why, why_size, "ended with exit code %d", end->code);
    else if (!end->alone)
        snprintf(why, why_size, "left a process running");
    else
        return true;
    return false;
}

static void job_report(const struct lti_harness_job *job, const char *verdict, const char *why)
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

static void job_finish(struct lti_harness_job *job)
{
    char why[128] = "";
    struct lti_harness_end end = {.alone = true};
    lti_harness_job_finish(job, &end);
    bool good = job_judge(job, &end, why, sizeof why);
    bool skipped = good && end.code == LTI_HARNESS_SKIPPED;
    if (!good)
        job_report(job, "FAILED", why);
    else if (skipped)
        job_report(job, "skipped", "");
    bool empty = lti_harness_folder_remove(job->folder);
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
    uint64_t now_ms = lti_test_now_ms();
    uint64_t wait_ms = 1000; /* news that was lost costs no more than this */
    for (size_t i = 0; i < count; i++) {
        struct lti_harness_job *job = &jobs[i];
        if (job->test == NULL)
            continue;
        uint64_t end_ms = job->start_ms + job->limit_ms;
        uint64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
        if (left_ms == 0 && !job->timed_out && !lti_harness_job_ended(job)) {
            job->timed_out = true;
            lti_harness_job_kill(job);
        }
        if (left_ms > 0 && left_ms < wait_ms)
            wait_ms = left_ms;
    }
    lti_harness_jobs_wait(jobs, count, wait_ms);
    for (size_t i = 0; i < count; i++)
        if (jobs[i].test != NULL && lti_harness_job_ended(&jobs[i]))
            job_finish(&jobs[i]);
}

static void jobs_give_up(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct lti_harness_end end;
        if (jobs[i].test == NULL)
            continue;
        lti_harness_job_kill(&jobs[i]);
        lti_harness_job_finish(&jobs[i], &end);
        lti_harness_folder_remove(jobs[i].folder);
    }
    fprintf(stderr, "harness: interrupted\n");
    exit(128 + lti_harness_interrupted());
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
    size_t count = asked < 1                      ? 1
                   : asked > LTI_HARNESS_JOBS_MAX ? LTI_HARNESS_JOBS_MAX
                                                  : (size_t)asked;
    const struct lti_test *next = tests_first;
    lti_harness_parent_prepare();
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
        if (lti_harness_interrupted() != 0)
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
    lti_harness_prepare();
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
