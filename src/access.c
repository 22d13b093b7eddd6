/* SPDX-License-Identifier: MIT
 *
 * Who may be at the other end: what was asked for, and the judgement where users are numbers.
 *
 * Happy path: the peer's user is ours, or the administrator, who could read our memory anyway; or
 *             it is in the group, or on the list, that was asked for.
 * Fails:      an unknown identity, an unmapped user and everybody else are UNTRUSTED.
 * Invariants: a pid is never looked at. The user that stands for all unmapped ones is refused even
 *             when it is ours or on the list: then, too, the peer may be anybody.
 */
#include "access.h"

#include "port.h"

#include <string.h>

static bool who_fits(enum leat_who who, const char *group, uint32_t users_count, bool listens)
{
    bool wants_group = who == LEAT_WHO_GROUP, wants_users = who == LEAT_WHO_LIST;
    if (wants_group != (group != 0) || wants_users != (users_count > 0) ||
        users_count > LEAT_USERS_MAX)
        return false;
    switch (who) {
    case LEAT_WHO_SAME_USER:
    case LEAT_WHO_INSECURE_ANYONE:
    case LEAT_WHO_ADMIN:
    case LEAT_WHO_GROUP:
    case LEAT_WHO_LIST:
        return true;
    case LEAT_WHO_ASK:
        return listens;
    }
    return false;
}

enum leat_error lti_access_make(struct lti_pool *pool, enum leat_who who, const char *group,
                                const char *const *users, uint32_t users_count, bool listens,
                                struct lti_access **access_out)
{
    if (!who_fits(who, group, users_count, listens) || (users_count && !users))
        return LEAT_E_OPTIONS;
    uint32_t count = group ? 1 : users_count;
    const char *const *texts = group ? &group : users;
    size_t bytes = sizeof(struct lti_access) + count * sizeof texts[0];
    for (uint32_t i = 0; i < count; i++) {
        if (!texts[i] || !lti_port_user_valid(texts[i]))
            return LEAT_E_OPTIONS;
        bytes += strlen(texts[i]) + 1;
    }
    struct lti_access *access = lti_pool_alloc(pool, bytes);
    if (!access)
        return LEAT_E_MEMORY;
    access->who = who;
    access->bytes = (uint32_t)bytes;
    access->count = count;
    char *at = (char *)(access->texts + count);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = strlen(texts[i]) + 1;
        memcpy(at, texts[i], size);
        access->texts[i] = at;
        at += size;
    }
    *access_out = access;
    return LEAT_OK;
}

bool lti_access_equal(const struct lti_access *a, const struct lti_access *b)
{
    if (!a || !b)
        return a == b;
    bool equal = a->who == b->who && a->count == b->count;
    for (uint32_t i = 0; i < a->count && equal; i++)
        equal = strcmp(a->texts[i], b->texts[i]) == 0;
    return equal;
}

void lti_access_free(struct lti_pool *pool, struct lti_access *access)
{
    if (access)
        lti_pool_free(pool, access, access->bytes);
}

bool lti_access_number(const char *text, uint32_t *number_out)
{
    uint64_t number = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 10 || (size > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *number_out = (uint32_t)number;
    return number < UINT32_MAX; /* the last one means "none" to the system */
}

size_t lti_access_text(uint32_t number, char text_out[LTI_ACCESS_TEXT_BYTES])
{
    char digits[LTI_ACCESS_TEXT_BYTES];
    size_t count = 0, size = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count)
        text_out[size++] = digits[--count];
    text_out[size] = 0;
    return size;
}

static bool number_listed(const struct lti_access *access, uint32_t number)
{
    uint32_t listed;
    for (uint32_t i = 0; i < access->count; i++)
        if (lti_access_number(access->texts[i], &listed) && listed == number)
            return true;
    return false;
}

static bool group_listed(const struct lti_access *access, const struct lti_access_peer *peer)
{
    bool listed = peer->gid != LTI_ACCESS_OVERFLOW && number_listed(access, peer->gid);
    for (uint32_t i = 0; i < peer->groups_count && !listed; i++)
        listed = peer->groups[i] != LTI_ACCESS_OVERFLOW && number_listed(access, peer->groups[i]);
    return listed;
}

enum leat_error lti_access_judge(const struct lti_access *access, uint32_t own_uid,
                                 const struct lti_access_peer *peer)
{
    if (access->who == LEAT_WHO_INSECURE_ANYONE)
        return LEAT_OK;
    if (!peer->known || peer->uid == LTI_ACCESS_OVERFLOW)
        return LEAT_E_UNTRUSTED;
    if (peer->uid == own_uid || peer->uid == 0 || access->who == LEAT_WHO_ASK)
        return LEAT_OK;
    bool let = (access->who == LEAT_WHO_LIST && number_listed(access, peer->uid)) ||
               (access->who == LEAT_WHO_GROUP && group_listed(access, peer));
    return let ? LEAT_OK : LEAT_E_UNTRUSTED;
}
