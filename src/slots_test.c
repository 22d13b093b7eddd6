/* SPDX-License-Identifier: MIT
 *
 * Ids: stale, foreign and made-up ones find nothing; a spent generation retires its slot.
 */
#include "slots.h"

#include "harness.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

static int objects[200];

TEST(slots_add_find_remove)
{
    struct lti_pool pool;
    struct lti_slots slots;
    lti_pool_init(&pool, SIZE_MAX);
    memset(&slots, 0xFF, sizeof slots); /* whatever stood there */
    lti_slots_init(&slots, LTI_KIND_LISTENER, 0xBEEF);
    CHECK(lti_slots_find(&slots, 0) == NULL);
    uint64_t a = lti_slots_add(&slots, &pool, &objects[0]);
    uint64_t b = lti_slots_add(&slots, &pool, &objects[1]);
    CHECK_INT(a, UINT64_C(0xBEEF800000100000)); /* salt, kind 2, generation 1, slot 0 */
    CHECK_INT(b, UINT64_C(0xBEEF800000100001));
    CHECK_INT(lti_id_kind(a), LTI_KIND_LISTENER);
    CHECK(lti_slots_find(&slots, a) == &objects[0]);
    CHECK(lti_slots_find(&slots, b) == &objects[1]);
    CHECK_INT(slots.count, 2);
    lti_slots_remove(&slots, a);
    CHECK(lti_slots_find(&slots, a) == NULL);
    CHECK_INT(slots.count, 1);
    uint64_t c = lti_slots_add(&slots, &pool, &objects[2]);
    CHECK_INT(c, UINT64_C(0xBEEF800000200000));
    CHECK(lti_slots_find(&slots, a) == NULL);
    CHECK(lti_slots_find(&slots, c) == &objects[2]);
    lti_slots_remove(&slots, b);
    lti_slots_remove(&slots, c);
    lti_slots_end(&slots, &pool);
    CHECK_INT(slots.capacity, 0);
    a = lti_slots_add(&slots, &pool, &objects[0]); /* and again, with nothing of what was */
    CHECK_INT(a, UINT64_C(0xBEEF800000100000));
    CHECK(lti_slots_find(&slots, a) == &objects[0]);
    lti_slots_remove(&slots, a);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

/* Every id that differs in one bit is another one. */
TEST(slots_refuse_every_changed_bit)
{
    struct lti_pool pool;
    struct lti_slots slots;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_CONN, 1);
    uint64_t id = lti_slots_add(&slots, &pool, &objects[0]);
    for (int bit = 0; bit < 64; bit++)
        CHECK(lti_slots_find(&slots, id ^ UINT64_C(1) << bit) == NULL);
    CHECK(lti_slots_find(&slots, UINT64_MAX) == NULL);
    lti_slots_remove(&slots, id);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

TEST(slots_kinds)
{
    CHECK_INT(lti_id_kind(UINT64_C(1) << 46), LTI_KIND_CONN);
    CHECK_INT(lti_id_kind(UINT64_C(2) << 46), LTI_KIND_LISTENER);
    CHECK_INT(lti_id_kind(UINT64_MAX), LTI_KIND_TIMER);
    CHECK_INT(lti_id_kind(~(UINT64_C(3) << 46)), 0);
}

TEST(slots_retire_when_the_generation_is_spent)
{
    struct lti_pool pool;
    struct lti_slots slots;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_TIMER, 7);
    slots.generation_first = LTI_GENERATION_MAX - 1;
    uint64_t first = lti_slots_add(&slots, &pool, &objects[0]);
    lti_slots_remove(&slots, first);
    uint64_t last = lti_slots_add(&slots, &pool, &objects[0]);
    CHECK_INT(last - first, 1 << 20);
    lti_slots_remove(&slots, last);
    CHECK_INT(slots.first_free, 0);
    uint64_t other = lti_slots_add(&slots, &pool, &objects[0]);
    CHECK_INT(other & (LTI_SLOTS_CAP - 1), 1);
    CHECK(lti_slots_find(&slots, first) == NULL);
    CHECK(lti_slots_find(&slots, last) == NULL);
    CHECK(lti_slots_find(&slots, other) == &objects[0]);
    lti_slots_remove(&slots, other);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

TEST(slots_full)
{
    struct lti_pool pool;
    struct lti_slots slots;
    uint64_t id = 0;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_CONN, 0);
    for (uint32_t i = 0; i < LTI_SLOTS_CAP; i++) {
        id = lti_slots_add(&slots, &pool, &objects[0]);
        REQUIRE(id != 0);
    }
    CHECK_INT(id & (LTI_SLOTS_CAP - 1), LTI_SLOTS_CAP - 1);
    CHECK_INT(lti_slots_add(&slots, &pool, &objects[1]), 0);
    lti_slots_remove(&slots, id);
    uint64_t again = lti_slots_add(&slots, &pool, &objects[1]);
    CHECK(lti_slots_find(&slots, again) == &objects[1]);
    for (uint32_t i = 0; i < LTI_SLOTS_CAP - 1; i++)
        lti_slots_remove(&slots, again - (1u << 20) - LTI_SLOTS_CAP + 1 + i);
    lti_slots_remove(&slots, again);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

TEST(slots_without_memory)
{
    struct lti_pool pool;
    struct lti_slots slots;
    uint64_t ids[16];
    lti_pool_init(&pool, 0);
    lti_slots_init(&slots, LTI_KIND_CONN, 3);
    CHECK_INT(lti_slots_add(&slots, &pool, &objects[0]), 0);
    pool.bytes_max = 16 * 16;
    for (int i = 0; i < 16; i++) {
        ids[i] = lti_slots_add(&slots, &pool, &objects[i]);
        REQUIRE(ids[i] != 0);
    }
    CHECK_INT(lti_slots_add(&slots, &pool, &objects[16]), 0);
    for (int i = 0; i < 16; i++) {
        CHECK(lti_slots_find(&slots, ids[i]) == &objects[i]);
        lti_slots_remove(&slots, ids[i]);
    }
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

TEST(slots_next_walks_all)
{
    struct lti_pool pool;
    struct lti_slots slots;
    uint64_t ids[5];
    uint32_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_CONN, 3);
    CHECK(lti_slots_next(&slots, &place) == NULL);
    for (int i = 0; i < 5; i++)
        ids[i] = lti_slots_add(&slots, &pool, &objects[i]);
    lti_slots_remove(&slots, ids[0]);
    lti_slots_remove(&slots, ids[3]);
    CHECK(lti_slots_next(&slots, &place) == &objects[1]);
    CHECK(lti_slots_next(&slots, &place) == &objects[2]);
    lti_slots_remove(&slots, ids[2]); /* the one that a walk has just given may go */
    CHECK(lti_slots_next(&slots, &place) == &objects[4]);
    CHECK(lti_slots_next(&slots, &place) == NULL);
    CHECK(lti_slots_next(&slots, &place) == NULL);
    lti_slots_remove(&slots, ids[1]);
    lti_slots_remove(&slots, ids[4]);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

/* Against a list of all ids that ever were. */
TEST(slots_against_model)
{
    static uint64_t dead[20000];
    size_t dead_count = 0;
    uint64_t ids[200] = {0}; /* of objects[i]; 0: not in */
    uint32_t count = 0;
    struct prng prng = {2};
    struct lti_pool pool;
    struct lti_slots slots;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_CONN, 0xFFFF);
    slots.generation_first = LTI_GENERATION_MAX - 30;
    for (int step = 0; step < 20000; step++) {
        size_t at = prng_below(&prng, 200);
        if (ids[at] == 0) {
            ids[at] = lti_slots_add(&slots, &pool, &objects[at]);
            REQUIRE(ids[at] != 0);
            count++;
        } else {
            REQUIRE(lti_slots_find(&slots, ids[at]) == &objects[at]);
            lti_slots_remove(&slots, ids[at]);
            dead[dead_count++] = ids[at];
            ids[at] = 0;
            count--;
        }
        REQUIRE_INT(slots.count, count);
        if (dead_count > 0)
            REQUIRE(lti_slots_find(&slots, dead[prng_below(&prng, dead_count)]) == NULL);
    }
    CHECK(slots.used > 200); /* some were retired */
    for (size_t i = 0; i < 200; i++)
        if (ids[i] != 0)
            lti_slots_remove(&slots, ids[i]);
    for (size_t i = 0; i < dead_count; i++)
        CHECK(lti_slots_find(&slots, dead[i]) == NULL);
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}

TEST(slots_traps)
{
    struct lti_pool pool;
    struct lti_slots slots;
    lti_pool_init(&pool, SIZE_MAX);
    lti_slots_init(&slots, LTI_KIND_CONN, 3);
    uint64_t id = lti_slots_add(&slots, &pool, &objects[0]);
    CHECK_TRAPS(lti_slots_add(&slots, &pool, NULL));
    CHECK_TRAPS(lti_slots_remove(&slots, id + 1));
    CHECK_TRAPS(lti_slots_end(&slots, &pool));
    lti_slots_remove(&slots, id);
    CHECK_TRAPS(lti_slots_remove(&slots, id));
    lti_slots_end(&slots, &pool);
    lti_pool_end(&pool);
}
