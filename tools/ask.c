/* SPDX-License-Identifier: MIT
 *
 * serve --who ask: shows who wants to come in and takes the answer.
 *
 * Happy path: ASKED puts a connection into a queue; the first of it is shown; "y" and a newline let
 * it in, anything else keeps it out.
 *
 * Fails: a terminal that has gone answers no, to everybody. Who leaves, or waits too long, is
 * forgotten, and the next one is shown.
 *
 * Invariants: one question at a time, and no answer is older than its question. What the peer may
 * have chosen itself, as the name of its program, is shown without anything that a terminal obeys.
 */
#include "ask.h"

#include "identity.h"

#include <string.h>

#define LINE_BYTES 2048u

static void ask_drop(struct lti_tool_ask *ask, size_t at)
{
    ask->count--;
    for (size_t i = at; i < ask->count; i++) {
        ask->asked[i] = ask->asked[i + 1];
    }
}

static void ask_show(struct lti_tool_ask *ask)
{
    struct lti_tool_identity identity;
    char line[LINE_BYTES];

    ask->answer_size = 0;
    ask->loop->asking = ask->count > 0;
    if (ask->count == 0) {
        return;
    }
    lti_tool_identity_get(ask->loop->hub, ask->asked[0], &identity);
    lti_tool_identity_line(&identity, line, sizeof line);
    lti_tool_os_terminal_forget(ask->loop->terminal);
    fputs("leat serve: ", stderr);
    lti_tool_word(stderr, ask->loop->o->name);
    fputs(": let in ", stderr);
    lti_tool_word(stderr, line);
    fputs("? [y/N] ", stderr);
    fflush(stderr);
}

static void ask_refuse_all(struct lti_tool_ask *ask)
{
    while (ask->count > 0) {
        (void)leat_refuse(ask->loop->hub, ask->asked[0]);
        ask_drop(ask, 0);
    }
    ask->loop->asking = false;
}

int lti_tool_ask_open(struct lti_tool_ask *ask, struct lti_tool_loop *loop)
{
    *ask = (struct lti_tool_ask){.loop = loop};
    loop->terminal = lti_tool_os_is_terminal(2) ? lti_tool_os_terminal_open() : LTI_TOOL_NO_HANDLE;
    return loop->terminal != LTI_TOOL_NO_HANDLE
               ? LTI_TOOL_EXIT_OK
               : lti_tool_fail_text(loop->o, LTI_TOOL_EXIT_USAGE,
                                    "--who ask needs a terminal; see leat serve --help", 0);
}

bool lti_tool_ask_event(struct lti_tool_ask *ask, const struct leat_event *event)
{
    if (event->type == LEAT_EVENT_ASKED) {
        if (ask->count == LTI_TOOL_ASKED_MAX || ask->loop->terminal == LTI_TOOL_NO_HANDLE) {
            (void)leat_refuse(ask->loop->hub, event->conn);
            return true;
        }
        ask->asked[ask->count++] = event->conn;
        if (ask->count == 1) {
            ask_show(ask);
        }
        return true;
    }
    for (size_t i = 0; i < ask->count; i++) {
        if (ask->asked[i].id != event->conn.id) {
            continue;
        }
        if (event->type == LEAT_EVENT_CLOSED) {
            ask_drop(ask, i);
            if (i == 0) {
                fputs("- it has gone\n", stderr);
                fflush(stderr);
                ask_show(ask);
            }
        }
        return true;
    }
    return false;
}

/* One line is there, without its newline. */
static void ask_answered(struct lti_tool_ask *ask)
{
    bool yes = (ask->answer_size == 1 && (ask->answer[0] | 0x20) == 'y') ||
               (ask->answer_size == 3 && memcmp(ask->answer, "yes", 3) == 0);
    leat_conn conn = ask->asked[0];

    ask_drop(ask, 0);
    if (yes) {
        (void)leat_allow(ask->loop->hub, conn);
    } else {
        (void)leat_refuse(ask->loop->hub, conn);
    }
    ask_show(ask);
}

void lti_tool_ask_step(struct lti_tool_ask *ask)
{
    char typed[64];
    size_t size = 0;
    int64_t os_code = 0;
    enum lti_tool_io io;

    if (ask->count == 0 || !ask->loop->typed) {
        return;
    }
    ask->loop->typed = false;
    io = lti_tool_os_read(ask->loop->terminal, typed, sizeof typed, &size, &os_code);
    if (io == LTI_TOOL_IO_LATER) {
        return;
    }
    if (io != LTI_TOOL_IO_DONE) {
        ask->answer_size = 0;
        if (io == LTI_TOOL_IO_END && lti_tool_os_is_terminal(2)) {
            fputc('\n', stderr);
            fflush(stderr);
            ask_answered(ask); /* an end that was typed is a no; the terminal is still there */
            return;
        }
        ask->loop->terminal = LTI_TOOL_NO_HANDLE;
        ask_refuse_all(ask);
        return;
    }
    if (size == 0) {
        ask_show(ask); /* what was typed was begun before the question: once more */
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (typed[i] == '\n') {
            ask_answered(ask);
            return; /* what follows was typed before the next question */
        }
        if (ask->answer_size < sizeof ask->answer) {
            ask->answer[ask->answer_size++] = typed[i];
        }
    }
}
