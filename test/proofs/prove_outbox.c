/* SPDX-License-Identifier: MIT
 *
 * outbox.c: the room of a block, and when a piece begins in the next one. 40: its header's bytes.
 */
#include "proofs.h"

#include "../../src/outbox.c"

/*@ predicate block_good(struct lti_outbox_block *block) =
        \valid_read(block) && 40 <= block->size &&
        block->head <= block->tail <= block->size - 40; */

/*@ requires block_good(block);
    assigns \nothing;
    ensures \result + block->tail + 40 == block->size; */
static inline size_t lti_outbox_block_room(const struct lti_outbox_block *block);

/*@ requires block != \null ==> block_good(block);
    assigns \nothing;
    ensures block == \null ==> !\result;
    ensures \result ==> block->size - 40 - block->tail < size; */
static bool block_skipped(const struct lti_outbox_block *block, size_t size);
