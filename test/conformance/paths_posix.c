/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of paths: long ones, what a client looks at before it connects, and how a
 * server's socket and its folder are open.
 *
 * Happy path: a path of any length that a name can have works as a short one; a socket has the mode
 *             that its policy asks for.
 * Fails:      a link, another user's socket and a folder that others may change are UNTRUSTED, and
 *             nobody was connected to.
 * Invariants: a refusal changes nothing on the disk: kit_end looks.
 */
#include "kit_sim_posix.h"
#include "paths_kit_posix.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Long paths ------------------------------------------------------------------------------ */

static void long_path_works(struct leat_hub *hub, const char *path)
{
    char text[PATHS_BYTES_MAX + 6], lock[PATHS_BYTES_MAX + 16];
    size_t size = 0;
    leat_listener other = {77};
    leat_listener listener = kit_listen(hub, path, NULL);
    (void)snprintf(lock, sizeof lock, "%s.leat-lock", path);
    CHECK_ERROR(leat_resolve(path, text, sizeof text, &size), LEAT_OK);
    CHECK_STR(text + 5, path);
    CHECK_INT(size, strlen(path) + 5);
    CHECK(kit_file_exists(lock));
    CHECK_INT(paths_look(path).mode, 0600);
    struct kit_ends ends = kit_open(hub, listener, path, NULL);
    kit_write_text(hub, ends.dialled, "far away");
    kit_read_text(hub, ends.accepted, "far away");
    CHECK_ERROR(leat_listen(hub, path, NULL, &other), LEAT_E_IN_USE);
    CHECK_INT(other.id, 77);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(!kit_file_exists(path) && !kit_file_exists(lock));
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    (void)KIT_UNTIL(hub, LEAT_EVENT_CLOSED);
}

TEST(paths_long_ones_work)
{
    struct leat_hub *hub = kit_begin();
    static const struct {
        size_t size, name;
    } rows[] = {
        {LTI_OS_PATH_MAX, 20},    {LTI_OS_PATH_MAX + 1, 1}, {LTI_OS_PATH_MAX + 1, 82}, {300, 20},
        {PATHS_BYTES_MAX - 1, 1}, {PATHS_BYTES_MAX, 30},    {PATHS_BYTES_MAX, 82}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[PATHS_BYTES_MAX + 1];
        paths_long(path, rows[i].size, rows[i].name);
        long_path_works(hub, path);
        paths_long_remove(path);
    }
    kit_end(hub);
}

TEST(paths_that_are_too_long)
{
    struct leat_hub *hub = kit_begin();
    char path[PATHS_BYTES_MAX + 2];
    paths_long(path, PATHS_BYTES_MAX + 1, 30);
    kit_name_refused(hub, path, LEAT_E_NAME_TOO_LONG);
    paths_long_remove(path);
    paths_long(path, 200, 83);
    kit_name_refused(hub, path, LEAT_E_NAME_TOO_LONG);
    paths_long_remove(path);
    kit_end(hub);
}

TEST(paths_long_one_of_a_dead_server)
{
    struct leat_hub *hub = kit_begin();
    char path[301];
    paths_long(path, 300, 20);
    leat_conn conn = kit_connect(hub, path, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    paths_dead_socket(path);
    conn = kit_connect(hub, path, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    long_path_works(hub, path);
    paths_long_remove(path);
    kit_end(hub);
}

TEST(paths_without_proc)
{
    if (!lti_sim_set_proc)
        SKIP_NEEDS("a system without /proc, which the simulated kernel can be");
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    struct leat_listen_options open = {.size = sizeof open, .who = LEAT_WHO_INSECURE_ANYONE};
    leat_listener listener = {77};
    char path[301];
    paths_long(path, 300, 20);
    lti_sim_set_proc(false);
    kit_names_meet(hub, name, name);
    CHECK_ERROR(leat_listen(hub, name, &open, &listener), LEAT_E_UNSUPPORTED);
    CHECK_ERROR(leat_listen(hub, path, NULL, &listener), LEAT_E_UNSUPPORTED);
    CHECK_INT(listener.id, 77);
    lti_sim_set_proc(true);
    listener = kit_listen(hub, path, NULL);
    lti_sim_set_proc(false);
    leat_conn conn = kit_connect(hub, path, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_UNSUPPORTED);
    lti_sim_set_proc(true);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    paths_long_remove(path);
    kit_end(hub);
}

/* Without a descriptor's help another socket may be met than was looked at: that shows later. */
TEST(paths_without_proc_that_change_meanwhile)
{
    if (!lti_sim_set_proc)
        SKIP_NEEDS("a system without /proc, which the simulated kernel can be");
    struct leat_hub *hub = kit_begin();
    lti_sim_set_proc(false);
    paths_change_meanwhile();
    lti_sim_set_proc(true);
    kit_end(hub);
}

/* ---- What a client looks at ------------------------------------------------------------------ */

static enum leat_error ended(struct leat_hub *hub, const char *name,
                             const struct leat_connect_options *options)
{
    leat_conn conn;
    REQUIRE_ERROR(leat_connect(hub, name, options, &conn), LEAT_OK);
    return KIT_UNTIL(hub, LEAT_EVENT_CLOSED).error;
}

/* Nobody came. */
static void nobody_at(int fd)
{
    CHECK_INT(lti_os_kind_of(lti_os_accept(fd)), LTI_OS_AGAIN);
}

TEST(node_that_is_a_link_is_not_followed)
{
    struct leat_hub *hub = kit_begin();
    const char *link = kit_path("link"), *target = kit_path("target");
    static const enum leat_who whos[] = {LEAT_WHO_SAME_USER, LEAT_WHO_INSECURE_ANYONE,
                                         LEAT_WHO_ADMIN};
    int fd = kit_raw_listen(target, 5);
    paths_link(link, target);
    for (size_t i = 0; i < sizeof whos / sizeof whos[0]; i++) {
        struct leat_connect_options options = {.size = sizeof options, .who = whos[i]};
        CHECK_ERROR(ended(hub, link, &options), LEAT_E_UNTRUSTED);
        options.absent = LEAT_ABSENT_WAIT;
        CHECK_ERROR(ended(hub, link, &options), LEAT_E_UNTRUSTED);
    }
    nobody_at(fd);
    kit_listen_refused(hub, link, LEAT_E_IN_USE);
    CHECK_INT(paths_look(link).type, LTI_OS_FILE_LINK);
    kit_raw_unlisten(fd, target);
    CHECK_ERROR(ended(hub, link, NULL), LEAT_E_UNTRUSTED); /* dangling: not looked behind either */
    kit_file_remove(link);
    kit_end(hub);
}

TEST(node_of_another_user_is_not_connected_to)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("theirs");
    static const char *const them[] = {"4711"}, *const others[] = {"4712"};
    static const struct {
        enum leat_who who;
        const char *const *users;
        const char *group;
        bool met;
    } rows[] = {
        {LEAT_WHO_SAME_USER, NULL, NULL, false}, {LEAT_WHO_ADMIN, NULL, NULL, false},
        {LEAT_WHO_LIST, others, NULL, false},    {LEAT_WHO_LIST, them, NULL, true},
        {LEAT_WHO_GROUP, NULL, "4711", true},    {LEAT_WHO_INSECURE_ANYONE, NULL, NULL, true},
    };
    int fd = kit_raw_listen(name, 5);
    paths_mode(name, 0666);
    if (!paths_give(name, PATHS_OTHER, PATHS_OTHER)) {
        kit_raw_unlisten(fd, name);
        kit_end(hub);
        SKIP_NEEDS("root");
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct leat_connect_options options = {.size = sizeof options,
                                               .who = rows[i].who,
                                               .users = rows[i].users,
                                               .users_count = rows[i].users != NULL,
                                               .group = rows[i].group};
        if (!rows[i].met) {
            CHECK_ERROR(ended(hub, name, &options), LEAT_E_UNTRUSTED);
            nobody_at(fd);
            continue;
        }
        /* The process that listens is ours all the same, which the system says. */
        leat_conn conn;
        CHECK_ERROR(leat_connect_wait(hub, name, &options, &conn), LEAT_OK);
        kit_raw_close(kit_raw_accept(fd));
        CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    }
    (void)paths_give(name, kit_user(), kit_user());
    kit_raw_unlisten(fd, name);
    kit_end(hub);
}

TEST(node_that_nobody_is_known_for_is_not_trusted)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("nobodys");
    static const char *const nobody[] = {"65534"};
    struct leat_connect_options options = {
        .size = sizeof options, .who = LEAT_WHO_LIST, .users = nobody, .users_count = 1};
    int fd = kit_raw_listen(name, 5);
    if (paths_give(name, 65534, 65534)) {
        CHECK_ERROR(ended(hub, name, &options), LEAT_E_UNTRUSTED);
        nobody_at(fd);
        (void)paths_give(name, kit_user(), kit_user());
    }
    kit_raw_unlisten(fd, name);
    kit_end(hub);
}

/* ---- The socket's mode ----------------------------------------------------------------------- */

static void mode_is(struct leat_hub *hub, const struct leat_listen_options *options, uint32_t mode,
                    uint32_t gid)
{
    const char *names[] = {kit_path("server"), kit_plain("server")};
    for (size_t i = 0; i < 2; i++) {
        char text[400];
        size_t size = 0;
        leat_listener listener;
        CHECK_ERROR(leat_listen(hub, names[i], options, &listener), LEAT_OK);
        REQUIRE_ERROR(leat_listener_name(hub, listener, text, sizeof text, &size), LEAT_OK);
        CHECK_INT(paths_look(text).mode, mode);
        CHECK_INT(paths_look(text).gid, gid);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        CHECK(!kit_file_exists(text));
    }
}

TEST(mode_is_what_the_policy_says_whatever_the_umask)
{
    struct leat_hub *hub = kit_begin();
    static const char *const users[] = {"4711"};
    static const mode_t masks[] = {0022, 0077, 0000, 0177};
    const char *file = kit_path("file");
    kit_file_make(file);
    uint32_t own = paths_look(file).gid;
    kit_file_remove(file);
    char group[16];
    bool root = !kit_simulated() && kit_user() == 0;
    (void)snprintf(group, sizeof group, "%u", root ? PATHS_OTHER : own);
    struct leat_listen_options options = {.size = sizeof options};
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        mode_t before = umask(masks[i]);
        mode_is(hub, NULL, 0600, own);
        options.who = LEAT_WHO_ADMIN;
        mode_is(hub, &options, 0600, own);
        options.who = LEAT_WHO_ASK;
        mode_is(hub, &options, 0666, own);
        options.who = LEAT_WHO_INSECURE_ANYONE;
        mode_is(hub, &options, 0666, own);
        options.who = LEAT_WHO_LIST;
        options.users = users;
        options.users_count = 1;
        mode_is(hub, &options, 0666, own);
        options.users_count = 0;
        options.who = LEAT_WHO_GROUP;
        options.group = group;
        mode_is(hub, &options, 0660, root ? PATHS_OTHER : own);
        options.group = NULL;
        (void)umask(before);
    }
    kit_end(hub);
}

TEST(mode_for_a_group_that_is_not_ours)
{
    if (!lti_sim_set_user && kit_user() == 0)
        SKIP_NEEDS("a user other than root: the simulated kernel has one");
    struct leat_hub *hub = kit_begin();
    struct leat_listen_options options = {
        .size = sizeof options, .who = LEAT_WHO_GROUP, .group = "4711"};
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, kit_path("server"), &options, &listener), LEAT_E_DENIED);
    CHECK_INT(listener.id, 77);
    CHECK(!kit_file_exists(kit_path("server")));
    CHECK(!kit_file_exists(kit_path("server.leat-lock")));
    kit_end(hub);
}

/* ---- The folder of a path -------------------------------------------------------------------- */

TEST(folder_of_a_path_must_not_be_open_to_others)
{
    struct leat_hub *hub = kit_begin();
    static const struct {
        uint32_t mode;
        bool good;
    } rows[] = {{0700, true},  {0755, true},  {0711, true},  {0770, false}, {0777, false},
                {0702, false}, {0720, false}, {01777, true}, {01770, true}, {02755, true}};
    const char *folder = kit_path("folder"), *name = kit_path("folder/server");
    kit_folder_make(folder);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        paths_mode(folder, rows[i].mode);
        struct leat_listen_options taking = {.size = sizeof taking, .take_over = true};
        leat_listener listener = {77};
        if (!rows[i].good)
            CHECK_ERROR(leat_listen(hub, name, &taking, &listener), LEAT_E_UNTRUSTED);
        if (rows[i].good)
            kit_names_meet(hub, name, name);
        else
            kit_listen_refused(hub, name, LEAT_E_UNTRUSTED);
        CHECK(!kit_file_exists(name));
        CHECK(!kit_file_exists(kit_path("folder/server.leat-lock")));
    }
    /* Who may change it may as well be its owner. */
    for (uint32_t mode = 0755; !kit_simulated() && mode; mode = mode == 0755 ? 01777 : 0) {
        paths_mode(folder, mode);
        if (paths_give(folder, PATHS_OTHER, PATHS_OTHER))
            kit_listen_refused(hub, name, LEAT_E_UNTRUSTED);
        (void)paths_give(folder, kit_user(), kit_user());
    }
    /* A client does not ask: it looks at the socket, and at who listens. */
    paths_mode(folder, 0777);
    int fd = kit_raw_listen(name, 5);
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    CHECK_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    kit_raw_unlisten(fd, name);
    kit_folder_remove(folder);
    kit_end(hub);
}
