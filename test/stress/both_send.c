/* SPDX-License-Identifier: MIT
 *
 * Both ends of a connection send very much before either reads any of it.
 *
 * Happy path: what inbox and outbox have room for is taken and moved without anybody reading; what
 *             they have not waits at its sender, and goes on when the reading begins.
 * Fails:      never by design: nobody waits for ever for one who waits for him.
 * Invariants: neither end reads a byte before both have sent as much as they can.
 */
#include "stress.h"

#include <stdatomic.h>
#include <stdlib.h>

enum room {
    ROOM_FOR_ALL, /* in the outbox, and in the inbox */
    ROOM_TO_SEND, /* in the outbox */
    NO_ROOM
};

struct meeting {
    atomic_uint arrived; /* ends that have sent all that they can without reading */
};

struct side {
    struct stress_end end;
    struct meeting *meeting;
    struct stress_end *other; /* only to ask what it is to send */
    uint64_t outbox_left;     /* when it arrived */
    enum room room;
};

/* The bytes of the outbox that the system has not taken. */
static uint64_t outbox_bytes(struct stress_end *end)
{
    struct leat_conn_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_conn_info_get(end->hub, end->conn, &info), LEAT_OK);
    return info.outbox_bytes;
}

static void next(struct stress_end *end, bool drink)
{
    struct leat_event event;
    enum leat_error error = leat_next(end->hub, &event, 1);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error == LEAT_OK && (drink || event.type != LEAT_EVENT_READABLE))
        stress_event(end, &event);
    REQUIRE(!end->over);
}

static void side_run(void *argument)
{
    struct side *side = argument;
    struct stress_end *end = &side->end;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(10 * STRESS_SOON_MS);
    REQUIRE_ERROR(leat_wait_connected(end->hub, end->conn, STRESS_SOON_MS), LEAT_OK);
    stress_pour(end);
    if (side->room != NO_ROOM)
        REQUIRE_INT(end->sent, end->to_send);
    /* Until all is sent or, where there is no room for it, nothing moves any more. */
    uint64_t left = outbox_bytes(end);
    uint32_t still = 0;
    while ((side->room == ROOM_FOR_ALL || still < 50) && left > 0 && lti_test_now_ms() < until) {
        uint64_t sent = end->sent;
        next(end, false);
        uint64_t now = outbox_bytes(end);
        still = now == left && end->sent == sent ? still + 1 : 0;
        left = now;
    }
    side->outbox_left = left;
    CHECK_INT(end->received, 0);
    atomic_fetch_add(&side->meeting->arrived, 1);
    while (atomic_load(&side->meeting->arrived) < 2 && lti_test_now_ms() < until)
        next(end, false);
    uint64_t due = side->other->to_send; /* nobody changes it */
    while ((end->received < due || end->sent < end->to_send || outbox_bytes(end) > 0) &&
           lti_test_now_ms() < until)
        next(end, true);
    CHECK_INT(end->received, due);
    CHECK_INT(end->sent, end->to_send);
    /* Neither leaves before the other has all. */
    atomic_fetch_add(&side->meeting->arrived, 1);
    while (atomic_load(&side->meeting->arrived) < 4 && lti_test_now_ms() < until)
        next(end, true);
}

/* What is left in an outbox when both have sent and none has read: as a sum of both ends. */
static uint64_t both_send(const struct leat_conn_options *options, bool messages, uint64_t to_send,
                          enum room room)
{
    struct stress_tale *tale = stress_tale_begin(3, 200000);
    struct meeting meeting;
    struct side sides[2];
    struct stress_thread *threads[2];
    struct prng random = stress_random();
    atomic_init(&meeting.arrived, 0);
    for (uint32_t i = 0; i < 2; i++) {
        sides[i] = (struct side){.meeting = &meeting, .other = &sides[i ^ 1].end, .room = room};
        sides[i].end = (struct stress_end){.tale = tale,
                                           .hub = stress_hub(),
                                           .teller = i,
                                           .end = i,
                                           .messages = messages,
                                           .piece_max = 64 * STRESS_KIB,
                                           .to_send = to_send,
                                           .random = {prng_next(&random)}};
    }
    REQUIRE_ERROR(leat_pair(sides[0].end.hub, sides[1].end.hub, options, &sides[0].end.conn,
                            &sides[1].end.conn),
                  LEAT_OK);
    for (int i = 0; i < 2; i++)
        threads[i] = stress_thread_start(side_run, &sides[i]);
    for (int i = 0; i < 2; i++)
        stress_thread_join(threads[i]);
    for (int i = 0; i < 2; i++)
        stress_abort(&sides[i].end);
    struct lti_history_result result = stress_tale_judge(tale);
    CHECK_INT(messages ? result.messages : result.bytes, 2 * to_send);
    CHECK_INT(result.lost, 0);
    for (int i = 0; i < 2; i++)
        CHECK_ERROR(leat_hub_destroy(sides[i].end.hub), LEAT_OK);
    stress_tale_end(tale);
    return sides[0].outbox_left + sides[1].outbox_left;
}

static size_t much(void)
{
    return (size_t)stress_count(4, 64) * STRESS_MIB;
}

/* All of it crosses, to inboxes that have room, before anybody reads. */
TEST_TIMEOUT(stress_both_send_all_of_it_before_they_read, 300)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .inbox_bytes = much(), .outbox_bytes = much()};
    CHECK_INT(both_send(&options, false, much(), ROOM_FOR_ALL), 0);
}

/* All of it is accepted at once, and most of it waits where it is. */
TEST_TIMEOUT(stress_both_send_more_than_inboxes_hold, 300)
{
    const struct leat_conn_options options = {.size = sizeof options, .outbox_bytes = much()};
    CHECK(both_send(&options, false, much(), ROOM_TO_SEND) >= much());
}

/* The same with the limits that everybody has: what is not accepted is sent later. */
TEST_TIMEOUT(stress_both_send_more_than_anything_holds, 300)
{
    const struct leat_conn_options options = {.size = sizeof options};
    CHECK(both_send(&options, false, much(), NO_ROOM) > 0);
}

/* The same in small pieces that gather. */
TEST_TIMEOUT(stress_both_send_what_gathers, 300)
{
    const struct leat_conn_options options = {.size = sizeof options, .gather_bytes = 10000};
    CHECK(both_send(&options, false, much(), NO_ROOM) > 0);
    const struct leat_conn_options messages = {.size = sizeof messages,
                                               .protocol = LEAT_MESSAGES,
                                               .outbox_bytes = 2 * much(),
                                               .gather_bytes = 65536};
    CHECK(both_send(&messages, true, much() / (32 * STRESS_KIB), ROOM_TO_SEND) > 0);
}

TEST_TIMEOUT(stress_both_send_messages_before_they_read, 300)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .outbox_bytes = 2 * much()};
    /* Of 32 KiB on average. */
    CHECK(both_send(&options, true, much() / (32 * STRESS_KIB), ROOM_TO_SEND) > 0);
}
