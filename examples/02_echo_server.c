/* SPDX-License-Identifier: MIT
 *
 * Lesson 2: a server. Events are pulled with leat_next; what does not fit now waits in the inbox.
 *   02_echo_server hello 1 &          (ends after one client; without the 1 it goes on for ever)
 *   leat send hello 'good morning' --expect 1
 */
#include <leat/leat.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, leat_error_text(error));
    exit(1);
}

/* Gives back what is there. When the outbox is full, WRITABLE will come: go on then. */
static void echo(struct leat_hub *hub, leat_conn conn)
{
    const void *data;
    size_t size;
    size_t taken = 0;
    enum leat_error error;

    if (leat_peek(hub, conn, &data, &size) != LEAT_OK)
        return; /* nothing there, or the end: an event says so */
    error = leat_write(hub, conn, data, size, &taken);
    if (error == LEAT_E_CLOSED || error == LEAT_E_BROKEN)
        taken = size; /* nobody wants it any more */
    check("consume", leat_consume(hub, conn, taken));
    /* Without the pause, READABLE would come again and again while the outbox is full. */
    check("pause", taken < size ? leat_pause(hub, conn) : leat_resume(hub, conn));
}

int main(int argc, char **argv)
{
    long clients_left = argc > 2 ? strtol(argv[2], NULL, 10) : -1;
    struct leat_hub *hub;
    leat_listener listener;
    struct leat_event event;

    check("hub", leat_hub_create(NULL, &hub));
    check("listen", leat_listen(hub, argc > 1 ? argv[1] : "hello", NULL, &listener));
    while (clients_left != 0) {
        check("next", leat_next(hub, &event, LEAT_FOREVER));
        if (event.type == LEAT_EVENT_READABLE || event.type == LEAT_EVENT_WRITABLE) {
            echo(hub, event.conn);
        } else if (event.type == LEAT_EVENT_FINISHED) {
            (void)leat_finish(hub, event.conn); /* may have gone already: CLOSED says so */
        } else if (event.type == LEAT_EVENT_CLOSED) {
            printf("a client has gone: %s\n", leat_error_name(event.error));
            clients_left -= clients_left > 0;
        }
    }
    check("destroy", leat_hub_destroy(hub));
    return 0;
}
