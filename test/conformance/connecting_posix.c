/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of connecting to things at a path, and to abstract names.
 *
 * Happy path: a dead socket is waited for until somebody takes it over.
 * Fails:      REFUSED by what is there and does not listen.
 * Invariants: asking changes nothing at the path.
 */
#include "kit_posix.h"

TEST_POSIX(connect_to_what_does_not_listen)
{
    struct leat_hub *hub = kit_begin();
    const char *dead = kit_path("dead.sock");
    const char *file = kit_path("file");
    kit_raw_close(kit_raw_listen(dead, 5));
    leat_conn conn = kit_connect(hub, dead, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_file_make(file);
    conn = kit_connect(hub, file, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_file_remove(dead);
    kit_file_remove(file);
    kit_end(hub);
}

TEST_POSIX(connect_to_an_abstract_name_of_nobody)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn = kit_connect(hub, "unix:@leat-conformance-nobody", 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_end(hub);
}

TEST_POSIX(connect_waits_at_a_dead_socket)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = KIT_SOON_MS, .absent = LEAT_ABSENT_WAIT};
    leat_conn conn;
    struct leat_event event;
    const char *stale = kit_path("stale.sock");
    kit_raw_close(kit_raw_listen(stale, 5));
    CHECK_ERROR(leat_connect(hub, stale, &options, &conn), LEAT_OK);
    CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    (void)kit_listen(hub, stale, NULL);
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    kit_end(hub);
}

/* Who connects in crowds, and says nothing, does not keep others from their turn. */
TEST_POSIX(listener_accepts_sixteen_a_turn_at_most)
{
    enum { CLIENTS = 48, A_TURN = 16 };
    struct leat_hub *hub = kit_begin();
    const struct leat_listen_options options = {
        .size = sizeof options, .handshakes_max = CLIENTS, .conn = &kit_messages};
    leat_listener listener;
    int fds[CLIENTS];
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = kit_raw_connect(kit_plain("server"));
    uint32_t taken = 0;
    for (int turns = 0; taken < CLIENTS && turns < CLIENTS; turns++) {
        uint32_t before = taken;
        KIT_QUIET(hub);
        taken = kit_listener_info(hub, listener).conns;
        CHECK_INT(taken - before, A_TURN);
    }
    CHECK_INT(taken, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}

/* Who comes in one turn has until the next one to say hello. */
TEST_POSIX(listener_evicts_nobody_who_came_in_this_turn)
{
    enum { CLIENTS = 12, PLACES = 5 };
    struct leat_hub *hub = kit_begin();
    const struct leat_listen_options options = {
        .size = sizeof options, .handshakes_max = PLACES, .conn = &kit_messages};
    leat_listener listener;
    int fds[CLIENTS];
    REQUIRE_ERROR(leat_listen(hub, kit_plain("server"), &options, &listener), LEAT_OK);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = kit_raw_connect(kit_plain("server"));
    for (uint32_t evicted = 0; evicted <= CLIENTS - PLACES; evicted++) {
        KIT_QUIET(hub);
        CHECK_INT(kit_listener_info(hub, listener).handshakes, PLACES);
        CHECK_INT(kit_listener_info(hub, listener).handshakes_failed, evicted);
    }
    for (int i = 0; i < CLIENTS; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}
