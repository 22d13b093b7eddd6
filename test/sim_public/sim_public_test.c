/* SPDX-License-Identifier: MIT
 *
 * What leat/sim.h promises to users, from outside: linked with libleat_sim.a and nothing else of
 * leat's.
 *
 * Happy path: each test makes a machine, runs it and looks at what its processes saw.
 * Fails:      by the harness's checks; a process's mistake that ends the program is seen from a
 *             child's exit.
 * Invariants: each test ends its machine.
 */
#include "harness.h"
#include "leat/sim.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "unix:/tmp/talk"
#define CALLS_MAX 100000u

struct talk {
    uint32_t rounds, done, heard;
    enum leat_error end;
};

static void talk_server(void *argument)
{
    struct talk *talk = argument;
    struct leat_hub *hub;
    leat_listener listener;
    leat_conn conn;
    char line[64];
    size_t size;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, NAME, NULL, &listener), LEAT_OK);
    if (leat_wait_accepted(hub, listener, 5000, &conn) == LEAT_E_TIMEOUT) { /* it died before */
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
        return;
    }
    talk->end = LEAT_OK;
    while (talk->end == LEAT_OK) {
        talk->end = leat_read_line(hub, conn, line, sizeof line, 5000, &size);
        if (talk->end == LEAT_OK)
            talk->end = leat_write_full(hub, conn, line, size, 5000, &size);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void talk_client(void *argument)
{
    struct talk *talk = argument;
    struct leat_hub *hub;
    leat_conn conn;
    char line[64];
    size_t size;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    enum leat_error error = leat_connect_wait(hub, NAME, NULL, &conn);
    while (error == LEAT_E_NOT_FOUND || error == LEAT_E_REFUSED) { /* nobody listens yet */
        leat_sim_sleep(1);
        error = leat_connect_wait(hub, NAME, NULL, &conn);
    }
    REQUIRE_ERROR(error, LEAT_OK);
    for (; talk->done < talk->rounds; talk->done++) {
        REQUIRE_ERROR(leat_write_full(hub, conn, "hello\n", 6, 5000, &size), LEAT_OK);
        REQUIRE_ERROR(leat_read_line(hub, conn, line, sizeof line, 5000, &size), LEAT_OK);
        CHECK(size == 6 && memcmp(line, "hello\n", 6) == 0);
        leat_sim_sleep(1000);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void talk_begin(struct talk *talk, uint64_t seed, const struct leat_sim_faults *faults,
                       uint32_t numbers_out[2])
{
    const struct leat_sim_options options = {
        .size = sizeof options, .seed = seed, .faults = faults};
    leat_sim_begin(&options);
    numbers_out[0] = leat_sim_spawn("server", talk_server, talk);
    numbers_out[1] = leat_sim_spawn("client", talk_client, talk);
}

TEST(sim_public_two_processes_talk_for_an_hour)
{
    struct talk talk = {.rounds = 3600};
    uint32_t numbers[2];
    talk_begin(&talk, 1, NULL, numbers);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DONE);
    CHECK_INT(talk.done, 3600);
    CHECK_ERROR(talk.end, LEAT_E_FINISHED);
    CHECK(leat_sim_now() / 1000000000 >= 3600 && leat_sim_now() / 1000000000 < 3700);
    for (int i = 0; i < 2; i++) {
        struct leat_sim_process_info info = {.size = sizeof info};
        leat_sim_process_info_get(numbers[i], &info);
        CHECK(!info.alive && info.calls > 3600);
        CHECK_INT(info.descriptors, 0);
        CHECK_INT(info.allocations, 0);
    }
    leat_sim_end();
}

static uint64_t talk_hash(uint64_t seed, const struct leat_sim_faults *faults)
{
    struct talk talk = {.rounds = 20};
    uint32_t numbers[2];
    talk_begin(&talk, seed, faults, numbers);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DONE);
    CHECK_INT(talk.done, 20);
    uint64_t hash = leat_sim_hash();
    leat_sim_end();
    return hash;
}

TEST(sim_public_a_seed_is_one_run)
{
    const struct leat_sim_faults faults = {.size = sizeof faults,
                                           .short_read = 200000,
                                           .short_write = 200000,
                                           .interrupt = 100000,
                                           .again = 100000,
                                           .wrong_event = 100000,
                                           .delay = 200000,
                                           .clock = 1000};
    CHECK(talk_hash(7, &faults) == talk_hash(7, &faults));
    CHECK(talk_hash(7, &faults) != talk_hash(8, &faults));
    CHECK(talk_hash(7, &faults) != talk_hash(7, NULL));
}

TEST(sim_public_a_client_may_die_at_any_call)
{
    struct talk talk = {.rounds = 3};
    uint32_t numbers[2], died = 0;
    for (uint64_t calls = 1; calls < 1000; calls++) {
        struct leat_sim_process_info info = {.size = sizeof info};
        talk = (struct talk){.rounds = 3};
        talk_begin(&talk, 1, NULL, numbers);
        leat_sim_kill_after(numbers[1], calls);
        if (leat_sim_run(CALLS_MAX) != LEAT_SIM_DONE || talk.done == 3)
            break;
        died++;
        leat_sim_process_info_get(numbers[1], &info);
        CHECK(!info.alive && info.calls == calls);
        CHECK(info.descriptors == 0 && info.allocations == 0);
    }
    CHECK_INT(talk.done, 3);
    CHECK(died > 20);
    leat_sim_end();
}

static void sleeper(void *argument)
{
    uint32_t *awake = argument;
    leat_sim_sleep(100);
    ++*awake;
    leat_sim_stop();
    leat_sim_sleep(100);
    ++*awake;
}

static void waits_for_ever(void *argument)
{
    struct leat_hub *hub;
    struct leat_event event;
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    CHECK_ERROR(leat_next(hub, &event, LEAT_FOREVER), LEAT_OK);
}

TEST(sim_public_says_why_it_came_back)
{
    uint32_t awake = 0;
    leat_sim_begin(NULL);
    uint32_t number = leat_sim_spawn("sleeper", sleeper, &awake);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_STOPPED);
    CHECK_INT(awake, 1);
    leat_sim_thread(number, "second", sleeper, &awake);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_STOPPED);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DONE);
    CHECK_INT(awake, 4);
    number = leat_sim_spawn("waits", waits_for_ever, NULL);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DEADLOCK);
    leat_sim_kill(number);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DONE);
    leat_sim_end();

    struct talk talk = {.rounds = 1000};
    uint32_t numbers[2];
    talk_begin(&talk, 1, NULL, numbers);
    CHECK_INT(leat_sim_run(500), LEAT_SIM_LIMIT);
    CHECK(leat_sim_calls() >= 500 && leat_sim_calls() < 520);
    leat_sim_end();
}

static void needs_memory(void *argument)
{
    struct leat_hub *hub;
    const struct leat_sim_faults always = {.size = sizeof always, .memory = 1000000};
    enum leat_error *errors = argument;
    leat_sim_set_faults(&always);
    errors[0] = leat_hub_create(NULL, &hub);
    leat_sim_set_faults(NULL);
    errors[1] = leat_hub_create(NULL, &hub);
    if (errors[1] == LEAT_OK)
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

TEST(sim_public_faults_come_and_go)
{
    enum leat_error errors[2] = {LEAT_OK, LEAT_OK};
    leat_sim_begin(NULL);
    (void)leat_sim_spawn("needs memory", needs_memory, errors);
    CHECK_INT(leat_sim_run(CALLS_MAX), LEAT_SIM_DONE);
    CHECK_ERROR(errors[0], LEAT_E_MEMORY);
    CHECK_ERROR(errors[1], LEAT_OK);
    leat_sim_end();
}

/* ---- Mistakes end the program ---------------------------------------------------------------- */

static void options_without_a_size(void)
{
    const struct leat_sim_options options = {.seed = 1};
    leat_sim_begin(&options);
}

static void faults_without_a_size(void)
{
    const struct leat_sim_faults faults = {.memory = 1};
    leat_sim_begin(NULL);
    leat_sim_set_faults(&faults);
}

static void too_many_processes(void)
{
    leat_sim_begin(NULL);
    for (int i = 0; i <= LEAT_SIM_PROCESSES_MAX; i++)
        (void)leat_sim_spawn("one more", waits_for_ever, NULL);
}

static void sleep_outside(void)
{
    leat_sim_begin(NULL);
    leat_sim_sleep(1);
}

static void kill_of_nobody(void)
{
    leat_sim_begin(NULL);
    leat_sim_kill_after(5, 1);
}

TEST(sim_public_mistakes_end_the_program)
{
    void (*const mistakes[])(void) = {options_without_a_size, faults_without_a_size,
                                      too_many_processes, sleep_outside, kill_of_nobody};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        int status = 0;
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            (void)close(STDERR_FILENO);
            mistakes[i]();
            _exit(0);
        }
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}
