/* SPDX-License-Identifier: MIT
 *
 * slots.c: an id finds the slot that it was made of, while that is used, or nothing.
 */
#include "proofs.h"

#include "../../src/slots.c"

/*@ predicate slots_good(struct lti_slots *slots) =
        \valid_read(slots) && slots->used <= slots->capacity <= 1048576 && 1 <= slots->kind <= 3 &&
        \valid_read(slots->slots + (0 .. slots->used - 1)); */

/*@ requires slots_good(slots);
    assigns \nothing; */
static uint64_t slots_prefix(const struct lti_slots *slots);

/*@ requires slots_good(slots) && index < slots->used;
    assigns \nothing; */
static uint64_t slots_id(const struct lti_slots *slots, uint32_t index);

/*@ requires slots_good(slots);
    assigns \nothing;
    ensures \result != \null ==>
        \exists integer i; 0 <= i < slots->used && \result == slots->slots + i; */
static struct lti_slot *slots_slot(const struct lti_slots *slots, uint64_t id);

/*@ requires slots_good(slots);
    assigns \nothing; */
void *lti_slots_find(const struct lti_slots *slots, uint64_t id);

/*@ assigns \nothing;
    ensures 0 <= \result <= 3; */
enum lti_kind lti_id_kind(uint64_t id);
