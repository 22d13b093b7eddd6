/* SPDX-License-Identifier: MIT
 *
 * users.c: whether a place is that of a user, and how many bytes places take.
 */
#include "proofs.h"

#include "users.h"

/*@ requires \valid_read(users);
    requires \valid_read(users->places + (0 .. users->used - 1));
    assigns \nothing;
    ensures \result <==> at < users->used && users->places[at].user == user; */
static bool users_has(const struct lti_users *users, uint32_t at, uint32_t user);

/*@ assigns \nothing;
    ensures \result == capacity * 8; */
static size_t users_bytes(uint32_t capacity);

#include "../../src/users.c"
