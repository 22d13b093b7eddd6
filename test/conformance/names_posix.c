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

static void listen_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_listener listener = {77};
    if (!CHECK_ERROR(leat_listen(hub, name, NULL, &listener), error))
        (void)printf("the name: %s\n", name);
    CHECK_INT(listener.id, 77);
}

static void name_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_conn conn = {77};
    char buffer[400] = "untouched";
    size_t size = 77;
    listen_refused(hub, name, error);
    CHECK_ERROR(leat_connect(hub, name, NULL, &conn), error);
    CHECK_ERROR(leat_resolve(name, buffer, sizeof buffer, &size), error);
    CHECK_STR(buffer, "untouched");
    CHECK(conn.id == 77 && size == 77);
}

/* Listens, connects, says one thing, and closes everything. */
static void name_works(struct leat_hub *hub, const char *name)
{
    leat_listener listener = {0};
    if (!CHECK_ERROR(leat_listen(hub, name, NULL, &listener), LEAT_OK)) {
        (void)printf("the name: %s\n", name);
        return;
    }
    struct kit_ends ends = kit_open(hub, listener, name, NULL);
    kit_write_text(hub, ends.dialled, "hi");
    kit_read_text(hub, ends.accepted, "hi");
    CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_E_STALE);
}

TEST_POSIX(names_of_paths_and_abstract_names_work)
{
    struct leat_hub *hub = kit_begin();
    name_works(hub, kit_path("explicit.sock") + 5);
    name_works(hub, "unix:@leat-conformance-abstract");
    name_works(hub, "unix:@leat/conformance/abstract");
    kit_end(hub);
}

TEST_POSIX(names_of_paths_that_are_none)
{
    struct leat_hub *hub = kit_begin();
    name_refused(hub, "unix:", LEAT_E_NAME);
    name_refused(hub, "unix:relative", LEAT_E_NAME);
    name_refused(hub, "unix:@", LEAT_E_NAME);
    name_refused(hub, "/", LEAT_E_NAME);
    name_refused(hub, "/tmp/", LEAT_E_NAME);
    name_refused(hub, "/tmp/../x", LEAT_E_NAME);
    name_refused(hub, "/..", LEAT_E_NAME);
    name_refused(hub, "/tmp/\xFF", LEAT_E_NAME);
    name_refused(hub, "/tmp/\xC0\xAF", LEAT_E_NAME);
    name_refused(hub, "/tmp/\xED\xA0\x80", LEAT_E_NAME);
    name_refused(hub, "unix:@\x80", LEAT_E_NAME);
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
    name_works(hub, path);
    (void)snprintf(name, sizeof name, "unix:%s", path);
    name_works(hub, name);
    path_of_size(path, LTI_OS_PATH_MAX + 1);
    name_refused(hub, path, LEAT_E_NAME_TOO_LONG);
    (void)snprintf(name, sizeof name, "unix:%s", path);
    name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    memcpy(name, "unix:@", 6);
    memset(name + 6, 'y', 107);
    name[6 + 107] = '\0';
    name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    name[6 + 106] = '\0';
    name_works(hub, name);
    kit_end(hub);
}

TEST_POSIX(names_resolve)
{
    struct leat_hub *hub = kit_begin();
    char expected[300], buffer[300] = "";
    size_t size = 0;
    (void)snprintf(expected, sizeof expected, "unix:%s/leat/plain", lti_test_folder());
    CHECK_ERROR(leat_resolve("plain", buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    CHECK_INT(size, strlen(expected));
    /* Asking makes nothing. */
    CHECK(!kit_file_exists(expected));
    memset(buffer, '#', sizeof buffer);
    size = 0;
    CHECK_ERROR(leat_resolve("plain", buffer, strlen(expected), &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, strlen(expected));
    CHECK_INT(buffer[0], '#');
    CHECK_ERROR(leat_resolve("plain", buffer, strlen(expected) + 1, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    CHECK_ERROR(leat_resolve("plain", NULL, 0, &size), LEAT_E_TOO_BIG);
    CHECK_ERROR(leat_resolve("/a/b", buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, "unix:/a/b");
    CHECK_ERROR(leat_resolve("unix:@x", buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, "unix:@x");
    kit_end(hub);
}

/* ---- What is at the name already ------------------------------------------------------------- */

TEST_POSIX(listen_twice_at_an_abstract_name)
{
    struct leat_hub *hub = kit_begin();
    (void)kit_listen(hub, "unix:@leat-conformance-twice", NULL);
    listen_refused(hub, "unix:@leat-conformance-twice", LEAT_E_IN_USE);
    kit_end(hub);
}

TEST_POSIX(listen_takes_a_dead_socket_over)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("dead.sock");
    kit_raw_close(kit_raw_listen(name, 5));
    CHECK(kit_file_exists(name));
    name_works(hub, name);
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
    listen_refused(hub, file, LEAT_E_IN_USE);
    listen_refused(hub, folder, LEAT_E_IN_USE);
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
    listen_refused(hub, kit_path("missing/server.sock"), LEAT_E_NOT_FOUND);
    kit_file_make(file);
    listen_refused(hub, kit_path("file/server.sock"), LEAT_E_NOT_FOUND);
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
