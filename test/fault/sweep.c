/* SPDX-License-Identifier: MIT
 *
 * The fault sweep: every story, with every fault, in every mode, at every call it makes.
 *
 *     fault_sweep [--scenario S,...] [--at N] [--fault F] [--mode M] [--list] [--verbose]
 *                 [--pairs SECONDS [--second-at N --second-fault F]]
 *
 * Happy path: for each story one process counts its calls; then, for each call, a process tells
 *             it with each fault and mode in turn and judges it.
 *             With --pairs: the short stories, with two faults that happen once each, in
 *             rounds that end when the time is over.
 * Fails:      each wrong run is printed with the command that repeats it; a process that crashes or
 *             hangs is one wrong run, and the next process goes on behind it.
 * Invariants: the stories that are bad by design are found wrong first, else the sweep fails.
 */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef _WIN32
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define SWEEP_SECONDS_MAX 60
#define SWEEP_FAILURES_SHOWN 400
#define SWEEP_FAULTS_MAX 256
#define SWEEP_PAIR_CALLS_MAX 60u /* of a story that is short enough */
#define SWEEP_PAIR_ROUNDS 16u    /* each takes one in so many pairs */
#define SWEEP_GO_ON 3            /* a child's exit code: there is more to do, in a fresh one */
#ifdef LTI_NT
#define SWEEP_PROGRAM "fault_sweep_nt"
#else
#define SWEEP_PROGRAM "fault_sweep"
#endif

/* What a child tells its parent, also when it dies. */
struct sweep_shared {
    uint64_t calls;  /* of the story without faults */
    size_t next;     /* index of the combination to go on with, when a child has died */
    uint64_t passed; /* of the group */
    uint64_t failed;
    uint64_t shown;                                   /* of all groups */
    struct lti_sweep_tally tallies[SWEEP_FAULTS_MAX]; /* of each fault, in all groups */
    struct lti_sweep_place place;                     /* the run under way */
};

struct sweep_filter {
    const char *scenario, *fault, *mode, *second_fault;
    uint64_t at, second_at; /* 0: all */
    uint64_t pairs_until;   /* 0: no pairs; else when to stop, in seconds */
    uint64_t pairs_round;   /* the one under way */
    bool verbose, list;
};

static struct sweep_shared *sweep_shared;
static struct sweep_filter sweep_filter;
static const char *sweep_folder;
static uint64_t sweep_pairs_met; /* in this round and child, by which rounds take turns */
static bool sweep_quiet;         /* for the bad stories */

static uint64_t sweep_now(void)
{
    return (uint64_t)time(NULL);
}

static void sweep_report(const struct lti_sweep_story *story, const struct lti_sweep_place *place,
                         const char *reason)
{
    sweep_shared->failed++;
    if (sweep_quiet || sweep_shared->shown++ >= SWEEP_FAILURES_SHOWN)
        return;
    if (place->position == 0) {
        printf("FAIL %s without a fault: %s\n", story->name, reason);
        return;
    }
    const struct lti_fault *fault = lti_fault_at(place->fault);
    if (place->second_position) {
        printf("FAIL %s: %s\n     " SWEEP_PROGRAM " --pairs 60 --scenario %s --at %llu --fault %s"
               " --second-at %llu --second-fault %s --verbose\n",
               story->name, reason, story->name, (unsigned long long)place->position, fault->name,
               (unsigned long long)place->second_position, lti_fault_at(place->second_fault)->name);
        return;
    }
    printf("FAIL %s, call %llu (%s), %s, %s: %s\n"
           "     " SWEEP_PROGRAM " --scenario %s --at %llu --fault %s --mode %s --verbose\n",
           story->name, (unsigned long long)place->position, lti_fault_call_name(fault->call),
           fault->name, lti_fault_mode_name(place->mode), reason, story->name,
           (unsigned long long)place->position, fault->name, lti_fault_mode_name(place->mode));
}

static bool sweep_wanted(const struct lti_sweep_story *story, const struct lti_fault *fault,
                         enum lti_fault_mode mode)
{
    bool lasting = mode == LTI_FAULT_FOREVER || mode == LTI_FAULT_EVERY_2ND;
    if (!lti_fault_allows(fault, mode))
        return false;
    if ((story->traits & LTI_STORY_BULK) && (fault->traits & LTI_FAULT_LENGTHY) && lasting)
        return false;
    if (sweep_filter.fault && strcmp(sweep_filter.fault, fault->name) != 0)
        return false;
    return !sweep_filter.mode || strcmp(sweep_filter.mode, lti_fault_mode_name(mode)) == 0;
}

/* In a child: the story without faults, twice. */
static void sweep_base(const struct lti_sweep_story *story)
{
    static struct lti_sweep_run runs[2];
    const struct lti_sweep_place nowhere = {0};
    sweep_shared->place = nowhere;
    for (int i = 0; i < 2; i++) {
        lti_sweep_tell(story, sweep_folder, &nowhere, 0, 0, &runs[i]);
        const char *reason = lti_sweep_judge(story, &runs[i], &nowhere, &runs[i]);
        if (!reason && i == 1 &&
            (strcmp(runs[0].text, runs[1].text) != 0 || runs[0].calls != runs[1].calls))
            reason = "two tellings differ";
        if (reason)
            sweep_report(story, &nowhere, reason);
        else
            sweep_shared->passed++;
    }
    if (sweep_filter.verbose)
        printf("%s: %llu calls, %llu before its end\n%s\nfiles left: %s\n", story->name,
               (unsigned long long)runs[0].calls, (unsigned long long)runs[0].calls_before_end,
               runs[0].text, runs[0].files);
    sweep_shared->calls = runs[0].calls;
}

/* In a child: every fault and mode at one call, from the given combination on. False when another
 * child has to go on, since not all is given back in this one. */
static bool sweep_position(const struct lti_sweep_story *story, uint64_t position, size_t from)
{
    static struct lti_sweep_run base, run;
    const struct lti_sweep_place nowhere = {0};
    lti_sweep_tell(story, sweep_folder, &nowhere, 0, 0, &base);
    enum lti_fault_call call = lti_fault_call_at(position);
    size_t combinations = lti_fault_count() * LTI_FAULT_MODES;
    for (size_t i = from; i < combinations; i++) {
        struct lti_sweep_place place = {.position = position,
                                        .fault = i / LTI_FAULT_MODES,
                                        .mode = (enum lti_fault_mode)(i % LTI_FAULT_MODES)};
        const struct lti_fault *fault = lti_fault_at(place.fault);
        if (fault->call != call || !sweep_wanted(story, fault, place.mode))
            continue;
        sweep_shared->place = place;
        sweep_shared->next = i + 1;
        lti_sweep_tell(story, sweep_folder, &place, 10 * base.calls + 1000, base.calls_before_end,
                       &run);
        const char *reason = lti_sweep_judge(story, &base, &place, &run);
        if (reason)
            sweep_report(story, &place, reason);
        else
            sweep_shared->passed++;
        if (!sweep_quiet)
            lti_sweep_count(story, &base, &run, &sweep_shared->tallies[place.fault]);
        if (sweep_filter.verbose)
            printf("without:\n%s\nwith:\n%s\nagain:\n%s\nfiles left: %s\n", base.text, run.text,
                   run.again, run.files);
        if (run.lent)
            return false;
    }
    return true;
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

static void sweep_pair(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                       const struct lti_sweep_place *place, uint64_t calls_before_end)
{
    static struct lti_sweep_run run;
    sweep_shared->place = *place;
    lti_sweep_tell(story, sweep_folder, place, 10 * base->calls + 1000, calls_before_end, &run);
    const char *reason = lti_sweep_judge_pair(story, base, place, &run);
    if (reason)
        sweep_report(story, place, reason);
    else
        sweep_shared->passed++;
    if (sweep_filter.verbose)
        printf("without:\n%s\nwith:\n%s\nagain:\n%s\nfiles left: %s\n", base->text, run.text,
               run.again, run.files);
}

/* Every second fault behind one first fault that is this round's. */
static void sweep_pairs_of(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                           struct lti_sweep_place place)
{
    static struct lti_sweep_run first;
    static uint8_t calls[SWEEP_PAIR_CALLS_MAX + 1];
    lti_sweep_tell(story, sweep_folder, &place, 10 * base->calls + 1000, base->calls_before_end,
                   &first);
    uint64_t last = first.calls < SWEEP_PAIR_CALLS_MAX ? first.calls : SWEEP_PAIR_CALLS_MAX;
    for (uint64_t i = place.position + 1; i <= last; i++)
        calls[i] = (uint8_t)lti_fault_call_at(i);
    for (uint64_t i = place.position + 1; i <= last; i++) {
        for (size_t fault = 0; fault < lti_fault_count(); fault++) {
            bool other = (sweep_filter.second_at && sweep_filter.second_at != i) ||
                         (sweep_filter.second_fault &&
                          strcmp(sweep_filter.second_fault, lti_fault_at(fault)->name) != 0);
            if (lti_fault_at(fault)->call != calls[i] || other)
                continue;
            bool turn = sweep_pairs_met++ % SWEEP_PAIR_ROUNDS == sweep_filter.pairs_round;
            if (!turn && !sweep_filter.second_at)
                continue;
            place.second_position = i;
            place.second_fault = fault;
            sweep_pair(story, base, &place, first.calls_before_end);
        }
    }
}

/* In a child: all pairs whose first fault is at one call. */
static bool sweep_pairs(const struct lti_sweep_story *story, uint64_t position, size_t from)
{
    static struct lti_sweep_run base;
    const struct lti_sweep_place nowhere = {0};
    lti_sweep_tell(story, sweep_folder, &nowhere, 0, 0, &base);
    enum lti_fault_call call = lti_fault_call_at(position);
    for (size_t i = from; i < lti_fault_count() && sweep_now() < sweep_filter.pairs_until; i++) {
        struct lti_sweep_place place = {.position = position, .fault = i, .mode = LTI_FAULT_ONCE};
        if (lti_fault_at(i)->call != call || !sweep_wanted(story, lti_fault_at(i), LTI_FAULT_ONCE))
            continue;
        sweep_shared->next = i + 1;
        sweep_pairs_of(story, &base, place);
    }
    return true;
}

/* ---- Processes ------------------------------------------------------------------------------- */

#ifndef _WIN32

/* Forks for one position; true when the child came to its end. */
static bool sweep_child(const struct lti_sweep_story *story, uint64_t position, size_t from)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fault_sweep: fork");
        exit(1);
    }
    if (child == 0) {
        if (sweep_quiet && !freopen("/dev/null", "w", stderr))
            _exit(1);
        (void)alarm(SWEEP_SECONDS_MAX);
        bool whole = true;
        if (position == 0)
            sweep_base(story);
        else if (sweep_filter.pairs_until)
            whole = sweep_pairs(story, position, from);
        else
            whole = sweep_position(story, position, from);
        fflush(NULL);
        _exit(whole ? 0 : SWEEP_GO_ON);
    }
    while (waitpid(child, &status, 0) < 0)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SWEEP_GO_ON)
        return false;
    char reason[64];
    char ignored[LTI_SWEEP_FILES];
    lti_sweep_take_files(sweep_folder, ignored);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        (void)snprintf(reason, sizeof reason, "it hung");
    else
        (void)snprintf(reason, sizeof reason, "it crashed: %s",
                       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
    sweep_report(story, &sweep_shared->place, reason);
    return false;
}

static struct sweep_shared *sweep_shared_make(void)
{
    void *memory =
        mmap(NULL, sizeof *sweep_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool sweep_apart(void)
{
    return true;
}

#else

/* Without fork all is told in this process; a crash is the end of it. */
static bool sweep_child(const struct lti_sweep_story *story, uint64_t position, size_t from)
{
    if (position != 0 && sweep_filter.pairs_until)
        return sweep_pairs(story, position, from);
    if (position != 0)
        return sweep_position(story, position, from);
    sweep_base(story);
    return true;
}

static struct sweep_shared *sweep_shared_make(void)
{
    static struct sweep_shared shared;
    return &shared;
}

static bool sweep_apart(void)
{
    return false;
}

#endif

static void sweep_story(const struct lti_sweep_story *story)
{
    size_t combinations = lti_fault_count() * LTI_FAULT_MODES;
    sweep_shared->passed = 0;
    sweep_shared->failed = 0;
    sweep_shared->calls = 0;
    if (!sweep_child(story, 0, 0) || sweep_shared->calls == 0)
        return;
    if (sweep_filter.pairs_until && sweep_shared->calls > SWEEP_PAIR_CALLS_MAX)
        return;
    uint64_t first = sweep_filter.at ? sweep_filter.at : 1;
    uint64_t last = sweep_filter.at ? sweep_filter.at : sweep_shared->calls;
    for (uint64_t position = first; position <= last; position++) {
        sweep_shared->next = 0;
        for (size_t i = 0; i < combinations; i++) {
            if (sweep_child(story, position, sweep_shared->next))
                break;
        }
    }
}

static bool sweep_bad(void)
{
    const struct lti_sweep_story *stories = NULL;
    size_t count = lti_sweep_bad_stories(&stories);
    bool found = true;
    sweep_quiet = true;
    for (size_t i = 0; i < count; i++) {
        if ((stories[i].traits & LTI_SWEEP_FATAL) && !sweep_apart())
            continue;
        sweep_story(&stories[i]);
        if (sweep_shared->failed == 0) {
            printf("FAIL the sweep sees nothing wrong with %s\n", stories[i].name);
            found = false;
        }
    }
    sweep_quiet = false;
    return found;
}

static const struct lti_sweep_story sweep_stories[] = {
#define LTI_STORY(name, traits, errors) {#name, traits, errors, lti_story_of_##name},
    LTI_STORIES(LTI_STORY, LTI_STORY_ERROR)
#undef LTI_STORY
};

/* True when the name is one of those asked for, which commas separate. */
static bool sweep_chosen(const char *name)
{
    size_t size = strlen(name);
    for (const char *at = sweep_filter.scenario; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, name, size) == 0 && (at[size] == ',' || at[size] == '\0'))
            return true;
    return !sweep_filter.scenario;
}

static int sweep_all(void)
{
    uint64_t passed = 0, failed = 0;
    bool whole = !sweep_filter.scenario;
    if (whole) {
        bool found = sweep_bad();
        passed += found;
        failed += !found;
    }
    bool known = whole;
    for (size_t i = 0; i < sizeof sweep_stories / sizeof sweep_stories[0]; i++) {
        const struct lti_sweep_story *story = &sweep_stories[i];
        if (!sweep_chosen(story->name))
            continue;
        known = true;
        sweep_story(story);
        printf("%-16s %4llu calls %6llu runs %4llu failed\n", story->name,
               (unsigned long long)sweep_shared->calls,
               (unsigned long long)(sweep_shared->passed + sweep_shared->failed),
               (unsigned long long)sweep_shared->failed);
        passed += sweep_shared->passed;
        failed += sweep_shared->failed;
    }
    /* Where it runs apart, all systems below are the same; of the others more may be true. */
    if (whole && sweep_apart() && !sweep_filter.at && !sweep_filter.fault && !sweep_filter.mode)
        failed += lti_sweep_table_lies(sweep_shared->tallies);
    if (!known) {
        fprintf(stderr, "fault_sweep: no such scenario: %s\n", sweep_filter.scenario);
        return 2;
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed ? 1 : 0;
}

/* Round after round, each over all short stories, so that what the time allows is spread. */
static int sweep_all_pairs(void)
{
    const size_t count = sizeof sweep_stories / sizeof sweep_stories[0];
    uint64_t passed = 0, failed = 0, rounds = 0;
    while (rounds < SWEEP_PAIR_ROUNDS && sweep_now() < sweep_filter.pairs_until) {
        uint64_t stories = 0, calls = 0;
        sweep_filter.pairs_round = rounds++;
        for (size_t i = 0; i < count && sweep_now() < sweep_filter.pairs_until; i++) {
            if (!sweep_chosen(sweep_stories[i].name))
                continue;
            sweep_story(&sweep_stories[i]);
            stories += sweep_shared->calls <= SWEEP_PAIR_CALLS_MAX;
            calls += sweep_shared->calls <= SWEEP_PAIR_CALLS_MAX ? sweep_shared->calls : 0;
            passed += sweep_shared->passed;
            failed += sweep_shared->failed;
        }
        printf("round %llu of %u: %llu stories of %llu calls, %llu runs in all\n",
               (unsigned long long)rounds, SWEEP_PAIR_ROUNDS, (unsigned long long)stories,
               (unsigned long long)calls, (unsigned long long)(passed + failed));
        fflush(stdout);
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed ? 1 : 0;
}

static bool sweep_arguments(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(arguments[i], "--list") == 0) {
            sweep_filter.list = true;
            continue;
        }
        if (strcmp(arguments[i], "--verbose") == 0) {
            sweep_filter.verbose = true;
            continue;
        }
        if (!value)
            return false;
        if (strcmp(arguments[i], "--pairs") == 0)
            sweep_filter.pairs_until = sweep_now() + strtoull(value, NULL, 10);
        else if (strcmp(arguments[i], "--second-at") == 0)
            sweep_filter.second_at = strtoull(value, NULL, 10);
        else if (strcmp(arguments[i], "--second-fault") == 0)
            sweep_filter.second_fault = value;
        else if (strcmp(arguments[i], "--scenario") == 0)
            sweep_filter.scenario = value;
        else if (strcmp(arguments[i], "--at") == 0)
            sweep_filter.at = strtoull(value, NULL, 10);
        else if (strcmp(arguments[i], "--fault") == 0)
            sweep_filter.fault = value;
        else if (strcmp(arguments[i], "--mode") == 0)
            sweep_filter.mode = value;
        else
            return false;
        i++;
    }
    return true;
}

int main(int count, char **arguments)
{
    if (!sweep_arguments(count, arguments)) {
        fprintf(stderr, "usage: fault_sweep [--scenario S] [--at N] [--fault F] [--mode M]"
                        " [--list] [--verbose] [--pairs SECONDS]\n");
        return 2;
    }
    if (sweep_filter.list) {
        for (size_t i = 0; i < sizeof sweep_stories / sizeof sweep_stories[0]; i++)
            printf("%s\n", sweep_stories[i].name);
        return 0;
    }
    sweep_shared = sweep_shared_make();
    sweep_folder = lti_sweep_folder_make();
    if (!sweep_shared || !sweep_folder || lti_fault_count() > SWEEP_FAULTS_MAX) {
        perror("fault_sweep");
        return 1;
    }
    int status = sweep_filter.pairs_until ? sweep_all_pairs() : sweep_all();
    if (!lti_sweep_folder_remove()) {
        perror(sweep_folder);
        status = 1;
    }
    return status;
}
