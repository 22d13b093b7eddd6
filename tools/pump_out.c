/* SPDX-License-Identifier: MIT
 *
 * From the connection to a stream.
 *
 * Happy path: bytes go from the inbox straight to the output, without a copy of our own; messages
 * as they are, with --line each followed by a newline.
 *
 * Fails: an output that takes nothing now pauses the connection, so that the peer feels it. An
 * output whose reader is gone ends a client; a server's connection goes on without reading.
 *
 * Invariants: a byte leaves the inbox only when the output has it. CLOSED comes after the last byte
 * was taken, so an end never overtakes data.
 */
#include "pump_parts.h"

#include <string.h>

/* So many writes for one event; then others get their turn. */
#define PULLS_MAX 16

void lti_tool_pump_out_gone(struct lti_tool_pump *p)
{
    if (!p->served) {
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "standard output was closed", 0);
        return;
    }
    p->out_gone = true;
    p->newline_due = p->flush_due = false;
    if (p->state == LTI_TOOL_PUMP_DRAINING) {
        p->state = LTI_TOOL_PUMP_DONE;
    } else if (p->hangup) {
        lti_tool_pump_fail_leat(p, LEAT_E_BROKEN);
    } else {
        p->paused = leat_pause(p->hub, p->conn) == LEAT_OK;
    }
}

/* Writes what it can of [data, size) and says how much; 0 means: not now, or not any more. */
static size_t output_write(struct lti_tool_pump *p, const void *data, size_t size)
{
    size_t done = 0;
    int64_t os_code = 0;

    switch (lti_tool_os_write(p->out, data, size, &done, &os_code)) {
    case LTI_TOOL_IO_DONE:
        return done;
    case LTI_TOOL_IO_END:
        lti_tool_pump_out_gone(p);
        return 0;
    case LTI_TOOL_IO_FAILED:
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "cannot write the output", os_code);
        return 0;
    default:
        p->out_blocked = true;
        return 0;
    }
}

static enum leat_error pull_bytes(struct lti_tool_pump *p)
{
    const void *data;
    size_t size;
    size_t done;
    enum leat_error error = leat_peek(p->hub, p->conn, &data, &size);

    if (error != LEAT_OK) {
        return error;
    }
    done = output_write(p, data, size);
    if (done == 0) {
        return LEAT_OK;
    }
    p->out_line = ((const char *)data)[done - 1] != '\n';
    p->received += done;
    return leat_consume(p->hub, p->conn, done);
}

static enum leat_error pull_message(struct lti_tool_pump *p)
{
    size_t newline = p->o->line ? 1 : 0;

    if (p->view == NULL) {
        const void *data;
        enum leat_error error = leat_view(p->hub, p->conn, &data, &p->view_size);

        if (error != LEAT_OK) {
            return error;
        }
        p->view = data == NULL ? "" : data;
        p->view_done = 0;
    }
    if (p->view_done < p->view_size) {
        p->view_done += output_write(p, p->view + p->view_done, p->view_size - p->view_done);
    }
    if (p->view != NULL && p->view_done == p->view_size && newline == 1 && !p->out_blocked) {
        p->view_done += output_write(p, "\n", 1);
    }
    if (p->view == NULL || p->view_done < p->view_size + newline) {
        return LEAT_OK;
    }
    p->received += p->view_size;
    p->view = NULL;
    return leat_release(p->hub, p->conn);
}

void lti_tool_pump_pull(struct lti_tool_pump *p)
{
    enum leat_error error = LEAT_OK;

    for (int i = 0; i < PULLS_MAX && error == LEAT_OK; i++) {
        if (p->state != LTI_TOOL_PUMP_OPEN || p->out_blocked || p->out_gone) {
            break;
        }
        error = p->o->messages ? pull_message(p) : pull_bytes(p);
    }
    if (p->state != LTI_TOOL_PUMP_OPEN || p->out_gone) {
        return;
    }
    /* While a message is being written, no READABLE comes: the output has to bring us back. */
    p->out_blocked = p->out_blocked || p->view != NULL;
    /* Why a connection ended is told by its CLOSED event. */
    if (p->out_blocked && !p->paused) {
        p->paused = leat_pause(p->hub, p->conn) == LEAT_OK;
    } else if (!p->out_blocked && p->paused) {
        p->paused = leat_resume(p->hub, p->conn) != LEAT_OK;
    }
}

void lti_tool_pump_last_line(struct lti_tool_pump *p)
{
    p->newline_due = p->o->line && !p->o->messages && p->out_line && !p->out_gone;
}

/* Whether the output is all out; else the pump waits, or is over. */
static bool output_flushed(struct lti_tool_pump *p)
{
    int64_t os_code = 0;

    p->flush_due = false;
    if (p->out == LTI_TOOL_NO_HANDLE || p->out_gone) {
        return true;
    }
    switch (lti_tool_os_flush(p->out, &os_code)) {
    case LTI_TOOL_IO_DONE:
        return true;
    case LTI_TOOL_IO_END:
        lti_tool_pump_out_gone(p);
        return p->state != LTI_TOOL_PUMP_DONE;
    case LTI_TOOL_IO_FAILED:
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "cannot write the output", os_code);
        return false;
    default:
        p->flush_due = true;
        return false;
    }
}

/* After the last byte: the newline that it may lack, then the end of the output. */
void lti_tool_pump_drain(struct lti_tool_pump *p)
{
    int64_t os_code;

    if (p->newline_due) {
        p->newline_due = output_write(p, "\n", 1) == 0;
        if (p->newline_due) {
            return;
        }
    }
    if (p->state == LTI_TOOL_PUMP_DONE || !p->peer_finished || !output_flushed(p)) {
        return;
    }
    if (p->out != LTI_TOOL_NO_HANDLE && !p->output_kept) {
        os_code = lti_tool_os_end(p->out);
        p->out = LTI_TOOL_NO_HANDLE;
        if (os_code != 0 && !p->served) {
            lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "cannot write the output", os_code);
        }
    }
    if (p->state == LTI_TOOL_PUMP_DRAINING && !p->end_awaited) {
        p->state = LTI_TOOL_PUMP_DONE;
    }
}
