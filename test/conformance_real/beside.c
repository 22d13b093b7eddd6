/* SPDX-License-Identifier: MIT
 *
 * One thread waits for one connection, another one reads a second connection without waiting.
 *
 * Happy path: what the reading thread took from the system is asked for again, though the waiting
 *             thread had no reason to look.
 * Fails:      a hub that leaves this to the waiting thread stands still until its wait is over.
 * Invariants: the wait is longer than any limit of the test, and ends because it is woken.
 */
#include "conformance/kit.h"

#include <string.h>

#define ROUNDS 20

struct patient {
    struct leat_hub *hub;
    leat_conn conn;
    enum leat_error error;
};

static void patient_run(void *argument)
{
    struct patient *patient = argument;
    patient->error = leat_wait_readable(patient->hub, patient->conn, LEAT_FOREVER);
}

static bool read_some(struct leat_hub *hub, leat_conn conn, char *text)
{
    size_t size = 0;
    enum leat_error error = leat_read(hub, conn, text, 8, &size);
    REQUIRE(error == LEAT_OK || error == LEAT_E_EMPTY);
    text[size] = '\0';
    return error == LEAT_OK;
}

TEST(beside_a_waiter_another_thread_reads_on)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *far = kit_hub(NULL);
    struct patient patient = {.hub = hub};
    leat_conn silent, near, peer;
    REQUIRE_ERROR(leat_pair(hub, far, NULL, &patient.conn, &silent), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, far, NULL, &near, &peer), LEAT_OK);
    kit_drain(hub, far, NULL);
    struct kit_thread *thread = kit_thread_start(patient_run, &patient);
    for (int i = 0; i < ROUNDS; i++) {
        char text[9] = "", expected[9] = "round ";
        expected[6] = (char)('a' + i);
        expected[7] = '\0';
        kit_write_text(far, peer, expected);
        kit_drain(far, NULL, NULL);
        CHECK_WITHIN(KIT_SOON_MS, read_some(hub, near, text));
        CHECK_STR(text, expected);
    }
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    kit_thread_join(thread);
    CHECK_ERROR(patient.error, LEAT_E_WOKEN);
    CHECK_ERROR(leat_hub_destroy(far), LEAT_OK);
    kit_end(hub);
}
