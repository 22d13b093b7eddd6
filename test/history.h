/* SPDX-License-Identifier: MIT
 *
 * Histories: what the users of connections asked for and were told, and whether that can be true.
 *
 * The content of every stream is a function of its place, so that the reader verifies each byte
 * without anybody keeping it. A connection has two ends, 0 and 1, whose logs go into one history in
 * the order in which things happened: a call is logged as SUBMIT or SEND before it is made and as
 * ACCEPTED or SENT after it succeeded; one that sends several messages with a SEND and a SENT for
 * each. The rules:
 *
 *   R1  received bytes are exactly those sent: no loss, repetition, change of order or content
 *   R2  received <= accepted <= submitted
 *   R3  an orderly end on both sides: everything accepted was received
 *   R4  less received than accepted: the sender or the receiver was told, or ended it so himself
 *   R5  messages arrive whole, with the length they were sent with, each once, in order
 *   R6  one CLOSED, one FINISHED, one report for each close that asked for one, with errors that
 *       may be
 *   R8  accepted is not delivered: what an open connection has under way is counted as unknown
 *   R9  nothing after the last event, nothing after the user ended the handle
 *   R10 what waits is never more than the limit; one WRITABLE for each FULL
 *   R11 a wait returns no earlier than its deadline without a reason, and not much later
 * R7 is kept for passed handles.
 */
#ifndef LTI_TEST_HISTORY_H
#define LTI_TEST_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LTI_HISTORY_NONE UINT64_MAX
#define LTI_HISTORY_BYTES UINT64_MAX /* instead of a message's number: the stream of bytes */

enum lti_history_kind {
    LTI_HISTORY_SUBMIT = 1, /* a: offset, b: size */
    LTI_HISTORY_ACCEPTED,   /* a: offset, b: size */
    LTI_HISTORY_RECEIVED,   /* a: offset, b: size, c: where the content is wrong, or NONE */
    LTI_HISTORY_SEND,       /* a: number, b: size */
    LTI_HISTORY_SENT,       /* a: number */
    LTI_HISTORY_MESSAGE,    /* a: number, b: size, c: where the content is wrong, or NONE */
    LTI_HISTORY_LEVEL,      /* a: what waits, b: the most that may */
    LTI_HISTORY_FULL,       /* FULL or a short count was returned */
    LTI_HISTORY_WRITABLE,   /* the event */
    LTI_HISTORY_EVENT,      /* any other event but the last one; a: its type */
    LTI_HISTORY_FINISH,     /* the user said: no more from me */
    LTI_HISTORY_FINISHED,   /* the event: the peer said so */
    LTI_HISTORY_CLOSE,      /* the user closed; a: 1 if a report will come */
    LTI_HISTORY_REPORT,     /* it came; a: error, b: undelivered */
    LTI_HISTORY_ABORT,      /* the user aborted */
    LTI_HISTORY_KILLED,     /* the process of this end was killed */
    LTI_HISTORY_CLOSED,     /* the last event; a: error, b: undelivered */
    LTI_HISTORY_WAIT        /* a: deadline, b: when the wait ended, c: how much later is fine */
};

struct lti_history;

struct lti_history_result {
    const char *rule; /* null: no violation; else "R1" ... */
    char text[160];
    size_t place;             /* which entry; the number of entries: at the end */
    uint64_t bytes, messages; /* received */
    uint64_t lost,
        unknown; /* bytes and messages: accepted and not received; with, without reason */
};

/* Null when there is no memory. `key` makes the content of this history differ from any other's. */
struct lti_history *lti_history_new(uint64_t key);
void lti_history_free(struct lti_history *history);

/* `end` is the sender's, 0 or 1; `number` a message's number, or LTI_HISTORY_BYTES. */
void lti_history_fill(const struct lti_history *history, uint32_t conn, uint32_t end,
                      uint64_t number, uint64_t offset, void *buffer, size_t size);
/* The offset of the first byte that is not as it should be, or LTI_HISTORY_NONE. */
uint64_t lti_history_wrong(const struct lti_history *history, uint32_t conn, uint32_t end,
                           uint64_t number, uint64_t offset, const void *buffer, size_t size);

void lti_history_log(struct lti_history *history, uint32_t conn, uint32_t end,
                     enum lti_history_kind kind, uint64_t a, uint64_t b, uint64_t c);
size_t lti_history_count(const struct lti_history *history);

/* Judges. `complete`: every connection has ended, so that nothing may be unknown and every
 * report has come. False when a rule is broken; the result says which and where. */
bool lti_history_check(const struct lti_history *history, bool complete,
                       struct lti_history_result *result_out);

#endif
