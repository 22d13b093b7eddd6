/* SPDX-License-Identifier: MIT
 *
 * Defects that were found in QLocalServer and QLocalSocket, tried on leat. Those that the
 * conformance suite has already are named in attacks.def instead.
 *
 * Happy path: what broke there works here.
 * Fails:      with an error that is told, and once.
 * Invariants: what somebody else has on the disk stays there.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((size_t)1024 * 1024)

static struct leat_hub *hub_make(void)
{
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    return hub;
}

static leat_listener listen_at(struct leat_hub *hub, const char *path,
                               const struct leat_conn_options *options)
{
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = options};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, attack_name(path), &listen, &listener), LEAT_OK);
    return listener;
}

/* Both ends on one hub. */
static void open_at(struct leat_hub *hub, leat_listener listener, const char *path, leat_conn *a,
                    leat_conn *b)
{
    REQUIRE_ERROR(leat_connect(hub, attack_name(path), NULL, a), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, b), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, *a, ATTACK_SOON_MS), LEAT_OK);
}

/* 1. A full backlog costs a whole processor, in the loop and in a wait. */
TEST(attack_q01_full_backlog)
{
    struct leat_hub *hub = hub_make();
    struct leat_event event;
    const char *path = attack_path("server");
    int fds[16], count = 0;
    leat_conn conn;
    int listener = attack_raw_listen(path, 1);
    REQUIRE(listener >= 0);
    while (count < 16 && (fds[count] = attack_raw_connect(path)) >= 0)
        count++;
    REQUIRE(count < 16 && fds[count] == -EAGAIN);
    const struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 1500};
    REQUIRE_ERROR(leat_connect(hub, attack_name(path), &options, &conn), LEAT_OK);
    uint64_t cpu_ms = attack_cpu_ms();
    CHECK_ERROR(leat_next(hub, &event, 500), LEAT_E_TIMEOUT);
    CHECK_ERROR(leat_wait_connected(hub, conn, 500), LEAT_E_TIMEOUT);
    cpu_ms = attack_cpu_ms() - cpu_ms;
    CHECK(cpu_ms < lti_test_scaled_ms(50));
    attack_seen("Q01", "%llu ms of processor in 1000 ms, half in the loop, half in a wait",
                (unsigned long long)cpu_ms);
    while (count > 0)
        CHECK(close(fds[--count]) == 0);
    CHECK(close(listener) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(path);
}

/* 3. Waiting for the end never ends when the inbox is full, and uses a processor up. */
TEST(attack_q03_waiting_for_the_end_with_a_full_inbox)
{
    const struct leat_conn_options little = {.size = sizeof little, .inbox_bytes = 1000};
    static const char block[4096];
    struct leat_hub *hub = hub_make();
    const char *path = attack_path("server");
    leat_listener listener = listen_at(hub, path, &little);
    leat_conn conn;
    int fd = attack_raw_connect(path);
    REQUIRE(fd >= 0);
    CHECK_INT(send(fd, block, sizeof block, MSG_NOSIGNAL), sizeof block);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    CHECK_ERROR(leat_wait_readable(hub, conn, ATTACK_SOON_MS), LEAT_OK);
    CHECK_INT(close(fd), 0);
    uint64_t cpu_ms = attack_cpu_ms(), begin_ms = lti_test_now_ms();
    enum leat_error error = leat_wait_closed(hub, conn, ATTACK_SOON_MS);
    CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    cpu_ms = attack_cpu_ms() - cpu_ms;
    CHECK(took_ms < ATTACK_SOON_MS + lti_test_scaled_ms(2000));
    CHECK(cpu_ms < lti_test_scaled_ms(500));
    attack_seen("Q03", "%s after %llu ms, %llu ms of processor", leat_error_name(error),
                (unsigned long long)took_ms, (unsigned long long)cpu_ms);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* 4. Another process takes the connection first: the server closes, and its file is gone. */
TEST(attack_q04_another_process_accepts_first)
{
    struct leat_hub *hub = hub_make();
    const char *path = attack_path("server");
    struct leat_event event;
    leat_listener listener;
    int fd = attack_raw_listen(path, 8);
    REQUIRE(fd >= 0);
    int shared = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    REQUIRE(shared >= 0);
    REQUIRE_ERROR(leat_adopt_listener(hub, fd, NULL, &listener), LEAT_OK);
    for (uint32_t i = 0; i < 50; i++) {
        int conn = attack_raw_connect(path);
        int taken = accept4(shared, NULL, NULL, SOCK_CLOEXEC);
        REQUIRE(conn >= 0 && taken >= 0);
        CHECK_ERROR(leat_next(hub, &event, i % 5), LEAT_E_TIMEOUT);
        REQUIRE(close(conn) == 0 && close(taken) == 0);
    }
    CHECK(attack_exists(path));
    leat_conn conn;
    int client = attack_raw_connect(path);
    REQUIRE(client >= 0);
    CHECK_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    attack_seen("Q04", "50 connections taken by another: not an event; the next one is served");
    CHECK_INT(close(client), 0);
    CHECK_INT(close(shared), 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(path);
}

static ino_t inode_of(const char *path)
{
    struct stat status;
    REQUIRE(lstat(path, &status) == 0);
    return status.st_ino;
}

static void file_make(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && write(fd, "notes", 5) == 5 && close(fd) == 0);
}

static void file_is_kept(const char *path)
{
    struct stat status;
    REQUIRE(lstat(path, &status) == 0);
    CHECK(S_ISREG(status.st_mode));
    CHECK_INT(status.st_size, 5);
}

/* 6. Listening with access for others takes a live server's clients, and replaces a file. */
TEST(attack_q06_listen_with_access_for_others)
{
    static const enum leat_who whos[] = {LEAT_WHO_SAME_USER, LEAT_WHO_INSECURE_ANYONE,
                                         LEAT_WHO_ADMIN, LEAT_WHO_ASK};
    struct leat_hub *hub = hub_make(), *second = hub_make();
    const char *path = attack_path("server"), *file = attack_path("file");
    leat_listener listener = listen_at(hub, path, NULL), other;
    leat_conn a, b;
    file_make(file);
    ino_t inode = inode_of(path);
    for (size_t i = 0; i < 4; i++) {
        const struct leat_listen_options options = {.size = sizeof options, .who = whos[i]};
        CHECK_ERROR(leat_listen(second, attack_name(path), &options, &other), LEAT_E_IN_USE);
        CHECK_ERROR(leat_listen(second, attack_name(file), &options, &other), LEAT_E_IN_USE);
    }
    CHECK_INT(inode_of(path), inode);
    file_is_kept(file);
    open_at(hub, listener, path, &a, &b);
    attack_seen("Q06", "IN_USE with each policy; server, socket and file are as before");
    CHECK_ERROR(leat_hub_destroy(second), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(file);
}

/* 8. A listen that fails for want of descriptors deletes what stands there. */
TEST(attack_q08_failing_listen)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, "vgpreload"))
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = hub_make(), *second = hub_make();
    const char *path = attack_path("server"), *file = attack_path("file");
    leat_listener listener = listen_at(hub, path, NULL), other;
    leat_conn a, b;
    struct rlimit limit, low;
    uint32_t tries = 0, limits = 0;
    file_make(file);
    ino_t inode = inode_of(path);
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    for (int more = 0; more < 8; more++) {
        low.rlim_cur = (rlim_t)(next + more);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
        for (int i = 0; i < 2; i++) {
            enum leat_error error = leat_listen(second, attack_name(i ? file : path), NULL, &other);
            CHECK(error == LEAT_E_LIMIT || error == LEAT_E_IN_USE);
            limits += error == LEAT_E_LIMIT;
            tries++;
        }
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(limits > 0);
    CHECK_INT(inode_of(path), inode);
    file_is_kept(file);
    CHECK(!attack_exists(attack_path("file.leat-lock")));
    open_at(hub, listener, path, &a, &b);
    attack_seen("Q08", "%u tries, %u without a descriptor: server, socket and file are as before",
                tries, limits);
    CHECK_ERROR(leat_hub_destroy(second), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(file);
}

/* 9. A client that has finished sending loses the reply that is queued. */
TEST(attack_q09_reply_to_a_half_close)
{
    const struct leat_conn_options roomy = {.size = sizeof roomy, .outbox_bytes = 16 * MIB};
    struct leat_hub *hub = hub_make();
    const char *path = attack_path("server");
    static char block[65536];
    leat_listener listener = listen_at(hub, path, &roomy);
    leat_conn conn;
    size_t accepted = 0, got = 0;
    int fd = attack_raw_connect(path);
    REQUIRE(fd >= 0);
    CHECK_INT(shutdown(fd, SHUT_WR), 0);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    while (accepted < 10 * MIB) {
        size_t size = 0;
        REQUIRE_ERROR(leat_write(hub, conn, block, sizeof block, &size), LEAT_OK);
        accepted += size;
    }
    CHECK_ERROR(leat_close(hub, conn, ATTACK_SOON_MS), LEAT_OK);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(ATTACK_SOON_MS);
    for (ssize_t size = 1; size != 0 && lti_test_now_ms() < end_ms;) {
        struct leat_event event;
        (void)!leat_next(hub, &event, 0);
        size = recv(fd, block, sizeof block, MSG_DONTWAIT);
        REQUIRE(size >= 0 || errno == EAGAIN);
        got += size > 0 ? (size_t)size : 0;
    }
    CHECK_INT(got, accepted);
    attack_seen("Q09", "%zu of %zu bytes arrive after a half-close and a close", got, accepted);
    CHECK_INT(close(fd), 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* 11. Waiting for a connection waits although one is there, and says both yes and no. */
TEST(attack_q11_waiting_for_who_is_there)
{
    struct leat_hub *hub = hub_make();
    const char *path = attack_path("server");
    leat_listener listener = listen_at(hub, path, NULL);
    leat_conn first, second, third = {77};
    int a = attack_raw_connect(path), b = attack_raw_connect(path);
    REQUIRE(a >= 0 && b >= 0);
    uint64_t begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &first), LEAT_OK);
    CHECK_ERROR(leat_wait_accepted(hub, listener, 0, &second), LEAT_OK);
    CHECK(lti_test_now_ms() - begin_ms < ATTACK_SOON_MS / 2);
    CHECK_ERROR(leat_wait_accepted(hub, listener, 20, &third), LEAT_E_TIMEOUT);
    CHECK_INT(third.id, 77);
    attack_seen("Q11", "both at once, the second without waiting; then TIMEOUT, and no handle");
    CHECK(close(a) == 0 && close(b) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}
