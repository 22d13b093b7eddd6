/* SPDX-License-Identifier: MIT
 *
 * The pool: accounting, limit, kept blocks, no memory.
 */
#include "pool.h"

#include "harness.h"
#include "os_fault.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

/* The next allocation from the system fails. */
static void fail_next_alloc(enum lti_fault_mode mode)
{
    size_t fault = 0;
    while (lti_fault_at(fault)->call != LTI_FAULT_CALL_alloc)
        fault++;
    lti_fault_reset();
    lti_fault_arm(1, fault, mode);
}

TEST(pool_counts)
{
    struct lti_pool pool;
    lti_pool_init(&pool, 100);
    void *a = lti_pool_alloc(&pool, 60);
    REQUIRE(a != NULL);
    CHECK_INT(pool.bytes, 60);
    void *b = lti_pool_alloc(&pool, 40);
    REQUIRE(b != NULL);
    CHECK_INT(pool.bytes, 100);
    CHECK(lti_pool_alloc(&pool, 1) == NULL);
    lti_pool_free(&pool, a, 60);
    CHECK_INT(pool.bytes, 40);
    CHECK(lti_pool_alloc(&pool, 61) == NULL);
    CHECK(lti_pool_alloc(&pool, SIZE_MAX) == NULL);
    lti_pool_free(&pool, b, 40);
    lti_pool_free(&pool, NULL, 40);
    CHECK_INT(pool.bytes, 0);
    CHECK_INT(pool.bytes_high, 100);
    lti_pool_end(&pool);
}

TEST(pool_keeps_blocks_last_first)
{
    struct lti_pool pool;
    const size_t sizes[2] = {LTI_BLOCK_SMALL, LTI_BLOCK_LARGE};
    lti_pool_init(&pool, SIZE_MAX);
    for (size_t i = 0; i < 2; i++) {
        void *a = lti_pool_alloc(&pool, sizes[i]);
        void *b = lti_pool_alloc(&pool, sizes[i]);
        REQUIRE(a != NULL && b != NULL);
        lti_pool_free(&pool, a, sizes[i]);
        lti_pool_free(&pool, b, sizes[i]);
        CHECK_INT(pool.free_count[i], 2);
        size_t bytes = pool.bytes;
        void *again = lti_pool_alloc(&pool, sizes[i]);
        CHECK(again == b);
        memset(again, 1, sizes[i]);
        CHECK_INT(pool.bytes, bytes);
        CHECK_INT(pool.free_count[i], 1);
        lti_pool_free(&pool, again, sizes[i]);
    }
    CHECK_INT(pool.bytes, 2 * (LTI_BLOCK_SMALL + LTI_BLOCK_LARGE));
    lti_pool_end(&pool);
}

TEST(pool_keeps_only_so_many)
{
    struct lti_pool pool;
    void *blocks[LTI_POOL_KEEP + 3];
    lti_pool_init(&pool, SIZE_MAX);
    for (size_t i = 0; i < LTI_POOL_KEEP + 3; i++)
        blocks[i] = lti_pool_alloc(&pool, LTI_BLOCK_SMALL);
    for (size_t i = 0; i < LTI_POOL_KEEP + 3; i++)
        lti_pool_free(&pool, blocks[i], LTI_BLOCK_SMALL);
    CHECK_INT(pool.free_count[0], LTI_POOL_KEEP);
    CHECK_INT(pool.bytes, LTI_POOL_KEEP * LTI_BLOCK_SMALL);
    CHECK_INT(lti_test_allocations_live(), LTI_POOL_KEEP);
    lti_pool_end(&pool);
    CHECK_INT(pool.bytes, 0);
    CHECK_INT(pool.bytes_high, (LTI_POOL_KEEP + 3) * LTI_BLOCK_SMALL);
}

TEST(pool_gives_up_kept_before_the_limit)
{
    struct lti_pool pool;
    lti_pool_init(&pool, LTI_BLOCK_LARGE + LTI_BLOCK_SMALL);
    lti_pool_free(&pool, lti_pool_alloc(&pool, LTI_BLOCK_LARGE), LTI_BLOCK_LARGE);
    lti_pool_free(&pool, lti_pool_alloc(&pool, LTI_BLOCK_SMALL), LTI_BLOCK_SMALL);
    CHECK_INT(pool.bytes, LTI_BLOCK_LARGE + LTI_BLOCK_SMALL);
    void *other = lti_pool_alloc(&pool, LTI_BLOCK_LARGE + 1);
    CHECK(other != NULL);
    CHECK_INT(pool.bytes, LTI_BLOCK_LARGE + 1);
    CHECK_INT(pool.free_count[0] + pool.free_count[1], 0);
    lti_pool_free(&pool, other, LTI_BLOCK_LARGE + 1);
    lti_pool_end(&pool);
}

TEST(pool_gives_up_kept_when_the_system_has_none)
{
    struct lti_pool pool;
    lti_pool_init(&pool, SIZE_MAX);
    lti_pool_free(&pool, lti_pool_alloc(&pool, LTI_BLOCK_SMALL), LTI_BLOCK_SMALL);
    fail_next_alloc(LTI_FAULT_ONCE);
    void *memory = lti_pool_alloc(&pool, 100);
    CHECK(memory != NULL);
    CHECK_INT(lti_fault_fired(), 1);
    CHECK_INT(pool.bytes, 100);
    fail_next_alloc(LTI_FAULT_ONCE);
    CHECK(lti_pool_alloc(&pool, 100) == NULL);
    CHECK_INT(lti_fault_calls(), 1);
    CHECK_INT(pool.bytes, 100);
    lti_fault_reset();
    lti_pool_free(&pool, lti_pool_alloc(&pool, LTI_BLOCK_SMALL), LTI_BLOCK_SMALL);
    fail_next_alloc(LTI_FAULT_FOREVER);
    CHECK(lti_pool_alloc(&pool, 200) == NULL);
    CHECK_INT(pool.bytes, 100);
    lti_fault_reset();
    lti_pool_free(&pool, memory, 100);
    lti_pool_end(&pool);
}

#define LIVE_MAX 40

/* Against a list of what is alive: nothing overlaps, the sum is right, the limit holds. */
TEST(pool_against_model)
{
    const size_t sizes[] = {1, 100, LTI_BLOCK_SMALL, LTI_BLOCK_SMALL, 5000, LTI_BLOCK_LARGE};
    struct {
        unsigned char *memory;
        size_t size;
        unsigned char mark;
    } live[LIVE_MAX];
    size_t count = 0;
    size_t bytes = 0;
    struct prng prng = {1};
    struct lti_pool pool;
    lti_pool_init(&pool, 600000);
    for (int step = 0; step < 20000; step++) {
        if (count < LIVE_MAX && prng_below(&prng, 2) == 0) {
            size_t size = sizes[prng_below(&prng, sizeof sizes / sizeof *sizes)];
            unsigned char *memory = lti_pool_alloc(&pool, size);
            REQUIRE((memory == NULL) == (size > 600000 - bytes));
            if (memory == NULL)
                continue;
            live[count].mark = (unsigned char)step;
            memory[0] = memory[size - 1] = live[count].mark;
            live[count].memory = memory;
            live[count++].size = size;
            bytes += size;
        } else if (count > 0) {
            size_t at = prng_below(&prng, count);
            REQUIRE_INT(live[at].memory[0], live[at].mark);
            REQUIRE_INT(live[at].memory[live[at].size - 1], live[at].mark);
            lti_pool_free(&pool, live[at].memory, live[at].size);
            bytes -= live[at].size;
            live[at] = live[--count];
        }
        size_t kept = (size_t)pool.free_count[0] * LTI_BLOCK_SMALL +
                      (size_t)pool.free_count[1] * LTI_BLOCK_LARGE;
        REQUIRE_INT(pool.bytes, bytes + kept);
        REQUIRE(pool.bytes <= pool.bytes_high && pool.bytes_high <= pool.bytes_max);
    }
    while (count-- > 0)
        lti_pool_free(&pool, live[count].memory, live[count].size);
    lti_pool_end(&pool);
}

TEST(pool_tables_grow_by_less_when_large)
{
    const uint32_t steps[] = {16, 32, 64, 128, 256, 512, 1024, 1280, 1600, 2000, 2500, 3125, 3200};
    uint32_t capacity = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        capacity = lti_pool_larger(capacity, 16, 3200);
        CHECK_INT(capacity, steps[i]);
    }
    CHECK_INT(lti_pool_larger(3200, 16, 3200), 3200);
    CHECK_INT(lti_pool_larger(UINT32_MAX - 1, 16, UINT32_MAX), UINT32_MAX);
}

TEST(pool_traps)
{
    struct lti_pool pool;
    lti_pool_init(&pool, 1000);
    void *memory = lti_pool_alloc(&pool, 10);
    CHECK_TRAPS(lti_pool_end(&pool));
    CHECK_TRAPS(lti_pool_free(&pool, memory, 11));
    CHECK_TRAPS(lti_pool_free(&pool, memory, 0));
    CHECK_TRAPS(lti_pool_alloc(&pool, 0));
    lti_pool_free(&pool, memory, 10);
    lti_pool_end(&pool);
}
