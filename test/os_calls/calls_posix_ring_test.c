/* SPDX-License-Identifier: MIT
 *
 * What several reads in one call make of a system that gives no ring, takes no jobs, or answers
 * late.
 */
#include "calls.h"
#include "harness.h"
#include "os_posix.h"

#include "leat/leat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS 3u

struct several {
    struct lti_os_ring *ring;
    int ends[PAIRS][2];
    char bytes[PAIRS];
    struct lti_os_job jobs[PAIRS];
};

static void several_open(struct several *several)
{
    const struct leat_slice slice = {"z", 1};
    int64_t result = lti_os_ring_create(&several->ring);
    if (result < 0)
        SKIP_NEEDS("io_uring");
    for (size_t i = 0; i < PAIRS; i++) {
        REQUIRE_INT(lti_os_socketpair(false, several->ends[i]), 0);
        REQUIRE_INT(lti_os_send(several->ends[i][1], &slice, 1), 1);
        several->jobs[i] =
            (struct lti_os_job){.fd = several->ends[i][0], .into = &several->bytes[i], .size = 1};
    }
}

static void several_close(struct several *several)
{
    for (size_t i = 0; i < PAIRS; i++)
        for (int end = 0; end < 2; end++)
            CHECK_INT(lti_os_close(several->ends[i][end]), 0);
    lti_os_ring_destroy(several->ring, false);
}

TEST(calls_a_ring_that_is_not_to_be_had)
{
    struct lti_os_ring *ring = NULL;
    int64_t result = lti_os_ring_create(&ring);
    if (result < 0)
        SKIP_NEEDS("io_uring");
    lti_os_ring_destroy(ring, false);
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY, lti_os_ring_create(&ring));
    CHECK_FAILS("io_uring_queue_init", 1, ENOSYS, LTI_OS_UNSUPPORTED, lti_os_ring_create(&ring));
    CHECK_FAILS("io_uring_queue_init", 1, EPERM, LTI_OS_ACCESS, lti_os_ring_create(&ring));
    CHECK_FAILS("io_uring_queue_init", 1, EMFILE, LTI_OS_DESCRIPTORS, lti_os_ring_create(&ring));
    CHECK_FAILS("io_uring_ring_dontfork", 1, ENOMEM, LTI_OS_MEMORY, lti_os_ring_create(&ring));
    lti_call_fails("io_uring_get_probe_ring", 1, ENOMEM);
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&ring)), LTI_OS_UNSUPPORTED);
    CHECK(!lti_call_waits());
}

TEST(calls_a_ring_that_takes_its_jobs_later)
{
    struct several several;
    several_open(&several);
    lti_call_submits(3, EAGAIN);
    CHECK_INT(lti_os_ring_recv(several.ring, several.jobs, PAIRS), 0);
    for (size_t i = 0; i < PAIRS; i++)
        CHECK(several.jobs[i].result == 1 && several.bytes[i] == 'z');
    CHECK(!lti_call_waits());
    several_close(&several);
}

/* The memory is the kernel's until it has answered, so nobody is told before. */
TEST(calls_a_ring_that_answers_later)
{
    struct several several;
    several_open(&several);
    lti_call_late();
    CHECK_INT(lti_os_ring_recv(several.ring, several.jobs, PAIRS), 0);
    for (size_t i = 0; i < PAIRS; i++)
        CHECK(several.jobs[i].result == 1 && several.bytes[i] == 'z');
    CHECK(!lti_call_waits());
    several_close(&several);
}

/* For good: what it did not take is left to others, and nothing is put into it any more. */
TEST(calls_a_ring_that_takes_no_more)
{
    struct several several;
    char byte;
    uint32_t flags = LTI_OS_RECV_PLAIN;
    several_open(&several);
    lti_call_submits(1000, EBUSY);
    CHECK_INT(lti_os_kind_of(lti_os_ring_recv(several.ring, several.jobs, PAIRS)), LTI_OS_AGAIN);
    CHECK(lti_call_waits());
    lti_call_submits(0, 0);
    for (size_t i = 0; i < PAIRS; i++)
        CHECK_INT(lti_os_kind_of(several.jobs[i].result), LTI_OS_INTERRUPTED);
    CHECK(lti_os_ring_recv(several.ring, several.jobs, PAIRS) < 0);
    CHECK_INT(lti_os_recv(several.ends[0][0], &byte, 1, NULL, &flags), 1);
    several_close(&several);
}

TEST(calls_more_jobs_than_a_ring_has_room_for)
{
    struct several several;
    several_open(&several);
    CHECK_INT(lti_os_kind_of(lti_os_ring_recv(several.ring, several.jobs, LTI_OS_JOBS_MAX + 1)),
              LTI_OS_INVALID);
    CHECK_INT(lti_os_ring_recv(several.ring, several.jobs, PAIRS), 0);
    several_close(&several);
}

/* A child gives back its copy of the descriptor. It has no part of the memory, so it must not be
 * unmapped: what is there may be anything by now. */
TEST(calls_a_ring_that_was_forked)
{
    struct several several;
    int fd = dup(STDERR_FILENO), code = 0; /* the lowest that is free, so the ring's */
    REQUIRE(fd >= 0 && close(fd) == 0);
    several_open(&several);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool had = fcntl(fd, F_GETFD) >= 0;
        lti_call_fails("io_uring_queue_exit", 1, EFAULT);
        lti_os_ring_destroy(several.ring, true);
        _exit(had && fcntl(fd, F_GETFD) < 0 && lti_call_waits() ? 0 : 1);
    }
    REQUIRE(waitpid(child, &code, 0) == child);
    CHECK_INT(code, 0);
    CHECK_INT(lti_os_ring_recv(several.ring, several.jobs, PAIRS), 0);
    for (size_t i = 0; i < PAIRS; i++)
        CHECK(several.jobs[i].result == 1 && several.bytes[i] == 'z');
    several_close(&several);
}

#ifndef LEAT_HAVE_URING

/* Who asks gets the same as from a kernel that has none, and what goes with a ring has no ring. */
TEST(calls_a_build_without_rings)
{
    struct lti_os_ring *ring = NULL;
    struct lti_os_job job = {.fd = -1};
    CHECK_INT(lti_os_kind_of(lti_os_ring_create(&ring)), LTI_OS_UNSUPPORTED);
    CHECK(ring == NULL);
    CHECK_INT(lti_os_kind_of(lti_os_ring_recv(ring, &job, 1)), LTI_OS_UNSUPPORTED);
    lti_os_ring_destroy(ring, false);
}

#endif
