/* SPDX-License-Identifier: MIT
 *
 * The end of a pump's connection, and whether the peer has taken all of our input.
 *
 * Happy path: CLOSED comes after our input has ended and nothing of it is left: code 0. When the
 * peer closed before the input ended, the input decides: its end is code 0 too.
 *
 * Fails: what the system did not take, what is left of the input, and an input that goes on are
 * code 9. So is an input that shows neither a byte nor its end for INPUT_END_MS, for then nobody
 * knows.
 *
 * Invariants: code 0 says that no input was lost, however fast or slow anybody was. The exception
 * is a terminal: a person's session may end from either side.
 */
#include "pump_parts.h"

/* Longer than a program needs to end after its last word; a script stands still no longer. */
#define INPUT_END_MS 2000u

static void end_early(struct lti_tool_pump *p, const char *what)
{
    p->code = LTI_TOOL_EXIT_EARLY;
    if (p->served) {
        lti_tool_note(p->o, what, 0);
    } else {
        lti_tool_fail_text(p->o, p->code, what, 0);
    }
}

static void end_left(struct lti_tool_pump *p)
{
    end_early(p, "the peer closed before it had taken all of the input");
}

/* Of a command's output nobody asks for the end, and an input that is kept has another client. */
static bool end_unknown(const struct lti_tool_pump *p)
{
    return !p->in_ended && !p->served && !p->output_kept && !lti_tool_os_is_terminal(p->in);
}

static void end_failed(struct lti_tool_pump *p, enum leat_error error)
{
    struct leat_conn_info info = {.size = sizeof info};

    if (leat_conn_info_get(p->hub, p->conn, &info) != LEAT_OK) {
        info.os_code = 0;
    }
    p->code = lti_tool_exit_of(error);
    if (p->served) {
        lti_tool_note(p->o, leat_error_text(error), info.os_code);
    } else {
        lti_tool_fail(p->o, error, info.os_code);
    }
}

void lti_tool_pump_over(struct lti_tool_pump *p, const struct leat_event *event)
{
    enum leat_error error = event->error;
    bool orderly = error == LEAT_OK || error == LEAT_E_CLOSED || error == LEAT_E_FINISHED;

    if (!orderly) {
        end_failed(p, error);
    } else if (event->bytes_undelivered > 0 || p->begin < p->end) {
        end_left(p);
    } else if (end_unknown(p)) {
        p->end_awaited = true;
        p->over_ms = lti_tool_os_now_ms();
    }
    p->peer_finished = true;
    p->state = LTI_TOOL_PUMP_DRAINING;
    lti_tool_pump_drain(p);
}

/* The input has a byte, or its end. */
void lti_tool_pump_end_look(struct lti_tool_pump *p)
{
    char byte;
    size_t size;
    int64_t os_code = 0;

    switch (lti_tool_os_read(p->in, &byte, 1, &size, &os_code)) {
    case LTI_TOOL_IO_DONE:
        end_left(p);
        break;
    case LTI_TOOL_IO_END:
        p->in_ended = true;
        break;
    case LTI_TOOL_IO_FAILED:
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "cannot read the input", os_code);
        break;
    default:
        return;
    }
    p->end_awaited = false;
    lti_tool_pump_drain(p);
}

uint32_t lti_tool_pump_end_due_ms(const struct lti_tool_pump *p, uint64_t now_ms)
{
    uint64_t limit_ms = p->over_ms + INPUT_END_MS;

    return limit_ms > now_ms ? (uint32_t)(limit_ms - now_ms) : 0;
}

void lti_tool_pump_end_given_up(struct lti_tool_pump *p)
{
    end_early(p, "the peer closed before the end of the input");
    p->end_awaited = false;
    lti_tool_pump_drain(p);
}
