/* SPDX-License-Identifier: MIT
 *
 * Ends of connections that many threads use: what each sends and receives, and how it ended.
 *
 * Happy path: a thread finds the end by hub and id, announces the next piece of its stream, makes
 *             the call, and tells what came of it; whoever receives finds out by the content whose
 *             stream it is, and tells what he got.
 * Fails:      content of nobody, or of another stream than before; a call that succeeds at an end
 *             that was over before it began; an end or a report that comes twice.
 * Invariants: an end stays in the book, and what it was, until the book ends. No call that may end
 *             a connection waits for one that sends or receives.
 */
#include "book_private.h"

#include <string.h>

/* ---- The book -------------------------------------------------------------------------------- */

struct stress_book *stress_book_begin(uint64_t key, size_t ends_max, size_t lines_max)
{
    struct stress_book *book = stress_memory(sizeof *book);
    REQUIRE(book != NULL);
    book->tale = stress_tale_begin(key, lines_max);
    book->key = key;
    book->ends_max = ends_max;
    book->places = 1;
    while (book->places < 2 * ends_max)
        book->places *= 2;
    book->ends_bytes = ends_max * sizeof book->ends[0];
    book->table_bytes = book->places * sizeof book->table[0];
    book->ends = stress_memory(book->ends_bytes);
    book->table = stress_memory(book->table_bytes);
    REQUIRE(book->ends != NULL && book->table != NULL);
    return book;
}

void stress_book_end(struct stress_book *book)
{
    stress_tale_end(book->tale);
    stress_memory_end(book->ends, book->ends_bytes);
    stress_memory_end(book->table, book->table_bytes);
    stress_memory_end(book, sizeof *book);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static struct stress_shared *end_new(struct stress_book *book, struct leat_hub *hub, leat_conn conn)
{
    uint32_t number = atomic_fetch_add(&book->count, 1);
    REQUIRE(number < book->ends_max);
    struct stress_shared *end = &book->ends[number];
    end->book = book;
    end->hub = hub;
    end->conn = conn;
    end->number = number;
    return end;
}

struct stress_shared *stress_shared_alone(struct stress_book *book)
{
    return end_new(book, NULL, (leat_conn){0});
}

struct stress_shared *stress_shared(struct stress_book *book, struct leat_hub *hub, leat_conn conn)
{
    struct prng mix = {conn.id ^ (uint64_t)(uintptr_t)hub};
    struct stress_shared *mine = NULL;
    for (size_t at = prng_below(&mix, book->places);; at = (at + 1) % book->places) {
        unsigned int there = atomic_load(&book->table[at]);
        if (there == 0) {
            if (mine == NULL)
                mine = end_new(book, hub, conn);
            if (atomic_compare_exchange_strong(&book->table[at], &there, mine->number + 1))
                return mine;
        }
        /* If another thread was faster, the one made here stays empty. */
        struct stress_shared *end = &book->ends[there - 1];
        if (end->conn.id == conn.id && end->hub == hub)
            return end;
    }
}

void stress_shared_made(struct stress_shared *end)
{
    atomic_store(&end->made, true);
}

struct stress_shared *stress_shared_peer(const struct stress_shared *end)
{
    unsigned int peer = atomic_load(&end->peer);
    return peer == 0 ? NULL : &end->book->ends[peer - 1];
}

static void peer_set(struct stress_shared *end, uint32_t number)
{
    unsigned int known = 0;
    if (!atomic_compare_exchange_strong(&end->peer, &known, number + 1))
        REQUIRE_INT(known, number + 1); /* a connection has two ends, and always the same ones */
}

void stress_shared_pair(struct stress_shared *a, struct stress_shared *b)
{
    REQUIRE(a != b);
    peer_set(a, b->number);
    peer_set(b, a->number);
}

uint64_t stress_shared_tag(const struct stress_shared *end)
{
    return end->number + UINT64_C(1);
}

static void tell(const struct stress_shared *stream, uint32_t side, enum lti_history_kind kind,
                 uint64_t a, uint64_t b, uint64_t c)
{
    stress_tell(stream->book->tale, 0, stream->number, side, kind, a, b, c);
}

static bool flow_begin(struct stress_shared *end, struct flow *flow, const atomic_bool *finished)
{
    if (atomic_exchange(&flow->busy, true))
        return false;
    flow->dead = atomic_load(&end->over) != 0;
    flow->finished = atomic_load(finished);
    return true;
}

static void flow_done(struct flow *flow, enum leat_error error, bool moved)
{
    /* A wait finds out that another thread waits before it looks for the connection. */
    CHECK(!flow->dead || error == LEAT_E_STALE || error == LEAT_E_BUSY);
    CHECK(!flow->finished || !moved);
    atomic_store(&flow->busy, false);
}

/* ---- Content --------------------------------------------------------------------------------- */

struct head {
    uint32_t number,
        other; /* other: of a message its number, of bytes the first one's complement */
};

static struct head head_of_bytes(const struct stress_shared *stream)
{
    return (struct head){stream->number, ~stream->number};
}

static void bytes_make(const struct stress_shared *stream, uint64_t offset, uint8_t *bytes,
                       size_t size)
{
    const struct head head = head_of_bytes(stream);
    lti_history_fill(stress_tale_content(stream->book->tale), stream->number, 0, LTI_HISTORY_BYTES,
                     offset, bytes, size);
    for (size_t i = 0; i < size && offset + i < sizeof head; i++)
        bytes[i] = ((const uint8_t *)&head)[offset + i];
}

static uint64_t bytes_wrong(const struct stress_shared *stream, uint64_t offset,
                            const uint8_t *bytes, size_t size)
{
    const struct head head = head_of_bytes(stream);
    size_t at = 0;
    for (; at < size && offset + at < sizeof head; at++)
        if (bytes[at] != ((const uint8_t *)&head)[offset + at])
            return offset + at;
    return lti_history_wrong(stress_tale_content(stream->book->tale), stream->number, 0,
                             LTI_HISTORY_BYTES, offset + at, bytes + at, size - at);
}

/* The end whose content this is, from now on this one's peer. */
static struct stress_shared *content_from(struct stress_shared *end, uint32_t number)
{
    struct stress_book *book = end->book;
    REQUIRE(number < atomic_load(&book->count));
    stress_shared_pair(end, &book->ends[number]);
    return &book->ends[number];
}

/* ---- Sending --------------------------------------------------------------------------------- */

bool stress_write_begin(struct stress_shared *end, void *buffer, size_t size)
{
    if (!flow_begin(end, &end->out, &end->finish))
        return false;
    bytes_make(end, end->out.bytes, buffer, size);
    tell(end, 0, LTI_HISTORY_SUBMIT, end->out.bytes, size, 0);
    return true;
}

void stress_write_done(struct stress_shared *end, enum leat_error error, size_t accepted)
{
    if (accepted > 0)
        tell(end, 0, LTI_HISTORY_ACCEPTED, end->out.bytes, accepted, 0);
    end->out.bytes += accepted;
    flow_done(&end->out, error, accepted > 0);
}

static size_t message_begin(struct stress_shared *end, size_t place, void *buffer)
{
    uint64_t number = end->out.messages + place;
    const struct head head = {end->number, (uint32_t)number};
    struct prng random = {end->book->key + ((uint64_t)end->number << 32) + number};
    size_t size = prng_below(&random, STRESS_PIECE_MAX - sizeof head + 1);
    memcpy(buffer, &head, sizeof head);
    lti_history_fill(stress_tale_content(end->book->tale), end->number, 0, number, 0,
                     (uint8_t *)buffer + sizeof head, size);
    tell(end, 0, LTI_HISTORY_SEND, number, sizeof head + size, 0);
    return sizeof head + size;
}

bool stress_send_begin(struct stress_shared *end, void *buffer, size_t *size_out)
{
    if (!flow_begin(end, &end->out, &end->finish))
        return false;
    *size_out = message_begin(end, 0, buffer);
    return true;
}

static void send_done(struct stress_shared *end, enum leat_error error, size_t sent)
{
    for (size_t i = 0; i < sent; i++)
        tell(end, 0, LTI_HISTORY_SENT, end->out.messages++, 0, 0);
    flow_done(&end->out, error, sent > 0);
}

void stress_send_done(struct stress_shared *end, enum leat_error error)
{
    send_done(end, error, error == LEAT_OK);
}

enum leat_error stress_send_many(struct stress_shared *end, const void *first, size_t size,
                                 size_t count)
{
    uint8_t behind[STRESS_MANY - 1][STRESS_PIECE_MAX];
    struct leat_slice slices[STRESS_MANY] = {{first, size}};
    size_t sent = 0;
    REQUIRE(count >= 1 && count <= STRESS_MANY);
    for (size_t i = 1; i < count; i++)
        slices[i] = (struct leat_slice){behind[i - 1], message_begin(end, i, behind[i - 1])};
    enum leat_error error = leat_send_many(end->hub, end->conn, slices, count, &sent);
    CHECK(error == LEAT_OK ? sent >= 1 && sent <= count : sent == 0);
    send_done(end, error, sent);
    return error;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

bool stress_take_begin(struct stress_shared *end)
{
    return flow_begin(end, &end->in, &end->finished);
}

bool stress_take_blind(const struct stress_shared *end)
{
    return stress_shared_peer(end) != NULL;
}

static void received_tell(struct stress_shared *end, const struct stress_shared *from,
                          const uint8_t *bytes, size_t size)
{
    uint64_t wrong = LTI_HISTORY_NONE;
    if (size == 0)
        return;
    if (bytes != NULL)
        wrong = bytes_wrong(from, end->in.bytes, bytes, size);
    tell(from, 1, LTI_HISTORY_RECEIVED, end->in.bytes, size, wrong);
    end->in.bytes += size;
}

void stress_take_bytes(struct stress_shared *end, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    struct stress_shared *from = stress_shared_peer(end);
    size_t at = 0;
    struct head head;
    if (atomic_load(&end->drops)) /* and nobody knows of how many bytes that was */
        return;
    for (; from == NULL && at < size; at++) {
        end->head[end->head_size++] = bytes[at];
        if (end->head_size < sizeof head)
            continue;
        memcpy(&head, end->head, sizeof head);
        REQUIRE(head.other == ~head.number);
        from = content_from(end, head.number);
    }
    if (from == NULL)
        return;
    received_tell(end, from, end->head, end->head_size);
    end->head_size = 0;
    received_tell(end, from, bytes == NULL ? NULL : bytes + at, size - at);
}

void stress_take_message(struct stress_shared *end, const void *data, size_t size)
{
    const struct stress_shared *from = stress_shared_peer(end);
    uint64_t number = end->in.messages, wrong = LTI_HISTORY_NONE;
    bool drops = atomic_load(&end->drops);
    if (data != NULL) {
        struct head head;
        REQUIRE(size >= sizeof head);
        memcpy(&head, data, sizeof head);
        from = content_from(end, head.number);
        number = head.other;
        wrong = lti_history_wrong(stress_tale_content(end->book->tale), from->number, 0, number, 0,
                                  (const uint8_t *)data + sizeof head, size - sizeof head);
    }
    if (!drops) {
        tell(from, 1, LTI_HISTORY_MESSAGE, number, size, wrong);
    } else { /* some are missing; none is wrong, or comes twice or late */
        CHECK(wrong == LTI_HISTORY_NONE);
        CHECK(number >= end->in.messages);
    }
    end->in.messages = number + 1;
}

void stress_take_done(struct stress_shared *end, enum leat_error error)
{
    flow_done(&end->in, error, error == LEAT_OK);
}

void stress_shared_drops(struct stress_shared *end)
{
    atomic_store(&end->drops, true);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

void stress_shared_over(struct stress_shared *end, enum lti_history_kind how)
{
    if (how == LTI_HISTORY_FINISH)
        CHECK_INT(atomic_exchange(&end->finish, true), false);
    else
        CHECK_INT(atomic_exchange(&end->over, (unsigned int)how), 0);
}

static void report_take(struct stress_shared *end, enum leat_error error, uint64_t undelivered)
{
    end->report_error = error;
    end->report_undelivered = undelivered;
    CHECK_INT(atomic_exchange(&end->reported, true), false);
}

void stress_shared_close_wait(struct stress_shared *end, enum leat_error error,
                              uint64_t undelivered)
{
    if (error == LEAT_E_STALE)
        return;
    /* It goes on closing, and nobody will say how that ends. */
    bool goes_on = error == LEAT_E_WOKEN || error == LEAT_E_BUSY;
    stress_shared_over(end, goes_on ? LTI_HISTORY_CLOSE : LTI_HISTORY_REPORT);
    if (!goes_on)
        report_take(end, error, undelivered);
}

void stress_book_event(struct stress_book *book, struct leat_hub *hub,
                       const struct leat_event *event)
{
    struct stress_shared *end;
    switch (event->type) {
    case LEAT_EVENT_ACCEPTED:
        stress_shared_made(stress_shared(book, hub, event->conn));
        break;
    case LEAT_EVENT_FINISHED:
        end = stress_shared(book, hub, event->conn);
        CHECK_INT(atomic_exchange(&end->finished, true), false);
        break;
    case LEAT_EVENT_CLOSED:
        end = stress_shared(book, hub, event->conn);
        end->error = event->error;
        end->undelivered = event->bytes_undelivered;
        CHECK_INT(atomic_exchange(&end->closed, true), false);
        break;
    case LEAT_EVENT_CLOSE_REPORT:
        REQUIRE(event->tag > 0 && event->tag <= atomic_load(&book->count));
        report_take(&book->ends[event->tag - 1], event->error, event->bytes_undelivered);
        break;
    default:
        break;
    }
}
