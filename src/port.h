/* SPDX-License-Identifier: MIT
 *
 * Seam 1: what the core needs from a platform.
 *
 * The contract is completion-shaped, because a named pipe reports completion and cannot be polled:
 *   - *Try* verbs (connect, accept, read, write) never wait and never keep the caller's memory. EMPTY or FULL means: not now.
 *   - *Start* verbs (watch, write_start) begin something whose end is told once, by a completion out of lti_port_wait. Memory
 *     given to write_start belongs to the port until that completion has been handed back. No exception.
 *   - lti_port_end is a request to give everything back. It returns true when the port holds nothing any more, else an
 *     LTI_DONE_ENDED completion follows; only then may the link and its memory be used again.
 * Completions carry the cookie of their link. A completion may come for a link that has been ended; its cookie is then stale.
 *
 * Errors are leat errors, translated from the system's codes here and nowhere else; struct os_code is the raw fact beside them.
 *
 * Threads: the core calls under its lock; only lti_port_wait and lti_port_wake run without it, wait in one thread at a time.
 */
#ifndef LTI_PORT_H
#define LTI_PORT_H

#include "leat/leat.h"
#include "os_code.h"

struct lti_port; /* one a hub */

/* What the port keeps of one connection or listener. Its members are the port's. */
struct lti_link {
    intptr_t handle; /* -1: none */
    uint64_t cookie;
    uint32_t flags;
    intptr_t lock; /* listeners: the lock on the name; -1: none */
    uint64_t device, inode; /* listeners: the name we made */
};

enum lti_done_kind {
    LTI_DONE_READABLE = 1, /* a read or an accept will tell something new; told again only after the try said EMPTY */
    LTI_DONE_WRITTEN,      /* write_start is over: `bytes` were taken (may be 0: try again), the memory is back */
    LTI_DONE_HANGUP,       /* the peer is gone; once; what it sent can still be read */
    LTI_DONE_ENDED         /* after lti_port_end returned false */
};

struct lti_done {
    uint64_t cookie;
    enum lti_done_kind kind;
    size_t bytes;
};

/* Where a connection leads or a listener is: the resolved form of a name. Lives in one allocation; text is the explicit form
 * ("unix:/run/user/1000/leat/x") with its zero byte. */
#define LTI_ADDRESS_TEXT_MAX 320
struct lti_address {
    uint16_t text_size; /* without the zero byte */
    char text[LTI_ADDRESS_TEXT_MAX];
};

struct lti_peer {
    bool known;
    uint32_t uid, gid;
    int64_t pid;
};

enum leat_error lti_port_create(struct lti_port **port_out, struct os_code *code_out);
void lti_port_destroy(struct lti_port *port);

/* Asks for completions until timeout_ns has passed (0: only what is there; < 0: for ever). Returns their number, 0 also after a
 * wake or an interruption, or -1 when the system fails for good (code_out). */
int lti_port_wait(struct lti_port *port, struct lti_done *done_out, size_t count, int64_t timeout_ns, struct os_code *code_out);
enum leat_error lti_port_wake(struct lti_port *port); /* ends a running or the next wait */
intptr_t lti_port_waitable(struct lti_port *port);

/* Makes private places for plain names when `create` is set. NAME, NAME_TOO_LONG, UNSUPPORTED, DENIED, UNTRUSTED, SYSTEM. */
enum leat_error lti_port_resolve(const char *name, bool create, struct lti_address *address_out, struct os_code *code_out);

void lti_link_init(struct lti_link *link);

/* Opens a listener. IN_USE, NOT_FOUND, DENIED, LIMIT, MEMORY, UNTRUSTED, SYSTEM. A failure changes nothing on disk. */
enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link, const struct lti_address *address, uint32_t backlog,
                                enum leat_who who, uint64_t cookie, struct os_code *code_out);
/* EMPTY: none now. LIMIT, MEMORY, SYSTEM: pause and try again. */
enum leat_error lti_port_accept(struct lti_port *port, struct lti_link *listener, struct lti_link *link_out, uint64_t cookie,
                                struct os_code *code_out);
/* One attempt. BUSY: the server's backlog is full, try again later. NOT_FOUND, REFUSED, DENIED, LIMIT, MEMORY, SYSTEM. */
enum leat_error lti_port_connect(struct lti_port *port, struct lti_link *link, const struct lti_address *address, uint64_t cookie,
                                 struct os_code *code_out);
/* HANDLE, LIMIT, MEMORY, SYSTEM; on failure the handle is unchanged and stays the caller's. */
enum leat_error lti_port_adopt(struct lti_port *port, struct lti_link *link, intptr_t handle, bool listener, uint64_t cookie,
                               struct os_code *code_out);
enum leat_error lti_port_pair(struct lti_port *port_a, struct lti_link *a, uint64_t cookie_a, struct lti_port *port_b,
                              struct lti_link *b, uint64_t cookie_b, struct os_code *code_out);
enum leat_error lti_port_peer(struct lti_link *link, struct lti_peer *peer_out, struct os_code *code_out);
uint32_t lti_port_user(void); /* the effective user, to judge peers by */

/* Reads once. OK with *size_out > 0; *more_out: a further read may find more now. EMPTY: READABLE will be told. FINISHED: end of
 * stream, hangup or half-close. BROKEN, MEMORY, SYSTEM. */
enum leat_error lti_port_read(struct lti_port *port, struct lti_link *link, void *buffer, size_t size, size_t *size_out,
                              bool *more_out, struct os_code *code_out);
/* Writes once. OK with *size_out > 0, perhaps less than all; FULL: not now, use write_start. CLOSED, BROKEN, MEMORY, SYSTEM. */
enum leat_error lti_port_write(struct lti_port *port, struct lti_link *link, const struct leat_slice *slices, size_t count,
                               size_t *size_out, struct os_code *code_out);
/* After FULL: WRITTEN will be told. One at a time. */
enum leat_error lti_port_write_start(struct lti_port *port, struct lti_link *link, const void *data, size_t size,
                                     struct os_code *code_out);
/* Half-close, where the system has it; UNSUPPORTED elsewhere. */
enum leat_error lti_port_finish(struct lti_port *port, struct lti_link *link, struct os_code *code_out);
/* True when the peer has gone for good (hangup was seen). */
bool lti_port_hangup(const struct lti_link *link);
/* Ends a connection or listener; `address` of a listener that we made: its name is removed if it still is ours. */
bool lti_port_end(struct lti_port *port, struct lti_link *link, const struct lti_address *address);
/* In a forked child: close the descriptors, touch no name and no shared poller state. */
void lti_port_end_forked(struct lti_port *port, struct lti_link *link);

#endif
