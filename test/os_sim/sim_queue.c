/* SPDX-License-Identifier: MIT
 *
 * Simulated completion queues, and handles of Windows in general.
 *
 * Happy path: a completion arrives, at once or by a kernel action later, and a wait takes it.
 * Fails:      with 6 for what is no queue, with 735 when the queue is closed under a wait; a wait
 *             ends early with nothing by a fault.
 * Invariants: completions of one direction of one handle are taken in the order they were made;
 *             a handle belongs to one queue for ever; a completion is taken once.
 */
#include "sim_nt.h"

#include <stdlib.h>

#define ABANDONED_WAIT 735
#define SHUFFLED_MAX 16u /* completions from which a shuffled wait chooses the next */
#define NS_PER_MS UINT64_C(1000000)

/* ---- Handles --------------------------------------------------------------------------------- */

/* Descriptors begin at 3; handles are 4, 8, ... */
static int handle_descriptor(intptr_t handle)
{
    return handle > 0 && handle % 4 == 0 && handle < INT32_MAX ? (int)(handle / 4) + 2 : -1;
}

struct sim_object *sim_nt_object(enum sim_kind kind)
{
    struct sim_object *object = sim_object_new(kind);
    object->nt = calloc(1, sizeof *object->nt);
    if (!object->nt)
        sim_fatal("the machine is out of memory");
    return object;
}

int64_t sim_handle_add(struct sim_object *object)
{
    return (sim_descriptor_add(object) - 2) * 4;
}

struct sim_object *sim_handle_look(intptr_t handle)
{
    int descriptor = handle_descriptor(handle);
    return descriptor < 0 ? NULL : sim_descriptor_look(descriptor);
}

struct sim_object *sim_handle_find(intptr_t handle, enum sim_kind kind, int64_t *result_out)
{
    struct sim_object *object = sim_descriptor_find(handle_descriptor(handle));
    if (object && object->kind == kind)
        return object;
    *result_out = sim_nt_fail(LTI_NT_INVALID_HANDLE);
    return NULL;
}

int64_t lti_os_handle_close(intptr_t handle)
{
    sim_enter();
    const struct sim_object *object = sim_handle_look(handle);
    if (object && object->kind == SIM_PIPE)
        sim_pipe_sync_check(object);
    bool closed = sim_descriptor_close(handle_descriptor(handle));
    return sim_leave("nt_close", handle, 0, closed ? 0 : sim_nt_fail(LTI_NT_INVALID_HANDLE));
}

void sim_nt_close(struct sim_object *object)
{
    if (object->kind == SIM_PIPE)
        sim_pipe_close(object);
    else if (object->kind == SIM_QUEUE)
        sim_queue_close(object);
}

void sim_nt_free(struct sim_nt *nt)
{
    if (nt && nt->pipe.queue)
        sim_object_drop(nt->pipe.queue);
    free(nt);
}

bool sim_nt_ready(const struct sim_object *object)
{
    if (object->kind == SIM_PROCESS)
        return !sim_world.processes[object->nt->process].alive;
    return object->kind == SIM_QUEUE ? object->nt->queue.ready.first != NULL : object->event > 0;
}

/* ---- Completions ----------------------------------------------------------------------------- */

void sim_queue_put(struct sim_object *queue, struct sim_request *request)
{
    struct sim_requests *coming = &queue->nt->queue.coming;
    if (request->arrival_ns <= sim_world.now_ns) {
        sim_requests_add(&queue->nt->queue.ready, request);
        return;
    }
    sim_action_add(SIM_ARRIVE, queue, request->arrival_ns - sim_world.now_ns);
    /* In the order of arrival, and of making where that is the same. */
    struct sim_request *before = NULL;
    for (struct sim_request *it = coming->first; it; it = it->next) {
        if (it->arrival_ns > request->arrival_ns)
            break;
        before = it;
    }
    if (!before) {
        request->next = coming->first;
        coming->first = request;
        if (!coming->last)
            coming->last = request;
    } else if (before == coming->last) {
        sim_requests_add(coming, request);
    } else {
        request->next = before->next;
        before->next = request;
    }
}

void sim_queue_arrive(struct sim_object *queue)
{
    struct sim_requests *coming = &queue->nt->queue.coming;
    while (coming->first && coming->first->arrival_ns <= sim_world.now_ns)
        sim_requests_add(&queue->nt->queue.ready, sim_requests_take(coming));
}

void sim_queue_close(struct sim_object *queue)
{
    struct sim_requests *lists[] = {&queue->nt->queue.ready, &queue->nt->queue.coming};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (lists[i]->first)
            sim_request_finish(sim_requests_take(lists[i]));
    }
}

/* Any of the first ones, but the earliest of its direction of its handle. */
static struct sim_request *queue_choose(const struct sim_requests *ready)
{
    uint32_t count = 0;
    for (const struct sim_request *it = ready->first; it && count < SHUFFLED_MAX; it = it->next)
        count++;
    const struct sim_request *chosen = ready->first;
    for (uint32_t steps = sim_random_below(&sim_world.fault_random, count); steps > 0; steps--)
        chosen = chosen->next;
    struct sim_request *it = ready->first;
    while (it->end != chosen->end || it->direction != chosen->direction)
        it = it->next;
    return it;
}

static size_t queue_collect(struct sim_object *queue, struct lti_os_completion *completions_out,
                            size_t count)
{
    struct sim_requests *ready = &queue->nt->queue.ready;
    size_t have = 0;
    while (have < count && ready->first) {
        struct sim_request *request = ready->first;
        if (request->next && sim_fault(sim_world.options.faults.poll_shuffle))
            request = queue_choose(ready);
        sim_requests_remove(ready, request);
        completions_out[have].op = request->op;
        completions_out[have++].result = request->result;
        sim_request_finish(request);
    }
    return have;
}

/* ---- The calls ------------------------------------------------------------------------------- */

int64_t lti_os_queue_create(void)
{
    sim_enter();
    int64_t result = sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    if (!sim_descriptors_full() && !sim_fault(sim_world.options.faults.resources))
        result = sim_handle_add(sim_nt_object(SIM_QUEUE));
    return sim_leave("nt_queue", 0, 0, result);
}

int64_t lti_os_queue_add(intptr_t queue, intptr_t handle, bool all)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_handle_find(queue, SIM_QUEUE, &result);
    struct sim_object *end = object ? sim_handle_find(handle, SIM_PIPE, &result) : NULL;
    if (end && (end->nt->pipe.queue || end->nt->pipe.synchronous)) {
        result = sim_nt_fail(LTI_NT_INVALID_PARAMETER);
    } else if (end) {
        sim_object_hold(object);
        end->nt->pipe.queue = object;
        end->nt->pipe.queue_all = all;
    }
    return sim_leave("nt_add", queue, handle, result);
}

int64_t lti_os_queue_post(intptr_t queue, struct lti_os_op *op, int64_t given)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_handle_find(queue, SIM_QUEUE, &result);
    if (object && sim_fault(sim_world.options.faults.resources)) {
        result = sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    } else if (object) {
        if (op)
            sim_op_check(op);
        struct sim_request *post = sim_request_begin(NULL, SIM_READS, op, NULL, NULL, 0);
        post->over = true;
        post->result = given;
        sim_queue_put(object, post);
    }
    return sim_leave("nt_post", queue, op != NULL, result);
}

uint64_t sim_queue_deadline(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return UINT64_MAX;
    uint64_t time_ns = ((uint64_t)timeout_ns + NS_PER_MS - 1) / NS_PER_MS * NS_PER_MS;
    return time_ns < UINT64_MAX - sim_world.now_ns ? sim_world.now_ns + time_ns : UINT64_MAX;
}

int64_t lti_os_queue_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                          int64_t timeout_ns)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_handle_find(queue, SIM_QUEUE, &result);
    if (object && count == 0)
        result = sim_nt_fail(LTI_NT_INVALID_PARAMETER);
    if (result < 0)
        return sim_leave("nt_wait", queue, timeout_ns, result);
    if (sim_fault(sim_world.options.faults.poll_empty))
        return sim_leave("nt_wait", queue, timeout_ns, 0);
    uint64_t deadline_ns = sim_queue_deadline(timeout_ns);
    uint64_t serial = object->serial;
    size_t have = queue_collect(object, completions_out, count);
    while (have == 0 && sim_world.now_ns < deadline_ns) {
        sim_poll_sleep(object, deadline_ns);
        object = sim_handle_look(queue);
        if (!object || object->serial != serial)
            return sim_leave("nt_wait", queue, timeout_ns, sim_nt_fail(ABANDONED_WAIT));
        have = queue_collect(object, completions_out, count);
    }
    for (size_t i = 0; i < have; i++)
        (void)sim_leave("nt_completion", queue, (int64_t)i, completions_out[i].result);
    return sim_leave("nt_wait", queue, timeout_ns, (int64_t)have);
}
