/* SPDX-License-Identifier: MIT
 *
 * Assertions that stay in every build: what they guard is memory, and they cost next to nothing.
 */
#ifndef LTI_ASSERT_H
#define LTI_ASSERT_H

/* A trap needs no symbol of the C library and stops a debugger at the place. */
#define LTI_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
