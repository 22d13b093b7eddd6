/* SPDX-License-Identifier: MIT
 *
 * What spin_us promises: a wait may ask before it sleeps, and nothing else changes.
 *
 * Happy path: after short waits some begin with asking; each ends in time.
 * Fails:      OPTIONS for a bound above 1000.
 * Invariants: who asks in vain stops; who does not wait does not ask.
 */
#include "kit.h"

static struct leat_hub *spinning(uint32_t spin_us)
{
    const struct leat_hub_options options = {.size = sizeof options, .spin_us = spin_us};
    return kit_hub(&options);
}

TEST(spin_bounds)
{
    struct leat_hub *base = kit_begin(), *hub;
    struct leat_hub_options options = {.size = sizeof options, .spin_us = 1001};
    CHECK_ERROR(leat_hub_create(&options, &hub), LEAT_E_OPTIONS);
    options.spin_us = LEAT_SPIN_OFF - 1;
    CHECK_ERROR(leat_hub_create(&options, &hub), LEAT_E_OPTIONS);
    const uint32_t good[] = {0, 1, 1000, LEAT_SPIN_OFF};
    for (size_t i = 0; i < 4; i++)
        CHECK_ERROR(leat_hub_destroy(spinning(good[i])), LEAT_OK);
    kit_end(base);
}

/* Short waits that nothing ends: some are tried, ever fewer, and none ends early. */
TEST(spin_in_vain_ends_in_time_and_stops)
{
    struct leat_hub *base = kit_begin(), *hub = spinning(1000);
    struct kit_ends ends = kit_pair(hub, NULL);
    struct leat_event event;
    for (int i = 0; i < 40; i++) {
        uint64_t begin = kit_now_ms();
        CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
        CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 1), LEAT_E_TIMEOUT);
        uint64_t took = kit_now_ms() - begin;
        CHECK(took + 1 >= 2 && took < 2 + lti_test_scaled_ms(1000));
    }
    struct leat_hub_info info = kit_hub_info(hub);
    /* A machine that is late has no short waits, and then there is nothing to try. */
    CHECK(info.spins >= (kit_simulated() ? 2 : 0) && info.spins <= 6);
    CHECK_INT(info.spin_hits, 0);
    kit_write_text(hub, ends.dialled, "still there");
    kit_read_text(hub, ends.accepted, "still there");
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

TEST(spin_never_without_a_wait)
{
    struct leat_hub *base = kit_begin(), *hub = spinning(1000), *off = spinning(LEAT_SPIN_OFF);
    struct kit_ends ends = kit_pair(hub, NULL);
    struct leat_event event;
    for (int i = 0; i < 100; i++) {
        kit_write_text(hub, ends.dialled, "x");
        CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        kit_read_text(hub, ends.accepted, "x");
        uint64_t before = kit_hub_info(hub).spins;
        CHECK_ERROR(leat_next(hub, &event, 0), LEAT_E_TIMEOUT);
        CHECK_INT(kit_hub_info(hub).spins, before);
        CHECK_ERROR(leat_next(off, &event, (uint32_t)i % 2), LEAT_E_TIMEOUT);
    }
    CHECK_INT(kit_hub_info(off).spins, 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(off), LEAT_OK);
    kit_end(base);
}

/* Timers and deadlines come as they would without. */
TEST(spin_delays_no_timer)
{
    struct leat_hub *base = kit_begin(), *hub = spinning(1000);
    for (int i = 0; i < 30; i++) {
        leat_timer timer;
        uint64_t begin = kit_now_ms();
        REQUIRE_ERROR(leat_timer_start(hub, 1, (uint64_t)i, &timer), LEAT_OK);
        CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_TIMER).tag, i);
        CHECK(kit_now_ms() - begin < 1 + lti_test_scaled_ms(1000));
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}
