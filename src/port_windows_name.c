/* SPDX-License-Identifier: MIT
 *
 * The Windows port, names: where a name leads.
 *
 * Happy path: a plain name lives below this user's own prefix, \\.\pipe\leat\SID\; one of the
 *             system below \\.\pipe\leat\system\; one of Qt is the pipe that QLocalServer makes; an
 *             explicit pipe is itself, spelled one way.
 * Fails:      a user that cannot be found out is an error, never a default.
 * Invariants: what resolves is never longer than the system takes; nothing is truncated.
 */
#include "address_pipe.h"
#include "port_windows.h"
#include "utf16.h"

#include <string.h>

#define PLAIN_PREFIX LTI_PIPE_PREFIX "leat\\"
/* Anybody can take a name here while its server is not there, as anywhere in this flat namespace:
 * the server is then refused, and clients see by the owner whom they have met. The prefix that only
 * administrators can make pipes below, ProtectedPrefix\Administrators\, is written down nowhere,
 * keeps services out that run as LocalService, NetworkService or an account of their own, and names
 * would have to lead to several places. Who wants it says so: as a pipe's name it is accepted. */
#define SYSTEM_PREFIX LTI_PIPE_PREFIX "leat\\system\\"

enum leat_error lti_port_resolve(const char *name, bool create, struct lti_address *address_out,
                                 const char **reason_out, struct os_code *code_out)
{
    (void)create; /* there are no folders */
    struct lti_name parsed;
    struct lti_os_identity own;
    struct lti_nt_text text = {address_out->text, 0, sizeof address_out->text};
    *reason_out = 0;
    address_out->guarded = true; /* there are no folders */
    enum leat_error error = lti_pipe_name_parse(name, strlen(name), &parsed);
    if (error == LEAT_E_UNSUPPORTED)
        *reason_out = "a path or an abstract name of Unix is no name here";
    if (error != LEAT_OK)
        return error;
    if (parsed.form == LTI_NAME_PLAIN) {
        error = lti_port_error(lti_os_identity(&own), code_out);
        if (error != LEAT_OK) {
            *reason_out = "it cannot be found out which user this is";
            return error;
        }
        const char *const parts[] = {PLAIN_PREFIX, own.user, "\\", 0};
        (void)lti_nt_put_all(&text, parts);
    } else {
        bool system = parsed.form == LTI_NAME_SYSTEM;
        const char *const parts[] = {system ? SYSTEM_PREFIX : LTI_PIPE_PREFIX, 0};
        (void)lti_nt_put_all(&text, parts);
    }
    if (text.size < text.room)
        lti_nt_put(&text, parsed.text, parsed.size);
    if (text.size >= text.room)
        return LEAT_E_NAME_TOO_LONG;
    address_out->size = (uint32_t)text.size;
    return LEAT_OK;
}

bool lti_nt_name(const struct lti_address *address, uint16_t name_out[LTI_OS_PIPE_UNITS_MAX + 1])
{
    return lti_utf16_from_utf8(address->text, address->size, name_out, LTI_OS_PIPE_UNITS_MAX + 1) !=
           SIZE_MAX;
}
