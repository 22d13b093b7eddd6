/* SPDX-License-Identifier: MIT
 *
 * A connection that gives back what it gets.
 */
#ifndef LTI_TOOL_ECHO_H
#define LTI_TOOL_ECHO_H

#include "tool.h"

struct lti_tool_echo {
    const struct lti_tool_options *o;
    struct leat_hub *hub;
    leat_conn conn;
    bool used;
    bool full;       /* the outbox is full and the connection paused: WRITABLE will come */
    bool finish_due; /* the peer finished, and so shall we */
    const void *view;
    size_t view_size;
    bool viewed;
};

void lti_tool_echo_event(struct lti_tool_echo *e, const struct leat_event *event);

#endif
