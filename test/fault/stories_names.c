/* SPDX-License-Identifier: MIT
 *
 * Stories with names: listen, connect, accept, nobody there, a full backlog, a name in use; timers.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every name is in the story's folder, or an abstract one of this process.
 */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void serve_one(struct lti_story *story, const char *name)
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
    serve_one(story, lti_story_path(story, "s"));
}

void lti_story_of_abstract(struct lti_story *story)
{
    char name[64];
    (void)snprintf(name, sizeof name, "unix:@leat-sweep-%ld", (long)getpid());
    serve_one(story, name);
}

void lti_story_of_plain_name(struct lti_story *story)
{
    char text[320] = "";
    char folder[160];
    size_t size = SIZE_MAX;
    (void)setenv("XDG_RUNTIME_DIR", story->folder, 1);
    enum leat_error error = leat_resolve("sweep", text, sizeof text, &size);
    size_t length = strlen(story->folder);
    if (error == LEAT_OK)
        lti_story_say(story, 0, "%s ",
                      strncmp(text + 5, story->folder, length) == 0 ? text + 5 + length
                                                                    : "elsewhere");
    if (lti_story_note(story, 0, "leat_resolve", error))
        serve_one(story, "sweep");
    /* The folder is the library's to keep; here it goes with the story. */
    (void)snprintf(folder, sizeof folder, "%s/leat", story->folder);
    (void)rmdir(folder);
}

void lti_story_of_nobody(struct lti_story *story)
{
    leat_conn conn;
    (void)lti_story_connect_wait(story, 1, lti_story_path(story, "nobody"), NULL, &conn);
    if (lti_story_connect(story, 2, lti_story_path(story, "no/folder"), NULL, &conn))
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

/* Leaves a socket file that nobody listens on. */
static bool dead_socket(struct lti_story *story, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name + 5);
    bool made = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (!made)
        lti_story_complain(story, "no dead socket could be made");
    return made;
}

void lti_story_of_take_over(struct lti_story *story)
{
    leat_conn conn;
    const char *name = lti_story_path(story, "dead");
    if (!dead_socket(story, name))
        return;
    (void)lti_story_connect_wait(story, 3, name, NULL, &conn);
    serve_one(story, name);
    (void)unlink(name + 5);
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

void lti_story_of_adopt_listener(struct lti_story *story)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    leat_listener listener = {1};
    leat_conn client, server;
    const char *name = lti_story_path(story, "given");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name + 5);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 4) != 0) {
        lti_story_complain(story, "no listener to adopt");
        return;
    }
    enum leat_error error = leat_adopt_listener(story->hub, fd, NULL, &listener);
    if (lti_story_note(story, 0, "leat_adopt_listener", error)) {
        lti_story_know(story, 0, listener.id, LTI_STORY_LISTENER);
        if (lti_story_connect_wait(story, 1, name, NULL, &client) &&
            lti_story_accept(story, 2, listener, &server)) {
            (void)lti_story_write(story, 2, server, "welcome");
            (void)lti_story_read(story, 1, client, 7);
        }
        (void)lti_story_listener_close(story, 0, listener);
    } else if (listener.id != 1 || close(fd) != 0) {
        lti_story_complain(story, "a refused listener was closed, or its output touched");
    }
    if (access(name + 5, F_OK) != 0)
        lti_story_complain(story, "the path of an adopted listener was removed");
    (void)unlink(name + 5);
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
        (void)lti_story_finish(story, i + 1, clients[i]);
    }
    (void)lti_story_events(story, LEAT_EVENT_FINISHED, 2);
    for (size_t i = 0; i < story->handles_count; i++) {
        struct lti_story_handle *handle = &story->handles[i];
        if (handle->kind == LTI_STORY_CONN && handle->lane == 3)
            (void)lti_story_close(story, 3, (leat_conn){handle->id}, LTI_STORY_MS);
    }
    (void)lti_story_events(story, LEAT_EVENT_CLOSED, 2);
    lti_story_sums(story);
}
