/* SPDX-License-Identifier: MIT
 *
 * Assertions. LTI_ASSERT stays in every build: what it guards is memory, and it costs next to
 * nothing.
 */
#ifndef LTI_ASSERT_H
#define LTI_ASSERT_H

/* A trap needs no symbol of the C library and stops a debugger at the place. */
#define LTI_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())

/* What should hold, and is looked at all the time: only where the library is built without
 * optimizing or with a sanitizer, because every message would pay for it. */
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LTI_INVARIANTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LTI_INVARIANTS 1
#endif
#endif
#ifdef LTI_INVARIANTS
#define LTI_INVARIANT(condition) LTI_ASSERT(condition)
#else
#define LTI_INVARIANT(condition) ((void)sizeof(condition))
#endif

#endif
