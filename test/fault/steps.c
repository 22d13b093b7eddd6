/* SPDX-License-Identifier: MIT
 *
 * The steps that stories are made of: one public call each, its result noted.
 *
 * Happy path: the call is made, its result and what it read go to the lane.
 * Fails:      as the call; the story decides whether to go on.
 * Invariants: an output that a failed call touched, although leat.h says no, is a complaint.
 */
#include "story.h"

#include <string.h>

/* What outputs hold before a call; a failed call must leave it there. */
#define STEP_MARK UINT64_C(0xA5A5A5A5A5A5A5A5)

/* Judges the output of a call that gives a handle, and notes the result. */
static bool step_given(struct lti_story *story, int lane, const char *what, enum leat_error error,
                       uint64_t id, int kind)
{
    if (error != LEAT_OK && id != STEP_MARK)
        lti_story_complain(story, "%s failed and touched its output", what);
    if (error == LEAT_OK && (id == STEP_MARK || id == 0))
        lti_story_complain(story, "%s gave no handle", what);
    if (error == LEAT_OK)
        lti_story_know(story, lane, id, kind);
    return lti_story_note(story, lane, what, error);
}

static void step_over(struct lti_story *story, uint64_t id)
{
    for (size_t i = 0; i < story->handles_count; i++) {
        if (story->handles[i].id == id)
            story->handles[i].over = true;
    }
}

bool lti_story_listen(struct lti_story *story, int lane, const char *name,
                      const struct leat_listen_options *options, leat_listener *listener_out)
{
    listener_out->id = STEP_MARK;
    enum leat_error error = leat_listen(story->hub, name, options, listener_out);
    return step_given(story, lane, "leat_listen", error, listener_out->id, LTI_STORY_LISTENER);
}

bool lti_story_connect(struct lti_story *story, int lane, const char *name,
                       const struct leat_connect_options *options, leat_conn *conn_out)
{
    conn_out->id = STEP_MARK;
    enum leat_error error = leat_connect(story->hub, name, options, conn_out);
    return step_given(story, lane, "leat_connect", error, conn_out->id, LTI_STORY_CONN);
}

bool lti_story_connect_wait(struct lti_story *story, int lane, const char *name,
                            const struct leat_connect_options *options, leat_conn *conn_out)
{
    conn_out->id = STEP_MARK;
    enum leat_error error = leat_connect_wait(story->hub, name, options, conn_out);
    return step_given(story, lane, "leat_connect_wait", error, conn_out->id, LTI_STORY_CONN);
}

bool lti_story_wait_connected(struct lti_story *story, int lane, leat_conn conn)
{
    return lti_story_note(story, lane, "leat_wait_connected",
                          leat_wait_connected(story->hub, conn, LTI_STORY_MS));
}

bool lti_story_accept(struct lti_story *story, int lane, leat_listener listener,
                      leat_conn *conn_out)
{
    conn_out->id = STEP_MARK;
    enum leat_error error = leat_wait_accepted(story->hub, listener, LTI_STORY_MS, conn_out);
    return step_given(story, lane, "leat_wait_accepted", error, conn_out->id, LTI_STORY_CONN);
}

bool lti_story_pair(struct lti_story *story, int lane_a, int lane_b,
                    const struct leat_conn_options *options, leat_conn *a_out, leat_conn *b_out)
{
    a_out->id = STEP_MARK;
    b_out->id = STEP_MARK;
    enum leat_error error = leat_pair(story->hub, story->hub, options, a_out, b_out);
    bool b_given = step_given(story, lane_b, "leat_pair", error, b_out->id, LTI_STORY_CONN);
    return step_given(story, lane_a, "leat_pair", error, a_out->id, LTI_STORY_CONN) && b_given;
}

bool lti_story_adopt(struct lti_story *story, int lane, intptr_t handle,
                     const struct leat_conn_options *options, leat_conn *conn_out)
{
    conn_out->id = STEP_MARK;
    enum leat_error error = leat_adopt_conn(story->hub, handle, (uint64_t)lane, options, conn_out);
    return step_given(story, lane, "leat_adopt_conn", error, conn_out->id, LTI_STORY_CONN);
}

bool lti_story_wait_sent(struct lti_story *story, int lane, leat_conn conn)
{
    return lti_story_note(story, lane, "leat_wait_sent",
                          leat_wait_sent(story->hub, conn, LTI_STORY_MS));
}

bool lti_story_write(struct lti_story *story, int lane, leat_conn conn, const char *text)
{
    size_t size = SIZE_MAX;
    enum leat_error error =
        leat_write_full(story->hub, conn, text, strlen(text), LTI_STORY_MS, &size);
    if (error == LEAT_OK && size != strlen(text))
        lti_story_complain(story, "leat_write_full wrote only a part");
    return lti_story_note(story, lane, "leat_write_full", error);
}

bool lti_story_read(struct lti_story *story, int lane, leat_conn conn, size_t size)
{
    char buffer[128];
    size_t got = SIZE_MAX;
    enum leat_error error = leat_read_full(story->hub, conn, buffer, size, LTI_STORY_MS, &got);
    if (got > size || (error == LEAT_OK && got != size))
        lti_story_complain(story, "leat_read_full gave a wrong size");
    else
        lti_story_say(story, lane, "\"%.*s\" ", (int)got, buffer);
    return lti_story_note(story, lane, "leat_read_full", error);
}

bool lti_story_line(struct lti_story *story, int lane, leat_conn conn)
{
    char buffer[64];
    size_t size = SIZE_MAX;
    enum leat_error error =
        leat_read_line(story->hub, conn, buffer, sizeof buffer, LTI_STORY_MS, &size);
    if (error == LEAT_OK)
        lti_story_say(story, lane, "\"%s\" ", buffer);
    else if (size != SIZE_MAX)
        lti_story_complain(story, "leat_read_line failed and touched its output");
    return lti_story_note(story, lane, "leat_read_line", error);
}

bool lti_story_send(struct lti_story *story, int lane, leat_conn conn, const char *text)
{
    enum leat_error error = leat_send_wait(story->hub, conn, text, strlen(text), LTI_STORY_MS);
    return lti_story_note(story, lane, "leat_send_wait", error);
}

bool lti_story_receive(struct lti_story *story, int lane, leat_conn conn)
{
    char buffer[128];
    size_t size = SIZE_MAX;
    enum leat_error error =
        leat_receive_wait(story->hub, conn, buffer, sizeof buffer, LTI_STORY_MS, &size);
    if (error == LEAT_OK)
        lti_story_say(story, lane, "\"%.*s\" ", (int)size, buffer);
    else if (size != SIZE_MAX && error != LEAT_E_TOO_BIG)
        lti_story_complain(story, "leat_receive_wait failed and touched its output");
    return lti_story_note(story, lane, "leat_receive_wait", error);
}

bool lti_story_finish(struct lti_story *story, int lane, leat_conn conn)
{
    return lti_story_note(story, lane, "leat_finish", leat_finish(story->hub, conn));
}

bool lti_story_wait_closed(struct lti_story *story, int lane, leat_conn conn)
{
    return lti_story_note(story, lane, "leat_wait_closed",
                          leat_wait_closed(story->hub, conn, LTI_STORY_MS));
}

bool lti_story_close(struct lti_story *story, int lane, leat_conn conn, uint32_t linger_ms)
{
    step_over(story, conn.id);
    return lti_story_note(story, lane, "leat_close", leat_close(story->hub, conn, linger_ms));
}

bool lti_story_close_wait(struct lti_story *story, int lane, leat_conn conn, uint32_t linger_ms)
{
    uint64_t undelivered = STEP_MARK;
    step_over(story, conn.id);
    enum leat_error error = leat_close_wait(story->hub, conn, linger_ms, &undelivered);
    if (undelivered == STEP_MARK && error != LEAT_E_STALE)
        lti_story_complain(story, "leat_close_wait did not set its output");
    if (error == LEAT_OK && undelivered != 0)
        lti_story_complain(story, "leat_close_wait is OK with undelivered bytes");
    lti_story_say(story, lane, "%s ", undelivered ? "undelivered" : "delivered");
    return lti_story_note(story, lane, "leat_close_wait", error);
}

bool lti_story_abort(struct lti_story *story, int lane, leat_conn conn)
{
    step_over(story, conn.id);
    return lti_story_note(story, lane, "leat_abort", leat_abort(story->hub, conn));
}

bool lti_story_listener_close(struct lti_story *story, int lane, leat_listener listener)
{
    step_over(story, listener.id);
    return lti_story_note(story, lane, "leat_listener_close",
                          leat_listener_close(story->hub, listener));
}

bool lti_story_timer(struct lti_story *story, int lane, uint32_t delay_ms, uint64_t tag,
                     leat_timer *timer_out)
{
    timer_out->id = STEP_MARK;
    enum leat_error error = leat_timer_start(story->hub, delay_ms, tag, timer_out);
    return step_given(story, lane, "leat_timer_start", error, timer_out->id, LTI_STORY_TIMER);
}
