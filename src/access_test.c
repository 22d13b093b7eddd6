/* SPDX-License-Identifier: MIT
 *
 * Tests of access.c: who is trusted, and the words for who is not.
 */
#include "core.h"

#include "harness.h"

#include <string.h>

#define NOBODY 65534u

static enum leat_error judge(uint32_t own_uid, uint32_t uid)
{
    const struct lti_peer peer = {.known = true, .uid = uid};
    return lti_access_judge(LEAT_WHO_SAME_USER, own_uid, &peer);
}

TEST(access_same_user_and_root)
{
    CHECK_ERROR(judge(1000, 1000), LEAT_OK);
    CHECK_ERROR(judge(1000, 0), LEAT_OK);
    CHECK_ERROR(judge(0, 0), LEAT_OK);
    CHECK_ERROR(judge(1000, 1001), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(0, 1000), LEAT_E_UNTRUSTED);
}

TEST(access_unknown_is_a_denial)
{
    const struct lti_peer unknown = {.known = false, .uid = 1000};
    CHECK_ERROR(lti_access_judge(LEAT_WHO_SAME_USER, 1000, &unknown), LEAT_E_UNTRUSTED);
    CHECK_ERROR(lti_access_judge(LEAT_WHO_INSECURE_ANYONE, 1000, &unknown), LEAT_OK);
    CHECK_STR(lti_access_reason(&unknown), "the system does not say who the peer is");
}

/* It may be anybody, also for a process that is nobody itself. */
TEST(access_unmapped_user_is_never_the_same)
{
    const struct lti_peer nobody = {.known = true, .uid = NOBODY};
    const struct lti_peer other = {.known = true, .uid = 1001};
    CHECK_ERROR(judge(1000, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(0, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(NOBODY, NOBODY), LEAT_E_UNTRUSTED);
    CHECK_ERROR(judge(NOBODY, 0), LEAT_OK);
    CHECK(strstr(lti_access_reason(&nobody), "65534") != NULL);
    CHECK_STR(lti_access_reason(&other), "the peer is another user");
}
