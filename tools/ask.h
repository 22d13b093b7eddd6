/* SPDX-License-Identifier: MIT
 *
 * serve --who ask: a person at the terminal says who may come in.
 */
#ifndef LTI_TOOL_ASK_H
#define LTI_TOOL_ASK_H

#include "loop.h"

#define LTI_TOOL_ASKED_MAX 16u

struct lti_tool_ask {
    struct lti_tool_loop *loop;
    leat_conn asked[LTI_TOOL_ASKED_MAX]; /* the first is the one that the question is about */
    size_t count;
    char answer[16];
    size_t answer_size;
};

/* Finds the terminal. Returns an exit code; a failure was printed. */
int lti_tool_ask_open(struct lti_tool_ask *ask, struct lti_tool_loop *loop);
/* True: the event was about somebody who has not been let in, and is used up. */
bool lti_tool_ask_event(struct lti_tool_ask *ask, const struct leat_event *event);
/* Takes what was typed, when there is something. */
void lti_tool_ask_step(struct lti_tool_ask *ask);

#endif
