/* SPDX-License-Identifier: MIT
 *
 * One turn of the hub: the port, then completions, deadlines and chores.
 *
 * Happy path: with nothing to do the port is asked until the first deadline, without the lock;
 *             each completion becomes a flag or a write, and endpoints with something to say get
 *             listed. Chores come last, so that one turn takes a handshake from its bytes to its
 *             event.
 * Fails:      SYSTEM when the port fails for good. A stale cookie is no error: its link was
 *             ended.
 * Invariants: the lock is held on entry and on return. Only one thread is ever here. Reading for
 *             events is left to the moment of the event, so that a turn is short whatever the
 *             peers send; save for one read of who spoke alone, while a wait asks.
 */
#include "core.h"

/* How many turns in a row may leave the system unasked, because an event is at hand already: with
 * pipes, where under wine asking in vain costs two of the five calls of a message of 64 KiB. */
#define TURNS_UNASKED_MAX 31

/* How many times the system is asked between two looks at the clock, which cost a tenth of that. */
#define ASKS_A_LOOK 4u
#define SLOW_PART 16u

/* So many that speak at once are many. */
#define AHEAD_FROM 4

/* While we ask, who spoke alone of late is read from at once, which saves the wait that would tell
 * of it: so many reads between two waits of no time, and so many turns until others are heard. */
#define HOT_READS_A_WAIT 4u
#define HOT_TURNS_MAX 32u

/* How many chores one turn does before it looks at the port again. */
#define CHORES_MAX 32

/* True when there was one: what is waited for may be so now. */
static void chores_do(struct leat_hub *hub)
{
    for (int i = 0; i < CHORES_MAX && hub->chores.first; i++) {
        struct lti_endpoint *endpoint = hub->chores.first;
        lti_hub_list(hub, endpoint, LTI_LIST_NONE);
        if (endpoint->kind == LTI_KIND_LISTENER) {
            lti_listener_work(hub, (struct lti_listener *)endpoint);
            continue;
        }
        struct lti_conn *conn = (struct lti_conn *)endpoint;
        lti_conn_fill(hub, conn);
        lti_conn_update(hub, conn);
    }
}

/* What lti_conn_update makes of the most frequent news there is. */
static void conn_readable(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->readable = true;
    if (!(conn->base.pending & LTI_PENDING_WORK))
        hub->changed = true;
    conn->base.pending |= LTI_PENDING_WORK;
    lti_hub_list_ready(hub, &conn->base);
}

static void conn_done(struct leat_hub *hub, struct lti_conn *conn, const struct lti_done *done)
{
    uint32_t news = lti_port_take(hub->port, &conn->link, done);
    if (conn->link_draining) {
        if (news & LTI_DONE_ENDED) {
            conn->link_draining = false;
            if (conn->state == LTI_CONN_GONE && !conn->report && !conn->waited)
                lti_conn_bury(hub, conn);
        }
        return;
    }
    if (news == LTI_DONE_READABLE && lti_conn_plain(conn)) {
        conn_readable(hub, conn);
    } else {
        if (news & LTI_DONE_READABLE)
            conn->readable = !conn->eof;
        if (news & LTI_DONE_WRITTEN)
            lti_conn_written(hub, conn, done->bytes, (news & LTI_DONE_TAKEN) != 0);
        if (news & LTI_DONE_HANGUP)
            lti_conn_hangup(hub, conn);
        lti_conn_update(hub, conn);
    }
    if (hub->options.backend != LEAT_BACKEND_ONE_BY_ONE && (news & LTI_DONE_READABLE) &&
        conn->readable && lti_conn_may_read(conn) && conn->protocol != LEAT_PACKETS)
        lti_port_read_soon(hub->port, &conn->link);
}

/* The port hears of every completion, also when the endpoint is no more. */
static void done_dispatch(struct leat_hub *hub, const struct lti_done *done)
{
    if (lti_id_kind(done->cookie) == LTI_KIND_CONN) {
        struct lti_conn *conn = lti_hub_conn_at(hub, done->cookie);
        if (conn && !conn->buried)
            conn_done(hub, conn, done);
        else
            (void)lti_port_take(hub->port, 0, done);
        return;
    }
    struct lti_listener *listener = lti_slots_find(&hub->listeners, done->cookie);
    uint32_t news = lti_port_take(hub->port, listener ? &listener->link : 0, done);
    if (listener && (news & LTI_DONE_READABLE)) {
        listener->acceptable = true;
        lti_listener_update(hub, listener);
        /* Clients wait for our hello, whatever the user waits for. */
        if (lti_listener_greets(listener))
            lti_listener_work(hub, listener);
    }
}

static void deadlines_do(struct leat_hub *hub)
{
    if (lti_deadlines_first(&hub->deadlines) == LTI_NEVER)
        return;
    uint64_t now = lti_hub_now(hub);
    /* Work that a deadline starts may set a new one, but never one that is due at once. */
    struct lti_deadline *node;
    while ((node = lti_deadlines_pop_due(&hub->deadlines, now))) {
        struct lti_endpoint *endpoint =
            (struct lti_endpoint *)((char *)node - offsetof(struct lti_endpoint, deadline));
        switch ((enum lti_kind)endpoint->kind) {
        case LTI_KIND_CONN:
            lti_conn_due(hub, (struct lti_conn *)endpoint);
            break;
        case LTI_KIND_LISTENER:
            lti_listener_due(hub, (struct lti_listener *)endpoint);
            break;
        case LTI_KIND_TIMER:
            endpoint->pending = LTI_PENDING_TIMER;
            lti_hub_list(hub, endpoint, LTI_LIST_READY);
            break;
        }
    }
}

static int64_t patience(struct leat_hub *hub, uint64_t deadline_ns)
{
    uint64_t first = lti_deadlines_first(&hub->deadlines);
    uint64_t port = lti_port_due(hub->port);
    bool looked = deadline_ns != LTI_NEVER;
    if (first < deadline_ns)
        deadline_ns = first;
    if (port < deadline_ns)
        deadline_ns = port;
    hub->wait_end_ns = deadline_ns;
    if (deadline_ns == 0 || hub->chores.count || atomic_load(&hub->woken))
        return 0;
    if (deadline_ns == LTI_NEVER)
        return -1;
    uint64_t now = looked ? hub->now_ns : lti_hub_now(hub);
    return deadline_ns > now ? (int64_t)(deadline_ns - now) : 0;
}

/* One that speaks alone, twice in a row, will be the next one, too. */
static void hot_learn(struct leat_hub *hub, int count)
{
    uint64_t cookie = count == 1 ? hub->done[0].cookie : 0;
    hub->hot = cookie == hub->hot_last ? cookie : 0;
    hub->hot_last = cookie;
}

/* Reads from the one that speaks alone. True when that brought news. */
static bool hot_read(struct leat_hub *hub)
{
    bool news = false;
    lti_hub_lock(hub);
    struct lti_conn *conn = lti_hub_conn_at(hub, hub->hot);
    if (conn && lti_conn_plain(conn) && !conn->base.pending) {
        conn->readable = true;
        lti_conn_fill(hub, conn);
        lti_conn_update(hub, conn);
        news = conn->base.pending != 0 || !lti_conn_plain(conn);
    } else {
        hub->hot = 0;
    }
    lti_hub_unlock(hub);
    return news;
}

/* When so many speak at once, reading from them one after the other is worth the memory. */
static void ahead_begin(struct leat_hub *hub)
{
    hub->may_ahead = false;
    if (hub->options.backend == LEAT_BACKEND_ONE_BY_ONE && lti_port_ahead(hub->port))
        hub->options.backend = LEAT_BACKEND_AHEAD;
}

static void batch_dispatch(struct leat_hub *hub, int count)
{
    if (count >= AHEAD_FROM && hub->may_ahead)
        ahead_begin(hub);
    for (int i = 0; i < count; i++)
        done_dispatch(hub, &hub->done[i]);
    if (hub->options.backend != LEAT_BACKEND_ONE_BY_ONE)
        lti_port_read_ahead(hub->port);
}

/* Asks again and again. True when that ended the wait; else *left_out is what is left of it. No
 * lock is held, save by hot_read: of the hub it touches what the waiter alone changes. */
static bool port_spin(struct leat_hub *hub, int64_t timeout_ns, uint64_t began_ns,
                      struct os_code *code_out, int *count_out, int64_t *left_out)
{
    uint64_t bound_ns = hub->spin.bound_ns;
    uint64_t passed_ns = 0;
    uint32_t asks_max = lti_spin_asks_max(&hub->spin), asks_a_look = ASKS_A_LOOK;
    if (timeout_ns > 0 && (uint64_t)timeout_ns < bound_ns)
        bound_ns = (uint64_t)timeout_ns;
    bool hot = hub->hot != 0 && hub->hot_turns < HOT_TURNS_MAX;
    hub->hot_turns = hot ? hub->hot_turns + 1 : 0;
    for (uint32_t asks = 0; asks < asks_max && passed_ns < bound_ns; asks++) {
        if (hot && (asks + 1) % HOT_READS_A_WAIT != 0) {
            if (hot_read(hub))
                return true;
        } else {
            *count_out = lti_port_wait(hub->port, hub->done, 0, code_out);
            if (*count_out != 0 || lti_port_woken(hub->port))
                return true;
        }
        if (asks % asks_a_look == 0)
            passed_ns = lti_os_now_ns() - began_ns;
        /* A system that takes its time is not asked past a deadline. */
        if (asks == 0 && passed_ns > bound_ns / SLOW_PART)
            asks_a_look = 1;
    }
    *left_out = timeout_ns;
    if (timeout_ns > 0)
        *left_out = (uint64_t)timeout_ns > passed_ns ? timeout_ns - (int64_t)passed_ns : 0;
    return false;
}

/* The wait proper: first by asking, if that has paid of late. */
static int port_sleep(struct leat_hub *hub, int64_t timeout_ns, enum lti_spin_plan plan,
                      bool *asking_out, uint64_t *gap_out, struct os_code *code_out)
{
    int count = 0;
    uint64_t began_ns = plan == LTI_SPIN_SLEEP ? 0 : lti_os_now_ns();
    *asking_out =
        plan == LTI_SPIN_TRY && port_spin(hub, timeout_ns, began_ns, code_out, &count, &timeout_ns);
    if (!*asking_out)
        count = lti_port_wait(hub->port, hub->done, timeout_ns, code_out);
    *gap_out = plan == LTI_SPIN_SLEEP ? 0 : lti_os_now_ns() - began_ns;
    return count;
}

/* A wait is made without the lock. */
static int port_ask(struct leat_hub *hub, int64_t timeout_ns, struct os_code *code_out)
{
    hub->waits++;
    if (timeout_ns == 0)
        return lti_port_wait(hub->port, hub->done, 0, code_out);
    uint64_t gap_ns = 0;
    bool asking = false;
    /* Who waits elsewhere as well, in a loop of his own, has us look only when there is news. */
    enum lti_spin_plan plan = hub->foreign ? LTI_SPIN_SLEEP : lti_spin_next(&hub->spin);
    if (hub->mutex) {
        hub->waiting = true;
        lti_hub_unlock(hub);
    }
    int count = port_sleep(hub, timeout_ns, plan, &asking, &gap_ns, code_out);
    if (hub->mutex) {
        lti_hub_lock(hub);
        hub->waiting = false;
    }
    if (plan == LTI_SPIN_TRY)
        lti_spin_tried(&hub->spin, asking, gap_ns);
    else if (plan == LTI_SPIN_MEASURE)
        lti_spin_slept(&hub->spin, gap_ns);
    return count;
}

/* A deadline of ours, or of who waits, has passed: what came in time must be heard first. */
static bool time_is_over(struct leat_hub *hub, uint64_t deadline_ns)
{
    uint64_t first = lti_deadlines_first(&hub->deadlines);
    if (first < deadline_ns)
        deadline_ns = first;
    return deadline_ns != LTI_NEVER && deadline_ns <= lti_hub_now(hub);
}

enum leat_error lti_hub_pump(struct leat_hub *hub, uint64_t deadline_ns)
{
    struct os_code code = {LTI_OS_NONE, 0};
    int prepared = lti_port_prepare(hub->port, hub->done);
    if (prepared > 0)
        batch_dispatch(hub, prepared);
    bool ask = !prepared || hub->ready.count == 0 || hub->unasked == TURNS_UNASKED_MAX ||
               time_is_over(hub, LTI_NEVER);
    hub->unasked = ask ? 0 : hub->unasked + 1;
    hub->changed = false;
    int count = ask ? port_ask(hub, prepared ? 0 : patience(hub, deadline_ns), &code) : 0;
    if (count > 0) {
        hot_learn(hub, count);
        batch_dispatch(hub, count);
    }
    if (lti_port_unheard(hub->port) && time_is_over(hub, deadline_ns)) {
        count = port_ask(hub, 0, &code);
        batch_dispatch(hub, count);
    }
    /* A full batch has more behind it that may be in time; it is heard first, but not for ever. */
    bool full = count == LTI_DONE_MAX;
    hub->full_batches = full ? hub->full_batches + 1 : 0;
    if (!full || hub->full_batches > hub->conns_used / LTI_DONE_MAX)
        deadlines_do(hub);
    chores_do(hub);
    if (hub->graveyard)
        lti_hub_reap(hub);
    return count < 0 ? LEAT_E_SYSTEM : LEAT_OK;
}

enum leat_error lti_hub_wait_enter(struct leat_hub *hub)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    if (hub->waiter) {
        lti_hub_leave(hub);
        return LEAT_E_BUSY;
    }
    hub->waiter = true;
    if (hub->gatherers_count > 0)
        lti_gather_flush(hub);
    return LEAT_OK;
}

void lti_hub_wait_leave(struct leat_hub *hub)
{
    hub->waiter = false;
    /* What a wait of another thread took from the system, a foreign loop must look at. */
    hub->changed = hub->foreign;
    lti_hub_leave(hub);
}
