/* SPDX-License-Identifier: MIT
 *
 * Says whether a run of the fault sweep was right, by expected.def (or _nt.def) and the counts.
 *
 * Happy path: nothing was left behind; the transcript is the one without faults, where the table
 *             allows that nobody notices, or begins to differ with an error that it
 *             allows; and the second telling is as without faults.
 * Fails:      with a sentence about the first thing that was wrong.
 * Invariants: a fault that is not in the table is allowed nothing; what the table allows has come.
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
#define TOO_BIG ERROR_BIT(TOO_BIG)
#define PROTOCOL ERROR_BIT(PROTOCOL)

#define JUDGE_ERRORS_MAX 60 /* of them; above are other outcomes */
/* Another story, with errors of its own only. */
#define ANOTHER (UINT64_C(1) << 60)
/* Nobody notices: anywhere; in at most a third of all runs with the fault; or only where both ends
 * are the user's own, so that nobody asks who the peer is. */
#define JUDGE_OWN (LTI_STORY_PAIR | LTI_STORY_GIVEN)
#define UNNOTICED (UINT64_C(1) << 62)
#define UNNOTICED_SELDOM (UINT64_C(1) << 61)
#define UNNOTICED_OWN (UINT64_C(1) << 63)

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
        allowed |= DENIED | NOT_FOUND | ANOTHER;
#endif
    return allowed;
}

/* What neither of two faults may tell alone. */
static uint64_t judge_pair_errors(const struct lti_fault *first, const struct lti_fault *second)
{
#ifdef LTI_NT
    (void)first;
    (void)second;
    return 0;
#else
    /* A path that is followed once more, and that cannot be looked at then, leads to nobody. */
    bool followed =
        first->call == LTI_FAULT_CALL_connect_node || first->call == LTI_FAULT_CALL_open_node;
    return followed && second->call == LTI_FAULT_CALL_lstat ? UNTRUSTED : 0;
#endif
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

/* What was read as one piece begins, as far as it was read, a piece that is read without a fault:
 * the same one, or, where a message before it was refused, a later one. */
static const char *judge_data(const char *base, const char *run)
{
    for (int lane = 0; lane < LTI_STORY_LANES; lane++) {
        size_t same = 0, begin = 0;
        while (base[same] == run[same] && base[same] != LTI_SWEEP_LANE) {
            same++;
            if (base[same - 1] == '\n')
                begin = same;
        }
        size_t piece = run[begin] == '"' ? 1 + strcspn(run + begin + 1, "\"\n\f") : 0;
        const char *it = base + begin, *end = strchr(it, LTI_SWEEP_LANE);
        while (it < end && (*it != '"' || strncmp(it, run + begin, piece) != 0))
            it++;
        if (piece > 1 && it == end)
            return "other data was read than was written";
        base = end + 1;
        run = strchr(run, LTI_SWEEP_LANE) + 1;
    }
    return NULL;
}

static uint64_t judge_first(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                            const struct lti_sweep_run *run)
{
    for (size_t i = 0; i < run->errors_count; i++) {
        uint64_t bit = UINT64_C(1) << run->errors[i];
        if (!(story->errors & bit))
            return bit;
    }
    if (strcmp(run->text, base->text) == 0)
        return story->traits & JUDGE_OWN ? UNNOTICED_OWN : UNNOTICED;
    return ANOTHER | story->errors;
}

void lti_sweep_count(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                     const struct lti_sweep_run *run, struct lti_sweep_tally *tally)
{
    uint64_t first = judge_first(story, base, run);
    tally->told |= first | (first & UNNOTICED ? UNNOTICED_SELDOM : 0);
    tally->unnoticed += (first & (UNNOTICED | UNNOTICED_OWN)) != 0;
    tally->runs++;
}

static void judge_print_lie(const struct lti_fault *fault, uint64_t never)
{
    printf("FAIL the table allows what never comes of %s, %s:", lti_fault_call_name(fault->call),
           fault->name);
    for (int error = 0; error < JUDGE_ERRORS_MAX; error++)
        if (never & (UINT64_C(1) << error))
            printf(" %s", leat_error_name((enum leat_error)error));
    printf("%s\n", never >> JUDGE_ERRORS_MAX ? " to be unnoticed" : "");
}

size_t lti_sweep_table_lies(const struct lti_sweep_tally *tallies)
{
    size_t lies = 0;
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        const struct judge_row *row = judge_row(fault);
        uint64_t allowed = row ? row->errors : 0;
        bool often = tallies[i].unnoticed * 3 > tallies[i].runs;
        if (allowed != 0 && tallies[i].runs == 0) {
            printf("FAIL no story reaches %s, %s\n", lti_fault_call_name(fault->call), fault->name);
            lies++;
        } else if (allowed & ~tallies[i].told) {
            judge_print_lie(fault, allowed & ~tallies[i].told);
            lies++;
        } else if ((allowed & UNNOTICED_SELDOM) && often) {
            printf("FAIL nobody noticed in too many runs: %s, %s\n",
                   lti_fault_call_name(fault->call), fault->name);
            lies++;
        }
    }
    return lies;
}

static const char *judge_counts(const struct lti_sweep_run *run)
{
    static char text[160];
    bool kept = run->lent && run->allocations >= 0 && run->descriptors >= 0 && run->open_files >= 0;
    if (run->wild_closes == 0 &&
        (kept || (run->allocations == 0 && run->descriptors == 0 && run->open_files == 0)))
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

/* A dead name stays only when the system would not let it be removed, or looked at, or gave no turn
 * for it; a lock file also when another holds it, since removing it then would be his loss. */
static bool judge_may_leave(const struct lti_fault *fault)
{
    return fault->call == LTI_FAULT_CALL_unlink || fault->call == LTI_FAULT_CALL_lstat ||
           fault->call == LTI_FAULT_CALL_fstat || fault->call == LTI_FAULT_CALL_lock ||
           fault->call == LTI_FAULT_CALL_turn_share || fault->call == LTI_FAULT_CALL_share_over;
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

/* Of a fault that the user may be told of. */
static const char *judge_told(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                              const struct lti_fault *fault, const struct lti_sweep_run *run)
{
    const struct judge_row *row = judge_row(fault);
    uint64_t allowed = (row ? row->errors : 0) | judge_story_errors(story, fault);
    uint64_t told = judge_first(story, base, run);
    const char *errors = judge_errors(run, story->errors, allowed, judge_after);
    if (errors)
        return errors;
    if (allowed & (UNNOTICED | UNNOTICED_SELDOM))
        allowed |= UNNOTICED | UNNOTICED_OWN;
    if ((told & (UNNOTICED | UNNOTICED_OWN)) && !(fault->traits & LTI_FAULT_TRANSPARENT) &&
        !(told & allowed))
        return "nobody noticed, which is not expected here";
    if ((told & ANOTHER) && !(told & allowed))
        return "the story is another one, without an error that is expected here";
    /* Who asks first may be served first, too. */
    return story->traits & LTI_STORY_INDIRECT ? NULL : judge_data(base->text, run->text);
}

const char *lti_sweep_judge(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                            const struct lti_sweep_place *place, const struct lti_sweep_run *run)
{
    const char *counts = judge_counts(run);
    if (run->complaint[0])
        return run->complaint;
    if (counts)
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
        const char *wrong = judge_told(story, base, fault, run);
        if (wrong)
            return wrong;
    }
    if (strcmp(run->files, base->files) != 0 && !judge_may_leave(fault))
        return "other files were left than without the fault";
    if (strcmp(run->again, base->text) != 0)
        return "the same story goes wrong after the fault is over";
    return NULL;
}

/* What the two may tell, each for itself or after the other; and who asks first may be the peer of
 * the one whom they hit, so what follows from an error may come first, too. */
const char *lti_sweep_judge_pair(const struct lti_sweep_story *story,
                                 const struct lti_sweep_run *base,
                                 const struct lti_sweep_place *place,
                                 const struct lti_sweep_run *run)
{
    uint64_t allowed =
        judge_pair_errors(lti_fault_at(place->fault), lti_fault_at(place->second_fault));
    bool transparent = true, may_leave = false, lied = false;
    for (int i = 0; i < 2; i++) {
        const struct lti_fault *fault = lti_fault_at(i == 0 ? place->fault : place->second_fault);
        const struct judge_row *row = judge_row(fault);
        allowed |= (row ? row->errors : 0) | judge_story_errors(story, fault);
        transparent = transparent && (fault->traits & LTI_FAULT_TRANSPARENT) &&
                      !(row && judge_probe(story, fault));
        may_leave = may_leave || judge_may_leave(fault);
        /* Who is told of the end too early counts less than was delivered. */
        lied = lied || ((story->traits & LTI_STORY_BULK) && fault->action == LTI_FAULT_END);
    }
    const char *wrong = run->complaint[0] && !lied ? run->complaint : judge_counts(run);
    if (wrong)
        return wrong;
    allowed |= transparent ? 0 : judge_after;
    wrong = judge_errors(run, story->errors, allowed, judge_after);
    if (wrong)
        return wrong;
    if (transparent && strcmp(run->text, base->text) != 0)
        return "two transparent faults changed the transcript";
    wrong = story->traits & LTI_STORY_INDIRECT ? NULL : judge_data(base->text, run->text);
    if (wrong)
        return wrong;
    if (strcmp(run->files, base->files) != 0 && !may_leave)
        return "other files were left than without the faults";
    if (strcmp(run->again, base->text) != 0)
        return "the same story goes wrong after the faults are over";
    return NULL;
}
