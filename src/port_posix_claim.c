/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, claims: the lock beside a path, who may take it, and what goes with it.
 *
 * Happy path: a path that nobody serves is claimed by locking PATH.leat-lock alone. Once it
 *             listens, a server shares that lock, so that one that takes over can come beside it.
 * Fails:      a lock that another holds is IN_USE and stays untouched. A lock file must be a plain,
 *             empty file of ours that nobody linked elsewhere, else it is UNTRUSTED.
 * Invariants: only who has the lock alone, or has the turn, changes what stands at the path; a
 *             take-over has the turn alone, those that close share it. Only a socket that was
 *             made here is removed (device and inode). The lock file goes only while it is locked
 *             alone, so it lives as long as any server of the path; who locked a file that no
 *             longer stands at its path starts again. docs/adr/0005-access.md has the states.
 */
#include "port_posix.h"

#include <string.h>

#define LOCK_SUFFIX ".leat-lock"
#define LOCK_PATH_SIZE (LTI_PATH_MAX + sizeof LOCK_SUFFIX)

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

static enum leat_error lock_try(int64_t (*lock)(int fd), int fd, struct os_code *code_out)
{
    int64_t result = lock(fd);
    for (int i = 0; i < LTI_RETRIES_MAX && lti_os_kind_of(result) == LTI_OS_INTERRUPTED; i++)
        result = lock(fd);
    /* The system's own word for it, "try again", would mislead whoever reads it. */
    return lti_os_kind_of(result) == LTI_OS_IN_USE ? LEAT_E_IN_USE
                                                   : lti_port_error(result, code_out);
}

/* Alone, or beside those that live, when one may be taken over: then with the turn. */
static enum leat_error lock_take(int fd, bool take_over, bool *taken_over_out,
                                 struct os_code *code_out)
{
    enum leat_error error = lock_try(lti_os_lock, fd, code_out);
    *taken_over_out = error == LEAT_E_IN_USE && take_over;
    if (!*taken_over_out)
        return error;
    error = lock_try(lti_os_share, fd, code_out);
    return error == LEAT_OK ? lock_try(lti_os_turn, fd, code_out) : error;
}

/* It will be removed, and what somebody keeps is never removed. It must still stand at its path,
 * else locking it proves nothing: the holder before us removed it. */
static enum leat_error lock_check(int fd, const char *name, bool take_over, bool *stale_out,
                                  bool *taken_over_out, struct os_code *code_out)
{
    struct lti_os_file held, named;
    int64_t result = lti_os_fstat(fd, &held);
    if (result < 0)
        return lti_port_error(result, code_out);
    if (held.type != LTI_OS_FILE_REGULAR || held.uid != lti_os_euid() || held.links > 1 ||
        held.size > 0)
        return LEAT_E_UNTRUSTED;
    enum leat_error error = lock_take(fd, take_over, taken_over_out, code_out);
    if (error != LEAT_OK)
        return error;
    result = lti_os_lstat(name, &named);
    if (result < 0 && lti_os_kind_of(result) != LTI_OS_NOT_FOUND)
        return lti_port_error(result, code_out);
    *stale_out = result < 0 || named.device != held.device || named.inode != held.inode;
    return LEAT_OK;
}

enum leat_error lti_claim_take(const struct lti_path *path, bool take_over, struct lti_claim *claim,
                               bool *made_out, bool *taken_over_out, struct os_code *code_out)
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
        enum leat_error error =
            lock_check((int)fd, name, take_over, &stale, taken_over_out, code_out);
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

enum leat_error lti_claim_settle(const struct lti_claim *claim, struct os_code *code_out)
{
    return lock_try(lti_os_share, (int)claim->lock, code_out);
}

/* Removes the name if it still is the one we made. */
static void path_remove(const struct lti_path *path, const struct lti_claim *claim)
{
    struct lti_os_file file;
    if (lti_os_lstat(path->bytes, &file) >= 0 && file.type == LTI_OS_FILE_SOCKET &&
        file.device == claim->device && file.inode == claim->inode)
        (void)lti_os_unlink(path->bytes);
}

static void lock_remove(const struct lti_path *path, int fd)
{
    char name[LOCK_PATH_SIZE];
    struct lti_os_file held, named;
    lock_path_of(path, name);
    if (lti_os_fstat(fd, &held) >= 0 && lti_os_lstat(name, &named) >= 0 &&
        held.device == named.device && held.inode == named.inode)
        (void)lti_os_unlink(name);
}

/* Gives the lock itself back, but not the turn. */
static bool lock_leave(int fd)
{
    return lti_os_share_over(fd) >= 0;
}

void lti_claim_remove(const struct lti_claim *claim, const struct lti_path *path, bool lock)
{
    int fd = (int)claim->lock;
    if (fd < 0)
        return;
    /* Without the turn another is taking the place over just now: it will be his. */
    bool turn = lock_try(lti_os_turn_share, fd, 0) == LEAT_OK;
    if (turn && claim->inode != 0)
        path_remove(path, claim);
    /* Of many that close at once, the last to stop sharing finds itself alone. */
    if (turn && lock && lock_leave(fd) && lock_try(lti_os_lock, fd, 0) == LEAT_OK)
        lock_remove(path, fd);
    /* A child that was forked meanwhile may have the descriptor for long. */
    (void)lti_os_unlock(fd);
}
