/* SPDX-License-Identifier: MIT
 *
 * Names in the ways that other libraries' tests try: two ways to write a path, abstract names and
 * paths as two places, and that an abstract name is as long as it is. sources.def says whose test
 * is whose.
 *
 * Happy path: the same word in the same place is met.
 * Fails:      the same word in the other place, or with a zero byte behind it, is nobody.
 * Invariants: each test's words begin with its own folder, so that tests do not meet each other.
 */
#include "kit_posix.h"

#include <stdio.h>
#include <string.h>

TEST(paths_of_both_forms_meet)
{
    struct leat_hub *hub = kit_begin();
    kit_names_meet(hub, kit_path("x"), kit_path("x") + 5);
    kit_names_meet(hub, kit_path("x") + 5, kit_path("x"));
    (void)kit_listen(hub, kit_path("x"), NULL);
    kit_listen_refused(hub, kit_path("x") + 5, LEAT_E_IN_USE);
    kit_end(hub);
}

TEST(abstract_names_and_paths_do_not_meet)
{
    struct leat_hub *hub = kit_begin();
    char path[200], abstract[210];
    (void)snprintf(path, sizeof path, "%s", kit_path("x"));
    (void)snprintf(abstract, sizeof abstract, "unix:@%s", path + 5);
    kit_names_meet(hub, path, path);
    kit_names_meet(hub, abstract, abstract);
    leat_listener listener = kit_listen(hub, abstract, NULL);
    CHECK(!kit_file_exists(path));
    leat_conn conn = kit_connect(hub, path, 1, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    listener = kit_listen(hub, path, NULL);
    conn = kit_connect(hub, abstract, 1, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    (void)kit_open(hub, listener, path, NULL);
    kit_end(hub);
}

/* Somebody listens at these bytes, which begin with a zero byte. */
static int listen_at(const char *address, size_t size)
{
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    REQUIRE_INT(lti_os_bind((int)fd, address, size), 0);
    REQUIRE_INT(lti_os_listen((int)fd, 5), 0);
    return (int)fd;
}

TEST(abstract_names_end_where_they_end)
{
    struct leat_hub *hub = kit_begin();
    char address[108] = "", name[210];
    (void)snprintf(name, sizeof name, "unix:@%s", kit_path("x") + 5);
    size_t size = strlen(name) - 5;
    REQUIRE(size < sizeof address - 1);
    memcpy(address + 1, name + 6, size - 1);
    int longer = listen_at(address, size + 1); /* one more zero byte */
    leat_conn conn = kit_connect(hub, name, 1, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_names_meet(hub, name, name);
    int exact = listen_at(address, size);
    (void)kit_connect(hub, name, 1, NULL);
    KIT_NEXT(hub, LEAT_EVENT_CONNECTED);
    kit_listen_refused(hub, name, LEAT_E_IN_USE);
    kit_raw_close(exact);
    kit_raw_close(longer);
    kit_end(hub);
}
