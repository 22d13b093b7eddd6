/* SPDX-License-Identifier: MIT
 *
 * The real files: what is at a name, what its node may be told, and the lock beside it.
 *
 * Happy path: one system call each.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: no link is followed at the last component of a path; no open blocks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "os_real_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of the lock file that are locked; it is empty, which makes no difference. */
#define LOCK_BYTE_TURN 0
#define LOCK_BYTE_LIFE 1

static enum lti_os_file_type file_type(mode_t mode)
{
    if (S_ISSOCK(mode))
        return LTI_OS_FILE_SOCKET;
    if (S_ISDIR(mode))
        return LTI_OS_FILE_DIR;
    if (S_ISREG(mode))
        return LTI_OS_FILE_REGULAR;
    if (S_ISLNK(mode))
        return LTI_OS_FILE_LINK;
    return LTI_OS_FILE_OTHER;
}

static int64_t file_result(int result, const struct stat *native, struct lti_os_file *file_out)
{
    if (result != 0)
        return lti_real_errno(errno);
    *file_out = (struct lti_os_file){
        .type = file_type(native->st_mode),
        .uid = (uint32_t)native->st_uid,
        .gid = (uint32_t)native->st_gid,
        .mode = (uint32_t)(native->st_mode & 07777),
        .device = (uint64_t)native->st_dev,
        .inode = (uint64_t)native->st_ino,
        .links = (uint64_t)native->st_nlink,
        .size = (uint64_t)native->st_size,
    };
    return 0;
}

int64_t lti_os_lstat(const char *path, struct lti_os_file *file_out)
{
    struct stat native;
    return file_result(lstat(path, &native), &native, file_out);
}

int64_t lti_os_fstat(int fd, struct lti_os_file *file_out)
{
    struct stat native;
    return file_result(fstat(fd, &native), &native, file_out);
}

int64_t lti_os_fchmod(int fd, uint32_t mode)
{
    return lti_real_result(fchmod(fd, (mode_t)mode));
}

int64_t lti_os_open_node(const char *path)
{
    return lti_real_result(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

int64_t lti_os_open_folder(const char *path)
{
    return lti_real_result(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES])
{
    int size = snprintf(path_out, LTI_OS_FOLDER_PATH_BYTES, LTI_REAL_PROC "%d", folder);
    return access(path_out, F_OK) == 0 ? size : lti_os_fail(LTI_OS_UNSUPPORTED, errno);
}

int64_t lti_os_node_group(int node, uint32_t gid)
{
    return lti_real_result(fchownat(node, "", (uid_t)-1, (gid_t)gid, AT_EMPTY_PATH));
}

int64_t lti_os_node_mode(int node, uint32_t mode)
{
    char path[LTI_REAL_PROC_BYTES];
    (void)snprintf(path, sizeof path, LTI_REAL_PROC "%d", node);
    int result = chmod(path, (mode_t)mode);
    return result != 0 && errno == ENOENT ? lti_os_fail(LTI_OS_UNSUPPORTED, errno)
                                          : lti_real_result(result);
}

int64_t lti_os_rename(const char *from, const char *to)
{
    return lti_real_result(rename(from, to));
}

int64_t lti_os_unlink(const char *path)
{
    return lti_real_result(unlink(path));
}

int64_t lti_os_mkdir(const char *path, uint32_t mode)
{
    return lti_real_result(mkdir(path, (mode_t)mode));
}

int64_t lti_os_make_lock(const char *path)
{
    return lti_real_result(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

int64_t lti_os_open_lock(const char *path)
{
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    return lti_real_result(open(path, flags, 0600));
}

/* Of the open file and not of the process, so that two hubs of one process are two. */
static int64_t file_lock(int fd, short type, off_t byte, off_t count)
{
    struct flock native = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = count};
    if (fcntl(fd, F_OFD_SETLK, &native) == 0)
        return 0;
    /* These numbers mean "try again" and "denied" elsewhere; here another holds the lock. */
    bool held = errno == EAGAIN || errno == EACCES;
    return held ? lti_os_fail(LTI_OS_IN_USE, errno) : lti_real_errno(errno);
}

int64_t lti_os_lock(int fd)
{
    return file_lock(fd, F_WRLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_share(int fd)
{
    return file_lock(fd, F_RDLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_share_over(int fd)
{
    return file_lock(fd, F_UNLCK, LOCK_BYTE_LIFE, 1);
}

int64_t lti_os_turn(int fd)
{
    return file_lock(fd, F_WRLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_turn_share(int fd)
{
    return file_lock(fd, F_RDLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_turn_over(int fd)
{
    return file_lock(fd, F_UNLCK, LOCK_BYTE_TURN, 1);
}

int64_t lti_os_unlock(int fd)
{
    return file_lock(fd, F_UNLCK, LOCK_BYTE_TURN, 2);
}
