/* SPDX-License-Identifier: MIT
 *
 * What connections have in common: alike they hold the same one, any difference makes another one,
 * and nothing is left of what nobody holds.
 */
#include "core.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

static struct leat_hub hub;

static void begin(size_t bytes_max)
{
    memset(&hub, 0, sizeof hub);
    lti_pool_init(&hub.pool, bytes_max);
}

static enum leat_error share(const struct leat_conn_options *options, enum leat_who who,
                             const struct lti_address *address, struct lti_common **common_out)
{
    struct lti_access *access;
    REQUIRE_ERROR(lti_access_make(&hub.pool, who, NULL, NULL, 0, false, &access), LEAT_OK);
    return lti_common_share(&hub, options, access, address, common_out);
}

static void address_of(struct lti_address *address, const char *text)
{
    memset(address, 0, sizeof *address);
    address->size = (uint32_t)strlen(text);
    memcpy(address->text, text, address->size + 1);
}

TEST(conn_common_is_one_for_those_alike)
{
    struct leat_conn_options options;
    struct lti_address here;
    struct lti_common *first, *second, *third;
    begin(1 << 20);
    address_of(&here, "unix:/a");
    REQUIRE_ERROR(lti_options_conn(NULL, &options), LEAT_OK);
    REQUIRE_ERROR(share(&options, LEAT_WHO_SAME_USER, &here, &first), LEAT_OK);
    size_t bytes = hub.pool.bytes;
    REQUIRE_ERROR(share(&options, LEAT_WHO_SAME_USER, &here, &second), LEAT_OK);
    CHECK(second == first && hub.pool.bytes == bytes);
    CHECK_STR(first->address->text, "unix:/a");
    lti_common_drop(&hub, first);
    REQUIRE_ERROR(share(&options, LEAT_WHO_SAME_USER, &here, &third), LEAT_OK);
    CHECK(third == second && third->holders == 2);
    lti_common_drop(&hub, second);
    lti_common_drop(&hub, third);
    CHECK_INT(hub.pool.bytes, 0);
    CHECK(hub.commons[0] == NULL);
    lti_pool_end(&hub.pool);
}

TEST(conn_common_tells_any_difference)
{
    enum { KINDS = 14 };
    struct leat_conn_options first_options;
    struct lti_address here, there;
    struct lti_common *first, *other;
    begin(1 << 20);
    address_of(&here, "unix:/a");
    REQUIRE_ERROR(lti_options_conn(NULL, &first_options), LEAT_OK);
    REQUIRE_ERROR(share(&first_options, LEAT_WHO_SAME_USER, &here, &first), LEAT_OK);
    for (int kind = 0; kind < KINDS + 5; kind++) {
        struct leat_conn_options options = first_options;
        size_t *sizes[] = {&options.inbox_bytes, &options.inbox_low_bytes, &options.outbox_bytes,
                           &options.outbox_low_bytes};
        uint32_t *numbers[] = {&options.outbox_messages_max, &options.frame_bytes_max,
                               &options.handshake_ms,        &options.partial_frame_ms,
                               &options.write_stall_ms,      &options.keepalive_ms};
        if (kind < 4)
            *sizes[kind] += 1;
        else if (kind < 10)
            *numbers[kind - 4] += 1;
        options.protocol = kind == 10 ? LEAT_PACKETS : options.protocol;
        options.empty_is_finish = kind == 11;
        options.gather_bytes = kind == 12 ? 1000 : 0;
        options.outbox_stream_bytes += kind == 13;
        address_of(&there, kind == KINDS ? "unix:/b" : kind == KINDS + 1 ? "unix:/aa" : "unix:/a");
        there.guarded = kind == KINDS + 2;
        enum leat_who who = kind == KINDS + 3 ? LEAT_WHO_ADMIN : LEAT_WHO_SAME_USER;
        const struct lti_address *address = kind == KINDS + 4 ? NULL : &there;
        REQUIRE_ERROR(share(&options, who, address, &other), LEAT_OK);
        if (!CHECK(other != first))
            fprintf(stderr, "difference %d is not seen\n", kind);
        lti_common_drop(&hub, other);
        REQUIRE_ERROR(share(&first_options, LEAT_WHO_SAME_USER, &here, &other), LEAT_OK);
        CHECK(other == first); /* it is remembered still */
        lti_common_drop(&hub, other);
    }
    lti_common_drop(&hub, first);
    lti_pool_end(&hub.pool);
}

/* More kinds at once than are remembered: each is right, and what was forgotten is no harm. */
TEST(conn_common_of_more_kinds_than_are_remembered)
{
    enum { KINDS = LTI_COMMONS_RECENT * 3 };
    struct leat_conn_options options;
    struct lti_common *held[KINDS], *again;
    begin(1 << 20);
    REQUIRE_ERROR(lti_options_conn(NULL, &options), LEAT_OK);
    for (uint32_t i = 0; i < KINDS; i++) {
        options.handshake_ms = i + 1;
        REQUIRE_ERROR(lti_common_share(&hub, &options, NULL, NULL, &held[i]), LEAT_OK);
        CHECK_INT(held[i]->options.handshake_ms, i + 1);
    }
    REQUIRE_ERROR(lti_common_share(&hub, &options, NULL, NULL, &again), LEAT_OK);
    CHECK(again == held[KINDS - 1]);
    lti_common_drop(&hub, again);
    for (uint32_t i = 0; i < KINDS; i++)
        lti_common_drop(&hub, held[i]);
    CHECK_INT(hub.pool.bytes, 0);
    for (uint32_t i = 0; i < LTI_COMMONS_RECENT; i++)
        CHECK(hub.commons[i] == NULL);
    lti_pool_end(&hub.pool);
}

TEST(conn_common_without_memory_leaves_nothing)
{
    struct leat_conn_options options;
    struct lti_address here;
    size_t bytes = 0;
    address_of(&here, "unix:/a");
    REQUIRE_ERROR(lti_options_conn(NULL, &options), LEAT_OK);
    enum leat_error error = LEAT_E_MEMORY;
    for (; error == LEAT_E_MEMORY && bytes < 4096; bytes++) {
        struct lti_common *common;
        begin(sizeof(struct lti_access) + bytes);
        error = share(&options, LEAT_WHO_SAME_USER, &here, &common);
        if (error == LEAT_OK)
            lti_common_drop(&hub, common);
        CHECK_INT(hub.pool.bytes, 0);
        CHECK(hub.commons[0] == NULL);
        lti_pool_end(&hub.pool);
    }
    CHECK_ERROR(error, LEAT_OK);
    CHECK(bytes > sizeof(struct lti_common));
}
