/* SPDX-License-Identifier: MIT
 *
 * The limits' defaults and caps, as docs/access.md has them.
 */
#include "core.h"

#include "harness.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

TEST(options_defaults_of_a_connection)
{
    struct leat_conn_options options;
    const struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    REQUIRE_ERROR(lti_options_conn(NULL, &options), LEAT_OK);
    CHECK_INT(options.protocol, LEAT_BYTES);
    CHECK_INT(options.inbox_bytes, 256 * KIB);
    CHECK_INT(options.outbox_bytes, 4 * MIB);
    CHECK_INT(options.outbox_stream_bytes, 128 * KIB);
    CHECK_INT(options.outbox_low_bytes, 64 * KIB);
    CHECK_INT(options.outbox_messages_max, 1024);
    CHECK_INT(options.frame_bytes_max, MIB);
    CHECK_INT(options.handshake_ms, 5000);
    CHECK_INT(options.partial_frame_ms, 30000);
    CHECK_INT(options.write_stall_ms, 30000);
    CHECK_INT(options.keepalive_ms, 0);
    REQUIRE_ERROR(lti_options_conn(&messages, &options), LEAT_OK);
    CHECK_INT(options.inbox_bytes, MIB + 8);
}

/* Who names the one bound means streams, too; a stream's is never the larger one. */
TEST(options_of_a_stream_follow_those_of_the_outbox)
{
    struct leat_conn_options asked = {.size = sizeof asked, .outbox_bytes = 9 * MIB}, options;
    REQUIRE_ERROR(lti_options_conn(&asked, &options), LEAT_OK);
    CHECK_INT(options.outbox_stream_bytes, 9 * MIB);
    CHECK_INT(options.outbox_low_bytes, 9 * MIB / 2);
    asked.outbox_stream_bytes = 9 * MIB + 1;
    CHECK_ERROR(lti_options_conn(&asked, &options), LEAT_E_OPTIONS);
    asked.outbox_stream_bytes = 1000;
    asked.gather_bytes = 1000;
    REQUIRE_ERROR(lti_options_conn(&asked, &options), LEAT_OK);
    CHECK_INT(options.outbox_bytes, 9 * MIB);
    CHECK_INT(options.outbox_stream_bytes, 1000);
    CHECK_INT(options.outbox_low_bytes, 500);
    asked.gather_bytes = 1001;
    CHECK_ERROR(lti_options_conn(&asked, &options), LEAT_E_OPTIONS);
    asked.gather_bytes = 0;
    asked.outbox_low_bytes = 1000;
    CHECK_ERROR(lti_options_conn(&asked, &options), LEAT_E_OPTIONS);
    asked.outbox_low_bytes = 999;
    CHECK_ERROR(lti_options_conn(&asked, &options), LEAT_OK);
    asked.outbox_bytes = 0;
    REQUIRE_ERROR(lti_options_conn(&asked, &options), LEAT_OK);
    CHECK_INT(options.outbox_bytes, 4 * MIB);
    CHECK_INT(options.outbox_stream_bytes, 1000);
}

TEST(options_defaults_of_a_listener)
{
    struct leat_listen_options options;
    REQUIRE_ERROR(lti_options_listen(NULL, &options), LEAT_OK);
    CHECK_INT(options.who, LEAT_WHO_SAME_USER);
    CHECK_INT(options.backlog, 0); /* the port's: 64, or 4 instances of a pipe */
    CHECK_INT(options.conns_max, 128);
    CHECK_INT(options.handshakes_max, 16);
    CHECK_INT(options.per_user_max, 16);
    CHECK_INT(options.own_user_max, 64);
    CHECK_INT(options.queued_bytes_max, 64 * MIB);
}

/* Who names the one bound for all means his own programs. */
TEST(options_of_the_own_user_follow_those_of_all)
{
    struct leat_listen_options asked = {.size = sizeof asked, .conns_max = 10000}, options;
    REQUIRE_ERROR(lti_options_listen(&asked, &options), LEAT_OK);
    CHECK_INT(options.own_user_max, 10000);
    CHECK_INT(options.per_user_max, 16);
    asked.own_user_max = 7;
    REQUIRE_ERROR(lti_options_listen(&asked, &options), LEAT_OK);
    CHECK_INT(options.own_user_max, 7);
    CHECK_INT(options.conns_max, 10000);
    asked.conns_max = 0;
    asked.per_user_max = 200;
    REQUIRE_ERROR(lti_options_listen(&asked, &options), LEAT_OK);
    CHECK_INT(options.own_user_max, 7);
    asked.own_user_max = 0;
    REQUIRE_ERROR(lti_options_listen(&asked, &options), LEAT_OK);
    CHECK_INT(options.own_user_max, 64);
    CHECK_INT(options.per_user_max, 200);
}

TEST(options_defaults_of_a_hub_and_a_client)
{
    struct leat_hub_options hub;
    struct leat_connect_options connect;
    REQUIRE_ERROR(lti_options_hub(NULL, &hub), LEAT_OK);
    CHECK_INT(hub.conns_max, 65536);
    CHECK_INT(hub.memory_bytes_max, 1024 * MIB);
    REQUIRE_ERROR(lti_options_connect(NULL, &connect), LEAT_OK);
    CHECK_INT(connect.timeout_ms, 5000);
    CHECK_INT(connect.absent, LEAT_ABSENT_FAIL);
}

/* Each is good at its cap, and refused above. */
TEST(options_caps_of_a_listener)
{
    const struct leat_listen_options good = {.size = sizeof good,
                                             .backlog = 4096,
                                             .conns_max = 65536,
                                             .handshakes_max = 65536,
                                             .per_user_max = 65536,
                                             .own_user_max = 65536,
                                             .queued_bytes_max = SIZE_MAX};
    struct leat_listen_options options, bad[5] = {good, good, good, good, good};
    CHECK_ERROR(lti_options_listen(&good, &options), LEAT_OK);
    CHECK(options.queued_bytes_max == SIZE_MAX);
    bad[0].backlog++;
    bad[1].conns_max++;
    bad[2].handshakes_max++;
    bad[3].per_user_max++;
    bad[4].own_user_max++;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_ERROR(lti_options_listen(&bad[i], &options), LEAT_E_OPTIONS);
}

TEST(options_caps_of_a_connection)
{
    const struct leat_conn_options good = {.size = sizeof good,
                                           .inbox_bytes = 1024 * MIB,
                                           .outbox_bytes = 1024 * MIB,
                                           .frame_bytes_max = (uint32_t)(256 * MIB),
                                           .handshake_ms = 60000};
    struct leat_conn_options options, bad[7] = {good, good, good, good, good, good, good};
    CHECK_ERROR(lti_options_conn(&good, &options), LEAT_OK);
    bad[0].inbox_bytes++;
    bad[1].outbox_bytes++;
    bad[2].frame_bytes_max++;
    bad[3].frame_bytes_max = (uint32_t)(64 * KIB - 1);
    bad[4].handshake_ms++;
    bad[5].handshake_ms = 99;
    bad[6].handshake_ms = LEAT_FOREVER;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_ERROR(lti_options_conn(&bad[i], &options), LEAT_E_OPTIONS);
    struct leat_conn_options least = {.size = sizeof least, .handshake_ms = 100};
    CHECK_ERROR(lti_options_conn(&least, &options), LEAT_OK);
    CHECK_INT(options.handshake_ms, 100);
    struct leat_hub_options hub = {.size = sizeof hub, .conns_max = 65536}, taken;
    CHECK_ERROR(lti_options_hub(&hub, &taken), LEAT_OK);
    hub.conns_max++;
    CHECK_ERROR(lti_options_hub(&hub, &taken), LEAT_E_OPTIONS);
}
