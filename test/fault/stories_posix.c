/* SPDX-License-Identifier: MIT
 *
 * Stories that only sockets and files have: half-close, abstract names, folders, a socket that a
 * dead server left, descriptors to adopt.
 *
 * Happy path: each tells one thing that a user does, to its end.
 * Fails:      a story stops at the first step that leaves nothing to go on with.
 * Invariants: every name is in the story's folder, or an abstract one of this process.
 */
#include "story.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const char *lti_story_path(const struct lti_story *story, const char *file)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    (void)snprintf(path, sizeof paths[0], "unix:%s/%s", story->folder, file);
    return path;
}

void lti_story_of_half_close(struct lti_story *story)
{
    leat_conn a, b;
    if (!lti_story_pair(story, 1, 2, NULL, &a, &b))
        return;
    (void)lti_story_write(story, 1, a, "question");
    (void)lti_story_finish(story, 1, a);
    (void)lti_story_read(story, 2, b, 8);
    (void)lti_story_read(story, 2, b, 1);
    (void)lti_story_write(story, 2, b, "late answer");
    (void)lti_story_finish(story, 2, b);
    (void)lti_story_read(story, 1, a, 11);
    (void)lti_story_wait_closed(story, 1, a);
    (void)lti_story_wait_closed(story, 2, b);
}

void lti_story_of_abstract(struct lti_story *story)
{
    char name[64];
    (void)snprintf(name, sizeof name, "unix:@leat-sweep-%ld", (long)getpid());
    lti_story_serve(story, name);
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
        lti_story_serve(story, "sweep");
    /* The folder is the library's to keep; here it goes with the story. */
    (void)snprintf(folder, sizeof folder, "%s/leat", story->folder);
    (void)rmdir(folder);
}

/* What a server that was killed leaves: a socket file that nobody listens on, and its lock. */
static bool dead_socket(struct lti_story *story, const char *name, const char *lock)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name + 5);
    bool made = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
    made = made && fd >= 0 && close(fd) == 0;
    if (!made)
        lti_story_complain(story, "no dead socket could be made");
    return made;
}

void lti_story_of_take_over(struct lti_story *story)
{
    leat_conn conn;
    char lock[256];
    const char *name = lti_story_path(story, "dead");
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", name + 5);
    if (!dead_socket(story, name, lock))
        return;
    (void)lti_story_connect_wait(story, 3, name, NULL, &conn);
    lti_story_serve(story, name);
    (void)unlink(name + 5);
    (void)unlink(lock);
}

/* Adopts; a refused descriptor must still be open, and is closed here. */
static bool adopt_one(struct lti_story *story, int lane, int fd, leat_conn *conn_out)
{
    char byte;
    if (lti_story_adopt(story, lane, fd, NULL, conn_out))
        return true;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 || close(fd) != 0)
        lti_story_complain(story, "a refused descriptor was closed");
    return false;
}

void lti_story_of_adopt(struct lti_story *story)
{
    int fds[2];
    leat_conn a, b;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        lti_story_complain(story, "no socket pair to adopt");
        return;
    }
    bool first = adopt_one(story, 1, fds[0], &a);
    if (!first) {
        (void)close(fds[1]);
        return;
    }
    if (!adopt_one(story, 2, fds[1], &b))
        return;
    (void)lti_story_write(story, 1, a, "foster child");
    (void)lti_story_read(story, 2, b, 12);
    (void)lti_story_close_wait(story, 1, a, LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 2, b);
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

/* Longer than an address of the system. */
void lti_story_of_long_path(struct lti_story *story)
{
    char folder[256], name[272], lock[288];
    int size = snprintf(folder, 128, "%s/", story->folder);
    memset(folder + size, 'p', 120);
    folder[size + 120] = '\0';
    (void)snprintf(name, sizeof name, "%s/far", folder);
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", name);
    if (mkdir(folder, 0700) != 0)
        lti_story_complain(story, "no folder could be made");
    lti_story_serve(story, name);
    (void)unlink(name); /* where the fault left it */
    (void)unlink(lock);
    if (rmdir(folder) != 0)
        lti_story_complain(story, "the folder is not empty");
}

/* One client of a listener that is there already. */
static bool meet(struct lti_story *story, int lane, const char *name, leat_listener listener)
{
    leat_conn client, server;
    if (!lti_story_connect_wait(story, lane, name, NULL, &client) ||
        !lti_story_accept(story, lane + 1, listener, &server))
        return false;
    (void)lti_story_write(story, lane, client, "ping");
    (void)lti_story_read(story, lane + 1, server, 4);
    return true;
}

void lti_story_of_for_a_group(struct lti_story *story)
{
    char group[16];
    leat_listener listener;
    const char *name = lti_story_path(story, "group");
    (void)snprintf(group, sizeof group, "%u", (unsigned)getegid());
    struct leat_listen_options options = {
        .size = sizeof options, .who = LEAT_WHO_GROUP, .group = group};
    if (!lti_story_listen(story, 0, name, &options, &listener))
        return;
    (void)meet(story, 1, name, listener);
    (void)lti_story_listener_close(story, 0, listener);
}

void lti_story_of_hand_over(struct lti_story *story)
{
    leat_listener old, new;
    const char *name = lti_story_path(story, "handed");
    struct leat_listen_options taking = {.size = sizeof taking, .take_over = true};
    if (!lti_story_listen(story, 0, name, NULL, &old))
        return;
    if (lti_story_listen(story, 3, name, &taking, &new)) {
        (void)lti_story_listener_close(story, 0, old);
        (void)meet(story, 4, name, new);
        (void)lti_story_listener_close(story, 3, new);
    } else {
        /* The old one has not noticed anything. */
        (void)meet(story, 1, name, old);
        (void)lti_story_listener_close(story, 0, old);
    }
}

/* Two clients speak before either is heard. */
void lti_story_of_several(struct lti_story *story)
{
    leat_listener listener;
    leat_conn clients[2], servers[2];
    const char *name = lti_story_path(story, "two");
    if (!lti_story_listen(story, 0, name, NULL, &listener))
        return;
    for (int i = 0; i < 2; i++)
        if (!lti_story_connect_wait(story, 1 + i, name, NULL, &clients[i]) ||
            !lti_story_accept(story, 3 + i, listener, &servers[i]))
            return;
    (void)lti_story_write(story, 1, clients[0], "first");
    (void)lti_story_write(story, 2, clients[1], "second");
    (void)lti_story_read(story, 3, servers[0], 5);
    (void)lti_story_read(story, 4, servers[1], 6);
    (void)lti_story_write(story, 3, servers[0], "one");
    (void)lti_story_write(story, 4, servers[1], "two");
    (void)lti_story_read(story, 2, clients[1], 3);
    (void)lti_story_read(story, 1, clients[0], 3);
    (void)lti_story_close(story, 1, clients[0], LTI_STORY_MS);
    (void)lti_story_wait_closed(story, 3, servers[0]);
    (void)lti_story_listener_close(story, 0, listener);
}

void lti_story_of_ahead(struct lti_story *story)
{
    lti_story_of_several(story);
}
