/* SPDX-License-Identifier: MIT
 *
 * Who is at the other end, as people and programs see it, and whether a policy lets it be there.
 */
#ifndef LTI_TOOL_IDENTITY_H
#define LTI_TOOL_IDENTITY_H

#include "os.h"
#include "tool.h"

#define LTI_TOOL_GROUPS_MAX 1024u
#define LTI_TOOL_NAME_BYTES 256u
#define LTI_TOOL_PROGRAM_BYTES 1024u
#define LTI_TOOL_USER_BYTES (LEAT_PEER_TEXT_BYTES + LTI_TOOL_NAME_BYTES + 4) /* with its name */

struct lti_tool_identity {
    struct leat_peer peer;
    char user_name[LTI_TOOL_NAME_BYTES]; /* empty: it has none */
    char group_name[LTI_TOOL_NAME_BYTES];
    char program[LTI_TOOL_PROGRAM_BYTES]; /* of peer.pid; empty: not known */
    bool groups_known;
    size_t groups_count;
    uint32_t groups[LTI_TOOL_GROUPS_MAX];
};

/* Of a connection that is open, or about which we were asked. */
void lti_tool_identity_get(struct leat_hub *hub, leat_conn conn,
                           struct lti_tool_identity *identity_out);
/* "1000 (alice)" */
void lti_tool_identity_user(const char *text, bool group, char *buffer, size_t size);
/* "user 1000 (alice), process 4711 (/usr/bin/mail)": one line, not yet fit for a terminal. */
void lti_tool_identity_line(const struct lti_tool_identity *identity, char *buffer, size_t size);
void lti_tool_identity_print(const struct lti_tool_identity *identity);
/* ,"user":... : members, each with a comma before it. */
void lti_tool_identity_json(const struct lti_tool_identity *identity);

/* What a policy says of somebody; the first five let in. */
enum lti_tool_verdict {
    LTI_TOOL_LET_SELF = 0,
    LTI_TOOL_LET_ADMIN,
    LTI_TOOL_LET_GROUP,
    LTI_TOOL_LET_LIST,
    LTI_TOOL_LET_ANYONE,
    LTI_TOOL_NOT_KNOWN,
    LTI_TOOL_NOT_CERTAIN, /* the number may stand for anybody */
    LTI_TOOL_NOT_LET,
    LTI_TOOL_NOT_LEVEL,     /* Windows: it may be somebody in a sandbox */
    LTI_TOOL_NOT_THE_OWNER, /* what stands at the name belongs to another user */
    LTI_TOOL_NOT_A_LINK     /* a link stands at the name */
};
bool lti_tool_let(enum lti_tool_verdict verdict);
const char *lti_tool_verdict_text(enum lti_tool_verdict verdict);
enum lti_tool_verdict lti_tool_judge(const struct lti_tool_policy *policy,
                                     const struct lti_tool_identity *identity);
/* The same of a user alone, as of the owner of a socket. */
enum lti_tool_verdict lti_tool_judge_user(const struct lti_tool_policy *policy, const char *user);

#endif
