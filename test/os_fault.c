/* SPDX-License-Identifier: MIT
 *
 * The fault object: counts every call of seam 2, fails the one asked for, forwards the rest.
 *
 * Happy path: unarmed, each call is counted and forwarded, and its result is handed on.
 * Fails:      as armed; with a message and abort() when the budget is spent or a wait cannot end.
 * Invariants: what the armed fault hides from the caller still is as a real system would have it: a
 *             failed close has closed, and after an EAGAIN or a short transfer another edge comes.
 */
#include "os_fault_private.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T LTI_FAULT_TRANSPARENT
#define B LTI_FAULT_BRIEF
#define E LTI_FAULT_EFFECT_TOO
#define A LTI_FAULT_EFFECT_ALWAYS
#define L LTI_FAULT_LENGTHY
static const struct lti_fault fault_table[] = {
#define FAULT(call, name, action, raw, traits)                                                     \
    {LTI_FAULT_CALL_##call, LTI_FAULT_##action, raw, traits, #name},
#ifdef LTI_FAULT_NT
#include "os_fault_table_nt.def"
#else
#include "os_fault_table.def"
#endif
#undef FAULT
};
#undef T
#undef B
#undef E
#undef A
#undef L

static const char *const fault_call_names[] = {
#define LTI_FAULT_CALL(name) #name,
    LTI_FAULT_CALLS(LTI_FAULT_CALL)
#undef LTI_FAULT_CALL
};

static const char *const fault_mode_names[] = {"once",    "twice",     "five",
                                               "forever", "every-2nd", "effect"};

static atomic_int_fast64_t fault_allocations, fault_descriptors, fault_wild_closes;
static atomic_uint_fast64_t fault_calls, fault_calls_of[LTI_FAULT_CALL_count], fault_hits;
static atomic_uint_fast64_t fault_budget;
static atomic_int fault_suspended;
static uint8_t fault_record[LTI_FAULT_RECORD_MAX];

/* The armed fault. Arm only while no other thread makes calls. */
static struct {
    const struct lti_fault *fault; /* null: disarmed */
    enum lti_fault_mode mode;
    uint64_t position, nth;     /* one of them is 0 */
    atomic_bool begun;          /* the place was reached */
    atomic_uint_fast64_t since; /* calls of the same function from there on, that one included */
} fault_armed;

/* A second fault, once. */
static struct {
    const struct lti_fault *fault; /* null: none */
    uint64_t position;
    atomic_bool done;
} fault_second;

static bool fault_virtual;
static uint64_t fault_virtual_thread; /* in whose waits time passes */
static uint64_t fault_now_ns, fault_random_state;

/* ---- Tables and switches --------------------------------------------------------------------- */

int64_t lti_test_allocations_live(void)
{
    return atomic_load(&fault_allocations);
}

void lti_fault_allocated(int64_t change)
{
    atomic_fetch_add(&fault_allocations, change);
}

int64_t lti_test_descriptors_live(void)
{
    return atomic_load(&fault_descriptors);
}

int64_t lti_test_wild_closes(void)
{
    return atomic_load(&fault_wild_closes);
}

void lti_fault_descriptors(int64_t change)
{
    atomic_fetch_add(&fault_descriptors, change);
}

int64_t lti_fault_closed(int64_t result)
{
    if (lti_os_kind_of(result) == LTI_OS_NOT_SOCKET)
        atomic_fetch_add(&fault_wild_closes, 1);
    return result;
}

size_t lti_fault_count(void)
{
    return sizeof fault_table / sizeof fault_table[0];
}

const struct lti_fault *lti_fault_at(size_t index)
{
    return &fault_table[index];
}

bool lti_fault_allows(const struct lti_fault *fault, enum lti_fault_mode mode)
{
    if (mode == LTI_FAULT_EFFECT)
        return (fault->traits & LTI_FAULT_EFFECT_TOO) != 0;
    return mode != LTI_FAULT_FOREVER || !(fault->traits & LTI_FAULT_BRIEF);
}

const char *lti_fault_call_name(enum lti_fault_call call)
{
    return call < LTI_FAULT_CALL_count ? fault_call_names[call] : "none";
}

const char *lti_fault_mode_name(enum lti_fault_mode mode)
{
    return mode < LTI_FAULT_MODES ? fault_mode_names[mode] : "none";
}

void lti_fault_reset(void)
{
    lti_fault_disarm();
    atomic_store(&fault_calls, 0);
    for (size_t i = 0; i < LTI_FAULT_CALL_count; i++)
        atomic_store(&fault_calls_of[i], 0);
    atomic_store(&fault_hits, 0);
    atomic_store(&fault_budget, 0);
    atomic_store(&fault_suspended, 0);
    lti_fault_system_reset();
    fault_virtual = false;
}

static void fault_arm(uint64_t position, uint64_t nth, size_t fault, enum lti_fault_mode mode)
{
    fault_armed.fault = &fault_table[fault];
    fault_armed.mode = mode;
    fault_armed.position = position;
    fault_armed.nth = nth;
    atomic_store(&fault_armed.begun, false);
    atomic_store(&fault_armed.since, 0);
    atomic_store(&fault_hits, 0);
}

void lti_fault_arm(uint64_t position, size_t fault, enum lti_fault_mode mode)
{
    fault_arm(position, 0, fault, mode);
}

void lti_fault_arm_nth(uint64_t nth, size_t fault, enum lti_fault_mode mode)
{
    fault_arm(0, nth, fault, mode);
}

void lti_fault_arm_second(uint64_t position, size_t fault)
{
    fault_second.fault = &fault_table[fault];
    fault_second.position = position;
    atomic_store(&fault_second.done, false);
}

void lti_fault_disarm(void)
{
    fault_armed.fault = NULL;
    fault_second.fault = NULL;
}

bool lti_fault_second_fired(void)
{
    return atomic_load(&fault_second.done);
}

uint64_t lti_fault_fired(void)
{
    return atomic_load(&fault_hits);
}

uint64_t lti_fault_calls(void)
{
    return atomic_load(&fault_calls);
}

enum lti_fault_call lti_fault_call_at(uint64_t position)
{
    if (position == 0 || position > LTI_FAULT_RECORD_MAX || position > lti_fault_calls())
        return LTI_FAULT_CALL_count;
    return (enum lti_fault_call)fault_record[position - 1];
}

void lti_fault_suspend(void)
{
    atomic_fetch_add(&fault_suspended, 1);
}

void lti_fault_resume(void)
{
    atomic_fetch_sub(&fault_suspended, 1);
}

void lti_fault_budget(uint64_t calls)
{
    atomic_store(&fault_budget, calls);
}

void lti_fault_virtual_time(void)
{
    fault_virtual = true;
    fault_virtual_thread = lti_real_thread_id();
    fault_now_ns = UINT64_C(1000000000);
    fault_random_state = 1;
}

/* ---- The decision ---------------------------------------------------------------------------- */

_Noreturn void lti_fault_stop(const char *what, enum lti_fault_call call)
{
    fprintf(stderr, "os_fault: %s; at call %llu, lti_os_%s\n", what,
            (unsigned long long)lti_fault_calls(), lti_fault_call_name(call));
    fflush(stderr);
    abort();
}

static bool fault_due(uint64_t since)
{
    switch (fault_armed.mode) {
    case LTI_FAULT_TWICE:
        return since < 2;
    case LTI_FAULT_FIVE:
        return since < 5;
    case LTI_FAULT_FOREVER:
        return true;
    case LTI_FAULT_EVERY_2ND:
        return since % 2 == 0;
    case LTI_FAULT_ONCE:
    case LTI_FAULT_EFFECT:
    case LTI_FAULT_MODES:
        break;
    }
    return since == 0;
}

/* Counts one call and says which fault it gets; null for none. */
const struct lti_fault *lti_fault_next(enum lti_fault_call call)
{
    if (atomic_load(&fault_suspended) > 0)
        return NULL;
    uint64_t position = atomic_fetch_add(&fault_calls, 1) + 1;
    uint64_t nth = atomic_fetch_add(&fault_calls_of[call], 1) + 1;
    uint64_t budget = atomic_load(&fault_budget);
    if (budget != 0 && position > budget)
        lti_fault_stop("the budget of calls is spent: a busy loop", call);
    const struct lti_fault *fault = fault_armed.fault, *second = fault_second.fault;
    /* Several threads may count at once, but only a run of one thread looks at the record. */
    if (fault_virtual && position <= LTI_FAULT_RECORD_MAX)
        fault_record[position - 1] = (uint8_t)call;
    if (second && second->call == call && position >= fault_second.position &&
        !atomic_exchange(&fault_second.done, true))
        return second;
    if (!fault || fault->call != call)
        return NULL;
    if (!atomic_load(&fault_armed.begun)) {
        if (position != fault_armed.position && nth != fault_armed.nth)
            return NULL;
        atomic_store(&fault_armed.begun, true);
    }
    if (!fault_due(atomic_fetch_add(&fault_armed.since, 1)))
        return NULL;
    atomic_fetch_add(&fault_hits, 1);
    return fault;
}

bool lti_fault_has_effect(const struct lti_fault *fault)
{
    return (fault->traits & LTI_FAULT_EFFECT_ALWAYS) || fault_armed.mode == LTI_FAULT_EFFECT;
}

/* ---- Memory, clock, random, locks ------------------------------------------------------------ */

void *lti_os_alloc(size_t size)
{
    if (lti_fault_next(LTI_FAULT_CALL_alloc))
        return NULL;
    void *memory = lti_real_alloc(size);
    if (memory)
        atomic_fetch_add(&fault_allocations, 1);
    return memory;
}

void lti_os_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&fault_allocations, 1);
    lti_real_free(memory);
}

uint64_t lti_os_now_ns(void)
{
    if (!fault_virtual)
        return lti_real_now_ns();
    lti_fault_pass_time(1000);
    return fault_now_ns;
}

bool lti_fault_is_virtual(void)
{
    return fault_virtual && lti_real_thread_id() == fault_virtual_thread;
}

void lti_fault_pass_time(int64_t time_ns)
{
    fault_now_ns += (uint64_t)time_ns;
}

bool lti_fault_lasts(void)
{
    return fault_armed.mode == LTI_FAULT_FOREVER;
}

int64_t lti_os_random(void *buffer, size_t size)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_random);
    if (fault)
        return lti_fault_word(fault);
    if (!fault_virtual)
        return lti_real_random(buffer, size);
    uint8_t *bytes = buffer;
    for (size_t i = 0; i < size; i++) {
        fault_random_state =
            fault_random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
        bytes[i] = (uint8_t)(fault_random_state >> 56);
    }
    return (int64_t)size;
}

int64_t lti_os_mutex_create(struct lti_os_mutex **mutex_out)
{
    FAULT_CALL(mutex_create, lti_real_mutex_create(mutex_out));
    if (result >= 0)
        atomic_fetch_add(&fault_allocations, 1);
    return result;
}

void lti_os_mutex_destroy(struct lti_os_mutex *mutex)
{
    atomic_fetch_sub(&fault_allocations, 1);
    lti_real_mutex_destroy(mutex);
}

void lti_os_mutex_lock(struct lti_os_mutex *mutex)
{
    lti_real_mutex_lock(mutex);
}

void lti_os_mutex_unlock(struct lti_os_mutex *mutex)
{
    lti_real_mutex_unlock(mutex);
}

uint64_t lti_os_thread_id(void)
{
    return lti_real_thread_id();
}

/* One unless a suite wants spinning, so that a run makes the same calls on every machine. */
uint32_t lti_os_cpus(void)
{
    const char *cpus = getenv("LEAT_TEST_CPUS");
    return cpus ? (uint32_t)strtoul(cpus, 0, 10) : 1;
}

uint32_t lti_os_fork_count(void)
{
    return lti_real_fork_count();
}
