/* SPDX-License-Identifier: MIT
 *
 * Simulated named pipes: what is written and read, what waits, what is given up.
 *
 * Happy path: a write serves the readers that wait and leaves the rest in the channel; a read takes
 *             what is there. A write that is within the quota is over at once, else when enough of
 *             it was read.
 * Fails:      reading: 109 when the peer has closed and everything was read; writing: 232 as soon
 *             as it has closed; 536 where nobody came yet, 233 after a disconnect. What could be
 *             over at once is told later by a fault.
 * Invariants: in a channel, bytes wait or readers do, never both. A write that is given up takes
 *             what nobody read of it along, and never says how much was read. A read of no bytes
 *             takes nothing but an empty message.
 */
#include "sim_nt.h"

#include <stdlib.h>
#include <string.h>

/* ---- Channels -------------------------------------------------------------------------------- */

static void entry_remove(struct sim_channel *channel, struct sim_entry *entry)
{
    struct sim_entry *before = NULL;
    for (struct sim_entry *it = channel->first; it != entry; it = it->next)
        before = it;
    if (before)
        before->next = entry->next;
    else
        channel->first = entry->next;
    if (channel->last == entry)
        channel->last = before;
    channel->unread -= entry->size - entry->taken;
    free(entry);
}

static void entry_over(struct sim_entry *entry, int64_t result)
{
    struct sim_request *request = entry->request;
    entry->request = NULL;
    if (request)
        sim_request_complete(request, result);
}

/* Writes whose bytes are within the quota by now are over. */
static void channel_settle(struct sim_channel *channel)
{
    uint64_t unread = 0;
    for (struct sim_entry *it = channel->first; it && unread <= channel->quota; it = it->next) {
        unread += it->size - it->taken;
        if (unread <= channel->quota)
            entry_over(it, (int64_t)it->size);
    }
}

/* The result of a read of the channel, which holds something. */
static int64_t channel_take(struct sim_channel *channel, bool messages, uint8_t *to, size_t size)
{
    if (size == 0 && channel->first->size > 0)
        return messages ? LTI_OS_PIPE_MORE : 0;
    if (!messages && channel->unread > 1 && size > 1 &&
        sim_fault(sim_world.options.faults.short_read)) {
        uint64_t most = channel->unread < size ? channel->unread : size;
        uint32_t bound = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
        size = 1 + sim_random_below(&sim_world.fault_random, bound - 1);
    }
    size_t taken = 0;
    int64_t more = 0;
    do {
        struct sim_entry *entry = channel->first;
        size_t left = entry->size - entry->taken;
        size_t part = left < size - taken ? left : size - taken;
        memcpy(to + taken, entry->data + entry->taken, part);
        entry->taken += (uint32_t)part;
        channel->unread -= part;
        taken += part;
        if (part == left) {
            entry_over(entry, (int64_t)entry->size);
            entry_remove(channel, entry);
        } else if (messages) {
            more = LTI_OS_PIPE_MORE;
        }
    } while (!messages && channel->first && taken < size);
    channel_settle(channel);
    return (int64_t)taken | more;
}

void sim_channel_break(struct sim_channel *channel, uint32_t error)
{
    while (channel->readers.first)
        sim_request_complete(sim_requests_take(&channel->readers), sim_nt_fail(error));
    while (channel->first) {
        entry_over(channel->first, sim_nt_fail(error));
        entry_remove(channel, channel->first);
    }
}

void sim_channel_break_writes(struct sim_channel *channel)
{
    for (struct sim_entry *it = channel->first, *next = NULL; it; it = next) {
        next = it->next;
        if (it->request) {
            entry_over(it, sim_nt_fail(LTI_NT_BROKEN_PIPE));
            entry_remove(channel, it);
        }
    }
}

/* The unread rest of a write, behind what waits already. */
static struct sim_entry *channel_append(struct sim_channel *channel, const uint8_t *data,
                                        size_t size, size_t taken)
{
    struct sim_entry *entry = malloc(sizeof *entry + size);
    if (!entry || size > UINT32_MAX)
        sim_fatal("the machine is out of memory");
    *entry = (struct sim_entry){.size = (uint32_t)size, .taken = (uint32_t)taken};
    if (size > 0)
        memcpy(entry->data, data, size);
    if (channel->last)
        channel->last->next = entry;
    else
        channel->first = entry;
    channel->last = entry;
    channel->unread += size - taken;
    return entry;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A fault, or what was asked for: the result is known, and a completion will tell it. */
static int64_t io_tell_later(struct sim_request *request, int64_t result)
{
    sim_request_complete(request, result);
    return sim_nt_fail(LTI_NT_IO_PENDING);
}

static bool io_waits(const struct sim_object *end)
{
    const struct sim_object *queue = end->nt->pipe.queue;
    return queue && !queue->closed &&
           (end->nt->pipe.queue_all || sim_fault(sim_world.options.faults.pend));
}

static void io_client_seen(struct sim_instance *instance, uint32_t reader, int64_t result)
{
    if (reader == SIM_SERVER && (result & ~LTI_OS_PIPE_MORE) > 0)
        instance->client_read = true;
}

static int64_t pipe_take(struct sim_object *end, void *buffer, size_t size, struct lti_os_op *op)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    uint32_t side = end->nt->pipe.side;
    struct sim_channel *channel = &instance->channels[side];
    bool later = io_waits(end);
    if (!later) {
        int64_t result = channel_take(channel, end->nt->pipe.messages, buffer, size);
        io_client_seen(instance, side, result);
        sim_op_done(op, result);
        return result;
    }
    size_t most = channel->unread < size ? (size_t)channel->unread : size;
    uint8_t *bytes = malloc(most + 1);
    if (!bytes)
        sim_fatal("the machine is out of memory");
    struct sim_request *request = sim_request_begin(end, SIM_READS, op, buffer, NULL, size);
    int64_t result = channel_take(channel, end->nt->pipe.messages, bytes, size);
    io_client_seen(instance, side, result);
    sim_request_bytes(request, bytes, (size_t)(result & ~LTI_OS_PIPE_MORE));
    free(bytes);
    return io_tell_later(request, result);
}

int64_t sim_pipe_read(struct sim_object *end, void *buffer, size_t size, struct lti_os_op *op)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    struct sim_channel *channel = &instance->channels[end->nt->pipe.side];
    sim_op_check(op);
    if (end->nt->pipe.no_read)
        return sim_nt_fail(LTI_NT_ACCESS_DENIED);
    if (instance->state == SIM_LISTENING)
        return sim_nt_fail(LTI_NT_PIPE_LISTENING);
    if (instance->state == SIM_DISCONNECTED)
        return sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED);
    if (sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NOT_ENOUGH_QUOTA);
    if (channel->first)
        return pipe_take(end, buffer, size, op);
    if (instance->state == SIM_CLOSING) {
        if (!io_waits(end))
            return sim_nt_fail(LTI_NT_BROKEN_PIPE);
        return io_tell_later(sim_request_begin(end, SIM_READS, op, buffer, NULL, size),
                             sim_nt_fail(LTI_NT_BROKEN_PIPE));
    }
    struct sim_request *request = sim_request_begin(end, SIM_READS, op, buffer, NULL, size);
    sim_requests_add(&channel->readers, request);
    return sim_nt_fail(LTI_NT_IO_PENDING);
}

int64_t lti_os_pipe_read(intptr_t handle, void *buffer, size_t size, struct lti_os_op *op)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        result = sim_pipe_read(end, buffer, size, op);
    return sim_leave("nt_read", handle, (int64_t)size, result);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Serves readers; returns how much they got. An empty message is over with the first reader, which
 * *left_out then says. */
static size_t write_serve(struct sim_instance *instance, uint32_t reader, const uint8_t *data,
                          size_t size, bool *left_out)
{
    struct sim_channel *channel = &instance->channels[reader];
    bool messages = instance->ends[reader]->nt->pipe.messages;
    size_t given = 0;
    *left_out = size > 0 || instance->name->messages;
    while (*left_out && channel->readers.first) {
        struct sim_request *request = sim_requests_take(&channel->readers);
        size_t part = request->size < size - given ? request->size : size - given;
        sim_request_bytes(request, data + given, part);
        given += part;
        *left_out = given < size;
        io_client_seen(instance, reader, (int64_t)part);
        sim_request_complete(request,
                             (int64_t)part | (messages && *left_out ? LTI_OS_PIPE_MORE : 0));
    }
    return given;
}

int64_t sim_pipe_write(struct sim_object *end, const uint8_t *data, size_t size,
                       struct lti_os_op *op)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    uint32_t reader = 1 - end->nt->pipe.side;
    struct sim_channel *channel = &instance->channels[reader];
    sim_op_check(op);
    if (end->nt->pipe.no_write)
        return sim_nt_fail(LTI_NT_ACCESS_DENIED);
    if (instance->state == SIM_LISTENING)
        return sim_nt_fail(LTI_NT_PIPE_LISTENING);
    if (instance->state == SIM_DISCONNECTED)
        return sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED);
    if (sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NOT_ENOUGH_QUOTA);
    bool later = io_waits(end);
    struct sim_request *request = NULL;
    if (instance->state == SIM_CLOSING) {
        if (!later)
            return sim_nt_fail(LTI_NT_NO_DATA);
        request = sim_request_begin(end, SIM_WRITES, op, NULL, data, size);
        return io_tell_later(request, sim_nt_fail(LTI_NT_NO_DATA));
    }
    bool left = false;
    size_t given = write_serve(instance, reader, data, size, &left);
    if (left) {
        struct sim_entry *entry = channel_append(channel, data, size, given);
        if (size > 0 && channel->unread > channel->quota) {
            entry->request = sim_request_begin(end, SIM_WRITES, op, NULL, data, size);
            return sim_nt_fail(LTI_NT_IO_PENDING);
        }
    }
    if (later) {
        request = sim_request_begin(end, SIM_WRITES, op, NULL, data, size);
        return io_tell_later(request, (int64_t)size);
    }
    sim_op_done(op, (int64_t)size);
    return (int64_t)size;
}

int64_t lti_os_pipe_write(intptr_t handle, const void *data, size_t size, struct lti_os_op *op)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        result = sim_pipe_write(end, data, size, op);
    return sim_leave("nt_write", handle, (int64_t)size, result);
}

/* ---- Giving up ------------------------------------------------------------------------------- */

bool sim_pipe_withdraw(struct sim_instance *instance, struct sim_request *request)
{
    uint32_t side = request->end->nt->pipe.side;
    struct sim_requests *lists[] = {&instance->channels[side].readers, &instance->listens};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const struct sim_request *it = lists[i]->first; it; it = it->next) {
            if (it == request) {
                sim_requests_remove(lists[i], request);
                return true;
            }
        }
    }
    struct sim_channel *channel = &instance->channels[1 - side];
    struct sim_entry *entry = channel->first;
    while (entry && entry->request != request)
        entry = entry->next;
    if (!entry)
        return false;
    entry_remove(channel, entry);
    channel_settle(channel);
    return true;
}

struct sim_request *sim_pipe_waiting(const struct sim_object *end, const struct lti_os_op *op)
{
    const struct sim_instance *instance = end->nt->pipe.instance;
    if (!instance) /* disconnected, and with it all that was under way */
        return NULL;
    uint32_t side = end->nt->pipe.side;
    struct sim_request *it = side == SIM_SERVER ? instance->listens.first : NULL;
    while (it && op && it->op != op)
        it = it->next;
    if (!it) {
        it = instance->channels[side].readers.first;
        while (it && op && it->op != op)
            it = it->next;
    }
    for (struct sim_entry *entry = instance->channels[1 - side].first; !it && entry;
         entry = entry->next) {
        if (entry->request && (!op || entry->request->op == op))
            it = entry->request;
    }
    return it;
}

static int64_t pipe_cancel(const struct sim_object *end, const struct lti_os_op *op)
{
    struct sim_request *request = sim_pipe_waiting(end, op);
    if (!request) {
        uint32_t lies = sim_world.options.faults.cancel;
        bool yes = lies > 0 && sim_request_untaken(end, op) && sim_fault(lies);
        return yes ? 0 : sim_nt_fail(LTI_NT_NOT_FOUND);
    }
    for (; request; request = op ? NULL : sim_pipe_waiting(end, NULL)) {
        (void)sim_pipe_withdraw(end->nt->pipe.instance, request);
        sim_request_complete(request, sim_nt_fail(LTI_NT_OPERATION_ABORTED));
    }
    return 0;
}

int64_t lti_os_pipe_cancel(intptr_t handle, struct lti_os_op *op)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_handle_find(handle, SIM_PIPE, &result);
    if (end)
        result = pipe_cancel(end, op);
    return sim_leave("nt_cancel", handle, op != NULL, result);
}
