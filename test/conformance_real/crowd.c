/* SPDX-License-Identifier: MIT
 *
 * Many threads, each with a hub of its own, and what one thread asks while another one waits: what
 * other libraries' tests show with threads. test/conformance/sources.def says whose test is whose.
 *
 * Happy path: every client is served, and nobody is told of bytes that are not there.
 * Fails:      a client that comes before its server waits for it.
 * Invariants: each test waits for a condition, with a deadline.
 */
#include "conformance/kit.h"

#include <string.h>

#define CLIENTS_MAX 20
#define QUESTIONS 5
#define LARGE_BYTES (3 * KIT_MIB)

/* ---- A crowd --------------------------------------------------------------------------------- */

struct client {
    char name[300];
    uint8_t number;
    uint32_t answers;
};

/* Comes before the server or after it, asks, and reads nothing that was not sent. */
static void client_run(void *argument)
{
    struct client *client = argument;
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 30000, .absent = LEAT_ABSENT_WAIT};
    struct leat_hub *hub = kit_hub(NULL);
    leat_conn conn;
    size_t size = 0;
    if (CHECK_ERROR(leat_connect_wait(hub, client->name, &options, &conn), LEAT_OK)) {
        CHECK_ERROR(leat_wait_readable(hub, conn, 0), LEAT_E_TIMEOUT);
        for (uint8_t i = 0; i < QUESTIONS; i++) {
            const uint8_t question[2] = {client->number, i};
            uint8_t answer[2] = {0};
            kit_write(hub, conn, question, sizeof question);
            if (CHECK_ERROR(leat_read_full(hub, conn, answer, 2, 30000, &size), LEAT_OK))
                client->answers += memcmp(answer, question, 2) == 0;
        }
        CHECK_ERROR(leat_close_wait(hub, conn, 5000, NULL), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* Gives back what comes, until all have left. */
static void crowd_serve(struct leat_hub *hub, uint32_t count)
{
    uint32_t accepted = 0, closed = 0;
    while (closed < count) {
        struct leat_event event = {0};
        uint8_t bytes[64];
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, 30000), LEAT_OK);
        accepted += event.type == LEAT_EVENT_ACCEPTED;
        closed += event.type == LEAT_EVENT_CLOSED;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        REQUIRE_ERROR(leat_read(hub, event.conn, bytes, sizeof bytes, &size), LEAT_OK);
        CHECK(size > 0);
        kit_write(hub, event.conn, bytes, size);
    }
    CHECK_INT(accepted, count);
}

TEST(crowd_of_twenty_threads)
{
    static const uint32_t counts[5] = {1, 2, 5, 10, CLIENTS_MAX};
    struct leat_hub *hub = kit_begin();
    static struct client clients[CLIENTS_MAX];
    struct kit_thread *threads[CLIENTS_MAX];
    for (size_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < counts[round]; i++) {
            clients[i] = (struct client){.number = (uint8_t)i};
            memcpy(clients[i].name, kit_plain("server"), strlen(kit_plain("server")) + 1);
            threads[i] = kit_thread_start(client_run, &clients[i]);
        }
        leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
        crowd_serve(hub, counts[round]);
        for (uint32_t i = 0; i < counts[round]; i++) {
            kit_thread_join(threads[i]);
            CHECK_INT(clients[i].answers, QUESTIONS);
        }
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        KIT_QUIET(hub);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

/* ---- Races ----------------------------------------------------------------------------------- */

struct dial {
    struct leat_hub *hub;
    char name[300];
    enum leat_error error;
    leat_conn conn;
};

static void dial_run(void *argument)
{
    struct dial *dial = argument;
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 30000, .absent = LEAT_ABSENT_WAIT};
    dial->error = leat_connect_wait(dial->hub, dial->name, &options, &dial->conn);
}

TEST(race_of_fifty_listens_and_dials)
{
    struct leat_hub *hub = kit_begin();
    struct dial dial = {.hub = kit_hub(NULL)};
    memcpy(dial.name, kit_plain("server"), strlen(kit_plain("server")) + 1);
    for (int i = 0; i < 50; i++) {
        leat_conn accepted;
        struct kit_thread *thread = kit_thread_start(dial_run, &dial);
        leat_listener listener = kit_listen(hub, dial.name, NULL);
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, 30000, &accepted), LEAT_OK);
        kit_thread_join(thread);
        REQUIRE_ERROR(dial.error, LEAT_OK);
        kit_write_text(hub, accepted, "met");
        kit_read_text(dial.hub, dial.conn, "met");
        CHECK_ERROR(leat_abort(dial.hub, dial.conn), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, accepted), LEAT_OK);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(dial.hub), LEAT_OK);
    kit_end(hub);
}

/* ---- One writes, another one reads ----------------------------------------------------------- */

struct writer {
    struct leat_hub *hub;
    leat_conn conn;
    enum leat_error error;
    size_t accepted;
};

/* All of it through an outbox that holds a part, and then until the system has the last byte. */
static void writer_run(void *argument)
{
    struct writer *writer = argument;
    static uint8_t bytes[LARGE_BYTES];
    kit_pattern(bytes, sizeof bytes, 0);
    writer->error =
        leat_write_full(writer->hub, writer->conn, bytes, sizeof bytes, 30000, &writer->accepted);
    if (writer->error == LEAT_OK)
        writer->error = leat_wait_sent(writer->hub, writer->conn, 30000);
}

TEST(write_all_of_three_mebibytes)
{
    struct leat_hub *hub = kit_begin();
    struct writer writer = {.hub = kit_hub(NULL)};
    static uint8_t got[LARGE_BYTES];
    leat_conn conn;
    size_t size = 0;
    REQUIRE_ERROR(leat_pair(writer.hub, hub, NULL, &writer.conn, &conn), LEAT_OK);
    uint64_t begin = kit_now_ms();
    struct kit_thread *thread = kit_thread_start(writer_run, &writer);
    CHECK_ERROR(leat_read_full(hub, conn, got, sizeof got, 30000, &size), LEAT_OK);
    kit_thread_join(thread);
    CHECK_ERROR(writer.error, LEAT_OK);
    CHECK_INT(writer.accepted, LARGE_BYTES);
    CHECK(kit_pattern_is(got, sizeof got, 0));
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(10000));
    CHECK_ERROR(leat_hub_destroy(writer.hub), LEAT_OK);
    kit_end(hub);
}

struct sent {
    struct leat_hub *hub;
    leat_conn conn;
    enum leat_error error;
    uint64_t took;
};

static void sent_run(void *argument)
{
    struct sent *sent = argument;
    uint64_t begin = kit_now_ms();
    kit_write_text(sent->hub, sent->conn, "told of");
    sent->error = leat_wait_sent(sent->hub, sent->conn, 5000);
    sent->took = kit_now_ms() - begin;
}

TEST(sent_is_told_within_two_seconds)
{
    struct leat_hub *hub = kit_begin();
    struct sent sent = {.hub = kit_hub(NULL)};
    leat_conn conn;
    REQUIRE_ERROR(leat_pair(sent.hub, hub, NULL, &sent.conn, &conn), LEAT_OK);
    struct kit_thread *thread = kit_thread_start(sent_run, &sent);
    kit_read_text(hub, conn, "told of");
    kit_thread_join(thread);
    CHECK_ERROR(sent.error, LEAT_OK);
    CHECK(sent.took < lti_test_scaled_ms(2000));
    CHECK_ERROR(leat_hub_destroy(sent.hub), LEAT_OK);
    kit_end(hub);
}

/* ---- Asked while another one waits ----------------------------------------------------------- */

struct waiter {
    struct leat_hub *hub;
    leat_conn conn;
    enum leat_error error;
};

static void waiter_run(void *argument)
{
    struct waiter *waiter = argument;
    waiter->error = leat_wait_readable(waiter->hub, waiter->conn, 30000);
}

TEST(names_are_told_while_another_thread_waits)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    struct waiter waiter = {.hub = hub, .conn = ends.dialled};
    struct leat_event event;
    char one[300] = "", other[300] = "";
    size_t size = 0;
    struct kit_thread *thread = kit_thread_start(waiter_run, &waiter);
    CHECK_WITHIN(5000, leat_next(hub, &event, 0) == LEAT_E_BUSY);
    uint64_t begin = kit_now_ms();
    for (int i = 0; i < 100; i++) {
        CHECK_ERROR(leat_conn_name(hub, ends.dialled, one, sizeof one, &size), LEAT_OK);
        CHECK_ERROR(leat_listener_name(hub, listener, other, sizeof other, &size), LEAT_OK);
        CHECK_STR(one, other);
        CHECK_INT(kit_info(hub, ends.dialled).state, LEAT_STATE_OPEN);
    }
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(5000));
    kit_write_text(hub, ends.accepted, "x");
    kit_thread_join(thread);
    CHECK_ERROR(waiter.error, LEAT_OK);
    kit_end(hub);
}
