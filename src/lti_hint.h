/* SPDX-License-Identifier: MIT
 *
 * What the compiler is told of how often something is so: where a message passes, what it does not
 * need is to lie elsewhere.
 */
#ifndef LTI_HINT_H
#define LTI_HINT_H

#define LTI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define LTI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#endif
