/* SPDX-License-Identifier: MIT
 *
 * Seam 1: what the core needs from a platform.
 *
 * The contract is completion-shaped, because a named pipe reports completion and cannot be polled:
 *   - *Try* verbs (connect, accept, read, write) never wait and never keep the caller's memory.
 *     EMPTY or FULL means: not now, a completion will tell.
 *   - A link is one of bytes or one of packets, from its beginning. Of packets, one read brings one
 *     or a part of one, one write takes one or nothing.
 *   - lti_port_write_start begins a write whose end is told once, at once or by a completion. Until
 *     then the memory belongs to the port. No exception.
 *   - lti_port_end is a request to give everything back. It returns true when the port holds
 *     nothing any more, else an ENDED completion follows; only then may the link and its memory be
 *     used again.
 * Completions come out of lti_port_wait with the cookie of their link; lti_port_take says what one
 * means. One may come for a link that has been ended; its cookie is then stale.
 *
 * Errors are leat errors, translated from the system's codes here and nowhere else; struct os_code
 * is the raw fact beside them.
 *
 * Threads: the core calls under its lock; only lti_port_wait and lti_port_wake run without it, wait
 * in one thread at a time.
 */
#ifndef LTI_PORT_H
#define LTI_PORT_H

#include "leat/leat.h"

#include "os_code.h"

struct lti_port; /* one a hub */

/* What the port keeps of one connection or listener. Its members are the port's own, save the
 * cookie, which is the core's, and stays. */
struct lti_link {
    intptr_t handle; /* -1: none */
    uint64_t cookie;
    void *state; /* null: none */
    uint32_t flags;
};

/* What the port keeps of a listener and of the name that it made, beside its link. */
struct lti_claim {
    intptr_t lock;    /* -1: none; the name is then not ours to remove */
    intptr_t folder;  /* -1: none is held */
    intptr_t reserve; /* -1: none is held; for lti_port_turn_away */
    uint64_t device, inode;
};
static inline void lti_claim_none(struct lti_claim *claim)
{
    claim->lock = claim->folder = claim->reserve = -1;
    claim->device = claim->inode = 0;
}

#define LTI_DONE_READABLE 1u /* a read or an accept will tell something new */
/* write_start is over, `bytes` were taken (maybe 0), the memory is back */
#define LTI_DONE_WRITTEN 2u
#define LTI_DONE_HANGUP 4u /* the peer is gone; once; what it sent can still be read */
#define LTI_DONE_ENDED 8u  /* after lti_port_end returned false */
#define LTI_DONE_TAKEN 16u /* with WRITTEN, packets: it was taken; without, try again */

struct lti_done {
    uint64_t cookie;
    size_t bytes;
    uint32_t detail; /* the port's own */
};
#define LTI_DONE_MAX 128

/* Where a connection leads or a listener is: the resolved form of a name, explicit
 * ("unix:/run/user/1000/leat/x"), with its zero byte. */
#define LTI_ADDRESS_TEXT_MAX 768
struct lti_address {
    uint32_t size; /* without the zero byte */
    bool guarded;  /* what stands there is only ours to change: nothing needs to be looked at */
    char text[LTI_ADDRESS_TEXT_MAX];
};

struct lti_access;

/* What a listener wants beside its name. */
struct lti_listen {
    const struct lti_access *access;
    uint32_t backlog; /* 0: what is usual here */
    bool packets;
    bool take_over;   /* a server of ours may be at the name: it loses it, at once */
    const char *sddl; /* null: what `access` asks for */
};

struct lti_peer {
    bool known;
    uint32_t uid, gid;
    int64_t pid;
    bool own;           /* this user, and not the system's own */
    bool other;         /* neither this user nor the system's own */
    uint32_t user;      /* with either: tells such users apart */
    const char *reason; /* why it was not trusted; for the log */
};

/* A hub's side. */
enum leat_error lti_port_create(struct lti_port **port_out, struct os_code *code_out);
/* After all links were ended. False: the system still holds memory that it was lent, and did not
 * give it back in time; that memory must never be freed. */
bool lti_port_destroy(struct lti_port *port);
/* Before the first link: from now on what has come for several links is read at once, with `ring`
 * in one system call. UNSUPPORTED: the system cannot, or does not let us (code_out). MEMORY,
 * LIMIT. */
enum leat_error lti_port_backend(struct lti_port *port, bool ring, struct os_code *code_out);
/* At any time, without a backend: the same without `ring`, where the system lets it. False: it does
 * not, or there is no memory; nothing has changed. */
bool lti_port_ahead(struct lti_port *port);

/* Under the lock, before each lti_port_wait: does what was put off. Returns how many completions
 * that gave, at most LTI_DONE_MAX. */
int lti_port_prepare(struct lti_port *port, struct lti_done *done_out);
/* When lti_port_prepare wants to be called again; 0: at once, UINT64_MAX: after the next completion
 * only. */
uint64_t lti_port_due(const struct lti_port *port);
/* Asks for completions until timeout_ns has passed (0: only what is there; < 0: for ever). Returns
 * their number, at most LTI_DONE_MAX; 0 also after a wake or an interruption; -1 when the system
 * fails (code_out). */
int lti_port_wait(struct lti_port *port, struct lti_done *done_out, int64_t timeout_ns,
                  struct os_code *code_out);
/* The last wait took a wake: nobody will hear of that one again. */
bool lti_port_woken(const struct lti_port *port);
/* Asking again and again, with waits of no time, is known to be faster here than sleeping. */
bool lti_port_spins(void);
/* The last wait asked for fewer than there may be, and got them: before a time counts as over, a
 * wait of no time asks for the rest. */
bool lti_port_unheard(const struct lti_port *port);
enum leat_error lti_port_wake(struct lti_port *port); /* ends a running or the next wait */
/* What a foreign loop can wait on. LIMIT, MEMORY, UNSUPPORTED, SYSTEM. */
enum leat_error lti_port_waitable(struct lti_port *port, intptr_t *waitable_out,
                                  struct os_code *code_out);

/* Makes the private place of plain names when `create` is set, and that of the system's names when
 * this is the administrator besides. *reason_out: what the log says of a failure, and of a folder
 * that was not good enough although another one was; null: nothing. NAME, NAME_TOO_LONG,
 * UNSUPPORTED, DENIED, UNTRUSTED, SYSTEM. */
enum leat_error lti_port_resolve(const char *name, bool create, struct lti_address *address_out,
                                 const char **reason_out, struct os_code *code_out);
bool lti_port_user_valid(const char *text); /* can it name a user or a group here? */

/* Threads that the port started and that have not ended. */
uint32_t lti_port_threads(const struct lti_port *port);

/* A link's life. */
void lti_link_init(struct lti_link *link);
/* It holds nothing any more, and is the same one's still. */
static inline void lti_link_clear(struct lti_link *link)
{
    uint64_t cookie = link->cookie;
    lti_link_init(link);
    link->cookie = cookie;
}
/* LTI_DONE_* bits. Every completion is taken, in order; the link is null when its cookie is
 * stale. */
uint32_t lti_port_take(struct lti_port *port, struct lti_link *link, const struct lti_done *done);

/* Opens a listener. IN_USE, NOT_FOUND, DENIED, LIMIT, MEMORY, UNTRUSTED, NAME_TOO_LONG, UNSUPPORTED
 * (take_over, where a name cannot be; sddl), OPTIONS (sddl), SYSTEM. A failure leaves the disk as
 * it was, save for a dead socket whose place was being taken. */
enum leat_error lti_port_listen(struct lti_port *port, struct lti_link *link,
                                struct lti_claim *claim_out, const struct lti_address *address,
                                const struct lti_listen *listen, struct os_code *code_out);
/* How an accept that went well finds out about the next client. */
enum lti_accept_next {
    LTI_ACCEPT_ASK = 0, /* is there another one? */
    LTI_ACCEPT_TRY,     /* most likely there is: it is tried, which costs nothing then */
    LTI_ACCEPT_LATER    /* a completion is to tell, if it can */
};
/* OK or EMPTY; *more_out: try again, no completion will tell. LIMIT, MEMORY, SYSTEM: somebody is
 * there, pause and try again. */
enum leat_error lti_port_accept(struct lti_port *port, struct lti_link *listener,
                                struct lti_link *link, const struct lti_access *access,
                                enum lti_accept_next next, bool *more_out,
                                struct os_code *code_out);
/* Holds a descriptor in reserve for a listener, if it holds none and one can be had. */
void lti_port_reserve(struct lti_claim *claim);
/* Gives the reserve up, ends at most so many of those who wait at the listener, without a byte, and
 * holds one again. How many; 0 without a reserve, and where clients take nothing that runs out. */
uint32_t lti_port_turn_away(struct lti_link *listener, struct lti_claim *claim, uint32_t most);
/* One attempt. BUSY: the server's backlog is full, try again later. UNTRUSTED: what stands at the
 * name is not of somebody whom `access` lets be there. NOT_FOUND, REFUSED, DENIED, LIMIT, MEMORY,
 * SYSTEM: the link may be tried again, and must be ended. */
enum leat_error lti_port_connect(struct lti_port *port, struct lti_link *link,
                                 const struct lti_address *address, const struct lti_access *access,
                                 bool packets, struct os_code *code_out);
/* HANDLE, LIMIT, MEMORY, SYSTEM; on failure the handle is unchanged and stays the caller's. */
enum leat_error lti_port_adopt(struct lti_port *port, struct lti_link *link, intptr_t handle,
                               bool listener, bool packets, struct os_code *code_out);
/* The handle can be read only, or written only: no handshake goes over it. */
bool lti_port_one_way(intptr_t handle);
/* Two connected handles, to be adopted. */
enum leat_error lti_port_pair(bool packets, intptr_t handles_out[2], struct os_code *code_out);
void lti_port_close_handle(intptr_t handle);
/* Who is at the other end, and whether `access` (null: everybody) lets it be there. OK; UNTRUSTED;
 * EMPTY: it is not known before the peer has spoken, and nothing is read before lti_port_hear has
 * told. */
enum leat_error lti_port_judge(struct lti_link *link, const struct lti_access *access,
                               struct lti_peer *peer_out, struct os_code *code_out);
/* After that EMPTY, before each read until it is OK: who has spoken, and whether it may be there.
 * What it said is held. EMPTY: nothing that tells, READABLE will; UNTRUSTED; MEMORY: try again
 * later; BROKEN: nothing will, a read says why. */
enum leat_error lti_port_hear(struct lti_link *link, struct lti_peer *peer,
                              struct os_code *code_out);

/* So many bytes that belong together are to come next. Returns how many to ask for: where a read
 * that was filled leaves open whether more is there, a few more than that. */
size_t lti_port_expect(struct lti_link *link, size_t size);
/* What is known of the peer; members that are not known are left as they are. UNTRUSTED, SYSTEM. */
enum leat_error lti_port_identity(const struct lti_link *link, struct leat_peer *peer_out,
                                  struct os_code *code_out);
/* How many groups there are; at most `count` are given. UNSUPPORTED, UNTRUSTED, SYSTEM. */
enum leat_error lti_port_groups(const struct lti_link *link, uint32_t *groups_out, size_t count,
                                size_t *count_out, struct os_code *code_out);
/* A handle of the peer's process, for the caller. */
enum leat_error lti_port_process(const struct lti_link *link, intptr_t *handle_out,
                                 struct os_code *code_out);

/* Reads once. OK with *size_out > 0; *more_out: a further read may find more now. EMPTY: READABLE
 * will be told. FINISHED: end of stream, by hangup or half-close. BROKEN, MEMORY, SYSTEM. */
enum leat_error lti_port_read(struct lti_link *link, void *buffer, size_t size, size_t *size_out,
                              bool *more_out, struct os_code *code_out);
/* The same into a block of the pool's large size, of which `size` bytes may be filled. It may come
 * back as another one of that size: what was read already needs no copy then. */
enum leat_error lti_port_read_block(struct lti_link *link, void **block, size_t size,
                                    size_t *size_out, bool *more_out, struct os_code *code_out);
/* The core means to read bytes of this link next. What several such reads would bring is then there
 * already when lti_port_read_ahead returns, if the port gathers; else nothing happens. */
void lti_port_read_soon(struct lti_port *port, struct lti_link *link);
void lti_port_read_ahead(struct lti_port *port);
/* Writes once. OK with *size_out > 0, perhaps less than all; FULL: not now, use write_start (always
 * where a write cannot be tried, as on a pipe). CLOSED, BROKEN, MEMORY, SYSTEM. */
enum leat_error lti_port_write(struct lti_link *link, const struct leat_slice *slices, size_t count,
                               size_t *size_out, struct os_code *code_out);
/* After FULL or a short write, one at a time. OK with *done_out: *written_out bytes were taken at
 * once; without it: WRITTEN will be told, and until then the memory is the port's. CLOSED, BROKEN,
 * LIMIT, MEMORY, SYSTEM. */
enum leat_error lti_port_write_start(struct lti_port *port, struct lti_link *link, const void *data,
                                     size_t size, bool *done_out, size_t *written_out,
                                     struct os_code *code_out);
/* Takes a write back that the port may not have begun: true when it has not, and then no completion
 * follows and the memory is back. */
bool lti_port_write_recall(struct lti_link *link);
/* Before anything else on a link of packets, once: makes room for packets of *bytes if that is
 * possible, and says how large one may be. MEMORY, SYSTEM. */
enum leat_error lti_port_packets(struct lti_link *link, uint32_t *bytes, struct os_code *code_out);
/* Reads a packet or, where the system allows it, a part: OK with the rest of it when *whole_out.
 * TOO_BIG: it needs a buffer of *size_out bytes; nothing was read. Without a buffer it is dropped,
 * and only counted. Else as lti_port_read. */
enum leat_error lti_port_read_packet(struct lti_link *link, void *buffer, size_t size,
                                     size_t *size_out, bool *whole_out, bool *more_out,
                                     struct os_code *code_out);
/* Writes one packet: OK, it was taken. FULL, TOO_BIG, else as lti_port_write. */
enum leat_error lti_port_write_packet(struct lti_link *link, const struct leat_slice *packet,
                                      struct os_code *code_out);
/* Half-close, where the system has it; UNSUPPORTED elsewhere. */
enum leat_error lti_port_finish(struct lti_link *link, struct os_code *code_out);
bool lti_port_can_finish(const struct lti_link *link);
bool lti_port_hangup(const struct lti_link *link); /* HANGUP was told */

/* Ends a connection or a listener. With a claim (not null): its name is removed if it still is
 * ours, unless `forked`: a child touches nothing but its own copies of the descriptors. A
 * connection that was made here ends for its peer, too, whatever copies children have. */
bool lti_port_end(struct lti_port *port, struct lti_link *link, struct lti_claim *claim,
                  const struct lti_address *address, bool forked);

#endif
