/* SPDX-License-Identifier: MIT
 *
 * A system that fails at one moment of a connection's life, which the fault sweep's stories do not
 * come to: while a write waits, while hands are shaken, while a packet looks for memory.
 *
 * Happy path: what was only short is tried again, and nothing is lost.
 * Fails:      what is broken, or short for too long, ends the connection with the error that came
 *             first.
 * Invariants: a failure while writing takes nothing from what the peer sent before.
 */
#include "conformance/kit.h"

#include "os_fault.h"

#include <errno.h>
#include <string.h>

static size_t fault_of(enum lti_fault_call call, int raw)
{
    size_t fault = 0;
    while (fault < lti_fault_count() &&
           (lti_fault_at(fault)->call != call || lti_fault_at(fault)->raw != raw))
        fault++;
    REQUIRE(fault < lti_fault_count());
    return fault;
}

/* From the next call of that function on. */
static void fault_begin(enum lti_fault_call call, int raw, enum lti_fault_mode mode)
{
    lti_fault_reset();
    lti_fault_arm_nth(1, fault_of(call, raw), mode);
}

/* The next write finds no room, and then it cannot be waited for. */
static void write_fails_begin(void)
{
    fault_begin(LTI_FAULT_CALL_send, EAGAIN, LTI_FAULT_ONCE);
    lti_fault_arm_second(1, fault_of(LTI_FAULT_CALL_poller_modify, ENOENT));
}

static leat_conn adopt(struct leat_hub *hub, const struct leat_conn_options *options, int *fd_out)
{
    intptr_t handle = -1;
    leat_conn conn;
    bool packets = options->protocol == LEAT_PACKETS;
    *fd_out = packets ? kit_raw_pair_packets(&handle) : kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_OK);
    if (options->protocol != LEAT_MESSAGES)
        (void)KIT_UNTIL(hub, LEAT_EVENT_CONNECTED);
    return conn;
}

/* The system may never have so much memory in one piece: who waits for it has a deadline. */
TEST(faults_a_packet_that_there_is_never_memory_for)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    options.write_stall_ms = 150;
    int fd = -1;
    leat_conn conn = adopt(hub, &options, &fd);
    fault_begin(LTI_FAULT_CALL_send_packet, ENOBUFS, LTI_FAULT_FOREVER);
    CHECK_ERROR(leat_send(hub, conn, "packet", 6), LEAT_OK);
    uint64_t begin = kit_now_ms();
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, 6);
    CHECK(kit_now_ms() - begin >= 140);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_WRITE);
    CHECK(lti_fault_fired() > 2); /* it was tried more than once */
    lti_fault_reset();
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(faults_a_packet_that_there_is_soon_memory_for)
{
    struct leat_hub *hub = kit_begin();
    int fd = -1;
    char bytes[8];
    leat_conn conn = adopt(hub, &kit_packets, &fd);
    fault_begin(LTI_FAULT_CALL_send_packet, ENOBUFS, LTI_FAULT_TWICE);
    CHECK_ERROR(leat_send(hub, conn, "packet", 6), LEAT_OK);
    CHECK_INT(kit_raw_recv_packet(fd, bytes, sizeof bytes), KIT_RAW_NONE);
    CHECK_ERROR(leat_wait_sent(hub, conn, KIT_SOON_MS), LEAT_OK);
    CHECK_INT(lti_fault_fired(), 2);
    CHECK_INT(kit_raw_recv_packet(fd, bytes, sizeof bytes), 6);
    CHECK_MEM(bytes, "packet", 6);
    lti_fault_reset();
    kit_raw_close(fd);
    kit_end(hub);
}

/* A write that waits is tried once more when its time is over. When that shows that nobody takes
 * anything any more it is no time-out, and what the peer sent is still read. */
TEST(faults_a_write_that_breaks_when_its_time_is_over)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_roomy;
    options.write_stall_ms = 100;
    int fd = -1;
    size_t accepted = 77;
    leat_conn conn = adopt(hub, &options, &fd);
    (void)kit_fill(hub, conn, 0);
    uint64_t waiting = kit_info(hub, conn).outbox_bytes;
    REQUIRE(waiting > 0);
    fault_begin(LTI_FAULT_CALL_send, EPIPE, LTI_FAULT_ONCE);
    uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    while (event.type != LEAT_EVENT_WRITABLE && kit_now_ms() < end_ms)
        if (leat_next(hub, &event, 20) != LEAT_OK)
            event.type = LEAT_EVENT_WOKEN;
    CHECK_INT(event.type, LEAT_EVENT_WRITABLE); /* who waits for room is to try, and to be told */
    CHECK_INT(lti_fault_fired(), 1);
    lti_fault_reset();
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_write(hub, conn, "x", 1, &accepted), LEAT_E_CLOSED);
    CHECK_INT(accepted, 77);
    kit_raw_send(fd, "answer", 6);
    (void)KIT_UNTIL(hub, LEAT_EVENT_READABLE);
    kit_read_text(hub, conn, "answer");
    kit_raw_close(fd);
    event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.bytes_undelivered, waiting);
    kit_end(hub);
}

/* Our hello waits for memory. The peer's comes meanwhile, and writing then fails for good: the
 * connection was never accepted, so the listener is told. */
TEST(faults_a_hello_that_cannot_be_written)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    fault_begin(LTI_FAULT_CALL_send, ENOBUFS, LTI_FAULT_ONCE);
    int fd = kit_raw_connect(kit_plain("server"));
    KIT_QUIET(hub);
    REQUIRE_INT(lti_fault_fired(), 1);
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    write_fails_begin();
    KIT_QUIET(hub);
    CHECK_INT(lti_fault_fired(), 1);
    CHECK(lti_fault_second_fired());
    lti_fault_reset();
    struct leat_listener_info info = kit_listener_info(hub, listener);
    CHECK_INT(info.handshakes_failed, 1);
    CHECK_INT(info.conns, 0);
    CHECK_INT(info.handshakes, 0);
    CHECK_ERROR(info.error, LEAT_E_SYSTEM);
    kit_raw_close(fd);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), &kit_messages);
    kit_send_text(hub, ends.dialled, "untouched");
    kit_receive_text(hub, ends.accepted, "untouched");
    kit_end(hub);
}

/* The goodbye to somebody who says no good hello cannot be written, either: that is the first
 * error, and the failed handshake counts once. */
TEST(faults_a_goodbye_that_cannot_be_written)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    int fd = kit_raw_connect(kit_plain("server"));
    KIT_QUIET(hub);
    kit_raw_send(fd, "no hello at all, and long enough", 32);
    write_fails_begin();
    KIT_QUIET(hub);
    CHECK_INT(lti_fault_fired(), 1);
    CHECK(lti_fault_second_fired());
    lti_fault_reset();
    struct leat_listener_info info = kit_listener_info(hub, listener);
    CHECK_INT(info.handshakes_failed, 1);
    CHECK_INT(info.conns, 0);
    CHECK_ERROR(info.error, LEAT_E_SYSTEM);
    kit_raw_close(fd);
    kit_end(hub);
}

/* A question that cannot be written for good ends the connection, and no further one is due. */
TEST(faults_a_ping_that_cannot_be_written)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.keepalive_ms = 50;
    int fd = -1;
    leat_conn conn = adopt(hub, &options, &fd);
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CONNECTED);
    write_fails_begin();
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_SYSTEM);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_WRITE);
    CHECK_INT(lti_fault_fired(), 1);
    lti_fault_reset();
    kit_raw_close(fd);
    kit_end(hub);
}
