/* SPDX-License-Identifier: MIT
 *
 * What all connections of a listener may hold together: unread and unsent bytes, queued_bytes_max.
 *
 * A listener is *full* when its connections hold that much. Of each connection, and each direction:
 *
 * | listener  | it holds there | wants              | then                                        |
 * |-----------|----------------|--------------------|---------------------------------------------|
 * | not full  | any            | any                | goes on; what passes over the bound is one  |
 * |           |                |                    | read, one message or one box                |
 * | full      | below 64 KiB   | up to 64 KiB       | goes on: small talk never stands still      |
 * | full      | more           | the rest of the    | has the turn, or takes it when nobody has   |
 * |           |                | message that began | it: one a direction goes on, so that two    |
 * |           |                |                    | messages in part cannot wait for each other |
 * | full      | nothing        | to send one larger | the same                                    |
 * | full      | any            | anything else      | *waits*: is not read, and sending is FULL   |
 *
 * | it waits, and            | then                                                              |
 * |--------------------------|-------------------------------------------------------------------|
 * | not full any more        | all who wait look again, in the order they came                   |
 * | who had the turn is done | the same; done is: the message is whole, below 64 KiB unsent, the |
 * |                          | user paused it, it ended                                          |
 * | it ended, listener gone  | it waits no more                                                  |
 *
 * Happy path: a listener that is not full costs a comparison for each change of a connection.
 * Fails:      never; nothing is lost, the peer feels back-pressure.
 * Invariants: `queued_bytes` is the sum of what each of its connections was last found to hold; who
 *             waits is announced, so it is in none of the other queues. The deadline of half a
 *             message does not run while we are the ones who do not read.
 */
#include "core.h"

#include "lti_assert.h"

/* 64 KiB, and a header. */
#define FLOOR_BYTES ((size_t)LTI_BLOCK_LARGE)

static bool share_full(const struct lti_listener *listener)
{
    return listener->queued_bytes >= listener->queued_bytes_max;
}

static bool share_turn_free(const struct lti_conn *conn, enum lti_share_turn turn)
{
    const struct lti_conn *holder = conn->common->listener->turns[turn];
    return !holder || holder == conn;
}

/* A message that began, and that we read. */
static bool share_inside(const struct lti_conn *conn)
{
    return conn->protocol != LEAT_BYTES && conn->state == LTI_CONN_OPEN && !conn->closing &&
           !conn->paused && !conn->message_ready && lti_inbox_size(&conn->inbox) > 0;
}

static void share_wait(struct lti_conn *conn)
{
    if (!conn->share_waits)
        lti_listener_waits(conn);
    conn->share_waits = true;
}

static void share_go(struct lti_conn *conn)
{
    if (conn->share_waits)
        lti_listener_waits_no_more(conn);
    conn->share_waits = conn->share_held = conn->share_large = false;
}

bool lti_share_read(struct lti_conn *conn, size_t want)
{
    struct lti_listener *listener = lti_conn_listener(conn);
    if (!listener || !share_full(listener) || conn->closing || conn->state != LTI_CONN_OPEN)
        return true;
    if (lti_inbox_size(&conn->inbox) < FLOOR_BYTES && want <= FLOOR_BYTES)
        return true;
    if (share_inside(conn) && share_turn_free(conn, LTI_SHARE_READ)) {
        listener->turns[LTI_SHARE_READ] = conn;
        return true;
    }
    conn->share_held = true;
    conn->share_large = want > FLOOR_BYTES;
    conn->partial_at = 0;
    share_wait(conn);
    return false;
}

size_t lti_share_piece(const struct lti_conn *conn, size_t want)
{
    const struct lti_listener *listener = lti_conn_listener(conn);
    size_t held = lti_inbox_size(&conn->inbox);
    if (!listener || !share_full(listener) || listener->turns[LTI_SHARE_READ] == conn ||
        held >= FLOOR_BYTES || want <= FLOOR_BYTES - held)
        return want;
    return FLOOR_BYTES - held;
}

size_t lti_share_room(const struct lti_conn *conn, size_t room)
{
    size_t held = conn->outbox.size;
    if (!conn->listened || !share_full(conn->common->listener))
        return room;
    size_t floor = held < FLOOR_BYTES ? FLOOR_BYTES - held : 0;
    return room < floor ? room : floor;
}

bool lti_share_fits(const struct lti_conn *conn, size_t want)
{
    size_t held = conn->outbox.size;
    if (!conn->listened || !share_full(conn->common->listener))
        return true;
    if (held < FLOOR_BYTES && want <= FLOOR_BYTES - held)
        return true;
    return held == 0 && share_turn_free(conn, LTI_SHARE_WRITE);
}

void lti_share_sends(struct lti_conn *conn, size_t want)
{
    if (conn->listened && share_full(conn->common->listener) && want > FLOOR_BYTES)
        conn->common->listener->turns[LTI_SHARE_WRITE] = conn;
}

/* All who wait look again; who is not served then will wait anew. */
static void share_release(struct leat_hub *hub, struct lti_listener *listener)
{
    struct lti_conn *last = listener->waiting_last;
    listener->releasing = true;
    for (struct lti_conn *conn = listener->waiting_first; conn; conn = listener->waiting_first) {
        share_go(conn);
        lti_conn_check_writable(conn);
        lti_conn_update(hub, conn);
        if (conn == last)
            break;
    }
    listener->releasing = false;
}

static void share_turns_check(struct leat_hub *hub, struct lti_listener *listener,
                              const struct lti_conn *conn)
{
    bool done = false;
    if (listener->turns[LTI_SHARE_READ] == conn && !share_inside(conn)) {
        listener->turns[LTI_SHARE_READ] = 0;
        done = true;
    }
    if (listener->turns[LTI_SHARE_WRITE] == conn && conn->outbox.size <= FLOOR_BYTES) {
        listener->turns[LTI_SHARE_WRITE] = 0;
        done = true;
    }
    if (listener->waiting_first && !listener->releasing && (done || !share_full(listener)))
        share_release(hub, listener);
}

/* Held, and need not be any more: the user has read, or it has come to the turn. */
static bool share_again(const struct lti_conn *conn)
{
    if (!conn->share_held || conn->share_large)
        return false;
    return lti_inbox_size(&conn->inbox) < FLOOR_BYTES ||
           (share_inside(conn) && share_turn_free(conn, LTI_SHARE_READ));
}

void lti_share_changed(struct leat_hub *hub, struct lti_conn *conn)
{
    struct lti_listener *listener = conn->common->listener;
    uint64_t sum = (uint64_t)lti_inbox_size(&conn->inbox) + conn->outbox.size;
    uint32_t held = UINT32_MAX; /* one message near 4 GiB: far over any bound as it is */
    if (sum < held)
        held = (uint32_t)sum;
    LTI_ASSERT(listener->queued_bytes >= conn->queued_bytes);
    listener->queued_bytes = listener->queued_bytes - conn->queued_bytes + held;
    conn->queued_bytes = held;
    if (conn->state != LTI_CONN_OPEN || conn->closing || share_again(conn))
        share_go(conn);
    if (conn->state == LTI_CONN_OPEN && conn->announced && conn->want_writable &&
        share_full(listener))
        share_wait(conn);
    share_turns_check(hub, listener, conn);
}

void lti_share_leave(struct leat_hub *hub, struct lti_conn *conn)
{
    struct lti_listener *listener = conn->common->listener;
    LTI_ASSERT(listener->queued_bytes >= conn->queued_bytes);
    listener->queued_bytes -= conn->queued_bytes;
    conn->queued_bytes = 0;
    bool held = conn->share_waits;
    share_go(conn);
    bool turn = false;
    for (int i = 0; i < LTI_SHARE_TURNS; i++) {
        turn = turn || listener->turns[i] == conn;
        if (listener->turns[i] == conn)
            listener->turns[i] = 0;
    }
    conn->listened = false;
    if (held && conn->state != LTI_CONN_GONE) {
        lti_conn_check_writable(conn);
        lti_conn_update(hub, conn);
    }
    LTI_ASSERT(!listener->releasing); /* who looks again does not end by that */
    if (listener->waiting_first && (turn || !share_full(listener)))
        share_release(hub, listener);
}
