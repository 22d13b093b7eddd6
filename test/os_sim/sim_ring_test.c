/* SPDX-License-Identifier: MIT
 *
 * The contract of several reads in one call, below the seam; linked with the real object and with
 * the simulated kernel.
 *
 * Happy path: each test shows one fact about the call that the library relies on.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: nothing here knows which kernel it runs on.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

#include <string.h>

#define PAIRS 5u

struct probe {
    struct lti_os_ring *ring;
    int ends[PAIRS][2]; /* -1: closed */
    char bytes[PAIRS][16];
    struct lti_os_job jobs[PAIRS];
};

static void probe_open(struct probe *probe)
{
    memset(probe, 0, sizeof *probe); /* valgrind does not see what the system writes for a ring */
    int64_t result = lti_os_ring_create(&probe->ring);
    if (lti_os_kind_of(result) == LTI_OS_UNSUPPORTED || lti_os_kind_of(result) == LTI_OS_ACCESS)
        SKIP_NEEDS("io_uring");
    REQUIRE_INT(result, 0);
    for (size_t i = 0; i < PAIRS; i++) {
        REQUIRE_INT(lti_os_socketpair(false, probe->ends[i]), 0);
        probe->jobs[i] = (struct lti_os_job){
            .fd = probe->ends[i][0], .into = probe->bytes[i], .size = sizeof probe->bytes[i]};
    }
}

static void probe_close(struct probe *probe)
{
    for (size_t i = 0; i < PAIRS; i++)
        for (int end = 0; end < 2; end++)
            if (probe->ends[i][end] >= 0)
                CHECK_INT(lti_os_close(probe->ends[i][end]), 0);
    lti_os_ring_destroy(probe->ring, false);
}

static void probe_send(const struct probe *probe, size_t pair, const char *text)
{
    const struct leat_slice slice = {text, strlen(text)};
    REQUIRE_INT(lti_os_send(probe->ends[pair][1], &slice, 1), (int64_t)slice.size);
}

static void probe_shut(struct probe *probe, size_t pair, int end)
{
    CHECK_INT(lti_os_close(probe->ends[pair][end]), 0);
    probe->ends[pair][end] = -1;
}

TEST(ring_each_read_says_what_it_would_say_alone)
{
    struct probe probe;
    probe_open(&probe);
    probe_send(&probe, 0, "one");
    /* Nothing came at 1. */
    probe_send(&probe, 2, "the end");
    probe_shut(&probe, 2, 1);
    probe_shut(&probe, 3, 1);
    CHECK_INT(lti_os_shutdown_write(probe.ends[4][1]), 0);
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, PAIRS), 0);
    CHECK_INT(probe.jobs[0].result, 3);
    CHECK(memcmp(probe.bytes[0], "one", 3) == 0);
    CHECK_INT(lti_os_kind_of(probe.jobs[1].result), LTI_OS_AGAIN);
    CHECK_INT(probe.jobs[2].result, 7);
    CHECK(memcmp(probe.bytes[2], "the end", 7) == 0);
    CHECK_INT(probe.jobs[3].result, 0);
    CHECK_INT(probe.jobs[4].result, 0);
    probe_close(&probe);
}

/* The peer closes over what it did not read: that is told once, and by the ring, too. */
TEST(ring_a_broken_connection_is_told_once)
{
    struct probe probe;
    const struct leat_slice unread = {"unread", 6};
    probe_open(&probe);
    CHECK_INT(lti_os_send(probe.ends[0][0], &unread, 1), 6);
    probe_shut(&probe, 0, 1);
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, 1), 0);
    CHECK_INT(lti_os_kind_of(probe.jobs[0].result), LTI_OS_RESET);
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, 1), 0);
    CHECK_INT(probe.jobs[0].result, 0);
    probe_close(&probe);
}

TEST(ring_takes_no_more_than_there_is_room_for)
{
    struct probe probe;
    probe_open(&probe);
    probe_send(&probe, 0, "abcdefgh");
    probe.jobs[0].size = 5;
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, 1), 0);
    CHECK_INT(probe.jobs[0].result, 5);
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, 1), 0);
    CHECK_INT(probe.jobs[0].result, 3);
    CHECK(memcmp(probe.bytes[0], "fghde", 5) == 0);
    probe_close(&probe);
}

/* Two jobs of one socket are done in order. */
TEST(ring_goes_in_order)
{
    struct probe probe;
    probe_open(&probe);
    probe_send(&probe, 0, "abcdef");
    probe.jobs[0].size = probe.jobs[1].size = 3;
    probe.jobs[1].fd = probe.jobs[0].fd;
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, 2), 0);
    CHECK_INT(probe.jobs[0].result, 3);
    CHECK_INT(probe.jobs[1].result, 3);
    CHECK(memcmp(probe.bytes[0], "abc", 3) == 0 && memcmp(probe.bytes[1], "def", 3) == 0);
    probe_close(&probe);
}

/* Nothing is under way afterwards: what comes later is not taken, and a close is one at once. */
TEST(ring_leaves_nothing_under_way)
{
    struct probe probe;
    char byte[2];
    uint32_t flags = LTI_OS_RECV_PLAIN;
    probe_open(&probe);
    CHECK_INT(lti_os_ring_recv(probe.ring, probe.jobs, PAIRS), 0);
    probe_send(&probe, 0, "x");
    CHECK_INT(lti_os_recv(probe.ends[0][0], byte, 2, NULL, &flags), 1);
    probe_shut(&probe, 1, 0);
    flags = LTI_OS_RECV_PLAIN;
    CHECK_INT(lti_os_recv(probe.ends[1][1], byte, 2, NULL, &flags), 0);
    probe_close(&probe);
}

TEST(ring_does_as_many_jobs_as_it_says)
{
    struct probe probe;
    struct lti_os_job jobs[LTI_OS_JOBS_MAX];
    char bytes[LTI_OS_JOBS_MAX];
    probe_open(&probe);
    for (int round = 0; round < 40; round++) { /* also around the ends of its queues */
        for (size_t i = 0; i < LTI_OS_JOBS_MAX; i++)
            jobs[i] =
                (struct lti_os_job){.fd = probe.ends[i % PAIRS][0], .into = &bytes[i], .size = 1};
        for (size_t i = 0; i < LTI_OS_JOBS_MAX; i++)
            probe_send(&probe, i % PAIRS, "y");
        CHECK_INT(lti_os_ring_recv(probe.ring, jobs, LTI_OS_JOBS_MAX - (size_t)round), 0);
        for (size_t i = 0; i < LTI_OS_JOBS_MAX - (size_t)round; i++)
            CHECK_INT(jobs[i].result, 1);
        CHECK_INT(lti_os_ring_recv(probe.ring, jobs + LTI_OS_JOBS_MAX - round, (size_t)round), 0);
    }
    probe_close(&probe);
}
