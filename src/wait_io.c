/* SPDX-License-Identifier: MIT
 *
 * The blocking conveniences: connect, read fully, write fully, send, receive.
 *
 * Happy path: try; while that says not now, wait and try again.
 * Fails:      TIMEOUT with what was done so far; the connection stays usable.
 * Invariants: one absolute deadline for the whole call, however often it waits.
 */
#include "core.h"

/* One deadline for several waits. */
struct patience {
    uint64_t end_ns; /* 0: not started */
    uint32_t timeout_ms;
};

static struct patience patience_of(uint32_t timeout_ms)
{
    struct patience patience = {0, timeout_ms};
    return patience;
}

/* The clock starts with the first wait: what can be done at once needs no clock. */
static uint32_t patience_left(struct patience *patience)
{
    if (patience->timeout_ms == LEAT_FOREVER)
        return LEAT_FOREVER;
    uint64_t now = lti_os_now_ns();
    if (patience->end_ns == 0)
        patience->end_ns = now + patience->timeout_ms * UINT64_C(1000000);
    uint64_t left = patience->end_ns > now ? (patience->end_ns - now + 999999) / 1000000 : 0;
    return left < patience->timeout_ms ? (uint32_t)left : patience->timeout_ms;
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
    if (!size_out)
        return LEAT_E_ARGUMENT;
    struct patience patience = patience_of(timeout_ms);
    *size_out = 0;
    while (*size_out < size) {
        size_t part = 0;
        enum leat_error error =
            leat_read(hub, conn, (char *)buffer + *size_out, size - *size_out, &part);
        *size_out += part;
        if (error == LEAT_E_EMPTY)
            error = leat_wait_readable(hub, conn, patience_left(&patience));
        if (error != LEAT_OK)
            return error;
    }
    return LEAT_OK;
}

enum leat_error leat_write_full(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                                uint32_t timeout_ms, size_t *size_out)
{
    if (!size_out)
        return LEAT_E_ARGUMENT;
    struct patience patience = patience_of(timeout_ms);
    *size_out = 0;
    while (*size_out < size) {
        size_t part = 0;
        enum leat_error error =
            leat_write(hub, conn, (const char *)data + *size_out, size - *size_out, &part);
        *size_out += part;
        if (*size_out < size && (error == LEAT_E_FULL || error == LEAT_OK))
            error = leat_wait_writable(hub, conn, patience_left(&patience));
        if (error != LEAT_OK)
            return error;
    }
    return LEAT_OK;
}

enum leat_error leat_send_wait(struct leat_hub *hub, leat_conn conn, const void *data, size_t size,
                               uint32_t timeout_ms)
{
    struct patience patience = patience_of(timeout_ms);
    for (;;) {
        enum leat_error error = leat_send(hub, conn, data, size);
        if (error != LEAT_E_FULL)
            return error;
        error = leat_wait_writable(hub, conn, patience_left(&patience));
        if (error != LEAT_OK)
            return error;
    }
}

enum leat_error leat_receive_wait(struct leat_hub *hub, leat_conn conn, void *buffer, size_t size,
                                  uint32_t timeout_ms, size_t *size_out)
{
    struct patience patience = patience_of(timeout_ms);
    for (;;) {
        enum leat_error error = leat_receive(hub, conn, buffer, size, size_out);
        if (error != LEAT_E_EMPTY)
            return error;
        error = leat_wait_readable(hub, conn, patience_left(&patience));
        if (error != LEAT_OK)
            return error;
    }
}
