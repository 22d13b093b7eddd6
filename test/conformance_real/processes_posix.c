/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises when there is more than one process, or too few descriptors: things that
 * only the real kernel has.
 *
 * Happy path: the process that owns a name keeps it, whatever others do.
 * Fails:      FORKED in a child, IN_USE for who comes second, LISTEN_ERROR without descriptors.
 * Invariants: children that were started are waited for, and only those.
 */
#include "conformance/kit_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RACERS 100

/* Every row of the table for this suite has its test. */
#define ROW_CONFORMANCE(name)
#define ROW_CONFORMANCE_REAL(name) &kit_reason_##name,
#define KIT_POSIX_ONLY(suite, name, reason, instead) ROW_##suite(name)
const char *const *const kit_rows_real[] = {
#include "conformance/posix_only.def"
};
#undef KIT_POSIX_ONLY

/* Its exit code; 255 when it did not exit. */
static int child_code(pid_t child)
{
    int status = 0;
    pid_t waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    REQUIRE(waited == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* What a child may do with an inherited hub: nothing but destroy it. */
static int child_try(struct leat_hub *hub, leat_listener listener, leat_conn conn)
{
    struct leat_event event;
    leat_conn other;
    size_t size = 0;
    struct leat_hub_info info = {.size = sizeof info};
    const enum leat_error errors[] = {
        leat_next(hub, &event, 0),
        leat_wake(hub),
        leat_hub_info_get(hub, &info),
        leat_connect(hub, kit_plain("server"), NULL, &other),
        leat_write(hub, conn, "x", 1, &size),
        leat_read(hub, conn, &event, 1, &size),
        leat_close(hub, conn, 1000),
        leat_abort(hub, conn),
        leat_wait_readable(hub, conn, 0),
        leat_wait_accepted(hub, listener, 0, &other),
        leat_listener_close(hub, listener),
        leat_pair(hub, hub, NULL, &other, &other),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i] != LEAT_E_FORKED)
            return 10 + (int)i;
    }
    return leat_hub_destroy(hub) == LEAT_OK ? 0 : 9;
}

TEST_POSIX(fork_child_gets_forked_and_leaves_all_alone)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(child_try(hub, listener, ends.dialled));
    CHECK_INT(child_code(child), 0);
    /* The parent's name, its listener and its connections are as they were. */
    kit_write_text(hub, ends.dialled, "still");
    kit_read_text(hub, ends.accepted, "still");
    struct kit_ends more = kit_open(hub, listener, kit_plain("server"), NULL);
    kit_write_text(hub, more.accepted, "here");
    kit_read_text(hub, more.dialled, "here");
    KIT_QUIET(hub);
    kit_end(hub);
}

TEST_POSIX(fork_child_may_make_its_own_hub)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct leat_hub *own = NULL;
        leat_conn conn;
        size_t size = 0;
        bool good = leat_hub_create(NULL, &own) == LEAT_OK &&
                    leat_connect_wait(own, kit_plain("server"), NULL, &conn) == LEAT_OK &&
                    leat_write(own, conn, "child", 5, &size) == LEAT_OK &&
                    leat_close_wait(own, conn, 5000, NULL) == LEAT_OK &&
                    leat_hub_destroy(own) == LEAT_OK;
        _exit(good ? 0 : 1);
    }
    leat_conn conn;
    CHECK_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    kit_read_text(hub, conn, "child");
    CHECK_INT(kit_info(hub, conn).peer_pid, child);
    CHECK_INT(child_code(child), 0);
    kit_end(hub);
}

/* A gate is a pipe: it opens for everybody when its only writer closes it. */
static bool gate_wait(const int gate[2])
{
    char byte;
    return close(gate[1]) == 0 && read(gate[0], &byte, 1) == 0;
}

static void gate_open(const int gate[2])
{
    CHECK_INT(close(gate[1]), 0);
    CHECK_INT(close(gate[0]), 0);
}

/* Waits for the start, listens, says what came of it, and stays until all have tried. */
static int racer(const int start[2], const int end[2], int result)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        return 1;
    if (!gate_wait(start))
        return 2;
    char byte = (char)leat_listen(hub, "prize", NULL, &listener);
    if (write(result, &byte, 1) != 1)
        return 3;
    if (!gate_wait(end))
        return 4;
    return leat_hub_destroy(hub) == LEAT_OK ? 0 : 5;
}

TEST_POSIX(race_of_a_hundred_processes_has_one_winner)
{
    struct leat_hub *hub = kit_begin();
    int start[2], end[2], result[2];
    pid_t children[RACERS];
    uint32_t winners = 0, losers = 0;
    /* A dead socket is there already: taking it over is a part of the race. */
    leat_listener before = kit_listen(hub, "prize", NULL);
    CHECK_ERROR(leat_listener_close(hub, before), LEAT_OK);
    kit_raw_close(kit_raw_listen("prize", 5));
    REQUIRE(pipe(start) == 0 && pipe(end) == 0 && pipe(result) == 0);
    for (int i = 0; i < RACERS; i++) {
        children[i] = fork();
        REQUIRE(children[i] >= 0);
        if (children[i] == 0)
            _exit(racer(start, end, result[1]));
    }
    gate_open(start);
    CHECK_INT(close(result[1]), 0);
    for (int i = 0; i < RACERS; i++) {
        char byte = 0;
        REQUIRE(read(result[0], &byte, 1) == 1);
        winners += byte == LEAT_OK;
        losers += byte == LEAT_E_IN_USE;
    }
    CHECK_INT(winners, 1);
    CHECK_INT(losers, RACERS - 1);
    gate_open(end);
    for (int i = 0; i < RACERS; i++)
        CHECK_INT(child_code(children[i]), 0);
    CHECK_INT(close(result[0]), 0);
    kit_end(hub);
}

TEST_POSIX(killed_server_is_taken_over)
{
    struct leat_hub *hub = kit_begin();
    int ready[2];
    char byte = 0;
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct leat_hub *own = NULL;
        leat_listener listener;
        if (leat_hub_create(NULL, &own) != LEAT_OK ||
            leat_listen(own, kit_plain("server"), NULL, &listener) != LEAT_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        _exit(0); /* without removing anything, as a crash would */
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    CHECK_INT(child_code(child), 0);
    leat_conn conn = kit_connect(hub, kit_plain("server"), 1, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    (void)kit_open(hub, listener, kit_plain("server"), NULL);
    (void)close(ready[0]);
    (void)close(ready[1]);
    kit_end(hub);
}

/* ---- Too few descriptors --------------------------------------------------------------------- */

/* Valgrind plays the limit itself, and drops a connection that it could not let in. */
static bool limits_are_played(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

TEST_POSIX(descriptors_run_out_and_come_back)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    leat_conn waiting = kit_connect(hub, kit_plain("server"), 2, NULL);
    REQUIRE_ERROR(leat_wait_connected(hub, waiting, KIT_SOON_MS), LEAT_OK);
    struct rlimit limit, low;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)next;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_LISTEN_ERROR);
    CHECK(event.listener.id == listener.id);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
    CHECK_INT(event.tag, 100);
    uint64_t waits = kit_hub_info(hub).waits;
    CHECK_ERROR(leat_next(hub, &event, 500), LEAT_E_TIMEOUT);
    CHECK(kit_hub_info(hub).waits - waits < 20);
    CHECK(kit_listener_info(hub, listener).accept_errors >= 2);
    CHECK_INT(kit_listener_info(hub, listener).os_code, EMFILE);
    /* Those that are open do not feel it. */
    kit_write_text(hub, ends.dialled, "untouched");
    kit_read_text(hub, ends.accepted, "untouched");
    leat_conn third = kit_connect(hub, kit_plain("server"), 3, NULL);
    KIT_CLOSED(hub, third, LEAT_E_LIMIT);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(KIT_NEXT(hub, LEAT_EVENT_ACCEPTED).listener.id == listener.id);
    (void)kit_open(hub, listener, kit_plain("server"), NULL);
    kit_end(hub);
}

/* Systems look for a descriptor before they look for a client: none is missed where nobody is. */
TEST_POSIX(descriptors_that_just_suffice_for_a_crowd)
{
    if (limits_are_played())
        SKIP_NEEDS("the system's own descriptor limit");
    enum { CLIENTS = 17 }; /* one more than a turn takes */
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct rlimit limit, low;
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = kit_raw_connect(kit_plain("server"));
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)next + CLIENTS;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    for (int i = 0; i < CLIENTS; i++)
        (void)KIT_NEXT(hub, LEAT_EVENT_ACCEPTED);
    KIT_QUIET(hub);
    CHECK_INT(kit_listener_info(hub, listener).accept_errors, 0);
    CHECK(dup(0) < 0 && errno == EMFILE); /* it was the last one */
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < CLIENTS; i++)
        kit_raw_close(fds[i]);
    kit_end(hub);
}

/* ---- Foreign programs -------------------------------------------------------------- */

/* Sends bytes, and with them a descriptor that nobody asked for. */
static void send_with_descriptor(int fd, const char *text)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char copy[64];
    int passed = 0;
    memset(&control, 0, sizeof control);
    memcpy(copy, text, strlen(text));
    struct iovec piece = {.iov_base = copy, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    /* A system that can refuse descriptors refuses all of it; else they are dropped. */
    if (sent < 0)
        CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    else
        CHECK_INT(sent, strlen(text));
}

TEST_POSIX(descriptors_sent_along_do_not_stall_reading)
{
    struct leat_hub *hub = kit_begin();
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    int fd = kit_raw_connect(kit_plain("server")), fds[2];
    leat_conn conn, adopted;
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KIT_SOON_MS, &conn), LEAT_OK);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    REQUIRE_ERROR(leat_adopt_conn(hub, fds[0], 1, NULL, &adopted), LEAT_OK);
    CHECK_INT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_INT(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    int on = 1; /* as an older kernel has it; which does not know the word */
    (void)setsockopt(fds[0], SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &on, sizeof on);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(write(fd, "one", 3), 3);
        send_with_descriptor(fd, "two");
        CHECK_INT(write(fd, "three", 5), 5);
        kit_read_text(hub, conn, "onetwothree");
        CHECK_INT(write(fds[1], "one", 3), 3);
        send_with_descriptor(fds[1], "two");
        CHECK_INT(write(fds[1], "three", 5), 5);
        kit_read_text(hub, adopted, "onetwothree");
    }
    CHECK_INT(close(fds[1]), 0);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST_POSIX(adopt_refuses_what_only_real_systems_have)
{
    struct leat_hub *hub = kit_begin();
    int ends[2], datagrams[2];
    leat_conn conn = {77};
    REQUIRE(pipe(ends) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams) == 0);
    int internet = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERROR(leat_adopt_conn(hub, ends[0], 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_ERROR(leat_adopt_conn(hub, datagrams[0], 1, NULL, &conn), LEAT_E_HANDLE);
    if (internet >= 0)
        CHECK_ERROR(leat_adopt_conn(hub, internet, 1, NULL, &conn), LEAT_E_HANDLE);
    CHECK_INT(conn.id, 77);
    /* Not even their flags have changed. */
    CHECK_INT(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(fcntl(datagrams[0], F_GETFD) & FD_CLOEXEC, 0);
    for (int i = 0; i < 2; i++)
        CHECK(close(ends[i]) == 0 && close(datagrams[i]) == 0);
    if (internet >= 0)
        CHECK(close(internet) == 0);
    kit_end(hub);
}
