/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the ends of LEAT_PACKETS, and of what is told about them.
 *
 * Happy path: half-close where the system has it, or by an empty packet where both ends agreed on
 *             that; what was accepted is delivered before the end.
 * Fails:      what could not be delivered is counted in the user's own bytes.
 * Invariants: what came before an end is never lost by it; nothing comes after it.
 */
#include "kit.h"

#include <string.h>

static uint8_t big[256 * 1024], got[256 * 1024];

static const struct leat_conn_options finishing = {
    .size = sizeof finishing, .protocol = LEAT_PACKETS, .empty_is_finish = true};

/* Lets the hub turn until a packet has come to the raw peer. */
static int64_t raw_next(struct leat_hub *hub, int fd)
{
    int64_t result = kit_raw_recv_packet(fd, got, sizeof got);
    for (int i = 0; i < 100 && result == KIT_RAW_NONE; i++) {
        kit_drain(hub, NULL, NULL);
        result = kit_raw_recv_packet(fd, got, sizeof got);
    }
    return result;
}

/* Sends packets of 3000 bytes until there is no more room anywhere; returns how many. */
static uint32_t fill(struct leat_hub *hub, leat_conn conn)
{
    uint32_t count = 0;
    uint64_t before = 0, after = 1;
    kit_pattern(big, 3000, 0);
    for (int i = 0; i < 100 && before != after; i++) {
        while (leat_send(hub, conn, big, 3000) == LEAT_OK)
            REQUIRE(++count < 10000);
        before = kit_info(hub, conn).outbox_bytes;
        (void)!leat_wait_sent(hub, conn, 10);
        after = kit_info(hub, conn).outbox_bytes;
    }
    CHECK_INT(after, before);
    return count;
}

/* Of what is in the outbox, the user's own bytes. */
static uint64_t unsent(struct leat_hub *hub, leat_conn conn)
{
    struct leat_conn_info info = kit_info(hub, conn);
    CHECK_INT(info.outbox_bytes, info.outbox_messages * 3008);
    return info.outbox_messages * 3000;
}

/* ---- Finish ---------------------------------------------------------------------------------- */

static void late_reply(const struct leat_conn_options *options)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, options);
    size_t size = 0;
    kit_send_text(hub, ends.dialled, "question");
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_STATE);
    CHECK_ERROR(leat_send(hub, ends.dialled, "x", 1), LEAT_E_STATE);
    CHECK(kit_info(hub, ends.dialled).finished);
    kit_receive_text(hub, ends.accepted, "question");
    CHECK(KIT_NEXT(hub, LEAT_EVENT_FINISHED).conn.id == ends.accepted.id);
    KIT_QUIET(hub);
    CHECK(kit_info(hub, ends.accepted).peer_finished);
    CHECK_INT(kit_info(hub, ends.accepted).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_receive(hub, ends.accepted, got, 10, &size), LEAT_E_FINISHED);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_FINISHED);
    kit_send_text(hub, ends.accepted, "late reply");
    CHECK_ERROR(leat_finish(hub, ends.accepted), LEAT_OK);
    uint32_t closed = 0, finished = 0;
    for (int i = 0; i < 5 && closed < 2; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_READABLE)
            kit_receive_text(hub, ends.dialled, "late reply");
        finished += event.type == LEAT_EVENT_FINISHED && event.conn.id == ends.dialled.id;
        closed += event.type == LEAT_EVENT_CLOSED;
        CHECK_ERROR(event.error, LEAT_OK);
        CHECK_INT(event.bytes_undelivered, 0);
    }
    CHECK_INT(finished, 1);
    CHECK_INT(closed, 2);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

static void finish_refused(void)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_UNSUPPORTED);
    CHECK(!kit_info(hub, ends.dialled).finished);
    KIT_QUIET(hub);
    kit_send_text(hub, ends.dialled, "question");
    kit_receive_text(hub, ends.accepted, "question");
    CHECK(!kit_info(hub, ends.accepted).peer_finished);
    kit_end(hub);
}

TEST(packets_finish_by_the_system)
{
    if (KIT_PIPES)
        finish_refused();
    else
        late_reply(&kit_packets);
}

TEST(packets_finish_by_an_empty_one)
{
    late_reply(&finishing);
}

/* The other end knows nothing of leat: it sees an empty packet, and says so itself. */
TEST(packets_finish_with_a_foreign_peer)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &finishing, &fd);
    CHECK_ERROR(leat_send(hub, conn, NULL, 0), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_slices(hub, conn, NULL, 0), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_wait(hub, conn, "", 0, 10), LEAT_E_ARGUMENT);
    CHECK_INT(kit_stats(hub, conn).full, 0);
    kit_send_text(hub, conn, "all I have");
    CHECK_ERROR(leat_finish(hub, conn), LEAT_OK);
    CHECK_INT(raw_next(hub, fd), 10);
    CHECK_INT(raw_next(hub, fd), 0);
    CHECK_INT(raw_next(hub, fd), KIT_RAW_NONE);
    CHECK_INT(kit_stats(hub, conn).messages_sent, 1);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, 10);
    kit_raw_send(fd, "reply", 5);
    kit_raw_send(fd, "", 0);
    kit_receive_text(hub, conn, "reply");
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    KIT_CLOSED(hub, conn, LEAT_OK);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_END);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_after_the_end_are_none)
{
    struct leat_hub *hub = kit_begin();
    for (size_t size = 0; size < 2; size++) {
        int fd;
        leat_conn conn = kit_raw_conn(hub, &finishing, &fd);
        kit_raw_send(fd, "last", 4);
        kit_raw_send(fd, "", 0);
        kit_raw_send(fd, "x", size);
        kit_receive_text(hub, conn, "last");
        CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_PROTOCOL);
        CHECK_INT(kit_stats(hub, conn).messages_received, 1);
        KIT_QUIET(hub);
        kit_raw_close(fd);
    }
    kit_end(hub);
}

/* A peer that just goes away has not finished; one that said so before has. */
TEST(packets_end_without_a_finish)
{
    struct leat_hub *hub = kit_begin();
    for (int said = 0; said < 2; said++) {
        int fd;
        leat_conn conn = kit_raw_conn(hub, &finishing, &fd);
        kit_raw_send(fd, "last", 4);
        if (said)
            kit_raw_send(fd, "", 0);
        kit_raw_close(fd);
        kit_receive_text(hub, conn, "last");
        KIT_CLOSED(hub, (KIT_UNTIL(hub, LEAT_EVENT_FINISHED).conn), LEAT_E_CLOSED);
    }
    kit_end(hub);
}

/* What had been accepted before the finish is lost with the peer: that is no orderly end. */
TEST(packets_finish_that_is_not_delivered)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &finishing, &fd);
    (void)fill(hub, conn);
    uint64_t lost = unsent(hub, conn);
    CHECK(lost > 0);
    CHECK_ERROR(leat_finish(hub, conn), LEAT_OK);
    kit_raw_send(fd, "", 0);
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    kit_raw_close(fd);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(event.error == LEAT_E_BROKEN || event.error == LEAT_E_CLOSED);
    CHECK_INT(event.bytes_undelivered, lost);
    kit_end(hub);
}

/* ---- Close and abort ------------------------------------------------------------------------- */

TEST(packets_close_delivers)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    uint32_t sent = fill(hub, conn), came = 0;
    CHECK(unsent(hub, conn) > 0);
    CHECK_ERROR(leat_close_report(hub, conn, KIT_SOON_MS, 5), LEAT_OK);
    KIT_QUIET(hub);
    KIT_STALE(hub, conn);
    while (came < sent) {
        REQUIRE_INT(raw_next(hub, fd), 3000);
        REQUIRE(kit_pattern_is(got, 3000, 0));
        came++;
        struct leat_event event;
        if (leat_next(hub, &event, 0) == LEAT_OK) {
            CHECK_INT(event.type, LEAT_EVENT_CLOSE_REPORT);
            CHECK_INT(event.tag, 5);
            CHECK_ERROR(event.error, LEAT_OK);
            CHECK_INT(event.bytes_undelivered, 0);
        }
    }
    CHECK_INT(raw_next(hub, fd), KIT_RAW_END);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Exactly the user's bytes, whatever we put in front of them. */
TEST(packets_close_report_counts_what_the_user_sent)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    uint64_t undelivered = 0;
    uint32_t sent = fill(hub, conn);
    uint64_t lost = unsent(hub, conn);
    CHECK(lost > 0 && lost < (uint64_t)sent * 3000);
    CHECK_ERROR(leat_close_report(hub, conn, 30, 5), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, lost);
    kit_raw_close(fd);
    conn = kit_raw_conn(hub, &kit_packets, &fd);
    (void)fill(hub, conn);
    lost = unsent(hub, conn);
    CHECK_ERROR(leat_close_wait(hub, conn, 30, &undelivered), LEAT_E_TIMEOUT);
    CHECK_INT(undelivered, lost);
    kit_raw_close(fd);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

TEST(packets_abort_drops)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    uint32_t sent = fill(hub, conn), came = 0;
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    KIT_STALE(hub, conn);
    while (came < sent && raw_next(hub, fd) == 3000)
        came++;
    CHECK(came > 0 && came < sent);
    CHECK_INT(raw_next(hub, fd), KIT_RAW_END);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_both_full_and_both_close)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    (void)fill(hub, ends.dialled);
    (void)fill(hub, ends.accepted);
    CHECK(unsent(hub, ends.dialled) > 0 && unsent(hub, ends.accepted) > 0);
    CHECK_ERROR(leat_close_report(hub, ends.dialled, KIT_SOON_MS, 1), LEAT_OK);
    CHECK_ERROR(leat_close_report(hub, ends.accepted, KIT_SOON_MS, 2), LEAT_OK);
    uint64_t tags = 0;
    for (int i = 0; i < 2; i++) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
        CHECK_ERROR(event.error, LEAT_OK);
        CHECK_INT(event.bytes_undelivered, 0);
        tags += event.tag;
    }
    CHECK_INT(tags, 3);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* The peer goes on sending, with bytes or without: nobody listens, so it ends all the same. */
TEST(packets_close_is_not_held_up)
{
    struct leat_hub *hub = kit_begin();
    for (size_t size = 0; size < 2000; size += 1000) {
        struct leat_event event = {0};
        int fd;
        leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
        uint32_t turns = 0;
        for (uint32_t i = 0; i < 100; i++)
            kit_raw_send(fd, big, size);
        CHECK_ERROR(leat_close_report(hub, conn, LEAT_FOREVER, 1), LEAT_OK);
        for (; turns < 20000 && event.type != LEAT_EVENT_CLOSE_REPORT; turns++) {
            /* As many as were dropped in a turn at most. */
            for (uint32_t i = 0; i < 40; i++)
                (void)kit_raw_try_packet(fd, big, size);
            (void)!leat_next(hub, &event, 0);
        }
        CHECK_INT(event.type, LEAT_EVENT_CLOSE_REPORT);
        CHECK_ERROR(event.error, LEAT_OK);
        kit_raw_close(fd);
    }
    kit_end(hub);
}

/* ---- A peer that goes ------------------------------------------------------------------------ */

TEST(packets_of_a_peer_that_closes_are_all_read)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    kit_raw_send(fd, "one", 3);
    kit_raw_send(fd, "", 0);
    kit_raw_send(fd, "three", 5);
    kit_raw_close(fd);
    kit_receive_text(hub, conn, "one");
    size_t size = 77;
    CHECK_ERROR(leat_receive_wait(hub, conn, got, 1, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 0);
    kit_receive_text(hub, conn, "three");
    CHECK_ERROR(leat_receive_wait(hub, conn, got, 1, KIT_SOON_MS, &size), LEAT_E_FINISHED);
    KIT_CLOSED(hub, (KIT_UNTIL(hub, LEAT_EVENT_FINISHED).conn), LEAT_E_CLOSED);
    kit_end(hub);
}

/* It has taken the answer before it goes, however late we look: that is an orderly end. */
TEST(packets_of_a_peer_that_goes_with_the_answer)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 20; i++) {
        int fd;
        leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
        kit_raw_send(fd, "question", 8);
        kit_receive_text(hub, conn, "question");
        kit_send_text(hub, conn, "answer");
        CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), 6);
        kit_raw_close(fd);
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        CHECK_ERROR(event.error, LEAT_E_CLOSED);
        CHECK_INT(event.bytes_undelivered, 0);
    }
    kit_end(hub);
}

/* It had not read ours: sockets tell of that before they give what it sent, once. */
TEST(packets_of_a_peer_that_breaks_are_all_read)
{
    struct leat_hub *hub = kit_begin();
    for (int sending = 0; sending < 2; sending++) {
        int fd;
        leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
        kit_send_text(hub, conn, "unread");
        CHECK_ERROR(leat_wait_sent(hub, conn, KIT_SOON_MS), LEAT_OK);
        kit_raw_send(fd, "one", 3);
        kit_raw_send(fd, "two", 3);
        kit_raw_close(fd);
        /* Whoever asks first is told. A pipe tells only of what it was given to write, at once or
         * later. */
        enum leat_error error = sending ? leat_send(hub, conn, "more", 4) : LEAT_OK;
        bool lost = sending && error == LEAT_OK;
        if (sending)
            CHECK(KIT_PIPES ? lost || error == LEAT_E_CLOSED : error == LEAT_E_BROKEN);
        kit_receive_text(hub, conn, "one");
        kit_receive_text(hub, conn, "two");
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        CHECK_ERROR(event.error, KIT_PIPES && !lost ? LEAT_E_CLOSED : LEAT_E_BROKEN);
        CHECK_INT(event.bytes_undelivered, lost ? 4 : 0);
    }
    kit_end(hub);
}

TEST(packets_that_a_peer_does_not_take)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    int fd;
    options.write_stall_ms = 80;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    for (uint32_t i = 0; i < 10000 && leat_send(hub, conn, big, 3000) == LEAT_OK; i++)
        continue;
    uint64_t lost = 0;
    struct leat_event event = {0};
    for (int i = 0; i < 100 && event.type != LEAT_EVENT_CLOSED; i++) {
        lost = unsent(hub, conn);
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
    }
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK(event.bytes_undelivered > 0 && event.bytes_undelivered <= lost);
    CHECK_INT(event.bytes_undelivered % 3000, 0);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_WRITE);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_that_wait_when_the_peer_goes)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    (void)fill(hub, conn);
    uint64_t lost = unsent(hub, conn);
    kit_raw_close(fd);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, lost);
    kit_end(hub);
}
