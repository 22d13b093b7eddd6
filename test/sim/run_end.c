/* SPDX-License-Identifier: MIT
 *
 * What the library's users do with one end of a connection, and what they write down about it.
 *
 * Happy path: the header, then content that is a function of its place; every call is logged before
 *             and after it is made, by the rules of history.h.
 * Fails:      an answer that no honest use explains fails the run; one that tells of an end is
 *             taken.
 * Invariants: an end that is over or closed is never used again; a message that was refused is
 *             tried again with the same number and size.
 */
#include "run.h"

#include <string.h>

/* Messages of one call, and how long those behind the first are. */
#define RUN_MANY 5u
#define RUN_BEHIND_BYTES 60u

bool run_end_usable(const struct run_end *end)
{
    return end->process && !end->over && !end->closed;
}

/* With a planted defect, one byte too few, after a kilobyte and while writes are cut short. */
static uint64_t recorded(const struct run_end *end, uint64_t accepted)
{
    bool wrong = run_state.planted && run_state.plan.sim.faults.short_write > 0 &&
                 end->accepted > 1000 && accepted > 0;
    return accepted - wrong;
}

void run_log(const struct run_end *end, enum lti_history_kind kind, uint64_t a, uint64_t b)
{
    if (end->index < RUN_CONNS_MAX)
        lti_history_log(run_state.history, end->index, end->side, kind, a, b, LTI_HISTORY_NONE);
}

void run_waited(const struct run_end *end, uint64_t began_ns, uint32_t timeout_ms, bool timed_out)
{
    /* A clock that is coarse or stands still, and a process that is starved, excuse some
     * lateness. */
    uint64_t slack_ns = 60 * RUN_MS;
    uint64_t now_ns = lti_os_now_ns();
    uint64_t due_ns = began_ns + timeout_ms * RUN_MS;
    if (timed_out && now_ns < due_ns)
        run_fail("a wait of %u ms timed out %llu ns too early", timeout_ms,
                 (unsigned long long)(due_ns - now_ns));
    if (now_ns > due_ns + slack_ns)
        run_fail("a wait of %u ms took %llu ns", timeout_ms,
                 (unsigned long long)(now_ns - began_ns));
    if (timed_out && end && end->index < RUN_CONNS_MAX)
        lti_history_log(run_state.history, end->index, end->side, LTI_HISTORY_WAIT, due_ns, now_ns,
                        slack_ns);
}

bool run_end_wants(const struct run_end *end)
{
    if (!run_end_usable(end) || end->write_over || end->finish || end->index >= RUN_CONNS_MAX)
        return false;
    if (end->side == 0 && end->header_done < RUN_HEADER_BYTES)
        return true;
    if (run_state.phase == RUN_CHAOS)
        return end->accepted < end->quota;
    return run_state.phase == RUN_DRAIN && end->accepted <= end->drain_mark;
}

/* What a call that sends may say besides success. True: it may be tried again. */
static bool send_refused(struct run_end *end, enum leat_error error, const char *call)
{
    switch (error) {
    case LEAT_E_FULL:
        end->owed = true;
        run_log(end, LTI_HISTORY_FULL, 0, 0);
        return true;
    case LEAT_E_MEMORY:
    case LEAT_E_TIMEOUT: /* also the reason a connection ended for */
    case LEAT_E_WOKEN:
        return true;
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_REFUSED:
    case LEAT_E_NOT_FOUND:
    case LEAT_E_LIMIT:
    case LEAT_E_BUSY:
        end->write_over = true;
        return false;
    default:
        run_fail("%s of conn %u end %u gave %s", call, end->index, end->side,
                 leat_error_name(error));
        return false;
    }
}

/* ---- Writing
 * ---------------------------------------------------------------------------------- */

static void header_make(const struct run_end *end, uint8_t header[RUN_HEADER_BYTES])
{
    uint64_t word = run_key(end->index);
    for (uint32_t i = 0; i < RUN_HEADER_BYTES; i++)
        header[i] = (uint8_t)(word >> (8 * i));
}

/* True when the header is all gone. */
static bool header_write(struct run_end *end)
{
    uint8_t header[RUN_HEADER_BYTES];
    size_t accepted = 0;
    struct leat_hub *hub = end->process->hub;
    if (end->side == 1 || end->header_done == RUN_HEADER_BYTES)
        return true;
    header_make(end, header);
    enum leat_error error;
    if (end->messages) {
        error = leat_send(hub, end->conn, header, RUN_HEADER_BYTES);
        accepted = RUN_HEADER_BYTES;
    } else {
        uint32_t left = RUN_HEADER_BYTES - end->header_done;
        error = leat_write(hub, end->conn, header + end->header_done, left, &accepted);
        if (error == LEAT_OK && accepted < left) {
            end->owed = true;
            run_log(end, LTI_HISTORY_FULL, 0, 0);
        }
    }
    if (error != LEAT_OK) {
        (void)send_refused(end, error, "the header");
        return false;
    }
    end->header_done += (uint32_t)accepted;
    return end->header_done == RUN_HEADER_BYTES;
}

static enum leat_error bytes_offer(struct run_end *end, size_t size, size_t *accepted_out,
                                   bool *blocking_out)
{
    struct run_process *process = end->process;
    *blocking_out = false;
    if (run_chance(&process->random, 4)) {
        size_t first = run_below(&process->random, (uint32_t)size + 1);
        const struct leat_slice slices[3] = {
            {process->buffer, first}, {NULL, 0}, {process->buffer + first, size - first}};
        return leat_write_slices(process->hub, end->conn, slices, 3, accepted_out);
    }
    if (run_chance(&process->random, 8)) {
        uint32_t timeout_ms = run_below(&process->random, 10);
        uint64_t began_ns = lti_os_now_ns();
        run_log(end, LTI_HISTORY_FULL, 0, 0); /* it may leave one WRITABLE due */
        end->owed = *blocking_out = true;
        enum leat_error error = leat_write_full(process->hub, end->conn, process->buffer, size,
                                                timeout_ms, accepted_out);
        run_waited(NULL, began_ns, timeout_ms, false);
        return error;
    }
    return leat_write(process->hub, end->conn, process->buffer, size, accepted_out);
}

static void bytes_write(struct run_end *end)
{
    struct run_process *process = end->process;
    uint32_t size = 1 + run_below(&process->random, run_state.plan.chunk_max);
    size_t accepted = 0;
    bool blocking = false;
    lti_history_fill(run_state.history, end->index, end->side, LTI_HISTORY_BYTES, end->accepted,
                     process->buffer, size);
    run_log(end, LTI_HISTORY_SUBMIT, end->accepted, size);
    enum leat_error error = bytes_offer(end, size, &accepted, &blocking);
    if (accepted > size)
        run_fail("conn %u end %u: %zu of %u bytes accepted", end->index, end->side, accepted, size);
    if (error == LEAT_OK || blocking) {
        run_log(end, LTI_HISTORY_ACCEPTED, end->accepted, recorded(end, accepted));
        end->accepted += accepted;
    }
    if (error != LEAT_OK) {
        (void)send_refused(end, error, "a write");
    } else if (accepted < size) {
        end->owed = true;
        run_log(end, LTI_HISTORY_FULL, 0, 0);
    }
}

static enum leat_error message_offer(struct run_end *end)
{
    struct run_process *process = end->process;
    uint32_t size = end->message_size;
    if (run_chance(&process->random, 4)) {
        uint32_t first = run_below(&process->random, size + 1);
        const struct leat_slice slices[2] = {{process->buffer, first},
                                             {process->buffer + first, size - first}};
        return leat_send_slices(process->hub, end->conn, slices, 2);
    }
    if (run_chance(&process->random, 8)) {
        uint32_t timeout_ms = run_below(&process->random, 10);
        uint64_t began_ns = lti_os_now_ns();
        run_log(end, LTI_HISTORY_FULL, 0, 0);
        end->owed = true;
        enum leat_error error =
            leat_send_wait(process->hub, end->conn, process->buffer, size, timeout_ms);
        run_waited(NULL, began_ns, timeout_ms, false);
        return error;
    }
    return leat_send(process->hub, end->conn, process->buffer, size);
}

static uint32_t behind_size(uint64_t number)
{
    uint32_t size = 1 + (uint32_t)(number * 7 % RUN_BEHIND_BYTES);
    return size < run_state.plan.chunk_max ? size : run_state.plan.chunk_max;
}

/* The message in the buffer, and small ones behind it, as many as are still wished for. Returns how
 * many were sent. */
static uint64_t messages_offer(struct run_end *end, enum leat_error *error_out)
{
    struct run_process *process = end->process;
    uint8_t behind[RUN_MANY - 1][RUN_BEHIND_BYTES];
    struct leat_slice slices[RUN_MANY] = {{process->buffer, end->message_size}};
    size_t count = 1, sent = 0;
    for (; count < RUN_MANY && end->accepted + count < end->quota; count++) {
        uint64_t number = end->accepted + count;
        slices[count] = (struct leat_slice){behind[count - 1], behind_size(number)};
        lti_history_fill(run_state.history, end->index, end->side, number, 0, behind[count - 1],
                         slices[count].size);
        run_log(end, LTI_HISTORY_SEND, number, slices[count].size);
    }
    if (end->tried < end->accepted + count)
        end->tried = end->accepted + count;
    *error_out = leat_send_many(process->hub, end->conn, slices, count, &sent);
    if (*error_out != LEAT_OK)
        return 0;
    if (sent == 0 || sent > count)
        run_fail("conn %u end %u: %zu of %zu messages sent", end->index, end->side, sent, count);
    if (sent < count) { /* it may leave one WRITABLE due */
        run_log(end, LTI_HISTORY_FULL, 0, 0);
        end->owed = true;
    }
    return sent;
}

static void message_size_choose(struct run_end *end)
{
    if (!end->trying && end->accepted < end->tried)
        end->message_size = behind_size(end->accepted);
    else if (!end->trying)
        end->message_size = run_below(&end->process->random, run_state.plan.chunk_max + 1);
    /* An empty one may mean the end. */
    if (end->message_size == 0 && run_state.plan.messages.empty_is_finish)
        end->message_size = 1;
    end->trying = true;
}

static void message_write(struct run_end *end)
{
    struct run_process *process = end->process;
    uint64_t sent = 1;
    enum leat_error error;
    message_size_choose(end);
    lti_history_fill(run_state.history, end->index, end->side, end->accepted, 0, process->buffer,
                     end->message_size);
    run_log(end, LTI_HISTORY_SEND, end->accepted, end->message_size);
    if (run_chance(&process->random, 4))
        sent = messages_offer(end, &error);
    else
        error = message_offer(end);
    if (error != LEAT_OK) {
        (void)send_refused(end, error, "a send");
        return;
    }
    for (; sent > 0; sent--)
        run_log(end, LTI_HISTORY_SENT, end->accepted++, 0);
    end->trying = false;
}

void run_end_write(struct run_end *end)
{
    if (!run_end_wants(end) || !header_write(end) || !run_end_wants(end))
        return;
    if (end->messages)
        message_write(end);
    else
        bytes_write(end);
}

/* ---- Reading
 * ---------------------------------------------------------------------------------- */

static void bytes_received(struct run_end *end, const void *data, size_t size)
{
    uint64_t wrong = LTI_HISTORY_NONE;
    if (data)
        wrong = lti_history_wrong(run_state.history, end->index, end->side ^ 1u, LTI_HISTORY_BYTES,
                                  end->received, data, size);
    lti_history_log(run_state.history, end->index, end->side, LTI_HISTORY_RECEIVED, end->received,
                    size, wrong);
    if (wrong != LTI_HISTORY_NONE)
        run_fail("conn %u end %u: wrong content at %llu", end->index, end->side,
                 (unsigned long long)wrong);
    end->received += size;
}

/* A reading call said something else than success; true when that is as it should be. */
static bool read_refused(struct run_end *end, enum leat_error error, const char *call)
{
    switch (error) {
    case LEAT_E_EMPTY:
    case LEAT_E_FINISHED:
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_TIMEOUT:
    case LEAT_E_MEMORY:
    case LEAT_E_WOKEN:
    case LEAT_E_REFUSED:
    case LEAT_E_NOT_FOUND:
    case LEAT_E_LIMIT:
    case LEAT_E_BUSY:
        return true;
    case LEAT_E_STATE:
        if (end->paused)
            return true;
        break;
    default:
        break;
    }
    run_fail("%s of conn %u end %u gave %s", call, end->index, end->side, leat_error_name(error));
    return false;
}

static void bytes_read(struct run_end *end)
{
    struct run_process *process = end->process;
    struct leat_hub *hub = process->hub;
    uint32_t most = 1 + run_below(&process->random, RUN_CHUNK_MAX);
    const void *view = process->buffer;
    size_t size = 0;
    enum leat_error error;
    switch (run_below(&process->random, 8)) {
    case 0:
        error = leat_skip(hub, end->conn, most, &size);
        view = NULL;
        break;
    case 1:
        error = leat_read_until(hub, end->conn, '\n', process->buffer, most, &size);
        /* No line within the limits, or none yet, which READABLE does not tell again. */
        if (error == LEAT_E_TOO_BIG || error == LEAT_E_EMPTY)
            error = leat_read(hub, end->conn, process->buffer, most, &size);
        break;
    case 2:
        error = leat_peek(hub, end->conn, &view, &size);
        if (error == LEAT_OK) {
            size = 1 + run_below(&process->random, (uint32_t)size);
            bytes_received(end, view, size);
            if (leat_consume(hub, end->conn, size) != LEAT_OK)
                run_fail("consume of conn %u end %u failed", end->index, end->side);
            return;
        }
        break;
    default:
        error = leat_read(hub, end->conn, process->buffer, most, &size);
        break;
    }
    if (error == LEAT_OK)
        bytes_received(end, view, size);
    else
        (void)read_refused(end, error, "a read");
}

static void message_received(struct run_end *end, const void *data, size_t size)
{
    uint64_t wrong = lti_history_wrong(run_state.history, end->index, end->side ^ 1u, end->received,
                                       0, data, size);
    lti_history_log(run_state.history, end->index, end->side, LTI_HISTORY_MESSAGE, end->received,
                    size, wrong);
    if (wrong != LTI_HISTORY_NONE)
        run_fail("conn %u end %u: message %llu is wrong at %llu", end->index, end->side,
                 (unsigned long long)end->received, (unsigned long long)wrong);
    end->received++;
}

/* Shows some, and takes them all. */
static enum leat_error messages_view(struct run_end *end)
{
    struct run_process *process = end->process;
    struct leat_slice views[RUN_MANY] = {{0}};
    size_t most = 1 + run_below(&process->random, RUN_MANY), count = 1;
    enum leat_error error;
    if (most == 1)
        error = leat_view(process->hub, end->conn, &views[0].data, &views[0].size);
    else
        error = leat_view_many(process->hub, end->conn, views, most, &count);
    if (error != LEAT_OK)
        return error;
    if (count == 0 || count > most)
        run_fail("conn %u end %u: %zu of %zu messages shown", end->index, end->side, count, most);
    for (size_t i = 0; i < count; i++)
        message_received(end, views[i].data, views[i].size);
    if (leat_release(process->hub, end->conn) != LEAT_OK)
        run_fail("release of conn %u end %u failed", end->index, end->side);
    return LEAT_OK;
}

static void message_read(struct run_end *end)
{
    struct run_process *process = end->process;
    size_t size = 0;
    enum leat_error error;
    if (run_chance(&process->random, 3)) {
        error = messages_view(end);
        if (error == LEAT_OK)
            return;
    } else {
        size_t room = run_chance(&process->random, 8) ? 0 : RUN_CHUNK_MAX;
        error = leat_receive(process->hub, end->conn, process->buffer, room, &size);
        if (error == LEAT_E_TOO_BIG && size > room && size <= RUN_CHUNK_MAX)
            error = leat_receive(process->hub, end->conn, process->buffer, size, &size);
    }
    if (error == LEAT_OK)
        message_received(end, process->buffer, size);
    else
        (void)read_refused(end, error, "a receive");
}

void run_end_read(struct run_end *end)
{
    if (!run_end_usable(end))
        return;
    if (end->index >= RUN_CONNS_MAX)
        run_stranger_read(end);
    else if (end->messages)
        message_read(end);
    else
        bytes_read(end);
}

void run_end_info(struct run_end *end)
{
    struct leat_conn_info info = {.size = sizeof info};
    if (leat_conn_info_get(end->process->hub, end->conn, &info) != LEAT_OK)
        run_fail("info of conn %u end %u failed", end->index, end->side);
    /* Frames of the protocol's own come on top of what the user may send. */
    run_log(end, LTI_HISTORY_LEVEL, info.outbox_bytes, info.options.outbox_bytes + 128);
    run_log(end, LTI_HISTORY_LEVEL, info.inbox_bytes, info.options.inbox_bytes);
    run_log(end, LTI_HISTORY_LEVEL, info.outbox_messages, info.options.outbox_messages_max);
    if (info.paused != end->paused)
        run_fail("conn %u end %u: paused is %d", end->index, end->side, info.paused);
}
