/* SPDX-License-Identifier: MIT
 *
 * The simulated named pipes as a simulation: faults, seeds, killing, and what must not be done to
 * an operation that the system owns.
 *
 * Happy path: small programs of lti_os_* calls run as simulated processes and are looked at from
 *             outside.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world; the harness ends the process after it.
 */
#include "harness.h"

#include "sim_pipe_test.h"
#include "sim_story.h"

#define BYTES 60000u
#define CLIENTS 4u

/* ---- One server, several clients, each client with a stream of its own ----------------------- */

static uint8_t story_byte(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

static void story_client(void *argument)
{
    struct sim_test_story *story = argument;
    struct lti_os_op op;
    uint8_t chunk[1000];
    uint32_t sent = 0;
    intptr_t queue = sim_test_queue();
    intptr_t handle = sim_test_open(queue);
    while (sent < BYTES) {
        uint32_t size = BYTES - sent < sizeof chunk ? BYTES - sent : (uint32_t)sizeof chunk;
        for (uint32_t i = 0; i < size; i++)
            chunk[i] = story_byte(sent + i);
        int64_t result = lti_os_pipe_write(handle, chunk, size, sim_test_clear(&op));
        result = sim_test_result(queue, &op, result);
        if (result > 0)
            sent += (uint32_t)result;
        else if (!sim_test_waits(result))
            break;
    }
    story->bad += sent != BYTES;
    /* The server closes first: a close must not take back what waits to be read. */
    int64_t end = 0;
    while (lti_os_kind_of(end) != LTI_OS_PIPE) {
        end = lti_os_pipe_read(handle, chunk, 1, sim_test_clear(&op));
        end = sim_test_result(queue, &op, end);
    }
    (void)lti_os_handle_close(handle);
    (void)lti_os_handle_close(queue);
}

static void story_read(struct sim_test_story *story, intptr_t queue, intptr_t handle)
{
    struct lti_os_op op;
    uint8_t chunk[4096];
    uint64_t offset = 0;
    uint32_t turn = 0;
    while (offset < BYTES) {
        /* Now and then without a buffer, as an idle connection waits. */
        size_t size = turn++ % 3 == 0 ? 0 : sizeof chunk;
        int64_t result = lti_os_pipe_read(handle, chunk, size, sim_test_clear(&op));
        result = sim_test_result(queue, &op, result);
        if (result < 0 && !sim_test_waits(result)) {
            story->bad++;
            return;
        }
        for (int64_t i = 0; i < result; i++)
            story->bad += chunk[i] != story_byte(offset++);
    }
    story->received += offset;
}

static void story_server(void *argument)
{
    sim_test_serve(argument, 0, CLIENTS, story_read);
}

static uint64_t story_run(const struct lti_sim_options *options)
{
    struct sim_test_story story = {.done = 0};
    uint64_t hash = sim_test_story_run(options, &story, story_server, story_client, CLIENTS);
    CHECK_INT(story.received, CLIENTS * BYTES);
    return hash;
}

TEST(sim_pipe_fibers_exchange)
{
    sim_story_every_schedule(story_run);
}

TEST(sim_pipe_faults_lose_nothing)
{
    sim_story_with_faults(story_run, sim_test_faults);
}

TEST(sim_pipe_a_seed_is_one_run)
{
    sim_story_is_one_run(story_run, sim_test_faults, UINT64_C(0xe4de270f25529682));
}

/* ---- Killing --------------------------------------------------------------------------------- */

static void victim_main(void *argument)
{
    (void)argument;
    struct lti_os_completion completion;
    struct sim_test_pair *mine = lti_os_alloc(sizeof *mine);
    if (!mine)
        return;
    memset(mine, 0, sizeof *mine);
    mine->queue = (intptr_t)lti_os_queue_create();
    mine->server = (intptr_t)lti_os_pipe_create(SIM_TEST_NAME, 0, 255, 16, NULL);
    (void)lti_os_queue_add(mine->queue, mine->server, false);
    (void)lti_os_pipe_listen(mine->server, &mine->ops[0]);
    (void)lti_os_queue_wait(mine->queue, &completion, 1, -1);
    (void)lti_os_pipe_read(mine->server, mine->bytes, sizeof mine->bytes, &mine->ops[1]);
    (void)lti_os_pipe_write(mine->server, "short", 5, &mine->ops[2]);
    (void)lti_os_pipe_write(mine->server, mine->bytes, sizeof mine->bytes, &mine->ops[3]);
    for (;;)
        (void)lti_os_queue_wait(mine->queue, &completion, 1, 1000000);
}

static void killer_main(void *argument)
{
    enum lti_os_kind *seen = argument;
    struct lti_os_op op;
    char bytes[100];
    int64_t client = lti_os_pipe_open(SIM_TEST_NAME);
    while (client < 0) {
        lti_sim_sleep(1000);
        client = lti_os_pipe_open(SIM_TEST_NAME);
    }
    lti_sim_sleep(1000000);
    lti_sim_kill(1);
    /* What was written completely is there; what still waited died with its process. */
    seen[0] = lti_os_pipe_read((intptr_t)client, bytes, sizeof bytes, sim_test_clear(&op)) == 5
                  ? LTI_OS_NONE
                  : LTI_OS_OTHER;
    seen[1] = lti_os_kind_of(
        lti_os_pipe_read((intptr_t)client, bytes, sizeof bytes, sim_test_clear(&op)));
    seen[2] = lti_os_kind_of(lti_os_pipe_write((intptr_t)client, "x", 1, sim_test_clear(&op)));
    seen[3] = lti_os_kind_of(lti_os_pipe_open(SIM_TEST_NAME));
    (void)lti_os_handle_close((intptr_t)client);
}

TEST(sim_pipe_kill_closes_and_takes_back)
{
    enum lti_os_kind seen[4] = {LTI_OS_OTHER, LTI_OS_OTHER, LTI_OS_OTHER, LTI_OS_OTHER};
    struct lti_sim_count count;
    lti_sim_begin(NULL);
    CHECK_INT(lti_sim_spawn("victim", victim_main, NULL), 1);
    (void)lti_sim_spawn("killer", killer_main, seen);
    CHECK_INT(lti_sim_run(100000), LTI_SIM_DONE);
    CHECK_INT(seen[0], LTI_OS_NONE);
    CHECK_INT(seen[1], LTI_OS_PIPE);
    CHECK_INT(seen[2], LTI_OS_PIPE);
    CHECK_INT(seen[3], LTI_OS_NOT_FOUND);
    lti_sim_count(1, &count);
    CHECK(!count.alive);
    CHECK_INT(count.descriptors, 0);
    CHECK_INT(count.allocations, 0);
    lti_sim_end();
}

TEST(sim_pipe_kill_at_every_call)
{
    for (uint64_t calls = 1; calls < 20; calls++) {
        struct lti_sim_options options = {.seed = calls};
        options.faults.delay = options.faults.pend = 300000;
        lti_sim_begin(&options);
        uint32_t victim = lti_sim_spawn("victim", victim_main, NULL);
        (void)lti_sim_spawn("client", story_client, &(struct sim_test_story){.done = 0});
        lti_sim_kill_after(victim, calls);
        (void)lti_sim_run(1000);
        struct lti_sim_count count;
        lti_sim_count(victim, &count);
        CHECK(!count.alive);
        CHECK_INT(lti_sim_misuses(), 0);
    }
    lti_sim_end();
}

/* ---- What must not be done ------------------------------------------------------------------- */

static void counted_begin(void)
{
    const struct lti_sim_options options = {.misuse_is_counted = true};
    lti_sim_begin(&options);
}

TEST(sim_pipe_operation_must_be_cleared)
{
    counted_begin();
    struct sim_test_pair *pair = sim_test_pair(4096);
    CHECK_INT(lti_os_pipe_write(pair->client, "abc", 3, &pair->ops[0]), 3);
    CHECK_INT(lti_sim_misuses(), 0);
    CHECK_INT(lti_os_pipe_write(pair->client, "abc", 3, &pair->ops[0]), 3);
    CHECK_INT(lti_sim_misuses(), 1);
    sim_test_unpair(pair);
}

TEST(sim_pipe_operation_must_not_change)
{
    counted_begin();
    struct sim_test_pair *pair = sim_test_pair(4096);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_read(pair->server, pair->bytes, 9, &pair->ops[0])),
              LTI_OS_IN_PROGRESS);
    memset(&pair->ops[0], 0, sizeof pair->ops[0]);
    CHECK_INT(lti_os_pipe_write(pair->client, "abc", 3, &pair->ops[1]), 3);
    CHECK_INT(lti_sim_misuses(), 0);
    CHECK_INT(sim_test_take(pair, &pair->ops[0]), 3);
    CHECK_INT(lti_sim_misuses(), 1);
    sim_test_unpair(pair);
}

TEST(sim_pipe_written_data_must_not_change)
{
    counted_begin();
    struct sim_test_pair *pair = sim_test_pair(0);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_write(pair->client, pair->bytes, 9, &pair->ops[0])),
              LTI_OS_IN_PROGRESS);
    pair->bytes[8] ^= 1;
    CHECK_INT(lti_os_pipe_read(pair->server, pair->bytes + 50, 9, &pair->ops[1]), 9);
    CHECK_INT(sim_test_take(pair, &pair->ops[0]), 9);
    CHECK_INT(lti_sim_misuses(), 1);
    sim_test_unpair(pair);
}

TEST(sim_pipe_memory_in_use_must_not_be_freed)
{
    for (int which = 0; which < 3; which++) {
        counted_begin();
        struct sim_test_pair *pair = sim_test_pair(0);
        uint8_t *buffer = lti_os_alloc(5000);
        struct lti_os_op *op = lti_os_alloc(sizeof *op);
        REQUIRE(buffer && op);
        memset(buffer, 0, 5000);
        int64_t result = which == 2
                             ? lti_os_pipe_write(pair->client, buffer + 4000, 9, sim_test_clear(op))
                             : lti_os_pipe_read(pair->client, buffer + 4000, 9, sim_test_clear(op));
        CHECK_INT(lti_os_kind_of(result), LTI_OS_IN_PROGRESS);
        lti_os_free(which == 0 ? (void *)op : buffer);
        CHECK_INT(lti_sim_misuses(), 1);
        lti_os_free(which == 0 ? (void *)buffer : op);
        sim_test_unpair(pair);
        lti_sim_end();
    }
}

TEST(sim_pipe_memory_may_be_freed_after_its_completion)
{
    counted_begin();
    struct sim_test_pair *pair = sim_test_pair(4096);
    struct lti_os_op *op = lti_os_alloc(sizeof *op);
    REQUIRE(op != NULL);
    int64_t result = lti_os_pipe_read(pair->server, pair->bytes, 9, sim_test_clear(op));
    CHECK_INT(lti_os_kind_of(result), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_write(pair->client, "abc", 3, &pair->ops[1]), 3);
    /* Until the completion is taken, nothing was written. */
    CHECK_INT(pair->bytes[0], 0);
    CHECK_INT(sim_test_take(pair, op), 3);
    CHECK_MEM(pair->bytes, "abc", 3);
    lti_os_free(op);
    CHECK_INT(lti_sim_misuses(), 0);
    sim_test_unpair(pair);
}

TEST(sim_pipe_handle_numbers_are_used_again)
{
    counted_begin();
    struct lti_os_op op;
    intptr_t queue = (intptr_t)lti_os_queue_create();
    CHECK_INT(queue, 4);
    CHECK_INT(lti_os_handle_close(queue), 0);
    CHECK_INT(lti_os_kind_of(lti_os_handle_close(queue)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_kind_of(lti_os_queue_post(queue, NULL, 0)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_sim_misuses(), 2);
    /* The number is a signal's now, so that a pipe's call on it does not work. */
    CHECK_INT(lti_os_signal_create(), queue);
    int64_t result = lti_os_pipe_write(queue, "x", 1, sim_test_clear(&op));
    CHECK_INT(lti_os_kind_of(result), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_cancel(-1, NULL)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_handle_close(queue), 0);
}
