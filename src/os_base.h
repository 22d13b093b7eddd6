/* SPDX-License-Identifier: MIT
 *
 * Seam 2, the part that every system has: memory, clock, random, lock, process. Three object files
 * provide it: os_real_*, test/os_fault, test/os_sim. Nothing above calls the C library for these.
 */
#ifndef LTI_OS_BASE_H
#define LTI_OS_BASE_H

#include "os_code.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A lock begins with what its users look at first: while this process has one thread, which some
 * systems tell, to take it and to give it back are stores. */
struct lti_os_mutex {
    const char *alone;        /* what it points at is not 0: one thread */
    const atomic_uint *forks; /* alone: what lti_os_fork_count says */
    atomic_uint state;        /* alone: 1 taken, 0 free */
};

void *lti_os_alloc(size_t size); /* not cleared; null when there is none */
void lti_os_free(void *memory);  /* null is allowed */

uint64_t lti_os_now_ns(void); /* monotonic, never 0 */
int64_t lti_os_random(void *buffer, size_t size);

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out);
void lti_os_mutex_destroy(struct lti_os_mutex *mutex);
void lti_os_mutex_lock(struct lti_os_mutex *mutex);
void lti_os_mutex_unlock(struct lti_os_mutex *mutex);

uint64_t lti_os_thread_id(void);  /* never 0 */
uint32_t lti_os_cpus(void);       /* that this thread may run on; 1 also where nobody says */
uint32_t lti_os_fork_count(void); /* grows by one in a forked child */

#endif
