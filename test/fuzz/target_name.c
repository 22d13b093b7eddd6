/* SPDX-License-Identifier: MIT
 *
 * Names and addresses of both systems: what is accepted keeps the grammar of leat.h, what keeps it
 * is accepted, and no byte is looked at or written beyond the size that was told.
 *
 * Input: a byte of choices (its lower half is the form that the name is given, 0 for none; 16: the
 * name is short of room), a byte for the room of paths, then the name.
 */
#include "fuzz.h"

#include "access.h"
#include "address_pipe.h"
#include "tool.h"
#include "utf16.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 400u

static bool plain_right(const char *text, size_t size)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789", marks[] = "._-";
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0' || (!strchr(first, text[i]) && (i == 0 || !strchr(marks, text[i]))))
            return false;
        if (i > 0 && text[i] == '.' && text[i - 1] == '.')
            return false;
    }
    return size > 0;
}

/* No component of a path leads up; nothing that a C string or a log cannot hold. */
static bool path_right(const char *text, size_t size)
{
    char framed[NAME_MAX_BYTES + 16];
    if (size == 0 || memchr(text, '\0', size) || !lti_tool_utf8_valid(text, size))
        return false;
    (void)snprintf(framed, sizeof framed, "/%.*s/", (int)size, text);
    return !strstr(framed, "/../") && text[size - 1] != '/';
}

static bool pipe_right(const char *text, size_t size)
{
    char framed[NAME_MAX_BYTES + 16];
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)text[i] < ' ' || text[i] == 0x7F || text[i] == '/')
            return false;
    if (!lti_tool_utf8_valid(text, size))
        return false;
    (void)snprintf(framed, sizeof framed, "\\%.*s\\", (int)size, text);
    return !strstr(framed, "\\\\") && !strstr(framed, "\\.\\") && !strstr(framed, "\\..\\");
}

static bool form_right(const struct lti_name *name)
{
    switch (name->form) {
    case LTI_NAME_PLAIN:
    case LTI_NAME_SYSTEM:
        return plain_right(name->text, name->size);
    case LTI_NAME_QT:
        return path_right(name->text, name->size);
    case LTI_NAME_PATH:
        return path_right(name->text, name->size) && name->text[0] == '/';
    case LTI_NAME_ABSTRACT:
        return name->size > 0 && !memchr(name->text, '\0', name->size) &&
               lti_tool_utf8_valid(name->text, name->size);
    case LTI_NAME_PIPE:
        return pipe_right(name->text, name->size);
    }
    return false;
}

/* Into UTF-16 and back, into room that just suffices, and into room that does not. */
static size_t units_judge(const char *text, size_t size)
{
    uint16_t *units = malloc((NAME_MAX_BYTES + 1) * sizeof *units);
    REQUIRE(units != NULL);
    size_t count = lti_utf16_from_utf8(text, size, units, NAME_MAX_BYTES + 1);
    REQUIRE(count != SIZE_MAX && units[count] == 0);
    uint16_t *exact = malloc((count + 1) * sizeof *exact);
    char *back = malloc(size + 1);
    REQUIRE(exact != NULL && back != NULL);
    CHECK(lti_utf16_from_utf8(text, size, exact, count) == SIZE_MAX);
    CHECK_INT(lti_utf16_from_utf8(text, size, exact, count + 1), count);
    CHECK_MEM(exact, units, (count + 1) * sizeof *exact);
    CHECK(lti_utf8_from_utf16(exact, count, back, size) == SIZE_MAX);
    CHECK_INT(lti_utf8_from_utf16(exact, count, back, size + 1), size);
    CHECK(size == 0 || memcmp(back, text, size) == 0);
    free(back);
    free(exact);
    free(units);
    return count;
}

/* Any units become text that is valid, however much of it is no character. */
static void units_any(const char *text, size_t size)
{
    uint16_t units[NAME_MAX_BYTES / 2];
    char out[NAME_MAX_BYTES * 2];
    size_t count = size / 2;
    memcpy(units, text, count * 2);
    size_t length = lti_utf8_from_utf16(units, count, out, sizeof out);
    REQUIRE(length != SIZE_MAX);
    CHECK(lti_tool_utf8_valid(out, length) && lti_utf8_valid(out, length));
}

/* What a parsed name becomes below a folder, in a buffer of just the room that was told. */
static void places_judge(const struct lti_name *name, const char *folder, size_t room)
{
    char *path = malloc(room);
    size_t size = SIZE_MAX;
    REQUIRE(path != NULL);
    if (name->form == LTI_NAME_PLAIN || name->form == LTI_NAME_SYSTEM) {
        enum leat_error error = lti_address_plain("/run/leat", name, room, path, &size);
        CHECK_ERROR(error, name->size + 10 <= room ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        if (error == LEAT_OK)
            CHECK(size == name->size + 10 && path_right(path, size) && path[0] == '/');
    } else if (name->form == LTI_NAME_QT && room > 1) {
        enum leat_error error = lti_address_qt(folder, name, room, path, &size);
        if (error == LEAT_OK) {
            CHECK(size <= room && size <= LTI_QT_PATH_BYTES_MAX);
            CHECK(path_right(path, size) && path[0] == '/');
            CHECK(memcmp(path + size - name->size, name->text, name->size) == 0);
        }
        if (name->text[0] == '/')
            CHECK_ERROR(error, name->size <= room && name->size <= LTI_QT_PATH_BYTES_MAX
                                   ? LEAT_OK
                                   : LEAT_E_NAME_TOO_LONG);
    }
    free(path);
}

static void parsed_judge(const char *text, size_t size, size_t room)
{
    static const struct lti_name untouched = {LTI_NAME_PLAIN, NULL, 77};
    struct lti_name name = untouched, pipe = untouched;
    enum leat_error error = lti_name_parse(text, size, room, &name);
    enum leat_error other = lti_pipe_name_parse(text, size, &pipe);
    if (error == LEAT_OK) {
        CHECK(name.text + name.size == text + size && form_right(&name));
        if (name.form == LTI_NAME_PATH || name.form == LTI_NAME_ABSTRACT)
            CHECK(name.size <= room);
        else if (name.form != LTI_NAME_QT && name.form != LTI_NAME_PIPE)
            CHECK(name.size <= LTI_NAME_BYTES_MAX);
        places_judge(&name, text, room);
    } else {
        CHECK(error == LEAT_E_NAME || error == LEAT_E_NAME_TOO_LONG);
        CHECK(name.text == NULL && name.size == 77);
    }
    if (other == LEAT_OK) {
        CHECK(pipe.text + pipe.size == text + size && form_right(&pipe));
        size_t units = units_judge(pipe.text, pipe.size);
        CHECK(pipe.form != LTI_NAME_PIPE || units + LTI_PIPE_PREFIX_BYTES <= LTI_PIPE_UNITS_MAX);
    } else {
        CHECK(pipe.text == NULL && pipe.size == 77);
    }
    /* The two systems differ in what they have, never in what a name of both is. */
    if (error == LEAT_OK && (name.form == LTI_NAME_PLAIN || name.form == LTI_NAME_SYSTEM))
        CHECK(other == LEAT_OK && pipe.form == name.form && pipe.size == name.size);
    if (error == LEAT_OK && (name.form == LTI_NAME_PATH || name.form == LTI_NAME_ABSTRACT))
        CHECK_ERROR(other, LEAT_E_UNSUPPORTED);
}

/* A name that keeps the grammar: it must be taken. */
static void right_judge(const char *text, size_t size)
{
    struct lti_name name = {LTI_NAME_PLAIN, NULL, 0};
    char whole[NAME_MAX_BYTES + 32];
    if (plain_right(text, size))
        CHECK_ERROR(lti_name_parse(text, size, 107, &name),
                    size <= LTI_NAME_BYTES_MAX ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
    if (path_right(text, size)) {
        int length = snprintf(whole, sizeof whole, "unix:/%.*s", (int)size, text);
        CHECK_ERROR(lti_name_parse(whole, (size_t)length, sizeof whole, &name), LEAT_OK);
        CHECK_INT(name.form, LTI_NAME_PATH);
        CHECK_INT(name.size, size + 1);
    }
    if (pipe_right(text, size)) {
        int length = snprintf(whole, sizeof whole, "PiPe:%.*s", (int)size, text);
        size_t units = units_judge(text, size) + LTI_PIPE_PREFIX_BYTES;
        CHECK_ERROR(lti_name_parse(whole, (size_t)length, 107, &name),
                    units <= LTI_PIPE_UNITS_MAX ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
    }
}

/* Users and groups as numbers: those that print as they were written. */
static void number_judge(const char *text)
{
    uint32_t number = 77;
    char again[32];
    bool right = lti_access_number(text, &number);
    uint64_t value = strtoull(text, NULL, 10);
    (void)snprintf(again, sizeof again, "%" PRIu64, value);
    CHECK_INT(right, value < UINT32_MAX && strcmp(again, text) == 0);
    if (right)
        CHECK_INT(number, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const forms[] = {"",       "system:",       "qt:",           "unix:", "/",
                                        "unix:@", "\\\\.\\pipe\\", "\\\\?\\PIPE\\", "pipe:"};
    struct fuzz_input input = {data, size};
    uint8_t choices = fuzz_byte(&input);
    size_t wish = fuzz_byte(&input), room = choices & 16 ? wish + 1 : 107;
    const char *form = forms[(choices & 15) % (sizeof forms / sizeof forms[0])];
    struct fuzz_input rest = fuzz_part(&input, NAME_MAX_BYTES - 32);
    /* Memory of just that size, and a zero byte only for what wants one. */
    size_t length = strlen(form) + rest.size;
    char *name = malloc(length + 1), *exact = malloc(length > 0 ? length : 1);
    REQUIRE(name != NULL && exact != NULL);
    memcpy(name, form, strlen(form));
    if (rest.size > 0)
        memcpy(name + strlen(form), rest.data, rest.size);
    memcpy(exact, name, length);
    name[length] = '\0';

    CHECK_INT(lti_utf8_valid(exact, length), lti_tool_utf8_valid(exact, length));
    parsed_judge(exact, length, room);
    right_judge(exact, length);
    units_any(exact, length);
    number_judge(name);
    if (!memchr(name, '\0', length)) {
        const struct lti_name qt = {LTI_NAME_QT, "x", 1};
        places_judge(&qt, name, room);
    }
    free(exact);
    free(name);
    return 0;
}
