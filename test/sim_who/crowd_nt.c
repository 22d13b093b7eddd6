/* SPDX-License-Identifier: MIT
 *
 * The crowd's clients, as pipes; and what differs there because a client is known by its first
 * bytes: it may have been accepted before, and who hides is nobody in particular.
 *
 * Happy path: a pipe is opened, and one byte is written.
 * Fails:      one too many that was accepted ends with CLOSED, LIMIT, and nothing of it is read.
 * Invariants: who says nothing takes no place of his user's.
 */
#include "crowd.h"
#include "os_nt.h"

#define SILENT 5u

const char *const crowd_name = "\\\\.\\pipe\\leat-crowd";

intptr_t crowd_connect(void)
{
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1] = {0};
    for (size_t i = 0; crowd_name[i]; i++)
        name[i] = (uint8_t)crowd_name[i];
    return (intptr_t)lti_os_pipe_open(name);
}

void crowd_say(intptr_t end)
{
    struct lti_os_op op = {{0}};
    CHECK_INT(lti_os_pipe_write(end, "l", 1, &op), 1);
}

bool crowd_ended_silently(intptr_t end)
{
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(end, &facts), 0);
    return facts.closing && facts.readable == 0;
}

void crowd_leave(intptr_t end)
{
    CHECK_INT(lti_os_handle_close(end), 0);
}

/* The next event of that type; others are dropped. */
static struct leat_event crowd_next(const struct crowd *crowd, enum leat_event_type type)
{
    struct leat_event event;
    do
        REQUIRE_ERROR(leat_next(crowd->hub, &event, 1000), LEAT_OK);
    while (event.type != type);
    return event;
}

/* Five that say nothing are accepted. */
static void crowd_silent(const struct crowd *crowd, intptr_t ends_out[SILENT],
                         leat_conn conns_out[SILENT])
{
    for (uint32_t i = 0; i < SILENT; i++) {
        ends_out[i] = crowd_dial(ALICE);
        REQUIRE(ends_out[i] >= 0);
        conns_out[i] = crowd_next(crowd, LEAT_EVENT_ACCEPTED).conn;
    }
}

TEST(crowd_nt_one_too_many_that_was_accepted)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    intptr_t ends[SILENT];
    leat_conn conns[SILENT];
    struct leat_event event;
    char byte;
    size_t size;
    crowd_silent(&crowd, ends, conns);
    for (uint32_t i = 0; i < PLACES; i++) {
        crowd_say(ends[i]);
        CHECK_INT(crowd_next(&crowd, LEAT_EVENT_READABLE).conn.id, conns[i].id);
        CHECK_ERROR(leat_read(crowd.hub, conns[i], &byte, 1, &size), LEAT_OK);
    }
    crowd_say(ends[PLACES]);
    REQUIRE_ERROR(leat_next(crowd.hub, &event, 1000), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_INT(event.conn.id, conns[PLACES].id);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
    CHECK_INT(crowd_info(&crowd).denied, 1);
    CHECK_INT(crowd.log->limits, 1);
    CHECK(crowd_ended_silently(ends[PLACES]));
    /* Who reads without waiting for the event is told the same. */
    crowd_say(ends[PLACES + 1]);
    CHECK_ERROR(leat_wait_readable(crowd.hub, conns[PLACES + 1], 1000), LEAT_E_LIMIT);
    CHECK_ERROR(leat_read(crowd.hub, conns[PLACES + 1], &byte, 1, &size), LEAT_E_LIMIT);
    CHECK_INT(crowd_info(&crowd).denied, 2);
    for (uint32_t i = 0; i < SILENT; i++)
        crowd_leave(ends[i]);
    crowd_end(&crowd);
}

/* A place is given back, and taken by one who was accepted long before. */
TEST(crowd_nt_a_place_is_taken_with_the_first_byte)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, 1);
    intptr_t ends[SILENT];
    leat_conn conns[SILENT];
    crowd_silent(&crowd, ends, conns);
    for (uint32_t i = 0; i < SILENT; i++) {
        crowd_say(ends[i]);
        CHECK_INT(crowd_next(&crowd, LEAT_EVENT_READABLE).conn.id, conns[i].id);
        CHECK_ERROR(leat_abort(crowd.hub, conns[i]), LEAT_OK);
        crowd_leave(ends[i]);
    }
    CHECK_INT(crowd_info(&crowd).denied, 0);
    crowd_end(&crowd);
}

/* The server listens once more, for packages as well. */
static void crowd_open_to_packages(struct crowd *crowd)
{
    const struct leat_listen_options options = {
        .size = sizeof options,
        .who = LEAT_WHO_INSECURE_ANYONE,
        .backlog = 64,
        .per_user_max = PLACES,
        .sddl = "D:P(A;;GA;;;S-1-5-21-0-0-0-1000)(A;;0x12019b;;;WD)(A;;0x12019b;;;AC)"};
    CHECK_ERROR(leat_listener_close(crowd->hub, crowd->listener), LEAT_OK);
    REQUIRE_ERROR(leat_listen(crowd->hub, crowd_name, &options, &crowd->listener), LEAT_OK);
}

/* So many of such tokens are let in by who lets in everybody. */
static uint32_t crowd_of_tokens(const struct lti_sim_token *token, uint32_t first, uint32_t second)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    const struct lti_sim_token usual = LTI_SIM_TOKEN_USUAL;
    struct leat_event event;
    intptr_t ends[2 * PLACES];
    crowd_open_to_packages(&crowd);
    for (uint32_t i = 0; i < 2 * PLACES; i++) {
        lti_sim_set_token(0, token);
        ends[i] = crowd_dial(i % 2 ? first : second);
        lti_sim_set_token(0, &usual);
        REQUIRE(ends[i] >= 0);
        crowd_say(ends[i]);
    }
    uint32_t heard = 0;
    while (leat_next(crowd.hub, &event, 1) == LEAT_OK)
        if (event.type == LEAT_EVENT_READABLE) {
            heard++;
            CHECK_ERROR(leat_pause(crowd.hub, event.conn), LEAT_OK);
        }
    for (uint32_t i = 0; i < 2 * PLACES; i++)
        crowd_leave(ends[i]);
    crowd_end(&crowd);
    return heard;
}

TEST(crowd_nt_who_hides_is_one_user)
{
    const struct lti_sim_token hiding = {8192, 0, false, false};
    const struct lti_sim_token usual = LTI_SIM_TOKEN_USUAL;
    CHECK_INT(crowd_of_tokens(&hiding, ALICE, BOB), PLACES);
    CHECK_INT(crowd_of_tokens(&hiding, OURS, 0), PLACES);
    CHECK_INT(crowd_of_tokens(&usual, ALICE, BOB), 2 * PLACES);
    CHECK_INT(crowd_of_tokens(&usual, OURS, 0), 2 * PLACES);
}

/* A package may not read our memory, whoever runs it. */
TEST(crowd_nt_packages_of_ours_are_another_user)
{
    const struct lti_sim_token package = {8192, 1, true, false};
    CHECK_INT(crowd_of_tokens(&package, OURS, OURS), PLACES);
    CHECK_INT(crowd_of_tokens(&package, OURS, ALICE), 2 * PLACES);
}

/* Ours and their packages have one SID, and do not take each other's places. */
TEST(crowd_nt_packages_of_ours_take_no_places_of_ours)
{
    struct crowd crowd = crowd_begin(LEAT_BYTES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    const struct lti_sim_token usual = LTI_SIM_TOKEN_USUAL, package = {8192, 1, true, false};
    intptr_t ends[4 * PLACES];
    uint32_t heard = 0;
    struct leat_event event;
    crowd_open_to_packages(&crowd);
    for (uint32_t i = 0; i < 4 * PLACES; i++) {
        lti_sim_set_token(0, i < 2 * PLACES ? &usual : &package);
        ends[i] = crowd_dial(OURS);
        lti_sim_set_token(0, &usual);
        REQUIRE(ends[i] >= 0);
        crowd_say(ends[i]);
        while (leat_next(crowd.hub, &event, 1) == LEAT_OK)
            if (event.type == LEAT_EVENT_READABLE) {
                heard++;
                CHECK_ERROR(leat_pause(crowd.hub, event.conn), LEAT_OK);
            }
    }
    CHECK_INT(heard, 2 * PLACES + PLACES);
    for (uint32_t i = 0; i < 4 * PLACES; i++)
        crowd_leave(ends[i]);
    crowd_end(&crowd);
}

TEST(crowd_nt_messages_are_not_spoken_to_before_they_are_counted)
{
    struct crowd crowd = crowd_begin(LEAT_MESSAGES, LEAT_WHO_INSECURE_ANYONE, PLACES);
    struct lti_os_pipe_facts facts;
    struct leat_event event;
    intptr_t end = crowd_dial(ALICE);
    CHECK_ERROR(leat_next(crowd.hub, &event, 100), LEAT_E_TIMEOUT);
    REQUIRE_INT(lti_os_pipe_facts(end, &facts), 0);
    CHECK_INT(facts.readable, 0);
    CHECK_INT(crowd_info(&crowd).handshakes, 1);
    crowd_leave(end);
    crowd_end(&crowd);
}

/* How many of so many are heard who write nothing at first, and then one byte. */
static uint32_t crowd_after_nothing(enum leat_protocol protocol)
{
    struct crowd crowd = crowd_begin(protocol, LEAT_WHO_INSECURE_ANYONE, PLACES);
    struct leat_event event;
    intptr_t ends[2 * PLACES];
    uint32_t heard = 0;
    for (uint32_t i = 0; i < 2 * PLACES; i++) {
        struct lti_os_op op = {{0}};
        ends[i] = crowd_dial(ALICE);
        REQUIRE(ends[i] >= 0);
        CHECK_INT(lti_os_pipe_write(ends[i], "", 0, &op), 0);
        crowd_say(ends[i]);
    }
    while (leat_next(crowd.hub, &event, 1) == LEAT_OK) {
        char byte;
        size_t size = 0;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        CHECK_ERROR(protocol == LEAT_BYTES ? leat_read(crowd.hub, event.conn, &byte, 1, &size)
                                           : leat_receive(crowd.hub, event.conn, &byte, 1, &size),
                    LEAT_OK);
        heard += (uint32_t)size;
    }
    CHECK_INT(crowd_info(&crowd).denied, PLACES);
    for (uint32_t i = 0; i < 2 * PLACES; i++)
        crowd_leave(ends[i]);
    crowd_end(&crowd);
    return heard;
}

TEST(crowd_nt_a_write_of_nothing_hides_nobody)
{
    CHECK_INT(crowd_after_nothing(LEAT_BYTES), PLACES);
    CHECK_INT(crowd_after_nothing(LEAT_PACKETS), PLACES);
}
