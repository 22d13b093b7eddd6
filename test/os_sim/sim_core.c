/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel's middle: a world begins and ends; how each system call begins and ends.
 *
 * Happy path: a call enters (time passes, due actions happen, others may run), works, and leaves
 *             (its result goes into the hash of the run).
 * Fails:      misuse of the kernel by its own tests ends the program with a word; misuse by the
 *             library is counted or, if nobody counts, ends the program too.
 * Invariants: one operating system thread; no pointer and no real time ever decides anything or
 *             enters the hash, so that a seed means the same run everywhere.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_world sim_world;

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t word = random->state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

uint32_t sim_random_below(struct sim_random *random, uint32_t bound)
{
    return (uint32_t)(((sim_random_next(random) >> 32) * bound) >> 32);
}

bool sim_fault(uint32_t millionths)
{
    if (millionths == 0 || sim_random_below(&sim_world.fault_random, 1000000) >= millionths)
        return false;
    sim_world.faults_done++;
    return true;
}

static _Noreturn void core_abort(const char *format, va_list arguments)
{
    (void)fprintf(stderr, "sim: seed %llu step %llu: ", (unsigned long long)sim_world.options.seed,
                  (unsigned long long)sim_world.steps);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    abort();
}

void sim_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    core_abort(format, arguments);
}

void sim_misuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!sim_world.options.misuse_is_counted)
        core_abort(format, arguments);
    va_end(arguments);
    sim_world.misuses++;
}

static const struct {
    int error;
    enum lti_os_kind kind;
} core_kinds[] = {
    {EAGAIN, LTI_OS_AGAIN},           {EINTR, LTI_OS_INTERRUPTED},
    {ECONNREFUSED, LTI_OS_REFUSED},   {ENOENT, LTI_OS_NOT_FOUND},
    {ENOTDIR, LTI_OS_NOT_DIR},        {ELOOP, LTI_OS_NOT_DIR},
    {EACCES, LTI_OS_ACCESS},          {EPERM, LTI_OS_ACCESS},
    {EEXIST, LTI_OS_EXISTS},          {EADDRINUSE, LTI_OS_IN_USE},
    {EISDIR, LTI_OS_EXISTS},          {ENXIO, LTI_OS_EXISTS},
    {ENAMETOOLONG, LTI_OS_TOO_LONG},  {ENOSPC, LTI_OS_NO_SPACE},
    {EMFILE, LTI_OS_DESCRIPTORS},     {ENOMEM, LTI_OS_MEMORY},
    {ECONNRESET, LTI_OS_RESET},       {EPIPE, LTI_OS_PIPE},
    {ENOTSOCK, LTI_OS_NOT_SOCKET},    {EBADF, LTI_OS_NOT_SOCKET},
    {EINVAL, LTI_OS_INVALID},         {EOPNOTSUPP, LTI_OS_UNSUPPORTED},
    {ENOTCONN, LTI_OS_NOT_CONNECTED}, {EISCONN, LTI_OS_IS_CONNECTED},
    {EPROTOTYPE, LTI_OS_WRONG_TYPE},  {EMSGSIZE, LTI_OS_TOO_BIG},
};

int64_t sim_fail(int error)
{
    for (size_t i = 0; i < sizeof core_kinds / sizeof core_kinds[0]; i++) {
        if (core_kinds[i].error == error)
            return lti_os_fail(core_kinds[i].kind, error);
    }
    return lti_os_fail(LTI_OS_OTHER, error);
}

static void core_seed(struct sim_random *random, uint64_t seed, uint64_t purpose)
{
    random->state = seed;
    random->state = sim_random_next(random) ^ purpose * UINT64_C(0xD1342543DE82EF95);
}

static void core_options(const struct lti_sim_options *options)
{
    struct lti_sim_options *mine = &sim_world.options;
    if (options)
        *mine = *options;
    if (mine->seed == 0)
        mine->seed = 1;
    if (mine->buffer_bytes == 0)
        mine->buffer_bytes = 212992;
    if (mine->buffer_bytes_max == 0)
        mine->buffer_bytes_max = 4194304;
    if (mine->descriptors_max == 0)
        mine->descriptors_max = 1024;
    if (mine->clock_grain_ns == 0)
        mine->clock_grain_ns = 1;
    if (mine->yield_one_in == 0)
        mine->yield_one_in = 8;
}

void lti_sim_begin(const struct lti_sim_options *options)
{
    lti_sim_end();
    core_options(options);
    uint64_t seed = sim_world.options.seed;
    core_seed(&sim_world.clock_random, seed, 1);
    core_seed(&sim_world.schedule_random, seed, 2);
    core_seed(&sim_world.fault_random, seed, 3);
    core_seed(&sim_world.delay_random, seed, 4);
    core_seed(&sim_world.user_random, seed, 5);
    sim_world.now_ns = UINT64_C(1000000000000);
    sim_world.hash = seed;
    sim_world.steps_max = UINT64_MAX;
    sim_world.begun = true;
    sim_files_begin();
    struct sim_process *first = &sim_world.processes[0];
    *first = (struct sim_process){.name = "main", .used = true, .alive = true, .pid = 100};
    first->uid = first->gid = 1000;
    first->began_ns = sim_world.now_ns;
    first->token = (struct lti_sim_token)LTI_SIM_TOKEN_USUAL;
    first->session = 1;
    sim_world.process_count = 1;
}

void lti_sim_end(void)
{
    if (sim_world.begun) {
        for (uint32_t i = 0; i < sim_world.process_count; i++)
            sim_process_end(&sim_world.processes[i]);
        sim_actions_end();
        sim_files_end();
    }
    for (size_t i = 0; i < sizeof sim_world.environment / sizeof sim_world.environment[0]; i++) {
        free(sim_world.environment[i][0]);
        free(sim_world.environment[i][1]);
    }
    sim_fibers_end();
    bool tracing = sim_world.tracing;
    struct sim_fiber fibers[LTI_SIM_FIBERS_MAX + 1];
    memcpy(fibers, sim_world.fibers, sizeof fibers); /* their stacks are used again */
    sim_world = (struct sim_world){.tracing = tracing};
    memcpy(sim_world.fibers, fibers, sizeof fibers);
}

struct sim_process *sim_process_now(void)
{
    if (!sim_world.begun)
        lti_sim_begin(NULL);
    return &sim_world.processes[sim_world.fibers[sim_world.running].process];
}

void sim_enter(void)
{
    struct sim_process *process = sim_process_now();
    sim_world.steps++;
    sim_world.clock_reads = 0;
    process->calls++;
    sim_time_tick();
    sim_actions_run();
    if (sim_world.running == 0) {
        if (sim_world.threaded &&
            sim_random_below(&sim_world.schedule_random, sim_world.options.yield_one_in) == 0)
            (void)sim_fibers_turn();
        return;
    }
    sim_fiber_maybe_yield();
    if (process->dies_at != 0 && process->calls >= process->dies_at)
        lti_sim_kill((uint32_t)(process - sim_world.processes));
}

static void core_hash(uint64_t word)
{
    struct sim_random mixer = {sim_world.hash ^ word};
    sim_world.hash = sim_random_next(&mixer);
}

int64_t sim_leave(const char *call, int64_t a, int64_t b, int64_t result)
{
    uint64_t name = 0;
    for (const char *at = call; *at; at++)
        name = name * 131 + (uint8_t)*at;
    core_hash(name ^ ((uint64_t)sim_world.running << 56));
    core_hash((uint64_t)a ^ ((uint64_t)b << 32) ^ ((uint64_t)b >> 32));
    core_hash((uint64_t)result ^ (sim_world.now_ns << 16));
    if (sim_world.tracing) {
        struct os_code code = lti_os_code_of(result);
        uint64_t time_ns = sim_world.now_ns - UINT64_C(1000000000000);
        (void)fprintf(stderr,
                      "%llu.%06llu %s %s(%lld, %lld) = ", (unsigned long long)(time_ns / 1000000),
                      (unsigned long long)(time_ns % 1000000), sim_fiber_now()->name, call,
                      (long long)a, (long long)b);
        if (result < 0 && strncmp(call, "nt_", 3) == 0)
            (void)fprintf(stderr, "error %d\n", (int)code.raw);
        else if (result < 0)
            (void)fprintf(stderr, "%s\n", strerror(code.raw));
        else
            (void)fprintf(stderr, "%lld\n", (long long)result);
    }
    return result;
}

struct sim_object *sim_object_new(enum sim_kind kind)
{
    struct sim_object *object = calloc(1, sizeof *object);
    if (!object)
        sim_fatal("the machine is out of memory");
    const struct sim_process *process = sim_process_now();
    object->kind = kind;
    object->references = 1;
    object->serial = ++sim_world.serial;
    object->mode = 0777;
    object->owner = (struct lti_os_peer){process->uid, process->gid, process->pid};
    object->stream.budget = sim_world.options.buffer_bytes;
    return object;
}

void sim_object_hold(struct sim_object *object)
{
    object->references++;
}

void sim_object_drop(struct sim_object *object)
{
    if (--object->references > 0)
        return;
    sim_nt_free(object->nt);
    free(object);
}

void lti_sim_count(uint32_t process, struct lti_sim_count *count_out)
{
    if (process >= sim_world.process_count)
        sim_fatal("there is no process %u", process);
    const struct sim_process *it = &sim_world.processes[process];
    *count_out = (struct lti_sim_count){
        .calls = it->calls,
        .descriptors = it->open,
        .allocations = it->allocations,
        .bytes = it->bytes,
        .bytes_high = it->bytes_high,
        .memory_faults = it->memory_faults,
        .alive = it->alive,
    };
}

void lti_sim_set_faults(const struct lti_sim_faults *faults)
{
    sim_world.options.faults = faults ? *faults : (struct lti_sim_faults){0};
    sim_world.clock_still_ns = 0;
    for (uint32_t i = 0; i < sim_world.process_count; i++)
        sim_world.processes[i].descriptors_end_ns = 0;
}

void lti_sim_set_buffer(uint32_t buffer_bytes)
{
    sim_world.options.buffer_bytes = buffer_bytes;
}

void lti_sim_trace(bool on)
{
    sim_world.tracing = on;
}

uint64_t lti_sim_misuses(void)
{
    return sim_world.misuses;
}

uint64_t lti_sim_busy(void)
{
    return sim_world.busy;
}

uint64_t lti_sim_steps(void)
{
    return sim_world.steps;
}

uint64_t lti_sim_hash(void)
{
    return sim_world.hash;
}

uint64_t lti_sim_faults_done(void)
{
    return sim_world.faults_done;
}

static int64_t core_sum(bool descriptors)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < sim_world.process_count; i++) {
        const struct sim_process *it = &sim_world.processes[i];
        if (it->alive)
            sum += descriptors ? (int64_t)it->open : it->allocations;
    }
    return sum;
}

int64_t lti_test_allocations_live(void)
{
    return core_sum(false);
}

int64_t lti_test_descriptors_live(void)
{
    return core_sum(true);
}
