/* SPDX-License-Identifier: MIT
 *
 * Who the attacks by descriptors are made against.
 */
#ifndef LTI_ATTACK_VICTIM_H
#define LTI_ATTACK_VICTIM_H

#include "attack_kit.h"

/* A connection that the kernel protects, or one that it does not, as on older kernels, and the
 * attacker's end. */
struct victim {
    struct leat_hub *hub;
    leat_conn conn;
    int attacker;
};

/* From Linux 6.16 on. */
bool victim_kernel_refuses(void);
/* From now on this process has an older kernel, which knows no SO_PASSRIGHTS. */
void victim_older_kernel(void);
struct victim victim_accepted(void);
struct victim victim_dialled(void);
struct victim victim_adopted(void);
/* As an older kernel has it: descriptors come through. */
struct victim victim_unprotected(void);
struct victim victim_of(struct leat_hub *hub); /* one more */
void victim_unprotect(int fd);                 /* a socket, or a listener */
void victim_end(struct victim *victim);

/* Until what came is closed: at once, in a thread. */
void victim_closed(const struct victim *victim, uint32_t descriptors);
/* Reads exactly so many bytes; how long the longest call of leat took. */
uint64_t victim_reads(const struct victim *victim, size_t count);
void victim_hears(const struct victim *victim, const char *text);
/* Sends them with a byte; true when they went out. */
bool victim_takes(const struct victim *victim, const int *fds, size_t count);

/* A TCP connection whose near end waits for the far one to read, so long. */
#define LINGERING_S 3
struct lingering {
    int near, far;
};

struct lingering lingering_make(void);
/* Hands the near end over, and keeps none; false when the kernel refused it. */
bool lingering_sent(struct lingering *lingering, const struct victim *victim);

#endif
