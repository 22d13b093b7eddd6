/* SPDX-License-Identifier: MIT
 *
 * Who may be at the other end, as the user of the library asked for it. Shared by a listener and
 * the connections that came in through it, and never changed.
 */
#ifndef LTI_ACCESS_H
#define LTI_ACCESS_H

#include "pool.h"

#include "leat/leat.h"

struct lti_access {
    enum leat_who who;
    uint32_t bytes; /* of the whole allocation */
    uint32_t count; /* of the texts: one group (GROUP), or the users (LIST) */
    const char *texts[];
};

/* OPTIONS: what does not fit together, or is nobody's name; MEMORY. */
enum leat_error lti_access_make(struct lti_pool *pool, enum leat_who who, const char *group,
                                const char *const *users, uint32_t users_count, bool listens,
                                struct lti_access **access_out);
/* They let the same ones be there, asked for in the same words. Null is allowed. */
bool lti_access_equal(const struct lti_access *a, const struct lti_access *b);
void lti_access_free(struct lti_pool *pool, struct lti_access *access); /* null is allowed */

/* What a system of numbers shows for a user or a group that has none in our namespace. The user
 * nobody has the same one, and so have we in a namespace that does not map us: never a match. */
#define LTI_ACCESS_OVERFLOW 65534u

/* What such a system says of a peer. */
struct lti_access_peer {
    bool known;
    uint32_t uid, gid;
    const uint32_t *groups; /* beside gid; looked at for GROUP only */
    uint32_t groups_count;
};
/* OK or UNTRUSTED, for systems where users and groups are numbers. */
enum leat_error lti_access_judge(const struct lti_access *access, uint32_t own_uid,
                                 const struct lti_access_peer *peer);
/* True when the text is a number that a user or a group can have. */
bool lti_access_number(const char *text, uint32_t *number_out);
/* Its text, with a zero byte; the size without that. */
#define LTI_ACCESS_TEXT_BYTES 11u
size_t lti_access_text(uint32_t number, char text_out[LTI_ACCESS_TEXT_BYTES]);

#endif
