/* SPDX-License-Identifier: MIT
 *
 * What leat.h promises of paths where a system has no descriptors for nodes, and keeps a folder for
 * each user: as on Apple's, but on the simulated kernel.
 *
 * Happy path: servers listen at paths with the mode of their policy, clients meet whom they looked
 *             at, and plain names live in the user's own folder.
 * Fails:      whoever is met and was not looked at is UNTRUSTED; a folder of the system's that is
 *             not good is passed over.
 * Invariants: a refusal changes nothing on the disk: kit_end looks.
 */
#include "kit_sim_posix.h"
#include "names_world_posix.h"
#include "paths_kit_posix.h"

#include <stdio.h>
#include <string.h>

static struct leat_hub *nodeless_begin(void)
{
    if (!lti_sim_set_nodes)
        SKIP_NEEDS("a system without O_PATH, which the simulated kernel can be");
    struct leat_hub *hub = kit_begin();
    lti_sim_set_nodes(false);
    return hub;
}

static void nodeless_end(struct leat_hub *hub)
{
    lti_sim_set_nodes(true);
    kit_end(hub);
}

TEST(nodeless_server_is_met)
{
    struct leat_hub *hub = nodeless_begin();
    kit_names_meet(hub, kit_path("server"), kit_path("server"));
    leat_conn conn = kit_connect(hub, kit_path("nobody"), 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_NOT_FOUND);
    paths_dead_socket(kit_path("dead") + 5);
    conn = kit_connect(hub, kit_path("dead"), 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_file_remove(kit_path("dead"));
    nodeless_end(hub);
}

TEST(nodeless_client_looks_first)
{
    struct leat_hub *hub = nodeless_begin();
    kit_file_make(kit_path("file"));
    leat_conn conn = kit_connect(hub, kit_path("file"), 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_REFUSED);
    kit_file_remove(kit_path("file"));
    int fd = kit_raw_listen(kit_path("server"), 5);
    paths_link(kit_path("link"), kit_path("server"));
    conn = kit_connect(hub, kit_path("link"), 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_UNTRUSTED);
    kit_file_remove(kit_path("link"));
    kit_raw_unlisten(fd, kit_path("server"));
    nodeless_end(hub);
}

TEST(nodeless_long_path_is_unsupported)
{
    char path[301];
    struct leat_hub *hub = nodeless_begin();
    leat_listener listener = {77};
    paths_long(path, 300, 20);
    lti_sim_set_nodes(true);
    listener = kit_listen(hub, path, NULL);
    lti_sim_set_nodes(false);
    leat_conn conn = kit_connect(hub, path, 3, NULL);
    KIT_CLOSED(hub, conn, LEAT_E_UNSUPPORTED);
    CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
    paths_long_remove(path);
    nodeless_end(hub);
}

TEST(nodeless_mode_is_what_the_policy_says)
{
    static const char *const users[] = {"4711"};
    struct leat_hub *hub = nodeless_begin();
    const char *name = kit_path("server");
    char group[16];
    kit_file_make(kit_path("file"));
    uint32_t own = paths_look(kit_path("file")).gid;
    kit_file_remove(kit_path("file"));
    (void)snprintf(group, sizeof group, "%u", own);
    const struct {
        struct leat_listen_options options;
        uint32_t mode;
    } rows[] = {
        {{.size = sizeof rows[0].options}, 0600},
        {{.size = sizeof rows[0].options, .who = LEAT_WHO_ASK}, 0666},
        {{.size = sizeof rows[0].options, .who = LEAT_WHO_INSECURE_ANYONE}, 0666},
        {{.size = sizeof rows[0].options, .who = LEAT_WHO_LIST, .users = users, .users_count = 1},
         0666},
        {{.size = sizeof rows[0].options, .who = LEAT_WHO_GROUP, .group = group}, 0660},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        leat_listener listener = {0};
        CHECK_ERROR(leat_listen(hub, name, &rows[i].options, &listener), LEAT_OK);
        CHECK_INT(paths_look(name).mode, rows[i].mode);
        CHECK_INT(paths_look(name).gid, own);
        CHECK_ERROR(leat_listener_close(hub, listener), LEAT_OK);
        CHECK(!kit_file_exists(name));
    }
    struct leat_listen_options foreign = {
        .size = sizeof foreign, .who = LEAT_WHO_GROUP, .group = "4711"};
    leat_listener listener = {77};
    CHECK_ERROR(leat_listen(hub, name, &foreign, &listener), LEAT_E_DENIED);
    CHECK_INT(listener.id, 77);
    CHECK(!kit_file_exists(name));
    nodeless_end(hub);
}

/* Another socket may be met than was looked at: that shows afterwards. */
TEST(nodeless_paths_that_change_meanwhile)
{
    struct leat_hub *hub = nodeless_begin();
    paths_change_meanwhile();
    nodeless_end(hub);
}

/* The environment still comes first, and what is not ours alone is passed over. */
TEST(nodeless_plain_names_live_in_the_user_s_own_folder)
{
    static const struct names_thing good = {'d', false, 0700}, open = {'d', false, 0755};
    struct leat_hub *hub = nodeless_begin();
    char folder[300], expected[330];
    (void)snprintf(folder, sizeof folder, "%s/kept", lti_test_folder());
    lti_sim_set_user_place(folder);
    (void)kit_plain("mail");
    names_environment("XDG_RUNTIME_DIR", NULL);
    kit_name_resolves("mail", "unix:/run/user/1000/leat/mail");
    REQUIRE(names_make(folder, &open));
    names_remove(folder, &open); /* at the end: no folder goes on the simulated kernel */
    kit_name_resolves("mail", "unix:/run/user/1000/leat/mail");
    folder[strlen(folder) - 1] = 'p';
    (void)snprintf(expected, sizeof expected, "unix:%s/leat/mail", folder);
    REQUIRE(names_make(folder, &good));
    kit_name_resolves("mail", expected);
    kit_names_meet(hub, "mail", expected);
    names_remove(expected + 5, &good); /* leat's own folder in it */
    names_remove(folder, &good);
    lti_sim_set_user_place(NULL);
    names_environment("XDG_RUNTIME_DIR", lti_test_folder());
    nodeless_end(hub);
}
