/* SPDX-License-Identifier: MIT
 *
 * Public calls, opening: listen, connect, adopt, pair, resolve.
 *
 * Happy path: options are checked, the name is resolved, memory is taken, and only then is the
 *             system asked for something.
 * Fails:      whatever was made before the failure is given back; a refused descriptor stays the
 *             caller's.
 * Invariants: on failure no handle was given out and nothing is left behind.
 */
#include "core.h"

#include <string.h>

static const struct os_code no_code = {LTI_OS_NONE, 0};

/* Keeps what the system said for whoever asks. */
static enum leat_error failed(struct leat_hub *hub, enum leat_error error, struct os_code code)
{
    if (error != LEAT_OK)
        hub->os_code = code;
    return error;
}

static enum leat_error resolve(struct leat_hub *hub, const char *name, bool create,
                               struct lti_address *address_out)
{
    struct os_code code = no_code;
    const char *reason = 0;
    enum leat_error error = lti_port_resolve(name, create, address_out, &reason, &code);
    if (error != LEAT_OK || reason)
        lti_hub_log(hub, reason ? reason : "a name leads nowhere", error);
    return failed(hub, error, code);
}

enum leat_error leat_resolve(const char *name, char *buffer, size_t size, size_t *size_out)
{
    struct lti_address address;
    struct os_code code = no_code;
    const char *reason;
    if (!name || !size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_port_resolve(name, false, &address, &reason, &code);
    if (error != LEAT_OK)
        return error;
    *size_out = address.size;
    if (size <= address.size)
        return LEAT_E_TOO_BIG;
    memcpy(buffer, address.text, address.size + 1);
    return LEAT_OK;
}

static enum leat_error listener_bind(struct leat_hub *hub, struct lti_listener *listener,
                                     const char *name, const struct leat_listen_options *options)
{
    const struct lti_common *common = listener->common;
    const struct lti_listen listen = {.access = common->access,
                                      .backlog = options->backlog,
                                      .packets = common->options.protocol == LEAT_PACKETS,
                                      .take_over = options->take_over,
                                      .sddl = options->sddl};
    struct lti_address address;
    struct os_code code = no_code;
    enum leat_error error = resolve(hub, name, true, &address);
    if (error != LEAT_OK)
        return error;
    if (!lti_common_place(hub, listener->common, &address))
        return LEAT_E_MEMORY;
    error = lti_port_listen(hub->port, &listener->link, &listener->claim, &address, &listen, &code);
    return failed(hub, error, code);
}

/* A listener of a name, or without one of a handle that is there already. */
static enum leat_error listener_add(struct leat_hub *hub, const char *name, intptr_t handle,
                                    const struct leat_listen_options *options,
                                    leat_listener *listener_out)
{
    struct leat_listen_options in_force;
    struct lti_listener *listener = 0;
    struct os_code code = no_code;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    error = lti_options_listen(options, &in_force);
    if (error == LEAT_OK)
        error = lti_listener_create(hub, &in_force, &listener);
    if (error == LEAT_OK) {
        if (name) {
            error = listener_bind(hub, listener, name, &in_force);
        } else if (in_force.sddl) {
            error = LEAT_E_UNSUPPORTED; /* who may come in was said when it was made */
        } else {
            error = lti_port_adopt(hub->port, &listener->link, handle, true,
                                   listener->common->options.protocol == LEAT_PACKETS, &code);
            (void)failed(hub, error, code);
        }
        if (error != LEAT_OK)
            lti_listener_end(hub, listener, false);
    }
    if (error == LEAT_OK) {
        lti_port_reserve(&listener->claim);
        /* A client may have come while the name was being made: nobody tells of that one. */
        listener->acceptable = true;
        lti_listener_update(hub, listener);
        listener_out->id = lti_listener_id(listener);
    }
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_listen(struct leat_hub *hub, const char *name,
                            const struct leat_listen_options *options, leat_listener *listener_out)
{
    if (!name || !listener_out)
        return LEAT_E_ARGUMENT;
    return listener_add(hub, name, -1, options, listener_out);
}

enum leat_error leat_adopt_listener(struct leat_hub *hub, intptr_t handle,
                                    const struct leat_listen_options *options,
                                    leat_listener *listener_out)
{
    if (!listener_out)
        return LEAT_E_ARGUMENT;
    return listener_add(hub, 0, handle, options, listener_out);
}

enum leat_error leat_listener_close(struct leat_hub *hub, leat_listener listener)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_listener *found = lti_hub_listener(hub, listener);
    if (found)
        lti_listener_end(hub, found, false);
    else
        error = LEAT_E_STALE;
    lti_hub_leave(hub);
    return error;
}

/* The connection that ASKED brought, and that nobody has answered for yet. */
static enum leat_error asked_enter(struct leat_hub *hub, leat_conn conn, struct lti_conn **found)
{
    enum leat_error error = lti_hub_enter_conn(hub, conn, found);
    if (error == LEAT_OK && (*found)->state != LTI_CONN_ASKING) {
        lti_hub_leave_conn(hub, *found);
        error = LEAT_E_STATE;
    }
    return error;
}

enum leat_error leat_allow(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = asked_enter(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->readable = true; /* what it said to be known may be there already */
    lti_conn_admit(hub, found);
    lti_hub_leave_conn(hub, found);
    return LEAT_OK;
}

enum leat_error leat_refuse(struct leat_hub *hub, leat_conn conn)
{
    struct lti_conn *found;
    enum leat_error error = asked_enter(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    found->common->listener->denied++;
    found->closing = true;
    lti_conn_enter(hub, found, LTI_CONN_GONE);
    lti_hub_leave(hub);
    return LEAT_OK;
}

static enum leat_error conn_dial(struct leat_hub *hub, const char *name,
                                 const struct leat_connect_options *options,
                                 const struct leat_conn_options *conn_options,
                                 struct lti_conn *conn)
{
    struct lti_access *access;
    struct lti_common *common;
    struct lti_address address;
    conn->base.tag = options->tag;
    conn->dialled = true;
    conn->announced = true;
    conn->absent_waits = options->absent == LEAT_ABSENT_WAIT;
    enum leat_error error = lti_access_make(&hub->pool, options->who, options->group,
                                            options->users, options->users_count, false, &access);
    if (error != LEAT_OK)
        return error;
    error = resolve(hub, name, false, &address);
    if (error == LEAT_OK)
        error = lti_common_share(hub, conn_options, access, &address, &common);
    else
        lti_access_free(&hub->pool, access);
    if (error != LEAT_OK)
        return error;
    lti_conn_join(conn, common);
    if (conn->protocol == LEAT_MESSAGES && !lti_conn_queue_hello(hub, conn))
        return LEAT_E_MEMORY;
    lti_conn_enter(hub, conn, LTI_CONN_CONNECTING);
    conn->limit_at = lti_hub_after(hub, options->timeout_ms);
    lti_conn_attempt(hub, conn);
    lti_conn_update(hub, conn);
    return LEAT_OK;
}

enum leat_error leat_connect(struct leat_hub *hub, const char *name,
                             const struct leat_connect_options *options, leat_conn *conn_out)
{
    struct leat_connect_options in_force;
    struct leat_conn_options conn_options;
    struct lti_conn *conn = 0;
    if (!name || !conn_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    error = lti_options_connect(options, &in_force);
    if (error == LEAT_OK)
        error = lti_options_conn(in_force.conn, &conn_options);
    if (error == LEAT_OK)
        error = lti_conn_create(hub, &conn);
    if (error == LEAT_OK) {
        error = conn_dial(hub, name, &in_force, &conn_options, conn);
        if (error == LEAT_OK)
            conn_out->id = lti_conn_id(conn);
        else
            lti_conn_free(hub, conn);
    }
    lti_hub_leave(hub);
    return error;
}

/* The descriptor is the hub's only once nothing can fail any more. */
static enum leat_error conn_adopt(struct leat_hub *hub, intptr_t handle, uint64_t tag,
                                  const struct leat_conn_options *options, struct lti_conn *conn)
{
    struct lti_common *common;
    struct os_code code = no_code;
    enum leat_error error = lti_common_share(hub, options, 0, 0, &common);
    if (error != LEAT_OK)
        return error;
    lti_conn_join(conn, common);
    conn->base.tag = tag;
    conn->announced = true;
    if (conn->protocol == LEAT_MESSAGES && lti_port_one_way(handle))
        return LEAT_E_HANDLE;
    if (conn->protocol == LEAT_MESSAGES && !lti_conn_queue_hello(hub, conn))
        return LEAT_E_MEMORY;
    error = lti_port_adopt(hub->port, &conn->link, handle, false, conn->protocol == LEAT_PACKETS,
                           &code);
    if (error != LEAT_OK)
        return failed(hub, error, code);
    lti_conn_established(hub, conn);
    lti_conn_update(hub, conn);
    return LEAT_OK;
}

enum leat_error leat_adopt_conn(struct leat_hub *hub, intptr_t handle, uint64_t tag,
                                const struct leat_conn_options *options, leat_conn *conn_out)
{
    struct leat_conn_options in_force;
    struct lti_conn *conn = 0;
    if (!conn_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    error = lti_options_conn(options, &in_force);
    if (error == LEAT_OK)
        error = lti_conn_create(hub, &conn);
    if (error == LEAT_OK) {
        error = conn_adopt(hub, handle, tag, &in_force, conn);
        if (error == LEAT_OK)
            conn_out->id = lti_conn_id(conn);
        else
            lti_conn_free(hub, conn);
    }
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_pair(struct leat_hub *hub_a, struct leat_hub *hub_b,
                          const struct leat_conn_options *options, leat_conn *a_out,
                          leat_conn *b_out)
{
    struct leat_conn_options in_force;
    struct os_code code = no_code;
    intptr_t handles[2];
    leat_conn a;
    if (!hub_a || !hub_b || !a_out || !b_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_options_conn(options, &in_force);
    if (error != LEAT_OK)
        return error;
    error = lti_port_pair(in_force.protocol == LEAT_PACKETS, handles, &code);
    if (error != LEAT_OK)
        return error;
    error = leat_adopt_conn(hub_a, handles[0], 0, options, &a);
    if (error != LEAT_OK) {
        lti_port_close_handle(handles[0]);
        lti_port_close_handle(handles[1]);
        return error;
    }
    error = leat_adopt_conn(hub_b, handles[1], 0, options, b_out);
    if (error != LEAT_OK) {
        (void)leat_abort(hub_a, a);
        lti_port_close_handle(handles[1]);
        return error;
    }
    *a_out = a;
    return LEAT_OK;
}
