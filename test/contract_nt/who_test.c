/* SPDX-License-Identifier: MIT
 *
 * Who is at a pipe, who owns it, and who may open it.
 *
 * Happy path: descriptors are made of text, pipes are made with them, and both ends are asked.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: asking who a client is does not change who we are.
 */
#include "probe.h"

#include <stdio.h>

static bool who_is_sid(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0 && strlen(text) < LTI_OS_SID_BYTES;
}

static void *who_security(const char *sddl)
{
    void *security = NULL;
    REQUIRE_INT(lti_os_security_create(sddl, &security), 0);
    REQUIRE(security != NULL);
    return security;
}

static intptr_t who_create(struct probe *probe, const char *sddl)
{
    void *security = who_security(sddl);
    int64_t handle = lti_os_pipe_create(probe->name, 0, 4, PROBE_QUOTA, security);
    lti_os_security_free(security);
    REQUIRE_HANDLE(handle);
    REQUIRE_INT(lti_os_queue_add(probe->queue, (intptr_t)handle, false), 0);
    return (intptr_t)handle;
}

TEST(nt_who_we_are)
{
    struct lti_os_identity one, two;
    REQUIRE_INT(lti_os_identity(&one), 0);
    CHECK(who_is_sid(one.user, "S-1-5-"));
    CHECK(one.integrity[0] == '\0' || who_is_sid(one.integrity, "S-1-16-"));
    CHECK(!one.container);
    REQUIRE_INT(lti_os_identity(&two), 0);
    CHECK_STR(two.user, one.user);
    CHECK_STR(two.integrity, one.integrity);
}

TEST(nt_who_the_client_is)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_identity own, client, after;
    REQUIRE_INT(lti_os_identity(&own), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1), 1);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 1), 1);
    memset(&client, 0xA5, sizeof client);
    REQUIRE_INT(lti_os_pipe_client(probe->server, NULL, &client), 0);
    CHECK_STR(client.user, own.user);
    CHECK_STR(client.integrity, own.integrity);
    CHECK(client.session_known && own.session_known);
    CHECK_INT(client.session, own.session);
    CHECK(!client.container);
    /* Wine always says 2. */
    CHECK(client.level == 1 || client.level == 2);
    REQUIRE_INT(lti_os_identity(&after), 0);
    CHECK_STR(after.user, own.user);
    probe_end(probe);
}

TEST(nt_who_the_client_is_stays_hidden_before_its_first_byte)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_identity client;
    int64_t result = lti_os_pipe_client(probe->server, NULL, &client);
    if (result >= 0 && probe_first_ignored())
        SKIP_NEEDS("real Windows");
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_CANNOT_IMPERSONATE);
    probe_end(probe);
}

TEST(nt_who_the_client_lets_itself_be)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_identity client;
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1), 1);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 1), 1);
    REQUIRE_INT(lti_os_pipe_client(probe->server, NULL, &client), 0);
    if (client.level == 2 && probe_first_ignored())
        SKIP_NEEDS("real Windows");
    CHECK_INT(client.level, 1);
    probe_end(probe);
}

TEST(nt_who_is_no_question_for_a_client)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_identity client;
    CHECK_INT(probe_write(probe, probe->server, 0, 0, 1), 1);
    CHECK_INT(probe_read(probe, probe->client, 1, 0, 1), 1);
    CHECK(lti_os_pipe_client(probe->client, NULL, &client) < 0);
    probe_end(probe);
}

TEST(nt_owner_is_the_one_of_the_descriptor)
{
    struct probe *probe = probe_begin();
    struct lti_os_identity own;
    char sddl[3 * LTI_OS_SID_BYTES + 64], owner[LTI_OS_SID_BYTES];
    REQUIRE_INT(lti_os_identity(&own), 0);
    snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;GA;;;%s)", own.user, own.user, own.user);
    probe->server = who_create(probe, sddl);
    REQUIRE_INT(lti_os_pipe_owner(probe->server, owner), 0);
    CHECK_STR(owner, own.user);
    probe->client = probe_open(probe);
    REQUIRE_INT(lti_os_pipe_owner(probe->client, owner), 0);
    CHECK_STR(owner, own.user);
    probe_end(probe);
}

TEST(nt_label_is_the_one_of_the_descriptor)
{
    static const char *const levels[] = {"S-1-16-4096", "S-1-16-8192"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        struct probe *probe = probe_begin();
        struct lti_os_identity own;
        char sddl[4 * LTI_OS_SID_BYTES], label[LTI_OS_SID_BYTES] = "x";
        REQUIRE_INT(lti_os_identity(&own), 0);
        snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;GA;;;%s)S:(ML;;NW;;;%s)", own.user, own.user,
                 own.user, levels[i]);
        probe->server = who_create(probe, sddl);
        probe->client = probe_open(probe);
        REQUIRE_INT(lti_os_pipe_label(probe->server, label), 0);
        CHECK_STR(label, levels[i]);
        REQUIRE_INT(lti_os_pipe_label(probe->client, label), 0);
        CHECK_STR(label, levels[i]);
        probe_end(probe);
    }
}

TEST(nt_label_that_nobody_gave_is_none)
{
    struct probe *probe = probe_begin();
    struct lti_os_identity own;
    char sddl[4 * LTI_OS_SID_BYTES], label[LTI_OS_SID_BYTES] = "x";
    REQUIRE_INT(lti_os_identity(&own), 0);
    snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;GA;;;%s)", own.user, own.user, own.user);
    probe->server = who_create(probe, sddl);
    probe->client = probe_open(probe);
    REQUIRE_INT(lti_os_pipe_label(probe->client, label), 0);
    CHECK_STR(label, "");
    probe_end(probe);
}

TEST(nt_owner_without_descriptor_is_known_or_nobody)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    char owner[LTI_OS_SID_BYTES];
    /* Wine keeps no descriptor then. */
    int64_t result = lti_os_pipe_owner(probe->client, owner);
    CHECK(result >= 0 ? who_is_sid(owner, "S-1-") : lti_os_kind_of(result) == LTI_OS_NOT_FOUND);
    probe_end(probe);
}

TEST(nt_security_of_a_users_pipe)
{
    struct probe *probe = probe_begin();
    struct lti_os_identity own;
    char sddl[6 * LTI_OS_SID_BYTES];
    REQUIRE_INT(lti_os_identity(&own), 0);
    const char *level = "ME";
    if (strcmp(own.integrity, "S-1-16-12288") == 0)
        level = "HI";
    snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;%s)S:(ML;;NWNR;;;%s)",
             own.user, own.user, own.user, level);
    probe->server = who_create(probe, sddl);
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 9), 9);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 9), 9);
    probe_end(probe);
}

TEST(nt_security_of_a_services_pipe_is_understood)
{
    lti_os_security_free(who_security("O:SYG:SYD:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;SY)(A;;GA;;;BA)"
                                      "(A;;0x12019b;;;IU)S:(ML;;NW;;;ME)"));
}

TEST(nt_security_of_nonsense_is_refused)
{
    static const char *const texts[] = {"nonsense", "D:(A;;GA;;;", "O:S-1-X", "D:(Q;;GA;;;SY)"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        void *security = NULL;
        CHECK(lti_os_security_create(texts[i], &security) < 0);
    }
}

/* Without a list everybody may do everything; with an empty one, nobody anything. */
TEST(nt_security_has_a_list_or_none)
{
    static const struct {
        const char *text;
        bool listed;
    } rows[] = {{"O:SYG:SY", false},
                {"S:(ML;;NW;;;LW)", false},
                {"D:", true},
                {"D:P(A;;GA;;;SY)S:(ML;;NW;;;LW)", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *security = who_security(rows[i].text);
        CHECK_INT(lti_os_security_listed(security), rows[i].listed);
        lti_os_security_free(security);
    }
}

TEST(nt_security_shuts_others_out)
{
    struct probe *probe = probe_begin();
    struct lti_os_identity own;
    char sddl[3 * LTI_OS_SID_BYTES];
    REQUIRE_INT(lti_os_identity(&own), 0);
    snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(D;;GA;;;WD)", own.user, own.user);
    probe->server = who_create(probe, sddl);
    int64_t result = lti_os_pipe_open(probe->name);
    if (result >= 0 && probe_first_ignored())
        SKIP_NEEDS("real Windows");
    CHECK_KIND(result, LTI_OS_ACCESS);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_ACCESS_DENIED);
    probe_end(probe);
}

TEST(nt_security_keeps_a_name_from_others)
{
    struct probe *probe = probe_begin();
    struct lti_os_identity own;
    char sddl[3 * LTI_OS_SID_BYTES];
    REQUIRE_INT(lti_os_identity(&own), 0);
    /* Everything but to make instances (0x4). */
    snprintf(sddl, sizeof sddl, "O:%sG:%sD:P(A;;0x12019b;;;WD)", own.user, own.user);
    probe->server = who_create(probe, sddl);
    int64_t result = lti_os_pipe_create(probe->name, 0, 4, PROBE_QUOTA, NULL);
    if (result >= 0 && probe_first_ignored())
        SKIP_NEEDS("real Windows");
    CHECK_KIND(result, LTI_OS_ACCESS);
    probe->client = probe_open(probe);
    probe_end(probe);
}
