/* SPDX-License-Identifier: MIT
 *
 * A program that speaks packets by leat.h alone, for tests with programs that know nothing of leat.
 *
 * usage: packets_peer serve NAME [--finish]             gives every packet back
 *        packets_peer connect NAME [--finish] SIZE...   sends packets of these sizes, finishes, and
 *                                                       prints what comes
 *
 * --finish: an empty packet is the end. Each packet that comes is a line "SIZE CHECKSUM", the end
 * is a line "end ERROR". The bytes of a packet of N are (i * 7 + N) modulo 256.
 *
 * Happy path: blocking calls for the client, one loop over leat_next for the server.
 * Fails:      a call that fails without a reason of the peer's ends the program with 3.
 */
#include "leat/leat.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 30000u
#define BYTES_MAX (1024u * 1024u)

static uint8_t bytes[BYTES_MAX];

static void must(enum leat_error error, const char *what)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, leat_error_name(error));
    exit(3);
}

static uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * 16777619u;
    return sum;
}

/* ---- Server ---------------------------------------------------------------------------------- */

/* What cannot be given back now stays where it is until WRITABLE. */
static void give_back(struct leat_hub *hub, leat_conn conn)
{
    const void *data;
    size_t size;
    while (leat_view(hub, conn, &data, &size) == LEAT_OK) {
        memcpy(bytes, data, size);
        enum leat_error error = leat_send_wait(hub, conn, bytes, size, PATIENCE_MS);
        must(leat_release(hub, conn), "leat_release");
        if (error != LEAT_OK)
            return; /* its end is told of by an event */
    }
}

_Noreturn static void serve(struct leat_hub *hub, const char *name,
                            const struct leat_conn_options *options)
{
    struct leat_listen_options listen = {.size = sizeof listen, .conn = options};
    leat_listener listener;
    struct leat_event event;
    must(leat_listen(hub, name, &listen, &listener), "leat_listen");
    for (;;) {
        must(leat_next(hub, &event, LEAT_FOREVER), "leat_next");
        if (event.type == LEAT_EVENT_READABLE)
            give_back(hub, event.conn);
        else if (event.type == LEAT_EVENT_FINISHED)
            (void)leat_finish(hub, event.conn);
    }
}

/* ---- Client ---------------------------------------------------------------------------------- */

static int ask(struct leat_hub *hub, const char *name, const struct leat_conn_options *options,
               char **sizes)
{
    struct leat_connect_options connect = {.size = sizeof connect, .conn = options};
    leat_conn conn;
    enum leat_error error = leat_connect_wait(hub, name, &connect, &conn);
    for (; error == LEAT_OK && *sizes != NULL; sizes++) {
        size_t size = strtoul(*sizes, NULL, 10);
        if (size > BYTES_MAX)
            return 2;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 7 + size);
        error = leat_send_wait(hub, conn, bytes, size, PATIENCE_MS);
    }
    if (error == LEAT_OK)
        (void)leat_finish(hub, conn); /* what had come before can be read, whatever it says */
    while (error == LEAT_OK) {
        size_t size = 0;
        error = leat_receive_wait(hub, conn, bytes, sizeof bytes, PATIENCE_MS, &size);
        if (error == LEAT_OK)
            printf("%zu %08" PRIx32 "\n", size, checksum(bytes, size));
    }
    printf("end %s\n", leat_error_name(error));
    return 0;
}

int main(int argc, char **argv)
{
    struct leat_conn_options options = {.size = sizeof options, .protocol = LEAT_PACKETS};
    struct leat_hub *hub = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: packets_peer serve|connect NAME [--finish] [SIZE...]\n");
        return 2;
    }
    char **rest = argv + 3;
    options.empty_is_finish = *rest != NULL && strcmp(*rest, "--finish") == 0;
    rest += options.empty_is_finish;
    options.outbox_bytes = 4u * BYTES_MAX;
    must(leat_hub_create(NULL, &hub), "leat_hub_create");
    if (strcmp(argv[1], "serve") == 0)
        serve(hub, argv[2], &options);
    int code = ask(hub, argv[2], &options, rest);
    must(leat_hub_destroy(hub), "leat_hub_destroy");
    return code;
}
