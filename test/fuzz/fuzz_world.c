/* SPDX-License-Identifier: MIT
 *
 * A simulated world for one input, and what the conformance kit wants of its harness there.
 *
 * Happy path: a new world is begun, the target uses the library and the kit in it, and in the end
 *             no descriptor, no allocation, no file and no raw peer is left.
 * Fails:      what is left, or a world in which somebody spins, ends the program.
 * Invariants: no real time, no real file, no thread.
 */
#include "fuzz.h"

#include "conformance/kit.h"
#include "os_sim/sim.h"

#include <stdlib.h>

#define BUSY_MAX 1000u

/* The kit's table of reasons belongs to tests that are not here. */
#ifndef LTI_NT
#undef KIT_POSIX_ONLY
#define KIT_POSIX_ONLY(suite, name, reason, instead)                                               \
    const char *const kit_reason_##name = KIT_REASON_##name;
#include "conformance/posix_only.def"
#endif

/* One that each simulated world has. */
const char *lti_test_folder(void)
{
    return "/home/user";
}

uint64_t lti_test_scaled_ms(uint64_t timeout_ms)
{
    return timeout_ms;
}

void lti_test_pause(void)
{
    kit_pass(1);
}

uint64_t lti_test_now_ms(void)
{
    return kit_now_ms();
}

/* Nothing here registers tests: the kit's headers only can. */
void lti_test_register(struct lti_test *test)
{
    (void)test;
    abort();
}

void lti_test_skip(const char *what, const char *file, int line)
{
    (void)lti_test_check(false, what, file, line);
    abort();
}

void fuzz_world_begin(const struct lti_sim_options *options)
{
    lti_sim_begin(options);
    kit_system_begin();
}

void fuzz_world_end(void)
{
    lti_sim_set_faults(NULL);
    kit_system_end();
    CHECK_INT(lti_test_allocations_live(), 0);
    CHECK_INT(lti_test_descriptors_live(), 0);
    CHECK_INT(lti_sim_misuses(), 0);
    CHECK(lti_sim_busy() < BUSY_MAX);
    lti_sim_end();
}

/* A pipe's writes wait for their reader whole, so the kit tells of one that cannot be made as of a
 * packet. */
size_t fuzz_raw_say(int fd, const void *data, size_t size)
{
    if (KIT_PIPES)
        return kit_raw_try_packet(fd, data, size) ? size : 0;
    return kit_raw_try_send(fd, data, size);
}
