/* SPDX-License-Identifier: MIT
 *
 * The Windows port, listener side: a pool of armed instances.
 *
 * Happy path: the first instance claims the name, the others wait beside it; a client that came is
 *             accepted once its replacement waits, so that the name never is nobody's.
 * Fails:      a client that came and went, and an instance that cannot wait, are replaced at the
 *             next accept; when that fails the caller is told and the pool has as many places as
 *             before.
 * Invariants: an instance's block stays until its operation's completion was taken. More ends at
 *             the name than ours, twice in a row, are somebody else's: SQUATTED, once until they
 *             are gone. A listener's state stays while one of its operations is pending.
 */
#include "access.h"
#include "lti_assert.h"
#include "port_windows.h"

#include <string.h>

/* Clients that come and go faster than an instance can be made cannot keep us busy for ever. */
#define MAKE_TRIES_MAX 16

/* ---- Families -------------------------------------------------------------------------------- */

static uint16_t lower(uint16_t unit)
{
    return unit >= 'A' && unit <= 'Z' ? (uint16_t)(unit - 'A' + 'a') : unit;
}

static bool name_same(const uint16_t *a, const uint16_t *b)
{
    size_t i = 0;
    while (a[i] && lower(a[i]) == lower(b[i]))
        i++;
    return a[i] == b[i];
}

static struct lti_nt_family *family_hold(struct lti_port *port, const uint16_t *name)
{
    struct lti_nt_family *family = port->families;
    while (family && !name_same(family->name, name))
        family = family->next;
    if (!family) {
        family = lti_os_alloc(sizeof *family);
        if (!family)
            return 0;
        memset(family, 0, sizeof *family);
        for (size_t i = 0; name[i]; i++)
            family->name[i] = name[i];
        family->next = port->families;
        port->families = family;
    }
    family->holders++;
    return family;
}

void lti_nt_family_drop(struct lti_port *port, struct lti_nt_family *family)
{
    if (--family->holders > 0)
        return;
    struct lti_nt_family **place = &port->families;
    while (*place != family)
        place = &(*place)->next;
    *place = family->next;
    lti_os_free(family);
}

/* ---- Instances ------------------------------------------------------------------------------- */

static void instance_close(struct lti_nt_instance *instance)
{
    LTI_ASSERT(instance->handle >= 0); /* one that was given up is on no list */
    (void)lti_os_handle_close(instance->handle);
    instance->handle = -1;
    instance->listener->family->ends--;
    instance->listener->family->ghosts += instance->state == LTI_NT_CONNECTED;
}

/* Gives an instance up; its block goes with the completion of its operation. */
static void instance_end(struct lti_nt_instance *instance)
{
    if (instance->listen.pending)
        (void)lti_os_pipe_cancel(instance->handle, 0);
    instance_close(instance);
    if (!instance->listen.pending)
        lti_os_free(instance);
}

static void instance_arrived(struct lti_nt_instance *instance)
{
    instance->state = LTI_NT_CONNECTED;
    instance->order = ++instance->listener->arrivals;
    instance->met = lti_os_time_of_day();
}

/* Opens an instance and lets it wait. A client that came and went before it could leaves it
 * LOST. */
static int64_t instance_open(struct lti_nt_instance *instance, uint32_t flags)
{
    struct lti_nt_listener *listener = instance->listener;
    struct lti_port *port = listener->port;
    int64_t handle =
        lti_os_pipe_create(listener->family->name, flags | lti_nt_pipe_flags(listener->packets),
                           LTI_OS_PIPE_INSTANCES_MAX + 1, LTI_NT_QUOTA, listener->security);
    if (handle < 0)
        return handle;
    instance->handle = (intptr_t)handle;
    listener->family->ends++;
    int64_t result = lti_os_queue_add(port->queue, instance->handle, listener->packets);
    if (result < 0) {
        instance_close(instance);
        /* Whatever it is, it is not the name. */
        bool invalid = lti_os_kind_of(result) == LTI_OS_INVALID;
        return invalid ? lti_os_fail(LTI_OS_OTHER, lti_os_code_of(result).raw) : result;
    }
    result = lti_os_pipe_listen(instance->handle, &instance->listen.os);
    lti_nt_op_begun(port, &instance->listen, result);
    listener->pending += instance->listen.pending;
    if (instance->listen.pending) {
        instance->state = LTI_NT_ARMED;
    } else if (result >= 0) {
        instance_arrived(instance);
    } else if (lti_os_kind_of(result) == LTI_OS_PIPE) {
        instance->state = LTI_NT_LOST;
    } else {
        instance_close(instance);
        return result;
    }
    return 0;
}

static enum leat_error instance_make(struct lti_nt_listener *listener, uint32_t flags,
                                     struct lti_nt_instance **instance_out,
                                     struct os_code *code_out)
{
    struct lti_nt_instance *instance = lti_os_alloc(sizeof *instance);
    if (!instance)
        return LEAT_E_MEMORY;
    memset(instance, 0, sizeof *instance);
    instance->handle = -1;
    instance->listener = listener;
    instance->listen.cookie = listener->cookie;
    instance->listen.owner = instance;
    instance->listen.kind = LTI_NT_LISTEN;
    int64_t result = instance_open(instance, flags);
    if (result < 0) {
        lti_os_free(instance);
        enum leat_error error = lti_port_error(result, code_out);
        return error == LEAT_E_BUSY ? LEAT_E_LIMIT : error; /* the name takes no more instances */
    }
    *instance_out = instance;
    return LEAT_OK;
}

/* Fills the places that are empty or have lost their client: the new instance first, so that the
 * name is held throughout. */
static enum leat_error pool_mend(struct lti_nt_listener *listener, bool *more_out,
                                 struct os_code *code_out)
{
    int tries = 0;
    for (uint32_t i = 0; i < listener->count;) {
        struct lti_nt_instance *old = listener->instances[i];
        struct lti_nt_instance *new = 0;
        if (old && old->state != LTI_NT_LOST) {
            i++;
            continue;
        }
        if (tries++ >= (int)listener->count + MAKE_TRIES_MAX) {
            *more_out = true; /* others have their turn first */
            return LEAT_OK;
        }
        enum leat_error error = instance_make(listener, 0, &new, code_out);
        if (error != LEAT_OK)
            return error;
        listener->instances[i] = new;
        if (old)
            instance_end(old);
    }
    return LEAT_OK;
}

uint32_t lti_nt_listen_done(struct lti_nt_instance *instance, int64_t result)
{
    struct lti_nt_listener *listener = instance->listener;
    listener->pending--;
    if (instance->handle < 0) { /* given up */
        LTI_ASSERT(listener->ended);
        lti_os_free(instance);
        if (listener->pending == 0)
            (void)lti_nt_listener_end(listener);
        return 0;
    }
    if (result >= 0) {
        instance_arrived(instance);
        return LTI_DONE_READABLE;
    }
    instance->state = LTI_NT_LOST;
    if (lti_os_kind_of(result) != LTI_OS_PIPE) /* else its client came and went */
        listener->failure = result;
    return LTI_DONE_READABLE;
}

/* ---- Listening ------------------------------------------------------------------------------- */

bool lti_nt_listener_end(struct lti_nt_listener *listener)
{
    if (!listener->ended) {
        listener->ended = true;
        listener->family->listened = false;
        for (uint32_t i = 0; i < listener->count; i++)
            if (listener->instances[i])
                instance_end(listener->instances[i]);
    }
    if (listener->pending > 0)
        return true; /* the state is ours, not the link's: it goes with the last completion */
    lti_nt_family_drop(listener->port, listener->family);
    lti_os_security_free(listener->security);
    lti_os_free(listener);
    return true;
}

/* Looks for ends that are not ours. */
static enum leat_error crowd_look(struct lti_nt_listener *listener, intptr_t handle,
                                  bool *crowded_out, struct os_code *code_out)
{
    struct lti_os_pipe_facts facts;
    enum leat_error error = lti_port_error(lti_os_pipe_facts(handle, &facts), code_out);
    *crowded_out = false;
    if (error != LEAT_OK)
        return error;
    struct lti_nt_family *family = listener->family;
    uint32_t others = facts.instances > family->ends ? facts.instances - family->ends : 0;
    if (others < family->ghosts)
        family->ghosts = others; /* nobody tells when the clients of these go */
    *crowded_out = others > family->ghosts;
    return LEAT_OK;
}

static enum leat_error listener_open(struct lti_nt_listener *listener, struct os_code *code_out)
{
    struct lti_nt_family *family = listener->family;
    /* Connections of a listener that we closed may still hold the name. */
    uint32_t flags = family->ends > 0 ? 0 : LTI_OS_PIPE_FIRST;
    bool crowded;
    enum leat_error error = instance_make(listener, flags, &listener->instances[0], code_out);
    /* A name that exists can be made again by its owner only. */
    if (error == LEAT_E_DENIED || (error == LEAT_E_LIMIT && code_out->kind == LTI_OS_BUSY))
        return LEAT_E_IN_USE;
    if (error == LEAT_E_SYSTEM && code_out->kind == LTI_OS_INVALID)
        return LEAT_E_NAME;
    if (error == LEAT_OK)
        error = crowd_look(listener, listener->instances[0]->handle, &crowded, code_out);
    if (error == LEAT_OK && crowded)
        return LEAT_E_IN_USE;
    bool more = false;
    if (error == LEAT_OK)
        error = pool_mend(listener, &more, code_out);
    return error == LEAT_OK && more ? LEAT_E_LIMIT : error;
}

enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link,
                                struct lti_claim *claim_out, const struct lti_address *address,
                                const struct lti_listen *listen, struct os_code *code_out)
{
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
    const struct lti_access *access = listen->access;
    lti_claim_none(claim_out);
    if (listen->take_over)
        return LEAT_E_UNSUPPORTED;
    if (!lti_nt_name(address, name))
        return LEAT_E_NAME_TOO_LONG;
    struct lti_nt_listener *listener = lti_os_alloc(sizeof *listener);
    if (!listener)
        return LEAT_E_MEMORY;
    memset(listener, 0, sizeof *listener);
    listener->port = port;
    listener->cookie = link->cookie;
    listener->packets = listen->packets;
    listener->count = listen->backlog ? listen->backlog : LTI_NT_INSTANCES_USUAL;
    if (listener->count > LTI_NT_INSTANCES_MOST)
        listener->count = LTI_NT_INSTANCES_MOST;
    enum leat_error error = listen->sddl
                                ? lti_nt_security_given(listen->sddl, &listener->security, code_out)
                                : lti_nt_security(access, &listener->security, code_out);
    listener->family = error == LEAT_OK ? family_hold(port, name) : 0;
    if (!listener->family) {
        if (error == LEAT_OK) {
            error = LEAT_E_MEMORY;
            lti_os_security_free(listener->security);
        }
        lti_os_free(listener);
        return error;
    }
    if (listener->family->listened) {
        lti_nt_family_drop(port, listener->family);
        lti_os_security_free(listener->security);
        lti_os_free(listener);
        return LEAT_E_IN_USE;
    }
    listener->family->listened = true;
    error = listener_open(listener, code_out);
    if (error != LEAT_OK) {
        (void)lti_nt_listener_end(listener);
        return error;
    }
    link->handle = listener->instances[0]->handle;
    link->state = listener;
    return LEAT_OK;
}

/* ---- Accepting ------------------------------------------------------------------------------- */

/* The place of the client that came first; -1: none. */
static int arrival_find(const struct lti_nt_listener *listener, bool *more_out)
{
    int found = -1;
    uint32_t arrived = 0;
    for (uint32_t i = 0; i < listener->count; i++) {
        const struct lti_nt_instance *instance = listener->instances[i];
        LTI_ASSERT(instance); /* a listener has all its places from the beginning */
        if (instance->state != LTI_NT_CONNECTED)
            continue;
        arrived++;
        if (found < 0 || instance->order < listener->instances[found]->order)
            found = (int)i;
    }
    *more_out = arrived > 1;
    return found;
}

/* SQUATTED the first time that two looks in a row find ends of others. A look that fails finds
 * nothing. */
static enum leat_error crowd_check(struct lti_nt_listener *listener, intptr_t handle)
{
    bool crowded, before = listener->crowded;
    struct os_code code;
    (void)crowd_look(listener, handle, &crowded, &code);
    listener->crowded = crowded;
    if (!crowded)
        listener->crowded_told = false;
    if (!crowded || !before || listener->crowded_told)
        return LEAT_OK;
    listener->crowded_told = true;
    return LEAT_E_SQUATTED;
}

/* Who came has an instance already, and pipes run out of other things than handles. */
void lti_port_reserve(struct lti_claim *claim)
{
    (void)claim;
}

uint32_t lti_port_turn_away(struct lti_link *listener, struct lti_claim *claim, uint32_t most)
{
    (void)listener;
    (void)claim;
    (void)most;
    return 0;
}

enum leat_error lti_port_accept(struct lti_port *port, struct lti_link *link_listener,
                                struct lti_link *link, const struct lti_access *access,
                                enum lti_accept_next next, bool *more_out, struct os_code *code_out)
{
    (void)next; /* who else has arrived is known here, and no completion tells of him again */
    struct lti_nt_listener *listener = link_listener->state;
    struct lti_nt_instance *replacement = 0;
    *more_out = false;
    /* Told before it is mended, so that the next try comes after a pause. */
    int64_t failure = listener->failure;
    listener->failure = 0;
    if (failure < 0)
        return lti_port_error(failure, code_out) == LEAT_E_MEMORY ? LEAT_E_MEMORY : LEAT_E_SYSTEM;
    enum leat_error error = pool_mend(listener, more_out, code_out);
    if (error != LEAT_OK)
        return error;
    bool more;
    int place = arrival_find(listener, &more);
    if (place < 0)
        return LEAT_E_EMPTY;
    struct lti_nt_instance *instance = listener->instances[place];
    error = crowd_check(listener, instance->handle);
    if (error != LEAT_OK)
        return error;
    struct lti_nt_stream *stream = lti_nt_stream_new(port, link->cookie, listener->packets);
    if (!stream)
        return LEAT_E_MEMORY;
    error = instance_make(listener, 0, &replacement, code_out);
    if (error != LEAT_OK) {
        lti_os_free(stream);
        return error;
    }
    LTI_ASSERT(replacement);
    listener->instances[place] = replacement;
    link_listener->handle = listener->instances[0]->handle;
    stream->family = listener->family;
    stream->family->holders++;
    stream->judge = true;
    stream->access = access;
    lti_nt_stream_open(stream, link, instance->handle);
    stream->met = instance->met;
    lti_os_free(instance);
    *more_out = *more_out || more || replacement->state != LTI_NT_ARMED;
    return LEAT_OK;
}
