/* SPDX-License-Identifier: MIT
 *
 * A pipe's name while clients come and go, with processes that run in every order.
 *
 * Happy path: who opens the name finds an instance, or all of them busy.
 * Fails:      a moment in which the name is nobody's: a stranger could take it.
 * Invariants: this holds from the first client on, which may come before leat_listen has returned.
 */
#include "conformance/kit_nt.h"
#include "os_sim/sim.h"

#include <stdio.h>
#include <string.h>

#define HASTY 3u
#define VISITS 10u
#define SEEDS 300u
#define PIPE "\\\\.\\pipe\\kept"

static struct {
    uint32_t opened, busy, missed; /* missed: nobody had the name */
    uint32_t through;              /* of those that come and go */
    bool seen;                     /* from here on it is the server's */
} kept;

static int64_t kept_open(void)
{
    uint16_t units[sizeof PIPE];
    for (size_t i = 0; i < sizeof PIPE; i++)
        units[i] = (uint8_t)PIPE[i];
    return lti_os_pipe_open(units);
}

/* One instance, so that there often is none while the next one is made. */
static void kept_serve(void *argument)
{
    struct leat_hub *hub = NULL;
    struct leat_event event;
    leat_listener listener;
    const struct leat_listen_options options = {.size = sizeof options, .backlog = 1};
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, "pipe:kept", &options, &listener), LEAT_OK);
    uint32_t told = 0;
    while (kept.through < HASTY)
        told += leat_next(hub, &event, 20) == LEAT_OK;
    CHECK(told > 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void kept_come_and_go(void *argument)
{
    (void)argument;
    uint32_t opened = 0;
    for (int i = 0; i < 100000 && opened < VISITS; i++) {
        int64_t handle = kept_open();
        if (handle >= 0) {
            opened++;
            (void)lti_os_handle_close((intptr_t)handle);
        } else if (lti_os_kind_of(handle) == LTI_OS_BUSY) {
            kept.busy++;
            lti_sim_yield();
        } else {
            kept.missed += kept.seen;
            lti_sim_yield();
        }
        kept.seen = kept.seen || handle >= 0;
    }
    kept.opened += opened;
    kept.through++;
}

TEST_TIMEOUT(nt_name_is_kept_in_every_order, 120)
{
    uint32_t opened = 0, busy = 0;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        struct lti_sim_options options = {.seed = seed, .yield_one_in = 2 + seed % 3};
        lti_sim_begin(&options);
        (void)memset(&kept, 0, sizeof kept);
        (void)lti_sim_spawn("server", kept_serve, NULL);
        for (uint32_t i = 0; i < HASTY; i++)
            (void)lti_sim_spawn("client", kept_come_and_go, NULL);
        CHECK_INT(lti_sim_run(4000000), LTI_SIM_DONE);
        if (!CHECK_INT(kept.missed, 0))
            (void)printf("seed %u\n", seed);
        opened += kept.opened;
        busy += kept.busy;
    }
    CHECK_INT(opened, SEEDS * HASTY * VISITS);
    CHECK(busy > 1000);
    lti_sim_begin(NULL);
}
