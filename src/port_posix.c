/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, hub side: an edge-triggered poller and a wake-up event.
 *
 * Happy path: every descriptor is given to the poller once, when it is connected; an edge
 *             becomes a completion, and the link remembers what it learned. Interest changes
 *             only while a write waits for room.
 * Fails:      a poller that fails for good is told to the caller; an interruption is no
 *             completion.
 * Invariants: the poller's cookie is the link's; an edge for a descriptor that is closed carries
 *             a stale cookie. The wake-up event has the cookie 0, which no link has.
 */
#include "port_posix.h"

enum leat_error lti_port_create(struct lti_port **port_out, struct os_code *code_out)
{
    struct lti_port *port = lti_os_alloc(sizeof *port);
    if (!port)
        return LEAT_E_MEMORY;
    port->forks = lti_os_fork_count();
    int64_t poller = lti_os_poller_create();
    if (poller < 0) {
        lti_os_free(port);
        return lti_port_error(poller, code_out);
    }
    port->poller = (int)poller;
    port->unasked = 0;
    port->woken = false;
    port->ring = 0;
    int64_t event = lti_os_event_create();
    int64_t added = event;
    if (event >= 0) {
        port->event = (int)event;
        added = lti_os_poller_add(port->poller, port->event, LTI_OS_IN, 0);
    }
    if (added < 0) {
        if (event >= 0)
            (void)lti_os_close((int)event);
        (void)lti_os_poller_close(port->poller, false);
        lti_os_free(port);
        return lti_port_error(added, code_out);
    }
    *port_out = port;
    return LEAT_OK;
}

bool lti_port_destroy(struct lti_port *port)
{
    lti_unasked_end(port);
    lti_ring_end(port);
    (void)lti_os_close(port->event);
    (void)lti_os_poller_close(port->poller, port->forks != lti_os_fork_count());
    lti_os_free(port);
    return true; /* a socket keeps nobody's memory */
}

int lti_port_wait(struct lti_port *port, struct lti_done *done_out, int64_t timeout_ns,
                  struct os_code *code_out)
{
    int64_t count = lti_os_poller_wait(port->poller, port->ready, LTI_DONE_MAX, timeout_ns);
    port->woken = false;
    if (count < 0) {
        *code_out = lti_os_code_of(count);
        return code_out->kind == LTI_OS_INTERRUPTED ? 0 : -1;
    }
    int done = 0;
    for (int64_t i = 0; i < count; i++) {
        if (port->ready[i].cookie == 0) {
            port->woken = true;
            (void)lti_os_event_clear(port->event);
            continue;
        }
        done_out[done].cookie = port->ready[i].cookie;
        done_out[done].bytes = 0;
        done_out[done].detail = port->ready[i].flags;
        done++;
    }
    return done;
}

int lti_port_prepare(struct lti_port *port, struct lti_done *done_out)
{
    (void)done_out;
    if (port->unasked)
        lti_unasked_turn(port->unasked);
    return 0;
}

uint64_t lti_port_due(const struct lti_port *port)
{
    (void)port;
    return UINT64_MAX;
}

bool lti_port_woken(const struct lti_port *port)
{
    return port->woken;
}

bool lti_port_spins(void)
{
    return true;
}

bool lti_port_unheard(const struct lti_port *port)
{
    (void)port;
    return false;
}

enum leat_error lti_port_wake(struct lti_port *port)
{
    int64_t result = lti_os_event_set(port->event);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_event_set(port->event);
    /* A counter that is full is a wake-up that nobody took yet. */
    if (lti_os_kind_of(result) == LTI_OS_AGAIN)
        return LEAT_OK;
    return lti_port_error(result, 0) == LEAT_OK ? LEAT_OK : LEAT_E_SYSTEM;
}

enum leat_error lti_port_waitable(struct lti_port *port, intptr_t *waitable_out,
                                  struct os_code *code_out)
{
    int64_t waitable = lti_os_poller_waitable(port->poller);
    if (waitable < 0)
        return lti_port_error(waitable, code_out);
    *waitable_out = (intptr_t)waitable;
    return LEAT_OK;
}

uint32_t lti_port_threads(const struct lti_port *port)
{
    return lti_unasked_threads(port->unasked);
}

void lti_link_init(struct lti_link *link)
{
    link->handle = -1;
    link->cookie = 0;
    link->state = 0;
    link->flags = 0;
}

uint32_t lti_port_take(struct lti_port *port, struct lti_link *link, const struct lti_done *done)
{
    uint32_t news = 0;
    uint32_t flags = done->detail;
    if (!link)
        return 0;
    uint32_t unsure = LTI_OS_READ_HANGUP | LTI_OS_HANGUP | LTI_OS_ERROR | LTI_OS_URGENT;
    if (flags & unsure)
        link->flags |= LTI_LINK_UNSURE;
    if (flags & (LTI_OS_IN | unsure)) {
        news |= LTI_DONE_READABLE;
        if (lti_link_held(link))
            lti_ring_news(port->ring, link);
    }
    if ((flags & LTI_OS_HANGUP) && !(link->flags & LTI_LINK_HANGUP)) {
        link->flags |= LTI_LINK_HANGUP;
        news |= LTI_DONE_HANGUP;
    }
    if (link->flags & LTI_LINK_WRITING) {
        if (flags & (LTI_OS_OUT | LTI_OS_HANGUP | LTI_OS_ERROR)) {
            link->flags &= ~LTI_LINK_WRITING;
            news |= LTI_DONE_WRITTEN;
        }
    } else if ((flags & LTI_OS_OUT) && (link->flags & LTI_LINK_OUT)) {
        /* Nothing is to be written any more: each read of the peer would wake us for nothing. */
        if (lti_os_poller_modify(port->poller, lti_link_fd(link), LTI_OS_IN, link->cookie) >= 0)
            link->flags &= ~LTI_LINK_OUT;
    }
    return news;
}

enum leat_error lti_link_watch(struct lti_port *port, struct lti_link *link,
                               struct os_code *code_out)
{
    if (!(link->flags & LTI_LINK_PLAIN)) {
        enum leat_error error = lti_unasked_begin(port);
        if (error != LEAT_OK)
            return error;
        lti_unasked_opened(port->unasked);
        link->state = port->unasked;
    } else {
        link->state = port->ring;
    }
    int64_t result = lti_os_poller_add(port->poller, lti_link_fd(link), LTI_OS_IN, link->cookie);
    if (result < 0)
        return lti_poller_error(result, code_out);
    link->flags |= LTI_LINK_WATCHED;
    return LEAT_OK;
}

bool lti_port_can_finish(const struct lti_link *link)
{
    (void)link;
    return true;
}

bool lti_port_hangup(const struct lti_link *link)
{
    return (link->flags & LTI_LINK_HANGUP) != 0;
}

void lti_port_close_handle(intptr_t handle)
{
    /* Whatever close says, the descriptor is gone. */
    (void)lti_os_close((int)handle);
}
