/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of LEAT_MESSAGES: whole messages, in order, with their boundaries.
 *
 * Happy path: what is sent is received, whole.
 * Fails:      TOO_BIG, FULL, EMPTY and STATE, each of which leaves the message where it was.
 * Invariants: limits are exact; a view lasts until it is released.
 */
#include "kit.h"

#include "prng.h"

#include <string.h>

#define EARLY 65536u

static uint8_t big[2 * 1024 * 1024], got[2 * 1024 * 1024];

static struct leat_conn_options small_frames(size_t outbox)
{
    return (struct leat_conn_options){.size = sizeof(struct leat_conn_options),
                                      .protocol = LEAT_MESSAGES,
                                      .frame_bytes_max = EARLY,
                                      .outbox_bytes = outbox};
}

TEST(messages_of_zero_bytes)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    const void *data = NULL;
    size_t size = 77;
    CHECK_ERROR(leat_send(hub, ends.dialled, NULL, 0), LEAT_OK);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, NULL, 0), LEAT_OK);
    kit_send_text(hub, ends.dialled, "x");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, NULL, 0, &size), LEAT_OK);
    CHECK_INT(size, 0);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    kit_receive_text(hub, ends.accepted, "x");
    KIT_QUIET(hub);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 3);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 3);
    kit_end(hub);
}

TEST(messages_up_to_the_limit_of_the_peer)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    const size_t sizes[] = {1, 7, EARLY - 1, EARLY, EARLY + 1, KIT_MIB - 1, KIT_MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        kit_pattern(big, sizes[i], i);
        CHECK_ERROR(leat_send(hub, ends.dialled, big, sizes[i]), LEAT_OK);
        kit_receive_pattern(hub, ends.accepted, sizes[i], i);
    }
    CHECK_ERROR(leat_send(hub, ends.dialled, big, KIT_MIB + 1), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_send_wait(hub, ends.dialled, big, KIT_MIB + 1, 100), LEAT_E_TOO_BIG);
    KIT_QUIET(hub);
    kit_send_text(hub, ends.dialled, "still open");
    kit_receive_text(hub, ends.accepted, "still open");
    kit_end(hub);
}

TEST(messages_limits_differ_by_direction)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options little = small_frames(0);
    leat_listener listener = kit_listen(hub, kit_plain("server"), &little);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), &kit_messages);
    CHECK_INT(kit_info(hub, ends.dialled).peer_frame_bytes_max, EARLY);
    CHECK_INT(kit_info(hub, ends.accepted).peer_frame_bytes_max, KIT_MIB);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY + 1), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY), LEAT_OK);
    CHECK_ERROR(leat_send(hub, ends.accepted, big, KIT_MIB), LEAT_OK);
    size_t size = 0;
    CHECK_ERROR(leat_receive_wait(hub, ends.dialled, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, KIT_MIB);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                LEAT_OK);
    CHECK_INT(size, EARLY);
    kit_end(hub);
}

TEST(messages_of_slices)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice slices[65];
    char expected[65];
    size_t size = 0;
    for (size_t i = 0; i < 65; i++)
        slices[i] = (struct leat_slice){&"abcdefghijklmnopqrstuvwxyz"[i % 26], 1};
    for (size_t i = 0; i < 64; i++)
        expected[i] = (char)('a' + i % 26);
    expected[64] = '\0';
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, slices, 65), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, NULL, 1), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send(hub, ends.dialled, NULL, 1), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, slices, 64), LEAT_OK);
    kit_receive_text(hub, ends.accepted, expected);
    CHECK_ERROR(leat_receive(hub, ends.accepted, got, 1, &size), LEAT_E_EMPTY);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 1);
    kit_end(hub);
}

TEST(messages_into_a_small_buffer_stay)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    char buffer[8] = "#######";
    size_t size = 77;
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 3, &size), LEAT_E_EMPTY);
    CHECK_INT(size, 77);
    kit_send_text(hub, ends.dialled, "hello");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 4, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, 5);
    CHECK_STR(buffer, "#######");
    CHECK_ERROR(leat_receive(hub, ends.accepted, NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, 5);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 5, &size), LEAT_OK);
    CHECK_STR(buffer, "hello##");
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(messages_view_survives_next)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    const void *data = NULL, *other = hub;
    size_t size = 0, other_size = 77;
    kit_pattern(big, 5000, 0);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, 5000), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK_INT(size, 5000);
    CHECK_ERROR(leat_view(hub, ends.accepted, &other, &other_size), LEAT_E_STATE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, got, sizeof got, &other_size), LEAT_E_STATE);
    CHECK(other == hub && other_size == 77);
    for (size_t i = 0; i < 50; i++) {
        CHECK_ERROR(leat_send(hub, ends.dialled, big, 3000), LEAT_OK);
        KIT_QUIET(hub);
        REQUIRE(kit_pattern_is(data, size, 0));
    }
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 0), LEAT_E_STATE);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK(kit_pattern_is(data, size, 0));
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
    for (size_t i = 0; i < 50; i++)
        kit_receive_pattern(hub, ends.accepted, 3000, 0);
    kit_end(hub);
}

TEST(messages_view_holds_the_end_back)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    const void *data = NULL;
    size_t size = 0;
    kit_send_text(hub, ends.dialled, "last");
    CHECK_ERROR(leat_close(hub, ends.dialled, 1000), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_OK);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_CLOSED] + counts[LEAT_EVENT_FINISHED], 0);
    CHECK_MEM(data, "last", 4);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    KIT_CLOSED(hub, (KIT_NEXT(hub, LEAT_EVENT_FINISHED).conn), LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(messages_keep_boundaries_under_any_chunks)
{
    struct leat_hub *hub = kit_begin();
    struct prng prng = {7};
    static uint8_t stream[200000];
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    for (uint32_t round = 0; round < 10; round++) {
        size_t end = KIT_HELLO_BYTES, sizes[100], count = 0;
        memcpy(stream, kit_hello, KIT_HELLO_BYTES);
        for (; count < 100; count++) {
            sizes[count] = prng_below(&prng, round + 1) * prng_below(&prng, 200);
            const uint8_t header[8] = {(uint8_t)sizes[count], (uint8_t)(sizes[count] >> 8), 0, 0,
                                       1};
            memcpy(stream + end, header, sizeof header);
            kit_pattern(stream + end + 8, sizes[count], count);
            end += 8 + sizes[count];
        }
        int fd = kit_raw_connect(kit_plain("server"));
        leat_conn conn = {0};
        size_t received = 0, size = 0;
        for (size_t at = 0; at < end;) {
            size_t part = 1 + prng_below(&prng, 1u << (1 + round));
            part = part < end - at ? part : end - at;
            kit_raw_send(fd, stream + at, part);
            at += part;
            struct leat_event event;
            while (leat_next(hub, &event, 0) == LEAT_OK) {
                conn = event.conn;
                if (event.type != LEAT_EVENT_READABLE)
                    continue;
                CHECK_ERROR(leat_receive(hub, conn, got, sizeof got, &size), LEAT_OK);
                REQUIRE_INT(size, sizes[received]);
                REQUIRE(kit_pattern_is(got, size, received));
                received++;
            }
        }
        CHECK_INT(received, 100);
        kit_raw_close(fd);
        KIT_CLOSED(hub, conn, LEAT_E_BROKEN);
    }
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

TEST(messages_a_thousand_small_ones)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    uint32_t number = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < 1000; i++)
        REQUIRE_ERROR(leat_send(hub, ends.dialled, &i, sizeof i), LEAT_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        REQUIRE_ERROR(
            leat_receive_wait(hub, ends.accepted, &number, sizeof number, KIT_SOON_MS, &size),
            LEAT_OK);
        REQUIRE_INT(number, i);
    }
    KIT_QUIET(hub);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 1000);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 1000);
    /* Messages that wait share one read. */
    CHECK(kit_stats(hub, ends.accepted).reads < 20);
    kit_end(hub);
}

/* Fills the kernel's buffer, what a port reads ahead, and a part of the outbox; returns how many
 * messages that took. */
static uint32_t stuff(struct leat_hub *hub, leat_conn conn, size_t outbox_bytes)
{
    uint32_t count = 0;
    uint64_t before = 0, after = 1;
    for (int i = 0; i < 100 && before != after; i++) {
        while (kit_info(hub, conn).outbox_bytes < outbox_bytes && count < 100000) {
            REQUIRE_ERROR(leat_send(hub, conn, big, 1000), LEAT_OK);
            count++;
        }
        before = kit_info(hub, conn).outbox_bytes;
        (void)!leat_wait_sent(hub, conn, 10);
        after = kit_info(hub, conn).outbox_bytes;
    }
    CHECK_INT(after, before);
    return count;
}

TEST(messages_outbox_messages_max)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.outbox_messages_max = 10;
    struct kit_ends ends = kit_pair(hub, &options);
    uint32_t sent = 0, counts[KIT_EVENT_TYPES] = {0};
    enum leat_error error = LEAT_OK;
    for (; sent < 100000; sent++) {
        error = leat_send(hub, ends.dialled, big, 1000);
        if (error != LEAT_OK)
            break;
    }
    CHECK_ERROR(error, LEAT_E_FULL);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 10);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent + 10, sent);
    size_t size = 0;
    for (uint32_t i = 0; i < sent; i++)
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, 1000, KIT_SOON_MS, &size),
                      LEAT_OK);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 0);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, sent);
    kit_end(hub);
}

TEST(messages_full_is_whole_or_nothing)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = small_frames(EARLY + 8);
    struct kit_ends ends = kit_pair(hub, &options);
    uint32_t count = stuff(hub, ends.dialled, 1);
    uint64_t before = kit_info(hub, ends.dialled).outbox_bytes;
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY), LEAT_E_FULL);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, before);
    CHECK_INT(kit_stats(hub, ends.dialled).full, 1);
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
        REQUIRE_INT(size, 1000);
    }
    KIT_NEXT(hub, LEAT_EVENT_WRITABLE);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                LEAT_OK);
    CHECK_INT(size, EARLY);
    kit_end(hub);
}

/* The outbox is below its low mark, and yet too full for this message. */
TEST(messages_send_wait_below_the_low_mark)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = small_frames(EARLY + 8);
    struct kit_ends ends = kit_pair(hub, &options);
    (void)stuff(hub, ends.dialled, 1);
    CHECK(kit_info(hub, ends.dialled).outbox_bytes <= (EARLY + 8) / 2);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_send_wait(hub, ends.dialled, big, EARLY, 100), LEAT_E_TIMEOUT);
    CHECK(kit_now_ms() - begin < 100 + lti_test_scaled_ms(1000));
    CHECK(kit_hub_info(hub).waits < 100);
    kit_end(hub);
}

TEST(messages_no_writable_before_there_is_room)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = small_frames(EARLY + 8);
    struct kit_ends ends = kit_pair(hub, &options);
    (void)stuff(hub, ends.dialled, 20000);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY), LEAT_E_FULL);
    struct leat_event event;
    for (uint32_t i = 0; i < 100000 && leat_next(hub, &event, 0) == LEAT_OK; i++) {
        size_t size = 0;
        if (event.type == LEAT_EVENT_READABLE)
            REQUIRE_ERROR(leat_receive(hub, ends.accepted, got, sizeof got, &size), LEAT_OK);
        if (event.type == LEAT_EVENT_WRITABLE)
            break;
    }
    CHECK_INT(event.type, LEAT_EVENT_WRITABLE);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY), LEAT_OK);
    kit_end(hub);
}

/* The limit of the outbox need not be that of the largest message. */
TEST(messages_larger_than_the_outbox)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.outbox_bytes = 1000;
    struct kit_ends ends = kit_pair(hub, &options);
    for (uint64_t i = 0; i < 3; i++) {
        kit_pattern(big, KIT_MIB, i);
        CHECK_ERROR(leat_send(hub, ends.dialled, big, KIT_MIB), LEAT_OK);
        CHECK(kit_info(hub, ends.dialled).outbox_bytes > 1000);
        CHECK_ERROR(leat_send(hub, ends.dialled, "x", 1), LEAT_E_FULL);
        kit_receive_pattern(hub, ends.accepted, KIT_MIB, i);
        KIT_NEXT(hub, LEAT_EVENT_WRITABLE);
        KIT_QUIET(hub);
    }
    kit_end(hub);
}

/* What is larger than the outbox waits until the outbox is empty. */
TEST(messages_larger_than_the_outbox_wait_for_it_to_be_empty)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.outbox_bytes = 2100;
    options.outbox_low_bytes = 2000;
    struct kit_ends ends = kit_pair(hub, &options);
    (void)stuff(hub, ends.dialled, 1);
    CHECK_ERROR(leat_send_wait(hub, ends.dialled, big, KIT_MIB, 50), LEAT_E_TIMEOUT);
    size_t size = 0;
    for (uint32_t i = 0; i < 100000 && size != KIT_MIB; i++) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_WRITABLE) {
            CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
            CHECK_ERROR(leat_send(hub, ends.dialled, big, KIT_MIB), LEAT_OK);
        } else {
            CHECK_ERROR(leat_receive(hub, event.conn, got, sizeof got, &size), LEAT_OK);
        }
    }
    CHECK_INT(size, KIT_MIB);
    kit_end(hub);
}

/* ---- Before the handshake -------------------------------------------------------------------- */

TEST(messages_sent_early_arrive_in_order)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {
        .size = sizeof options, .absent = LEAT_ABSENT_WAIT, .conn = &kit_messages};
    leat_conn conn;
    size_t size = 0;
    CHECK_ERROR(leat_connect(hub, kit_plain("late"), &options, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    kit_send_text(hub, conn, "first");
    CHECK_ERROR(leat_send(hub, conn, big, EARLY), LEAT_OK);
    /* Larger ones must wait for the peer's limit. */
    CHECK_ERROR(leat_send(hub, conn, big, EARLY + 1), LEAT_E_FULL);
    CHECK_ERROR(leat_send_wait(hub, conn, big, EARLY + 1, 20), LEAT_E_TIMEOUT);
    kit_send_text(hub, conn, "third");
    CHECK_ERROR(leat_receive(hub, conn, got, 10, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_finish(hub, conn), LEAT_E_STATE);
    (void)kit_listen(hub, kit_plain("late"), &kit_messages);
    leat_conn accepted = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_text(hub, accepted, "first");
    CHECK_ERROR(leat_receive_wait(hub, accepted, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, EARLY);
    kit_receive_text(hub, accepted, "third");
    CHECK_ERROR(leat_send_wait(hub, conn, big, KIT_MIB, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(hub, accepted, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, KIT_MIB);
    kit_drain(hub, NULL, NULL); /* that the last of it was taken may still have to be heard */
    CHECK_INT(kit_stats(hub, conn).messages_sent, 4);
    kit_end(hub);
}

TEST(messages_full_before_the_hello_gives_writable)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, &kit_messages);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    CHECK_ERROR(leat_send(hub, conn, big, EARLY + 1), LEAT_E_FULL);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 1);
    CHECK_INT(counts[LEAT_EVENT_ACCEPTED], 1);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_ERROR(leat_send(hub, conn, big, EARLY + 1), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

/* Both sides' messages are there before either says that it is connected. */
TEST(messages_early_in_both_directions)
{
    struct leat_hub *hub = kit_begin();
    leat_conn a, b;
    REQUIRE_ERROR(leat_pair(hub, hub, &kit_messages, &a, &b), LEAT_OK);
    kit_send_text(hub, a, "from a");
    kit_send_text(hub, b, "from b");
    uint32_t connected = 0;
    for (int i = 0; i < 2; i++)
        connected += KIT_UNTIL(hub, LEAT_EVENT_CONNECTED).type == LEAT_EVENT_CONNECTED;
    CHECK_INT(connected, 2);
    kit_receive_text(hub, a, "from b");
    kit_receive_text(hub, b, "from a");
    kit_end(hub);
}
