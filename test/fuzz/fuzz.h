/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share: how they are called, how they take their input apart, and the world
 * of those that run on the simulated kernel.
 *
 * A target is one file, target_NAME.c: it has LLVMFuzzerTestOneInput and ends the program when a
 * promise is broken, by CHECK and REQUIRE of test/harness.h, an assertion of the library, the
 * simulated kernel, or a sanitizer. What one input does depends on nothing but its bytes.
 */
#ifndef LTI_FUZZ_H
#define LTI_FUZZ_H

#include "harness.h"
#include "prng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
    const uint8_t *data;
    size_t size; /* of what is left */
};

/* The next byte; 0 when none is left. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* Two bytes, the low one first, so that a number in a corpus file can be read. */
static inline uint16_t fuzz_word(struct fuzz_input *input)
{
    uint16_t low = fuzz_byte(input);
    return (uint16_t)(low | fuzz_byte(input) << 8);
}

static inline uint32_t fuzz_below(struct fuzz_input *input, uint32_t bound)
{
    return fuzz_byte(input) % bound;
}

/* The next `want` bytes, or what is left. */
static inline struct fuzz_input fuzz_part(struct fuzz_input *input, size_t want)
{
    struct fuzz_input part = {input->data, want < input->size ? want : input->size};
    input->data += part.size;
    input->size -= part.size;
    return part;
}

/* Targets with a simulated kernel: a fresh world, in which everything runs in process 0 and on the
 * target's stack; and its end, when nothing may be left, and nobody may have spun or misused the
 * kernel. */
struct lti_sim_options;
void fuzz_world_begin(const struct lti_sim_options *options);
void fuzz_world_end(void);
/* What a raw peer of the conformance kit can say now: how many bytes, 0 also when nobody hears. */
size_t fuzz_raw_say(int fd, const void *data, size_t size);

#endif
