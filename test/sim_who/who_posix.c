/* SPDX-License-Identifier: MIT
 *
 * Who comes in through a socket, and whom a client talks to.
 *
 * Happy path: users and groups are numbers, as the kernel tells them.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: names are abstract ones, so that no file's mode keeps anybody out: what is shown here
 *             is the library's own judgement.
 */
#include "who.h"

#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define UNMAPPED 65534u

const char *const who_name = "unix:@leat-who";

void who_text(const struct who_user *user, char text_out[LEAT_PEER_TEXT_BYTES])
{
    (void)snprintf(text_out, LEAT_PEER_TEXT_BYTES, "%u", (unsigned)user->uid);
}

/* 65534 is on the list, and helps nobody. */
static const char *const listed[] = {"1001", "65534"};

/* The order of the tables' letters. */
static const struct who_policy serving[] = {
    {.what = "same user", .who = LEAT_WHO_SAME_USER},
    {.what = "admin", .who = LEAT_WHO_ADMIN},
    {.what = "group", .who = LEAT_WHO_GROUP, .group = "2000"},
    {.what = "list", .who = LEAT_WHO_LIST, .users = listed, .users_count = COUNT(listed)},
    {.what = "ask, allow", .who = LEAT_WHO_ASK, .allows = true},
    {.what = "ask, refuse", .who = LEAT_WHO_ASK},
    {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE},
};
static const struct who_policy dialling[] = {
    {.what = "same user", .who = LEAT_WHO_SAME_USER},
    {.what = "admin", .who = LEAT_WHO_ADMIN},
    {.what = "group", .who = LEAT_WHO_GROUP, .group = "2000"},
    {.what = "list", .who = LEAT_WHO_LIST, .users = listed, .users_count = COUNT(listed)},
    {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE},
};

static const struct who_user user = {.what = "a user", .uid = 1000, .gid = 1000};
static const struct who_user root = {.what = "root", .uid = 0, .gid = 0};
static const struct who_user unmapped = {.what = "an unmapped user", .uid = UNMAPPED, .gid = 7};

TEST(sim_who_a_server_of_a_user)
{
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000, .gid = 1000}, "+++++-+"},
        {{.what = "the same user in another group", .uid = 1000, .gid = 7}, "+++++-+"},
        {{.what = "root", .uid = 0, .gid = 0}, "+++++-+"},
        {{.what = "a listed user", .uid = 1001, .gid = 7}, "---++-+"},
        {{.what = "another user", .uid = 1002, .gid = 7}, "----+-+"},
        {{.what = "whose uid is the group's", .uid = 2000, .gid = 7}, "----+-+"},
        {{.what = "whose gid is on the list", .uid = 1002, .gid = 1001}, "----+-+"},
        {{.what = "whose gid is the server's", .uid = 1002, .gid = 1000}, "----+-+"},
        {{.what = "who is in root's group", .uid = 1002, .gid = 0}, "----+-+"},
        {{.what = "a member by gid", .uid = 1003, .gid = 2000}, "--+-+-+"},
        {{.what = "a member besides",
          .uid = 1004,
          .gid = 7,
          .groups = {8, 2000},
          .groups_count = 2},
         "--+-+-+"},
        {{.what = "a member of others", .uid = 1005, .gid = 7, .groups = {8, 9}, .groups_count = 2},
         "----+-+"},
        {{.what = "an unmapped user", .uid = UNMAPPED, .gid = UNMAPPED}, "----nn+"},
        {{.what = "an unmapped member", .uid = UNMAPPED, .gid = 2000}, "----nn+"},
        {{.what = "nobody's number", .uid = UINT32_MAX - 1, .gid = 7}, "----+-+"},
    };
    who_servers_table(&user, serving, COUNT(serving), rows, COUNT(rows));
}

TEST(sim_who_a_server_of_root)
{
    static const struct who_row rows[] = {
        {{.what = "root", .uid = 0, .gid = 0}, "+++++-+"},
        {{.what = "a listed user", .uid = 1001, .gid = 7}, "---++-+"},
        {{.what = "another user", .uid = 1002, .gid = 7}, "----+-+"},
        {{.what = "who is in root's group", .uid = 1002, .gid = 0}, "----+-+"},
        {{.what = "a member besides", .uid = 1004, .gid = 7, .groups = {2000}, .groups_count = 1},
         "--+-+-+"},
        {{.what = "an unmapped user", .uid = UNMAPPED, .gid = UNMAPPED}, "----nn+"},
    };
    who_servers_table(&root, serving, COUNT(serving), rows, COUNT(rows));
}

/* It cannot tell its own user from all others that are not mapped. */
TEST(sim_who_a_server_of_an_unmapped_user)
{
    static const struct who_row rows[] = {
        {{.what = "an unmapped user", .uid = UNMAPPED, .gid = 7}, "----nn+"},
        {{.what = "root", .uid = 0, .gid = 0}, "+++++-+"},
        {{.what = "a listed user", .uid = 1001, .gid = 7}, "---++-+"},
        {{.what = "another user", .uid = 1002, .gid = 7}, "----+-+"},
    };
    who_servers_table(&unmapped, serving, COUNT(serving), rows, COUNT(rows));
}

/* The group 65534 is anybody's, too. */
TEST(sim_who_the_group_of_the_unmapped)
{
    static const struct who_policy policies[] = {
        {.what = "group 65534", .who = LEAT_WHO_GROUP, .group = "65534"},
    };
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000, .gid = UNMAPPED}, "+"},
        {{.what = "one by gid", .uid = 1002, .gid = UNMAPPED}, "-"},
        {{.what = "one besides", .uid = 1002, .gid = 7, .groups = {UNMAPPED}, .groups_count = 1},
         "-"},
    };
    who_servers_table(&user, policies, COUNT(policies), rows, COUNT(rows));
}

TEST(sim_who_a_client_of_a_user)
{
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000, .gid = 1000}, "+++++"},
        {{.what = "root", .uid = 0, .gid = 0}, "+++++"},
        {{.what = "a listed user", .uid = 1001, .gid = 7}, "uuu++"},
        {{.what = "another user", .uid = 1002, .gid = 7}, "uuuu+"},
        {{.what = "whose gid is the client's", .uid = 1002, .gid = 1000}, "uuuu+"},
        {{.what = "a member by gid", .uid = 1003, .gid = 2000}, "uu+u+"},
        {{.what = "a member besides",
          .uid = 1004,
          .gid = 7,
          .groups = {8, 2000},
          .groups_count = 2},
         "uu+u+"},
        {{.what = "an unmapped user", .uid = UNMAPPED, .gid = 2000}, "uuuu+"},
    };
    who_clients_table(&user, dialling, COUNT(dialling), rows, COUNT(rows));
}

TEST(sim_who_a_client_of_root)
{
    static const struct who_row rows[] = {
        {{.what = "root", .uid = 0, .gid = 0}, "+++++"},
        {{.what = "a listed user", .uid = 1001, .gid = 7}, "uuu++"},
        {{.what = "another user", .uid = 1002, .gid = 7}, "uuuu+"},
        {{.what = "an unmapped user", .uid = UNMAPPED, .gid = UNMAPPED}, "uuuu+"},
    };
    who_clients_table(&root, dialling, COUNT(dialling), rows, COUNT(rows));
}

/* Each of two strangers turns the other away, and neither says a word. */
TEST(sim_who_both_ends_mind)
{
    static const struct who_user other = {.what = "another user", .uid = 1002, .gid = 7};
    const struct who_case it = {.server = &user,
                                .client = &other,
                                .serves = &serving[0],
                                .dials = &dialling[0],
                                .protocol = LEAT_MESSAGES,
                                .outcome = WHO_MISTRUSTED,
                                .seed = 1};
    who_try(&it);
}
