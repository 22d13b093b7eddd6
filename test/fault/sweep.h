/* SPDX-License-Identifier: MIT
 *
 * What the files of the fault sweep share: one run of one story, and the judgement of it.
 */
#ifndef LTI_TEST_SWEEP_H
#define LTI_TEST_SWEEP_H

#include "os_fault.h"
#include "story.h"

#define LTI_SWEEP_TEXT (LTI_STORY_LANES * LTI_STORY_LANE_BYTES)
#define LTI_SWEEP_FILES 512

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
    int64_t allocations, descriptors, wild_closes, open_files; /* what came on top */
};

/* Tells the story once, with a fault at the place, and again without it. `budget` 0: none. */
void lti_sweep_tell(const struct lti_sweep_story *story, const char *folder,
                    const struct lti_sweep_place *place, uint64_t budget, uint64_t calls_before_end,
                    struct lti_sweep_run *run_out);

/* Removes what a run that died has left in the folder. */
void lti_sweep_clean(const char *folder);

/* Null when the run was right, else what was wrong with it. */
const char *lti_sweep_judge(const struct lti_sweep_story *story, const struct lti_sweep_run *base,
                            const struct lti_sweep_place *place, const struct lti_sweep_run *run);

/* Stories that the sweep must find wrong, so that a sweep that sees nothing is noticed. */
size_t lti_sweep_bad_stories(const struct lti_sweep_story **stories_out);

#endif
