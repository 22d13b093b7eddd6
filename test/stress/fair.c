/* SPDX-License-Identifier: MIT
 *
 * Nobody waits for ever beside others that always have something to say.
 *
 * Happy path: whatever the others do, an endpoint's event comes within the bound that
 *             ARCHITECTURE.md states; slow readers do not hold up fast ones.
 * Fails:      never by design.
 * Invariants: events are counted, not time: so the bound holds on a slow machine too.
 */
#include "stress.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- One that says little beside many that say much ------------------------------------------ */

#define BUSY 40u
#define QUIET BUSY            /* its number */
#define ENDPOINTS (BUSY + 2u) /* and the quiet one, and a timer */
/* ARCHITECTURE.md: rounds of the ready list. */
#define ROUNDS (STRESS_PIPES ? 9u : 2u)

struct crowd {
    struct stress_tale *tale;
    struct leat_hub *hub, *peers;
    struct stress_end ends[BUSY + 1][2]; /* at the hub, at the peers' hub; the quiet one is last */
    leat_timer timer;
    bool wakes; /* somebody wakes the hub before each event */
};

static void crowd_pair(struct crowd *crowd, uint32_t number)
{
    struct stress_end *ends = crowd->ends[number];
    for (uint32_t i = 0; i < 2; i++)
        ends[i] = (struct stress_end){.tale = crowd->tale,
                                      .hub = i == 0 ? crowd->hub : crowd->peers,
                                      .number = number,
                                      .end = i,
                                      .piece_max = 1};
    REQUIRE_ERROR(leat_pair(crowd->hub, crowd->peers, NULL, &ends[0].conn, &ends[1].conn), LEAT_OK);
    for (uint32_t i = 0; i < 2; i++)
        REQUIRE_ERROR(leat_wait_connected(ends[i].hub, ends[i].conn, STRESS_SOON_MS), LEAT_OK);
}

/* One byte of the peer's. */
static void crowd_write(struct crowd *crowd, uint32_t number)
{
    struct stress_end *peer = &crowd->ends[number][1];
    peer->to_send++;
    stress_pour(peer);
    REQUIRE_INT(peer->sent, peer->to_send);
}

static void crowd_read(struct crowd *crowd, uint32_t number)
{
    stress_drink(&crowd->ends[number][0], 1);
    REQUIRE_INT(crowd->ends[number][0].received, crowd->ends[number][1].sent);
}

static void crowd_make(struct crowd *crowd)
{
    crowd->hub = stress_hub();
    crowd->peers = stress_hub();
    for (uint32_t i = 0; i < BUSY; i++) {
        crowd_pair(crowd, i);
        /* Nobody reads it before the end, so that READABLE comes for ever. */
        crowd_write(crowd, i);
    }
    crowd_pair(crowd, QUIET);
    REQUIRE_ERROR(leat_timer_start(crowd->hub, 0, 0, &crowd->timer), LEAT_OK);
}

static struct leat_event crowd_next(struct crowd *crowd)
{
    struct leat_event event;
    if (crowd->wakes)
        REQUIRE_ERROR(leat_wake(crowd->hub), LEAT_OK);
    REQUIRE_ERROR(leat_next(crowd->hub, &event, STRESS_SOON_MS), LEAT_OK);
    if (event.type == LEAT_EVENT_TIMER)
        REQUIRE_ERROR(leat_timer_start(crowd->hub, 0, 0, &crowd->timer), LEAT_OK);
    return event;
}

/* The most events of others that came before the quiet one's. */
static uint32_t crowd_worst(struct crowd *crowd, uint32_t limit)
{
    struct prng random = stress_random();
    uint64_t visits = stress_count(500, 50000);
    uint32_t worst = 0;
    for (uint64_t i = 0; i < visits; i++) {
        uint32_t waited = 0;
        for (size_t skip = prng_below(&random, ENDPOINTS); skip > 0; skip--)
            (void)crowd_next(crowd);
        crowd_write(crowd, QUIET);
        while (waited <= limit && crowd_next(crowd).conn.id != crowd->ends[QUIET][0].conn.id)
            waited++;
        worst = waited > worst ? waited : worst;
        REQUIRE(waited <= limit);
        crowd_read(crowd, QUIET);
    }
    return worst;
}

static void crowd_test(bool wakes)
{
    static struct crowd crowd;
    const uint32_t limit = ROUNDS * ENDPOINTS * (wakes ? 2 : 1);
    crowd.wakes = wakes;
    crowd.tale = stress_tale_begin(13, (size_t)stress_count(500, 50000) * 3 + 1000);
    crowd_make(&crowd);
    for (uint32_t i = 0; i < 4 * ENDPOINTS; i++)
        (void)crowd_next(&crowd);
    uint32_t worst = crowd_worst(&crowd, limit);
    (void)printf("at most %u events of %u endpoints came first\n", worst, ENDPOINTS);
    CHECK(worst <= limit);
    for (uint32_t i = 0; i < BUSY; i++)
        crowd_read(&crowd, i);
    CHECK_INT(stress_tale_judge(crowd.tale).bytes, BUSY + stress_count(500, 50000));
    CHECK_ERROR(leat_hub_destroy(crowd.hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(crowd.peers), LEAT_OK);
    stress_tale_end(crowd.tale);
}

TEST_TIMEOUT(stress_fair_to_one_beside_many, 300)
{
    crowd_test(false);
}

TEST_TIMEOUT(stress_fair_to_one_beside_wakes, 300)
{
    crowd_test(true);
}

/* ---- Slow readers beside fast ones ----------------------------------------------------------- */

#define READERS 16u /* every second one is slow */

struct hall {
    struct stress_tale *tale;
    struct leat_hub *speaker, *readers;
    struct stress_end out[READERS], in[READERS];
};

static bool is_slow(uint32_t reader)
{
    return reader % 2 == 1;
}

static void hall_turn(struct hall *hall)
{
    struct leat_event event;
    enum leat_error error = leat_next(hall->speaker, &event, 0);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error == LEAT_OK)
        stress_event(&hall->out[event.tag], &event);
    error = leat_next(hall->readers, &event, error == LEAT_OK ? 0 : 1);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error == LEAT_OK)
        stress_event(&hall->in[event.tag], &event);
}

static bool hall_done(const struct hall *hall, bool slow)
{
    for (uint32_t i = 0; i < READERS; i++) {
        if (is_slow(i) == slow && hall->in[i].received < hall->out[i].to_send)
            return false;
    }
    return true;
}

static void hall_until(struct hall *hall, bool slow)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(5 * STRESS_SOON_MS);
    while (!hall_done(hall, slow) && lti_test_now_ms() < until)
        hall_turn(hall);
    CHECK(hall_done(hall, slow));
}

static void hall_make(struct hall *hall, enum leat_protocol protocol)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = protocol, .outbox_bytes = 128 * STRESS_KIB};
    struct prng random = stress_random();
    bool messages = protocol == LEAT_MESSAGES;
    for (uint32_t i = 0; i < READERS; i++) {
        struct stress_end end = {.tale = hall->tale,
                                 .number = i,
                                 .messages = messages,
                                 .piece_max = 16 * STRESS_KIB,
                                 .random = {prng_next(&random)}};
        hall->in[i] = hall->out[i] = end;
        hall->out[i].hub = hall->speaker;
        hall->in[i].hub = hall->readers;
        hall->in[i].end = 1;
        /* Much more than can be under way. */
        uint64_t bytes = stress_count(1, 32) * STRESS_MIB;
        hall->out[i].to_send = messages ? bytes / (8 * STRESS_KIB) : bytes;
        REQUIRE_ERROR(leat_pair(hall->speaker, hall->readers, &options, &hall->out[i].conn,
                                &hall->in[i].conn),
                      LEAT_OK);
        REQUIRE_ERROR(leat_set_tag(hall->speaker, hall->out[i].conn, i), LEAT_OK);
        REQUIRE_ERROR(leat_set_tag(hall->readers, hall->in[i].conn, i), LEAT_OK);
        if (is_slow(i))
            REQUIRE_ERROR(leat_pause(hall->readers, hall->in[i].conn), LEAT_OK);
    }
}

static void hall_test(enum leat_protocol protocol)
{
    struct hall hall = {
        .tale = stress_tale_begin(4, 600000), .speaker = stress_hub(), .readers = stress_hub()};
    uint64_t due = 0;
    hall_make(&hall, protocol);
    hall_until(&hall, false); /* the fast ones have all */
    for (uint32_t i = 0; i < READERS; i++) {
        due += hall.out[i].to_send;
        if (!is_slow(i))
            continue;
        CHECK_INT(hall.in[i].received, 0);
        CHECK(hall.out[i].sent < hall.out[i].to_send);
        CHECK_ERROR(leat_resume(hall.readers, hall.in[i].conn), LEAT_OK);
    }
    hall_until(&hall, true);
    for (uint32_t i = 0; i < READERS; i++) {
        stress_abort(&hall.out[i]);
        stress_abort(&hall.in[i]);
    }
    struct lti_history_result result = stress_tale_judge(hall.tale);
    CHECK_INT(result.lost, 0);
    CHECK_INT(protocol == LEAT_MESSAGES ? result.messages : result.bytes, due);
    CHECK_ERROR(leat_hub_destroy(hall.speaker), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hall.readers), LEAT_OK);
    stress_tale_end(hall.tale);
}

TEST_TIMEOUT(stress_slow_readers_beside_fast_ones_of_bytes, 300)
{
    hall_test(LEAT_BYTES);
}

TEST_TIMEOUT(stress_slow_readers_beside_fast_ones_of_messages, 300)
{
    hall_test(LEAT_MESSAGES);
}
