/* SPDX-License-Identifier: MIT
 *
 * UTF-8 to UTF-16 and back: every code point, the limits of the room, broken surrogates.
 */
#include "utf16.h"

#include "address.h"

#include "harness.h"

#include <string.h>

static size_t encode(uint32_t point, char bytes[5])
{
    uint16_t units[2];
    size_t count = 1;
    units[0] = (uint16_t)point;
    if (point >= 0x10000) {
        units[0] = (uint16_t)(0xD800 + ((point - 0x10000) >> 10));
        units[1] = (uint16_t)(0xDC00 + ((point - 0x10000) & 0x3FF));
        count = 2;
    }
    return lti_utf8_from_utf16(units, count, bytes, 5);
}

TEST(utf16_every_code_point)
{
    size_t wrong = 0, points = 0;
    for (uint32_t point = 1; point <= 0x10FFFF; point++) {
        char bytes[5];
        uint16_t units[3];
        if (point >= 0xD800 && point < 0xE000)
            continue;
        size_t size = encode(point, bytes);
        size_t expected = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        size_t count = size <= 4 && lti_utf8_valid(bytes, size)
                           ? lti_utf16_from_utf8(bytes, size, units, 3)
                           : 0;
        uint32_t back = units[0];
        if (count == 2)
            back = 0x10000 + ((units[0] - 0xD800u) << 10) + (units[1] - 0xDC00u);
        wrong += size != expected || count != (point < 0x10000 ? 1u : 2u) || units[count] != 0 ||
                 back != point;
        points++;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(points, 0x10FFFF - 0x800);
}

TEST(utf16_known_bytes)
{
    uint16_t units[8];
    const uint16_t expected[] = {'a', 0xE9, 0x20AC, 0xD83D, 0xDE00, 0};
    CHECK_INT(lti_utf16_from_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10, units, 8), 5);
    CHECK_MEM(units, expected, sizeof expected);
    char text[16];
    CHECK_INT(lti_utf8_from_utf16(expected, 5, text, sizeof text), 10);
    CHECK_STR(text, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(utf16_room)
{
    /* What lies behind the room stays as it was. */
    static const uint16_t untouched[16];
    for (size_t room = 0; room <= 6; room++) {
        uint16_t units[16] = {0};
        size_t count = lti_utf16_from_utf8("ab\xF0\x9F\x98\x80", 6, units, room);
        CHECK_INT(count, room >= 5 ? 4 : SIZE_MAX);
        CHECK_MEM(units + room, untouched, (16 - room) * sizeof *units);
    }
    const uint16_t from[] = {'a', 0x20AC, 'b'};
    for (size_t room = 0; room <= 8; room++) {
        char text[16] = {0};
        CHECK_INT(lti_utf8_from_utf16(from, 3, text, room), room >= 6 ? 5 : SIZE_MAX);
        CHECK_MEM(text + room, untouched, 16 - room);
    }
    uint16_t none = 7;
    CHECK_INT(lti_utf16_from_utf8("", 0, &none, 1), 0);
    CHECK_INT(none, 0);
}

TEST(utf16_broken_surrogates)
{
    static const struct {
        uint16_t units[3];
        size_t count;
        const char *text;
    } cases[] = {
        {{0xD800}, 1, "\xEF\xBF\xBD"},
        {{0xDC00}, 1, "\xEF\xBF\xBD"},
        {{0xDBFF}, 1, "\xEF\xBF\xBD"},
        {{0xDFFF}, 1, "\xEF\xBF\xBD"},
        {{0xD7FF, 0xE000}, 2, "\xED\x9F\xBF\xEE\x80\x80"},
        {{0xD800, 0xE000}, 2, "\xEF\xBF\xBD\xEE\x80\x80"},
        {{0xD800, 0xE000, 'x'}, 3, "\xEF\xBF\xBD\xEE\x80\x80x"},
        {{0xDBFF, 0xDFFF}, 2, "\xF4\x8F\xBF\xBF"},
        {{0xD801, 0xDBFF}, 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {{0xD800, 0xDBFF, 0xDFFF}, 3, "\xEF\xBF\xBD\xF4\x8F\xBF\xBF"},
        {{0xDC00, 0xDC00}, 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {{0xDC00, 0xDFFF, 'x'}, 3, "\xEF\xBF\xBD\xEF\xBF\xBDx"},
        {{0xD800, 'x'}, 2, "\xEF\xBF\xBDx"},
        {{0xDC00, 0xD800}, 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {{0xD800, 0xD83D, 0xDE00}, 3, "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        CHECK_INT(lti_utf8_from_utf16(cases[i].units, cases[i].count, text, sizeof text),
                  strlen(cases[i].text));
        CHECK_STR(text, cases[i].text);
    }
}
