/* SPDX-License-Identifier: MIT
 *
 * L27: a descriptor that leat adopted, in the hands of an attacker, too. Handles are not passed, so
 * this is the one way in which an open file of ours can be somebody else's as well. When they are,
 * those that were received belong here, too.
 *
 * Happy path: leat asks for no wait with each call, and looks before it accepts.
 * Fails:      where the attacker was faster, there is nothing to read and nobody to accept.
 * Invariants: no call of leat waits. A call that does ends the test by its time limit.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_MS 1000u

static void made_blocking(int fd)
{
    REQUIRE(fcntl(fd, F_SETFL, 0) == 0);
}

static int client_of(const char *path)
{
    int fd = attack_raw_connect(path);
    REQUIRE(fd >= 0);
    return fd;
}

/* The one interleaving that the storm below may miss: the hub has heard of a client, and another
 * has taken it before the hub comes to it. */
TEST(attack_l27_client_taken_before_it_is_accepted)
{
    struct leat_hub *hub = NULL;
    struct leat_event event;
    leat_listener listener;
    leat_conn conn;
    intptr_t waitable = -1;
    uint64_t longest_ms = 0;
    attack_world();
    int fd = attack_raw_listen(attack_path("server"), 8);
    REQUIRE(fd >= 0);
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    REQUIRE(other >= 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_listener(hub, fd, NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_hub_waitable(hub, &waitable), LEAT_OK);
    for (int i = 0; i < 20; i++) {
        struct pollfd there = {(int)waitable, POLLIN, 0};
        made_blocking(other);
        int client = client_of(attack_path("server"));
        CHECK_INT(poll(&there, 1, (int)lti_test_scaled_ms(ATTACK_SOON_MS)), 1);
        int taken = accept4(other, NULL, NULL, SOCK_CLOEXEC);
        REQUIRE(taken >= 0);
        uint64_t begin_ms = lti_test_now_ms();
        CHECK_ERROR(leat_next(hub, &event, 0), LEAT_E_TIMEOUT);
        uint64_t took_ms = lti_test_now_ms() - begin_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        CHECK(close(taken) == 0 && close(client) == 0);
    }
    CHECK(longest_ms < STALL_MS);
    made_blocking(other);
    int client = client_of(attack_path("server"));
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, ATTACK_SOON_MS, &conn), LEAT_OK);
    attack_seen("L27",
                "a client that was taken from an adopted listener: no call took longer than "
                "%llu ms, the next one is accepted",
                (unsigned long long)longest_ms);
    CHECK(close(client) == 0 && close(other) == 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(attack_path("server"));
    attack_world_end();
}

/* ---- A storm --------------------------------------------------------------------------------- */

struct storm {
    atomic_uint cleared, clients_taken, bytes_taken;
};

struct shared {
    struct storm *storm;
    int listener, conn;
};

static struct shared shared_hear(int fd, void *argument)
{
    struct shared shared = {.storm = argument};
    shared.listener = attack_hear_fd(fd);
    shared.conn = attack_hear_fd(fd);
    attack_say(fd, 0);
    return shared;
}

static void clearer_part(int fd, void *argument)
{
    struct shared shared = shared_hear(fd, argument);
    while (fcntl(shared.listener, F_SETFL, 0) == 0 && fcntl(shared.conn, F_SETFL, 0) == 0)
        atomic_fetch_add(&shared.storm->cleared, 1);
}

/* It may itself wait in accept: as it made the listener a blocking one. */
static void taker_part(int fd, void *argument)
{
    struct shared shared = shared_hear(fd, argument);
    for (;;) {
        char bytes[256];
        struct pollfd there = {shared.listener, POLLIN, 0};
        int taken = poll(&there, 1, 0) == 1 ? accept(shared.listener, NULL, NULL) : -1;
        if (taken >= 0) {
            atomic_fetch_add(&shared.storm->clients_taken, 1);
            (void)close(taken);
        }
        ssize_t size = recv(shared.conn, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size > 0)
            atomic_fetch_add(&shared.storm->bytes_taken, (unsigned)size);
    }
}

static struct attack_actor shared_with(void (*part)(int, void *), struct storm *storm, int listener,
                                       int conn)
{
    struct attack_actor actor = attack_begin(geteuid(), part, storm);
    CHECK_INT(attack_raw_send_fds(actor.fd, &listener, 1), 0);
    CHECK_INT(attack_raw_send_fds(actor.fd, &conn, 1), 0);
    CHECK_INT(attack_hear(actor.fd), 0);
    return actor;
}

struct stormy {
    struct leat_hub *hub;
    leat_conn conn;
    int peer; /* of conn */
    uint32_t accepted, bytes;
    uint64_t longest_ms;
};

static void stormy_took(struct stormy *stormy, uint64_t begin_ms)
{
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    if (took_ms > stormy->longest_ms)
        stormy->longest_ms = took_ms;
}

/* One turn: all that leat has to tell, a read whatever it told, and a write. */
static void stormy_turn(struct stormy *stormy)
{
    static const char block[8192];
    char bytes[256];
    struct leat_event event;
    size_t size = 0;
    enum leat_error error = LEAT_OK;
    for (int i = 0; i < 64 && error == LEAT_OK; i++) {
        uint64_t begin_ms = lti_test_now_ms();
        error = leat_next(stormy->hub, &event, 0);
        CHECK(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        if (error == LEAT_OK && event.type == LEAT_EVENT_ACCEPTED) {
            stormy->accepted++;
            CHECK_ERROR(leat_abort(stormy->hub, event.conn), LEAT_OK);
        }
        if (leat_read(stormy->hub, stormy->conn, bytes, sizeof bytes, &size) == LEAT_OK)
            stormy->bytes += (uint32_t)size;
        enum leat_error wrote = leat_write(stormy->hub, stormy->conn, block, sizeof block, &size);
        CHECK(wrote == LEAT_OK || wrote == LEAT_E_FULL);
        stormy_took(stormy, begin_ms);
    }
}

static void peer_turn(int peer, uint32_t turn)
{
    static char bytes[65536];
    ssize_t ignored = send(peer, "0123456789abcdef", 1 + turn % 16, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (turn % 3 == 0)
        ignored = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
    (void)ignored;
}

static struct storm *storm_make(void)
{
    struct storm *storm =
        mmap(NULL, sizeof *storm, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(storm != MAP_FAILED);
    return storm;
}

TEST_TIMEOUT(attack_l27_descriptors_made_blocking_all_the_time, 240)
{
    struct stormy stormy = {.hub = NULL};
    leat_listener listener;
    int ends[2];
    attack_world();
    struct storm *storm = storm_make();
    int fd = attack_raw_listen(attack_path("server"), 8);
    REQUIRE(fd >= 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    stormy.peer = ends[1];
    REQUIRE_ERROR(leat_hub_create(NULL, &stormy.hub), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_listener(stormy.hub, fd, NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(stormy.hub, ends[0], 1, NULL, &stormy.conn), LEAT_OK);
    struct attack_actor clearer = shared_with(clearer_part, storm, fd, ends[0]);
    struct attack_actor taker = shared_with(taker_part, storm, fd, ends[0]);
    uint32_t turns = attack_deep() ? 30000 : 3000, turn = 0;
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(60000);
    bool seen_all = false;
    /* On, until each of the two was faster at times. */
    for (; (turn < turns || !seen_all) && lti_test_now_ms() < end_ms; turn++) {
        int client = attack_raw_connect(attack_path("server"));
        CHECK(client >= 0 || client == -EAGAIN);
        peer_turn(stormy.peer, turn);
        stormy_turn(&stormy);
        CHECK(client < 0 || close(client) == 0);
        seen_all = stormy.accepted > 0 && stormy.bytes > 0 && atomic_load(&storm->cleared) > 0 &&
                   atomic_load(&storm->clients_taken) > 0 && atomic_load(&storm->bytes_taken) > 0;
    }
    CHECK(seen_all);
    CHECK(stormy.longest_ms < STALL_MS);
    attack_kill(&clearer);
    attack_kill(&taker);
    attack_seen("L27",
                "cleared %u times while leat read, wrote and accepted, %u clients and %u bytes "
                "taken from it, %u and %u not: no call took longer than %llu ms",
                atomic_load(&storm->cleared), atomic_load(&storm->clients_taken),
                atomic_load(&storm->bytes_taken), stormy.accepted, stormy.bytes,
                (unsigned long long)stormy.longest_ms);
    CHECK_ERROR(leat_hub_destroy(stormy.hub), LEAT_OK);
    CHECK(close(stormy.peer) == 0 && munmap(storm, sizeof *storm) == 0);
    attack_remove(attack_path("server"));
    attack_world_end();
}
