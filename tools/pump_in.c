/* SPDX-License-Identifier: MIT
 *
 * From a stream to the connection.
 *
 * Happy path: the input is readable, one chunk goes into the stage, and from there as bytes, as one
 * message, or as one message per line into the outbox. At the end of input we finish.
 *
 * Fails: a line above what the peer accepts, an input that cannot be read; both end the pump. A
 * connection that does not take more is left to its CLOSED event, which counts what was lost.
 *
 * Invariants: the input is read only while the stage has room and the outbox is not full.
 */
#include "pump_parts.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u

/* Room for one more chunk, or for the longest line and its newline. */
static bool stage_room(struct lti_tool_pump *p)
{
    size_t most = p->o->messages && p->o->line ? p->message_max + 1 : CHUNK_BYTES;
    size_t want;
    char *grown;

    if (p->begin > 0) {
        memmove(p->stage, p->stage + p->begin, p->end - p->begin);
        p->end -= p->begin;
        p->begin = 0;
    }
    if (p->end < p->stage_size) {
        return true;
    }
    want = p->stage_size == 0 ? CHUNK_BYTES : p->stage_size * 2;
    want = want > most ? most : want;
    if (want <= p->stage_size) {
        return false;
    }
    grown = realloc(p->stage, want);
    if (grown == NULL) {
        lti_tool_pump_fail_leat(p, LEAT_E_MEMORY);
        return false;
    }
    p->stage = grown;
    p->stage_size = want;
    return true;
}

/* OK: accepted, `size` bytes of the stage and `extra` (a newline) are done. */
static enum leat_error push_message(struct lti_tool_pump *p, size_t size, size_t extra)
{
    enum leat_error error = leat_send(p->hub, p->conn, p->stage + p->begin, size);

    if (error == LEAT_OK) {
        p->begin += size + extra;
        p->scanned = 0;
        p->sent += size;
    }
    return error;
}

static enum leat_error push_lines(struct lti_tool_pump *p)
{
    enum leat_error error = LEAT_OK;

    while (error == LEAT_OK && p->begin < p->end) {
        const char *from = p->stage + p->begin;
        size_t size = p->end - p->begin;
        const char *newline = memchr(from + p->scanned, '\n', size - p->scanned);

        if (newline != NULL) {
            error = push_message(p, (size_t)(newline - from), 1);
        } else if (p->in_ended) {
            error = push_message(p, size, 0);
        } else if (size > p->message_max) {
            error = LEAT_E_TOO_BIG;
        } else {
            p->scanned = size;
            break;
        }
    }
    return error;
}

static enum leat_error push_bytes(struct lti_tool_pump *p)
{
    size_t size = p->end - p->begin;
    size_t accepted = 0;
    enum leat_error error = leat_write(p->hub, p->conn, p->stage + p->begin, size, &accepted);

    if (error == LEAT_OK) {
        p->in_line = p->stage[p->begin + accepted - (accepted > 0)] != '\n';
        p->begin += accepted;
        p->sent += accepted;
        error = accepted < size ? LEAT_E_FULL : LEAT_OK;
    }
    return error;
}

void lti_tool_pump_push(struct lti_tool_pump *p)
{
    enum leat_error error = LEAT_OK;

    if (p->state != LTI_TOOL_PUMP_OPEN || p->full || p->finished || p->hangup) {
        return;
    }
    if (p->begin < p->end) {
        if (!p->o->messages) {
            error = push_bytes(p);
        } else {
            error = p->o->line ? push_lines(p) : push_message(p, p->end - p->begin, 0);
        }
    }
    if (error == LEAT_OK && p->in_ended && p->begin == p->end) {
        error = leat_finish(p->hub, p->conn);
        p->untold = error == LEAT_E_UNSUPPORTED;
        p->finished = error == LEAT_OK || p->untold;
        error = p->untold ? LEAT_OK : error;
    }
    if (error == LEAT_E_FULL) {
        p->full = true;
    } else if (error == LEAT_E_TOO_BIG) {
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER,
                           p->o->line ? "a line is longer than the peer accepts"
                                      : "a message is longer than the peer accepts",
                           0);
    } else if (error == LEAT_E_CLOSED || error == LEAT_E_BROKEN) {
        p->hangup = true;
    } else if (error != LEAT_OK) {
        lti_tool_pump_fail_leat(p, error);
    }
}

/* With --line, an unterminated last line of a byte stream gets its newline. */
static void input_over(struct lti_tool_pump *p)
{
    p->in_ended = true;
    if (p->o->line && !p->o->messages && p->in_line && stage_room(p)) {
        p->stage[p->end++] = '\n';
    }
}

void lti_tool_pump_take(struct lti_tool_pump *p)
{
    size_t size = 0;
    size_t room;
    int64_t os_code = 0;

    if (!stage_room(p)) {
        return;
    }
    room = p->stage_size - p->end;
    if (!p->o->line && room > p->message_max) {
        room = p->message_max;
    }
    switch (lti_tool_os_read(p->in, p->stage + p->end, room, &size, &os_code)) {
    case LTI_TOOL_IO_DONE:
        p->end += size;
        break;
    case LTI_TOOL_IO_END:
        input_over(p);
        break;
    case LTI_TOOL_IO_FAILED:
        lti_tool_pump_fail(p, LTI_TOOL_EXIT_OTHER, "cannot read the input", os_code);
        return;
    default:
        return;
    }
    lti_tool_pump_push(p);
}
