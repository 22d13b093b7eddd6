/* SPDX-License-Identifier: MIT
 *
 * The states of a connection: the table of legal changes, the one function that makes them, and
 * what a connection has to say in each.
 *
 * Happy path: NEW, CONNECTING, HANDSHAKE (messages), OPEN; then LINGER and GONE when the user
 *             closes, or ENDED, CLOSED taken, GONE when the peer does.
 * Fails:      lti_conn_fail takes every error to ENDED, or to GONE when the user does not know
 *             the connection (any more); the first error sticks.
 * Invariants: the link is ended on the way into ENDED or GONE, once. A connection that the user
 *             closed has no event but its report; one that he was not told of has none.
 */
/* gcc's analyser takes the flags beside `operation` for unset once that is set. */
#if __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#endif

#include "core.h"

#include "lti_assert.h"

#define BIT(state) (1u << (state))

/* ARCHITECTURE.md says the same in words. */
static const uint8_t legal[] = {
    [LTI_CONN_NEW] = BIT(LTI_CONN_CONNECTING) | BIT(LTI_CONN_ASKING) | BIT(LTI_CONN_HANDSHAKE) |
                     BIT(LTI_CONN_OPEN) | BIT(LTI_CONN_ENDED) | BIT(LTI_CONN_GONE),
    [LTI_CONN_CONNECTING] =
        BIT(LTI_CONN_HANDSHAKE) | BIT(LTI_CONN_OPEN) | BIT(LTI_CONN_ENDED) | BIT(LTI_CONN_GONE),
    [LTI_CONN_ASKING] =
        BIT(LTI_CONN_HANDSHAKE) | BIT(LTI_CONN_OPEN) | BIT(LTI_CONN_ENDED) | BIT(LTI_CONN_GONE),
    [LTI_CONN_HANDSHAKE] = BIT(LTI_CONN_OPEN) | BIT(LTI_CONN_ENDED) | BIT(LTI_CONN_GONE),
    [LTI_CONN_OPEN] = BIT(LTI_CONN_LINGER) | BIT(LTI_CONN_ENDED) | BIT(LTI_CONN_GONE),
    [LTI_CONN_LINGER] = BIT(LTI_CONN_GONE),
    [LTI_CONN_ENDED] = BIT(LTI_CONN_GONE),
    [LTI_CONN_GONE] = 0,
};

enum leat_state lti_conn_public_state(const struct lti_conn *conn)
{
    switch (conn->state) {
    case LTI_CONN_NEW:
    case LTI_CONN_CONNECTING:
        return LEAT_STATE_CONNECTING;
    case LTI_CONN_ASKING:
    case LTI_CONN_HANDSHAKE:
        return LEAT_STATE_HANDSHAKE;
    case LTI_CONN_OPEN:
        return LEAT_STATE_OPEN;
    case LTI_CONN_LINGER:
    case LTI_CONN_ENDED:
    case LTI_CONN_GONE:
        break;
    }
    return LEAT_STATE_ENDED;
}

static void state_trace(struct leat_hub *hub, const struct lti_conn *conn)
{
    if (!hub->options.trace)
        return;
    struct leat_trace record = {
        .kind = LEAT_TRACE_STATE,
        .conn = {lti_conn_id(conn)},
        .tag = conn->base.tag,
        .state = lti_conn_public_state(conn),
        .error = conn->error,
        .time_ns = lti_hub_now(hub),
    };
    hub->options.trace(hub->options.hook_context, &record);
}

/* Nothing more goes in or out. What was accepted and not taken by the system is counted. */
static void link_end(struct leat_hub *hub, struct lti_conn *conn)
{
    bool forked = hub->fork_count != lti_os_fork_count();
    if (conn->link.handle >= 0)
        conn->link_draining = !lti_port_end(hub->port, &conn->link, 0, 0, forked);
    conn->readable = conn->ask_due = false;
    conn->eof = true;
    conn->need_more = false;
    conn->writable_due = conn->want_writable = false;
    conn->limit_at = conn->attempt_at = conn->stall_at = conn->retry_at = 0;
}

uint64_t lti_conn_unsent(const struct lti_conn *conn)
{
    LTI_ASSERT(conn->own_bytes <= conn->outbox.size);
    return conn->outbox.size - conn->own_bytes;
}

static void outbox_drop(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->undelivered += (uint32_t)lti_conn_unsent(conn);
    conn->own_bytes = conn->outbox.size; /* counted, and not to be counted again */
    if (!conn->link_draining) {
        lti_outbox_clear(&conn->outbox, &hub->pool);
        conn->own_bytes = 0;
    }
    conn->outbox.messages = 0;
}

void lti_conn_enter(struct leat_hub *hub, struct lti_conn *conn, enum lti_conn_state state)
{
    LTI_ASSERT(legal[conn->state] & BIT(state));
    conn->state = state;
    hub->changed = true; /* a thread may wait for just this connection */
    if (state != LTI_CONN_OPEN)
        lti_gather_end(hub, conn);
    if (state == LTI_CONN_ENDED || state == LTI_CONN_GONE) {
        link_end(hub, conn);
        outbox_drop(hub, conn);
    }
    state_trace(hub, conn);
    if (state == LTI_CONN_GONE) {
        lti_listener_lost(hub, conn);
        conn->view = false;
        lti_inbox_clear(&conn->inbox, &hub->pool);
        lti_deadline_set(&hub->deadlines, &conn->base.deadline, LTI_NEVER);
        lti_conn_update(hub, conn);
        if (!conn->link_draining && !conn->report && !conn->waited)
            lti_conn_bury(hub, conn);
    }
}

void lti_conn_bury(struct leat_hub *hub, struct lti_conn *conn)
{
    LTI_ASSERT(conn->state == LTI_CONN_GONE && !conn->buried && !conn->link_draining);
    lti_hub_list(hub, &conn->base, LTI_LIST_NONE);
    conn->buried = true;
    conn->queue_next = hub->graveyard;
    hub->graveyard = conn;
}

void lti_conn_fail(struct leat_hub *hub, struct lti_conn *conn, enum leat_operation operation,
                   enum leat_error error, struct os_code code)
{
    if (conn->state == LTI_CONN_ENDED || conn->state == LTI_CONN_GONE)
        return;
    LTI_ASSERT(conn->error == LEAT_OK && error != LEAT_OK); /* an error ends it: the first one */
    conn->error = error;
    conn->operation = (uint8_t)operation;
    conn->base.os_code = code.raw;
    if (conn->closing) {
        lti_conn_linger_over(hub, conn, error);
        return;
    }
    if (!conn->announced && !conn->asked_told) {
        struct lti_listener *listener = lti_conn_listener(conn);
        LTI_ASSERT(listener); /* whom it ends with, when it closes */
        if (conn->handshaking)
            listener->handshakes_failed++;
        /* An accept error that the user has not been told of yet is not painted over. */
        if (!listener->error_due) {
            listener->error = conn->error;
            listener->base.os_code = conn->base.os_code;
        }
        lti_hub_log(hub, "a connection failed before it was accepted", conn->error);
        lti_conn_enter(hub, conn, LTI_CONN_GONE);
        return;
    }
    if (!conn->announced) { /* the user knows it from ASKED: it is to hear of the end */
        lti_listener_lost(hub, conn);
        conn->announced = true;
    }
    /* Whoever paused reading until there is room again is to try, and to be told. */
    bool waits = conn->want_writable || conn->writable_due;
    lti_conn_enter(hub, conn, LTI_CONN_ENDED);
    conn->writable_due = waits && conn->paused && lti_conn_has_data(conn);
    /* Unread bytes hold CLOSED back: whoever paused of his own accord must hear of the end too. */
    conn->hangup = conn->hangup || (conn->paused && lti_conn_has_data(conn));
    lti_conn_update(hub, conn);
}

static uint32_t pending_events(const struct lti_conn *conn)
{
    uint32_t pending = 0;
    bool data = lti_conn_has_data(conn);
    if (conn->connected_due)
        pending |= LTI_PENDING_CONNECTED;
    if (conn->writable_due)
        pending |= LTI_PENDING_WRITABLE;
    if (conn->hangup && !conn->hangup_told && (conn->state != LTI_CONN_ENDED || data))
        pending |= LTI_PENDING_HANGUP;
    if (data && !conn->paused && !conn->view && !conn->need_more)
        pending |= LTI_PENDING_READABLE;
    LTI_ASSERT(data || !conn->view); /* what is looked at is not taken */
    if (data)
        return pending;
    if (conn->peer_finished && !conn->finished_told)
        pending |= LTI_PENDING_FINISHED;
    if (conn->state == LTI_CONN_ENDED && !conn->closed_told)
        pending |= LTI_PENDING_CLOSED;
    return pending;
}

static uint64_t earlier(uint64_t time_ns, uint64_t other)
{
    return other != 0 && other < time_ns ? other : time_ns;
}

static uint64_t first_time(const struct lti_conn *conn)
{
    /* Most connections wait for no time most of the time. */
    if ((conn->limit_at | conn->attempt_at | conn->stall_at | conn->retry_at) == 0)
        return LTI_NEVER;
    uint64_t first = earlier(LTI_NEVER, conn->limit_at); /* or alive_at, which is due likewise */
    if (conn->state != LTI_CONN_LINGER)
        first = earlier(first, conn->attempt_at); /* or partial_at */
    first = earlier(first, conn->stall_at);
    return earlier(first, conn->retry_at);
}

/* Work that no event comes from is done whatever the user waits for. A peer that is gone before it
 * said hello is such work, too: reading tells how it went. */
static bool is_chore(const struct lti_conn *conn, uint32_t pending)
{
    if (conn->state == LTI_CONN_HANDSHAKE)
        pending &= ~(uint32_t)LTI_PENDING_HANGUP;
    return pending == LTI_PENDING_WORK &&
           (conn->closing || !conn->announced || conn->state == LTI_CONN_HANDSHAKE);
}

static uint32_t pending_all(const struct lti_conn *conn)
{
    uint32_t pending = 0;
    if (conn->state == LTI_CONN_GONE)
        return conn->report ? LTI_PENDING_REPORT : 0;
    if (conn->readable && (lti_conn_may_read(conn) || lti_conn_may_hear(conn)))
        pending |= LTI_PENDING_WORK;
    if (conn->ask_due)
        pending |= LTI_PENDING_ASKED;
    if (conn->announced && !conn->closing)
        pending |= pending_events(conn);
    return pending;
}

static enum lti_listed list_for(const struct lti_conn *conn, uint32_t pending)
{
    if (pending == 0)
        return LTI_LIST_NONE;
    return is_chore(conn, pending) ? LTI_LIST_CHORES : LTI_LIST_READY;
}

/* What holds of every connection whenever somebody has done something to it. */
static void conn_check(const struct lti_conn *conn)
{
    bool over = conn->state == LTI_CONN_ENDED || conn->state == LTI_CONN_GONE;
    LTI_INVARIANT(over || conn->error == LEAT_OK);
    LTI_INVARIANT(!over || first_time(conn) == LTI_NEVER);
    LTI_INVARIANT(!conn->eof || !conn->readable);
    LTI_INVARIANT(!conn->view || conn->message_ready);
    LTI_INVARIANT(conn->inbox.pinned == conn->view);
    LTI_INVARIANT(!conn->message_ready || conn->closing || conn->state == LTI_CONN_GONE ||
                  lti_inbox_size(&conn->inbox) >=
                      LTI_FRAME_HEADER_BYTES + (size_t)conn->message_size);
    LTI_INVARIANT(!conn->writing || conn->outbox.size > 0 || over);
    LTI_INVARIANT(conn->outbox.messages == 0 || conn->outbox.size > 0);
    LTI_INVARIANT(!conn->want_writable || !conn->writable_due);
    LTI_INVARIANT(!conn->handshaking || !conn->accepted_queue);
    LTI_INVARIANT(conn->listened || !(conn->handshaking || conn->accepted_queue ||
                                      conn->user_counted || conn->share_waits));
    LTI_INVARIANT(!conn->share_held || conn->share_waits);
    LTI_INVARIANT(conn->base.pending == pending_all(conn));
    LTI_INVARIANT(conn->base.list == list_for(conn, conn->base.pending));
}

static void update_all(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->buried)
        return;
    lti_share_check(hub, conn);
    uint32_t pending = pending_all(conn);
    uint64_t time_ns = first_time(conn);
    if (conn->base.deadline.time_ns != time_ns && conn->state != LTI_CONN_GONE)
        lti_hub_due(hub, &conn->base, time_ns);
    /* On the list already, it is still news to who waits for this connection. */
    if (pending & ~conn->base.pending)
        hub->changed = true;
    conn->base.pending = (uint16_t)pending;
    lti_hub_list(hub, &conn->base, list_for(conn, pending));
}

void lti_conn_update(struct leat_hub *hub, struct lti_conn *conn)
{
    if (!lti_conn_update_plain(hub, conn))
        update_all(hub, conn);
    if (!conn->buried)
        conn_check(conn);
}
