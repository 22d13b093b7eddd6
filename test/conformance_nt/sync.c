/* SPDX-License-Identifier: MIT
 *
 * What is promised of handles that were opened for synchronous I/O, and of those that lead one way.
 *
 * Happy path: such a connection does what any other one does; a thread of the library's own waits.
 * Fails:      what cannot work is refused, and the handle stays the caller's, unchanged.
 * Invariants: whatever its thread is doing, the end of a connection comes soon, on both sides.
 */
#include "conformance/kit_nt.h"
#include "sync_pipe.h"

#include <stdio.h>
#include <string.h>

#define SYNC_QUOTA 65536u
#define SYNC_PIECE 32768u
#define SYNC_STUCK 300000u /* more than the pipe holds */
#define NOTICED_MS 100
#define SYNC_PROMPT_MS 20 /* much less than the thread's longest pause */

static uint8_t sync_block[KIT_MIB], sync_got[KIT_MIB];

static void sync_pipe(bool one_way, uint32_t quota, intptr_t handles_out[2])
{
    static uint32_t count;
    char word[32]; /* a name is taken until both of its ends are closed */
    (void)snprintf(word, sizeof word, "sync-%u", ++count);
    handles_out[0] = handles_out[1] = -1;
    const struct lti_sync_kind kind = {.one_way = one_way, .both = true, .quota = quota};
    REQUIRE(lti_sync_pipe(kit_path(word), kind, handles_out));
}

static leat_conn sync_adopt(struct leat_hub *hub, intptr_t handle,
                            const struct leat_conn_options *options)
{
    leat_conn conn = {77};
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    return conn;
}

/* The hub's end, and a handle that nobody does anything with. */
static leat_conn sync_open(struct leat_hub *hub, const struct leat_conn_options *options,
                           intptr_t *other_out)
{
    intptr_t handles[2];
    sync_pipe(false, SYNC_QUOTA, handles);
    *other_out = handles[1];
    return sync_adopt(hub, handles[0], options);
}

static void sync_refused(struct leat_hub *hub, intptr_t handle,
                         const struct leat_conn_options *options)
{
    leat_conn conn = {77};
    CHECK_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
}

static void sync_close(intptr_t handle)
{
    CHECK_INT(lti_os_handle_close(handle), 0);
}

/* From one end to the other, in pieces that the pipe holds. */
static void sync_carry(struct leat_hub *hub, leat_conn from, leat_conn to, size_t at)
{
    size_t size = 0;
    REQUIRE_ERROR(leat_write_full(hub, from, sync_block + at, SYNC_PIECE, KIT_SOON_MS, &size),
                  LEAT_OK);
    REQUIRE_ERROR(leat_read_full(hub, to, sync_got + at, SYNC_PIECE, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_MEM(sync_got + at, sync_block + at, SYNC_PIECE);
}

TEST(nt_sync_echo_of_a_mebibyte)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2];
    sync_pipe(false, SYNC_QUOTA, handles);
    leat_conn a = sync_adopt(hub, handles[0], NULL), b = sync_adopt(hub, handles[1], NULL);
    kit_pattern(sync_block, sizeof sync_block, 0);
    for (size_t at = 0; at < KIT_MIB; at += SYNC_PIECE) {
        sync_carry(hub, a, b, at);
        sync_carry(hub, b, a, at);
    }
    CHECK_INT(kit_stats(hub, a).bytes_sent, KIT_MIB);
    CHECK_INT(kit_stats(hub, a).bytes_received, KIT_MIB);
    CHECK_ERROR(leat_close(hub, a, KIT_SOON_MS), LEAT_OK);
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    kit_end(hub);
}

/* Much more than the pipe holds, at once, and what was accepted arrives though it is closed. */
static void sync_stream(bool one_way, uint32_t quota)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2];
    size_t size = 0;
    sync_pipe(one_way, quota, handles);
    leat_conn to = sync_adopt(hub, handles[0], NULL),
              from = sync_adopt(hub, handles[1], &kit_roomy);
    kit_pattern(sync_block, sizeof sync_block, 0);
    REQUIRE_ERROR(leat_write(hub, from, sync_block, KIT_MIB, &size), LEAT_OK);
    REQUIRE_INT(size, KIT_MIB);
    CHECK_ERROR(leat_close(hub, from, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_read_full(hub, to, sync_got, KIT_MIB, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_MEM(sync_got, sync_block, KIT_MIB);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    kit_end(hub);
}

TEST(nt_sync_write_larger_than_the_pipe)
{
    sync_stream(false, SYNC_QUOTA);
}

TEST(nt_sync_one_way_stream)
{
    sync_stream(true, 4096);
}

/* Some runtimes leave pipes so, for those who share them: a write without room does nothing. */
TEST(nt_sync_told_not_to_wait)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    intptr_t handles[2];
    size_t size = 0;
    sync_pipe(false, 4096, handles);
#ifdef _WIN32
    DWORD mode = PIPE_NOWAIT;
    REQUIRE(SetNamedPipeHandleState((HANDLE)handles[0], &mode, NULL, NULL));
#else
    lti_sim_pipe_nowait(handles[0]);
#endif
    leat_conn from = sync_adopt(hub, handles[0], &kit_roomy);
    kit_pattern(sync_block, SYNC_STUCK, 0);
    kit_write(hub, from, sync_block, SYNC_STUCK);
    /* It is full, and what comes the other way is read all the same. */
    CHECK_ERROR(leat_next(hub, &event, 200), LEAT_E_TIMEOUT);
    CHECK_INT(lti_os_pipe_write_sync(handles[1], "hello", 5), 5);
    kit_read_text(hub, from, "hello");
    leat_conn to = sync_adopt(hub, handles[1], NULL);
    REQUIRE_ERROR(leat_read_full(hub, to, sync_got, SYNC_STUCK, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_MEM(sync_got, sync_block, SYNC_STUCK);
    kit_end(hub);
}

TEST(nt_sync_one_way)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2];
    size_t size = 0;
    uint8_t byte = 0;
    sync_pipe(true, SYNC_QUOTA, handles);
    sync_refused(hub, handles[0], &kit_messages);
    sync_refused(hub, handles[1], &kit_messages);
    leat_conn in = sync_adopt(hub, handles[0], NULL), out = sync_adopt(hub, handles[1], NULL);
    CHECK_ERROR(leat_write(hub, in, "no", 2, &size), LEAT_E_CLOSED);
    CHECK_ERROR(leat_read(hub, out, &byte, 1, &size), LEAT_E_EMPTY);
    kit_write_text(hub, out, "one");
    kit_read_text(hub, in, "one");
    CHECK_ERROR(leat_write(hub, in, "no", 2, &size), LEAT_E_CLOSED);
    kit_write_text(hub, out, "way");
    kit_read_text(hub, in, "way");
    CHECK_INT(kit_stats(hub, out).bytes_received, 0);
    CHECK_ERROR(leat_abort(hub, in), LEAT_OK);
    /* Nothing can be read there: the pipe's own state tells. */
    uint64_t begin = kit_now_ms();
    KIT_UNTIL(hub, LEAT_EVENT_FINISHED);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    kit_end(hub);
}

TEST(nt_one_way_overlapped)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2] = {-1, -1};
    const struct lti_sync_kind kind = {.one_way = true, .quota = SYNC_QUOTA};
    REQUIRE(lti_sync_pipe(kit_path("half"), kind, handles));
    sync_refused(hub, handles[1], &kit_messages);
    leat_conn in = sync_adopt(hub, handles[0], NULL), out = sync_adopt(hub, handles[1], NULL);
    kit_write_text(hub, out, "hello");
    kit_read_text(hub, in, "hello");
    KIT_QUIET(hub);
    CHECK_ERROR(leat_abort(hub, in), LEAT_OK);
    KIT_UNTIL(hub, LEAT_EVENT_FINISHED);
    KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    kit_end(hub);
}

/* A reader that goes while something is being written to it has not read that. */
TEST(nt_one_way_vanished_while_a_write_waits)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2] = {-1, -1};
    const struct lti_sync_kind kind = {.one_way = true, .quota = SYNC_QUOTA};
    REQUIRE(lti_sync_pipe(kit_path("half"), kind, handles));
    leat_conn out = sync_adopt(hub, handles[1], &kit_roomy);
    (void)kit_fill(hub, out, 0);
    KIT_QUIET(hub);
    uint64_t outbox = kit_info(hub, out).outbox_bytes;
    REQUIRE(outbox > 0);
    sync_close(handles[0]);
    kit_pass(100); /* so that it is looked at before the completion of the write is heard */
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, outbox);
    kit_end(hub);
}

TEST(nt_sync_messages)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2];
    leat_conn a, b;
    sync_pipe(false, SYNC_QUOTA, handles);
    REQUIRE_ERROR(leat_adopt_conn(hub, handles[0], 1, &kit_messages, &a), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(hub, handles[1], 2, &kit_messages, &b), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, a, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, b, KIT_SOON_MS), LEAT_OK);
    for (int i = 0; i < 20; i++) {
        kit_send_text(hub, a, "question");
        kit_receive_text(hub, b, "question");
        kit_send_text(hub, b, "answer");
        kit_receive_text(hub, a, "answer");
    }
    kit_end(hub);
}

/* A connection whose thread waits in a write: the pipe holds more than it promised to. */
static leat_conn sync_stuck(struct leat_hub *hub, intptr_t *other_out)
{
    leat_conn conn = sync_open(hub, &kit_roomy, other_out);
    struct lti_os_pipe_facts facts = {.readable = 0};
    uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    kit_pattern(sync_block, SYNC_STUCK, 0);
    kit_write(hub, conn, sync_block, SYNC_STUCK);
    while (facts.readable <= SYNC_QUOTA && kit_now_ms() < until) {
        struct leat_event event;
        CHECK_ERROR(leat_next(hub, &event, 5), LEAT_E_TIMEOUT);
        REQUIRE_INT(lti_os_pipe_facts(*other_out, &facts), 0);
    }
    CHECK(facts.readable > SYNC_QUOTA);
    KIT_QUIET(hub);
    return conn;
}

/* By then the thread looks seldom. */
TEST(nt_sync_seen_after_a_while)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    intptr_t other;
    leat_conn conn = sync_open(hub, NULL, &other);
    for (int i = 0; i < 3; i++) {
        CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
        uint64_t begin = kit_now_ms();
        CHECK_INT(lti_os_pipe_write_sync(other, "hello", 5), 5);
        kit_read_text(hub, conn, "hello");
        CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
        /* What we ask of the thread ends its pause. */
        CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
        begin = kit_now_ms();
        kit_write_text(hub, conn, "hello");
        CHECK_ERROR(leat_wait_sent(hub, conn, KIT_SOON_MS), LEAT_OK);
        if (kit_simulated())
            CHECK(kit_now_ms() - begin < SYNC_PROMPT_MS);
    }
    sync_close(other);
    kit_end(hub);
}

/* No buffer, and nothing to look after: the hub sleeps until something comes. */
TEST(nt_sync_idle_holds_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    intptr_t other;
    uint32_t deadline_ms = 0;
    CHECK_INT(kit_hub_info(hub).threads, 0);
    leat_conn conn = sync_open(hub, NULL, &other);
    CHECK_INT(kit_hub_info(hub).threads, 1);
    CHECK_INT(lti_os_pipe_write_sync(other, "hello", 5), 5);
    kit_read_text(hub, conn, "hello");
    CHECK_ERROR(leat_next(hub, &event, 500), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_hub_deadline(hub, &deadline_ms), LEAT_OK);
    CHECK_INT(deadline_ms, LEAT_FOREVER);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    for (uint32_t i = 0; i < KIT_SOON_MS / 100 && kit_hub_info(hub).threads; i++)
        CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_hub_info(hub).threads, 0);
    sync_close(other);
    kit_end(hub);
}

/* The same where the system does the waiting: the read that has a buffer is given up. */
TEST(nt_idle_holds_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct leat_event event;
    struct kit_ends ends = kit_pair(hub, NULL);
    for (int i = 0; i < 3; i++) {
        kit_write_text(hub, ends.dialled, "hello");
        kit_read_text(hub, ends.accepted, "hello");
        uint32_t deadline_ms = 0;
        for (uint32_t j = 0; j < KIT_SOON_MS / 100 && deadline_ms != LEAT_FOREVER; j++) {
            CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
            CHECK_ERROR(leat_hub_deadline(hub, &deadline_ms), LEAT_OK);
        }
        CHECK_INT(deadline_ms, LEAT_FOREVER);
    }
    kit_end(hub);
}

/* Nothing moves any more, and in time it is told. */
TEST(nt_sync_both_write_before_they_read)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {
        .size = sizeof options, .outbox_bytes = KIT_ROOMY_BYTES, .write_stall_ms = 500};
    intptr_t handles[2];
    size_t size = 0;
    sync_pipe(false, 4096, handles);
    leat_conn a = sync_adopt(hub, handles[0], &options), b = sync_adopt(hub, handles[1], &options);
    REQUIRE_ERROR(leat_write(hub, a, sync_block, KIT_MIB, &size), LEAT_OK);
    REQUIRE_ERROR(leat_write(hub, b, sync_block, KIT_MIB, &size), LEAT_OK);
    uint64_t begin = kit_now_ms();
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(event.error == LEAT_E_TIMEOUT);
    CHECK(event.bytes_undelivered > 0);
    event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(2000));
    /* The threads come out of their writes, and nothing else is left of the two. */
    CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

/* ---- The peer goes --------------------------------------------------------------------------- */

static void sync_vanish(struct leat_hub *hub, intptr_t other, enum leat_event_type type)
{
    uint64_t begin = kit_now_ms();
    sync_close(other);
    KIT_UNTIL(hub, type);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
}

TEST(nt_sync_vanished_while_idle)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 2; i++) {
        intptr_t other;
        leat_conn conn = sync_open(hub, NULL, &other);
        if (i == 1) { /* after it had been busy */
            CHECK_INT(lti_os_pipe_write_sync(other, "hello", 5), 5);
            kit_read_text(hub, conn, "hello");
        }
        /* By then its thread looks seldom. */
        struct leat_event event;
        CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
        sync_vanish(hub, other, LEAT_EVENT_CLOSED);
    }
    kit_end(hub);
}

TEST(nt_sync_vanished_while_paused)
{
    struct leat_hub *hub = kit_begin();
    intptr_t other;
    leat_conn conn = sync_open(hub, NULL, &other);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    CHECK_INT(lti_os_pipe_write_sync(other, "unread", 6), 6);
    struct leat_event event;
    CHECK_ERROR(leat_next(hub, &event, 300), LEAT_E_TIMEOUT);
    sync_vanish(hub, other, LEAT_EVENT_HANGUP);
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    kit_read_text(hub, conn, "unread");
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_CLOSED);
    kit_end(hub);
}

TEST(nt_sync_vanished_while_a_write_waits)
{
    struct leat_hub *hub = kit_begin();
    intptr_t other;
    leat_conn conn = sync_stuck(hub, &other);
    uint64_t outbox = kit_info(hub, conn).outbox_bytes;
    uint64_t begin = kit_now_ms();
    sync_close(other);
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    CHECK(event.error == LEAT_E_CLOSED || event.error == LEAT_E_BROKEN);
    CHECK_INT(event.bytes_undelivered, outbox);
    kit_end(hub);
}

/* As servers do before they use an instance again. */
TEST(nt_sync_disconnected)
{
    struct leat_hub *hub = kit_begin();
    intptr_t handles[2];
    sync_pipe(false, SYNC_QUOTA, handles);
    leat_conn conn = sync_adopt(hub, handles[1], NULL);
    KIT_QUIET(hub);
    uint64_t begin = kit_now_ms();
#ifdef _WIN32
    CHECK(DisconnectNamedPipe((HANDLE)handles[0]));
#else
    CHECK_INT(lti_sim_pipe_disconnect(handles[0]), 0);
#endif
    CHECK_ERROR(KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error, LEAT_E_BROKEN);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    sync_close(handles[0]);
    kit_end(hub);
}

/* ---- We go ----------------------------------------------------------------------------------- */

/* What the pipe still holds comes, then the end. The other side never waits: it looks first. */
static uint64_t sync_drain(struct leat_hub *hub, intptr_t other)
{
    uint64_t got = 0, until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    for (;;) {
        struct lti_os_pipe_facts facts;
        REQUIRE(kit_now_ms() < until);
        REQUIRE_INT(lti_os_pipe_facts(other, &facts), 0);
        if (facts.connected && facts.readable == 0) {
            struct leat_event event;
            CHECK_ERROR(leat_next(hub, &event, 5), LEAT_E_TIMEOUT);
            continue;
        }
        int64_t part = lti_os_pipe_read_sync(other, sync_got, sizeof sync_got);
        if (part < 0) {
            CHECK_INT(lti_os_kind_of(part), LTI_OS_PIPE);
            return got;
        }
        REQUIRE(kit_pattern_is(sync_got, (size_t)part, got));
        got += (uint64_t)part;
    }
}

TEST(nt_sync_ended_while_a_write_waits)
{
    struct leat_hub *hub = kit_begin();
    for (int how = 0; how < 3; how++) {
        intptr_t other;
        leat_conn conn = sync_stuck(hub, &other);
        uint64_t begin = kit_now_ms();
        if (how == 0) {
            CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
        } else if (how == 1) {
            CHECK_ERROR(leat_close(hub, conn, 0), LEAT_OK);
        } else {
            CHECK_ERROR(leat_close_report(hub, conn, 200, 9), LEAT_OK);
            struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
            CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
            CHECK(event.bytes_undelivered > 0 && event.bytes_undelivered <= SYNC_STUCK);
        }
        KIT_STALE(hub, conn);
        CHECK(sync_drain(hub, other) <= SYNC_STUCK);
        CHECK(kit_now_ms() - begin < lti_test_scaled_ms(1000));
        sync_close(other);
        KIT_QUIET(hub);
        CHECK_INT(kit_hub_info(hub).conns, 0);
    }
    kit_end(hub);
}

TEST(nt_sync_hub_destroyed_while_a_write_waits)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *doomed = kit_hub(NULL);
    intptr_t other;
    (void)sync_stuck(doomed, &other);
    uint64_t begin = kit_now_ms();
    CHECK_ERROR(leat_hub_destroy(doomed), LEAT_OK);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(1000));
    CHECK(sync_drain(hub, other) <= SYNC_STUCK);
    sync_close(other);
    kit_end(hub);
}

/* ---- What is refused ------------------------------------------------------------------------- */

TEST(nt_sync_refuses_packets)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options packets = {.size = sizeof packets, .protocol = LEAT_PACKETS};
    intptr_t handles[2];
    sync_pipe(false, SYNC_QUOTA, handles);
    sync_refused(hub, handles[0], &packets);
    sync_close(handles[0]);
    sync_close(handles[1]);
    const struct lti_sync_kind kind = {.both = true, .messages = true, .quota = SYNC_QUOTA};
    REQUIRE(lti_sync_pipe(kit_path("packets"), kind, handles));
    sync_refused(hub, handles[0], &packets);
    sync_refused(hub, handles[1], NULL);
    CHECK_INT(lti_os_pipe_write_sync(handles[1], "fine", 4), 4);
    CHECK_INT(lti_os_pipe_read_sync(handles[0], sync_got, 10), 4);
    sync_close(handles[0]);
    sync_close(handles[1]);
    kit_end(hub);
}

TEST(nt_sync_refused_stays_usable)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options bad = {.size = 1};
    intptr_t handles[2], left[2];
    leat_conn conn = {77};
    uint8_t byte = 0;
    sync_pipe(true, SYNC_QUOTA, handles);
    sync_refused(hub, handles[0], &kit_messages);
    CHECK_ERROR(leat_adopt_conn(hub, handles[0], 1, &bad, &conn), LEAT_E_OPTIONS);
    CHECK_INT(conn.id, 77);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK_INT(lti_os_pipe_write_sync(handles[1], "x", 1), 1);
    CHECK_INT(lti_os_pipe_read_sync(handles[0], &byte, 1), 1);
    CHECK_INT(byte, 'x');
    sync_close(handles[0]);
    sync_close(handles[1]);
    /* The peer has gone already. */
    sync_pipe(false, SYNC_QUOTA, left);
    sync_close(left[1]);
    sync_refused(hub, left[0], NULL);
    sync_close(left[0]);
    kit_end(hub);
}
