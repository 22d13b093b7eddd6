/* SPDX-License-Identifier: MIT
 *
 * Small writes that go to the system together: gather_bytes.
 *
 * Happy path: the first write since the hub's last turn goes out at once; those behind it gather in
 *             the outbox, and leave in one call when there are enough, when they are flushed, or
 *             when somebody next waits.
 * Fails:      without memory to gather in, a write goes out at once, as it would without.
 * Invariants: who waits in the hub has flushed everything first, and while somebody waits nothing
 *             gathers: so bytes wait for nobody but the user's own next call.
 */
#include "core.h"

#include "lti_assert.h"

#define GATHERERS_FIRST 16u

/* Place for one more. A pointer in each connection would be there for the idle ones, too. */
static bool gatherers_room(struct leat_hub *hub)
{
    if (hub->gatherers_count < hub->gatherers_room)
        return true;
    uint32_t room = hub->gatherers_room > 0 ? hub->gatherers_room * 2 : GATHERERS_FIRST;
    struct lti_conn **grown = lti_pool_alloc(&hub->pool, room * sizeof(struct lti_conn *));
    if (!grown)
        return false;
    for (uint32_t i = 0; i < hub->gatherers_count; i++)
        grown[i] = hub->gatherers[i];
    lti_gather_forget(hub);
    hub->gatherers = grown;
    hub->gatherers_room = room;
    return true;
}

void lti_gather_forget(struct leat_hub *hub)
{
    if (hub->gatherers)
        lti_pool_free(&hub->pool, hub->gatherers, hub->gatherers_room * sizeof(struct lti_conn *));
    hub->gatherers = 0;
}

void lti_gather_begin(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->gathering || conn->state != LTI_CONN_OPEN || !gatherers_room(hub))
        return;
    conn->gathering = true;
    hub->gatherers[hub->gatherers_count++] = conn;
}

/* Connections seldom end between a write and the next turn; the last one that wrote is the most
 * likely to. */
void lti_gather_end(struct leat_hub *hub, struct lti_conn *conn)
{
    if (!conn->gathering)
        return;
    uint32_t place = hub->gatherers_count - 1;
    while (hub->gatherers[place] != conn) {
        LTI_ASSERT(place > 0);
        place--;
    }
    conn->gathering = false;
    hub->gatherers[place] = hub->gatherers[--hub->gatherers_count];
}

/* The first of those that gather: room for all of them, in one piece, which costs the system less
 * than several. Whoever loops elsewhere is to turn. */
static bool gather_open(struct leat_hub *hub, struct lti_conn *conn)
{
    if (!lti_outbox_reserve(&conn->outbox, &hub->pool, conn->common->options.gather_bytes))
        return false;
    hub->gathered = true;
    hub->changed = hub->changed || hub->foreign;
    return true;
}

/* What gathered is to leave first, if anything did; false when this one is to leave, too. */
static bool gather_anew(struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    if (conn->writing || hub->waiter)
        return false;
    if (conn->outbox.size > 0)
        lti_conn_flush(hub, conn);
    /* One of which two do not fit is no small write: copying it would be for nothing. */
    return size <= conn->common->options.gather_bytes / 2 && conn->gathering && !conn->writing &&
           conn->write_error == LEAT_OK && lti_share_fits(conn, size) &&
           (conn->outbox.size > 0 || gather_open(hub, conn));
}

void *lti_gather_room(struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    size_t held = conn->outbox.size;
    /* While the system takes nothing, all gathers. */
    size_t limit = conn->writing ? lti_conn_outbox_limit(conn) : conn->common->options.gather_bytes;
    bool fits = held > 0 && held + size <= limit && (conn->writing || !hub->waiter) &&
                (!conn->listened || lti_share_fits(conn, size));
    void *room = fits ? lti_outbox_extend(&conn->outbox, size) : 0;
    if (!room && gather_anew(hub, conn, size))
        room = lti_outbox_extend(&conn->outbox, size);
    if (conn->outbox.size > conn->stats.outbox_bytes_high)
        conn->stats.outbox_bytes_high = conn->outbox.size;
    return room;
}

void lti_gather_flush(struct leat_hub *hub)
{
    hub->gathered = false;
    while (hub->gatherers_count > 0) {
        struct lti_conn *conn = hub->gatherers[--hub->gatherers_count];
        conn->gathering = false;
        if (conn->outbox.size == 0)
            continue;
        lti_conn_flush(hub, conn);
        lti_conn_update(hub, conn);
    }
}
