/* SPDX-License-Identifier: MIT
 *
 * What the files of the POSIX port share.
 */
#ifndef LTI_PORT_POSIX_H
#define LTI_PORT_POSIX_H

#include "os_posix.h"
#include "port.h"

/* An interrupted call is tried again; a system that interrupts it this often in a row has
 * failed. */
#define LTI_RETRIES_MAX 64

#define LTI_LINK_WATCHED 1u /* the poller knows the descriptor */
/* The peer sends no more, or has sent out-of-band data: a short read does not mean "drained". */
#define LTI_LINK_UNSURE 2u
#define LTI_LINK_HANGUP 4u  /* HANGUP was told */
#define LTI_LINK_WRITING 8u /* a write_start is under way */
#define LTI_LINK_OUT 16u    /* the poller watches for room */
#define LTI_LINK_PLAIN 32u  /* nobody can send descriptors */
/* Packets: the peer broke it; what he sent before may still be there. */
#define LTI_LINK_BROKEN 64u
#define LTI_LINK_REFUSES 128u /* adopted: none was queued, and none is let through */
#define LTI_LINK_ADOPTED 256u /* others may have the descriptor, by right */
#define LTI_LINK_SOON 512u    /* the core means to read from it next: the ring knows */
#define LTI_LINK_LARGE 1024u  /* what came last filled a block of the ring: one is not enough */
/* The number of what the ring has read ahead of it, and one; 0: nothing. */
#define LTI_LINK_HELD_SHIFT 16

struct lti_port {
    int poller;
    int event;
    bool woken;                  /* the last wait took a wake */
    struct lti_unasked *unasked; /* null: every connection is LTI_LINK_PLAIN */
    struct lti_ring *ring;       /* null: each read is a call of its own */
    uint32_t forks;              /* as many as there had been when it was made */
    struct lti_os_ready ready[LTI_DONE_MAX];
};

/* The one table of system codes: what the core calls it. `code_out` gets the raw fact. */
enum leat_error lti_port_error(int64_t result, struct os_code *code_out);
/* The same for calls on the poller, whose failures never are about the connection: MEMORY, LIMIT,
 * SYSTEM. */
enum leat_error lti_poller_error(int64_t result, struct os_code *code_out);

static inline int lti_link_fd(const struct lti_link *link)
{
    return (int)link->handle;
}

struct lti_unasked;
struct lti_ring;
/* A link's state: who closes what a peer sends along; of a plain one, the ring. */
static inline struct lti_unasked *lti_link_unasked(const struct lti_link *link)
{
    return link->flags & LTI_LINK_PLAIN ? 0 : link->state;
}

static inline uint32_t lti_link_held(const struct lti_link *link)
{
    return link->flags >> LTI_LINK_HELD_SHIFT;
}

/* port_posix_ring.c: several reads in one call. */
void lti_ring_end(struct lti_port *port);
/* As lti_os_recv with PLAIN, of what is held for the link, which holds something. MORE: what is
 * behind it may be there by now. */
int64_t lti_ring_recv(struct lti_link *link, void *buffer, size_t size, uint32_t *flags);
/* Something new is there, or may be: behind what is held. */
/* A read by itself brought so much. */
void lti_ring_learn(struct lti_link *link, int64_t result);
void lti_ring_news(struct lti_ring *ring, const struct lti_link *link);
/* The link ends, and what is held with it. */
void lti_ring_forget(struct lti_ring *ring, struct lti_link *link);

/* port_posix_unasked.c: descriptors that nobody asked for. */
enum leat_error
lti_unasked_begin(struct lti_port *port); /* before the first link that is not PLAIN */
void lti_unasked_end(struct lti_port *port);
uint32_t lti_unasked_threads(const struct lti_unasked *unasked);
void lti_unasked_turn(struct lti_unasked *unasked); /* before the reads of a turn of the loop */
void lti_unasked_opened(
    struct lti_unasked *unasked); /* this process has one descriptor less left */
/* Closes it soon, elsewhere; false: without memory, it stays the caller's. */
bool lti_unasked_put(struct lti_unasked *unasked, int fd);
void lti_unasked_put_all(struct lti_unasked *unasked, const struct lti_os_came *came);
/* There is room for all that one receive may bring along. */
bool lti_unasked_may_come(const struct lti_unasked *unasked);
/* So many wait that no more connections may come, which would wait there in the end. */
bool lti_unasked_many(const struct lti_unasked *unasked);
/* This process had no descriptor left: from now on nothing may come. */
void lti_unasked_scarce(struct lti_unasked *unasked);

/* Lets the poller watch a link's descriptor. */
enum leat_error lti_link_watch(struct lti_port *port, struct lti_link *link,
                               struct os_code *code_out);

/* The path or abstract name that an address text stands for, as the system wants it. */
#define LTI_PATH_MAX (LTI_ADDRESS_TEXT_MAX - 1 - 5) /* beside "unix:" and a zero byte */
struct lti_path {
    size_t size;
    char bytes[LTI_PATH_MAX + 1]; /* with a zero byte behind it */
};
void lti_path_of(const struct lti_address *address, struct lti_path *path_out);
static inline bool lti_path_is_abstract(const struct lti_path *path)
{
    return path->bytes[0] == 0;
}
/* False: the system has no call for it. A path above lti_os_path_max() is reached by its folder,
 * and then its last component must not be above LTI_OS_NAME_MAX. */
bool lti_path_reachable(const char *path, size_t size);

/* port_posix_folder.c: which folders are good enough. UNTRUSTED: *reason_out says for the log how
 * the rule is broken; or what the system said. */
enum lti_folder_rule {
    LTI_FOLDER_RUNTIME, /* the runtime folder */
    LTI_FOLDER_ABOVE,   /* one on the way: nobody but root and we can change names in it */
    LTI_FOLDER_OWN,     /* that of plain names */
    LTI_FOLDER_TMP,     /* that for everybody */
    LTI_FOLDER_SYSTEM   /* that of the system's names */
};
enum leat_error lti_folder_check(const char *path, enum lti_folder_rule rule,
                                 const char **reason_out, struct os_code *code_out);
enum leat_error lti_folder_check_open(int fd, enum lti_folder_rule rule, const char **reason_out,
                                      struct os_code *code_out);
/* Every folder above `path`, from the root down, by the rule of those on the way. The path is the
 * same again afterwards. */
enum leat_error lti_folders_above(char *path, size_t size, const char **reason_out,
                                  struct os_code *code_out);

/* port_posix_path.c: a client's way to a path of any length. What the system said, EINTR never. */
int64_t lti_path_connect(int fd, const struct lti_path *path);
/* Connects only to what was looked at: a socket of somebody whom `access` (null: everybody) lets be
 * there, no link. OK: *result_out is what connecting said. REFUSED, UNTRUSTED, NOT_FOUND, DENIED,
 * LIMIT, MEMORY, SYSTEM: it was not connected. */
enum leat_error lti_path_connect_judged(int fd, const struct lti_path *path,
                                        const struct lti_access *access, int64_t *result_out,
                                        struct os_code *code_out);

/* port_posix_place.c: a server's way. `path` becomes one that leads to the same place in whatever
 * others do to the folders above, and that fits an address with `room` bytes more. *folder_out: -1,
 * or what keeps it so, to be closed after all. UNTRUSTED: others could change names in its folder
 * (`guarded`: they cannot, and nor above). NAME_TOO_LONG, UNSUPPORTED, NOT_FOUND, ... */
enum leat_error lti_place_hold(struct lti_path *path, bool guarded, size_t room,
                               intptr_t *folder_out, struct os_code *code_out);
/* The same path again; false: the system shows the folder no more. */
bool lti_place_again(struct lti_path *path, intptr_t folder);

/* port_posix_claim.c: whose a path is. lti_claim_take gives the lock: of a path that nobody serves,
 * alone; else, for a take-over only, the turn, beside those that live, and *taken_over_out. IN_USE,
 * UNTRUSTED, or why not. */
enum leat_error lti_claim_take(const struct lti_path *path, bool take_over, struct lti_claim *claim,
                               bool *made_out, bool *taken_over_out, struct os_code *code_out);
/* A listener that had the lock alone lives now: others may come beside it. */
enum leat_error lti_claim_settle(const struct lti_claim *claim, struct os_code *code_out);
/* Removes what is ours at the path, and with `lock` the lock file unless somebody else lives by it;
 * unlocks. */
void lti_claim_remove(const struct lti_claim *claim, const struct lti_path *path, bool lock);

#endif
