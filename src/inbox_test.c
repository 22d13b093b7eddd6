/* SPDX-License-Identifier: MIT
 *
 * The inbox, by hand and against a plain count of bytes: the n-th byte that ever came is known.
 */
#include "inbox.h"

#include "harness.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place * 31 + (place >> 8));
}

static size_t capacity_bound(size_t limit)
{
    return (limit + limit / 4 + LTI_BLOCK_SMALL - 1) / LTI_BLOCK_SMALL * LTI_BLOCK_SMALL;
}

TEST(inbox_first_block)
{
    const struct {
        size_t want, limit, room, capacity;
    } cases[] = {
        {0, 100000, 1, LTI_BLOCK_SMALL},
        {1, 100000, 1, LTI_BLOCK_SMALL},
        {LTI_BLOCK_SMALL, 100000, LTI_BLOCK_SMALL, LTI_BLOCK_SMALL},
        {LTI_BLOCK_SMALL + 1, 100000, LTI_BLOCK_SMALL + 1, LTI_BLOCK_LARGE},
        {LTI_BLOCK_LARGE, 100000, LTI_BLOCK_LARGE, LTI_BLOCK_LARGE},
        {LTI_BLOCK_LARGE + 1, 1000000, LTI_BLOCK_LARGE + 1, LTI_BLOCK_LARGE * 2},
        {SIZE_MAX, 1000000, 1000000, LTI_BLOCK_LARGE * 16},
        {SIZE_MAX, 1, 1, LTI_BLOCK_SMALL},
        {SIZE_MAX, 10000, 10000, 4 * LTI_BLOCK_SMALL},
        {LTI_BLOCK_LARGE, LTI_BLOCK_LARGE - LTI_BLOCK_SMALL, LTI_BLOCK_LARGE - LTI_BLOCK_SMALL,
         LTI_BLOCK_LARGE},
        {SIZE_MAX, 110000, 110000, LTI_BLOCK_LARGE * 2},
        {LTI_BLOCK_SMALL + 1, 55000, LTI_BLOCK_SMALL + 1, LTI_BLOCK_LARGE}, /* the largest */
    };
    struct lti_pool pool;
    lti_pool_init(&pool, SIZE_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lti_inbox inbox = {0};
        uint8_t *room = NULL;
        CHECK_INT(lti_inbox_room(&inbox, &pool, cases[i].want, cases[i].limit, &room),
                  cases[i].room);
        CHECK(room == inbox.data);
        CHECK_INT(inbox.capacity, cases[i].capacity);
        CHECK(inbox.capacity <= capacity_bound(cases[i].limit));
        lti_inbox_trim(&inbox, &pool);
        CHECK(inbox.data == NULL && lti_inbox_bytes(&inbox) == NULL);
    }
    lti_pool_end(&pool);
}

/* Puts `size` bytes in; the n-th byte that ever came is byte_at(n). */
static void inbox_put(struct lti_inbox *inbox, struct lti_pool *pool, size_t size, size_t limit,
                      uint64_t *place)
{
    while (size > 0) {
        uint8_t *room = NULL;
        size_t got = lti_inbox_room(inbox, pool, size, limit, &room);
        REQUIRE(got > 0 && got <= size);
        for (size_t i = 0; i < got; i++)
            room[i] = byte_at((*place)++);
        lti_inbox_filled(inbox, got);
        size -= got;
    }
}

static void inbox_expect(const struct lti_inbox *inbox, uint64_t place, size_t size)
{
    REQUIRE_INT(lti_inbox_size(inbox), size);
    for (size_t i = 0; i < size; i++)
        if (lti_inbox_bytes(inbox)[i] != byte_at(place + i))
            REQUIRE_INT(lti_inbox_bytes(inbox)[i], byte_at(place + i));
}

TEST(inbox_frees_when_empty)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, 100, 1000, &place);
    inbox_expect(&inbox, 0, 100);
    lti_inbox_consume(&inbox, &pool, 60);
    inbox_expect(&inbox, 60, 40);
    lti_inbox_trim(&inbox, &pool);
    CHECK(inbox.data != NULL);
    lti_inbox_consume(&inbox, &pool, 40);
    CHECK(inbox.data == NULL);
    CHECK_INT(pool.free_count[0], 1);
    inbox_put(&inbox, &pool, 1, 1000, &place);
    lti_inbox_clear(&inbox, &pool);
    CHECK(inbox.data == NULL);
    CHECK_INT(lti_inbox_size(&inbox), 0);
    lti_pool_end(&pool);
}

TEST(inbox_stops_at_the_limit)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, 5000, 5000, &place);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1, 5000, &room), 0);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1, 4000, &room), 0);
    CHECK(room == NULL);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 10, 5001, &room), 1);
    lti_inbox_consume(&inbox, &pool, 3);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 10, 5000, &room), 3);
    inbox_expect(&inbox, 3, 4997);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

TEST(inbox_pinned_does_not_move)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    inbox.pinned = true;
    CHECK_INT(lti_inbox_room(&inbox, &pool, 10, 100000, &room), 0);
    inbox.pinned = false;
    inbox_put(&inbox, &pool, 4000, 100000, &place);
    inbox.pinned = true;
    const uint8_t *view = lti_inbox_bytes(&inbox);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1000, 100000, &room), 96);
    CHECK(room == view + 4000);
    inbox_put(&inbox, &pool, 96, 100000, &place);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1000, 100000, &room), 0);
    lti_inbox_consume(&inbox, &pool, 4096);
    CHECK_INT(lti_inbox_size(&inbox), 0);
    CHECK(inbox.data == view);
    lti_inbox_trim(&inbox, &pool);
    CHECK(inbox.data == view && view[4095] == byte_at(4095));
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1, 100000, &room), 0);
    inbox.pinned = false;
    CHECK_INT(lti_inbox_room(&inbox, &pool, 1, 100000, &room), 1);
    CHECK(room == view);
    lti_inbox_trim(&inbox, &pool);
    CHECK(inbox.data == NULL);
    lti_pool_end(&pool);
}

/* Who looks at nothing may say so, and nothing comes before he has looked away. */
TEST(inbox_pinned_without_a_block_has_no_room)
{
    static const size_t wants[] = {1, LTI_BLOCK_SMALL + 1, LTI_BLOCK_LARGE, SIZE_MAX};
    struct lti_pool pool;
    lti_pool_init(&pool, SIZE_MAX);
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        struct lti_inbox inbox = {.pinned = true};
        uint8_t *room = NULL;
        CHECK_INT(lti_inbox_room(&inbox, &pool, wants[i], 1000000, &room), 0);
        CHECK(inbox.data == NULL);
        inbox.pinned = false;
        CHECK(lti_inbox_room(&inbox, &pool, wants[i], 1000000, &room) > 0);
        inbox.pinned = true;
        CHECK(lti_inbox_block(&inbox) == NULL);
        lti_inbox_trim(&inbox, &pool);
        CHECK(inbox.data != NULL);
        inbox.pinned = false;
        lti_inbox_trim(&inbox, &pool);
        CHECK(inbox.data == NULL);
    }
    lti_pool_end(&pool);
}

TEST(inbox_clear_takes_the_pin)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, 4000, 100000, &place);
    inbox.pinned = true;
    lti_inbox_clear(&inbox, &pool);
    CHECK(!inbox.pinned && inbox.data == NULL);
    lti_pool_end(&pool);
}

/* What stays is moved rather than given a block twice as large, when that brings room enough. */
TEST(inbox_moves_before_it_grows)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, LTI_BLOCK_LARGE, 1000000, &place);
    lti_inbox_consume(&inbox, &pool, 20000);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 20000, 1000000, &room), 20000);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE);
    CHECK_INT(inbox.head, 0);
    CHECK(room == inbox.data + inbox.tail);
    inbox_expect(&inbox, 20000, LTI_BLOCK_LARGE - 20000);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 30000, 1000000, &room), 30000);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE * 2);
    inbox_expect(&inbox, 20000, LTI_BLOCK_LARGE - 20000);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

/* Half a block of room is enough, however much is wanted. */
TEST(inbox_half_a_block_is_enough)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, LTI_BLOCK_LARGE / 2, 1000000, &place);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 100000, 1000000, &room), LTI_BLOCK_LARGE / 2);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE);
    inbox_put(&inbox, &pool, 1, 1000000, &place);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 100000, 1000000, &room), 100000);
    CHECK(inbox.capacity > LTI_BLOCK_LARGE);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

/* Only an empty block may be exchanged, and only one that another one can be instead of. */
TEST(inbox_block_to_be_exchanged)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK(lti_inbox_block(&inbox) == NULL);
    CHECK_INT(lti_inbox_room(&inbox, &pool, LTI_BLOCK_SMALL, 1000000, &room), LTI_BLOCK_SMALL);
    CHECK(lti_inbox_block(&inbox) == NULL);
    lti_inbox_clear(&inbox, &pool);
    CHECK_INT(lti_inbox_room(&inbox, &pool, LTI_BLOCK_LARGE, 1000000, &room), LTI_BLOCK_LARGE);
    CHECK(lti_inbox_block(&inbox) == room);
    inbox.pinned = true;
    CHECK(lti_inbox_block(&inbox) == NULL);
    inbox.pinned = false;
    inbox_put(&inbox, &pool, 2, 1000000, &place);
    CHECK(lti_inbox_block(&inbox) == NULL);
    inbox.head = 1;
    CHECK(lti_inbox_block(&inbox) == NULL);
    lti_inbox_clear(&inbox, &pool);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 2 * LTI_BLOCK_LARGE, 1000000, &room),
              2 * LTI_BLOCK_LARGE);
    CHECK(lti_inbox_block(&inbox) == NULL);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

TEST(inbox_without_memory)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, 0);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 10, 100000, &room), SIZE_MAX);
    pool.bytes_max = LTI_BLOCK_SMALL;
    inbox_put(&inbox, &pool, 4000, 100000, &place);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 500, 100000, &room), 96); /* what is there, at least */
    inbox_put(&inbox, &pool, 96, 100000, &place);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 500, 100000, &room), SIZE_MAX);
    lti_inbox_consume(&inbox, &pool, 1);
    CHECK_INT(lti_inbox_room(&inbox, &pool, 500, 100000, &room), 1);
    inbox_expect(&inbox, 1, 4095);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

/* The worst cases: read byte by byte while `held` bytes stay. Moving must stay cheap. */
static void expect_little_moved(size_t held, size_t limit)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0;
    uint64_t moved = 0;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, held, limit, &place);
    for (uint64_t step = 0; step < 400000; step++) {
        lti_inbox_consume(&inbox, &pool, 1);
        const uint8_t *before = lti_inbox_bytes(&inbox);
        inbox_put(&inbox, &pool, 1, limit, &place);
        if (lti_inbox_bytes(&inbox) != before)
            moved += held;
    }
    inbox_expect(&inbox, 400000, held);
    CHECK(moved <= 400000 * 4 + capacity_bound(limit));
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

TEST(inbox_moves_little)
{
    expect_little_moved(50000, 50000);
    expect_little_moved(64000, 64000);
    expect_little_moved(4095, 100000);
    expect_little_moved(65535, 300000);
    expect_little_moved(1, 1);
}

/* Also when there is no memory for the larger block that each read would like to have. */
TEST(inbox_moves_little_without_memory)
{
    const size_t held = 60000;
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint64_t place = 0, moved = 0;
    lti_pool_init(&pool, LTI_BLOCK_LARGE);
    inbox_put(&inbox, &pool, held, 1000000, &place);
    for (uint64_t step = 0; step < 100000; step++) {
        uint8_t *room = NULL;
        lti_inbox_consume(&inbox, &pool, 1);
        const uint8_t *before = lti_inbox_bytes(&inbox);
        size_t got = lti_inbox_room(&inbox, &pool, 40000, 1000000, &room);
        REQUIRE(got > 0 && got != SIZE_MAX);
        room[0] = byte_at(place++);
        lti_inbox_filled(&inbox, 1);
        if (lti_inbox_bytes(&inbox) != before)
            moved += held;
    }
    inbox_expect(&inbox, 100000, held);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE);
    CHECK(moved <= 100000 * 8);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}

struct model {
    struct lti_inbox inbox;
    struct lti_pool pool;
    struct prng prng;
    uint64_t came, taken;
    size_t limit;
    const uint8_t *view;
    uint64_t view_place;
    size_t view_size;
    uint64_t moved;
};

static void model_room(struct model *model)
{
    uint8_t *room = NULL;
    size_t size = (size_t)(model->came - model->taken);
    size_t want = prng_below(&model->prng, 10) == 0 ? SIZE_MAX : prng_below(&model->prng, 9000);
    const uint8_t *before = lti_inbox_bytes(&model->inbox);
    size_t got = lti_inbox_room(&model->inbox, &model->pool, want, model->limit, &room);
    if (lti_inbox_bytes(&model->inbox) != before)
        model->moved += size;
    if (got == SIZE_MAX) {
        REQUIRE(model->pool.bytes_max < SIZE_MAX);
        return;
    }
    if (got == 0) {
        REQUIRE(size >= model->limit || model->inbox.pinned);
        return;
    }
    REQUIRE(got <= (want > 0 ? want : 1) && got <= model->limit - size);
    got = prng_below(&model->prng, got + 1);
    for (size_t i = 0; i < got; i++)
        room[i] = byte_at(model->came++);
    lti_inbox_filled(&model->inbox, got);
}

static void model_pin(struct model *model)
{
    if (model->inbox.pinned) {
        REQUIRE_INT(model->view_size > 0 ? model->view[0] : 0,
                    model->view_size > 0 ? byte_at(model->view_place) : 0);
        for (size_t i = 0; i < model->view_size; i++)
            if (model->view[i] != byte_at(model->view_place + i))
                REQUIRE_INT(model->view[i], byte_at(model->view_place + i));
        model->inbox.pinned = false;
        return;
    }
    model->inbox.pinned = true;
    model->view = lti_inbox_bytes(&model->inbox);
    model->view_place = model->taken;
    model->view_size = lti_inbox_size(&model->inbox);
}

static void model_run(struct model *model, int steps)
{
    for (int step = 0; step < steps; step++) {
        size_t size = (size_t)(model->came - model->taken);
        switch (prng_below(&model->prng, 6)) {
        case 0:
        case 1:
        case 2:
            model_room(model);
            break;
        case 3:
        case 4:
            size = prng_below(&model->prng, size + 1);
            lti_inbox_consume(&model->inbox, &model->pool, size);
            model->taken += size;
            break;
        default:
            model_pin(model);
            lti_inbox_trim(&model->inbox, &model->pool);
            break;
        }
        inbox_expect(&model->inbox, model->taken, (size_t)(model->came - model->taken));
        REQUIRE(model->inbox.capacity <= capacity_bound(model->limit));
        if (lti_inbox_size(&model->inbox) == 0 && !model->inbox.pinned && step % 2 == 0) {
            lti_inbox_trim(&model->inbox, &model->pool);
            REQUIRE(model->inbox.data == NULL);
        }
    }
}

TEST(inbox_against_model)
{
    const size_t limits[] = {1, 100, 4096, 5000, 65536, 100000, 300000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct model model = {.prng = {100 + i}, .limit = limits[i]};
        lti_pool_init(&model.pool, SIZE_MAX);
        model_run(&model, 3000);
        CHECK(model.moved <= model.came * 6 + 4 * capacity_bound(model.limit));
        model.pool.bytes_max = model.pool.bytes; /* from now on there is not much memory */
        model_run(&model, 1000);
        lti_inbox_clear(&model.inbox, &model.pool);
        lti_pool_end(&model.pool);
    }
}

/* Who looks at an empty block keeps it. */
TEST(inbox_pinned_keeps_its_block)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK(lti_inbox_room(&inbox, &pool, LTI_BLOCK_LARGE, LTI_BLOCK_LARGE, &room) > 0);
    REQUIRE(inbox.data != NULL);
    CHECK_INT(inbox.capacity, LTI_BLOCK_LARGE);
    CHECK(lti_inbox_block(&inbox) == inbox.data);
    inbox.pinned = true;
    CHECK(!lti_inbox_block(&inbox));
    lti_inbox_trim(&inbox, &pool);
    CHECK(inbox.data != NULL);
    inbox.pinned = false;
    lti_inbox_trim(&inbox, &pool);
    CHECK(!inbox.data);
    lti_pool_end(&pool);
}

TEST(inbox_traps)
{
    struct lti_pool pool;
    struct lti_inbox inbox = {0};
    struct lti_inbox empty = {0};
    uint64_t place = 0;
    uint8_t *room = NULL;
    lti_pool_init(&pool, SIZE_MAX);
    inbox_put(&inbox, &pool, 10, 100, &place);
    CHECK_TRAPS(lti_inbox_filled(&inbox, LTI_BLOCK_SMALL - 9));
    CHECK_TRAPS(lti_inbox_consume(&inbox, &pool, 11));
    CHECK_TRAPS(lti_inbox_room(&empty, &pool, SIZE_MAX, SIZE_MAX, &room));
    CHECK_TRAPS(lti_inbox_room(&empty, &pool, SIZE_MAX, (1u << 30) + 1, &room));
    pool.bytes_max = pool.bytes;
    CHECK_INT(lti_inbox_room(&empty, &pool, SIZE_MAX, 1u << 30, &room), SIZE_MAX);
    lti_inbox_clear(&inbox, &pool);
    lti_pool_end(&pool);
}
