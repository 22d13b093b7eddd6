/* SPDX-License-Identifier: MIT
 *
 * The fault object of seam 2: the same symbols as os_real_*, to which it forwards (compiled again
 * with os_fault_rename.h, as lti_real_*). It counts calls, live descriptors and live allocations,
 * and can make any call fail. Unarmed it changes nothing, so it also serves tests that want the
 * counts.
 *
 * Read from the top: accounting, the tables of calls and faults, arming, budget, virtual time.
 */
#ifndef LTI_OS_FAULT_H
#define LTI_OS_FAULT_H

#if defined(_WIN32) && !defined(LTI_FAULT_NT)
#define LTI_FAULT_NT 1
#endif
#ifdef LTI_FAULT_NT
#include "os_fault_calls_nt.h"
#else
#include "os_fault_calls_posix.h"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Accounting: exact, always on, from any thread ------------------------------------------- */

int64_t lti_test_allocations_live(void); /* lti_os_alloc and mutexes, not yet given back */
int64_t lti_test_descriptors_live(void); /* or handles, made through the seam and not closed */
int64_t lti_test_wild_closes(void);      /* closes of a descriptor that was not open */

/* ---- The calls that can fail, and how -------------------------------------------------------- */

/* LTI_FAULT_CALLS(X) are those of the system below. On a POSIX system that may be the simulated
 * kernel's named pipes, too: then LTI_FAULT_NT is defined. */

enum lti_fault_call {
#define LTI_FAULT_CALL(name) LTI_FAULT_CALL_##name,
    LTI_FAULT_CALLS(LTI_FAULT_CALL)
#undef LTI_FAULT_CALL
        LTI_FAULT_CALL_count
};

/* What happens instead of the call, or to it. */
enum lti_fault_action {
    LTI_FAULT_ERROR = 1,  /* fails with the number; alloc gives null */
    LTI_FAULT_ONE,        /* at most one byte is moved */
    LTI_FAULT_HALF,       /* at most half of what was asked for is moved */
    LTI_FAULT_ONE_MORE,   /* recv: one byte, and descriptors came along: LTI_OS_RECV_MORE */
    LTI_FAULT_CUT,        /* recv: descriptors came along and found no place */
    LTI_FAULT_END,        /* recv: end of stream */
    LTI_FAULT_STRANGER,   /* peer, pipe_client, pipe_owner: another user; pipe_label: low */
    LTI_FAULT_EMPTY,      /* poller_wait, queue_wait, signal_wait: nothing, too early */
    LTI_FAULT_SPURIOUS,   /* poller_wait: everything is said to be ready */
    LTI_FAULT_DUPLICATE,  /* poller_wait: each event twice */
    LTI_FAULT_STALE,      /* poller_wait: also an event of a descriptor that was closed */
    LTI_FAULT_LATE,       /* an operation that is over at once waits, and its completion tells */
    LTI_FAULT_UNTOLD,     /* the same, and it does not tell how much was done */
    LTI_FAULT_LATE_ERROR, /* one waits, does nothing, and its completion tells the error */
    LTI_FAULT_REORDER,    /* queue_wait: the last completion first */
    LTI_FAULT_ENDS_WELL   /* pipe_cancel: what was given up ends as if it had been done before */
};

#define LTI_FAULT_TRANSPARENT 1u   /* the user must not be able to tell, unless it lasts for ever */
#define LTI_FAULT_BRIEF 2u         /* no system does this for ever */
#define LTI_FAULT_EFFECT_TOO 4u    /* the call may also have happened (mode EFFECT) */
#define LTI_FAULT_EFFECT_ALWAYS 8u /* the call happens in any case: a failed close closes */
#define LTI_FAULT_LENGTHY 16u /* lasting, it makes a bulk transfer too long to be worth a test */

struct lti_fault {
    enum lti_fault_call call;
    enum lti_fault_action action;
    int raw; /* errno, or GetLastError */
    uint32_t traits;
    const char *name;
};

enum lti_fault_mode {
    LTI_FAULT_ONCE = 0,
    LTI_FAULT_TWICE,   /* and the next call of the same function */
    LTI_FAULT_FIVE,    /* and the next four */
    LTI_FAULT_FOREVER, /* and all others */
    LTI_FAULT_EVERY_2ND,
    LTI_FAULT_EFFECT, /* once; the call happens, and the error is returned all the same */
    LTI_FAULT_MODES
};

size_t lti_fault_count(void);
const struct lti_fault *lti_fault_at(size_t index); /* grouped by call */
bool lti_fault_allows(const struct lti_fault *fault, enum lti_fault_mode mode);
const char *lti_fault_call_name(enum lti_fault_call call);
const char *lti_fault_mode_name(enum lti_fault_mode mode);

/* ---- Arming ---------------------------------------------------------------------------------- */

/* Calls are numbered from 1 in the order they are made since the last reset; only those of the
 * table above count, and none between suspend and resume. */
void lti_fault_reset(void); /* disarms, no budget, numbers from 1, virtual time off */
void lti_fault_arm(uint64_t position, size_t fault, enum lti_fault_mode mode);
/* At the nth call of the fault's own function. */
void lti_fault_arm_nth(uint64_t nth, size_t fault, enum lti_fault_mode mode);
/* A second one beside it, once: at the first call of its function from this position on. */
void lti_fault_arm_second(uint64_t position, size_t fault);
bool lti_fault_second_fired(void); /* also after disarming */
void lti_fault_disarm(void);       /* keeps the numbers */
uint64_t lti_fault_fired(void);    /* how often the armed fault has happened */
uint64_t lti_fault_calls(void);
#define LTI_FAULT_RECORD_MAX 65536u
/* Of the last run; LTI_FAULT_CALL_count when no such call was made, or beyond the record. */
enum lti_fault_call lti_fault_call_at(uint64_t position);
void lti_fault_suspend(void);
void lti_fault_resume(void);

/* ---- Budget and virtual time ----------------------------------------------------------------- */

/* The process is aborted with a message at the call after `calls`, which finds busy loops; 0: no
 * budget. */
void lti_fault_budget(uint64_t calls);

/* From now on time passes only when somebody waits for it or asks for it, random bytes are the same
 * in each run, and a wait for ever that nothing can end is aborted with a message. For programs in
 * which one thread, the caller, does everything; what others wait for, they wait for in real
 * time. */
void lti_fault_virtual_time(void);

/* Named pipes: how long such a wait waits for what other threads do, in their time, until the next
 * reset. */
void lti_fault_grace(int64_t time_ns);

/* A name outside of this folder (which is not copied; null: no jail), or of a pipe that begins
 * otherwise, cannot be made or removed: access denied. So that what a fault drives the library to
 * stays where the test cleans up. Survives a reset. */
void lti_fault_jail(const char *folder);
/* From now on a system without io_uring, or one that lets descriptors through, seems to be another
 * one: what is told of faults must not depend on where it is told. */
void lti_fault_ring_stands_in(void);

#endif
