/* SPDX-License-Identifier: MIT
 *
 * leat connect: standard input to the peer, the peer to standard output.
 *
 * Happy path: connect, pump both ways, finish at the end of input, end when the peer does
 * or, where it cannot be told of our end, when it has been quiet for a while.
 *
 * Fails: as the connection says; a peer that ends before it has taken the input is exit code 9.
 *
 * Invariants: one connection, one pump; bounded memory whatever the sizes.
 */
#include "loop.h"

static int connect_run(struct lti_tool_loop *loop, struct lti_tool_pump *pump)
{
    int code = LTI_TOOL_EXIT_OK;

    lti_tool_loop_progress_start(loop);
    while (code == LTI_TOOL_EXIT_OK && pump->state != LTI_TOOL_PUMP_DONE) {
        struct leat_event event;
        unsigned taken = 0;

        while (pump->state != LTI_TOOL_PUMP_DONE && lti_tool_loop_event(loop, &taken, &event)) {
            lti_tool_pump_event(pump, &event);
        }
        if (pump->state != LTI_TOOL_PUMP_DONE) {
            code = lti_tool_loop_wait(loop);
        }
    }
    lti_tool_loop_progress_end(loop);
    return code != LTI_TOOL_EXIT_OK ? code : pump->code;
}

int lti_tool_connect(const struct lti_tool_options *o)
{
    struct lti_tool_loop loop = {0};
    struct lti_tool_pump pump = {.o = o};
    struct leat_conn_options conn_options;
    struct leat_connect_options options = {.size = sizeof options};
    leat_conn conn;
    enum leat_error error;
    int code = lti_tool_loop_open(&loop, o);

    if (code != LTI_TOOL_EXIT_OK) {
        return code;
    }
    lti_tool_os_output_prepare();
    lti_tool_conn_options(o, &conn_options);
    lti_tool_policy_connect(&o->policy, &options);
    options.timeout_ms = o->timeout_ms;
    options.absent = o->wait ? LEAT_ABSENT_WAIT : LEAT_ABSENT_FAIL;
    options.conn = &conn_options;
    error = leat_connect(loop.hub, o->name, &options, &conn);
    if (error != LEAT_OK) {
        code = lti_tool_fail(o, error, 0);
    } else {
        pump.in = lti_tool_os_stdin();
        pump.out = lti_tool_os_stdout();
        loop.pumps = &pump;
        loop.pumps_count = 1;
        lti_tool_pump_open(&pump, loop.hub, conn, LTI_TOOL_PUMP_CONNECTING);
        code = connect_run(&loop, &pump);
        if (code == LTI_TOOL_EXIT_OK) {
            lti_tool_loop_goodbye(&loop);
        }
        lti_tool_pump_close(&pump);
    }
    lti_tool_loop_close(&loop);
    return code;
}
