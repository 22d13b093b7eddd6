/* SPDX-License-Identifier: MIT
 *
 * What the proofs share. A file here says in ACSL what functions of one module of src/ promise, and
 * then includes that module as it is, so that what is proved is what ships.
 */
#ifndef LTI_PROOFS_H
#define LTI_PROOFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What LTI_ASSERT calls: that no call of it is reached is proved with the rest. */
/*@ requires \false; assigns \nothing; ensures \false; */
void __builtin_trap(void);

/* Frama-C does not know the assertions that compilers check. */
#define _Static_assert(holds, words) struct asserted

#endif
