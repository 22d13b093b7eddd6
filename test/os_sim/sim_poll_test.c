/* SPDX-License-Identifier: MIT
 *
 * The contract of the poller and the wake-up event below the seam; linked, as sim_kernel_test.c is,
 * with the real object and with the simulated kernel.
 *
 * Happy path: each test shows one fact about edges that the library relies on.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: nothing here knows which kernel it runs on.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

struct probe {
    int poller, fds[2];
};

static void probe_open(struct probe *probe, uint32_t interest)
{
    int64_t poller = lti_os_poller_create();
    REQUIRE(poller >= 0);
    probe->poller = (int)poller;
    REQUIRE_INT(lti_os_socketpair(false, probe->fds), 0);
    REQUIRE_INT(lti_os_poller_add(probe->poller, probe->fds[0], interest, 77), 0);
}

static void probe_close(struct probe *probe)
{
    CHECK_INT(lti_os_poller_close(probe->poller, false), 0);
    for (int i = 0; i < 2; i++) {
        if (probe->fds[i] >= 0)
            CHECK_INT(lti_os_close(probe->fds[i]), 0);
    }
}

static uint32_t probe_flags(const struct probe *probe)
{
    struct lti_os_ready ready[4];
    int64_t count = lti_os_poller_wait(probe->poller, ready, 4, 0);
    CHECK(count == 0 || count == 1);
    if (count != 1)
        return 0;
    CHECK_INT(ready[0].cookie, 77);
    return ready[0].flags;
}

static void probe_send(const struct probe *probe, int from)
{
    const struct leat_slice slice = {"abcd", 4};
    CHECK_INT(lti_os_send(probe->fds[from], &slice, 1), 4);
}

static void probe_recv(const struct probe *probe, int at, size_t size)
{
    char buffer[8];
    uint32_t flags = 0;
    CHECK_INT(lti_os_recv(probe->fds[at], buffer, size, NULL, &flags), (int64_t)size);
}

TEST(poll_an_edge_is_told_once)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    CHECK_INT(probe_flags(&probe), 0);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    CHECK_INT(probe_flags(&probe), 0);
    probe_recv(&probe, 0, 1);
    CHECK_INT(probe_flags(&probe), 0);
    probe_close(&probe);
}

TEST(poll_each_arrival_is_an_edge)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    probe_send(&probe, 1); /* though the first was not read */
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    CHECK_INT(probe_flags(&probe), 0);
    probe_send(&probe, 1);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    CHECK_INT(probe_flags(&probe), 0);
    probe_close(&probe);
}

TEST(poll_what_was_read_meanwhile_is_not_told)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    probe_send(&probe, 1);
    probe_recv(&probe, 0, 4);
    CHECK_INT(probe_flags(&probe), 0);
    probe_close(&probe);
}

TEST(poll_an_edge_tells_the_whole_state)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN | LTI_OS_OUT);
    CHECK_INT(probe_flags(&probe), LTI_OS_OUT);
    CHECK_INT(probe_flags(&probe), 0);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN | LTI_OS_OUT);
    /* The peer reads what we sent: an edge for OUT, which tells of IN again. */
    probe_send(&probe, 0);
    probe_recv(&probe, 1, 4);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN | LTI_OS_OUT);
    probe_close(&probe);
}

TEST(poll_modify_tells_the_state_again)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    CHECK_INT(probe_flags(&probe), 0);
    CHECK_INT(lti_os_poller_modify(probe.poller, probe.fds[0], LTI_OS_IN, 77), 0);
    CHECK_INT(probe_flags(&probe), LTI_OS_IN);
    CHECK_INT(lti_os_poller_modify(probe.poller, probe.fds[0], LTI_OS_OUT, 77), 0);
    CHECK_INT(probe_flags(&probe), LTI_OS_OUT);
    CHECK_INT(lti_os_poller_modify(probe.poller, probe.fds[0], 0, 77), 0);
    CHECK_INT(probe_flags(&probe), 0);
    probe_send(&probe, 1);
    CHECK_INT(probe_flags(&probe), 0);
    probe_close(&probe);
}

TEST(poll_without_interest_the_end_is_told)
{
    struct probe probe;
    probe_open(&probe, 0);
    CHECK_INT(lti_os_shutdown_write(probe.fds[1]), 0);
    CHECK_INT(probe_flags(&probe), LTI_OS_READ_HANGUP);
    CHECK_INT(lti_os_close(probe.fds[1]), 0);
    probe.fds[1] = -1;
    CHECK_INT(probe_flags(&probe), LTI_OS_READ_HANGUP | LTI_OS_HANGUP);
    probe_close(&probe);
}

TEST(poll_a_closed_descriptor_is_out)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    probe_send(&probe, 1);
    CHECK_INT(lti_os_close(probe.fds[0]), 0);
    CHECK_INT(probe_flags(&probe), 0);
    int64_t again = lti_os_socket(false);
    CHECK_INT(again, probe.fds[0]); /* the number is used again at once */
    int64_t result = lti_os_poller_modify(probe.poller, (int)again, LTI_OS_IN, 77);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_poller_add(probe.poller, (int)again, LTI_OS_IN, 77), 0);
    CHECK_INT(probe_flags(&probe), LTI_OS_HANGUP); /* not connected */
    CHECK_INT(lti_os_poller_remove(probe.poller, (int)again), 0);
    result = lti_os_poller_remove(probe.poller, (int)again);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_NOT_FOUND);
    probe_close(&probe);
}

TEST(poll_a_listener_has_no_room)
{
    for (int packets = 0; packets < 2; packets++) {
        struct probe probe;
        char name[18] = "\0leat-poll-";
        uint8_t random[4];
        REQUIRE_INT(lti_os_random(random, sizeof random), sizeof random);
        for (size_t i = 0; i < 4; i++)
            name[11 + i] = (char)('a' + random[i] % 26);
        int64_t listener = lti_os_socket(packets != 0);
        int64_t client = lti_os_socket(packets != 0);
        REQUIRE(listener >= 0 && client >= 0);
        REQUIRE_INT(lti_os_bind((int)listener, name, 15), 0);
        REQUIRE_INT(lti_os_listen((int)listener, 1), 0);
        probe.poller = (int)lti_os_poller_create();
        REQUIRE(probe.poller >= 0);
        probe.fds[0] = (int)listener;
        probe.fds[1] = (int)client;
        uint32_t interest = LTI_OS_IN | LTI_OS_OUT;
        REQUIRE_INT(lti_os_poller_add(probe.poller, probe.fds[0], interest, 77), 0);
        CHECK_INT(probe_flags(&probe), 0);
        CHECK_INT(lti_os_connect(probe.fds[1], name, 15), 0);
        CHECK_INT(probe_flags(&probe), LTI_OS_IN);
        probe_close(&probe);
    }
}

TEST(poll_registration_once)
{
    struct probe probe;
    probe_open(&probe, LTI_OS_IN);
    int64_t result = lti_os_poller_add(probe.poller, probe.fds[0], LTI_OS_IN, 78);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_EXISTS);
    result = lti_os_poller_modify(probe.poller, probe.fds[1], LTI_OS_IN, 78);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_NOT_FOUND);
    probe_close(&probe);
}

TEST(poll_no_more_than_asked_for_and_no_less_later)
{
    struct probe probes[3];
    struct lti_os_ready ready[2];
    probe_open(&probes[0], LTI_OS_IN);
    for (int i = 1; i < 3; i++) {
        REQUIRE_INT(lti_os_socketpair(false, probes[i].fds), 0);
        probes[i].poller = probes[0].poller;
        REQUIRE_INT(lti_os_poller_add(probes[0].poller, probes[i].fds[0], LTI_OS_IN, 77), 0);
    }
    for (int i = 0; i < 3; i++)
        probe_send(&probes[i], 1);
    CHECK_INT(lti_os_poller_wait(probes[0].poller, ready, 2, 0), 2);
    CHECK_INT(lti_os_poller_wait(probes[0].poller, ready, 2, 0), 1);
    CHECK_INT(lti_os_poller_wait(probes[0].poller, ready, 2, 0), 0);
    for (int i = 1; i < 3; i++) {
        CHECK_INT(lti_os_close(probes[i].fds[0]), 0);
        CHECK_INT(lti_os_close(probes[i].fds[1]), 0);
    }
    probe_close(&probes[0]);
}

TEST(poll_waits_until_the_deadline)
{
    struct probe probe;
    struct lti_os_ready ready[1];
    probe_open(&probe, LTI_OS_IN);
    uint64_t before_ns = lti_os_now_ns();
    CHECK_INT(lti_os_poller_wait(probe.poller, ready, 1, 3000000), 0);
    CHECK(lti_os_now_ns() - before_ns >= 3000000);
    probe_close(&probe);
}

TEST(poll_event_is_readable_until_clear)
{
    struct lti_os_ready ready[1];
    int64_t poller = lti_os_poller_create();
    int64_t event = lti_os_event_create();
    REQUIRE(poller >= 0 && event >= 0);
    REQUIRE_INT(lti_os_poller_add((int)poller, (int)event, LTI_OS_IN, 5), 0);
    CHECK_INT(lti_os_kind_of(lti_os_event_clear((int)event)), LTI_OS_AGAIN);
    CHECK_INT(lti_os_poller_wait((int)poller, ready, 1, 0), 0);
    CHECK(lti_os_event_set((int)event) >= 0);
    CHECK(lti_os_event_set((int)event) >= 0);
    CHECK_INT(lti_os_poller_wait((int)poller, ready, 1, -1), 1);
    CHECK_INT(ready[0].cookie, 5);
    CHECK_INT(ready[0].flags, LTI_OS_IN);
    CHECK_INT(lti_os_poller_wait((int)poller, ready, 1, 0), 0);
    CHECK(lti_os_event_clear((int)event) >= 0);
    CHECK_INT(lti_os_kind_of(lti_os_event_clear((int)event)), LTI_OS_AGAIN);
    CHECK_INT(lti_os_close((int)event), 0);
    CHECK_INT(lti_os_poller_close((int)poller, false), 0);
}

TEST(poll_a_poller_can_be_polled)
{
    struct probe probe;
    struct lti_os_ready ready[1];
    probe_open(&probe, LTI_OS_IN);
    int64_t outer = lti_os_poller_create();
    REQUIRE(outer >= 0);
    REQUIRE_INT(lti_os_poller_add((int)outer, probe.poller, LTI_OS_IN, 9), 0);
    CHECK_INT(lti_os_poller_wait((int)outer, ready, 1, 0), 0);
    probe_send(&probe, 1);
    CHECK_INT(lti_os_poller_wait((int)outer, ready, 1, 0), 1);
    CHECK_INT(ready[0].cookie, 9);
    CHECK_INT(lti_os_poller_close((int)outer, false), 0);
    probe_close(&probe);
}

TEST(poll_clock_and_identity)
{
    uint64_t first_ns = lti_os_now_ns();
    CHECK(first_ns != 0);
    CHECK(lti_os_now_ns() >= first_ns);
    CHECK(lti_os_thread_id() != 0);
    CHECK_INT(lti_os_thread_id(), lti_os_thread_id());
    CHECK_INT(lti_os_fork_count(), lti_os_fork_count());
    CHECK(lti_os_cpus() >= 1);
    CHECK(!lti_os_privileged());
    CHECK(lti_os_getenv("LEAT_NO_SUCH_VARIABLE") == NULL);
}
