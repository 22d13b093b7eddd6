/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share, for the Windows port: names, raw peers.
 *
 * Happy path: a raw peer is a handle at the kit's own queue; its reads are given up at once when
 *             nothing is there, its writes keep a copy of what they send until they are over.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: what the system was lent stays until its completion came. Operations and buffers are
 *             memory of the seam's, because a kernel may look whether they are alive.
 */
#include "kit_nt.h"

#include "port_windows.h"
#include "utf16.h"

#include <stdio.h>
#include <string.h>

#define RAW_MAX 128
#define RAW_INSTANCES_MAX 64
#define RAW_READ_BYTES 65536u
#define RAW_QUOTA 65536u
#define RAW_QUOTA_NARROW 256u
#define RAW_SLICE_NS INT64_C(20000000)

/* One operation; completions name it. */
struct raw_op {
    struct lti_os_op os;
    struct raw_op *next;
    int64_t result;
    uint64_t order; /* of all that ended */
    bool pending;
    uint8_t bytes[];
};

struct raw_instance {
    intptr_t handle;
    struct raw_op *listen;
};

struct raw_peer {
    bool used;
    intptr_t handle; /* -1: closed, or a listener */
    struct raw_op *read, *writes;
    struct raw_instance instances[RAW_INSTANCES_MAX];
    uint32_t instance_count, instances_max, flags;
    void *security;
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
};

static struct raw_peer raw_peers[RAW_MAX];
static intptr_t raw_queue = -1;
static uint32_t raw_used;
static uint64_t raw_ended;
static char test_word[17];

/* ---- Beginning and end ----------------------------------------------------------------------- */

#ifdef _WIN32
bool kit_simulated(void)
{
    return false;
}
#else
int64_t lti_test_descriptors_live(void);
static int64_t handles_before;

bool kit_simulated(void)
{
    return true;
}
#endif

void kit_system_begin(void)
{
    uint8_t random[8];
    (void)lti_os_now_ns(); /* a simulated world begins with its first call */
    REQUIRE_INT(lti_os_random(random, sizeof random), sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(test_word + 2 * i, 3, "%02x", random[i]);
#ifndef _WIN32
    handles_before = lti_test_descriptors_live();
#endif
}

void kit_system_end(void)
{
    CHECK_INT(raw_used, 0);
#ifndef _WIN32
    CHECK_INT(lti_test_descriptors_live(), handles_before);
#endif
}

static const char *kit_name(const char *prefix, const char *name)
{
    static char names[16][LTI_OS_PIPE_UNITS_MAX + 1];
    static uint32_t next;
    char *text = names[next++ % 16];
    int size = snprintf(text, sizeof names[0], "%s%s-%s", prefix, name, test_word);
    REQUIRE(size > 0 && (size_t)size < sizeof names[0]);
    return text;
}

const char *kit_plain(const char *name)
{
    return kit_name("", name);
}

const char *kit_path(const char *name)
{
    return kit_name("\\\\.\\pipe\\leat-test-", name);
}

void kit_units(const char *name, uint16_t units_out[LTI_OS_PIPE_UNITS_MAX + 1])
{
    char text[LTI_ADDRESS_TEXT_MAX];
    size_t size = 0;
    REQUIRE_ERROR(leat_resolve(name, text, sizeof text, &size), LEAT_OK);
    REQUIRE(lti_utf16_from_utf8(text, size, units_out, LTI_OS_PIPE_UNITS_MAX + 1) != SIZE_MAX);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static struct raw_op *op_new(size_t size)
{
    struct raw_op *op = lti_os_alloc(sizeof *op + size);
    REQUIRE(op != NULL);
    memset(op, 0, sizeof *op);
    return op;
}

static int64_t op_begun(struct raw_op *op, int64_t result)
{
    op->pending = lti_os_kind_of(result) == LTI_OS_IN_PROGRESS;
    op->result = result;
    if (!op->pending)
        op->order = ++raw_ended;
    return result;
}

/* Takes completions, waiting for the first at most that long. */
static void ops_take(int64_t timeout_ns)
{
    struct lti_os_completion completions[32];
    int64_t count = lti_os_queue_wait(raw_queue, completions, 32, timeout_ns);
    REQUIRE(count >= 0);
    for (int64_t i = 0; i < count; i++) {
        struct raw_op *op = (struct raw_op *)completions[i].op;
        REQUIRE(op != NULL && op->pending);
        op->pending = false;
        op->result = completions[i].result;
        op->order = ++raw_ended;
    }
}

static int64_t op_end(struct raw_op *op)
{
    uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (op->pending && kit_now_ms() < until)
        ops_take(RAW_SLICE_NS);
    REQUIRE(!op->pending);
    return op->result;
}

/* Forgets the writes that are over. */
static void writes_reap(struct raw_peer *peer)
{
    struct raw_op **place = &peer->writes;
    ops_take(0);
    while (*place != NULL) {
        struct raw_op *op = *place;
        if (op->pending) {
            place = &op->next;
            continue;
        }
        *place = op->next;
        lti_os_free(op);
    }
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static struct raw_peer *peer_of(int fd)
{
    REQUIRE(fd >= 0 && fd < RAW_MAX && raw_peers[fd].used);
    return &raw_peers[fd];
}

static int peer_new(intptr_t handle)
{
    int fd = 0;
    while (fd < RAW_MAX && raw_peers[fd].used)
        fd++;
    REQUIRE(fd < RAW_MAX);
    if (raw_used++ == 0) {
        int64_t queue = lti_os_queue_create();
        REQUIRE(queue >= 0);
        raw_queue = (intptr_t)queue;
    }
    raw_peers[fd] = (struct raw_peer){.used = true, .handle = handle};
    return fd;
}

static int peer_add(intptr_t handle)
{
    int fd = peer_new(handle);
    REQUIRE_INT(lti_os_queue_add(raw_queue, handle, false), 0);
    return fd;
}

/* Ends what is under way, and the handle. */
static void peer_shut(struct raw_peer *peer)
{
    if (peer->handle < 0)
        return;
    (void)lti_os_pipe_cancel(peer->handle, NULL);
    CHECK_INT(lti_os_handle_close(peer->handle), 0);
    peer->handle = -1;
    for (struct raw_op *op = peer->writes; op != NULL; op = op->next)
        (void)op_end(op);
    writes_reap(peer);
}

static void instance_shut(struct raw_instance *instance)
{
    (void)lti_os_pipe_cancel(instance->handle, NULL);
    CHECK_INT(lti_os_handle_close(instance->handle), 0);
    (void)op_end(instance->listen);
    lti_os_free(instance->listen);
}

void kit_raw_close(int fd)
{
    struct raw_peer *peer = peer_of(fd);
    peer_shut(peer);
    for (uint32_t i = 0; i < peer->instance_count; i++)
        instance_shut(&peer->instances[i]);
    if (peer->security != NULL)
        lti_os_security_free(peer->security);
    lti_os_free(peer->read);
    peer->used = false;
    if (--raw_used == 0) {
        CHECK_INT(lti_os_handle_close(raw_queue), 0);
        raw_queue = -1;
    }
}

void kit_raw_unlisten(int listener, const char *name)
{
    (void)name; /* it goes with its last instance */
    kit_raw_close(listener);
}

void kit_raw_finish(int fd)
{
    peer_shut(peer_of(fd));
}

intptr_t kit_raw_handle(int fd)
{
    const struct raw_peer *peer = peer_of(fd);
    return peer->handle >= 0 ? peer->handle : peer->instances[0].handle;
}

struct lti_os_pipe_facts kit_raw_facts(int fd)
{
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(kit_raw_handle(fd), &facts), 0);
    return facts;
}

/* ---- Clients --------------------------------------------------------------------------------- */

int64_t kit_raw_open(const char *name)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    kit_units(name, units);
    int64_t handle = lti_os_pipe_open(units);
    return handle < 0 ? handle : peer_add((intptr_t)handle);
}

int kit_raw_connect(const char *name)
{
    int64_t fd = kit_raw_open(name);
    REQUIRE_INT(lti_os_code_of(fd).raw, 0);
    return (int)fd;
}

int kit_raw_connect_packets(const char *name)
{
    int fd = kit_raw_connect(name);
    REQUIRE_INT(lti_os_pipe_read_messages(kit_raw_handle(fd)), 0);
    return fd;
}

uint32_t kit_armed(const char *name)
{
    int fds[64];
    uint32_t count = 0;
    int64_t result = 0;
    while (count < 64 && result >= 0) {
        result = kit_raw_open(name);
        if (result >= 0)
            fds[count++] = (int)result;
    }
    if (result < 0)
        CHECK_INT(lti_os_kind_of(result), LTI_OS_BUSY);
    for (uint32_t i = 0; i < count; i++)
        kit_raw_close(fds[i]);
    return count;
}

/* ---- Servers --------------------------------------------------------------------------------- */

static int64_t instance_open(struct raw_peer *peer, struct raw_instance *instance)
{
    int64_t handle =
        lti_os_pipe_create(peer->name, peer->flags, peer->instances_max, RAW_QUOTA, peer->security);
    if (handle < 0)
        return handle;
    peer->flags &= ~LTI_OS_PIPE_FIRST;
    instance->handle = (intptr_t)handle;
    REQUIRE_INT(lti_os_queue_add(raw_queue, instance->handle, false), 0);
    instance->listen = op_new(0);
    int64_t result =
        op_begun(instance->listen, lti_os_pipe_listen(instance->handle, &instance->listen->os));
    REQUIRE(result >= 0 || instance->listen->pending);
    return 0;
}

int64_t kit_raw_serve(const char *name, uint32_t instances, uint32_t instances_max, uint32_t flags,
                      const char *sddl)
{
    int fd = peer_new(-1);
    struct raw_peer *peer = peer_of(fd);
    REQUIRE(instances <= RAW_INSTANCES_MAX);
    kit_units(name, peer->name);
    peer->flags = flags;
    peer->instances_max = instances_max;
    if (sddl != NULL)
        REQUIRE_INT(lti_os_security_create(sddl, &peer->security), 0);
    while (peer->instance_count < instances) {
        int64_t result = instance_open(peer, &peer->instances[peer->instance_count]);
        if (result < 0) {
            kit_raw_close(fd);
            return result;
        }
        peer->instance_count++;
    }
    return fd;
}

/* A backlog of one lets two in: as many instances as it takes for that. */
static int raw_listen(const char *name, uint32_t backlog, uint32_t flags)
{
    int64_t fd = kit_raw_serve(name, backlog + 1, LTI_OS_PIPE_INSTANCES_MAX + 1,
                               LTI_OS_PIPE_FIRST | flags, kit_sddl(kit_own_sid()));
    REQUIRE_INT(lti_os_code_of(fd).raw, 0);
    return (int)fd;
}

int kit_raw_listen(const char *name, uint32_t backlog)
{
    return raw_listen(name, backlog, 0);
}

int kit_raw_listen_packets(const char *name, uint32_t backlog)
{
    return raw_listen(name, backlog, LTI_OS_PIPE_MESSAGE);
}

static struct raw_instance *instance_first(struct raw_peer *peer)
{
    struct raw_instance *first = NULL;
    for (uint32_t i = 0; i < peer->instance_count; i++) {
        struct raw_instance *instance = &peer->instances[i];
        if (instance->listen->pending)
            continue;
        REQUIRE(instance->listen->result >= 0);
        if (first == NULL || instance->listen->order < first->listen->order)
            first = instance;
    }
    return first;
}

int kit_raw_accept(int listener)
{
    struct raw_peer *peer = peer_of(listener);
    uint64_t until = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct raw_instance *instance;
    ops_take(0);
    while ((instance = instance_first(peer)) == NULL && kit_now_ms() < until)
        ops_take(RAW_SLICE_NS);
    REQUIRE(instance != NULL);
    int fd = peer_new(instance->handle);
    lti_os_free(instance->listen);
    REQUIRE_INT(instance_open(peer, instance), 0);
    return fd;
}

/* Two handles that are connected to each other, on no queue yet. */
static void pipe_pair(uint32_t quota, uint32_t flags, intptr_t *server_out, intptr_t *client_out)
{
    static uint32_t count;
    char word[32];
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    void *security = NULL;
    (void)snprintf(word, sizeof word, "pair-%u", ++count);
    kit_units(kit_path(word), units);
    REQUIRE_INT(lti_os_security_create(kit_sddl(kit_own_sid()), &security), 0);
    int64_t server = lti_os_pipe_create(units, LTI_OS_PIPE_FIRST | flags, 1, quota, security);
    lti_os_security_free(security);
    REQUIRE_INT(lti_os_code_of(server).raw, 0);
    int64_t client = lti_os_pipe_open(units);
    REQUIRE_INT(lti_os_code_of(client).raw, 0);
    struct raw_op *listen = op_new(0);
    REQUIRE_INT(lti_os_pipe_listen((intptr_t)server, &listen->os), 0);
    lti_os_free(listen);
    *server_out = (intptr_t)server;
    *client_out = (intptr_t)client;
}

int kit_raw_pair_of(uint32_t quota, intptr_t *handle_out)
{
    intptr_t server;
    pipe_pair(quota, 0, &server, handle_out);
    return peer_add(server);
}

int kit_raw_pair_packets_of(uint32_t quota, intptr_t *handle_out)
{
    intptr_t server;
    pipe_pair(quota, LTI_OS_PIPE_MESSAGE, &server, handle_out);
    return peer_add(server);
}

int kit_raw_pair_packets(intptr_t *handle_out)
{
    return kit_raw_pair_packets_of(RAW_QUOTA, handle_out);
}

int kit_raw_pair(intptr_t *handle_out)
{
    return kit_raw_pair_of(RAW_QUOTA, handle_out);
}

struct kit_ends kit_pair_narrow(struct leat_hub *hub, const struct leat_conn_options *options)
{
    struct kit_ends ends;
    intptr_t server, client;
    pipe_pair(RAW_QUOTA_NARROW, 0, &server, &client);
    REQUIRE_ERROR(leat_adopt_conn(hub, client, 0, options, &ends.dialled), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(hub, server, 0, options, &ends.accepted), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends.dialled, KIT_SOON_MS), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, ends.accepted, KIT_SOON_MS), LEAT_OK);
    return ends;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static bool raw_send(struct raw_peer *peer, const void *data, size_t size)
{
    struct raw_op *op = op_new(size);
    memcpy(op->bytes, data, size);
    writes_reap(peer);
    struct raw_op **last = &peer->writes;
    while (*last != NULL)
        last = &(*last)->next;
    *last = op;
    int64_t result = op_begun(op, lti_os_pipe_write(peer->handle, op->bytes, size, &op->os));
    bool good = op->pending || result == (int64_t)size;
    writes_reap(peer);
    return good;
}

void kit_raw_send(int fd, const void *data, size_t size)
{
    REQUIRE(raw_send(peer_of(fd), data, size));
}

bool kit_raw_try_packet(int fd, const void *data, size_t size)
{
    return kit_writes_done(fd) && raw_send(peer_of(fd), data, size);
}

bool kit_writes_done(int fd)
{
    struct raw_peer *peer = peer_of(fd);
    writes_reap(peer);
    return peer->writes == NULL;
}

void kit_raw_give_up(int fd)
{
    struct raw_peer *peer = peer_of(fd);
    for (struct raw_op *op = peer->writes; op != NULL; op = op->next) {
        (void)lti_os_pipe_cancel(peer->handle, &op->os);
        CHECK_INT(lti_os_kind_of(op_end(op)), LTI_OS_CANCELLED);
    }
    writes_reap(peer);
}

/* A write cannot be tried: while the last one waits, nothing more fits. */
size_t kit_raw_try_send(int fd, const void *data, size_t size)
{
    if (!kit_writes_done(fd))
        return 0;
    kit_raw_send(fd, data, size);
    return size;
}

/* One read of what is there. `surely`: more of a message is. */
static int64_t raw_read(struct raw_peer *peer, size_t size, bool surely)
{
    if (peer->read == NULL)
        peer->read = op_new(RAW_READ_BYTES);
    struct raw_op *op = peer->read;
    memset(&op->os, 0, sizeof op->os);
    int64_t result =
        op_begun(op, lti_os_pipe_read(peer->handle, op->bytes,
                                      size < RAW_READ_BYTES ? size : RAW_READ_BYTES, &op->os));
    if (!op->pending)
        return result;
    /* Nothing is there, unless something came since. */
    if (!surely)
        (void)lti_os_pipe_cancel(peer->handle, &op->os);
    return op_end(op);
}

int64_t kit_raw_recv_packet(int fd, void *buffer, size_t size)
{
    struct raw_peer *peer = peer_of(fd);
    uint8_t *to = buffer;
    size_t total = 0;
    int64_t result = raw_read(peer, RAW_READ_BYTES, false);
    while (result >= 0) {
        size_t part = (size_t)(result & ~LTI_OS_PIPE_MORE);
        REQUIRE(part <= size - total);
        memcpy(to + total, peer->read->bytes, part);
        total += part;
        if (!(result & LTI_OS_PIPE_MORE))
            return (int64_t)total;
        result = raw_read(peer, RAW_READ_BYTES, true);
    }
    if (lti_os_kind_of(result) == LTI_OS_PIPE)
        return KIT_RAW_END;
    if (lti_os_kind_of(result) == LTI_OS_RESET)
        return KIT_RAW_RESET;
    REQUIRE_INT(lti_os_kind_of(result), LTI_OS_CANCELLED);
    return KIT_RAW_NONE;
}

int64_t kit_raw_recv(int fd, void *buffer, size_t size)
{
    struct raw_peer *peer = peer_of(fd);
    int64_t result = raw_read(peer, size, false);
    switch (lti_os_kind_of(result)) {
    case LTI_OS_NONE:
        result &= ~LTI_OS_PIPE_MORE;
        memcpy(buffer, peer->read->bytes, (size_t)result);
        return result;
    case LTI_OS_PIPE:
        return -1;
    case LTI_OS_RESET:
        return -2;
    default:
        REQUIRE_INT(lti_os_kind_of(result), LTI_OS_CANCELLED);
        return 0;
    }
}
