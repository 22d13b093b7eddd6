/* SPDX-License-Identifier: MIT
 *
 * leat_send_many while the system fails: no memory, a write that fails, is short or is interrupted.
 *
 * Happy path: what was only short is tried again, and every message that was accepted comes, once.
 * Fails:      where writing is over for good, what was accepted and did not leave is counted.
 * Invariants: the stream is whole messages in their order, whatever failed when.
 */
#include "conformance/kit.h"

#include "os_fault.h"

#include <string.h>

#define MANY 40u
#define AT_ONCE 12u
#define TRIES 300

static const size_t sizes[] = {10, 0, 300, 9000, 1, 70000, 25, 4000};
static uint8_t expected[512 * 1024], came[sizeof expected];
static size_t ends[MANY + 1]; /* of each message in the stream */
static struct leat_slice slices[MANY];

static void stream_make(void)
{
    size_t at = 0;
    for (size_t i = 0; i < MANY; i++) {
        size_t size = sizes[i % (sizeof sizes / sizeof sizes[0])];
        const uint8_t header[KIT_HEADER_BYTES] = {(uint8_t)size, (uint8_t)(size >> 8),
                                                  (uint8_t)(size >> 16), 0, 1};
        REQUIRE(at + sizeof header + size <= sizeof expected);
        memcpy(expected + at, header, sizeof header);
        kit_pattern(expected + at + sizeof header, size, i);
        slices[i] = (struct leat_slice){expected + at + sizeof header, size};
        at += sizeof header + size;
        ends[i + 1] = at;
    }
}

static size_t stream_take(int fd, size_t have)
{
    int64_t part = 1;
    while (have < sizeof came && part > 0) {
        part = kit_raw_recv(fd, came + have, sizeof came - have);
        have += part > 0 ? (size_t)part : 0;
    }
    return have;
}

static void many_while(size_t fault, uint64_t nth, enum lti_fault_mode mode, size_t gather_bytes)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    struct leat_event event;
    size_t sent = 0, have = 0, hello = KIT_HELLO_BYTES;
    enum leat_error error = LEAT_OK;
    options.gather_bytes = gather_bytes;
    int fd;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    lti_fault_reset();
    lti_fault_arm_nth(nth, fault, mode);
    for (int i = 0; i < TRIES && sent < MANY; i++) {
        size_t part = 777, count = MANY - sent < AT_ONCE ? MANY - sent : AT_ONCE;
        error = leat_send_many(hub, conn, slices + sent, count, &part);
        REQUIRE(error == LEAT_OK ? part >= 1 && part <= count : part == 777);
        sent += error == LEAT_OK ? part : 0;
        if (error == LEAT_E_CLOSED || error == LEAT_E_BROKEN)
            break;
        REQUIRE(error == LEAT_OK || error == LEAT_E_FULL || error == LEAT_E_MEMORY);
        have = stream_take(fd, have);
        if (error != LEAT_OK) /* WRITABLE, or nothing yet */
            (void)!leat_next(hub, &event, 5);
    }
    bool dead = error == LEAT_E_CLOSED || error == LEAT_E_BROKEN;
    CHECK(dead || sent == MANY);
    for (int i = 0; i < TRIES && !dead && have < ends[sent]; i++) {
        (void)!leat_next(hub, &event, 5);
        have = stream_take(fd, have);
        /* The last call may have found nothing out. */
        dead = leat_flush(hub, conn) != LEAT_OK;
    }
    lti_fault_reset();
    have = stream_take(fd, have);
    CHECK_MEM(came, expected, have);
    CHECK(have <= ends[sent]);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, hello + have);
    kit_raw_close(fd);
    event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.bytes_undelivered, ends[sent] - have);
    CHECK(dead || have == ends[MANY]);
    kit_end(hub);
}

TEST(faults_many_messages_come_once_or_are_counted)
{
    stream_make();
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        if (fault->call != LTI_FAULT_CALL_send && fault->call != LTI_FAULT_CALL_alloc)
            continue;
        for (uint64_t nth = 1; nth <= 5; nth++)
            for (size_t gather = 0; gather < 2; gather++) {
                many_while(i, nth, LTI_FAULT_ONCE, gather * 5000);
                many_while(i, nth, LTI_FAULT_FIVE, gather * 5000);
            }
    }
}
