/* SPDX-License-Identifier: MIT
 *
 * A process that has no descriptor left for its listener's clients.
 *
 * Happy path: those who come wait, and are served when there are descriptors again.
 * Fails:      when there are none for three seconds, those who wait are turned away; for that the
 *             listener holds one in reserve, where it could have it.
 * Invariants: all of it is one LISTEN_ERROR, and who is turned away is counted. Time is virtual on
 *             both kernels.
 */
#include "kit_posix.h"
#include "kit_sim_posix.h"

#include "os_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Only the real kernel has these. */
void lti_fault_virtual_time(void) __attribute__((weak));
void lti_fault_reset(void) __attribute__((weak));

/* The pauses of a listener come to 3.1 s before the one that is the longest, which is 2 s. */
#define SHORT_MS 3000u
#define LONG_MS 3200u
#define PAUSE_MS 2000u
#define A_TURN 16
#define FILLERS_MAX 1100
#define CLIENTS_MAX 20

/* ---- The shortage ---------------------------------------------------------------------------- */

static int fillers[FILLERS_MAX], fillers_used;
static struct rlimit limit_before;

/* Valgrind plays the limit itself, and drops a connection that it could not let in. */
static bool limits_are_played(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return !kit_simulated() && preload && strstr(preload, "vgpreload");
}

/* Takes all descriptors but so many. */
static void shortage_begin(int spared)
{
    REQUIRE_INT(fillers_used, 0);
    if (!kit_simulated()) {
        int next = dup(0);
        REQUIRE(next >= 0 && close(next) == 0);
        REQUIRE(getrlimit(RLIMIT_NOFILE, &limit_before) == 0);
        struct rlimit low = limit_before;
        low.rlim_cur = (rlim_t)next + 4;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    }
    int64_t fd;
    while ((fd = lti_os_socket(false)) >= 0) {
        REQUIRE(fillers_used < FILLERS_MAX);
        fillers[fillers_used++] = (int)fd;
    }
    REQUIRE_INT(lti_os_kind_of(fd), LTI_OS_DESCRIPTORS);
    for (; spared > 0; spared--)
        CHECK_INT(lti_os_close(fillers[--fillers_used]), 0);
}

static void shortage_end(void)
{
    while (fillers_used > 0)
        CHECK_INT(lti_os_close(fillers[--fillers_used]), 0);
    if (!kit_simulated())
        REQUIRE(setrlimit(RLIMIT_NOFILE, &limit_before) == 0);
}

/* ---- Who serves, and who comes --------------------------------------------------------------- */

static int lines_turned_away;

static void log_take(void *context, const char *text)
{
    (void)context;
    lines_turned_away += strstr(text, "turned away") != NULL;
}

static struct leat_hub *server_begin(void)
{
    static const struct leat_hub_options options = {.size = sizeof options, .log = log_take};
    CHECK_ERROR(leat_hub_destroy(kit_begin()), LEAT_OK);
    if (lti_fault_virtual_time)
        lti_fault_virtual_time();
    lines_turned_away = 0;
    return kit_hub(&options);
}

static void server_end(struct leat_hub *hub)
{
    if (lti_fault_virtual_time)
        lti_fault_reset();
    kit_end(hub);
}

static leat_listener server_listen(struct leat_hub *hub, const char *name, bool adopted)
{
    leat_listener listener;
    if (!adopted)
        return kit_listen(hub, name, NULL);
    REQUIRE_ERROR(leat_adopt_listener(hub, kit_raw_listen(name, 64), NULL, &listener), LEAT_OK);
    return listener;
}

/* A client has its descriptor before there is none left for it. */
static void clients_make(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t fd = lti_os_socket(false);
        REQUIRE(fd >= 0);
        fds[i] = (int)fd;
    }
}

static void clients_come(const int *fds, int count, const char *name)
{
    char address[LTI_OS_PATH_MAX + 8];
    size_t size = 0;
    REQUIRE_ERROR(leat_resolve(name, address, sizeof address, &size), LEAT_OK);
    if (address[5] == '@')
        address[5] = '\0';
    for (int i = 0; i < count; i++)
        REQUIRE_INT(lti_os_connect(fds[i], address + 5, size - 5), 0);
}

static int clients_turned_away(const int *fds, int count)
{
    int away = 0;
    char byte;
    for (int i = 0; i < count; i++)
        away += kit_raw_recv(fds[i], &byte, 1) < 0;
    return away;
}

static void clients_go(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        kit_raw_close(fds[i]);
}

/* Lets so much time go by, in which nobody has anything to tell. */
static void quiet_pass(struct leat_hub *hub, uint32_t time_ms)
{
    struct leat_event event;
    CHECK_ERROR(leat_next(hub, &event, time_ms), LEAT_E_TIMEOUT);
}

static void error_is_told(struct leat_hub *hub, leat_listener listener)
{
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_LISTEN_ERROR);
    CHECK(event.listener.id == listener.id);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
}

static void clients_are_served(struct leat_hub *hub, const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        leat_conn conn = KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).conn;
        kit_write_text(hub, conn, "served");
        CHECK_ERROR(leat_close(hub, conn, 1000), LEAT_OK);
    }
    for (int i = 0; i < count; i++) {
        char bytes[8];
        CHECK_INT(kit_raw_recv(fds[i], bytes, sizeof bytes), 6);
    }
    KIT_QUIET(hub);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

TEST(descriptors_short_for_a_while_cost_patience_only)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = server_begin();
    leat_listener listener = server_listen(hub, kit_plain("server"), false);
    int fds[3];
    clients_make(fds, 3);
    for (int round = 0; round < 2; round++) { /* who was served begins the patience anew */
        clients_come(fds, 3, kit_plain("server"));
        shortage_begin(0);
        error_is_told(hub, listener);
        quiet_pass(hub, SHORT_MS);
        CHECK_INT(clients_turned_away(fds, 3), 0);
        shortage_end();
        clients_are_served(hub, fds, 3);
        CHECK_INT(kit_listener_info(hub, listener).denied, 0);
        clients_go(fds, 3);
        clients_make(fds, 3);
    }
    CHECK_INT(kit_listener_info(hub, listener).accepted, 6);
    CHECK_INT(lines_turned_away, 0);
    clients_go(fds, 3);
    server_end(hub);
}

/* Twice, so that the reserve is there again after it was used and after all was well. */
static void short_for_long(bool adopted)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = server_begin();
    leat_listener listener = server_listen(hub, kit_path("server"), adopted);
    int fds[5];
    for (uint64_t round = 0; round < 2; round++) {
        clients_make(fds, 5);
        clients_come(fds, 3, kit_path("server"));
        shortage_begin(0);
        const int64_t descriptors = lti_test_descriptors_live();
        error_is_told(hub, listener);
        quiet_pass(hub, SHORT_MS);
        CHECK_INT(clients_turned_away(fds, 3), 0);
        quiet_pass(hub, LONG_MS - SHORT_MS);
        CHECK_INT(clients_turned_away(fds, 3), 3);
        CHECK_INT(lti_test_descriptors_live(), descriptors);
        CHECK_INT(kit_listener_info(hub, listener).denied, round * 4 + 3);
        /* It lasts: who comes now waits for one pause at most. */
        clients_come(fds + 3, 1, kit_path("server"));
        quiet_pass(hub, PAUSE_MS);
        CHECK_INT(clients_turned_away(fds + 3, 1), 1);
        CHECK_INT(lti_test_descriptors_live(), descriptors);
        CHECK_INT(kit_listener_info(hub, listener).denied, round * 4 + 4);
        CHECK_INT(lines_turned_away, (int)round * 2 + 2);
        shortage_end();
        clients_come(fds + 4, 1, kit_path("server"));
        clients_are_served(hub, fds + 4, 1);
        clients_go(fds, 5);
    }
    CHECK_INT(kit_listener_info(hub, listener).accepted, 2);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    if (adopted)
        kit_file_remove(kit_path("server"));
    server_end(hub);
}

TEST(descriptors_short_for_long_turn_clients_away)
{
    short_for_long(false);
}

TEST(descriptors_short_for_long_turn_clients_of_an_adopted_listener_away)
{
    short_for_long(true);
}

TEST(descriptors_short_for_long_turn_sixteen_clients_away_at_a_time)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = server_begin();
    leat_listener listener = server_listen(hub, kit_plain("server"), false);
    int fds[CLIENTS_MAX];
    clients_make(fds, CLIENTS_MAX);
    clients_come(fds, CLIENTS_MAX, kit_plain("server"));
    shortage_begin(0);
    error_is_told(hub, listener);
    quiet_pass(hub, LONG_MS);
    CHECK_INT(clients_turned_away(fds, CLIENTS_MAX), A_TURN);
    CHECK_INT(clients_turned_away(fds, A_TURN), A_TURN); /* who came first */
    quiet_pass(hub, PAUSE_MS);
    CHECK_INT(clients_turned_away(fds, CLIENTS_MAX), CLIENTS_MAX);
    CHECK_INT(kit_listener_info(hub, listener).denied, CLIENTS_MAX);
    CHECK_INT(lines_turned_away, 2);
    shortage_end();
    clients_go(fds, CLIENTS_MAX);
    server_end(hub);
}

/* A client of ours hears it as the end of its connection, or of its handshake. */
TEST(descriptors_short_for_long_end_clients_of_leat)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    const struct leat_connect_options patient = {
        .size = sizeof patient, .timeout_ms = 60000, .conn = &kit_messages};
    struct leat_hub *hub = server_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, kit_plain("server"), &patient, &conn), LEAT_OK);
    shortage_begin(0);
    error_is_told(hub, listener);
    quiet_pass(hub, SHORT_MS);
    uint64_t begin_ms = kit_now_ms();
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK(event.conn.id == conn.id);
    CHECK(event.error == LEAT_E_BROKEN || event.error == LEAT_E_CLOSED);
    CHECK(kit_now_ms() - begin_ms < 1000);
    CHECK_INT(kit_listener_info(hub, listener).denied, 1);
    shortage_end();
    (void)kit_open(hub, listener, kit_plain("server"), &kit_messages);
    server_end(hub);
}

/* There is none for the reserve, either: listening works, and clients wait. The first one to be had
 * when a pause ends is the reserve. */
TEST(descriptors_short_from_the_beginning)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = server_begin();
    int fds[4];
    char name[64];
    (void)snprintf(name, sizeof name, "unix:@leat-short-%ld", (long)getpid());
    clients_make(fds, 4);
    shortage_begin(1); /* for the listener itself */
    const int64_t descriptors = lti_test_descriptors_live();
    leat_listener listener = server_listen(hub, name, false);
    CHECK_INT(lti_test_descriptors_live(), descriptors + 1);
    KIT_QUIET(hub);
    clients_come(fds, 3, name);
    error_is_told(hub, listener);
    quiet_pass(hub, LONG_MS + PAUSE_MS);
    CHECK_INT(clients_turned_away(fds, 3), 0);
    CHECK_INT(lti_test_descriptors_live(), descriptors + 1);
    kit_raw_close(fds[3]);
    quiet_pass(hub, PAUSE_MS);
    CHECK_INT(clients_turned_away(fds, 3), 3);
    CHECK_INT(lti_test_descriptors_live(), descriptors + 1);
    CHECK_INT(kit_listener_info(hub, listener).denied, 3);
    shortage_end();
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    clients_go(fds, 3);
    server_end(hub);
}

/* What the thread of the hub has to close is closed, before a pause is over. */
static void thread_ends(struct leat_hub *hub)
{
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (kit_hub_info(hub).threads > 0 && lti_test_now_ms() < end_ms) {
        if (kit_simulated())
            quiet_pass(hub, 1);
        else
            lti_test_pause();
    }
    REQUIRE_INT(kit_hub_info(hub).threads, 0);
}

/* Until so many have been turned away, each when a descriptor is there again for him. */
static void until_turned_away(struct leat_hub *hub, const int *fds, int count)
{
    thread_ends(hub);
    for (int i = 0; i < count && clients_turned_away(fds, count) < count; i++) {
        quiet_pass(hub, PAUSE_MS);
        thread_ends(hub);
    }
    REQUIRE_INT(clients_turned_away(fds, count), count);
}

/* What clients have sent may have descriptors in it, where the system lets them through: then they
 * are closed by a thread, and the next one is turned away when it has closed the one before. */
TEST(descriptors_short_for_long_turn_clients_away_who_have_sent_something)
{
    const struct lti_sim_options options = {.descriptors_pass = true};
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    if (lti_sim_begin)
        lti_sim_begin(&options);
    struct leat_hub *hub = server_begin();
    leat_listener listener = server_listen(hub, kit_path("server"), true);
    int fds[5];
    clients_make(fds, 5);
    clients_come(fds, 3, kit_path("server"));
    for (int i = 0; i < 3; i++)
        kit_raw_send(fds[i], "x", 1);
    shortage_begin(0);
    error_is_told(hub, listener);
    quiet_pass(hub, LONG_MS);
    uint64_t denied = kit_listener_info(hub, listener).denied;
    CHECK(denied == 1 || (denied > 1 && !kit_simulated())); /* there a thread may be fast */
    until_turned_away(hub, fds, 3);
    clients_come(fds + 3, 1, kit_path("server"));
    kit_raw_send(fds[3], "x", 1);
    until_turned_away(hub, fds, 4);
    CHECK_INT(kit_listener_info(hub, listener).denied, 4);
    shortage_end();
    clients_come(fds + 4, 1, kit_path("server"));
    clients_are_served(hub, fds + 4, 1);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_file_remove(kit_path("server"));
    clients_go(fds, 5);
    server_end(hub);
}

/* A hub that has its last connection has descriptors: its clients wait, however long. */
TEST(descriptors_are_not_what_a_full_hub_lacks)
{
    const struct leat_hub_options full = {.size = sizeof full, .conns_max = 1};
    struct leat_hub *base = server_begin(), *hub = kit_hub(&full);
    leat_listener listener = server_listen(hub, kit_plain("server"), false);
    int fds[2];
    clients_make(fds, 2);
    clients_come(fds, 2, kit_plain("server"));
    leat_conn conn = KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).conn;
    error_is_told(hub, listener);
    quiet_pass(hub, LONG_MS + 2 * PAUSE_MS);
    CHECK_INT(clients_turned_away(fds, 2), 0);
    CHECK_INT(kit_listener_info(hub, listener).denied, 0);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    (void)KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    clients_go(fds, 2);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    server_end(base);
}
