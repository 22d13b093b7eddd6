/* SPDX-License-Identifier: MIT
 *
 * What the files of the core include: its structures (core_base.h), and what every message passes
 * through, which is therefore inline.
 */
#ifndef LTI_CORE_H
#define LTI_CORE_H

#include "core_base.h"

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Takes the lock. FORKED, ARGUMENT. */
static inline enum leat_error lti_hub_enter(struct leat_hub *hub)
{
    if (!hub)
        return LEAT_E_ARGUMENT;
    if (hub->fork_count != lti_os_fork_count())
        return LEAT_E_FORKED;
    if (hub->mutex) {
        lti_os_mutex_lock(hub->mutex);
        return LEAT_OK;
    }
#ifndef NDEBUG
    /* Without a lock a second thread is a race: stop at the call that makes it. */
    uint64_t thread = lti_os_thread_id();
    if (hub->owner_thread == 0)
        hub->owner_thread = thread;
    LTI_ASSERT(hub->owner_thread == thread);
#endif
    return LEAT_OK;
}

/* Frees the dead and wakes a waiter that must look again. */
static inline void lti_hub_leave(struct leat_hub *hub)
{
    if (hub->graveyard || hub->waiting || hub->foreign) {
        lti_hub_leave_told(hub);
        return;
    }
    hub->changed = false;
    if (hub->mutex)
        lti_os_mutex_unlock(hub->mutex);
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

/* Brings it up to date and leaves. */
static inline void lti_hub_leave_conn(struct leat_hub *hub, struct lti_conn *conn)
{
    lti_conn_update(hub, conn);
    lti_hub_leave(hub);
}

/* ---- Connections ----------------------------------------------------------------------------- */

/* Open, told of, and nothing beside: most are so most of the time. */
static inline bool lti_conn_plain(const struct lti_conn *conn)
{
    const uint64_t of =
        LTI_CONN_FLAGS(.announced = true, .closing = true, .ask_due = true, .eof = true,
                       .paused = true, .read_stalled = true, .writable_due = true,
                       .connected_due = true, .peer_finished = true, .hangup = true,
                       .need_more = true, .view = true, .report = true, .share_held = true);
    return conn->state == LTI_CONN_OPEN &&
           (conn->flags & of) == LTI_CONN_FLAGS(.announced = true) &&
           conn->protocol != LEAT_PACKETS;
}

static inline uint32_t lti_conn_plain_pending(const struct lti_conn *conn)
{
    uint32_t pending = conn->readable ? LTI_PENDING_WORK : 0;
    return lti_conn_has_data(conn) ? pending | LTI_PENDING_READABLE : pending;
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
