/* SPDX-License-Identifier: MIT
 *
 * Raw bytes into a live server: four raw clients do what they like, and an honest one beside them
 * gets every answer.
 *
 * Input: a byte of choices (its lowest two bits the protocol; 4: everybody is asked about; 8: small
 * boxes and a small pipe below them), two bytes that choose what the server does, then acts: a byte
 * (its lowest three bits what, the next two who) and what the act wants.
 */
#include "conformance/kit.h"
#include "fuzz.h"
#include "os_sim/sim.h"

#include <string.h>

#define CLIENTS 4u
#define CONNS_MAX 64u
#define ACTS_MAX 300u
#define ROUNDS_MAX 100000u
#define BLOCK_BYTES 70000u
#define ANSWER_MS 5000u

enum act { ACT_CONNECT, ACT_SEND, ACT_SEND_MORE, ACT_HELLO, ACT_FINISH, ACT_CLOSE, ACT_PASS };

struct client {
    int fd; /* -1: none */
    bool finished;
};

struct server {
    struct leat_conn_options options;
    struct leat_hub *hub, *honest_hub;
    leat_listener listener;
    leat_conn honest, conns[CONNS_MAX]; /* id 0: none */
    struct client clients[CLIENTS];
    struct prng moods;
    uint32_t count;
};

static uint8_t block[BLOCK_BYTES];

/* ---- The server ------------------------------------------------------------------------------ */

static leat_conn *conn_find(struct server *server, leat_conn conn)
{
    for (uint32_t i = 0; i < server->count; i++)
        if (server->conns[i].id == conn.id)
            return &server->conns[i];
    return NULL;
}

/* Gives back what was said, if there is room; nobody here waits for a peer that does not read. */
static void conn_echo(struct server *server, leat_conn conn)
{
    size_t size = 0, accepted = 0;
    enum leat_error error;
    if (server->options.protocol == LEAT_BYTES) {
        error = leat_read(server->hub, conn, block, 1 + prng_below(&server->moods, 5000), &size);
        if (error == LEAT_OK)
            error = leat_write(server->hub, conn, block, size, &accepted);
    } else {
        error = leat_receive(server->hub, conn, block, sizeof block, &size);
        if (error == LEAT_OK)
            error = leat_send(server->hub, conn, block, size);
    }
    CHECK(error == LEAT_OK || error == LEAT_E_FULL || error == LEAT_E_BROKEN ||
          error == LEAT_E_CLOSED || error == LEAT_E_PROTOCOL || error == LEAT_E_TOO_BIG ||
          error == LEAT_E_TIMEOUT || error == LEAT_E_BUSY || error == LEAT_E_DENIED);
}

static void conn_new(struct server *server, const struct leat_event *event)
{
    REQUIRE(event->listener.id == server->listener.id && event->conn.id != 0);
    if (event->type == LEAT_EVENT_ASKED) {
        REQUIRE(conn_find(server, event->conn) == NULL);
        enum leat_error error = prng_below(&server->moods, 4) == 0 && server->count > 0
                                    ? leat_refuse(server->hub, event->conn)
                                    : leat_allow(server->hub, event->conn);
        CHECK_ERROR(error, LEAT_OK);
        return;
    }
    REQUIRE(conn_find(server, event->conn) == NULL && server->count < CONNS_MAX);
    server->conns[server->count++] = event->conn;
}

static void event_take(struct server *server, const struct leat_event *event)
{
    leat_conn *conn = conn_find(server, event->conn);
    switch (event->type) {
    case LEAT_EVENT_ACCEPTED:
    case LEAT_EVENT_ASKED:
        conn_new(server, event);
        break;
    case LEAT_EVENT_READABLE:
        REQUIRE(conn != NULL);
        conn_echo(server, event->conn);
        break;
    case LEAT_EVENT_FINISHED:
    case LEAT_EVENT_HANGUP:
    case LEAT_EVENT_WRITABLE:
        REQUIRE(conn != NULL);
        break;
    case LEAT_EVENT_CLOSED: /* one that was asked about may end before it was let in */
        REQUIRE(conn != NULL || (server->options.protocol != 0 && event->error != LEAT_OK));
        if (conn != NULL)
            *conn = server->conns[--server->count];
        break;
    default: /* nothing that a client can do keeps the server from accepting */
        REQUIRE(event->type == LEAT_EVENT_CLOSED);
    }
}

static void serve(struct server *server, uint32_t timeout_ms)
{
    struct leat_event event;
    enum leat_error error = LEAT_OK;
    for (uint32_t i = 0; i < ROUNDS_MAX && error == LEAT_OK; i++) {
        error = leat_next(server->hub, &event, timeout_ms);
        timeout_ms = 0;
        if (error == LEAT_OK)
            event_take(server, &event);
    }
    CHECK_ERROR(error, LEAT_E_TIMEOUT);
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void client_close(struct client *client)
{
    if (client->fd >= 0)
        kit_raw_close(client->fd);
    *client = (struct client){.fd = -1};
}

static void client_act(struct server *server, struct client *client, enum act act,
                       struct fuzz_input *input)
{
    bool packets = server->options.protocol == LEAT_PACKETS;
    struct fuzz_input part = {kit_hello, sizeof kit_hello};
    const char *name = kit_plain("server");
    if (act == ACT_CONNECT) {
        client_close(client);
        serve(server, 0);
        client->fd = packets ? kit_raw_connect_packets(name) : kit_raw_connect(name);
        return;
    }
    if (act == ACT_SEND || act == ACT_SEND_MORE)
        part = fuzz_part(input, (act == ACT_SEND ? 0 : 256u) + fuzz_byte(input));
    if (act == ACT_CLOSE)
        client_close(client);
    if (client->fd < 0 || client->finished)
        return;
    if (act == ACT_FINISH) {
        client->finished = true;
        kit_raw_finish(client->fd);
    } else if (packets) {
        (void)kit_raw_try_packet(client->fd, part.data, part.size);
    } else if (part.size > 0) {
        (void)fuzz_raw_say(client->fd, part.data, part.size);
    }
}

static void honest_talk(struct server *server, uint32_t number)
{
    char said[16] = {'h', 'i', (char)('a' + number % 26)}, heard[sizeof said];
    size_t size = 0;
    enum leat_error error = LEAT_E_EMPTY;
    bool bytes = server->options.protocol == LEAT_BYTES;
    if (bytes)
        kit_write(server->honest_hub, server->honest, said, sizeof said);
    else
        REQUIRE_ERROR(leat_send(server->honest_hub, server->honest, said, sizeof said), LEAT_OK);
    for (uint32_t i = 0; i < 50 && error == LEAT_E_EMPTY; i++) {
        serve(server, 0);
        error = leat_wait_readable(server->honest_hub, server->honest, 1);
        if (error == LEAT_E_TIMEOUT)
            error = LEAT_E_EMPTY;
    }
    REQUIRE_ERROR(error, LEAT_OK);
    if (bytes)
        error = leat_read_full(server->honest_hub, server->honest, heard, sizeof heard, ANSWER_MS,
                               &size);
    else
        error = leat_receive(server->honest_hub, server->honest, heard, sizeof heard, &size);
    REQUIRE_ERROR(error, LEAT_OK);
    CHECK_INT(size, sizeof said);
    CHECK_MEM(heard, said, sizeof said);
}

/* ---- A run ----------------------------------------------------------------------------------- */

static void server_begin(struct server *server, uint8_t choices)
{
    const struct lti_sim_options sim = {.buffer_bytes = choices & 8 ? 600 : 0};
    static const enum leat_protocol protocols[] = {LEAT_MESSAGES, LEAT_BYTES, LEAT_PACKETS,
                                                   LEAT_MESSAGES};
    server->options = (struct leat_conn_options){.size = sizeof server->options};
    server->options.protocol = protocols[choices & 3];
    server->options.frame_bytes_max = 65536;
    if (choices & 8)
        server->options.outbox_bytes = 3000;
    if (choices & 8 && server->options.protocol == LEAT_BYTES)
        server->options.inbox_bytes = 100;
    fuzz_world_begin(&sim);
    server->hub = kit_hub(NULL);
    server->honest_hub = kit_hub(NULL);
    const struct leat_listen_options listen = {
        .size = sizeof listen, .who = choices & 4 ? LEAT_WHO_ASK : 0, .conn = &server->options};
    REQUIRE_ERROR(leat_listen(server->hub, kit_plain("server"), &listen, &server->listener),
                  LEAT_OK);
    for (uint32_t i = 0; i < CLIENTS; i++)
        server->clients[i].fd = -1;
    server->honest = kit_connect(server->honest_hub, kit_plain("server"), 1, &server->options);
    honest_talk(server, 0);
}

static void server_end(struct server *server)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_close(&server->clients[i]);
    honest_talk(server, 1);
    /* By now every deadline of the others has passed. */
    serve(server, 0);
    for (uint32_t i = 0; i < 3; i++) {
        kit_pass(40000);
        serve(server, 0);
    }
    struct leat_listener_info info = kit_listener_info(server->hub, server->listener);
    CHECK_INT(info.conns, 1);
    CHECK_INT(info.handshakes, 0);
    CHECK_INT(server->count, 1);
    honest_talk(server, 2);
    CHECK(kit_hub_info(server->hub).memory_bytes_high < 3 * KIT_MIB);
    CHECK_ERROR(leat_hub_destroy(server->hub), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(server->honest_hub), LEAT_OK);
    fuzz_world_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server server;
    struct fuzz_input input = {data, size};
    uint8_t choices = fuzz_byte(&input);
    server = (struct server){.moods = {fuzz_word(&input)}};
    server_begin(&server, choices);
    for (uint32_t i = 0; i < ACTS_MAX && input.size > 0; i++) {
        uint8_t word = fuzz_byte(&input);
        enum act act = (enum act)(word & 7);
        struct client *client = &server.clients[word >> 3 & 3];
        if (act < ACT_PASS) {
            client_act(&server, client, act, &input);
        } else if (act == ACT_PASS) {
            serve(&server, 20u * fuzz_byte(&input));
        } else if (client->fd >= 0 && !client->finished &&
                   server.options.protocol != LEAT_PACKETS) {
            (void)kit_raw_recv(client->fd, block, sizeof block);
        }
        if (word & 32)
            serve(&server, 0);
        if (word & 64)
            honest_talk(&server, i);
    }
    server_end(&server);
    return 0;
}
