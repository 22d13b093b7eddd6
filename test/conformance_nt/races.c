/* SPDX-License-Identifier: MIT
 *
 * Cancels against completions: connections that end while their operations do.
 *
 * Happy path: each operation ends once, however its end and its cancel meet.
 * Fails:      a completion that is lost keeps the hub from being destroyed; one that comes twice
 *             ends the program, because its operation is nobody's any more.
 * Invariants: the seeds are fixed, so that a round that fails can be had again. The simulated
 *             kernel lets completions come late, in any order, and cancels say yes that came too
 *             late.
 */
#include "conformance/kit_nt.h"
#include "prng.h"
#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#include <stdatomic.h>
#include <stdio.h>

#define RACE_BYTES 200000u

static uint8_t race_block[RACE_BYTES];

static size_t race_size(struct prng *prng)
{
    static const uint32_t sizes[] = {1, 100, 5000, 70000, RACE_BYTES};
    return 1 + prng_below(prng, sizes[prng_below(prng, 5)]);
}

static void race_write(struct leat_hub *hub, leat_conn conn, size_t size)
{
    size_t accepted = 0;
    enum leat_error error = leat_write(hub, conn, race_block, size, &accepted);
    CHECK(error == LEAT_OK || error == LEAT_E_CLOSED || error == LEAT_E_BROKEN ||
          error == LEAT_E_STALE || error == LEAT_E_FULL || error == LEAT_E_MEMORY);
}

/* Takes a few events, and what can be read with them. */
static void race_turns(struct leat_hub *hub, size_t turns)
{
    static uint8_t into[10000];
    for (size_t i = 0; i < turns; i++) {
        struct leat_event event;
        size_t size = 0;
        if (leat_next(hub, &event, 0) != LEAT_OK)
            return;
        if (event.type == LEAT_EVENT_READABLE)
            CHECK(leat_read(hub, event.conn, into, sizeof into, &size) != LEAT_E_STATE);
    }
}

static void race_end(struct leat_hub *hub, leat_conn conn, size_t how)
{
    enum leat_error error = how == 0 ? leat_close(hub, conn, 0) : leat_abort(hub, conn);
    CHECK(error == LEAT_OK || error == LEAT_E_STALE);
}

static void race_round(struct leat_hub *hub, struct leat_hub *peer, struct prng *prng)
{
    leat_conn a, b;
    enum leat_error error = leat_pair(hub, peer, NULL, &a, &b);
    if (error == LEAT_E_MEMORY || error == LEAT_E_LIMIT)
        return; /* a fault of the kernel; nothing is left of it */
    REQUIRE_ERROR(error, LEAT_OK);
    if (prng_below(prng, 4) > 0)
        race_write(hub, a, race_size(prng));
    race_turns(peer, prng_below(prng, 4));
    if (prng_below(prng, 4) > 0)
        race_write(peer, b, race_size(prng));
    race_turns(hub, prng_below(prng, 4));
    if (prng_below(prng, 2) == 0) {
        race_end(hub, a, prng_below(prng, 2));
        race_turns(peer, prng_below(prng, 3));
        race_end(peer, b, prng_below(prng, 2));
    } else {
        race_end(peer, b, prng_below(prng, 2));
        race_turns(hub, prng_below(prng, 3));
        race_end(hub, a, prng_below(prng, 2));
    }
}

/* Completions may be on their way still. */
static void race_settle(struct leat_hub *hub, struct leat_hub *peer)
{
    uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (kit_hub_info(hub).conns + kit_hub_info(peer).conns > 0 && kit_now_ms() < until) {
        struct leat_event event;
        enum leat_error error = leat_next(hub, &event, 5);
        CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        kit_drain(hub, peer, NULL);
    }
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK_INT(kit_hub_info(peer).conns, 0);
}

static void races(uint32_t rounds, uint64_t seed)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *peer = kit_hub(NULL);
    struct prng prng = {seed};
    for (uint32_t i = 0; i < rounds; i++)
        race_round(hub, peer, &prng);
    race_settle(hub, peer);
    CHECK_ERROR(leat_hub_destroy(peer), LEAT_OK);
    kit_end(hub);
}

#ifndef _WIN32
#define SEEDS 100u
#define ROUNDS 1000u

static void simulated_races(uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct lti_sim_options options = {.seed = seed};
        const uint32_t often = 200000, seldom = 20000;
        options.faults.delay = seed % 2 ? often : 0;
        options.faults.pend = seed % 3 ? often : 0;
        options.faults.cancel = seed % 4 ? often : 0;
        options.faults.linger = seed % 5 ? often : 0;
        options.faults.poll_shuffle = seed % 6 ? often : 0;
        options.faults.poll_empty = seed % 7 ? seldom : 0;
        options.faults.short_read = seed % 8 ? seldom : 0;
        lti_sim_begin(&options);
        races(ROUNDS, seed);
        if (!CHECK_INT(lti_sim_misuses(), 0))
            (void)printf("the seed: %u\n", (unsigned)seed);
    }
    lti_sim_end();
}

TEST_TIMEOUT(nt_races_of_a_hundred_thousand_cancels, 300)
{
    simulated_races(SEEDS);
}

TEST_ON_DEMAND(nt_races_of_a_million_cancels, 3000)
{
    simulated_races(10 * (uint64_t)SEEDS);
}
#else
TEST_TIMEOUT(nt_races_of_two_thousand_cancels, 120)
{
    races(2000, 1);
}

TEST_ON_DEMAND(nt_races_of_a_hundred_thousand_real_cancels, 3000)
{
    races(100000, 2);
}

/* ---- The peer in a thread of its own --------------------------------------------------------- */

#define RACERS 2000u

struct race_peer {
    struct leat_hub *hub;
    uint32_t closed, twice;
    uint8_t seen[RACERS];
    atomic_bool over;
};

/* Takes whatever comes, and counts each end once. */
static void race_peer_run(void *argument)
{
    struct race_peer *peer = argument;
    static uint8_t into[10000];
    while (!atomic_load(&peer->over) || peer->closed < RACERS) {
        struct leat_event event;
        size_t size = 0;
        enum leat_error error = leat_next(peer->hub, &event, KIT_SOON_MS);
        if (error != LEAT_OK)
            return;
        if (event.type == LEAT_EVENT_READABLE &&
            leat_read(peer->hub, event.conn, into, sizeof into, &size) == LEAT_OK)
            race_write(peer->hub, event.conn, size);
        if (event.type != LEAT_EVENT_CLOSED)
            continue;
        peer->closed++;
        peer->twice += peer->seen[event.tag]++ > 0;
    }
}

TEST_TIMEOUT(nt_races_between_threads, 120)
{
    static struct race_peer peer;
    struct leat_hub *hub = kit_begin();
    struct prng prng = {3};
    peer.hub = kit_hub(NULL);
    struct kit_thread *thread = kit_thread_start(race_peer_run, &peer);
    for (uint32_t i = 0; i < RACERS; i++) {
        leat_conn a, b;
        REQUIRE_ERROR(leat_pair(hub, peer.hub, NULL, &a, &b), LEAT_OK);
        CHECK_ERROR(leat_set_tag(peer.hub, b, i), LEAT_OK);
        race_write(hub, a, race_size(&prng));
        race_turns(hub, prng_below(&prng, 4));
        race_end(hub, a, prng_below(&prng, 2));
    }
    atomic_store(&peer.over, true);
    CHECK_ERROR(leat_wake(peer.hub), LEAT_OK);
    kit_thread_join(thread);
    CHECK_INT(peer.closed, RACERS);
    CHECK_INT(peer.twice, 0);
    race_settle(hub, peer.hub);
    CHECK_ERROR(leat_hub_destroy(peer.hub), LEAT_OK);
    kit_end(hub);
}
#endif
