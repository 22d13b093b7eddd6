/* SPDX-License-Identifier: MIT
 *
 * Descriptors that nobody asked for: taken where the system lets them through, and closed where
 * nobody waits.
 *
 * Closing one may take as long as its sender chose: a socket that lingers, a file whose server does
 * not answer. So a thread closes them. It is started when something is there to be closed, and ends
 * when nothing is; nobody joins it, because a close that does not return cannot be ended. What it
 * works on is its own as well as the port's, and goes with the last of the two.
 *
 * Happy path: what a receive brings along is put into the queue; the thread tells each socket not
 *             to linger (its other owners see that, and they are who sent it; not even this is done
 *             in the loop, as a socket may be busy for long), and closes it. A connection that ends
 *             over unread bytes is closed there, too: descriptors may be among them.
 * Fails:      what came cut off ends the connection; the system has closed the rest, and we waited
 *             for that. When the thread is stuck and some wait, and from the first time on that
 *             this process had no descriptor left, none is taken any more: a look tells whether
 *             something would come, and that ends the connection; others go on. A thread that
 *             cannot be started is tried again. Only when the queue is full of connections is one
 *             closed at once.
 * Invariants: the port alone puts, under the hub's lock; one thread at a time takes, and there is
 *             one exactly while `queued` is not 0, save for one that could not be started. In a
 *             forked child there is no thread: its copies go when it execs.
 */
#include "port_posix.h"

#include <stdatomic.h>
#include <string.h>

#define QUEUE_MAX 512u
/* None is taken while so many wait: a thread that is stuck must not use up our descriptors. */
#define TAKE_BELOW 32u
/* How long a port that ends waits for the thread. */
#define LAST_NS UINT64_C(50000000)
#define LAST_TURN_NS INT64_C(1000000)
#define LAST_TURNS 10000 /* a system that refuses to wait is asked this often at most */

_Static_assert(TAKE_BELOW + LTI_OS_CAME_MAX <= QUEUE_MAX, "what came finds a place");

struct lti_unasked {
    atomic_uint queued;  /* not closed yet, the one that is being closed included */
    atomic_uint holders; /* the port, and the thread */
    uint32_t head;       /* the thread's */
    uint32_t tail;       /* the port's */
    uint32_t forks;
    bool waiting; /* a thread could not be started */
    bool scarce;  /* descriptors are: what comes might be cut off */
    int fds[QUEUE_MAX];
};

static void unasked_drop(struct lti_unasked *unasked)
{
    if (atomic_fetch_sub(&unasked->holders, 1) == 1)
        lti_os_free(unasked);
}

static void unasked_close(int fd)
{
    (void)lti_os_linger_none(fd); /* what is no socket does not linger */
    (void)lti_os_close(fd);
}

static void unasked_run(void *argument)
{
    struct lti_unasked *unasked = argument;
    do
        unasked_close(unasked->fds[unasked->head++ % QUEUE_MAX]);
    while (atomic_fetch_sub(&unasked->queued, 1) > 1);
    unasked_drop(unasked);
}

static void unasked_start(struct lti_unasked *unasked)
{
    atomic_fetch_add(&unasked->holders, 1);
    unasked->waiting = lti_os_thread_run(unasked_run, unasked) < 0;
    if (unasked->waiting)
        atomic_fetch_sub(&unasked->holders, 1);
}

enum leat_error lti_unasked_begin(struct lti_port *port)
{
    if (port->unasked)
        return LEAT_OK;
    struct lti_unasked *unasked = lti_os_alloc(sizeof *unasked);
    if (!unasked)
        return LEAT_E_MEMORY;
    memset(unasked, 0, sizeof *unasked);
    atomic_init(&unasked->queued, 0);
    atomic_init(&unasked->holders, 1);
    unasked->forks = lti_os_fork_count();
    port->unasked = unasked;
    return LEAT_OK;
}

uint32_t lti_unasked_threads(const struct lti_unasked *unasked)
{
    return unasked ? atomic_load(&unasked->holders) - 1 : 0;
}

void lti_unasked_retry(struct lti_unasked *unasked)
{
    if (unasked->waiting)
        unasked_start(unasked);
}

bool lti_unasked_put(struct lti_unasked *unasked, int fd)
{
    if (atomic_load(&unasked->queued) >= QUEUE_MAX)
        return false;
    unasked->fds[unasked->tail++ % QUEUE_MAX] = fd;
    if (atomic_fetch_add(&unasked->queued, 1) == 0 || unasked->waiting)
        unasked_start(unasked);
    return true;
}

bool lti_unasked_may_come(const struct lti_unasked *unasked)
{
    return atomic_load(&unasked->queued) < TAKE_BELOW && !unasked->scarce;
}

void lti_unasked_scarce(struct lti_unasked *unasked)
{
    unasked->scarce = true;
}

void lti_unasked_put_all(struct lti_unasked *unasked, const struct lti_os_came *came)
{
    for (uint32_t i = 0; i < came->count; i++)
        if (!lti_unasked_put(unasked, came->fds[i]))
            unasked_close(came->fds[i]); /* never: there was room for them all */
}

/* Something is not closed yet, or the thread that closed the last of it has not ended. */
static bool unasked_works(const struct lti_unasked *unasked)
{
    return atomic_load(&unasked->queued) > 0 || atomic_load(&unasked->holders) > 1;
}

static void unasked_last(struct lti_port *port, struct lti_unasked *unasked)
{
    uint64_t began_ns = lti_os_now_ns();
    for (int i = 0; i < LAST_TURNS && unasked_works(unasked); i++) {
        if (lti_os_now_ns() - began_ns >= LAST_NS)
            return;
        lti_unasked_retry(unasked);
        (void)lti_os_poller_wait(port->poller, port->ready, LTI_DONE_MAX, LAST_TURN_NS);
    }
}

void lti_unasked_end(struct lti_port *port)
{
    struct lti_unasked *unasked = port->unasked;
    if (!unasked)
        return;
    bool forked = unasked->forks != lti_os_fork_count();
    if (!forked)
        unasked_last(port, unasked);
    port->unasked = 0;
    if (forked)
        lti_os_free(unasked);
    else if (unasked->waiting) /* there never was a thread for them */
        unasked_run(unasked);
    else
        unasked_drop(unasked);
}
