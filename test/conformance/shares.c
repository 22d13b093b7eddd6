/* SPDX-License-Identifier: MIT
 *
 * What all connections of a listener hold together is bounded: queued_bytes_max.
 *
 * Happy path: below the bound nobody notices; when it is reached, senders get FULL and readers
 *             pause, until there is room.
 * Fails:      a bound that is passed by more than each connection's 64 KiB and a message; a byte
 *             that is lost; a connection that never goes on.
 * Invariants: small talk goes on all the time.
 */
#include "kit.h"

#include <stdlib.h>
#include <string.h>

#define ENDS 6u
#define KIB ((size_t)1024)
#define MAX_BYTES (128 * KIB)
#define FLOOR_BYTES (68 * KIB)
#define LARGE_BYTES (512 * KIB)
#define TURNS_MAX 200000

struct shares {
    struct leat_hub *hub;
    leat_listener listener;
    struct kit_ends ends[ENDS];
    uint8_t *bytes;
    uint64_t got[ENDS]; /* bytes by the dialled ends, and messages by either */
    uint32_t writable[ENDS];
    uint64_t queued_high;
    uint64_t end_ms; /* by then all has come */
};

static struct shares shares_begin(const struct leat_conn_options *conn)
{
    struct shares shares = {.hub = kit_begin(), .bytes = malloc(LARGE_BYTES)};
    shares.end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    const struct leat_listen_options options = {
        .size = sizeof options, .queued_bytes_max = MAX_BYTES, .conn = conn};
    REQUIRE(shares.bytes != NULL);
    REQUIRE_ERROR(leat_listen(shares.hub, kit_plain("shares"), &options, &shares.listener),
                  LEAT_OK);
    for (size_t i = 0; i < ENDS; i++) {
        shares.ends[i] = kit_open(shares.hub, shares.listener, kit_plain("shares"), conn);
        CHECK_ERROR(leat_set_tag(shares.hub, shares.ends[i].accepted, i), LEAT_OK);
        CHECK_ERROR(leat_set_tag(shares.hub, shares.ends[i].dialled, 100 + i), LEAT_OK);
    }
    return shares;
}

static void shares_end(struct shares *shares)
{
    free(shares->bytes);
    kit_end(shares->hub);
}

static uint64_t queued(struct shares *shares)
{
    uint64_t bytes = kit_listener_info(shares->hub, shares->listener).queued_bytes;
    if (bytes > shares->queued_high)
        shares->queued_high = bytes;
    return bytes;
}

static void message_take(struct shares *shares, leat_conn conn, size_t end)
{
    size_t size = 0;
    enum leat_error error = leat_receive(shares->hub, conn, shares->bytes, LARGE_BYTES, &size);
    if (error == LEAT_E_EMPTY)
        return;
    REQUIRE_ERROR(error, LEAT_OK);
    CHECK_INT(size, LARGE_BYTES);
    CHECK(kit_pattern_is(shares->bytes, size, end));
    shares->got[end]++;
}

static void bytes_take(struct shares *shares, leat_conn conn, size_t end)
{
    size_t size = 0;
    enum leat_error error = leat_read(shares->hub, conn, shares->bytes, LARGE_BYTES, &size);
    if (error == LEAT_E_EMPTY)
        return;
    REQUIRE_ERROR(error, LEAT_OK);
    CHECK(kit_pattern_is(shares->bytes, size, shares->got[end]));
    shares->got[end] += size;
}

/* One event, if there is one soon. What READABLE tells of is taken, when it is of this side. */
static void shares_turn(struct shares *shares, bool dialled, bool messages)
{
    struct leat_event event;
    enum leat_error error = leat_next(shares->hub, &event, 20);
    (void)queued(shares);
    if (error == LEAT_E_TIMEOUT)
        return;
    REQUIRE_ERROR(error, LEAT_OK);
    size_t end = (size_t)(event.tag % 100);
    REQUIRE(end < ENDS);
    if (event.type == LEAT_EVENT_WRITABLE)
        shares->writable[end]++;
    else if (event.type != LEAT_EVENT_READABLE || dialled != (event.tag >= 100))
        return;
    else if (messages)
        message_take(shares, event.conn, end);
    else
        bytes_take(shares, event.conn, end);
}

/* Not yet: so much is to come, and to so many WRITABLE. */
static bool shares_wait(const struct shares *shares, uint64_t got, uint32_t writable)
{
    uint64_t got_now = 0;
    uint32_t writable_now = 0;
    for (size_t i = 0; i < ENDS; i++) {
        got_now += shares->got[i];
        writable_now += shares->writable[i] > 0;
    }
    return (got_now < got || writable_now < writable) && lti_test_now_ms() < shares->end_ms;
}

/* Sends one large message on each; how many were not FULL. */
static uint32_t send_all(struct shares *shares, bool sent[ENDS], bool backwards)
{
    uint32_t count = 0;
    for (size_t each = 0; each < ENDS; each++) {
        size_t i = backwards ? ENDS - 1 - each : each;
        kit_pattern(shares->bytes, LARGE_BYTES, i);
        enum leat_error error =
            leat_send(shares->hub, shares->ends[i].accepted, shares->bytes, LARGE_BYTES);
        REQUIRE(error == LEAT_OK || error == LEAT_E_FULL);
        sent[i] = error == LEAT_OK;
        count += sent[i];
        (void)queued(shares);
    }
    return count;
}

TEST(shares_bound_what_is_written)
{
    struct shares shares = shares_begin(&kit_roomy);
    uint64_t sent[ENDS], all = 0;
    for (size_t i = 0; i < ENDS; i++) {
        sent[i] = kit_fill(shares.hub, shares.ends[i].accepted, 0);
        CHECK(sent[i] > 0 && sent[i] < KIT_ROOMY_BYTES);
    }
    CHECK(queued(&shares) >= MAX_BYTES);
    CHECK(shares.queued_high <= MAX_BYTES + (ENDS + 1) * FLOOR_BYTES);
    for (size_t i = 0; i < ENDS; i++)
        all += sent[i];
    CHECK(all > MAX_BYTES);
    while (shares_wait(&shares, all, ENDS))
        shares_turn(&shares, true, false);
    for (size_t i = 0; i < ENDS; i++) {
        CHECK_INT(shares.got[i], sent[i]);
        CHECK_INT(shares.writable[i], 1);
    }
    CHECK_INT(queued(&shares), 0);
    shares_end(&shares);
}

TEST(shares_bound_what_is_read)
{
    struct shares shares = shares_begin(&kit_roomy);
    uint64_t sent[ENDS], all = 0;
    for (size_t i = 0; i < ENDS; i++) {
        sent[i] = kit_fill(shares.hub, shares.ends[i].dialled, 0);
        all += sent[i];
    }
    /* Told again and again, and nobody reads. */
    for (int i = 0; i < 1000; i++)
        shares_turn(&shares, true, false);
    CHECK(queued(&shares) >= MAX_BYTES);
    CHECK(shares.queued_high <= MAX_BYTES + (ENDS + 1) * FLOOR_BYTES);
    while (shares_wait(&shares, all, 0))
        shares_turn(&shares, false, false);
    for (size_t i = 0; i < ENDS; i++)
        CHECK_INT(shares.got[i], sent[i]);
    CHECK_INT(queued(&shares), 0);
    shares_end(&shares);
}

/* The others hold all there is, and do not read: whoever reads gets what is sent to it. */
TEST(shares_are_no_bound_for_who_reads)
{
    struct shares shares = shares_begin(&kit_roomy);
    uint64_t sent = 0;
    for (size_t i = ENDS; i > 0; i--)
        sent = kit_fill(shares.hub, shares.ends[i - 1].dialled, 0);
    for (int i = 0; i < 1000; i++)
        shares_turn(&shares, true, false);
    while (shares.got[0] < sent) {
        size_t part = sent - shares.got[0] < 32 * KIB ? (size_t)(sent - shares.got[0]) : 32 * KIB;
        size_t size = 0;
        REQUIRE_ERROR(leat_read_full(shares.hub, shares.ends[0].accepted, shares.bytes, part,
                                     KIT_SOON_MS, &size),
                      LEAT_OK);
        CHECK(kit_pattern_is(shares.bytes, size, shares.got[0]));
        shares.got[0] += size;
        CHECK(queued(&shares) >= MAX_BYTES);
    }
    shares_end(&shares);
}

/* A line that cannot come, because others hold all there is, is waited for without turning. */
TEST(shares_that_are_used_up_are_waited_for)
{
    struct shares shares = shares_begin(&kit_roomy);
    size_t accepted = 0, size = 0;
    memset(shares.bytes, 'x', LARGE_BYTES);
    for (size_t i = 0; i < ENDS; i++)
        CHECK_ERROR(
            leat_write(shares.hub, shares.ends[i].dialled, shares.bytes, LARGE_BYTES, &accepted),
            LEAT_OK);
    for (int i = 0; i < 1000; i++)
        shares_turn(&shares, true, false);
    REQUIRE(queued(&shares) >= MAX_BYTES);
    uint64_t before = kit_hub_info(shares.hub).waits;
    CHECK_ERROR(leat_read_line(shares.hub, shares.ends[0].accepted, (char *)shares.bytes,
                               LARGE_BYTES, 100, &size),
                LEAT_E_TIMEOUT);
    CHECK(kit_hub_info(shares.hub).waits - before < 100);
    shares_end(&shares);
}

/* Parts of all of them fill the share, and none is whole: one after the other becomes so. */
TEST(shares_let_large_messages_in_one_by_one)
{
    struct shares shares = shares_begin(&kit_messages);
    for (size_t i = 0; i < ENDS; i++) {
        kit_pattern(shares.bytes, LARGE_BYTES, i);
        CHECK_ERROR(leat_send(shares.hub, shares.ends[i].dialled, shares.bytes, LARGE_BYTES),
                    LEAT_OK);
    }
    while (shares_wait(&shares, ENDS, 0))
        shares_turn(&shares, false, true);
    for (size_t i = 0; i < ENDS; i++)
        CHECK_INT(shares.got[i], 1);
    CHECK(shares.queued_high >= LARGE_BYTES);
    CHECK(shares.queued_high <= MAX_BYTES + LARGE_BYTES + (ENDS + 1) * FLOOR_BYTES);
    CHECK_INT(queued(&shares), 0);
    shares_end(&shares);
}

TEST(shares_let_large_messages_out_one_by_one)
{
    struct shares shares = shares_begin(&kit_messages);
    bool sent[ENDS];
    CHECK(send_all(&shares, sent, false) < ENDS);
    CHECK(shares.queued_high <= MAX_BYTES + 2 * (LARGE_BYTES + 8));
    while (shares_wait(&shares, ENDS, 0)) {
        shares_turn(&shares, true, true);
        for (size_t end = 0; end < ENDS; end++) {
            if (sent[end] || shares.writable[end] == 0)
                continue;
            shares.writable[end] = 0;
            kit_pattern(shares.bytes, LARGE_BYTES, end);
            sent[end] = leat_send(shares.hub, shares.ends[end].accepted, shares.bytes,
                                  LARGE_BYTES) == LEAT_OK;
        }
    }
    for (size_t i = 0; i < ENDS; i++)
        CHECK_INT(shares.got[i], 1);
    CHECK(shares.queued_high <= MAX_BYTES + 2 * (LARGE_BYTES + 8));
    kit_drain(shares.hub, NULL, NULL); /* that it was taken may have to be heard */
    CHECK_INT(queued(&shares), 0);
    shares_end(&shares);
}

TEST(shares_let_small_talk_go_on)
{
    struct shares shares = shares_begin(&kit_messages);
    bool sent[ENDS];
    (void)send_all(&shares, sent, false);
    CHECK(queued(&shares) >= MAX_BYTES);
    struct kit_ends ends =
        kit_open(shares.hub, shares.listener, kit_plain("shares"), &kit_messages);
    for (int i = 0; i < 20; i++) {
        kit_send_text(shares.hub, ends.accepted, "how are you?");
        kit_receive_text(shares.hub, ends.dialled, "how are you?");
        kit_send_text(shares.hub, ends.dialled, "thank you");
        kit_receive_text(shares.hub, ends.accepted, "thank you");
    }
    shares_end(&shares);
}

/* Whoever waits hears of room: when those end that have it, and when the bound goes. */
static void room_again(bool listener_closed)
{
    struct shares shares = shares_begin(&kit_messages);
    bool sent[ENDS];
    uint32_t count = send_all(&shares, sent, listener_closed), told = 0; /* who waits is first */
    REQUIRE(count < ENDS);
    if (listener_closed)
        CHECK_ERROR(leat_listener_close(shares.hub, shares.listener), LEAT_OK);
    for (size_t i = 0; i < ENDS; i++) {
        if (sent[i] && !listener_closed)
            CHECK_ERROR(leat_abort(shares.hub, shares.ends[i].accepted), LEAT_OK);
        CHECK_ERROR(leat_pause(shares.hub, shares.ends[i].dialled), LEAT_OK);
    }
    struct leat_event event;
    while (told < ENDS - count && CHECK_ERROR(leat_next(shares.hub, &event, KIT_SOON_MS), LEAT_OK))
        told += event.type == LEAT_EVENT_WRITABLE && !sent[event.tag % 100];
    CHECK_INT(told, ENDS - count);
    shares_end(&shares);
}

TEST(shares_are_given_back_by_who_ends)
{
    room_again(false);
}

TEST(shares_end_with_the_listener)
{
    room_again(true);
}

/* A raw peer that is let in. */
static leat_conn raw_open(struct shares *shares, int *fd_out)
{
    uint8_t hello[KIT_HELLO_BYTES];
    *fd_out = kit_raw_connect(kit_plain("shares"));
    kit_raw_send(*fd_out, kit_hello, sizeof kit_hello);
    leat_conn conn = KIT_UNTIL(shares->hub, LEAT_EVENT_ACCEPTED).conn;
    CHECK_INT(kit_raw_recv(*fd_out, hello, sizeof hello), KIT_HELLO_BYTES);
    return conn;
}

/* Sends zeroes, as many as it takes, while the hub goes on. */
static void raw_zeroes(struct shares *shares, int fd, size_t size)
{
    struct leat_event event;
    memset(shares->bytes, 0, LARGE_BYTES);
    for (int i = 0; i < TURNS_MAX && size > 0; i++) {
        size -= kit_raw_try_send(fd, shares->bytes, size < 4096 ? size : 4096);
        enum leat_error error = leat_next(shares->hub, &event, 0);
        REQUIRE(error == LEAT_E_TIMEOUT || event.type == LEAT_EVENT_READABLE);
    }
    CHECK_INT(size, 0);
}

/* A message that nobody takes fills the share; then two peers begin a large one. The first has the
 * turn, the second is held. */
static struct shares turn_begin(const struct leat_conn_options *options, int fds[2],
                                leat_conn conns[2])
{
    struct shares shares = shares_begin(options);
    for (size_t i = 0; i < 2; i++)
        conns[i] = raw_open(&shares, &fds[i]);
    kit_pattern(shares.bytes, MAX_BYTES, 0);
    CHECK_ERROR(leat_send(shares.hub, shares.ends[0].dialled, shares.bytes, MAX_BYTES), LEAT_OK);
    (void)KIT_UNTIL(shares.hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_pause(shares.hub, shares.ends[0].accepted), LEAT_OK);
    CHECK(queued(&shares) >= MAX_BYTES);
    for (size_t i = 0; i < 2; i++) {
        kit_raw_header(fds[i], 1, LARGE_BYTES);
        raw_zeroes(&shares, fds[i], FLOOR_BYTES + 8192);
        CHECK(kit_info(shares.hub, conns[i]).inbox_bytes >= FLOOR_BYTES);
    }
    return shares;
}

/* The second goes on where it was held. */
static void turn_end(struct shares *shares, const int fds[2], const leat_conn conns[2])
{
    size_t size = 0;
    raw_zeroes(shares, fds[1], LARGE_BYTES - FLOOR_BYTES - 8192);
    CHECK_ERROR(
        leat_receive_wait(shares->hub, conns[1], shares->bytes, LARGE_BYTES, KIT_SOON_MS, &size),
        LEAT_OK);
    CHECK_INT(size, LARGE_BYTES);
    kit_raw_close(fds[0]);
    kit_raw_close(fds[1]);
    shares_end(shares);
}

/* The deadline of half a message does not run while we are the ones who do not read it. */
TEST(shares_give_their_time_to_those_that_wait)
{
    int fds[2];
    leat_conn conns[2];
    struct leat_conn_options options = kit_messages;
    options.partial_frame_ms = (uint32_t)lti_test_scaled_ms(400);
    struct shares shares = turn_begin(&options, fds, conns);
    struct leat_event event = KIT_UNTIL(shares.hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, conns[0].id);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    turn_end(&shares, fds, conns);
}

/* There is no more room than before: it is the turn that is given back. */
TEST(shares_give_the_turn_of_who_is_aborted)
{
    int fds[2];
    leat_conn conns[2];
    struct shares shares = turn_begin(&kit_messages, fds, conns);
    CHECK_ERROR(leat_abort(shares.hub, conns[0]), LEAT_OK);
    CHECK(queued(&shares) >= MAX_BYTES);
    turn_end(&shares, fds, conns);
}

/* The client names its own user: on Windows a pipe for ASK is medium, and who is elevated asks for
 * more of his own user when that one is not named. */
static leat_conn ask_open(struct shares *shares, size_t end)
{
    const char *const us[] = {kit_user_text()};
    const struct leat_connect_options connect = {.size = sizeof connect,
                                                 .tag = 100,
                                                 .who = LEAT_WHO_LIST,
                                                 .users = us,
                                                 .users_count = 1,
                                                 .conn = &kit_messages};
    REQUIRE_ERROR(
        leat_connect(shares->hub, kit_plain("shares"), &connect, &shares->ends[end].dialled),
        LEAT_OK);
    leat_conn conn = KIT_UNTIL(shares->hub, LEAT_EVENT_ASKED).conn;
    CHECK_ERROR(leat_allow(shares->hub, conn), LEAT_OK);
    return conn;
}

/* FULL before ACCEPTED was taken: whose WRITABLE comes after it. */
TEST(shares_of_who_is_not_accepted_yet)
{
    struct shares shares = {.hub = kit_begin(), .bytes = calloc(1, LARGE_BYTES)};
    const struct leat_listen_options options = {.size = sizeof options,
                                                .who = LEAT_WHO_ASK,
                                                .queued_bytes_max = MAX_BYTES,
                                                .conn = &kit_messages};
    char text[8];
    size_t size = 0;
    enum leat_error error = LEAT_OK;
    REQUIRE(shares.bytes != NULL);
    REQUIRE_ERROR(leat_listen(shares.hub, kit_plain("shares"), &options, &shares.listener),
                  LEAT_OK);
    leat_conn first = ask_open(&shares, 0);
    CHECK_INT(KIT_UNTIL(shares.hub, LEAT_EVENT_ACCEPTED).conn.id, first.id);
    leat_conn second = ask_open(&shares, 1);
    /* A wait hands no event out. */
    CHECK_ERROR(leat_receive_wait(shares.hub, first, text, sizeof text, 50, &size), LEAT_E_TIMEOUT);
    REQUIRE_INT(kit_info(shares.hub, second).state, LEAT_STATE_OPEN);
    for (int i = 0; i < 8 && error == LEAT_OK; i++)
        error = leat_send(shares.hub, first, shares.bytes, LARGE_BYTES);
    CHECK_ERROR(error, LEAT_E_FULL);
    error = LEAT_OK;
    for (int i = 0; i < 8 && error == LEAT_OK; i++)
        error = leat_send(shares.hub, second, shares.bytes, LARGE_BYTES);
    CHECK_ERROR(error, LEAT_E_FULL);
    CHECK_INT(KIT_UNTIL(shares.hub, LEAT_EVENT_ACCEPTED).conn.id, second.id);
    CHECK_ERROR(leat_abort(shares.hub, first), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    while (event.type != LEAT_EVENT_WRITABLE && lti_test_now_ms() < end_ms)
        if (leat_next(shares.hub, &event, 20) == LEAT_OK && event.type == LEAT_EVENT_READABLE)
            CHECK_ERROR(leat_receive(shares.hub, event.conn, shares.bytes, LARGE_BYTES, &size),
                        LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_WRITABLE);
    CHECK_INT(event.conn.id, second.id);
    shares_end(&shares);
}
