/* SPDX-License-Identifier: MIT
 *
 * What the tests of other libraries show of listening and connecting, shown of leat: sources.def
 * says whose test is whose.
 *
 * Happy path: however many clients come, in whatever order, each is met once.
 * Fails:      a place that is taken, a server that is not there, a client that leaves at once.
 * Invariants: nothing is told twice, and nothing of a closed handle at all.
 */
#include "kit.h"

#include <string.h>

#define CLIENTS_MAX 10

static struct leat_connect_options patient(void)
{
    return (struct leat_connect_options){.size = sizeof(struct leat_connect_options),
                                         .timeout_ms = KIT_SOON_MS,
                                         .absent = LEAT_ABSENT_WAIT};
}

/* ---- Nobody is there ------------------------------------------------------------------------- */

TEST(listener_that_is_idle)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = {0};
    leat_conn conn = {77};
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, &conn), LEAT_E_STALE);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_E_STALE);
    kit_listen_refused(hub, "", LEAT_E_NAME);
    listener = kit_listen(hub, kit_plain("idle"), NULL);
    struct leat_listener_info info = kit_listener_info(hub, listener);
    CHECK(info.conns == 0 && info.handshakes == 0 && info.accepted == 0);
    CHECK(info.denied == 0 && info.handshakes_failed == 0 && info.accept_errors == 0);
    CHECK_ERROR(info.error, LEAT_OK);
    CHECK_INT(info.os_code, 0);
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, &conn), LEAT_E_TIMEOUT);
    CHECK_INT(conn.id, 77);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* All that can be asked of one that has nobody to talk to, and nothing of it is told. */
TEST(connection_that_is_idle)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = patient();
    char buffer[8];
    const void *data = hub;
    size_t size = 77;
    uint64_t undelivered = 77;
    leat_conn conns[3];
    for (size_t i = 0; i < 3; i++) {
        REQUIRE_ERROR(leat_connect(hub, kit_plain("nobody"), &options, &conns[i]), LEAT_OK);
        CHECK_INT(kit_info(hub, conns[i]).state, LEAT_STATE_CONNECTING);
        CHECK_ERROR(leat_read(hub, conns[i], buffer, sizeof buffer, &size), LEAT_E_EMPTY);
        CHECK_ERROR(leat_peek(hub, conns[i], &data, &size), LEAT_E_EMPTY);
        CHECK_ERROR(leat_skip(hub, conns[i], 1, &size), LEAT_E_EMPTY);
        CHECK_ERROR(leat_finish(hub, conns[i]), LEAT_E_STATE);
        CHECK_ERROR(leat_wait_connected(hub, conns[i], 5), LEAT_E_TIMEOUT);
        CHECK_ERROR(leat_wait_readable(hub, conns[i], 5), LEAT_E_TIMEOUT);
        CHECK_ERROR(leat_wait_closed(hub, conns[i], 5), LEAT_E_TIMEOUT);
        CHECK(data == hub && size == 77);
    }
    KIT_QUIET(hub);
    CHECK_ERROR(leat_abort(hub, conns[0]), LEAT_OK);
    CHECK_ERROR(leat_close(hub, conns[1], 0), LEAT_OK);
    CHECK_ERROR(leat_close_wait(hub, conns[2], 0, &undelivered), LEAT_OK);
    CHECK_INT(undelivered, 0);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* What is done about one failure may fail in the same way, and is told as well. */
TEST(connect_in_answer_to_a_failed_connect)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn = kit_connect(hub, kit_plain("nobody"), 0, NULL);
    for (uint64_t i = 0; i < 10; i++) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
        CHECK_INT(event.tag, i);
        CHECK(event.conn.id == conn.id);
        CHECK_ERROR(event.error, LEAT_E_NOT_FOUND);
        conn = kit_connect(hub, kit_plain("nobody"), i + 1, NULL);
    }
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(connect_has_a_deadline_when_none_is_given)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("silent.sock");
    int listener = kit_raw_listen(name, 5);
    uint64_t begin = kit_now_ms();
    leat_conn conn = kit_connect(hub, name, 1, &kit_messages);
    KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 4999 && took < 5000 + lti_test_scaled_ms(1000));
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

/* ---- A place --------------------------------------------------------------------------------- */

TEST(listen_waits_exactly_while_it_listens)
{
    struct leat_hub *base = kit_begin();
    for (int explicit = 0; explicit < 2; explicit ++) {
        struct leat_hub *hub = kit_hub(NULL);
        leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
        leat_conn conn = {77};
        char name[300] = "";
        size_t size = 0;
        CHECK_ERROR(leat_listener_name(hub, listener, name, sizeof name, &size), LEAT_OK);
        CHECK(size > 0);
        kit_listen_refused(hub, kit_plain("server"), LEAT_E_IN_USE);
        uint64_t begin = kit_now_ms();
        CHECK_ERROR(leat_wait_accepted(hub, listener, 100, &conn), LEAT_E_TIMEOUT);
        uint64_t took = kit_now_ms() - begin;
        CHECK(took >= 99 && took < 100 + lti_test_scaled_ms(1000));
        if (explicit) {
            CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
            begin = kit_now_ms();
            CHECK_ERROR(leat_wait_accepted(hub, listener, 10000, &conn), LEAT_E_STALE);
            CHECK(kit_now_ms() - begin < 10000);
        }
        CHECK_INT(conn.id, 77);
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    }
    kit_end(base);
}

TEST(listen_elsewhere_after_a_close)
{
    struct leat_hub *hub = kit_begin();
    leat_listener before = kit_listen(hub, kit_plain("before"), NULL);
    struct kit_ends ends = kit_open(hub, before, kit_plain("before"), NULL);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, before), LEAT_OK);
    leat_listener after = kit_listen(hub, kit_plain("after"), NULL);
    CHECK(after.id != before.id);
    leat_conn late = kit_connect(hub, kit_plain("before"), 1, NULL);
    KIT_CLOSED(hub, late, LEAT_E_NOT_FOUND);
    ends = kit_open(hub, after, kit_plain("after"), NULL);
    kit_write_text(hub, ends.dialled, "here now");
    kit_read_text(hub, ends.accepted, "here now");
    CHECK_INT(kit_listener_info(hub, after).accepted, 1);
    CHECK_ERROR(leat_listener_close(hub, before), LEAT_E_STALE);
    kit_end(hub);
}

TEST(listen_that_lost_leaves_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *loser = kit_hub(NULL);
    const struct leat_listen_options options = {.size = sizeof options, .backlog = 8};
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL), lost = {77};
    uint64_t memory = kit_hub_info(loser).memory_bytes;
    for (int i = 0; i < 10; i++)
        CHECK_ERROR(leat_listen(loser, kit_plain("server"), &options, &lost), LEAT_E_IN_USE);
    CHECK_INT(lost.id, 77);
    CHECK_INT(kit_hub_info(loser).listeners, 0);
    CHECK(kit_hub_info(loser).memory_bytes <= memory + 4096);
    CHECK_ERROR(leat_hub_destroy(loser), LEAT_OK);
    (void)kit_open(hub, listener, kit_plain("server"), NULL);
    kit_end(hub);
}

TEST(second_server_serves_after_the_first)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_listener first = kit_listen(hub, kit_plain("server"), NULL);
    kit_listen_refused(other, kit_plain("server"), LEAT_E_IN_USE);
    CHECK_ERROR(leat_listener_close(hub, first), LEAT_OK);
    leat_listener second = kit_listen(other, kit_plain("server"), NULL);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, NULL), accepted;
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(other, second, KIT_SOON_MS, &accepted), LEAT_OK);
    kit_write_text(other, accepted, "the second");
    kit_read_text(hub, conn, "the second");
    KIT_QUIET(hub);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

/* ---- Many clients ---------------------------------------------------------------------------- */

struct states {
    uint32_t connecting, open, ended, others;
};

static void states_count(void *context, const struct leat_trace *record)
{
    struct states *states = context;
    if (record->kind != LEAT_TRACE_STATE)
        return;
    states->connecting += record->state == LEAT_STATE_CONNECTING;
    states->open += record->state == LEAT_STATE_OPEN;
    states->ended += record->state == LEAT_STATE_ENDED;
    states->others += record->state == LEAT_STATE_HANDSHAKE;
}

static void clients_come(uint32_t count, bool served)
{
    struct leat_hub *server = kit_begin();
    struct states states = {0};
    const struct leat_hub_options options = {
        .size = sizeof options, .trace = states_count, .hook_context = &states};
    struct leat_hub *clients = kit_hub(&options);
    uint32_t told[KIT_EVENT_TYPES] = {0}, taken[KIT_EVENT_TYPES] = {0};
    leat_conn conns[CLIENTS_MAX];
    if (served)
        (void)kit_listen(server, kit_plain("server"), NULL);
    for (uint32_t i = 0; i < count; i++)
        conns[i] = kit_connect(clients, kit_plain("server"), i, NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct leat_event event = {0};
        /* A server that has too few places at the moment makes room when it gets a turn. */
        for (uint32_t turn = 0; turn < 10000 && event.type == 0; turn++) {
            if (leat_next(clients, &event, 1) != LEAT_OK)
                kit_drain(server, NULL, taken);
        }
        told[event.type]++;
        CHECK_ERROR(event.error, served ? LEAT_OK : LEAT_E_NOT_FOUND);
    }
    kit_drain(server, clients, taken);
    CHECK_INT(told[LEAT_EVENT_CONNECTED], served ? count : 0);
    CHECK_INT(told[LEAT_EVENT_CLOSED], served ? 0 : count);
    CHECK_INT(taken[LEAT_EVENT_ACCEPTED], served ? count : 0);
    CHECK_INT(kit_hub_info(server).conns, served ? count : 0);
    CHECK_INT(kit_hub_info(clients).conns, served ? count : 0);
    CHECK_INT(states.open, served ? count : 0);
    /* One that has ended, and one that is gone as well, are shown as the same. */
    CHECK(served ? states.ended == 0 : states.ended >= count && states.ended <= 2 * count);
    CHECK_INT(states.others, 0);
    CHECK(states.connecting <= count);
    for (uint32_t i = 0; i < count && served; i++) {
        char name[300] = "";
        size_t size = 0;
        CHECK_ERROR(leat_conn_name(clients, conns[i], name, sizeof name, &size), LEAT_OK);
        CHECK(size > 0);
    }
    CHECK_ERROR(leat_hub_destroy(clients), LEAT_OK);
    kit_end(server);
}

TEST(clients_of_a_server_are_told_once)
{
    clients_come(0, true);
    clients_come(1, true);
    clients_come(5, true);
}

TEST(clients_of_nobody_are_told_once)
{
    clients_come(0, false);
    clients_come(1, false);
    clients_come(5, false);
}

TEST(listener_takes_as_many_as_its_limit)
{
    struct leat_hub *hub = kit_begin();
    for (uint32_t most = 1; most <= 3; most += 2) {
        struct leat_listen_options options = {.size = sizeof options, .conns_max = most};
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        leat_listener listener;
        leat_conn conns[4], accepted[4];
        REQUIRE_ERROR(leat_listen(hub, kit_plain("small"), &options, &listener), LEAT_OK);
        for (uint32_t i = 0; i <= most; i++)
            conns[i] = kit_connect(hub, kit_plain("small"), i, NULL);
        for (uint32_t i = 0; i < most; i++)
            CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted[i]), LEAT_OK);
        CHECK_ERROR(leat_wait_accepted(hub, listener, 20, &accepted[most]), LEAT_E_TIMEOUT);
        CHECK_INT(kit_listener_info(hub, listener).conns, most);
        CHECK_ERROR(leat_abort(hub, accepted[0]), LEAT_OK);
        CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted[0]), LEAT_OK);
        CHECK_INT(kit_listener_info(hub, listener).conns, most);
        CHECK_INT(kit_listener_info(hub, listener).accepted, most + 1);
        for (uint32_t i = 0; i <= most; i++)
            (void)leat_abort(hub, conns[i]);
        for (uint32_t i = 0; i < most; i++)
            (void)leat_abort(hub, accepted[i]);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        kit_drain(hub, NULL, counts);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

TEST(ten_clients_at_four_places)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_listen_options options = {.size = sizeof options, .backlog = 4};
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    for (uint64_t i = 0; i < CLIENTS_MAX; i++)
        (void)kit_connect(hub, kit_plain("server"), i, NULL);
    for (uint32_t i = 0; i < 2 * CLIENTS_MAX; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        counts[event.type]++;
    }
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], CLIENTS_MAX);
    CHECK_INT(counts[LEAT_EVENT_ACCEPTED], CLIENTS_MAX);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(ten_clients_that_give_up_while_connecting)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *clients = kit_hub(NULL);
    struct leat_connect_options options = patient();
    uint32_t told[KIT_EVENT_TYPES] = {0}, taken[KIT_EVENT_TYPES] = {0};
    leat_conn conns[2 * CLIENTS_MAX];
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    for (uint32_t i = 0; i < 2 * CLIENTS_MAX; i++) {
        const char *name = kit_plain(i % 2 ? "server" : "nobody");
        REQUIRE_ERROR(leat_connect(clients, name, &options, &conns[i]), LEAT_OK);
    }
    for (uint32_t i = 0; i < 2 * CLIENTS_MAX; i++) {
        CHECK_ERROR(leat_abort(clients, conns[i]), LEAT_OK);
        CHECK_ERROR(leat_abort(clients, conns[i]), LEAT_E_STALE);
    }
    kit_drain(clients, hub, NULL);
    CHECK_INT(kit_hub_info(clients).conns, 0);
    CHECK_ERROR(leat_next(clients, &(struct leat_event){0}, 100), LEAT_E_TIMEOUT);
    /* The server has seen each that got as far, and the end of each; it goes on. */
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK_INT(kit_listener_info(hub, listener).conns, 0);
    leat_conn conn = kit_connect(clients, kit_plain("server"), 1, NULL);
    kit_drain(clients, hub, told);
    CHECK_INT(told[LEAT_EVENT_ACCEPTED], 1);
    CHECK_INT(told[LEAT_EVENT_CONNECTED], 1);
    CHECK_INT(kit_info(clients, conn).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_hub_destroy(clients), LEAT_OK);
    kit_drain(hub, NULL, taken);
    CHECK_INT(taken[LEAT_EVENT_CLOSED], 1);
    kit_end(hub);
}

/* They came and went before the server had its turn, three at a time. */
static void come_and_go(uint32_t rounds)
{
    struct leat_hub *hub = kit_begin();
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 3; i++)
            kit_raw_close(kit_raw_connect(kit_plain("server")));
        kit_drain(hub, NULL, counts);
    }
    CHECK(counts[LEAT_EVENT_ACCEPTED] <= 3 * rounds);
    CHECK_INT(counts[LEAT_EVENT_CLOSED], counts[LEAT_EVENT_ACCEPTED]);
    CHECK_INT(counts[LEAT_EVENT_LISTEN_ERROR], 0);
    CHECK_INT(kit_listener_info(hub, listener).conns, 0);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    kit_write_text(hub, ends.dialled, "alive");
    kit_read_text(hub, ends.accepted, "alive");
    kit_end(hub);
}

TEST(clients_that_are_gone_before_they_are_met)
{
    come_and_go(KIT_PIPES ? 100 : 3334); /* a pipe takes its time */
}

TEST_ON_DEMAND(ten_thousand_clients_that_are_gone_before_they_are_met, 1200)
{
    come_and_go(3334);
}

TEST(listen_and_dial_in_any_order)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = patient();
    for (int i = 0; i < 50; i++) {
        leat_listener listener = {0};
        leat_conn conn, accepted;
        if (i % 2)
            listener = kit_listen(hub, kit_plain("server"), NULL);
        REQUIRE_ERROR(leat_connect(hub, kit_plain("server"), &options, &conn), LEAT_OK);
        if (i % 2 == 0) {
            CHECK_ERROR(leat_wait_connected(hub, conn, (uint32_t)i % 5), LEAT_E_TIMEOUT);
            listener = kit_listen(hub, kit_plain("server"), NULL);
        }
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
        REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, accepted), LEAT_OK);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    }
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* ---- One after the other --------------------------------------------------------------------- */

TEST(client_that_comes_three_times)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    uint64_t ids[3] = {0};
    for (int i = 0; i < 3; i++) {
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
        char text[8] = "again 0";
        text[6] = (char)('0' + i);
        ids[i] = ends.dialled.id;
        CHECK_INT(kit_stats(hub, ends.dialled).bytes_received, 0);
        CHECK_ERROR(kit_info(hub, ends.dialled).error, LEAT_OK);
        kit_write_text(hub, ends.accepted, text);
        kit_write_text(hub, ends.accepted, "nobody reads this");
        kit_read_text(hub, ends.dialled, text);
        CHECK_ERROR(leat_close(hub, ends.dialled, 0), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        KIT_STALE(hub, ends.dialled);
    }
    CHECK(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    kit_end(hub);
}

/* Whoever is told first closes all there is, in the midst of it. */
TEST(close_everything_when_told_of_a_connection)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, NULL);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    KIT_UNTIL(hub, LEAT_EVENT_CONNECTED);
    CHECK_ERROR(leat_close(hub, conn, 0), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    struct leat_event event = {0};
    while (leat_next(hub, &event, 50) == LEAT_OK) {
        CHECK(event.conn.id != conn.id && event.listener.id != listener.id);
        counts[event.type]++;
    }
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 0);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    KIT_STALE(hub, conn);
    kit_end(hub);
}

TEST(a_thousand_connections_leave_nothing)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    uint64_t memory = 0;
    for (int i = 0; i < 1000; i++) {
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
        kit_write_text(hub, ends.dialled, "x");
        kit_read_text(hub, ends.accepted, "x");
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        if (i == 99) {
            kit_drain(hub, NULL, NULL);
            memory = kit_hub_info(hub).memory_bytes;
        }
    }
    kit_drain(hub, NULL, NULL);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK(kit_hub_info(hub).memory_bytes <= memory + 4096);
    CHECK_INT(kit_listener_info(hub, listener).accepted, 1000);
    kit_end(hub); /* and no descriptor is left */
}
