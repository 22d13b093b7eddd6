/* SPDX-License-Identifier: MIT
 *
 * What is promised of a listener over pipes: how many instances wait, and that they come back;
 * whose the name is.
 *
 * Happy path: a client takes an instance, and another one waits in its place.
 * Fails:      a busy name is tried until the deadline; a foreign instance is told.
 * Invariants: whatever clients do, as many instances wait afterwards as before.
 */
#include "conformance/kit_nt.h"

#define POOL_USUAL 4u

static leat_listener pool_listen(struct leat_hub *hub, const char *name, uint32_t backlog)
{
    struct leat_listen_options options = {.size = sizeof options, .backlog = backlog};
    leat_listener listener = {0};
    REQUIRE_ERROR(leat_listen(hub, name, &options, &listener), LEAT_OK);
    return listener;
}

TEST(nt_pool_has_as_many_instances_as_asked_for)
{
    struct leat_hub *hub = kit_begin();
    const uint32_t asked[] = {0, 1, 2, 7};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const char *name = kit_path("pool");
        leat_listener listener = pool_listen(hub, name, asked[i]);
        uint32_t expected = asked[i] ? asked[i] : POOL_USUAL;
        for (int round = 0; round < 3; round++) {
            CHECK_INT(kit_armed(name), expected);
            kit_drain(hub, NULL, NULL);
        }
        CHECK_INT(kit_hub_info(hub).conns, 0);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        kit_drain(hub, NULL, NULL);
    }
    kit_end(hub);
}

static void connect_and_leave(uint32_t rounds)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("hasty");
    leat_listener listener = kit_listen(hub, name, NULL);
    uint32_t counts[KIT_EVENT_TYPES] = {0}, left = 0;
    CHECK_INT(kit_armed(name), POOL_USUAL);
    kit_drain(hub, NULL, NULL);
    for (uint32_t i = 0; i < rounds; i++) {
        int64_t fd = kit_raw_open(name);
        if (fd >= 0) {
            kit_raw_close((int)fd);
            left++;
        } else {
            REQUIRE_INT(lti_os_kind_of(fd), LTI_OS_BUSY);
        }
        /* Sometimes several come before anybody looks. */
        if (fd < 0 || i % 7 < 4)
            kit_drain(hub, NULL, counts);
    }
    kit_drain(hub, NULL, counts);
    CHECK(left > rounds / 2);
    CHECK_INT(counts[LEAT_EVENT_LISTEN_ERROR], 0);
    CHECK_INT(kit_listener_info(hub, listener).accept_errors, 0);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    CHECK_INT(kit_armed(name), POOL_USUAL);
    kit_drain(hub, NULL, NULL);
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    kit_write_text(hub, ends.dialled, "still");
    kit_read_text(hub, ends.accepted, "still");
    kit_end(hub);
}

TEST_TIMEOUT(nt_pool_survives_clients_that_leave, 120)
{
    connect_and_leave(kit_simulated() ? 10000 : 200);
}

TEST_ON_DEMAND(nt_pool_survives_ten_thousand_clients_that_leave, 1200)
{
    connect_and_leave(10000);
}

TEST(nt_busy_is_tried_until_the_deadline)
{
    struct leat_hub *server = kit_begin();
    struct leat_hub *client = kit_hub(NULL);
    const char *name = kit_path("busy");
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 300};
    leat_listener listener = pool_listen(server, name, 1);
    int fd = kit_raw_connect(name);
    CHECK_INT(lti_os_kind_of(kit_raw_open(name)), LTI_OS_BUSY);
    leat_conn conn = {77};
    uint64_t begin = kit_now_ms(), waits = kit_hub_info(client).waits;
    CHECK_ERROR(leat_connect_wait(client, name, &options, &conn), LEAT_E_TIMEOUT);
    uint64_t took = kit_now_ms() - begin;
    CHECK_INT(conn.id, 77);
    CHECK(took >= 299 && took < 300 + lti_test_scaled_ms(1000));
    CHECK(kit_hub_info(client).waits - waits <= 25);
    /* One that still waits is served as soon as there is an instance again. */
    options.timeout_ms = KIT_SOON_MS;
    REQUIRE_ERROR(leat_connect(client, name, &options, &conn), LEAT_OK);
    CHECK_INT(kit_info(client, conn).state, LEAT_STATE_CONNECTING);
    leat_conn accepted;
    REQUIRE_ERROR(leat_wait_accepted(server, listener, KIT_SOON_MS, &accepted), LEAT_OK);
    CHECK_ERROR(leat_wait_connected(client, conn, KIT_SOON_MS), LEAT_OK);
    kit_raw_close(fd);
    CHECK_ERROR(leat_hub_destroy(client), LEAT_OK);
    kit_end(server);
}

/* The wait for an instance can be given up at any moment. */
TEST(nt_busy_can_be_given_up)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *server = kit_hub(NULL);
    const char *name = kit_path("busy");
    (void)pool_listen(server, name, 1);
    int fd = kit_raw_connect(name);
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    KIT_QUIET(hub);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    KIT_STALE(hub, conn);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    kit_raw_close(fd);
    CHECK_ERROR(leat_hub_destroy(server), LEAT_OK);
    kit_end(hub);
}

TEST(nt_name_is_held_by_its_connections)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    const char *name = kit_path("held");
    leat_listener listener = kit_listen(hub, name, NULL), refused = {77};
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_listen(other, name, NULL, &refused), LEAT_E_IN_USE);
    CHECK_INT(refused.id, 77);
    /* Whose the connections are may listen again. */
    listener = kit_listen(hub, name, NULL);
    struct kit_ends more = kit_open(hub, listener, name, NULL);
    kit_write_text(hub, more.dialled, "new");
    kit_read_text(hub, more.accepted, "new");
    kit_write_text(hub, ends.dialled, "old");
    kit_read_text(hub, ends.accepted, "old");
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(nt_squatter_is_told)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("crowd");
    leat_listener listener = kit_listen(hub, name, NULL);
    int64_t foreign =
        kit_raw_serve(name, 1, LTI_OS_PIPE_INSTANCES_MAX + 1, 0, kit_sddl(kit_own_sid()));
    REQUIRE_INT(lti_os_code_of(foreign).raw, 0);
    int fds[8];
    uint32_t opened = 0, told = 0;
    for (int i = 0; i < 8 && told == 0; i++) {
        struct leat_event event;
        int64_t fd = kit_raw_open(name);
        if (fd >= 0)
            fds[opened++] = (int)fd;
        while (told == 0 && leat_next(hub, &event, 20) == LEAT_OK) {
            if (event.type == LEAT_EVENT_LISTEN_ERROR) {
                CHECK_ERROR(event.error, LEAT_E_SQUATTED);
                CHECK(event.listener.id == listener.id);
                told++;
            }
        }
    }
    CHECK_INT(told, 1);
    CHECK_ERROR(kit_listener_info(hub, listener).error, LEAT_E_SQUATTED);
    for (uint32_t i = 0; i < opened; i++)
        kit_raw_close(fds[i]);
    kit_raw_close((int)foreign);
    /* It goes on, and serves those who reach it. */
    leat_conn conn = kit_connect(hub, name, 1, NULL), accepted;
    char text[6] = "";
    kit_write_text(hub, conn, "again");
    for (int i = 0; i < 10 && text[0] == '\0'; i++) {
        size_t size = 0;
        REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &accepted), LEAT_OK);
        enum leat_error error = leat_read_full(hub, accepted, text, 5, KIT_SOON_MS, &size);
        CHECK(error == LEAT_OK || size == 0); /* those that left before have nothing to say */
    }
    CHECK_STR(text, "again");
    kit_end(hub);
}

/* ---- Backends -------------------------------------------------------------------------------- */

/* The completion port is all there is: nothing is read ahead of who asks for it. */
TEST(nt_hub_has_one_backend)
{
    const enum leat_backend others[] = {LEAT_BACKEND_AHEAD, LEAT_BACKEND_URING};
    struct leat_hub *hub = kit_begin();
    CHECK_INT(kit_hub_info(hub).backend, LEAT_BACKEND_ONE_BY_ONE);
    for (size_t i = 0; i < 2; i++) {
        const struct leat_hub_options options = {.size = sizeof options, .backend = others[i]};
        struct leat_hub *other = NULL;
        CHECK_ERROR(leat_hub_create(&options, &other), LEAT_E_UNSUPPORTED);
        CHECK(other == NULL);
    }
    kit_end(hub);
}
