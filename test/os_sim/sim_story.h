/* SPDX-License-Identifier: MIT
 *
 * What every story of the control tests must be: the same for each schedule, not hurt by faults,
 * and one run for one seed. A story begins a world, runs to its end, checks what came of it, and
 * says its hash.
 */
#ifndef LTI_SIM_STORY_H
#define LTI_SIM_STORY_H

#include "harness.h"
#include "sim.h"

typedef uint64_t sim_story(const struct lti_sim_options *options);
typedef void sim_story_faults(struct lti_sim_faults *faults, uint32_t millionths);

static inline void sim_story_every_schedule(sim_story *story)
{
    struct lti_sim_options options = {.seed = 1};
    for (int schedule = LTI_SIM_RANDOM; schedule <= LTI_SIM_STARVE_ONE; schedule++) {
        options.schedule = (enum lti_sim_schedule)schedule;
        (void)story(&options);
    }
}

static inline void sim_story_with_faults(sim_story *story, sim_story_faults *faults)
{
    uint64_t faults_done = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct lti_sim_options options = {.seed = seed, .clock_grain_ns = 1000000};
        options.schedule = (enum lti_sim_schedule)(seed % 3);
        options.buffer_bytes = seed % 4 == 0 ? 100 : 0;
        faults(&options.faults, seed % 2 ? 10000 : 200000);
        (void)story(&options);
        faults_done += lti_sim_faults_done();
    }
    CHECK(faults_done > 1000);
}

/* `hash` is that of a plain run: the same on every machine, with every compiler and sanitizer. */
static inline void sim_story_is_one_run(sim_story *story, sim_story_faults *faults, uint64_t hash)
{
    struct lti_sim_options options = {.seed = 7};
    faults(&options.faults, 100000);
    uint64_t first = story(&options);
    CHECK_INT(story(&options), first);
    options.seed = 8;
    CHECK(story(&options) != first);
    options = (struct lti_sim_options){.seed = 7, .schedule = LTI_SIM_ROUND_ROBIN};
    CHECK_INT(story(&options), hash);
}

#endif
