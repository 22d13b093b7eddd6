/* SPDX-License-Identifier: MIT
 *
 * Attacks on folders, locks and what a killed server leaves: L07, L08, L10, L11, L13, L48.
 *
 * Happy path: the attacker arranges what lies on the way to a name; the victim goes there.
 * Fails:      the victim refuses, or goes where the attacker cannot reach.
 * Invariants: the victim makes nothing in a folder of the attacker's.
 */
#include "attack_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- L07: folders that are not to be trusted ------------------------------------------------- */

enum kind { KIND_LINK, KIND_OTHER_OWNER, KIND_0777, KIND_0755, KINDS };
static const char *const kind_names[KINDS] = {"link", "other owner", "0777", "0755"};

static void folder_of_kind(const char *path, enum kind kind, const char *real, const char *seen)
{
    switch (kind) {
    case KIND_LINK:
        attack_folder(real, ALICE, 0700);
        REQUIRE(symlink(seen, path) == 0);
        REQUIRE(lchown(path, ALICE, ALICE) == 0);
        break;
    case KIND_OTHER_OWNER:
        attack_folder(path, BOB, 0777);
        break;
    case KIND_0777:
        attack_folder(path, ALICE, 0777);
        break;
    default:
        attack_folder(path, ALICE, 0755);
        break;
    }
}

static void refused_at(const char *name)
{
    const struct attack_server server = {.name = name};
    const struct attack_client client = {.name = name};
    struct attack_actor actor = attack_serve(ALICE, &server, LEAT_E_UNTRUSTED);
    attack_end(&actor);
    CHECK_ERROR(attack_dial(ALICE, &client), LEAT_E_UNTRUSTED);
}

TEST(attack_l07_folder_of_names)
{
    attack_needs_root();
    attack_world();
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const char *path = attack_path("run-%u/leat", ALICE);
        const char *real = attack_path("run-%u/real", ALICE);
        folder_of_kind(path, kind, real, real);
        refused_at("server");
        attack_remove(path); /* nothing is in it */
        if (kind == KIND_LINK)
            attack_remove(real);
    }
    attack_seen("L07", "the folder of names is a link, another's, 0777, 0755: UNTRUSTED each");
    attack_world_end();
}

/* What the environment says is not good enough, so leat goes elsewhere, or nowhere. */
TEST(attack_l07_runtime_folder)
{
    attack_needs_root();
    attack_world();
    attack_private_tmp();
    REQUIRE(setenv("XDG_RUNTIME_DIR", "/tmp/run", 1) == 0);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const struct attack_server server = {.name = "server", .greeting = "hello"};
        const struct attack_client client = {.name = "server", .greeting = "hello"};
        const char *path = attack_path("tmp/run"), *real = attack_path("tmp/real");
        folder_of_kind(path, kind, real, "/tmp/real");
        struct attack_actor actor = attack_serve(ALICE, &server, LEAT_OK);
        CHECK_ERROR(attack_dial(ALICE, &client), LEAT_OK);
        CHECK(attack_exists(attack_path("tmp/leat-%u/server", ALICE)));
        CHECK(!attack_exists(attack_path("tmp/run/leat")));
        attack_server_end(&actor);
        attack_remove(attack_path("tmp/leat-%u", ALICE));
        attack_remove(path);
        if (kind == KIND_LINK)
            attack_remove(real);
    }
    attack_seen("L07", "the runtime folder is so: never used, /tmp/leat-UID instead");
    attack_remove(attack_path("tmp"));
    attack_world_end();
}

TEST(attack_l07_folder_in_tmp)
{
    attack_needs_root();
    attack_world();
    attack_private_tmp();
    REQUIRE(unsetenv("XDG_RUNTIME_DIR") == 0);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        const char *path = attack_path("tmp/leat-%u", ALICE), *real = attack_path("tmp/real");
        folder_of_kind(path, kind, real, "/tmp/real");
        refused_at("server");
        attack_remove(path);
        if (kind == KIND_LINK)
            attack_remove(real);
    }
    attack_seen("L07", "/tmp/leat-UID is so: UNTRUSTED each (%s, %s, %s, %s)", kind_names[0],
                kind_names[1], kind_names[2], kind_names[3]);
    attack_remove(attack_path("tmp"));
    attack_world_end();
}

/* ---- L08: the way there changes while a server starts ---------------------------------------- */

#define STEPS_MAX 400u

/* The victim's folder and the attacker's, as they are wherever they are; and what is looked for in
 * them. */
struct swapping {
    const struct attack_actor *attacker;
    const char *inside, *inside_lock;
    int victims, attackers;
    uint32_t at;
    bool swapped, caught;
};
struct swapped {
    uint32_t rounds, listened, caught;
};

/* The attacker puts its own folder in the place of the victim's, and takes it back. */
static void swap_part(int fd, void *argument)
{
    const char *const *paths = argument; /* place, aside, own */
    for (;;) {
        bool away = attack_hear(fd) != 0;
        bool good = away ? rename(paths[0], paths[1]) == 0 && rename(paths[2], paths[0]) == 0
                         : rename(paths[0], paths[2]) == 0 && rename(paths[1], paths[0]) == 0;
        attack_say(fd, good);
    }
}

static bool stands_in(int folder, const char *path)
{
    struct stat status;
    return fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum attack_step swap_look(void *context, uint32_t step)
{
    struct swapping *swapping = context;
    if (step == swapping->at) {
        attack_say(swapping->attacker->fd, 1);
        REQUIRE_INT(attack_hear(swapping->attacker->fd), 1);
        swapping->swapped = true;
    }
    if (stands_in(swapping->attackers, swapping->inside) ||
        stands_in(swapping->attackers, swapping->inside_lock))
        swapping->caught = true;
    return STEP_ON;
}

static int listen_and_stay(void *argument)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    umask(0);
    if (leat_hub_create(NULL, &hub) != LEAT_OK)
        return 90;
    attack_steps_from_here();
    return (int)leat_listen(hub, argument, NULL, &listener);
}

static int swap_round(struct swapping *swapping, const char *name)
{
    char copy[300];
    int code = 0;
    (void)snprintf(copy, sizeof copy, "%s", name);
    const struct attack_steps steps = {.user = ALICE,
                                       .act = listen_and_stay,
                                       .look = swap_look,
                                       .argument = copy,
                                       .context = swapping};
    (void)attack_stepwise(&steps, &code);
    CHECK(code >= 0 && code < 90);
    if (swapping->swapped) {
        attack_say(swapping->attacker->fd, 0);
        REQUIRE_INT(attack_hear(swapping->attacker->fd), 1);
    }
    /* What is left of a process that just ended. */
    for (int i = 0; i < 2; i++) {
        int folder = i ? swapping->victims : swapping->attackers;
        (void)unlinkat(folder, swapping->inside, 0);
        (void)unlinkat(folder, swapping->inside_lock, 0);
    }
    return code;
}

/* Each round swaps at one system call later, until the victim is through before. */
static struct swapped swap_rounds(const char *name, const char *const paths[3],
                                  const char *folders[2], const char *inside)
{
    struct swapped result = {.rounds = 0};
    char lock[64];
    struct attack_actor attacker = attack_begin(NOBODY, swap_part, (void *)(uintptr_t)paths);
    struct swapping base = {.attacker = &attacker, .inside = inside, .inside_lock = lock};
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", inside);
    base.victims = open(folders[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
    base.attackers = open(folders[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(base.victims >= 0 && base.attackers >= 0);
    for (uint32_t at = 0; at < STEPS_MAX; at++) {
        struct swapping swapping = base;
        swapping.at = at;
        int code = swap_round(&swapping, name);
        result.rounds++;
        result.listened += code == LEAT_OK;
        result.caught += swapping.caught;
        if (!swapping.swapped)
            break;
    }
    REQUIRE(close(base.victims) == 0 && close(base.attackers) == 0);
    attack_end(&attacker);
    CHECK(result.rounds > 10 && result.rounds < STEPS_MAX);
    CHECK_INT(result.caught, 0);
    return result;
}

TEST_TIMEOUT(attack_l08_ancestor_of_the_runtime_folder, 120)
{
    attack_needs_root();
    attack_world();
    attack_private_tmp();
    attack_folder(attack_path("tmp/open"), ROOT, 0777);
    attack_folder(attack_path("tmp/open/run"), ALICE, 0700);
    attack_folder(attack_path("tmp/open/run/leat"), ALICE, 0700);
    attack_folder(attack_path("tmp/open/own"), NOBODY, 0777);
    attack_folder(attack_path("tmp/open/own/leat"), NOBODY, 0777);
    REQUIRE(setenv("XDG_RUNTIME_DIR", "/tmp/open/run", 1) == 0);
    const char *const paths[3] = {"/tmp/open/run", "/tmp/open/aside", "/tmp/open/own"};
    const char *folders[2] = {attack_path("tmp/open/run"), attack_path("tmp/open/own")};
    struct swapped result = swap_rounds("server", paths, folders, "leat/server");
    attack_seen("L08", "swapped at each of %u system calls: %u times in its folder, %u listen",
                result.rounds, result.caught, result.listened);
    static const char *const elsewhere[] = {"/server", "/server.leat-lock", ""};
    for (size_t i = 0; i < 3; i++) {
        const char *path = attack_path("tmp/leat-%u%s", ALICE, elsewhere[i]);
        if (attack_exists(path))
            attack_remove(path);
    }
    attack_remove(attack_path("tmp/open/own/leat"));
    attack_remove(attack_path("tmp/open/own"));
    attack_remove(attack_path("tmp/open/run/leat"));
    attack_remove(attack_path("tmp/open/run"));
    attack_remove(attack_path("tmp/open"));
    attack_remove(attack_path("tmp"));
    attack_world_end();
}

TEST_TIMEOUT(attack_l08_folder_of_a_path, 120)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("open"), ROOT, 0777);
    attack_folder(attack_path("open/house"), ALICE, 0700);
    attack_folder(attack_path("open/own"), NOBODY, 01777);
    char paths[3][200];
    (void)snprintf(paths[0], sizeof paths[0], "%s", attack_path("open/house"));
    (void)snprintf(paths[1], sizeof paths[1], "%s", attack_path("open/aside"));
    (void)snprintf(paths[2], sizeof paths[2], "%s", attack_path("open/own"));
    const char *const places[3] = {paths[0], paths[1], paths[2]};
    const char *folders[2] = {paths[0], paths[2]};
    struct swapped result =
        swap_rounds(attack_name(attack_path("open/house/server")), places, folders, "server");
    attack_seen("L08", "an explicit path, %u system calls: %u times in its folder, %u listen",
                result.rounds, result.caught, result.listened);
    attack_remove(paths[0]);
    attack_remove(paths[2]);
    attack_remove(attack_path("open"));
    attack_world_end();
}

/* The sticky bit binds everybody but the owner of the folder. */
TEST(attack_l08_sticky_folder_of_another)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("own"), NOBODY, 01777);
    const char *name = attack_name(attack_path("own/server"));
    enum leat_error of_user = attack_listen(ALICE, name), of_root = attack_listen(ROOT, name);
    CHECK_ERROR(of_user, LEAT_E_UNTRUSTED);
    CHECK_ERROR(of_root, LEAT_E_UNTRUSTED);
    attack_seen("L08", "an explicit path in a sticky folder of the attacker's: %s, for root %s",
                leat_error_name(of_user), leat_error_name(of_root));
    attack_remove(attack_path("own"));
    attack_world_end();
}

/* ---- L10: a server that was killed ----------------------------------------------------------- */

struct killing {
    uint32_t at;
    bool killed;
};

static enum attack_step killing_look(void *context, uint32_t step)
{
    struct killing *killing = context;
    killing->killed = killing->killed || step == killing->at;
    return killing->killed ? STEP_KILL : STEP_ON;
}

TEST_TIMEOUT(attack_l10_killed_at_any_moment, 120)
{
    attack_world();
    const struct attack_server server = {.name = "server", .greeting = "hello"};
    const struct attack_client client = {.name = "server", .greeting = "hello"};
    uint32_t rounds = 0;
    for (bool killed = true; killed && rounds < STEPS_MAX; rounds++) {
        struct killing killing = {.at = rounds};
        char name[] = "server";
        int code = 0;
        const struct attack_steps steps = {.user = geteuid(),
                                           .act = listen_and_stay,
                                           .look = killing_look,
                                           .argument = name,
                                           .context = &killing};
        (void)attack_stepwise(&steps, &code);
        killed = killing.killed;
        CHECK_INT(code, killed ? -1 : LEAT_OK);
        struct attack_actor actor = attack_serve(geteuid(), &server, LEAT_OK);
        CHECK_ERROR(attack_dial(geteuid(), &client), LEAT_OK);
        attack_server_end(&actor);
    }
    CHECK(rounds > 10 && rounds < STEPS_MAX);
    struct attack_actor actor = attack_serve(geteuid(), &server, LEAT_OK);
    attack_kill(&actor);
    CHECK(attack_exists(attack_path("run-%u/leat/server", geteuid())));
    actor = attack_serve(geteuid(), &server, LEAT_OK);
    CHECK_ERROR(attack_dial(geteuid(), &client), LEAT_OK);
    attack_server_end(&actor);
    attack_seen("L10", "killed at each of %u system calls, and while serving: the next one serves",
                rounds);
    attack_world_end();
}

/* ---- L11: somebody stands where the lock is to be -------------------------------------------- */

static void lock_refused(uint32_t user, const char *path, enum leat_error expected)
{
    char lock[300];
    struct stat before, after;
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", path);
    REQUIRE(lstat(lock, &before) == 0);
    CHECK_ERROR(attack_listen(user, attack_name(path)), expected);
    CHECK(!attack_exists(path));
    REQUIRE(lstat(lock, &after) == 0);
    CHECK_INT(after.st_ino, before.st_ino);
    CHECK_INT(after.st_mode, before.st_mode);
    CHECK_INT(after.st_size, before.st_size);
}

TEST(attack_l11_lock_is_no_lock)
{
    attack_world();
    const char *lock = attack_path("server.leat-lock"), *file = attack_path("file");
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && close(fd) == 0);
    REQUIRE(symlink(file, lock) == 0);
    lock_refused(geteuid(), attack_path("server"), LEAT_E_UNTRUSTED);
    attack_remove(lock);
    REQUIRE(symlink("nowhere", lock) == 0);
    lock_refused(geteuid(), attack_path("server"), LEAT_E_UNTRUSTED);
    CHECK(!attack_exists(attack_path("nowhere")));
    attack_remove(lock);
    REQUIRE(link(file, lock) == 0);
    lock_refused(geteuid(), attack_path("server"), LEAT_E_UNTRUSTED);
    attack_remove(lock);
    REQUIRE(mkfifo(lock, 0600) == 0);
    lock_refused(geteuid(), attack_path("server"), LEAT_E_UNTRUSTED);
    attack_remove(lock);
    attack_remove(file);
    attack_seen("L11", "a link, a link to nowhere, a second name, a FIFO: UNTRUSTED, untouched");
    attack_world_end();
}

TEST(attack_l11_lock_of_another)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("shared"), ROOT, 01777);
    const char *lock = attack_path("shared/server.leat-lock");
    int fd = open(lock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0 && fchown(fd, NOBODY, NOBODY) == 0);
    for (int open_to_all = 0; open_to_all < 2; open_to_all++) {
        REQUIRE(fchmod(fd, open_to_all ? 0666 : 0600) == 0);
        enum leat_error error = attack_listen(ALICE, attack_name(attack_path("shared/server")));
        CHECK(error == LEAT_E_UNTRUSTED || (!open_to_all && error == LEAT_E_DENIED));
        CHECK(!attack_exists(attack_path("shared/server")));
        /* Root can open it, and must not use it either. */
        error = attack_listen(ROOT, attack_name(attack_path("shared/server")));
        CHECK_ERROR(error, LEAT_E_UNTRUSTED);
    }
    REQUIRE(close(fd) == 0);
    attack_seen("L11", "another user's lock: UNTRUSTED, or DENIED by the system");
    attack_remove(lock);
    attack_remove(attack_path("shared"));
    attack_world_end();
}

/* ---- L13: a program that is privileged ------------------------------------------------------- */

/* Run by ALICE, with the user of root for everything else: set-uid. */
TEST_ON_DEMAND(helper_l13, 30)
{
    char path[512];
    size_t size = 0;
    const char *evil = getenv("XDG_RUNTIME_DIR");
    REQUIRE(evil != NULL && strstr(evil, "evil") != NULL);
    CHECK_INT(geteuid(), 0);
    CHECK_INT(getuid(), ALICE);
    CHECK_ERROR(leat_resolve("server", path, sizeof path, &size), LEAT_OK);
    CHECK(strstr(path, evil) == NULL);
    printf("%s\n", path);
}

static bool file_copy(const char *from, const char *to)
{
    static char block[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
    ssize_t size = in < 0 || out < 0 ? -1 : 1;
    while (size > 0) {
        size = read(in, block, sizeof block);
        if (size > 0 && write(out, block, (size_t)size) != size)
            size = -1;
    }
    return size == 0 && close(in) == 0 && close(out) == 0;
}

static int64_t helper_run(void *argument)
{
    char *const *words = argument;
    if (setenv("XDG_RUNTIME_DIR", words[1], 1) != 0)
        return 1;
    (void)execl(words[0], words[0], "--run", "helper_l13", (char *)NULL);
    return 2;
}

static void helper_part(int fd, void *argument)
{
    (void)fd;
    _exit((int)helper_run(argument));
}

TEST(attack_l13_environment_of_a_set_uid_program)
{
    attack_needs_root();
    attack_world();
    attack_folder(attack_path("evil"), ROOT, 0700);
    REQUIRE(file_copy(lti_test_program(), attack_path("program")));
    REQUIRE(chmod(attack_path("program"), 04755) == 0);
    const char *words[2] = {attack_path("program"), attack_path("evil")};
    struct attack_actor actor = attack_begin(ALICE, helper_part, words);
    attack_end(&actor); /* 0: the helper's checks held */
    attack_seen("L13", "XDG_RUNTIME_DIR is not believed");
    attack_remove(attack_path("program"));
    attack_remove(attack_path("evil"));
    attack_world_end();
}

/* ---- L48: names that are none ---------------------------------------------------------------- */

/* clang-format off */
static const char *const no_names[] = {
    "", ".", "..", "../x", "a/b", "a/../b", "a..b", "Upper", "UPPER", "a b", " a", "a\n", "a\\b",
    "a:b", "a*", "a?", "-x", ".x", "_x", "\xC3\xBC", "\xFF", "a\x01", "unix:", "unix:a",
    "unix:../x", "/", "/tmp/", "/tmp/../x", "/..", "unix:@", "/a/\xFF", "/a/\xC0\xAF", "con:",
    "~/x", "$HOME", "system:", "system:/x", "system:..", "system:Upper",
};
static const char *const no_names_here[] = {"pipe:x", "\\\\.\\pipe\\x"};
/* clang-format on */

/* By all that take a name. */
static void name_refused(struct leat_hub *hub, const char *name, enum leat_error expected)
{
    char path[512];
    leat_listener listener;
    leat_conn conn;
    size_t size = 0;
    bool good = CHECK_ERROR(leat_listen(hub, name, NULL, &listener), expected);
    good = CHECK_ERROR(leat_connect(hub, name, NULL, &conn), expected) && good;
    good = CHECK_ERROR(leat_resolve(name, path, sizeof path, &size), expected) && good;
    if (!good)
        printf("the name \"%s\"\n", name);
}

TEST(attack_l48_names_that_are_none)
{
    const size_t count = sizeof no_names / sizeof no_names[0];
    struct leat_hub *hub = NULL;
    char longer[66];
    attack_world();
    memset(longer, 'a', 65);
    longer[65] = '\0';
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (size_t i = 0; i < count; i++)
        name_refused(hub, no_names[i], LEAT_E_NAME);
    for (size_t i = 0; i < sizeof no_names_here / sizeof no_names_here[0]; i++)
        name_refused(hub, no_names_here[i], LEAT_E_UNSUPPORTED);
    name_refused(hub, longer, LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    attack_seen("L48", "%zu names, each NAME; pipes UNSUPPORTED; 65 letters NAME_TOO_LONG", count);
    attack_world_end();
}
