/* SPDX-License-Identifier: MIT
 *
 * Simulated Unix-domain sockets, of bytes and of packets: from nothing to connected.
 *
 * Happy path: bind gives a name, listen makes it answer, connect puts a finished stream into the
 *             listener's queue at once, accept takes it out.
 * Fails:      as Linux 6.18 does, which the kernel test checks against the real one: a queue of
 *             more than `backlog` is EAGAIN, a name that nobody listens at ECONNREFUSED, no name
 *             ENOENT, a file of a socket of the other type EPROTOTYPE; abstract names are one set
 *             for each type.
 * Invariants: a stream in a queue has no descriptor; closing the listener resets its client.
 */
#include "sim_kernel.h"

#include "sim_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool socket_interrupted(void)
{
    return sim_fault(sim_world.options.faults.interrupt);
}

static bool socket_is(const struct sim_object *object)
{
    return object->kind == SIM_SOCKET || object->kind == SIM_STREAM || object->kind == SIM_LISTENER;
}

struct sim_object *sim_socket_find(int fd, int64_t *result_out)
{
    struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        *result_out = sim_fail(EBADF);
    else if (!socket_is(object))
        *result_out = sim_fail(ENOTSOCK);
    else
        return object;
    return NULL;
}

size_t lti_os_path_max(void)
{
    return LTI_OS_PATH_MAX;
}

int64_t lti_os_socket(bool packets)
{
    sim_enter();
    if (sim_descriptors_full())
        return sim_leave("socket", packets, 0, sim_fail(EMFILE));
    struct sim_object *object = sim_object_new(SIM_SOCKET);
    object->packets = packets;
    return sim_leave("socket", packets, 0, sim_descriptor_add(object));
}

int64_t lti_os_socketpair(bool packets, int fds_out[2])
{
    sim_enter();
    if (sim_descriptors_full() || sim_process_now()->open + 1 >= sim_world.options.descriptors_max)
        return sim_leave("socketpair", 0, 0, sim_fail(EMFILE));
    struct sim_object *a = sim_object_new(SIM_STREAM);
    struct sim_object *b = sim_object_new(SIM_STREAM);
    a->packets = b->packets = packets;
    a->peer_credentials = b->peer_credentials = a->owner;
    a->peer_groups = b->peer_groups = sim_process_now()->groups;
    sim_stream_join(a, b);
    fds_out[0] = (int)sim_descriptor_add(a);
    fds_out[1] = (int)sim_descriptor_add(b);
    return sim_leave("socketpair", fds_out[0], fds_out[1], 0);
}

static struct sim_object *abstract_find(const char *name, size_t size, bool packets)
{
    struct sim_object *it = sim_world.abstract;
    while (it && (it->packets != packets || it->listener.name_size != size ||
                  memcmp(it->listener.name, name, size) != 0))
        it = it->listener.abstract_next;
    return it;
}

static void abstract_remove(struct sim_object *object)
{
    struct sim_object **place = &sim_world.abstract;
    while (*place && *place != object)
        place = &(*place)->listener.abstract_next;
    if (*place)
        *place = object->listener.abstract_next;
}

static int64_t socket_bind(struct sim_object *object, const char *address, size_t size)
{
    if (size == 0 || size > LTI_OS_PATH_MAX)
        return sim_fail(ENAMETOOLONG);
    if (object->bound)
        return sim_fail(EINVAL);
    if (address[0] != '\0') {
        int64_t result = sim_file_bind(object, address, size);
        object->bound = result == 0;
        return result;
    }
    if (abstract_find(address + 1, size - 1, object->packets))
        return sim_fail(EADDRINUSE);
    memcpy(object->listener.name, address + 1, size - 1);
    object->listener.name_size = size - 1;
    object->listener.abstract_next = sim_world.abstract;
    sim_world.abstract = object;
    object->bound = true;
    return 0;
}

int64_t lti_os_bind(int fd, const char *address, size_t size)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    if (object)
        result = socket_bind(object, address, size);
    return sim_leave("bind", fd, (int64_t)size, result);
}

int64_t lti_os_listen(int fd, uint32_t backlog)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    if (object && (!object->bound || object->kind == SIM_STREAM))
        result = sim_fail(EINVAL);
    if (result == 0) {
        const struct sim_process *process = sim_process_now();
        object->kind = SIM_LISTENER;
        object->owner = (struct lti_os_peer){process->uid, process->gid, process->pid};
        object->owner_groups = process->groups;
        object->listener.backlog = backlog > 4096 ? 4096 : backlog; /* as net.core.somaxconn */
    }
    return sim_leave("listen", fd, backlog, result);
}

static int64_t connect_find(const char *address, size_t size, bool packets,
                            struct sim_object **found_out)
{
    if (size == 0 || size > LTI_OS_PATH_MAX)
        return sim_fail(ENAMETOOLONG);
    if (address[0] != '\0')
        return sim_file_find_socket(address, size, found_out);
    *found_out = abstract_find(address + 1, size - 1, packets);
    return 0;
}

static void queue_add(struct sim_object *listener, struct sim_object *stream)
{
    if (listener->listener.count == listener->listener.capacity) {
        uint32_t capacity = 2 * listener->listener.capacity + 4;
        struct sim_object **queue = realloc(listener->listener.queue, capacity * sizeof *queue);
        if (!queue)
            sim_fatal("the machine is out of memory");
        listener->listener.queue = queue;
        listener->listener.capacity = capacity;
    }
    listener->listener.queue[listener->listener.count++] = stream;
    if (sim_stream_delays(listener))
        return;
    listener->listener.visible = listener->listener.count;
    sim_poll_wake(listener, LTI_OS_IN);
}

/* Whoever was found may be null, or not listen. */
static int64_t socket_connect(struct sim_object *object, struct sim_object *listener)
{
    if (listener && listener->packets != object->packets)
        return sim_fail(EPROTOTYPE); /* also when it does not listen */
    if (!listener || listener->kind != SIM_LISTENER || listener->listener.over)
        return sim_fail(ECONNREFUSED);
    if (listener->listener.count > listener->listener.backlog)
        return sim_fail(EAGAIN);
    if (object->kind == SIM_STREAM)
        return sim_fail(EISCONN);
    if (object->kind == SIM_LISTENER)
        return sim_fail(EINVAL);
    if (sim_fault(sim_world.options.faults.again))
        return sim_fail(EAGAIN);
    const struct sim_process *process = sim_process_now();
    struct sim_object *server = sim_object_new(SIM_STREAM);
    object->kind = SIM_STREAM;
    server->packets = object->packets;
    object->peer_credentials = listener->owner;
    object->peer_groups = listener->owner_groups;
    server->peer_credentials = (struct lti_os_peer){process->uid, process->gid, process->pid};
    server->peer_groups = process->groups;
    server->owner = listener->owner;
    sim_stream_join(object, server);
    sim_poll_wake(object, 0);
    queue_add(listener, server);
    return 0;
}

int64_t lti_os_connect(int fd, const char *address, size_t size)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    struct sim_object *found = NULL;
    if (object && socket_interrupted())
        result = sim_fail(EINTR);
    else if (object)
        result = connect_find(address, size, object->packets, &found);
    if (object && result == 0)
        result = socket_connect(object, found);
    return sim_leave("connect", fd, (int64_t)size, result);
}

int64_t lti_os_connect_node(int fd, int node)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    struct sim_object *found = NULL;
    if (object && socket_interrupted())
        result = sim_fail(EINTR);
    else if (object)
        result = sim_node_find_socket(node, &found);
    if (object && result == 0)
        result = socket_connect(object, found);
    return sim_leave("connect_node", fd, node, result);
}

int64_t lti_os_accept(int fd)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_socket_find(fd, &result);
    if (!object)
        return sim_leave("accept", fd, 0, result);
    if (sim_descriptors_full())
        result = sim_fail(EMFILE);
    else if (object->kind != SIM_LISTENER)
        result = sim_fail(EINVAL);
    else if (socket_interrupted())
        result = sim_fail(EINTR);
    else if (object->listener.visible == 0)
        result = sim_fail(EAGAIN);
    else if (sim_fault(sim_world.options.faults.again)) {
        sim_action_add(SIM_EDGE, object, sim_delay());
        result = sim_fail(EAGAIN);
    }
    if (result < 0)
        return sim_leave("accept", fd, 0, result);
    struct sim_object **queue = object->listener.queue;
    struct sim_object *stream = queue[0];
    object->listener.count--;
    object->listener.visible--;
    memmove(queue, queue + 1, object->listener.count * sizeof *queue);
    return sim_leave("accept", fd, 0, sim_descriptor_add(stream));
}

static bool accept_would_tell(const char *call, int fd)
{
    sim_enter();
    const struct sim_object *object = sim_descriptor_find(fd);
    bool ready = !object || object->kind != SIM_LISTENER || object->listener.visible > 0;
    (void)sim_leave(call, fd, 0, ready);
    return ready;
}

/* Nobody makes a socket of this system a blocking one. */
bool lti_os_accept_ready(int fd)
{
    return accept_would_tell("accept_ready", fd);
}

bool lti_os_accept_more(int fd)
{
    return accept_would_tell("accept_more", fd);
}

void lti_os_listen_over(int fd)
{
    sim_enter();
    struct sim_object *object = sim_descriptor_find(fd);
    if (object && object->kind == SIM_LISTENER)
        object->listener.over = true;
    (void)sim_leave("listen_over", fd, 0, 0);
}

/* This system has neither handles of processes nor labels. */
int64_t lti_os_peer_process(int fd)
{
    sim_enter();
    int64_t result = 0;
    if (sim_socket_find(fd, &result))
        result = sim_fail(ENOPROTOOPT);
    return sim_leave("peer_process", fd, 0, result);
}

int64_t lti_os_peer_label(int fd, char *label_out, size_t size)
{
    sim_enter();
    int64_t result = 0;
    (void)label_out;
    if (sim_socket_find(fd, &result))
        result = sim_fail(ENOPROTOOPT);
    return sim_leave("peer_label", fd, (int64_t)size, result);
}

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *object = sim_socket_find(fd, &result);
    const struct sim_groups *groups = object ? &object->peer_groups : NULL;
    if (object && (object->kind != SIM_STREAM || count < groups->count))
        result = sim_fail(object->kind != SIM_STREAM ? ENODATA : ERANGE);
    if (object && result == 0) {
        for (uint32_t i = 0; i < groups->count; i++)
            groups_out[i] = groups->list[i];
        result = groups->count;
    }
    return sim_leave("peer_groups", fd, (int64_t)count, result);
}

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *object = sim_socket_find(fd, &result);
    /* As SO_PEERCRED: an unconnected socket has the unknown user (uint32_t)-1 and pid 0; one that
     * listens has whoever made it listen. */
    const struct lti_os_peer nobody = {UINT32_MAX, UINT32_MAX, 0};
    if (object && object->kind == SIM_LISTENER)
        *peer_out = object->owner;
    else if (object)
        *peer_out = object->kind == SIM_STREAM ? object->peer_credentials : nobody;
    return sim_leave("peer", fd, 0, result);
}

int64_t lti_os_socket_facts(int fd, struct lti_os_socket_facts *facts_out)
{
    sim_enter();
    /* The one call that may be asked about a number that is not open: adopting does so. */
    const struct sim_object *object = sim_descriptor_look(fd);
    if (!object || !socket_is(object))
        return sim_leave("facts", fd, 0, sim_fail(object ? ENOTSOCK : EBADF));
    facts_out->unix_stream = !object->packets;
    facts_out->unix_packets = object->packets;
    facts_out->listening = object->kind == SIM_LISTENER;
    facts_out->connected = object->kind == SIM_STREAM;
    return sim_leave("facts", fd, 0, 0);
}

int64_t lti_os_set_flags(int fd)
{
    sim_enter();
    const struct sim_object *object = sim_descriptor_find(fd);
    int64_t result = object ? 0 : sim_fail(EBADF);
    if (object && !sim_world.options.descriptors_pass)
        result = 1;
    return sim_leave("flags", fd, 0, result);
}

void sim_socket_close(struct sim_object *object)
{
    if (object->bound) {
        abstract_remove(object);
        sim_file_socket_closed(object);
    }
    if (object->kind == SIM_STREAM)
        sim_stream_close(object, false);
    for (uint32_t i = 0; i < object->listener.count; i++) {
        struct sim_object *stream = object->listener.queue[i];
        stream->closed = true;
        sim_stream_close(stream, true);
        sim_object_drop(stream);
    }
    free(object->listener.queue);
    object->listener.queue = NULL;
    object->listener.count = object->listener.visible = 0;
}

void sim_socket_reveal(struct sim_object *object)
{
    if (object->kind != SIM_LISTENER) {
        sim_stream_reveal(object);
        return;
    }
    object->delayed = false;
    object->listener.visible = object->listener.count;
    sim_poll_wake(object, LTI_OS_IN);
}

uint32_t sim_socket_mask(const struct sim_object *object)
{
    if (object->kind == SIM_STREAM)
        return sim_stream_mask(object);
    if (object->kind == SIM_LISTENER)
        return object->listener.visible > 0 ? LTI_OS_IN : 0;
    return LTI_OS_OUT | LTI_OS_HANGUP; /* as Linux reports a socket that is not connected */
}
