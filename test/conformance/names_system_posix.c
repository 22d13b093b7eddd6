/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of names of the system, which live in a folder that is root's; of names of
 * Qt; and of the names of pipes where there are none.
 *
 * Happy path: root listens, and everybody finds it; who listens at a name of Qt is where Qt looks.
 * Fails:      each thing that can be wrong with the folder is UNTRUSTED for everybody; who is not
 *             root makes nothing; an environment that leads nowhere is UNSUPPORTED.
 * Invariants: /run is the simulated kernel's, or this process's own.
 */
#include "names_world_posix.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "/run/leat"
#define USER 1000u

/* A new world, of root, who is not that in the simulated one by himself. */
static struct leat_hub *system_begin(void)
{
    names_run_begin();
    struct leat_hub *hub = kit_begin();
    names_become(0);
    return hub;
}

static void system_end(struct leat_hub *hub)
{
    names_become(0);
    if (kit_file_exists(FOLDER))
        kit_folder_remove(FOLDER);
    if (kit_simulated())
        names_become(USER);
    kit_end(hub);
}

static void connect_fails(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_conn conn = {77};
    CHECK_ERROR(leat_connect_wait(hub, name, NULL, &conn), error);
}

/* ---- Names of the system --------------------------------------------------------------------- */

TEST(system_names_are_for_root_to_make)
{
    struct leat_hub *hub = system_begin();
    names_become(USER);
    kit_name_resolves("system:mail", "unix:/run/leat/mail");
    kit_listen_refused(hub, "system:mail", LEAT_E_NOT_FOUND);
    connect_fails(hub, "system:mail", LEAT_E_NOT_FOUND);
    CHECK(!kit_file_exists(FOLDER));
    names_become(0);
    /* Neither asking nor connecting makes it for root. */
    kit_name_resolves("system:mail", "unix:/run/leat/mail");
    connect_fails(hub, "system:mail", LEAT_E_NOT_FOUND);
    CHECK(!kit_file_exists(FOLDER));
    kit_names_meet(hub, "system:mail", "unix:/run/leat/mail");
    kit_names_meet(hub, "unix:/run/leat/mail", "system:mail");
    CHECK(kit_file_exists(FOLDER));
    names_become(USER);
    kit_name_resolves("system:mail", "unix:/run/leat/mail");
    kit_listen_refused(hub, "system:mail", LEAT_E_DENIED);
    connect_fails(hub, "system:mail", LEAT_E_NOT_FOUND);
    CHECK(!kit_file_exists(FOLDER "/mail"));
    CHECK(!kit_file_exists(FOLDER "/mail.leat-lock"));
    system_end(hub);
}

/* Services often have a umask that would shut all others out. */
TEST(system_folder_lets_everybody_in)
{
    struct leat_hub *hub = system_begin();
    const struct leat_listen_options open = {.size = sizeof open, .who = LEAT_WHO_INSECURE_ANYONE};
    struct lti_os_file file = {0};
    leat_listener listener;
    leat_conn conn;
    mode_t before = umask(0077);
    CHECK_ERROR(leat_listen(hub, "system:mail", &open, &listener), LEAT_OK);
    (void)umask(before);
    CHECK_INT(lti_os_lstat(FOLDER, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_DIR);
    CHECK_INT(file.uid, 0);
    CHECK_INT(file.mode, 0755);
    names_become(USER);
    CHECK_ERROR(leat_connect_wait(hub, "system:mail", NULL, &conn), LEAT_OK);
    CHECK_INT(kit_info(hub, conn).peer_uid, 0);
    names_become(0);
    CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    system_end(hub);
}

/* A folder that was there keeps the mode that the administrator gave it. */
TEST(system_folder_of_before_is_left_as_it_is)
{
    static const struct names_thing narrow = {'d', false, 0700};
    struct leat_hub *hub = system_begin();
    struct lti_os_file file = {0};
    REQUIRE(names_make(FOLDER, &narrow));
    kit_names_meet(hub, "system:mail", FOLDER "/mail");
    CHECK_INT(lti_os_lstat(FOLDER, &file), 0);
    CHECK_INT(file.mode, 0700);
    names_become(USER);
    kit_listen_refused(hub, "system:mail", LEAT_E_DENIED);
    connect_fails(hub, "system:mail", LEAT_E_DENIED);
    system_end(hub);
}

TEST(system_folder_must_be_roots)
{
    static const struct {
        struct names_thing thing;
        const char *reason;
    } rows[] = {
        {{'l', false, 0777}, "the folder of the system's names is a link"},
        {{'f', false, 0644}, "the folder of the system's names is no folder"},
        {{'d', true, 0755}, "the folder of the system's names is not root's"},
        {{'d', false, 0777}, "the folder of the system's names may be written to by others"},
        {{'d', false, 01777}, "the folder of the system's names may be written to by others"},
        {{'d', false, 0775}, "the folder of the system's names may be written to by others"},
        {{'d', false, 0757}, "the folder of the system's names may be written to by others"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct leat_hub *hub = system_begin();
        struct lti_os_file before = {0}, after = {0};
        REQUIRE(names_make(FOLDER, &rows[i].thing));
        CHECK_INT(lti_os_lstat(FOLDER, &before), 0);
        names_refused("system:mail", LEAT_E_UNTRUSTED, rows[i].reason);
        names_become(USER);
        names_refused("system:mail", LEAT_E_UNTRUSTED, rows[i].reason);
        names_become(0);
        CHECK_INT(lti_os_lstat(FOLDER, &after), 0);
        CHECK(before.inode == after.inode && before.mode == after.mode && before.uid == after.uid);
        names_remove(FOLDER, &rows[i].thing);
        if (kit_simulated())
            names_become(USER);
        kit_end(hub);
    }
}

TEST(system_names_do_not_meet_plain_ones)
{
    struct leat_hub *hub = system_begin();
    leat_listener system, plain;
    names_environment("XDG_RUNTIME_DIR", lti_test_folder());
    if (kit_simulated())
        names_become(USER);
    CHECK_ERROR(leat_listen(hub, "mail", NULL, &plain), LEAT_OK);
    names_become(0);
    CHECK_ERROR(leat_listen(hub, "system:mail", NULL, &system), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, system), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, plain), LEAT_OK);
    system_end(hub);
}

/* ---- Names of Qt ----------------------------------------------------------------------------- */

TEST(qt_names_are_where_qt_listens)
{
    struct leat_hub *hub = kit_begin();
    char name[300], other[300];
    names_environment("TMPDIR", NULL);
    kit_name_resolves("qt:My App", "unix:/tmp/My App");
    kit_name_resolves("qt:/var/My App", "unix:/var/My App");
    names_environment("TMPDIR", "");
    kit_name_resolves("qt:app", "unix:/tmp/app");
    names_environment("TMPDIR", "/");
    kit_name_resolves("qt:app", "unix:/app");
    names_environment("TMPDIR", "//var/./x/..//lib/");
    kit_name_resolves("qt:app/a", "unix:/var/lib/app/a");
    names_environment("TMPDIR", lti_test_folder());
    kit_names_meet(hub, "qt:My App", kit_path("My App"));
    kit_names_meet(hub, kit_path("app"), "qt:app");
    (void)snprintf(name, sizeof name, "qt:%s", kit_path("app") + strlen("unix:"));
    kit_names_meet(hub, name, "qt:app");
    (void)snprintf(other, sizeof other, "qt:%s", kit_path("") + strlen("unix:"));
    kit_name_refused(hub, other, LEAT_E_NAME); /* it ends with '/' */
    names_environment("TMPDIR", NULL);
    kit_end(hub);
}

TEST(qt_names_in_no_folder)
{
    static const char *const folders[] = {"tmp", ".", "..", "/..", "/a/../..", "/\xFF"};
    struct leat_hub *hub = kit_begin();
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        names_environment("TMPDIR", folders[i]);
        names_refused("qt:app", LEAT_E_UNSUPPORTED,
                      "TMPDIR is no absolute path in UTF-8, so no name of Qt leads anywhere");
        kit_name_resolves("qt:/app", "unix:/app");
    }
    names_environment("TMPDIR", NULL);
    kit_end(hub);
}

/* Qt takes one byte less than the system does. */
TEST(qt_names_up_to_qts_limit)
{
    struct leat_hub *hub = kit_begin();
    char name[200], path[200];
    names_environment("TMPDIR", NULL);
    int begin = snprintf(path, sizeof path, "unix:/tmp/");
    memset(path + begin, 'q', sizeof path - (size_t)begin);
    path[5 + 106] = '\0';
    (void)snprintf(name, sizeof name, "qt:%s", path + begin);
    kit_name_resolves(name, path);
    (void)snprintf(name, sizeof name, "qt:%sq", path + begin);
    kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    (void)snprintf(name, sizeof name, "qt:%s", path + 5);
    kit_name_resolves(name, path);
    (void)snprintf(name, sizeof name, "qt:%sq", path + 5);
    kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    kit_end(hub);
}

/* ---- Names of pipes -------------------------------------------------------------------------- */

TEST(pipe_names_are_unsupported)
{
    static const char *const pipes[] = {"pipe:x", "PIPE:Some Name", "\\\\.\\pipe\\x",
                                        "\\\\?\\PIPE\\a\\b"};
    static const char *const none[] = {"pipe:", "pipe:a/b", "\\\\host\\pipe\\x", "\\\\.\\pipe\\..",
                                       "\\\\.\\C:"};
    struct leat_hub *hub = kit_begin();
    for (size_t i = 0; i < sizeof pipes / sizeof pipes[0]; i++)
        names_refused(pipes[i], LEAT_E_UNSUPPORTED, "a pipe of Windows is no name here");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        names_refused(none[i], LEAT_E_NAME, "a name leads nowhere");
    kit_end(hub);
}
