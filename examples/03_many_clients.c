/* SPDX-License-Identifier: MIT
 *
 * Lesson 3: many connections on one hub, told apart by their tags. One process is the server and
 * its hundred clients at once; nothing blocks, so no thread is needed.
 */
#include <leat/leat.h>
#include <stdio.h>
#include <stdlib.h>
enum { CLIENTS = 100, SERVER_TAG = 1000 };

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, leat_error_text(error));
    exit(1);
}

/* The server squares the number it gets; the client compares. Returns how many are answered. */
static uint32_t readable(struct leat_hub *hub, const struct leat_event *event)
{
    uint32_t number;
    size_t size;
    check("read", leat_read_full(hub, event->conn, &number, sizeof number, 2000, &size));
    if (event->tag == SERVER_TAG) {
        number *= number;
        check("answer", leat_write_full(hub, event->conn, &number, sizeof number, 2000, &size));
        return 0;
    }
    check("right answer", number == event->tag * event->tag ? LEAT_OK : LEAT_E_PROTOCOL);
    check("close", leat_close(hub, event->conn, 1000));
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "leat-lesson-3";
    struct leat_listen_options listen = {.size = sizeof listen, .tag = SERVER_TAG};
    struct leat_connect_options connect = {.size = sizeof connect};
    struct leat_event event;
    struct leat_hub *hub;
    leat_listener listener;
    leat_conn conn;
    size_t size;
    uint32_t answered = 0;
    check("hub", leat_hub_create(NULL, &hub));
    check("listen", leat_listen(hub, name, &listen, &listener));
    for (uint32_t i = 0; i < CLIENTS; i++) {
        connect.tag = i;
        check("connect", leat_connect(hub, name, &connect, &conn));
        check("ask", leat_write(hub, conn, &i, sizeof i, &size)); /* waits in the outbox */
    }
    while (answered < CLIENTS) {
        check("next", leat_next(hub, &event, 5000));
        answered += event.type == LEAT_EVENT_READABLE ? readable(hub, &event) : 0;
    }
    check("destroy", leat_hub_destroy(hub)); /* also closes the listener and removes the name */
    return printf("%d clients have their answer\n", (int)answered) > 0 ? 0 : 1;
}
