/* SPDX-License-Identifier: MIT
 *
 * The same name, and the same slot of a table, used again and again.
 *
 * Happy path: a name that was closed can be listened at again at once, as often as one likes; a
 *             slot is used until its generations are spent, and then never again.
 * Fails:      never by design.
 * Invariants: no id is given out twice, and none that is over finds anything.
 */
#include "stress.h"

#include "core.h"

#include <stdio.h>
#include <string.h>

#define BYTES 16u

/* One connection to the name, and something for each way. */
static void visit(struct stress_tale *tale, struct leat_hub *hub, leat_listener listener,
                  const char *name)
{
    struct stress_end ends[2];
    for (uint32_t i = 0; i < 2; i++)
        ends[i] = (struct stress_end){
            .tale = tale, .hub = hub, .end = i, .piece_max = BYTES, .to_send = BYTES};
    REQUIRE_ERROR(leat_connect(hub, name, NULL, &ends[0].conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, STRESS_SOON_MS, &ends[1].conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends[0].conn, STRESS_SOON_MS), LEAT_OK);
    for (uint32_t i = 0; i < 2; i++)
        stress_pour(&ends[i]);
    for (uint32_t i = 0; i < 2; i++) {
        while (ends[i].received < BYTES) {
            REQUIRE_ERROR(leat_wait_readable(hub, ends[i].conn, STRESS_SOON_MS), LEAT_OK);
            stress_drink(&ends[i], UINT32_MAX);
        }
    }
    for (uint32_t i = 0; i < 2; i++)
        stress_abort(&ends[i]);
    struct lti_history_result result = stress_tale_judge(tale);
    REQUIRE_INT(result.bytes, 2 * BYTES);
}

static void listen_once(struct stress_tale *tale, struct leat_hub *hub, const char *name,
                        uint64_t number)
{
    leat_listener listener, second;
    REQUIRE_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_OK);
    if (number % 16 == 0)
        visit(tale, hub, listener, name);
    if (number % 16 == 8)
        REQUIRE_ERROR(leat_listen(hub, name, NULL, &second), LEAT_E_IN_USE);
    REQUIRE_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    REQUIRE_ERROR(leat_listener_close(hub, listener), LEAT_E_STALE);
}

TEST_TIMEOUT(stress_one_name_listened_again_and_again, 300)
{
    stress_begin();
    struct stress_tale *tale = stress_tale_begin(2, 100);
    struct leat_hub *hub = stress_hub();
    char name[64];
    (void)snprintf(name, sizeof name, "%s", stress_name("again"));
    for (uint64_t i = 0; i < 32; i++)
        listen_once(tale, hub, name, i);
    struct stress_use before = stress_use(hub);
    uint64_t count = stress_count(lti_test_on_wine() ? 320 : 2000, 10000);
    for (uint64_t i = 0; i < count; i++)
        listen_once(tale, hub, name, i);
    struct stress_use after = stress_use(hub);
    stress_use_same(&before, &after);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    stress_tale_end(tale);
    stress_end();
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t id)
{
    return (uint32_t)(id & (LTI_SLOTS_CAP - 1u));
}

/* Makes a pair and ends it with something under way in one direction; the ids of its ends. */
static void pair_once(struct stress_tale *tale, struct leat_hub *hub, uint64_t ids[2])
{
    struct stress_end ends[2];
    for (uint32_t i = 0; i < 2; i++)
        ends[i] =
            (struct stress_end){.tale = tale, .hub = hub, .end = i, .piece_max = 8, .to_send = 8};
    REQUIRE_ERROR(leat_pair(hub, hub, NULL, &ends[0].conn, &ends[1].conn), LEAT_OK);
    for (uint32_t i = 0; i < 2; i++)
        stress_pour(&ends[i]);
    REQUIRE_ERROR(leat_wait_readable(hub, ends[1].conn, STRESS_SOON_MS), LEAT_OK);
    stress_drink(&ends[1], 1);
    for (uint32_t i = 0; i < 2; i++) {
        stress_abort(&ends[i]);
        ids[i] = ends[i].conn.id;
    }
    CHECK_INT(stress_tale_judge(tale).bytes, 8);
}

TEST_TIMEOUT(stress_slots_of_connections_until_they_are_spent, 300)
{
    const uint32_t uses = (uint32_t)stress_count(200, 1000000);
    struct stress_tale *tale = stress_tale_begin(15, 100);
    struct leat_hub *hub = stress_hub();
    uint64_t first[2], last[2] = {0, 0}, ids[2];
    hub->conns.generation_first = LTI_GENERATION_MAX - uses + 1;
    pair_once(tale, hub, first);
    pair_once(tale, hub, ids);
    struct stress_use before = stress_use(hub);
    for (uint32_t i = 2; i < uses; i++) {
        pair_once(tale, hub, last);
        /* The two slots take turns; each use has an id of its own. */
        REQUIRE(slot_of(last[0]) < 2 && slot_of(last[1]) < 2 && last[0] != last[1]);
        REQUIRE(last[0] != ids[0] && last[0] != ids[1]);
        REQUIRE(last[1] != ids[0] && last[1] != ids[1]);
        ids[0] = last[0];
        ids[1] = last[1];
    }
    struct stress_use after = stress_use(hub);
    stress_use_same(&before, &after);
    /* Spent: others are taken from now on, and of all that were nothing is left. */
    pair_once(tale, hub, ids);
    CHECK_INT(slot_of(ids[0]), 2);
    CHECK_INT(slot_of(ids[1]), 3);
    for (int i = 0; i < 2; i++) {
        CHECK_ERROR(leat_abort(hub, (leat_conn){first[i]}), LEAT_E_STALE);
        CHECK_ERROR(leat_abort(hub, (leat_conn){last[i]}), LEAT_E_STALE);
        CHECK_ERROR(leat_abort(hub, (leat_conn){ids[i]}), LEAT_E_STALE);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    stress_tale_end(tale);
}

/* All generations of one slot, when full: a timer is the cheapest to make. */
TEST_TIMEOUT(stress_slot_of_timers_until_it_is_spent, 300)
{
    const uint32_t uses = (uint32_t)stress_count(10000, LTI_GENERATION_MAX);
    struct leat_hub *hub = stress_hub();
    leat_timer timer, before = {0};
    hub->timers.generation_first = LTI_GENERATION_MAX - uses + 1;
    for (uint32_t i = 0; i < uses; i++) {
        enum leat_error error = leat_timer_start(hub, 1000, 0, &timer);
        if (error == LEAT_OK)
            error = leat_timer_cancel(hub, timer);
        if (error != LEAT_OK || slot_of(timer.id) != 0 || timer.id <= before.id) {
            REQUIRE_ERROR(error, LEAT_OK);
            REQUIRE_INT(slot_of(timer.id), 0);
            REQUIRE(timer.id > before.id);
        }
        before = timer;
    }
    REQUIRE_ERROR(leat_timer_start(hub, 1000, 0, &timer), LEAT_OK);
    CHECK_INT(slot_of(timer.id), 1);
    CHECK_ERROR(leat_timer_cancel(hub, before), LEAT_E_STALE);
    CHECK_ERROR(leat_timer_cancel(hub, timer), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}
