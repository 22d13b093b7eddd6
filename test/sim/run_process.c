/* SPDX-License-Identifier: MIT
 *
 * The simulated processes that use the library: one hub each, a loop of acts and events.
 *
 * Happy path: chaos for some turns, then serve events until the drain is over, then end everything
 *             and leave with nothing open and nothing allocated.
 * Fails:      an event that may not come, an error nobody may see, or something left fails the run.
 * Invariants: every event of a known connection goes into the history; the loop's waits have
 *             limits.
 */
#include "run.h"

#define SHUTDOWN_PATIENCE_NS (UINT64_C(20000) * RUN_MS)

void run_note_kills(void)
{
    for (uint32_t i = 0; i < run_state.process_count; i++) {
        struct run_process *process = &run_state.processes[i];
        struct lti_sim_count count;
        if (process->over || process->noted)
            continue;
        lti_sim_count(process->number, &count);
        if (count.alive)
            continue;
        process->noted = true;
        for (uint32_t j = 0; j < RUN_CONNS_MAX; j++) {
            struct run_end *end = &run_state.ends[j][process->server];
            if (end->process != process || end->over || (end->closed && !end->reports))
                continue;
            run_log(end, LTI_HISTORY_KILLED, 0, 0);
            end->closed = true;
            end->reports = false;
        }
        if (process->turns > 0)
            run_state.chaos_over++;
        process->turns = 0;
        process->timers = 0;
    }
}

/* ---- Events
 * ----------------------------------------------------------------------------------- */

static void accepted(struct run_process *process, const struct leat_event *event)
{
    for (uint32_t i = 0; i < RUN_STRANGERS_MAX; i++) {
        struct run_end *end = &process->strangers[i];
        if (end->process)
            continue;
        *end = (struct run_end){.process = process, .conn = event->conn, .index = UINT32_MAX};
        end->side = 1;
        end->messages = event->tag == RUN_TAG_LISTENER + 1;
        if (leat_set_tag(process->hub, end->conn, RUN_TAG_STRANGER + i) != LEAT_OK)
            run_fail("set_tag of a new connection failed");
        return;
    }
    if (leat_abort(process->hub, event->conn) != LEAT_OK)
        run_fail("abort of a new connection failed");
}

/* Between honest processes of one user nothing else may end a connection. */
static bool error_is_honest(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_TIMEOUT:
    case LEAT_E_REFUSED:
    case LEAT_E_NOT_FOUND:
    case LEAT_E_LIMIT:
    case LEAT_E_MEMORY:
    case LEAT_E_BUSY:
        return true;
    default:
        return false;
    }
}

static void closed(struct run_end *end, const struct leat_event *event)
{
    if (end->index >= RUN_CONNS_MAX) {
        *end = (struct run_end){.process = NULL};
        return;
    }
    if (!error_is_honest(event->error))
        run_fail("conn %u end %u: CLOSED with %s", end->index, end->side,
                 leat_error_name(event->error));
    run_log(end, LTI_HISTORY_CLOSED, event->error, event->bytes_undelivered);
    end->over = true;
}

static void conn_event(struct run_end *end, const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
        if (end->connected)
            run_fail("conn %u: CONNECTED twice", end->index);
        end->connected = true;
        run_log(end, LTI_HISTORY_EVENT, event->type, 0);
        break;
    case LEAT_EVENT_READABLE:
        if (end->paused)
            run_fail("conn %u end %u: READABLE while paused", end->index, end->side);
        run_log(end, LTI_HISTORY_EVENT, event->type, 0);
        if (run_state.phase != RUN_CHAOS || lti_sim_time_ns() >= end->read_pause_until_ns ||
            end->process->turns == 0)
            run_end_read(end);
        break;
    case LEAT_EVENT_WRITABLE:
        end->owed = false;
        run_log(end, LTI_HISTORY_WRITABLE, 0, 0);
        run_end_write(end);
        break;
    case LEAT_EVENT_FINISHED:
        end->finished = true;
        run_log(end, LTI_HISTORY_FINISHED, 0, 0);
        break;
    case LEAT_EVENT_HANGUP:
        run_log(end, LTI_HISTORY_EVENT, event->type, 0);
        break;
    case LEAT_EVENT_CLOSED:
        closed(end, event);
        break;
    default:
        run_fail("conn %u end %u: event %d", end->index, end->side, (int)event->type);
    }
}

static void report(struct run_process *process, const struct leat_event *event)
{
    uint64_t index = event->tag - RUN_TAG_REPORT;
    struct run_end *end = index < RUN_CONNS_MAX ? &run_state.ends[index][process->server] : NULL;
    if (!end || !end->reports) {
        run_fail("a report with tag %llu", (unsigned long long)event->tag);
        return;
    }
    end->reports = false;
    run_log(end, LTI_HISTORY_REPORT, event->error, event->bytes_undelivered);
}

static struct run_end *event_end(struct run_process *process, const struct leat_event *event)
{
    struct run_end *end = NULL;
    if (event->tag < RUN_CONNS_MAX)
        end = &run_state.ends[event->tag][process->server];
    else if (event->tag - RUN_TAG_STRANGER < RUN_STRANGERS_MAX)
        end = &process->strangers[event->tag - RUN_TAG_STRANGER];
    if (!end || end->process != process || end->conn.id != event->conn.id) {
        run_fail("%s of a connection that nobody has", leat_event_name(event->type));
        return NULL;
    }
    if (end->closed || end->over) {
        run_log(end, LTI_HISTORY_EVENT, event->type, 0);
        run_fail("%s of conn %u end %u after its end", leat_event_name(event->type), end->index,
                 end->side);
        return NULL;
    }
    return end;
}

bool run_event(struct run_process *process, const struct leat_event *event)
{
    run_note_kills();
    switch (event->type) {
    case LEAT_EVENT_WOKEN:
        process->woken++;
        break;
    case LEAT_EVENT_TIMER:
        process->timers--;
        break;
    case LEAT_EVENT_LISTEN_ERROR:
        if (event->error != LEAT_E_LIMIT && event->error != LEAT_E_MEMORY)
            run_fail("LISTEN_ERROR with %s", leat_error_name(event->error));
        break;
    case LEAT_EVENT_ACCEPTED:
        accepted(process, event);
        break;
    case LEAT_EVENT_CLOSE_REPORT:
        report(process, event);
        break;
    default: {
        struct run_end *end = event_end(process, event);
        if (end)
            conn_event(end, event);
        break;
    }
    }
    return !run_state.failed;
}

/* ---- The loop
 * --------------------------------------------------------------------------------- */

static void dial(struct run_process *process, uint32_t index)
{
    struct run_end *end = &run_state.ends[index][0];
    struct run_random *random = &process->random;
    bool messages = !run_chance(random, run_state.plan.bytes_one_in);
    const struct leat_connect_options options = {
        .size = sizeof options,
        .tag = index,
        .absent = run_chance(random, 3) ? LEAT_ABSENT_FAIL : LEAT_ABSENT_WAIT,
        .timeout_ms = run_chance(random, 4) ? 1 + run_below(random, 2000) : 0,
        .conn = messages ? &run_state.plan.messages : &run_state.plan.bytes,
    };
    leat_conn conn;
    static const char *const names[2][2] = RUN_NAMES;
    const char *name = names[1][messages];
    enum leat_error error = leat_connect(process->hub, name, &options, &conn);
    if (error == LEAT_E_MEMORY || error == LEAT_E_LIMIT)
        return;
    if (error != LEAT_OK) {
        run_fail("connect gave %s", leat_error_name(error));
        return;
    }
    uint32_t chunk = run_state.plan.chunk_max;
    *end = (struct run_end){.process = process, .conn = conn, .index = index};
    end->messages = messages;
    end->quota = run_below(random, messages ? 40 : chunk * 6 + 30);
    end->ending = (enum run_ending)run_below(random, RUN_ENDINGS);
    run_state.dialled++;
}

void run_wake(const struct run_process *process)
{
    /* It may return when the faults are over already. */
    bool faults = run_state.phase == RUN_CHAOS && run_state.plan.sim.faults.resources > 0;
    enum leat_error error = leat_wake(process->hub);
    if (error != LEAT_OK && !(error == LEAT_E_SYSTEM && faults))
        run_fail("wake gave %s", leat_error_name(error));
}

static void turn_over(struct run_process *process)
{
    if (--process->turns == 0)
        run_state.chaos_over++;
}

static void chaos_turn(struct run_process *process)
{
    struct run_random *random = &process->random;
    uint32_t side = process->server ? 1 : 0;
    if (!process->server && run_chance(random, 3)) {
        for (uint32_t i = 0; i < run_state.plan.conns; i++) {
            if (i % run_state.plan.clients == process->number % run_state.plan.clients &&
                !run_state.ends[i][0].process) {
                dial(process, i);
                break;
            }
        }
    }
    uint32_t first = run_below(random, RUN_CONNS_MAX);
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        struct run_end *end = &run_state.ends[(first + i) % RUN_CONNS_MAX][side];
        if (end->process == process && run_end_usable(end)) {
            run_end_poke(end);
            break;
        }
    }
    leat_timer timer;
    if (run_chance(random, 20) &&
        leat_timer_start(process->hub, run_below(random, 20), 1, &timer) == LEAT_OK)
        process->timers++;
    if (run_chance(random, 40))
        run_wake(process);
    turn_over(process);
}

static void drain_turn(struct run_process *process)
{
    uint32_t side = process->server ? 1 : 0;
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        struct run_end *end = &run_state.ends[i][side];
        if (end->process != process || !run_end_usable(end))
            continue;
        if (end->paused && leat_resume(process->hub, end->conn) != LEAT_OK)
            run_fail("resume of conn %u failed", i);
        end->paused = false;
        run_end_write(end);
    }
}

/* Ends what is left, in all ways; true when nothing is left. */
static bool shutdown_turn(struct run_process *process, bool late)
{
    struct run_random *random = &process->random;
    uint32_t side = process->server ? 1 : 0;
    bool left = false;
    for (uint32_t i = 0; i < RUN_STRANGERS_MAX; i++) {
        struct run_end *end = &process->strangers[i];
        if (run_end_usable(end))
            run_end_close(end, RUN_ABORT);
        end->process = NULL;
    }
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        struct run_end *end = &run_state.ends[i][side];
        if (end->process != process)
            continue;
        if (run_end_usable(end) && late)
            run_fail("conn %u end %u: CLOSED never came", i, side);
        if (run_end_usable(end) && !end->finish)
            run_end_close(end, (enum run_ending)(RUN_FINISH + run_below(random, 4)));
        left |= run_end_usable(end) || end->reports;
    }
    return !left;
}

static void process_events(struct run_process *process)
{
    struct leat_event event;
    uint32_t limit = 1 + run_below(&process->random, 6);
    for (uint32_t i = 0; i < limit; i++) {
        uint32_t timeout_ms = i == 0 ? run_below(&process->random, 10) : 0;
        uint64_t began_ns = lti_os_now_ns();
        enum leat_error error = leat_next(process->hub, &event, timeout_ms);
        run_waited(NULL, began_ns, timeout_ms, error == LEAT_E_TIMEOUT);
        if (lti_sim_busy() > RUN_BUSY_MAX)
            run_fail("a busy loop: %llu looks at the clock in a row",
                     (unsigned long long)lti_sim_busy());
        if (error == LEAT_E_TIMEOUT)
            break;
        if (error != LEAT_OK)
            run_fail("next gave %s", leat_error_name(error));
        if (!run_event(process, &event))
            break;
    }
}

static void process_loop(struct run_process *process)
{
    uint64_t shutdown_ns = 0;
    while (!run_state.failed) {
        if (run_state.phase == RUN_SHUTDOWN) {
            uint64_t now_ns = lti_sim_time_ns();
            shutdown_ns = shutdown_ns ? shutdown_ns : now_ns;
            for (int i = 0; i < 2 && process->server; i++) {
                if (process->listeners[i].id != 0)
                    (void)leat_listener_close(process->hub, process->listeners[i]);
                process->listeners[i].id = 0;
            }
            if (shutdown_turn(process, now_ns - shutdown_ns > SHUTDOWN_PATIENCE_NS) ||
                run_chance(&process->random, 200))
                break;
        } else if (run_state.phase == RUN_DRAIN) {
            drain_turn(process);
        } else if (process->turns > 0) {
            chaos_turn(process);
        }
        process_events(process);
    }
}

static void process_begin(struct run_process *process)
{
    const struct leat_hub_options options = {
        .size = sizeof options,
        .single_thread = run_state.plan.single_thread,
        .memory_bytes_max = run_state.plan.memory_bytes_max,
        .spin_us = run_state.plan.spin_us,
    };
    enum leat_error error = leat_hub_create(&options, &process->hub);
    while (error == LEAT_E_MEMORY || error == LEAT_E_LIMIT) {
        lti_sim_sleep(RUN_MS);
        error = leat_hub_create(&options, &process->hub);
    }
    if (error != LEAT_OK)
        run_fail("hub_create gave %s", leat_error_name(error));
    if (!run_state.plan.helpers)
        return;
    process->helper_random.state = process->random.state ^ UINT64_C(0x5DEECE66D);
    process->helpers++;
    lti_sim_thread(process->number, "helper", run_helper, process);
}

/* Whatever the hub still has is aborted with it; nothing may be left behind. */
static void process_end(struct run_process *process)
{
    uint32_t side = process->server ? 1 : 0;
    struct leat_hub_info info = {.size = sizeof info};
    struct lti_sim_count count;
    while (process->helpers > 0 && !run_state.failed)
        lti_sim_sleep(RUN_MS); /* nobody may be inside when the hub goes */
    if (run_state.failed)
        return;
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        struct run_end *end = &run_state.ends[i][side];
        if (end->process != process)
            continue;
        if (run_end_usable(end))
            run_log(end, LTI_HISTORY_ABORT, 0, 0);
        if (end->reports)
            run_log(end, LTI_HISTORY_REPORT, LEAT_E_TIMEOUT, 0);
        end->closed = true;
        end->reports = false;
    }
    if (leat_hub_info_get(process->hub, &info) != LEAT_OK)
        run_fail("hub_info failed");
    size_t most = run_state.plan.memory_bytes_max;
    if (most && info.memory_bytes_high > most)
        run_fail("the hub had %llu bytes", (unsigned long long)info.memory_bytes_high);
    if (leat_hub_destroy(process->hub) != LEAT_OK)
        run_fail("hub_destroy failed");
    process->over = true;
    lti_sim_count(process->number, &count);
    if (count.descriptors != 0 || count.allocations != 0)
        run_fail("%s leaves %u descriptors and %lld allocations", process->name, count.descriptors,
                 (long long)count.allocations);
    if (most && count.bytes_high > (int64_t)most + RUN_PORT_BYTES(run_state.plan.conns))
        run_fail("%s had %lld bytes", process->name, (long long)count.bytes_high);
}

void run_client(void *argument)
{
    struct run_process *process = argument;
    process_begin(process);
    process_loop(process);
    process_end(process);
}

/* A pipe's name is there until its clients have gone, too, when its server was killed or failed to
 * listen. */
static bool name_lingers(const struct run_process *process, enum leat_error error, uint32_t tries)
{
    bool before = tries > 0 || process != &run_state.processes[0];
    return !RUN_SOCKETS && error == LEAT_E_IN_USE && before;
}

static void server_listen(struct run_process *process, bool messages)
{
    const struct leat_listen_options options = {
        .size = sizeof options,
        .tag = RUN_TAG_LISTENER + messages,
        .backlog = run_state.plan.backlog,
        .conns_max = run_state.plan.conns_max,
        .handshakes_max = run_state.plan.handshakes_max,
        .conn = messages ? &run_state.plan.messages : &run_state.plan.bytes,
    };
    static const char *const names[2][2] = RUN_NAMES;
    const char *name = names[0][messages];
    struct leat_hub *hub = process->hub;
    enum leat_error error = leat_listen(hub, name, &options, &process->listeners[messages]);
    for (uint32_t tries = 0;
         error == LEAT_E_MEMORY || error == LEAT_E_LIMIT || name_lingers(process, error, tries);
         tries++) {
        lti_sim_sleep(RUN_MS);
        if (process->turns > 0) /* who holds the name may do so until the chaos is over */
            turn_over(process);
        error = leat_listen(hub, name, &options, &process->listeners[messages]);
    }
    if (error != LEAT_OK)
        run_fail("listen gave %s", leat_error_name(error));
}

void run_server(void *argument)
{
    struct run_process *process = argument;
    process_begin(process);
    server_listen(process, false);
    server_listen(process, true);
    process_loop(process);
    process_end(process);
}
