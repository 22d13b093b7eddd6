/* SPDX-License-Identifier: MIT
 *
 * The life of a pump: its connection's events, and what it waits for.
 *
 * Happy path: OPEN, input flows to the outbox (pump_in.c) and the inbox to the output (pump_out.c);
 * input ends, we finish; the peer finishes; CLOSED comes; DONE with code 0.
 *
 * Fails: as the connection does (pump_end.c). Bytes received before a failure are in the output by
 * then.
 *
 * Invariants: at most one stage of memory per pump, and that bounded. A view is held only
 * while the connection is open. After DONE the connection is over.
 */
#include "pump_parts.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u

void lti_tool_pump_open(struct lti_tool_pump *p, struct leat_hub *hub, leat_conn conn,
                        enum lti_tool_pump_state state)
{
    p->hub = hub;
    p->conn = conn;
    p->state = state;
    if (p->in == LTI_TOOL_NO_HANDLE) {
        p->in_ended = true;
    }
    if (state == LTI_TOOL_PUMP_OPEN) {
        lti_tool_pump_opened(p);
    }
}

/* The streams stay open: whoever gave them ends them. */
void lti_tool_pump_close(struct lti_tool_pump *p)
{
    const struct lti_tool_pump empty = {
        .o = p->o,
        .served = p->served,
        .output_kept = p->output_kept,
        .in = LTI_TOOL_NO_HANDLE,
        .out = LTI_TOOL_NO_HANDLE,
    };

    free(p->stage);
    *p = empty;
}

/* The largest message is known now: it sizes the chunks and bounds the lines. */
void lti_tool_pump_opened(struct lti_tool_pump *p)
{
    struct leat_conn_info info = {.size = sizeof info};

    p->state = LTI_TOOL_PUMP_OPEN;
    p->message_max = CHUNK_BYTES;
    if (p->o->messages) {
        if (leat_conn_info_get(p->hub, p->conn, &info) != LEAT_OK) {
            info.peer_frame_bytes_max = 0;
        }
        if (p->o->line || info.peer_frame_bytes_max < CHUNK_BYTES) {
            p->message_max = info.peer_frame_bytes_max;
        }
    }
    if (p->message_max == 0) {
        p->message_max = 1;
    }
    lti_tool_pump_push(p);
}

/* `what` was not printed yet. A server goes on after a note; a client's failure is its end. */
void lti_tool_pump_fail(struct lti_tool_pump *p, int code, const char *what, int64_t os_code)
{
    if (p->served) {
        lti_tool_note(p->o, what, os_code);
    } else {
        lti_tool_fail_text(p->o, code, what, os_code);
    }
    (void)leat_abort(p->hub, p->conn);
    p->view = NULL;
    p->newline_due = false;
    p->end_awaited = false;
    p->code = code;
    p->state = LTI_TOOL_PUMP_DONE;
}

void lti_tool_pump_fail_leat(struct lti_tool_pump *p, enum leat_error error)
{
    lti_tool_pump_fail(p, lti_tool_exit_of(error), leat_error_text(error), 0);
}

void lti_tool_pump_event(struct lti_tool_pump *p, const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
        lti_tool_pump_opened(p);
        break;
    case LEAT_EVENT_READABLE:
        lti_tool_pump_pull(p);
        break;
    case LEAT_EVENT_WRITABLE:
        p->full = false;
        lti_tool_pump_push(p);
        break;
    case LEAT_EVENT_FINISHED:
        p->peer_finished = true;
        lti_tool_pump_last_line(p);
        lti_tool_pump_drain(p);
        break;
    case LEAT_EVENT_HANGUP:
        p->hangup = true;
        /* Nobody takes what comes, and nobody reads it here: nothing is left to do. */
        if (p->out_gone) {
            lti_tool_pump_fail_leat(p, LEAT_E_BROKEN);
        }
        break;
    case LEAT_EVENT_CLOSED:
        lti_tool_pump_over(p, event);
        break;
    default:
        break;
    }
}

static bool pump_wants_input(const struct lti_tool_pump *p)
{
    if (p->state == LTI_TOOL_PUMP_DRAINING) {
        return p->end_awaited;
    }
    return p->state == LTI_TOOL_PUMP_OPEN && !p->in_ended && !p->full && !p->hangup;
}

size_t lti_tool_pump_wants(struct lti_tool_pump *p, struct lti_tool_wait *items)
{
    bool running = p->state == LTI_TOOL_PUMP_OPEN || p->state == LTI_TOOL_PUMP_DRAINING;
    size_t count = 0;

    if (pump_wants_input(p)) {
        items[count++] = (struct lti_tool_wait){.handle = p->in, .want_read = true};
    }
    if (running && p->out != LTI_TOOL_NO_HANDLE && !p->out_gone) {
        bool wants = p->out_blocked || p->newline_due || p->flush_due;

        items[count++] = (struct lti_tool_wait){.handle = p->out, .want_write = wants};
    }
    return count;
}

void lti_tool_pump_ready(struct lti_tool_pump *p, const struct lti_tool_wait *items, size_t count)
{
    for (size_t i = 0; i < count && p->state != LTI_TOOL_PUMP_DONE; i++) {
        const struct lti_tool_wait *item = &items[i];

        if (item->want_read && item->can_read) {
            if (p->end_awaited) {
                lti_tool_pump_end_look(p);
            } else {
                lti_tool_pump_take(p);
            }
        } else if (!item->want_read && item->gone) {
            lti_tool_pump_out_gone(p);
        } else if (item->want_write && item->can_write) {
            p->out_blocked = false;
            lti_tool_pump_drain(p);
            if (p->state == LTI_TOOL_PUMP_OPEN) {
                lti_tool_pump_pull(p);
            }
        }
    }
}
