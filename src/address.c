/* SPDX-License-Identifier: MIT
 *
 * Names people write, judged and taken apart.
 *
 * Happy path: parse finds the form by how the name begins, judges the rest by that form's rules,
 *             and points at the part that matters.
 * Fails:      NAME when no form allows it, however long it is; NAME_TOO_LONG when only the
 *             length is wrong.
 * Invariants: nothing is changed or cut; no byte behind the given size is looked at; a parsed
 *             path is absolute and has no component that leads up.
 */
#include "address.h"

#include <string.h>

#define EXPLICIT_PREFIX "unix:"
#define EXPLICIT_PREFIX_BYTES (sizeof EXPLICIT_PREFIX - 1)

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

/* `text` begins with '/'. */
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
    return text[size - 1] != '/' && text_clean(text, size);
}

enum leat_error lti_name_parse(const char *name, size_t size, size_t path_bytes_max,
                               struct lti_name *name_out)
{
    struct lti_name parsed = {LTI_NAME_PLAIN, name, size};
    size_t bytes_max = LTI_NAME_BYTES_MAX;
    bool explicit =
        size > EXPLICIT_PREFIX_BYTES && memcmp(name, EXPLICIT_PREFIX, EXPLICIT_PREFIX_BYTES) == 0;
    if (explicit) {
        parsed.text += EXPLICIT_PREFIX_BYTES;
        parsed.size -= EXPLICIT_PREFIX_BYTES;
    }
    if (parsed.size > 0 && parsed.text[0] == '/') {
        parsed.form = LTI_NAME_PATH;
        bytes_max = path_bytes_max;
        if (!text_path(parsed.text, parsed.size))
            return LEAT_E_NAME;
    } else if (explicit) {
        if (parsed.text[0] != '@' || parsed.size == 1)
            return LEAT_E_NAME;
        parsed.form = LTI_NAME_ABSTRACT;
        parsed.text++;
        parsed.size--;
        bytes_max = path_bytes_max;
        if (!text_clean(parsed.text, parsed.size))
            return LEAT_E_NAME;
    } else if (!text_plain(name, size)) {
        return LEAT_E_NAME;
    }
    if (parsed.size > bytes_max)
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
    if (directory_size > path_bytes_max || path_bytes_max - directory_size < name->size + 1)
        return LEAT_E_NAME_TOO_LONG;
    memcpy(path_out, directory, directory_size);
    path_out[directory_size] = '/';
    memcpy(path_out + directory_size + 1, name->text, name->size);
    *size_out = directory_size + 1 + name->size;
    return LEAT_OK;
}
