/* SPDX-License-Identifier: MIT
 *
 * The fault object's calls of packets: each fault is as a system would do it.
 *
 * Happy path: a fault is armed at a call on a pair of the test's own, and what comes of it is
 *             looked at.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: no fault takes a part of a packet, and what was not moved is still there afterwards.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_fault.h"
#include "os_posix.h"

struct packet_faulty {
    int fds[2], poller;
};

static void faulty_open(struct packet_faulty *faulty)
{
    lti_fault_reset();
    REQUIRE_INT(lti_os_socketpair(true, faulty->fds), 0);
    for (int i = 0; i < 2; i++)
        REQUIRE(lti_os_packets(faulty->fds[i], 1) > 0);
    faulty->poller = (int)lti_os_poller_create();
    REQUIRE(faulty->poller >= 0);
    REQUIRE_INT(lti_os_poller_add(faulty->poller, faulty->fds[1], LTI_OS_IN | LTI_OS_OUT, 1), 0);
}

static void faulty_close(struct packet_faulty *faulty)
{
    lti_fault_disarm();
    CHECK_INT(lti_os_close(faulty->fds[0]), 0);
    CHECK_INT(lti_os_close(faulty->fds[1]), 0);
    CHECK_INT(lti_os_close(faulty->poller), 0);
    lti_fault_reset();
}

static int64_t faulty_send(int fd)
{
    const struct leat_slice slices[2] = {{"ab", 2}, {"cd", 2}};
    return lti_os_send(fd, slices, 2);
}

static bool faulty_edge(const struct packet_faulty *faulty)
{
    struct lti_os_ready ready[2];
    return lti_os_poller_wait(faulty->poller, ready, 2, 0) == 1;
}

/* The fault's own word, or what it lets pass. */
static bool faulty_failed(const struct lti_fault *fault, int64_t result)
{
    return fault->action == LTI_FAULT_ERROR && CHECK(result < 0) &&
           CHECK_INT(lti_os_code_of(result).raw, fault->raw);
}

static void faulty_recv(const struct packet_faulty *faulty, const struct lti_fault *fault,
                        uint32_t asked)
{
    char buffer[8];
    uint32_t flags = asked;
    CHECK_INT(faulty_send(faulty->fds[0]), 4);
    (void)faulty_edge(faulty);
    int64_t result = lti_os_recv_packet(faulty->fds[1], buffer, sizeof buffer, NULL, &flags);
    CHECK_INT(lti_fault_fired(), 1);
    if (!faulty_failed(fault, result)) {
        bool cut = fault->action == LTI_FAULT_CUT;
        CHECK_INT(fault->action, cut ? LTI_FAULT_CUT : LTI_FAULT_END);
        CHECK_INT(result, cut);
        CHECK_INT(flags, cut ? LTI_OS_PACKET_CUT : LTI_OS_PACKET_END);
    }
    CHECK_INT(faulty_edge(faulty), (fault->traits & LTI_FAULT_TRANSPARENT) != 0);
    flags = 0;
    CHECK_INT(lti_os_recv_packet(faulty->fds[1], buffer, sizeof buffer, NULL, &flags), 4);
    CHECK_MEM(buffer, "abcd", 4);
}

static void faulty_sent(const struct packet_faulty *faulty, const struct lti_fault *fault)
{
    char buffer[8];
    uint32_t flags = 0;
    (void)faulty_edge(faulty);
    CHECK(faulty_failed(fault, faulty_send(faulty->fds[1])));
    CHECK_INT(lti_fault_fired(), 1);
    CHECK(faulty_edge(faulty));
    int64_t result = lti_os_recv_packet(faulty->fds[0], buffer, sizeof buffer, NULL, &flags);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    CHECK_INT(faulty_send(faulty->fds[1]), 4);
    CHECK_INT(lti_os_recv_packet(faulty->fds[0], buffer, sizeof buffer, NULL, &flags), 4);
}

TEST(packet_faults)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        bool send = fault->call == LTI_FAULT_CALL_send_packet;
        bool peek = fault->call == LTI_FAULT_CALL_peek_packet;
        struct packet_faulty faulty;
        if (!send && !peek && fault->call != LTI_FAULT_CALL_recv_packet)
            continue;
        faulty_open(&faulty);
        lti_fault_arm_nth(1, i, LTI_FAULT_ONCE);
        if (send)
            faulty_sent(&faulty, fault);
        else
            faulty_recv(&faulty, fault, peek ? LTI_OS_PACKET_PEEK : 0);
        faulty_close(&faulty);
        seen++;
    }
    CHECK_INT(seen, 5 + 6 + 7);
}

TEST(packet_faults_of_making_ready)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        int fds[2];
        if (fault->call != LTI_FAULT_CALL_packets)
            continue;
        lti_fault_reset();
        REQUIRE_INT(lti_os_socketpair(true, fds), 0);
        lti_fault_arm_nth(1, i, LTI_FAULT_ONCE);
        CHECK(faulty_failed(fault, lti_os_packets(fds[0], 1)));
        CHECK(lti_os_packets(fds[0], 1) > 0);
        lti_fault_reset();
        CHECK_INT(lti_os_close(fds[0]), 0);
        CHECK_INT(lti_os_close(fds[1]), 0);
        seen++;
    }
    CHECK_INT(seen, 2);
}

/* What is told apart by the descriptor must not outlive it. */
TEST(packet_faults_do_not_reach_bytes)
{
    struct packet_faulty faulty;
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        bool bytes = fault->call == LTI_FAULT_CALL_send;
        if (!bytes && fault->call != LTI_FAULT_CALL_send_packet)
            continue;
        int fds[2];
        faulty_open(&faulty);
        lti_fault_arm_nth(1, i, LTI_FAULT_ONCE);
        if (bytes)
            CHECK_INT(faulty_send(faulty.fds[1]), 4);
        CHECK_INT(lti_fault_fired(), 0);
        faulty_close(&faulty);
        REQUIRE_INT(lti_os_socketpair(false, fds), 0); /* the same numbers again */
        CHECK_INT(fds[0], faulty.fds[0]);
        lti_fault_arm_nth(1, i, LTI_FAULT_ONCE);
        (void)faulty_send(fds[0]);
        CHECK_INT(lti_fault_fired(), bytes);
        lti_fault_reset();
        CHECK_INT(lti_os_close(fds[0]), 0);
        CHECK_INT(lti_os_close(fds[1]), 0);
    }
}
