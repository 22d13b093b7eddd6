/* SPDX-License-Identifier: MIT
 *
 * The contract of packets below the seam; linked, as sim_kernel_test.c is, with the real object and
 * with the simulated kernel.
 *
 * Happy path: each test shows one fact about sockets of packets that the library relies on.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: nothing here knows which kernel it runs on; files are made in the test's folder only.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_LIMIT 212960 /* of the default buffer, 212992, without what each packet costs */
#define ENDED (LTI_OS_IN | LTI_OS_READ_HANGUP | LTI_OS_HANGUP)
#define PEEK LTI_OS_PACKET_PEEK

static char packet_block[2 * DEFAULT_LIMIT];

static int64_t packet_send(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    return lti_os_send(fd, &slice, 1);
}

/* One that is there; flags as lti_os_recv_packet's. */
static int64_t packet_take(int fd, void *buffer, size_t size, uint32_t flags)
{
    int64_t result = lti_os_recv_packet(fd, buffer, size, NULL, &flags);
    if (result >= 0)
        CHECK_INT(flags, 0);
    return result;
}

static void packet_check_end(int fd)
{
    char byte = 0;
    for (int i = 0; i < 2; i++) {
        uint32_t flags = i == 0 ? PEEK : 0;
        CHECK_INT(lti_os_recv_packet(fd, &byte, 1, NULL, &flags), 0);
        CHECK_INT(flags, LTI_OS_PACKET_END);
    }
}

#define CHECK_KIND(result, kind) CHECK_INT(lti_os_kind_of(result), LTI_OS_##kind)
#define CHECK_EMPTY(fd) CHECK_KIND(packet_take((fd), packet_block, 1, 0), AGAIN)

/* A pair with a poller that watches the second of them. */
struct packet_probe {
    int fds[2], poller;
};

static void packet_open(struct packet_probe *probe, uint32_t interest)
{
    REQUIRE_INT(lti_os_socketpair(true, probe->fds), 0);
    for (int i = 0; i < 2; i++)
        REQUIRE_INT(lti_os_packets(probe->fds[i], 1), DEFAULT_LIMIT);
    int64_t poller = lti_os_poller_create();
    REQUIRE(poller >= 0);
    probe->poller = (int)poller;
    REQUIRE_INT(lti_os_poller_add(probe->poller, probe->fds[1], interest, 1), 0);
}

static void packet_close(struct packet_probe *probe, int which)
{
    CHECK_INT(lti_os_close(probe->fds[which]), 0);
    probe->fds[which] = -1;
}

static void packet_close_all(struct packet_probe *probe)
{
    for (int i = 0; i < 2; i++) {
        if (probe->fds[i] >= 0)
            packet_close(probe, i);
    }
    CHECK_INT(lti_os_close(probe->poller), 0);
}

/* The flags of the one event that is there, 0 for none. */
static uint32_t packet_poll(const struct packet_probe *probe)
{
    struct lti_os_ready ready[4];
    int64_t count = lti_os_poller_wait(probe->poller, ready, 4, 0);
    CHECK(count == 0 || count == 1);
    return count == 1 ? ready[0].flags : 0;
}

/* ---- Boundaries ------------------------------------------------------------------------------ */

TEST(packet_boundaries_are_kept)
{
    struct packet_probe probe;
    char buffer[16];
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    const struct leat_slice slices[3] = {{"abc", 3}, {"", 0}, {"defg", 4}};
    CHECK_INT(lti_os_send(fds[0], slices, 3), 7);
    CHECK_INT(packet_send(fds[0], "hi", 2), 2);
    CHECK_INT(packet_take(fds[1], buffer, sizeof buffer, 0), 7);
    CHECK_MEM(buffer, "abcdefg", 7);
    CHECK_INT(packet_take(fds[1], buffer, 2, 0), 2);
    CHECK_MEM(buffer, "hi", 2);
    CHECK_EMPTY(fds[1]);
    CHECK_EMPTY(fds[0]);
    packet_close_all(&probe);
}

TEST(packet_may_be_empty)
{
    struct packet_probe probe;
    char buffer[4];
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    const struct leat_slice slices[2] = {{"", 0}, {"", 0}};
    CHECK_INT(packet_send(fds[0], "", 0), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_IN);
    CHECK_INT(lti_os_send(fds[0], slices, 2), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_IN);
    CHECK_INT(packet_send(fds[0], "a", 1), 1);
    CHECK_INT(packet_send(fds[0], "", 0), 0);
    CHECK_INT(lti_os_close(fds[0]), 0);
    probe.fds[0] = -1;
    CHECK_INT(packet_take(fds[1], NULL, 0, PEEK), 0);
    CHECK_INT(packet_take(fds[1], buffer, 4, 0), 0);
    CHECK_INT(packet_take(fds[1], NULL, 0, 0), 0);
    CHECK_INT(packet_take(fds[1], buffer, 4, 0), 1);
    CHECK_INT(packet_take(fds[1], buffer, 4, 0), 0);
    packet_check_end(fds[1]);
    packet_close_all(&probe);
}

TEST(packet_peek_leaves_it_there)
{
    struct packet_probe probe;
    char buffer[8] = "";
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    CHECK_KIND(packet_take(fds[1], NULL, 0, PEEK), AGAIN);
    CHECK_INT(packet_send(fds[0], "abcdef", 6), 6);
    CHECK_INT(packet_send(fds[0], "next", 4), 4);
    CHECK_INT(packet_take(fds[1], NULL, 0, PEEK), 6);
    CHECK_INT(packet_take(fds[1], buffer, 2, PEEK), 6);
    CHECK_MEM(buffer, "ab\0", 3);
    CHECK_INT(packet_take(fds[1], buffer, 8, PEEK), 6);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 6);
    CHECK_MEM(buffer, "abcdef", 6);
    CHECK_INT(packet_take(fds[1], buffer, 8, PEEK), 4);
    packet_close_all(&probe);
}

TEST(packet_that_does_not_fit_loses_its_rest)
{
    struct packet_probe probe;
    char buffer[8] = "";
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    CHECK_INT(packet_send(fds[0], "abcdef", 6), 6);
    CHECK_INT(packet_send(fds[0], "dropped", 7), 7);
    CHECK_INT(packet_send(fds[0], "next", 4), 4);
    CHECK_INT(packet_take(fds[1], buffer, 2, 0), 6);
    CHECK_MEM(buffer, "ab\0", 3);
    CHECK_INT(packet_take(fds[1], NULL, 0, 0), 7);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 4);
    CHECK_MEM(buffer, "next", 4);
    CHECK_EMPTY(fds[1]);
    packet_close_all(&probe);
}

TEST(packet_without_a_stamp_looks_like_the_end)
{
    int fds[2];
    char byte = 0;
    uint32_t flags = 0;
    REQUIRE_INT(lti_os_socketpair(true, fds), 0);
    CHECK_INT(packet_send(fds[0], "", 0), 0);
    CHECK_INT(packet_send(fds[0], "", 0), 0);
    CHECK_INT(lti_os_recv_packet(fds[1], &byte, 1, NULL, &flags), 0);
    CHECK_INT(flags, LTI_OS_PACKET_END);
    CHECK(lti_os_packets(fds[1], 1) > 0);
    CHECK_INT(packet_take(fds[1], &byte, 1, 0), 0); /* one that was sent before, too */
    CHECK_EMPTY(fds[1]);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}

TEST(packet_read_as_bytes)
{
    struct packet_probe probe;
    char buffer[8];
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t flags = i == 0 ? LTI_OS_RECV_PLAIN : 0;
        CHECK_INT(packet_send(fds[0], "abcdef", 6), 6);
        CHECK_INT(lti_os_recv(fds[1], buffer, 2, NULL, &flags), 2);
        CHECK_INT(flags, i == 0 ? 0 : LTI_OS_RECV_MORE | LTI_OS_RECV_CUT);
        flags = LTI_OS_RECV_PLAIN;
        CHECK_KIND(lti_os_recv(fds[1], buffer, 8, NULL, &flags), AGAIN);
    }
    packet_close_all(&probe);
}

/* ---- Room ------------------------------------------------------------------------------------ */

/* How many packets of one size are accepted unread, when that much room was asked for. */
static void packet_capacity(size_t want, size_t size, int64_t expected)
{
    int fds[2];
    int64_t count = 0, sent = 0;
    REQUIRE_INT(lti_os_socketpair(true, fds), 0);
    REQUIRE(lti_os_packets(fds[0], want) > 0);
    while ((sent = packet_send(fds[0], packet_block, size)) == (int64_t)size && count < 100000)
        count++;
    CHECK_KIND(sent, AGAIN);
    if (!CHECK_INT(count, expected))
        printf("of %zu bytes\n", size);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}

TEST(packet_capacity_is_counted_by_buffers)
{
    static const struct {
        size_t size;
        int64_t count;
    } rows[] = {
        {0, 278},    {1, 278},    {192, 278},  {193, 167},         {704, 167}, {1000, 93},
        {1729, 49},  {3776, 49},  {3777, 26},  {5000, 26},         {8192, 13}, {16064, 13},
        {16065, 11}, {20000, 11}, {32768, 6},  {40000, 6},         {65536, 4}, {85696, 3},
        {85697, 3},  {100000, 3}, {150000, 2}, {DEFAULT_LIMIT, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        packet_capacity(0, rows[i].size, rows[i].count);
    packet_capacity(DEFAULT_LIMIT + 1, 1, 555);
    packet_capacity(DEFAULT_LIMIT + 1, 135000, 3); /* of pages there are at most 17 */
}

TEST(packet_room_comes_back_at_a_quarter)
{
    struct packet_probe probe;
    char byte = 0;
    int64_t taken = 0;
    packet_open(&probe, LTI_OS_OUT);
    const int *fds = probe.fds;
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT);
    while (packet_send(fds[1], &byte, 0) == 0)
        taken++;
    CHECK_INT(taken, 278);
    CHECK_INT(packet_poll(&probe), 0);
    CHECK_INT(packet_take(fds[0], &byte, 1, PEEK), 0);
    CHECK_KIND(packet_send(fds[1], &byte, 1), AGAIN);
    for (taken = 0; taken < 278 && packet_poll(&probe) == 0; taken++)
        CHECK_INT(packet_take(fds[0], &byte, 1, 0), 0);
    CHECK_INT(taken, 209);
    CHECK_INT(packet_take(fds[0], &byte, 1, 0), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT);
    packet_close_all(&probe);
}

/* Checks that a packet of the limit arrives and that a larger one never will. */
static void packet_check_limit(int from, int to, size_t limit)
{
    static char sent[8 * DEFAULT_LIMIT + 1], received[8 * DEFAULT_LIMIT];
    REQUIRE(limit < sizeof sent);
    for (size_t i = 0; i < limit; i++)
        sent[i] = (char)(i * 7 + i / 251);
    CHECK_KIND(packet_send(from, sent, limit + 1), TOO_BIG);
    const struct leat_slice halves[2] = {{sent, limit / 2}, {sent, limit - limit / 2 + 1}};
    CHECK_KIND(lti_os_send(from, halves, 2), TOO_BIG);
    CHECK_EMPTY(to);
    CHECK_INT(packet_send(from, sent, limit), (int64_t)limit);
    CHECK_INT(packet_take(to, NULL, 0, PEEK), (int64_t)limit);
    CHECK_INT(packet_take(to, received, sizeof received, 0), (int64_t)limit);
    CHECK_MEM(received, sent, limit);
}

TEST(packet_larger_than_the_limit_is_refused)
{
    struct packet_probe probe;
    packet_open(&probe, LTI_OS_IN);
    CHECK_INT(lti_os_packets(probe.fds[0], DEFAULT_LIMIT), DEFAULT_LIMIT);
    packet_check_limit(probe.fds[0], probe.fds[1], DEFAULT_LIMIT);
    /* It also is when there is no room, or nobody can read it any more. */
    while (packet_send(probe.fds[0], "", 0) == 0)
        ;
    CHECK_KIND(packet_send(probe.fds[0], packet_block, DEFAULT_LIMIT + 1), TOO_BIG);
    while (packet_take(probe.fds[1], packet_block, 1, 0) == 0)
        ;
    packet_close(&probe, 1);
    CHECK_KIND(packet_send(probe.fds[0], packet_block, DEFAULT_LIMIT + 1), TOO_BIG);
    CHECK_KIND(packet_send(probe.fds[0], "", 0), PIPE);
    packet_close_all(&probe);
}

TEST(packet_limit_grows_when_asked)
{
    struct packet_probe probe;
    packet_open(&probe, LTI_OS_OUT);
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT);
    int64_t limit = lti_os_packets(probe.fds[1], DEFAULT_LIMIT + 1);
    /* Every system allows this much: twice as much as asked for, as it counts itself, too. */
    CHECK(limit >= DEFAULT_LIMIT + 1 && limit <= 2 * (DEFAULT_LIMIT + 64));
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT); /* there is more room now */
    CHECK_INT(lti_os_packets(probe.fds[1], (size_t)limit), limit);
    CHECK_INT(packet_poll(&probe), 0);
    REQUIRE(limit > 0);
    packet_check_limit(probe.fds[1], probe.fds[0], (size_t)limit);
    CHECK_INT(lti_os_packets(probe.fds[0], 0), DEFAULT_LIMIT); /* the other end's is its own */
    limit = lti_os_packets(probe.fds[1], SIZE_MAX);            /* as much as is allowed */
    CHECK(limit >= 2 * 212992 - 32);
    CHECK_INT(lti_os_packets(probe.fds[1], SIZE_MAX), limit);
    packet_close_all(&probe);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

TEST(packet_peer_closed_gives_packets_then_the_end)
{
    struct packet_probe probe;
    char buffer[8];
    packet_open(&probe, LTI_OS_IN | LTI_OS_OUT);
    const int *fds = probe.fds;
    CHECK_INT(packet_send(fds[0], "abc", 3), 3);
    packet_close(&probe, 0);
    CHECK_INT(packet_poll(&probe), ENDED | LTI_OS_OUT);
    CHECK_KIND(packet_send(fds[1], "x", 1), PIPE);
    CHECK_KIND(packet_send(fds[1], "", 0), PIPE);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 3);
    packet_check_end(fds[1]);
    CHECK_KIND(packet_send(fds[1], "x", 1), PIPE);
    packet_close_all(&probe);
}

/* The peer goes with packets unread, after it has sent one. They may be empty, but a lone empty one
 * is missed by some versions of Linux and not by others. */
static void packet_open_reset(struct packet_probe *probe)
{
    packet_open(probe, LTI_OS_IN);
    CHECK_INT(packet_send(probe->fds[1], "", 0), 0);
    CHECK_INT(packet_send(probe->fds[1], "", 0), 0);
    CHECK_INT(packet_send(probe->fds[0], "abc", 3), 3);
    packet_close(probe, 0);
    CHECK_INT(packet_poll(probe), ENDED | LTI_OS_ERROR);
}

TEST(packet_peer_closed_unread_gives_one_reset_first)
{
    char buffer[8];
    for (uint32_t flags = 0; flags <= PEEK; flags++) {
        struct packet_probe probe;
        packet_open_reset(&probe);
        int fd = probe.fds[1];
        CHECK_KIND(packet_take(fd, buffer, 8, flags), RESET); /* bytes would come before it */
        CHECK_INT(packet_poll(&probe), 0);
        CHECK_INT(packet_take(fd, buffer, 8, flags), 3);
        if (flags & PEEK)
            CHECK_INT(packet_take(fd, buffer, 8, 0), 3);
        packet_check_end(fd);
        CHECK_KIND(packet_send(fd, "x", 1), PIPE);
        packet_close_all(&probe);
    }
}

TEST(packet_reset_is_told_to_who_sends)
{
    struct packet_probe probe;
    char buffer[8];
    packet_open_reset(&probe);
    CHECK_KIND(packet_send(probe.fds[1], packet_block, DEFAULT_LIMIT + 1), RESET);
    CHECK_KIND(packet_send(probe.fds[1], "x", 1), PIPE);
    CHECK_INT(packet_take(probe.fds[1], buffer, 8, 0), 3);
    packet_check_end(probe.fds[1]); /* from here on nothing tells that it was no clean end */
    packet_close_all(&probe);
}

TEST(packet_half_close_ends_one_direction)
{
    struct packet_probe probe;
    char buffer[8];
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    CHECK_INT(packet_send(fds[0], "abc", 3), 3);
    CHECK_INT(packet_send(fds[0], "", 0), 0);
    CHECK_INT(lti_os_shutdown_write(fds[0]), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_IN | LTI_OS_READ_HANGUP);
    CHECK_KIND(packet_send(fds[0], "", 0), PIPE);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 3);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 0);
    packet_check_end(fds[1]);
    CHECK_INT(packet_send(fds[1], "late", 4), 4);
    CHECK_INT(packet_take(fds[0], buffer, 8, 0), 4);
    CHECK_INT(lti_os_shutdown_write(fds[1]), 0);
    CHECK_INT(packet_poll(&probe), ENDED);
    packet_check_end(fds[0]);
    packet_close_all(&probe);
}

/* ---- Edges ----------------------------------------------------------------------------------- */

TEST(packet_edges)
{
    struct packet_probe probe;
    char buffer[8];
    packet_open(&probe, LTI_OS_IN);
    const int *fds = probe.fds;
    CHECK_INT(packet_poll(&probe), 0);
    for (int i = 0; i < 2; i++) { /* each arrival is one, though the first was not read */
        CHECK_INT(packet_send(fds[0], "abc", 3), 3);
        CHECK_INT(packet_poll(&probe), LTI_OS_IN);
        CHECK_INT(packet_poll(&probe), 0);
    }
    CHECK_INT(packet_take(fds[1], buffer, 8, PEEK), 3);
    CHECK_INT(packet_poll(&probe), 0);
    CHECK_INT(packet_take(fds[1], buffer, 8, 0), 3);
    CHECK_INT(packet_poll(&probe), 0); /* and that there is one more is none */
    CHECK_INT(lti_os_poller_modify(probe.poller, fds[1], LTI_OS_IN, 1), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_IN);
    CHECK_INT(lti_os_poller_modify(probe.poller, fds[1], LTI_OS_OUT, 1), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT);
    CHECK_INT(packet_send(fds[1], "", 0), 0);
    CHECK_INT(packet_take(fds[0], buffer, 8, PEEK), 0);
    CHECK_INT(packet_poll(&probe), 0);
    CHECK_INT(packet_take(fds[0], buffer, 8, 0), 0);
    CHECK_INT(packet_poll(&probe), LTI_OS_OUT);
    packet_close_all(&probe);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static int packet_socket(bool packets)
{
    int64_t fd = lti_os_socket(packets);
    REQUIRE(fd >= 0);
    return (int)fd;
}

static int packet_bound(bool packets, const char *name, size_t size)
{
    int fd = packet_socket(packets);
    REQUIRE_INT(lti_os_bind(fd, name, size), 0);
    return fd;
}

static size_t packet_path(char path[LTI_OS_PATH_MAX + 1])
{
    int length = snprintf(path, LTI_OS_PATH_MAX + 1, "%s/s", lti_test_folder());
    REQUIRE(length > 0 && length <= LTI_OS_PATH_MAX);
    return (size_t)length;
}

static void packet_close_these(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_INT(lti_os_close(fds[i]), 0);
}

TEST(packet_connect_accept_exchange)
{
    char path[LTI_OS_PATH_MAX + 1], buffer[8];
    size_t size = packet_path(path);
    struct lti_os_socket_facts facts;
    struct lti_os_peer peer = {0, 0, 0};
    int listener = packet_bound(true, path, size);
    REQUIRE_INT(lti_os_listen(listener, 0), 0);
    int client = packet_socket(true);
    int other = packet_socket(true);
    CHECK_INT(lti_os_connect(client, path, size), 0);
    CHECK_KIND(lti_os_connect(client, path, size), AGAIN); /* a full backlog is looked at first */
    CHECK_KIND(lti_os_connect(other, path, size), AGAIN);
    CHECK_INT(packet_send(client, "early", 5), 5);
    CHECK_INT(packet_send(client, "", 0), 0);
    int server = (int)lti_os_accept(listener);
    REQUIRE(server >= 0);
    CHECK_KIND(lti_os_connect(client, path, size), IS_CONNECTED);
    CHECK_INT(lti_os_packets(server, 1), DEFAULT_LIMIT);
    CHECK_INT(packet_take(server, buffer, 8, 0), 5);
    CHECK_INT(packet_take(server, buffer, 8, 0), 0);
    CHECK_EMPTY(server);
    REQUIRE_INT(lti_os_peer(server, &peer), 0);
    CHECK_INT(peer.uid, lti_os_euid());
    REQUIRE_INT(lti_os_socket_facts(server, &facts), 0);
    CHECK(facts.unix_packets && !facts.unix_stream && facts.connected && !facts.listening);
    REQUIRE_INT(lti_os_socket_facts(listener, &facts), 0);
    CHECK(facts.unix_packets && !facts.unix_stream && !facts.connected && facts.listening);
    CHECK_INT(lti_os_connect(other, path, size), 0);
    CHECK_INT(lti_os_close(listener), 0);
    CHECK_KIND(packet_send(other, "x", 1), RESET);
    const int fds[3] = {client, server, other};
    packet_close_these(fds, 3);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(packet_an_accepted_socket_has_no_stamp_of_its_listener)
{
    char path[LTI_OS_PATH_MAX + 1];
    size_t size = packet_path(path);
    uint32_t flags = 0;
    int listener = packet_bound(true, path, size);
    REQUIRE_INT(lti_os_listen(listener, 1), 0);
    CHECK(lti_os_packets(listener, 2 * DEFAULT_LIMIT) >= 2 * DEFAULT_LIMIT);
    int client = packet_socket(true);
    REQUIRE_INT(lti_os_connect(client, path, size), 0);
    CHECK_INT(packet_send(client, "", 0), 0);
    int server = (int)lti_os_accept(listener);
    REQUIRE(server >= 0);
    CHECK_INT(lti_os_recv_packet(server, path, 0, NULL, &flags), 0);
    CHECK_INT(flags, LTI_OS_PACKET_END);
    CHECK_INT(lti_os_packets(server, 1), DEFAULT_LIMIT);
    const int fds[3] = {client, server, listener};
    packet_close_these(fds, 3);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(packet_that_is_not_connected)
{
    char byte = 'x';
    uint32_t flags = 0;
    int fd = packet_socket(true);
    struct lti_os_socket_facts facts;
    CHECK_KIND(packet_take(fd, &byte, 1, 0), NOT_CONNECTED);
    CHECK_KIND(packet_take(fd, &byte, 1, PEEK), NOT_CONNECTED);
    CHECK_KIND(lti_os_recv(fd, &byte, 1, NULL, &flags), NOT_CONNECTED);
    CHECK_KIND(packet_send(fd, &byte, 1), NOT_CONNECTED);
    CHECK_KIND(packet_send(fd, packet_block, DEFAULT_LIMIT + 1), NOT_CONNECTED);
    CHECK_KIND(lti_os_accept(fd), INVALID);
    CHECK_KIND(lti_os_listen(fd, 1), INVALID);
    CHECK_INT(lti_os_shutdown_write(fd), 0);
    CHECK_INT(lti_os_packets(fd, 1), DEFAULT_LIMIT);
    REQUIRE_INT(lti_os_socket_facts(fd, &facts), 0);
    CHECK(facts.unix_packets && !facts.unix_stream && !facts.connected && !facts.listening);
    packet_close_these(&fd, 1);
    int64_t event = lti_os_event_create();
    REQUIRE(event >= 0);
    CHECK_KIND(lti_os_packets((int)event, 1), NOT_SOCKET);
    CHECK_KIND(packet_take((int)event, &byte, 1, 0), NOT_SOCKET);
    CHECK_INT(lti_os_close((int)event), 0);
}

TEST(packet_connect_between_types_is_refused)
{
    char path[LTI_OS_PATH_MAX + 1];
    size_t size = packet_path(path);
    for (int packets = 0; packets < 2; packets++) {
        int bound = packet_bound(packets != 0, path, size);
        const int fds[3] = {bound, packet_socket(packets == 0), packet_socket(packets != 0)};
        CHECK_KIND(lti_os_connect(fds[1], path, size), WRONG_TYPE);
        CHECK_KIND(lti_os_connect(fds[2], path, size), REFUSED); /* the type is looked at first */
        REQUIRE_INT(lti_os_listen(bound, 1), 0);
        CHECK_KIND(lti_os_connect(fds[1], path, size), WRONG_TYPE);
        CHECK_KIND(lti_os_bind(fds[1], path, size), IN_USE);
        CHECK_KIND(lti_os_accept(bound), AGAIN);
        CHECK_INT(lti_os_connect(fds[2], path, size), 0);
        packet_close_these(fds, 3);
        int late = packet_socket(packets == 0);
        CHECK_KIND(lti_os_connect(late, path, size), REFUSED); /* a dead file has no type */
        packet_close_these(&late, 1);
        CHECK_INT(lti_os_unlink(path), 0);
    }
}

TEST(packet_abstract_names_are_one_set_for_each_type)
{
    char name[24] = "\0leat-packet-";
    uint8_t random[4];
    REQUIRE_INT(lti_os_random(random, sizeof random), sizeof random);
    for (size_t i = 0; i < 4; i++)
        name[13 + i] = (char)('a' + random[i] % 26);
    int fds[5] = {packet_bound(true, name, 17), packet_socket(false), -1, packet_socket(false),
                  packet_socket(true)};
    REQUIRE_INT(lti_os_listen(fds[0], 1), 0);
    CHECK_KIND(lti_os_connect(fds[1], name, 17), REFUSED);
    fds[2] = packet_bound(false, name, 17);
    REQUIRE_INT(lti_os_listen(fds[2], 1), 0);
    CHECK_KIND(lti_os_bind(fds[4], name, 17), IN_USE);
    CHECK_INT(lti_os_connect(fds[3], name, 17), 0);
    CHECK_INT(lti_os_connect(fds[4], name, 17), 0);
    for (int i = 0; i < 3; i += 2) {
        int64_t server = lti_os_accept(fds[i]);
        REQUIRE(server >= 0);
        CHECK_INT(lti_os_close((int)server), 0);
    }
    packet_close_these(fds, 5);
}
