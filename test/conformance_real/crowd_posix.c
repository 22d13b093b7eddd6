/* SPDX-License-Identifier: MIT
 *
 * Many processes, and one that is killed: what other libraries' tests show with processes, on
 * POSIX. test/conformance/sources.def says whose test is whose.
 *
 * Happy path: clients that came before their server are served by it.
 * Fails:      a client that is killed within a frame is BROKEN, and nothing of the frame is seen.
 * Invariants: children that were started are waited for, and only those.
 */
#include "conformance/kit_posix.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 30

static int child_status(pid_t child)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == child);
    return status;
}

/* Gives up what it inherited, waits for the server, asks with its own number, and leaves when it is
 * answered. */
static int client(struct leat_hub *inherited, const char *name, uint8_t number)
{
    const struct leat_connect_options options = {
        .size = sizeof options, .timeout_ms = 30000, .absent = LEAT_ABSENT_WAIT};
    struct leat_hub *hub = NULL;
    leat_conn conn;
    uint8_t answer = 0;
    size_t size = 0;
    bool good = leat_hub_destroy(inherited) == LEAT_OK && leat_hub_create(NULL, &hub) == LEAT_OK &&
                leat_connect_wait(hub, name, &options, &conn) == LEAT_OK &&
                leat_write(hub, conn, &number, 1, &size) == LEAT_OK &&
                leat_read_full(hub, conn, &answer, 1, 30000, &size) == LEAT_OK &&
                answer == number && leat_close_wait(hub, conn, 5000, NULL) == LEAT_OK &&
                leat_hub_destroy(hub) == LEAT_OK;
    return good ? 0 : 1;
}

TEST(crowd_of_thirty_processes_before_their_server)
{
    struct leat_hub *hub = kit_begin();
    pid_t children[CLIENTS];
    uint32_t seen = 0, closed = 0;
    for (uint8_t i = 0; i < CLIENTS; i++) {
        children[i] = fork();
        REQUIRE(children[i] >= 0);
        if (children[i] == 0)
            _exit(client(hub, kit_plain("server"), i));
    }
    (void)kit_listen(hub, kit_plain("server"), NULL);
    while (closed < CLIENTS) {
        struct leat_event event = {0};
        uint8_t number = 0;
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, 30000), LEAT_OK);
        closed += event.type == LEAT_EVENT_CLOSED;
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        REQUIRE_ERROR(leat_read(hub, event.conn, &number, 1, &size), LEAT_OK);
        CHECK(number < CLIENTS && (seen >> number & 1) == 0);
        seen |= 1u << number;
        kit_write(hub, event.conn, &number, 1);
    }
    CHECK_INT(seen, (1u << CLIENTS) - 1);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_INT(child_status(children[i]), 0);
    kit_end(hub);
}

/* A whole message and half of the next; then it says that it is ready, and waits to be killed, or
 * for the end of who would do it. */
static void half_a_frame(const char *name, const int ready[2])
{
    (void)close(ready[0]);
    int fd = kit_raw_connect(name);
    kit_raw_send(fd, kit_hello, sizeof kit_hello);
    kit_raw_frame(fd, 1, "whole", 5);
    kit_raw_header(fd, 1, 1000);
    kit_raw_send(fd, "the beginning", 13);
    struct pollfd unread = {.fd = ready[1]};
    if (write(ready[1], "x", 1) == 1)
        (void)poll(&unread, 1, -1);
    _exit(1);
}

TEST(killed_within_a_frame)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), &kit_messages);
    int ready[2];
    char byte = 0;
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        half_a_frame(kit_plain("server"), ready);
    (void)close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    leat_conn conn;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    kit_receive_text(hub, conn, "whole");
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK(WIFSIGNALED(child_status(child)));
    struct leat_event event = {0};
    for (int i = 0; i < 10 && event.type != LEAT_EVENT_CLOSED; i++) {
        REQUIRE_ERROR(leat_next(hub, &event, KIT_SOON_MS), LEAT_OK);
        CHECK(event.type == LEAT_EVENT_CLOSED || event.type == LEAT_EVENT_HANGUP);
    }
    CHECK_ERROR(event.error, LEAT_E_BROKEN);
    CHECK_INT(kit_hub_info(hub).conns, 1);
    KIT_QUIET(hub);
    CHECK_INT(kit_hub_info(hub).conns, 0);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), &kit_messages);
    kit_send_text(hub, ends.dialled, "next");
    kit_receive_text(hub, ends.accepted, "next");
    (void)close(ready[0]);
    kit_end(hub);
}
