/* SPDX-License-Identifier: MIT
 *
 * A pump moves one connection's bytes or messages between it and two streams, in bounded memory,
 * without blocking: what cannot go on now stays where it is, and the source is not read meanwhile.
 */
#ifndef LTI_TOOL_PUMP_H
#define LTI_TOOL_PUMP_H

#include "os.h"
#include "tool.h"

#define LTI_TOOL_GOODBYE_MS 1000u /* what a last word may take */

enum lti_tool_pump_state {
    LTI_TOOL_PUMP_IDLE = 0,   /* no connection */
    LTI_TOOL_PUMP_CONNECTING, /* dialled */
    LTI_TOOL_PUMP_OPEN,
    LTI_TOOL_PUMP_DRAINING, /* the connection is over; the output is not all out, or the input's
                             * end is awaited */
    LTI_TOOL_PUMP_DONE      /* `code` says how it went */
};

struct lti_tool_pump {
    const struct lti_tool_options *o;
    struct leat_hub *hub;
    leat_conn conn;
    enum lti_tool_pump_state state;
    bool served;      /* a server's child or stream: failures are notes, not the end */
    bool output_kept; /* the output outlives the connection */
    intptr_t in, out;
    bool in_ended;    /* no more input will come */
    bool out_gone;    /* nobody reads the output any more */
    bool out_blocked; /* the output takes nothing now */
    bool paused;      /* the connection is not read meanwhile */
    bool full;        /* the outbox is full: WRITABLE will come */
    bool finished;    /* no more comes from us */
    bool untold;      /* the peer does not know, for there is no half-close */
    bool peer_finished, hangup;
    bool in_line, out_line; /* --line: the last byte was no newline */
    bool newline_due;       /* so the output gets one at the end */
    bool flush_due;         /* the output is to end when all of it is out */
    bool end_awaited;       /* the peer closed before our input ended: was that all? */
    uint64_t over_ms;       /* since then */
    size_t message_max;     /* largest message to send */
    char *stage;            /* input on its way to the outbox: [begin, end) */
    size_t stage_size, begin, end;
    size_t scanned;   /* no newline in [begin, begin + scanned) */
    const char *view; /* a received message on its way to the output, null: none */
    size_t view_size, view_done;
    uint64_t sent, received;
    uint64_t heard, heard_ms; /* what was received when it was last looked at, and when that was */
    int code;                 /* exit code */
};

/* The pump takes `in` and `out` (which may be LTI_TOOL_NO_HANDLE for none) but not the conn's end
 * by others: after DONE, lti_tool_pump_close gives everything back. */
void lti_tool_pump_open(struct lti_tool_pump *p, struct leat_hub *hub, leat_conn conn,
                        enum lti_tool_pump_state state);
void lti_tool_pump_close(struct lti_tool_pump *p);

/* One event of this pump's connection. */
void lti_tool_pump_event(struct lti_tool_pump *p, const struct leat_event *event);

/* What to wait for: adds at most two items. Then what became possible: the same items. */
size_t lti_tool_pump_wants(struct lti_tool_pump *p, struct lti_tool_wait *items);
void lti_tool_pump_ready(struct lti_tool_pump *p, const struct lti_tool_wait *items, size_t count);

/* When somebody will have been silent for too long, LEAT_FOREVER for never: the peer after the end
 * of our input, or our input after the peer's end. At 0 it is time for lti_tool_pump_quiet, which
 * ends the connection when nothing is on its way, or the waiting for the input. */
uint32_t lti_tool_pump_due_ms(struct lti_tool_pump *p, uint64_t now_ms);
void lti_tool_pump_quiet(struct lti_tool_pump *p);

#endif
