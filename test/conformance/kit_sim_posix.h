/* SPDX-License-Identifier: MIT
 *
 * The simulated kernel's controls, for tests that run on the real one as well: there they are null,
 * so kit_simulated comes before each use.
 */
#ifndef LTI_CONFORMANCE_KIT_SIM_POSIX_H
#define LTI_CONFORMANCE_KIT_SIM_POSIX_H

#include "os_sim/sim.h"

#pragma weak lti_sim_attach
#pragma weak lti_sim_begin
#pragma weak lti_sim_file_add
#pragma weak lti_sim_file_give
#pragma weak lti_sim_files
#pragma weak lti_sim_process
#pragma weak lti_sim_run
#pragma weak lti_sim_set_faults
#pragma weak lti_sim_set_nodes
#pragma weak lti_sim_set_privileged
#pragma weak lti_sim_set_proc
#pragma weak lti_sim_set_user
#pragma weak lti_sim_set_user_place
#pragma weak lti_sim_setenv
#pragma weak lti_sim_spawn
#pragma weak lti_sim_yield

#endif
