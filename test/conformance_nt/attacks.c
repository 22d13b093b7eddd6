/* SPDX-License-Identifier: MIT
 *
 * Attacks on pipes, by the numbers that docs/platforms.md lists, with what each proves where.
 *
 * Happy path: the attack fails, and whoever it was not meant for does not feel it.
 * Fails:      what a kernel does not enforce is no proof there: such a test is skipped, not passed.
 * Invariants: attacks that take another process are in conformance_real.
 */
#include "conformance/kit_nt.h"

#include "utf16.h"
#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOMEBODY_UID 4711u
#define SOMEBODY_SID "S-1-5-21-0-0-0-4711"

/* From now on this process is somebody else, or itself again; false where it cannot be. */
static bool become_somebody(bool other)
{
#ifdef _WIN32
    (void)other;
    return false;
#else
    static uint32_t own;
    static bool known;
    if (!known)
        own = (uint32_t)strtoul(strrchr(kit_own_sid(), '-') + 1, NULL, 10);
    known = true;
    lti_sim_set_user(lti_sim_process(), other ? SOMEBODY_UID : own, other ? SOMEBODY_UID : own);
    return true;
#endif
}

/* With a hello that must not be said to just anybody. */
static void connect_fails(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_conn conn = kit_connect(hub, name, 1, &kit_messages);
    KIT_CLOSED(hub, conn, error);
}

/* A squatter was there first, and lets everybody in. */
TEST(attack_w01_squatter_first)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    leat_listener listener = {77};
    int64_t squatter =
        kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, kit_sddl(kit_own_sid()));
    REQUIRE_INT(lti_os_code_of(squatter).raw, 0);
    CHECK_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_E_IN_USE);
    CHECK_INT(listener.id, 77);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    CHECK_INT(kit_raw_facts((int)squatter).instances, 1);
    kit_raw_close((int)squatter);
    (void)kit_listen(hub, name, NULL);
    kit_end(hub);
}

/* Another user adds an instance to a name of ours, or comes as a client. */
TEST(attack_w02_instance_of_another_user)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    leat_listener listener = kit_listen(hub, name, NULL);
    if (!become_somebody(true))
        SKIP_NEEDS("real Windows and a second user");
    int64_t squatter = kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, NULL);
    int64_t client = kit_raw_open(name);
    CHECK(become_somebody(false));
    CHECK_INT(lti_os_kind_of(squatter), LTI_OS_ACCESS);
    CHECK_INT(lti_os_kind_of(client), LTI_OS_ACCESS);
    (void)kit_open(hub, listener, name, NULL);
    kit_end(hub);
}

/* The server at the name is not the one who is trusted. */
TEST(attack_w03_client_meets_a_squatter)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    char sddl[300];
    (void)snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;GA;;;WD)", SOMEBODY_SID, SOMEBODY_SID);
    bool other = become_somebody(true);
    if (!other && !lti_test_on_wine())
        SKIP_NEEDS("real Windows and a second user");
    int64_t squatter = kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, sddl);
    (void)become_somebody(false);
    REQUIRE_INT(lti_os_code_of(squatter).raw, 0);
    connect_fails(hub, name, LEAT_E_UNTRUSTED);
    uint8_t byte;
    int fd = kit_raw_accept((int)squatter);
    CHECK_INT(kit_raw_recv(fd, &byte, 1), -1); /* not one byte was said to it */
    kit_raw_close(fd);
    kit_raw_close((int)squatter);
    kit_end(hub);
}

/* A sandbox of our own user cannot give its pipe a level that it has not itself. */
TEST(attack_w03_client_meets_a_squatter_in_a_sandbox)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("prize");
    const char *own = kit_own_sid();
    char sddl[600];
    (void)snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;GA;;;WD)S:(ML;;NW;;;LW)", own, own);
    int64_t squatter = kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, sddl);
    REQUIRE_INT(lti_os_code_of(squatter).raw, 0);
    connect_fails(hub, name, LEAT_E_UNTRUSTED);
    uint8_t byte;
    int fd = kit_raw_accept((int)squatter);
    CHECK_INT(kit_raw_recv(fd, &byte, 1), -1); /* not one byte was said to it */
    kit_raw_close(fd);
    kit_raw_close((int)squatter);
    kit_end(hub);
}

/* Who does not say whose a pipe is, is not trusted. */
TEST(attack_w04_pipe_without_an_owner)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("default");
    char owner[LTI_OS_SID_BYTES] = "";
    int64_t server = kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, NULL);
    REQUIRE_INT(lti_os_code_of(server).raw, 0);
    int64_t known = lti_os_pipe_owner(kit_raw_handle((int)server), owner);
    bool trusted =
        known >= 0 && (strcmp(owner, kit_own_sid()) == 0 || strcmp(owner, "S-1-5-18") == 0 ||
                       strcmp(owner, "S-1-5-32-544") == 0);
    if (lti_test_on_wine())
        CHECK(!trusted);
    if (trusted)
        CHECK(leat_wait_connected(hub, kit_connect(hub, name, 1, NULL), KIT_SOON_MS) == LEAT_OK);
    else
        connect_fails(hub, name, LEAT_E_UNTRUSTED);
    kit_raw_close((int)server);
    kit_end(hub);
}

/* The text of the descriptor is looked at in conformance_real, where the system's calls are. */
TEST(attack_w05_descriptor_is_what_was_asked_for)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("ours");
    char owner[LTI_OS_SID_BYTES] = "";
    leat_listener listener = kit_listen(hub, name, NULL);
    leat_conn conn;
    for (int i = 0; i < 6; i++) { /* every instance, the later ones too */
        int fd = kit_raw_connect(name);
        CHECK_INT(lti_os_pipe_owner(kit_raw_handle(fd), owner), 0);
        CHECK_STR(owner, kit_own_sid());
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
        kit_raw_close(fd);
    }
    kit_end(hub);
}

/* Our server could act as a client only as far as the client allows: it may look who that is. */
TEST(attack_w07_identification_only)
{
    if (lti_test_on_wine())
        SKIP_NEEDS("real Windows");
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("curious");
    struct lti_os_identity client;
    int server = kit_raw_listen(name, 1);
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    int fd = kit_raw_accept(server);
    uint8_t byte = 0;
    kit_write_text(hub, conn, "x");
    CHECK_INT(kit_raw_recv(fd, &byte, 1), 1);
    REQUIRE_INT(lti_os_pipe_client(kit_raw_handle(fd), NULL, &client), 0);
    CHECK_STR(client.user, kit_own_sid());
    CHECK_INT(client.level, 1);
    kit_raw_close(fd);
    kit_raw_close(server);
    kit_end(hub);
}

/* Before its first byte nobody can say who a client is: who asked then would refuse everybody. */
TEST(attack_w08_nobody_is_judged_before_the_first_byte)
{
    if (lti_test_on_wine())
        SKIP_NEEDS("real Windows");
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("silent");
    struct lti_os_identity client;
    int server = kit_raw_listen(name, 1);
    int silent = kit_raw_connect(name), accepted = kit_raw_accept(server);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_client(kit_raw_handle(accepted), NULL, &client)),
              LTI_OS_NOT_CONNECTED);
    kit_raw_close(silent);
    kit_raw_close(accepted);
    kit_raw_close(server);
    leat_listener listener = kit_listen(hub, name, NULL);
    int fd = kit_raw_connect(name);
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    kit_write_text(hub, conn, "hello");
    KIT_QUIET(hub);
    CHECK_INT(kit_info(hub, conn).state, LEAT_STATE_OPEN);
    kit_raw_send(fd, "me", 2);
    kit_read_text(hub, conn, "me");
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(attack_w09_names_of_elsewhere)
{
    struct leat_hub *hub = kit_begin();
    static const char *const names[] = {
        "\\\\evil\\pipe\\x",
        "//evil/pipe/x",
        "\\\\?\\UNC\\evil\\pipe\\x",
        "\\\\.\\C:",
        "\\\\?\\GLOBALROOT\\",
        "\\\\.\\pipe\\..\\..\\evil",
        "CON",
        "pipe:\\\\evil",
        "\\\\.\\UNC\\evil\\pipe\\x",
    };
    leat_conn conn = {77};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        enum leat_error error = leat_connect(hub, names[i], NULL, &conn);
        if (!CHECK(error == LEAT_E_NAME || error == LEAT_E_UNSUPPORTED))
            (void)printf("the name: %s\n", names[i]);
    }
    CHECK_INT(conn.id, 77);
    /* The system was not even asked. */
    CHECK_INT(kit_hub_info(hub).os_code, 0);
    kit_end(hub);
}

/* Over the network nobody comes in, not even this machine. */
TEST(attack_w10_remote_client)
{
    if (kit_simulated() || lti_test_on_wine())
        SKIP_NEEDS("real Windows");
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("local");
    char remote[300];
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    (void)kit_listen(hub, name, NULL);
    int size =
        snprintf(remote, sizeof remote, "\\\\127.0.0.1\\pipe\\%s", name + strlen("\\\\.\\pipe\\"));
    REQUIRE(lti_utf16_from_utf8(remote, (size_t)size, units, LTI_OS_PIPE_UNITS_MAX + 1) !=
            SIZE_MAX);
    int64_t handle = lti_os_pipe_open(units);
    CHECK(handle < 0);
    if (handle >= 0)
        CHECK_INT(lti_os_handle_close((intptr_t)handle), 0);
    kit_end(hub);
}

#define W11_CONNS 5
TEST(attack_w11_all_instances_taken)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("crowded");
    struct leat_listen_options options = {
        .size = sizeof options, .conns_max = W11_CONNS, .backlog = 1};
    leat_listener listener;
    leat_conn conns[W11_CONNS], late;
    int fds[W11_CONNS + 1];
    REQUIRE_ERROR(leat_listen(hub, name, &options, &listener), LEAT_OK);
    for (int i = 0; i < W11_CONNS; i++) {
        fds[i] = kit_raw_connect(name);
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conns[i]), LEAT_OK);
    }
    fds[W11_CONNS] = kit_raw_connect(name);
    KIT_QUIET(hub);
    CHECK_INT(lti_os_kind_of(kit_raw_open(name)), LTI_OS_BUSY);
    CHECK_INT(kit_listener_info(hub, listener).conns, W11_CONNS);
    CHECK_ERROR(leat_abort(hub, conns[0]), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &late), LEAT_OK);
    kit_raw_send(fds[W11_CONNS], "late", 4);
    kit_read_text(hub, late, "late");
    for (int i = 0; i <= W11_CONNS; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}

/* Whoever connects leaves before the server looks. */
TEST(attack_w12_clients_that_are_gone_already)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("hasty");
    leat_listener listener = kit_listen(hub, name, NULL);
    for (int i = 0; i < 25; i++) {
        REQUIRE_INT(kit_armed(name), 4);
        kit_drain(hub, NULL, NULL);
    }
    CHECK_INT(kit_listener_info(hub, listener).accept_errors, 0);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_end(hub);
}

TEST(attack_w15_half_a_frame)
{
    struct leat_conn_options options = kit_messages;
    struct leat_hub *hub = kit_begin();
    int fd;
    options.partial_frame_ms = 60;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    kit_raw_send(fd, "\x05\0\0\0\x01\0\0\0he", 10);
    KIT_CLOSED(hub, conn, LEAT_E_TIMEOUT);
    /* The read that waited is over, and its memory back: kit_end counts. */
    kit_raw_close(fd);
    kit_end(hub);
}

#define W16_BYTES 200000u
#define W16_QUOTA 4096u
#define W16_PART 10000
/* Reads what is there of the next `size` bytes of the pattern. */
static uint64_t w16_read(int fd, size_t size, uint64_t at)
{
    static uint8_t bytes[W16_PART];
    int64_t got = kit_raw_recv(fd, bytes, size < sizeof bytes ? size : sizeof bytes);
    REQUIRE(got > 0 && kit_pattern_is(bytes, (size_t)got, at));
    return (uint64_t)got;
}

/* A write that is over was delivered. What was read of one that was given up is not known, so all
 * of it is undelivered. */
TEST(attack_w16_write_that_was_half_read)
{
    struct leat_hub *hub = kit_begin();
    static uint8_t block[W16_BYTES];
    intptr_t handle;
    leat_conn conn;
    size_t accepted = 0;
    uint64_t got = 0;
    /* So little that each write waits until nearly all of it was read. */
    int fd = kit_raw_pair_of(W16_QUOTA, &handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, &kit_roomy, &conn), LEAT_OK);
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    kit_pattern(block, sizeof block, 0);
    REQUIRE_ERROR(leat_write(hub, conn, block, sizeof block, &accepted), LEAT_OK);
    REQUIRE_INT(accepted, sizeof block);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, 0);
    while (kit_stats(hub, conn).bytes_sent == 0) {
        got += w16_read(fd, W16_PART, got);
        KIT_QUIET(hub);
    }
    uint64_t sent = kit_stats(hub, conn).bytes_sent;
    REQUIRE(sent < W16_BYTES - W16_PART - W16_QUOTA);
    while (got < sent + W16_PART)
        got += w16_read(fd, (size_t)(sent + W16_PART - got), got);
    KIT_QUIET(hub);
    CHECK_INT(kit_stats(hub, conn).bytes_sent, sent); /* the second one is half read */
    CHECK_ERROR(leat_close_report(hub, conn, 0, 9), LEAT_OK);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSE_REPORT);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, W16_BYTES - sent);
    CHECK(event.bytes_undelivered + got > W16_BYTES);
    /* The rest of what the system took may still come; nothing comes twice, and then it is over. */
    int64_t more;
    while ((more = kit_raw_recv(fd, block, sizeof block)) > 0) {
        REQUIRE(kit_pattern_is(block, (size_t)more, got));
        got += (uint64_t)more;
    }
    CHECK_INT(more, -1);
    CHECK(got < W16_BYTES);
    kit_raw_close(fd);
    kit_end(hub);
}

/* A close in good order does not throw away what the peer has not read yet. */
TEST(attack_w17_close_loses_nothing)
{
    struct leat_hub *hub = kit_begin();
    char text[32] = "";
    int fd;
    leat_conn conn = kit_raw_conn(hub, NULL, &fd);
    kit_write_text(hub, conn, "last words");
    CHECK_ERROR(leat_close_wait(hub, conn, KIT_SOON_MS, NULL), LEAT_OK);
    CHECK_INT(kit_raw_recv(fd, text, sizeof text), 10);
    CHECK_STR(text, "last words");
    CHECK_INT(kit_raw_recv(fd, text, sizeof text), -1);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(attack_w18_peer_that_never_reads)
{
    const struct leat_conn_options options = {.size = sizeof options, .write_stall_ms = 80};
    struct leat_hub *hub = kit_begin();
    int fd;
    leat_conn conn = kit_raw_conn(hub, &options, &fd);
    (void)kit_fill(hub, conn, 0);
    uint64_t outbox = kit_info(hub, conn).outbox_bytes;
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_TIMEOUT);
    CHECK_INT(event.bytes_undelivered, outbox);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(attack_w26_server_of_messages)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("messages");
    int64_t server = kit_raw_serve(name, 2, LTI_OS_PIPE_INSTANCES_MAX + 1, LTI_OS_PIPE_MESSAGE,
                                   kit_sddl(kit_own_sid()));
    REQUIRE_INT(lti_os_code_of(server).raw, 0);
    connect_fails(hub, name, LEAT_E_REFUSED);
    kit_raw_close((int)server);
    kit_end(hub);
}
