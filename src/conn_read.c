/* SPDX-License-Identifier: MIT
 *
 * Receiving: from the port into the inbox, and what the end of the stream means.
 *
 * Happy path: one read into the inbox at the moment somebody wants an event or bytes; idle
 *             connections hold no buffer.
 * Fails:      memory that is short makes a pause, not a loss; a broken link ends the connection
 *             once everything that came before has been read.
 * Invariants: nothing is read while the user paused, while the inbox is above its mark, or after
 *             the end. A connection that is closing reads and drops, so that two ends that close
 *             at once cannot block each other.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

#define READ_BYTES ((size_t)LTI_BLOCK_LARGE)
/* Bytes come in pieces of a round size, most of the time. */
#define READ_PIECE_BYTES ((size_t)65536)
/* From this size on it is cheaper to read messages one by one than to move what came of the
 * next. */
#define READ_ALONE_BYTES (READ_PIECE_BYTES / 2)
#define DROP_BYTES 1024u
#define RETRY_MS 20u

static const struct os_code no_code = {LTI_OS_NONE, 0};

enum leat_error lti_conn_read_end(const struct lti_conn *conn)
{
    if (conn->state == LTI_CONN_ENDED && conn->error != LEAT_OK && conn->error != LEAT_E_CLOSED)
        return conn->error;
    return conn->peer_finished || conn->state == LTI_CONN_ENDED ? LEAT_E_FINISHED : LEAT_E_EMPTY;
}

void lti_conn_received_trace(struct leat_hub *hub, const struct lti_conn *conn, const void *data,
                             size_t size)
{
    struct leat_trace record = {
        .kind = LEAT_TRACE_RECEIVED,
        .conn = {lti_conn_id(conn)},
        .tag = conn->base.tag,
        .data = data,
        .size = size,
        .state = lti_conn_public_state(conn),
        .time_ns = lti_hub_now(hub),
    };
    hub->options.trace(hub->options.hook_context, &record);
}

/* Both have said that they will send no more: an orderly end. */
void lti_conn_check_finished(struct leat_hub *hub, struct lti_conn *conn)
{
    if (conn->state == LTI_CONN_OPEN && conn->peer_finished && conn->finish_done &&
        conn->outbox.size == 0) {
        lti_conn_enter(hub, conn, LTI_CONN_ENDED);
        lti_conn_update(hub, conn);
    }
}

/* The stream is over: the peer half-closed, or it is gone. */
static void stream_end(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->peer_finished = true;
    lti_conn_check_finished(hub, conn);
    if (lti_port_hangup(&conn->link))
        lti_conn_hangup(hub, conn);
}

void lti_conn_hangup(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->hangup = true;
    if (conn->state == LTI_CONN_ASKING)
        lti_conn_fail(hub, conn, LEAT_OP_IDENTIFY, LEAT_E_BROKEN, no_code);
    /* Two ends that both half-closed look like this too; they have ended in good order before. */
    if (conn->eof && conn->state == LTI_CONN_OPEN && conn->protocol != LEAT_MESSAGES)
        lti_conn_fail(hub, conn, LEAT_OP_READ, LEAT_E_CLOSED, no_code);
}

void lti_conn_read_later(struct leat_hub *hub, struct lti_conn *conn)
{
    conn->readable = false;
    conn->retry_at = lti_hub_after(hub, RETRY_MS);
}

void lti_conn_read_over(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                        struct os_code code)
{
    conn->readable = false;
    switch (error) {
    case LEAT_E_EMPTY:
        break;
    case LEAT_E_FINISHED:
        conn->eof = true;
        conn->need_more = false;
        if (conn->protocol != LEAT_MESSAGES && !conn->closing)
            stream_end(hub, conn);
        break;
    case LEAT_E_MEMORY:
        lti_conn_read_later(hub, conn);
        break;
    default:
        LTI_ASSERT(error != LEAT_E_UNTRUSTED); /* lti_port_hear says that, before any read */
        conn->hangup = conn->hangup || error == LEAT_E_BROKEN;
        if (error == LEAT_E_PROTOCOL)
            lti_conn_goodbye(hub, conn, error);
        lti_conn_fail(hub, conn, LEAT_OP_READ, error, code);
        break;
    }
}

/* The user closed the connection: what still comes is nobody's. */
static void read_and_drop(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    size_t size = 0;
    bool more = false;
    uint8_t spare[DROP_BYTES]; /* a close must not wait for memory */
    void *block = lti_pool_alloc(&hub->pool, READ_BYTES);
    void *into = block ? block : spare;
    enum leat_error error =
        lti_port_read(&conn->link, into, block ? READ_BYTES : sizeof spare, &size, &more, &code);
    if (error == LEAT_OK) {
        lti_conn_received(hub, conn, into, size);
        conn->readable = more;
    } else {
        lti_conn_read_over(hub, conn, error, code);
    }
    lti_pool_free(&hub->pool, block, READ_BYTES);
}

/* Memory is given for bytes that came, never for hope or a header: who has sent little is read into
 * a small block. */
static size_t read_most(const struct lti_conn *conn)
{
    return conn->stats.bytes_received < LTI_BLOCK_SMALL ? LTI_BLOCK_SMALL : READ_BYTES;
}

/* How much of messages comes next. Of a large one that came in part, its rest: then what follows it
 * begins a block, and is not moved there. Where nothing is known, one like the last. */
static size_t read_expected(const struct lti_conn *conn)
{
    struct lti_frame frame = {.size = conn->message_size};
    size_t size = lti_inbox_size(&conn->inbox);
    if (conn->skipping)
        return READ_BYTES;
    if (conn->state == LTI_CONN_OPEN && size >= LTI_FRAME_HEADER_BYTES && !conn->message_ready &&
        lti_frame_decode(lti_inbox_bytes(&conn->inbox), conn->common->options.frame_bytes_max,
                         &frame) != LEAT_OK)
        return READ_BYTES;
    size_t whole = LTI_FRAME_HEADER_BYTES + (size_t)frame.size;
    if (conn->message_ready)
        size -= whole;
    if (whole < READ_ALONE_BYTES || size >= whole || whole - size > READ_BYTES)
        return READ_BYTES;
    return whole - size;
}

static void read_into_inbox(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    size_t size = 0;
    bool more = false;
    uint8_t *room = 0;
    size_t limit = conn->common->options.inbox_bytes;
    size_t want = READ_PIECE_BYTES;
    if (conn->protocol == LEAT_MESSAGES)
        want = lti_port_expect(&conn->link, read_expected(conn));
    if (want > read_most(conn))
        want = read_most(conn);
    if (!lti_share_free(conn))
        want = lti_share_piece(conn, want);
    size_t room_size = lti_inbox_room(&conn->inbox, &hub->pool, want, limit, &room);
    if (room_size == SIZE_MAX) {
        lti_conn_read_later(hub, conn);
        return;
    }
    if (room_size == 0) {
        conn->read_stalled = true;
        conn->stats.read_stalls++;
        return;
    }
    enum leat_error error = LEAT_OK;
    void *block = lti_inbox_block(&conn->inbox);
    if (block) {
        error = lti_port_read_block(&conn->link, &block, room_size, &size, &more, &code);
        conn->inbox.data = room = block;
    } else {
        error = lti_port_read(&conn->link, room, room_size, &size, &more, &code);
    }
    if (error == LEAT_OK) {
        lti_conn_received(hub, conn, room, size);
        lti_inbox_filled(&conn->inbox, size);
        conn->need_more = false;
        conn->readable = more;
        if (lti_inbox_size(&conn->inbox) > conn->stats.inbox_bytes_high)
            conn->stats.inbox_bytes_high = (uint32_t)lti_inbox_size(&conn->inbox);
    } else {
        lti_conn_read_over(hub, conn, error, code);
    }
    if (conn->state != LTI_CONN_GONE)
        lti_inbox_trim(&conn->inbox, &hub->pool);
}

/* Of one that is not plain, or shares a bound that is reached. True: its bytes are to be read. */
static bool fill_other(struct leat_hub *hub, struct lti_conn *conn)
{
    if (lti_conn_may_hear(conn))
        lti_conn_identify(hub, conn);
    if (!conn->readable || !lti_conn_may_read(conn) ||
        (!lti_share_free(conn) && !lti_share_read(conn, 0)))
        return false;
    bool dropped = conn->closing && conn->state == LTI_CONN_LINGER;
    if (conn->protocol != LEAT_PACKETS && !dropped)
        return true;
    if (!dropped)
        lti_conn_packet_fill(hub, conn);
    else if (conn->protocol == LEAT_PACKETS)
        lti_conn_packet_drop(hub, conn);
    else
        read_and_drop(hub, conn);
    if (dropped)
        lti_conn_linger(hub, conn);
    return false;
}

void lti_conn_fill(struct leat_hub *hub, struct lti_conn *conn)
{
    if (!conn->readable)
        return;
    if (LTI_UNLIKELY(!lti_conn_plain(conn) || !lti_share_free(conn)) && !fill_other(hub, conn))
        return;
    read_into_inbox(hub, conn);
    if (conn->protocol != LEAT_MESSAGES)
        return;
    lti_conn_parse(hub, conn);
    if (lti_conn_connected(conn))
        (void)lti_port_expect(&conn->link, read_expected(conn));
}

void lti_conn_consume(struct leat_hub *hub, struct lti_conn *conn, size_t size)
{
    lti_inbox_consume(&conn->inbox, &hub->pool, size);
    conn->need_more = false;
    if (conn->read_stalled && lti_inbox_size(&conn->inbox) <= conn->common->options.inbox_low_bytes)
        conn->read_stalled = false;
}

enum leat_error lti_conn_want(struct leat_hub *hub, struct lti_conn *conn, bool bytes)
{
    if ((conn->protocol == LEAT_BYTES) != bytes || conn->view)
        return LEAT_E_STATE;
    if (!lti_conn_has_data(conn))
        lti_conn_fill(hub, conn);
    return lti_conn_has_data(conn) ? LEAT_OK : lti_conn_read_end(conn);
}

enum leat_error lti_conn_take(struct leat_hub *hub, struct lti_conn *conn, void *buffer,
                              size_t size, size_t *size_out)
{
    enum leat_error error = lti_conn_want(hub, conn, true);
    if (error != LEAT_OK)
        return error;
    size_t there = lti_inbox_size(&conn->inbox);
    size_t part = there < size ? there : size;
    if (part && buffer)
        memcpy(buffer, lti_inbox_bytes(&conn->inbox), part);
    if (part)
        lti_conn_consume(hub, conn, part);
    *size_out = part;
    return LEAT_OK;
}

void lti_conn_drop_message(struct leat_hub *hub, struct lti_conn *conn)
{
    size_t whole = LTI_FRAME_HEADER_BYTES + (size_t)conn->message_size;
    conn->message_ready = false;
    size_t behind = conn->inbox.behind;
    conn->inbox.behind = 0;
    lti_conn_consume(hub, conn, whole + behind);
    if (conn->protocol == LEAT_MESSAGES &&
        (lti_inbox_size(&conn->inbox) > 0 || !lti_conn_plain(conn)))
        lti_conn_parse(hub, conn);
}

enum leat_error lti_conn_receive(struct leat_hub *hub, struct lti_conn *conn, void *buffer,
                                 size_t size, size_t *size_out)
{
    enum leat_error error = lti_conn_want(hub, conn, false);
    if (error != LEAT_OK)
        return error;
    *size_out = conn->message_size;
    if (conn->message_size > size)
        return LEAT_E_TOO_BIG;
    if (conn->message_size)
        memcpy(buffer, lti_inbox_bytes(&conn->inbox) + LTI_FRAME_HEADER_BYTES, conn->message_size);
    lti_conn_drop_message(hub, conn);
    return LEAT_OK;
}

/* What to do when the bytes seen so far have no delimiter. */
static enum leat_error find_more(struct leat_hub *hub, struct lti_conn *conn, size_t seen,
                                 size_t limit, size_t *size_out)
{
    /* At the limit one more byte, or the end, decides. */
    bool open = seen <= limit && seen < conn->common->options.inbox_bytes;
    if (open) {
        /* Nobody can read below the mark before the delimiter came: the mark must not stop us. */
        conn->read_stalled = false;
        lti_conn_fill(hub, conn);
        if (lti_inbox_size(&conn->inbox) > seen)
            return LEAT_E_EMPTY;
    }
    if (conn->eof && seen <= limit) {
        *size_out = seen;
        return LEAT_OK;
    }
    return open ? LEAT_E_EMPTY : LEAT_E_TOO_BIG;
}

enum leat_error lti_conn_find(struct leat_hub *hub, struct lti_conn *conn, char delimiter,
                              size_t limit, size_t *size_out)
{
    size_t seen = 0;
    if (conn->protocol != LEAT_BYTES)
        return LEAT_E_STATE;
    if (!lti_conn_has_data(conn))
        lti_conn_fill(hub, conn);
    if (!lti_conn_has_data(conn))
        return lti_conn_read_end(conn);
    for (;;) {
        size_t there = lti_inbox_size(&conn->inbox);
        const uint8_t *bytes = lti_inbox_bytes(&conn->inbox);
        LTI_ASSERT(bytes); /* there is data, and only reading takes it away */
        const uint8_t *end = memchr(bytes + seen, (unsigned char)delimiter, there - seen);
        if (end) {
            *size_out = (size_t)(end - bytes) + 1;
            return *size_out <= limit ? LEAT_OK : LEAT_E_TOO_BIG;
        }
        seen = there;
        enum leat_error error = find_more(hub, conn, seen, limit, size_out);
        if (error == LEAT_E_EMPTY && lti_inbox_size(&conn->inbox) > seen)
            continue;
        conn->need_more = error == LEAT_E_EMPTY;
        return error;
    }
}
