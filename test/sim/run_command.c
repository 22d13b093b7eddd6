/* SPDX-License-Identifier: MIT
 *
 * sim_run: runs seeds, counts those that hold, and helps with those that do not.
 *
 * Happy path: each seed is drawn, run and judged; the closing line counts seeds.
 * Fails:      a seed that breaks a rule prints why, the one command that repeats it, and the
 *             smallest plan that fails alike; the exit code is 1 if any failed.
 * Invariants: a seed's run depends on nothing but the seed and the settings that were given.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHRINKS_MAX 3u

static char command_replay[128]; /* for the moment of a crash */

struct command {
    uint64_t from, count;
    bool replay, shrink, no_shrink, trace, hash, plan;
    struct run_edits edits;
    const char *program;
    uint32_t shrinks;
};

static void crash(int number)
{
    /* Only calls that a signal handler may make. */
    const char *text = command_replay;
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static const int command_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV};

void run_quiet(void)
{
    for (size_t i = 0; i < sizeof command_signals / sizeof command_signals[0]; i++)
        (void)signal(command_signals[i], SIG_DFL);
    lti_sim_trace(false);
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: sim_run [--seeds FROM COUNT | --replay SEED | --shrink SEED]\n"
                  "               [--set NAME=VALUE]... [--trace] [--hash] [--plan] [--no-shrink]\n"
                  "  --set changes what the seed draws; the names:\n");
    for (uint32_t i = 0; i < run_field_count(); i++)
        (void)fprintf(stderr, "%s%s", i % 6 == 0 ? "\n    " : " ", run_field_name(i));
    (void)fputc('\n', stderr);
    return 2;
}

static bool number_read(const char *text, uint64_t *value_out)
{
    char *end = NULL;
    errno = 0;
    *value_out = text ? strtoull(text, &end, 10) : 0;
    return text && end != text && *end == '\0' && errno == 0;
}

/* Options without a value. */
static bool switch_read(const char *word, struct command *command)
{
    if (strcmp(word, "--trace") == 0)
        command->trace = true;
    else if (strcmp(word, "--hash") == 0)
        command->hash = true;
    else if (strcmp(word, "--plan") == 0)
        command->plan = true;
    else if (strcmp(word, "--no-shrink") == 0)
        command->no_shrink = true;
    else if (strcmp(word, "--plant") == 0) /* a defect, for the test of the shrinker */
        run_state.planted = true;
    else
        return false;
    return true;
}

static bool command_read(char **arguments, struct command *command)
{
    while (*++arguments) {
        const char *word = *arguments;
        if (strcmp(word, "--seeds") == 0) {
            if (!number_read(arguments[1], &command->from) ||
                !number_read(arguments[2], &command->count))
                return false;
            arguments += 2;
        } else if (strcmp(word, "--replay") == 0 || strcmp(word, "--shrink") == 0) {
            if (!number_read(*++arguments, &command->from))
                return false;
            command->count = 1;
            command->replay = command->plan = word[2] == 'r';
            command->shrink = word[2] == 's';
        } else if (strcmp(word, "--set") == 0) {
            struct run_edits *edits = &command->edits;
            if (edits->count == RUN_EDITS_MAX ||
                !run_edit_read(*++arguments, &edits->list[edits->count++]))
                return false;
        } else if (!switch_read(word, command)) {
            return false;
        }
    }
    return true;
}

static void seed_failed(struct command *command, uint64_t seed)
{
    (void)printf("FAILED seed %llu: %s\n  repeat with: %s --replay %llu --trace",
                 (unsigned long long)seed, run_state.why, command->program,
                 (unsigned long long)seed);
    for (uint32_t i = 0; i < command->edits.count; i++)
        (void)printf(" --set %s=%llu", run_field_name(command->edits.list[i].field),
                     (unsigned long long)command->edits.list[i].value);
    (void)printf(run_state.planted ? " --plant\n" : "\n");
    if (command->replay || command->no_shrink || command->shrinks == SHRINKS_MAX)
        return;
    command->shrinks++;
    lti_sim_end();
    (void)run_shrink(seed, &command->edits, command->program);
}

static bool seed_do(struct command *command, uint64_t seed)
{
    struct run_plan plan;
    run_plan_draw(seed, &plan);
    run_edits_apply(&command->edits, &plan);
    (void)snprintf(command_replay, sizeof command_replay,
                   "seed %llu crashed; repeat with: %.60s --replay %llu --trace\n",
                   (unsigned long long)seed, command->program, (unsigned long long)seed);
    bool good = run_seed(seed, &plan);
    if (command->plan)
        run_plan_print(&plan);
    if (command->hash)
        (void)printf("seed %llu: %016llx\n", (unsigned long long)seed,
                     (unsigned long long)lti_sim_hash());
    run_sum.steps += lti_sim_steps();
    run_sum.faults += lti_sim_faults_done();
    if (!good)
        seed_failed(command, seed);
    (void)fflush(stdout);
    lti_sim_end();
    return good;
}

int main(int argc, char **argv)
{
    struct command command = {.from = 1, .count = 1000};
    uint64_t passed = 0, failed = 0;
    (void)argc;
    if (!command_read(argv, &command))
        return usage();
    command.program = argv[0];
    if (command.shrink)
        return run_shrink(command.from, &command.edits, command.program) ? 0 : 1;
    for (size_t i = 0; i < sizeof command_signals / sizeof command_signals[0]; i++)
        (void)signal(command_signals[i], crash);
    lti_sim_trace(command.trace);
    for (uint64_t i = 0; i < command.count; i++) {
        bool good = seed_do(&command, command.from + i);
        passed += good;
        failed += !good;
    }
    (void)printf("%llu connections, %llu bytes and %llu messages received, %llu lost for a reason, "
                 "%llu system calls, %llu faults\n",
                 (unsigned long long)run_sum.conns, (unsigned long long)run_sum.bytes,
                 (unsigned long long)run_sum.messages, (unsigned long long)run_sum.lost,
                 (unsigned long long)run_sum.steps, (unsigned long long)run_sum.faults);
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)passed,
                 (unsigned long long)failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}
