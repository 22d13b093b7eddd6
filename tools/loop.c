/* SPDX-License-Identifier: MIT
 *
 * The command's poll loop around a hub: the foreign loop that leat_hub_waitable is made for.
 *
 * Happy path: take the events that are ready, then wait for the hub, signals and streams together,
 * at most until the hub's next deadline.
 *
 * Fails: a wait that the system refuses is printed and ends the command.
 *
 * Invariants: streams get their turn after a bounded number of events, however many there are.
 */
#include "loop.h"

#define EVENTS_MAX 64u
#define PROGRESS_AFTER_MS 1000u
#define PROGRESS_EVERY_MS 200u

int lti_tool_loop_open(struct lti_tool_loop *loop, const struct lti_tool_options *o)
{
    struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    enum leat_error error = leat_hub_create(&options, &loop->hub);

    loop->o = o;
    loop->signals = LTI_TOOL_NO_HANDLE;
    if (error == LEAT_OK) {
        error = leat_hub_waitable(loop->hub, &loop->waitable);
    }
    return error == LEAT_OK ? LTI_TOOL_EXIT_OK : lti_tool_fail(o, error, 0);
}

void lti_tool_loop_close(struct lti_tool_loop *loop)
{
    if (loop->hub != NULL) {
        (void)leat_hub_destroy(loop->hub);
        loop->hub = NULL;
    }
}

bool lti_tool_loop_event(struct lti_tool_loop *loop, unsigned *taken, struct leat_event *event)
{
    if (*taken == EVENTS_MAX) {
        return false;
    }
    *taken += 1;
    return leat_next(loop->hub, event, 0) == LEAT_OK;
}

void lti_tool_loop_progress_start(struct lti_tool_loop *loop)
{
    loop->started_ms = lti_tool_os_now_ms();
    loop->progress = !loop->o->quiet && lti_tool_os_is_terminal(2) &&
                     !lti_tool_os_is_terminal(lti_tool_os_stdin()) &&
                     !lti_tool_os_is_terminal(lti_tool_os_stdout());
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

    if (now - loop->started_ms > PROGRESS_AFTER_MS && now - loop->shown_ms >= PROGRESS_EVERY_MS &&
        loop->pumps[0].sent + loop->pumps[0].received > 0) {
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

int lti_tool_loop_wait(struct lti_tool_loop *loop)
{
    struct lti_tool_wait *items = loop->items;
    size_t counts[LTI_TOOL_PUMPS_MAX];
    size_t count = 0;
    uint32_t timeout_ms = 0;
    int64_t os_code;

    if (leat_hub_deadline(loop->hub, &timeout_ms) != LEAT_OK) {
        timeout_ms = 0;
    }
    if (loop->progress && timeout_ms > PROGRESS_EVERY_MS) {
        timeout_ms = PROGRESS_EVERY_MS;
    }
    items[count++] = (struct lti_tool_wait){.handle = loop->waitable, .want_read = true};
    if (loop->signals != LTI_TOOL_NO_HANDLE) {
        items[count++] = (struct lti_tool_wait){.handle = loop->signals, .want_read = true};
    }
    for (size_t i = 0; i < loop->pumps_count; i++) {
        counts[i] = lti_tool_pump_wants(&loop->pumps[i], items + count);
        count += counts[i];
    }
    os_code = lti_tool_os_wait(items, count, timeout_ms);
    if (os_code != 0) {
        return lti_tool_fail_text(loop->o, LTI_TOOL_EXIT_OTHER, "cannot wait", os_code);
    }
    count = 1;
    loop->signalled = false;
    if (loop->signals != LTI_TOOL_NO_HANDLE) {
        loop->signalled = items[count++].can_read;
    }
    for (size_t i = 0; i < loop->pumps_count; i++) {
        lti_tool_pump_ready(&loop->pumps[i], items + count, counts[i]);
        count += counts[i];
    }
    if (loop->progress) {
        progress_step(loop);
    }
    return LTI_TOOL_EXIT_OK;
}
