/* SPDX-License-Identifier: MIT
 *
 * What leat_send_many promises: several messages a call, and each as if it were sent alone.
 *
 * Happy path: all are sent, in order, in few system calls.
 * Fails:      the first that cannot be sent ends the call, and is the first of the next one; what
 *             makes no sense sends nothing.
 * Invariants: what is refused here leat_send would refuse, too; nothing is lost, doubled or sent in
 *             part.
 */
#include "kit.h"

#include <string.h>

#define MANY 100u
#define EARLY 65536u
#define HEADER KIT_HEADER_BYTES

static uint8_t big[2 * 1024 * 1024], got[2 * 1024 * 1024];

/* Message number `at` is a pattern of its own, so that one that is lost shows. */
static uint8_t room[4 * 1024 * 1024];
static size_t fill(struct leat_slice *slices, const size_t *sizes, size_t count, uint64_t first)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        REQUIRE(sizes[i] <= sizeof room - used);
        kit_pattern(room + used, sizes[i], (first + i) * 7);
        slices[i] = (struct leat_slice){sizes[i] ? room + used : NULL, sizes[i]};
        used += sizes[i];
    }
    return used;
}

static void same_sizes(size_t *sizes, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        sizes[i] = size;
}

/* All of them go and come: after FULL the other end reads, and the rest is sent. */
static void deliver(struct leat_hub *hub, struct kit_ends ends, const size_t *sizes, size_t count)
{
    struct leat_slice slices[MANY];
    size_t sent = 0, received = 0;
    (void)fill(slices, sizes, count, 0);
    while (received < count) {
        size_t part = 777;
        enum leat_error error = LEAT_E_FULL;
        if (sent < count)
            error = leat_send_many(hub, ends.dialled, slices + sent, count - sent, &part);
        REQUIRE(error == LEAT_OK || error == LEAT_E_FULL);
        CHECK(error == LEAT_OK ? part > 0 && part <= count - sent : part == 777);
        sent += error == LEAT_OK ? part : 0;
        if (received == sent) { /* the system has not told yet that it took all */
            REQUIRE_ERROR(leat_wait_writable(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
            continue;
        }
        kit_receive_pattern(hub, ends.accepted, sizes[received], received * 7);
        received++;
    }
    kit_drain(hub, NULL, NULL);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 0);
    CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
}

/* ---- What is sent ---------------------------------------------------------------------------- */

TEST(send_many_of_every_size)
{
    const size_t sizes[] = {0,     1,         10, 8191,  8192,      8193, 3,     0,
                            0,     EARLY - 8, 5,  EARLY, EARLY + 1, 7,    70000, 300000,
                            12345, 1,         0,  2000,  2000,      2000, 9000,  0};
    const size_t count = sizeof sizes / sizeof sizes[0];
    const size_t gather[] = {0, 1, 100, 4096, EARLY}, outbox[] = {0, EARLY, 1 << 22};
    for (size_t i = 0; i < 15; i++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.gather_bytes = gather[i % 5];
        options.outbox_bytes = outbox[i / 5];
        struct kit_ends ends = kit_pair(hub, &options);
        deliver(hub, ends, sizes, count);
        CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, count);
        CHECK_INT(kit_stats(hub, ends.accepted).messages_received, count);
        kit_end(hub);
    }
}

TEST(send_many_of_packets_of_every_size)
{
    const size_t sizes[] = {0, 1, 8192, 8193, 0, 100, 70000, 3, 3, 5000, 40000, 0, 7};
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    for (int round = 0; round < 3; round++)
        deliver(hub, ends, sizes, sizeof sizes / sizeof sizes[0]);
    kit_end(hub);
}

/* A small outbox is no limit for what the system takes at once: leat_send would send it all. */
TEST(send_many_more_than_the_outbox_holds)
{
    size_t sizes[MANY], sent = 777;
    struct leat_slice slices[MANY];
    for (int i = 0; i < 3; i++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.outbox_bytes = i == 0 ? 300 : 0;
        options.outbox_messages_max = i == 0 ? 0 : 5;
        options.gather_bytes = i == 2 ? 200 : 0;
        struct kit_ends ends = kit_pair(hub, &options);
        same_sizes(sizes, MANY, 20);
        (void)fill(slices, sizes, MANY, 0);
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, MANY, &sent), LEAT_OK);
        /* A write to a pipe is under way until the hub hears of its end. */
        CHECK(sent == MANY || (KIT_PIPES && sent >= 5 && sent < MANY));
        CHECK_INT(kit_stats(hub, ends.dialled).full, sent < MANY);
        for (size_t j = 0; j < sent; j++)
            kit_receive_pattern(hub, ends.accepted, 20, j * 7);
        KIT_PIPES ? kit_drain(hub, NULL, NULL) : KIT_QUIET(hub);
        deliver(hub, ends, sizes, MANY);
        kit_end(hub);
    }
}

TEST(send_many_leave_in_one_write)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    size_t sizes[MANY], sent = 777;
    struct leat_slice slices[MANY];
    same_sizes(sizes, MANY, 10);
    (void)fill(slices, sizes, MANY, 0);
    for (int round = 0; round < 3; round++) {
        struct leat_conn_stats before = kit_stats(hub, ends.dialled);
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, MANY, &sent), LEAT_OK);
        CHECK_INT(sent, MANY);
        struct leat_conn_stats after = kit_stats(hub, ends.dialled);
        if (!KIT_PIPES) {
            CHECK_INT(after.writes, before.writes + 1);
            CHECK_INT(after.bytes_sent, before.bytes_sent + MANY * (10 + HEADER));
            CHECK_INT(after.messages_sent, before.messages_sent + MANY);
            CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
        }
        for (size_t i = 0; i < MANY; i++)
            kit_receive_pattern(hub, ends.accepted, 10, i * 7);
        kit_drain(hub, NULL, NULL);
        CHECK(kit_stats(hub, ends.dialled).writes <= before.writes + 3);
        CHECK(kit_stats(hub, ends.dialled).outbox_bytes_high >= MANY * (10 + HEADER));
    }
    /* A large one between small ones: what is before it, it, and what is behind it. */
    if (!KIT_PIPES) {
        struct leat_conn_stats before = kit_stats(hub, ends.dialled);
        sizes[50] = 30000;
        (void)fill(slices, sizes, MANY, 0);
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, MANY, &sent), LEAT_OK);
        CHECK_INT(sent, MANY);
        CHECK(kit_stats(hub, ends.dialled).writes <= before.writes + 3);
        for (size_t i = 0; i < MANY; i++)
            kit_receive_pattern(hub, ends.accepted, sizes[i], i * 7);
    }
    kit_end(hub);
}

/* With gather_bytes: the first leaves at once, the others when somebody waits or flushes. */
TEST(send_many_gather)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.gather_bytes = EARLY;
    struct kit_ends ends = kit_pair(hub, &options);
    size_t sizes[MANY], sent = 777;
    struct leat_slice slices[MANY];
    same_sizes(sizes, MANY, 10);
    (void)fill(slices, sizes, MANY, 0);
    uint64_t writes = kit_stats(hub, ends.dialled).writes;
    for (int i = 0; i < 5; i++) {
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, MANY, &sent), LEAT_OK);
        CHECK_INT(sent, MANY);
    }
    if (!KIT_PIPES) {
        CHECK_INT(kit_stats(hub, ends.dialled).writes, writes + 1);
        CHECK_INT(kit_info(hub, ends.dialled).outbox_messages, 5 * MANY - 1);
        CHECK_ERROR(leat_flush(hub, ends.dialled), LEAT_OK);
        CHECK_INT(kit_stats(hub, ends.dialled).writes, writes + 2);
        CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
    }
    for (size_t i = 0; i < 5 * MANY; i++)
        kit_receive_pattern(hub, ends.accepted, 10, i % MANY * 7);
    kit_end(hub);
}

/* ---- What is refused ------------------------------------------------------------------------- */

TEST(send_many_arguments_and_states)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages), bytes = kit_pair(hub, NULL);
    struct leat_slice slices[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    const leat_conn none = {0};
    size_t sent = 777;
    CHECK_ERROR(leat_send_many(hub, ends.dialled, NULL, 1, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(NULL, ends.dialled, slices, 3, &sent), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_send_many(hub, none, slices, 3, &sent), LEAT_E_STALE);
    CHECK_ERROR(leat_send_many(hub, bytes.dialled, slices, 3, &sent), LEAT_E_STATE);
    CHECK_ERROR(leat_send_many(hub, bytes.dialled, slices, 0, &sent), LEAT_E_STATE);
    for (size_t i = 0; i < 3; i++) { /* one that makes no sense, anywhere: nothing is sent */
        struct leat_slice good = slices[i];
        slices[i].data = NULL;
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, &sent), LEAT_E_ARGUMENT);
        slices[i] = (struct leat_slice){"x", SIZE_MAX};
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, &sent), LEAT_E_ARGUMENT);
        slices[i] = good;
    }
    CHECK_INT(sent, 777);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, NULL, 0, &sent), LEAT_OK);
    CHECK_INT(sent, 0);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, &sent), LEAT_OK);
    CHECK_INT(sent, 3);
    kit_receive_text(hub, ends.accepted, "a");
    kit_receive_text(hub, ends.accepted, "bb");
    kit_receive_text(hub, ends.accepted, "ccc");
    sent = 777;
    CHECK_ERROR(leat_finish(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, &sent), LEAT_E_STATE);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 1, &sent), LEAT_E_STATE);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 0, &sent), LEAT_E_STATE);
    CHECK_INT(sent, 777);
    KIT_UNTIL(hub, LEAT_EVENT_FINISHED); /* the other way is open */
    CHECK_ERROR(leat_send_many(hub, ends.accepted, slices, 3, &sent), LEAT_OK);
    CHECK_INT(sent, 3);
    for (size_t i = 0; i < 3; i++)
        kit_receive_text(hub, ends.dialled, (const char *)slices[i].data);
    sent = 777;
    CHECK_ERROR(leat_close(hub, ends.dialled, 0), LEAT_OK);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 0, &sent), LEAT_E_STALE);
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    CHECK_ERROR(leat_send_many(hub, ends.accepted, slices, 3, &sent), LEAT_E_CLOSED);
    CHECK_INT(sent, 777);
    kit_end(hub);
}

TEST(send_many_until_one_is_too_big)
{
    for (size_t place = 0; place < 4; place++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.gather_bytes = place == 3 ? 1000 : 0;
        struct kit_ends ends = kit_pair(hub, &options);
        struct leat_slice slices[4] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
        size_t sent = 777;
        slices[place] = (struct leat_slice){big, KIT_MIB + 1};
        enum leat_error error = leat_send_many(hub, ends.dialled, slices, 4, &sent);
        CHECK_ERROR(error, place == 0 ? LEAT_E_TOO_BIG : LEAT_OK);
        CHECK_INT(sent, place == 0 ? 777 : place);
        if (place > 0 && place < 3 && !KIT_PIPES) /* nothing waits behind it */
            CHECK_INT(kit_info(hub, ends.dialled).outbox_bytes, 0);
        sent = 777;
        CHECK_ERROR(leat_send_many(hub, ends.dialled, slices + place, 4 - place, &sent),
                    LEAT_E_TOO_BIG);
        CHECK_INT(sent, 777);
        if (place < 3) {
            CHECK_ERROR(leat_send_many(hub, ends.dialled, slices + place + 1, 3 - place, &sent),
                        LEAT_OK);
            CHECK_INT(sent, 3 - place);
        }
        for (size_t i = 0; i < 4; i++)
            if (i != place)
                kit_receive_text(hub, ends.accepted, (const char[]){"abcd"[i], '\0'});
        kit_drain(hub, NULL, NULL);
        CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, 3);
        kit_end(hub);
    }
}

/* To a peer that does not read, until FULL: then one WRITABLE, and the rest goes. */
TEST(send_many_until_full_and_on)
{
    const size_t gather[] = {0, 0, 1000, EARLY};
    const uint32_t messages[] = {0, 10, 0, 10};
    for (size_t i = 0; i < 4; i++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.gather_bytes = gather[i];
        options.outbox_bytes = EARLY;
        options.outbox_messages_max = messages[i];
        struct kit_ends ends = kit_pair(hub, &options);
        struct leat_slice slices[7];
        uint64_t sent = 0, received = 0, part = 7;
        enum leat_error error = LEAT_OK;
        CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
        bool again = true;
        while (again) { /* the system may take more a little later */
            for (size_t j = 0; j < 7; j++) {
                slices[j] = (struct leat_slice){room + j * 3000, (size_t)((sent + j) % 7 * 500)};
                kit_pattern(room + j * 3000, slices[j].size, (sent + j) * 7);
            }
            size_t now = 777;
            error = leat_send_many(hub, ends.dialled, slices, 7, &now);
            CHECK(error == LEAT_OK ? now >= 1 && now <= 7 : now == 777);
            part = error == LEAT_OK ? now : 0;
            sent += part;
            CHECK(kit_info(hub, ends.dialled).outbox_bytes <= EARLY);
            CHECK(messages[i] == 0 || kit_info(hub, ends.dialled).outbox_messages <= 10);
            again = error == LEAT_OK && sent < 100000;
        }
        CHECK_ERROR(error, LEAT_E_FULL);
        CHECK(messages[i] == 0 || kit_info(hub, ends.dialled).outbox_messages == 10);
        struct leat_event event = {0};
        uint32_t writable = 0;
        CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
        uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
        while (received < sent && kit_now_ms() < end_ms) {
            size_t size = 777;
            if (leat_next(hub, &event, 1) != LEAT_OK)
                continue;
            writable += event.type == LEAT_EVENT_WRITABLE;
            if (event.type != LEAT_EVENT_READABLE)
                continue;
            REQUIRE_ERROR(leat_receive(hub, ends.accepted, got, sizeof got, &size), LEAT_OK);
            REQUIRE_INT(size, received % 7 * 500);
            REQUIRE(kit_pattern_is(got, size, received * 7));
            received++;
        }
        CHECK_INT(received, sent);
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        kit_drain(hub, NULL, counts);
        CHECK_INT(writable + counts[LEAT_EVENT_WRITABLE], 1);
        CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, sent);
        const size_t sizes[] = {10, 20, 30};
        deliver(hub, ends, sizes, 3);
        kit_end(hub);
    }
}

/* ---- Before it is open ----------------------------------------------------------------------- */

TEST(send_many_before_the_connection_is_made)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {
        .size = sizeof options, .absent = LEAT_ABSENT_WAIT, .conn = &kit_messages};
    const size_t sizes[] = {10, 0, EARLY, 3, EARLY + 1, 5};
    struct leat_slice slices[6];
    size_t sent = 777;
    leat_conn conn;
    (void)fill(slices, sizes, 6, 0);
    REQUIRE_ERROR(leat_connect(hub, kit_plain("late"), &options, &conn), LEAT_OK);
    CHECK_ERROR(leat_send_many(hub, conn, slices, 6, &sent), LEAT_OK);
    CHECK_INT(sent, 4); /* what is larger must wait for the peer's limit */
    CHECK_ERROR(leat_send_many(hub, conn, slices + 4, 2, &sent), LEAT_E_FULL);
    CHECK_INT(sent, 4);
    CHECK_INT(kit_info(hub, conn).outbox_messages, 4);
    CHECK_INT(kit_stats(hub, conn).messages_sent, 0);
    leat_listener listener = kit_listen(hub, kit_plain("late"), &kit_messages);
    leat_conn accepted = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    struct kit_ends ends = {conn, accepted};
    uint32_t writable = 0;
    for (size_t i = 0; i < 4;) {
        struct leat_event event = {0};
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        writable += event.type == LEAT_EVENT_WRITABLE;
        if (event.type == LEAT_EVENT_READABLE) {
            kit_receive_pattern(hub, ends.accepted, sizes[i], i * 7);
            i++;
        }
    }
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(hub, NULL, counts);
    CHECK_INT(writable + counts[LEAT_EVENT_WRITABLE], 1);
    CHECK_ERROR(leat_send_many(hub, conn, slices + 4, 2, &sent), LEAT_OK);
    CHECK_INT(sent, 2);
    kit_receive_pattern(hub, accepted, EARLY + 1, 4 * 7);
    kit_receive_pattern(hub, accepted, 5, 5 * 7);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

/* Connected, and the other end's hello is yet to come. */
TEST(send_many_before_the_hello)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handle = -1;
    leat_conn conn;
    size_t sizes[MANY], sent = 777, end = 0;
    struct leat_slice slices[MANY];
    int fd = kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, &kit_messages, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_HANDSHAKE);
    same_sizes(sizes, MANY, 10);
    (void)fill(slices, sizes, MANY, 0);
    CHECK_ERROR(leat_send_many(hub, conn, slices, MANY, &sent), LEAT_OK);
    CHECK_INT(sent, MANY);
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    KIT_NEXT(hub, LEAT_EVENT_CONNECTED);
    CHECK_ERROR(leat_send_many(hub, conn, slices, MANY, &sent), LEAT_OK);
    CHECK_INT(sent, MANY);
    const size_t all = KIT_HELLO_BYTES + 2 * MANY * (10 + HEADER);
    uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (end < all && kit_now_ms() < end_ms) {
        int64_t part = kit_raw_recv(fd, got + end, sizeof got - end);
        end += part > 0 ? (size_t)part : 0;
        kit_drain(hub, NULL, NULL);
    }
    REQUIRE_INT(end, all);
    CHECK_MEM(got, "leat", 4);
    for (size_t i = 0; i < 2 * MANY; i++) {
        const uint8_t *frame = got + KIT_HELLO_BYTES + i * (10 + HEADER);
        CHECK_MEM(frame, ((const uint8_t[]){10, 0, 0, 0, 1, 0, 0, 0}), HEADER);
        CHECK(kit_pattern_is(frame + HEADER, 10, i % MANY * 7));
    }
    kit_raw_close(fd);
    kit_end(hub);
}
