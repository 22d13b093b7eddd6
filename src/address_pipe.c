/* SPDX-License-Identifier: MIT
 *
 * Names people write on Windows, judged and taken apart.
 *
 * Happy path: what begins like a pipe of this machine is one, in either spelling; the rest is
 *             judged as on every system.
 * Fails:      NAME for another host's pipes and for what the system would change or misread;
 *             NAME_TOO_LONG when only the length is wrong; UNSUPPORTED for names of Unix.
 * Invariants: nothing is changed or cut; no byte behind the given size is looked at.
 */
#include "address_pipe.h"

#include <string.h>

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* `prefix` is in lower case. */
static bool begins(const char *text, size_t size, const char *prefix)
{
    size_t length = strlen(prefix);
    if (size < length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (lower((uint8_t)text[i]) != (uint8_t)prefix[i])
            return false;
    return true;
}

/* What the system neither changes (a slash, "." and "..") nor shows badly (control characters). */
static bool pipe_clean(const char *text, size_t size)
{
    size_t component = 0; /* where it begins */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && ((uint8_t)text[i] < 0x20 || text[i] == 0x7F || text[i] == '/'))
            return false;
        if (i < size && text[i] != '\\')
            continue;
        size_t length = i - component;
        if (length == 0 || (length == 1 && text[component] == '.') ||
            (length == 2 && text[component] == '.' && text[component + 1] == '.'))
            return false;
        component = i + 1;
    }
    return lti_utf8_valid(text, size);
}

static size_t utf16_units(const char *text, size_t size)
{
    size_t units = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        units += (byte & 0xC0) != 0x80; /* a new code point */
        units += byte >= 0xF0;          /* which needs two */
    }
    return units;
}

enum leat_error lti_pipe_name_parse(const char *name, size_t size, struct lti_name *name_out)
{
    static const char *const prefixes[] = {"\\\\.\\pipe\\", "\\\\?\\pipe\\", "pipe:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (!begins(name, size, prefixes[i]))
            continue;
        size_t length = strlen(prefixes[i]);
        struct lti_name parsed = {LTI_NAME_PATH, name + length, size - length};
        if (!pipe_clean(parsed.text, parsed.size))
            return LEAT_E_NAME;
        if (LTI_PIPE_PREFIX_BYTES + utf16_units(parsed.text, parsed.size) > LTI_PIPE_UNITS_MAX)
            return LEAT_E_NAME_TOO_LONG;
        *name_out = parsed;
        return LEAT_OK;
    }
    struct lti_name parsed;
    enum leat_error error = lti_name_parse(name, size, SIZE_MAX / 2, &parsed);
    if (error != LEAT_OK)
        return error;
    if (parsed.form != LTI_NAME_PLAIN)
        return LEAT_E_UNSUPPORTED;
    *name_out = parsed;
    return LEAT_OK;
}
