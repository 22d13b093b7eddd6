/* SPDX-License-Identifier: MIT
 *
 * Connections on synchronous handles that end while their threads are in the system.
 *
 * Happy path: what is read is what was written, and each connection ends.
 * Fails:      a thread that does not come out, or an operation that is told twice or never, keeps a
 *             hub from being destroyed or is a misuse of the simulated kernel.
 * Invariants: the seeds are fixed. The simulated kernel runs the threads in any order, lets calls
 *             fail, and lets a cancel come before the call that it is meant for.
 */
#include "conformance/kit_nt.h"
#include "prng.h"
#include "sync_pipe.h"

#include <stdio.h>

#define RACE_BYTES 100000u

struct racer {
    struct leat_hub *hub;
    leat_conn conn;
    uint64_t sent, got;
    bool over;
};

static uint8_t race_block[RACE_BYTES];

static bool race_adopt(struct racer *racer, intptr_t handle)
{
    *racer = (struct racer){.hub = racer->hub};
    enum leat_error error = leat_adopt_conn(racer->hub, handle, 0, NULL, &racer->conn);
    if (error == LEAT_OK)
        return true;
    CHECK(error == LEAT_E_MEMORY || error == LEAT_E_HANDLE);
    CHECK_INT(lti_os_handle_close(handle), 0);
    return false;
}

static void race_write(struct racer *racer, struct prng *prng)
{
    static const uint32_t sizes[] = {1, 100, 5000, 70000, RACE_BYTES};
    size_t size = 1 + prng_below(prng, sizes[prng_below(prng, 5)]), accepted = 0;
    kit_pattern(race_block, size, racer->sent);
    enum leat_error error = leat_write(racer->hub, racer->conn, race_block, size, &accepted);
    CHECK(error == LEAT_OK || error == LEAT_E_CLOSED || error == LEAT_E_BROKEN ||
          error == LEAT_E_STALE || error == LEAT_E_FULL || error == LEAT_E_MEMORY);
    racer->sent += error == LEAT_OK ? accepted : 0;
}

/* Takes a few events, and what can be read with them, which is what the other one wrote. */
static void race_turns(struct racer *racer, size_t turns, size_t wait_ms)
{
    static uint8_t into[10000];
    for (size_t i = 0; i < turns; i++) {
        struct leat_event event;
        size_t size = 0;
        if (leat_next(racer->hub, &event, (uint32_t)wait_ms) != LEAT_OK)
            return;
        if (event.conn.id != racer->conn.id)
            continue;
        racer->over = racer->over || event.type == LEAT_EVENT_CLOSED;
        if (event.type == LEAT_EVENT_READABLE &&
            leat_read(racer->hub, racer->conn, into, sizeof into, &size) == LEAT_OK) {
            CHECK(kit_pattern_is(into, size, racer->got));
            racer->got += size;
        }
    }
}

static void race_end(struct racer *racer, size_t how)
{
    enum leat_error error =
        how == 0 ? leat_close(racer->hub, racer->conn, 0) : leat_abort(racer->hub, racer->conn);
    CHECK(error == LEAT_OK || error == LEAT_E_STALE);
}

static void race_round(struct racer racers[2], struct prng *prng)
{
    static uint32_t count;
    char word[32];
    intptr_t handles[2] = {-1, -1};
    size_t kind = prng_below(prng, 4);
    (void)snprintf(word, sizeof word, "race-%u", ++count);
    const struct lti_sync_kind how = {
        .one_way = kind == 0, .both = kind != 1, .quota = 4096u << prng_below(prng, 5)};
    if (!lti_sync_pipe(kit_path(word), how, handles))
        return; /* a fault of the kernel */
    if (!race_adopt(&racers[0], handles[0])) {
        CHECK_INT(lti_os_handle_close(handles[1]), 0);
        return;
    }
    if (!race_adopt(&racers[1], handles[1])) {
        race_end(&racers[0], 1);
        return;
    }
    for (size_t i = prng_below(prng, 6); i > 0; i--) {
        struct racer *racer = &racers[prng_below(prng, 2)];
        if (prng_below(prng, 2) == 0)
            race_write(racer, prng);
        else
            race_turns(racer, prng_below(prng, 4), prng_below(prng, 8));
    }
    size_t first = prng_below(prng, 2);
    race_end(&racers[first], prng_below(prng, 2));
    race_turns(&racers[1 - first], prng_below(prng, 3), prng_below(prng, 8));
    race_end(&racers[1 - first], prng_below(prng, 2));
}

/* Threads may be on their way out still. */
static void race_settle(const struct racer racers[2])
{
    uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (kit_hub_info(racers[0].hub).conns + kit_hub_info(racers[1].hub).conns > 0 &&
           kit_now_ms() < until) {
        struct leat_event event;
        enum leat_error error = leat_next(racers[0].hub, &event, 5);
        CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        kit_drain(racers[0].hub, racers[1].hub, NULL);
    }
    CHECK_INT(kit_hub_info(racers[0].hub).conns, 0);
    CHECK_INT(kit_hub_info(racers[1].hub).conns, 0);
}

static void races(uint32_t rounds, uint64_t seed, void (*faults)(uint64_t seed))
{
    struct racer racers[2] = {{.hub = kit_begin()}, {.hub = kit_hub(NULL)}};
    struct prng prng = {seed};
    faults(seed);
    for (uint32_t i = 0; i < rounds; i++)
        race_round(racers, &prng);
    faults(0);
    race_settle(racers);
    CHECK_ERROR(leat_hub_destroy(racers[1].hub), LEAT_OK);
    kit_end(racers[0].hub);
}

/* The end comes just when the thread goes into a write that nobody will ever read. */
static void meetings(uint32_t rounds)
{
    struct leat_hub *hub = kit_begin();
    const struct lti_sync_kind kind = {.both = true, .quota = 4096};
    for (uint32_t i = 0; i < rounds; i++) {
        intptr_t handles[2] = {-1, -1};
        struct racer racer = {.hub = hub};
        struct lti_os_pipe_facts facts = {.connected = true};
        char word[32];
        (void)snprintf(word, sizeof word, "meet-%u", i);
        REQUIRE(lti_sync_pipe(kit_path(word), kind, handles));
        REQUIRE(race_adopt(&racer, handles[0]));
        kit_write(hub, racer.conn, race_block, 50000);
        race_end(&racer, i % 2);
        uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
        while (facts.connected && kit_now_ms() < until) {
            race_turns(&racer, 1, 5);
            REQUIRE_INT(lti_os_pipe_facts(handles[1], &facts), 0);
        }
        CHECK(!facts.connected);
        CHECK_INT(lti_os_handle_close(handles[1]), 0);
    }
    kit_end(hub);
}

#ifndef _WIN32
#define SEEDS 100u
#define ROUNDS 300u

/* While nobody begins and nobody ends; seed 0: none. */
static void race_faults(uint64_t seed)
{
    const uint32_t often = 200000, seldom = 20000, rare = 1000;
    struct lti_sim_faults faults = {0};
    faults.delay = seed % 2 ? often : 0;
    faults.pend = seed % 3 ? often : 0;
    faults.cancel = seed % 4 ? often : 0;
    faults.short_read = seed % 5 ? often : 0;
    faults.resources = seed % 6 ? seldom : 0;
    faults.poll_empty = seed % 7 ? seldom : 0;
    faults.memory = seed % 8 ? rare : 0;
    lti_sim_set_faults(seed ? &faults : NULL);
}

TEST_TIMEOUT(nt_sync_races, 300)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct lti_sim_options options = {.seed = seed};
        options.yield_one_in = seed % 9 ? 8 : 2;
        lti_sim_begin(&options);
        races(ROUNDS, seed, race_faults);
        if (!CHECK_INT(lti_sim_misuses(), 0))
            (void)printf("the seed: %u\n", (unsigned)seed);
    }
    lti_sim_end();
}

TEST_TIMEOUT(nt_sync_ends_meet_writes, 300)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct lti_sim_options options = {.seed = seed, .yield_one_in = 2};
        lti_sim_begin(&options);
        meetings(20);
    }
    lti_sim_end();
}
#else
static void race_faults(uint64_t seed)
{
    (void)seed; /* a real system has its own */
}

TEST_TIMEOUT(nt_sync_races, 120)
{
    races(300, 1, race_faults);
}

TEST_TIMEOUT(nt_sync_ends_meet_writes, 120)
{
    meetings(200);
}
#endif
