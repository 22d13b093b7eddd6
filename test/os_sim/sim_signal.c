/* SPDX-License-Identifier: MIT
 *
 * Simulated signals and processes of Windows, and threads.
 *
 * Happy path: a signal stays set until it is cleared; a thread is a fiber of the same process.
 *             Started outside of lti_sim_run, it runs when main waits, and now and then between.
 * Fails:      with 1450 when there is no room for one.
 * Invariants: a join waits for the thread's end and closes its handle.
 */
#include "sim_nt.h"

#include <errno.h>

/* ---- Signals --------------------------------------------------------------------------------- */

int64_t lti_os_signal_create(void)
{
    sim_enter();
    int64_t result = sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    if (!sim_descriptors_full() && !sim_fault(sim_world.options.faults.resources))
        result = sim_handle_add(sim_nt_object(SIM_SIGNAL));
    return sim_leave("nt_signal", 0, 0, result);
}

static int64_t signal_change(intptr_t signal, bool set)
{
    sim_enter();
    int64_t result = 0;
    struct sim_object *object = sim_handle_find(signal, SIM_SIGNAL, &result);
    if (object)
        object->event = set;
    return sim_leave("nt_set", signal, set, result);
}

int64_t lti_os_signal_set(intptr_t signal)
{
    return signal_change(signal, true);
}

int64_t lti_os_signal_clear(intptr_t signal)
{
    return signal_change(signal, false);
}

/* 1: the object was set; 0: not in that time. */
static int64_t signal_wait(intptr_t handle, enum sim_kind kind, uint64_t deadline_ns)
{
    int64_t result = 0;
    const struct sim_object *object = sim_handle_find(handle, kind, &result);
    uint64_t serial = object ? object->serial : 0;
    while (object && !sim_nt_ready(object) && sim_world.now_ns < deadline_ns) {
        sim_poll_sleep(sim_handle_look(handle), deadline_ns);
        object = sim_handle_look(handle);
        if (object && object->serial != serial)
            object = NULL;
    }
    if (!object)
        return sim_nt_fail(LTI_NT_INVALID_HANDLE);
    return sim_nt_ready(object);
}

/* A process can be waited for, too. */
int64_t lti_os_signal_wait(intptr_t signal, int64_t timeout_ns)
{
    sim_enter();
    const struct sim_object *object = sim_handle_look(signal);
    enum sim_kind kind = object && object->kind == SIM_PROCESS ? SIM_PROCESS : SIM_SIGNAL;
    return sim_leave("nt_await", signal, timeout_ns,
                     signal_wait(signal, kind, sim_queue_deadline(timeout_ns)));
}

/* ---- Processes ------------------------------------------------------------------------------- */

/* One that has ended is not found: nobody keeps it. Others' are not to be looked at. */
static int64_t process_open(int64_t pid)
{
    const struct sim_process *own = sim_process_now();
    uint32_t number = 0;
    while (number < sim_world.process_count &&
           (sim_world.processes[number].pid != pid || !sim_world.processes[number].alive))
        number++;
    if (number == sim_world.process_count)
        return sim_nt_fail(LTI_NT_INVALID_PARAMETER);
    if (sim_world.processes[number].uid != own->uid && own->uid != 0)
        return sim_nt_fail(LTI_NT_ACCESS_DENIED);
    if (sim_descriptors_full() || sim_fault(sim_world.options.faults.resources))
        return sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES);
    struct sim_object *object = sim_nt_object(SIM_PROCESS);
    object->nt->process = number;
    return sim_handle_add(object);
}

int64_t lti_os_process_open(int64_t pid)
{
    sim_enter();
    return sim_leave("nt_process", pid, 0, process_open(pid));
}

int64_t lti_os_process_began(intptr_t process)
{
    sim_enter();
    int64_t result = 0;
    const struct sim_object *object = sim_handle_find(process, SIM_PROCESS, &result);
    if (object && sim_nt_ready(object))
        result = sim_nt_fail(LTI_NT_NOT_FOUND);
    else if (object)
        result = (int64_t)(sim_world.processes[object->nt->process].began_ns / 100);
    return sim_leave("nt_began", process, 0, result);
}

/* No step of its own, as lti_os_now_ns is none: nobody waits for it. */
int64_t lti_os_time_of_day(void)
{
    (void)sim_process_now(); /* begins the world */
    return (int64_t)(sim_world.now_ns / 100);
}

/* ---- Threads --------------------------------------------------------------------------------- */

int64_t lti_os_thread_start(void (*function)(void *argument), void *argument)
{
    sim_enter();
    if (sim_descriptors_full() || sim_fault(sim_world.options.faults.resources))
        return sim_leave("nt_thread", 0, 0, sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES));
    uint32_t number = sim_fiber_add(lti_sim_process(), "thread", function, argument);
    if (number == 0)
        return sim_leave("nt_thread", 0, 0, sim_nt_fail(LTI_NT_NO_SYSTEM_RESOURCES));
    struct sim_object *thread = sim_nt_object(SIM_THREAD);
    sim_object_hold(thread);
    sim_world.fibers[number].thread = thread;
    sim_world.threaded = sim_world.threaded || sim_world.running == 0;
    return sim_leave("nt_thread", number, 0, sim_handle_add(thread));
}

int64_t lti_os_thread_run(void (*function)(void *argument), void *argument)
{
    sim_enter();
    bool none = sim_fault(sim_world.options.faults.resources) ||
                sim_fiber_add(lti_sim_process(), "thread", function, argument) == 0;
    sim_world.threaded = sim_world.threaded || (!none && sim_world.running == 0);
    return sim_leave("thread_run", 0, 0, none ? sim_fail(EAGAIN) : 0);
}

int64_t lti_os_thread_join(intptr_t thread)
{
    sim_enter();
    int64_t result = signal_wait(thread, SIM_THREAD, UINT64_MAX);
    if (result >= 0) {
        (void)lti_os_handle_close(thread);
        result = 0;
    }
    return sim_leave("nt_join", thread, 0, result);
}
