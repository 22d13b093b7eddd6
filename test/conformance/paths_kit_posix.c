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

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Only the simulated kernel has these. */
bool lti_sim_file_add(const char *path, char type, uint32_t uid, uint32_t mode)
    __attribute__((weak));
bool lti_sim_file_give(const char *path, uint32_t uid, uint32_t gid) __attribute__((weak));

#define FOLDER_NAME_MAX 200

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
