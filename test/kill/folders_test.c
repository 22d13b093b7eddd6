/* SPDX-License-Identifier: MIT
 *
 * Folders in which nothing can be made, or nothing can be removed: full ones and read-only ones, of
 * a file system of the test's own.
 *
 * Happy path: a server that lives does not feel it.
 * Fails:      LIMIT in a full folder, DENIED in a read-only one.
 * Invariants: a listen that fails leaves the folder as it was; a name that could not be removed is
 *             in nobody's way. Needs root, or user namespaces.
 */
#include "kill.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_FILES_MAX 6u /* a lock and a socket, beside the folder itself, are three */

static bool folder_put(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool done = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        (void)close(file);
    return done;
}

/* A view of the file systems that is this process's own. */
static bool folder_own_view(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWNS) == 0)
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !folder_put("/proc/self/setgroups", "deny"))
        return false;
    (void)snprintf(map, sizeof map, "%u %u 1", (unsigned)uid, (unsigned)uid);
    bool mapped = folder_put("/proc/self/uid_map", map);
    (void)snprintf(map, sizeof map, "%u %u 1", (unsigned)gid, (unsigned)gid);
    return mapped && folder_put("/proc/self/gid_map", map);
}

/* The test's folder becomes one in which so many files have a place, itself among them. */
static bool folder_mount(uint32_t files)
{
    char options[64];
    (void)snprintf(options, sizeof options, "mode=0700,size=1m,nr_inodes=%u", files);
    return mount("leat", lti_test_folder(), "tmpfs", 0, options) == 0;
}

static void folder_unmount(void)
{
    REQUIRE(umount2(lti_test_folder(), MNT_DETACH) == 0);
}

static void folder_begin(uint32_t files)
{
    (void)lti_test_folder();
    if (!folder_own_view() || !folder_mount(files))
        SKIP_NEEDS("root, or user namespaces");
}

/* The same folder, through a second mount that lets nobody write: what is open stays as it is. */
static void folder_read_only(void)
{
    const char *folder = lti_test_folder();
    REQUIRE(mount(folder, folder, NULL, MS_BIND, NULL) == 0);
    REQUIRE(mount(NULL, folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
}

static enum leat_error folder_listen(struct leat_hub *hub, leat_listener *listener_out)
{
    return leat_listen(hub, kill_path(), NULL, listener_out);
}

static void folder_is_served(struct leat_hub *hub, leat_listener listener)
{
    leat_conn here, there;
    char byte = 'x';
    size_t size = 0;
    REQUIRE_ERROR(leat_connect_wait(hub, kill_path(), NULL, &here), LEAT_OK);
    REQUIRE_ERROR(leat_wait_accepted(hub, listener, KILL_SOON_MS, &there), LEAT_OK);
    REQUIRE_ERROR(leat_write(hub, here, &byte, 1, &size), LEAT_OK);
    CHECK_ERROR(leat_read_full(hub, there, &byte, 1, KILL_SOON_MS, &size), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, here), LEAT_OK);
    CHECK_ERROR(leat_abort(hub, there), LEAT_OK);
}

TEST(folders_that_are_full)
{
    struct leat_hub *hub = NULL;
    leat_listener listener;
    uint32_t refused = 0, served = 0;
    folder_begin(1);
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (uint32_t files = 1; files <= FOLDERS_FILES_MAX; files++) {
        folder_unmount();
        REQUIRE(folder_mount(files));
        enum leat_error error = folder_listen(hub, &listener);
        if (error != LEAT_OK) {
            CHECK_ERROR(error, LEAT_E_LIMIT);
            CHECK_INT(served, 0);
            refused++;
        } else {
            folder_is_served(hub, listener);
            CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
            served++;
        }
        CHECK(kill_folder_is_empty());
    }
    CHECK(refused >= 2); /* no place for the lock; one for the lock, and none for the socket */
    CHECK(served > 0);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    folder_unmount();
}

TEST(folders_that_are_read_only)
{
    struct leat_hub *hub = NULL;
    leat_listener listener, second;
    struct leat_hub_info info = {.size = sizeof info};
    folder_begin(100);
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    folder_read_only();
    CHECK_ERROR(folder_listen(hub, &listener), LEAT_E_DENIED);
    CHECK_ERROR(leat_hub_info_get(hub, &info), LEAT_OK);
    CHECK(info.os_code != 0);
    CHECK(kill_folder_is_empty());

    /* One that listens when it becomes read-only goes on, and is in the way as ever. */
    folder_unmount();
    REQUIRE_ERROR(folder_listen(hub, &listener), LEAT_OK);
    folder_read_only();
    folder_is_served(hub, listener);
    enum leat_error error = folder_listen(hub, &second);
    CHECK(error == LEAT_E_IN_USE || error == LEAT_E_DENIED);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    /* Who does not own the folders above holds this one, as it was when it was writable. */
    bool left = !kill_folder_is_empty();
    CHECK(left || geteuid() != 0);
    leat_conn conn;
    CHECK_ERROR(leat_connect_wait(hub, kill_path(), NULL, &conn),
                left ? LEAT_E_REFUSED : LEAT_E_NOT_FOUND);

    /* What could not be removed is in nobody's way. */
    folder_unmount();
    REQUIRE_ERROR(folder_listen(hub, &listener), LEAT_OK);
    folder_is_served(hub, listener);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK(kill_folder_is_empty());
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    folder_unmount();
}
