/* SPDX-License-Identifier: MIT
 *
 * What only a real system has: out-of-band data, files with something in them, links, users that
 * are not mapped.
 *
 * Happy path: bytes are delivered whatever stands between them.
 * Fails:      UNTRUSTED for what may be somebody else's; it stays as it was.
 * Invariants: each test removes what it made.
 */
#include "conformance/paths_kit_posix.h"

#include "os_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Out-of-band data ------------------------------------------------------------------------ */

/* False where this kernel has no out-of-band data on Unix-domain sockets. */
static bool urgent_send(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_OOB | MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static leat_conn urgent_begin(struct leat_hub *hub, int *fd_out)
{
    intptr_t handle = -1;
    leat_conn conn;
    *fd_out = kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 7, NULL, &conn), LEAT_OK);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 7);
    return conn;
}

/* Reads until this much has come, by events only: what is not told of is not read. */
static void urgent_expect(struct leat_hub *hub, leat_conn conn, const char *text)
{
    char bytes[64];
    size_t size = 0;
    while (size < strlen(text)) {
        struct leat_event event;
        size_t part = 0;
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        REQUIRE_INT(event.type, LEAT_EVENT_READABLE);
        REQUIRE_ERROR(leat_read(hub, conn, bytes + size, sizeof bytes - size, &part), LEAT_OK);
        size += part;
    }
    CHECK_INT(size, strlen(text));
    CHECK_MEM(bytes, text, strlen(text));
    KIT_QUIET(hub);
}

TEST(urgent_data_strands_nothing_behind_it)
{
    struct leat_hub *hub = kit_begin();
    int fd = -1;
    leat_conn conn = urgent_begin(hub, &fd);
    kit_raw_send(fd, "abc", 3);
    if (!urgent_send(fd, "!"))
        SKIP_NEEDS("a kernel with out-of-band data on Unix-domain sockets");
    kit_raw_send(fd, "def\n", 4);
    urgent_expect(hub, conn, "abcdef\n");
    /* Again, now that the peer is known for it; and with nothing before or behind. */
    kit_raw_send(fd, "one", 3);
    CHECK(urgent_send(fd, "2"));
    kit_raw_send(fd, "three", 5);
    urgent_expect(hub, conn, "onethree");
    CHECK(urgent_send(fd, "?"));
    KIT_QUIET(hub);
    kit_raw_send(fd, "end", 3);
    urgent_expect(hub, conn, "end");
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(urgent_data_after_a_look_strands_nothing)
{
    struct leat_hub *hub = kit_begin();
    char line[32];
    size_t size = 0;
    int fd = -1;
    leat_conn conn = urgent_begin(hub, &fd);
    kit_raw_send(fd, "half ", 5);
    CHECK_ERROR(leat_read_line(hub, conn, line, sizeof line, 0, &size), LEAT_E_TIMEOUT);
    if (!urgent_send(fd, "!"))
        SKIP_NEEDS("a kernel with out-of-band data on Unix-domain sockets");
    kit_raw_send(fd, "a line\n", 7);
    CHECK_ERROR(leat_read_line(hub, conn, line, sizeof line, KIT_SOON_MS, &size), LEAT_OK);
    CHECK_STR(line, "half a line\n");
    kit_raw_close(fd);
    kit_end(hub);
}

/* ---- What stands where the lock is to be ----------------------------------------------------- */

static void lock_refused(struct leat_hub *hub)
{
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, kit_path("server"), NULL, &listener), LEAT_E_UNTRUSTED);
    CHECK_INT(listener.id, 77);
    CHECK(!kit_file_exists(kit_path("server")));
}

TEST(lock_with_something_in_it_is_nobodys)
{
    struct leat_hub *hub = kit_begin();
    const char *lock = kit_path("server.leat-lock") + 5;
    char text[16] = "";
    FILE *file = fopen(lock, "w");
    REQUIRE(file != NULL);
    CHECK(fputs("my notes", file) >= 0);
    CHECK(fclose(file) == 0);
    lock_refused(hub);
    file = fopen(lock, "r");
    REQUIRE(file != NULL);
    CHECK(fgets(text, sizeof text, file) == text);
    CHECK_STR(text, "my notes");
    CHECK(fclose(file) == 0);
    CHECK(unlink(lock) == 0);
    kit_end(hub);
}

TEST(lock_that_is_a_link_or_has_two_names_is_nobodys)
{
    struct leat_hub *hub = kit_begin();
    const char *lock = kit_path("server.leat-lock") + 5;
    const char *file = kit_path("file") + 5;
    kit_file_make(file);
    REQUIRE(symlink(file, lock) == 0);
    lock_refused(hub);
    CHECK(unlink(lock) == 0);
    REQUIRE(symlink("nowhere", lock) == 0);
    lock_refused(hub);
    CHECK(!kit_file_exists(kit_path("nowhere")));
    CHECK(unlink(lock) == 0);
    REQUIRE(link(file, lock) == 0);
    lock_refused(hub);
    CHECK(unlink(lock) == 0);
    CHECK(unlink(file) == 0);
    kit_end(hub);
}

/* A lock that was there before stays, whichever call of a listen fails; one that was made goes. */
TEST(lock_is_as_before_whatever_fails)
{
    static const enum lti_fault_call calls[] = {
        LTI_FAULT_CALL_fstat, LTI_FAULT_CALL_socket, LTI_FAULT_CALL_fchmod,
        LTI_FAULT_CALL_bind,  LTI_FAULT_CALL_listen, LTI_FAULT_CALL_poller_add,
        LTI_FAULT_CALL_lstat,
    };
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    const char *lock = kit_path("server.leat-lock");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        size_t fault = 0;
        while (fault < lti_fault_count() && lti_fault_at(fault)->call != calls[i])
            fault++;
        for (int before = 0; before < 2; before++) {
            leat_listener listener = {77};
            if (before)
                kit_file_make(lock);
            lti_fault_reset();
            bool look = calls[i] == LTI_FAULT_CALL_lstat;
            lti_fault_arm_nth(look ? paths_looks(name) + 1 : 1, fault, LTI_FAULT_ONCE);
            CHECK(leat_listen(hub, name, NULL, &listener) != LEAT_OK);
            CHECK_INT(lti_fault_fired(), 1);
            lti_fault_reset();
            CHECK(!kit_file_exists(name));
            CHECK_INT(kit_file_exists(lock), before);
        }
        kit_file_remove(lock);
    }
    kit_end(hub);
}

/* ---- Users ----------------------------------------------------------------------------------- */

struct log {
    char line[200];
    uint32_t count;
};

static void log_take(void *context, const char *text)
{
    struct log *log = context;
    log->count++;
    (void)snprintf(log->line, sizeof log->line, "%s", text);
}

TEST(log_says_why_a_peer_is_not_trusted)
{
    struct log log = {.count = 0};
    const struct leat_hub_options options = {
        .size = sizeof options, .log = log_take, .hook_context = &log};
    struct leat_hub *base = kit_begin();
    struct leat_hub *hub = kit_hub(&options);
    leat_conn conn;
    (void)kit_listen(base, kit_path("server"), NULL);
    size_t fault = 0;
    while (fault < lti_fault_count() && strcmp(lti_fault_at(fault)->name, "STRANGER") != 0)
        fault++;
    REQUIRE(fault < lti_fault_count());
    lti_fault_reset();
    lti_fault_arm_nth(1, fault, LTI_FAULT_ONCE);
    CHECK_ERROR(leat_connect_wait(hub, kit_path("server"), NULL, &conn), LEAT_E_UNTRUSTED);
    CHECK_INT(lti_fault_fired(), 1);
    lti_fault_reset();
    CHECK_INT(log.count, 1);
    CHECK(strstr(log.line, "the peer is another user: UNTRUSTED, ") == log.line);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(base);
}
