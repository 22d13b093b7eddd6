/* SPDX-License-Identifier: MIT
 *
 * Corners of a connection's life, each of which once went wrong: control frames in the outbox,
 * a peer that was not announced yet, memory that is short at the wrong moment.
 *
 * Happy path: what was promised comes, without help from the peer.
 * Fails:      a wait that does not end in time.
 * Invariants: bytes that the user did not send are never reported as his.
 */
#include "kit.h"

#include <string.h>

#define PINGS_MAX 20000u
#define PINGS_A_TURN 16u /* one turn of the hub costs much more than a ping */

/* A raw peer that shook hands, on a hub that has nothing else. */
struct corner {
    struct leat_hub *hub;
    leat_listener listener;
    leat_conn conn;
    int fd;
};

static struct corner corner_begin(const struct leat_conn_options *options)
{
    uint8_t hello[KIT_HELLO_BYTES];
    struct corner corner = {.hub = kit_begin()};
    corner.listener = kit_listen(corner.hub, kit_plain("server"), options);
    corner.fd = kit_raw_connect(kit_plain("server"));
    kit_raw_send(corner.fd, kit_hello, sizeof kit_hello);
    corner.conn = KIT_NEXT(corner.hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_INT(kit_raw_recv(corner.fd, hello, sizeof hello), KIT_HELLO_BYTES);
    return corner;
}

/* Asks without taking answers, until some of them have to wait in the outbox. */
static void pongs_pile_up(const struct corner *corner)
{
    const uint8_t payload[8] = {1};
    for (uint32_t i = 0; i < PINGS_MAX && kit_info(corner->hub, corner->conn).outbox_bytes == 0;
         i++) {
        kit_raw_frame(corner->fd, 4, payload, sizeof payload);
        if (i % PINGS_A_TURN == 0)
            KIT_QUIET(corner->hub);
    }
    KIT_QUIET(corner->hub);
    REQUIRE(kit_info(corner->hub, corner->conn).outbox_bytes > 0);
}

TEST(corner_both_finished_behind_a_pong)
{
    struct corner corner = corner_begin(&kit_messages);
    static uint8_t bytes[65536];
    CHECK_ERROR(leat_finish(corner.hub, corner.conn), LEAT_OK);
    pongs_pile_up(&corner);
    kit_raw_frame(corner.fd, 2, NULL, 0);
    (void)KIT_NEXT(corner.hub, LEAT_EVENT_FINISHED);
    for (int i = 0; i < 100 && kit_info(corner.hub, corner.conn).outbox_bytes > 0; i++) {
        while (kit_raw_recv(corner.fd, bytes, sizeof bytes) > 0)
            ;
        struct leat_event event;
        if (leat_next(corner.hub, &event, 0) == LEAT_OK) {
            CHECK_INT(event.type, LEAT_EVENT_CLOSED);
            CHECK_ERROR(event.error, LEAT_OK);
            break;
        }
    }
    CHECK_INT(kit_info(corner.hub, corner.conn).state, LEAT_STATE_ENDED);
    kit_raw_close(corner.fd);
    kit_end(corner.hub);
}

TEST(corner_pongs_are_not_undelivered_by_a_close)
{
    struct corner corner = corner_begin(&kit_messages);
    pongs_pile_up(&corner);
    CHECK_ERROR(leat_close_report(corner.hub, corner.conn, 0, 7), LEAT_OK);
    struct leat_event event = KIT_NEXT(corner.hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_OK);
    CHECK_INT(event.bytes_undelivered, 0);
    kit_raw_close(corner.fd);
    kit_end(corner.hub);
}

TEST(corner_pongs_are_not_undelivered_by_a_vanished_peer)
{
    struct corner corner = corner_begin(&kit_messages);
    pongs_pile_up(&corner);
    kit_raw_close(corner.fd);
    struct leat_event event = KIT_UNTIL(corner.hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, 0);
    kit_end(corner.hub);
}

TEST(corner_messages_behind_pongs_are_undelivered)
{
    struct corner corner = corner_begin(&kit_messages);
    pongs_pile_up(&corner);
    kit_send_text(corner.hub, corner.conn, "abc");
    CHECK_ERROR(leat_close_report(corner.hub, corner.conn, 0, 7), LEAT_OK);
    struct leat_event event = KIT_NEXT(corner.hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, KIT_HEADER_BYTES + 3);
    kit_raw_close(corner.fd);
    kit_end(corner.hub);
}

/* Nobody reads a connection that waits to be accepted, so its silence says nothing. */
TEST(corner_keepalive_spares_who_was_not_announced)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .keepalive_ms = 20};
    struct leat_hub *hub = kit_begin();
    struct kit_ends other = kit_pair(hub, NULL);
    leat_listener listener = kit_listen(hub, kit_plain("server"), &options);
    int fd = kit_raw_connect(kit_plain("server"));
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    kit_raw_frame(fd, 1, "hi", 2);
    CHECK_ERROR(leat_wait_readable(hub, other.accepted, 300), LEAT_E_TIMEOUT);
    CHECK_INT(kit_listener_info(hub, listener).conns, 1);
    leat_conn conn = KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).conn;
    kit_receive_text(hub, conn, "hi");
    kit_raw_close(fd);
    kit_end(hub);
}

/* The goodbye stands behind messages that nobody read, and the stream broke after it. */
TEST(corner_wait_closed_finds_the_goodbye)
{
    struct corner corner = corner_begin(&kit_messages);
    const uint8_t normal = 0;
    kit_send_text(corner.hub, corner.conn, "never read");
    kit_raw_frame(corner.fd, 1, "one", 3);
    kit_raw_frame(corner.fd, 1, "two", 3);
    (void)KIT_NEXT(corner.hub, LEAT_EVENT_READABLE);
    kit_raw_frame(corner.fd, 3, &normal, 1);
    kit_raw_close(corner.fd);
    for (int i = 0; i < 100 && kit_info(corner.hub, corner.conn).state != LEAT_STATE_ENDED; i++) {
        struct leat_event event;
        REQUIRE_ERROR(leat_next(corner.hub, &event, KIT_SOON_MS), LEAT_OK);
    }
    CHECK_ERROR(leat_wait_closed(corner.hub, corner.conn, KIT_SOON_MS), LEAT_OK);
    kit_end(corner.hub);
}

/* ---- What stands behind a message that nobody took ------------------------------------------- */

/* The connection ended while it stood there: it is read, but nothing of it is answered, and why the
 * connection ended stays as it was. */
TEST(corner_frames_behind_a_message_change_no_error)
{
    struct leat_conn_options options = kit_messages;
    options.write_stall_ms = (uint32_t)lti_test_scaled_ms(100);
    struct corner corner = corner_begin(&options);
    const uint8_t payload[8] = {1}, normal = 0;
    static uint8_t bytes[65536];
    kit_raw_frame(corner.fd, 1, "one", 3);
    kit_raw_frame(corner.fd, 4, payload, sizeof payload);
    kit_raw_frame(corner.fd, 1, "two", 3);
    kit_raw_frame(corner.fd, 3, &normal, 1);
    (void)KIT_NEXT(corner.hub, LEAT_EVENT_READABLE);
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 1000 && error == LEAT_OK; i++)
        error = leat_send(corner.hub, corner.conn, bytes, sizeof bytes);
    CHECK_ERROR(error, LEAT_E_FULL);
    uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct leat_event event;
    while (kit_info(corner.hub, corner.conn).state != LEAT_STATE_ENDED && kit_now_ms() < end_ms)
        if (leat_next(corner.hub, &event, 5) == LEAT_OK)
            CHECK(event.type == LEAT_EVENT_READABLE || event.type == LEAT_EVENT_WRITABLE);
    CHECK_ERROR(kit_info(corner.hub, corner.conn).error, LEAT_E_TIMEOUT);
    uint64_t sent = kit_stats(corner.hub, corner.conn).bytes_sent;
    kit_receive_text(corner.hub, corner.conn, "one");
    if (!KIT_PIPES) /* where the system holds on to what it was given */
        CHECK_INT(kit_info(corner.hub, corner.conn).outbox_bytes, 0);
    kit_receive_text(corner.hub, corner.conn, "two");
    CHECK_INT(kit_stats(corner.hub, corner.conn).bytes_sent, sent);
    event = KIT_UNTIL(corner.hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(kit_info(corner.hub, corner.conn).operation, LEAT_OP_WRITE);
    kit_raw_close(corner.fd);
    kit_end(corner.hub);
}

/* Who asks without taking answers gets none: what is owed to him does not grow by his asking. */
TEST(corner_pings_of_who_takes_nothing_are_not_answered)
{
    struct leat_conn_options options = kit_messages;
    options.outbox_low_bytes = 1;
    struct corner corner = corner_begin(&options);
    const uint8_t payload[8] = {1};
    static uint8_t bytes[65536];
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 1000 && error == LEAT_OK; i++)
        error = leat_send(corner.hub, corner.conn, bytes, sizeof bytes);
    CHECK_ERROR(error, LEAT_E_FULL);
    KIT_QUIET(corner.hub);
    uint64_t received = kit_stats(corner.hub, corner.conn).bytes_received;
    uint64_t waiting = kit_info(corner.hub, corner.conn).outbox_bytes;
    REQUIRE(waiting > options.outbox_low_bytes);
    for (int i = 0; i < 20; i++) {
        kit_raw_frame(corner.fd, 4, payload, sizeof payload);
        KIT_QUIET(corner.hub);
    }
    CHECK_INT(kit_stats(corner.hub, corner.conn).bytes_received - received, 20 * 16);
    CHECK_INT(kit_info(corner.hub, corner.conn).outbox_bytes, waiting);
    kit_raw_close(corner.fd);
    kit_end(corner.hub);
}

/* The stream ended behind a message that nobody took, and then the peer goes: the message is read
 * all the same, and only then is it over. */
TEST(corner_a_peer_that_goes_after_its_end_loses_no_message)
{
    struct corner corner = corner_begin(&kit_messages);
    kit_raw_frame(corner.fd, 1, "one", 3);
    (void)KIT_NEXT(corner.hub, LEAT_EVENT_READABLE);
    kit_raw_finish(corner.fd);
    struct leat_event event;
    for (int i = 0; i < 4; i++)
        if (leat_next(corner.hub, &event, 0) == LEAT_OK)
            CHECK(event.type == LEAT_EVENT_READABLE || event.type == LEAT_EVENT_HANGUP);
    kit_raw_close(corner.fd);
    for (int i = 0; i < 4; i++)
        if (leat_next(corner.hub, &event, 0) == LEAT_OK)
            CHECK(event.type == LEAT_EVENT_READABLE || event.type == LEAT_EVENT_HANGUP);
    CHECK_INT(kit_info(corner.hub, corner.conn).state, LEAT_STATE_OPEN);
    kit_receive_text(corner.hub, corner.conn, "one");
    event = KIT_UNTIL(corner.hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    kit_end(corner.hub);
}

/* ---- Handles that nobody was told of --------------------------------------------------------- */

static void id_take(void *context, const struct leat_trace *record)
{
    uint64_t *id = context;
    if (record->kind == LEAT_TRACE_STATE)
        *id = record->conn.id;
}

/* A hook sees the id of a connection that waits to be accepted; it is no handle before ACCEPTED. */
TEST(corner_an_id_that_was_not_told_is_no_handle)
{
    uint64_t id = 0;
    const struct leat_hub_options options = {
        .size = sizeof options, .trace = id_take, .hook_context = &id};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&options);
    (void)kit_listen(hub, kit_plain("server"), &kit_messages);
    int fd = kit_raw_connect(kit_plain("server"));
    KIT_QUIET(hub);
    REQUIRE(id != 0);
    KIT_STALE(hub, (leat_conn){id});
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    leat_conn conn = KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_INT(conn.id, id);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    kit_raw_close(fd);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* The hub has no block left: unread bytes hold them all. Timers fill what is smaller than a buffer,
 * until their table cannot grow; the unsent bytes of others fill what that leaves. */
static void memory_use_up(struct leat_hub *hub, leat_conn from, leat_conn to)
{
    static const uint8_t bytes[65536];
    leat_conn full[5], paused;
    for (int i = 0; i < 5; i++) {
        REQUIRE_ERROR(leat_pair(hub, hub, NULL, &full[i], &paused), LEAT_OK);
        REQUIRE_ERROR(leat_pause(hub, paused), LEAT_OK);
    }
    for (int i = 0; i < 64; i++) {
        size_t accepted = 0;
        enum leat_error error = leat_write(hub, from, bytes, sizeof bytes, &accepted);
        if (error != LEAT_OK && error != LEAT_E_FULL && error != LEAT_E_MEMORY)
            break;
        const void *data;
        size_t size;
        error = leat_peek(hub, to, &data, &size);
        if (error != LEAT_OK && error != LEAT_E_EMPTY)
            break;
    }
    leat_timer timer;
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 65536 && error == LEAT_OK; i++)
        error = leat_timer_start(hub, 1000000, 0, &timer);
    CHECK_ERROR(error, LEAT_E_MEMORY);
    for (int i = 0; i < 5; i++) { /* each takes small blocks first */
        error = LEAT_OK;
        for (int j = 0; j < 1000 && error == LEAT_OK; j++) {
            size_t accepted = 0;
            error = leat_write(hub, full[i], bytes, 1000, &accepted);
        }
        CHECK_ERROR(error, LEAT_E_MEMORY);
    }
}

TEST(corner_close_without_memory_for_the_goodbye)
{
    const struct leat_hub_options small = {.size = sizeof small, .memory_bytes_max = 300000};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&small);
    leat_conn a, b, from, to;
    REQUIRE_ERROR(leat_pair(hub, base, &kit_messages, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, hub, NULL, &from, &to), LEAT_OK);
    kit_drain(hub, base, NULL);
    memory_use_up(hub, from, to);
    uint64_t begin = kit_now_ms();
    uint64_t undelivered = 1;
    CHECK_ERROR(leat_close_wait(hub, a, 20000, &undelivered), LEAT_OK);
    CHECK_INT(undelivered, 0);
    CHECK(kit_now_ms() - begin < 10000);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* Several messages at once want memory to leave together: nothing is sent without. */
TEST(corner_many_messages_without_memory)
{
    const struct leat_hub_options small = {.size = sizeof small, .memory_bytes_max = 300000};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&small);
    const struct leat_slice messages[2] = {{"one", 3}, {"two", 3}};
    size_t sent = 77;
    leat_conn a, b, from, to;
    REQUIRE_ERROR(leat_pair(hub, base, &kit_messages, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, hub, NULL, &from, &to), LEAT_OK);
    kit_drain(hub, base, NULL);
    memory_use_up(hub, from, to);
    CHECK_ERROR(leat_send_many(hub, a, messages, 2, &sent), LEAT_E_MEMORY);
    CHECK_INT(sent, 77);
    CHECK_INT(kit_info(hub, a).outbox_messages, 0);
    CHECK_ERROR(leat_abort(hub, to), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, from), LEAT_OK);
    kit_drain(hub, NULL, NULL);
    CHECK_ERROR(leat_send_many(hub, a, messages, 2, &sent), LEAT_OK);
    CHECK_INT(sent, 2);
    kit_receive_text(base, b, "one");
    kit_receive_text(base, b, "two");
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

TEST(corner_writable_after_memory_was_short)
{
    const struct leat_hub_options small = {.size = sizeof small, .memory_bytes_max = 300000};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&small);
    leat_conn a, from, to;
    static uint8_t bytes[1024 * 1024];
    REQUIRE_ERROR(leat_pair(hub, hub, NULL, &from, &to), LEAT_OK);
    leat_conn b;
    REQUIRE_ERROR(leat_pair(hub, base, NULL, &a, &b), LEAT_OK);
    kit_drain(hub, base, NULL);
    memory_use_up(hub, from, to);
    size_t accepted = 0;
    enum leat_error error = leat_write(hub, a, bytes, sizeof bytes, &accepted);
    if (KIT_PIPES) { /* what is to be written there needs memory first */
        CHECK_ERROR(error, LEAT_E_MEMORY);
        CHECK_INT(accepted, 0);
        CHECK_ERROR(leat_abort(hub, to), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, from), LEAT_OK);
        kit_drain(hub, NULL, NULL);
        CHECK_ERROR(leat_write(hub, a, bytes, sizeof bytes, &accepted), LEAT_OK);
        CHECK(accepted > 0);
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
        kit_end(base);
        return;
    }
    REQUIRE_ERROR(error, LEAT_OK);
    REQUIRE(accepted < sizeof bytes);
    CHECK_INT(kit_info(hub, a).outbox_bytes, 0);
    struct leat_event event = {0};
    bool came = false;
    /* Only the connection in question is listened to. */
    for (int i = 0; i < 1000 && !came; i++) {
        if (leat_next(hub, &event, 1) == LEAT_OK)
            came = event.type == LEAT_EVENT_WRITABLE && event.conn.id == a.id;
    }
    CHECK(came);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* Without memory for the question nobody is asked, so nobody fails to answer. */
TEST(corner_keepalive_without_memory_ends_nobody)
{
    const struct leat_hub_options small = {.size = sizeof small, .memory_bytes_max = 300000};
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .keepalive_ms = 100};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&small);
    leat_conn a, b, from, to;
    REQUIRE_ERROR(leat_pair(hub, base, &options, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_pair(hub, hub, NULL, &from, &to), LEAT_OK);
    kit_drain(hub, base, NULL);
    memory_use_up(hub, from, to);
    uint64_t sent = kit_stats(hub, a).bytes_sent;
    CHECK_ERROR(leat_pause(hub, to), LEAT_OK);
    for (int i = 0; i < 5; i++) {
        kit_pass(110);
        kit_drain(hub, NULL, NULL);
    }
    CHECK_INT(kit_info(hub, a).state, LEAT_STATE_OPEN);
    CHECK_INT(kit_stats(hub, a).bytes_sent, sent);
    CHECK_ERROR(leat_abort(hub, to), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, from), LEAT_OK);
    uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (kit_stats(hub, a).bytes_sent == sent && kit_now_ms() < end_ms) {
        kit_pass(5);
        kit_drain(hub, base, NULL);
    }
    CHECK(kit_stats(hub, a).bytes_sent > sent);
    CHECK_INT(kit_info(hub, a).state, LEAT_STATE_OPEN);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}
