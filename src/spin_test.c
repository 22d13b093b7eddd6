/* SPDX-License-Identifier: MIT
 *
 * When a wait asks before it sleeps: what the policy learns, and how soon.
 */
#include "spin.h"

#include "harness.h"

#define US UINT64_C(1000)
#define BOUND_US 50u

/* A wait whose answer is given after answer_ns of the peer's own time. `apart`: the peer runs
 * beside us, and to wake either takes wake_ns; else it runs only while we sleep. */
struct world {
    uint64_t answer_ns, wake_ns;
    bool apart;
};

static bool waited(struct lti_spin *spin, const struct world *world)
{
    enum lti_spin_plan plan = lti_spin_next(spin);
    uint64_t bound_ns = BOUND_US * US;
    uint64_t slept_ns = world->answer_ns + world->wake_ns;
    if (plan == LTI_SPIN_MEASURE)
        lti_spin_slept(spin, slept_ns);
    if (plan != LTI_SPIN_TRY)
        return false;
    if (world->apart && world->answer_ns < bound_ns)
        lti_spin_tried(spin, true, world->answer_ns);
    else if (world->apart)
        lti_spin_tried(spin, false, slept_ns);
    else
        lti_spin_tried(spin, false, bound_ns + slept_ns);
    return true;
}

static uint64_t tries(struct lti_spin *spin, const struct world *world, uint32_t waits)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < waits; i++)
        count += waited(spin, world);
    return count;
}

TEST(spin_off_never_asks)
{
    const struct world world = {1 * US, 20 * US, true};
    struct lti_spin spin;
    lti_spin_init(&spin, 0);
    CHECK_INT(lti_spin_asks_max(&spin), 0);
    CHECK_INT(tries(&spin, &world, 1000), 0);
}

TEST(spin_begins_after_a_short_wait)
{
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK_INT(spin.bound_ns, BOUND_US * US);
    CHECK_INT(lti_spin_next(&spin), LTI_SPIN_MEASURE);
    lti_spin_slept(&spin, 100 * US + 1); /* twice the bound is short */
    CHECK_INT(lti_spin_next(&spin), LTI_SPIN_MEASURE);
    lti_spin_slept(&spin, 100 * US);
    CHECK_INT(lti_spin_next(&spin), LTI_SPIN_TRY);
}

TEST(spin_goes_on_while_it_pays)
{
    const struct world world = {2 * US, 20 * US, true};
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK_INT(tries(&spin, &world, 1000), 999);
    CHECK_INT(spin.tries, 999);
    CHECK_INT(spin.hits, 999);
}

TEST(spin_ends_with_a_long_wait)
{
    const struct world talk = {2 * US, 20 * US, true}, idle = {1000000 * US, 20 * US, true};
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK_INT(tries(&spin, &talk, 100), 99);
    CHECK_INT(tries(&spin, &idle, 1000), 1);
    CHECK(tries(&spin, &talk, 100) >= 97);
}

/* Each try in vain costs more than the one before. */
TEST(spin_backs_off)
{
    const struct world world = {8 * US, 1 * US, false};
    const uint32_t costs[] = {1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023, 1023};
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK(!waited(&spin, &world));
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        CHECK(waited(&spin, &world));
        CHECK_INT(tries(&spin, &world, costs[i] + 1), 0); /* the last one is measured */
    }
    CHECK_INT(spin.hits, 0);
}

/* How many of 100000 waits are tries, when every nth try gives an answer, after answer_ns. */
static uint64_t lucky_tries(struct lti_spin *spin, uint64_t nth, uint64_t answer_ns)
{
    uint64_t count = 0;
    for (int i = 0; i < 100000; i++) {
        enum lti_spin_plan plan = lti_spin_next(spin);
        if (plan == LTI_SPIN_MEASURE)
            lti_spin_slept(spin, 9 * US);
        if (plan != LTI_SPIN_TRY)
            continue;
        count++;
        lti_spin_tried(spin, count % nth == 0, count % nth == 0 ? answer_ns : 59 * US);
    }
    return count;
}

/* Both on one CPU: now and then the system lets the peer run while we ask, which makes nothing
 * faster. */
TEST(spin_that_makes_nothing_faster_stops)
{
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    uint64_t count = lucky_tries(&spin, 1, 9 * US);
    CHECK(count > 50 && count < 150);
    CHECK_INT(spin.hits, count);
}

/* There a peer that is let run before we wait makes every other try look good: that is forgotten
 * only when it lasts. */
TEST(spin_is_not_misled_by_luck)
{
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK(lucky_tries(&spin, 2, 1 * US) < 250);
}

/* An answer that comes after the bound is none that was asked for: we were not let run. */
TEST(spin_late_answer_is_none)
{
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    (void)lti_spin_next(&spin);
    lti_spin_slept(&spin, 90 * US);
    CHECK_INT(lti_spin_next(&spin), LTI_SPIN_TRY);
    lti_spin_tried(&spin, true, BOUND_US * US + 1);
    CHECK_INT(spin.hits, 0);
    CHECK_INT(lti_spin_next(&spin), LTI_SPIN_SLEEP);
}

TEST(spin_notices_that_the_peer_has_moved)
{
    const struct world same = {8 * US, 1 * US, false}, apart = {2 * US, 20 * US, true};
    struct lti_spin spin;
    lti_spin_init(&spin, BOUND_US);
    CHECK(tries(&spin, &same, 10000) < 20);
    (void)tries(&spin, &apart, 1030);
    CHECK_INT(tries(&spin, &apart, 1000), 1000);
    (void)tries(&spin, &same, 100);
    CHECK(tries(&spin, &same, 1000) <= 4);
}

/* Now and then an answer is late: that costs one wait its try, and the rest go on. */
TEST(spin_outlives_a_late_answer)
{
    const struct world soon = {2 * US, 20 * US, true}, late = {70 * US, 20 * US, true};
    struct lti_spin spin;
    uint64_t count = 0;
    lti_spin_init(&spin, BOUND_US);
    for (int i = 0; i < 1000; i++)
        count += waited(&spin, i % 20 == 19 ? &late : &soon);
    CHECK(count > 880);
}

TEST(spin_of_any_bound_ends)
{
    struct lti_spin spin;
    for (uint32_t bound_us = 1; bound_us <= LTI_SPIN_US_MAX; bound_us++) {
        lti_spin_init(&spin, bound_us);
        CHECK_INT(lti_spin_asks_max(&spin), bound_us * 16);
    }
}
