/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of arguments that cannot be meant: no hub, no place for what is asked for, a
 * size without a buffer.
 *
 * Happy path: each is ARGUMENT, and no size at all needs no buffer.
 * Fails:      never by design.
 * Invariants: outputs are untouched, and the connection is as good as before.
 */
#include "kit.h"

#include <string.h>

#define IS_ARGUMENT(call) CHECK_ERROR((call), LEAT_E_ARGUMENT)

TEST(arguments_without_a_hub_to_ask)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    const leat_conn conn = ends.dialled;
    const leat_listener listener = {7};
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_conn_stats stats = {.size = sizeof stats};
    struct leat_listener_info listened = {.size = sizeof listened};
    struct leat_hub_info whole = {.size = sizeof whole};
    struct leat_peer peer = {.size = sizeof peer};
    struct leat_listen_options listen = {.size = sizeof listen};
    leat_listener made = {77};
    leat_conn other = {77};
    uint32_t groups[1];
    intptr_t handle = -7;
    size_t size = 77;
    char text[8];
    IS_ARGUMENT(leat_conn_info_get(NULL, conn, &info));
    IS_ARGUMENT(leat_conn_stats_get(NULL, conn, &stats));
    IS_ARGUMENT(leat_listener_info_get(NULL, listener, &listened));
    IS_ARGUMENT(leat_hub_info_get(NULL, &whole));
    IS_ARGUMENT(leat_conn_name(NULL, conn, text, sizeof text, &size));
    IS_ARGUMENT(leat_listener_name(NULL, listener, text, sizeof text, &size));
    IS_ARGUMENT(leat_peer_get(NULL, conn, &peer));
    IS_ARGUMENT(leat_peer_groups(NULL, conn, groups, 1, &size));
    IS_ARGUMENT(leat_peer_process(NULL, conn, &handle));
    IS_ARGUMENT(leat_listen(NULL, kit_plain("server"), &listen, &made));
    IS_ARGUMENT(leat_adopt_listener(NULL, handle, &listen, &made));
    IS_ARGUMENT(leat_listener_close(NULL, listener));
    IS_ARGUMENT(leat_timer_cancel(NULL, (leat_timer){7}));
    IS_ARGUMENT(leat_close_wait(NULL, conn, 0, NULL));
    IS_ARGUMENT(leat_wait_accepted(NULL, listener, 0, &other));
    IS_ARGUMENT(leat_wait_readable(NULL, conn, 0));
    IS_ARGUMENT(leat_read(NULL, conn, text, sizeof text, &size));
    IS_ARGUMENT(leat_receive(NULL, conn, text, sizeof text, &size));
    IS_ARGUMENT(leat_pair(hub, hub, NULL, NULL, &other));
    IS_ARGUMENT(leat_pair(hub, hub, NULL, &other, NULL));
    CHECK(size == 77 && handle == -7 && made.id == 77 && other.id == 77);
    kit_end(hub);
}

TEST(arguments_without_a_place_for_the_answer)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    const leat_conn conn = ends.dialled;
    struct leat_listen_options listen = {.size = sizeof listen};
    char text[8];
    size_t size = 77;
    IS_ARGUMENT(leat_conn_name(hub, conn, text, sizeof text, NULL));
    IS_ARGUMENT(leat_conn_name(hub, conn, NULL, 1, &size));
    IS_ARGUMENT(leat_listener_name(hub, listener, text, sizeof text, NULL));
    IS_ARGUMENT(leat_listener_name(hub, listener, NULL, 1, &size));
    IS_ARGUMENT(leat_resolve(kit_plain("server"), text, sizeof text, NULL));
    IS_ARGUMENT(leat_resolve(kit_plain("server"), NULL, 1, &size));
    IS_ARGUMENT(leat_resolve(NULL, text, sizeof text, &size));
    IS_ARGUMENT(leat_adopt_listener(hub, -1, &listen, NULL));
    IS_ARGUMENT(leat_skip(hub, conn, 1, NULL));
    IS_ARGUMENT(leat_read_until(hub, conn, '\n', text, sizeof text, NULL));
    IS_ARGUMENT(leat_read_until(hub, conn, '\n', NULL, 1, &size));
    IS_ARGUMENT(leat_receive(hub, conn, text, sizeof text, NULL));
    IS_ARGUMENT(leat_receive(hub, conn, NULL, 1, &size));
    IS_ARGUMENT(leat_view(hub, conn, NULL, &size));
    IS_ARGUMENT(leat_view(hub, conn, (const void *[]){NULL}, NULL));
    IS_ARGUMENT(leat_receive_wait(hub, conn, text, sizeof text, 0, NULL));
    IS_ARGUMENT(leat_receive_wait(hub, conn, NULL, 1, 0, &size));
    IS_ARGUMENT(leat_peer_groups(hub, conn, NULL, 1, &size));
    CHECK_INT(size, 77);
    IS_ARGUMENT(leat_read_full(hub, conn, NULL, 1, 0, &size));
    CHECK_INT(size, 0);
    kit_write_text(hub, ends.accepted, "still there");
    kit_read_text(hub, ends.dialled, "still there");
    kit_end(hub);
}

/* How much room is needed can be asked without any. */
TEST(arguments_no_room_needs_no_buffer)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    struct kit_ends messages = kit_pair(hub, &kit_messages);
    size_t size = 0;
    CHECK_ERROR(leat_conn_name(hub, ends.dialled, NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK(size > 0);
    size = 0;
    CHECK_ERROR(leat_listener_name(hub, listener, NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK(size > 0);
    size = 0;
    CHECK_ERROR(leat_resolve(kit_plain("server"), NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK(size > 0);
    kit_write_text(hub, ends.accepted, "x");
    CHECK_ERROR(leat_wait_readable(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_read_until(hub, ends.dialled, 'x', NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_read_full(hub, ends.dialled, NULL, 0, 0, &size), LEAT_OK);
    kit_read_text(hub, ends.dialled, "x");
    CHECK_ERROR(leat_send(hub, messages.dialled, "", 0), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(hub, messages.accepted, NULL, 0, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_receive(hub, messages.accepted, NULL, 0, &size), LEAT_E_EMPTY);
    struct leat_peer peer = {.size = sizeof peer - 1};
    CHECK(leat_peer_get(hub, ends.dialled, &peer) != LEAT_OK);
    enum leat_error groups = leat_peer_groups(hub, ends.accepted, NULL, 0, &size);
    CHECK(groups == LEAT_OK || groups == LEAT_E_TOO_BIG || groups == LEAT_E_UNSUPPORTED);
    kit_end(hub);
}

TEST(arguments_messages_beyond_any_frame)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    /* Where sizes have 32 bits, more than half of them makes no sense. */
    const size_t most = SIZE_MAX / 2 < UINT32_MAX ? SIZE_MAX / 2 : UINT32_MAX;
    CHECK_ERROR(leat_send(hub, ends.dialled, "x", most), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_send(hub, ends.dialled, "x", most - 7), LEAT_E_TOO_BIG);
    kit_send_text(hub, ends.dialled, "still there");
    kit_receive_text(hub, ends.accepted, "still there");
    kit_end(hub);
}

/* Who has paused it and asks for a line that is not there waits for nothing. */
TEST(arguments_a_line_of_a_paused_connection)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char line[20];
    size_t size = 77;
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    kit_write_text(hub, ends.dialled, "line\n");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size),
                LEAT_E_STATE);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_STR(line, "line\n");
    kit_end(hub);
}
