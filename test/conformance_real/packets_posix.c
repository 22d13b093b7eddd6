/* SPDX-License-Identifier: MIT
 *
 * Packets that the real system takes by its limits, and may yet never have the memory for.
 *
 * Happy path: such a packet arrives whole.
 * Fails:      one that the system goes on refusing is a peer that takes nothing: TIMEOUT.
 * Invariants: no packet waits for ever.
 */
#include "conformance/kit_posix.h"

#define HUGE_BYTES (6 * KIT_MIB)

static uint8_t big[HUGE_BYTES], got[HUGE_BYTES];

TEST_POSIX(packets_that_the_system_never_has_memory_for)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    options.frame_bytes_max = HUGE_BYTES;
    options.write_stall_ms = 200;
    struct kit_ends ends = kit_pair(hub, &options);
    if (kit_info(hub, ends.dialled).peer_frame_bytes_max < HUGE_BYTES)
        SKIP_NEEDS("a net.core.wmem_max of 4 MiB");
    kit_pattern(big, HUGE_BYTES, 0);
    REQUIRE_ERROR(leat_send(hub, ends.dialled, big, HUGE_BYTES), LEAT_OK);
    struct leat_event event = {0};
    while (event.type != LEAT_EVENT_CLOSED && event.type != LEAT_EVENT_READABLE)
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
    if (event.type == LEAT_EVENT_READABLE) {
        size_t size = 0;
        CHECK_ERROR(leat_receive(hub, ends.accepted, got, sizeof got, &size), LEAT_OK);
        CHECK(size == HUGE_BYTES && kit_pattern_is(got, size, 0));
    } else {
        CHECK(event.conn.id == ends.dialled.id);
        CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
        CHECK_INT(event.bytes_undelivered, HUGE_BYTES);
    }
    kit_end(hub);
}
