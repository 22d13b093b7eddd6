/* SPDX-License-Identifier: MIT
 *
 * inbox.c and inbox.h: the arithmetic of room.
 */
#include "proofs.h"

#include "inbox.h"

/*@ predicate inbox_good(struct lti_inbox *inbox) =
        \valid_read(inbox) && inbox->head <= inbox->tail <= inbox->capacity; */

/*@ requires limit <= 0x40000000;
    assigns \nothing;
    ensures \result % 4096 == 0;
    ensures limit + limit / 4 <= \result < limit + limit / 4 + 4096;
    ensures \result <= 0xffffffff; */
static size_t inbox_capacity_max(size_t limit);

/*@ requires inbox_good(inbox);
    assigns \nothing;
    ensures \result <= want;
    ensures want > 0 ==> \result > 0;
    ensures inbox->capacity >= 2 ==> \result <= inbox->capacity / 2; */
static size_t inbox_enough(const struct lti_inbox *inbox, size_t want);

/*@ requires inbox_good(inbox);
    assigns \nothing;
    ensures \result == inbox->tail - inbox->head && \result <= inbox->capacity; */
static inline size_t lti_inbox_size(const struct lti_inbox *inbox);

/*@ requires inbox_good(inbox) && \valid(inbox) && size <= inbox->capacity - inbox->tail;
    assigns inbox->tail;
    ensures inbox_good(inbox) && inbox->tail == \old(inbox->tail) + size; */
static inline void lti_inbox_filled(struct lti_inbox *inbox, size_t size);

#include "../../src/inbox.c"
