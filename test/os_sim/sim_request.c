/* SPDX-License-Identifier: MIT
 *
 * Operations that the simulated system owns.
 *
 * Happy path: an operation that waits is marked; when its completion is taken, what it got is
 *             written into its buffer, and its record shows that it is over.
 * Fails:      with a word, when somebody touched what he did not own: an operation that is not
 *             cleared or was changed, data of a write that was changed, memory that was freed.
 * Invariants: the caller's memory is touched when the operation is handed over and when its
 *             completion is taken, never between. A process that dies takes its operations along.
 */
#include "sim_nt.h"

#include <stdlib.h>
#include <string.h>

#define MARK UINT64_C(0x5EA1ED0B0F7E57A1)
#define DONE 1u

/* Where operations and buffers begin, by the piece of memory, so that a free need not look at
 * each operation. */
#define PIECE_BYTES 256u
#define PIECES 16384u

static struct sim_request *requests;
static uint16_t pieces[PIECES];

static uint16_t *piece_of(uintptr_t address)
{
    return &pieces[(address / PIECE_BYTES) % PIECES];
}

static void pieces_count(const struct sim_request *request, bool add)
{
    const void *const memories[] = {request->op, request->buffer, request->data};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        uint16_t *piece = piece_of((uintptr_t)memories[i]);
        if (memories[i])
            *piece = (uint16_t)(*piece + (add ? 1 : -1));
    }
}

static uintptr_t mark_of(size_t place)
{
    return (uintptr_t)(MARK + place);
}

#define OP_WORDS (sizeof((struct lti_os_op *)0)->system / sizeof(uintptr_t))

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001B3);
    return sum;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

void sim_requests_add(struct sim_requests *list, struct sim_request *request)
{
    request->next = NULL;
    if (list->last)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
}

void sim_requests_remove(struct sim_requests *list, const struct sim_request *request)
{
    struct sim_request *before = NULL;
    struct sim_request *it = list->first;
    while (it && it != request) {
        before = it;
        it = it->next;
    }
    if (!it)
        return;
    if (before)
        before->next = it->next;
    else
        list->first = it->next;
    if (list->last == it)
        list->last = before;
}

struct sim_request *sim_requests_take(struct sim_requests *list)
{
    struct sim_request *first = list->first;
    if (first) {
        list->first = first->next;
        if (!list->first)
            list->last = NULL;
    }
    return first;
}

/* ---- An operation's life --------------------------------------------------------------------- */

void sim_op_check(const struct lti_os_op *op)
{
    for (size_t i = 0; i < OP_WORDS; i++) {
        if (op->system[i] != 0) {
            sim_misuse("an operation begins that was not cleared, or is still under way");
            return;
        }
    }
}

void sim_op_done(struct lti_os_op *op, int64_t result)
{
    memset(op->system, 0, sizeof op->system);
    op->system[0] = DONE;
    op->system[1] = result < 0 ? 0 : (uintptr_t)(result & ~LTI_OS_PIPE_MORE);
}

struct sim_request *sim_request_begin(struct sim_object *end, enum sim_direction direction,
                                      struct lti_os_op *op, void *buffer, const void *data,
                                      size_t size)
{
    struct sim_request *request = calloc(1, sizeof *request);
    if (!request)
        sim_fatal("the machine is out of memory");
    request->end = end;
    request->op = op;
    request->process = lti_sim_process();
    request->direction = direction;
    request->buffer = size > 0 ? buffer : NULL;
    request->data = size > 0 ? data : NULL;
    request->size = size;
    request->sum = data ? sum_of(data, size) : 0;
    if (end)
        sim_object_hold(end);
    for (size_t i = 0; op && i < OP_WORDS; i++)
        op->system[i] = mark_of(i);
    pieces_count(request, true);
    request->all_next = requests;
    if (requests)
        requests->all_previous = request;
    requests = request;
    return request;
}

void sim_request_bytes(struct sim_request *request, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return;
    request->bytes = malloc(size);
    if (!request->bytes)
        sim_fatal("the machine is out of memory");
    memcpy(request->bytes, bytes, size);
}

/* From now on the caller's memory is not the system's any more. */
static void request_forget(struct sim_request *request)
{
    pieces_count(request, false);
    request->op = NULL;
    request->buffer = NULL;
    request->data = NULL;
}

static void request_free(struct sim_request *request)
{
    request_forget(request);
    if (request->all_previous)
        request->all_previous->all_next = request->all_next;
    else if (requests == request)
        requests = request->all_next;
    if (request->all_next)
        request->all_next->all_previous = request->all_previous;
    if (request->end)
        sim_object_drop(request->end);
    free(request->bytes);
    free(request);
}

void sim_request_finish(struct sim_request *request)
{
    struct lti_os_op *op = request->op;
    if (op) {
        size_t good = 0;
        while (good < OP_WORDS && op->system[good] == mark_of(good))
            good++;
        if (good < OP_WORDS)
            sim_misuse("an operation was changed while the system owned it");
        if (request->data && sum_of(request->data, request->size) != request->sum)
            sim_misuse("what is being written was changed while the system owned it");
        if (request->bytes)
            memcpy(request->buffer, request->bytes, (size_t)(request->result & ~LTI_OS_PIPE_MORE));
        sim_op_done(op, request->result);
    }
    request_free(request);
}

void sim_request_complete(struct sim_request *request, int64_t result)
{
    struct sim_nt *nt = request->end->nt;
    struct sim_object *queue = nt->pipe.queue;
    request->over = true;
    request->result = result;
    if (request->sleeper) { /* the call comes back with it */
        request->sleeper->told = result;
        request->sleeper->waits = NULL;
        request->end->event = 1;
    }
    if (!queue || queue->closed) {
        sim_request_finish(request);
        return;
    }
    /* In order within one direction of one handle. */
    uint64_t *last_ns = &nt->pipe.last_ns[request->direction];
    uint64_t arrival_ns = sim_world.now_ns;
    if (sim_fault(sim_world.options.faults.delay))
        arrival_ns += sim_delay();
    *last_ns = arrival_ns > *last_ns ? arrival_ns : *last_ns;
    request->arrival_ns = *last_ns;
    sim_queue_put(queue, request);
}

bool sim_request_untaken(const struct sim_object *end, const struct lti_os_op *op)
{
    const struct sim_request *it = requests;
    while (it && !(it->over && it->end == end && (!op || it->op == op)))
        it = it->all_next;
    return it != NULL;
}

/* ---- Memory that goes ------------------------------------------------------------------------ */

void sim_requests_abandon(uint32_t process)
{
    for (struct sim_request *it = requests, *next = NULL; it; it = next) {
        next = it->all_next;
        if (it->process != process || !it->op)
            continue;
        struct sim_instance *instance = it->end ? it->end->nt->pipe.instance : NULL;
        if (it->over) {
            request_forget(it);
        } else if (!instance || !sim_pipe_withdraw(instance, it)) {
            sim_fatal("an operation waits nowhere");
        } else {
            request_free(it);
        }
    }
}

static bool memory_has(const void *memory, size_t size, const void *place)
{
    uintptr_t begin = (uintptr_t)memory, at = (uintptr_t)place;
    return place && at >= begin && at - begin < size;
}

void sim_requests_check(const void *memory, size_t size)
{
    uintptr_t begin = (uintptr_t)memory, end = begin + (size > 0 ? size : 1);
    uintptr_t at = begin - begin % PIECE_BYTES;
    if (!requests)
        return;
    while (at < end && *piece_of(at) == 0)
        at += PIECE_BYTES;
    if (at >= end)
        return;
    for (struct sim_request *it = requests; it; it = it->all_next) {
        if (!memory_has(memory, size, it->op) && !memory_has(memory, size, it->buffer) &&
            !memory_has(memory, size, it->data))
            continue;
        sim_misuse("memory is freed that the system owns");
        request_forget(it);
    }
}
