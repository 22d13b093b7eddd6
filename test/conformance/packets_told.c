/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of LEAT_PACKETS beside the packets: who meets whom, adopting and pairs,
 * waiting, what is told in figures, and what an idle connection holds.
 *
 * Happy path: every call that messages have works for packets.
 * Fails:      a handle of the other kind is refused, and stays the caller's.
 * Invariants: figures are the payload's; an idle connection holds no buffers.
 */
#include "kit.h"

#include "prng.h"

#include <string.h>

static uint8_t big[256 * 1024], got[256 * 1024];

/* ---- Who meets whom -------------------------------------------------------------------------- */

/* Who speaks bytes is no server for packets, nor the other way round; each goes on as it was. A
 * pipe must be opened before its kind is known, so its server sees a client come and go. */
TEST(packets_and_bytes_do_not_meet)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    const struct leat_conn_options *kinds[] = {NULL, &kit_packets, &kit_messages};
    for (size_t i = 0; i < 3; i++) {
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        leat_listener listener = kit_listen(hub, kit_plain("server"), kinds[i]);
        for (size_t j = 0; j < 3; j++) {
            if ((i == 1) == (j == 1))
                continue;
            leat_conn conn = kit_connect(other, kit_plain("server"), 1, kinds[j]);
            KIT_CLOSED(other, conn, LEAT_E_REFUSED);
            CHECK_INT(kit_info(other, conn).operation, LEAT_OP_CONNECT);
            kit_drain(hub, other, counts);
        }
        if (!KIT_PIPES)
            CHECK_INT(counts[LEAT_EVENT_ACCEPTED], 0);
        CHECK_INT(counts[LEAT_EVENT_CLOSED], counts[LEAT_EVENT_ACCEPTED]);
        CHECK_INT(counts[LEAT_EVENT_READABLE], 0);
        CHECK_INT(kit_listener_info(hub, listener).conns, 0);
        struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), kinds[i]);
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

/* While waiting for a server is asked for, one of the other kind is none. */
TEST(packets_wait_for_a_server_of_their_kind)
{
    struct leat_hub *hub = kit_begin();
    struct leat_connect_options options = {
        .size = sizeof options, .absent = LEAT_ABSENT_WAIT, .conn = &kit_packets};
    leat_conn conn;
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    CHECK_ERROR(leat_connect(hub, kit_plain("server"), &options, &conn), LEAT_OK);
    CHECK_ERROR(leat_wait_connected(hub, conn, 20), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    (void)kit_listen(hub, kit_plain("server"), &kit_packets);
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    leat_conn accepted = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_send_text(hub, conn, "at last");
    kit_receive_text(hub, accepted, "at last");
    kit_end(hub);
}

/* ---- Adopting and pairs ---------------------------------------------------------------------- */

TEST(packets_adopt_a_connected_handle)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handle;
    leat_conn conn;
    int fd = kit_raw_pair_packets(&handle);
    kit_raw_send(fd, "before", 6);
    kit_raw_send(fd, "", 0);
    CHECK_ERROR(leat_adopt_conn(hub, handle, 9, &kit_packets, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK(!kit_info(hub, conn).dialled);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 9);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    size_t size = 77;
    kit_receive_text(hub, conn, "before");
    CHECK_ERROR(leat_receive_wait(hub, conn, got, 1, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 0);
    kit_send_text(hub, conn, "after");
    CHECK_ERROR(leat_wait_sent(hub, conn, KIT_SOON_MS), LEAT_OK);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), 5);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_END);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_adopt_only_what_keeps_boundaries)
{
    struct leat_hub *hub = kit_begin();
    intptr_t bytes, packets;
    leat_conn conn = {77};
    int fd = kit_raw_pair(&bytes), other = kit_raw_pair_packets(&packets);
    CHECK_ERROR(leat_adopt_conn(hub, bytes, 1, &kit_packets, &conn), LEAT_E_HANDLE);
    CHECK_ERROR(leat_adopt_conn(hub, packets, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_ERROR(leat_adopt_conn(hub, packets, 1, &kit_messages, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    /* Each is the caller's, and as it was. */
    REQUIRE_ERROR(leat_adopt_conn(hub, bytes, 1, NULL, &conn), LEAT_OK);
    kit_raw_send(fd, "ab", 2);
    kit_raw_send(fd, "cd", 2);
    kit_read_text(hub, conn, "abcd");
    REQUIRE_ERROR(leat_adopt_conn(hub, packets, 1, &kit_packets, &conn), LEAT_OK);
    kit_raw_send(other, "ab", 2);
    kit_raw_send(other, "cd", 2);
    kit_receive_text(hub, conn, "ab");
    kit_receive_text(hub, conn, "cd");
    kit_raw_close(fd);
    kit_raw_close(other);
    kit_end(hub);
}

TEST(packets_pair_on_two_hubs)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    leat_conn a, b;
    uint32_t counts[KIT_EVENT_TYPES] = {0};
    REQUIRE_ERROR(leat_pair(hub, other, &kit_packets, &a, &b), LEAT_OK);
    kit_drain(hub, other, counts);
    CHECK_INT(counts[LEAT_EVENT_CONNECTED], 2);
    for (size_t size = 0; size < 100000; size = size * 3 + 1) {
        kit_pattern(big, size, size);
        REQUIRE_ERROR(leat_send(hub, a, big, size), LEAT_OK);
        REQUIRE_ERROR(leat_send(other, b, big, size), LEAT_OK);
        (void)!leat_wait_sent(hub, a, 0); /* its turn */
        kit_receive_pattern(other, b, size, size);
        kit_receive_pattern(hub, a, size, size);
    }
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    kit_end(hub);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

TEST(packets_waits)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    struct kit_ends friends = kit_pair(hub, &kit_packets);
    size_t size = 77;
    uint64_t undelivered = 77;
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, 30), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, got, 10, 30, &size), LEAT_E_TIMEOUT);
    CHECK(kit_now_ms() - begin >= 59 && size == 77);
    CHECK_ERROR(leat_wait_writable(hub, ends.dialled, 0), LEAT_OK);
    CHECK_ERROR(leat_wait_sent(hub, ends.dialled, 0), LEAT_OK);
    kit_send_text(hub, friends.dialled, "kept");
    CHECK_ERROR(leat_send_wait(hub, ends.dialled, "one", 3, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, got, 10, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 3);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(hub, ends.accepted, got, 10, KIT_SOON_MS, &size), LEAT_E_WOKEN);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, 20), LEAT_E_TIMEOUT);
    kit_send_text(hub, ends.dialled, "dropped");
    CHECK_ERROR(leat_close_wait(hub, ends.dialled, KIT_SOON_MS, &undelivered), LEAT_OK);
    CHECK_INT(undelivered, 0);
    CHECK_ERROR(leat_wait_closed(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    CHECK(KIT_NEXT(hub, LEAT_EVENT_READABLE).conn.id == friends.accepted.id);
    kit_receive_text(hub, friends.accepted, "kept");
    kit_end(hub);
}

/* It waits for room, and gets through once the peer reads. */
TEST(packets_send_wait_while_full)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    struct leat_conn_options options = kit_packets;
    leat_conn a, b;
    uint32_t sent = 0, came = 0;
    size_t size = 0;
    options.outbox_bytes = 10000;
    REQUIRE_ERROR(leat_pair(hub, other, &options, &a, &b), LEAT_OK);
    kit_drain(hub, other, NULL);
    enum leat_error error = LEAT_OK;
    for (; error == LEAT_OK && sent < 10000; sent += error == LEAT_OK)
        error = leat_send_wait(hub, a, big, 3000, 20);
    CHECK_ERROR(error, LEAT_E_TIMEOUT);
    CHECK(sent > 3);
    CHECK_ERROR(leat_wait_writable(hub, a, 20), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_wait_sent(hub, a, 20), LEAT_E_TIMEOUT);
    for (uint32_t i = 0; i < 10000 && came < sent; i++) {
        came += leat_receive_wait(other, b, got, sizeof got, 0, &size) == LEAT_OK;
        (void)!leat_wait_sent(hub, a, 0); /* its turn */
    }
    CHECK_INT(came, sent);
    CHECK_ERROR(leat_send_wait(hub, a, big, 3000, KIT_SOON_MS), LEAT_OK);
    (void)!leat_wait_sent(hub, a, 0);
    CHECK_ERROR(leat_receive_wait(other, b, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

/* ---- Figures --------------------------------------------------------------------------------- */

struct traced {
    uint64_t received, sent;
    uint32_t receipts, sendings;
    leat_conn conn;
};

static void trace_take(void *context, const struct leat_trace *record)
{
    struct traced *traced = context;
    if (record->conn.id != traced->conn.id || record->kind == LEAT_TRACE_STATE)
        return;
    bool in = record->kind == LEAT_TRACE_RECEIVED;
    CHECK(record->size == 0 || kit_pattern_is(record->data, record->size, record->size));
    traced->received += in ? record->size : 0;
    traced->sent += in ? 0 : record->size;
    traced->receipts += in;
    traced->sendings += !in;
}

/* No header is anywhere to be seen. Each packet is small enough to come in one part. */
TEST(packets_figures_are_the_payloads)
{
    struct leat_hub *base = kit_begin();
    struct traced traced = {0};
    const struct leat_hub_options options = {
        .size = sizeof options, .trace = trace_take, .hook_context = &traced};
    struct leat_hub *hub = kit_hub(&options);
    int fd;
    leat_conn conn = kit_raw_conn(hub, &kit_packets, &fd);
    const size_t sizes[] = {1, 2000, 3, 4000};
    traced.conn = conn;
    for (size_t i = 0; i < 4; i++) {
        size_t size = 0;
        kit_pattern(big, sizes[i], sizes[i]);
        REQUIRE_ERROR(leat_send(hub, conn, big, sizes[i]), LEAT_OK);
        CHECK_ERROR(leat_wait_sent(hub, conn, KIT_SOON_MS), LEAT_OK);
        CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), sizes[i]);
        kit_raw_send(fd, big, sizes[i]);
        CHECK_ERROR(leat_receive_wait(hub, conn, got, sizeof got, KIT_SOON_MS, &size), LEAT_OK);
    }
    struct leat_conn_stats stats = kit_stats(hub, conn);
    CHECK_INT(stats.bytes_sent, 6004);
    CHECK_INT(stats.bytes_received, 6004);
    CHECK_INT(stats.messages_sent, 4);
    CHECK_INT(stats.messages_received, 4);
    CHECK_INT(stats.writes, 4);
    CHECK_INT(stats.reads, 4);
    CHECK_INT(stats.full + stats.read_stalls, 0);
    CHECK(traced.sent == 6004 && traced.received == 6004);
    CHECK(traced.sendings == 4 && traced.receipts == 4);
    struct leat_conn_info info = kit_info(hub, conn);
    CHECK_INT(info.inbox_bytes + info.outbox_bytes + info.outbox_messages, 0);
    CHECK_INT(info.protocol, LEAT_PACKETS);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_raw_close(fd);
    kit_end(base);
}

/* Nothing is ever said that the user has not: no greeting, no sign of life, no goodbye. */
TEST(packets_and_nothing_else)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_packets;
    struct leat_event event;
    int fd;
    options.keepalive_ms = 20;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    CHECK_ERROR(leat_next(hub, &event, 150), LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_NONE);
    CHECK_ERROR(leat_close(hub, conn, 1000), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(kit_raw_recv_packet(fd, got, sizeof got), KIT_RAW_END);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(packets_idle_holds_no_memory)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_packets);
    uint64_t first = 0;
    for (uint64_t i = 0; i < 3; i++) {
        for (size_t size = 1; size < sizeof big; size = size * 5 + 3) {
            size_t came = 0;
            REQUIRE_ERROR(leat_send_wait(hub, ends.dialled, big, size, KIT_SOON_MS), LEAT_OK);
            REQUIRE_ERROR(
                leat_receive_wait(hub, ends.accepted, got, sizeof got, KIT_SOON_MS, &came),
                LEAT_OK);
            REQUIRE_INT(came, size);
        }
        KIT_QUIET(hub);
        /* What the pool keeps for the next one is the same however often it was used. */
        uint64_t now = kit_hub_info(hub).memory_bytes;
        if (i == 0)
            first = now;
        CHECK_INT(now, first);
    }
    CHECK(first < 200 * 1024);
    kit_end(hub);
}

/* ---- Chance ---------------------------------------------------------------------------------- */

/* The size of a packet follows from its number, so that the other end can tell. */
static size_t chance_size(uint32_t number)
{
    return (number * UINT32_C(2654435761)) >> (16 + number % 16);
}

static void chance_check(size_t size, uint32_t number)
{
    REQUIRE_INT(size, chance_size(number));
    REQUIRE(kit_pattern_is(got, size, number));
}

/* One end does something; what it sent and what came to it is counted. */
static void chance_act(struct leat_hub *hub, leat_conn conn, size_t choice, uint32_t *sent,
                       uint32_t *came)
{
    size_t size = chance_size(*sent);
    switch (choice) {
    case 0:
    case 1:
    case 2:
        kit_pattern(big, size, *sent);
        *sent += leat_send(hub, conn, big, size) == LEAT_OK;
        break;
    case 3:
        CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
        break;
    case 4:
    case 5:
        CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
        break;
    case 6:
    case 7:
        (void)!leat_wait_sent(hub, conn, 0);
        break;
    default:
        if (leat_receive(hub, conn, got, sizeof got, &size) == LEAT_OK)
            chance_check(size, (*came)++);
    }
}

/* Two ends that send, read, pause and wait as it comes: every packet arrives once, whole. */
TEST(packets_by_chance)
{
    struct leat_hub *hub = kit_begin();
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct prng prng = {seed};
        struct leat_conn_options options = kit_packets;
        options.outbox_bytes = 1 + prng_below(&prng, 100000);
        struct kit_ends ends = kit_pair(hub, &options);
        const leat_conn conns[2] = {ends.dialled, ends.accepted};
        uint32_t sent[2] = {0}, came[2] = {0};
        for (uint32_t i = 0; i < 2000; i++) {
            size_t end = prng_below(&prng, 2);
            chance_act(hub, conns[end], prng_below(&prng, 12), &sent[end], &came[end]);
        }
        for (int end = 0; end < 2; end++) {
            CHECK_ERROR(leat_resume(hub, conns[end]), LEAT_OK);
            while (came[end] < sent[1 - end]) {
                size_t size = 0;
                REQUIRE_ERROR(
                    leat_receive_wait(hub, conns[end], got, sizeof got, KIT_SOON_MS, &size),
                    LEAT_OK);
                chance_check(size, came[end]++);
            }
        }
        CHECK(sent[0] > 100 && sent[1] > 100);
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        kit_drain(hub, NULL, NULL);
    }
    kit_end(hub);
}
