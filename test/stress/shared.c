/* SPDX-License-Identifier: MIT
 *
 * Many threads send on the same few connections, in both directions.
 *
 * Happy path: each thread's messages come whole, once and in its order, whatever the others do.
 * Fails:      FULL, to whoever sends more than is read; he tries again.
 * Invariants: a message says whose it is and which, and its content is a function of both: for the
 *             tale, what one thread sends is a connection of its own.
 */
#include "stress.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SENDERS 20u /* at each end */
#define CONNS 4u
#define BODY_MAX 2048u

struct head {
    uint32_t sender, number;
};

struct sender {
    struct stress_tale *tale;
    struct leat_hub *hub;
    leat_conn conn;
    uint32_t place, end; /* its number among all, and at which end of its connection it is */
    uint32_t count;
    struct prng random;
};

static bool sender_send(struct sender *sender, const uint8_t *bytes, size_t size, uint32_t number)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(5 * STRESS_SOON_MS);
    for (;;) {
        stress_tell(sender->tale, 0, sender->place, sender->end, LTI_HISTORY_SEND, number, size, 0);
        enum leat_error error = leat_send(sender->hub, sender->conn, bytes, size);
        if (error == LEAT_OK)
            break;
        if (error != LEAT_E_FULL || lti_test_now_ms() >= until)
            return CHECK_ERROR(error, LEAT_OK);
        lti_test_pause(); /* who waits for room is not one of the many who send */
    }
    stress_tell(sender->tale, 0, sender->place, sender->end, LTI_HISTORY_SENT, number, 0, 0);
    return true;
}

static void sender_run(void *argument)
{
    struct sender *sender = argument;
    uint8_t bytes[sizeof(struct head) + BODY_MAX];
    for (uint32_t i = 0; i < sender->count; i++) {
        const struct head head = {sender->place, i};
        size_t size = prng_below(&sender->random, BODY_MAX + 1);
        memcpy(bytes, &head, sizeof head);
        lti_history_fill(stress_tale_content(sender->tale), sender->place, sender->end, i, 0,
                         bytes + sizeof head, size);
        if (!sender_send(sender, bytes, sizeof head + size, i))
            return;
    }
}

struct reader {
    struct stress_tale *tale;
    struct leat_hub *hub;
    uint32_t end; /* its own */
    uint64_t due, received;
    atomic_uint *reading; /* readers that have not all yet */
};

static void reader_take(struct reader *reader, leat_conn conn)
{
    const void *data = NULL;
    struct head head;
    size_t size = 0;
    while (leat_view(reader->hub, conn, &data, &size) == LEAT_OK) {
        REQUIRE(size >= sizeof head);
        memcpy(&head, data, sizeof head);
        REQUIRE(head.sender < 2 * SENDERS);
        uint64_t wrong = lti_history_wrong(stress_tale_content(reader->tale), head.sender,
                                           reader->end ^ 1u, head.number, 0,
                                           (const uint8_t *)data + sizeof head, size - sizeof head);
        stress_tell(reader->tale, 1, head.sender, reader->end, LTI_HISTORY_MESSAGE, head.number,
                    size, wrong);
        REQUIRE_ERROR(leat_release(reader->hub, conn), LEAT_OK);
        reader->received++;
    }
}

static void reader_run(void *argument)
{
    struct reader *reader = argument;
    bool done = false;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(5 * STRESS_SOON_MS);
    /* Its hub is also what the others' messages leave by. */
    while (atomic_load(reader->reading) > 0 && lti_test_now_ms() < until) {
        struct leat_event event;
        enum leat_error error = leat_next(reader->hub, &event, 10);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        if (error == LEAT_OK && event.type == LEAT_EVENT_READABLE)
            reader_take(reader, event.conn);
        REQUIRE(error != LEAT_OK || event.type != LEAT_EVENT_CLOSED);
        if (!done && reader->received >= reader->due)
            atomic_fetch_sub(reader->reading, 1);
        done = reader->received >= reader->due;
    }
}

static void conns_make(struct reader readers[2], const struct leat_conn_options *options,
                       leat_conn conns[CONNS][2])
{
    for (uint32_t i = 0; i < CONNS; i++) {
        REQUIRE_ERROR(
            leat_pair(readers[0].hub, readers[1].hub, options, &conns[i][0], &conns[i][1]),
            LEAT_OK);
        for (uint32_t j = 0; j < 2; j++)
            REQUIRE_ERROR(leat_wait_connected(readers[j].hub, conns[i][j], STRESS_SOON_MS),
                          LEAT_OK);
    }
}

TEST_TIMEOUT(stress_twenty_threads_send_on_shared_connections, 300)
{
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .outbox_messages_max = 200};
    const uint32_t each = (uint32_t)stress_count(300, 20000);
    struct stress_tale *tale = stress_tale_begin(5, (size_t)each * 2 * SENDERS * 60);
    struct prng random = stress_random();
    static struct sender senders[2 * SENDERS];
    struct stress_thread *threads[2 * SENDERS + 2];
    struct reader readers[2];
    leat_conn conns[CONNS][2];
    atomic_uint reading;
    atomic_init(&reading, 2);
    for (uint32_t i = 0; i < 2; i++)
        readers[i] = (struct reader){.tale = tale,
                                     .hub = stress_hub(),
                                     .end = i,
                                     .due = (uint64_t)SENDERS * each,
                                     .reading = &reading};
    conns_make(readers, &options, conns);
    for (uint32_t i = 0; i < 2; i++)
        threads[2 * SENDERS + i] = stress_thread_start(reader_run, &readers[i]);
    for (uint32_t i = 0; i < 2 * SENDERS; i++) {
        senders[i] = (struct sender){.tale = tale,
                                     .hub = readers[i % 2].hub,
                                     .conn = conns[i / 2 % CONNS][i % 2],
                                     .place = i,
                                     .end = i % 2,
                                     .count = each,
                                     .random = {prng_next(&random)}};
        threads[i] = stress_thread_start(sender_run, &senders[i]);
    }
    for (uint32_t i = 0; i < 2 * SENDERS + 2; i++)
        stress_thread_join(threads[i]);
    struct lti_history_result result = stress_tale_judge(tale);
    CHECK_INT(result.messages, (uint64_t)2 * SENDERS * each);
    for (int i = 0; i < 2; i++)
        CHECK_ERROR(leat_hub_destroy(readers[i].hub), LEAT_OK);
    stress_tale_end(tale);
}
