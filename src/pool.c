/* SPDX-License-Identifier: MIT
 *
 * A hub's memory, counted against a limit.
 *
 * Happy path: a block of one of the two common sizes comes from a short list of kept ones, the
 *             last freed first, because it is still in the cache; everything else comes from the
 *             system.
 * Fails:      above the limit, or when the system has no memory, alloc gives null; before that
 *             it gives all kept blocks back and tries again.
 * Invariants: bytes counts everything that was taken from the system and not given back, kept
 *             blocks included; it never exceeds bytes_max.
 */
#include "pool.h"

#include "lti_assert.h"
#include "os_base.h"

#include <stdbool.h>
#include <string.h>

#define LISTS LTI_POOL_SIZES

#define TABLE_DOUBLES_BELOW 1024u

static const size_t list_sizes[LISTS] = {LTI_BLOCK_SMALL, LTI_BLOCK_LARGE};

/* A kept block is as dead as a freed one: under the address sanitizer its use is found, too. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISON 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POOL_POISON 1
#endif
#ifdef POOL_POISON
void __asan_poison_memory_region(const volatile void *memory, size_t size);
void __asan_unpoison_memory_region(const volatile void *memory, size_t size);
#define pool_poison __asan_poison_memory_region
#define pool_unpoison __asan_unpoison_memory_region
#else
#define pool_poison(memory, size) ((void)(memory), (void)(size))
#define pool_unpoison(memory, size) ((void)(memory), (void)(size))
#endif

/* LISTS: blocks of this size are not kept. */
static uint32_t pool_list(size_t size)
{
    switch (size) {
    case LTI_BLOCK_SMALL:
        return 0;
    case LTI_BLOCK_LARGE:
        return 1;
    default:
        return LISTS;
    }
}

static void *pool_take_kept(struct lti_pool *pool, uint32_t list)
{
    LTI_ASSERT(pool->free_count[list] > 0 && pool->free_count[list] <= LTI_POOL_KEEP);
    void *memory = pool->free[list][--pool->free_count[list]];
    LTI_ASSERT(memory != NULL);
    pool->free[list][pool->free_count[list]] = NULL;
    pool_unpoison(memory, list_sizes[list]);
    return memory;
}

/* False when nothing was kept. */
static bool pool_give_up_kept(struct lti_pool *pool)
{
    bool any = false;
    for (uint32_t list = 0; list < LISTS; list++) {
        while (pool->free_count[list] > 0) {
            lti_os_free(pool_take_kept(pool, list));
            LTI_ASSERT(pool->bytes >= list_sizes[list]);
            pool->bytes -= list_sizes[list];
            any = true;
        }
    }
    return any;
}

void lti_pool_init(struct lti_pool *pool, size_t bytes_max)
{
    memset(pool, 0, sizeof *pool);
    pool->bytes_max = bytes_max;
}

void lti_pool_end(struct lti_pool *pool)
{
    pool_give_up_kept(pool);
    LTI_ASSERT(pool->bytes == 0);
}

void *lti_pool_alloc(struct lti_pool *pool, size_t size)
{
    LTI_ASSERT(size > 0 && pool->bytes <= pool->bytes_max);
    uint32_t list = pool_list(size);
    if (list < LISTS && pool->free_count[list] > 0)
        return pool_take_kept(pool, list);
    if (size > pool->bytes_max - pool->bytes)
        pool_give_up_kept(pool);
    if (size > pool->bytes_max - pool->bytes)
        return NULL;
    void *memory = lti_os_alloc(size);
    if (memory == NULL && pool_give_up_kept(pool))
        memory = lti_os_alloc(size);
    if (memory == NULL)
        return NULL;
    pool->bytes += size;
    if (pool->bytes > pool->bytes_high)
        pool->bytes_high = pool->bytes;
    return memory;
}

uint32_t lti_pool_larger(uint32_t capacity, uint32_t first, uint32_t cap)
{
    uint32_t more = capacity < TABLE_DOUBLES_BELOW ? capacity : capacity / 4;
    if (capacity == 0)
        more = first;
    return more < cap - capacity ? capacity + more : cap;
}

void lti_pool_free(struct lti_pool *pool, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    LTI_ASSERT(size > 0 && size <= pool->bytes);
    uint32_t list = pool_list(size);
    if (list < LISTS && pool->free_count[list] < LTI_POOL_KEEP) {
        pool_poison(memory, size);
        pool->free[list][pool->free_count[list]++] = memory;
        return;
    }
    lti_os_free(memory);
    pool->bytes -= size;
}
