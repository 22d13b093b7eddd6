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
    struct leat_conn_options dialled = *conn;
    dialled.keepalive_ms = 0; /* the other end may be paused */
    REQUIRE(shares.bytes != NULL);
    REQUIRE_ERROR(leat_listen(shares.hub, kit_plain("shares"), &options, &shares.listener),
                  LEAT_OK);
    for (size_t i = 0; i < ENDS; i++) {
        shares.ends[i] = kit_open(shares.hub, shares.listener, kit_plain("shares"), &dialled);
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

/* The same of packets: full for all, not for one, who had room in an outbox of his own. */
TEST(shares_bound_what_is_sent_in_packets)
{
    struct leat_conn_options options = kit_packets;
    options.outbox_bytes = KIT_ROOMY_BYTES;
    struct shares shares = shares_begin(&options);
    const size_t piece = 24 * KIB;
    uint32_t sent[ENDS], all = 0, got = 0;
    size_t size = 0;
    for (size_t i = 0; i < ENDS; i++) {
        enum leat_error error = LEAT_OK;
        kit_pattern(shares.bytes, piece, i);
        for (sent[i] = 0; error == LEAT_OK && sent[i] < 1000; sent[i]++)
            error = leat_send(shares.hub, shares.ends[i].accepted, shares.bytes, piece);
        CHECK_ERROR(error, LEAT_E_FULL);
        all += --sent[i];
        CHECK(kit_info(shares.hub, shares.ends[i].accepted).outbox_bytes < KIT_ROOMY_BYTES / 2);
        (void)queued(&shares);
    }
    CHECK(shares.queued_high >= MAX_BYTES);
    CHECK(shares.queued_high <= MAX_BYTES + (ENDS + 1) * FLOOR_BYTES);
    struct leat_event event;
    uint32_t writable = 0;
    while ((got < all || writable < ENDS) && lti_test_now_ms() < shares.end_ms) {
        if (leat_next(shares.hub, &event, 20) != LEAT_OK)
            continue;
        writable += event.type == LEAT_EVENT_WRITABLE;
        while (event.type == LEAT_EVENT_READABLE &&
               leat_receive(shares.hub, event.conn, shares.bytes, LARGE_BYTES, &size) == LEAT_OK) {
            CHECK(size == piece && kit_pattern_is(shares.bytes, piece, event.tag - 100));
            got++;
        }
    }
    CHECK_INT(got, all);
    CHECK_INT(writable, ENDS);
    CHECK_INT(queued(&shares), 0);
    shares_end(&shares);
}

/* A packet that is larger than a connection may hold then is left with the system, until others
 * have taken theirs. */
TEST(shares_let_no_large_packet_in_while_full)
{
    struct shares shares = shares_begin(&kit_packets);
    const size_t piece = 60 * KIB, large = 100 * KIB;
    struct leat_event event;
    uint32_t held = 0;
    size_t size = 0;
    for (size_t i = 0; i < 3; i++) {
        kit_pattern(shares.bytes, piece, i);
        CHECK_ERROR(leat_send(shares.hub, shares.ends[i].dialled, shares.bytes, piece), LEAT_OK);
    }
    while (held < 3 && lti_test_now_ms() < shares.end_ms)
        if (leat_next(shares.hub, &event, 20) == LEAT_OK && event.type == LEAT_EVENT_READABLE) {
            CHECK_ERROR(leat_pause(shares.hub, event.conn), LEAT_OK);
            held++;
        }
    CHECK(queued(&shares) >= MAX_BYTES);
    kit_pattern(shares.bytes, large, 3);
    CHECK_ERROR(leat_send(shares.hub, shares.ends[3].dialled, shares.bytes, large), LEAT_OK);
    CHECK_ERROR(leat_receive_wait(shares.hub, shares.ends[3].accepted, shares.bytes, LARGE_BYTES,
                                  100, &size),
                KIT_PIPES ? LEAT_OK : LEAT_E_TIMEOUT);
    if (!KIT_PIPES) {
        for (size_t i = 0; i < 3; i++)
            CHECK_ERROR(
                leat_receive(shares.hub, shares.ends[i].accepted, shares.bytes, LARGE_BYTES, &size),
                LEAT_OK);
        CHECK_ERROR(leat_receive_wait(shares.hub, shares.ends[3].accepted, shares.bytes,
                                      LARGE_BYTES, KIT_SOON_MS, &size),
                    LEAT_OK);
    }
    CHECK_INT(size, large);
    CHECK(kit_pattern_is(shares.bytes, large, 3));
    shares_end(&shares);
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
        size -= kit_raw_try_send(fd, shares->bytes, size < 16 * KIB ? size : 16 * KIB);
        enum leat_error error = leat_next(shares->hub, &event, 0);
        REQUIRE(error == LEAT_E_TIMEOUT || event.type == LEAT_EVENT_READABLE);
    }
    CHECK_INT(size, 0);
}

/* This much of a large message comes of a raw peer, behind the word if there is one. */
static void large_begin(struct shares *shares, int fd, leat_conn conn, const char *word,
                        size_t size)
{
    if (word)
        kit_raw_frame(fd, 1, word, (uint32_t)strlen(word));
    kit_raw_header(fd, 1, LARGE_BYTES);
    raw_zeroes(shares, fd, size);
    struct leat_event event;
    for (int i = 0; i < TURNS_MAX && kit_info(shares->hub, conn).inbox_bytes < FLOOR_BYTES; i++)
        if (leat_next(shares->hub, &event, 0) == LEAT_OK)
            REQUIRE_INT(event.type, LEAT_EVENT_READABLE);
    CHECK(kit_info(shares->hub, conn).inbox_bytes >= FLOOR_BYTES);
}

/* A message that nobody takes fills the share, and two peers have begun a large one: the first has
 * the turn, the second is held. With a word in front it began before the share was full, so that it
 * is held also when the word was taken. */
static struct shares turn_begin(const struct leat_conn_options *options, int fds[2],
                                leat_conn conns[2], const char *word)
{
    struct shares shares = shares_begin(options);
    for (size_t i = 0; i < 2; i++)
        conns[i] = raw_open(&shares, &fds[i]);
    if (word)
        large_begin(&shares, fds[1], conns[1], word, FLOOR_BYTES + 4096);
    kit_pattern(shares.bytes, MAX_BYTES, 0);
    CHECK_ERROR(leat_send(shares.hub, shares.ends[0].dialled, shares.bytes, MAX_BYTES), LEAT_OK);
    while (KIT_UNTIL(shares.hub, LEAT_EVENT_READABLE).conn.id != shares.ends[0].accepted.id)
        ;
    CHECK_ERROR(leat_pause(shares.hub, shares.ends[0].accepted), LEAT_OK);
    CHECK(queued(&shares) >= MAX_BYTES);
    large_begin(&shares, fds[0], conns[0], NULL, FLOOR_BYTES + 8192);
    if (word)
        raw_zeroes(&shares, fds[1], 4096);
    else
        large_begin(&shares, fds[1], conns[1], NULL, FLOOR_BYTES + 8192);
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

/* Long enough for both to come so far on a busy machine, and less than an event is waited for. */
static uint32_t turn_ms(void)
{
    uint64_t ms = lti_test_scaled_ms(1200);
    return ms > 4000 || (KIT_PIPES && !kit_simulated()) ? 4000 : (uint32_t)ms;
}

/* The deadline of half a message does not run while we are the ones who do not read it. */
static void time_given(const char *word)
{
    int fds[2];
    leat_conn conns[2];
    struct leat_conn_options options = kit_messages;
    options.partial_frame_ms = turn_ms();
    struct shares shares = turn_begin(&options, fds, conns, word);
    if (word) {
        kit_pass(turn_ms() / 2);
        kit_receive_text(shares.hub, conns[1], word);
    }
    struct leat_event event = KIT_UNTIL(shares.hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, conns[0].id);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    /* Its time begins only now. (A busy machine might use up what is left of it.) */
    if (word && kit_simulated()) {
        CHECK_ERROR(leat_next(shares.hub, &event, turn_ms() * 3 / 4), LEAT_E_TIMEOUT);
        CHECK_INT(kit_info(shares.hub, conns[1]).state, LEAT_STATE_OPEN);
    }
    turn_end(&shares, fds, conns);
}

TEST(shares_give_their_time_to_those_that_wait)
{
    time_given(NULL);
}

/* Half a message that the user comes to by reading. */
TEST(shares_give_their_time_to_those_that_wait_and_read)
{
    time_given("word");
}

/* Who is not read cannot be heard: it is neither asked nor taken for gone. Who has the turn is. */
TEST(shares_keep_those_alive_that_wait)
{
    int fds[2];
    uint8_t bytes[64];
    leat_conn conns[2];
    struct leat_conn_options options = kit_messages;
    options.keepalive_ms = turn_ms() / 2;
    struct shares shares = turn_begin(&options, fds, conns, NULL);
    struct leat_event event = KIT_UNTIL(shares.hub, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, conns[0].id);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK(kit_raw_recv(fds[0], bytes, sizeof bytes) > 0);
    CHECK_INT(kit_raw_recv(fds[1], bytes, sizeof bytes), 0);
    turn_end(&shares, fds, conns);
}

/* There is no more room than before: it is the turn that is given back. */
TEST(shares_give_the_turn_of_who_is_aborted)
{
    int fds[2];
    leat_conn conns[2];
    struct shares shares = turn_begin(&kit_messages, fds, conns, NULL);
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
