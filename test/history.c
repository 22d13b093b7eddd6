/* SPDX-License-Identifier: MIT
 *
 * Judges histories: one pass over the log, then one over the connections.
 *
 * Happy path: each entry moves the state of its end and is checked against both ends' states; when
 *             all are read, what was accepted and not received must have a reason.
 * Fails:      at the first violation, with the rule and the place; a log that makes no sense (a
 *             received message nobody sent) is a violation, not a crash.
 * Invariants: time and memory grow with the number of entries only.
 */
#include "history.h"

#include "leat/leat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint64_t a, b, c;
    uint32_t conn;
    uint8_t end, kind;
};

struct lti_history {
    uint64_t key;
    struct entry *entries;
    size_t count, capacity;
    uint32_t conns;
    bool broken; /* no memory: entries are missing */
};

/* What one end did and was told. */
struct end {
    uint64_t submitted, accepted, received; /* bytes */
    uint64_t sending, sent, messages;       /* messages: submitted, accepted, received */
    size_t first_send, last_send;           /* entries + 1, of what the peer did not receive yet */
    size_t first_unsent;                    /* the same, of what was not accepted yet */
    uint32_t owed;                          /* WRITABLE events */
    bool finish, finished, closed, ended, aborted, killed, reports, reported;
    bool failed; /* it was told of an end that may lose bytes */
};

struct judge {
    const struct lti_history *history;
    struct end *ends;
    size_t *next; /* of a SEND entry: the next one of its end, + 1 */
    size_t place;
    struct lti_history_result *result;
};

struct lti_history *lti_history_new(uint64_t key)
{
    struct lti_history *history = calloc(1, sizeof *history);
    if (history)
        history->key = key;
    return history;
}

void lti_history_free(struct lti_history *history)
{
    if (!history)
        return;
    free(history->entries);
    free(history);
}

static uint64_t content_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

static uint64_t content_key(const struct lti_history *history, uint32_t conn, uint32_t end,
                            uint64_t number)
{
    uint64_t stream = ((uint64_t)conn << 1 | end) + 1;
    return content_mix(history->key + stream * UINT64_C(0x9E3779B97F4A7C15)) ^ content_mix(number);
}

static uint8_t content_byte(uint64_t key, uint64_t offset)
{
    uint64_t word = content_mix(key + (offset >> 3) * UINT64_C(0xD1342543DE82EF95));
    return (uint8_t)(word >> ((offset & 7) * 8));
}

/* Eight bytes at a time where that is possible: this is most of the work of a simulation. */
static size_t content_block(uint64_t key, uint64_t offset, size_t size, uint8_t block[8])
{
    uint64_t word = content_mix(key + (offset >> 3) * UINT64_C(0xD1342543DE82EF95));
    if ((offset & 7) != 0 || size < 8) {
        block[0] = content_byte(key, offset);
        return 1;
    }
    for (size_t i = 0; i < 8; i++)
        block[i] = (uint8_t)(word >> (i * 8));
    return 8;
}

void lti_history_fill(const struct lti_history *history, uint32_t conn, uint32_t end,
                      uint64_t number, uint64_t offset, void *buffer, size_t size)
{
    uint64_t key = content_key(history, conn, end, number);
    uint8_t *bytes = buffer;
    uint8_t block[8];
    for (size_t done = 0, piece = 0; done < size; done += piece) {
        piece = content_block(key, offset + done, size - done, block);
        memcpy(bytes + done, block, piece);
    }
}

uint64_t lti_history_wrong(const struct lti_history *history, uint32_t conn, uint32_t end,
                           uint64_t number, uint64_t offset, const void *buffer, size_t size)
{
    uint64_t key = content_key(history, conn, end, number);
    const uint8_t *bytes = buffer;
    uint8_t block[8];
    for (size_t done = 0, piece = 0; done < size; done += piece) {
        piece = content_block(key, offset + done, size - done, block);
        if (memcmp(bytes + done, block, piece) == 0)
            continue;
        while (bytes[done] == content_byte(key, offset + done))
            done++;
        return offset + done;
    }
    return LTI_HISTORY_NONE;
}

void lti_history_log(struct lti_history *history, uint32_t conn, uint32_t end,
                     enum lti_history_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    if (history->count == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 1024;
        struct entry *grown = realloc(history->entries, capacity * sizeof *grown);
        if (!grown) {
            history->broken = true;
            return;
        }
        history->entries = grown;
        history->capacity = capacity;
    }
    history->entries[history->count++] = (struct entry){a, b, c, conn, end & 1, (uint8_t)kind};
    if (conn >= history->conns)
        history->conns = conn + 1;
}

size_t lti_history_count(const struct lti_history *history)
{
    return history->count;
}

/* ---- Judging
 * ---------------------------------------------------------------------------------- */

static bool judge_fail(struct judge *judge, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool judge_fail(struct judge *judge, const char *rule, const char *format, ...)
{
    struct lti_history_result *result = judge->result;
    va_list arguments;
    result->rule = rule;
    result->place = judge->place;
    va_start(arguments, format);
    (void)vsnprintf(result->text, sizeof result->text, format, arguments);
    va_end(arguments);
    return false;
}

#define AT "conn %u end %u: "

/* Errors that a connection may end with. */
static bool error_may_end(uint64_t error)
{
    switch (error) {
    case LEAT_OK:
    case LEAT_E_TIMEOUT:
    case LEAT_E_BUSY:
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_REFUSED:
    case LEAT_E_NOT_FOUND:
    case LEAT_E_DENIED:
    case LEAT_E_UNTRUSTED:
    case LEAT_E_TOO_BIG:
    case LEAT_E_PROTOCOL:
    case LEAT_E_LIMIT:
    case LEAT_E_MEMORY:
    case LEAT_E_UNSUPPORTED:
    case LEAT_E_SYSTEM:
        return true;
    default:
        return false;
    }
}

static bool error_is_orderly(uint64_t error)
{
    return error == LEAT_OK || error == LEAT_E_CLOSED;
}

static bool judge_sent_bytes(struct judge *judge, const struct entry *it, struct end *self)
{
    if (it->a != self->accepted)
        return judge_fail(judge, "R2", AT "at offset %llu, not %llu", it->conn, it->end,
                          (unsigned long long)it->a, (unsigned long long)self->accepted);
    if (it->kind == LTI_HISTORY_SUBMIT) {
        if (it->a + it->b > self->submitted)
            self->submitted = it->a + it->b;
        return true;
    }
    if (it->b > self->submitted - self->accepted)
        return judge_fail(judge, "R2", AT "accepted more than submitted", it->conn, it->end);
    if (self->finish && it->b > 0)
        return judge_fail(judge, "R9", AT "accepted after finish", it->conn, it->end);
    self->accepted += it->b;
    return true;
}

static bool judge_received_bytes(struct judge *judge, const struct entry *it, struct end *self,
                                 const struct end *peer)
{
    if (it->a != self->received)
        return judge_fail(judge, "R1", AT "received offset %llu, not %llu", it->conn, it->end,
                          (unsigned long long)it->a, (unsigned long long)self->received);
    if (it->c != LTI_HISTORY_NONE)
        return judge_fail(judge, "R1", AT "wrong content at offset %llu", it->conn, it->end,
                          (unsigned long long)it->c);
    if (self->finished && it->b > 0)
        return judge_fail(judge, "R9", AT "received after FINISHED", it->conn, it->end);
    self->received += it->b;
    if (self->received > peer->submitted)
        return judge_fail(judge, "R2", AT "received more than submitted", it->conn, it->end);
    judge->result->bytes += it->b;
    return true;
}

static bool judge_send(struct judge *judge, const struct entry *it, struct end *self)
{
    if (it->kind == LTI_HISTORY_SENT) {
        if (it->a != self->sent || self->sending == self->sent)
            return judge_fail(judge, "R5", AT "sent message %llu, not %llu", it->conn, it->end,
                              (unsigned long long)it->a, (unsigned long long)self->sent);
        if (self->finish)
            return judge_fail(judge, "R9", AT "sent after finish", it->conn, it->end);
        self->sent++;
        self->first_unsent = judge->next[self->first_unsent - 1];
        return true;
    }
    if (it->a < self->sent || it->a > self->sending)
        return judge_fail(judge, "R5", AT "sends message %llu, not %llu", it->conn, it->end,
                          (unsigned long long)it->a, (unsigned long long)self->sent);
    if (it->a < self->sending) {
        /* The same message is tried again; it was not sent the last time. */
        size_t place = self->first_unsent;
        for (uint64_t number = self->sent; number < it->a; number++)
            place = judge->next[place - 1];
        if (judge->history->entries[place - 1].b != it->b)
            return judge_fail(judge, "R5", AT "another size the second time", it->conn, it->end);
        return true;
    }
    self->sending++;
    if (self->last_send)
        judge->next[self->last_send - 1] = judge->place + 1;
    if (!self->first_send)
        self->first_send = judge->place + 1;
    if (!self->first_unsent)
        self->first_unsent = judge->place + 1;
    self->last_send = judge->place + 1;
    return true;
}

static bool judge_message(struct judge *judge, const struct entry *it, struct end *self,
                          struct end *peer)
{
    if (it->a != self->messages)
        return judge_fail(judge, "R5", AT "received message %llu, not %llu", it->conn, it->end,
                          (unsigned long long)it->a, (unsigned long long)self->messages);
    if (!peer->first_send)
        return judge_fail(judge, "R2", AT "received what nobody sent", it->conn, it->end);
    const struct entry *send = &judge->history->entries[peer->first_send - 1];
    if (send->a != it->a || send->b != it->b)
        return judge_fail(judge, "R5", AT "message %llu has %llu bytes, not %llu", it->conn,
                          it->end, (unsigned long long)it->a, (unsigned long long)it->b,
                          (unsigned long long)send->b);
    if (it->c != LTI_HISTORY_NONE)
        return judge_fail(judge, "R1", AT "message %llu is wrong at %llu", it->conn, it->end,
                          (unsigned long long)it->a, (unsigned long long)it->c);
    if (self->finished)
        return judge_fail(judge, "R9", AT "received after FINISHED", it->conn, it->end);
    peer->first_send = judge->next[peer->first_send - 1];
    self->messages++;
    judge->result->messages++;
    return true;
}

static bool judge_end_event(struct judge *judge, const struct entry *it, struct end *self,
                            const struct end *peer)
{
    if (it->kind == LTI_HISTORY_CLOSED) {
        if (!error_may_end(it->a))
            return judge_fail(judge, "R6", AT "CLOSED with %s", it->conn, it->end,
                              leat_error_name((enum leat_error)it->a));
        self->ended = true;
        self->failed |= !error_is_orderly(it->a) || it->b > 0;
        return true;
    }
    if (self->finished)
        return judge_fail(judge, "R6", AT "FINISHED twice", it->conn, it->end);
    self->finished = true;
    if (peer->finish && (self->received > peer->accepted || self->messages > peer->sent))
        return judge_fail(judge, "R2", AT "more was received than accepted", it->conn, it->end);
    /* Who finished can accept no more, and as long as it is there nothing of it may be lost. */
    if (peer->finish && !peer->closed && !peer->ended &&
        (self->received != peer->accepted || self->messages != peer->sent))
        return judge_fail(judge, "R3", AT "FINISHED, but not everything came", it->conn, it->end);
    return true;
}

static bool judge_user_end(struct judge *judge, const struct entry *it, struct end *self)
{
    switch (it->kind) {
    case LTI_HISTORY_FINISH:
        if (self->finish)
            return judge_fail(judge, "R9", AT "finished twice", it->conn, it->end);
        self->finish = true;
        break;
    case LTI_HISTORY_CLOSE:
        self->closed = true;
        self->reports = it->a != 0;
        break;
    case LTI_HISTORY_ABORT:
        self->closed = self->aborted = true;
        break;
    case LTI_HISTORY_KILLED:
        self->closed = self->killed = true;
        break;
    default:
        break;
    }
    return true;
}

static bool judge_report(struct judge *judge, const struct entry *it, struct end *self)
{
    if (!self->reports || self->reported || self->killed)
        return judge_fail(judge, "R6", AT "a report that nobody waits for", it->conn, it->end);
    if (it->a != LEAT_OK && it->a != LEAT_E_TIMEOUT && it->a != LEAT_E_BROKEN)
        return judge_fail(judge, "R6", AT "a report of %s", it->conn, it->end,
                          leat_error_name((enum leat_error)it->a));
    if (it->a == LEAT_OK && it->b > 0)
        return judge_fail(judge, "R4", AT "reported OK with undelivered bytes", it->conn, it->end);
    self->reported = true;
    self->failed |= it->a != LEAT_OK;
    return true;
}

static bool judge_limits(struct judge *judge, const struct entry *it, struct end *self)
{
    switch (it->kind) {
    case LTI_HISTORY_LEVEL:
        if (it->a > it->b)
            return judge_fail(judge, "R10", AT "%llu wait, the limit is %llu", it->conn, it->end,
                              (unsigned long long)it->a, (unsigned long long)it->b);
        break;
    case LTI_HISTORY_FULL:
        self->owed = 1;
        break;
    case LTI_HISTORY_WRITABLE:
        if (self->owed == 0)
            return judge_fail(judge, "R10", AT "WRITABLE without FULL", it->conn, it->end);
        self->owed = 0;
        break;
    case LTI_HISTORY_WAIT:
        if (it->b < it->a)
            return judge_fail(judge, "R11", AT "a wait ended too early", it->conn, it->end);
        if (it->b - it->a > it->c)
            return judge_fail(judge, "R11", AT "a wait ended %llu too late", it->conn, it->end,
                              (unsigned long long)(it->b - it->a));
        break;
    default:
        break;
    }
    return true;
}

static bool judge_entry(struct judge *judge, const struct entry *it)
{
    struct end *self = &judge->ends[2 * it->conn + it->end];
    struct end *peer = &judge->ends[2 * it->conn + (it->end ^ 1u)];
    if (it->kind == LTI_HISTORY_REPORT)
        return judge_report(judge, it, self);
    if (it->kind == LTI_HISTORY_KILLED) /* whatever it did before */
        return judge_user_end(judge, it, self);
    if (self->closed)
        return judge_fail(judge, "R9", AT "something after the user's end", it->conn, it->end);
    if (self->ended)
        return judge_fail(judge, it->kind == LTI_HISTORY_CLOSED ? "R6" : "R9",
                          AT "something after CLOSED", it->conn, it->end);
    switch (it->kind) {
    case LTI_HISTORY_SUBMIT:
    case LTI_HISTORY_ACCEPTED:
        return judge_sent_bytes(judge, it, self);
    case LTI_HISTORY_RECEIVED:
        return judge_received_bytes(judge, it, self, peer);
    case LTI_HISTORY_SEND:
    case LTI_HISTORY_SENT:
        return judge_send(judge, it, self);
    case LTI_HISTORY_MESSAGE:
        return judge_message(judge, it, self, peer);
    case LTI_HISTORY_FINISHED:
    case LTI_HISTORY_CLOSED:
        return judge_end_event(judge, it, self, peer);
    case LTI_HISTORY_FINISH:
    case LTI_HISTORY_CLOSE:
    case LTI_HISTORY_ABORT:
        return judge_user_end(judge, it, self);
    default:
        return judge_limits(judge, it, self);
    }
}

/* One direction, when all is told. */
static bool judge_direction(struct judge *judge, uint32_t conn, uint32_t sender, bool complete)
{
    const struct end *from = &judge->ends[2 * conn + sender];
    const struct end *to = &judge->ends[2 * conn + (sender ^ 1u)];
    /* A killed sender cannot say what its last call accepted. */
    uint64_t bytes = from->killed ? from->submitted : from->accepted;
    uint64_t messages = from->killed ? from->sending : from->sent;
    if (to->received > bytes || to->messages > messages)
        return judge_fail(judge, "R2", AT "more was received than accepted", conn, sender);
    if (from->reports && !from->reported && !from->killed && complete)
        return judge_fail(judge, "R6", AT "the report never came", conn, sender);
    uint64_t missing = 0;
    if (from->accepted > to->received)
        missing = from->accepted - to->received;
    if (from->sent > to->messages)
        missing += from->sent - to->messages;
    if (missing == 0)
        return true;
    bool reason = from->aborted || from->killed || to->closed || from->failed || to->failed ||
                  (from->closed && !from->reports);
    if (reason) {
        judge->result->lost += missing;
        return true;
    }
    if (!complete && !to->ended && !to->finished) {
        judge->result->unknown += missing;
        return true;
    }
    bool orderly = (from->finish || from->closed) && (to->finished || to->ended);
    return judge_fail(judge, orderly ? "R3" : "R4", AT "%llu accepted, %llu not received", conn,
                      sender, (unsigned long long)(from->accepted + from->sent),
                      (unsigned long long)missing);
}

static bool judge_run(struct judge *judge, bool complete)
{
    const struct lti_history *history = judge->history;
    for (judge->place = 0; judge->place < history->count; judge->place++) {
        if (!judge_entry(judge, &history->entries[judge->place]))
            return false;
    }
    for (uint32_t i = 0; i < 2 * history->conns; i++) {
        if (!judge_direction(judge, i / 2, i % 2, complete))
            return false;
    }
    return true;
}

bool lti_history_check(const struct lti_history *history, bool complete,
                       struct lti_history_result *result_out)
{
    struct judge judge = {.history = history, .result = result_out};
    *result_out = (struct lti_history_result){0};
    judge.ends = calloc(2 * (size_t)history->conns + 1, sizeof *judge.ends);
    judge.next = calloc(history->count + 1, sizeof *judge.next);
    bool good = false;
    if (!judge.ends || !judge.next || history->broken)
        (void)judge_fail(&judge, "memory", "the machine is out of memory");
    else
        good = judge_run(&judge, complete);
    free(judge.ends);
    free(judge.next);
    return good;
}
