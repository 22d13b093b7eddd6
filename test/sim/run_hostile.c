/* SPDX-License-Identifier: MIT
 *
 * Peers that keep no rule: raw handles that send noise, lies, halves, or nothing at all.
 *
 * Happy path: one connection after the other, each with one kind of malice, until the chaos is
 *             over.
 * Fails:      never; the server must bear it all, and no other connection may notice.
 * Invariants: nothing here goes through the library; every descriptor is closed in the end.
 */
#include "run.h"

static void hostile_hello(intptr_t handle)
{
    static const uint8_t hello[32] = {0x6C, 0x65, 0x61, 0x74, 0x0D, 0x0A, 0x1A, 0x0A,
                                      1,    0,    32,   0,    0,    0,    1,    0};
    run_hostile_send(handle, hello, sizeof hello);
}

static void hostile_frame(intptr_t handle, struct run_random *random)
{
    static const uint32_t sizes[6] = {0, 1, 65536, 65537, 0x7FFFFFFF, 0xFFFFFFFF};
    uint32_t size =
        run_chance(random, 4) ? (uint32_t)run_next(random) : sizes[run_below(random, 6)];
    uint8_t frame[40];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)run_next(random);
    for (uint32_t i = 0; i < 4; i++)
        frame[i] = (uint8_t)(size >> (8 * i));
    frame[4] = (uint8_t)run_below(random, run_chance(random, 4) ? 256 : 7);
    if (!run_chance(random, 4))
        frame[5] = frame[6] = frame[7] = 0;
    run_hostile_send(handle, frame, 1 + run_below(random, sizeof frame));
}

static void hostile_noise(intptr_t handle, struct run_random *random)
{
    uint8_t noise[200];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)run_next(random);
    run_hostile_send(handle, noise, 1 + run_below(random, sizeof noise));
}

static void hostile_act(intptr_t handle, struct run_random *random)
{
    switch (run_below(random, 7)) {
    case 0:
        hostile_hello(handle);
        break;
    case 1:
    case 2:
        hostile_frame(handle, random);
        break;
    case 3:
        hostile_noise(handle, random);
        break;
    case 4:
        run_hostile_receive(handle);
        break;
    case 5:
        if (run_chance(random, 4))
            run_hostile_finish(handle);
        break;
    default:
        break;
    }
}

void run_hostile(void *argument)
{
    struct run_process *process = argument;
    struct run_random *random = &process->random;
    for (uint32_t turn = 0; run_state.phase == RUN_CHAOS && turn < 30; turn++) {
        bool messages = !run_chance(random, 3);
        intptr_t handle = (intptr_t)run_hostile_connect(messages);
        if (handle < 0) {
            lti_sim_sleep(RUN_MS);
            continue;
        }
        if (messages && run_chance(random, 2))
            hostile_hello(handle);
        uint32_t acts = run_below(random, 8);
        for (uint32_t i = 0; i < acts; i++) {
            hostile_act(handle, random);
            lti_sim_sleep(run_below(random, 3000000));
        }
        lti_sim_sleep(run_below(random, 2000000));
        run_hostile_close(handle);
    }
    process->over = true;
}
