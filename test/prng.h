/* SPDX-License-Identifier: MIT
 *
 * Pseudo-random numbers for tests: the same in each run, from a seed (splitmix64).
 */
#ifndef LTI_TEST_PRNG_H
#define LTI_TEST_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t word = prng->state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

/* From 0 to limit - 1; limit must not be 0. */
static inline size_t prng_below(struct prng *prng, size_t limit)
{
    return (size_t)(prng_next(prng) % limit);
}

#endif
