/* SPDX-License-Identifier: MIT
 *
 * Either peer is killed, or stopped for a moment, at each system call that it makes.
 *
 * Happy path: at one call after the other, until the victim ends by itself.
 * Fails:      BROKEN, CLOSED, FINISHED, NOT_FOUND or REFUSED to the survivor of a killed one; to
 *             nobody when one was only stopped.
 * Invariants: where the calls of the two fall beside each other is chance, so ./dev test-deep
 *             (LEAT_DEEP) does all of it many times.
 */
#include "kill.h"

#include <stdlib.h>

/* A peer waits more or less often, so one run may end before the call that another one made. */
#define SWEEP_WHOLE_RUNS 3u
#define SWEEP_TIMES_DEEP 20u
#define SWEEP_CALLS_MIN 40u /* a talk has more than that */

static uint32_t sweep_times(void)
{
    return getenv("LEAT_DEEP") ? SWEEP_TIMES_DEEP : 1;
}

static void sweep_once(struct kill_world *world, enum leat_protocol protocol, enum kill_who victim,
                       enum kill_blow blow)
{
    static struct kill_round round;
    uint32_t whole = 0, struck = 0;
    for (uint32_t at = 1; whole < SWEEP_WHOLE_RUNS && at < KILL_CALLS_MAX && !kill_is_hopeless();
         at++) {
        round = (struct kill_round){.world = world,
                                    .protocol = protocol,
                                    .victim = victim,
                                    .trace = {.blow = blow, .at = at}};
        kill_round(&round);
        kill_round_judge(&round);
        whole = round.trace.struck ? 0 : whole + 1;
        struck += round.trace.struck;
    }
    CHECK_INT(whole, SWEEP_WHOLE_RUNS);
    CHECK(struck > SWEEP_CALLS_MIN);
}

static void sweep(enum leat_protocol protocol, enum kill_who victim, enum kill_blow blow)
{
    struct kill_world *world = kill_world_begin();
    for (uint32_t i = 0; i < sweep_times() && !kill_is_hopeless(); i++)
        sweep_once(world, protocol, victim, blow);
    kill_world_end(world);
}

#define SWEEP(name, protocol, victim, blow)                                                        \
    TEST_TIMEOUT(name, 300)                                                                        \
    {                                                                                              \
        sweep(protocol, victim, blow);                                                             \
    }

SWEEP(kill_server_of_bytes_at_each_call, LEAT_BYTES, KILL_SERVER, KILL_BLOW_KILL)
SWEEP(kill_server_of_messages_at_each_call, LEAT_MESSAGES, KILL_SERVER, KILL_BLOW_KILL)
SWEEP(kill_server_of_packets_at_each_call, LEAT_PACKETS, KILL_SERVER, KILL_BLOW_KILL)
SWEEP(kill_client_of_bytes_at_each_call, LEAT_BYTES, KILL_CLIENT, KILL_BLOW_KILL)
SWEEP(kill_client_of_messages_at_each_call, LEAT_MESSAGES, KILL_CLIENT, KILL_BLOW_KILL)
SWEEP(kill_client_of_packets_at_each_call, LEAT_PACKETS, KILL_CLIENT, KILL_BLOW_KILL)
SWEEP(stop_server_of_bytes_at_each_call, LEAT_BYTES, KILL_SERVER, KILL_BLOW_STOP)
SWEEP(stop_server_of_messages_at_each_call, LEAT_MESSAGES, KILL_SERVER, KILL_BLOW_STOP)
SWEEP(stop_server_of_packets_at_each_call, LEAT_PACKETS, KILL_SERVER, KILL_BLOW_STOP)
SWEEP(stop_client_of_bytes_at_each_call, LEAT_BYTES, KILL_CLIENT, KILL_BLOW_STOP)
SWEEP(stop_client_of_messages_at_each_call, LEAT_MESSAGES, KILL_CLIENT, KILL_BLOW_STOP)
SWEEP(stop_client_of_packets_at_each_call, LEAT_PACKETS, KILL_CLIENT, KILL_BLOW_STOP)
