/* SPDX-License-Identifier: MIT
 *
 * Messages that wait in a pipe: many of them, empty ones, half-read ones, and what becomes of them
 * when a write is given up or its writer goes.
 *
 * Happy path: messages are written ahead of the reader, who gets one with each read.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: a reader of messages never takes the end of one for a whole one: what is cut off is
 *             either told of by the read before, or the pipe is over.
 */
#include "probe.h"

#define QUEUE_MESSAGES 200u

/* A pipe of messages whose client reads bytes, as it does until it asks for messages. */
static struct probe *queue_to_bytes(void)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    return probe;
}

/* ---- Boundaries ------------------------------------------------------------------------------ */

TEST(nt_queue_of_many_messages)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    size_t at = 0;
    for (uint32_t i = 0; i < QUEUE_MESSAGES; i++) { /* every 17th is empty */
        CHECK_INT(probe_write(probe, probe->client, 0, at, i % 17), i % 17);
        at += i % 17;
    }
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.readable, at);
    at = 0;
    for (uint32_t i = 0; i < QUEUE_MESSAGES; i++) {
        CHECK_INT(probe_read(probe, probe->server, 1, at, PROBE_QUOTA), i % 17);
        at += i % 17;
    }
    CHECK_MEM(probe->got, probe->sent, at);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 1), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_queue_boundaries_are_the_pipes_and_not_the_readers)
{
    struct probe *probe = queue_to_bytes();
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->server, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 2), 2);
    /* Both were written while the client read bytes. */
    REQUIRE_INT(lti_os_pipe_read_messages(probe->client), 0);
    CHECK_INT(probe_read(probe, probe->client, 1, 2, 100), 1);
    CHECK_INT(probe_read(probe, probe->client, 1, 3, 100), 4);
    CHECK_MEM(probe->got, probe->sent, 7);
    probe_end(probe);
}

TEST(nt_queue_of_a_closed_peer_can_be_read_as_messages)
{
    struct probe *probe = queue_to_bytes();
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->server, 0, 3, 4), 4);
    probe_close(&probe->server);
    CHECK_INT(lti_os_pipe_read_messages(probe->client), 0);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 3);
    CHECK_INT(probe_read(probe, probe->client, 1, 3, 100), 4);
    CHECK_KIND(probe_read(probe, probe->client, 1, 0, 100), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_queue_reader_of_bytes_passes_over_empty_messages)
{
    struct probe *probe = queue_to_bytes();
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 0), 0);
    CHECK_INT(probe_write(probe, probe->server, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 7);
    CHECK_MEM(probe->got, probe->sent, 7);
    /* One that is alone is read: as nothing, and not as an end. */
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 0), 0);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 0);
    CHECK_KIND(probe_read(probe, probe->client, 1, 0, 100), LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

/* ---- Waiting reads --------------------------------------------------------------------------- */

TEST(nt_queue_waiting_reads_get_one_message_each)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 100), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 5, 100), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 2, 0, 5), 5);
    CHECK_INT(probe_done(probe, 0), 5);
    CHECK(probe_quiet(probe) && probe->ops[1].pending);
    CHECK_INT(probe_write(probe, probe->client, 2, 5, 6), 6);
    CHECK_INT(probe_done(probe, 1), 6);
    CHECK_MEM(probe->got, probe->sent, 11);
    probe_end(probe);
}

TEST(nt_queue_waiting_reads_share_one_that_is_too_long)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 4), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 4, 4), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 2, 0, 10), 10);
    CHECK_INT(probe_done(probe, 0), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_done(probe, 1), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_read(probe, probe->server, 0, 8, 4), 2);
    CHECK_MEM(probe->got, probe->sent, 10);
    probe_end(probe);
}

TEST(nt_queue_read_of_nothing_leaves_the_message_to_the_next)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 2, 0, 7), 7);
    CHECK_INT(probe_done(probe, 0), LTI_OS_PIPE_MORE);
    CHECK_INT(probe_done(probe, 1), 7);
    CHECK_MEM(probe->got, probe->sent, 7);
    probe_end(probe);
}

/* ---- Empty messages -------------------------------------------------------------------------- */

TEST(nt_queue_empty_message_ends_one_read_only)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_IN_PROGRESS);
    (void)probe_write(probe, probe->client, 2, 0, 0);
    CHECK_INT(probe_done(probe, 2), 0);
    /* It is all of the message, not the announcement of one. */
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK(probe_quiet(probe) && probe->ops[1].pending);
    CHECK_INT(probe_write(probe, probe->client, 2, 0, 3), 3);
    CHECK_INT(probe_done(probe, 1), 3);
    probe_end(probe);
}

TEST(nt_queue_read_of_nothing_takes_an_empty_message)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 0), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 3), 3);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 0), 0);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 0), LTI_OS_PIPE_MORE);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 3);
    CHECK_MEM(probe->got, probe->sent, 3);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 0), LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

TEST(nt_queue_empty_messages_are_drained_after_the_close)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 0), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 0), 0);
    probe_close(&probe->client);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 0);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 0);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_queue_empty_message_does_not_wait_for_room)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, 5), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 0), 0);
    CHECK_INT(probe_read(probe, probe->server, 2, 0, PROBE_BYTES), PROBE_QUOTA);
    CHECK_INT(probe_read(probe, probe->server, 2, 0, PROBE_BYTES), 5);
    CHECK_INT(probe_done(probe, 0), 5);
    /* It has its place behind the one that waited. */
    CHECK_INT(probe_read(probe, probe->server, 2, 0, PROBE_BYTES), 0);
    CHECK_KIND(probe_read(probe, probe->server, 2, 0, 1), LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

/* ---- What a pipe holds ----------------------------------------------------------------------- */

TEST(nt_queue_that_is_full_keeps_the_order)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_write(probe, probe->client, i, 100 * i, 10 + i), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_read(probe, probe->server, 4, 0, PROBE_BYTES), PROBE_QUOTA);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_INT(probe_done(probe, i), 10 + i);
        CHECK_INT(probe_read(probe, probe->server, 4, 0, PROBE_BYTES), 10 + i);
        CHECK_MEM(probe->got, probe->sent + 100 * i, 10 + i);
    }
    probe_end(probe);
}

TEST(nt_queue_frees_room_by_the_byte)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA + 2000), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 1999), LTI_OS_PIPE_MORE | 1999);
    CHECK(probe_quiet(probe) && probe->ops[0].pending);
    CHECK_INT(probe_read(probe, probe->server, 1, 1999, 1), LTI_OS_PIPE_MORE | 1);
    /* The rest fits: the writer need not wait for its reader. */
    CHECK_INT(probe_done(probe, 0), PROBE_QUOTA + 2000);
    CHECK_INT(probe_read(probe, probe->server, 1, 2000, PROBE_BYTES / 2), PROBE_QUOTA);
    CHECK_MEM(probe->got, probe->sent, PROBE_QUOTA + 2000);
    probe_end(probe);
}

/* ---- Half-read messages ---------------------------------------------------------------------- */

TEST(nt_queue_half_read_message_is_given_up)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_write(probe, probe->client, 1, 50, 5), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->server, 2, 0, 10), LTI_OS_PIPE_MORE | 10);
    CHECK_INT(lti_os_pipe_cancel(probe->client, &probe->ops[0].os), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    /* Its rest is gone, and what comes next looks like the rest: who gives a message up must give
     * the pipe up as well. */
    CHECK_INT(probe_read(probe, probe->server, 2, 0, 100), 5);
    CHECK_MEM(probe->got, probe->sent + 50, 5);
    CHECK_INT(probe_done(probe, 1), 5);
    probe_end(probe);
}

TEST(nt_queue_half_read_message_outlives_its_writer)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    CHECK_INT(probe_write(probe, probe->client, 0, 10, 5), 5);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 4), LTI_OS_PIPE_MORE | 4);
    probe_close(&probe->client);
    CHECK_INT(probe_read(probe, probe->server, 1, 4, 100), 6);
    CHECK_INT(probe_read(probe, probe->server, 1, 10, 100), 5);
    CHECK_MEM(probe->got, probe->sent, 15);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_queue_half_read_message_whose_writer_waits_and_goes)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 10), LTI_OS_PIPE_MORE | 10);
    probe_close(&probe->client);
    /* All of the rest or nothing of it, but never a part that seems to be all. */
    int64_t rest = probe_read(probe, probe->server, 1, 10, PROBE_BYTES - 10);
    if (lti_os_kind_of(rest) == LTI_OS_IN_PROGRESS)
        rest = probe_done(probe, 1);
    if (rest >= 0) {
        CHECK_INT(rest, PROBE_BYTES - 10);
        CHECK_MEM(probe->got, probe->sent, PROBE_BYTES);
    } else {
        CHECK_KIND(rest, LTI_OS_PIPE);
    }
    probe_end(probe);
}
