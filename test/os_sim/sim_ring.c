/* SPDX-License-Identifier: MIT
 *
 * The simulated call of several reads, as of io_uring with jobs that do not wait.
 *
 * Happy path: one after the other, as if each were a call of its own; others may act in between, as
 *             on a machine with several processors.
 * Fails:      EMFILE and ENOMEM when a ring is made; ENOSYS and EPERM where the world has none; a
 *             ring that takes no more jobs by a fault of memory, at any of them.
 * Invariants: a job that was not tried says INTERRUPTED; a ring that failed once fails for ever.
 */
#include "sim_kernel.h"

#include <errno.h>

struct lti_os_ring {
    int fd;
    bool broken;
};

int64_t lti_os_ring_create(struct lti_os_ring **ring_out)
{
    sim_enter();
    int refusal = sim_world.options.ring_errno;
    if (refusal == 0 && sim_descriptors_full())
        refusal = EMFILE;
    if (refusal == 0 && sim_fault(sim_world.options.faults.memory))
        refusal = ENOMEM;
    if (refusal != 0)
        return sim_leave("ring", 0, 0, sim_fail(refusal));
    int64_t fd = sim_descriptor_add(sim_object_new(SIM_EVENT));
    (void)sim_leave("ring", 0, 0, fd);
    struct lti_os_ring *ring = lti_os_alloc(sizeof *ring);
    if (!ring) {
        (void)lti_os_close((int)fd);
        return sim_fail(ENOMEM);
    }
    *ring = (struct lti_os_ring){.fd = (int)fd};
    *ring_out = ring;
    return 0;
}

void lti_os_ring_destroy(struct lti_os_ring *ring, bool forked)
{
    (void)forked; /* a child has a copy */
    (void)lti_os_close(ring->fd);
    lti_os_free(ring);
}

static void job_do(struct lti_os_job *job)
{
    uint32_t flags = LTI_OS_RECV_PLAIN;
    job->result = lti_os_recv(job->fd, job->into, job->size, 0, &flags);
}

int64_t lti_os_ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ring->broken = ring->broken || sim_fault(sim_world.options.faults.memory);
        if (ring->broken)
            jobs[i].result = sim_fail(EINTR);
        else
            job_do(&jobs[i]);
    }
    sim_enter();
    return sim_leave("run", ring->fd, (int64_t)count, ring->broken ? sim_fail(EAGAIN) : 0);
}
