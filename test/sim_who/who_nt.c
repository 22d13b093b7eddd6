/* SPDX-License-Identifier: MIT
 *
 * Who comes in through a pipe, and whom a client talks to.
 *
 * Happy path: the pipe's descriptor lets them open it; their token, seen with their first byte, is
 *             judged once more.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: whom the system shuts out the server never hears of, and does not count.
 */
#include "who.h"

#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define ADMINISTRATORS 544u

const char *const who_name = "\\\\.\\pipe\\leat-who";

void who_text(const struct who_user *user, char text_out[LEAT_PEER_TEXT_BYTES])
{
    if (user->token.integrity != 0 && user->token.level == 0)
        (void)snprintf(text_out, LEAT_PEER_TEXT_BYTES, "S-1-5-7"); /* it hides */
    else if (user->uid == 0)
        (void)snprintf(text_out, LEAT_PEER_TEXT_BYTES, "S-1-5-18");
    else
        (void)snprintf(text_out, LEAT_PEER_TEXT_BYTES, "S-1-5-21-0-0-0-%u", (unsigned)user->uid);
}

#define LISTED "S-1-5-21-0-0-0-1001"
#define GROUP "S-1-5-21-0-0-0-2000"
static const char *const listed[] = {LISTED, "S-1-5-21-0-0-0-1009"};

/* The order of the tables' letters. */
static const struct who_policy serving[] = {
    {.what = "same user", .who = LEAT_WHO_SAME_USER},
    {.what = "admin", .who = LEAT_WHO_ADMIN},
    {.what = "group", .who = LEAT_WHO_GROUP, .group = GROUP},
    {.what = "list", .who = LEAT_WHO_LIST, .users = listed, .users_count = COUNT(listed)},
    {.what = "ask, allow", .who = LEAT_WHO_ASK, .allows = true},
    {.what = "ask, refuse", .who = LEAT_WHO_ASK},
    {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE},
};
static const struct who_policy dialling[] = {
    {.what = "same user", .who = LEAT_WHO_SAME_USER},
    {.what = "admin", .who = LEAT_WHO_ADMIN},
    {.what = "group", .who = LEAT_WHO_GROUP, .group = GROUP},
    {.what = "list", .who = LEAT_WHO_LIST, .users = listed, .users_count = COUNT(listed)},
    {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE},
};

#define TOKEN_LOW                                                                                  \
    {                                                                                              \
        4096, 1, false, false                                                                      \
    }
#define TOKEN_ELEVATED                                                                             \
    {                                                                                              \
        12288, 1, false, false                                                                     \
    }
#define TOKEN_SYSTEM                                                                               \
    {                                                                                              \
        16384, 1, false, false                                                                     \
    }
#define TOKEN_CONTAINER                                                                            \
    {                                                                                              \
        8192, 1, true, false                                                                       \
    }
#define TOKEN_NETWORK                                                                              \
    {                                                                                              \
        8192, 1, false, true                                                                       \
    }
#define TOKEN_ANONYMOUS                                                                            \
    {                                                                                              \
        8192, 0, false, false                                                                      \
    }

#define ELEVATED_ADMINISTRATOR(text, number)                                                       \
    {                                                                                              \
        .what = (text), .uid = (number), .groups = {ADMINISTRATORS}, .groups_count = 1,            \
        .token = TOKEN_ELEVATED                                                                    \
    }

static const struct who_user user = {.what = "a user", .uid = 1000};
static const struct who_user elevated = ELEVATED_ADMINISTRATOR("an administrator", 1000);
static const struct who_user service = {.what = "SYSTEM", .token = TOKEN_SYSTEM};

TEST(sim_who_nt_a_server_of_a_user)
{
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000}, "+++++-+"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+++++-+"},
        {{.what = "a listed user", .uid = 1001}, "xxx++-+"},
        {{.what = "another user", .uid = 1002}, "xxxx+-+"},
        {{.what = "a member", .uid = 1003, .groups = {2000}, .groups_count = 1}, "xx+x+-+"},
        {{.what = "a member of others", .uid = 1003, .groups = {2001}, .groups_count = 1},
         "xxxx+-+"},
        {ELEVATED_ADMINISTRATOR("an administrator", 1004), "x+xx+-+"},
    };
    who_servers_table(&user, serving, COUNT(serving), rows, COUNT(rows));
}

TEST(sim_who_nt_a_server_and_doubtful_tokens)
{
    static const struct who_row rows[] = {
        {{.what = "the user at low integrity", .uid = 1000, .token = TOKEN_LOW}, "xxxxxxx"},
        {{.what = "a listed one at low integrity", .uid = 1001, .token = TOKEN_LOW}, "xxxxxxx"},
        {{.what = "the user in a container", .uid = 1000, .token = TOKEN_CONTAINER}, "xxxxxxx"},
        {{.what = "another in a container", .uid = 1002, .token = TOKEN_CONTAINER}, "xxxxxxx"},
        {{.what = "the user over the network", .uid = 1000, .token = TOKEN_NETWORK}, "xxxxxxx"},
        {{.what = "another over the network", .uid = 1002, .token = TOKEN_NETWORK}, "xxxxxxx"},
        {{.what = "the user, hiding", .uid = 1000, .token = TOKEN_ANONYMOUS}, "llllnn+"},
        {{.what = "a listed one, hiding", .uid = 1001, .token = TOKEN_ANONYMOUS}, "xxxlnn+"},
        {{.what = "SYSTEM, hiding", .uid = 0, .token = TOKEN_ANONYMOUS}, "llllnn+"},
        {{.what = "another, hiding", .uid = 1002, .token = TOKEN_ANONYMOUS}, "xxxxnn+"},
    };
    who_servers_table(&user, serving, COUNT(serving), rows, COUNT(rows));
}

/* What is less trusted than the server stays outside, unless others were asked for. */
TEST(sim_who_nt_a_server_of_an_administrator)
{
    static const struct who_row rows[] = {
        {{.what = "the same, elevated", .uid = 1000, .token = TOKEN_ELEVATED}, "+++++-+"},
        {{.what = "the same, not elevated", .uid = 1000}, "xx+++-+"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+++++-+"},
        {ELEVATED_ADMINISTRATOR("another administrator", 1004), "x+xx+-+"},
        {{.what = "a listed user", .uid = 1001}, "xxx++-+"},
        {{.what = "another user", .uid = 1002}, "xxxx+-+"},
    };
    who_servers_table(&elevated, serving, COUNT(serving), rows, COUNT(rows));
}

TEST(sim_who_nt_a_server_of_the_system)
{
    static const struct who_row rows[] = {
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+++++-+"},
        {ELEVATED_ADMINISTRATOR("an administrator", 1004), "x+xx+-+"},
        {{.what = "a listed user", .uid = 1001}, "xxx++-+"},
        {{.what = "a member", .uid = 1003, .groups = {2000}, .groups_count = 1}, "xx+x+-+"},
        {{.what = "another user", .uid = 1002}, "xxxx+-+"},
    };
    who_servers_table(&service, serving, COUNT(serving), rows, COUNT(rows));
}

/* The caller's descriptor says who reaches the pipe, and nothing is added to it; whom it lets in is
 * judged by the policy all the same. */
TEST(sim_who_nt_a_descriptor_of_the_users_own)
{
#define US "(A;;GA;;;S-1-5-21-0-0-0-1000)"
    static const struct who_policy policies[] = {
        {.what = "us; open", .sddl = "D:P" US "(A;;0x12019b;;;WD)"},
        {.what = "anyone; us", .who = LEAT_WHO_INSECURE_ANYONE, .sddl = "D:P" US},
        {.what = "list; its first",
         .who = LEAT_WHO_LIST,
         .users = listed,
         .users_count = COUNT(listed),
         .sddl = "D:P" US "(A;;0x12019b;;;" LISTED ")"},
        {.what = "us; low", .sddl = "D:P" US "(A;;0x12019b;;;AC)S:(ML;;NW;;;LW)"},
        {.what = "anyone; packages",
         .who = LEAT_WHO_INSECURE_ANYONE,
         .sddl = "D:P" US "(A;;0x12019b;;;AC)S:(ML;;NW;;;LW)"},
        {.what = "ask; open", .who = LEAT_WHO_ASK, .allows = true, .sddl = "D:P" US "(A;;FR;;;WD)"},
    };
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000}, "++++++"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+xxxxx"},
        {{.what = "a listed user", .uid = 1001}, "lx+xxx"},
        {{.what = "another user", .uid = 1002}, "lxxxxx"},
        {{.what = "the user at low integrity", .uid = 1000, .token = TOKEN_LOW}, "xxx++x"},
        {{.what = "the user in a container", .uid = 1000, .token = TOKEN_CONTAINER}, "xxxl+x"},
    };
    who_servers_table(&user, policies, COUNT(policies), rows, COUNT(rows));
#undef US
}

/* A pipe says who owns it, not which groups he is in: a group helps only where it is the owner. */
TEST(sim_who_nt_a_client_of_a_user)
{
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000}, "+++++"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+++++"},
        {{.what = "a listed user", .uid = 1001}, "uuu++"},
        {{.what = "another user", .uid = 1002}, "uuuu+"},
        {{.what = "a member", .uid = 1003, .groups = {2000}, .groups_count = 1}, "uuuu+"},
        {ELEVATED_ADMINISTRATOR("an administrator", 1004), "uuuu+"},
    };
    who_clients_table(&user, dialling, COUNT(dialling), rows, COUNT(rows));
}

/* Whose pipe has a label below what is asked for is a squatter, or not to be told from one. */
TEST(sim_who_nt_a_client_and_servers_of_low_integrity)
{
    static const struct who_row rows[] = {
        {{.what = "the same user", .uid = 1000, .token = TOKEN_LOW}, "uuuu+"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_LOW}, "uuuu+"},
        {{.what = "a listed user", .uid = 1001, .token = TOKEN_LOW}, "uuuu+"},
        {{.what = "another user", .uid = 1002, .token = TOKEN_LOW}, "uuuu+"},
    };
    who_clients_table(&user, dialling, COUNT(dialling), rows, COUNT(rows));
}

/* A client that is less trusted than usual asks for no more than it has itself. It may write to no
 * other's pipe, whatever it thinks of it. */
TEST(sim_who_nt_a_client_of_low_integrity)
{
    static const struct who_user low = {.what = "a user, low", .uid = 1000, .token = TOKEN_LOW};
    static const struct who_row rows[] = {
        {{.what = "the same, low", .uid = 1000, .token = TOKEN_LOW}, "+++++"},
        {{.what = "the same user", .uid = 1000}, "xxxxx"},
    };
    who_clients_table(&low, dialling, COUNT(dialling), rows, COUNT(rows));
}

/* The server lets everybody in, so its pipe has no label, which counts as medium: only who named
 * the user believes that it is him. */
TEST(sim_who_nt_a_client_of_an_administrator)
{
    static const char *const us[] = {"S-1-5-21-0-0-0-1000"};
    static const struct who_policy policies[] = {
        {.what = "same user", .who = LEAT_WHO_SAME_USER},
        {.what = "admin", .who = LEAT_WHO_ADMIN},
        {.what = "group", .who = LEAT_WHO_GROUP, .group = GROUP},
        {.what = "list of others", .who = LEAT_WHO_LIST, .users = listed, .users_count = 2},
        {.what = "list of us", .who = LEAT_WHO_LIST, .users = us, .users_count = 1},
        {.what = "anyone", .who = LEAT_WHO_INSECURE_ANYONE},
    };
    static const struct who_row rows[] = {
        {{.what = "the same, not elevated", .uid = 1000}, "uuuu++"},
        {{.what = "the same, elevated", .uid = 1000, .token = TOKEN_ELEVATED}, "uuuu++"},
        {{.what = "the same, low", .uid = 1000, .token = TOKEN_LOW}, "uuuuu+"},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "++++++"},
        {{.what = "a listed user", .uid = 1001}, "uuu+u+"},
    };
    who_clients_table(&elevated, policies, COUNT(policies), rows, COUNT(rows));
}

/* A server for this user alone shows its own level, and a client of the same level trusts it. */
TEST(sim_who_nt_levels_of_a_private_pipe)
{
    static const struct {
        struct who_user server, client;
        enum who_outcome outcome;
    } rows[] = {
        {{.what = "elevated", .uid = 1000, .token = TOKEN_ELEVATED},
         {.what = "elevated", .uid = 1000, .token = TOKEN_ELEVATED},
         WHO_IN},
        {{.what = "usual", .uid = 1000}, {.what = "usual", .uid = 1000}, WHO_IN},
        {{.what = "usual", .uid = 1000},
         {.what = "elevated", .uid = 1000, .token = TOKEN_ELEVATED},
         WHO_SPURNED},
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM},
         {.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM},
         WHO_IN},
        {{.what = "low", .uid = 1000, .token = TOKEN_LOW},
         {.what = "usual", .uid = 1000},
         WHO_SPURNED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (uint64_t seed = 1; seed <= 2; seed++) {
            const struct who_case it = {.server = &rows[i].server,
                                        .client = &rows[i].client,
                                        .serves = &serving[0],
                                        .dials = &dialling[0],
                                        .protocol = LEAT_MESSAGES,
                                        .outcome = rows[i].outcome,
                                        .seed = seed};
            who_try(&it);
        }
    }
}

TEST(sim_who_nt_a_client_of_the_system)
{
    static const struct who_row rows[] = {
        {{.what = "SYSTEM", .uid = 0, .token = TOKEN_SYSTEM}, "+++++"},
        {{.what = "a listed user", .uid = 1001}, "uuu++"},
        {{.what = "another user", .uid = 1002}, "uuuu+"},
    };
    who_clients_table(&service, dialling, COUNT(dialling), rows, COUNT(rows));
}

/* Each of two strangers would turn the other away. The system sees to it before they meet. */
TEST(sim_who_nt_both_ends_mind)
{
    static const struct who_user other = {.what = "another user", .uid = 1002};
    const struct who_case it = {.server = &user,
                                .client = &other,
                                .serves = &serving[0],
                                .dials = &dialling[0],
                                .protocol = LEAT_MESSAGES,
                                .outcome = WHO_SHUT_OUT,
                                .seed = 1};
    who_try(&it);
}
