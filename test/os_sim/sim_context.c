/* SPDX-License-Identifier: MIT
 *
 * A fiber's first registers, and the switch, where that is done by jumps.
 *
 * Happy path: ucontext takes a fiber to its function. Without it a signal is raised whose handler
 *             runs on the new stack, keeps where it is and returns; the first switch jumps into
 *             what it left there. Every other switch is a jump.
 * Fails:      ends the program when the system has no alternate stack.
 * Invariants: nothing but the fiber touches its stack once it is made; the signal is let through
 *             for that moment only, and its action is put back.
 */
/* Where it is on, jumps to other stacks are taken for attacks. */
#undef _FORTIFY_SOURCE

#include "sim_context.h"

#ifndef SIM_CONTEXT_JUMPS

typedef int sim_context_is_the_system_s; /* a file of C is not empty */

#else

#ifdef SIM_CONTEXT_UCONTEXT

void sim_context_make(struct sim_context *context, void *stack, size_t size, void (*function)(void))
{
    context->started = false;
    (void)getcontext(&context->start);
    context->start.uc_stack.ss_sp = stack;
    context->start.uc_stack.ss_size = size;
    context->start.uc_link = NULL;
    makecontext(&context->start, function, 0);
}

/* The first one was never made: it is where the program began. */
void sim_context_switch(struct sim_context *from, struct sim_context *to)
{
    from->started = true;
    if (_setjmp(from->jump) != 0)
        return;
    if (to->started)
        _longjmp(to->jump, 1);
    (void)setcontext(&to->start);
    abort(); /* it comes back only when it cannot */
}

#else

#include "sim_kernel.h"

#include <signal.h>

static struct sim_context *volatile context_new;
static void (*volatile context_function)(void);

static void context_handler(int number)
{
    struct sim_context *context = context_new;
    void (*function)(void) = context_function;
    (void)number;
    if (_setjmp(context->jump) == 0)
        return;
    function();
    abort(); /* a fiber's function does not return */
}

void sim_context_make(struct sim_context *context, void *stack, size_t size, void (*function)(void))
{
    struct sigaction action = {.sa_flags = SA_ONSTACK}, action_before;
    stack_t place = {.ss_sp = stack, .ss_size = size}, place_before;
    sigset_t one, before;
    action.sa_handler = context_handler;
    (void)sigemptyset(&action.sa_mask);
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGUSR2);
    (void)sigprocmask(SIG_UNBLOCK, &one, &before);
    if (sigaction(SIGUSR2, &action, &action_before) != 0 || sigaltstack(&place, &place_before) != 0)
        sim_fatal("the machine has no stack for a fiber");
    context_new = context;
    context_function = function;
    (void)raise(SIGUSR2);
    (void)sigaltstack(&place_before, NULL);
    (void)sigaction(SIGUSR2, &action_before, NULL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

void sim_context_switch(struct sim_context *from, struct sim_context *to)
{
    if (_setjmp(from->jump) == 0)
        _longjmp(to->jump, 1);
}

#endif

#endif
