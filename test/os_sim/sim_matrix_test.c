/* SPDX-License-Identifier: MIT
 *
 * The contract as a matrix: each operation on a socket in each state it can be in, of both kinds.
 * Linked, as sim_kernel_test.c is, with the real object and with the simulated kernel.
 *
 * Happy path: a row is one state; its probes are made one after the other, each on a world of its
 *             own, and what they say is compared with the row of sim_matrix.def.
 * Fails:      never by design; what is not as the row says is a failed check, which prints both.
 * Invariants: a difference between the kernels has a line in sim_matrix.def that says why, and is a
 *             failed check once it is gone.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

#include <stdio.h>
#include <string.h>

#ifdef LTI_KERNEL_SIM
#define MATRIX_SIM true
#else
#define MATRIX_SIM false
#endif

#define BLOCK_BYTES 65536u
#define FILL_MAX 100000
#define WORDS_BYTES 600u

/* What a state is made of; `fd` is probed. */
struct world {
    bool packets;
    int fd, peer, listener; /* -1: not there */
    char path[LTI_OS_PATH_MAX + 1], other[LTI_OS_PATH_MAX + 1];
    size_t path_size, other_size;
};

static char block[BLOCK_BYTES];

/* ---- States ---------------------------------------------------------------------------------- */

static size_t path_make(char *path, const char *name)
{
    int length = snprintf(path, LTI_OS_PATH_MAX + 1, "%s/%s", lti_test_folder(), name);
    REQUIRE(length > 0 && length <= LTI_OS_PATH_MAX);
    return (size_t)length;
}

static int64_t send_some(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    return lti_os_send(fd, &slice, 1);
}

static int world_socket(const struct world *world)
{
    int64_t fd = lti_os_socket(world->packets);
    REQUIRE(fd >= 0);
    return (int)fd;
}

static void world_close(int *fd)
{
    if (*fd >= 0)
        CHECK_INT(lti_os_close(*fd), 0);
    *fd = -1;
}

static void state_fresh(struct world *world)
{
    world->fd = world_socket(world);
}

static void state_bound(struct world *world)
{
    state_fresh(world);
    REQUIRE_INT(lti_os_bind(world->fd, world->path, world->path_size), 0);
}

static void state_listening(struct world *world)
{
    state_bound(world);
    REQUIRE_INT(lti_os_listen(world->fd, 1), 0);
}

static void state_called(struct world *world)
{
    state_listening(world);
    world->peer = world_socket(world);
    REQUIRE_INT(lti_os_connect(world->peer, world->path, world->path_size), 0);
}

/* Connected, and nobody has accepted it yet. */
static void state_dialled(struct world *world)
{
    state_called(world);
    world->listener = world->fd;
    world->fd = world->peer;
    world->peer = -1;
}

static void state_orphan(struct world *world)
{
    state_dialled(world);
    world_close(&world->listener);
}

static void state_turned_away(struct world *world)
{
    state_fresh(world);
    REQUIRE_INT(lti_os_kind_of(lti_os_connect(world->fd, world->path, world->path_size)),
                LTI_OS_NOT_FOUND);
}

static void state_accepted(struct world *world)
{
    state_called(world);
    int64_t accepted = lti_os_accept(world->fd);
    REQUIRE(accepted >= 0);
    world->listener = world->fd;
    world->fd = (int)accepted;
}

static void state_paired(struct world *world)
{
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(world->packets, fds), 0);
    world->fd = fds[0];
    world->peer = fds[1];
}

static void state_given(struct world *world)
{
    state_paired(world);
    REQUIRE_INT(send_some(world->peer, "abc", 3), 3);
}

static void state_full(struct world *world)
{
    state_paired(world);
    int count = 0;
    while (count < FILL_MAX && send_some(world->fd, block, 1000) > 0)
        count++;
    REQUIRE(count > 0 && count < FILL_MAX);
}

static void state_left(struct world *world)
{
    state_paired(world);
    world_close(&world->peer);
}

static void state_given_left(struct world *world)
{
    state_given(world);
    world_close(&world->peer);
}

/* It had something of ours that it did not read. */
static void state_left_unread(struct world *world)
{
    state_paired(world);
    REQUIRE_INT(send_some(world->fd, "abc", 3), 3);
    world_close(&world->peer);
}

static void state_given_left_unread(struct world *world)
{
    state_given(world);
    REQUIRE_INT(send_some(world->fd, "abc", 3), 3);
    world_close(&world->peer);
}

static void state_finished(struct world *world)
{
    state_paired(world);
    REQUIRE_INT(lti_os_shutdown_write(world->fd), 0);
}

static void state_peer_finished(struct world *world)
{
    state_paired(world);
    REQUIRE_INT(lti_os_shutdown_write(world->peer), 0);
}

static void state_given_peer_finished(struct world *world)
{
    state_given(world);
    REQUIRE_INT(lti_os_shutdown_write(world->peer), 0);
}

static void state_both_finished(struct world *world)
{
    state_finished(world);
    REQUIRE_INT(lti_os_shutdown_write(world->peer), 0);
}

static void state_finished_left(struct world *world)
{
    state_finished(world);
    world_close(&world->peer);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static int64_t op_send(struct world *world)
{
    return send_some(world->fd, "x", 1);
}

static int64_t op_send_nothing(struct world *world)
{
    return send_some(world->fd, "", 0);
}

static int64_t receive(struct world *world, size_t size, bool peek)
{
    char buffer[8];
    uint32_t flags = peek ? LTI_OS_RECV_PEEK : LTI_OS_RECV_PLAIN;
    if (!world->packets)
        return lti_os_recv(world->fd, buffer, size, NULL, &flags);
    flags = peek ? LTI_OS_PACKET_PEEK : 0;
    int64_t result = lti_os_recv_packet(world->fd, buffer, size, NULL, &flags);
    return result == 0 && (flags & LTI_OS_PACKET_END) ? 1000 : result; /* the end, no empty one */
}

static int64_t op_receive(struct world *world)
{
    return receive(world, 8, false);
}

static int64_t op_receive_part(struct world *world)
{
    return receive(world, 2, false);
}

static int64_t op_peek(struct world *world)
{
    return receive(world, 8, true);
}

static int64_t op_receive_again(struct world *world)
{
    (void)receive(world, 8, false);
    return receive(world, 8, false);
}

static int64_t op_accept(struct world *world)
{
    int64_t fd = lti_os_accept(world->fd);
    if (fd < 0)
        return fd;
    CHECK_INT(lti_os_close((int)fd), 0);
    return 0;
}

static int64_t op_listen(struct world *world)
{
    return lti_os_listen(world->fd, 2);
}

static int64_t op_bind(struct world *world)
{
    int64_t result = lti_os_bind(world->fd, world->other, world->other_size);
    if (result == 0)
        CHECK_INT(lti_os_unlink(world->other), 0);
    return result;
}

static int64_t op_connect(struct world *world)
{
    int listener = world_socket(world);
    REQUIRE_INT(lti_os_bind(listener, world->other, world->other_size), 0);
    REQUIRE_INT(lti_os_listen(listener, 2), 0);
    int64_t result = lti_os_connect(world->fd, world->other, world->other_size);
    world_close(&listener);
    CHECK_INT(lti_os_unlink(world->other), 0);
    return result;
}

static int64_t op_connect_nowhere(struct world *world)
{
    return lti_os_connect(world->fd, world->other, world->other_size);
}

static int64_t op_shutdown(struct world *world)
{
    return lti_os_shutdown_write(world->fd);
}

static int64_t op_shutdown_send(struct world *world)
{
    (void)lti_os_shutdown_write(world->fd);
    return send_some(world->fd, "x", 1);
}

/* Listening 1, connected 2. */
static int64_t op_facts(struct world *world)
{
    struct lti_os_socket_facts facts = {false, false, false, false};
    int64_t result = lti_os_socket_facts(world->fd, &facts);
    CHECK(facts.unix_packets == world->packets && facts.unix_stream != world->packets);
    return result != 0 ? result : (facts.listening ? 1 : 0) + (facts.connected ? 2 : 0);
}

/* 0: it is us. */
static int64_t op_peer(struct world *world)
{
    struct lti_os_peer peer = {0, 0, 0};
    int64_t result = lti_os_peer(world->fd, &peer);
    return result != 0 ? result : peer.uid != lti_os_euid();
}

/* The flags that the poller tells, 0 for none. */
static int64_t poll_told(struct world *world, uint32_t interest, uint32_t turns)
{
    struct lti_os_ready ready[2] = {{0, 0}, {0, 0}};
    int64_t poller = lti_os_poller_create(), count = 0;
    REQUIRE(poller >= 0);
    REQUIRE_INT(lti_os_poller_add((int)poller, world->fd, interest, 7), 0);
    for (uint32_t i = 0; i < turns; i++)
        count = lti_os_poller_wait((int)poller, ready, 2, 0);
    CHECK_INT(lti_os_close((int)poller), 0);
    return count == 1 ? (int64_t)ready[0].flags : count;
}

static int64_t op_poll(struct world *world)
{
    return poll_told(world, LTI_OS_IN | LTI_OS_OUT, 1);
}

static int64_t op_poll_no_interest(struct world *world)
{
    return poll_told(world, 0, 1);
}

static int64_t op_poll_twice(struct world *world)
{
    return poll_told(world, LTI_OS_IN | LTI_OS_OUT, 2);
}

static int64_t op_fstat(struct world *world)
{
    struct lti_os_file file;
    memset(&file, 0, sizeof file);
    int64_t result = lti_os_fstat(world->fd, &file);
    return result != 0 ? result : (int64_t)file.type;
}

/* ---- The matrix ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int64_t (*make)(struct world *world);
} operations[] = {{"send", op_send},
                  {"send-nothing", op_send_nothing},
                  {"receive", op_receive},
                  {"receive-part", op_receive_part},
                  {"receive-again", op_receive_again},
                  {"peek", op_peek},
                  {"accept", op_accept},
                  {"listen", op_listen},
                  {"bind", op_bind},
                  {"connect", op_connect},
                  {"connect-nowhere", op_connect_nowhere},
                  {"shutdown", op_shutdown},
                  {"shutdown-send", op_shutdown_send},
                  {"facts", op_facts},
                  {"peer", op_peer},
                  {"poll", op_poll},
                  {"poll-no-interest", op_poll_no_interest},
                  {"poll-twice", op_poll_twice},
                  {"fstat", op_fstat}};
#define OPERATIONS (sizeof operations / sizeof operations[0])

static const char *const kind_names[] = {
    "none",      "again",       "interrupted", "progress",    "refused",    "missing",
    "not-dir",   "access",      "exists",      "in-use",      "too-long",   "read-only",
    "no-space",  "descriptors", "memory",      "reset",       "pipe",       "aborted",
    "timed-out", "no-socket",   "invalid",     "unsupported", "wrong-type", "unconnected",
    "connected", "io",          "busy",        "cancelled",   "too-big",    "other"};

/* Differences that are known: what the simulated kernel says instead. */
static const struct {
    const char *row, *operation, *sim, *why;
} differences[] = {
#define MATRIX_ROW(kind, state, words)
#define MATRIX_DIFFERS(kind, state, operation, sim, why) {#kind " " #state, operation, sim, why},
#include "sim_matrix.def"
#undef MATRIX_DIFFERS
#undef MATRIX_ROW
    {NULL, NULL, NULL, NULL}};

static void probe(bool packets, void (*state)(struct world *world), size_t operation,
                  char *word_out, size_t size)
{
    struct world world = {.packets = packets, .fd = -1, .peer = -1, .listener = -1};
    world.path_size = path_make(world.path, "s");
    world.other_size = path_make(world.other, "t");
    state(&world);
    int64_t result = operations[operation].make(&world);
    if (result >= 0)
        (void)snprintf(word_out, size, "%lld", (long long)result);
    else
        (void)snprintf(word_out, size, "%s", kind_names[lti_os_kind_of(result)]);
    world_close(&world.fd);
    world_close(&world.peer);
    world_close(&world.listener);
    (void)lti_os_unlink(world.path);
}

/* On the simulated kernel what a known difference says, in the place of what the row says. */
static const char *expected(const char *row, size_t operation, const char *word)
{
    for (size_t i = 0; MATRIX_SIM && differences[i].row != NULL; i++) {
        if (strcmp(differences[i].row, row) == 0 &&
            strcmp(differences[i].operation, operations[operation].name) == 0) {
            CHECK(strcmp(differences[i].sim, word) != 0); /* else it is no difference */
            return differences[i].sim;
        }
    }
    return word;
}

static void row_check(const char *row, bool packets, void (*state)(struct world *world),
                      const char *words)
{
    char here[WORDS_BYTES] = "", due[WORDS_BYTES] = "", word[32], found[32];
    for (size_t i = 0, at = 0; i < OPERATIONS; i++) {
        int length = 0;
        (void)sscanf(words + at, "%31s%n", word, &length);
        REQUIRE(length > 0);
        at += (size_t)length;
        probe(packets, state, i, found, sizeof found);
        size_t end = strlen(here), due_end = strlen(due);
        (void)snprintf(here + end, sizeof here - end, " %s=%s", operations[i].name, found);
        (void)snprintf(due + due_end, sizeof due - due_end, " %s=%s", operations[i].name,
                       expected(row, i, word));
    }
    CHECK_STR(here, due);
}

#define MATRIX_PACKETS_stream false
#define MATRIX_PACKETS_packets true
#define MATRIX_DIFFERS(kind, state, operation, sim, why)
#define MATRIX_ROW(kind, state, words)                                                             \
    TEST(matrix_##kind##_##state)                                                                  \
    {                                                                                              \
        row_check(#kind " " #state, MATRIX_PACKETS_##kind, state_##state, words);                  \
    }
#include "sim_matrix.def"
#undef MATRIX_ROW
#undef MATRIX_DIFFERS

/* Each difference is about a row and an operation that are there, and says why. */
TEST(matrix_differences_have_a_reason)
{
    static const char *const rows[] = {
#define MATRIX_DIFFERS(kind, state, operation, sim, why)
#define MATRIX_ROW(kind, state, words) #kind " " #state,
#include "sim_matrix.def"
#undef MATRIX_ROW
#undef MATRIX_DIFFERS
    };
    CHECK(sizeof rows / sizeof rows[0] * OPERATIONS >= 150);
    for (size_t i = 0; differences[i].row != NULL; i++) {
        bool row = false, operation = false;
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++)
            row = row || strcmp(rows[j], differences[i].row) == 0;
        for (size_t j = 0; j < OPERATIONS; j++)
            operation = operation || strcmp(operations[j].name, differences[i].operation) == 0;
        CHECK(row && operation && strlen(differences[i].why) >= 20);
    }
}
