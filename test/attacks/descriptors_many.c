/* SPDX-License-Identifier: MIT
 *
 * L21: another user, whom the policy lets in, and one of our own send more descriptors than are
 * allowed, which is none: 9, 64 and 253 in one message, in one control message and in two. When
 * handles are passed, there will be a number that is allowed, and these will be about one more.
 *
 * Happy path: from Linux 6.16 on the sender is told so. On a way that an older kernel leaves open
 *             they come, are closed, and the connection goes on.
 * Fails:      PROTOCOL for who sends faster than they are closed.
 * Invariants: what is open of a peer's is bounded all the time, and is nothing in the end.
 */
#include "victim.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIGHTS_MAX 253u /* as many as Linux sends at once */
#define TRIES 4000
#define OPEN_MAX 285u /* as docs/access.md has it */

/* ---- The attacker ---------------------------------------------------------------------------- */

struct rights { /* in the first control message, and in the second */
    uint32_t first, second;
};

static void rights_put(struct cmsghdr *header, uint32_t count)
{
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memset(CMSG_DATA(header), 0, count * sizeof(int)); /* its standard input, so often */
}

static int64_t rights_send(int fd, struct rights rights)
{
    static union {
        struct cmsghdr header;
        char bytes[2 * CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
    } control;
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    size_t first = CMSG_SPACE(rights.first * sizeof(int));
    memset(&control, 0, sizeof control);
    message.msg_controllen = first;
    rights_put(&control.header, rights.first);
    if (rights.second > 0) {
        message.msg_controllen += CMSG_SPACE(rights.second * sizeof(int));
        rights_put((struct cmsghdr *)(void *)(control.bytes + first), rights.second);
    }
    ssize_t size = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return size == 1 ? 0 : -errno;
}

/* Sends what it is told to, and says what came of it. The system counts what all processes of a
 * user have under way, those of other tests, too: then it waits until there is room. */
static void sender_part(int fd, void *argument)
{
    int conn = attack_raw_connect(argument);
    attack_say(fd, conn < 0 ? conn : 0);
    for (;;) {
        int64_t word = attack_hear(fd), result = -ETOOMANYREFS;
        const struct rights rights = {(uint32_t)word & 0xFFFF, (uint32_t)(word >> 16) & 0xFFFF};
        for (int i = 0; i < TRIES && result == -ETOOMANYREFS; i++) {
            if (i > 0)
                lti_test_pause();
            result = rights_send(conn, rights);
        }
        attack_say(fd, result);
    }
}

static int64_t sender_sends(const struct attack_actor *sender, struct rights rights)
{
    attack_say(sender->fd, (int64_t)rights.first | (int64_t)rights.second << 16);
    return attack_hear(sender->fd);
}

/* Sends as fast as the system takes it, on one connection after the other. */
static void flooder_part(int fd, void *argument)
{
    const struct rights most = {RIGHTS_MAX, 0};
    (void)fd;
    for (;;) {
        int conn = attack_raw_connect(argument);
        for (int64_t result = conn < 0 ? conn : 0; result != -EPIPE && result != -ECONNRESET;) {
            struct pollfd room = {conn, POLLOUT, 0};
            (void)poll(&room, 1, 1);
            result = conn < 0 ? -EPIPE : rights_send(conn, most);
        }
        if (conn >= 0)
            (void)close(conn);
    }
}

/* ---- The victim ------------------------------------------------------------------------------ */

/* A server for that user; `through`: its connections let descriptors through. */
static struct leat_hub *server_for(uint32_t user, bool through, leat_listener *listener_out)
{
    static const char *const users[] = {"60101", "60102"}; /* ALICE and BOB */
    struct leat_listen_options options = {.size = sizeof options};
    struct leat_hub *hub = NULL;
    if (user != geteuid()) {
        options.who = LEAT_WHO_LIST;
        options.users = users;
        options.users_count = 2;
    }
    int fd = attack_raw_listen(attack_path("server"), 8);
    REQUIRE(fd >= 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_listener(hub, fd, &options, listener_out), LEAT_OK);
    if (through)
        victim_unprotect(fd);
    return hub;
}

static void server_end(struct leat_hub *hub)
{
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_remove(attack_path("server"));
}

/* How many came through. */
static uint64_t victim_outlives(uint32_t user, bool through, uint32_t rounds)
{
    static const struct rights tries[] = {
        {9, 0}, {64, 0}, {253, 0}, {4, 5}, {32, 32}, {252, 1}, {1, 252}, {253, 1}, {253, 253},
    };
    struct victim victim = {.attacker = -1};
    leat_listener listener;
    uint64_t came = 0;
    victim.hub = server_for(user, through, &listener);
    struct attack_actor sender = attack_begin(user, sender_part, (void *)attack_path("server"));
    REQUIRE_ERROR(leat_wait_accepted(victim.hub, listener, ATTACK_SOON_MS, &victim.conn), LEAT_OK);
    CHECK_INT(attack_hear(sender.fd), 0);
    uint32_t open_before = attack_descriptors();
    for (uint32_t i = 0; i < rounds; i++) {
        const struct rights rights = tries[i % (sizeof tries / sizeof tries[0])];
        uint32_t count = rights.first + rights.second;
        int64_t result = sender_sends(&sender, rights);
        if (count > RIGHTS_MAX)
            CHECK_INT(result, -EINVAL); /* the system's own limit, for both together */
        else if (!through)
            CHECK_INT(result, -EPERM);
        else
            REQUIRE_INT(result, 0);
        if (result != 0)
            continue;
        came += count;
        (void)victim_reads(&victim, 1);
        victim_closed(&victim, open_before);
    }
    CHECK_INT(attack_descriptors(), open_before);
    attack_kill(&sender);
    server_end(victim.hub);
    return came;
}

TEST_TIMEOUT(attack_l21_more_than_are_allowed, 600)
{
    uint32_t rounds = attack_deep() ? 10000 : 300;
    bool refuses = victim_kernel_refuses();
    attack_world();
    uint32_t other = geteuid() == ROOT ? BOB : geteuid();
    if (refuses)
        CHECK_INT(victim_outlives(other, false, rounds), 0);
    uint64_t came = victim_outlives(other, true, rounds);
    if (other != geteuid())
        came += victim_outlives(geteuid(), true, rounds);
    CHECK(came > rounds);
    attack_seen("L21",
                "%s%llu in %u messages of 9 to 253, in one part or two, by %s: none is open, "
                "the connection lives",
                refuses ? "EPERM; as an older kernel has it, " : "", (unsigned long long)came,
                rounds, other == geteuid() ? "the same user" : "another user and the same");
    attack_world_end();
}

struct flood {
    struct leat_hub *hub;
    uint32_t conns, ended, messages, most_open;
};

static void flood_turn(struct flood *flood, uint32_t open_before)
{
    char bytes[256];
    size_t size = 0;
    struct leat_event event;
    enum leat_error error = leat_next(flood->hub, &event, 100);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
    if (error != LEAT_OK)
        return;
    flood->conns += event.type == LEAT_EVENT_ACCEPTED;
    if (event.type == LEAT_EVENT_READABLE &&
        leat_read(flood->hub, event.conn, bytes, sizeof bytes, &size) == LEAT_OK)
        flood->messages += (uint32_t)size;
    if (event.type == LEAT_EVENT_CLOSED) {
        CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
        flood->ended++;
    }
    uint32_t open = attack_descriptors();
    if (open > open_before + flood->most_open)
        flood->most_open = open - open_before;
}

TEST_TIMEOUT(attack_l21_faster_than_they_are_closed, 240)
{
    struct flood flood = {.hub = NULL};
    uint32_t ends = attack_deep() ? 2000 : 40;
    leat_listener listener;
    attack_world();
    uint32_t user = geteuid() == ROOT ? ALICE : geteuid();
    flood.hub = server_for(user, true, &listener);
    uint32_t open_before = attack_descriptors();
    struct attack_actor flooder = attack_begin(user, flooder_part, (void *)attack_path("server"));
    uint64_t end_ms = lti_test_now_ms() + lti_test_scaled_ms(120000);
    while (flood.ended < ends && lti_test_now_ms() < end_ms)
        flood_turn(&flood, open_before);
    CHECK_INT(flood.ended, ends);
    attack_kill(&flooder);
    CHECK_ERROR(leat_listener_close(flood.hub, listener), LEAT_OK);
    /* Beside them the flooder's connections, the one that is being made included, and those that
     * are to be closed over what is left in them. */
    CHECK(flood.most_open <= OPEN_MAX + 32);
    server_end(flood.hub);
    CHECK_WITHIN(ATTACK_SOON_MS, attack_descriptors() < open_before);
    attack_seen("L21",
                "as fast as they go: PROTOCOL each of %u times, after %u messages, at most %u "
                "are open, in the end none",
                flood.ended, flood.messages, flood.most_open);
    attack_world_end();
}
