/* SPDX-License-Identifier: MIT
 *
 * --who: which users may be at the other end.
 *
 * Happy path: lti_tool_policy_parse takes "group:adm" apart, finds the numbers of names, and keeps
 * the texts as leat wants them.
 *
 * Fails: with what is wrong, in words that go behind "--who".
 *
 * Invariants: names are looked up here and never by the library, once, when leat begins. Nothing
 * that is not known becomes somebody else.
 */
#include "os.h"
#include "tool.h"

#include <string.h>

static const char *policy_add(struct lti_tool_policy *policy, const char *name, size_t size,
                              bool group)
{
    char word[LEAT_PEER_TEXT_BYTES];

    if (policy->count == LEAT_USERS_MAX) {
        return ": more users than leat takes";
    }
    if (size == 0 || size >= sizeof word) {
        return group ? ": a group is missing" : ": a user is missing";
    }
    memcpy(word, name, size);
    word[size] = '\0';
    if (!lti_tool_os_user_find(word, group, policy->room[policy->count], LEAT_PEER_TEXT_BYTES)) {
        return group ? ": there is no such group" : ": there is no such user";
    }
    policy->texts[policy->count] = policy->room[policy->count];
    policy->count++;
    return NULL;
}

static const char *policy_users(struct lti_tool_policy *policy, const char *at)
{
    const char *wrong = NULL;
    bool more = true;

    while (more && wrong == NULL) {
        size_t size = strcspn(at, ",");

        wrong = policy_add(policy, at, size, false);
        more = at[size] == ',';
        at += size + more;
    }
    return wrong;
}

const char *lti_tool_policy_parse(struct lti_tool_policy *policy, const char *text)
{
    policy->given = true;
    policy->spoken = text;
    policy->count = 0;
    if (strcmp(text, "same-user") == 0) {
        policy->who = LEAT_WHO_SAME_USER;
        return NULL;
    }
    if (strcmp(text, "admin") == 0) {
        policy->who = LEAT_WHO_ADMIN;
        return NULL;
    }
    if (strcmp(text, "ask") == 0) {
        policy->who = LEAT_WHO_ASK;
        return NULL;
    }
    if (strncmp(text, "group:", 6) == 0) {
        policy->who = LEAT_WHO_GROUP;
        return policy_add(policy, text + 6, strlen(text + 6), true);
    }
    if (strncmp(text, "list:", 5) == 0) {
        policy->who = LEAT_WHO_LIST;
        return policy_users(policy, text + 5);
    }
    return ": same-user, admin, group:G, list:U,U or ask";
}

void lti_tool_policy_listen(const struct lti_tool_policy *policy, struct leat_listen_options *l)
{
    l->who = policy->who;
    l->group = policy->who == LEAT_WHO_GROUP ? policy->texts[0] : NULL;
    l->users = policy->who == LEAT_WHO_LIST ? policy->texts : NULL;
    l->users_count = policy->who == LEAT_WHO_LIST ? policy->count : 0;
}

void lti_tool_policy_connect(const struct lti_tool_policy *policy, struct leat_connect_options *c)
{
    c->who = policy->who;
    c->group = policy->who == LEAT_WHO_GROUP ? policy->texts[0] : NULL;
    c->users = policy->who == LEAT_WHO_LIST ? policy->texts : NULL;
    c->users_count = policy->who == LEAT_WHO_LIST ? policy->count : 0;
}
