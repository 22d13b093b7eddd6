/* SPDX-License-Identifier: MIT
 *
 * Judges whether a peer may be at the other end.
 *
 * Happy path: the peer's user is ours, or the administrator, who could read our memory anyway.
 * Fails:      an unknown identity, an unmapped user and everybody else are UNTRUSTED.
 * Invariants: a pid is never looked at.
 */
#include "core.h"

/* What the system shows for a user that has no number in our namespace; never a match. */
#define OVERFLOW_USER 65534u

enum leat_error lti_access_judge(enum leat_who who, uint32_t own_uid, const struct lti_peer *peer)
{
    if (who == LEAT_WHO_INSECURE_ANYONE)
        return LEAT_OK;
    if (!peer->known || peer->uid == OVERFLOW_USER)
        return LEAT_E_UNTRUSTED;
    return peer->uid == own_uid || peer->uid == 0 ? LEAT_OK : LEAT_E_UNTRUSTED;
}
