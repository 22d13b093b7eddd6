/* SPDX-License-Identifier: MIT
 *
 * A connection is ended while threads send on it, in every way in which it can be ended.
 *
 * Happy path: what was accepted before a close with a linger time arrives, to the last message; who
 *             sends later is told that it is too late.
 * Fails:      STALE, STATE, CLOSED, BROKEN, to those who are late.
 * Invariants: what arrives of one thread's messages is a beginning of them, in order. The tale
 *             hears of the end when the senders are done, because a message whose sending is still
 *             to be told may have been accepted before it.
 */
#include "stress.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SENDERS 3u
#define BODY_MAX 400u
#define LATER 77u /* the tag of reports */

enum cut {
    CUT_CLOSE,      /* with a linger time: nothing is lost */
    CUT_CLOSE_WAIT, /* the same, and waited for */
    CUT_CLOSE_NOW,  /* no linger time: the report says how much is lost */
    CUT_FINISH,     /* half-close: nothing is lost */
    CUT_ABORT,      /* no report */
    CUT_PEER_CLOSE, /* the peer closes */
    CUT_PEER_ABORT, /* the peer is gone */
    CUTS
};

struct cutting {
    struct stress_tale *tale;
    struct leat_hub *hub, *peers;
    leat_conn conn, peer;
    enum cut cut;
    atomic_uint sending; /* threads */
    uint32_t total;
    bool over, peer_over; /* CLOSED, or its own end */
    bool reported;
    struct leat_event closed, peer_closed, report;
};

struct sender {
    struct cutting *cutting;
    uint32_t place;
    struct prng random;
};

struct head {
    uint32_t sender, number;
};

static bool is_late(enum leat_error error)
{
    return error == LEAT_E_STALE || error == LEAT_E_STATE || error == LEAT_E_CLOSED ||
           error == LEAT_E_BROKEN;
}

static void sender_run(void *argument)
{
    struct sender *sender = argument;
    struct cutting *cutting = sender->cutting;
    uint8_t bytes[sizeof(struct head) + BODY_MAX];
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    enum leat_error error = LEAT_OK;
    size_t size = 0;
    for (uint32_t i = 0; !is_late(error) && lti_test_now_ms() < until;) {
        const struct head head = {sender->place, i};
        if (error != LEAT_E_FULL) {
            size = prng_below(&sender->random, BODY_MAX + 1);
            memcpy(bytes, &head, sizeof head);
            lti_history_fill(stress_tale_content(cutting->tale), sender->place, 0, i, 0,
                             bytes + sizeof head, size);
        }
        stress_tell(cutting->tale, 0, sender->place, 0, LTI_HISTORY_SEND, i, sizeof head + size, 0);
        error = leat_send(cutting->hub, cutting->conn, bytes, sizeof head + size);
        if (error == LEAT_OK)
            stress_tell(cutting->tale, 0, sender->place, 0, LTI_HISTORY_SENT, i++, 0, 0);
        else if (error == LEAT_E_FULL)
            lti_test_pause();
        else if (!is_late(error))
            CHECK_ERROR(error, LEAT_OK);
    }
    CHECK(is_late(error));
    atomic_fetch_sub(&cutting->sending, 1);
}

static void peer_take(struct cutting *cutting)
{
    uint8_t bytes[sizeof(struct head) + BODY_MAX];
    struct head head;
    size_t size = 0;
    while (!cutting->peer_over &&
           leat_receive(cutting->peers, cutting->peer, bytes, sizeof bytes, &size) == LEAT_OK) {
        REQUIRE(size >= sizeof head);
        memcpy(&head, bytes, sizeof head);
        REQUIRE(head.sender < SENDERS);
        uint64_t wrong = lti_history_wrong(stress_tale_content(cutting->tale), head.sender, 0,
                                           head.number, 0, bytes + sizeof head, size - sizeof head);
        stress_tell(cutting->tale, 1, head.sender, 1, LTI_HISTORY_MESSAGE, head.number, size,
                    wrong);
        cutting->total++;
    }
}

/* One event of either hub, if there is one. */
static void turn(struct cutting *cutting)
{
    struct leat_event event;
    enum leat_error error = leat_next(cutting->hub, &event, 0);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error == LEAT_OK && event.type == LEAT_EVENT_CLOSED) {
        cutting->over = true;
        cutting->closed = event;
    }
    if (error == LEAT_OK && event.type == LEAT_EVENT_CLOSE_REPORT) {
        CHECK_INT(event.tag, LATER);
        cutting->reported = true;
        cutting->report = event;
    }
    error = leat_next(cutting->peers, &event, 0);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error == LEAT_OK && event.type == LEAT_EVENT_READABLE)
        peer_take(cutting);
    if (error == LEAT_OK && event.type == LEAT_EVENT_CLOSED) {
        cutting->peer_over = true;
        cutting->peer_closed = event;
    }
    if (error == LEAT_OK && event.type == LEAT_EVENT_FINISHED && cutting->cut == CUT_FINISH)
        REQUIRE_ERROR(leat_finish(cutting->peers, cutting->peer), LEAT_OK);
}

static void cut(struct cutting *cutting)
{
    uint64_t undelivered = 77;
    switch (cutting->cut) {
    case CUT_CLOSE:
        CHECK_ERROR(leat_close_report(cutting->hub, cutting->conn, STRESS_SOON_MS, LATER), LEAT_OK);
        break;
    case CUT_CLOSE_WAIT: {
        /* The peer would have to read meanwhile; what is more than the system holds is not sent. */
        enum leat_error error = leat_close_wait(cutting->hub, cutting->conn, 5, &undelivered);
        CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        CHECK((error == LEAT_OK) == (undelivered == 0));
        cutting->reported = true;
        cutting->report = (struct leat_event){.error = error, .bytes_undelivered = undelivered};
        break;
    }
    case CUT_CLOSE_NOW:
        CHECK_ERROR(leat_close_report(cutting->hub, cutting->conn, 0, LATER), LEAT_OK);
        break;
    case CUT_FINISH:
        CHECK_ERROR(leat_finish(cutting->hub, cutting->conn), LEAT_OK);
        break;
    case CUT_ABORT:
        CHECK_ERROR(leat_abort(cutting->hub, cutting->conn), LEAT_OK);
        cutting->over = true;
        break;
    case CUT_PEER_CLOSE:
        CHECK_ERROR(leat_close(cutting->peers, cutting->peer, STRESS_SOON_MS), LEAT_OK);
        cutting->peer_over = true;
        break;
    case CUT_PEER_ABORT:
    case CUTS:
        CHECK_ERROR(leat_abort(cutting->peers, cutting->peer), LEAT_OK);
        cutting->peer_over = true;
        break;
    }
}

static bool cut_is_over(struct cutting *cutting)
{
    return atomic_load(&cutting->sending) == 0 && (cutting->over || cutting->reported) &&
           cutting->peer_over;
}

/* To the tale each sender's messages are a connection of their own; all of them ended as one. */
static void tell_the_end(struct cutting *cutting)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        if (cutting->reported) {
            stress_tell(cutting->tale, 0, i, 0, LTI_HISTORY_CLOSE, 1, 0, 0);
            stress_tell(cutting->tale, 0, i, 0, LTI_HISTORY_REPORT, (uint64_t)cutting->report.error,
                        cutting->report.bytes_undelivered, 0);
        } else if (cutting->cut == CUT_ABORT) {
            stress_tell(cutting->tale, 0, i, 0, LTI_HISTORY_ABORT, 0, 0, 0);
        } else {
            stress_tell(cutting->tale, 0, i, 0, LTI_HISTORY_CLOSED, (uint64_t)cutting->closed.error,
                        cutting->closed.bytes_undelivered, 0);
        }
        if (cutting->cut == CUT_PEER_CLOSE || cutting->cut == CUT_PEER_ABORT)
            stress_tell(cutting->tale, 1, i, 1,
                        cutting->cut == CUT_PEER_CLOSE ? LTI_HISTORY_CLOSE : LTI_HISTORY_ABORT, 0,
                        0, 0);
        else
            stress_tell(cutting->tale, 1, i, 1, LTI_HISTORY_CLOSED,
                        (uint64_t)cutting->peer_closed.error,
                        cutting->peer_closed.bytes_undelivered, 0);
    }
}

static void cut_once(struct cutting *cutting, struct prng *random)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .outbox_bytes = 8 * STRESS_KIB};
    struct sender senders[SENDERS];
    struct stress_thread *threads[SENDERS];
    uint32_t moment = (uint32_t)prng_below(random, 500);
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    REQUIRE_ERROR(leat_pair(cutting->hub, cutting->peers, &options, &cutting->conn, &cutting->peer),
                  LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(cutting->hub, cutting->conn, STRESS_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(cutting->peers, cutting->peer, STRESS_SOON_MS), LEAT_OK);
    atomic_init(&cutting->sending, SENDERS);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){cutting, i, {prng_next(random)}};
        threads[i] = stress_thread_start(sender_run, &senders[i]);
    }
    while (cutting->total < moment && lti_test_now_ms() < until)
        turn(cutting);
    cut(cutting);
    while (!cut_is_over(cutting) && lti_test_now_ms() < until)
        turn(cutting);
    CHECK(cut_is_over(cutting));
    for (uint32_t i = 0; i < SENDERS; i++)
        stress_thread_join(threads[i]);
    tell_the_end(cutting);
    struct lti_history_result result = stress_tale_judge(cutting->tale);
    if (cutting->cut == CUT_CLOSE || cutting->cut == CUT_FINISH)
        CHECK_INT(result.lost, 0);
    if (cutting->reported && cutting->report.error == LEAT_OK)
        CHECK_INT(result.lost, 0);
}

TEST_TIMEOUT(stress_close_against_send, 300)
{
    struct cutting cutting = {
        .tale = stress_tale_begin(6, 1000000), .hub = stress_hub(), .peers = stress_hub()};
    struct prng random = stress_random();
    uint64_t rounds = stress_count(12, 500);
    for (uint64_t i = 0; i < rounds * CUTS; i++) {
        struct cutting one = {.tale = cutting.tale,
                              .hub = cutting.hub,
                              .peers = cutting.peers,
                              .cut = (enum cut)(i % CUTS)};
        cut_once(&one, &random);
    }
    CHECK_ERROR(leat_hub_destroy(cutting.hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(cutting.peers), LEAT_OK);
    stress_tale_end(cutting.tale);
}

/* ---- What a report says ---------------------------------------------------------------------- */

/* Both ends are played by one thread. */
static void report_once(struct stress_tale *tale, struct leat_hub *hub, struct prng *random)
{
    const struct leat_conn_options options = {.size = sizeof options, .outbox_bytes = STRESS_MIB};
    struct stress_end ends[2];
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    for (uint32_t i = 0; i < 2; i++)
        ends[i] = (struct stress_end){.tale = tale,
                                      .hub = hub,
                                      .end = i,
                                      .piece_max = 1 + prng_below(random, 64 * STRESS_KIB),
                                      .to_send = i == 0 ? STRESS_MIB : 0};
    REQUIRE_ERROR(leat_pair(hub, hub, &options, &ends[0].conn, &ends[1].conn), LEAT_OK);
    stress_pour(&ends[0]);
    REQUIRE_ERROR(leat_wait_readable(hub, ends[1].conn, STRESS_SOON_MS), LEAT_OK);
    stress_drink(&ends[1], (uint32_t)prng_below(random, 3));
    stress_close_report(&ends[0], 0, LATER);
    uint64_t undelivered = 0;
    bool reported = false;
    while (!reported || !ends[1].over) {
        REQUIRE_ERROR(leat_next(hub, &event, STRESS_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_CLOSE_REPORT) {
            CHECK_INT(event.tag, LATER);
            CHECK_ERROR(event.error, event.bytes_undelivered > 0 ? LEAT_E_TIMEOUT : LEAT_OK);
            stress_reported(&ends[0], event.error, event.bytes_undelivered);
            undelivered = event.bytes_undelivered;
            reported = true;
        } else if (event.conn.id == ends[1].conn.id) {
            stress_event(&ends[1], &event);
            if (event.type == LEAT_EVENT_FINISHED) /* it says no more, too */
                stress_abort(&ends[1]);
        }
    }
    struct lti_history_result result = stress_tale_judge(tale);
    CHECK_INT(ends[1].received + result.lost, ends[0].sent);
    /* Of a block that a pipe was at, part may be read although all of it is taken back. */
    if (STRESS_PIPES)
        CHECK(result.lost <= undelivered && undelivered - result.lost <= ends[0].piece_max);
    else
        CHECK_INT(result.lost, undelivered);
}

/* Whoever is cut off with bytes under way is told how many, to the byte. */
TEST_TIMEOUT(stress_reports_count_every_byte, 300)
{
    struct stress_tale *tale = stress_tale_begin(7, 3000000);
    struct leat_hub *hub = stress_hub();
    struct prng random = stress_random();
    uint64_t rounds = stress_count(10, 1000);
    for (uint64_t i = 0; i < rounds; i++)
        report_once(tale, hub, &random);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    stress_tale_end(tale);
}
