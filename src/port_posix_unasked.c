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
 * Fails:      what comes cut off, because this process may have no more, is closed by the system,
 *             and we would wait for that. So it is looked again and again whether there is room for
 *             all that may come, and more. While there is not, while the thread is stuck and some
 *             wait, and from the first time on that something came cut off all the same, none is
 *             taken: a look before each read tells whether something would come, and that ends the
 *             connection; others go on. A thread that cannot be started is tried again. Only
 *             without memory for the queue is one closed at once.
 * Invariants: the port alone puts, under the hub's lock; one thread at a time takes, and there is
 *             one exactly while `queued` is not 0, save for one that could not be started. What is
 *             taken from has been put: a block has its next one before that is counted. In a forked
 *             child there is no thread: its copies go when it execs.
 */
#include "port_posix.h"

#include <stdatomic.h>
#include <string.h>

#define BLOCK_FDS 254u
/* None is taken while so many wait: a thread that is stuck must not use up our descriptors. */
#define TAKE_BELOW 32u
/* No client is accepted while so many wait: those who come to be closed there are bounded. */
#define ACCEPT_BELOW 512u
/* What this process must be able to have more, so that descriptors are taken: what may wait, what
 * may come, and as many again for whoever else opens some until the next look. */
#define LEFT_LEAST (2u * (TAKE_BELOW + LTI_OS_CAME_MAX))
#define LOOK_NS UINT64_C(10000000)
#define LOOK_OPENED 64u /* or so many that we opened ourselves */
/* How long a port that ends waits for the thread. */
#define LAST_NS UINT64_C(50000000)
#define LAST_TURN_NS INT64_C(1000000)
#define LAST_TURNS 10000 /* a system that refuses to wait is asked this often at most */

struct block {
    struct block *next;
    int fds[BLOCK_FDS];
};

struct lti_unasked {
    atomic_uint queued;  /* not closed yet, the one that is being closed included */
    atomic_uint holders; /* the port, and the thread */
    struct block *first; /* the thread's, and how many of it were taken */
    uint32_t taken;
    uint32_t put; /* the port's: how many of the last block */
    struct block *last;
    uint32_t forks;
    uint32_t opened;  /* by us, since the last look */
    uint64_t look_at; /* the next look */
    bool waiting;     /* a thread could not be started */
    bool few;         /* descriptors are left: what comes might be cut off */
    bool scarce;      /* they were, and something was */
};

static void unasked_forget(struct lti_unasked *unasked)
{
    struct block *block = unasked->first;
    while (block) {
        struct block *next = block->next;
        lti_os_free(block);
        block = next;
    }
    lti_os_free(unasked);
}

static void unasked_drop(struct lti_unasked *unasked)
{
    if (atomic_fetch_sub(&unasked->holders, 1) == 1)
        unasked_forget(unasked);
}

static void unasked_close(int fd)
{
    (void)lti_os_linger_none(fd); /* what is no socket does not linger */
    (void)lti_os_close(fd);
}

static int unasked_take(struct lti_unasked *unasked)
{
    if (unasked->taken == BLOCK_FDS) {
        struct block *empty = unasked->first;
        unasked->first = empty->next; /* a child that is forked now may forget it */
        unasked->taken = 0;
        lti_os_free(empty);
    }
    return unasked->first->fds[unasked->taken++];
}

static void unasked_run(void *argument)
{
    struct lti_unasked *unasked = argument;
    do
        unasked_close(unasked_take(unasked));
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

static struct block *block_create(void)
{
    struct block *block = lti_os_alloc(sizeof *block);
    if (block)
        block->next = 0;
    return block;
}

static void unasked_look(struct lti_unasked *unasked, uint64_t now_ns)
{
    unasked->few = !lti_os_descriptors_left(LEFT_LEAST);
    unasked->opened = 0;
    unasked->look_at = now_ns + LOOK_NS;
}

enum leat_error lti_unasked_begin(struct lti_port *port)
{
    if (port->unasked)
        return LEAT_OK;
    struct lti_unasked *unasked = lti_os_alloc(sizeof *unasked);
    struct block *block = unasked ? block_create() : 0;
    if (!block) {
        lti_os_free(unasked);
        return LEAT_E_MEMORY;
    }
    memset(unasked, 0, sizeof *unasked);
    unasked->first = unasked->last = block;
    atomic_init(&unasked->queued, 0);
    atomic_init(&unasked->holders, 1);
    unasked->forks = lti_os_fork_count();
    unasked_look(unasked, lti_os_now_ns());
    port->unasked = unasked;
    return LEAT_OK;
}

uint32_t lti_unasked_threads(const struct lti_unasked *unasked)
{
    return unasked ? atomic_load(&unasked->holders) - 1 : 0;
}

void lti_unasked_turn(struct lti_unasked *unasked)
{
    if (unasked->waiting)
        unasked_start(unasked);
    uint64_t now_ns = lti_os_now_ns();
    if (now_ns >= unasked->look_at || unasked->opened >= LOOK_OPENED)
        unasked_look(unasked, now_ns);
}

void lti_unasked_opened(struct lti_unasked *unasked)
{
    unasked->opened++;
}

bool lti_unasked_put(struct lti_unasked *unasked, int fd)
{
    if (unasked->put == BLOCK_FDS) {
        struct block *block = block_create();
        if (!block)
            return false;
        unasked->last->next = block;
        unasked->last = block;
        unasked->put = 0;
    }
    unasked->last->fds[unasked->put++] = fd;
    if (atomic_fetch_add(&unasked->queued, 1) == 0 || unasked->waiting)
        unasked_start(unasked);
    return true;
}

bool lti_unasked_may_come(const struct lti_unasked *unasked)
{
    return atomic_load(&unasked->queued) < TAKE_BELOW && !unasked->few && !unasked->scarce;
}

bool lti_unasked_many(const struct lti_unasked *unasked)
{
    return atomic_load(&unasked->queued) >= ACCEPT_BELOW;
}

void lti_unasked_scarce(struct lti_unasked *unasked)
{
    unasked->scarce = true;
}

void lti_unasked_put_all(struct lti_unasked *unasked, const struct lti_os_came *came)
{
    for (uint32_t i = 0; i < came->count; i++)
        if (!lti_unasked_put(unasked, came->fds[i]))
            unasked_close(came->fds[i]); /* without memory there is no other way */
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
        if (unasked->waiting)
            unasked_start(unasked);
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
        unasked_forget(unasked);
    else if (unasked->waiting) /* there never was a thread for them */
        unasked_run(unasked);
    else
        unasked_drop(unasked);
}
