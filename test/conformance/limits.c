/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the bounds: inbox, outbox, pause, and the marks.
 *
 * Happy path: a full box stops the flow exactly at its mark, and lets it go on.
 * Fails:      FULL, with exactly one WRITABLE later.
 * Invariants: whatever the limits, not one byte is lost or comes twice.
 */
#include "kit.h"

#include <string.h>

static struct leat_conn_options limited(size_t inbox, size_t outbox)
{
    return (struct leat_conn_options){
        .size = sizeof(struct leat_conn_options), .inbox_bytes = inbox, .outbox_bytes = outbox};
}

TEST(limits_inbox_full_stops_reading)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = limited(1000, 0);
    struct kit_ends ends = kit_pair(hub, &options);
    static uint8_t block[20000];
    size_t size = 0;
    kit_pattern(block, sizeof block, 0);
    kit_write(hub, ends.dialled, block, sizeof block);
    for (int i = 0; i < 10; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 1000);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, 1000);
    CHECK(kit_stats(hub, ends.accepted).read_stalls >= 1);
    /* Above the low mark, which is half, nothing more is read. */
    CHECK_ERROR(leat_read(hub, ends.accepted, block, 499, &size), LEAT_OK);
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 501);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 1, &size), LEAT_OK);
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 1000);
    CHECK_INT(kit_stats(hub, ends.accepted).inbox_bytes_high, 1000);
    kit_read_pattern(hub, ends.accepted, 500, 19500);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(limits_inbox_low_mark_of_the_user)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = limited(1000, 0);
    options.inbox_low_bytes = 1;
    struct kit_ends ends = kit_pair(hub, &options);
    static uint8_t block[5000];
    size_t size = 0;
    kit_pattern(block, sizeof block, 0);
    kit_write(hub, ends.dialled, block, sizeof block);
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 998, &size), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 2);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 1, &size), LEAT_OK);
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 1000);
    kit_read_pattern(hub, ends.accepted, 999, 4001);
    kit_end(hub);
}

TEST(limits_boxes_of_one_byte)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = limited(1, 1);
    struct kit_ends ends = kit_pair_narrow(hub, &options);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 1);
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, total - 1);
    kit_read_pattern(hub, ends.accepted, 0, total);
    CHECK_INT(kit_stats(hub, ends.accepted).inbox_bytes_high, 1);
    KIT_NEXT(hub, LEAT_EVENT_WRITABLE);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(limits_outbox_full_then_one_writable)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = limited(0, 100000);
    struct kit_ends ends = kit_pair(hub, &options);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    size_t accepted = 77;
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    struct leat_conn_info info = kit_info(hub, ends.dialled);
    CHECK_INT(info.outbox_bytes, 100000);
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent + 100000, total);
    /* A short count and a FULL. */
    CHECK_INT(kit_stats(hub, ends.dialled).full, 2);
    CHECK_ERROR(leat_write(hub, ends.dialled, "x", 1, &accepted), LEAT_E_FULL);
    CHECK_INT(accepted, 77);
    CHECK_INT(kit_stats(hub, ends.dialled).full, 3);
    CHECK_ERROR(leat_write(hub, ends.dialled, "x", 0, &accepted), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    uint64_t got = 0;
    static uint8_t buffer[65536];
    for (int i = 0; i < 100000 && got < total; i++) {
        struct leat_event event = {0};
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        counts[event.type]++;
        if (event.type == LEAT_EVENT_WRITABLE)
            CHECK(kit_info(hub, ends.dialled).outbox_bytes <= 50000);
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        REQUIRE_ERROR(leat_read(hub, ends.accepted, buffer, sizeof buffer, &size), LEAT_OK);
        REQUIRE(kit_pattern_is(buffer, size, got));
        got += size;
    }
    kit_drain(hub, NULL, counts);
    CHECK_INT(got, total);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
    CHECK_INT(kit_stats(hub, ends.dialled).outbox_bytes_high, 100000);
    CHECK(kit_stats(hub, ends.dialled).write_stalls >= 1);
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, total);
    kit_end(hub);
}

TEST(limits_outbox_low_mark_of_the_user)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = limited(0, 100000);
    options.outbox_low_bytes = 99999;
    struct kit_ends ends = kit_pair(hub, &options);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_wait_writable(hub, ends.dialled, 20), LEAT_E_TIMEOUT);
    kit_read_pattern(hub, ends.accepted, 0, total - 100000);
    KIT_UNTIL(hub, LEAT_EVENT_WRITABLE);
    CHECK(kit_info(hub, ends.dialled).outbox_bytes <= 99999);
    kit_read_pattern(hub, ends.accepted, total - 100000, 100000);
    kit_end(hub);
}

/* Fills it with what the protocol sends in one piece, and says how much waits when it is FULL. */
static uint64_t fill(struct leat_hub *hub, leat_conn conn, enum leat_protocol protocol)
{
    static uint8_t block[50000];
    enum leat_error error = LEAT_OK;
    size_t accepted = 0;
    for (uint32_t i = 0; i < 1000 && error == LEAT_OK; i++)
        error = protocol == LEAT_BYTES ? leat_write(hub, conn, block, sizeof block, &accepted)
                                       : leat_send(hub, conn, block, sizeof block);
    REQUIRE_ERROR(error, LEAT_E_FULL);
    return kit_info(hub, conn).outbox_bytes;
}

static bool all_taken(struct leat_hub *hub, const struct kit_ends *ends)
{
    return kit_info(hub, ends->dialled).outbox_bytes == 0 &&
           kit_info(hub, ends->accepted).inbox_bytes == 0 &&
           kit_stats(hub, ends->accepted).bytes_received ==
               kit_stats(hub, ends->dialled).bytes_sent;
}

/* Until there is room for more, or until the other end has all. True: a WRITABLE came. */
static bool take(struct leat_hub *hub, const struct kit_ends *ends, enum leat_protocol protocol)
{
    static uint8_t buffer[65536];
    for (int i = 0; i < 100000 && !all_taken(hub, ends); i++) {
        struct leat_event event = {0};
        size_t size = 0;
        enum leat_error error = leat_next(hub, &event, 10);
        if (error == LEAT_E_TIMEOUT) /* what has left is noted without an event */
            continue;
        REQUIRE_ERROR(error, LEAT_OK);
        if (event.type == LEAT_EVENT_WRITABLE)
            return true;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        error = protocol == LEAT_BYTES
                    ? leat_read(hub, ends->accepted, buffer, sizeof buffer, &size)
                    : leat_receive(hub, ends->accepted, buffer, sizeof buffer, &size);
        REQUIRE_ERROR(error, LEAT_OK);
    }
    struct leat_event event = {0};
    return leat_next(hub, &event, 0) == LEAT_OK && event.type == LEAT_EVENT_WRITABLE;
}

static bool full_at(uint64_t waits, uint64_t bound)
{
    return waits <= bound && waits > bound - 51000;
}

/* Who writes until FULL again and again has a smaller outbox than who wrote much once. */
TEST(limits_outbox_of_a_stream)
{
    static const enum leat_protocol protocols[] = {LEAT_BYTES, LEAT_MESSAGES, LEAT_PACKETS};
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        struct leat_hub *hub = kit_begin();
        const struct leat_conn_options options = {.size = sizeof options, .protocol = protocols[i]};
        struct kit_ends ends = kit_pair(hub, &options);
        CHECK(full_at(fill(hub, ends.dialled, protocols[i]), 4 * KIT_MIB));
        for (int turn = 0; turn < 3; turn++) {
            CHECK(take(hub, &ends, protocols[i]));
            CHECK(full_at(fill(hub, ends.dialled, protocols[i]), (uint64_t)128 * 1024));
        }
        CHECK(take(hub, &ends, protocols[i]));
        CHECK(!take(hub, &ends, protocols[i]));
        /* What waits now is less than full, and nobody waits for room: that was no stream. */
        uint64_t waits = 0;
        for (uint32_t pieces = 0; waits == 0 && pieces < 100000; pieces++) {
            if (protocols[i] == LEAT_BYTES)
                kit_write_text(hub, ends.dialled, "some more");
            else
                REQUIRE_ERROR(leat_send(hub, ends.dialled, "some more", 9), LEAT_OK);
            waits = kit_info(hub, ends.dialled).outbox_bytes;
        }
        CHECK(waits > 0);
        CHECK(!take(hub, &ends, protocols[i]));
        CHECK(full_at(fill(hub, ends.dialled, protocols[i]), 4 * KIT_MIB));
        CHECK_INT(kit_stats(hub, ends.dialled).outbox_bytes_high,
                  kit_info(hub, ends.dialled).outbox_bytes);
        kit_end(hub);
    }
}

TEST(limits_wait_writable_uses_the_event_up)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = limited(0, 100000);
    struct kit_ends ends = kit_pair(hub, &options);
    CHECK_ERROR(leat_wait_writable(hub, ends.dialled, 0), LEAT_OK);
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    kit_read_pattern(hub, ends.accepted, 0, total);
    CHECK_ERROR(leat_wait_writable(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(limits_pause_and_resume)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char buffer[8];
    size_t size = 77;
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    CHECK(kit_info(hub, ends.accepted).paused);
    kit_write_text(hub, ends.dialled, "abc");
    KIT_QUIET(hub);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_STATE);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 8, &size), LEAT_E_EMPTY);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, 0);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    /* What is in the inbox can be read while paused, but is not told. */
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    kit_write_text(hub, ends.dialled, "def");
    KIT_QUIET(hub);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 0), LEAT_OK);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 8, &size), LEAT_OK);
    CHECK_INT(size, 3);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 8, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK(!kit_info(hub, ends.accepted).paused);
    kit_read_text(hub, ends.accepted, "def");
    kit_end(hub);
}

TEST(limits_both_send_four_mebibytes_before_reading)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    uint64_t there = kit_fill(hub, ends.dialled, 0);
    uint64_t back = kit_fill(hub, ends.accepted, 7);
    CHECK(there >= KIT_ROOMY_BYTES && back >= KIT_ROOMY_BYTES);
    kit_read_pattern(hub, ends.accepted, 0, there);
    kit_read_pattern(hub, ends.dialled, 7, back);
    if (KIT_PIPES) { /* what was read may have been written by an operation that is not over yet */
        CHECK_ERROR(leat_wait_sent(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
        CHECK_ERROR(leat_wait_sent(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    }
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, there);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_sent, back);
    CHECK(kit_hub_info(hub).memory_bytes_high < 10 * KIT_MIB);
    kit_end(hub);
}

TEST(limits_idle_connections_hold_no_buffers)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends[50];
    uint64_t before = kit_hub_info(hub).memory_bytes;
    for (int i = 0; i < 50; i++)
        ends[i] = kit_pair(hub, NULL);
    uint64_t idle = kit_hub_info(hub).memory_bytes - before;
    CHECK(idle / 100 < 400); /* what they have in common with others is there once */
    for (int i = 0; i < 50; i++) {
        kit_write_text(hub, ends[i].dialled, "hello");
        kit_read_text(hub, ends[i].accepted, "hello");
        uint64_t total = kit_fill(hub, ends[i].dialled, 0);
        kit_read_pattern(hub, ends[i].accepted, 0, total);
    }
    kit_drain(hub, NULL, NULL);
    /* Some blocks are kept for the next ones: those of one full outbox. */
    CHECK(kit_hub_info(hub).memory_bytes - before - idle <= 64 * (65536 + 4096));
    kit_end(hub);
}

TEST(limits_write_full_and_read_full)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = limited(0, 100000);
    struct kit_ends ends = kit_pair(hub, &options);
    static uint8_t sent[2000000], got[2000000];
    size_t size = 77;
    kit_pattern(sent, sizeof sent, 0);
    CHECK_ERROR(leat_write_full(hub, ends.dialled, sent, sizeof sent, 50, &size), LEAT_E_TIMEOUT);
    CHECK(size > 100000 && size < sizeof sent);
    size_t accepted = size;
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent + kit_info(hub, ends.dialled).outbox_bytes,
              accepted);
    CHECK_ERROR(leat_read_full(hub, ends.accepted, got, accepted, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, accepted);
    CHECK_MEM(got, sent, accepted);
    CHECK_ERROR(leat_read_full(hub, ends.accepted, got, 10, 20, &size), LEAT_E_TIMEOUT);
    CHECK_INT(size, 0);
    kit_write_text(hub, ends.dialled, "abc");
    CHECK_ERROR(leat_read_full(hub, ends.accepted, got, 10, 20, &size), LEAT_E_TIMEOUT);
    CHECK_INT(size, 3);
    CHECK_MEM(got, "abc", 3);
    CHECK_ERROR(leat_write_full(hub, ends.dialled, "abc", 3, 20, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_read_full(hub, ends.dialled, got, 3, 20, NULL), LEAT_E_ARGUMENT);
    kit_end(hub);
}

/* Where nothing is to be read or written, nobody waits; what stands in the way is told all the
 * same. */
TEST(limits_write_full_and_read_full_of_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends bytes = kit_pair(hub, NULL), messages = kit_pair(hub, &kit_messages);
    char byte;
    size_t size = 77;
    CHECK_ERROR(leat_write_full(hub, bytes.dialled, "", 0, 0, &size), LEAT_OK);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_read_full(hub, bytes.accepted, &byte, 0, 0, &size), LEAT_OK);
    CHECK_ERROR(leat_write_full(hub, messages.dialled, "", 0, 0, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_read_full(hub, messages.accepted, &byte, 0, 0, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_abort(hub, bytes.dialled), LEAT_OK);
    size = 77;
    CHECK_ERROR(leat_write_full(hub, bytes.dialled, "", 0, 0, &size), LEAT_E_STALE);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_read_full(hub, bytes.dialled, &byte, 0, 0, &size), LEAT_E_STALE);
    CHECK_ERROR(leat_read_full(NULL, bytes.accepted, &byte, 0, 0, &size), LEAT_E_ARGUMENT);
    kit_end(hub);
}
