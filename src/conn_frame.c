/* SPDX-License-Identifier: MIT
 *
 * What came, as the wire protocol sees it: the hello, then frames at the head of the inbox.
 *
 * Happy path: frames that are ours to handle are handled and dropped until a whole message
 *             stands at the head; it stays there until the user takes it.
 * Fails:      a malformed hello or frame, or one out of order, ends the connection; the peer is
 *             told why when that is possible without waiting. Messages that were whole before
 *             are still read.
 * Invariants: nothing is looked at behind an unread message, so a peer cannot make us work or
 *             answer faster than the user reads. A frame that began has a deadline, unless we
 *             are the ones who do not read.
 */
#include "core.h"

#include "lti_assert.h"

static const struct os_code no_code = {LTI_OS_NONE, 0};

static void protocol_fail(struct leat_hub *hub, struct lti_conn *conn,
                          enum leat_operation operation, enum leat_error error)
{
    lti_conn_goodbye(hub, conn, error);
    lti_conn_fail(hub, conn, operation, error, no_code);
}

/* Returns true when the hello is complete and good. */
static bool hello_take(struct leat_hub *hub, struct lti_conn *conn)
{
    struct lti_hello hello;
    size_t size = lti_inbox_size(&conn->inbox);
    /* Ours may have waited for the peer's first bytes; a refusal comes behind it. */
    if (size > 0)
        lti_conn_flush(hub, conn);
    if (conn->state != LTI_CONN_HANDSHAKE)
        return false;
    enum leat_error error = lti_hello_decode(lti_inbox_bytes(&conn->inbox), size, &hello);
    if (error == LEAT_E_EMPTY) {
        if (conn->eof)
            lti_conn_fail(hub, conn, LEAT_OP_HANDSHAKE, LEAT_E_BROKEN, no_code);
        return false;
    }
    if (error != LEAT_OK) {
        protocol_fail(hub, conn, LEAT_OP_HANDSHAKE, error);
        return false;
    }
    lti_conn_consume(hub, conn, hello.size);
    conn->peer_frame_bytes_max = hello.frame_bytes_max;
    lti_conn_opened(hub, conn);
    return conn->state == LTI_CONN_OPEN;
}

static void close_take(struct leat_hub *hub, struct lti_conn *conn, uint8_t code)
{
    conn->peer_goodbye = true;
    conn->peer_finished = conn->peer_finished || code == LTI_CLOSE_NORMAL;
    conn->hangup = true;
    /* It was said before the stream broke, and is read after. */
    if (conn->state == LTI_CONN_ENDED && conn->error == LEAT_E_BROKEN)
        conn->error = lti_close_code_error(code);
    lti_conn_fail(hub, conn, LEAT_OP_READ, lti_close_code_error(code), no_code);
}

/* One frame whose payload is complete; false when parsing must stop. */
static bool frame_take(struct leat_hub *hub, struct lti_conn *conn, const struct lti_frame *frame)
{
    const uint8_t *payload = lti_inbox_bytes(&conn->inbox) + LTI_FRAME_HEADER_BYTES;
    size_t whole = LTI_FRAME_HEADER_BYTES + (size_t)frame->size;
    switch (frame->type) {
    case LTI_FRAME_MESSAGE:
        if (conn->peer_finished) {
            protocol_fail(hub, conn, LEAT_OP_READ, LEAT_E_PROTOCOL);
            return false;
        }
        conn->message_ready = true;
        conn->message_size = frame->size;
        conn->stats.messages_received++;
        return false;
    case LTI_FRAME_FINISH:
        if (conn->peer_finished) {
            protocol_fail(hub, conn, LEAT_OP_READ, LEAT_E_PROTOCOL);
            return false;
        }
        conn->peer_finished = true;
        break;
    case LTI_FRAME_CLOSE:
        close_take(hub, conn, payload[0]);
        return false;
    case LTI_FRAME_PING:
        /* A peer that asks without taking answers gets none. */
        if (conn->state == LTI_CONN_OPEN &&
            conn->outbox.size <= conn->common->options.outbox_low_bytes)
            (void)lti_conn_queue_frame(hub, conn, LTI_FRAME_PONG, payload, frame->size);
        break;
    default:
        break;
    }
    lti_conn_consume(hub, conn, whole);
    conn->partial_at = 0;
    lti_conn_check_finished(hub, conn);
    /* An answer that cannot be written ends a connection, and what came before is still read. */
    LTI_ASSERT(conn->state == LTI_CONN_OPEN || conn->state == LTI_CONN_ENDED);
    return true;
}

/* Looks at the head of the inbox; false when there is no more to be done. */
static bool head_take(struct leat_hub *hub, struct lti_conn *conn)
{
    struct lti_frame frame;
    size_t size = lti_inbox_size(&conn->inbox);
    if (conn->skipping) {
        size_t skip = size < conn->skip_left ? size : conn->skip_left;
        conn->skip_left -= (uint32_t)skip;
        conn->skipping = conn->skip_left > 0;
        if (!conn->skipping)
            conn->partial_at = 0;
        lti_conn_consume(hub, conn, skip);
        return skip > 0;
    }
    if (size < LTI_FRAME_HEADER_BYTES)
        return false;
    enum leat_error error = lti_frame_decode(lti_inbox_bytes(&conn->inbox),
                                             conn->common->options.frame_bytes_max, &frame);
    if (error != LEAT_OK) {
        protocol_fail(hub, conn, LEAT_OP_READ, error);
        return false;
    }
    if (frame.type & LTI_FRAME_IGNORABLE) {
        conn->skip_left = frame.size;
        conn->skipping = frame.size > 0;
        if (frame.size == 0)
            conn->partial_at = 0;
        lti_conn_consume(hub, conn, LTI_FRAME_HEADER_BYTES);
        return true;
    }
    if (size - LTI_FRAME_HEADER_BYTES < frame.size)
        return false;
    return frame_take(hub, conn, &frame);
}

size_t lti_conn_messages(struct lti_conn *conn, struct leat_slice *messages_out, size_t count)
{
    const uint8_t *first = lti_inbox_bytes(&conn->inbox) + LTI_FRAME_HEADER_BYTES;
    messages_out[0] = (struct leat_slice){first, conn->message_size};
    if (conn->protocol != LEAT_MESSAGES)
        return 1;
    const uint8_t *next = first + conn->message_size;
    size_t left = lti_inbox_size(&conn->inbox) - (size_t)(next - lti_inbox_bytes(&conn->inbox));
    size_t found = 1, shown = 0;
    struct lti_frame frame;
    /* What is no message is looked at when it stands at the head. */
    while (found < count && left >= LTI_FRAME_HEADER_BYTES &&
           lti_frame_decode(next, conn->common->options.frame_bytes_max, &frame) == LEAT_OK &&
           frame.type == LTI_FRAME_MESSAGE && left - LTI_FRAME_HEADER_BYTES >= frame.size) {
        size_t whole = LTI_FRAME_HEADER_BYTES + (size_t)frame.size;
        messages_out[found++] = (struct leat_slice){next + LTI_FRAME_HEADER_BYTES, frame.size};
        next += whole;
        left -= whole;
        shown += whole;
    }
    LTI_ASSERT(shown <= LTI_INBOX_LIMIT_MAX);
    conn->inbox.behind = shown & (2u * LTI_INBOX_LIMIT_MAX - 1u); /* as many bits as it has */
    conn->stats.messages_received += found - 1;
    return found;
}

/* The stream ended where no whole frame is left. */
static void messages_end(struct leat_hub *hub, struct lti_conn *conn)
{
    bool inside = lti_inbox_size(&conn->inbox) > 0 || conn->skipping;
    conn->hangup = true;
    lti_conn_fail(hub, conn, LEAT_OP_READ,
                  conn->peer_finished && !inside ? LEAT_E_CLOSED : LEAT_E_BROKEN, no_code);
}

void lti_conn_parse(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->state == LTI_CONN_HANDSHAKE && !hello_take(hub, conn))
        return;
    /* A connection that waits to be accepted is not looked at: nobody could take what it says. */
    if ((conn->state != LTI_CONN_OPEN && conn->state != LTI_CONN_ENDED) || !conn->announced)
        return;
    while (!conn->message_ready && head_take(hub, conn))
        ;
    if (conn->message_ready)
        conn->partial_at = 0;
    if (conn->message_ready || conn->state != LTI_CONN_OPEN)
        return;
    if (conn->eof)
        messages_end(hub, conn);
    /* Half a frame that fills the inbox cannot be read by anybody: only more of it helps. */
    conn->read_stalled = false;
    bool partial = lti_inbox_size(&conn->inbox) > 0 || conn->skipping;
    if (conn->state != LTI_CONN_OPEN || conn->paused || conn->share_held || !partial)
        conn->partial_at = 0;
    else if (conn->partial_at == 0)
        conn->partial_at = lti_hub_after(hub, conn->common->options.partial_frame_ms);
}
