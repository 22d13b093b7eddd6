/* SPDX-License-Identifier: MIT
 *
 * What another library's weak points teach, with a number each: deadlines, bounds, and what is
 * delivered; sources.def says which point is whose.
 *
 * Happy path: the number holds, whatever the peer does or leaves undone.
 * Fails:      TIMEOUT, at its time.
 * Invariants: a wait ends in time; a bound is a bound in every mode.
 */
#include "kit.h"

#include "prng.h"

#include <string.h>

static uint8_t block[65536];

/* ---- Deadlines ------------------------------------------------------------------------------- */

#define WAIT_KINDS 12
#define WAITS_MAX_MS 40

/* What a wait of this kind gives when nothing comes. */
static enum leat_error wait_of(uint32_t kind, struct leat_hub *hub, leat_listener listener,
                               const struct kit_ends ends[3], uint32_t timeout_ms)
{
    static uint8_t buffer[64];
    leat_conn quiet = ends[0].dialled, full = ends[1].dialled, messages = ends[2].dialled, conn;
    struct leat_event event;
    size_t size;
    switch (kind) {
    case 0:
        return leat_next(hub, &event, timeout_ms);
    case 1:
        return leat_wait_readable(hub, quiet, timeout_ms);
    case 2:
        return leat_wait_closed(hub, quiet, timeout_ms);
    case 3:
        return leat_read_full(hub, quiet, buffer, sizeof buffer, timeout_ms, &size);
    case 4:
        return leat_read_line(hub, quiet, (char *)buffer, sizeof buffer, timeout_ms, &size);
    case 5:
        return leat_wait_writable(hub, full, timeout_ms);
    case 6:
        return leat_wait_sent(hub, full, timeout_ms);
    case 7:
        return leat_write_full(hub, full, block, sizeof block, timeout_ms, &size);
    case 8:
        return leat_wait_readable(hub, messages, timeout_ms);
    case 9:
        return leat_receive_wait(hub, messages, buffer, sizeof buffer, timeout_ms, &size);
    case 10:
        return leat_wait_accepted(hub, listener, timeout_ms, &conn);
    default:
        /* Nobody reads: the second end of this one is full, too. */
        return leat_wait_sent(hub, ends[1].accepted, timeout_ms);
    }
}

TEST(waits_of_any_length_end_in_time)
{
    struct leat_hub *hub = kit_begin();
    struct prng prng = {.state = 20};
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends[3] = {kit_pair(hub, NULL), kit_pair(hub, NULL),
                               kit_pair(hub, &kit_messages)};
    CHECK_ERROR(leat_pause(hub, ends[1].dialled), LEAT_OK);
    CHECK_ERROR(leat_pause(hub, ends[1].accepted), LEAT_OK);
    (void)kit_fill(hub, ends[1].dialled, 0);
    (void)kit_fill(hub, ends[1].accepted, 0);
    /* In virtual time nothing else takes time; else the machine may be busy. */
    uint64_t late = kit_simulated() ? 1 : lti_test_scaled_ms(1000);
    for (uint32_t i = 0; i < 5 * WAIT_KINDS; i++) {
        uint32_t timeout = (uint32_t)prng_below(&prng, WAITS_MAX_MS);
        uint64_t begin = kit_now_ms();
        CHECK_ERROR(wait_of(i % WAIT_KINDS, hub, listener, ends, timeout), LEAT_E_TIMEOUT);
        uint64_t took = kit_now_ms() - begin;
        CHECK(took + 1 >= timeout && took <= timeout + late);
    }
    kit_end(hub);
}

/* Qt's wait for the end spins for ever here. */
TEST(waits_end_with_a_full_inbox_whose_peer_is_gone)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 10};
    for (int i = 0; i < 2; i++) {
        struct kit_ends ends = kit_pair(hub, &options);
        kit_write_text(hub, ends.dialled, "0123456789abcdef");
        for (int turn = 0; turn < 3; turn++)
            KIT_NEXT(hub, LEAT_EVENT_READABLE);
        CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 10);
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        uint64_t begin = kit_now_ms(), waits = kit_hub_info(hub).waits;
        if (i == 0)
            CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 1000), LEAT_OK);
        else
            CHECK_ERROR(leat_wait_closed(hub, ends.accepted, 1000), LEAT_OK);
        CHECK(kit_now_ms() - begin < lti_test_scaled_ms(1000));
        CHECK(kit_hub_info(hub).waits - waits <= 25);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        kit_drain(hub, NULL, NULL);
    }
    kit_end(hub);
}

TEST(connect_that_timed_out_can_be_tried_again)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("busy.sock");
    const struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 200};
    int listener = kit_raw_listen(name, 1), fds[2] = {kit_raw_connect(name), kit_raw_connect(name)};
    leat_conn conn;
    CHECK_ERROR(leat_connect_wait(hub, name, &options, &conn), LEAT_E_TIMEOUT);
    KIT_QUIET(hub);
    for (int i = 0; i < 2; i++)
        kit_raw_close(kit_raw_accept(listener));
    CHECK_ERROR(leat_connect_wait(hub, name, &options, &conn), LEAT_OK);
    kit_write_text(hub, conn, "at last");
    int fd = kit_raw_accept(listener);
    char buffer[8] = "";
    CHECK_INT(kit_raw_recv(fd, buffer, sizeof buffer), 7);
    CHECK_STR(buffer, "at last");
    kit_raw_close(fd);
    for (int i = 0; i < 2; i++)
        kit_raw_close(fds[i]);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

/* ---- What is delivered ----------------------------------------------------------------------- */

#define REPLY_BYTES ((uint64_t)10 * KIT_MIB)

struct reply {
    struct kit_ends ends;
    uint64_t sent, got;
    bool messages, closed;
};

/* As much of the reply as there is room for. */
static void reply_send(struct leat_hub *hub, struct reply *reply)
{
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK && reply->sent < REPLY_BYTES) {
        uint64_t left = REPLY_BYTES - reply->sent;
        size_t size = left < sizeof block ? (size_t)left : sizeof block;
        kit_pattern(block, size, reply->sent);
        error = reply->messages ? leat_send(hub, reply->ends.accepted, block, size)
                                : leat_write(hub, reply->ends.accepted, block, size, &size);
        reply->sent += error == LEAT_OK ? size : 0;
    }
    CHECK(error == LEAT_OK || error == LEAT_E_FULL);
    if (reply->sent == REPLY_BYTES)
        CHECK_ERROR(leat_finish(hub, reply->ends.accepted), LEAT_OK);
}

static void reply_take(struct leat_hub *hub, struct reply *reply)
{
    size_t size = 0;
    enum leat_error error = reply->messages
                                ? leat_receive(hub, reply->ends.dialled, block, sizeof block, &size)
                                : leat_read(hub, reply->ends.dialled, block, sizeof block, &size);
    REQUIRE_ERROR(error, LEAT_OK);
    REQUIRE(kit_pattern_is(block, size, reply->got));
    reply->got += size;
}

static void half_close_and_reply(const struct leat_conn_options *options)
{
    struct leat_hub *hub = kit_begin();
    struct reply reply = {.ends = kit_pair(hub, options), .messages = options == &kit_messages};
    kit_say(hub, reply.ends.dialled, options, "question");
    CHECK_ERROR(leat_finish(hub, reply.ends.dialled), LEAT_OK);
    kit_hear(hub, reply.ends.accepted, options, "question");
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    reply_send(hub, &reply);
    for (uint32_t i = 0; i < 1000000 && !reply.closed; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_WRITABLE)
            reply_send(hub, &reply);
        else if (event.type == LEAT_EVENT_READABLE)
            reply_take(hub, &reply);
        reply.closed = event.type == LEAT_EVENT_CLOSED && event.conn.id == reply.ends.dialled.id;
        CHECK_ERROR(event.error, LEAT_OK);
    }
    CHECK_INT(reply.got, REPLY_BYTES);
    kit_end(hub);
}

TEST(half_close_and_ten_mebibytes_of_messages)
{
    half_close_and_reply(&kit_messages);
}

/* A pipe of bytes has no half-close: it says so, and nothing is lost. */
TEST(half_close_and_ten_mebibytes_of_bytes)
{
    if (!KIT_PIPES) {
        half_close_and_reply(NULL);
        return;
    }
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_E_UNSUPPORTED);
    kit_write_text(hub, ends.accepted, "reply");
    kit_read_text(hub, ends.dialled, "reply");
    kit_end(hub);
}

/* ---- Bounds ---------------------------------------------------------------------------------- */

/* The sender offers more at every turn for a minute (of virtual time, or a part of a second); the
 * receiver looks at what is there and takes nothing, so that only the bounds hold it. */
TEST(peer_that_reads_nothing_costs_no_more_than_the_limits)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .write_stall_ms = 600000};
    struct kit_ends ends = kit_pair(hub, &options);
    uint64_t before = kit_hub_info(hub).memory_bytes, offered = 0, seen = 0;
    uint32_t turns = kit_simulated() ? 60 : 15, pause_ms = kit_simulated() ? 1000 : 20;
    for (uint32_t turn = 0; turn < turns; turn++) {
        for (int i = 0; i < 20; i++) {
            struct leat_event event;
            size_t accepted = 0, size = 0;
            const void *data;
            enum leat_error error = leat_write(hub, ends.dialled, block, sizeof block, &accepted);
            CHECK(error == LEAT_OK || error == LEAT_E_FULL);
            offered += accepted;
            if (leat_next(hub, &event, 0) == LEAT_OK && event.type == LEAT_EVENT_READABLE &&
                CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_OK))
                seen = size;
            CHECK(size <= (size_t)256 * 1024);
        }
        kit_pass(pause_ms);
    }
    struct leat_conn_info info = kit_info(hub, ends.dialled);
    CHECK_INT(info.outbox_bytes, 4 * KIT_MIB);
    CHECK_INT(seen, 256 * 1024);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, 256 * 1024);
    CHECK(offered > seen + 4 * KIT_MIB);
    CHECK(kit_hub_info(hub).memory_bytes_high - before < 256 * 1024 + 5 * KIT_MIB);
    kit_end(hub);
}

/* ---- Ends in flight -------------------------------------------------------------------------- */

/* Reads and writes of both ends are under way at every stage when one or both are ended. */
static void ends_in_flight(uint32_t rounds)
{
    struct leat_hub *hub = kit_begin();
    struct prng prng = {.state = 11};
    uint64_t memory = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        struct kit_ends ends = kit_pair(hub, i % 2 ? &kit_messages : NULL);
        leat_conn conns[2] = {ends.dialled, ends.accepted};
        for (size_t step = prng_below(&prng, 8); step > 0; step--) {
            struct leat_event event;
            leat_conn conn = conns[prng_below(&prng, 2)];
            size_t size = 1 + prng_below(&prng, sizeof block), some;
            enum leat_error error = i % 2 ? leat_send(hub, conn, block, size)
                                          : leat_write(hub, conn, block, size, &some);
            CHECK(error == LEAT_OK || error == LEAT_E_FULL);
            if (prng_below(&prng, 2))
                (void)!leat_next(hub, &event, 0);
        }
        CHECK_ERROR(leat_abort(hub, conns[i / 2 % 2]), LEAT_OK);
        for (size_t turns = prng_below(&prng, 8); turns > 0; turns--) {
            struct leat_event event;
            (void)!leat_next(hub, &event, 0);
        }
        (void)leat_abort(hub, conns[1 - i / 2 % 2]);
        if (i == 99 || i + 1 == rounds)
            kit_drain(hub, NULL, NULL);
        memory = i == 99 ? kit_hub_info(hub).memory_bytes : memory;
    }
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK(kit_hub_info(hub).memory_bytes <= memory + 64 * (65536 + 4096));
    kit_end(hub);
}

TEST(ends_in_flight_leave_nothing)
{
    ends_in_flight(1000);
}

TEST_ON_DEMAND(a_million_ends_in_flight_leave_nothing, 3000)
{
    ends_in_flight(1000000);
}
