/* SPDX-License-Identifier: MIT
 *
 * Attacks on who has a name: L01 to L06, L09, L12, L52.
 *
 * Happy path: the attacker is user 65534 and comes first, or comes along; the victim is another.
 * Fails:      the victim refuses, and what the attacker made stays as it is.
 * Invariants: nothing of the victim's goes to the attacker, not one byte.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- L01: while a server starts -------------------------------------------------------------- */

struct beginning {
    const char *path;
    const struct attack_actor *attacker;
    uint32_t mode_seen, looks, connected;
};

static int listen_and_leave(void *argument)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    umask(0);
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        return 90;
    attack_steps_from_here();
    enum leat_error error = leat_listen(hub, argument, NULL, &listener);
    return leat_hub_destroy(hub) == LEAT_OK ? (int)error : 91;
}

static void try_part(int fd, void *argument)
{
    for (;;) {
        (void)attack_hear(fd);
        int conn = attack_raw_connect(argument);
        attack_say(fd, conn >= 0);
        if (conn >= 0)
            (void)close(conn);
    }
}

static enum attack_step beginning_look(void *context, uint32_t step)
{
    struct beginning *beginning = context;
    struct stat status;
    (void)step;
    if (lstat(beginning->path, &status) == 0)
        beginning->mode_seen |= status.st_mode & 0777;
    attack_say(beginning->attacker->fd, 1);
    beginning->connected += attack_hear(beginning->attacker->fd) != 0;
    beginning->looks += beginning->mode_seen != 0;
    return STEP_ON;
}

static void server_begins_at(const char *name, const char *path)
{
    char copy[300];
    int code = 0;
    (void)snprintf(copy, sizeof copy, "%s", path);
    struct attack_actor attacker = attack_begin(NOBODY, try_part, copy);
    struct beginning beginning = {.path = copy, .attacker = &attacker};
    char server[300];
    (void)snprintf(server, sizeof server, "%s", name);
    const struct attack_steps steps = {.user = ALICE,
                                       .act = listen_and_leave,
                                       .look = beginning_look,
                                       .argument = server,
                                       .context = &beginning};
    uint32_t count = attack_stepwise(&steps, &code);
    CHECK_ERROR(code, LEAT_OK);
    CHECK(beginning.looks > 4);
    CHECK_INT(beginning.mode_seen & ~0600u, 0);
    CHECK_INT(beginning.connected, 0);
    CHECK(!attack_exists(copy));
    attack_end(&attacker);
    attack_seen("L01", "%04o at the widest, %u of %u connects, one at each stop",
                beginning.mode_seen, beginning.connected, count);
}

TEST(attack_l01_while_a_server_begins)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    server_begins_at(attack_name(attack_path("shared/server")), attack_path("shared/server"));
    attack_remove(attack_path("shared"));
    /* The folder of plain names is not even entered; it is opened to make the attacker stronger. */
    REQUIRE(chmod(attack_runtime(ALICE), 0711) == 0);
    server_begins_at(attack_name(attack_path("run-%u/server", ALICE)),
                     attack_path("run-%u/server", ALICE));
    attack_world_end();
}

/* ---- L02: who gets in although the modes would let him --------------------------------------- */

TEST(attack_l02_modes_forced_open)
{
    attack_needs_root();
    attack_world();
    struct attack_server server = {.name = "server", .greeting = "welcome"};
    struct attack_client client = {.name = "server", .greeting = "welcome"};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
    REQUIRE(chmod(attack_runtime(ALICE), 0711) == 0);
    REQUIRE(chmod(attack_path("run-%u/leat", ALICE), 0711) == 0);
    REQUIRE(chmod(attack_path("run-%u/leat/server", ALICE), 0666) == 0);
    struct attack_actor attacker =
        attack_begin(NOBODY, try_part, (void *)(uintptr_t)attack_path("run-%u/leat/server", ALICE));
    int64_t connected = 0;
    for (int i = 0; i < 20; i++) {
        attack_say(attacker.fd, 1);
        connected += attack_hear(attacker.fd);
    }
    attack_end(&attacker);
    CHECK_INT(connected, 20);
    CHECK_WITHIN(ATTACK_SOON_MS, attack_server_facts(&actor).denied == 20);
    CHECK_INT(attack_server_facts(&actor).accepted, 0);
    REQUIRE(chmod(attack_path("run-%u/leat", ALICE), 0700) == 0);
    REQUIRE(chmod(attack_runtime(ALICE), 0700) == 0);
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_OK);
    CHECK_INT(attack_server_facts(&actor).accepted, 1);
    attack_seen("L02", "20 connected, 20 denied, then its user was served");
    attack_server_end(&actor);
    attack_world_end();
}

TEST(attack_l02_denied_gets_no_byte)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("house"), ALICE, 0711);
    const struct attack_server server = {.name = attack_name(attack_path("house/server")),
                                         .greeting = "welcome"};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
    REQUIRE(chmod(attack_path("house/server"), 0666) == 0);
    CHECK_INT(attack_as(NOBODY, attack_listen_in, (void *)(uintptr_t)attack_path("house/server")),
              0);
    CHECK_INT(attack_as(BOB, attack_listen_in, (void *)(uintptr_t)attack_path("house/server")), 0);
    CHECK_INT(attack_server_facts(&actor).denied, 2);
    CHECK_INT(attack_server_facts(&actor).accepted, 0);
    attack_seen("L02", "0 bytes to users 65534 and %u", BOB);
    attack_server_end(&actor);
    attack_remove(attack_path("house"));
    attack_world_end();
}

/* ---- L02: every policy, against every user --------------------------------------------------- */

enum { BY_ALICE, BY_BOB, BY_BOB_OF_STAFF, BY_NOBODY_OF_STAFF, BY_ROOT, CLIENTS };

static const struct policy {
    enum leat_who who;
    const char *group, *listed;
    bool served[CLIENTS];
} policies[] = {
    {LEAT_WHO_SAME_USER, NULL, NULL, {true, false, false, false, true}},
    {LEAT_WHO_ADMIN, NULL, NULL, {true, false, false, false, true}},
    {LEAT_WHO_GROUP, "60200", NULL, {true, false, true, false, true}},
    {LEAT_WHO_LIST, NULL, "60102", {true, true, true, false, true}},
    {LEAT_WHO_INSECURE_ANYONE, NULL, NULL, {true, true, true, true, true}},
};

static bool client_is_served(int client, const char *path)
{
    static const uint32_t users[CLIENTS] = {ALICE, BOB, BOB, NOBODY, ROOT};
    const struct attack_client plan = {
        .name = attack_name(path), .greeting = "hello", .who = LEAT_WHO_INSECURE_ANYONE};
    attack_in_group(client == BY_BOB_OF_STAFF || client == BY_NOBODY_OF_STAFF ? STAFF : ROOT);
    enum leat_error error = attack_dial(users[client], &plan);
    attack_in_group(ROOT);
    return error == LEAT_OK;
}

/* Nothing is forced here: the socket's own mode has to let in whom the policy lets in. */
static void policies_with_umask(mode_t mask)
{
    const char *path = attack_path("house/server");
    umask(mask);
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        const struct policy *policy = &policies[i];
        const struct leat_listen_options options = {.size = sizeof options,
                                                    .who = policy->who,
                                                    .group = policy->group,
                                                    .users = &policy->listed,
                                                    .users_count = policy->listed ? 1 : 0};
        const struct attack_server server = {
            .name = attack_name(path), .options = &options, .greeting = "hello"};
        attack_in_group(STAFF); /* it may give a socket to its own groups only */
        struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
        attack_in_group(ROOT);
        for (int client = 0; client < CLIENTS; client++)
            if (!CHECK_INT(client_is_served(client, path), policy->served[client]))
                printf("policy %d, client %d, umask %04o\n", policy->who, client, mask);
        attack_server_end(&actor);
    }
}

TEST(attack_l02_each_policy)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("house"), ALICE, 0711);
    policies_with_umask(0);
    policies_with_umask(0022);
    policies_with_umask(0077);
    attack_seen("L02",
                "5 policies, 5 kinds of clients, 3 umasks: who is meant is served, no other");
    attack_remove(attack_path("house"));
    attack_world_end();
}

/* ---- L03, L04: the attacker has the name first ----------------------------------------------- */

TEST(attack_l03_name_taken_first)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    struct attack_actor squatter = attack_squat(NOBODY, attack_path("shared/server"));
    struct stat before, after;
    REQUIRE(lstat(attack_path("shared/server"), &before) == 0);
    const struct attack_server server = {.name = attack_name(attack_path("shared/server"))};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_E_IN_USE);
    attack_end(&actor);
    attack_kill(&squatter);
    /* Dead, it still is not ours to remove. */
    actor = attack_serve(ALICE, &server, LEAT_E_IN_USE);
    attack_end(&actor);
    REQUIRE(lstat(attack_path("shared/server"), &after) == 0);
    CHECK_INT(after.st_ino, before.st_ino);
    CHECK(!attack_exists(attack_path("shared/server.leat-lock")));
    attack_seen("L03", "IN_USE, also when it is dead; its socket stays, no lock is left");
    attack_remove(attack_path("shared/server"));
    attack_remove(attack_path("shared"));
    attack_world_end();
}

TEST(attack_l04_client_meets_a_squatter)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    struct attack_actor squatter = attack_squat(NOBODY, attack_path("shared/server"));
    const struct attack_client client = {.name = attack_name(attack_path("shared/server"))};
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_E_UNTRUSTED);
    CHECK_ERROR(attack_dial(ROOT, &client), LEAT_E_UNTRUSTED);
    struct attack_facts facts = attack_squat_facts(&squatter);
    CHECK_INT(facts.bytes, 0);
    attack_seen("L04", "UNTRUSTED, %lld connections, %lld bytes", (long long)facts.conns,
                (long long)facts.bytes);
    attack_kill(&squatter);
    attack_remove(attack_path("shared/server"));
    attack_remove(attack_path("shared"));
    attack_world_end();
}

/* ---- L05, L06: links ------------------------------------------------------------------------- */

static int64_t link_make(void *argument)
{
    char *const *paths = argument;
    return symlink(paths[0], paths[1]) == 0 ? 0 : -errno;
}

static void link_of(uint32_t user, const char *target, const char *path)
{
    const char *paths[2] = {target, path};
    REQUIRE_INT(attack_as(user, link_make, paths), 0);
}

TEST(attack_l05_link_to_the_attackers_socket)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    attack_folder(attack_path("evil"), NOBODY, 0755);
    struct attack_actor squatter = attack_squat(NOBODY, attack_path("evil/server"));
    link_of(NOBODY, attack_path("evil/server"), attack_path("shared/server"));
    const struct attack_client client = {.name = attack_name(attack_path("shared/server"))};
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_E_UNTRUSTED);
    CHECK_ERROR(attack_dial(ROOT, &client), LEAT_E_UNTRUSTED);
    struct attack_facts facts = attack_squat_facts(&squatter);
    CHECK_INT(facts.conns, 0);
    CHECK_INT(facts.bytes, 0);
    attack_seen("L05", "UNTRUSTED, %lld connections", (long long)facts.conns);
    attack_kill(&squatter);
    attack_remove(attack_path("shared/server"));
    attack_remove(attack_path("evil/server"));
    attack_remove(attack_path("evil"));
    attack_remove(attack_path("shared"));
    attack_world_end();
}

/* The peer's user is right, but the attacker chose which of its servers it is. */
TEST(attack_l05_link_to_another_server_of_the_same_user)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    attack_folder(attack_path("house"), ALICE, 0711);
    const struct attack_server server = {.name = attack_name(attack_path("house/shredder"))};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
    link_of(NOBODY, attack_path("house/shredder"), attack_path("shared/printer"));
    const struct attack_client client = {.name = attack_name(attack_path("shared/printer"))};
    enum leat_error error = attack_dial(ALICE, &client);
    CHECK_ERROR(error, LEAT_E_UNTRUSTED);
    CHECK_INT(attack_server_facts(&actor).accepted, 0);
    attack_seen("L05", "a link to another server of the same user: %s", leat_error_name(error));
    attack_server_end(&actor);
    attack_remove(attack_path("shared/printer"));
    attack_remove(attack_path("shared"));
    attack_remove(attack_path("house"));
    attack_world_end();
}

TEST(attack_l06_link_to_nowhere)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    attack_folder(attack_path("etc"), ALICE, 0755);
    link_of(NOBODY, attack_path("etc/x"), attack_path("shared/server"));
    const struct attack_server server = {.name = attack_name(attack_path("shared/server"))};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_E_IN_USE);
    attack_end(&actor);
    CHECK(!attack_exists(attack_path("etc/x")));
    CHECK(!attack_exists(attack_path("shared/server.leat-lock")));
    struct stat status;
    CHECK(lstat(attack_path("shared/server"), &status) == 0 && S_ISLNK(status.st_mode));
    attack_seen("L06", "IN_USE, nothing was made, the link stays");
    attack_remove(attack_path("shared/server"));
    attack_remove(attack_path("shared"));
    attack_remove(attack_path("etc"));
    attack_world_end();
}

/* ---- L09: a second server -------------------------------------------------------------------- */

TEST(attack_l09_second_server)
{
    attack_world();
    const struct attack_server server = {.name = "server", .greeting = "welcome"};
    const struct attack_client client = {.name = "server", .greeting = "welcome"};
    struct attack_actor first = attack_serve(geteuid(), &server, LEAT_OK);
    CHECK_ERROR(attack_dial(geteuid(), &client), LEAT_OK);
    for (int i = 0; i < 5; i++) {
        struct attack_actor second = attack_serve(geteuid(), &server, LEAT_E_IN_USE);
        attack_end(&second);
    }
    CHECK_ERROR(attack_dial(geteuid(), &client), LEAT_OK);
    CHECK_INT(attack_server_facts(&first).accepted, 2);
    attack_seen("L09", "IN_USE 5 times, the first one goes on serving");
    attack_server_end(&first);
    attack_world_end();
}

static int64_t take_over(void *argument)
{
    const struct leat_listen_options options = {.size = sizeof options, .take_over = true};
    struct leat_hub *hub = NULL;
    leat_listener listener;
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        return -1;
    enum leat_error error = leat_listen(hub, argument, &options, &listener);
    return leat_hub_destroy(hub) == LEAT_OK ? (int64_t)error : -1;
}

/* A hand-over is between servers of one user, and root is another one. */
TEST(attack_l09_take_over_by_another_user)
{
    static const uint32_t users[] = {BOB, NOBODY, ROOT};
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    char name[300];
    (void)snprintf(name, sizeof name, "%s", attack_name(attack_path("shared/server")));
    const struct attack_server server = {.name = name, .greeting = "welcome"};
    const struct attack_client client = {.name = name, .greeting = "welcome"};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
    struct stat before, after;
    REQUIRE(lstat(attack_path("shared/server"), &before) == 0);
    for (size_t i = 0; i < 3; i++) {
        int64_t error = attack_as(users[i], take_over, name);
        CHECK(error == LEAT_E_IN_USE || error == LEAT_E_UNTRUSTED || error == LEAT_E_DENIED);
    }
    REQUIRE(lstat(attack_path("shared/server"), &after) == 0);
    CHECK_INT(after.st_ino, before.st_ino);
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_OK);
    attack_seen("L09", "take_over by 3 other users, root among them: refused");
    attack_server_end(&actor);
    attack_remove(attack_path("shared")); /* nothing else is in it */
    attack_world_end();
}

/* ---- L12: something else stands there -------------------------------------------------------- */

static void kept(const char *path, enum leat_error expected)
{
    const struct attack_server server = {.name = attack_name(path)};
    struct stat before, after;
    REQUIRE(lstat(path, &before) == 0);
    struct attack_actor actor = attack_serve(geteuid() ? geteuid() : ALICE, &server, expected);
    attack_end(&actor);
    REQUIRE(lstat(path, &after) == 0);
    CHECK_INT(after.st_ino, before.st_ino);
    CHECK_INT(after.st_mode, before.st_mode);
    CHECK_INT(after.st_size, before.st_size);
    CHECK_INT(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

TEST(attack_l12_something_else_stands_there)
{
    attack_world();
    uint32_t user = geteuid() ? geteuid() : ALICE;
    attack_folder(attack_path("house"), user, 0711);
    int fd = open(attack_path("house/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0 && write(fd, "notes", 5) == 5 && close(fd) == 0);
    REQUIRE(chown(attack_path("house/file"), user, user) == 0);
    attack_folder(attack_path("house/folder"), user, 0755);
    REQUIRE(mkfifo(attack_path("house/fifo"), 0666) == 0);
    kept(attack_path("house/file"), LEAT_E_IN_USE);
    kept(attack_path("house/folder"), LEAT_E_IN_USE);
    kept(attack_path("house/fifo"), LEAT_E_IN_USE);
    attack_seen("L12", "a file, a folder, a FIFO: IN_USE, untouched");
    attack_remove(attack_path("house/file"));
    attack_remove(attack_path("house/folder"));
    attack_remove(attack_path("house/fifo"));
    attack_remove(attack_path("house"));
    attack_world_end();
}

TEST(attack_l12_dead_socket_of_another)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("house"), ALICE, 0711);
    int fd = attack_raw_listen(attack_path("house/socket"), 1);
    REQUIRE(fd >= 0 && close(fd) == 0);
    REQUIRE(chown(attack_path("house/socket"), BOB, BOB) == 0);
    kept(attack_path("house/socket"), LEAT_E_IN_USE);
    attack_seen("L12", "another user's dead socket in our own folder: IN_USE, untouched");
    attack_remove(attack_path("house/socket"));
    attack_remove(attack_path("house"));
    attack_world_end();
}

/* ---- L52: the same word without a path ------------------------------------------------------- */

TEST(attack_l52_abstract_name_of_the_same_word)
{
    attack_needs_root();
    attack_world();
    char words[4][120], plain[32];
    struct attack_actor squatters[4];
    (void)snprintf(plain, sizeof plain, "l52-%d", (int)getpid()); /* one world for all tests */
    (void)snprintf(words[0], sizeof words[0], "@%s", plain);
    (void)snprintf(words[1], sizeof words[1], "@leat/%s", plain);
    (void)snprintf(words[2], sizeof words[2], "@%.80s",
                   attack_path("run-%u/leat/%s", ALICE, plain));
    (void)snprintf(words[3], sizeof words[3], "@%.80s", attack_path("house/server"));
    for (size_t i = 0; i < 4; i++)
        squatters[i] = attack_squat(NOBODY, words[i]);
    const struct attack_client by_word = {.name = plain};
    const struct attack_client by_path = {.name = attack_name(attack_path("house/server"))};
    CHECK_ERROR(attack_dial(ALICE, &by_word), LEAT_E_NOT_FOUND);
    CHECK_ERROR(attack_dial(ALICE, &by_path), LEAT_E_NOT_FOUND);
    int64_t conns = 0;
    for (size_t i = 0; i < 4; i++) {
        conns += attack_squat_facts(&squatters[i]).conns;
        attack_kill(&squatters[i]);
    }
    CHECK_INT(conns, 0);
    attack_seen("L52", "NOT_FOUND, %lld connections to 4 abstract names", (long long)conns);
    attack_world_end();
}
