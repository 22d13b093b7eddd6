/* SPDX-License-Identifier: MIT
 *
 * Completions of the simulated system under faults and between threads, and its virtual time.
 *
 * Happy path: operations are made to end late, in another order, or twice asked about, and are
 *             counted.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world; the harness ends the process after it.
 */
#include "sim_pipe_test.h"

#define RACES 100000u
#define SECOND_NS INT64_C(1000000000)

static void begin_with(struct lti_sim_faults faults)
{
    const struct lti_sim_options options = {.seed = 3, .faults = faults};
    lti_sim_begin(&options);
}

TEST(sim_queue_waits_cost_no_real_time)
{
    struct lti_os_completion completion;
    lti_sim_begin(NULL);
    intptr_t queue = (intptr_t)lti_os_queue_create();
    uint64_t before_ns = lti_os_now_ns();
    CHECK_INT(lti_os_queue_wait(queue, &completion, 1, 86400 * SECOND_NS), 0);
    CHECK(lti_os_now_ns() - before_ns >= UINT64_C(86400) * (uint64_t)SECOND_NS);
    /* Less than a millisecond is one. */
    before_ns = lti_os_now_ns();
    CHECK_INT(lti_os_queue_wait(queue, &completion, 1, 1), 0);
    CHECK(lti_os_now_ns() - before_ns >= 1000000);
    CHECK_INT(lti_os_handle_close(queue), 0);
}

TEST(sim_queue_tells_later_what_could_be_over_at_once)
{
    begin_with((struct lti_sim_faults){.pend = 1000000, .delay = 1000000});
    struct sim_test_pair *pair = sim_test_pair(100);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->client, "abc", 3, &pair->ops[0])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_cancel(pair->client, &pair->ops[0])), LTI_OS_NOT_FOUND);
    uint64_t before_ns = lti_sim_time_ns();
    CHECK_INT(sim_test_take(pair, &pair->ops[0]), 3);
    CHECK(lti_sim_time_ns() > before_ns);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_read(pair->server, pair->bytes, 9, &pair->ops[1])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(pair->bytes[0], 0);
    CHECK_INT(sim_test_take(pair, &pair->ops[1]), 3);
    CHECK_MEM(pair->bytes, "abc", 3);
    CHECK_INT(lti_os_handle_close(pair->client), 0);
    pair->client = -1;
    CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->server, "x", 1, &pair->ops[2])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_code_of(sim_test_take(pair, &pair->ops[2])).raw, LTI_NT_NO_DATA);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_read(pair->server, pair->bytes, 9, &pair->ops[3])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_code_of(sim_test_take(pair, &pair->ops[3])).raw, LTI_NT_BROKEN_PIPE);
    sim_test_unpair(pair);
}

TEST(sim_queue_keeps_the_order_of_a_direction)
{
    uint32_t mixed = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        const struct lti_sim_faults faults = {.delay = 500000, .poll_shuffle = 1000000};
        const struct lti_sim_options options = {.seed = seed, .faults = faults};
        struct lti_os_completion completions[4];
        const struct lti_os_op *order[4];
        uint32_t have = 0;
        lti_sim_begin(&options);
        struct sim_test_pair *pair = sim_test_pair(100);
        for (uint32_t i = 0; i < 4; i++) {
            intptr_t end = i < 2 ? pair->server : pair->client;
            CHECK_INT(lti_os_kind_of(lti_os_pipe_read(end, pair->bytes + i, 1, &pair->ops[i])),
                      LTI_OS_IN_PROGRESS);
        }
        struct lti_os_op op;
        CHECK_INT(lti_os_pipe_write(pair->client, "ab", 2, sim_test_clear(&op)), 2);
        CHECK_INT(lti_os_pipe_write(pair->server, "cd", 2, sim_test_clear(&op)), 2);
        while (have < 4) {
            int64_t count = lti_os_queue_wait(pair->queue, completions, 4, SECOND_NS);
            REQUIRE(count > 0 && have + count <= 4);
            for (int64_t i = 0; i < count; i++)
                order[have++] = completions[i].op;
        }
        uint32_t place[4] = {9, 9, 9, 9};
        for (uint32_t i = 0; i < 4; i++)
            place[order[i] - pair->ops] = i;
        CHECK(place[0] < place[1] && place[1] < 4);
        CHECK(place[2] < place[3] && place[3] < 4);
        CHECK_MEM(pair->bytes, "abcd", 4);
        mixed += place[0] > place[2];
        sim_test_unpair(pair);
    }
    CHECK(mixed > 0 && mixed < 50);
}

/* ---- Races ----------------------------------------------------------------------------------- */

enum race_end { RACE_CANCELLED, RACE_TOO_LATE, RACE_SAID_YES, RACE_ENDS };

/* Waits until both operations are over; the first one's result. */
static int64_t race_result(struct sim_test_pair *pair, int64_t read, int64_t wrote)
{
    uint32_t waiting = lti_os_kind_of(read) == LTI_OS_IN_PROGRESS ? 1 : 0;
    waiting += lti_os_kind_of(wrote) == LTI_OS_IN_PROGRESS ? 1 : 0;
    while (waiting > 0) {
        struct lti_os_completion completion;
        int64_t count = lti_os_queue_wait(pair->queue, &completion, 1, SECOND_NS);
        REQUIRE(count >= 0);
        if (count == 0)
            continue;
        waiting--;
        if (completion.op == &pair->ops[0])
            read = completion.result;
        else
            REQUIRE(completion.op == &pair->ops[1]);
    }
    return read;
}

/* One read, one write, and a cancel of the read before or after the write. */
static enum race_end race_round(struct sim_test_pair *pair, bool cancel_first)
{
    int64_t cancel = 0;
    int64_t read = lti_os_pipe_read(pair->server, pair->bytes, 1, sim_test_clear(&pair->ops[0]));
    if (cancel_first)
        cancel = lti_os_pipe_cancel(pair->server, &pair->ops[0]);
    int64_t wrote = lti_os_pipe_write(pair->client, "x", 1, sim_test_clear(&pair->ops[1]));
    if (!cancel_first)
        cancel = lti_os_pipe_cancel(pair->server, NULL);
    read = race_result(pair, read, wrote);
    if (read < 0) {
        REQUIRE(lti_os_kind_of(read) == LTI_OS_CANCELLED && cancel == 0);
        return RACE_CANCELLED;
    }
    REQUIRE_INT(read, 1);
    REQUIRE(cancel == 0 || lti_os_kind_of(cancel) == LTI_OS_NOT_FOUND);
    return cancel == 0 ? RACE_SAID_YES : RACE_TOO_LATE;
}

TEST(sim_queue_races_of_cancel_and_completion_end_once)
{
    struct lti_sim_faults faults = {.delay = 300000, .pend = 300000, .cancel = 500000};
    faults.poll_empty = faults.poll_shuffle = 100000;
    begin_with(faults);
    struct sim_test_pair *pair = sim_test_pair(200);
    uint32_t ended[RACE_ENDS] = {0, 0, 0};
    uint32_t held = 0; /* bytes that a cancelled read left */
    for (uint32_t round = 0; round < RACES; round++) {
        enum race_end end = race_round(pair, round % 2 == 0);
        ended[end]++;
        held += end == RACE_CANCELLED;
        for (; held > 0; held--) {
            int64_t read =
                lti_os_pipe_read(pair->server, pair->bytes, 1, sim_test_clear(&pair->ops[0]));
            REQUIRE_INT(race_result(pair, read, 0), 1);
        }
    }
    CHECK(ended[RACE_CANCELLED] > RACES / 20);
    CHECK(ended[RACE_SAID_YES] > RACES / 100);
    CHECK(ended[RACE_TOO_LATE] > RACES / 20);
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(pair->server, &facts), 0);
    CHECK_INT(facts.readable, 0);
    sim_test_unpair(pair);
    CHECK_INT(lti_sim_misuses(), 0);
}

TEST(sim_queue_a_write_may_outlive_its_handle)
{
    for (int leaves = 0; leaves < 2; leaves++) {
        begin_with((struct lti_sim_faults){.linger = 1000000});
        struct sim_test_pair *pair = sim_test_pair(4);
        CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->client, "abcdef", 6, &pair->ops[0])),
                  LTI_OS_IN_PROGRESS);
        CHECK_INT(lti_os_handle_close(pair->client), 0);
        pair->client = -1;
        struct lti_os_completion completion;
        CHECK_INT(lti_os_queue_wait(pair->queue, &completion, 1, SECOND_NS), 0);
        if (leaves) {
            CHECK_INT(lti_os_handle_close(pair->server), 0);
            pair->server = -1;
            CHECK_INT(lti_os_kind_of(sim_test_take(pair, &pair->ops[0])), LTI_OS_PIPE);
        } else {
            CHECK_INT(lti_os_pipe_read(pair->server, pair->bytes, 9, &pair->ops[1]), 6);
            CHECK_INT(sim_test_take(pair, &pair->ops[0]), 6);
        }
        sim_test_unpair(pair);
    }
}

TEST(sim_queue_a_cancel_lets_later_writes_go)
{
    lti_sim_begin(NULL);
    struct sim_test_pair *pair = sim_test_pair(4);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->client, "abcdef", 6, &pair->ops[0])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->client, "ghi", 3, &pair->ops[1])),
              LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(pair->client, &pair->ops[0]), 0);
    struct lti_os_completion completions[4];
    REQUIRE_INT(lti_os_queue_wait(pair->queue, completions, 4, SECOND_NS), 2);
    for (int i = 0; i < 2; i++) {
        bool first = completions[i].op == &pair->ops[0];
        CHECK(first || completions[i].op == &pair->ops[1]);
        CHECK_INT(lti_os_kind_of(completions[i].result), first ? LTI_OS_CANCELLED : LTI_OS_NONE);
    }
    CHECK_INT(lti_os_pipe_read(pair->server, pair->bytes, 9, &pair->ops[2]), 3);
    CHECK_MEM(pair->bytes, "ghi", 3);
    sim_test_unpair(pair);
}

TEST(sim_queue_shortage_of_handles_and_memory)
{
    begin_with((struct lti_sim_faults){.descriptors = 1000000});
    const int64_t none[] = {lti_os_queue_create(), lti_os_signal_create(),
                            lti_os_pipe_create(SIM_TEST_NAME, 0, 1, 1, NULL)};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK_INT(lti_os_code_of(none[i]).raw, LTI_NT_NO_SYSTEM_RESOURCES);
    lti_sim_set_faults(NULL);
    struct sim_test_pair *pair = sim_test_pair(100);
    const struct lti_sim_faults faults = {.resources = 1000000};
    lti_sim_set_faults(&faults);
    CHECK_INT(lti_os_code_of(lti_os_pipe_open(SIM_TEST_NAME)).raw, LTI_NT_NO_SYSTEM_RESOURCES);
    int64_t result = lti_os_pipe_write(pair->client, "x", 1, &pair->ops[0]);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_NOT_ENOUGH_QUOTA);
    result = lti_os_pipe_read(pair->client, pair->bytes, 1, &pair->ops[0]);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_NOT_ENOUGH_QUOTA);
    CHECK_INT(lti_os_kind_of(lti_os_queue_post(pair->queue, NULL, 0)), LTI_OS_MEMORY);
    lti_sim_set_faults(NULL);
    /* Nothing happened, so the operation is as new. */
    CHECK_INT(lti_os_pipe_write(pair->client, "x", 1, &pair->ops[0]), 1);
    sim_test_unpair(pair);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct party {
    intptr_t queue, go;
    uint32_t posted, joined, bad;
};

static void party_poster(void *argument)
{
    struct party *party = argument;
    party->bad += lti_os_signal_wait(party->go, -1) != 1;
    party->posted++;
    party->bad += lti_os_queue_post(party->queue, NULL, 0) != 0;
}

static void party_main(void *argument)
{
    struct party *party = argument;
    struct lti_os_completion completion;
    party->queue = (intptr_t)lti_os_queue_create();
    party->go = (intptr_t)lti_os_signal_create();
    /* More in turn than there are fibers at a time. */
    for (uint32_t round = 0; round < 3 * LTI_SIM_FIBERS_MAX; round++) {
        int64_t thread = lti_os_thread_start(party_poster, party);
        party->bad += thread < 0;
        party->bad += lti_os_signal_wait(party->go, 2 * SECOND_NS) != 0;
        party->bad += lti_os_signal_set(party->go) != 0;
        party->bad += lti_os_queue_wait(party->queue, &completion, 1, -1) != 1;
        party->bad += completion.op != NULL;
        party->joined += lti_os_thread_join((intptr_t)thread) == 0;
        party->bad += lti_os_signal_clear(party->go) != 0;
    }
    party->bad += lti_os_handle_close(party->queue) != 0;
    party->bad += lti_os_handle_close(party->go) != 0;
}

TEST(sim_queue_threads_wake_and_are_joined)
{
    for (int schedule = LTI_SIM_RANDOM; schedule <= LTI_SIM_STARVE_ONE; schedule++) {
        struct party party = {.queue = -1};
        struct lti_sim_options options = {.seed = 5};
        options.schedule = (enum lti_sim_schedule)schedule;
        lti_sim_begin(&options);
        (void)lti_sim_spawn("party", party_main, &party);
        CHECK_INT(lti_sim_run(1000000), LTI_SIM_DONE);
        CHECK_INT(party.bad, 0);
        CHECK_INT(party.posted, 3 * LTI_SIM_FIBERS_MAX);
        CHECK_INT(party.joined, 3 * LTI_SIM_FIBERS_MAX);
        CHECK_INT(lti_test_descriptors_live(), 0);
        lti_sim_end();
    }
}

static void sleeper_main(void *argument)
{
    struct party *party = argument;
    party->queue = (intptr_t)lti_os_queue_create();
    struct lti_os_completion completion;
    party->joined =
        1 + (uint32_t)lti_os_kind_of(lti_os_queue_wait(party->queue, &completion, 1, -1));
}

static void closer_main(void *argument)
{
    const struct party *party = argument;
    lti_sim_sleep(1000000);
    (void)lti_os_handle_close(party->queue);
}

TEST(sim_queue_closed_under_a_wait)
{
    struct party party = {.queue = -1};
    lti_sim_begin(NULL);
    uint32_t process = lti_sim_spawn("sleeper", sleeper_main, &party);
    lti_sim_thread(process, "closer", closer_main, &party);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_DONE);
    CHECK_INT(party.joined, 1 + LTI_OS_OTHER);
}

TEST(sim_queue_nothing_can_happen)
{
    struct party party = {.queue = -1};
    lti_sim_begin(NULL);
    (void)lti_sim_spawn("sleeper", sleeper_main, &party);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_DEADLOCK);
    lti_sim_end();
}
