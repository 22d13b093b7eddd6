/* SPDX-License-Identifier: MIT
 *
 * What only tests of the Windows port share: raw peers with a mind of their own.
 */
#ifndef LTI_CONFORMANCE_KIT_NT_H
#define LTI_CONFORMANCE_KIT_NT_H

#include "kit.h"

#include "os_nt.h"

/* The text that makes a pipe ours alone, as leat would; valid until the next call. */
const char *kit_sddl(const char *owner);
const char *kit_own_sid(void);
void kit_units(const char *name, uint16_t units_out[LTI_OS_PIPE_UNITS_MAX + 1]);

/* Instances that wait for clients, with flags of lti_os_pipe_create: a raw listener. `sddl` null:
 * no descriptor at all. Gives a raw peer, or a failure of the system. */
int64_t kit_raw_serve(const char *name, uint32_t instances, uint32_t instances_max, uint32_t flags,
                      const char *sddl);
int64_t kit_raw_open(const char *name); /* a raw peer, or a failure of the system */
intptr_t kit_raw_handle(int fd);        /* of a listener: that of its first instance */
struct lti_os_pipe_facts kit_raw_facts(int fd);
/* How many clients the name takes before somebody looks after it; at most 64. They are gone again,
 * and who listens may find all of them. */
uint32_t kit_armed(const char *name);
/* As kit_raw_pair; each direction of the pipe holds `quota` bytes. */
int kit_raw_pair_of(uint32_t quota, intptr_t *handle_out);
int kit_raw_pair_packets_of(uint32_t quota, intptr_t *handle_out);
void kit_raw_give_up(int fd); /* cancels the writes that wait, of which there must be one at most */
bool kit_writes_done(int fd); /* nothing of what it sent waits for its peer to read */

#endif
