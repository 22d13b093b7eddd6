/* SPDX-License-Identifier: MIT
 *
 * The one place where the command waits: for the hub, for signals and for the streams of pumps.
 */
#ifndef LTI_TOOL_LOOP_H
#define LTI_TOOL_LOOP_H

#include "pump.h"

#define LTI_TOOL_PUMPS_MAX 128u

struct lti_tool_loop {
    const struct lti_tool_options *o;
    struct leat_hub *hub;
    /* One of the three: by leat_wake when a stream is ready; or the hub has something to wait on
     * beside the streams, else LTI_TOOL_NO_HANDLE; or the hub is looked at again and again. */
    bool woken;
    intptr_t waitable;
    bool looking;
    bool looked; /* looking: the last turn was the hub's */
    bool kept;   /* `event` came out of a wait and is the next one */
    struct leat_event event;
    intptr_t signals;  /* LTI_TOOL_NO_HANDLE: not watched */
    bool signalled;    /* by the last wait: take them */
    intptr_t terminal; /* where questions are answered; LTI_TOOL_NO_HANDLE: nowhere */
    bool asking;       /* an answer is waited for */
    bool typed;        /* by the last wait: there is one */
    struct lti_tool_pump *pumps;
    size_t pumps_count;
    bool progress; /* show how the first pump gets on */
    bool progress_shown;
    bool input_typed, output_shown; /* at the terminal that shows progress */
    uint64_t started_ms, shown_ms;
    struct lti_tool_wait items[LTI_TOOL_WAIT_MAX];
};

/* Makes the hub. Returns an exit code; a failure was printed. */
int lti_tool_loop_open(struct lti_tool_loop *loop, const struct lti_tool_options *o);
void lti_tool_loop_close(struct lti_tool_loop *loop);
/* Gives connections that were closed their time to say goodbye. */
void lti_tool_loop_goodbye(struct lti_tool_loop *loop);

/* The next event that is ready, at most a fair number in a row; else false. */
bool lti_tool_loop_event(struct lti_tool_loop *loop, unsigned *taken, struct leat_event *event);

/* Waits until something can go on and lets the pumps do it. Returns an exit code. */
int lti_tool_loop_wait(struct lti_tool_loop *loop);

/* Turns progress on when a person watches. It goes off when bytes of the transfer come from, or go
 * to, the terminal that shows it. */
void lti_tool_loop_progress_start(struct lti_tool_loop *loop);
void lti_tool_loop_progress_end(struct lti_tool_loop *loop);

#endif
