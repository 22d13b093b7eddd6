/* SPDX-License-Identifier: MIT
 *
 * The command's loop around a hub, streams and signals.
 *
 * Happy path: take the events that are ready, then wait for the hub, signals and streams together,
 * at most until the next deadline. Where streams can be polled it is the foreign loop that
 * leat_hub_waitable is made for; elsewhere leat_next waits, and streams end that by leat_wake. A
 * hub that waits by poll has nothing to wait on: it is looked at every few milliseconds.
 *
 * Fails: a wait that the system refuses is printed and ends the command.
 *
 * Invariants: streams get their turn after a bounded number of events, however many there are.
 */
#include "loop.h"

#define EVENTS_MAX 64u
#define PROGRESS_AFTER_MS 1000u
#define PROGRESS_EVERY_MS 200u
#define LOOK_EVERY_MS 10u

/* Called by other threads. A wake that fails is made up for by the next one. */
static void loop_wake(void *hub)
{
    (void)leat_wake(hub);
}

int lti_tool_loop_open(struct lti_tool_loop *loop, const struct lti_tool_options *o)
{
    struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    enum leat_error error = leat_hub_create(&options, &loop->hub);

    loop->o = o;
    loop->waitable = LTI_TOOL_NO_HANDLE;
    loop->signals = LTI_TOOL_NO_HANDLE;
    loop->terminal = LTI_TOOL_NO_HANDLE;
    if (error != LEAT_OK) {
        return lti_tool_fail(o, error, 0);
    }
    loop->woken = lti_tool_os_wake_by(loop_wake, loop->hub);
    if (loop->woken) {
        return LTI_TOOL_EXIT_OK;
    }
    error = leat_hub_waitable(loop->hub, &loop->waitable);
    loop->looking = error == LEAT_E_UNSUPPORTED;
    return error == LEAT_OK || loop->looking ? LTI_TOOL_EXIT_OK : lti_tool_fail(o, error, 0);
}

void lti_tool_loop_close(struct lti_tool_loop *loop)
{
    if (loop->hub != NULL) {
        (void)lti_tool_os_wake_by(NULL, NULL);
        (void)leat_hub_destroy(loop->hub);
        loop->hub = NULL;
    }
}

void lti_tool_loop_goodbye(struct lti_tool_loop *loop)
{
    uint64_t limit = lti_tool_os_now_ms() + LTI_TOOL_GOODBYE_MS;
    struct leat_hub_info info = {.size = sizeof info};
    struct leat_event event;
    uint32_t wait_ms = 0; /* a connection whose CLOSED was taken counts until the next call */
    bool left = true;

    while (left) {
        enum leat_error error = leat_next(loop->hub, &event, wait_ms);
        uint64_t now = lti_tool_os_now_ms();

        left = (error == LEAT_OK || error == LEAT_E_TIMEOUT) && now < limit &&
               leat_hub_info_get(loop->hub, &info) == LEAT_OK && info.conns > 0;
        wait_ms = error == LEAT_OK || !left ? 0 : (uint32_t)(limit - now);
    }
}

bool lti_tool_loop_event(struct lti_tool_loop *loop, unsigned *taken, struct leat_event *event)
{
    if (*taken == EVENTS_MAX) {
        return false;
    }
    *taken += 1;
    if (loop->kept) {
        loop->kept = false;
        *event = loop->event;
        return true;
    }
    return leat_next(loop->hub, event, 0) == LEAT_OK;
}

void lti_tool_loop_progress_start(struct lti_tool_loop *loop)
{
    loop->started_ms = lti_tool_os_now_ms();
    loop->progress = !loop->o->quiet && lti_tool_os_is_terminal(2);
    loop->input_typed = lti_tool_os_same_terminal(lti_tool_os_stdin(), 2);
    loop->output_shown = lti_tool_os_same_terminal(lti_tool_os_stdout(), 2);
}

static bool progress_moved(const struct lti_tool_loop *loop)
{
    return loop->pumps[0].sent + loop->pumps[0].received > 0;
}

static void progress_print(struct lti_tool_loop *loop, uint64_t now, const char *end)
{
    const double mib = 1024.0 * 1024.0;
    double sent = (double)loop->pumps[0].sent / mib;
    double received = (double)loop->pumps[0].received / mib;
    double seconds = (double)(now - loop->started_ms) / 1000.0;

    fprintf(stderr, "\r%.1f MiB sent, %.1f MiB received, %.1f MiB/s %s", sent, received,
            (sent + received) / seconds, end);
    fflush(stderr);
    loop->shown_ms = now;
    loop->progress_shown = true;
}

static void progress_step(struct lti_tool_loop *loop)
{
    uint64_t now = lti_tool_os_now_ms();

    if ((loop->input_typed && loop->pumps[0].sent > 0) ||
        (loop->output_shown && loop->pumps[0].received > 0)) {
        if (loop->progress_shown) {
            fputc('\n', stderr);
            fflush(stderr);
        }
        loop->progress = false;
    } else if (now - loop->started_ms > PROGRESS_AFTER_MS &&
               now - loop->shown_ms >= PROGRESS_EVERY_MS && progress_moved(loop)) {
        progress_print(loop, now, " ");
    }
}

/* Call it before the pump is closed: it shows the final figures. */
void lti_tool_loop_progress_end(struct lti_tool_loop *loop)
{
    if (loop->progress && loop->progress_shown) {
        progress_print(loop, lti_tool_os_now_ms(), "\n");
    }
    loop->progress = false;
}

static bool loop_ready(const struct lti_tool_wait *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].can_read || items[i].can_write || items[i].gone) {
            return true;
        }
    }
    return false;
}

/* What the hub found while nobody looked came before what the streams have now: they are next, one
 * turn later. Two turns in a row are never the hub's. */
static void loop_look(struct lti_tool_loop *loop, size_t count)
{
    loop->kept = !loop->looked && leat_next(loop->hub, &loop->event, 0) == LEAT_OK;
    loop->looked = loop->kept;
    for (size_t i = 0; loop->kept && i < count; i++) {
        loop->items[i].can_read = loop->items[i].can_write = loop->items[i].gone = false;
    }
}

/* Returns an exit code. */
static int loop_sleep(struct lti_tool_loop *loop, size_t count, uint32_t timeout_ms)
{
    int64_t os_code = lti_tool_os_wait(loop->items, count, timeout_ms);

    if (os_code == 0 && loop->looking) {
        loop_look(loop, count);
    }
    if (os_code == 0 && loop->woken && timeout_ms > 0 && !loop_ready(loop->items, count)) {
        enum leat_error error = leat_next(loop->hub, &loop->event, timeout_ms);

        loop->kept = error == LEAT_OK;
        if (error != LEAT_OK && error != LEAT_E_TIMEOUT) {
            return lti_tool_fail(loop->o, error, 0);
        }
        os_code = lti_tool_os_wait(loop->items, count, 0);
    }
    return os_code == 0 ? LTI_TOOL_EXIT_OK
                        : lti_tool_fail_text(loop->o, LTI_TOOL_EXIT_OTHER, "cannot wait", os_code);
}

/* How long nothing needs us but what happens. */
static uint32_t loop_timeout(struct lti_tool_loop *loop)
{
    uint32_t timeout_ms = 0;
    uint64_t now = lti_tool_os_now_ms();

    if (leat_hub_deadline(loop->hub, &timeout_ms) != LEAT_OK) {
        return 0;
    }
    if (loop->progress && progress_moved(loop) && timeout_ms > PROGRESS_EVERY_MS) {
        timeout_ms = PROGRESS_EVERY_MS;
    }
    if (loop->looking && timeout_ms > LOOK_EVERY_MS) {
        timeout_ms = LOOK_EVERY_MS;
    }
    for (size_t i = 0; i < loop->pumps_count; i++) {
        uint32_t due_ms = lti_tool_pump_due_ms(&loop->pumps[i], now);

        timeout_ms = due_ms < timeout_ms ? due_ms : timeout_ms;
    }
    return timeout_ms;
}

/* What became possible. */
static void loop_go_on(struct lti_tool_loop *loop, const size_t *counts)
{
    struct lti_tool_wait *items = loop->items;
    size_t count = loop->waitable != LTI_TOOL_NO_HANDLE;
    uint64_t now = lti_tool_os_now_ms();

    if (loop->signals != LTI_TOOL_NO_HANDLE) {
        loop->signalled = items[count++].can_read;
    }
    if (loop->asking) {
        loop->typed = items[count].can_read || items[count].gone;
        count++;
    }
    for (size_t i = 0; i < loop->pumps_count; i++) {
        lti_tool_pump_ready(&loop->pumps[i], items + count, counts[i]);
        count += counts[i];
        if (lti_tool_pump_due_ms(&loop->pumps[i], now) == 0) {
            lti_tool_pump_quiet(&loop->pumps[i]);
        }
    }
}

int lti_tool_loop_wait(struct lti_tool_loop *loop)
{
    struct lti_tool_wait *items = loop->items;
    size_t counts[LTI_TOOL_PUMPS_MAX] = {0};
    size_t count = 0;
    int code;

    if (loop->waitable != LTI_TOOL_NO_HANDLE) {
        items[count++] = (struct lti_tool_wait){.handle = loop->waitable, .want_read = true};
    }
    if (loop->signals != LTI_TOOL_NO_HANDLE) {
        items[count++] = (struct lti_tool_wait){.handle = loop->signals, .want_read = true};
    }
    if (loop->asking) {
        items[count++] = (struct lti_tool_wait){.handle = loop->terminal, .want_read = true};
    }
    for (size_t i = 0; i < loop->pumps_count; i++) {
        counts[i] = lti_tool_pump_wants(&loop->pumps[i], items + count);
        count += counts[i];
    }
    loop->signalled = false;
    loop->typed = false;
    code = loop_sleep(loop, count, loop_timeout(loop));
    if (code == LTI_TOOL_EXIT_OK) {
        loop_go_on(loop, counts);
    }
    if (loop->progress) {
        progress_step(loop);
    }
    return code;
}
