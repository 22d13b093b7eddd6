/* SPDX-License-Identifier: MIT
 *
 * UTF-8 to UTF-16 and back.
 *
 * Happy path: one code point at a time, into one or two units, or one to four bytes.
 * Fails:      SIZE_MAX when the result does not fit; what was written is then of no use.
 * Invariants: valid text comes back as it was; nothing beyond the capacity is written.
 */
#include "utf16.h"

#define REPLACEMENT 0xFFFDu

/* The code point at the front of valid UTF-8; *length_out says how many bytes it has. */
static uint32_t utf8_take(const uint8_t *bytes, size_t *length_out)
{
    uint32_t lead = bytes[0];
    if (lead < 0x80) {
        *length_out = 1;
        return lead;
    }
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (bytes[i] & 0x3Fu);
    *length_out = length;
    return point;
}

size_t lti_utf16_from_utf8(const char *text, size_t size, uint16_t *units_out, size_t capacity)
{
    size_t count = 0, at = 0;
    while (at < size) {
        size_t length;
        uint32_t point = utf8_take((const uint8_t *)text + at, &length);
        size_t need = point < 0x10000 ? 1 : 2;
        if (capacity < need || count > capacity - need)
            return SIZE_MAX;
        if (need == 1) {
            units_out[count++] = (uint16_t)point;
        } else {
            units_out[count++] = (uint16_t)(0xD800 + ((point - 0x10000) >> 10));
            units_out[count++] = (uint16_t)(0xDC00 + ((point - 0x10000) & 0x3FF));
        }
        at += length;
    }
    if (count >= capacity)
        return SIZE_MAX;
    units_out[count] = 0;
    return count;
}

static size_t utf8_put(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    bytes[0] = (char)((0xF00u >> length & 0xFF) | point);
    return length;
}

size_t lti_utf8_from_utf16(const uint16_t *units, size_t count, char *text_out, size_t capacity)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t point = units[i];
        if (point >= 0xD800 && point < 0xDC00 && i + 1 < count && units[i + 1] >= 0xDC00 &&
            units[i + 1] < 0xE000) {
            point = 0x10000 + ((point & 0x3FF) << 10 | (units[i + 1] & 0x3FFu));
            i++;
        } else if (point >= 0xD800 && point < 0xE000) {
            point = REPLACEMENT;
        }
        char bytes[4];
        size_t length = utf8_put(point, bytes);
        if (capacity < length || size > capacity - length)
            return SIZE_MAX;
        for (size_t j = 0; j < length; j++)
            text_out[size++] = bytes[j];
    }
    if (size >= capacity)
        return SIZE_MAX;
    text_out[size] = 0;
    return size;
}
