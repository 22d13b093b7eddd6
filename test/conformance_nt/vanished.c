/* SPDX-License-Identifier: MIT
 *
 * What is promised of peers at the other end of a pipe that go, or are not what they should be; and
 * of handles that are adopted.
 *
 * Happy path: an end is noticed at once, whatever the connection does just then.
 * Fails:      a handle that cannot work is refused, and stays the caller's.
 * Invariants: what a peer may have read of a write that was given up is counted as undelivered.
 */
#include "conformance/kit_nt.h"

#include <string.h>

#define NOTICED_MS 100

static void vanish(struct leat_hub *hub, int fd, enum leat_event_type type)
{
    uint64_t begin = kit_now_ms();
    kit_raw_close(fd);
    KIT_UNTIL(hub, type);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
}

TEST(nt_vanished_while_idle)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    for (int i = 0; i < 2; i++) {
        leat_conn conn = kit_raw_conn(hub, NULL, &fd);
        KIT_QUIET(hub);
        if (i == 1) { /* after it had been busy */
            kit_raw_send(fd, "hello", 5);
            kit_read_text(hub, conn, "hello");
            KIT_QUIET(hub);
        }
        vanish(hub, fd, LEAT_EVENT_CLOSED);
    }
    kit_end(hub);
}

TEST(nt_vanished_while_paused)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, NULL, &fd);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    kit_raw_send(fd, "unread", 6);
    KIT_QUIET(hub);
    vanish(hub, fd, LEAT_EVENT_HANGUP);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    kit_read_text(hub, conn, "unread");
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(nt_vanished_while_the_inbox_is_full)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 1000};
    static uint8_t block[50000];
    int fd;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    kit_pattern(block, sizeof block, 0);
    kit_raw_send(fd, block, sizeof block);
    for (int i = 0; i < 5; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, conn).inbox_bytes, 1000);
    vanish(hub, fd, LEAT_EVENT_HANGUP);
    enum leat_error end;
    CHECK_INT(kit_read_to_the_end(hub, conn, &end), sizeof block);
    CHECK_ERROR(end, LEAT_E_FINISHED);
    kit_end(hub);
}

TEST(nt_vanished_while_a_write_waits)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, NULL, &fd);
    (void)kit_fill(hub, conn, 0);
    uint64_t outbox = kit_info(hub, conn).outbox_bytes;
    uint64_t begin = kit_now_ms();
    kit_raw_close(fd);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    CHECK(event.error == LEAT_E_CLOSED || event.error == LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, outbox);
    kit_end(hub);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void conn_refused(struct leat_hub *hub, intptr_t handle)
{
    leat_conn conn = {77};
    CHECK_ERROR(leat_adopt_conn(hub, handle, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
}

TEST(nt_adopt_refuses_what_is_not_right)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    intptr_t handle;
    int64_t event = lti_os_signal_create(), queue = lti_os_queue_create();
    REQUIRE(event >= 0 && queue >= 0);
    int fd = kit_raw_pair(&handle);
    int listening = kit_raw_listen(kit_path("listening"), 0);
    int64_t messages = kit_raw_serve(kit_path("messages"), 1, 1, LTI_OS_PIPE_MESSAGE, NULL);
    REQUIRE(messages >= 0);
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
    kit_units(kit_path("messages"), name);
    int64_t client = lti_os_pipe_open(name);
    REQUIRE(client >= 0);
    conn_refused(hub, -1);
    conn_refused(hub, 0x7FFFFF0);
    conn_refused(hub, (intptr_t)event);
    conn_refused(hub, (intptr_t)queue);
    conn_refused(hub, (intptr_t)client);
    conn_refused(hub, kit_raw_handle(listening));
    conn_refused(hub, kit_raw_handle(fd)); /* it belongs to the kit's queue */
    CHECK_INT(kit_hub_info(hub).conns, 0);
    leat_conn conn = {77};
    const struct leat_conn_options bad = {.size = 1};
    CHECK_ERROR(leat_adopt_conn(hub, handle, 1, &bad, &conn), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_adopt_conn(hub, handle, 1, NULL, NULL), LEAT_E_ARGUMENT);
    /* Each is still there; the good one is taken, and by one hub only. */
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, NULL, &conn), LEAT_OK);
    conn_refused(other, handle);
    kit_raw_send(fd, "fine", 4);
    kit_read_text(hub, conn, "fine");
    CHECK_INT(lti_os_signal_set((intptr_t)event), 0);
    CHECK_INT(lti_os_handle_close((intptr_t)event), 0);
    CHECK_INT(lti_os_handle_close((intptr_t)queue), 0);
    CHECK_INT(lti_os_handle_close((intptr_t)client), 0);
    kit_raw_close((int)messages);
    kit_raw_close(listening);
    kit_raw_close(fd);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(nt_adopt_no_listener)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = {77};
    int raw = kit_raw_listen(kit_path("listening"), 0);
    CHECK_ERROR(leat_adopt_listener(hub, -1, NULL, &listener), LEAT_E_HANDLE);
    CHECK_ERROR(leat_adopt_listener(hub, kit_raw_handle(raw), NULL, &listener), LEAT_E_UNSUPPORTED);
    CHECK_INT(listener.id, 77);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    kit_raw_close(raw);
    kit_end(hub);
}
