/* SPDX-License-Identifier: MIT
 *
 * Simulated named pipes: names, instances, how a client and an instance meet, how they part.
 *
 * Happy path: a server makes instances of a name, a client is given the oldest that listens, and
 *             the listen that waits there is over.
 * Fails:      as Windows: access first, then the number of instances, then whether the name must be
 *             new. All instances taken is 231; a name without a server's handle is 2.
 * Invariants: an instance lives until both of its ends are closed, and counts until then: a client
 *             that stays keeps it, and with it the name, though nobody can open it any more. The
 *             first instance decides type, maximum and who may open. A client that was
 *             disconnected has no instance any more.
 */
#include "sim_nt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAD_NETPATH 53

/* ---- Names ----------------------------------------------------------------------------------- */

/* Capital and small letters are the same, up to U+00FF. */
static uint16_t unit_lower(uint16_t unit)
{
    if ((unit >= 'A' && unit <= 'Z') || (unit >= 0xC0 && unit <= 0xDE && unit != 0xD7))
        return (uint16_t)(unit + 32);
    return unit;
}

static bool unit_slash(uint16_t unit, bool literal)
{
    return unit == '\\' || (unit == '/' && !literal);
}

/* True when the units begin with the text. */
static bool name_begins(const uint16_t *name, const char *text, bool literal)
{
    for (; *text; text++, name++) {
        bool same = *text == '\\' ? unit_slash(*name, literal)
                                  : unit_lower(*name) == (uint16_t)(unsigned char)*text;
        if (!same)
            return false;
    }
    return true;
}

/* What is below the prefix, in small letters. Zero, or the error. */
static uint32_t name_parse(const uint16_t *name, uint16_t *text_out)
{
    size_t units = 0;
    while (units <= LTI_OS_PIPE_UNITS_MAX && name[units])
        units++;
    if (units > LTI_OS_PIPE_UNITS_MAX)
        return LTI_NT_INVALID_NAME;
    bool literal = name_begins(name, "\\\\?\\", true);
    const char *prefix = literal ? "\\\\?\\pipe\\" : "\\\\.\\pipe\\";
    if (!name_begins(name, prefix, literal))
        return name_begins(name, "\\\\", literal) ? BAD_NETPATH : LTI_NT_FILE_NOT_FOUND;
    const uint16_t *rest = name + strlen(prefix);
    if (!*rest)
        return LTI_NT_INVALID_NAME;
    for (; *rest; rest++)
        *text_out++ = unit_slash(*rest, literal) ? '\\' : unit_lower(*rest);
    *text_out = 0;
    return 0;
}

static struct sim_pipe_name *name_find(const uint16_t *text)
{
    struct sim_pipe_name *it = sim_world.pipe_names;
    for (; it; it = it->next) {
        size_t i = 0;
        while (text[i] && text[i] == it->text[i])
            i++;
        if (text[i] == it->text[i])
            break;
    }
    return it;
}

static void name_remove(struct sim_pipe_name *name)
{
    struct sim_pipe_name **place = &sim_world.pipe_names;
    while (*place != name)
        place = &(*place)->next;
    *place = name->next;
    free(name);
}

/* ---- Instances ------------------------------------------------------------------------------- */

static struct sim_object *instance_make(struct sim_pipe_name *name, uint32_t quota, bool messages)
{
    struct sim_instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        sim_fatal("the machine is out of memory");
    struct sim_object *end = sim_nt_object(SIM_PIPE);
    end->nt->pipe.instance = instance;
    end->nt->pipe.side = SIM_SERVER;
    end->nt->pipe.messages = messages;
    instance->name = name;
    instance->ends[SIM_SERVER] = end;
    instance->pids[SIM_SERVER] = sim_process_now()->pid;
    if (quota > sim_world.options.buffer_bytes)
        quota = sim_world.options.buffer_bytes;
    instance->channels[SIM_SERVER].quota = instance->channels[SIM_CLIENT].quota = quota;
    struct sim_instance **place = &name->first;
    while (*place)
        place = &(*place)->next;
    *place = instance;
    name->instances++;
    name->servers++;
    return end;
}

static void instance_free(struct sim_instance *instance)
{
    struct sim_pipe_name *name = instance->name;
    struct sim_instance **place = &name->first;
    while (*place != instance)
        place = &(*place)->next;
    *place = instance->next;
    free(instance);
    if (--name->instances == 0)
        name_remove(name);
}

static void instance_listens_end(struct sim_instance *instance, int64_t result)
{
    while (instance->listens.first)
        sim_request_complete(sim_requests_take(&instance->listens), result);
}

void sim_pipe_close(struct sim_object *end)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    uint32_t side = end->nt->pipe.side;
    if (!instance)
        return;
    instance->ends[side] = NULL;
    if (side == SIM_SERVER)
        instance->name->servers--;
    switch (instance->state) {
    case SIM_LISTENING:
        instance_listens_end(instance, sim_nt_fail(LTI_NT_BROKEN_PIPE));
        instance_free(instance);
        return;
    case SIM_CONNECTED: {
        struct sim_channel *peers = &instance->channels[1 - side];
        instance->state = SIM_CLOSING;
        sim_channel_break(&instance->channels[side], LTI_NT_BROKEN_PIPE);
        /* What was written can still be read; who waits for more waits in vain. */
        while (peers->readers.first)
            sim_request_complete(sim_requests_take(&peers->readers),
                                 sim_nt_fail(LTI_NT_BROKEN_PIPE));
        if (!sim_fault(sim_world.options.faults.linger))
            sim_channel_break_writes(peers);
        return;
    }
    case SIM_CLOSING:
    case SIM_DISCONNECTED:
        sim_channel_break(&instance->channels[side], LTI_NT_BROKEN_PIPE);
        sim_channel_break(&instance->channels[1 - side], LTI_NT_BROKEN_PIPE);
        instance_free(instance);
        break;
    }
}

struct sim_object *sim_pipe_find(intptr_t handle, int64_t *result_out)
{
    struct sim_object *end = sim_handle_find(handle, SIM_PIPE, result_out);
    if (end && !end->nt->pipe.instance) {
        *result_out = sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED);
        return NULL;
    }
    if (end)
        sim_pipe_sync_check(end);
    return end;
}

static int64_t pipe_disconnect(const struct sim_object *end)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    struct sim_object *client = instance->ends[SIM_CLIENT];
    if (end->nt->pipe.side != SIM_SERVER)
        return sim_nt_fail(LTI_NT_INVALID_FUNCTION);
    if (instance->state == SIM_DISCONNECTED)
        return sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED);
    instance_listens_end(instance, sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED));
    sim_channel_break(&instance->channels[SIM_SERVER], LTI_NT_PIPE_NOT_CONNECTED);
    sim_channel_break(&instance->channels[SIM_CLIENT], LTI_NT_PIPE_NOT_CONNECTED);
    if (client)
        client->nt->pipe.instance = NULL;
    instance->ends[SIM_CLIENT] = NULL;
    instance->pids[SIM_CLIENT] = 0;
    instance->client_read = false;
    instance->state = SIM_DISCONNECTED;
    return 0;
}

int64_t lti_sim_pipe_disconnect(intptr_t handle)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        result = pipe_disconnect(end);
    return sim_leave("nt_disconnect", handle, 0, result);
}

/* ---- Making and opening ---------------------------------------------------------------------- */

/* Zero when the name may have one more instance like this. */
static uint32_t name_admits(const struct sim_pipe_name *name, uint32_t flags)
{
    const struct sim_who who = sim_who_now();
    uint32_t rights = SIM_RIGHT_READ | SIM_RIGHT_WRITE | SIM_RIGHT_INSTANCE;
    if (!sim_security_allows(&name->security, &who, rights))
        return LTI_NT_ACCESS_DENIED;
    if (name->instances >= name->instances_max)
        return LTI_NT_PIPE_BUSY;
    if ((flags & LTI_OS_PIPE_FIRST) || name->messages != ((flags & LTI_OS_PIPE_MESSAGE) != 0))
        return LTI_NT_ACCESS_DENIED;
    return 0;
}

static int64_t pipe_create(const uint16_t *spelling, uint32_t flags, uint32_t instances_max,
                           uint32_t quota_bytes, const void *security)
{
    uint16_t text[LTI_OS_PIPE_UNITS_MAX + 1];
    uint32_t error = name_parse(spelling, text);
    if (error != 0)
        return sim_nt_fail(LTI_NT_INVALID_NAME);
    if (instances_max == 0)
        return sim_nt_fail(LTI_NT_INVALID_PARAMETER);
    if (sim_descriptors_full() || sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    bool messages = (flags & LTI_OS_PIPE_MESSAGE) != 0;
    struct sim_pipe_name *name = name_find(text);
    if (name) {
        error = name_admits(name, flags);
        if (error != 0)
            return sim_nt_fail(error);
    } else {
        name = calloc(1, sizeof *name);
        if (!name)
            sim_fatal("the machine is out of memory");
        int64_t result = sim_security_assign(security, &name->security);
        if (result < 0) {
            free(name);
            return result;
        }
        memcpy(name->text, text, sizeof text);
        name->messages = messages;
        name->instances_max =
            instances_max > LTI_OS_PIPE_INSTANCES_MAX ? UINT32_MAX : instances_max;
        name->next = sim_world.pipe_names;
        sim_world.pipe_names = name;
    }
    return sim_handle_add(instance_make(name, quota_bytes, messages));
}

int64_t lti_os_pipe_create(const uint16_t *name, uint32_t flags, uint32_t instances_max,
                           uint32_t quota_bytes, const void *security)
{
    sim_enter();
    return sim_leave("nt_create", flags, quota_bytes,
                     pipe_create(name, flags, instances_max, quota_bytes, security));
}

static int64_t pipe_open(const uint16_t *spelling)
{
    uint16_t text[LTI_OS_PIPE_UNITS_MAX + 1];
    uint32_t error = name_parse(spelling, text);
    if (error != 0)
        return sim_nt_fail(error);
    if (sim_descriptors_full() || sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    struct sim_pipe_name *name = name_find(text);
    if (!name || name->servers == 0)
        return sim_nt_fail(LTI_NT_FILE_NOT_FOUND);
    const struct sim_who who = sim_who_now();
    if (!sim_security_allows(&name->security, &who, SIM_RIGHTS_CLIENT))
        return sim_nt_fail(LTI_NT_ACCESS_DENIED);
    struct sim_instance *instance = name->first;
    while (instance && instance->state != SIM_LISTENING)
        instance = instance->next;
    if (!instance)
        return sim_nt_fail(LTI_NT_PIPE_BUSY);
    struct sim_object *end = sim_nt_object(SIM_PIPE);
    end->nt->pipe.instance = instance;
    end->nt->pipe.side = SIM_CLIENT;
    instance->ends[SIM_CLIENT] = end;
    instance->pids[SIM_CLIENT] = sim_process_now()->pid;
    instance->client = who;
    instance->state = SIM_CONNECTED;
    instance_listens_end(instance, 0);
    return sim_handle_add(end);
}

int64_t lti_os_pipe_open(const uint16_t *name)
{
    sim_enter();
    return sim_leave("nt_open", 0, 0, pipe_open(name));
}

static int64_t pipe_listen(struct sim_object *end, struct lti_os_op *op)
{
    struct sim_instance *instance = end->nt->pipe.instance;
    sim_op_check(op);
    if (end->nt->pipe.side != SIM_SERVER)
        return sim_nt_fail(LTI_NT_INVALID_FUNCTION);
    if (instance->state == SIM_CONNECTED)
        return 0; /* as the real one: the system's word for it is an error, 535 */
    if (instance->state == SIM_CLOSING)
        return sim_nt_fail(LTI_NT_NO_DATA);
    if (sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    instance->state = SIM_LISTENING;
    struct sim_request *request = sim_request_begin(end, SIM_LISTENS, op, NULL, NULL, 0);
    sim_requests_add(&instance->listens, request);
    return sim_nt_fail(LTI_NT_IO_PENDING);
}

int64_t lti_os_pipe_listen(intptr_t handle, struct lti_os_op *op)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        result = pipe_listen(end, op);
    return sim_leave("nt_listen", handle, 0, result);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

int64_t lti_os_pipe_read_messages(intptr_t handle)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *end = sim_pipe_find(handle, &result);
    if (end && !end->nt->pipe.instance->name->messages)
        result = sim_nt_fail(LTI_NT_INVALID_PARAMETER);
    else if (end)
        end->nt->pipe.messages = true;
    return sim_leave("nt_messages", handle, 0, result);
}

int64_t lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out)
{
    sim_enter();
    /* The one call that may be asked about a number that is not open: adopting does so. */
    const struct sim_object *end = sim_handle_look(handle);
    *facts_out = (struct lti_os_pipe_facts){.pipe = false};
    if (!end || end->kind != SIM_PIPE || !end->nt->pipe.instance)
        return sim_leave("nt_facts", handle, 0, end ? 0 : sim_nt_fail(LTI_NT_INVALID_HANDLE));
    const struct sim_instance *instance = end->nt->pipe.instance;
    uint32_t side = end->nt->pipe.side;
    sim_pipe_sync_check(end);
    facts_out->pipe = true;
    facts_out->overlapped = !end->nt->pipe.synchronous;
    facts_out->can_read = !end->nt->pipe.no_read;
    facts_out->can_write = !end->nt->pipe.no_write;
    facts_out->server = side == SIM_SERVER;
    facts_out->message = instance->name->messages;
    facts_out->connected = instance->state == SIM_CONNECTED;
    facts_out->closing = instance->state == SIM_CLOSING;
    facts_out->instances = instance->name->instances;
    facts_out->instances_max = instance->name->instances_max;
    uint64_t unread = instance->channels[side].unread;
    facts_out->readable = unread < UINT32_MAX ? (uint32_t)unread : UINT32_MAX;
    (void)sim_leave("nt_fact", (int64_t)facts_out->readable, facts_out->instances, instance->state);
    return sim_leave("nt_facts", handle, 0, 0);
}

int64_t lti_os_pipe_peer_pid(intptr_t handle, bool server)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_pipe_find(handle, &result);
    if (end) {
        const struct sim_instance *instance = end->nt->pipe.instance;
        result = instance->pids[server ? SIM_SERVER : SIM_CLIENT];
        if (result == 0) /* nobody came yet */
            result = sim_nt_fail(LTI_NT_PIPE_NOT_CONNECTED);
    }
    return sim_leave("nt_peer", handle, server, result);
}

int64_t lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_pipe_find(handle, &result);
    if (end)
        memcpy(sid_out, end->nt->pipe.instance->name->security.owner, LTI_OS_SID_BYTES);
    return sim_leave("nt_owner", handle, 0, result);
}

int64_t lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *end = sim_pipe_find(handle, &result);
    uint32_t label = end ? end->nt->pipe.instance->name->security.label : 0;
    if (end)
        sid_out[0] = '\0';
    if (label != 0)
        (void)snprintf(sid_out, LTI_OS_SID_BYTES, "S-1-16-%u", (unsigned)label);
    return sim_leave("nt_label", handle, label, result);
}
