/* SPDX-License-Identifier: MIT
 *
 * Connected streams: bytes on their way, and how a stream ends.
 *
 * Happy path: a send becomes segments in the peer's queue, charged to the sender until the peer has
 *             read them; a recv takes what is visible.
 * Fails:      as Linux 6.18: EAGAIN when the charge is at the budget, EPIPE when the peer has
 *             closed; a peer that closes with unread bytes gives our data first, one ECONNRESET,
 *             then the end.
 * Invariants: bytes arrive once and in order, and the end after all bytes; what the delay fault
 *             hides shows up by a pending action, or at once when a call would give it away.
 */
#include "sim_stream.h"

#include "leat/leat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEND_CHUNK_MAX 36544u /* one sk_buff: 3776 bytes in line and eight pages */
#define PLAIN_BUDGET 4608u    /* below the kernel's smallest buffer plain bytes are counted */

void sim_stream_join(struct sim_object *a, struct sim_object *b)
{
    a->stream.peer = b;
    b->stream.peer = a;
}

static uint32_t kernel_rounded(uint32_t size)
{
    uint32_t rounded = 512;
    while (rounded < size)
        rounded *= 2;
    return rounded;
}

/* What the kernel charges for one send: the sk_buff, its head with the shared info, its pages. */
static uint32_t stream_charge(const struct sim_object *stream, uint32_t size)
{
    if (sim_stream_plain(stream))
        return size;
    uint32_t pages = size > 3776 ? (size - 3776 + 4095) / 4096 * 4096 : 0;
    uint32_t head = size > pages ? size - pages : 0;
    return 256 + kernel_rounded((head + 63) / 64 * 64 + 320) + pages;
}

bool sim_stream_plain(const struct sim_object *stream)
{
    return stream->stream.budget < PLAIN_BUDGET;
}

static bool stream_writable(const struct sim_object *stream)
{
    uint32_t charged = stream->stream.charged;
    if (sim_stream_plain(stream))
        return charged < stream->stream.budget;
    return (uint64_t)charged * 4 <= stream->stream.budget;
}

uint32_t sim_stream_mask(const struct sim_object *stream)
{
    const struct sim_state *state = &stream->stream.state;
    const struct sim_segment *first = stream->stream.first;
    uint32_t mask = stream_writable(stream) ? LTI_OS_OUT : 0;
    if (first && first->arrived && (stream->packets || first->shown > first->taken))
        mask |= LTI_OS_IN;
    if (state->reset)
        mask |= LTI_OS_ERROR;
    if (state->no_read)
        mask |= LTI_OS_IN | LTI_OS_READ_HANGUP;
    if (state->no_read && state->no_write)
        mask |= LTI_OS_HANGUP;
    return mask;
}

bool sim_stream_delays(struct sim_object *object)
{
    if (!object->delayed && sim_fault(sim_world.options.faults.delay)) {
        object->delayed = true;
        sim_action_add(SIM_REVEAL, object, sim_delay());
    }
    return object->delayed;
}

static void state_join(struct sim_state *state, const struct sim_state *more)
{
    state->no_read |= more->no_read;
    state->no_write |= more->no_write;
    state->reset |= more->reset;
}

/* Something ends at the far end: seen behind the bytes that are still on their way. */
static void stream_tell(struct sim_object *stream, struct sim_state news)
{
    if (sim_stream_delays(stream)) {
        state_join(&stream->stream.hidden, &news);
        return;
    }
    state_join(&stream->stream.state, &news);
    sim_poll_wake(stream, 0);
}

void sim_stream_reveal_all(struct sim_object *stream)
{
    for (struct sim_segment *it = stream->stream.first; it; it = it->next) {
        it->arrived = true;
        it->shown = it->size;
    }
    state_join(&stream->stream.state, &stream->stream.hidden);
    stream->stream.hidden = (struct sim_state){false, false, false};
    stream->delayed = false;
    sim_poll_wake(stream, 0);
}

void sim_stream_reveal(struct sim_object *stream)
{
    struct sim_segment *it = stream->stream.first;
    struct sim_random *random = &sim_world.delay_random;
    if (!stream->delayed)
        return;
    while (it && it->arrived && it->shown == it->size)
        it = it->next;
    if (!it || sim_random_below(random, 2) == 0) {
        sim_stream_reveal_all(stream);
        return;
    }
    it->arrived = true;
    it->shown += stream->packets ? it->size : 1 + sim_random_below(random, it->size - it->shown);
    sim_action_add(SIM_REVEAL, stream, sim_delay());
    sim_poll_wake(stream, LTI_OS_IN);
}

static void segments_free(struct sim_object *stream)
{
    while (stream->stream.first) {
        struct sim_segment *segment = stream->stream.first;
        stream->stream.first = segment->next;
        free(segment);
    }
    stream->stream.last = NULL;
}

void sim_stream_close(struct sim_object *stream, bool unaccepted)
{
    struct sim_object *peer = stream->stream.peer;
    const struct sim_segment *first = stream->stream.first;
    /* A lone empty packet is not missed: Linux 6.18 takes it for one that was read. */
    bool lost = unaccepted || (first && (first->size > 0 || first->next));
    segments_free(stream);
    stream->stream.peer = NULL;
    if (!peer)
        return;
    peer->stream.peer = NULL;
    peer->stream.charged = 0;
    stream_tell(peer, (struct sim_state){.no_read = true, .no_write = true, .reset = lost});
}

struct sim_object *sim_stream_find(int fd, int64_t *result_out, int otherwise)
{
    struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        *result_out = sim_fail(EBADF);
    else if (object->kind == SIM_STREAM)
        return object;
    else if (object->kind == SIM_SOCKET || object->kind == SIM_LISTENER)
        *result_out = otherwise ? sim_fail(object->packets ? ENOTCONN : otherwise) : 0;
    else
        *result_out = sim_fail(ENOTSOCK);
    return NULL;
}

int64_t lti_os_shutdown_write(int fd)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *stream =
        sim_stream_find(fd, &result, 0); /* not connected is no error here */
    if (!stream)
        return sim_leave("shutdown", fd, 0, result);
    stream->stream.state.no_write = true;
    if (stream->stream.peer)
        stream_tell(stream->stream.peer, (struct sim_state){.no_read = true});
    sim_poll_wake(stream, 0);
    return sim_leave("shutdown", fd, 0, 0);
}

/* A simulated process that forks keeps no copies. */
void lti_os_end_copies(int fd)
{
    (void)fd;
}

/* ---- recv
 * ------------------------------------------------------------------------------------- */

static size_t stream_visible(const struct sim_object *stream, size_t most)
{
    size_t sum = 0;
    for (const struct sim_segment *it = stream->stream.first; it && sum < most; it = it->next) {
        sum += it->shown - it->taken;
        if (it->shown < it->size)
            break;
    }
    return sum < most ? sum : most;
}

bool sim_stream_remove_first(struct sim_object *stream)
{
    struct sim_object *peer = stream->stream.peer;
    struct sim_segment *segment = stream->stream.first;
    if (peer)
        peer->stream.charged -= segment->charge;
    stream->stream.first = segment->next;
    if (!segment->next)
        stream->stream.last = NULL;
    free(segment);
    return peer && stream_writable(peer);
}

static void stream_take(struct sim_object *stream, uint8_t *buffer, size_t size)
{
    bool room = false;
    while (size > 0) {
        struct sim_segment *segment = stream->stream.first;
        uint32_t piece = segment->shown - segment->taken;
        if (piece > size)
            piece = (uint32_t)size;
        memcpy(buffer, segment->data + segment->taken, piece);
        segment->taken += piece;
        buffer += piece;
        size -= piece;
        if (segment->taken == segment->size)
            room = sim_stream_remove_first(stream);
    }
    if (room)
        sim_poll_wake(stream->stream.peer, LTI_OS_OUT);
}

static void stream_look(const struct sim_object *stream, uint8_t *buffer, size_t size)
{
    for (const struct sim_segment *it = stream->stream.first; size > 0; it = it->next) {
        size_t piece = it->shown - it->taken < size ? it->shown - it->taken : size;
        memcpy(buffer, it->data + it->taken, piece);
        buffer += piece;
        size -= piece;
    }
}

bool lti_sim_attach(int fd, uint32_t count)
{
    int64_t result = 0;
    struct sim_object *stream = sim_stream_find(fd, &result, ENOTCONN);
    if (!stream || !sim_world.options.descriptors_pass)
        return false;
    stream->stream.attached = count;
    return true;
}

bool sim_stream_came(struct sim_segment *segment, struct lti_os_came *came)
{
    bool whole = true;
    for (; segment->descriptors > 0; segment->descriptors--) {
        if (came && came->count < LTI_OS_CAME_MAX && !sim_descriptors_full())
            came->fds[came->count++] = (int)sim_descriptor_add(sim_object_new(SIM_EVENT));
        else
            whole = false;
    }
    return whole;
}

/* As bytes are, descriptors are taken by who reads first; a read ends behind the send they came
 * with. */
static size_t stream_came(struct sim_object *stream, size_t visible, struct lti_os_came *came,
                          uint32_t asked, uint32_t *flags)
{
    size_t sum = 0;
    struct sim_segment *it = stream->stream.first;
    while (it && it->descriptors == 0 && sum < visible) {
        sum += it->size - it->taken;
        it = it->next;
    }
    if (!it || sum >= visible)
        return visible;
    if (!(asked & LTI_OS_RECV_PEEK) && sim_stream_came(it, came))
        *flags |= LTI_OS_RECV_MORE;
    else
        *flags |= LTI_OS_RECV_MORE | LTI_OS_RECV_CUT;
    size_t end = sum + it->shown - it->taken;
    return end < visible ? end : visible;
}

static int64_t stream_recv(struct sim_object *stream, void *buffer, size_t size,
                           struct lti_os_came *came, uint32_t *flags)
{
    const struct lti_sim_faults *faults = &sim_world.options.faults;
    uint32_t asked = *flags;
    bool plain = (asked & LTI_OS_RECV_PLAIN) != 0;
    *flags = 0;
    if (came)
        came->count = 0;
    if (size == 0)
        return 0;
    size_t visible = stream_visible(stream, size);
    if (visible == 0) {
        bool reset = stream->stream.state.reset;
        stream->stream.state.reset = false;
        if (reset)
            return sim_fail(ECONNRESET);
        return stream->stream.state.no_read ? 0 : sim_fail(EAGAIN);
    }
    if (sim_fault(faults->again)) {
        sim_action_add(SIM_EDGE, stream, sim_delay());
        return sim_fail(EAGAIN);
    }
    if (visible > 1 && sim_fault(faults->short_read)) {
        visible = 1 + sim_random_below(&sim_world.fault_random, (uint32_t)visible - 1);
        if (!plain && sim_random_below(&sim_world.fault_random, 2) == 0)
            *flags = LTI_OS_RECV_MORE;
        sim_action_add(SIM_EDGE, stream, sim_delay());
    }
    visible = stream_came(stream, visible, came, asked, flags);
    if (plain)
        *flags = 0;
    if (asked & LTI_OS_RECV_PEEK)
        stream_look(stream, buffer, visible);
    else
        stream_take(stream, buffer, visible);
    return (int64_t)visible;
}

bool lti_os_descriptors_left(uint32_t want)
{
    return sim_world.options.descriptors_max - sim_process_now()->open >= want;
}

bool lti_os_sockets_plain(void)
{
    (void)sim_process_now(); /* begins the world */
    return !sim_world.options.descriptors_pass;
}

int64_t lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                    uint32_t *flags)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *stream = sim_stream_find(fd, &result, EINVAL);
    if (stream && sim_fault(sim_world.options.faults.interrupt))
        result = sim_fail(EINTR);
    else if (stream && stream->packets)
        result = sim_packet_recv(stream, buffer, size, flags);
    else if (stream)
        result = stream_recv(stream, buffer, size, came_out, flags);
    return sim_leave("recv", fd, (int64_t)size, result);
}

int64_t lti_os_recv_over(int fd)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *stream = sim_stream_find(fd, &result, 0);
    if (stream) {
        result = stream->stream.first != NULL;
        stream->stream.state.no_read = true;
        if (stream->stream.peer)
            stream_tell(stream->stream.peer, (struct sim_state){.no_write = true});
    }
    return sim_leave("recv_over", fd, 0, result);
}

/* Nothing lingers in this system. */
int64_t lti_os_linger_none(int fd)
{
    sim_enter();
    int64_t result = 0;
    if (sim_socket_find(fd, &result))
        result = 0;
    return sim_leave("linger", fd, 0, result);
}

/* ---- send
 * ------------------------------------------------------------------------------------- */

struct gather { /* a place in an array of slices */
    const struct leat_slice *slices;
    size_t offset;
};

static void gather_copy(struct gather *gather, uint8_t *to, size_t size)
{
    while (size > 0) {
        size_t piece = gather->slices->size - gather->offset;
        if (piece > size)
            piece = size;
        if (piece > 0)
            memcpy(to, (const uint8_t *)gather->slices->data + gather->offset, piece);
        to += piece;
        size -= piece;
        gather->offset += piece;
        if (gather->offset == gather->slices->size) {
            gather->slices++;
            gather->offset = 0;
        }
    }
}

struct sim_segment *sim_stream_append(struct sim_object *stream, uint32_t size, uint32_t charge)
{
    struct sim_object *peer = stream->stream.peer;
    struct sim_segment *segment = malloc(sizeof *segment + size);
    if (!segment)
        sim_fatal("the machine is out of memory");
    *segment = (struct sim_segment){
        .size = size, .charge = charge, .descriptors = stream->stream.attached};
    stream->stream.attached = 0;
    stream->stream.charged += charge;
    if (peer->stream.last)
        peer->stream.last->next = segment;
    else
        peer->stream.first = segment;
    peer->stream.last = segment;
    segment->arrived = !sim_stream_delays(peer);
    segment->shown = segment->arrived ? size : 0;
    if (segment->arrived)
        sim_poll_wake(peer, LTI_OS_IN);
    return segment;
}

static uint32_t stream_put(struct sim_object *stream, struct gather *gather, size_t size)
{
    uint32_t room = stream->stream.budget - stream->stream.charged;
    uint32_t most = sim_stream_plain(stream) ? room : SEND_CHUNK_MAX;
    uint32_t piece = size < most ? (uint32_t)size : most;
    struct sim_segment *segment = sim_stream_append(stream, piece, stream_charge(stream, piece));
    gather_copy(gather, segment->data, piece);
    return piece;
}

static int64_t stream_send(struct sim_object *stream, const struct leat_slice *slices, size_t count)
{
    const struct lti_sim_faults *faults = &sim_world.options.faults;
    struct gather gather = {slices, 0};
    size_t total = 0;
    for (size_t i = 0; i < count && i < LEAT_SLICES_MAX; i++)
        total += slices[i].size;
    if (!stream->stream.peer && stream->delayed)
        sim_stream_reveal_all(stream); /* the error gives away that the peer has gone */
    if (!stream->stream.peer || stream->stream.state.no_write)
        return sim_fail(EPIPE);
    if (total == 0)
        return 0;
    if (sim_fault(faults->again)) {
        sim_action_add(SIM_EDGE, stream, sim_delay());
        return sim_fail(EAGAIN);
    }
    if (total > 1 && sim_fault(faults->short_write)) {
        uint32_t most = total > UINT32_MAX ? UINT32_MAX : (uint32_t)total;
        total = 1 + sim_random_below(&sim_world.fault_random, most - 1);
        sim_action_add(SIM_EDGE, stream, sim_delay());
    }
    size_t sent = 0;
    while (sent < total && stream->stream.charged < stream->stream.budget)
        sent += stream_put(stream, &gather, total - sent);
    return sent > 0 ? (int64_t)sent : sim_fail(EAGAIN);
}

int64_t lti_os_send(int fd, const struct leat_slice *slices, size_t count)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *stream = sim_stream_find(fd, &result, ENOTCONN);
    if (stream && sim_fault(sim_world.options.faults.interrupt))
        result = sim_fail(EINTR);
    else if (stream && stream->packets)
        result = sim_packet_send(stream, slices, count);
    else if (stream)
        result = stream_send(stream, slices, count);
    return sim_leave("send", fd, (int64_t)count, result);
}
