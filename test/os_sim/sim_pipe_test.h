/* SPDX-License-Identifier: MIT
 *
 * What the control tests of the simulated named pipes share: one connected pipe, and the steps of a
 * process that is short of something now and then.
 */
#ifndef LTI_SIM_PIPE_TEST_H
#define LTI_SIM_PIPE_TEST_H

#include "harness.h"
#include "sim_nt.h"

#include <string.h>

#define SIM_TEST_NAME u"\\\\.\\pipe\\sim"
#define SIM_TEST_QUOTA 4096u

struct sim_test_pair {
    intptr_t queue, server, client;
    struct lti_os_op ops[4];
    uint8_t bytes[100];
};

static inline struct lti_os_op *sim_test_clear(struct lti_os_op *op)
{
    memset(op, 0, sizeof *op);
    return op;
}

/* In the caller's process. */
static inline struct sim_test_pair *sim_test_pair(uint32_t quota)
{
    struct sim_test_pair *pair = lti_os_alloc(sizeof *pair);
    REQUIRE(pair != NULL);
    memset(pair, 0, sizeof *pair);
    pair->queue = (intptr_t)lti_os_queue_create();
    pair->server = (intptr_t)lti_os_pipe_create(SIM_TEST_NAME, 0, 255, quota, NULL);
    pair->client = (intptr_t)lti_os_pipe_open(SIM_TEST_NAME);
    REQUIRE(pair->queue > 0 && pair->server > 0 && pair->client > 0);
    REQUIRE_INT(lti_os_queue_add(pair->queue, pair->server, false), 0);
    REQUIRE_INT(lti_os_queue_add(pair->queue, pair->client, false), 0);
    return pair;
}

/* The result of the one operation that is under way. */
static inline int64_t sim_test_take(struct sim_test_pair *pair, const struct lti_os_op *op)
{
    struct lti_os_completion completion = {NULL, 0};
    REQUIRE_INT(lti_os_queue_wait(pair->queue, &completion, 1, -1), 1);
    CHECK(completion.op == op);
    return completion.result;
}

static inline void sim_test_unpair(struct sim_test_pair *pair)
{
    if (pair->server > 0)
        CHECK_INT(lti_os_handle_close(pair->server), 0);
    if (pair->client > 0)
        CHECK_INT(lti_os_handle_close(pair->client), 0);
    CHECK_INT(lti_os_handle_close(pair->queue), 0);
    lti_os_free(pair);
}

/* ---- In processes of their own --------------------------------------------------------------- */

/* Worth another try: the kernel is short of something, or of a client. */
static inline bool sim_test_waits(int64_t result)
{
    enum lti_os_kind kind = lti_os_kind_of(result);
    return kind == LTI_OS_MEMORY || kind == LTI_OS_BUSY || kind == LTI_OS_NOT_FOUND;
}

static inline intptr_t sim_test_queue(void)
{
    int64_t queue = lti_os_queue_create();
    while (queue < 0) {
        lti_sim_sleep(1000000);
        queue = lti_os_queue_create();
    }
    return (intptr_t)queue;
}

/* The result of an operation that a call began, when its completion came. */
static inline int64_t sim_test_result(intptr_t queue, const struct lti_os_op *op, int64_t result)
{
    struct lti_os_completion completion = {NULL, 0};
    if (lti_os_kind_of(result) != LTI_OS_IN_PROGRESS)
        return result;
    while (completion.op != op)
        (void)lti_os_queue_wait(queue, &completion, 1, 10000000);
    return completion.result;
}

static inline intptr_t sim_test_open(intptr_t queue)
{
    int64_t handle = lti_os_pipe_open(SIM_TEST_NAME);
    while (sim_test_waits(handle)) {
        lti_sim_sleep(1000000);
        handle = lti_os_pipe_open(SIM_TEST_NAME);
    }
    CHECK_INT(lti_os_queue_add(queue, (intptr_t)handle, false), 0);
    return (intptr_t)handle;
}

static inline intptr_t sim_test_instance(intptr_t queue, uint32_t flags)
{
    int64_t handle = lti_os_pipe_create(SIM_TEST_NAME, flags, 255, SIM_TEST_QUOTA, NULL);
    while (sim_test_waits(handle)) {
        lti_sim_sleep(1000000);
        handle = lti_os_pipe_create(SIM_TEST_NAME, flags, 255, SIM_TEST_QUOTA, NULL);
    }
    CHECK_INT(lti_os_queue_add(queue, (intptr_t)handle, false), 0);
    return (intptr_t)handle;
}

/* What came of several clients: `received` and `parts` are the story's own to count. */
struct sim_test_story {
    uint32_t done, bad;
    uint64_t received, parts;
};

/* One client after another; each is read by the function and left. */
static inline void sim_test_serve(struct sim_test_story *story, uint32_t flags, uint32_t clients,
                                  void (*read)(struct sim_test_story *story, intptr_t queue,
                                               intptr_t handle))
{
    struct lti_os_op op;
    intptr_t queue = sim_test_queue();
    intptr_t handle = sim_test_instance(queue, flags);
    while (story->done < clients) {
        int64_t result = lti_os_pipe_listen(handle, sim_test_clear(&op));
        result = sim_test_result(queue, &op, result);
        if (sim_test_waits(result))
            continue;
        story->bad += result != 0;
        intptr_t next = sim_test_instance(queue, flags);
        read(story, queue, handle);
        (void)lti_os_handle_close(handle);
        handle = next;
        story->done++;
    }
    (void)lti_os_handle_close(handle);
    (void)lti_os_handle_close(queue);
}

/* A server and its clients from begin to end, with nothing bad and nothing left behind; says the
 * run's hash. */
static inline uint64_t sim_test_story_run(const struct lti_sim_options *options,
                                          struct sim_test_story *story, void (*server)(void *),
                                          void (*client)(void *), uint32_t clients)
{
    lti_sim_begin(options);
    (void)lti_sim_spawn("server", server, story);
    for (uint32_t i = 0; i < clients; i++)
        (void)lti_sim_spawn("client", client, story);
    CHECK_INT(lti_sim_run(2000000), LTI_SIM_DONE);
    CHECK_INT(story->bad, 0);
    CHECK_INT(lti_test_descriptors_live(), 0);
    CHECK_INT(lti_test_allocations_live(), 0);
    CHECK_INT(lti_sim_misuses(), 0);
    return lti_sim_hash();
}

static inline void sim_test_faults(struct lti_sim_faults *faults, uint32_t millionths)
{
    *faults = (struct lti_sim_faults){.short_read = millionths};
    faults->poll_empty = faults->poll_shuffle = faults->delay = millionths;
    faults->pend = faults->cancel = faults->linger = millionths;
    faults->descriptors = faults->resources = faults->clock = millionths / 10;
}

#endif
