/* SPDX-License-Identifier: MIT
 *
 * Tests of how many connections one user has: one process, a server of leat and clients of system
 * calls, each opened as the user it is of.
 */
#ifndef LTI_SIM_WHO_CROWD_H
#define LTI_SIM_WHO_CROWD_H

#include "harness.h"
#include "leat/leat.h"
#include "os_sim/sim.h"

#define OURS 1000u
#define ALICE 2000u
#define BOB 2001u
#define PLACES 3u

struct crowd_log {
    uint32_t limits; /* lines about one too many */
};

struct crowd {
    struct leat_hub *hub;
    leat_listener listener;
    struct crowd_log *log;
    uint32_t asked;
};

/* A world of its own, and in it a server that gives each user so many places. */
struct crowd crowd_begin(enum leat_protocol protocol, enum leat_who who, uint32_t places);
void crowd_end(const struct crowd *crowd);
struct leat_listener_info crowd_info(const struct crowd *crowd);
intptr_t crowd_dial(uint32_t user); /* a client, which says nothing; < 0: there was no room */

/* What differs by personality. */
extern const char *const crowd_name;
intptr_t crowd_connect(void);            /* crowd_dial for the user of just now */
void crowd_say(intptr_t end);            /* one byte, with which bytes and messages may begin */
bool crowd_ended_silently(intptr_t end); /* the server closed it, and had said nothing */
void crowd_leave(intptr_t end);

#endif
