/* SPDX-License-Identifier: MIT
 *
 * Giving operations up: which ones, and what is left of them.
 *
 * Happy path: an operation waits, is cancelled, and its completion says so.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: every operation that pends is seen to end, once.
 */
#include "probe.h"

/* Windows finds nothing; wine 8 is content with that. */
static void cancel_none(intptr_t handle)
{
    int64_t result = lti_os_pipe_cancel(handle, NULL);
    CHECK(result == 0 || lti_os_kind_of(result) == LTI_OS_NOT_FOUND);
}

TEST(nt_cancel_one_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), 0);
    int64_t result = probe_done(probe, 0);
    CHECK_KIND(result, LTI_OS_CANCELLED);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_OPERATION_ABORTED);
    /* It took nothing with it. */
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 5), 5);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 10), 5);
    probe_end(probe);
}

TEST(nt_cancel_again_finds_nothing)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    int64_t result = lti_os_pipe_cancel(probe->server, &probe->ops[0].os);
    CHECK_KIND(result, LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_NOT_FOUND);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_cancel_exactly_one_of_three)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_read(probe, probe->server, i, i * 4, 4), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[1].os), 0);
    CHECK_KIND(probe_done(probe, 1), LTI_OS_CANCELLED);
    CHECK(probe->ops[0].pending && probe->ops[2].pending);
    CHECK_INT(probe_write(probe, probe->client, 4, 0, 8), 8);
    CHECK_INT(probe_done(probe, 0), 4);
    CHECK_INT(probe_done(probe, 2), 4);
    CHECK_MEM(probe->got, probe->sent, 4);
    CHECK_MEM(probe->got + 8, probe->sent + 4, 4);
    probe_end(probe);
}

TEST(nt_cancel_all_of_a_handle)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 4), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 4), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_write(probe, probe->server, 2, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->client, 3, 0, 0), 0);
    CHECK_INT(lti_os_pipe_cancel(probe->server, NULL), 0);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_done(probe, i), LTI_OS_CANCELLED);
    probe_end(probe);
}

TEST(nt_cancel_leaves_the_other_end_alone)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->client, 0, 0, 4), LTI_OS_IN_PROGRESS);
    cancel_none(probe->server);
    CHECK_KIND(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), LTI_OS_NOT_FOUND);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_write(probe, probe->server, 1, 0, 4), 4);
    CHECK_INT(probe_done(probe, 0), 4);
    probe_end(probe);
}

TEST(nt_cancel_nothing_finds_nothing)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    cancel_none(probe->server);
    CHECK_KIND(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), LTI_OS_NOT_FOUND);
    probe_end(probe);
}

TEST(nt_cancel_comes_too_late)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 5), 5);
    /* Nobody looked at the queue yet. */
    CHECK_KIND(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), LTI_OS_NOT_FOUND);
    CHECK_INT(probe_done(probe, 0), 5);
    CHECK_MEM(probe->got, probe->sent, 5);
    probe_end(probe);
}

TEST(nt_cancel_a_write_that_nobody_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->client, &probe->ops[0].os), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.readable, 0);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 0, 100, 3), 3);
    CHECK_INT(probe_done(probe, 1), 3);
    CHECK_MEM(probe->got, probe->sent + 100, 3);
    probe_end(probe);
}

TEST(nt_cancel_a_write_that_is_half_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK(probe_read_all(probe, probe->server, 1, PROBE_BYTES / 2));
    CHECK_INT(lti_os_pipe_cancel(probe->client, &probe->ops[0].os), 0);
    /* How much the peer got is not told: such a connection is of no use any more. */
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 10), LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

TEST(nt_cancel_a_write_that_is_all_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK(probe_read_all(probe, probe->server, 1, PROBE_BYTES));
    CHECK_KIND(lti_os_pipe_cancel(probe->client, &probe->ops[0].os), LTI_OS_NOT_FOUND);
    CHECK_INT(probe_done(probe, 0), PROBE_BYTES);
    probe_end(probe);
}

TEST(nt_cancel_races_end_once)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    uint32_t cancelled = 0, read = 0;
    for (uint32_t i = 0; i < 500; i++) {
        probe->ended = 0;
        REQUIRE_INT(lti_os_kind_of(probe_read(probe, probe->server, 0, 0, 1)), LTI_OS_IN_PROGRESS);
        bool late = i % 3 != 0;
        if (late)
            REQUIRE_INT(probe_write(probe, probe->client, 1, i, 1), 1);
        int64_t cancel = lti_os_pipe_cancel(probe->server, &probe->ops[0].os);
        int64_t result = probe_done(probe, 0);
        CHECK(result == 1 || lti_os_kind_of(result) == LTI_OS_CANCELLED);
        CHECK((cancel == 0) == (result < 0));
        cancelled += result < 0;
        read += result == 1;
        if (result < 0 && late)
            REQUIRE_INT(probe_read(probe, probe->server, 0, 0, 1), 1);
    }
    CHECK_INT(cancelled + read, 500);
    CHECK(cancelled >= 167);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

/* ---- Against another thread ------------------------------------------------------------------ */

#define RACE_BYTES 300u

struct cancel_race {
    struct lti_os_op op;
    intptr_t client;
    uint32_t written;
    uint8_t byte;
};

static void cancel_writer(void *argument)
{
    struct cancel_race *race = argument;
    for (uint32_t i = 0; i < RACE_BYTES; i++) {
        race->byte = (uint8_t)i;
        memset(&race->op, 0, sizeof race->op);
        race->written += lti_os_pipe_write(race->client, &race->byte, 1, &race->op) == 1;
    }
}

TEST(nt_cancel_races_with_a_writer_lose_nothing)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct cancel_race *race = lti_os_alloc(sizeof *race);
    REQUIRE(race != NULL);
    memset(race, 0, sizeof *race);
    race->client = probe->client;
    int64_t thread = lti_os_thread_start(cancel_writer, race);
    if (lti_os_kind_of(thread) == LTI_OS_UNSUPPORTED)
        SKIP_NEEDS("threads");
    REQUIRE_HANDLE(thread);
    uint32_t read = 0;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(PROBE_LIMIT_MS);
    while (read < RACE_BYTES && lti_test_now_ms() < until) {
        probe->ended = 0;
        int64_t result = probe_read(probe, probe->server, 0, 0, 1);
        if (lti_os_kind_of(result) == LTI_OS_IN_PROGRESS) {
            int64_t cancel = lti_os_pipe_cancel(probe->server, &probe->ops[0].os);
            result = probe_done(probe, 0);
            CHECK((cancel == 0) == (lti_os_kind_of(result) == LTI_OS_CANCELLED));
        }
        if (result == 1)
            REQUIRE_INT(probe->got[0], (uint8_t)read++);
    }
    CHECK_INT(lti_os_thread_join((intptr_t)thread), 0);
    CHECK_INT(race->written, RACE_BYTES);
    CHECK_INT(read, RACE_BYTES);
    CHECK(probe_quiet(probe));
    probe_end(probe);
    lti_os_free(race);
}
