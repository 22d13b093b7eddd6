/* SPDX-License-Identifier: MIT
 *
 * The history checker's own test: true histories are accepted, each corrupted one is rejected by
 * the rule it breaks.
 *
 * Happy path: a good history is logged, with one entry left out, changed, repeated or added.
 * Fails:      never by design.
 * Invariants: every corruption differs from a history that is accepted by one step only.
 */
#include "history.h"

#include "harness.h"

#include "leat/leat.h"

#include <stdlib.h>
#include <string.h>

enum corruption {
    NOTHING,
    LOST_MIDDLE,         /* R1: a gap */
    REPEATED,            /* R1: the same bytes twice */
    WRONG_BYTE,          /* R1 */
    REORDERED,           /* R1 */
    MORE_THAN_SENT,      /* R2 */
    ACCEPTED_TOO_MUCH,   /* R2: more than was submitted */
    RECEIVED_UNACCEPTED, /* R2: submitted, refused, received all the same */
    SHORT_AFTER_FINISH,  /* R3: FINISHED, and bytes are missing */
    SHORT_SILENTLY,      /* R4: CLOSED as if all were well */
    REPORT_LIES,         /* R4: OK with undelivered bytes */
    MESSAGE_CUT,         /* R5 */
    MESSAGE_LOST,        /* R5 */
    MESSAGE_TWICE,       /* R5 */
    MESSAGE_WRONG,       /* R1 */
    MESSAGE_INVENTED,    /* R2 */
    CLOSED_TWICE,        /* R6 */
    CLOSED_WITH_FULL,    /* R6: an error no connection ends with */
    FINISHED_TWICE,      /* R6 */
    REPORT_MISSING,      /* R6 */
    REPORT_UNASKED,      /* R6 */
    EVENT_AFTER_CLOSED,  /* R9 */
    EVENT_AFTER_CLOSE,   /* R9: the user had closed it */
    WRITE_AFTER_FINISH,  /* R9 */
    READ_AFTER_FINISHED, /* R9 */
    ABOVE_LIMIT,         /* R10 */
    WRITABLE_UNASKED,    /* R10 */
    WAIT_TOO_SHORT,      /* R11 */
    WAIT_TOO_LONG,       /* R11 */
    SUBMITTED_ELSEWHERE, /* R2: not where the last one ended */
    SENT_TWICE,          /* R5: one message, accepted twice */
    SENT_OUT_OF_TURN,    /* R5: a later one first */
    SENT_BEHIND_CHANGED, /* R5: tried again with another size, behind others */
    SENT_CHANGED,        /* R5: tried again with another size */
    SENT_AFTER_FINISH,   /* R9 */
    FINISH_TWICE,        /* R9: by the user */
    REPORT_TWICE,        /* R6 */
    REPORT_OF_FULL,      /* R6: an error that no report has */
    WRITABLE_TWICE,      /* R10: for one FULL */
    CORRUPTIONS
};

static const char *const corruption_rules[CORRUPTIONS] = {
    [LOST_MIDDLE] = "R1",         [REPEATED] = "R1",
    [WRONG_BYTE] = "R1",          [REORDERED] = "R1",
    [MORE_THAN_SENT] = "R2",      [ACCEPTED_TOO_MUCH] = "R2",
    [RECEIVED_UNACCEPTED] = "R2", [SHORT_AFTER_FINISH] = "R3",
    [SHORT_SILENTLY] = "R3",      [REPORT_LIES] = "R4",
    [MESSAGE_CUT] = "R5",         [MESSAGE_LOST] = "R5",
    [MESSAGE_TWICE] = "R5",       [MESSAGE_WRONG] = "R1",
    [MESSAGE_INVENTED] = "R2",    [CLOSED_TWICE] = "R6",
    [CLOSED_WITH_FULL] = "R6",    [FINISHED_TWICE] = "R6",
    [REPORT_MISSING] = "R6",      [REPORT_UNASKED] = "R6",
    [EVENT_AFTER_CLOSED] = "R9",  [EVENT_AFTER_CLOSE] = "R9",
    [WRITE_AFTER_FINISH] = "R9",  [READ_AFTER_FINISHED] = "R9",
    [ABOVE_LIMIT] = "R10",        [WRITABLE_UNASKED] = "R10",
    [WAIT_TOO_SHORT] = "R11",     [WAIT_TOO_LONG] = "R11",
    [SUBMITTED_ELSEWHERE] = "R2", [SENT_TWICE] = "R5",
    [SENT_OUT_OF_TURN] = "R5",    [SENT_CHANGED] = "R5",
    [SENT_BEHIND_CHANGED] = "R5", [SENT_AFTER_FINISH] = "R9",
    [FINISH_TWICE] = "R9",        [REPORT_TWICE] = "R6",
    [REPORT_OF_FULL] = "R6",      [WRITABLE_TWICE] = "R10",
};

struct teller {
    struct lti_history *history;
    enum corruption corruption;
};

static void tell(const struct teller *teller, uint32_t conn, uint32_t end,
                 enum lti_history_kind kind, uint64_t a, uint64_t b)
{
    lti_history_log(teller->history, conn, end, kind, a, b, LTI_HISTORY_NONE);
}

static bool is(const struct teller *teller, enum corruption corruption)
{
    return teller->corruption == corruption;
}

/* Reads bytes through the content function, as a real receiver does. */
static void tell_received(const struct teller *teller, uint64_t offset, uint32_t size)
{
    uint8_t bytes[600];
    REQUIRE(size <= sizeof bytes);
    lti_history_fill(teller->history, 1, 0, LTI_HISTORY_BYTES, offset, bytes, size);
    if (is(teller, WRONG_BYTE) && offset > 0)
        bytes[size - 1] ^= 0x10;
    uint64_t wrong =
        lti_history_wrong(teller->history, 1, 0, LTI_HISTORY_BYTES, offset, bytes, size);
    lti_history_log(teller->history, 1, 1, LTI_HISTORY_RECEIVED, offset, size, wrong);
}

/* Connection 1, bytes: end 0 writes 1000 in two pieces, is full once, finishes; end 1 reads. */
static void tell_bytes_written(const struct teller *teller)
{
    tell(teller, 1, 0, LTI_HISTORY_SUBMIT, 0, 600);
    tell(teller, 1, 0, LTI_HISTORY_ACCEPTED, 0, is(teller, ACCEPTED_TOO_MUCH) ? 601 : 600);
    tell(teller, 1, 0, LTI_HISTORY_LEVEL, is(teller, ABOVE_LIMIT) ? 601 : 600, 600);
    tell(teller, 1, 0, LTI_HISTORY_SUBMIT, 600, 600);
    if (!is(teller, WRITABLE_UNASKED))
        tell(teller, 1, 0, LTI_HISTORY_FULL, 0, 0);
    tell(teller, 1, 0, LTI_HISTORY_WRITABLE, 0, 0);
    if (is(teller, WRITABLE_TWICE))
        tell(teller, 1, 0, LTI_HISTORY_WRITABLE, 0, 0);
    tell(teller, 1, 0, LTI_HISTORY_SUBMIT, is(teller, SUBMITTED_ELSEWHERE) ? 599 : 600, 600);
    if (!is(teller, RECEIVED_UNACCEPTED))
        tell(teller, 1, 0, LTI_HISTORY_ACCEPTED, 600, 400);
    tell(teller, 1, 0, LTI_HISTORY_FINISH, 0, 0);
    if (is(teller, FINISH_TWICE))
        tell(teller, 1, 0, LTI_HISTORY_FINISH, 0, 0);
    if (is(teller, WRITE_AFTER_FINISH)) {
        tell(teller, 1, 0, LTI_HISTORY_SUBMIT, 1000, 1);
        tell(teller, 1, 0, LTI_HISTORY_ACCEPTED, 1000, 1);
    }
}

static void tell_bytes_read(const struct teller *teller)
{
    if (!is(teller, REORDERED))
        tell_received(teller, 0, 500);
    if (is(teller, REPEATED))
        tell_received(teller, 0, 500);
    if (!is(teller, LOST_MIDDLE))
        tell_received(teller, 500, 400);
    if (is(teller, REORDERED))
        tell_received(teller, 0, 500);
    if (!is(teller, SHORT_AFTER_FINISH) && !is(teller, SHORT_SILENTLY))
        tell_received(teller, 900, 100);
    if (is(teller, MORE_THAN_SENT))
        tell_received(teller, 1000, 500);
    if (is(teller, SHORT_SILENTLY)) {
        tell(teller, 1, 1, LTI_HISTORY_CLOSED, LEAT_OK, 0);
        return;
    }
    tell(teller, 1, 1, LTI_HISTORY_FINISHED, 0, 0);
    if (is(teller, FINISHED_TWICE))
        tell(teller, 1, 1, LTI_HISTORY_FINISHED, 0, 0);
    if (is(teller, READ_AFTER_FINISHED))
        tell_received(teller, 1000, 1);
    tell(teller, 1, 1, LTI_HISTORY_FINISH, 0, 0);
    tell(teller, 1, 1, LTI_HISTORY_CLOSED, is(teller, CLOSED_WITH_FULL) ? LEAT_E_FULL : LEAT_OK, 0);
    if (is(teller, CLOSED_TWICE))
        tell(teller, 1, 1, LTI_HISTORY_CLOSED, LEAT_OK, 0);
    if (is(teller, EVENT_AFTER_CLOSED))
        tell(teller, 1, 1, LTI_HISTORY_EVENT, LEAT_EVENT_READABLE, 0);
}

/* Connection 2, messages of 0, 40 and 7 bytes; end 0 closes with a report, end 1 is told CLOSED. */
static void tell_messages(const struct teller *teller)
{
    static const uint32_t sizes[3] = {0, 40, 7};
    for (uint32_t i = 0; i < 3; i++) {
        if (is(teller, SENT_CHANGED) && i == 1)
            tell(teller, 2, 0, LTI_HISTORY_SEND, i, sizes[i] + 1);
        if (is(teller, SENT_AFTER_FINISH) && i == 2)
            tell(teller, 2, 0, LTI_HISTORY_FINISH, 0, 0);
        tell(teller, 2, 0, LTI_HISTORY_SEND, is(teller, SENT_OUT_OF_TURN) && i == 1 ? 2 : i,
             sizes[i]);
        if (i == 1) /* two in one call, of which the second is not taken */
            tell(teller, 2, 0, LTI_HISTORY_SEND, 2, sizes[2] + is(teller, SENT_BEHIND_CHANGED));
        tell(teller, 2, 0, LTI_HISTORY_SENT, i, 0);
        if (is(teller, SENT_TWICE) && i == 1)
            tell(teller, 2, 0, LTI_HISTORY_SENT, i, 0);
    }
    tell(teller, 2, 0, LTI_HISTORY_CLOSE, is(teller, REPORT_UNASKED) ? 0 : 1, 0);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t size = is(teller, MESSAGE_CUT) && i == 1 ? 39 : sizes[i];
        uint64_t wrong = is(teller, MESSAGE_WRONG) && i == 1 ? 5 : LTI_HISTORY_NONE;
        if (is(teller, MESSAGE_LOST) && i == 1)
            continue;
        lti_history_log(teller->history, 2, 1, LTI_HISTORY_MESSAGE, i, size, wrong);
        if (is(teller, MESSAGE_TWICE) && i == 1)
            lti_history_log(teller->history, 2, 1, LTI_HISTORY_MESSAGE, i, size, wrong);
    }
    if (is(teller, MESSAGE_INVENTED))
        tell(teller, 2, 1, LTI_HISTORY_MESSAGE, 3, 1);
    if (is(teller, EVENT_AFTER_CLOSE))
        tell(teller, 2, 0, LTI_HISTORY_EVENT, LEAT_EVENT_HANGUP, 0);
    if (!is(teller, REPORT_MISSING))
        tell(teller, 2, 0, LTI_HISTORY_REPORT, is(teller, REPORT_OF_FULL) ? LEAT_E_FULL : LEAT_OK,
             is(teller, REPORT_LIES) ? 1 : 0);
    if (is(teller, REPORT_TWICE))
        tell(teller, 2, 0, LTI_HISTORY_REPORT, LEAT_OK, 0);
    tell(teller, 2, 1, LTI_HISTORY_CLOSED, LEAT_E_CLOSED, 0);
}

static void tell_waits(const struct teller *teller)
{
    uint64_t due = 1000000, end = due + 500;
    if (is(teller, WAIT_TOO_SHORT))
        end = due - 1;
    if (is(teller, WAIT_TOO_LONG))
        end = due + 1001;
    lti_history_log(teller->history, 3, 0, LTI_HISTORY_WAIT, due, end, 1000);
}

static bool tell_all(enum corruption corruption, struct lti_history_result *result_out)
{
    struct teller teller = {lti_history_new(42), corruption};
    REQUIRE(teller.history != NULL);
    tell_bytes_written(&teller);
    tell_bytes_read(&teller);
    tell_messages(&teller);
    tell_waits(&teller);
    bool good = lti_history_check(teller.history, true, result_out);
    lti_history_free(teller.history);
    return good;
}

TEST(history_true_is_accepted)
{
    struct lti_history_result result;
    CHECK(tell_all(NOTHING, &result));
    CHECK(result.rule == NULL);
    CHECK_INT(result.bytes, 1000);
    CHECK_INT(result.messages, 3);
    CHECK_INT(result.lost, 0);
    CHECK_INT(result.unknown, 0);
}

TEST(history_each_corruption_is_rejected)
{
    struct lti_history_result result;
    CHECK(CORRUPTIONS - NOTHING - 1 >= 20);
    for (int i = NOTHING + 1; i < CORRUPTIONS; i++) {
        CHECK(!tell_all((enum corruption)i, &result));
        CHECK_STR(result.rule ? result.rule : "accepted", corruption_rules[i]);
    }
}

/* What is missing is fine when somebody was told, or ended it so himself. */
static bool tell_shortfall(enum lti_history_kind kind, uint32_t end, uint64_t a, uint64_t *lost_out)
{
    struct lti_history_result result;
    struct teller teller = {lti_history_new(1), NOTHING};
    REQUIRE(teller.history != NULL);
    tell(&teller, 0, 0, LTI_HISTORY_SUBMIT, 0, 100);
    tell(&teller, 0, 0, LTI_HISTORY_ACCEPTED, 0, 100);
    if (kind == LTI_HISTORY_REPORT)
        tell(&teller, 0, end, LTI_HISTORY_CLOSE, 1, 0);
    tell(&teller, 0, end, kind, a, 0);
    bool good = lti_history_check(teller.history, true, &result);
    *lost_out = result.lost;
    lti_history_free(teller.history);
    return good;
}

TEST(history_a_shortfall_needs_a_reason)
{
    uint64_t lost = 0;
    CHECK(!tell_shortfall(LTI_HISTORY_EVENT, 0, LEAT_EVENT_HANGUP, &lost));
    CHECK(!tell_shortfall(LTI_HISTORY_CLOSED, 1, LEAT_OK, &lost));
    CHECK(!tell_shortfall(LTI_HISTORY_CLOSED, 1, LEAT_E_CLOSED, &lost));
    CHECK(!tell_shortfall(LTI_HISTORY_REPORT, 0, LEAT_OK, &lost));
    CHECK(!tell_shortfall(LTI_HISTORY_FINISHED, 1, 0, &lost));
    CHECK(tell_shortfall(LTI_HISTORY_CLOSED, 1, LEAT_E_BROKEN, &lost));
    CHECK_INT(lost, 100);
    CHECK(tell_shortfall(LTI_HISTORY_CLOSED, 0, LEAT_E_BROKEN, &lost));
    CHECK(tell_shortfall(LTI_HISTORY_REPORT, 0, LEAT_E_TIMEOUT, &lost));
    CHECK(tell_shortfall(LTI_HISTORY_ABORT, 0, 0, &lost));
    CHECK(tell_shortfall(LTI_HISTORY_KILLED, 0, 0, &lost));
    CHECK(tell_shortfall(LTI_HISTORY_CLOSE, 1, 1, &lost) == false); /* its report is missing */
    CHECK(tell_shortfall(LTI_HISTORY_ABORT, 1, 0, &lost));
    CHECK_INT(lost, 100);
}

TEST(history_open_means_unknown)
{
    struct lti_history_result result;
    struct teller teller = {lti_history_new(1), NOTHING};
    REQUIRE(teller.history != NULL);
    tell(&teller, 0, 0, LTI_HISTORY_SUBMIT, 0, 100);
    tell(&teller, 0, 0, LTI_HISTORY_ACCEPTED, 0, 100);
    CHECK(lti_history_check(teller.history, false, &result));
    CHECK_INT(result.unknown, 100);
    CHECK(!lti_history_check(teller.history, true, &result));
    CHECK_STR(result.rule, "R4");
    lti_history_free(teller.history);
}

TEST(history_content_is_a_function_of_its_place)
{
    uint8_t whole[1000], part[1000], other[1000];
    struct lti_history *history = lti_history_new(9);
    REQUIRE(history != NULL);
    lti_history_fill(history, 5, 1, LTI_HISTORY_BYTES, 0, whole, sizeof whole);
    for (size_t offset = 0, size = 1; offset < sizeof part; offset += size, size = size % 37 + 1) {
        if (size > sizeof part - offset)
            size = sizeof part - offset;
        lti_history_fill(history, 5, 1, LTI_HISTORY_BYTES, offset, part + offset, size);
    }
    CHECK_MEM(part, whole, sizeof whole);
    for (size_t at = 0; at < sizeof part; at++) {
        part[at] ^= 1;
        CHECK_INT(lti_history_wrong(history, 5, 1, LTI_HISTORY_BYTES, 0, part, sizeof part), at);
        part[at] ^= 1;
    }
    lti_history_fill(history, 5, 0, LTI_HISTORY_BYTES, 0, other, sizeof other);
    CHECK(memcmp(other, whole, sizeof whole) != 0);
    lti_history_fill(history, 5, 1, 0, 0, other, sizeof other);
    CHECK(memcmp(other, whole, sizeof whole) != 0);
    lti_history_fill(history, 5, 1, LTI_HISTORY_BYTES, 1, other, sizeof other - 1);
    CHECK_MEM(other, whole + 1, sizeof whole - 1);
    lti_history_free(history);
}
