/* SPDX-License-Identifier: MIT
 *
 * Received bytes in one contiguous piece.
 *
 * Happy path: room gives the place behind the unread bytes, the reader fills it, consume takes
 *             from the front; when all is read the block goes back to the pool, which has it
 *             ready for the next reader.
 * Fails:      room gives 0 at the limit or when a pin forbids to move, SIZE_MAX when there is no
 *             memory; what is unread stays as it is.
 * Invariants: head <= tail <= capacity; while pinned, neither data nor any byte in front of tail
 *             changes. Bytes move only when at least a quarter as many were consumed since they
 *             last moved, so that moving costs O(1) for each byte that passes; therefore the
 *             block may be a quarter larger than the limit, and is never larger than that,
 *             rounded up to a small block.
 */
#include "inbox.h"

#include "lti_assert.h"

#include <string.h>

static size_t inbox_capacity_max(size_t limit)
{
    LTI_ASSERT(limit <= LTI_INBOX_LIMIT_MAX);
    size_t blocks = (limit + limit / 4 + LTI_BLOCK_SMALL - 1) / LTI_BLOCK_SMALL;
    return blocks * LTI_BLOCK_SMALL;
}

/* The next capacity, at least `needed`: one of the pool's block sizes if possible, else doubled. */
static size_t inbox_capacity_for(size_t needed, size_t capacity, size_t capacity_max)
{
    size_t target = capacity * 2 > needed ? capacity * 2 : needed;
    size_t larger = LTI_BLOCK_SMALL;
    if (target > LTI_BLOCK_SMALL && capacity_max >= LTI_BLOCK_LARGE)
        larger = LTI_BLOCK_LARGE;
    while (larger < target)
        larger *= 2;
    return larger < capacity_max ? larger : capacity_max;
}

static void inbox_compact(struct lti_inbox *inbox)
{
    size_t size = lti_inbox_size(inbox);
    LTI_ASSERT(!inbox->pinned);
    memmove(inbox->data, inbox->data + inbox->head, size);
    inbox->head = 0;
    inbox->tail = (uint32_t)size;
}

static bool inbox_grow(struct lti_inbox *inbox, struct lti_pool *pool, size_t capacity)
{
    uint8_t *data = lti_pool_alloc(pool, capacity);
    if (data == NULL)
        return false;
    size_t size = lti_inbox_size(inbox);
    LTI_ASSERT(!inbox->pinned && capacity > size);
    if (inbox->data)
        memcpy(data, inbox->data + inbox->head, size);
    lti_pool_free(pool, inbox->data, inbox->capacity);
    inbox->data = data;
    inbox->capacity = (uint32_t)capacity;
    inbox->head = 0;
    inbox->tail = (uint32_t)size;
    return true;
}

/* Room that is not worth an effort to get more: half a block does, however much is wanted. */
static size_t inbox_enough(const struct lti_inbox *inbox, size_t want)
{
    size_t half = inbox->capacity / 2;
    return half == 0 || want < half ? want : half;
}

/* Tries to have more room behind tail; false when there is no memory and not one byte of room. */
static bool inbox_make_room(struct lti_inbox *inbox, struct lti_pool *pool, size_t want,
                            size_t limit)
{
    size_t size = lti_inbox_size(inbox);
    size_t capacity_max = inbox_capacity_max(limit);
    if (inbox->head >= size / 4 && inbox_enough(inbox, want) <= inbox->capacity - size) {
        inbox_compact(inbox);
        return true;
    }
    bool grown = false;
    if (inbox->capacity < capacity_max)
        grown =
            inbox_grow(inbox, pool, inbox_capacity_for(size + want, inbox->capacity, capacity_max));
    if (!grown && inbox->tail == inbox->capacity && inbox->head > 0)
        inbox_compact(inbox);
    return inbox->tail < inbox->capacity;
}

size_t lti_inbox_room(struct lti_inbox *inbox, struct lti_pool *pool, size_t want, size_t limit,
                      uint8_t **room_out)
{
    LTI_ASSERT(inbox->head <= inbox->tail && inbox->tail <= inbox->capacity);
    /* Most reads begin with nothing, and find a large block in the pool. */
    if (inbox->data == NULL && !inbox->pinned && want > LTI_BLOCK_SMALL &&
        want <= LTI_BLOCK_LARGE && limit >= LTI_BLOCK_LARGE) {
        inbox->data = lti_pool_alloc(pool, LTI_BLOCK_LARGE);
        if (inbox->data == NULL)
            return SIZE_MAX;
        inbox->capacity = LTI_BLOCK_LARGE;
        inbox->head = inbox->tail = 0;
        *room_out = inbox->data;
        return want;
    }
    LTI_ASSERT(inbox->data || inbox->capacity == 0);
    size_t size = lti_inbox_size(inbox);
    if (size >= limit)
        return 0;
    if (want == 0)
        want = 1;
    if (want > limit - size)
        want = limit - size;
    if (inbox->capacity - inbox->tail < inbox_enough(inbox, want) && !inbox->pinned &&
        !inbox_make_room(inbox, pool, want, limit))
        return SIZE_MAX;
    size_t room = inbox->capacity - inbox->tail;
    if (room == 0)
        return 0;
    *room_out = inbox->data + inbox->tail;
    return room < want ? room : want;
}

void lti_inbox_clear(struct lti_inbox *inbox, struct lti_pool *pool)
{
    lti_pool_free(pool, inbox->data, inbox->capacity);
    memset(inbox, 0, sizeof *inbox);
}
