/* SPDX-License-Identifier: MIT
 *
 * The Windows port, handles that were opened for synchronous I/O: one thread for each makes all
 * calls on it.
 *
 * Such a handle does one thing at a time. While a read waits, each write and each question about
 * the handle would wait as well, in whatever thread. So the port only asks, by a slot for reading
 * and one for writing, and is told through the hub's queue, as of every other operation.
 *
 * Happy path: the thread looks whether something is there, reads what is, writes what is to be
 *             written, and waits for its signal in between: a moment after traffic, longer and
 *             longer without.
 * Fails:      a write waits in the system until the peer has read enough; nobody reads meanwhile.
 *             The end gives it up, again and again, until the thread is out. A thread that cannot
 *             wait closes the handle and ends; what is asked of it afterwards fails.
 * Invariants: a read is begun only when it cannot wait. A slot that is asked is the thread's, else
 *             the port's; closed, it stays so. The thread closes the handle, and the last thing
 *             that it touches is the post which says that it goes.
 */
#include "port_windows.h"

#include "lti_assert.h"

#include <string.h>

/* A peer that goes is noticed within the longest pause. */
#define SYNC_PAUSE_FIRST_NS INT64_C(1000000)
#define SYNC_PAUSE_LAST_NS INT64_C(40000000)
#define SYNC_POST_TURNS_MAX 100

enum sync_state { SYNC_FREE = 0, SYNC_ASKED, SYNC_CLOSED };

/* What the thread is asked to do. */
struct sync_slot {
    struct lti_nt_op *op;
    void *buffer; /* of a write: what is only read */
    size_t size;
    atomic_int state;
    atomic_bool given_up;
};

struct lti_nt_sync {
    struct lti_nt_op gone; /* ends when the thread does */
    struct sync_slot read, write;
    struct lti_peer peer; /* asked for before the thread began: the handle may be busy later */
    intptr_t queue, handle, signal, thread;
    int64_t failure; /* why a slot is closed */
    atomic_bool stop, left;
};

/* ---- In the thread --------------------------------------------------------------------------- */

static bool sync_asked(struct sync_slot *slot)
{
    return atomic_load(&slot->state) == SYNC_ASKED;
}

/* The system may be short of memory for a moment. What cannot be told for longer stays under way
 * for ever, and the hub says so when it is destroyed. */
static void sync_post(struct lti_nt_sync *sync, struct lti_nt_op *op, int64_t result)
{
    for (int turn = 0; turn < SYNC_POST_TURNS_MAX; turn++) {
        if (lti_os_queue_post(sync->queue, &op->os, result) >= 0)
            return;
        /* What the signal said is looked at after the next pause, if not before. */
        (void)lti_os_signal_clear(sync->signal);
        (void)lti_os_signal_wait(sync->signal, SYNC_PAUSE_LAST_NS);
    }
}

static void sync_done(struct lti_nt_sync *sync, struct sync_slot *slot, int64_t result)
{
    struct lti_nt_op *op = slot->op;
    atomic_store(&slot->state, SYNC_FREE);
    sync_post(sync, op, result);
}

/* Looks, and does what can be done at once. True when bytes moved. */
static bool sync_read(struct lti_nt_sync *sync)
{
    struct sync_slot *slot = &sync->read;
    struct lti_os_pipe_facts facts = {.pipe = true};
    if (sync_asked(slot) && atomic_load(&slot->given_up)) {
        sync_done(sync, slot, lti_os_fail(LTI_OS_CANCELLED, 0));
        return false;
    }
    bool left = atomic_load(&sync->left);
    int64_t result = left ? 0 : lti_os_pipe_facts(sync->handle, &facts);
    /* Whoever is gone sends no more, so that no read waits from now on. A client that was
     * disconnected is told nothing any more, but by a read. */
    left = left || (result >= 0 && (!facts.pipe || !facts.connected));
    atomic_store(&sync->left, left);
    if (!sync_asked(slot) || (result >= 0 && facts.readable == 0 && !left))
        return false;
    if (result >= 0 && slot->size > 0)
        result = lti_os_pipe_read_sync(sync->handle, slot->buffer, slot->size);
    sync_done(sync, slot, result);
    return result > 0;
}

static bool sync_write(struct lti_nt_sync *sync)
{
    struct sync_slot *slot = &sync->write;
    if (!sync_asked(slot) || atomic_load(&sync->stop))
        return false;
    int64_t result = 0;
    /* Somebody may have told the pipe not to wait (PIPE_NOWAIT): what is too much for it, it does
     * not take at all, and when it is full it is asked again after a pause. */
    for (size_t size = slot->size; size > 0 && result == 0; size /= 2)
        result = lti_os_pipe_write_sync(sync->handle, slot->buffer, size);
    if (result == 0)
        return false;
    sync_done(sync, slot, result);
    return result > 0;
}

static void sync_close(struct lti_nt_sync *sync, struct sync_slot *slot)
{
    if (atomic_exchange(&slot->state, SYNC_CLOSED) == SYNC_ASKED)
        sync_post(sync, slot->op, sync->failure);
}

static void sync_run(void *argument)
{
    struct lti_nt_sync *sync = argument;
    int64_t pause_ns = SYNC_PAUSE_FIRST_NS, result = 0;
    while (!atomic_load(&sync->stop) && result >= 0) {
        /* Before looking: who asks for something afterwards ends the wait. */
        (void)lti_os_signal_clear(sync->signal);
        bool moved = sync_read(sync);
        moved = sync_write(sync) || moved;
        if (moved)
            pause_ns = SYNC_PAUSE_FIRST_NS;
        result = lti_os_signal_wait(sync->signal, pause_ns);
        if (result == 0)
            pause_ns = pause_ns < SYNC_PAUSE_LAST_NS / 2 ? pause_ns * 2 : SYNC_PAUSE_LAST_NS;
    }
    sync->failure = result < 0 ? lti_os_fail(LTI_OS_OTHER, lti_os_code_of(result).raw)
                               : lti_os_fail(LTI_OS_CANCELLED, 0);
    sync_close(sync, &sync->read);
    sync_close(sync, &sync->write);
    (void)lti_os_handle_close(sync->handle);
    sync_post(sync, &sync->gone, 0);
}

/* ---- In the port ----------------------------------------------------------------------------- */

static void sync_free(struct lti_nt_sync *sync)
{
    if (sync->signal >= 0)
        (void)lti_os_handle_close(sync->signal);
    lti_os_free(sync);
}

enum leat_error lti_nt_sync_start(struct lti_nt_stream *stream, intptr_t handle,
                                  const struct lti_peer *peer, struct os_code *code_out)
{
    struct lti_port *port = stream->port;
    struct lti_nt_sync *sync = lti_os_alloc(sizeof *sync);
    if (!sync)
        return LEAT_E_MEMORY;
    memset(sync, 0, sizeof *sync);
    sync->gone.cookie = stream->read.cookie;
    sync->gone.owner = stream;
    sync->gone.kind = LTI_NT_GONE;
    sync->gone.pending = true;
    sync->read.op = &stream->read;
    sync->write.op = &stream->write;
    sync->peer = *peer;
    sync->queue = port->queue;
    sync->handle = handle;
    int64_t result = lti_os_signal_create();
    sync->signal = result >= 0 ? (intptr_t)result : -1;
    if (result >= 0)
        result = lti_os_thread_start(sync_run, sync);
    if (result < 0) {
        sync_free(sync);
        enum leat_error error = lti_port_error(result, code_out);
        return error == LEAT_E_MEMORY || error == LEAT_E_LIMIT ? error : LEAT_E_SYSTEM;
    }
    sync->thread = (intptr_t)result;
    stream->sync = sync;
    port->outstanding++;
    port->threads++;
    return LEAT_OK;
}

static int64_t sync_ask(struct lti_nt_sync *sync, struct sync_slot *slot, void *buffer, size_t size)
{
    int found = SYNC_FREE;
    LTI_ASSERT(!sync_asked(slot));
    /* In a slot that is closed nobody looks at these. */
    slot->buffer = buffer;
    slot->size = size;
    atomic_store(&slot->given_up, false);
    if (!atomic_compare_exchange_strong(&slot->state, &found, SYNC_ASKED)) {
        LTI_ASSERT(found == SYNC_CLOSED);
        return sync->failure;
    }
    (void)lti_os_signal_set(sync->signal); /* else it looks after its pause */
    return lti_os_fail(LTI_OS_IN_PROGRESS, 0);
}

int64_t lti_nt_sync_read(struct lti_nt_sync *sync, void *buffer, size_t size)
{
    return sync_ask(sync, &sync->read, buffer, size);
}

int64_t lti_nt_sync_write(struct lti_nt_sync *sync, const void *data, size_t size)
{
    return sync_ask(sync, &sync->write, (void *)(uintptr_t)data, size);
}

void lti_nt_sync_give_up(struct lti_nt_sync *sync)
{
    atomic_store(&sync->read.given_up, true);
    (void)lti_os_signal_set(sync->signal);
}

bool lti_nt_sync_left(const struct lti_nt_sync *sync)
{
    return atomic_load(&sync->left);
}

const struct lti_peer *lti_nt_sync_peer(const struct lti_nt_sync *sync)
{
    return &sync->peer;
}

void lti_nt_sync_end(struct lti_nt_sync *sync)
{
    atomic_store(&sync->stop, true);
    (void)lti_os_signal_set(sync->signal);
    /* It may come before the call that it is meant for: whoever waits for the end repeats it. */
    if (sync_asked(&sync->read) || sync_asked(&sync->write))
        (void)lti_os_thread_cancel(sync->thread);
}

bool lti_nt_sync_gone(const struct lti_nt_sync *sync)
{
    return !sync->gone.pending;
}

void lti_nt_sync_free(struct lti_nt_sync *sync)
{
    (void)lti_os_thread_join(sync->thread); /* it has said that it goes */
    sync_free(sync);
}
