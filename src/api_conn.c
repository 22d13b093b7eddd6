/* SPDX-License-Identifier: MIT
 *
 * Public calls, receiving and ending: each takes the lock, finds the connection, does one thing.
 *
 * Happy path: what the inbox holds is copied or shown; when it is empty and the system may have
 *             more, that is fetched first.
 * Fails:      as leat.h says; a dead id is STALE.
 * Invariants: no output is touched on failure, save where leat.h says so.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

/* Takes bytes out of the inbox, into a buffer or, without one, nowhere. */
static enum leat_error bytes_take(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                                  size_t *size_out)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    error = lti_conn_take(hub, found, buffer, size, size_out);
    lti_hub_leave_conn(hub, found);
    return error;
}

enum leat_error leat_read(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                          size_t *size_out)
{
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    return bytes_take(hub, conn, buffer, size, size_out);
}

enum leat_error leat_skip(struct leat_hub *hub, leat_conn conn, size_t size, size_t *size_out)
{
    if (!size_out)
        return LEAT_E_ARGUMENT;
    return bytes_take(hub, conn, 0, size, size_out);
}

enum leat_error leat_peek(struct leat_hub *hub, leat_conn conn, const void **data_out,
                          size_t *size_out)
{
    struct lti_conn *found;
    if (!data_out || !size_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    /* Looking at what is there, or seeing that nothing is, changes nothing. */
    bool still = lti_conn_has_data(found) || !found->readable;
    error = lti_conn_want(hub, found, true);
    if (error == LEAT_OK) {
        *data_out = lti_inbox_bytes(&found->inbox);
        *size_out = lti_inbox_size(&found->inbox);
    }
    if (still)
        lti_hub_leave(hub);
    else
        lti_hub_leave_conn(hub, found);
    return error;
}

enum leat_error leat_consume(struct leat_hub *hub, leat_conn conn, size_t size)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    if (found->protocol != LEAT_BYTES)
        error = LEAT_E_STATE;
    else if (size > lti_inbox_size(&found->inbox))
        error = LEAT_E_ARGUMENT;
    else if (size)
        lti_conn_consume(hub, found, size);
    lti_hub_leave_conn(hub, found);
    return error;
}

enum leat_error leat_read_until(struct leat_hub *hub, leat_conn conn, char delimiter, void *buffer,
                                size_t size, size_t *size_out)
{
    struct lti_conn *found;
    size_t part = 0;
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    error = lti_conn_find(hub, found, delimiter, size, &part);
    if (error == LEAT_OK) {
        const uint8_t *bytes = lti_inbox_bytes(&found->inbox);
        LTI_ASSERT(bytes && buffer); /* no byte at all is TOO_BIG, or EMPTY */
        memcpy(buffer, bytes, part);
        lti_conn_consume(hub, found, part);
        *size_out = part;
    }
    lti_hub_leave_conn(hub, found);
    return error;
}

/* What a reader of messages found. */
struct reader {
    size_t size;
    bool ready, stalled;
};

static struct reader reader_begin(const struct lti_conn *conn)
{
    return (struct reader){lti_inbox_size(&conn->inbox), conn->message_ready, conn->read_stalled};
}

/* leave_conn after `taken` bytes were read. Where the next message was right behind them, nothing
 * has changed that an event or a deadline comes from: that is seen at less cost than looked for. */
static void reader_leave(struct leat_hub *hub, struct lti_conn *conn, const struct reader *before,
                         size_t taken)
{
    bool told = taken == 0 || (conn->base.list && (conn->base.pending & LTI_PENDING_READABLE));
    if (before->ready && conn->message_ready && told && before->stalled == conn->read_stalled &&
        before->size - taken == lti_inbox_size(&conn->inbox))
        lti_share_check(hub, conn);
    else
        lti_conn_update_inline(hub, conn);
    lti_hub_leave(hub);
}

enum leat_error leat_receive(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                             size_t *size_out)
{
    struct lti_conn *found;
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    struct reader before = reader_begin(found);
    error = lti_conn_receive(hub, found, buffer, size, size_out);
    reader_leave(hub, found, &before, error == LEAT_OK ? LTI_FRAME_HEADER_BYTES + *size_out : 0);
    return error;
}

enum leat_error leat_view_many(struct leat_hub *hub, leat_conn conn,
                               struct leat_slice *messages_out, size_t count, size_t *count_out)
{
    struct lti_conn *found;
    if (!messages_out || count == 0 || !count_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    struct reader before = reader_begin(found);
    bool nothing = !before.ready && !found->readable; /* and so it stays */
    error = lti_conn_want(hub, found, false);
    if (nothing) {
        lti_hub_leave(hub);
        return error;
    }
    if (error == LEAT_OK) {
        found->view = true;
        found->inbox.pinned = true;
        *count_out = lti_conn_messages(found, messages_out, count);
    }
    reader_leave(hub, found, &before, 0);
    return error;
}

enum leat_error leat_view(struct leat_hub *hub, leat_conn conn, const void **data_out,
                          size_t *size_out)
{
    struct leat_slice message = {0};
    size_t one = 0;
    if (!data_out || !size_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = leat_view_many(hub, conn, &message, 1, &one);
    if (error != LEAT_OK)
        return error;
    *data_out = message.data;
    *size_out = message.size;
    return LEAT_OK;
}

enum leat_error leat_release(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    struct reader before = reader_begin(found);
    size_t taken = LTI_FRAME_HEADER_BYTES + (size_t)found->message_size + found->inbox.behind;
    if (found->view) {
        found->view = false;
        found->inbox.pinned = false;
        lti_conn_drop_message(hub, found);
    } else {
        error = LEAT_E_STATE;
    }
    reader_leave(hub, found, &before, error == LEAT_OK ? taken : 0);
    return error;
}

static enum leat_error pause_set(struct leat_hub *hub, leat_conn conn, bool paused)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->paused = paused;
    hub->changed = true; /* who waits for bytes waits in vain now, or no more */
    if (found->protocol == LEAT_MESSAGES && found->state == LTI_CONN_OPEN && !found->view)
        lti_conn_parse(hub, found);
    else if (found->protocol == LEAT_PACKETS)
        lti_conn_packet_patience(hub, found);
    lti_hub_leave_conn(hub, found);
    return LEAT_OK;
}

enum leat_error leat_pause(struct leat_hub *hub, leat_conn conn)
{
    return pause_set(hub, conn, true);
}

enum leat_error leat_resume(struct leat_hub *hub, leat_conn conn)
{
    return pause_set(hub, conn, false);
}

enum leat_error leat_set_tag(struct leat_hub *hub, leat_conn conn, uint64_t tag)
{
    struct lti_conn *found;
    enum leat_error error = lti_hub_enter_conn(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->base.tag = tag;
    lti_hub_leave(hub);
    return LEAT_OK;
}
