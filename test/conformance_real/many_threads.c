/* SPDX-License-Identifier: MIT
 *
 * leat_send_many beside threads: what others send does not come in between, and while one waits in
 * the hub nothing of it is kept.
 */
#include "conformance/kit.h"

#include <string.h>

#define SENDERS 3u
#define CALLS 600u
#define EACH 24u
#define LAST UINT32_MAX

/* Who sent it, in which of the calls that sent something, and which of that call it is. */
struct word {
    uint32_t sender, call, place;
};

struct sender {
    struct leat_hub *hub;
    leat_conn conn;
    uint32_t number;
    uint64_t sent;
};

static void words_send(struct sender *sender, struct word *words, size_t count)
{
    struct leat_slice slices[EACH];
    size_t sent = 777;
    for (size_t i = 0; i < count; i++)
        slices[i] = (struct leat_slice){&words[i], sizeof words[i]};
    for (;;) {
        enum leat_error error = leat_send_many(sender->hub, sender->conn, slices, count, &sent);
        if (error == LEAT_OK)
            break;
        REQUIRE_ERROR(error, LEAT_E_FULL);
        lti_test_pause(); /* WRITABLE is told to another thread */
    }
    REQUIRE(sent >= 1 && sent <= count);
    sender->sent += sent;
}

static void sender_run(void *argument)
{
    struct sender *sender = argument;
    struct word words[EACH];
    for (uint32_t call = 0; call <= CALLS; call++) {
        for (uint32_t i = 0; i < EACH; i++)
            words[i] = (struct word){sender->number, call, i};
        if (call == CALLS)
            words[0].place = LAST;
        words_send(sender, words, call == CALLS ? 1 : 1 + call % EACH);
    }
}

static void events_take(void *argument)
{
    struct leat_event event;
    do
        REQUIRE_ERROR(leat_next(argument, &event, LEAT_FOREVER), LEAT_OK);
    while (event.type != LEAT_EVENT_WOKEN);
}

/* Takes all, until each has said its last; returns how many there were. */
static uint64_t words_take(struct leat_hub *hub, leat_conn conn)
{
    uint32_t calls[SENDERS] = {0}, left = SENDERS;
    struct word before = {0}, word;
    struct leat_slice slices[64];
    uint64_t count = 0;
    while (left > 0) {
        size_t found = 0;
        REQUIRE_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_OK);
        REQUIRE_ERROR(leat_view_many(hub, conn, slices, 64, &found), LEAT_OK);
        for (size_t i = 0; i < found; i++, count++, before = word) {
            REQUIRE_INT(slices[i].size, sizeof word);
            memcpy(&word, slices[i].data, sizeof word);
            REQUIRE(word.sender < SENDERS);
            if (word.place == 0 || word.place == LAST) {
                REQUIRE_INT(word.call, calls[word.sender]++);
                left -= word.place == LAST;
            } else { /* right behind the one before it of the same call */
                REQUIRE(before.sender == word.sender && before.call == word.call &&
                        before.place + 1 == word.place);
            }
        }
        REQUIRE_ERROR(leat_release(hub, conn), LEAT_OK);
    }
    return count;
}

static void senders_at_once(size_t gather_bytes, size_t outbox_bytes)
{
    struct leat_hub *hub = kit_begin(), *other = kit_hub(NULL);
    const struct leat_conn_options options = {.size = sizeof options,
                                              .protocol = LEAT_MESSAGES,
                                              .gather_bytes = gather_bytes,
                                              .outbox_bytes = outbox_bytes};
    struct sender senders[SENDERS];
    struct kit_thread *threads[SENDERS];
    leat_conn ours, theirs;
    uint64_t sent = 0;
    REQUIRE_ERROR(leat_pair(hub, other, &options, &ours, &theirs), LEAT_OK);
    kit_drain(hub, other, NULL);
    struct kit_thread *waiter = kit_thread_start(events_take, hub);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.hub = hub, .conn = ours, .number = i};
        threads[i] = kit_thread_start(sender_run, &senders[i]);
    }
    uint64_t came = words_take(other, theirs);
    for (uint32_t i = 0; i < SENDERS; i++) {
        kit_thread_join(threads[i]);
        sent += senders[i].sent;
    }
    CHECK_INT(came, sent);
    CHECK_INT(kit_stats(other, theirs).messages_received, sent);
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    kit_thread_join(waiter);
    CHECK_INT(kit_stats(hub, ours).messages_sent, sent);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(send_many_of_threads_are_not_mixed)
{
    senders_at_once(0, 0);
}

TEST(send_many_of_threads_that_gather_are_not_mixed)
{
    senders_at_once(65536, 0);
}

TEST(send_many_of_threads_with_a_small_outbox_are_not_mixed)
{
    senders_at_once(0, 1000);
}

/* With gather_bytes, and a thread that waits: all leaves with the call, in one write. */
TEST(send_many_keep_nothing_while_a_thread_waits)
{
    struct leat_hub *hub = kit_begin(), *other = kit_hub(NULL);
    const struct leat_conn_options options = {
        .size = sizeof options, .protocol = LEAT_MESSAGES, .gather_bytes = 65536};
    struct leat_slice slices[EACH];
    leat_conn ours, theirs;
    REQUIRE_ERROR(leat_pair(hub, other, &options, &ours, &theirs), LEAT_OK);
    kit_drain(hub, other, NULL);
    struct kit_thread *waiter = kit_thread_start(events_take, hub);
    CHECK_WITHIN(5000, kit_somebody_waits(hub));
    for (size_t i = 0; i < EACH; i++)
        slices[i] = (struct leat_slice){"some text", 9};
    for (int round = 0; round < 200; round++) {
        size_t sent = 777;
        uint64_t writes = kit_stats(hub, ours).writes;
        CHECK_ERROR(leat_send_many(hub, ours, slices, EACH, &sent), LEAT_OK);
        CHECK_INT(sent, EACH);
        if (!KIT_PIPES) {
            CHECK_INT(kit_stats(hub, ours).writes, writes + 1);
            CHECK_INT(kit_info(hub, ours).outbox_bytes, 0);
        }
        /* Nobody turns the hub: its thread sleeps until it is woken at the end. */
        for (size_t i = 0; i < EACH; i++)
            kit_receive_text(other, theirs, "some text");
    }
    CHECK_ERROR(leat_wake(hub), LEAT_OK);
    kit_thread_join(waiter);
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}
