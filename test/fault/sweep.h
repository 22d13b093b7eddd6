/* SPDX-License-Identifier: MIT
 *
 * What the files of the fault sweep share: one run of one story, and the judgement of it.
 */
#ifndef LTI_TEST_SWEEP_H
#define LTI_TEST_SWEEP_H

#include "os_fault.h"
#include "story.h"

#define LTI_SWEEP_TEXT (LTI_STORY_LANES * LTI_STORY_LANE_BYTES)
#define LTI_SWEEP_LANE '\f' /* behind each lane of a text */
#define LTI_SWEEP_FILES 512
#define LTI_SWEEP_FATAL 256u /* a trait of bad stories: its process dies */

struct lti_sweep_story {
    const char *name;
    uint32_t traits;
    uint64_t errors; /* that belong to it; bit = public error */
    void (*tell)(struct lti_story *story);
};

/* Where a fault is put. */
struct lti_sweep_place {
    uint64_t position; /* 0: nowhere */
    size_t fault;
    enum lti_fault_mode mode;
    uint64_t second_position; /* 0: one fault is all */
    size_t second_fault;
};

/* What one run came to. */
struct lti_sweep_run {
    char text[LTI_SWEEP_TEXT];
    char again[LTI_SWEEP_TEXT]; /* the story told again after the fault was over; empty: not told */
    enum leat_error errors[LTI_STORY_ERRORS];
    size_t errors_count;
    char complaint[256];
    char files[LTI_SWEEP_FILES]; /* what was left in the folder */
    uint64_t calls;              /* counted until the hub was destroyed */
    uint64_t calls_before_end;   /* until the story was told */
    uint64_t fired;
    bool second_fired;
    bool lent; /* the system kept what the hub had lent it, and the hub said so */
    int64_t allocations, descriptors, wild_closes, open_files; /* what came on top */
};

/* Tells the story once, with a fault at the place, and again without it. `budget` 0: none. */
void lti_sweep_tell(const struct lti_sweep_story *story, const char *folder,
                    const struct lti_sweep_place *place, uint64_t budget, uint64_t calls_before_end,
                    struct lti_sweep_run *run_out);

/* True when nothing that was lent may come back under this fault. */
bool lti_sweep_may_keep(const struct lti_sweep_place *place);

/* ---- Surroundings: each system has its own --------------------------------------------------- */

const char *lti_sweep_folder_make(void); /* for names; null: it cannot be made */
bool lti_sweep_folder_remove(void);
/* Lists the names in the folder, then removes them. */
void lti_sweep_take_files(const char *folder, char files_out[LTI_SWEEP_FILES]);
int64_t lti_sweep_open_files(void); /* by the system's count */
/* Calls the function where a story can be told; false when it never came to its end, or something
 * that it began did not. */
bool lti_sweep_world(void (*function)(void *argument), void *argument);

/* ---- Judging --------------------------------------------------------------------------------- */

/* Null when the run was right, else what was wrong with it. */
const char *lti_sweep_judge(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                            const struct lti_sweep_place *place, const struct lti_sweep_run *run);

/* The same of two faults, each of which happens once. */
const char *lti_sweep_judge_pair(const struct lti_sweep_story *story,
                                 const struct lti_sweep_run *base,
                                 const struct lti_sweep_place *place,
                                 const struct lti_sweep_run *run);

/* What came of one fault in all runs. */
struct lti_sweep_tally {
    uint64_t told; /* what the user was told first, in bits of the table */
    uint64_t runs, unnoticed;
};

void lti_sweep_count(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                     const struct lti_sweep_run *run, struct lti_sweep_tally *tally);

/* Prints which rows of the table allow what never came, or came too often, given the tally of each
 * fault; says how many. */
size_t lti_sweep_table_lies(const struct lti_sweep_tally *tallies);

/* Stories that the sweep must find wrong, so that a sweep that sees nothing is noticed. */
size_t lti_sweep_bad_stories(const struct lti_sweep_story **stories_out);

#endif
