/* SPDX-License-Identifier: MIT
 *
 * The Windows port and a system that fails at one call: instances that lose their clients as fast
 * as they are made, pairs, and the threads of a synchronous handle and of a foreign loop.
 */
#include "access.h"
#include "port_windows.h"

#include "harness.h"
#include "port_calls_nt.h"
#include "sync_pipe.h"

#include <stdio.h>
#include <string.h>

#define TURNS_MAX 2000
#define TURN_NS INT64_C(5000000)

static struct lti_access same = {.who = LEAT_WHO_SAME_USER};

/* ---- Instances ------------------------------------------------------------------------------- */

/* A listener with two places, each of which a client has come to. */
struct pool {
    struct lti_port *port;
    struct lti_link listener, clients[2], servers[2];
    struct lti_claim claim;
    struct lti_address address;
};

static void pool_open(struct pool *pool)
{
    struct os_code code;
    const struct lti_listen listen = {.access = &same, .backlog = 2};
    struct lti_done done[LTI_DONE_MAX];
    const char *reason;
    char name[64];
    memset(pool, 0, sizeof *pool);
    lti_link_init(&pool->listener);
    (void)snprintf(name, sizeof name, "pool-%llu", (unsigned long long)lti_os_now_ns());
    REQUIRE_ERROR(lti_port_create(&pool->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_resolve(name, true, &pool->address, &reason, &code), LEAT_OK);
    REQUIRE_ERROR(
        lti_port_listen(pool->port, &pool->listener, &pool->claim, &pool->address, &listen, &code),
        LEAT_OK);
    for (uint64_t i = 0; i < 2; i++) {
        lti_link_init(&pool->clients[i]);
        lti_link_init(&pool->servers[i]);
        pool->clients[i].cookie = 1 + i;
        pool->servers[i].cookie = 3 + i;
        REQUIRE_ERROR(
            lti_port_connect(pool->port, &pool->clients[i], &pool->address, &same, false, &code),
            LEAT_OK);
    }
    const struct lti_nt_listener *listener = pool->listener.state;
    for (int turn = 0; turn < TURNS_MAX && (listener->instances[0]->state != LTI_NT_CONNECTED ||
                                            listener->instances[1]->state != LTI_NT_CONNECTED);
         turn++) {
        int count = lti_port_prepare(pool->port, done);
        if (count == 0)
            count = lti_port_wait(pool->port, done, TURN_NS, &code);
        REQUIRE(count >= 0);
        for (int i = 0; i < count; i++) {
            struct lti_link *link =
                done[i].cookie == 0 ? &pool->listener : &pool->clients[done[i].cookie - 1];
            (void)lti_port_take(pool->port, link, &done[i]);
        }
    }
    REQUIRE(listener->instances[0]->state == LTI_NT_CONNECTED);
    REQUIRE(listener->instances[1]->state == LTI_NT_CONNECTED);
}

static void pool_close(struct pool *pool)
{
    for (int i = 0; i < 2; i++) {
        CHECK(lti_port_end(pool->port, &pool->clients[i], NULL, NULL, false));
        CHECK(lti_port_end(pool->port, &pool->servers[i], NULL, NULL, false));
    }
    CHECK(lti_port_end(pool->port, &pool->listener, &pool->claim, &pool->address, false));
    CHECK(lti_port_destroy(pool->port));
}

/* Clients come and go at one place as fast as instances are made for it: the client at the other
 * one is accepted, and the place is looked after again soon, though no completion will tell. */
TEST(port_windows_answers_of_a_place_that_keeps_no_client)
{
    struct pool pool;
    struct os_code code;
    bool more = false;
    const int64_t lost = lti_os_fail(LTI_OS_PIPE, 232);
    pool_open(&pool);
    const struct lti_nt_listener *listener = pool.listener.state;
    lti_nt_answer("pipe_listen", 1, 1, lost);
    REQUIRE_ERROR(lti_port_accept(pool.port, &pool.listener, &pool.servers[0], &same,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
    CHECK(more); /* the second client waits */
    CHECK_INT(lti_nt_answers_left(), 0);
    lti_nt_answer("pipe_listen", 1, 18, lost); /* as many as are tried */
    REQUIRE_ERROR(lti_port_accept(pool.port, &pool.listener, &pool.servers[1], &same,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK(more);
    /* The one is still without, and the other one waits for a client. */
    CHECK((listener->instances[0]->state == LTI_NT_LOST) !=
          (listener->instances[1]->state == LTI_NT_LOST));
    struct lti_link none;
    lti_link_init(&none);
    CHECK_ERROR(
        lti_port_accept(pool.port, &pool.listener, &none, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_EMPTY);
    CHECK(!more);
    CHECK_INT(listener->instances[0]->state, LTI_NT_ARMED);
    CHECK_INT(listener->instances[1]->state, LTI_NT_ARMED);
    pool_close(&pool);
}

/* While a connection of a listener that is gone holds the name, we may come back to it, and another
 * one may come to it meanwhile: then it is his. */
TEST(port_windows_answers_of_a_name_that_others_came_to)
{
    struct pool pool;
    struct os_code code;
    const struct lti_listen listen = {.access = &same, .backlog = 2};
    bool more = false;
    pool_open(&pool);
    REQUIRE_ERROR(lti_port_accept(pool.port, &pool.listener, &pool.servers[0], &same,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
    const struct lti_nt_stream *stream = pool.servers[0].state;
    CHECK(lti_port_end(pool.port, &pool.listener, &pool.claim, &pool.address, false));
    intptr_t other =
        (intptr_t)lti_os_pipe_create(stream->family->name, 0, UINT32_MAX, LTI_NT_QUOTA, NULL);
    REQUIRE(other > 0);
    for (int turn = 0; turn < 2; turn++) {
        lti_link_init(&pool.listener);
        CHECK_ERROR(
            lti_port_listen(pool.port, &pool.listener, &pool.claim, &pool.address, &listen, &code),
            turn ? LEAT_OK : LEAT_E_IN_USE);
        if (turn == 0)
            CHECK_INT(lti_os_handle_close(other), 0);
    }
    pool_close(&pool);
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

/* A system without pipes says so; what no system says of a name that nobody can know is SYSTEM. */
TEST(port_windows_answers_of_a_pair)
{
    static const struct {
        enum lti_os_kind kind;
        enum leat_error error;
    } rows[] = {{LTI_OS_UNSUPPORTED, LEAT_E_UNSUPPORTED}, {LTI_OS_MEMORY, LEAT_E_MEMORY},
                {LTI_OS_DESCRIPTORS, LEAT_E_LIMIT},       {LTI_OS_ACCESS, LEAT_E_DENIED},
                {LTI_OS_IN_USE, LEAT_E_SYSTEM},           {LTI_OS_BUSY, LEAT_E_SYSTEM}};
    struct os_code code;
    intptr_t handles[2] = {-7, -7};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lti_nt_answer("pipe_create", 1, 1, lti_os_fail(rows[i].kind, 1));
        CHECK_ERROR(lti_port_pair(false, handles, &code), rows[i].error);
        CHECK_INT(lti_nt_answers_left(), 0);
    }
    CHECK(handles[0] == -7 && handles[1] == -7);
}

/* ---- Reading for several --------------------------------------------------------------------- */

/* Reads are under way by themselves: there is no backend, and asking for its reads does nothing. */
TEST(port_windows_answers_of_a_backend)
{
    struct pool pool;
    struct os_code code;
    bool more = false;
    pool_open(&pool);
    REQUIRE_ERROR(lti_port_accept(pool.port, &pool.listener, &pool.servers[0], &same,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
    const uint32_t outstanding = pool.port->outstanding;
    for (int ring = 0; ring < 2; ring++)
        CHECK_ERROR(lti_port_backend(pool.port, ring, &code), LEAT_E_UNSUPPORTED);
    lti_nt_answer("pipe_read", 1, 1, lti_os_fail(LTI_OS_OTHER, 1)); /* nobody is to read */
    lti_port_read_soon(pool.port, &pool.servers[0]);
    lti_port_read_ahead(pool.port);
    CHECK_INT(lti_nt_answers_left(), 1);
    CHECK_INT(pool.port->outstanding, outstanding);
    lti_nt_answer("", 1, 0, 0);
    REQUIRE_ERROR(lti_port_accept(pool.port, &pool.listener, &pool.servers[1], &same,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
    pool_close(&pool);
}

/* ---- The thread of a synchronous handle ------------------------------------------------------ */

/* It has closed the handle: what was under way and what is asked afterwards says why. */
TEST(port_windows_answers_of_a_thread_that_cannot_wait)
{
    const struct lti_sync_kind kind = {.quota = 4096};
    struct os_code code;
    struct lti_port *port = NULL;
    struct lti_link link;
    struct lti_done done[LTI_DONE_MAX];
    intptr_t handles[2];
    char name[64], byte;
    bool over = false;
    size_t written = 77;
    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\sync-%llu",
                   (unsigned long long)lti_os_now_ns());
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    REQUIRE(lti_sync_pipe(name, kind, handles));
    lti_link_init(&link);
    lti_nt_answer("signal_wait", 1, 1, lti_os_fail(LTI_OS_ACCESS, 5));
    REQUIRE_ERROR(lti_port_adopt(port, &link, handles[0], false, false, &code), LEAT_OK);
    struct lti_nt_sync *sync = ((struct lti_nt_stream *)link.state)->sync;
    for (int turn = 0; turn < TURNS_MAX && !lti_nt_sync_gone(sync); turn++) {
        int count = lti_port_prepare(port, done);
        if (count == 0)
            count = lti_port_wait(port, done, TURN_NS, &code);
        REQUIRE(count >= 0);
        for (int i = 0; i < count; i++)
            (void)lti_port_take(port, &link, &done[i]);
    }
    REQUIRE(lti_nt_sync_gone(sync));
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK(lti_nt_sync_read(sync, &byte, 1) == lti_os_fail(LTI_OS_OTHER, 5));
    CHECK_ERROR(lti_port_write_start(port, &link, "x", 1, &over, &written, &code), LEAT_E_SYSTEM);
    CHECK_INT(code.raw, 5);
    CHECK(!over && written == 0);
    lti_sync_shut(handles[1]);
    CHECK(lti_port_end(port, &link, NULL, NULL, false));
    CHECK(lti_port_destroy(port));
}

/* ---- The thread of a foreign loop ------------------------------------------------------------ */

/* What it has when it is stopped is that the queue failed: nothing is in that to be taken. */
TEST(port_windows_answers_of_a_queue_that_fails_a_foreign_loop)
{
    struct os_code code;
    struct lti_port *port = NULL;
    intptr_t waitable = -7;
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    lti_nt_answer("queue_wait", 1, 1, lti_os_fail(LTI_OS_OTHER, 1));
    REQUIRE_ERROR(lti_port_waitable(port, &waitable, &code), LEAT_OK);
    CHECK(lti_os_signal_wait(waitable, INT64_C(1000000000)) >= 0);
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK(lti_port_destroy(port));
}

/* A thread that cannot be waited for may still use what it was given: that stays. */
TEST(port_windows_answers_of_a_thread_that_cannot_be_joined)
{
    struct os_code code;
    struct lti_port *port = NULL;
    intptr_t waitable = -7;
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_waitable(port, &waitable, &code), LEAT_OK);
    lti_nt_answer("thread_join", 1, 1, lti_os_fail(LTI_OS_OTHER, 6));
    CHECK(!lti_port_destroy(port));
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK_INT(lti_port_threads(port), 1);
    CHECK(lti_port_destroy(port));
}
