/* SPDX-License-Identifier: MIT
 *
 * How a connection comes to be: memory and id, attempts to connect, the check of the peer, the
 * hello.
 *
 * Happy path: create, attempt, established, opened. A dialled connection of messages has its
 *             hello in the outbox from the start, so that what the user sends meanwhile lines up
 *             behind it.
 * Fails:      a full backlog, and an absent server when waiting for it was asked for, are tried
 *             again with jittered, growing pauses until the deadline; everything else ends the
 *             connection.
 * Invariants: not one byte is sent before the peer was judged.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

/* Pauses between attempts, in microseconds: they double from the first to the longest. */
#define PAUSE_FIRST_US 500u
#define PAUSE_DOUBLINGS_MAX 6u

static const struct os_code no_code = {LTI_OS_NONE, 0};

enum leat_error lti_conn_create(struct leat_hub *hub, struct lti_conn **conn_out)
{
    if (hub->conns_used >= hub->options.conns_max)
        return LEAT_E_LIMIT;
    struct lti_conn *conn = lti_pool_alloc(&hub->pool, sizeof *conn);
    if (!conn)
        return LEAT_E_MEMORY;
    memset(conn, 0, sizeof *conn);
    if (!lti_deadlines_reserve(&hub->deadlines, &hub->pool)) {
        lti_pool_free(&hub->pool, conn, sizeof *conn);
        return LEAT_E_MEMORY;
    }
    uint64_t id = lti_slots_add(&hub->conns, &hub->pool, conn);
    if (id == 0) {
        lti_deadlines_unreserve(&hub->deadlines);
        lti_pool_free(&hub->pool, conn, sizeof *conn);
        return LEAT_E_MEMORY;
    }
    conn->base.kind = LTI_KIND_CONN;
    lti_deadline_init(&conn->base.deadline);
    lti_link_init(&conn->link);
    conn->link.cookie = id;
    hub->conns_used++;
    *conn_out = conn;
    return LEAT_OK;
}

void lti_conn_join(struct lti_conn *conn, struct lti_common *common)
{
    conn->common = common;
    conn->protocol = common->options.protocol;
}

void lti_conn_free(struct leat_hub *hub, struct lti_conn *conn)
{
    LTI_ASSERT(conn->link.handle < 0 && conn->base.list == LTI_LIST_NONE && !conn->listened &&
               !conn->gathering);
    lti_outbox_clear(&conn->outbox, &hub->pool);
    lti_inbox_clear(&conn->inbox, &hub->pool);
    lti_common_drop(hub, conn->common);
    lti_deadlines_unreserve(&hub->deadlines);
    LTI_ASSERT(hub->conns_used > 0);
    lti_slots_remove(&hub->conns, lti_conn_id(conn));
    lti_pool_free(&hub->pool, conn, sizeof *conn);
    hub->conns_used--;
}

static uint64_t pause_ns(struct leat_hub *hub, uint32_t doublings)
{
    uint32_t base_us = PAUSE_FIRST_US << doublings;
    return (base_us + lti_hub_random(hub, base_us)) * UINT64_C(1000);
}

void lti_conn_attempt(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    const struct lti_common *common = conn->common;
    conn->attempt_at = 0;
    enum leat_error error = lti_port_connect(hub->port, &conn->link, common->address,
                                             common->access, conn->protocol == LEAT_PACKETS, &code);
    bool absent = error == LEAT_E_NOT_FOUND || error == LEAT_E_REFUSED;
    if (error == LEAT_OK) {
        lti_conn_established(hub, conn);
    } else if (error == LEAT_E_BUSY || (absent && conn->absent_waits)) {
        conn->attempt_at = lti_hub_now(hub) + pause_ns(hub, conn->attempts);
        if (conn->attempts < PAUSE_DOUBLINGS_MAX)
            conn->attempts++;
        conn->base.os_code = code.raw;
    } else {
        if (error == LEAT_E_UNTRUSTED)
            lti_hub_log(hub, "what stands at the path is not of a trusted user", error);
        lti_conn_fail(hub, conn, LEAT_OP_CONNECT, error, code);
    }
}

/* The system said what it knows, and it does not suffice. */
void lti_conn_denied(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                     const char *reason, struct os_code code)
{
    lti_hub_log(hub, reason ? reason : "the peer is not trusted", error);
    if (conn->listened)
        conn->common->listener->denied++;
    lti_conn_fail(hub, conn, LEAT_OP_IDENTIFY, error, code);
}

/* What the port said of the peer. */
static void peer_keep(struct lti_conn *conn, const struct lti_peer *peer)
{
    bool known = peer->pid > 0 && peer->pid <= UINT32_MAX;
    conn->peer = (struct lti_conn_peer){.uid = peer->uid,
                                        .gid = peer->gid,
                                        .pid = known ? (uint32_t)peer->pid : 0,
                                        .user = peer->user};
    conn->peer_known = peer->known;
}

/* The peer is known: is there room for one more of its user? */
static enum leat_error user_count(struct leat_hub *hub, struct lti_conn *conn,
                                  struct lti_peer *peer)
{
    enum leat_error error = lti_listener_count_user(hub, conn, peer);
    if (error == LEAT_E_LIMIT)
        peer->reason = "the peer's user has all the connections that one user may have";
    else if (error != LEAT_OK)
        peer->reason = "there is no memory to count the connections of the peer's user";
    return error;
}

void lti_conn_identify(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    bool asks = conn->state == LTI_CONN_ASKING;
    struct lti_peer peer = {.known = conn->peer_known,
                            .uid = conn->peer.uid,
                            .gid = conn->peer.gid,
                            .pid = conn->peer.pid};
    enum leat_error error = lti_port_hear(&conn->link, &peer, &code);
    peer_keep(conn, &peer);
    if (error == LEAT_OK)
        error = user_count(hub, conn, &peer);
    if (error == LEAT_OK) {
        conn->unidentified = false;
        conn->ask_due = asks;
    } else if (error == LEAT_E_MEMORY) {
        lti_conn_read_later(hub, conn);
    } else if (error == LEAT_E_UNTRUSTED || error == LEAT_E_LIMIT) {
        lti_conn_denied(hub, conn, error, peer.reason, code);
    } else if (asks && error == LEAT_E_EMPTY) {
        conn->readable = false;
    } else if (asks) { /* for others the read says what there is */
        lti_conn_fail(hub, conn, LEAT_OP_IDENTIFY, error, code);
    }
}

void lti_conn_established(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    conn->base.os_code = 0;
    const struct lti_access *access = conn->common->access;
    bool asks = access && access->who == LEAT_WHO_ASK;
    if (asks) {
        lti_conn_enter(hub, conn, LTI_CONN_ASKING);
        conn->limit_at = lti_hub_after(hub, conn->common->options.handshake_ms);
    }
    struct lti_peer peer = {.known = false};
    enum leat_error error = lti_port_judge(&conn->link, access, &peer, &code);
    peer_keep(conn, &peer);
    conn->unidentified = error == LEAT_E_EMPTY;
    if (error == LEAT_OK)
        error = user_count(hub, conn, &peer);
    if (error != LEAT_OK && !conn->unidentified)
        lti_conn_denied(hub, conn, error, peer.reason, code);
    else if (asks)
        conn->ask_due = !conn->unidentified;
    else
        lti_conn_admit(hub, conn);
}

void lti_conn_admit(struct leat_hub *hub, struct lti_conn *conn)
{
    struct os_code code = no_code;
    conn->limit_at = conn->dialled ? conn->limit_at : 0;
    if (conn->protocol == LEAT_PACKETS) {
        conn->peer_frame_bytes_max = conn->common->options.frame_bytes_max;
        enum leat_error error = lti_port_packets(&conn->link, &conn->peer_frame_bytes_max, &code);
        if (error != LEAT_OK) {
            lti_conn_fail(hub, conn, LEAT_OP_CONNECT, error, code);
            return;
        }
    }
    if (conn->protocol != LEAT_MESSAGES) {
        lti_conn_opened(hub, conn);
        return;
    }
    lti_conn_enter(hub, conn, LTI_CONN_HANDSHAKE);
    if (!conn->dialled)
        conn->limit_at = lti_hub_after(hub, conn->common->options.handshake_ms);
    lti_conn_flush(hub, conn);
}

void lti_conn_opened(struct leat_hub *hub, struct lti_conn *conn)
{
    uint64_t limit_at = conn->limit_at;
    lti_conn_enter(hub, conn, LTI_CONN_OPEN);
    conn->alive_at = conn->partial_at = 0;
    if (conn->closing) {
        /* Its limit is the linger deadline already. */
        lti_conn_linger_begin(hub, conn, limit_at);
        return;
    }
    if (conn->protocol == LEAT_MESSAGES && conn->common->options.keepalive_ms) {
        conn->alive_at = lti_hub_after(hub, conn->common->options.keepalive_ms);
        conn->heard = false;
    }
    if (conn->listened) {
        lti_listener_accepted(hub, conn);
    } else {
        conn->connected_due = true;
    }
    lti_conn_flush(hub, conn);
}
