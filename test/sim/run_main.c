/* SPDX-License-Identifier: MIT
 *
 * sim_run [--seeds FROM COUNT] [--replay SEED] [--trace] [--hash]: runs seeds and judges them.
 *
 * Happy path: for each seed a world, a server, clients, hostile peers and a director, who turns the
 *             phases; then the history is judged, and what is left is counted.
 * Fails:      a seed that breaks a rule prints why and the one command that repeats it; the closing
 *             line counts seeds; the exit code is 1 if any failed.
 * Invariants: a seed's run depends on nothing but the seed; its steps and its virtual time have
 *             limits.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_MAX UINT64_C(2000000)
#define CHAOS_NS (UINT64_C(600000) * RUN_MS)
/* Less than the default of write_stall_ms, so that a stuck write is seen as such. */
#define DRAIN_NS (UINT64_C(20000) * RUN_MS)

struct run run_state;

static char main_replay[128]; /* for the moment of a crash */

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

/* What all seeds did together: a simulation in which nothing happens proves nothing. */
static struct {
    uint64_t conns, bytes, messages, lost, steps, faults;
} main_sum;

static void seed_judge(void)
{
    struct lti_history_result result;
    run_note_kills();
    main_sum.conns += run_state.dialled;
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        /* Who was never accepted cannot be asked; the dialled end has been told. */
        if (run_state.ends[i][0].process && !run_state.ends[i][1].process)
            lti_history_log(run_state.history, i, 1, LTI_HISTORY_KILLED, 0, 0, 0);
    }
    if (!lti_history_check(run_state.history, true, &result))
        run_fail("%s at %zu: %s", result.rule, result.place, result.text);
    main_sum.bytes += result.bytes;
    main_sum.messages += result.messages;
    main_sum.lost += result.lost;
    if (lti_sim_misuses() != 0)
        run_fail("%llu calls on descriptors that were not open",
                 (unsigned long long)lti_sim_misuses());
    run_names_judge();
}

static bool seed_run(uint64_t seed)
{
    memset(&run_state, 0, sizeof run_state);
    run_state.seed = seed;
    run_plan_draw(seed, &run_state.plan);
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

/* ---- Command
 * ---------------------------------------------------------------------------------- */

static void crash(int number)
{
    /* Only calls that a signal handler may make. */
    const char *text = main_replay;
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: sim_run [--seeds FROM COUNT] [--replay SEED] [--trace] "
                          "[--hash] [--plan]\n");
    return 2;
}

struct command {
    uint64_t from, count;
    bool trace, hash, plan;
};

static bool number_read(const char *text, uint64_t *value_out)
{
    char *end = NULL;
    errno = 0;
    *value_out = text ? strtoull(text, &end, 10) : 0;
    return text && end != text && *end == '\0' && errno == 0;
}

static bool command_read(char **arguments, struct command *command)
{
    while (*++arguments) {
        if (strcmp(*arguments, "--seeds") == 0) {
            if (!number_read(arguments[1], &command->from) ||
                !number_read(arguments[2], &command->count))
                return false;
            arguments += 2;
        } else if (strcmp(*arguments, "--replay") == 0) {
            if (!number_read(arguments[1], &command->from))
                return false;
            command->count = 1;
            command->plan = true;
            arguments++;
        } else if (strcmp(*arguments, "--trace") == 0) {
            command->trace = true;
        } else if (strcmp(*arguments, "--hash") == 0) {
            command->hash = true;
        } else if (strcmp(*arguments, "--plan") == 0) {
            command->plan = true;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct command command = {.from = 1, .count = 1000};
    uint64_t passed = 0, failed = 0;
    (void)argc;
    if (!command_read(argv, &command))
        return usage();
    const int signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        (void)signal(signals[i], crash);
    lti_sim_trace(command.trace);
    for (uint64_t i = 0; i < command.count; i++) {
        unsigned long long seed = (unsigned long long)(command.from + i);
        (void)snprintf(main_replay, sizeof main_replay,
                       "seed %llu crashed; repeat with: %.60s --replay %llu --trace\n", seed,
                       argv[0], seed);
        bool good = seed_run(command.from + i);
        if (command.plan)
            run_plan_print(&run_state.plan);
        if (command.hash)
            (void)printf("seed %llu: %016llx\n", seed, (unsigned long long)lti_sim_hash());
        if (!good)
            (void)printf("FAILED seed %llu: %s\n  repeat with: %s --replay %llu --trace\n", seed,
                         run_state.why, argv[0], seed);
        main_sum.steps += lti_sim_steps();
        main_sum.faults += lti_sim_faults_done();
        (void)fflush(stdout);
        passed += good;
        failed += !good;
        lti_sim_end();
    }
    (void)printf("%llu connections, %llu bytes and %llu messages received, %llu lost for a reason, "
                 "%llu system calls, %llu faults\n",
                 (unsigned long long)main_sum.conns, (unsigned long long)main_sum.bytes,
                 (unsigned long long)main_sum.messages, (unsigned long long)main_sum.lost,
                 (unsigned long long)main_sum.steps, (unsigned long long)main_sum.faults);
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)passed,
                 (unsigned long long)failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}
