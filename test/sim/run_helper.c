/* SPDX-License-Identifier: MIT
 *
 * A second thread in a process whose hub has a lock: asks, wakes and gets in the way, from
 * everywhere.
 *
 * Happy path: calls that any thread may make give their answers while the first thread waits.
 * Fails:      a wait while the other thread waits is BUSY; any answer that the header does not
 *             allow fails the run.
 * Invariants: it moves no data and takes no event, so that the history stays the first thread's.
 */
#include "run.h"

static void helper_ask(struct run_process *process)
{
    struct leat_hub_info hub_info = {.size = sizeof hub_info};
    struct leat_conn_info info = {.size = sizeof info};
    uint32_t index = run_below(&process->helper_random, RUN_CONNS_MAX);
    const struct run_end *end = &run_state.ends[index][process->server];
    if (leat_hub_info_get(process->hub, &hub_info) != LEAT_OK)
        run_fail("hub_info failed in a second thread");
    if (end->process != process)
        return;
    bool gone = end->closed || end->over;
    enum leat_error error = leat_conn_info_get(process->hub, end->conn, &info);
    /* It may have gone while we asked. */
    if (error != LEAT_OK && !(error == LEAT_E_STALE && (gone || end->closed || end->over)))
        run_fail("info in a second thread gave %s", leat_error_name(error));
}

static void helper_wait(struct run_process *process)
{
    const leat_conn made_up = {run_next(&process->helper_random)};
    enum leat_error error = leat_wait_sent(process->hub, made_up, 1);
    if (error != LEAT_E_STALE && error != LEAT_E_BUSY)
        run_fail("a wait for a made-up handle gave %s", leat_error_name(error));
}

void run_helper(void *argument)
{
    struct run_process *process = argument;
    struct run_random *random = &process->helper_random;
    while (run_state.phase != RUN_SHUTDOWN && !run_state.failed) {
        lti_sim_sleep(1 + run_below(random, 8000000));
        switch (run_below(random, 4)) {
        case 0:
            run_wake(process);
            break;
        case 1:
            helper_wait(process);
            break;
        default:
            helper_ask(process);
            break;
        }
    }
    process->helpers--;
}
