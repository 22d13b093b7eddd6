/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of a hub: its options, waiting, waking, timers, foreign loops.
 *
 * Happy path: a hub is made, asked, and destroyed.
 * Fails:      each refusal leaves its outputs untouched.
 * Invariants: time is only ever waited for by leat_next.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct leat_hub *untouched(void)
{
    static char place;
    return (struct leat_hub *)(void *)&place;
}

static void hub_refused(const void *options)
{
    struct leat_hub *hub = untouched();
    CHECK_ERROR(leat_hub_create(options, &hub), LEAT_E_OPTIONS);
    CHECK(hub == untouched());
}

/* More connections than one look at the system brings news of: each is told of, and the time of a
 * timer that is due does not wait for them all. */
TEST(hub_tells_of_all_that_have_news_at_once)
{
    enum { PAIRS = 70 };
    struct leat_hub *hub = kit_begin();
    leat_conn ends[PAIRS][2];
    leat_timer timer;
    uint32_t told[PAIRS * 2] = {0}, all = 0;
    bool due = false;
    for (uint64_t i = 0; i < PAIRS; i++) {
        REQUIRE_ERROR(leat_pair(hub, hub, NULL, &ends[i][0], &ends[i][1]), LEAT_OK);
        for (uint64_t k = 0; k < 2; k++) {
            CHECK_ERROR(leat_set_tag(hub, ends[i][k], 2 * i + k), LEAT_OK);
            kit_write_text(hub, ends[i][k], "x");
        }
    }
    CHECK_ERROR(leat_timer_start(hub, 0, 1000, &timer), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while ((all < PAIRS * 2 || !due) && lti_test_now_ms() < end_ms) {
        struct leat_event event;
        if (leat_next(hub, &event, 20) != LEAT_OK || event.type == LEAT_EVENT_CONNECTED)
            continue;
        due = due || event.type == LEAT_EVENT_TIMER;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        kit_read_text(hub, event.conn, "x");
        all += ++told[event.tag] == 1;
        CHECK_INT(told[event.tag], 1);
    }
    CHECK_INT(all, PAIRS * 2);
    CHECK(due);
    kit_end(hub);
}

TEST(hub_create_and_destroy)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = NULL;
    CHECK_ERROR(leat_hub_create(NULL, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_create(NULL, &other), LEAT_OK);
    CHECK(other != NULL && other != hub);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(NULL), LEAT_OK);
    kit_end(hub);
}

TEST(hub_null_is_an_argument)
{
    struct leat_event event;
    uint32_t timeout_ms = 0;
    intptr_t waitable = 0;
    leat_timer timer;
    CHECK_ERROR(leat_next(NULL, &event, 0), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_wake(NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_deadline(NULL, &timeout_ms), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_waitable(NULL, &waitable), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_timer_start(NULL, 1, 1, &timer), LEAT_E_ARGUMENT);
    struct leat_hub *hub = kit_begin();
    CHECK_ERROR(leat_next(hub, NULL, 0), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_deadline(hub, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_hub_waitable(hub, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_timer_start(hub, 1, 1, NULL), LEAT_E_ARGUMENT);
    CHECK_INT(kit_hub_info(hub).timers, 0);
    kit_end(hub);
}

TEST(hub_options_size_and_tail)
{
    struct {
        struct leat_hub_options known;
        uint64_t tail[2];
    } later;
    struct leat_hub *hub = NULL;
    memset(&later, 0, sizeof later);
    later.known.size = sizeof later;
    CHECK_ERROR(leat_hub_create(&later.known, &hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    later.tail[1] = UINT64_C(1) << 63;
    hub_refused(&later);
    later.tail[1] = 0;
    later.known.size = sizeof later.known - 1;
    hub_refused(&later);
    later.known.size = 0;
    hub_refused(&later);
    later.known.size = sizeof later.known;
    later.known.conns_max = 65537;
    hub_refused(&later);
}

TEST(hub_single_thread_works)
{
    struct leat_hub_options options = {.size = sizeof options, .single_thread = true};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&options);
    struct kit_ends ends = kit_pair(hub, NULL);
    kit_write_text(hub, ends.dialled, "hello");
    kit_read_text(hub, ends.accepted, "hello");
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_WOKEN);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

TEST(hub_destroy_ends_everything)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_timer timer;
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    CHECK_ERROR(leat_timer_start(hub, 1000, 1, &timer), LEAT_OK);
    (void)kit_fill(hub, ends.dialled, 0);
    leat_conn far = kit_connect(other, kit_plain("server"), 9, NULL);
    REQUIRE_ERROR(leat_wait_connected(other, far, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    /* Nobody had accepted it: the peer is gone without having read. */
    struct leat_event event = KIT_UNTIL(other, LEAT_EVENT_CLOSED);
    CHECK(event.error == LEAT_E_CLOSED || event.error == LEAT_E_BROKEN);
    kit_end(other);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

TEST(next_without_events_times_out)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    memset(&event, 0x5A, sizeof event);
    struct leat_event before = event;
    CHECK_ERROR(leat_next(hub, &event, 0), LEAT_E_TIMEOUT);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_next(hub, &event, 60), LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK(took >= 59);
    CHECK(took < lti_test_scaled_ms(2000));
    CHECK_MEM(&event, &before, sizeof event);
    kit_end(hub);
}

TEST(next_without_events_asks_the_system_once)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    uint64_t before = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
    CHECK(kit_hub_info(hub).waits - before <= 3);
    before = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_next(hub, &event, 0), LEAT_E_TIMEOUT);
    CHECK_INT(kit_hub_info(hub).waits - before, 1);
    kit_end(hub);
}

TEST(wake_is_an_event_once)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 5; i++)
        CHECK_ERROR(leat_wake(hub), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_WOKEN);
    CHECK(event.conn.id == 0 && event.listener.id == 0 && event.timer.id == 0);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_WOKEN);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(wake_ends_every_wait)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn;
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    char buffer[8];
    size_t size = 0;
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, ends.dialled, LEAT_FOREVER), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_closed(hub, ends.dialled, LEAT_FOREVER), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_accepted(hub, listener, LEAT_FOREVER, &conn), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_read_full(hub, ends.dialled, buffer, 1, LEAT_FOREVER, &size), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_read_line(hub, ends.dialled, buffer, 8, LEAT_FOREVER, &size), LEAT_E_WOKEN);
    (void)kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_writable(hub, ends.dialled, LEAT_FOREVER), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, LEAT_FOREVER), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    uint64_t undelivered = 77;
    CHECK_ERROR(leat_close_wait(hub, ends.dialled, 60000, &undelivered), LEAT_E_WOKEN);
    CHECK_INT(undelivered, 0);
    KIT_STALE(hub, ends.dialled);
    kit_end(hub);
}

TEST(wake_does_not_hide_what_is_there)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    kit_write_text(hub, ends.dialled, "x");
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    /* What is so already needs no wait, and the wake is still there. */
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_WOKEN);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_end(hub);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

TEST(timers_come_in_order_once)
{
    struct leat_hub *hub = kit_begin();
    leat_timer timers[4];
    const uint32_t delays[4] = {60, 20, 80, 40};
    uint64_t begin = kit_now_ms();
    for (uint64_t i = 0; i < 4; i++)
        CHECK_ERROR(leat_timer_start(hub, delays[i], 1000 + i, &timers[i]), LEAT_OK);
    CHECK_INT(kit_hub_info(hub).timers, 4);
    static const size_t order[4] = {1, 3, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_TIMER);
        CHECK_INT(event.tag, 1000 + order[i]);
        CHECK(event.timer.id == timers[order[i]].id);
        CHECK(kit_now_ms() - begin + 1 >= delays[order[i]]);
        CHECK_ERROR(leat_timer_cancel(hub, event.timer), LEAT_E_STALE);
    }
    CHECK_INT(kit_hub_info(hub).timers, 0);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(timer_of_zero_is_due_at_once)
{
    struct leat_hub *hub = kit_begin();
    leat_timer timer;
    CHECK_ERROR(leat_timer_start(hub, 0, 7, &timer), LEAT_OK);
    struct leat_event event;
    REQUIRE_ERROR(leat_next(hub, &event, 0), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_TIMER);
    CHECK_INT(event.tag, 7);
    kit_end(hub);
}

TEST(timer_cancelled_does_not_come)
{
    struct leat_hub *hub = kit_begin();
    leat_timer first, second, third;
    CHECK_ERROR(leat_timer_start(hub, 20, 1, &first), LEAT_OK);
    CHECK_ERROR(leat_timer_start(hub, 30, 2, &second), LEAT_OK);
    CHECK_ERROR(leat_timer_start(hub, 40, 3, &third), LEAT_OK);
    CHECK_ERROR(leat_timer_cancel(hub, first), LEAT_OK);
    CHECK_ERROR(leat_timer_cancel(hub, first), LEAT_E_STALE);
    kit_pass(60);
    /* The second is due by now; looking for the event makes the third ready as well. */
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_TIMER).tag, 2);
    CHECK_ERROR(leat_timer_cancel(hub, third), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).timers, 0);
    kit_end(hub);
}

TEST(timer_arguments_and_handles)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_timer timer = {77};
    CHECK_ERROR(leat_timer_start(hub, LEAT_FOREVER, 1, &timer), LEAT_E_ARGUMENT);
    CHECK_INT(timer.id, 77);
    CHECK_ERROR(leat_timer_cancel(hub, timer), LEAT_E_STALE);
    CHECK_ERROR(leat_timer_cancel(hub, (leat_timer){0}), LEAT_E_STALE);
    CHECK_ERROR(leat_timer_start(hub, LEAT_FOREVER - 1, 1, &timer), LEAT_OK);
    CHECK_ERROR(leat_timer_cancel(other, timer), LEAT_E_STALE);
    /* An id of another kind is no timer either. */
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    CHECK_ERROR(leat_timer_cancel(hub, (leat_timer){listener.id}), LEAT_E_STALE);
    CHECK_ERROR(leat_listener_close(hub, (leat_listener){timer.id}), LEAT_E_STALE);
    CHECK_ERROR(leat_timer_cancel(hub, timer), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(timers_have_a_limit)
{
    struct leat_hub *hub = kit_begin();
    leat_timer timer = {0};
    uint64_t before = kit_hub_info(hub).memory_bytes;
    for (uint64_t i = 0; i < 65536; i++)
        REQUIRE_ERROR(leat_timer_start(hub, 1, i, &timer), LEAT_OK);
    leat_timer refused = {77};
    CHECK_ERROR(leat_timer_start(hub, 1, 1, &refused), LEAT_E_LIMIT);
    CHECK_INT(refused.id, 77);
    CHECK_ERROR(leat_timer_cancel(hub, timer), LEAT_OK);
    CHECK_ERROR(leat_timer_start(hub, 1, 1, &refused), LEAT_OK);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_pass(5);
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_TIMER], 65536);
    CHECK(kit_hub_info(hub).memory_bytes_high < before + 16 * KIT_MIB);
    kit_end(hub);
}

/* ---- Foreign loops --------------------------------------------------------------------------- */

TEST(deadline_says_how_long_to_wait)
{
    struct leat_hub *hub = kit_begin();
    leat_timer timer;
    uint32_t timeout_ms = 5;
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, LEAT_FOREVER);
    CHECK_ERROR(leat_timer_start(hub, 5000, 1, &timer), LEAT_OK);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK(timeout_ms > 0 && timeout_ms <= 5000);
    CHECK_ERROR(leat_timer_start(hub, 0, 2, &timer), LEAT_OK);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, 0);
    KIT_NEXT(hub, LEAT_EVENT_TIMER);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, 0);
    KIT_NEXT(hub, LEAT_EVENT_WOKEN);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK(timeout_ms > 0 && timeout_ms <= 5000);
    kit_end(hub);
}

TEST(deadline_is_zero_while_events_are_ready)
{
    struct leat_hub *hub = kit_begin();
    uint32_t timeout_ms = 5;
    intptr_t waitable = -1;
    CHECK_INT(kit_hub_info(hub).threads, 0);
    CHECK_ERROR(leat_hub_waitable(hub, &waitable),
                kit_waitable_there() ? LEAT_OK : LEAT_E_UNSUPPORTED);
    CHECK((waitable >= 0) == kit_waitable_there());
    CHECK_INT(kit_hub_info(hub).threads, KIT_PIPES ? 1 : 0);
    struct kit_ends ends = kit_pair(hub, NULL);
    kit_write_text(hub, ends.dialled, "x");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    CHECK_INT(timeout_ms, 0);
    kit_read_text(hub, ends.accepted, "x");
    KIT_QUIET(hub);
    CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    /* A pipe that was busy is looked after for a while, and then no more. */
    for (int i = 0; KIT_PIPES && timeout_ms != LEAT_FOREVER && i < 20; i++) {
        struct leat_event event;
        CHECK_ERROR(leat_next(hub, &event, timeout_ms), LEAT_E_TIMEOUT);
        CHECK_ERROR(leat_hub_deadline(hub, &timeout_ms), LEAT_OK);
    }
    CHECK_INT(timeout_ms, LEAT_FOREVER);
    kit_end(hub);
}

TEST(hub_conns_max)
{
    struct leat_hub *base = kit_begin();
    struct leat_hub_options options = {.size = sizeof options, .conns_max = 4};
    struct leat_hub *hub = kit_hub(&options);
    leat_conn a = {77}, b = {78};
    struct kit_ends first = kit_pair(hub, NULL);
    (void)kit_pair(hub, NULL);
    CHECK_ERROR(leat_pair(hub, hub, NULL, &a, &b), LEAT_E_LIMIT);
    CHECK_ERROR(leat_connect(hub, kit_plain("nobody"), NULL, &a), LEAT_E_LIMIT);
    CHECK(a.id == 77 && b.id == 78);
    CHECK_INT(kit_hub_info(hub).conns, 4);
    CHECK_ERROR(leat_abort(hub, first.dialled), LEAT_OK);
    CHECK_ERROR(leat_pair(hub, hub, NULL, &a, &b), LEAT_E_LIMIT);
    CHECK(a.id == 77 && b.id == 78);
    CHECK_ERROR(leat_abort(hub, first.accepted), LEAT_OK);
    CHECK_ERROR(leat_pair(hub, hub, NULL, &a, &b), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

TEST(hub_memory_is_bounded)
{
    struct leat_hub *base = kit_begin();
    struct leat_hub_options options = {.size = sizeof options, .memory_bytes_max = KIT_MIB};
    struct leat_hub *hub = kit_hub(&options);
    leat_conn writer, reader;
    static uint8_t block[65536];
    uint64_t total = 0;
    REQUIRE_ERROR(leat_pair(hub, base, &kit_roomy, &writer, &reader), LEAT_OK);
    enum leat_error error = LEAT_OK;
    kit_pattern(block, sizeof block, 0);
    for (int i = 0; i < 200 && error == LEAT_OK; i++) {
        size_t accepted = 0;
        error = leat_write(hub, writer, block, sizeof block, &accepted);
        total += accepted;
    }
    CHECK_ERROR(error, LEAT_E_MEMORY);
    CHECK(kit_hub_info(hub).memory_bytes_high <= KIT_MIB);
    /* What was accepted arrives all the same. */
    uint64_t got = 0;
    for (int i = 0; i < 10000 && got < total; i++) {
        size_t size = 0;
        kit_drain(hub, NULL, NULL);
        error = leat_read(base, reader, block, sizeof block, &size);
        if (error == LEAT_E_EMPTY)
            error = leat_wait_readable(base, reader, 0);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        got += size;
    }
    CHECK_INT(got, total);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}
