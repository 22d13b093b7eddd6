/* SPDX-License-Identifier: MIT
 *
 * Attacks by many connections, or by none: L38, L40, L41.
 *
 * Happy path: the others are served meanwhile, or as soon as there is room again.
 * Fails:      what cannot be had is told by a deadline, without using the processor up.
 * Invariants: what waits for an attacker is bounded.
 */
#include "attack_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- L38: many that say nothing -------------------------------------------------------------- */

#define HELD_MAX 500u

/* Connects again and again, and keeps what it has as long as it can. */
static void silent_part(int fd, void *argument)
{
    int held[HELD_MAX];
    uint64_t connected = 0;
    for (size_t i = 0; i < HELD_MAX; i++)
        held[i] = -1;
    for (;;) {
        int64_t word;
        if (recv(fd, &word, sizeof word, MSG_DONTWAIT) != -1) {
            attack_say(fd, (int64_t)connected);
            return;
        }
        int conn = attack_raw_connect(argument);
        if (conn == -EAGAIN)
            lti_test_pause();
        if (conn < 0)
            continue;
        int *place = &held[connected++ % HELD_MAX];
        if (*place >= 0)
            (void)close(*place);
        *place = conn;
    }
}

TEST(attack_l38_flood_of_silent_clients)
{
    const uint64_t enough = attack_deep() ? 10000 : 1000;
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    const struct leat_listen_options options = {.size = sizeof options, .conn = &messages};
    struct leat_listener_info info = {.size = sizeof info};
    struct leat_hub *hub = NULL;
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    leat_listener listener;
    uint32_t most = 0;
    char path[256];
    attack_world();
    (void)snprintf(path, sizeof path, "%s", attack_path("run-%u/leat/server", geteuid()));
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, "server", &options, &listener), LEAT_OK);
    struct attack_actor attacker = attack_begin(geteuid(), silent_part, path);
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(30000);
    while (info.handshakes_failed < enough && lti_test_now_ms() < end_ms) {
        CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
        REQUIRE_ERROR(leat_listener_info_get(hub, listener, &info), LEAT_OK);
        most = info.handshakes > most ? info.handshakes : most;
    }
    CHECK(info.handshakes_failed >= enough);
    CHECK(most <= 16);
    int fd = -EAGAIN;
    uint64_t begin_ms = lti_test_now_ms();
    event.type = LEAT_EVENT_WOKEN;
    while (event.type != LEAT_EVENT_ACCEPTED && lti_test_now_ms() < end_ms) {
        if (fd == -EAGAIN && (fd = attack_raw_connect(path)) >= 0)
            CHECK_INT(send(fd, attack_hello, ATTACK_HELLO_BYTES, MSG_NOSIGNAL), ATTACK_HELLO_BYTES);
        (void)!leat_next(hub, &event, 1);
    }
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    CHECK_INT(event.type, LEAT_EVENT_ACCEPTED);
    CHECK(took_ms < lti_test_scaled_ms(1000));
    attack_say(attacker.fd, 1);
    int64_t connected = attack_hear(attacker.fd);
    attack_seen("L38", "%lld silent ones, at most %u at once; another is served within %llu ms",
                (long long)connected, most, (unsigned long long)took_ms);
    attack_end(&attacker);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_world_end();
}

/* ---- L40: no descriptors --------------------------------------------------------------------- */

TEST(attack_l40_no_descriptor_is_left)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, "vgpreload"))
        SKIP_NEEDS("the system's own descriptor limit");
    const uint32_t time_ms = attack_deep() ? 10000 : 1000;
    struct leat_hub *hub = NULL;
    struct leat_listener_info info = {.size = sizeof info};
    struct leat_event event;
    leat_listener listener;
    struct rlimit limit, low;
    int fds[3];
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, "server", NULL, &listener), LEAT_OK);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = attack_raw_connect(attack_path("run-%u/leat/server", geteuid()));
        REQUIRE(fds[i] >= 0);
    }
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)next;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    REQUIRE_ERROR(leat_next(hub, &event, ATTACK_SOON_MS), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_LISTEN_ERROR);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
    uint64_t cpu_ms = attack_cpu_ms();
    CHECK_ERROR(leat_next(hub, &event, time_ms), LEAT_E_TIMEOUT);
    cpu_ms = attack_cpu_ms() - cpu_ms;
    CHECK(cpu_ms < lti_test_scaled_ms(time_ms / 20));
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    /* Who has waited for more than three seconds was turned away. */
    for (size_t i = 0; i < 3 && attack_deep(); i++) {
        CHECK(close(fds[i]) == 0);
        fds[i] = attack_raw_connect(attack_path("run-%u/leat/server", geteuid()));
        REQUIRE(fds[i] >= 0);
    }
    for (size_t i = 0; i < 3; i++) {
        leat_conn conn;
        CHECK_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
        CHECK(close(fds[i]) == 0);
    }
    REQUIRE_ERROR(leat_listener_info_get(hub, listener, &info), LEAT_OK);
    CHECK_INT(info.denied, attack_deep() ? 3 : 0);
    attack_seen("L40", "told once, %llu ms of processor in %u ms; %s served afterwards",
                (unsigned long long)cpu_ms, time_ms,
                attack_deep() ? "all were turned away, and are" : "all are");
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_world_end();
}

/* ---- L41: a server that stands still --------------------------------------------------------- */

static void listen_part(int fd, void *argument)
{
    attack_say(fd, attack_raw_listen(argument, 1));
    (void)attack_hear(fd);
}

TEST(attack_l41_server_that_is_stopped)
{
    struct leat_connect_options options = {.size = sizeof options,
                                           .timeout_ms = attack_deep() ? 5000 : 500};
    struct leat_hub *hub = NULL;
    leat_conn conn;
    char path[256];
    int fds[16], count = 0, status = 0;
    attack_world();
    (void)snprintf(path, sizeof path, "%s", attack_path("server"));
    struct attack_actor actor = attack_begin(geteuid(), listen_part, path);
    REQUIRE(attack_hear(actor.fd) >= 0);
    REQUIRE(kill(actor.pid, SIGSTOP) == 0);
    REQUIRE(waitpid(actor.pid, &status, WUNTRACED) == actor.pid && WIFSTOPPED(status));
    while (count < 16 && (fds[count] = attack_raw_connect(path)) >= 0)
        count++;
    REQUIRE(count < 16 && fds[count] == -EAGAIN);
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    uint64_t cpu_ms = attack_cpu_ms(), begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_connect_wait(hub, attack_name(path), &options, &conn), LEAT_E_TIMEOUT);
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    cpu_ms = attack_cpu_ms() - cpu_ms;
    CHECK(took_ms >= options.timeout_ms - 5);
    CHECK(took_ms < options.timeout_ms + lti_test_scaled_ms(1000));
    CHECK(cpu_ms < lti_test_scaled_ms(options.timeout_ms / 20 + 5));
    attack_seen("L41", "TIMEOUT after %llu ms of %u, %llu ms of processor",
                (unsigned long long)took_ms, options.timeout_ms, (unsigned long long)cpu_ms);
    while (count > 0)
        CHECK(close(fds[--count]) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_kill(&actor);
    attack_remove(path);
    attack_world_end();
}
