/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of connecting: events, absent servers, full backlogs, deadlines, limits of a
 * listener.
 *
 * Happy path: CONNECTED on one side, ACCEPTED on the other.
 * Fails:      each reason that CLOSED can give for a connection that never was.
 * Invariants: waiting costs no processor time: the hub's waits are counted.
 */
#include "kit.h"

#include <string.h>

static struct leat_connect_options patient(uint32_t timeout_ms)
{
    return (struct leat_connect_options){
        .size = sizeof(struct leat_connect_options),
        .tag = 5,
        .timeout_ms = timeout_ms,
        .absent = LEAT_ABSENT_WAIT,
    };
}

TEST(connect_gives_connected_and_accepted)
{
    struct leat_hub *hub = kit_begin();
    uint32_t seen = 0;
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 42, NULL);
    for (int i = 0; i < 2; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_CONNECTED) {
            CHECK_INT(event.tag, 42);
            CHECK(event.conn.id == conn.id);
        } else {
            CHECK_INT(event.type, LEAT_EVENT_ACCEPTED);
            CHECK_INT(event.tag, 100);
            CHECK(event.listener.id == listener.id);
            CHECK(event.conn.id != conn.id);
            CHECK_INT(kit_info(hub, event.conn).tag, 100);
        }
        seen |= 1u << event.type;
    }
    CHECK_INT(seen, (1u << LEAT_EVENT_CONNECTED) | (1u << LEAT_EVENT_ACCEPTED));
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(connect_across_two_hubs)
{
    struct leat_hub *server = kit_begin();
    struct leat_hub *client = kit_hub(NULL);
    leat_listener listener = kit_listen(server, kit_plain("server"), &kit_messages);
    leat_conn conn = kit_connect(client, kit_plain("server"), 1, &kit_messages);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(server, client, counts);
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 1);
    CHECK_INT(counts[LEAT_EVENT_ACCEPTED], 1);
    CHECK_INT(kit_info(client, conn).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_listener_info(server, listener).conns, 1);
    /* Handles of one hub are strange to the other. */
    KIT_STALE(server, conn);
    CHECK_ERROR(leat_hub_destroy(client), LEAT_OK);
    kit_end(server);
}

TEST(connect_to_nobody)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn = kit_connect(hub, kit_plain("nobody"), 3, NULL);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_NOT_FOUND);
    CHECK_INT(event.tag, 3);
    CHECK(event.conn.id == conn.id);
    struct leat_conn_info info = kit_info(hub, conn);
    CHECK_INT(info.state, LEAT_STATE_ENDED);
    CHECK_ERROR(info.error, LEAT_E_NOT_FOUND);
    CHECK_INT(info.operation, LEAT_OP_CONNECT);
    CHECK(info.os_code != 0);
    KIT_QUIET(hub);
    KIT_STALE(hub, conn);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    conn = kit_connect(hub, kit_path(KIT_PIPES ? "no\\folder" : "no/folder"), 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    kit_end(hub);
}

TEST(connect_waits_for_an_absent_server)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = patient(KIT_SOON_MS);
    leat_conn conn;
    CHECK_ERROR(leat_connect(hub, kit_plain("late"), &options, &conn), LEAT_OK);
    struct leat_event event;
    CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    leat_listener listener = kit_listen(hub, kit_plain("late"), NULL);
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    leat_conn accepted;
    CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
    kit_write_text(hub, conn, "hi");
    kit_read_text(hub, accepted, "hi");
    kit_end(hub);
}

TEST(connect_gives_up_waiting_for_a_server)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = patient(300);
    leat_conn conn;
    uint64_t begin = kit_now_ms();
    uint64_t waits = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_connect(hub, kit_plain("never"), &options, &conn), LEAT_OK);
    kit_write_text(hub, conn, "never sent");
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    uint64_t took = kit_now_ms() - begin;
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, 10);
    CHECK_INT(event.tag, 5);
    CHECK(took >= 299 && took < 300 + lti_test_scaled_ms(1000));
    /* Six short pauses, then at most one attempt in 32 ms. */
    CHECK(kit_hub_info(hub).waits - waits <= 25);
    struct leat_conn_info info = kit_info(hub, conn);
    CHECK_INT(info.operation, LEAT_OP_CONNECT);
    CHECK(info.os_code != 0);
    kit_end(hub);
}

/* Raw clients until the backlog is full, so that the next connect must wait. */
static int backlog_fill(const char *name, int fds[8])
{
    int count = 0;
    for (; count < 2; count++)
        fds[count] = kit_raw_connect(name);
    return count;
}

TEST(connect_waits_while_the_backlog_is_full)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("busy.sock");
    int fds[8], listener = kit_raw_listen(name, 1);
    int count = backlog_fill(name, fds);
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    struct leat_event event;
    CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    kit_write_text(hub, conn, "early");
    kit_raw_close(kit_raw_accept(listener));
    KIT_NEXT(hub, LEAT_EVENT_CONNECTED);
    kit_raw_close(kit_raw_accept(listener));
    int fd = kit_raw_accept(listener);
    char buffer[8] = "";
    CHECK_INT(kit_raw_recv(fd, buffer, sizeof buffer), 5);
    CHECK_STR(buffer, "early");
    kit_raw_close(fd);
    for (int i = 0; i < count; i++)
        kit_raw_close(fds[i]);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

TEST(connect_to_a_full_backlog_times_out)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("busy.sock");
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 300};
    int fds[8], listener = kit_raw_listen(name, 1);
    int count = backlog_fill(name, fds);
    leat_conn conn = {77};
    uint64_t begin = kit_now_ms();
    uint64_t waits = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_connect_wait(hub, name, &options, &conn), LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK_INT(conn.id, 77);
    CHECK(took >= 299 && took < 300 + lti_test_scaled_ms(1000));
    CHECK(kit_hub_info(hub).waits - waits <= 25);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    for (int i = 0; i < count; i++)
        kit_raw_close(fds[i]);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

TEST(connect_messages_to_a_silent_server_times_out)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("silent.sock");
    struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 100, .conn = &kit_messages};
    int listener = kit_raw_listen(name, 5);
    leat_conn conn;
    CHECK_ERROR(leat_connect(hub, name, &options, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_HANDSHAKE);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_HANDSHAKE);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

TEST(connect_options_and_arguments)
{
    struct leat_hub *hub = kit_begin();
    struct {
        struct leat_connect_options known;
        uint32_t tail[4];
    } later;
    const struct leat_conn_options bad = {.size = sizeof bad, .protocol = (enum leat_protocol)4};
    const struct leat_connect_options refused[] = {
        {.size = sizeof refused[0] - 8},
        {.size = sizeof refused[0], .absent = (enum leat_absent)2},
        {.size = sizeof refused[0], .who = (enum leat_who)6},
        {.size = sizeof refused[0], .who = LEAT_WHO_ASK},
        {.size = sizeof refused[0], .who = LEAT_WHO_LIST},
        {.size = sizeof refused[0], .who = LEAT_WHO_GROUP},
        {.size = sizeof refused[0], .group = "1"},
        {.size = sizeof refused[0], .conn = &bad},
    };
    leat_conn conn = {77};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CHECK_ERROR(leat_connect(hub, kit_plain("nobody"), &refused[i], &conn), LEAT_E_OPTIONS);
    memset(&later, 0, sizeof later);
    later.known.size = sizeof later;
    later.tail[0] = 1;
    CHECK_ERROR(leat_connect(hub, kit_plain("nobody"), &later.known, &conn), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_connect(hub, NULL, NULL, &conn), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_connect(hub, kit_plain("nobody"), NULL, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_connect_wait(hub, kit_plain("nobody"), NULL, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_connect_wait(hub, kit_plain("nobody"), NULL, &conn), LEAT_E_NOT_FOUND);
    CHECK_ERROR(leat_connect_wait(hub, "No Name", NULL, &conn), LEAT_E_NAME);
    CHECK_INT(conn.id, 77);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

TEST(conn_options_ranges)
{
    struct leat_hub *hub = kit_begin();
    const size_t gib = 1024 * KIT_MIB;
    const struct leat_conn_options refused[] = {
        {.size = sizeof refused[0] - 4},
        {.size = sizeof refused[0], .inbox_bytes = gib + 1},
        {.size = sizeof refused[0], .outbox_bytes = gib + 1},
        {.size = sizeof refused[0], .inbox_low_bytes = 256 * 1024},
        {.size = sizeof refused[0], .inbox_bytes = 10, .inbox_low_bytes = 10},
        {.size = sizeof refused[0], .outbox_bytes = 10, .outbox_low_bytes = 11},
        {.size = sizeof refused[0], .frame_bytes_max = 256 * (uint32_t)KIT_MIB + 1},
        {.size = sizeof refused[0], .protocol = LEAT_MESSAGES, .inbox_bytes = KIT_MIB + 7},
        {.size = sizeof refused[0], .handshake_ms = 99},
        {.size = sizeof refused[0], .handshake_ms = 60001},
        {.size = sizeof refused[0], .handshake_ms = LEAT_FOREVER},
    };
    const struct leat_conn_options good[] = {
        {.size = sizeof good[0]},
        {.size = sizeof good[0], .inbox_bytes = gib, .outbox_bytes = gib},
        {.size = sizeof good[0], .inbox_bytes = 1, .outbox_bytes = 1},
        {.size = sizeof good[0], .protocol = LEAT_MESSAGES, .inbox_bytes = KIT_MIB + 8},
        {.size = sizeof good[0],
         .protocol = LEAT_MESSAGES,
         .frame_bytes_max = 256 * (uint32_t)KIT_MIB},
        {.size = sizeof good[0], .handshake_ms = 100},
        {.size = sizeof good[0], .protocol = LEAT_MESSAGES, .handshake_ms = 60000},
    };
    leat_conn a = {77}, b = {78};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CHECK_ERROR(leat_pair(hub, hub, &refused[i], &a, &b), LEAT_E_OPTIONS);
    CHECK(a.id == 77 && b.id == 78);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK_ERROR(leat_pair(hub, hub, &good[i], &a, &b), LEAT_OK);
    kit_end(hub);
}

/* ---- Limits of a listener -------------------------------------------------------------------- */

TEST(listener_conns_max_and_later_room)
{
    struct leat_hub *hub = kit_begin();
    struct leat_listen_options options = {.size = sizeof options, .conns_max = 2};
    leat_listener listener;
    leat_conn conns[4], accepted[4];
    REQUIRE_ERROR(leat_listen(hub, kit_plain("small"), &options, &listener), LEAT_OK);
    for (uint64_t i = 0; i < 4; i++) {
        conns[i] = kit_connect(hub, kit_plain("small"), i, NULL);
        kit_write(hub, conns[i], &"0123"[i], 1);
    }
    for (int i = 0; i < 2; i++)
        accepted[i] = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_ERROR(leat_wait_accepted(hub, listener, 20, &accepted[2]), LEAT_E_TIMEOUT);
    CHECK_INT(kit_listener_info(hub, listener).conns, 2);
    kit_read_text(hub, accepted[0], "0");
    kit_read_text(hub, accepted[1], "1");
    CHECK_ERROR(leat_abort(hub, accepted[0]), LEAT_OK);
    CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted[2]), LEAT_OK);
    kit_read_text(hub, accepted[2], "2");
    CHECK_ERROR(leat_wait_accepted(hub, listener, 20, &accepted[3]), LEAT_E_TIMEOUT);
    /* One that its peer ends makes room as well, when its CLOSED was taken. */
    CHECK_ERROR(leat_abort(hub, conns[1]), LEAT_OK);
    accepted[3] = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_read_text(hub, accepted[3], "3");
    CHECK_INT(kit_listener_info(hub, listener).accepted, 4);
    kit_end(hub);
}

TEST(listener_three_connect_before_any_accept)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conns[3], accepted;
    for (uint64_t i = 0; i < 3; i++) {
        conns[i] = kit_connect(hub, kit_plain("server"), i, NULL);
        CHECK_ERROR(leat_wait_connected(hub, conns[i], KIT_SOON_MS), LEAT_OK);
        kit_write(hub, conns[i], &"abc"[i], 1);
    }
    static const char *texts[3] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
        kit_read_text(hub, accepted, texts[i]);
    }
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, &accepted), LEAT_E_TIMEOUT);
    kit_end(hub);
}

TEST(listener_close_aborts_the_unannounced)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    leat_conn waiting = kit_connect(hub, kit_plain("server"), 2, NULL);
    CHECK_ERROR(leat_wait_connected(hub, waiting, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(event.conn.id == waiting.id);
    kit_write_text(hub, ends.dialled, "still here");
    kit_read_text(hub, ends.accepted, "still here");
    if (KIT_PIPES) { /* a pipe is there as long as one of its ends is */
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    }
    leat_conn late = kit_connect(hub, kit_plain("server"), 3, NULL);
    KIT_CLOSED(hub, late, LEAT_E_NOT_FOUND);
    kit_end(hub);
}

TEST(listener_handshakes_max_evicts_the_oldest)
{
    struct leat_hub *hub = kit_begin();
    struct leat_listen_options options = {
        .size = sizeof options, .handshakes_max = 3, .conn = &kit_messages};
    leat_listener listener;
    int fds[5];
    uint8_t buffer[256];
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), &kit_messages);
    for (int i = 0; i < 5; i++) {
        fds[i] = kit_raw_connect(kit_plain("server"));
        KIT_QUIET(hub);
    }
    struct leat_listener_info info = kit_listener_info(hub, listener);
    CHECK_INT(info.handshakes, 3);
    CHECK_INT(info.handshakes_failed, 2);
    CHECK_INT(info.conns, 4);
    CHECK_ERROR(info.error, LEAT_E_LIMIT);
    for (int i = 0; i < 5; i++) {
        /* Its hello comes to each that may have it; the end to the two oldest only. */
        if (kit_greets_first())
            CHECK(kit_raw_recv(fds[i], buffer, sizeof buffer) >= (int64_t)KIT_HELLO_BYTES);
        CHECK_INT(kit_raw_recv(fds[i], buffer, sizeof buffer), i < 2 ? -1 : 0);
    }
    kit_raw_send(fds[3], kit_hello, sizeof kit_hello);
    leat_conn accepted = KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_INT(kit_info(hub, accepted).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_listener_info(hub, listener).handshakes, 2);
    kit_send_text(hub, ends.dialled, "untouched");
    kit_receive_text(hub, ends.accepted, "untouched");
    for (int i = 0; i < 5; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}

static void ours_come(enum leat_who who, const struct leat_conn_options *conn)
{
    struct leat_hub *hub = kit_begin();
    const char *const us[] = {kit_user_text()};
    const struct leat_listen_options options = {
        .size = sizeof options, .who = who, .per_user_max = 1, .conn = conn};
    const struct leat_connect_options connect = {
        .size = sizeof connect, .who = LEAT_WHO_LIST, .users = us, .users_count = 1, .conn = conn};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    for (int i = 0; i < 3; i++) {
        leat_conn dialled, accepted;
        REQUIRE_ERROR(leat_connect(hub, kit_plain("server"), &connect, &dialled), LEAT_OK);
        kit_say(hub, dialled, conn, "one of ours");
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
        kit_hear(hub, accepted, conn, "one of ours");
        CHECK_INT(kit_info(hub, accepted).peer_uid, kit_user());
    }
    CHECK_INT(kit_listener_info(hub, listener).conns, 3);
    CHECK_INT(kit_listener_info(hub, listener).denied, 0);
    kit_end(hub);
}

/* Nobody is shut out because his own programs were taken for another user's. */
TEST(listener_per_user_max_is_for_others)
{
    ours_come(LEAT_WHO_SAME_USER, NULL);
    ours_come(LEAT_WHO_SAME_USER, &kit_messages);
    ours_come(LEAT_WHO_INSECURE_ANYONE, NULL);
    ours_come(LEAT_WHO_INSECURE_ANYONE, &kit_messages);
}

/* Until so many are there and so many were turned away. What they say is read. */
static void conns_become(struct leat_hub *hub, leat_listener listener, uint32_t conns,
                         uint64_t denied)
{
    struct leat_listener_info info = kit_listener_info(hub, listener);
    struct leat_event event;
    char bytes[32];
    size_t size;
    uint64_t end_ms = kit_now_ms() + KIT_SOON_MS;
    while ((info.conns != conns || info.denied != denied) && kit_now_ms() < end_ms) {
        if (leat_next(hub, &event, 10) == LEAT_OK && event.type == LEAT_EVENT_READABLE &&
            leat_read(hub, event.conn, bytes, sizeof bytes, &size) == LEAT_E_STATE)
            CHECK_ERROR(leat_receive(hub, event.conn, bytes, sizeof bytes, &size), LEAT_OK);
        info = kit_listener_info(hub, listener);
    }
    CHECK_INT(info.conns, conns);
    CHECK_INT(info.denied, denied);
}

/* Of three of ours where two may be there. */
static void ours_are_bounded(const struct leat_conn_options *conn)
{
    struct leat_hub *hub = kit_begin();
    const bool counted = kit_user() != 0; /* root is not */
    const struct leat_listen_options options = {
        .size = sizeof options, .per_user_max = 100, .own_user_max = 2, .conn = conn};
    leat_listener listener;
    leat_conn dialled[4];
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    for (uint32_t i = 0; i < 3; i++) {
        dialled[i] = kit_connect(hub, kit_plain("server"), 1, conn);
        kit_say(hub, dialled[i], conn, "one of ours");
        conns_become(hub, listener, i < 2 || !counted ? i + 1 : 2, i < 2 || !counted ? 0 : 1);
    }
    CHECK_ERROR(leat_abort(hub, dialled[0]), LEAT_OK); /* his place is free again */
    conns_become(hub, listener, counted ? 1 : 2, counted ? 1 : 0);
    dialled[3] = kit_connect(hub, kit_plain("server"), 1, conn);
    kit_say(hub, dialled[3], conn, "one of ours");
    conns_become(hub, listener, counted ? 2 : 3, counted ? 1 : 0);
    kit_end(hub);
}

TEST(listener_own_user_max)
{
    ours_are_bounded(NULL);
    ours_are_bounded(&kit_messages);
}
