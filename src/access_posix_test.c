/* SPDX-License-Identifier: MIT
 *
 * Tests of access.c where users are numbers: what may be asked for, and who is trusted.
 */
#include "access.h"

#include "harness.h"

#include <string.h>

#define NOBODY 65534u

static struct lti_pool pool;

static struct lti_access *make(enum leat_who who, const char *group, const char *const *users,
                               uint32_t count)
{
    struct lti_access *access = NULL;
    REQUIRE_INT(lti_access_make(&pool, who, group, users, count, true, &access), LEAT_OK);
    return access;
}

static enum leat_error judge(enum leat_who who, uint32_t own_uid, uint32_t uid)
{
    const struct lti_access_peer peer = {.known = true, .uid = uid, .gid = uid};
    struct lti_access *access = make(who, NULL, NULL, 0);
    enum leat_error error = lti_access_judge(access, own_uid, &peer);
    lti_access_free(&pool, access);
    return error;
}

static void begin(void)
{
    lti_pool_init(&pool, 1 << 20);
}

TEST(access_same_user_and_root)
{
    begin();
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 1000, 1000), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 1000, 0), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 0, 0), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 1000, 1001), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 0, 1000), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_ADMIN, 1000, 0), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_ADMIN, 1000, 1001), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_INSECURE_ANYONE, 1000, 1001), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_ASK, 1000, 1001), LEAT_OK);
    lti_pool_end(&pool);
}

TEST(access_unknown_is_a_denial)
{
    const struct lti_access_peer unknown = {.known = false, .uid = 1000};
    const enum leat_who whos[] = {LEAT_WHO_SAME_USER, LEAT_WHO_ADMIN, LEAT_WHO_ASK};
    begin();
    for (size_t i = 0; i < sizeof whos / sizeof whos[0]; i++) {
        struct lti_access *access = make(whos[i], NULL, NULL, 0);
        CHECK_ERROR(lti_access_judge(access, 1000, &unknown), LEAT_E_UNTRUSTED);
        lti_access_free(&pool, access);
    }
    struct lti_access *anyone = make(LEAT_WHO_INSECURE_ANYONE, NULL, NULL, 0);
    CHECK_ERROR(lti_access_judge(anyone, 1000, &unknown), LEAT_OK);
    lti_access_free(&pool, anyone);
    lti_pool_end(&pool);
}

/* It may be anybody, also for a process that is nobody itself, and whatever a list says. */
TEST(access_unmapped_user_is_never_the_same)
{
    const char *const users[] = {"65534"};
    const struct lti_access_peer nobody = {.known = true, .uid = NOBODY, .gid = NOBODY};
    begin();
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 1000, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, 0, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, NOBODY, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(LEAT_WHO_SAME_USER, NOBODY, 0), LEAT_OK);
    CHECK_ERROR(judge(LEAT_WHO_ASK, 1000, NOBODY), LEAT_E_UNTRUSTED);
    struct lti_access *list = make(LEAT_WHO_LIST, NULL, users, 1);
    CHECK_ERROR(lti_access_judge(list, 1000, &nobody), LEAT_E_UNTRUSTED);
    lti_access_free(&pool, list);
    lti_pool_end(&pool);
}

TEST(access_lists_and_groups)
{
    const char *const users[] = {"1001", "4294967294"};
    const uint32_t groups[] = {5, NOBODY, 70};
    struct lti_access_peer peer = {.known = true, .uid = 1001, .gid = 20};
    begin();
    struct lti_access *list = make(LEAT_WHO_LIST, NULL, users, 2);
    CHECK_ERROR(lti_access_judge(list, 1000, &peer), LEAT_OK);
    peer.uid = 4294967294u;
    CHECK_ERROR(lti_access_judge(list, 1000, &peer), LEAT_OK);
    peer.uid = 1000;
    CHECK_ERROR(lti_access_judge(list, 1000, &peer), LEAT_OK);
    peer.uid = 1002;
    CHECK_ERROR(lti_access_judge(list, 1000, &peer), LEAT_E_UNTRUSTED);
    lti_access_free(&pool, list);

    struct lti_access *group = make(LEAT_WHO_GROUP, "70", NULL, 0);
    CHECK_ERROR(lti_access_judge(group, 1000, &peer), LEAT_E_UNTRUSTED);
    peer.groups = groups;
    peer.groups_count = 3;
    CHECK_ERROR(lti_access_judge(group, 1000, &peer), LEAT_OK);
    peer.groups_count = 2;
    CHECK_ERROR(lti_access_judge(group, 1000, &peer), LEAT_E_UNTRUSTED);
    peer.gid = 70;
    CHECK_ERROR(lti_access_judge(group, 1000, &peer), LEAT_OK);
    lti_access_free(&pool, group);

    struct lti_access *unmapped = make(LEAT_WHO_GROUP, "65534", NULL, 0);
    CHECK_ERROR(lti_access_judge(unmapped, 1000, &peer), LEAT_E_UNTRUSTED);
    peer.gid = NOBODY;
    CHECK_ERROR(lti_access_judge(unmapped, 1000, &peer), LEAT_E_UNTRUSTED);
    lti_access_free(&pool, unmapped);
    lti_pool_end(&pool);
}

/* Back and forth. */
TEST(access_numbers_as_text)
{
    static const uint32_t numbers[] = {0, 9, 10, 1000, 65534, UINT32_MAX - 1};
    static const char *const texts[] = {"0", "9", "10", "1000", "65534", "4294967294"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[LTI_ACCESS_TEXT_BYTES];
        uint32_t number = 7;
        CHECK_INT(lti_access_text(numbers[i], text), strlen(texts[i]));
        CHECK_STR(text, texts[i]);
        CHECK(lti_access_number(text, &number));
        CHECK_INT(number, numbers[i]);
    }
}

TEST(access_that_makes_no_sense)
{
    const char *const users[] = {"1000", NULL};
    const char *const bad[] = {"", "-1", "01", "1 ", "root", "4294967295", "4294967296"};
    struct lti_access *access = NULL;
    begin();
    const struct {
        enum leat_who who;
        const char *group;
        const char *const *users;
        uint32_t count;
        bool listens;
    } rows[] = {
        {LEAT_WHO_GROUP, NULL, NULL, 0, true},      {LEAT_WHO_GROUP, "1", users, 1, true},
        {LEAT_WHO_LIST, NULL, NULL, 0, true},       {LEAT_WHO_LIST, NULL, NULL, 1, true},
        {LEAT_WHO_LIST, "1", users, 1, true},       {LEAT_WHO_LIST, NULL, users, 2, true},
        {LEAT_WHO_LIST, NULL, users, 65, true},     {LEAT_WHO_SAME_USER, "1", NULL, 0, true},
        {LEAT_WHO_SAME_USER, NULL, users, 1, true}, {LEAT_WHO_ASK, NULL, NULL, 0, false},
        {(enum leat_who)6, NULL, NULL, 0, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_ERROR(lti_access_make(&pool, rows[i].who, rows[i].group, rows[i].users, rows[i].count,
                                    rows[i].listens, &access),
                    LEAT_E_OPTIONS);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_ERROR(lti_access_make(&pool, LEAT_WHO_GROUP, bad[i], NULL, 0, true, &access),
                    LEAT_E_OPTIONS);
    CHECK(access == NULL);
    lti_pool_end(&pool);
}

/* A text that is no number names nobody, least of all number 0. */
TEST(access_texts_that_are_no_numbers)
{
    union {
        struct lti_access access;
        char room[sizeof(struct lti_access) + sizeof(const char *)];
    } list = {.access = {.who = LEAT_WHO_LIST, .count = 1}};
    const struct lti_access_peer peer = {.known = true, .uid = 1000};
    list.access.texts[0] = "1000";
    CHECK_ERROR(lti_access_judge(&list.access, 7, &peer), LEAT_OK);
    list.access.texts[0] = "1000x";
    CHECK_ERROR(lti_access_judge(&list.access, 7, &peer), LEAT_E_UNTRUSTED);
    list.access.texts[0] = "";
    CHECK_ERROR(lti_access_judge(&list.access, 7, &peer), LEAT_E_UNTRUSTED);
}

TEST(access_is_told_apart_by_its_words)
{
    static const char *const two[] = {"1", "2"}, *const turned[] = {"2", "1"};
    begin();
    struct lti_access *all[] = {
        make(LEAT_WHO_SAME_USER, NULL, NULL, 0),
        make(LEAT_WHO_ADMIN, NULL, NULL, 0),
        make(LEAT_WHO_GROUP, "1", NULL, 0),
        make(LEAT_WHO_LIST, NULL, two, 1),
        make(LEAT_WHO_LIST, NULL, two, 2),
        make(LEAT_WHO_LIST, NULL, turned, 2),
        NULL,
    };
    enum { COUNT = sizeof all / sizeof all[0] };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            CHECK_INT(lti_access_equal(all[i], all[j]), i == j);
    struct lti_access *again = make(LEAT_WHO_LIST, NULL, two, 2);
    CHECK(lti_access_equal(again, all[4]));
    lti_access_free(&pool, again);
    for (int i = 0; i < COUNT; i++)
        lti_access_free(&pool, all[i]);
}
