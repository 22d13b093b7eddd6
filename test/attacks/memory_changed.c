/* SPDX-License-Identifier: MIT
 *
 * L34, L35: lengths that change under the reader, and lengths that make no sense. leat has no ring
 * in memory that a peer can write to. What comes nearest is a socket's queue that holds the peer's
 * own page (vmsplice): the peer changes the bytes after it has sent them, as long as nobody has
 * read them. When leat has a ring, its head, tail and lengths belong here, too.
 *
 * Happy path: what is judged is a copy, made once; so each header is one that was there, whole
 *             frames are messages, and the bytes behind belong to the next.
 * Fails:      PROTOCOL, TOO_BIG: the connection ends, others are served.
 * Invariants: no length is believed before its bytes are there.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define HEADER_BYTES 8u
#define FRAME_BYTES 64u
#define FRAMES (PAGE_BYTES / FRAME_BYTES)
#define MEBIBYTE 1048576u

static const struct leat_conn_options messages = {.size = sizeof messages,
                                                  .protocol = LEAT_MESSAGES};

/* Little-endian, as the wire has it; a reader may see a mixture of two, byte by byte. */
static void length_put(volatile uint8_t *frame, uint32_t length)
{
    for (int i = 0; i < 4; i++)
        frame[i] = (uint8_t)(length >> 8 * i);
}

/* ---- The attacker ---------------------------------------------------------------------------- */

struct changed {
    volatile uint8_t *page;
    int pipe[2];
};

static void page_fill(const struct changed *changed)
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        volatile uint8_t *frame = changed->page + (size_t)i * FRAME_BYTES;
        for (uint32_t byte = 0; byte < FRAME_BYTES; byte++)
            frame[byte] = 0;
        length_put(frame, FRAME_BYTES - HEADER_BYTES);
        frame[4] = 1;
    }
}

static void changed_make(struct changed *changed)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pipe2(changed->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        _exit(90);
    changed->page = page;
    page_fill(changed);
}

/* Puts the page itself into the socket's queue; false when the connection is over. */
static bool page_send(const struct changed *changed, int conn)
{
    union {
        volatile uint8_t *changing;
        void *plain;
    } memory = {.changing = changed->page};
    struct iovec piece = {memory.plain, PAGE_BYTES};
    if (vmsplice(changed->pipe[1], &piece, 1, 0) != (ssize_t)PAGE_BYTES)
        _exit(91);
    for (size_t left = PAGE_BYTES; left > 0;) {
        struct pollfd room = {conn, POLLOUT, 0};
        (void)poll(&room, 1, -1);
        ssize_t size = splice(changed->pipe[0], NULL, conn, NULL, left, SPLICE_F_NONBLOCK);
        if (size > 0)
            left -= (size_t)size;
        else if (errno != EAGAIN && errno != EINTR)
            return false;
    }
    return true;
}

/* A page that has been sent, and is changed then, must be read as it is now: or there is no such
 * attack here. */
static bool page_is_shared(const struct changed *changed)
{
    uint8_t bytes[PAGE_BYTES];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        !page_send(changed, ends[0]))
        _exit(92);
    changed->page[PAGE_BYTES - 1] = 99;
    bool shared = recv(ends[1], bytes, sizeof bytes, MSG_WAITALL) == (ssize_t)sizeof bytes &&
                  bytes[PAGE_BYTES - 1] == 99;
    changed->page[PAGE_BYTES - 1] = 0;
    return close(ends[0]) == 0 && close(ends[1]) == 0 && shared;
}

/* All the time: lengths that are right, and others, in every frame of the page. */
static void page_change(const struct changed *changed, atomic_uint *changes)
{
    static const uint32_t lengths[] = {FRAME_BYTES - HEADER_BYTES,
                                       0,
                                       UINT32_MAX,
                                       FRAME_BYTES - HEADER_BYTES,
                                       UINT32_MAX - HEADER_BYTES + 1,
                                       MEBIBYTE + 1,
                                       FRAME_BYTES - HEADER_BYTES,
                                       2 * FRAME_BYTES - HEADER_BYTES,
                                       0x80000000u,
                                       FRAME_BYTES - HEADER_BYTES};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t round = 0;; round++) {
        /* Most of the time it is as it should be: else the first header ends each connection. */
        uint32_t frame = round % FRAMES;
        uint32_t which = (round / FRAMES) % (sizeof lengths / sizeof lengths[0]);
        volatile uint8_t *at = changed->page + (size_t)frame * FRAME_BYTES;
        length_put(at, lengths[which]);
        at[4] = which == 2 ? 128 : 1;
        /* Long enough for another processor to see it. */
        for (int i = 0; i < 32; i++)
            atomic_fetch_add(changes, 0);
        length_put(at, FRAME_BYTES - HEADER_BYTES);
        at[4] = 1;
        atomic_fetch_add(changes, 1);
    }
}

struct plan {
    const char *path;
    atomic_uint *changes, *pages;
};

static void changer_part(int fd, void *argument)
{
    const struct plan *plan = argument;
    struct changed changed;
    (void)signal(SIGPIPE, SIG_IGN); /* splice has no flag for that */
    changed_make(&changed);
    bool shared = page_is_shared(&changed);
    attack_say(fd, shared);
    pid_t pid = shared ? fork() : -1;
    if (pid == 0)
        page_change(&changed, plan->changes);
    while (shared) {
        int conn = attack_raw_connect(plan->path);
        bool on = conn >= 0 && send(conn, attack_hello, sizeof attack_hello, MSG_NOSIGNAL) > 0;
        while (on) {
            on = page_send(&changed, conn);
            atomic_fetch_add(plan->pages, 1);
        }
        if (conn >= 0)
            (void)close(conn);
        /* What the pipe still has of the page that did not go out. */
        uint8_t rest[PAGE_BYTES];
        while (read(changed.pipe[0], rest, sizeof rest) > 0) {
        }
    }
}

/* ---- L34 ------------------------------------------------------------------------------------- */

struct reader {
    struct leat_hub *hub;
    uint32_t whole, odd, ended;
};

static void reader_turn(struct reader *reader)
{
    static uint8_t bytes[MEBIBYTE];
    size_t size = 0;
    struct leat_event event;
    enum leat_error error = leat_next(reader->hub, &event, 100);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error != LEAT_OK)
        return;
    if (event.type == LEAT_EVENT_READABLE &&
        leat_receive(reader->hub, event.conn, bytes, sizeof bytes, &size) == LEAT_OK) {
        reader->whole += size == FRAME_BYTES - HEADER_BYTES;
        reader->odd += size != FRAME_BYTES - HEADER_BYTES;
        CHECK(size <= MEBIBYTE);
    }
    if (event.type == LEAT_EVENT_CLOSED) {
        CHECK(event.error == LEAT_E_PROTOCOL || event.error == LEAT_E_TOO_BIG);
        reader->ended++;
    }
}

/* Another client, of the same server, while the other one goes on. */
static void reader_serves(struct reader *reader, const char *name)
{
    const struct leat_connect_options dial = {.size = sizeof dial, .conn = &messages, .tag = 7};
    leat_conn conn;
    static char bytes[MEBIBYTE];
    size_t size = 0;
    bool came = false;
    struct leat_event event;
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_connect(hub, name, &dial, &conn), LEAT_OK);
    CHECK_ERROR(leat_send(hub, conn, "honest", 6), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(ATTACK_SOON_MS);
    while (!came && lti_test_now_ms() < end_ms) {
        enum leat_error error = leat_next(hub, &event, 0);
        CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        if (leat_next(reader->hub, &event, 1) == LEAT_OK && event.type == LEAT_EVENT_READABLE &&
            leat_receive(reader->hub, event.conn, bytes, sizeof bytes, &size) == LEAT_OK)
            came = size == 6 && memcmp(bytes, "honest", 6) == 0;
    }
    CHECK(came);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

TEST_TIMEOUT(attack_l34_lengths_change_in_the_queue, 240)
{
    struct reader reader = {.hub = NULL};
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = &messages};
    uint32_t ends = attack_deep() ? 5000 : 300;
    leat_listener listener;
    attack_world();
    atomic_uint *counts =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(counts != MAP_FAILED);
    REQUIRE_ERROR(leat_hub_create(NULL, &reader.hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(reader.hub, attack_name(attack_path("server")), &listen, &listener),
                  LEAT_OK);
    struct plan plan = {attack_path("server"), counts, counts + 1};
    struct attack_actor changer = attack_begin(geteuid(), changer_part, &plan);
    if (attack_hear(changer.fd) == 0)
        SKIP_NEEDS("a kernel whose sockets hold the sender's own page");
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(60000);
    while ((reader.ended < ends || reader.whole < ends) && lti_test_now_ms() < end_ms)
        reader_turn(&reader);
    CHECK(reader.ended >= ends && reader.whole >= ends);
    reader_serves(&reader, attack_name(attack_path("server")));
    attack_kill(&changer);
    attack_seen(
        "L34",
        "leat shares no memory; in a socket's queue: lengths changed %u times in %u pages "
        "under way: %u messages as they should be, %u others, %u times PROTOCOL or TOO_BIG; "
        "then another client is served",
        atomic_load(&counts[0]), atomic_load(&counts[1]), reader.whole, reader.odd, reader.ended);
    CHECK_ERROR(leat_hub_destroy(reader.hub), LEAT_OK);
    CHECK_INT(munmap(counts, PAGE_BYTES), 0);
    attack_world_end();
}

/* ---- L35 ------------------------------------------------------------------------------------- */

/* A header alone, in two parts cut inside of the length, so that it is whole only in the end. */
static enum leat_error header_says(struct leat_hub *hub, leat_listener listener, uint32_t length,
                                   uint8_t type)
{
    uint8_t header[HEADER_BYTES] = {0};
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    leat_conn conn;
    length_put(header, length);
    header[4] = type;
    int fd = attack_raw_connect(attack_path("server"));
    REQUIRE(fd >= 0);
    CHECK_INT(write(fd, attack_hello, sizeof attack_hello), sizeof attack_hello);
    CHECK_INT(write(fd, header, 3), 3);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    CHECK_INT(write(fd, header + 3, HEADER_BYTES - 3), HEADER_BYTES - 3);
    CHECK_ERROR(leat_next(hub, &event, ATTACK_SOON_MS), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_INT(close(fd), 0);
    return event.type == LEAT_EVENT_CLOSED ? event.error : LEAT_OK;
}

TEST(attack_l35_lengths_that_make_no_sense)
{
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = &messages};
    struct leat_hub *hub = NULL;
    leat_listener listener;
    uint32_t tries = 0;
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, attack_name(attack_path("server")), &listen, &listener),
                  LEAT_OK);
    uint64_t resident = attack_resident_bytes();
    /* With a header, or rounded up, they are 0 again, or near it. */
    for (uint32_t less = 1; less <= 2 * HEADER_BYTES; less++, tries++)
        CHECK_ERROR(header_says(hub, listener, 0u - less, less % 2 ? 1 : 128), LEAT_E_TOO_BIG);
    /* With one bit more than the limit has, and all from there on. */
    for (uint32_t bit = 21; bit < 32; bit++, tries++)
        CHECK_ERROR(header_says(hub, listener, 1u << bit, 1), LEAT_E_TOO_BIG);
    for (uint32_t bit = 20; bit < 32; bit++, tries++)
        CHECK_ERROR(header_says(hub, listener, (1u << bit) + 1, 1), LEAT_E_TOO_BIG);
    /* What has one length only, with that and 2^31, or none. */
    for (uint8_t type = 2; type <= 5; type++, tries++)
        CHECK_ERROR(header_says(hub, listener, 0x80000000u + (type > 3 ? 8 : type == 3), type),
                    LEAT_E_PROTOCOL);
    uint64_t after = attack_resident_bytes();
    CHECK(after < resident + MEBIBYTE);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_seen("L35",
                "leat shares no memory; in frames: %u lengths that wrap, or are one bit off: "
                "TOO_BIG or PROTOCOL each, no memory is taken for them",
                tries);
    attack_world_end();
}
