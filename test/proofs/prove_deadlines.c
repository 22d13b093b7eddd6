/* SPDX-License-Identifier: MIT
 *
 * deadlines.c: the order of the heap, a node's place, and what the heap answers.
 */
#include "proofs.h"

#include "deadlines.h"

/*@ requires \valid_read(a) && \valid_read(b);
    assigns \nothing;
    ensures \result <==>
        a->time_ns < b->time_ns ||
        (a->time_ns == b->time_ns && (uint32_t)(a->order - b->order) > 0x7fffffff); */
static bool deadline_before(const struct lti_deadline *a, const struct lti_deadline *b);

/*@ requires \valid(heap) && \valid(heap->nodes + index) && \valid(node) && index < 0xffffffff;
    requires \separated(heap, heap->nodes + index, node);
    assigns heap->nodes[index], node->place;
    ensures heap->nodes[index] == node && node->place == index + 1; */
static void deadlines_put(struct lti_deadlines *heap, uint32_t index, struct lti_deadline *node);

/*@ requires \valid(heap) && heap->reserved > heap->count;
    assigns heap->reserved;
    ensures heap->reserved == \old(heap->reserved) - 1 && heap->count <= heap->reserved; */
void lti_deadlines_unreserve(struct lti_deadlines *heap);

/*@ requires \valid(node);
    assigns *node;
    ensures node->time_ns == 0xffffffffffffffff && node->order == 0 && node->place == 0; */
void lti_deadline_init(struct lti_deadline *node);

/*@ requires \valid_read(heap);
    requires heap->count > 0 ==> \valid_read(heap->nodes) && \valid_read(heap->nodes[0]);
    assigns \nothing;
    ensures heap->count == 0 ==> \result == 0xffffffffffffffff;
    ensures heap->count > 0 ==> \result == heap->nodes[0]->time_ns; */
uint64_t lti_deadlines_first(const struct lti_deadlines *heap);

#include "../../src/deadlines.c"
