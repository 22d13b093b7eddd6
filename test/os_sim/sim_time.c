/* SPDX-License-Identifier: MIT
 *
 * Virtual time, and the kernel's own actions in it.
 *
 * Happy path: each call costs a little time; an action that was put off happens at the first call,
 *             or the first idle moment, at or after its time.
 * Fails:      never.
 * Invariants: true time never goes back; what a process reads of it may stand still or be coarse,
 *             but never goes back either; actions of one time happen in the order they were added.
 */
#include "sim_kernel.h"

#include <stdlib.h>

void sim_time_tick(void)
{
    sim_world.now_ns += 200 + sim_random_below(&sim_world.clock_random, 800);
}

uint64_t lti_sim_time_ns(void)
{
    return sim_world.now_ns;
}

uint64_t lti_os_now_ns(void)
{
    (void)sim_process_now(); /* begins the world */
    sim_world.now_ns += 20;
    /* Who does nothing but look at the clock spins; others must run, and time must pass. */
    uint64_t reads = sim_world.clock_reads + 1;
    if (reads % 16 == 0)
        sim_enter();
    sim_world.clock_reads = reads;
    if (reads > sim_world.busy)
        sim_world.busy = reads;
    if (sim_world.now_ns >= sim_world.clock_still_ns) {
        uint64_t grain = sim_world.options.clock_grain_ns;
        uint64_t shown = sim_world.now_ns - sim_world.now_ns % grain;
        if (shown > sim_world.clock_floor_ns)
            sim_world.clock_floor_ns = shown;
        if (sim_fault(sim_world.options.faults.clock))
            sim_world.clock_still_ns =
                sim_world.now_ns + 1 + sim_random_below(&sim_world.fault_random, 3000000);
    }
    return sim_world.clock_floor_ns;
}

uint64_t sim_delay(void)
{
    /* Mostly a short while, sometimes a long one: both races and waits are explored. */
    uint32_t most = sim_random_below(&sim_world.delay_random, 8) == 0 ? 5000000 : 30000;
    return 1 + sim_random_below(&sim_world.delay_random, most);
}

static bool action_before(const struct sim_action *a, const struct sim_action *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void sim_action_add(enum sim_action_kind kind, struct sim_object *object, uint64_t delay_ns)
{
    if (sim_world.action_count == sim_world.action_capacity) {
        uint32_t capacity = sim_world.action_capacity ? 2 * sim_world.action_capacity : 64;
        struct sim_action *actions = realloc(sim_world.actions, capacity * sizeof *actions);
        if (!actions)
            sim_fatal("the machine is out of memory");
        sim_world.actions = actions;
        sim_world.action_capacity = capacity;
    }
    struct sim_action action = {sim_world.now_ns + delay_ns, ++sim_world.order, kind, object};
    sim_object_hold(object);
    uint32_t at = sim_world.action_count++;
    while (at > 0 && action_before(&action, &sim_world.actions[(at - 1) / 2])) {
        sim_world.actions[at] = sim_world.actions[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim_world.actions[at] = action;
}

static struct sim_action action_take(void)
{
    struct sim_action first = sim_world.actions[0];
    struct sim_action moved = sim_world.actions[--sim_world.action_count];
    uint32_t count = sim_world.action_count;
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < count &&
            action_before(&sim_world.actions[child + 1], &sim_world.actions[child]))
            child++;
        if (child >= count || !action_before(&sim_world.actions[child], &moved))
            break;
        sim_world.actions[at] = sim_world.actions[child];
        at = child;
    }
    if (count > 0)
        sim_world.actions[at] = moved;
    return first;
}

uint64_t sim_actions_first(void)
{
    return sim_world.action_count > 0 ? sim_world.actions[0].time_ns : UINT64_MAX;
}

void sim_actions_run(void)
{
    while (sim_actions_first() <= sim_world.now_ns) {
        struct sim_action action = action_take();
        if (!action.object->closed) {
            if (action.kind == SIM_REVEAL)
                sim_socket_reveal(action.object);
            else if (action.kind == SIM_ARRIVE)
                sim_queue_arrive(action.object);
            else
                sim_poll_wake(action.object, 0);
        }
        sim_object_drop(action.object);
    }
}

void sim_actions_end(void)
{
    while (sim_world.action_count > 0)
        sim_object_drop(action_take().object);
    free(sim_world.actions);
    sim_world.actions = NULL;
}
