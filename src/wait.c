/* SPDX-License-Identifier: MIT
 *
 * Waiting for one thing, with a deadline, beside everything else the hub has.
 *
 * Happy path: look whether it is so; if not, let the hub turn once and look again.
 * Fails:      TIMEOUT, WOKEN, BUSY, or the reason the connection ended for.
 * Invariants: other endpoints' events stay on the ready list; only work that no event comes from
 *             is done meanwhile. The port is never waited on while the connection in question
 *             has bytes that nobody looked at.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

/* Asks the hub to turn, or says why to stop waiting. The clock starts with the first turn: what is
 * so at once needs no clock. What had come before the deadline counts, so each wait turns once. */
static enum leat_error wait_turn(struct leat_hub *hub, struct lti_patience *patience, bool at_once)
{
    if (lti_hub_take_wake(hub, patience->turned))
        return LEAT_E_WOKEN;
    if (patience->end_ns == 0)
        patience->end_ns = lti_hub_after(hub, patience->timeout_ms);
    else if (patience->end_ns != LTI_NEVER && lti_hub_now(hub) >= patience->end_ns &&
             patience->turned)
        return LEAT_E_TIMEOUT;
    patience->turned = true;
    return lti_hub_pump(hub, at_once ? 0 : patience->end_ns);
}

static enum leat_error look_connected(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    (void)hub;
    (void)context;
    if (conn->state == LTI_CONN_OPEN) {
        conn->connected_due = false;
        return LEAT_OK;
    }
    if (conn->state == LTI_CONN_ENDED) {
        conn->connected_due = false;
        return conn->error != LEAT_OK ? conn->error : LEAT_E_CLOSED;
    }
    return LEAT_E_EMPTY;
}

static enum leat_error look_readable(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    (void)context;
    if (conn->view)
        return LEAT_E_STATE;
    if (!lti_conn_has_data(conn) || conn->need_more)
        lti_conn_fill(hub, conn);
    if (lti_conn_has_data(conn))
        return conn->need_more ? LEAT_E_EMPTY : LEAT_OK;
    enum leat_error error = lti_conn_read_end(conn);
    return error == LEAT_E_EMPTY && conn->paused ? LEAT_E_STATE : error;
}

/* Why a connection takes no more, or EMPTY while it might. */
static enum leat_error write_over(const struct lti_conn *conn)
{
    if (conn->state == LTI_CONN_ENDED)
        return conn->error != LEAT_OK ? conn->error : LEAT_E_CLOSED;
    return conn->write_error != LEAT_OK ? conn->write_error : LEAT_E_EMPTY;
}

enum leat_error lti_look_writable(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    (void)hub;
    (void)context;
    enum leat_error error = write_over(conn);
    if (error != LEAT_E_EMPTY)
        return error;
    bool early = conn->want_writable && conn->state != LTI_CONN_OPEN;
    if (early || !lti_conn_has_room(conn))
        return LEAT_E_EMPTY;
    conn->writable_due = conn->want_writable = false;
    return LEAT_OK;
}

static enum leat_error look_sent(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    (void)hub;
    (void)context;
    enum leat_error error = write_over(conn);
    if (error != LEAT_E_EMPTY)
        return conn->error == LEAT_OK && conn->undelivered == 0 ? LEAT_OK : error;
    return conn->outbox.size == 0 && conn->state == LTI_CONN_OPEN ? LEAT_OK : LEAT_E_EMPTY;
}

/* Whatever still comes is in the way of the end. */
static void unread_drop(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->paused = false;
    conn->view = false;
    conn->inbox.pinned = false;
    if (conn->protocol == LEAT_BYTES) {
        if (lti_inbox_size(&conn->inbox))
            lti_conn_consume(hub, conn, lti_inbox_size(&conn->inbox));
        return;
    }
    while (conn->message_ready)
        lti_conn_drop_message(hub, conn);
}

static enum leat_error look_closed(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    (void)context;
    unread_drop(hub, conn);
    lti_conn_fill(hub, conn);
    unread_drop(hub, conn);
    if (conn->state != LTI_CONN_ENDED)
        return LEAT_E_EMPTY;
    conn->connected_due = false;
    conn->hangup_told = conn->finished_told = conn->closed_told = true;
    return conn->error == LEAT_E_CLOSED ? LEAT_OK : conn->error;
}

enum leat_error lti_conn_wait(struct leat_hub *hub, leat_conn conn, struct lti_patience *patience,
                              lti_look look, void *context, uint32_t flags)
{
    bool waiter = !(flags & LTI_WAIT_TRIES);
    patience->turned = false;
    enum leat_error error = waiter ? lti_hub_wait_enter(hub) : lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    if (hub->gatherers_count > 0)
        lti_gather_flush(hub);
    do {
        struct lti_conn *found = lti_hub_conn(hub, conn);
        if (!found) {
            error = LEAT_E_STALE;
            break;
        }
        /* Here, not deep in the look: each function between the caller and the system call makes
         * the way back slower. */
        if ((flags & LTI_WAIT_READS) && !lti_conn_has_data(found))
            lti_conn_fill(hub, found);
        error = look(hub, found, context);
        lti_conn_update(hub, found);
        if (error != LEAT_E_EMPTY) {
            hub->woken_last = false;
            break;
        }
        if (!waiter && hub->waiter) {
            error = LEAT_E_BUSY;
            break;
        }
        hub->waiter = waiter = true;
        bool at_once = (flags & LTI_WAIT_READS) && found->readable && lti_conn_may_read(found);
        error = wait_turn(hub, patience, at_once);
    } while (error == LEAT_OK);
    if (waiter)
        lti_hub_wait_leave(hub);
    else
        lti_hub_leave(hub);
    return error;
}

static enum leat_error wait_for(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms,
                                lti_look look, uint32_t flags)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    return lti_conn_wait(hub, conn, &patience, look, 0, flags);
}

enum leat_error leat_wait_connected(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms)
{
    return wait_for(hub, conn, timeout_ms, look_connected, 0);
}

enum leat_error leat_wait_readable(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms)
{
    return wait_for(hub, conn, timeout_ms, look_readable, LTI_WAIT_READS);
}

enum leat_error leat_wait_writable(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms)
{
    return wait_for(hub, conn, timeout_ms, lti_look_writable, 0);
}

enum leat_error leat_wait_sent(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms)
{
    return wait_for(hub, conn, timeout_ms, look_sent, 0);
}

enum leat_error leat_wait_closed(struct leat_hub *hub, leat_conn conn, uint32_t timeout_ms)
{
    return wait_for(hub, conn, timeout_ms, look_closed, LTI_WAIT_READS);
}

struct line {
    char *buffer;
    size_t size, found;
};

static enum leat_error look_line(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    struct line *line = context;
    enum leat_error error = lti_conn_find(hub, conn, '\n', line->size - 1, &line->found);
    if (error == LEAT_E_EMPTY && conn->paused)
        return LEAT_E_STATE;
    if (error != LEAT_OK)
        return error;
    const uint8_t *bytes = lti_inbox_bytes(&conn->inbox);
    LTI_ASSERT(bytes); /* a line has one byte at least */
    memcpy(line->buffer, bytes, line->found);
    line->buffer[line->found] = 0;
    lti_conn_consume(hub, conn, line->found);
    return LEAT_OK;
}

enum leat_error leat_read_line(struct leat_hub *hub, leat_conn conn, char *buffer, size_t size,
                               uint32_t timeout_ms, size_t *size_out)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    struct line line = {buffer, size, 0};
    if (!size_out || !buffer || size == 0)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_conn_wait(hub, conn, &patience, look_line, &line, LTI_WAIT_READS);
    if (error == LEAT_OK)
        *size_out = line.found;
    return error;
}

enum leat_error leat_wait_accepted(struct leat_hub *hub, leat_listener listener,
                                   uint32_t timeout_ms, leat_conn *conn_out)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    if (!conn_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_wait_enter(hub);
    if (error != LEAT_OK)
        return error;
    do {
        struct lti_listener *found = lti_hub_listener(hub, listener);
        if (!found) {
            error = LEAT_E_STALE;
            break;
        }
        if (!found->accepted_first)
            lti_listener_work(hub, found);
        struct lti_conn *conn = lti_listener_take(hub, found);
        if (conn) {
            conn_out->id = lti_conn_id(conn);
            hub->woken_last = false;
            break;
        }
        bool at_once = (found->base.pending & LTI_PENDING_WORK) != 0;
        error = wait_turn(hub, &patience, at_once);
    } while (error == LEAT_OK);
    lti_hub_wait_leave(hub);
    return error;
}

static enum leat_error close_result(struct leat_hub *hub, struct lti_conn *conn,
                                    uint64_t *undelivered)
{
    enum leat_error error = conn->error;
    *undelivered = conn->undelivered;
    conn->waited = false;
    if (!conn->link_draining)
        lti_conn_bury(hub, conn);
    return error;
}

enum leat_error leat_close_wait(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                uint64_t *undelivered_out)
{
    uint64_t undelivered = 0;
    if (undelivered_out)
        *undelivered_out = 0;
    enum leat_error error = lti_hub_wait_enter(hub);
    if (error == LEAT_E_BUSY) {
        enum leat_error closed = leat_close(hub, conn, linger_ms);
        return closed == LEAT_OK ? LEAT_E_BUSY : closed;
    }
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    if (found) {
        found->waited = true;
        lti_conn_close(hub, found, lti_hub_after(hub, linger_ms));
        while (found->state != LTI_CONN_GONE && error == LEAT_OK)
            error = lti_hub_take_wake(hub, true) ? LEAT_E_WOKEN : lti_hub_pump(hub, LTI_NEVER);
        if (found->state == LTI_CONN_GONE)
            error = close_result(hub, found, &undelivered);
        else
            found->waited = false;
    } else {
        error = LEAT_E_STALE;
    }
    lti_hub_wait_leave(hub);
    if (undelivered_out)
        *undelivered_out = undelivered;
    return error;
}
