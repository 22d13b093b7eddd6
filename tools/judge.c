/* SPDX-License-Identifier: MIT
 *
 * Whether a policy lets somebody in, for those that want to know before they connect.
 *
 * Happy path: this user and the administrator are always let in; then the group or the list counts.
 *
 * Fails: who is not known, or cannot be told from others, is not let in.
 *
 * Invariants: the rules are those of enum leat_who; nothing is decided here but what is shown.
 */
#include "identity.h"

#include <inttypes.h>
#include <string.h>

bool lti_tool_let(enum lti_tool_verdict verdict)
{
    return verdict <= LTI_TOOL_LET_ANYONE;
}

const char *lti_tool_verdict_text(enum lti_tool_verdict verdict)
{
    static const char *const texts[] = {
        [LTI_TOOL_LET_SELF] = "it is this user",
        [LTI_TOOL_LET_ADMIN] = "it is an administrator",
        [LTI_TOOL_LET_GROUP] = "it is in the group",
        [LTI_TOOL_LET_LIST] = "it is on the list",
        [LTI_TOOL_LET_ANYONE] = "everybody is",
        [LTI_TOOL_NOT_KNOWN] = "the system does not say who it is",
        [LTI_TOOL_NOT_CERTAIN] = "its user's number may stand for anybody",
        [LTI_TOOL_NOT_LET] = "it is another user",
        [LTI_TOOL_NOT_LEVEL] = "its level of integrity is too low",
        [LTI_TOOL_NOT_THE_OWNER] = "what stands at the name belongs to another user",
        [LTI_TOOL_NOT_A_LINK] = "a link stands at the name",
    };

    return texts[verdict];
}

static bool listed(const struct lti_tool_policy *policy, const char *text)
{
    for (uint32_t i = 0; i < policy->count; i++) {
        if (strcmp(policy->texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

enum lti_tool_verdict lti_tool_judge_user(const struct lti_tool_policy *policy, const char *user)
{
    if (policy->who == LEAT_WHO_INSECURE_ANYONE) {
        return LTI_TOOL_LET_ANYONE;
    }
    switch (lti_tool_os_user_standing(user)) {
    case LTI_TOOL_USER_ANYBODY:
        return LTI_TOOL_NOT_CERTAIN;
    case LTI_TOOL_USER_SELF:
        return LTI_TOOL_LET_SELF;
    case LTI_TOOL_USER_ADMIN:
        return LTI_TOOL_LET_ADMIN;
    case LTI_TOOL_USER_OTHER:
        break;
    }
    return policy->who == LEAT_WHO_LIST && listed(policy, user) ? LTI_TOOL_LET_LIST
                                                                : LTI_TOOL_NOT_LET;
}

static bool group_listed(const struct lti_tool_policy *policy, uint32_t group)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%" PRIu32, group);
    return lti_tool_os_user_standing(text) != LTI_TOOL_USER_ANYBODY && listed(policy, text);
}

static enum lti_tool_verdict judge_all(const struct lti_tool_policy *policy,
                                       const struct lti_tool_identity *identity)
{
    const struct leat_peer *peer = &identity->peer;
    enum lti_tool_verdict verdict;

    if ((peer->known & LEAT_PEER_USER) == 0) {
        return policy->who == LEAT_WHO_INSECURE_ANYONE ? LTI_TOOL_LET_ANYONE : LTI_TOOL_NOT_KNOWN;
    }
    verdict = lti_tool_judge_user(policy, peer->user);
    if (verdict != LTI_TOOL_NOT_LET || policy->who != LEAT_WHO_GROUP) {
        return verdict;
    }
    /* Where groups are users of a kind, as on Windows, a group may own the name itself. */
    if (listed(policy, peer->user) && (peer->known & LEAT_PEER_GROUP) == 0) {
        return LTI_TOOL_LET_GROUP;
    }
    if ((peer->known & LEAT_PEER_GROUP) != 0 && group_listed(policy, peer->gid)) {
        return LTI_TOOL_LET_GROUP;
    }
    for (size_t i = 0; identity->groups_known && i < identity->groups_count; i++) {
        if (group_listed(policy, identity->groups[i])) {
            return LTI_TOOL_LET_GROUP;
        }
    }
    return LTI_TOOL_NOT_LET;
}

enum lti_tool_verdict lti_tool_judge(const struct lti_tool_policy *policy,
                                     const struct lti_tool_identity *identity)
{
    const struct leat_peer *peer = &identity->peer;
    enum lti_tool_verdict verdict = judge_all(policy, identity);
    bool as_us = verdict == LTI_TOOL_LET_SELF && !listed(policy, peer->user);

    if (!lti_tool_let(verdict) || verdict == LTI_TOOL_LET_ANYONE ||
        (peer->known & LEAT_PEER_LABEL) == 0 || lti_tool_os_label_fits(peer->label, as_us)) {
        return verdict;
    }
    return LTI_TOOL_NOT_LEVEL;
}
