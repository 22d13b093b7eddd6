/* SPDX-License-Identifier: MIT
 *
 * What the files of the core include: its structures (core_base.h), and what every message passes
 * through, which is therefore inline.
 */
#ifndef LTI_CORE_H
#define LTI_CORE_H

#include "core_base.h"
#include "lti_assert.h"
#include "lti_hint.h"

/* ---- Calls ----------------------------------------------------------------------------------- */

/* It has a lock that no other thread can have, because there is none. */
static inline bool lti_hub_alone(const struct leat_hub *hub)
{
    return hub->mutex && *hub->mutex->alone;
}

static inline void lti_hub_lock(struct leat_hub *hub)
{
    if (LTI_LIKELY(lti_hub_alone(hub))) {
        /* Taken: a hook calls what called it, which may be anywhere. */
        LTI_ASSERT(atomic_load_explicit(&hub->mutex->state, memory_order_relaxed) == 0);
        atomic_store_explicit(&hub->mutex->state, 1, memory_order_relaxed);
    } else if (hub->mutex) {
        lti_os_mutex_lock(hub->mutex);
    }
}

static inline void lti_hub_unlock(struct leat_hub *hub)
{
    if (LTI_LIKELY(lti_hub_alone(hub)))
        atomic_store_explicit(&hub->mutex->state, 0, memory_order_relaxed);
    else if (hub->mutex)
        lti_os_mutex_unlock(hub->mutex);
}

/* Takes the lock. FORKED, ARGUMENT. */
static inline enum leat_error lti_hub_enter(struct leat_hub *hub)
{
    if (!hub)
        return LEAT_E_ARGUMENT;
    if (LTI_UNLIKELY(!lti_hub_alone(hub) ||
                     atomic_load_explicit(hub->mutex->forks, memory_order_relaxed) !=
                         hub->fork_count))
        return lti_hub_enter_other(hub);
    lti_hub_lock(hub);
    return LEAT_OK;
}

/* Frees the dead and wakes a waiter that must look again. */
static inline void lti_hub_leave(struct leat_hub *hub)
{
    if (LTI_UNLIKELY(hub->graveyard || hub->waiting || hub->foreign)) {
        lti_hub_leave_told(hub);
        return;
    }
    hub->changed = false;
    lti_hub_unlock(hub);
}

/* The connection with that id, whatever has become of it; null: there is none. */
static inline struct lti_conn *lti_hub_conn_at(const struct leat_hub *hub, uint64_t id)
{
    struct lti_conn *found = lti_slots_at(&hub->conns, id);
    return found && lti_conn_id(found) == id ? found : 0;
}

/* Null: stale. */
static inline struct lti_conn *lti_hub_conn(const struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found = lti_hub_conn_at(hub, conn.id);
    bool known = found && !found->closing && (found->announced || found->asked_told);
    return known ? found : 0;
}

/* The same for a call on one connection: enters and finds it, or does not enter (STALE). */
static inline enum leat_error lti_hub_enter_conn(struct leat_hub *hub, leat_conn conn,
                                                 struct lti_conn **found)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    *found = lti_hub_conn(hub, conn);
    if (*found)
        return LEAT_OK;
    lti_hub_leave(hub);
    return LEAT_E_STALE;
}

/* ---- Connections ----------------------------------------------------------------------------- */

/* Open, told of, and nothing beside: most are so most of the time. */
static inline bool lti_conn_plain(const struct lti_conn *conn)
{
    const uint64_t of =
        LTI_CONN_FLAGS(.announced = true, .closing = true, .ask_due = true, .eof = true,
                       .paused = true, .read_stalled = true, .writable_due = true,
                       .connected_due = true, .peer_finished = true, .hangup = true,
                       .need_more = true, .view = true, .report = true, .share_held = true,
                       .unidentified = true);
    return conn->state == LTI_CONN_OPEN &&
           (conn->flags & of) == LTI_CONN_FLAGS(.announced = true) &&
           conn->protocol != LEAT_PACKETS;
}

static inline uint32_t lti_conn_plain_pending(const struct lti_conn *conn)
{
    uint32_t pending = conn->readable ? LTI_PENDING_WORK : 0;
    return lti_conn_has_data(conn) ? pending | LTI_PENDING_READABLE : pending;
}

/* Counts and traces what came, and what went. */
static inline void lti_conn_received(struct leat_hub *hub, struct lti_conn *conn, const void *data,
                                     size_t size)
{
    conn->stats.reads++;
    conn->stats.bytes_received += size;
    conn->heard = true;
    conn->asked = false;
    if (LTI_UNLIKELY(hub->options.trace != 0))
        lti_conn_received_trace(hub, conn, data, size);
}
static inline void lti_conn_sent(struct leat_hub *hub, struct lti_conn *conn,
                                 const struct leat_slice *slices, size_t count, size_t size)
{
    conn->stats.writes++;
    conn->stats.bytes_sent += size;
    if (LTI_UNLIKELY(hub->options.trace != 0))
        lti_conn_sent_trace(hub, conn, slices, count, size);
}

/* ---- Shares ---------------------------------------------------------------------------------- */

/* Nobody has to look at what it takes: it has no listener, or one that is not full. */
static inline bool lti_share_free(const struct lti_conn *conn)
{
    return !conn->listened ||
           conn->common->listener->queued_bytes < conn->common->listener->queued_bytes_max;
}

/* Counts what it holds now. False when that is more than a number to others: one of them waits, it
 * waits itself, or somebody has a turn. */
static inline bool lti_share_counted(struct lti_conn *conn)
{
    if (!conn->listened)
        return true;
    struct lti_listener *listener = conn->common->listener;
    uint64_t held = (uint64_t)lti_inbox_size(&conn->inbox) + conn->outbox.size;
    if (conn->want_writable || conn->share_held || conn->share_waits || listener->waiting_first ||
        listener->turns[LTI_SHARE_READ] || listener->turns[LTI_SHARE_WRITE] || held > UINT32_MAX)
        return false;
    listener->queued_bytes += (size_t)held - conn->queued_bytes;
    conn->queued_bytes = (uint32_t)held;
    return true;
}
static inline void lti_share_check(struct leat_hub *hub, struct lti_conn *conn)
{
    if (!lti_share_counted(conn))
        lti_share_changed(hub, conn);
}

/* ---- What is pending ------------------------------------------------------------------------- */

/* lti_hub_list for the list of those with something to say, where it is empty, or has no other. */
static inline void lti_hub_list_ready(struct leat_hub *hub, struct lti_endpoint *endpoint)
{
    struct lti_list *list = &hub->ready;
    if (LTI_UNLIKELY(endpoint->list != LTI_LIST_NONE || list->first)) {
        lti_hub_list(hub, endpoint, LTI_LIST_READY);
        return;
    }
    endpoint->list = LTI_LIST_READY;
    list->first = list->last = endpoint;
    list->count = 1;
    hub->changed = true;
}
static inline void lti_hub_list_none(struct leat_hub *hub, struct lti_endpoint *endpoint)
{
    struct lti_list *list = &hub->ready;
    if (LTI_UNLIKELY(list->first != endpoint || list->last != endpoint)) {
        lti_hub_list(hub, endpoint, LTI_LIST_NONE);
        return;
    }
    endpoint->list = LTI_LIST_NONE;
    list->first = list->last = 0;
    list->count = 0;
}

/* lti_conn_update where little can have changed: no time runs, and no other connection has to do
 * with it. Else false. */
static inline bool lti_conn_update_plain(struct leat_hub *hub, struct lti_conn *conn)
{
    if (LTI_UNLIKELY(!lti_conn_plain(conn) ||
                     (conn->limit_at | conn->attempt_at | conn->stall_at | conn->retry_at) != 0 ||
                     conn->base.deadline.time_ns != LTI_NEVER || !lti_share_counted(conn)))
        return false;
    uint32_t pending = lti_conn_plain_pending(conn);
    if (pending & ~conn->base.pending)
        hub->changed = true;
    conn->base.pending = (uint16_t)pending;
    if (pending == 0 && conn->base.list != LTI_LIST_NONE)
        lti_hub_list_none(hub, &conn->base);
    else if (pending != 0 && conn->base.list != LTI_LIST_READY)
        lti_hub_list_ready(hub, &conn->base);
    return true;
}

/* lti_conn_update where every message passes. */
static inline void lti_conn_update_inline(struct leat_hub *hub, struct lti_conn *conn)
{
#ifdef LTI_INVARIANTS
    lti_conn_update(hub, conn);
#else
    if (LTI_UNLIKELY(!lti_conn_update_plain(hub, conn)))
        lti_conn_update(hub, conn);
#endif
}

/* Brings it up to date and leaves. */
static inline void lti_hub_leave_conn(struct leat_hub *hub, struct lti_conn *conn)
{
    lti_conn_update_inline(hub, conn);
    lti_hub_leave(hub);
}

/* ---- Gathering ------------------------------------------------------------------------------- */

/* The same as lti_gather_room where something gathers already, and this fits; null: ask that one.
 * What is gathering is open, and can be written to: else it would hold nothing. */
static inline void *lti_gather_more(const struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    const uint64_t of = LTI_CONN_FLAGS(.gathering = true, .finish_wanted = true, .writing = true);
    size_t held = conn->outbox.size;
    if ((conn->flags & of) != LTI_CONN_FLAGS(.gathering = true) || held == 0 || size == 0 ||
        hub->waiter || held + size > conn->common->options.gather_bytes || !lti_share_free(conn))
        return NULL;
    LTI_ASSERT(conn->state == LTI_CONN_OPEN && conn->write_error == LEAT_OK);
    void *room = lti_outbox_extend(&conn->outbox, size);
    if (room && conn->outbox.size > conn->stats.outbox_bytes_high)
        conn->stats.outbox_bytes_high = conn->outbox.size;
    return room;
}

#endif
