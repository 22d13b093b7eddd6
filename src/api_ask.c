/* SPDX-License-Identifier: MIT
 *
 * Public calls, asking: state, statistics, names.
 *
 * Happy path: a struct is filled under the lock and copied up to the size that the caller knows.
 * Fails:      OPTIONS for a size that no struct can have, TOO_BIG for a name that does not fit.
 * Invariants: asking changes nothing.
 */
#include "core.h"

#include <string.h>

static void conn_describe(const struct lti_conn *conn, struct leat_conn_info *info)
{
    info->state = lti_conn_public_state(conn);
    info->protocol = conn->protocol;
    info->dialled = conn->dialled;
    info->paused = conn->paused;
    info->finished = conn->finish_wanted;
    info->peer_finished = conn->peer_finished;
    info->hangup = conn->hangup;
    info->tag = conn->base.tag;
    info->inbox_bytes = lti_inbox_size(&conn->inbox);
    info->outbox_bytes = conn->outbox.size;
    info->outbox_messages = conn->outbox.messages;
    info->error = conn->error;
    info->os_code = conn->base.os_code;
    info->operation = (enum leat_operation)conn->operation;
    info->peer_known = conn->peer_known;
    info->peer_uid = conn->peer.uid;
    info->peer_gid = conn->peer.gid;
    info->peer_pid = conn->peer.pid;
    info->peer_frame_bytes_max = conn->peer_frame_bytes_max;
    info->options = conn->common->options;
}

static void stats_describe(const struct lti_conn_stats *kept, struct leat_conn_stats *stats)
{
    stats->bytes_received = kept->bytes_received;
    stats->bytes_sent = kept->bytes_sent;
    stats->messages_received = kept->messages_received;
    stats->messages_sent = kept->messages_sent;
    stats->reads = kept->reads;
    stats->writes = kept->writes;
    stats->write_stalls = kept->write_stalls;
    stats->read_stalls = kept->read_stalls;
    stats->full = kept->full;
    stats->inbox_bytes_high = kept->inbox_bytes_high;
    stats->outbox_bytes_high = kept->outbox_bytes_high;
}

enum leat_error leat_conn_info_get(struct leat_hub *hub, leat_conn conn,
                                   struct leat_conn_info *info_out)
{
    struct leat_conn_info info;
    if (!info_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    memset(&info, 0, sizeof info);
    const struct lti_conn *found = lti_hub_conn(hub, conn);
    if (found)
        conn_describe(found, &info);
    lti_hub_leave(hub);
    return found ? lti_struct_give(info_out, &info, sizeof info) : LEAT_E_STALE;
}

enum leat_error leat_conn_stats_get(struct leat_hub *hub, leat_conn conn,
                                    struct leat_conn_stats *stats_out)
{
    struct leat_conn_stats stats = {.size = sizeof stats};
    if (!stats_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    const struct lti_conn *found = lti_hub_conn(hub, conn);
    if (found)
        stats_describe(&found->stats, &stats);
    lti_hub_leave(hub);
    return found ? lti_struct_give(stats_out, &stats, sizeof stats) : LEAT_E_STALE;
}

enum leat_error leat_listener_info_get(struct leat_hub *hub, leat_listener listener,
                                       struct leat_listener_info *info_out)
{
    struct leat_listener_info info;
    if (!info_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    memset(&info, 0, sizeof info);
    const struct lti_listener *found = lti_hub_listener(hub, listener);
    if (found) {
        info.tag = found->base.tag;
        info.conns = found->conns;
        info.handshakes = found->handshakes;
        info.error = found->error;
        info.os_code = found->base.os_code;
        info.accepted = found->accepted;
        info.denied = found->denied;
        info.handshakes_failed = found->handshakes_failed;
        info.queued_bytes = found->queued_bytes;
        info.accept_errors = found->accept_errors;
    }
    lti_hub_leave(hub);
    return found ? lti_struct_give(info_out, &info, sizeof info) : LEAT_E_STALE;
}

enum leat_error leat_hub_info_get(struct leat_hub *hub, struct leat_hub_info *info_out)
{
    struct leat_hub_info info;
    if (!info_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    memset(&info, 0, sizeof info);
    info.conns = hub->conns_used;
    info.listeners = hub->listeners_used;
    info.timers = hub->timers_used;
    info.memory_bytes = hub->pool.bytes;
    info.memory_bytes_high = hub->pool.bytes_high;
    info.waits = hub->waits;
    info.os_code = hub->os_code.raw;
    info.backend = hub->options.backend;
    info.threads = lti_port_threads(hub->port);
    info.spins = hub->spin.tries;
    info.spin_hits = hub->spin.hits;
    lti_hub_leave(hub);
    return lti_struct_give(info_out, &info, sizeof info);
}

static enum leat_error name_give(const struct lti_address *address, char *buffer, size_t size,
                                 size_t *size_out)
{
    size_t length = address ? address->size : 0;
    *size_out = length;
    if (size <= length)
        return LEAT_E_TOO_BIG;
    memcpy(buffer, address ? address->text : "", length + 1);
    return LEAT_OK;
}

enum leat_error leat_conn_name(struct leat_hub *hub, leat_conn conn, char *buffer, size_t size,
                               size_t *size_out)
{
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    const struct lti_conn *found = lti_hub_conn(hub, conn);
    error = found ? name_give(found->common->address, buffer, size, size_out) : LEAT_E_STALE;
    lti_hub_leave(hub);
    return error;
}

enum leat_error leat_listener_name(struct leat_hub *hub, leat_listener listener, char *buffer,
                                   size_t size, size_t *size_out)
{
    if (!size_out || (!buffer && size))
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    const struct lti_listener *found = lti_hub_listener(hub, listener);
    error = found ? name_give(found->common->address, buffer, size, size_out) : LEAT_E_STALE;
    lti_hub_leave(hub);
    return error;
}
