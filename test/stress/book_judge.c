/* SPDX-License-Identifier: MIT
 *
 * The last word about ends that many threads used: what is under way is read, and all is judged.
 *
 * Happy path: each open end says something more, so that who is at its other end is known and what
 *             it had sent before must come; events are taken until nothing is under way; then
 *             the tale is told how each stream's two ends ended, and the history checker judges.
 * Fails:      what does not become quiet in time; an end that is gone though nobody ended it; and
 *             what the history checker finds: of what was accepted at an end, all was received
 *             unless one of both ended it, or was told so.
 * Invariants: no thread but this one uses the hubs. When an end was ended while another thread sent
 *             or received there, nobody can say which was first: so the tale has the ends last.
 */
#include "book_private.h"

#include <stdio.h>

/* ---- Quiet ----------------------------------------------------------------------------------- */

/* Neither the user nor the peer or the system ended it. */
static bool is_open(const struct stress_shared *end)
{
    return end->hub != NULL && atomic_load(&end->over) == 0 && !atomic_load(&end->closed);
}

static void say_more(struct stress_shared *end)
{
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0, accepted = 0;
    if (leat_resume(end->hub, end->conn) == LEAT_E_STALE) /* so is what was never there */
        return;
    REQUIRE(stress_write_begin(end, bytes, 2 * STRESS_HEAD_BYTES));
    enum leat_error error =
        leat_write(end->hub, end->conn, bytes, 2 * STRESS_HEAD_BYTES, &accepted);
    stress_write_done(end, error, accepted);
    if (error != LEAT_E_STATE)
        return;
    REQUIRE(stress_send_begin(end, bytes, &size));
    stress_send_done(end, leat_send(end->hub, end->conn, bytes, size));
}

/* True when there may be more. */
static bool drink_once(struct stress_shared *end)
{
    uint8_t bytes[STRESS_PIECE_MAX];
    size_t size = 0;
    REQUIRE(stress_take_begin(end));
    enum leat_error error = leat_read(end->hub, end->conn, bytes, sizeof bytes, &size);
    if (error == LEAT_OK)
        stress_take_bytes(end, bytes, size);
    if (error == LEAT_E_STATE) {
        error = leat_receive(end->hub, end->conn, bytes, sizeof bytes, &size);
        if (error == LEAT_OK)
            stress_take_message(end, bytes, size);
    }
    stress_take_done(end, error);
    return error == LEAT_OK;
}

/* True when there was an event. */
static bool turn(struct stress_book *book, struct leat_hub *hub, uint32_t timeout_ms)
{
    struct leat_event event;
    enum leat_error error = leat_next(hub, &event, timeout_ms);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error != LEAT_OK)
        return false;
    stress_book_event(book, hub, &event);
    if (event.type == LEAT_EVENT_ASKED)
        (void)leat_allow(hub, event.conn);
    if (event.type == LEAT_EVENT_ACCEPTED)
        say_more(stress_shared(book, hub, event.conn));
    if (event.type == LEAT_EVENT_READABLE)
        while (drink_once(stress_shared(book, hub, event.conn))) {
        }
    return true;
}

/* Nothing more is to be told to this end, nor to come to it. */
static bool is_settled(const struct stress_shared *end)
{
    const struct stress_shared *peer = stress_shared_peer(end);
    if (atomic_load(&end->over) == LTI_HISTORY_REPORT && !atomic_load(&end->reported))
        return false;
    if (!is_open(end) || atomic_load(&end->drops) || peer == NULL)
        return true;
    if (!is_open(peer))
        return atomic_load(&end->finished);
    return end->in.bytes == peer->out.bytes && end->in.messages == peer->out.messages;
}

static const struct stress_shared *unsettled(const struct stress_book *book)
{
    for (uint32_t i = 0; i < atomic_load(&book->count); i++)
        if (!is_settled(&book->ends[i]))
            return &book->ends[i];
    return NULL;
}

static void settle(struct stress_book *book, struct leat_hub *const *hubs, size_t count)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    uint32_t ends = atomic_load(&book->count);
    bool quiet = false;
    for (uint32_t i = 0; i < ends; i++)
        if (is_open(&book->ends[i]))
            say_more(&book->ends[i]);
    while ((!quiet || unsettled(book) != NULL) && lti_test_now_ms() < until) {
        quiet = true;
        for (size_t i = 0; i < count; i++)
            while (turn(book, hubs[i], 1) && lti_test_now_ms() < until)
                quiet = false;
    }
    const struct stress_shared *end = unsettled(book);
    if (!CHECK(quiet && end == NULL) && end != NULL)
        (void)printf("end %u (id 0x%llx) waits for what was accepted, for an end or a report\n",
                     end->number, (unsigned long long)end->conn.id);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* An end that is still there, of which a wait may have taken CLOSED, is asked how it ended; one
 * that is not there was ended by somebody, or was never handed out. */
static void open_end(struct stress_shared *end)
{
    struct leat_conn_info info = {.size = sizeof info};
    uint64_t undelivered = 0;
    enum leat_error error = leat_conn_info_get(end->hub, end->conn, &info);
    if (error != LEAT_OK) {
        CHECK_ERROR(error, LEAT_E_STALE);
        CHECK(!atomic_load(&end->made));
        stress_shared_over(end, LTI_HISTORY_ABORT);
    } else if (atomic_load(&end->drops)) {
        error = leat_close_wait(end->hub, end->conn, 0, &undelivered);
        stress_shared_close_wait(end, error, undelivered);
    }
}

static void tell(const struct stress_shared *stream, uint32_t side, enum lti_history_kind kind,
                 uint64_t a, uint64_t b)
{
    stress_tell(stream->book->tale, 0, stream->number, side, kind, a, b, 0);
}

static void sender_tell(const struct stress_shared *end)
{
    enum leat_error error = end->report_error;
    bool reports = atomic_load(&end->over) == LTI_HISTORY_REPORT;
    bool now = error == LEAT_OK || error == LEAT_E_TIMEOUT || error == LEAT_E_BROKEN;
    if (atomic_load(&end->finish))
        tell(end, 0, LTI_HISTORY_FINISH, 0, 0);
    if (atomic_load(&end->closed)) {
        tell(end, 0, LTI_HISTORY_CLOSED, (uint64_t)end->error, end->undelivered);
    } else if (reports && !now) { /* why it had ended before it was closed */
        tell(end, 0, LTI_HISTORY_CLOSED, (uint64_t)error, end->report_undelivered);
    } else if (reports) {
        tell(end, 0, LTI_HISTORY_CLOSE, 1, 0);
        if (atomic_load(&end->reported))
            tell(end, 0, LTI_HISTORY_REPORT, (uint64_t)error, end->report_undelivered);
    } else if (atomic_load(&end->over) != 0) {
        tell(end, 0, (enum lti_history_kind)atomic_load(&end->over), 0, 0);
    }
}

static void receiver_tell(const struct stress_shared *stream, const struct stress_shared *end)
{
    /* Neither end of a dialled connection ever heard of the other, though each that was open to
     * the last said something: nobody accepted it, or it was ended before anything was read. */
    if (end == NULL) {
        tell(stream, 1, LTI_HISTORY_ABORT, 0, 0);
        return;
    }
    if (atomic_load(&end->drops)) { /* of his own will he did not receive it all */
        tell(stream, 1, LTI_HISTORY_CLOSE, 0, 0);
        return;
    }
    if (atomic_load(&end->finished))
        tell(stream, 1, LTI_HISTORY_FINISHED, 0, 0);
    /* What it was told about the loss of what it sent is no reason here. */
    if (atomic_load(&end->closed))
        tell(stream, 1, LTI_HISTORY_CLOSED, (uint64_t)end->error, 0);
    else if (atomic_load(&end->over) != 0)
        tell(stream, 1, LTI_HISTORY_CLOSE, 0, 0);
}

struct lti_history_result stress_book_judge(struct stress_book *book, struct leat_hub *const *hubs,
                                            size_t count)
{
    settle(book, hubs, count);
    for (uint32_t i = 0; i < atomic_load(&book->count); i++)
        if (is_open(&book->ends[i]))
            open_end(&book->ends[i]);
    for (uint32_t i = 0; i < atomic_load(&book->count); i++) {
        struct stress_shared *stream = &book->ends[i];
        if (stream->out.bytes + stream->out.messages == 0)
            continue;
        sender_tell(stream);
        receiver_tell(stream, stress_shared_peer(stream));
    }
    return stress_tale_judge(book->tale);
}
