/* SPDX-License-Identifier: MIT
 *
 * Who the attacks by descriptors are made against, and a descriptor that takes long to close.
 *
 * Happy path: an attacker's end is a plain socket in this process.
 * Fails:      what cannot be made ends the test.
 * Invariants: a victim has the test's world, which goes with it.
 */
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

bool victim_kernel_refuses(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;
    REQUIRE(fd >= 0);
    bool refuses = setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0;
    REQUIRE(close(fd) == 0);
    return refuses;
}

void victim_unprotect(int fd)
{
    int on = 1;
    if (victim_kernel_refuses())
        REQUIRE(setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on) == 0);
}

void victim_older_kernel(void)
{
#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[2])), /* the low half, on what we run on */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_PASSRIGHTS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        SKIP_NEEDS("system call filters");
    CHECK(!victim_kernel_refuses());
}

struct victim victim_accepted(void)
{
    struct victim victim;
    leat_listener listener;
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &victim.hub), LEAT_OK);
    REQUIRE_ERROR(leat_listen(victim.hub, attack_name(attack_path("server")), NULL, &listener),
                  LEAT_OK);
    victim.attacker = attack_raw_connect(attack_path("server"));
    REQUIRE(victim.attacker >= 0);
    REQUIRE_ERROR(leat_wait_accepted(victim.hub, listener, ATTACK_SOON_MS, &victim.conn), LEAT_OK);
    return victim;
}

struct victim victim_dialled(void)
{
    struct victim victim;
    attack_world();
    int listener = attack_raw_listen(attack_path("server"), 1);
    REQUIRE(listener >= 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &victim.hub), LEAT_OK);
    REQUIRE_ERROR(
        leat_connect_wait(victim.hub, attack_name(attack_path("server")), NULL, &victim.conn),
        LEAT_OK);
    victim.attacker = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    REQUIRE(victim.attacker >= 0 && close(listener) == 0);
    attack_remove(attack_path("server"));
    return victim;
}

struct victim victim_adopted(void)
{
    struct victim victim;
    struct leat_event event;
    int ends[2];
    attack_world();
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE_ERROR(leat_hub_create(NULL, &victim.hub), LEAT_OK);
    REQUIRE_ERROR(leat_adopt_conn(victim.hub, ends[0], 1, NULL, &victim.conn), LEAT_OK);
    REQUIRE_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
    REQUIRE_INT(event.type, LEAT_EVENT_CONNECTED);
    victim.attacker = ends[1];
    return victim;
}

struct victim victim_of(struct leat_hub *hub)
{
    struct victim victim = {.hub = hub};
    struct leat_event event;
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE_ERROR(leat_adopt_conn(victim.hub, ends[0], 1, NULL, &victim.conn), LEAT_OK);
    REQUIRE_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
    REQUIRE_INT(event.type, LEAT_EVENT_CONNECTED);
    victim_unprotect(ends[0]);
    victim.attacker = ends[1];
    return victim;
}

struct victim victim_unprotected(void)
{
    struct leat_hub *hub = NULL;
    attack_world();
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    return victim_of(hub);
}

void victim_closed(const struct victim *victim, uint32_t descriptors)
{
    struct leat_hub_info info = {.size = sizeof info};
    struct leat_event event;
    uint64_t end_ms = lti_test_now_ms() + ATTACK_SOON_MS;
    REQUIRE_ERROR(leat_hub_info_get(victim->hub, &info), LEAT_OK);
    while ((info.threads > 0 || attack_descriptors() != descriptors) &&
           lti_test_now_ms() < end_ms) {
        CHECK_ERROR(leat_next(victim->hub, &event, 1), LEAT_E_TIMEOUT);
        REQUIRE_ERROR(leat_hub_info_get(victim->hub, &info), LEAT_OK);
    }
    CHECK_INT(info.threads, 0);
    CHECK_INT(attack_descriptors(), descriptors);
}

void victim_end(struct victim *victim)
{
    if (victim->attacker >= 0)
        CHECK_INT(close(victim->attacker), 0);
    CHECK_ERROR(leat_hub_destroy(victim->hub), LEAT_OK);
    attack_world_end();
}

uint64_t victim_reads(const struct victim *victim, size_t count)
{
    char bytes[512];
    size_t got = 0, size = 0;
    uint64_t longest_ms = 0, begin_ms = 0;
    REQUIRE(count <= sizeof bytes);
    /* Nothing of leat is called before something is there, so that waiting is not measured. */
    intptr_t waitable = -1;
    REQUIRE_ERROR(leat_hub_waitable(victim->hub, &waitable), LEAT_OK);
    struct pollfd there = {(int)waitable, POLLIN, 0};
    CHECK_INT(poll(&there, 1, (int)lti_test_scaled_ms(ATTACK_SOON_MS)), 1);
    for (int i = 0; i < 1000 && got < count; i++) {
        struct leat_event event;
        begin_ms = lti_test_now_ms();
        enum leat_error error = leat_next(victim->hub, &event, 0);
        REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT);
        if (leat_read(victim->hub, victim->conn, bytes, sizeof bytes, &size) == LEAT_OK)
            got += size;
        uint64_t took_ms = lti_test_now_ms() - begin_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        if (got < count)
            lti_test_pause();
    }
    CHECK_INT(got, count);
    return longest_ms;
}

void victim_hears(const struct victim *victim, const char *text)
{
    CHECK_INT(write(victim->attacker, text, strlen(text)), strlen(text));
}

bool victim_takes(const struct victim *victim, const int *fds, size_t count)
{
    int error = attack_raw_send_fds(victim->attacker, fds, count);
    CHECK(error == 0 || (error == -EPERM && victim_kernel_refuses()));
    return error == 0;
}

struct lingering lingering_make(void)
{
    static const char block[65536];
    struct lingering made;
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct linger linger = {.l_onoff = 1, .l_linger = LINGERING_S};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0)
        SKIP_NEEDS("a loopback network");
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    made.near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(made.near >= 0);
    REQUIRE(connect(made.near, (struct sockaddr *)&address, sizeof address) == 0);
    made.far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    REQUIRE(made.far >= 0 && close(listener) == 0);
    REQUIRE(fcntl(made.near, F_SETFL, O_NONBLOCK) == 0);
    while (write(made.near, block, sizeof block) > 0) {
    }
    REQUIRE(setsockopt(made.near, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    /* The linger time counts for a socket that blocks. */
    REQUIRE(fcntl(made.near, F_SETFL, 0) == 0);
    return made;
}

bool lingering_sent(struct lingering *lingering, const struct victim *victim)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    bool sent = victim_takes(victim, &lingering->near, 1);
    if (!sent)
        REQUIRE(setsockopt(lingering->near, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    REQUIRE(close(lingering->near) == 0);
    return sent;
}
