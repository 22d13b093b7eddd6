/* SPDX-License-Identifier: MIT
 *
 * How many connections one user has of a listener: counted from when it is judged until it ends,
 * once, whatever ends it. Each client begins to speak at once, since pipes tell then who it is.
 *
 * Happy path: each user gets per_user_max, ours own_user_max, again and again, and no other user's
 *             places.
 * Fails:      one too many is closed without a byte; so is one that cannot be counted.
 * Invariants: when all are gone, none is counted: an assertion of the listener's end.
 */
#include "crowd.h"

#include <string.h>

#define COME_MS 1u
#define LEAVE_MS 200u /* over unread bytes a pipe is looked at now and then */
#define EMPTY_TURNS_MAX 1000

static void crowd_log(void *context, const char *line)
{
    struct crowd_log *log = context;
    log->limits += strstr(line, "all the connections that one user may have") != NULL;
}

struct crowd crowd_begin(enum leat_protocol protocol, enum leat_who who, uint32_t places)
{
    static struct crowd_log log;
    struct crowd crowd = {.log = &log};
    const struct leat_hub_options hub = {
        .size = sizeof hub, .log = crowd_log, .hook_context = &log};
    const struct leat_conn_options conn = {.size = sizeof conn, .protocol = protocol};
    const struct leat_listen_options options = {.size = sizeof options,
                                                .who = who,
                                                .backlog = 64,
                                                .per_user_max = places,
                                                .handshakes_max = 64,
                                                .conn = &conn};
    log.limits = 0;
    lti_sim_begin(NULL);
    lti_sim_set_user(0, OURS, OURS);
    REQUIRE_ERROR(leat_hub_create(&hub, &crowd.hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(crowd.hub, crowd_name, &options, &crowd.listener), LEAT_OK);
    return crowd;
}

void crowd_end(const struct crowd *crowd)
{
    CHECK_ERROR(leat_hub_destroy(crowd->hub), LEAT_OK);
    lti_sim_end();
}

intptr_t crowd_dial(uint32_t user)
{
    lti_sim_set_user(0, user, user);
    intptr_t end = crowd_connect();
    lti_sim_set_user(0, OURS, OURS);
    return end;
}

struct leat_listener_info crowd_info(const struct crowd *crowd)
{
    struct leat_listener_info info = {.size = sizeof info};
    REQUIRE_ERROR(leat_listener_info_get(crowd->hub, crowd->listener, &info), LEAT_OK);
    return info;
}

/* Reads what came, and closes what ended. */
static void crowd_event(struct crowd *crowd, const struct leat_event *event)
{
    char bytes[8];
    size_t size;
    crowd->asked += event->type == LEAT_EVENT_ASKED;
    if (event->type == LEAT_EVENT_READABLE)
        CHECK_ERROR(leat_read(crowd->hub, event->conn, bytes, sizeof bytes, &size), LEAT_OK);
    else if (event->type == LEAT_EVENT_CLOSED)
        (void)leat_abort(crowd->hub, event->conn);
}

/* Until nothing more comes for so long. */
static void crowd_settle(struct crowd *crowd, uint32_t quiet_ms)
{
    struct leat_event event;
    while (leat_next(crowd->hub, &event, quiet_ms) == LEAT_OK)
        crowd_event(crowd, &event);
}

static void crowd_hang_up(struct crowd *crowd, const intptr_t *ends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        crowd_leave(ends[i]);
    crowd_settle(crowd, LEAVE_MS);
}

/* So many of them dial and speak; returns how many found a place. */
static uint32_t crowd_come(struct crowd *crowd, uint32_t user, intptr_t *ends_out, size_t count)
{
    uint32_t before = crowd_info(crowd).conns;
    for (size_t i = 0; i < count; i++) {
        ends_out[i] = crowd_dial(user);
        REQUIRE(ends_out[i] >= 0);
        crowd_say(ends_out[i]);
    }
    crowd_settle(crowd, COME_MS);
    return crowd_info(crowd).conns - before;
}

static void crowd_round(struct crowd *crowd)
{
    intptr_t alice[8], bob[8], ours[8];
    uint64_t denied = crowd_info(crowd).denied;
    CHECK_INT(crowd_come(crowd, ALICE, alice, 5), PLACES);
    CHECK_INT(crowd_come(crowd, BOB, bob, 2), 2);
    CHECK_INT(crowd_come(crowd, OURS, ours, 6), 6); /* who have a bound of their own */
    CHECK_INT(crowd_info(crowd).denied - denied, 2);
    CHECK(crowd_ended_silently(alice[PLACES]));
    crowd_hang_up(crowd, alice, 1);
    CHECK_INT(crowd_come(crowd, ALICE, alice, 1), 1);
    CHECK_INT(crowd_come(crowd, BOB, bob + 2, 2), 1);
    crowd_hang_up(crowd, alice, 5);
    CHECK_INT(crowd_info(crowd).conns, 3 + 6);
    crowd_hang_up(crowd, bob, 4);
    crowd_hang_up(crowd, ours, 6);
    CHECK_INT(crowd_info(crowd).conns, 0);
}

static void crowd_rounds(enum leat_protocol protocol, enum leat_who who)
{
    struct crowd crowd = crowd_begin(protocol, who, PLACES);
    for (int round = 0; round < 20; round++)
        crowd_round(&crowd);
    CHECK(crowd.log->limits > 0);
    CHECK_INT(crowd.asked, who == LEAT_WHO_ASK ? 20 * (PLACES + 1 + 3 + 6) : 0);
    CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
    crowd_end(&crowd);
}

TEST(crowd_of_bytes_is_counted)
{
    crowd_rounds(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE);
}

TEST(crowd_of_messages_is_counted)
{
    crowd_rounds(LEAT_MESSAGES, LEAT_WHO_INSECURE_ANYONE);
}

/* Nobody is asked about one too many. */
TEST(crowd_that_is_asked_about_is_counted)
{
    crowd_rounds(LEAT_BYTES, LEAT_WHO_ASK);
    crowd_rounds(LEAT_MESSAGES, LEAT_WHO_ASK);
}

TEST(crowd_of_many_users_is_told_apart)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, 1);
    intptr_t ends[60][2];
    for (uint32_t i = 0; i < 60; i++)
        CHECK_INT(crowd_come(&crowd, ALICE + i, ends[i], 2), 1);
    CHECK_INT(crowd_info(&crowd).denied, 60);
    for (uint32_t i = 0; i < 60; i++)
        crowd_hang_up(&crowd, ends[i], 2);
    CHECK_INT(crowd_info(&crowd).conns, 0);
    crowd_end(&crowd);
}

/* The same server, with other bounds, or as another user. */
static void crowd_serve(struct crowd *crowd, uint32_t user, struct leat_listen_options options)
{
    options.size = sizeof options;
    options.who = LEAT_WHO_INSECURE_ANYONE;
    options.backlog = 64;
    CHECK_ERROR(leat_listener_close(crowd->hub, crowd->listener), LEAT_OK);
    lti_sim_set_user(0, user, user);
    REQUIRE_ERROR(leat_listen(crowd->hub, crowd_name, &options, &crowd->listener), LEAT_OK);
    lti_sim_set_user(0, OURS, OURS);
}

/* `places` of our own programs, however many more come, and again when one has left. */
static void crowd_of_ours(const struct leat_listen_options *options, uint32_t places)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    intptr_t ours[80], root[5], alice[2];
    uint32_t found = 0;
    crowd_serve(&crowd, OURS, *options);
    for (uint32_t i = 0; i < 80; i += 20)
        found += crowd_come(&crowd, OURS, ours + i, 20);
    CHECK_INT(found, places);
    CHECK_INT(crowd_info(&crowd).denied, 80 - places);
    CHECK(crowd.log->limits > 0 || places == 80);
    CHECK_INT(crowd_come(&crowd, 0, root, 5), 5);
    CHECK_INT(crowd_come(&crowd, ALICE, alice, 2), 2);
    crowd_hang_up(&crowd, ours, 1);
    CHECK_INT(crowd_come(&crowd, OURS, ours, 1), 1);
    crowd_hang_up(&crowd, ours, 80);
    crowd_hang_up(&crowd, root, 5);
    crowd_hang_up(&crowd, alice, 2);
    CHECK_INT(crowd_info(&crowd).conns, 0);
    crowd_end(&crowd);
}

TEST(crowd_of_ours_has_a_bound_of_its_own)
{
    const struct leat_listen_options few = {.own_user_max = PLACES, .per_user_max = 80};
    const struct leat_listen_options usual = {.size = 0};
    const struct leat_listen_options many = {.conns_max = 100, .per_user_max = 2};
    const struct leat_listen_options both = {.conns_max = 100, .own_user_max = 10};
    crowd_of_ours(&few, PLACES);
    crowd_of_ours(&usual, 64);
    crowd_of_ours(&many, 80);
    crowd_of_ours(&both, 10);
}

/* Who may do anything is not counted, also where that is who serves. */
TEST(crowd_of_root_has_none)
{
    const struct leat_listen_options few = {.own_user_max = 1, .per_user_max = 1};
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    intptr_t ends[2 * PLACES];
    crowd_serve(&crowd, 0, few);
    lti_sim_set_user(0, 0, 0);
    for (uint32_t i = 0; i < 2 * PLACES; i++) {
        ends[i] = crowd_connect();
        REQUIRE(ends[i] >= 0);
        crowd_say(ends[i]);
    }
    crowd_settle(&crowd, COME_MS);
    CHECK_INT(crowd_info(&crowd).conns, 2 * PLACES);
    CHECK_INT(crowd_info(&crowd).denied, 0);
    crowd_hang_up(&crowd, ends, 2 * PLACES);
    CHECK_INT(crowd_info(&crowd).conns, 0);
    crowd_end(&crowd);
}

/* Those that the user was told of live on without their listener. */
TEST(crowd_outlives_its_listener)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    struct leat_hub_info info = {.size = sizeof info};
    intptr_t alice[3], bob[3];
    CHECK_INT(crowd_come(&crowd, ALICE, alice, 3), 3);
    CHECK_INT(crowd_come(&crowd, BOB, bob, 3), 3);
    CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
    REQUIRE_ERROR(leat_hub_info_get(crowd.hub, &info), LEAT_OK);
    CHECK_INT(info.conns, 6);
    crowd_hang_up(&crowd, alice, 3);
    crowd_hang_up(&crowd, bob, 3);
    crowd_end(&crowd);
}

/* Accepting pauses after a failure, and what lacked memory is tried again: until all is over. */
static void crowd_empty(struct crowd *crowd)
{
    struct leat_event event;
    for (int turn = 0; turn < EMPTY_TURNS_MAX && crowd_info(crowd).conns > 0; turn++)
        if (leat_next(crowd->hub, &event, 100) == LEAT_OK)
            crowd_event(crowd, &event);
    CHECK_INT(crowd_info(crowd).conns, 0);
}

/* Memory fails at any place, that of the count included. */
TEST(crowd_without_memory)
{
    const struct lti_sim_faults faults = {.memory = 200000};
    for (int round = 0; round < 50; round++) {
        struct crowd crowd =
            crowd_begin(round % 2 ? LEAT_BYTES : LEAT_MESSAGES,
                        round % 4 < 2 ? LEAT_WHO_INSECURE_ANYONE : LEAT_WHO_ASK, PLACES);
        intptr_t ends[12];
        lti_sim_set_faults(&faults);
        for (uint32_t i = 0; i < 12; i++) {
            ends[i] = crowd_dial(ALICE + i % 4);
            if (ends[i] >= 0)
                crowd_say(ends[i]);
        }
        crowd_settle(&crowd, COME_MS);
        CHECK(crowd_info(&crowd).conns <= 12);
        lti_sim_set_faults(NULL);
        for (uint32_t i = 0; i < 12; i++)
            if (ends[i] >= 0)
                crowd_leave(ends[i]);
        crowd_empty(&crowd);
        CHECK_ERROR(leat_listener_close(crowd.hub, crowd.listener), LEAT_OK);
        crowd_end(&crowd);
    }
}
