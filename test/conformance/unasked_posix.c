/* SPDX-License-Identifier: MIT
 *
 * Descriptors that nobody asked for, on systems that let them through: kernels before Linux 6.16,
 * and sockets that had some queued before they were adopted.
 *
 * Happy path: they are closed, by a thread that ends then; the connection goes on, and no byte
 *             of it is lost.
 * Fails:      PROTOCOL where they came cut off, because there is no place for them, and where too
 *             many wait to be closed.
 * Invariants: none is left open: kit_end looks, too.
 */
#include "kit_posix.h"
#include "kit_sim_posix.h"

#include "os_fault.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Only the real kernel has these. */
size_t lti_fault_count(void) __attribute__((weak));
const struct lti_fault *lti_fault_at(size_t index) __attribute__((weak));
void lti_fault_arm_nth(uint64_t nth, size_t fault, enum lti_fault_mode mode) __attribute__((weak));
void lti_fault_reset(void) __attribute__((weak));

#define RIGHTS_MAX 253u

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static struct leat_hub *unasked_begin(uint32_t descriptors_max)
{
    const struct lti_sim_options options = {.descriptors_pass = true,
                                            .descriptors_max = descriptors_max};
    if (lti_sim_begin)
        lti_sim_begin(&options);
    return kit_begin();
}

static void rights_send(int fd, const void *data, size_t size, uint32_t count)
{
    union {
        char bytes[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    int fds[RIGHTS_MAX];
    union {
        const void *read_only;
        void *plain;
    } memory = {.read_only = data};
    struct iovec piece = {.iov_base = memory.plain, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    for (uint32_t i = 0; i < count; i++)
        fds[i] = fd;
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    REQUIRE_INT(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), size);
}

/* Sends bytes, and so many descriptors along. */
static void unasked_send(int fd, const void *data, size_t size, uint32_t count)
{
    if (!lti_sim_attach) {
        rights_send(fd, data, size, count);
        return;
    }
    const struct leat_slice slice = {data, size};
    REQUIRE(lti_sim_attach(fd, count));
    REQUIRE_INT(lti_os_send(fd, &slice, 1), size);
}

/* A connection that lets descriptors through, and its peer. */
static leat_conn unasked_open(struct leat_hub *hub, bool packets, int *peer_out)
{
    const struct leat_conn_options bytes = {.size = sizeof bytes};
    const struct leat_conn_options *options = packets ? &kit_packets : &bytes;
    intptr_t handle = -1;
    int on = 1;
    leat_conn conn;
    *peer_out = packets ? kit_raw_pair_packets(&handle) : kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_OK);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CONNECTED);
    if (!lti_sim_begin)
        (void)setsockopt((int)handle, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
    return conn;
}

/* Until all that came is closed. */
static void unasked_closed(struct leat_hub *hub, int64_t descriptors)
{
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    struct leat_event event;
    while ((kit_hub_info(hub).threads > 0 || lti_test_descriptors_live() != descriptors) &&
           lti_test_now_ms() < end_ms)
        CHECK_ERROR(leat_next(hub, &event, 1), LEAT_E_TIMEOUT);
    CHECK_INT(kit_hub_info(hub).threads, 0);
    CHECK_INT(lti_test_descriptors_live(), descriptors);
}

TEST(unasked_descriptors_are_closed)
{
    static const uint32_t counts[] = {1, 2, 16, RIGHTS_MAX};
    struct leat_hub *hub = unasked_begin(0);
    int fd = -1;
    leat_conn conn = unasked_open(hub, false, &fd);
    int64_t descriptors = lti_test_descriptors_live();
    CHECK_INT(kit_hub_info(hub).threads, 0);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        kit_raw_send(fd, "one", 3);
        unasked_send(fd, "two", 3, counts[i]);
        kit_raw_send(fd, "three", 5);
        kit_read_text(hub, conn, "onetwothree");
        unasked_closed(hub, descriptors);
    }
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(unasked_descriptors_of_packets_are_closed)
{
    struct leat_hub *hub = unasked_begin(0);
    int fd = -1;
    char buffer[8];
    size_t size = 0;
    leat_conn conn = unasked_open(hub, true, &fd);
    int64_t descriptors = lti_test_descriptors_live();
    for (uint32_t i = 1; i <= 3; i++) {
        unasked_send(fd, "packet", 6, i);
        CHECK_ERROR(leat_receive_wait(hub, conn, buffer, sizeof buffer, KIT_SOON_MS, &size),
                    LEAT_OK);
        CHECK_INT(size, 6);
        unasked_closed(hub, descriptors);
    }
    kit_raw_close(fd);
    kit_end(hub);
}

/* Under valgrind a receive brings more descriptors than the limit allows. */
static bool limit_is_kept(void)
{
    enum { COUNT = 8 };
    int pair[2], came[COUNT];
    union {
        char bytes[CMSG_SPACE(sizeof came)];
        struct cmsghdr aligned;
    } control;
    char byte;
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct rlimit limit, low;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    rights_send(pair[0], "x", 1, COUNT);
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)next + 2;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    REQUIRE(recvmsg(pair[1], &message, 0) == 1);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    size_t size = header ? header->cmsg_len - CMSG_LEN(0) : 0;
    if (header)
        memcpy(came, CMSG_DATA(header), size);
    for (size_t i = 0; i < size / sizeof came[0]; i++)
        (void)close(came[i]);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return (message.msg_flags & MSG_CTRUNC) != 0;
}

static void cut_off(bool packets)
{
    if (!lti_sim_begin && !limit_is_kept())
        SKIP_NEEDS("a limit of descriptors that receiving keeps to, which valgrind's does not");
    /* The simulated machine lets a process have so many; the real one is told so. */
    struct leat_hub *hub = unasked_begin(40);
    struct rlimit limit, low;
    char byte;
    size_t size = 77;
    int fd = -1;
    leat_conn conn = unasked_open(hub, packets, &fd);
    int64_t descriptors = lti_test_descriptors_live();
    if (!lti_sim_begin) {
        int next = dup(0);
        REQUIRE(next >= 0 && close(next) == 0);
        REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        low = limit;
        low.rlim_cur = (rlim_t)next + 2;
        unasked_send(fd, "cut", 3, 8);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    } else {
        unasked_send(fd, "cut", 3, 100);
    }
    struct leat_event event = KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
    CHECK_INT(kit_info(hub, conn).operation, LEAT_OP_READ);
    if (packets)
        CHECK_ERROR(leat_receive(hub, conn, &byte, 1, &size), LEAT_E_PROTOCOL);
    else
        CHECK_ERROR(leat_read(hub, conn, &byte, 1, &size), LEAT_E_PROTOCOL);
    CHECK_INT(size, 77);
    if (!lti_sim_begin)
        REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    unasked_closed(hub, descriptors - 1);
    kit_raw_close(fd);
    kit_end(hub);
}

TEST(unasked_descriptors_cut_off_end_the_connection)
{
    cut_off(false);
}

TEST(unasked_descriptors_of_packets_cut_off_end_the_connection)
{
    cut_off(true);
}

/* What was queued before a socket was adopted, and is never read. */
TEST(unasked_descriptors_that_nobody_reads_are_closed)
{
    struct leat_hub *hub = unasked_begin(0);
    intptr_t handle = -1;
    leat_conn conn;
    int fd = kit_raw_pair(&handle), on = 1;
    int64_t descriptors = lti_test_descriptors_live();
    if (!lti_sim_begin)
        (void)setsockopt((int)handle, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
    unasked_send(fd, "left", 4, 3);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, NULL, &conn), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    CHECK(kit_hub_info(hub).threads <= 1);
    unasked_closed(hub, descriptors - 1);
    /* The peer sees what it would have seen: bytes of its own were lost. */
    char byte;
    CHECK_INT(kit_raw_recv(fd, &byte, 1), -2);
    kit_raw_close(fd);
    kit_end(hub);
}

/* Of clients whom nobody accepted, when their listener goes; its name is free at once. Only the
 * simulated kernel lets them through there, and closes at once what the real one may not. */
static void unaccepted(const char *name)
{
    struct leat_hub *hub = unasked_begin(0);
    leat_listener listener;
    int64_t descriptors = lti_test_descriptors_live();
    REQUIRE_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_OK);
    int first = kit_raw_connect(name), second = kit_raw_connect(name);
    if (lti_sim_begin) {
        unasked_send(first, "left", 4, 3);
        unasked_send(second, "left", 4, 1);
    }
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    kit_raw_close(first);
    kit_raw_close(second);
    unasked_closed(hub, descriptors);
    kit_end(hub);
}

TEST(unasked_descriptors_of_clients_that_nobody_accepted_are_closed)
{
    unaccepted("unaccepted");
    unaccepted("unix:@unaccepted");
}

/* From now on no thread can be started; or it can again. */
static void threads_fail(bool fail)
{
    const struct lti_sim_faults faults = {.resources = fail ? 1000000 : 0};
    if (lti_sim_set_faults) {
        lti_sim_set_faults(&faults);
        return;
    }
    lti_fault_reset();
    for (size_t i = 0; fail && i < lti_fault_count(); i++)
        if (lti_fault_at(i)->call == LTI_FAULT_CALL_thread_run)
            lti_fault_arm_nth(1, i, LTI_FAULT_FOREVER);
}

TEST(unasked_descriptors_wait_for_a_thread)
{
    struct leat_hub *hub = unasked_begin(0);
    int fd = -1;
    leat_conn conn = unasked_open(hub, false, &fd);
    int64_t descriptors = lti_test_descriptors_live();
    threads_fail(true);
    unasked_send(fd, "one", 3, 3);
    kit_read_text(hub, conn, "one");
    CHECK_INT(kit_hub_info(hub).threads, 0);
    CHECK_INT(lti_test_descriptors_live(), descriptors + 3);
    threads_fail(false);
    unasked_send(fd, "two", 3, 2);
    kit_read_text(hub, conn, "two");
    unasked_closed(hub, descriptors);
    /* A hub that ends closes them itself, when there is no other way. */
    threads_fail(true);
    unasked_send(fd, "end", 3, 3);
    kit_read_text(hub, conn, "end");
    CHECK_INT(lti_test_descriptors_live(), descriptors + 3);
    kit_raw_close(fd);
    kit_end(hub);
    threads_fail(false);
}

/* ---- More than there is room for ------------------------------------------------------------- */

#define CLIENTS_MAX 400
#define LISTENERS 3

/* So many clients of a name that nobody accepts; their listener is told of room for them. */
static leat_listener crowd_listen(struct leat_hub *hub, const char *name, int *clients, int count)
{
    const struct leat_listen_options options = {.size = sizeof options, .backlog = CLIENTS_MAX};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(hub, name, &options, &listener), LEAT_OK);
    for (int i = 0; i < count; i++)
        clients[i] = kit_raw_connect(name);
    return listener;
}

static void crowd_close(const int *clients, int count)
{
    for (int i = 0; i < count; i++)
        kit_raw_close(clients[i]);
}

/* Beyond so many it goes elsewhere as it is, and its name is free all the same. */
TEST(unasked_descriptors_of_hundreds_that_nobody_accepted)
{
    static int clients[CLIENTS_MAX];
    const int count = lti_sim_begin ? 300 : 30;
    struct leat_hub *hub = unasked_begin(0);
    int64_t descriptors = lti_test_descriptors_live();
    leat_listener listener = crowd_listen(hub, "crowd", clients, count);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    REQUIRE_ERROR(leat_listen(hub, "crowd", NULL, &listener), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    unasked_closed(hub, descriptors + count);
    for (int i = 0; i < count; i++) {
        char byte;
        CHECK(kit_raw_recv(clients[i], &byte, 1) < 0);
    }
    crowd_close(clients, count);
    kit_end(hub);
}

/* Nobody closes them: hundreds wait, none is closed in the loop, and no client is accepted until
 * they are gone. */
TEST(unasked_descriptors_of_hundreds_while_nothing_closes)
{
    static const char *const names[LISTENERS] = {"first", "second", "third"};
    static int clients[LISTENERS][CLIENTS_MAX];
    const int count = 250;
    leat_listener listeners[LISTENERS], last;
    if (!lti_sim_begin)
        SKIP_NEEDS("the simulated kernel, where hundreds of clients cost little");
    struct leat_hub *hub = unasked_begin(4096);
    int fd = -1;
    char byte;
    leat_conn conn = unasked_open(hub, false, &fd);
    for (int i = 0; i < LISTENERS; i++)
        listeners[i] = crowd_listen(hub, names[i], clients[i], count);
    threads_fail(true);
    unasked_send(fd, "left", 4, 1);
    for (int i = 0; i < LISTENERS; i++)
        CHECK_ERROR(leat_listener_close(hub, listeners[i]), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    for (int i = 0; i < LISTENERS; i++)
        for (int k = 0; k < count; k++)
            CHECK_INT(kit_raw_recv(clients[i][k], &byte, 1), 0);
    CHECK_INT(kit_raw_recv(fd, &byte, 1), 0);
    last = crowd_listen(hub, "last", clients[0] + count, 1);
    struct leat_event event = KIT_NEXT(hub, LEAT_EVENT_LISTEN_ERROR);
    CHECK_ERROR(event.error, LEAT_E_LIMIT);
    for (int i = 0; i < 50; i++)
        CHECK_ERROR(leat_next(hub, &event, 100), LEAT_E_TIMEOUT);
    CHECK_INT(kit_raw_recv(clients[0][count], &byte, 1), 0); /* nor is it turned away */
    threads_fail(false);
    (void)KIT_UNTIL(hub, LEAT_EVENT_ACCEPTED);
    CHECK_ERROR(leat_listener_close(hub, last), LEAT_OK);
    for (int i = 0; i < LISTENERS; i++)
        crowd_close(clients[i], count);
    kit_raw_close(clients[0][count]);
    kit_raw_close(fd);
    kit_drain(hub, NULL, NULL);
    kit_end(hub);
}

/* Without memory for more that wait there is no other way. */
TEST(unasked_descriptors_without_memory_are_closed_at_once)
{
    static int clients[CLIENTS_MAX];
    const struct lti_sim_faults no_memory = {.memory = 1000000, .resources = 1000000};
    const int count = 256, place = 254;
    if (!lti_sim_begin)
        SKIP_NEEDS("the simulated kernel, where memory is short when a test says so");
    struct leat_hub *hub = unasked_begin(4096);
    leat_listener listener = crowd_listen(hub, "crowd", clients, count);
    lti_sim_set_faults(&no_memory);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    for (int i = 0; i < count; i++) {
        char byte;
        CHECK_INT(kit_raw_recv(clients[i], &byte, 1), i < place ? 0 : -1);
    }
    lti_sim_set_faults(NULL);
    crowd_close(clients, count);
    kit_end(hub);
    /* The same for what comes with bytes: two find no place. */
    hub = unasked_begin(4096);
    int fd = -1;
    leat_conn conn = unasked_open(hub, false, &fd);
    int64_t descriptors = lti_test_descriptors_live();
    unasked_send(fd, "x", 1, RIGHTS_MAX);
    kit_read_text(hub, conn, "x");
    unasked_closed(hub, descriptors);
    unasked_send(fd, "y", 1, (uint32_t)place - RIGHTS_MAX + 2);
    lti_sim_set_faults(&no_memory);
    kit_read_text(hub, conn, "y");
    lti_sim_set_faults(NULL);
    CHECK_INT(lti_test_descriptors_live(), descriptors + 1);
    kit_raw_close(fd);
    kit_end(hub);
}

/* No client can be accepted, because this process has no descriptor left: then it goes with the
 * listener, elsewhere; and a listener without clients goes as ever. */
TEST(unasked_descriptors_of_clients_that_cannot_be_accepted)
{
    const struct lti_sim_faults none_left = {.descriptors = 1000000};
    for (int count = 0; count < 2; count++) {
        struct leat_hub *hub = unasked_begin(0);
        int64_t descriptors = lti_test_descriptors_live();
        int client = -1;
        leat_listener listener = crowd_listen(hub, "crowd", &client, count);
        if (count && lti_sim_begin)
            unasked_send(client, "left", 4, 3);
        if (lti_sim_set_faults)
            lti_sim_set_faults(&none_left);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        if (lti_sim_set_faults)
            lti_sim_set_faults(NULL);
        if (lti_sim_begin)
            CHECK_INT(kit_hub_info(hub).threads, count);
        crowd_close(&client, count);
        unasked_closed(hub, descriptors);
        kit_end(hub);
    }
}
