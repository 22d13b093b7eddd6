/* SPDX-License-Identifier: MIT
 *
 * How a client and an instance meet: before and after the listen, with and without success.
 *
 * Happy path: an instance listens, a client opens, or the other way round.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: every listen that pends is seen to end.
 */
#include "probe.h"

TEST(nt_connect_after_listen_ends_it)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    CHECK(probe_quiet(probe));
    probe->client = probe_open(probe);
    CHECK_INT(probe_done(probe, 0), 0);
    probe_end(probe);
}

TEST(nt_connect_before_listen_is_told_at_once)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 5), 5);
    CHECK_INT(probe_read(probe, probe->server, 2, 0, 9), 5);
    probe_end(probe);
}

TEST(nt_connect_and_leave_before_listen)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    probe_close(&probe->client);
    int64_t result = probe_listen(probe, probe->server, 0);
    CHECK_KIND(result, LTI_OS_PIPE);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_NO_DATA);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_connect_write_and_leave_before_listen)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 7), 7);
    probe_close(&probe->client);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_PIPE);
    CHECK_INT(probe_read(probe, probe->server, 2, 0, 9), 7);
    CHECK_KIND(probe_read(probe, probe->server, 2, 0, 9), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_connect_and_leave_while_listening)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    probe->client = probe_open(probe);
    probe_close(&probe->client);
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 9), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_connect_busy_while_a_client_is_there)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    int64_t result = lti_os_pipe_open(probe->name);
    CHECK_KIND(result, LTI_OS_BUSY);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_PIPE_BUSY);
    probe_end(probe);
}

TEST(nt_connect_busy_before_listen)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_BUSY);
    probe_end(probe);
}

TEST(nt_connect_busy_after_the_client_left)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    probe_close(&probe->client);
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_BUSY);
    CHECK_KIND(probe_listen(probe, probe->server, 1), LTI_OS_PIPE);
    probe_end(probe);
}

TEST(nt_connect_as_many_as_instances)
{
    struct probe *probe = probe_begin();
    intptr_t servers[4], clients[4];
    for (uint32_t i = 0; i < 4; i++) {
        servers[i] = probe_create(probe, 0, PROBE_QUOTA);
        CHECK_KIND(probe_listen(probe, servers[i], i), LTI_OS_IN_PROGRESS);
    }
    for (uint32_t i = 0; i < 4; i++)
        clients[i] = probe_open(probe);
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_BUSY);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_INT(probe_done(probe, i), 0);
    for (uint32_t i = 0; i < 4; i++) {
        probe_close(&clients[i]);
        probe_close(&servers[i]);
    }
    probe_end(probe);
}

TEST(nt_connect_each_pipe_is_its_own)
{
    struct probe *probe = probe_begin();
    intptr_t one = probe_create(probe, 0, PROBE_QUOTA);
    intptr_t two = probe_create(probe, 0, PROBE_QUOTA);
    intptr_t first = probe_open(probe), second = probe_open(probe);
    CHECK_INT(probe_listen(probe, one, 0), 0);
    CHECK_INT(probe_listen(probe, two, 0), 0);
    CHECK_INT(probe_write(probe, first, 0, 10, 1), 1);
    CHECK_INT(probe_write(probe, second, 0, 20, 1), 1);
    /* Which client went where is not promised. */
    CHECK_INT(probe_read(probe, one, 0, 0, 9), 1);
    CHECK_INT(probe_read(probe, two, 0, 1, 9), 1);
    CHECK_INT(probe->got[0] + probe->got[1], probe->sent[10] + probe->sent[20]);
    CHECK(probe->got[0] != probe->got[1]);
    probe_close(&one);
    probe_close(&two);
    probe_close(&first);
    probe_close(&second);
    probe_end(probe);
}

TEST(nt_connect_many_in_turn_with_a_replacement)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, LTI_OS_PIPE_FIRST, PROBE_QUOTA);
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
        probe->client = probe_open(probe);
        REQUIRE_INT(probe_done(probe, 0), 0);
        probe->ended = 0;
        intptr_t next = probe_create(probe, 0, PROBE_QUOTA);
        probe_close(&probe->client);
        probe_close(&probe->server);
        probe->server = next;
    }
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.instances, 1);
    probe_end(probe);
}

TEST(nt_connect_knows_processes)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    int64_t client = lti_os_pipe_peer_pid(probe->server, false);
    CHECK(client > 0);
    CHECK_INT(lti_os_pipe_peer_pid(probe->client, true), client);
    probe_end(probe);
}

TEST(nt_process_of_a_pid)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    int64_t now = lti_os_time_of_day();
    CHECK(now > 0);
    int64_t process = lti_os_process_open(lti_os_pipe_peer_pid(probe->client, true));
    REQUIRE_HANDLE(process);
    CHECK_INT(lti_os_signal_wait((intptr_t)process, 0), 0);
    int64_t began = lti_os_process_began((intptr_t)process);
    CHECK(began > 0 && began <= now);
    CHECK(lti_os_time_of_day() >= now);
    CHECK_INT(lti_os_handle_close((intptr_t)process), 0);
    CHECK_KIND(lti_os_process_open(INT64_C(0x7ffffff0)), LTI_OS_INVALID);
    probe_end(probe);
}

TEST(nt_listen_is_not_for_clients)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    int64_t result = probe_listen(probe, probe->client, 0);
    CHECK(result < 0 && lti_os_kind_of(result) != LTI_OS_IN_PROGRESS);
    probe_end(probe);
}

TEST(nt_listen_can_be_cancelled)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    /* The instance is as it was before: a client may come, and is told. */
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 1), 0);
    probe_end(probe);
}

TEST(nt_listen_ends_when_its_handle_is_closed)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    probe_close(&probe->server);
    CHECK(probe_done(probe, 0) < 0);
    probe_end(probe);
}

TEST(nt_listening_pipe_cannot_be_read_or_written)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    int64_t result = probe_read(probe, probe->server, 0, 0, 9);
    CHECK_KIND(result, LTI_OS_NOT_CONNECTED);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_PIPE_LISTENING);
    CHECK_KIND(probe_write(probe, probe->server, 0, 0, 9), LTI_OS_NOT_CONNECTED);
    probe_end(probe);
}
