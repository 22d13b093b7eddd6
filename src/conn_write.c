/* SPDX-License-Identifier: MIT
 *
 * Sending: straight to the port while nothing waits, else through the outbox.
 *
 * Happy path: one gathered write of the caller's own memory; nothing is copied.
 * Fails:      what the port does not take is copied to the outbox, up to its limit; beyond it
 *             the caller gets FULL or a short count, and one WRITABLE later. A link that takes
 *             no more for good keeps its reading side: what the peer sent before is still
 *             delivered.
 * Invariants: memory for the rest of a message is reserved before its first byte leaves. Blocks
 *             given to the port stay until it hands them back. At most one write is under way.
 */
#include "core.h"

#include "lti_assert.h"

#define GATHER_MAX 16
#define RETRY_MS 20u
#define PIECE_BYTES ((size_t)65536) /* what fits one block */

static const struct os_code no_code = {LTI_OS_NONE, 0};

void lti_conn_sent_trace(struct leat_hub *hub, const struct lti_conn *conn,
                         const struct leat_slice *slices, size_t count, size_t size)
{
    for (size_t i = 0; i < count && size > 0; i++) {
        size_t part = slices[i].size < size ? slices[i].size : size;
        struct leat_trace record = {
            .kind = LEAT_TRACE_SENT,
            .conn = {lti_conn_id(conn)},
            .tag = conn->base.tag,
            .data = slices[i].data,
            .size = part,
            .state = lti_conn_public_state(conn),
            .time_ns = lti_hub_now(hub),
        };
        if (part)
            hub->options.trace(hub->options.hook_context, &record);
        size -= part;
    }
}

static inline enum leat_error port_write(struct leat_hub *hub, struct lti_conn *conn,
                                         const struct leat_slice *slices, size_t count,
                                         size_t *sent_out, struct os_code *code_out)
{
    *sent_out = 0;
    enum leat_error error = lti_port_write(&conn->link, slices, count, sent_out, code_out);
    if (error == LEAT_OK)
        lti_conn_sent(hub, conn, slices, count, *sent_out);
    return error;
}

/* Follows the frames that leave, so that whole messages can be counted. */
static void outbox_sent(struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    if (conn->protocol != LEAT_MESSAGES) {
        lti_outbox_consume(&conn->outbox, &hub->pool, size);
        return;
    }
    if (size == conn->outbox.size) {
        conn->stats.messages_sent += conn->outbox.messages;
        conn->outbox.messages = conn->head_left = 0;
        conn->own_bytes = 0;
        conn->head_message = false;
        lti_outbox_consume(&conn->outbox, &hub->pool, size);
        return;
    }
    while (size > 0) {
        if (conn->head_left == 0) {
            struct leat_slice pieces[LTI_FRAME_HEADER_BYTES];
            uint8_t header[LTI_FRAME_HEADER_BYTES];
            struct lti_frame frame;
            size_t have = 0;
            size_t count = lti_outbox_slices(&conn->outbox, pieces, LTI_FRAME_HEADER_BYTES);
            for (size_t i = 0; i < count && have < sizeof header; i++)
                for (size_t j = 0; j < pieces[i].size && have < sizeof header; j++)
                    header[have++] = ((const uint8_t *)pieces[i].data)[j];
            LTI_ASSERT(have == sizeof header &&
                       lti_frame_decode(header, UINT32_MAX, &frame) == LEAT_OK);
            conn->head_left = LTI_FRAME_HEADER_BYTES + frame.size;
            conn->head_message = frame.type == LTI_FRAME_MESSAGE;
        }
        size_t part = size < conn->head_left ? size : conn->head_left;
        LTI_ASSERT(part > 0 && (conn->head_message || conn->own_bytes >= part));
        lti_outbox_consume(&conn->outbox, &hub->pool, part);
        if (!conn->head_message)
            conn->own_bytes -= (uint32_t)part;
        conn->head_left -= (uint32_t)part;
        size -= part;
        if (conn->head_left == 0 && conn->head_message) {
            conn->head_message = false;
            LTI_ASSERT(conn->outbox.messages > 0);
            conn->outbox.messages--;
            conn->stats.messages_sent++;
        }
    }
}

/* The link takes nothing more. Reading goes on: the end of the stream will say how it ended. */
void lti_conn_write_dead(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                         struct os_code code)
{
    conn->write_error = error;
    if (conn->operation == LEAT_OP_NONE) {
        conn->operation = LEAT_OP_WRITE;
        conn->base.os_code = code.raw;
    }
    conn->stall_at = 0;
    conn->writing = false;
    if (conn->closing || (error != LEAT_E_CLOSED && error != LEAT_E_BROKEN)) {
        lti_conn_fail(hub, conn, LEAT_OP_WRITE, error, code);
        return;
    }
    conn->undelivered += (uint32_t)lti_conn_unsent(conn);
    lti_outbox_clear(&conn->outbox, &hub->pool);
    conn->own_bytes = 0;
    conn->outbox.messages = 0;
    conn->head_left = 0;
    /* Whoever waits for room is to try again, and to be told. */
    conn->writable_due = conn->writable_due || conn->want_writable;
    conn->want_writable = false;
}

/* The first bytes of the outbox are gone. */
static void first_sent(struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    struct leat_slice first;
    (void)lti_outbox_slices(&conn->outbox, &first, 1);
    LTI_ASSERT(size <= first.size); /* no more than was given to the port */
    lti_conn_sent(hub, conn, &first, 1, size);
    outbox_sent(hub, conn, size);
}

void lti_conn_write_waits(struct leat_hub *hub, struct lti_conn *conn)
{
    LTI_ASSERT(conn->outbox.size > 0 && !conn->writing);
    conn->writing = true;
    conn->stats.write_stalls++;
    conn->stall_at = lti_hub_after(hub, conn->common->options.write_stall_ms);
}

/* Gives the outbox's first block to the port; true when the port took it at once. */
static bool write_begin(struct leat_hub *hub, struct lti_conn *conn)
{
    struct leat_slice first;
    struct os_code code = no_code;
    size_t written = 0;
    bool done = false;
    (void)lti_outbox_slices(&conn->outbox, &first, 1);
    enum leat_error error = lti_port_write_start(hub->port, &conn->link, first.data, first.size,
                                                 &done, &written, &code);
    if (error == LEAT_OK && done) {
        first_sent(hub, conn, written);
        return true;
    }
    if (error == LEAT_OK) {
        lti_conn_write_waits(hub, conn);
    } else if (error == LEAT_E_MEMORY || error == LEAT_E_LIMIT) {
        conn->retry_at = lti_hub_after(hub, RETRY_MS);
    } else {
        lti_conn_write_dead(hub, conn, error, code);
    }
    return false;
}

bool lti_conn_has_room(const struct lti_conn *conn)
{
    size_t want = conn->want_writable ? conn->want_room : 0;
    bool fits = conn->outbox.size == 0 || conn->outbox.size + want <= lti_conn_outbox_limit(conn);
    return fits && conn->outbox.size <= conn->common->options.outbox_low_bytes &&
           conn->outbox.messages < conn->common->options.outbox_messages_max &&
           lti_share_fits(conn, want ? want : 1);
}

void lti_conn_check_writable(struct lti_conn *conn)
{
    if (conn->want_writable && conn->state == LTI_CONN_OPEN && lti_conn_has_room(conn)) {
        conn->want_writable = false;
        conn->writable_due = true;
    }
}

/* Everything that was accepted has been taken. */
static void outbox_empty(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    conn->stall_at = 0;
    lti_outbox_trim(&conn->outbox, &hub->pool);
    if (conn->finish_wanted && !conn->finish_done) {
        enum leat_error error = LEAT_OK;
        LTI_ASSERT(conn->state == LTI_CONN_OPEN);
        if (conn->protocol != LEAT_MESSAGES && !conn->common->options.empty_is_finish)
            error = lti_port_finish(&conn->link, &code);
        conn->finish_done = true;
        if (error != LEAT_OK)
            lti_conn_write_dead(hub, conn, error, code);
    }
    lti_conn_check_finished(hub, conn);
    if (conn->state == LTI_CONN_LINGER)
        lti_conn_linger(hub, conn);
}

/* A server that knows its client only by what the client says lets it speak first: somebody who is
 * to be denied gets no byte, not even a hello. */
static bool may_speak(const struct lti_conn *conn)
{
    return lti_conn_connected(conn) && (!conn->unidentified || conn->state != LTI_CONN_HANDSHAKE);
}

void lti_conn_flush(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->protocol == LEAT_PACKETS) {
        lti_conn_packet_flush(hub, conn);
        return;
    }
    while (conn->outbox.size > 0 && !conn->writing && may_speak(conn)) {
        struct leat_slice slices[GATHER_MAX];
        struct os_code code = no_code;
        size_t offered = 0, sent = 0;
        size_t count = lti_outbox_slices(&conn->outbox, slices, GATHER_MAX);
        for (size_t i = 0; i < count; i++)
            offered += slices[i].size;
        enum leat_error error = port_write(hub, conn, slices, count, &sent, &code);
        if (error == LEAT_E_MEMORY) {
            conn->retry_at = lti_hub_after(hub, RETRY_MS);
            return;
        }
        if (error != LEAT_OK && error != LEAT_E_FULL) {
            lti_conn_write_dead(hub, conn, error, code);
            return;
        }
        outbox_sent(hub, conn, sent);
        if (sent < offered && !write_begin(hub, conn))
            break;
    }
    lti_conn_flushed(hub, conn);
}

void lti_conn_flushed(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->write_error != LEAT_OK)
        return; /* the outbox is empty because it was dropped */
    lti_conn_check_writable(conn);
    if (conn->outbox.size == 0 && lti_conn_connected(conn))
        outbox_empty(hub, conn);
}

void lti_conn_written(struct leat_hub *hub, struct lti_conn *conn, size_t bytes, bool taken)
{
    if (!conn->writing)
        return;
    if (conn->protocol == LEAT_PACKETS) {
        lti_conn_packet_written(hub, conn, taken);
    } else {
        conn->writing = false;
        if (bytes)
            first_sent(hub, conn, bytes);
        lti_conn_flush(hub, conn);
    }
    if (conn->outbox.size == 0) /* and nobody waits for room: that was all of it */
        conn->streams = conn->want_writable || conn->writable_due;
}

static void slices_append(struct lti_conn *conn, const struct leat_slice *slices, size_t skip,
                          size_t size)
{
    for (size_t i = 0; size > 0; i++) {
        if (skip >= slices[i].size) {
            skip -= slices[i].size;
            continue;
        }
        size_t part = slices[i].size - skip < size ? slices[i].size - skip : size;
        lti_outbox_append(&conn->outbox, (const uint8_t *)slices[i].data + skip, part);
        size -= part;
        skip = 0;
    }
    if (conn->outbox.size > conn->stats.outbox_bytes_high)
        conn->stats.outbox_bytes_high = conn->outbox.size;
}

void lti_conn_offer_full(struct lti_conn *conn, size_t want_room)
{
    conn->want_writable = conn->streams = true;
    conn->want_room = (uint32_t)want_room;
    conn->writable_due = false;
    conn->stats.full++;
}

/* Puts what the port did not take at the end of the outbox; `sent` bytes of it left before. */
static void offer_rest(struct leat_hub *hub, struct lti_conn *conn, const struct leat_slice *slices,
                       size_t sent, size_t rest, bool message, bool direct)
{
    LTI_ASSERT(rest > 0 || !message);
    if (rest > 0)
        slices_append(conn, slices, sent, rest);
    if (message) {
        conn->outbox.messages++;
        if (sent > 0) {
            conn->head_left = (uint32_t)rest;
            conn->head_message = true;
        }
    }
    if (rest > 0 && direct && write_begin(hub, conn))
        lti_conn_flush(hub, conn);
    if (conn->state != LTI_CONN_GONE)
        lti_outbox_trim(&conn->outbox, &hub->pool);
}

/* Memory for what the port may leave of a message, before its first byte leaves. */
static enum leat_error whole_begin(struct leat_hub *hub, struct lti_conn *conn, size_t total,
                                   bool direct)
{
    size_t limit = lti_conn_outbox_limit(conn);
    size_t room = conn->outbox.size < limit ? limit - conn->outbox.size : 0;
    /* An empty outbox takes any message, so that the limit need not be that of the largest. */
    if ((total > room && conn->outbox.size > 0) ||
        (!lti_share_free(conn) && !lti_share_fits(conn, total))) {
        lti_conn_offer_full(conn, total);
        return LEAT_E_FULL;
    }
    if (!lti_share_free(conn))
        lti_share_sends(conn, total);
    if (direct && lti_outbox_sure(&conn->outbox, &hub->pool, total))
        return LEAT_OK;
    return lti_outbox_reserve(&conn->outbox, &hub->pool, total) ? LEAT_OK : LEAT_E_MEMORY;
}

/* What the port did not take goes to the outbox: all of a message, or what there is room for. */
static enum leat_error offer_queue(struct leat_hub *hub, struct lti_conn *conn,
                                   const struct leat_slice *slices, size_t total, size_t sent,
                                   bool whole, bool direct, size_t *accepted_out)
{
    size_t rest = total - sent;
    if (!whole) {
        size_t limit = lti_conn_outbox_limit(conn);
        size_t room = conn->outbox.size < limit ? limit - conn->outbox.size : 0;
        room = lti_share_room(conn, room);
        rest = rest < room ? rest : room;
    }
    bool there = rest == 0 || lti_outbox_reserve(&conn->outbox, &hub->pool, whole ? total : rest);
    if (!there && !whole && rest > PIECE_BYTES) { /* memory is short: less, then */
        rest = PIECE_BYTES;
        there = lti_outbox_reserve(&conn->outbox, &hub->pool, rest);
    }
    if (!there) {
        LTI_ASSERT(!whole); /* there is memory for it: see whole_begin */
        if (sent == 0)
            return LEAT_E_MEMORY;
        /* Nothing is left that the system could tell of: WRITABLE comes after a pause. */
        conn->retry_at = lti_hub_after(hub, RETRY_MS);
        rest = 0;
    }
    if (sent + rest < total)
        lti_conn_offer_full(conn, 0);
    if (sent + rest == 0)
        return LEAT_E_FULL;
    uint64_t left = conn->stats.bytes_sent;
    uint32_t undelivered = conn->undelivered;
    offer_rest(hub, conn, slices, sent, rest, whole, direct);
    /* A link that would not take the first byte has accepted nothing, and owes nothing. */
    if (direct && sent == 0 && conn->write_error != LEAT_OK && conn->stats.bytes_sent == left) {
        conn->undelivered = undelivered;
        conn->want_writable = conn->writable_due = false;
        return conn->write_error;
    }
    *accepted_out = sent + rest;
    return LEAT_OK;
}

enum leat_error lti_conn_offer(struct leat_hub *hub, struct lti_conn *conn,
                               const struct leat_slice *slices, size_t count, size_t total,
                               bool whole, size_t *accepted_out)
{
    struct os_code code = no_code;
    size_t sent = 0;
    bool direct = conn->outbox.size == 0 && lti_conn_connected(conn);
    LTI_ASSERT(conn->outbox.size > 0 || !conn->writing);
    enum leat_error error = whole ? whole_begin(hub, conn, total, direct) : LEAT_OK;
    if (error != LEAT_OK)
        return error;
    if (direct) {
        error = port_write(hub, conn, slices, count, &sent, &code);
        if (error != LEAT_OK && error != LEAT_E_FULL && error != LEAT_E_MEMORY) {
            lti_conn_write_dead(hub, conn, error, code);
            if (conn->state != LTI_CONN_GONE)
                lti_outbox_trim(&conn->outbox, &hub->pool);
            return error;
        }
    }
    if (sent < total) {
        error = offer_queue(hub, conn, slices, total, sent, whole, direct, accepted_out);
        if (error != LEAT_OK)
            return error;
    } else {
        if (whole)
            conn->stats.messages_sent++;
        lti_outbox_trim(&conn->outbox, &hub->pool);
        *accepted_out = total;
    }
    if (conn->common->options.gather_bytes)
        lti_gather_begin(hub, conn);
    return LEAT_OK;
}

bool lti_conn_queue_hello(struct leat_hub *hub, struct lti_conn *conn)
{
    uint8_t bytes[LTI_HELLO_BYTES];
    struct lti_hello hello = {
        .version = LTI_WIRE_VERSION,
        .size = LTI_HELLO_BYTES,
        .frame_bytes_max = conn->common->options.frame_bytes_max,
    };
    if (!lti_outbox_reserve(&conn->outbox, &hub->pool, sizeof bytes))
        return false;
    lti_hello_encode(&hello, bytes);
    lti_outbox_append(&conn->outbox, bytes, sizeof bytes);
    conn->own_bytes += LTI_HELLO_BYTES;
    conn->head_left = LTI_HELLO_BYTES;
    conn->head_message = false;
    return true;
}

bool lti_conn_queue_frame(struct leat_hub *hub, struct lti_conn *conn, uint8_t type,
                          const void *data, uint32_t size)
{
    uint8_t header[LTI_FRAME_HEADER_BYTES];
    struct lti_frame frame = {.size = size, .type = type};
    if (!lti_outbox_reserve(&conn->outbox, &hub->pool, sizeof header + size))
        return false;
    lti_frame_encode(&frame, header);
    lti_outbox_append(&conn->outbox, header, sizeof header);
    if (size)
        lti_outbox_append(&conn->outbox, data, size);
    conn->own_bytes += LTI_FRAME_HEADER_BYTES + size;
    lti_conn_flush(hub, conn);
    return true;
}

void lti_conn_goodbye(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error)
{
    struct os_code code = no_code;
    uint8_t bytes[LTI_FRAME_HEADER_BYTES + 1];
    struct lti_frame frame = {.size = 1, .type = LTI_FRAME_CLOSE};
    size_t sent = 0;
    if (conn->gathering) /* it comes behind what was accepted before */
        lti_conn_flush(hub, conn);
    if (conn->protocol != LEAT_MESSAGES || !lti_conn_connected(conn) || conn->outbox.size > 0 ||
        conn->goodbye_queued || conn->write_error)
        return;
    LTI_ASSERT(!conn->writing);
    lti_frame_encode(&frame, bytes);
    bytes[LTI_FRAME_HEADER_BYTES] = lti_close_code_for(error);
    struct leat_slice slice = {bytes, sizeof bytes};
    conn->goodbye_queued = true;
    if (port_write(hub, conn, &slice, 1, &sent, &code) != LEAT_E_FULL ||
        !lti_outbox_reserve(&conn->outbox, &hub->pool, sizeof bytes))
        return;
    lti_outbox_append(&conn->outbox, bytes, sizeof bytes);
    conn->own_bytes += (uint32_t)sizeof bytes;
    (void)write_begin(hub, conn);
}
