/* SPDX-License-Identifier: MIT
 *
 * One seed: a world of processes, run and judged. run_command.c has what the user asks for.
 *
 * Happy path: for each seed a world, a server, clients, hostile peers and a director, who turns the
 *             phases; then the history is judged, and what is left is counted.
 * Fails:      the first rule that is broken is kept, and the run ends.
 * Invariants: a seed's run depends on nothing but the seed; its steps and its virtual time have
 *             limits.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX UINT64_C(2000000)
#define CHAOS_NS (UINT64_C(600000) * RUN_MS)
/* Less than the default of write_stall_ms, so that a stuck write is seen as such. */
#define DRAIN_NS (UINT64_C(20000) * RUN_MS)

struct run run_state;

void run_fail(const char *format, ...)
{
    va_list arguments;
    if (!run_state.failed) {
        va_start(arguments, format);
        (void)vsnprintf(run_state.why, sizeof run_state.why, format, arguments);
        va_end(arguments);
        run_state.failed = true;
    }
    lti_sim_stop();
}

uint64_t run_key(uint32_t index)
{
    struct run_random random = {run_state.seed * 64 + index};
    return run_next(&random);
}

/* ---- The director
 * ----------------------------------------------------------------------------- */

static struct run_process *process_add(const char *name, bool server, void (*function)(void *))
{
    struct run_process *process = &run_state.processes[run_state.process_count++];
    *process = (struct run_process){.name = name, .server = server};
    process->turns = run_state.plan.turns;
    process->random.state = run_state.seed * 1000003 + run_state.process_count;
    process->number = lti_sim_spawn(name, function, process);
    return process;
}

/* The server may be killed; another one takes its name over. */
static void server_again(void)
{
    struct lti_sim_count count;
    lti_sim_count(run_state.processes[run_state.server].number, &count);
    if (count.alive || run_state.phase == RUN_SHUTDOWN)
        return;
    run_note_kills();
    run_state.server = run_state.process_count;
    process_add("server again", true, run_server)->turns = 0;
}

static bool ends_even(const struct run_end *from, const struct run_end *to)
{
    if (to->received != from->accepted)
        return false;
    return from->finish || from->accepted > from->drain_mark;
}

/* Says what is not yet as it must be when no fault happens any more; null when all is. */
static const char *drain_lack(uint32_t index)
{
    const struct run_end *a = &run_state.ends[index][0];
    const struct run_end *b = &run_state.ends[index][1];
    bool here = run_end_usable(a), there = run_end_usable(b);
    if (!here && !there)
        return NULL;
    if (here && !b->process)
        return "was never accepted";
    if (here != there)
        return "does not see that the other end has gone";
    if (a->write_over || b->write_over)
        return "cannot write and is not told why";
    if (!ends_even(a, b) || !ends_even(b, a))
        return "does not bring everything to its reader";
    return NULL;
}

static const char *drain_lacks(uint32_t *index_out)
{
    for (uint32_t i = 0; i < run_state.process_count; i++) {
        if (run_state.processes[i].timers != 0)
            return "timer never came";
    }
    for (*index_out = 0; *index_out < RUN_CONNS_MAX; (*index_out)++) {
        const char *lack = drain_lack(*index_out);
        if (lack)
            return lack;
    }
    return NULL;
}

static void drain_begin(void)
{
    struct lti_sim_count count;
    for (uint32_t i = 0; i < run_state.process_count; i++) {
        lti_sim_count(run_state.processes[i].number, &count);
        if (count.alive)
            lti_sim_kill_after(run_state.processes[i].number, UINT64_C(1) << 60);
    }
    for (uint32_t i = 0; i < 2 * RUN_CONNS_MAX; i++)
        run_state.ends[i / 2][i % 2].drain_mark = run_state.ends[i / 2][i % 2].accepted;
    lti_sim_set_faults(NULL);
    run_state.phase = RUN_DRAIN;
}

static void director_drain(void)
{
    uint64_t limit_ns = lti_sim_time_ns() + DRAIN_NS;
    uint32_t index = 0;
    const char *lack = drain_lacks(&index);
    while (lack && !run_state.failed) {
        if (lti_sim_time_ns() > limit_ns) {
            const struct run_end *ends = run_state.ends[index];
            run_fail("conn %u %s (%s: %llu of %llu, %llu of %llu)", index, lack,
                     ends[0].messages ? "messages" : "bytes", (unsigned long long)ends[1].received,
                     (unsigned long long)ends[0].accepted, (unsigned long long)ends[0].received,
                     (unsigned long long)ends[1].accepted);
        }
        lti_sim_sleep(10 * RUN_MS);
        run_note_kills();
        lack = drain_lacks(&index);
    }
}

static uint32_t chaos_needed(void)
{
    return run_state.plan.clients + 1;
}

static void director(void *argument)
{
    uint64_t limit_ns = lti_sim_time_ns() + CHAOS_NS;
    (void)argument;
    while (run_state.chaos_over < chaos_needed() && !run_state.failed) {
        if (lti_sim_time_ns() > limit_ns)
            run_fail("the chaos never ends");
        lti_sim_sleep(5 * RUN_MS);
        run_note_kills();
        server_again();
    }
    drain_begin();
    server_again();
    director_drain();
    run_state.phase = RUN_SHUTDOWN;
}

/* ---- One seed
 * --------------------------------------------------------------------------------- */

static void seed_spawn(void)
{
    const struct run_plan *plan = &run_state.plan;
    struct run_process *server = process_add("server", true, run_server);
    if (plan->server_dies)
        lti_sim_kill_after(server->number, plan->server_dies);
    for (uint32_t i = 0; i < plan->clients; i++) {
        struct run_process *client = process_add("client", false, run_client);
        if (i == 0 && plan->client_dies)
            lti_sim_kill_after(client->number, plan->client_dies);
    }
    for (uint32_t i = 0; i < plan->hostiles; i++)
        process_add("hostile", false, run_hostile)->turns = 0;
    (void)lti_sim_spawn("director", director, NULL);
}

struct run_sum run_sum;

static void seed_judge(void)
{
    struct lti_history_result result;
    run_note_kills();
    run_sum.conns += run_state.dialled;
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        /* Who was never accepted cannot be asked; the dialled end has been told. */
        if (run_state.ends[i][0].process && !run_state.ends[i][1].process)
            lti_history_log(run_state.history, i, 1, LTI_HISTORY_KILLED, 0, 0, 0);
    }
    if (!lti_history_check(run_state.history, true, &result))
        run_fail("%s at %zu: %s", result.rule, result.place, result.text);
    run_sum.bytes += result.bytes;
    run_sum.messages += result.messages;
    run_sum.lost += result.lost;
    if (lti_sim_misuses() != 0)
        run_fail("%llu calls on descriptors that were not open",
                 (unsigned long long)lti_sim_misuses());
    run_names_judge();
}

bool run_seed(uint64_t seed, const struct run_plan *plan)
{
    bool planted = run_state.planted;
    memset(&run_state, 0, sizeof run_state);
    run_state.planted = planted;
    run_state.seed = seed;
    run_state.plan = *plan;
    run_state.history = lti_history_new(seed);
    if (!run_state.history)
        return false;
    lti_sim_begin(&run_state.plan.sim);
    run_names_begin();
    seed_spawn();
    enum lti_sim_result result = lti_sim_run(STEPS_MAX);
    if (!run_state.failed && result == LTI_SIM_LIMIT)
        run_fail("no end within %llu system calls: a livelock, in phase %d",
                 (unsigned long long)STEPS_MAX, (int)run_state.phase);
    if (!run_state.failed && result == LTI_SIM_DEADLOCK)
        run_fail("a deadlock, in phase %d", (int)run_state.phase);
    if (!run_state.failed)
        seed_judge();
    lti_history_free(run_state.history);
    return !run_state.failed;
}
