/* SPDX-License-Identifier: MIT
 *
 * A binary heap of deadlines whose nodes know their place.
 *
 * Happy path: reserve makes room for one more node; set puts a node in, moves or removes it;
 *             pop_due takes out the first one whose time has come.
 * Fails:      only reserve can, for want of memory; nothing has changed then.
 * Invariants: no node comes before its parent, by time and then by order; nodes[i]->place is i +
 *             1; count <= reserved <= capacity.
 */
#include "deadlines.h"

#include "lti_assert.h"

#include <string.h>

#define DEADLINES_FIRST 16u      /* the smallest heap */
#define DEADLINES_CAP (1u << 22) /* there are fewer ids of all kinds together */

static bool deadline_before(const struct lti_deadline *a, const struct lti_deadline *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    /* The order wraps: what is less than half of all behind the other one came before it. */
    return a->order - b->order > UINT32_MAX / 2;
}

static void deadlines_put(struct lti_deadlines *heap, uint32_t index, struct lti_deadline *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

/* Finds the node's place, beginning at index, which is free. */
static void deadlines_settle(struct lti_deadlines *heap, uint32_t index, struct lti_deadline *node)
{
    LTI_ASSERT(index < heap->count && heap->count <= heap->reserved);
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!deadline_before(node, heap->nodes[parent]))
            break;
        deadlines_put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    for (;;) {
        uint32_t child = index * 2 + 1;
        if (child + 1 < heap->count && deadline_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (child >= heap->count || !deadline_before(heap->nodes[child], node))
            break;
        deadlines_put(heap, index, heap->nodes[child]);
        index = child;
    }
    deadlines_put(heap, index, node);
}

static void deadlines_remove(struct lti_deadlines *heap, struct lti_deadline *node)
{
    uint32_t index = node->place - 1;
    LTI_ASSERT(index < heap->count && heap->nodes[index] == node);
    LTI_ASSERT(node->time_ns != LTI_NEVER);
    struct lti_deadline *last = heap->nodes[--heap->count];
    if (last != node)
        deadlines_settle(heap, index, last);
    lti_deadline_init(node);
}

bool lti_deadlines_reserve(struct lti_deadlines *heap, struct lti_pool *pool)
{
    if (heap->reserved == heap->capacity) {
        uint32_t capacity = lti_pool_larger(heap->capacity, DEADLINES_FIRST, DEADLINES_CAP);
        LTI_ASSERT(capacity > heap->capacity);
        struct lti_deadline **larger = lti_pool_alloc(pool, capacity * sizeof *larger);
        if (larger == NULL)
            return false;
        if (heap->nodes)
            memcpy(larger, heap->nodes, heap->count * sizeof *larger);
        lti_pool_free(pool, heap->nodes, heap->capacity * sizeof *larger);
        heap->nodes = larger;
        heap->capacity = capacity;
    }
    heap->reserved++;
    LTI_ASSERT(heap->reserved <= heap->capacity);
    return true;
}

void lti_deadlines_unreserve(struct lti_deadlines *heap)
{
    LTI_ASSERT(heap->reserved > heap->count);
    heap->reserved--;
}

void lti_deadlines_end(struct lti_deadlines *heap, struct lti_pool *pool)
{
    LTI_ASSERT(heap->count == 0 && heap->reserved == 0);
    lti_pool_free(pool, heap->nodes, heap->capacity * sizeof *heap->nodes);
    memset(heap, 0, sizeof *heap);
}

void lti_deadline_init(struct lti_deadline *node)
{
    node->time_ns = LTI_NEVER;
    node->order = 0;
    node->place = 0;
}

void lti_deadline_set(struct lti_deadlines *heap, struct lti_deadline *node, uint64_t time_ns)
{
    if (time_ns == LTI_NEVER) {
        if (node->place != 0)
            deadlines_remove(heap, node);
        return;
    }
    uint32_t index;
    if (node->place == 0) {
        LTI_ASSERT(heap->count < heap->reserved);
        index = heap->count++;
    } else {
        index = node->place - 1;
        LTI_ASSERT(index < heap->count && heap->nodes[index] == node);
    }
    node->time_ns = time_ns;
    node->order = (uint32_t)heap->order++;
    deadlines_settle(heap, index, node);
}

uint64_t lti_deadlines_first(const struct lti_deadlines *heap)
{
    return heap->count > 0 ? heap->nodes[0]->time_ns : LTI_NEVER;
}

struct lti_deadline *lti_deadlines_pop_due(struct lti_deadlines *heap, uint64_t now_ns)
{
    if (heap->count == 0 || heap->nodes[0]->time_ns > now_ns)
        return NULL;
    struct lti_deadline *node = heap->nodes[0];
    deadlines_remove(heap, node);
    return node;
}
