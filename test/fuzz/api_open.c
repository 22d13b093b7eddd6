/* SPDX-License-Identifier: MIT
 *
 * Scripts of API calls: names, connections, events, timers, and peers that know nothing of leat.
 *
 * Happy path: an act takes what it wants from the input, makes the call, and books what came of it.
 * Fails:      an error that leat.h does not list, or an event that may not come now, ends the
 *             program.
 * Invariants: what is booked is what a user could know.
 */
#include "api.h"

#include "os_sim/sim.h"
#ifdef LTI_NT
#include "os_nt.h"
#else
#include "os_posix.h"
#endif

#include <string.h>

/* ---- Events ---------------------------------------------------------------------------------- */

static void timer_event(uint32_t hub, const struct leat_event *event)
{
    for (uint32_t i = 0; i < API_TIMERS; i++) {
        struct api_timer *timer = &api.timers[i];
        if (timer->used && timer->hub == hub && timer->timer.id == event->timer.id) {
            CHECK_INT(event->tag, i);
            timer->used = false;
            return;
        }
    }
    bool timer_started = false;
    CHECK(timer_started);
}

static struct api_end *accepted_event(uint32_t hub, const struct leat_event *event)
{
    struct api_end *end = api_end_find(hub, event->conn);
    if (end != NULL) {
        CHECK(end->asked && !end->connected);
    } else if (event->tag < API_LISTENERS) {
        end = api_end_new(hub, event->conn, (enum leat_protocol)(event->tag + LEAT_BYTES));
    } else {
        CHECK_ERROR(leat_abort(api.hubs[hub], event->conn), LEAT_OK);
    }
    return end;
}

static void conn_event(struct api_end *end, const struct leat_event *event)
{
    CHECK(!end->dying && !end->dead);
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
        CHECK(!end->connected);
        end->connected = true;
        break;
    case LEAT_EVENT_READABLE:
        CHECK(!end->paused);
        if (fuzz_byte(&api.input) & 1)
            api_read(end);
        break;
    case LEAT_EVENT_WRITABLE:
        break;
    case LEAT_EVENT_FINISHED:
        CHECK(!end->finished_told);
        end->finished_told = true;
        break;
    case LEAT_EVENT_HANGUP:
        CHECK(!end->hangup_told);
        end->hangup_told = true;
        break;
    case LEAT_EVENT_CLOSED:
        end->dying = true;
        break;
    default:
        CHECK_STR(leat_event_name(event->type), "one of a connection");
    }
}

void api_event(uint32_t hub, const struct leat_event *event)
{
    struct api_end *end;
    switch (event->type) {
    case LEAT_EVENT_TIMER:
        timer_event(hub, event);
        break;
    case LEAT_EVENT_WOKEN:
        CHECK(api.wakes[hub] > 0);
        api.wakes[hub] = 0;
        break;
    case LEAT_EVENT_CLOSE_REPORT:
        CHECK(api.reports[hub] > 0);
        api.reports[hub]--;
        break;
    case LEAT_EVENT_LISTEN_ERROR:
        api_allow("LISTEN_ERROR", event->error, API_BIT(LIMIT)); /* the hub has its own number */
        break;
    case LEAT_EVENT_ASKED:
        end = accepted_event(hub, event);
        if (end != NULL)
            end->asked = true;
        break;
    case LEAT_EVENT_ACCEPTED:
        end = accepted_event(hub, event);
        if (end != NULL)
            end->connected = true;
        break;
    default:
        end = api_end_find(hub, event->conn);
        if (end == NULL)
            CHECK(api.mixed);
        else
            conn_event(end, event);
        break;
    }
}

void api_next(uint32_t hub, uint32_t timeout_ms)
{
    struct leat_event event;
    for (uint32_t i = 0; i < API_ENDS; i++)
        if (api.ends[i].used && api.ends[i].hub == hub && api.ends[i].dying)
            api_ended(&api.ends[i]);
    uint64_t began_ns = lti_sim_time_ns();
    enum leat_error error = leat_next(api.hubs[hub], &event, timeout_ms);
    api_waited("next", began_ns, timeout_ms);
    api_allow("next", error, API_OK | API_BIT(TIMEOUT));
    if (error == LEAT_OK)
        api_event(hub, &event);
}

/* ---- Listeners ------------------------------------------------------------------------------- */

static void listener_end(uint32_t at)
{
    struct api_listener *slot = &api.listeners[at];
    struct leat_hub *hub = api.hubs[slot->hub];
    slot->used = false;
    CHECK_ERROR(leat_listener_close(hub, slot->listener), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, slot->listener), LEAT_E_STALE);
    /* Connections that were asked about are gone with it. */
    for (uint32_t i = 0; i < API_ENDS; i++)
        if (api.ends[i].used && api.ends[i].hub == slot->hub && api.ends[i].asked &&
            !api.ends[i].connected && !api.ends[i].dying && api.ends[i].protocol == at + LEAT_BYTES)
            api.ends[i].lost = true;
}

static void act_listen(uint32_t hub)
{
    static const enum leat_who who[] = {LEAT_WHO_SAME_USER, LEAT_WHO_ASK, LEAT_WHO_INSECURE_ANYONE,
                                        LEAT_WHO_ADMIN};
    const char *name = api_name();
    bool known = api_name_known(name);
    enum leat_protocol protocol = api_protocol_of(name);
    uint32_t at = protocol - LEAT_BYTES;
    uint8_t word = fuzz_byte(&api.input);
    struct leat_conn_options conn;
    api_options_for(protocol, &conn);
    const struct leat_listen_options options = {.size = sizeof options,
                                                .tag = known ? at : API_LISTENERS,
                                                .who = who[word & 3],
                                                .backlog = word & 4 ? 1 : 0,
                                                .conns_max = word & 8 ? 1 : 0,
                                                .handshakes_max = word & 16 ? 1 : 0,
                                                .take_over = (word & 32) != 0,
                                                .conn = &conn};
    leat_listener listener = {0};
    enum leat_error error = leat_listen(api.hubs[hub], name, &options, &listener);
    api_allow("listen", error, API_OK | API_NAMES | API_BIT(OPTIONS));
    if (error != LEAT_OK) {
        CHECK_INT(listener.id, 0);
        return;
    }
    struct api_listener *slot = &api.listeners[at];
    if (!known) {
        CHECK_ERROR(leat_listener_close(api.hubs[hub], listener), LEAT_OK);
        return;
    }
    if (slot->used) {
        CHECK(options.take_over);
        listener_end(at);
    }
    *slot = (struct api_listener){true, hub, listener};
}

static struct api_listener *listener_choose(uint32_t *at_out)
{
    *at_out = fuzz_below(&api.input, API_LISTENERS);
    struct api_listener *slot = &api.listeners[*at_out];
    return slot->used ? slot : NULL;
}

static void act_listener_close(void)
{
    uint32_t at;
    if (listener_choose(&at) != NULL)
        listener_end(at);
}

static void act_wait_accepted(void)
{
    uint32_t at, timeout_ms = fuzz_byte(&api.input);
    const struct api_listener *slot = listener_choose(&at);
    leat_conn conn = {0};
    if (slot == NULL)
        return;
    uint64_t began_ns = lti_sim_time_ns();
    enum leat_error error =
        leat_wait_accepted(api.hubs[slot->hub], slot->listener, timeout_ms, &conn);
    api_waited("wait_accepted", began_ns, timeout_ms);
    api_allow("wait_accepted", error, API_OK | API_WAITS);
    if (error == LEAT_E_WOKEN)
        api.wakes[slot->hub] = 0;
    if (error != LEAT_OK)
        return;
    struct api_end *end = api_end_find(slot->hub, conn);
    if (end == NULL)
        end = api_end_new(slot->hub, conn, (enum leat_protocol)(at + LEAT_BYTES));
    if (end != NULL)
        end->connected = true;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void act_connect(uint32_t hub, bool wait)
{
    const char *name = api_name();
    enum leat_protocol protocol = api_protocol_of(name);
    uint8_t word = fuzz_byte(&api.input);
    uint32_t timeout_ms = word & 1 ? 1 + fuzz_byte(&api.input) : 0;
    struct leat_conn_options conn;
    api_options_for(protocol, &conn);
    const struct leat_connect_options options = {
        .size = sizeof options,
        .timeout_ms = timeout_ms,
        .who = word & 2 ? LEAT_WHO_INSECURE_ANYONE : LEAT_WHO_SAME_USER,
        .absent = word & 4 ? LEAT_ABSENT_WAIT : LEAT_ABSENT_FAIL,
        .conn = &conn};
    leat_conn made = {0};
    uint64_t began_ns = lti_sim_time_ns();
    uint64_t set = API_OK | API_NAMES | API_BIT(OPTIONS);
    enum leat_error error;
    if (wait) {
        error = leat_connect_wait(api.hubs[hub], name, &options, &made);
        api_waited("connect_wait", began_ns, timeout_ms > 0 ? timeout_ms : 5000);
        set |= API_WAITS | API_ENDED;
        if (error == LEAT_E_WOKEN)
            api.wakes[hub] = 0;
    } else {
        error = leat_connect(api.hubs[hub], name, &options, &made);
        api_waited("connect", began_ns, 0);
    }
    api_allow("connect", error, set | API_BIT(LIMIT)); /* the hub's own number of connections */
    if (error != LEAT_OK) {
        CHECK_INT(made.id, 0);
        return;
    }
    struct api_end *end = api_end_new(hub, made, protocol);
    if (end != NULL)
        end->connected = wait;
}

static void act_pair(uint32_t hub)
{
    uint32_t other = api_hub_choose();
    enum leat_protocol protocol = (enum leat_protocol)(LEAT_BYTES + fuzz_below(&api.input, 3));
    struct leat_conn_options conn;
    leat_conn a = {0}, b = {0};
    api_options_for(protocol, &conn);
    if (api.hubs[other] == NULL)
        other = hub;
    enum leat_error error = leat_pair(api.hubs[hub], api.hubs[other], &conn, &a, &b);
    api_allow("pair", error, API_OK | API_BIT(OPTIONS) | API_BIT(LIMIT));
    CHECK((error == LEAT_OK) == (a.id != 0) && (a.id != 0) == (b.id != 0));
    if (error != LEAT_OK)
        return;
    (void)api_end_new(hub, a, protocol);
    (void)api_end_new(other, b, protocol);
}

static int64_t handle_close(intptr_t handle)
{
#ifdef LTI_NT
    return lti_os_handle_close(handle);
#else
    return lti_os_close((int)handle);
#endif
}

/* A raw peer, with a connection of ours at its other end. */
static void act_adopt(uint32_t hub)
{
    uint32_t at = fuzz_below(&api.input, 2);
    bool packets = (fuzz_byte(&api.input) & 1) != 0;
    enum leat_protocol protocol = (enum leat_protocol)(LEAT_BYTES + fuzz_below(&api.input, 3));
    struct leat_conn_options conn;
    intptr_t handle = -1;
    leat_conn made = {0};
    api_options_for(protocol, &conn);
    if (api.raws[at] >= 0 || api.faults)
        return;
    api.raws[at] = packets ? kit_raw_pair_packets(&handle) : kit_raw_pair(&handle);
    enum leat_error error = leat_adopt_conn(api.hubs[hub], handle, 0, &conn, &made);
    bool fits = packets == (protocol == LEAT_PACKETS);
    api_allow("adopt", error,
              (fits ? API_OK : API_BIT(HANDLE)) | API_BIT(OPTIONS) | API_BIT(LIMIT));
    struct api_end *end = error == LEAT_OK ? api_end_new(hub, made, protocol) : NULL;
    if (end != NULL)
        end->foreign = true;
    if (error == LEAT_OK)
        return;
    CHECK_INT(made.id, 0);
    CHECK_INT(handle_close(handle), 0);
    kit_raw_close(api.raws[at]);
    api.raws[at] = -1;
}

static void act_raw(void)
{
    uint32_t at = fuzz_below(&api.input, 2);
    uint8_t word = fuzz_byte(&api.input);
    struct fuzz_input part = fuzz_part(&api.input, word % 64u);
    if (api.raws[at] < 0)
        return;
    if (word >= 224) {
        kit_raw_close(api.raws[at]);
        api.raws[at] = -1;
    } else if (word >= 128) {
        (void)fuzz_raw_say(api.raws[at], kit_hello, sizeof kit_hello);
    } else if (part.size > 0) {
        (void)fuzz_raw_say(api.raws[at], part.data, part.size);
    }
}

/* ---- Hubs ------------------------------------------------------------------------------------ */

static void act_timer(uint32_t hub, bool cancel)
{
    uint32_t at = fuzz_below(&api.input, API_TIMERS);
    struct api_timer *slot = &api.timers[at];
    if (cancel) {
        enum leat_error expected = slot->used ? LEAT_OK : LEAT_E_STALE;
        if (slot->timer.id != 0 && slot->hub == hub)
            CHECK_ERROR(leat_timer_cancel(api.hubs[hub], slot->timer), expected);
        if (slot->hub == hub)
            slot->used = false;
        return;
    }
    if (slot->used)
        return;
    enum leat_error error =
        leat_timer_start(api.hubs[hub], fuzz_byte(&api.input) * 7u, at, &slot->timer);
    api_allow("timer_start", error, API_OK);
    slot->hub = hub;
    slot->used = error == LEAT_OK;
}

/* The only call that the system may fail for a reason that nobody can name. */
static void act_wake(uint32_t hub)
{
    enum leat_error error = leat_wake(api.hubs[hub]);
    api_allow("wake", error, api.faults ? API_OK | API_BIT(SYSTEM) : API_OK);
    api.wakes[hub]++; /* it may be that it worked */
}

static void act_resolve(void)
{
    char buffer[400] = "#";
    size_t size = 77, room = fuzz_byte(&api.input) + 100u;
    const char *name = api_name();
    enum leat_error error = leat_resolve(name, buffer, room, &size);
    api_allow("resolve", error, API_OK | API_NAMES | API_BIT(TOO_BIG));
    if (error == LEAT_OK)
        CHECK_INT(strlen(buffer), size);
    else
        CHECK_STR(buffer, "#");
}

static void act_ask_hub(uint32_t hub)
{
    struct leat_hub_info info = kit_hub_info(api.hubs[hub]);
    struct leat_listener_info listener_info = {.size = sizeof listener_info};
    char buffer[300];
    size_t size = 0;
    uint32_t deadline_ms = 77, at;
    CHECK(info.conns <= 20 && info.memory_bytes <= info.memory_bytes_high);
    CHECK(!api.tight || info.memory_bytes_high <= 400000);
    CHECK_ERROR(leat_hub_deadline(api.hubs[hub], &deadline_ms), LEAT_OK);
    const struct api_listener *slot = listener_choose(&at);
    if (slot == NULL)
        return;
    CHECK_ERROR(leat_listener_info_get(api.hubs[slot->hub], slot->listener, &listener_info),
                LEAT_OK);
    CHECK(listener_info.handshakes <= listener_info.conns);
    CHECK_ERROR(
        leat_listener_name(api.hubs[slot->hub], slot->listener, buffer, sizeof buffer, &size),
        LEAT_OK);
    CHECK_INT(strlen(buffer), size);
}

void api_act_open(uint32_t act)
{
    uint32_t hub = api_hub_choose();
    if (api.hubs[hub] == NULL)
        return;
    switch (act) {
    case 0:
    case 1:
        act_listen(hub);
        break;
    case 2:
    case 3:
        act_connect(hub, act == 3);
        break;
    case 4:
        act_pair(hub);
        break;
    case 5:
    case 6:
    case 7:
        api_next(hub, act == 5 ? 0 : fuzz_byte(&api.input) * (act == 6 ? 1u : 100u));
        break;
    case 8:
    case 9:
        act_timer(hub, act == 9);
        break;
    case 10:
        act_wake(hub);
        break;
    case 11:
        act_wait_accepted();
        break;
    case 12:
        if (fuzz_byte(&api.input) & 1)
            act_listener_close();
        else if (fuzz_byte(&api.input) > 200)
            api_hub_end(hub);
        break;
    case 13:
        act_adopt(hub);
        break;
    case 14:
        act_raw();
        break;
    default:
        act_resolve();
        act_ask_hub(hub);
        break;
    }
}
