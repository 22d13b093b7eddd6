/* SPDX-License-Identifier: MIT
 *
 * leat doctor on a POSIX system: what stands at a path, and what a failed connect means.
 *
 * Happy path: the way to the path is walked folder by folder, then the socket and the lock beside
 * it are looked at.
 *
 * Fails: what cannot be looked at ends the walk there, with the reason.
 *
 * Invariants: only looks, by stat and by /proc: no lock is taken, because somebody else may want it
 * in that moment. Rights are those of the effective user, as the connect's are.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_posix_place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_BYTES 5u /* "unix:" */

static const char *path_of(const char *address)
{
    return strlen(address) > PREFIX_BYTES && address[PREFIX_BYTES] == '/' ? address + PREFIX_BYTES
                                                                          : NULL;
}

static bool name_plain(const char *name)
{
    return strchr(name, '/') == NULL && strchr(name, ':') == NULL;
}

/* One folder of the way. False: nothing behind it can be looked at. */
static bool folder_look(struct lti_tool_doctor *d, const char *path, bool last)
{
    struct lti_tool_node node;
    int error = lti_tool_node_look(path, true, &node);
    uint32_t others = node.mode & 022;

    if (error == ENOENT && !name_plain(d->o->name)) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_MISSING, path, NULL, NULL, NULL);
    }
    if (error == ELOOP) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_KIND, path, "a link that leads in a circle", d->o->name,
                       NULL);
    }
    if (error != 0) {
        return false; /* else the folder before it has said why */
    }
    if (node.kind != LTI_TOOL_NODE_FOLDER) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_KIND, path, lti_tool_node_kind(&node), d->o->name,
                       NULL);
        return false;
    }
    if ((node.mode & 01000) == 0 && others != 0) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_OPEN, path, node.owner, node.rights, NULL);
    } else if (last && others != 0) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_SHARED, path, node.rights, NULL, NULL);
    }
    if (node.uid != 0 && node.uid != geteuid()) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_OWNER, path, node.owner, NULL, NULL);
    }
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0) {
        lti_tool_found(d, LTI_TOOL_F_FOLDER_CLOSED, path, node.owner, node.rights, NULL);
        return false;
    }
    return true;
}

/* Every folder from the root to the one that holds `path`. */
static bool folders_look(struct lti_tool_doctor *d, const char *path)
{
    char folder[LTI_TOOL_PLACE_BYTES];
    size_t size = strlen(path);
    size_t last = size;

    if (size >= sizeof folder) {
        return false;
    }
    while (last > 0 && path[last] != '/') {
        last--;
    }
    for (size_t i = 0; i <= last; i++) {
        if (path[i] != '/' || (i > 0 && path[i - 1] == '/')) {
            continue;
        }
        memcpy(folder, path, i + 1);
        folder[i == 0 ? 1 : i] = '\0';
        if (!folder_look(d, folder, i == last)) {
            return false;
        }
    }
    return true;
}

/* The way as it is written, and, where it leads over links, as it is. */
static bool way_look(struct lti_tool_doctor *d, const char *path)
{
    char real[LTI_TOOL_PLACE_BYTES];

    if (!folders_look(d, path)) {
        return false;
    }
    return !lti_tool_place_real(path, real, sizeof real) || strcmp(real, path) == 0 ||
           folders_look(d, real);
}

static void lock_held(struct lti_tool_doctor *d, const char *lock, const struct lti_tool_node *node)
{
    char program[LTI_TOOL_PROGRAM_BYTES];
    char who[LTI_TOOL_PROGRAM_BYTES + 48] = "somebody";
    int64_t pid = lti_tool_opened_by(node);

    if (pid > 0) {
        lti_tool_os_program(pid, program, sizeof program);
        (void)snprintf(who, sizeof who, "process %" PRId64 " (%s)", pid, program);
    }
    lti_tool_found(d, LTI_TOOL_F_LOCK_HELD, who, lock, NULL, NULL);
}

/* A lock is leat's when it is the server's, whoever that is; where there is none, ours. */
static void lock_look(struct lti_tool_doctor *d, const char *path, uint32_t server)
{
    char lock[LTI_TOOL_PLACE_BYTES];
    struct lti_tool_node node;

    (void)snprintf(lock, sizeof lock, "%s.leat-lock", path);
    if (lti_tool_node_look(lock, false, &node) != 0) {
        return;
    }
    if (node.kind != LTI_TOOL_NODE_FILE || node.size > 0 || node.links > 1 || node.uid != server) {
        char what[LTI_TOOL_OWNER_BYTES + 80];

        (void)snprintf(what, sizeof what, "%s of user %s%s", lti_tool_node_kind(&node), node.owner,
                       node.kind == LTI_TOOL_NODE_FILE && node.size > 0 ? ", and not empty" : "");
        lti_tool_found(d, LTI_TOOL_F_LOCK_FOREIGN, lock, what, NULL, NULL);
    }
    if (lti_tool_lock_held(&node)) {
        lock_held(d, lock, &node);
    }
}

static void socket_look(struct lti_tool_doctor *d, const char *path,
                        const struct lti_tool_node *node)
{
    char uid[16];

    (void)snprintf(uid, sizeof uid, "%" PRIu32, node->uid);
    lti_tool_found(d, LTI_TOOL_F_SOCKET, path, node->owner, node->rights, NULL);
    if (!lti_tool_let(lti_tool_os_place_judge(d->o, &d->o->policy, d->address))) {
        lti_tool_found(d, LTI_TOOL_F_OWNER, d->o->name, node->owner,
                       lti_tool_policy_words(&d->o->policy), uid);
    }
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 && errno == EACCES) {
        lti_tool_found(d, LTI_TOOL_F_MODE, path, node->owner, node->rights, NULL);
    }
}

/* A server of this user that was started with another environment has another folder. */
static void elsewhere_look(struct lti_tool_doctor *d, const char *path)
{
    char other[LTI_TOOL_PLACE_BYTES];
    struct lti_tool_node node;

    for (unsigned i = 0; i < LTI_TOOL_SCOPES; i++) {
        if (lti_tool_scope_path(i, d->o->name, other, sizeof other) && strcmp(other, path) != 0 &&
            lti_tool_node_look(other, false, &node) == 0 && node.kind == LTI_TOOL_NODE_SOCKET) {
            lti_tool_found(d, LTI_TOOL_F_ELSEWHERE, other, NULL, NULL, NULL);
        }
    }
}

/* Nobody takes a stream there: another kind of socket, nobody at all, or nobody yet. */
static void refused_explain(struct lti_tool_doctor *d, const char *path)
{
    const struct lti_tool_found *lock = lti_tool_found_find(d, LTI_TOOL_F_LOCK_HELD);
    unsigned type = lti_tool_socket_type(path);

    if (type == SOCK_SEQPACKET) {
        lti_tool_found(d, LTI_TOOL_F_PACKETS, path, NULL, NULL, NULL);
    } else if (type == SOCK_DGRAM) {
        lti_tool_found(d, LTI_TOOL_F_DATAGRAMS, path, NULL, NULL, NULL);
    } else if (path[0] == '@') {
        lti_tool_found(d, LTI_TOOL_F_ABSTRACT_MISSING, path, d->o->name, NULL, NULL);
    } else if (lock != NULL) {
        lti_tool_found(d, LTI_TOOL_F_LOCK_SILENT, lock->args[0], lock->args[1], NULL, NULL);
    } else {
        lti_tool_found(d, LTI_TOOL_F_STALE, path, NULL, NULL, NULL);
    }
}

void lti_tool_os_doctor_failed(struct lti_tool_doctor *d, enum leat_error error, int64_t os_code)
{
    char text[256];

    if (error == LEAT_E_TIMEOUT) {
        (void)snprintf(text, sizeof text, "%" PRIu32, d->o->timeout_ms);
        lti_tool_found(d, LTI_TOOL_F_BACKLOG_FULL, text, d->o->name, NULL, NULL);
    } else if (error == LEAT_E_REFUSED) {
        refused_explain(d, d->address + PREFIX_BYTES);
    } else if (error == LEAT_E_NOT_FOUND && path_of(d->address) != NULL) {
        lti_tool_found(d, LTI_TOOL_F_MISSING, path_of(d->address), d->o->name, NULL, NULL);
    } else if (error == LEAT_E_DENIED) {
        lti_tool_os_text(os_code, text, sizeof text);
        lti_tool_found(d, LTI_TOOL_F_DENIED, text, NULL, NULL, NULL);
    }
}

/* The place was looked at before. */
void lti_tool_os_doctor_connected(struct lti_tool_doctor *d)
{
    (void)d;
}

/* A folder that has to be this user's alone. */
static void scope_look(struct lti_tool_doctor *d, const char *path)
{
    struct lti_tool_node node;

    if (lti_tool_node_look(path, false, &node) != 0) {
        return;
    }
    if (node.kind != LTI_TOOL_NODE_FOLDER) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_KIND, path, lti_tool_node_kind(&node), NULL, NULL);
    } else if (node.uid != geteuid()) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_OWNER, path, node.owner, NULL, NULL);
    } else if ((node.mode & 077) != 0) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_MODE, path, node.rights, "700", NULL);
    }
}

/* Whether others could change what is in a folder that is above one of ours. */
static bool changed_by_others(const struct lti_tool_node *node)
{
    return node->kind != LTI_TOOL_NODE_FOLDER || (node->uid != 0 && node->uid != geteuid()) ||
           ((node->mode & 022) != 0 && (node->mode & 01000) == 0);
}

/* A folder above `path` that others could change. */
static bool above_changed(const char *path, char *folder, size_t room)
{
    struct lti_tool_node node;
    size_t size = strlen(path);

    for (size_t i = 1; i < size && size < room; i++) {
        if (path[i] != '/' || path[i - 1] == '/') {
            continue;
        }
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (lti_tool_node_look(folder, false, &node) == 0 && changed_by_others(&node)) {
            return true;
        }
    }
    return false;
}

/* Why leat passes a runtime folder over that is there. False: it uses it. */
static bool runtime_bad(const char *path, const struct lti_tool_node *node, char *why, size_t size)
{
    char above[LTI_TOOL_PLACE_BYTES];

    if (strstr(path, "/../") != NULL || !lti_tool_utf8_valid(path, strlen(path))) {
        (void)snprintf(why, size, "it has \"..\" in it, or is not UTF-8");
    } else if (node->kind != LTI_TOOL_NODE_FOLDER) {
        (void)snprintf(why, size, "it is %s", lti_tool_node_kind(node));
    } else if (node->uid != geteuid()) {
        (void)snprintf(why, size, "it belongs to user %s", node->owner);
    } else if ((node->mode & 077) != 0) {
        (void)snprintf(why, size, "it is open to others (mode %s)", node->rights);
    } else if (above_changed(path, above, sizeof above)) {
        (void)snprintf(why, size, "others may change a folder above it");
    } else {
        return false;
    }
    return true;
}

/* Finds the folder of plain names as leat does, and says what it passes over. */
static void scope_find(struct lti_tool_doctor *d, char *path, size_t size)
{
    char why[LTI_TOOL_OWNER_BYTES + 64];
    struct lti_tool_node node;

    for (unsigned i = 0; i < LTI_TOOL_SCOPES; i++) {
        char *last;
        int error;

        if (!lti_tool_scope_path(i, NULL, path, size)) {
            continue;
        }
        last = strrchr(path, '/');
        *last = '\0'; /* the runtime folder itself */
        error = i < LTI_TOOL_SCOPES - 1 ? lti_tool_node_look(path, false, &node) : ENOENT;
        if (error == 0 && runtime_bad(path, &node, why, sizeof why)) {
            lti_tool_found(d, LTI_TOOL_F_SCOPE_PASSED, path, why, NULL, NULL);
            error = ENOENT;
        }
        *last = '/';
        if (error != ENOENT && error != ENOTDIR) {
            return;
        }
    }
}

static void scope_system(struct lti_tool_doctor *d)
{
    const char *path = lti_tool_scope_system();
    struct lti_tool_node node;

    if (lti_tool_node_look(path, false, &node) != 0) {
        return;
    }
    if (node.kind != LTI_TOOL_NODE_FOLDER) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_KIND, path, lti_tool_node_kind(&node), NULL, NULL);
    } else if (node.uid != 0) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_OWNER, path, node.owner, NULL, NULL);
    } else if ((node.mode & 022) != 0) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_MODE, path, node.rights, "755", NULL);
    }
}

void lti_tool_os_doctor_place(struct lti_tool_doctor *d)
{
    const char *path = path_of(d->address);
    bool plain = name_plain(d->o->name);
    struct lti_tool_node node;
    int error;

    if (path == NULL) {
        return;
    }
    if (plain) {
        char folder[LTI_TOOL_PLACE_BYTES];

        scope_find(d, folder, sizeof folder);
    }
    error = way_look(d, path) ? lti_tool_node_look(path, plain, &node) : EACCES;
    /* The folder of plain names is made by the first server that wants it. */
    if (error == ENOENT || (error != 0 && plain && d->faults == 0)) {
        lti_tool_found(d, LTI_TOOL_F_MISSING, path, d->o->name, NULL, NULL);
    }
    if (error != 0) {
        if (plain) {
            elsewhere_look(d, path);
        }
        return;
    }
    if (node.kind == LTI_TOOL_NODE_SOCKET) {
        socket_look(d, path, &node);
    } else if (node.kind == LTI_TOOL_NODE_LINK) {
        char target[LTI_TOOL_PLACE_BYTES];

        lti_tool_found(d, LTI_TOOL_F_LINK, path,
                       lti_tool_link_target(path, target, sizeof target) ? target : "something",
                       NULL, NULL);
    } else {
        lti_tool_found(d, LTI_TOOL_F_KIND, path, lti_tool_node_kind(&node), NULL, NULL);
    }
    lock_look(d, path, node.kind == LTI_TOOL_NODE_SOCKET ? node.uid : (uint32_t)geteuid());
}

void lti_tool_os_doctor_scope(struct lti_tool_doctor *d)
{
    char path[LTI_TOOL_PLACE_BYTES];
    struct lti_tool_node tmp;

    if (strncmp(d->o->name, "system:", 7) == 0) {
        scope_system(d);
        return;
    }
    scope_find(d, path, sizeof path);
    if (strncmp(path, "/tmp/", 5) == 0 && lti_tool_node_look("/tmp", false, &tmp) == 0 &&
        changed_by_others(&tmp)) {
        lti_tool_found(d, LTI_TOOL_F_SCOPE_ABOVE, "/tmp", tmp.owner, tmp.rights, NULL);
        return;
    }
    scope_look(d, path);
    if (d->faults == 0) {
        (void)folders_look(d, path);
    }
}

/* As leat does it: in a folder that only this user can write to, nothing needs to be looked at.
 * Elsewhere a link is not followed, and who owns the socket must be let in, save where the kernel's
 * word on the peer alone decides. */
enum lti_tool_verdict lti_tool_os_place_judge(const struct lti_tool_options *o,
                                              const struct lti_tool_policy *policy,
                                              const char *address)
{
    const char *path = name_plain(o->name) ? NULL : path_of(address);
    struct lti_tool_node node;
    char uid[16];

    if (path == NULL || lti_tool_node_look(path, false, &node) != 0) {
        return LTI_TOOL_LET_SELF;
    }
    if (node.kind == LTI_TOOL_NODE_LINK) {
        return LTI_TOOL_NOT_A_LINK;
    }
    if (policy->who == LEAT_WHO_GROUP) {
        return LTI_TOOL_LET_GROUP;
    }
    (void)snprintf(uid, sizeof uid, "%" PRIu32, node.uid);
    switch (lti_tool_judge_user(policy, uid)) {
    case LTI_TOOL_NOT_LET:
        return LTI_TOOL_NOT_THE_OWNER;
    case LTI_TOOL_NOT_CERTAIN:
        return LTI_TOOL_NOT_CERTAIN;
    default:
        return LTI_TOOL_LET_SELF;
    }
}
