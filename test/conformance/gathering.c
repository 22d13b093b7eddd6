/* SPDX-License-Identifier: MIT
 *
 * What gather_bytes promises: small writes leave together, and none is kept longer than it says.
 *
 * Happy path: the first leaves at once, those behind it with the hub's next turn.
 * Fails:      what gathered when the peer went is undelivered, and told.
 * Invariants: order is kept, whatever leaves how. A peer that does not read changes nothing.
 */
#include "kit.h"

#include <string.h>

static struct leat_conn_options gathers(enum leat_protocol protocol, size_t bytes)
{
    return (struct leat_conn_options){
        .size = sizeof(struct leat_conn_options), .protocol = protocol, .gather_bytes = bytes};
}

/* A connection of bytes that gathers, and a raw peer. */
static leat_conn raw_pair(struct leat_hub *hub, size_t bytes, int *fd)
{
    const struct leat_conn_options options = gathers(LEAT_BYTES, bytes);
    return kit_raw_conn(hub, &options, fd);
}

/* What has come to the peer by now. */
static size_t came(int fd, void *buffer, size_t size)
{
    size_t done = 0;
    int64_t part = 0;
    while (done < size && (part = kit_raw_recv(fd, (char *)buffer + done, size - done)) > 0)
        done += (size_t)part;
    return done;
}

/* All of this comes, if the hub turns often enough: a pipe tells the end of a write only then. */
static void comes(struct leat_hub *hub, int fd, const char *text)
{
    char buffer[64];
    struct leat_event event;
    size_t done = 0, size = strlen(text);
    for (uint64_t end_ms = kit_now_ms() + KIT_SOON_MS; done < size && kit_now_ms() < end_ms;) {
        done += came(fd, buffer + done, size - done);
        if (done < size)
            CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
    }
    CHECK_INT(done, size);
    CHECK_MEM(buffer, text, size);
}

TEST(gather_options_and_arguments)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = gathers(LEAT_BYTES, 65537);
    leat_conn a, b;
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    options = gathers(LEAT_PACKETS, 1);
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    options = gathers(LEAT_BYTES, 101);
    options.outbox_bytes = 100;
    CHECK_ERROR(leat_pair(hub, hub, &options, &a, &b), LEAT_E_OPTIONS);
    options.gather_bytes = 100;
    struct kit_ends ends = kit_pair(hub, &options);
    CHECK_INT(kit_info(hub, ends.dialled).options.gather_bytes, 100);
    CHECK_ERROR(leat_flush(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_flush(NULL, ends.dialled), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_flush(hub, ends.dialled), LEAT_E_STALE);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(leat_flush(hub, ends.accepted), LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(gather_first_at_once_and_the_rest_with_a_turn)
{
    struct leat_hub *hub = kit_begin();
    char buffer[16];
    uint32_t timeout_ms = 1;
    int fd;
    leat_conn conn = raw_pair(hub, 1000, &fd);
    for (int round = 0; round < 3; round++) {
        uint64_t writes = kit_stats(hub, conn).writes;
        kit_write_text(hub, conn, "first");
        CHECK_INT(came(fd, buffer, 5), 5);
        kit_write_text(hub, conn, "se");
        kit_write_text(hub, conn, "cond");
        uint64_t kept = kit_info(hub, conn).outbox_bytes;
        CHECK(kept == 6 || (KIT_PIPES && kept == 11)); /* the end of a write may be untold yet */
        size_t accepted = 77;
        CHECK_ERROR(leat_write(hub, conn, NULL, 0, &accepted), LEAT_OK);
        CHECK_INT(accepted, 0);
        CHECK_INT(kit_info(hub, conn).outbox_bytes, kept);
        CHECK_INT(came(fd, buffer, sizeof buffer), 0);
        if (!KIT_PIPES) {
            CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
            CHECK_INT(timeout_ms, 0);
        }
        comes(hub, fd, "second");
        struct leat_event event;
        while (kit_info(hub, conn).outbox_bytes > 0)
            CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
        CHECK_INT(kit_stats(hub, conn).writes, writes + 2);
        CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
        CHECK_INT(timeout_ms, LEAT_FOREVER);
    }
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(gather_without_it_each_leaves_at_once)
{
    struct leat_hub *hub = kit_begin();
    char buffer[16];
    int fd;
    leat_conn conn = raw_pair(hub, 0, &fd);
    kit_write_text(hub, conn, "one");
    if (!KIT_PIPES) {
        kit_write_text(hub, conn, "two");
        CHECK_INT(came(fd, buffer, 6), 6);
        CHECK_MEM(buffer, "onetwo", 6);
    }
    kit_raw_close(fd);
    kit_end(hub);
}

TEST_POSIX(gather_leaves_when_there_is_enough)
{
    struct leat_hub *hub = kit_begin();
    char buffer[6400], expected[6400];
    int fd;
    leat_conn conn = raw_pair(hub, 1000, &fd);
    kit_pattern(expected, sizeof expected, 0);
    size_t done = 0;
    for (size_t i = 0; i < 100; i++) {
        kit_write(hub, conn, expected + 64 * i, 64);
        done += came(fd, buffer + done, sizeof buffer - done);
        CHECK(64 * (i + 1) - done <= 1000);
    }
    CHECK(kit_stats(hub, conn).writes < 10);
    CHECK_ERROR(leat_flush(hub, conn), LEAT_OK);
    done += came(fd, buffer + done, sizeof buffer - done);
    CHECK_INT(done, sizeof expected);
    CHECK_MEM(buffer, expected, sizeof expected);
    kit_raw_close(fd);
    kit_end(hub);
}

/* What does not fit behind others, and is more than half of what gathers, is not copied. */
TEST(gather_large_ones_leave_at_once)
{
    struct leat_hub *hub = kit_begin();
    char buffer[16];
    int fd;
    leat_conn conn = raw_pair(hub, 10, &fd);
    kit_write_text(hub, conn, "a");
    kit_write_text(hub, conn, "bc");
    kit_write_text(hub, conn, "too large");
    if (KIT_PIPES)
        comes(hub, fd, "abctoo large");
    else
        CHECK_INT(came(fd, buffer, sizeof buffer), 12);
    kit_write_text(hub, conn, "d");
    kit_write_text(hub, conn, "small");
    if (!KIT_PIPES) {
        CHECK_INT(kit_info(hub, conn).outbox_bytes, 6);
        CHECK_INT(came(fd, buffer, sizeof buffer), 0);
    }
    comes(hub, fd, "dsmall");
    kit_raw_close(fd);
    kit_end(hub);
}

/* One that is too large for what gathers leaves behind it. */
TEST(gather_keeps_order_with_large_ones)
{
    struct leat_hub *hub = kit_begin();
    static char data[3000];
    const size_t sizes[] = {1, 10, 999, 1000, 1001, 3000, 1, 1, 2500, 3};
    const struct leat_conn_options options = gathers(LEAT_BYTES, 1000);
    struct kit_ends ends = kit_pair(hub, &options);
    uint64_t sent = 0, read = 0;
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            kit_pattern(data, sizes[i], sent);
            kit_write(hub, ends.dialled, data, sizes[i]);
            sent += sizes[i];
        }
        kit_read_pattern(hub, ends.accepted, read, sent - read);
        read = sent;
    }
    kit_end(hub);
}

TEST(gather_thousands_of_messages)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = gathers(LEAT_MESSAGES, 65536);
    struct kit_ends ends = kit_pair(hub, &options);
    uint32_t sent = 0, received = 0, got = 0;
    size_t size;
    while (received < 20000) {
        for (int i = 0; i < 700 && sent < 20000; i++, sent++)
            REQUIRE_ERROR(leat_send(hub, ends.dialled, &sent, sizeof sent), LEAT_OK);
        while (received < sent) {
            enum leat_error error =
                leat_receive_wait(hub, ends.accepted, &got, sizeof got, KIT_SOON_MS, &size);
            REQUIRE_ERROR(error, LEAT_OK);
            REQUIRE_INT(got, received++);
        }
    }
    struct leat_conn_stats stats = kit_stats(hub, ends.dialled);
    CHECK_INT(stats.messages_sent, 20000);
    CHECK(stats.writes < 300);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 20000);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 0);
    kit_end(hub);
}

/* What gathers leaves before there are too many. */
TEST(gather_few_messages)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = gathers(LEAT_MESSAGES, 65536);
    options.outbox_messages_max = 3;
    struct kit_ends ends = kit_pair(hub, &options);
    for (int i = 0; i < (KIT_PIPES ? 3 : 20); i++)
        CHECK_ERROR(leat_send(hub, ends.dialled, &i, sizeof i), LEAT_OK);
    for (int i = 0; i < (KIT_PIPES ? 3 : 20); i++) {
        int got = -1;
        size_t size;
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, &got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
        CHECK_INT(got, i);
    }
    kit_end(hub);
}

/* As many as gather_bytes holds gather by default. Those of which it would hold more than may wait
 * leave before there are too many: nobody gets FULL for what only we hold back. */
TEST(gather_is_not_cut_off_by_the_count)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = gathers(LEAT_MESSAGES, 65536);
    struct kit_ends ends = kit_pair(hub, &options);
    const uint32_t held = 65536 / (64 + 8);
    const char message[64] = {0};
    char got[64];
    size_t size;
    uint64_t writes = kit_stats(hub, ends.dialled).writes;
    for (uint32_t i = 0; i < 1 + held; i++)
        REQUIRE_ERROR(leat_send(hub, ends.dialled, message, sizeof message), LEAT_OK);
    CHECK(kit_info(hub, ends.dialled).outbox_messages >= held);
    CHECK(kit_stats(hub, ends.dialled).writes <= writes + 1);
    for (uint32_t i = 0; i < 1 + held; i++)
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
    writes = kit_stats(hub, ends.dialled).writes;
    uint32_t sent = 0;
    for (; sent < (KIT_PIPES ? 1024 : 5000); sent++)
        REQUIRE_ERROR(leat_send(hub, ends.dialled, "", 0), LEAT_OK);
    CHECK(kit_stats(hub, ends.dialled).writes <= writes + 1 + 4);
    CHECK(kit_info(hub, ends.dialled).outbox_messages <= 1024);
    for (uint32_t i = 0; i < sent; i++)
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
    CHECK_INT(kit_stats(hub, ends.dialled).full, 0);
    kit_end(hub);
}

/* The same, while the system takes nothing: then there are as many as there may be, and no more. */
TEST(gather_few_messages_for_a_peer_that_does_not_read)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = gathers(LEAT_MESSAGES, 65536);
    options.outbox_bytes = KIT_ROOMY_BYTES;
    options.outbox_messages_max = 3;
    struct kit_ends ends = kit_pair(hub, &options);
    static char data[60000], got[60000];
    uint32_t large = 0, small = 0;
    enum leat_error error = LEAT_OK;
    for (; kit_info(hub, ends.dialled).outbox_messages == 0 && large < 1000; large++) {
        kit_pattern(data, sizeof data, large);
        REQUIRE_ERROR(leat_send(hub, ends.dialled, data, sizeof data), LEAT_OK);
        REQUIRE_ERROR(leat_flush(hub, ends.dialled), LEAT_OK);
    }
    for (; error == LEAT_OK && small < 10; small += error == LEAT_OK)
        error = leat_send(hub, ends.dialled, &small, sizeof small);
    CHECK_ERROR(error, LEAT_E_FULL);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 3);
    for (uint32_t i = 0; i < large + small; i++) {
        size_t size = 0;
        REQUIRE_ERROR(leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &size),
                      LEAT_OK);
        CHECK_INT(size, i < large ? sizeof got : sizeof small);
        const uint32_t number = i - large;
        CHECK(i < large ? kit_pattern_is(got, size, i) : memcmp(got, &number, size) == 0);
    }
    KIT_UNTIL(hub, LEAT_EVENT_WRITABLE);
    kit_send_text(hub, ends.dialled, "on");
    kit_receive_text(hub, ends.accepted, "on");
    kit_end(hub);
}

/* Until FULL, and on: while the system takes nothing, what is written waits as it always does. */
TEST(gather_until_full_and_on)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = gathers(LEAT_BYTES, 3000);
    options.outbox_bytes = 20000;
    struct kit_ends ends = kit_pair(hub, &options);
    uint64_t sent = kit_fill(hub, ends.dialled, 0);
    CHECK(kit_info(hub, ends.dialled).outbox_bytes <= 20000);
    kit_read_pattern(hub, ends.accepted, 0, sent);
    KIT_UNTIL(hub, LEAT_EVENT_WRITABLE);
    kit_write_text(hub, ends.dialled, "on");
    kit_read_text(hub, ends.accepted, "on");
    kit_end(hub);
}

/* A call that does not wait may be the one that finds a peer who breaks the rules. */
TEST(gather_goes_before_the_goodbye)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = gathers(LEAT_MESSAGES, 1000);
    uint8_t got[256];
    char buffer[16];
    size_t size;
    int fd;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    kit_raw_header(fd, 5, 200); /* of no kind that has a payload like that */
    KIT_QUIET(hub);
    CHECK_ERROR(leat_send(hub, conn, "a", 1), LEAT_OK);
    CHECK_ERROR(leat_send(hub, conn, "b", 1), LEAT_OK);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    CHECK_ERROR(leat_receive(hub, conn, buffer, sizeof buffer, &size), LEAT_E_PROTOCOL);
    CHECK_INT(came(fd, got, sizeof got), 2 * 9 + 9);
    CHECK_INT(got[8], 'a');
    CHECK_INT(got[9 + 8], 'b');
    kit_raw_close(fd);
    kit_end(hub);
}

/* Each call that may wait sends first, also when it finds at once what it wants. */
TEST_POSIX(gather_leaves_before_each_wait)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends other = kit_pair(hub, NULL);
    struct leat_event event;
    char buffer[16];
    size_t size;
    int fd;
    leat_conn conn = raw_pair(hub, 1000, &fd);
    kit_write_text(hub, other.dialled, "here");
    CHECK_ERROR(leat_wait_readable(hub, other.accepted, KIT_SOON_MS), LEAT_OK);
    for (int i = 0; i < 4; i++) {
        kit_write_text(hub, conn, "a");
        kit_write_text(hub, conn, "b");
        CHECK_INT(came(fd, buffer, sizeof buffer), 1);
        if (i == 0)
            CHECK_ERROR(leat_wait_readable(hub, other.accepted, 0), LEAT_OK);
        else if (i == 1)
            CHECK_ERROR(leat_next(hub, &event, 0), LEAT_OK);
        else if (i == 2)
            CHECK_ERROR(leat_read_full(hub, other.accepted, buffer, 4, 0, &size), LEAT_OK);
        else
            CHECK_ERROR(leat_wait_sent(hub, conn, 0), LEAT_OK);
        CHECK_INT(came(fd, buffer, sizeof buffer), 1);
    }
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(gather_leaves_with_finish_and_close)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 4; i++) {
        const struct leat_conn_options options = gathers(i % 2 ? LEAT_MESSAGES : LEAT_BYTES, 1000);
        struct kit_ends ends = kit_pair(hub, &options);
        uint64_t undelivered = 1;
        for (int j = 0; j < 3; j++)
            kit_say(hub, ends.dialled, &options, "abc");
        if (i < 2) {
            CHECK_ERROR(leat_close_wait(hub, ends.dialled, KIT_SOON_MS, &undelivered), LEAT_OK);
            CHECK_INT(undelivered, 0);
        } else if (options.protocol == LEAT_BYTES) {
            kit_finish(hub, ends.dialled);
        } else {
            CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
        }
        if (options.protocol == LEAT_MESSAGES) {
            for (int j = 0; j < 3; j++)
                kit_hear(hub, ends.accepted, &options, "abc");
        } else {
            kit_hear(hub, ends.accepted, &options, "abcabcabc");
        }
    }
    kit_end(hub);
}

/* The peer goes while 900 bytes gather. */
static leat_conn raw_pair_gone(struct leat_hub *hub)
{
    static const char data[450];
    char byte;
    int fd;
    leat_conn conn = raw_pair(hub, 1000, &fd);
    kit_write_text(hub, conn, "a");
    kit_write(hub, conn, data, sizeof data);
    kit_write(hub, conn, data, sizeof data);
    CHECK_INT(came(fd, &byte, 1), 1);
    kit_raw_close(fd);
    return conn;
}

/* It is told, and nothing more is accepted. */
static void write_is_refused(struct leat_hub *hub, leat_conn conn, const void *data, size_t size)
{
    size_t accepted = 0;
    enum leat_error error = leat_write(hub, conn, data, size, &accepted);
    CHECK(error == LEAT_E_CLOSED || error == LEAT_E_BROKEN);
    CHECK_INT(accepted, 0);
    CHECK_INT(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).bytes_undelivered, 900);
}

/* It is told when the rest is sent, and that is counted. */
TEST_POSIX(gather_for_a_peer_that_went)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn = raw_pair_gone(hub);
    enum leat_error error = leat_flush(hub, conn);
    CHECK(error == LEAT_E_CLOSED || error == LEAT_E_BROKEN);
    write_is_refused(hub, conn, "e", 1);
    kit_end(hub);
}

/* The same, when one that does not fit makes the rest leave: nothing gathers for nobody. */
TEST_POSIX(gather_for_a_peer_that_went_goes_on_no_more)
{
    struct leat_hub *hub = kit_begin();
    static const char data[3000];
    static const size_t sizes[] = {200, 3000};
    for (size_t i = 0; i < 2; i++)
        write_is_refused(hub, raw_pair_gone(hub), data, sizes[i]);
    kit_end(hub);
}

/* Some of those that gather end while they do: by an abort, by the hub's end. */
TEST(gather_of_many_that_end)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = gathers(LEAT_BYTES, 1000);
    struct kit_ends ends[5];
    for (int i = 0; i < 5; i++)
        ends[i] = kit_pair(hub, &options);
    for (int i = 0; i < 5; i++) {
        kit_write_text(hub, ends[i].dialled, "x");
        kit_write_text(hub, ends[i].dialled, "y");
    }
    CHECK_ERROR(leat_abort(hub, ends[2].dialled), LEAT_OK); /* in the middle, the first, the last */
    CHECK_ERROR(leat_abort(hub, ends[4].dialled), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends[0].dialled), LEAT_OK);
    kit_read_text(hub, ends[1].accepted, "xy");
    kit_read_text(hub, ends[3].accepted, "xy");
    for (int i = 1; i < 5; i += 2) {
        kit_write_text(hub, ends[i].dialled, "x");
        kit_write_text(hub, ends[i].dialled, "y");
    }
    kit_end(hub);
}

/* Writes the pattern in pieces of `size` bytes until FULL. */
static uint64_t fill_by(struct leat_hub *hub, leat_conn conn, size_t size)
{
    static char data[65536];
    enum leat_error error = LEAT_OK;
    uint64_t sent = 0;
    while (error == LEAT_OK && sent < 64 * KIT_MIB) {
        size_t accepted = 0;
        kit_pattern(data, size, sent);
        error = leat_write(hub, conn, data, size, &accepted);
        sent += accepted;
    }
    CHECK_ERROR(error, LEAT_E_FULL);
    return sent;
}

/* An accepted connection is bounded by its listener, too: it holds 64 KiB and a little more of what
 * the system did not take, however small the pieces are. */
TEST(gather_of_accepted_ones_is_bounded_by_the_listener)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = gathers(LEAT_BYTES, 65536);
    const struct leat_listen_options with = {
        .size = sizeof with, .conn = &options, .queued_bytes_max = 1000};
    const char *name = kit_plain("bounded");
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, name, &with, &listener), LEAT_OK);
    for (size_t piece = 64; piece <= 65536; piece *= 32) {
        struct kit_ends ends = kit_open(hub, listener, name, NULL);
        uint64_t sent = fill_by(hub, ends.accepted, piece);
        CHECK(kit_info(hub, ends.accepted).outbox_bytes <= 65536 + 4096);
        kit_read_pattern(hub, ends.dialled, 0, sent);
        CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 0);
        CHECK_ERROR(leat_close(hub, ends.accepted, 0), LEAT_OK);
        CHECK_ERROR(leat_close(hub, ends.dialled, 0), LEAT_OK);
    }
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}
