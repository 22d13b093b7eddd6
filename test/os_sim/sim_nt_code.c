/* SPDX-License-Identifier: MIT
 *
 * What the numbers of Windows mean, once more, under a name that only the simulator uses.
 *
 * Happy path: as src/os_nt_code.c.
 * Fails:      as src/os_nt_code.c.
 * Invariants: there is one table; a program may have the port's copy of it, or none.
 */
#include "sim_nt.h"

#include "os_nt_code.c"
