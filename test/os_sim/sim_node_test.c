/* SPDX-License-Identifier: MIT
 *
 * Probes of descriptors that stand for files, of renaming, and of the two locks of a lock file. On
 * the simulated and on the real kernel: what differs is a lie of the simulation.
 *
 * Happy path: what was opened stays what it was, whatever becomes of its path.
 * Fails:      as Linux does.
 * Invariants: each test removes what it made.
 */
#include "harness.h"

#include "os_posix.h"

#include <stdio.h>
#include <string.h>

static const char *path_of(const char *name)
{
    static char paths[8][LTI_OS_PATH_MAX + 1];
    static unsigned next;
    char *path = paths[next++ % 8];
    int size = snprintf(path, sizeof paths[0], "%s/%s", lti_test_folder(), name);
    REQUIRE(size > 0 && (size_t)size < sizeof paths[0]);
    return path;
}

static int opened(int64_t result)
{
    REQUIRE(result >= 0);
    return (int)result;
}

static void closed(int fd)
{
    CHECK_INT(lti_os_close(fd), 0);
}

static int listener_at(const char *path)
{
    int fd = opened(lti_os_socket(false));
    REQUIRE_INT(lti_os_bind(fd, path, strlen(path)), 0);
    REQUIRE_INT(lti_os_listen(fd, 4), 0);
    return fd;
}

static enum lti_os_kind connect_kind(int node)
{
    int fd = opened(lti_os_socket(false));
    int64_t result = lti_os_connect_node(fd, node);
    closed(fd);
    return lti_os_kind_of(result);
}

TEST(node_is_connected_to_wherever_it_is)
{
    const char *path = path_of("s"), *other = path_of("t");
    int first = listener_at(path);
    int node = opened(lti_os_open_node(path));
    struct lti_os_file file, named;
    REQUIRE_INT(lti_os_fstat(node, &file), 0);
    REQUIRE_INT(lti_os_lstat(path, &named), 0);
    CHECK_INT(file.type, LTI_OS_FILE_SOCKET);
    CHECK(file.inode == named.inode && file.device == named.device && file.uid == named.uid &&
          file.gid == named.gid && file.mode == named.mode);
    CHECK_INT(connect_kind(node), LTI_OS_NONE);
    closed(opened(lti_os_accept(first)));
    /* Renamed, replaced, and without any name. */
    CHECK_INT(lti_os_rename(path, other), 0);
    CHECK_INT(connect_kind(node), LTI_OS_NONE);
    closed(opened(lti_os_accept(first)));
    int second = listener_at(path);
    CHECK_INT(lti_os_rename(path, other), 0);
    CHECK_INT(connect_kind(node), LTI_OS_NONE);
    closed(opened(lti_os_accept(first)));
    CHECK_INT(lti_os_kind_of(lti_os_accept(second)), LTI_OS_AGAIN);
    CHECK_INT(lti_os_unlink(other), 0);
    REQUIRE_INT(lti_os_fstat(node, &file), 0);
    CHECK_INT(file.links, 0);
    CHECK(file.inode == named.inode);
    CHECK_INT(connect_kind(node), LTI_OS_NONE);
    closed(first);
    CHECK_INT(connect_kind(node), LTI_OS_REFUSED);
    closed(second);
    closed(node);
}

TEST(node_of_what_does_not_listen)
{
    const char *path = path_of("f");
    CHECK_INT(lti_os_kind_of(lti_os_open_node(path)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_open_node(path_of("none/x"))), LTI_OS_NOT_FOUND);
    closed(opened(lti_os_make_lock(path)));
    CHECK_INT(lti_os_kind_of(lti_os_open_node(path_of("f/x"))), LTI_OS_NOT_DIR);
    int node = opened(lti_os_open_node(path));
    struct lti_os_file file;
    REQUIRE_INT(lti_os_fstat(node, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_REGULAR);
    CHECK_INT(connect_kind(node), LTI_OS_REFUSED);
    closed(node);
    CHECK_INT(lti_os_unlink(path), 0);
    node = opened(lti_os_open_node(lti_test_folder()));
    REQUIRE_INT(lti_os_fstat(node, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_DIR);
    CHECK_INT(connect_kind(node), LTI_OS_REFUSED);
    closed(node);
    char name[300];
    memset(name, 'n', sizeof name);
    name[0] = '/';
    name[257] = '\0';
    CHECK_INT(lti_os_kind_of(lti_os_open_node(name)), LTI_OS_TOO_LONG);
}

TEST(node_takes_modes_past_the_umask)
{
    const char *path = path_of("s");
    int fd = opened(lti_os_socket(false));
    struct lti_os_file file;
    CHECK_INT(lti_os_fchmod(fd, 0600), 0);
    REQUIRE_INT(lti_os_bind(fd, path, strlen(path)), 0);
    int node = opened(lti_os_open_node(path));
    REQUIRE_INT(lti_os_fstat(node, &file), 0);
    CHECK_INT(file.mode, 0600);
    CHECK_INT(lti_os_node_group(node, file.gid), 0);
    CHECK_INT(lti_os_node_mode(node, 0666), 0);
    REQUIRE_INT(lti_os_lstat(path, &file), 0);
    CHECK_INT(file.mode, 0666);
    if (lti_os_euid() != 0)
        CHECK_INT(lti_os_kind_of(lti_os_node_group(node, file.gid + 4711)), LTI_OS_ACCESS);
    closed(node);
    closed(fd);
    CHECK_INT(lti_os_unlink(path), 0);
}

TEST(folder_has_a_path_of_its_own)
{
    const char *path = path_of("in");
    char near[LTI_OS_FOLDER_PATH_BYTES + 8];
    struct lti_os_file file, named;
    CHECK_INT(lti_os_kind_of(lti_os_open_folder(path)), LTI_OS_NOT_FOUND);
    closed(opened(lti_os_make_lock(path)));
    CHECK_INT(lti_os_kind_of(lti_os_open_folder(path)), LTI_OS_NOT_DIR);
    CHECK_INT(lti_os_unlink(path), 0);
    int folder = opened(lti_os_open_folder(lti_test_folder()));
    int fd = opened(lti_os_socket(false)), other = opened(lti_os_socket(false));
    int64_t size = lti_os_folder_path(folder, near);
    REQUIRE(size > 0 && size < LTI_OS_FOLDER_PATH_BYTES);
    CHECK_INT(near[size], 0);
    memcpy(near + size, "/in", 4);
    size += 3;
    CHECK_INT(lti_os_bind(fd, near, (size_t)size), 0);
    CHECK_INT(lti_os_kind_of(lti_os_bind(other, near, (size_t)size)), LTI_OS_IN_USE);
    REQUIRE_INT(lti_os_lstat(path, &file), 0);
    CHECK_INT(file.type, LTI_OS_FILE_SOCKET);
    REQUIRE_INT(lti_os_lstat(near, &named), 0);
    CHECK(file.inode == named.inode && file.device == named.device);
    REQUIRE_INT(lti_os_listen(fd, 4), 0);
    CHECK_INT(lti_os_connect(other, near, (size_t)size), 0);
    closed(other);
    other = opened(lti_os_socket(false));
    CHECK_INT(lti_os_connect(other, path, strlen(path)), 0);
    closed(other);
    closed(fd);
    CHECK_INT(lti_os_unlink(near), 0);
    CHECK_INT(lti_os_kind_of(lti_os_lstat(path, &file)), LTI_OS_NOT_FOUND);
    closed(opened(lti_os_make_lock(near)));
    CHECK_INT(lti_os_rename(near, path), 0);
    CHECK_INT(lti_os_rename(path, near), 0);
    CHECK_INT(lti_os_unlink(path), 0);
    closed(folder);
    CHECK_INT(lti_os_kind_of(lti_os_lstat(near, &file)), LTI_OS_NOT_FOUND);
}

TEST(renaming_takes_the_place_of_what_is_there)
{
    const char *from = path_of("from"), *to = path_of("to");
    struct lti_os_file before, after;
    CHECK_INT(lti_os_kind_of(lti_os_rename(from, to)), LTI_OS_NOT_FOUND);
    closed(opened(lti_os_make_lock(from)));
    REQUIRE_INT(lti_os_lstat(from, &before), 0);
    CHECK_INT(lti_os_kind_of(lti_os_rename(from, path_of("none/x"))), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_rename(from, from), 0);
    CHECK_INT(lti_os_rename(from, to), 0);
    closed(opened(lti_os_make_lock(from)));
    CHECK_INT(lti_os_rename(to, from), 0);
    REQUIRE_INT(lti_os_lstat(from, &after), 0);
    CHECK(after.inode == before.inode && after.device == before.device);
    CHECK_INT(lti_os_kind_of(lti_os_unlink(to)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_unlink(from), 0);
}

TEST(locks_alone_beside_and_by_turns)
{
    const char *path = path_of("lock");
    int a = opened(lti_os_make_lock(path));
    int b = opened(lti_os_open_lock(path));
    int c = opened(lti_os_open_lock(path));
    CHECK_INT(lti_os_lock(a), 0);
    CHECK_INT(lti_os_kind_of(lti_os_lock(b)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_kind_of(lti_os_share(b)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_share(a), 0);
    CHECK_INT(lti_os_share(b), 0);
    CHECK_INT(lti_os_share(b), 0);
    CHECK_INT(lti_os_kind_of(lti_os_lock(c)), LTI_OS_IN_USE);
    /* What cannot become more stays what it was. */
    CHECK_INT(lti_os_kind_of(lti_os_lock(a)), LTI_OS_IN_USE);
    closed(b);
    CHECK_INT(lti_os_kind_of(lti_os_lock(c)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_lock(a), 0);
    CHECK_INT(lti_os_kind_of(lti_os_share(c)), LTI_OS_IN_USE);
    /* The turn is another lock. */
    CHECK_INT(lti_os_turn(c), 0);
    CHECK_INT(lti_os_turn(c), 0);
    CHECK_INT(lti_os_kind_of(lti_os_turn(a)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_turn_over(a), 0); /* it was not his */
    CHECK_INT(lti_os_kind_of(lti_os_turn(a)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_kind_of(lti_os_turn_share(a)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_turn_share(c), 0);
    CHECK_INT(lti_os_turn_share(a), 0);
    CHECK_INT(lti_os_kind_of(lti_os_turn(c)), LTI_OS_IN_USE);
    CHECK_INT(lti_os_turn_over(c), 0);
    CHECK_INT(lti_os_share_over(a), 0);
    CHECK_INT(lti_os_share(c), 0);
    CHECK_INT(lti_os_share_over(c), 0);
    CHECK_INT(lti_os_turn(a), 0);
    CHECK_INT(lti_os_kind_of(lti_os_turn(c)), LTI_OS_IN_USE);
    closed(a);
    CHECK_INT(lti_os_turn(c), 0);
    CHECK_INT(lti_os_lock(c), 0);
    a = opened(lti_os_open_lock(path));
    CHECK_INT(lti_os_unlock(c), 0);
    CHECK_INT(lti_os_lock(a), 0);
    CHECK_INT(lti_os_turn(a), 0);
    closed(a);
    CHECK_INT(lti_os_share(c), 0);
    closed(c);
    CHECK_INT(lti_os_unlink(path), 0);
}
