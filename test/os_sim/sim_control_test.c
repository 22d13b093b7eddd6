/* SPDX-License-Identifier: MIT
 *
 * The simulation itself: fibers, time, faults, killing, and that a seed means one run.
 *
 * Happy path: small programs of lti_os_* calls run as simulated processes and are looked at from
 *             outside.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world; the harness ends the process after it.
 */
#include "harness.h"

#include "leat/leat.h"
#include "sim_kernel.h"
#include "sim_story.h"

#include <stdlib.h>
#include <string.h>

#define NAME "/tmp/s"
#define BYTES 60000u

struct story { /* one server, several clients, each client's bytes in a stream of their own */
    uint32_t clients, done, bad;
    uint64_t received;
};

static uint8_t story_byte(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

static bool story_waits(int64_t result)
{
    enum lti_os_kind kind = lti_os_kind_of(result);
    return kind == LTI_OS_AGAIN || kind == LTI_OS_INTERRUPTED || kind == LTI_OS_DESCRIPTORS;
}

/* One wait on one descriptor; a limit makes windows without descriptors pass, too. */
static void story_wait(int poller, int fd, uint32_t interest)
{
    struct lti_os_ready ready[8];
    int64_t result = lti_os_poller_modify(poller, fd, interest, 1);
    if (lti_os_kind_of(result) == LTI_OS_NOT_FOUND)
        result = lti_os_poller_add(poller, fd, interest, 1);
    (void)lti_os_poller_wait(poller, ready, 8, 10000000);
}

static int story_poller(void)
{
    int64_t poller = lti_os_poller_create();
    for (int i = 0; i < 1000 && poller < 0; i++) {
        lti_sim_sleep(1000000);
        poller = lti_os_poller_create();
    }
    return (int)poller;
}

static void story_client(void *argument)
{
    struct story *story = argument;
    uint8_t chunk[1000];
    uint32_t sent = 0;
    int poller = story_poller();
    int64_t fd = lti_os_socket(false);
    while (story_waits(fd)) {
        lti_sim_sleep(1000000);
        fd = lti_os_socket(false);
    }
    while (lti_os_connect((int)fd, NAME, sizeof NAME - 1) < 0)
        lti_sim_sleep(1000000);
    while (sent < BYTES) {
        uint32_t size = BYTES - sent < sizeof chunk ? BYTES - sent : (uint32_t)sizeof chunk;
        for (uint32_t i = 0; i < size; i++)
            chunk[i] = story_byte(sent + i);
        const struct leat_slice slice = {chunk, size};
        int64_t result = lti_os_send((int)fd, &slice, 1);
        if (result > 0)
            sent += (uint32_t)result;
        else if (story_waits(result))
            story_wait(poller, (int)fd, LTI_OS_OUT);
        else
            break;
    }
    story->bad += sent != BYTES;
    (void)lti_os_close((int)fd);
    (void)lti_os_close(poller);
}

static void story_read(struct story *story, int poller, int fd)
{
    uint8_t chunk[4096];
    uint64_t offset = 0;
    for (;;) {
        uint32_t flags = 0;
        int64_t result = lti_os_recv(fd, chunk, sizeof chunk, NULL, &flags);
        if (result == 0)
            break;
        if (story_waits(result)) {
            story_wait(poller, fd, LTI_OS_IN);
            continue;
        }
        if (result < 0) {
            story->bad++;
            break;
        }
        for (int64_t i = 0; i < result; i++)
            story->bad += chunk[i] != story_byte(offset++);
    }
    story->received += offset;
    (void)lti_os_close(fd);
}

static void story_server(void *argument)
{
    struct story *story = argument;
    int poller = story_poller();
    int64_t listener = lti_os_socket(false);
    while (story_waits(listener)) {
        lti_sim_sleep(1000000);
        listener = lti_os_socket(false);
    }
    story->bad += lti_os_bind((int)listener, NAME, sizeof NAME - 1) != 0;
    story->bad += lti_os_listen((int)listener, 2) != 0;
    while (story->done < story->clients) {
        int64_t fd = lti_os_accept((int)listener);
        if (fd >= 0) {
            story_read(story, poller, (int)fd);
            story->done++;
        } else {
            story_wait(poller, (int)listener, LTI_OS_IN);
        }
    }
    (void)lti_os_close((int)listener);
    (void)lti_os_unlink(NAME);
    (void)lti_os_close(poller);
}

static uint64_t story_run(const struct lti_sim_options *options)
{
    struct lti_sim_count count;
    struct story story = {.clients = 4};
    lti_sim_begin(options);
    (void)lti_sim_spawn("server", story_server, &story);
    for (uint32_t i = 0; i < story.clients; i++)
        (void)lti_sim_spawn("client", story_client, &story);
    CHECK_INT(lti_sim_run(2000000), LTI_SIM_DONE);
    CHECK_INT(story.bad, 0);
    CHECK_INT(story.received, story.clients * BYTES);
    for (uint32_t i = 0; i < 5; i++) {
        lti_sim_count(i, &count);
        CHECK_INT(count.descriptors, 0);
        CHECK_INT(count.allocations, 0);
    }
    CHECK_INT(lti_sim_misuses(), 0);
    CHECK_INT(lti_sim_files(), 0);
    return lti_sim_hash();
}

static void story_faults(struct lti_sim_faults *faults, uint32_t millionths)
{
    *faults = (struct lti_sim_faults){0};
    faults->short_read = faults->short_write = faults->interrupt = millionths;
    faults->again = faults->poll_spurious = faults->poll_duplicate = millionths;
    faults->poll_empty = faults->poll_shuffle = faults->delay = millionths;
    faults->clock = millionths / 10;
    faults->descriptors = millionths / 10;
}

TEST(sim_fibers_exchange)
{
    sim_story_every_schedule(story_run);
}

TEST(sim_faults_lose_nothing)
{
    sim_story_with_faults(story_run, story_faults);
}

TEST(sim_a_seed_is_one_run)
{
    sim_story_is_one_run(story_run, story_faults, UINT64_C(0x9e42854c816675db));
}

/* ---- Killing
 * ---------------------------------------------------------------------------------- */

static void *victim_memory;

static void victim_main(void *argument)
{
    int *fds = argument;
    struct lti_os_ready ready[1];
    victim_memory = lti_os_alloc(100);
    int64_t poller = lti_os_poller_create();
    int64_t listener = lti_os_socket(false);
    (void)lti_os_bind((int)listener, NAME, sizeof NAME - 1);
    (void)lti_os_listen((int)listener, 1);
    (void)lti_os_poller_add((int)poller, (int)listener, LTI_OS_IN, 1);
    (void)lti_os_poller_wait((int)poller, ready, 1, -1);
    fds[0] = (int)lti_os_accept((int)listener);
    for (;;)
        (void)lti_os_poller_wait((int)poller, ready, 1, 1000);
}

static void killer_main(void *argument)
{
    uint32_t *seen = argument, flags = 0;
    char byte;
    int64_t fd = lti_os_socket(false);
    while (lti_os_connect((int)fd, NAME, sizeof NAME - 1) < 0)
        lti_sim_sleep(1000);
    lti_sim_sleep(1000000);
    lti_sim_kill(1);
    seen[0] = lti_os_recv((int)fd, &byte, 1, NULL, &flags) == 0;
    int64_t again = lti_os_socket(false);
    seen[1] = lti_os_kind_of(lti_os_connect((int)again, NAME, sizeof NAME - 1));
    (void)lti_os_unlink(NAME);
    (void)lti_os_close((int)fd);
    (void)lti_os_close((int)again);
}

TEST(sim_kill_closes_and_takes_back)
{
    int fds[1] = {-1};
    uint32_t seen[2] = {0, 0};
    struct lti_sim_count count;
    lti_sim_begin(NULL);
    CHECK_INT(lti_sim_spawn("victim", victim_main, fds), 1);
    (void)lti_sim_spawn("killer", killer_main, seen);
    CHECK_INT(lti_sim_run(100000), LTI_SIM_DONE);
    CHECK(fds[0] >= 0);
    CHECK_INT(seen[0], 1);
    CHECK_INT(seen[1], LTI_OS_REFUSED);
    lti_sim_count(1, &count);
    CHECK(!count.alive);
    CHECK_INT(count.descriptors, 0);
    CHECK_INT(count.allocations, 0);
}

TEST(sim_kill_at_every_call)
{
    for (uint64_t calls = 1; calls < 12; calls++) {
        int fds[1] = {-1};
        struct lti_sim_count count;
        lti_sim_begin(NULL);
        uint32_t victim = lti_sim_spawn("victim", victim_main, fds);
        lti_sim_kill_after(victim, calls);
        enum lti_sim_result result = lti_sim_run(1000);
        lti_sim_count(victim, &count);
        CHECK_INT(result, count.alive ? LTI_SIM_DEADLOCK : LTI_SIM_DONE);
        CHECK_INT(count.alive, calls > 6); /* it then sleeps for ever before that call */
    }
    lti_sim_end();
}

/* ---- Locks, time, limits
 * ---------------------------------------------------------------------- */

struct counter {
    struct lti_os_mutex *mutex;
    uint32_t value, inside, most;
};

static void counter_main(void *argument)
{
    struct counter *counter = argument;
    for (int i = 0; i < 50; i++) {
        lti_os_mutex_lock(counter->mutex);
        counter->inside++;
        counter->most = counter->inside > counter->most ? counter->inside : counter->most;
        lti_sim_yield();
        counter->inside--;
        counter->value++;
        lti_os_mutex_unlock(counter->mutex);
    }
}

TEST(sim_threads_exclude_each_other)
{
    struct counter counter = {NULL, 0, 0, 0};
    lti_sim_begin(NULL);
    REQUIRE_INT(lti_os_mutex_create(&counter.mutex), 0);
    uint32_t process = lti_sim_spawn("a", counter_main, &counter);
    lti_sim_thread(process, "b", counter_main, &counter);
    lti_sim_thread(process, "c", counter_main, &counter);
    CHECK_INT(lti_sim_run(100000), LTI_SIM_DONE);
    CHECK_INT(counter.value, 150);
    CHECK_INT(counter.most, 1);
    lti_os_mutex_destroy(counter.mutex);
}

TEST(sim_waits_cost_no_real_time)
{
    struct lti_os_ready ready[1];
    lti_sim_begin(NULL);
    int64_t poller = lti_os_poller_create();
    uint64_t before_ns = lti_os_now_ns();
    const int64_t hour_ns = INT64_C(3600) * 1000000000;
    CHECK_INT(lti_os_poller_wait((int)poller, ready, 1, 24 * hour_ns), 0);
    CHECK(lti_os_now_ns() - before_ns >= 24 * (uint64_t)hour_ns);
    CHECK_INT(lti_os_close((int)poller), 0);
}

static void spinner_main(void *argument)
{
    (void)argument;
    for (;;)
        (void)lti_os_unlink("/tmp/nothing");
}

TEST(sim_a_livelock_ends_at_the_limit)
{
    lti_sim_begin(NULL);
    (void)lti_sim_spawn("spinner", spinner_main, NULL);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_LIMIT);
    lti_sim_end();
}

TEST(sim_access_by_mode_and_owner)
{
    struct lti_os_file file;
    lti_sim_begin(NULL);
    CHECK(lti_sim_file_add("/tmp/theirs", 'd', 5, 0700));
    CHECK(lti_sim_file_add("/tmp/theirs/s", 's', 5, 0777));
    CHECK(lti_sim_file_add("/tmp/link", 'l', 1000, 0777));
    CHECK(lti_sim_file_add("/tmp/file", 'f', 5, 0600));
    int64_t fd = lti_os_socket(false);
    int64_t result = lti_os_connect((int)fd, "/tmp/theirs/s", 13);
    CHECK_INT(lti_os_kind_of(result), LTI_OS_ACCESS);
    CHECK_INT(lti_os_kind_of(lti_os_bind((int)fd, "/run/x", 6)), LTI_OS_ACCESS);
    CHECK_INT(lti_os_kind_of(lti_os_unlink("/tmp/file")), LTI_OS_ACCESS); /* sticky */
    CHECK_INT(lti_os_kind_of(lti_os_open_lock("/tmp/file")), LTI_OS_ACCESS);
    CHECK_INT(lti_os_kind_of(lti_os_open_lock("/tmp/link")), LTI_OS_NOT_DIR);
    CHECK_INT(lti_os_kind_of(lti_os_mkdir("/run/leat", 0700)), LTI_OS_ACCESS);
    CHECK_INT(lti_os_lstat("/tmp/link", &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_LINK);
    lti_sim_set_user(0, 0, 0);
    CHECK_INT(lti_os_unlink("/tmp/file"), 0);
    CHECK_INT(lti_os_bind((int)fd, "/run/x", 6), 0);
    CHECK_INT(lti_os_close((int)fd), 0);
}

/* As when the client came, and when the listener began to listen. */
TEST(sim_groups_of_a_peer)
{
    const uint32_t servers[] = {7}, clients[] = {8, 2000, 9};
    uint32_t groups[LTI_SIM_GROUPS_MAX];
    lti_sim_begin(NULL);
    int64_t listener = lti_os_socket(false), client = lti_os_socket(false);
    CHECK_INT(lti_os_kind_of(lti_os_peer_groups((int)client, groups, 8)), LTI_OS_OTHER);
    lti_sim_set_groups(0, servers, 1);
    CHECK_INT(lti_os_bind((int)listener, "\0s", 2), 0);
    CHECK_INT(lti_os_listen((int)listener, 1), 0);
    lti_sim_set_groups(0, clients, 3);
    CHECK_INT(lti_os_connect((int)client, "\0s", 2), 0);
    lti_sim_set_groups(0, NULL, 0);
    int64_t server = lti_os_accept((int)listener);
    REQUIRE(server >= 0);
    CHECK_INT(lti_os_peer_groups((int)client, groups, 8), 1);
    CHECK_INT(groups[0], 7);
    CHECK(lti_os_peer_groups((int)server, groups, 2) < 0); /* not a part of them */
    CHECK_INT(lti_os_peer_groups((int)server, groups, 3), 3);
    CHECK_MEM(groups, clients, sizeof clients);
    CHECK_INT(lti_os_close((int)server), 0);
    CHECK_INT(lti_os_close((int)client), 0);
    CHECK_INT(lti_os_close((int)listener), 0);
}

TEST(sim_misuse_is_counted)
{
    char byte;
    uint32_t flags = 0;
    const struct lti_sim_options options = {.misuse_is_counted = true};
    lti_sim_begin(&options);
    int64_t fd = lti_os_socket(false);
    CHECK_INT(lti_os_close((int)fd), 0);
    CHECK_INT(lti_os_kind_of(lti_os_close((int)fd)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_kind_of(lti_os_recv((int)fd, &byte, 1, NULL, &flags)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_sim_misuses(), 2);
}

TEST(sim_memory_is_accounted)
{
    struct lti_sim_options options = {.seed = 3};
    struct lti_sim_count count;
    lti_sim_begin(&options);
    void *a = lti_os_alloc(100);
    void *b = lti_os_alloc(50);
    REQUIRE(a && b);
    memset(a, 1, 100);
    lti_sim_count(0, &count);
    CHECK_INT(count.allocations, 2);
    CHECK_INT(count.bytes, 150);
    lti_os_free(a);
    lti_os_free(NULL);
    lti_os_free(b);
    lti_sim_count(0, &count);
    CHECK_INT(count.allocations, 0);
    CHECK_INT(count.bytes_high, 150);
    CHECK(lti_os_alloc(SIZE_MAX) == NULL);
    const struct lti_sim_faults faults = {.memory = 1000000};
    lti_sim_set_faults(&faults);
    CHECK(lti_os_alloc(1) == NULL);
    lti_sim_set_faults(NULL);
    CHECK_INT(lti_test_allocations_live(), 0);
}
