/* SPDX-License-Identifier: MIT
 *
 * Peers of LEAT_MESSAGES that do not keep to docs/wire.md: hellos, frames, order.
 *
 * Happy path: each ends in the error that the document names.
 * Fails:      never by what a peer sends: a friend on the same hub is not hurt, memory is bounded.
 * Invariants: the peer is told why, with a CLOSE frame, when that is possible.
 */
#include "kit.h"

#include <string.h>

/* A hub with a listener, a friendly connection, and a raw peer. */
struct stage {
    struct leat_hub *hub;
    leat_listener listener;
    struct kit_ends friends;
    leat_conn conn; /* the raw peer's, when it was accepted */
    int fd;
};

static struct stage stage_begin(const struct leat_conn_options *options)
{
    struct stage stage = {.hub = kit_begin()};
    stage.listener = kit_listen(stage.hub, kit_plain("server"), options);
    stage.friends = kit_open(stage.hub, stage.listener, kit_plain("server"), &kit_messages);
    stage.fd = kit_raw_connect(kit_plain("server"));
    return stage;
}

/* The raw peer has shaken hands; our hello is read. */
static struct stage stage_open(const struct leat_conn_options *options)
{
    uint8_t hello[KIT_HELLO_BYTES];
    struct stage stage = stage_begin(options);
    kit_raw_send(stage.fd, kit_hello, sizeof kit_hello);
    stage.conn = KIT_NEXT(stage.hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_INT(kit_raw_recv(stage.fd, hello, sizeof hello), KIT_HELLO_BYTES);
    return stage;
}

static void stage_end(struct stage *stage)
{
    kit_send_text(stage->hub, stage->friends.dialled, "untouched");
    kit_receive_text(stage->hub, stage->friends.accepted, "untouched");
    CHECK(kit_hub_info(stage->hub).memory_bytes_high < 4 * KIT_MIB);
    kit_raw_close(stage->fd);
    kit_end(stage->hub);
}

/* The raw peer gets a CLOSE frame with this code, and then the end. */
static void expect_goodbye(int fd, uint8_t code)
{
    uint8_t bytes[64];
    const uint8_t expected[9] = {1, 0, 0, 0, 3, 0, 0, 0, code};
    int64_t size = kit_raw_recv(fd, bytes, sizeof bytes);
    REQUIRE(size >= 9);
    CHECK_MEM(bytes + size - 9, expected, 9);
    size = kit_raw_recv(fd, bytes, sizeof bytes);
    CHECK(size == -1 || size == -2);
}

/* ---- Hellos ---------------------------------------------------------------------------------- */

static void hello_refused(const void *bytes, size_t size, enum leat_error error)
{
    struct stage stage = stage_begin(&kit_messages);
    kit_raw_send(stage.fd, bytes, size);
    kit_drain(stage.hub, NULL, NULL);
    struct leat_listener_info info = kit_listener_info(stage.hub, stage.listener);
    CHECK_ERROR(info.error, error);
    CHECK_INT(info.handshakes_failed, 1);
    CHECK_INT(info.handshakes, 0);
    CHECK_INT(info.conns, 1);
    expect_goodbye(stage.fd, 1);
    stage_end(&stage);
}

static void hello_changed(size_t at, uint8_t byte, enum leat_error error)
{
    uint8_t bytes[KIT_HELLO_BYTES];
    memcpy(bytes, kit_hello, sizeof bytes);
    bytes[at] = byte;
    hello_refused(bytes, sizeof bytes, error);
}

TEST(hello_garbage)
{
    hello_refused("GET / HTTP/1.1\r\n\r\n", 18, LEAT_E_PROTOCOL);
}

TEST(hello_of_one_wrong_byte)
{
    hello_refused("x", 1, LEAT_E_PROTOCOL);
}

TEST(hello_of_version_zero)
{
    hello_changed(8, 0, LEAT_E_UNSUPPORTED);
}

TEST(hello_too_short)
{
    hello_changed(10, 31, LEAT_E_PROTOCOL);
}

TEST(hello_too_long)
{
    hello_changed(11, 0x20, LEAT_E_PROTOCOL);
}

TEST(hello_with_a_small_frame_limit)
{
    hello_changed(14, 0, LEAT_E_PROTOCOL);
}

TEST(hello_requires_handles)
{
    hello_changed(24, 1, LEAT_E_UNSUPPORTED);
}

TEST(hello_requires_the_unknown)
{
    hello_changed(31, 0x80, LEAT_E_UNSUPPORTED);
}

static void hello_accepted(const uint8_t *bytes, size_t size)
{
    struct stage stage = stage_begin(&kit_messages);
    for (size_t i = 0; i < size; i++) {
        kit_raw_send(stage.fd, bytes + i, 1);
        if (i + 1 < size)
            KIT_QUIET(stage.hub);
    }
    kit_raw_frame(stage.fd, 1, "hi", 2);
    leat_conn conn = KIT_NEXT(stage.hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_text(stage.hub, conn, "hi");
    stage_end(&stage);
}

TEST(hello_in_single_bytes)
{
    hello_accepted(kit_hello, sizeof kit_hello);
}

TEST(hello_of_a_later_version)
{
    uint8_t bytes[300] = {0};
    memcpy(bytes, kit_hello, sizeof kit_hello);
    bytes[8] = 9;
    bytes[10] = (uint8_t)sizeof bytes;
    bytes[11] = (uint8_t)(sizeof bytes >> 8);
    memset(bytes + 16, 0xFF, 8); /* offers everything */
    memset(bytes + 32, 0xEE, sizeof bytes - 32);
    hello_accepted(bytes, sizeof bytes);
}

TEST(hello_that_stops_half_way)
{
    struct leat_conn_options options = kit_messages;
    options.handshake_ms = 100;
    struct stage stage = stage_begin(&options);
    kit_raw_send(stage.fd, kit_hello, 16);
    struct leat_event event;
    CHECK_ERROR(leat_next(stage.hub, &event, 20), LEAT_E_TIMEOUT);
    CHECK_INT(kit_listener_info(stage.hub, stage.listener).handshakes, 1);
    CHECK_ERROR(leat_next(stage.hub, &event, 120), LEAT_E_TIMEOUT);
    struct leat_listener_info info = kit_listener_info(stage.hub, stage.listener);
    CHECK_INT(info.handshakes, 0);
    CHECK_INT(info.handshakes_failed, 1);
    CHECK_ERROR(info.error, LEAT_E_TIMEOUT);
    expect_goodbye(stage.fd, 5);
    stage_end(&stage);
}

TEST(hello_that_never_comes)
{
    struct leat_conn_options options = kit_messages;
    options.handshake_ms = 100;
    struct stage stage = stage_begin(&options);
    struct leat_event event;
    CHECK_ERROR(leat_next(stage.hub, &event, 150), LEAT_E_TIMEOUT);
    CHECK_ERROR(kit_listener_info(stage.hub, stage.listener).error, LEAT_E_TIMEOUT);
    CHECK_INT(kit_listener_info(stage.hub, stage.listener).conns, 1);
    uint8_t byte;
    if (kit_greets_first())
        expect_goodbye(stage.fd, 5);
    else
        CHECK_INT(kit_raw_recv(stage.fd, &byte, 1), -1);
    stage_end(&stage);
}

TEST(hello_cut_by_the_end)
{
    for (size_t size = 0; size <= 31; size += 31) {
        struct stage stage = stage_begin(&kit_messages);
        if (size > 0)
            kit_raw_send(stage.fd, kit_hello, size);
        kit_raw_finish(stage.fd);
        kit_drain(stage.hub, NULL, NULL);
        CHECK_ERROR(kit_listener_info(stage.hub, stage.listener).error, LEAT_E_BROKEN);
        CHECK_INT(kit_listener_info(stage.hub, stage.listener).conns, 1);
        stage_end(&stage);
    }
}

/* What had come in time counts, however late the program looks. */
TEST(hello_that_came_while_the_program_was_away)
{
    struct leat_conn_options options = kit_messages;
    options.handshake_ms = 100;
    struct stage stage = stage_begin(&options);
    KIT_QUIET(stage.hub);
    CHECK_INT(kit_listener_info(stage.hub, stage.listener).handshakes, 1);
    kit_raw_send(stage.fd, kit_hello, sizeof kit_hello);
    kit_pass(200);
    KIT_NEXT(stage.hub, LEAT_EVENT_ACCEPTED);
    stage_end(&stage);
}

TEST(hello_of_a_server_that_is_none)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("other.sock");
    int listener = kit_raw_listen(name, 5);
    leat_conn conn = kit_connect(hub, name, 1, &kit_messages);
    int fd = kit_raw_accept(listener);
    kit_raw_send(fd, "220 ready\r\n", 11);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_HANDSHAKE);
    kit_raw_close(fd);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void frame_refused(const uint8_t header[8], enum leat_error error, uint8_t code)
{
    struct stage stage = stage_open(&kit_messages);
    /* What was whole before it is still read. */
    kit_raw_frame(stage.fd, 1, "before", 6);
    kit_raw_send(stage.fd, header, 8);
    KIT_NEXT(stage.hub, LEAT_EVENT_READABLE);
    kit_receive_text(stage.hub, stage.conn, "before");
    struct leat_event event = KIT_NEXT(stage.hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, error);
    CHECK_ERROR(kit_info(stage.hub, stage.conn).error, error);
    CHECK_INT(kit_info(stage.hub, stage.conn).operation, LEAT_OP_READ);
    expect_goodbye(stage.fd, code);
    stage_end(&stage);
}

/* The frame's header, which ends the connection with this error, said with that code. */
#define FRAME_REFUSED(name, error, code, ...)                                                      \
    TEST(name)                                                                                     \
    {                                                                                              \
        frame_refused((const uint8_t[8]){__VA_ARGS__}, error, code);                               \
    }

FRAME_REFUSED(frame_one_longer_than_the_limit, LEAT_E_TOO_BIG, 2, 1, 0, 0x10, 0, 1, 0, 0, 0)
FRAME_REFUSED(frame_of_four_gibibytes, LEAT_E_TOO_BIG, 2, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0)
FRAME_REFUSED(frame_ignorable_but_too_long, LEAT_E_TOO_BIG, 2, 1, 0, 0x10, 0, 0x80, 0, 0, 0)
FRAME_REFUSED(frame_of_unknown_type, LEAT_E_PROTOCOL, 1, 0, 0, 0, 0, 6, 0, 0, 0)
FRAME_REFUSED(frame_of_type_zero, LEAT_E_PROTOCOL, 1, 0)
FRAME_REFUSED(frame_with_flags, LEAT_E_PROTOCOL, 1, 0, 0, 0, 0, 1, 1, 0, 0)
FRAME_REFUSED(frame_with_reserved_bytes, LEAT_E_PROTOCOL, 1, 0, 0, 0, 0, 0x81, 0, 0, 1)
FRAME_REFUSED(frame_finish_with_a_payload, LEAT_E_PROTOCOL, 1, 1, 0, 0, 0, 2, 0, 0, 0)
FRAME_REFUSED(frame_ping_without_a_payload, LEAT_E_PROTOCOL, 1, 0, 0, 0, 0, 4, 0, 0, 0)

static void after_finish_refused(uint8_t type)
{
    struct stage stage = stage_open(&kit_messages);
    kit_raw_frame(stage.fd, 2, NULL, 0);
    KIT_NEXT(stage.hub, LEAT_EVENT_FINISHED);
    kit_raw_frame(stage.fd, type, NULL, 0);
    KIT_CLOSED(stage.hub, stage.conn, LEAT_E_PROTOCOL);
    expect_goodbye(stage.fd, 1);
    stage_end(&stage);
}

TEST(frame_finish_twice)
{
    after_finish_refused(2);
}

TEST(frame_message_after_finish)
{
    after_finish_refused(1);
}

TEST(frame_ping_after_finish_is_answered)
{
    struct stage stage = stage_open(&kit_messages);
    uint8_t bytes[64];
    kit_raw_frame(stage.fd, 2, NULL, 0);
    kit_raw_frame(stage.fd, 4, "12345678", 8);
    KIT_NEXT(stage.hub, LEAT_EVENT_FINISHED);
    KIT_QUIET(stage.hub);
    CHECK_INT(kit_raw_recv(stage.fd, bytes, sizeof bytes), 16);
    CHECK_MEM(bytes,
              "\x08\0\0\0\x05\0\0\0"
              "12345678",
              16);
    stage_end(&stage);
}

TEST(frame_of_exactly_the_limit)
{
    struct stage stage = stage_open(&kit_messages);
    static uint8_t block[65536], got[1048576];
    size_t size = 0;
    kit_raw_header(stage.fd, 1, (uint32_t)KIT_MIB);
    for (uint32_t i = 0; i < 16; i++) {
        kit_pattern(block, sizeof block, i * sizeof block);
        kit_raw_send(stage.fd, block, sizeof block);
        if (i < 15)
            KIT_QUIET(stage.hub);
    }
    kit_raw_header(stage.fd, 1, 0);
    KIT_NEXT(stage.hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(stage.hub, stage.conn, got, sizeof got, &size), LEAT_OK);
    CHECK_INT(size, KIT_MIB);
    CHECK(kit_pattern_is(got, size, 0));
    kit_receive_text(stage.hub, stage.conn, "");
    stage_end(&stage);
}

TEST(frame_ignorable_is_skipped)
{
    struct stage stage = stage_open(&kit_messages);
    static uint8_t block[65536];
    kit_raw_frame(stage.fd, 0x80, NULL, 0);
    kit_raw_frame(stage.fd, 0xFF, "skip me", 7);
    kit_raw_frame(stage.fd, 1, "one", 3);
    kit_raw_header(stage.fd, 0x90, (uint32_t)KIT_MIB);
    for (uint32_t i = 0; i < 16; i++) {
        kit_raw_send(stage.fd, block, sizeof block);
        struct leat_event event;
        while (leat_next(stage.hub, &event, 0) == LEAT_OK)
            kit_receive_text(stage.hub, stage.conn, "one");
    }
    kit_raw_frame(stage.fd, 1, "two", 3);
    kit_receive_text(stage.hub, stage.conn, "two");
    CHECK_INT(kit_stats(stage.hub, stage.conn).messages_received, 2);
    CHECK(kit_stats(stage.hub, stage.conn).inbox_bytes_high < 300000);
    stage_end(&stage);
}

TEST(frame_pong_that_nobody_asked_for)
{
    struct stage stage = stage_open(&kit_messages);
    kit_raw_frame(stage.fd, 5, "12345678", 8);
    kit_raw_frame(stage.fd, 1, "fine", 4);
    kit_receive_text(stage.hub, stage.conn, "fine");
    stage_end(&stage);
}

TEST(frame_close_codes)
{
    static const enum leat_error errors[] = {LEAT_E_CLOSED,  LEAT_E_PROTOCOL, LEAT_E_TOO_BIG,
                                             LEAT_E_BUSY,    LEAT_E_DENIED,   LEAT_E_TIMEOUT,
                                             LEAT_E_PROTOCOL};
    for (uint8_t code = 0; code < sizeof errors / sizeof errors[0]; code++) {
        struct stage stage = stage_open(&kit_messages);
        kit_raw_frame(stage.fd, 1, "last", 4);
        kit_raw_frame(stage.fd, 3, &code, 1);
        KIT_UNTIL(stage.hub, LEAT_EVENT_READABLE);
        kit_receive_text(stage.hub, stage.conn, "last");
        if (code == 0)
            KIT_NEXT(stage.hub, LEAT_EVENT_FINISHED);
        KIT_CLOSED(stage.hub, stage.conn, errors[code]);
        stage_end(&stage);
    }
}

TEST(frame_cut_by_the_end)
{
    const size_t sizes[] = {0, 1, 7, 8, 9, 12};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct stage stage = stage_open(&kit_messages);
        if (sizes[i] > 0)
            kit_raw_send(stage.fd, "\x05\0\0\0\x01\0\0\0hello", sizes[i]);
        kit_raw_finish(stage.fd);
        struct leat_event event;
        REQUIRE_ERROR(leat_next(stage.hub, &event, KIT_SOON_MS), LEAT_OK);
        /* Without half-close it is gone, which may be seen before the rest of the frame is. */
        if (KIT_PIPES && event.type == LEAT_EVENT_HANGUP)
            event = KIT_NEXT(stage.hub, LEAT_EVENT_CLOSED);
        CHECK_STR(leat_event_name(event.type), "CLOSED");
        CHECK(event.conn.id == stage.conn.id);
        CHECK_ERROR(event.error, LEAT_E_BROKEN);
        stage_end(&stage);
    }
}

TEST(frame_finish_and_then_the_end)
{
    struct stage stage = stage_open(&kit_messages);
    kit_raw_frame(stage.fd, 2, NULL, 0);
    kit_raw_finish(stage.fd);
    struct leat_event event;
    REQUIRE_ERROR(leat_next(stage.hub, &event, KIT_SOON_MS), LEAT_OK);
    /* Without half-close it is gone, which may be seen before its last frame is. */
    if (KIT_PIPES && event.type == LEAT_EVENT_HANGUP)
        event = KIT_NEXT(stage.hub, LEAT_EVENT_FINISHED);
    CHECK_STR(leat_event_name(event.type), "FINISHED");
    CHECK(event.conn.id == stage.conn.id);
    KIT_CLOSED(stage.hub, stage.conn, LEAT_E_CLOSED);
    stage_end(&stage);
}
