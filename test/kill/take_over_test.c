/* SPDX-License-Identifier: MIT
 *
 * A server that takes a path over from one that lives is killed at each system call.
 *
 * Happy path: it listens, waits in vain for a moment, and closes.
 * Fails:      REFUSED to who comes when it has the path and is dead.
 * Invariants: until it closes, the path is there; the next server has it at once, whether it takes
 *             it over or finds nobody, and of neither anything is left.
 */
#include "kill.h"

#define TAKE_OVER_WHOLE_RUNS 3u
#define TAKE_OVER_CALLS_MIN 40u

static bool take_over_strike(struct kill_world *world, uint32_t at)
{
    static struct kill_trace trace;
    struct kill_end *end = &world->ends[KILL_SERVER];
    const struct kill_part part = {.end = end,
                                   .path = kill_path(),
                                   .protocol = LEAT_BYTES,
                                   .patience_ms = 1,
                                   .serves = true,
                                   .take_over = true};
    *world = (struct kill_world){0};
    trace = (struct kill_trace){.end = end, .blow = KILL_BLOW_KILL, .at = at};
    trace.pid = kill_start(&part, true);
    kill_follow(&trace);
    CHECK(trace.struck || atomic_load(&end->listening));
    return trace.struck;
}

static void take_over_next(struct leat_hub *hub, bool take_over)
{
    const struct leat_listen_options listen = {.size = sizeof listen, .take_over = take_over};
    leat_listener listener;
    leat_conn conn;
    REQUIRE_ERROR(leat_listen(hub, kill_path(), &listen, &listener), LEAT_OK);
    CHECK_ERROR(leat_connect_wait(hub, kill_path(), NULL, &conn), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
}

/* False when the victim came to its end by itself. */
static bool take_over_round(struct kill_world *world, uint32_t at, bool take_over)
{
    struct leat_hub *hub = NULL;
    leat_listener old;
    leat_conn conn;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, kill_path(), NULL, &old), LEAT_OK);
    bool struck = take_over_strike(world, at);
    enum leat_error error = leat_connect_wait(hub, kill_path(), NULL, &conn);
    bool gone = atomic_load(&world->ends[KILL_SERVER].closing);
    bool good =
        CHECK(error == LEAT_OK || error == LEAT_E_REFUSED || (gone && error == LEAT_E_NOT_FOUND));
    if (take_over)
        take_over_next(hub, true);
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    if (!take_over)
        take_over_next(hub, false);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    if (!CHECK(kill_folder_is_empty()) || !good)
        REQUIRE_INT(at, 0); /* says where, and ends it */
    return struck;
}

static void take_over_sweep(bool take_over)
{
    struct kill_world *world = kill_world_begin();
    uint32_t whole = 0, struck = 0;
    for (uint32_t at = 1; whole < TAKE_OVER_WHOLE_RUNS && at < KILL_CALLS_MAX; at++) {
        bool killed = take_over_round(world, at, take_over);
        whole = killed ? 0 : whole + 1;
        struck += killed;
    }
    CHECK(struck > TAKE_OVER_CALLS_MIN);
    kill_world_end(world);
}

TEST_TIMEOUT(take_over_killed_at_each_call_and_taken_over, 300)
{
    take_over_sweep(true);
}

TEST_TIMEOUT(take_over_killed_at_each_call_and_followed, 300)
{
    take_over_sweep(false);
}
