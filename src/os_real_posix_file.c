/* SPDX-License-Identifier: MIT
 *
 * The real files: what is at a name, and what makes or removes it.
 *
 * Happy path: one system call each.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: no link is followed at the last component of a path; no open blocks.
 */
#include "os_real_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
