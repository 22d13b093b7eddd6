/* SPDX-License-Identifier: MIT
 *
 * leat_wake of one thread ends the wait of another, each time, on the simulated kernel's queue.
 *
 * Happy path: the waiting thread is told WOKEN, and waits again.
 * Fails:      a wake-up that only the first wait hears.
 * Invariants: nothing else ends the wait: there is no endpoint.
 */
#include "conformance/kit_nt.h"
#include "os_sim/sim.h"

#define WAKES 20u

static struct {
    struct leat_hub *hub;
    uint32_t heard;
} waking;

static void waking_call(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < WAKES; i++) {
        CHECK_ERROR(leat_wake(waking.hub), LEAT_OK);
        for (int j = 0; j < 10000 && waking.heard == i; j++)
            lti_sim_yield();
    }
}

static void waking_wait(void *argument)
{
    struct leat_event event;
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &waking.hub), LEAT_OK);
    int64_t thread = lti_os_thread_start(waking_call, NULL);
    REQUIRE(thread >= 0);
    for (; waking.heard < WAKES; waking.heard++) {
        REQUIRE_ERROR(leat_next(waking.hub, &event, KIT_SOON_MS), LEAT_OK);
        REQUIRE_INT(event.type, LEAT_EVENT_WOKEN);
    }
    (void)lti_os_thread_join((intptr_t)thread);
    CHECK_ERROR(leat_hub_destroy(waking.hub), LEAT_OK);
}

TEST(nt_wake_is_heard_each_time)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct lti_sim_options options = {.seed = seed, .yield_one_in = 2 + seed % 3};
        lti_sim_begin(&options);
        waking.heard = 0;
        (void)lti_sim_spawn("waiter", waking_wait, NULL);
        CHECK_INT(lti_sim_run(4000000), LTI_SIM_DONE);
        CHECK_INT(waking.heard, WAKES);
    }
    lti_sim_begin(NULL);
}
