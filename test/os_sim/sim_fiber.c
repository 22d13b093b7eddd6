/* SPDX-License-Identifier: MIT
 *
 * Processes and their fibers, and who runs next.
 *
 * Happy path: lti_sim_run picks one of the fibers that can run, until all are over; a fiber gives
 *             up the processor inside system calls only. When none can run, time jumps to the next
 *             action or deadline.
 * Fails:      with LIMIT when the steps are used up, with DEADLOCK when nothing can ever happen.
 * Invariants: only number 0, the caller of lti_sim_run, switches to a fiber, and a fiber only back
 *             to it; the stack of a killed fiber is left as it is and never run again.
 */
#include "sim_follow.h"
#include "sim_kernel.h"

#include <stdlib.h>

struct sim_fiber *sim_fiber_now(void)
{
    if (sim_world.running == 0)
        sim_world.fibers[0].name = "main";
    return &sim_world.fibers[sim_world.running];
}

/* From a fiber back to lti_sim_run. */
static void fiber_switch_out(bool for_ever)
{
    struct sim_fiber *self = sim_fiber_now();
    struct sim_fiber *first = &sim_world.fibers[0];
    sim_world.running = 0;
    follow_leave(self, first, for_ever);
    sim_context_switch(&self->context, &first->context);
    follow_arrive(self, first);
}

static void fiber_switch_to(uint32_t number)
{
    struct sim_fiber *fiber = &sim_world.fibers[number];
    struct sim_fiber *self = &sim_world.fibers[0];
    fiber->state = SIM_READY;
    sim_world.running = number;
    sim_world.last = number;
    follow_leave(self, fiber, false);
    sim_context_switch(&self->context, &fiber->context);
    follow_arrive(self, NULL);
}

void sim_fiber_die(void)
{
    sim_fiber_now()->state = SIM_OVER;
    fiber_switch_out(true);
    abort(); /* nobody switches to a fiber that is over */
}

/* Whoever joins it can go on. */
static void fiber_over(struct sim_fiber *fiber)
{
    fiber->state = SIM_OVER;
    if (!fiber->thread)
        return;
    fiber->thread->event = 1;
    sim_object_drop(fiber->thread);
    fiber->thread = NULL;
}

static bool fiber_process_has_more(uint32_t process)
{
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++) {
        const struct sim_fiber *it = &sim_world.fibers[i];
        if (it->process == process && it->state != SIM_OVER)
            return true;
    }
    return false;
}

static void fiber_main(void)
{
    struct sim_fiber *self = sim_fiber_now();
    follow_arrive(self, &sim_world.fibers[0]);
    self->function(self->argument);
    fiber_over(self);
    /* Threads end one by one; with the last one the process ends, and the system closes what is
     * open. */
    if (self->process != 0 && !fiber_process_has_more(self->process))
        sim_process_end(&sim_world.processes[self->process]);
    sim_fiber_die();
}

static void fiber_begin(struct sim_fiber *fiber, uint32_t process, const char *name,
                        void (*function)(void *argument), void *argument)
{
    bool is_new = !fiber->stack;
    void *stack = is_new ? malloc(FIBER_STACK_BYTES) : fiber->stack;
    if (!stack)
        sim_fatal("the machine is out of memory");
    void *follow = fiber->follow;
    *fiber = (struct sim_fiber){.state = SIM_READY, .name = name, .process = process};
    fiber->stack = stack;
    fiber->follow = follow;
    fiber->stack_bytes = FIBER_STACK_BYTES;
    fiber->function = function;
    fiber->argument = argument;
    follow_start(fiber, is_new);
    sim_context_make(&fiber->context, stack, FIBER_STACK_BYTES, fiber_main);
}

void lti_sim_thread(uint32_t process, const char *name, void (*function)(void *argument),
                    void *argument)
{
    (void)sim_process_now();
    if (sim_world.fiber_count == LTI_SIM_FIBERS_MAX)
        sim_fatal("too many fibers");
    fiber_begin(&sim_world.fibers[++sim_world.fiber_count], process, name, function, argument);
}

uint32_t sim_fiber_add(uint32_t process, const char *name, void (*function)(void *argument),
                       void *argument)
{
    uint32_t number = 1;
    while (number <= sim_world.fiber_count && sim_world.fibers[number].state != SIM_OVER)
        number++;
    if (number > LTI_SIM_FIBERS_MAX)
        return 0;
    if (number > sim_world.fiber_count)
        sim_world.fiber_count = number;
    fiber_begin(&sim_world.fibers[number], process, name, function, argument);
    return number;
}

uint32_t lti_sim_spawn(const char *name, void (*function)(void *argument), void *argument)
{
    (void)sim_process_now();
    if (sim_world.process_count == LTI_SIM_PROCESSES_MAX)
        sim_fatal("too many processes");
    uint32_t number = sim_world.process_count++;
    struct sim_process *process = &sim_world.processes[number];
    *process = (struct sim_process){.name = name, .used = true, .alive = true};
    process->uid = process->gid = 1000;
    process->token = (struct lti_sim_token)LTI_SIM_TOKEN_USUAL;
    process->session = 1;
    process->pid = 100 + (int64_t)number;
    process->began_ns = sim_world.now_ns;
    lti_sim_thread(number, name, function, argument);
    if (sim_world.options.schedule == LTI_SIM_STARVE_ONE && sim_world.starved == 0)
        sim_world.starved = 1 + sim_random_below(&sim_world.schedule_random, 4);
    return number;
}

static bool fiber_can_run(const struct sim_fiber *fiber)
{
    switch (fiber->state) {
    case SIM_READY:
        return true;
    case SIM_POLLING:
        return fiber->wake_ns <= sim_world.now_ns || fiber->poller->closed ||
               sim_poll_ready(fiber->poller);
    case SIM_SLEEPING:
        return fiber->wake_ns <= sim_world.now_ns;
    case SIM_LOCKING:
    case SIM_FREE:
    case SIM_OVER:
        break;
    }
    return false;
}

/* 0 when none can run. */
static uint32_t fiber_pick(void)
{
    uint32_t able[LTI_SIM_FIBERS_MAX];
    uint32_t count = 0;
    struct sim_random *random = &sim_world.schedule_random;
    for (uint32_t i = 0; i < sim_world.fiber_count; i++) {
        uint32_t number = 1 + (sim_world.last + i) % sim_world.fiber_count;
        if (fiber_can_run(&sim_world.fibers[number]))
            able[count++] = number;
    }
    if (count == 0)
        return 0;
    if (sim_world.options.schedule == LTI_SIM_ROUND_ROBIN)
        return able[0];
    uint32_t chosen = able[sim_random_below(random, count)];
    if (sim_world.options.schedule == LTI_SIM_STARVE_ONE && chosen == sim_world.starved &&
        count > 1 && sim_random_below(random, 64) != 0)
        chosen = able[0] == chosen ? able[1] : able[0];
    return chosen;
}

void sim_fiber_maybe_yield(void)
{
    if (sim_world.running == 0)
        return;
    uint32_t one_in = sim_world.options.yield_one_in;
    if (sim_world.steps >= sim_world.steps_max ||
        sim_world.options.schedule == LTI_SIM_ROUND_ROBIN ||
        sim_random_below(&sim_world.schedule_random, one_in) == 0)
        fiber_switch_out(false);
}

void sim_fiber_block(void)
{
    fiber_switch_out(false);
}

void lti_sim_yield(void)
{
    if (sim_world.running != 0)
        fiber_switch_out(false);
}

void lti_sim_sleep(uint64_t time_ns)
{
    struct sim_fiber *self = sim_fiber_now();
    if (sim_world.running == 0)
        sim_fatal("only a fiber sleeps");
    self->wake_ns = sim_world.now_ns + time_ns;
    self->state = SIM_SLEEPING;
    sim_fiber_block();
}

void lti_sim_stop(void)
{
    sim_world.stop = true;
    lti_sim_yield();
}

static uint64_t fiber_first_wake(bool *any_out)
{
    uint64_t first = sim_actions_first();
    *any_out = false;
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++) {
        const struct sim_fiber *it = &sim_world.fibers[i];
        if (it->state == SIM_OVER)
            continue;
        *any_out = true;
        if ((it->state == SIM_POLLING || it->state == SIM_SLEEPING) && it->wake_ns < first)
            first = it->wake_ns;
    }
    return first;
}

bool sim_fibers_turn(void)
{
    uint32_t number = sim_world.fiber_count ? fiber_pick() : 0;
    if (number != 0)
        fiber_switch_to(number);
    return number != 0;
}

uint64_t sim_fibers_wake(void)
{
    bool any;
    return fiber_first_wake(&any);
}

enum lti_sim_result lti_sim_run(uint64_t steps_max)
{
    if (sim_world.running != 0)
        sim_fatal("lti_sim_run inside a fiber");
    sim_world.stop = false;
    sim_world.steps_max = sim_world.steps + steps_max;
    for (;;) {
        sim_actions_run();
        if (sim_world.stop)
            return LTI_SIM_STOPPED;
        if (sim_world.steps >= sim_world.steps_max)
            return LTI_SIM_LIMIT;
        uint32_t number = sim_world.fiber_count ? fiber_pick() : 0;
        if (number != 0) {
            fiber_switch_to(number);
            continue;
        }
        bool any = false;
        uint64_t first = fiber_first_wake(&any);
        if (!any)
            return LTI_SIM_DONE;
        if (first == UINT64_MAX)
            return LTI_SIM_DEADLOCK;
        if (first > sim_world.now_ns)
            sim_world.now_ns = first;
    }
}

void sim_fibers_of_process_die(uint32_t process)
{
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++) {
        struct sim_fiber *it = &sim_world.fibers[i];
        if (it->process != process || it->state == SIM_OVER)
            continue;
        if (it->state == SIM_POLLING)
            sim_object_drop(it->poller);
        fiber_over(it);
    }
}

void sim_fibers_end(void)
{
    if (sim_world.running != 0)
        sim_fatal("a fiber ends the world");
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++) {
        if (sim_world.fibers[i].state == SIM_POLLING)
            sim_object_drop(sim_world.fibers[i].poller);
        fiber_over(&sim_world.fibers[i]);
    }
}

void lti_sim_kill(uint32_t process)
{
    if (process == 0 || process >= sim_world.process_count)
        sim_fatal("process %u cannot be killed", process);
    struct sim_process *victim = &sim_world.processes[process];
    if (!victim->alive)
        return;
    bool own = sim_world.running != 0 && sim_fiber_now()->process == process;
    sim_fibers_of_process_die(process);
    sim_process_end(victim);
    victim->open = 0;
    victim->allocations = victim->bytes = 0;
    (void)sim_leave("kill", process, 0, 0);
    if (own)
        sim_fiber_die();
}

void lti_sim_kill_after(uint32_t process, uint64_t calls)
{
    sim_world.processes[process].dies_at = sim_world.processes[process].calls + calls;
}
