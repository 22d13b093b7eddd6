/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of adopted descriptors and of pairs.
 *
 * Happy path: a socket made elsewhere becomes a connection or a listener.
 * Fails:      whatever is not what it should be stays the caller's, open and unchanged.
 * Invariants: a refused call leaves its outputs untouched.
 */
#include "kit.h"

#include "os_posix.h"

#include <string.h>

static void conn_refused(struct leat_hub *hub, int fd, enum leat_error error)
{
    leat_conn conn = {77};
    CHECK_ERROR(leat_adopt_conn(hub, fd, 1, NULL, &conn), error);
    CHECK_INT(conn.id, 77);
}

static void listener_refused(struct leat_hub *hub, int fd, enum leat_error error)
{
    leat_listener listener = {77};
    CHECK_ERROR(leat_adopt_listener(hub, fd, NULL, &listener), error);
    CHECK_INT(listener.id, 77);
}

TEST(adopt_a_connected_socket)
{
    struct leat_hub *hub = kit_begin();
    int fds[2];
    leat_conn conn;
    char buffer[8] = "";
    REQUIRE_INT(lti_os_socketpair(fds), 0);
    kit_raw_send(fds[1], "before", 6);
    CHECK_ERROR(leat_adopt_conn(hub, fds[0], 9, NULL, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK(!kit_info(hub, conn).dialled);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 9);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_read_text(hub, conn, "before");
    kit_write_text(hub, conn, "after");
    CHECK_INT(kit_raw_recv(fds[1], buffer, sizeof buffer), 5);
    CHECK_STR(buffer, "after");
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    CHECK_INT(kit_raw_recv(fds[1], buffer, sizeof buffer), -1);
    kit_raw_close(fds[1]);
    kit_end(hub);
}

TEST(adopt_with_messages_shakes_hands)
{
    struct leat_hub *hub = kit_begin();
    int fds[2];
    leat_conn conn;
    uint8_t buffer[64];
    REQUIRE_INT(lti_os_socketpair(fds), 0);
    CHECK_ERROR(leat_adopt_conn(hub, fds[0], 9, &kit_messages, &conn), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_HANDSHAKE);
    CHECK_INT(kit_raw_recv(fds[1], buffer, sizeof buffer), KIT_HELLO_BYTES);
    CHECK_MEM(buffer, kit_hello, KIT_HELLO_BYTES);
    kit_raw_send(fds[1], kit_hello, sizeof kit_hello);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 9);
    CHECK_INT(kit_info(hub, conn).peer_frame_bytes_max, KIT_MIB);
    kit_raw_close(fds[1]);
    kit_end(hub);
}

TEST(adopt_a_listening_socket)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("handed.sock");
    struct leat_listen_options options = {.size = sizeof options, .tag = 4};
    leat_listener listener;
    char buffer[8];
    size_t size = 77;
    int fd = kit_raw_listen(name, 5);
    leat_conn early = kit_connect(hub, name, 1, NULL);
    CHECK_ERROR(leat_adopt_listener(hub, fd, &options, &listener), LEAT_OK);
    CHECK_INT(KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).tag, 4);
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    kit_write_text(hub, ends.accepted, "hi");
    kit_read_text(hub, ends.dialled, "hi");
    CHECK_ERROR(leat_listener_name(hub, listener, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, "");
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    /* Whoever made the path removes it. */
    kit_file_remove(name);
    CHECK_ERROR(leat_abort(hub, early), LEAT_OK);
    kit_end(hub);
}

TEST(adopt_refuses_what_is_not_right)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("listening.sock");
    int64_t plain = lti_os_socket();
    int listening = kit_raw_listen(name, 5);
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(fds), 0);
    int64_t file = lti_os_open_lock(kit_path("file") + 5);
    int64_t event = lti_os_event_create();
    REQUIRE(plain >= 0 && file >= 0 && event >= 0);
    conn_refused(hub, -1, LEAT_E_HANDLE);
    conn_refused(hub, 1000000, LEAT_E_HANDLE);
    conn_refused(hub, (int)file, LEAT_E_HANDLE);
    conn_refused(hub, (int)event, LEAT_E_HANDLE);
    conn_refused(hub, (int)plain, LEAT_E_HANDLE);
    conn_refused(hub, listening, LEAT_E_HANDLE);
    listener_refused(hub, -1, LEAT_E_HANDLE);
    listener_refused(hub, 1000000, LEAT_E_HANDLE);
    listener_refused(hub, (int)file, LEAT_E_HANDLE);
    listener_refused(hub, (int)plain, LEAT_E_HANDLE);
    listener_refused(hub, fds[0], LEAT_E_HANDLE);
    leat_conn conn = {77};
    const struct leat_conn_options bad = {.size = 1};
    CHECK_ERROR(leat_adopt_conn(hub, fds[0], 1, &bad, &conn), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_adopt_conn(hub, fds[0], 1, NULL, NULL), LEAT_E_ARGUMENT);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    /* Each is still there, and still works. */
    kit_raw_send(fds[0], "x", 1);
    kit_raw_close(kit_raw_connect(name));
    KIT_QUIET(hub);
    kit_raw_close(fds[0]);
    kit_raw_close(fds[1]);
    kit_raw_close(listening);
    kit_raw_close((int)plain);
    kit_raw_close((int)file);
    kit_raw_close((int)event);
    kit_file_remove(name);
    kit_file_remove(kit_path("file"));
    kit_end(hub);
}

TEST(pair_on_one_hub)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    CHECK(ends.dialled.id != ends.accepted.id);
    kit_write_text(hub, ends.dialled, "there");
    kit_write_text(hub, ends.accepted, "back");
    kit_read_text(hub, ends.accepted, "there");
    kit_read_text(hub, ends.dialled, "back");
    kit_end(hub);
}

TEST(pair_on_two_hubs)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_conn a, b;
    REQUIRE_ERROR(leat_pair(hub, other, &kit_messages, &a, &b), LEAT_OK);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(hub, other, counts);
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 2);
    kit_send_text(hub, a, "there");
    kit_receive_text(other, b, "there");
    CHECK_ERROR(leat_pair(hub, NULL, NULL, &a, &b), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_pair(NULL, hub, NULL, &a, &b), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    KIT_CLOSED(hub, a, LEAT_E_BROKEN);
    kit_end(hub);
}

TEST(pair_that_half_fails_leaves_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub_options options = {.size = sizeof options, .conns_max = 1};
    struct leat_hub *small = kit_hub(&options);
    leat_conn a = {77}, b = {78};
    REQUIRE_ERROR(leat_pair(hub, small, NULL, &a, &b), LEAT_OK);
    leat_conn c = {77}, d = {78};
    CHECK_ERROR(leat_pair(hub, small, NULL, &c, &d), LEAT_E_LIMIT);
    CHECK_ERROR(leat_pair(small, hub, NULL, &c, &d), LEAT_E_LIMIT);
    CHECK(c.id == 77 && d.id == 78);
    CHECK_INT(kit_hub_info(hub).conns, 1);
    CHECK_ERROR(leat_hub_destroy(small), LEAT_OK);
    kit_end(hub);
}
