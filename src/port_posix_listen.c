/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, listener side: claim a name, accept, give the name back.
 *
 * Happy path: take the lock beside the path, make the socket private before it has a name, bind,
 *             check what is there now, listen last.
 * Fails:      a lock that another holds, or a path that is not a dead socket of ours, is IN_USE
 *             and stays untouched; every later failure removes what this call made, and nothing
 *             else: a lock file that was there before stays. A dead socket goes last before its
 *             place is taken, and is the only thing that a failure does not bring back.
 * Invariants: only the holder of the lock unlinks, and only a socket it owns that nobody answers
 *             on, or that it made itself (device and inode). Adopted sockets and abstract names
 *             have no claim. A file with something in it is nobody's lock. The lock file goes only
 *             while it is locked, and who locked a file that no longer stands at its path starts
 *             again.
 */
#include "port_posix.h"

#include <string.h>

#define BACKLOG_USUAL 64u
#define LOCK_SUFFIX ".leat-lock"
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

/* Opens the lock file, and says whether it was made just now. */
static int64_t lock_open(const char *name, bool *made_out)
{
    int64_t fd = lti_os_make_lock(name);
    *made_out = fd >= 0;
    return lti_os_kind_of(fd) == LTI_OS_EXISTS ? lti_os_open_lock(name) : fd;
}

/* The lock must be a plain, empty file of ours that nobody linked elsewhere: it will be removed,
 * and what somebody keeps is never removed. It must still stand at its path, else locking it proves
 * nothing: the holder before us removed it. */
static enum leat_error lock_check(int fd, const char *name, bool *stale_out,
                                  struct os_code *code_out)
{
    struct lti_os_file held, named;
    int64_t result = lti_os_fstat(fd, &held);
    if (result < 0)
        return lti_port_error(result, code_out);
    if (held.type != LTI_OS_FILE_REGULAR || held.uid != lti_os_euid() || held.links > 1 ||
        held.size > 0)
        return LEAT_E_UNTRUSTED;
    result = lti_os_lock(fd);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lti_os_lock(fd);
    /* The system's own word for it, "try again", would mislead whoever reads it. */
    if (lti_os_kind_of(result) == LTI_OS_IN_USE)
        return LEAT_E_IN_USE;
    if (result < 0)
        return lti_port_error(result, code_out);
    result = lti_os_lstat(name, &named);
    if (result < 0 && lti_os_kind_of(result) != LTI_OS_NOT_FOUND)
        return lti_port_error(result, code_out);
    *stale_out = result < 0 || named.device != held.device || named.inode != held.inode;
    return LEAT_OK;
}

static enum leat_error claim_lock(const struct lti_path *path, struct lti_claim *claim,
                                  bool *made_out, struct os_code *code_out)
{
    char name[LOCK_PATH_SIZE];
    lock_path_of(path, name);
    for (int i = 0; i < LTI_RETRIES_MAX; i++) {
        int64_t fd = lock_open(name, made_out);
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
        /* Whoever was quicker and holds the lock on the file that we made will remove it. */
        if (*made_out && error != LEAT_OK && error != LEAT_E_IN_USE)
            (void)lti_os_unlink(name);
        (void)lti_os_close((int)fd);
        if (error != LEAT_OK)
            return error;
    }
    return LEAT_E_IN_USE;
}

/* OK when the path is dead; IN_USE when a server answers, or when that cannot be ruled out. */
static enum leat_error path_probe(const struct lti_path *path, struct os_code *code_out)
{
    int64_t fd = lti_os_socket(false);
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

/* Binds a socket that has its mode, and proves that the path is now this socket. */
static enum leat_error path_bind(int fd, const struct lti_path *path, struct lti_claim *claim,
                                 uint32_t mode, struct os_code *code_out)
{
    int64_t result = lti_os_bind(fd, path->bytes, path->size);
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

static bool path_is_abstract(const struct lti_path *path)
{
    return path->bytes[0] == 0;
}

static enum leat_error listener_open(struct lti_port *port, struct lti_link *link,
                                     struct lti_claim *claim, const struct lti_path *path,
                                     uint32_t backlog, enum leat_who who, bool packets,
                                     struct os_code *code_out)
{
    enum leat_error error = LEAT_OK;
    int64_t fd = lti_os_socket(packets);
    if (fd < 0)
        return lti_port_error(fd, code_out);
    link->handle = (intptr_t)fd;
    link->flags |= lti_os_sockets_plain() ? LTI_LINK_PLAIN : 0;
    uint32_t mode = who == LEAT_WHO_INSECURE_ANYONE ? 0666 : 0600;
    if (path_is_abstract(path)) {
        error = lti_port_error(lti_os_bind((int)fd, path->bytes, path->size), code_out);
    } else {
        error = lti_port_error(lti_os_fchmod((int)fd, mode), code_out);
        if (error == LEAT_OK)
            error = path_clear(path, code_out);
        if (error == LEAT_OK)
            error = path_bind((int)fd, path, claim, mode, code_out);
    }
    if (error == LEAT_OK)
        error = lti_port_error(lti_os_listen((int)fd, backlog ? backlog : BACKLOG_USUAL), code_out);
    if (error == LEAT_OK)
        error = lti_link_watch(port, link, code_out);
    return error;
}

/* Removes what stands at the path by this claim, and the lock file while it is still locked. */
static void claim_remove(const struct lti_claim *claim, const struct lti_path *path, bool lock)
{
    char name[LOCK_PATH_SIZE];
    if (claim->lock < 0)
        return;
    if (claim->inode != 0)
        path_remove(path, claim);
    lock_path_of(path, name);
    if (lock)
        (void)lti_os_unlink(name);
}

/* Closes; the lock last. */
static void claim_end(struct lti_claim *claim, struct lti_link *link)
{
    if (link->handle >= 0)
        (void)lti_os_close(lti_link_fd(link));
    if (claim && claim->lock >= 0)
        (void)lti_os_close((int)claim->lock);
    if (claim)
        claim_none(claim);
    lti_link_init(link);
}

enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link,
                                struct lti_claim *claim_out, const struct lti_address *address,
                                uint32_t backlog, enum leat_who who, bool packets,
                                struct os_code *code_out)
{
    struct lti_path path;
    bool made = false;
    enum leat_error error = LEAT_OK;
    lti_path_of(address, &path);
    claim_none(claim_out);
    if (!path_is_abstract(&path))
        error = claim_lock(&path, claim_out, &made, code_out);
    if (error == LEAT_OK)
        error = listener_open(port, link, claim_out, &path, backlog, who, packets, code_out);
    if (error != LEAT_OK) {
        claim_remove(claim_out, &path, made);
        claim_end(claim_out, link);
    }
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
        lti_path_of(address, &path);
        claim_remove(claim, &path, true);
    }
    claim_end(claim, link);
    return true;
}
