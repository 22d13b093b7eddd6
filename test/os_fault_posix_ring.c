/* SPDX-License-Identifier: MIT
 *
 * The fault object's call of several reads.
 *
 * Happy path: forwarded; it is one call, whatever it does. Where the system has none, a test may
 *             ask for a stand-in, which reads one by one.
 * Fails:      there is no ring; it takes no jobs any more; it does half of them.
 * Invariants: a job that was left says so, and what it would have brought is still there.
 */
#include "os_fault_private.h"

#include <errno.h>

bool lti_fault_stand_in;

void lti_fault_ring_stands_in(void)
{
    lti_fault_stand_in = true;
}

/* Its address is a ring that is none. */
static char ring_stand_in;

static bool ring_stands_in(const struct lti_os_ring *ring)
{
    return (const void *)ring == (const void *)&ring_stand_in;
}

static int64_t ring_create(struct lti_os_ring **ring_out)
{
    int64_t result = lti_real_ring_create(ring_out);
    if (result >= 0 || !lti_fault_stand_in)
        return result;
    *ring_out = (struct lti_os_ring *)(void *)&ring_stand_in;
    return 0;
}

int64_t lti_os_ring_create(struct lti_os_ring **ring_out)
{
    FAULT_CALL(ring_create, ring_create(ring_out));
    return result;
}

void lti_os_ring_destroy(struct lti_os_ring *ring, bool forked)
{
    if (!ring_stands_in(ring))
        lti_real_ring_destroy(ring, forked);
}

static int64_t ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count)
{
    if (!ring_stands_in(ring))
        return lti_real_ring_recv(ring, jobs, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t flags = LTI_OS_RECV_PLAIN;
        jobs[i].result = lti_real_recv(jobs[i].fd, jobs[i].into, jobs[i].size, NULL, &flags);
    }
    return 0;
}

int64_t lti_os_ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_ring_recv);
    if (!fault)
        return ring_recv(ring, jobs, count);
    size_t done = fault->action == LTI_FAULT_HALF ? count / 2 : 0;
    int64_t result = done ? ring_recv(ring, jobs, done) : 0;
    for (size_t i = done; i < count; i++)
        jobs[i].result = lti_os_fail(LTI_OS_INTERRUPTED, EINTR);
    return fault->action == LTI_FAULT_ERROR ? lti_fault_word(fault) : result;
}
