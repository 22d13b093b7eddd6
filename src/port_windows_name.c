/* SPDX-License-Identifier: MIT
 *
 * The Windows port, names and users: where a name leads, who may open it, who somebody is.
 *
 * Happy path: a plain name lives below this user's own prefix, \\.\pipe\leat\SID\; an explicit pipe
 *             is itself, spelled one way.
 * Fails:      a user that cannot be found out is an error, never a default.
 * Invariants: what resolves is never longer than the system takes; nothing is truncated. Every pipe
 *             of ours has a descriptor that says who may open it, and denies it to the network.
 */
#include "address_pipe.h"
#include "port_windows.h"
#include "utf16.h"

#include <string.h>

#define PLAIN_PREFIX LTI_PIPE_PREFIX "leat\\"
#define SECURITY_BYTES (4 * LTI_OS_SID_BYTES + 256)
/* Read, write, attributes; not: make instances, change the descriptor. */
#define CLIENT_RIGHTS "0x12019b"

#define SID_SYSTEM "S-1-5-18"
#define SID_ADMINISTRATORS "S-1-5-32-544"

struct text {
    char *bytes;
    size_t size, room; /* without and with the zero byte */
};

static void put(struct text *text, const char *more, size_t size)
{
    if (size >= text->room - text->size) {
        text->size = text->room; /* shows that it did not fit */
        return;
    }
    memcpy(text->bytes + text->size, more, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

static bool put_all(struct text *text, const char *const *parts)
{
    for (; *parts && text->size < text->room; parts++)
        put(text, *parts, strlen(*parts));
    return text->size < text->room;
}

enum leat_error lti_port_resolve(const char *name, bool create, struct lti_address *address_out,
                                 struct os_code *code_out)
{
    (void)create; /* there are no folders */
    struct lti_name parsed;
    struct lti_os_identity own;
    struct text text = {address_out->text, 0, sizeof address_out->text};
    enum leat_error error = lti_pipe_name_parse(name, strlen(name), &parsed);
    if (error != LEAT_OK)
        return error;
    if (parsed.form == LTI_NAME_PLAIN) {
        error = lti_port_error(lti_os_identity(&own), code_out);
        if (error != LEAT_OK)
            return error;
        const char *const parts[] = {PLAIN_PREFIX, own.user, "\\", 0};
        (void)put_all(&text, parts);
    } else {
        const char *const parts[] = {LTI_PIPE_PREFIX, 0};
        (void)put_all(&text, parts);
    }
    if (text.size < text.room)
        put(&text, parsed.text, parsed.size);
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

enum leat_error lti_nt_security(enum leat_who who, void **security_out, struct os_code *code_out)
{
    struct lti_os_identity own;
    char bytes[SECURITY_BYTES];
    struct text text = {bytes, 0, sizeof bytes};
    enum leat_error error = lti_port_error(lti_os_identity(&own), code_out);
    if (error != LEAT_OK)
        return error;
    /* Owner and group by name, because an administrator's are a group otherwise; network and
     * anonymous denied first; nothing inherited. */
    const char *const parts[] = {"O:",
                                 own.user,
                                 "G:",
                                 own.user,
                                 "D:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;",
                                 own.user,
                                 ")(A;;" CLIENT_RIGHTS ";;;SY)",
                                 0};
    bool fits = put_all(&text, parts);
    if (fits && who == LEAT_WHO_INSECURE_ANYONE) {
        const char *const anyone[] = {"(A;;" CLIENT_RIGHTS ";;;WD)", 0};
        fits = put_all(&text, anyone);
    } else if (fits && own.integrity[0]) {
        /* Keeps processes of this user out that are less trusted than this one. */
        const char *const label[] = {"S:(ML;;NWNR;;;", own.integrity, ")", 0};
        fits = put_all(&text, label);
    }
    if (!fits)
        return LEAT_E_SYSTEM;
    return lti_port_error(lti_os_security_create(bytes, security_out), code_out);
}

static bool text_same(const char *a, const char *b)
{
    size_t size = strlen(a);
    return size == strlen(b) && memcmp(a, b, size) == 0;
}

enum leat_error lti_nt_user(const char *sid, uint32_t *user_out, struct os_code *code_out)
{
    struct lti_os_identity own;
    enum leat_error error = lti_port_error(lti_os_identity(&own), code_out);
    if (error != LEAT_OK)
        return error;
    if (text_same(sid, own.user))
        *user_out = LTI_NT_USER_SELF;
    else if (text_same(sid, SID_SYSTEM) || text_same(sid, SID_ADMINISTRATORS))
        *user_out = LTI_NT_USER_SYSTEM;
    else
        *user_out = LTI_NT_USER_OTHER;
    return LEAT_OK;
}
