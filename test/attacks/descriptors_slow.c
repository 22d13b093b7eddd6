/* SPDX-License-Identifier: MIT
 *
 * L24 once more: a descriptor that takes long to close, in the queue of a client whom nobody
 * accepted when its listener goes, and for a process that has no descriptor left. On kernels before
 * Linux 6.16: they are made here.
 *
 * Happy path: the client is accepted after all, and closed by a thread. A hub that knows that there
 *             is none left looks before it reads.
 * Fails:      a listener that others have, too, goes to that thread as it is.
 * Invariants: the name is free at once, the path is gone, and no call waits.
 */
#include "victim.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_MS 1000u
#define LOOK_MS 50u /* how often that is looked at, and more */
#define CLIENTS 3

enum { AT_PATH, ABSTRACT, ADOPTED, KINDS };

struct unaccepted {
    struct leat_hub *hub;
    leat_listener listener;
    char place[200]; /* as attack_raw_connect has it */
    char name[210];
    struct victim clients[CLIENTS];
    struct lingering lingerings[CLIENTS];
};

static struct unaccepted unaccepted_make(int kind)
{
    struct unaccepted made = {.hub = NULL};
    if (kind == ABSTRACT)
        (void)snprintf(made.place, sizeof made.place, "@leat-attack-%d", (int)getpid());
    else
        (void)snprintf(made.place, sizeof made.place, "%s", attack_path("server"));
    (void)snprintf(made.name, sizeof made.name, "%s", attack_name(made.place));
    REQUIRE_ERROR(leat_hub_create(NULL, &made.hub), LEAT_OK);
    if (kind == ADOPTED) {
        int fd = attack_raw_listen(made.place, 8);
        REQUIRE(fd >= 0);
        REQUIRE_ERROR(leat_adopt_listener(made.hub, fd, NULL, &made.listener), LEAT_OK);
    } else {
        REQUIRE_ERROR(leat_listen(made.hub, made.name, NULL, &made.listener), LEAT_OK);
    }
    for (int i = 0; i < CLIENTS; i++) {
        made.lingerings[i] = lingering_make();
        made.clients[i].attacker = attack_raw_connect(made.place);
        REQUIRE(made.clients[i].attacker >= 0);
        CHECK(lingering_sent(&made.lingerings[i], &made.clients[i]));
    }
    return made;
}

static void unaccepted_end(struct unaccepted *made)
{
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(close(made->lingerings[i].far), 0); /* which ends its wait */
        CHECK_INT(attack_raw_drain(made->clients[i].attacker, ATTACK_SOON_MS), 0);
        CHECK_INT(close(made->clients[i].attacker), 0);
    }
}

/* How long leat took to end the listener, and to make another one of that name. */
static uint64_t unaccepted_closes(int kind)
{
    uint32_t open_before = attack_descriptors();
    struct unaccepted made = unaccepted_make(kind);
    struct leat_hub_info info = {.size = sizeof info};
    uint64_t begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_listener_close(made.hub, made.listener), LEAT_OK);
    if (kind != ADOPTED) {
        CHECK(kind == ABSTRACT || !attack_exists(made.place));
        CHECK_ERROR(leat_listen(made.hub, made.name, NULL, &made.listener), LEAT_OK);
    }
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    CHECK(took_ms < STALL_MS);
    REQUIRE_ERROR(leat_hub_info_get(made.hub, &info), LEAT_OK);
    CHECK_INT(info.threads, 1);
    begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_hub_destroy(made.hub), LEAT_OK);
    CHECK(lti_test_now_ms() - begin_ms < STALL_MS);
    unaccepted_end(&made);
    CHECK_WITHIN(ATTACK_SOON_MS,
                 attack_descriptors() == open_before && lti_test_allocations_live() == 0);
    if (kind == ADOPTED)
        attack_remove(made.place);
    return took_ms;
}

/* The same, by the end of the hub. */
static uint64_t unaccepted_ends(int kind)
{
    uint32_t open_before = attack_descriptors();
    struct unaccepted made = unaccepted_make(kind);
    uint64_t begin_ms = lti_test_now_ms();
    CHECK_ERROR(leat_hub_destroy(made.hub), LEAT_OK);
    uint64_t took_ms = lti_test_now_ms() - begin_ms;
    CHECK(took_ms < STALL_MS);
    unaccepted_end(&made);
    CHECK_WITHIN(ATTACK_SOON_MS,
                 attack_descriptors() == open_before && lti_test_allocations_live() == 0);
    if (kind == ADOPTED)
        attack_remove(made.place);
    return took_ms;
}

TEST(attack_l24_descriptor_that_lingers_is_never_accepted)
{
    uint64_t close_ms = 0, end_ms = 0;
    attack_world();
    victim_older_kernel();
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t took_ms = unaccepted_closes(kind);
        close_ms = took_ms > close_ms ? took_ms : close_ms;
        took_ms = unaccepted_ends(kind);
        end_ms = took_ms > end_ms ? took_ms : end_ms;
    }
    attack_seen("L24",
                "never accepted, at a path, an abstract name, adopted: %llu ms to close the "
                "listener and begin again, %llu ms to end the hub",
                (unsigned long long)close_ms, (unsigned long long)end_ms);
    attack_world_end();
}

/* ---- No descriptor left ---------------------------------------------------------------------- */

/* The number that the next descriptor would have is the limit. The old limit. */
static rlim_t descriptors_end(void)
{
    struct rlimit limit;
    int next = dup(0);
    REQUIRE(next >= 0 && close(next) == 0);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

static void descriptors_again(rlim_t count)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Until PROTOCOL; how long the longest call took. */
static uint64_t cut_off(const struct victim *victim)
{
    struct leat_event event = {.type = LEAT_EVENT_WOKEN};
    char byte;
    size_t size;
    uint64_t longest_ms = 0;
    for (int i = 0; i < 1000 && event.type != LEAT_EVENT_CLOSED; i++) {
        uint64_t begin_ms = lti_test_now_ms();
        CHECK_ERROR(leat_next(victim->hub, &event, ATTACK_SOON_MS), LEAT_OK);
        if (event.type == LEAT_EVENT_READABLE)
            CHECK_ERROR(leat_read(victim->hub, event.conn, &byte, 1, &size), LEAT_OK);
        uint64_t took_ms = lti_test_now_ms() - begin_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
    }
    CHECK_INT(event.type, LEAT_EVENT_CLOSED);
    CHECK_ERROR(event.error, LEAT_E_PROTOCOL);
    return longest_ms;
}

enum known { KNOWN_BY_CLIENT, KNOWN_BY_CUT, KNOWN_BY_LOOK };

/* The hub learns that there is none left from a client that it cannot accept, from descriptors that
 * came cut off, or by looking now and then; and then it lets none come that take long. */
static uint64_t cut_off_when_known(enum known known)
{
    bool by_client = known == KNOWN_BY_CLIENT;
    const int fds[1] = {0};
    struct victim victim = victim_unprotected(), other = victim_of(victim.hub);
    struct lingering lingering = lingering_make();
    struct leat_event event;
    leat_listener listener;
    int client = -1;
    REQUIRE_ERROR(leat_listen(victim.hub, attack_name(attack_path("server")), NULL, &listener),
                  LEAT_OK);
    if (by_client) {
        client = attack_raw_connect(attack_path("server"));
        REQUIRE(client >= 0);
    } else if (known == KNOWN_BY_CUT) {
        CHECK(victim_takes(&other, fds, 1));
    }
    rlim_t before = descriptors_end();
    if (by_client) {
        REQUIRE_ERROR(leat_next(victim.hub, &event, ATTACK_SOON_MS), LEAT_OK);
        CHECK_INT(event.type, LEAT_EVENT_LISTEN_ERROR);
        CHECK_ERROR(event.error, LEAT_E_LIMIT);
    } else if (known == KNOWN_BY_CUT) {
        (void)cut_off(&victim); /* it is the other one, and nothing that takes long */
    } else {
        CHECK_ERROR(leat_next(victim.hub, &event, LOOK_MS), LEAT_E_TIMEOUT);
    }
    CHECK(lingering_sent(&lingering, &victim));
    (void)descriptors_end(); /* it had a number of ours */
    uint64_t longest_ms = cut_off(&victim);
    CHECK(longest_ms < STALL_MS);
    descriptors_again(before);
    CHECK_INT(close(lingering.far), 0);
    CHECK(client < 0 || close(client) == 0);
    CHECK_INT(close(other.attacker), 0);
    victim_end(&victim);
    return longest_ms;
}

TEST(attack_l24_descriptor_that_lingers_and_no_place)
{
    victim_older_kernel();
    uint64_t client_ms = cut_off_when_known(KNOWN_BY_CLIENT);
    uint64_t cut_ms = cut_off_when_known(KNOWN_BY_CUT);
    uint64_t look_ms = cut_off_when_known(KNOWN_BY_LOOK);
    attack_seen("L24",
                "and no place for it: %llu ms once a client could not be accepted, %llu ms once "
                "others came cut off, %llu ms of a process that ran out by itself",
                (unsigned long long)client_ms, (unsigned long long)cut_ms,
                (unsigned long long)look_ms);
}
