/* SPDX-License-Identifier: MIT
 *
 * Whether a wait is to begin with asking the system again and again, before it sleeps: what a hub
 * has learned of its waits. No system call, no clock.
 */
#ifndef LTI_SPIN_H
#define LTI_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* How a wait begins. */
enum lti_spin_plan {
    LTI_SPIN_SLEEP,   /* at once; nothing is measured */
    LTI_SPIN_MEASURE, /* at once; lti_spin_slept is to be told how long it took */
    LTI_SPIN_TRY      /* with asking; lti_spin_tried is to be told how long it took */
};

struct lti_spin {
    uint32_t bound_ns; /* 0: never */
    uint32_t skip;     /* so many waits go without */
    uint32_t cost;     /* so many will after the next try in vain */
    uint32_t streak;   /* so many tries in a row have paid */
    bool near;         /* the last wait that was measured was a short one */
    uint64_t slept_ns; /* how long short waits last that sleep at once; 0: not known */
    uint64_t tried_ns; /* and those that begin with asking */
    uint64_t tries, hits;
};

#define LTI_SPIN_US_MAX 1000u
#define LTI_SPIN_US_DEFAULT 50u

void lti_spin_init(struct lti_spin *spin, uint32_t bound_us); /* at most LTI_SPIN_US_MAX */
enum lti_spin_plan lti_spin_next(struct lti_spin *spin);
/* How often one try may ask: also a clock that stands still lets it end. */
uint32_t lti_spin_asks_max(const struct lti_spin *spin);
/* What a wait was waited for came `gap_ns` after its beginning. `asking`: before it slept. */
void lti_spin_slept(struct lti_spin *spin, uint64_t gap_ns);
void lti_spin_tried(struct lti_spin *spin, bool asking, uint64_t gap_ns);

#endif
