/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, connection side: connect, read, write, half-close, adopt.
 *
 * Happy path: the system call is tried at once; a read that fills less than its buffer has
 *             drained the socket, and the next edge will tell of more. Where the system may end a
 *             read early (descriptors, out-of-band data, the end), it is asked once more.
 * Fails:      EAGAIN asks the poller to report the present state again, unless it watches for
 *             room already, so that an edge that came too early is never lost; interrupted calls
 *             are repeated a bounded number of times.
 * Invariants: interest in room exists only from write_start on, and goes when an edge for it
 *             comes while nothing is to be written.
 */
#include "port_posix.h"

/* A read that is not filled has drained the socket, and another one is saved. */
#define READ_SPARE 8u

/* OK: *result_out is what connecting said; else it was not tried. */
static enum leat_error link_connect(struct lti_link *link, const struct lti_address *address,
                                    const struct lti_access *access, int64_t *result_out,
                                    struct os_code *code_out)
{
    struct lti_path path;
    lti_path_of(address, &path);
    if (!address->guarded && !lti_path_is_abstract(&path))
        return lti_path_connect_judged(lti_link_fd(link), &path, access, result_out, code_out);
    *result_out = lti_path_connect(lti_link_fd(link), &path);
    /* A server whose name was taken over may have closed after it was found and before it was
     * reached: then the other one is there now. */
    if (lti_os_kind_of(*result_out) == LTI_OS_REFUSED && !lti_path_is_abstract(&path))
        *result_out = lti_path_connect(lti_link_fd(link), &path);
    return LEAT_OK;
}

enum leat_error lti_port_connect(struct lti_port *port, struct lti_link *link,
                                 const struct lti_address *address, const struct lti_access *access,
                                 bool packets, struct os_code *code_out)
{
    if (link->handle < 0) {
        int64_t fd = lti_os_socket(packets);
        if (fd < 0)
            return lti_port_error(fd, code_out);
        link->handle = (intptr_t)fd;
        link->flags |= lti_os_sockets_plain() ? LTI_LINK_PLAIN : 0;
    }
    int64_t result = 0;
    enum leat_error tried = link_connect(link, address, access, &result, code_out);
    if (tried != LEAT_OK)
        return tried;
    enum leat_error error = lti_port_error(result, code_out);
    switch (lti_os_kind_of(result)) {
    case LTI_OS_NONE:
    case LTI_OS_IS_CONNECTED: /* an interrupted attempt had worked */
        code_out->kind = LTI_OS_NONE;
        code_out->raw = 0;
        return lti_link_watch(port, link, code_out);
    case LTI_OS_AGAIN: /* the backlog is full: later, never pending */
    case LTI_OS_INTERRUPTED:
    case LTI_OS_IN_PROGRESS:
        return LEAT_E_BUSY;
    case LTI_OS_NOT_SOCKET:
    case LTI_OS_WRONG_TYPE: /* something else listens there */
        return LEAT_E_REFUSED;
    default:
        return error;
    }
}

static void unasked_came(struct lti_link *link, const struct lti_os_came *came, bool cut)
{
    lti_unasked_put_all(lti_link_unasked(link), came);
    if (cut)
        lti_unasked_scarce(lti_link_unasked(link));
}

/* Where the system lets descriptors through, they are taken, so that they are closed elsewhere. */
static int64_t recv_unasked(struct lti_link *link, void *buffer, size_t size, uint32_t *flags)
{
    struct lti_os_came came;
    if (lti_unasked_may_come(lti_link_unasked(link))) {
        *flags = 0;
        int64_t result = lti_os_recv(lti_link_fd(link), buffer, size, &came, flags);
        if (result >= 0)
            unasked_came(link, &came, (*flags & LTI_OS_RECV_CUT) != 0);
        return result;
    }
    *flags = LTI_OS_RECV_PEEK;
    int64_t result = lti_os_recv(lti_link_fd(link), buffer, size, 0, flags);
    if (result <= 0 || (*flags & LTI_OS_RECV_CUT))
        return result;
    *flags = LTI_OS_RECV_PLAIN; /* nothing comes along with what was looked at */
    return lti_os_recv(lti_link_fd(link), buffer, (size_t)result, 0, flags);
}

static int64_t recv_once(struct lti_link *link, void *buffer, size_t size, uint32_t *flags)
{
    if (!(link->flags & LTI_LINK_PLAIN))
        return recv_unasked(link, buffer, size, flags);
    if (lti_link_held(link))
        return lti_ring_recv(link, buffer, size, flags);
    *flags = LTI_OS_RECV_PLAIN;
    int64_t result = lti_os_recv(lti_link_fd(link), buffer, size, 0, flags);
    if (link->flags & LTI_LINK_LARGE)
        lti_ring_learn(link, result);
    return result;
}

size_t lti_port_expect(struct lti_link *link, size_t size)
{
    (void)link;
    return size + READ_SPARE;
}

enum leat_error lti_port_read(struct lti_link *link, void *buffer, size_t size, size_t *size_out,
                              bool *more_out, struct os_code *code_out)
{
    uint32_t flags = 0;
    int64_t result = 0;
    int tries = 0;
    do {
        result = recv_once(link, buffer, size, &flags);
    } while (lti_os_kind_of(result) == LTI_OS_INTERRUPTED && ++tries < LTI_RETRIES_MAX);
    if (result >= 0 && (flags & LTI_OS_RECV_CUT))
        return LEAT_E_PROTOCOL;
    if (result > 0) {
        *size_out = (size_t)result;
        *more_out =
            (size_t)result == size || (flags & LTI_OS_RECV_MORE) || (link->flags & LTI_LINK_UNSURE);
        return LEAT_OK;
    }
    if (result == 0)
        return LEAT_E_FINISHED;
    return lti_port_error(result, code_out);
}

enum leat_error lti_port_read_block(struct lti_link *link, void **block, size_t size,
                                    size_t *size_out, bool *more_out, struct os_code *code_out)
{
    return lti_port_read(link, *block, size, size_out, more_out, code_out);
}

enum leat_error lti_port_write(struct lti_link *link, const struct leat_slice *slices, size_t count,
                               size_t *size_out, struct os_code *code_out)
{
    int64_t result = lti_os_send(lti_link_fd(link), slices, count);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_send(lti_link_fd(link), slices, count);
    if (result > 0) {
        *size_out = (size_t)result;
        return LEAT_OK;
    }
    if (result == 0)
        return LEAT_E_FULL;
    enum leat_error error = lti_port_error(result, code_out);
    /* A kernel short of memory frees some: that is no reason to lose a connection. */
    if (error == LEAT_E_EMPTY)
        return LEAT_E_FULL;
    return error;
}

enum leat_error lti_port_write_start(struct lti_port *port, struct lti_link *link, const void *data,
                                     size_t size, bool *done_out, size_t *written_out,
                                     struct os_code *code_out)
{
    /* Sockets report readiness: the memory is not kept, and the completion says 0 bytes. */
    (void)data;
    (void)size;
    *done_out = false;
    *written_out = 0;
    /* Each write that finds too little room is followed by an edge when there is some. */
    if (link->flags & LTI_LINK_OUT) {
        link->flags |= LTI_LINK_WRITING;
        return LEAT_OK;
    }
    int64_t result =
        lti_os_poller_modify(port->poller, lti_link_fd(link), LTI_OS_IN | LTI_OS_OUT, link->cookie);
    if (result < 0)
        return lti_poller_error(result, code_out);
    link->flags |= LTI_LINK_WRITING | LTI_LINK_OUT;
    return LEAT_OK;
}

/* Larger ones a socket refuses for ever, whatever its buffer would hold. */
#define PACKET_BYTES_MAX (INT64_C(4) * 1024 * 1024)

enum leat_error lti_port_packets(struct lti_link *link, uint32_t *bytes, struct os_code *code_out)
{
    int64_t most = lti_os_packets(lti_link_fd(link), *bytes);
    if (most < 0)
        return lti_poller_error(most, code_out);
    if (most > PACKET_BYTES_MAX)
        most = PACKET_BYTES_MAX;
    if (most < *bytes)
        *bytes = (uint32_t)most;
    return LEAT_OK;
}

/* A peer that closes over packets it has not read breaks the connection: that is told first, once,
 * and only then comes what he had sent. */
static int64_t packet_recv(struct lti_link *link, void *buffer, size_t size, uint32_t *flags)
{
    uint32_t asked = *flags;
    int64_t result = 0;
    int tries = 0;
    struct lti_os_came came;
    bool takes = lti_link_unasked(link) && !(asked & LTI_OS_PACKET_PEEK);
    do {
        *flags = asked;
        result = lti_os_recv_packet(lti_link_fd(link), buffer, size, takes ? &came : 0, flags);
        if (takes && result >= 0)
            unasked_came(link, &came, (*flags & LTI_OS_PACKET_CUT) != 0);
        if (lti_os_kind_of(result) == LTI_OS_RESET)
            link->flags |= LTI_LINK_BROKEN;
    } while (
        (lti_os_kind_of(result) == LTI_OS_INTERRUPTED || lti_os_kind_of(result) == LTI_OS_RESET) &&
        ++tries < LTI_RETRIES_MAX);
    return result;
}

/* Why there is no packet. */
static enum leat_error packet_none(const struct lti_link *link, int64_t result,
                                   struct os_code *code_out)
{
    enum leat_error error = result < 0 ? lti_port_error(result, code_out) : LEAT_E_FINISHED;
    bool over = error == LEAT_E_EMPTY || error == LEAT_E_FINISHED;
    if (!over || !(link->flags & LTI_LINK_BROKEN))
        return error;
    *code_out = (struct os_code){LTI_OS_RESET, 0};
    return LEAT_E_BROKEN;
}

enum leat_error lti_port_read_packet(struct lti_link *link, void *buffer, size_t size,
                                     size_t *size_out, bool *whole_out, bool *more_out,
                                     struct os_code *code_out)
{
    const struct lti_unasked *unasked = lti_link_unasked(link);
    bool stuck = unasked && !lti_unasked_may_come(unasked);
    uint32_t flags = LTI_OS_PACKET_PEEK;
    *size_out = 0;
    /* What does not fit would be lost: so its size is asked for first. */
    bool look = buffer || stuck;
    int64_t result = look ? packet_recv(link, 0, 0, &flags) : 0;
    if (stuck && result >= 0 && (flags & LTI_OS_PACKET_CUT))
        return LEAT_E_PROTOCOL;
    if (buffer && result > (int64_t)size) {
        *size_out = (size_t)result;
        return LEAT_E_TOO_BIG;
    }
    if (result >= 0 && (!look || !(flags & LTI_OS_PACKET_END))) {
        flags = 0;
        result = packet_recv(link, buffer, size, &flags);
    }
    if (result < 0 || (flags & LTI_OS_PACKET_END))
        return packet_none(link, result, code_out);
    if (flags & LTI_OS_PACKET_CUT)
        return LEAT_E_PROTOCOL;
    if (buffer && result > (int64_t)size)
        return LEAT_E_BROKEN; /* somebody else reads here too */
    *size_out = (size_t)result;
    *whole_out = true;
    *more_out = true; /* until a read finds nothing */
    return LEAT_OK;
}

enum leat_error lti_port_write_packet(struct lti_link *link, const struct leat_slice *packet,
                                      struct os_code *code_out)
{
    int64_t result = lti_os_send(lti_link_fd(link), packet, 1);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_send(lti_link_fd(link), packet, 1);
    if (result >= 0)
        return LEAT_OK;
    enum leat_error error = lti_port_error(result, code_out);
    if (error == LEAT_E_BROKEN)
        link->flags |= LTI_LINK_BROKEN; /* it is told once: reading would not hear of it */
    return error == LEAT_E_EMPTY ? LEAT_E_FULL : error;
}

bool lti_port_write_recall(struct lti_link *link)
{
    link->flags &= ~LTI_LINK_WRITING;
    return true;
}

enum leat_error lti_port_finish(struct lti_link *link, struct os_code *code_out)
{
    int64_t result = lti_os_shutdown_write(lti_link_fd(link));
    /* A peer that has gone does not need to be told. */
    if (lti_os_kind_of(result) == LTI_OS_NOT_CONNECTED)
        return LEAT_OK;
    return lti_port_error(result, code_out);
}

bool lti_port_one_way(intptr_t handle)
{
    (void)handle;
    return false;
}

enum leat_error lti_port_adopt(struct lti_port *port, struct lti_link *link, intptr_t handle,
                               bool listener, bool packets, struct os_code *code_out)
{
    struct lti_os_socket_facts facts;
    if (handle < 0 || handle > INT32_MAX)
        return LEAT_E_HANDLE;
    int64_t result = lti_os_socket_facts((int)handle, &facts);
    if (result < 0) {
        enum leat_error error = lti_port_error(result, code_out);
        return error == LEAT_E_SYSTEM ? LEAT_E_HANDLE : error;
    }
    bool kind = packets ? facts.unix_packets : facts.unix_stream;
    if (!kind || facts.listening != listener || (!listener && !facts.connected))
        return LEAT_E_HANDLE;
    link->handle = handle;
    link->flags |= LTI_LINK_ADOPTED;
    enum leat_error error = lti_link_watch(port, link, code_out);
    if (error == LEAT_OK) {
        result = lti_os_set_flags((int)handle);
        error = lti_port_error(result, code_out);
        if (error != LEAT_OK)
            (void)lti_os_poller_remove(port->poller, (int)handle);
    }
    /* Who else has it may allow them again; so reading stays on its guard. */
    if (error == LEAT_OK && result > 0)
        link->flags |= LTI_LINK_REFUSES;
    if (error != LEAT_OK) {
        link->handle = -1;
        link->state = 0;
        link->flags = 0;
    }
    return error;
}

enum leat_error lti_port_pair(bool packets, intptr_t handles_out[2], struct os_code *code_out)
{
    int fds[2];
    int64_t result = lti_os_socketpair(packets, fds);
    if (result < 0)
        return lti_port_error(result, code_out);
    handles_out[0] = fds[0];
    handles_out[1] = fds[1];
    return LEAT_OK;
}
