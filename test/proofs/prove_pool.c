/* SPDX-License-Identifier: MIT
 *
 * pool.c: which list a size belongs to.
 */
#include "proofs.h"

#include "pool.h"

/*@ assigns \nothing;
    ensures size == 4096 ==> \result == 0;
    ensures size == 69632 ==> \result == 1;
    ensures size != 4096 && size != 69632 ==> \result == 2; */
static uint32_t pool_list(size_t size);

#include "../../src/pool.c"
