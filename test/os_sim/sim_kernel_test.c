/* SPDX-License-Identifier: MIT
 *
 * The contract of the system below the seam, probed through lti_os_* only. The same file is linked
 * with the real object and with the simulated kernel: what differs is a lie of the simulation.
 *
 * Happy path: each test shows one fact that the library relies on.
 * Fails:      never by design; a fact that is not so is a failed check.
 * Invariants: nothing here knows which kernel it runs on; files are made in the test's folder only.
 */
#include "harness.h"

#include "leat/leat.h"
#include "os_posix.h"

#include <stdio.h>
#include <string.h>

static int64_t send_some(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    return lti_os_send(fd, &slice, 1);
}

static int64_t recv_some(int fd, void *buffer, size_t size)
{
    static uint32_t turn;
    uint32_t flags = turn++ % 2 ? LTI_OS_RECV_PLAIN : 0; /* both ways must say the same */
    int64_t result = lti_os_recv(fd, buffer, size, NULL, &flags);
    if (result >= 0)
        CHECK_INT(flags, 0);
    return result;
}

static void pair_open(int fds[2])
{
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK_INT(lti_os_close(fds[i]), 0);
}

static int socket_open(void)
{
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    return (int)fd;
}

static size_t path_make(char *path, size_t size, const char *name)
{
    int length = snprintf(path, size, "%s/%s", lti_test_folder(), name);
    REQUIRE(length > 0 && length <= LTI_OS_PATH_MAX);
    return (size_t)length;
}

static int listener_open(const char *path, size_t size, uint32_t backlog)
{
    int fd = socket_open();
    REQUIRE_INT(lti_os_bind(fd, path, size), 0);
    REQUIRE_INT(lti_os_listen(fd, backlog), 0);
    return fd;
}

static int poller_open(void)
{
    int64_t fd = lti_os_poller_create();
    REQUIRE(fd >= 0);
    return (int)fd;
}

/* The flags of the one event that is there, 0 for none. */
static uint32_t poll_once(int poller)
{
    struct lti_os_ready ready[4];
    int64_t count = lti_os_poller_wait(poller, ready, 4, 0);
    CHECK(count == 0 || count == 1);
    return count == 1 ? ready[0].flags : 0;
}

#define ENDED (LTI_OS_IN | LTI_OS_READ_HANGUP | LTI_OS_HANGUP)

/* ---- Bytes
 * ------------------------------------------------------------------------------------ */

TEST(kernel_bytes_keep_their_order)
{
    int fds[2];
    char buffer[16];
    pair_open(fds);
    const struct leat_slice slices[3] = {{"abc", 3}, {"", 0}, {"defg", 4}};
    CHECK_INT(lti_os_send(fds[0], slices, 3), 7);
    CHECK_INT(send_some(fds[0], "hi", 2), 2);
    CHECK_INT(recv_some(fds[1], buffer, 4), 4);
    CHECK_INT(recv_some(fds[1], buffer + 4, 12), 5);
    CHECK_MEM(buffer, "abcdefghi", 9);
    CHECK_INT(lti_os_kind_of(recv_some(fds[1], buffer, 4)), LTI_OS_AGAIN);
    CHECK_INT(send_some(fds[0], "", 0), 0);
    CHECK_INT(lti_os_kind_of(recv_some(fds[1], buffer, 4)), LTI_OS_AGAIN);
    close_all(fds, 2);
}

static char probe_block[131072];

/* How many sends of one size a stream accepts, and how many bytes in all. */
static void capacity_probe(size_t size, int64_t sends, int64_t bytes)
{
    int fds[2];
    int64_t count = 0, total = 0, sent = 0;
    pair_open(fds);
    while ((sent = send_some(fds[0], probe_block, size)) > 0 && count < 100000) {
        total += sent;
        count++;
    }
    CHECK_INT(lti_os_kind_of(sent), LTI_OS_AGAIN);
    CHECK_INT(count, sends);
    CHECK_INT(total, bytes);
    close_all(fds, 2);
}

TEST(kernel_capacity_is_counted_by_buffers)
{
    capacity_probe(1, 278, 278);
    capacity_probe(192, 278, 53376);
    capacity_probe(193, 167, 32231);
    capacity_probe(704, 167, 117568);
    capacity_probe(1000, 93, 93000);
    capacity_probe(1729, 49, 84721);
    capacity_probe(3776, 49, 185024);
    capacity_probe(3777, 44, 166188);
    capacity_probe(5000, 34, 170000);
    capacity_probe(8192, 24, 196608);
    capacity_probe(20000, 11, 220000);
    capacity_probe(32768, 7, 229376);
    capacity_probe(40000, 6, 236544);
    capacity_probe(65536, 4, 233152);
    capacity_probe(100000, 3, 236544);
}

TEST(kernel_room_comes_back_at_a_quarter)
{
    int fds[2];
    char byte = 0;
    int64_t taken = 0;
    pair_open(fds);
    int poller = poller_open();
    REQUIRE_INT(lti_os_poller_add(poller, fds[0], LTI_OS_OUT, 1), 0);
    CHECK_INT(poll_once(poller), LTI_OS_OUT);
    while (send_some(fds[0], &byte, 1) > 0)
        taken++;
    CHECK_INT(taken, 278);
    CHECK_INT(poll_once(poller), 0);
    for (taken = 0; taken < 278 && poll_once(poller) == 0; taken++)
        CHECK_INT(recv_some(fds[1], &byte, 1), 1);
    CHECK_INT(taken, 209);
    close_all(fds, 2);
    close_all(&poller, 1);
}

TEST(kernel_a_partly_read_send_is_charged_in_full)
{
    int fds[2];
    pair_open(fds);
    while (send_some(fds[0], probe_block, 1000) > 0)
        ;
    CHECK_INT(recv_some(fds[1], probe_block, 999), 999);
    CHECK_INT(lti_os_kind_of(send_some(fds[0], probe_block, 1)), LTI_OS_AGAIN);
    CHECK_INT(recv_some(fds[1], probe_block, 1), 1);
    CHECK_INT(send_some(fds[0], probe_block, 1), 1);
    close_all(fds, 2);
}

/* ---- Ends
 * ------------------------------------------------------------------------------------- */

TEST(kernel_peer_closed_gives_data_then_the_end)
{
    int fds[2];
    char buffer[8];
    pair_open(fds);
    int poller = poller_open();
    REQUIRE_INT(lti_os_poller_add(poller, fds[1], LTI_OS_IN | LTI_OS_OUT, 1), 0);
    CHECK_INT(send_some(fds[0], "abc", 3), 3);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(poll_once(poller), ENDED | LTI_OS_OUT);
    CHECK_INT(lti_os_kind_of(send_some(fds[1], "x", 1)), LTI_OS_PIPE);
    CHECK_INT(recv_some(fds[1], buffer, 8), 3);
    CHECK_INT(recv_some(fds[1], buffer, 8), 0);
    CHECK_INT(recv_some(fds[1], buffer, 8), 0);
    CHECK_INT(lti_os_kind_of(send_some(fds[1], "x", 1)), LTI_OS_PIPE);
    close_all(fds + 1, 1);
    close_all(&poller, 1);
}

TEST(kernel_peer_closed_unread_gives_one_reset)
{
    int fds[2];
    char buffer[8];
    pair_open(fds);
    int poller = poller_open();
    REQUIRE_INT(lti_os_poller_add(poller, fds[1], LTI_OS_IN, 1), 0);
    CHECK_INT(send_some(fds[1], "lost", 4), 4);
    CHECK_INT(send_some(fds[0], "abc", 3), 3);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(poll_once(poller), ENDED | LTI_OS_ERROR);
    CHECK_INT(recv_some(fds[1], buffer, 8), 3);
    CHECK_INT(lti_os_kind_of(recv_some(fds[1], buffer, 8)), LTI_OS_RESET);
    CHECK_INT(recv_some(fds[1], buffer, 8), 0);
    CHECK_INT(recv_some(fds[1], buffer, 8), 0);
    close_all(fds + 1, 1);
    close_all(&poller, 1);
}

TEST(kernel_half_close_ends_one_direction)
{
    int fds[2];
    char buffer[8];
    pair_open(fds);
    int poller = poller_open();
    REQUIRE_INT(lti_os_poller_add(poller, fds[1], LTI_OS_IN, 1), 0);
    CHECK_INT(send_some(fds[0], "abc", 3), 3);
    CHECK_INT(lti_os_shutdown_write(fds[0]), 0);
    CHECK_INT(poll_once(poller), LTI_OS_IN | LTI_OS_READ_HANGUP);
    CHECK_INT(lti_os_kind_of(send_some(fds[0], "x", 1)), LTI_OS_PIPE);
    CHECK_INT(recv_some(fds[1], buffer, 8), 3);
    CHECK_INT(recv_some(fds[1], buffer, 8), 0);
    CHECK_INT(send_some(fds[1], "late", 4), 4);
    CHECK_INT(recv_some(fds[0], buffer, 8), 4);
    CHECK_INT(lti_os_shutdown_write(fds[1]), 0);
    CHECK_INT(poll_once(poller), ENDED);
    CHECK_INT(recv_some(fds[0], buffer, 8), 0);
    CHECK_INT(lti_os_shutdown_write(fds[1]), 0);
    close_all(fds, 2);
    close_all(&poller, 1);
}

TEST(kernel_half_close_then_close_hangs_up)
{
    int fds[2];
    pair_open(fds);
    int poller = poller_open();
    REQUIRE_INT(lti_os_poller_add(poller, fds[1], LTI_OS_IN, 1), 0);
    CHECK_INT(lti_os_shutdown_write(fds[0]), 0);
    CHECK_INT(poll_once(poller), LTI_OS_IN | LTI_OS_READ_HANGUP);
    CHECK_INT(poll_once(poller), 0);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(poll_once(poller), ENDED);
    CHECK_INT(poll_once(poller), 0);
    close_all(fds + 1, 1);
    close_all(&poller, 1);
}

TEST(kernel_a_socket_that_is_not_connected)
{
    char byte = 'x';
    int fd = socket_open();
    struct lti_os_socket_facts facts = {false, true, true, true};
    CHECK_INT(lti_os_kind_of(recv_some(fd, &byte, 1)), LTI_OS_INVALID);
    CHECK_INT(lti_os_kind_of(send_some(fd, &byte, 1)), LTI_OS_NOT_CONNECTED);
    CHECK_INT(lti_os_kind_of(lti_os_accept(fd)), LTI_OS_INVALID);
    CHECK_INT(lti_os_kind_of(lti_os_listen(fd, 1)), LTI_OS_INVALID);
    CHECK_INT(lti_os_shutdown_write(fd), 0);
    REQUIRE_INT(lti_os_socket_facts(fd, &facts), 0);
    CHECK(facts.unix_stream && !facts.unix_packets && !facts.listening && !facts.connected);
    close_all(&fd, 1);
}

TEST(kernel_facts_and_peer)
{
    int fds[2];
    struct lti_os_socket_facts facts = {false, true, true, false};
    struct lti_os_peer peer = {0, 0, 0};
    pair_open(fds);
    REQUIRE_INT(lti_os_socket_facts(fds[0], &facts), 0);
    CHECK(facts.unix_stream && !facts.unix_packets && !facts.listening && facts.connected);
    REQUIRE_INT(lti_os_peer(fds[0], &peer), 0);
    CHECK_INT(peer.uid, lti_os_euid());
    CHECK(peer.pid > 0);
    CHECK(lti_os_set_flags(fds[0]) >= 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
    REQUIRE_INT(lti_os_socket_facts(fds[0], &facts), 0);
    CHECK(facts.connected);
    int64_t event = lti_os_event_create();
    REQUIRE(event >= 0);
    CHECK_INT(lti_os_kind_of(lti_os_socket_facts((int)event, &facts)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_kind_of(lti_os_socket_facts(900, &facts)), LTI_OS_NOT_SOCKET);
    CHECK_INT(lti_os_close((int)event), 0);
    close_all(fds, 1);
}

/* ---- Names
 * ------------------------------------------------------------------------------------ */

TEST(kernel_connect_accept_exchange)
{
    char path[LTI_OS_PATH_MAX + 1], buffer[8];
    size_t size = path_make(path, sizeof path, "s");
    int listener = listener_open(path, size, 5);
    int client = socket_open();
    struct lti_os_peer peer = {0, 0, 0};
    struct lti_os_socket_facts facts = {false, true, false, true};
    CHECK(!lti_os_accept_ready(listener) && !lti_os_accept_more(listener));
    CHECK_INT(lti_os_kind_of(lti_os_accept(listener)), LTI_OS_AGAIN);
    CHECK_INT(lti_os_connect(client, path, size), 0);
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, path, size)), LTI_OS_IS_CONNECTED);
    CHECK_INT(send_some(client, "early", 5), 5);
    CHECK(lti_os_accept_ready(listener) && lti_os_accept_more(listener));
    int server = (int)lti_os_accept(listener);
    CHECK(!lti_os_accept_more(listener));
    REQUIRE(server >= 0);
    CHECK_INT(recv_some(server, buffer, 8), 5);
    REQUIRE_INT(lti_os_peer(server, &peer), 0);
    CHECK_INT(peer.uid, lti_os_euid());
    REQUIRE_INT(lti_os_peer(client, &peer), 0);
    CHECK_INT(peer.uid, lti_os_euid());
    REQUIRE_INT(lti_os_socket_facts(listener, &facts), 0);
    CHECK(facts.unix_stream && !facts.unix_packets && facts.listening && !facts.connected);
    CHECK_INT(lti_os_kind_of(recv_some(listener, buffer, 1)), LTI_OS_INVALID);
    CHECK_INT(lti_os_kind_of(lti_os_connect(listener, path, size)), LTI_OS_INVALID);
    CHECK_INT(lti_os_kind_of(lti_os_accept(server)), LTI_OS_INVALID);
    const int fds[3] = {listener, client, server};
    close_all(fds, 3);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(kernel_backlog_is_one_more_then_eagain)
{
    char path[LTI_OS_PATH_MAX + 1];
    size_t size = path_make(path, sizeof path, "s");
    int listener = listener_open(path, size, 2);
    int clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = socket_open();
        int64_t result = lti_os_connect(clients[i], path, size);
        CHECK_INT(lti_os_kind_of(result), i < 3 ? LTI_OS_NONE : LTI_OS_AGAIN);
    }
    int64_t server = lti_os_accept(listener);
    REQUIRE(server >= 0);
    CHECK_INT(lti_os_connect(clients[3], path, size), 0);
    CHECK_INT(lti_os_close((int)server), 0);
    close_all(clients, 4);
    for (int i = 0; i < 3; i++) {
        server = lti_os_accept(listener); /* clients that went away are still handed out */
        REQUIRE(server >= 0);
        CHECK_INT(recv_some((int)server, path, 0), 0);
        CHECK_INT(lti_os_close((int)server), 0);
    }
    CHECK_INT(lti_os_kind_of(lti_os_accept(listener)), LTI_OS_AGAIN);
    close_all(&listener, 1);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(kernel_listener_closed_resets_its_queue)
{
    char path[LTI_OS_PATH_MAX + 1], buffer[4];
    size_t size = path_make(path, sizeof path, "s");
    int listener = listener_open(path, size, 2);
    int client = socket_open();
    int poller = poller_open();
    REQUIRE_INT(lti_os_connect(client, path, size), 0);
    REQUIRE_INT(lti_os_poller_add(poller, client, LTI_OS_IN, 1), 0);
    CHECK_INT(poll_once(poller), 0);
    CHECK_INT(lti_os_close(listener), 0);
    CHECK_INT(poll_once(poller), ENDED | LTI_OS_ERROR);
    CHECK_INT(lti_os_kind_of(recv_some(client, buffer, 4)), LTI_OS_RESET);
    CHECK_INT(recv_some(client, buffer, 4), 0);
    CHECK_INT(lti_os_kind_of(send_some(client, "x", 1)), LTI_OS_PIPE);
    const int fds[2] = {client, poller};
    close_all(fds, 2);
    CHECK_INT(lti_os_unlink(path), 0);
}

/* Nobody else comes, and who came before is still handed out. */
TEST(kernel_listener_that_is_over)
{
    char path[LTI_OS_PATH_MAX + 1], buffer[4];
    size_t size = path_make(path, sizeof path, "s");
    int listener = listener_open(path, size, 2);
    const int clients[2] = {socket_open(), socket_open()};
    REQUIRE_INT(lti_os_connect(clients[0], path, size), 0);
    lti_os_listen_over(listener);
    CHECK_INT(lti_os_kind_of(lti_os_connect(clients[1], path, size)), LTI_OS_REFUSED);
    int server = (int)lti_os_accept(listener);
    REQUIRE(server >= 0);
    CHECK_INT(send_some(clients[0], "abc", 3), 3);
    CHECK_INT(recv_some(server, buffer, 4), 3);
    CHECK_INT(lti_os_kind_of(lti_os_accept(listener)), LTI_OS_AGAIN);
    const int fds[2] = {listener, server};
    close_all(clients, 2);
    close_all(fds, 2);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(kernel_connect_to_what_does_not_listen)
{
    char path[LTI_OS_PATH_MAX + 1], inside[LTI_OS_PATH_MAX + 1];
    size_t size = path_make(path, sizeof path, "s");
    int client = socket_open();
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, path, size)), LTI_OS_NOT_FOUND);
    int socket = socket_open();
    REQUIRE_INT(lti_os_bind(socket, path, size), 0);
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, path, size)), LTI_OS_REFUSED);
    CHECK_INT(lti_os_close(socket), 0);
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, path, size)), LTI_OS_REFUSED);
    CHECK_INT(lti_os_unlink(path), 0);
    int64_t lock = lti_os_open_lock(path);
    REQUIRE(lock >= 0);
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, path, size)), LTI_OS_REFUSED);
    size_t deeper = path_make(inside, sizeof inside, "s/x");
    CHECK_INT(lti_os_kind_of(lti_os_connect(client, inside, deeper)), LTI_OS_NOT_DIR);
    CHECK_INT(lti_os_close((int)lock), 0);
    CHECK_INT(lti_os_unlink(path), 0);
    close_all(&client, 1);
}

TEST(kernel_bind_makes_a_name_once)
{
    char path[LTI_OS_PATH_MAX + 1], inside[LTI_OS_PATH_MAX + 1];
    size_t size = path_make(path, sizeof path, "s");
    struct lti_os_file first, second;
    int a = socket_open();
    int b = socket_open();
    CHECK_INT(lti_os_fchmod(a, 0600), 0);
    REQUIRE_INT(lti_os_bind(a, path, size), 0);
    REQUIRE_INT(lti_os_lstat(path, &first), 0);
    CHECK_INT(first.type, LTI_OS_FILE_SOCKET);
    CHECK_INT(first.mode, 0600);
    CHECK_INT(first.uid, lti_os_euid());
    CHECK_INT(lti_os_kind_of(lti_os_bind(b, path, size)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_kind_of(lti_os_bind(a, "/nowhere", 8)), LTI_OS_INVALID);
    size_t deeper = path_make(inside, sizeof inside, "none/x");
    CHECK_INT(lti_os_kind_of(lti_os_bind(b, inside, deeper)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_bind(b, inside, LTI_OS_PATH_MAX + 1)), LTI_OS_TOO_LONG);
    CHECK_INT(lti_os_unlink(path), 0);
    CHECK_INT(lti_os_kind_of(lti_os_unlink(path)), LTI_OS_NOT_FOUND);
    REQUIRE_INT(lti_os_bind(b, path, size), 0);
    REQUIRE_INT(lti_os_lstat(path, &second), 0);
    CHECK(first.inode != second.inode || first.device != second.device);
    const int fds[2] = {a, b};
    close_all(fds, 2);
    REQUIRE_INT(lti_os_lstat(path, &second), 0);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(kernel_abstract_names_go_with_the_socket)
{
    char name[24] = "\0leat-kernel-";
    uint8_t random[4];
    REQUIRE_INT(lti_os_random(random, sizeof random), sizeof random);
    for (size_t i = 0; i < 4; i++)
        name[13 + i] = (char)('a' + random[i] % 26);
    int a = listener_open(name, 17, 1);
    int b = socket_open();
    CHECK_INT(lti_os_kind_of(lti_os_bind(b, name, 17)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_kind_of(lti_os_connect(b, name, 16)), LTI_OS_REFUSED);
    CHECK_INT(lti_os_connect(b, name, 17), 0);
    CHECK_INT(lti_os_close(a), 0);
    CHECK_INT(lti_os_close(b), 0);
    b = socket_open();
    CHECK_INT(lti_os_kind_of(lti_os_connect(b, name, 17)), LTI_OS_REFUSED);
    CHECK_INT(lti_os_bind(b, name, 17), 0);
    close_all(&b, 1);
}

/* ---- Files
 * ------------------------------------------------------------------------------------ */

TEST(kernel_files_and_locks)
{
    char path[LTI_OS_PATH_MAX + 1];
    struct lti_os_file named, held;
    path_make(path, sizeof path, "lock");
    int64_t a = lti_os_open_lock(path);
    int64_t b = lti_os_open_lock(path);
    REQUIRE(a >= 0 && b >= 0);
    CHECK_INT(lti_os_lock((int)a), 0);
    CHECK_INT(lti_os_lock((int)a), 0);
    CHECK_INT(lti_os_kind_of(lti_os_lock((int)b)), LTI_OS_IN_USE);
    REQUIRE_INT(lti_os_lstat(path, &named), 0);
    REQUIRE_INT(lti_os_fstat((int)a, &held), 0);
    CHECK_INT(held.type, LTI_OS_FILE_REGULAR);
    CHECK_INT(held.mode, 0600);
    CHECK_INT(held.links, 1);
    CHECK(held.inode == named.inode && held.device == named.device);
    CHECK_INT(lti_os_close((int)a), 0);
    CHECK_INT(lti_os_lock((int)b), 0);
    CHECK_INT(lti_os_unlink(path), 0);
    REQUIRE_INT(lti_os_fstat((int)b, &held), 0);
    CHECK_INT(held.links, 0);
    a = lti_os_make_lock(path);
    CHECK_INT(lti_os_kind_of(lti_os_make_lock(path)), LTI_OS_EXISTS);
    REQUIRE(a >= 0);
    CHECK_INT(lti_os_lock((int)a), 0); /* a new file at the same path */
    const int fds[2] = {(int)a, (int)b};
    close_all(fds, 2);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(kernel_folders)
{
    struct lti_os_file file;
    char path[LTI_OS_PATH_MAX + 1];
    REQUIRE_INT(lti_os_lstat(lti_test_folder(), &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_DIR);
    CHECK_INT(file.mode, 0700);
    CHECK_INT(file.uid, lti_os_euid());
    CHECK_INT(lti_os_kind_of(lti_os_mkdir(lti_test_folder(), 0700)), LTI_OS_EXISTS);
    path_make(path, sizeof path, "none/inside");
    CHECK_INT(lti_os_kind_of(lti_os_mkdir(path, 0700)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_lstat(path, &file)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_open_lock(path)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_open_lock(lti_test_folder())), LTI_OS_EXISTS);
    CHECK_INT(lti_os_kind_of(lti_os_make_lock(lti_test_folder())), LTI_OS_EXISTS);
}
