/* SPDX-License-Identifier: MIT
 *
 * Accepted and not yet sent bytes, in a list of blocks that never move.
 *
 * Happy path: reserve adds blocks until an append fits; append fills them; slices shows the
 *             first bytes to the writer; consume drops what was written and frees the blocks
 *             that became empty.
 * Fails:      only reserve can, for want of memory; nothing has changed then.
 * Invariants: the first block knows the last one and fill, where the next byte goes, so that an
 *             empty outbox is a pointer and a number. All bytes lie between first and fill; the
 *             blocks behind fill are empty, and none in front of it is; with no byte left there is
 *             no block but reserved ones. A block's bytes stay where they are until consumed.
 */
#include "outbox.h"

#include "lti_assert.h"

#include <string.h>

/* The end of a block that is nearly full stays empty when a piece does not fit there: a write takes
 * one block where writes cannot be gathered, and a piece cut in two would need two of them. */
#define OUTBOX_END_PART 16u

/* An outbox that holds more is a stream: it gets large blocks, save for the end of one append. */
#define OUTBOX_SMALL_MAX ((size_t)LTI_BLOCK_SMALL * 4)

static struct lti_outbox_block *block_create(struct lti_pool *pool, uint32_t size)
{
    struct lti_outbox_block *block = lti_pool_alloc(pool, size);
    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->head = 0;
    block->tail = 0;
    return block;
}

/* Frees a whole list. */
static void blocks_free(struct lti_pool *pool, struct lti_outbox_block *block)
{
    while (block != NULL) {
        struct lti_outbox_block *next = block->next;
        lti_pool_free(pool, block, block->size);
        block = next;
    }
}

static void blocks_add(struct lti_outbox *outbox, struct lti_outbox_block *added,
                       struct lti_outbox_block *last)
{
    LTI_ASSERT(added != NULL && last != NULL && last->next == NULL);
    if (outbox->first == NULL) {
        outbox->first = added;
        added->fill = added;
    } else {
        outbox->first->last->next = added;
    }
    outbox->first->last = last;
}

/* Whether a piece of that size begins in the block behind this one. */
static bool block_skipped(const struct lti_outbox_block *block, size_t size)
{
    return block != NULL && lti_outbox_block_room(block) < size &&
           lti_outbox_block_room(block) <= block->size / OUTBOX_END_PART;
}

bool lti_outbox_reserve(struct lti_outbox *outbox, struct lti_pool *pool, size_t size)
{
    size_t room = 0;
    struct lti_outbox_block *fill = outbox->first != NULL ? outbox->first->fill : NULL;
    if (size > UINT32_MAX - outbox->size)
        return false;
    bool skip = block_skipped(fill, size);
    const struct lti_outbox_block *block = skip ? fill->next : fill;
    for (; block != NULL; block = block->next)
        room += lti_outbox_block_room(block);
    struct lti_outbox_block *added = NULL;
    struct lti_outbox_block *last = NULL;
    while (room < size) {
        bool small = size - room <= LTI_BLOCK_SMALL - LTI_OUTBOX_HEADER_BYTES &&
                     (last != NULL || outbox->size <= OUTBOX_SMALL_MAX);
        struct lti_outbox_block *fresh =
            block_create(pool, small ? LTI_BLOCK_SMALL : LTI_BLOCK_LARGE);
        if (fresh == NULL) {
            blocks_free(pool, added);
            return false;
        }
        room += lti_outbox_block_room(fresh);
        if (last == NULL)
            added = fresh;
        else
            last->next = fresh;
        last = fresh;
    }
    if (added != NULL)
        blocks_add(outbox, added, last);
    if (skip)
        outbox->first->fill = fill->next;
    return true;
}

bool lti_outbox_sure(const struct lti_outbox *outbox, const struct lti_pool *pool, size_t size)
{
    LTI_ASSERT(outbox->first == NULL);
    return size <= LTI_BLOCK_SMALL - LTI_OUTBOX_HEADER_BYTES && lti_pool_has_small(pool);
}

bool lti_outbox_reserve_piece(struct lti_outbox *outbox, struct lti_pool *pool, size_t size)
{
    if (size > UINT32_MAX - LTI_OUTBOX_HEADER_BYTES || size > UINT32_MAX - outbox->size)
        return false;
    uint32_t whole = (uint32_t)(LTI_OUTBOX_HEADER_BYTES + size);
    struct lti_outbox_block *block = block_create(pool, whole);
    if (block == NULL)
        return false;
    blocks_add(outbox, block, block);
    return true;
}

void lti_outbox_append(struct lti_outbox *outbox, const void *data, size_t size)
{
    const uint8_t *from = data;
    LTI_ASSERT(data != NULL || size == 0);
    while (size > 0) {
        LTI_ASSERT(outbox->first != NULL);
        struct lti_outbox_block *block = outbox->first->fill;
        size_t room = lti_outbox_block_room(block);
        if (room == 0) {
            LTI_ASSERT(block->next != NULL);
            outbox->first->fill = block->next;
            continue;
        }
        size_t part = size < room ? size : room;
        memcpy(block->data + block->tail, from, part);
        block->tail += (uint32_t)part;
        outbox->size += (uint32_t)part;
        from += part;
        size -= part;
    }
}

size_t lti_outbox_slices(const struct lti_outbox *outbox, struct leat_slice *slices_out,
                         size_t count)
{
    size_t used = 0;
    const struct lti_outbox_block *block = outbox->first;
    while (block != NULL && used < count && block->tail > block->head) {
        slices_out[used].data = block->data + block->head;
        slices_out[used].size = block->tail - block->head;
        used++;
        block = block->next;
    }
    return used;
}

void lti_outbox_consume(struct lti_outbox *outbox, struct lti_pool *pool, size_t size)
{
    LTI_ASSERT(size <= outbox->size);
    outbox->size -= (uint32_t)size;
    if (outbox->size == 0) {
        lti_outbox_clear(outbox, pool);
        return;
    }
    /* Bytes are left behind those that go, so no block that is freed here is the last or fill. */
    while (size > 0) {
        struct lti_outbox_block *block = outbox->first;
        LTI_ASSERT(block->tail > block->head);
        size_t part = block->tail - block->head;
        if (size < part)
            part = size;
        block->head += (uint32_t)part;
        size -= part;
        if (block->head < block->tail)
            break;
        LTI_ASSERT(block != block->fill && block != block->last);
        outbox->first = block->next;
        outbox->first->last = block->last;
        outbox->first->fill = block->fill;
        lti_pool_free(pool, block, block->size);
    }
}

void lti_outbox_clear(struct lti_outbox *outbox, struct lti_pool *pool)
{
    blocks_free(pool, outbox->first);
    outbox->first = NULL;
    outbox->size = 0;
}
