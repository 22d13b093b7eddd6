/* SPDX-License-Identifier: MIT
 *
 * Eight threads make any call, in any order, on two hubs and what is in them: the handles that the
 * others made just now, those that died, and some that never were.
 *
 * Happy path: each call gives OK or an error that leat.h lists for it.
 * Fails:      any other error; what the history checker finds in all that was sent and received;
 *             CONNECTED, ACCEPTED or CLOSED twice of a connection; a report twice or never.
 * Invariants: so many calls each, of one seed; no call waits for more than a few milliseconds. What
 *             a view points at is not looked at, for another thread may release it.
 */
#include "book.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CALLERS 8u
#define HUBS 2u
#define CONNS 24u /* places; what falls out of one goes on living until its hub ends */
#define NAMES 3u
#define TIMERS 8u
#define WAIT_MS_MAX 3u
#define SEEN_BITS 20u

#define BIT(error) (UINT64_C(1) << LEAT_E_##error)
#define ENDED_BITS                                                                                 \
    (BIT(CLOSED) | BIT(BROKEN) | BIT(FINISHED) | BIT(TIMEOUT) | BIT(PROTOCOL) | BIT(TOO_BIG) |     \
     BIT(BUSY) | BIT(DENIED) | BIT(UNTRUSTED) | BIT(REFUSED) | BIT(NOT_FOUND))
#define TALK_BITS (1u | BIT(STALE) | BIT(STATE) | BIT(EMPTY) | BIT(FULL) | ENDED_BITS)
#define WAIT_BITS (TALK_BITS | BIT(WOKEN))
#define ASK_BITS (1u | BIT(STALE))
#define OPEN_BITS                                                                                  \
    (1u | BIT(LIMIT) | BIT(IN_USE) | BIT(REFUSED) | BIT(NOT_FOUND) | BIT(BUSY) | BIT(STALE))

static const char *const words[NAMES] = {"calls-bytes", "calls-messages", "calls-asked"};
static char names[NAMES][64]; /* made before the threads begin */
static struct leat_hub *hubs[HUBS];
static _Atomic uint64_t conns[HUBS][CONNS], listeners[HUBS][NAMES], timers[HUBS][TIMERS];
static _Atomic uint64_t seen[1u << SEEN_BITS]; /* a set of what must come once */
static struct stress_book *book;

struct caller {
    struct prng random;
    uint32_t count;
};

/* One call's hub and handle, and how long it may wait. */
struct call {
    struct caller *caller;
    struct leat_hub *hub;
    uint32_t at; /* of the hub */
    leat_conn conn;
    struct stress_shared *end; /* of conn */
    uint32_t wait_ms;
};

static uint32_t below(struct prng *random, uint32_t limit)
{
    return (uint32_t)prng_below(random, limit);
}

static bool chance(struct prng *random, uint32_t times, uint32_t of)
{
    return below(random, of) < times;
}

/* ---- What must be so ------------------------------------------------------------------------- */

static void allow(const char *what, enum leat_error error, uint64_t set)
{
    if (!CHECK((set >> error) & 1u))
        (void)printf("leat_%s gave %s\n", what, leat_error_name(error));
}

/* Puts what comes once into the set, which is never nearly full: it holds all connections of a run,
 * three times. */
static void once(uint32_t hub, uint64_t id, enum leat_event_type type)
{
    uint64_t key = (id * 31u + (uint64_t)type) * 2u + hub + 1u;
    uint64_t at = key * UINT64_C(0x9E3779B97F4A7C15) >> (64u - SEEN_BITS);
    for (uint32_t tries = 0; tries < 1u << SEEN_BITS; tries++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&seen[at], &there, key))
            return;
        if (!CHECK(there != key)) {
            (void)printf("%s came twice\n", leat_event_name(type));
            return;
        }
        at = (at + 1) & ((1u << SEEN_BITS) - 1);
    }
    REQUIRE(false);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* A place is taken by what was made last. Half of what falls out is ended, so that tables do not
 * only grow; the rest ends with its peer, its listener or its hub. */
static void keep(struct call *call, uint32_t hub, leat_conn conn)
{
    uint32_t place = below(&call->caller->random, CONNS);
    stress_shared_made(stress_shared(book, hubs[hub], conn));
    leat_conn old = {atomic_exchange(&conns[hub][place], conn.id)};
    if (!chance(&call->caller->random, 3, 4))
        return;
    enum leat_error error = leat_abort(hubs[hub], old);
    allow("abort", error, ASK_BITS);
    if (error == LEAT_OK)
        stress_shared_over(stress_shared(book, hubs[hub], old), LTI_HISTORY_ABORT);
}

static void call_receive(struct call *call, bool wait)
{
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    if (!stress_take_begin(call->end))
        return;
    enum leat_error error =
        wait ? leat_receive_wait(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size)
             : leat_receive(call->hub, call->conn, bytes, sizeof bytes, &size);
    if (error == LEAT_OK)
        stress_take_message(call->end, bytes, size);
    stress_take_done(call->end, error);
    allow("receive", error, WAIT_BITS);
}

static void event(struct call *call, const struct leat_event *event)
{
    enum leat_error error;
    stress_book_event(book, call->hub, event);
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
    case LEAT_EVENT_CLOSED:
        once(call->at, event->conn.id, event->type);
        break;
    case LEAT_EVENT_ACCEPTED:
        once(call->at, event->conn.id, event->type);
        keep(call, call->at, event->conn);
        break;
    case LEAT_EVENT_ASKED:
        allow("set_tag", leat_set_tag(call->hub, event->conn, 5), ASK_BITS);
        if (chance(&call->caller->random, 3, 4)) {
            allow("allow", leat_allow(call->hub, event->conn), TALK_BITS | BIT(SYSTEM));
        } else {
            error = leat_refuse(call->hub, event->conn);
            allow("refuse", error, TALK_BITS);
            if (error == LEAT_OK)
                stress_shared_over(stress_shared(book, call->hub, event->conn), LTI_HISTORY_ABORT);
        }
        break;
    case LEAT_EVENT_READABLE:
        call->conn = event->conn;
        call->end = stress_shared(book, call->hub, call->conn);
        if (chance(&call->caller->random, 2, 3))
            call_receive(call, false);
        break;
    default:
        break;
    }
}

static void call_next(struct call *call)
{
    struct leat_event told;
    enum leat_error error = leat_next(call->hub, &told, call->wait_ms);
    allow("next", error, 1u | BIT(TIMEOUT) | BIT(BUSY));
    if (error == LEAT_OK)
        event(call, &told);
}

static void options_make(struct call *call, struct leat_conn_options *options, uint32_t kind)
{
    *options = (struct leat_conn_options){.size = sizeof *options,
                                          .protocol = kind == 1 ? LEAT_MESSAGES : LEAT_BYTES,
                                          .frame_bytes_max = 65536,
                                          .outbox_bytes = 8192};
    if (chance(&call->caller->random, 1, 3))
        options->gather_bytes = 4096;
    if (chance(&call->caller->random, 1, 4))
        options->inbox_bytes = kind == 1 ? 65536u + 4096u : 4096;
}

static void call_listen(struct call *call)
{
    uint32_t kind = below(&call->caller->random, NAMES);
    struct leat_conn_options conn;
    options_make(call, &conn, kind);
    const struct leat_listen_options options = {.size = sizeof options,
                                                .who =
                                                    kind == 2 ? LEAT_WHO_ASK : LEAT_WHO_SAME_USER,
                                                .conn = &conn};
    leat_listener made = {0};
    enum leat_error error = leat_listen(call->hub, names[kind], &options, &made);
    allow("listen", error, OPEN_BITS);
    if (error == LEAT_OK)
        atomic_store(&listeners[call->at][kind], made.id);
}

static void call_connect(struct call *call, bool wait)
{
    uint32_t kind = below(&call->caller->random, NAMES);
    struct leat_conn_options conn;
    options_make(call, &conn, kind);
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = wait ? WAIT_MS_MAX : 50, .conn = &conn};
    leat_conn made = {0};
    const char *name = names[kind];
    enum leat_error error = wait ? leat_connect_wait(call->hub, name, &options, &made)
                                 : leat_connect(call->hub, name, &options, &made);
    /* Another thread may take the handle that is not known to it: a made-up one can be right. */
    allow("connect", error, OPEN_BITS | (wait ? WAIT_BITS : 0));
    if (error == LEAT_OK)
        keep(call, call->at, made);
}

static void call_pair(struct call *call)
{
    uint32_t other = below(&call->caller->random, HUBS);
    struct leat_conn_options options;
    leat_conn a = {0}, b = {0};
    options_make(call, &options, chance(&call->caller->random, 3, 4));
    enum leat_error error = leat_pair(call->hub, hubs[other], &options, &a, &b);
    allow("pair", error, 1u | BIT(LIMIT));
    if (error != LEAT_OK)
        return;
    stress_shared_pair(stress_shared(book, call->hub, a), stress_shared(book, hubs[other], b));
    keep(call, call->at, a);
    keep(call, other, b);
}

static void call_write_own(struct leat_hub *hub, leat_conn conn, struct stress_shared *end)
{
    uint8_t bytes[100];
    size_t size = 0;
    REQUIRE(stress_write_begin(end, bytes, sizeof bytes));
    enum leat_error error = leat_write(hub, conn, bytes, sizeof bytes, &size);
    stress_write_done(end, error, size);
    allow("write", error, TALK_BITS);
}

/* A hub of this thread's own, which speaks with a shared one and then is no more. */
static void call_hub(struct call *call)
{
    struct leat_hub *own = NULL;
    leat_conn a = {0}, b = {0};
    intptr_t waitable = -1;
    uint32_t deadline_ms = 0;
    REQUIRE_ERROR(leat_hub_create(NULL, &own), LEAT_OK);
    struct stress_shared *end = stress_shared_alone(book);
    if (leat_pair(own, call->hub, NULL, &a, &b) == LEAT_OK) {
        stress_shared_pair(end, stress_shared(book, call->hub, b));
        keep(call, call->at, b);
        call_write_own(own, a, end);
    }
    allow("hub_waitable", leat_hub_waitable(own, &waitable), 1u | BIT(UNSUPPORTED));
    allow("hub_deadline", leat_hub_deadline(own, &deadline_ms), 1u);
    allow("adopt_conn", leat_adopt_conn(own, -1, 0, NULL, &a), BIT(HANDLE));
    leat_listener listener = {0};
    allow("adopt_listener", leat_adopt_listener(own, -1, NULL, &listener), BIT(HANDLE));
    CHECK_ERROR(leat_hub_destroy(own), LEAT_OK);
    stress_shared_over(end, LTI_HISTORY_ABORT);
}

/* Who sends while another thread does gets by without content. */
static void call_send(struct call *call, uint32_t how)
{
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    if (!stress_send_begin(call->end, bytes, &size)) {
        allow("wait", leat_wait_sent(call->hub, call->conn, 0), WAIT_BITS);
        return;
    }
    enum leat_error error;
    if (how == 3) {
        error = stress_send_many(call->end, bytes, size, 1 + below(&call->caller->random, 4));
        allow("send_many", error, TALK_BITS);
        return;
    }
    const struct leat_slice slices[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
    if (how == 0)
        error = leat_send(call->hub, call->conn, bytes, size);
    else if (how == 1)
        error = leat_send_slices(call->hub, call->conn, slices, 2);
    else
        error = leat_send_wait(call->hub, call->conn, bytes, size, call->wait_ms);
    stress_send_done(call->end, error);
    allow("send", error, WAIT_BITS);
}

static void call_write(struct call *call, uint32_t how)
{
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    enum leat_error error;
    if (how > 1 && chance(&call->caller->random, 1, 2)) {
        allow("flush", leat_flush(call->hub, call->conn), TALK_BITS);
        return;
    }
    if (!stress_write_begin(call->end, bytes, sizeof bytes)) {
        allow("write", leat_write(call->hub, call->conn, NULL, 0, &size), TALK_BITS);
        return;
    }
    const struct leat_slice slices[2] = {{bytes, 100}, {bytes + 100, sizeof bytes - 100}};
    if (how == 0)
        error = leat_write(call->hub, call->conn, bytes, sizeof bytes, &size);
    else if (how == 1)
        error = leat_write_slices(call->hub, call->conn, slices, 2, &size);
    else
        error = leat_write_full(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size);
    stress_write_done(call->end, error, size);
    allow("write", error, how == 2 ? WAIT_BITS : TALK_BITS);
}

/* Reads bytes and looks at them. */
static enum leat_error read_seen(struct call *call, uint32_t how)
{
    char bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    enum leat_error error;
    if (how == 0)
        error = leat_read(call->hub, call->conn, bytes, sizeof bytes, &size);
    else if (how == 1)
        error = leat_read_until(call->hub, call->conn, '\n', bytes, sizeof bytes, &size);
    else if (how == 2)
        error = leat_read_full(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size);
    else
        error = leat_read_line(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size);
    stress_take_bytes(call->end, bytes, size);
    allow("read", error, how < 2 ? TALK_BITS : WAIT_BITS);
    return error;
}

/* Passes over bytes, or a message, that nobody looks at. */
static enum leat_error read_unseen(struct call *call, uint32_t how)
{
    const void *data = NULL;
    size_t size = 0;
    enum leat_error error;
    if (how == 0) {
        allow("peek", leat_peek(call->hub, call->conn, &data, &size), TALK_BITS);
        error = leat_consume(call->hub, call->conn, 1);
        allow("consume", error, TALK_BITS | BIT(ARGUMENT));
        stress_take_bytes(call->end, NULL, error == LEAT_OK);
    } else if (how == 1) {
        error = leat_skip(call->hub, call->conn, 10, &size);
        allow("skip", error, TALK_BITS);
        stress_take_bytes(call->end, NULL, size);
    } else {
        struct leat_slice views[4];
        size_t count = 0, most = 1 + below(&call->caller->random, 4);
        allow("view", leat_view_many(call->hub, call->conn, views, most, &count), TALK_BITS);
        error = leat_release(call->hub, call->conn);
        allow("release", error, TALK_BITS);
        for (size_t i = 0; error == LEAT_OK && i < count; i++)
            stress_take_message(call->end, NULL, views[i].size);
    }
    return error;
}

static void call_read(struct call *call, uint32_t how)
{
    if (!stress_take_begin(call->end))
        return;
    bool look = how < 4 || !stress_take_blind(call->end);
    stress_take_done(call->end, look ? read_seen(call, how % 4) : read_unseen(call, how - 4));
}

static void call_end(struct call *call, uint32_t how)
{
    uint64_t undelivered = 0;
    enum leat_error error;
    enum lti_history_kind kind = LTI_HISTORY_CLOSE;
    switch (how) {
    case 0:
        error = leat_close(call->hub, call->conn, call->wait_ms);
        allow("close", error, ASK_BITS);
        break;
    case 1:
        error =
            leat_close_report(call->hub, call->conn, call->wait_ms, stress_shared_tag(call->end));
        allow("close_report", error, ASK_BITS);
        kind = LTI_HISTORY_REPORT;
        break;
    case 2:
        error = leat_close_wait(call->hub, call->conn, call->wait_ms, &undelivered);
        allow("close_wait", error, WAIT_BITS);
        stress_shared_close_wait(call->end, error, undelivered);
        return;
    case 3:
        error = leat_abort(call->hub, call->conn);
        allow("abort", error, ASK_BITS);
        kind = LTI_HISTORY_ABORT;
        break;
    default:
        error = leat_finish(call->hub, call->conn);
        allow("finish", error, TALK_BITS | BIT(UNSUPPORTED));
        kind = LTI_HISTORY_FINISH;
        break;
    }
    if (error == LEAT_OK)
        stress_shared_over(call->end, kind);
}

static void call_wait(struct call *call, uint32_t how)
{
    leat_conn made = {0};
    leat_listener listener;
    enum leat_error error;
    switch (how) {
    case 0:
        error = leat_wait_connected(call->hub, call->conn, call->wait_ms);
        break;
    case 1:
        error = leat_wait_readable(call->hub, call->conn, call->wait_ms);
        break;
    case 2:
        error = leat_wait_writable(call->hub, call->conn, call->wait_ms);
        break;
    case 3:
        error = leat_wait_sent(call->hub, call->conn, call->wait_ms);
        break;
    case 4:
        stress_shared_drops(call->end);
        error = leat_wait_closed(call->hub, call->conn, call->wait_ms);
        break;
    default:
        listener.id = atomic_load(&listeners[call->at][below(&call->caller->random, NAMES)]);
        error = leat_wait_accepted(call->hub, listener, call->wait_ms, &made);
        if (error == LEAT_OK)
            keep(call, call->at, made);
        break;
    }
    allow("wait", error, WAIT_BITS);
}

static void call_peer(struct call *call)
{
    const uint64_t set = TALK_BITS | BIT(UNSUPPORTED) | BIT(LIMIT) | BIT(SYSTEM);
    struct leat_peer peer = {.size = sizeof peer};
    uint32_t groups[64];
    size_t count = 0;
    intptr_t handle = -1;
    allow("peer_get", leat_peer_get(call->hub, call->conn, &peer), set);
    allow("peer_groups", leat_peer_groups(call->hub, call->conn, groups, 64, &count), set);
    enum leat_error error = leat_peer_process(call->hub, call->conn, &handle);
    allow("peer_process", error, set);
    if (error == LEAT_OK)
        stress_handle_close(handle);
}

static void call_ask(struct call *call)
{
    struct leat_conn_info info = {.size = sizeof info};
    struct leat_conn_stats stats = {.size = sizeof stats};
    struct leat_listener_info listener_info = {.size = sizeof listener_info};
    struct leat_hub_info hub_info = {.size = sizeof hub_info};
    leat_listener listener = {
        atomic_load(&listeners[call->at][below(&call->caller->random, NAMES)])};
    char text[800];
    size_t size = 0;
    uint32_t deadline_ms = 0;
    allow("conn_info_get", leat_conn_info_get(call->hub, call->conn, &info), ASK_BITS);
    allow("conn_stats_get", leat_conn_stats_get(call->hub, call->conn, &stats), ASK_BITS);
    allow("conn_name", leat_conn_name(call->hub, call->conn, text, sizeof text, &size), ASK_BITS);
    allow("listener_info_get", leat_listener_info_get(call->hub, listener, &listener_info),
          ASK_BITS);
    allow("listener_name", leat_listener_name(call->hub, listener, text, sizeof text, &size),
          ASK_BITS);
    allow("hub_info_get", leat_hub_info_get(call->hub, &hub_info), 1u);
    CHECK(hub_info.memory_bytes <= hub_info.memory_bytes_high);
    allow("hub_deadline", leat_hub_deadline(call->hub, &deadline_ms), 1u);
    allow("resolve", leat_resolve(names[0], text, sizeof text, &size), 1u);
    CHECK(leat_error_name(LEAT_E_STALE) && leat_error_text(LEAT_E_STALE) && leat_version() &&
          leat_operation_name(LEAT_OP_READ) && leat_state_name(info.state) &&
          leat_event_name(LEAT_EVENT_CLOSED));
}

static void call_timer(struct call *call)
{
    _Atomic uint64_t *place = &timers[call->at][below(&call->caller->random, TIMERS)];
    leat_timer timer = {0};
    enum leat_error error = leat_timer_start(call->hub, call->wait_ms, 9, &timer);
    allow("timer_start", error, 1u);
    timer.id = atomic_exchange(place, timer.id);
    allow("timer_cancel", leat_timer_cancel(call->hub, timer), ASK_BITS);
}

static void call_flow(struct call *call, uint32_t how)
{
    if (how == 0)
        allow("pause", leat_pause(call->hub, call->conn), TALK_BITS);
    else if (how == 1)
        allow("set_tag", leat_set_tag(call->hub, call->conn, 3), ASK_BITS);
    else
        allow("resume", leat_resume(call->hub, call->conn), TALK_BITS);
}

static void call_listener_close(struct call *call)
{
    leat_listener listener = {
        atomic_load(&listeners[call->at][below(&call->caller->random, NAMES)])};
    allow("listener_close", leat_listener_close(call->hub, listener), ASK_BITS);
}

/* ---- The story ------------------------------------------------------------------------------- */

static void one_call(struct call *call)
{
    struct prng *random = &call->caller->random;
    uint32_t which = below(random, 100);
    if (which < 20)
        call_next(call);
    else if (which < 36)
        call_send(call, below(random, 4));
    else if (which < 47)
        call_receive(call, chance(random, 1, 2));
    else if (which < 60)
        call_write(call, below(random, 3));
    else if (which < 73)
        call_read(call, below(random, 7));
    else if (which < 75)
        call_end(call, below(random, 5));
    else if (which < 82)
        call_wait(call, below(random, 6));
    else if (which < 84)
        call_pair(call);
    else if (which < 86)
        call_connect(call, chance(random, 1, 3));
    else if (which < 88)
        call_listen(call);
    else if (which < 89)
        call_listener_close(call);
    else if (which < 91)
        call_timer(call);
    else if (which < 93)
        allow("wake", leat_wake(call->hub), 1u);
    else if (which < 96)
        call_flow(call, below(random, 4));
    else if (which < 98)
        call_ask(call);
    else if (which < 99)
        call_peer(call);
    else
        call_hub(call);
}

static void caller_run(void *argument)
{
    struct caller *caller = argument;
    for (uint32_t i = 0; i < caller->count; i++) {
        struct call call = {.caller = caller,
                            .at = below(&caller->random, HUBS),
                            .wait_ms = chance(&caller->random, 1, 4) ? WAIT_MS_MAX : 0};
        call.hub = hubs[call.at];
        /* One of the other hub's now and then, and one that nobody made. */
        uint32_t whose = chance(&caller->random, 1, 20) ? 1 - call.at : call.at;
        call.conn.id = atomic_load(&conns[whose][below(&caller->random, CONNS)]);
        if (chance(&caller->random, 1, 30))
            call.conn.id ^= UINT64_C(1) << below(&caller->random, 64);
        call.end = stress_shared(book, call.hub, call.conn);
        one_call(&call);
    }
}

TEST_TIMEOUT(stress_eight_threads_make_any_call, 900)
{
    static struct caller callers[CALLERS];
    struct stress_thread *threads[CALLERS];
    struct prng random = stress_random();
    const uint32_t count = (uint32_t)stress_count(5000, 100000);
    stress_begin();
    book =
        stress_book_begin(12, (size_t)count * CALLERS + 1000, (size_t)count * CALLERS * 3 + 10000);
    for (uint32_t i = 0; i < NAMES; i++)
        (void)snprintf(names[i], sizeof names[i], "%s", stress_name(words[i]));
    for (uint32_t i = 0; i < HUBS; i++)
        hubs[i] = stress_hub();
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.random = {prng_next(&random)}, .count = count};
        threads[i] = stress_thread_start(caller_run, &callers[i]);
    }
    for (uint32_t i = 0; i < CALLERS; i++)
        stress_thread_join(threads[i]);
    struct lti_history_result result = stress_book_judge(book, hubs, HUBS);
    (void)printf("%llu bytes, %llu messages\n", (unsigned long long)result.bytes,
                 (unsigned long long)result.messages);
    CHECK(result.bytes > 0 && result.messages > 0);
    for (uint32_t i = 0; i < HUBS; i++)
        CHECK_ERROR(leat_hub_destroy(hubs[i]), LEAT_OK);
    stress_book_end(book);
    stress_end();
}
