/* SPDX-License-Identifier: MIT
 *
 * The deadlines of a connection: half a frame, a peer that takes nothing, keep-alive.
 *
 * Happy path: a peer in good order never meets a deadline, however late the program looks.
 * Fails:      TIMEOUT, with counts.
 * Invariants: a program that is away, or does not read, is no fault of the peer.
 */
#include "kit.h"

#include <string.h>

TEST(patience_with_half_a_frame_ends)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    const size_t sizes[] = {1, 7, 8, 10};
    int fd;
    options.partial_frame_ms = 60;
    for (size_t i = 0; i < 4; i++) {
        leat_conn conn = kit_raw_conn(hub, &options, &fd);
        struct kit_ends friends = kit_pair(hub, &options);
        kit_raw_send(fd, "\x05\0\0\0\x01\0\0\0hello", sizes[i]);
        uint64_t begin = kit_now_ms();
        KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
        uint64_t took = kit_now_ms() - begin;
        CHECK(took >= 59 && took < 60 + lti_test_scaled_ms(1000));
        kit_send_text(hub, friends.dialled, "untouched");
        kit_receive_text(hub, friends.accepted, "untouched");
        kit_raw_close(fd);
    }
    kit_end(hub);
}

/* Memory is for what came, not for what a header announces. */
TEST(patience_with_a_frame_of_which_little_came_costs_little)
{
    enum { PEERS = 20 };
    struct leat_hub *hub = kit_begin();
    static const char begin[] = "\0\0\x10\0\x01\0\0\0of a mebibyte";
    const uint64_t received = KIT_HELLO_BYTES + sizeof begin;
    leat_conn conns[PEERS];
    int fds[PEERS];
    for (int i = 0; i < PEERS; i++)
        conns[i] = kit_raw_conn(hub, &kit_messages, &fds[i]);
    uint64_t before = kit_hub_info(hub).memory_bytes;
    for (int i = 0; i < PEERS; i++)
        kit_raw_send(fds[i], begin, sizeof begin);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    for (int i = 0; i < PEERS; i++) {
        struct leat_event event;
        while (kit_stats(hub, conns[i]).bytes_received < received && lti_test_now_ms() < end_ms)
            CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
        CHECK_INT(kit_stats(hub, conns[i]).bytes_received, received);
    }
    CHECK(kit_hub_info(hub).memory_bytes <= before + PEERS * UINT64_C(4096));
    for (int i = 0; i < PEERS; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}

TEST(patience_with_half_a_frame_lasts_for_one_frame)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct leat_event event;
    int fd;
    const uint32_t pause_ms = (uint32_t)lti_test_scaled_ms(30);
    options.partial_frame_ms = (uint32_t)lti_test_scaled_ms(100);
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    /* Each read ends inside a frame, but each frame is complete in time. */
    kit_raw_send(fd, "\x08\0\0\0\x05\0\0\0", 8);
    for (int i = 0; i < 8; i++) {
        CHECK_ERROR(leat_next(hub, &event, pause_ms), LEAT_E_TIMEOUT);
        kit_raw_send(fd, "12345678\x08\0\0\0\x05\0\0\0", 16);
    }
    kit_raw_send(fd, "12345678", 8);
    kit_raw_send(fd, "\x03\0\0\0\x80\0\0\0", 8);
    for (int i = 0; i < 8; i++) {
        CHECK_ERROR(leat_next(hub, &event, pause_ms), LEAT_E_TIMEOUT);
        kit_raw_send(fd, "abc\x03\0\0\0\x80\0\0\0", 11);
    }
    CHECK_ERROR(leat_next(hub, &event, pause_ms), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(patience_with_half_a_frame_while_the_program_is_away)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    static uint8_t block[150000];
    int fd;
    options.partial_frame_ms = 50;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    kit_raw_header(fd, 1, sizeof block);
    KIT_QUIET(hub);
    kit_raw_send(fd, block, sizeof block);
    kit_pass(120);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    size_t size = 0;
    CHECK_ERROR(leat_receive(hub, conn, block, sizeof block, &size), LEAT_OK);
    CHECK_INT(size, sizeof block);
    KIT_QUIET(hub);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(patience_does_not_run_while_paused)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct leat_event event;
    int fd;
    options.partial_frame_ms = 50;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    kit_raw_send(fd, "\x05\0\0\0\x01\0\0\0hel", 11);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    CHECK_ERROR(leat_next(hub, &event, 120), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    kit_raw_send(fd, "lo", 2);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    kit_receive_text(hub, conn, "hello");
    kit_raw_close(fd);
    kit_end(hub);
}

static void stall(const struct leat_conn_options *from)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = *from;
    static uint8_t block[65536];
    int fd;
    options.write_stall_ms = 80;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    uint64_t begin = kit_now_ms();
    if (options.protocol == LEAT_MESSAGES)
        while (leat_send(hub, conn, block, sizeof block) == LEAT_OK)
            CHECK(kit_info(hub, conn).outbox_bytes <= 4 * KIT_MIB);
    else
        (void)kit_fill(hub, conn, 0);
    uint64_t outbox = kit_info(hub, conn).outbox_bytes;
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    uint64_t took = kit_now_ms() - begin;
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, outbox);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_WRITE);
    CHECK(took >= 79 && took < 80 + lti_test_scaled_ms(1000));
    KIT_QUIET(hub);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(patience_with_a_peer_that_takes_nothing_bytes)
{
    const struct leat_conn_options options = {.size = sizeof options, .protocol = LEAT_BYTES};
    stall(&options);
}

TEST(patience_with_a_peer_that_takes_nothing_messages)
{
    stall(&kit_messages);
}

/* Who got this much paused, and writes to a peer that takes nothing. */
static leat_conn paused_and_full(struct leat_hub *hub, const char *text, int *fd)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_BYTES, .write_stall_ms = 80};
    leat_conn conn = kit_raw_conn(hub, &options, fd);
    if (*text) {
        kit_raw_send(*fd, text, strlen(text));
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    }
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    (void)kit_fill(hub, conn, 0);
    return conn;
}

/* Who paused and has nothing to read hears of the end itself, and of no room to send. */
TEST(patience_ends_for_one_who_paused_and_has_read_all)
{
    struct leat_hub *hub = kit_begin();
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    int fd;
    (void)paused_and_full(hub, "", &fd);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 0);
    CHECK_INT(counts[LEAT_EVENT_HANGUP], 0);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Unread bytes hold CLOSED back, and nobody reads: who is cut off must hear of it all the same. */
TEST(patience_ends_for_one_who_paused)
{
    struct leat_hub *hub = kit_begin();
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    int fd;
    leat_conn conn = paused_and_full(hub, "request", &fd);
    for (int i = 0; i < 100 && counts[LEAT_EVENT_HANGUP] == 0; i++) {
        struct leat_event event;
        if (leat_next(hub, &event, KIT_SOON_MS / 10) == LEAT_OK)
            counts[event.type]++;
    }
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_HANGUP], 1);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_INT(counts[LEAT_EVENT_CLOSED], 0);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_ENDED);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_read_text(hub, conn, "request");
    CHECK_ERROR(KIT_NEXT(hub, LEAT_EVENT_CLOSED).error, LEAT_E_TIMEOUT);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(patience_with_a_slow_peer_lasts)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options,
                                              .protocol = LEAT_BYTES,
                                              .outbox_bytes = KIT_ROOMY_BYTES,
                                              .write_stall_ms = 1000};
    static uint8_t block[65536];
    struct leat_event event;
    int fd;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    uint64_t total = kit_fill(hub, conn, 0), got = 0;
    /* Little enough each time that the system does not call it room. */
    for (int i = 0; i < 8; i++) {
        CHECK_ERROR(leat_next(hub, &event, 200), LEAT_E_TIMEOUT);
        int64_t size = kit_raw_recv(fd, block, sizeof block / 2);
        REQUIRE(size > 0 && kit_pattern_is(block, (size_t)size, got));
        got += (uint64_t)size;
    }
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    for (int i = 0; i < 100000 && got < total; i++) {
        int64_t size = kit_raw_recv(fd, block, sizeof block);
        REQUIRE(size >= 0 && kit_pattern_is(block, (size_t)size, got));
        got += (uint64_t)size;
        kit_drain(hub, NULL, NULL);
    }
    CHECK_INT(got, total);
    kit_raw_close(fd);
    kit_end(hub);
}

/* ---- Keep-alive ------------------------------------------------------------------------------ */

static const uint8_t ping_header[8] = {8, 0, 0, 0, 4, 0, 0, 0};

TEST(keepalive_ends_a_silent_peer)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    uint8_t bytes[64];
    int fd;
    options.keepalive_ms = 60;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    uint64_t begin = kit_now_ms();
    KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 118 && took < 180 + lti_test_scaled_ms(1000));
    CHECK_INT(kit_raw_recv(fd, bytes, sizeof bytes), 16);
    CHECK_MEM(bytes, ping_header, 8);
    CHECK_INT(kit_raw_recv(fd, bytes, sizeof bytes), -1);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(keepalive_between_friends_lasts)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct leat_event event;
    options.keepalive_ms = 30;
    struct kit_ends ends = kit_pair(hub, &options);
    CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, ends.dialled).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_info(hub, ends.accepted).state, LEAT_STATE_OPEN);
    CHECK(kit_stats(hub, ends.dialled).bytes_sent > KIT_HELLO_BYTES);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_received, 0);
    kit_end(hub);
}

TEST(keepalive_spares_who_is_not_read)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct leat_event event;
    int fds[2];
    options.keepalive_ms = 30;
    leat_conn paused = kit_raw_conn(hub, &options, &fds[0]);
    leat_conn unread = kit_raw_conn(hub, &options, &fds[1]);
    CHECK_ERROR(leat_pause(hub, paused), LEAT_OK);
    kit_raw_frame(fds[1], 1, "unread", 6);
    for (uint64_t end = kit_now_ms() + 150; kit_now_ms() < end;) {
        if (leat_next(hub, &event, 5) == LEAT_OK)
            CHECK_INT(event.type, LEAT_EVENT_READABLE);
    }
    CHECK_INT(kit_info(hub, paused).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_info(hub, unread).state, LEAT_STATE_OPEN);
    kit_raw_close(fds[0]);
    kit_raw_close(fds[1]);
    kit_end(hub);
}

TEST(keepalive_spares_the_peer_of_a_program_that_was_away)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    uint8_t bytes[64];
    int fd;
    options.keepalive_ms = 40;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    kit_pass(150);
    /* Nobody had asked, so nobody failed to answer. */
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_raw_recv(fd, bytes, sizeof bytes), 16);
    bytes[4] = 5;
    kit_raw_send(fd, bytes, 16);
    kit_pass(150);
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    kit_raw_close(fd);
    kit_end(hub);
}
