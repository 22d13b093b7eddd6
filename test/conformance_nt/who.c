/* SPDX-License-Identifier: MIT
 *
 * Who may come in through a pipe.
 *
 * Happy path: each policy lets this user in, and says who it is.
 * Fails:      what names nobody is OPTIONS.
 * Invariants: no text of the caller gets into a descriptor before it was found to be a SID.
 */
#include "../conformance/kit.h"

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
