/* SPDX-License-Identifier: MIT
 *
 * Lesson 6: leat in a loop of your own, here epoll.  printf 'one\n' | 06_foreign_epoll hello
 */
#include <leat/leat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
static void check(const char *what, bool good)
{
    if (good)
        return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

int main(int argc, char **argv)
{
    char buffer[4096];
    size_t size;
    struct leat_hub *hub = NULL;
    leat_conn conn;
    intptr_t waitable;
    uint32_t ms;
    struct leat_event event = {0};
    struct epoll_event got, input = {.events = EPOLLIN, .data.fd = 0}, ours = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    check("hub", leat_hub_create(NULL, &hub) == LEAT_OK);
    check("connect", leat_connect(hub, argc > 1 ? argv[1] : "hello", NULL, &conn) == LEAT_OK);
    check("waitable", leat_hub_waitable(hub, &waitable) == LEAT_OK);
    ours.data.fd = (int)waitable; /* 1. wait for this handle as for any other */
    check("watch", epoll_ctl(loop, EPOLL_CTL_ADD, ours.data.fd, &ours) == 0);
    while (event.type != LEAT_EVENT_CLOSED) {
        got = ours; /* 2. not longer than the hub's next deadline */
        check("deadline", leat_hub_deadline(hub, &ms) == LEAT_OK);
        check("wait", epoll_wait(loop, &got, 1, ms > 60000 ? 60000 : (int)ms) >= 0);
        while (leat_next(hub, &event, 0) == LEAT_OK) { /* 3. take what is there */
            if (event.type == LEAT_EVENT_CONNECTED) {
                check("watch", epoll_ctl(loop, EPOLL_CTL_ADD, 0, &input) == 0);
            } else if (event.type == LEAT_EVENT_READABLE) {
                check("read", leat_read(hub, conn, buffer, sizeof buffer, &size) == LEAT_OK);
                check("print", fwrite(buffer, 1, size, stdout) == size);
            }
        }
        if (got.data.fd == 0 && event.type != LEAT_EVENT_CLOSED) {
            ssize_t count = read(0, buffer, sizeof buffer);
            if (count > 0) { /* after a short count, a real program waits for WRITABLE */
                check("write", leat_write(hub, conn, buffer, (size_t)count, &size) == LEAT_OK);
                check("all of it", size == (size_t)count);
            } else { /* the end: tell the server, and watch the input no more */
                check("unwatch", count == 0 && epoll_ctl(loop, EPOLL_CTL_DEL, 0, &input) == 0);
                check("finish", leat_finish(hub, conn) == LEAT_OK);
            }
        }
    }
    check(leat_error_text(event.error), event.error == LEAT_OK || event.error == LEAT_E_CLOSED);
    return leat_hub_destroy(hub) == LEAT_OK && close(loop) == 0 ? fflush(stdout) : 1;
}
