/* SPDX-License-Identifier: MIT
 *
 * The fault object's sockets, files and poller, and the account of descriptors.
 *
 * Happy path: each call is counted and forwarded; what it opens or closes is written down.
 * Fails:      as armed; a wait for ever that nothing can end is aborted, in virtual time.
 * Invariants: a descriptor that was hidden from the caller by a fault was never made; a fault that
 *             keeps data or room from the caller makes the poller report the present state again.
 */
#include "os_fault_private.h"

#include "leat/leat.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define FAULT_DESCRIPTORS_MAX 131072
#define FAULT_INTERRUPTED_NS INT64_C(1000000)

/* What is known of a descriptor: whether it was made here, what it is, and how a poller watches
 * it. */
struct fault_descriptor {
    atomic_bool live;
    atomic_bool packets; /* it was made ready for packets */
    atomic_bool watched;
    atomic_int poller;
    atomic_uint interest;
    atomic_uint_fast64_t cookie;
};

static struct fault_descriptor fault_descriptors[FAULT_DESCRIPTORS_MAX];
static atomic_int fault_descriptors_high; /* above every descriptor that was ever written down */

/* The last watched descriptor that was closed. */
static struct {
    atomic_bool known;
    atomic_int poller;
    atomic_uint_fast64_t cookie;
} fault_stale;

void lti_fault_system_reset(void)
{
    atomic_store(&fault_stale.known, false);
}

int64_t lti_fault_word(const struct lti_fault *fault)
{
    bool lock = fault->call == LTI_FAULT_CALL_lock || fault->call == LTI_FAULT_CALL_share ||
                fault->call == LTI_FAULT_CALL_turn || fault->call == LTI_FAULT_CALL_turn_share;
    if (lock && fault->raw == EWOULDBLOCK)
        return lti_os_fail(LTI_OS_IN_USE, fault->raw);
    return lti_real_errno(fault->raw);
}

static struct fault_descriptor *fault_descriptor(int fd)
{
    if (fd < 0 || fd >= FAULT_DESCRIPTORS_MAX)
        return NULL;
    int high = atomic_load(&fault_descriptors_high);
    while (high <= fd && !atomic_compare_exchange_weak(&fault_descriptors_high, &high, fd + 1))
        continue;
    return &fault_descriptors[fd];
}

/* Writes a new descriptor down and hands the result on. */
static int64_t fault_opened(int64_t result)
{
    struct fault_descriptor *descriptor = result < 0 ? NULL : fault_descriptor((int)result);
    if (descriptor) {
        atomic_store(&descriptor->watched, false);
        atomic_store(&descriptor->packets, false);
        atomic_store(&descriptor->live, true);
        lti_fault_descriptors(1);
    }
    return result;
}

/* Must come before the real close: afterwards another thread may own the number. */
static void fault_closing(int fd)
{
    struct fault_descriptor *descriptor = fault_descriptor(fd);
    if (!descriptor)
        return;
    if (atomic_exchange(&descriptor->watched, false)) {
        atomic_store(&fault_stale.poller, atomic_load(&descriptor->poller));
        atomic_store(&fault_stale.cookie, atomic_load(&descriptor->cookie));
        atomic_store(&fault_stale.known, true);
    }
    atomic_store(&descriptor->packets, false);
    if (atomic_exchange(&descriptor->live, false))
        lti_fault_descriptors(-1);
}

static void fault_watch(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    struct fault_descriptor *descriptor = fault_descriptor(fd);
    if (!descriptor)
        return;
    atomic_store(&descriptor->poller, poller);
    atomic_store(&descriptor->interest, interest);
    atomic_store(&descriptor->cookie, cookie);
    atomic_store(&descriptor->watched, true);
}

/* A system that said "not now", or moved less than it could, tells later that there is more. */
static void fault_edge_again(int fd)
{
    struct fault_descriptor *descriptor = fault_descriptor(fd);
    if (descriptor && atomic_load(&descriptor->watched))
        (void)lti_real_poller_modify(atomic_load(&descriptor->poller), fd,
                                     atomic_load(&descriptor->interest),
                                     atomic_load(&descriptor->cookie));
}

static const char *fault_jail;

void lti_fault_jail(const char *folder)
{
    fault_jail = folder;
}

/* A path of a folder's descriptor is where the folder was when it was opened, and that was judged:
 * nothing outside is opened as one. */
static bool fault_outside(const char *path)
{
    return fault_jail && path[0] != '\0' && strncmp(path, fault_jail, strlen(fault_jail)) != 0 &&
           strncmp(path, LTI_REAL_PROC, strlen(LTI_REAL_PROC)) != 0;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

int64_t lti_os_socket(bool packets)
{
    FAULT_CALL(socket, fault_opened(lti_real_socket(packets)));
    return result;
}

int64_t lti_os_socketpair(bool packets, int fds_out[2])
{
    FAULT_CALL(socketpair, lti_real_socketpair(packets, fds_out));
    if (result >= 0) {
        (void)fault_opened(fds_out[0]);
        (void)fault_opened(fds_out[1]);
    }
    return result;
}

int64_t lti_os_bind(int fd, const char *address, size_t size)
{
    FAULT_CALL(bind, size > 0 && fault_outside(address) ? lti_real_errno(EACCES)
                                                        : lti_real_bind(fd, address, size));
    return result;
}

int64_t lti_os_listen(int fd, uint32_t backlog)
{
    FAULT_CALL(listen, lti_real_listen(fd, backlog));
    return result;
}

int64_t lti_os_connect(int fd, const char *address, size_t size)
{
    FAULT_CALL(connect, lti_real_connect(fd, address, size));
    return result;
}

int64_t lti_os_connect_node(int fd, int node)
{
    FAULT_CALL(connect_node, lti_real_connect_node(fd, node));
    return result;
}

int64_t lti_os_accept(int fd)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_accept);
    if (!fault)
        return fault_opened(lti_real_accept(fd));
    if (fault->traits & LTI_FAULT_TRANSPARENT)
        fault_edge_again(fd);
    return lti_fault_word(fault);
}

int64_t lti_os_shutdown_write(int fd)
{
    FAULT_CALL(shutdown_write, lti_real_shutdown_write(fd));
    return result;
}

void lti_os_end_copies(int fd)
{
    lti_real_end_copies(fd);
}

static int64_t fault_close(int fd)
{
    fault_closing(fd);
    return lti_fault_closed(lti_real_close(fd));
}

int64_t lti_os_close(int fd)
{
    FAULT_CALL(close, fault_close(fd));
    return result;
}

static int64_t fault_poller_close(int poller, bool forked)
{
    fault_closing(poller);
    return lti_fault_closed(lti_real_poller_close(poller, forked));
}

int64_t lti_os_poller_close(int poller, bool forked)
{
    FAULT_CALL(close, fault_poller_close(poller, forked));
    return result;
}

/* Writes down what came along. */
static int64_t fault_came(int64_t result, const struct lti_os_came *came)
{
    for (uint32_t i = 0; result >= 0 && came && i < came->count; i++)
        (void)fault_opened(came->fds[i]);
    return result;
}

int64_t lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                    uint32_t *flags_out)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_recv);
    if (!fault)
        return fault_came(lti_real_recv(fd, buffer, size, came_out, flags_out), came_out);
    if (fault->action == LTI_FAULT_ERROR) {
        if (fault->traits & LTI_FAULT_TRANSPARENT)
            fault_edge_again(fd);
        return lti_fault_word(fault);
    }
    if (came_out)
        came_out->count = 0;
    if (fault->action == LTI_FAULT_END) {
        *flags_out = 0;
        return 0;
    }
    if (fault->action == LTI_FAULT_CUT) {
        *flags_out = LTI_OS_RECV_MORE | LTI_OS_RECV_CUT;
        return 1; /* with a byte that nobody may look at */
    }
    if (fault->action == LTI_FAULT_HALF)
        size = (size + 1) / 2;
    else if (size > 1)
        size = 1;
    int64_t result = fault_came(lti_real_recv(fd, buffer, size, came_out, flags_out), came_out);
    if (fault->action == LTI_FAULT_ONE_MORE && result > 0)
        *flags_out |= LTI_OS_RECV_MORE;
    else
        fault_edge_again(fd);
    return result;
}

int64_t lti_os_packets(int fd, size_t want)
{
    FAULT_CALL(packets, lti_real_packets(fd, want));
    struct fault_descriptor *descriptor = result < 0 ? NULL : fault_descriptor(fd);
    if (descriptor)
        atomic_store(&descriptor->packets, true);
    return result;
}

int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags)
{
    bool peek = (*flags & LTI_OS_PACKET_PEEK) != 0;
    const struct lti_fault *fault =
        lti_fault_next(peek ? LTI_FAULT_CALL_peek_packet : LTI_FAULT_CALL_recv_packet);
    if (!fault)
        return fault_came(lti_real_recv_packet(fd, buffer, size, came_out, flags), came_out);
    if (came_out)
        came_out->count = 0;
    if (fault->action == LTI_FAULT_END) {
        *flags = LTI_OS_PACKET_END;
        return 0;
    }
    if (fault->action == LTI_FAULT_CUT) {
        *flags = LTI_OS_PACKET_CUT;
        return size > 0; /* with a byte that nobody may look at */
    }
    if (fault->traits & LTI_FAULT_TRANSPARENT)
        fault_edge_again(fd);
    return lti_fault_word(fault);
}

static bool fault_has_packets(int fd)
{
    struct fault_descriptor *descriptor = fault_descriptor(fd);
    return descriptor && atomic_load(&descriptor->packets);
}

int64_t lti_os_send(int fd, const struct leat_slice *slices, size_t count)
{
    bool packets = fault_has_packets(fd);
    const struct lti_fault *fault =
        lti_fault_next(packets ? LTI_FAULT_CALL_send_packet : LTI_FAULT_CALL_send);
    if (!fault)
        return lti_real_send(fd, slices, count);
    fault_edge_again(fd);
    if (fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    struct leat_slice fewer[LEAT_SLICES_MAX];
    size_t total = 0;
    count = count > LEAT_SLICES_MAX ? LEAT_SLICES_MAX : count;
    for (size_t i = 0; i < count; i++)
        total += slices[i].size;
    size_t left = fault->action == LTI_FAULT_HALF ? (total + 1) / 2 : 1;
    size_t used = 0;
    for (; used < count && left > 0; used++) {
        fewer[used] = slices[used];
        if (fewer[used].size > left)
            fewer[used].size = left;
        left -= fewer[used].size;
    }
    return lti_real_send(fd, fewer, used);
}

int64_t lti_os_peer_process(int fd)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_peer_process);
    return fault ? lti_fault_word(fault) : fault_opened(lti_real_peer_process(fd));
}

int64_t lti_os_peer_label(int fd, char *label_out, size_t size)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_peer_label);
    return fault ? lti_fault_word(fault) : lti_real_peer_label(fd, label_out, size);
}

int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_peer_groups);
    return fault ? lti_fault_word(fault) : lti_real_peer_groups(fd, groups_out, count);
}

int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_peer);
    if (fault && fault->action == LTI_FAULT_ERROR)
        return lti_fault_word(fault);
    int64_t result = lti_real_peer(fd, peer_out);
    if (fault && result >= 0) {
        peer_out->uid = lti_real_euid() + 1000;
        peer_out->gid = peer_out->uid;
    }
    return result;
}

int64_t lti_os_socket_facts(int fd, struct lti_os_socket_facts *facts_out)
{
    FAULT_CALL(socket_facts, lti_real_socket_facts(fd, facts_out));
    return result;
}

int64_t lti_os_set_flags(int fd)
{
    FAULT_CALL(set_flags, lti_real_set_flags(fd));
    return result;
}

/* ---- Files ----------------------------------------------------------------------------------- */

int64_t lti_os_lstat(const char *path, struct lti_os_file *file_out)
{
    FAULT_CALL(lstat, lti_real_lstat(path, file_out));
    return result;
}

int64_t lti_os_fstat(int fd, struct lti_os_file *file_out)
{
    FAULT_CALL(fstat, lti_real_fstat(fd, file_out));
    return result;
}

int64_t lti_os_fchmod(int fd, uint32_t mode)
{
    FAULT_CALL(fchmod, lti_real_fchmod(fd, mode));
    return result;
}

int64_t lti_os_open_node(const char *path)
{
    FAULT_CALL(open_node, fault_opened(lti_real_open_node(path)));
    return result;
}

int64_t lti_os_open_folder(const char *path)
{
    FAULT_CALL(open_folder, fault_outside(path) ? lti_real_errno(EACCES)
                                                : fault_opened(lti_real_open_folder(path)));
    return result;
}

int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES])
{
    FAULT_CALL(folder_path, lti_real_folder_path(folder, path_out));
    return result;
}

int64_t lti_os_node_group(int node, uint32_t gid)
{
    FAULT_CALL(node_group, lti_real_node_group(node, gid));
    return result;
}

int64_t lti_os_node_mode(int node, uint32_t mode)
{
    FAULT_CALL(node_mode, lti_real_node_mode(node, mode));
    return result;
}

int64_t lti_os_rename(const char *from, const char *to)
{
    FAULT_CALL(rename, fault_outside(from) || fault_outside(to) ? lti_real_errno(EACCES)
                                                                : lti_real_rename(from, to));
    return result;
}

int64_t lti_os_unlink(const char *path)
{
    FAULT_CALL(unlink, fault_outside(path) ? lti_real_errno(EACCES) : lti_real_unlink(path));
    return result;
}

int64_t lti_os_mkdir(const char *path, uint32_t mode)
{
    FAULT_CALL(mkdir, fault_outside(path) ? lti_real_errno(EACCES) : lti_real_mkdir(path, mode));
    return result;
}

int64_t lti_os_make_lock(const char *path)
{
    FAULT_CALL(make_lock, fault_outside(path) ? lti_real_errno(EACCES)
                                              : fault_opened(lti_real_make_lock(path)));
    return result;
}

int64_t lti_os_open_lock(const char *path)
{
    FAULT_CALL(open_lock, fault_outside(path) ? lti_real_errno(EACCES)
                                              : fault_opened(lti_real_open_lock(path)));
    return result;
}

#define FAULT_LOCK(call)                                                                           \
    int64_t lti_os_##call(int fd)                                                                  \
    {                                                                                              \
        FAULT_CALL(call, lti_real_##call(fd));                                                     \
        return result;                                                                             \
    }
FAULT_LOCK(lock)
FAULT_LOCK(share)
FAULT_LOCK(share_over)
FAULT_LOCK(turn)
FAULT_LOCK(turn_share)
FAULT_LOCK(turn_over)
FAULT_LOCK(unlock)
#undef FAULT_LOCK

/* ---- Poller and wake-up ---------------------------------------------------------------------- */

int64_t lti_os_poller_create(void)
{
    FAULT_CALL(poller_create, fault_opened(lti_real_poller_create()));
    return result;
}

int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    FAULT_CALL(poller_add, lti_real_poller_add(poller, fd, interest, cookie));
    if (result >= 0)
        fault_watch(poller, fd, interest, cookie);
    return result;
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    FAULT_CALL(poller_modify, lti_real_poller_modify(poller, fd, interest, cookie));
    if (result >= 0)
        fault_watch(poller, fd, interest, cookie);
    return result;
}

int64_t lti_os_poller_remove(int poller, int fd)
{
    FAULT_CALL(poller_remove, lti_real_poller_remove(poller, fd));
    struct fault_descriptor *descriptor = fault_descriptor(fd);
    if (descriptor)
        atomic_store(&descriptor->watched, false);
    return result;
}

/* In virtual time nobody else can make something happen: waiting is only a matter of time. */
static int64_t fault_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                          int64_t timeout_ns)
{
    if (!lti_fault_is_virtual())
        return lti_real_poller_wait(poller, ready_out, count, timeout_ns);
    int64_t result = lti_real_poller_wait(poller, ready_out, count, 0);
    if (result != 0 || timeout_ns == 0)
        return result;
    if (timeout_ns < 0)
        lti_fault_stop("a wait for ever that nothing can end", LTI_FAULT_CALL_poller_wait);
    lti_fault_pass_time(timeout_ns);
    return 0;
}

/* Time that goes by in a wait that ended early; a fault that lasts lets all of it pass. */
static void fault_wait_in_vain(int64_t timeout_ns)
{
    if (!lti_fault_is_virtual() || timeout_ns == 0)
        return;
    if (timeout_ns < 0 && lti_fault_lasts())
        lti_fault_stop("a wait for ever that nothing can end", LTI_FAULT_CALL_poller_wait);
    bool whole = timeout_ns > 0 && (lti_fault_lasts() || timeout_ns < FAULT_INTERRUPTED_NS);
    lti_fault_pass_time(whole ? timeout_ns : FAULT_INTERRUPTED_NS);
}

static size_t fault_everything_ready(int poller, struct lti_os_ready *ready_out, size_t used,
                                     size_t count)
{
    int high = atomic_load(&fault_descriptors_high);
    for (int fd = 0; fd < high && used < count; fd++) {
        struct fault_descriptor *descriptor = &fault_descriptors[fd];
        if (!atomic_load(&descriptor->watched) || atomic_load(&descriptor->poller) != poller)
            continue;
        ready_out[used].cookie = atomic_load(&descriptor->cookie);
        ready_out[used].flags = atomic_load(&descriptor->interest);
        used++;
    }
    return used;
}

/* Waits for real, then makes the events worse than they were. */
static int64_t fault_wait_worse(const struct lti_fault *fault, int poller,
                                struct lti_os_ready *ready_out, size_t count, int64_t timeout_ns)
{
    if (fault->action != LTI_FAULT_DUPLICATE) {
        fault_wait_in_vain(timeout_ns);
        timeout_ns = 0;
    }
    int64_t result = fault_wait(poller, ready_out, count, timeout_ns);
    if (result < 0)
        return result;
    size_t used = (size_t)result;
    if (fault->action == LTI_FAULT_SPURIOUS) {
        used = fault_everything_ready(poller, ready_out, used, count);
    } else if (fault->action == LTI_FAULT_STALE) {
        if (used < count && atomic_load(&fault_stale.known) &&
            atomic_load(&fault_stale.poller) == poller) {
            ready_out[used].cookie = atomic_load(&fault_stale.cookie);
            ready_out[used].flags = LTI_OS_IN | LTI_OS_OUT | LTI_OS_READ_HANGUP | LTI_OS_HANGUP;
            used++;
        }
    } else {
        for (size_t i = 0; i < (size_t)result && used < count; i++)
            ready_out[used++] = ready_out[i];
    }
    return (int64_t)used;
}

int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns)
{
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_poller_wait);
    if (!fault)
        return fault_wait(poller, ready_out, count, timeout_ns);
    if (fault->action == LTI_FAULT_ERROR || fault->action == LTI_FAULT_EMPTY) {
        fault_wait_in_vain(timeout_ns);
        return fault->action == LTI_FAULT_EMPTY ? 0 : lti_fault_word(fault);
    }
    return fault_wait_worse(fault, poller, ready_out, count, timeout_ns);
}

int64_t lti_os_event_create(void)
{
    FAULT_CALL(event_create, fault_opened(lti_real_event_create()));
    return result;
}

int64_t lti_os_event_set(int fd)
{
    FAULT_CALL(event_set, lti_real_event_set(fd));
    return result;
}

int64_t lti_os_event_clear(int fd)
{
    FAULT_CALL(event_clear, lti_real_event_clear(fd));
    return result;
}
