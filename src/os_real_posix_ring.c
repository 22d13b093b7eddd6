/* SPDX-License-Identifier: MIT
 *
 * The real call that does several reads at once: io_uring, by liburing, where the
 * builder found it (LEAT_HAVE_URING).
 *
 * Happy path: the jobs are put into the ring, and one call submits them and fetches what became of
 *             them. None can wait (MSG_DONTWAIT: the kernel then answers EAGAIN instead of arming a
 *             poll), so each is done when that call returns.
 * Fails:      with the kind of errno. A job that was not done says LTI_OS_INTERRUPTED. A ring that
 *             does not take its jobs is broken for good, and nothing is put into it any more.
 * Invariants: nothing is under way between two calls: no memory is lent, no file is held open, and
 *             nothing is to be cancelled when a descriptor is closed, a thread ends or the process
 *             forks. A child has no part of the ring but a copy of its descriptor.
 */
#include "os_real_posix.h"

#include <errno.h>

#ifdef LEAT_HAVE_URING

#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often what the kernel did not take at once (it was short of memory) is offered again. */
#define RING_OFFERS_MAX 16

struct lti_os_ring {
    struct io_uring native;
    bool broken;
};

/* A kernel that lets nobody make a ring says EPERM, and a sandbox whatever it likes; an old one
 * has rings that cannot receive. */
static int ring_probe(struct io_uring *native)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(native);
    bool good = probe && io_uring_opcode_supported(probe, IORING_OP_RECV);
    io_uring_free_probe(probe);
    return good ? io_uring_ring_dontfork(native) : -EOPNOTSUPP;
}

int64_t lti_os_ring_create(struct lti_os_ring **ring_out)
{
    struct lti_os_ring *ring = lti_os_alloc(sizeof *ring);
    if (!ring)
        return lti_real_errno(ENOMEM);
    ring->broken = false;
    int result = io_uring_queue_init(LTI_OS_JOBS_MAX, &ring->native, 0);
    if (result == 0) {
        result = ring_probe(&ring->native);
        if (result < 0)
            io_uring_queue_exit(&ring->native);
    }
    if (result < 0) {
        lti_os_free(ring);
        return lti_real_errno(-result);
    }
    *ring_out = ring;
    return 0;
}

void lti_os_ring_destroy(struct lti_os_ring *ring, bool forked)
{
    /* A child has none of the mapped memory, and what is at its place there may be anything. */
    if (forked)
        (void)close(ring->native.ring_fd);
    else
        io_uring_queue_exit(&ring->native);
    lti_os_free(ring);
}

static void ring_put(struct io_uring *native, const struct lti_os_job *job, size_t number)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(native); /* as many as jobs: never null */
    io_uring_prep_recv(entry, job->fd, job->into, job->size, MSG_DONTWAIT);
    io_uring_sqe_set_data64(entry, number);
}

/* Returns how many answers there were. */
static unsigned ring_reap(struct io_uring *native, struct lti_os_job *jobs, size_t count)
{
    struct io_uring_cqe *answer;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(native, head, answer)
    {
        uint64_t number = io_uring_cqe_get_data64(answer);
        if (number < count)
            jobs[number].result = answer->res < 0 ? lti_real_errno(-answer->res) : answer->res;
        seen++;
    }
    io_uring_cq_advance(native, seen);
    return seen;
}

/* What the kernel took it must answer before the memory is anybody else's again. It has nothing to
 * wait for itself, so this ends. */
static unsigned ring_await(struct io_uring *native, struct lti_os_job *jobs, size_t count)
{
    struct io_uring_cqe *answer;
    (void)io_uring_wait_cqe(native, &answer);
    return ring_reap(native, jobs, count);
}

int64_t lti_os_ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count)
{
    size_t taken = 0, answered = 0;
    if (ring->broken || count > LTI_OS_JOBS_MAX)
        return lti_real_errno(EINVAL);
    for (size_t i = 0; i < count; i++) {
        jobs[i].result = lti_os_fail(LTI_OS_INTERRUPTED, EINTR);
        ring_put(&ring->native, &jobs[i], i);
    }
    for (int i = 0; i < RING_OFFERS_MAX && taken < count; i++) {
        int result = io_uring_submit_and_wait(&ring->native, (unsigned)(count - taken));
        if (result > 0)
            taken += (size_t)result;
        answered += ring_reap(&ring->native, jobs, count);
    }
    ring->broken = taken < count;
    while (answered < taken)
        answered += ring_await(&ring->native, jobs, count);
    for (size_t i = 0; i < count; i++)
        lti_real_looked(jobs[i].fd);
    return ring->broken ? lti_real_errno(EAGAIN) : 0;
}

#else

int64_t lti_os_ring_create(struct lti_os_ring **ring_out)
{
    (void)ring_out;
    return lti_real_errno(EOPNOTSUPP);
}

void lti_os_ring_destroy(struct lti_os_ring *ring, bool forked)
{
    (void)ring; /* there is none */
    (void)forked;
}

int64_t lti_os_ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count)
{
    (void)ring;
    (void)jobs;
    (void)count;
    return lti_real_errno(EOPNOTSUPP);
}

#endif
