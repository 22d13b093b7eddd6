/* SPDX-License-Identifier: MIT
 *
 * options.c: a number and a box are in their bounds, or refused.
 */
#include "proofs.h"

#include "core.h"

/*@ requires \valid(value);
    assigns *value;
    ensures *value == (\old(*value) == 0 ? otherwise : \old(*value)); */
static void number_default(uint32_t *value, uint32_t otherwise);

/*@ requires \valid(value);
    assigns *value;
    ensures *value == (\old(*value) == 0 ? otherwise : \old(*value));
    ensures \result <==> *value <= cap; */
static bool number_take(uint32_t *value, uint32_t otherwise, uint32_t cap);

/*@ requires \valid(high) && \valid(low) && \separated(high, low);
    assigns *high, *low;
    ensures *high == (\old(*high) == 0 ? otherwise : \old(*high));
    ensures \result ==> *low < *high; */
static bool box_take(size_t *high, size_t *low, size_t otherwise);

#include "../../src/options.c"
