/* SPDX-License-Identifier: MIT
 *
 * FULL before a connection is there: WRITABLE comes when there is room, and not with CONNECTED.
 * Sockets only, because it is about a system that takes some bytes at once and not all.
 *
 * Happy path: the peer reads, and the one WRITABLE finds the outbox at its low mark.
 * Fails:      a WRITABLE too many, too early, or never.
 * Invariants: what was accepted early arrives in order.
 */
#include "kit.h"

#include <stdlib.h>

#define EARLY_LOW_BYTES ((size_t)65536)
#define EARLY_ROUNDS_MAX 100000

static const struct leat_conn_options early_options = {
    .size = sizeof early_options,
    .outbox_bytes = KIT_ROOMY_BYTES,
    .outbox_low_bytes = EARLY_LOW_BYTES,
};

/* Dials a name that nobody has yet, and fills the outbox. */
static leat_conn early_dial(struct leat_hub *hub, const char *name)
{
    struct leat_connect_options options = {
        .size = sizeof options, .absent = LEAT_ABSENT_WAIT, .conn = &early_options};
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, name, &options, &conn), LEAT_OK);
    REQUIRE_INT(kit_fill(hub, conn, 0), KIT_ROOMY_BYTES);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    return conn;
}

TEST(early_full_is_writable_when_there_is_room)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("early");
    leat_conn conn = early_dial(hub, name);
    int listener = kit_raw_listen(name, 5);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).conn.id, conn.id);
    int fd = kit_raw_accept(listener);
    REQUIRE(kit_info(hub, conn).outbox_bytes > EARLY_LOW_BYTES);
    KIT_QUIET(hub);
    uint8_t *bytes = malloc(KIT_MIB);
    REQUIRE(bytes != NULL);
    uint64_t read = 0;
    uint32_t writable = 0;
    for (int i = 0; i < EARLY_ROUNDS_MAX && read < KIT_ROOMY_BYTES; i++) {
        int64_t size = kit_raw_recv(fd, bytes, KIT_MIB);
        REQUIRE(size >= 0);
        CHECK(kit_pattern_is(bytes, (size_t)size, read));
        read += (uint64_t)size;
        struct leat_event event;
        while (leat_next(hub, &event, 0) == LEAT_OK) {
            CHECK_INT(event.type, LEAT_EVENT_WRITABLE);
            CHECK(kit_info(hub, conn).outbox_bytes <= EARLY_LOW_BYTES);
            writable++;
        }
    }
    CHECK_INT(read, KIT_ROOMY_BYTES);
    CHECK_INT(writable, 1);
    free(bytes);
    kit_raw_close(fd);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

/* A peer that takes everything at once makes room with CONNECTED. */
TEST(early_full_is_writable_once_when_all_was_taken)
{
    struct leat_conn_options options = {.size = sizeof options, .outbox_bytes = 1024};
    struct leat_connect_options to = {
        .size = sizeof to, .absent = LEAT_ABSENT_WAIT, .conn = &options};
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("early");
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, name, &to, &conn), LEAT_OK);
    CHECK_INT(kit_fill(hub, conn, 0), 1024);
    int listener = kit_raw_listen(name, 5);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).conn.id, conn.id);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_WRITABLE).conn.id, conn.id);
    CHECK_INT(kit_info(hub, conn).outbox_bytes, 0);
    KIT_QUIET(hub);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}
