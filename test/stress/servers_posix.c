/* SPDX-License-Identifier: MIT
 *
 * Thirty client processes against one server, which is started again and again: after it went as it
 * should, and after it was killed.
 *
 * Happy path: a client whose conversation was cut off begins another one with the next server,
 *             until it has had as many whole ones as it wants.
 * Fails:      BROKEN and CLOSED, to clients of a server that goes.
 * Invariants: a whole conversation is one in which both have received all that the other said; what
 *             is lost of the others, somebody was told of.
 */
#include "stress_posix.h"

#include <stdatomic.h>
#include <stdio.h>

#define CLIENTS 30u
#define ATTEMPTS_MAX 1000u
#define SERVERS_MAX (STRESS_TELLERS - CLIENTS - 1u)
#define MESSAGES 20u
#define MESSAGE_MAX 2048u
#define CONNS_MAX 64u

static const struct leat_conn_options messages = {.size = sizeof messages,
                                                  .protocol = LEAT_MESSAGES};

/* What all processes share. */
struct town {
    struct stress_tale *tale;
    uint32_t wanted; /* whole conversations of a client */
    uint64_t seed;
    atomic_uint whole, clients; /* conversations so far; clients that want more */
    atomic_bool stop;           /* the server is to go */
    atomic_bool serving;        /* the server listens */
};

struct person {
    struct town *town;
    uint32_t teller;
};

/* ---- A client -------------------------------------------------------------------------------- */

/* True when it was a whole one. */
static bool conversation(struct person *person, struct leat_hub *hub, uint32_t number)
{
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .timeout_ms = STRESS_SOON_MS,
                                                 .absent = LEAT_ABSENT_WAIT,
                                                 .conn = &messages};
    struct stress_end end = {.tale = person->town->tale,
                             .hub = hub,
                             .teller = person->teller,
                             .number = number,
                             .messages = true,
                             .piece_max = MESSAGE_MAX,
                             .to_send = MESSAGES,
                             .random = {person->town->seed + number}};
    enum leat_error error = leat_connect_wait(hub, "town", &options, &end.conn);
    if (error == LEAT_OK)
        error = leat_send(hub, end.conn, &number, sizeof number);
    if (error != LEAT_OK) { /* it went while we came */
        REQUIRE(error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
        return false;
    }
    stress_pour(&end);
    while (!end.over && (end.received < MESSAGES || end.sent < MESSAGES)) {
        struct leat_event event;
        REQUIRE_ERROR(leat_next(hub, &event, STRESS_SOON_MS), LEAT_OK);
        stress_event(&end, &event);
    }
    if (end.over)
        return false;
    stress_close_wait(&end, STRESS_SOON_MS);
    return true;
}

static void client_run(void *argument)
{
    struct person *person = argument;
    struct town *town = person->town;
    struct leat_hub *hub = stress_hub();
    uint32_t whole = 0;
    for (uint32_t i = 0; i < ATTEMPTS_MAX && whole < town->wanted; i++) {
        if (conversation(person, hub, person->teller * ATTEMPTS_MAX + i)) {
            whole++;
            atomic_fetch_add(&town->whole, 1);
        }
        /* A conversation may have ended without its CLOSED being taken. */
        struct leat_event event;
        while (leat_next(hub, &event, 0) == LEAT_OK) {
        }
    }
    REQUIRE_INT(whole, town->wanted);
    atomic_fetch_sub(&town->clients, 1);
    REQUIRE_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* ---- The server ------------------------------------------------------------------------------ */

struct guest {
    struct stress_end end;
    bool used, known; /* known: it has said which conversation this is */
};

struct house {
    struct person *person;
    struct leat_hub *hub;
    struct guest guests[CONNS_MAX];
    uint32_t reports; /* that are still to come */
};

static void guest_accept(struct house *house, const struct leat_event *event)
{
    uint64_t place = 0;
    while (place < CONNS_MAX && house->guests[place].used)
        place++;
    REQUIRE(place < CONNS_MAX);
    house->guests[place] = (struct guest){.used = true};
    house->guests[place].end = (struct stress_end){.tale = house->person->town->tale,
                                                   .hub = house->hub,
                                                   .conn = event->conn,
                                                   .teller = house->person->teller,
                                                   .end = 1,
                                                   .messages = true,
                                                   .piece_max = MESSAGE_MAX,
                                                   .to_send = MESSAGES};
    REQUIRE_ERROR(leat_set_tag(house->hub, event->conn, place), LEAT_OK);
}

static void guest_event(struct house *house, const struct leat_event *event)
{
    REQUIRE(event->tag < CONNS_MAX && house->guests[event->tag].used);
    struct guest *guest = &house->guests[event->tag];
    size_t size = 0;
    if (event->type == LEAT_EVENT_READABLE && !guest->known) {
        uint32_t number = 0;
        enum leat_error error =
            leat_receive(house->hub, guest->end.conn, &number, sizeof number, &size);
        REQUIRE_ERROR(error, LEAT_OK);
        REQUIRE_INT(size, sizeof number);
        guest->known = true;
        guest->end.number = number;
        guest->end.random.state = ~(house->person->town->seed + number);
        stress_pour(&guest->end);
        return;
    }
    if (guest->known)
        stress_event(&guest->end, event);
    if (event->type == LEAT_EVENT_CLOSED)
        guest->used = false;
}

static void house_event(struct house *house, const struct leat_event *event)
{
    if (event->type == LEAT_EVENT_ACCEPTED) {
        guest_accept(house, event);
    } else if (event->type == LEAT_EVENT_CLOSE_REPORT) {
        struct guest *guest = &house->guests[event->tag];
        stress_reported(&guest->end, event->error, event->bytes_undelivered);
        house->reports--;
    } else if (event->conn.id != 0) {
        guest_event(house, event);
    }
}

/* Whoever talks to it is told the end, and what was said before is delivered. */
static void house_close(struct house *house)
{
    struct leat_event event;
    for (uint64_t i = 0; i < CONNS_MAX; i++) {
        struct guest *guest = &house->guests[i];
        if (!guest->used)
            continue;
        if (guest->known) {
            stress_close_report(&guest->end, STRESS_SOON_MS, i);
            house->reports++;
        } else {
            REQUIRE_ERROR(leat_abort(house->hub, guest->end.conn), LEAT_OK);
        }
    }
    while (house->reports > 0) {
        REQUIRE_ERROR(leat_next(house->hub, &event, STRESS_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_CLOSE_REPORT)
            house_event(house, &event);
    }
}

static void server_run(void *argument)
{
    static struct house house;
    struct person *person = argument;
    const struct leat_listen_options options = {
        .size = sizeof options, .conns_max = CONNS_MAX, .handshakes_max = 32, .conn = &messages};
    leat_listener listener;
    house = (struct house){.person = person, .hub = stress_hub()};
    REQUIRE_ERROR(leat_listen(house.hub, "town", &options, &listener), LEAT_OK);
    atomic_store(&person->town->serving, true);
    while (!atomic_load(&person->town->stop)) {
        struct leat_event event;
        enum leat_error error = leat_next(house.hub, &event, 5);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        if (error == LEAT_OK)
            house_event(&house, &event);
    }
    REQUIRE_ERROR(leat_listener_close(house.hub, listener), LEAT_OK);
    house_close(&house);
    REQUIRE_ERROR(leat_hub_destroy(house.hub), LEAT_OK);
}

/* ---- The town -------------------------------------------------------------------------------- */

static pid_t server_start(struct town *town, struct person *person)
{
    atomic_store(&town->stop, false);
    atomic_store(&town->serving, false);
    return stress_child(server_run, person);
}

static void server_end(struct town *town, const struct person *person, pid_t server, bool kill)
{
    CHECK_WITHIN(STRESS_SOON_MS, atomic_load(&town->serving));
    if (kill) {
        REQUIRE(stress_child_kill(server, town->tale, person->teller));
        return;
    }
    atomic_store(&town->stop, true);
    stress_child_good(server);
}

TEST_TIMEOUT(stress_thirty_clients_while_servers_restart, 300)
{
    stress_begin();
    struct prng random = stress_random();
    uint32_t restarts = (uint32_t)stress_count(6, 150), done = 0;
    struct person clients[CLIENTS], server = {.teller = CLIENTS};
    pid_t pids[CLIENTS];
    struct town *town = stress_memory(sizeof *town);
    REQUIRE(town != NULL && restarts < SERVERS_MAX);
    town->tale = stress_tale_begin(8, 12000000);
    town->wanted = (uint32_t)stress_count(6, 300);
    town->seed = prng_next(&random);
    atomic_store(&town->clients, CLIENTS);
    server.town = town;
    pid_t pid = server_start(town, &server);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct person){.town = town, .teller = i};
        pids[i] = stress_child(client_run, &clients[i]);
    }
    for (uint32_t i = 0; i < restarts && atomic_load(&town->clients) > 0; i++, done++) {
        /* At a moment that nobody chose. */
        size_t lines =
            stress_tale_lines(town->tale) + prng_below(&random, stress_count(3000, 12000));
        CHECK_WITHIN(STRESS_SOON_MS,
                     stress_tale_lines(town->tale) >= lines || atomic_load(&town->clients) == 0);
        server_end(town, &server, pid, i % 2 == 0);
        server.teller++;
        pid = server_start(town, &server);
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        stress_child_good(pids[i]);
    server_end(town, &server, pid, false);
    CHECK(done >= restarts / 2);
    CHECK_INT(atomic_load(&town->whole), CLIENTS * town->wanted);
    struct lti_history_result result = stress_tale_judge(town->tale);
    /* What a client said last may have gone with the server. */
    CHECK(result.messages >= (uint64_t)MESSAGES * CLIENTS * town->wanted);
    (void)printf("%u restarts, %llu messages, %llu lost\n", done,
                 (unsigned long long)result.messages, (unsigned long long)result.lost);
    stress_tale_end(town->tale);
    stress_memory_end(town, sizeof *town);
    stress_end();
}
