/* SPDX-License-Identifier: MIT
 *
 * What leat/sim.h promises, by the controls of the simulated kernel.
 *
 * Happy path: each call is one of sim.h's, with public types; options are translated.
 * Fails:      a mistake of the test ends the program with a word.
 * Invariants: nothing of the kernel's own types is in the public header; the two sets of numbers
 *             are the same.
 */
#include "leat/sim.h"
#include "../sim.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_OF_MS UINT64_C(1000000)

_Static_assert((int)LEAT_SIM_STARVE_ONE == (int)LTI_SIM_STARVE_ONE, "schedules differ");
_Static_assert((int)LEAT_SIM_STOPPED == (int)LTI_SIM_STOPPED, "results differ");
_Static_assert((int)LEAT_SIM_DEADLOCK == (int)LTI_SIM_DEADLOCK, "results differ");
_Static_assert(LEAT_SIM_PROCESSES_MAX < LTI_SIM_PROCESSES_MAX, "number 0 is the test itself");
_Static_assert(LEAT_SIM_THREADS_MAX == LTI_SIM_FIBERS_MAX, "limits differ");

static uint64_t public_began_ns;

static void size_check(size_t size, size_t expected, const char *what)
{
    if (size == expected)
        return;
    (void)fprintf(stderr, "sim: the size of %s is %zu, not %zu\n", what, size, expected);
    abort();
}

static struct lti_sim_faults faults_of(const struct leat_sim_faults *faults)
{
    if (!faults)
        return (struct lti_sim_faults){0};
    size_check(faults->size, sizeof *faults, "leat_sim_faults");
    return (struct lti_sim_faults){
        .short_read = faults->short_read,
        .short_write = faults->short_write,
        .interrupt = faults->interrupt,
        .again = faults->again,
        .poll_spurious = faults->wrong_event,
        .poll_duplicate = faults->wrong_event,
        .poll_empty = faults->wrong_event,
        .poll_shuffle = faults->wrong_event,
        .delay = faults->delay,
        .memory = faults->memory,
        .descriptors = faults->descriptors,
        .clock = faults->clock,
    };
}

void leat_sim_begin(const struct leat_sim_options *options)
{
    struct lti_sim_options sim = {0};
    if (options) {
        size_check(options->size, sizeof *options, "leat_sim_options");
        sim.seed = options->seed;
        sim.buffer_bytes = options->buffer_bytes;
        sim.yield_one_in = options->switch_one_in;
        sim.schedule = (enum lti_sim_schedule)options->schedule;
        sim.faults = faults_of(options->faults);
    }
    lti_sim_begin(&sim);
    public_began_ns = lti_sim_time_ns();
}

void leat_sim_end(void)
{
    lti_sim_end();
}

uint32_t leat_sim_spawn(const char *name, void (*function)(void *argument), void *argument)
{
    return lti_sim_spawn(name, function, argument);
}

void leat_sim_thread(uint32_t process, const char *name, void (*function)(void *argument),
                     void *argument)
{
    lti_sim_thread(process, name, function, argument);
}

enum leat_sim_result leat_sim_run(uint64_t calls_max)
{
    return (enum leat_sim_result)lti_sim_run(calls_max);
}

void leat_sim_stop(void)
{
    lti_sim_stop();
}

void leat_sim_sleep(uint64_t time_ms)
{
    lti_sim_sleep(time_ms * NS_OF_MS);
}

uint64_t leat_sim_now(void)
{
    return lti_sim_time_ns() - public_began_ns;
}

void leat_sim_kill(uint32_t process)
{
    lti_sim_kill(process);
}

void leat_sim_kill_after(uint32_t process, uint64_t calls)
{
    struct lti_sim_count count;
    lti_sim_count(process, &count); /* ends the program for a number that is no process's */
    lti_sim_kill_after(process, calls);
}

void leat_sim_set_faults(const struct leat_sim_faults *faults)
{
    struct lti_sim_faults sim = faults_of(faults);
    lti_sim_set_faults(&sim); /* also ends what faults had begun */
}

void leat_sim_process_info_get(uint32_t process, struct leat_sim_process_info *info)
{
    struct lti_sim_count count;
    size_check(info->size, sizeof *info, "leat_sim_process_info");
    lti_sim_count(process, &count);
    info->calls = count.calls;
    info->descriptors = count.descriptors;
    info->allocations = count.allocations;
    info->alive = count.alive;
}

void leat_sim_trace(bool on)
{
    lti_sim_trace(on);
}

uint64_t leat_sim_calls(void)
{
    return lti_sim_steps();
}

uint64_t leat_sim_hash(void)
{
    return lti_sim_hash();
}
