/* SPDX-License-Identifier: MIT
 *
 * How many of something each user has.
 *
 * Happy path: the places are in the order of users, so that one is found by halving.
 * Fails:      only a new user's place can, for want of memory; nothing has changed then.
 * Invariants: no place has a count of 0; with no place there is no memory. At most half of the
 *             memory is unused when a place is added.
 */
#include "users.h"

#include "lti_assert.h"

#include <string.h>

#define CAPACITY_FIRST 4u

/* Where the user is, or would be. */
static uint32_t users_find(const struct lti_users *users, uint32_t user)
{
    uint32_t begin = 0, end = users->used;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (users->places[middle].user < user)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static bool users_has(const struct lti_users *users, uint32_t at, uint32_t user)
{
    return at < users->used && users->places[at].user == user;
}

static size_t users_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct lti_users_place);
}

static bool users_grow(struct lti_users *users, struct lti_pool *pool)
{
    LTI_ASSERT(users->capacity <= UINT32_MAX / sizeof(struct lti_users_place) / 2);
    uint32_t capacity = users->capacity ? users->capacity * 2 : CAPACITY_FIRST;
    struct lti_users_place *places = lti_pool_alloc(pool, users_bytes(capacity));
    if (places == NULL)
        return false;
    if (users->places)
        memcpy(places, users->places, users_bytes(users->used));
    lti_pool_free(pool, users->places, users_bytes(users->capacity));
    users->places = places;
    users->capacity = capacity;
    return true;
}

uint32_t lti_users_add(struct lti_users *users, struct lti_pool *pool, uint32_t user)
{
    uint32_t at = users_find(users, user);
    if (users_has(users, at, user)) {
        LTI_ASSERT(users->places[at].count > 0 && users->places[at].count < UINT32_MAX);
        return ++users->places[at].count;
    }
    LTI_ASSERT(at == 0 || users->places[at - 1].user < user); /* the places are in order */
    LTI_ASSERT(at == users->used || users->places[at].user > user);
    if (users->used == users->capacity && !users_grow(users, pool))
        return 0;
    memmove(users->places + at + 1, users->places + at, users_bytes(users->used - at));
    users->places[at] = (struct lti_users_place){user, 1};
    users->used++;
    return 1;
}

void lti_users_remove(struct lti_users *users, struct lti_pool *pool, uint32_t user)
{
    uint32_t at = users_find(users, user);
    LTI_ASSERT(users_has(users, at, user) && users->places[at].count > 0);
    if (--users->places[at].count > 0)
        return;
    users->used--;
    memmove(users->places + at, users->places + at + 1, users_bytes(users->used - at));
    if (users->used > 0)
        return;
    lti_pool_free(pool, users->places, users_bytes(users->capacity));
    memset(users, 0, sizeof *users);
}
