/* SPDX-License-Identifier: MIT
 *
 * Scripts of API calls: any call in any order, with a system that may fail, keeps what leat.h says:
 * its errors, its handles, its events, its bytes; and nothing is left in the end.
 *
 * Input: a word that is the seed of the simulated kernel; a byte of faults and one of limits; then
 * acts: a byte that chooses the call, and what the call wants.
 */
#include "api.h"

#include "os_sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTS_MAX 400u
#define LATE_NS UINT64_C(1000000000)

struct api api;
uint8_t api_block[API_BLOCK_BYTES];

void api_allow(const char *call, enum leat_error error, uint64_t set)
{
    if (api.faults || api.tight)
        set |= API_BIT(LIMIT) | API_BIT(MEMORY);
    if ((set >> error & 1) == 0) {
        (void)fprintf(stderr, "%s gave %s\n", call, leat_error_name(error));
        CHECK(set >> error & 1);
    }
}

void api_allow_end(const char *call, const struct api_end *end, enum leat_error error, uint64_t set)
{
    if (end->dead)
        api_allow(call, error, API_BIT(STALE));
    else
        api_allow(call, error, end->dying || end->lost ? set | API_BIT(STALE) : set);
}

void api_waited(const char *call, uint64_t began_ns, uint32_t timeout_ms)
{
    uint64_t limit_ns = timeout_ms * UINT64_C(1000000) + LATE_NS;
    if (lti_sim_time_ns() - began_ns > limit_ns) {
        (void)fprintf(stderr, "%s came back late\n", call);
        CHECK(lti_sim_time_ns() - began_ns <= limit_ns);
    }
}

/* ---- What a script has ----------------------------------------------------------------------- */

uint32_t api_hub_choose(void)
{
    return fuzz_below(&api.input, API_HUBS);
}

struct api_end *api_end_choose(void)
{
    uint32_t at = fuzz_below(&api.input, API_ENDS);
    for (uint32_t i = 0; i < API_ENDS; i++) {
        struct api_end *end = &api.ends[(at + i) % API_ENDS];
        if (end->used)
            return end;
    }
    return NULL;
}

struct api_end *api_end_new(uint32_t hub, leat_conn conn, enum leat_protocol protocol)
{
    struct api_end *end = NULL;
    REQUIRE(conn.id != 0);
    for (uint32_t i = 0; i < API_ENDS; i++) {
        if (!api.ends[i].used || (end == NULL && api.ends[i].dead))
            end = &api.ends[i];
        /* An id is never given twice. */
        REQUIRE(!api.ends[i].used || api.ends[i].hub != hub || api.ends[i].conn.id != conn.id);
    }
    if (end == NULL) {
        CHECK_ERROR(leat_abort(api.hubs[hub], conn), LEAT_OK);
        return NULL;
    }
    *end = (struct api_end){.used = true, .hub = hub, .conn = conn, .protocol = protocol};
    return end;
}

struct api_end *api_end_find(uint32_t hub, leat_conn conn)
{
    for (uint32_t i = 0; i < API_ENDS; i++) {
        struct api_end *end = &api.ends[i];
        if (end->used && end->hub == hub && end->conn.id == conn.id)
            return end;
    }
    return NULL;
}

/* ---- Options and names ----------------------------------------------------------------------- */

void api_options_for(enum leat_protocol protocol, struct leat_conn_options *options_out)
{
    static const size_t boxes[] = {0, 1, 100, 65544, 70000, 200000};
    static const uint32_t times[] = {0, 1, 50, 3000}, patience[] = {0, 100, 150, 3000};
    uint8_t word = fuzz_byte(&api.input);
    *options_out = (struct leat_conn_options){.size = sizeof *options_out, .protocol = protocol};
    options_out->frame_bytes_max = word & 1 ? 65536 : 0;
    options_out->keepalive_ms = protocol == LEAT_MESSAGES && word & 2 ? 500 : 0;
    options_out->empty_is_finish = protocol == LEAT_PACKETS && KIT_PIPES;
    if (word & 4) {
        options_out->inbox_bytes = boxes[fuzz_below(&api.input, 6)];
        options_out->outbox_bytes = boxes[fuzz_below(&api.input, 6)];
        options_out->outbox_messages_max = fuzz_below(&api.input, 4);
        options_out->write_stall_ms = times[fuzz_below(&api.input, 4)];
        options_out->partial_frame_ms = times[fuzz_below(&api.input, 4)];
        options_out->handshake_ms = patience[fuzz_below(&api.input, 4)];
    }
}

static const char *const names[API_LISTENERS] = {"bytes", "messages", "packets"};

bool api_name_known(const char *name)
{
    for (uint32_t i = 0; i < API_LISTENERS; i++)
        if (strcmp(name, kit_plain(names[i])) == 0)
            return true;
    return false;
}

enum leat_protocol api_protocol_of(const char *name)
{
    for (uint32_t i = 0; i < API_LISTENERS; i++)
        if (strcmp(name, kit_plain(names[i])) == 0)
            return (enum leat_protocol)(i + LEAT_BYTES);
    api.mixed = true;
    return LEAT_BYTES;
}

const char *api_name(void)
{
    static char any[80];
    static const char *const forms[] = {"",       "qt:",  "system:", "unix:/home/user/",
                                        "unix:@", "pipe:"};
    uint8_t word = fuzz_byte(&api.input);
    if (word < 200)
        return kit_plain(names[word % API_LISTENERS]);
    struct fuzz_input part = fuzz_part(&api.input, word % 16u);
    (void)snprintf(any, sizeof any, "%s%.*s", forms[word % 6], (int)part.size,
                   part.size > 0 ? (const char *)part.data : "");
    return any;
}

/* ---- Hubs ------------------------------------------------------------------------------------ */

void api_hub_begin(uint32_t hub)
{
    const struct leat_hub_options options = {
        .size = sizeof options, .memory_bytes_max = api.tight ? 400000 : 0, .conns_max = 20};
    struct leat_hub *made = NULL;
    enum leat_error error = leat_hub_create(&options, &made);
    api_allow("hub_create", error, API_OK);
    if (error == LEAT_OK)
        api.hubs[hub] = made;
    else
        CHECK(made == NULL);
}

void api_hub_end(uint32_t hub)
{
    CHECK_ERROR(leat_hub_destroy(api.hubs[hub]), LEAT_OK);
    api.hubs[hub] = NULL;
    api.wakes[hub] = api.reports[hub] = 0;
    for (uint32_t i = 0; i < API_ENDS; i++)
        if (api.ends[i].used && api.ends[i].hub == hub)
            api.ends[i].used = false;
    for (uint32_t i = 0; i < API_LISTENERS; i++)
        if (api.listeners[i].used && api.listeners[i].hub == hub)
            api.listeners[i].used = false;
    for (uint32_t i = 0; i < API_TIMERS; i++)
        if (api.timers[i].used && api.timers[i].hub == hub)
            api.timers[i].used = false;
}

/* ---- A script -------------------------------------------------------------------------------- */

static void faults_choose(struct lti_sim_faults *faults, uint8_t word, bool often)
{
    uint32_t chance = often ? 200000 : 10000;
    *faults = (struct lti_sim_faults){0};
    if (word & 1)
        faults->short_read = faults->short_write = chance;
    if (word & 2)
        faults->interrupt = faults->again = faults->pend = chance;
    if (word & 4)
        faults->poll_spurious = faults->poll_duplicate = faults->poll_empty = chance;
    if (word & 8)
        faults->delay = faults->poll_shuffle = faults->linger = faults->cancel = chance;
    if (word & 16)
        faults->memory = chance;
    if (word & 32)
        faults->descriptors = faults->resources = chance / 10;
    if (word & 64)
        faults->clock = chance / 100;
    api.faults = (word & (16 | 32)) != 0;
}

static void script_begin(void)
{
    static const uint32_t buffers[] = {0, 5000, 600, 40};
    struct lti_sim_options options = {.seed = fuzz_word(&api.input) + 1u};
    struct lti_sim_faults faults;
    uint8_t word = fuzz_byte(&api.input), limits = fuzz_byte(&api.input);
    options.buffer_bytes = buffers[limits & 3];
    options.descriptors_max = limits & 4 ? 14 : 0;
    options.clock_grain_ns = limits & 8 ? 1000000 : 0;
    fuzz_world_begin(&options);
    faults_choose(&faults, word, limits & 16);
    api.faults = api.faults || options.descriptors_max > 0;
    api.tight = (limits & 32) != 0;
    lti_sim_set_faults(&faults);
    api.raws[0] = api.raws[1] = -1;
}

/* Without faults all comes to its end: the hubs go, and nothing is left. */
static void script_end(void)
{
    lti_sim_set_faults(NULL);
    for (uint32_t hub = 0; hub < API_HUBS; hub++)
        for (uint32_t turns = 0; turns < 20 && api.hubs[hub] != NULL; turns++)
            api_next(hub, 0);
    for (uint32_t i = 0; i < 2; i++)
        if (api.raws[i] >= 0)
            kit_raw_close(api.raws[i]);
    for (uint32_t hub = 0; hub < API_HUBS; hub++)
        if (api.hubs[hub] != NULL)
            api_hub_end(hub);
    fuzz_world_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&api, 0, sizeof api);
    api.input = (struct fuzz_input){data, size};
    script_begin();
    for (uint32_t i = 0; i < ACTS_MAX && api.input.size > 0; i++) {
        uint32_t act = fuzz_below(&api.input, API_ACTS_OPEN + API_ACTS_TALK);
        uint32_t hub = i % API_HUBS;
        if (api.hubs[hub] == NULL)
            api_hub_begin(hub);
        if (act < API_ACTS_OPEN)
            api_act_open(act);
        else
            api_act_talk(act - API_ACTS_OPEN);
    }
    script_end();
    return 0;
}
