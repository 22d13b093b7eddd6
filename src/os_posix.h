/* SPDX-License-Identifier: MIT
 *
 * Seam 2 for POSIX: the system calls that the POSIX port makes, with plain C types. Each returns
 * >= 0, or lti_os_fail(kind, errno). Thin: one call each, no policy, no retry (EINTR comes back as
 * LTI_OS_INTERRUPTED).
 */
#ifndef LTI_OS_POSIX_H
#define LTI_OS_POSIX_H

#include "os_base.h"

#include <stdbool.h>

struct leat_slice;

/* Sockets: always AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET (`packets`), close-on-exec, non-blocking.
 * An address is the bytes of sun_path: a path without its zero byte, or a zero byte and an abstract
 * name. */
#define LTI_OS_PATH_MAX 107 /* longest path in sun_path anywhere, its zero byte not counted */
#define LTI_OS_NAME_MAX 82  /* longest name that fits behind what folder_path gives, and a slash */
size_t lti_os_path_max(void); /* here; not above LTI_OS_PATH_MAX */

int64_t lti_os_socket(bool packets); /* descriptor; LTI_OS_UNSUPPORTED: no packets here */
int64_t lti_os_socketpair(bool packets, int fds_out[2]);
/* LTI_OS_UNSUPPORTED: no abstract names here; so also connect. */
int64_t lti_os_bind(int fd, const char *address, size_t size);
int64_t lti_os_listen(int fd, uint32_t backlog);
int64_t lti_os_connect(int fd, const char *address, size_t size);
/* To what a descriptor of open_node stands for, wherever that is by now. LTI_OS_UNSUPPORTED: the
 * system shows no descriptors (no /proc). */
int64_t lti_os_connect_node(int fd, int node);
int64_t lti_os_accept(int fd); /* descriptor */
/* Before an accept from a listener that others have, too, who may make it a blocking one, and may
 * take the client first: makes it wait as little as the system can see to. False: nobody is there
 * now, and an accept would wait. */
bool lti_os_accept_ready(int fd);
/* After an accept: another client is there, or the system does not say; else the poller tells
 * of the next. As cheap as registering anew; an accept in vain costs as much as any. */
bool lti_os_accept_more(int fd);
/* Before the close of a listener: nobody can connect to it any more, where the system can see to
 * that; who has can still be accepted. */
void lti_os_listen_over(int fd);
int64_t lti_os_shutdown_write(int fd);
/* Before a close: ends the connection for good if children may have copies of the descriptor, which
 * would keep it from the peer that it is over. Does nothing in a process that never forked. */
void lti_os_end_copies(int fd);
int64_t lti_os_close(int fd);

/* Descriptors that came along with what was received; close-on-exec, and now the receiver's. As
 * many as a system lets through at once, and one of the sender's process. */
#define LTI_OS_CAME_MAX 254
struct lti_os_came {
    uint32_t count;
    int fds[LTI_OS_CAME_MAX];
};

/* Flags of recv. In: PLAIN, nobody can send descriptors over this socket; PEEK, the bytes stay.
 * Out: MORE, something came along, so a short read does not mean that the queue is empty; CUT, it
 * found no place, and the system has dropped it (PEEK: something would come along). `came_out` is
 * null with PLAIN or PEEK; else its count is set, unless recv fails. */
#define LTI_OS_RECV_PLAIN 1u
#define LTI_OS_RECV_MORE 2u
#define LTI_OS_RECV_CUT 4u
#define LTI_OS_RECV_PEEK 8u
int64_t lti_os_recv(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                    uint32_t *flags); /* bytes; 0 at the end */
/* Whether this process may have so many more descriptors; what others open meanwhile counts. */
bool lti_os_descriptors_left(uint32_t want);
bool lti_os_sockets_plain(void); /* nobody can send descriptors over the sockets made here */
/* Nobody can send to it any more, where the system can see to that without closing what is queued.
 * 1: something is left that was not received. */
int64_t lti_os_recv_over(int fd);
/* Closing it will not wait for what a socket still has to deliver, whoever else has it too. */
int64_t lti_os_linger_none(int fd);
int64_t lti_os_send(int fd, const struct leat_slice *slices, size_t count);

/* Packets. Before the first recv_packet: lets an empty packet be told from the end, and makes room
 * for sending packets of `want` bytes if the system allows it. The largest that can be sent. */
int64_t lti_os_packets(int fd, size_t want);
/* Flags of recv_packet. In: PEEK, the packet stays. Out: END, there is none and none will come;
 * CUT, as of recv. A `came_out` of null has no place for anything. */
#define LTI_OS_PACKET_PEEK 1u
#define LTI_OS_PACKET_END 2u
#define LTI_OS_PACKET_CUT 4u
/* The packet's size, which may be more than `size`: the rest is then lost, unless it was a PEEK. */
int64_t lti_os_recv_packet(int fd, void *buffer, size_t size, struct lti_os_came *came_out,
                           uint32_t *flags);

struct lti_os_peer {
    uint32_t uid, gid;
    int64_t pid; /* 0 when it is not visible from here */
};
int64_t lti_os_peer(int fd, struct lti_os_peer *peer_out);
int64_t lti_os_peer_process(int fd); /* descriptor of its process */
/* Bytes, with a zero byte behind them; `size` is room for both. LTI_OS_UNSUPPORTED. */
int64_t lti_os_peer_label(int fd, char *label_out, size_t size);
/* The peer's groups beside gid, as they were then; how many. LTI_OS_UNSUPPORTED. */
int64_t lti_os_peer_groups(int fd, uint32_t *groups_out, size_t count);

struct lti_os_socket_facts {
    bool unix_stream;
    bool unix_packets;
    bool listening;
    bool connected;
};
int64_t lti_os_socket_facts(int fd, struct lti_os_socket_facts *facts_out);
/* Makes a foreign descriptor close-on-exec and non-blocking, and lets it take no descriptors from
 * now on, where the system has a word for that. 1: it had the word, and none was queued before. */
int64_t lti_os_set_flags(int fd);

/* Files. */
enum lti_os_file_type {
    LTI_OS_FILE_OTHER = 0,
    LTI_OS_FILE_SOCKET,
    LTI_OS_FILE_DIR,
    LTI_OS_FILE_REGULAR,
    LTI_OS_FILE_LINK
};
struct lti_os_file {
    enum lti_os_file_type type;
    uint32_t uid, gid, mode; /* mode: permission bits, 07777 */
    uint64_t device, inode, links, size;
};
int64_t lti_os_lstat(const char *path, struct lti_os_file *file_out);
int64_t lti_os_fstat(int fd, struct lti_os_file *file_out);
/* Of a socket without a name, before bind: the mode that its node will have. Where the system takes
 * no word for that, 0600 is what bind gives. */
int64_t lti_os_fchmod(int fd, uint32_t mode);
/* Descriptors that stand for a file and can neither read nor write it, for fstat and those below:
 * of whatever is at the path, a link included; and of a folder, links followed. A node may be
 * LTI_OS_UNSUPPORTED: then lstat, path_group and path_mode are what there is. */
int64_t lti_os_open_node(const char *path);
int64_t lti_os_open_folder(const char *path);
/* A path that leads to the folder of this descriptor as long as it is open, whatever becomes of the
 * folder's own path; with a zero byte. Its size; LTI_OS_UNSUPPORTED: as above. */
#define LTI_OS_FOLDER_PATH_BYTES 25
int64_t lti_os_folder_path(int folder, char path_out[LTI_OS_FOLDER_PATH_BYTES]);
int64_t lti_os_node_group(int node, uint32_t gid);
/* The umask does not count. LTI_OS_UNSUPPORTED: as above. */
int64_t lti_os_node_mode(int node, uint32_t mode);
/* The same for what is at a path, for systems without nodes; a link is not followed. */
int64_t lti_os_path_group(const char *path, uint32_t gid);
int64_t lti_os_path_mode(const char *path, uint32_t mode);
int64_t lti_os_unlink(const char *path);
int64_t lti_os_rename(const char *from, const char *to); /* in place of what is there */
int64_t lti_os_mkdir(const char *path, uint32_t mode);
/* descriptor: creates with 0600; LTI_OS_EXISTS when anything is there */
int64_t lti_os_make_lock(const char *path);
/* descriptor: makes it too, but opens what is there; no link followed, no blocking on a fifo */
int64_t lti_os_open_lock(const char *path);
/* Locks of an open file, gone with its last descriptor; without waiting: LTI_OS_IN_USE when another
 * is in the way. lock and share are one lock, alone or beside others that share; each becomes the
 * other at once, and a failure leaves what was held. turn and turn_share are another such lock;
 * LTI_OS_UNSUPPORTED for turn: the system has one only, and then nobody takes the turn, so that
 * sharing it always succeeds. */
int64_t lti_os_lock(int fd);
int64_t lti_os_share(int fd);
int64_t lti_os_share_over(int fd); /* the end of either */
int64_t lti_os_turn(int fd);
int64_t lti_os_turn_share(int fd);
int64_t lti_os_turn_over(int fd);
int64_t lti_os_unlock(int fd); /* of all; also where a forked child has the descriptor, too */

uint32_t lti_os_euid(void);
/* set-uid and the like: the environment is not to be trusted */
bool lti_os_privileged(void);
const char *lti_os_getenv(const char *name); /* null when unset */

/* Folders of the system, by a path without a link. */
enum lti_os_place {
    LTI_OS_PLACE_SYSTEM, /* of services for everybody; who administers makes it */
    LTI_OS_PLACE_TMP,    /* of everybody */
    LTI_OS_PLACE_USER    /* of this user alone; null: there is none */
};
const char *lti_os_place(enum lti_os_place place);

/* Poller: edge-triggered. An edge is reported once; a modify reports the present state again.
 * Closing a descriptor removes it. */
#define LTI_OS_IN 1u
#define LTI_OS_OUT 2u
#define LTI_OS_READ_HANGUP 4u /* the peer will send no more; always watched */
#define LTI_OS_HANGUP 8u      /* both directions are over; always watched */
#define LTI_OS_ERROR 16u      /* always watched */
#define LTI_OS_URGENT 32u     /* out-of-band data; always watched */
struct lti_os_ready {
    uint64_t cookie;
    uint32_t flags;
};
int64_t lti_os_poller_create(void); /* descriptor */
/* Closes it. `forked`: it is a parent's, and this process has a copy of it if the system copies
 * such a descriptor. */
int64_t lti_os_poller_close(int poller, bool forked);
/* A descriptor that is readable while a wait would find something. LTI_OS_UNSUPPORTED. */
int64_t lti_os_poller_waitable(int poller);
int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie);
/* Tells the present state again. Else an edge is told once: of bytes, of room that there is again
 * after a write that found too little. */
int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie);
int64_t lti_os_poller_remove(int poller, int fd);
/* < 0: for ever */
int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns);

/* Several reads of streams in one call, where the system has one for that: io_uring.
 * LTI_OS_UNSUPPORTED, or LTI_OS_ACCESS: it has not, or does not let us. */
#define LTI_OS_JOBS_MAX 64
struct lti_os_ring;
struct lti_os_job {
    int fd;
    void *into;
    size_t size;
    int64_t result; /* as of recv with PLAIN; INTERRUPTED also when it was not tried */
};
int64_t lti_os_ring_create(struct lti_os_ring **ring_out);
/* `forked`: it is a parent's. */
void lti_os_ring_destroy(struct lti_os_ring *ring, bool forked);
/* Does them in order and does not wait; afterwards nothing is under way. A failure: the ring is of
 * no use any more; what the jobs say holds all the same. */
int64_t lti_os_ring_recv(struct lti_os_ring *ring, struct lti_os_job *jobs, size_t count);

/* Runs the function in a thread of its own, which nobody joins and no signal is delivered to. */
int64_t lti_os_thread_run(void (*function)(void *argument), void *argument);

/* A wake-up: a descriptor that is readable after set until clear. */
int64_t lti_os_event_create(void); /* descriptor */
int64_t lti_os_event_set(int fd);
int64_t lti_os_event_clear(int fd);

#endif
