/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, listener side: claim a name, accept, give the name back.
 *
 * Happy path: take the lock beside the path, make the socket private before it has a name, bind,
 *             check what is there now, listen last.
 * Fails:      a lock that another holds, or a path that is not a dead socket of ours, is IN_USE
 *             and stays untouched; every later failure removes what this call made, and nothing
 *             else.
 * Invariants: only the holder of the lock unlinks, and only a socket it owns that nobody answers
 *             on, or that it made itself (device and inode). Adopted sockets and abstract names
 *             have no claim. The lock file goes only while it is locked, and who locked a file
 *             that no longer stands at its path starts again.
 */
#include "port_posix.h"

#include <string.h>

#define LOCK_SUFFIX ".lock"
#define LOCK_PATH_SIZE (LTI_OS_PATH_MAX + 2 + sizeof LOCK_SUFFIX)

static void claim_none(struct lti_claim *claim)
{
    claim->lock = -1;
    claim->device = 0;
    claim->inode = 0;
}

static void lock_path_of(const struct lti_path *path, char name[LOCK_PATH_SIZE])
{
    memcpy(name, path->bytes, path->size);
    memcpy(name + path->size, LOCK_SUFFIX, sizeof LOCK_SUFFIX);
}

/* The lock must be a plain file of ours that nobody linked elsewhere, and still stand at its path,
 * else locking it proves nothing: the holder before us removed it. */
static enum leat_error lock_check(int fd, const char *name, bool *stale_out,
                                  struct os_code *code_out)
{
    struct lti_os_file held, named;
    int64_t result = lti_os_fstat(fd, &held);
    if (result < 0)
        return lti_port_error(result, code_out);
    if (held.type != LTI_OS_FILE_REGULAR || held.uid != lti_os_euid() || held.links > 1)
        return LEAT_E_UNTRUSTED;
    result = lti_os_lock(fd);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_lock(fd);
    if (result < 0)
        return lti_port_error(result, code_out);
    result = lti_os_lstat(name, &named);
    if (result < 0 && lti_os_kind_of(result) != LTI_OS_NOT_FOUND)
        return lti_port_error(result, code_out);
    *stale_out = result < 0 || named.device != held.device || named.inode != held.inode;
    return LEAT_OK;
}

static enum leat_error claim_lock(const struct lti_path *path, struct lti_claim *claim,
                                  struct os_code *code_out)
{
    char name[LOCK_PATH_SIZE];
    lock_path_of(path, name);
    for (int i = 0; i < LTI_RETRIES_MAX; i++) {
        int64_t fd = lti_os_open_lock(name);
        if (fd < 0) {
            struct lti_os_file file;
            enum leat_error error = lti_port_error(fd, code_out);
            bool link = lti_os_kind_of(fd) == LTI_OS_NOT_DIR && lti_os_lstat(name, &file) >= 0;
            return link ? LEAT_E_UNTRUSTED : error;
        }
        bool stale = false;
        enum leat_error error = lock_check((int)fd, name, &stale, code_out);
        if (error == LEAT_OK && !stale) {
            claim->lock = (intptr_t)fd;
            return LEAT_OK;
        }
        (void)lti_os_close((int)fd);
        if (error != LEAT_OK)
            return error;
    }
    return LEAT_E_IN_USE;
}

/* OK when the path is dead; IN_USE when a server answers, or when that cannot be ruled out. */
static enum leat_error path_probe(const struct lti_path *path, struct os_code *code_out)
{
    int64_t fd = lti_os_socket();
    if (fd < 0)
        return lti_port_error(fd, code_out);
    int64_t result = lti_os_connect((int)fd, path->bytes, path->size);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_connect((int)fd, path->bytes, path->size);
    (void)lti_os_close((int)fd);
    return lti_os_kind_of(result) == LTI_OS_REFUSED ? LEAT_OK : LEAT_E_IN_USE;
}

/* What stands at the path: nothing, or a dead socket of ours, which is removed. */
static enum leat_error path_clear(const struct lti_path *path, struct os_code *code_out)
{
    struct lti_os_file file;
    int64_t result = lti_os_lstat(path->bytes, &file);
    if (lti_os_kind_of(result) == LTI_OS_NOT_FOUND)
        return LEAT_OK;
    if (result < 0)
        return lti_port_error(result, code_out);
    if (file.type != LTI_OS_FILE_SOCKET || file.uid != lti_os_euid())
        return LEAT_E_IN_USE;
    enum leat_error error = path_probe(path, code_out);
    if (error != LEAT_OK)
        return error;
    return lti_port_error(lti_os_unlink(path->bytes), code_out);
}

/* Removes the name if it still is the one we made. */
static void path_remove(const struct lti_path *path, const struct lti_claim *claim)
{
    struct lti_os_file file;
    if (lti_os_lstat(path->bytes, &file) >= 0 && file.type == LTI_OS_FILE_SOCKET &&
        file.device == claim->device && file.inode == claim->inode)
        (void)lti_os_unlink(path->bytes);
}

/* Binds and proves that the path is now our socket, with the mode it should have. */
static enum leat_error path_bind(int fd, const struct lti_path *path, struct lti_claim *claim,
                                 uint32_t mode, struct os_code *code_out)
{
    int64_t result = lti_os_fchmod(fd, mode);
    if (result >= 0)
        result = lti_os_bind(fd, path->bytes, path->size);
    if (result < 0)
        return lti_port_error(result, code_out);
    struct lti_os_file file;
    result = lti_os_lstat(path->bytes, &file);
    if (result < 0) {
        /* Without proof that it is ours we may remove what we just made only while the lock is
         * held. */
        (void)lti_os_unlink(path->bytes);
        return lti_port_error(result, code_out);
    }
    if (file.type != LTI_OS_FILE_SOCKET || file.uid != lti_os_euid() || (file.mode & ~mode & 0777))
        return LEAT_E_UNTRUSTED;
    claim->device = file.device;
    claim->inode = file.inode;
    return LEAT_OK;
}

static enum leat_error listener_open(struct lti_port *port, struct lti_link *link,
                                     struct lti_claim *claim, const struct lti_path *path,
                                     uint32_t backlog, enum leat_who who, struct os_code *code_out)
{
    bool abstract = path->bytes[0] == 0;
    enum leat_error error = LEAT_OK;
    if (!abstract) {
        error = claim_lock(path, claim, code_out);
        if (error == LEAT_OK)
            error = path_clear(path, code_out);
        if (error != LEAT_OK)
            return error;
    }
    int64_t fd = lti_os_socket();
    if (fd < 0)
        return lti_port_error(fd, code_out);
    link->handle = (intptr_t)fd;
    link->flags |= lti_os_sockets_plain() ? LTI_LINK_PLAIN : 0;
    uint32_t mode = who == LEAT_WHO_INSECURE_ANYONE ? 0666 : 0600;
    if (abstract)
        error = lti_port_error(lti_os_bind((int)fd, path->bytes, path->size), code_out);
    else
        error = path_bind((int)fd, path, claim, mode, code_out);
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_listen((int)fd, backlog), code_out);
    if (error == LEAT_OK)
        error = lti_link_watch(port, link, code_out);
    return error;
}

enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link,
                                struct lti_claim *claim_out, const struct lti_address *address,
                                uint32_t backlog, enum leat_who who, struct os_code *code_out)
{
    struct lti_path path;
    lti_path_of(address, &path);
    claim_none(claim_out);
    enum leat_error error = listener_open(port, link, claim_out, &path, backlog, who, code_out);
    if (error != LEAT_OK)
        (void)lti_port_end(port, link, claim_out, address, false);
    return error;
}

enum leat_error lti_port_accept(struct lti_port *port, struct lti_link *listener,
                                struct lti_link *link, bool *more_out, struct os_code *code_out)
{
    *more_out = false;
    int64_t fd = lti_os_accept(lti_link_fd(listener));
    for (int i = 0; i < LTI_RETRIES_MAX && (lti_os_kind_of(fd) == LTI_OS_INTERRUPTED ||
                                            lti_os_kind_of(fd) == LTI_OS_ABORTED);
         i++)
        fd = lti_os_accept(lti_link_fd(listener));
    enum leat_error error = lti_port_error(fd, code_out);
    if (error != LEAT_OK)
        return error;
    /* More may be waiting: let the poller look again instead of trying until EAGAIN. */
    *more_out =
        lti_os_poller_modify(port->poller, lti_link_fd(listener), LTI_OS_IN, listener->cookie) < 0;
    link->handle = (intptr_t)fd;
    link->flags |= listener->flags & LTI_LINK_PLAIN; /* inherited */
    error = lti_link_watch(port, link, code_out);
    if (error != LEAT_OK) {
        (void)lti_os_close((int)fd);
        link->handle = -1;
    }
    return error;
}

bool lti_port_end(struct lti_port *port, struct lti_link *link, struct lti_claim *claim,
                  const struct lti_address *address, bool forked)
{
    (void)port;
    if (claim && claim->lock >= 0 && !forked) {
        struct lti_path path;
        char name[LOCK_PATH_SIZE];
        lti_path_of(address, &path);
        if (claim->inode != 0)
            path_remove(&path, claim);
        lock_path_of(&path, name);
        (void)lti_os_unlink(name);
    }
    if (link->handle >= 0)
        (void)lti_os_close(lti_link_fd(link));
    if (claim && claim->lock >= 0)
        (void)lti_os_close((int)claim->lock);
    if (claim)
        claim_none(claim);
    lti_link_init(link);
    return true;
}
