/* SPDX-License-Identifier: MIT
 *
 * The real nodes: descriptors that stand for a file without opening it, and modes and groups.
 *
 * Happy path: Linux has them, and shows every descriptor as a path in /proc. FreeBSD has them and
 *             no such paths. Elsewhere a folder is opened for searching, and there are no nodes.
 * Fails:      with the kind of errno; with LTI_OS_UNSUPPORTED for what the system lacks.
 * Invariants: no link is followed at the last component of a path, save of a folder's.
 */
#include "os_real_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined O_PATH && defined AT_EMPTY_PATH
#define NODE_FLAGS O_PATH
#define NODE_FOLDER_FLAGS O_PATH
#elif defined O_SEARCH
#define NODE_FOLDER_FLAGS O_SEARCH
#else
#define NODE_FOLDER_FLAGS O_RDONLY
#endif

int64_t lti_os_open_node(const char *path)
{
#ifdef NODE_FLAGS
    return lti_real_result(open(path, NODE_FLAGS | O_NOFOLLOW | O_CLOEXEC));
#else
    (void)path; /* opening a socket fails, whatever the flags */
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
#endif
}

int64_t lti_os_open_folder(const char *path)
{
    return lti_real_result(open(path, NODE_FOLDER_FLAGS | O_DIRECTORY | O_CLOEXEC));
}

int64_t lti_os_node_group(int node, uint32_t gid)
{
#ifdef NODE_FLAGS
    return lti_real_result(fchownat(node, "", (uid_t)-1, (gid_t)gid, AT_EMPTY_PATH));
#else
    (void)node;
    (void)gid;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
#endif
}

int64_t lti_os_path_group(const char *path, uint32_t gid)
{
    return lti_real_result(lchown(path, (uid_t)-1, (gid_t)gid));
}

int64_t lti_os_path_mode(const char *path, uint32_t mode)
{
    return lti_real_result(fchmodat(AT_FDCWD, path, (mode_t)mode, AT_SYMLINK_NOFOLLOW));
}

#ifdef __linux__

int64_t lti_os_fchmod(int fd, uint32_t mode)
{
    return lti_real_result(fchmod(fd, (mode_t)mode));
}

int64_t lti_os_node_mode(int node, uint32_t mode)
{
    char path[LTI_REAL_PROC_BYTES];
    (void)snprintf(path, sizeof path, LTI_REAL_PROC "%d", node);
    int result = chmod(path, (mode_t)mode);
    return result != 0 && errno == ENOENT ? lti_os_fail(LTI_OS_UNSUPPORTED, errno)
                                          : lti_real_result(result);
}

int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES])
{
    int size = snprintf(path_out, LTI_OS_FOLDER_PATH_BYTES, LTI_REAL_PROC "%d", folder);
    return access(path_out, F_OK) == 0 ? size : lti_os_fail(LTI_OS_UNSUPPORTED, errno);
}

#else

/* A socket has no mode here, only its node; bind gives that 0600. */
int64_t lti_os_fchmod(int fd, uint32_t mode)
{
    (void)fd;
    (void)mode;
    return 0;
}

int64_t lti_os_node_mode(int node, uint32_t mode)
{
#ifdef NODE_FLAGS
    return lti_real_result(fchmodat(node, "", (mode_t)mode, AT_EMPTY_PATH));
#else
    (void)node;
    (void)mode;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
#endif
}

int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES])
{
    (void)folder;
    (void)path_out;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

#endif
