/* SPDX-License-Identifier: MIT
 *
 * Stories with bytes: exchange, lines, bulk, linger, abort.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: data is sent and read in whole pieces, so that how the system cuts it does not show.
 */
#include "story.h"

#include "os_fault.h"

#include <stdlib.h>
#include <string.h>

#define BULK_BYTES 262144u
#define BULK_PIECE 16384u

void lti_story_of_hub(struct lti_story *story)
{
    struct leat_hub *const untouched = story->hub;
    struct leat_hub *second = untouched;
    struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    enum leat_error error = leat_hub_create(&options, &second);
    if (error != LEAT_OK && second != untouched)
        lti_story_complain(story, "leat_hub_create failed and touched its output");
    if (!lti_story_note(story, 0, "leat_hub_create", error))
        return;
    struct leat_event event;
    (void)lti_story_note(story, 0, "leat_next", leat_next(second, &event, 10));
    (void)lti_story_note(story, 0, "leat_hub_destroy", leat_hub_destroy(second));
}

void lti_story_of_pair(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "hello from a");
    (void)lti_story_read(story, 2, b, 12);
    (void)lti_story_write(story, 2, b, "hello from b");
    (void)lti_story_write(story, 2, b, ", and more");
    (void)lti_story_read(story, 1, a, 22);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
    (void)lti_story_abort(story, 2, b);
}

void lti_story_of_lines(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "one\ntwo\nthree");
    (void)lti_story_line(story, 2, b);
    (void)lti_story_line(story, 2, b);
    if (LTI_STORY_SOCKETS)
        (void)lti_story_finish(story, 1, a);
    else
        (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_line(story, 2, b);
    (void)lti_story_line(story, 2, b);
    (void)lti_story_close(story, 2, b, LTI_STORY_MS);
    if (LTI_STORY_SOCKETS)
        (void)lti_story_wait_closed(story, 1, a);
}

/* Writes what fits and reads what came, in turn, until everything has gone over. */
static void bulk_move(struct lti_story *story, leat_conn a, leat_conn b)
{
    static char piece[BULK_PIECE], got[BULK_PIECE];
    size_t sent = 0, received = 0;
    memset(piece, 'x', sizeof piece);
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 4000 && received < BULK_BYTES && error == LEAT_OK; i++) {
        size_t size = 0;
        if (sent < BULK_BYTES) {
            size_t want = BULK_BYTES - sent < BULK_PIECE ? BULK_BYTES - sent : BULK_PIECE;
            enum leat_error full = leat_write(story->hub, a, piece, want, &size);
            if (full == LEAT_OK)
                sent += size;
            else if (full != LEAT_E_FULL)
                error = full;
        }
        enum leat_error empty = leat_read(story->hub, b, got, sizeof got, &size);
        if (empty == LEAT_OK) {
            received += size;
            if (memcmp(got, piece, size) != 0)
                lti_story_complain(story, "bulk data was changed");
        } else if (empty == LEAT_E_EMPTY) {
            empty = leat_wait_readable(story->hub, b, LTI_STORY_MS);
        }
        if (error == LEAT_OK)
            error = empty;
    }
    lti_story_say(story, 2, "%s of the bulk ", received == BULK_BYTES ? "all" : "a part");
    (void)lti_story_note(story, 2, "bulk", error);
}

void lti_story_of_bulk(struct lti_story *story)
{
    leat_conn a, b;
    struct leat_conn_options options = {
        .size = sizeof options, .inbox_bytes = 4 * BULK_PIECE, .outbox_bytes = 4 * BULK_PIECE};
    if (!lti_story_pair(story, 1, 2, &options, &a, &b))
        return;
    bulk_move(story, a, b);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
}

void lti_story_of_linger(struct lti_story *story)
{
    leat_conn a, b;
    size_t size = 0, total = 0;
    struct leat_event event;
    static char much[1u << 19];
    uint64_t accepted = 0;
    static const struct leat_conn_options wide = {.size = sizeof wide, .outbox_bytes = sizeof much};
    if (!lti_story_pair(story, 1, 2, &wide, &a, &b))
        return;
    /* More than the system's buffers take, to a peer that does not read until it is too late. */
    (void)lti_story_note(story, 2, "leat_pause", leat_pause(story->hub, b));
    (void)lti_story_note(story, 1, "leat_write",
                         leat_write(story->hub, a, much, sizeof much, &size));
    accepted = size;
    for (size_t i = 0; i < story->handles_count; i++)
        story->handles[i].over = story->handles[i].over || story->handles[i].id == a.id;
    enum leat_error error = leat_close_report(story->hub, a, 50, 1);
    if (!lti_story_note(story, 1, "leat_close_report", error))
        return;
    memset(&event, 0, sizeof event);
    for (int i = 0; i < 100 && event.type != LEAT_EVENT_CLOSE_REPORT; i++) {
        error = leat_next(story->hub, &event, LTI_STORY_MS);
        if (error != LEAT_OK)
            break;
    }
    if (error == LEAT_OK && event.error == LEAT_OK && event.bytes_undelivered > 0)
        lti_story_complain(story, "a close report of OK has undelivered bytes");
    lti_story_say(story, 1, "%s ", event.bytes_undelivered ? "undelivered" : "delivered");
    (void)lti_story_note(story, 1, "report", error == LEAT_OK ? event.error : error);
    (void)leat_resume(story->hub, b);
    for (int i = 0; i < 2000; i++) {
        error = leat_skip(story->hub, b, sizeof much, &size);
        if (error == LEAT_E_EMPTY) {
            error = leat_wait_readable(story->hub, b, LTI_STORY_MS);
            size = 0;
        }
        if (error != LEAT_OK)
            break;
        total += size;
    }
    if (total > accepted)
        lti_story_complain(story, "more was read than was written");
    bool ended = error == LEAT_E_FINISHED || error == LEAT_E_CLOSED;
    if (event.type == LEAT_EVENT_CLOSE_REPORT && event.error == LEAT_OK && ended &&
        total < accepted)
        lti_story_complain(story, "delivered, but not all of it was there to be read");
    (void)lti_story_note(story, 2, "the rest", error);
}

void lti_story_of_abort(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "last words");
    (void)lti_story_wait_sent(story, 1, a);
    (void)lti_story_abort(story, 1, a);
    (void)lti_story_read(story, 2, b, 10);
    (void)lti_story_wait_closed(story, 2, b);
    if (leat_abort(story->hub, a) != LEAT_E_STALE)
        lti_story_complain(story, "an aborted handle is not stale");
}

void lti_story_of_two_hubs(struct lti_story *story)
{
    struct leat_hub *other = NULL, *const first = story->hub;
    leat_conn a = {1}, b = {1};
    if (!lti_story_note(story, 0, "leat_hub_create", leat_hub_create(NULL, &other)))
        return;
    enum leat_error error = leat_pair(first, other, NULL, &a, &b);
    if (error != LEAT_OK && (a.id != 1 || b.id != 1))
        lti_story_complain(story, "leat_pair failed and touched its outputs");
    if (lti_story_note(story, 0, "leat_pair", error)) {
        lti_story_know(story, 1, a.id, LTI_STORY_CONN);
        (void)lti_story_write(story, 1, a, "across");
        (void)lti_story_wait_sent(story, 1, a);
        story->hub = other;
        (void)lti_story_read(story, 2, b, 6);
        (void)lti_story_write(story, 2, b, "back");
        (void)lti_story_wait_sent(story, 2, b);
        story->hub = first;
        (void)lti_story_read(story, 1, a, 4);
        (void)lti_story_note(story, 0, "leat_hub_destroy", leat_hub_destroy(other));
        (void)lti_story_wait_closed(story, 1, a);
        return;
    }
    (void)lti_story_note(story, 0, "leat_hub_destroy", leat_hub_destroy(other));
}
