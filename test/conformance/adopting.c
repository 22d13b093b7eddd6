/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of adopted connections and of pairs.
 *
 * Happy path: a handle made elsewhere becomes a connection; two ends are connected to each other.
 * Fails:      a pair of which one end cannot be is none at all.
 * Invariants: a refused call leaves its outputs untouched.
 */
#include "kit.h"

TEST(adopt_a_connected_handle)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handle;
    leat_conn conn;
    char buffer[8] = "";
    int fd = kit_raw_pair(&handle);
    kit_raw_send(fd, "before", 6);
    CHECK_ERROR(leat_adopt_conn(hub, handle, 9, NULL, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK(!kit_info(hub, conn).dialled);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 9);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_read_text(hub, conn, "before");
    kit_write_text(hub, conn, "after");
    CHECK_INT(kit_raw_recv(fd, buffer, sizeof buffer), 5);
    CHECK_STR(buffer, "after");
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    CHECK_INT(kit_raw_recv(fd, buffer, sizeof buffer), -1);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(adopt_with_messages_shakes_hands)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handle;
    leat_conn conn;
    uint8_t buffer[64];
    int fd = kit_raw_pair(&handle);
    CHECK_ERROR(leat_adopt_conn(hub, handle, 9, &kit_messages, &conn), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_HANDSHAKE);
    CHECK_INT(kit_raw_recv(fd, buffer, sizeof buffer), KIT_HELLO_BYTES);
    CHECK_MEM(buffer, kit_hello, KIT_HELLO_BYTES);
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 9);
    CHECK_INT(kit_info(hub, conn).peer_frame_bytes_max, KIT_MIB);
    kit_raw_close(fd);
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
