/* SPDX-License-Identifier: MIT
 *
 * Attacks by a peer that was let in, on what is sent to it and by it: L36, L37, L39, L42 to L44,
 * L47, L49, L50.
 *
 * Happy path: the peer is cut off for a reason, and by a deadline; the others do not feel it.
 * Fails:      nothing of ours: no crash, no memory without bound, no loop without a pause.
 * Invariants: an end is told once.
 */
#include "attack_kit.h"

#include "prng.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define HEADER_BYTES 8u
#define FRAME_BYTES_MAX 1048576u /* what a hub takes by default */

/* A server, and a connection to it whose other end is the attacker's. */
struct target {
    struct leat_hub *hub;
    leat_listener listener;
    leat_conn conn;
    int attacker;
};

static struct target target_listen(const struct leat_conn_options *options)
{
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = options};
    struct target target = {.attacker = -1};
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &target.hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(target.hub, "server", &listen, &target.listener), LEAT_OK);
    return target;
}

static void target_put(const struct target *target, const void *data, size_t size)
{
    CHECK_INT(send(target->attacker, data, size, MSG_NOSIGNAL), size);
}

static void target_dial(struct target *target, bool messages)
{
    target->attacker = attack_raw_connect(attack_path("run-%u/leat/server", geteuid()));
    REQUIRE(target->attacker >= 0);
    if (messages)
        target_put(target, attack_hello, sizeof attack_hello);
    REQUIRE_ERROR(leat_wait_accepted(target->hub, target->listener, ATTACK_SOON_MS, &target->conn),
                  LEAT_OK);
}

static struct target target_make(const struct leat_conn_options *options)
{
    struct target target = target_listen(options);
    target_dial(&target, options && options->protocol == LEAT_MESSAGES);
    return target;
}

static void target_end(struct target *target)
{
    if (target->attacker >= 0)
        CHECK_INT(close(target->attacker), 0);
    CHECK_ERROR(leat_hub_destroy(target->hub), LEAT_OK);
    attack_world_end();
}

static void target_header(const struct target *target, uint32_t size, uint8_t type)
{
    const uint8_t header[HEADER_BYTES] = {(uint8_t)size, (uint8_t)(size >> 8),
                                          (uint8_t)(size >> 16), (uint8_t)(size >> 24), type};
    target_put(target, header, sizeof header);
}

static struct leat_hub_info info_of(struct leat_hub *hub)
{
    struct leat_hub_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    return info;
}

/* The first event of this type; the test ends without it. */
static struct leat_event until(struct leat_hub *hub, enum leat_event_type type, uint32_t within_ms)
{
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(within_ms);
    while (event.type != type) {
        REQUIRE(lti_test_now_ms() < end_ms);
        enum leat_error error = leat_next(hub, &event, 100);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    }
    return event;
}

/* For that long nothing comes, and hardly anybody is asked: nothing spins. */
static void stays_quiet(struct leat_hub *hub, uint32_t time_ms)
{
    struct leat_event event;
    uint64_t waits = info_of(hub).waits;
    CHECK_ERROR(leat_next(hub, &event, time_ms), LEAT_E_TIMEOUT);
    CHECK(info_of(hub).waits - waits < 20);
}

/* ---- L36: lengths ---------------------------------------------------------------------------- */

TEST(attack_l36_length_of_a_frame)
{
    static const uint32_t sizes[] = {0, 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, UINT32_MAX};
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct target target = target_listen(&messages);
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct leat_event event;
        char byte;
        size_t size = 77;
        target_dial(&target, true);
        uint64_t before = info_of(target.hub).memory_bytes;
        target_header(&target, sizes[i], 1);
        if (sizes[i] == 0) {
            CHECK_ERROR(leat_receive_wait(target.hub, target.conn, &byte, 1, ATTACK_SOON_MS, &size),
                        LEAT_OK);
            CHECK_INT(size, 0);
        } else if (sizes[i] <= FRAME_BYTES_MAX) {
            CHECK_ERROR(leat_next(target.hub, &event, 50), LEAT_E_TIMEOUT);
        } else {
            event = until(target.hub, LEAT_EVENT_CLOSED, ATTACK_SOON_MS);
            CHECK_ERROR(event.error, LEAT_E_TOO_BIG);
        }
        uint64_t now = info_of(target.hub).memory_bytes;
        most = now > before && now - before > most ? now - before : most;
        CHECK_INT(close(target.attacker), 0);
        if (sizes[i] <= FRAME_BYTES_MAX)
            (void)until(target.hub, LEAT_EVENT_CLOSED, ATTACK_SOON_MS);
    }
    target.attacker = -1;
    CHECK(most < 128 * KIB);
    attack_seen("L36", "0 is a message, more than 1 MiB TOO_BIG; memory grew by %llu KiB at most",
                (unsigned long long)(most / KIB));
    target_end(&target);
}

/* ---- L37: a byte now and then ---------------------------------------------------------------- */

TEST_TIMEOUT(attack_l37_byte_by_byte, 90)
{
    const uint32_t limit_ms = attack_deep() ? 30000 : 300, pause_ms = attack_deep() ? 500 : 10;
    const struct leat_conn_options messages = {.size = sizeof messages,
                                               .protocol = LEAT_MESSAGES,
                                               .partial_frame_ms = attack_deep() ? 0 : limit_ms};
    struct target target = target_make(&messages);
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    target_header(&target, 100000, 1);
    uint64_t begin_ms = lti_test_now_ms(), now_ms = begin_ms;
    while (event.type != LEAT_EVENT_CLOSED && now_ms - begin_ms < lti_test_scaled_ms(60000)) {
        (void)send(target.attacker, "x", 1, MSG_NOSIGNAL);
        enum leat_error error = leat_next(target.hub, &event, pause_ms);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        now_ms = lti_test_now_ms();
    }
    REQUIRE_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK(now_ms - begin_ms >= limit_ms - 5);
    CHECK(now_ms - begin_ms < limit_ms + lti_test_scaled_ms(2000));
    attack_seen("L37", "cut off after %llu ms of %u, although bytes came all the time",
                (unsigned long long)(now_ms - begin_ms), limit_ms);
    target_end(&target);
}

/* ---- L39: a client that never reads ---------------------------------------------------------- */

TEST_TIMEOUT(attack_l39_client_that_never_reads, 90)
{
    static const uint8_t block[65536];
    const uint32_t limit_ms = attack_deep() ? 30000 : 300;
    const struct leat_conn_options options = {.size = sizeof options,
                                              .write_stall_ms = attack_deep() ? 0 : limit_ms};
    struct target target = target_make(&options);
    uint64_t accepted = 0, most = 0;
    size_t size = 0;
    for (uint64_t tried = 0; tried < 100 * MIB; tried += sizeof block) {
        enum leat_error error = leat_write(target.hub, target.conn, block, sizeof block, &size);
        REQUIRE(error == LEAT_OK || error == LEAT_E_FULL);
        accepted += error == LEAT_OK ? size : 0;
        uint64_t now = info_of(target.hub).memory_bytes;
        most = now > most ? now : most;
    }
    uint64_t begin_ms = lti_test_now_ms();
    struct leat_event event = until(target.hub, LEAT_EVENT_CLOSED, limit_ms + ATTACK_SOON_MS);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK(event.bytes_undelivered > 0);
    CHECK(event.bytes_undelivered <= 4 * MIB);
    CHECK(most < 4 * MIB + 512 * KIB);
    CHECK(accepted < 5 * MIB);
    attack_seen("L39", "of 100 MiB %llu KiB accepted, %llu KiB of memory, cut off after %llu ms",
                (unsigned long long)(accepted / KIB), (unsigned long long)(most / KIB),
                (unsigned long long)(lti_test_now_ms() - begin_ms));
    target_end(&target);
}

/* ---- L42, L43: ends -------------------------------------------------------------------------- */

TEST(attack_l42_write_to_who_is_gone)
{
    struct target target = target_make(NULL);
    size_t size = 0;
    enum leat_error error = LEAT_OK;
    REQUIRE(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CHECK_INT(close(target.attacker), 0);
    target.attacker = -1;
    for (int i = 0; i < 100 && error == LEAT_OK; i++)
        error = leat_write(target.hub, target.conn, "x", 1, &size);
    CHECK(error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
    attack_seen("L42", "%s; no signal", leat_error_name(error));
    target_end(&target);
}

enum ending { ENDING_HALF, ENDING_RESET, ENDING_HANDSHAKE };

static void ends_once(enum ending ending)
{
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    uint32_t closed = 0, finished = 0;
    struct leat_event event;
    size_t size = 0;
    struct target target = target_listen(ending == ENDING_HANDSHAKE ? &messages : NULL);
    if (ending == ENDING_HANDSHAKE) {
        target.attacker = attack_raw_connect(attack_path("run-%u/leat/server", geteuid()));
        REQUIRE(target.attacker >= 0);
        target_put(&target, attack_hello, 7);
        CHECK_ERROR(leat_next(target.hub, &event, 20), LEAT_E_TIMEOUT);
    } else {
        target_dial(&target, false);
    }
    if (ending == ENDING_RESET)
        CHECK_ERROR(leat_write(target.hub, target.conn, "unread", 6, &size), LEAT_OK);
    if (ending == ENDING_HALF) {
        CHECK_INT(shutdown(target.attacker, SHUT_WR), 0);
    } else {
        CHECK_INT(close(target.attacker), 0);
        target.attacker = -1;
    }
    while (leat_next(target.hub, &event, 100) == LEAT_OK) {
        closed += event.type == LEAT_EVENT_CLOSED;
        finished += event.type == LEAT_EVENT_FINISHED;
        REQUIRE(closed <= 1 && finished <= 1);
    }
    CHECK_INT(closed, ending == ENDING_RESET);
    CHECK_INT(finished, ending == ENDING_HALF);
    stays_quiet(target.hub, 200);
    target_end(&target);
}

TEST(attack_l43_ends_of_every_kind)
{
    ends_once(ENDING_HALF);
    ends_once(ENDING_RESET);
    ends_once(ENDING_HANDSHAKE);
    attack_seen("L43", "half-close, reset, end in the handshake: told once, nothing spins");
}

/* ---- L44: little frames ---------------------------------------------------------------------- */

TEST(attack_l44_flood_of_little_frames)
{
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct target target = target_make(&messages);
    static uint8_t block[9 * 1000];
    struct leat_event event;
    uint64_t sent = 0, most = 0;
    for (size_t i = 0; i < sizeof block; i += 9)
        memcpy(block + i, "\1\0\0\0\1\0\0\0x", 9);
    size_t at = 0;
    for (int turns = 0; turns < 20000 && sent < 9000000; turns++) {
        ssize_t size = send(target.attacker, block + at, sizeof block - at, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN && turns > 1000)
            break;
        sent += size > 0 ? (uint64_t)size : 0;
        at = size > 0 ? (at + (size_t)size) % sizeof block : at;
        enum leat_error error = leat_next(target.hub, &event, 0);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        REQUIRE(error != LEAT_OK || event.type == LEAT_EVENT_READABLE);
        uint64_t now = info_of(target.hub).memory_bytes;
        most = now > most ? now : most;
    }
    CHECK(sent < 9000000);
    CHECK(most < 4 * MIB);
    attack_seen("L44", "stopped after %llu of 1000000, %llu KiB of memory",
                (unsigned long long)(sent / 9), (unsigned long long)(most / KIB));
    target_end(&target);
}

/* ---- L47: anything --------------------------------------------------------------------------- */

static size_t fuzz_make(struct prng *prng, uint8_t *bytes, size_t room)
{
    size_t size = 0;
    memcpy(bytes, attack_hello, sizeof attack_hello);
    size = sizeof attack_hello;
    while (size + 600 < room && prng_below(prng, 12) > 0) {
        static const uint8_t types[] = {1, 1, 1, 2, 3, 4, 5, 0, 128, 255};
        size_t length = prng_below(prng, 4) ? prng_below(prng, 500) : prng_below(prng, 9);
        uint8_t type = types[prng_below(prng, sizeof types)];
        if (type >= 2 && type <= 5 && prng_below(prng, 8))
            length = type == 2 ? 0 : type == 3 ? 1 : 8;
        memset(bytes + size, 0, HEADER_BYTES);
        bytes[size] = (uint8_t)length;
        bytes[size + 1] = (uint8_t)(length >> 8);
        bytes[size + 4] = type;
        size += HEADER_BYTES;
        for (size_t i = 0; i < length; i++)
            bytes[size++] = (uint8_t)prng_next(prng);
    }
    for (size_t flips = prng_below(prng, 4); flips > 0; flips--)
        bytes[prng_below(prng, size)] ^= (uint8_t)(1u << prng_below(prng, 8));
    return size;
}

static void fuzz_take(struct leat_hub *hub, const struct leat_event *event)
{
    static uint8_t message[4096];
    size_t size = 0;
    if (event->type == LEAT_EVENT_READABLE)
        (void)!leat_receive(hub, event->conn, message, sizeof message, &size);
    else if (event->type == LEAT_EVENT_FINISHED)
        (void)leat_close(hub, event->conn, 100);
}

static void fuzz_turns(struct leat_hub *hub, int turns)
{
    struct leat_event event;
    while (turns-- > 0 && leat_next(hub, &event, 0) == LEAT_OK)
        fuzz_take(hub, &event);
}

static void fuzz_round(const struct target *target, uint32_t seed)
{
    static uint8_t bytes[8192];
    struct prng prng = {seed};
    size_t size = fuzz_make(&prng, bytes, sizeof bytes), sent = 0;
    int fd = attack_raw_connect(attack_path("run-%u/leat/server", geteuid()));
    REQUIRE(fd >= 0);
    while (sent < size) {
        size_t part = prng_below(&prng, size - sent) + 1;
        if (send(fd, bytes + sent, part, MSG_NOSIGNAL) != (ssize_t)part)
            break;
        sent += part;
        fuzz_turns(target->hub, 50);
    }
    REQUIRE(close(fd) == 0);
    fuzz_turns(target->hub, 50);
}

/* All that was begun has ended; what the hub has then. */
static uint64_t fuzz_rest(const struct target *target)
{
    struct leat_event event;
    for (int turn = 0; turn < 1000 && info_of(target->hub).conns > 0; turn++)
        if (leat_next(target->hub, &event, 10) == LEAT_OK)
            fuzz_take(target->hub, &event);
    CHECK_INT(info_of(target->hub).conns, 0);
    return info_of(target->hub).memory_bytes;
}

TEST_TIMEOUT(attack_l47_anything_at_all, 600)
{
    const uint32_t rounds = attack_deep() ? 100000 : 2000;
    const struct leat_conn_options messages = {.size = sizeof messages,
                                               .protocol = LEAT_MESSAGES,
                                               .partial_frame_ms = 50,
                                               .handshake_ms = 100};
    struct target target = target_listen(&messages);
    uint64_t before = 0;
    for (uint32_t seed = 1; seed <= rounds; seed++) {
        fuzz_round(&target, seed);
        if (seed == rounds / 2)
            before = fuzz_rest(&target);
    }
    CHECK(fuzz_rest(&target) <= before + 16 * KIB);
    target_dial(&target, true);
    attack_seen("L47", "%u connections of flipped bits and odd frames; then one is served", rounds);
    target_end(&target);
}

/* ---- L49: fork while others are inside ------------------------------------------------------- */

static atomic_bool threads_stop;

static void *thread_busy(void *argument)
{
    struct target *target = argument;
    while (!atomic_load(&threads_stop)) {
        struct leat_hub_info info = {.size = sizeof info};
        size_t size = 0;
        (void)leat_wake(target->hub);
        (void)!leat_hub_info_get(target->hub, &info);
        (void)!leat_write(target->hub, target->conn, "x", 1, &size);
    }
    return NULL;
}

/* A call that waits for a lock which nobody holds any more would never come back. */
static int forked_try(const struct target *target)
{
    struct leat_event event;
    struct leat_hub_info info = {.size = sizeof info};
    size_t size = 0;
    (void)alarm(20);
    const enum leat_error errors[] = {
        leat_next(target->hub, &event, 0),
        leat_wake(target->hub),
        leat_hub_info_get(target->hub, &info),
        leat_write(target->hub, target->conn, "x", 1, &size),
        leat_listener_close(target->hub, target->listener),
        leat_abort(target->hub, target->conn),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i] != LEAT_E_FORKED)
            return 10 + (int)i;
    return 0;
}

TEST(attack_l49_fork_while_threads_are_inside)
{
    struct target target = target_make(NULL);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, thread_busy, &target) == 0);
    for (int i = 0; i < 50; i++) {
        int status = 0;
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            _exit(forked_try(&target));
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
    atomic_store(&threads_stop, true);
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    struct leat_event event;
    for (int i = 0; i < 10 && leat_next(target.hub, &event, 0) == LEAT_OK; i++) {
    }
    CHECK(attack_exists(attack_path("run-%u/leat/server", geteuid())));
    CHECK_INT(close(target.attacker), 0);
    target_dial(&target, false);
    attack_seen("L49", "50 children: FORKED for every call, the name and the server stay");
    target_end(&target);
}

/* ---- L50: what the heap held before ---------------------------------------------------------- */

#define DIRT 0xA5

static void heap_dirty(void)
{
    enum { BLOCKS = 2000 };
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 16 + i * 37 % 70000;
        blocks[i] = malloc(size);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], DIRT, size);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

/* Hello and frames, byte by byte; how many frames. */
static uint32_t frames_clean(const uint8_t *bytes, size_t size)
{
    uint32_t frames = 0;
    REQUIRE(size >= ATTACK_HELLO_BYTES);
    CHECK_MEM(bytes, attack_hello, 8);
    for (size_t i = 16; i < ATTACK_HELLO_BYTES; i++)
        CHECK_INT(bytes[i], 0);
    for (size_t at = ATTACK_HELLO_BYTES; at < size; frames++) {
        REQUIRE(at + HEADER_BYTES <= size);
        size_t length = bytes[at] | (size_t)bytes[at + 1] << 8 | (size_t)bytes[at + 2] << 16;
        CHECK_INT(bytes[at + 3], 0);
        for (size_t i = 5; i < HEADER_BYTES; i++)
            CHECK_INT(bytes[at + i], 0);
        at += HEADER_BYTES + length;
        REQUIRE(at <= size);
    }
    for (size_t i = 0; i < size; i++)
        CHECK(bytes[i] != DIRT);
    return frames;
}

TEST(attack_l50_dirty_memory)
{
    static uint8_t bytes[1024 * 1024], message[20000];
    const struct leat_conn_options messages = {
        .size = sizeof messages, .protocol = LEAT_MESSAGES, .keepalive_ms = 20};
    size_t size = 0;
    struct leat_event event;
    heap_dirty();
    struct target target = target_make(&messages);
    target_header(&target, 8, 4); /* it is to answer this */
    target_put(&target, "12345678", 8);
    /* Also what waits in the outbox, with other lengths than the blocks of before. */
    for (size_t i = 0; i < 30; i++)
        CHECK_ERROR(leat_send(target.hub, target.conn, message, i * 531 % sizeof message), LEAT_OK);
    CHECK_ERROR(leat_finish(target.hub, target.conn), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(ATTACK_SOON_MS);
    bool closing = false;
    for (ssize_t got = 1; got != 0 && lti_test_now_ms() < end_ms;) {
        (void)!leat_next(target.hub, &event, 5);
        got = recv(target.attacker, bytes + size, sizeof bytes - size, 0);
        REQUIRE(got >= 0 || errno == EAGAIN);
        size += got > 0 ? (size_t)got : 0;
        if (!closing && size > 200000 && got < 0) {
            CHECK_ERROR(leat_close(target.hub, target.conn, 1000), LEAT_OK);
            closing = true;
        }
        REQUIRE(size < sizeof bytes);
    }
    CHECK(closing);
    uint32_t frames = frames_clean(bytes, size);
    CHECK(frames >= 33); /* messages, finish, pong, close */
    attack_seen("L50", "%zu bytes in %u frames: what is reserved is 0, nothing of the heap", size,
                frames);
    target_end(&target);
}
