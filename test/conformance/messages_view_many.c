/* SPDX-License-Identifier: MIT
 *
 * What leat_view_many promises: all that has come whole, in order, where it lies, until released.
 *
 * Happy path: the next messages are shown, and go with one leat_release.
 * Fails:      a frame that is no message ends what is shown, and is judged once it is at the head.
 * Invariants: what is shown does not move, whatever comes or ends meanwhile; each message is shown
 *             once, and counted once.
 */
#include "kit.h"

#include <string.h>

#define MANY 64u
#define FRAME_MESSAGE 1
#define FRAME_FINISH 2
#define FRAME_CLOSE 3
#define FRAME_PING 4
#define FRAME_PONG 5
#define FRAME_IGNORABLE 0x85

/* Frames of a raw peer, which it sends at once. */
struct stream {
    uint8_t bytes[100000];
    size_t size;
};
static struct stream stream;

struct raw {
    struct leat_hub *hub;
    leat_conn conn;
    int fd;
};

static void header_put(uint8_t type, uint32_t size)
{
    const uint8_t header[KIT_HEADER_BYTES] = {(uint8_t)size, (uint8_t)(size >> 8), 0, 0, type};
    REQUIRE(stream.size + sizeof header + size <= sizeof stream.bytes && size < 65536);
    memcpy(stream.bytes + stream.size, header, sizeof header);
    stream.size += sizeof header;
}

static void frame_put(uint8_t type, const void *data, uint32_t size)
{
    header_put(type, size);
    if (size)
        memcpy(stream.bytes + stream.size, data, size);
    stream.size += size;
}

static void text_put(const char *text)
{
    frame_put(FRAME_MESSAGE, text, (uint32_t)strlen(text));
}

static void stream_send(int fd)
{
    kit_raw_send(fd, stream.bytes, stream.size);
    stream.size = 0;
}

static struct raw raw_begin(const struct leat_conn_options *options)
{
    struct raw raw = {.hub = kit_begin()};
    stream.size = 0;
    raw.conn = kit_raw_conn(raw.hub, options, &raw.fd);
    return raw;
}

static void raw_end(struct raw *raw)
{
    kit_raw_close(raw->fd);
    kit_end(raw->hub);
}

/* What the stream holds comes, and nothing is said of it. */
static void stream_comes(struct raw *raw)
{
    uint64_t bytes = kit_info(raw->hub, raw->conn).inbox_bytes + stream.size;
    stream_send(raw->fd);
    kit_inbox_comes(raw->hub, raw->conn, bytes);
}

static bool is_text(const struct leat_slice *slice, const char *text)
{
    return slice->size == strlen(text) && memcmp(slice->data, text, slice->size) == 0;
}

/* So many are shown, of at most `most`; the first is this text. */
static void shows(struct raw *raw, struct leat_slice *slices, size_t most, size_t count,
                  const char *first)
{
    size_t found = 777;
    REQUIRE_ERROR(leat_view_many(raw->hub, raw->conn, slices, most, &found), LEAT_OK);
    REQUIRE_INT(found, count);
    CHECK(is_text(slices, first));
}

/* ---- What is shown --------------------------------------------------------------------------- */

TEST(view_many_order_and_contents)
{
    struct raw raw = raw_begin(&kit_messages);
    struct leat_slice slices[MANY];
    uint8_t expected[900];
    for (uint32_t i = 0; i < 20; i++) { /* the first, and others, are empty */
        kit_pattern(expected, sizeof expected, i);
        frame_put(FRAME_MESSAGE, expected, i % 3 == 0 ? 0 : i * 41);
    }
    stream_comes(&raw);
    CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 1); /* at the head */
    size_t at = 0;
    for (size_t most = 1; at < 20; most += 2) { /* 1, 3, 5, 7, and 4 that are left of 9 */
        size_t count = 777, left = 20 - at;
        REQUIRE_ERROR(leat_view_many(raw.hub, raw.conn, slices, most, &count), LEAT_OK);
        REQUIRE_INT(count, most < left ? most : left);
        CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, at + count);
        for (size_t i = 0; i < count; i++, at++) {
            REQUIRE_INT(slices[i].size, at % 3 == 0 ? 0 : at * 41);
            CHECK(kit_pattern_is(slices[i].data, slices[i].size, at));
            CHECK(i == 0 || (const uint8_t *)slices[i].data ==
                                (const uint8_t *)slices[i - 1].data + slices[i - 1].size +
                                    KIT_HEADER_BYTES); /* where it lies */
        }
        CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    }
    CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 20);
    CHECK_INT(kit_info(raw.hub, raw.conn).inbox_bytes, 0);
    size_t count = 777;
    CHECK_ERROR(leat_view_many(raw.hub, raw.conn, slices, MANY, &count), LEAT_E_EMPTY);
    CHECK_INT(count, 777);
    KIT_QUIET(raw.hub);
    raw_end(&raw);
}

TEST(view_many_arguments_and_states)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages), bytes = kit_pair(hub, NULL);
    struct leat_slice slices[2] = {{hub, 77}, {hub, 78}};
    size_t count = 777;
    const leat_conn none = {0};
    CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, 2, &count), LEAT_E_EMPTY);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, NULL, 2, &count), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, 0, &count), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, 2, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(NULL, ends.accepted, slices, 2, &count), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, none, slices, 2, &count), LEAT_E_STALE);
    CHECK_ERROR(leat_view_many(hub, bytes.accepted, slices, 2, &count), LEAT_E_STATE);
    kit_write_text(hub, bytes.dialled, "bytes");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_view_many(hub, bytes.accepted, slices, 2, &count), LEAT_E_STATE);
    kit_read_text(hub, bytes.accepted, "bytes");
    kit_send_text(hub, ends.dialled, "one");
    kit_send_text(hub, ends.dialled, "two");
    kit_inbox_comes(hub, ends.accepted, 2 * (KIT_HEADER_BYTES + 3));
    CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, 0, &count), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
    CHECK(slices[0].data == hub && slices[0].size == 77 && slices[1].size == 78 && count == 777);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, 2, &count), LEAT_OK);
    CHECK_INT(count, 2);
    CHECK(is_text(slices, "one") && is_text(slices + 1, "two"));
    /* One view a connection, and what is looked at is not received. */
    struct leat_slice others[2] = {{hub, 77}, {hub, 78}};
    const void *data = hub;
    size_t size = 777;
    char buffer[8];
    count = 777;
    CHECK_ERROR(leat_view_many(hub, ends.accepted, others, 2, &count), LEAT_E_STATE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, sizeof buffer, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, buffer, sizeof buffer, 5, &size),
                LEAT_E_STATE);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 5), LEAT_E_STATE);
    CHECK(data == hub && size == 777 && count == 777 && others[0].size == 77);
    CHECK(is_text(slices, "one") && is_text(slices + 1, "two"));
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 0);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* leat_view and leat_receive by turns with it: what each takes is gone for the others. */
TEST(view_many_beside_the_calls_for_one)
{
    struct raw raw = raw_begin(&kit_messages);
    struct leat_slice slices[MANY];
    const void *data = NULL;
    size_t size = 0;
    const char *const words[] = {"a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"};
    for (size_t i = 0; i < 7; i++)
        text_put(words[i]);
    stream_comes(&raw);
    shows(&raw, slices, 2, 2, "a");
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    CHECK_ERROR(leat_view(raw.hub, raw.conn, &data, &size), LEAT_OK);
    CHECK(size == 3 && memcmp(data, "ccc", 3) == 0);
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    KIT_NEXT(raw.hub, LEAT_EVENT_READABLE); /* there is more */
    kit_receive_text(raw.hub, raw.conn, "dddd");
    shows(&raw, slices, 2, 2, "eeeee");
    CHECK(is_text(slices + 1, "ffffff"));
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    kit_receive_text(raw.hub, raw.conn, "ggggggg");
    CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 7);
    KIT_QUIET(raw.hub);
    raw_end(&raw);
}

/* ---- What stands behind ---------------------------------------------------------------------- */

/* A part of a header, a header alone, and a part of the rest: nothing is there while a message is
 * not whole, and each is shown once it is. */
TEST(view_many_leaves_half_a_message)
{
    struct leat_conn_options options = kit_messages;
    options.partial_frame_ms = 60000;
    struct raw raw = raw_begin(&options);
    struct leat_slice slices[MANY];
    const size_t parts[] = {1, 7, 8, 9, 12};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t count = 777;
        text_put("first");
        kit_raw_send(raw.fd, stream.bytes, parts[i]);
        kit_inbox_comes(raw.hub, raw.conn, parts[i]);
        CHECK_ERROR(leat_view_many(raw.hub, raw.conn, slices, MANY, &count), LEAT_E_EMPTY);
        CHECK_INT(count, 777);
        text_put("second");
        size_t whole = stream.size;
        text_put("third");
        size_t end = stream.size;
        kit_raw_send(raw.fd, stream.bytes + parts[i], whole);
        kit_inbox_comes(raw.hub, raw.conn, whole + parts[i]);
        shows(&raw, slices, MANY, 2, "first");
        CHECK(is_text(slices + 1, "second"));
        /* Meanwhile its rest comes, and one more. */
        text_put("fourth");
        kit_raw_send(raw.fd, stream.bytes + whole + parts[i], stream.size - whole - parts[i]);
        kit_inbox_comes(raw.hub, raw.conn, stream.size);
        CHECK(is_text(slices, "first") && is_text(slices + 1, "second"));
        CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
        CHECK_INT(kit_info(raw.hub, raw.conn).inbox_bytes, stream.size - whole);
        shows(&raw, slices, MANY, 2, "third");
        CHECK(is_text(slices + 1, "fourth"));
        CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
        CHECK(end < stream.size);
        stream.size = 0;
        CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 4 * (i + 1));
    }
    raw_end(&raw);
}

/* The peer goes within the frame that stands behind: first what was whole, then the end. */
TEST(view_many_then_half_a_message_is_the_end)
{
    struct raw raw = raw_begin(&kit_messages);
    struct leat_slice slices[MANY];
    text_put("first");
    text_put("second");
    header_put(FRAME_MESSAGE, 100);
    stream_comes(&raw);
    kit_raw_finish(raw.fd);
    shows(&raw, slices, MANY, 2, "first");
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(raw.hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_CLOSED] + counts[LEAT_EVENT_READABLE], 0);
    CHECK(is_text(slices, "first") && is_text(slices + 1, "second"));
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    CHECK_ERROR(KIT_UNTIL(raw.hub, LEAT_EVENT_CLOSED).error, LEAT_E_BROKEN);
    size_t count = 777;
    CHECK_ERROR(leat_view_many(raw.hub, raw.conn, slices, MANY, &count), LEAT_E_BROKEN);
    CHECK_INT(count, 777);
    raw_end(&raw);
}

/* What is behind is ours to handle, and is handled when the view is released; then the next are
 * shown. */
TEST(view_many_stops_at_what_is_no_message)
{
    struct raw raw = raw_begin(&kit_messages);
    struct leat_slice slices[MANY];
    uint8_t answer[64];
    const uint8_t payload[8] = "pingping";
    text_put("a");
    text_put("b");
    frame_put(FRAME_PING, payload, sizeof payload);
    text_put("c");
    frame_put(FRAME_IGNORABLE, "whatever", 8);
    frame_put(FRAME_IGNORABLE, NULL, 0);
    text_put("d");
    frame_put(FRAME_PONG, payload, sizeof payload);
    text_put("e");
    text_put("f");
    stream_comes(&raw);
    shows(&raw, slices, MANY, 2, "a");
    kit_drain(raw.hub, NULL, NULL);
    CHECK_INT(kit_raw_recv(raw.fd, answer, sizeof answer), 0); /* not asked before */
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    int64_t got = 0;
    for (int i = 0; i < 10000 && got < 16; i++) {
        int64_t part = kit_raw_recv(raw.fd, answer + got, sizeof answer - (size_t)got);
        got += part > 0 ? part : 0;
        if (got < 16)
            kit_drain(raw.hub, NULL, NULL);
    }
    CHECK_INT(got, 16);
    CHECK_INT(answer[4], FRAME_PONG);
    CHECK_MEM(answer + 8, payload, 8);
    shows(&raw, slices, MANY, 1, "c");
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    shows(&raw, slices, MANY, 1, "d");
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    shows(&raw, slices, MANY, 2, "e");
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 6);
    raw_end(&raw);
}

/* FINISH behind: the end of what is said comes after the last message was released, and a message
 * behind FINISH breaks the rules. */
TEST(view_many_stops_at_the_finish)
{
    struct raw raw = raw_begin(&kit_messages);
    struct leat_slice slices[MANY];
    size_t count = 777;
    text_put("a");
    text_put("b");
    frame_put(FRAME_FINISH, NULL, 0);
    stream_comes(&raw);
    shows(&raw, slices, MANY, 2, "a");
    KIT_QUIET(raw.hub);
    CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
    KIT_NEXT(raw.hub, LEAT_EVENT_FINISHED);
    CHECK_ERROR(leat_view_many(raw.hub, raw.conn, slices, MANY, &count), LEAT_E_FINISHED);
    kit_send_text(raw.hub, raw.conn, "we go on");
    text_put("too late");
    stream_send(raw.fd);
    CHECK_ERROR(KIT_UNTIL(raw.hub, LEAT_EVENT_CLOSED).error, LEAT_E_PROTOCOL);
    CHECK_INT(count, 777);
    CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 2);
    raw_end(&raw);
}

/* The peer breaks the rules behind good messages, which are good. */
TEST(view_many_then_the_rules_are_broken)
{
    /* An unknown type, a PONG of a wrong length, reserved bytes, a second FINISH, too long. */
    static const uint8_t bad[][KIT_HEADER_BYTES] = {{0, 0, 0, 0, 0x11},
                                                    {200, 0, 0, 0, FRAME_PONG},
                                                    {1, 0, 0, 0, FRAME_MESSAGE, 1},
                                                    {3, 0, 0, 0, FRAME_FINISH},
                                                    {1, 0, 16, 0, FRAME_MESSAGE}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct raw raw = raw_begin(&kit_messages);
        struct leat_slice slices[MANY];
        size_t count = 777;
        text_put("good");
        text_put("still good");
        memcpy(stream.bytes + stream.size, bad[i], sizeof bad[i]);
        stream.size += sizeof bad[i];
        stream_comes(&raw);
        shows(&raw, slices, MANY, 2, "good");
        CHECK(is_text(slices + 1, "still good"));
        KIT_QUIET(raw.hub);
        CHECK_INT(kit_info(raw.hub, raw.conn).state, LEAT_STATE_OPEN);
        CHECK_ERROR(leat_release(raw.hub, raw.conn), LEAT_OK);
        enum leat_error expected = i == 4 ? LEAT_E_TOO_BIG : LEAT_E_PROTOCOL;
        CHECK_ERROR(leat_view_many(raw.hub, raw.conn, slices, MANY, &count), expected);
        KIT_CLOSED(raw.hub, raw.conn, expected);
        CHECK_INT(kit_stats(raw.hub, raw.conn).messages_received, 2);
        CHECK_INT(count, 777);
        raw_end(&raw);
    }
}

TEST(view_many_of_packets_shows_one)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    struct leat_slice slices[MANY];
    static const char *const words[] = {"first", "second", "third"};
    for (int i = 0; i < 3; i++)
        kit_send_text(hub, ends.dialled, words[i]);
    for (int i = 0; i < 3; i++) {
        size_t count = 777;
        KIT_UNTIL(hub, LEAT_EVENT_READABLE);
        REQUIRE_ERROR(leat_view_many(hub, ends.accepted, slices, MANY, &count), LEAT_OK);
        CHECK_INT(count, 1);
        CHECK(is_text(slices, words[i]));
        CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, MANY, &count), LEAT_E_STATE);
        CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
        CHECK_INT(kit_stats(hub, ends.accepted).messages_received, i + 1);
    }
    kit_end(hub);
}
