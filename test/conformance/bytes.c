/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of LEAT_BYTES: reading, looking, lines, writing in pieces.
 *
 * Happy path: what is written comes out, in order, once.
 * Fails:      EMPTY, FINISHED, TOO_BIG, STATE and ARGUMENT, each with outputs untouched.
 * Invariants: a call that consumes nothing is followed by one that finds everything.
 */
#include "kit.h"

#include <stdio.h>
#include <string.h>

TEST(bytes_read_in_parts)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char buffer[16] = "##########";
    size_t size = 77;
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 4, &size), LEAT_E_EMPTY);
    CHECK_STR(buffer, "##########");
    CHECK_INT(size, 77);
    kit_write_text(hub, ends.dialled, "abcdefg");
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_READABLE).conn.id, ends.accepted.id);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 4, &size), LEAT_OK);
    CHECK_INT(size, 4);
    CHECK_MEM(buffer, "abcd#", 5);
    /* It comes again while something is unread. */
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 0, &size), LEAT_OK);
    CHECK_INT(size, 0);
    CHECK_ERROR(leat_read(hub, ends.accepted, NULL, 0, &size), LEAT_OK);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_INT(size, 3);
    CHECK_MEM(buffer, "efg", 3);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 4, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_read(hub, ends.accepted, NULL, 4, &size), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 4, NULL), LEAT_E_ARGUMENT);
    kit_end(hub);
}

TEST(bytes_peek_and_consume)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    const void *data = hub;
    size_t size = 77;
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_E_EMPTY);
    CHECK(data == hub && size == 77);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 0), LEAT_OK);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 1), LEAT_E_ARGUMENT);
    kit_write_text(hub, ends.dialled, "abcdefg");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK_INT(size, 7);
    CHECK_MEM(data, "abcdefg", 7);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 8), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 3), LEAT_OK);
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_OK);
    CHECK_INT(size, 4);
    CHECK_MEM(data, "defg", 4);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 4);
    CHECK_ERROR(leat_consume(hub, ends.accepted, 4), LEAT_OK);
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_peek(hub, ends.accepted, NULL, &size), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_peek(hub, ends.accepted, &data, NULL), LEAT_E_ARGUMENT);
    kit_end(hub);
}

TEST(bytes_skip_within_across_and_past)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    size_t size = 77;
    CHECK_ERROR(leat_skip(hub, ends.accepted, 3, &size), LEAT_E_EMPTY);
    CHECK_INT(size, 77);
    kit_write_text(hub, ends.dialled, "0123456789");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 3, &size), LEAT_OK);
    CHECK_INT(size, 3);
    kit_read_text(hub, ends.accepted, "34");
    CHECK_ERROR(leat_skip(hub, ends.accepted, 100, &size), LEAT_OK);
    CHECK_INT(size, 5);
    kit_write_text(hub, ends.dialled, "rest");
    kit_finish(hub, ends.dialled);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 2, &size), LEAT_OK);
    kit_read_text(hub, ends.accepted, "st");
    KIT_NEXT(hub, LEAT_EVENT_FINISHED);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 2, &size), LEAT_E_FINISHED);
    kit_end(hub);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

TEST(bytes_read_until_whatever_the_chunks)
{
    static const char text[] = "one\n\ntwo two\nthree";
    struct leat_hub *hub = kit_begin();
    for (size_t chunk = 1; chunk < sizeof text; chunk++) {
        struct kit_ends ends = kit_pair(hub, NULL);
        char got[64] = "", line[16];
        size_t lines = 0, size = 0;
        for (size_t at = 0; at < sizeof text - 1; at += chunk) {
            size_t left = sizeof text - 1 - at;
            kit_write(hub, ends.dialled, text + at, left < chunk ? left : chunk);
            while (leat_wait_readable(hub, ends.accepted, 0) == LEAT_OK &&
                   leat_read_until(hub, ends.accepted, '\n', line, 15, &size) == LEAT_OK) {
                CHECK(line[size - 1] == '\n' && memchr(line, '\n', size) == line + size - 1);
                line[size] = '\0';
                strcat(got, line);
                lines++;
            }
        }
        CHECK_INT(lines, 3);
        CHECK_STR(got, "one\n\ntwo two\n");
        CHECK_ERROR(leat_read_until(hub, ends.accepted, '\n', line, 15, &size), LEAT_E_EMPTY);
        CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
        CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 15, KIT_SOON_MS, &size), LEAT_OK);
        CHECK_STR(line, "three");
        CHECK_INT(size, 5);
        CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 15, KIT_SOON_MS, &size),
                    LEAT_E_FINISHED);
        CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    }
    kit_end(hub);
}

TEST(bytes_read_until_too_big_consumes_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char line[16] = "";
    size_t size = 77;
    kit_write_text(hub, ends.dialled, "0123456789");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    /* Ten of ten bytes may be the last line, if the stream ends here; ten of nine cannot. */
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 10, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 9, &size), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 5, &size), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 11, &size), LEAT_E_EMPTY);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 6, 0, &size), LEAT_E_TOO_BIG);
    CHECK_STR(line, "");
    CHECK_INT(size, 77);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 10);
    kit_write_text(hub, ends.dialled, ";x");
    CHECK_ERROR(leat_wait_readable(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 10, &size), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_read_until(hub, ends.accepted, ';', line, 11, &size), LEAT_OK);
    CHECK_INT(size, 11);
    CHECK_STR(line, "0123456789;");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 0, 0, &size), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, NULL, 5, 0, &size), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 5, 0, NULL), LEAT_E_ARGUMENT);
    kit_read_text(hub, ends.accepted, "x");
    kit_end(hub);
}

TEST(bytes_line_longer_than_the_inbox)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_conn_options options = {.size = sizeof options, .inbox_bytes = 100};
    struct kit_ends ends = kit_pair(hub, &options);
    char block[200], line[300];
    size_t size = 77;
    memset(block, 'a', sizeof block);
    kit_write(hub, ends.dialled, block, 150);
    kit_write_text(hub, ends.dialled, "\n");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size),
                LEAT_E_TOO_BIG);
    CHECK_INT(size, 77);
    CHECK_INT(kit_info(hub, ends.accepted).inbox_bytes, 100);
    CHECK_ERROR(leat_skip(hub, ends.accepted, 60, &size), LEAT_OK);
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 91);
    /* A line of exactly the inbox's size is one, also when its marks had stopped reading. */
    kit_write(hub, ends.dialled, block, 99);
    kit_write_text(hub, ends.dialled, "\nnext");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, sizeof line, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_INT(size, 100);
    kit_read_text(hub, ends.accepted, "next");
    kit_end(hub);
}

TEST(bytes_line_times_out_and_goes_on)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    char line[16] = "";
    size_t size = 77;
    kit_write_text(hub, ends.dialled, "half");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 16, 30, &size), LEAT_E_TIMEOUT);
    CHECK_INT(size, 77);
    kit_write_text(hub, ends.dialled, " line\n");
    CHECK_ERROR(leat_read_line(hub, ends.accepted, line, 16, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_STR(line, "half line\n");
    kit_end(hub);
}

/* ---- Writing --------------------------------------------------------------------------------- */

TEST(bytes_write_nothing)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    size_t accepted = 77;
    CHECK_ERROR(leat_write(hub, ends.dialled, NULL, 0, &accepted), LEAT_OK);
    CHECK_INT(accepted, 0);
    CHECK_ERROR(leat_write(hub, ends.dialled, NULL, 1, &accepted), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_write(hub, ends.dialled, "x", 1, NULL), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, NULL, 0, &accepted), LEAT_OK);
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, NULL, 1, &accepted), LEAT_E_ARGUMENT);
    KIT_QUIET(hub);
    CHECK_INT(kit_stats(hub, ends.dialled).writes, 0);
    kit_end(hub);
}

TEST(bytes_write_slices)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends ends = kit_pair(hub, NULL);
    struct leat_slice slices[65];
    static const char digits[] = "0123456789";
    char buffer[256];
    size_t accepted = 77, size = 0, total = 0;
    for (size_t i = 0; i < 65; i++) {
        slices[i] = (struct leat_slice){digits, i % 11};
        total += i < 64 ? i % 11 : 0;
    }
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices, 65, &accepted), LEAT_E_ARGUMENT);
    CHECK_INT(accepted, 77);
    CHECK_INT(kit_stats(hub, ends.dialled).bytes_sent, 0);
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices, 64, &accepted), LEAT_OK);
    CHECK_INT(accepted, total);
    CHECK_INT(kit_stats(hub, ends.dialled).writes, 1);
    for (size_t i = 0; i < 64; i++) {
        CHECK_ERROR(leat_read_full(hub, ends.accepted, buffer, i % 11, KIT_SOON_MS, &size),
                    LEAT_OK);
        CHECK_MEM(buffer, digits, i % 11);
    }
    CHECK_ERROR(leat_read(hub, ends.accepted, buffer, 1, &size), LEAT_E_EMPTY);
    slices[0].size = SIZE_MAX;
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices, 2, &accepted), LEAT_E_ARGUMENT);
    slices[0].size = SIZE_MAX / 2; /* each is good, and nobody can count both */
    slices[1].size = SIZE_MAX / 2;
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices, 2, &accepted), LEAT_E_ARGUMENT);
    slices[1].size = 0;
    CHECK_ERROR(leat_write_slices(hub, ends.dialled, slices + 1, 1, NULL), LEAT_E_ARGUMENT);
    kit_end(hub);
}

TEST(bytes_of_every_size_come_whole)
{
    struct leat_hub *hub = kit_begin();
    /* A pipe holds less than a socket: what does not fit must find room in the outbox. */
    struct kit_ends ends = kit_pair(hub, KIT_PIPES ? &kit_roomy : NULL);
    static uint8_t sent[300000], got[300000];
    uint64_t at = 0;
    for (size_t size = 1; size < sizeof sent; size = size * 3 + 1) {
        size_t accepted = 0, read = 0;
        kit_pattern(sent, size, at);
        CHECK_ERROR(leat_write(hub, ends.dialled, sent, size, &accepted), LEAT_OK);
        REQUIRE_INT(accepted, size);
        REQUIRE_ERROR(leat_read_full(hub, ends.accepted, got, size, KIT_SOON_MS, &read), LEAT_OK);
        CHECK(kit_pattern_is(got, size, at));
        at += size;
    }
    CHECK_INT(kit_stats(hub, ends.accepted).bytes_received, at);
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST(bytes_and_messages_do_not_mix)
{
    struct leat_hub *hub = kit_begin();
    struct kit_ends bytes = kit_pair(hub, NULL);
    struct kit_ends messages = kit_pair(hub, &kit_messages);
    char buffer[8];
    const void *data = hub;
    size_t size = 77;
    kit_write_text(hub, bytes.dialled, "x");
    kit_send_text(hub, messages.dialled, "x");
    KIT_NEXT(hub, LEAT_EVENT_READABLE);
    CHECK_ERROR(leat_send(hub, bytes.dialled, "x", 1), LEAT_E_STATE);
    CHECK_ERROR(leat_receive(hub, bytes.accepted, buffer, 8, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_view(hub, bytes.accepted, &data, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_release(hub, bytes.accepted), LEAT_E_STATE);
    CHECK_ERROR(leat_send_wait(hub, bytes.dialled, "x", 1, 10), LEAT_E_STATE);
    CHECK_ERROR(leat_receive_wait(hub, bytes.accepted, buffer, 8, 10, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_write(hub, messages.dialled, "x", 1, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_read(hub, messages.accepted, buffer, 8, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_peek(hub, messages.accepted, &data, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_consume(hub, messages.accepted, 0), LEAT_E_STATE);
    CHECK_ERROR(leat_skip(hub, messages.accepted, 1, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_read_until(hub, messages.accepted, 'x', buffer, 8, &size), LEAT_E_STATE);
    CHECK_ERROR(leat_read_line(hub, messages.accepted, buffer, 8, 10, &size), LEAT_E_STATE);
    CHECK(data == hub && size == 77);
    kit_read_text(hub, bytes.accepted, "x");
    kit_receive_text(hub, messages.accepted, "x");
    kit_end(hub);
}
