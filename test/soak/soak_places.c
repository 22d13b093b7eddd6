/* SPDX-License-Identifier: MIT
 *
 * Places: one connection's tale each, judged when it is over, and used again.
 *
 * Happy path: who dials takes a free place of its own range; who accepts finds it by the hello;
 *             both tell; when both ends are over, the history checker judges, and the place is
 *             free.
 * Fails:      a tale that is full ends the test; a violation is counted, and the first one kept.
 * Invariants: a place is used by one connection at a time, and only the director frees it. The
 *             victim is stopped before its ends are called killed.
 */
#include "soak.h"

#include <stdio.h>
#include <string.h>

static uint32_t place_word(uint32_t number, enum soak_phase phase)
{
    return number * 4u + (uint32_t)phase;
}

struct stress_tale *soak_place_take(struct soak *soak, enum soak_process process)
{
    uint32_t first = process == SOAK_VICTIM ? SOAK_PLACES_CLIENT : 0;
    uint32_t count = process == SOAK_VICTIM ? SOAK_PLACES_VICTIM : SOAK_PLACES_CLIENT;
    for (uint32_t i = first; i < first + count; i++) {
        struct stress_tale *place = &soak->places[i];
        if (atomic_load(&place->number) != 0)
            continue;
        uint32_t number = atomic_fetch_add(&soak->number, 1);
        place->teller[0] = (uint32_t)process;
        atomic_store(&place->count, 0);
        atomic_store(&place->phases[0], place_word(number, SOAK_LIVE));
        atomic_store(&place->phases[1], place_word(number, SOAK_NONE));
        atomic_store(&place->number, number);
        return place;
    }
    return NULL;
}

bool soak_place_accept(struct soak *soak, const struct soak_hello *hello, uint32_t teller)
{
    REQUIRE(hello->place < SOAK_PLACES);
    struct stress_tale *place = &soak->places[hello->place];
    uint32_t none = place_word(hello->number, SOAK_NONE);
    place->teller[1] = teller;
    return atomic_compare_exchange_strong(&place->phases[1], &none,
                                          place_word(hello->number, SOAK_LIVE));
}

void soak_place_over(struct stress_tale *place, uint32_t end)
{
    atomic_store(&place->phases[end], place_word(atomic_load(&place->number), SOAK_OVER));
}

void soak_place_void(struct stress_tale *place)
{
    uint32_t number = atomic_load(&place->number);
    uint32_t none = place_word(number, SOAK_NONE);
    if (atomic_compare_exchange_strong(&place->phases[1], &none, place_word(number, SOAK_OVER)) &&
        place->teller[0] != SOAK_VICTIM)
        stress_tell(place, 0, 0, 1, LTI_HISTORY_KILLED, 0, 0, 0);
}

/* ---- Telling: what test/stress/kit_end.c calls ----------------------------------------------- */

void stress_tell(struct stress_tale *tale, uint32_t teller, uint32_t conn, uint32_t end,
                 enum lti_history_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    (void)teller;
    (void)conn;
    uint32_t at = atomic_fetch_add(&tale->count, 1);
    REQUIRE(at < SOAK_LINES);
    struct soak_line *line = &tale->lines[at];
    line->a = a;
    line->b = b;
    line->c = c;
    line->end = (uint8_t)end;
    line->kind = (uint8_t)kind;
    atomic_store_explicit(&line->told, 1, memory_order_release);
}

/* kit_posix.c names it; here the places know who is killed. */
void stress_tell_killed(struct stress_tale *tale, uint32_t teller)
{
    (void)tale;
    (void)teller;
    REQUIRE(false);
}

const struct lti_history *stress_tale_content(const struct stress_tale *tale)
{
    return tale->content;
}

/* ---- Killing and judging --------------------------------------------------------------------- */

static void place_kill_end(struct soak *soak, struct stress_tale *place, uint32_t end)
{
    uint32_t number = atomic_load(&place->number);
    if (place->teller[end] != SOAK_VICTIM ||
        atomic_load(&place->phases[end]) != place_word(number, SOAK_LIVE))
        return;
    stress_tell(place, 0, 0, end, LTI_HISTORY_KILLED, 0, 0, 0);
    soak_place_over(place, end);
    soak->totals.killed_ends++;
}

void soak_places_kill(struct soak *soak)
{
    for (uint32_t i = 0; i < SOAK_PLACES; i++) {
        struct stress_tale *place = &soak->places[i];
        if (atomic_load(&place->number) == 0 || !place->victim)
            continue;
        place_kill_end(soak, place, 1);
        if (place->teller[0] != SOAK_VICTIM)
            continue; /* who dialled the victim says when it was never accepted */
        place_kill_end(soak, place, 0);
        soak_place_void(place);
    }
}

static void place_violated(struct soak *soak, const struct stress_tale *place, const char *rule,
                           const char *text)
{
    if (soak->totals.violations++ > 0)
        return;
    (void)snprintf(soak->totals.first, sizeof soak->totals.first, "%s, connection %u, way %u: %s",
                   rule, atomic_load(&place->number), place->way, text);
}

static void place_judge(struct soak *soak, struct stress_tale *place)
{
    struct lti_history_result result;
    struct lti_history *history = lti_history_new(0);
    uint32_t count = atomic_load(&place->count);
    REQUIRE(history != NULL && count <= SOAK_LINES);
    for (uint32_t i = 0; i < count; i++) {
        struct soak_line *line = &place->lines[i];
        bool told = atomic_load_explicit(&line->told, memory_order_acquire) != 0;
        atomic_store_explicit(&line->told, 0, memory_order_relaxed);
        if (told) /* else whoever took it was killed before it said anything */
            lti_history_log(history, 0, line->end, (enum lti_history_kind)line->kind, line->a,
                            line->b, line->c);
    }
    bool good = lti_history_check(history, true, &result);
    lti_history_free(history);
    soak->totals.connections++;
    soak->totals.lines += count;
    soak->totals.messages += result.messages;
    soak->totals.bytes += result.bytes;
    soak->totals.lost += result.lost;
    if (!good) {
        place_violated(soak, place, result.rule, result.text);
        return;
    }
    /* Where nobody aborts and nobody is killed, all is received. */
    uint64_t whole = 2 * (uint64_t)place->to_send;
    if (!place->victim && place->way != SOAK_ABORT &&
        (result.lost > 0 || (place->messages ? result.messages : result.bytes) != whole))
        place_violated(soak, place, "whole", "something is missing");
}

uint32_t soak_places_judge(struct soak *soak)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < SOAK_PLACES; i++) {
        struct stress_tale *place = &soak->places[i];
        uint32_t number = atomic_load(&place->number);
        if (number == 0)
            continue;
        uint32_t over = place_word(number, SOAK_OVER);
        if (atomic_load(&place->phases[0]) != over || atomic_load(&place->phases[1]) != over) {
            used++;
            continue;
        }
        place_judge(soak, place);
        atomic_store(&place->number, 0);
    }
    return used;
}
