/* SPDX-License-Identifier: MIT
 *
 * Several reads in one call: what a test can make the simulated kernel do to them.
 *
 * Happy path: refusals and faults, each by the word that asks for it.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world.
 */
#include "harness.h"

#include "leat/leat.h"
#include "sim_kernel.h"

#include <errno.h>

TEST(sim_ring_that_nobody_may_make)
{
    struct lti_os_ring *ring = NULL;
    struct lti_sim_options options = {.ring_errno = EPERM};
    lti_sim_begin(&options);
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&ring)), LTI_OS_ACCESS);
    options.ring_errno = EOPNOTSUPP;
    lti_sim_begin(&options);
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&ring)), LTI_OS_UNSUPPORTED);
    CHECK(ring == NULL);
}

TEST(sim_ring_needs_a_descriptor_and_memory)
{
    struct lti_os_ring *ring = NULL;
    struct lti_sim_options options = {.descriptors_max = 1};
    lti_sim_begin(&options);
    CHECK_INT(lti_os_ring_create(&ring), 0);
    struct lti_os_ring *second = NULL;
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&second)), LTI_OS_DESCRIPTORS);
    lti_os_ring_destroy(ring, false);
    const struct lti_sim_faults faults = {.memory = 1000000};
    lti_sim_set_faults(&faults);
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&second)), LTI_OS_MEMORY);
    lti_sim_set_faults(NULL);
    CHECK_INT(lti_test_allocations_live(), 0);
}

/* What it did before it failed is done; the rest says that it was not tried. */
TEST(sim_ring_that_fails_stays_so)
{
    int ends[2];
    char bytes[4][1];
    struct lti_os_job jobs[4];
    struct lti_os_ring *ring = NULL;
    const struct leat_slice slice = {"abcd", 4};
    const struct lti_sim_options options = {.seed = 11};
    const struct lti_sim_faults faults = {.memory = 300000};
    lti_sim_begin(&options);
    REQUIRE_INT(lti_os_socketpair(false, ends), 0);
    REQUIRE_INT(lti_os_ring_create(&ring), 0);
    REQUIRE_INT(lti_os_send(ends[1], &slice, 1), 4);
    for (int i = 0; i < 4; i++)
        jobs[i] = (struct lti_os_job){.fd = ends[0], .into = bytes[i], .size = 1};
    lti_sim_set_faults(&faults);
    int64_t result = 0;
    int done = 0;
    for (int i = 0; i < 100 && result == 0; i++) {
        result = lti_os_ring_recv(ring, jobs, 1);
        done += jobs[0].result == 1;
    }
    CHECK_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    lti_sim_set_faults(NULL);
    CHECK_INT(lti_os_kind_of(lti_os_ring_recv(ring, jobs, 4)), LTI_OS_AGAIN);
    for (int i = 0; i < 4; i++)
        CHECK_INT(lti_os_kind_of(jobs[i].result), LTI_OS_INTERRUPTED);
    uint32_t flags = LTI_OS_RECV_PLAIN;
    if (done < 4)
        CHECK_INT(lti_os_recv(ends[0], bytes[0], 1, NULL, &flags), 1);
    lti_os_ring_destroy(ring, false);
    CHECK_INT(lti_os_close(ends[0]), 0);
    CHECK_INT(lti_os_close(ends[1]), 0);
}
