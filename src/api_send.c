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

static enum leat_error send_state(const struct lti_conn *conn, enum leat_protocol protocol)
{
    if (conn->options.protocol != protocol)
        return LEAT_E_STATE;
    if (conn->state == LTI_CONN_ENDED)
        return conn->error != LEAT_OK ? conn->error : LEAT_E_STATE;
    if (conn->finish_wanted)
        return LEAT_E_STATE;
    return conn->write_error;
}

/* Adds the sizes up; false when the sum or a slice makes no sense. */
static bool slices_total(const struct leat_slice *slices, size_t count, size_t *total_out)
{
    size_t total = 0;
    if (count > LEAT_SLICES_MAX || (count && !slices))
        return false;
    for (size_t i = 0; i < count; i++) {
        if ((slices[i].size && !slices[i].data) || slices[i].size > SIZE_MAX / 2 - total)
            return false;
        total += slices[i].size;
    }
    *total_out = total;
    return true;
}

enum leat_error leat_write_slices(struct leat_hub *hub, leat_conn conn,
                                  const struct leat_slice *slices, size_t count,
                                  size_t *accepted_out)
{
    size_t total = 0;
    if (!accepted_out || !slices_total(slices, count, &total))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    error = found ? send_state(found, LEAT_BYTES) : LEAT_E_STALE;
    if (error == LEAT_OK && total == 0)
        *accepted_out = 0;
    else if (error == LEAT_OK)
        error = lti_conn_offer(hub, found, slices, count, total, false, accepted_out);
    if (found)
        lti_conn_update(hub, found);
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_write(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                           size_t *accepted_out)
{
    struct leat_slice slice = {data, size};
    return leat_write_slices(hub, conn, &slice, 1, accepted_out);
}

/* What a message may measure now. Before the hello came, what every peer accepts goes. */
static enum leat_error message_size_check(struct lti_conn *conn, size_t size)
{
    if (size > UINT32_MAX - LTI_FRAME_HEADER_BYTES)
        return LEAT_E_TOO_BIG;
    if (conn->peer_frame_bytes_max)
        return size > conn->peer_frame_bytes_max ? LEAT_E_TOO_BIG : LEAT_OK;
    return size > LTI_FRAME_BYTES_EARLY ? LEAT_E_FULL : LEAT_OK;
}

/* Puts the header in front: a small message is copied together with it, because one piece costs the
 * system less than two. */
static enum leat_error message_offer(struct leat_hub *hub, struct lti_conn *conn,
                                     const struct leat_slice *slices, size_t count, size_t total)
{
    struct lti_frame frame = {.size = (uint32_t)total, .type = LTI_FRAME_MESSAGE};
    struct leat_slice framed[LEAT_SLICES_MAX + 1];
    uint8_t piece[LTI_FRAME_HEADER_BYTES + COPY_BYTES_MAX];
    size_t size = LTI_FRAME_HEADER_BYTES, used = 1, accepted = 0;
    lti_frame_encode(&frame, piece);
    if (total <= COPY_BYTES_MAX) {
        for (size_t i = 0; i < count; i++) {
            if (slices[i].size)
                memcpy(piece + size, slices[i].data, slices[i].size);
            size += slices[i].size;
        }
    } else {
        memcpy(framed + 1, slices, count * sizeof *slices);
        used += count;
    }
    framed[0] = (struct leat_slice){piece, size};
    return lti_conn_offer(hub, conn, framed, used, total + LTI_FRAME_HEADER_BYTES, true, &accepted);
}

enum leat_error leat_send_slices(struct leat_hub *hub, leat_conn conn,
                                 const struct leat_slice *slices, size_t count)
{
    size_t total = 0;
    if (!slices_total(slices, count, &total))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    error = found ? send_state(found, LEAT_MESSAGES) : LEAT_E_STALE;
    if (error == LEAT_OK) {
        error = message_size_check(found, total);
        if (error == LEAT_OK && found->outbox_messages >= found->options.outbox_messages_max)
            error = LEAT_E_FULL;
        if (error == LEAT_E_FULL) {
            found->want_writable = true;
            found->want_room = total + LTI_FRAME_HEADER_BYTES;
            found->writable_due = false;
            found->stats.full++;
        }
    }
    if (error == LEAT_OK)
        error = message_offer(hub, found, slices, count, total);
    if (found)
        lti_conn_update(hub, found);
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_send(struct leat_hub *hub, leat_conn conn, const void *data, size_t size)
{
    struct leat_slice slice = {data, size};
    return leat_send_slices(hub, conn, &slice, 1);
}

enum leat_error leat_finish(struct leat_hub *hub, leat_conn conn)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    error = found ? send_state(found, found->options.protocol) : LEAT_E_STALE;
    if (error == LEAT_OK && found->state != LTI_CONN_OPEN)
        error = LEAT_E_STATE;
    if (error == LEAT_OK) {
        found->finish_wanted = true;
        if (found->options.protocol == LEAT_BYTES) {
            lti_conn_flush(hub, found);
        } else if (!lti_conn_queue_frame(hub, found, LTI_FRAME_FINISH, 0, 0)) {
            found->finish_wanted = false;
            error = LEAT_E_MEMORY;
        }
    }
    if (found)
        lti_conn_update(hub, found);
    lti_hub_leave(hub);
    return error;
}

static enum leat_error close_start(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                   bool report, uint64_t report_tag)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    if (found) {
        found->report = report;
        found->report_tag = report_tag;
        lti_conn_close(hub, found, lti_hub_after(hub, linger_ms));
    }
    lti_hub_leave(hub);
    return found ? LEAT_OK : LEAT_E_STALE;
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
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_conn *found = lti_hub_conn(hub, conn);
    if (found) {
        found->closing = true;
        lti_conn_enter(hub, found, LTI_CONN_GONE);
    }
    lti_hub_leave(hub);
    return found ? LEAT_OK : LEAT_E_STALE;
}
