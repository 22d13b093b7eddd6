/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, a client's way to a path: what stands there is looked at before anything is
 * connected to it.
 *
 * Happy path: the node is opened without following a link, judged, and connected to. Where nobody
 *             else can have put something, the path is given to the system as it is, if it fits.
 * Fails:      a link, or a socket of somebody who may not be there, is UNTRUSTED; what is no socket
 *             is REFUSED. Nothing was connected to then.
 * Invariants: no descriptor is left open. Where the system shows no descriptors (no /proc), or has
 *             none for a node, a path that fits is followed a second time, and must afterwards
 *             still lead to what was judged.
 */
#include "access.h"
#include "port_posix.h"

/* To the node, or without one by the path. */
static int64_t path_connect(int fd, const struct lti_path *path, int64_t node)
{
    int64_t result = 0;
    int tries = 0;
    do {
        result = node >= 0 ? lti_os_connect_node(fd, (int)node)
                           : lti_os_connect(fd, path->bytes, path->size);
    } while (lti_os_kind_of(result) == LTI_OS_INTERRUPTED && ++tries < LTI_RETRIES_MAX);
    return result;
}

int64_t lti_path_connect(int fd, const struct lti_path *path)
{
    if (path->size <= lti_os_path_max())
        return path_connect(fd, path, -1);
    int64_t node = lti_os_open_node(path->bytes);
    if (node < 0)
        return node;
    int64_t result = path_connect(fd, path, node);
    (void)lti_os_close((int)node);
    return result;
}

/* For a group it is the kernel's word about the peer that counts: a node tells no groups of its
 * owner. */
static enum leat_error node_judge(const struct lti_os_file *file, const struct lti_access *access)
{
    if (file->type == LTI_OS_FILE_LINK)
        return LEAT_E_UNTRUSTED;
    if (file->type != LTI_OS_FILE_SOCKET)
        return LEAT_E_REFUSED;
    if (!access || access->who == LEAT_WHO_GROUP)
        return LEAT_OK;
    const struct lti_access_peer owner = {.known = true, .uid = file->uid, .gid = file->gid};
    return lti_access_judge(access, lti_os_euid(), &owner);
}

static bool path_leads_to(const struct lti_path *path, const struct lti_os_file *file)
{
    struct lti_os_file now;
    return lti_os_lstat(path->bytes, &now) >= 0 && now.device == file->device &&
           now.inode == file->inode;
}

/* By the path itself, which may lead elsewhere by the time it is followed: who is there then was
 * not judged, and is not talked to. */
static enum leat_error path_connect_again(int fd, const struct lti_path *path,
                                          const struct lti_os_file *file, bool *moved_out,
                                          int64_t *result_out)
{
    *result_out = path_connect(fd, path, -1);
    enum lti_os_kind kind = lti_os_kind_of(*result_out);
    bool there = path_leads_to(path, file);
    *moved_out = kind == LTI_OS_REFUSED && !there;
    bool connected = kind == LTI_OS_NONE || kind == LTI_OS_IS_CONNECTED;
    return connected && !there ? LEAT_E_UNTRUSTED : LEAT_OK;
}

/* *moved_out: refused, but the path leads elsewhere by now. */
static enum leat_error node_connect(int fd, const struct lti_path *path,
                                    const struct lti_access *access, int64_t node, bool *moved_out,
                                    int64_t *result_out, struct os_code *code_out)
{
    struct lti_os_file file;
    int64_t result = node >= 0 ? lti_os_fstat((int)node, &file) : lti_os_lstat(path->bytes, &file);
    if (result < 0)
        return lti_port_error(result, code_out);
    enum leat_error error = node_judge(&file, access);
    if (error != LEAT_OK)
        return error;
    *result_out = node >= 0 ? path_connect(fd, path, node) : node;
    if (lti_os_kind_of(*result_out) == LTI_OS_UNSUPPORTED && path->size <= lti_os_path_max())
        return path_connect_again(fd, path, &file, moved_out, result_out);
    *moved_out = lti_os_kind_of(*result_out) == LTI_OS_REFUSED && !path_leads_to(path, &file);
    return LEAT_OK;
}

static enum leat_error judged_connect(int fd, const struct lti_path *path,
                                      const struct lti_access *access, bool *moved_out,
                                      int64_t *result_out, struct os_code *code_out)
{
    *moved_out = false;
    int64_t node = lti_os_open_node(path->bytes);
    if (node < 0 && lti_os_kind_of(node) != LTI_OS_UNSUPPORTED) {
        enum leat_error error = lti_port_error(node, code_out);
        return error == LEAT_E_EMPTY ? LEAT_E_BUSY : error; /* a signal came: later */
    }
    enum leat_error error = node_connect(fd, path, access, node, moved_out, result_out, code_out);
    if (node >= 0)
        (void)lti_os_close((int)node);
    return error;
}

enum leat_error lti_path_connect_judged(int fd, const struct lti_path *path,
                                        const struct lti_access *access, int64_t *result_out,
                                        struct os_code *code_out)
{
    bool moved = false;
    enum leat_error error = judged_connect(fd, path, access, &moved, result_out, code_out);
    /* A server whose name was taken over has closed after it was found and before it was reached:
     * the other one is there now. */
    return moved ? judged_connect(fd, path, access, &moved, result_out, code_out) : error;
}
