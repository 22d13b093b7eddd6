/* SPDX-License-Identifier: MIT
 *
 * The processes of a soak: what each does all day.
 *
 * Happy path: the server serves; the client makes one storm after the other and a few connections
 *             to the victim; the pinger asks up to a thousand times a second how long an answer
 *             takes, and how long it takes without leat; the victim serves and dials until it is
 *             killed.
 * Fails:      a call that fails otherwise than leat.h says ends the process, which fails the soak.
 * Invariants: after the first tenth of the day, and at its end, the client has no connection and
 *             waits until the director has looked at what is in use.
 */
#include "soak.h"

#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VICTIM_CONNS 4u
#define VICTIM_GAP_MS 5u /* between two of its calls: it is not to be most of the load */
#define PING_BYTES 64u
#define TURN_MS 50u

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- The server ------------------------------------------------------------------------------ */

void soak_server_run(void *argument)
{
    static struct soak_party party;
    struct soak *soak = argument;
    struct leat_event event;
    soak_party_begin(&party, soak, SOAK_SERVER);
    (void)soak_party_listen(&party, "soak-messages", true);
    (void)soak_party_listen(&party, "soak-bytes", false);
    while (!atomic_load(&soak->over) || party.live > 0)
        (void)soak_party_turn(&party, TURN_MS, &event);
    soak_party_end(&party);
}

/* ---- The client ------------------------------------------------------------------------------ */

/* Slots of timers and of listeners are used as often as those of connections. */
static void storm_wait(struct soak_party *party, uint64_t storm)
{
    uint64_t due = party->soak->began_ms + storm * party->soak->storm_us / 1000;
    uint64_t now = lti_test_now_ms();
    struct leat_event event = {0};
    leat_timer timer;
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(party->hub, "again", NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_listener_close(party->hub, listener), LEAT_OK);
    uint32_t delay_ms = due > now ? (uint32_t)(due - now) : 0;
    REQUIRE_ERROR(leat_timer_start(party->hub, delay_ms, 0, &timer), LEAT_OK);
    while (event.type != LEAT_EVENT_TIMER)
        (void)soak_party_turn(party, TURN_MS, &event);
}

static void storm(struct soak_party *party)
{
    struct soak *soak = party->soak;
    struct leat_event event;
    for (uint32_t i = 0; i < SOAK_STORM; i++) {
        while (!soak_party_dial(party, "soak", i, false))
            (void)soak_party_turn(party, 1, &event);
    }
    for (uint32_t dials = 0; soak_party_dialled(party, false) > 0;) {
        for (uint32_t i = 0; i < SOAK_STORM && soak_party_turn(party, TURN_MS, &event); i++) {
        }
        if (dials < VICTIM_CONNS && atomic_load(&soak->victim_live) &&
            soak_party_dialled(party, true) < VICTIM_CONNS &&
            soak_party_dial(party, "victim", (uint32_t)party->done, true))
            dials++;
    }
    atomic_fetch_add(&soak->storms_done, 1);
}

static void client_settle(struct soak_party *party, uint32_t turn)
{
    struct leat_event event;
    soak_party_abort(party, true);
    while (party->live > 0)
        (void)soak_party_turn(party, TURN_MS, &event);
    atomic_store(&party->soak->settled, turn);
    while (atomic_load(&party->soak->go) < turn)
        (void)soak_party_turn(party, TURN_MS, &event);
}

void soak_client_run(void *argument)
{
    static struct soak_party party;
    struct soak *soak = argument;
    struct leat_event event;
    soak_party_begin(&party, soak, SOAK_CLIENT);
    for (uint64_t i = 0; i < soak->storms; i++) {
        storm_wait(&party, i);
        storm(&party);
        if (i + 1 == soak->storm_tenth)
            client_settle(&party, 1);
    }
    client_settle(&party, 2);
    while (!atomic_load(&soak->over))
        (void)soak_party_turn(&party, TURN_MS, &event);
    soak_party_end(&party);
}

/* ---- The pinger ------------------------------------------------------------------------------ */

struct pinger {
    struct soak_party party;
    leat_conn conn;
    uint64_t number; /* of the next ping */
    uint64_t second_ns;
    uint32_t took_us[SOAK_PINGED][SOAK_PINGS_MAX], count;
};

static void pinger_connect(struct pinger *pinger)
{
    const struct soak_hello hello = {.way = SOAK_PING};
    const struct leat_conn_options conn = {.size = sizeof conn, .protocol = LEAT_MESSAGES};
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .timeout_ms = SOAK_SOON_MS,
                                                 .absent = LEAT_ABSENT_WAIT,
                                                 .conn = &conn};
    struct leat_hub *hub = pinger->party.hub;
    REQUIRE_ERROR(leat_connect_wait(hub, "soak-messages", &options, &pinger->conn), LEAT_OK);
    struct lti_conn_stats *stats = &lti_hub_conn(hub, pinger->conn)->stats;
    stats->messages_received = stats->messages_sent = UINT32_MAX - 1000u;
    stats->bytes_received = stats->bytes_sent = UINT32_MAX - 1000u;
    stats->reads = stats->writes = UINT32_MAX - 1000u;
    REQUIRE_ERROR(leat_send(hub, pinger->conn, &hello, sizeof hello), LEAT_OK);
}

static void ping_took(struct pinger *pinger, enum soak_pinged pinged, uint64_t began_ns)
{
    uint64_t took_us = (now_ns() - began_ns) / 1000;
    if (pinger->count < SOAK_PINGS_MAX)
        pinger->took_us[pinged][pinger->count] =
            took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
}

/* What the machine alone needs for the same at the same time. */
static void ping_plain(struct pinger *pinger)
{
    int fd = pinger->party.soak->plain[0];
    char buffer[PING_BYTES] = {1};
    uint64_t began = now_ns();
    REQUIRE_INT(write(fd, buffer, sizeof buffer), sizeof buffer);
    REQUIRE_INT(read(fd, buffer, sizeof buffer), sizeof buffer);
    ping_took(pinger, SOAK_PLAIN, began);
    if (pinger->count < SOAK_PINGS_MAX)
        pinger->count++;
}

/* Until the first byte is 0. */
void soak_plain_run(void *argument)
{
    const struct soak *soak = argument;
    char buffer[PING_BYTES] = {1};
    while (buffer[0] != 0) {
        REQUIRE_INT(read(soak->plain[1], buffer, sizeof buffer), sizeof buffer);
        REQUIRE_INT(write(soak->plain[1], buffer, sizeof buffer), sizeof buffer);
    }
}

static void ping(struct pinger *pinger)
{
    struct leat_hub *hub = pinger->party.hub;
    const struct lti_history *content = pinger->party.soak->places[0].content;
    uint8_t buffer[PING_BYTES];
    size_t size = 0;
    lti_history_fill(content, 0, 0, pinger->number, 0, buffer, sizeof buffer);
    uint64_t began = now_ns();
    REQUIRE_ERROR(leat_send_wait(hub, pinger->conn, buffer, sizeof buffer, SOAK_SOON_MS), LEAT_OK);
    memset(buffer, 0, sizeof buffer);
    REQUIRE_ERROR(leat_receive_wait(hub, pinger->conn, buffer, sizeof buffer, SOAK_SOON_MS, &size),
                  LEAT_OK);
    REQUIRE_INT(size, sizeof buffer);
    REQUIRE(lti_history_wrong(content, 0, 0, pinger->number, 0, buffer, size) == LTI_HISTORY_NONE);
    pinger->number++;
    ping_took(pinger, SOAK_LEAT, began);
    atomic_store(&pinger->party.soak->pings, pinger->number);
}

static int took_order(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return (one > two) - (one < two);
}

static struct soak_latency latency_of(uint32_t *took_us, uint32_t count)
{
    qsort(took_us, count, sizeof took_us[0], took_order);
    return (struct soak_latency){.p50_us = took_us[(uint64_t)(count - 1) * 500 / 1000],
                                 .p99_us = took_us[(uint64_t)(count - 1) * 990 / 1000],
                                 .p999_us = took_us[(uint64_t)(count - 1) * 999 / 1000],
                                 .count = count};
}

static void pinger_publish(struct pinger *pinger)
{
    struct soak *soak = pinger->party.soak;
    if (now_ns() - pinger->second_ns < UINT64_C(1000000000) || pinger->count == 0)
        return;
    /* The director reads the other one, and has a second for it. */
    uint32_t turn = atomic_load(&soak->latency_turn) + 1;
    for (int i = 0; i < SOAK_PINGED; i++)
        soak->latency[turn % 2][i] = latency_of(pinger->took_us[i], pinger->count);
    atomic_store(&soak->latency_turn, turn);
    pinger->count = 0;
    pinger->second_ns = now_ns();
}

void soak_pinger_run(void *argument)
{
    static struct pinger pinger;
    struct soak *soak = argument;
    struct leat_event event;
    struct leat_conn_stats stats = {.size = sizeof stats};
    soak_party_begin(&pinger.party, soak, SOAK_PINGER);
    pinger_connect(&pinger);
    pinger.second_ns = now_ns();
    while (!atomic_load(&soak->over)) {
        ping(&pinger);
        ping_plain(&pinger);
        pinger_publish(&pinger);
        (void)soak_party_turn(&pinger.party, 1, &event); /* nothing comes: that is its pace */
    }
    static const char end[PING_BYTES];
    REQUIRE_INT(write(soak->plain[0], end, sizeof end), sizeof end);
    REQUIRE_ERROR(leat_conn_stats_get(pinger.party.hub, pinger.conn, &stats), LEAT_OK);
    soak->pings_counted = stats.messages_received;
    REQUIRE_ERROR(leat_close_wait(pinger.party.hub, pinger.conn, SOAK_SOON_MS, NULL), LEAT_OK);
    soak_party_end(&pinger.party);
}

/* ---- The victim ------------------------------------------------------------------------------ */

void soak_victim_run(void *argument)
{
    static struct soak_party party;
    struct soak *soak = argument;
    struct leat_event event;
    soak_party_begin(&party, soak, SOAK_VICTIM);
    (void)soak_party_listen(&party, "victim-messages", true);
    (void)soak_party_listen(&party, "victim-bytes", false);
    atomic_store(&soak->victim_live, 1);
    uint64_t dialled_ms = 0;
    while (!atomic_load(&soak->victim_stop)) {
        uint64_t now = lti_test_now_ms();
        if (now >= dialled_ms + VICTIM_GAP_MS && soak_party_dialled(&party, true) < VICTIM_CONNS &&
            soak_party_dial(&party, "soak", (uint32_t)party.done, false))
            dialled_ms = now;
        if (soak_party_turn(&party, VICTIM_GAP_MS, &event))
            atomic_fetch_add(&soak->victim_events, 1);
        atomic_store(&soak->victim_conns, party.live);
    }
    soak_party_abort(&party, false);
    while (party.live > 0)
        (void)soak_party_turn(&party, TURN_MS, &event);
    soak_party_end(&party);
}
