/* SPDX-License-Identifier: MIT
 *
 * The POSIX port: who is at the other end, and whether it may be there.
 *
 * Happy path: the system tells the peer's credentials, as they were when it connected or listened;
 *             they are judged by numbers.
 * Fails:      an identity that the system does not tell is a denial, and so is a list of groups
 *             that does not come whole.
 * Invariants: a pid decides nothing.
 */
#include "access.h"
#include "port_posix.h"

/* More than any system allows a process by default; with more, a member may be taken for none. */
#define GROUPS_MAX 1024

static const char *reason_of(const struct lti_peer *peer)
{
    if (!peer->known)
        return "the system does not say who the peer is";
    return peer->uid == LTI_ACCESS_OVERFLOW
               ? "the peer's user is 65534, which may stand for anybody"
               : "the peer is another user";
}

/* What the system does not say is no failure of the connection. */
static enum leat_error silence(int64_t result, struct os_code *code_out)
{
    enum leat_error error = lti_port_error(result, code_out);
    return error == LEAT_E_HANDLE ? LEAT_E_UNSUPPORTED : error;
}

enum leat_error lti_port_identity(const struct lti_link *link, struct leat_peer *peer_out,
                                  struct os_code *code_out)
{
    struct lti_os_peer native;
    int64_t result = lti_os_peer(lti_link_fd(link), &native);
    if (result < 0) {
        (void)lti_port_error(result, code_out);
        return LEAT_E_UNTRUSTED;
    }
    peer_out->known = LEAT_PEER_USER | LEAT_PEER_GROUP;
    peer_out->uid = native.uid;
    peer_out->gid = native.gid;
    (void)lti_access_text(native.uid, peer_out->user);
    if (native.pid > 0) {
        peer_out->known |= LEAT_PEER_PROCESS;
        peer_out->pid = native.pid;
    }
    if (lti_os_peer_label(lti_link_fd(link), peer_out->label, sizeof peer_out->label) > 0)
        peer_out->known |= LEAT_PEER_LABEL;
    return LEAT_OK;
}

enum leat_error lti_port_groups(const struct lti_link *link, uint32_t *groups_out, size_t count,
                                size_t *count_out, struct os_code *code_out)
{
    uint32_t groups[GROUPS_MAX];
    int64_t result = lti_os_peer_groups(lti_link_fd(link), groups, GROUPS_MAX);
    if (result < 0)
        return silence(result, code_out);
    *count_out = (size_t)result;
    if ((size_t)result > count)
        return LEAT_E_TOO_BIG;
    for (size_t i = 0; i < (size_t)result; i++)
        groups_out[i] = groups[i];
    return LEAT_OK;
}

enum leat_error lti_port_process(const struct lti_link *link, intptr_t *handle_out,
                                 struct os_code *code_out)
{
    int64_t result = lti_os_peer_process(lti_link_fd(link));
    if (result < 0)
        return silence(result, code_out);
    *handle_out = (intptr_t)result;
    return LEAT_OK;
}

bool lti_port_user_valid(const char *text)
{
    uint32_t number;
    return lti_access_number(text, &number);
}

enum leat_error lti_port_judge(struct lti_link *link, const struct lti_access *access,
                               struct lti_peer *peer_out, struct os_code *code_out)
{
    struct lti_os_peer native;
    uint32_t groups[GROUPS_MAX];
    uint32_t us = lti_os_euid();
    int64_t result = lti_os_peer(lti_link_fd(link), &native);
    *peer_out = (struct lti_peer){.known = result >= 0};
    if (result >= 0) {
        peer_out->uid = native.uid;
        peer_out->gid = native.gid;
        peer_out->pid = native.pid;
        peer_out->own = native.uid == us && native.uid != 0;
        peer_out->other = native.uid != us && native.uid != 0;
        peer_out->user = native.uid;
    } else {
        (void)lti_port_error(result, code_out);
    }
    if (!access)
        return LEAT_OK;
    struct lti_access_peer peer = {.known = peer_out->known, .uid = native.uid, .gid = native.gid};
    if (peer.known && access->who == LEAT_WHO_GROUP) {
        int64_t count = lti_os_peer_groups(lti_link_fd(link), groups, GROUPS_MAX);
        if (count < 0)
            (void)lti_port_error(count, code_out);
        peer.groups = groups;
        peer.groups_count = count < 0 ? 0 : (uint32_t)count;
    }
    enum leat_error error = lti_access_judge(access, us, &peer);
    if (error != LEAT_OK)
        peer_out->reason = reason_of(peer_out);
    return error;
}

enum leat_error lti_port_hear(struct lti_link *link, struct lti_peer *peer,
                              struct os_code *code_out)
{
    (void)link;
    (void)peer;
    (void)code_out;
    return LEAT_OK; /* the system knows who it is from the start */
}
