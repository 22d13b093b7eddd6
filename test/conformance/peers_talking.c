/* SPDX-License-Identifier: MIT
 *
 * What the tests of other libraries show of connections in use, shown of leat: sources.def says
 * whose test is whose.
 *
 * Happy path: every byte arrives once, in order, and then the end, once.
 * Fails:      a peer that goes, at any moment, whatever waits.
 * Invariants: what was received stays readable; what was not sent is counted.
 */
#include "kit.h"

#include <string.h>

static uint8_t block[256 * 1024];

static uint32_t little_read(const uint8_t bytes[4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void little_write(uint8_t bytes[4], uint32_t word)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
}

/* ---- Data ------------------------------------------------------------------------------------ */

TEST(line_of_fifty_kilobytes)
{
    enum { SIZE = 50 * 1024 };
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    static char line[SIZE + 1];
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    size_t size = 0;
    memset(block, 'q', SIZE - 1);
    block[SIZE - 1] = '\n';
    kit_write(hub, ends.dialled, block, SIZE);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, SIZE);
    CHECK_MEM(line, block, SIZE);
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 0);
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, SIZE);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, SIZE);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_close(hub, ends.dialled, 1000), LEAT_OK);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_FINISHED], 1);
    CHECK_INT(counts[LEAT_EVENT_CLOSED], 1);
    CHECK_INT(counts[LEAT_EVENT_READABLE], 0);
    kit_end(hub);
}

TEST(read_limit_of_128_bytes)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 128};
    struct kit_ends ends = kit_pair(hub, &options);
    uint8_t got[256];
    size_t size = 0;
    kit_pattern(block, 256, 0);
    kit_write(hub, ends.dialled, block, 256);
    for (size_t at = 0; at < 256; at += 128) {
        for (int i = 0; i < 3; i++)
            KIT_NEXT(hub, LEAT_EVENT_READABLE);
        CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 128);
        CHECK_ERROR(leat_read(hub, ends.accepted, got + at, 256 - at, &size), LEAT_OK);
        CHECK_INT(size, 128);
    }
    CHECK_MEM(got, block, 256);
    CHECK_ERROR(leat_read(hub, ends.accepted, got, 1, &size), LEAT_E_EMPTY);
    CHECK_INT(kit_stats(hub, ends.accepted).inbox_bytes_high, 128);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* A header of four bytes, and what it announces; both ends block, in one thread. */
TEST(two_thousand_commands_and_answers)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t header[4], body[100];
        size_t size = 0;
        little_write(header, i % 100);
        kit_pattern(block, i % 100, i);
        kit_write(hub, ends.dialled, header, 4);
        kit_write(hub, ends.dialled, block, i % 100);
        REQUIRE_ERROR(leat_read_full(hub, ends.accepted, header, 4, KIT_SOON_MS, &size), LEAT_OK);
        REQUIRE_INT(little_read(header), i % 100);
        REQUIRE_ERROR(leat_read_full(hub, ends.accepted, body, i % 100, KIT_SOON_MS, &size),
                      LEAT_OK);
        CHECK(kit_pattern_is(body, i % 100, i));
        little_write(header, i);
        kit_write(hub, ends.accepted, header, 4);
        REQUIRE_ERROR(leat_read_full(hub, ends.dialled, header, 4, KIT_SOON_MS, &size), LEAT_OK);
        REQUIRE_INT(little_read(header), i);
    }
    KIT_QUIET(hub);
    kit_end(hub);
}

/* Numbered messages until five hundred were taken; then no more is read, and the sender goes. */
TEST(five_hundred_commands_and_an_abort)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    uint32_t sent = 0, got = 0;
    uint8_t word[4];
    size_t size = 0;
    bool over = false;
    while (got < 500) {
        little_write(word, sent);
        sent += leat_send(hub, ends.dialled, word, 4) == LEAT_OK;
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
        REQUIRE_ERROR(leat_receive(hub, ends.accepted, word, 4, &size), LEAT_OK);
        REQUIRE_INT(little_read(word), got++);
    }
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK) {
        memset(block, 0, sizeof word);
        little_write(block, sent);
        error = leat_send(hub, ends.dialled, block, 1000);
        sent += error == LEAT_OK;
    }
    CHECK_ERROR(error, LEAT_E_FULL);
    CHECK(kit_info(hub, ends.dialled).outbox_messages > 0);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    for (uint32_t i = 0; i < 100000 && !over; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        CHECK(event.conn.id == ends.accepted.id);
        counts[event.type]++;
        over = event.type == LEAT_EVENT_CLOSED;
        if (event.type == LEAT_EVENT_READABLE) {
            REQUIRE_ERROR(leat_receive(hub, ends.accepted, block, 1000, &size), LEAT_OK);
            CHECK_INT(little_read(block), got++);
        }
        CHECK_ERROR(over ? event.error : LEAT_E_BROKEN, LEAT_E_BROKEN);
    }
    CHECK(got >= 500 && got < sent);
    CHECK_INT(counts[LEAT_EVENT_CLOSED], 1);
    CHECK(counts[LEAT_EVENT_HANGUP] <= 1);
    CHECK_INT(counts[LEAT_EVENT_FINISHED], 0);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(six_mebibytes_each_way_before_anybody_reads)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .outbox_bytes = 6 * KIT_MIB};
    struct kit_ends ends = kit_pair(hub, &options);
    leat_conn conns[2] = {ends.dialled, ends.accepted};
    uint64_t got[2] = {0}, total = 6 * KIT_MIB;
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t at = 0; at < total; at += sizeof block) {
            kit_pattern(block, sizeof block, at);
            kit_write(hub, conns[i], block, sizeof block);
        }
    }
    for (uint32_t i = 0; i < 1000000 && got[0] + got[1] < 2 * total; i++) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_READABLE);
        size_t size = 0, which = event.conn.id == ends.dialled.id ? 0 : 1;
        REQUIRE_ERROR(leat_read(hub, event.conn, block, sizeof block, &size), LEAT_OK);
        REQUIRE(kit_pattern_is(block, size, got[which]));
        got[which] += size;
    }
    CHECK(got[0] == total && got[1] == total);
    kit_end(hub);
}

/* As much is taken as there is room for, however much is offered at once. */
TEST(slices_of_more_than_an_int_counts)
{
    enum { SIZE = 40 * 1024 * 1024 };
    static uint8_t zeros[SIZE];
    if (SIZE_MAX / 2 <= INT32_MAX)
        SKIP_NEEDS("sizes of 64 bits");
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    struct leat_slice slices[LEAT_SLICES_MAX];
    size_t accepted = 0, size = 0, got = 0;
    for (size_t i = 0; i < LEAT_SLICES_MAX; i++)
        slices[i] = (struct leat_slice){zeros, SIZE};
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices, LEAT_SLICES_MAX, &accepted), LEAT_OK);
    CHECK(accepted >= (size_t)128 * 1024 && accepted < 16 * KIT_MIB);
    while (got < accepted) {
        REQUIRE_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        REQUIRE_ERROR(leat_skip(hub, ends.accepted, SIZE_MAX, &size), LEAT_OK);
        got += size;
    }
    CHECK_INT(got, accepted);
    KIT_NEXT(hub, LEAT_EVENT_WRITABLE);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

TEST(closed_at_once_after_a_few_writes)
{
    for (uint32_t writes = 1; writes <= 20; writes += 19) {
        struct leat_hub *hub = kit_begin();
        leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        uint64_t got = 0;
        for (uint32_t i = 0; i < writes; i++) {
            kit_pattern(block, 100, 100 * i);
            kit_write(hub, ends.accepted, block, 100);
        }
        CHECK_ERROR(leat_close(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        for (uint32_t i = 0; i < 1000 && counts[LEAT_EVENT_CLOSED] == 0; i++) {
            struct leat_event event = {0};
            size_t size = 0;
            REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
            CHECK(event.conn.id == ends.dialled.id);
            counts[event.type]++;
            if (event.type != LEAT_EVENT_READABLE)
                continue;
            CHECK_INT(counts[LEAT_EVENT_FINISHED], 0);
            REQUIRE_ERROR(leat_read(hub, ends.dialled, block, 64, &size), LEAT_OK);
            CHECK(kit_pattern_is(block, size, got));
            got += size;
        }
        CHECK_INT(got, 100 * writes);
        CHECK_INT(counts[LEAT_EVENT_FINISHED], 1);
        CHECK_INT(counts[LEAT_EVENT_CLOSED], 1);
        KIT_QUIET(hub);
        kit_end(hub);
    }
}

TEST(wait_for_the_end_in_both_directions)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
        leat_conn closer = i ? ends.accepted : ends.dialled;
        leat_conn waiter = i ? ends.dialled : ends.accepted;
        size_t size = 77;
        CHECK_ERROR(leat_wait_closed(hub, waiter, 20), LEAT_E_TIMEOUT);
        CHECK_ERROR(leat_close(hub, closer, 0), LEAT_OK);
        uint64_t begin = kit_now_ms();
        CHECK_ERROR(leat_wait_closed(hub, waiter, 3000), LEAT_OK);
        CHECK(kit_now_ms() - begin < lti_test_scaled_ms(2000));
        CHECK_INT(kit_info(hub, waiter).state, LEAT_STATE_ENDED);
        CHECK_ERROR(leat_write(hub, waiter, "x", 1, &size), LEAT_E_CLOSED);
        /* Its one CLOSED was used up by the wait. */
        KIT_QUIET(hub);
        CHECK_ERROR(leat_close(hub, waiter, 0), LEAT_OK);
    }
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* It never reads, so that only the system can tell it. */
TEST(who_only_writes_is_told_of_the_end)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
        kit_write_text(hub, ends.dialled, "only this");
        kit_write_text(hub, ends.accepted, "never read");
        kit_read_text(hub, ends.accepted, "only this");
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        if (i == 1) {
            CHECK_ERROR(leat_pause(hub, ends.dialled), LEAT_OK);
            KIT_NEXT(hub, LEAT_EVENT_HANGUP);
            CHECK_ERROR(leat_resume(hub, ends.dialled), LEAT_OK);
        }
        enum leat_error error = leat_wait_closed(hub, ends.dialled, LEAT_FOREVER);
        CHECK(error == LEAT_OK || error == LEAT_E_BROKEN);
        CHECK_ERROR(leat_close(hub, ends.dialled, 0), LEAT_OK);
        KIT_QUIET(hub);
    }
    kit_end(hub);
}

TEST(reading_on_when_the_peer_has_vanished)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char buffer[16] = "";
    size_t size = 77;
    kit_write_text(hub, ends.dialled, "half");
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_read_full(hub, ends.accepted, buffer, 8, KIT_SOON_MS, &size), LEAT_E_FINISHED);
    CHECK_INT(size, 4);
    CHECK_STR(buffer, "half");
    CHECK_ERROR(leat_read_full(hub, ends.accepted, buffer, 8, KIT_SOON_MS, &size), LEAT_E_FINISHED);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_FINISHED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(2000));
    enum leat_error error = leat_write(hub, ends.accepted, "x", 1, &size);
    CHECK(error == LEAT_E_CLOSED || error == LEAT_E_BROKEN);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(finish_and_close_in_one_breath)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_pair(hub, &kit_messages);
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        kit_send_text(hub, ends.dialled, "last");
        CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
        if (i == 0)
            CHECK_ERROR(leat_close_report(hub, ends.dialled, 1000, 5), LEAT_OK);
        else
            CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        kit_receive_text(hub, ends.accepted, "last");
        kit_drain(hub, NULL, counts);
        CHECK_INT(counts[LEAT_EVENT_CLOSE_REPORT], i == 0 ? 1 : 0);
        CHECK_INT(counts[LEAT_EVENT_FINISHED], 1);
        CHECK_INT(counts[LEAT_EVENT_CLOSED], 1);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

TEST(server_that_goes_in_the_handshake)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("shy.sock");
    int listener = kit_raw_listen(name, 5);
    for (int i = 0; i < 2; i++) {
        leat_conn conn = kit_connect(hub, name, 1, &kit_messages);
        int fd = kit_raw_accept(listener);
        kit_send_text(hub, conn, "early");
        if (i == 1)
            kit_raw_send(fd, kit_hello, KIT_HELLO_BYTES / 2);
        kit_raw_close(fd);
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        CHECK_ERROR(event.error, LEAT_E_BROKEN);
        CHECK_INT(event.tag, 1);
        KIT_QUIET(hub);
    }
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}
