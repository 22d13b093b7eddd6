/* SPDX-License-Identifier: MIT
 *
 * The heap of deadlines, by hand and against a plain list.
 */
#include "deadlines.h"

#include "harness.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

#define NODES 100

static struct lti_pool pool;
static struct lti_deadlines heap;
static struct lti_deadline nodes[NODES];

static void heap_begin(uint32_t count)
{
    lti_pool_init(&pool, SIZE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(lti_deadlines_reserve(&heap, &pool));
        lti_deadline_init(&nodes[i]);
    }
}

static void heap_end(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lti_deadline_set(&heap, &nodes[i], LTI_NEVER);
        lti_deadlines_unreserve(&heap);
    }
    lti_deadlines_end(&heap, &pool);
    lti_pool_end(&pool);
}

TEST(deadlines_empty)
{
    heap_begin(1);
    CHECK_INT(lti_deadlines_first(&heap), LTI_NEVER);
    CHECK(lti_deadlines_pop_due(&heap, LTI_NEVER) == NULL);
    lti_deadline_set(&heap, &nodes[0], LTI_NEVER);
    CHECK_INT(heap.count, 0);
    heap_end(1);
}

/* A node begins in any memory, and one that was taken out keeps nothing. */
TEST(deadlines_begin_alike)
{
    heap_begin(1);
    memset(&nodes[0], 0xFF, sizeof nodes[0]);
    lti_deadline_init(&nodes[0]);
    const struct lti_deadline begun = nodes[0];
    CHECK_INT(begun.time_ns, LTI_NEVER);
    CHECK_INT(begun.order, 0);
    CHECK_INT(begun.place, 0);
    heap.order = 3;
    lti_deadline_set(&heap, &nodes[0], 1);
    CHECK_INT(nodes[0].order, 3);
    CHECK(lti_deadlines_pop_due(&heap, 1) == &nodes[0]);
    CHECK_MEM(&nodes[0], &begun, sizeof begun);
    heap_end(1);
}

TEST(deadlines_come_in_order)
{
    heap_begin(4);
    lti_deadline_set(&heap, &nodes[0], 30);
    lti_deadline_set(&heap, &nodes[1], 10);
    lti_deadline_set(&heap, &nodes[2], 20);
    lti_deadline_set(&heap, &nodes[3], 0);
    CHECK_INT(lti_deadlines_first(&heap), 0);
    lti_deadline_set(&heap, &nodes[3], LTI_NEVER);
    CHECK_INT(nodes[3].time_ns, LTI_NEVER);
    CHECK_INT(nodes[3].place, 0);
    CHECK_INT(lti_deadlines_first(&heap), 10);
    CHECK(lti_deadlines_pop_due(&heap, 9) == NULL);
    CHECK(lti_deadlines_pop_due(&heap, 10) == &nodes[1]);
    CHECK_INT(nodes[1].time_ns, LTI_NEVER);
    CHECK(lti_deadlines_pop_due(&heap, 10) == NULL);
    CHECK(lti_deadlines_pop_due(&heap, 1000) == &nodes[2]);
    CHECK(lti_deadlines_pop_due(&heap, 1000) == &nodes[0]);
    CHECK_INT(lti_deadlines_first(&heap), LTI_NEVER);
    heap_end(4);
}

TEST(deadlines_equal_times_come_as_set)
{
    heap_begin(20);
    for (int i = 0; i < 20; i++)
        lti_deadline_set(&heap, &nodes[i], 5);
    lti_deadline_set(&heap, &nodes[0], 5); /* set again: now the last */
    for (int i = 1; i < 20; i++)
        CHECK(lti_deadlines_pop_due(&heap, 5) == &nodes[i]);
    CHECK(lti_deadlines_pop_due(&heap, 5) == &nodes[0]);
    heap_end(20);
}

/* A heap that ended is as one that never was. */
TEST(deadlines_begin_again)
{
    for (int lives = 0; lives < 2; lives++) {
        heap_begin(1);
        lti_deadline_set(&heap, &nodes[0], 1);
        CHECK_INT(nodes[0].order, 0);
        heap_end(1);
        CHECK(heap.nodes == NULL);
        CHECK_INT(heap.capacity, 0);
    }
}

TEST(deadlines_reserve_without_memory)
{
    lti_pool_init(&pool, 0);
    CHECK(!lti_deadlines_reserve(&heap, &pool));
    CHECK_INT(heap.reserved, 0);
    pool.bytes_max = 16 * sizeof(void *);
    for (int i = 0; i < 16; i++) {
        REQUIRE(lti_deadlines_reserve(&heap, &pool));
        lti_deadline_init(&nodes[i]);
        lti_deadline_set(&heap, &nodes[i], 7);
    }
    CHECK(!lti_deadlines_reserve(&heap, &pool));
    CHECK_INT(heap.reserved, 16);
    CHECK_INT(heap.count, 16);
    heap_end(16);
}

/* A heap that grows while deadlines are set keeps them. */
TEST(deadlines_grow)
{
    lti_pool_init(&pool, SIZE_MAX);
    for (uint32_t i = 0; i < NODES; i++) {
        REQUIRE(lti_deadlines_reserve(&heap, &pool));
        lti_deadline_init(&nodes[i]);
        lti_deadline_set(&heap, &nodes[i], 1000 - i);
    }
    for (uint32_t i = NODES; i > 0; i--)
        CHECK(lti_deadlines_pop_due(&heap, 1000) == &nodes[i - 1]);
    heap_end(NODES);
}

/* The first in a plain list; -1 when it is empty. */
static int model_first(const uint64_t *times, const uint64_t *orders)
{
    int first = -1;
    for (int i = 0; i < NODES; i++) {
        if (times[i] == LTI_NEVER)
            continue;
        if (first < 0 || times[i] < times[first] ||
            (times[i] == times[first] && orders[i] < orders[first]))
            first = i;
    }
    return first;
}

static void heap_check(void)
{
    for (uint32_t i = 0; i < heap.count; i++) {
        REQUIRE_INT(heap.nodes[i]->place, i + 1);
        if (i > 0)
            REQUIRE(heap.nodes[(i - 1) / 2]->time_ns <= heap.nodes[i]->time_ns);
    }
}

TEST(deadlines_against_list)
{
    uint64_t times[NODES];
    uint64_t orders[NODES] = {0};
    uint64_t order = 1;
    uint64_t now = 0;
    struct prng prng = {3};
    memset(times, 0xFF, sizeof times);
    heap_begin(NODES);
    heap.order = UINT32_MAX - 5000u; /* what a node keeps of it wraps on the way */
    for (int step = 0; step < 20000; step++) {
        size_t at = prng_below(&prng, NODES);
        int first = model_first(times, orders);
        REQUIRE_INT(lti_deadlines_first(&heap), first < 0 ? LTI_NEVER : times[first]);
        switch (prng_below(&prng, 4)) {
        case 0:
            times[at] = LTI_NEVER;
            lti_deadline_set(&heap, &nodes[at], LTI_NEVER);
            break;
        case 1:
            now += prng_below(&prng, 4);
            if (first >= 0 && times[first] > now)
                first = -1;
            REQUIRE(lti_deadlines_pop_due(&heap, now) == (first < 0 ? NULL : &nodes[first]));
            if (first >= 0)
                times[first] = LTI_NEVER;
            break;
        default:
            times[at] = now + prng_below(&prng, 100);
            orders[at] = order++;
            lti_deadline_set(&heap, &nodes[at], times[at]);
            break;
        }
        heap_check();
    }
    heap_end(NODES);
}

TEST(deadlines_traps)
{
    heap_begin(2);
    lti_deadline_set(&heap, &nodes[0], 1);
    lti_deadline_set(&heap, &nodes[1], 2);
    lti_deadline_init(&nodes[2]);
    struct lti_deadline copy = nodes[0];
    struct lti_deadline wild = {1, 1, 9};
    CHECK_TRAPS(lti_deadline_set(&heap, &nodes[2], 3));
    CHECK_TRAPS(lti_deadline_set(&heap, &copy, 3));
    CHECK_TRAPS(lti_deadline_set(&heap, &copy, LTI_NEVER));
    CHECK_TRAPS(lti_deadline_set(&heap, &wild, 3));
    CHECK_TRAPS(lti_deadline_set(&heap, &wild, LTI_NEVER));
    CHECK_TRAPS(lti_deadlines_unreserve(&heap));
    CHECK_TRAPS(lti_deadlines_end(&heap, &pool));
    heap_end(2);
}
