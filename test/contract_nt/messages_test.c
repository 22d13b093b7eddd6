/* SPDX-License-Identifier: MIT
 *
 * Pipes of messages: boundaries, messages that go on, empty ones, readers of bytes.
 *
 * Happy path: what one write put in, one read takes out.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: no message is merged with another, save for a reader of bytes.
 */
#include "probe.h"

TEST(nt_messages_keep_their_boundaries)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->client, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 3);
    CHECK_INT(probe_read(probe, probe->server, 1, 3, 100), 4);
    CHECK_MEM(probe->got, probe->sent, 7);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 5), 5);
    CHECK_INT(probe_write(probe, probe->server, 0, 5, 6), 6);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 5);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 6);
    probe_end(probe);
}

TEST(nt_messages_are_a_fact)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK(facts.message && facts.server);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK(facts.message && !facts.server);
    probe_end(probe);
}

TEST(nt_messages_go_on_when_the_buffer_is_small)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    CHECK_INT(probe_write(probe, probe->client, 0, 50, 1), 1);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 4), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 4, 4), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 8, 4), 2);
    CHECK_MEM(probe->got, probe->sent, 10);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 4), 1);
    /* What was told at once has skipped the queue. */
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_messages_go_on_after_a_wait)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 4), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    CHECK_INT(probe_done(probe, 0), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_read(probe, probe->server, 0, 4, 100), 6);
    CHECK_MEM(probe->got, probe->sent, 10);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_messages_that_just_fit_do_not_go_on)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 8), 8);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 8), 8);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 8), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 8), 8);
    CHECK_INT(probe_done(probe, 1), 8);
    probe_end(probe);
}

TEST(nt_messages_may_be_empty)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 2), 2);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 0), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 2, 2), 2);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 2);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 0);
    CHECK_INT(probe_read(probe, probe->server, 1, 2, 100), 2);
    CHECK_MEM(probe->got, probe->sent, 4);
    probe_end(probe);
}

TEST(nt_messages_empty_one_ends_a_waiting_read)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 100), LTI_OS_IN_PROGRESS);
    (void)probe_write(probe, probe->client, 1, 0, 0);
    CHECK_INT(probe_done(probe, 1), 0);
    CHECK_INT(probe_done(probe, 0), 0);
    probe_end(probe);
}

TEST(nt_messages_empty_read_waits_for_one)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    /* The message is longer than nothing. */
    CHECK_INT(probe_done(probe, 0), LTI_OS_PIPE_MORE);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 100), 10);
    probe_end(probe);
}

TEST(nt_messages_empty_read_leaves_what_is_there)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_PIPE_MORE);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 100), 10);
    CHECK_MEM(probe->got, probe->sent, 10);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_messages_above_the_quota)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, PROBE_BYTES / 2),
              LTI_OS_PIPE_MORE | (PROBE_BYTES / 2));
    CHECK_INT(probe_read(probe, probe->server, 1, PROBE_BYTES / 2, PROBE_BYTES / 2),
              PROBE_BYTES / 2);
    CHECK_INT(probe_done(probe, 0), PROBE_BYTES);
    CHECK_MEM(probe->got, probe->sent, PROBE_BYTES);
    probe_end(probe);
}

TEST(nt_messages_read_as_bytes)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    /* A client reads bytes until it asks for messages. */
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->server, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 2), 2);
    CHECK_INT(probe_read(probe, probe->client, 1, 2, 100), 5);
    CHECK_MEM(probe->got, probe->sent, 7);
    REQUIRE_INT(lti_os_pipe_read_messages(probe->client), 0);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->server, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 3);
    probe_end(probe);
}

TEST(nt_messages_are_not_for_a_pipe_of_bytes)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(lti_os_pipe_read_messages(probe->client), LTI_OS_INVALID);
    probe_end(probe);
}

TEST(nt_messages_are_drained_after_the_close)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->client, 0, 3, 4), 4);
    probe_close(&probe->client);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 3);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 4);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_PIPE);
    probe_end(probe);
}
