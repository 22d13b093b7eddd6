/* SPDX-License-Identifier: MIT
 *
 * What connections have in common, and need only once: options in force, who may be at the other
 * end, and the address.
 *
 * Happy path: a listener makes one, and all that come in through it hold it. Who dials or adopts
 *             looks whether one of the last few that are still held says the same, and holds that.
 * Fails:      MEMORY; nothing is held then, and the access that was handed over is gone.
 * Invariants: it never changes once a second holder has it. What the hub remembers is held by
 *             somebody else, so that it holds no memory for connections that are over.
 */
#include "core.h"

#include <stddef.h>
#include <string.h>

/* Addresses are short. */
static size_t address_bytes(const struct lti_address *address)
{
    return offsetof(struct lti_address, text) + address->size + 1;
}

bool lti_common_place(struct leat_hub *hub, struct lti_common *common,
                      const struct lti_address *address)
{
    common->address = lti_pool_alloc(&hub->pool, address_bytes(address));
    if (common->address)
        memcpy(common->address, address, address_bytes(address));
    return common->address != 0;
}

enum leat_error lti_common_make(struct leat_hub *hub, const struct leat_conn_options *options,
                                struct lti_access *access, struct lti_common **common_out)
{
    struct lti_common *common = lti_pool_alloc(&hub->pool, sizeof *common);
    if (!common) {
        lti_access_free(&hub->pool, access);
        return LEAT_E_MEMORY;
    }
    common->holders = 1;
    common->options = *options;
    common->access = access;
    common->address = 0;
    common->listener = 0;
    *common_out = common;
    return LEAT_OK;
}

struct lti_common *lti_common_hold(struct lti_common *common)
{
    common->holders++;
    return common;
}

void lti_common_drop(struct leat_hub *hub, struct lti_common *common)
{
    if (!common || --common->holders > 0)
        return;
    for (uint32_t i = 0; i < LTI_COMMONS_RECENT; i++)
        if (hub->commons[i] == common)
            hub->commons[i] = 0;
    if (common->address)
        lti_pool_free(&hub->pool, common->address, address_bytes(common->address));
    lti_access_free(&hub->pool, common->access);
    lti_pool_free(&hub->pool, common, sizeof *common);
}

/* Member by member: what lies between them is the caller's, and may be anything. */
static bool options_equal(const struct leat_conn_options *a, const struct leat_conn_options *b)
{
    return a->protocol == b->protocol && a->inbox_bytes == b->inbox_bytes &&
           a->inbox_low_bytes == b->inbox_low_bytes && a->outbox_bytes == b->outbox_bytes &&
           a->outbox_stream_bytes == b->outbox_stream_bytes &&
           a->outbox_low_bytes == b->outbox_low_bytes &&
           a->outbox_messages_max == b->outbox_messages_max &&
           a->frame_bytes_max == b->frame_bytes_max && a->handshake_ms == b->handshake_ms &&
           a->partial_frame_ms == b->partial_frame_ms && a->write_stall_ms == b->write_stall_ms &&
           a->keepalive_ms == b->keepalive_ms && a->gather_bytes == b->gather_bytes &&
           a->empty_is_finish == b->empty_is_finish;
}
/* A new option is to be compared, too: where pointers have 64 bits, the struct grows by it. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct leat_conn_options) == 96,
               "options_equal compares every option");

static bool address_equal(const struct lti_address *a, const struct lti_address *b)
{
    if (!a || !b)
        return a == b;
    return a->size == b->size && a->guarded == b->guarded && memcmp(a->text, b->text, a->size) == 0;
}

/* In an empty place, or in that of the one that was remembered first. */
static void common_remember(struct leat_hub *hub, struct lti_common *common)
{
    for (uint32_t i = 0; i < LTI_COMMONS_RECENT; i++) {
        if (!hub->commons[i]) {
            hub->commons[i] = common;
            return;
        }
    }
    hub->commons[hub->commons_next] = common;
    hub->commons_next = (hub->commons_next + 1) % LTI_COMMONS_RECENT;
}

enum leat_error lti_common_share(struct leat_hub *hub, const struct leat_conn_options *options,
                                 struct lti_access *access, const struct lti_address *address,
                                 struct lti_common **common_out)
{
    for (uint32_t i = 0; i < LTI_COMMONS_RECENT; i++) {
        struct lti_common *recent = hub->commons[i];
        if (recent && options_equal(&recent->options, options) &&
            lti_access_equal(recent->access, access) && address_equal(recent->address, address)) {
            lti_access_free(&hub->pool, access);
            *common_out = lti_common_hold(recent);
            return LEAT_OK;
        }
    }
    enum leat_error error = lti_common_make(hub, options, access, common_out);
    if (error != LEAT_OK)
        return error;
    if (address && !lti_common_place(hub, *common_out, address)) {
        lti_common_drop(hub, *common_out);
        return LEAT_E_MEMORY;
    }
    common_remember(hub, *common_out);
    return LEAT_OK;
}
