/* SPDX-License-Identifier: MIT
 *
 * os_code.h: what is a failure, and what is none.
 */
#include "proofs.h"

#include "os_code.h"

/*@ requires result > -0x7fffffffffffffff;
    assigns \nothing;
    ensures result >= 0 ==> \result.kind == LTI_OS_NONE && \result.raw == 0; */
static inline struct os_code lti_os_code_of(int64_t result);

/*@ requires result > -0x7fffffffffffffff;
    assigns \nothing;
    ensures result >= 0 ==> \result == LTI_OS_NONE; */
static inline enum lti_os_kind lti_os_kind_of(int64_t result);
