/* SPDX-License-Identifier: MIT
 *
 * gather_bytes beside threads: while one waits in the hub, what others write leaves at once.
 */
#include "conformance/kit.h"

#define ROUNDS 500

static void events_take(void *argument)
{
    struct leat_event event;
    do
        REQUIRE_ERROR(leat_next(argument, &event, LEAT_FOREVER), LEAT_OK);
    while (event.type != LEAT_EVENT_WOKEN);
}

TEST(gather_keeps_nothing_while_a_thread_waits)
{
    struct leat_hub *hub = kit_begin(), *other = kit_hub(NULL);
    const struct leat_conn_options options = {.size = sizeof options, .gather_bytes = 65536};
    leat_conn ours, theirs;
    REQUIRE_ERROR(leat_pair(hub, other, &options, &ours, &theirs), LEAT_OK);
    struct kit_thread *thread = kit_thread_start(events_take, hub);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    for (int i = 0; i < ROUNDS; i++) {
        char back[3];
        size_t done;
        kit_write(hub, ours, "a", 1);
        kit_write(hub, ours, "b", 1);
        kit_write(hub, ours, "c", 1);
        /* Nobody turns the hub: its thread sleeps until it is woken at the end. */
        REQUIRE_ERROR(leat_read_full(other, theirs, back, 3, KIT_SOON_MS, &done), LEAT_OK);
        CHECK(back[0] == 'a' && back[1] == 'b' && back[2] == 'c');
    }
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    kit_thread_join(thread);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

struct writer {
    struct leat_hub *hub;
    leat_conn conn;
};

static void two_writes(void *argument)
{
    const struct writer *writer = argument;
    kit_write(writer->hub, writer->conn, "a", 1);
    kit_write(writer->hub, writer->conn, "b", 1);
}

/* A loop elsewhere is told by its waitable that another thread's write is kept. Where nobody else
 * can wait, nobody is to be told. */
TEST(gather_tells_a_foreign_loop)
{
    struct leat_hub *hub = kit_begin(), *other = kit_hub(NULL);
    const struct leat_conn_options options = {.size = sizeof options, .gather_bytes = 65536};
    struct writer writer = {.hub = hub};
    leat_conn theirs;
    struct leat_event event;
    intptr_t waitable;
    uint32_t timeout_ms;
    bool there = kit_waitable_there();
    REQUIRE_ERROR(leat_pair(hub, other, &options, &writer.conn, &theirs), LEAT_OK);
    CHECK_ERROR(leat_hub_waitable(hub, &waitable), there ? LEAT_OK : LEAT_E_UNSUPPORTED);
    while (leat_next(hub, &event, 0) == LEAT_OK)
        continue;
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    kit_thread_join(kit_thread_start(two_writes, &writer));
    CHECK(!there || kit_waitable_ready(waitable, KIT_SOON_MS));
    CHECK_ERROR(leat_next(hub, &event, 0), LEAT_E_TIMEOUT);
    kit_read_text(other, theirs, "ab");
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}
