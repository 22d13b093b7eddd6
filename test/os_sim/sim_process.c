/* SPDX-License-Identifier: MIT
 *
 * What a simulated process has: descriptors, memory, locks, identity, environment.
 *
 * Happy path: a descriptor is the lowest free number; an allocation is counted and on a list, so
 *             that a killed process's memory can be taken back.
 * Fails:      EMFILE at the limit or inside a fault's window; null from alloc by a fault; EBADF,
 *             and a count, for a number that is not open. A lock that is misused ends the program.
 * Invariants: the counts are exact; a process that ended keeps its last counts, a killed one has
 *             zero.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_DESCRIPTOR 3

struct sim_block {
    alignas(max_align_t) struct sim_block *next;
    struct sim_block *previous;
    struct sim_process *process;
    size_t size;
};

/* ---- Descriptors
 * ------------------------------------------------------------------------------ */

bool sim_descriptors_full(void)
{
    struct sim_process *process = sim_process_now();
    if (process->open >= sim_world.options.descriptors_max)
        return true;
    if (sim_world.now_ns < process->descriptors_end_ns)
        return true;
    if (!sim_fault(sim_world.options.faults.descriptors))
        return false;
    process->descriptors_end_ns =
        sim_world.now_ns + 1 + sim_random_below(&sim_world.fault_random, 30000000);
    return true;
}

static void descriptors_grow(struct sim_process *process)
{
    uint32_t capacity = process->capacity ? 2 * process->capacity : 64;
    struct sim_object **grown = realloc(process->descriptors, capacity * sizeof *grown);
    if (!grown)
        sim_fatal("the machine is out of memory");
    memset(grown + process->capacity, 0, (capacity - process->capacity) * sizeof *grown);
    process->descriptors = grown;
    process->capacity = capacity;
}

int64_t sim_descriptor_add(struct sim_object *object)
{
    struct sim_process *process = sim_process_now();
    uint32_t at = 0;
    while (at < process->capacity && process->descriptors[at])
        at++;
    if (at == process->capacity)
        descriptors_grow(process);
    process->descriptors[at] = object;
    process->open++;
    return (int64_t)at + FIRST_DESCRIPTOR;
}

struct sim_object *sim_descriptor_look(int fd)
{
    const struct sim_process *process = sim_process_now();
    if (fd < FIRST_DESCRIPTOR || (uint32_t)(fd - FIRST_DESCRIPTOR) >= process->capacity)
        return NULL;
    return process->descriptors[fd - FIRST_DESCRIPTOR];
}

struct sim_object *sim_descriptor_find(int fd)
{
    struct sim_object *object = sim_descriptor_look(fd);
    if (!object)
        sim_misuse("a call on descriptor %d, which is not open", fd);
    return object;
}

void sim_object_close(struct sim_object *object)
{
    object->closed = true;
    switch (object->kind) {
    case SIM_SOCKET:
    case SIM_STREAM:
    case SIM_LISTENER:
        sim_socket_close(object);
        break;
    case SIM_LOCK:
        sim_lock_close(object);
        break;
    case SIM_NODE:
        sim_node_close(object);
        break;
    case SIM_PIPE:
    case SIM_QUEUE:
    case SIM_SIGNAL:
    case SIM_THREAD:
    case SIM_PROCESS:
        sim_nt_close(object);
        break;
    case SIM_POLLER:
    case SIM_EVENT:
        break;
    }
    sim_poll_forget(object);
    sim_object_drop(object);
}

bool sim_descriptor_close(int fd)
{
    struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        return false;
    struct sim_process *process = sim_process_now();
    process->descriptors[fd - FIRST_DESCRIPTOR] = NULL;
    process->open--;
    sim_object_close(object);
    return true;
}

int64_t lti_os_close(int fd)
{
    sim_enter();
    return sim_leave("close", fd, 0, sim_descriptor_close(fd) ? 0 : sim_fail(EBADF));
}

void sim_process_end(struct sim_process *process)
{
    if (!process->alive)
        return;
    process->alive = false;
    sim_requests_abandon((uint32_t)(process - sim_world.processes));
    for (uint32_t i = 0; i < process->capacity; i++) {
        if (process->descriptors[i])
            sim_object_close(process->descriptors[i]);
    }
    free(process->descriptors);
    process->descriptors = NULL;
    process->capacity = 0;
    while (process->blocks) {
        struct sim_block *block = process->blocks;
        process->blocks = block->next;
        free(block);
    }
}

/* ---- Memory
 * ----------------------------------------------------------------------------------- */

void *lti_os_alloc(size_t size)
{
    struct sim_process *process = sim_process_now();
    if (size > SIZE_MAX / 4 || sim_fault(sim_world.options.faults.memory)) {
        process->memory_faults++;
        return NULL;
    }
    struct sim_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->process = process;
    block->previous = NULL;
    block->next = process->blocks;
    if (block->next)
        block->next->previous = block;
    process->blocks = block;
    process->allocations++;
    process->bytes += (int64_t)size;
    if (process->bytes > process->bytes_high)
        process->bytes_high = process->bytes;
    return block + 1;
}

void lti_os_free(void *memory)
{
    if (!memory)
        return;
    struct sim_block *block = (struct sim_block *)memory - 1;
    struct sim_process *process = block->process;
    sim_requests_check(memory, block->size);
    if (block->previous)
        block->previous->next = block->next;
    else
        process->blocks = block->next;
    if (block->next)
        block->next->previous = block->previous;
    process->allocations--;
    process->bytes -= (int64_t)block->size;
    free(block);
}

/* ---- Locks
 * ------------------------------------------------------------------------------------ */

static const char mutex_never; /* fibers are threads */

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    struct lti_os_mutex *mutex = lti_os_alloc(sizeof *mutex);
    if (!mutex)
        return sim_fail(ENOMEM);
    mutex->alone = &mutex_never;
    atomic_init(&mutex->state, 0); /* whose it is: fiber + 1 */
    *mutex_out = mutex;
    return 0;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    if (mutex->state != 0)
        sim_fatal("a lock that is held is destroyed");
    lti_os_free(mutex);
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    struct sim_fiber *self = sim_fiber_now();
    if (mutex->state == sim_world.running + 1)
        sim_fatal("%s locks what it holds", self->name);
    sim_fiber_maybe_yield();
    while (mutex->state != 0) {
        if (sim_world.running == 0) {
            if (!sim_world.threaded || !sim_fibers_turn())
                sim_fatal("deadlock: nobody is there to unlock");
            continue;
        }
        self->mutex = mutex;
        self->state = SIM_LOCKING;
        sim_fiber_block();
    }
    mutex->state = sim_world.running + 1;
    self->locks++;
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    struct sim_fiber *self = sim_fiber_now();
    if (mutex->state != sim_world.running + 1)
        sim_fatal("%s unlocks what it does not hold", self->name);
    mutex->state = 0;
    self->locks--;
    for (uint32_t i = 1; i <= sim_world.fiber_count; i++) {
        struct sim_fiber *it = &sim_world.fibers[i];
        if (it->state == SIM_LOCKING && it->mutex == mutex)
            it->state = SIM_READY;
    }
}

/* ---- Identity and environment
 * ------------------------------------------------------------------- */

uint64_t lti_os_thread_id(void)
{
    return sim_world.running + 1;
}

uint32_t lti_os_cpus(void)
{
    return 1; /* fibers take turns */
}

uint32_t lti_os_fork_count(void)
{
    return sim_process_now()->forks;
}

uint32_t lti_os_euid(void)
{
    return sim_process_now()->uid;
}

bool lti_os_privileged(void)
{
    return sim_world.privileged;
}

int64_t lti_os_random(void *buffer, size_t size)
{
    uint8_t *bytes = buffer;
    (void)sim_process_now();
    /* Who asks for words gets the same ones whatever the order of their bytes, so that a seed is
     * the same run on every machine. */
    for (size_t at = 0; at < size;) {
        uint64_t word = 0;
        size_t part = size - at < sizeof word ? size - at : sizeof word;
        for (size_t i = 0; i < part; i++)
            word |= (sim_random_next(&sim_world.user_random) & 0xFF) << (8 * i);
        if (part == sizeof word)
            memcpy(bytes + at, &word, sizeof word);
        for (size_t i = 0; part < sizeof word && i < part; i++)
            bytes[at + i] = (uint8_t)(word >> (8 * i));
        at += part;
    }
    return (int64_t)size;
}

const char *lti_os_getenv(const char *name)
{
    (void)sim_process_now();
    for (size_t i = 0; i < sizeof sim_world.environment / sizeof sim_world.environment[0]; i++) {
        if (sim_world.environment[i][0] && strcmp(sim_world.environment[i][0], name) == 0)
            return sim_world.environment[i][1];
    }
    return NULL;
}

void lti_sim_set_user_place(const char *folder)
{
    (void)sim_process_now();
    sim_world.user_place = folder;
}

const char *lti_os_place(enum lti_os_place place)
{
    (void)sim_process_now();
    switch (place) {
    case LTI_OS_PLACE_SYSTEM:
        return "/run/leat";
    case LTI_OS_PLACE_TMP:
        return "/tmp";
    case LTI_OS_PLACE_USER:
        break;
    }
    return sim_world.user_place;
}

static char *environment_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (!copy)
        sim_fatal("the machine is out of memory");
    return memcpy(copy, text, size);
}

void lti_sim_setenv(const char *name, const char *value)
{
    size_t count = sizeof sim_world.environment / sizeof sim_world.environment[0];
    size_t place = count;
    (void)sim_process_now();
    for (size_t i = count; i-- > 0;) {
        char **entry = sim_world.environment[i];
        if (!entry[0] && place == count)
            place = i;
        if (entry[0] && strcmp(entry[0], name) == 0) {
            free(entry[0]);
            free(entry[1]);
            entry[0] = entry[1] = NULL;
            place = i;
        }
    }
    if (!value)
        return;
    if (place == count)
        sim_fatal("the environment is full");
    sim_world.environment[place][0] = environment_copy(name);
    sim_world.environment[place][1] = environment_copy(value);
}

void lti_sim_set_privileged(bool privileged)
{
    (void)sim_process_now();
    sim_world.privileged = privileged;
}

void lti_sim_set_user(uint32_t process, uint32_t uid, uint32_t gid)
{
    (void)sim_process_now();
    sim_world.processes[process].uid = uid;
    sim_world.processes[process].gid = gid;
}

void lti_sim_set_session(uint32_t process, uint32_t session)
{
    (void)sim_process_now();
    sim_world.processes[process].session = session;
}

void lti_sim_set_pid(uint32_t process, int64_t pid)
{
    (void)sim_process_now();
    sim_world.processes[process].pid = pid;
}

int64_t lti_sim_pid(uint32_t process)
{
    (void)sim_process_now();
    return sim_world.processes[process].pid;
}

void lti_sim_set_groups(uint32_t process, const uint32_t *groups, uint32_t count)
{
    (void)sim_process_now();
    if (count > LTI_SIM_GROUPS_MAX)
        sim_fatal("too many groups");
    struct sim_groups *to = &sim_world.processes[process].groups;
    *to = (struct sim_groups){.count = count};
    for (uint32_t i = 0; i < count; i++)
        to->list[i] = groups[i];
}

void lti_sim_set_token(uint32_t process, const struct lti_sim_token *token)
{
    (void)sim_process_now();
    sim_world.processes[process].token = *token;
}

void lti_sim_forked(uint32_t process)
{
    (void)sim_process_now();
    sim_world.processes[process].forks++;
}

uint32_t lti_sim_process(void)
{
    return (uint32_t)(sim_process_now() - sim_world.processes);
}
