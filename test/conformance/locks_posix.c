/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the disk around a path: the lock beside it, whose it is, and what a
 * listen that fails leaves; and of the folder of plain names when its path is too long.
 *
 * Happy path: the lock is there while the listener lives, and goes with it.
 * Fails:      with what is at the place of the lock, or of the name; nothing of it is touched.
 * Invariants: a refused listen changes nothing on the disk: kit_end looks, too.
 */
#include "kit_sim_posix.h"
#include "paths_kit_posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void listen_refused(struct leat_hub *hub, const char *name, enum leat_error error)
{
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, name, NULL, &listener), error);
    CHECK_INT(listener.id, 77);
}

TEST(lock_stands_beside_the_path)
{
    struct leat_hub *hub = kit_begin();
    const char *lock = kit_path("server.leat-lock");
    leat_listener listener = kit_listen(hub, kit_path("server"), NULL);
    struct lti_os_file file = {0};
    CHECK_INT(lti_os_lstat(lock + 5, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_REGULAR);
    CHECK_INT(file.mode, 0600);
    CHECK_INT(file.size, 0);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(!kit_file_exists(lock));
    kit_end(hub);
}

TEST(lock_of_a_server_that_was_killed_is_used_up)
{
    struct leat_hub *hub = kit_begin();
    const char *lock = kit_path("server.leat-lock");
    kit_raw_close(kit_raw_listen(kit_path("server"), 5));
    kit_file_make(lock);
    leat_listener listener = kit_listen(hub, kit_path("server"), NULL);
    (void)kit_open(hub, listener, kit_path("server"), NULL);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(!kit_file_exists(lock));
    CHECK(!kit_file_exists(kit_path("server")));
    kit_end(hub);
}

TEST(lock_stays_when_listening_fails)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    const char *lock = kit_path("server.leat-lock");
    kit_file_make(name);
    /* What was not there before is not there after. */
    listen_refused(hub, name, LEAT_E_IN_USE);
    CHECK(!kit_file_exists(lock));
    kit_file_make(lock);
    listen_refused(hub, name, LEAT_E_IN_USE);
    CHECK(kit_file_exists(lock));
    CHECK(kit_file_exists(name));
    kit_file_remove(lock);
    kit_file_remove(name);
    kit_end(hub);
}

TEST(lock_that_is_held_misleads_nobody)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    (void)kit_listen(hub, name, NULL);
    /* The system would say: try again. */
    listen_refused(hub, name, LEAT_E_IN_USE);
    CHECK_INT(kit_hub_info(hub).os_code, 0);
    kit_end(hub);
}

TEST(lock_place_of_a_folder_or_socket_is_in_use)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("server");
    const char *folder = kit_path("server.leat-lock");
    kit_folder_make(folder);
    listen_refused(hub, name, LEAT_E_IN_USE);
    CHECK(kit_file_exists(folder));
    kit_folder_remove(folder);
    const char *other = kit_path("other");
    const char *socket = kit_path("other.leat-lock");
    int fd = kit_raw_listen(socket, 5);
    listen_refused(hub, other, LEAT_E_IN_USE);
    kit_raw_close(kit_raw_connect(socket));
    kit_raw_unlisten(fd, socket);
    kit_end(hub);
}

/* Programs have locks of their own beside their files. */
TEST(lock_of_another_kind_is_left_alone)
{
    struct leat_hub *hub = kit_begin();
    const char *lock = kit_path("report.lock");
    kit_file_make(lock);
    leat_listener listener = kit_listen(hub, kit_path("report"), NULL);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(kit_file_exists(lock));
    kit_file_remove(lock);
    kit_end(hub);
}

/* ---- The folder of plain names --------------------------------------------------------------- */

static void runtime_folder_set(const char *path)
{
    if (lti_sim_setenv)
        lti_sim_setenv("XDG_RUNTIME_DIR", path);
    else
        REQUIRE(setenv("XDG_RUNTIME_DIR", path, 1) == 0);
}

static void plain_refused(struct leat_hub *hub, const char *name)
{
    char text[400] = "untouched";
    size_t size = 77;
    leat_conn conn = {77};
    listen_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(leat_connect(hub, name, NULL, &conn), LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(leat_resolve(name, text, sizeof text, &size), LEAT_E_NAME_TOO_LONG);
    CHECK_STR(text, "untouched");
    CHECK(conn.id == 77 && size == 77);
}

TEST(runtime_folder_that_is_too_long_is_not_replaced)
{
    struct leat_hub *hub = kit_begin();
    const size_t sizes[] = {PATHS_BYTES_MAX - 10, PATHS_BYTES_MAX - 9, PATHS_BYTES_MAX,
                            PATHS_BYTES_MAX + 50};
    char path[PATHS_BYTES_MAX + 51];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        paths_deep(path, sizes[i]);
        runtime_folder_set(path);
        plain_refused(hub, "plain");
        paths_deep_remove(path);
    }
    /* One that is only longer than an address of the system is used. */
    paths_deep(path, 200);
    runtime_folder_set(path);
    kit_names_meet(hub, "plain", "plain");
    (void)snprintf(path + 200, sizeof path - 200, "/leat");
    kit_folder_remove(path);
    path[200] = '\0';
    paths_deep_remove(path);
    /* Slashes at its end do not make it longer. */
    int size = snprintf(path, sizeof path, "%s", lti_test_folder());
    memset(path + size, '/', sizeof path - 1 - (size_t)size);
    path[sizeof path - 1] = '\0';
    runtime_folder_set(path);
    char text[400];
    size_t length = 0;
    CHECK_ERROR(leat_resolve("plain", text, sizeof text, &length), LEAT_OK);
    path[size] = '\0';
    CHECK(strncmp(text + 5, path, (size_t)size) == 0);
    CHECK_STR(text + 5 + size, "/leat/plain");
    runtime_folder_set(lti_test_folder());
    kit_end(hub);
}
