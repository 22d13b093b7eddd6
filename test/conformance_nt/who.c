/* SPDX-License-Identifier: MIT
 *
 * Who may come in through a pipe.
 *
 * Happy path: each policy lets this user in, and says who it is.
 * Fails:      what names nobody is OPTIONS.
 * Invariants: no text of the caller gets into a descriptor before it was found to be a SID.
 */
#include "../conformance/kit_nt.h"

#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum leat_error listen_for(struct leat_hub *hub, enum leat_who who, const char *group,
                                  const char *const *users, uint32_t count)
{
    struct leat_listen_options options = {
        .size = sizeof options, .who = who, .group = group, .users = users, .users_count = count};
    leat_listener listener;
    enum leat_error error = leat_listen(hub, kit_plain("who"), &options, &listener);
    if (error != LEAT_OK)
        return error;
    const char *const us[] = {kit_user_text()};
    struct leat_connect_options connect = {
        .size = sizeof connect, .who = LEAT_WHO_LIST, .users = us, .users_count = 1};
    leat_conn conn;
    REQUIRE_INT(leat_connect(hub, kit_plain("who"), &connect, &conn), LEAT_OK);
    kit_write_text(hub, conn, "hello");
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    kit_read_text(hub, event.conn, "hello");
    struct leat_peer peer = {.size = sizeof peer};
    CHECK_ERROR(leat_peer_get(hub, event.conn, &peer), LEAT_OK);
    CHECK_INT(peer.known & (LEAT_PEER_USER | LEAT_PEER_CONTAINER),
              LEAT_PEER_USER | LEAT_PEER_CONTAINER);
    CHECK(!peer.container);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    return LEAT_OK;
}

/* This user is let in by each of them, so that the descriptors are good ones. */
TEST(nt_who_policies_let_this_user_in)
{
    const char *const users[] = {"S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"};
    struct leat_hub *hub = kit_begin();
    CHECK_ERROR(listen_for(hub, LEAT_WHO_SAME_USER, NULL, NULL, 0), LEAT_OK);
    CHECK_ERROR(listen_for(hub, LEAT_WHO_ADMIN, NULL, NULL, 0), LEAT_OK);
    CHECK_ERROR(listen_for(hub, LEAT_WHO_GROUP, "S-1-5-32-545", NULL, 0), LEAT_OK);
    CHECK_ERROR(listen_for(hub, LEAT_WHO_LIST, NULL, users, 2), LEAT_OK);
    CHECK_ERROR(listen_for(hub, LEAT_WHO_INSECURE_ANYONE, NULL, NULL, 0), LEAT_OK);
    kit_end(hub);
}

/* What is known of a peer: all of a client once it has spoken; of a server what its pipe says. */
TEST(nt_peer_is_told_as_far_as_it_is_known)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("who"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("who"), NULL);
    struct leat_peer peer = {.size = sizeof peer};
    struct lti_os_identity own;
    REQUIRE_INT(lti_os_identity(&own), 0);
    REQUIRE_ERROR(leat_peer_get(hub, ends.dialled, &peer), LEAT_OK);
    CHECK_INT(peer.known, LEAT_PEER_USER | LEAT_PEER_PROCESS | LEAT_PEER_LABEL);
    CHECK_STR(peer.user, own.user);
    CHECK_STR(peer.label, own.integrity);
    CHECK(peer.pid > 0);
    kit_write_text(hub, ends.dialled, "hello");
    kit_read_text(hub, ends.accepted, "hello");
    REQUIRE_ERROR(leat_peer_get(hub, ends.accepted, &peer), LEAT_OK);
    CHECK_INT(peer.known, LEAT_PEER_USER | LEAT_PEER_PROCESS | LEAT_PEER_LABEL | LEAT_PEER_SESSION |
                              LEAT_PEER_CONTAINER);
    CHECK_STR(peer.user, own.user);
    CHECK_STR(peer.label, own.integrity);
    CHECK_INT(peer.session, own.session);
    CHECK(!peer.container);
    CHECK(peer.pid > 0);
    kit_end(hub);
}

static void dial_group(struct leat_hub *hub, const char *name, const char *group,
                       enum leat_error error)
{
    const struct leat_connect_options options = {
        .size = sizeof options, .who = LEAT_WHO_GROUP, .group = group};
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, name, &options, &conn), LEAT_OK);
    if (error == LEAT_OK) {
        CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
        CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    } else {
        KIT_CLOSED(hub, conn, error);
    }
}

/* A client cannot ask which groups a server is in. A group that owns the pipe is another thing:
 * only who may give things to it can have made that. */
TEST(nt_who_group_of_a_client_is_the_owner)
{
#define GROUP "S-1-5-21-1-2-3-2000"
    static const char *const labels[] = {"S:(ML;;NW;;;ME)", "S:(ML;;NW;;;LW)"};
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("grouped");
    char sddl[300];
#ifndef _WIN32
    lti_sim_set_privileged(true);
#else
    if (!lti_test_on_wine())
        SKIP_NEEDS("real Windows and the right to give things away");
#endif
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(sddl, sizeof sddl, "O:" GROUP "D:P(A;;GA;;;WD)%s", labels[i]);
        int64_t server = kit_raw_serve(name, 4, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, sddl);
        REQUIRE_INT(lti_os_code_of(server).raw, 0);
        dial_group(hub, name, GROUP, i == 0 ? LEAT_OK : LEAT_E_UNTRUSTED);
        dial_group(hub, name, "S-1-5-21-1-2-3-2001", LEAT_E_UNTRUSTED);
        KIT_CLOSED(hub, kit_connect(hub, name, 1, NULL), LEAT_E_UNTRUSTED);
        kit_raw_close((int)server);
    }
    kit_end(hub);
#undef GROUP
}

/* ---- A descriptor of the user's own ---------------------------------------------------------- */

static enum leat_error listen_by(struct leat_hub *hub, const char *sddl, leat_listener *listener)
{
    const struct leat_listen_options options = {.size = sizeof options, .sddl = sddl};
    return leat_listen(hub, kit_plain("own"), &options, listener);
}

TEST(nt_sddl_is_what_the_pipe_gets)
{
    struct leat_hub *hub = kit_begin();
    char owner[LTI_OS_SID_BYTES] = "", label[LTI_OS_SID_BYTES] = "";
    leat_listener listener;
    REQUIRE_ERROR(listen_by(hub, kit_sddl(kit_own_sid()), &listener), LEAT_OK);
    for (int i = 0; i < 6; i++) { /* every instance, the later ones too */
        leat_conn conn;
        int fd = kit_raw_connect(kit_plain("own"));
        struct lti_os_identity own;
        REQUIRE_INT(lti_os_identity(&own), 0);
        REQUIRE_INT(lti_os_pipe_owner(kit_raw_handle(fd), owner), 0);
        REQUIRE_INT(lti_os_pipe_label(kit_raw_handle(fd), label), 0);
        CHECK_STR(owner, own.user);
        CHECK_STR(label, own.integrity);
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
        kit_raw_close(fd);
    }
    (void)kit_open(hub, listener, kit_plain("own"), NULL);
    kit_end(hub);
}

TEST(nt_sddl_that_is_none)
{
    static const char *const bad[] = {"", "nonsense", "D:(A;;GA;;;", "O:SY", "S:(ML;;NW;;;LW)"};
    struct leat_hub *hub = kit_begin();
    leat_listener listener = {77};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERROR(listen_by(hub, bad[i], &listener), LEAT_E_OPTIONS);
        CHECK_INT(listener.id, 77);
        /* What is one, but lets everybody do everything, the system does not complain of. Windows
         * and wine differ about no text. */
        if (i > 0)
            CHECK_INT(kit_hub_info(hub).os_code != 0, i < 3);
    }
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    (void)kit_listen(hub, kit_plain("own"), NULL); /* the name is free */
    kit_end(hub);
}

TEST(nt_sddl_that_does_not_let_us_make_instances)
{
    struct leat_hub *hub = kit_begin();
    char sddl[3 * LTI_OS_SID_BYTES];
    leat_listener listener = {77};
    (void)snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;0x12019b;;;WD)", kit_own_sid(),
                   kit_own_sid());
    if (lti_test_on_wine())
        SKIP_NEEDS("real Windows");
    CHECK_ERROR(listen_by(hub, sddl, &listener), LEAT_E_DENIED);
    CHECK_INT(listener.id, 77);
    (void)kit_listen(hub, kit_plain("own"), NULL);
    kit_end(hub);
}

TEST(nt_who_is_named_by_a_sid)
{
    const char *const bad[] = {"",     "1000",      "S-1-5",       "S-1-5-",       "s-1-5-18",
                               "S-1-", "S-1-5-18 ", "S-1-5-18)(A", "S-1-5-18-x-1", "S-2-5-18"};
    struct leat_hub *hub = kit_begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERROR(listen_for(hub, LEAT_WHO_GROUP, bad[i], NULL, 0), LEAT_E_OPTIONS);
        CHECK_ERROR(listen_for(hub, LEAT_WHO_LIST, NULL, &bad[i], 1), LEAT_E_OPTIONS);
    }
    kit_end(hub);
}

/* ---- The peer's process ---------------------------------------------------------------------- */

static void process_is_there(struct leat_hub *hub, leat_conn conn)
{
    intptr_t process = -1;
    REQUIRE_ERROR(leat_peer_process(hub, conn, &process), LEAT_OK);
    CHECK_INT(lti_os_signal_wait(process, 0), 0);
    CHECK(lti_os_process_began(process) <= lti_os_time_of_day());
    CHECK_INT(lti_os_handle_close(process), 0);
}

TEST(nt_peer_process_at_both_ends)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    process_is_there(hub, ends.dialled);
    process_is_there(hub, ends.accepted); /* before its first byte, too */
    struct kit_ends pair = kit_pair(hub, NULL);
    process_is_there(hub, pair.dialled);
    process_is_there(hub, pair.accepted);
    kit_end(hub);
}

#ifndef _WIN32

static void visitor_main(void *argument)
{
    CHECK(lti_os_pipe_open(argument) > 0);
    lti_sim_stop();
}

static void idle_main(void *argument)
{
    (void)argument;
    lti_sim_stop();
}

/* A process that has the pid now, but cannot be the one. */
TEST(nt_peer_process_is_no_other_one)
{
    static uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    intptr_t process = -2;
    leat_conn conn;
    kit_units(kit_plain("server"), units);
    uint32_t visitor = lti_sim_spawn("visitor", visitor_main, units);
    uint32_t user = (uint32_t)strtoul(strrchr(kit_own_sid(), '-') + 1, NULL, 10);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_STOPPED);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    process_is_there(hub, conn);
    lti_sim_set_user(visitor, user + 1, user + 1); /* somebody else's now */
    CHECK_ERROR(leat_peer_process(hub, conn, &process), LEAT_E_DENIED);
    lti_sim_set_user(visitor, user, user);
    lti_sim_kill(visitor);
    CHECK_ERROR(leat_peer_process(hub, conn, &process), LEAT_E_NOT_FOUND);
    kit_pass(1);
    uint32_t other = lti_sim_spawn("other", idle_main, NULL);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_STOPPED);
    lti_sim_set_pid(other, lti_sim_pid(visitor));
    CHECK_ERROR(leat_peer_process(hub, conn, &process), LEAT_E_NOT_FOUND);
    CHECK_INT(process, -2);
    lti_sim_kill(other);
    kit_end(hub);
}

#endif
