/* SPDX-License-Identifier: MIT
 *
 * Names: what is one, of which form, and what is none.
 */
#include "address.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 107

/* From a block of just this size, so that a checker sees any byte read behind it. */
static enum leat_error parse(const char *text, size_t size, struct lti_name *name)
{
    static char copy[1000];
    char *exact = malloc(size > 0 ? size : 1);
    REQUIRE(exact != NULL && size <= sizeof copy);
    memcpy(exact, text, size);
    enum leat_error error = lti_name_parse(exact, size, PATH_MAX_BYTES, name);
    if (error == LEAT_OK) {
        ptrdiff_t at = name->text - exact;
        REQUIRE(at >= 0 && (size_t)at + name->size == size);
        memcpy(copy, text, size);
        name->text = copy + at;
    }
    free(exact);
    return error;
}

static void expect_form(const char *text, enum lti_name_form form, const char *part)
{
    struct lti_name name = {0};
    CHECK_ERROR(parse(text, strlen(text), &name), LEAT_OK);
    CHECK_INT(name.form, form);
    if (!CHECK_INT(name.size, strlen(part)) || !CHECK_MEM(name.text, part, name.size))
        printf("for the name \"%s\"\n", text);
}

static void expect_error(const char *text, size_t size, enum leat_error error)
{
    struct lti_name name = {LTI_NAME_PATH, "untouched", 9};
    if (!CHECK_ERROR(parse(text, size, &name), error))
        printf("for the name \"%.*s\"\n", (int)size, text);
    CHECK_STR(name.text, "untouched");
    CHECK_INT(name.size, 9);
}

TEST(address_forms)
{
    expect_form("x", LTI_NAME_PLAIN, "x");
    expect_form("0", LTI_NAME_PLAIN, "0");
    expect_form("my-service_1.example", LTI_NAME_PLAIN, "my-service_1.example");
    expect_form("a.b.c.", LTI_NAME_PLAIN, "a.b.c.");
    expect_form("unix", LTI_NAME_PLAIN, "unix");
    expect_form("/a", LTI_NAME_PATH, "/a");
    expect_form("/run/user/1000/leat/x", LTI_NAME_PATH, "/run/user/1000/leat/x");
    expect_form("unix:/tmp/A b", LTI_NAME_PATH, "/tmp/A b");
    expect_form("/a//b/./c", LTI_NAME_PATH, "/a//b/./c");
    expect_form("/a/...", LTI_NAME_PATH, "/a/...");
    expect_form("/a/.b/x.", LTI_NAME_PATH, "/a/.b/x.");
    expect_form("/a/..b", LTI_NAME_PATH, "/a/..b");
    expect_form("/a/b../c", LTI_NAME_PATH, "/a/b../c");
    expect_form("/tmp/\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", LTI_NAME_PATH,
                "/tmp/\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    expect_form("unix:@x", LTI_NAME_ABSTRACT, "x");
    expect_form("unix:@@", LTI_NAME_ABSTRACT, "@");
    expect_form("unix:@a/../b", LTI_NAME_ABSTRACT, "a/../b");
    expect_form("system", LTI_NAME_PLAIN, "system");
    expect_form("system:x", LTI_NAME_SYSTEM, "x");
    expect_form("system:my-service_1.example", LTI_NAME_SYSTEM, "my-service_1.example");
    expect_form("qt", LTI_NAME_PLAIN, "qt");
    expect_form("qt:My App", LTI_NAME_QT, "My App");
    expect_form("qt:a/./b", LTI_NAME_QT, "a/./b");
    expect_form("qt:/tmp/x", LTI_NAME_QT, "/tmp/x");
    expect_form("qt:system:x", LTI_NAME_QT, "system:x");
    expect_form("qt:-\\\xC3\xA4", LTI_NAME_QT, "-\\\xC3\xA4");
    expect_form("pipe", LTI_NAME_PLAIN, "pipe");
    expect_form("pipe:X y", LTI_NAME_PIPE, "X y");
    expect_form("pipe:.x", LTI_NAME_PIPE, ".x");
    expect_form("pipe:a\\x.\\b", LTI_NAME_PIPE, "a\\x.\\b");
    expect_form("PIPE:x", LTI_NAME_PIPE, "x");
    expect_form("\\\\.\\pipe\\x", LTI_NAME_PIPE, "x");
    expect_form("\\\\?\\PiPe\\LOCAL\\x", LTI_NAME_PIPE, "LOCAL\\x");
}

TEST(address_no_names)
{
    static const char *const bad[] = {
        "",           "-a",       ".a",         "_a",        "A",         "aB",
        "a b",        "a/b",      "a..b",       "a..",       "..",        ".",
        "a\n",        "\xC3\xA4", "unix:",      "unix:x",    "unix:a/b",  "unix:./a",
        "unix:@",     "@x",       "UNIX:/a",    "unix: /a",  "tcp:/a",    "unix:\xFF",
        "/",          "/a/",      "unix:/",     "unix:/a/",  "/..",       "/../a",
        "/a/../b",    "/a/..",    "unix:/..",   "/\xFF",     "/a\xC3",    "/\xC0\xAF",
        "unix:@\xFF", "./a",      "../a",       "//",        "a:b",       "a@b",
        "system:",    "system:A", "system:a/b", "system:..", "system:.a", "system:a..b",
        "System:a",   "SYSTEM:a", " system:a",  "system:/a", "system:@a", "system:system:a",
        "qt:",        "QT:a",     "qt:..",      "qt:../a",   "qt:a/..",   "qt:a/../b",
        "qt:/",       "qt:/a/",   "qt:/..",     "qt:a/",     "qt:\xFF",   "qt:a\xC3",
        "pipe:",      "pipe:a/b", "pipe:..",    "pipe:\\a",  "pipe:a\n",  "\\\\host\\pipe\\x",
        "\\\\.\\x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_error(bad[i], strlen(bad[i]), LEAT_E_NAME);
}

TEST(address_zero_bytes)
{
    expect_error("\0", 1, LEAT_E_NAME);
    expect_error("a\0", 2, LEAT_E_NAME);
    expect_error("a\0b", 3, LEAT_E_NAME);
    expect_error("/a\0b", 4, LEAT_E_NAME);
    expect_error("/a\0", 3, LEAT_E_NAME);
    expect_error("unix:/a\0b", 9, LEAT_E_NAME);
    expect_error("unix:@\0", 7, LEAT_E_NAME);
    expect_error("unix:@a\0", 8, LEAT_E_NAME);
    expect_error("unix\0/a", 7, LEAT_E_NAME);
    expect_error("system:\0", 8, LEAT_E_NAME);
    expect_error("system:a\0", 9, LEAT_E_NAME);
    expect_error("system\0:a", 9, LEAT_E_NAME);
    expect_error("qt:\0", 4, LEAT_E_NAME);
    expect_error("qt:a\0b", 6, LEAT_E_NAME);
}

/* Every byte, as a name and inside of one. */
TEST(address_every_byte)
{
    for (int byte = 0; byte < 256; byte++) {
        struct lti_name name;
        char text[3] = {'a', (char)byte, 'a'};
        bool first = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        bool inner = first || byte == '.' || byte == '_' || byte == '-';
        CHECK_ERROR(parse(text, 3, &name), inner ? LEAT_OK : LEAT_E_NAME);
        CHECK_ERROR(parse(text + 1, 1, &name), first ? LEAT_OK : LEAT_E_NAME);
    }
}

static void expect_length(const char *front, size_t length, enum leat_error error)
{
    char text[400];
    struct lti_name name;
    size_t size = strlen(front);
    memcpy(text, front, size);
    while (size < length)
        text[size++] = 'a';
    if (!CHECK_ERROR(parse(text, size, &name), error))
        printf("for %s..., %zu bytes\n", front, length);
}

TEST(address_lengths)
{
    expect_length("a", 63, LEAT_OK);
    expect_length("a", 64, LEAT_OK);
    expect_length("a", 65, LEAT_E_NAME_TOO_LONG);
    expect_length("a", 300, LEAT_E_NAME_TOO_LONG);
    expect_length("A", 65, LEAT_E_NAME);
    expect_length("/", 107, LEAT_OK);
    expect_length("/", 108, LEAT_E_NAME_TOO_LONG);
    expect_length("unix:/", 5 + 107, LEAT_OK);
    expect_length("unix:/", 5 + 108, LEAT_E_NAME_TOO_LONG);
    expect_length("unix:@", 6 + 107, LEAT_OK);
    expect_length("unix:@", 6 + 108, LEAT_E_NAME_TOO_LONG);
    expect_length("system:a", 7 + 64, LEAT_OK);
    expect_length("system:a", 7 + 65, LEAT_E_NAME_TOO_LONG);
    expect_length("system:A", 7 + 65, LEAT_E_NAME);
    expect_length("qt:a", 3 + 300, LEAT_OK); /* its folder decides */
    expect_length("pipe:a", 5 + 247, LEAT_OK);
    expect_length("pipe:a", 5 + 248, LEAT_E_NAME_TOO_LONG);
    expect_length("/../", 300, LEAT_E_NAME);
    expect_length("unix:", 300, LEAT_E_NAME);
}

TEST(address_plain_path)
{
    struct lti_name name = {LTI_NAME_PLAIN, "name", 4};
    char path[40];
    size_t size = 0;
    memset(path, '#', sizeof path);
    CHECK_ERROR(lti_address_plain("/run/leat", &name, 14, path, &size), LEAT_OK);
    CHECK_INT(size, 14);
    CHECK_MEM(path, "/run/leat/name#", 15);
    CHECK_ERROR(lti_address_plain("/run/leat/", &name, 14, path, &size), LEAT_OK);
    CHECK_INT(size, 14);
    CHECK_MEM(path, "/run/leat/name#", 15);
    CHECK_ERROR(lti_address_plain("/", &name, 14, path, &size), LEAT_OK);
    CHECK_INT(size, 5);
    CHECK_MEM(path, "/name", 5);
    CHECK_ERROR(lti_address_plain("", &name, 14, path, &size), LEAT_OK);
    CHECK_INT(size, 5);
    size = 77;
    CHECK_ERROR(lti_address_plain("/run/leat", &name, 13, path, &size), LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(lti_address_plain("/run/leat", &name, 5, path, &size), LEAT_E_NAME_TOO_LONG);
    CHECK_INT(size, 77);
    CHECK_MEM(path, "/name", 5);
}

/* ---- Where Qt listens ------------------------------------------------------------------------ */

static void expect_qt(const char *tmpdir, const char *text, const char *path)
{
    char found[PATH_MAX_BYTES + 1] = "";
    size_t size = 0;
    struct lti_name name = {LTI_NAME_QT, text, strlen(text)};
    CHECK_ERROR(lti_address_qt(tmpdir, &name, PATH_MAX_BYTES, found, &size), LEAT_OK);
    if (!CHECK_INT(size, strlen(path)) || !CHECK_MEM(found, path, size))
        printf("for the name \"%s\" in \"%s\"\n", text, tmpdir ? tmpdir : "(none)");
}

/* As QDir::cleanPath(QDir::tempPath()) + '/' + name, or the name. */
TEST(address_qt_path)
{
    expect_qt(NULL, "foo", "/tmp/foo");
    expect_qt("", "foo", "/tmp/foo");
    expect_qt("/var/tmp", "foo", "/var/tmp/foo");
    expect_qt("/var/tmp/", "foo", "/var/tmp/foo");
    expect_qt("//var///tmp//", "foo", "/var/tmp/foo");
    expect_qt("/./var/./tmp/.", "foo", "/var/tmp/foo");
    expect_qt("/var/tmp/../x", "foo", "/var/x/foo");
    expect_qt("/var/..", "foo", "/foo");
    expect_qt("/a/b/../../c", "foo", "/c/foo");
    expect_qt("/", "foo", "/foo");
    expect_qt("/...", "foo", "/.../foo");
    expect_qt("/a/x./.y/z", "foo", "/a/x./.y/z/foo");
    expect_qt("/a b/\xC3\xA4", "x y", "/a b/\xC3\xA4/x y");
    /* The name is not tidied up. */
    expect_qt("/t", "a//b/./c", "/t/a//b/./c");
    expect_qt("/t", "/abs/x", "/abs/x");
    expect_qt("relative", "/abs/x", "/abs/x");
    expect_qt("/..", "//abs", "//abs");
}

TEST(address_qt_no_path)
{
    static const char *const folders[] = {"tmp",      "./tmp", ".",     "..",     "~",    "/..",
                                          "/a/../..", "/../a", "/\xFF", "/a\xC3", " /tmp"};
    char path[PATH_MAX_BYTES + 1];
    size_t size = 77;
    struct lti_name name = {LTI_NAME_QT, "foo", 3};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (!CHECK_ERROR(lti_address_qt(folders[i], &name, PATH_MAX_BYTES, path, &size),
                         LEAT_E_UNSUPPORTED))
            printf("for \"%s\"\n", folders[i]);
    CHECK_INT(size, 77);
}

/* A path of 106 bytes is the longest that Qt takes. The buffer is no larger than what is said. */
TEST(address_qt_lengths)
{
    for (size_t length = 1; length <= 130; length++) {
        char folder[200] = "/";
        char text[200];
        size_t size = 77;
        char *path = malloc(LTI_QT_PATH_BYTES_MAX);
        REQUIRE(path != NULL);
        memset(text, 'n', length);
        struct lti_name name = {LTI_NAME_QT, text, length};
        bool fits = strlen("/tmp/") + length <= 106;
        CHECK_ERROR(lti_address_qt(NULL, &name, 1000, path, &size),
                    fits ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        CHECK_INT(size, fits ? strlen("/tmp/") + length : 77);
        text[0] = '/';
        CHECK_ERROR(lti_address_qt(NULL, &name, 1000, path, &size),
                    length <= 106 ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        memset(folder + 1, 'f', length);
        name = (struct lti_name){LTI_NAME_QT, "x", 1};
        CHECK_ERROR(lti_address_qt(folder, &name, 1000, path, &size),
                    length + 3 <= 106 ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        CHECK_ERROR(lti_address_qt(folder, &name, 50, path, &size),
                    length + 3 <= 50 ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        memcpy(folder, "/f/", 3); /* its second component is as long */
        memset(folder + 3, 'f', length);
        CHECK_ERROR(lti_address_qt(folder, &name, 50, path, &size),
                    length + 5 <= 50 ? LEAT_OK : LEAT_E_NAME_TOO_LONG);
        free(path);
    }
}

/* ---- UTF-8, against the definition: decode, and encode again --------------------------------- */

static size_t utf8_encode(uint32_t point, uint8_t out[4])
{
    static const uint8_t leads[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (uint8_t)(leads[length] | point);
    return length;
}

TEST(utf8_every_code_point)
{
    for (uint32_t point = 0; point <= 0x1FFFFF; point++) {
        uint8_t bytes[4];
        size_t size = utf8_encode(point, bytes);
        bool valid = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
        if (lti_utf8_valid((const char *)bytes, size) != valid)
            REQUIRE_INT(point, -1);
        for (size_t cut = 1; cut < size; cut++)
            if (lti_utf8_valid((const char *)bytes, cut))
                REQUIRE_INT(point, -1);
    }
    CHECK(lti_utf8_valid("", 0));
}

/* All sequences of up to three bytes: the valid ones are those that encoding gives, and no more. */
TEST(utf8_counts_all_short_sequences)
{
    uint32_t counts[4] = {0};
    for (uint32_t word = 0; word < 1u << 24; word++) {
        const char bytes[3] = {(char)(word >> 16), (char)(word >> 8), (char)word};
        if (word < 1u << 8)
            counts[1] += lti_utf8_valid(bytes + 2, 1);
        if (word < 1u << 16)
            counts[2] += lti_utf8_valid(bytes + 1, 2);
        counts[3] += lti_utf8_valid(bytes, 3);
    }
    const uint32_t one = 128;
    const uint32_t two = 0x800 - 0x80;
    const uint32_t three = 0x10000 - 0x800 - 0x800;
    CHECK_INT(counts[1], one);
    CHECK_INT(counts[2], one * one + two);
    CHECK_INT(counts[3], one * one * one + 2 * one * two + three);
}

TEST(utf8_ends_where_it_is_said_to)
{
    CHECK(lti_utf8_valid("\xFF", 0));
    CHECK(lti_utf8_valid("ab\xFF", 2));
    CHECK(lti_utf8_valid("\xC3\xA9\xFF", 2));
    CHECK(!lti_utf8_valid("\xC3\xA9", 1));
}

TEST(utf8_refuses)
{
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80",
        "\xFE",
        "\xFF",
        "a\x80",
        "\xC3(",
        "\xE2\x82(",
        "\xE2(\xA1",
        "\xF0\x9F\x98(",
        "\xF0\x9F(\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(!lti_utf8_valid(bad[i], strlen(bad[i]))))
            printf("number %zu\n", i);
}
