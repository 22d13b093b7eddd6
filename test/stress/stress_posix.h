/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share, of processes: made by fork, stopped and killed at any moment.
 */
#ifndef LTI_STRESS_POSIX_H
#define LTI_STRESS_POSIX_H

#include "stress.h"

#include <sys/types.h>

/* Runs `run` in a child, which ends with 0 when that returns and has given back all it took. */
pid_t stress_child(void (*run)(void *argument), void *argument);
void stress_child_good(pid_t child); /* waits; it must end with 0 */
/* Stops it; it stands still from here on. False: it had ended before, with 0. */
bool stress_child_stop(pid_t child);
void stress_child_go_on(pid_t child);
/* Kills it as it stands, whatever it is at, and tells so. False as above. */
bool stress_child_kill(pid_t child, struct stress_tale *tale, uint32_t teller);

#endif
