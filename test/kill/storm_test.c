/* SPDX-License-Identifier: MIT
 *
 * A storm of signals: each thread gets a thousand a second, whose handler does not restart calls.
 *
 * Happy path: every call that the library makes may be cut short, and nobody notices.
 * Fails:      nothing may.
 * Invariants: it goes on until each thread has got as many signals as it must; a call that a signal
 *             cut short is not shown to the library's user.
 */
#include "kill.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STORM_CLIENTS 3u
#define STORM_THREADS (STORM_CLIENTS + 1u)
#define STORM_PERIOD_NS 1000000
#define STORM_SIGNALS 300u
#define STORM_SIGNALS_DEEP 5000u
#define STORM_BYTES 100000u
#define STORM_ROUNDS_MAX 100000u

/* Written by the handler, which may use nothing else. */
static _Thread_local atomic_uint storm_signals;
static atomic_uint storm_clients; /* that are not done yet */
static const char *storm_path;

static void storm_handler(int signal)
{
    (void)signal;
    atomic_fetch_add(&storm_signals, 1);
}

static uint32_t storm_enough(void)
{
    return getenv("LEAT_DEEP") ? STORM_SIGNALS_DEEP : STORM_SIGNALS;
}

static timer_t storm_begin(void)
{
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    const struct itimerspec every = {{0, STORM_PERIOD_NS}, {0, STORM_PERIOD_NS}};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &every, NULL) == 0);
    return timer;
}

static const struct leat_conn_options storm_options = {.size = sizeof storm_options,
                                                       .protocol = LEAT_MESSAGES};

/* Connects, sends, gets the same back, closes; again and again. */
static void *storm_client(void *argument)
{
    uint8_t *bytes = malloc(STORM_BYTES), *back = malloc(STORM_BYTES);
    struct leat_hub *hub = NULL;
    const struct leat_connect_options connect = {
        .size = sizeof connect, .timeout_ms = KILL_PATIENCE_MS, .conn = &storm_options};
    (void)argument;
    REQUIRE(bytes != NULL && back != NULL);
    timer_t timer = storm_begin();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (uint32_t i = 0; i < STORM_ROUNDS_MAX && atomic_load(&storm_signals) < storm_enough();
         i++) {
        leat_conn conn;
        size_t size = 0;
        uint64_t undelivered = 0;
        memset(bytes, (int)i, STORM_BYTES);
        REQUIRE_ERROR(leat_connect_wait(hub, storm_path, &connect, &conn), LEAT_OK);
        for (uint32_t k = 0; k < 3; k++)
            REQUIRE_ERROR(leat_send_wait(hub, conn, bytes, STORM_BYTES - k, KILL_PATIENCE_MS),
                          LEAT_OK);
        for (uint32_t k = 0; k < 3; k++) {
            REQUIRE_ERROR(leat_receive_wait(hub, conn, back, STORM_BYTES, KILL_PATIENCE_MS, &size),
                          LEAT_OK);
            REQUIRE(size == STORM_BYTES - k && memcmp(bytes, back, size) == 0);
        }
        REQUIRE_ERROR(leat_close_wait(hub, conn, KILL_PATIENCE_MS, &undelivered), LEAT_OK);
    }
    CHECK(atomic_load(&storm_signals) >= storm_enough());
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    (void)timer_delete(timer);
    free(bytes);
    free(back);
    atomic_fetch_sub(&storm_clients, 1);
    return NULL;
}

/* Gives back what it gets, as far as there is room; the rest stays where it is until then. */
static void storm_echo(struct leat_hub *hub, leat_conn conn)
{
    const void *data;
    size_t size = 0;
    while (leat_view(hub, conn, &data, &size) == LEAT_OK) {
        enum leat_error error = leat_send(hub, conn, data, size);
        CHECK(error == LEAT_OK || error == LEAT_E_FULL);
        CHECK_ERROR(leat_release(hub, conn), LEAT_OK);
        REQUIRE_ERROR(error, LEAT_OK); /* the outbox takes all that one sends before it reads */
    }
}

static void *storm_server(void *argument)
{
    struct leat_hub *hub = argument;
    struct leat_event event;
    timer_t timer = storm_begin();
    while (atomic_load(&storm_clients) > 0 || atomic_load(&storm_signals) < storm_enough()) {
        enum leat_error error = leat_next(hub, &event, 100);
        if (error == LEAT_E_TIMEOUT)
            continue;
        REQUIRE_ERROR(error, LEAT_OK);
        if (event.type == LEAT_EVENT_READABLE)
            storm_echo(hub, event.conn);
        CHECK(event.type != LEAT_EVENT_LISTEN_ERROR);
        CHECK(event.type != LEAT_EVENT_CLOSED || event.error == LEAT_E_CLOSED);
    }
    (void)timer_delete(timer);
    return NULL;
}

TEST_TIMEOUT(storm_of_signals_on_every_thread, 300)
{
    pthread_t threads[STORM_THREADS];
    struct leat_hub *hub = NULL;
    leat_listener listener;
    struct leat_conn_options options = storm_options;
    options.outbox_bytes = 4 * STORM_BYTES;
    const struct leat_listen_options listen = {.size = sizeof listen, .conn = &options};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = storm_handler; /* without SA_RESTART */
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    storm_path = kill_path();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, storm_path, &listen, &listener), LEAT_OK);
    atomic_store(&storm_clients, STORM_CLIENTS);
    for (uint32_t i = 0; i < STORM_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i == 0 ? storm_server : storm_client, hub) == 0);
    for (uint32_t i = 0; i < STORM_THREADS; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    CHECK(kill_folder_is_empty());
}
