/* SPDX-License-Identifier: MIT
 *
 * One thread waits for something that another thread's call ends or brings about.
 *
 * Happy path: the wait ends at once, although no system event comes of that call.
 * Fails:      a wake-up that is missed: the wait runs into its deadline.
 * Invariants: each test waits for a condition, never for time to pass.
 */
#include "conformance/kit.h"

#include <poll.h>
#include <pthread.h>
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

static void *waiting_run(void *argument)
{
    struct waiting *waiting = argument;
    waiting->error = waiting->wait(waiting);
    return NULL;
}

static pthread_t waiting_start(struct waiting *waiting)
{
    pthread_t thread;
    uint64_t waits = kit_hub_info(waiting->hub).waits;
    REQUIRE(pthread_create(&thread, NULL, waiting_run, waiting) == 0);
    CHECK_WITHIN(5000, kit_hub_info(waiting->hub).waits > waits);
    return thread;
}

/* The wait ends because of what was done, long before its deadline. */
static void waiting_join(pthread_t thread, const struct waiting *waiting, enum leat_error error)
{
    uint64_t begin = lti_test_now_ms();
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(lti_test_now_ms() - begin < KIT_SOON_MS / 2);
    CHECK_ERROR(waiting->error, error);
}

TEST(others_abort_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct waiting waiting = {.hub = hub, .wait = readable_wait};
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &waiting.conn, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    pthread_t thread = waiting_start(&waiting);
    CHECK_ERROR(leat_abort(hub, waiting.conn), LEAT_OK);
    waiting_join(thread, &waiting, LEAT_E_STALE);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(others_close_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct waiting waiting = {.hub = hub, .wait = readable_wait};
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &waiting.conn, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    pthread_t thread = waiting_start(&waiting);
    CHECK_ERROR(leat_close(hub, waiting.conn, 1000), LEAT_OK);
    waiting_join(thread, &waiting, LEAT_E_STALE);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(others_pause_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct waiting waiting = {.hub = hub, .wait = readable_wait};
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &waiting.conn, &b), LEAT_OK);
    kit_drain(hub, peer, NULL);
    pthread_t thread = waiting_start(&waiting);
    CHECK_ERROR(leat_pause(hub, waiting.conn), LEAT_OK);
    waiting_join(thread, &waiting, LEAT_E_STATE);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

TEST(others_listener_close_ends_a_wait)
{
    struct leat_hub *hub = kit_begin();
    struct waiting waiting = {.hub = hub, .wait = accepted_wait};
    waiting.listener = kit_listen(hub, "server", NULL);
    pthread_t thread = waiting_start(&waiting);
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
    pthread_t thread = waiting_start(&waiting);
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

static void *loop_run(void *argument)
{
    struct loop *loop = argument;
    struct leat_event event;
    intptr_t waitable = -1;
    uint32_t timeout_ms = 0;
    CHECK_ERROR(leat_hub_waitable(loop->hub, &waitable), LEAT_OK);
    CHECK_ERROR(leat_next(loop->hub, &event, 0), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_hub_deadline(loop->hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, LEAT_FOREVER);
    struct pollfd poller = {.fd = (int)waitable, .events = POLLIN};
    atomic_store(&loop->polling, 1);
    uint64_t until = lti_test_now_ms() + KIT_SOON_MS;
    while (!atomic_load(&loop->readable) && lti_test_now_ms() < until) {
        if (poll(&poller, 1, (int)KIT_SOON_MS) != 1)
            break;
        if (leat_next(loop->hub, &event, 0) == LEAT_OK && event.type == LEAT_EVENT_READABLE)
            atomic_store(&loop->readable, 1);
    }
    return NULL;
}

TEST(others_what_a_wait_found_reaches_a_foreign_loop)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    leat_conn a, b, c, d;
    pthread_t thread;
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, peer, NULL, &c, &d), LEAT_OK);
    kit_drain(hub, peer, NULL);
    struct loop loop = {.hub = hub};
    struct waiting waiting = {.hub = hub, .conn = a, .wait = readable_wait};
    REQUIRE(pthread_create(&thread, NULL, loop_run, &loop) == 0);
    CHECK_WITHIN(5000, atomic_load(&loop.polling));
    pthread_t waiter = waiting_start(&waiting);
    /* While the waiter is inside, the loop cannot take the event: it is told when the waiter has
     * gone. */
    kit_write_text(peer, d, "for the loop");
    kit_write_text(peer, b, "for the waiter");
    waiting_join(waiter, &waiting, LEAT_OK);
    CHECK_ERROR(leat_abort(hub, a), LEAT_OK);
    uint64_t begin = lti_test_now_ms();
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK(lti_test_now_ms() - begin < KIT_SOON_MS / 2);
    CHECK_INT(atomic_load(&loop.readable), 1);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}
