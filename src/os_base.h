/* SPDX-License-Identifier: MIT
 *
 * Seam 2, the part that every system has: memory, clock, random, lock, process. Three object files
 * provide it: os_real_*, test/os_fault, test/os_sim. Nothing above calls the C library for these.
 */
#ifndef LTI_OS_BASE_H
#define LTI_OS_BASE_H

#include "os_code.h"

#include <stddef.h>
#include <stdint.h>

struct lti_os_mutex;

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
