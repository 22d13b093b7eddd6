/* SPDX-License-Identifier: MIT
 *
 * sim_hours [--seconds S] [--each] [--at-least HOURS]: how much virtual time the simulated machine
 * does in a minute of processor time, with 200 connections and 10 messages a second: of all of them
 * together, or with --each of each.
 *
 * Happy path: eight clients with 25 connections each send numbered messages to one server, in
 *             turns; the server checks each number; processor time over virtual time is the figure.
 * Fails:      a message that is wrong, lost or late; a figure below what was asked for.
 * Invariants: no real time decides anything but the figure; the machine's clock is the messages'.
 */
#include "leat/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME "unix:/tmp/hours"
#define CLIENTS 8u
#define CONNS_EACH 25u
#define CONNS (CLIENTS * CONNS_EACH)
#define RATE 10u

struct letter {
    uint32_t client, conn;
    uint64_t number, sent_ns;
    uint8_t rest[40];
};

static struct {
    uint64_t until_ns, sent, received, latest_ns, next[CLIENTS][CONNS_EACH];
    uint32_t running, each;
    const char *wrong;
} hours;

static void wrong(const char *what)
{
    hours.wrong = hours.wrong ? hours.wrong : what;
    leat_sim_stop();
}

static void check(enum leat_error error)
{
    if (error != LEAT_OK)
        wrong(leat_error_name(error));
}

static void take(const struct letter *letter, size_t size)
{
    if (size != sizeof *letter || letter->client >= CLIENTS || letter->conn >= CONNS_EACH)
        wrong("a message is not what was sent");
    if (hours.next[letter->client][letter->conn]++ != letter->number)
        wrong("a message is lost or comes twice");
    uint64_t took_ns = leat_sim_now() - letter->sent_ns;
    hours.latest_ns = took_ns > hours.latest_ns ? took_ns : hours.latest_ns;
    hours.received++;
}

static void server_main(void *argument)
{
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct leat_listen_options options = {
        .size = sizeof options, .conn = &messages, .conns_max = CONNS};
    struct leat_hub *hub;
    struct leat_event event;
    leat_listener listener;
    (void)argument;
    check(leat_hub_create(NULL, &hub));
    check(leat_listen(hub, NAME, &options, &listener));
    while (hours.running > 0 || hours.received < hours.sent) {
        enum leat_error error = leat_next(hub, &event, 1000);
        if (error == LEAT_E_TIMEOUT)
            continue;
        check(error);
        struct letter letter;
        size_t size;
        while (event.type == LEAT_EVENT_READABLE &&
               leat_receive(hub, event.conn, &letter, sizeof letter, &size) == LEAT_OK)
            take(&letter, size);
    }
    check(leat_hub_destroy(hub));
}

/* Until then, or a little later: sends nothing. */
static void client_wait(struct leat_hub *hub, uint64_t until_ns)
{
    struct leat_event event;
    for (uint64_t now_ns = leat_sim_now(); now_ns < until_ns; now_ns = leat_sim_now()) {
        enum leat_error error =
            leat_next(hub, &event, (uint32_t)((until_ns - now_ns + 999999) / 1000000));
        if (error != LEAT_OK && error != LEAT_E_TIMEOUT)
            check(error);
    }
}

static void client_main(void *argument)
{
    uint32_t client = *(const uint32_t *)argument;
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct leat_connect_options options = {.size = sizeof options, .conn = &messages};
    struct leat_hub *hub;
    leat_conn conns[CONNS_EACH];
    struct letter letter = {.client = client};
    check(leat_hub_create(NULL, &hub));
    leat_sim_sleep(10); /* the server listens */
    for (uint32_t i = 0; i < CONNS_EACH; i++)
        check(leat_connect_wait(hub, NAME, &options, &conns[i]));
    /* Of each connection ten a second; or of all together, which is one here in 0.8 s. */
    uint64_t step_ns =
        hours.each ? UINT64_C(1000000000) / RATE : UINT64_C(1000000000) * CLIENTS / RATE;
    uint64_t next_ns = leat_sim_now() + step_ns * client / CLIENTS;
    for (uint64_t turn = 0; next_ns < hours.until_ns; turn++, next_ns += step_ns) {
        client_wait(hub, next_ns);
        uint32_t from = hours.each ? 0 : (uint32_t)(turn % CONNS_EACH);
        uint32_t to = hours.each ? CONNS_EACH : from + 1;
        for (letter.conn = from; letter.conn < to; letter.conn++) {
            letter.number = hours.each ? turn : turn / CONNS_EACH;
            letter.sent_ns = leat_sim_now();
            check(leat_send(hub, conns[letter.conn], &letter, sizeof letter));
            hours.sent++;
        }
    }
    check(leat_hub_destroy(hub));
    hours.running--;
}

static void run(uint64_t seconds)
{
    static const uint32_t numbers[CLIENTS] = {0, 1, 2, 3, 4, 5, 6, 7};
    hours.until_ns = seconds * UINT64_C(1000000000);
    leat_sim_begin(NULL);
    (void)leat_sim_spawn("server", server_main, NULL);
    for (hours.running = 0; hours.running < CLIENTS; hours.running++)
        (void)leat_sim_spawn("client", client_main, (void *)(uintptr_t)&numbers[hours.running]);
    enum leat_sim_result result = leat_sim_run(UINT64_MAX / 2);
    if (!hours.wrong && result != LEAT_SIM_DONE)
        hours.wrong = "it did not come to its end";
    if (!hours.wrong && hours.received != hours.sent)
        hours.wrong = "not every message came";
    if (!hours.wrong && hours.sent + CONNS < seconds * RATE * (hours.each ? CONNS : 1))
        hours.wrong = "too few messages were sent";
}

int main(int argc, char **argv)
{
    uint64_t seconds = 36000;
    double at_least = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--each") == 0)
            hours.each = 1;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--at-least") == 0 && i + 1 < argc)
            at_least = strtod(argv[++i], NULL);
        else
            return 2;
    }
    clock_t began = clock();
    run(seconds);
    double cpu = (double)(clock() - began) / CLOCKS_PER_SEC;
    double simulated = (double)leat_sim_now() / 1e9, figure = simulated / 60 / cpu;
    (void)printf("%u connections, %u messages a second%s, for %.2f simulated hours: %llu messages, "
                 "the slowest in %.3f ms, %llu system calls, %.1f s of processor time\n"
                 "%.1f simulated hours in a minute of processor time\n",
                 CONNS, RATE, hours.each ? " on each" : "", simulated / 3600,
                 (unsigned long long)hours.received, (double)hours.latest_ns / 1e6,
                 (unsigned long long)leat_sim_calls(), cpu, figure);
    leat_sim_end();
    if (!hours.wrong && figure < at_least)
        hours.wrong = "fewer than asked for";
    if (hours.wrong)
        (void)printf("FAIL %s\n", hours.wrong);
    (void)printf("%d passed, %d failed\n", !hours.wrong, hours.wrong != NULL);
    return hours.wrong != NULL;
}
