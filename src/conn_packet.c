/* SPDX-License-Identifier: MIT
 *
 * Packets: messages whose boundaries the system keeps.
 *
 * Happy path: one packet stands in the inbox at a time, behind room for a header, so that it looks
 *             like a message of the wire protocol; in the outbox each has a block of its own, its
 *             header in front, which is never sent.
 * Fails:      a packet that is larger than we accept ends the connection; so does a stream that
 *             ends inside one.
 * Invariants: nothing is read while a packet waits to be taken. Headers count as ours, not as the
 *             user's bytes. One write takes one packet or nothing.
 */
#include "core.h"

#include "lti_assert.h"

/* A read that cannot know how much will come asks for so much. */
#define READ_BYTES ((size_t)LTI_BLOCK_LARGE - LTI_FRAME_HEADER_BYTES)
#define RETRY_MS 20u

static const struct os_code no_code = {LTI_OS_NONE, 0};

/* ---- Receiving ------------------------------------------------------------------------------- */

static void packet_fail(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error)
{
    lti_conn_fail(hub, conn, LEAT_OP_READ, error, no_code);
}

void lti_conn_packet_patience(struct leat_hub *hub, struct lti_conn *conn)
{
    bool partial = lti_inbox_size(&conn->inbox) > 0 && !conn->message_ready;
    if (conn->state != LTI_CONN_OPEN)
        return; /* no packet begins before, and no time is left after */
    if (conn->paused || conn->share_held || !partial)
        conn->partial_at = 0;
    else if (conn->partial_at == 0)
        conn->partial_at = lti_hub_after(hub, conn->common->options.partial_frame_ms);
}

/* A whole packet stands at the head of the inbox. */
static void packet_take(struct leat_hub *hub, struct lti_conn *conn)
{
    LTI_ASSERT(lti_inbox_size(&conn->inbox) >= LTI_FRAME_HEADER_BYTES && !conn->message_ready);
    size_t size = lti_inbox_size(&conn->inbox) - LTI_FRAME_HEADER_BYTES;
    if (conn->peer_finished) {
        packet_fail(hub, conn, LEAT_E_PROTOCOL);
        return;
    }
    if (size == 0 && conn->common->options.empty_is_finish) {
        lti_conn_consume(hub, conn, LTI_FRAME_HEADER_BYTES);
        conn->peer_finished = true;
        lti_conn_check_finished(hub, conn);
        return;
    }
    conn->message_ready = true;
    conn->message_size = (uint32_t)size;
    conn->stats.messages_received++;
}

/* What one read has brought stands behind the header. */
static void packet_part(struct leat_hub *hub, struct lti_conn *conn, bool whole)
{
    size_t size = lti_inbox_size(&conn->inbox) - LTI_FRAME_HEADER_BYTES;
    if (lti_inbox_size(&conn->inbox) > conn->stats.inbox_bytes_high)
        conn->stats.inbox_bytes_high = (uint32_t)lti_inbox_size(&conn->inbox);
    if (whole)
        packet_take(hub, conn);
    else if (size >= conn->common->options.frame_bytes_max)
        packet_fail(hub, conn, LEAT_E_PROTOCOL);
    lti_conn_packet_patience(hub, conn);
}

/* Reads once into room for `want` bytes. TOO_BIG: *want says how much it takes. */
static enum leat_error packet_read(struct leat_hub *hub, struct lti_conn *conn, size_t *want)
{
    struct os_code code = no_code;
    bool whole = false, more = false;
    uint8_t *room = 0;
    size_t begun = lti_inbox_size(&conn->inbox), size = 0;
    size_t header = begun ? 0 : LTI_FRAME_HEADER_BYTES;
    size_t limit = LTI_FRAME_HEADER_BYTES + (size_t)conn->common->options.frame_bytes_max;
    size_t room_size = lti_inbox_room(&conn->inbox, &hub->pool, header + *want, limit, &room);
    if (room_size == SIZE_MAX) {
        lti_conn_read_later(hub, conn);
        return LEAT_OK;
    }
    LTI_ASSERT(room_size > header);
    enum leat_error error = lti_port_read_packet(&conn->link, room + header, room_size - header,
                                                 &size, &whole, &more, &code);
    if (error == LEAT_E_TOO_BIG) {
        *want = size;
        lti_inbox_trim(&conn->inbox, &hub->pool); /* room that is large enough is another block */
        return error;
    }
    if (error == LEAT_OK) {
        lti_inbox_filled(&conn->inbox, header + size);
        lti_conn_received(hub, conn, room + header, size);
        conn->readable = more || !whole;
        packet_part(hub, conn, whole);
    } else if (error == LEAT_E_FINISHED && begun) {
        packet_fail(hub, conn, LEAT_E_BROKEN);
    } else {
        lti_conn_read_over(hub, conn, error, code);
    }
    return LEAT_OK;
}

void lti_conn_packet_fill(struct leat_hub *hub, struct lti_conn *conn)
{
    size_t want = READ_BYTES;
    if (packet_read(hub, conn, &want) == LEAT_E_TOO_BIG) {
        if (want > conn->common->options.frame_bytes_max)
            packet_fail(hub, conn, LEAT_E_PROTOCOL);
        else if (lti_share_read(conn, want))
            (void)packet_read(hub, conn, &want); /* that large it is not too big */
    }
    if (conn->state != LTI_CONN_GONE)
        lti_inbox_trim(&conn->inbox, &hub->pool);
}

void lti_conn_packet_drop(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    bool whole = false, more = false;
    size_t size = 0;
    enum leat_error error = lti_port_read_packet(&conn->link, 0, 0, &size, &whole, &more, &code);
    if (error == LEAT_OK) {
        conn->stats.reads++;
        conn->stats.bytes_received += size;
        conn->readable = more;
        /* A peer that goes on sending empty ones must learn, too, that nobody listens. */
        if (conn->drained) {
            LTI_ASSERT(conn->drop_end >= LTI_FRAME_HEADER_BYTES);
            conn->drop_end -= LTI_FRAME_HEADER_BYTES;
        }
    } else {
        lti_conn_read_over(hub, conn, error, code);
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The first packet has left. */
static void packet_sent(struct leat_hub *hub, struct lti_conn *conn)
{
    struct leat_slice first;
    struct lti_frame frame;
    (void)lti_outbox_slices(&conn->outbox, &first, 1);
    bool good = lti_frame_decode(first.data, UINT32_MAX, &frame) == LEAT_OK;
    LTI_ASSERT(good && first.size == LTI_FRAME_HEADER_BYTES + (size_t)frame.size);
    struct leat_slice packet = {(const uint8_t *)first.data + LTI_FRAME_HEADER_BYTES, frame.size};
    lti_conn_sent(hub, conn, &packet, 1, packet.size);
    lti_outbox_consume(&conn->outbox, &hub->pool, first.size);
    conn->stall_at = 0;
    LTI_ASSERT(conn->own_bytes >= LTI_FRAME_HEADER_BYTES);
    conn->own_bytes -= LTI_FRAME_HEADER_BYTES;
    if (frame.type == LTI_FRAME_MESSAGE) {
        LTI_ASSERT(conn->outbox.messages > 0);
        conn->outbox.messages--;
        conn->stats.messages_sent++;
    }
}

/* Gives the first packet to the port; true when it left at once. */
static bool packet_begin(struct leat_hub *hub, struct lti_conn *conn)
{
    struct leat_slice first;
    struct os_code code = no_code;
    size_t written = 0;
    bool done = false;
    (void)lti_outbox_slices(&conn->outbox, &first, 1);
    struct leat_slice packet = {(const uint8_t *)first.data + LTI_FRAME_HEADER_BYTES,
                                first.size - LTI_FRAME_HEADER_BYTES};
    enum leat_error error = lti_port_write_packet(&conn->link, &packet, &code);
    if (error == LEAT_E_FULL) {
        error = lti_port_write_start(hub->port, &conn->link, packet.data, packet.size, &done,
                                     &written, &code);
        if (error == LEAT_OK && !done) {
            lti_conn_write_waits(hub, conn);
            return false;
        }
    }
    if (error == LEAT_OK) {
        packet_sent(hub, conn);
        return true;
    }
    if (error == LEAT_E_MEMORY || error == LEAT_E_LIMIT) {
        conn->retry_at = lti_hub_after(hub, RETRY_MS);
        /* The system may never have so much in one piece. */
        if (conn->stall_at == 0)
            conn->stall_at = lti_hub_after(hub, conn->common->options.write_stall_ms);
    } else {
        lti_conn_write_dead(hub, conn, error, code);
    }
    return false;
}

void lti_conn_packet_flush(struct leat_hub *hub, struct lti_conn *conn)
{
    while (conn->outbox.size > 0 && !conn->writing && lti_conn_connected(conn) &&
           packet_begin(hub, conn))
        ;
    lti_conn_flushed(hub, conn);
}

void lti_conn_packet_written(struct leat_hub *hub, struct lti_conn *conn, bool taken)
{
    conn->writing = false;
    if (taken)
        packet_sent(hub, conn);
    lti_conn_packet_flush(hub, conn);
}

bool lti_conn_packet_queue(struct leat_hub *hub, struct lti_conn *conn, uint8_t type,
                           const struct leat_slice *slices, size_t count, size_t total)
{
    uint8_t header[LTI_FRAME_HEADER_BYTES];
    struct lti_frame frame = {.size = (uint32_t)total, .type = type};
    if (!lti_outbox_reserve_piece(&conn->outbox, &hub->pool, sizeof header + total))
        return false;
    lti_frame_encode(&frame, header);
    lti_outbox_append(&conn->outbox, header, sizeof header);
    for (size_t i = 0; i < count; i++)
        lti_outbox_append(&conn->outbox, slices[i].data, slices[i].size);
    conn->own_bytes += LTI_FRAME_HEADER_BYTES;
    conn->outbox.messages += type == LTI_FRAME_MESSAGE;
    if (conn->outbox.size > conn->stats.outbox_bytes_high)
        conn->stats.outbox_bytes_high = conn->outbox.size;
    return true;
}

enum leat_error lti_conn_packet_offer(struct leat_hub *hub, struct lti_conn *conn,
                                      const struct leat_slice *slices, size_t count, size_t total)
{
    size_t limit = lti_conn_outbox_limit(conn);
    size_t room = conn->outbox.size < limit ? limit - conn->outbox.size : 0;
    size_t whole = LTI_FRAME_HEADER_BYTES + total;
    if ((whole > room && conn->outbox.size > 0) || !lti_share_fits(conn, whole)) {
        lti_conn_offer_full(conn, whole);
        return LEAT_E_FULL;
    }
    lti_share_sends(conn, whole);
    bool first = conn->outbox.size == 0;
    uint64_t sent = conn->stats.messages_sent;
    uint32_t undelivered = conn->undelivered;
    if (!lti_conn_packet_queue(hub, conn, LTI_FRAME_MESSAGE, slices, count, total))
        return LEAT_E_MEMORY;
    if (first)
        lti_conn_packet_flush(hub, conn);
    /* A link that would not take it has accepted nothing, and owes nothing. */
    if (first && conn->write_error != LEAT_OK) {
        LTI_ASSERT(conn->stats.messages_sent == sent); /* it was the only one */
        conn->undelivered = undelivered;
        conn->want_writable = conn->writable_due = false;
        return conn->write_error;
    }
    return LEAT_OK;
}
