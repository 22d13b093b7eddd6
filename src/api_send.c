/* SPDX-License-Identifier: MIT
 *
 * Public calls, sending and ending: write, send, finish, close, abort.
 *
 * Happy path: the caller's memory goes to the port in one gathered write.
 * Fails:      FULL or a short count above the limit; an ended connection says why it ended.
 * Invariants: a message is accepted whole or not at all. After finish nothing more is accepted.
 */
#include "core.h"

#include <string.h>

/* Messages up to this size are copied together with their header. */
#define COPY_BYTES_MAX 8192u
/* Most are smaller than this, and need little of the stack for it: what lies deep is cold. */
#define SMALL_BYTES_MAX 256u

static enum leat_error send_state(const struct lti_conn *conn, bool bytes)
{
    if ((conn->protocol == LEAT_BYTES) != bytes)
        return LEAT_E_STATE;
    if (conn->state == LTI_CONN_ENDED)
        return conn->error != LEAT_OK ? conn->error : LEAT_E_STATE;
    if (conn->finish_wanted)
        return LEAT_E_STATE;
    return conn->write_error;
}

static inline bool slice_good(const struct leat_slice *slice)
{
    return (slice->data || slice->size == 0) && slice->size <= SIZE_MAX / 2;
}

/* Adds the sizes up; false when the sum or a slice makes no sense. */
static bool slices_total(const struct leat_slice *slices, size_t count, size_t *total_out)
{
    size_t total = 0;
    if (count > LEAT_SLICES_MAX || (count && !slices))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!slice_good(slices + i) || slices[i].size > SIZE_MAX / 2 - total)
            return false;
        total += slices[i].size;
    }
    *total_out = total;
    return true;
}

/* Puts pieces one behind the other. */
static void slices_copy(uint8_t *room, const struct leat_slice *slices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slices[i].size)
            memcpy(room, slices[i].data, slices[i].size);
        room += slices[i].size;
    }
}

/* leave_conn after something was sent whole, or gathered: no event and no deadline comes of it. */
static void quietly_leave(struct leat_hub *hub, struct lti_conn *conn)
{
    lti_share_check(hub, conn);
    lti_hub_leave(hub);
}

/* The same, unless something is left to be sent. `well`: nothing was before, and all was taken. */
static inline void offered_leave(struct leat_hub *hub, struct lti_conn *conn, bool well)
{
    if (well && conn->outbox.size == 0 && !conn->want_writable && !conn->writable_due)
        quietly_leave(hub, conn);
    else
        lti_hub_leave_conn(hub, conn);
}

/* Both forms of writing, once the connection was found. Inline: each function between the caller
 * and the system call makes the way back slower. */
static inline enum leat_error bytes_offer(struct leat_hub *hub, struct lti_conn *conn,
                                          const struct leat_slice *slices, size_t count,
                                          size_t total, size_t *accepted_out)
{
    enum leat_error error = send_state(conn, true);
    bool empty = conn->outbox.size == 0;
    if (error == LEAT_OK && total == 0)
        *accepted_out = 0;
    else if (error == LEAT_OK)
        error = lti_conn_offer(hub, conn, slices, count, total, false, accepted_out);
    offered_leave(hub, conn, empty && error == LEAT_OK);
    return error;
}

/* True when all of it gathers, and the hub was left. Else send_state is to be asked again: what had
 * gathered may have met a dead peer. */
static inline bool bytes_gather(struct leat_hub *hub, struct lti_conn *conn,
                                const struct leat_slice *slices, size_t count, size_t total)
{
    if (!conn->gathering || total == 0 || send_state(conn, true) != LEAT_OK)
        return false;
    uint8_t *room = lti_gather_room(hub, conn, total);
    if (!room)
        return false;
    slices_copy(room, slices, count);
    quietly_leave(hub, conn);
    return true;
}

enum leat_error leat_write_slices(struct leat_hub *hub, leat_conn conn,
                                  const struct leat_slice *slices, size_t count,
                                  size_t *accepted_out)
{
    struct lti_conn *found;
    size_t total = 0;
    if (!accepted_out || !slices_total(slices, count, &total))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    if (!bytes_gather(hub, found, slices, count, total))
        return bytes_offer(hub, found, slices, count, total, accepted_out);
    *accepted_out = total;
    return LEAT_OK;
}

enum leat_error leat_write(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                           size_t *accepted_out)
{
    struct leat_slice slice = {data, size};
    struct lti_conn *found;
    if (!accepted_out || !slice_good(&slice))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    void *room = found->protocol == LEAT_BYTES ? lti_gather_more(hub, found, size) : NULL;
    if (room) {
        memcpy(room, data, size);
        quietly_leave(hub, found);
    } else if (!bytes_gather(hub, found, &slice, 1, size)) {
        return bytes_offer(hub, found, &slice, 1, size, accepted_out);
    }
    *accepted_out = size;
    return LEAT_OK;
}

/* What a message may measure now. Before the hello came, what every peer accepts goes. */
static enum leat_error message_size_check(const struct lti_conn *conn, size_t size)
{
    if (size > UINT32_MAX - LTI_FRAME_HEADER_BYTES)
        return LEAT_E_TOO_BIG;
    if (conn->peer_frame_bytes_max)
        return size > conn->peer_frame_bytes_max ? LEAT_E_TOO_BIG : LEAT_OK;
    return size > LTI_FRAME_BYTES_EARLY ? LEAT_E_FULL : LEAT_OK;
}

/* Whether a message of that size may be sent now; with FULL one WRITABLE is owed. */
static enum leat_error message_check(struct lti_conn *conn, size_t size)
{
    enum leat_error error = send_state(conn, false);
    if (error != LEAT_OK)
        return error;
    if (size == 0 && conn->common->options.empty_is_finish)
        return LEAT_E_ARGUMENT;
    error = message_size_check(conn, size);
    if (error == LEAT_OK && conn->outbox.messages >= conn->common->options.outbox_messages_max)
        error = LEAT_E_FULL;
    if (error == LEAT_E_FULL) {
        conn->want_writable = true;
        conn->want_room = (uint32_t)size + LTI_FRAME_HEADER_BYTES;
        conn->writable_due = false;
        conn->stats.full++;
    }
    return error;
}

/* A message with its header in front, ready to be written. */
struct framed {
    struct leat_slice slices[LEAT_SLICES_MAX + 1];
    size_t count;
    uint8_t piece[LTI_FRAME_HEADER_BYTES + COPY_BYTES_MAX];
};

/* A small message is copied together with its header, because one piece costs the system less than
 * two. */
static void message_frame(struct framed *framed, const struct leat_slice *slices, size_t count,
                          size_t total)
{
    struct lti_frame frame = {.size = (uint32_t)total, .type = LTI_FRAME_MESSAGE};
    size_t size = LTI_FRAME_HEADER_BYTES;
    lti_frame_encode(&frame, framed->piece);
    framed->count = 1;
    if (total <= COPY_BYTES_MAX) {
        slices_copy(framed->piece + size, slices, count);
        size += total;
    } else {
        memcpy(framed->slices + 1, slices, count * sizeof *slices);
        framed->count += count;
    }
    framed->slices[0] = (struct leat_slice){framed->piece, size};
}

/* Puts a whole message among those that gather. False: message_check is to be asked again, because
 * what had gathered may have met a dead peer. */
static inline bool message_gather(struct leat_hub *hub, struct lti_conn *conn,
                                  const struct leat_slice *slices, size_t count, size_t total)
{
    struct lti_frame frame = {.size = (uint32_t)total, .type = LTI_FRAME_MESSAGE};
    if (!conn->gathering)
        return false;
    if (conn->outbox.messages >= conn->common->options.outbox_messages_max && !conn->writing)
        lti_conn_flush(hub, conn); /* it is full of what nobody but us holds back */
    if (message_check(conn, total) != LEAT_OK)
        return false;
    uint8_t *room = lti_gather_room(hub, conn, LTI_FRAME_HEADER_BYTES + total);
    if (!room)
        return false;
    lti_frame_encode(&frame, room);
    slices_copy(room + LTI_FRAME_HEADER_BYTES, slices, count);
    conn->outbox.messages++;
    return true;
}

/* The same for one piece, where others gather already and it fits without a question. */
static inline bool message_more(struct leat_hub *hub, struct lti_conn *conn,
                                const struct leat_slice *slice)
{
    struct lti_frame frame = {.size = (uint32_t)slice->size, .type = LTI_FRAME_MESSAGE};
    if (conn->protocol != LEAT_MESSAGES || slice->size > conn->peer_frame_bytes_max ||
        conn->outbox.messages >= conn->common->options.outbox_messages_max)
        return false;
    uint8_t *room = lti_gather_more(hub, conn, LTI_FRAME_HEADER_BYTES + slice->size);
    if (!room)
        return false;
    lti_frame_encode(&frame, room);
    if (slice->size)
        memcpy(room + LTI_FRAME_HEADER_BYTES, slice->data, slice->size);
    conn->outbox.messages++;
    return true;
}

static enum leat_error framed_offer(struct leat_hub *hub, struct lti_conn *conn,
                                    const struct leat_slice *slices, size_t count, size_t total)
{
    struct framed framed;
    size_t accepted = 0;
    message_frame(&framed, slices, count, total);
    return lti_conn_offer(hub, conn, framed.slices, framed.count, total + LTI_FRAME_HEADER_BYTES,
                          true, &accepted);
}

static enum leat_error small_offer(struct leat_hub *hub, struct lti_conn *conn,
                                   const struct leat_slice *slices, size_t count, size_t total)
{
    struct lti_frame frame = {.size = (uint32_t)total, .type = LTI_FRAME_MESSAGE};
    uint8_t piece[LTI_FRAME_HEADER_BYTES + SMALL_BYTES_MAX];
    struct leat_slice whole = {piece, LTI_FRAME_HEADER_BYTES + total};
    size_t accepted = 0;
    lti_frame_encode(&frame, piece);
    slices_copy(piece + LTI_FRAME_HEADER_BYTES, slices, count);
    return lti_conn_offer(hub, conn, &whole, 1, whole.size, true, &accepted);
}

/* One message, which leaves by itself, or behind what waits. */
static enum leat_error message_put(struct leat_hub *hub, struct lti_conn *conn,
                                   const struct leat_slice *slices, size_t count, size_t total)
{
    enum leat_error error = message_check(conn, total);
    if (error != LEAT_OK)
        return error;
    if (conn->protocol == LEAT_PACKETS)
        return lti_conn_packet_offer(hub, conn, slices, count, total);
    if (total > SMALL_BYTES_MAX)
        return framed_offer(hub, conn, slices, count, total);
    return small_offer(hub, conn, slices, count, total);
}

static enum leat_error message_offer(struct leat_hub *hub, struct lti_conn *conn,
                                     const struct leat_slice *slices, size_t count, size_t total)
{
    bool empty = conn->outbox.size == 0;
    enum leat_error error = message_put(hub, conn, slices, count, total);
    offered_leave(hub, conn, empty && error == LEAT_OK);
    return error;
}

enum leat_error leat_send_slices(struct leat_hub *hub, leat_conn conn,
                                 const struct leat_slice *slices, size_t count)
{
    struct lti_conn *found;
    size_t total = 0;
    if (!slices_total(slices, count, &total))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    if (!message_gather(hub, found, slices, count, total))
        return message_offer(hub, found, slices, count, total);
    quietly_leave(hub, found);
    return LEAT_OK;
}

enum leat_error leat_send(struct leat_hub *hub, leat_conn conn, const void *data, size_t size)
{
    struct leat_slice slice = {data, size};
    struct lti_conn *found;
    if (!slice_good(&slice))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    if (!message_more(hub, found, &slice) && !message_gather(hub, found, &slice, 1, size))
        return message_offer(hub, found, &slice, 1, size);
    quietly_leave(hub, found);
    return LEAT_OK;
}

/* One of several small ones: it waits in the outbox for those behind it. */
static enum leat_error message_hold(struct leat_hub *hub, struct lti_conn *conn,
                                    const struct leat_slice *slice)
{
    struct lti_frame frame = {.size = (uint32_t)slice->size, .type = LTI_FRAME_MESSAGE};
    uint8_t header[LTI_FRAME_HEADER_BYTES];
    enum leat_error error = message_check(conn, slice->size);
    if (error != LEAT_OK)
        return error;
    if (!lti_outbox_reserve(&conn->outbox, &hub->pool, sizeof header + slice->size))
        return LEAT_E_MEMORY;
    lti_frame_encode(&frame, header);
    lti_outbox_append(&conn->outbox, header, sizeof header);
    if (slice->size)
        lti_outbox_append(&conn->outbox, slice->data, slice->size);
    conn->outbox.messages++;
    if (conn->outbox.size > conn->stats.outbox_bytes_high)
        conn->stats.outbox_bytes_high = conn->outbox.size;
    return LEAT_OK;
}

/* What was so before the first of many. */
struct many {
    uint64_t bytes_sent;
    uint32_t undelivered;
    bool empty;
};

/* Whether what is in the outbox, if anything is, waits for nobody but us. */
static bool many_may_hold(const struct leat_hub *hub, const struct lti_conn *conn)
{
    return conn->protocol == LEAT_MESSAGES && conn->state == LTI_CONN_OPEN && !conn->writing &&
           (conn->common->options.gather_bytes == 0 || hub->waiter);
}

static enum leat_error message_one_of_many(struct leat_hub *hub, struct lti_conn *conn,
                                           const struct leat_slice *slice, bool last)
{
    const struct leat_conn_options *options = &conn->common->options;
    if (message_more(hub, conn, slice) || message_gather(hub, conn, slice, 1, slice->size))
        return LEAT_OK;
    bool fits =
        slice->size <= COPY_BYTES_MAX &&
        conn->outbox.size + LTI_FRAME_HEADER_BYTES + slice->size <= options->outbox_stream_bytes &&
        conn->outbox.messages < options->outbox_messages_max;
    /* Those before it are to be in nobody's way: alone, each would have left by now. */
    if (!fits && conn->outbox.size > 0 && many_may_hold(hub, conn))
        lti_conn_flush(hub, conn);
    bool behind = conn->outbox.size > 0;
    if (slice->size <= COPY_BYTES_MAX && (behind ? fits : !last) && many_may_hold(hub, conn) &&
        lti_share_free(conn))
        return message_hold(hub, conn, slice);
    return message_put(hub, conn, slice, 1, slice->size);
}

/* What was held leaves. Fails as a single message would: a link that would not take the first byte
 * has accepted nothing, and owes nothing. */
static enum leat_error many_leave(struct leat_hub *hub, struct lti_conn *conn,
                                  const struct many *before)
{
    if (conn->outbox.size > 0 && many_may_hold(hub, conn))
        lti_conn_flush(hub, conn);
    if (conn->write_error == LEAT_OK || !before->empty || conn->protocol != LEAT_MESSAGES ||
        conn->stats.bytes_sent != before->bytes_sent)
        return LEAT_OK;
    conn->undelivered = before->undelivered;
    conn->want_writable = conn->writable_due = false;
    return conn->write_error;
}

enum leat_error leat_send_many(struct leat_hub *hub, leat_conn conn,
                               const struct leat_slice *messages, size_t count, size_t *sent_out)
{
    struct lti_conn *found;
    size_t sent = 0;
    if (!sent_out || (!messages && count))
        return LEAT_E_ARGUMENT;
    for (size_t i = 0; i < count; i++)
        if (!slice_good(messages + i))
            return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    const struct many before = {found->stats.bytes_sent, found->undelivered,
                                found->outbox.size == 0};
    if (count == 0)
        error = send_state(found, false);
    for (; sent < count && error == LEAT_OK; sent += error == LEAT_OK)
        error = message_one_of_many(hub, found, messages + sent, sent + 1 == count);
    if (sent > 0)
        error = many_leave(hub, found, &before);
    lti_hub_leave_conn(hub, found);
    if (error == LEAT_OK)
        *sent_out = sent;
    return error;
}

enum leat_error leat_flush(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    if (found->gathering && found->outbox.size > 0)
        lti_conn_flush(hub, found);
    if (found->state == LTI_CONN_ENDED)
        error = found->error != LEAT_OK ? found->error : LEAT_E_STATE;
    else
        error = found->write_error;
    lti_hub_leave_conn(hub, found);
    return error;
}

/* The end comes behind all that was accepted: as a frame, as an empty packet, or by the system. */
static enum leat_error finish_start(struct leat_hub *hub, struct lti_conn *conn)
{
    bool system = conn->protocol != LEAT_MESSAGES && !conn->common->options.empty_is_finish;
    bool queued = true;
    if (system && !lti_port_can_finish(&conn->link))
        return LEAT_E_UNSUPPORTED;
    conn->finish_wanted = true;
    if (conn->protocol == LEAT_MESSAGES)
        queued = lti_conn_queue_frame(hub, conn, LTI_FRAME_FINISH, 0, 0);
    else if (!system)
        queued = lti_conn_packet_queue(hub, conn, LTI_FRAME_FINISH, 0, 0, 0);
    if (!queued) {
        conn->finish_wanted = false;
        return LEAT_E_MEMORY;
    }
    if (conn->protocol != LEAT_MESSAGES)
        lti_conn_flush(hub, conn);
    return LEAT_OK;
}

enum leat_error leat_finish(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    error = send_state(found, found->protocol == LEAT_BYTES);
    if (error == LEAT_OK && found->state != LTI_CONN_OPEN)
        error = LEAT_E_STATE;
    if (error == LEAT_OK)
        error = finish_start(hub, found);
    lti_hub_leave_conn(hub, found);
    return error;
}

static enum leat_error close_start(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                   bool report, uint64_t report_tag)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->report = report;
    found->stats.report_tag = report_tag;
    lti_conn_close(hub, found, lti_hub_after(hub, linger_ms));
    lti_hub_leave(hub);
    return LEAT_OK;
}

enum leat_error leat_close(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms)
{
    return close_start(hub, conn, linger_ms, false, 0);
}

enum leat_error leat_close_report(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                  uint64_t tag)
{
    return close_start(hub, conn, linger_ms, true, tag);
}

enum leat_error leat_abort(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->closing = true;
    lti_conn_enter(hub, found, LTI_CONN_GONE);
    lti_hub_leave(hub);
    return LEAT_OK;
}
