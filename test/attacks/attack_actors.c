/* SPDX-License-Identifier: MIT
 *
 * Other processes of the attack tests: how one becomes another user, leat servers and clients of
 * such users, and squatters.
 *
 * Happy path: fork, groups, group, user; a channel of words; the end when the channel ends.
 * Fails:      in the test a word that does not come ends the test; in an actor it ends the actor.
 * Invariants: an actor has nothing open but its channel and what the harness gave; it ends when the
 *             test does, because it is in the test's process group.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNS_MAX 64

enum word { WORD_FACTS = 1, WORD_END };

static bool in_actor, private_tmp;
static uint32_t inside = ATTACK_NO_NAMESPACE;
static gid_t group_beside;

static void need(bool held)
{
    if (!in_actor)
        REQUIRE(held);
    else if (!held)
        _exit(97);
}

/* ---- Becoming another ------------------------------------------------------------------------ */

void attack_private_tmp(void)
{
    attack_folder(attack_path("tmp"), ROOT, 01777);
    private_tmp = true;
}

void attack_in_group(uint32_t group)
{
    group_beside = group;
}

static bool proc_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0;
}

static bool namespace_enter(uint32_t user)
{
    char map[64];
    (void)snprintf(map, sizeof map, "%u %u 1", inside, user);
    return unshare(CLONE_NEWUSER) == 0 && proc_put("/proc/self/setgroups", "deny") &&
           proc_put("/proc/self/uid_map", map) && proc_put("/proc/self/gid_map", map);
}

void attack_own_namespace(uint32_t number)
{
    if (number != ATTACK_NO_NAMESPACE) {
        pid_t pid = fork();
        int status = 0;
        REQUIRE(pid >= 0);
        if (pid == 0)
            _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
        REQUIRE(waitpid(pid, &status, 0) == pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            SKIP_NEEDS("user namespaces");
    }
    inside = number;
}

bool attack_become(uint32_t user)
{
    const char *runtime = attack_runtime(user);
    in_actor = true;
    if (private_tmp) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount(attack_path("tmp"), "/tmp", NULL, MS_BIND, NULL) != 0)
            return false;
    } else if (setenv("XDG_RUNTIME_DIR", runtime, 1) != 0) {
        return false;
    }
    if (geteuid() == user)
        return inside == ATTACK_NO_NAMESPACE || namespace_enter(user);
    if (setgroups(group_beside != ROOT, &group_beside) != 0 || setgid(user) != 0 ||
        setuid(user) != 0)
        return false;
    /* It is not privileged any more, so it may look at itself in /proc, as others of its kind. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        return false;
    return inside == ATTACK_NO_NAMESPACE || namespace_enter(user);
}

struct attack_actor attack_begin(uint32_t user, void (*part)(int fd, void *argument),
                                 void *argument)
{
    int ends[2];
    struct attack_actor actor;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    actor.pid = fork();
    REQUIRE(actor.pid >= 0);
    if (actor.pid == 0) {
        if (dup2(ends[1], 3) != 3 || close_range(4, ~0u, 0) != 0)
            _exit(96);
        if (!attack_become(user))
            _exit(95);
        part(3, argument);
        _exit(0);
    }
    REQUIRE(close(ends[1]) == 0);
    actor.fd = ends[0];
    return actor;
}

static int actor_wait(struct attack_actor *actor)
{
    int status = 0;
    pid_t waited;
    REQUIRE(close(actor->fd) == 0);
    actor->fd = -1;
    do
        waited = waitpid(actor->pid, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == actor->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void attack_end(struct attack_actor *actor)
{
    CHECK_INT(actor_wait(actor), 0);
}

void attack_kill(struct attack_actor *actor)
{
    CHECK(kill(actor->pid, SIGKILL) == 0);
    CHECK_INT(actor_wait(actor), -SIGKILL);
}

void attack_say(int fd, int64_t word)
{
    ssize_t size = send(fd, &word, sizeof word, MSG_NOSIGNAL);
    need(size == (ssize_t)sizeof word);
}

int64_t attack_hear(int fd)
{
    int64_t word = 0;
    struct pollfd wait = {fd, POLLIN, 0};
    int ready;
    do
        ready = poll(&wait, 1, in_actor ? -1 : (int)lti_test_scaled_ms(ATTACK_SOON_MS));
    while (ready < 0 && errno == EINTR);
    need(ready == 1);
    ssize_t size = recv(fd, &word, sizeof word, MSG_WAITALL);
    if (in_actor && size == 0)
        _exit(0); /* the test has no more to say */
    need(size == (ssize_t)sizeof word);
    return word;
}

int attack_hear_fd(int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    int made = -1;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    message.msg_controllen = sizeof control.bytes;
    need(recvmsg(fd, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != NULL);
    memcpy(&made, CMSG_DATA(&control.header), sizeof made);
    return made;
}

struct act {
    int64_t (*act)(void *argument);
    void *argument;
};

static void act_part(int fd, void *argument)
{
    struct act *act = argument;
    attack_say(fd, act->act(act->argument));
}

int64_t attack_as(uint32_t user, int64_t (*act)(void *argument), void *argument)
{
    struct act what = {act, argument};
    struct attack_actor actor = attack_begin(user, act_part, &what);
    int64_t word = attack_hear(actor.fd);
    attack_end(&actor);
    return word;
}

/* ---- A leat server --------------------------------------------------------------------------- */

struct serving {
    const struct attack_server *plan;
    struct leat_hub *hub;
    leat_listener listener;
    struct attack_facts facts;
};

static void serving_take(struct serving *serving, const struct leat_event *event)
{
    char bytes[4096];
    size_t size = 0;
    switch (event->type) {
    case LEAT_EVENT_ACCEPTED:
        serving->facts.accepted++;
        /* Who is gone again need not be greeted. */
        if (serving->plan->greeting) {
            size_t rest = strlen(serving->plan->greeting);
            enum leat_error error =
                leat_write(serving->hub, event->conn, serving->plan->greeting, rest, &size);
            need(error == LEAT_OK || error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
        }
        break;
    case LEAT_EVENT_READABLE:
        if (leat_read(serving->hub, event->conn, bytes, sizeof bytes, &size) == LEAT_OK)
            serving->facts.bytes += (int64_t)size;
        break;
    case LEAT_EVENT_FINISHED:
        need(leat_close(serving->hub, event->conn, 0) == LEAT_OK);
        serving->facts.closed++;
        break;
    case LEAT_EVENT_CLOSED:
        serving->facts.closed++;
        break;
    default:
        break;
    }
}

static void facts_say(int fd, const struct attack_facts *facts)
{
    attack_say(fd, facts->conns);
    attack_say(fd, facts->accepted);
    attack_say(fd, facts->denied);
    attack_say(fd, facts->bytes);
    attack_say(fd, facts->closed);
}

static struct attack_facts facts_hear(int fd)
{
    struct attack_facts facts;
    attack_say(fd, WORD_FACTS);
    facts.conns = attack_hear(fd);
    facts.accepted = attack_hear(fd);
    facts.denied = attack_hear(fd);
    facts.bytes = attack_hear(fd);
    facts.closed = attack_hear(fd);
    return facts;
}

/* Returns false when it is to end. */
static bool serving_answer(struct serving *serving, int fd)
{
    struct leat_listener_info info = {.size = sizeof info};
    if (attack_hear(fd) == WORD_END)
        return false;
    need(leat_listener_info_get(serving->hub, serving->listener, &info) == LEAT_OK);
    serving->facts.conns = info.conns;
    serving->facts.denied = (int64_t)info.denied;
    facts_say(fd, &serving->facts);
    return true;
}

static void serve_part(int fd, void *argument)
{
    struct serving serving = {.plan = argument};
    struct leat_event event;
    intptr_t waitable = -1;
    need(leat_hub_create(NULL, &serving.hub) == LEAT_OK);
    enum leat_error error =
        leat_listen(serving.hub, serving.plan->name, serving.plan->options, &serving.listener);
    attack_say(fd, error);
    if (error != LEAT_OK)
        return;
    need(leat_hub_waitable(serving.hub, &waitable) == LEAT_OK);
    for (bool on = true; on;) {
        uint32_t due_ms = 0;
        struct pollfd waits[2] = {{fd, POLLIN, 0}, {(int)waitable, POLLIN, 0}};
        need(leat_hub_deadline(serving.hub, &due_ms) == LEAT_OK);
        (void)poll(waits, 2, due_ms < 60000 ? (int)due_ms : 60000);
        while (leat_next(serving.hub, &event, 0) == LEAT_OK)
            serving_take(&serving, &event);
        if (waits[0].revents)
            on = serving_answer(&serving, fd);
    }
    attack_say(fd, leat_hub_destroy(serving.hub));
}

struct attack_actor attack_serve(uint32_t user, const struct attack_server *server,
                                 enum leat_error expected)
{
    struct attack_server plan = *server;
    struct attack_actor actor = attack_begin(user, serve_part, &plan);
    CHECK_ERROR(attack_hear(actor.fd), expected);
    return actor;
}

struct attack_facts attack_server_facts(const struct attack_actor *actor)
{
    return facts_hear(actor->fd);
}

void attack_server_end(struct attack_actor *actor)
{
    attack_say(actor->fd, WORD_END);
    CHECK_ERROR(attack_hear(actor->fd), LEAT_OK);
    attack_end(actor);
}

static int64_t listen_only(void *argument)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    need(leat_hub_create(NULL, &hub) == LEAT_OK);
    enum leat_error error = leat_listen(hub, argument, NULL, &listener);
    need(leat_hub_destroy(hub) == LEAT_OK);
    return error;
}

enum leat_error attack_listen(uint32_t user, const char *name)
{
    char copy[300];
    REQUIRE(strlen(name) < sizeof copy);
    memcpy(copy, name, strlen(name) + 1);
    return (enum leat_error)attack_as(user, listen_only, copy);
}

/* ---- A leat client --------------------------------------------------------------------------- */

static int64_t dial(void *argument)
{
    const struct attack_client *client = argument;
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .who = client->who,
                                                 .group = client->group,
                                                 .timeout_ms = client->timeout_ms};
    struct leat_hub *hub = NULL;
    leat_conn conn;
    char bytes[256];
    size_t size = 0;
    need(leat_hub_create(NULL, &hub) == LEAT_OK);
    enum leat_error error = leat_connect(hub, client->name, &options, &conn);
    if (error == LEAT_OK)
        error = leat_write(hub, conn, "secret", 6, &size);
    if (error == LEAT_OK)
        error = leat_wait_connected(hub, conn, LEAT_FOREVER - 1);
    if (error == LEAT_OK && client->greeting) {
        need(strlen(client->greeting) < sizeof bytes);
        error = leat_read_full(hub, conn, bytes, strlen(client->greeting), ATTACK_SOON_MS, &size);
        if (error == LEAT_OK && memcmp(bytes, client->greeting, size) != 0)
            error = LEAT_E_PROTOCOL;
    }
    need(leat_hub_destroy(hub) == LEAT_OK);
    return error;
}

enum leat_error attack_dial(uint32_t user, const struct attack_client *client)
{
    struct attack_client plan = *client;
    return (enum leat_error)attack_as(user, dial, &plan);
}

/* ---- A squatter ------------------------------------------------------------------------------ */

struct squat {
    struct pollfd waits[2 + CONNS_MAX]; /* the channel, the listener, connections */
    nfds_t count;
    struct attack_facts facts;
};

static void squat_read(struct squat *squat)
{
    char bytes[4096];
    for (nfds_t i = 2; i < squat->count; i++) {
        ssize_t size = read(squat->waits[i].fd, bytes, sizeof bytes);
        if (size > 0)
            squat->facts.bytes += size;
        if (size == 0) {
            squat->waits[i].fd = -squat->waits[i].fd; /* poll passes over it */
            squat->facts.closed++;
        }
    }
}

static void squat_part(int fd, void *argument)
{
    const char *path = argument;
    struct squat squat = {.count = 2};
    int listener = attack_raw_listen(path, 64);
    attack_say(fd, listener < 0 ? listener : 0);
    if (listener < 0)
        return;
    squat.waits[0] = (struct pollfd){fd, POLLIN, 0};
    squat.waits[1] = (struct pollfd){listener, POLLIN, 0};
    for (;;) {
        (void)poll(squat.waits, squat.count, -1);
        int conn;
        while ((conn = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
            need(squat.count < 2 + CONNS_MAX);
            squat.waits[squat.count++] = (struct pollfd){conn, POLLIN, 0};
            squat.facts.conns++;
        }
        squat_read(&squat);
        if (squat.waits[0].revents) {
            (void)attack_hear(fd);
            facts_say(fd, &squat.facts);
        }
    }
}

struct attack_actor attack_squat(uint32_t user, const char *path)
{
    char copy[256];
    REQUIRE(strlen(path) < sizeof copy);
    memcpy(copy, path, strlen(path) + 1);
    struct attack_actor actor = attack_begin(user, squat_part, copy);
    REQUIRE_INT(attack_hear(actor.fd), 0);
    return actor;
}

struct attack_facts attack_squat_facts(const struct attack_actor *actor)
{
    return facts_hear(actor->fd);
}
