/* SPDX-License-Identifier: MIT
 *
 * The fault object's queue, pipes and signals, and the account of handles and of operations. Below
 * it are the os_real_nt* files, or the simulated kernel.
 *
 * Happy path: each call is counted and forwarded; what it opens, closes or begins is written down.
 * Fails:      as armed. Aborted are an operation that is begun a second time before it is over, a
 *             completion of one that was not begun, and, in virtual time, a wait that nothing ends.
 * Invariants: an operation ends once, as without faults: by its call or by one completion. What is
 *             made late is done before; only its completion comes from here, and ends a wait, too.
 */
#include "os_fault_private.h"

#include <stdatomic.h>
#include <string.h>

#define FAULT_HANDLES_MAX 524288
#define FAULT_OPS_MAX 65536u /* a power of two */
#define FAULT_LATE_MAX 4096u
#define FAULT_EARLY_NS INT64_C(1000000)
#define FAULT_GRACE_NS INT64_C(1000000) /* of real time: a kernel may tell a moment later */

/* What is known of a handle: whether it was made here, and where its completions go. */
struct fault_handle {
    atomic_bool live, is_queue;
    atomic_bool messages;  /* of a pipe: a write is one of them */
    atomic_bool all;       /* what succeeds at once comes to the queue, too */
    atomic_intptr_t queue; /* 0: none */
    atomic_int hidden;     /* of a queue: posts of ours that nobody is told of */
};

/* An operation that its caller believes to be under way. */
struct fault_op {
    const struct lti_os_op *op; /* null: free */
    intptr_t queue;
    int64_t well; /* how it would end if it were done just before it is given up */
    bool ends_well;
};

static struct fault_handle fault_handles[FAULT_HANDLES_MAX];

static atomic_flag fault_busy = ATOMIC_FLAG_INIT; /* held over the tables below, over no call */
static struct fault_op fault_ops[FAULT_OPS_MAX];
static size_t fault_ops_used;
static struct {
    intptr_t queue;
    struct lti_os_completion completion;
} fault_late[FAULT_LATE_MAX];
static size_t fault_late_used;
static int64_t fault_grace_ns = FAULT_GRACE_NS;

void lti_fault_system_reset(void)
{
    fault_grace_ns = FAULT_GRACE_NS; /* what is under way stays so */
}

void lti_fault_grace(int64_t time_ns)
{
    fault_grace_ns = time_ns;
}

int64_t lti_fault_word(const struct lti_fault *fault)
{
    return lti_nt_fail((uint32_t)fault->raw);
}

/* ---- Handles --------------------------------------------------------------------------------- */

static struct fault_handle *fault_handle(intptr_t handle)
{
    return handle > 0 && handle < FAULT_HANDLES_MAX ? &fault_handles[handle] : NULL;
}

/* Writes a new handle down and hands the result on. */
static int64_t fault_opened(int64_t result)
{
    struct fault_handle *handle = result < 0 ? NULL : fault_handle((intptr_t)result);
    if (handle) {
        atomic_store(&handle->is_queue, false);
        atomic_store(&handle->messages, false);
        atomic_store(&handle->all, false);
        atomic_store(&handle->queue, 0);
        atomic_store(&handle->hidden, 0);
        atomic_store(&handle->live, true);
        lti_fault_descriptors(1);
    }
    return result;
}

static void fault_lock(void)
{
    while (atomic_flag_test_and_set(&fault_busy))
        continue;
}

static void fault_unlock(void)
{
    atomic_flag_clear(&fault_busy);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static size_t fault_op_home(const struct lti_os_op *op)
{
    uint64_t mixed = (uint64_t)(uintptr_t)op * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 48) & (FAULT_OPS_MAX - 1);
}

/* Its place, or the free one where it belongs. */
static struct fault_op *fault_op_find(const struct lti_os_op *op)
{
    size_t at = fault_op_home(op);
    while (fault_ops[at].op && fault_ops[at].op != op)
        at = (at + 1) & (FAULT_OPS_MAX - 1);
    return &fault_ops[at];
}

/* What stands behind a place that becomes free moves up, or it would not be found again. */
static void fault_op_remove(struct fault_op *entry)
{
    size_t hole = (size_t)(entry - fault_ops), at = hole;
    for (;;) {
        at = (at + 1) & (FAULT_OPS_MAX - 1);
        if (!fault_ops[at].op)
            break;
        size_t home = fault_op_home(fault_ops[at].op);
        if (((at - home) & (FAULT_OPS_MAX - 1)) >= ((at - hole) & (FAULT_OPS_MAX - 1))) {
            fault_ops[hole] = fault_ops[at];
            hole = at;
        }
    }
    fault_ops[hole].op = NULL;
    fault_ops_used--;
}

/* Completions of a queue that is gone never come. */
static void fault_queue_gone(intptr_t queue)
{
    fault_lock();
    for (size_t i = 0; fault_ops_used > 0 && i < FAULT_OPS_MAX; i++)
        while (fault_ops[i].op && fault_ops[i].queue == queue)
            fault_op_remove(&fault_ops[i]);
    size_t kept = 0;
    for (size_t i = 0; i < fault_late_used; i++)
        if (fault_late[i].queue != queue)
            fault_late[kept++] = fault_late[i];
    fault_late_used = kept;
    fault_unlock();
}

/* Must come before the real close: afterwards another thread may own the number. */
static void fault_closing(intptr_t number)
{
    struct fault_handle *handle = fault_handle(number);
    if (!handle)
        return;
    atomic_store(&handle->queue, 0);
    if (atomic_exchange(&handle->live, false))
        lti_fault_descriptors(-1);
    if (atomic_exchange(&handle->is_queue, false))
        fault_queue_gone(number);
}

static void fault_messages(int64_t number)
{
    struct fault_handle *handle = number < 0 ? NULL : fault_handle((intptr_t)number);
    if (handle)
        atomic_store(&handle->messages, true);
}

static bool fault_is_of_messages(intptr_t number)
{
    const struct fault_handle *handle = fault_handle(number);
    return handle && atomic_load(&handle->messages);
}

static bool fault_all_comes(intptr_t number)
{
    const struct fault_handle *handle = fault_handle(number);
    return handle && atomic_load(&handle->all);
}

static intptr_t fault_queue_of(intptr_t number)
{
    const struct fault_handle *handle = fault_handle(number);
    return handle ? atomic_load(&handle->queue) : 0;
}

static void fault_op_begin(enum lti_fault_call call, intptr_t queue, const struct lti_os_op *op,
                           int64_t well)
{
    if (queue == 0)
        return;
    fault_lock();
    struct fault_op *entry = fault_op_find(op);
    bool busy = entry->op != NULL;
    bool full = !entry->op && fault_ops_used >= FAULT_OPS_MAX / 2;
    if (!busy && !full) {
        *entry = (struct fault_op){op, queue, well, false};
        fault_ops_used++;
    }
    fault_unlock();
    if (busy)
        lti_fault_stop("an operation was begun again before it was over", call);
    if (full)
        lti_fault_stop("more operations than the fault object knows", call);
}

/* Says how it ends. */
static int64_t fault_op_over(const struct lti_os_op *op, int64_t result, bool completion)
{
    fault_lock();
    struct fault_op *entry = fault_op_find(op);
    bool known = entry->op != NULL;
    if (known && entry->ends_well && lti_os_kind_of(result) == LTI_OS_CANCELLED)
        result = entry->well;
    if (known)
        fault_op_remove(entry);
    fault_unlock();
    if (!known && completion)
        lti_fault_stop("a completion of an operation that is over", LTI_FAULT_CALL_queue_wait);
    return result;
}

/* From now on `queue` holds this completion. */
static int64_t fault_complete_late(intptr_t queue, struct lti_os_op *op, int64_t result)
{
    fault_lock();
    bool room = fault_late_used < FAULT_LATE_MAX;
    if (room) {
        fault_late[fault_late_used].queue = queue;
        fault_late[fault_late_used++].completion = (struct lti_os_completion){op, result};
    }
    fault_unlock();
    if (!room)
        lti_fault_stop("more late completions than the fault object holds",
                       LTI_FAULT_CALL_queue_wait);
    /* Somebody may be waiting there. */
    struct fault_handle *handle = fault_handle(queue);
    atomic_fetch_add(&handle->hidden, 1);
    if (lti_real_queue_post(queue, NULL, 0) < 0)
        atomic_fetch_sub(&handle->hidden, 1);
    return lti_nt_fail(LTI_NT_IO_PENDING);
}

/* True when the call is not to be made: *result_out is all there is. */
static bool fault_instead(const struct lti_fault *fault, intptr_t queue, struct lti_os_op *op,
                          int64_t well, int64_t *result_out)
{
    if (!fault || (fault->action != LTI_FAULT_ERROR && fault->action != LTI_FAULT_LATE_ERROR))
        return false;
    *result_out = lti_fault_word(fault);
    if (fault->action == LTI_FAULT_LATE_ERROR && queue != 0) {
        fault_op_begin(fault->call, queue, op, well);
        *result_out = fault_complete_late(queue, op, *result_out);
    }
    return true;
}

/* After the call that began an operation. */
static int64_t fault_begun(const struct lti_fault *fault, intptr_t queue, struct lti_os_op *op,
                           int64_t result)
{
    if (lti_os_kind_of(result) == LTI_OS_IN_PROGRESS || queue == 0)
        return result;
    if (fault && fault->action == LTI_FAULT_LATE && result >= 0)
        return fault_complete_late(queue, op, result);
    if (fault && fault->action == LTI_FAULT_UNTOLD && result >= 0)
        return fault_complete_late(queue, op, LTI_OS_PIPE_UNTOLD);
    return fault_op_over(op, result, false);
}

/* The same for bytes: where all comes to the queue, it is over only there, and late in any case. */
static int64_t fault_moved(const struct lti_fault *fault, intptr_t handle, intptr_t queue,
                           struct lti_os_op *op, int64_t result)
{
    if (result >= 0 && fault_all_comes(handle))
        return result;
    return fault_begun(fault, queue, op, result);
}

/* ---- Completion queue ------------------------------------------------------------------------ */

int64_t lti_os_queue_create(void)
{
    FAULT_CALL(queue_create, fault_opened(lti_real_queue_create()));
    struct fault_handle *handle = result < 0 ? NULL : fault_handle((intptr_t)result);
    if (handle)
        atomic_store(&handle->is_queue, true);
    return result;
}

int64_t lti_os_queue_add(intptr_t queue, intptr_t handle, bool all)
{
    FAULT_CALL(queue_add, lti_real_queue_add(queue, handle, all));
    struct fault_handle *known = fault_handle(handle);
    if (result >= 0 && known && fault_handle(queue)) {
        atomic_store(&known->all, all);
        atomic_store(&known->queue, queue);
    }
    return result;
}

int64_t lti_os_queue_post(intptr_t queue, struct lti_os_op *op, int64_t given)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_queue_post);
    if (fault)
        return lti_fault_word(fault);
    if (op)
        fault_op_begin(LTI_FAULT_CALL_queue_post, queue, op, given);
    int64_t result = lti_real_queue_post(queue, op, given);
    if (op && result < 0)
        (void)fault_op_over(op, result, false);
    return result;
}

static int64_t fault_take_late(intptr_t queue, struct lti_os_completion *completions_out,
                               size_t count)
{
    size_t taken = 0, kept = 0;
    fault_lock();
    for (size_t i = 0; i < fault_late_used; i++)
        if (fault_late[i].queue == queue && taken < count)
            completions_out[taken++] = fault_late[i].completion;
        else
            fault_late[kept++] = fault_late[i];
    fault_late_used = kept;
    fault_unlock();
    for (size_t i = 0; i < taken; i++)
        completions_out[i].result =
            fault_op_over(completions_out[i].op, completions_out[i].result, true);
    return (int64_t)taken;
}

/* Without our own posts. */
static int64_t fault_take_real(intptr_t queue, struct lti_os_completion *completions, int64_t count)
{
    struct fault_handle *handle = fault_handle(queue);
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        struct lti_os_completion completion = completions[i];
        if (completion.op) {
            completion.result = fault_op_over(completion.op, completion.result, true);
        } else if (handle && atomic_load(&handle->hidden) > 0) {
            atomic_fetch_sub(&handle->hidden, 1);
            continue;
        }
        completions[kept++] = completion;
    }
    return kept;
}

static int64_t fault_wait_over(int64_t timeout_ns, enum lti_fault_call call)
{
    if (timeout_ns < 0)
        lti_fault_stop("a wait for ever that nothing can end", call);
    lti_fault_pass_time(timeout_ns);
    return 0;
}

/* In virtual time nobody else can make something happen: waiting is only a matter of time. */
static int64_t fault_wait_once(intptr_t queue, struct lti_os_completion *completions_out,
                               size_t count, int64_t timeout_ns)
{
    if (!lti_fault_is_virtual())
        return lti_real_queue_wait(queue, completions_out, count, timeout_ns);
    int64_t result = lti_real_queue_wait(queue, completions_out, count, 0);
    if (result != 0 || timeout_ns == 0)
        return result;
    result = lti_real_queue_wait(queue, completions_out, count, fault_grace_ns);
    return result != 0 ? result : fault_wait_over(timeout_ns, LTI_FAULT_CALL_queue_wait);
}

static int64_t fault_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                          int64_t timeout_ns)
{
    for (;;) { /* each turn but the last uses one of our own posts up */
        int64_t result = fault_take_late(queue, completions_out, count);
        if (result > 0)
            return result;
        result = fault_wait_once(queue, completions_out, count, timeout_ns);
        if (result <= 0)
            return result;
        result = fault_take_real(queue, completions_out, result);
        if (result > 0)
            return result;
    }
}

/* Time that goes by in a wait that ended early; a fault that lasts lets all of it pass. */
static int64_t fault_wait_in_vain(const struct lti_fault *fault, int64_t timeout_ns)
{
    int64_t result = fault->action == LTI_FAULT_EMPTY ? 0 : lti_fault_word(fault);
    if (!lti_fault_is_virtual() || timeout_ns == 0)
        return result;
    if (timeout_ns < 0 && lti_fault_lasts())
        lti_fault_stop("a wait for ever that nothing can end", fault->call);
    bool whole = timeout_ns > 0 && (lti_fault_lasts() || timeout_ns < FAULT_EARLY_NS);
    lti_fault_pass_time(whole ? timeout_ns : FAULT_EARLY_NS);
    return result;
}

int64_t lti_os_queue_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                          int64_t timeout_ns)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_queue_wait);
    /* A thread that waits for ever and is told nothing, for ever, would do nothing but that. */
    bool helper = timeout_ns < 0 && lti_fault_lasts() && !lti_fault_is_virtual();
    if (fault && fault->action == LTI_FAULT_EMPTY && helper)
        fault = NULL;
    if (fault && fault->action != LTI_FAULT_REORDER)
        return fault_wait_in_vain(fault, timeout_ns);
    int64_t result = fault_wait(queue, completions_out, count, timeout_ns);
    for (int64_t i = 0, j = result - 1; fault && i < j; i++, j--) {
        struct lti_os_completion first = completions_out[i];
        completions_out[i] = completions_out[j];
        completions_out[j] = first;
    }
    return result;
}

/* ---- Pipes ----------------------------------------------------------------------------------- */

static const char *fault_jail;

void lti_fault_jail(const char *folder)
{
    fault_jail = folder;
}

static bool fault_outside(const uint16_t *name)
{
    for (size_t i = 0; fault_jail && fault_jail[i] != '\0'; i++)
        if (name[i] != (unsigned char)fault_jail[i])
            return true;
    return false;
}

int64_t lti_os_pipe_create(const uint16_t *name, uint32_t flags, uint32_t instances_max,
                           uint32_t quota_bytes, const void *security)
{
    FAULT_CALL(pipe_create, fault_outside(name)
                                ? lti_nt_fail(LTI_NT_ACCESS_DENIED)
                                : fault_opened(lti_real_pipe_create(name, flags, instances_max,
                                                                    quota_bytes, security)));
    if (flags & LTI_OS_PIPE_MESSAGE)
        fault_messages(result);
    return result;
}

int64_t lti_os_pipe_listen(intptr_t handle, struct lti_os_op *op)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_listen);
    intptr_t queue = fault_queue_of(handle);
    int64_t result = 0;
    if (fault_instead(fault, queue, op, 0, &result))
        return result;
    fault_op_begin(LTI_FAULT_CALL_pipe_listen, queue, op, 0);
    return fault_begun(fault, queue, op, lti_real_pipe_listen(handle, op));
}

int64_t lti_os_pipe_open(const uint16_t *name)
{
    FAULT_CALL(pipe_open, fault_opened(lti_real_pipe_open(name)));
    return result;
}

int64_t lti_os_pipe_read_messages(intptr_t handle)
{
    FAULT_CALL(pipe_read_messages, lti_real_pipe_read_messages(handle));
    if (result >= 0)
        fault_messages(handle);
    return result;
}

int64_t lti_os_pipe_read(intptr_t handle, void *buffer, size_t size, struct lti_os_op *op)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_read);
    intptr_t queue = fault_queue_of(handle);
    /* To read nothing is to read an empty message, which nobody sent. */
    int64_t well = fault_is_of_messages(handle) ? lti_nt_fail(LTI_NT_OPERATION_ABORTED) : 0;
    int64_t result = 0;
    if (fault_instead(fault, queue, op, well, &result))
        return result;
    fault_op_begin(LTI_FAULT_CALL_pipe_read, queue, op, well);
    result = lti_real_pipe_read(handle, buffer, lti_fault_less(fault, size), op);
    return fault_moved(fault, handle, queue, op, result);
}

int64_t lti_os_pipe_write(intptr_t handle, const void *data, size_t size, struct lti_os_op *op)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_write);
    intptr_t queue = fault_queue_of(handle);
    /* No system writes half a message: the other half would be a message, too. */
    size_t less = fault_is_of_messages(handle) ? size : lti_fault_less(fault, size);
    int64_t well = (int64_t)less, result = 0;
    if (fault_instead(fault, queue, op, well, &result))
        return result;
    fault_op_begin(LTI_FAULT_CALL_pipe_write, queue, op, well);
    return fault_moved(fault, handle, queue, op, lti_real_pipe_write(handle, data, less, op));
}

/* The request comes when the operation is just being done: it is granted, and was not needed. */
static int64_t fault_cancel_in_vain(intptr_t handle, struct lti_os_op *op)
{
    fault_lock();
    struct fault_op *entry = op ? fault_op_find(op) : NULL;
    bool known = entry && entry->op;
    if (known)
        entry->ends_well = true;
    fault_unlock();
    int64_t result = lti_real_pipe_cancel(handle, op);
    return known ? 0 : result;
}

int64_t lti_os_pipe_cancel(intptr_t handle, struct lti_os_op *op)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_pipe_cancel);
    if (fault && fault->action == LTI_FAULT_ENDS_WELL)
        return fault_cancel_in_vain(handle, op);
    return lti_fault_hide(fault, lti_real_pipe_cancel(handle, op));
}

int64_t lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out)
{
    FAULT_CALL(pipe_facts, lti_real_pipe_facts(handle, facts_out));
    return result;
}

int64_t lti_os_pipe_peer_pid(intptr_t handle, bool server)
{
    FAULT_CALL(pipe_peer_pid, lti_real_pipe_peer_pid(handle, server));
    return result;
}

static int64_t fault_close(intptr_t handle)
{
    fault_closing(handle);
    return lti_fault_closed(lti_real_handle_close(handle));
}

int64_t lti_os_handle_close(intptr_t handle)
{
    FAULT_CALL(handle_close, fault_close(handle));
    return result;
}

int64_t lti_os_process_open(int64_t pid)
{
    FAULT_CALL(process_open, fault_opened(lti_real_process_open(pid)));
    return result;
}

/* ---- Signals and threads --------------------------------------------------------------------- */

int64_t lti_os_signal_create(void)
{
    FAULT_CALL(signal_create, fault_opened(lti_real_signal_create()));
    return result;
}

int64_t lti_os_signal_set(intptr_t signal)
{
    FAULT_CALL(signal_set, lti_real_signal_set(signal));
    return result;
}

int64_t lti_os_signal_clear(intptr_t signal)
{
    FAULT_CALL(signal_clear, lti_real_signal_clear(signal));
    return result;
}

int64_t lti_os_signal_wait(intptr_t signal, int64_t timeout_ns)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_signal_wait);
    if (fault)
        return fault_wait_in_vain(fault, timeout_ns);
    if (!lti_fault_is_virtual() || timeout_ns == 0)
        return lti_real_signal_wait(signal, timeout_ns);
    int64_t result = lti_real_signal_wait(signal, fault_grace_ns);
    return result != 0 ? result : fault_wait_over(timeout_ns, LTI_FAULT_CALL_signal_wait);
}

int64_t lti_os_thread_start(void (*function)(void *argument), void *argument)
{
    FAULT_CALL(thread_start, fault_opened(lti_real_thread_start(function, argument)));
    return result;
}

int64_t lti_os_thread_join(intptr_t thread)
{
    fault_closing(thread);
    return lti_real_thread_join(thread);
}
