/* SPDX-License-Identifier: MIT
 *
 * What the two files of the fault object share.
 */
#ifndef LTI_OS_FAULT_PRIVATE_H
#define LTI_OS_FAULT_PRIVATE_H

#include "os_fault.h"

#include "os_posix.h"
#include "os_real_posix.h"

/* The os_real_* files under their other names. */
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
extern __typeof__(lti_os_socket) lti_real_socket;
extern __typeof__(lti_os_socketpair) lti_real_socketpair;
extern __typeof__(lti_os_bind) lti_real_bind;
extern __typeof__(lti_os_listen) lti_real_listen;
extern __typeof__(lti_os_connect) lti_real_connect;
extern __typeof__(lti_os_accept) lti_real_accept;
extern __typeof__(lti_os_shutdown_write) lti_real_shutdown_write;
extern __typeof__(lti_os_close) lti_real_close;
extern __typeof__(lti_os_recv) lti_real_recv;
extern __typeof__(lti_os_send) lti_real_send;
extern __typeof__(lti_os_peer) lti_real_peer;
extern __typeof__(lti_os_socket_facts) lti_real_socket_facts;
extern __typeof__(lti_os_set_flags) lti_real_set_flags;
extern __typeof__(lti_os_lstat) lti_real_lstat;
extern __typeof__(lti_os_fstat) lti_real_fstat;
extern __typeof__(lti_os_fchmod) lti_real_fchmod;
extern __typeof__(lti_os_unlink) lti_real_unlink;
extern __typeof__(lti_os_mkdir) lti_real_mkdir;
extern __typeof__(lti_os_open_lock) lti_real_open_lock;
extern __typeof__(lti_os_lock) lti_real_lock;
extern __typeof__(lti_os_sockets_plain) lti_real_sockets_plain;
extern __typeof__(lti_os_euid) lti_real_euid;
extern __typeof__(lti_os_privileged) lti_real_privileged;
extern __typeof__(lti_os_getenv) lti_real_getenv;
extern __typeof__(lti_os_poller_create) lti_real_poller_create;
extern __typeof__(lti_os_poller_add) lti_real_poller_add;
extern __typeof__(lti_os_poller_modify) lti_real_poller_modify;
extern __typeof__(lti_os_poller_remove) lti_real_poller_remove;
extern __typeof__(lti_os_poller_wait) lti_real_poller_wait;
extern __typeof__(lti_os_event_create) lti_real_event_create;
extern __typeof__(lti_os_event_set) lti_real_event_set;
extern __typeof__(lti_os_event_clear) lti_real_event_clear;

/* Counts one call and says which fault it gets; null for none. */
const struct lti_fault *lti_fault_next(enum lti_fault_call call);
int64_t lti_fault_word(const struct lti_fault *fault);
bool lti_fault_has_effect(const struct lti_fault *fault);
bool lti_fault_lasts(void); /* the armed mode is FOREVER */
_Noreturn void lti_fault_stop(const char *what, enum lti_fault_call call);
bool lti_fault_is_virtual(void);
void lti_fault_pass_time(int64_t time_ns);
void lti_fault_posix_reset(void);

/* What a call that had its effect comes back with; there is nothing to hide if it had none. */
static inline int64_t lti_fault_hide(const struct lti_fault *fault, int64_t result)
{
    return fault && result >= 0 ? lti_fault_word(fault) : result;
}

/* A call whose only faults are errors: made unless it fails without effect. */
#define FAULT_CALL(call, real)                                                                     \
    const struct lti_fault *fault = lti_fault_next(LTI_FAULT_CALL_##call);                         \
    if (fault && !lti_fault_has_effect(fault))                                                     \
        return lti_fault_word(fault);                                                              \
    int64_t result = lti_fault_hide(fault, (real))

#endif
