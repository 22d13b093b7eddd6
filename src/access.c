/* SPDX-License-Identifier: MIT
 *
 * Judges whether a peer may be at the other end.
 *
 * Happy path: the peer's user is ours, or the administrator, who could read our memory anyway.
 * Fails:      an unknown identity, an unmapped user and everybody else are UNTRUSTED.
 * Invariants: a pid is never looked at. The user that stands for all unmapped ones is refused even
 *             when it is ours: then, too, the peer may be anybody.
 */
#include "core.h"

/* What the system shows for a user that has no number in our namespace. The user nobody has the
 * same number, and so have we inside a namespace that does not map us: never a match. */
#define OVERFLOW_USER 65534u

enum leat_error lti_access_judge(enum leat_who who, uint32_t own_uid, const struct lti_peer *peer)
{
    if (who == LEAT_WHO_INSECURE_ANYONE)
        return LEAT_OK;
    if (!peer->known || peer->uid == OVERFLOW_USER)
        return LEAT_E_UNTRUSTED;
    return peer->uid == own_uid || peer->uid == 0 ? LEAT_OK : LEAT_E_UNTRUSTED;
}

const char *lti_access_reason(const struct lti_peer *peer)
{
    if (!peer->known)
        return "the system does not say who the peer is";
    return peer->uid == OVERFLOW_USER ? "the peer's user is 65534, which may stand for anybody"
                                      : "the peer is another user";
}
