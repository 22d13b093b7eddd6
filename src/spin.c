/* SPDX-License-Identifier: MIT
 *
 * Learns from waits whether asking pays: waking who sleeps takes longer than many an answer.
 *
 * Happy path: a wait was short, so the next one begins with asking; the answer comes meanwhile, and
 *             the one after that asks again.
 * Fails:      a try in vain, or one that made nothing faster, costs the next waits theirs: one,
 *             three, seven and so on. So it is when the peer cannot run because we do, and then a
 *             try in a thousand waits is left.
 * Invariants: after a long wait nobody asks: who is idle sleeps. A try asks no longer than the
 *             bound.
 */
#include "spin.h"

/* A wait that sleeps lasts longer than what it waits for takes, by the time of waking: so what is
 * short is measured with a larger bound than what a try may take. */
#define NEAR_BOUNDS 2u
/* The most that a try in vain costs. With answers after ten microseconds, and a try of fifty, this
 * is half a percent. */
#define COST_MAX 1023u
/* Asking pays when waits become shorter by a quarter. Where both ends share a CPU they do not:
 * there an answer takes as long, or longer, because who is to give it has to wait for us. */
#define PAYS_PARTS 3u
#define PAYS_OF 4u
#define MEAN_OF 4u
/* So many tries in a row must pay until those in vain are forgotten: on one CPU every other one may
 * look as if it had paid, when the peer was let run before we began to wait. */
#define STREAK 8u
/* No system answers faster. */
#define ASKS_PER_US 16u

void lti_spin_init(struct lti_spin *spin, uint32_t bound_us)
{
    *spin = (struct lti_spin){.bound_ns = bound_us * 1000u, .cost = 1};
}

enum lti_spin_plan lti_spin_next(struct lti_spin *spin)
{
    if (spin->bound_ns == 0)
        return LTI_SPIN_SLEEP;
    if (spin->skip > 0) {
        spin->skip--;
        spin->near = false;
        return LTI_SPIN_SLEEP;
    }
    return spin->near ? LTI_SPIN_TRY : LTI_SPIN_MEASURE;
}

uint32_t lti_spin_asks_max(const struct lti_spin *spin)
{
    return spin->bound_ns / 1000u * ASKS_PER_US;
}

/* A mean that forgets. */
static void mean_take(uint64_t *mean_ns, uint64_t gap_ns)
{
    *mean_ns = *mean_ns == 0 ? gap_ns : (*mean_ns * (MEAN_OF - 1) + gap_ns) / MEAN_OF;
}

void lti_spin_slept(struct lti_spin *spin, uint64_t gap_ns)
{
    spin->near = gap_ns <= (uint64_t)spin->bound_ns * NEAR_BOUNDS;
    if (spin->near)
        mean_take(&spin->slept_ns, gap_ns);
}

void lti_spin_tried(struct lti_spin *spin, bool asking, uint64_t gap_ns)
{
    spin->near = gap_ns <= (uint64_t)spin->bound_ns * NEAR_BOUNDS;
    if (spin->near)
        mean_take(&spin->tried_ns, gap_ns);
    /* Who asked for longer than he may was not let run, and so may have been in the peer's way. */
    bool hit = asking && gap_ns <= spin->bound_ns;
    spin->tries++;
    if (hit)
        spin->hits++;
    if (hit && spin->tried_ns / PAYS_PARTS < spin->slept_ns / PAYS_OF) {
        if (++spin->streak >= STREAK)
            spin->cost = 1;
        return;
    }
    spin->streak = 0;
    spin->tried_ns = 0; /* what comes later may be another peer, or another CPU */
    spin->skip = spin->cost;
    spin->cost = spin->cost * 2 + 1;
    if (spin->cost > COST_MAX)
        spin->cost = COST_MAX;
}
