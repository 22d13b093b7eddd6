/* SPDX-License-Identifier: MIT
 *
 * Seam 2 for Windows: the calls that the named-pipe port makes, with plain C types. Each returns
 * >= 0, or lti_os_fail(kind, GetLastError). Thin: one call each, no policy, no retry. Handles are
 * never -1 and never negative here; strings are UTF-16 with a zero unit at the end.
 */
#ifndef LTI_OS_NT_H
#define LTI_OS_NT_H

#include "os_base.h"

#include <stdbool.h>

/* ---- Overlapped operations ------------------------------------------------------------------- */

/* One operation. The system owns it, and the buffer it was given, from the call that said
 * LTI_OS_IN_PROGRESS until its completion came out of lti_os_queue_wait; never before. A call that
 * says anything else is over, and no completion comes: success skips the queue, unless
 * lti_os_queue_add was told otherwise. */
struct lti_os_op {
    uintptr_t system[5]; /* room for the system's own record; all zero before a call */
};

/* ---- Completion queue ------------------------------------------------------------------------ */

struct lti_os_completion {
    struct lti_os_op *op; /* null: a post of none */
    int64_t result; /* bytes, perhaps with LTI_OS_PIPE_MORE; LTI_OS_PIPE_UNTOLD; or a failure */
};

int64_t lti_os_queue_create(void); /* handle */
/* The completions of a handle come to this queue, for ever; what succeeds at once does not, unless
 * `all` was asked for: then it comes too, whatever its call said. A handle that belongs to a queue
 * already, or is not overlapped: LTI_OS_INVALID. */
int64_t lti_os_queue_add(intptr_t queue, intptr_t handle, bool all);
/* Null, or an operation that the caller did for itself, cleared: it comes out of the queue once, as
 * if the system had done it with this result. On failure it does not. */
int64_t lti_os_queue_post(intptr_t queue, struct lti_os_op *op, int64_t result);
/* How many came; 0 after the time; < 0: for ever. */
int64_t lti_os_queue_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                          int64_t timeout_ns);

/* ---- Named pipes: always duplex, overlapped, local, not inheritable -------------------------- */

#define LTI_OS_PIPE_UNITS_MAX 256u          /* of a whole name, without its zero unit */
#define LTI_OS_PIPE_INSTANCES_MAX 254u      /* above it the system means "unlimited" */
#define LTI_OS_PIPE_MORE (INT64_C(1) << 40) /* beside a byte count: the message is longer */
/* Instead of one, in a completion: it is over, without an error. Wine says no more when the thread
 * that began it ends in that moment, and what was read is lost. */
#define LTI_OS_PIPE_UNTOLD (INT64_C(1) << 41)

#define LTI_OS_PIPE_FIRST 1u   /* fails with LTI_OS_ACCESS when the name exists */
#define LTI_OS_PIPE_MESSAGE 2u /* a pipe of messages, read as messages */

/* handle. LTI_OS_BUSY: no more instances; LTI_OS_ACCESS; LTI_OS_MEMORY; LTI_OS_INVALID: the name,
 * or not the same type as the instances that exist. */
int64_t lti_os_pipe_create(const uint16_t *name, uint32_t flags, uint32_t instances_max,
                           uint32_t quota_bytes, const void *security);
/* Waits for a client. 0: one is there (also when it came before); LTI_OS_IN_PROGRESS;
 * LTI_OS_PIPE: one came and went. */
int64_t lti_os_pipe_listen(intptr_t handle, struct lti_os_op *op);
/* handle; opens with identification only, so that the server can see who we are and not act as us.
 * LTI_OS_NOT_FOUND, LTI_OS_BUSY, LTI_OS_ACCESS. */
int64_t lti_os_pipe_open(const uint16_t *name);
int64_t lti_os_pipe_read_messages(intptr_t handle); /* the client's end of a pipe of messages */

/* Bytes. A read of 0 bytes is over when there is something to read, or the peer has gone.
 * LTI_OS_IN_PROGRESS. LTI_OS_PIPE: the peer has closed, and everything was read; LTI_OS_RESET: it
 * was disconnected, what was unread is lost; LTI_OS_CANCELLED. */
int64_t lti_os_pipe_read(intptr_t handle, void *buffer, size_t size, struct lti_os_op *op);
/* Bytes. LTI_OS_IN_PROGRESS: until the peer has read enough. LTI_OS_PIPE: the peer has closed. */
int64_t lti_os_pipe_write(intptr_t handle, const void *data, size_t size, struct lti_os_op *op);
/* Asks for an operation to be given up: its completion still comes, cancelled or not.
 * LTI_OS_NOT_FOUND: it is over, its completion is on the way. Null: all of the handle. */
int64_t lti_os_pipe_cancel(intptr_t handle, struct lti_os_op *op);

/* For handles that were opened for synchronous I/O, of which each does one thing at a time: while
 * one of these waits, every other call on the same handle waits too, from whichever thread. They
 * wait until something is there to be read, or enough was, and lti_os_thread_cancel ends that.
 * Results as above. */
int64_t lti_os_pipe_read_sync(intptr_t handle, void *buffer, size_t size);
int64_t lti_os_pipe_write_sync(intptr_t handle, const void *data, size_t size);

struct lti_os_pipe_facts {
    bool pipe;       /* else nothing below is meant */
    bool server;     /* this is the server's end */
    bool message;    /* the pipe is one of messages */
    bool overlapped; /* as it was opened */
    bool can_read;   /* what the handle may be used for */
    bool can_write;
    bool connected; /* both ends are there */
    bool closing;   /* the other end has closed; what it sent may still be read */
    uint32_t instances, instances_max; /* of the name; UINT32_MAX: unlimited */
    uint32_t readable;                 /* bytes */
};
/* LTI_OS_NOT_SOCKET when it is no handle at all. */
int64_t lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out);
/* The pid of the server, or of the client: for logs, never for decisions. */
int64_t lti_os_pipe_peer_pid(intptr_t handle, bool server);
int64_t lti_os_handle_close(intptr_t handle);

/* ---- Who ------------------------------------------------------------------------------------- */

#define LTI_OS_SID_BYTES 192u /* of a text like S-1-5-18, with its zero byte */
struct lti_os_identity {
    char user[LTI_OS_SID_BYTES];
    char integrity[LTI_OS_SID_BYTES]; /* S-1-16-...; empty: not known */
    bool container;                   /* runs in an AppContainer */
    bool member;                      /* a client: of the group that was asked about */
    bool session_known;
    uint32_t session;
    uint32_t level; /* of a client: 0 anonymous, 1 identification, 2 impersonation, 3 delegation */
};
int64_t lti_os_identity(struct lti_os_identity *identity_out); /* our own */
/* The client's, at the server's end, after its first byte was read; and whether it is in a group
 * (null: not asked). */
int64_t lti_os_pipe_client(intptr_t handle, const char *group,
                           struct lti_os_identity *identity_out);
/* Who owns the pipe, at either end. LTI_OS_NOT_FOUND: nobody does. */
int64_t lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
/* The integrity label of the pipe, at either end, S-1-16-...; empty: it has none. */
int64_t lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
/* Makes a security descriptor of its text; lti_os_security_free gives it back. */
int64_t lti_os_security_create(const char *sddl, void **security_out);
void lti_os_security_free(void *security);
/* It has a list of who may; without one, everybody may do everything. */
bool lti_os_security_listed(const void *security);

/* A handle of the process that has the pid just now, for waiting and for asking. LTI_OS_INVALID:
 * there is none; LTI_OS_ACCESS. */
int64_t lti_os_process_open(int64_t pid);
/* When it began, as lti_os_time_of_day tells it. LTI_OS_NOT_FOUND: it has ended. */
int64_t lti_os_process_began(intptr_t process);
/* In units of 100 ns, by the clock that stamps processes. It can be set back. */
int64_t lti_os_time_of_day(void);

/* ---- For foreign loops, and for handles that wait -------------------------------------------- */

/* A signal stays set until it is cleared. */
int64_t lti_os_signal_create(void); /* handle */
int64_t lti_os_signal_set(intptr_t signal);
int64_t lti_os_signal_clear(intptr_t signal);
int64_t lti_os_signal_wait(intptr_t signal, int64_t timeout_ns); /* 1: set; 0: not in that time */
int64_t lti_os_thread_start(void (*function)(void *argument), void *argument); /* handle */
/* Gives up what the thread waits for in a synchronous call. LTI_OS_NOT_FOUND: it does not wait, but
 * may do so a moment later. */
int64_t lti_os_thread_cancel(intptr_t thread);
int64_t lti_os_thread_join(intptr_t thread); /* and closes it */

#endif
