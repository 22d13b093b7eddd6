/* SPDX-License-Identifier: MIT
 *
 * What is promised over pipes when there is more than one process: this program runs again, with
 * the name of a test that is only run so.
 *
 * Happy path: a helper says that it is ready by connecting, or by making a file.
 * Fails:      a helper that is killed is a peer that went; its name is free again.
 * Invariants: helpers that were started are ended and waited for, and only those.
 */
#include "conformance/kit_nt.h"
#include "helpers_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define RACERS 8
#define NOTICED_MS 1000

static void note_path(char path[300], const char *what)
{
    (void)snprintf(path, 300, "%s/%s", lti_test_folder(), what);
}

/* A file that appears with all that is in it. */
static void note_make(const char *what, unsigned long long word)
{
    char path[300], early[300];
    note_path(path, what);
    note_path(early, "early");
    FILE *file = fopen(early, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fprintf(file, "%llu", word) > 0 && fclose(file) == 0);
    REQUIRE(MoveFileA(early, path));
}

static unsigned long long note_take(const char *what)
{
    char path[300];
    unsigned long long word = 0;
    FILE *file = NULL;
    note_path(path, what);
    /* Who made it may be holding it for a moment longer. */
    CHECK_WITHIN(30000, (file = fopen(path, "rb")) != NULL);
    REQUIRE(file != NULL);
    CHECK_INT(fscanf(file, "%llu", &word), 1);
    CHECK(fclose(file) == 0);
    CHECK_WITHIN(30000, DeleteFileA(path));
    return word;
}

/* ---- Helpers --------------------------------------------------------------------------------- */

/* Until somebody kills it, or nothing comes for a minute. */
static void hub_stay(struct leat_hub *hub)
{
    struct leat_event event;
    for (;;) {
        enum leat_error error = leat_next(hub, &event, 60000);
        REQUIRE(error == LEAT_OK);
    }
}

/* Connects, writes more than is read, reads nothing, and waits to be killed. */
TEST_ON_DEMAND(helper_client, 120)
{
    struct leat_hub *hub = kit_begin();
    leat_conn conn;
    REQUIRE_ERROR(leat_connect_wait(hub, helper_name(), NULL, &conn), LEAT_OK);
    (void)kit_fill(hub, conn, 0);
    hub_stay(hub);
}

TEST_ON_DEMAND(helper_server, 120)
{
    struct leat_hub *hub = kit_begin();
    (void)kit_listen(hub, helper_name(), NULL);
    note_make("ready", 1);
    hub_stay(hub);
}

/* Tries for the name, tells what came of it, and keeps what it got until the race is over. */
TEST_ON_DEMAND(helper_racer, 120)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener;
    char path[300], what[64];
    note_path(path, "start");
    CHECK_WITHIN(60000, GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES);
    enum leat_error error = leat_listen(hub, helper_name(), NULL, &listener);
    (void)snprintf(what, sizeof what, "racer-%lu", GetCurrentProcessId());
    char early[300];
    note_path(early, what);
    FILE *file = fopen(early, "wb");
    REQUIRE(file != NULL);
    REQUIRE(fprintf(file, "%d\n", (int)error) > 0 && fclose(file) == 0);
    note_path(path, "over");
    CHECK_WITHIN(60000, GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES);
    kit_end(hub);
}

/* Opens the pipe and tells its handle, for another process to take. Hangs until it is killed. */
TEST_ON_DEMAND(helper_opener, 120)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    kit_units(helper_name(), units);
    int64_t handle = lti_os_pipe_open(units);
    REQUIRE(handle >= 0);
    note_make("handle", (unsigned long long)handle);
    helper_stay();
}

/* None of the handles that it is told of is one here. */
TEST_ON_DEMAND(helper_heir, 120)
{
    const char *next = helper_name();
    while (*next != '\0') {
        char *end;
        struct lti_os_pipe_facts facts = {.pipe = false};
        unsigned long long word = strtoull(next, &end, 10);
        REQUIRE(end != next);
        int64_t result = lti_os_pipe_facts((intptr_t)word, &facts);
        CHECK(result < 0 || !facts.pipe);
        next = *end == ' ' ? end + 1 : end;
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

TEST_TIMEOUT(nt_process_client_is_known, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, NULL);
    struct helper helper = helper_start("helper_client", name, false);
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, 60000, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).peer_pid, helper.pid);
    CHECK_INT(kit_info(hub, conn).peer_uid, kit_user());
    REQUIRE_ERROR(leat_wait_readable(hub, conn, KIT_SOON_MS), LEAT_OK);
    intptr_t process = -1, none = -2;
    REQUIRE_ERROR(leat_peer_process(hub, conn, &process), LEAT_OK);
    CHECK_INT(GetProcessId((HANDLE)process), helper.pid);
    CHECK_INT(lti_os_signal_wait(process, 0), 0);
    (void)helper_end(&helper, true);
    /* The handle goes on meaning it, and tells of its end; a new one is not given. */
    CHECK_INT(lti_os_signal_wait(process, INT64_C(1000000) * KIT_SOON_MS), 1);
    CHECK_ERROR(leat_peer_process(hub, conn, &none), LEAT_E_NOT_FOUND);
    CHECK_INT(none, -2);
    CHECK_INT(lti_os_handle_close(process), 0);
    kit_end(hub);
}

TEST_TIMEOUT(nt_process_race_has_one_winner, 240)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    struct helper racers[RACERS];
    char path[300], what[64];
    int winners = 0, losers = 0;
    for (int i = 0; i < RACERS; i++)
        racers[i] = helper_start("helper_racer", name, false);
    note_make("start", 1);
    for (int i = 0; i < RACERS; i++) {
        (void)snprintf(what, sizeof what, "racer-%lu", racers[i].pid);
        char line[16] = "";
        note_path(path, what);
        /* Its one line is whole when its end is there. */
        for (uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(60000);
             strchr(line, '\n') == NULL && lti_test_now_ms() < until; lti_test_pause()) {
            FILE *file = fopen(path, "rb");
            if (file == NULL)
                continue;
            (void)!fgets(line, sizeof line, file);
            CHECK(fclose(file) == 0);
        }
        int error = atoi(line);
        winners += line[0] != '\0' && error == LEAT_OK;
        losers += error == LEAT_E_IN_USE;
    }
    note_make("over", 1);
    for (int i = 0; i < RACERS; i++) {
        CHECK_INT(helper_end(&racers[i], false), 0);
        (void)snprintf(what, sizeof what, "racer-%lu", racers[i].pid);
        note_path(path, what);
        CHECK(DeleteFileA(path));
    }
    (void)note_take("start");
    (void)note_take("over");
    /* Where the system does not keep a name for its first server, all may lose, but not two win. */
    CHECK(winners <= 1);
    if (!lti_test_on_wine())
        CHECK_INT(winners, 1);
    CHECK_INT(winners + losers, RACERS);
    kit_end(hub);
}

TEST_TIMEOUT(attack_w13_killed_client, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, NULL);
    struct helper helper = helper_start("helper_client", name, false);
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, 60000, &conn), LEAT_OK);
    CHECK_ERROR(leat_pause(hub, conn), LEAT_OK);
    (void)kit_fill(hub, conn, 0); /* a write waits in both directions */
    uint64_t outbox = kit_info(hub, conn).outbox_bytes;
    CHECK(outbox > 0);
    CHECK(TerminateProcess(helper.process, 1));
    REQUIRE(WaitForSingleObject(helper.process, 30000) == WAIT_OBJECT_0);
    uint64_t begin = kit_now_ms();
    struct leat_event event = {0};
    while (event.type != LEAT_EVENT_HANGUP && event.type != LEAT_EVENT_CLOSED)
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    CHECK_ERROR(leat_resume(hub, conn), LEAT_OK);
    enum leat_error end;
    (void)kit_read_to_the_end(hub, conn, &end);
    CHECK(end == LEAT_E_FINISHED || end == LEAT_E_BROKEN);
    (void)helper_end(&helper, false);
    kit_end(hub);
}

TEST_TIMEOUT(attack_w14_killed_server, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    struct helper helper = helper_start("helper_server", name, false);
    (void)note_take("ready");
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    (void)helper_end(&helper, true);
    uint64_t begin = kit_now_ms();
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK(kit_now_ms() - begin < lti_test_scaled_ms(NOTICED_MS));
    CHECK(event.error == LEAT_E_CLOSED || event.error == LEAT_E_BROKEN);
    conn = kit_connect(hub, name, 2, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    leat_listener listener = kit_listen(hub, name, NULL);
    (void)kit_open(hub, listener, name, NULL);
    kit_end(hub);
}

TEST_TIMEOUT(attack_w23_child_that_inherits_all, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, NULL);
    (void)kit_open(hub, listener, name, NULL);
    (void)kit_pair(hub, NULL);
    char handles[4000] = "";
    size_t size = 0, pipes = 0;
    for (uintptr_t word = 4; word < 4096; word += 4) {
        struct lti_os_pipe_facts facts = {.pipe = false};
        if (lti_os_pipe_facts((intptr_t)word, &facts) < 0 || !facts.pipe)
            continue;
        DWORD flags = 0;
        CHECK(GetHandleInformation((HANDLE)word, &flags) && !(flags & HANDLE_FLAG_INHERIT));
        size += (size_t)snprintf(handles + size, sizeof handles - size, "%s%llu",
                                 size > 0 ? " " : "", (unsigned long long)word);
        REQUIRE(size < sizeof handles);
        pipes++;
    }
    CHECK(pipes >= 8); /* four that wait, four ends */
    struct helper helper = helper_start("helper_heir", handles, true);
    CHECK_INT(helper_end(&helper, false), 0);
    kit_end(hub);
}

/* The process that opened a pipe is gone, and another one speaks: the number is for logs only. */
TEST_TIMEOUT(attack_w24_pipe_that_was_handed_over, 120)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    leat_listener listener = kit_listen(hub, name, NULL);
    struct helper helper = helper_start("helper_opener", name, false);
    unsigned long long word = note_take("handle");
    HANDLE taken = NULL;
    REQUIRE(DuplicateHandle(helper.process, (HANDLE)(uintptr_t)word, GetCurrentProcess(), &taken, 0,
                            FALSE, DUPLICATE_SAME_ACCESS));
    DWORD pid = helper.pid;
    (void)helper_end(&helper, true);
    leat_conn conn, client;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(hub, (intptr_t)taken, 1, NULL, &client), LEAT_OK);
    kit_write_text(hub, client, "it is me");
    kit_read_text(hub, conn, "it is me");
    CHECK_INT(kit_info(hub, conn).peer_pid, pid);
    CHECK_INT(kit_info(hub, conn).peer_uid, kit_user());
    intptr_t process = -2;
    CHECK_ERROR(leat_peer_process(hub, conn, &process), LEAT_E_NOT_FOUND);
    CHECK_INT(process, -2);
    kit_end(hub);
}
