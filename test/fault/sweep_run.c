/* SPDX-License-Identifier: MIT
 *
 * One run of the fault sweep: a story told with one fault armed, and everything counted around it.
 *
 * Happy path: count what is open, tell the story beside its bystander, end the fault, tell it
 *             again in the same hub, destroy the hub, count again.
 * Fails:      nothing here judges; numbers and texts go into the run.
 * Invariants: the fault is over before the second telling; with a lasting fault, or one that comes
 *             later than the story, the hub is destroyed under it, and the second telling has a new
 *             one.
 */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

static void run_join(const struct lti_story *story, char text_out[LTI_SWEEP_TEXT])
{
    size_t used = 0;
    for (int lane = 0; lane < LTI_STORY_LANES; lane++) {
        size_t size = strlen(story->text[lane]);
        memcpy(text_out + used, story->text[lane], size);
        used += size;
        text_out[used++] = LTI_SWEEP_LANE;
    }
    text_out[used] = '\0';
}

static void run_told(const struct lti_sweep_story *what, struct lti_story *story)
{
    struct leat_hub *const untouched = story->hub;
    if (!story->hub) {
        struct leat_hub_options options = {.size = sizeof options};
        if (what->traits & LTI_STORY_SEVERAL)
            options.backend = LEAT_BACKEND_URING;
        if (what->traits & LTI_STORY_AHEAD)
            options.backend = LEAT_BACKEND_AHEAD;
        enum leat_error error = leat_hub_create(&options, &story->hub);
        if (error != LEAT_OK && story->hub != untouched)
            lti_story_complain(story, "leat_hub_create failed and touched its output");
        if (!lti_story_note(story, 0, "the hub", error))
            return;
    } else {
        (void)lti_story_note(story, 0, "the hub", LEAT_OK);
    }
    what->tell(story);
    lti_story_end(story);
}

/* A system that gives nothing back, for ever, keeps what it was lent: the hub must then say so. */
static void run_destroy(struct lti_story *story, const struct lti_sweep_place *place,
                        struct lti_sweep_run *run)
{
    enum leat_error error = story->hub ? leat_hub_destroy(story->hub) : LEAT_OK;
    bool lasting = place->position != 0 && lti_sweep_may_keep(place);
    run->lent = run->lent || (error == LEAT_E_SYSTEM && lasting);
    if (error != LEAT_OK && !run->lent)
        lti_story_complain(story, "the hub could not be destroyed: %s", leat_error_name(error));
    story->hub = NULL;
}

static void run_both_tellings(const struct lti_sweep_story *what,
                              const struct lti_sweep_place *place, uint64_t budget,
                              uint64_t calls_before_end, struct lti_story *story,
                              struct lti_sweep_run *run)
{
    char ignored[LTI_SWEEP_FILES];
    static const struct lti_sweep_place nowhere = {0};
    bool under_fault = place->position == 0 || place->mode == LTI_FAULT_FOREVER ||
                       place->position > calls_before_end ||
                       place->second_position > calls_before_end || lti_sweep_may_keep(place);
    lti_fault_budget(budget);
    if (place->position)
        lti_fault_arm(place->position, place->fault, place->mode);
    if (place->second_position)
        lti_fault_arm_second(place->second_position, place->second_fault);
    run_told(what, story);
    run->calls_before_end = lti_fault_calls();
    if (under_fault)
        run_destroy(story, place, run);
    run->calls = lti_fault_calls();
    run->fired = lti_fault_fired();
    run->second_fired = place->second_position && lti_fault_second_fired();
    run_join(story, run->text);
    memcpy(run->errors, story->errors, sizeof run->errors);
    run->errors_count = story->errors_count;
    lti_fault_disarm();
    if (place->position) {
        /* What the fault kept the library from removing is in the way of a new try, or is not: a
         * server's own leftovers must never be. Files of the folder stay for it. */
        if (under_fault)
            lti_sweep_take_files(story->folder, run->files);
        else if (story->hub)
            lti_story_settle(story);
        lti_story_clear(story);
        run_told(what, story);
        run_destroy(story, &nowhere, run);
        run_join(story, run->again);
        lti_sweep_take_files(story->folder, under_fault ? ignored : run->files);
    } else {
        lti_sweep_take_files(story->folder, run->files);
    }
}

static void run_tell(const struct lti_sweep_story *what, const char *folder,
                     const struct lti_sweep_place *place, uint64_t budget,
                     uint64_t calls_before_end, struct lti_sweep_run *run_out)
{
    static struct lti_story story;
    memset(run_out, 0, sizeof *run_out);
    lti_fault_reset();
    lti_fault_virtual_time();
    int64_t allocations = lti_test_allocations_live();
    int64_t descriptors = lti_test_descriptors_live();
    int64_t wild_closes = lti_test_wild_closes();
    int64_t open_files = lti_sweep_open_files();
    if (!lti_story_begin(&story, folder))
        lti_story_complain(&story, "the bystander could not be made");
    else
        run_both_tellings(what, place, budget, calls_before_end, &story, run_out);
    lti_story_leave(&story);
    memcpy(run_out->complaint, story.complaint, sizeof run_out->complaint);
    run_out->allocations = lti_test_allocations_live() - allocations;
    run_out->descriptors = lti_test_descriptors_live() - descriptors;
    run_out->wild_closes = lti_test_wild_closes() - wild_closes;
    run_out->open_files = lti_sweep_open_files() - open_files;
    lti_fault_budget(0);
}

struct run_telling {
    const struct lti_sweep_story *what;
    const char *folder;
    const struct lti_sweep_place *place;
    uint64_t budget, calls_before_end;
    struct lti_sweep_run *run;
};

static void run_telling(void *argument)
{
    const struct run_telling *it = argument;
    run_tell(it->what, it->folder, it->place, it->budget, it->calls_before_end, it->run);
}

void lti_sweep_tell(const struct lti_sweep_story *what, const char *folder,
                    const struct lti_sweep_place *place, uint64_t budget, uint64_t calls_before_end,
                    struct lti_sweep_run *run_out)
{
    struct run_telling telling = {what, folder, place, budget, calls_before_end, run_out};
    if (!lti_sweep_world(run_telling, &telling) && !run_out->lent)
        (void)snprintf(run_out->complaint, sizeof run_out->complaint, "the world stands still");
}
