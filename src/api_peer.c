/* SPDX-License-Identifier: MIT
 *
 * Public calls, who the peer is.
 *
 * Happy path: the port is asked at the moment of the call; nothing is kept.
 * Fails:      STATE where there is no peer; what the system does not say is not marked as known.
 * Invariants: no output is touched on failure, save the number of groups with TOO_BIG.
 */
#include "core.h"

#include <string.h>

static const struct os_code no_code = {LTI_OS_NONE, 0};

/* Finds a connection that has a peer. */
static enum leat_error peer_enter(struct leat_hub *hub, leat_conn conn, struct lti_conn **found)
{
    enum leat_error error = lti_hub_enter_conn(hub, conn, found);
    if (error == LEAT_OK && !lti_conn_connected(*found) && (*found)->state != LTI_CONN_ASKING) {
        lti_hub_leave_conn(hub, *found);
        error = LEAT_E_STATE;
    }
    return error;
}

static enum leat_error peer_leave(struct leat_hub *hub, struct lti_conn *conn,
                                  enum leat_error error, struct os_code code)
{
    if (error != LEAT_OK)
        hub->os_code = code;
    lti_hub_leave_conn(hub, conn);
    return error;
}

enum leat_error leat_peer_get(struct leat_hub *hub, leat_conn conn, struct leat_peer *peer_out)
{
    struct lti_conn *found;
    struct os_code code = no_code;
    struct leat_peer peer;
    if (!peer_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = peer_enter(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    memset(&peer, 0, sizeof peer);
    error = lti_port_identity(&found->link, &peer, &code);
    if (error == LEAT_OK)
        error = lti_struct_give(peer_out, &peer, sizeof peer);
    return peer_leave(hub, found, error, code);
}

enum leat_error leat_peer_groups(struct leat_hub *hub, leat_conn conn, uint32_t *groups,
                                 size_t count, size_t *count_out)
{
    struct lti_conn *found;
    struct os_code code = no_code;
    if (!count_out || (!groups && count))
        return LEAT_E_ARGUMENT;
    enum leat_error error = peer_enter(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    error = lti_port_groups(&found->link, groups, count, count_out, &code);
    return peer_leave(hub, found, error, code);
}

enum leat_error leat_peer_process(struct leat_hub *hub, leat_conn conn, intptr_t *handle_out)
{
    struct lti_conn *found;
    struct os_code code = no_code;
    if (!handle_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = peer_enter(hub, conn, &found);
    if (error != LEAT_OK)
        return error;
    error = lti_port_process(&found->link, handle_out, &code);
    return peer_leave(hub, found, error, code);
}
