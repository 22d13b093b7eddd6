/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of LEAT_PACKETS: the system's own boundaries, also to programs that know
 * nothing of leat.
 *
 * Happy path: one packet sent is one received, of any size from none on, in order.
 * Fails:      TOO_BIG, FULL, EMPTY and STATE, each of which leaves everything where it was; a
 *             foreign packet above our limit ends the connection.
 * Invariants: an empty packet is none but that; nothing is read while one waits to be taken.
 */
#include "kit.h"

#include <string.h>

#define EARLY 65536u
/* More than the system allows in one piece nowhere. */
#define LARGE ((size_t)150 * 1000)

static uint8_t big[2 * 1024 * 1024], got[2 * 1024 * 1024];

static struct leat_conn_options packets_of(uint32_t frame_bytes_max)
{
    struct leat_conn_options options = kit_packets;
    options.frame_bytes_max = frame_bytes_max;
    return options;
}

static void pattern_send(struct leat_hub *hub, leat_conn conn, size_t size, uint64_t offset)
{
    kit_pattern(big, size, offset);
    REQUIRE_ERROR(leat_send_wait(hub, conn, big, size, KIT_SOON_MS), LEAT_OK);
}

/* The next packet that a raw peer gets. */
static void raw_receive(int fd, size_t size, uint64_t offset)
{
    REQUIRE_INT(kit_raw_recv_packet(fd, got, sizeof got), size);
    REQUIRE(kit_pattern_is(got, size, offset));
}

static const size_t sizes[] = {1,         4095,  4096,      4097, 8191, 8192, EARLY - 8,
                               EARLY - 1, EARLY, EARLY + 1, 7,    0,    LARGE};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* ---- Boundaries ------------------------------------------------------------------------------ */

TEST(packets_of_every_size_both_ways)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_packets);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), &kit_packets);
    for (size_t i = 0; i < SIZES; i++) {
        pattern_send(hub, ends.dialled, sizes[i], i);
        kit_receive_pattern(hub, ends.accepted, sizes[i], i);
        pattern_send(hub, ends.accepted, sizes[i], i + 100);
        kit_receive_pattern(hub, ends.dialled, sizes[i], i + 100);
    }
    KIT_QUIET(hub);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    KIT_CLOSED(hub, (KIT_UNTIL(hub, LEAT_EVENT_FINISHED).conn), LEAT_E_CLOSED);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

/* Both directions at once, many under way: none is joined to its neighbour, none is cut. */
TEST(packets_of_every_size_in_a_row)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    options.outbox_bytes = KIT_ROOMY_BYTES;
    struct kit_ends ends = kit_pair(hub, &options);
    for (size_t i = 0; i < 3 * SIZES; i++) {
        pattern_send(hub, ends.dialled, sizes[i % SIZES], i);
        pattern_send(hub, ends.accepted, sizes[(i + 5) % SIZES], i + 100);
    }
    for (size_t i = 0; i < 3 * SIZES; i++) {
        kit_receive_pattern(hub, ends.accepted, sizes[i % SIZES], i);
        kit_receive_pattern(hub, ends.dialled, sizes[(i + 5) % SIZES], i + 100);
    }
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(packets_with_a_raw_client)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_packets);
    int fd = kit_raw_connect_packets(kit_plain("server"));
    /* What comes before the connection is accepted counts. */
    kit_raw_send(fd, "first", 5);
    kit_raw_send(fd, "", 0);
    leat_conn conn = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_text(hub, conn, "first");
    kit_receive_pattern(hub, conn, 0, 0);
    for (size_t i = 0; i < SIZES; i++) {
        kit_pattern(big, sizes[i], i);
        kit_raw_send(fd, big, sizes[i]);
        kit_receive_pattern(hub, conn, sizes[i], i);
        REQUIRE_ERROR(leat_send(hub, conn, big, sizes[i]), LEAT_OK);
        raw_receive(fd, sizes[i], i);
    }
    KIT_QUIET(hub);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_NONE);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_close(hub, conn, 1000), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_END);
    kit_raw_close(fd);
    kit_end(hub);
}

/* An empty packet is a beginning like any other. */
TEST(packets_of_a_client_that_begins_with_none)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_packets);
    int fd = kit_raw_connect_packets(kit_plain("server"));
    kit_raw_send(fd, "", 0);
    leat_conn conn = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_pattern(hub, conn, 0, 0);
    kit_raw_send(fd, "first", 5);
    kit_receive_text(hub, conn, "first");
    kit_raw_close(fd);
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    KIT_CLOSED(hub, conn, LEAT_E_CLOSED);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

TEST(packets_with_a_raw_server)
{
    struct leat_hub *hub = kit_begin();
    int listener = kit_raw_listen_packets(kit_path("foreign"), 1);
    leat_conn conn = kit_connect(hub, kit_path("foreign"), 1, &kit_packets);
    kit_send_text(hub, conn, "before it is accepted");
    CHECK_ERROR(leat_send(hub, conn, NULL, 0), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_CONNECTED);
    int fd = kit_raw_accept(listener);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), 21);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), 0);
    kit_raw_send(fd, "a", 1);
    kit_raw_send(fd, "", 0);
    kit_raw_send(fd, "b", 1);
    kit_receive_text(hub, conn, "a");
    kit_receive_pattern(hub, conn, 0, 0);
    kit_receive_text(hub, conn, "b");
    kit_raw_close(fd);
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    KIT_CLOSED(hub, conn, LEAT_E_CLOSED);
    kit_raw_unlisten(listener, kit_path("foreign"));
    kit_end(hub);
}

/* First, in a row, and last: each is told from the end. */
TEST(packets_without_a_byte)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    const void *data = NULL;
    size_t size = 77;
    CHECK_ERROR(leat_send(hub, ends.dialled, NULL, 0), LEAT_OK);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, NULL, 0), LEAT_OK);
    kit_send_text(hub, ends.dialled, "x");
    CHECK_ERROR(leat_send(hub, ends.dialled, NULL, 0), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, NULL, 0, &size), LEAT_OK);
    CHECK_INT(size, 0);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK(size == 0 && data != NULL);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    kit_receive_text(hub, ends.accepted, "x");
    CHECK_ERROR(leat_close(hub, ends.dialled, 1000), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, NULL, 0, &size), LEAT_OK);
    CHECK_INT(size, 0);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 4);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, 1);
    KIT_CLOSED(hub, (KIT_UNTIL(hub, LEAT_EVENT_FINISHED).conn), LEAT_E_CLOSED);
    kit_end(hub);
}

/* A pipe takes any number of them, a socket charges for each; ours that wait are bounded. */
TEST(packets_without_a_byte_are_bounded)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = packets_of(EARLY);
    uint32_t sent = 0, came = 0, counts[KIT_EVENT_TYPES] = {0};
    enum leat_error error = LEAT_OK;
    int fd;
    options.outbox_messages_max = 100;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    for (; sent < 20000 && error == LEAT_OK; sent += error == LEAT_OK)
        error = leat_send(hub, conn, NULL, 0);
    CHECK_ERROR(error, LEAT_E_FULL);
    CHECK_INT(kit_info(hub, conn).outbox_messages, 100);
    for (uint32_t i = 0; i < 40000 && came < sent; i++) {
        int64_t result = kit_raw_recv_packet(fd, got, sizeof got);
        REQUIRE(result == 0 || result == KIT_RAW_NONE);
        came += result == 0;
        if (result == KIT_RAW_NONE)
            kit_drain(hub, NULL, counts);
    }
    CHECK_INT(came, sent);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(kit_stats(hub, conn).messages_sent, sent);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, 0);
    kit_raw_close(fd);
    kit_end(hub);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

TEST(packets_up_to_the_limit)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = packets_of(EARLY);
    struct kit_ends ends = kit_pair(hub, &options);
    CHECK_INT(kit_info(hub, ends.dialled).peer_frame_bytes_max, EARLY);
    pattern_send(hub, ends.dialled, EARLY, 3);
    kit_receive_pattern(hub, ends.accepted, EARLY, 3);
    CHECK_ERROR(leat_send(hub, ends.dialled, big, EARLY + 1), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_send_wait(hub, ends.dialled, big, EARLY + 1, 100), LEAT_E_TOO_BIG);
    CHECK_INT(kit_stats(hub, ends.dialled).full, 0);
    KIT_QUIET(hub);
    kit_send_text(hub, ends.dialled, "still open");
    kit_receive_text(hub, ends.accepted, "still open");
    kit_end(hub);
}

/* What can be sent is known once the connection is open; all of it really can. */
TEST(packets_up_to_what_the_system_takes)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    size_t most = kit_info(hub, ends.dialled).peer_frame_bytes_max;
    CHECK(most >= LARGE && most <= KIT_MIB);
    if (KIT_PIPES)
        CHECK_INT(most, KIT_MIB);
    for (size_t less = 0; less < 3; less++) {
        pattern_send(hub, ends.dialled, most - less, less);
        kit_receive_pattern(hub, ends.accepted, most - less, less);
    }
    CHECK_ERROR(leat_send(hub, ends.dialled, big, most + 1), LEAT_E_TOO_BIG);
    kit_end(hub);
}

TEST(packets_too_big_of_a_foreign_peer)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = packets_of(EARLY);
    const size_t above[] = {EARLY + 1, LARGE};
    kit_pattern(big, LARGE, 0);
    for (size_t i = 0; i < 2; i++) {
        int fd;
        leat_conn conn = kit_raw_conn(hub, &options, &fd);
        uint64_t before = kit_hub_info(hub).memory_bytes;
        kit_raw_send(fd, big, EARLY);
        kit_raw_send(fd, big, above[i]);
        kit_receive_pattern(hub, conn, EARLY, 0);
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
        CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
        CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_READ);
        CHECK_INT(kit_stats(hub, conn).messages_received, 1);
        /* A quarter more, and the blocks' own size. */
        CHECK(kit_hub_info(hub).memory_bytes_high - before <= 2 * EARLY + EARLY / 2);
        KIT_QUIET(hub);
        kit_raw_close(fd);
    }
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

TEST(packets_options)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    leat_conn a = {77}, b = {78};
    options.inbox_bytes = EARLY;
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    options = packets_of(EARLY - 1);
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    options = kit_packets;
    options.protocol = (enum leat_protocol)4;
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    for (int i = LEAT_BYTES; i <= LEAT_MESSAGES; i++) {
        options.protocol = (enum leat_protocol)i;
        options.empty_is_finish = true;
        CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    }
    CHECK(a.id == 77 && b.id == 78);
    options = packets_of(EARLY);
    options.empty_is_finish = true;
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_conn_info info = kit_info(hub, ends.dialled);
    CHECK_INT(info.protocol, LEAT_PACKETS);
    CHECK(info.options.empty_is_finish);
    CHECK_INT(info.options.frame_bytes_max, EARLY);
    CHECK(info.options.inbox_bytes >= EARLY + 8);
    CHECK_INT(info.state, LEAT_STATE_OPEN);
    kit_end(hub);
}

TEST(packets_are_no_bytes)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    const void *data = hub;
    size_t size = 77;
    kit_send_text(hub, ends.dialled, "line\n");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_read(hub, ends.accepted, got, 5, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 1, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 0), LEAT_E_STATE);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, '\n', got, 10, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_write(hub, ends.accepted, "x", 1, &size), LEAT_E_STATE);
    CHECK(data == hub && size == 77);
    kit_receive_text(hub, ends.accepted, "line\n");
    kit_end(hub);
}

TEST(packets_of_slices)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    struct leat_slice slices[65];
    size_t size = 0;
    kit_pattern(big, 64 * 1001, 0);
    for (size_t i = 0; i < 65; i++)
        slices[i] = (struct leat_slice){big + 1001 * i, 1001};
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, slices, 65), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, NULL, 1), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send(hub, ends.dialled, NULL, 1), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_slices(hub, ends.dialled, slices, 64), LEAT_OK);
    kit_receive_pattern(hub, ends.accepted, (size_t)64 * 1001, 0);
    CHECK_ERROR(leat_receive(hub, ends.accepted, got, 1, &size), LEAT_E_EMPTY);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 1);
    kit_end(hub);
}

TEST(packets_into_a_small_buffer_stay)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    char buffer[8] = "#######";
    size_t size = 77;
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 3, &size), LEAT_E_EMPTY);
    CHECK_INT(size, 77);
    kit_send_text(hub, ends.dialled, "hello");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 4, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, 5);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, buffer, 4, 100, &size), LEAT_E_TOO_BIG);
    CHECK_STR(buffer, "#######");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, buffer, 5, &size), LEAT_OK);
    CHECK_STR(buffer, "hello##");
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(packets_view_is_held_while_more_come)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    const void *data = NULL, *other = hub;
    size_t size = 0, other_size = 77;
    pattern_send(hub, ends.dialled, 5000, 0);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_view(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK_INT(size, 5000);
    CHECK_ERROR(leat_view(hub, ends.accepted, &other, &other_size), LEAT_E_STATE);
    CHECK_ERROR(leat_receive(hub, ends.accepted, got, sizeof got, &other_size), LEAT_E_STATE);
    CHECK(other == hub && other_size == 77);
    for (size_t i = 0; i < 60; i++) {
        pattern_send(hub, ends.dialled, 1000, i);
        KIT_QUIET(hub);
        REQUIRE(kit_pattern_is(data, size, 0));
    }
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 1);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    CHECK(kit_pattern_is(data, size, 0));
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
    for (size_t i = 0; i < 60; i++)
        kit_receive_pattern(hub, ends.accepted, 1000, i);
    kit_end(hub);
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

/* Sends until nothing more goes, also after the hub has turned; returns how many packets that
 * took. */
static uint32_t fill(struct leat_hub *hub, leat_conn conn, size_t size)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        kit_pattern(big, size, count);
        enum leat_error error = leat_send(hub, conn, big, size);
        count += error == LEAT_OK;
        if (error == LEAT_OK)
            continue;
        REQUIRE_ERROR(error, LEAT_E_FULL);
        kit_drain(hub, NULL, counts);
        if (counts[LEAT_EVENT_WRITABLE] == 0)
            return count;
    }
    REQUIRE(false); /* an outbox without a limit */
    return 0;
}

TEST(packets_full_and_one_writable)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    uint32_t counts[KIT_EVENT_TYPES] = {0}, came = 0;
    int fd;
    options.outbox_bytes = 20000;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    uint32_t sent = fill(hub, conn, 3000);
    struct leat_conn_info info = kit_info(hub, conn);
    uint64_t full = kit_stats(hub, conn).full;
    CHECK(info.outbox_bytes <= 20000 && info.outbox_bytes > 10000);
    CHECK_INT(info.outbox_bytes, info.outbox_messages * 3008);
    CHECK_ERROR(leat_send(hub, conn, big, EARLY), LEAT_E_FULL);
    CHECK_ERROR(leat_send(hub, conn, big, EARLY), LEAT_E_FULL);
    CHECK_INT(kit_info(hub, conn).outbox_bytes, info.outbox_bytes);
    CHECK_INT(kit_stats(hub, conn).full, full + 2);
    CHECK_INT(kit_stats(hub, conn).messages_sent + info.outbox_messages, sent);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 0);
    /* A slow reader: one packet at a time, each the next. */
    for (uint32_t i = 0; i < 10000 && came < sent; i++) {
        int64_t result = kit_raw_recv_packet(fd, got, sizeof got);
        if (result == 3000) {
            REQUIRE(kit_pattern_is(got, 3000, came));
            came++;
        } else {
            REQUIRE_INT(result, KIT_RAW_NONE);
        }
        kit_drain(hub, NULL, counts);
        /* There must be room for what was FULL: all of the outbox. */
        if (counts[LEAT_EVENT_WRITABLE] > 0)
            CHECK_INT(kit_info(hub, conn).outbox_bytes, 0);
    }
    CHECK_INT(came, sent);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(kit_info(hub, conn).outbox_messages, 0);
    CHECK_INT(kit_stats(hub, conn).messages_sent, sent);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, (uint64_t)sent * 3000);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Whoever does not read is not read for: one packet at most waits in our memory. */
TEST(packets_nothing_is_read_while_one_waits)
{
    struct leat_hub *hub = kit_begin();
    uint32_t sent = 0;
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    for (size_t room = 1; sent < 10000 && room > 0; sent += room > 0) {
        kit_pattern(big, 1000, sent);
        room = kit_raw_try_send(fd, big, 1000);
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    }
    CHECK(sent > 10 && sent < 10000);
    CHECK_INT(kit_info(hub, conn).inbox_bytes, 1008);
    CHECK_INT(kit_stats(hub, conn).messages_received, 1);
    CHECK_INT(kit_stats(hub, conn).inbox_bytes_high, 1008);
    for (uint32_t i = 0; i < sent; i++)
        kit_receive_pattern(hub, conn, 1000, i);
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).inbox_bytes, 0);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_pause_and_resume)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    size_t size = 0;
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    for (uint64_t i = 0; i < 5; i++) {
        kit_pattern(big, 10000, i);
        kit_raw_send(fd, big, 10000);
    }
    KIT_QUIET(hub);
    CHECK_ERROR(leat_receive(hub, conn, got, sizeof got, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_receive_wait(hub, conn, got, sizeof got, 100, &size), LEAT_E_STATE);
    CHECK_INT(kit_stats(hub, conn).messages_received, 0);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
        CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
        KIT_QUIET(hub);
        kit_receive_pattern(hub, conn, 10000, i); /* what came before the pause can be taken */
        KIT_QUIET(hub);
    }
    kit_raw_close(fd);
    KIT_NEXT(hub, LEAT_EVENT_HANGUP);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    KIT_CLOSED(hub, conn, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(packets_larger_than_the_outbox)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    options.outbox_bytes = 1000;
    struct kit_ends ends = kit_pair(hub, &options);
    for (uint64_t i = 0; i < 5; i++) {
        pattern_send(hub, ends.dialled, LARGE, i);
        kit_receive_pattern(hub, ends.accepted, LARGE, i);
    }
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 5);
    kit_end(hub);
}

/* ---- Before the connection ------------------------------------------------------------------- */

TEST(packets_sent_early_arrive_in_order)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {
        .size = sizeof options, .absent = LEAT_ABSENT_WAIT, .conn = &kit_packets};
    leat_conn conn;
    size_t size = 0;
    CHECK_ERROR(leat_connect(hub, kit_plain("late"), &options, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_CONNECTING);
    CHECK_INT(kit_info(hub, conn).peer_frame_bytes_max, 0);
    kit_send_text(hub, conn, "first");
    CHECK_ERROR(leat_send(hub, conn, NULL, 0), LEAT_OK);
    kit_pattern(big, EARLY, 0);
    CHECK_ERROR(leat_send(hub, conn, big, EARLY), LEAT_OK);
    CHECK_ERROR(leat_send(hub, conn, big, EARLY + 1), LEAT_E_FULL);
    CHECK_ERROR(leat_receive(hub, conn, got, 10, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_finish(hub, conn), LEAT_E_STATE);
    leat_listener listener = kit_listen(hub, kit_plain("late"), &kit_packets);
    leat_conn accepted = {0};
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
    kit_receive_text(hub, accepted, "first");
    kit_receive_pattern(hub, accepted, 0, 0);
    kit_receive_pattern(hub, accepted, EARLY, 0);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    pattern_send(hub, conn, LARGE, 1);
    kit_receive_pattern(hub, accepted, LARGE, 1);
    CHECK_INT(kit_stats(hub, conn).messages_sent, 4);
    kit_end(hub);
}
