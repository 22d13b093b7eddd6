/* SPDX-License-Identifier: MIT
 *
 * What the control tests of the simulated named pipes share: one connected pipe.
 */
#ifndef LTI_SIM_PIPE_TEST_H
#define LTI_SIM_PIPE_TEST_H

#include "harness.h"
#include "sim_nt.h"

#include <string.h>

#define SIM_TEST_NAME u"\\\\.\\pipe\\sim"

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
    REQUIRE_INT(lti_os_queue_add(pair->queue, pair->server), 0);
    REQUIRE_INT(lti_os_queue_add(pair->queue, pair->client), 0);
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

#endif
