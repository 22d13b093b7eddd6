/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of many messages in one call: leat_send_many and leat_view_many.
 *
 * Happy path: all leave together and come in their order; all that came whole are shown at once.
 * Fails:      one that cannot be sent ends it, and says why when it is the first one there is.
 * Invariants: each is sent and received as if it were alone: whole, once, counted.
 */
#include "kit.h"

#include <string.h>

#define MANY 64u
#define BIG_BYTES 70000u

static uint8_t big[BIG_BYTES], got[BIG_BYTES];

/* Messages of one byte, their numbers from `first` on. */
static void numbers(struct leat_slice messages_out[MANY], uint8_t first)
{
    static uint8_t bytes[256];
    for (uint32_t i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    for (uint32_t i = 0; i < MANY; i++)
        messages_out[i] = (struct leat_slice){&bytes[(uint8_t)(first + i)], 1};
}

/* The next messages are these numbers. */
static void numbers_come(struct leat_hub *hub, leat_conn conn, uint8_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 0;
        REQUIRE_ERROR(leat_receive_wait(hub, conn, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
        CHECK_INT(size, 1);
        CHECK_INT(got[0], (uint8_t)(first + i));
    }
}

TEST(many_arguments)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages), bytes = kit_pair(hub, NULL);
    struct leat_slice messages[MANY];
    size_t sent = 77;
    numbers(messages, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, 1, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, NULL, 1, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(NULL, ends.dialled, messages, 1, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(hub, bytes.dialled, messages, 2, &sent), LEAT_E_STATE);
    CHECK_ERROR(leat_send_many(hub, bytes.dialled, NULL, 0, &sent), LEAT_E_STATE);
    messages[1].size = SIZE_MAX;
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, 2, &sent), LEAT_E_ARGUMENT);
    messages[1] = (struct leat_slice){NULL, 1};
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, 2, &sent), LEAT_E_ARGUMENT);
    CHECK_INT(sent, 77);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, NULL, 0, &sent), LEAT_OK);
    CHECK_INT(sent, 0);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 0);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, NULL, MANY, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, messages, 0, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, messages, MANY, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_view_many(hub, ends.accepted, messages, MANY, &sent), LEAT_E_EMPTY);
    CHECK_ERROR(leat_view_many(hub, bytes.accepted, messages, MANY, &sent), LEAT_E_STATE);
    CHECK_INT(sent, 0);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, NULL, 0, &sent), LEAT_E_BROKEN);
    kit_end(hub);
}

TEST(many_leave_together)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice messages[MANY];
    for (uint32_t round = 0; round < 8; round++) {
        const uint64_t writes = kit_stats(hub, ends.dialled).writes;
        size_t sent = 0;
        numbers(messages, (uint8_t)(round * MANY));
        CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &sent), LEAT_OK);
        CHECK_INT(sent, MANY);
        CHECK(KIT_PIPES || kit_info(hub, ends.dialled).outbox_messages == 0);
        numbers_come(hub, ends.accepted, (uint8_t)(round * MANY), MANY);
        CHECK(kit_stats(hub, ends.dialled).writes - writes <= 2);
    }
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 8 * MANY);
    kit_end(hub);
}

/* Small, empty and large ones, with and without gathering, and as packets. */
TEST(many_of_every_size_keep_their_order)
{
    static const size_t sizes[] = {0, 1, 8192, 8193, 0, 100, BIG_BYTES, 3, 3, 5000, 40000, 0, 7};
    const size_t count = sizeof sizes / sizeof sizes[0];
    struct leat_conn_options options[] = {kit_roomy_messages, kit_roomy_messages, kit_packets};
    struct leat_hub *hub = kit_begin();
    options[1].gather_bytes = 20000;
    for (size_t way = 0; way < sizeof options / sizeof options[0]; way++) {
        struct kit_ends ends = kit_pair(hub, &options[way]);
        struct leat_slice messages[sizeof sizes / sizeof sizes[0]];
        kit_pattern(big, sizeof big, 0);
        for (uint32_t round = 0; round < 3; round++) {
            for (size_t i = 0; i < count; i++)
                messages[i] = (struct leat_slice){sizes[i] ? big : NULL, sizes[i]};
            for (size_t done = 0, came = 0; came < count;) {
                size_t sent = 0;
                if (done < count && leat_send_many(hub, ends.dialled, messages + done, count - done,
                                                   &sent) == LEAT_OK)
                    CHECK(sent > 0);
                done += sent;
                for (; came < done; came++) {
                    size_t size = 77;
                    REQUIRE_ERROR(
                        leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                        LEAT_OK);
                    CHECK(size == sizes[came] && kit_pattern_is(got, size, 0));
                }
            }
        }
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    }
    kit_end(hub);
}

/* Until FULL: those before it are sent, and WRITABLE says when to go on. */
TEST(many_until_full_and_on)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .outbox_messages_max = 10};
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_slice messages[MANY];
    size_t sent = 0, again = 77, done = 0;
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    numbers(messages, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &sent), LEAT_OK);
    /* A write to a pipe is under way until the hub hears of its end. */
    CHECK(sent == MANY || (KIT_PIPES && sent >= 10));
    numbers_come(hub, ends.accepted, 0, (uint32_t)sent);
    for (; done < 100000; done += sent) { /* nobody reads */
        if (leat_send_many(hub, ends.dialled, messages, MANY, &sent) != LEAT_OK)
            break;
        CHECK(sent > 0);
    }
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &again), LEAT_E_FULL);
    CHECK_INT(again, 77);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 10);
    for (size_t i = 0; i < done; i++) {
        size_t size = 0;
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
    }
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received,
              kit_stats(hub, ends.dialled).messages_sent);
    kit_end(hub);
}

/* One that can never be sent ends the row: those before it are sent, the rest tells why. */
TEST(many_up_to_one_that_cannot_be_sent)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .frame_bytes_max = 65536};
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_slice messages[MANY];
    size_t sent = 0;
    numbers(messages, 0);
    messages[5] = (struct leat_slice){big, BIG_BYTES};
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &sent), LEAT_OK);
    CHECK_INT(sent, 5);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages + 5, MANY - 5, &sent), LEAT_E_TOO_BIG);
    CHECK_INT(sent, 5);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages + 6, MANY - 6, &sent), LEAT_OK);
    CHECK_INT(sent, MANY - 6);
    numbers_come(hub, ends.accepted, 0, 5);
    numbers_come(hub, ends.accepted, 6, MANY - 6);
    kit_end(hub);
}

/* Behind its own end nothing is sent, however many. */
TEST(many_behind_the_end)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice messages[MANY];
    size_t sent = 77;
    numbers(messages, 0);
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_FINISHED);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &sent), LEAT_E_STATE);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, 1, &sent), LEAT_E_STATE);
    CHECK_INT(sent, 77);
    CHECK_ERROR(leat_send_many(hub, ends.accepted, messages, MANY, &sent), LEAT_OK);
    numbers_come(hub, ends.dialled, 0, MANY);
    kit_end(hub);
}

TEST(many_for_a_peer_that_went)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice messages[MANY];
    size_t sent = 77;
    numbers(messages, 0);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    enum leat_error error = leat_send_many(hub, ends.dialled, messages, MANY, &sent);
    CHECK(error == LEAT_E_CLOSED || error == LEAT_E_BROKEN); /* as leat_send says it */
    CHECK_INT(sent, 77);
    CHECK_INT(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).bytes_undelivered, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, MANY, &sent), LEAT_E_BROKEN);
    kit_end(hub);
}

/* Shows up to `room` of the `count` whose numbers begin with `first`, and releases them. A pipe is
 * read as soon as something is there, so that it may show fewer. Returns how many. */
static size_t shows(struct leat_hub *hub, leat_conn conn, size_t room, uint8_t first, size_t count)
{
    struct leat_slice messages[MANY];
    size_t shown = 77, size = 0;
    REQUIRE_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_view_many(hub, conn, messages, room, &shown), LEAT_OK);
    REQUIRE(shown > 0 && shown <= room && shown <= count);
    CHECK(KIT_PIPES || shown == (room < count ? room : count));
    for (size_t i = 0; i < shown; i++)
        CHECK(messages[i].size == 1 && *(const uint8_t *)messages[i].data == (uint8_t)(first + i));
    CHECK_ERROR(leat_receive(hub, conn, got, sizeof got, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_release(hub, conn), LEAT_OK);
    return shown;
}

static leat_conn raw_pair(struct leat_hub *hub, int *fd)
{
    intptr_t handle;
    leat_conn conn;
    *fd = kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, &kit_messages, &conn), LEAT_OK);
    kit_raw_send(*fd, kit_hello, sizeof kit_hello);
    KIT_UNTIL(hub, LEAT_EVENT_CONNECTED);
    return conn;
}

TEST(many_are_shown_as_far_as_they_came)
{
    struct leat_hub *hub = kit_begin();
    struct leat_slice message;
    size_t shown = 0;
    uint8_t first = 0;
    int fd;
    leat_conn conn = raw_pair(hub, &fd);
    for (uint8_t i = 0; i < 20; i++)
        kit_raw_frame(fd, 1, &i, 1);
    kit_raw_header(fd, 1, 3); /* and a part of one more */
    kit_raw_send(fd, "a", 1);
    for (size_t room = 1; first < 20; room += 3)
        first = (uint8_t)(first + shows(hub, conn, room, first, 20u - first));
    CHECK_ERROR(leat_view_many(hub, conn, &message, 1, &shown), LEAT_E_EMPTY);
    CHECK_INT(kit_stats(hub, conn).messages_received, 20);
    kit_raw_send(fd, "bc", 2);
    kit_receive_text(hub, conn, "abc");
    CHECK_INT(kit_stats(hub, conn).messages_received, 21);
    kit_raw_close(fd);
    kit_end(hub);
}

/* What is no message is never shown, and is heard when what came before it is released. */
TEST(many_are_shown_up_to_what_is_no_message)
{
    struct leat_hub *hub = kit_begin();
    struct leat_slice message;
    size_t shown = 0;
    int fd;
    leat_conn conn = raw_pair(hub, &fd);
    for (uint8_t i = 0; i < 9; i++) {
        kit_raw_frame(fd, 1, &i, 1);
        if (i == 2)
            kit_raw_frame(fd, 4, "12345678", 8); /* PING */
        if (i == 5)
            kit_raw_frame(fd, 0x80, "more", 4); /* of a kind that may be passed over */
    }
    kit_raw_header(fd, 5, 200); /* of no kind that has a payload like that */
    for (uint8_t first = 0; first < 9;)
        first = (uint8_t)(first + shows(hub, conn, MANY, first, 3u - first % 3u));
    CHECK_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_E_PROTOCOL);
    CHECK_ERROR(leat_view_many(hub, conn, &message, 1, &shown), LEAT_E_PROTOCOL);
    CHECK_INT(kit_stats(hub, conn).messages_received, 9);
    KIT_CLOSED(hub, conn, LEAT_E_PROTOCOL);
    kit_raw_close(fd);
    kit_end(hub);
}

/* A held view keeps what it shows, while more comes behind it. */
TEST(many_that_are_held_stay)
{
    struct leat_hub *hub = kit_begin();
    struct leat_slice messages[MANY];
    size_t shown = 0, again = 0;
    int fd;
    leat_conn conn = raw_pair(hub, &fd);
    for (uint8_t i = 0; i < 3; i++)
        kit_raw_frame(fd, 1, &i, 1);
    REQUIRE_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_view_many(hub, conn, messages, MANY, &shown), LEAT_OK);
    for (uint8_t i = 3; i < 103; i++)
        kit_raw_frame(fd, 1, &i, 1);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_view_many(hub, conn, messages, MANY, &again), LEAT_E_STATE);
    for (size_t i = 0; i < shown; i++)
        CHECK_INT(*(const uint8_t *)messages[i].data, i);
    CHECK_ERROR(leat_release(hub, conn), LEAT_OK);
    CHECK_ERROR(leat_release(hub, conn), LEAT_E_STATE);
    numbers_come(hub, conn, (uint8_t)shown, (uint32_t)(103 - shown));
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(many_packets_are_shown_one_by_one)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    struct leat_slice messages[MANY];
    size_t sent = 0;
    numbers(messages, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, messages, 3, &sent), LEAT_OK);
    CHECK_INT(sent, 3);
    for (uint8_t i = 0; i < 3; i++)
        CHECK_INT(shows(hub, ends.accepted, MANY, i, 1), 1);
    kit_end(hub);
}
