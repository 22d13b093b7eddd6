/* SPDX-License-Identifier: MIT
 *
 * Accepted and not yet sent bytes: a list of blocks that never move, so that a port may hold them
 * while a write is under way.
 */
#ifndef LTI_OUTBOX_H
#define LTI_OUTBOX_H

#include "pool.h"

#include "leat/leat.h"

struct lti_outbox_block; /* header and data in one allocation; data follows */

struct lti_outbox_block {
    struct lti_outbox_block *next;
    struct lti_outbox_block *last, *fill; /* of the list; valid in its first block */
    uint32_t size;                        /* of the whole allocation */
    uint32_t head, tail;                  /* unsent bytes are data[head..tail) */
    uint8_t data[];
};
/* What a block's header counts for, with pointers of any size: a block then holds as much on every
 * machine, so that a run of the simulation is the same one there. */
#define LTI_OUTBOX_HEADER_BYTES 40u
_Static_assert(sizeof(struct lti_outbox_block) <= LTI_OUTBOX_HEADER_BYTES, "a longer header");

static inline size_t lti_outbox_block_room(const struct lti_outbox_block *block)
{
    return block->size - LTI_OUTBOX_HEADER_BYTES - block->tail;
}

struct lti_outbox {
    struct lti_outbox_block *first; /* null when nothing is there and nothing reserved */
    uint32_t size;                  /* bytes */
    uint32_t messages;              /* the owner's count of those in it; of no concern here */
};

/* Makes sure that an append of `size` bytes will not fail; false when there is no memory, or when
 * the sum would not fit 32 bits (nothing changed). */
bool lti_outbox_reserve(struct lti_outbox *outbox, struct lti_pool *pool, size_t size);
/* True when reserving that for an outbox without any block needs nothing of the system: the pool
 * has it. It goes on being true until something else is taken out of the pool. */
bool lti_outbox_sure(const struct lti_outbox *outbox, const struct lti_pool *pool, size_t size);
/* The same as lti_outbox_reserve for one piece of memory: the bytes appended next will lie in it
 * alone. Nothing else may be reserved or have been reserved in this outbox. */
bool lti_outbox_reserve_piece(struct lti_outbox *outbox, struct lti_pool *pool, size_t size);
/* Copies; the bytes must have been reserved. */
void lti_outbox_append(struct lti_outbox *outbox, const void *data, size_t size);
/* Appends `size` bytes that the caller is to fill, in one piece. Null: what was reserved has no
 * such piece next; nothing has changed. */
static inline void *lti_outbox_extend(struct lti_outbox *outbox, size_t size)
{
    struct lti_outbox_block *block = outbox->first != NULL ? outbox->first->fill : NULL;
    if (block == NULL || lti_outbox_block_room(block) < size)
        return NULL;
    void *room = block->data + block->tail;
    block->tail += (uint32_t)size;
    outbox->size += (uint32_t)size;
    return room;
}
/* Describes the first bytes; returns the number of slices, at most `count`. */
size_t lti_outbox_slices(const struct lti_outbox *outbox, struct leat_slice *slices_out,
                         size_t count);
/* Drops the first `size` bytes and frees what became empty; with no byte left, everything,
 * reservations included. */
void lti_outbox_consume(struct lti_outbox *outbox, struct lti_pool *pool, size_t size);
void lti_outbox_clear(struct lti_outbox *outbox, struct lti_pool *pool);

/* Gives unused reserved memory back when the outbox is empty. */
static inline void lti_outbox_trim(struct lti_outbox *outbox, struct lti_pool *pool)
{
    if (outbox->size == 0 && outbox->first != NULL)
        lti_outbox_clear(outbox, pool);
}

#endif
