/* SPDX-License-Identifier: MIT
 *
 * The end of a pump whose peer says nothing any more.
 *
 * Happy path: our input has ended and was delivered, and for as long as --after-end says nothing
 * comes: we say goodbye. Where the peer cannot be told of our end, each would else wait for the
 * other for ever.
 *
 * Fails: never; whoever closes the loop gives the goodbye its time.
 *
 * Invariants: never while anything is on its way in either direction, or held up by the output. A
 * server that said nothing waits for its client, whose input may come slowly.
 */
#include "pump_parts.h"

static bool quiet_matters(const struct lti_tool_pump *p)
{
    bool asked = p->o->after_end_given || p->sent > 0 || p->o->command != LTI_TOOL_SERVE;

    return p->state == LTI_TOOL_PUMP_OPEN && !p->served && p->finished && !p->peer_finished &&
           asked && !p->hangup && lti_tool_after_end_ms(p->o, !p->untold) != LEAT_FOREVER;
}

uint32_t lti_tool_pump_due_ms(struct lti_tool_pump *p, uint64_t now_ms)
{
    uint64_t limit_ms;

    if (p->end_awaited) {
        return lti_tool_pump_end_due_ms(p, now_ms);
    }
    if (!quiet_matters(p)) {
        p->heard_ms = 0;
        return LEAT_FOREVER;
    }
    if (p->heard_ms == 0 || p->heard != p->received || p->out_blocked) {
        p->heard_ms = now_ms;
        p->heard = p->received;
    }
    limit_ms = p->heard_ms + lti_tool_after_end_ms(p->o, !p->untold);
    return limit_ms > now_ms ? (uint32_t)(limit_ms - now_ms) : 0;
}

void lti_tool_pump_quiet(struct lti_tool_pump *p)
{
    struct leat_conn_info info = {.size = sizeof info};

    if (p->end_awaited) {
        lti_tool_pump_end_given_up(p);
        return;
    }
    p->heard_ms = 0; /* begins anew when it is not over yet */
    if (leat_conn_info_get(p->hub, p->conn, &info) != LEAT_OK || info.state != LEAT_STATE_OPEN ||
        info.inbox_bytes > 0 || info.outbox_bytes > 0) {
        return;
    }
    if (!p->o->after_end_given) {
        lti_tool_note(p->o, "nothing came any more, see --after-end", 0);
    }
    (void)leat_close(p->hub, p->conn, LTI_TOOL_GOODBYE_MS);
    lti_tool_pump_last_line(p);
    p->peer_finished = true;
    p->state = LTI_TOOL_PUMP_DRAINING;
    lti_tool_pump_drain(p);
}
