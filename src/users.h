/* SPDX-License-Identifier: MIT
 *
 * How many of something each user has: a small table, with a place for each user that has any.
 */
#ifndef LTI_USERS_H
#define LTI_USERS_H

#include "pool.h"

#include <stdbool.h>
#include <stdint.h>

struct lti_users_place {
    uint32_t user, count;
};

struct lti_users {
    struct lti_users_place *places; /* in the order of users */
    uint32_t used, capacity;
};

/* One more of the user: how many it has now; 0: there is no memory, and nothing has changed. */
uint32_t lti_users_add(struct lti_users *users, struct lti_pool *pool, uint32_t user);
/* One less; there must be one. With the last of all users the memory goes back. */
void lti_users_remove(struct lti_users *users, struct lti_pool *pool, uint32_t user);

#endif
