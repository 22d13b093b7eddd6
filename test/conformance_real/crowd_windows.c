/* SPDX-License-Identifier: MIT
 *
 * Many processes, and one that is killed: what other libraries' tests show with processes, on
 * Windows. This program runs again, with the name of a test that is only run so.
 *
 * Happy path: clients that came before their server are served by it.
 * Fails:      a client that is killed within a frame is BROKEN, and nothing of the frame is seen.
 * Invariants: helpers that were started are ended and waited for, and only those.
 */
#include "conformance/kit_nt.h"
#include "helpers_windows.h"

#define CLIENTS 10

TEST_ON_DEMAND(helper_of_the_crowd, 120)
{
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 60000, .absent = LEAT_ABSENT_WAIT};
    struct leat_hub *hub = kit_begin();
    leat_conn conn;
    REQUIRE_ERROR(leat_connect_wait(hub, helper_name(), &options, &conn), LEAT_OK);
    kit_write_text(hub, conn, "?");
    char answer = 0;
    size_t size = 0;
    CHECK_ERROR(leat_read_full(hub, conn, &answer, 1, 60000, &size), LEAT_OK);
    CHECK_INT(answer, '!');
    CHECK_ERROR(leat_close_wait(hub, conn, 5000, NULL), LEAT_OK);
    kit_end(hub);
}

/* A whole message, half of the next, and no end until it is killed. */
TEST_ON_DEMAND(helper_of_half_a_frame, 120)
{
    kit_system_begin();
    int fd = kit_raw_connect(helper_name());
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    kit_raw_frame(fd, 1, "whole", 5);
    kit_raw_header(fd, 1, 1000);
    kit_raw_send(fd, "the beginning", 13);
    helper_stay();
}

TEST_TIMEOUT(nt_crowd_of_processes_before_their_server, 240)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    struct helper helpers[CLIENTS];
    uint32_t accepted = 0, closed = 0;
    for (int i = 0; i < CLIENTS; i++)
        helpers[i] = helper_start("helper_of_the_crowd", name, false);
    (void)kit_listen(hub, name, NULL);
    while (closed < CLIENTS) {
        struct leat_event event = {0};
        char question = 0;
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, 60000), LEAT_OK);
        accepted += event.type == LEAT_EVENT_ACCEPTED;
        closed += event.type == LEAT_EVENT_CLOSED;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        REQUIRE_ERROR(leat_read(hub, event.conn, &question, 1, &size), LEAT_OK);
        CHECK_INT(question, '?');
        kit_write_text(hub, event.conn, "!");
    }
    CHECK_INT(accepted, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_INT(helper_end(&helpers[i], false), 0);
    kit_end(hub);
}

TEST_TIMEOUT(nt_killed_within_a_frame, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, &kit_messages);
    struct helper helper = helper_start("helper_of_half_a_frame", name, false);
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, 60000, &conn), LEAT_OK);
    kit_receive_text(hub, conn, "whole");
    CHECK_WITHIN(30000, (KIT_QUIET(hub), kit_info(hub, conn).inbox_bytes == 8 + 13));
    (void)helper_end(&helper, true);
    struct leat_event event = {0};
    for (int i = 0; i < 10 && event.type != LEAT_EVENT_CLOSED; i++) {
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        CHECK(event.type == LEAT_EVENT_CLOSED || event.type == LEAT_EVENT_HANGUP);
    }
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    struct kit_ends ends = kit_open(hub, listener, name, &kit_messages);
    kit_send_text(hub, ends.dialled, "next");
    kit_receive_text(hub, ends.accepted, "next");
    kit_end(hub);
}
