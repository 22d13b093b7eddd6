/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of threads: one waits, the others work meanwhile.
 *
 * Happy path: whatever another thread does, the waiting one is told of it.
 * Fails:      a second waiter is BUSY.
 * Invariants: nothing is guessed from the passing of time: each test waits for a condition.
 */
#include "conformance/kit.h"
#include "traps.h"

#include <stdatomic.h>
#include <string.h>

#define SENDERS 8
#define CONNS 4
#define EACH 2000u

struct waiter {
    struct leat_hub *hub;
    struct leat_event event;
    enum leat_error error;
    uint32_t timeout_ms;
};

static void waiter_run(void *argument)
{
    struct waiter *waiter = argument;
    waiter->error = leat_next(waiter->hub, &waiter->event, waiter->timeout_ms);
}

TEST(threads_wake_ends_next)
{
    struct leat_hub *hub = kit_begin();
    struct waiter waiter = {.hub = hub, .timeout_ms = LEAT_FOREVER};
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    kit_thread_join(thread);
    CHECK_ERROR(waiter.error, LEAT_OK);
    CHECK_INT(waiter.event.type, LEAT_EVENT_WOKEN);
    kit_end(hub);
}

#ifndef NDEBUG
static void info_get(void *argument)
{
    struct leat_hub_info info = {.size = sizeof info};
    enum leat_error error = leat_hub_info_get(argument, &info);
    (void)error; /* it need not come back at all */
}

static void two_threads_on_a_hub_without_a_lock(void)
{
    const struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    struct leat_hub *hub = NULL;
    if (leat_hub_create(&options, &hub) != LEAT_OK)
        return;
    info_get(hub);
    kit_thread_join(kit_thread_start(info_get, hub));
}

TEST(threads_misuse_of_single_thread_is_caught)
{
    CHECK_TRAPS(two_threads_on_a_hub_without_a_lock());
}
#endif

TEST(threads_wake_with_single_thread)
{
    struct leat_hub *base = kit_begin();
    const struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    struct waiter waiter = {.hub = kit_hub(&options), .timeout_ms = LEAT_FOREVER};
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_ERROR(leat_wake(waiter.hub), LEAT_OK);
    kit_thread_join(thread);
    CHECK_INT(waiter.event.type, LEAT_EVENT_WOKEN);
    CHECK_ERROR(leat_hub_destroy(waiter.hub), LEAT_OK);
    kit_end(base);
}

TEST(threads_second_waiter_is_busy)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    struct waiter waiter = {.hub = hub, .timeout_ms = LEAT_FOREVER};
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    uint64_t undelivered = 77;
    intptr_t waitable = -1;
    size_t size = 0;
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, LEAT_FOREVER), LEAT_E_BUSY);
    CHECK_ERROR(leat_read_full(hub, ends.accepted, &undelivered, 1, LEAT_FOREVER, &size),
                LEAT_E_BUSY);
    CHECK_ERROR(leat_hub_waitable(hub, &waitable), LEAT_E_BUSY);
    CHECK_ERROR(leat_close_wait(hub, (leat_conn){1}, 1000, NULL), LEAT_E_STALE);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_E_BUSY);
    /* Everything that does not wait goes on, and the one who waits is told. */
    CHECK_INT(kit_info(hub, ends.dialled).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_close_wait(hub, ends.dialled, 1000, &undelivered), LEAT_E_BUSY);
    CHECK_INT(undelivered, 0);
    CHECK_ERROR(leat_pause(hub, ends.dialled), LEAT_E_STALE);
    kit_thread_join(thread);
    CHECK_ERROR(waiter.error, LEAT_OK);
    CHECK(waiter.event.conn.id == ends.accepted.id);
    kit_end(hub);
}

TEST(threads_what_others_start_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    leat_conn a, b;
    leat_timer timer;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &a, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    struct waiter waiter = {.hub = hub, .timeout_ms = LEAT_FOREVER};
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    CHECK_ERROR(leat_timer_start(hub, 1, 42, &timer), LEAT_OK);
    kit_thread_join(thread);
    CHECK_INT(waiter.event.type, LEAT_EVENT_TIMER);
    CHECK_INT(waiter.event.tag, 42);
    /* Bytes from the peer, and a write of ours while another thread waits. */
    thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    kit_write_text(hub, a, "question");
    kit_read_text(peer, b, "question");
    kit_write_text(peer, b, "answer");
    kit_thread_join(thread);
    CHECK_INT(waiter.event.type, LEAT_EVENT_READABLE);
    kit_read_text(hub, a, "answer");
    /* A connection that is dialled meanwhile. */
    waiter.timeout_ms = KIT_SOON_MS;
    thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    leat_conn nobody = kit_connect(hub, kit_plain("nobody"), 1, NULL);
    kit_thread_join(thread);
    CHECK_INT(waiter.event.type, LEAT_EVENT_CLOSED);
    CHECK(waiter.event.conn.id == nobody.id);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(threads_resume_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    kit_write_text(hub, ends.dialled, "x");
    KIT_QUIET(hub);
    struct waiter waiter = {.hub = hub, .timeout_ms = LEAT_FOREVER};
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    kit_thread_join(thread);
    CHECK_INT(waiter.event.type, LEAT_EVENT_READABLE);
    kit_end(hub);
}

/* ---- Many senders on shared connections ------------------------------------------------------ */

struct sender {
    struct leat_hub *hub;
    leat_conn conns[CONNS];
    uint32_t number;
    enum leat_error error;
};

struct note {
    uint32_t sender, count;
};

static void sender_run(void *argument)
{
    struct sender *sender = argument;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(4 * KIT_SOON_MS);
    for (uint32_t i = 0; i < EACH && sender->error == LEAT_OK;) {
        struct note note = {sender->number, i};
        enum leat_error error =
            leat_send(sender->hub, sender->conns[sender->number % CONNS], &note, sizeof note);
        if (error == LEAT_OK)
            i++;
        else if (error == LEAT_E_FULL && lti_test_now_ms() < until)
            lti_test_pause(); /* who waits for room is not one of the many who send */
        else
            sender->error = error;
    }
}

/* Takes everything that can be received now; returns the number of messages. */
static uint32_t notes_take(struct leat_hub *hub, leat_conn conn, uint32_t next[SENDERS])
{
    struct note note;
    size_t size = 0;
    uint32_t count = 0;
    while (leat_receive(hub, conn, &note, sizeof note, &size) == LEAT_OK) {
        REQUIRE(size == sizeof note && note.sender < SENDERS);
        REQUIRE_INT(note.count, next[note.sender]);
        next[note.sender]++;
        count++;
    }
    return count;
}

TEST(threads_eight_senders_keep_their_order)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct sender senders[SENDERS];
    struct kit_thread *threads[SENDERS];
    uint32_t next[SENDERS] = {0}, total = 0;
    struct kit_ends ends[CONNS];
    options.outbox_messages_max = 100;
    for (int i = 0; i < CONNS; i++)
        ends[i] = kit_pair(hub, &options);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.hub = hub, .number = i};
        for (int j = 0; j < CONNS; j++)
            senders[i].conns[j] = ends[j].dialled;
        threads[i] = kit_thread_start(sender_run, &senders[i]);
    }
    while (total < SENDERS * EACH) {
        struct leat_event event;
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_READABLE)
            total += notes_take(hub, event.conn, next);
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        kit_thread_join(threads[i]);
        CHECK_ERROR(senders[i].error, LEAT_OK);
        CHECK_INT(next[i], EACH);
    }
    kit_end(hub);
}

/* ---- A peer that keeps us busy --------------------------------------------------------------- */

struct flood {
    int fd;
    atomic_bool over;
};

static void flood_run(void *argument)
{
    struct flood *flood = argument;
    static uint8_t block[65536];
    for (size_t i = 0; i + 8 <= sizeof block; i += 8)
        block[i + 4] = 0x80; /* frames that nobody knows, and everybody skips */
    size_t at = 0;
    while (!atomic_load(&flood->over)) {
        size_t sent = kit_raw_try_send(flood->fd, block + at, sizeof block - at);
        at = (at + sent) % sizeof block;
    }
}

TEST(threads_a_flood_of_nothing_does_not_hold_next)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    struct flood flood = {.fd = kit_raw_connect(kit_plain("server"))};
    struct leat_event event;
    leat_conn conn;
    kit_raw_send(flood.fd, kit_hello, sizeof kit_hello);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    struct kit_thread *thread = kit_thread_start(flood_run, &flood);
    CHECK_WITHIN(5000, leat_next(hub, &event, 0) == LEAT_E_TIMEOUT &&
                           kit_stats(hub, conn).bytes_received > KIT_MIB);
    for (int i = 0; i < 5; i++) {
        uint64_t begin = kit_now_ms();
        CHECK_ERROR(leat_next(hub, &event, 50), LEAT_E_TIMEOUT);
        CHECK(kit_now_ms() - begin < lti_test_scaled_ms(2000));
    }
    atomic_store(&flood.over, true);
    kit_thread_join(thread);
    kit_raw_close(flood.fd);
    kit_end(hub);
}

struct trickle {
    struct leat_hub *hub;
    leat_conn conn;
    uint64_t end_ms;
    atomic_bool over;
};

/* A byte now and then, for much longer than the reader has time. */
static void trickle_run(void *argument)
{
    struct trickle *trickle = argument;
    while (!atomic_load(&trickle->over) && lti_test_now_ms() < trickle->end_ms) {
        kit_write(trickle->hub, trickle->conn, "x", 1);
        CHECK_ERROR(leat_wait_readable(trickle->hub, trickle->conn, 10), LEAT_E_TIMEOUT);
    }
}

/* The time is that of the whole call, however often something comes. */
TEST(threads_a_trickle_does_not_hold_a_reader)
{
    static char buffer[65536];
    struct leat_hub *hub = kit_begin();
    struct trickle trickle = {.hub = kit_hub(NULL)};
    leat_listener listener = kit_listen(hub, kit_plain("trickle"), NULL);
    leat_conn accepted;
    size_t size = 0;
    trickle.conn = kit_connect(trickle.hub, kit_plain("trickle"), 1, NULL);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(trickle.hub, trickle.conn, KIT_SOON_MS), LEAT_OK);
    uint64_t begin_ms = lti_test_now_ms();
    trickle.end_ms = begin_ms + lti_test_scaled_ms(6000);
    struct kit_thread *thread = kit_thread_start(trickle_run, &trickle);
    CHECK_ERROR(leat_read_full(hub, accepted, buffer, sizeof buffer, 300, &size), LEAT_E_TIMEOUT);
    CHECK(lti_test_now_ms() - begin_ms < lti_test_scaled_ms(4000));
    CHECK(size > 0 && size < sizeof buffer);
    atomic_store(&trickle.over, true);
    kit_thread_join(thread);
    CHECK_ERROR(leat_hub_destroy(trickle.hub), LEAT_OK);
    kit_end(hub);
}
