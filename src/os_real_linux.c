/* SPDX-License-Identifier: MIT
 *
 * The real peer, random and places of Linux: SO_PEERCRED, getrandom.
 *
 * Happy path: one system call each.
 * Fails:      with the kind of errno; nothing is retried.
 * Invariants: none beside.
 */
#include "os_real_posix.h"

#ifdef __linux__

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int64_t lti_os_random(void *buffer, size_t size)
{
    return lti_real_result(getrandom(buffer, size, 0));
}

#define CPUS_MAX 8192u

uint32_t lti_os_cpus(void)
{
    union {
        cpu_set_t set;
        unsigned char bytes[CPUS_MAX / 8];
    } cpus = {.bytes = {0}};
    if (sched_getaffinity(0, sizeof cpus, &cpus.set) != 0)
        return 1;
    return (uint32_t)CPU_COUNT_S(sizeof cpus, &cpus.set);
}

bool lti_os_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

const char *lti_os_place(enum lti_os_place place)
{
    switch (place) {
    case LTI_OS_PLACE_SYSTEM:
        return "/run/leat";
    case LTI_OS_PLACE_TMP:
        return "/tmp";
    case LTI_OS_PLACE_USER: /* the login manager's is found by the user's number */
        break;
    }
    return 0;
}

/* Set when this kernel knows the option: then every socket made here has it, and those accepted
 * from one inherit it. */
static atomic_bool sockets_plain;

bool lti_real_refuse_descriptors(int fd)
{
    /* Since Linux 6.16; older kernels say ENOPROTOOPT, and the port then takes what came. */
    int allowed = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &allowed, sizeof allowed) != 0)
        return false;
    atomic_store_explicit(&sockets_plain, true, memory_order_relaxed);
    return true;
}

bool lti_real_refuses_descriptors(int fd)
{
    int allowed = 1;
    socklen_t length = sizeof allowed;
    return getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &allowed, &length) == 0 && allowed == 0;
}

bool lti_os_sockets_plain(void)
{
    return atomic_load_explicit(&sockets_plain, memory_order_relaxed);
}

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    struct ucred native;
    socklen_t length = sizeof native;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &native, &length) != 0)
        return lti_real_errno(errno);
    *peer_out = (struct lti_os_peer){
        .uid = (uint32_t)native.uid, .gid = (uint32_t)native.gid, .pid = native.pid};
    return 0;
}

int64_t lti_os_peer_process(int fd)
{
    int process = -1;
    socklen_t length = sizeof process;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &length) != 0)
        return lti_real_errno(errno);
    return process;
}

int64_t lti_os_peer_label(int fd, char *label_out, size_t size)
{
    socklen_t length = (socklen_t)(size - 1);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label_out, &length) != 0)
        return lti_real_errno(errno);
    while (length > 0 && label_out[length - 1] == 0)
        length--; /* some security modules count their zero byte */
    label_out[length] = 0;
    return (int64_t)length;
}

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    _Static_assert(sizeof(gid_t) == sizeof groups_out[0], "groups come as they are");
    socklen_t length = (socklen_t)(count * sizeof groups_out[0]);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups_out, &length) != 0)
        return lti_real_errno(errno);
    return (int64_t)(length / sizeof groups_out[0]);
}

#endif
