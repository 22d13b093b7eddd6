/* SPDX-License-Identifier: MIT
 *
 * A fiber's first registers, where the C library has no makecontext.
 *
 * Happy path: a signal is raised whose handler runs on the new stack; the handler keeps where it is
 *             and returns; the first switch to the fiber jumps into what it left there.
 * Fails:      ends the program when the system has no alternate stack.
 * Invariants: the signal is blocked save for that moment, and its action is put back; nothing else
 *             touches the new stack before the first switch.
 */
#include "sim_context.h"

#ifndef SIM_CONTEXT_JUMPS

typedef int sim_context_is_the_system_s; /* a file of C is not empty */

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

#endif
