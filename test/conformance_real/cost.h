/* SPDX-License-Identifier: MIT
 *
 * What only the tests of what leat costs share.
 */
#ifndef LTI_CONFORMANCE_COST_H
#define LTI_CONFORMANCE_COST_H

#include <stdint.h>

/* Processor time that this process has used, all its threads, in the system and outside. */
uint64_t cost_processor_us(void);

#endif
