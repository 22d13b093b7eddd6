/* SPDX-License-Identifier: MIT
 *
 * The outbox, by hand and against a plain count of bytes: the n-th byte that ever went in is known.
 */
#include "outbox.h"

#include "harness.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

#define PIECE_MAX 200000

static uint8_t piece[PIECE_MAX];

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place * 29 + (place >> 8));
}

static void outbox_put(struct lti_outbox *outbox, size_t size, uint64_t *place)
{
    for (size_t i = 0; i < size; i++)
        piece[i] = byte_at((*place)++);
    lti_outbox_append(outbox, piece, size);
}

/* Looks at all bytes through few slices at a time, as a writer does, but without consuming. */
static void outbox_expect(const struct lti_outbox *outbox, uint64_t place, uint64_t size)
{
    struct leat_slice slices[LEAT_SLICES_MAX];
    size_t count = lti_outbox_slices(outbox, slices, LEAT_SLICES_MAX);
    REQUIRE_INT(outbox->size, size);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = slices[i].data;
        REQUIRE(slices[i].size > 0 && slices[i].size <= size);
        for (size_t j = 0; j < slices[i].size; j++)
            if (bytes[j] != byte_at(place + j))
                REQUIRE_INT(bytes[j], byte_at(place + j));
        place += slices[i].size;
        size -= slices[i].size;
    }
    REQUIRE(size == 0 || count == LEAT_SLICES_MAX);
}

TEST(outbox_empty)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slice;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK_INT(lti_outbox_slices(&outbox, &slice, 1), 0);
    CHECK(lti_outbox_reserve(&outbox, &pool, 0));
    CHECK(outbox.first == NULL);
    lti_outbox_append(&outbox, NULL, 0);
    lti_outbox_consume(&outbox, &pool, 0);
    lti_outbox_trim(&outbox, &pool);
    lti_outbox_clear(&outbox, &pool);
    CHECK_INT(pool.bytes, 0);
    lti_pool_end(&pool);
}

TEST(outbox_reserve_is_not_bytes)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slice;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK(lti_outbox_reserve(&outbox, &pool, 10));
    CHECK_INT(outbox.size, 0);
    CHECK_INT(pool.bytes, LTI_BLOCK_SMALL);
    CHECK_INT(lti_outbox_slices(&outbox, &slice, 1), 0);
    CHECK(lti_outbox_reserve(&outbox, &pool, 20)); /* not on top of the first */
    CHECK_INT(pool.bytes, LTI_BLOCK_SMALL);
    lti_outbox_trim(&outbox, &pool);
    CHECK(outbox.first == NULL);
    CHECK_INT(pool.free_count[0], 1);
    lti_pool_end(&pool);
}

TEST(outbox_trim_leaves_bytes)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 100000));
    outbox_put(&outbox, 10, &place);
    lti_outbox_trim(&outbox, &pool);
    outbox_expect(&outbox, 0, 10);
    outbox_put(&outbox, 99990, &place);
    outbox_expect(&outbox, 0, 100000);
    lti_outbox_consume(&outbox, &pool, 99999);
    outbox_expect(&outbox, 99999, 1);
    lti_outbox_consume(&outbox, &pool, 1);
    CHECK(outbox.first == NULL);
    lti_pool_end(&pool);
}

TEST(outbox_slices_are_bounded)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slices[3];
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 195000));
    for (int i = 0; i < 3; i++)
        outbox_put(&outbox, 65000, &place);
    CHECK_INT(lti_outbox_slices(&outbox, slices, 0), 0);
    CHECK_INT(lti_outbox_slices(&outbox, slices, 1), 1);
    CHECK_INT(lti_outbox_slices(&outbox, slices, 3), 3);
    CHECK_INT(slices[0].size + slices[1].size + slices[2].size, 195000);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* What a write under way looks at stays, whatever is appended meanwhile. */
TEST(outbox_bytes_do_not_move)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice before;
    struct leat_slice after;
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 3000));
    outbox_put(&outbox, 3000, &place);
    CHECK_INT(lti_outbox_slices(&outbox, &before, 1), 1);
    for (int i = 0; i < 50; i++) {
        REQUIRE(lti_outbox_reserve(&outbox, &pool, 3000));
        outbox_put(&outbox, 3000, &place);
    }
    CHECK_INT(lti_outbox_slices(&outbox, &after, 1), 1);
    CHECK(after.data == before.data);
    outbox_expect(&outbox, 0, 153000);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* One write each, where a write takes one block: no end of a block is filled with half a piece. */
TEST(outbox_pieces_stay_whole)
{
    const size_t sizes[] = {65536, 65536 + 8, 69000, LTI_BLOCK_SMALL - 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct lti_pool pool;
        struct lti_outbox outbox = {0};
        struct leat_slice slices[4];
        uint64_t place = 0;
        lti_pool_init(&pool, SIZE_MAX);
        for (int count = 0; count < 4; count++) {
            REQUIRE(lti_outbox_reserve(&outbox, &pool, sizes[i]));
            outbox_put(&outbox, 8, &place);
            outbox_put(&outbox, sizes[i] - 8, &place);
        }
        REQUIRE_INT(lti_outbox_slices(&outbox, slices, 4), 4);
        for (int count = 0; count < 4; count++)
            CHECK_INT(slices[count].size, sizes[i]);
        outbox_expect(&outbox, 0, 4 * sizes[i]);
        lti_outbox_consume(&outbox, &pool, 3 * sizes[i] + 1);
        outbox_expect(&outbox, 3 * sizes[i] + 1, sizes[i] - 1);
        lti_outbox_clear(&outbox, &pool);
        lti_pool_end(&pool);
    }
}

/* A reservation that fails leaves the end of the block to what fits there. */
TEST(outbox_end_is_not_lost_in_vain)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slice;
    uint64_t place = 0;
    lti_pool_init(&pool, LTI_BLOCK_LARGE);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 65536));
    outbox_put(&outbox, 65536, &place);
    CHECK(!lti_outbox_reserve(&outbox, &pool, 65536));
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 4000));
    outbox_put(&outbox, 4000, &place);
    CHECK_INT(lti_outbox_slices(&outbox, &slice, 1), 1);
    CHECK_INT(slice.size, 69536);
    outbox_expect(&outbox, 0, 69536);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* More than 32 bits can count is refused before memory is asked for. */
TEST(outbox_holds_what_32_bits_count)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 1000));
    outbox_put(&outbox, 1000, &place);
    size_t bytes = pool.bytes;
    CHECK(!lti_outbox_reserve(&outbox, &pool, UINT32_MAX - 999));
    CHECK(!lti_outbox_reserve_piece(&outbox, &pool, UINT32_MAX - 999));
    CHECK_INT(pool.bytes_high, bytes);
    outbox_expect(&outbox, 0, 1000);
    outbox.size = UINT32_MAX - 500; /* as if it held so much */
    CHECK(lti_outbox_reserve(&outbox, &pool, 500));
    CHECK(!lti_outbox_reserve(&outbox, &pool, 501));
    outbox.size = 1000;
    lti_outbox_clear(&outbox, &pool);
    REQUIRE(lti_outbox_reserve_piece(&outbox, &pool, 1000));
    outbox_put(&outbox, 1000, &place);
    outbox.size = UINT32_MAX - 500;
    CHECK(lti_outbox_reserve_piece(&outbox, &pool, 500));
    CHECK(!lti_outbox_reserve_piece(&outbox, &pool, 501));
    outbox.size = 1000;
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* What a small block has room for counts: for the rest of an append another one is enough. */
TEST(outbox_small_stays_small)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 2000));
    outbox_put(&outbox, 2000, &place);
    CHECK_INT(pool.bytes, LTI_BLOCK_SMALL);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 3000));
    outbox_put(&outbox, 3000, &place);
    CHECK_INT(pool.bytes, 2 * LTI_BLOCK_SMALL);
    outbox_expect(&outbox, 0, 5000);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, LTI_BLOCK_SMALL - LTI_OUTBOX_HEADER_BYTES));
    CHECK_INT(pool.bytes, LTI_BLOCK_SMALL); /* just what it holds */
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

TEST(outbox_reserve_without_memory)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, 0);
    CHECK(!lti_outbox_reserve(&outbox, &pool, 1));
    CHECK(outbox.first == NULL);
    pool.bytes_max = LTI_BLOCK_LARGE + LTI_BLOCK_SMALL;
    CHECK(!lti_outbox_reserve(&outbox, &pool, 200000));
    CHECK(outbox.first == NULL);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 1000));
    outbox_put(&outbox, 1000, &place);
    const struct lti_outbox_block *first = outbox.first;
    CHECK(!lti_outbox_reserve(&outbox, &pool, 200000));
    CHECK(outbox.first == first);
    outbox_expect(&outbox, 0, 1000);
    CHECK(lti_outbox_reserve(&outbox, &pool, 2000));
    outbox_put(&outbox, 2000, &place);
    outbox_expect(&outbox, 0, 3000);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* Memory stays near to what is held. */
TEST(outbox_holds_little_more_than_its_bytes)
{
    const size_t sizes[] = {1, 100, 4000, 4090, 16000, 65536, 200000};
    struct lti_pool pool;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct lti_outbox outbox = {0};
        uint64_t place = 0;
        lti_pool_init(&pool, SIZE_MAX);
        while (place < 500000) {
            REQUIRE(lti_outbox_reserve(&outbox, &pool, sizes[i]));
            outbox_put(&outbox, sizes[i], &place);
            REQUIRE(pool.bytes <= outbox.size + outbox.size / 8 + LTI_BLOCK_LARGE);
        }
        lti_outbox_clear(&outbox, &pool);
        lti_pool_end(&pool);
    }
}

static void model_run(size_t piece_max, uint64_t seed)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct prng prng = {seed};
    uint64_t came = 0;
    uint64_t taken = 0;
    lti_pool_init(&pool, 1000000);
    for (int step = 0; step < 2000; step++) {
        size_t size = prng_below(&prng, piece_max + 1);
        switch (prng_below(&prng, 6)) {
        case 0:
        case 1:
            if (!lti_outbox_reserve(&outbox, &pool, size)) {
                REQUIRE(size + outbox.size > 500000);
                break;
            }
            if (prng_below(&prng, 4) > 0) /* less than was reserved, too */
                size = prng_below(&prng, size + 1);
            outbox_put(&outbox, size, &came);
            break;
        case 2:
            lti_outbox_trim(&outbox, &pool);
            break;
        case 3:
            if (outbox.size > 0 && prng_below(&prng, 10) > 0)
                break;
            lti_outbox_consume(&outbox, &pool, outbox.size);
            taken = came;
            break;
        default:
            size = prng_below(&prng, outbox.size + 1);
            lti_outbox_consume(&outbox, &pool, size);
            taken += size;
            break;
        }
        outbox_expect(&outbox, taken, came - taken);
        if (came == taken && step % 2 == 0) {
            lti_outbox_trim(&outbox, &pool);
            REQUIRE(outbox.first == NULL);
        }
    }
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

TEST(outbox_against_model)
{
    model_run(1, 10);
    model_run(300, 11);
    model_run(5000, 12);
    model_run(PIECE_MAX, 13);
}

TEST(outbox_traps)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t place = 0;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK_TRAPS(lti_outbox_append(&outbox, "x", 1));
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 1));
    outbox_put(&outbox, 1, &place);
    CHECK_TRAPS(lti_outbox_consume(&outbox, &pool, 2));
    CHECK_TRAPS(lti_outbox_append(&outbox, piece, 5000));
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}

/* Each piece has a block of its own, exactly as large, so that a writer finds it whole. */
TEST(outbox_pieces_lie_alone)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slices[LEAT_SLICES_MAX];
    const size_t sizes[] = {1, 8, 9, 4095, 4096, 4097, 65536, 70000, 1, 150000};
    const size_t count = sizeof sizes / sizeof sizes[0];
    uint64_t put = 0, taken = 0;
    lti_pool_init(&pool, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(lti_outbox_reserve_piece(&outbox, &pool, sizes[i]));
        /* In two parts, as a header and what follows it. */
        outbox_put(&outbox, sizes[i] / 3, &put);
        outbox_put(&outbox, sizes[i] - sizes[i] / 3, &put);
    }
    outbox_expect(&outbox, 0, put);
    REQUIRE_INT(lti_outbox_slices(&outbox, slices, LEAT_SLICES_MAX), count);
    for (size_t i = 0; i < count; i++)
        CHECK_INT(slices[i].size, sizes[i]);
    const uint8_t *last = slices[count - 1].data;
    for (size_t i = 0; i < count; i++) {
        REQUIRE_INT(lti_outbox_slices(&outbox, slices, 1), 1);
        REQUIRE_INT(slices[0].size, sizes[i]);
        outbox_expect(&outbox, taken, put - taken);
        if (i == 2) { /* one more behind those that are there */
            REQUIRE(lti_outbox_reserve_piece(&outbox, &pool, 77));
            outbox_put(&outbox, 77, &put);
        }
        taken += sizes[i];
        lti_outbox_consume(&outbox, &pool, sizes[i]);
    }
    CHECK(slices[0].data == last); /* none has moved */
    REQUIRE_INT(lti_outbox_slices(&outbox, slices, 2), 1);
    CHECK_INT(slices[0].size, 77);
    lti_outbox_consume(&outbox, &pool, 77);
    CHECK(outbox.first == NULL && outbox.size == 0);
    lti_pool_end(&pool);
    CHECK_INT(pool.bytes, 0);
}

TEST(outbox_piece_without_memory_changes_nothing)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    struct leat_slice slices[4];
    uint64_t put = 0;
    lti_pool_init(&pool, 10000);
    REQUIRE(lti_outbox_reserve_piece(&outbox, &pool, 1000));
    outbox_put(&outbox, 1000, &put);
    size_t before = pool.bytes;
    CHECK(!lti_outbox_reserve_piece(&outbox, &pool, 10000));
    CHECK(!lti_outbox_reserve_piece(&outbox, &pool, UINT32_MAX));
    CHECK(!lti_outbox_reserve_piece(&outbox, &pool, SIZE_MAX));
    CHECK_INT(pool.bytes, before);
    outbox_expect(&outbox, 0, 1000);
    REQUIRE(lti_outbox_reserve_piece(&outbox, &pool, 8));
    outbox_put(&outbox, 8, &put);
    CHECK_INT(lti_outbox_slices(&outbox, slices, 4), 2);
    lti_outbox_clear(&outbox, &pool);
    CHECK(outbox.first == NULL && outbox.size == 0);
    lti_pool_end(&pool);
}

TEST(outbox_extend_within_what_is_reserved)
{
    struct lti_pool pool;
    struct lti_outbox outbox = {0};
    uint64_t put = 0;
    lti_pool_init(&pool, SIZE_MAX);
    CHECK(lti_outbox_extend(&outbox, 1) == NULL);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 65536));
    while (put < 65536) {
        size_t size = put + 1000 <= 65536 ? 1000 : (size_t)(65536 - put);
        uint8_t *room = lti_outbox_extend(&outbox, size);
        REQUIRE(room != NULL);
        for (size_t i = 0; i < size; i++)
            room[i] = byte_at(put++);
        outbox_expect(&outbox, 0, put);
    }
    CHECK(lti_outbox_extend(&outbox, LTI_BLOCK_LARGE) == NULL);
    outbox_expect(&outbox, 0, put);
    lti_outbox_consume(&outbox, &pool, 100);
    REQUIRE(lti_outbox_reserve(&outbox, &pool, 5000));
    outbox_put(&outbox, 5000, &put);
    outbox_expect(&outbox, 100, put - 100);
    lti_outbox_clear(&outbox, &pool);
    lti_pool_end(&pool);
}
