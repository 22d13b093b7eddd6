/* SPDX-License-Identifier: MIT
 *
 * Says whether a run of the fault sweep was right, by expected.def (or _nt.def) and the counts.
 *
 * Happy path: nothing was left behind, the transcript is the one without faults or begins to differ
 *             with an error that the table allows, and the second telling is as without faults.
 * Fails:      with a sentence about the first thing that was wrong.
 * Invariants: a fault that is not in the table is allowed nothing.
 */
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifdef LTI_NT
#define JUDGE_TABLE "expected_nt.def"
#else
#define JUDGE_TABLE "expected.def"
#endif

struct judge_row {
    enum lti_fault_call call;
    const char *fault;
    uint64_t errors; /* bit = public error */
};

/* The table speaks of errors by their short names. */
enum {
#define LEAT_ERROR(name, value, text) JUDGE_##name = value,
#include "leat/error.def"
#undef LEAT_ERROR
};
#define ERROR_BIT(name) (UINT64_C(1) << JUDGE_##name)
#define STALE ERROR_BIT(STALE)
#define TIMEOUT ERROR_BIT(TIMEOUT)
#define FINISHED ERROR_BIT(FINISHED)
#define CLOSED ERROR_BIT(CLOSED)
#define BROKEN ERROR_BIT(BROKEN)
#define REFUSED ERROR_BIT(REFUSED)
#define NOT_FOUND ERROR_BIT(NOT_FOUND)
#define IN_USE ERROR_BIT(IN_USE)
#define DENIED ERROR_BIT(DENIED)
#define UNTRUSTED ERROR_BIT(UNTRUSTED)
#define STATE ERROR_BIT(STATE)
#define LIMIT ERROR_BIT(LIMIT)
#define MEMORY ERROR_BIT(MEMORY)
#define UNSUPPORTED ERROR_BIT(UNSUPPORTED)
#define HANDLE ERROR_BIT(HANDLE)
#define SYSTEM ERROR_BIT(SYSTEM)
#define BUSY ERROR_BIT(BUSY)
#define NAME ERROR_BIT(NAME)

static const struct judge_row judge_rows[] = {
#define EXPECTED_AFTER(errors)
#define EXPECTED(call, fault, errors) {LTI_FAULT_CALL_##call, #fault, errors},
#include JUDGE_TABLE
#undef EXPECTED
#undef EXPECTED_AFTER
};

static const uint64_t judge_after =
#define EXPECTED_AFTER(errors) errors
#define EXPECTED(call, fault, errors)
#include JUDGE_TABLE
#undef EXPECTED
#undef EXPECTED_AFTER
    ;

static const struct judge_row *judge_row(const struct lti_fault *fault)
{
    for (size_t i = 0; i < sizeof judge_rows / sizeof judge_rows[0]; i++) {
        const struct judge_row *row = &judge_rows[i];
        if (row->call == fault->call && strcmp(row->fault, fault->name) == 0)
            return row;
    }
    return NULL;
}

/* What may come first because of how the story is. */
static uint64_t judge_story_errors(const struct lti_sweep_story *story,
                                   const struct lti_fault *fault)
{
    uint64_t allowed = 0;
    if (story->traits & LTI_STORY_INDIRECT)
        allowed |= judge_after;
#ifdef LTI_NT
    (void)fault;
#else
    if ((story->traits & LTI_STORY_ELSEWHERE) && fault->call == LTI_FAULT_CALL_lstat)
        allowed |= DENIED | NOT_FOUND;
#endif
    return allowed;
}

/* Finds an error that is neither usual nor allowed; what comes after the first unusual one follows
 * from it, so more is allowed then. */
static const char *judge_errors(const struct lti_sweep_run *run, uint64_t usual, uint64_t allowed,
                                uint64_t after)
{
    static char text[128];
    for (size_t i = 0; i < run->errors_count; i++) {
        uint64_t bit = UINT64_C(1) << run->errors[i];
        if (usual & bit)
            continue;
        if (!(allowed & bit)) {
            (void)snprintf(text, sizeof text, "%s is not expected here",
                           leat_error_name(run->errors[i]));
            return text;
        }
        allowed |= after;
    }
    return NULL;
}

static const char *judge_counts(const struct lti_sweep_run *run)
{
    static char text[160];
    if (run->allocations == 0 && run->descriptors == 0 && run->wild_closes == 0 &&
        run->open_files == 0)
        return NULL;
    (void)snprintf(text, sizeof text,
                   "left behind: %" PRId64 " allocations, %" PRId64 " descriptors (%" PRId64
                   " by the system's count), %" PRId64 " wild closes",
                   run->allocations, run->descriptors, run->open_files, run->wild_closes);
    return text;
}

#ifdef LTI_NT

static bool judge_may_leave(const struct lti_fault *fault)
{
    (void)fault;
    return false;
}

/* Completions that never come out of their queue, and a thread that cannot be told to end. */
bool lti_sweep_may_keep(const struct lti_sweep_place *place)
{
    const struct lti_fault *fault = lti_fault_at(place->fault);
    bool queue =
        fault->call == LTI_FAULT_CALL_queue_wait || fault->call == LTI_FAULT_CALL_queue_post;
    return (queue && place->mode == LTI_FAULT_FOREVER) || fault->call == LTI_FAULT_CALL_signal_set;
}

static bool judge_probe(const struct lti_sweep_story *story, const struct lti_fault *fault)
{
    return (story->traits & LTI_STORY_PAIR) &&
           (fault->call == LTI_FAULT_CALL_pipe_open || fault->call == LTI_FAULT_CALL_pipe_listen);
}

#else

/* A dead name stays only when the system would not let it be removed, or looked at; a lock file
 * also when another holds it, since removing it then would be his loss. */
static bool judge_may_leave(const struct lti_fault *fault)
{
    return fault->call == LTI_FAULT_CALL_unlink || fault->call == LTI_FAULT_CALL_lstat ||
           (fault->call == LTI_FAULT_CALL_lock && strcmp(fault->name, "EWOULDBLOCK") == 0);
}

bool lti_sweep_may_keep(const struct lti_sweep_place *place)
{
    (void)place;
    return false;
}

static bool judge_probe(const struct lti_sweep_story *story, const struct lti_fault *fault)
{
    return (story->traits & LTI_STORY_PROBE) && fault->call == LTI_FAULT_CALL_connect;
}

#endif

const char *lti_sweep_judge(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                            const struct lti_sweep_place *place, const struct lti_sweep_run *run)
{
    const char *counts = judge_counts(run);
    if (run->complaint[0])
        return run->complaint;
    if (counts && !run->lent)
        return counts;
    if (place->position == 0)
        return judge_errors(run, story->errors, 0, 0);
    const struct lti_fault *fault = lti_fault_at(place->fault);
    const struct judge_row *row = judge_row(fault);
    if (run->fired == 0)
        return "the fault was not reached: the story is not always the same";
    bool excused = row && (place->mode == LTI_FAULT_FOREVER || judge_probe(story, fault));
    if ((fault->traits & LTI_FAULT_TRANSPARENT) && !excused) {
        if (strcmp(run->text, base->text) != 0)
            return "a transparent fault changed the transcript";
    } else {
        uint64_t allowed = (row ? row->errors : 0) | judge_story_errors(story, fault);
        const char *errors = judge_errors(run, story->errors, allowed, judge_after);
        if (errors)
            return errors;
    }
    if (strcmp(run->files, base->files) != 0 && !judge_may_leave(fault))
        return "other files were left than without the fault";
    if (strcmp(run->again, base->text) != 0)
        return "the same story goes wrong after the fault is over";
    return NULL;
}
