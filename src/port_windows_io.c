/* SPDX-License-Identifier: MIT
 *
 * The Windows port, reading and writing.
 *
 * Happy path: a read always waits: without bytes while the connection is idle, into a buffer of its
 *             own while it is busy. What came is copied out of that buffer by lti_port_read. A
 *             write goes from the core's outbox, one at a time.
 * Fails:      the end of the stream and every error stick, with their code; memory that is short is
 *             told and tried again. A write that was given up may have been read in part: the
 *             connection is then dead for writing.
 * Invariants: at most one read and one write are pending. While bytes are held nobody reads, so a
 *             tick asks whether the peer is still there: a read of no bytes would not wait then.
 *             Nothing of a client reaches the core before the client was judged.
 */
#include "port_windows.h"

#include "lti_assert.h"

#include <string.h>

/* From here on a copy costs more than another block, which the processor has not seen lately. */
#define TRADE_BYTES_MIN 8192u

static bool holds(const struct lti_nt_stream *stream)
{
    return stream->at < stream->size || stream->empty;
}

/* It has a buffer beside the few bytes that an idle stream reads into. */
static bool rich(const struct lti_nt_stream *stream)
{
    return stream->buffer && stream->buffer != stream->few;
}

static void news_add(struct lti_nt_stream *stream, uint32_t news)
{
    stream->news |= news;
    lti_nt_list_add(&stream->port->attention, stream, false);
}

static void buffer_drop(struct lti_nt_stream *stream)
{
    if (stream->buffer != stream->few)
        lti_os_free(stream->buffer);
    stream->buffer = 0;
    stream->capacity = stream->at = stream->size = 0;
    stream->empty = false;
}

static bool read_due(const struct lti_nt_stream *stream)
{
    LTI_ASSERT(!stream->ended);
    return !stream->deaf && stream->end == LEAT_OK && !stream->read.pending && !holds(stream) &&
           !stream->unfinished && !stream->end_waits;
}

void lti_nt_stream_watch(struct lti_nt_stream *stream)
{
    struct lti_port *port = stream->port;
    if (!port->watch.first)
        port->tick_at = lti_os_now_ns() + LTI_NT_TICK_NS;
    lti_nt_list_add(&port->watch, stream, true);
}

void lti_nt_stream_settle(struct lti_nt_stream *stream)
{
    struct lti_port *port = stream->port;
    if (stream->ended)
        return;
    if (read_due(stream))
        lti_nt_list_add(&port->attention, stream, false);
    bool unread = stream->end == LEAT_OK && stream->reading == LTI_NT_READING_NONE;
    if (rich(stream) || unread)
        lti_nt_stream_watch(stream);
    else
        lti_nt_list_remove(&port->watch, stream, true);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void read_end(struct lti_nt_stream *stream, enum leat_error error, struct os_code code)
{
    stream->end = error;
    stream->end_code = code;
    if (!stream->hangup && (error == LEAT_E_FINISHED || error == LEAT_E_BROKEN)) {
        stream->hangup = true;
        news_add(stream, LTI_DONE_HANGUP);
    }
}

/* A peer that leaves while it has yet to read what is being written did not end in order, as with a
 * socket that is closed over unread bytes. */
static enum leat_error end_error(const struct lti_nt_stream *stream)
{
    return stream->write.pending || stream->cut ? LEAT_E_BROKEN : LEAT_E_FINISHED;
}

/* What a read that is over has brought; EMPTY: nothing, another one is due. */
static enum leat_error read_result(struct lti_nt_stream *stream, bool probe, int64_t result)
{
    struct os_code code = {LTI_OS_NONE, 0};
    enum leat_error error = LEAT_OK;
    switch (lti_os_kind_of(result)) {
    case LTI_OS_NONE:
        break;
    case LTI_OS_CANCELLED: /* else somebody in this process does what is not theirs: not at once */
        return stream->given_up ? LEAT_E_EMPTY : LEAT_E_MEMORY;
    case LTI_OS_MEMORY:
        return LEAT_E_MEMORY;
    case LTI_OS_PIPE:
        /* The write may have been taken: its completion says so, and then this is asked again. */
        stream->end_waits = stream->write.pending;
        if (stream->end_waits)
            return LEAT_E_EMPTY;
        code = lti_os_code_of(result);
        error = end_error(stream);
        read_end(stream, error, code);
        return error;
    default:
        error = lti_port_error(result, &code);
        read_end(stream, error, code);
        return error;
    }
    if (probe)
        return LEAT_OK;
    stream->at = 0;
    stream->size = (uint32_t)(result & ~LTI_OS_PIPE_MORE);
    stream->goes_on = (result & LTI_OS_PIPE_MORE) != 0;
    stream->empty = stream->packets && stream->size == 0;
    if (!holds(stream))
        return LEAT_E_EMPTY; /* somebody wrote nothing: that is not the end */
    stream->ticks = 0;
    stream->active = true;
    stream->greedy = stream->greedy || (stream->size == stream->capacity && rich(stream));
    if (stream->judge) {
        error = lti_nt_client_judge(stream, &code);
        /* Who has sent no byte may not be known yet; nor has he said anything. */
        stream->judge = stream->empty && code.kind == LTI_OS_NOT_CONNECTED;
        if (stream->judge)
            error = LEAT_OK;
        if (error != LEAT_OK) {
            buffer_drop(stream);
            stream->unfinished = stream->goes_on = false;
            read_end(stream, error, code);
        }
    }
    return error;
}

/* A read takes what belongs together, and no part of what comes behind. */
static uint32_t read_most(const struct lti_nt_stream *stream)
{
    uint32_t most =
        stream->wanted > LTI_NT_READ_FIRST ? stream->wanted : (uint32_t)LTI_NT_READ_FIRST;
    return stream->capacity < most ? stream->capacity : most;
}

/* Begins one read. OK: it is over, bytes are held or (a probe) are there. EMPTY: it waits, or
 * nothing came. Else as read_result. */
static enum leat_error read_begin(struct lti_nt_stream *stream, bool probe)
{
    memset(&stream->read.os, 0, sizeof stream->read.os);
    void *into = probe ? 0 : stream->buffer;
    size_t size = probe ? 0 : read_most(stream);
    stream->read.size = size;
    int64_t result = stream->sync ? lti_nt_sync_read(stream->sync, into, size)
                                  : lti_os_pipe_read(stream->handle, into, size, &stream->read.os);
    result = lti_nt_stream_begun(stream, &stream->read, result);
    if (stream->read.pending) {
        stream->reading = probe ? LTI_NT_READING_PROBE : LTI_NT_READING_DATA;
        return LEAT_E_EMPTY;
    }
    return read_result(stream, probe, result);
}

static bool buffer_make(struct lti_nt_stream *stream)
{
    uint32_t want = LTI_NT_READ_FIRST;
    if (stream->greedy && stream->wanted > want)
        want = LTI_NT_READ_MOST;
    if (stream->buffer && stream->capacity >= want)
        return true;
    uint8_t *buffer = lti_os_alloc(want);
    if (!buffer)
        return rich(stream);
    buffer_drop(stream);
    stream->buffer = buffer;
    stream->capacity = want;
    return true;
}

void lti_nt_stream_begin(struct lti_nt_stream *stream)
{
    if (!read_due(stream))
        return;
    bool poor = stream->active && !buffer_make(stream);
    bool idle = !stream->active || poor;
    bool probe = idle && !stream->packets;
    if (idle)
        buffer_drop(stream);
    if (idle && stream->packets) {
        stream->buffer = stream->few;
        stream->capacity = sizeof stream->few;
    }
    /* Without memory a packet would come in a thousand pieces: rather later, and in a few. */
    LTI_ASSERT(!poor || stream->packets); /* a stream of bytes is active with a buffer only */
    enum leat_error error = poor ? LEAT_E_MEMORY : read_begin(stream, probe);
    /* A probe that is over, and memory that is short, let the core read for itself. */
    if (error != LEAT_E_EMPTY)
        stream->news |= LTI_DONE_READABLE;
    if ((probe && error == LEAT_OK) || error == LEAT_E_MEMORY)
        stream->unfinished = true;
}

uint32_t lti_nt_read_done(struct lti_nt_stream *stream, int64_t result)
{
    bool probe = stream->reading == LTI_NT_READING_PROBE;
    stream->reading = LTI_NT_READING_NONE;
    if (stream->ended) {
        lti_nt_stream_release(stream);
        return 0;
    }
    enum leat_error error = read_result(stream, probe, result);
    stream->given_up = false;
    stream->read_short = error == LEAT_E_MEMORY;
    if ((probe && error == LEAT_OK) || error == LEAT_E_MEMORY)
        stream->unfinished = true;
    uint32_t news = stream->news;
    stream->news = 0;
    if (error != LEAT_E_EMPTY)
        news |= LTI_DONE_READABLE;
    lti_nt_stream_settle(stream);
    return news;
}

_Static_assert(LTI_NT_READ_FIRST < TRADE_BYTES_MIN,
               "so much is held by a buffer of the core's size only");

/* All that is held goes with its buffer, and the core's block becomes the buffer. */
static bool held_may_trade(const struct lti_nt_stream *stream, size_t size)
{
    return stream->at == 0 && stream->size <= size && stream->size >= TRADE_BYTES_MIN;
}

/* Without a buffer: all of it, to nowhere. */
static void held_take(struct lti_nt_stream *stream, void *buffer, size_t size, size_t *size_out,
                      bool *more_out)
{
    size_t there = stream->size - stream->at;
    size_t part = there < size || !buffer ? there : size;
    if (buffer && part)
        memcpy(buffer, stream->buffer + stream->at, part);
    stream->at += (uint32_t)part;
    stream->empty = false;
    *size_out = part;
    LTI_ASSERT(!stream->unfinished); /* it is, where a read is due that holds nothing yet */
    *more_out = holds(stream) || stream->goes_on;
    if (!holds(stream))
        stream->at = stream->size = 0;
}

size_t lti_port_expect(struct lti_link *link, size_t size)
{
    struct lti_nt_stream *stream = link->state;
    stream->wanted = size < LTI_NT_READ_MOST ? (uint32_t)size : LTI_NT_READ_MOST;
    return size;
}

/* Sees to it that something is held, if it is there. EMPTY: a read waits; MEMORY. */
static enum leat_error stream_fetch(struct lti_nt_stream *stream)
{
    if (holds(stream) || stream->end != LEAT_OK)
        return LEAT_OK;
    if (stream->read.pending || stream->deaf)
        return LEAT_E_EMPTY;
    if (stream->read_short) { /* as with writing */
        stream->read_short = false;
        return LEAT_E_MEMORY;
    }
    enum leat_error error = buffer_make(stream) ? read_begin(stream, false) : LEAT_E_MEMORY;
    stream->unfinished = error == LEAT_E_MEMORY;
    return error;
}

enum leat_error lti_nt_stream_fetch(struct lti_nt_stream *stream)
{
    enum leat_error error = stream_fetch(stream);
    lti_nt_stream_settle(stream);
    return error;
}

static enum leat_error stream_read(struct lti_nt_stream *stream, void **block, bool large,
                                   size_t size, size_t *size_out, bool *more_out,
                                   struct os_code *code_out)
{
    if (size > stream->wanted)
        stream->wanted = size < LTI_NT_READ_MOST ? (uint32_t)size : LTI_NT_READ_MOST;
    /* What a client that was not judged has said comes by lti_port_hear alone, which looks who it
     * is; what is held of it says nothing. */
    enum leat_error error = stream->judge ? LEAT_E_EMPTY : stream_fetch(stream);
    if (holds(stream)) {
        void *into = *block;
        if (large && held_may_trade(stream, size)) {
            *block = stream->buffer;
            stream->buffer = into;
            into = 0;
        }
        held_take(stream, into, size, size_out, more_out);
        error = LEAT_OK;
    } else if (stream->end != LEAT_OK) {
        *code_out = stream->end_code;
        error = stream->end;
    }
    lti_nt_stream_settle(stream);
    return error;
}

enum leat_error lti_port_read(struct lti_link *link, void *buffer, size_t size, size_t *size_out,
                              bool *more_out, struct os_code *code_out)
{
    return stream_read(link->state, &buffer, false, size, size_out, more_out, code_out);
}

enum leat_error lti_port_read_block(struct lti_link *link, void **block, size_t size,
                                    size_t *size_out, bool *more_out, struct os_code *code_out)
{
    return stream_read(link->state, block, true, size, size_out, more_out, code_out);
}

enum leat_error lti_port_packets(struct lti_link *link, uint32_t *bytes, struct os_code *code_out)
{
    (void)link;
    (void)bytes;
    (void)code_out;
    return LEAT_OK; /* of any size */
}

enum leat_error lti_port_read_packet(struct lti_link *link, void *buffer, size_t size,
                                     size_t *size_out, bool *whole_out, bool *more_out,
                                     struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    enum leat_error error = stream_read(stream, &buffer, false, size, size_out, more_out, code_out);
    *whole_out = !holds(stream) && !stream->goes_on;
    return error;
}

static bool peer_left(const struct lti_nt_stream *stream)
{
    struct lti_os_pipe_facts facts;
    if (stream->sync)
        return lti_nt_sync_left(stream->sync);
    return lti_os_pipe_facts(stream->handle, &facts) >= 0 && facts.closing;
}

void lti_nt_stream_tick(struct lti_nt_stream *stream)
{
    if (stream->ended) {
        lti_nt_sync_end(stream->sync);
        return;
    }
    if (stream->reading == LTI_NT_READING_DATA) {
        if (stream->ticks < LTI_NT_TICKS_IDLE && ++stream->ticks == LTI_NT_TICKS_IDLE) {
            stream->active = stream->greedy = false;
            stream->given_up = true;
            if (stream->sync)
                lti_nt_sync_give_up(stream->sync);
            else
                (void)lti_os_pipe_cancel(stream->handle, &stream->read.os);
        }
        return;
    }
    if (stream->hangup || stream->end != LEAT_OK || !peer_left(stream))
        return;
    if (stream->deaf) { /* no read will tell */
        read_end(stream, end_error(stream), (struct os_code){LTI_OS_PIPE, 0});
        news_add(stream, LTI_DONE_READABLE);
        return;
    }
    stream->hangup = true;
    news_add(stream, LTI_DONE_HANGUP);
}

/* ---- Writing --------------------------------------------------------------------------------- */

enum leat_error lti_port_write(struct lti_link *link, const struct leat_slice *slices, size_t count,
                               size_t *size_out, struct os_code *code_out)
{
    (void)slices;
    (void)count;
    struct lti_nt_stream *stream = link->state;
    *size_out = 0;
    if (stream->write_short) { /* now, so that the next try comes after a pause */
        stream->write_short = false;
        return LEAT_E_MEMORY;
    }
    *code_out = stream->write_code;
    return stream->write_end != LEAT_OK ? stream->write_end : LEAT_E_FULL;
}

enum leat_error lti_port_write_packet(struct lti_link *link, const struct leat_slice *packet,
                                      struct os_code *code_out)
{
    size_t none;
    return lti_port_write(link, packet, 1, &none, code_out);
}

/* Errors that are about this connection, for good; the rest may be tried again. */
static enum leat_error write_failed(struct lti_nt_stream *stream, int64_t result,
                                    struct os_code *code_out)
{
    enum leat_error error = lti_port_error(result, code_out);
    if (error == LEAT_E_MEMORY)
        return error;
    stream->write_end = error;
    stream->write_code = *code_out;
    return error;
}

enum leat_error lti_port_write_start(struct lti_port *port, struct lti_link *link, const void *data,
                                     size_t size, bool *done_out, size_t *written_out,
                                     struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    *done_out = false;
    *written_out = 0;
    if (stream->write_end != LEAT_OK) {
        *code_out = stream->write_code;
        return stream->write_end;
    }
    if (size > LTI_NT_WRITE_MOST && !stream->packets)
        size = LTI_NT_WRITE_MOST;
    memset(&stream->write.os, 0, sizeof stream->write.os);
    stream->write.size = size;
    int64_t result = stream->sync
                         ? lti_nt_sync_write(stream->sync, data, size)
                         : lti_os_pipe_write(stream->handle, data, size, &stream->write.os);
    (void)port;
    result = lti_nt_stream_begun(stream, &stream->write, result);
    if (stream->write.pending)
        return LEAT_OK;
    if (result < 0)
        return write_failed(stream, result, code_out);
    if (result == 0 && size > 0)
        return LEAT_E_MEMORY; /* success with nothing done: as if the system were short of it */
    *done_out = true;
    *written_out = (size_t)result;
    return LEAT_OK;
}

uint32_t lti_nt_write_done(struct lti_nt_stream *stream, int64_t result)
{
    struct os_code code;
    if (stream->ended) {
        lti_nt_stream_release(stream);
        return LTI_DONE_ENDED;
    }
    if (result < 0) {
        stream->write_short = write_failed(stream, result, &code) == LEAT_E_MEMORY;
        stream->cut = code.kind == LTI_OS_PIPE;
    }
    if (stream->end_waits) {
        stream->end_waits = false;
        lti_nt_stream_settle(stream);
    }
    if (result < 0)
        return LTI_DONE_WRITTEN;
    return stream->packets ? LTI_DONE_WRITTEN | LTI_DONE_TAKEN : LTI_DONE_WRITTEN;
}

bool lti_port_write_recall(struct lti_link *link)
{
    const struct lti_nt_stream *stream = link->state;
    return !stream->write.pending;
}

/* Reads are under way by themselves here, at as many pipes as there are. */
enum leat_error lti_port_backend(struct lti_port *port, bool ring, struct os_code *code_out)
{
    (void)port;
    (void)ring;
    (void)code_out;
    return LEAT_E_UNSUPPORTED;
}

bool lti_port_ahead(struct lti_port *port)
{
    (void)port;
    return false;
}

void lti_port_read_soon(struct lti_port *port, struct lti_link *link)
{
    (void)port;
    (void)link;
}

void lti_port_read_ahead(struct lti_port *port)
{
    (void)port;
}

bool lti_port_can_finish(const struct lti_link *link)
{
    (void)link;
    return false;
}

enum leat_error lti_port_finish(struct lti_link *link, struct os_code *code_out)
{
    (void)link;
    (void)code_out;
    return LEAT_E_UNSUPPORTED;
}

bool lti_port_hangup(const struct lti_link *link)
{
    const struct lti_nt_stream *stream = link->state;
    return stream && stream->hangup;
}
