/* SPDX-License-Identifier: MIT
 *
 * leat serve --echo, one connection of it.
 *
 * Happy path: READABLE: from inbox to outbox, without a copy of our own; FINISHED: finish too.
 *
 * Fails: a connection that breaks is noted; the server goes on.
 *
 * Invariants: a full outbox pauses the connection, so a peer that does not read costs bounded
 * memory. A message leaves the inbox only when the outbox has it.
 */
#include "echo.h"

/* So many pieces for one event; then others get their turn. */
#define PIECES_MAX 32

static enum leat_error echo_bytes(struct lti_tool_echo *e)
{
    const void *data;
    size_t size;
    size_t accepted = 0;
    enum leat_error error = leat_peek(e->hub, e->conn, &data, &size);

    if (error != LEAT_OK) {
        return error;
    }
    error = leat_write(e->hub, e->conn, data, size, &accepted);
    if (error != LEAT_OK) {
        return error;
    }
    error = leat_consume(e->hub, e->conn, accepted);
    return error == LEAT_OK && accepted < size ? LEAT_E_FULL : error;
}

static enum leat_error echo_message(struct lti_tool_echo *e)
{
    enum leat_error error = LEAT_OK;

    if (!e->viewed) {
        error = leat_view(e->hub, e->conn, &e->view, &e->view_size);
        e->viewed = error == LEAT_OK;
    }
    if (error == LEAT_OK) {
        error = leat_send(e->hub, e->conn, e->view, e->view_size);
    }
    if (error == LEAT_OK) {
        e->viewed = false;
        error = leat_release(e->hub, e->conn);
    }
    return error;
}

static void echo_step(struct lti_tool_echo *e)
{
    enum leat_error error = LEAT_OK;

    for (int i = 0; i < PIECES_MAX && error == LEAT_OK; i++) {
        error = e->o->messages ? echo_message(e) : echo_bytes(e);
    }
    if (error == LEAT_E_FULL) {
        e->full = leat_pause(e->hub, e->conn) == LEAT_OK;
    } else if (error != LEAT_OK && error != LEAT_E_EMPTY && error != LEAT_E_FINISHED) {
        /* What cannot be given back would otherwise stay in the inbox for ever. */
        lti_tool_note(e->o, leat_error_text(error), 0);
        (void)leat_abort(e->hub, e->conn);
        e->used = false;
    }
}

static void echo_finish(struct lti_tool_echo *e)
{
    e->finish_due = leat_finish(e->hub, e->conn) == LEAT_E_FULL;
}

void lti_tool_echo_event(struct lti_tool_echo *e, const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_READABLE:
        if (!e->full) {
            echo_step(e);
        }
        break;
    case LEAT_EVENT_WRITABLE:
        e->full = false;
        (void)leat_resume(e->hub, e->conn);
        echo_step(e);
        if (e->used && e->finish_due && !e->full) {
            echo_finish(e);
        }
        break;
    case LEAT_EVENT_FINISHED:
        echo_finish(e);
        break;
    case LEAT_EVENT_CLOSED:
        if (event->error != LEAT_OK && event->error != LEAT_E_CLOSED) {
            lti_tool_note(e->o, leat_error_text(event->error), 0);
        }
        e->used = false;
        break;
    default:
        break;
    }
}
