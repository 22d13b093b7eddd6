/* SPDX-License-Identifier: MIT
 *
 * The Windows port, a connection's life: connect, adopt, pair, who the peer is, the end.
 *
 * Happy path: the handle is opened and given to the queue, its state is made, and a first read is
 *             put on the attention list.
 * Fails:      every failure closes what this call opened and leaves the link as it was; an adopted
 *             handle stays the caller's.
 * Invariants: a stream's state is freed once its link was ended and nothing of it is pending, and
 *             not before. A handle is closed once, by the state that owns it.
 */
#include "port_windows.h"

#include <string.h>

#define PAIR_PREFIX "\\\\.\\pipe\\leat\\pair\\"

void lti_nt_op_begun(struct lti_port *port, struct lti_nt_op *op, int64_t result)
{
    op->pending = lti_os_kind_of(result) == LTI_OS_IN_PROGRESS;
    port->outstanding += op->pending;
}

int64_t lti_nt_stream_begun(const struct lti_nt_stream *stream, struct lti_nt_op *op,
                            int64_t result)
{
    /* Whether a packet that was cut short counts as success is for the system to say: so nothing
     * on such a handle skips the queue. */
    if (stream->packets && result >= 0)
        result = lti_os_fail(LTI_OS_IN_PROGRESS, 0);
    lti_nt_op_begun(stream->port, op, result);
    return result;
}

static struct lti_nt_place *place_of(struct lti_nt_stream *stream, bool watch)
{
    return watch ? &stream->watch : &stream->attention;
}

void lti_nt_list_add(struct lti_nt_list *list, struct lti_nt_stream *stream, bool watch)
{
    struct lti_nt_place *place = place_of(stream, watch);
    if (place->listed)
        return;
    place->listed = true;
    place->previous = list->last;
    place->next = 0;
    if (list->last)
        place_of(list->last, watch)->next = stream;
    else
        list->first = stream;
    list->last = stream;
}

void lti_nt_list_remove(struct lti_nt_list *list, struct lti_nt_stream *stream, bool watch)
{
    struct lti_nt_place *place = place_of(stream, watch);
    if (!place->listed)
        return;
    place->listed = false;
    if (place->previous)
        place_of(place->previous, watch)->next = place->next;
    else
        list->first = place->next;
    if (place->next)
        place_of(place->next, watch)->previous = place->previous;
    else
        list->last = place->previous;
}

struct lti_nt_stream *lti_nt_stream_new(struct lti_port *port, uint64_t cookie, bool packets)
{
    struct lti_nt_stream *stream = lti_os_alloc(sizeof *stream);
    if (!stream)
        return 0;
    memset(stream, 0, sizeof *stream);
    stream->port = port;
    stream->handle = -1;
    stream->packets = packets;
    stream->read.cookie = stream->write.cookie = cookie;
    stream->read.owner = stream->write.owner = stream;
    stream->read.kind = LTI_NT_READ;
    stream->write.kind = LTI_NT_WRITE;
    return stream;
}

void lti_nt_stream_open(struct lti_nt_stream *stream, struct lti_link *link, intptr_t handle)
{
    stream->handle = handle;
    stream->met = lti_os_time_of_day();
    link->handle = handle;
    link->state = stream;
    lti_nt_stream_settle(stream);
}

void lti_nt_stream_release(struct lti_nt_stream *stream)
{
    if (!stream->ended || stream->read.pending || stream->write.pending)
        return;
    if (stream->sync) {
        if (!lti_nt_sync_gone(stream->sync))
            return;
        lti_nt_list_remove(&stream->port->watch, stream, true);
        lti_nt_sync_free(stream->sync);
        stream->port->threads--;
    }
    if (stream->family)
        lti_nt_family_drop(stream->port, stream->family);
    if (stream->buffer != stream->few)
        lti_os_free(stream->buffer);
    lti_os_free(stream);
}

bool lti_nt_stream_end(struct lti_nt_stream *stream)
{
    bool lent = stream->write.pending;
    stream->ended = true;
    lti_nt_list_remove(&stream->port->attention, stream, false);
    lti_nt_list_remove(&stream->port->watch, stream, true);
    if (stream->sync) {
        lti_nt_sync_end(stream->sync);
        lti_nt_stream_watch(stream);
    } else {
        if (stream->read.pending || stream->write.pending)
            (void)lti_os_pipe_cancel(stream->handle, 0);
        (void)lti_os_handle_close(stream->handle);
    }
    if (stream->family) {
        stream->family->ends--;
        stream->family->ghosts += !stream->hangup;
    }
    lti_nt_stream_release(stream);
    return !lent;
}

bool lti_port_end(struct lti_port *port, struct lti_link *link, struct lti_claim *claim,
                  const struct lti_address *address, bool forked)
{
    (void)port;
    (void)address;
    (void)forked;
    bool done = true;
    if (link->state)
        done = claim ? lti_nt_listener_end(link->state) : lti_nt_stream_end(link->state);
    lti_link_clear(link);
    return done;
}

/* Only a pipe of the same kind will do: one of messages cuts bytes apart, and one of bytes puts
 * packets together. */
static enum leat_error stream_check(intptr_t handle, bool packets, struct os_code *code_out)
{
    struct lti_os_pipe_facts facts;
    int64_t result = lti_os_pipe_facts(handle, &facts);
    if (result < 0)
        return lti_port_error(result, code_out);
    if (!facts.pipe || facts.message != packets)
        return LEAT_E_HANDLE;
    return packets ? lti_port_error(lti_os_pipe_read_messages(handle), code_out) : LEAT_OK;
}

enum leat_error lti_port_connect(struct lti_port *port, struct lti_link *link,
                                 const struct lti_address *address, const struct lti_access *access,
                                 bool packets, struct os_code *code_out)
{
    (void)access; /* lti_port_judge looks at the owner before the first byte */
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
    if (!lti_nt_name(address, name))
        return LEAT_E_NAME_TOO_LONG;
    struct lti_nt_stream *stream = lti_nt_stream_new(port, link->cookie, packets);
    if (!stream)
        return LEAT_E_MEMORY;
    int64_t handle = lti_os_pipe_open(name);
    enum leat_error error = lti_port_error(handle, code_out);
    if (handle >= 0) {
        error = stream_check((intptr_t)handle, packets, code_out);
        if (error == LEAT_OK)
            error =
                lti_port_error(lti_os_queue_add(port->queue, (intptr_t)handle, packets), code_out);
        else if (error == LEAT_E_HANDLE)
            error = LEAT_E_REFUSED; /* something else listens there */
        if (error == LEAT_OK) {
            lti_nt_stream_open(stream, link, (intptr_t)handle);
            return LEAT_OK;
        }
        (void)lti_os_handle_close((intptr_t)handle);
    }
    lti_os_free(stream);
    return error;
}

bool lti_port_one_way(intptr_t handle)
{
    struct lti_os_pipe_facts facts;
    return lti_os_pipe_facts(handle, &facts) >= 0 && facts.pipe &&
           (!facts.can_read || !facts.can_write);
}

/* Gives the handle to who does its operations. */
static enum leat_error adopt_begin(struct lti_nt_stream *stream, intptr_t handle, bool overlapped,
                                   struct os_code *code_out)
{
    if (!overlapped) {
        struct lti_peer peer = {.known = false};
        char owner[LTI_OS_SID_BYTES];
        struct os_code ignored; /* who handed the handle over has decided who may be there */
        (void)lti_nt_peer_ask(handle, owner, &peer, &ignored);
        return lti_nt_sync_start(stream, handle, &peer, code_out);
    }
    /* Whoever opened it may have left it as it was: a client's end reads bytes at first. This can
     * be set back, and what comes next cannot. */
    int64_t result = stream->packets ? lti_os_pipe_read_messages(handle) : 0;
    if (result < 0)
        return lti_port_error(result, code_out);
    result = lti_os_queue_add(stream->port->queue, handle, stream->packets);
    enum leat_error error = lti_port_error(result, code_out);
    /* It belongs to another queue, for ever. */
    return lti_os_kind_of(result) == LTI_OS_INVALID ? LEAT_E_HANDLE : error;
}

enum leat_error lti_port_adopt(struct lti_port *port, struct lti_link *link, intptr_t handle,
                               bool listener, bool packets, struct os_code *code_out)
{
    struct lti_os_pipe_facts facts;
    if (handle < 0)
        return LEAT_E_HANDLE;
    /* A name's listener here is a set of instances that makes new ones: no handle is one. */
    if (listener)
        return LEAT_E_UNSUPPORTED;
    int64_t result = lti_os_pipe_facts(handle, &facts);
    if (result < 0) {
        enum leat_error error = lti_port_error(result, code_out);
        return error == LEAT_E_MEMORY ? error : LEAT_E_HANDLE;
    }
    if (!facts.pipe || facts.message != packets || !facts.connected ||
        (!facts.can_read && !facts.can_write))
        return LEAT_E_HANDLE;
    /* A thread that looks whether something is there does not see a packet without a byte. */
    if (packets && !facts.overlapped)
        return LEAT_E_HANDLE;
    struct lti_nt_stream *stream = lti_nt_stream_new(port, link->cookie, packets);
    if (!stream)
        return LEAT_E_MEMORY;
    stream->deaf = !facts.can_read;
    stream->write_end = facts.can_write ? LEAT_OK : LEAT_E_CLOSED;
    enum leat_error error = adopt_begin(stream, handle, facts.overlapped, code_out);
    if (error == LEAT_OK)
        lti_nt_stream_open(stream, link, handle);
    else
        lti_os_free(stream);
    return error;
}

/* A name that nobody can guess, for one instance that is connected at once. */
static bool pair_name(uint16_t name_out[LTI_OS_PIPE_UNITS_MAX + 1], int64_t *result_out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t secret[16];
    size_t at = 0;
    *result_out = lti_os_random(secret, sizeof secret);
    for (const char *prefix = PAIR_PREFIX; *prefix; prefix++)
        name_out[at++] = (uint8_t)*prefix;
    for (size_t i = 0; i < sizeof secret; i++) {
        name_out[at++] = (uint8_t)digits[secret[i] >> 4];
        name_out[at++] = (uint8_t)digits[secret[i] & 15];
    }
    name_out[at] = 0;
    return *result_out >= 0;
}

/* Nobody else can know the name: whoever else meets us there is no usual failure. */
static enum leat_error pair_error(int64_t result, struct os_code *code_out)
{
    enum leat_error error = lti_port_error(result, code_out);
    bool usual = error == LEAT_E_MEMORY || error == LEAT_E_LIMIT || error == LEAT_E_DENIED;
    return usual || error == LEAT_E_UNSUPPORTED ? error : LEAT_E_SYSTEM;
}

/* OK: the server's end has the client that just came. */
static int64_t pair_meet(intptr_t server)
{
    struct lti_nt_op op = {.pending = false};
    /* The client is there, so this cannot wait, and the operation may live here. */
    return lti_os_pipe_listen(server, &op.os);
}

enum leat_error lti_port_pair(bool packets, intptr_t handles_out[2], struct os_code *code_out)
{
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
    void *security;
    int64_t result;
    if (!pair_name(name, &result))
        return lti_port_error(result, code_out);
    enum leat_error error = lti_nt_security(0, &security, code_out);
    if (error != LEAT_OK)
        return error;
    int64_t server = lti_os_pipe_create(name, LTI_OS_PIPE_FIRST | lti_nt_pipe_flags(packets), 1,
                                        LTI_NT_QUOTA, security);
    lti_os_security_free(security);
    if (server < 0)
        return pair_error(server, code_out);
    int64_t client = lti_os_pipe_open(name);
    result = client < 0 ? client : pair_meet((intptr_t)server);
    if (result < 0) {
        error = pair_error(result, code_out);
        if (client >= 0)
            (void)lti_os_handle_close((intptr_t)client);
        (void)lti_os_handle_close((intptr_t)server);
        return error;
    }
    handles_out[0] = (intptr_t)server;
    handles_out[1] = (intptr_t)client;
    return LEAT_OK;
}
