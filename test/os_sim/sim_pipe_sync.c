/* SPDX-License-Identifier: MIT
 *
 * Simulated handles that were opened for synchronous I/O: calls that wait in the kernel.
 *
 * Happy path: what cannot be over at once is an operation of its pipe like any other; the fiber
 *             that called sleeps until it is.
 * Fails:      as the same call on an overlapped handle; with 995 when another thread gives it up.
 * Invariants: one call at a time. A second one, of whatever kind, would wait for the first, which
 *             nobody may want: it is a misuse.
 */
#include "sim_nt.h"

void lti_sim_pipe_opened(intptr_t handle, bool synchronous, bool can_read, bool can_write)
{
    struct sim_object *end = sim_handle_look(handle);
    if (!end || end->kind != SIM_PIPE || end->nt->pipe.queue)
        sim_fatal("%lld is no pipe that is new", (long long)handle);
    end->nt->pipe.synchronous = synchronous;
    end->nt->pipe.no_read = !can_read;
    end->nt->pipe.no_write = !can_write;
}

void lti_sim_pipe_nowait(intptr_t handle)
{
    struct sim_object *end = sim_handle_look(handle);
    if (!end || end->kind != SIM_PIPE || !end->nt->pipe.synchronous)
        sim_fatal("%lld is no synchronous handle", (long long)handle);
    end->nt->pipe.nowait = true;
}

static bool sync_full(const struct sim_object *end, size_t size)
{
    const struct sim_channel *channel = &end->nt->pipe.instance->channels[1 - end->nt->pipe.side];
    return end->nt->pipe.nowait && !channel->readers.first &&
           channel->unread + size > channel->quota;
}

void sim_pipe_sync_check(const struct sim_object *end)
{
    if (end->nt->pipe.busy)
        sim_misuse("a call on a synchronous handle, on which another one waits");
}

static int64_t sync_wait(struct sim_object *end, struct sim_request *request)
{
    struct sim_fiber *self = sim_fiber_now();
    self->waits = request;
    request->sleeper = self;
    end->event = 0;
    end->nt->pipe.busy = true;
    while (self->waits)
        sim_poll_sleep(end, UINT64_MAX);
    end->nt->pipe.busy = false;
    return self->told;
}

static int64_t sync_call(intptr_t handle, void *buffer, const void *data, size_t size)
{
    int64_t result = 0;
    struct lti_os_op op = {{0}};
    struct sim_object *end = sim_pipe_find(handle, &result);
    if (!end)
        return result;
    if (!end->nt->pipe.synchronous)
        sim_misuse("a call that waits, on an overlapped handle");
    if (data && sync_full(end, size))
        return 0;
    result = data ? sim_pipe_write(end, data, size, &op) : sim_pipe_read(end, buffer, size, &op);
    if (lti_os_kind_of(result) != LTI_OS_IN_PROGRESS)
        return result;
    return sync_wait(end, sim_pipe_waiting(end, &op));
}

int64_t lti_os_pipe_read_sync(intptr_t handle, void *buffer, size_t size)
{
    sim_enter();
    return sim_leave("nt_read_sync", handle, (int64_t)size, sync_call(handle, buffer, NULL, size));
}

int64_t lti_os_pipe_write_sync(intptr_t handle, const void *data, size_t size)
{
    sim_enter();
    return sim_leave("nt_write_sync", handle, (int64_t)size, sync_call(handle, NULL, data, size));
}

static const struct sim_fiber *thread_fiber(const struct sim_object *thread)
{
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++)
        if (sim_world.fibers[i].thread == thread)
            return &sim_world.fibers[i];
    return NULL;
}

int64_t lti_os_thread_cancel(intptr_t thread)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *object = sim_handle_find(thread, SIM_THREAD, &result);
    const struct sim_fiber *fiber = object ? thread_fiber(object) : NULL;
    struct sim_request *request = fiber ? fiber->waits : NULL;
    if (request) {
        (void)sim_pipe_withdraw(request->end->nt->pipe.instance, request);
        sim_request_complete(request, sim_nt_fail(LTI_NT_OPERATION_ABORTED));
    } else if (object) {
        result = sim_nt_fail(LTI_NT_NOT_FOUND);
    }
    return sim_leave("nt_thread_cancel", thread, 0, result);
}
