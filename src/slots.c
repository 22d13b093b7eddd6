/* SPDX-License-Identifier: MIT
 *
 * Ids and what they stand for, so that a wrong id is found and never followed.
 *
 * Happy path: add takes a free slot, or the next one that was never used, and makes an id of the
 *             slot's number and generation; remove raises the generation, so that the old id
 *             finds nothing.
 * Fails:      add gives 0 when the table cannot grow, and when all slots are used or retired.
 * Invariants: a slot is used (it has an object), free (on the free list), or retired (its
 *             generation is spent), never two of them; an id is given out once in a table's
 *             life.
 */
#include "slots.h"

#include "lti_assert.h"

#include <stdbool.h>
#include <string.h>

#define SLOTS_FIRST 16u /* the smallest table */

#define SLOT_BITS 20u
#define GENERATION_BITS 26u
#define KIND_BITS 2u

static uint64_t slots_prefix(const struct lti_slots *slots)
{
    return (uint64_t)slots->salt << KIND_BITS | (uint64_t)slots->kind;
}

static uint64_t slots_id(const struct lti_slots *slots, uint32_t index)
{
    uint64_t id = slots_prefix(slots);
    id = id << GENERATION_BITS | slots->slots[index].generation;
    return id << SLOT_BITS | index;
}

/* Null when the id does not stand for anything. */
static struct lti_slot *slots_slot(const struct lti_slots *slots, uint64_t id)
{
    uint32_t index = (uint32_t)(id & (LTI_SLOTS_CAP - 1u));
    if (index >= slots->used || slots->slots[index].object == NULL)
        return NULL;
    return slots_id(slots, index) == id ? &slots->slots[index] : NULL;
}

static bool slots_grow(struct lti_slots *slots, struct lti_pool *pool)
{
    uint32_t capacity = lti_pool_larger(slots->capacity, SLOTS_FIRST, LTI_SLOTS_CAP);
    if (capacity == slots->capacity)
        return false;
    struct lti_slot *larger = lti_pool_alloc(pool, capacity * sizeof *larger);
    if (larger == NULL)
        return false;
    if (slots->slots)
        memcpy(larger, slots->slots, slots->used * sizeof *larger);
    lti_pool_free(pool, slots->slots, slots->capacity * sizeof *larger);
    slots->slots = larger;
    slots->capacity = capacity;
    return true;
}

void lti_slots_init(struct lti_slots *slots, enum lti_kind kind, uint16_t salt)
{
    memset(slots, 0, sizeof *slots);
    slots->kind = kind;
    slots->salt = salt;
}

void lti_slots_end(struct lti_slots *slots, struct lti_pool *pool)
{
    LTI_ASSERT(slots->count == 0);
    lti_pool_free(pool, slots->slots, slots->capacity * sizeof *slots->slots);
    slots->slots = NULL;
    slots->capacity = 0;
    slots->used = 0;
    slots->first_free = 0;
}

uint64_t lti_slots_add(struct lti_slots *slots, struct lti_pool *pool, void *object)
{
    LTI_ASSERT(object != NULL);
    uint32_t index;
    if (slots->first_free != 0) {
        index = slots->first_free - 1;
        slots->first_free = slots->slots[index].next_free;
    } else {
        if (slots->used == slots->capacity && !slots_grow(slots, pool))
            return 0;
        index = slots->used++;
        slots->slots[index].generation = slots->generation_first != 0 ? slots->generation_first : 1;
    }
    struct lti_slot *slot = &slots->slots[index];
    LTI_ASSERT(slot->generation > 0 && slot->generation <= LTI_GENERATION_MAX);
    LTI_ASSERT(slots->count < slots->used && slots->used <= slots->capacity);
    slot->object = object;
    slot->next_free = 0;
    slots->count++;
    return slots_id(slots, index);
}

void lti_slots_remove(struct lti_slots *slots, uint64_t id)
{
    struct lti_slot *slot = slots_slot(slots, id);
    LTI_ASSERT(slot != NULL && slots->count > 0);
    slot->object = NULL;
    slots->count--;
    if (slot->generation == LTI_GENERATION_MAX)
        return; /* retired: one more use would repeat an old id */
    slot->generation++;
    slot->next_free = slots->first_free;
    slots->first_free = (uint32_t)(slot - slots->slots) + 1;
}

void *lti_slots_find(const struct lti_slots *slots, uint64_t id)
{
    struct lti_slot *slot = slots_slot(slots, id);
    return slot != NULL ? slot->object : NULL;
}

void *lti_slots_next(const struct lti_slots *slots, uint32_t *place)
{
    while (*place < slots->used) {
        void *object = slots->slots[(*place)++].object;
        if (object != NULL)
            return object;
    }
    return NULL;
}

enum lti_kind lti_id_kind(uint64_t id)
{
    return (enum lti_kind)(id >> (SLOT_BITS + GENERATION_BITS) & ((1u << KIND_BITS) - 1u));
}
