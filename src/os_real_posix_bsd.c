/* SPDX-License-Identifier: MIT
 *
 * The real peer, random and places of the systems that come from BSD. Written from their manuals;
 * untested on real systems.
 *
 * Happy path: the kernel tells who connected or listened, as it was then: by LOCAL_PEERCRED (Apple,
 *             FreeBSD, DragonFly), SO_PEERCRED (OpenBSD) or LOCAL_PEEREID (NetBSD), which
 *             getpeereid asks too, and which tell more than it does.
 * Fails:      with the kind of errno; with LTI_OS_UNSUPPORTED for what the system lacks.
 * Invariants: who a peer is comes from one call; the pid alone may come from another, and is left
 *             out when that one tells of another user.
 */
#include "os_real_posix.h"

#ifdef LTI_REAL_BSD

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#if defined __APPLE__ || defined __FreeBSD__ || defined __DragonFly__
#include <sys/ucred.h>
#endif
#ifdef __APPLE__
#include <bsm/audit.h>
#include <mach/message.h>
#endif

/* The level of the options of Unix-domain sockets has no name everywhere. */
#ifndef SOL_LOCAL
#define SOL_LOCAL 0
#endif

int64_t lti_os_random(void *buffer, size_t size)
{
    arc4random_buf(buffer, size); /* never fails and never waits */
    return (int64_t)size;
}

bool lti_os_privileged(void)
{
    return issetugid() != 0;
}

#ifndef __APPLE__

uint32_t lti_os_cpus(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

const char *lti_os_place(enum lti_os_place place)
{
    switch (place) {
    case LTI_OS_PLACE_SYSTEM:
        return "/var/run/leat";
    case LTI_OS_PLACE_TMP:
        return "/tmp";
    case LTI_OS_PLACE_USER:
        break;
    }
    return 0;
}

#endif

/* There is no word for it. So every connection is read as one that may bring some. */
bool lti_real_refuse_descriptors(int fd)
{
    (void)fd;
    return false;
}

bool lti_real_refuses_descriptors(int fd)
{
    (void)fd;
    return false;
}

bool lti_os_sockets_plain(void)
{
    return false;
}

#if defined __APPLE__ || defined __FreeBSD__ || defined __DragonFly__

#define BSD_GROUPS 1

/* The first group is the effective one, the others are beside it. */
static int64_t bsd_credentials(int fd, struct xucred *native_out)
{
    socklen_t length = sizeof *native_out;
    memset(native_out, 0, sizeof *native_out);
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, native_out, &length) != 0)
        return lti_real_errno(errno);
    bool whole = length == sizeof *native_out && native_out->cr_version == XUCRED_VERSION &&
                 native_out->cr_ngroups > 0 &&
                 (size_t)native_out->cr_ngroups <=
                     sizeof native_out->cr_groups / sizeof native_out->cr_groups[0];
    return whole ? 0 : lti_os_fail(LTI_OS_OTHER, EINVAL);
}

static int64_t bsd_pid(int fd, const struct xucred *native)
{
#if defined __FreeBSD__ && __FreeBSD__ >= 13
    (void)fd;
    return native->cr_pid;
#elif defined LOCAL_PEERTOKEN
    /* The token is that of the process that used the peer's socket last. */
    audit_token_t token;
    socklen_t length = sizeof token;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERTOKEN, &token, &length) != 0 || length != sizeof token)
        return 0;
    /* The audit library reads the effective user and the pid from these places. */
    return token.val[1] == native->cr_uid ? (int64_t)token.val[5] : 0;
#else
    (void)fd;
    (void)native;
    return 0;
#endif
}

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    struct xucred native;
    int64_t result = bsd_credentials(fd, &native);
    if (result < 0)
        return result;
    *peer_out = (struct lti_os_peer){
        .uid = native.cr_uid, .gid = native.cr_groups[0], .pid = bsd_pid(fd, &native)};
    return 0;
}

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    struct xucred native;
    int64_t result = bsd_credentials(fd, &native);
    if (result < 0)
        return result;
    size_t have = (size_t)native.cr_ngroups - 1;
    if (have > count)
        return lti_os_fail(LTI_OS_TOO_BIG, ERANGE);
    for (size_t i = 0; i < have; i++)
        groups_out[i] = native.cr_groups[i + 1];
    return (int64_t)have;
}

#elif defined __OpenBSD__

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    struct sockpeercred native;
    socklen_t length = sizeof native;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &native, &length) != 0)
        return lti_real_errno(errno);
    *peer_out = (struct lti_os_peer){.uid = native.uid, .gid = native.gid, .pid = native.pid};
    return 0;
}

#elif defined __NetBSD__

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    struct unpcbid native;
    socklen_t length = sizeof native;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEEREID, &native, &length) != 0)
        return lti_real_errno(errno);
    *peer_out =
        (struct lti_os_peer){.uid = native.unp_euid, .gid = native.unp_egid, .pid = native.unp_pid};
    return 0;
}

#endif

#ifndef BSD_GROUPS

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    (void)fd;
    (void)groups_out;
    (void)count;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

#endif

int64_t lti_os_peer_process(int fd)
{
    (void)fd;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

int64_t lti_os_peer_label(int fd, char *label_out, size_t size)
{
    (void)fd;
    (void)label_out;
    (void)size;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

#endif
