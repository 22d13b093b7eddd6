/* SPDX-License-Identifier: MIT
 *
 * Packets of the simulated kernel: connected sockets that keep the boundaries of what was sent.
 *
 * Happy path: each send becomes one segment in the peer's queue, also an empty one; a receive takes
 *             exactly one, or looks at it.
 * Fails:      as Linux 6.18: EMSGSIZE when a packet can never fit, EAGAIN when the charge is at the
 *             budget; unlike bytes, a peer that closes with unread packets gives one ECONNRESET
 *             first, to whatever is tried, then our packets, then the end.
 * Invariants: a packet arrives whole, once and in order; what does not fit the receiver's memory is
 *             lost with the packet's end.
 */
#include "sim_stream.h"

#include "leat/leat.h"

#include <errno.h>
#include <string.h>

#define PACKET_EXTRA 32u              /* of a buffer, what the largest packet leaves free */
#define PACKET_HEAD_MAX 16064u        /* this much lies in one piece; then come pages */
#define PACKET_PAGES_MAX (17u * 4096) /* and when they are full, the piece grows */

static uint32_t packet_limit(const struct sim_object *stream)
{
    uint32_t budget = stream->stream.budget;
    return budget > PACKET_EXTRA ? budget - PACKET_EXTRA : 0;
}

/* What the kernel charges: the sk_buff, its head with the shared info, its pages. Where plain bytes
 * are counted an empty packet counts as one, or there would be no bound to them. */
static uint32_t packet_charge(const struct sim_object *stream, uint32_t size)
{
    if (sim_stream_plain(stream))
        return size > 0 ? size : 1;
    uint32_t pages = size > PACKET_HEAD_MAX ? (size - PACKET_HEAD_MAX + 4095) / 4096 * 4096 : 0;
    if (pages > PACKET_PAGES_MAX)
        pages = PACKET_PAGES_MAX;
    uint32_t needed = (size - pages + 63) / 64 * 64 + 320;
    uint32_t head = 512;
    while (head < needed)
        head *= 2;
    return 256 + head + pages;
}

static int64_t packet_prepare(struct sim_object *object, size_t want)
{
    uint32_t most = sim_world.options.buffer_bytes_max;
    object->stamped = true;
    if (packet_limit(object) < want) {
        size_t wanted = want < most ? want + PACKET_EXTRA : most;
        object->stream.budget = 2 * (wanted < most ? (uint32_t)wanted : most);
        if (object->kind != SIM_LISTENER && (sim_stream_mask(object) & LTI_OS_OUT))
            sim_poll_wake(object, LTI_OS_OUT);
    }
    return packet_limit(object);
}

int64_t lti_os_packets(int fd, size_t want)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    if (object)
        result = packet_prepare(object, want);
    return sim_leave("packets", fd, (int64_t)want, result);
}

/* An error that waits is told to whoever comes first, once. */
static bool packet_was_reset(struct sim_object *stream)
{
    bool reset = stream->stream.state.reset;
    stream->stream.state.reset = false;
    return reset;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* The first packet, or null and why there is none: *result_out is 0 at the end. */
static const struct sim_segment *packet_first(struct sim_object *stream, int64_t *result_out)
{
    const struct sim_segment *first = stream->stream.first;
    *result_out = 0;
    if (packet_was_reset(stream)) {
        *result_out = sim_fail(ECONNRESET);
    } else if (!first || !first->arrived) {
        if (!stream->stream.state.no_read)
            *result_out = sim_fail(EAGAIN);
    } else if (sim_fault(sim_world.options.faults.again)) {
        sim_action_add(SIM_EDGE, stream, sim_delay());
        *result_out = sim_fail(EAGAIN);
    } else {
        return first;
    }
    return NULL;
}

static void packet_copy(struct sim_object *stream, void *buffer, size_t size, bool stays)
{
    const struct sim_segment *first = stream->stream.first;
    size_t piece = first->size < size ? first->size : size;
    if (piece > 0)
        memcpy(buffer, first->data, piece);
    if (!stays && sim_stream_remove_first(stream))
        sim_poll_wake(stream->stream.peer, LTI_OS_OUT);
}

static int64_t packet_recv(struct sim_object *stream, void *buffer, size_t size,
                           struct lti_os_came *came, uint32_t *flags)
{
    bool stays = (*flags & LTI_OS_PACKET_PEEK) != 0;
    int64_t result = 0;
    *flags = 0;
    if (came)
        came->count = 0;
    const struct sim_segment *first = packet_first(stream, &result);
    if (first) {
        result = first->size;
        if (stays ? first->descriptors > 0 : !sim_stream_came(stream->stream.first, came))
            *flags = LTI_OS_PACKET_CUT;
        packet_copy(stream, buffer, size, stays);
    }
    if (result == 0 && !(first && stream->stamped))
        *flags |= LTI_OS_PACKET_END;
    return result;
}

int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *stream = sim_stream_find(fd, &result, ENOTCONN);
    if (stream && !stream->packets) {
        sim_misuse("a packet is asked of a stream of bytes");
        result = sim_fail(EINVAL);
    } else if (stream && sim_fault(sim_world.options.faults.interrupt)) {
        result = sim_fail(EINTR);
    } else if (stream) {
        result = packet_recv(stream, buffer, size, came_out, flags);
    }
    return sim_leave("recv_packet", fd, (int64_t)size, result);
}

int64_t sim_packet_recv(struct sim_object *stream, void *buffer, size_t size, uint32_t *flags)
{
    bool plain = (*flags & LTI_OS_RECV_PLAIN) != 0;
    int64_t result = 0;
    *flags = 0;
    const struct sim_segment *first = packet_first(stream, &result);
    if (!first)
        return result;
    result = first->size < size ? first->size : (int64_t)size;
    packet_copy(stream, buffer, size, false);
    if (stream->stamped && !plain)
        *flags = LTI_OS_RECV_MORE | LTI_OS_RECV_CUT; /* there was no room for the stamp */
    return result;
}

/* ---- Sending --------------------------------------------------------------------------------- */

int64_t sim_packet_send(struct sim_object *stream, const struct leat_slice *slices, size_t count)
{
    size_t total = 0;
    count = count > LEAT_SLICES_MAX ? LEAT_SLICES_MAX : count;
    for (size_t i = 0; i < count; i++)
        total += slices[i].size;
    if (!stream->stream.peer && stream->delayed)
        sim_stream_reveal_all(stream); /* the error gives away that the peer has gone */
    if (packet_was_reset(stream))
        return sim_fail(ECONNRESET);
    if (total > packet_limit(stream))
        return sim_fail(EMSGSIZE);
    if (!stream->stream.peer || stream->stream.state.no_write)
        return sim_fail(EPIPE);
    if (sim_fault(sim_world.options.faults.again)) {
        sim_action_add(SIM_EDGE, stream, sim_delay());
        return sim_fail(EAGAIN);
    }
    if (stream->stream.charged >= stream->stream.budget)
        return sim_fail(EAGAIN);
    uint32_t size = (uint32_t)total;
    struct sim_segment *segment = sim_stream_append(stream, size, packet_charge(stream, size));
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (slices[i].size > 0)
            memcpy(segment->data + used, slices[i].data, slices[i].size);
        used += slices[i].size;
    }
    return (int64_t)total;
}
