/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share: sizes, names, and the tale that the history checker judges.
 *
 * Happy path: a line is taken by counting, filled, and marked as told; when all tellers are done,
 *             the lines become one history, in the order in which they were taken.
 * Fails:      a tale that is full ends the test.
 * Invariants: a line is taken before the call that it announces, and after the one that it reports,
 *             so the order of lines is one in which things can have happened. A teller is stopped
 *             before it is called killed: none of its lines comes after that.
 */
#include "stress.h"

#include "os_fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_KILLED 255 /* beside enum lti_history_kind: a teller was killed */

struct line {
    uint64_t a, b, c;
    uint32_t conn;
    uint8_t end, kind, teller;
    atomic_uchar told;
};

struct stress_tale {
    atomic_size_t count;
    size_t lines_max, bytes;
    uint64_t key;
    struct lti_history *content; /* who forks has it too, and nobody changes it */
    struct line lines[];
};

/* ---- Sizes and names ------------------------------------------------------------------------- */

bool stress_full(void)
{
    const char *size = getenv("LEAT_STRESS");
    return size != NULL && strcmp(size, "full") == 0;
}

uint64_t stress_count(uint64_t brief, uint64_t full)
{
    return stress_full() ? full : brief;
}

struct prng stress_random(void)
{
    const char *text = getenv("LEAT_STRESS_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : lti_test_now_ms();
    (void)printf("LEAT_STRESS_SEED=%llu\n", (unsigned long long)seed);
    return (struct prng){seed};
}

void stress_begin(void)
{
    stress_system_begin();
}

void stress_end(void)
{
    stress_system_end();
}

const char *stress_name(const char *word)
{
    return stress_system_name(word);
}

struct leat_hub *stress_hub(void)
{
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    return hub;
}

/* ---- The tale -------------------------------------------------------------------------------- */

struct stress_tale *stress_tale_begin(uint64_t key, size_t lines_max)
{
    size_t bytes = sizeof(struct stress_tale) + lines_max * sizeof(struct line);
    struct stress_tale *tale = stress_memory(bytes);
    REQUIRE(tale != NULL);
    tale->lines_max = lines_max;
    tale->bytes = bytes;
    tale->key = key;
    tale->content = lti_history_new(key);
    REQUIRE(tale->content != NULL);
    return tale;
}

static void line_tell(struct stress_tale *tale, const struct line *from)
{
    size_t at = atomic_fetch_add(&tale->count, 1);
    REQUIRE(at < tale->lines_max);
    struct line *line = &tale->lines[at];
    line->a = from->a;
    line->b = from->b;
    line->c = from->c;
    line->conn = from->conn;
    line->end = from->end;
    line->kind = from->kind;
    line->teller = from->teller;
    atomic_store_explicit(&line->told, 1, memory_order_release);
}

void stress_tell(struct stress_tale *tale, uint32_t teller, uint32_t conn, uint32_t end,
                 enum lti_history_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    const struct line line = {.a = a,
                              .b = b,
                              .c = c,
                              .conn = conn,
                              .end = (uint8_t)end,
                              .kind = (uint8_t)kind,
                              .teller = (uint8_t)teller};
    line_tell(tale, &line);
}

void stress_tell_killed(struct stress_tale *tale, uint32_t teller)
{
    const struct line line = {.kind = LINE_KILLED, .teller = (uint8_t)teller};
    line_tell(tale, &line);
}

size_t stress_tale_lines(const struct stress_tale *tale)
{
    return atomic_load(&tale->count);
}

const struct lti_history *stress_tale_content(const struct stress_tale *tale)
{
    return tale->content;
}

static bool ends_it(uint8_t kind)
{
    return kind == LTI_HISTORY_CLOSED || kind == LTI_HISTORY_CLOSE || kind == LTI_HISTORY_ABORT ||
           kind == LTI_HISTORY_KILLED;
}

/* Who plays an end, + 1, as long as it is not over. */
struct players {
    uint8_t *of;
    uint32_t count;
};

static void players_follow(struct players *players, const struct line *line)
{
    uint32_t place = 2 * line->conn + line->end;
    if (place >= players->count) {
        uint32_t count = 2 * place + 64;
        uint8_t *more = realloc(players->of, count);
        REQUIRE(more != NULL);
        memset(more + players->count, 0, count - players->count);
        players->of = more;
        players->count = count;
    }
    players->of[place] = ends_it(line->kind) ? 0 : (uint8_t)(line->teller + 1);
}

static void players_killed(struct players *players, struct lti_history *history, uint8_t teller)
{
    for (uint32_t place = 0; place < players->count; place++) {
        if (players->of[place] != teller + 1)
            continue;
        lti_history_log(history, place / 2, place % 2, LTI_HISTORY_KILLED, 0, 0, 0);
        players->of[place] = 0;
    }
}

struct lti_history_result stress_tale_judge(struct stress_tale *tale)
{
    struct lti_history_result result;
    struct players players = {0};
    struct lti_history *history = lti_history_new(tale->key);
    REQUIRE(history != NULL);
    size_t count = stress_tale_lines(tale);
    for (size_t i = 0; i < count; i++) {
        struct line *line = &tale->lines[i];
        bool told = atomic_load_explicit(&line->told, memory_order_acquire) != 0;
        atomic_store(&line->told, 0);
        if (!told) /* whoever took it was killed before it said anything */
            continue;
        if (line->kind == LINE_KILLED) {
            players_killed(&players, history, line->teller);
            continue;
        }
        lti_history_log(history, line->conn, line->end, (enum lti_history_kind)line->kind, line->a,
                        line->b, line->c);
        if (line->kind != LTI_HISTORY_REPORT)
            players_follow(&players, line);
    }
    if (!lti_history_check(history, true, &result)) {
        (void)printf("%s, entry %zu of %zu: %s\n", result.rule, result.place, count, result.text);
        CHECK(result.rule == NULL);
    }
    free(players.of);
    lti_history_free(history);
    atomic_store(&tale->count, 0);
    return result;
}

void stress_tale_end(struct stress_tale *tale)
{
    lti_history_free(tale->content);
    stress_memory_end(tale, tale->bytes);
}

/* ---- What is open ---------------------------------------------------------------------------- */

/* When no thread closes anything any more, as before Linux 6.16 one does. */
struct stress_use stress_use(struct leat_hub *hub)
{
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    struct leat_hub_info info = {.size = sizeof info};
    struct leat_event event;
    REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    while (info.threads > 0 && lti_test_now_ms() < end_ms) {
        CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
        REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    }
    CHECK_INT(info.threads, 0);
    return (struct stress_use){.handles = stress_system_handles(),
                               .descriptors = lti_test_descriptors_live(),
                               .allocations = lti_test_allocations_live(),
                               .hub_bytes = info.memory_bytes,
                               .memory_bytes = stress_system_memory()};
}

void stress_use_same(const struct stress_use *before, const struct stress_use *after)
{
    CHECK_INT(after->handles, before->handles);
    CHECK_INT(after->descriptors, before->descriptors);
    CHECK_INT(after->allocations, before->allocations);
    CHECK_INT(after->hub_bytes, before->hub_bytes);
    if (!CHECK(after->memory_bytes <= before->memory_bytes + 2 * STRESS_MIB))
        (void)printf("memory grew from %llu to %llu bytes\n",
                     (unsigned long long)before->memory_bytes,
                     (unsigned long long)after->memory_bytes);
}
