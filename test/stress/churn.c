/* SPDX-License-Identifier: MIT
 *
 * Connections that are opened and closed, one after the other, as fast as it goes.
 *
 * Happy path: after the first batch each further one finds as many handles, allocations and bytes
 *             of memory as it leaves; all that was delivered is what was sent.
 * Fails:      never by design.
 * Invariants: a batch is over when the server has ended every connection that it knows of.
 */
#include "stress.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define BATCH 100u
#define MINUTE_MS 60000u
#define BYTES 100u
#define SERVER 1u
#define CLIENT 0u

/* How a connection goes: by turns. */
enum way {
    ANSWERED, /* the client asks, reads the answer, and closes */
    LEFT,     /* the client asks, and closes without looking back */
    ABORTED,  /* the client is gone before it said anything */
    TURNED,   /* the client asks, and the server closes after its answer */
    WAYS
};

struct preamble {
    uint32_t number, way;
};

struct server {
    struct stress_tale *tale;
    struct leat_hub *hub;
    atomic_uint served; /* connections that said something, and are over */
    atomic_bool over;
};

static void server_end(struct server *server, leat_conn conn, const struct preamble *preamble)
{
    struct stress_end end = {.tale = server->tale,
                             .hub = server->hub,
                             .conn = conn,
                             .teller = SERVER,
                             .number = preamble->number,
                             .end = 1,
                             .piece_max = BYTES,
                             .to_send = preamble->way == LEFT ? 0 : BYTES};
    while (end.received < BYTES) {
        enum leat_error error = leat_wait_readable(server->hub, conn, STRESS_SOON_MS);
        REQUIRE_ERROR(error, LEAT_OK);
        stress_drink(&end, UINT32_MAX);
    }
    stress_pour(&end);
    if (preamble->way == TURNED) {
        stress_close(&end, STRESS_SOON_MS);
    } else {
        enum leat_error error = leat_wait_closed(server->hub, conn, STRESS_SOON_MS);
        REQUIRE(error == LEAT_OK || error == LEAT_E_BROKEN);
        stress_abort(&end);
    }
    atomic_fetch_add(&server->served, 1);
}

static void server_run(void *argument)
{
    struct server *server = argument;
    struct preamble preamble;
    while (!atomic_load(&server->over)) {
        struct leat_event event;
        enum leat_error error = leat_next(server->hub, &event, LEAT_FOREVER);
        REQUIRE_ERROR(error, LEAT_OK);
        if (event.type != LEAT_EVENT_ACCEPTED)
            continue;
        size_t size = 0;
        error = leat_read_full(server->hub, event.conn, &preamble, sizeof preamble, STRESS_SOON_MS,
                               &size);
        if (error == LEAT_OK) {
            server_end(server, event.conn, &preamble);
            continue;
        }
        REQUIRE_INT(size, 0); /* all of it or nothing: it was sent at once */
        REQUIRE(error == LEAT_E_FINISHED || error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
        REQUIRE_ERROR(leat_abort(server->hub, event.conn), LEAT_OK);
    }
}

/* Returns how many connections the server will hear of: one, or none that counts. */
static uint32_t client_once(struct server *server, struct leat_hub *hub, const char *name,
                            uint32_t number)
{
    const struct preamble preamble = {number, number % WAYS};
    struct stress_end end = {.tale = server->tale,
                             .hub = hub,
                             .teller = CLIENT,
                             .number = number,
                             .piece_max = BYTES,
                             .to_send = BYTES};
    size_t size = 0;
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .timeout_ms = STRESS_SOON_MS};
    if (preamble.way == ABORTED) {
        REQUIRE_ERROR(leat_connect(hub, name, &options, &end.conn), LEAT_OK);
        REQUIRE_ERROR(leat_abort(hub, end.conn), LEAT_OK);
        return 0;
    }
    REQUIRE_ERROR(leat_connect_wait(hub, name, &options, &end.conn), LEAT_OK);
    REQUIRE_ERROR(leat_write(hub, end.conn, &preamble, sizeof preamble, &size), LEAT_OK);
    REQUIRE_INT(size, sizeof preamble);
    stress_pour(&end);
    while (preamble.way != LEFT && end.received < BYTES) {
        REQUIRE_ERROR(leat_wait_readable(hub, end.conn, STRESS_SOON_MS), LEAT_OK);
        stress_drink(&end, UINT32_MAX);
    }
    stress_close(&end, STRESS_SOON_MS);
    return 1;
}

static void batch(struct server *server, struct leat_hub *hub, const char *name)
{
    struct leat_event event;
    struct leat_hub_info info = {.size = sizeof info};
    uint32_t due = atomic_load(&server->served);
    for (uint32_t i = 0; i < BATCH; i++)
        due += client_once(server, hub, name, i);
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(STRESS_SOON_MS);
    do { /* what was closed is delivered meanwhile */
        enum leat_error error = leat_next(hub, &event, 1);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        REQUIRE_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    } while ((atomic_load(&server->served) != due || info.conns > 0) && lti_test_now_ms() < until);
    REQUIRE_INT(atomic_load(&server->served), due);
    REQUIRE_INT(info.conns, 0);
    struct lti_history_result result = stress_tale_judge(server->tale);
    /* Who left did not want the answer, and was sent none: so nothing is lost. */
    CHECK_INT(result.bytes, BATCH / WAYS * BYTES * 5);
    CHECK_INT(result.lost, 0);
}

/* The server's hub has no connection but those that were aborted and that it has yet to look at. */
static void server_settle(struct server *server)
{
    struct leat_hub_info info = {.size = sizeof info};
    CHECK_WITHIN(STRESS_SOON_MS,
                 leat_hub_info_get(server->hub, &info) == LEAT_OK && info.conns == 0);
}

TEST_TIMEOUT(stress_connect_close, 300)
{
    stress_begin();
    struct server server = {.tale = stress_tale_begin(1, (size_t)BATCH * 40), .hub = stress_hub()};
    struct leat_hub *hub = stress_hub();
    char name[64];
    leat_listener listener;
    (void)snprintf(name, sizeof name, "%s", stress_name("churn"));
    REQUIRE_ERROR(leat_listen(server.hub, name, NULL, &listener), LEAT_OK);
    struct stress_thread *thread = stress_thread_start(server_run, &server);
    for (int i = 0; i < 3; i++)
        batch(&server, hub, name);
    server_settle(&server);
    struct stress_use before = stress_use(hub);
    uint64_t least = stress_count(lti_test_on_wine() ? 3 : 20, 600), batches = 0;
    uint64_t least_ms = stress_full() ? MINUTE_MS : 0, took = 0;
    uint64_t began = lti_test_now_ms();
    while (batches < least || took < least_ms) {
        batch(&server, hub, name);
        batches++;
        took = lti_test_now_ms() - began;
    }
    server_settle(&server);
    struct stress_use after = stress_use(hub);
    stress_use_same(&before, &after);
    (void)printf("%llu connections in %llu ms\n", (unsigned long long)(batches * BATCH),
                 (unsigned long long)took);
    if (stress_full()) /* 1000 a second */
        CHECK(took <= lti_test_scaled_ms(batches * BATCH));
    atomic_store(&server.over, true);
    CHECK_ERROR(leat_wake(server.hub), LEAT_OK);
    stress_thread_join(thread);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(server.hub), LEAT_OK);
    stress_tale_end(server.tale);
    stress_end();
}
