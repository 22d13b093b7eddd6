/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share, for the Windows port: threads, and what a foreign loop asks.
 *
 * Happy path: a thread runs to its end, and is joined.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: whoever starts a thread joins it.
 */
#include "kit.h"

#include "os_nt.h"

#include <stdlib.h>

struct kit_thread {
    intptr_t handle;
};

struct kit_thread *kit_thread_start(void (*run)(void *argument), void *argument)
{
    struct kit_thread *thread = malloc(sizeof *thread);
    REQUIRE(thread != NULL);
    int64_t handle = lti_os_thread_start(run, argument);
    REQUIRE(handle >= 0);
    thread->handle = (intptr_t)handle;
    return thread;
}

void kit_thread_join(struct kit_thread *thread)
{
    REQUIRE_INT(lti_os_thread_join(thread->handle), 0);
    free(thread);
}

bool kit_waitable_there(void)
{
    return true;
}

bool kit_waitable_ready(intptr_t waitable, uint32_t timeout_ms)
{
    int64_t ready = lti_os_signal_wait(waitable, (int64_t)timeout_ms * 1000000);
    REQUIRE(ready >= 0);
    return ready == 1;
}
