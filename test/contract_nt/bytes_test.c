/* SPDX-License-Identifier: MIT
 *
 * Bytes on a pipe: what is at once, what waits, how much a pipe holds, what is left at its end.
 *
 * Happy path: one end writes, the other reads.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: every operation that pends is seen to end.
 */
#include "probe.h"

TEST(nt_bytes_are_read_at_once_when_there)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1000), 1000);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 2000), 1000);
    CHECK_MEM(probe->got, probe->sent, 1000);
    CHECK_INT(probe_write(probe, probe->server, 0, 500, 9), 9);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 9), 9);
    CHECK_MEM(probe->got, probe->sent + 500, 9);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_bytes_end_a_waiting_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 2000), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1000), 1000);
    CHECK_INT(probe_done(probe, 1), 1000);
    CHECK_MEM(probe->got, probe->sent, 1000);
    probe_end(probe);
}

TEST(nt_bytes_are_read_in_parts)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 4), 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 4, 100), 6);
    CHECK_MEM(probe->got, probe->sent, 10);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 1), LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

TEST(nt_bytes_have_no_boundaries)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 3), 3);
    CHECK_INT(probe_write(probe, probe->client, 0, 3, 4), 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 7);
    CHECK_MEM(probe->got, probe->sent, 7);
    probe_end(probe);
}

TEST(nt_bytes_directions_do_not_touch)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->client, 1, 10, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->server, 2, 100, 5), 5);
    CHECK_INT(probe_done(probe, 1), 5);
    CHECK(probe->ops[0].pending);
    CHECK_INT(probe_write(probe, probe->client, 2, 200, 6), 6);
    CHECK_INT(probe_done(probe, 0), 6);
    CHECK_MEM(probe->got, probe->sent + 200, 6);
    CHECK_MEM(probe->got + 10, probe->sent + 100, 5);
    probe_end(probe);
}

TEST(nt_bytes_waiting_reads_are_served_in_order)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_read(probe, probe->server, i, i * 4, 4), LTI_OS_IN_PROGRESS);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(probe_write(probe, probe->client, 4, i * 4, 4), 4);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(probe_done(probe, i), 4);
    CHECK_MEM(probe->got, probe->sent, 12);
    REQUIRE_INT(probe->ended, 3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(probe->order[i], i);
    probe_end(probe);
}

TEST(nt_bytes_one_write_serves_several_reads)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 4), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 4, 4), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 2, 0, 10), 10);
    CHECK_INT(probe_done(probe, 0), 4);
    CHECK_INT(probe_done(probe, 1), 4);
    CHECK_INT(probe_read(probe, probe->server, 3, 8, 4), 2);
    CHECK_MEM(probe->got, probe->sent, 10);
    probe_end(probe);
}

/* ---- Reads of no bytes ----------------------------------------------------------------------- */

TEST(nt_bytes_empty_read_waits_for_some)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 20), 10);
    CHECK_MEM(probe->got, probe->sent, 10);
    probe_end(probe);
}

TEST(nt_bytes_empty_read_is_over_when_some_are_there)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 0), 0);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 0), 0);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 20), 10);
    probe_end(probe);
}

TEST(nt_bytes_empty_read_ends_when_the_peer_goes)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    probe_close(&probe->client);
    int64_t result = probe_done(probe, 0);
    CHECK_KIND(result, LTI_OS_PIPE);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_BROKEN_PIPE);
    probe_end(probe);
}

TEST(nt_bytes_empty_read_can_be_cancelled)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 10), 10);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 20), 10);
    probe_end(probe);
}

/* ---- What a pipe holds ----------------------------------------------------------------------- */

TEST(nt_quota_is_taken_at_once)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
    CHECK(probe_quiet(probe));
    CHECK(probe_read_all(probe, probe->server, 0, PROBE_QUOTA));
    CHECK_MEM(probe->got, probe->sent, PROBE_QUOTA);
    probe_end(probe);
}

TEST(nt_quota_is_free_again_after_reading)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    for (uint32_t i = 0; i < 20; i++) {
        CHECK_INT(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
        CHECK(probe_read_all(probe, probe->server, 1, PROBE_QUOTA));
    }
    probe_end(probe);
}

TEST(nt_quota_exceeded_by_one_write)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    /* All of it is there to be read, and only the writer waits. */
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.readable, PROBE_BYTES);
    CHECK(probe_read_all(probe, probe->server, 1, PROBE_BYTES));
    CHECK_INT(probe_done(probe, 0), PROBE_BYTES);
    CHECK_MEM(probe->got, probe->sent, PROBE_BYTES);
    probe_end(probe);
}

TEST(nt_quota_exceeded_by_the_next_write)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, PROBE_QUOTA), PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->client, 1, PROBE_QUOTA, PROBE_QUOTA), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK(probe_read_all(probe, probe->server, 2, 2 * PROBE_QUOTA));
    CHECK_INT(probe_done(probe, 1), PROBE_QUOTA);
    CHECK_MEM(probe->got, probe->sent, 2 * PROBE_QUOTA);
    probe_end(probe);
}

TEST(nt_quota_of_none_makes_every_write_wait)
{
    struct probe *probe = probe_pair(0, 0);
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, 1), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 9), 1);
    CHECK_INT(probe_done(probe, 0), 1);
    probe_end(probe);
}

TEST(nt_quota_is_not_needed_when_a_read_waits)
{
    struct probe *probe = probe_pair(0, 0);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 100), LTI_OS_IN_PROGRESS);
    (void)probe_write(probe, probe->client, 1, 0, 100);
    CHECK_INT(probe_done(probe, 1), 100);
    CHECK_INT(probe_done(probe, 0), 100);
    CHECK_MEM(probe->got, probe->sent, 100);
    probe_end(probe);
}

TEST(nt_quota_waiting_writes_keep_their_order)
{
    struct probe *probe = probe_pair(0, 0);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_write(probe, probe->client, i, i * 10, 10), LTI_OS_IN_PROGRESS);
    CHECK(probe_read_all(probe, probe->server, 4, 30));
    CHECK_MEM(probe->got, probe->sent, 30);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(probe_done(probe, i), 10);
    probe_end(probe);
}

/* ---- The end --------------------------------------------------------------------------------- */

static void bytes_drain(bool server_closes)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    intptr_t *closing = server_closes ? &probe->server : &probe->client;
    intptr_t staying = server_closes ? probe->client : probe->server;
    struct lti_os_pipe_facts facts;
    CHECK_INT(probe_write(probe, *closing, 0, 0, 100), 100);
    probe_close(closing);
    REQUIRE_INT(lti_os_pipe_facts(staying, &facts), 0);
    CHECK(facts.pipe && facts.closing && !facts.connected);
    CHECK_INT(facts.readable, 100);
    CHECK_INT(probe_read(probe, staying, 1, 0, 60), 60);
    CHECK_INT(probe_read(probe, staying, 1, 60, 60), 40);
    CHECK_MEM(probe->got, probe->sent, 100);
    for (int i = 0; i < 2; i++) {
        int64_t result = probe_read(probe, staying, 1, 0, 60);
        CHECK_KIND(result, LTI_OS_PIPE);
        CHECK_INT(lti_os_code_of(result).raw, LTI_NT_BROKEN_PIPE);
    }
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_end_client_drains_after_the_server_closed)
{
    bytes_drain(true);
}

TEST(nt_end_server_drains_after_the_client_closed)
{
    bytes_drain(false);
}

TEST(nt_end_waiting_read_is_told)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->client, 0, 0, 60), LTI_OS_IN_PROGRESS);
    probe_close(&probe->server);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_end_write_is_refused)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    probe_close(&probe->client);
    int64_t result = probe_write(probe, probe->server, 0, 0, 10);
    CHECK_KIND(result, LTI_OS_PIPE);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_NO_DATA);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_end_write_is_refused_while_there_is_something_to_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    probe_close(&probe->client);
    CHECK_KIND(probe_write(probe, probe->server, 0, 0, 10), LTI_OS_PIPE);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 20), 10);
    probe_end(probe);
}

TEST(nt_end_waiting_write_is_told)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->server, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 100), 100);
    probe_close(&probe->client);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_end_own_close_ends_a_waiting_read)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 100), LTI_OS_IN_PROGRESS);
    probe_close(&probe->server);
    CHECK(probe_done(probe, 0) < 0);
    probe_end(probe);
}

TEST(nt_end_own_close_with_a_waiting_write)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->server, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    probe_close(&probe->server);
    /* It may end at once, or go on until the peer has read it or gone: who must have the memory
     * back cancels before the close. */
    size_t got = 0;
    for (uint32_t turn = 0; turn < PROBE_BYTES; turn++) {
        int64_t result = probe_read(probe, probe->client, 1, got, PROBE_BYTES - got);
        if (lti_os_kind_of(result) == LTI_OS_IN_PROGRESS)
            result = probe_done(probe, 1);
        if (result <= 0)
            break;
        got += (size_t)result;
        probe->ended = 0;
    }
    CHECK_MEM(probe->got, probe->sent, got);
    probe_close(&probe->client);
    int64_t written = probe_done(probe, 0);
    CHECK(written < 0 || (written == PROBE_BYTES && got == PROBE_BYTES));
    probe_end(probe);
}

TEST(nt_end_unread_bytes_of_the_other_direction_do_not_matter)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 50), 50);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 30), 30);
    probe_close(&probe->client);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 60), 30);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 60), LTI_OS_PIPE);
    probe_end(probe);
}
