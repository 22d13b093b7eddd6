/* SPDX-License-Identifier: MIT
 *
 * Taking over between processes, and what a failing one leaves: things that only the real kernel
 * has.
 *
 * Happy path: while servers come and go at a path, every client finds one.
 * Fails:      IN_USE for who comes second; a take-over that fails changes nothing.
 * Invariants: children that were started are waited for, and only those.
 */
#include "conformance/paths_kit_posix.h"

#include "os_fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RACERS 100
#define HAND_OVERS 60

static const struct leat_listen_options taking = {.size = sizeof taking, .take_over = true};

/* Its exit code; 255 when it did not exit. */
static int child_code(pid_t child)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* A gate is a pipe: it opens for everybody when its only writer closes it. */
static bool gate_wait(const int gate[2])
{
    char byte;
    return close(gate[1]) == 0 && read(gate[0], &byte, 1) == 0;
}

static void gate_open(const int gate[2])
{
    CHECK_INT(close(gate[1]), 0);
    CHECK_INT(close(gate[0]), 0);
}

/* Waits for the start, listens, says what came of it, and stays until all have tried. */
static int racer(const char *name, const struct leat_listen_options *options, const int start[2],
                 const int end[2], int result)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        return 1;
    if (!gate_wait(start))
        return 2;
    char byte = (char)leat_listen(hub, name, options, &listener);
    if (write(result, &byte, 1) != 1)
        return 3;
    if (!gate_wait(end))
        return 4;
    return leat_hub_destroy(hub) == LEAT_OK ? 0 : 5;
}

/* How many won; all others must have lost in the same way. */
static uint32_t race(struct leat_hub *hub, const char *name,
                     const struct leat_listen_options *options)
{
    int start[2], end[2], result[2];
    pid_t children[RACERS];
    uint32_t winners = 0;
    REQUIRE(pipe(start) == 0 && pipe(end) == 0 && pipe(result) == 0);
    for (int i = 0; i < RACERS; i++) {
        children[i] = fork();
        REQUIRE(children[i] >= 0);
        if (children[i] == 0)
            _exit(racer(name, options, start, end, result[1]));
    }
    gate_open(start);
    CHECK_INT(close(result[1]), 0);
    for (int i = 0; i < RACERS; i++) {
        char byte = 0;
        REQUIRE(read(result[0], &byte, 1) == 1);
        CHECK(byte == LEAT_OK || byte == LEAT_E_IN_USE);
        winners += byte == LEAT_OK;
    }
    /* One of them has the name now. */
    leat_conn conn;
    CHECK_ERROR(leat_connect_wait(hub, name, NULL, &conn), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    gate_open(end);
    for (int i = 0; i < RACERS; i++)
        CHECK_INT(child_code(children[i]), 0);
    CHECK_INT(close(result[0]), 0);
    return winners;
}

static void nothing_stands(const char *path)
{
    char beside[PATHS_BYTES_MAX + 20];
    CHECK(!kit_file_exists(path));
    (void)snprintf(beside, sizeof beside, "%s.leat-lock", path);
    CHECK(!kit_file_exists(beside));
    (void)snprintf(beside, sizeof beside, "%s.leat-new", path);
    CHECK(!kit_file_exists(beside));
}

TEST(paths_race_at_a_long_path_has_one_winner)
{
    struct leat_hub *hub = kit_begin();
    char path[301];
    paths_long(path, 300, 20);
    CHECK_INT(race(hub, path, NULL), 1);
    nothing_stands(path);
    paths_long_remove(path);
    kit_end(hub);
}

/* Where nobody is, or where a server is whose name is taken. Each winner took it from the one
 * before; whoever closes last leaves nothing. */
TEST(take_over_race_of_a_hundred_processes)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    CHECK(race(hub, name, &taking) >= 1);
    nothing_stands(name);
    leat_listener old = kit_listen(hub, name, NULL);
    CHECK(race(hub, name, &taking) >= 1);
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

/* Connects again and again until it is told to stop; every time somebody must be there. */
static int visitor(const char *name, const int stop[2], int progress)
{
    struct leat_hub *hub = NULL;
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = KIT_SOON_MS};
    char byte = 'v';
    if (close(stop[1]) != 0 || leat_hub_create(NULL, &hub) != LEAT_OK)
        return 1;
    for (int i = 0; i < 1000000; i++) {
        leat_conn conn;
        enum leat_error error = leat_connect_wait(hub, name, &options, &conn);
        if (error != LEAT_OK)
            return 100 + (int)error;
        (void)leat_abort(hub, conn);
        if (i % 16 == 0 && write(progress, &byte, 1) != 1)
            return read(stop[0], &byte, 1) == 0 ? 0 : 2; /* nobody asks any more */
    }
    return 3;
}

static void drain(struct leat_hub *hub, leat_listener listener)
{
    leat_conn conn;
    while (leat_wait_accepted(hub, listener, 0, &conn) == LEAT_OK)
        (void)leat_abort(hub, conn);
}

/* A forked child has the hub's memory as well, and no other word of where it is. */
static struct leat_hub *volatile parents_hub;

static void hand_over_under_load(const char *name)
{
    struct leat_hub *hub = kit_begin();
    parents_hub = hub;
    int stop[2], progress[2];
    char byte;
    REQUIRE(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    leat_listener listener = kit_listen(hub, name, NULL);
    REQUIRE(pipe(stop) == 0 && pipe(progress) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)close(progress[0]);
        _exit(visitor(name, stop, progress[1]));
    }
    CHECK_INT(close(progress[1]), 0);
    for (int i = 0; i < HAND_OVERS; i++) {
        leat_listener next = {0};
        if (!CHECK_ERROR(leat_listen(hub, name, &taking, &next), LEAT_OK))
            break;
        drain(hub, listener);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        listener = next;
        /* The visitor goes on meanwhile; it is served, so that it never waits for the backlog. */
        leat_conn conn;
        CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
        (void)leat_abort(hub, conn);
        if (!CHECK(i % 4 != 0 || read(progress[0], &byte, 1) == 1))
            break;
        drain(hub, listener);
    }
    CHECK_INT(close(stop[1]), 0);
    CHECK_INT(close(progress[0]), 0);
    /* Somebody must serve until it has noticed. */
    int status = 0;
    pid_t waited = 0;
    while ((waited = waitpid(child, &status, WNOHANG)) == 0) {
        leat_conn conn;
        if (leat_wait_accepted(hub, listener, 50, &conn) == LEAT_OK)
            (void)leat_abort(hub, conn);
    }
    CHECK_INT(waited, child);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : 255, 0);
    CHECK_INT(close(stop[0]), 0);
    kit_end(hub);
}

TEST(take_over_refuses_no_client_of_a_path)
{
    hand_over_under_load(kit_path("server"));
}

TEST(take_over_refuses_no_client_of_a_plain_name)
{
    hand_over_under_load(kit_plain("server"));
}

/* The old server does not feel it, whichever call of a take-over fails. */
TEST(take_over_that_fails_changes_nothing)
{
    static const enum lti_fault_call calls[] = {
        LTI_FAULT_CALL_open_lock, LTI_FAULT_CALL_fstat,      LTI_FAULT_CALL_turn,
        LTI_FAULT_CALL_socket,    LTI_FAULT_CALL_fchmod,     LTI_FAULT_CALL_bind,
        LTI_FAULT_CALL_lstat,     LTI_FAULT_CALL_node_mode,  LTI_FAULT_CALL_listen,
        LTI_FAULT_CALL_rename,    LTI_FAULT_CALL_poller_add, LTI_FAULT_CALL_open_folder,
        LTI_FAULT_CALL_share,     LTI_FAULT_CALL_open_node,
    };
    struct leat_hub *hub = kit_begin();
    struct leat_listen_options options = taking;
    const char *name = kit_path("server");
    options.who = LEAT_WHO_INSECURE_ANYONE;
    leat_listener old = kit_listen(hub, name, NULL);
    struct lti_os_file before = paths_look(name);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        leat_listener listener = {77};
        size_t fault = 0;
        while (fault < lti_fault_count() && lti_fault_at(fault)->call != calls[i])
            fault++;
        lti_fault_reset();
        bool look = calls[i] == LTI_FAULT_CALL_lstat;
        lti_fault_arm_nth(look ? paths_looks(name) + 1 : 1, fault, LTI_FAULT_ONCE);
        CHECK(leat_listen(hub, name, &options, &listener) != LEAT_OK);
        CHECK_INT(lti_fault_fired(), 1);
        CHECK_INT(listener.id, 77);
        lti_fault_reset();
        CHECK(paths_look(name).inode == before.inode && paths_look(name).mode == 0600);
        CHECK(!kit_file_exists(kit_path("server.leat-new")));
        (void)kit_open(hub, old, name, NULL);
    }
    CHECK_ERROR(leat_listener_close(hub, old), LEAT_OK);
    nothing_stands(name);
    kit_end(hub);
}

/* A system that shows no descriptors: the path is followed once more, and must still lead there. */
TEST(paths_without_proc_are_followed_once_more)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    size_t fault = 0;
    while (lti_fault_at(fault)->call != LTI_FAULT_CALL_connect_node ||
           strcmp(lti_fault_at(fault)->name, "ENOSYS") != 0)
        fault++;
    leat_listener listener = kit_listen(hub, name, NULL);
    lti_fault_reset();
    lti_fault_arm_nth(1, fault, LTI_FAULT_FOREVER);
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    CHECK_INT(lti_fault_fired(), 1);
    lti_fault_reset();
    kit_write_text(hub, ends.dialled, "found");
    kit_read_text(hub, ends.accepted, "found");
    kit_end(hub);
}

/* A folder above that others may write to: whoever renames what is in it does not lead a server
 * elsewhere, nor its close. */
TEST(paths_of_a_folder_that_was_renamed_stay_in_it)
{
    struct leat_hub *hub = kit_begin();
    const char *open = kit_path("open") + 5, *house = kit_path("open/house") + 5;
    const char *aside = kit_path("open/aside") + 5, *name = kit_path("open/house/server");
    kit_folder_make(open);
    paths_mode(open, 0777);
    kit_folder_make(house);
    leat_listener listener = kit_listen(hub, name, NULL);
    (void)kit_open(hub, listener, name, NULL);
    REQUIRE(rename(house, aside) == 0);
    kit_folder_make(house);
    kit_file_make(name);
    kit_file_make(kit_path("open/house/server.leat-lock"));
    CHECK(kit_file_exists(kit_path("open/aside/server")));
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(!kit_file_exists(kit_path("open/aside/server")));
    CHECK(!kit_file_exists(kit_path("open/aside/server.leat-lock")));
    kit_file_remove(name);
    kit_file_remove(kit_path("open/house/server.leat-lock"));
    kit_folder_remove(house);
    kit_folder_remove(aside);
    kit_folder_remove(open);
    kit_end(hub);
}
