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

#include <string.h>

static bool holds(const struct lti_nt_stream *stream)
{
    return stream->at < stream->size;
}

static void news_add(struct lti_nt_stream *stream, uint32_t news)
{
    stream->news |= news;
    lti_nt_list_add(&stream->port->attention, stream, false);
}

static void buffer_drop(struct lti_nt_stream *stream)
{
    lti_os_free(stream->buffer);
    stream->buffer = 0;
    stream->capacity = stream->at = stream->size = 0;
}

static bool read_due(const struct lti_nt_stream *stream)
{
    return !stream->ended && stream->end == LEAT_OK && !stream->read.pending && !holds(stream) &&
           !stream->unfinished;
}

void lti_nt_stream_settle(struct lti_nt_stream *stream)
{
    struct lti_port *port = stream->port;
    if (stream->ended)
        return;
    if (read_due(stream))
        lti_nt_list_add(&port->attention, stream, false);
    bool unread = stream->end == LEAT_OK && stream->reading == LTI_NT_READING_NONE;
    if (stream->buffer || unread) {
        if (!port->watch.first)
            port->tick_at = lti_os_now_ns() + LTI_NT_TICK_NS;
        lti_nt_list_add(&port->watch, stream, true);
    } else {
        lti_nt_list_remove(&port->watch, stream, true);
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The first bytes make it possible to ask who sent them. */
static enum leat_error client_judge(const struct lti_nt_stream *stream, struct os_code *code_out)
{
    struct lti_os_identity client;
    uint32_t user;
    int64_t result = lti_os_pipe_client(stream->handle, &client);
    if (result < 0) {
        (void)lti_port_error(result, code_out);
        return LEAT_E_UNTRUSTED;
    }
    enum leat_error error = lti_nt_user(client.user, &user, code_out);
    if (error != LEAT_OK)
        return error;
    bool good = user != LTI_NT_USER_OTHER && client.level >= 1 && !client.container;
    return good ? LEAT_OK : LEAT_E_UNTRUSTED;
}

static void read_end(struct lti_nt_stream *stream, enum leat_error error, struct os_code code)
{
    stream->end = error;
    stream->end_code = code;
    if (!stream->hangup && (error == LEAT_E_FINISHED || error == LEAT_E_BROKEN)) {
        stream->hangup = true;
        news_add(stream, LTI_DONE_HANGUP);
    }
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
        code = lti_os_code_of(result);
        /* A peer that leaves while it has yet to read what is being written did not end in
         * order, as with a socket that is closed over unread bytes. */
        error = stream->write.pending || stream->cut ? LEAT_E_BROKEN : LEAT_E_FINISHED;
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
    if (stream->size == 0)
        return LEAT_E_EMPTY; /* somebody wrote nothing: that is not the end */
    stream->ticks = 0;
    stream->active = true;
    stream->greedy = stream->greedy || stream->size == stream->capacity;
    if (stream->judge) {
        stream->judge = false;
        error = client_judge(stream, &code);
        if (error != LEAT_OK) {
            buffer_drop(stream);
            stream->unfinished = false;
            read_end(stream, error, code);
        }
    }
    return error;
}

/* Begins one read. OK: it is over, bytes are held or (a probe) are there. EMPTY: it waits, or
 * nothing came. Else as read_result. */
static enum leat_error read_begin(struct lti_nt_stream *stream, bool probe)
{
    memset(&stream->read.os, 0, sizeof stream->read.os);
    int64_t result = lti_os_pipe_read(stream->handle, probe ? 0 : stream->buffer,
                                      probe ? 0 : stream->capacity, &stream->read.os);
    lti_nt_op_begun(stream->port, &stream->read, result);
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
        want = stream->wanted;
    if (stream->buffer && stream->capacity >= want)
        return true;
    uint8_t *buffer = lti_os_alloc(want);
    if (!buffer)
        return stream->buffer != 0;
    buffer_drop(stream);
    stream->buffer = buffer;
    stream->capacity = want;
    return true;
}

void lti_nt_stream_begin(struct lti_nt_stream *stream)
{
    if (!read_due(stream))
        return;
    bool probe = !stream->active || !buffer_make(stream);
    if (probe)
        buffer_drop(stream);
    enum leat_error error = read_begin(stream, probe);
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

static void held_take(struct lti_nt_stream *stream, void *buffer, size_t size, size_t *size_out,
                      bool *more_out)
{
    size_t there = stream->size - stream->at;
    size_t part = there < size ? there : size;
    memcpy(buffer, stream->buffer + stream->at, part);
    stream->at += (uint32_t)part;
    *size_out = part;
    *more_out = holds(stream) || stream->unfinished;
    if (!holds(stream))
        stream->at = stream->size = 0;
}

enum leat_error lti_port_read(struct lti_link *link, void *buffer, size_t size, size_t *size_out,
                              bool *more_out, struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    enum leat_error error = LEAT_OK;
    /* More than the core takes at once would only lie here. */
    if (size > stream->wanted)
        stream->wanted = size < LTI_NT_READ_MOST ? (uint32_t)size : LTI_NT_READ_MOST;
    if (!holds(stream) && stream->end == LEAT_OK) {
        if (stream->read.pending)
            return LEAT_E_EMPTY;
        if (stream->read_short) { /* as with writing */
            stream->read_short = false;
            return LEAT_E_MEMORY;
        }
        stream->unfinished = false;
        error = buffer_make(stream) ? read_begin(stream, false) : LEAT_E_MEMORY;
        stream->unfinished = stream->unfinished || error == LEAT_E_MEMORY;
    }
    if (holds(stream)) {
        held_take(stream, buffer, size, size_out, more_out);
        error = LEAT_OK;
    } else if (stream->end != LEAT_OK) {
        *code_out = stream->end_code;
        error = stream->end;
    }
    lti_nt_stream_settle(stream);
    return error;
}

void lti_nt_stream_tick(struct lti_nt_stream *stream)
{
    if (stream->reading == LTI_NT_READING_DATA) {
        if (stream->ticks < LTI_NT_TICKS_IDLE && ++stream->ticks == LTI_NT_TICKS_IDLE) {
            stream->active = stream->greedy = false;
            stream->given_up = true;
            (void)lti_os_pipe_cancel(stream->handle, &stream->read.os);
        }
        return;
    }
    struct lti_os_pipe_facts facts;
    if (stream->hangup || stream->end != LEAT_OK || lti_os_pipe_facts(stream->handle, &facts) < 0)
        return;
    if (facts.closing) {
        stream->hangup = true;
        news_add(stream, LTI_DONE_HANGUP);
    }
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
                                     size_t size, size_t *written_out, struct os_code *code_out)
{
    struct lti_nt_stream *stream = link->state;
    *written_out = 0;
    if (stream->write_end != LEAT_OK) {
        *code_out = stream->write_code;
        return stream->write_end;
    }
    if (size > LTI_NT_WRITE_MOST)
        size = LTI_NT_WRITE_MOST;
    memset(&stream->write.os, 0, sizeof stream->write.os);
    int64_t result = lti_os_pipe_write(stream->handle, data, size, &stream->write.os);
    lti_nt_op_begun(port, &stream->write, result);
    if (stream->write.pending)
        return LEAT_OK;
    if (result < 0)
        return write_failed(stream, result, code_out);
    if (result == 0)
        return LEAT_E_MEMORY; /* success with nothing done: as if the system were short of it */
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
    return LTI_DONE_WRITTEN;
}

bool lti_port_write_recall(struct lti_link *link)
{
    const struct lti_nt_stream *stream = link->state;
    return !stream->write.pending;
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
