/* SPDX-License-Identifier: MIT
 *
 * Descriptors that stand for a file without opening it, as Linux's O_PATH, and what is done through
 * them.
 *
 * Happy path: a descriptor keeps its inode, whatever becomes of its path.
 * Fails:      as Linux: what opens a path fails as looking it up does; only an owner gives modes
 *             and groups, and only groups of its own.
 * Invariants: all folders of this system are real. What wants /proc says UNSUPPORTED without it.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_PROC "/proc/self/fd/"

static int64_t node_open(const char *call, const char *path, bool folder)
{
    struct sim_inode *inode = NULL;
    if (sim_descriptors_full())
        return sim_leave(call, 0, 0, sim_fail(EMFILE));
    int64_t result = sim_path_find(path, &inode);
    if (result == 0 && folder && inode->type != 'd')
        result = sim_fail(ENOTDIR);
    if (result < 0)
        return sim_leave(call, 0, 0, result);
    struct sim_object *object = sim_object_new(SIM_NODE);
    object->inode = (uint32_t)(inode - sim_world.inodes) + 1;
    inode->opens++;
    return sim_leave(call, 0, 0, sim_descriptor_add(object));
}

void lti_sim_set_nodes(bool there)
{
    (void)sim_process_now();
    sim_world.no_nodes = !there;
}

int64_t lti_os_open_node(const char *path)
{
    sim_enter();
    if (sim_world.no_nodes)
        return sim_leave("open_node", 0, 0, lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP));
    return node_open("open_node", path, false);
}

int64_t lti_os_open_folder(const char *path)
{
    sim_enter();
    return node_open("open_folder", path, true);
}

static struct sim_inode *node_inode(int fd, int64_t *result_out)
{
    const struct sim_object *object = sim_descriptor_find(fd);
    *result_out = object && object->kind == SIM_NODE ? 0 : sim_fail(EBADF);
    return *result_out == 0 ? &sim_world.inodes[object->inode - 1] : NULL;
}

static int64_t inode_set_group(struct sim_inode *inode, uint32_t gid)
{
    const struct sim_process *process = sim_process_now();
    if (process->uid != 0 && (inode->uid != process->uid || gid != process->gid))
        return sim_fail(EPERM);
    inode->gid = gid;
    return 0;
}

static int64_t inode_set_mode(struct sim_inode *inode, uint32_t mode)
{
    uint32_t uid = sim_process_now()->uid;
    if (uid != 0 && uid != inode->uid)
        return sim_fail(EPERM);
    inode->mode = mode & 07777;
    return 0;
}

int64_t lti_os_node_group(int node, uint32_t gid)
{
    sim_enter();
    int64_t result = 0;
    struct sim_inode *inode = node_inode(node, &result);
    if (inode)
        result = inode_set_group(inode, gid);
    return sim_leave("node_group", node, gid, result);
}

int64_t lti_os_path_group(const char *path, uint32_t gid)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    int64_t result = sim_path_find(path, &inode);
    if (result == 0)
        result = inode_set_group(inode, gid);
    return sim_leave("path_group", 0, gid, result);
}

int64_t lti_os_path_mode(const char *path, uint32_t mode)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    int64_t result = sim_path_find(path, &inode);
    if (result == 0)
        result = inode_set_mode(inode, mode);
    return sim_leave("path_mode", 0, mode, result);
}

void lti_sim_set_proc(bool there)
{
    (void)sim_process_now();
    sim_world.no_proc = !there;
}

/* The same, by a path in /proc. */
static struct sim_inode *node_reach(int fd, int64_t *result_out)
{
    struct sim_inode *inode = node_inode(fd, result_out);
    if (!inode || !sim_world.no_proc)
        return inode;
    *result_out = lti_os_fail(LTI_OS_UNSUPPORTED, ENOENT);
    return NULL;
}

int64_t lti_os_node_mode(int node, uint32_t mode)
{
    sim_enter();
    int64_t result = 0;
    struct sim_inode *inode = node_reach(node, &result);
    if (inode)
        result = inode_set_mode(inode, mode);
    return sim_leave("node_mode", node, mode, result);
}

int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES])
{
    sim_enter();
    int64_t result = 0;
    if (node_reach(folder, &result))
        result = snprintf(path_out, LTI_OS_FOLDER_PATH_BYTES, NODE_PROC "%d", folder);
    return sim_leave("folder_path", folder, 0, result);
}

int64_t sim_path_real(const char *path, char real_out[SIM_PATH_MAX])
{
    char *rest = NULL;
    const char *folder = "";
    if (strncmp(path, NODE_PROC, strlen(NODE_PROC)) == 0) {
        int number = (int)strtol(path + strlen(NODE_PROC), &rest, 10);
        const struct sim_object *object = sim_descriptor_look(number);
        if (sim_world.no_proc || !object || object->kind != SIM_NODE)
            return sim_fail(ENOENT);
        const struct sim_inode *inode = &sim_world.inodes[object->inode - 1];
        if (!inode->path)
            return sim_fail(ENOENT);
        if (inode->type != 'd')
            return sim_fail(ENOTDIR);
        folder = inode->path;
        path = rest;
    }
    int size = snprintf(real_out, SIM_PATH_MAX, "%s%s", folder, path);
    return size < SIM_PATH_MAX ? 0 : sim_fail(ENAMETOOLONG);
}

int64_t sim_node_find_socket(int node, struct sim_object **socket_out)
{
    int64_t result = 0;
    const struct sim_inode *inode = node_reach(node, &result);
    return inode ? sim_inode_find_socket(inode, socket_out) : result;
}

void sim_node_close(struct sim_object *node)
{
    struct sim_inode *inode = &sim_world.inodes[node->inode - 1];
    inode->opens--;
    sim_inode_settle(inode);
}
