/* SPDX-License-Identifier: MIT
 *
 * The Windows port, for foreign loops: a signal that is set while completions are there.
 *
 * A completion queue cannot be waited on beside other things: who waits on its handle may take a
 * packet away that nobody sees again. So one thread, started when the waitable is first asked for
 * and never before, fetches completions and sets a signal; whoever asks the port then takes them
 * from it.
 *
 * Happy path: the thread fetches a batch, says `full`, sets `there`, and waits for `taken`.
 * Fails:      a queue that fails is told to the next who asks, who is then told of the next.
 * Invariants: the batch is the port's while `full` says so, else the thread's; the signals only
 *             wake who waits. The thread touches no operation.
 */
#include "port_windows.h"

#include <string.h>

#define POST_TURNS_MAX 100
#define POST_TURN_NS INT64_C(100000000)

struct lti_nt_forward {
    intptr_t queue, there, taken, thread;
    atomic_bool stop, full;
    int64_t count; /* of the batch; < 0: the queue failed */
    struct lti_os_completion batch[LTI_DONE_MAX];
};

static void forward_run(void *argument)
{
    struct lti_nt_forward *forward = argument;
    while (!atomic_load(&forward->stop)) {
        forward->count = lti_os_queue_wait(forward->queue, forward->batch, LTI_DONE_MAX, -1);
        if (forward->count == 0)
            continue;
        atomic_store(&forward->full, true);
        (void)lti_os_signal_set(forward->there);
        while (atomic_load(&forward->full) && !atomic_load(&forward->stop)) {
            (void)lti_os_signal_wait(forward->taken, -1);
            (void)lti_os_signal_clear(forward->taken);
        }
    }
}

static void forward_free(struct lti_nt_forward *forward)
{
    if (forward->there >= 0)
        (void)lti_os_handle_close(forward->there);
    if (forward->taken >= 0)
        (void)lti_os_handle_close(forward->taken);
    lti_os_free(forward);
}

enum leat_error lti_nt_forward_start(struct lti_port *port, struct os_code *code_out)
{
    struct lti_nt_forward *forward = lti_os_alloc(sizeof *forward);
    if (!forward)
        return LEAT_E_MEMORY;
    memset(forward, 0, sizeof *forward);
    forward->queue = port->queue;
    forward->there = forward->taken = -1;
    atomic_init(&forward->stop, false);
    atomic_init(&forward->full, false);
    int64_t result = lti_os_signal_create();
    if (result >= 0) {
        forward->there = (intptr_t)result;
        result = lti_os_signal_create();
    }
    if (result >= 0) {
        forward->taken = (intptr_t)result;
        result = lti_os_thread_start(forward_run, forward);
    }
    if (result < 0) {
        forward_free(forward);
        enum leat_error error = lti_port_error(result, code_out);
        return error == LEAT_E_MEMORY || error == LEAT_E_UNSUPPORTED ? error : LEAT_E_SYSTEM;
    }
    forward->thread = (intptr_t)result;
    port->forward = forward;
    port->threads++;
    return LEAT_OK;
}

/* The system may be short of memory for a moment only. */
static bool forward_post(const struct lti_nt_forward *forward)
{
    for (int turn = 0; turn < POST_TURNS_MAX; turn++) {
        if (lti_os_queue_post(forward->queue, 0, 0) >= 0)
            return true;
        (void)lti_os_signal_wait(forward->taken, POST_TURN_NS);
    }
    return false;
}

/* Before the port waits for what is outstanding: a batch that nobody took comes back to it. */
bool lti_nt_forward_stop(struct lti_port *port)
{
    struct lti_nt_forward *forward = port->forward;
    if (!forward)
        return true;
    atomic_store(&forward->stop, true);
    /* Wherever the thread waits, it goes on; a batch that it has is taken from it below. */
    if (!forward_post(forward) || lti_os_signal_set(forward->taken) < 0 ||
        lti_os_thread_join(forward->thread) < 0)
        return false;
    if (atomic_load(&forward->full) && forward->count > 0) {
        memcpy(port->completions, forward->batch, sizeof forward->batch);
        for (int64_t i = 0; i < forward->count; i++) {
            struct lti_done done = {.detail = (uint32_t)i};
            if (port->completions[i].op)
                (void)lti_port_take(port, 0, &done);
        }
    }
    port->forward = 0;
    port->threads--;
    forward_free(forward);
    return true;
}

intptr_t lti_nt_forward_waitable(const struct lti_port *port)
{
    return port->forward->there;
}

int64_t lti_nt_forward_wait(struct lti_port *port, int64_t timeout_ns)
{
    struct lti_nt_forward *forward = port->forward;
    if (!atomic_load(&forward->full)) {
        int64_t result = lti_os_signal_wait(forward->there, timeout_ns);
        if (result < 0)
            return result;
    }
    if (!atomic_load(&forward->full))
        return 0;
    int64_t count = forward->count;
    if (count > 0)
        memcpy(port->completions, forward->batch, (size_t)count * sizeof forward->batch[0]);
    (void)lti_os_signal_clear(forward->there);
    atomic_store(&forward->full, false);
    (void)lti_os_signal_set(forward->taken);
    return count;
}
