/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of paths and abstract names: what a name resolves to, what is taken over and
 * what is left alone.
 *
 * Happy path: a path is listened on, connected to, and gone after the end.
 * Fails:      each kind of bad name, and each kind of thing at a name.
 * Invariants: a refused listen changes nothing on the disk: kit_end looks.
 */
#include "kit_posix.h"

#include <stdio.h>
#include <string.h>

TEST_POSIX(names_of_paths_and_abstract_names_work)
{
    struct leat_hub *hub = kit_begin();
    kit_names_meet(hub, kit_path("explicit.sock") + 5, kit_path("explicit.sock") + 5);
    kit_names_meet(hub, "unix:@leat-conformance-abstract", "unix:@leat-conformance-abstract");
    kit_names_meet(hub, "unix:@leat/conformance/abstract", "unix:@leat/conformance/abstract");
    kit_end(hub);
}

TEST_POSIX(names_of_paths_that_are_none)
{
    struct leat_hub *hub = kit_begin();
    kit_name_refused(hub, "unix:", LEAT_E_NAME);
    kit_name_refused(hub, "unix:relative", LEAT_E_NAME);
    kit_name_refused(hub, "unix:@", LEAT_E_NAME);
    kit_name_refused(hub, "/", LEAT_E_NAME);
    kit_name_refused(hub, "/tmp/", LEAT_E_NAME);
    kit_name_refused(hub, "/tmp/../x", LEAT_E_NAME);
    kit_name_refused(hub, "/..", LEAT_E_NAME);
    kit_name_refused(hub, "/tmp/\xFF", LEAT_E_NAME);
    kit_name_refused(hub, "/tmp/\xC0\xAF", LEAT_E_NAME);
    kit_name_refused(hub, "/tmp/\xED\xA0\x80", LEAT_E_NAME);
    kit_name_refused(hub, "unix:@\x80", LEAT_E_NAME);
    kit_end(hub);
}

/* "FOLDER/xxxx" of exactly `size` bytes. */
static void path_of_size(char *path, size_t size)
{
    int begin = snprintf(path, size + 1, "%s/", lti_test_folder());
    REQUIRE(begin > 0 && (size_t)begin < size);
    memset(path + begin, 'x', size - (size_t)begin);
    path[size] = '\0';
}

TEST_POSIX(names_paths_up_to_the_system_limit)
{
    struct leat_hub *hub = kit_begin();
    char path[200], name[210];
    path_of_size(path, LTI_OS_PATH_MAX);
    kit_names_meet(hub, path, path);
    (void)snprintf(name, sizeof name, "unix:%s", path);
    kit_names_meet(hub, name, name);
    path_of_size(path, LTI_OS_PATH_MAX + 1);
    kit_name_refused(hub, path, LEAT_E_NAME_TOO_LONG);
    (void)snprintf(name, sizeof name, "unix:%s", path);
    kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    memcpy(name, "unix:@", 6);
    memset(name + 6, 'y', 107);
    name[6 + 107] = '\0';
    kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    name[6 + 106] = '\0';
    kit_names_meet(hub, name, name);
    kit_end(hub);
}

TEST_POSIX(names_resolve)
{
    struct leat_hub *hub = kit_begin();
    char expected[300];
    (void)snprintf(expected, sizeof expected, "unix:%s/leat/plain", lti_test_folder());
    kit_name_resolves("plain", expected);
    CHECK(!kit_file_exists(expected)); /* asking makes nothing */
    kit_name_resolves("/a/b", "unix:/a/b");
    kit_name_resolves("unix:@x", "unix:@x");
    kit_end(hub);
}

/* ---- What is at the name already ------------------------------------------------------------- */

TEST_POSIX(listen_twice_at_an_abstract_name)
{
    struct leat_hub *hub = kit_begin();
    (void)kit_listen(hub, "unix:@leat-conformance-twice", NULL);
    kit_listen_refused(hub, "unix:@leat-conformance-twice", LEAT_E_IN_USE);
    kit_end(hub);
}

TEST_POSIX(listen_takes_a_dead_socket_over)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("dead.sock");
    kit_raw_close(kit_raw_listen(name, 5));
    CHECK(kit_file_exists(name));
    kit_names_meet(hub, name, name);
    CHECK(!kit_file_exists(name));
    kit_end(hub);
}

TEST_POSIX(listen_leaves_files_and_folders_alone)
{
    struct leat_hub *hub = kit_begin();
    const char *file = kit_path("file");
    const char *folder = kit_path("folder");
    kit_file_make(file);
    kit_folder_make(folder);
    kit_listen_refused(hub, file, LEAT_E_IN_USE);
    kit_listen_refused(hub, folder, LEAT_E_IN_USE);
    CHECK(kit_file_exists(file));
    CHECK(kit_file_exists(folder));
    kit_file_remove(file);
    kit_folder_remove(folder);
    kit_end(hub);
}

TEST_POSIX(listen_without_the_folder)
{
    struct leat_hub *hub = kit_begin();
    const char *file = kit_path("file");
    kit_listen_refused(hub, kit_path("missing/server.sock"), LEAT_E_NOT_FOUND);
    kit_file_make(file);
    kit_listen_refused(hub, kit_path("file/server.sock"), LEAT_E_NOT_FOUND);
    kit_file_remove(file);
    kit_end(hub);
}

TEST_POSIX(listen_does_not_remove_what_replaced_it)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server.sock");
    leat_listener listener = kit_listen(hub, name, NULL);
    kit_file_remove(name);
    kit_file_make(name);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(kit_file_exists(name));
    kit_file_remove(name);
    kit_end(hub);
}

TEST_POSIX(listen_is_private)
{
    struct leat_hub *hub = kit_begin();
    struct leat_listen_options open = {.size = sizeof open, .who = LEAT_WHO_INSECURE_ANYONE};
    struct lti_os_file file = {0};
    const char *name = kit_path("server.sock");
    leat_listener listener = kit_listen(hub, name, NULL);
    CHECK_INT(lti_os_lstat(name + 5, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_SOCKET);
    CHECK_INT(file.mode & 0777, 0600);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_listen(hub, name, &open, &listener), LEAT_OK);
    CHECK_INT(lti_os_lstat(name + 5, &file), 0);
    CHECK_INT(file.mode & ~0666u & 0777, 0);
    kit_end(hub);
}

/* Sockets have modes and owners, and no descriptors of Windows. */
TEST(listen_with_sddl_is_unsupported)
{
    struct leat_hub *hub = kit_begin();
    const struct leat_listen_options options = {.size = sizeof options, .sddl = "D:P(A;;GA;;;WD)"};
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, kit_plain("own"), &options, &listener), LEAT_E_UNSUPPORTED);
    CHECK_ERROR(leat_listen(hub, "unix:@leat-sddl", &options, &listener), LEAT_E_UNSUPPORTED);
    int fd = kit_raw_listen(kit_path("given"), 5);
    CHECK_ERROR(leat_adopt_listener(hub, fd, &options, &listener), LEAT_E_UNSUPPORTED);
    CHECK_INT(listener.id, 77);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    kit_raw_unlisten(fd, kit_path("given")); /* it stayed ours */
    (void)kit_listen(hub, kit_plain("own"), NULL);
    kit_end(hub);
}
