/* SPDX-License-Identifier: MIT
 *
 * Waiting costs next to nothing: under 2 % of a processor, whatever is waited for.
 *
 * Happy path: a wait sleeps until there is something to do, or its time is over.
 * Fails:      a wait that spins, or that asks again and again: it takes processor time.
 * Invariants: what is measured is this process's own time, so that a busy machine changes little.
 */
#include "conformance_real/cost.h"

#include "conformance/kit.h"

/* Where it is pipes, the clock of processor time goes in steps of up to 16 ms. */
#define WAIT_MS (KIT_PIPES ? 2000u : 1000u)
#define STEP_US (KIT_PIPES ? 16000u : 0u)
#define PERCENT_MAX 2u

struct meter {
    uint64_t begin_ms, begin_us;
};

static struct meter meter_begin(void)
{
    return (struct meter){kit_now_ms(), cost_processor_us()};
}

/* It has waited so long, and not much longer; and has used so little. A tool that the program runs
 * under makes all of it slower, and says so with the scale of time limits. */
static void meter_end(const struct meter *meter, const char *what)
{
    uint64_t took_ms = kit_now_ms() - meter->begin_ms;
    uint64_t used_us = cost_processor_us() - meter->begin_us;
    uint64_t most_us = lti_test_scaled_ms(WAIT_MS * 1000u / 100 * PERCENT_MAX) + STEP_US;
    CHECK(took_ms + 1 >= WAIT_MS && took_ms < WAIT_MS + lti_test_scaled_ms(1000));
    if (!CHECK(used_us < most_us))
        (void)lti_test_check_int((int64_t)used_us, 0, what, __FILE__, __LINE__);
}

TEST(cost_of_waiting_for_a_place)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("busy.sock");
    const struct leat_connect_options options = {.size = sizeof options, .timeout_ms = WAIT_MS};
    int listener = kit_raw_listen(name, 1), fds[2] = {kit_raw_connect(name), kit_raw_connect(name)};
    leat_conn conn;
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_connect_wait(hub, name, &options, &conn), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds of connecting");
    for (int i = 0; i < 2; i++)
        kit_raw_close(fds[i]);
    kit_raw_unlisten(listener, name);
    kit_end(hub);
}

TEST(cost_of_waiting_for_a_server)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = WAIT_MS, .absent = LEAT_ABSENT_WAIT};
    leat_conn conn;
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_connect_wait(hub, kit_plain("nobody"), &options, &conn), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds of waiting for a server");
    kit_end(hub);
}

TEST(cost_of_waiting_for_a_client)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    leat_conn conn;
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_wait_accepted(hub, listener, WAIT_MS, &conn), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds of waiting for a client");
    kit_end(hub);
}

/* The peer is gone, its bytes are unread, and nobody reads them: Qt spins here. */
TEST(cost_of_a_full_inbox_whose_peer_is_gone)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 10};
    struct kit_ends ends = kit_pair(hub, &options), quiet = kit_pair(hub, NULL);
    kit_write_text(hub, ends.dialled, "0123456789abcdef");
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_HANGUP);
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_wait_readable(hub, quiet.dialled, WAIT_MS), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds beside a full inbox");
    kit_end(hub);
}

/* Bytes wait in both directions, and neither end reads. */
TEST(cost_of_a_peer_that_does_not_read)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    CHECK_ERROR(leat_pause(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    (void)kit_fill(hub, ends.dialled, 0);
    (void)kit_fill(hub, ends.accepted, 0);
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, WAIT_MS), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds of waiting for a reader");
    kit_end(hub);
}

TEST(cost_of_lingering)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    uint64_t undelivered = 0;
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    (void)kit_fill(hub, ends.dialled, 0);
    struct meter meter = meter_begin();
    CHECK_ERROR(leat_close_wait(hub, ends.dialled, WAIT_MS, &undelivered), LEAT_E_TIMEOUT);
    meter_end(&meter, "microseconds of lingering");
    CHECK(undelivered > 0);
    kit_end(hub);
}
