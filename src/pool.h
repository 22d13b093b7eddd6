/* SPDX-License-Identifier: MIT
 *
 * A hub's memory: counted against a limit, with a short free list of the two block sizes that
 * inboxes and outboxes use all the time.
 */
#ifndef LTI_POOL_H
#define LTI_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LTI_BLOCK_SMALL 4096u
/* 64 KiB is what people send in one piece: it fits with its header, and a little more. */
#define LTI_BLOCK_LARGE (65536u + LTI_BLOCK_SMALL)
#define LTI_POOL_SIZES 2
#define LTI_POOL_KEEP                                                                              \
    16 /* free blocks of each size that are kept: a hub holds back 1.2 MiB at most */

struct lti_pool {
    size_t bytes;      /* allocated now, free blocks included */
    size_t bytes_high; /* the most it ever was */
    size_t bytes_max;
    void *free[LTI_POOL_SIZES][LTI_POOL_KEEP];
    uint32_t free_count[LTI_POOL_SIZES];
};

void lti_pool_init(struct lti_pool *pool, size_t bytes_max);
/* frees the free lists; everything else must have come back (asserted) */
void lti_pool_end(struct lti_pool *pool);

/* Null when the limit or the system says no. Kept blocks are given up before the limit says no.
 * `size` must be given again to free. */
void *lti_pool_alloc(struct lti_pool *pool, size_t size);
void lti_pool_free(struct lti_pool *pool, void *memory, size_t size);
/* The next small block is there already. */
static inline bool lti_pool_has_small(const struct lti_pool *pool)
{
    return pool->free_count[0] > 0;
}

/* The next capacity of a table that is full: `first` of one without any, then twice as much, later
 * a quarter more, so that a large one has few places that nobody needs. At most `cap`. */
uint32_t lti_pool_larger(uint32_t capacity, uint32_t first, uint32_t cap);

#endif
