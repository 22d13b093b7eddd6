/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of adopted sockets: listeners, and what is refused.
 *
 * Happy path: a socket that listens becomes a listener.
 * Fails:      whatever is not what it should be stays the caller's, open and unchanged.
 * Invariants: a refused call leaves its outputs untouched.
 */
#include "kit_posix.h"

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

TEST_POSIX(adopt_a_listening_socket)
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

TEST_POSIX(adopt_refuses_what_is_not_right)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("listening.sock");
    int64_t plain = lti_os_socket(false);
    int listening = kit_raw_listen(name, 5);
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
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
