/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, several connections at once: their reads follow each other, and are one system
 * call where that is asked for and the system has one.
 *
 * Happy path: the poller has said of several links that something came, and the core that it will
 *             read each of them next. All are read, into blocks of the ring's own, and each read of
 *             the core then takes what is held for its link. Who sends more than a block has it
 *             read as always, by a call of its own.
 * Fails:      what a read said is held as well, and told when its turn comes. A read that was not
 *             done, or found nothing, is forgotten: the core's own will say it again. A system's
 *             ring that fails is never used again; each read is a call then.
 * Invariants: a link holds one block at most, and nothing is read ahead that was not asked for
 *             since the poller spoke: so who is not read is not read ahead, save for one block.
 *             While a link holds something, nothing else reads from it. Only plain links (nobody
 *             can send descriptors along) have a ring.
 */
#include "port_posix.h"

#include "lti_assert.h"

#include <string.h>

/* One link by itself is read as fast by a call of its own. */
#ifndef LTI_RING_LINKS_MIN
#define LTI_RING_LINKS_MIN 2u
#endif

/* As many as one wait tells of. */
#define HELD_MAX LTI_DONE_MAX
/* With its head not a power of two: the first lines of all blocks must not fall together. */
#define HELD_BYTES 1024

struct held {
    int64_t result; /* of the read */
    uint32_t taken; /* of its bytes */
    uint32_t flags; /* LTI_OS_RECV_*, as the read gave them */
    bool news;      /* the poller has spoken since */
    uint8_t bytes[HELD_BYTES];
};

struct lti_ring {
    struct lti_os_ring *native; /* null: nobody asked for it, or it failed */
    uint32_t soon_count;
    struct lti_link *soon[LTI_OS_JOBS_MAX]; /* in the order in which they are read */
    uint32_t next;                          /* where a free block is looked for first */
    bool used[HELD_MAX];
    struct held held[HELD_MAX];
};

/* Where descriptors come along with bytes, each read must be ready to take them. */
static int64_t sockets_plain(void)
{
    int64_t fd = lti_os_socket(false);
    if (fd < 0)
        return fd;
    (void)lti_os_close((int)fd);
    return lti_os_sockets_plain() ? 0 : lti_os_fail(LTI_OS_UNSUPPORTED, 0);
}

/* What it has no use for yet is not touched: of its memory a quiet hub has a page. */
static struct lti_ring *ring_make(void)
{
    struct lti_ring *ring = lti_os_alloc(sizeof *ring);
    if (!ring)
        return NULL;
    ring->native = NULL;
    ring->soon_count = ring->next = 0;
    memset(ring->used, 0, sizeof ring->used);
    return ring;
}

bool lti_port_ahead(struct lti_port *port)
{
    port->ring = lti_os_sockets_plain() ? ring_make() : NULL;
    return port->ring != NULL;
}

enum leat_error lti_port_backend(struct lti_port *port, bool native, struct os_code *code_out)
{
    struct lti_ring *ring = ring_make();
    if (!ring)
        return LEAT_E_MEMORY;
    int64_t result = sockets_plain();
    if (result < 0 && lti_os_kind_of(result) != LTI_OS_UNSUPPORTED) {
        lti_os_free(ring);
        return lti_port_error(result, code_out);
    }
    if (result >= 0 && native)
        result = lti_os_ring_create(&ring->native);
    if (ring->native) /* what looks for memory that was never written does not see a ring write */
        memset(ring->held, 0, sizeof ring->held);
    if (result < 0) {
        lti_os_free(ring);
        enum leat_error error = lti_port_error(result, code_out);
        /* Whatever a sandbox or an old system calls it. */
        return error == LEAT_E_MEMORY || error == LEAT_E_LIMIT ? error : LEAT_E_UNSUPPORTED;
    }
    port->ring = ring;
    return LEAT_OK;
}

static void ring_stop(struct lti_ring *ring, bool forked)
{
    if (ring->native)
        lti_os_ring_destroy(ring->native, forked);
    ring->native = 0;
}

void lti_ring_end(struct lti_port *port)
{
    if (!port->ring)
        return;
    ring_stop(port->ring, port->forks != lti_os_fork_count());
    lti_os_free(port->ring);
    port->ring = 0;
}

static struct held *held_of(struct lti_ring *ring, const struct lti_link *link)
{
    LTI_ASSERT(lti_link_held(link) - 1 < HELD_MAX);
    return &ring->held[lti_link_held(link) - 1];
}

static void held_drop(struct lti_ring *ring, struct lti_link *link)
{
    LTI_ASSERT(lti_link_held(link) - 1 < HELD_MAX);
    ring->used[lti_link_held(link) - 1] = false;
    link->flags &= (1u << LTI_LINK_HELD_SHIFT) - 1;
}

/* A block for this link; false: all are held. */
static bool held_make(struct lti_ring *ring, struct lti_link *link)
{
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        uint32_t at = (ring->next + i) % HELD_MAX;
        if (ring->used[at])
            continue;
        ring->used[at] = true;
        ring->held[at].news = false;
        ring->held[at].taken = 0;
        ring->next = at + 1;
        link->flags |= (at + 1) << LTI_LINK_HELD_SHIFT;
        return true;
    }
    return false;
}

void lti_ring_learn(struct lti_link *link, int64_t result)
{
    if (result >= 0 && result < HELD_BYTES)
        link->flags &= ~LTI_LINK_LARGE;
}

void lti_ring_news(struct lti_ring *ring, const struct lti_link *link)
{
    held_of(ring, link)->news = true;
}

void lti_ring_forget(struct lti_ring *ring, struct lti_link *link)
{
    if (lti_link_held(link))
        held_drop(ring, link);
    for (uint32_t i = 0; i < ring->soon_count && (link->flags & LTI_LINK_SOON); i++) {
        if (ring->soon[i] != link)
            continue;
        ring->soon[i] = ring->soon[--ring->soon_count];
        link->flags &= ~LTI_LINK_SOON;
    }
}

int64_t lti_ring_recv(struct lti_link *link, void *buffer, size_t size, uint32_t *flags)
{
    struct lti_ring *ring = link->state;
    struct held *held = held_of(ring, link);
    int64_t result = held->result;
    size_t left = result > 0 ? (size_t)result - held->taken : 0;
    size_t part = left < size ? left : size;
    /* Who takes less than is held has filled his buffer, and knows by that. */
    *flags = held->flags | (result == HELD_BYTES || held->news ? LTI_OS_RECV_MORE : 0);
    if (result > 0) {
        memcpy(buffer, held->bytes + held->taken, part);
        held->taken += (uint32_t)part;
        result = (int64_t)part;
    }
    if (part == left)
        held_drop(ring, link);
    return result;
}

void lti_port_read_soon(struct lti_port *port, struct lti_link *link)
{
    struct lti_ring *ring = port->ring;
    if (!ring || !(link->flags & LTI_LINK_PLAIN) || lti_link_held(link) ||
        (link->flags & (LTI_LINK_SOON | LTI_LINK_LARGE)))
        return;
    link->state = ring; /* which may be younger than the link */
    link->flags |= LTI_LINK_SOON;
    ring->soon[ring->soon_count++] = link;
    if (ring->soon_count == LTI_OS_JOBS_MAX)
        lti_port_read_ahead(port);
}

static void held_fill(struct lti_ring *ring, struct lti_link *const *links, uint32_t count)
{
    struct lti_os_job jobs[LTI_OS_JOBS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct held *held = held_of(ring, links[i]);
        jobs[i] = (struct lti_os_job){
            .fd = lti_link_fd(links[i]), .into = held->bytes, .size = HELD_BYTES};
        held->flags = LTI_OS_RECV_PLAIN;
        if (!ring->native)
            jobs[i].result = lti_os_recv(jobs[i].fd, held->bytes, HELD_BYTES, 0, &held->flags);
        else
            held->flags = 0;
    }
    if (ring->native && lti_os_ring_recv(ring->native, jobs, count) < 0)
        ring_stop(ring, false);
    for (uint32_t i = 0; i < count; i++) {
        enum lti_os_kind kind = lti_os_kind_of(jobs[i].result);
        held_of(ring, links[i])->result = jobs[i].result;
        if (jobs[i].result == HELD_BYTES)
            links[i]->flags |= LTI_LINK_LARGE;
        if (kind == LTI_OS_INTERRUPTED || kind == LTI_OS_AGAIN)
            held_drop(ring, links[i]);
    }
}

void lti_port_read_ahead(struct lti_port *port)
{
    struct lti_ring *ring = port->ring;
    struct lti_link *links[LTI_OS_JOBS_MAX];
    uint32_t count = 0;
    if (!ring || ring->soon_count == 0)
        return;
    bool several = ring->soon_count >= LTI_RING_LINKS_MIN;
    for (uint32_t i = 0; i < ring->soon_count; i++) {
        struct lti_link *link = ring->soon[i];
        link->flags &= ~LTI_LINK_SOON;
        LTI_ASSERT(!lti_link_held(link)); /* who holds something is not asked for, and asks once */
        if (several && held_make(ring, link))
            links[count++] = link;
    }
    ring->soon_count = 0;
    if (count > 0)
        held_fill(ring, links, count);
}
