/* SPDX-License-Identifier: MIT
 *
 * Ids and what they stand for: 64 bits = salt (16, of the hub) | kind (2) | generation (26) | slot
 * (20). A slot whose generation is spent is retired. Pure.
 */
#ifndef LTI_SLOTS_H
#define LTI_SLOTS_H

#include "pool.h"

#define LTI_SLOTS_CAP (1u << 20)
#define LTI_GENERATION_MAX ((1u << 26) - 1u)

enum lti_kind { LTI_KIND_CONN = 1, LTI_KIND_LISTENER = 2, LTI_KIND_TIMER = 3 };

struct lti_slot {
    void *object; /* null: free or retired */
    uint32_t generation;
    uint32_t next_free; /* index + 1; 0: the last */
};

struct lti_slots {
    struct lti_slot *slots;
    uint32_t count;            /* objects now */
    uint32_t capacity;         /* of the table */
    uint32_t used;             /* slots that ever had an object; they are the first ones */
    uint32_t first_free;       /* index + 1; 0: none */
    uint32_t generation_first; /* for tests: where generations begin; 0 means 1 */
    uint16_t salt;
    enum lti_kind kind;
};

void lti_slots_init(struct lti_slots *slots, enum lti_kind kind, uint16_t salt);
/* nothing may be used any more (asserted) */
void lti_slots_end(struct lti_slots *slots, struct lti_pool *pool);

/* Gives `object` an id, never 0; 0 when there is no memory or all slots are used. */
uint64_t lti_slots_add(struct lti_slots *slots, struct lti_pool *pool, void *object);
void lti_slots_remove(struct lti_slots *slots, uint64_t id); /* id must be valid */
/* null: stale, foreign, made up */
void *lti_slots_find(const struct lti_slots *slots, uint64_t id);
/* What is in the slot that the id names, or null. Its id may be another one: who knows his own id,
 * as all that is used all the time does, is found by comparing that. */
static inline void *lti_slots_at(const struct lti_slots *slots, uint64_t id)
{
    uint32_t index = (uint32_t)(id & (LTI_SLOTS_CAP - 1u));
    return index < slots->used ? slots->slots[index].object : NULL;
}
/* Walks: the used object at or after *place, which is moved behind it; null at the end. */
void *lti_slots_next(const struct lti_slots *slots, uint32_t *place);
enum lti_kind lti_id_kind(uint64_t id);

#endif
