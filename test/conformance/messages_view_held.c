/* SPDX-License-Identifier: MIT
 *
 * What happens while leat_view_many shows messages: more of them, pauses, limits and ends.
 *
 * Happy path: what is shown stays where it is, and what came meanwhile is read after.
 * Fails:      whoever closes the connection loses the view, and nobody else does.
 * Invariants: an end is told after the last message was released; a full inbox that is released
 *             is read into again.
 */
#include "kit.h"

#include "prng.h"

#include <string.h>

#define MANY 64u
#define PIECE 1000u

static uint8_t piece[PIECE];

static void send_pieces(struct leat_hub *hub, leat_conn conn, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        kit_pattern(piece, PIECE, first + i);
        REQUIRE_ERROR(leat_send(hub, conn, piece, PIECE), LEAT_OK);
    }
}

/* Lets the hub look around; READABLE comes again and again while something is unread. */
static void turn(struct leat_hub *hub, uint32_t counts[KIT_EVENT_TYPES])
{
    struct leat_event event;
    for (int i = 0; i < 8 && leat_next(hub, &event, 0) == LEAT_OK; i++)
        if (counts)
            counts[event.type]++;
}

static bool pieces_are(const struct leat_slice *slices, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++)
        if (slices[i].size != PIECE || !kit_pattern_is(slices[i].data, PIECE, first + i))
            return false;
    return true;
}

/* Shows pieces, all that came and at most `most`. */
static size_t shown(struct leat_hub *hub, leat_conn conn, struct leat_slice *slices, size_t most,
                    size_t first)
{
    size_t count = 777;
    REQUIRE_ERROR(leat_view_many(hub, conn, slices, most, &count), LEAT_OK);
    REQUIRE(count >= 1 && count <= most && pieces_are(slices, count, first));
    return count;
}

/* Takes pieces up to number `end`, many at a time. */
static void take_pieces(struct leat_hub *hub, leat_conn conn, size_t from, size_t end)
{
    struct leat_slice slices[MANY];
    while (from < end) {
        REQUIRE_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_OK);
        from += shown(hub, conn, slices, MANY, from);
        REQUIRE_ERROR(leat_release(hub, conn), LEAT_OK);
    }
    REQUIRE_INT(from, end);
}

/* Far more than a block comes while a view is held: nothing moves, nothing is lost. */
TEST(view_many_stays_while_more_comes)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice slices[MANY], before[MANY];
    size_t sent = 5, taken = 0;
    send_pieces(hub, ends.dialled, 5, 0);
    kit_inbox_comes(hub, ends.accepted, 5 * (PIECE + KIT_HEADER_BYTES));
    for (int round = 0; round < 4; round++) {
        size_t count = shown(hub, ends.accepted, slices, 3, taken);
        memcpy(before, slices, sizeof before);
        for (int i = 0; i < 40; i++) {
            send_pieces(hub, ends.dialled, 1, sent++);
            KIT_QUIET(hub); /* what is looked at is told of no more */
            REQUIRE(pieces_are(slices, count, taken));
        }
        CHECK_MEM(slices, before, count * sizeof slices[0]);
        uint64_t unread = kit_info(hub, ends.accepted).inbox_bytes;
        CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
        CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes,
                  unread - count * (PIECE + KIT_HEADER_BYTES));
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
        taken += count;
    }
    take_pieces(hub, ends.accepted, taken, sent);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, sent);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* A paused connection shows what had come; pausing and resuming do not end a view. */
TEST(view_many_of_a_paused_connection)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice slices[MANY];
    send_pieces(hub, ends.dialled, 6, 0);
    kit_inbox_comes(hub, ends.accepted, 6 * (PIECE + KIT_HEADER_BYTES));
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_INT(shown(hub, ends.accepted, slices, 4, 0), 4);
    send_pieces(hub, ends.dialled, 2, 6);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_pause(hub, ends.accepted), LEAT_OK);
    CHECK(pieces_are(slices, 4, 0));
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    KIT_QUIET(hub);
    /* What came while it was paused may still be the system's. */
    size_t count = shown(hub, ends.accepted, slices, MANY, 4);
    CHECK(count >= 2);
    CHECK_ERROR(leat_resume(hub, ends.accepted), LEAT_OK);
    turn(hub, NULL);
    CHECK(pieces_are(slices, count, 4));
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    take_pieces(hub, ends.accepted, 4 + count, 8);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 8);
    KIT_QUIET(hub);
    kit_end(hub);
}

/* The peer closes, or is gone, or is aborted: the view stays, then come the rest and the end. */
TEST(view_many_outlives_the_peer)
{
    for (int how = 0; how < 3; how++) {
        struct leat_hub *hub = kit_begin(), *other = kit_hub(NULL);
        struct leat_slice slices[MANY];
        leat_conn ours, theirs;
        size_t count = 777;
        uint32_t counts[KIT_EVENT_TYPES] = {0};
        REQUIRE_ERROR(leat_pair(hub, other, &kit_messages, &ours, &theirs), LEAT_OK);
        kit_drain(hub, other, NULL);
        send_pieces(other, theirs, 8, 0);
        kit_inbox_comes(hub, ours, 8 * (PIECE + KIT_HEADER_BYTES));
        CHECK_INT(shown(hub, ours, slices, 5, 0), 5);
        if (how == 0)
            CHECK_ERROR(leat_close(other, theirs, KIT_SOON_MS), LEAT_OK);
        else if (how == 1)
            CHECK_ERROR(leat_abort(other, theirs), LEAT_OK);
        CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
        for (int i = 0; i < 20; i++) {
            kit_pass(1);
            turn(hub, counts);
        }
        CHECK_INT(counts[LEAT_EVENT_CLOSED] + counts[LEAT_EVENT_FINISHED], 0);
        CHECK_INT(counts[LEAT_EVENT_READABLE], 0);
        CHECK(pieces_are(slices, 5, 0));
        CHECK_ERROR(leat_view_many(hub, ours, slices, 5, &count), LEAT_E_STATE);
        CHECK_ERROR(leat_release(hub, ours), LEAT_OK);
        KIT_NEXT(hub, LEAT_EVENT_READABLE);
        CHECK_INT(shown(hub, ours, slices, MANY, 5), 3);
        CHECK(pieces_are(slices, 3, 5));
        CHECK_ERROR(leat_release(hub, ours), LEAT_OK);
        enum leat_error error = KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error;
        CHECK(error == LEAT_E_CLOSED || (how > 0 && error == LEAT_E_BROKEN));
        CHECK_ERROR(leat_view_many(hub, ours, slices, MANY, &count),
                    error == LEAT_E_CLOSED ? LEAT_E_FINISHED : error);
        CHECK_INT(kit_stats(hub, ours).messages_received, 8);
        kit_end(hub);
    }
}

/* Who closes it gives the view up: nothing is left, and the other end hears an orderly end. */
TEST(view_many_ends_with_close)
{
    for (int how = 0; how < 5; how++) {
        struct leat_hub *hub = kit_begin();
        struct kit_ends ends = kit_pair(hub, &kit_messages);
        struct leat_slice slices[MANY];
        uint64_t undelivered = 777;
        send_pieces(hub, ends.dialled, 8, 0);
        kit_inbox_comes(hub, ends.accepted, 8 * (PIECE + KIT_HEADER_BYTES));
        CHECK_INT(shown(hub, ends.accepted, slices, 3, 0), 3);
        enum leat_error error = LEAT_OK;
        switch (how) {
        case 0:
            error = leat_close(hub, ends.accepted, KIT_SOON_MS);
            break;
        case 1:
            error = leat_close_wait(hub, ends.accepted, KIT_SOON_MS, &undelivered);
            CHECK_INT(undelivered, 0);
            break;
        case 2:
            error = leat_abort(hub, ends.accepted);
            break;
        case 3:
            error = leat_close_report(hub, ends.accepted, KIT_SOON_MS, 5);
            break;
        default: /* waits for the peer's end, and drops what is in its way */
            CHECK_ERROR(leat_close(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
            CHECK_ERROR(leat_wait_closed(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
            CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STATE);
            CHECK_INT(kit_stats(hub, ends.accepted).messages_received, 8);
            error = leat_close(hub, ends.accepted, 0);
            break;
        }
        CHECK_ERROR(error, LEAT_OK);
        size_t count = 777;
        CHECK_ERROR(leat_view_many(hub, ends.accepted, slices, MANY, &count), LEAT_E_STALE);
        CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_E_STALE);
        if (how < 4) {
            enum leat_error end = KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error;
            CHECK(end == LEAT_E_CLOSED || (how == 2 && end == LEAT_E_BROKEN));
        }
        CHECK_INT(count, 777);
        kit_drain(hub, NULL, NULL);
        kit_end(hub);
    }
}

/* A hub that is destroyed while views are held leaves nothing. */
TEST(view_many_ends_with_the_hub)
{
    struct leat_hub *base = kit_begin(), *hub = kit_hub(NULL);
    struct kit_ends ends = kit_pair(hub, &kit_messages);
    struct leat_slice slices[MANY];
    send_pieces(hub, ends.dialled, 40, 0);
    kit_inbox_comes(hub, ends.accepted, 40 * (PIECE + KIT_HEADER_BYTES));
    CHECK_INT(shown(hub, ends.accepted, slices, MANY, 0), 40);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}

/* A full inbox is viewed whole and released: it is read into again, until all has come. */
TEST(view_many_of_a_full_inbox_resumes_reading)
{
    struct leat_hub *hub = kit_begin();
    struct leat_conn_options options = kit_messages;
    options.frame_bytes_max = 65536;
    options.inbox_bytes = 65536 + 8;
    options.inbox_low_bytes = 3000;
    options.outbox_bytes = 4 * KIT_MIB;
    options.outbox_messages_max = 4096;
    struct kit_ends ends = kit_pair(hub, &options);
    struct leat_slice slices[MANY + 8];
    size_t taken = 0, rounds = 0;
    const size_t sent = 1500;
    send_pieces(hub, ends.dialled, sent, 0);
    while (taken < sent) {
        turn(hub, NULL);
        REQUIRE_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        size_t most = rounds++ % 3 == 2 ? 2 : MANY + 8;
        size_t count = shown(hub, ends.accepted, slices, most, taken);
        turn(hub, NULL); /* reads on, as far as a view lets it */
        CHECK(kit_info(hub, ends.accepted).inbox_bytes <= options.inbox_bytes);
        REQUIRE(pieces_are(slices, count, taken));
        REQUIRE_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
        taken += count;
    }
    CHECK(kit_stats(hub, ends.accepted).read_stalls > 0);
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received, sent);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 0);
    kit_end(hub);
}

/* What a listener's connections hold together: shown messages are held until they are released. */
TEST(view_many_is_held_for_the_listener)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_listen_options listen = {
        .size = sizeof listen, .queued_bytes_max = 65536, .conn = &kit_messages};
    struct leat_slice slices[MANY];
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, kit_plain("shares"), &listen, &listener), LEAT_OK);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("shares"), &kit_messages);
    const uint64_t whole = PIECE + KIT_HEADER_BYTES;
    send_pieces(hub, ends.dialled, 10, 0);
    kit_inbox_comes(hub, ends.accepted, 10 * whole);
    CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 10 * whole);
    CHECK_INT(shown(hub, ends.accepted, slices, 4, 0), 4);
    CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 10 * whole);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 6 * whole);
    CHECK_INT(shown(hub, ends.accepted, slices, MANY, 4), 6);
    CHECK_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 0);
    /* Far more than the listener's share passes through, viewed as it comes. */
    size_t sent = 10, taken = 10;
    while (taken < 1000) {
        for (int i = 0; i < 90 && sent < 1000 && sent - taken < 120; i++)
            send_pieces(hub, ends.dialled, 1, sent++);
        REQUIRE_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
        size_t count = shown(hub, ends.accepted, slices, MANY, taken);
        turn(hub, NULL);
        REQUIRE(pieces_are(slices, count, taken));
        REQUIRE_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
        taken += count;
    }
    CHECK_INT(taken, sent);
    CHECK_INT(kit_listener_info(hub, listener).queued_bytes, 0);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_end(hub);
}

/* Sizes, cuts and numbers at random: whoever takes one at a time would see the same. */
TEST(view_many_at_random)
{
    struct leat_hub *hub = kit_begin();
    struct prng prng = {11};
    struct leat_conn_options options = kit_messages;
    options.inbox_bytes = 70000;
    options.frame_bytes_max = 65536;
    options.outbox_bytes = KIT_MIB;
    struct kit_ends ends = kit_pair(hub, &options);
    static uint8_t data[4000];
    struct leat_slice slices[MANY];
    size_t sizes[MANY * 4] = {0};
    const size_t ring = sizeof sizes / sizeof sizes[0];
    size_t sent = 0, taken = 0;
    while (taken < 5000) {
        for (size_t i = prng_below(&prng, 30); i > 0 && sent - taken < ring; i--, sent++) {
            sizes[sent % ring] =
                prng_below(&prng, 2) ? prng_below(&prng, 40) : prng_below(&prng, sizeof data);
            kit_pattern(data, sizes[sent % ring], sent);
            REQUIRE_ERROR(leat_send(hub, ends.dialled, data, sizes[sent % ring]), LEAT_OK);
        }
        turn(hub, NULL);
        if (taken == sent || leat_wait_readable(hub, ends.accepted, KIT_SOON_MS) != LEAT_OK)
            continue;
        size_t count = 777;
        REQUIRE_ERROR(
            leat_view_many(hub, ends.accepted, slices, 1 + prng_below(&prng, MANY), &count),
            LEAT_OK);
        if (prng_below(&prng, 2))
            turn(hub, NULL);
        for (size_t i = 0; i < count; i++, taken++) {
            REQUIRE_INT(slices[i].size, sizes[taken % ring]);
            REQUIRE(kit_pattern_is(slices[i].data, slices[i].size, taken));
        }
        REQUIRE_ERROR(leat_release(hub, ends.accepted), LEAT_OK);
    }
    CHECK_INT(kit_stats(hub, ends.accepted).messages_received,
              taken + (kit_info(hub, ends.accepted).inbox_bytes > 0));
    kit_end(hub);
}
