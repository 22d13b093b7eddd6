/* SPDX-License-Identifier: MIT
 *
 * The Windows port, hub side: one completion queue, and what was put off until before a wait.
 *
 * Happy path: lti_port_prepare begins the reads that are due, lti_port_wait fetches completions
 *             without the lock, lti_port_take says what one means.
 * Fails:      a queue that fails for good is told to the caller.
 * Invariants: lti_port_wait touches nothing but the queue, its own array and word, what
 *             lti_port_prepare left for it, and of a pending operation what nobody changes: its
 *             cookie, kind and size. An operation whose owner was ended is freed when its
 *             completion is taken, and not before. Posts have no operation.
 */
#include "port_windows.h"

#include "lti_assert.h"

/* So few operations under way are waited for one by one: a system may look once more when it found
 * fewer than it was asked for. */
#define FEW 4u
/* How many streams one tick looks at: the rest has its turn at the next. */
#define TICK_STREAMS_MAX 256
/* How long destroying a port waits for completions, in pieces. */
#define DRAIN_TURNS_MAX 100
#define DRAIN_TURN_NS INT64_C(100000000)

enum leat_error lti_port_create(struct lti_port **port_out, struct os_code *code_out)
{
    struct lti_port *port = lti_os_alloc(sizeof *port);
    if (!port)
        return LEAT_E_MEMORY;
    int64_t queue = lti_os_queue_create();
    if (queue < 0) {
        lti_os_free(port);
        return lti_port_error(queue, code_out);
    }
    port->queue = (intptr_t)queue;
    port->attention = port->watch = (struct lti_nt_list){0, 0};
    port->families = 0;
    port->forward = 0;
    port->tick_at = 0;
    port->outstanding = 0;
    port->threads = 0;
    port->ask = 1;
    port->unheard = false;
    port->woken = false;
    atomic_init(&port->posted, false);
    *port_out = port;
    return LEAT_OK;
}

bool lti_port_destroy(struct lti_port *port)
{
    bool stopped = lti_nt_forward_stop(port);
    for (int turn = 0; port->outstanding > 0 && turn < DRAIN_TURNS_MAX; turn++) {
        for (struct lti_nt_stream *it = port->watch.first; it; it = it->watch.next)
            lti_nt_stream_tick(it); /* all are ended: threads that are still out are called */
        int64_t count =
            lti_os_queue_wait(port->queue, port->completions, LTI_DONE_MAX, DRAIN_TURN_NS);
        for (int64_t i = 0; i < count; i++) {
            struct lti_done done = {.detail = (uint32_t)i};
            if (port->completions[i].op)
                (void)lti_port_take(port, 0, &done);
        }
    }
    /* The system may still write to what it was lent: better never freed than too early. */
    if (port->outstanding > 0 || !stopped)
        return false;
    (void)lti_os_handle_close(port->queue);
    lti_os_free(port);
    return true;
}

static void tick(struct lti_port *port)
{
    uint64_t now = lti_os_now_ns();
    if (now < port->tick_at)
        return;
    port->tick_at = now + LTI_NT_TICK_NS;
    struct lti_nt_stream *last = port->watch.last;
    for (int i = 0; i < TICK_STREAMS_MAX; i++) {
        struct lti_nt_stream *stream = port->watch.first;
        LTI_ASSERT(stream); /* whom it looks at goes to the end of the list */
        lti_nt_list_remove(&port->watch, stream, true);
        lti_nt_list_add(&port->watch, stream, true);
        lti_nt_stream_tick(stream);
        if (stream == last)
            break;
    }
}

/* More cannot come than is outstanding. */
static uint32_t completions_most(const struct lti_port *port)
{
    uint32_t most = port->outstanding + atomic_load(&port->posted);
    if (most == 0)
        return 1;
    return most < LTI_DONE_MAX ? most : LTI_DONE_MAX;
}

int lti_port_prepare(struct lti_port *port, struct lti_done *done_out)
{
    int done = 0;
    if (port->watch.first)
        tick(port);
    /* What comes onto the list meanwhile has its turn the next time: nobody can keep us here. */
    const struct lti_nt_stream *last = port->attention.last;
    for (bool more = last != 0; more && done < LTI_DONE_MAX;) {
        struct lti_nt_stream *stream = port->attention.first;
        more = stream != last;
        lti_nt_list_remove(&port->attention, stream, false);
        lti_nt_stream_begin(stream);
        lti_nt_stream_settle(stream);
        if (stream->news == 0)
            continue;
        done_out[done].cookie = stream->read.cookie;
        done_out[done].bytes = 0;
        done_out[done].detail = LTI_NT_DETAIL_NEWS;
        done++;
    }
    port->ask = completions_most(port);
    return done;
}

uint64_t lti_port_due(const struct lti_port *port)
{
    if (port->attention.first)
        return 0;
    return port->watch.first ? port->tick_at : UINT64_MAX;
}

/* The bytes of a completion that does not tell them. A write is over when all was taken; what a
 * read has brought is lost. */
static int64_t untold(const struct lti_nt_op *op)
{
    if (op->kind == LTI_NT_READ && op->size > 0)
        return lti_os_fail(LTI_OS_RESET, 0);
    return (int64_t)op->size;
}

int lti_port_wait(struct lti_port *port, struct lti_done *done_out, int64_t timeout_ns,
                  struct os_code *code_out)
{
    uint32_t ask = timeout_ns != 0 && port->ask <= FEW ? 1 : port->ask;
    int64_t count = port->forward
                        ? lti_nt_forward_wait(port, timeout_ns)
                        : lti_os_queue_wait(port->queue, port->completions, ask, timeout_ns);
    port->woken = false;
    port->unheard = !port->forward && ask < port->ask && count == ask;
    if (count < 0) {
        *code_out = lti_os_code_of(count);
        return code_out->kind == LTI_OS_INTERRUPTED ? 0 : -1;
    }
    int done = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct lti_nt_op *op = (const struct lti_nt_op *)port->completions[i].op;
        if (!op) {
            atomic_store(&port->posted, false);
            port->woken = true;
            continue;
        }
        int64_t result = port->completions[i].result;
        if (result == LTI_OS_PIPE_UNTOLD)
            result = port->completions[i].result = untold(op);
        done_out[done].cookie = op->cookie;
        done_out[done].bytes = result > 0 ? (size_t)(result & ~LTI_OS_PIPE_MORE) : 0;
        done_out[done].detail = (uint32_t)i;
        done++;
    }
    return done;
}

uint32_t lti_port_take(struct lti_port *port, struct lti_link *link, const struct lti_done *done)
{
    if (done->detail == LTI_NT_DETAIL_NEWS) {
        struct lti_nt_stream *stream = link ? link->state : 0;
        uint32_t news = stream ? stream->news : 0;
        if (stream)
            stream->news = 0;
        return news;
    }
    struct lti_nt_op *op = (struct lti_nt_op *)port->completions[done->detail].op;
    int64_t result = port->completions[done->detail].result;
    op->pending = false;
    port->outstanding--;
    switch (op->kind) {
    case LTI_NT_READ:
        return lti_nt_read_done(op->owner, result);
    case LTI_NT_WRITE:
        return lti_nt_write_done(op->owner, result);
    case LTI_NT_GONE:
        lti_nt_stream_release(op->owner);
        return 0;
    case LTI_NT_LISTEN:
        break;
    }
    return lti_nt_listen_done(op->owner, result);
}

bool lti_port_woken(const struct lti_port *port)
{
    return port->woken;
}

/* Nobody has measured it on a real system. */
bool lti_port_spins(void)
{
    return false;
}

bool lti_port_unheard(const struct lti_port *port)
{
    return port->unheard;
}

enum leat_error lti_port_wake(struct lti_port *port)
{
    if (atomic_exchange(&port->posted, true))
        return LEAT_OK;
    int64_t result = lti_os_queue_post(port->queue, 0, 0);
    if (result < 0) {
        atomic_store(&port->posted, false);
        return LEAT_E_SYSTEM;
    }
    return LEAT_OK;
}

enum leat_error lti_port_waitable(struct lti_port *port, intptr_t *waitable_out,
                                  struct os_code *code_out)
{
    enum leat_error error = port->forward ? LEAT_OK : lti_nt_forward_start(port, code_out);
    if (error == LEAT_OK)
        *waitable_out = lti_nt_forward_waitable(port);
    return error;
}

uint32_t lti_port_threads(const struct lti_port *port)
{
    return port->threads;
}

void lti_link_init(struct lti_link *link)
{
    link->handle = -1;
    link->cookie = 0;
    link->state = 0;
    link->flags = 0;
}

void lti_port_close_handle(intptr_t handle)
{
    (void)lti_os_handle_close(handle);
}
