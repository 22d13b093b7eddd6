/* SPDX-License-Identifier: MIT
 *
 * Received bytes in one contiguous piece, so that views and lines need no copy. Grows by doubling
 * up to a limit; holds no memory when empty.
 */
#ifndef LTI_INBOX_H
#define LTI_INBOX_H

#include "lti_assert.h"
#include "pool.h"

#include <stdbool.h>

struct lti_inbox {
    uint8_t *data;
    uint32_t capacity;
    uint32_t head, tail; /* unread bytes are data[head..tail) */
    uint32_t pinned : 1; /* a view is held: nothing may move */
    uint32_t
        behind : 31; /* the owner's: bytes of it that the view shows behind the first message */
};
#define LTI_INBOX_LIMIT_MAX (1u << 30) /* what may be unread: a place in it fits 32 bits */

static inline size_t lti_inbox_size(const struct lti_inbox *inbox)
{
    return inbox->tail - inbox->head;
}
static inline const uint8_t *lti_inbox_bytes(const struct lti_inbox *inbox)
{
    return inbox->data != NULL ? inbox->data + inbox->head : NULL;
}

/* Makes room for at least one and at best `want` bytes behind the unread ones, never holding more
 * than `limit` unread bytes, at most LTI_INBOX_LIMIT_MAX, plus room. Returns the room (0: the limit
 * is reached, or pinned and no place; SIZE_MAX: no memory) and where it is. */
size_t lti_inbox_room(struct lti_inbox *inbox, struct lti_pool *pool, size_t want, size_t limit,
                      uint8_t **room_out);
/* that many bytes came into the room */
static inline void lti_inbox_filled(struct lti_inbox *inbox, size_t size)
{
    LTI_ASSERT(size <= inbox->capacity - inbox->tail);
    inbox->tail += (uint32_t)size;
}
/* Its block, when nothing is in it, nobody looks at it, and it is a large one: another one of that
 * size may take its place. Else null. */
static inline void *lti_inbox_block(const struct lti_inbox *inbox)
{
    return inbox->tail == 0 && !inbox->pinned && inbox->capacity == LTI_BLOCK_LARGE ? inbox->data
                                                                                    : NULL;
}
/* drops everything, the pin too */
void lti_inbox_clear(struct lti_inbox *inbox, struct lti_pool *pool);

/* frees the memory if empty and not pinned */
static inline void lti_inbox_trim(struct lti_inbox *inbox, struct lti_pool *pool)
{
    if (lti_inbox_size(inbox) == 0 && !inbox->pinned)
        lti_inbox_clear(inbox, pool);
}

/* frees the memory when empty and not pinned */
static inline void lti_inbox_consume(struct lti_inbox *inbox, struct lti_pool *pool, size_t size)
{
    LTI_ASSERT(size <= lti_inbox_size(inbox));
    inbox->head += (uint32_t)size;
    lti_inbox_trim(inbox, pool);
}

#endif
