/* SPDX-License-Identifier: MIT
 *
 * Waits that ask before they sleep, beside threads: answers, wake-ups and work of others come
 * through; and when nothing comes any more, nobody asks.
 *
 * Happy path: two threads talk, each with a hub of its own, and their waits are short.
 * Fails:      a wake-up that gets lost: the wait never ends.
 * Invariants: nothing is guessed from the passing of time.
 */
#include "conformance/kit.h"
#include "conformance_real/cost.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 3000u
#define IDLE_MS (KIT_PIPES ? 2000u : 1000u)
#define IDLE_US_MAX                                                                                \
    (KIT_PIPES ? 56000u : 20000u) /* 2 %, and a step of the clock of pipes' system */

struct side {
    struct leat_hub *hub;
    leat_conn conn;
    uint32_t rounds;
};

static struct leat_hub *spinning(bool single_thread)
{
    const struct leat_hub_options options = {
        .size = sizeof options, .single_thread = single_thread, .spin_us = 1000};
    return kit_hub(&options);
}

static void sides_begin(struct side *one, struct side *other, struct leat_hub *hub)
{
    *one = (struct side){.hub = hub, .rounds = ROUNDS};
    *other = (struct side){.hub = spinning(false), .rounds = ROUNDS};
    REQUIRE_ERROR(leat_pair(one->hub, other->hub, NULL, &one->conn, &other->conn), LEAT_OK);
}

static void sides_end(const struct side *one, const struct side *other)
{
    CHECK_ERROR(leat_hub_destroy(one->hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(other->hub), LEAT_OK);
}

static void answer(void *argument)
{
    struct side *side = argument;
    uint32_t word;
    size_t done;
    for (uint32_t i = 0; i < side->rounds; i++) {
        enum leat_error error =
            leat_read_full(side->hub, side->conn, &word, sizeof word, LEAT_FOREVER, &done);
        if (!CHECK_ERROR(error, LEAT_OK))
            return;
        kit_write(side->hub, side->conn, &word, sizeof word);
    }
}

/* Both ends are open before a thread takes one of them. */
static void talk(struct side *one, struct side *other)
{
    struct kit_thread *thread = kit_thread_start(answer, other);
    for (uint32_t i = 0; i < one->rounds; i++) {
        uint32_t word = i, back = 0;
        size_t done;
        kit_write(one->hub, one->conn, &word, sizeof word);
        REQUIRE_ERROR(leat_read_full(one->hub, one->conn, &back, sizeof back, LEAT_FOREVER, &done),
                      LEAT_OK);
        REQUIRE_INT(back, i);
    }
    kit_thread_join(thread);
}

static void talks(bool single_thread)
{
    struct leat_hub *base = kit_begin();
    struct side one, other;
    sides_begin(&one, &other, spinning(single_thread));
    talk(&one, &other);
    struct leat_hub_info info = kit_hub_info(one.hub);
    CHECK(info.spins > 0);
    CHECK(info.spins <= info.waits);
    sides_end(&one, &other);
    kit_end(base);
}

TEST(spin_between_two_threads)
{
    talks(false);
}

TEST(spin_between_two_threads_without_a_lock)
{
    talks(true);
}

/* By default with more than one CPU only, and not over pipes. */
TEST(spin_default_follows_the_cpus)
{
    struct leat_hub *base = kit_begin();
    const char *cpus = getenv("LEAT_TEST_CPUS"); /* else the fault object says one */
    bool expected = !KIT_PIPES && cpus && strcmp(cpus, "1") != 0;
    struct side one, other;
    sides_begin(&one, &other, kit_hub(NULL));
    talk(&one, &other);
    CHECK_INT(kit_hub_info(one.hub).spins > 0, expected);
    sides_end(&one, &other);
    kit_end(base);
}

#define SELDOM 500u      /* rounds between two words of the other connection */
#define ANSWERS_MAX 100u /* that may come before one of these is heard */

struct beside {
    struct side side;
    leat_conn seldom;
};

static void answer_beside(void *argument)
{
    struct beside *beside = argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t word;
        size_t done;
        enum leat_error error = leat_read_full(beside->side.hub, beside->side.conn, &word,
                                               sizeof word, LEAT_FOREVER, &done);
        if (!CHECK_ERROR(error, LEAT_OK))
            return;
        if (i % SELDOM == SELDOM - 1)
            kit_write(beside->side.hub, beside->seldom, "s", 1);
        kit_write(beside->side.hub, beside->side.conn, &word, sizeof word);
    }
}

/* Of two connections one speaks alone, for hundreds of turns, so that it is read from before the
 * system is asked who spoke: the other one is heard all the same. */
TEST(spin_hears_who_speaks_seldom)
{
    struct leat_hub *base = kit_begin();
    struct side one;
    struct beside other;
    leat_conn seldom;
    uint32_t answers = 0, heard = 0;
    sides_begin(&one, &other.side, spinning(false));
    REQUIRE_ERROR(leat_pair(one.hub, other.side.hub, NULL, &seldom, &other.seldom), LEAT_OK);
    struct kit_thread *thread = kit_thread_start(answer_beside, &other);
    kit_write(one.hub, one.conn, &answers, sizeof answers);
    while (answers < ROUNDS || heard < ROUNDS / SELDOM) {
        struct leat_event event;
        char bytes[sizeof answers];
        size_t size = 0;
        REQUIRE_ERROR(leat_next(one.hub, &event, LEAT_FOREVER), LEAT_OK);
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        REQUIRE_ERROR(leat_read(one.hub, event.conn, bytes, sizeof bytes, &size), LEAT_OK);
        if (event.conn.id == seldom.id) {
            heard += (uint32_t)size;
            continue;
        }
        REQUIRE_INT(size, sizeof answers);
        answers++;
        CHECK(answers < ANSWERS_MAX || heard >= (answers - ANSWERS_MAX) / SELDOM);
        if (answers < ROUNDS)
            kit_write(one.hub, one.conn, &answers, sizeof answers);
    }
    kit_thread_join(thread);
    sides_end(&one, &other.side);
    kit_end(base);
}

static void woken_answer(void *argument)
{
    struct side *side = argument;
    for (uint32_t i = 0; i < side->rounds; i++) {
        struct leat_event event;
        enum leat_error error = leat_next(side->hub, &event, LEAT_FOREVER);
        if (error != LEAT_OK || event.type != LEAT_EVENT_WOKEN) {
            CHECK_ERROR(error, LEAT_OK);
            CHECK_INT(event.type, LEAT_EVENT_WOKEN);
            return;
        }
        kit_write(side->hub, side->conn, "w", 1);
    }
}

/* Each wake-up comes while the other side begins to wait: before it asks, meanwhile, or after. */
TEST(spin_loses_no_wake_up)
{
    struct leat_hub *base = kit_begin();
    struct side one, other;
    sides_begin(&one, &other, spinning(false));
    KIT_NEXT(other.hub, LEAT_EVENT_CONNECTED);
    struct kit_thread *thread = kit_thread_start(woken_answer, &other);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char byte;
        size_t done;
        CHECK_ERROR(leat_wake(other.hub), LEAT_OK);
        REQUIRE_ERROR(leat_read_full(one.hub, one.conn, &byte, 1, LEAT_FOREVER, &done), LEAT_OK);
    }
    kit_thread_join(thread);
    CHECK(kit_hub_info(other.hub).spins > 0);
    sides_end(&one, &other);
    kit_end(base);
}

struct timers {
    struct leat_hub *hub;
    uint32_t seen;
};

static void timers_take(void *argument)
{
    struct timers *timers = argument;
    for (; timers->seen < ROUNDS; timers->seen++) {
        struct leat_event event;
        enum leat_error error = leat_next(timers->hub, &event, LEAT_FOREVER);
        if (error != LEAT_OK || event.type != LEAT_EVENT_TIMER) {
            CHECK_ERROR(error, LEAT_OK);
            CHECK_INT(event.type, LEAT_EVENT_TIMER);
            return;
        }
    }
}

/* Who asks is told that something became due, as one who sleeps is. */
TEST(spin_hears_of_work_of_others)
{
    struct leat_hub *base = kit_begin();
    struct timers timers = {.hub = spinning(false)};
    struct kit_thread *thread = kit_thread_start(timers_take, &timers);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        leat_timer timer;
        REQUIRE_ERROR(leat_timer_start(timers.hub, 0, i, &timer), LEAT_OK);
    }
    kit_thread_join(thread);
    CHECK_INT(timers.seen, ROUNDS);
    CHECK_ERROR(leat_hub_destroy(timers.hub), LEAT_OK);
    kit_end(base);
}

/* After a talk in which every wait was short, the next one sleeps. */
TEST(spin_ends_when_nothing_comes)
{
    struct leat_hub *base = kit_begin();
    struct side one, other;
    struct leat_event event;
    sides_begin(&one, &other, spinning(false));
    talk(&one, &other);
    while (leat_next(one.hub, &event, 0) == LEAT_OK)
        continue;
    struct leat_hub_info before = kit_hub_info(one.hub);
    uint64_t used_us = cost_processor_us();
    CHECK_ERROR(leat_next(one.hub, &event, IDLE_MS), LEAT_E_TIMEOUT);
    used_us = cost_processor_us() - used_us;
    CHECK(used_us < lti_test_scaled_ms(IDLE_US_MAX));
    CHECK(kit_hub_info(one.hub).spins <= before.spins + 1);
    sides_end(&one, &other);
    kit_end(base);
}
