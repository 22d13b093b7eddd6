/* SPDX-License-Identifier: MIT
 *
 * What sanitizers and valgrind are told about fibers: they follow a program by its stack, and would
 * take a switch for an enormous frame or for a call that never returns.
 */
#ifndef LTI_TEST_SIM_FOLLOW_H
#define LTI_TEST_SIM_FOLLOW_H

#include "sim_kernel.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOLLOW_ASAN 1
#elif __has_feature(thread_sanitizer)
#define FOLLOW_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FOLLOW_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define FOLLOW_TSAN 1
#endif

#if defined(FOLLOW_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(FOLLOW_TSAN)
#include <sanitizer/tsan_interface.h>
#elif defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define FOLLOW_VALGRIND 1
#endif
#endif

#ifdef FOLLOW_ASAN
/* At each switch the sanitizer clears the shadow of the stack: by hand up to half a megabyte, by
 * system calls above. */
#define FIBER_STACK_BYTES (384u * 1024u)
#else
#define FIBER_STACK_BYTES (256u * 1024u)
#endif

/* Before the switch from one fiber to another. Inlined, because the thread sanitizer counts calls
 * and returns: a return after the change would be one of the other fiber. */
__attribute__((always_inline)) static inline void follow_leave(struct sim_fiber *from,
                                                               struct sim_fiber *to, bool for_ever)
{
#if defined(FOLLOW_ASAN)
    __sanitizer_start_switch_fiber(for_ever ? NULL : &from->follow, to->stack, to->stack_bytes);
#elif defined(FOLLOW_TSAN)
    from->follow = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->follow, 0);
#endif
    (void)from;
    (void)to;
    (void)for_ever;
}

/* After a switch, in the fiber that runs now. Only there is the stack of the main one learnt. */
static inline void follow_arrive(struct sim_fiber *self, struct sim_fiber *from)
{
#ifdef FOLLOW_ASAN
    const void *stack = NULL;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(self->follow, &stack, &size);
    if (from) {
        from->stack = (void *)(uintptr_t)stack;
        from->stack_bytes = size;
    }
#endif
    (void)self;
    (void)from;
}

/* A stack gets a new owner. What a killed fiber left there means nothing to him. */
static inline void follow_start(struct sim_fiber *fiber, bool is_new)
{
    (void)fiber;
    (void)is_new;
#if defined(FOLLOW_ASAN)
    fiber->follow = NULL;
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, fiber->stack_bytes);
#elif defined(FOLLOW_TSAN)
    if (fiber->follow)
        __tsan_destroy_fiber(fiber->follow);
    fiber->follow = __tsan_create_fiber(0);
#elif defined(FOLLOW_VALGRIND)
    if (is_new)
        (void)VALGRIND_STACK_REGISTER(fiber->stack, (char *)fiber->stack + fiber->stack_bytes - 1);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(fiber->stack, fiber->stack_bytes);
#endif
}

#endif
