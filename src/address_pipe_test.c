/* SPDX-License-Identifier: MIT
 *
 * Names on Windows: what is one, of which form, and what is none.
 */
#include "address_pipe.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From a block of just this size, so that a checker sees any byte read behind it. */
static enum leat_error parse(const char *text, size_t size, enum lti_name_form *form_out,
                             char part_out[1200])
{
    struct lti_name name;
    char *exact = malloc(size > 0 ? size : 1);
    REQUIRE(exact != NULL);
    memcpy(exact, text, size);
    enum leat_error error = lti_pipe_name_parse(exact, size, &name);
    if (error == LEAT_OK) {
        REQUIRE(name.text >= exact && name.text + name.size == exact + size && name.size < 1200);
        *form_out = name.form;
        memcpy(part_out, name.text, name.size);
        part_out[name.size] = '\0';
    }
    free(exact);
    return error;
}

static void expect_form(const char *text, enum lti_name_form form, const char *part)
{
    char found[1200] = "";
    enum lti_name_form found_form = 0;
    bool good = CHECK_ERROR(parse(text, strlen(text), &found_form, found), LEAT_OK);
    good = CHECK_INT(found_form, form) && good;
    if (!CHECK_STR(found, part) || !good)
        printf("for the name \"%s\"\n", text);
}

static void expect_error(const char *text, size_t size, enum leat_error error)
{
    char found[1200];
    enum lti_name_form form;
    if (!CHECK_ERROR(parse(text, size, &form, found), error))
        printf("for the name \"%.*s\"\n", (int)size, text);
}

TEST(address_pipe_forms)
{
    expect_form("x", LTI_NAME_PLAIN, "x");
    expect_form("my-service_1.example", LTI_NAME_PLAIN, "my-service_1.example");
    expect_form("pipe", LTI_NAME_PLAIN, "pipe");
    expect_form("\\\\.\\pipe\\x", LTI_NAME_PIPE, "x");
    expect_form("\\\\.\\PIPE\\X y", LTI_NAME_PIPE, "X y");
    expect_form("\\\\?\\pipe\\x", LTI_NAME_PIPE, "x");
    expect_form("\\\\?\\PiPe\\LOCAL\\x", LTI_NAME_PIPE, "LOCAL\\x");
    expect_form("pipe:x", LTI_NAME_PIPE, "x");
    expect_form("PIPE:x", LTI_NAME_PIPE, "x");
    expect_form("pipe:\xC3\xA9\xF0\x9F\x98\x80", LTI_NAME_PIPE, "\xC3\xA9\xF0\x9F\x98\x80");
    expect_form("pipe:a.b..c", LTI_NAME_PIPE, "a.b..c");
    expect_form("pipe:...", LTI_NAME_PIPE, "...");
    expect_form("system:x", LTI_NAME_SYSTEM, "x");
    expect_form("system", LTI_NAME_PLAIN, "system");
    expect_form("qt", LTI_NAME_PLAIN, "qt");
    expect_form("pipe:ProtectedPrefix\\Administrators\\x", LTI_NAME_PIPE,
                "ProtectedPrefix\\Administrators\\x");
}

/* Qt puts the prefix before whatever does not begin with it, letter for letter. */
TEST(address_pipe_qt)
{
    static const char *const bad[] = {
        "qt:\\\\.\\PIPE\\x",
        "qt:\\\\?\\pipe\\x",
        "qt:\\\\.\\pipe\\",
        "qt:\\\\host\\pipe\\x",
        "qt:a\\",
        "qt:\\a",
        "qt:a\\..\\b",
        "qt:.",
        "qt:a/b",
        "qt:a\nb",
        "QT:a",
        "qt:",
        "qt:..",
        "system:A",
        "system:a\\b",
        "SYSTEM:a",
        "system:",
    };
    expect_form("qt:foo", LTI_NAME_PIPE, "foo");
    expect_form("qt:My App-1.2", LTI_NAME_PIPE, "My App-1.2");
    expect_form("qt:a\\b", LTI_NAME_PIPE, "a\\b");
    expect_form("qt:pipe:x", LTI_NAME_PIPE, "pipe:x");
    expect_form("qt:\\\\.\\pipe\\foo", LTI_NAME_PIPE, "foo");
    expect_error("qt:/tmp/x", 9, LEAT_E_UNSUPPORTED);
    expect_error("qt:a\0b", 6, LEAT_E_NAME);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(bad[i], strlen(bad[i]), LEAT_E_NAME);
}

TEST(address_pipe_bad)
{
    static const char *const bad[] = {
        "",
        "X",
        "a b",
        "..",
        "a..b",
        "\\\\.\\pipe\\",
        "pipe:",
        "\\\\.\\pipe",
        "\\\\.\\x",
        "\\\\.\\mailslot\\x",
        "\\\\host\\pipe\\x",

        "\\\\127.0.0.1\\pipe\\x",
        "\\\\localhost\\pipe\\x",
        "\\\\.\\pipe\\a/b",
        "pipe:a/b",
        "pipe:..",
        "pipe:a\\..\\b",
        "pipe:a\\.\\b",
        "pipe:\\a",
        "pipe:a\\\\b",
        "pipe:a\\",
        "pipe:a\nb",
        "pipe:a\x7F",
        "pipe:\x80",
        "pipe:\xED\xA0\x80",
        "C:\\x",
        "\\x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error(bad[i], strlen(bad[i]), LEAT_E_NAME);
    expect_error("pipe:a\0b", 8, LEAT_E_NAME);
    expect_error("a\0b", 3, LEAT_E_NAME);
}

TEST(address_pipe_unix_names)
{
    expect_error("/tmp/x", 6, LEAT_E_UNSUPPORTED);
    expect_error("unix:/tmp/x", 11, LEAT_E_UNSUPPORTED);
    expect_error("unix:@x", 7, LEAT_E_UNSUPPORTED);
    expect_error("//./pipe/x", 10, LEAT_E_UNSUPPORTED);
}

TEST(address_pipe_lengths)
{
    char name[1200];
    char part[1200];
    enum lti_name_form form;
    size_t most = LTI_PIPE_UNITS_MAX - LTI_PIPE_PREFIX_BYTES;
    memcpy(name, "pipe:", 5);
    memset(name + 5, 'n', most + 1);
    CHECK_ERROR(parse(name, 5 + most, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 5 + most + 1, &form, part), LEAT_E_NAME_TOO_LONG);
    /* Units count, not bytes: each of these has three bytes and one unit. */
    for (size_t i = 0; i <= most; i++)
        memcpy(name + 5 + 3 * i, "\xE2\x82\xAC", 3);
    CHECK_ERROR(parse(name, 5 + 3 * most, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 5 + 3 * (most + 1), &form, part), LEAT_E_NAME_TOO_LONG);
    /* And each of these has four bytes and two units. */
    for (size_t i = 0; i <= most / 2; i++)
        memcpy(name + 5 + 4 * i, "\xF0\x9F\x98\x80", 4);
    CHECK_ERROR(parse(name, 5 + 4 * (most / 2), &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 5 + 4 * (most / 2 + 1), &form, part), LEAT_E_NAME_TOO_LONG);
    memset(name, 'n', sizeof name);
    memcpy(name, "qt:", 3);
    CHECK_ERROR(parse(name, 3 + most, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 3 + most + 1, &form, part), LEAT_E_NAME_TOO_LONG);
    memcpy(name, "qt:\\\\.\\pipe\\", 3 + LTI_PIPE_PREFIX_BYTES);
    CHECK_ERROR(parse(name, 3 + LTI_PIPE_UNITS_MAX, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 3 + LTI_PIPE_UNITS_MAX + 1, &form, part), LEAT_E_NAME_TOO_LONG);
    memcpy(name, "system:", 7);
    memset(name + 7, 'n', sizeof name - 7);
    CHECK_ERROR(parse(name, 7 + 64, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 7 + 65, &form, part), LEAT_E_NAME_TOO_LONG);
    memset(name, 'n', 65);
    CHECK_ERROR(parse(name, 64, &form, part), LEAT_OK);
    CHECK_ERROR(parse(name, 65, &form, part), LEAT_E_NAME_TOO_LONG);
}
