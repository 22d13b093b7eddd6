/* SPDX-License-Identifier: MIT
 *
 * How many connections one user has of a listener: counted from when it is judged until it ends,
 * once, whatever ends it.
 *
 * Happy path: each user gets per_user_max, again and again, and no other user's places.
 * Fails:      one too many is closed without a byte; so is one that cannot be counted.
 * Invariants: when all are gone, none is counted: an assertion of the listener's end.
 */
#include "leat/leat.h"
#include "os_posix.h"
#include "who.h"

#define OURS 1000u
#define ALICE 2000u
#define BOB 2001u
#define PLACES 3u
#define SOON_MS 10000u
#define PATH "/tmp/crowd"

struct crowd {
    struct leat_hub *hub;
    leat_listener listener;
};

static struct crowd crowd_begin(enum leat_protocol protocol)
{
    struct crowd crowd;
    const struct leat_conn_options conn = {.size = sizeof conn, .protocol = protocol};
    const struct leat_listen_options options = {.size = sizeof options,
                                                .who = LEAT_WHO_INSECURE_ANYONE,
                                                .per_user_max = PLACES,
                                                .handshakes_max = 64,
                                                .conn = &conn};
    lti_sim_begin(NULL);
    lti_sim_set_user(0, OURS, OURS);
    REQUIRE_ERROR(leat_hub_create(NULL, &crowd.hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(crowd.hub, "unix:" PATH, &options, &crowd.listener), LEAT_OK);
    return crowd;
}

/* A client of the user, who says nothing. */
static int crowd_dial(uint32_t user)
{
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    lti_sim_set_user(0, user, user);
    REQUIRE_INT(lti_os_connect((int)fd, PATH, sizeof PATH - 1), 0);
    lti_sim_set_user(0, OURS, OURS);
    return (int)fd;
}

static struct leat_listener_info crowd_info(const struct crowd *crowd)
{
    struct leat_listener_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_listener_info_get(crowd->hub, crowd->listener, &info), LEAT_OK);
    return info;
}

/* Until all who dialled were looked at; closes what ended. */
static void crowd_settle(const struct crowd *crowd)
{
    struct leat_event event;
    while (leat_next(crowd->hub, &event, 1) == LEAT_OK)
        if (event.type == LEAT_EVENT_CLOSED)
            (void)leat_abort(crowd->hub, event.conn);
}

static void crowd_hang_up(const struct crowd *crowd, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_INT(lti_os_close(fds[i]), 0);
    crowd_settle(crowd);
}

/* So many of them dial; *served_out of them find a place. */
static uint32_t crowd_come(const struct crowd *crowd, uint32_t user, int *fds_out, size_t count)
{
    uint32_t before = crowd_info(crowd).conns;
    for (size_t i = 0; i < count; i++)
        fds_out[i] = crowd_dial(user);
    crowd_settle(crowd);
    return crowd_info(crowd).conns - before;
}

static void crowd_rounds(enum leat_protocol protocol)
{
    struct crowd crowd = crowd_begin(protocol);
    int alice[8], bob[8], ours[8];
    for (int round = 0; round < 20; round++) {
        uint64_t denied = crowd_info(&crowd).denied;
        CHECK_INT(crowd_come(&crowd, ALICE, alice, 5), PLACES);
        CHECK_INT(crowd_come(&crowd, BOB, bob, 2), 2);
        CHECK_INT(crowd_come(&crowd, OURS, ours, 6), 6); /* whom no bound is for */
        CHECK_INT(crowd_info(&crowd).denied - denied, 2);
        crowd_hang_up(&crowd, alice, 1);
        CHECK_INT(crowd_come(&crowd, ALICE, alice, 1), 1);
        CHECK_INT(crowd_come(&crowd, BOB, bob + 2, 2), 1);
        crowd_hang_up(&crowd, alice, 5);
        CHECK_INT(crowd_info(&crowd).conns, 3 + 6);
        crowd_hang_up(&crowd, bob, 4);
        crowd_hang_up(&crowd, ours, 6);
        CHECK_INT(crowd_info(&crowd).conns, 0);
    }
    CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(crowd.hub), LEAT_OK);
    lti_sim_end();
}

TEST(crowd_of_bytes_is_counted)
{
    crowd_rounds(LEAT_BYTES);
}

TEST(crowd_of_messages_is_counted)
{
    crowd_rounds(LEAT_MESSAGES);
}

/* Those that the user was told of live on without their listener. */
TEST(crowd_outlives_its_listener)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES);
    struct leat_hub_info info = {.size = sizeof info};
    int alice[3], bob[3];
    CHECK_INT(crowd_come(&crowd, ALICE, alice, 3), 3);
    CHECK_INT(crowd_come(&crowd, BOB, bob, 3), 3);
    CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
    REQUIRE_ERROR(leat_hub_info_get(crowd.hub, &info), LEAT_OK);
    CHECK_INT(info.conns, 6);
    crowd_hang_up(&crowd, alice, 3);
    crowd_hang_up(&crowd, bob, 3);
    CHECK_ERROR(leat_hub_destroy(crowd.hub), LEAT_OK);
    lti_sim_end();
}

/* Memory fails at any place, that of the count included. */
TEST(crowd_without_memory)
{
    const struct lti_sim_faults faults = {.memory = 200000};
    for (int round = 0; round < 50; round++) {
        struct crowd crowd = crowd_begin(round % 2 ? LEAT_BYTES : LEAT_MESSAGES);
        int fds[12];
        lti_sim_set_faults(&faults);
        for (uint32_t i = 0; i < 12; i++)
            fds[i] = crowd_dial(ALICE + i % 4);
        crowd_settle(&crowd);
        CHECK(crowd_info(&crowd).conns <= 12);
        lti_sim_set_faults(NULL);
        crowd_hang_up(&crowd, fds, 12);
        CHECK_INT(crowd_info(&crowd).conns, 0);
        CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
        CHECK_ERROR(leat_hub_destroy(crowd.hub), LEAT_OK);
    }
    lti_sim_end();
}
