/* SPDX-License-Identifier: MIT
 *
 * Threads that end while what they began is under way. Windows tells the end of it as ever; wine
 * tells that it is over, and not how much was done, when the thread ends in just that moment.
 *
 * Happy path: writes whose threads end while somebody reads are told whole: no byte comes twice.
 * Fails:      a byte that is written again.
 * Invariants: the reader's thread lives on.
 */
#include "conformance/kit_nt.h"

#include <stdatomic.h>
#include <stdlib.h>

#define WRITERS 300u
#define PIECE_BYTES ((size_t)50000)

struct writing {
    struct leat_hub *hub;
    leat_conn conn;
    uint64_t accepted; /* one writer at a time */
};

struct reading {
    struct leat_hub *hub;
    leat_conn conn;
    _Atomic uint64_t received;
    atomic_bool wrong;
};

/* Until there is no room: the last write waits when the thread ends. */
static void writer_run(void *argument)
{
    struct writing *writing = argument;
    static uint8_t bytes[PIECE_BYTES];
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK) {
        size_t size = 0;
        kit_pattern(bytes, PIECE_BYTES, writing->accepted);
        error = leat_write(writing->hub, writing->conn, bytes, PIECE_BYTES, &size);
        writing->accepted += error == LEAT_OK ? size : 0;
    }
    CHECK_ERROR(error, LEAT_E_FULL);
}

static void reader_run(void *argument)
{
    struct reading *reading = argument;
    static uint8_t bytes[PIECE_BYTES];
    size_t size = 0;
    while (leat_wait_readable(reading->hub, reading->conn, KIT_SOON_MS) == LEAT_OK) {
        REQUIRE_ERROR(leat_read(reading->hub, reading->conn, bytes, PIECE_BYTES, &size), LEAT_OK);
        if (!kit_pattern_is(bytes, size, atomic_load(&reading->received)))
            atomic_store(&reading->wrong, true);
        atomic_fetch_add(&reading->received, size);
    }
}

TEST_TIMEOUT(nt_writes_of_threads_that_ended_are_told_whole, 120)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    struct writing writing = {.hub = hub};
    struct reading reading = {.hub = other};
    REQUIRE_ERROR(leat_pair(hub, other, NULL, &writing.conn, &reading.conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, writing.conn, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(other, reading.conn, KIT_SOON_MS), LEAT_OK);
    struct kit_thread *reader = kit_thread_start(reader_run, &reading);
    for (uint32_t i = 0; i < WRITERS && !atomic_load(&reading.wrong); i++) {
        kit_thread_join(kit_thread_start(writer_run, &writing));
        CHECK_ERROR(leat_wait_writable(hub, writing.conn, KIT_SOON_MS), LEAT_OK);
    }
    CHECK_ERROR(leat_wait_sent(hub, writing.conn, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_close(hub, writing.conn, KIT_SOON_MS), LEAT_OK);
    kit_drain(hub, NULL, NULL);
    kit_thread_join(reader);
    CHECK(!atomic_load(&reading.wrong));
    CHECK_INT(atomic_load(&reading.received), writing.accepted);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}
