/* SPDX-License-Identifier: MIT
 *
 * A stream into a connection of messages, in pieces.
 *
 * Happy path: piece by piece, sometimes with a look at the hub between two, messages taken by copy
 *             or by view; then the end of the stream, and CLOSED.
 * Fails:      an event out of order, or an end that never comes, ends the program.
 * Invariants: what the connection answers is read by the raw peer, so that nothing ever stalls.
 */
#include "wire_run.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 400000u
#define LAST_MS 60000u
#define MESSAGE_MAX (256u * 1024)

static void message_take(struct wire_run *run)
{
    static uint8_t block[MESSAGE_MAX];
    const void *data = block;
    size_t size = 0;
    bool view = prng_below(&run->cuts, 2) == 0;
    enum leat_error error = view ? leat_view(run->hub, run->conn, &data, &size)
                                 : leat_receive(run->hub, run->conn, block, sizeof block, &size);
    REQUIRE_ERROR(error, LEAT_OK);
    wire_told_message(&run->told, data, size);
    if (view)
        REQUIRE_ERROR(leat_release(run->hub, run->conn), LEAT_OK);
}

static void event_take(struct wire_run *run, const struct leat_event *event)
{
    REQUIRE(event->conn.id == run->conn.id && !run->over);
    switch (event->type) {
    case LEAT_EVENT_CONNECTED:
        REQUIRE(!run->told.opened && run->told.count == 0);
        run->told.opened = true;
        break;
    case LEAT_EVENT_READABLE:
        REQUIRE(run->told.opened && !run->finish_event);
        message_take(run);
        break;
    case LEAT_EVENT_FINISHED:
        REQUIRE(run->told.opened && !run->finish_event);
        run->finish_event = true;
        break;
    case LEAT_EVENT_HANGUP:
        break;
    case LEAT_EVENT_CLOSED:
        run->told.end = event->error;
        run->over = true;
        break;
    default:
        REQUIRE(event->type == LEAT_EVENT_CLOSED);
    }
}

/* All that is there, and the first of it within the time. */
static void events_take(struct wire_run *run, uint32_t timeout_ms)
{
    struct leat_event event;
    uint8_t answer[4096];
    for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
        enum leat_error error = leat_next(run->hub, &event, timeout_ms);
        timeout_ms = 0;
        if (error == LEAT_E_TIMEOUT)
            break;
        REQUIRE_ERROR(error, LEAT_OK);
        event_take(run, &event);
    }
    while (!run->silent && kit_raw_recv(run->fd, answer, sizeof answer) > 0)
        ;
}

static size_t piece_size(struct prng *cuts, uint32_t style)
{
    static const size_t most[] = {1, 9, 33, 300, 5000, SIZE_MAX};
    size_t bound = most[style % (sizeof most / sizeof most[0])];
    return bound == SIZE_MAX ? bound : 1 + prng_below(cuts, bound);
}

void wire_run(struct wire_run *run, const uint8_t *bytes, size_t size)
{
    uint32_t style = (uint32_t)prng_below(&run->cuts, 6), idle = 0;
    size_t sent = 0;
    while (sent < size && !run->over && idle < 1000) {
        size_t piece = piece_size(&run->cuts, size > 20000 && style < 3 ? style + 3 : style);
        if (piece > size - sent)
            piece = size - sent;
        size_t now = fuzz_raw_say(run->fd, bytes + sent, piece);
        sent += now;
        idle = now > 0 ? 0 : idle + 1;
        if (now == 0 || prng_below(&run->cuts, 2) == 0)
            events_take(run, 0);
    }
    REQUIRE(sent == size || run->over || idle == 1000);
    events_take(run, 0);
    run->silent = true;
    kit_raw_finish(run->fd);
    for (uint32_t i = 0; i < 100 && !run->over; i++)
        events_take(run, LAST_MS);
    REQUIRE(run->over);
}

void wire_run_judge(const struct wire_run *run, const uint8_t *bytes, size_t size,
                    uint32_t frame_bytes_max)
{
    static struct wire_told told;
    wire_reference(bytes, size, frame_bytes_max, &told);
    CHECK_INT(run->told.opened, told.opened);
    CHECK_INT(run->told.count, told.count);
    CHECK_ERROR(run->told.end, told.end);
    uint32_t count = told.count < WIRE_MESSAGES_MAX ? told.count : WIRE_MESSAGES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_INT(run->told.messages[i].size, told.messages[i].size);
        CHECK(run->told.messages[i].sum == told.messages[i].sum);
    }
    /* Of an end that is no good one FINISHED may have been told before. */
    if (told.finished || told.end == LEAT_E_CLOSED)
        CHECK_INT(run->finish_event, told.finished);
}
