/* SPDX-License-Identifier: MIT
 *
 * What the Windows port is told by the seam, changed: the linker leads these calls of the port here
 * (--wrap), and a test says what each answers beside what the simulated kernel does.
 */
#ifndef LTI_PORT_CALLS_NT_H
#define LTI_PORT_CALLS_NT_H

#include "os_nt.h"

struct lti_port_answers {
    /* A text that is not null stands for the system's, a result below 0 for success. */
    const char *integrity; /* our own level */
    const char *label, *owner;
    int64_t label_fails, owner_fails, facts_fails, client_fails, create_fails;
    bool client_changed; /* the two below are meant */
    const char *client_user;
    uint32_t client_level;
    bool pid_changed;
    int64_t pid;
    char sddl[20000]; /* the last one that a security descriptor was made of */
};

/* From the nth call of this function on, so many are not made and give this result. One waits at a
 * time. */
void lti_nt_answer(const char *function, int nth, int times, int64_t result);
int lti_nt_answers_left(void);

/* All zero: everything is as the kernel says. */
extern struct lti_port_answers lti_port_answers;

#endif
