/* SPDX-License-Identifier: MIT
 *
 * The hub: its life, its lock, its ready list, and what everything else of the core asks of it.
 *
 * Happy path: enter, do something short, leave. Leaving frees what died meanwhile and wakes the
 *             waiting thread when it has something new to look at.
 * Fails:      a hub of the parent process is FORKED; create undoes what it did.
 * Invariants: an endpoint is on one list at most, once. A conn that died is freed only when no
 *             function of the core holds a pointer to it: in lti_hub_reap.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

/* What a hub has that asks for nothing. */
#ifndef LTI_BACKEND_USUAL
#define LTI_BACKEND_USUAL LEAT_BACKEND_ONE_BY_ONE
#endif

static const uint64_t second_ns = UINT64_C(1000000000);
static const uint64_t millisecond_ns = UINT64_C(1000000);

/* With one CPU the peer cannot run while we ask. Who gives a number knows better. */
static uint32_t spin_us(uint32_t option)
{
    if (option == LEAT_SPIN_OFF)
        return 0;
    if (option != 0)
        return option;
    return lti_port_spins() && lti_os_cpus() > 1 ? LTI_SPIN_US_DEFAULT : 0;
}

/* The backend that was asked for, or none: who asks for one has a reason. */
static enum leat_error hub_choose(struct leat_hub *hub)
{
    struct os_code code = {LTI_OS_NONE, 0};
    bool asked = hub->options.backend != LEAT_BACKEND_DEFAULT;
    if (!asked)
        hub->options.backend = LTI_BACKEND_USUAL;
    hub->may_ahead = !asked;
    if (hub->options.backend == LEAT_BACKEND_ONE_BY_ONE)
        return LEAT_OK;
    bool ring = hub->options.backend == LEAT_BACKEND_URING;
    enum leat_error error = lti_port_backend(hub->port, ring, &code);
    if (error == LEAT_OK)
        return error;
    bool refused = code.kind == LTI_OS_ACCESS;
    lti_hub_log(hub, refused ? "the backend is not allowed here" : "the backend is not to be had",
                error);
    if (error == LEAT_E_UNSUPPORTED && !asked) {
        hub->options.backend = LEAT_BACKEND_ONE_BY_ONE;
        return LEAT_OK;
    }
    (void)lti_port_destroy(hub->port);
    return error;
}

static enum leat_error hub_start(struct leat_hub *hub)
{
    struct os_code code = {LTI_OS_NONE, 0};
    uint64_t seed[2];
    if (lti_os_random(seed, sizeof seed) < 0)
        return LEAT_E_SYSTEM;
    uint16_t salt = (uint16_t)(seed[0] | 1u);
    hub->random = seed[1] | 1u;
    hub->fork_count = lti_os_fork_count();
    lti_pool_init(&hub->pool, hub->options.memory_bytes_max);
    lti_slots_init(&hub->conns, LTI_KIND_CONN, salt);
    lti_slots_init(&hub->listeners, LTI_KIND_LISTENER, salt);
    lti_slots_init(&hub->timers, LTI_KIND_TIMER, salt);
    atomic_init(&hub->woken, false);
    lti_spin_init(&hub->spin, spin_us(hub->options.spin_us));
    if (!hub->options.single_thread && lti_os_mutex_create(&hub->mutex) < 0)
        return LEAT_E_MEMORY;
    enum leat_error error = lti_port_create(&hub->port, &code);
    if (error == LEAT_OK)
        error = hub_choose(hub);
    if (error != LEAT_OK && hub->mutex)
        lti_os_mutex_destroy(hub->mutex);
    return error;
}

enum leat_error leat_hub_create(const struct leat_hub_options *options, struct leat_hub **hub_out)
{
    struct leat_hub_options in_force;
    if (!hub_out)
        return LEAT_E_ARGUMENT;
    enum leat_error error = lti_options_hub(options, &in_force);
    if (error != LEAT_OK)
        return error;
    struct leat_hub *hub = lti_os_alloc(sizeof *hub);
    if (!hub)
        return LEAT_E_MEMORY;
    memset(hub, 0, sizeof *hub);
    hub->options = in_force;
    error = hub_start(hub);
    if (error != LEAT_OK) {
        lti_os_free(hub);
        return error;
    }
    *hub_out = hub;
    return LEAT_OK;
}

/* Ends every endpoint; in a forked child nothing that the parent shares is touched. */
static void hub_end_all(struct leat_hub *hub, bool forked)
{
    uint32_t place = 0;
    struct lti_listener *listener;
    while ((listener = lti_slots_next(&hub->listeners, &place)))
        lti_listener_end(hub, listener, forked);
    place = 0;
    struct lti_conn *conn;
    while ((conn = lti_slots_next(&hub->conns, &place))) {
        conn->report = false;
        conn->waited = false;
        conn->closing = true;
        if (conn->state != LTI_CONN_GONE)
            lti_conn_enter(hub, conn, LTI_CONN_GONE);
        else if (!conn->buried && !conn->link_draining)
            lti_conn_bury(hub, conn);
    }
    place = 0;
    struct lti_timer *timer;
    while ((timer = lti_slots_next(&hub->timers, &place)))
        lti_timer_end(hub, timer);
    lti_hub_reap(hub);
}

/* What the port had been lent is back. */
static void hub_end_lent(struct leat_hub *hub)
{
    uint32_t place = 0;
    struct lti_conn *conn;
    while ((conn = lti_slots_next(&hub->conns, &place))) {
        conn->link_draining = false;
        lti_conn_bury(hub, conn);
    }
    lti_hub_reap(hub);
}

enum leat_error leat_hub_destroy(struct leat_hub *hub)
{
    if (!hub)
        return LEAT_OK;
    bool forked = hub->fork_count != lti_os_fork_count();
    /* A child may have inherited the lock while another thread of the parent held it. */
    if (!forked) {
        lti_hub_lock(hub);
        bool busy = hub->mutex && hub->waiter;
        lti_hub_unlock(hub);
        if (busy)
            return LEAT_E_BUSY;
    }
    hub->options.trace = 0;
    hub->options.log = 0;
    hub_end_all(hub, forked);
    /* Memory that the system may still write to is never freed. */
    if (!lti_port_destroy(hub->port))
        return LEAT_E_SYSTEM;
    hub_end_lent(hub);
    lti_gather_forget(hub);
    lti_slots_end(&hub->conns, &hub->pool);
    lti_slots_end(&hub->listeners, &hub->pool);
    lti_slots_end(&hub->timers, &hub->pool);
    lti_deadlines_end(&hub->deadlines, &hub->pool);
    lti_pool_end(&hub->pool);
    if (hub->mutex)
        lti_os_mutex_destroy(hub->mutex);
    lti_os_free(hub);
    return LEAT_OK;
}

/* Nobody says that this process has one thread, or it was forked. */
enum leat_error lti_hub_enter_other(struct leat_hub *hub)
{
    if (hub->fork_count != lti_os_fork_count())
        return LEAT_E_FORKED;
    if (hub->mutex) {
        lti_hub_lock(hub);
        return LEAT_OK;
    }
#ifndef NDEBUG
    /* Without a lock a second thread is a race: stop at the call that makes it. */
    uint64_t thread = lti_os_thread_id();
    if (hub->owner_thread == 0)
        hub->owner_thread = thread;
    LTI_ASSERT(hub->owner_thread == thread);
#endif
    return LEAT_OK;
}

/* Somebody waits, or died. */
void lti_hub_leave_told(struct leat_hub *hub)
{
    if (hub->graveyard)
        lti_hub_reap(hub);
    bool wake = false;
    bool waited = hub->waiting || (hub->foreign && !hub->waiter);
    /* The port may have to be asked earlier than the waiter thought: to begin a read, say. */
    if (hub->changed || (waited && lti_port_due(hub->port) < hub->wait_end_ns)) {
        hub->changed = false;
        wake = hub->waiting || (waited && lti_os_thread_id() != hub->loop_thread);
    }
    lti_hub_unlock(hub);
    if (wake)
        (void)lti_port_wake(hub->port);
}

void lti_hub_reap(struct leat_hub *hub)
{
    while (hub->graveyard) {
        struct lti_conn *conn = hub->graveyard;
        hub->graveyard = conn->queue_next;
        lti_conn_free(hub, conn);
    }
}

uint64_t lti_hub_now(struct leat_hub *hub)
{
    hub->now_ns = lti_os_now_ns();
    return hub->now_ns;
}

uint64_t lti_hub_after(struct leat_hub *hub, uint32_t ms)
{
    return ms == LEAT_FOREVER ? LTI_NEVER : lti_hub_now(hub) + ms * millisecond_ns;
}

uint32_t lti_hub_random(struct leat_hub *hub, uint32_t below)
{
    /* xorshift64*: jitter needs no secret. */
    hub->random ^= hub->random >> 12;
    hub->random ^= hub->random << 25;
    hub->random ^= hub->random >> 27;
    return (uint32_t)((hub->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

static size_t line_put(char *line, size_t at, size_t room, const char *text)
{
    size_t size = strlen(text);
    if (size > room - 1 - at)
        size = room - 1 - at;
    memcpy(line + at, text, size);
    return at + size;
}

void lti_hub_log(struct leat_hub *hub, const char *what, enum leat_error error)
{
    if (!hub->options.log)
        return;
    uint64_t second = lti_hub_now(hub) / second_ns;
    if (second != hub->log_second) {
        hub->log_second = second;
        hub->log_count = 0;
    }
    if (hub->log_count >= 10)
        return;
    hub->log_count++;
    char line[160];
    size_t at = line_put(line, 0, sizeof line, what);
    if (error != LEAT_OK) {
        at = line_put(line, at, sizeof line, ": ");
        at = line_put(line, at, sizeof line, leat_error_name(error));
        at = line_put(line, at, sizeof line, ", ");
        at = line_put(line, at, sizeof line, leat_error_text(error));
    }
    line[at] = 0;
    hub->options.log(hub->options.hook_context, line);
}

static void list_remove(struct leat_hub *hub, struct lti_endpoint *endpoint)
{
    struct lti_list *list = &hub->lists[endpoint->list];
    if (endpoint->previous)
        endpoint->previous->next = endpoint->next;
    else
        list->first = endpoint->next;
    if (endpoint->next)
        endpoint->next->previous = endpoint->previous;
    else
        list->last = endpoint->previous;
    list->count--;
    endpoint->previous = endpoint->next = 0;
    endpoint->list = LTI_LIST_NONE;
}

void lti_hub_list(struct leat_hub *hub, struct lti_endpoint *endpoint, enum lti_listed listed)
{
    if (endpoint->list == listed)
        return;
    if (endpoint->list != LTI_LIST_NONE)
        list_remove(hub, endpoint);
    if (listed == LTI_LIST_NONE)
        return;
    struct lti_list *list = &hub->lists[listed];
    endpoint->list = (uint8_t)listed;
    endpoint->previous = list->last;
    if (list->last)
        list->last->next = endpoint;
    else
        list->first = endpoint;
    list->last = endpoint;
    list->count++;
    hub->changed = true;
}

/* A time that moves later leaves the heap alone: the node fires early, once, and is set anew then.
 * One that is over goes, so that a hub with nothing due waits without a timer. */
void lti_hub_due(struct leat_hub *hub, struct lti_endpoint *endpoint, uint64_t time_ns)
{
    uint64_t set = endpoint->deadline.time_ns;
    if (set < time_ns && time_ns != LTI_NEVER)
        return;
    uint64_t first = lti_deadlines_first(&hub->deadlines);
    lti_deadline_set(&hub->deadlines, &endpoint->deadline, time_ns);
    if (time_ns < first)
        hub->changed = true;
}

struct lti_listener *lti_hub_listener(const struct leat_hub *hub, leat_listener listener)
{
    return lti_slots_find(&hub->listeners, listener.id);
}
