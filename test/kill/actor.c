/* SPDX-License-Identifier: MIT
 *
 * The two parts of the kill tests: a server that gives messages back, and a client that sends some.
 *
 * Happy path: small messages go one after the other before the first is waited for; then one that
 *             no buffer of the system holds; then both finish, and close.
 * Fails:      with the first error in the log; what the peer had sent before is read to its end.
 * Invariants: a number in the log is raised after the call that proves it, so a killed process has
 *             done at least what its log says, and at most one call more.
 */
#include "actor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ACTOR_MESSAGES_MAX 5u
#define ACTOR_BYTES_MAX 300000u
#define ACTOR_DESCRIPTORS 128
#define ACTOR_CLOSING_S 10
#ifndef SYS_close_range
#define SYS_close_range 436 /* since Linux 5.9, on every machine */
#endif
#define ACTOR_LAST 'l' /* the first byte of a client's first message; else another comes */

static const uint32_t actor_sizes[][ACTOR_MESSAGES_MAX] = {
    [LEAT_BYTES] = {1, 300, 7, 300000},
    [LEAT_MESSAGES] = {1, 300, 0, 7, 300000},
    /* A packet is at most what the system's send buffer allows. */
    [LEAT_PACKETS] = {1, 300, 7, 60000},
};

struct actor {
    const struct kill_part *part;
    struct kill_talk *talk;
    struct leat_hub *hub;
    leat_conn conn;
    bool ended; /* what comes next from the peer is its end */
    uint8_t bytes[ACTOR_BYTES_MAX];
};

uint32_t kill_messages(enum leat_protocol protocol)
{
    return protocol == LEAT_MESSAGES ? 5 : 4;
}

enum leat_error kill_end_error(const struct kill_end *end, const char **where_out)
{
    /* Of the hub and the listener only what comes before the first talk is earlier. */
    bool talked = atomic_load(&end->talks[0].where) != NULL;
    *where_out = atomic_load(talked ? &end->talks[0].where : &end->where);
    return (enum leat_error)atomic_load(talked ? &end->talks[0].error : &end->error);
}

/* True when it was well; else the first failure is kept. */
static bool actor_well(struct actor *actor, const char *where, enum leat_error error)
{
    if (error != LEAT_OK && !atomic_load(&actor->talk->where)) {
        atomic_store(&actor->talk->error, (int)error);
        atomic_store(&actor->talk->where, where);
    }
    return error == LEAT_OK;
}

static bool end_well(struct kill_end *end, const char *where, enum leat_error error)
{
    if (error != LEAT_OK && !atomic_load(&end->where)) {
        atomic_store(&end->error, (int)error);
        atomic_store(&end->where, where);
    }
    return error == LEAT_OK;
}

static void actor_fill(struct actor *actor, uint32_t number, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        actor->bytes[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

/* The first byte of the first message is the client's to choose. */
static bool actor_right(const struct actor *actor, uint32_t number, uint32_t size)
{
    for (uint32_t i = number == 0; i < size; i++)
        if (actor->bytes[i] != (uint8_t)(number * 31 + i * 7 + (i >> 8)))
            return false;
    return true;
}

/* ---- Sending and receiving ------------------------------------------------------------------- */

/* A byte by itself, then two pieces, then the rest: so each run makes the call for one and that for
 * several, however fast the peer takes. */
static enum leat_error bytes_send(const struct actor *actor, uint32_t size)
{
    const uint8_t *bytes = actor->bytes;
    size_t done = 0, rest = 0;
    enum leat_error error = leat_write(actor->hub, actor->conn, bytes, 1, &done);
    if (error == LEAT_OK) {
        const struct leat_slice halves[2] = {{bytes + 1, size / 2},
                                             {bytes + 1 + size / 2, size - size / 2 - 1}};
        error = leat_write_slices(actor->hub, actor->conn, halves, 2, &rest);
    }
    done += rest;
    if (error != LEAT_OK && error != LEAT_E_FULL)
        return error;
    return leat_write_full(actor->hub, actor->conn, bytes + done, size - done,
                           actor->part->patience_ms, &rest);
}

static bool actor_send(struct actor *actor, uint32_t size)
{
    const struct kill_part *part = actor->part;
    enum leat_error error;
    if (part->protocol == LEAT_BYTES)
        error = bytes_send(actor, size);
    else
        error = leat_send_wait(actor->hub, actor->conn, actor->bytes, size, part->patience_ms);
    if (!actor_well(actor, "leat_send", error))
        return false;
    atomic_fetch_add(&actor->talk->sent, 1);
    error = leat_wait_sent(actor->hub, actor->conn, part->patience_ms);
    if (!actor_well(actor, "leat_wait_sent", error))
        return false;
    atomic_fetch_add(&actor->talk->taken, 1);
    return true;
}

/* The next message is in actor->bytes; false at the end, however it came. */
static bool actor_receive(struct actor *actor, uint32_t number)
{
    const struct kill_part *part = actor->part;
    uint32_t due = number < kill_messages(part->protocol) ? actor_sizes[part->protocol][number] : 1;
    size_t size = 0;
    enum leat_error error;
    if (part->protocol == LEAT_BYTES)
        error =
            leat_read_full(actor->hub, actor->conn, actor->bytes, due, part->patience_ms, &size);
    else
        error = leat_receive_wait(actor->hub, actor->conn, actor->bytes, sizeof actor->bytes,
                                  part->patience_ms, &size);
    actor->ended = error == LEAT_E_FINISHED && number == kill_messages(part->protocol);
    if (actor->ended || !actor_well(actor, "leat_receive", error))
        return false;
    bool right =
        size == due && actor_right(actor, number, due) && number < kill_messages(part->protocol);
    atomic_fetch_add(right ? &actor->talk->received : &actor->talk->wrong, 1);
    return right;
}

/* What the peer sent before all ended is still there. */
static void actor_drain(struct actor *actor)
{
    for (uint32_t i = atomic_load(&actor->talk->received); actor_receive(actor, i);)
        i++;
}

static void actor_close(struct actor *actor, bool whole)
{
    uint64_t undelivered = 0;
    if (!whole)
        actor_drain(actor);
    enum leat_error error =
        leat_close_wait(actor->hub, actor->conn, actor->part->patience_ms, &undelivered);
    if (actor_well(actor, "leat_close_wait", error) && whole && undelivered == 0)
        atomic_store(&actor->talk->whole, true);
}

/* ---- The client ------------------------------------------------------------------------------ */

static bool client_send(struct actor *actor, uint32_t number)
{
    uint32_t size = actor_sizes[actor->part->protocol][number];
    actor_fill(actor, number, size);
    if (number == 0)
        actor->bytes[0] = actor->part->last ? ACTOR_LAST : 'n';
    return actor_send(actor, size);
}

static bool client_talk(struct actor *actor)
{
    uint32_t small = kill_messages(actor->part->protocol) - 1;
    for (uint32_t i = 0; i < small; i++)
        if (!client_send(actor, i))
            return false;
    for (uint32_t i = 0; i < small; i++)
        if (!actor_receive(actor, i))
            return false;
    if (!client_send(actor, small) || !actor_receive(actor, small))
        return false;
    return actor_well(actor, "leat_finish", leat_finish(actor->hub, actor->conn)) &&
           !actor_receive(actor, small + 1) && actor->ended;
}

static struct leat_conn_options conn_options(const struct kill_part *part)
{
    return (struct leat_conn_options){.size = sizeof(struct leat_conn_options),
                                      .protocol = part->protocol,
                                      .handshake_ms =
                                          part->patience_ms > 100 ? part->patience_ms : 100,
                                      .empty_is_finish = part->protocol == LEAT_PACKETS};
}

static void client_run(struct actor *actor)
{
    const struct kill_part *part = actor->part;
    const struct leat_conn_options options = conn_options(part);
    const struct leat_connect_options connect = {.size = sizeof connect,
                                                 .timeout_ms = part->patience_ms,
                                                 .absent = part->absent,
                                                 .conn = &options};
    actor->talk = &part->end->talks[0];
    atomic_store(&part->end->talks_count, 1);
    enum leat_error error = leat_connect_wait(actor->hub, part->path, &connect, &actor->conn);
    if (actor_well(actor, "leat_connect_wait", error))
        actor_close(actor, client_talk(actor));
}

/* ---- The server ------------------------------------------------------------------------------ */

static bool server_talk(struct actor *actor, bool *last_out)
{
    uint32_t count = kill_messages(actor->part->protocol);
    for (uint32_t i = 0; i < count; i++) {
        if (!actor_receive(actor, i))
            return false;
        *last_out = *last_out || (i == 0 && actor->bytes[0] == ACTOR_LAST);
        if (!actor_send(actor, actor_sizes[actor->part->protocol][i]))
            return false;
    }
    return !actor_receive(actor, count) && actor->ended &&
           actor_well(actor, "leat_finish", leat_finish(actor->hub, actor->conn));
}

/* Nobody came: whether that is because accepting fails. */
static void server_ask(struct actor *actor, leat_listener listener)
{
    struct leat_listener_info info = {.size = sizeof info};
    if (leat_listener_info_get(actor->hub, listener, &info) == LEAT_OK)
        atomic_store(&actor->part->end->listener_error, (int)info.error);
}

static void server_run(struct actor *actor)
{
    const struct kill_part *part = actor->part;
    struct kill_end *end = part->end;
    const struct leat_conn_options options = conn_options(part);
    const struct leat_listen_options listen = {
        .size = sizeof listen, .conn = &options, .take_over = part->take_over};
    leat_listener listener;
    bool last = false;
    if (!end_well(end, "leat_listen", leat_listen(actor->hub, part->path, &listen, &listener)))
        return;
    atomic_store(&end->listening, true);
    for (uint32_t i = 0; i < KILL_CLIENTS_MAX && !last; i++) {
        enum leat_error error =
            leat_wait_accepted(actor->hub, listener, part->patience_ms, &actor->conn);
        if (!end_well(end, "leat_wait_accepted", error)) {
            server_ask(actor, listener);
            break;
        }
        actor->talk = &end->talks[i];
        atomic_store(&end->talks_count, i + 1);
        actor_close(actor, server_talk(actor, &last));
    }
    atomic_store(&end->closing, true);
    (void)end_well(end, "leat_listener_close", leat_listener_close(actor->hub, listener));
}

/* poll does not see descriptors that were opened for their place only; fcntl may be refused. */
static int actor_descriptors(void)
{
    static bool raised; /* since the first count: later the system may refuse it */
    struct rlimit limit;
    int open = 0;
    /* Those above a limit that a test has set count, too. */
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    limit.rlim_cur = limit.rlim_max;
    raised = (known && setrlimit(RLIMIT_NOFILE, &limit) == 0) || raised;
    if (!raised)
        return -1;
    for (int i = 0; i < ACTOR_DESCRIPTORS; i++) {
        int copy = dup(i);
        open += copy >= 0;
        if (copy >= 0 && close(copy) != 0)
            (void)syscall(SYS_close_range, copy, copy, 0); /* close is what is refused */
    }
    return open;
}

/* On older kernels a thread may still be closing what came with a connection, where the system
 * refused to let the hub's end wait for it. The folder of tasks has two links, and one for each. */
static void actor_wait_for_threads(void)
{
    time_t limit = time(NULL) + ACTOR_CLOSING_S;
    struct stat tasks;
    while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 2 + 1 && time(NULL) < limit)
        continue;
}

void kill_act(const struct kill_part *part)
{
    static struct actor actor;
    actor.part = part;
    int before = actor_descriptors();
    if (before < 0)
        return; /* it is not over */
    if (part->mark)
        part->mark(part->argument);
    if (end_well(part->end, "leat_hub_create", leat_hub_create(NULL, &actor.hub))) {
        if (part->serves)
            server_run(&actor);
        else
            client_run(&actor);
        (void)end_well(part->end, "leat_hub_destroy", leat_hub_destroy(actor.hub));
    }
    atomic_store(&part->end->over, true); /* what follows is not the library's */
    actor_wait_for_threads();
    atomic_store(&part->end->descriptors, actor_descriptors() - before);
}
