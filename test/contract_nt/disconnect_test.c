/* SPDX-License-Identifier: MIT
 *
 * A server that disconnects its client, as servers other than ours do before they use an instance
 * again. The library never does, so the seam has no call for it.
 *
 * Happy path: what was under way ends with 233, and so does whatever the client tries.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: nothing that was unread is read after a disconnect.
 */
#include "probe.h"

#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#ifdef _WIN32
#include <windows.h>
#endif

static int64_t disconnect(const struct probe *probe)
{
#ifdef _WIN32
    return DisconnectNamedPipe((HANDLE)probe->server) ? 0 : lti_nt_fail(GetLastError());
#else
    return lti_sim_pipe_disconnect(probe->server);
#endif
}

TEST(nt_disconnect_loses_what_is_unread)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 100), 100);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 50), 50);
    CHECK_INT(disconnect(probe), 0);
    int64_t result = probe_read(probe, probe->client, 1, 0, 200);
    CHECK_KIND(result, LTI_OS_RESET);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_PIPE_NOT_CONNECTED);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 200), LTI_OS_RESET);
    CHECK_KIND(probe_read(probe, probe->client, 1, 0, 0), LTI_OS_RESET);
    CHECK_KIND(probe_write(probe, probe->client, 1, 0, 1), LTI_OS_RESET);
    CHECK_KIND(probe_write(probe, probe->server, 1, 0, 1), LTI_OS_RESET);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_disconnect_ends_what_waits)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_write(probe, probe->server, 0, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_write(probe, probe->client, 1, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_read(probe, probe->client, 2, 0, 10), 10);
    CHECK_INT(disconnect(probe), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_RESET);
    CHECK_KIND(probe_done(probe, 1), LTI_OS_RESET);
    probe_end(probe);
}

TEST(nt_disconnect_ends_waiting_reads)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->client, 0, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 0), LTI_OS_IN_PROGRESS);
    CHECK_INT(disconnect(probe), 0);
    CHECK_KIND(probe_done(probe, 0), LTI_OS_RESET);
    CHECK_KIND(probe_done(probe, 1), LTI_OS_RESET);
    probe_end(probe);
}

TEST(nt_disconnect_is_a_fact)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 50), 50);
    CHECK_INT(disconnect(probe), 0);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK(facts.pipe && facts.server && !facts.connected && !facts.closing);
    CHECK_INT(facts.readable, 0);
    CHECK(lti_os_pipe_facts(probe->client, &facts) < 0 || !facts.connected);
    CHECK(lti_os_pipe_cancel(probe->client, &probe->ops[0].os) < 0);
    CHECK(disconnect(probe) < 0);
    probe_end(probe);
}

TEST(nt_disconnect_frees_the_instance_for_another)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    intptr_t old = probe->client;
    CHECK_INT(disconnect(probe), 0);
    /* Until the server listens again, nobody can come. */
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_BUSY);
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    probe->client = probe_open(probe);
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK_INT(probe_write(probe, probe->client, 1, 0, 5), 5);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 9), 5);
    CHECK_KIND(probe_read(probe, old, 1, 0, 9), LTI_OS_RESET);
    probe_close(&old);
    CHECK_INT(probe_write(probe, probe->server, 1, 0, 6), 6);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 9), 6);
    probe_end(probe);
}

TEST(nt_disconnect_frees_the_name_though_the_client_stays)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(disconnect(probe), 0);
    probe_close(&probe->server);
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_NOT_FOUND);
    probe->server = probe_create(probe, LTI_OS_PIPE_FIRST, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->client, 1, 0, 9), LTI_OS_RESET);
    probe_end(probe);
}
