/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the folder of plain names: where it is, and that it is nobody else's.
 *
 * Happy path: a good folder is used, and made when somebody listens.
 * Fails:      each thing that can be wrong with a folder is UNTRUSTED for who listens, who connects
 *             and who asks, has a line of the log of its own, and nothing is made instead.
 * Invariants: the folders of this machine are not touched: what is below /run is the simulated
 *             kernel's, or this process's own.
 */
#include "kit_sim_posix.h"
#include "names_world_posix.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct row {
    struct names_thing thing;
    const char *reason; /* null: it is good */
};

static const char *row_path(const char *what, size_t row, const char *below)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s%zu%s", what, row, below);
    return kit_path(name) + strlen("unix:");
}

/* ---- The folder that the environment names --------------------------------------------------- */

/* A world where the login made a folder for this user. */
static struct leat_hub *login_begin(void)
{
    names_run_begin();
    struct leat_hub *hub = kit_begin();
    if (!kit_simulated() && !kit_file_exists("/run/user")) {
        kit_folder_make("/run/user");
        kit_folder_make("/run/user/0");
        REQUIRE(chmod("/run/user", 0755) == 0);
    }
    return hub;
}

static void login_end(struct leat_hub *hub)
{
    const char *own = kit_simulated() ? "/run/user/1000/leat" : "/run/user/0/leat";
    names_environment("XDG_RUNTIME_DIR", lti_test_folder());
    if (kit_file_exists(own))
        kit_folder_remove(own);
    kit_end(hub);
}

/* With the runtime folder `runtime` a plain name is in it; or, for this reason, where the login
 * would have it. */
static void runtime_try(const char *runtime, const char *reason)
{
    struct names_log log;
    struct leat_hub *hub = names_hub(&log);
    char own[300], expected[320];
    (void)snprintf(own, sizeof own, "%s/leat", runtime);
    (void)snprintf(expected, sizeof expected, "unix:%s/leat/mail",
                   !reason           ? runtime
                   : kit_simulated() ? "/run/user/1000"
                                     : "/run/user/0");
    names_environment("XDG_RUNTIME_DIR", runtime);
    kit_name_resolves("mail", expected);
    CHECK(!kit_file_exists(own));
    kit_names_meet(hub, "mail", expected);
    kit_names_meet(hub, expected, "mail");
    CHECK_INT(log.count, reason ? 2 : 0);
    CHECK_STR(log.last, reason ? reason : "");
    CHECK(kit_file_exists(own) == !reason);
    if (!reason)
        kit_folder_remove(own);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

TEST(folder_runtime_must_be_ours_alone)
{
    static const struct row rows[] = {
        {{'d', false, 0700}, NULL},
        {{'d', false, 01700}, NULL},
        {{'l', false, 0777}, "passed over: the runtime folder is a link"},
        {{'f', false, 0600}, "passed over: the runtime folder is no folder"},
        {{'d', true, 0700}, "passed over: the runtime folder is another user's"},
        {{'d', true, 0777}, "passed over: the runtime folder is another user's"},
        {{'d', false, 0755}, "passed over: the runtime folder is open to other users"},
        {{'d', false, 0777}, "passed over: the runtime folder is open to other users"},
        {{'d', false, 01777}, "passed over: the runtime folder is open to other users"},
        {{'d', false, 0701}, "passed over: the runtime folder is open to other users"},
        {{'d', false, 0720}, "passed over: the runtime folder is open to other users"},
    };
    struct leat_hub *hub = login_begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = row_path("r", i, "");
        REQUIRE(names_make(path, &rows[i].thing));
        runtime_try(path, rows[i].reason);
        names_remove(path, &rows[i].thing);
    }
    login_end(hub);
}

/* The folder of the login is good by where it is; one whose name is as long is not. */
TEST(folder_runtime_as_long_as_that_of_the_login)
{
    static const struct names_thing good = {'d', false, 0700}, open_to_all = {'d', false, 0777};
    struct leat_hub *hub = login_begin();
    const char *path = kit_simulated() ? "/run/bad0/1000" : "/run/bad0/0";
    REQUIRE(names_make("/run/bad0", &open_to_all));
    REQUIRE(names_make(path, &good));
    runtime_try(path, "passed over: a folder above the runtime folder may be changed by others");
    names_remove(path, &good);
    names_remove("/run/bad0", &open_to_all);
    login_end(hub);
}

/* Who may write above a folder may put another in its place, between the look and the use. */
TEST(folder_above_must_not_be_changed_by_others)
{
    static const struct row rows[] = {
        {{'d', false, 0700}, NULL},
        {{'d', false, 0755}, NULL},
        {{'d', false, 01777}, NULL},
        {{'d', false, 01730}, NULL},
        {{'d', true, 0755}, "passed over: a folder above the runtime folder is another user's"},
        {{'d', true, 01777}, "passed over: a folder above the runtime folder is another user's"},
        {{'d', false, 0777},
         "passed over: a folder above the runtime folder may be changed by others"},
        {{'d', false, 0775},
         "passed over: a folder above the runtime folder may be changed by others"},
        {{'d', false, 0702},
         "passed over: a folder above the runtime folder may be changed by others"},
    };
    static const struct names_thing good = {'d', false, 0700};
    struct leat_hub *hub = login_begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *above = row_path("a", i, "");
        const char *between = row_path("a", i, "/b");
        const char *runtime = row_path("a", i, "/b/run");
        REQUIRE(names_make(above, &rows[i].thing));
        REQUIRE(names_make(between, &good) && names_make(runtime, &good));
        runtime_try(runtime, rows[i].reason);
        names_remove(runtime, &good);
        names_remove(between, &good);
        names_remove(above, &rows[i].thing);
    }
    login_end(hub);
}

TEST(folder_above_must_be_no_link)
{
    static const struct names_thing good = {'d', false, 0700};
    struct leat_hub *hub = login_begin();
    if (!kit_simulated()) { /* whose links lead nowhere, so that nothing can be below one */
        const char *link = row_path("link", 0, "");
        const char *real = row_path("real", 0, "");
        REQUIRE(names_make(real, &good));
        REQUIRE(symlink(lti_test_folder(), link) == 0);
        runtime_try(row_path("link", 0, "/real0"),
                    "passed over: a folder above the runtime folder is a link");
        runtime_try(real, NULL);
        kit_file_remove(link);
        names_remove(real, &good);
    }
    login_end(hub);
}

TEST(folder_named_by_no_path_of_ours)
{
    static const char reason[] = "passed over: XDG_RUNTIME_DIR has \"..\" in it, or is not UTF-8";
    struct leat_hub *hub = login_begin();
    runtime_try("/..", reason);
    runtime_try("/tmp/..", reason);
    runtime_try("/tmp/../tmp", reason);
    runtime_try("/tmp/\xFF", reason);
    login_end(hub);
}

/* ---- The folder itself ----------------------------------------------------------------------- */

TEST(folder_of_plain_names_must_be_ours_alone)
{
    static const struct row rows[] = {
        {{'d', false, 0700}, NULL},
        {{'l', false, 0777}, "the folder of plain names is a link"},
        {{'f', false, 0600}, "the folder of plain names is no folder"},
        {{'d', true, 0700}, "the folder of plain names is another user's"},
        {{'d', false, 0755}, "the folder of plain names is open to other users"},
        {{'d', false, 01777}, "the folder of plain names is open to other users"},
        {{'d', false, 0704}, "the folder of plain names is open to other users"},
        {{'d', false, 0710}, "the folder of plain names is open to other users"},
    };
    static const struct names_thing runtime = {'d', false, 0700};
    struct leat_hub *hub = kit_begin();
    bool all = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = row_path("o", i, "");
        const char *own = row_path("o", i, "/leat");
        REQUIRE(names_make(path, &runtime));
        names_environment("XDG_RUNTIME_DIR", path);
        bool made = names_make(own, &rows[i].thing);
        if (made && rows[i].reason)
            names_refused("mail", LEAT_E_UNTRUSTED, rows[i].reason);
        else if (made)
            kit_names_meet(hub, "mail", row_path("o", i, "/leat/mail"));
        if (made)
            names_remove(own, &rows[i].thing);
        all = all && made;
        names_remove(path, &runtime);
    }
    names_environment("XDG_RUNTIME_DIR", lti_test_folder());
    kit_end(hub);
    if (!all)
        SKIP_NEEDS("root");
}

/* ---- Where the environment names none -------------------------------------------------------- */

TEST(folder_of_the_login_comes_next)
{
    static const char *const none[] = {
        NULL, "", "run", "./run", "/not/there", "/run/user/1000///", "/run/user/0//"};
    struct leat_hub *hub = login_begin();
    const char *expected =
        kit_simulated() ? "unix:/run/user/1000/leat/mail" : "unix:/run/user/0/leat/mail";
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        names_environment("XDG_RUNTIME_DIR", none[i]);
        kit_name_resolves("mail", expected);
    }
    kit_names_meet(hub, "mail", expected);
    login_end(hub);
}

/* In /tmp nothing is made here, which is everybody's on a real machine. */
TEST(folder_of_the_login_must_be_ours_alone)
{
    static const struct row rows[] = {
        {{'d', false, 0755}, "passed over: the runtime folder is open to other users"},
        {{'d', true, 0700}, "passed over: the runtime folder is another user's"},
        {{'f', false, 0600}, "passed over: the runtime folder is no folder"},
        {{'l', false, 0777}, "passed over: the runtime folder is a link"},
    };
    struct leat_hub *outer = login_begin();
    uint32_t before = lti_os_euid();
    names_environment("XDG_RUNTIME_DIR", NULL);
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[64], expected[64];
        uint32_t user = 54321 + i;
        struct names_log log;
        struct leat_hub *hub = names_hub(&log);
        leat_conn conn = {0};
        (void)snprintf(path, sizeof path, "/run/user/%u", user);
        (void)snprintf(expected, sizeof expected, "unix:/tmp/leat-%u/mail", user);
        names_become(kit_simulated() ? user : 0);
        REQUIRE(names_make(path, &rows[i].thing));
        REQUIRE(kit_simulated() || rows[i].thing.other || lchown(path, user, user) == 0);
        names_become(user);
        kit_name_resolves("mail", expected);
        CHECK_ERROR(leat_connect_wait(hub, "mail", NULL, &conn), LEAT_E_NOT_FOUND);
        CHECK_INT(log.count, 1);
        CHECK_STR(log.last, rows[i].reason);
        names_become(0);
        names_remove(path, &rows[i].thing);
        names_become(before);
        CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    }
    login_end(outer);
}

/* Whoever was first in /tmp is no danger: it is seen that it is not ours. */
TEST(folder_in_tmp_must_be_ours_alone)
{
    static const struct row rows[] = {
        {{'d', true, 0700}, "the folder of plain names is another user's"},
        {{'d', true, 0777}, "the folder of plain names is another user's"},
        {{'d', false, 0711}, "the folder of plain names is open to other users"},
        {{'l', true, 0777}, "the folder of plain names is a link"},
        {{'f', false, 0600}, "the folder of plain names is no folder"},
        {{'d', false, 0700}, NULL},
    };
    if (!kit_simulated())
        SKIP_NEEDS("a /tmp of its own, which the simulated kernel has");
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lti_sim_begin(NULL);
        struct leat_hub *hub = kit_begin();
        names_environment("XDG_RUNTIME_DIR", NULL);
        names_become(2000);
        kit_name_resolves("mail", "unix:/tmp/leat-2000/mail");
        REQUIRE(names_make("/tmp/leat-2000", &rows[i].thing));
        if (rows[i].reason)
            names_refused("mail", LEAT_E_UNTRUSTED, rows[i].reason);
        else
            kit_names_meet(hub, "mail", "unix:/tmp/leat-2000/mail");
        names_become(0);
        names_remove("/tmp/leat-2000", &rows[i].thing);
        names_become(1000);
        kit_end(hub);
    }
}

/* L13: a program with the rights of another than its caller believes none of its variables. */
TEST(folder_of_a_privileged_program_is_not_named)
{
    if (!kit_simulated())
        SKIP_NEEDS("a privileged program, which the simulated kernel can be");
    struct leat_hub *hub = kit_begin();
    names_environment("TMPDIR", "/home/user");
    kit_name_resolves("qt:app", "unix:/home/user/app");
    lti_sim_set_privileged(true);
    kit_name_resolves("mail", "unix:/run/user/1000/leat/mail");
    kit_name_resolves("qt:app", "unix:/tmp/app");
    names_environment("XDG_RUNTIME_DIR", "/tmp/..");
    names_environment("TMPDIR", "nowhere");
    kit_name_resolves("mail", "unix:/run/user/1000/leat/mail");
    kit_name_resolves("qt:app", "unix:/tmp/app");
    lti_sim_set_privileged(false);
    names_environment("TMPDIR", NULL);
    names_environment("XDG_RUNTIME_DIR", lti_test_folder());
    kit_end(hub);
}
