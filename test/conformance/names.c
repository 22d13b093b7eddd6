/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of names and listeners' places: what is a name, what is in use, what is left
 * alone.
 *
 * Happy path: a name is listened on, connected to, and gone after the end.
 * Fails:      each kind of bad name, and each kind of thing at a name.
 * Invariants: a refused listen changes nothing: kit_end looks.
 */
#include "kit.h"

#include <stdio.h>
#include <string.h>

TEST(names_of_every_form_work)
{
    struct leat_hub *hub = kit_begin();
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    kit_names_meet(hub, "a", "a");
    kit_names_meet(hub, "7.x_y-z", "7.x_y-z");
    kit_names_meet(hub, longest, longest);
    kit_names_meet(hub, kit_path("explicit.sock"), kit_path("explicit.sock"));
    kit_names_meet(hub, kit_path("With Space, \xC3\xBC and ..dots.."),
                   kit_path("With Space, \xC3\xBC and ..dots.."));
    kit_end(hub);
}

TEST(names_that_are_none)
{
    struct leat_hub *hub = kit_begin();
    char longer[66];
    memset(longer, 'a', 65);
    longer[65] = '\0';
    kit_name_refused(hub, "", LEAT_E_NAME);
    kit_name_refused(hub, "..", LEAT_E_NAME);
    kit_name_refused(hub, "a..b", LEAT_E_NAME);
    kit_name_refused(hub, ".hidden", LEAT_E_NAME);
    kit_name_refused(hub, "-dash", LEAT_E_NAME);
    kit_name_refused(hub, "Upper", LEAT_E_NAME);
    kit_name_refused(hub, "a/b", LEAT_E_NAME);
    kit_name_refused(hub, "a b", LEAT_E_NAME);
    kit_name_refused(hub, "\xC3\xBC", LEAT_E_NAME);
    kit_name_refused(hub, longer, LEAT_E_NAME_TOO_LONG);
    kit_name_refused(hub, "system:", LEAT_E_NAME);
    kit_name_refused(hub, "system:Upper", LEAT_E_NAME);
    kit_name_refused(hub, "system:a/b", LEAT_E_NAME);
    kit_name_refused(hub, "system:..", LEAT_E_NAME);
    kit_name_refused(hub, "system:system:a", LEAT_E_NAME);
    kit_name_refused(hub, "System:a", LEAT_E_NAME);
    kit_name_refused(hub, "qt:", LEAT_E_NAME);
    kit_name_refused(hub, "qt:..", LEAT_E_NAME);
    kit_name_refused(hub, "qt:../a", LEAT_E_NAME);
    kit_name_refused(hub, "qt:a/", LEAT_E_NAME);
    kit_name_refused(hub, "qt:\xFF", LEAT_E_NAME);
    kit_name_refused(hub, "Qt:a", LEAT_E_NAME);
    kit_name_refused(hub, "pipe:", LEAT_E_NAME);
    kit_name_refused(hub, "\\\\host\\pipe\\x", LEAT_E_NAME);
    char system[7 + sizeof longer];
    (void)snprintf(system, sizeof system, "system:%s", longer);
    kit_name_refused(hub, system, LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(leat_resolve(NULL, longer, 1, &(size_t){0}), LEAT_E_ARGUMENT);
    kit_end(hub);
}

TEST(names_of_endpoints)
{
    struct leat_hub *hub = kit_begin();
    char expected[300], buffer[300];
    size_t size = 0;
    leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
    struct kit_ends ends = kit_open(hub, listener, kit_plain("server"), NULL);
    CHECK_ERROR(leat_resolve(kit_plain("server"), expected, sizeof expected, &size), LEAT_OK);
    CHECK_ERROR(leat_listener_name(hub, listener, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    CHECK_ERROR(leat_conn_name(hub, ends.dialled, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    CHECK_ERROR(leat_conn_name(hub, ends.accepted, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    CHECK_INT(size, strlen(expected));
    buffer[0] = '#';
    CHECK_ERROR(leat_conn_name(hub, ends.accepted, buffer, size, &size), LEAT_E_TOO_BIG);
    CHECK_INT(size, strlen(expected));
    CHECK_INT(buffer[0], '#');
    CHECK_ERROR(leat_listener_name(hub, listener, buffer, 3, &size), LEAT_E_TOO_BIG);
    /* An accepted one keeps the name of its listener. */
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    CHECK_ERROR(leat_listener_name(hub, listener, buffer, 3, &size), LEAT_E_STALE);
    CHECK_ERROR(leat_conn_name(hub, ends.accepted, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, expected);
    struct kit_ends pair = kit_pair(hub, NULL);
    CHECK_ERROR(leat_conn_name(hub, pair.dialled, buffer, sizeof buffer, &size), LEAT_OK);
    CHECK_STR(buffer, "");
    CHECK_INT(size, 0);
    kit_end(hub);
}

/* ---- What is at the name already ------------------------------------------------------------- */

TEST(listen_twice_is_in_use)
{
    struct leat_hub *hub = kit_begin();
    struct leat_hub *other = kit_hub(NULL);
    const char *names[2] = {kit_plain("server"), kit_path("server.sock")};
    for (size_t i = 0; i < 2; i++) {
        leat_listener listener = kit_listen(hub, names[i], NULL);
        kit_listen_refused(hub, names[i], LEAT_E_IN_USE);
        kit_listen_refused(other, names[i], LEAT_E_IN_USE);
        /* The first one is not hurt. */
        struct kit_ends ends = kit_open(hub, listener, names[i], NULL);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        if (KIT_PIPES) { /* a pipe is there as long as one of its ends is */
            CHECK_ERROR(leat_abort(hub, ends.dialled), LEAT_OK);
            CHECK_ERROR(leat_abort(hub, ends.accepted), LEAT_OK);
        }
        listener = kit_listen(other, names[i], NULL);
        kit_listen_refused(hub, names[i], LEAT_E_IN_USE);
        CHECK_ERROR(leat_listener_close(other, listener), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(other), LEAT_OK);
    kit_end(hub);
}

TEST(listen_again_a_hundred_times)
{
    struct leat_hub *hub = kit_begin();
    for (int i = 0; i < 100; i++) {
        leat_listener listener = kit_listen(hub, kit_plain("server"), NULL);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    }
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    kit_end(hub);
}

TEST(listen_leaves_a_foreign_server_alone)
{
    struct leat_hub *hub = kit_begin();
    const char *name = kit_path("foreign.sock");
    int fd = kit_raw_listen(name, 5);
    kit_listen_refused(hub, name, LEAT_E_IN_USE);
    (void)kit_connect(hub, name, 1, NULL);
    CHECK_INT(KIT_NEXT(hub, LEAT_EVENT_CONNECTED).tag, 1);
    kit_raw_unlisten(fd, name);
    kit_end(hub);
}

TEST(listen_options_and_arguments)
{
    struct leat_hub *hub = kit_begin();
    struct {
        struct leat_listen_options known;
        uint32_t tail[4];
    } later;
    const struct leat_conn_options bad = {
        .size = sizeof bad, .inbox_bytes = 8, .inbox_low_bytes = 8};
    leat_listener listener = {77};
    memset(&later, 0, sizeof later);
    struct leat_listen_options *options = &later.known;
    const struct leat_listen_options refused[] = {
        {.size = sizeof *options - 8},
        {.size = sizeof *options, .backlog = 4097},
        {.size = sizeof *options, .conns_max = 65537},
        {.size = sizeof *options, .handshakes_max = 65537},
        {.size = sizeof *options, .who = (enum leat_who)9},
        {.size = sizeof *options, .conn = &bad},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CHECK_ERROR(leat_listen(hub, kit_plain("server"), &refused[i], &listener), LEAT_E_OPTIONS);
    options->size = sizeof later;
    later.tail[3] = 1;
    CHECK_ERROR(leat_listen(hub, kit_plain("server"), options, &listener), LEAT_E_OPTIONS);
    CHECK_ERROR(leat_listen(hub, NULL, NULL, &listener), LEAT_E_ARGUMENT);
    CHECK_ERROR(leat_listen(hub, kit_plain("server"), NULL, NULL), LEAT_E_ARGUMENT);
    CHECK_INT(listener.id, 77);
    CHECK_INT(kit_hub_info(hub).listeners, 0);
    later.tail[3] = 0;
    CHECK_ERROR(leat_listen(hub, kit_plain("server"), options, &listener), LEAT_OK);
    kit_end(hub);
}
