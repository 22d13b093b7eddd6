/* SPDX-License-Identifier: MIT
 *
 * The fault sweep's surroundings where the system is that of named pipes: names that leave nothing,
 * and, below the fault object, a simulated world for each run.
 *
 * Happy path: a run is a process of one thread, and of the one that the library may start.
 * Fails:      a world that stands still is told of.
 * Invariants: a world begins with each run, so that every run is the same.
 */
#include "sweep.h"

#include "os_nt.h"
#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#include <stdio.h>

/* Names of the library's own are below it, too: plain ones, and those of pairs. */
#define LEFT_JAIL "\\\\.\\pipe\\leat"

static char left_folder[64];

const char *lti_sweep_folder_make(void)
{
    uint64_t word = 0;
    if (lti_os_random(&word, sizeof word) < 0)
        return NULL;
    (void)snprintf(left_folder, sizeof left_folder, LEFT_JAIL "-sweep-%08lx",
                   (unsigned long)(word & 0xFFFFFFFF));
    lti_fault_jail(LEFT_JAIL);
    return left_folder;
}

bool lti_sweep_folder_remove(void)
{
    return true; /* a name goes with its last handle */
}

void lti_sweep_take_files(const char *folder, char files_out[LTI_SWEEP_FILES])
{
    (void)folder;
    files_out[0] = '\0';
}

#ifdef _WIN32

int64_t lti_sweep_open_files(void)
{
    return 0; /* other threads of the process open and close as they like */
}

bool lti_sweep_world(void (*function)(void *argument), void *argument)
{
    function(argument);
    return true;
}

#else

int64_t lti_real_descriptors_live(void); /* the simulated kernel's own count */

int64_t lti_sweep_open_files(void)
{
    return lti_real_descriptors_live();
}

bool lti_sweep_world(void (*function)(void *argument), void *argument)
{
    lti_sim_begin(NULL);
    (void)lti_sim_spawn("story", function, argument);
    enum lti_sim_result result = lti_sim_run(UINT64_MAX / 2);
    lti_sim_end();
    return result == LTI_SIM_DONE;
}

#endif
