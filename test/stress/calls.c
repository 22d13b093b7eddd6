/* SPDX-License-Identifier: MIT
 *
 * Eight threads make any call, in any order, on two hubs and what is in them: the handles that the
 * others made just now, those that died, and some that never were.
 *
 * Happy path: each call gives OK or an error that leat.h lists for it.
 * Fails:      any other error; a message twice, or with other bytes than were sent; CONNECTED,
 *             ACCEPTED or CLOSED twice of a connection; a report twice or never.
 * Invariants: so many calls each, of one seed; no call waits for more than a few milliseconds. What
 *             a view points at is not looked at, for another thread may release it.
 */
#include "stress.h"

#ifdef LTI_NT
#include "os_nt.h"
#else
#include "os_posix.h"
#endif

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CALLERS 8u
#define HUBS 2u
#define CONNS 24u /* places; what falls out of one goes on living until its hub ends */
#define NAMES 3u
#define TIMERS 8u
#define BODY_MAX 3000u
#define WAIT_MS_MAX 3u
#define SEEN_BITS 20u
#define MESSAGES_MAX 200000u /* of one caller */

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
static atomic_uint reports_asked, reports_told, messages_told, tags_next;
static _Atomic uint64_t seen[1u << SEEN_BITS]; /* a set of what must come once */
static atomic_uchar arrived[CALLERS][MESSAGES_MAX];

struct caller {
    struct prng random;
    uint32_t number, count, sent;
};

/* One call's hub and handle, and how long it may wait. */
struct call {
    struct caller *caller;
    struct leat_hub *hub;
    uint32_t at; /* of the hub */
    leat_conn conn;
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

struct body {
    uint32_t sender, number;
};

static uint8_t body_byte(struct body body, size_t at)
{
    return (uint8_t)(body.sender * 7u + body.number * 13u + at * 31u + (at >> 8));
}

static void arrive(const uint8_t *bytes, size_t size)
{
    struct body body;
    REQUIRE(size >= sizeof body);
    memcpy(&body, bytes, sizeof body);
    REQUIRE(body.sender < CALLERS && body.number < MESSAGES_MAX);
    size_t wrong = 0;
    for (size_t i = sizeof body; i < size; i++)
        wrong += bytes[i] != body_byte(body, i);
    CHECK_INT(wrong, 0);
    CHECK_INT(atomic_exchange(&arrived[body.sender][body.number], 1), 0);
    atomic_fetch_add(&messages_told, 1);
}

static size_t body_make(struct caller *caller, uint8_t *bytes)
{
    struct body body = {caller->number, caller->sent};
    size_t size = sizeof body + below(&caller->random, BODY_MAX - (uint32_t)sizeof body);
    caller->sent += caller->sent + 1 < MESSAGES_MAX;
    memcpy(bytes, &body, sizeof body);
    for (size_t i = sizeof body; i < size; i++)
        bytes[i] = body_byte(body, i);
    return size;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

/* A place is taken by what was made last. Half of what falls out is ended, so that tables do not
 * only grow; the rest ends with its peer, its listener or its hub. */
static void keep(struct call *call, uint32_t hub, leat_conn conn)
{
    uint32_t place = below(&call->caller->random, CONNS);
    leat_conn old = {atomic_exchange(&conns[hub][place], conn.id)};
    if (chance(&call->caller->random, 3, 4))
        allow("abort", leat_abort(hubs[hub], old), ASK_BITS);
}

static void call_receive(struct call *call, bool wait)
{
    uint8_t bytes[BODY_MAX];
    size_t size = 0;
    enum leat_error error =
        wait ? leat_receive_wait(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size)
             : leat_receive(call->hub, call->conn, bytes, sizeof bytes, &size);
    allow("receive", error, WAIT_BITS);
    if (error == LEAT_OK)
        arrive(bytes, size);
}

static void event(struct call *call, const struct leat_event *event)
{
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
        if (chance(&call->caller->random, 3, 4))
            allow("allow", leat_allow(call->hub, event->conn), TALK_BITS | BIT(SYSTEM));
        else
            allow("refuse", leat_refuse(call->hub, event->conn), TALK_BITS);
        break;
    case LEAT_EVENT_READABLE:
        call->conn = event->conn;
        if (chance(&call->caller->random, 2, 3))
            call_receive(call, false);
        break;
    case LEAT_EVENT_CLOSE_REPORT:
        once(2, event->tag, event->type); /* tags are of all hubs */
        atomic_fetch_add(&reports_told, 1);
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
    keep(call, call->at, a);
    keep(call, other, b);
}

/* A hub of this thread's own, which speaks with a shared one and then is no more. */
static void call_hub(struct call *call)
{
    struct leat_hub *own = NULL;
    leat_conn a = {0}, b = {0};
    intptr_t waitable = -1;
    uint32_t deadline_ms = 0;
    REQUIRE_ERROR(leat_hub_create(NULL, &own), LEAT_OK);
    if (leat_pair(own, call->hub, NULL, &a, &b) == LEAT_OK)
        keep(call, call->at, b);
    allow("hub_waitable", leat_hub_waitable(own, &waitable), 1u | BIT(UNSUPPORTED));
    allow("hub_deadline", leat_hub_deadline(own, &deadline_ms), 1u);
    allow("adopt_conn", leat_adopt_conn(own, -1, 0, NULL, &a), BIT(HANDLE));
    leat_listener listener = {0};
    allow("adopt_listener", leat_adopt_listener(own, -1, NULL, &listener), BIT(HANDLE));
    CHECK_ERROR(leat_hub_destroy(own), LEAT_OK);
}

static void call_send(struct call *call, uint32_t how)
{
    uint8_t bytes[BODY_MAX];
    size_t size = body_make(call->caller, bytes);
    const struct leat_slice slices[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
    enum leat_error error;
    if (how == 0)
        error = leat_send(call->hub, call->conn, bytes, size);
    else if (how == 1)
        error = leat_send_slices(call->hub, call->conn, slices, 2);
    else
        error = leat_send_wait(call->hub, call->conn, bytes, size, call->wait_ms);
    allow("send", error, WAIT_BITS);
}

static void call_write(struct call *call, uint32_t how)
{
    static const uint8_t bytes[BODY_MAX] = {'\n'};
    const struct leat_slice slices[2] = {{bytes, 100}, {bytes, BODY_MAX}};
    size_t size = 0;
    if (how == 0)
        allow("write", leat_write(call->hub, call->conn, bytes, sizeof bytes, &size), TALK_BITS);
    else if (how == 1)
        allow("write_slices", leat_write_slices(call->hub, call->conn, slices, 2, &size),
              TALK_BITS);
    else
        allow("write_full",
              leat_write_full(call->hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size),
              WAIT_BITS);
}

static void call_read(struct call *call, uint32_t how)
{
    char bytes[BODY_MAX];
    const void *data = NULL;
    size_t size = 0;
    struct leat_hub *hub = call->hub;
    switch (how) {
    case 0:
        allow("read", leat_read(hub, call->conn, bytes, sizeof bytes, &size), TALK_BITS);
        break;
    case 1:
        allow("read_until", leat_read_until(hub, call->conn, '\n', bytes, sizeof bytes, &size),
              TALK_BITS);
        break;
    case 2:
        allow("read_full",
              leat_read_full(hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size),
              WAIT_BITS);
        break;
    case 3:
        allow("read_line",
              leat_read_line(hub, call->conn, bytes, sizeof bytes, call->wait_ms, &size),
              WAIT_BITS);
        break;
    case 4:
        allow("peek", leat_peek(hub, call->conn, &data, &size), TALK_BITS);
        allow("consume", leat_consume(hub, call->conn, 1), TALK_BITS | BIT(ARGUMENT));
        break;
    case 5:
        allow("skip", leat_skip(hub, call->conn, 10, &size), TALK_BITS);
        break;
    default:
        allow("view", leat_view(hub, call->conn, &data, &size), TALK_BITS);
        allow("release", leat_release(hub, call->conn), TALK_BITS);
        break;
    }
}

static void call_end(struct call *call, uint32_t how)
{
    uint64_t undelivered = 0, tag;
    enum leat_error error;
    switch (how) {
    case 0:
        allow("close", leat_close(call->hub, call->conn, call->wait_ms), ASK_BITS);
        break;
    case 1:
        tag = atomic_fetch_add(&tags_next, 1) + 1u;
        error = leat_close_report(call->hub, call->conn, call->wait_ms, tag);
        allow("close_report", error, ASK_BITS);
        if (error == LEAT_OK)
            atomic_fetch_add(&reports_asked, 1);
        break;
    case 2:
        error = leat_close_wait(call->hub, call->conn, call->wait_ms, &undelivered);
        allow("close_wait", error, WAIT_BITS);
        break;
    case 3:
        allow("abort", leat_abort(call->hub, call->conn), ASK_BITS);
        break;
    default:
        allow("finish", leat_finish(call->hub, call->conn), TALK_BITS | BIT(UNSUPPORTED));
        break;
    }
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

static void handle_close(intptr_t handle)
{
#ifdef LTI_NT
    CHECK_INT(lti_os_handle_close(handle), 0);
#else
    CHECK_INT(lti_os_close((int)handle), 0);
#endif
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
        handle_close(handle);
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
    if (which < 25)
        call_next(call);
    else if (which < 37)
        call_send(call, below(random, 3));
    else if (which < 47)
        call_receive(call, chance(random, 1, 2));
    else if (which < 55)
        call_write(call, below(random, 3));
    else if (which < 65)
        call_read(call, below(random, 7));
    else if (which < 68)
        call_end(call, below(random, 5));
    else if (which < 78)
        call_wait(call, below(random, 6));
    else if (which < 82)
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
        one_call(&call);
    }
}

/* Lets both hubs say what they still have to say: of what was asked for, every report comes. */
static void drain(void)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    struct caller caller = {.random = {1}};
    while (atomic_load(&reports_told) < atomic_load(&reports_asked) && lti_test_now_ms() < until)
        for (uint32_t i = 0; i < HUBS; i++) {
            struct call call = {.caller = &caller, .hub = hubs[i], .at = i, .wait_ms = 1};
            call_next(&call);
        }
    CHECK_INT(atomic_load(&reports_told), atomic_load(&reports_asked));
}

TEST_TIMEOUT(stress_eight_threads_make_any_call, 900)
{
    static struct caller callers[CALLERS];
    struct stress_thread *threads[CALLERS];
    struct prng random = stress_random();
    stress_begin();
    for (uint32_t i = 0; i < NAMES; i++)
        (void)snprintf(names[i], sizeof names[i], "%s", stress_name(words[i]));
    for (uint32_t i = 0; i < HUBS; i++)
        hubs[i] = stress_hub();
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.random = {prng_next(&random)},
                                     .number = i,
                                     .count = (uint32_t)stress_count(2000, 100000)};
        threads[i] = stress_thread_start(caller_run, &callers[i]);
    }
    for (uint32_t i = 0; i < CALLERS; i++)
        stress_thread_join(threads[i]);
    drain();
    (void)printf("%u messages, %u reports\n", atomic_load(&messages_told),
                 atomic_load(&reports_told));
    CHECK(atomic_load(&messages_told) > 0 && atomic_load(&reports_told) > 0);
    for (uint32_t i = 0; i < HUBS; i++)
        CHECK_ERROR(leat_hub_destroy(hubs[i]), LEAT_OK);
    stress_end();
}
