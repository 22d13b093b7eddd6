/* SPDX-License-Identifier: MIT
 *
 * A binary heap of deadlines, intrusive: a node knows its place, so that moving and removing cost
 * O(log n) and never fail. Equal times come in the order they were set, unless two thousand
 * million were set between them. Pure.
 */
#ifndef LTI_DEADLINES_H
#define LTI_DEADLINES_H

#include "pool.h"

#include <stdbool.h>

#define LTI_NEVER UINT64_MAX

struct lti_deadline {
    uint64_t time_ns; /* LTI_NEVER: not in the heap */
    uint32_t order;   /* the low half of the heap's when it was set */
    uint32_t place;   /* index + 1; 0: not in the heap */
};

struct lti_deadlines {
    struct lti_deadline **nodes;
    uint32_t count, capacity, reserved;
    uint64_t order;
};

/* Every node that may be set at the same time is reserved once (at its endpoint's creation), so
 * that set never fails. */
bool lti_deadlines_reserve(struct lti_deadlines *heap, struct lti_pool *pool);
void lti_deadlines_unreserve(struct lti_deadlines *heap);
void lti_deadlines_end(struct lti_deadlines *heap, struct lti_pool *pool);

void lti_deadline_init(struct lti_deadline *node);
/* LTI_NEVER removes */
void lti_deadline_set(struct lti_deadlines *heap, struct lti_deadline *node, uint64_t time_ns);
/* LTI_NEVER when empty */
uint64_t lti_deadlines_first(const struct lti_deadlines *heap);
/* null when none is due */
struct lti_deadline *lti_deadlines_pop_due(struct lti_deadlines *heap, uint64_t now_ns);

#endif
