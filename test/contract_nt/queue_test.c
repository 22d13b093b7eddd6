/* SPDX-License-Identifier: MIT
 *
 * The completion queue: what comes, how often, in which order, and for how long one waits.
 *
 * Happy path: completions and posts come out as they were put in.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: what a call has told itself never comes a second time.
 */
#include "probe.h"

#define MS INT64_C(1000000)
/* A timer of Windows may be early by the time between two interrupts of its clock. */
#define TICK_NS (16 * MS)

TEST(nt_queue_post_comes_without_operation)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion = {.op = &probe->ops[0].os, .result = -1};
    REQUIRE_INT(lti_os_queue_post(probe->queue, NULL, 0), 0);
    REQUIRE_INT(lti_os_queue_wait(probe->queue, &completion, 1, 1000 * MS), 1);
    CHECK(completion.op == NULL);
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, 0), 0);
    probe_end(probe);
}

TEST(nt_queue_posts_are_not_merged)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completions[8];
    for (int i = 0; i < 5; i++)
        REQUIRE_INT(lti_os_queue_post(probe->queue, NULL, 0), 0);
    CHECK_INT(lti_os_queue_wait(probe->queue, completions, 2, 1000 * MS), 2);
    CHECK_INT(lti_os_queue_wait(probe->queue, completions, 8, 1000 * MS), 3);
    CHECK_INT(lti_os_queue_wait(probe->queue, completions, 8, 0), 0);
    probe_end(probe);
}

TEST(nt_queue_wait_of_no_time)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion;
    uint64_t begin = lti_os_now_ns();
    for (int i = 0; i < 100; i++)
        CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, 0), 0);
    CHECK(lti_os_now_ns() - begin < UINT64_C(5000000000));
    probe_end(probe);
}

TEST(nt_queue_wait_ends_in_time)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion;
    uint64_t begin = lti_os_now_ns();
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, 60 * MS), 0);
    uint64_t took = lti_os_now_ns() - begin;
    CHECK(took + TICK_NS >= 60 * MS);
    CHECK(took < UINT64_C(10000000000));
    probe_end(probe);
}

TEST(nt_queue_wait_of_a_moment_is_a_wait)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion;
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, 1), 0);
    REQUIRE_INT(lti_os_queue_post(probe->queue, NULL, 0), 0);
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, 1), 1);
    probe_end(probe);
}

TEST(nt_queue_wait_for_ever_ends_with_what_comes)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 3), 3);
    probe_take(probe, -1);
    CHECK(!probe->ops[0].pending);
    CHECK_INT(probe->ops[0].result, 3);
    probe_end(probe);
}

TEST(nt_queue_does_not_tell_what_was_told_at_once)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 0), lti_nt_fail(LTI_NT_IO_PENDING));
    probe_close(&probe->server);
    CHECK_KIND(probe_done(probe, 1), LTI_OS_PIPE);
    /* A failure at once is over as well. */
    CHECK_KIND(probe_read(probe, probe->client, 2, 0, 10), LTI_OS_PIPE);
    CHECK_KIND(probe_write(probe, probe->client, 3, 0, 10), LTI_OS_PIPE);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe->ended, 1);
    probe_end(probe);
}

TEST(nt_queue_tells_each_pending_operation_once)
{
    struct probe *probe = probe_pair(0, 0);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_KIND(probe_write(probe, probe->client, i, i, 1), LTI_OS_IN_PROGRESS);
    CHECK(probe_read_all(probe, probe->server, 4, 4));
    for (uint32_t i = 0; i < 4; i++)
        CHECK_INT(probe_done(probe, i), 1);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_queue_gives_no_more_than_asked_for)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_completion completions[4];
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_read(probe, probe->server, i, i, 1), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 4, 0, 3), 3);
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE_INT(lti_os_queue_wait(probe->queue, completions, 1, 10000 * MS), 1);
        struct probe_op *op = (struct probe_op *)completions[0].op;
        REQUIRE(op >= probe->ops && op < probe->ops + 3 && op->pending);
        CHECK_INT(completions[0].result, 1);
        op->pending = false;
    }
    CHECK_INT(lti_os_queue_wait(probe->queue, completions, 4, 0), 0);
    probe_end(probe);
}

TEST(nt_queue_keeps_a_handle)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    int64_t other = lti_os_queue_create();
    REQUIRE_HANDLE(other);
    CHECK_KIND(lti_os_queue_add(probe->queue, probe->server, false), LTI_OS_INVALID);
    CHECK_KIND(lti_os_queue_add((intptr_t)other, probe->server, false), LTI_OS_INVALID);
    /* And it still is where it was. */
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 3), 3);
    CHECK_INT(probe_done(probe, 0), 3);
    CHECK_INT(lti_os_handle_close((intptr_t)other), 0);
    probe_end(probe);
}

TEST(nt_queue_gets_only_its_own)
{
    struct probe *one = probe_pair(0, PROBE_QUOTA);
    struct probe *two = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(one, one->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(two, two->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(two, two->client, 1, 0, 4), 4);
    CHECK_INT(probe_done(two, 0), 4);
    CHECK(probe_quiet(one));
    CHECK(one->ops[0].pending);
    CHECK_INT(probe_write(one, one->client, 1, 0, 5), 5);
    CHECK_INT(probe_done(one, 0), 5);
    probe_end(one);
    probe_end(two);
}

TEST(nt_queue_takes_pipes_not_signals)
{
    struct probe *probe = probe_begin();
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    CHECK(lti_os_queue_add(probe->queue, (intptr_t)signal, false) < 0);
    CHECK_INT(lti_os_handle_close((intptr_t)signal), 0);
    probe_end(probe);
}

TEST(nt_queue_holds_what_ended_after_the_close)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 3), 3);
    probe_close(&probe->client);
    probe_close(&probe->server);
    CHECK_INT(probe_done(probe, 0), 3);
    CHECK_MEM(probe->got, probe->sent, 3);
    probe_end(probe);
}
