/* SPDX-License-Identifier: MIT
 *
 * The POSIX port, a server's way to a path: a place that stays the same, and fits an address.
 *
 * Happy path: where nobody else can change a folder on the way, the path itself is good, and is
 *             what the system shows of the socket. Else, or when it is too long, its folder is
 *             opened once, judged, and everything happens in that, by the name of its descriptor.
 * Fails:      a folder in which others can change names is UNTRUSTED.
 * Invariants: between the look at the folder and the last call that is made in it, whoever renames
 *             something above it does not lead us elsewhere. Without /proc, only a path that fits
 *             can be used, and that holds for folders of root's and ours alone.
 */
#include "port_posix.h"

#include <string.h>

static size_t name_at(const char *path, size_t size)
{
    while (size > 0 && path[size - 1] != '/')
        size--;
    return size;
}

static size_t place_name_at(const struct lti_path *path)
{
    return name_at(path->bytes, path->size);
}

bool lti_path_reachable(const char *path, size_t size)
{
    return size <= lti_os_path_max() || size - name_at(path, size) <= LTI_OS_NAME_MAX;
}

/* No folder of the path, from the root down, is a link or can be changed by others. */
static bool place_firm(const struct lti_path *path)
{
    struct lti_path part = *path;
    const char *reason;
    struct os_code code;
    return lti_folders_above(part.bytes, part.size, &reason, &code) == LEAT_OK;
}

static int64_t folder_open(const struct lti_path *path)
{
    struct lti_path folder = *path;
    size_t size = place_name_at(path);
    folder.bytes[size > 1 ? size - 1 : 1] = 0; /* the root keeps its slash */
    return lti_os_open_folder(folder.bytes);
}

bool lti_place_again(struct lti_path *path, intptr_t folder)
{
    struct lti_path held;
    char *end = held.bytes;
    if (folder < 0)
        return true;
    size_t at = place_name_at(path), name = path->size - at;
    int64_t size = lti_os_folder_path((int)folder, end);
    if (size < 0)
        return false;
    held.bytes[size] = '/';
    memcpy(held.bytes + size + 1, path->bytes + at, name + 1);
    held.size = (size_t)size + 1 + name;
    *path = held;
    return true;
}

enum leat_error lti_place_hold(struct lti_path *path, bool guarded, size_t room,
                               intptr_t *folder_out, struct os_code *code_out)
{
    bool fits = path->size + room <= lti_os_path_max();
    if (guarded && fits)
        return LEAT_OK;
    int64_t folder = folder_open(path);
    if (folder < 0)
        return lti_port_error(folder, code_out);
    const char *reason;
    enum leat_error error = lti_folder_check_open((int)folder, LTI_FOLDER_ABOVE, &reason, code_out);
    bool held = error == LEAT_OK && (!fits || !place_firm(path));
    if (held && path->size - place_name_at(path) + room > LTI_OS_NAME_MAX)
        error = LEAT_E_NAME_TOO_LONG;
    else if (held && !lti_place_again(path, (intptr_t)folder)) {
        held = false;
        error = fits ? LEAT_OK : LEAT_E_UNSUPPORTED;
    }
    if (error == LEAT_OK && held)
        *folder_out = (intptr_t)folder;
    else
        (void)lti_os_close((int)folder);
    return error;
}
