/* SPDX-License-Identifier: MIT
 *
 * The simulated edge-triggered poller, as epoll with EPOLLET, and the wake-up event.
 *
 * Happy path: whatever happens to an object puts its watches on their pollers' ready lists; a wait
 *             takes them off and reports what is true of them now.
 * Fails:      EINTR; EEXIST and ENOENT for watches; an empty, spurious or repeated report by a
 *             fault.
 * Invariants: a watch is on a ready list at most once; a closed descriptor is in no poller; a wait
 *             never ends early without an event, save by a fault; nobody waits with a lock in his
 *             hands.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdlib.h>

#define ALWAYS (LTI_OS_READ_HANGUP | LTI_OS_HANGUP | LTI_OS_ERROR)

static void ready_add(struct sim_watch *watch)
{
    struct sim_object *poller = watch->poller;
    if (watch->ready)
        return;
    watch->ready = true;
    watch->ready_next = NULL;
    watch->ready_previous = poller->poller.ready_last;
    if (poller->poller.ready_last)
        poller->poller.ready_last->ready_next = watch;
    else
        poller->poller.ready_first = watch;
    poller->poller.ready_last = watch;
    sim_poll_wake(poller, LTI_OS_IN);
}

static void ready_remove(struct sim_watch *watch)
{
    struct sim_object *poller = watch->poller;
    if (!watch->ready)
        return;
    watch->ready = false;
    if (watch->ready_previous)
        watch->ready_previous->ready_next = watch->ready_next;
    else
        poller->poller.ready_first = watch->ready_next;
    if (watch->ready_next)
        watch->ready_next->ready_previous = watch->ready_previous;
    else
        poller->poller.ready_last = watch->ready_previous;
}

static uint32_t watch_mask(const struct sim_watch *watch)
{
    return sim_poll_mask(watch->target) & (watch->interest | ALWAYS);
}

void sim_poll_wake(struct sim_object *object, uint32_t flags)
{
    for (struct sim_watch *it = object->watches; it; it = it->target_next) {
        if (flags == 0 || (flags & (it->interest | ALWAYS)))
            ready_add(it);
    }
}

bool sim_poll_ready(struct sim_object *poller)
{
    if (poller->nt)
        return sim_nt_ready(poller);
    for (struct sim_watch *it = poller->poller.ready_first; it; it = it->ready_next) {
        if (watch_mask(it))
            return true;
    }
    return false;
}

uint32_t sim_poll_mask(const struct sim_object *object)
{
    switch (object->kind) {
    case SIM_SOCKET:
    case SIM_STREAM:
    case SIM_LISTENER:
        return sim_socket_mask(object);
    case SIM_EVENT:
        return LTI_OS_OUT | (object->event > 0 ? LTI_OS_IN : 0);
    case SIM_POLLER:
        for (const struct sim_watch *it = object->poller.ready_first; it; it = it->ready_next) {
            if (watch_mask(it))
                return LTI_OS_IN;
        }
        return 0;
    case SIM_LOCK:
    case SIM_NODE:
    case SIM_PIPE:
    case SIM_QUEUE:
    case SIM_SIGNAL:
    case SIM_THREAD:
    case SIM_PROCESS:
        break;
    }
    return 0;
}

bool lti_sim_readable(int fd)
{
    const struct sim_object *object = sim_descriptor_look(fd);
    return object && (sim_poll_mask(object) & LTI_OS_IN);
}

static void watch_free(struct sim_watch *watch)
{
    struct sim_watch **place = &watch->target->watches;
    while (*place != watch)
        place = &(*place)->target_next;
    *place = watch->target_next;
    place = &watch->poller->poller.watches;
    while (*place != watch)
        place = &(*place)->poller_next;
    *place = watch->poller_next;
    ready_remove(watch);
    free(watch);
}

void sim_poll_forget(struct sim_object *object)
{
    while (object->watches)
        watch_free(object->watches);
    while (object->poller.watches)
        watch_free(object->poller.watches);
}

int64_t lti_os_poller_create(void)
{
    sim_enter();
    if (sim_descriptors_full())
        return sim_leave("poller", 0, 0, sim_fail(EMFILE));
    return sim_leave("poller", 0, 0, sim_descriptor_add(sim_object_new(SIM_POLLER)));
}

int64_t lti_os_poller_close(int poller, bool forked)
{
    (void)forked; /* a child has a copy */
    return lti_os_close(poller);
}

int64_t lti_os_poller_waitable(int poller)
{
    (void)sim_process_now();
    return poller;
}

/* Finds both ends of a registration, and the watch if it is there. */
static int64_t watch_find(int poller_fd, int fd, struct sim_object **poller_out,
                          struct sim_object **target_out, struct sim_watch **watch_out)
{
    *poller_out = sim_descriptor_find(poller_fd);
    *target_out = sim_descriptor_find(fd);
    *watch_out = NULL;
    if (!*poller_out || !*target_out)
        return sim_fail(EBADF);
    if ((*poller_out)->kind != SIM_POLLER || *poller_out == *target_out)
        return sim_fail(EINVAL);
    if ((*target_out)->kind == SIM_LOCK || (*target_out)->kind == SIM_NODE)
        return sim_fail(EPERM);
    for (struct sim_watch *it = (*target_out)->watches; it; it = it->target_next) {
        if (it->poller == *poller_out)
            *watch_out = it;
    }
    return 0;
}

int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    sim_enter();
    struct sim_object *owner, *target;
    struct sim_watch *watch;
    int64_t result = watch_find(poller, fd, &owner, &target, &watch);
    if (result == 0 && watch)
        result = sim_fail(EEXIST);
    if (result == 0 && sim_fault(sim_world.options.faults.memory))
        result = sim_fail(ENOMEM);
    if (result < 0)
        return sim_leave("add", fd, interest, result);
    watch = calloc(1, sizeof *watch);
    if (!watch)
        sim_fatal("the machine is out of memory");
    watch->poller = owner;
    watch->target = target;
    watch->interest = interest & (LTI_OS_IN | LTI_OS_OUT);
    watch->cookie = cookie;
    watch->target_next = target->watches;
    target->watches = watch;
    watch->poller_next = owner->poller.watches;
    owner->poller.watches = watch;
    if (watch_mask(watch))
        ready_add(watch);
    return sim_leave("add", fd, interest, 0);
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    sim_enter();
    struct sim_object *owner, *target;
    struct sim_watch *watch;
    int64_t result = watch_find(poller, fd, &owner, &target, &watch);
    if (result == 0 && !watch)
        result = sim_fail(ENOENT);
    if (result < 0)
        return sim_leave("modify", fd, interest, result);
    watch->interest = interest & (LTI_OS_IN | LTI_OS_OUT);
    watch->cookie = cookie;
    if (watch_mask(watch))
        ready_add(watch);
    return sim_leave("modify", fd, interest, 0);
}

int64_t lti_os_poller_remove(int poller, int fd)
{
    sim_enter();
    struct sim_object *owner, *target;
    struct sim_watch *watch;
    int64_t result = watch_find(poller, fd, &owner, &target, &watch);
    if (result == 0 && !watch)
        result = sim_fail(ENOENT);
    if (result == 0)
        watch_free(watch);
    return sim_leave("remove", fd, 0, result);
}

/* ---- Waiting
 * ---------------------------------------------------------------------------------- */

/* Tells what is not so: a port must find out by trying. */
static size_t wait_spurious(struct sim_object *poller, struct lti_os_ready *ready_out, size_t have)
{
    uint32_t count = 0;
    for (const struct sim_watch *it = poller->poller.watches; it; it = it->poller_next)
        count++;
    uint32_t chosen = count ? sim_random_below(&sim_world.fault_random, count) : 0;
    for (const struct sim_watch *it = poller->poller.watches; it; it = it->poller_next) {
        if (chosen-- == 0 && it->interest != 0 && it->target->kind != SIM_EVENT) {
            ready_out[have].cookie = it->cookie;
            ready_out[have].flags = it->interest;
            return have + 1;
        }
    }
    return have;
}

static size_t wait_collect(struct sim_object *poller, struct lti_os_ready *ready_out, size_t count)
{
    const struct lti_sim_faults *faults = &sim_world.options.faults;
    struct sim_watch *last = poller->poller.ready_last;
    struct sim_watch *watch = poller->poller.ready_first;
    size_t have = 0;
    while (watch && have < count) {
        struct sim_watch *next = watch == last ? NULL : watch->ready_next;
        uint32_t mask = watch_mask(watch);
        ready_remove(watch);
        if (mask) {
            ready_out[have].cookie = watch->cookie;
            ready_out[have++].flags = mask;
            if (sim_fault(faults->poll_duplicate))
                ready_add(watch);
        }
        watch = next;
    }
    if (have < count && sim_fault(faults->poll_spurious))
        have = wait_spurious(poller, ready_out, have);
    if (have > 1 && sim_fault(faults->poll_shuffle)) {
        for (uint32_t i = (uint32_t)have; i > 1; i--) {
            uint32_t other = sim_random_below(&sim_world.fault_random, i);
            struct lti_os_ready moved = ready_out[i - 1];
            ready_out[i - 1] = ready_out[other];
            ready_out[other] = moved;
        }
    }
    return have;
}

void sim_poll_sleep(struct sim_object *object, uint64_t deadline_ns)
{
    struct sim_fiber *self = sim_fiber_now();
    if (self->locks > 0)
        sim_fatal("%s waits with a lock in its hands", self->name);
    if (sim_world.running != 0) {
        self->poller = object;
        self->wake_ns = deadline_ns;
        self->state = SIM_POLLING;
        sim_object_hold(object);
        sim_fiber_block();
        sim_object_drop(object);
        return;
    }
    if (sim_world.threaded && sim_fibers_turn())
        return;
    uint64_t first = sim_world.threaded ? sim_fibers_wake() : sim_actions_first();
    uint64_t next = first < deadline_ns ? first : deadline_ns;
    if (next == UINT64_MAX)
        sim_fatal("deadlock: a wait for ever, and nothing can happen any more");
    if (next > sim_world.now_ns)
        sim_world.now_ns = next;
    sim_actions_run();
}

int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns)
{
    const struct lti_sim_faults *faults = &sim_world.options.faults;
    sim_enter();
    struct sim_object *object = sim_descriptor_find(poller);
    if (!object || object->kind != SIM_POLLER || count == 0)
        return sim_leave("wait", poller, 0, sim_fail(object ? EINVAL : EBADF));
    if (sim_fault(faults->interrupt))
        return sim_leave("wait", poller, 0, sim_fail(EINTR));
    if (sim_fault(faults->poll_empty))
        return sim_leave("wait", poller, 0, 0);
    uint64_t deadline_ns = UINT64_MAX;
    if (timeout_ns >= 0 && (uint64_t)timeout_ns < UINT64_MAX - sim_world.now_ns)
        deadline_ns = sim_world.now_ns + (uint64_t)timeout_ns;
    size_t have = wait_collect(object, ready_out, count);
    while (have == 0 && sim_world.now_ns < deadline_ns) {
        sim_poll_sleep(object, deadline_ns);
        if (object != sim_descriptor_look(poller))
            return sim_leave("wait", poller, 0, sim_fail(EBADF));
        have = wait_collect(object, ready_out, count);
    }
    for (size_t i = 0; i < have; i++)
        (void)sim_leave("ready", (int64_t)ready_out[i].flags, (int64_t)i, 0);
    return sim_leave("wait", poller, timeout_ns, (int64_t)have);
}

/* ---- The wake-up event
 * ------------------------------------------------------------------------ */

int64_t lti_os_event_create(void)
{
    sim_enter();
    if (sim_descriptors_full())
        return sim_leave("event", 0, 0, sim_fail(EMFILE));
    return sim_leave("event", 0, 0, sim_descriptor_add(sim_object_new(SIM_EVENT)));
}

static struct sim_object *event_find(int fd, int64_t *result_out)
{
    struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        *result_out = sim_fail(EBADF);
    else if (object->kind == SIM_EVENT)
        return object;
    else
        *result_out = sim_fail(EINVAL);
    return NULL;
}

int64_t lti_os_event_set(int fd)
{
    sim_enter();
    int64_t result = (int64_t)sizeof(uint64_t);
    struct sim_object *object = event_find(fd, &result);
    if (object) {
        object->event++;
        sim_poll_wake(object, LTI_OS_IN);
    }
    return sim_leave("set", fd, 0, result);
}

int64_t lti_os_event_clear(int fd)
{
    sim_enter();
    int64_t result = (int64_t)sizeof(uint64_t);
    struct sim_object *object = event_find(fd, &result);
    if (object && object->event == 0)
        result = sim_fail(EAGAIN);
    else if (object)
        object->event = 0;
    return sim_leave("clear", fd, 0, result);
}
