/* SPDX-License-Identifier: MIT
 *
 * Public calls, events: leat_next, wake, and what a foreign event loop needs.
 *
 * Happy path: the first endpoint of the ready list says one thing and goes to the tail if it has
 *             more; with nobody ready the port is asked.
 * Fails:      TIMEOUT when nothing came, BUSY when another thread waits.
 * Invariants: an event is made at the moment it is handed out, so none is ever stale. The port
 *             is asked once per round of the ready list, however busy it is: no endpoint starves
 *             another.
 */
#include "core.h"

#include <string.h>

/* Rounds of the ready list without an event until the deadline is looked at. */
#define BUSY_ROUNDS_MAX 64

/* Hands out the first of the pending events; false when there was none. READABLE changes nothing:
 * it comes again until the bytes are taken. */
static bool conn_event(struct leat_hub *hub, struct lti_conn *conn, struct leat_event *event)
{
    uint32_t pending = conn->base.pending & ~LTI_PENDING_WORK;
    uint32_t first = pending & (~pending + 1);
    event->conn.id = lti_conn_id(conn);
    event->tag = conn->base.tag;
    if (LTI_LIKELY(first == LTI_PENDING_READABLE)) {
        event->type = LEAT_EVENT_READABLE;
        return true;
    }
    switch (first) {
    case LTI_PENDING_CONNECTED:
        event->type = LEAT_EVENT_CONNECTED;
        conn->connected_due = false;
        break;
    case LTI_PENDING_WRITABLE:
        event->type = LEAT_EVENT_WRITABLE;
        conn->writable_due = false;
        break;
    case LTI_PENDING_HANGUP:
        event->type = LEAT_EVENT_HANGUP;
        conn->hangup_told = true;
        break;
    case LTI_PENDING_FINISHED:
        event->type = LEAT_EVENT_FINISHED;
        conn->finished_told = true;
        break;
    case LTI_PENDING_CLOSED:
        event->type = LEAT_EVENT_CLOSED;
        event->error = conn->error;
        event->bytes_undelivered = conn->undelivered;
        conn->closed_told = true;
        hub->retire = lti_conn_id(conn);
        break;
    case LTI_PENDING_ASKED:
        event->type = LEAT_EVENT_ASKED;
        event->listener.id = lti_listener_id(conn->common->listener);
        conn->ask_due = false;
        conn->asked_told = true;
        break;
    case LTI_PENDING_REPORT:
        memset(event, 0, sizeof *event);
        event->type = LEAT_EVENT_CLOSE_REPORT;
        event->tag = conn->stats.report_tag;
        event->error = conn->error;
        event->bytes_undelivered = conn->undelivered;
        conn->report = false;
        if (!conn->link_draining)
            lti_conn_bury(hub, conn);
        break;
    default:
        return false;
    }
    lti_conn_update(hub, conn);
    return true;
}

static bool listener_event(struct leat_hub *hub, struct lti_listener *listener,
                           struct leat_event *event)
{
    event->listener.id = lti_listener_id(listener);
    event->tag = listener->base.tag;
    if (listener->error_due) {
        event->type = LEAT_EVENT_LISTEN_ERROR;
        event->error = listener->error;
        listener->error_due = false;
        lti_listener_update(hub, listener);
        return true;
    }
    if (!listener->accepted_first)
        lti_listener_work(hub, listener);
    struct lti_conn *conn = lti_listener_take(hub, listener);
    if (!conn)
        return false;
    event->type = LEAT_EVENT_ACCEPTED;
    event->conn.id = lti_conn_id(conn);
    return true;
}

/* Lets the head of the ready list speak. */
static bool ready_event(struct leat_hub *hub, struct leat_event *event)
{
    struct lti_endpoint *endpoint = hub->ready.first;
    bool told = false;
    memset(event, 0, sizeof *event);
    switch ((enum lti_kind)endpoint->kind) {
    case LTI_KIND_CONN: {
        struct lti_conn *conn = (struct lti_conn *)endpoint;
        if (endpoint->pending & LTI_PENDING_WORK)
            lti_conn_fill(hub, conn);
        lti_conn_update_inline(hub, conn);
        told = conn_event(hub, conn, event);
        /* It is the others' turn, if it has more to say. */
        if (endpoint == hub->ready.first && endpoint != hub->ready.last) {
            lti_hub_list(hub, endpoint, LTI_LIST_NONE);
            lti_hub_list(hub, endpoint, LTI_LIST_READY);
        }
        break;
    }
    case LTI_KIND_LISTENER:
        lti_hub_list(hub, endpoint, LTI_LIST_NONE);
        told = listener_event(hub, (struct lti_listener *)endpoint, event);
        lti_listener_update(hub, (struct lti_listener *)endpoint);
        break;
    case LTI_KIND_TIMER:
        event->type = LEAT_EVENT_TIMER;
        event->tag = endpoint->tag;
        event->timer.id = ((struct lti_timer *)endpoint)->id;
        lti_timer_end(hub, (struct lti_timer *)endpoint);
        told = true;
        break;
    }
    return told;
}

/* The connection whose CLOSED was handed out last is nobody's any more. */
static void retire(struct leat_hub *hub)
{
    if (hub->retire == 0)
        return;
    struct lti_conn *conn = lti_slots_find(&hub->conns, hub->retire);
    hub->retire = 0;
    if (conn && conn->state == LTI_CONN_ENDED) {
        conn->closing = true;
        lti_conn_enter(hub, conn, LTI_CONN_GONE);
        lti_hub_reap(hub);
    }
}

static enum leat_error woken_event(struct leat_event *event)
{
    memset(event, 0, sizeof *event);
    event->type = LEAT_EVENT_WOKEN;
    return LEAT_OK;
}

static enum leat_error next_event(struct leat_hub *hub, struct leat_event *event,
                                  uint32_t timeout_ms)
{
    uint64_t deadline_ns = 0;
    bool asked = false;
    int rounds = 0;
    for (bool turned = false;; turned = true) {
        if (lti_hub_take_wake(hub, false))
            return woken_event(event);
        while (hub->ready.count && hub->round_left) {
            hub->round_left--;
            if (ready_event(hub, event)) {
                hub->woken_last = false;
                return LEAT_OK;
            }
        }
        if (lti_hub_take_wake(hub, turned))
            return woken_event(event);
        bool idle = hub->ready.count == 0;
        /* Peers that keep us busy without an event must not keep us for ever. */
        if (asked && (idle || rounds++ >= BUSY_ROUNDS_MAX)) {
            if (deadline_ns == 0)
                deadline_ns = timeout_ms ? lti_hub_after(hub, timeout_ms) : 1;
            if (deadline_ns != LTI_NEVER && lti_hub_now(hub) >= deadline_ns)
                return LEAT_E_TIMEOUT;
        }
        if (deadline_ns == 0 && idle && timeout_ms == LEAT_FOREVER)
            deadline_ns = LTI_NEVER;
        else if (deadline_ns == 0 && idle && timeout_ms)
            deadline_ns = lti_hub_after(hub, timeout_ms);
        uint64_t waits = hub->waits;
        enum leat_error error = lti_hub_pump(hub, idle ? deadline_ns : 0);
        if (error != LEAT_OK)
            return error;
        hub->round_left = hub->ready.count;
        asked = asked || hub->waits != waits;
    }
}

enum leat_error leat_next(struct leat_hub *hub, struct leat_event *event_out, uint32_t timeout_ms)
{
    struct leat_event event;
    if (!event_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_wait_enter(hub);
    if (error != LEAT_OK)
        return error;
    if (hub->foreign)
        hub->loop_thread = lti_os_thread_id();
    retire(hub);
    error = next_event(hub, &event, timeout_ms);
    lti_hub_wait_leave(hub);
    if (error == LEAT_OK)
        *event_out = event;
    return error;
}

enum leat_error leat_wake(struct leat_hub *hub)
{
    if (!hub)
        return LEAT_E_ARGUMENT;
    if (hub->fork_count != lti_os_fork_count())
        return LEAT_E_FORKED;
    if (atomic_exchange(&hub->woken, true))
        return LEAT_OK;
    return lti_port_wake(hub->port);
}

enum leat_error leat_hub_waitable(struct leat_hub *hub, intptr_t *waitable_out)
{
    if (!waitable_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct os_code code = {LTI_OS_NONE, 0};
    intptr_t waitable;
    /* Where this changes how completions are fetched, nobody may be fetching them. */
    error = hub->waiter ? LEAT_E_BUSY : lti_port_waitable(hub->port, &waitable, &code);
    if (error == LEAT_OK) {
        hub->foreign = true;
        hub->loop_thread = lti_os_thread_id();
        *waitable_out = waitable;
    } else if (code.kind != LTI_OS_NONE) {
        hub->os_code = code;
    }
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_hub_deadline(struct leat_hub *hub, uint32_t *timeout_ms_out)
{
    if (!timeout_ms_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    uint64_t first = lti_deadlines_first(&hub->deadlines);
    uint32_t timeout_ms = LEAT_FOREVER;
    uint64_t port = lti_port_due(hub->port);
    if (port < first)
        first = port;
    hub->wait_end_ns = first;
    if (hub->ready.count || hub->chores.count || hub->gathered || atomic_load(&hub->woken)) {
        timeout_ms = 0;
    } else if (first != LTI_NEVER) {
        uint64_t now = lti_hub_now(hub);
        uint64_t ms = first > now ? (first - now + 999999) / 1000000 : 0;
        timeout_ms = ms < LEAT_FOREVER ? (uint32_t)ms : LEAT_FOREVER - 1;
    }
    if (hub->foreign)
        hub->loop_thread = lti_os_thread_id();
    hub->changed = false;
    *timeout_ms_out = timeout_ms;
    lti_hub_leave(hub);
    return LEAT_OK;
}
