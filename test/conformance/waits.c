/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the blocking calls: deadlines, errors, and that other endpoints lose
 * nothing meanwhile; and of fairness between endpoints.
 *
 * Happy path: a wait ends when what it waits for is so.
 * Fails:      TIMEOUT, WOKEN, or the reason the connection ended for.
 * Invariants: an event is used up by its own wait only.
 */
#include "kit.h"

#include <string.h>

TEST(waits_lose_no_events_of_others)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends pairs[3];
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    leat_timer timer;
    for (int i = 0; i < 3; i++)
        pairs[i] = kit_open(hub, listener, kit_plain("server"), NULL);
    (void)kit_connect(hub, kit_plain("server"), 7, NULL);
    CHECK_ERROR(leat_timer_start(hub, 0, 1, &timer), LEAT_OK);
    kit_write_text(hub, pairs[1].dialled, "one");
    kit_finish(hub, pairs[1].dialled);
    CHECK_ERROR(leat_abort(hub, pairs[2].dialled), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, pairs[0].accepted, 50), LEAT_E_TIMEOUT);
    kit_write_text(hub, pairs[0].dialled, "x");
    kit_read_text(hub, pairs[0].accepted, "x");
    struct leat_event event;
    while (leat_next(hub, &event, 0) == LEAT_OK) {
        counts[event.type]++;
        if (event.type == LEAT_EVENT_READABLE) {
            CHECK(event.conn.id == pairs[1].accepted.id);
            kit_read_text(hub, event.conn, "one");
        }
    }
    CHECK_INT(counts[LEAT_EVENT_ACCEPTED], 1);
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 1);
    CHECK_INT(counts[LEAT_EVENT_TIMER], 1);
    CHECK_INT(counts[LEAT_EVENT_READABLE], 1);
    CHECK_INT(counts[LEAT_EVENT_FINISHED], 2);
    CHECK_INT(counts[LEAT_EVENT_CLOSED], KIT_PIPES ? 2 : 1);
    kit_end(hub);
}

TEST(waits_serve_others_that_close)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct kit_ends ends = kit_pair(hub, NULL);
    leat_conn a, b;
    REQUIRE_ERROR(leat_pair(hub, peer, &kit_roomy_messages, &a, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    static uint8_t block[65536];
    for (int i = 0; i < 20; i++)
        CHECK_ERROR(leat_send(hub, a, block, sizeof block), LEAT_OK);
    CHECK_ERROR(leat_close(hub, a, 60000), LEAT_OK);
    uint32_t received = 0;
    for (int i = 0; i < 1000 && received < 20; i++) {
        size_t size = 0;
        CHECK_ERROR(leat_wait_readable(hub, ends.dialled, 0), LEAT_E_TIMEOUT);
        enum leat_error error = leat_receive_wait(peer, b, block, sizeof block, 0, &size);
        received += error == LEAT_OK;
    }
    CHECK_INT(received, 20);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(waits_time_out_in_time)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    struct kit_ends messages = kit_pair(hub, &kit_messages);
    char buffer[8];
    size_t size = 77;
    uint64_t begin = kit_now_ms();
    uint64_t waits = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_wait_readable(hub, ends.dialled, 0), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_wait_readable(hub, ends.dialled, 40), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_wait_closed(hub, ends.dialled, 40), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_read_full(hub, ends.dialled, buffer, 8, 40, &size), LEAT_E_TIMEOUT);
    CHECK_INT(size, 0);
    size = 77;
    CHECK_ERROR(leat_read_line(hub, ends.dialled, buffer, 8, 40, &size), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_receive_wait(hub, messages.dialled, buffer, 8, 40, &size), LEAT_E_TIMEOUT);
    CHECK_INT(size, 77);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 199 && took < 200 + lti_test_scaled_ms(1000));
    CHECK(kit_hub_info(hub).waits - waits <= 15);
    kit_end(hub);
}

TEST(waits_say_why_a_connection_ended)
{
    struct leat_hub *hub = kit_begin();
    leat_conn nobody = kit_connect(hub, kit_plain("nobody"), 1, NULL);
    CHECK_ERROR(leat_wait_connected(hub, nobody, KIT_SOON_MS), LEAT_E_NOT_FOUND);
    CHECK_ERROR(leat_wait_readable(hub, nobody, KIT_SOON_MS), LEAT_E_NOT_FOUND);
    CHECK_ERROR(leat_wait_writable(hub, nobody, KIT_SOON_MS), LEAT_E_NOT_FOUND);
    CHECK_ERROR(leat_wait_sent(hub, nobody, KIT_SOON_MS), LEAT_E_NOT_FOUND);
    KIT_CLOSED(hub, nobody, LEAT_E_NOT_FOUND);
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_BROKEN);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, KIT_SOON_MS), LEAT_E_BROKEN);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_close(hub, ends.accepted, 0), LEAT_OK);
    ends = kit_pair(hub, &kit_messages);
    CHECK_ERROR(leat_close(hub, ends.dialled, 1000), LEAT_OK);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(kit_info(hub, ends.accepted).error, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(wait_connected_uses_the_event_up)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, NULL), accepted;
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, NULL), LEAT_E_ARGUMENT);
    leat_conn untouched = {77};
    CHECK_ERROR(leat_wait_accepted(hub, (leat_listener){conn.id}, 0, &untouched), LEAT_E_STALE);
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, &untouched), LEAT_E_TIMEOUT);
    CHECK_INT(untouched.id, 77);
    kit_end(hub);
}

TEST(wait_sent_waits_for_the_system)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    leat_conn a, b;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &a, &b), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, a, 0), LEAT_OK);
    uint64_t total = kit_fill(hub, a, 0);
    CHECK_ERROR(leat_wait_sent(hub, a, 20), LEAT_E_TIMEOUT);
    for (int i = 0; i < 10000 && kit_info(hub, a).outbox_bytes > 0; i++) {
        size_t size = 0;
        enum leat_error error = leat_wait_readable(peer, b, 0);
        if (error == LEAT_OK)
            CHECK_ERROR(leat_skip(peer, b, SIZE_MAX, &size), LEAT_OK);
        error = leat_wait_sent(hub, a, 0);
        CHECK(error == LEAT_E_TIMEOUT || kit_info(hub, a).outbox_bytes == 0);
    }
    CHECK_INT(kit_info(hub, a).outbox_bytes, 0);
    CHECK_INT(kit_stats(hub, a).bytes_sent, total);
    CHECK_ERROR(leat_wait_sent(hub, a, 0), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

/* A program that looks for a delimiter and waits for more must neither spin nor miss anything. */
TEST(wait_readable_after_half_a_line)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char line[16] = "";
    size_t size = 0;
    kit_write_text(hub, ends.dialled, "half");
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 16, &size), LEAT_E_EMPTY);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 20), LEAT_E_TIMEOUT);
    kit_write_text(hub, ends.dialled, "+half;");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 20), LEAT_OK);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 16, &size), LEAT_OK);
    CHECK_STR(line, "half+half;");
    kit_write_text(hub, ends.dialled, "rest");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 16, &size), LEAT_E_EMPTY);
    kit_finish(hub, ends.dialled);
    if (KIT_PIPES) /* without half-close the peer is gone */
        KIT_NEXT(hub, LEAT_EVENT_HANGUP);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 16, &size), LEAT_OK);
    CHECK_INT(size, 4);
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    kit_end(hub);
}

/* ---- Fairness -------------------------------------------------------------------------------- */

#define MANY 50

TEST(fifty_ready_connections_take_turns)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends[MANY];
    uint32_t counts[MANY] = {0};
    for (int i = 0; i < MANY; i++) {
        ends[i] = kit_pair(hub, NULL);
        CHECK_ERROR(leat_set_tag(hub, ends[i].accepted, (uint64_t)i), LEAT_OK);
        kit_write_text(hub, ends[i].dialled, "never read");
    }
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    for (uint32_t round = 0; round < 20; round++) {
        for (int i = 0; i < MANY; i++)
            counts[KIT_NEXT(hub, LEAT_EVENT_READABLE).tag]++;
    }
    for (int i = 0; i < MANY; i++)
        CHECK_INT(counts[i], 20);
    kit_end(hub);
}

TEST(busy_connections_hide_nobody)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends busy = kit_pair(hub, NULL);
    struct kit_ends other = kit_pair(hub, NULL);
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_timer timer;
    kit_write_text(hub, busy.dialled, "never read");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_write_text(hub, other.dialled, "x");
    (void)kit_connect(hub, kit_plain("server"), 1, NULL);
    CHECK_ERROR(leat_timer_start(hub, 0, 1, &timer), LEAT_OK);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    uint32_t seen = 0;
    bool other_seen = false;
    for (int i = 0; i < 16; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        seen |= 1u << event.type;
        other_seen = other_seen || event.conn.id == other.accepted.id;
    }
    CHECK(other_seen);
    CHECK(seen >> LEAT_EVENT_ACCEPTED & 1);
    CHECK(seen >> LEAT_EVENT_CONNECTED & 1);
    CHECK(seen >> LEAT_EVENT_TIMER & 1);
    CHECK(seen >> LEAT_EVENT_WOKEN & 1);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

TEST(ping_pong_costs_one_of_each)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    leat_conn a, b;
    REQUIRE_ERROR(leat_pair(hub, peer, &kit_messages, &a, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    struct leat_conn_stats before = kit_stats(hub, a);
    uint64_t waits = kit_hub_info(hub).waits;
    for (int i = 0; i < 100; i++) {
        kit_send_text(hub, a, "ping");
        KIT_NEXT(peer, LEAT_EVENT_READABLE);
        kit_receive_text(peer, b, "ping");
        kit_send_text(peer, b, "pong");
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
        kit_receive_text(hub, a, "pong");
    }
    struct leat_conn_stats after = kit_stats(hub, a);
    CHECK_INT(after.reads - before.reads, 100);
    CHECK_INT(after.writes - before.writes, 100);
    /* Each pong is asked for once. A pipe may have read it already while the message before was
     * taken, and then the system is asked for nothing. */
    if (KIT_PIPES)
        CHECK(kit_hub_info(hub).waits - waits <= 100);
    else
        CHECK_INT(kit_hub_info(hub).waits - waits, 100);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(wait_connected_ends_with_a_server_that_goes_before_its_hello)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("gone.sock");
    /* Its own deadline would hide a wait that is not told. */
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 10 * KIT_SOON_MS, .conn = &kit_messages};
    int listener = kit_raw_listen(name, 4);
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, name, &options, &conn), LEAT_OK);
    KIT_QUIET(hub); /* connected, and its hello is sent */
    kit_raw_close(kit_raw_accept(listener));
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_E_BROKEN);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}
