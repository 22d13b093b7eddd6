/* SPDX-License-Identifier: MIT
 *
 * One thread waits for something that another thread's call ends or brings about.
 *
 * Happy path: the wait ends at once, although no system event comes of that call.
 * Fails:      a wake-up that is missed: the wait runs into its deadline.
 * Invariants: each test waits for a condition, never for time to pass.
 */
#include "conformance/kit.h"

#include <stdatomic.h>

struct waiting {
    struct leat_hub *hub;
    leat_conn conn;
    leat_listener listener;
    enum leat_error (*wait)(struct waiting *waiting);
    enum leat_error error;
};

static enum leat_error readable_wait(struct waiting *waiting)
{
    return leat_wait_readable(waiting->hub, waiting->conn, KIT_SOON_MS);
}

static enum leat_error closed_wait(struct waiting *waiting)
{
    return leat_wait_closed(waiting->hub, waiting->conn, KIT_SOON_MS);
}

static enum leat_error accepted_wait(struct waiting *waiting)
{
    leat_conn conn;
    return leat_wait_accepted(waiting->hub, waiting->listener, KIT_SOON_MS, &conn);
}

static void waiting_run(void *argument)
{
    struct waiting *waiting = argument;
    waiting->error = waiting->wait(waiting);
}

static struct kit_thread *waiting_start(struct waiting *waiting)
{
    uint64_t waits = kit_hub_info(waiting->hub).waits;
    struct kit_thread *thread = kit_thread_start(waiting_run, waiting);
    CHECK_WITHIN(5000, kit_hub_info(waiting->hub).waits > waits);
    return thread;
}

/* The wait ends because of what was done, long before its deadline. */
static void waiting_join(struct kit_thread *thread, const struct waiting *waiting,
                         enum leat_error error)
{
    uint64_t begin = lti_test_now_ms();
    kit_thread_join(thread);
    CHECK(lti_test_now_ms() - begin < KIT_SOON_MS / 2);
    CHECK_ERROR(waiting->error, error);
}

/* What is done to a connection ends the wait for it. */
static void call_ends_a_wait(enum leat_error (*call)(struct leat_hub *hub, leat_conn conn),
                             enum leat_error error)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct waiting waiting = {.hub = hub, .wait = readable_wait};
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &waiting.conn, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    struct kit_thread *thread = waiting_start(&waiting);
    CHECK_ERROR(call(hub, waiting.conn), LEAT_OK);
    waiting_join(thread, &waiting, error);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

static enum leat_error close_with_time(struct leat_hub *hub, leat_conn conn)
{
    return leat_close(hub, conn, 1000);
}

TEST(others_abort_ends_a_wait)
{
    call_ends_a_wait(leat_abort, LEAT_E_STALE);
}

TEST(others_close_ends_a_wait)
{
    call_ends_a_wait(close_with_time, LEAT_E_STALE);
}

TEST(others_pause_ends_a_wait)
{
    call_ends_a_wait(leat_pause, LEAT_E_STATE);
}

TEST(others_listener_close_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct waiting waiting = {.hub = hub, .wait = accepted_wait};
    waiting.listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_thread *thread = waiting_start(&waiting);
    CHECK_ERROR(leat_listener_close(hub, waiting.listener), LEAT_OK);
    waiting_join(thread, &waiting, LEAT_E_STALE);
    kit_end(hub);
}

/* FINISHED is due and nobody takes it, so the connection is on the ready list all the time. */
TEST(others_finish_ends_a_wait_for_the_end)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct waiting waiting = {.hub = hub, .wait = closed_wait};
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, peer, &kit_messages, &waiting.conn, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    kit_drain(peer, hub, NULL);
    CHECK_ERROR(leat_finish(peer, b), LEAT_OK);
    CHECK_ERROR(leat_wait_closed(hub, waiting.conn, 0), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, waiting.conn).peer_finished, 1);
    struct kit_thread *thread = waiting_start(&waiting);
    CHECK_ERROR(leat_finish(hub, waiting.conn), LEAT_OK);
    waiting_join(thread, &waiting, LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

/* ---- A foreign loop beside a thread that waits ----------------------------------------------- */

struct loop {
    struct leat_hub *hub;
    atomic_int polling, readable;
};

static void loop_run(void *argument)
{
    struct loop *loop = argument;
    struct leat_event event;
    intptr_t waitable = -1;
    uint32_t timeout_ms = 0;
    CHECK_ERROR(leat_hub_waitable(loop->hub, &waitable), LEAT_OK);
    CHECK_ERROR(leat_next(loop->hub, &event, 0), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_hub_deadline(loop->hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, LEAT_FOREVER);
    atomic_store(&loop->polling, 1);
    uint64_t until = lti_test_now_ms() + KIT_SOON_MS;
    while (!atomic_load(&loop->readable) && lti_test_now_ms() < until) {
        if (!kit_waitable_ready(waitable, KIT_SOON_MS))
            break;
        if (leat_next(loop->hub, &event, 0) == LEAT_OK && event.type == LEAT_EVENT_READABLE)
            atomic_store(&loop->readable, 1);
    }
}

TEST(others_what_a_wait_found_reaches_a_foreign_loop)
{
    if (!kit_waitable_there())
        SKIP_NEEDS("a poller that another loop can wait on");
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    leat_conn a, b, c, d;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &c, &d), LEAT_OK);
    kit_drain(hub, peer, NULL);
    struct loop loop = {.hub = hub};
    struct waiting waiting = {.hub = hub, .conn = a, .wait = readable_wait};
    struct kit_thread *thread = kit_thread_start(loop_run, &loop);
    CHECK_WITHIN(5000, atomic_load(&loop.polling));
    struct kit_thread *waiter = waiting_start(&waiting);
    /* While the waiter is inside, the loop cannot take the event: it is told when the waiter has
     * gone. */
    kit_write_text(peer, d, "for the loop");
    kit_write_text(peer, b, "for the waiter");
    waiting_join(waiter, &waiting, LEAT_OK);
    CHECK_ERROR(leat_abort(hub, a), LEAT_OK);
    uint64_t begin = lti_test_now_ms();
    kit_thread_join(thread);
    CHECK(lti_test_now_ms() - begin < KIT_SOON_MS / 2);
    CHECK_INT(atomic_load(&loop.readable), 1);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

/* Waits as a foreign loop does, and takes what is there; returns false when nothing came. */
static bool foreign_turn(struct leat_hub *hub, uint32_t counts[KIT_EVENT_TYPES])
{
    intptr_t waitable = -1;
    uint32_t timeout_ms = 0;
    struct leat_event event;
    REQUIRE_ERROR(leat_hub_waitable(hub, &waitable), LEAT_OK);
    REQUIRE_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    bool ready = kit_waitable_ready(waitable, timeout_ms < KIT_SOON_MS ? timeout_ms : KIT_SOON_MS);
    while (leat_next(hub, &event, 0) == LEAT_OK) {
        counts[event.type]++;
        if (event.type == LEAT_EVENT_READABLE)
            kit_read_text(hub, event.conn, "x");
    }
    return ready || timeout_ms < KIT_SOON_MS;
}

TEST(others_foreign_loop)
{
    if (!kit_waitable_there())
        SKIP_NEEDS("a poller that another loop can wait on");
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    leat_timer timer;
    (void)kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conn = kit_connect(peer, kit_plain("server"), 1, NULL);
    CHECK_ERROR(leat_wait_connected(peer, conn, KIT_SOON_MS), LEAT_OK);
    while (counts[LEAT_EVENT_ACCEPTED] == 0)
        REQUIRE(foreign_turn(hub, counts));
    kit_write_text(peer, conn, "x");
    while (counts[LEAT_EVENT_READABLE] == 0)
        REQUIRE(foreign_turn(hub, counts));
    CHECK_ERROR(leat_timer_start(hub, 20, 1, &timer), LEAT_OK);
    while (counts[LEAT_EVENT_TIMER] == 0)
        REQUIRE(foreign_turn(hub, counts));
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    while (counts[LEAT_EVENT_WOKEN] == 0)
        REQUIRE(foreign_turn(hub, counts));
    CHECK_ERROR(leat_abort(peer, conn), LEAT_OK);
    while (counts[LEAT_EVENT_CLOSED] == 0)
        REQUIRE(foreign_turn(hub, counts));
    CHECK_INT(counts[LEAT_EVENT_ACCEPTED], 1);
    CHECK_INT(counts[LEAT_EVENT_TIMER], 1);
    CHECK_INT(counts[LEAT_EVENT_WOKEN], 1);
    CHECK_INT(counts[LEAT_EVENT_FINISHED], 1);
    /* With nothing to come, the waitable is not readable. */
    KIT_QUIET(hub);
    intptr_t waitable = -1;
    REQUIRE_ERROR(leat_hub_waitable(hub, &waitable), LEAT_OK);
    CHECK(!kit_waitable_ready(waitable, 0));
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(others_a_stall_that_is_over_costs_no_wake_ups)
{
    if (!kit_waitable_there())
        SKIP_NEEDS("a poller that another loop can wait on");
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    static uint8_t block[65536];
    leat_conn conn, other;
    size_t size = 0;
    uint64_t got = 0;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &conn, &other), LEAT_OK);
    kit_drain(hub, peer, NULL);
    uint64_t total = kit_fill(hub, conn, 0);
    CHECK(kit_info(hub, conn).outbox_bytes > 0);
    for (int i = 0; i < 10000 && got < total; i++) {
        if (leat_read(peer, other, block, sizeof block, &size) == LEAT_OK)
            got += size;
        kit_drain(hub, NULL, NULL);
        enum leat_error error = leat_wait_readable(peer, other, 0);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    }
    CHECK_INT(got, total);
    /* The first read of the peer may still be told of, the second is nothing to wake up for. */
    for (int i = 0; i < 2; i++) {
        kit_write_text(hub, conn, "x");
        CHECK_ERROR(leat_wait_readable(peer, other, KIT_SOON_MS), LEAT_OK);
        kit_read_text(peer, other, "x");
        if (i == 0)
            kit_drain(hub, NULL, NULL);
    }
    intptr_t waitable = -1;
    REQUIRE_ERROR(leat_hub_waitable(hub, &waitable), LEAT_OK);
    CHECK(!kit_waitable_ready(waitable, 0));
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}
