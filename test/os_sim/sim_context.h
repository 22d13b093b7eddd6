/* SPDX-License-Identifier: MIT
 *
 * A fiber's registers, and the switch from one to another. Where the C library has ucontext it is
 * that one, which sanitizers know; musl has none. There a signal handler begins on the new stack
 * and leaves a jump buffer behind, and jumps do the rest.
 */
#ifndef LTI_TEST_SIM_CONTEXT_H
#define LTI_TEST_SIM_CONTEXT_H

#include <stddef.h>
#include <stdlib.h> /* says which C library this is */

#if defined(__linux__) && !defined(__GLIBC__)
#define SIM_CONTEXT_JUMPS 1
#endif

#ifdef SIM_CONTEXT_JUMPS

#include <setjmp.h>

struct sim_context {
    jmp_buf jump;
};

void sim_context_make(struct sim_context *context, void *stack, size_t size,
                      void (*function)(void));

static inline void sim_context_switch(struct sim_context *from, struct sim_context *to)
{
    if (_setjmp(from->jump) == 0)
        _longjmp(to->jump, 1);
}

#else

#include <ucontext.h>

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
