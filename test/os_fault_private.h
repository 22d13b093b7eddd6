/* SPDX-License-Identifier: MIT
 *
 * What the files of the fault object share.
 */
#ifndef LTI_OS_FAULT_PRIVATE_H
#define LTI_OS_FAULT_PRIVATE_H

#include "os_fault.h"

#ifdef LTI_FAULT_NT
#include "os_nt.h"
#include "os_nt_code.h"
#else
#include "os_posix.h"
#include "os_real_posix.h"
#endif

/* What lies below, under its other names: all systems, then one. */
extern __typeof__(lti_os_alloc) lti_real_alloc;
extern __typeof__(lti_os_free) lti_real_free;
extern __typeof__(lti_os_now_ns) lti_real_now_ns;
extern __typeof__(lti_os_random) lti_real_random;
extern __typeof__(lti_os_mutex_create) lti_real_mutex_create;
extern __typeof__(lti_os_mutex_destroy) lti_real_mutex_destroy;
extern __typeof__(lti_os_mutex_lock) lti_real_mutex_lock;
extern __typeof__(lti_os_mutex_unlock) lti_real_mutex_unlock;
extern __typeof__(lti_os_thread_id) lti_real_thread_id;
extern __typeof__(lti_os_fork_count) lti_real_fork_count;

#ifdef LTI_FAULT_NT
extern __typeof__(lti_os_queue_create) lti_real_queue_create;
extern __typeof__(lti_os_queue_add) lti_real_queue_add;
extern __typeof__(lti_os_queue_post) lti_real_queue_post;
extern __typeof__(lti_os_queue_wait) lti_real_queue_wait;
extern __typeof__(lti_os_pipe_create) lti_real_pipe_create;
extern __typeof__(lti_os_pipe_listen) lti_real_pipe_listen;
extern __typeof__(lti_os_pipe_open) lti_real_pipe_open;
extern __typeof__(lti_os_pipe_read_messages) lti_real_pipe_read_messages;
extern __typeof__(lti_os_pipe_read) lti_real_pipe_read;
extern __typeof__(lti_os_pipe_write) lti_real_pipe_write;
extern __typeof__(lti_os_pipe_cancel) lti_real_pipe_cancel;
extern __typeof__(lti_os_pipe_read_sync) lti_real_pipe_read_sync;
extern __typeof__(lti_os_pipe_write_sync) lti_real_pipe_write_sync;
extern __typeof__(lti_os_pipe_facts) lti_real_pipe_facts;
extern __typeof__(lti_os_pipe_peer_pid) lti_real_pipe_peer_pid;
extern __typeof__(lti_os_handle_close) lti_real_handle_close;
extern __typeof__(lti_os_identity) lti_real_identity;
extern __typeof__(lti_os_pipe_client) lti_real_pipe_client;
extern __typeof__(lti_os_pipe_owner) lti_real_pipe_owner;
extern __typeof__(lti_os_pipe_label) lti_real_pipe_label;
extern __typeof__(lti_os_security_create) lti_real_security_create;
extern __typeof__(lti_os_security_free) lti_real_security_free;
extern __typeof__(lti_os_security_listed) lti_real_security_listed;
extern __typeof__(lti_os_process_open) lti_real_process_open;
extern __typeof__(lti_os_process_began) lti_real_process_began;
extern __typeof__(lti_os_time_of_day) lti_real_time_of_day;
extern __typeof__(lti_os_signal_create) lti_real_signal_create;
extern __typeof__(lti_os_signal_set) lti_real_signal_set;
extern __typeof__(lti_os_signal_clear) lti_real_signal_clear;
extern __typeof__(lti_os_signal_wait) lti_real_signal_wait;
extern __typeof__(lti_os_thread_start) lti_real_thread_start;
extern __typeof__(lti_os_thread_cancel) lti_real_thread_cancel;
extern __typeof__(lti_os_thread_join) lti_real_thread_join;
#else
extern __typeof__(lti_os_socket) lti_real_socket;
extern __typeof__(lti_os_socketpair) lti_real_socketpair;
extern __typeof__(lti_os_bind) lti_real_bind;
extern __typeof__(lti_os_listen) lti_real_listen;
extern __typeof__(lti_os_connect) lti_real_connect;
extern __typeof__(lti_os_connect_node) lti_real_connect_node;
extern __typeof__(lti_os_accept) lti_real_accept;
extern __typeof__(lti_os_shutdown_write) lti_real_shutdown_write;
extern __typeof__(lti_os_end_copies) lti_real_end_copies;
extern __typeof__(lti_os_close) lti_real_close;
extern __typeof__(lti_os_recv) lti_real_recv;
extern __typeof__(lti_os_send) lti_real_send;
extern __typeof__(lti_os_packets) lti_real_packets;
extern __typeof__(lti_os_recv_packet) lti_real_recv_packet;
extern __typeof__(lti_os_peer) lti_real_peer;
extern __typeof__(lti_os_peer_groups) lti_real_peer_groups;
extern __typeof__(lti_os_peer_label) lti_real_peer_label;
extern __typeof__(lti_os_peer_process) lti_real_peer_process;
extern __typeof__(lti_os_socket_facts) lti_real_socket_facts;
extern __typeof__(lti_os_set_flags) lti_real_set_flags;
extern __typeof__(lti_os_lstat) lti_real_lstat;
extern __typeof__(lti_os_fstat) lti_real_fstat;
extern __typeof__(lti_os_fchmod) lti_real_fchmod;
extern __typeof__(lti_os_open_node) lti_real_open_node;
extern __typeof__(lti_os_open_folder) lti_real_open_folder;
extern __typeof__(lti_os_folder_path) lti_real_folder_path;
extern __typeof__(lti_os_node_group) lti_real_node_group;
extern __typeof__(lti_os_node_mode) lti_real_node_mode;
extern __typeof__(lti_os_unlink) lti_real_unlink;
extern __typeof__(lti_os_rename) lti_real_rename;
extern __typeof__(lti_os_mkdir) lti_real_mkdir;
extern __typeof__(lti_os_make_lock) lti_real_make_lock;
extern __typeof__(lti_os_open_lock) lti_real_open_lock;
extern __typeof__(lti_os_lock) lti_real_lock;
extern __typeof__(lti_os_share) lti_real_share;
extern __typeof__(lti_os_turn) lti_real_turn;
extern __typeof__(lti_os_turn_over) lti_real_turn_over;
extern __typeof__(lti_os_share_over) lti_real_share_over;
extern __typeof__(lti_os_turn_share) lti_real_turn_share;
extern __typeof__(lti_os_unlock) lti_real_unlock;
extern __typeof__(lti_os_descriptors_left) lti_real_descriptors_left;
extern __typeof__(lti_os_sockets_plain) lti_real_sockets_plain;
extern __typeof__(lti_os_accept_ready) lti_real_accept_ready;
extern __typeof__(lti_os_accept_more) lti_real_accept_more;
extern __typeof__(lti_os_listen_over) lti_real_listen_over;
extern __typeof__(lti_os_recv_over) lti_real_recv_over;
extern __typeof__(lti_os_linger_none) lti_real_linger_none;
extern __typeof__(lti_os_thread_run) lti_real_thread_run;
extern __typeof__(lti_os_euid) lti_real_euid;
extern __typeof__(lti_os_privileged) lti_real_privileged;
extern __typeof__(lti_os_getenv) lti_real_getenv;
extern __typeof__(lti_os_place) lti_real_place;
extern __typeof__(lti_os_path_max) lti_real_path_max;
extern __typeof__(lti_os_path_group) lti_real_path_group;
extern __typeof__(lti_os_path_mode) lti_real_path_mode;
extern __typeof__(lti_os_poller_create) lti_real_poller_create;
extern __typeof__(lti_os_poller_close) lti_real_poller_close;
extern __typeof__(lti_os_poller_waitable) lti_real_poller_waitable;
extern __typeof__(lti_os_poller_add) lti_real_poller_add;
extern __typeof__(lti_os_poller_modify) lti_real_poller_modify;
extern __typeof__(lti_os_poller_remove) lti_real_poller_remove;
extern __typeof__(lti_os_poller_wait) lti_real_poller_wait;
extern __typeof__(lti_os_event_create) lti_real_event_create;
extern bool lti_fault_stand_in; /* lti_fault_ring_stands_in was called */
extern __typeof__(lti_os_ring_create) lti_real_ring_create;
extern __typeof__(lti_os_ring_destroy) lti_real_ring_destroy;
extern __typeof__(lti_os_ring_recv) lti_real_ring_recv;
extern __typeof__(lti_os_event_set) lti_real_event_set;
extern __typeof__(lti_os_event_clear) lti_real_event_clear;
#endif

/* Counts one call and says which fault it gets; null for none. */
const struct lti_fault *lti_fault_next(enum lti_fault_call call);
bool lti_fault_has_effect(const struct lti_fault *fault);
bool lti_fault_lasts(void); /* the armed mode is FOREVER */
_Noreturn void lti_fault_stop(const char *what, enum lti_fault_call call);
void lti_fault_allocated(int64_t change);   /* what counts as allocations of the library */
void lti_fault_descriptors(int64_t change); /* opened, closed */
int64_t lti_fault_closed(int64_t result);   /* of a close: counts those of what was not open */
bool lti_fault_is_virtual(void);            /* for the calling thread */
void lti_fault_pass_time(int64_t time_ns);

/* What each system has its own of. */
void lti_fault_system_reset(void);
int64_t lti_fault_word(const struct lti_fault *fault); /* its number, with its kind */

/* What a call that had its effect comes back with; there is nothing to hide if it had none. */
static inline int64_t lti_fault_hide(const struct lti_fault *fault, int64_t result)
{
    return fault && result >= 0 ? lti_fault_word(fault) : result;
}

/* How much a call may move of what it was asked for. */
static inline size_t lti_fault_less(const struct lti_fault *fault, size_t size)
{
    if (fault && fault->action == LTI_FAULT_HALF)
        return (size + 1) / 2;
    return fault && fault->action == LTI_FAULT_ONE && size > 1 ? 1 : size;
}

/* A call whose only faults are errors: made unless it fails without effect. */
#define FAULT_CALL(call, real)                                                                     \
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_##call);                         \
    if (fault && !lti_fault_has_effect(fault))                                                     \
        return lti_fault_word(fault);                                                              \
    int64_t result = lti_fault_hide(fault, (real))

#endif
