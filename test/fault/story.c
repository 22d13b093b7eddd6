/* SPDX-License-Identifier: MIT
 *
 * The transcript, the bystander, and the pulling of events.
 *
 * Happy path: each step notes its name and result in its lane; between the steps the bystander
 *             pair, on a hub of its own and without faults, goes on with its dialogue.
 * Fails:      what must never happen becomes the story's complaint; the first one is kept.
 * Invariants: no event comes for a handle after its CLOSED or after the user ended it.
 */
#include "story.h"

#include "os_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STORY_EVENTS_MAX 400

static void story_put(struct lti_story *story, int lane, const char *format, va_list list)
{
    size_t room = LTI_STORY_LANE_BYTES - story->used[lane];
    int size = vsnprintf(story->text[lane] + story->used[lane], room, format, list);
    if (size < 0 || (size_t)size >= room) {
        lti_story_complain(story, "the transcript of lane %d is too long", lane);
        return;
    }
    story->used[lane] += (size_t)size;
}

void lti_story_say(struct lti_story *story, int lane, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    story_put(story, lane, format, list);
    va_end(list);
}

void lti_story_complain(struct lti_story *story, const char *format, ...)
{
    if (story->complaint[0])
        return;
    va_list list;
    va_start(list, format);
    (void)vsnprintf(story->complaint, sizeof story->complaint, format, list);
    va_end(list);
}

/* One sentence from a to b and one back; they must arrive as they were sent. */
static void story_bystander_turn(struct lti_story *story)
{
    char sent[32], got[32];
    leat_conn from = story->bystander_a, to = story->bystander_b;
    lti_fault_suspend();
    for (int direction = 0; direction < 2; direction++) {
        size_t size = 0, back = 0;
        int length =
            snprintf(sent, sizeof sent, "turn %u of %d", story->bystander_turns, direction);
        enum leat_error error =
            leat_write_full(story->bystander_hub, from, sent, (size_t)length, LTI_STORY_MS, &size);
        if (error == LEAT_OK)
            error = leat_read_full(story->bystander_hub, to, got, size, LTI_STORY_MS, &back);
        if (error != LEAT_OK || back != (size_t)length || memcmp(sent, got, back) != 0)
            lti_story_complain(story, "the bystander was disturbed at turn %u: %s",
                               story->bystander_turns, leat_error_name(error));
        from = story->bystander_b;
        to = story->bystander_a;
    }
    story->bystander_turns++;
    lti_fault_resume();
}

bool lti_story_note(struct lti_story *story, int lane, const char *what, enum leat_error error)
{
    lti_story_say(story, lane, "%s %s\n", what, leat_error_name(error));
    if (error != LEAT_OK && story->errors_count < LTI_STORY_ERRORS)
        story->errors[story->errors_count++] = error;
    story_bystander_turn(story);
    return error == LEAT_OK;
}

void lti_story_clear(struct lti_story *story)
{
    memset(story->text, 0, sizeof story->text);
    memset(story->used, 0, sizeof story->used);
    memset(story->events, 0, sizeof story->events);
    story->handles_count = 0;
    story->errors_count = 0;
}

bool lti_story_begin(struct lti_story *story, const char *folder)
{
    memset(story, 0, sizeof *story);
    story->folder = folder;
    lti_fault_suspend();
    bool made = leat_hub_create(NULL, &story->bystander_hub) == LEAT_OK &&
                leat_pair(story->bystander_hub, story->bystander_hub, NULL, &story->bystander_a,
                          &story->bystander_b) == LEAT_OK;
    lti_fault_resume();
    return made;
}

void lti_story_leave(struct lti_story *story)
{
    lti_fault_suspend();
    if (story->bystander_hub && leat_hub_destroy(story->bystander_hub) != LEAT_OK)
        lti_story_complain(story, "the bystander's hub could not be destroyed");
    story->bystander_hub = NULL;
    lti_fault_resume();
}

void lti_story_end(struct lti_story *story)
{
    for (size_t i = 0; i < story->handles_count; i++) {
        struct lti_story_handle *handle = &story->handles[i];
        if (handle->kind == LTI_STORY_CONN)
            (void)leat_abort(story->hub, (leat_conn){handle->id});
        else if (handle->kind == LTI_STORY_LISTENER)
            (void)leat_listener_close(story->hub, (leat_listener){handle->id});
        else
            (void)leat_timer_cancel(story->hub, (leat_timer){handle->id});
        handle->over = true;
    }
    lti_story_settle(story);
}

/* ---- Handles and events ---------------------------------------------------------------------- */

static struct lti_story_handle *story_handle(struct lti_story *story, uint64_t id)
{
    for (size_t i = 0; i < story->handles_count; i++) {
        if (story->handles[i].id == id)
            return &story->handles[i];
    }
    return NULL;
}

void lti_story_know(struct lti_story *story, int lane, uint64_t id, int kind)
{
    if (story_handle(story, id)) {
        lti_story_complain(story, "a handle was given out twice");
        return;
    }
    if (story->handles_count == LTI_STORY_HANDLES) {
        lti_story_complain(story, "the story has too many handles");
        return;
    }
    struct lti_story_handle *handle = &story->handles[story->handles_count++];
    memset(handle, 0, sizeof *handle);
    handle->id = id;
    handle->lane = lane;
    handle->kind = kind == 0 ? LTI_STORY_CONN : kind == 1 ? LTI_STORY_LISTENER : LTI_STORY_TIMER;
}

static void story_read_all(struct lti_story *story, struct lti_story_handle *handle)
{
    char buffer[512];
    size_t size = 0;
    if (leat_read(story->hub, (leat_conn){handle->id}, buffer, sizeof buffer, &size) != LEAT_OK)
        return;
    for (size_t i = 0; i < size; i++)
        handle->sum = handle->sum * 31 + (unsigned char)buffer[i];
    handle->bytes += size;
}

static uint64_t story_event_id(const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_ACCEPTED:
    case LEAT_EVENT_LISTEN_ERROR:
        return event->listener.id;
    case LEAT_EVENT_TIMER:
        return event->timer.id;
    case LEAT_EVENT_WOKEN:
    case LEAT_EVENT_CLOSE_REPORT:
        return 0;
    case LEAT_EVENT_CONNECTED:
    case LEAT_EVENT_READABLE:
    case LEAT_EVENT_WRITABLE:
    case LEAT_EVENT_ASKED:
    case LEAT_EVENT_FINISHED:
    case LEAT_EVENT_HANGUP:
    case LEAT_EVENT_CLOSED:
        break;
    }
    return event->conn.id;
}

/* Judges and notes one event; quietly when nothing is to be noted. */
static void story_event(struct lti_story *story, const struct leat_event *event, bool quiet)
{
    int lane = 0;
    uint64_t id = story_event_id(event);
    struct lti_story_handle *handle = id ? story_handle(story, id) : NULL;
    if (handle) {
        lane = handle->lane;
        if (handle->over)
            lti_story_complain(story, "%s came after the end of its handle",
                               leat_event_name(event->type));
        handle->over = event->type == LEAT_EVENT_CLOSED || event->type == LEAT_EVENT_TIMER;
    } else if (id && !quiet) {
        lti_story_complain(story, "%s came for a handle that was never given",
                           leat_event_name(event->type));
    }
    if (event->type == LEAT_EVENT_ACCEPTED)
        lti_story_know(story, (int)event->tag, event->conn.id, LTI_STORY_CONN);
    if (quiet)
        return;
    story->events[event->type]++;
    if (event->type == LEAT_EVENT_READABLE) {
        if (handle)
            story_read_all(story, handle);
    } else if (event->type != LEAT_EVENT_WRITABLE && event->type != LEAT_EVENT_HANGUP) {
        lti_story_say(story, lane, "%u ", (unsigned)event->tag);
        lti_story_note(story, lane, leat_event_name(event->type), event->error);
    }
}

bool lti_story_events(struct lti_story *story, enum leat_event_type type, uint32_t count)
{
    struct leat_event event;
    for (int i = 0; i < STORY_EVENTS_MAX; i++) {
        if (story->events[type] >= count)
            return true;
        memset(&event, 0xA5, sizeof event);
        enum leat_error error = leat_next(story->hub, &event, LTI_STORY_MS);
        if (error != LEAT_OK)
            return lti_story_note(story, 0, "leat_next", error);
        story_event(story, &event, false);
    }
    lti_story_complain(story, "%d events without an end", STORY_EVENTS_MAX);
    return false;
}

void lti_story_sums(struct lti_story *story)
{
    for (size_t i = 0; i < story->handles_count; i++) {
        const struct lti_story_handle *handle = &story->handles[i];
        if (handle->bytes)
            lti_story_say(story, handle->lane, "%llu bytes, sum %llx\n",
                          (unsigned long long)handle->bytes, (unsigned long long)handle->sum);
    }
}

void lti_story_settle(struct lti_story *story)
{
    lti_story_rest(story, 0);
}

void lti_story_rest(struct lti_story *story, uint32_t time_ms)
{
    struct leat_event event;
    for (int i = 0; i < STORY_EVENTS_MAX; i++) {
        if (leat_next(story->hub, &event, time_ms) != LEAT_OK)
            return;
        story_event(story, &event, true);
        if (event.type == LEAT_EVENT_ACCEPTED)
            (void)leat_abort(story->hub, event.conn);
    }
}
