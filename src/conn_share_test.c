/* SPDX-License-Identifier: MIT
 *
 * The share of a connection in what all of a listener may hold, at the bounds: what its own floor
 * gives it, and whose turn it is.
 */
#include "core.h"

#include "harness.h"

#include <string.h>

#define FLOOR ((size_t)LTI_BLOCK_LARGE)

struct stage {
    struct lti_listener listener;
    struct lti_common common;
    struct lti_conn conn, other;
};

/* All is full; both connections are open, and hold nothing themselves. */
static void stage_begin(struct stage *stage)
{
    memset(stage, 0, sizeof *stage);
    stage->common.listener = &stage->listener;
    stage->listener.queued_bytes_max = 1000;
    stage->listener.queued_bytes = 10 * FLOOR;
    struct lti_conn *const both[] = {&stage->conn, &stage->other};
    for (int i = 0; i < 2; i++) {
        both[i]->listened = true;
        both[i]->common = &stage->common;
        both[i]->state = LTI_CONN_OPEN;
        both[i]->announced = true;
        both[i]->protocol = LEAT_MESSAGES;
    }
}

static void holds(struct lti_conn *conn, size_t inbox, size_t outbox)
{
    conn->inbox.tail = (uint32_t)inbox;
    conn->outbox.size = (uint32_t)outbox;
    conn->queued_bytes = (uint32_t)(inbox + outbox);
}

TEST(conn_share_of_a_read)
{
    struct stage stage;
    stage_begin(&stage);
    struct lti_conn *conn = &stage.conn;
    CHECK(lti_share_read(conn, FLOOR)); /* its floor */
    CHECK(!lti_share_read(conn, FLOOR + 1));
    CHECK(conn->share_held && conn->share_large && conn->share_waits);
    conn->closing = true; /* what it sends is dropped */
    CHECK(lti_share_read(conn, FLOOR + 1));
    conn->closing = false;
    holds(conn, FLOOR, 0); /* inside of a message: it has the turn, if nobody else has */
    CHECK(lti_share_read(conn, 1));
    CHECK(stage.listener.turns[LTI_SHARE_READ] == conn);
    holds(&stage.other, FLOOR, 0);
    CHECK(!lti_share_read(&stage.other, 1));
    CHECK(stage.other.share_held && !stage.other.share_large);
}

TEST(conn_share_of_pieces_and_of_room)
{
    struct stage stage;
    stage_begin(&stage);
    struct lti_conn *conn = &stage.conn;
    holds(conn, 10, 10);
    CHECK_INT(lti_share_piece(conn, FLOOR - 10), FLOOR - 10);
    CHECK_INT(lti_share_piece(conn, FLOOR), FLOOR - 10);
    CHECK_INT(lti_share_room(conn, 5), 5);
    CHECK_INT(lti_share_room(conn, FLOOR), FLOOR - 10);
    holds(conn, FLOOR, FLOOR);
    CHECK_INT(lti_share_piece(conn, FLOOR), FLOOR); /* it asked for that before */
    CHECK_INT(lti_share_room(conn, 5), 0);
    holds(conn, 10, 0);
    stage.listener.turns[LTI_SHARE_READ] = conn;
    CHECK_INT(lti_share_piece(conn, FLOOR), FLOOR);
    stage.listener.queued_bytes = 0;
    stage.listener.turns[LTI_SHARE_READ] = NULL;
    CHECK_INT(lti_share_piece(conn, 2 * FLOOR), 2 * FLOOR);
    CHECK_INT(lti_share_room(conn, 2 * FLOOR), 2 * FLOOR);
}

TEST(conn_share_of_what_is_sent)
{
    struct stage stage;
    stage_begin(&stage);
    struct lti_conn *conn = &stage.conn;
    CHECK(lti_share_fits(conn, FLOOR));
    CHECK(lti_share_fits(conn, FLOOR + 1)); /* one by one, who has nothing yet */
    lti_share_sends(conn, FLOOR + 1);
    CHECK(stage.listener.turns[LTI_SHARE_WRITE] == conn);
    CHECK(!lti_share_fits(&stage.other, FLOOR + 1));
    CHECK(lti_share_fits(&stage.other, FLOOR));
    holds(conn, 0, 10);
    CHECK(!lti_share_fits(conn, FLOOR));
    CHECK(lti_share_fits(conn, FLOOR - 10));
    holds(conn, 0, FLOOR);
    CHECK(!lti_share_fits(conn, 1));
    CHECK(!lti_share_fits(conn, 0));
}

/* Who has the turn to read gives it back when it is not inside of a message any more. */
TEST(conn_share_turns_end)
{
    for (int way = 0; way < 6; way++) {
        struct stage stage;
        stage_begin(&stage);
        struct lti_conn *conn = &stage.conn;
        holds(conn, FLOOR, 0);
        stage.listener.turns[LTI_SHARE_READ] = conn;
        if (way == 1)
            conn->closing = true;
        if (way == 2)
            conn->paused = true;
        if (way == 3)
            conn->message_ready = true;
        if (way == 4)
            conn->inbox.tail = 0;
        if (way == 5)
            conn->protocol = LEAT_BYTES;
        lti_share_changed(NULL, conn);
        CHECK((stage.listener.turns[LTI_SHARE_READ] == conn) == (way == 0));
    }
}

/* Who has the turn to write gives it back when no more than its floor is unsent: others come. */
TEST(conn_share_turns_to_write_end)
{
    for (size_t unsent = FLOOR - 1; unsent <= FLOOR + 1; unsent++) {
        struct stage stage;
        stage_begin(&stage);
        struct lti_conn *conn = &stage.conn;
        lti_share_sends(conn, FLOOR + 1);
        holds(conn, 0, unsent);
        lti_share_changed(NULL, conn);
        CHECK((stage.listener.turns[LTI_SHARE_WRITE] == NULL) == (unsent <= FLOOR));
        CHECK_INT(lti_share_fits(&stage.other, FLOOR + 1), unsent <= FLOOR);
    }
}

/* Who waits looks again when somebody leaves who had a turn, or both: it is no fuller then. */
TEST(conn_share_turns_of_who_leaves)
{
    for (int turns = 0; turns < 4; turns++) {
        struct stage stage;
        struct leat_hub hub;
        stage_begin(&stage);
        memset(&hub, 0, sizeof hub);
        lti_deadline_init(&stage.other.base.deadline);
        CHECK(!lti_share_read(&stage.other, FLOOR + 1));
        if (turns & 1)
            stage.listener.turns[LTI_SHARE_READ] = &stage.conn;
        if (turns & 2)
            stage.listener.turns[LTI_SHARE_WRITE] = &stage.conn;
        lti_share_leave(&hub, &stage.conn);
        CHECK_INT(stage.other.share_held, turns == 0);
        CHECK(!stage.listener.turns[LTI_SHARE_READ] && !stage.listener.turns[LTI_SHARE_WRITE]);
    }
}

/* Who was held reads on when that need not be any more. */
TEST(conn_share_is_held_no_longer_than_need_be)
{
    enum { HELD, LARGE, LITTLE, OUTSIDE, NOT_ITS_TURN, CLOSING, ENDED, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct stage stage;
        stage_begin(&stage);
        struct lti_conn *conn = &stage.conn;
        conn->share_held = true;
        holds(conn, FLOOR, 0);
        conn->share_large = way == LARGE;
        if (way == LITTLE)
            conn->inbox.tail = 1;
        conn->paused = way == OUTSIDE;
        if (way == NOT_ITS_TURN)
            stage.listener.turns[LTI_SHARE_READ] = &stage.other;
        conn->closing = way == CLOSING;
        if (way == ENDED)
            conn->state = LTI_CONN_ENDED;
        lti_share_changed(NULL, conn);
        bool still = way == LARGE || way == OUTSIDE || way == NOT_ITS_TURN;
        CHECK_INT(conn->share_held, still);
    }
}

/* Room of its own is not enough where another has the turn. */
TEST(conn_share_and_who_wants_to_write)
{
    for (int way = 0; way < 2; way++) {
        struct stage stage;
        stage_begin(&stage);
        struct lti_conn *conn = &stage.conn;
        stage.common.options.outbox_bytes = 4 * FLOOR;
        stage.common.options.outbox_low_bytes = FLOOR;
        stage.common.options.outbox_messages_max = 10;
        conn->want_writable = true;
        conn->want_room = 2 * (uint32_t)FLOOR;
        if (way == 1)
            stage.listener.turns[LTI_SHARE_WRITE] = &stage.other;
        lti_conn_check_writable(conn);
        CHECK_INT(conn->writable_due, way == 0);
    }
}

static void trace_count(void *context, const struct leat_trace *record)
{
    size_t *bytes = context;
    bytes[0]++;
    bytes[1] += record->size;
}

/* The trace shows what was sent, not what was to be. */
TEST(conn_sent_in_part_is_traced_so)
{
    struct stage stage;
    size_t seen[2] = {0, 0};
    struct leat_hub hub;
    const struct leat_slice slices[] = {{.data = "ab", .size = 2}, {.data = "cde", .size = 3}};
    stage_begin(&stage);
    memset(&hub, 0, sizeof hub);
    hub.options.trace = trace_count;
    hub.options.hook_context = seen;
    lti_conn_sent(&hub, &stage.conn, slices, 2, 2);
    CHECK(seen[0] == 1 && seen[1] == 2);
    lti_conn_sent(&hub, &stage.conn, slices, 2, 4);
    CHECK(seen[0] == 3 && seen[1] == 6);
    CHECK_INT(stage.conn.stats.bytes_sent, 6);
}

/* A completion that comes after the write was recalled tells nothing any more. */
TEST(conn_written_without_a_write)
{
    struct stage stage;
    stage_begin(&stage);
    struct lti_conn *conn = &stage.conn;
    holds(conn, 0, 10);
    lti_conn_written(NULL, conn, 10, true);
    CHECK_INT(conn->outbox.size, 10);
    CHECK_INT(conn->stats.bytes_sent, 0);
}
