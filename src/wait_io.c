/* SPDX-License-Identifier: MIT
 *
 * The blocking conveniences: connect, read fully, write fully, send, receive.
 *
 * Happy path: try; while that says not now, wait and try again.
 * Fails:      TIMEOUT with what was done so far; the connection stays usable.
 * Invariants: one absolute deadline for the whole call, however often it waits.
 */
#include "core.h"

/* Where what is read goes. */
struct target {
    void *buffer;
    size_t size;
    size_t *size_out;
};

/* While the user paused, waiting would be in vain. */
static enum leat_error unless_paused(const struct lti_conn *conn, enum leat_error error)
{
    return error == LEAT_E_EMPTY && conn->paused ? LEAT_E_STATE : error;
}

static enum leat_error look_bytes(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    const struct target *target = context;
    return unless_paused(conn,
                         lti_conn_take(hub, conn, target->buffer, target->size, target->size_out));
}

static enum leat_error look_message(struct leat_hub *hub, struct lti_conn *conn, void *context)
{
    const struct target *target = context;
    return unless_paused(
        conn, lti_conn_receive(hub, conn, target->buffer, target->size, target->size_out));
}

enum leat_error leat_connect_wait(struct leat_hub *hub, const char *name,
                                  const struct leat_connect_options *options, leat_conn *conn_out)
{
    leat_conn conn;
    if (!conn_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = leat_connect(hub, name, options, &conn);
    if (error != LEAT_OK)
        return error;
    /* The connection has its own deadline. */
    error = leat_wait_connected(hub, conn, LEAT_FOREVER);
    if (error == LEAT_OK)
        *conn_out = conn;
    else
        (void)leat_abort(hub, conn);
    return error;
}

enum leat_error leat_read_full(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                               uint32_t timeout_ms, size_t *size_out)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    if (!size_out)
        return LEAT_E_ARGUMENT;
    *size_out = 0;
    if (!buffer && size)
        return LEAT_E_ARGUMENT;
    if (size == 0) /* there is nothing to wait for, but the handle may be dead */
        return leat_consume(hub, conn, 0);
    while (*size_out < size) {
        size_t part = 0;
        struct target target = {(char *)buffer + *size_out, size - *size_out, &part};
        enum leat_error error = lti_conn_wait(hub, conn, &patience, look_bytes, &target,
                                              LTI_WAIT_READS | LTI_WAIT_TRIES);
        if (error != LEAT_OK)
            return error;
        *size_out += part;
    }
    return LEAT_OK;
}

enum leat_error leat_write_full(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                                uint32_t timeout_ms, size_t *size_out)
{
    if (!size_out)
        return LEAT_E_ARGUMENT;
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    *size_out = 0;
    do { /* also for no byte: the handle may be dead */
        size_t part = 0;
        enum leat_error error =
            leat_write(hub, conn, (const char *)data + *size_out, size - *size_out, &part);
        *size_out += part;
        if (*size_out < size && (error == LEAT_E_FULL || error == LEAT_OK))
            error = lti_conn_wait(hub, conn, &patience, lti_look_writable, 0, 0);
        if (error != LEAT_OK)
            return error;
    } while (*size_out < size);
    return LEAT_OK;
}

enum leat_error leat_send_wait(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                               uint32_t timeout_ms)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    for (;;) {
        enum leat_error error = leat_send(hub, conn, data, size);
        if (error != LEAT_E_FULL)
            return error;
        error = lti_conn_wait(hub, conn, &patience, lti_look_writable, 0, 0);
        if (error != LEAT_OK)
            return error;
    }
}

enum leat_error leat_receive_wait(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                                  uint32_t timeout_ms, size_t *size_out)
{
    struct lti_patience patience = {.timeout_ms = timeout_ms};
    struct target target = {buffer, size, size_out};
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    return lti_conn_wait(hub, conn, &patience, look_message, &target,
                         LTI_WAIT_READS | LTI_WAIT_TRIES);
}
