/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, names: where a name leads, and the private folder of plain names.
 *
 * Happy path: a plain name lives in $XDG_RUNTIME_DIR/leat, else in /run/user/UID/leat, else in
 *             /tmp/leat-UID; an explicit path or an abstract name is itself.
 * Fails:      a folder that another owns or others may write is never used: UNTRUSTED. The
 *             environment counts for nothing in a privileged program.
 * Invariants: what resolves is never longer than the system takes; nothing is truncated.
 */
#include "address.h"
#include "port_posix.h"

#include <string.h>

static size_t text_put(char *to, size_t at, const char *text, size_t size)
{
    memcpy(to + at, text, size);
    return at + size;
}

static size_t text_put_number(char *to, size_t at, uint32_t number)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count)
        to[at++] = digits[--count];
    return at;
}

/* A folder is private when it is ours and nobody else may enter it. */
static enum leat_error folder_check(const char *path, struct os_code *code_out)
{
    struct lti_os_file file;
    int64_t result = lti_os_lstat(path, &file);
    if (result < 0)
        return lti_port_error(result, code_out);
    if (file.type != LTI_OS_FILE_DIR || file.uid != lti_os_euid() || (file.mode & 0077))
        return LEAT_E_UNTRUSTED;
    return LEAT_OK;
}

/* The folder's last part is made when it is missing; what is there is checked either way. */
static enum leat_error folder_use(const char *path, bool create, struct os_code *code_out)
{
    enum leat_error error = folder_check(path, code_out);
    if (error == LEAT_E_NOT_FOUND && create) {
        int64_t result = lti_os_mkdir(path, 0700);
        if (result < 0 && lti_os_kind_of(result) != LTI_OS_EXISTS)
            return lti_port_error(result, code_out);
        error = folder_check(path, code_out);
    }
    return error == LEAT_E_NOT_FOUND && !create ? LEAT_OK : error;
}

/* Finds the parent that holds our folder: the runtime directory when it is private to us; size 0
 * when there is none. A look that fails is an error: falling back would part server and client. */
static enum leat_error folder_base(char *folder, size_t room, size_t *size_out,
                                   struct os_code *code_out)
{
    const char *runtime = lti_os_privileged() ? 0 : lti_os_getenv("XDG_RUNTIME_DIR");
    enum leat_error error = LEAT_E_NOT_FOUND;
    size_t size = runtime ? strlen(runtime) : 0;
    *size_out = 0;
    while (size > 1 && runtime[size - 1] == '/')
        size--;
    bool fits = size < room;
    if (size > 0 && runtime[0] == '/') {
        if (fits)
            folder[text_put(folder, 0, runtime, size)] = 0;
        error = folder_check(fits ? folder : runtime, code_out);
    }
    if (error == LEAT_OK) {
        *size_out = size;
        /* Another folder instead would part those who have this environment from the others. */
        return fits ? LEAT_OK : LEAT_E_NAME_TOO_LONG;
    }
    if (error != LEAT_E_NOT_FOUND && error != LEAT_E_UNTRUSTED)
        return error;
    size = text_put(folder, 0, "/run/user/", 10);
    size = text_put_number(folder, size, lti_os_euid());
    folder[size] = 0;
    error = folder_check(folder, code_out);
    if (error == LEAT_OK)
        *size_out = size;
    return error == LEAT_E_NOT_FOUND || error == LEAT_E_UNTRUSTED ? LEAT_OK : error;
}

/* The folder for a name of that size; what would not fit into it makes no folder. */
static enum leat_error folder_find(bool create, size_t name_size, char folder[LTI_OS_PATH_MAX + 1],
                                   struct os_code *code_out)
{
    size_t size;
    enum leat_error error = folder_base(folder, LTI_OS_PATH_MAX - 5, &size, code_out);
    if (error != LEAT_OK)
        return error;
    if (size > 0) {
        size = text_put(folder, size, "/leat", 5);
    } else {
        size = text_put(folder, 0, "/tmp/leat-", 10);
        size = text_put_number(folder, size, lti_os_euid());
    }
    folder[size] = 0;
    if (size + 1 + name_size > LTI_OS_PATH_MAX)
        return LEAT_E_NAME_TOO_LONG;
    return folder_use(folder, create, code_out);
}

enum leat_error lti_port_resolve(const char *text, bool create, struct lti_address *address_out,
                                 struct os_code *code_out)
{
    struct lti_name name;
    enum leat_error error = lti_name_parse(text, strlen(text), LTI_OS_PATH_MAX, &name);
    if (error != LEAT_OK)
        return error;
    char folder[LTI_OS_PATH_MAX + 1];
    size_t at = text_put(address_out->text, 0, "unix:", 5);
    size_t size = 0;
    switch (name.form) {
    case LTI_NAME_PLAIN:
        error = folder_find(create, name.size, folder, code_out);
        if (error == LEAT_OK)
            error =
                lti_address_plain(folder, &name, LTI_OS_PATH_MAX, address_out->text + at, &size);
        if (error != LEAT_OK)
            return error;
        at += size;
        break;
    case LTI_NAME_ABSTRACT:
        if (name.size >= LTI_OS_PATH_MAX) /* the zero byte in front counts */
            return LEAT_E_NAME_TOO_LONG;
        at = text_put(address_out->text, at, "@", 1);
        at = text_put(address_out->text, at, name.text, name.size);
        break;
    case LTI_NAME_PATH:
        at = text_put(address_out->text, at, name.text, name.size);
        break;
    }
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
