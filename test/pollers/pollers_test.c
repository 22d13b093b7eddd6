/* SPDX-License-Identifier: MIT
 *
 * What the POSIX port relies on of a poller and of a wake-up, whichever they are: linked once with
 * each poller. What epoll alone promises is in test/os_sim/sim_poll_test.c.
 *
 * Happy path: each test shows one promise; an edge may come more often than needed where nothing
 *             relies on it, and a descriptor may be in an answer twice.
 * Fails:      never by design; a promise that is not kept is a failed check.
 * Invariants: nothing here knows which poller it runs on.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define COOKIE UINT64_C(0x1234567887654321)
#define SOON_NS INT64_C(10000000000)
#define ENDED (LTI_OS_HANGUP | LTI_OS_READ_HANGUP)
#define BATCH 128

struct pair {
    int poller, fds[2]; /* the first is watched */
};

static void pair_open(struct pair *pair, uint32_t interest)
{
    int64_t poller = lti_os_poller_create();
    REQUIRE(poller >= 0);
    pair->poller = (int)poller;
    REQUIRE_INT(lti_os_socketpair(false, pair->fds), 0);
    REQUIRE_INT(lti_os_poller_add(pair->poller, pair->fds[0], interest, COOKIE), 0);
}

static void pair_close(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair->fds[i] >= 0)
            CHECK_INT(lti_os_close(pair->fds[i]), 0);
    }
    CHECK_INT(lti_os_poller_close(pair->poller, false), 0);
}

/* All flags of that cookie in one answer; anything else is a failure. */
static uint32_t wait_flags(int poller, uint64_t cookie, int64_t timeout_ns)
{
    struct lti_os_ready ready[BATCH];
    uint32_t flags = 0;
    int64_t count = lti_os_poller_wait(poller, ready, BATCH, timeout_ns);
    REQUIRE(count >= 0 && count <= BATCH);
    for (int64_t i = 0; i < count; i++) {
        CHECK(ready[i].cookie == cookie && ready[i].flags != 0);
        flags |= ready[i].flags;
    }
    return flags;
}

static uint32_t pair_flags(const struct pair *pair)
{
    return wait_flags(pair->poller, COOKIE, 0);
}

static int64_t put(int fd, const char *text)
{
    const struct leat_slice slice = {.data = text, .size = strlen(text)};
    return lti_os_send(fd, &slice, 1);
}

static int64_t take(int fd)
{
    char buffer[256];
    uint32_t flags = 0;
    return lti_os_recv(fd, buffer, sizeof buffer, NULL, &flags);
}

TEST(poller_tells_an_edge_once_and_each_after_a_look)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(pair_flags(&pair), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(put(pair.fds[1], "abc"), 3);
        CHECK_INT(pair_flags(&pair), LTI_OS_IN);
        CHECK_INT(pair_flags(&pair), 0);
        CHECK_INT(take(pair.fds[0]), 3);
        CHECK_INT(pair_flags(&pair), 0);
    }
    CHECK_INT(lti_os_kind_of(take(pair.fds[0])), LTI_OS_AGAIN);
    CHECK_INT(put(pair.fds[1], "d"), 1);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    pair_close(&pair);
}

/* Each is by itself, in whatever order they are made and go. */
TEST(poller_of_several)
{
    static const int order[3] = {1, 0, 2};
    struct pair pairs[3];
    for (int i = 0; i < 3; i++)
        pair_open(&pairs[i], LTI_OS_IN);
    for (int gone = 0; gone < 3; gone++) {
        for (int i = gone; i < 3; i++) {
            struct pair *pair = &pairs[order[i]];
            CHECK_INT(put(pair->fds[1], "abc"), 3);
            for (int j = gone; j < 3; j++)
                CHECK_INT(pair_flags(&pairs[order[j]]), i == j ? LTI_OS_IN : 0);
            CHECK_INT(take(pair->fds[0]), 3);
        }
        pair_close(&pairs[order[gone]]);
    }
}

TEST(poller_modify_tells_the_state_again)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(put(pair.fds[1], "abc"), 3);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    CHECK_INT(lti_os_poller_modify(pair.poller, pair.fds[0], LTI_OS_IN, COOKIE), 0);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    CHECK_INT(lti_os_poller_modify(pair.poller, pair.fds[0], LTI_OS_IN, COOKIE + 1), 0);
    CHECK_INT(wait_flags(pair.poller, COOKIE + 1, 0), LTI_OS_IN);
    pair_close(&pair);
}

/* Until the system takes no more. */
static uint64_t fill(int fd)
{
    static char block[65536];
    const struct leat_slice slice = {.data = block, .size = sizeof block};
    uint64_t taken = 0;
    int64_t result = 0;
    for (int i = 0; i < 10000 && result >= 0; i++) {
        result = lti_os_send(fd, &slice, 1);
        taken += result > 0 ? (uint64_t)result : 0;
    }
    CHECK_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    return taken;
}

static void empty(int fd, uint64_t size)
{
    static char block[65536];
    for (uint64_t got = 0; got < size;) {
        uint32_t flags = 0;
        int64_t result = lti_os_recv(fd, block, sizeof block, NULL, &flags);
        REQUIRE(result > 0);
        got += (uint64_t)result;
    }
}

TEST(poller_tells_of_room_while_there_is_interest)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(lti_os_poller_modify(pair.poller, pair.fds[0], LTI_OS_IN | LTI_OS_OUT, COOKIE), 0);
    CHECK_INT(pair_flags(&pair), LTI_OS_OUT);
    CHECK_INT(pair_flags(&pair), 0);
    uint64_t taken = fill(pair.fds[0]);
    CHECK_INT(lti_os_poller_modify(pair.poller, pair.fds[0], LTI_OS_IN | LTI_OS_OUT, COOKIE), 0);
    CHECK_INT(pair_flags(&pair), 0);
    empty(pair.fds[1], taken);
    CHECK_INT(pair_flags(&pair), LTI_OS_OUT);
    CHECK_INT(lti_os_poller_modify(pair.poller, pair.fds[0], LTI_OS_IN, COOKIE), 0);
    CHECK_INT(pair_flags(&pair), 0);
    taken = fill(pair.fds[0]);
    empty(pair.fds[1], taken);
    CHECK_INT(pair_flags(&pair), 0);
    pair_close(&pair);
}

/* Registered once: there is room again after each write that found too little. */
TEST(poller_tells_of_room_after_each_write)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN | LTI_OS_OUT);
    CHECK_INT(pair_flags(&pair), LTI_OS_OUT);
    for (int turn = 0; turn < 4; turn++) {
        uint64_t taken = fill(pair.fds[0]);
        if (turn % 2 == 0) /* the room is gone again before anybody asks */
            CHECK_INT(pair_flags(&pair), 0);
        empty(pair.fds[1], taken);
        if (turn % 2 == 0) {
            CHECK_INT(pair_flags(&pair), LTI_OS_OUT);
            CHECK_INT(pair_flags(&pair), 0);
        }
    }
    CHECK_INT(pair_flags(&pair), LTI_OS_OUT);
    pair_close(&pair);
}

/* A port that is told and does not look must not be woken again and again. */
TEST(poller_tells_a_hangup_once)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(put(pair.fds[1], "last words"), 10);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    pair.fds[1] = -1;
    uint32_t flags = pair_flags(&pair);
    CHECK((flags & LTI_OS_HANGUP) && (flags & (LTI_OS_IN | LTI_OS_READ_HANGUP)));
    CHECK_INT(pair_flags(&pair), 0);
    CHECK_INT(take(pair.fds[0]), 10);
    CHECK_INT(take(pair.fds[0]), 0);
    CHECK_INT(pair_flags(&pair), 0);
    pair_close(&pair);
}

TEST(poller_tells_a_half_close_and_then_the_hangup)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(lti_os_shutdown_write(pair.fds[1]), 0);
    uint32_t flags = pair_flags(&pair);
    CHECK(flags != 0 && !(flags & LTI_OS_HANGUP));
    CHECK_INT(pair_flags(&pair), 0);
    /* Nobody has looked, as when there is no place for what would be read. */
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    pair.fds[1] = -1;
    CHECK((pair_flags(&pair) & LTI_OS_HANGUP) != 0);
    CHECK_INT(pair_flags(&pair), 0);
    CHECK_INT(take(pair.fds[0]), 0);
    pair_close(&pair);
}

TEST(poller_tells_a_hangup_after_the_end_was_read)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(lti_os_shutdown_write(pair.fds[1]), 0);
    CHECK(pair_flags(&pair) != 0);
    CHECK_INT(take(pair.fds[0]), 0);
    (void)pair_flags(&pair); /* it may say so once more */
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    pair.fds[1] = -1;
    CHECK((pair_flags(&pair) & LTI_OS_HANGUP) != 0);
    pair_close(&pair);
}

TEST(poller_tells_a_peer_that_breaks)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    CHECK_INT(put(pair.fds[0], "unread"), 6);
    CHECK_INT(lti_os_close(pair.fds[1]), 0);
    pair.fds[1] = -1;
    CHECK((pair_flags(&pair) & (LTI_OS_HANGUP | LTI_OS_ERROR)) != 0);
    CHECK_INT(pair_flags(&pair), 0);
    pair_close(&pair);
}

TEST(poller_forgets_what_is_closed_or_removed)
{
    struct pair pair, other;
    pair_open(&pair, LTI_OS_IN);
    int number = pair.fds[0];
    CHECK_INT(put(pair.fds[1], "abc"), 3);
    CHECK_INT(lti_os_close(number), 0);
    CHECK_INT(pair_flags(&pair), 0);
    REQUIRE_INT(lti_os_socketpair(false, other.fds), 0);
    CHECK_INT(other.fds[0], number); /* the lowest number that is free */
    CHECK_INT(lti_os_poller_add(pair.poller, number, LTI_OS_IN, COOKIE + 2), 0);
    CHECK_INT(put(other.fds[1], "x"), 1);
    CHECK_INT(wait_flags(pair.poller, COOKIE + 2, 0), LTI_OS_IN);
    CHECK_INT(lti_os_poller_remove(pair.poller, number), 0);
    CHECK_INT(put(other.fds[1], "y"), 1);
    CHECK_INT(pair_flags(&pair), 0);
    CHECK_INT(lti_os_kind_of(lti_os_poller_remove(pair.poller, number)), LTI_OS_NOT_FOUND);
    pair.fds[0] = other.fds[0];
    CHECK_INT(lti_os_close(other.fds[1]), 0);
    pair_close(&pair);
}

TEST(poller_accept_and_modify_tell_of_each_that_waits)
{
    char path[LTI_OS_PATH_MAX + 1];
    int length = snprintf(path, sizeof path, "%s/s", lti_test_folder());
    REQUIRE(length > 0 && (size_t)length <= lti_os_path_max());
    int listener = (int)lti_os_socket(false);
    int clients[3];
    int64_t poller = lti_os_poller_create();
    REQUIRE(listener >= 0 && poller >= 0);
    REQUIRE_INT(lti_os_bind(listener, path, (size_t)length), 0);
    REQUIRE_INT(lti_os_listen(listener, 8), 0);
    REQUIRE_INT(lti_os_poller_add((int)poller, listener, LTI_OS_IN, COOKIE), 0);
    CHECK_INT(wait_flags((int)poller, COOKIE, 0), 0);
    for (int i = 0; i < 3; i++) {
        clients[i] = (int)lti_os_socket(false);
        REQUIRE(clients[i] >= 0);
        REQUIRE_INT(lti_os_connect(clients[i], path, (size_t)length), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(wait_flags((int)poller, COOKIE, SOON_NS), LTI_OS_IN);
        int64_t accepted = lti_os_accept(listener);
        CHECK(accepted >= 0);
        CHECK_INT(lti_os_close((int)accepted), 0);
        CHECK_INT(lti_os_poller_modify((int)poller, listener, LTI_OS_IN, COOKIE), 0);
    }
    CHECK_INT(wait_flags((int)poller, COOKIE, 0), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(lti_os_close(clients[i]), 0);
    CHECK_INT(lti_os_close(listener), 0);
    CHECK_INT(lti_os_unlink(path), 0);
    CHECK_INT(lti_os_poller_close((int)poller, false), 0);
}

TEST(poller_tells_all_of_many)
{
    enum { MANY = 300 };
    static int fds[MANY][2];
    static int seen[MANY];
    struct lti_os_ready ready[BATCH];
    int64_t poller = lti_os_poller_create();
    REQUIRE(poller >= 0);
    for (int i = 0; i < MANY; i++) {
        REQUIRE_INT(lti_os_socketpair(false, fds[i]), 0);
        REQUIRE_INT(lti_os_poller_add((int)poller, fds[i][0], LTI_OS_IN, (uint64_t)i + 1), 0);
        CHECK_INT(put(fds[i][1], "x"), 1);
    }
    for (int turns = 0; turns < MANY; turns++) {
        int64_t count = lti_os_poller_wait((int)poller, ready, BATCH, 0);
        REQUIRE(count >= 0 && count <= BATCH);
        if (count == 0)
            break;
        for (int64_t i = 0; i < count; i++) {
            REQUIRE(ready[i].cookie >= 1 && ready[i].cookie <= MANY);
            seen[ready[i].cookie - 1]++;
        }
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(seen[i], 1);
        CHECK_INT(lti_os_close(fds[i][0]), 0);
        CHECK_INT(lti_os_close(fds[i][1]), 0);
    }
    CHECK_INT(lti_os_poller_close((int)poller, false), 0);
}

TEST(poller_waits_until_its_deadline)
{
    struct pair pair;
    pair_open(&pair, LTI_OS_IN);
    uint64_t before_ns = lti_os_now_ns();
    CHECK_INT(wait_flags(pair.poller, COOKIE, 3500000), 0);
    CHECK(lti_os_now_ns() - before_ns >= 3500000);
    pair_close(&pair);
}

/* ---- Wake-ups, and changes while somebody waits ---------------------------------------------- */

TEST(event_is_readable_from_set_to_clear)
{
    int64_t poller = lti_os_poller_create();
    int64_t event = lti_os_event_create();
    REQUIRE(poller >= 0 && event >= 0);
    REQUIRE_INT(lti_os_poller_add((int)poller, (int)event, LTI_OS_IN, 7), 0);
    CHECK_INT(wait_flags((int)poller, 7, 0), 0);
    for (int i = 0; i < 3; i++) {
        for (int set = 0; set < 100; set++)
            CHECK(lti_os_event_set((int)event) >= 0);
        CHECK_INT(wait_flags((int)poller, 7, SOON_NS), LTI_OS_IN);
        CHECK(lti_os_event_clear((int)event) >= 0);
        CHECK_INT(wait_flags((int)poller, 7, 0), 0);
    }
    CHECK_INT(lti_os_kind_of(lti_os_event_clear((int)event)), LTI_OS_AGAIN);
    CHECK_INT(lti_os_close((int)event), 0);
    CHECK_INT(lti_os_poller_close((int)poller, false), 0);
}

struct helper {
    struct pair pair;
    int event;
    atomic_bool waits;
};

/* After the other thread has begun to wait, or a moment before. */
static void helper_waits(struct helper *helper)
{
    while (!atomic_load(&helper->waits))
        (void)sched_yield();
}

static void *helper_set(void *argument)
{
    struct helper *helper = argument;
    helper_waits(helper);
    CHECK(lti_os_event_set(helper->event) >= 0);
    return NULL;
}

static void *helper_add(void *argument)
{
    struct helper *helper = argument;
    helper_waits(helper);
    CHECK_INT(
        lti_os_poller_add(helper->pair.poller, helper->pair.fds[1], LTI_OS_IN | LTI_OS_OUT, 9), 0);
    return NULL;
}

static void *helper_look(void *argument)
{
    struct helper *helper = argument;
    helper_waits(helper);
    CHECK_INT(take(helper->pair.fds[0]), 3);
    CHECK_INT(put(helper->pair.fds[1], "d"), 1);
    return NULL;
}

static uint32_t helper_run(struct helper *helper, void *(*run)(void *), uint64_t cookie)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run, helper) == 0);
    atomic_store(&helper->waits, true);
    uint32_t flags = wait_flags(helper->pair.poller, cookie, SOON_NS);
    REQUIRE(pthread_join(thread, NULL) == 0);
    return flags;
}

TEST(event_ends_a_wait_of_another_thread)
{
    static struct helper helper;
    pair_open(&helper.pair, LTI_OS_IN);
    int64_t event = lti_os_event_create();
    REQUIRE(event >= 0);
    helper.event = (int)event;
    REQUIRE_INT(lti_os_poller_add(helper.pair.poller, helper.event, LTI_OS_IN, 7), 0);
    CHECK_INT(helper_run(&helper, helper_set, 7), LTI_OS_IN);
    CHECK_INT(lti_os_close(helper.event), 0);
    pair_close(&helper.pair);
}

TEST(poller_hears_of_what_is_added_while_it_waits)
{
    static struct helper helper;
    pair_open(&helper.pair, LTI_OS_IN);
    CHECK_INT(helper_run(&helper, helper_add, 9), LTI_OS_OUT);
    pair_close(&helper.pair);
}

TEST(poller_hears_of_a_look_while_it_waits)
{
    static struct helper helper;
    pair_open(&helper.pair, LTI_OS_IN);
    CHECK_INT(put(helper.pair.fds[1], "abc"), 3);
    CHECK_INT(pair_flags(&helper.pair), LTI_OS_IN);
    CHECK_INT(helper_run(&helper, helper_look, COOKIE), LTI_OS_IN);
    pair_close(&helper.pair);
}

TEST(poller_and_event_need_descriptors)
{
    struct rlimit before, none;
    int lowest = dup(0);
    REQUIRE(lowest >= 0 && close(lowest) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    for (int left = 0; left < 2; left++) {
        none.rlim_cur = (rlim_t)(lowest + left);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
        int64_t poller = lti_os_poller_create();
        int64_t event = poller >= 0 ? -1 : lti_os_event_create();
        /* With one left, it depends on how many each of them takes. */
        CHECK(left == 1 || lti_os_kind_of(poller) == LTI_OS_DESCRIPTORS);
        CHECK(left == 1 || lti_os_kind_of(event) == LTI_OS_DESCRIPTORS);
        if (poller >= 0)
            CHECK_INT(lti_os_poller_close((int)poller, false), 0);
        if (event >= 0)
            CHECK_INT(lti_os_close((int)event), 0);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    }
}

/* ---- A child --------------------------------------------------------------------------------- */

TEST(poller_of_a_parent_outlives_what_a_child_does)
{
    struct pair pair;
    int status = 0;
    pair_open(&pair, LTI_OS_IN);
    int64_t event = lti_os_event_create();
    REQUIRE(event >= 0);
    REQUIRE_INT(lti_os_poller_add(pair.poller, (int)event, LTI_OS_IN, COOKIE), 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool closed = lti_os_close((int)event) >= 0 && lti_os_close(pair.fds[0]) >= 0 &&
                      lti_os_poller_close(pair.poller, true) >= 0;
        /* A hub of its own works. */
        struct pair own;
        pair_open(&own, LTI_OS_IN);
        closed = closed && put(own.fds[1], "x") == 1 && pair_flags(&own) == LTI_OS_IN;
        _exit(closed ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(lti_os_event_set((int)event) >= 0);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    CHECK(lti_os_event_clear((int)event) >= 0);
    CHECK_INT(put(pair.fds[1], "abc"), 3);
    CHECK_INT(pair_flags(&pair), LTI_OS_IN);
    CHECK_INT(lti_os_close((int)event), 0);
    pair_close(&pair);
}
