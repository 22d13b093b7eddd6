/* SPDX-License-Identifier: MIT
 *
 * Two processes send each other as much as they can, and one of them is stopped or killed at a
 * moment that nobody chose.
 *
 * Happy path: one that is stopped and goes on has lost nothing; one that is stopped for longer than
 *             write_stall_ms is cut off; the other of a killed one is told, and goes on living.
 * Fails:      TIMEOUT and BROKEN, with what is undelivered.
 * Invariants: whatever happens, what each received is a beginning of what the other sent, and what
 *             is missing somebody was told of.
 */
#include "stress_posix.h"

#include <stdatomic.h>
#include <stdio.h>

#define STALL_MS 200u
/* On a busy machine a blow may come when all is over; then the next pair gets it. */
#define TRIES 20u

enum blow {
    BLOW_NONE,
    BLOW_STOP,  /* stopped, and goes on when the other stands still */
    BLOW_KILL,  /* killed, whatever it is at */
    BLOW_STALL, /* stopped until the other has given up */
    BLOWS
};

/* How an end ended. */
struct outcome {
    enum leat_error error;
    uint64_t sent, received, undelivered;
    bool closed; /* CLOSED came */
};

struct duel {
    struct stress_tale *tale;
    struct leat_conn_options options;
    uint64_t to_send, seed;
    struct outcome outcomes[2];
    atomic_uint connected; /* ends that are */
};

struct fighter {
    struct duel *duel;
    uint32_t end; /* 0 dials */
};

static void fighter_connect(const struct fighter *fighter, struct stress_end *end)
{
    const struct leat_connect_options connect = {.size = sizeof connect,
                                                 .timeout_ms = STRESS_SOON_MS,
                                                 .conn = &fighter->duel->options,
                                                 .absent = LEAT_ABSENT_WAIT};
    const struct leat_listen_options listen = {.size = sizeof listen,
                                               .conn = &fighter->duel->options};
    leat_listener listener;
    if (fighter->end == 0) {
        REQUIRE_ERROR(leat_connect_wait(end->hub, "duel", &connect, &end->conn), LEAT_OK);
        return;
    }
    REQUIRE_ERROR(leat_listen(end->hub, "duel", &listen, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(end->hub, listener, STRESS_SOON_MS, &end->conn), LEAT_OK);
}

static bool is_whole(const struct stress_end *end)
{
    return end->sent == end->to_send && end->received == end->to_send;
}

static void fighter_run(void *argument)
{
    struct fighter *fighter = argument;
    struct duel *duel = fighter->duel;
    struct outcome *outcome = &duel->outcomes[fighter->end];
    struct stress_end end = {.tale = duel->tale,
                             .hub = stress_hub(),
                             .teller = fighter->end,
                             .end = fighter->end,
                             .messages = duel->options.protocol == LEAT_MESSAGES,
                             .piece_max = 16 * STRESS_KIB,
                             .to_send = duel->to_send,
                             .random = {duel->seed + fighter->end}};
    fighter_connect(fighter, &end);
    atomic_fetch_add(&duel->connected, 1);
    stress_pour(&end);
    /* Who dialled closes when he has all; the other waits for that. */
    while (!end.over && !end.finished && !(fighter->end == 0 && is_whole(&end))) {
        struct leat_event event;
        REQUIRE_ERROR(leat_next(end.hub, &event, STRESS_SOON_MS), LEAT_OK);
        if (event.type != LEAT_EVENT_CLOSED && event.conn.id != end.conn.id)
            continue;
        stress_event(&end, &event);
        if (event.type == LEAT_EVENT_CLOSED)
            *outcome = (struct outcome){
                .error = event.error, .undelivered = event.bytes_undelivered, .closed = true};
    }
    if (!end.over)
        stress_close_wait(&end, STRESS_SOON_MS);
    outcome->sent = end.sent;
    outcome->received = end.received;
    REQUIRE_ERROR(leat_hub_destroy(end.hub), LEAT_OK);
}

/* Waits until `lines` more were told, or nobody tells any more. */
static void wait_for_lines(const struct stress_tale *tale, size_t lines)
{
    size_t before = stress_tale_lines(tale), now = before, seen = before;
    for (uint32_t still = 0; now < before + lines && still < 50; now = stress_tale_lines(tale)) {
        lti_test_pause();
        still = now == seen ? still + 1 : 0;
        seen = now;
    }
}

/* Which blow it was: who had ended by itself before it came had none. */
static enum blow duel_strike(struct duel *duel, enum blow blow, uint32_t victim,
                             const pid_t pids[2])
{
    uint32_t other = victim ^ 1u;
    bool there = blow == BLOW_KILL   ? stress_child_kill(pids[victim], duel->tale, victim)
                 : blow != BLOW_NONE ? stress_child_stop(pids[victim])
                                     : true;
    if (!there) {
        stress_child_good(pids[other]);
        return BLOW_NONE;
    }
    switch (blow) {
    case BLOW_STOP:
        wait_for_lines(duel->tale, SIZE_MAX / 2); /* until the other stands still */
        stress_child_go_on(pids[victim]);
        break;
    case BLOW_KILL:
        stress_child_good(pids[other]);
        return blow;
    case BLOW_STALL:
        stress_child_good(pids[other]);
        stress_child_go_on(pids[victim]);
        stress_child_good(pids[victim]);
        return blow;
    case BLOW_NONE:
    case BLOWS:
        break;
    }
    stress_child_good(pids[0]);
    stress_child_good(pids[1]);
    return blow;
}

static void duel_judge(struct duel *duel, enum blow blow, uint32_t victim)
{
    const struct outcome *outcomes = duel->outcomes, *other = &outcomes[victim ^ 1u];
    struct lti_history_result result = stress_tale_judge(duel->tale);
    bool messages = duel->options.protocol == LEAT_MESSAGES;
    if (blow == BLOW_NONE || blow == BLOW_STOP) {
        CHECK_INT(result.lost, 0);
        CHECK_INT(messages ? result.messages : result.bytes, 2 * duel->to_send);
    }
    if (blow == BLOW_STALL) {
        CHECK(other->closed);
        CHECK_ERROR(other->error, LEAT_E_TIMEOUT);
        CHECK(other->undelivered > 0);
        /* What the system had taken is still read. */
        if (!messages)
            CHECK_INT(outcomes[victim].received + other->undelivered, other->sent);
    }
}

/* False: both were done before the blow came. */
static bool duel_fight(struct duel *duel, struct prng *random, enum blow blow)
{
    struct fighter fighters[2];
    pid_t pids[2];
    bool messages = prng_below(random, 2) == 0;
    uint32_t victim = (uint32_t)prng_below(random, 2);
    duel->options = (struct leat_conn_options){.size = sizeof duel->options,
                                               .protocol = messages ? LEAT_MESSAGES : LEAT_BYTES,
                                               .write_stall_ms = blow == BLOW_STALL ? STALL_MS : 0};
    duel->seed = prng_next(random);
    /* Much more than can be under way at the moment. */
    duel->to_send = stress_count(1, 4) * (messages ? 400 : 3 * STRESS_MIB);
    atomic_store(&duel->connected, 0);
    for (uint32_t i = 0; i < 2; i++) {
        duel->outcomes[i] = (struct outcome){0};
        fighters[i] = (struct fighter){duel, i};
        pids[i] = stress_child(fighter_run, &fighters[i]);
    }
    size_t moment = 1 + prng_below(random, stress_count(60, 300));
    CHECK_WITHIN(STRESS_SOON_MS, atomic_load(&duel->connected) == 2);
    wait_for_lines(duel->tale, moment);
    enum blow struck = duel_strike(duel, blow, victim, pids);
    duel_judge(duel, struck, victim);
    return struck == blow;
}

static void duels(enum blow blow, uint64_t rounds)
{
    stress_begin();
    struct prng random = stress_random();
    struct duel *duel = stress_memory(sizeof *duel);
    REQUIRE(duel != NULL);
    duel->tale = stress_tale_begin(9, 200000);
    uint64_t struck = 0;
    for (uint64_t i = 0; struck < rounds && i < rounds * TRIES; i++)
        struck += duel_fight(duel, &random, blow);
    CHECK_INT(struck, rounds);
    /* What a killed one left at the name is in nobody's way, and goes with the next. */
    CHECK(duel_fight(duel, &random, BLOW_NONE));
    stress_tale_end(duel->tale);
    stress_memory_end(duel, sizeof *duel);
    stress_end();
}

TEST_TIMEOUT(stress_two_processes, 300)
{
    duels(BLOW_NONE, stress_count(1, 20));
}

TEST_TIMEOUT(stress_one_of_two_is_stopped_for_a_while, 300)
{
    duels(BLOW_STOP, stress_count(4, 100));
}

TEST_TIMEOUT(stress_one_of_two_is_killed, 300)
{
    duels(BLOW_KILL, stress_count(12, 500));
}

TEST_TIMEOUT(stress_one_of_two_is_stopped_for_too_long, 300)
{
    duels(BLOW_STALL, stress_count(4, 50));
}
