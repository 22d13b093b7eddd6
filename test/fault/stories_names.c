/* SPDX-License-Identifier: MIT
 *
 * Stories with names: listen, connect, accept, nobody there, a full backlog, a name in use; timers.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every name is in the story's folder.
 */
#include "story.h"

#include <stdio.h>

void lti_story_serve(struct lti_story *story, const char *name)
{
    leat_listener listener;
    leat_conn client, server;
    if (!lti_story_listen(story, 0, name, NULL, &listener))
        return;
    if (lti_story_connect(story, 1, name, NULL, &client)) {
        if (lti_story_wait_connected(story, 1, client) &&
            lti_story_accept(story, 2, listener, &server)) {
            (void)lti_story_write(story, 1, client, "ping");
            (void)lti_story_read(story, 2, server, 4);
            (void)lti_story_write(story, 2, server, "pong");
            (void)lti_story_read(story, 1, client, 4);
            (void)lti_story_close(story, 2, server, LTI_STORY_MS);
        }
        (void)lti_story_wait_closed(story, 1, client);
        (void)lti_story_abort(story, 1, client);
    }
    (void)lti_story_listener_close(story, 0, listener);
}

void lti_story_of_serve(struct lti_story *story)
{
    lti_story_serve(story, lti_story_path(story, "s"));
}

void lti_story_of_nobody(struct lti_story *story)
{
    leat_conn conn;
    (void)lti_story_connect_wait(story, 1, lti_story_path(story, "nobody"), NULL, &conn);
    if (lti_story_connect(story, 2, lti_story_path(story, LTI_STORY_NO_FOLDER), NULL, &conn))
        (void)lti_story_events(story, LEAT_EVENT_CLOSED, 1);
}

void lti_story_of_wait_for_server(struct lti_story *story)
{
    leat_conn client, server;
    leat_listener listener;
    const char *name = lti_story_path(story, "late");
    struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 200, .absent = LEAT_ABSENT_WAIT};
    (void)lti_story_connect_wait(story, 1, name, &options, &client);
    options.timeout_ms = 5000;
    if (!lti_story_connect(story, 2, name, &options, &client))
        return;
    struct leat_event event;
    (void)lti_story_note(story, 2, "too early", leat_next(story->hub, &event, 20));
    if (!lti_story_listen(story, 0, name, NULL, &listener))
        return;
    if (!lti_story_wait_connected(story, 2, client) ||
        !lti_story_accept(story, 3, listener, &server))
        return;
    (void)lti_story_write(story, 2, client, "at last");
    (void)lti_story_read(story, 3, server, 7);
}

void lti_story_of_name_in_use(struct lti_story *story)
{
    leat_listener first, second;
    leat_conn client, server;
    const char *name = lti_story_path(story, "mine");
    if (!lti_story_listen(story, 0, name, NULL, &first))
        return;
    (void)lti_story_listen(story, 1, name, NULL, &second);
    /* The first one must not have been harmed. */
    if (lti_story_connect_wait(story, 2, name, NULL, &client))
        (void)lti_story_accept(story, 3, first, &server);
}

void lti_story_of_backlog(struct lti_story *story)
{
    leat_listener listener;
    leat_conn clients[4], server;
    const char *name = lti_story_path(story, "busy");
    struct leat_listen_options options = {
        .size = sizeof options, .tag = 5, .backlog = 1, .conns_max = 1};
    if (!lti_story_listen(story, 0, name, &options, &listener))
        return;
    for (int i = 0; i < 4; i++) {
        if (!lti_story_connect(story, 1 + i, name, NULL, &clients[i]))
            return;
    }
    /* One at a time is served; the others wait in the backlog, or try again until it has room. */
    for (int i = 0; i < 4; i++) {
        if (!lti_story_accept(story, 5, listener, &server))
            return;
        (void)lti_story_write(story, 5, server, "next");
        (void)lti_story_close_wait(story, 5, server, LTI_STORY_MS);
    }
    for (int i = 0; i < 4; i++)
        (void)lti_story_read(story, 1 + i, clients[i], 4);
}

void lti_story_of_listener_close(struct lti_story *story)
{
    leat_listener listener;
    leat_conn client;
    const char *name = lti_story_path(story, "brief");
    if (!lti_story_listen(story, 0, name, NULL, &listener))
        return;
    if (!lti_story_connect_wait(story, 1, name, NULL, &client))
        return;
    (void)lti_story_listener_close(story, 0, listener);
    if (leat_listener_close(story->hub, listener) != LEAT_E_STALE)
        lti_story_complain(story, "a closed listener is not stale");
    char byte;
    size_t size = 0;
    enum leat_error error = leat_read_full(story->hub, client, &byte, 1, LTI_STORY_MS, &size);
    (void)lti_story_note(story, 1, "the end", error == LEAT_E_BROKEN ? LEAT_E_FINISHED : error);
    (void)lti_story_connect_wait(story, 2, name, NULL, &client);
}

void lti_story_of_timers(struct lti_story *story)
{
    leat_timer early, late, never;
    if (!lti_story_timer(story, 2, 30, 2, &late) || !lti_story_timer(story, 1, 10, 1, &early) ||
        !lti_story_timer(story, 3, 20, 3, &never))
        return;
    (void)lti_story_note(story, 3, "leat_timer_cancel", leat_timer_cancel(story->hub, never));
    (void)lti_story_events(story, LEAT_EVENT_TIMER, 2);
    if (lti_story_note(story, 0, "leat_wake", leat_wake(story->hub)) &&
        leat_wake(story->hub) == LEAT_OK)
        (void)lti_story_events(story, LEAT_EVENT_WOKEN, 1);
    struct leat_event event;
    (void)lti_story_note(story, 0, "nothing more", leat_next(story->hub, &event, 10));
}

/* A server and two clients, by events only, as in a program around leat_next. */
void lti_story_of_events(struct lti_story *story)
{
    leat_listener listener;
    leat_conn clients[2];
    const char *name = lti_story_path(story, "loop");
    struct leat_listen_options options = {.size = sizeof options, .tag = 3};
    if (!lti_story_listen(story, 0, name, &options, &listener))
        return;
    for (int i = 0; i < 2; i++) {
        struct leat_connect_options to = {.size = sizeof to, .tag = (uint64_t)i + 1};
        if (!lti_story_connect(story, i + 1, name, &to, &clients[i]))
            return;
        /* Allowed at once: the bytes wait in the outbox. */
        (void)lti_story_write(story, i + 1, clients[i], i ? "second" : "first!");
        if (!lti_story_events(story, LEAT_EVENT_CONNECTED, (uint32_t)i + 1) ||
            !lti_story_events(story, LEAT_EVENT_ACCEPTED, (uint32_t)i + 1))
            return;
        if (LTI_STORY_SOCKETS)
            (void)lti_story_finish(story, i + 1, clients[i]);
        else
            (void)lti_story_close(story, i + 1, clients[i], LTI_STORY_MS);
    }
    (void)lti_story_events(story, LEAT_EVENT_FINISHED, 2);
    for (size_t i = 0; LTI_STORY_SOCKETS && i < story->handles_count; i++) {
        struct lti_story_handle *handle = &story->handles[i];
        if (handle->kind == LTI_STORY_CONN && handle->lane == 3)
            (void)lti_story_close(story, 3, (leat_conn){handle->id}, LTI_STORY_MS);
    }
    (void)lti_story_events(story, LEAT_EVENT_CLOSED, 2);
    lti_story_sums(story);
}
