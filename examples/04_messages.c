/* SPDX-License-Identifier: MIT
 *
 * Lesson 4: messages. What is sent as one arrives as one, whole or not at all, also an empty one.
 * Both ends say LEAT_MESSAGES; here both are in this process.
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

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "leat-lesson-4";
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    struct leat_listen_options listen = {.size = sizeof listen, .conn = &messages};
    struct leat_connect_options connect = {.size = sizeof connect, .conn = &messages};
    struct leat_slice letter[] = {{"dear ", 5}, {"reader", 6}};
    struct leat_hub *hub;
    leat_listener listener;
    leat_conn client;
    leat_conn server;
    char buffer[100];
    const void *view;
    size_t size;

    check("hub", leat_hub_create(NULL, &hub));
    check("listen", leat_listen(hub, name, &listen, &listener));
    check("connect", leat_connect(hub, name, &connect, &client));
    check("accept", leat_wait_accepted(hub, listener, 2000, &server));
    check("connected", leat_wait_connected(hub, client, 2000));

    /* Three messages: a plain one, one made of pieces, an empty one. */
    check("send", leat_send(hub, client, "first", 5));
    check("send slices", leat_send_slices(hub, client, letter, 2));
    check("send nothing", leat_send(hub, client, "", 0));
    check("finish", leat_finish(hub, client)); /* no more from the client */

    check("receive", leat_receive_wait(hub, server, buffer, sizeof buffer, 2000, &size));
    printf("copied: \"%.*s\"\n", (int)size, buffer);
    check("wait", leat_wait_readable(hub, server, 2000));
    check("view", leat_view(hub, server, &view, &size)); /* no copy: valid until the release */
    printf("viewed: \"%.*s\"\n", (int)size, (const char *)view);
    check("release", leat_release(hub, server));
    check("receive", leat_receive_wait(hub, server, buffer, sizeof buffer, 2000, &size));
    printf("an empty one: %zu bytes\n", size);
    if (leat_receive_wait(hub, server, buffer, sizeof buffer, 2000, &size) == LEAT_E_FINISHED)
        puts("and that was all");
    check("destroy", leat_hub_destroy(hub));
    return 0;
}
