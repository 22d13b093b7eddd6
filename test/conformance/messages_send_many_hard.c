/* SPDX-License-Identifier: MIT
 *
 * leat_send_many where something is short, gone or shared: memory, the peer, a listener's bound.
 *
 * Happy path: what was sent before is sent, and nothing of it twice.
 * Fails:      a peer that is gone is told of as leat_send tells it; what was accepted and did not
 *             leave is counted.
 * Invariants: the bytes are those that single calls would have sent; packets keep their bounds.
 */
#include "kit.h"

#include "prng.h"

#include <string.h>

#define MANY 100u
#define HEADER KIT_HEADER_BYTES

static uint8_t room[MANY * 2000], got[70000];

static void slices_make(struct leat_slice *slices, size_t count, size_t size, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        REQUIRE(size <= 2000);
        kit_pattern(room + i * 2000, size, (first + i) * 7);
        slices[i] = (struct leat_slice){room + i * 2000, size};
    }
}

/* ---- A peer that is gone --------------------------------------------------------------------- */

/* Nobody has been told yet that it is: the call finds it out, as leat_send does. */
TEST(send_many_to_a_peer_that_went)
{
    for (int how = 0; how < 6; how++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.gather_bytes = how >= 3 ? 1000 : 0;
        struct leat_slice slices[MANY];
        int fd;
        leat_conn conn = kit_raw_conn(hub, &options, &fd);
        kit_drain(hub, NULL, NULL);
        kit_raw_close(fd);
        size_t sent = 777;
        slices_make(slices, MANY, how % 3 == 2 ? 2000 : 10, 0);
        enum leat_error error = LEAT_OK;
        if (how % 3 == 0)
            error = leat_send(hub, conn, slices[0].data, slices[0].size);
        else
            error = leat_send_many(hub, conn, slices, MANY, &sent);
        CHECK(error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
        CHECK_INT(sent, 777);
        CHECK_ERROR(leat_send_many(hub, conn, slices, MANY, &sent), error);
        CHECK_ERROR(leat_send_many(hub, conn, slices, 0, &sent), error);
        CHECK_INT(sent, 777);
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        CHECK_INT(event.bytes_undelivered, 0); /* nothing was accepted */
        CHECK_ERROR(leat_send_many(hub, conn, slices, MANY, &sent), event.error);
        CHECK_INT(sent, 777);
        CHECK_INT(kit_stats(hub, conn).messages_sent, 0);
        kit_end(hub);
    }
}

/* It goes while much waits: what was accepted and did not leave is counted, to the byte. */
TEST(send_many_undelivered_is_counted)
{
    for (int gather = 0; gather < 2; gather++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.gather_bytes = gather ? 4096 : 0;
        struct leat_slice slices[MANY];
        uint64_t accepted = 0;
        int fd;
        leat_conn conn = kit_raw_conn(hub, &options, &fd);
        kit_drain(hub, NULL, NULL);
        uint64_t hello = kit_stats(hub, conn).bytes_sent;
        enum leat_error error = LEAT_OK;
        for (int i = 0; i < 10000 && error == LEAT_OK; i++) {
            size_t sent = 0;
            slices_make(slices, 9, 1500, 0);
            error = leat_send_many(hub, conn, slices, 9, &sent);
            accepted += sent * (1500 + HEADER);
        }
        CHECK_ERROR(error, LEAT_E_FULL);
        CHECK_INT(kit_stats(hub, conn).bytes_sent - hello + kit_info(hub, conn).outbox_bytes,
                  accepted);
        kit_raw_close(fd);
        struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
        CHECK_INT(event.bytes_undelivered, accepted + hello - kit_stats(hub, conn).bytes_sent);
        CHECK(event.bytes_undelivered > 0);
        kit_end(hub);
    }
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Little memory, and a peer that does not read: what was accepted comes, once, and whole. */
TEST(send_many_while_memory_is_short)
{
    for (uint32_t kib = 100; kib < 400; kib += 60) {
        const struct leat_hub_options small = {.size = sizeof small,
                                               .memory_bytes_max = kib * 1024};
        struct leat_hub *base = kit_begin(), *hub = kit_hub(&small);
        struct leat_conn_options options = kit_roomy_messages;
        struct leat_slice slices[MANY];
        leat_conn ours, theirs;
        uint64_t sent = 0, received = 0;
        enum leat_error error = LEAT_OK;
        options.gather_bytes = kib % 120 == 0 ? 4096 : 0;
        options.outbox_messages_max = 100000; /* memory is to be short first */
        REQUIRE_ERROR(leat_pair(hub, base, &options, &ours, &theirs), LEAT_OK);
        kit_drain(hub, base, NULL);
        CHECK_ERROR(leat_pause(base, theirs), LEAT_OK);
        for (int i = 0; i < 10000 && error == LEAT_OK; i++) {
            size_t part = 777;
            slices_make(slices, 20, 100 + kib, sent);
            error = leat_send_many(hub, ours, slices, 20, &part);
            CHECK(error == LEAT_OK ? part > 0 && part <= 20 : part == 777);
            sent += error == LEAT_OK ? part : 0;
        }
        CHECK_ERROR(error, LEAT_E_MEMORY);
        CHECK(kit_hub_info(hub).memory_bytes <= kib * 1024);
        CHECK_ERROR(leat_resume(base, theirs), LEAT_OK);
        uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
        while (received < sent && kit_now_ms() < end_ms) {
            size_t size = 0;
            struct leat_event event;
            (void)!leat_next(hub, &event, 0);
            if (leat_next(base, &event, 1) != LEAT_OK || event.type != LEAT_EVENT_READABLE)
                continue;
            REQUIRE_ERROR(leat_receive(base, theirs, got, sizeof got, &size), LEAT_OK);
            REQUIRE_INT(size, 100 + kib);
            REQUIRE(kit_pattern_is(got, size, received++ * 7));
        }
        CHECK_INT(received, sent);
        kit_drain(hub, base, NULL);
        CHECK_INT(kit_info(hub, ours).outbox_bytes, 0);
        CHECK_INT(kit_stats(hub, ours).messages_sent, sent);
        size_t part = 0;
        slices_make(slices, 20, 50, 0);
        CHECK_ERROR(leat_send_many(hub, ours, slices, 20, &part), LEAT_OK);
        CHECK_INT(part, 20);
        kit_drain(hub, NULL, NULL);
        for (size_t i = 0; i < 20; i++)
            kit_receive_pattern(base, theirs, 50, i * 7);
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
        kit_end(base);
    }
}

/* ---- What a listener's connections hold together --------------------------------------------- */

#define SHARE_BYTES ((uint64_t)100 * 1024)

TEST(send_many_within_the_listeners_bound)
{
    for (int gather = 0; gather < 2; gather++) {
        struct leat_hub *hub = kit_begin();
        struct leat_conn_options options = kit_messages;
        options.outbox_bytes = 4 * KIT_MIB;
        options.outbox_messages_max = 10000;
        options.gather_bytes = gather ? 65536 : 0;
        const struct leat_listen_options listen = {
            .size = sizeof listen, .queued_bytes_max = SHARE_BYTES, .conn = &options};
        struct leat_slice slices[MANY];
        struct kit_ends ends[3];
        leat_listener listener;
        uint64_t sent[3] = {0}, received[3] = {0}, high = 0;
        REQUIRE_ERROR(leat_listen(hub, kit_plain("shares"), &listen, &listener), LEAT_OK);
        for (int i = 0; i < 3; i++) {
            ends[i] = kit_open(hub, listener, kit_plain("shares"), &kit_messages);
            CHECK_ERROR(leat_pause(hub, ends[i].dialled), LEAT_OK);
        }
        for (int i = 0; i < 3; i++) {
            enum leat_error error = LEAT_OK;
            while (error == LEAT_OK && sent[i] < 100000) {
                size_t part = 0;
                slices_make(slices, MANY, 1000, sent[i]);
                error = leat_send_many(hub, ends[i].accepted, slices, MANY, &part);
                sent[i] += part;
                uint64_t now = kit_listener_info(hub, listener).queued_bytes;
                high = now > high ? now : high;
            }
            CHECK_ERROR(error, LEAT_E_FULL);
        }
        /* One call may pass the bound by what it has, the others by their 64 KiB. */
        CHECK(high >= SHARE_BYTES && high <= SHARE_BYTES + MANY * 1008 + 3 * 68 * 1024);
        for (int i = 0; i < 3; i++)
            CHECK_ERROR(leat_resume(hub, ends[i].dialled), LEAT_OK);
        for (int i = 0; i < 3; i++)
            for (; received[i] < sent[i]; received[i]++)
                kit_receive_pattern(hub, ends[i].dialled, 1000, received[i] * 7);
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        kit_drain(hub, NULL, counts);
        CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 0);
        for (int i = 0; i < 3; i++) { /* all goes on */
            size_t part = 0;
            slices_make(slices, 10, 10, 0);
            CHECK_ERROR(leat_send_many(hub, ends[i].accepted, slices, 10, &part), LEAT_OK);
            CHECK_INT(part, 10);
            for (size_t j = 0; j < 10; j++)
                kit_receive_pattern(hub, ends[i].dialled, 10, j * 7);
        }
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        kit_end(hub);
    }
}

/* ---- The same bytes -------------------------------------------------------------------------- */

struct traced {
    leat_conn conn;
    uint8_t bytes[200000];
    size_t size;
};

static void trace_take(void *context, const struct leat_trace *record)
{
    struct traced *traced = context;
    if (record->kind != LEAT_TRACE_SENT || record->conn.id != traced->conn.id)
        return;
    REQUIRE(traced->size + record->size <= sizeof traced->bytes);
    memcpy(traced->bytes + traced->size, record->data, record->size);
    traced->size += record->size;
}

/* A trace of what many leave in is one of single calls. */
TEST(send_many_traces_the_same_bytes)
{
    static struct traced traces[3];
    for (int how = 0; how < 3; how++) {
        struct leat_hub *base = kit_begin();
        const struct leat_hub_options options = {
            .size = sizeof options, .trace = trace_take, .hook_context = &traces[how]};
        struct leat_hub *hub = kit_hub(&options);
        struct leat_conn_options conn = kit_messages;
        conn.gather_bytes = how == 2 ? 2000 : 0;
        struct kit_ends ends = kit_pair(hub, &conn);
        traces[how].conn = ends.dialled;
        struct prng prng = {5};
        struct leat_slice slices[MANY];
        size_t received = 0;
        for (size_t round = 0; round < 12; round++) {
            size_t count = 1 + prng_below(&prng, 30), sent = 0;
            for (size_t i = 0; i < count; i++) {
                size_t size =
                    prng_below(&prng, 4) ? prng_below(&prng, 50) : prng_below(&prng, 2000);
                kit_pattern(room + i * 2000, size, i);
                slices[i] = (struct leat_slice){room + i * 2000, size};
            }
            for (; how == 0 && sent < count; sent++)
                CHECK_ERROR(leat_send(hub, ends.dialled, slices[sent].data, slices[sent].size),
                            LEAT_OK);
            if (how > 0)
                CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, count, &sent), LEAT_OK);
            CHECK_INT(sent, count);
            for (size_t i = 0; i < count; i++, received++) {
                size_t came = 0;
                REQUIRE_ERROR(
                    leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &came),
                    LEAT_OK);
                REQUIRE(came == slices[i].size && kit_pattern_is(got, came, i));
            }
        }
        kit_drain(hub, NULL, NULL);
        CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, received);
        CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, traces[how].size + KIT_HELLO_BYTES);
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
        kit_end(base);
    }
    for (int how = 1; how < 3; how++) {
        REQUIRE_INT(traces[how].size, traces[0].size);
        CHECK_MEM(traces[how].bytes, traces[0].bytes, traces[0].size);
    }
}

/* ---- Packets --------------------------------------------------------------------------------- */

TEST(send_many_of_packets)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    struct leat_slice slices[MANY];
    struct kit_ends ends = kit_pair(hub, &options);
    uint64_t sent = 0;
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK && sent < 100000) { /* until FULL */
        size_t part = 777;
        slices_make(slices, 30, 500, sent);
        error = leat_send_many(hub, ends.dialled, slices, 30, &part);
        CHECK(error == LEAT_OK ? part >= 1 && part <= 30 : part == 777);
        sent += error == LEAT_OK ? part : 0;
    }
    CHECK_ERROR(error, LEAT_E_FULL);
    for (uint64_t i = 0; i < sent; i++)
        kit_receive_pattern(hub, ends.accepted, 500, i * 7);
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    kit_drain(hub, NULL, counts);
    CHECK_INT(counts[LEAT_EVENT_WRITABLE], 1);
    size_t part = 0;
    slices_make(slices, 30, 5, 0);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 30, &part), LEAT_OK);
    CHECK_INT(part, 30);
    for (size_t i = 0; i < 30; i++)
        kit_receive_pattern(hub, ends.accepted, 5, i * 7);
    kit_drain(hub, NULL, NULL);
    CHECK_INT(kit_stats(hub, ends.dialled).messages_sent, sent + 30);
    kit_end(hub);
}

/* An empty one where that means the end is an argument that is refused when it comes to it. */
TEST(send_many_of_packets_until_an_empty_one)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    options.empty_is_finish = true;
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_slice slices[3] = {{"a", 1}, {NULL, 0}, {"c", 1}};
    size_t sent = 777;
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices, 3, &sent), LEAT_OK);
    CHECK_INT(sent, 1);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices + 1, 2, &sent), LEAT_E_ARGUMENT);
    CHECK_INT(sent, 1);
    CHECK_ERROR(leat_send_many(hub, ends.dialled, slices + 2, 1, &sent), LEAT_OK);
    kit_receive_text(hub, ends.accepted, "a");
    kit_receive_text(hub, ends.accepted, "c");
    KIT_PIPES ? kit_drain(hub, NULL, NULL) : KIT_QUIET(hub);
    kit_end(hub);
}
