/* SPDX-License-Identifier: MIT
 *
 * How a protocol of your own is tested on the simulated machine (leat/sim.h, experimental).
 *
 * The protocol: a client sends "add N", with its number and that of the request; the server answers
 * with the client's total. A connection may break at any moment, so a client asks again on another
 * one; the server must not add twice. The test: for each seed, clients that drop connections before
 * the answer comes, under faults; each total must be right, and nothing may be left open.
 *
 * usage: simulated_posix [SEEDS [FIRST]] [--defect] [--trace]
 * With --defect the server forgets what it has answered: the test must find that.
 */
#include <leat/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4, REQUESTS = 30, CALLS_MAX = 2000000 };
#define NAME "unix:/tmp/adder"

struct request {
    uint32_t client, number, amount;
};
struct answer {
    uint32_t number, total;
};

/* ---- The protocol: code that would ship -------------------------------------------------------*/

struct account {
    uint32_t last, total; /* the request that was answered last */
};
struct server {
    struct account accounts[CLIENTS];
    bool forgets; /* the defect */
};

/* Both ends are programs of one machine, so numbers go as they are in memory. */
static void serve(struct server *server, struct leat_hub *hub, leat_conn conn)
{
    struct request request;
    size_t size;
    if (leat_receive(hub, conn, &request, sizeof request, &size) != LEAT_OK)
        return;
    if (size != sizeof request || request.client >= CLIENTS) {
        (void)leat_abort(hub, conn);
        return;
    }
    struct account *account = &server->accounts[request.client];
    if (request.number < account->last) { /* of a connection that was given up long ago */
        (void)leat_abort(hub, conn);
        return;
    }
    if (request.number > account->last || server->forgets)
        account->total += request.amount;
    account->last = request.number;
    const struct answer answer = {request.number, account->total};
    if (leat_send(hub, conn, &answer, sizeof answer) != LEAT_OK)
        (void)leat_abort(hub, conn); /* it asks again */
}

/* One try on a connection of its own. Gives up after the request when it is told to. */
static bool ask(struct leat_hub *hub, const struct request *request, bool drops,
                struct answer *answer)
{
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct leat_connect_options options = {
        .size = sizeof options, .conn = &messages, .timeout_ms = 2000};
    leat_conn conn;
    size_t size = 0;
    if (leat_connect_wait(hub, NAME, &options, &conn) != LEAT_OK)
        return false;
    enum leat_error error = leat_send(hub, conn, request, sizeof *request);
    if (error == LEAT_OK && drops)
        error = leat_wait_sent(hub, conn, 1000) == LEAT_OK ? LEAT_E_CLOSED : LEAT_E_TIMEOUT;
    if (error == LEAT_OK)
        error = leat_receive_wait(hub, conn, answer, sizeof *answer, 2000, &size);
    (void)leat_abort(hub, conn);
    return error == LEAT_OK && size == sizeof *answer && answer->number == request->number;
}

/* ---- The test: a process for each of them -----------------------------------------------------*/

static struct {
    struct server server;
    uint32_t sent[CLIENTS], number[CLIENTS]; /* what must be the total; which process it is */
    uint32_t running;
    uint64_t seed;
    const char *wrong;
} test;

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % below;
}

static void wrong(const char *what)
{
    test.wrong = test.wrong ? test.wrong : what;
    leat_sim_stop();
}

static void server_main(void *argument)
{
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct leat_listen_options options = {.size = sizeof options, .conn = &messages};
    struct leat_event event;
    struct leat_hub *hub;
    leat_listener listener;
    if (leat_hub_create(NULL, &hub) != LEAT_OK ||
        leat_listen(hub, NAME, &options, &listener) != LEAT_OK)
        wrong("the server cannot listen");
    while (test.running > 0) {
        enum leat_error error = leat_next(hub, &event, 50);
        if (error == LEAT_OK && event.type == LEAT_EVENT_READABLE)
            serve(argument, hub, event.conn);
    }
    (void)leat_hub_destroy(hub);
}

static void client_main(void *argument)
{
    uint32_t client = *(const uint32_t *)argument;
    uint64_t random = test.seed * CLIENTS + client;
    struct leat_hub *hub;
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        wrong("a client has no hub");
    for (uint32_t i = 1; i <= REQUESTS; i++) {
        const struct request request = {client, i, 1 + draw(&random, 100)};
        struct answer answer = {0, 0};
        uint32_t tries = 0;
        while (!ask(hub, &request, draw(&random, 4) == 0, &answer)) {
            if (++tries == 50)
                wrong("a client never gets its answer");
            leat_sim_sleep(draw(&random, 20));
        }
        test.sent[client] += request.amount;
        if (answer.total != test.sent[client])
            wrong("an answer has the wrong total");
    }
    (void)leat_hub_destroy(hub);
    test.running--;
}

static bool run_seed(uint64_t seed, bool defect)
{
    static const uint32_t names[CLIENTS] = {0, 1, 2, 3};
    struct leat_sim_faults faults = {.size = sizeof faults};
    struct leat_sim_options options = {.size = sizeof options, .seed = seed, .faults = &faults};
    uint64_t random = seed;
    memset(&test, 0, sizeof test);
    test.seed = seed;
    test.server.forgets = defect;
    faults.short_read = faults.short_write = draw(&random, 2) * 100000;
    faults.interrupt = faults.again = draw(&random, 2) * 10000;
    faults.wrong_event = faults.delay = draw(&random, 2) * 100000;
    options.schedule = (enum leat_sim_schedule)draw(&random, 3);
    leat_sim_begin(&options);
    (void)leat_sim_spawn("server", server_main, &test.server);
    for (test.running = 0; test.running < CLIENTS; test.running++)
        test.number[test.running] =
            leat_sim_spawn("client", client_main, (void *)(uintptr_t)&names[test.running]);
    enum leat_sim_result result = leat_sim_run(CALLS_MAX);
    if (result == LEAT_SIM_LIMIT || result == LEAT_SIM_DEADLOCK)
        test.wrong = result == LEAT_SIM_LIMIT ? "it never ends" : "all wait for each other";
    for (uint32_t i = 0; i < CLIENTS && !test.wrong; i++) {
        struct leat_sim_process_info info = {.size = sizeof info};
        leat_sim_process_info_get(test.number[i], &info);
        if (info.descriptors != 0 || info.allocations != 0)
            test.wrong = "a client has left something open";
    }
    if (test.wrong)
        printf("seed %llu, after %llu ms: %s\n", (unsigned long long)seed,
               (unsigned long long)(leat_sim_now() / 1000000), test.wrong);
    leat_sim_end();
    return !test.wrong;
}

int main(int argc, char **argv)
{
    uint64_t numbers[2] = {100, 1}, count = 0, failed = 0;
    bool defect = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--defect") == 0)
            defect = true;
        else if (strcmp(argv[i], "--trace") == 0)
            leat_sim_trace(true);
        else if (count < 2)
            numbers[count++] = strtoull(argv[i], NULL, 10);
    }
    for (uint64_t seed = numbers[1]; seed < numbers[1] + numbers[0]; seed++)
        failed += !run_seed(seed, defect);
    printf("%llu passed, %llu failed\n", (unsigned long long)(numbers[0] - failed),
           (unsigned long long)failed);
    return failed > 0;
}
