/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of endings: half-close, close with linger, reports.
 *
 * Happy path: what was accepted for sending arrives, then the end, once.
 * Fails:      what could not be delivered is counted, exactly.
 * Invariants: CLOSED comes once and last; nothing comes after the user's own close.
 */
#include "kit.h"

#include <string.h>

static uint8_t block[65536];

/* ---- Half-close ------------------------------------------------------------------------------ */

static void late_reply(const struct leat_conn_options *options)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, options);
    bool messages = options == &kit_messages;
    size_t size = 0;
    kit_say(hub, ends.dialled, options, "question");
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_STATE);
    CHECK(kit_info(hub, ends.dialled).finished);
    if (messages)
        CHECK_ERROR(leat_send(hub, ends.dialled, "x", 1), LEAT_E_STATE);
    else
        CHECK_ERROR(leat_write(hub, ends.dialled, "x", 1, &size), LEAT_E_STATE);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_hear(hub, ends.accepted, options, "question");
    CHECK(KIT_NEXT(hub, LEAT_EVENT_FINISHED).conn.id == ends.accepted.id);
    KIT_QUIET(hub);
    CHECK(kit_info(hub, ends.accepted).peer_finished);
    CHECK_INT(kit_info(hub, ends.accepted).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_FINISHED);
    if (messages)
        CHECK_ERROR(leat_receive(hub, ends.accepted, block, 10, &size), LEAT_E_FINISHED);
    else
        CHECK_ERROR(leat_read(hub, ends.accepted, block, 10, &size), LEAT_E_FINISHED);
    kit_say(hub, ends.accepted, options, "late reply");
    CHECK_ERROR(leat_finish(hub, ends.accepted), LEAT_OK);
    KIT_CLOSED(hub, ends.accepted, LEAT_OK);
    kit_hear(hub, ends.dialled, options, "late reply");
    uint32_t finished = 0;
    struct leat_event event = {0};
    while (event.type != LEAT_EVENT_CLOSED) {
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        CHECK(event.conn.id == ends.dialled.id);
        finished += event.type == LEAT_EVENT_FINISHED;
        CHECK(event.type == LEAT_EVENT_FINISHED || event.type == LEAT_EVENT_CLOSED);
    }
    CHECK_INT(finished, 1);
    CHECK_ERROR(event.error, LEAT_OK);
    KIT_QUIET(hub);
    KIT_STALE(hub, ends.dialled);
    KIT_STALE(hub, ends.accepted);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* Without half-close nothing happens at all. */
static void finish_refused(void)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_UNSUPPORTED);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_UNSUPPORTED);
    CHECK(!kit_info(hub, ends.dialled).finished);
    KIT_QUIET(hub);
    kit_write_text(hub, ends.dialled, "question");
    kit_read_text(hub, ends.accepted, "question");
    kit_write_text(hub, ends.accepted, "reply");
    kit_read_text(hub, ends.dialled, "reply");
    CHECK(!kit_info(hub, ends.accepted).peer_finished);
    kit_end(hub);
}

TEST(finish_and_late_reply_bytes)
{
    if (KIT_PIPES)
        finish_refused();
    else
        late_reply(NULL);
}

TEST(finish_and_late_reply_messages)
{
    late_reply(&kit_messages);
}

TEST(finish_delivers_what_waits)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    kit_finish(hub, ends.dialled);
    enum leat_error end;
    CHECK_INT(kit_read_to_the_end(hub, ends.accepted, &end), total);
    CHECK_ERROR(end, LEAT_E_FINISHED);
    KIT_UNTIL(hub, LEAT_EVENT_FINISHED);
    if (KIT_PIPES) {
        KIT_CLOSED(hub, ends.accepted, LEAT_E_CLOSED);
    } else {
        KIT_QUIET(hub);
        kit_write_text(hub, ends.accepted, "thanks");
        kit_read_text(hub, ends.dialled, "thanks");
        CHECK_ERROR(leat_wait_sent(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    }
    kit_end(hub);
}

TEST(finish_of_both_at_once)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options *options[2] = {KIT_PIPES ? &kit_messages : NULL, &kit_messages};
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_pair(hub, options[i]);
        CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_finish(hub, ends.accepted), LEAT_OK);
        CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_OK);
        CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_OK);
        KIT_QUIET(hub);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

TEST(finish_with_waits)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options *options = KIT_PIPES ? &kit_messages : NULL;
    struct kit_ends ends = kit_pair(hub, options);
    kit_say(hub, ends.dialled, options, "dropped by wait_closed");
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, 20), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_finish(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_INT(kit_info(hub, ends.accepted).state, LEAT_STATE_ENDED);
    CHECK_ERROR(leat_wait_closed(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    /* Their events were used up; the handles are the user's until he closes them. */
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 2);
    CHECK_ERROR(leat_close(hub, ends.accepted, 0), LEAT_OK);
    CHECK_ERROR(leat_close(hub, ends.dialled, 0), LEAT_OK);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* ---- Close ----------------------------------------------------------------------------------- */

TEST(close_says_goodbye)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options *options[2] = {NULL, &kit_messages};
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_pair(hub, options[i]);
        CHECK_ERROR(leat_close(hub, ends.dialled, 1000), LEAT_OK);
        KIT_STALE(hub, ends.dialled);
        CHECK(KIT_UNTIL(hub, LEAT_EVENT_FINISHED).conn.id == ends.accepted.id);
        KIT_CLOSED(hub, ends.accepted, LEAT_E_CLOSED);
        KIT_QUIET(hub);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

TEST(close_delivers_to_a_slow_reader)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    enum leat_error end;
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    CHECK(total >= KIT_ROOMY_BYTES);
    CHECK_ERROR(leat_close_report(hub, ends.dialled, 60000, 55), LEAT_OK);
    KIT_STALE(hub, ends.dialled);
    CHECK_INT(kit_read_to_the_end(hub, ends.accepted, &end), total);
    CHECK_ERROR(end, LEAT_E_FINISHED);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_INT(event.tag, 55);
    CHECK_ERROR(event.error, LEAT_OK);
    CHECK_INT(event.bytes_undelivered, 0);
    CHECK_INT(event.conn.id, 0);
    event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_CLOSED);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(close_wait_delivers)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_conn a, b;
    uint64_t undelivered = 77;
    REQUIRE_ERROR(leat_pair(hub, other, NULL, &a, &b), LEAT_OK);
    kit_write_text(hub, a, "small");
    CHECK_ERROR(leat_close_wait(hub, a, 1000, &undelivered), LEAT_OK);
    CHECK_INT(undelivered, 0);
    KIT_STALE(hub, a);
    CHECK_ERROR(leat_wait_connected(other, b, KIT_SOON_MS), LEAT_OK);
    kit_read_text(other, b, "small");
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(close_wait_counts_what_was_not_taken)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    struct kit_ends others = kit_pair(hub, NULL);
    uint64_t undelivered = 77;
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    uint64_t expected = kit_info(hub, ends.dialled).outbox_bytes;
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_close_wait(hub, ends.dialled, 100, &undelivered), LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 99 && took < 100 + lti_test_scaled_ms(1000));
    CHECK_INT(undelivered, expected);
    CHECK_INT(undelivered, KIT_ROOMY_BYTES);
    enum leat_error end;
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK_INT(kit_read_to_the_end(hub, ends.accepted, &end), total - undelivered);
    kit_write_text(hub, others.dialled, "untouched");
    kit_read_text(hub, others.accepted, "untouched");
    kit_end(hub);
}

TEST(close_report_counts_what_was_not_taken)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    (void)kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_close_report(hub, ends.dialled, 100, 56), LEAT_OK);
    KIT_QUIET(hub);
    /* The peer is told as well, although it does not read: one comes before the other or after. */
    uint32_t hangups = 0;
    struct leat_event event = {0};
    while (event.type != LEAT_EVENT_CLOSE_REPORT) {
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        hangups += event.type == LEAT_EVENT_HANGUP;
    }
    CHECK_INT(event.tag, 56);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, KIT_ROOMY_BYTES);
    if (hangups == 0)
        KIT_NEXT(hub, LEAT_EVENT_HANGUP);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(close_report_of_a_peer_that_goes)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    (void)kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_close_report(hub, ends.dialled, 60000, 57), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_INT(event.tag, 57);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, KIT_ROOMY_BYTES);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(close_without_linger_drops)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    enum leat_error end;
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_close_report(hub, ends.dialled, 0, 58), LEAT_OK);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, KIT_ROOMY_BYTES);
    CHECK_INT(kit_read_to_the_end(hub, ends.accepted, &end), total - KIT_ROOMY_BYTES);
    kit_end(hub);
}

/* ---- A peer that goes on sending ------------------------------------------------------------- */

/* What a closed connection reads and drops, and no more, in bytes: as much as a system holds. */
#define DROPPED_MAX ((uint64_t)256 * 1024)
#define DROPPED_AT_ONCE 65536u
#define BABBLED_MAX ((uint64_t)4 * KIT_MIB) /* else a close that drops for ever would never end */

/* A peer that sends again whenever something of it was read, before the next read. The trace hook
 * is where that is: it must not call leat, and this is the peer's own end. */
struct babbler {
    int fd;
    leat_conn conn;
    uint64_t dropped;
};

static void babble(const struct babbler *babbler)
{
    for (int i = 0; i < 1000 && kit_raw_try_send(babbler->fd, block, sizeof block) > 0; i++)
        ;
}

static void babbler_trace(void *context, const struct leat_trace *record)
{
    struct babbler *babbler = context;
    if (record->kind != LEAT_TRACE_RECEIVED || record->conn.id != babbler->conn.id)
        return;
    babbler->dropped += record->size;
    if (babbler->dropped < BABBLED_MAX)
        babble(babbler);
}

/* The linger time is no licence to listen: a peer that does not stop learns that nobody does. */
TEST(close_does_not_swallow_a_stream)
{
    struct leat_hub *base = kit_begin();
    struct babbler babbler = {.dropped = 0};
    const struct leat_hub_options options = {
        .size = sizeof options, .trace = babbler_trace, .hook_context = &babbler};
    struct leat_hub *hub = kit_hub(&options);
    intptr_t handle;
    uint8_t byte;
    babbler.fd = kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, NULL, &babbler.conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, babbler.conn, KIT_SOON_MS), LEAT_OK);
    babble(&babbler);
    CHECK_ERROR(leat_close_report(hub, babbler.conn, 60000, 59), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_INT(event.tag, 59);
    CHECK_ERROR(event.error, LEAT_OK);
    CHECK_INT(event.bytes_undelivered, 0);
    CHECK(babbler.dropped > 0 && babbler.dropped < DROPPED_MAX + DROPPED_AT_ONCE);
    /* A pipe's port reads ahead, and what it has is all that is looked for. */
    CHECK(babbler.dropped >= DROPPED_MAX || KIT_PIPES);
    /* Where descriptors may come along, a thread does the last of the closing. */
    CHECK_WITHIN(KIT_SOON_MS, kit_raw_recv(babbler.fd, &byte, 1) == (KIT_PIPES ? -1 : -2));
    kit_raw_close(babbler.fd);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* ---- Two ends that close --------------------------------------------------------------------- */

static void both_close_full(const struct leat_conn_options *options, bool messages)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, options);
    leat_conn conns[2] = {ends.dialled, ends.accepted};
    for (uint64_t i = 0; i < 2; i++) {
        if (messages)
            while (leat_send(hub, conns[i], block, sizeof block) == LEAT_OK)
                CHECK(kit_info(hub, conns[i]).outbox_bytes <= KIT_ROOMY_BYTES);
        else
            (void)kit_fill(hub, conns[i], 0);
    }
    uint64_t begin = kit_now_ms();
    for (uint64_t i = 0; i < 2; i++)
        CHECK_ERROR(leat_close_report(hub, conns[i], 60000, i), LEAT_OK);
    uint64_t tags = 0;
    uint32_t good = 0;
    for (int i = 0; i < 2; i++) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
        /* Who is done first is gone: the rest of the other has nobody to go to. */
        CHECK_ERROR(event.error, event.bytes_undelivered ? LEAT_E_BROKEN : LEAT_OK);
        CHECK(event.bytes_undelivered < KIT_ROOMY_BYTES);
        good += event.error == LEAT_OK;
        tags += event.tag;
    }
    CHECK(good >= 1);
    CHECK_INT(tags, 1);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(10000));
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

TEST(close_of_two_full_ends_bytes)
{
    both_close_full(&kit_roomy, false);
}

TEST(close_of_two_full_ends_messages)
{
    both_close_full(&kit_roomy_messages, true);
}

TEST(close_while_connecting_delivers)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {.size = sizeof options, .absent = LEAT_ABSENT_WAIT};
    for (int i = 0; i < 2; i++) {
        leat_conn conn;
        options.conn = i == 1 ? &kit_messages : NULL;
        CHECK_ERROR(leat_connect(hub, kit_plain("late"), &options, &conn), LEAT_OK);
        kit_say(hub, conn, options.conn, "queued");
        CHECK_ERROR(leat_close_report(hub, conn, KIT_SOON_MS, 3), LEAT_OK);
        KIT_STALE(hub, conn);
        KIT_QUIET(hub);
        leat_listener listener = kit_listen(hub, kit_plain("late"), options.conn);
        leat_conn accepted;
        CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
        kit_hear(hub, accepted, options.conn, "queued");
        struct leat_event event = {0};
        uint32_t seen = 0, both = 1u << LEAT_EVENT_CLOSE_REPORT | 1u << LEAT_EVENT_CLOSED;
        while ((seen & both) != both) {
            REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
            seen |= 1u << event.type;
            if (event.type == LEAT_EVENT_CLOSE_REPORT)
                CHECK_ERROR(event.error, LEAT_OK);
            if (event.type == LEAT_EVENT_CLOSED)
                CHECK_ERROR(event.error, LEAT_E_CLOSED);
        }
        KIT_QUIET(hub);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    }
    kit_end(hub);
}

TEST(close_while_connecting_to_nobody)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {.size = sizeof options, .absent = LEAT_ABSENT_WAIT};
    leat_conn conn;
    uint64_t undelivered = 77;
    CHECK_ERROR(leat_connect(hub, kit_plain("never"), &options, &conn), LEAT_OK);
    kit_write_text(hub, conn, "queued");
    CHECK_ERROR(leat_close_wait(hub, conn, 50, &undelivered), LEAT_E_TIMEOUT);
    CHECK_INT(undelivered, 6);
    /* With nothing queued there is nothing to wait for. */
    CHECK_ERROR(leat_connect(hub, kit_plain("never"), &options, &conn), LEAT_OK);
    CHECK_ERROR(leat_close_wait(hub, conn, LEAT_FOREVER, &undelivered), LEAT_OK);
    CHECK_INT(undelivered, 0);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* The handshake is not over, but everything has left. */
TEST(close_in_the_handshake_says_goodbye)
{
    struct leat_hub *hub = kit_begin();
    (void)kit_listen(hub, kit_plain("server"), &kit_messages);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, &kit_messages);
    kit_send_text(hub, conn, "quick");
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_HANDSHAKE);
    CHECK_ERROR(leat_close(hub, conn, 5000), LEAT_OK);
    leat_conn accepted = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_text(hub, accepted, "quick");
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(close_in_the_handshake_with_a_server_that_has_gone)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("gone.sock");
    int listener = kit_raw_listen(name, 4);
    leat_conn conn = kit_connect(hub, name, 1, &kit_messages);
    KIT_QUIET(hub); /* connected, and its hello is sent */
    kit_raw_close(kit_raw_accept(listener));
    /* The goodbye finds nobody. */
    CHECK_ERROR(leat_close(hub, conn, 1000), LEAT_OK);
    KIT_STALE(hub, conn);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}
