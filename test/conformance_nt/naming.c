/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of the names of pipes: forms, limits, what they resolve to.
 *
 * Happy path: every spelling of a name leads to the same pipe.
 * Fails:      NAME before the system is asked, for what it would read in another way.
 * Invariants: a refused call leaves its outputs untouched; nothing is cut.
 */
#include "conformance/kit_nt.h"

#include <stdio.h>
#include <string.h>

/* The name behind the folder of pipes. */
static const char *tail(const char *path)
{
    return path + strlen("\\\\.\\pipe\\");
}

TEST(nt_names_of_every_form_work)
{
    struct leat_hub *hub = kit_begin();
    const char *path = kit_path("Form");
    char other[300], plain[300];
    size_t size = 0;
    static const char *const prefixes[] = {"\\\\.\\pipe\\", "\\\\.\\PIPE\\", "\\\\?\\pipe\\",
                                           "\\\\?\\PiPe\\", "pipe:",         "PIPE:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        (void)snprintf(other, sizeof other, "%s%s", prefixes[i], tail(path));
        kit_names_meet(hub, path, other);
        kit_names_meet(hub, other, path);
    }
    /* Names keep their spelling, and are the same in any case. */
    (void)snprintf(other, sizeof other, "%s", path);
    char *word = strstr(other, "Form");
    REQUIRE(word != NULL);
    memcpy(word, "fORM", 4);
    kit_names_meet(hub, path, other);
    kit_names_meet(hub, kit_path("one\\two\\three"), kit_path("one\\two\\three"));
    kit_names_meet(hub, kit_path("\xC3\xBC \xF0\x9F\x98\x80 *?"),
                   kit_path("\xC3\xBC \xF0\x9F\x98\x80 *?"));
    CHECK_ERROR(leat_resolve(kit_plain("a"), plain, sizeof plain, &size), LEAT_OK);
    kit_names_meet(hub, kit_plain("a"), plain);
    kit_end(hub);
}

TEST(nt_names_that_are_none)
{
    struct leat_hub *hub = kit_begin();
    static const char *const names[] = {
        "\\\\.\\pipe\\",
        "\\\\?\\pipe\\",
        "pipe:",
        "\\\\host\\pipe\\x",
        "\\\\127.0.0.1\\pipe\\x",
        "\\\\localhost\\pipe\\x",
        "\\\\.\\pipe\\a\\\\b",
        "\\\\.\\pipe\\..\\x",
        "\\\\.\\pipe\\a\\..\\b",
        "\\\\.\\pipe\\.",
        "\\\\.\\pipe\\a\\",
        "\\\\.\\pipe\\\\a",
        "\\\\.\\pipe\\a/b",
        "\\\\.\\pipe\\a\nb",
        "\\\\.\\pipe\\\x7F",
        "\\\\.\\pipe\\\xFF",
        "\\\\.\\pipe\\\xC0\xAF",
        "\\\\.\\pipe\\\xED\xA0\x80",
        "\\\\.\\pipe",
        "\\\\.\\mailslot\\x",
        "\\\\.\\C:",
        "\\\\?\\C:\\x",
        "\\\\.\\PhysicalDrive0",
        "\\pipe\\x",
        "\\??\\pipe\\x",
        "\\Device\\NamedPipe\\x",
        "C:\\x",
        "pipe:a/b",
        "pipe:..",
        "pipe:\xC3",
        "qt:\\\\.\\PIPE\\x",
        "qt:\\\\?\\pipe\\x",
        "qt:\\\\host\\pipe\\x",
        "qt:a/b",
        "qt:a\\..\\b",
        "qt:.",
        "qt:a\n",
        "system:a\\b",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        kit_name_refused(hub, names[i], LEAT_E_NAME);
    kit_end(hub);
}

TEST(nt_names_of_unix_are_unsupported)
{
    struct leat_hub *hub = kit_begin();
    kit_name_refused(hub, "unix:/tmp/x", LEAT_E_UNSUPPORTED);
    kit_name_refused(hub, "unix:@x", LEAT_E_UNSUPPORTED);
    kit_name_refused(hub, "/tmp/x", LEAT_E_UNSUPPORTED);
    kit_name_refused(hub, "qt:/tmp/x", LEAT_E_UNSUPPORTED);
    kit_end(hub);
}

/* `units` of UTF-16 in all; what is added to a unique name has `each` of them. */
static void name_of_units(char *name, size_t room, size_t units, const char *add, size_t each)
{
    (void)snprintf(name, room, "%s", kit_path("long"));
    size_t have = strlen(name), bytes = strlen(add);
    for (; have < units && strlen(name) + bytes < room; have += each)
        strcat(name, add);
    REQUIRE_INT(have, units);
}

TEST(nt_names_up_to_the_system_limit)
{
    struct leat_hub *hub = kit_begin();
    char name[1024];
    name_of_units(name, sizeof name, 256, "x", 1);
    kit_names_meet(hub, name, name);
    name_of_units(name, sizeof name, 257, "x", 1);
    kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    size_t odd = strlen(kit_path("long")) % 2;
    /* Units count, neither bytes nor characters. */
    name_of_units(name, sizeof name, 256, "\xC3\xBC", 1);
    kit_names_meet(hub, name, name);
    name_of_units(name, sizeof name, 256 + odd, "\xF0\x9F\x98\x80", 2);
    if (odd)
        kit_name_refused(hub, name, LEAT_E_NAME_TOO_LONG);
    else
        kit_names_meet(hub, name, name);
    kit_end(hub);
}

TEST(nt_names_resolve)
{
    struct leat_hub *hub = kit_begin();
    char expected[300];
    (void)snprintf(expected, sizeof expected, "\\\\.\\pipe\\leat\\%s\\plain", kit_own_sid());
    kit_name_resolves("plain", expected);
    kit_name_resolves("pipe:Some Name", "\\\\.\\pipe\\Some Name");
    kit_name_resolves("\\\\?\\PIPE\\Some\\Name", "\\\\.\\pipe\\Some\\Name");
    kit_name_resolves("system:plain", "\\\\.\\pipe\\leat\\system\\plain");
    kit_name_resolves("qt:Some Name", "\\\\.\\pipe\\Some Name");
    kit_name_resolves("qt:a\\b", "\\\\.\\pipe\\a\\b");
    kit_name_resolves("qt:\\\\.\\pipe\\Some Name", "\\\\.\\pipe\\Some Name");
    kit_name_resolves("pipe:ProtectedPrefix\\Administrators\\x",
                      "\\\\.\\pipe\\ProtectedPrefix\\Administrators\\x");
    kit_end(hub);
}

/* Where a Qt program of this name listens, and where one of the system would be. */
TEST(nt_names_of_qt_and_of_the_system_meet_their_pipes)
{
    struct leat_hub *hub = kit_begin();
    const char *path = kit_path("Some App");
    char name[300], system[300];
    (void)snprintf(name, sizeof name, "qt:%s", tail(path));
    kit_names_meet(hub, name, path);
    kit_names_meet(hub, path, name);
    (void)snprintf(name, sizeof name, "qt:%s", path);
    kit_names_meet(hub, name, path);
    (void)snprintf(system, sizeof system, "\\\\.\\pipe\\leat\\system\\%s", "leat-conformance");
    kit_names_meet(hub, "system:leat-conformance", system);
    kit_end(hub);
}
