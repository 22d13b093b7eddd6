/* SPDX-License-Identifier: MIT
 *
 * Calls from many threads at once on one hub: with ids of what is there, and of what is not.
 *
 * Happy path: each call does what it would have done alone, or is told that it came too late; the
 *             history checker judges what was sent and received.
 * Fails:      never otherwise than leat.h says; the thread sanitizer watches the rest.
 * Invariants: a thread keeps ids as long as it likes, also of what others ended long ago.
 */
#include "book.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- Everything at once ---------------------------------------------------------------------- */

#define WORKERS 6u
#define SHARED 16u /* ids that everybody knows */
#define CONNS_MAX 200u

struct party {
    struct stress_book *book;
    struct leat_hub *hub;
    const char *name;
    atomic_uint_fast64_t conns[SHARED]; /* ids, alive or not; 0: none yet */
    atomic_uint working;
    atomic_uint_fast64_t calls, done; /* of them, those that were not too late */
};

struct worker {
    struct party *party;
    struct prng random;
    uint64_t calls;
};

/* What a call on a connection may say that others use, end, or have ended. */
static bool may_be(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
    case LEAT_E_STALE:
    case LEAT_E_STATE:
    case LEAT_E_EMPTY:
    case LEAT_E_FULL:
    case LEAT_E_FINISHED:
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_BUSY:
    case LEAT_E_TIMEOUT:
    case LEAT_E_WOKEN:
    case LEAT_E_REFUSED:
    case LEAT_E_NOT_FOUND:
        return true;
    default:
        return false;
    }
}

static struct stress_shared *party_end(struct party *party, leat_conn conn)
{
    return stress_shared(party->book, party->hub, conn);
}

static enum leat_error party_abort(struct party *party, leat_conn conn)
{
    enum leat_error error = leat_abort(party->hub, conn);
    if (error == LEAT_OK)
        stress_shared_over(party_end(party, conn), LTI_HISTORY_ABORT);
    return error;
}

/* Whoever it takes the place of would be known to nobody any more. */
static void party_share(struct party *party, struct prng *random, leat_conn conn)
{
    stress_shared_made(party_end(party, conn));
    leat_conn old = {atomic_exchange(&party->conns[prng_below(random, SHARED)], conn.id)};
    enum leat_error error = party_abort(party, old);
    CHECK(error == LEAT_OK || error == LEAT_E_STALE);
}

/* A new connection, unless there are enough: others end them. */
static enum leat_error work_open(struct worker *worker)
{
    static const struct leat_conn_options messages = {.size = sizeof messages,
                                                      .protocol = LEAT_MESSAGES};
    struct party *party = worker->party;
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 5000};
    struct leat_hub_info info = {.size = sizeof info};
    leat_conn a, b;
    enum leat_error error = leat_hub_info_get(party->hub, &info);
    if (error != LEAT_OK || info.conns >= CONNS_MAX)
        return error;
    if (prng_below(&worker->random, 3) == 0) {
        error = leat_connect(party->hub, party->name, &options, &a);
        if (error == LEAT_OK)
            party_share(party, &worker->random, a);
        return error;
    }
    error = leat_pair(party->hub, party->hub,
                      prng_below(&worker->random, 2) == 0 ? &messages : NULL, &a, &b);
    if (error == LEAT_OK) {
        stress_shared_pair(party_end(party, a), party_end(party, b));
        party_share(party, &worker->random, a);
        party_share(party, &worker->random, b);
    }
    return error;
}

/* Its next bytes or message, unless another thread is sending there; then none. */
static enum leat_error work_send(struct worker *worker, leat_conn conn)
{
    struct leat_hub *hub = worker->party->hub;
    struct stress_shared *end = party_end(worker->party, conn);
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = prng_below(&worker->random, sizeof bytes), accepted = 0;
    if (!stress_write_begin(end, bytes, size))
        return leat_write(hub, conn, NULL, 0, &accepted);
    enum leat_error error = leat_write(hub, conn, bytes, size, &accepted);
    stress_write_done(end, error, accepted);
    if (error != LEAT_E_STATE || !stress_send_begin(end, bytes, &size))
        return error;
    error = leat_send(hub, conn, bytes, size);
    stress_send_done(end, error);
    return error;
}

/* What a view points at may be gone when another thread closes: it is passed over unseen. */
static enum leat_error take_message(struct worker *worker, struct stress_shared *end,
                                    leat_conn conn)
{
    struct leat_hub *hub = worker->party->hub;
    uint8_t bytes[STRESS_PIECE_MAX];
    const void *data = NULL;
    size_t size = 0;
    bool view = stress_take_blind(end) && prng_below(&worker->random, 2) == 0;
    enum leat_error error = view ? leat_view(hub, conn, &data, &size)
                                 : leat_receive(hub, conn, bytes, sizeof bytes, &size);
    if (view && error == LEAT_OK)
        error = leat_release(hub, conn);
    if (error == LEAT_OK)
        stress_take_message(end, view ? NULL : bytes, size);
    return error;
}

static enum leat_error work_take(struct worker *worker, leat_conn conn)
{
    struct stress_shared *end = party_end(worker->party, conn);
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    if (!stress_take_begin(end))
        return leat_wait_writable(worker->party->hub, conn, 0);
    enum leat_error error = leat_read(worker->party->hub, conn, bytes, sizeof bytes, &size);
    if (error == LEAT_OK)
        stress_take_bytes(end, bytes, size);
    if (error == LEAT_E_STATE)
        error = take_message(worker, end, conn);
    stress_take_done(end, error);
    return error;
}

static enum leat_error work_ask(struct leat_hub *hub, leat_conn conn)
{
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_conn_stats stats = {.size = sizeof stats};
    uint32_t deadline_ms = 0;
    enum leat_error error = leat_conn_info_get(hub, conn, &info);
    if (error == LEAT_OK)
        error = leat_conn_stats_get(hub, conn, &stats);
    return error == LEAT_OK ? leat_hub_deadline(hub, &deadline_ms) : error;
}

static enum leat_error work_time(struct worker *worker)
{
    leat_timer timer;
    enum leat_error error = leat_timer_start(worker->party->hub, 1, 0, &timer);
    return error == LEAT_OK && prng_below(&worker->random, 2) == 0
               ? leat_timer_cancel(worker->party->hub, timer)
               : error;
}

static enum leat_error work_end(struct worker *worker, leat_conn conn)
{
    struct leat_hub *hub = worker->party->hub;
    struct stress_shared *end = party_end(worker->party, conn);
    enum lti_history_kind how = LTI_HISTORY_CLOSE;
    enum leat_error error;
    uint64_t undelivered = 0;
    switch (prng_below(&worker->random, 5)) {
    case 0:
        error = leat_close(hub, conn, 100);
        break;
    case 1:
        error = leat_close_report(hub, conn, 100, stress_shared_tag(end));
        how = LTI_HISTORY_REPORT;
        break;
    case 2:
        error = leat_close_wait(hub, conn, 1, &undelivered);
        stress_shared_close_wait(end, error, undelivered);
        return error;
    case 3:
        error = leat_finish(hub, conn);
        how = LTI_HISTORY_FINISH;
        break;
    default:
        return party_abort(worker->party, conn);
    }
    if (error == LEAT_OK)
        stress_shared_over(end, how);
    return error;
}

/* Ends and new connections are few, so that one has something to say before it is over. */
static enum leat_error work_once(struct worker *worker)
{
    struct leat_hub *hub = worker->party->hub;
    leat_conn conn = {atomic_load(&worker->party->conns[prng_below(&worker->random, SHARED)])};
    size_t which = prng_below(&worker->random, 36);
    if (which < 12)
        return work_send(worker, conn);
    if (which < 22)
        return work_take(worker, conn);
    switch (which) {
    case 22:
        return work_open(worker);
    case 23:
        return work_end(worker, conn);
    case 24:
    case 25:
        return work_time(worker);
    case 26:
    case 27:
        return leat_wake(hub);
    case 28:
        return leat_pause(hub, conn);
    case 29:
    case 30:
        return leat_resume(hub, conn);
    case 31:
    case 32:
        return leat_wait_readable(hub, conn, 0);
    default:
        return work_ask(hub, conn);
    }
}

static void worker_run(void *argument)
{
    struct worker *worker = argument;
    uint64_t done = 0;
    for (uint64_t i = 0; i < worker->calls; i++) {
        enum leat_error error = work_once(worker);
        /* A half-close over a pipe, while the bytes go on. */
        if (!may_be(error) && !(STRESS_PIPES && error == LEAT_E_UNSUPPORTED))
            CHECK_ERROR(error, LEAT_OK);
        done += error == LEAT_OK;
    }
    atomic_fetch_add(&worker->party->calls, worker->calls);
    atomic_fetch_add(&worker->party->done, done);
    atomic_fetch_sub(&worker->party->working, 1);
}

/* One of the many takes the events; waits of the others may be in the way, or be in its way. */
static void party_host(struct party *party)
{
    struct prng random = stress_random();
    while (atomic_load(&party->working) > 0) {
        struct leat_event event;
        enum leat_error error = leat_next(party->hub, &event, 1);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT || error == LEAT_E_BUSY);
        if (error != LEAT_OK)
            continue;
        stress_book_event(party->book, party->hub, &event);
        if (event.type == LEAT_EVENT_ACCEPTED)
            party_share(party, &random, event.conn);
        if (event.type == LEAT_EVENT_FINISHED)
            (void)party_abort(party, event.conn);
    }
}

TEST_TIMEOUT(stress_all_calls_from_many_threads, 300)
{
    stress_begin();
    const uint64_t calls = stress_count(3000, 300000);
    struct party party = {.book = stress_book_begin(11, (size_t)calls * WORKERS + 1000,
                                                    (size_t)calls * WORKERS * 3 + 10000),
                          .hub = stress_hub()};
    struct worker workers[WORKERS];
    struct stress_thread *threads[WORKERS];
    struct prng random = stress_random();
    leat_listener listener;
    char name[64] = {0};
    (void)snprintf(name, sizeof name, "%s", stress_name("party"));
    party.name = name;
    REQUIRE_ERROR(leat_listen(party.hub, name, NULL, &listener), LEAT_OK);
    atomic_store(&party.working, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] =
            (struct worker){.party = &party, .random = {prng_next(&random)}, .calls = calls};
        threads[i] = stress_thread_start(worker_run, &workers[i]);
    }
    party_host(&party);
    for (uint32_t i = 0; i < WORKERS; i++)
        stress_thread_join(threads[i]);
    /* Else it would have proved little. */
    CHECK(atomic_load(&party.done) * 5 > atomic_load(&party.calls));
    struct lti_history_result result = stress_book_judge(party.book, &party.hub, 1);
    (void)printf("%llu bytes, %llu messages\n", (unsigned long long)result.bytes,
                 (unsigned long long)result.messages);
    CHECK(result.bytes > 0 && result.messages > 0);
    CHECK_ERROR(leat_hub_destroy(party.hub), LEAT_OK);
    stress_book_end(party.book);
    stress_end();
}

/* ---- Wakes until the last moment ------------------------------------------------------------- */

struct waker {
    struct leat_hub *hub;
    uint32_t wakes;
};

static void waker_run(void *argument)
{
    const struct waker *waker = argument;
    for (uint32_t i = 0; i < waker->wakes; i++)
        CHECK_ERROR(leat_wake(waker->hub), LEAT_OK);
}

struct waiter {
    struct leat_hub *hub;
    uint32_t woken;
};

/* Waits until it is woken for the last time. */
static void waiter_run(void *argument)
{
    struct waiter *waiter = argument;
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    while (event.type == LEAT_EVENT_WOKEN) {
        REQUIRE_ERROR(leat_next(waiter->hub, &event, STRESS_SOON_MS), LEAT_OK);
        waiter->woken++;
    }
    CHECK_INT(event.type, LEAT_EVENT_TIMER);
}

static void wake_once(struct prng *random)
{
    struct leat_hub *hub = stress_hub();
    struct waker wakers[2];
    struct waiter waiter = {.hub = hub};
    struct stress_thread *threads[3];
    leat_timer timer;
    threads[2] = stress_thread_start(waiter_run, &waiter);
    for (int i = 0; i < 2; i++) {
        wakers[i] = (struct waker){hub, 1 + (uint32_t)prng_below(random, 50)};
        threads[i] = stress_thread_start(waker_run, &wakers[i]);
    }
    /* Nobody takes a hub away from under one who waits: the waiter is told to go first. */
    struct leat_event event;
    CHECK_WITHIN(STRESS_SOON_MS, leat_next(hub, &event, 0) == LEAT_E_BUSY);
    CHECK_ERROR(leat_timer_start(hub, 0, 0, &timer), LEAT_OK);
    stress_thread_join(threads[2]);
    for (int i = 0; i < 2; i++)
        stress_thread_join(threads[i]);
    CHECK_ERROR(leat_wake(hub), LEAT_OK); /* one that nobody takes */
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

TEST_TIMEOUT(stress_wake_until_destroy, 300)
{
    struct prng random = stress_random();
    uint64_t rounds = stress_count(100, 20000);
    for (uint64_t i = 0; i < rounds; i++)
        wake_once(&random);
}

/* Between two calls of the waiter the hub may be free to be destroyed; as long as he is inside it
 * is BUSY, and nothing is taken from him. */
TEST(stress_destroy_against_a_waiter)
{
    struct leat_hub *hub = stress_hub();
    struct waiter waiter = {.hub = hub};
    struct stress_thread *thread = stress_thread_start(waiter_run, &waiter);
    struct leat_event event;
    leat_timer timer;
    CHECK_WITHIN(STRESS_SOON_MS, leat_next(hub, &event, 0) == LEAT_E_BUSY);
    uint64_t tries = stress_count(2000, 100000);
    for (uint64_t i = 0; i < tries; i++)
        REQUIRE_ERROR(leat_hub_destroy(hub), LEAT_E_BUSY);
    CHECK_ERROR(leat_timer_start(hub, 0, 0, &timer), LEAT_OK);
    stress_thread_join(thread);
    CHECK_INT(waiter.woken, 1);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* ---- Ids of what is not there ---------------------------------------------------------------- */

#define STALE_IDS 64u
#define STALE_BYTES 8u

struct stale {
    struct stress_tale *tale;
    struct leat_hub *hub;
    atomic_uint_fast64_t ids[STALE_IDS]; /* of what is over, of another hub, of another kind */
    atomic_bool over;
    atomic_uint_fast64_t tried;
    uint64_t salt;
};

/* True when every call says that there is no such thing. */
static bool is_stale(struct leat_hub *hub, uint64_t id)
{
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_listener_info listener = {.size = sizeof listener};
    leat_conn conn = {id};
    size_t size = 0;
    char byte;
    const enum leat_error errors[] = {
        leat_conn_info_get(hub, conn, &info),
        leat_write(hub, conn, "x", 1, &size),
        leat_send(hub, conn, "x", 1),
        leat_read(hub, conn, &byte, 1, &size),
        leat_pause(hub, conn),
        leat_finish(hub, conn),
        leat_close(hub, conn, 1000),
        leat_close_report(hub, conn, 1000, 1),
        leat_abort(hub, conn),
        leat_timer_cancel(hub, (leat_timer){id}),
        leat_listener_info_get(hub, (leat_listener){id}, &listener),
        leat_listener_close(hub, (leat_listener){id}),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (!CHECK_ERROR(errors[i], LEAT_E_STALE))
            return false;
    }
    return true;
}

static void stale_run(void *argument)
{
    struct stale *stale = argument;
    struct prng random = {lti_test_now_ms()};
    while (!atomic_load(&stale->over)) {
        uint64_t id = atomic_load(&stale->ids[prng_below(&random, STALE_IDS)]);
        /* Some are made up; of another salt, because one of ours may be somebody's. */
        if (prng_below(&random, 4) == 0) {
            id = prng_next(&random);
            id ^= (id >> 48) == stale->salt ? UINT64_C(1) << 63 : 0;
        }
        if (!is_stale(stale->hub, id))
            return;
        atomic_fetch_add(&stale->tried, 1);
    }
}

/* A connection lives, is used, and becomes one of those that are over. */
static void stale_more(struct stale *stale, struct prng *random)
{
    struct stress_end ends[2];
    leat_timer timer;
    uint32_t number = (uint32_t)prng_below(random, STALE_IDS);
    for (uint32_t i = 0; i < 2; i++)
        ends[i] = (struct stress_end){.tale = stale->tale,
                                      .hub = stale->hub,
                                      .number = number,
                                      .end = i,
                                      .piece_max = STALE_BYTES,
                                      .to_send = STALE_BYTES};
    REQUIRE_ERROR(leat_pair(stale->hub, stale->hub, NULL, &ends[0].conn, &ends[1].conn), LEAT_OK);
    REQUIRE_ERROR(leat_timer_start(stale->hub, 1000, 0, &timer), LEAT_OK);
    for (uint32_t i = 0; i < 2; i++)
        stress_pour(&ends[i]);
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE_ERROR(leat_wait_readable(stale->hub, ends[i].conn, STRESS_SOON_MS), LEAT_OK);
        stress_drink(&ends[i], 1);
        REQUIRE_INT(ends[i].received, STALE_BYTES); /* and they are nobody else's */
    }
    for (uint32_t i = 0; i < 2; i++)
        stress_abort(&ends[i]);
    CHECK_INT(stress_tale_judge(stale->tale).bytes, 2 * STALE_BYTES);
    REQUIRE_ERROR(leat_timer_cancel(stale->hub, timer), LEAT_OK);
    const uint64_t ids[] = {ends[0].conn.id, ends[1].conn.id, timer.id};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        atomic_store(&stale->ids[prng_below(random, STALE_IDS)], ids[i]);
}

TEST_TIMEOUT(stress_stale_ids_from_many_threads, 300)
{
    struct stale stale = {.tale = stress_tale_begin(14, 100), .hub = stress_hub()};
    struct leat_hub *other = stress_hub();
    struct stress_thread *threads[4];
    struct prng random = stress_random();
    leat_conn a, b, c, d;
    REQUIRE_ERROR(leat_pair(other, other, NULL, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(stale.hub, stale.hub, NULL, &c, &d), LEAT_OK);
    stale.salt = c.id >> 48;
    REQUIRE_ERROR(leat_abort(stale.hub, c), LEAT_OK);
    REQUIRE_ERROR(leat_abort(stale.hub, d), LEAT_OK);
    if (a.id >> 48 != stale.salt) { /* once in a long time two hubs draw the same */
        atomic_store(&stale.ids[0], a.id);
        atomic_store(&stale.ids[1], b.id);
    }
    for (int i = 0; i < 4; i++)
        threads[i] = stress_thread_start(stale_run, &stale);
    uint64_t rounds = stress_count(1000, 200000);
    for (uint64_t i = 0; i < rounds; i++)
        stale_more(&stale, &random);
    CHECK_WITHIN(STRESS_SOON_MS, atomic_load(&stale.tried) > 100);
    atomic_store(&stale.over, true);
    for (int i = 0; i < 4; i++)
        stress_thread_join(threads[i]);
    CHECK_ERROR(leat_hub_destroy(stale.hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    stress_tale_end(stale.tale);
}
