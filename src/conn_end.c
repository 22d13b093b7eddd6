/* SPDX-License-Identifier: MIT
 *
 * Ending: what leat_close sets going, and the deadlines of a connection.
 *
 * Happy path: the outbox empties, goodbye is said, the system is told that no more comes, what
 *             the peer still sent is dropped, and the link is given back.
 * Fails:      the linger deadline or a broken link ends it early; what was accepted and not
 *             taken is counted and reported to whoever asked.
 * Invariants: the id is dead from the call on. While closing, reading goes on, so that two full
 *             connections that close at once both end.
 */
#include "core.h"

#include "lti_assert.h"

/* Enough for all that the system holds of a stream. */
#define LATE_READS_MAX 8

/* What is still read and dropped once everything of ours was taken: as much as a system holds. A
 * peer that goes on sending must learn that nobody listens. */
#define DROP_BYTES_MAX ((uint64_t)256 * 1024)

static const struct os_code no_code = {LTI_OS_NONE, 0};

void lti_conn_linger_over(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error)
{
    /* A peer that went, or a deadline that passed, after everything was taken is no loss. */
    LTI_ASSERT(conn->closing);
    bool lost = conn->undelivered + lti_conn_unsent(conn) > 0;
    if (error == LEAT_E_CLOSED)
        error = LEAT_E_BROKEN; /* an orderly end that loses something is none */
    if (!lost)
        error = LEAT_OK;
    conn->error = error;
    lti_conn_enter(hub, conn, LTI_CONN_GONE);
    if (lost && !conn->report && !conn->waited)
        lti_hub_log(hub, "a closed connection left bytes undelivered", error);
}

void lti_conn_linger(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    if (conn->state != LTI_CONN_LINGER || conn->outbox.size > 0)
        return;
    LTI_ASSERT(!conn->writing); /* what is being written stays in the outbox until it is taken */
    if (!conn->drained && !conn->eof) {
        /* A look at what is there now: closing over unread bytes would look like a reset. */
        conn->drained = true;
        conn->readable = true;
        conn->drop_end = conn->stats.bytes_received + DROP_BYTES_MAX;
        lti_conn_fill(hub, conn);
        return;
    }
    LTI_ASSERT(!conn->readable || !conn->eof);
    if (!conn->readable || conn->stats.bytes_received >= conn->drop_end) {
        lti_conn_linger_over(hub, conn, LEAT_OK);
    } else if (!conn->finish_done) {
        conn->finish_done = true;
        (void)lti_port_finish(&conn->link, &code);
    }
}

void lti_conn_linger_begin(struct leat_hub *hub, struct lti_conn *conn, uint64_t linger_at)
{
    lti_conn_enter(hub, conn, LTI_CONN_LINGER);
    conn->limit_at = linger_at;
    conn->drop_end = 0; /* set when it is drained */
    lti_inbox_clear(&conn->inbox, &hub->pool);
    conn->finish_wanted = false;
    if (conn->write_error != LEAT_OK) {
        lti_conn_linger_over(hub, conn, conn->write_error);
        return;
    }
    if (conn->protocol == LEAT_MESSAGES) {
        const uint8_t normal = LTI_CLOSE_NORMAL;
        conn->goodbye_queued = true;
        conn->goodbye_queued = lti_conn_queue_frame(hub, conn, LTI_FRAME_CLOSE, &normal, 1);
    }
    /* Without memory for the goodbye the end of the stream has to do. */
    if (!conn->goodbye_queued)
        lti_conn_flush(hub, conn);
    if (conn->state == LTI_CONN_LINGER && conn->limit_at <= lti_hub_now(hub))
        lti_conn_linger_over(hub, conn, LEAT_E_TIMEOUT);
}

/* True when something that the user sent waits for the connection to be made. */
static bool early_bytes(const struct lti_conn *conn)
{
    return conn->protocol == LEAT_MESSAGES ? conn->outbox.messages > 0 : conn->outbox.size > 0;
}

void lti_conn_close(struct leat_hub *hub, struct lti_conn *conn, uint64_t linger_at)
{
    conn->closing = true;
    conn->view = false;
    conn->inbox.pinned = false;
    conn->want_writable = conn->writable_due = conn->connected_due = false;
    switch (conn->state) {
    case LTI_CONN_CONNECTING:
    case LTI_CONN_ASKING:
    case LTI_CONN_HANDSHAKE:
        if (conn->state != LTI_CONN_ASKING && early_bytes(conn) && linger_at > lti_hub_now(hub)) {
            LTI_ASSERT(conn->limit_at != 0); /* who is not connected yet has a deadline */
            if (linger_at < conn->limit_at)
                conn->limit_at = linger_at;
            break;
        }
        lti_conn_goodbye(hub, conn, LEAT_OK);
        if (conn->state != LTI_CONN_GONE) /* the goodbye may have found that the peer is gone */
            lti_conn_linger_over(hub, conn, LEAT_E_TIMEOUT);
        break;
    case LTI_CONN_OPEN:
        lti_conn_linger_begin(hub, conn, linger_at);
        break;
    case LTI_CONN_ENDED:
        lti_conn_linger_over(hub, conn, conn->error ? conn->error : LEAT_E_CLOSED);
        break;
    case LTI_CONN_NEW:
    case LTI_CONN_LINGER:
    case LTI_CONN_GONE:
        LTI_ASSERT(false); /* its id is dead */
        break;
    }
    lti_conn_update(hub, conn);
}

static bool due(uint64_t *time_ns, uint64_t now)
{
    if (*time_ns == 0 || *time_ns > now)
        return false;
    *time_ns = 0;
    return true;
}

/* Nothing was heard for a while: ask; nothing was heard since: gone. */
static void alive_check(struct leat_hub *hub, struct lti_conn *conn)
{
    uint64_t interval = conn->common->options.keepalive_ms * UINT64_C(1000000);
    static const uint8_t payload[8];
    /* A peer that we do not read cannot be heard; one with unread bytes of ours has a deadline. */
    if (!conn->announced || conn->paused || conn->share_held || conn->message_ready ||
        conn->outbox.size > 0) {
        conn->heard = true;
        conn->asked = false;
    }
    /* Of messages only a whole one that waits to be taken keeps the inbox full. */
    LTI_ASSERT(!conn->read_stalled || conn->message_ready || !conn->announced);
    bool silent = !conn->heard;
    conn->heard = false;
    if (conn->asked) {
        lti_conn_fail(hub, conn, LEAT_OP_READ, LEAT_E_TIMEOUT, no_code);
        return;
    }
    /* Without memory for the question it is asked next time. */
    conn->asked =
        silent && lti_conn_queue_frame(hub, conn, LTI_FRAME_PING, payload, sizeof payload);
    if (conn->state == LTI_CONN_OPEN)
        conn->alive_at = hub->now_ns + interval;
}

static void limit_reached(struct leat_hub *hub, struct lti_conn *conn)
{
    enum leat_operation operation = LEAT_OP_HANDSHAKE;
    const struct os_code code = {LTI_OS_NONE, conn->base.os_code}; /* of the last attempt */
    if (conn->state == LTI_CONN_CONNECTING)
        operation = LEAT_OP_CONNECT;
    else if (conn->state == LTI_CONN_ASKING)
        operation = LEAT_OP_IDENTIFY;
    if (conn->closing) {
        lti_conn_linger_over(hub, conn, LEAT_E_TIMEOUT);
        return;
    }
    lti_conn_goodbye(hub, conn, LEAT_E_TIMEOUT);
    lti_conn_fail(hub, conn, operation, LEAT_E_TIMEOUT, code);
}

/* The system tells of room only when there is much of it: a peer that takes little at a time is
 * found out by trying. */
static void stall_check(struct leat_hub *hub, struct lti_conn *conn)
{
    uint64_t before = conn->stats.writes; /* a packet may be without a byte */
    if (conn->writing && lti_port_write_recall(&conn->link)) {
        conn->writing = false;
        lti_conn_flush(hub, conn);
    }
    if (conn->stats.writes == before && conn->outbox.size > 0)
        lti_conn_fail(hub, conn, LEAT_OP_WRITE, LEAT_E_TIMEOUT, no_code);
}

/* What had come before a deadline counts, however late we look. */
static void late_look(struct leat_hub *hub, struct lti_conn *conn, uint64_t now)
{
    LTI_ASSERT(conn->state != LTI_CONN_HANDSHAKE || conn->limit_at != 0);
    bool handshake = conn->state == LTI_CONN_HANDSHAKE && conn->limit_at <= now;
    bool open = conn->state == LTI_CONN_OPEN;
    bool partial = open && conn->partial_at && conn->partial_at <= now;
    bool alive = open && conn->alive_at && conn->alive_at <= now;
    if (!handshake && !partial && !alive)
        return;
    /* Until a read brings nothing: a short one may only mean that the port had begun it early. */
    uint64_t before = conn->stats.bytes_received + 1;
    for (int i = 0; i < LATE_READS_MAX && before != conn->stats.bytes_received &&
                    lti_conn_may_read(conn) && !conn->message_ready;
         i++) {
        before = conn->stats.bytes_received;
        conn->readable = true;
        lti_conn_fill(hub, conn);
    }
}

void lti_conn_due(struct leat_hub *hub, struct lti_conn *conn)
{
    uint64_t now = hub->now_ns;
    late_look(hub, conn, now);
    bool open = conn->state == LTI_CONN_OPEN;
    if (!open && due(&conn->limit_at, now)) {
        limit_reached(hub, conn);
    } else if (open && due(&conn->partial_at, now)) {
        lti_conn_goodbye(hub, conn, LEAT_E_TIMEOUT);
        lti_conn_fail(hub, conn, LEAT_OP_READ, LEAT_E_TIMEOUT, no_code);
    } else if (due(&conn->stall_at, now)) {
        stall_check(hub, conn);
    } else {
        if (conn->state == LTI_CONN_CONNECTING && due(&conn->attempt_at, now))
            lti_conn_attempt(hub, conn);
        if (due(&conn->retry_at, now)) {
            conn->readable = !conn->eof;
            lti_conn_flush(hub, conn);
        }
        if (conn->state == LTI_CONN_OPEN && due(&conn->alive_at, now))
            alive_check(hub, conn);
    }
    lti_conn_update(hub, conn);
}
