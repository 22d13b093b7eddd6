/* SPDX-License-Identifier: MIT
 *
 * Acts of users besides reading and writing: waits, pauses, and the ways to end.
 *
 * Happy path: run_end_poke chooses one; every outcome that the header of the library allows is
 *             taken.
 * Fails:      any other outcome fails the run.
 * Invariants: what ends an end is logged at the moment of the call.
 */
#include "run.h"

/* The end goes over the line as a message of its own; else the system must have a half-close. */
static bool finish_is_said(const struct run_end *end)
{
    const struct leat_conn_options *options = &run_state.plan.messages;
    return end->messages && (options->protocol == LEAT_MESSAGES || options->empty_is_finish);
}

void run_end_finish(struct run_end *end)
{
    enum leat_error error;
    if (!run_end_usable(end) || end->finish || end->write_over || !end->connected)
        return;
    if (end->side == 0 && end->header_done < RUN_HEADER_BYTES)
        return;
    error = leat_finish(end->process->hub, end->conn);
    if (!RUN_SOCKETS && !finish_is_said(end) && error == LEAT_E_UNSUPPORTED)
        return;
    switch (error) {
    case LEAT_OK:
        run_log(end, LTI_HISTORY_FINISH, 0, 0);
        end->finish = true;
        break;
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_TIMEOUT:
        end->write_over = true;
        break;
    case LEAT_E_MEMORY:
    case LEAT_E_FULL:
        break;
    default:
        run_fail("finish of conn %u end %u gave %s", end->index, end->side, leat_error_name(error));
    }
}

static void close_wait(struct run_end *end, uint32_t linger_ms)
{
    uint64_t undelivered = 0;
    uint64_t began_ns = lti_os_now_ns();
    run_log(end, LTI_HISTORY_CLOSE, 1, 0);
    end->closed = end->reports = true;
    enum leat_error error = leat_close_wait(end->process->hub, end->conn, linger_ms, &undelivered);
    end->reports = false;
    run_waited(NULL, began_ns, linger_ms, false);
    switch (error) {
    case LEAT_OK:
    case LEAT_E_TIMEOUT:
    case LEAT_E_BROKEN:
        run_log(end, LTI_HISTORY_REPORT, error, undelivered);
        break;
    case LEAT_E_CLOSED: /* it had ended before */
        run_log(end, LTI_HISTORY_REPORT, LEAT_E_BROKEN, undelivered);
        break;
    case LEAT_E_WOKEN: /* it goes on by itself; nobody will tell */
        run_log(end, LTI_HISTORY_REPORT, LEAT_E_TIMEOUT, undelivered);
        break;
    default:
        if (end->write_over || end->over)
            run_log(end, LTI_HISTORY_REPORT, LEAT_E_BROKEN, undelivered);
        else
            run_fail("close_wait of conn %u end %u gave %s", end->index, end->side,
                     leat_error_name(error));
    }
}

void run_end_close(struct run_end *end, enum run_ending ending)
{
    struct leat_hub *hub = end->process->hub;
    enum leat_error error = LEAT_OK;
    uint32_t linger_ms = run_below(&end->process->random, 3000);
    if (!run_end_usable(end))
        return;
    switch (ending) {
    case RUN_FINISH:
        run_end_finish(end);
        if (RUN_SOCKETS || end->messages || end->write_over)
            break;
        run_log(end, LTI_HISTORY_CLOSE, 0, 0);
        end->closed = true;
        error = leat_close(hub, end->conn, linger_ms);
        break;
    case RUN_CLOSE:
        run_log(end, LTI_HISTORY_CLOSE, 1, 0);
        end->closed = end->reports = true;
        error = leat_close_report(hub, end->conn, linger_ms, RUN_TAG_REPORT + end->index);
        break;
    case RUN_CLOSE_WAIT:
        close_wait(end, linger_ms);
        break;
    case RUN_ABORT:
        run_log(end, LTI_HISTORY_ABORT, 0, 0);
        end->closed = true;
        error = leat_abort(hub, end->conn);
        break;
    case RUN_STAY:
    case RUN_ENDINGS:
        break;
    }
    if (error != LEAT_OK)
        run_fail("closing conn %u end %u gave %s", end->index, end->side, leat_error_name(error));
    if (end->closed && leat_abort(hub, end->conn) != LEAT_E_STALE)
        run_fail("conn %u end %u is not stale after close", end->index, end->side);
}

static void pause_flip(struct run_end *end)
{
    struct leat_hub *hub = end->process->hub;
    enum leat_error error = end->paused ? leat_resume(hub, end->conn) : leat_pause(hub, end->conn);
    if (error != LEAT_OK)
        run_fail("pausing conn %u end %u gave %s", end->index, end->side, leat_error_name(error));
    end->paused = !end->paused;
}

/* One of the waits for one thing. What it says about the connection must be so; other ends'
 * events are kept by the hub meanwhile. */
static void wait_for_one(struct run_end *end)
{
    struct run_process *process = end->process;
    uint32_t timeout_ms = run_below(&process->random, 10);
    uint64_t began_ns = lti_os_now_ns();
    enum leat_error error = LEAT_OK;
    uint32_t which = run_below(&process->random, 4);
    if (which == 0)
        error = leat_wait_connected(process->hub, end->conn, timeout_ms);
    else if (which == 1)
        error = leat_wait_readable(process->hub, end->conn, timeout_ms);
    else if (which == 2)
        error = leat_wait_writable(process->hub, end->conn, timeout_ms);
    else
        error = leat_wait_sent(process->hub, end->conn, timeout_ms);
    struct leat_conn_info info = {.size = sizeof info};
    if (leat_conn_info_get(process->hub, end->conn, &info) != LEAT_OK)
        run_fail("conn %u end %u went during a wait", end->index, end->side);
    bool ended = info.state == LEAT_STATE_ENDED;
    run_waited(ended ? NULL : end, began_ns, timeout_ms, error == LEAT_E_TIMEOUT && !ended);
    if (error == LEAT_OK && which == 0)
        end->connected = true;
    if (error == LEAT_OK && which == 2 && end->owed) {
        end->owed = false;
        run_log(end, LTI_HISTORY_WRITABLE, 0, 0);
    }
    if (error == LEAT_OK && which == 3 && !ended && info.outbox_bytes != 0)
        run_fail("conn %u end %u: sent, with %llu in the outbox", end->index, end->side,
                 (unsigned long long)info.outbox_bytes);
    if (error == LEAT_E_STATE && !(which == 1 && end->paused))
        run_fail("wait %u of conn %u end %u gave STATE", which, end->index, end->side);
}

void run_end_poke(struct run_end *end)
{
    struct run_random *random = &end->process->random;
    if (!run_end_usable(end))
        return;
    switch (run_below(random, 12)) {
    case 0:
        pause_flip(end);
        break;
    case 1:
        wait_for_one(end);
        break;
    case 2:
        run_end_info(end);
        break;
    case 3:
        run_end_read(end); /* without an event */
        break;
    case 4:
        end->read_pause_until_ns = lti_sim_time_ns() + run_below(random, 50) * RUN_MS;
        break;
    case 5:
        if (end->connected && end->accepted >= end->quota && run_state.phase == RUN_CHAOS)
            run_end_close(end, end->ending);
        break;
    default:
        run_end_write(end);
        break;
    }
}
