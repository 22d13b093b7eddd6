/* SPDX-License-Identifier: MIT
 *
 * Names people write, judged and taken apart.
 *
 * Happy path: parse finds the form by how the name begins, judges the rest by that form's rules,
 *             and points at the part that matters.
 * Fails:      NAME when no form allows it, however long it is: also for another host's pipes;
 *             NAME_TOO_LONG when only the length is wrong.
 * Invariants: nothing is changed or cut; no byte behind the given size is looked at; a parsed
 *             path is absolute and has no component that leads up.
 */
#include "address.h"

#include <string.h>

static bool byte_between(uint8_t byte, uint8_t first, uint8_t last)
{
    return byte >= first && byte <= last;
}

/* The size of the UTF-8 sequence at the front, 0 when it is none. The table is Unicode 3.9, table
 * 3-7: no overlong form, no surrogate, nothing above U+10FFFF. */
static size_t utf8_sequence(const uint8_t *bytes, size_t size)
{
    uint8_t lead = bytes[0];
    if (lead < 0x80)
        return 1;
    if (!byte_between(lead, 0xC2, 0xF4))
        return 0;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length > size)
        return 0;
    uint8_t first = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t last = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (!byte_between(bytes[1], first, last))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!byte_between(bytes[i], 0x80, 0xBF))
            return 0;
    return length;
}

bool lti_utf8_valid(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t length = utf8_sequence((const uint8_t *)text + at, size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static bool text_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        bool alphanumeric = byte_between(byte, 'a', 'z') || byte_between(byte, '0', '9');
        bool punctuation = byte == '.' || byte == '_' || byte == '-';
        if (!alphanumeric && (!punctuation || i == 0))
            return false;
        if (byte == '.' && text[i - 1] == '.')
            return false;
    }
    return size > 0;
}

/* Text that a C string and a log can hold. */
static bool text_clean(const char *text, size_t size)
{
    return memchr(text, '\0', size) == NULL && lti_utf8_valid(text, size);
}

/* By the rules of paths, absolute or not. */
static bool text_path(const char *text, size_t size)
{
    size_t component = 0; /* where it begins */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && text[i] != '/')
            continue;
        if (i - component == 2 && text[component] == '.' && text[component + 1] == '.')
            return false;
        component = i + 1;
    }
    return size > 0 && text[size - 1] != '/' && text_clean(text, size);
}

bool lti_path_valid(const char *text, size_t size)
{
    return size > 0 && text[0] == '/' && text_path(text, size);
}

bool lti_pipe_valid(const char *text, size_t size)
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

bool lti_pipe_fits(const char *text, size_t size)
{
    return LTI_PIPE_PREFIX_BYTES + utf16_units(text, size) <= LTI_PIPE_UNITS_MAX;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* How names that are not plain begin. Pipes in any case, as their system reads them. */
static const struct prefix {
    enum lti_name_form form;
    bool any_case;
    const char *text; /* in lower case */
} prefixes[] = {
    {LTI_NAME_SYSTEM, false, "system:"},
    {LTI_NAME_QT, false, "qt:"},
    {LTI_NAME_ABSTRACT, false, "unix:@"},
    {LTI_NAME_PATH, false, "unix:"},
    {LTI_NAME_PATH, false, ""}, /* when it begins with '/' */
    {LTI_NAME_PIPE, true, LTI_PIPE_PREFIX},
    {LTI_NAME_PIPE, true, "\\\\?\\pipe\\"},
    {LTI_NAME_PIPE, true, "pipe:"},
    {LTI_NAME_PLAIN, false, ""},
};

static bool begins(const char *text, size_t size, const struct prefix *prefix)
{
    size_t length = strlen(prefix->text);
    if (size < length)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];
        if ((prefix->any_case ? lower(byte) : byte) != (uint8_t)prefix->text[i])
            return false;
    }
    bool bare = length == 0 && prefix->form == LTI_NAME_PATH;
    return !bare || (size > 0 && text[0] == '/');
}

/* Judges what follows the prefix. */
static bool name_valid(const struct lti_name *name)
{
    switch (name->form) {
    case LTI_NAME_PLAIN:
    case LTI_NAME_SYSTEM:
        return text_plain(name->text, name->size);
    case LTI_NAME_QT:
        return text_path(name->text, name->size);
    case LTI_NAME_PATH:
        return lti_path_valid(name->text, name->size);
    case LTI_NAME_ABSTRACT:
        return name->size > 0 && text_clean(name->text, name->size);
    case LTI_NAME_PIPE:
        return lti_pipe_valid(name->text, name->size);
    }
    return false;
}

static bool name_fits(const struct lti_name *name, size_t path_bytes_max)
{
    switch (name->form) {
    case LTI_NAME_PLAIN:
    case LTI_NAME_SYSTEM:
        return name->size <= LTI_NAME_BYTES_MAX;
    case LTI_NAME_PATH:
    case LTI_NAME_ABSTRACT:
        return name->size <= path_bytes_max;
    case LTI_NAME_PIPE:
        return lti_pipe_fits(name->text, name->size);
    case LTI_NAME_QT:
        break;
    }
    return true;
}

enum leat_error lti_name_parse(const char *name, size_t size, size_t path_bytes_max,
                               struct lti_name *name_out)
{
    const struct prefix *prefix = prefixes;
    while (!begins(name, size, prefix)) /* the last one always does */
        prefix++;
    size_t length = strlen(prefix->text);
    struct lti_name parsed = {prefix->form, name + length, size - length};
    if (!name_valid(&parsed))
        return LEAT_E_NAME;
    if (!name_fits(&parsed, path_bytes_max))
        return LEAT_E_NAME_TOO_LONG;
    *name_out = parsed;
    return LEAT_OK;
}

enum leat_error lti_address_plain(const char *directory, const struct lti_name *name,
                                  size_t path_bytes_max, char *path_out, size_t *size_out)
{
    size_t directory_size = strlen(directory);
    if (directory_size > 0 && directory[directory_size - 1] == '/')
        directory_size--;
    size_t size = directory_size + 1 + name->size; /* no overflow: both are in memory */
    if (size > path_bytes_max)
        return LEAT_E_NAME_TOO_LONG;
    memcpy(path_out, directory, directory_size);
    path_out[directory_size] = '/';
    memcpy(path_out + directory_size + 1, name->text, name->size);
    *size_out = size;
    return LEAT_OK;
}

/* Tidies an absolute path up as QDir::cleanPath does: without empty components and ".", and ".."
 * takes the one before it away, whatever that is on the disk. UNSUPPORTED: it leads up from the
 * root. NAME_TOO_LONG. */
static enum leat_error folder_tidy(const char *folder, size_t room, char *tidy_out,
                                   size_t *size_out)
{
    size_t at = 0;
    for (const char *part = folder; *part;) {
        size_t size = 0;
        while (part[size] && part[size] != '/')
            size++;
        if (size == 2 && part[0] == '.' && part[1] == '.') {
            if (at == 0)
                return LEAT_E_UNSUPPORTED;
            while (tidy_out[--at] != '/')
                continue;
        } else if (size > 0 && (size != 1 || part[0] != '.')) {
            if (size >= room - at)
                return LEAT_E_NAME_TOO_LONG;
            tidy_out[at++] = '/';
            memcpy(tidy_out + at, part, size);
            at += size;
        }
        part += size;
        part += *part == '/';
    }
    *size_out = at;
    return LEAT_OK;
}

enum leat_error lti_address_qt(const char *tmpdir, const struct lti_name *name,
                               size_t path_bytes_max, char *path_out, size_t *size_out)
{
    size_t most = path_bytes_max;
    if (most > LTI_QT_PATH_BYTES_MAX)
        most = LTI_QT_PATH_BYTES_MAX;
    size_t size = 0;
    if (name->text[0] != '/') {
        const char *folder = tmpdir && tmpdir[0] ? tmpdir : "/tmp";
        if (folder[0] != '/' || !text_clean(folder, strlen(folder)))
            return LEAT_E_UNSUPPORTED;
        enum leat_error error = folder_tidy(folder, most - 1, path_out, &size);
        if (error != LEAT_OK)
            return error;
        path_out[size++] = '/';
    }
    if (name->size > most - size)
        return LEAT_E_NAME_TOO_LONG;
    memcpy(path_out + size, name->text, name->size);
    *size_out = size + name->size;
    return LEAT_OK;
}
