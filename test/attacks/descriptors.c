/* SPDX-License-Identifier: MIT
 *
 * Attacks by descriptors that nobody asked for: L19, L20, L22 to L24, L26, L28, L29.
 *
 * Happy path: the kernel refuses them for us, from Linux 6.16; what comes by an older kernel's way,
 *             as on a socket where they are allowed again behind our back, is closed by a thread,
 *             and nothing of the connection's bytes is lost by it.
 * Fails:      PROTOCOL for who sends more than can be closed, or than there is place for.
 * Invariants: no descriptor stays open, none reaches a child, and nothing waits for one to close.
 */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- L19, L20, L23 --------------------------------------------------------------------------- */

static void refused_by_the_kernel(struct victim victim)
{
    const int fds[1] = {0};
    uint32_t open_before = attack_descriptors();
    for (int i = 0; i < 10; i++) {
        CHECK_INT(attack_raw_send_fds(victim.attacker, fds, 1), -EPERM);
        victim_hears(&victim, "on");
        (void)victim_reads(&victim, 2);
    }
    CHECK_INT(attack_descriptors(), open_before);
    victim_end(&victim);
}

TEST(attack_l19_descriptors_are_refused)
{
    if (!victim_kernel_refuses())
        SKIP_NEEDS("Linux 6.16");
    refused_by_the_kernel(victim_accepted());
    refused_by_the_kernel(victim_dialled());
    refused_by_the_kernel(victim_adopted());
    attack_seen("L19", "the sender gets EPERM, accepted, dialled, adopted; the connection lives");
}

TEST(attack_l20_many_descriptors_at_once)
{
    int fds[253];
    struct victim victim = victim_unprotected();
    uint32_t open_before = attack_descriptors(), rounds = attack_deep() ? 10000 : 200, sent = 0;
    memset(fds, 0, sizeof fds);
    for (uint32_t i = 0; i < rounds; i++) {
        size_t count = i % 3 == 0 ? 253 : i % 3 == 1 ? 1 : 16;
        if (victim_takes(&victim, fds, count)) {
            sent += (uint32_t)count;
            (void)victim_reads(&victim, 1);
            victim_closed(&victim, open_before);
        }
    }
    CHECK(sent > rounds);
    victim_hears(&victim, "on");
    (void)victim_reads(&victim, 2);
    victim_end(&victim);
    attack_seen("L20", "%u descriptors that came through: all closed, the connection lives", sent);
}

/* A control message ends behind its padding, where one more descriptor may stand that its length
 * does not count. */
TEST(attack_l22_descriptors_of_every_number)
{
    int fds[9];
    struct victim victim = victim_unprotected();
    uint32_t open_before = attack_descriptors(), sent = 0;
    memset(fds, 0, sizeof fds);
    for (size_t count = 1; count <= 9; count++) {
        if (victim_takes(&victim, fds, count)) {
            (void)victim_reads(&victim, 1);
            victim_closed(&victim, open_before);
            sent++;
        }
    }
    CHECK_INT(sent, 9);
    victim_end(&victim);
    attack_seen("L22", "1 to 9 at once: each is found and closed");
}

TEST(attack_l23_at_the_limit_of_descriptors)
{
    const int fds[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    struct victim victim = victim_unprotected();
    struct rlimit limit, low;
    uint32_t open_before = attack_descriptors();
    bool sent = victim_takes(&victim, fds, 8);
    CHECK(sent);
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    low.rlim_cur = (rlim_t)next;
    CHECK_INT(attack_descriptors(), open_before);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    char byte;
    size_t size;
    for (int i = 0; i < 1000 && event.type != LEAT_EVENT_CLOSED; i++) {
        CHECK_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_READABLE)
            CHECK_ERROR(leat_read(victim.hub, victim.conn, &byte, 1, &size), LEAT_OK);
    }
    CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    victim_closed(&victim, open_before - 1);
    attack_seen("L23", "8 descriptors and no room for one: PROTOCOL, none is open");
    victim_end(&victim);
}

/* ---- L24: one that takes three seconds to close ---------------------------------------------- */

#define STALL_MS 1000u

static void lingering_refused(struct victim victim)
{
    struct lingering lingering = lingering_make();
    CHECK(!lingering_sent(&lingering, &victim));
    victim_hears(&victim, "on");
    uint64_t longest_ms = victim_reads(&victim, 2);
    CHECK(longest_ms < STALL_MS);
    CHECK_INT(close(lingering.far), 0);
    victim_end(&victim);
}

TEST(attack_l24_descriptor_that_lingers_is_refused)
{
    if (!victim_kernel_refuses())
        SKIP_NEEDS("Linux 6.16");
    for (int adopted = 0; adopted < 2; adopted++)
        lingering_refused(adopted ? victim_adopted() : victim_accepted());
    attack_seen("L24", "EPERM, accepted and adopted");
}

/* As it is closed, the other end hears of it; which its three seconds would put off. */
TEST(attack_l24_descriptor_that_lingers_is_closed)
{
    struct victim victim = victim_unprotected();
    uint32_t open_before = attack_descriptors();
    struct lingering lingering = lingering_make();
    uint64_t begin_ms = lti_test_now_ms();
    CHECK(lingering_sent(&lingering, &victim));
    uint64_t longest_ms = victim_reads(&victim, 1);
    victim_closed(&victim, open_before + 1);
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    CHECK(longest_ms < STALL_MS);
    CHECK(took_ms < (LINGERING_S - 1) * 1000);
    CHECK_INT(close(lingering.far), 0);
    victim_end(&victim);
    attack_seen("L24", "before Linux 6.16: no call took longer than %llu ms, closed after %llu",
                (unsigned long long)longest_ms, (unsigned long long)took_ms);
}

/* It lies in the queue of a socket that is closed unread. Only the thread stands. */
TEST(attack_l24_descriptor_that_lingers_is_never_read)
{
    struct victim victim = {.attacker = -1};
    struct lingering lingering = lingering_make();
    struct leat_hub_info info = {.size = sizeof info};
    int ends[2];
    attack_world();
    uint32_t open_before = attack_descriptors() - 1; /* without the near end */
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &victim.hub), LEAT_OK);
    victim.attacker = ends[1];
    victim_unprotect(ends[0]);
    CHECK(lingering_sent(&lingering, &victim));
    REQUIRE_ERROR(leat_adopt_conn(victim.hub, ends[0], 1, NULL, &victim.conn), LEAT_OK);
    uint64_t begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_abort(victim.hub, victim.conn), LEAT_OK);
    uint64_t abort_ms = lti_test_now_ms() - begin_ms;
    REQUIRE_ERROR(leat_hub_info_get(victim.hub, &info), LEAT_OK);
    CHECK_INT(info.threads, 1);
    begin_ms = lti_test_now_ms();
    victim_end(&victim);
    uint64_t end_ms = lti_test_now_ms() - begin_ms;
    CHECK(abort_ms < STALL_MS && end_ms < STALL_MS);
    CHECK_INT(close(lingering.far), 0); /* which ends its wait */
    CHECK_WITHIN(ATTACK_SOON_MS,
                 attack_descriptors() + 1 == open_before && lti_test_allocations_live() == 0);
    attack_seen("L24", "never read: %llu ms to close over it, %llu ms to end the hub",
                (unsigned long long)abort_ms, (unsigned long long)end_ms);
}

/* A socket that nobody tells not to linger: it lies in the queue of another, and is closed with it.
 * So the thread stands until the far end is closed. */
static struct lingering lingering_wrapped(const struct victim *victim)
{
    struct lingering lingering = lingering_make();
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    CHECK_INT(attack_raw_send_fds(ends[0], &lingering.near, 1), 0);
    CHECK(victim_takes(victim, &ends[1], 1));
    CHECK(close(lingering.near) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    return lingering;
}

TEST(attack_l20_more_than_can_be_closed)
{
    int fds[253];
    struct victim victim = victim_unprotected(), other = victim_of(victim.hub);
    uint32_t open_before = attack_descriptors();
    struct lingering lingering = lingering_wrapped(&victim);
    memset(fds, 0, sizeof fds);
    uint64_t longest_ms = victim_reads(&victim, 1);
    CHECK(victim_takes(&victim, fds, 253));
    longest_ms += victim_reads(&victim, 1);
    uint32_t most = attack_descriptors() - open_before;
    victim_hears(&victim, "on");
    longest_ms += victim_reads(&victim, 2);
    CHECK(victim_takes(&victim, fds, 1)); /* for which there is no room any more */
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    CHECK_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
    victim_hears(&other, "on"); /* who sends none goes on */
    longest_ms += victim_reads(&other, 2);
    CHECK(longest_ms < STALL_MS);
    CHECK_INT(close(lingering.far), 0);
    victim_closed(&victim, open_before - 1);
    CHECK_INT(close(other.attacker), 0);
    victim_end(&victim);
    attack_seen("L20", "behind one that does not close: %u stay open, then PROTOCOL, after %llu ms",
                most, (unsigned long long)longest_ms);
}

/* ---- L26: kinds of descriptors --------------------------------------------------------------- */

TEST(attack_l26_kinds_of_descriptors)
{
    struct victim victim = victim_unprotected();
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    int fds[9] = {
        open("/", O_PATH | O_CLOEXEC),
        open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        open("/proc/self/mem", O_RDWR | O_CLOEXEC),
        (int)syscall(SYS_pidfd_open, getpid(), 0),
        attack_raw_listen(attack_path("listener"), 1),
        fcntl(victim.attacker, F_DUPFD_CLOEXEC, 0),
        (int)syscall(SYS_memfd_create, "attack", 1u),
        ends[0],
        ends[1],
    };
    uint32_t sent = 0, open_before = attack_descriptors();
    for (size_t i = 0; i < 9; i++) {
        if (fds[i] >= 0 && victim_takes(&victim, &fds[i], 1)) {
            (void)victim_reads(&victim, 1);
            victim_closed(&victim, open_before);
            sent++;
        }
    }
    CHECK(sent >= 7); /* a kernel may lack a kind or two */
    for (size_t i = 0; i < 9; i++)
        CHECK(fds[i] < 0 || close(fds[i]) == 0);
    attack_seen("L26", "%u kinds that came through: all closed", sent);
    attack_remove(attack_path("listener"));
    victim_end(&victim);
}

/* ---- L28: what a child gets ------------------------------------------------------------------ */

/* Run by a process that has hubs, listeners, connections, and was sent descriptors. */
TEST_ON_DEMAND(helper_l28, 30)
{
    const char *text = getenv("LEAT_ATTACKS_OPEN");
    REQUIRE(text != NULL);
    CHECK_INT(attack_descriptors(), strtol(text, NULL, 10));
}

TEST(attack_l28_child_gets_nothing)
{
    const int fds[2] = {0, 1};
    int status = 0;
    char text[16];
    (void)snprintf(text, sizeof text, "%u", attack_descriptors()); /* these it gets: not ours */
    REQUIRE(setenv("LEAT_ATTACKS_OPEN", text, 1) == 0);
    struct victim adopted = victim_adopted();
    struct leat_hub *other = NULL;
    leat_listener listener;
    leat_conn a, b;
    intptr_t waitable = -1;
    if (victim_takes(&adopted, fds, 2))
        (void)victim_reads(&adopted, 1);
    (void)victim_takes(&adopted, fds, 2); /* and some that wait to be read */
    REQUIRE_ERROR(leat_hub_create(NULL, &other), LEAT_OK);
    REQUIRE_ERROR(leat_listen(other, attack_name(attack_path("server")), NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_listen(other, "plain", NULL, &listener), LEAT_OK);
    REQUIRE_ERROR(leat_pair(other, other, NULL, &a, &b), LEAT_OK);
    REQUIRE_ERROR(leat_connect(other, "plain", NULL, &a), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(other, listener, ATTACK_SOON_MS, &b), LEAT_OK);
    REQUIRE_ERROR(leat_hub_waitable(other, &waitable), LEAT_OK);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        (void)execl(lti_test_program(), lti_test_program(), "--run", "helper_l28", (char *)NULL);
        _exit(99);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    attack_seen("L28",
                "a child that was exec'ed has what the test was given, and nothing of leat's");
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    victim_end(&adopted);
}

/* ---- L29: a socket over itself --------------------------------------------------------------- */

TEST_TIMEOUT(attack_l29_socket_over_itself, 240)
{
    uint32_t rounds = attack_deep() ? 10000 : 1000;
    struct leat_hub *hub = NULL;
    struct leat_event event;
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    uint32_t open_before = attack_descriptors();
    uint64_t resident = 0;
    int64_t allocations = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        int ends[2];
        leat_conn conn;
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        /* Both ends travel over both ends, and nobody else has them any more. */
        int error = attack_raw_send_fds(ends[1], ends, 2);
        CHECK(error == 0 || error == -ETOOMANYREFS);
        CHECK(attack_raw_send_fds(ends[0], ends, 2) == error || error != 0);
        REQUIRE_ERROR(leat_adopt_conn(hub, ends[0], i, NULL, &conn), LEAT_OK);
        REQUIRE(close(ends[1]) == 0);
        CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
        for (int turn = 0; turn < 3; turn++)
            if (leat_next(hub, &event, 0) != LEAT_OK)
                break;
        if (i == rounds / 10) {
            resident = attack_resident_bytes();
            allocations = lti_test_allocations_live();
        }
    }
    const struct victim closer = {.hub = hub};
    victim_closed(&closer, open_before);
    uint64_t after = attack_resident_bytes();
    uint64_t grown = after > resident ? after - resident : 0;
    CHECK(grown < (uint64_t)1024 * 1024);
    CHECK(lti_test_allocations_live() <= allocations);
    attack_seen("L29", "%u times: grown by %llu KiB, no descriptor left", rounds,
                (unsigned long long)grown / 1024);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_world_end();
}
