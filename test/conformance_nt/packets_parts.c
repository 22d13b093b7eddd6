/* SPDX-License-Identifier: MIT
 *
 * What is promised of LEAT_PACKETS over pipes, where a packet may be read in parts and its writer
 * may think better of it.
 *
 * Happy path: parts are put together again, however the reader stops in between.
 * Fails:      a packet whose rest does not come ends the connection; no part of one is ever given
 *             out as if it were whole.
 * Invariants: a packet that was not read whole is undelivered as a whole.
 */
#include "conformance/kit_nt.h"

#include <string.h>

#define LARGE ((size_t)600 * 1000)
#define QUOTA 4096u

static uint8_t big[1024 * 1024], got[1024 * 1024];

static leat_conn raw_pair(struct leat_hub *hub, const struct leat_conn_options *options, int *fd)
{
    intptr_t handle;
    leat_conn conn;
    *fd = kit_raw_pair_packets_of(QUOTA, &handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    return conn;
}

/* The peer begins to send a large packet; a part of it has come when this returns. */
static void part_come(struct leat_hub *hub, leat_conn conn, int fd)
{
    uint64_t there = 0;
    size_t size = 0;
    kit_pattern(big, LARGE, 0);
    kit_raw_send(fd, big, LARGE);
    /* One look each: nothing is read that nobody asked for. */
    for (int i = 0; i < 1000 && there <= 8; i++) {
        CHECK_ERROR(leat_receive_wait(hub, conn, got, sizeof got, 0, &size), LEAT_E_TIMEOUT);
        there = kit_info(hub, conn).inbox_bytes;
    }
    CHECK(there > 8 && there < LARGE);
    CHECK_INT(kit_stats(hub, conn).messages_received, 0);
}

static void whole_receive(struct leat_hub *hub, leat_conn conn)
{
    size_t size = 0;
    CHECK_ERROR(leat_receive_wait(hub, conn, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, LARGE);
    CHECK(kit_pattern_is(got, size, 0));
}

TEST(nt_packets_in_parts)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = raw_pair(hub, &kit_packets, &fd);
    size_t size = 77;
    part_come(hub, conn, fd);
    CHECK_ERROR(leat_receive(hub, conn, got, sizeof got, &size), LEAT_E_EMPTY);
    whole_receive(hub, conn);
    CHECK_INT(kit_stats(hub, conn).bytes_received, LARGE);
    CHECK(kit_stats(hub, conn).reads > 1);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(nt_packets_paused_within_one)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    struct leat_event event;
    int fd;
    options.partial_frame_ms = 50;
    leat_conn conn = raw_pair(hub, &options, &fd);
    part_come(hub, conn, fd);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    uint64_t there = kit_info(hub, conn).inbox_bytes;
    CHECK_ERROR(leat_next(hub, &event, 120), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).inbox_bytes, there);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    whole_receive(hub, conn);
    KIT_QUIET(hub);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Its writer gives up: the rest never comes. */
TEST(nt_packets_whose_rest_does_not_come)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    int fd;
    options.partial_frame_ms = 60;
    leat_conn conn = raw_pair(hub, &options, &fd);
    uint64_t begin = kit_now_ms();
    part_come(hub, conn, fd);
    kit_raw_give_up(fd);
    KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 59 && took < 60 + lti_test_scaled_ms(1000));
    CHECK_INT(kit_stats(hub, conn).messages_received, 0);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK(kit_hub_info(hub).memory_bytes < 100 * 1024);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Its writer goes: its rest may still come, whole, or it is lost, whole. */
TEST(nt_packets_whose_writer_goes)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = raw_pair(hub, &kit_packets, &fd);
    size_t size = 77;
    part_come(hub, conn, fd);
    kit_raw_close(fd);
    enum leat_error error = leat_receive_wait(hub, conn, got, sizeof got, KIT_SOON_MS, &size);
    if (error == LEAT_OK)
        CHECK(size == LARGE && kit_pattern_is(got, size, 0));
    else
        CHECK_ERROR(error, LEAT_E_BROKEN);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, error == LEAT_OK ? LEAT_E_CLOSED : LEAT_E_BROKEN);
    kit_end(hub);
}

/* Above the limit is seen before all of it has come. */
TEST(nt_packets_too_big_end_early)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    int fd;
    options.frame_bytes_max = 65536;
    leat_conn conn = raw_pair(hub, &options, &fd);
    kit_raw_send(fd, big, LARGE);
    KIT_CLOSED(hub, conn, LEAT_E_PROTOCOL);
    CHECK(kit_stats(hub, conn).bytes_received <= 65536);
    CHECK(kit_hub_info(hub).memory_bytes_high < 250 * 1024);
    kit_raw_close(fd);
    kit_end(hub);
}

/* A packet is one write: how much of it was taken nobody tells, so all of it must be in time. */
TEST(nt_packets_taken_slowly)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    struct leat_event event = {0};
    int fd;
    options.write_stall_ms = 100;
    leat_conn conn = raw_pair(hub, &options, &fd);
    REQUIRE_ERROR(leat_send(hub, conn, big, LARGE), LEAT_OK);
    for (int i = 0; i < 1000 && event.type != LEAT_EVENT_CLOSED; i++) {
        (void)!leat_next(hub, &event, 10);
        if (event.type != LEAT_EVENT_CLOSED)
            CHECK(kit_raw_recv(fd, got, 100) == 100);
    }
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, LARGE);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(nt_packets_half_read_when_the_peer_goes)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    int fd;
    options.outbox_bytes = KIT_ROOMY_BYTES;
    leat_conn conn = raw_pair(hub, &options, &fd);
    REQUIRE_ERROR(leat_send(hub, conn, big, LARGE), LEAT_OK);
    REQUIRE_ERROR(leat_send(hub, conn, big, 1000), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, conn, 20), LEAT_E_TIMEOUT);
    CHECK_INT(kit_raw_recv(fd, got, 50000), 50000);
    kit_raw_close(fd);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, LARGE + 1000);
    kit_end(hub);
}

/* A close whose time is over takes back what was half read: all of it is undelivered. */
TEST(nt_packets_half_read_when_we_go)
{
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = raw_pair(hub, &kit_packets, &fd);
    REQUIRE_ERROR(leat_send(hub, conn, big, LARGE), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, conn, 20), LEAT_E_TIMEOUT);
    CHECK_INT(kit_raw_recv(fd, got, 50000), 50000);
    CHECK_ERROR(leat_close_report(hub, conn, 30, 4), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, LARGE);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_raw_close(fd);
    kit_end(hub);
}
