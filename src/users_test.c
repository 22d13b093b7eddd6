/* SPDX-License-Identifier: MIT
 *
 * Counts of users against a plain table; no memory changes nothing; the memory goes back.
 */
#include "users.h"

#include "harness.h"
#include "prng.h"
#include "traps.h"

#include <string.h>

static void add(struct lti_users *users, struct lti_pool *pool, uint32_t user, uint32_t expected)
{
    CHECK_INT(lti_users_add(users, pool, user), expected);
}

TEST(users_are_counted_apart)
{
    struct lti_pool pool;
    struct lti_users users;
    memset(&users, 0, sizeof users);
    lti_pool_init(&pool, SIZE_MAX);
    add(&users, &pool, 1000, 1);
    add(&users, &pool, 0, 1);
    add(&users, &pool, UINT32_MAX, 1);
    add(&users, &pool, 1000, 2);
    add(&users, &pool, 999, 1);
    lti_users_remove(&users, &pool, 1000);
    add(&users, &pool, 1000, 2);
    lti_users_remove(&users, &pool, 1000);
    lti_users_remove(&users, &pool, 1000);
    add(&users, &pool, 1000, 1);
    CHECK_INT(users.used, 4);
    const uint32_t left[] = {0, 999, 1000, UINT32_MAX};
    for (size_t i = 0; i < 4; i++)
        lti_users_remove(&users, &pool, left[i]);
    CHECK_INT(users.used, 0);
    CHECK(users.places == NULL);
    lti_pool_end(&pool);
}

TEST(users_like_a_plain_table)
{
    static uint32_t counts[300];
    struct prng random = {7};
    struct lti_pool pool;
    struct lti_users users;
    memset(&users, 0, sizeof users);
    lti_pool_init(&pool, SIZE_MAX);
    for (int i = 0; i < 20000; i++) {
        uint32_t user = (uint32_t)prng_below(&random, 300);
        /* It fills in the first half, and empties in the second. */
        bool more = prng_below(&random, 8) < (i < 10000 ? 5u : 3u);
        if (more)
            add(&users, &pool, user * 7919, ++counts[user]);
        else if (counts[user] > 0 && counts[user]--)
            lti_users_remove(&users, &pool, user * 7919);
    }
    for (uint32_t user = 0; user < 300; user++)
        for (; counts[user] > 0; counts[user]--)
            lti_users_remove(&users, &pool, user * 7919);
    CHECK_INT(users.used, 0);
    lti_pool_end(&pool);
}

TEST(users_without_memory)
{
    struct lti_pool pool;
    struct lti_users users;
    memset(&users, 0, sizeof users);
    lti_pool_init(&pool, 40); /* for the first four places */
    for (uint32_t user = 0; user < 4; user++)
        add(&users, &pool, user, 1);
    add(&users, &pool, 9, 0);
    CHECK_INT(users.used, 4);
    add(&users, &pool, 3, 2); /* who has a place needs no memory */
    lti_users_remove(&users, &pool, 3);
    for (uint32_t user = 0; user < 4; user++)
        lti_users_remove(&users, &pool, user);
    lti_pool_end(&pool);
}

static void remove_nobody(void)
{
    struct lti_pool pool;
    struct lti_users users;
    memset(&users, 0, sizeof users);
    lti_pool_init(&pool, SIZE_MAX);
    (void)lti_users_add(&users, &pool, 1);
    lti_users_remove(&users, &pool, 2);
}

TEST(users_remove_of_nobody_traps)
{
    CHECK_TRAPS(remove_nobody());
}
