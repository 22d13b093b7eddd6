/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, names: where a name leads, and the folders of names without a path.
 *
 * Happy path: a plain name lives in $XDG_RUNTIME_DIR/leat, else in the folder that the system keeps
 *             for this user (Apple), else in /run/user/UID/leat, else in /tmp/leat-UID; one of the
 *             system in /run/leat (elsewhere /var/run/leat); one of Qt where QLocalServer listens;
 *             an explicit path or an abstract name is itself.
 * Fails:      a folder that others could change is never used. A runtime folder that is not good
 *             is passed over as if it were not there, with a line of the log: it is the same for
 *             everybody, and whose environment is another user's (su) meets his own servers. With
 *             what comes last it is UNTRUSTED. The environment counts for nothing in a privileged
 *             program.
 * Invariants: what resolves is a name itself, and never longer than the system takes; nothing is
 *             truncated. Nobody but root makes the folder of the system.
 *
 * Folders are judged by path, at each resolve, and no descriptor is kept. Where every folder on the
 * way belongs to root or to us and nobody else may write to it (or may, but not rename what is not
 * his: the sticky bit), nobody else can change what a path leads to between the look and the use.
 * So one look is as good as holding them all open; a folder where it would not be is refused by the
 * same look. It is not remembered either: a hub lives for long, and a folder that was opened to
 * others since would pass unseen. /, /run and /run/user are taken for root's without a look,
 * because who can write there owns the machine: a plain name costs two calls where the login
 * manager made the runtime folder, and one more for each folder above it elsewhere.
 */
#include "access.h"
#include "address.h"
#include "port_posix.h"

#include <string.h>

#define SYSTEM_MODE 0755u
#define LOGIN_BYTES sizeof "/run/user/4294967295"

/* What a look at folders needs, and what it says. */
struct look {
    const char **reason;
    struct os_code *code;
    bool *guarded; /* the folder is there, and only ours to change */
};

static size_t text_put(char *to, size_t at, const char *text, size_t size)
{
    memcpy(to + at, text, size);
    return at + size;
}

static enum leat_error untrusted(const struct look *look, const char *reason)
{
    *look->reason = reason;
    return LEAT_E_UNTRUSTED;
}

static enum leat_error folder_check(const char *path, enum lti_folder_rule rule,
                                    const struct look *look)
{
    return lti_folder_check(path, rule, look->reason, look->code);
}

/* Takes back what the umask took from a folder that was made just now. */
static enum leat_error system_open(const struct look *look)
{
    const char *folder = lti_os_place(LTI_OS_PLACE_SYSTEM);
    struct lti_os_file file;
    int64_t node = lti_os_open_node(folder);
    bool by_path = lti_os_kind_of(node) == LTI_OS_UNSUPPORTED;
    if (node < 0 && !by_path)
        return lti_port_error(node, look->code);
    int64_t result = by_path ? lti_os_lstat(folder, &file) : lti_os_fstat((int)node, &file);
    if (result >= 0 && file.type == LTI_OS_FILE_DIR && file.uid == 0)
        result = by_path ? lti_os_path_mode(folder, SYSTEM_MODE)
                         : lti_os_node_mode((int)node, SYSTEM_MODE);
    if (!by_path)
        (void)lti_os_close((int)node);
    /* Without /proc it stays as it is: narrower than it should be, which endangers nobody. */
    if (lti_os_kind_of(result) == LTI_OS_UNSUPPORTED)
        return LEAT_OK;
    return lti_port_error(result, look->code);
}

static enum leat_error system_make(const struct look *look)
{
    int64_t result = lti_os_mkdir(lti_os_place(LTI_OS_PLACE_SYSTEM), SYSTEM_MODE);
    if (result < 0 && lti_os_kind_of(result) != LTI_OS_EXISTS)
        return lti_port_error(result, look->code);
    enum leat_error error = result < 0 ? LEAT_OK : system_open(look);
    return error == LEAT_OK
               ? folder_check(lti_os_place(LTI_OS_PLACE_SYSTEM), LTI_FOLDER_SYSTEM, look)
               : error;
}

/* Without it nobody listens at any name in it, and only root may change that: the path is told all
 * the same, and who uses it learns that nothing is there. */
static enum leat_error system_use(bool create, const struct look *look)
{
    enum leat_error error =
        folder_check(lti_os_place(LTI_OS_PLACE_SYSTEM), LTI_FOLDER_SYSTEM, look);
    if (error != LEAT_E_NOT_FOUND)
        return error;
    return create && lti_os_euid() == 0 ? system_make(look) : LEAT_OK;
}

/* The folder's last part is made when it is missing; what is there is checked either way. */
static enum leat_error folder_use(const char *path, bool create, const struct look *look)
{
    enum leat_error error = folder_check(path, LTI_FOLDER_OWN, look);
    if (error == LEAT_E_NOT_FOUND && create) {
        int64_t result = lti_os_mkdir(path, 0700);
        if (result < 0 && lti_os_kind_of(result) != LTI_OS_EXISTS)
            return lti_port_error(result, look->code);
        error = folder_check(path, LTI_FOLDER_OWN, look);
    }
    *look->guarded = error == LEAT_OK;
    return error == LEAT_E_NOT_FOUND && !create ? LEAT_OK : error;
}

/* The folder that the login manager makes for us. */
static size_t login_folder(char folder[LOGIN_BYTES])
{
    size_t size = text_put(folder, 0, "/run/user/", 10);
    return size + lti_access_text(lti_os_euid(), folder + size);
}

/* The folder that the environment names. NOT_FOUND: it names none, or none that is there; a
 * relative path is none, by the rules of XDG_RUNTIME_DIR. UNTRUSTED: it is not good. */
static enum leat_error folder_named(char *folder, size_t room, size_t *size_out,
                                    const struct look *look)
{
    const char *runtime = lti_os_privileged() ? 0 : lti_os_getenv("XDG_RUNTIME_DIR");
    size_t size = runtime ? strlen(runtime) : 0;
    if (size == 0 || runtime[0] != '/')
        return LEAT_E_NOT_FOUND;
    while (size > 1 && runtime[size - 1] == '/')
        size--;
    if (size > 1 && !lti_path_valid(runtime, size))
        return untrusted(look, "passed over: XDG_RUNTIME_DIR has \"..\" in it, or is not UTF-8");
    bool fits = size < room;
    if (fits)
        folder[text_put(folder, 0, runtime, size)] = 0;
    enum leat_error error = folder_check(fits ? folder : runtime, LTI_FOLDER_RUNTIME, look);
    /* Another folder instead would part those who have this environment from the others. */
    if (error == LEAT_OK && !fits)
        return LEAT_E_NAME_TOO_LONG;
    char login[LOGIN_BYTES];
    bool by_login =
        error == LEAT_OK && login_folder(login) == size && memcmp(login, folder, size) == 0;
    if (error == LEAT_OK && !by_login)
        error = lti_folders_above(folder, size, look->reason, look->code);
    *size_out = size;
    return error;
}

/* The folder that the system keeps for this user; NOT_FOUND: it keeps none, or none that fits. */
static enum leat_error folder_kept(char *folder, size_t room, size_t *size_out,
                                   const struct look *look)
{
    const char *kept = lti_os_place(LTI_OS_PLACE_USER);
    size_t size = kept ? strlen(kept) : 0;
    if (size == 0 || size >= room)
        return LEAT_E_NOT_FOUND;
    folder[text_put(folder, 0, kept, size)] = 0;
    *size_out = size;
    enum leat_error error = folder_check(folder, LTI_FOLDER_RUNTIME, look);
    return error == LEAT_OK ? lti_folders_above(folder, size, look->reason, look->code) : error;
}

/* Finds the parent that holds our folder: the runtime folder; size 0 when there is none. A look
 * that fails is an error: going on would part who saw something from who did not. */
static enum leat_error folder_base(char *folder, size_t room, size_t *size_out,
                                   const struct look *look)
{
    enum leat_error error = folder_named(folder, room, size_out, look);
    if (error == LEAT_E_NOT_FOUND || error == LEAT_E_UNTRUSTED)
        error = folder_kept(folder, room, size_out, look);
    if (error == LEAT_E_NOT_FOUND || error == LEAT_E_UNTRUSTED) {
        *size_out = login_folder(folder);
        error = folder_check(folder, LTI_FOLDER_RUNTIME, look);
    }
    if (error == LEAT_E_NOT_FOUND || error == LEAT_E_UNTRUSTED) {
        *size_out = 0;
        error = LEAT_OK;
    }
    return error;
}

/* The folder for a name of that size; what would not fit into it makes no folder. */
static enum leat_error folder_find(bool create, size_t name_size, char folder[LTI_PATH_MAX + 1],
                                   const struct look *look)
{
    size_t size;
    enum leat_error error = folder_base(folder, LTI_PATH_MAX - 5, &size, look);
    if (error == LEAT_OK && size == 0)
        error = folder_check(lti_os_place(LTI_OS_PLACE_TMP), LTI_FOLDER_TMP, look);
    if (error != LEAT_OK)
        return error;
    if (size > 0) {
        size = text_put(folder, size, "/leat", 5);
    } else {
        const char *tmp = lti_os_place(LTI_OS_PLACE_TMP);
        size = text_put(folder, 0, tmp, strlen(tmp));
        size = text_put(folder, size, "/leat-", 6);
        size += lti_access_text(lti_os_euid(), folder + size);
    }
    folder[size] = 0;
    if (size + 1 + name_size > LTI_PATH_MAX)
        return LEAT_E_NAME_TOO_LONG;
    return folder_use(folder, create, look);
}

static enum leat_error plain_path(bool create, const struct lti_name *name, char *path_out,
                                  size_t *size_out, const struct look *look)
{
    char folder[LTI_PATH_MAX + 1];
    enum leat_error error = folder_find(create, name->size, folder, look);
    if (error != LEAT_OK && error != LEAT_E_UNTRUSTED)
        *look->reason = 0; /* what was passed over before has nothing to do with it */
    if (error != LEAT_OK)
        return error;
    return lti_address_plain(folder, name, LTI_PATH_MAX, path_out, size_out);
}

static enum leat_error qt_path(const struct lti_name *name, char *path_out, size_t *size_out,
                               const struct look *look)
{
    const char *tmpdir = lti_os_privileged() ? 0 : lti_os_getenv("TMPDIR");
    enum leat_error error = lti_address_qt(tmpdir, name, lti_os_path_max(), path_out, size_out);
    if (error == LEAT_E_UNSUPPORTED)
        *look->reason = "TMPDIR is no absolute path in UTF-8, so no name of Qt leads anywhere";
    return error;
}

/* What stands behind "unix:". */
static enum leat_error name_place(const struct lti_name *name, bool create, char *place_out,
                                  size_t *size_out, const struct look *look)
{
    enum leat_error error;
    switch (name->form) {
    case LTI_NAME_PLAIN:
        return plain_path(create, name, place_out, size_out, look);
    case LTI_NAME_SYSTEM:
        error = system_use(create, look);
        if (error != LEAT_OK)
            return error;
        return lti_address_plain(lti_os_place(LTI_OS_PLACE_SYSTEM), name, lti_os_path_max(),
                                 place_out, size_out);
    case LTI_NAME_QT:
        return qt_path(name, place_out, size_out, look);
    case LTI_NAME_ABSTRACT:
        if (name->size >= lti_os_path_max()) /* the zero byte in front counts */
            return LEAT_E_NAME_TOO_LONG;
        *size_out = text_put(place_out, text_put(place_out, 0, "@", 1), name->text, name->size);
        return LEAT_OK;
    case LTI_NAME_PATH:
        *size_out = text_put(place_out, 0, name->text, name->size);
        return LEAT_OK;
    case LTI_NAME_PIPE:
        break;
    }
    *look->reason = "a pipe of Windows is no name here";
    return LEAT_E_UNSUPPORTED;
}

enum leat_error lti_port_resolve(const char *text, bool create, struct lti_address *address_out,
                                 const char **reason_out, struct os_code *code_out)
{
    const struct look look = {reason_out, code_out, &address_out->guarded};
    struct lti_name name;
    size_t size = 0;
    *reason_out = 0;
    address_out->guarded = false;
    enum leat_error error = lti_name_parse(text, strlen(text), LTI_PATH_MAX, &name);
    if (error != LEAT_OK)
        return error;
    size_t at = text_put(address_out->text, 0, "unix:", 5);
    error = name_place(&name, create, address_out->text + at, &size, &look);
    if (error != LEAT_OK)
        return error;
    if (address_out->text[at] == '/' && !lti_path_reachable(address_out->text + at, size))
        return LEAT_E_NAME_TOO_LONG;
    at += size;
    address_out->text[at] = 0;
    address_out->size = (uint32_t)at;
    return LEAT_OK;
}

void lti_path_of(const struct lti_address *address, struct lti_path *path_out)
{
    const size_t prefix = 5; /* "unix:" */
    path_out->size = address->size - prefix;
    memcpy(path_out->bytes, address->text + prefix, path_out->size);
    path_out->bytes[path_out->size] = 0;
    if (path_out->bytes[0] == '@')
        path_out->bytes[0] = 0;
}
