/* SPDX-License-Identifier: MIT
 *
 * Listeners: accepting, the handshakes that are under way, and the queue of those that the user has
 * not been told of yet.
 *
 * Happy path: an edge makes the listener acceptable; at the moment of the event those who wait are
 *             accepted, a few a turn; bytes are ready at once, messages after the peer's hello.
 * Fails:      an accept that fails pauses the listener, 100 ms doubling to 2 s, with one
 *             LISTEN_ERROR for the whole run of failures; the name stays. Those who come meanwhile
 *             wait; when the pauses become the longest, and what is short are descriptors, they
 *             are turned away, a few a pause. A peer that is not allowed is closed without a reply
 *             and counted; so is who is turned away.
 * Invariants: conns never exceeds conns_max, handshakes never handshakes_max: the oldest gives
 *             way, unless its hello has come. A connection is in one of the queues at most, and
 *             counts once for its user, from when it was judged until the listener loses it.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

#define PAUSE_FIRST_NS UINT64_C(100000000)
#define PAUSE_LAST_NS UINT64_C(2000000000)
/* Clients accepted in one turn, or turned away after one pause, so that a crowd of them does not
 * keep the others waiting. */
#define ACCEPTS_A_TURN 16u

static const struct os_code no_code = {LTI_OS_NONE, 0};

struct queue {
    struct lti_conn **first, **last;
};

static struct queue accepted_queue(struct lti_listener *listener)
{
    struct queue queue = {&listener->accepted_first, &listener->accepted_last};
    return queue;
}

static struct queue handshake_queue(struct lti_listener *listener)
{
    struct queue queue = {&listener->handshake_first, &listener->handshake_last};
    return queue;
}

static struct queue waiting_queue(struct lti_listener *listener)
{
    struct queue queue = {&listener->waiting_first, &listener->waiting_last};
    return queue;
}

static void queue_add(struct queue queue, struct lti_conn *conn)
{
    LTI_ASSERT(!conn->queue_previous && !conn->queue_next && *queue.last != conn);
    conn->queue_previous = *queue.last;
    conn->queue_next = 0;
    if (*queue.last)
        (*queue.last)->queue_next = conn;
    else
        *queue.first = conn;
    *queue.last = conn;
}

static void queue_remove(struct queue queue, struct lti_conn *conn)
{
    LTI_ASSERT(conn->queue_previous || *queue.first == conn); /* it is in this queue */
    LTI_ASSERT(conn->queue_next || *queue.last == conn);
    if (conn->queue_previous)
        conn->queue_previous->queue_next = conn->queue_next;
    else
        *queue.first = conn->queue_next;
    if (conn->queue_next)
        conn->queue_next->queue_previous = conn->queue_previous;
    else
        *queue.last = conn->queue_previous;
    conn->queue_previous = conn->queue_next = 0;
}

enum leat_error lti_listener_create(struct leat_hub *hub, const struct leat_listen_options *options,
                                    struct lti_listener **listener_out)
{
    struct leat_conn_options conn_options;
    enum leat_error error = lti_options_conn(options->conn, &conn_options);
    if (error != LEAT_OK)
        return error;
    struct lti_access *access;
    error = lti_access_make(&hub->pool, options->who, options->group, options->users,
                            options->users_count, true, &access);
    if (error != LEAT_OK)
        return error;
    struct lti_common *common;
    error = lti_common_make(hub, &conn_options, access, &common);
    if (error != LEAT_OK)
        return error;
    struct lti_listener *listener = lti_pool_alloc(&hub->pool, sizeof *listener);
    if (!listener) {
        lti_common_drop(hub, common);
        return LEAT_E_MEMORY;
    }
    memset(listener, 0, sizeof *listener);
    listener->common = common;
    common->listener = listener;
    lti_link_init(&listener->link);
    lti_claim_none(&listener->claim);
    lti_deadline_init(&listener->base.deadline);
    listener->base.kind = LTI_KIND_LISTENER;
    listener->base.tag = options->tag;
    listener->conns_max = options->conns_max;
    listener->handshakes_max = options->handshakes_max;
    listener->per_user_max = options->per_user_max;
    listener->own_user_max = options->own_user_max;
    listener->queued_bytes_max = options->queued_bytes_max;
    uint64_t id = 0;
    bool reserved = lti_deadlines_reserve(&hub->deadlines, &hub->pool);
    if (reserved)
        id = lti_slots_add(&hub->listeners, &hub->pool, listener);
    if (id == 0) {
        if (reserved)
            lti_deadlines_unreserve(&hub->deadlines);
        lti_common_drop(hub, common);
        lti_pool_free(&hub->pool, listener, sizeof *listener);
        return LEAT_E_MEMORY;
    }
    listener->link.cookie = id;
    hub->listeners_used++;
    *listener_out = listener;
    return LEAT_OK;
}

void lti_listener_end(struct leat_hub *hub, struct lti_listener *listener, bool forked)
{
    LTI_ASSERT(listener);
    /* Those that the user was told of live on without us; the others end with us. */
    uint32_t place = 0;
    struct lti_conn *conn;
    while ((conn = lti_slots_next(&hub->conns, &place))) {
        if (lti_conn_listener(conn) != listener)
            continue;
        LTI_ASSERT(conn->state != LTI_CONN_GONE); /* such a one has no listener any more */
        if (!conn->announced)
            lti_conn_enter(hub, conn, LTI_CONN_GONE);
        else
            lti_listener_lost(hub, conn);
    }
    LTI_ASSERT(listener->conns == 0 && !listener->accepted_first && !listener->handshake_first &&
               listener->users.used == 0 && !listener->waiting_first &&
               listener->queued_bytes == 0);
    lti_hub_list(hub, &listener->base, LTI_LIST_NONE);
    lti_deadline_set(&hub->deadlines, &listener->base.deadline, LTI_NEVER);
    if (listener->link.handle >= 0)
        (void)lti_port_end(hub->port, &listener->link, &listener->claim, listener->common->address,
                           forked);
    listener->common->listener = 0;
    lti_common_drop(hub, listener->common);
    lti_deadlines_unreserve(&hub->deadlines);
    LTI_ASSERT(hub->listeners_used > 0);
    lti_slots_remove(&hub->listeners, lti_listener_id(listener));
    lti_pool_free(&hub->pool, listener, sizeof *listener);
    hub->listeners_used--;
    hub->changed = true; /* a thread may wait for just this listener */
}

/* Clients wait for what we do, whatever the user waits for. */
bool lti_listener_greets(const struct lti_listener *listener)
{
    return listener->common->options.protocol == LEAT_MESSAGES ||
           listener->common->access->who == LEAT_WHO_ASK;
}

static bool accept_due(const struct lti_listener *listener)
{
    return listener->acceptable && !listener->backing_off && listener->conns < listener->conns_max;
}

void lti_listener_update(struct leat_hub *hub, struct lti_listener *listener)
{
    uint32_t pending = 0;
    if (listener->accepted_first)
        pending |= LTI_PENDING_ACCEPTED;
    if (listener->error_due)
        pending |= LTI_PENDING_ERROR;
    if (accept_due(listener))
        pending |= LTI_PENDING_WORK;
    if (pending & ~listener->base.pending)
        hub->changed = true;
    listener->base.pending = (uint16_t)pending;
    bool chore = lti_listener_greets(listener);
    enum lti_listed list = LTI_LIST_READY;
    if (pending == 0)
        list = LTI_LIST_NONE;
    else if (pending == LTI_PENDING_WORK && chore)
        list = LTI_LIST_CHORES;
    lti_hub_list(hub, &listener->base, list);
}

static void accept_failed(struct leat_hub *hub, struct lti_listener *listener,
                          enum leat_error error, struct os_code code)
{
    listener->accept_errors++;
    listener->error = error;
    listener->base.os_code = code.raw;
    if (!listener->error_told) {
        listener->error_told = true;
        listener->error_due = true;
        lti_hub_log(hub, "accepting failed; the listener pauses", error);
    }
    listener->pause_ns = listener->pause_ns ? listener->pause_ns * 2 : PAUSE_FIRST_NS;
    if (listener->pause_ns > PAUSE_LAST_NS)
        listener->pause_ns = PAUSE_LAST_NS;
    listener->backing_off = true;
    lti_hub_due(hub, &listener->base, lti_hub_now(hub) + listener->pause_ns);
}

/* The next pause is the longest: who waits hears at once what it would else hear at its deadline,
 * and sooner than that, where nothing was said of deadlines. */
static void accept_in_vain(struct leat_hub *hub, struct lti_listener *listener)
{
    if (listener->pause_ns * 2 < PAUSE_LAST_NS)
        return;
    uint32_t count = lti_port_turn_away(&listener->link, &listener->claim, ACCEPTS_A_TURN);
    listener->denied += count;
    if (count > 0)
        lti_hub_log(hub, "no descriptor is left for clients; they are turned away", LEAT_E_LIMIT);
}

void lti_listener_due(struct leat_hub *hub, struct lti_listener *listener)
{
    listener->backing_off = false;
    listener->acceptable = true;
    lti_listener_update(hub, listener);
}

enum leat_error lti_listener_count_user(struct leat_hub *hub, struct lti_conn *conn,
                                        const struct lti_peer *peer)
{
    struct lti_listener *listener = lti_conn_listener(conn);
    LTI_ASSERT(!conn->user_counted); /* it is judged once */
    LTI_ASSERT(!peer->own || !peer->other);
    if (!listener || !(peer->own || peer->other))
        return LEAT_OK;
    uint32_t most = peer->own ? listener->own_user_max : listener->per_user_max;
    uint32_t count = lti_users_add(&listener->users, &hub->pool, conn->peer.user);
    conn->user_counted = count > 0;
    if (count == 0)
        return LEAT_E_MEMORY;
    return count > most ? LEAT_E_LIMIT : LEAT_OK;
}

/* Room for one more handshake. Those who came in one turn are not heard before the next one, so a
 * hello may have come that was not read; who has sent it is not to go for one who has not. */
static void handshake_room(struct leat_hub *hub, struct lti_listener *listener)
{
    if (listener->handshakes < listener->handshakes_max)
        return;
    struct lti_conn *oldest = listener->handshake_first;
    if (oldest->state == LTI_CONN_HANDSHAKE) {
        oldest->readable = !oldest->eof;
        lti_conn_fill(hub, oldest);
        lti_conn_update(hub, oldest);
    }
    if (listener->handshakes >= listener->handshakes_max)
        lti_conn_fail(hub, listener->handshake_first, LEAT_OP_HANDSHAKE, LEAT_E_LIMIT, no_code);
}

/* The new connection is judged, and made ready or shaken hands with. */
static void accept_begin(struct leat_hub *hub, struct lti_listener *listener, struct lti_conn *conn)
{
    lti_conn_join(conn, lti_common_hold(listener->common));
    bool messages = conn->protocol == LEAT_MESSAGES;
    conn->base.tag = listener->base.tag;
    conn->listened = true;
    listener->conns++;
    LTI_ASSERT(listener->conns <= listener->conns_max);
    if (messages || listener->common->access->who == LEAT_WHO_ASK) {
        handshake_room(hub, listener);
        conn->handshaking = true;
        listener->handshakes++;
        LTI_ASSERT(listener->handshakes <= listener->handshakes_max);
        queue_add(handshake_queue(listener), conn);
    }
    if (messages && !lti_conn_queue_hello(hub, conn)) {
        lti_conn_fail(hub, conn, LEAT_OP_HANDSHAKE, LEAT_E_MEMORY, no_code);
        return;
    }
    lti_conn_established(hub, conn);
    lti_conn_update(hub, conn);
}

/* Accepts one. True: the next one may be tried, if there is room. In a crowd that is done unasked,
 * and with a spare connection in hand, so that nobody hears of a failure when nobody was there. */
static bool accept_one(struct leat_hub *hub, struct lti_listener *listener, bool last,
                       struct lti_conn **spare)
{
    struct os_code code = no_code;
    struct lti_conn *conn = *spare;
    enum leat_error error = conn ? LEAT_OK : lti_conn_create(hub, &conn);
    enum lti_accept_next next = last ? LTI_ACCEPT_LATER : LTI_ACCEPT_ASK;
    bool more = false;
    *spare = 0;
    /* After a failure the reserve comes before the clients: with it all who wait can be told,
     * without it one of them be served. */
    if (listener->pause_ns > 0)
        lti_port_reserve(&listener->claim);
    if (listener->crowded && !last && lti_conn_create(hub, spare) == LEAT_OK)
        next = LTI_ACCEPT_TRY;
    if (error == LEAT_OK)
        error = lti_port_accept(hub->port, &listener->link, &conn->link, listener->common->access,
                                next, &more, &code);
    if (error == LEAT_E_LIMIT && conn) /* else it is the hub's, which has its last connection */
        accept_in_vain(hub, listener);
    if (error != LEAT_OK && conn)
        lti_conn_free(hub, conn);
    if (error == LEAT_OK) {
        listener->acceptable = more;
        listener->pause_ns = 0;
        listener->error_told = false;
        listener->accepted++;
        accept_begin(hub, listener, conn);
    } else if (error == LEAT_E_EMPTY) {
        listener->acceptable = more;
    } else {
        accept_failed(hub, listener, error, code);
    }
    return error == LEAT_OK;
}

/* A handshake gives way for none who comes in the same turn: so the turn ends with the one that
 * takes the last place. */
static bool accept_is_last(const struct lti_listener *listener, uint32_t left)
{
    bool fills = listener->handshakes + 1 >= listener->handshakes_max;
    return left == 1 || (fills && lti_listener_greets(listener));
}

void lti_listener_work(struct leat_hub *hub, struct lti_listener *listener)
{
    struct lti_conn *spare = 0;
    bool more = (listener->base.pending & LTI_PENDING_WORK) != 0, last = false;
    uint32_t left = ACCEPTS_A_TURN;
    for (; more && !last && accept_due(listener); left--) {
        last = accept_is_last(listener, left);
        more = accept_one(hub, listener, last, &spare);
    }
    if (left < ACCEPTS_A_TURN)
        listener->crowded = more && last;
    if (spare)
        lti_conn_free(hub, spare);
    lti_listener_update(hub, listener);
}

static void handshake_over(struct lti_listener *listener, struct lti_conn *conn)
{
    if (conn->handshaking) {
        LTI_ASSERT(listener->handshakes > 0);
        queue_remove(handshake_queue(listener), conn);
        conn->handshaking = false;
        listener->handshakes--;
    }
}

void lti_listener_accepted(struct leat_hub *hub, struct lti_conn *conn)
{
    handshake_over(conn->common->listener, conn);
    queue_add(accepted_queue(conn->common->listener), conn);
    conn->accepted_queue = true;
    lti_listener_update(hub, conn->common->listener);
}

void lti_listener_lost(struct leat_hub *hub, struct lti_conn *conn)
{
    struct lti_listener *listener = lti_conn_listener(conn);
    if (!listener)
        return;
    handshake_over(listener, conn);
    if (conn->accepted_queue) {
        queue_remove(accepted_queue(listener), conn);
        conn->accepted_queue = false;
    }
    if (conn->user_counted)
        lti_users_remove(&listener->users, &hub->pool, conn->peer.user);
    conn->user_counted = false;
    lti_share_leave(hub, conn);
    LTI_ASSERT(listener->conns > 0);
    listener->conns--;
    lti_listener_update(hub, listener);
}

void lti_listener_waits(struct lti_conn *conn)
{
    LTI_ASSERT(conn->announced && !conn->handshaking && !conn->accepted_queue);
    queue_add(waiting_queue(conn->common->listener), conn);
}

void lti_listener_waits_no_more(struct lti_conn *conn)
{
    queue_remove(waiting_queue(conn->common->listener), conn);
}

struct lti_conn *lti_listener_take(struct leat_hub *hub, struct lti_listener *listener)
{
    struct lti_conn *conn = listener->accepted_first;
    if (!conn)
        return 0;
    queue_remove(accepted_queue(listener), conn);
    conn->accepted_queue = false;
    conn->announced = true;
    if (conn->protocol == LEAT_MESSAGES)
        lti_conn_parse(hub, conn);
    lti_conn_update(hub, conn);
    lti_listener_update(hub, listener);
    return conn;
}
