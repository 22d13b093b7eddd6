/* SPDX-License-Identifier: MIT
 *
 * Packets on the simulated kernel under its faults and schedules, and what only its options show.
 *
 * Happy path: clients send packets of all sizes, empty ones too, half-close and wait for the
 *             server's answer; each packet must come whole, once and in order.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world; the harness ends the process after it.
 */
#include "sim_story.h"

#include "leat/leat.h"
#include "sim_kernel.h"

#include <string.h>

#define NAME "/tmp/packets"
#define CLIENTS 4u
#define PACKETS 120u
#define PACKET_MAX 3000u

static struct packet_story { /* of the fibers, whose stacks are not ours */
    uint32_t done, bad, packets, peeks;
    uint64_t bytes;
} packet_story;

/* Every third is empty, so that they come one after the other, first and last. */
static uint32_t packet_size(uint32_t number)
{
    return number % 3 == 0 || number % 8 == 7 ? 0 : number * number * 31 % PACKET_MAX + 1;
}

static uint8_t packet_byte(uint32_t number, uint32_t offset)
{
    return (uint8_t)(number * 17 + offset * 7 + offset / 251);
}

static bool packet_waits(int64_t result)
{
    enum lti_os_kind kind = lti_os_kind_of(result);
    return kind == LTI_OS_AGAIN || kind == LTI_OS_INTERRUPTED;
}

/* A wait may end early by a fault; without one it ends by an edge, or the world is deadlocked. */
static void packet_wait(int poller, int fd, uint32_t interest)
{
    struct lti_os_ready ready[8];
    int64_t result = lti_os_poller_modify(poller, fd, interest, 1);
    if (lti_os_kind_of(result) == LTI_OS_NOT_FOUND)
        result = lti_os_poller_add(poller, fd, interest, 1);
    packet_story.bad += result < 0;
    (void)lti_os_poller_wait(poller, ready, 8, -1);
}

static void packet_send(int poller, int fd, const void *data, uint32_t size)
{
    const struct leat_slice halves[2] = {{data, size / 2},
                                         {(const uint8_t *)data + size / 2, size - size / 2}};
    int64_t result = lti_os_send(fd, halves, 2);
    while (packet_waits(result)) {
        packet_wait(poller, fd, LTI_OS_OUT);
        result = lti_os_send(fd, halves, 2);
    }
    packet_story.bad += result != size;
}

/* The size of the next, -1 at the end. Every second time its size is asked for first. */
static int64_t packet_take(int poller, int fd, uint8_t *buffer, size_t room)
{
    int64_t size = -1;
    for (bool peek = packet_story.peeks++ % 2 == 0;;) {
        uint32_t flags = peek ? LTI_OS_PACKET_PEEK : 0;
        int64_t result = lti_os_recv_packet(fd, buffer, peek ? 0 : room, NULL, &flags);
        if (packet_waits(result)) {
            packet_wait(poller, fd, LTI_OS_IN);
            continue;
        }
        if (result < 0 || flags == LTI_OS_PACKET_END) {
            packet_story.bad += result != 0 || size >= 0;
            return -1;
        }
        packet_story.bad += size >= 0 && size != result;
        size = result;
        if (!peek)
            return size;
        peek = false;
    }
}

static void packet_client(void *argument)
{
    uint8_t data[PACKET_MAX];
    int poller = (int)lti_os_poller_create();
    int fd = (int)lti_os_socket(true);
    (void)argument;
    while (lti_os_connect(fd, NAME, sizeof NAME - 1) < 0)
        lti_sim_sleep(1000000);
    packet_story.bad += lti_os_packets(fd, PACKET_MAX) < PACKET_MAX;
    for (uint32_t number = 0; number < PACKETS; number++) {
        uint32_t size = packet_size(number);
        for (uint32_t i = 0; i < size; i++)
            data[i] = packet_byte(number, i);
        packet_send(poller, fd, data, size);
    }
    packet_story.bad += lti_os_shutdown_write(fd) != 0;
    /* The answer comes after the half-close, and then an empty one. */
    packet_story.bad += packet_take(poller, fd, data, sizeof data) != 6;
    packet_story.bad += memcmp(data, "answer", 6) != 0;
    packet_story.bad += packet_take(poller, fd, data, sizeof data) != 0;
    packet_story.bad += packet_take(poller, fd, data, sizeof data) != -1;
    (void)lti_os_close(fd);
    (void)lti_os_close(poller);
}

static void packet_serve(int poller, int fd)
{
    static uint8_t data[PACKET_MAX];
    uint32_t number = 0;
    int64_t size = 0;
    packet_story.bad += lti_os_packets(fd, PACKET_MAX) < PACKET_MAX;
    while ((size = packet_take(poller, fd, data, sizeof data)) >= 0) {
        packet_story.bad += size != packet_size(number);
        for (uint32_t i = 0; i < size; i++)
            packet_story.bad += data[i] != packet_byte(number, i);
        packet_story.bytes += (uint64_t)size;
        number++;
    }
    packet_story.packets += number;
    packet_send(poller, fd, "answer", 6);
    packet_send(poller, fd, "", 0);
    (void)lti_os_close(fd);
}

static void packet_server(void *argument)
{
    int poller = (int)lti_os_poller_create();
    int listener = (int)lti_os_socket(true);
    (void)argument;
    packet_story.bad += lti_os_bind(listener, NAME, sizeof NAME - 1) != 0;
    packet_story.bad += lti_os_listen(listener, 2) != 0;
    while (packet_story.done < CLIENTS) {
        int64_t fd = lti_os_accept(listener);
        if (fd >= 0) {
            packet_serve(poller, (int)fd);
            packet_story.done++;
        } else {
            packet_wait(poller, listener, LTI_OS_IN);
        }
    }
    (void)lti_os_close(listener);
    (void)lti_os_unlink(NAME);
    (void)lti_os_close(poller);
}

static uint64_t packet_run(const struct lti_sim_options *options)
{
    uint64_t bytes = 0;
    lti_sim_begin(options);
    packet_story = (struct packet_story){0};
    (void)lti_sim_spawn("server", packet_server, NULL);
    for (uint32_t i = 0; i < CLIENTS; i++)
        (void)lti_sim_spawn("client", packet_client, NULL);
    for (uint32_t number = 0; number < PACKETS; number++)
        bytes += packet_size(number);
    CHECK_INT(lti_sim_run(2000000), LTI_SIM_DONE);
    CHECK_INT(packet_story.bad, 0);
    CHECK_INT(packet_story.packets, CLIENTS * PACKETS);
    CHECK_INT(packet_story.bytes, CLIENTS * bytes);
    CHECK_INT(lti_test_descriptors_live(), 0);
    CHECK_INT(lti_sim_misuses(), 0);
    return lti_sim_hash();
}

/* Windows without descriptors are left to the story of bytes. */
static void packet_faults(struct lti_sim_faults *faults, uint32_t millionths)
{
    *faults = (struct lti_sim_faults){0};
    faults->short_read = faults->short_write = faults->interrupt = millionths;
    faults->again = faults->poll_spurious = faults->poll_duplicate = millionths;
    faults->poll_empty = faults->poll_shuffle = faults->delay = millionths;
    faults->clock = millionths / 10;
}

TEST(sim_packets_exchange)
{
    sim_story_every_schedule(packet_run);
}

TEST(sim_packets_faults_lose_nothing)
{
    sim_story_with_faults(packet_run, packet_faults);
}

TEST(sim_packets_a_seed_is_one_run)
{
    sim_story_is_one_run(packet_run, packet_faults, UINT64_C(0xca9f759b3ee2c6e5));
}

/* ---- Faults one by one ----------------------------------------------------------------------- */

struct packet_pair {
    int fds[2], poller;
};

/* The second of them is watched, and what there was to tell was told. */
static struct packet_pair packet_pair_open(void)
{
    struct packet_pair pair;
    struct lti_os_ready ready[1];
    REQUIRE_INT(lti_os_socketpair(true, pair.fds), 0);
    REQUIRE(lti_os_packets(pair.fds[1], 0) > 0);
    pair.poller = (int)lti_os_poller_create();
    REQUIRE_INT(lti_os_poller_add(pair.poller, pair.fds[1], LTI_OS_IN | LTI_OS_OUT, 1), 0);
    REQUIRE_INT(lti_os_poller_wait(pair.poller, ready, 1, -1), 1);
    return pair;
}

static int64_t packet_one(int fd, size_t size)
{
    static const char zeros[1000];
    const struct leat_slice slice = {zeros, size};
    return lti_os_send(fd, &slice, 1);
}

static enum lti_os_kind packet_next(int fd)
{
    uint32_t flags = 0;
    int64_t result = lti_os_recv_packet(fd, NULL, 0, NULL, &flags);
    if (result >= 0)
        CHECK_INT(flags, 0);
    return lti_os_kind_of(result);
}

TEST(sim_packets_that_are_late_come_one_by_one)
{
    const struct lti_sim_faults late = {.delay = 1000000};
    uint32_t turns = 0, parts = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const struct lti_sim_options options = {.seed = seed};
        struct lti_os_ready ready[1];
        uint32_t taken = 0;
        lti_sim_begin(&options);
        struct packet_pair pair = packet_pair_open();
        lti_sim_set_faults(&late);
        for (int i = 0; i < 4; i++)
            CHECK_INT(packet_one(pair.fds[0], 0), 0);
        CHECK_INT(packet_next(pair.fds[1]), LTI_OS_AGAIN);
        while (taken < 4) {
            uint32_t before = taken;
            REQUIRE_INT(lti_os_poller_wait(pair.poller, ready, 1, -1), 1);
            while (packet_next(pair.fds[1]) == LTI_OS_NONE)
                taken++;
            REQUIRE(taken > before && taken <= 4);
            parts += taken < 4;
            turns++;
        }
        CHECK_INT(lti_os_close(pair.fds[0]), 0);
        CHECK_INT(lti_os_close(pair.fds[1]), 0);
        CHECK_INT(lti_os_close(pair.poller), 0);
    }
    CHECK(parts > 0 && turns > 20);
}

TEST(sim_packets_not_now_is_followed_by_an_edge)
{
    const struct lti_sim_faults again = {.again = 1000000};
    struct lti_os_ready ready[1];
    lti_sim_begin(NULL);
    struct packet_pair pair = packet_pair_open();
    CHECK_INT(packet_one(pair.fds[0], 5), 5);
    REQUIRE_INT(lti_os_poller_wait(pair.poller, ready, 1, -1), 1);
    for (int turn = 0; turn < 2; turn++) {
        lti_sim_set_faults(&again);
        CHECK_INT(turn ? lti_os_kind_of(packet_one(pair.fds[1], 5)) : packet_next(pair.fds[1]),
                  LTI_OS_AGAIN);
        lti_sim_set_faults(NULL);
        REQUIRE_INT(lti_os_poller_wait(pair.poller, ready, 1, -1), 1);
        CHECK_INT(ready[0].flags, LTI_OS_IN | LTI_OS_OUT);
        CHECK_INT(lti_os_poller_wait(pair.poller, ready, 1, 0), 0);
    }
    CHECK_INT(packet_next(pair.fds[1]), LTI_OS_NONE);
    CHECK_INT(packet_next(pair.fds[0]), LTI_OS_AGAIN);
    CHECK_INT(lti_os_close(pair.fds[0]), 0);
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    CHECK_INT(lti_os_close(pair.poller), 0);
}

TEST(sim_packets_a_send_gives_a_late_end_away)
{
    const struct lti_sim_faults late = {.delay = 1000000};
    lti_sim_begin(NULL);
    struct packet_pair pair = packet_pair_open();
    CHECK_INT(packet_one(pair.fds[1], 5), 5);
    lti_sim_set_faults(&late);
    CHECK_INT(packet_one(pair.fds[0], 5), 5);
    CHECK_INT(lti_os_close(pair.fds[0]), 0);
    CHECK_INT(packet_next(pair.fds[1]), LTI_OS_AGAIN);
    CHECK_INT(lti_os_kind_of(packet_one(pair.fds[1], 5)), LTI_OS_RESET);
    CHECK_INT(packet_next(pair.fds[1]), LTI_OS_NONE);
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    CHECK_INT(lti_os_close(pair.poller), 0);
}

/* ---- Options --------------------------------------------------------------------------------- */

TEST(sim_packets_of_small_buffers_are_bounded)
{
    const struct lti_sim_options options = {.buffer_bytes = 100};
    int fds[2];
    uint32_t count = 0;
    lti_sim_begin(&options);
    REQUIRE_INT(lti_os_socketpair(true, fds), 0);
    CHECK_INT(lti_os_packets(fds[0], 10), 68);
    CHECK_INT(lti_os_kind_of(packet_one(fds[0], 69)), LTI_OS_TOO_BIG);
    while (count < 1000 && packet_one(fds[0], 0) == 0)
        count++;
    CHECK_INT(count, 100); /* empty ones, too */
    CHECK_INT(lti_os_packets(fds[0], 200), 2 * 232 - 32);
    CHECK_INT(packet_one(fds[0], 200), 200);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}

TEST(sim_packets_ask_for_no_more_than_is_allowed)
{
    const struct lti_sim_options options = {.buffer_bytes = 5000, .buffer_bytes_max = 4000};
    int fds[2];
    lti_sim_begin(&options);
    REQUIRE_INT(lti_os_socketpair(true, fds), 0);
    CHECK_INT(lti_os_packets(fds[0], 4968), 4968);
    CHECK_INT(lti_os_packets(fds[0], 4969), 7968);
    CHECK_INT(lti_os_packets(fds[0], SIZE_MAX), 7968);
    CHECK_INT(lti_os_packets(fds[1], 0), 4968);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}

/* As Linux 6.18; older versions tell of it. */
TEST(sim_packets_a_lone_empty_one_is_not_missed)
{
    for (int64_t count = 1; count <= 2; count++) {
        int fds[2];
        uint32_t flags = 0;
        lti_sim_begin(NULL);
        REQUIRE_INT(lti_os_socketpair(true, fds), 0);
        for (int64_t i = 0; i < count; i++)
            CHECK_INT(packet_one(fds[1], 0), 0);
        CHECK_INT(lti_os_close(fds[0]), 0);
        int64_t result = lti_os_recv_packet(fds[1], NULL, 0, NULL, &flags);
        CHECK_INT(lti_os_kind_of(result), count == 1 ? LTI_OS_NONE : LTI_OS_RESET);
        CHECK_INT(lti_os_close(fds[1]), 0);
    }
}

TEST(sim_packets_are_not_asked_of_bytes)
{
    const struct lti_sim_options options = {.misuse_is_counted = true};
    int fds[2];
    uint32_t flags = 0;
    lti_sim_begin(&options);
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
    int64_t result = lti_os_recv_packet(fds[0], NULL, 0, NULL, &flags);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_INVALID);
    CHECK_INT(lti_sim_misuses(), 1);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
}
