/* SPDX-License-Identifier: MIT
 *
 * The user's timers.
 *
 * Happy path: start sets a deadline; when it has come the timer is ready, and handing its event
 *             out ends it.
 * Fails:      no memory, or too many timers: nothing was started.
 * Invariants: a timer that was cancelled has no event, also when it was due already.
 */
#include "core.h"

#include "lti_assert.h"

#include <string.h>

#define TIMERS_MAX 65536u

enum leat_error leat_timer_start(struct leat_hub *hub, uint32_t delay_ms, uint64_t tag,
                                 leat_timer *timer_out)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_timer *timer = 0;
    if (!timer_out || delay_ms == LEAT_FOREVER)
        error = LEAT_E_ARGUMENT;
    else if (hub->timers_used >= TIMERS_MAX)
        error = LEAT_E_LIMIT;
    else if (!(timer = lti_pool_alloc(&hub->pool, sizeof *timer)))
        error = LEAT_E_MEMORY;
    if (timer && !lti_deadlines_reserve(&hub->deadlines, &hub->pool)) {
        lti_pool_free(&hub->pool, timer, sizeof *timer);
        timer = 0;
        error = LEAT_E_MEMORY;
    }
    if (timer) {
        memset(timer, 0, sizeof *timer);
        timer->id = lti_slots_add(&hub->timers, &hub->pool, timer);
        if (timer->id == 0) {
            lti_deadlines_unreserve(&hub->deadlines);
            lti_pool_free(&hub->pool, timer, sizeof *timer);
            error = LEAT_E_MEMORY;
        }
    }
    if (error == LEAT_OK) {
        timer->base.kind = LTI_KIND_TIMER;
        timer->base.tag = tag;
        lti_deadline_init(&timer->base.deadline);
        lti_hub_due(hub, &timer->base, lti_hub_after(hub, delay_ms));
        hub->timers_used++;
        timer_out->id = timer->id;
    }
    lti_hub_leave(hub);
    return error;
}

void lti_timer_end(struct leat_hub *hub, struct lti_timer *timer)
{
    lti_hub_list(hub, &timer->base, LTI_LIST_NONE);
    lti_deadline_set(&hub->deadlines, &timer->base.deadline, LTI_NEVER);
    lti_deadlines_unreserve(&hub->deadlines);
    LTI_ASSERT(hub->timers_used > 0);
    lti_slots_remove(&hub->timers, timer->id);
    lti_pool_free(&hub->pool, timer, sizeof *timer);
    hub->timers_used--;
}

enum leat_error leat_timer_cancel(struct leat_hub *hub, leat_timer timer)
{
    enum leat_error error = lti_hub_enter(hub);
    if (error != LEAT_OK)
        return error;
    struct lti_timer *found = lti_slots_find(&hub->timers, timer.id);
    if (found)
        lti_timer_end(hub, found);
    else
        error = LEAT_E_STALE;
    lti_hub_leave(hub);
    return error;
}
