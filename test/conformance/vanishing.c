/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of abort, and what is told of a peer that went.
 *
 * Happy path: what came before the end is read first; then CLOSED says why.
 * Fails:      a peer that vanishes is BROKEN or CLOSED, by what it said before.
 * Invariants: a hang-up is noticed at once, also by who does not read.
 */
#include "kit.h"

#include <string.h>

static uint8_t block[8];

TEST(abort_drops)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_roomy);
    enum leat_error end;
    uint64_t total = kit_fill(hub, ends.dialled, 0);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    KIT_STALE(hub, ends.dialled);
    CHECK_INT(kit_read_to_the_end(hub, ends.accepted, &end), total - KIT_ROOMY_BYTES);
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    KIT_QUIET(hub);
    struct kit_ends messages = kit_pair(hub, &kit_messages);
    CHECK_ERROR(leat_abort(hub, messages.dialled), LEAT_OK);
    KIT_CLOSED(hub, messages.accepted, LEAT_E_BROKEN);
    kit_end(hub);
}

TEST(closed_keeps_the_handle_until_the_next_call)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    size_t size = 77;
    kit_write_text(hub, ends.dialled, "xyz");
    CHECK_ERROR(leat_set_tag(hub, ends.accepted, 99), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    kit_read_text(hub, ends.accepted, "xyz");
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.tag, 99);
    CHECK_INT(kit_stats(hub, event.conn).bytes_received, 3);
    CHECK_INT(kit_info(hub, event.conn).state, LEAT_STATE_ENDED);
    CHECK_ERROR(leat_read(hub, event.conn, block, 1, &size), LEAT_E_FINISHED);
    CHECK_ERROR(leat_write(hub, event.conn, "x", 1, &size), LEAT_E_CLOSED);
    CHECK_ERROR(leat_finish(hub, event.conn), LEAT_E_CLOSED);
    CHECK_INT(size, 77);
    KIT_QUIET(hub);
    KIT_STALE(hub, event.conn);
    kit_end(hub);
}

TEST(hangup_is_noticed_while_paused)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    kit_write_text(hub, ends.dialled, "unread");
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    KIT_QUIET(hub);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK(KIT_NEXT(hub, LEAT_EVENT_HANGUP).conn.id == ends.accepted.id);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(100));
    CHECK(kit_info(hub, ends.accepted).hangup);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    kit_read_text(hub, ends.accepted, "unread");
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    KIT_CLOSED(hub, ends.accepted, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(hangup_is_noticed_while_the_inbox_is_full)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 10};
    struct kit_ends ends = kit_pair(hub, &options);
    kit_write_text(hub, ends.dialled, "0123456789abcdef");
    for (int i = 0; i < 3; i++)
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 10);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_HANGUP);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(100));
    uint32_t finished = 0, hangups = 0;
    struct leat_event event = {0};
    for (int i = 0; i < 100 && event.type != LEAT_EVENT_CLOSED; i++) {
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        finished += event.type == LEAT_EVENT_FINISHED;
        hangups += event.type == LEAT_EVENT_HANGUP;
        if (event.type == LEAT_EVENT_READABLE)
            CHECK_ERROR(leat_skip(hub, ends.accepted, 3, &size), LEAT_OK);
    }
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_INT(finished, 1);
    CHECK_INT(hangups, 0);
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, 16);
    kit_end(hub);
}

/* A peer that closes over unread bytes of ours resets the stream; what it sent stays readable. */
TEST(broken_stream_keeps_what_came_before)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    int fd = kit_raw_connect(kit_plain("server"));
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    leat_conn conn;
    CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    for (uint32_t i = 0; i < 5; i++)
        kit_raw_frame(fd, 1, &"01234"[i], 1);
    kit_raw_close(fd); /* our hello is unread */
    static const char *texts[5] = {"0", "1", "2", "3", "4"};
    uint32_t received = 0;
    struct leat_event event = {0};
    for (int i = 0; i < 100 && event.type != LEAT_EVENT_CLOSED; i++) {
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        if (i > 10 && event.type == LEAT_EVENT_READABLE)
            kit_receive_text(hub, conn, texts[received++ % 5]);
    }
    CHECK_INT(received, 5);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    kit_end(hub);
}

TEST(write_to_a_peer_that_went)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    size_t accepted = 77;
    kit_write_text(hub, ends.dialled, "last words");
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    enum leat_error error = leat_write(hub, ends.accepted, "x", 1, &accepted);
    CHECK(error == LEAT_E_CLOSED || error == LEAT_E_BROKEN);
    CHECK_INT(accepted, 77);
    CHECK_ERROR(leat_write(hub, ends.accepted, "x", 1, &accepted), error);
    /* Reading goes on: what the peer said is not lost. */
    kit_read_text(hub, ends.accepted, "last words");
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    KIT_QUIET(hub);
    kit_end(hub);
}
