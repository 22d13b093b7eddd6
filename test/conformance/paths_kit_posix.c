/* SPDX-License-Identifier: MIT
 *
 * What tests of paths share.
 *
 * Happy path: through the system seam, or where it has no call for it by the simulated kernel's
 *             controls, or by the real system.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: nothing outside the test's folder is touched.
 */
#include "paths_kit_posix.h"

#include "kit_sim_posix.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_NAME_MAX 200
#define CHANGES 300
#define VISITS 300

void paths_deep(char *path, size_t size)
{
    static unsigned count; /* the simulated kernel's folders stay, so each call has its own */
    char letter = (char)('a' + count++ % 26);
    size_t at = strlen(lti_test_folder());
    REQUIRE(at < size);
    memcpy(path, lti_test_folder(), at + 1);
    while (at < size) {
        /* No rest of one byte, which would be a slash alone. */
        size_t part = size - at - 1;
        part = part > FOLDER_NAME_MAX ? FOLDER_NAME_MAX - (part == FOLDER_NAME_MAX + 1) : part;
        REQUIRE(part > 0);
        path[at] = '/';
        memset(path + at + 1, letter, part);
        at += 1 + part;
        path[at] = '\0';
        kit_folder_make(path);
    }
}

void paths_deep_remove(const char *path)
{
    char part[2048];
    size_t end = strlen(lti_test_folder());
    REQUIRE(strlen(path) < sizeof part);
    (void)snprintf(part, sizeof part, "%s", path);
    for (size_t at = strlen(part); at > end; at--) {
        if (part[at] != '\0' && part[at] != '/')
            continue;
        part[at] = '\0';
        kit_folder_remove(part);
    }
}

void paths_long(char *path, size_t size, size_t name)
{
    paths_deep(path, size - name - 1);
    path[size - name - 1] = '/';
    memset(path + size - name, 'n', name);
    path[size] = '\0';
}

void paths_long_remove(const char *path)
{
    char folder[2048];
    REQUIRE(strlen(path) < sizeof folder);
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    paths_deep_remove(folder);
}

void paths_dead_socket(const char *path)
{
    char folder[2048], near[LTI_OS_FOLDER_PATH_BYTES + LTI_OS_NAME_MAX + 1];
    REQUIRE(strlen(path) < sizeof folder);
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    int64_t held = lti_os_open_folder(folder), fd = lti_os_socket(false);
    REQUIRE(held >= 0 && fd >= 0);
    int64_t size = lti_os_folder_path((int)held, near);
    REQUIRE(size > 0);
    size += snprintf(near + size, sizeof near - (size_t)size, "%s", strrchr(path, '/'));
    CHECK_INT(lti_os_bind((int)fd, near, (size_t)size), 0);
    CHECK_INT(lti_os_close((int)held), 0);
    CHECK_INT(lti_os_close((int)fd), 0);
}

static const char *plain(const char *path)
{
    return strncmp(path, "unix:", 5) == 0 ? path + 5 : path;
}

struct lti_os_file paths_look(const char *path)
{
    struct lti_os_file file = {.type = LTI_OS_FILE_OTHER};
    REQUIRE_INT(lti_os_lstat(plain(path), &file), 0);
    return file;
}

void paths_mode(const char *path, uint32_t mode)
{
    int64_t node = lti_os_open_node(plain(path));
    REQUIRE(node >= 0);
    CHECK_INT(lti_os_node_mode((int)node, mode), 0);
    CHECK_INT(lti_os_close((int)node), 0);
}

bool paths_give(const char *path, uint32_t uid, uint32_t gid)
{
    if (lti_sim_file_give)
        return lti_sim_file_give(plain(path), uid, gid);
    return lchown(plain(path), (uid_t)uid, (gid_t)gid) == 0;
}

uint64_t paths_looks(const char *path)
{
    uint64_t count = 0;
    for (const char *at = plain(path); *at; at++)
        count += *at == '/';
    return count;
}

void paths_link(const char *path, const char *to)
{
    if (lti_sim_file_add)
        REQUIRE(lti_sim_file_add(plain(path), 'l', kit_user(), 0777));
    else
        REQUIRE(symlink(plain(to), plain(path)) == 0);
}

/* Two servers of ours change places, again and again. */
static void places_change(void *argument)
{
    const char *one = kit_path("one") + 5, *other = kit_path("other") + 5;
    const char *aside = kit_path("aside") + 5;
    (void)argument;
    for (int i = 0; i < CHANGES; i++) {
        CHECK_INT(lti_os_rename(one, aside), 0);
        CHECK_INT(lti_os_rename(other, one), 0);
        CHECK_INT(lti_os_rename(aside, other), 0);
    }
}

static uint32_t found[LEAT_E_SQUATTED + 1];

static void place_is_visited(void *argument)
{
    struct leat_hub *hub = NULL;
    const char *name = kit_path("one"); /* once: the other fiber's words must last */
    (void)argument;
    REQUIRE_ERROR(leat_hub_create(NULL, &hub), LEAT_OK);
    for (int i = 0; i < VISITS; i++) {
        leat_conn conn;
        enum leat_error error = leat_connect_wait(hub, name, NULL, &conn);
        found[error]++;
        if (error == LEAT_OK)
            CHECK_ERROR(leat_abort(hub, conn), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

void paths_change_meanwhile(void)
{
    int one = kit_raw_listen(kit_path("one"), 4000),
        other = kit_raw_listen(kit_path("other"), 4000);
    (void)memset(found, 0, sizeof found);
    (void)lti_sim_spawn("visitor", place_is_visited, NULL);
    (void)lti_sim_spawn("changer", places_change, NULL);
    CHECK_INT(lti_sim_run(1000000), LTI_SIM_DONE);
    CHECK(found[LEAT_OK] > 0);
    CHECK(found[LEAT_E_NOT_FOUND] > 0);
    CHECK(found[LEAT_E_UNTRUSTED] > 0);
    CHECK_INT(found[LEAT_OK] + found[LEAT_E_NOT_FOUND] + found[LEAT_E_UNTRUSTED], VISITS);
    kit_raw_unlisten(one, kit_path("one"));
    kit_raw_unlisten(other, kit_path("other"));
}
