/* SPDX-License-Identifier: MIT
 *
 * The settings of a plan by name: `--set NAME=VALUE` changes what the seed drew.
 *
 * Happy path: a table says where each setting is, and what it is when it makes a run simplest.
 * Fails:      false for a name that is not in the table, or a value that does not fit.
 * Invariants: no setting is outside of the plan; a run is a function of its plan and its seed.
 */
#include "run.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum field_kind { FIELD_U32, FIELD_SIZE, FIELD_BOOL, FIELD_ENUM };

struct field {
    const char *name;
    size_t offset;
    enum field_kind kind;
    uint32_t least;
};

#define FIELD(name, member, kind, least)                                                           \
    {                                                                                              \
        name, offsetof(struct run_plan, member), FIELD_##kind, least                               \
    }
#define FIELD_FAULT(fault) FIELD(#fault, sim.faults.fault, U32, 0)
#define FIELD_CONN(side)                                                                           \
    FIELD(#side ".inbox", side.inbox_bytes, SIZE, 0),                                              \
        FIELD(#side ".inbox_low", side.inbox_low_bytes, SIZE, 0),                                  \
        FIELD(#side ".outbox", side.outbox_bytes, SIZE, 0),                                        \
        FIELD(#side ".outbox_stream", side.outbox_stream_bytes, SIZE, 0),                          \
        FIELD(#side ".outbox_low", side.outbox_low_bytes, SIZE, 0),                                \
        FIELD(#side ".stall", side.write_stall_ms, U32, 0),                                        \
        FIELD(#side ".handshake", side.handshake_ms, U32, 0),                                      \
        FIELD(#side ".gather", side.gather_bytes, SIZE, 0)

/* What takes most away comes first. */
static const struct field fields[] = {
    FIELD("hostiles", hostiles, U32, 0),
    FIELD("server_dies", server_dies, U32, 0),
    FIELD("client_dies", client_dies, U32, 0),
    FIELD("helpers", helpers, BOOL, 0),
    FIELD("clients", clients, U32, 1),
    FIELD("conns", conns, U32, 1),
    FIELD("turns", turns, U32, 1),
    FIELD("chunk", chunk_max, U32, 1),
    FIELD_FAULT(short_read),
    FIELD_FAULT(short_write),
    FIELD_FAULT(interrupt),
    FIELD_FAULT(again),
    FIELD_FAULT(poll_spurious),
    FIELD_FAULT(poll_duplicate),
    FIELD_FAULT(poll_empty),
    FIELD_FAULT(poll_shuffle),
    FIELD_FAULT(delay),
    FIELD_FAULT(memory),
    FIELD_FAULT(descriptors),
    FIELD_FAULT(clock),
    FIELD_FAULT(pend),
    FIELD_FAULT(resources),
    FIELD_FAULT(cancel),
    FIELD_FAULT(linger),
    FIELD_CONN(bytes),
    FIELD_CONN(messages),
    FIELD("messages.count", messages.outbox_messages_max, U32, 0),
    FIELD("messages.partial", messages.partial_frame_ms, U32, 0),
    FIELD("messages.keepalive", messages.keepalive_ms, U32, 0),
    FIELD("backlog", backlog, U32, 0),
    FIELD("conns_max", conns_max, U32, 0),
    FIELD("handshakes_max", handshakes_max, U32, 0),
    FIELD("memory_bytes_max", memory_bytes_max, SIZE, 0),
    FIELD("buffer", sim.buffer_bytes, U32, 0),
    FIELD("grain", sim.clock_grain_ns, U32, 1),
    FIELD("descriptors_pass", sim.descriptors_pass, BOOL, 0),
    FIELD("schedule", sim.schedule, ENUM, 0),
    FIELD("single_thread", single_thread, BOOL, 0),
    FIELD("spin", spin_us, U32, 0),
};

uint32_t run_field_count(void)
{
    return (uint32_t)(sizeof fields / sizeof fields[0]);
}

const char *run_field_name(uint32_t index)
{
    return fields[index].name;
}

uint64_t run_field_least(uint32_t index)
{
    return fields[index].least;
}

uint64_t run_field_get(const struct run_plan *plan, uint32_t index)
{
    const void *place = (const char *)plan + fields[index].offset;
    switch (fields[index].kind) {
    case FIELD_SIZE:
        return *(const size_t *)place;
    case FIELD_BOOL:
        return *(const bool *)place;
    case FIELD_ENUM:
        return (uint64_t) * (const enum lti_sim_schedule *)place;
    case FIELD_U32:
        break;
    }
    return *(const uint32_t *)place;
}

void run_field_set(struct run_plan *plan, uint32_t index, uint64_t value)
{
    void *place = (char *)plan + fields[index].offset;
    switch (fields[index].kind) {
    case FIELD_SIZE:
        *(size_t *)place = (size_t)value;
        break;
    case FIELD_BOOL:
        *(bool *)place = value != 0;
        break;
    case FIELD_ENUM:
        *(enum lti_sim_schedule *)place = (enum lti_sim_schedule)value;
        break;
    case FIELD_U32:
        *(uint32_t *)place = (uint32_t)value;
        break;
    }
}

bool run_edit_read(const char *text, struct run_edit *edit_out)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    if (!equals || equals[1] < '0' || equals[1] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    edit_out->value = strtoull(equals + 1, &end, 10);
    if (*end != '\0' || errno != 0 || edit_out->value > UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < run_field_count(); i++) {
        edit_out->field = i;
        if (strlen(fields[i].name) == (size_t)(equals - text) &&
            strncmp(fields[i].name, text, (size_t)(equals - text)) == 0)
            return fields[i].kind != FIELD_ENUM || edit_out->value <= LTI_SIM_STARVE_ONE;
    }
    return false;
}

void run_edits_apply(const struct run_edits *edits, struct run_plan *plan)
{
    for (uint32_t i = 0; i < edits->count; i++)
        run_field_set(plan, edits->list[i].field, edits->list[i].value);
    /* What the arrays of a run have room for. */
    if (plan->clients > RUN_CLIENTS_MAX)
        plan->clients = RUN_CLIENTS_MAX;
    if (plan->conns > RUN_CONNS_MAX)
        plan->conns = RUN_CONNS_MAX;
    if (plan->hostiles > RUN_HOSTILES_MAX)
        plan->hostiles = RUN_HOSTILES_MAX;
    if (plan->chunk_max > RUN_CHUNK_MAX)
        plan->chunk_max = RUN_CHUNK_MAX;
}
