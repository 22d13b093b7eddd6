/* SPDX-License-Identifier: MIT
 *
 * A fiber's registers, and the switch from one to another. A switch of ucontext's is two system
 * calls, which were a third of all that a simulation did; so on Linux it is a jump, and ucontext
 * only begins. musl has none: a signal handler begins there. Sanitizers follow ucontext, so with
 * them, and on other systems, it does both.
 */
#ifndef LTI_TEST_SIM_CONTEXT_H
#define LTI_TEST_SIM_CONTEXT_H

#include <stddef.h>
#include <stdlib.h> /* says which C library this is */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIM_CONTEXT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SIM_CONTEXT_SANITIZED 1
#endif
#endif

#if defined(__linux__) && !defined(SIM_CONTEXT_SANITIZED)
#define SIM_CONTEXT_JUMPS 1
#endif

#if !defined(__linux__) || defined(__GLIBC__)
#include <ucontext.h>
#define SIM_CONTEXT_UCONTEXT 1
#endif

#ifdef SIM_CONTEXT_JUMPS

#include <setjmp.h>
#include <stdbool.h>

struct sim_context {
    jmp_buf jump; /* where it left */
#ifdef SIM_CONTEXT_UCONTEXT
    ucontext_t start;
    bool started;
#endif
};

void sim_context_make(struct sim_context *context, void *stack, size_t size,
                      void (*function)(void));
void sim_context_switch(struct sim_context *from, struct sim_context *to);

#else

struct sim_context {
    ucontext_t registers;
};

static inline void sim_context_make(struct sim_context *context, void *stack, size_t size,
                                    void (*function)(void))
{
    (void)getcontext(&context->registers);
    context->registers.uc_stack.ss_sp = stack;
    context->registers.uc_stack.ss_size = size;
    context->registers.uc_link = NULL;
    makecontext(&context->registers, function, 0);
}

/* Inlined, because the thread sanitizer counts calls and returns. */
__attribute__((always_inline)) static inline void sim_context_switch(struct sim_context *from,
                                                                     struct sim_context *to)
{
    (void)swapcontext(&from->registers, &to->registers);
}

#endif

#endif
