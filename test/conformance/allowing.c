/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of LEAT_WHO_ASK: nobody comes in before the user said so.
 *
 * Happy path: ASKED, leat_allow, ACCEPTED; what the client sent meanwhile is there.
 * Fails:      refused, too late, gone: the client sees its end, and who was asked hears of it.
 * Invariants: not one byte goes to, or comes from, a client that was not let in.
 */
#include "kit.h"

static leat_listener ask(struct leat_hub *hub, const struct leat_conn_options *options,
                         uint32_t handshakes_max)
{
    struct leat_listen_options listen = {.size = sizeof listen,
                                         .tag = 7,
                                         .who = LEAT_WHO_ASK,
                                         .handshakes_max = handshakes_max,
                                         .conn = options};
    leat_listener listener;
    REQUIRE_INT(leat_listen(hub, kit_plain("server"), &listen, &listener), LEAT_OK);
    return listener;
}

/* A client that has said something, so that its identity is known everywhere. */
static leat_conn client(struct leat_hub *hub, const struct leat_conn_options *options)
{
    const char *const us[] = {kit_user_text()};
    const struct leat_connect_options connect = {.size = sizeof connect,
                                                 .tag = 1,
                                                 .who = LEAT_WHO_LIST,
                                                 .users = us,
                                                 .users_count = 1,
                                                 .conn = options};
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, kit_plain("server"), &connect, &conn), LEAT_OK);
    kit_say(hub, conn, options, "early");
    return conn;
}

static leat_conn asked(struct leat_hub *hub)
{
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_ASKED);
    CHECK_INT(event.tag, 7);
    CHECK(event.listener.id != 0);
    struct leat_conn_info info = kit_info(hub, event.conn);
    CHECK_INT(info.state, LEAT_STATE_HANDSHAKE);
    CHECK(info.peer_known);
    CHECK_INT(info.peer_uid, kit_user());
    CHECK_INT(info.inbox_bytes, 0);
    return event.conn;
}

static void allowed(const struct leat_conn_options *options)
{
    struct leat_hub *hub = kit_begin();
    (void)ask(hub, options, 0);
    leat_conn dialled = client(hub, options);
    leat_conn conn = asked(hub);
    KIT_QUIET(hub);
    CHECK_INT(kit_stats(hub, conn).bytes_received, 0);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, 0);
    CHECK_ERROR(leat_allow(hub, conn), LEAT_OK);
    CHECK_ERROR(leat_allow(hub, conn), LEAT_E_STATE);
    CHECK_ERROR(leat_refuse(hub, conn), LEAT_E_STATE);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    CHECK_INT(event.conn.id, conn.id);
    kit_hear(hub, conn, options, "early");
    kit_say(hub, conn, options, "answer");
    kit_hear(hub, dialled, options, "answer");
    kit_end(hub);
}

TEST(ask_and_allow_bytes)
{
    allowed(NULL);
}

TEST(ask_and_allow_messages)
{
    allowed(&kit_messages);
}

TEST(ask_and_refuse)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = ask(hub, NULL, 0);
    leat_conn dialled = client(hub, NULL);
    leat_conn conn = asked(hub);
    CHECK_ERROR(leat_refuse(hub, conn), LEAT_OK);
    KIT_STALE(hub, conn);
    CHECK_ERROR(leat_refuse(hub, conn), LEAT_E_STALE);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, dialled.id);
    CHECK_INT(kit_listener_info(hub, listener).denied, 1);
    CHECK_INT(kit_listener_info(hub, listener).conns, 0);
    kit_end(hub);
}

TEST(ask_in_vain)
{
    struct leat_conn_options soon = {.size = sizeof soon, .handshake_ms = 100};
    struct leat_hub *hub = kit_begin();
    leat_listener listener = ask(hub, &soon, 0);
    leat_conn dialled = client(hub, NULL);
    leat_conn conn = asked(hub);
    bool told = false, gone = false;
    while (!told || !gone) {
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        told = told || event.conn.id == conn.id;
        gone = gone || event.conn.id == dialled.id;
        if (event.conn.id == conn.id)
            CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    }
    CHECK_INT(kit_listener_info(hub, listener).conns, 0);
    kit_end(hub);
}

TEST(ask_about_who_leaves)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = ask(hub, NULL, 0);
    leat_conn dialled = client(hub, NULL);
    leat_conn conn = asked(hub);
    CHECK_ERROR(leat_abort(hub, dialled), LEAT_OK);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, conn.id);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(kit_listener_info(hub, listener).conns, 0);
    kit_end(hub);
}

TEST(ask_and_end_it_otherwise)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = ask(hub, NULL, 0);
    (void)client(hub, NULL);
    leat_conn conn = asked(hub);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    KIT_STALE(hub, conn);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    (void)client(hub, NULL);
    conn = asked(hub);
    CHECK_ERROR(leat_close(hub, conn, 1000), LEAT_OK);
    KIT_STALE(hub, conn);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    (void)client(hub, NULL);
    conn = asked(hub);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    KIT_STALE(hub, conn);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    kit_end(hub);
}

/* The oldest gives way to the next, so that nobody can keep others out by being undecided. */
TEST(ask_about_too_many)
{
    struct leat_hub *hub = kit_begin();
    (void)ask(hub, NULL, 2);
    leat_conn first, second, third;
    (void)client(hub, NULL);
    first = asked(hub);
    (void)client(hub, NULL);
    second = asked(hub);
    (void)client(hub, NULL);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, first.id);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
    third = asked(hub);
    CHECK_ERROR(leat_allow(hub, second), LEAT_OK);
    CHECK_ERROR(leat_allow(hub, third), LEAT_OK);
    (void)KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    (void)KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    kit_end(hub);
}

TEST(peer_is_who_it_is)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    struct leat_peer peer = {.size = sizeof peer};
    CHECK_ERROR(leat_peer_get(hub, ends.dialled, &peer), LEAT_OK);
    CHECK((peer.known & LEAT_PEER_USER) != 0);
    CHECK(peer.user[0] != '\0');
    CHECK_INT(peer.uid, kit_user());
    struct leat_peer little = {.size = sizeof little - 1};
    CHECK_ERROR(leat_peer_get(hub, ends.dialled, &little), LEAT_E_OPTIONS);
    /* A later version's struct is filled as far as this version knows it. */
    struct {
        struct leat_peer known;
        uint64_t unknown;
    } later = {.known = {.size = sizeof later}, .unknown = 77};
    CHECK_ERROR(leat_peer_get(hub, ends.dialled, &later.known), LEAT_OK);
    CHECK(later.known.size == sizeof later && later.known.known == peer.known);
    CHECK_INT(later.unknown, 0);
    CHECK_ERROR(leat_peer_get(hub, ends.dialled, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_peer_process(hub, ends.dialled, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_peer_groups(hub, ends.dialled, NULL, 1, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_peer_get(hub, ends.dialled, &peer), LEAT_E_STALE);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(leat_peer_get(hub, ends.accepted, &peer), LEAT_E_STATE);
    kit_end(hub);
}
