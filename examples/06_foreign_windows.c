/* SPDX-License-Identifier: MIT
 *
 * Lesson 6: leat in a loop of your own, here WaitForMultipleObjects. A thread of yours reads the
 * input, because Windows cannot wait for it.  (echo one& echo two) | 06_foreign_windows hello
 */
#include <leat/leat.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
static char line[4096];
static bool more = true;
static HANDLE ready, taken;
static void check(const char *what, bool good)
{
    if (good)
        return;
    fprintf(stderr, "%s failed: %lu\n", what, GetLastError());
    exit(1);
}
static DWORD WINAPI reader(void *unused)
{
    for (; more && WaitForSingleObject(taken, INFINITE) == WAIT_OBJECT_0; SetEvent(ready))
        more = fgets(line, sizeof line, stdin) != NULL;
    return unused != NULL;
}

int main(int argc, char **argv)
{
    char buffer[4096];
    size_t size, sent = 0, received = 0;
    struct leat_hub *hub = NULL;
    leat_conn conn;
    intptr_t waitable;
    uint32_t ms;
    struct leat_event event = {0};
    DWORD got = WAIT_TIMEOUT;
    HANDLE both[] = {NULL, ready = CreateEventW(NULL, FALSE, FALSE, NULL)};
    check("events", ready != NULL && (taken = CreateEventW(NULL, FALSE, TRUE, NULL)) != NULL);
    check("thread", CreateThread(NULL, 0, reader, NULL, 0, NULL) != NULL);
    check("hub", leat_hub_create(NULL, &hub) == LEAT_OK);
    check("connect", leat_connect_wait(hub, argc > 1 ? argv[1] : "hello", NULL, &conn) == LEAT_OK);
    check("waitable", leat_hub_waitable(hub, &waitable) == LEAT_OK);
    both[0] = (HANDLE)waitable; /* 1. wait for this handle as for any other */
    while (event.type != LEAT_EVENT_CLOSED && (more || received < sent)) {
        check("deadline", leat_hub_deadline(hub, &ms) == LEAT_OK); /* 2. not longer than this */
        check("wait", (got = WaitForMultipleObjects(2, both, FALSE, ms)) != WAIT_FAILED);
        while (leat_next(hub, &event, 0) == LEAT_OK) /* 3. take what is there */
            for (; event.type == LEAT_EVENT_READABLE &&
                   leat_read(hub, conn, buffer, sizeof buffer, &size) == LEAT_OK;
                 received += size)
                check("print", fwrite(buffer, 1, size, stdout) == size);
        if (got == WAIT_OBJECT_0 + 1 && more) { /* a pipe cannot be told that no more comes, */
            check("write", leat_write(hub, conn, line, strlen(line), &size) == LEAT_OK);
            sent += size; /* so we count: all of it comes back */
            SetEvent(taken);
        }
    }
    return received == sent && leat_hub_destroy(hub) == LEAT_OK ? fflush(stdout) : 1;
}
