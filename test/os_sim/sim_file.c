/* SPDX-License-Identifier: MIT
 *
 * The simulated file system: folders, sockets, lock files, links, with owners and modes.
 *
 * Happy path: an entry is found by its whole path; a descriptor to a lock file keeps its inode.
 * Fails:      as Linux: ENOENT, ENOTDIR, EACCES by the modes of file and folders, EEXIST, ELOOP,
 *             EISDIR.
 * Invariants: inode numbers are never used again; an unlinked inode lives until its last descriptor
 *             is closed; what was made since begin is counted until it is removed.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_DEVICE 8u
#define FILE_UMASK 022u
#define FILE_NAME_MAX 255

static struct sim_inode *inode_find(const char *path)
{
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++) {
        struct sim_inode *it = &sim_world.inodes[i];
        if (it->path && strcmp(it->path, path) == 0)
            return it;
    }
    return NULL;
}

static struct sim_inode *inode_add(const char *path, char type, uint32_t uid, uint32_t mode)
{
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++) {
        struct sim_inode *it = &sim_world.inodes[i];
        if (it->path || it->opens > 0)
            continue;
        size_t size = strlen(path) + 1;
        char *copy = malloc(size);
        if (!copy)
            sim_fatal("the machine is out of memory");
        *it = (struct sim_inode){.type = type, .uid = uid, .gid = uid, .mode = mode, .made = true};
        it->path = memcpy(copy, path, size);
        it->number = ++sim_world.inode_number;
        return it;
    }
    return NULL;
}

static bool inode_allows(const struct sim_inode *inode, uint32_t wanted)
{
    uint32_t uid = sim_process_now()->uid;
    uint32_t shift = inode->uid == uid ? 6 : inode->gid == sim_process_now()->gid ? 3 : 0;
    return uid == 0 || ((inode->mode >> shift) & wanted) == wanted;
}

/* Walks the folders above `path`; on success *parent_out is the last. */
static int64_t path_walk(const char *path, struct sim_inode **parent_out)
{
    char part[SIM_PATH_MAX];
    size_t size = strlen(path), begin = 0;
    if (path[0] != '/' || size < 2)
        return sim_fail(ENOENT);
    if (size >= sizeof part)
        return sim_fail(ENAMETOOLONG);
    *parent_out = inode_find("/");
    for (size_t i = 1; i < size; i++) {
        if (i - begin > FILE_NAME_MAX)
            return sim_fail(ENAMETOOLONG);
        if (path[i] != '/')
            continue;
        begin = i;
        memcpy(part, path, i);
        part[i] = '\0';
        if (!inode_allows(*parent_out, 1))
            return sim_fail(EACCES);
        *parent_out = inode_find(part);
        if (!*parent_out)
            return sim_fail(ENOENT);
        if ((*parent_out)->type != 'd')
            return sim_fail(ENOTDIR);
    }
    return inode_allows(*parent_out, 1) ? 0 : sim_fail(EACCES);
}

int64_t sim_path_find(const char *path, struct sim_inode **inode_out)
{
    char real[SIM_PATH_MAX];
    struct sim_inode *parent = NULL;
    int64_t result = sim_path_real(path, real);
    if (result == 0 && strcmp(real, "/") != 0)
        result = path_walk(real, &parent);
    *inode_out = result == 0 ? inode_find(real) : NULL;
    return result < 0 || *inode_out ? result : sim_fail(ENOENT);
}

static int64_t path_make(const char *path, char type, uint32_t mode, struct sim_inode **inode_out)
{
    char real[SIM_PATH_MAX];
    struct sim_inode *parent = NULL;
    int64_t result = sim_path_real(path, real);
    if (result == 0)
        result = path_walk(real, &parent);
    if (result < 0)
        return result;
    if (inode_find(real))
        return sim_fail(EEXIST);
    if (!inode_allows(parent, 2))
        return sim_fail(EACCES);
    *inode_out = inode_add(real, type, sim_process_now()->uid, mode);
    if (!*inode_out)
        return sim_fail(ENOSPC);
    (*inode_out)->gid = sim_process_now()->gid;
    return 0;
}

/* Tests that run on either kernel use the harness's folder; here it is there too, empty. */
static void files_add_test_folder(void)
{
    const char *folder = getenv("LEAT_TEST_FOLDER");
    char part[512];
    if (!folder || folder[0] != '/' || strlen(folder) >= sizeof part)
        return;
    for (size_t i = 1; i <= strlen(folder); i++) {
        if (folder[i] != '/' && folder[i] != '\0')
            continue;
        bool last = folder[i] == '\0';
        memcpy(part, folder, i);
        part[i] = '\0';
        if (!inode_find(part))
            inode_add(part, 'd', last ? 1000 : 0, last ? 0700 : 0755)->made = false;
    }
}

void sim_files_begin(void)
{
    static const struct {
        const char *path;
        uint32_t uid, mode;
    } folders[] = {
        {"/", 0, 0755},         {"/tmp", 0, 01777},         {"/run", 0, 0755},
        {"/run/user", 0, 0755}, {"/run/user/0", 0, 0700},   {"/run/user/1000", 1000, 0700},
        {"/home", 0, 0755},     {"/home/user", 1000, 0700},
    };
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        inode_add(folders[i].path, 'd', folders[i].uid, folders[i].mode)->made = false;
    lti_sim_setenv("XDG_RUNTIME_DIR", "/run/user/1000");
    files_add_test_folder();
}

void sim_files_end(void)
{
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++)
        free(sim_world.inodes[i].path);
}

bool lti_sim_file_add(const char *path, char type, uint32_t uid, uint32_t mode)
{
    struct sim_inode *parent = NULL;
    struct sim_process *process = sim_process_now();
    uint32_t user = process->uid;
    process->uid = 0; /* the administrator made it */
    bool free_place = path_walk(path, &parent) == 0 && !inode_find(path);
    process->uid = user;
    return free_place && inode_add(path, type, uid, mode) != NULL;
}

bool lti_sim_file_give(const char *path, uint32_t uid, uint32_t gid)
{
    (void)sim_process_now();
    struct sim_inode *inode = inode_find(path);
    if (inode) {
        inode->uid = uid;
        inode->gid = gid;
    }
    return inode != NULL;
}

uint32_t lti_sim_files(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++) {
        const struct sim_inode *it = &sim_world.inodes[i];
        count += (it->path && it->made) || it->opens > 0;
    }
    return count;
}

/* ---- Sockets' names
 * --------------------------------------------------------------------------- */

int64_t sim_file_bind(struct sim_object *socket, const char *path, size_t size)
{
    char name[SIM_PATH_MAX];
    struct sim_inode *inode = NULL;
    if (size >= sizeof name)
        return sim_fail(ENAMETOOLONG);
    memcpy(name, path, size);
    name[size] = '\0';
    int64_t result = path_make(name, 's', socket->mode & ~FILE_UMASK & 0777, &inode);
    if (lti_os_kind_of(result) == LTI_OS_EXISTS)
        return sim_fail(EADDRINUSE);
    if (result < 0)
        return result;
    inode->socket = socket;
    socket->inode = (uint32_t)(inode - sim_world.inodes) + 1;
    return 0;
}

int64_t sim_inode_find_socket(const struct sim_inode *inode, struct sim_object **socket_out)
{
    if (!inode_allows(inode, 2))
        return sim_fail(EACCES);
    *socket_out = inode->type == 's' ? inode->socket : NULL;
    return 0;
}

int64_t sim_file_find_socket(const char *path, size_t size, struct sim_object **socket_out)
{
    char name[LTI_OS_PATH_MAX + 1];
    struct sim_inode *inode = NULL;
    memcpy(name, path, size);
    name[size] = '\0';
    int64_t result = sim_path_find(name, &inode);
    if (result < 0)
        return result;
    if (inode->type == 'l')
        return sim_fail(ENOENT); /* all links here lead nowhere */
    return sim_inode_find_socket(inode, socket_out);
}

void sim_file_socket_closed(struct sim_object *socket)
{
    if (socket->inode == 0)
        return;
    struct sim_inode *inode = &sim_world.inodes[socket->inode - 1];
    if (inode->socket == socket)
        inode->socket = NULL;
}

/* ---- Calls
 * ------------------------------------------------------------------------------------ */

static void file_fill(const struct sim_inode *inode, struct lti_os_file *file_out)
{
    *file_out = (struct lti_os_file){.uid = inode->uid, .gid = inode->gid, .mode = inode->mode};
    file_out->device = FILE_DEVICE;
    file_out->inode = inode->number;
    file_out->links = inode->path ? 1 : 0;
    if (inode->type == 'd')
        file_out->type = LTI_OS_FILE_DIR;
    else if (inode->type == 's')
        file_out->type = LTI_OS_FILE_SOCKET;
    else if (inode->type == 'f')
        file_out->type = LTI_OS_FILE_REGULAR;
    else if (inode->type == 'l')
        file_out->type = LTI_OS_FILE_LINK;
}

int64_t lti_os_lstat(const char *path, struct lti_os_file *file_out)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    int64_t result = sim_path_find(path, &inode);
    if (result == 0)
        file_fill(inode, file_out);
    return sim_leave("lstat", 0, 0, result);
}

int64_t lti_os_fstat(int fd, struct lti_os_file *file_out)
{
    sim_enter();
    const struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        return sim_leave("fstat", fd, 0, sim_fail(EBADF));
    if (object->kind == SIM_LOCK || object->kind == SIM_NODE) {
        file_fill(&sim_world.inodes[object->inode - 1], file_out);
        return sim_leave("fstat", fd, 0, 0);
    }
    bool socket = object->kind != SIM_POLLER && object->kind != SIM_EVENT;
    *file_out = (struct lti_os_file){
        .uid = object->owner.uid, .gid = object->owner.gid, .mode = object->mode};
    file_out->type = socket ? LTI_OS_FILE_SOCKET : LTI_OS_FILE_OTHER;
    file_out->device = FILE_DEVICE + 1;
    file_out->inode = object->serial;
    file_out->links = 1;
    return sim_leave("fstat", fd, 0, 0);
}

int64_t lti_os_fchmod(int fd, uint32_t mode)
{
    sim_enter();
    struct sim_object *object = sim_descriptor_find(fd);
    if (!object)
        return sim_leave("fchmod", fd, mode, sim_fail(EBADF));
    if (object->kind == SIM_LOCK)
        sim_world.inodes[object->inode - 1].mode = mode & 07777;
    object->mode = mode & 07777;
    return sim_leave("fchmod", fd, mode, 0);
}

void sim_inode_settle(struct sim_inode *inode)
{
    if (inode->path || inode->opens > 0)
        return;
    if (inode->socket)
        inode->socket->inode = 0;
    inode->socket = NULL;
}

static void inode_unlink(struct sim_inode *inode)
{
    free(inode->path);
    inode->path = NULL;
    sim_inode_settle(inode);
}

/* Whether the process may take the entry out of its folder. */
static int64_t inode_removable(const struct sim_inode *inode)
{
    struct sim_inode *parent = NULL;
    int64_t result = path_walk(inode->path, &parent);
    if (result < 0)
        return result;
    if (!inode_allows(parent, 2))
        return sim_fail(EACCES);
    uint32_t uid = sim_process_now()->uid;
    bool sticky = (parent->mode & 01000) != 0;
    return sticky && uid != 0 && uid != inode->uid && uid != parent->uid ? sim_fail(EPERM) : 0;
}

int64_t lti_os_unlink(const char *path)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    int64_t result = sim_path_find(path, &inode);
    if (result == 0 && inode->type == 'd')
        result = sim_fail(EISDIR);
    if (result == 0)
        result = inode_removable(inode);
    if (result == 0)
        inode_unlink(inode);
    return sim_leave("unlink", 0, 0, result);
}

int64_t lti_os_rename(const char *from, const char *to)
{
    sim_enter();
    char real[SIM_PATH_MAX];
    struct sim_inode *inode = NULL, *target = NULL, *parent = NULL;
    int64_t result = sim_path_find(from, &inode);
    if (result == 0 && inode->type == 'd')
        sim_fatal("folders are not renamed here");
    if (result == 0)
        result = inode_removable(inode);
    if (result == 0)
        result = sim_path_real(to, real);
    if (result == 0)
        result = path_walk(real, &parent);
    if (result == 0 && !inode_allows(parent, 2))
        result = sim_fail(EACCES);
    target = result == 0 ? inode_find(real) : NULL;
    if (target && target->type == 'd')
        result = sim_fail(EISDIR);
    else if (target)
        result = inode_removable(target);
    if (result == 0 && target != inode) {
        if (target)
            inode_unlink(target);
        char *copy = malloc(strlen(real) + 1);
        if (!copy)
            sim_fatal("the machine is out of memory");
        free(inode->path);
        inode->path = memcpy(copy, real, strlen(real) + 1);
    }
    return sim_leave("rename", 0, 0, result);
}

int64_t lti_os_mkdir(const char *path, uint32_t mode)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    int64_t result = path_make(path, 'd', mode & ~FILE_UMASK & 07777, &inode);
    return sim_leave("mkdir", 0, mode, result);
}

static int64_t lock_open(const char *path, struct sim_inode **inode_out)
{
    int64_t result = sim_path_find(path, inode_out);
    if (lti_os_kind_of(result) == LTI_OS_NOT_FOUND)
        return path_make(path, 'f', 0600, inode_out);
    if (result < 0)
        return result;
    switch ((*inode_out)->type) {
    case 'l':
        return sim_fail(ELOOP);
    case 'd':
        return sim_fail(EISDIR);
    case 's':
        return sim_fail(ENXIO);
    default:
        return inode_allows(*inode_out, 6) ? 0 : sim_fail(EACCES);
    }
}

/* Gives the file that was found or made a descriptor. */
static int64_t lock_descriptor(const char *call, int64_t result, struct sim_inode *inode)
{
    if (result < 0)
        return sim_leave(call, 0, 0, result);
    struct sim_object *object = sim_object_new(SIM_LOCK);
    object->inode = (uint32_t)(inode - sim_world.inodes) + 1;
    inode->opens++;
    return sim_leave(call, 0, 0, sim_descriptor_add(object));
}

int64_t lti_os_make_lock(const char *path)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    if (sim_descriptors_full())
        return sim_leave("make_lock", 0, 0, sim_fail(EMFILE));
    int64_t result = path_make(path, 'f', 0600, &inode);
    return lock_descriptor("make_lock", result, inode);
}

int64_t lti_os_open_lock(const char *path)
{
    sim_enter();
    struct sim_inode *inode = NULL;
    if (sim_descriptors_full())
        return sim_leave("open_lock", 0, 0, sim_fail(EMFILE));
    int64_t result = lock_open(path, &inode);
    return lock_descriptor("open_lock", result, inode);
}

struct lock_ask {
    struct sim_object *object;
    struct sim_inode *inode;
};

/* False: there is nothing to be locked, and *result_out is the call's. */
static bool lock_find(int fd, struct lock_ask *ask, int64_t *result_out)
{
    ask->object = sim_descriptor_find(fd);
    *result_out = ask->object ? 0 : sim_fail(EBADF);
    if (!ask->object || ask->object->kind != SIM_LOCK)
        return false;
    ask->inode = &sim_world.inodes[ask->object->inode - 1];
    return true;
}

static int64_t lock_held(void)
{
    return lti_os_fail(LTI_OS_IN_USE, EAGAIN);
}

static void lock_release(const struct lock_ask *ask, enum sim_lock_kind kind)
{
    struct sim_lock *lock = &ask->inode->locks[kind];
    lock->sharers -= ask->object->shares[kind];
    ask->object->shares[kind] = false;
    if (lock->holder == ask->object)
        lock->holder = NULL;
}

static int64_t lock_take(int fd, enum sim_lock_kind kind, bool shared)
{
    int64_t result = 0;
    struct lock_ask ask;
    if (!lock_find(fd, &ask, &result))
        return result;
    struct sim_lock *lock = &ask.inode->locks[kind];
    bool other = lock->holder && lock->holder != ask.object;
    if (other || (!shared && lock->sharers > ask.object->shares[kind]))
        return lock_held();
    lock_release(&ask, kind);
    ask.object->shares[kind] = shared;
    lock->sharers += shared;
    lock->holder = shared ? NULL : ask.object;
    return 0;
}

static int64_t lock_over(int fd, enum sim_lock_kind kind)
{
    int64_t result = 0;
    struct lock_ask ask;
    if (lock_find(fd, &ask, &result))
        lock_release(&ask, kind);
    return result;
}

int64_t lti_os_lock(int fd)
{
    sim_enter();
    return sim_leave("lock", fd, 0, lock_take(fd, SIM_LOCK_NAME, false));
}

int64_t lti_os_share(int fd)
{
    sim_enter();
    return sim_leave("share", fd, 0, lock_take(fd, SIM_LOCK_NAME, true));
}

int64_t lti_os_share_over(int fd)
{
    sim_enter();
    return sim_leave("share_over", fd, 0, lock_over(fd, SIM_LOCK_NAME));
}

int64_t lti_os_turn(int fd)
{
    sim_enter();
    return sim_leave("turn", fd, 0, lock_take(fd, SIM_LOCK_TURN, false));
}

int64_t lti_os_turn_share(int fd)
{
    sim_enter();
    return sim_leave("turn_share", fd, 0, lock_take(fd, SIM_LOCK_TURN, true));
}

int64_t lti_os_turn_over(int fd)
{
    sim_enter();
    return sim_leave("turn_over", fd, 0, lock_over(fd, SIM_LOCK_TURN));
}

static void lock_free(const struct lock_ask *ask)
{
    for (uint32_t kind = 0; kind < SIM_LOCKS; kind++)
        lock_release(ask, (enum sim_lock_kind)kind);
}

int64_t lti_os_unlock(int fd)
{
    sim_enter();
    int64_t result = 0;
    struct lock_ask ask;
    if (lock_find(fd, &ask, &result))
        lock_free(&ask);
    return sim_leave("unlock", fd, 0, result);
}

void sim_lock_close(struct sim_object *lock)
{
    const struct lock_ask ask = {lock, &sim_world.inodes[lock->inode - 1]};
    ask.inode->opens--;
    lock_free(&ask);
}
