/* SPDX-License-Identifier: MIT
 *
 * Hubs that read what has come for several connections at once, and what becomes of bytes that are
 * read before anybody asks for them.
 *
 * Happy path: more connections than the ring has blocks speak at once; every byte comes, in order,
 *             and every end.
 * Fails:      a system without io_uring, or that does not let us, is UNSUPPORTED; so is one that
 *             lets descriptors through.
 * Invariants: the same tests without a ring: nothing but system calls differs.
 */
#include "kit.h"
#include "kit_posix.h"
#include "kit_sim_posix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CROWD 140u /* a ring has blocks for 128 */
#define BYTES_MAX 30000u

static char log_line[200];

static void log_keep(void *context, const char *text)
{
    (void)context;
    (void)snprintf(log_line, sizeof log_line, "%s", text);
}

static enum leat_error backend_try(enum leat_backend backend, struct leat_hub **hub_out)
{
    const struct leat_hub_options options = {
        .size = sizeof options, .backend = backend, .log = log_keep};
    log_line[0] = '\0';
    return leat_hub_create(&options, hub_out);
}

/* Whatever the builder chose. */
static void backend_is_not_uring(void)
{
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(backend_try(LEAT_BACKEND_DEFAULT, &hub), LEAT_OK);
    CHECK(kit_hub_info(hub).backend != LEAT_BACKEND_URING);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void backend_is(enum leat_backend asked, enum leat_backend got)
{
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(backend_try(asked, &hub), LEAT_OK);
    CHECK_INT(kit_hub_info(hub).backend, got);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

static void backend_refused(const char *reason)
{
    struct leat_hub *hub = NULL;
    CHECK_ERROR(backend_try(LEAT_BACKEND_URING, &hub), LEAT_E_UNSUPPORTED);
    CHECK(hub == NULL);
    CHECK(strncmp(log_line, reason, strlen(reason)) == 0);
    backend_is(LEAT_BACKEND_ONE_BY_ONE, LEAT_BACKEND_ONE_BY_ONE);
    backend_is_not_uring();
}

TEST(several_backends_are_as_asked_for)
{
    struct leat_hub *hub = kit_begin(), *other = NULL;
    CHECK(kit_hub_info(hub).backend != LEAT_BACKEND_DEFAULT);
    CHECK_ERROR(backend_try((enum leat_backend)4, &other), LEAT_E_OPTIONS);
    backend_is(LEAT_BACKEND_ONE_BY_ONE, LEAT_BACKEND_ONE_BY_ONE);
    if (backend_try(LEAT_BACKEND_AHEAD, &other) == LEAT_OK) {
        CHECK_INT(kit_hub_info(other).backend, LEAT_BACKEND_AHEAD);
        CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    } else {
        CHECK(strncmp(log_line, "the backend is not to be had", 28) == 0);
    }
    if (backend_try(LEAT_BACKEND_URING, &other) == LEAT_OK) {
        CHECK_INT(kit_hub_info(other).backend, LEAT_BACKEND_URING);
        CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    } else {
        backend_refused("the backend is not to be had");
    }
    kit_end(hub);
}

static void refused_in(const struct lti_sim_options *options, const char *reason)
{
    lti_sim_begin(options);
    struct leat_hub *hub = kit_begin();
    backend_refused(reason);
    CHECK(kit_hub_info(hub).backend != LEAT_BACKEND_URING);
    leat_listener listener = kit_listen(hub, kit_plain("refused"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("refused"), NULL);
    kit_write_text(hub, ends.dialled, "all the same");
    kit_read_text(hub, ends.accepted, "all the same");
    kit_end(hub);
}

TEST(several_need_a_system_that_lets_us)
{
    const struct lti_sim_options forbidden = {.ring_errno = EPERM};
    const struct lti_sim_options old = {.ring_errno = EOPNOTSUPP};
    const struct lti_sim_options passes = {.descriptors_pass = true};
    if (!kit_simulated())
        SKIP_NEEDS("the simulated kernel, which can be without io_uring");
    refused_in(&forbidden, "the backend is not allowed here: UNSUPPORTED");
    refused_in(&old, "the backend is not to be had: UNSUPPORTED");
    refused_in(&passes, "the backend is not to be had: UNSUPPORTED");
}

/* ---- A crowd --------------------------------------------------------------------------------- */

struct crowd {
    struct leat_hub *kit, *hub;
    leat_listener listener;
    int peers[CROWD]; /* -1: closed */
    leat_conn conns[CROWD];
    uint32_t want[CROWD], got[CROWD];
    bool ends[CROWD], closed[CROWD]; /* is to be told that it is over, was told */
    enum leat_error reason[CROWD];
};

/* Each of these runs with all that read from several at once. */
#define TEST_CROWD(name)                                                                           \
    static void crowd_##name(struct crowd *crowd, enum leat_backend backend);                      \
    TEST(several_##name)                                                                           \
    {                                                                                              \
        static struct crowd crowd;                                                                 \
        crowd_##name(&crowd, LEAT_BACKEND_DEFAULT);                                                \
        crowd_##name(&crowd, LEAT_BACKEND_AHEAD);                                                  \
        crowd_##name(&crowd, LEAT_BACKEND_URING);                                                  \
    }                                                                                              \
    static void crowd_##name(struct crowd *crowd, enum leat_backend backend)

static void crowd_begin(struct crowd *crowd, enum leat_backend backend,
                        const struct leat_conn_options *options)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->kit = kit_begin();
    if (backend_try(backend, &crowd->hub) != LEAT_OK)
        SKIP_NEEDS(backend == LEAT_BACKEND_URING ? "io_uring" : "Linux 6.16");
    const struct leat_listen_options listen = {
        .size = sizeof listen, .conn = options, .conns_max = CROWD};
    REQUIRE_ERROR(leat_listen(crowd->hub, kit_path("crowd"), &listen, &crowd->listener), LEAT_OK);
}

static void crowd_end(struct crowd *crowd)
{
    CHECK_ERROR(leat_hub_destroy(crowd->hub), LEAT_OK);
    kit_end(crowd->kit);
}

static void crowd_meet(struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd->peers[i] = kit_raw_connect(kit_path("crowd"));
        struct leat_event event = KIT_NEXT(crowd->hub, LEAT_EVENT_ACCEPTED);
        crowd->conns[i] = event.conn;
        REQUIRE_ERROR(leat_set_tag(crowd->hub, event.conn, i), LEAT_OK);
        crowd->want[i] = crowd->got[i] = 0;
        crowd->ends[i] = crowd->closed[i] = false;
    }
}

/* The next of the pattern of that connection, which begins elsewhere than others'. */
static void crowd_say(struct crowd *crowd, uint32_t i, uint32_t size)
{
    static uint8_t bytes[BYTES_MAX];
    kit_pattern(bytes, size, i * UINT64_C(1000003) + crowd->want[i]);
    kit_raw_send(crowd->peers[i], bytes, size);
    crowd->want[i] += size;
}

static void crowd_leave(struct crowd *crowd, uint32_t i)
{
    kit_raw_close(crowd->peers[i]);
    crowd->peers[i] = -1;
}

static void crowd_take(struct crowd *crowd, uint32_t i)
{
    static uint8_t bytes[BYTES_MAX];
    size_t size = 0;
    REQUIRE_ERROR(leat_read(crowd->hub, crowd->conns[i], bytes, sizeof bytes, &size), LEAT_OK);
    CHECK(kit_pattern_is(bytes, size, i * UINT64_C(1000003) + crowd->got[i]));
    crowd->got[i] += (uint32_t)size;
}

static bool crowd_done(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++)
        if (crowd->got[i] < crowd->want[i] || crowd->closed[i] != crowd->ends[i])
            return false;
    return true;
}

/* Takes events until everything came that is to come; then nothing more is there. */
static void crowd_hear(struct crowd *crowd)
{
    while (!crowd_done(crowd)) {
        struct leat_event event;
        REQUIRE_ERROR(leat_next(crowd->hub, &event, KIT_SOON_MS), LEAT_OK);
        uint32_t i = (uint32_t)event.tag;
        REQUIRE(i < CROWD && event.conn.id == crowd->conns[i].id);
        if (event.type == LEAT_EVENT_READABLE)
            crowd_take(crowd, i);
        if (event.type == LEAT_EVENT_CLOSED) {
            CHECK(!crowd->closed[i]);
            crowd->closed[i] = true;
            crowd->reason[i] = event.error;
        }
    }
    KIT_QUIET(crowd->hub);
    for (uint32_t i = 0; i < CROWD; i++)
        CHECK_INT(crowd->got[i], crowd->want[i]);
}

static void crowd_part(struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd_leave(crowd, i);
        crowd->ends[i] = true;
    }
    crowd_hear(crowd);
}

/* Around the size of a block, and much more. */
TEST_CROWD(speak_at_once)
{
    static const uint32_t sizes[] = {1, 2, 1023, 1024, 1025, 2048, 5000, BYTES_MAX};
    crowd_begin(crowd, backend, NULL);
    crowd_meet(crowd);
    for (uint32_t round = 0; round < 8; round++) {
        for (uint32_t i = 0; i < CROWD; i++)
            crowd_say(crowd, i, sizes[(i + round) % 8]);
        crowd_hear(crowd);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd_say(crowd, i, sizes[i % 8]);
        crowd_leave(crowd, i);
        crowd->ends[i] = true;
    }
    crowd_hear(crowd);
    for (uint32_t i = 0; i < CROWD; i++)
        CHECK_ERROR(crowd->reason[i], LEAT_E_CLOSED);
    crowd_end(crowd);
}

/* A block is taken in pieces where an inbox has less room. */
TEST_CROWD(with_small_inboxes)
{
    const struct leat_conn_options small = {
        .size = sizeof small, .inbox_bytes = 100, .inbox_low_bytes = 99};
    crowd_begin(crowd, backend, &small);
    crowd_meet(crowd);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CROWD; i++)
            crowd_say(crowd, i, 90 + i * 7 * round);
        crowd_hear(crowd);
    }
    crowd_part(crowd);
    crowd_end(crowd);
}

/* What becomes of a connection after its bytes were read ahead, and before anybody asks. */
enum fate { PAUSED, SPEAKS_ON, SPEAKS_AND_LEAVES, LEAVES, CLOSED, ABORTED, NOTHING, FATES };

static void fate_come(struct crowd *crowd, uint32_t i)
{
    switch ((enum fate)(i % FATES)) {
    case PAUSED:
        CHECK_ERROR(leat_pause(crowd->hub, crowd->conns[i]), LEAT_OK);
        break;
    case SPEAKS_ON:
        crowd_say(crowd, i, 5000);
        break;
    case SPEAKS_AND_LEAVES:
        crowd_say(crowd, i, 3);
        crowd_leave(crowd, i);
        crowd->ends[i] = true;
        break;
    case LEAVES:
        crowd_leave(crowd, i);
        crowd->ends[i] = true;
        break;
    case CLOSED:
        CHECK_ERROR(leat_close(crowd->hub, crowd->conns[i], 0), LEAT_OK);
        crowd->want[i] = crowd->got[i] = 0;
        break;
    case ABORTED:
        CHECK_ERROR(leat_abort(crowd->hub, crowd->conns[i]), LEAT_OK);
        crowd->want[i] = crowd->got[i] = 0;
        break;
    case NOTHING:
    case FATES:
        break;
    }
}

/* Who was paused: nothing is told of it until it goes on; then all is there. */
static void fate_resume(struct crowd *crowd, const uint32_t held[CROWD])
{
    for (uint32_t i = PAUSED; i < CROWD; i += FATES) {
        crowd->want[i] = held[i];
        crowd_say(crowd, i, 10);
        CHECK_ERROR(leat_resume(crowd->hub, crowd->conns[i]), LEAT_OK);
    }
    crowd_hear(crowd);
}

/* Where descriptors may be among what nobody read, a thread closes what we ended. */
static void fate_wait_end(struct crowd *crowd, uint32_t i)
{
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct leat_event event;
    uint8_t byte;
    int64_t size;
    while ((size = kit_raw_recv(crowd->peers[i], &byte, 1)) == 0 && lti_test_now_ms() < end_ms)
        CHECK_ERROR(leat_next(crowd->hub, &event, 1), LEAT_E_TIMEOUT);
    CHECK(size < 0);
}

static void fate_part(struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++)
        if (i % FATES == CLOSED || i % FATES == ABORTED)
            fate_wait_end(crowd, i);
    for (uint32_t i = 0; i < CROWD; i++) {
        enum fate fate = (enum fate)(i % FATES);
        if (crowd->peers[i] >= 0)
            kit_raw_close(crowd->peers[i]);
        if (fate == PAUSED || fate == SPEAKS_ON || fate == NOTHING)
            crowd->ends[i] = true;
    }
    crowd_hear(crowd);
}

TEST_CROWD(that_end_after_they_were_read)
{
    uint32_t held[CROWD];
    crowd_begin(crowd, backend, NULL);
    for (uint32_t round = 0; round < 3; round++) { /* the blocks must have come back */
        crowd_meet(crowd);
        for (uint32_t i = 0; i < CROWD; i++)
            crowd_say(crowd, i, i % 3 == 0 ? 1024 : 7);
        struct leat_event event = KIT_NEXT(crowd->hub, LEAT_EVENT_READABLE);
        crowd_take(crowd, (uint32_t)event.tag);
        for (uint32_t i = 0; i < CROWD; i++) {
            fate_come(crowd, i);
            held[i] = crowd->want[i];
            if (i % FATES == PAUSED)
                crowd->want[i] = crowd->got[i];
        }
        crowd_hear(crowd);
        fate_resume(crowd, held);
        fate_part(crowd);
    }
    crowd_end(crowd);
}

/* Those that are not read keep their blocks; others are served all the same. */
TEST_CROWD(that_wait_keep_nobody_waiting)
{
    crowd_begin(crowd, backend, NULL);
    crowd_meet(crowd);
    for (uint32_t i = 1; i < CROWD; i++)
        crowd_say(crowd, i, 9);
    struct leat_event event = KIT_NEXT(crowd->hub, LEAT_EVENT_READABLE);
    crowd_take(crowd, (uint32_t)event.tag);
    for (uint32_t i = 1; i < CROWD; i++)
        CHECK_ERROR(leat_pause(crowd->hub, crowd->conns[i]), LEAT_OK);
    KIT_QUIET(crowd->hub);
    for (uint32_t turn = 0; turn < 5; turn++) {
        crowd_say(crowd, 0, 4000);
        while (crowd->got[0] < crowd->want[0]) {
            event = KIT_NEXT(crowd->hub, LEAT_EVENT_READABLE);
            REQUIRE_INT(event.tag, 0);
            crowd_take(crowd, 0);
        }
    }
    for (uint32_t i = 1; i < CROWD; i++)
        CHECK_ERROR(leat_resume(crowd->hub, crowd->conns[i]), LEAT_OK);
    crowd_hear(crowd);
    crowd_part(crowd);
    crowd_end(crowd);
}

static void messages_sent(enum leat_backend backend)
{
    enum { PAIRS = 9, MESSAGES = 20 };
    struct kit_ends ends[PAIRS];
    uint32_t got[PAIRS] = {0}, all = 0;
    char text[32];
    struct leat_hub *kit = kit_begin(), *hub = NULL;
    if (backend_try(backend, &hub) != LEAT_OK)
        SKIP_NEEDS(backend == LEAT_BACKEND_URING ? "io_uring" : "Linux 6.16");
    leat_listener listener = kit_listen(hub, kit_path("posts"), &kit_messages);
    for (uint32_t i = 0; i < PAIRS; i++) {
        ends[i] = kit_open(hub, listener, kit_path("posts"), &kit_messages);
        REQUIRE_ERROR(leat_set_tag(hub, ends[i].accepted, i), LEAT_OK);
    }
    for (uint32_t n = 0; n < MESSAGES; n++)
        for (uint32_t i = 0; i < PAIRS; i++) {
            int size = snprintf(text, sizeof text, "%u of %u", n, i);
            REQUIRE_ERROR(leat_send(hub, ends[i].dialled, text, (size_t)size), LEAT_OK);
        }
    while (all < PAIRS * MESSAGES) {
        struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_READABLE);
        REQUIRE(event.tag < PAIRS);
        (void)snprintf(text, sizeof text, "%u of %u", got[event.tag]++, (unsigned)event.tag);
        kit_receive_text(hub, event.conn, text);
        all++;
    }
    KIT_QUIET(hub);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    kit_end(kit);
}

TEST(several_send_messages)
{
    messages_sent(LEAT_BACKEND_AHEAD);
    messages_sent(LEAT_BACKEND_URING);
}

/* ---- Who asks for nothing -------------------------------------------------------------------- */

/* All of the first `count` say as much, and are heard. How many reads the first one took. */
static uint64_t crowd_round(struct crowd *crowd, uint32_t count, uint32_t size)
{
    uint64_t reads = kit_stats(crowd->hub, crowd->conns[0]).reads;
    for (uint32_t i = 0; i < count; i++)
        crowd_say(crowd, i, size);
    crowd_hear(crowd);
    return kit_stats(crowd->hub, crowd->conns[0]).reads - reads;
}

static void crowd_scatter(struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++)
        crowd_leave(crowd, i);
    crowd_end(crowd);
}

/* A hub that asked for no backend reads ahead from when several spoke at once; who said more than
 * fits a block there is read by himself, until he says less. */
TEST(several_speak_at_once_and_are_read_ahead)
{
    static struct crowd crowd;
    struct leat_hub *ahead;
    crowd_begin(&crowd, LEAT_BACKEND_ONE_BY_ONE, NULL);
    crowd_meet(&crowd);
    CHECK_INT(crowd_round(&crowd, CROWD, 4000), 1);
    CHECK_INT(kit_hub_info(crowd.hub).backend, LEAT_BACKEND_ONE_BY_ONE); /* as was asked for */
    crowd_scatter(&crowd);

    crowd_begin(&crowd, LEAT_BACKEND_DEFAULT, NULL);
    bool to_be_had = backend_try(LEAT_BACKEND_AHEAD, &ahead) == LEAT_OK;
    if (to_be_had)
        CHECK_ERROR(leat_hub_destroy(ahead), LEAT_OK);
    if (!to_be_had || kit_hub_info(crowd.hub).backend != LEAT_BACKEND_ONE_BY_ONE) {
        crowd_end(&crowd);
        SKIP_NEEDS("Linux 6.16, and no other default");
    }
    crowd_meet(&crowd);
    CHECK_INT(crowd_round(&crowd, 3, 4000), 1);
    CHECK_INT(kit_hub_info(crowd.hub).backend, LEAT_BACKEND_ONE_BY_ONE);
    CHECK_INT(crowd_round(&crowd, CROWD, 4000), 2); /* a block, and the rest */
    CHECK_INT(kit_hub_info(crowd.hub).backend, LEAT_BACKEND_AHEAD);
    CHECK_INT(crowd_round(&crowd, CROWD, 4000), 1); /* by himself */
    CHECK_INT(crowd_round(&crowd, CROWD, 100),
              1); /* the same, and it is known that it was little */
    CHECK_INT(crowd_round(&crowd, CROWD, 4000), 2);
    crowd_scatter(&crowd);
}
