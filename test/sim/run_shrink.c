/* SPDX-License-Identifier: MIT
 *
 * Makes a failing seed's plan small: which settings does the failure need?
 *
 * Happy path: each setting is put to what is simplest, else halfway there; what still fails in the
 *             same way is kept; again, until nothing more can be left out. The command that repeats
 *             the small run is printed.
 * Fails:      says so when the seed does not fail, or not twice alike.
 * Invariants: each try runs in a process of its own, so that a crash is only one more way to fail;
 *             tries, the time of each and the time of all have limits.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 600u
#define TRY_SECONDS 20u
#define ALL_SECONDS 120

struct shrink {
    uint64_t seed, steps;
    struct run_plan plan;  /* the smallest that fails so far */
    char why[RUN_WHY_MAX]; /* how */
    uint32_t tries;
    time_t ends;
};

/* What a try reports through its pipe. */
struct verdict {
    uint64_t steps;
    char why[RUN_WHY_MAX]; /* "": it passed */
};

/* How it failed, without numbers: those change with the plan. */
static void why_plain(char *why)
{
    char *to = why;
    for (const char *from = why; *from && *from != '('; from++) {
        if (*from < '0' || *from > '9' || from == why + 1) /* R7 is a rule, not a number */
            *to++ = *from;
    }
    *to = '\0';
}

static void try_child(const struct shrink *shrink, const struct run_plan *plan, int to)
{
    struct verdict verdict = {0};
    (void)alarm(TRY_SECONDS);
    (void)freopen("/dev/null", "w", stderr);
    run_quiet();
    if (!run_seed(shrink->seed, plan))
        memcpy(verdict.why, run_state.why, sizeof verdict.why);
    verdict.steps = lti_sim_steps();
    ssize_t written = write(to, &verdict, sizeof verdict);
    _exit(written == (ssize_t)sizeof verdict ? 0 : 1);
}

/* False: it passed, or could not be tried. */
static bool try_plan(struct shrink *shrink, const struct run_plan *plan, struct verdict *out)
{
    int ends[2], status = 0;
    *out = (struct verdict){0};
    shrink->tries++;
    (void)fflush(NULL);
    if (pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        try_child(shrink, plan, ends[1]);
    }
    (void)close(ends[1]);
    bool told = child > 0 && read(ends[0], out, sizeof *out) == (ssize_t)sizeof *out;
    (void)close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (!told)
        (void)snprintf(out->why, sizeof out->why, "crashed (signal %d)",
                       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    why_plain(out->why);
    return out->why[0] != '\0';
}

static bool shrink_over(const struct shrink *shrink)
{
    return shrink->tries >= TRIES_MAX || time(NULL) >= shrink->ends;
}

/* Keeps the value when the run still fails as before. */
static bool shrink_try(struct shrink *shrink, uint32_t field, uint64_t value)
{
    struct verdict verdict;
    struct run_plan plan = shrink->plan;
    if (shrink_over(shrink) || run_field_get(&plan, field) == value)
        return false;
    run_field_set(&plan, field, value);
    if (!try_plan(shrink, &plan, &verdict) || strcmp(verdict.why, shrink->why) != 0)
        return false;
    shrink->plan = plan;
    shrink->steps = verdict.steps;
    return true;
}

static bool shrink_field(struct shrink *shrink, uint32_t field)
{
    uint64_t least = run_field_least(field);
    if (shrink_try(shrink, field, least))
        return true;
    bool any = false;
    for (uint64_t low = least; low < run_field_get(&shrink->plan, field);) {
        uint64_t middle = low + (run_field_get(&shrink->plan, field) - low) / 2;
        if (middle == low)
            break;
        if (shrink_try(shrink, field, middle))
            any = true;
        else
            low = middle;
    }
    return any;
}

static void shrink_print(const struct shrink *shrink, const struct run_plan *drawn,
                         const char *program, uint64_t steps)
{
    (void)printf("  shrunk from %llu to %llu system calls in %u tries: %s\n    %s --replay %llu",
                 (unsigned long long)steps, (unsigned long long)shrink->steps, shrink->tries,
                 shrink->why, program, (unsigned long long)shrink->seed);
    if (run_state.planted)
        (void)printf(" --plant");
    for (uint32_t i = 0; i < run_field_count(); i++) {
        if (run_field_get(&shrink->plan, i) != run_field_get(drawn, i))
            (void)printf(" --set %s=%llu", run_field_name(i),
                         (unsigned long long)run_field_get(&shrink->plan, i));
    }
    (void)printf(" --trace\n");
}

bool run_shrink(uint64_t seed, const struct run_edits *edits, const char *program)
{
    struct shrink shrink = {.seed = seed, .ends = time(NULL) + ALL_SECONDS};
    struct verdict first, second;
    struct run_plan drawn;
    run_plan_draw(seed, &drawn);
    shrink.plan = drawn;
    run_edits_apply(edits, &shrink.plan);
    if (!try_plan(&shrink, &shrink.plan, &first)) {
        (void)printf("  seed %llu does not fail\n", (unsigned long long)seed);
        return false;
    }
    if (!try_plan(&shrink, &shrink.plan, &second) || strcmp(first.why, second.why) != 0 ||
        first.steps != second.steps) {
        (void)printf("  not shrunk: the seed does not fail twice alike\n");
        return false;
    }
    memcpy(shrink.why, first.why, sizeof shrink.why);
    shrink.steps = first.steps;
    for (bool again = true; again && !shrink_over(&shrink);) {
        again = false;
        for (uint32_t i = 0; i < run_field_count(); i++)
            again = shrink_field(&shrink, i) || again;
    }
    shrink_print(&shrink, &drawn, program, first.steps);
    return true;
}
