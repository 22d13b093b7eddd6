/* SPDX-License-Identifier: MIT
 *
 * Lesson 7: two threads, one hub. One thread waits for events; others may send meanwhile, and
 * leat_wake gets the waiting one's attention. Link with -pthread, where there is such a thing.
 */
#include "07_thread.h"
#include <leat/leat.h>
#include <stdio.h>
#include <stdlib.h>
enum { MESSAGES = 1000 };

static struct leat_hub *hub;
static leat_conn from, to;

static void check(const char *what, enum leat_error error)
{
    if (error == LEAT_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, leat_error_text(error));
    exit(1);
}

/* leat_send never waits, so it may be called while the other thread is inside leat_next. With the
 * default limits a thousand small messages fit; a real program waits after FULL. */
static THREAD_RESULT sender(void *unused)
{
    (void)unused;
    for (int i = 0; i < MESSAGES; i++)
        check("send", leat_send(hub, from, &i, sizeof i));
    check("wake", leat_wake(hub));
    return 0;
}

int main(void)
{
    struct leat_conn_options messages = {.size = sizeof messages, .protocol = LEAT_MESSAGES};
    thread other;
    int wanted = 0;
    bool woken = false;
    check("hub", leat_hub_create(NULL, &hub));
    check("pair", leat_pair(hub, hub, &messages, &from, &to));
    check("thread", thread_start(&other, sender) ? LEAT_OK : LEAT_E_SYSTEM);
    while (wanted < MESSAGES || !woken) {
        struct leat_event event;
        int number;
        size_t size;

        check("next", leat_next(hub, &event, 5000));
        woken = woken || event.type == LEAT_EVENT_WOKEN;
        while (event.type == LEAT_EVENT_READABLE &&
               leat_receive(hub, to, &number, sizeof number, &size) == LEAT_OK) {
            check("order", number == wanted++ ? LEAT_OK : LEAT_E_PROTOCOL);
        }
    }
    check("join", thread_join(other) ? LEAT_OK : LEAT_E_SYSTEM);
    printf("%d messages in order from another thread, and a wake\n", wanted);
    check("destroy", leat_hub_destroy(hub));
    return 0;
}
