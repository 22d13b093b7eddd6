/* SPDX-License-Identifier: MIT
 *
 * The director: starts the processes of a soak, kills the victim again and again, judges what is
 * told, looks once a second at what is used, and says at the end whether all limits were kept.
 *
 * Happy path: server, client and pinger live all day; after a tenth of it and at its end all stands
 *             still, and what they use then is compared.
 * Fails:      a process that ends by itself, a violation, a limit that is not kept.
 * Invariants: the victim is stopped before its ends are called killed, and killed afterwards; only
 *             processes that this file started are ended.
 */
#include "soak.h"

#include "stress/stress_posix.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_MS 1000u
#define VICTIM_EVENTS 50u /* of a minute's end it sees so many at most */
#define VICTIM_PATIENCE_MS 2000u

struct director {
    struct soak *soak;
    pid_t pids[SOAK_WATCHED], plain, victim;
    struct prng random;
    uint64_t due_ms;      /* since when a kill is due; 0: none is */
    uint32_t victim_says; /* how many events it lives to see from then on */
    uint32_t victim_said; /* before */
    uint64_t sampled_ms;
};

struct soak *soak_begin(uint32_t seconds)
{
    struct soak *soak = stress_memory(sizeof *soak);
    REQUIRE(soak != NULL);
    struct lti_history *content = lti_history_new(UINT64_C(0x50414B));
    REQUIRE(content != NULL);
    soak->seconds = seconds;
    soak->storms = (uint64_t)SOAK_DAY_STORMS * seconds / SOAK_DAY_SECONDS;
    soak->storm_us = UINT64_C(1000000) * SOAK_DAY_SECONDS / SOAK_DAY_STORMS;
    soak->storm_tenth = soak->storms / 10 + 1;
    soak->generations = soak->storms / 20 > 1000 ? 1000 : (uint32_t)(soak->storms / 20);
    if (soak->generations < 2)
        soak->generations = 2;
    atomic_store(&soak->number, 1);
    for (uint32_t i = 0; i < SOAK_PLACES; i++)
        soak->places[i].content = content;
    return soak;
}

void soak_end(struct soak *soak)
{
    lti_history_free(soak->places[0].content);
    stress_memory_end(soak, sizeof *soak);
}

/* ---- The victim ------------------------------------------------------------------------------ */

static void victim_start(struct director *director)
{
    struct soak *soak = director->soak;
    atomic_store(&soak->victim_events, 0);
    atomic_store(&soak->victim_conns, 0);
    director->victim_says = (uint32_t)prng_below(&director->random, VICTIM_EVENTS);
    director->victim = stress_child(soak_victim_run, soak);
}

static void victim_kill(struct director *director)
{
    int status = 0;
    atomic_store(&director->soak->victim_live, 0);
    stress_child_stop(director->victim);
    soak_places_kill(director->soak);
    REQUIRE(kill(director->victim, SIGKILL) == 0);
    pid_t waited;
    do
        waited = waitpid(director->victim, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == director->victim);
    director->victim = 0;
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    director->soak->kills++;
}

/* One a minute of the day, in the middle of its connections, some events later: how many nobody
 * chose. */
static void victim_watch(struct director *director)
{
    struct soak *soak = director->soak;
    uint64_t minutes = atomic_load(&soak->storms_done) / SOAK_STORMS_PER_KILL;
    uint64_t now = lti_test_now_ms();
    if (minutes <= soak->kills)
        return;
    uint32_t said = atomic_load(&soak->victim_events);
    if (director->due_ms == 0) {
        director->due_ms = now;
        director->victim_said = said;
    }
    bool ready = said - director->victim_said >= director->victim_says &&
                 atomic_load(&soak->victim_conns) > 0;
    if (!ready && now < director->due_ms + VICTIM_PATIENCE_MS)
        return;
    soak->forced += !ready;
    victim_kill(director);
    director->due_ms = 0;
    victim_start(director);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static void sample(struct director *director)
{
    struct soak *soak = director->soak;
    uint64_t now = lti_test_now_ms();
    if (now < director->sampled_ms + SECOND_MS || soak->sample_count == SOAK_SAMPLES_MAX)
        return;
    director->sampled_ms = now;
    struct soak_sample *at = &soak->samples[soak->sample_count++];
    at->time_ms = now - soak->began_ms;
    at->storms = atomic_load(&soak->storms_done);
    at->messages = soak->totals.messages;
    at->kills = soak->kills;
    uint32_t turn = atomic_load(&soak->latency_turn) % 2;
    memcpy(at->latency, soak->latency[turn], sizeof at->latency);
    for (uint32_t i = 0; i < SOAK_WATCHED; i++) {
        at->use[i] = soak_use_of(director->pids[i]);
        at->hub_bytes[i] = soak->own[i].hub_bytes; /* as they said last */
        at->allocations[i] = soak->own[i].allocations;
    }
    atomic_fetch_add(&soak->ask, 1);
}

static bool all_told(struct soak *soak)
{
    uint32_t ask = atomic_load(&soak->ask);
    for (uint32_t i = 0; i < SOAK_WATCHED; i++) {
        if (atomic_load(&soak->own[i].told) != ask)
            return false;
    }
    return true;
}

static void alive(pid_t child)
{
    int status = 0;
    if (child > 0 && !CHECK_INT(waitpid(child, &status, WNOHANG), 0)) {
        (void)printf("process %d ended with 0x%x\n", (int)child, (unsigned int)status);
        lti_test_stop();
    }
}

static void work(struct director *director)
{
    for (uint32_t i = 0; i < SOAK_WATCHED; i++)
        alive(director->pids[i]);
    alive(director->victim);
    (void)soak_places_judge(director->soak);
    sample(director);
    lti_test_pause();
}

/* Nothing is connected but the pinger: asks, looks, and lets the client go on. */
static void stand_still(struct director *director, uint32_t turn, struct soak_use *use,
                        struct soak_own *own)
{
    struct soak *soak = director->soak;
    while (soak_places_judge(soak) > 0)
        work(director);
    atomic_store(&soak->trim, 1);
    do { /* the server may not have looked at the last end yet */
        atomic_fetch_add(&soak->ask, 1);
        while (!all_told(soak))
            work(director);
    } while (soak->own[SOAK_SERVER].conns != 1 || soak->own[SOAK_CLIENT].conns != 0);
    for (uint32_t i = 0; i < SOAK_WATCHED; i++) {
        own[i] = soak->own[i];
        use[i] = soak_use_of(director->pids[i]);
    }
    atomic_store(&soak->trim, 0);
    atomic_store(&soak->go, turn);
}

/* ---- The day --------------------------------------------------------------------------------- */

static void day_begin(struct director *director)
{
    static void (*const runs[SOAK_WATCHED])(void *argument) = {soak_server_run, soak_client_run,
                                                               soak_pinger_run};
    struct soak *soak = director->soak;
    soak->began_ms = director->sampled_ms = lti_test_now_ms();
    director->random = (struct prng){soak->began_ms};
    for (uint32_t i = 0; i < SOAK_WATCHED; i++) {
        if (i == SOAK_PINGER) {
            REQUIRE_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, soak->plain), 0);
            director->plain = stress_child(soak_plain_run, soak);
        }
        director->pids[i] = stress_child(runs[i], soak);
        if (i == SOAK_SERVER) /* who dials first is not to find nobody */
            atomic_fetch_add(&soak->ask, 1);
        while (i == SOAK_SERVER && atomic_load(&soak->own[i].told) == 0)
            work(director);
    }
    REQUIRE_INT(close(soak->plain[0]), 0);
    REQUIRE_INT(close(soak->plain[1]), 0);
}

static void day_run(struct director *director)
{
    struct soak *soak = director->soak;
    day_begin(director);
    victim_start(director);
    while (atomic_load(&soak->settled) < 1) {
        work(director);
        victim_watch(director);
    }
    victim_kill(director);
    stand_still(director, 1, soak->before, soak->own_before);
    victim_start(director);
    while (atomic_load(&soak->settled) < 2) {
        work(director);
        victim_watch(director);
    }
    if (soak->kills < soak->storms / SOAK_STORMS_PER_KILL) { /* the last minute's */
        victim_kill(director);
        victim_start(director);
    }
    /* The last victim takes its names along. */
    atomic_store(&soak->victim_stop, 1);
    stress_child_good(director->victim);
    director->victim = 0;
    soak->ended_ms = lti_test_now_ms();
    stand_still(director, 2, soak->after, soak->own_after);
    atomic_store(&soak->over, 1);
    for (uint32_t i = SOAK_WATCHED; i-- > 0;)
        stress_child_good(director->pids[i]);
    stress_child_good(director->plain);
}

static uint32_t seconds_wanted(void)
{
    const char *text = getenv("LEAT_SOAK_SECONDS");
    unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 3;
    return seconds >= 1 && seconds <= SOAK_SAMPLES_MAX ? (uint32_t)seconds : 3;
}

TEST_TIMEOUT(soak_a_day_or_a_part_of_it, 40000)
{
    const char *path = getenv("LEAT_SOAK_JSON");
    struct director director = {0};
    stress_system_begin();
    director.soak = soak_begin(seconds_wanted());
    day_run(&director);
    CHECK(soak_report(director.soak, path));
    soak_end(director.soak);
    stress_system_end();
}
