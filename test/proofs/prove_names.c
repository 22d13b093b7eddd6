/* SPDX-License-Identifier: MIT
 *
 * address.c: single bytes of names.
 */
#include "proofs.h"

#include "address.h"

/*@ assigns \nothing;
    ensures \result <==> first <= byte <= last; */
static bool byte_between(uint8_t byte, uint8_t first, uint8_t last);

/*@ assigns \nothing;
    ensures 65 <= byte <= 90 ==> \result == byte + 32;
    ensures byte < 65 || byte > 90 ==> \result == byte; */
static uint8_t lower(uint8_t byte);

#include "../../src/address.c"
