/* SPDX-License-Identifier: MIT
 *
 * What the files of the Windows port share: operations, streams, listeners.
 *
 * State of a stream's reading:   NONE, nothing is under way: bytes are held, or the attention list
 *                                will begin the next read, or the stream is over
 *                                PROBE, a read of no bytes waits: an idle stream holds no memory
 *                                DATA, a read into the stream's buffer waits
 * A stream whose handle is for synchronous I/O has a thread, which does the operations for it;
 * ended, it stays on the watch list until that thread has gone.
 *
 * State of an instance:          ARMED, it waits for a client
 *                                CONNECTED, a client is there that nobody accepted
 *                                LOST, its client went, or it could not wait; it is to be replaced
 */
#ifndef LTI_PORT_WINDOWS_H
#define LTI_PORT_WINDOWS_H

#include "os_nt.h"
#include "pool.h"
#include "port.h"

#include <stdatomic.h>

/* How often what is held is looked at: a peer that goes is noticed within twice this time. */
#define LTI_NT_TICK_NS UINT64_C(40000000)
#define LTI_NT_TICKS_IDLE 3u /* so many without a byte, and the read buffer is given up */
#define LTI_NT_READ_FIRST 4096u
/* A block of 64 KiB and what the core puts in front of it leave in one piece and come in one. */
#define LTI_NT_READ_MOST LTI_BLOCK_LARGE
#define LTI_NT_WRITE_MOST LTI_NT_READ_MOST
/* The writer of a stream is a block ahead of its reader, instead of waiting for each one. */
#define LTI_NT_QUOTA (2 * LTI_NT_WRITE_MOST)
#define LTI_NT_INSTANCES_USUAL 4u
#define LTI_NT_INSTANCES_MOST 64u
#define LTI_NT_DETAIL_NEWS UINT32_MAX /* of a completion that lti_port_prepare made up */

/* Users, as `uid` of lti_peer and leat_peer tells them. */
#define LTI_NT_USER_SYSTEM 0u /* SYSTEM, or the administrators */
#define LTI_NT_USER_SELF 1u
#define LTI_NT_USER_OTHER 2u

enum lti_nt_kind { LTI_NT_READ = 1, LTI_NT_WRITE, LTI_NT_LISTEN, LTI_NT_GONE };

/* One overlapped operation. While it is pending its block stays. */
struct lti_nt_op {
    struct lti_os_op os; /* first: completions name this */
    uint64_t cookie;
    void *owner; /* stream or instance */
    size_t size; /* bytes that it was to move; 0: a probe, or none of the kind */
    enum lti_nt_kind kind;
    bool pending;
};

/* All ends of ours at one name: what the system counts beyond them is somebody else's. */
struct lti_nt_family {
    struct lti_nt_family *next;
    uint32_t holders; /* the listener and the streams that came in through it */
    uint32_t ends;    /* handles of servers' ends that are open */
    uint32_t ghosts;  /* ends that we closed before their clients did: the system counts them yet */
    bool listened;
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 1];
};

struct lti_nt_list {
    struct lti_nt_stream *first, *last;
};
struct lti_nt_place { /* of a stream on one list */
    struct lti_nt_stream *previous, *next;
    bool listed;
};

enum lti_nt_reading { LTI_NT_READING_NONE = 0, LTI_NT_READING_PROBE, LTI_NT_READING_DATA };

struct lti_nt_sync;

struct lti_nt_stream {
    struct lti_nt_op read, write;
    struct lti_port *port;
    struct lti_nt_sync *sync;     /* null: the handle is overlapped */
    struct lti_nt_family *family; /* null: dialled or adopted */
    struct lti_nt_place attention, watch;
    intptr_t handle;
    int64_t met;                 /* the time of day when its peer was there, at the latest */
    uint8_t *buffer;             /* null: none; or `few` */
    uint32_t capacity, at, size; /* of the buffer; bytes [at, size) are held */
    uint32_t wanted;             /* what the core expects next, in one piece */
    enum lti_nt_reading reading;
    enum leat_error end; /* why nothing more comes; OK: something may */
    enum leat_error write_end;
    struct os_code end_code, write_code;
    uint32_t news;   /* LTI_DONE_* bits that nobody was told of yet */
    uint8_t ticks;   /* without a byte */
    bool active;     /* bytes came lately: the next read gets a buffer */
    bool greedy;     /* a read filled its buffer: the next one is large */
    bool unfinished; /* the last read left more behind: the core will read on */
    bool hangup;     /* was told, or is news */
    bool cut;        /* the peer left while a write waited for it */
    bool end_waits;  /* the peer left; whether that write was taken is still to be told */
    bool judge;      /* who it is must be checked when its first bytes came */
    bool own;        /* once it was judged: it counts as of this user, */
    bool other;      /* or as another one; namely as `number` */
    uint32_t user;   /* LTI_NT_USER_*, then */
    uint32_t number;
    const struct lti_access *access; /* by which; the core's, as long as the link is not ended */
    bool read_short;                 /* a read that waited had no memory: nobody was told yet */
    bool write_short;
    bool given_up; /* we asked for the read to be cancelled */
    bool packets;  /* the pipe is one of messages */
    bool goes_on;  /* the packet that is held, or was last taken, has more behind it */
    bool empty;    /* a packet without a byte is held */
    bool deaf;     /* the handle may not be used for reading */
    bool ended;
    /* What an idle stream of packets reads into: to a read of no bytes an empty packet might be
     * nothing. */
    uint8_t few[15];
};

enum lti_nt_state { LTI_NT_ARMED = 1, LTI_NT_CONNECTED, LTI_NT_LOST };

struct lti_nt_instance {
    struct lti_nt_op listen;
    struct lti_nt_listener *listener;
    intptr_t handle;
    uint64_t order; /* clients are accepted in the order they came */
    int64_t met;    /* the time of day when its client had come */
    enum lti_nt_state state;
};

struct lti_nt_listener {
    struct lti_port *port;
    struct lti_nt_family *family;
    void *security;
    uint64_t cookie, arrivals;
    uint32_t count; /* instances that should be armed */
    uint32_t pending;
    int64_t failure; /* why an instance could not go on waiting; 0: none that was not told of */
    bool packets;
    bool crowded;      /* at the last look there were more ends than ours */
    bool crowded_told; /* since then */
    bool ended;
    struct lti_nt_instance *instances[LTI_NT_INSTANCES_MOST];
};

struct lti_nt_forward;

struct lti_port {
    intptr_t queue;
    struct lti_nt_list attention; /* streams with a read to begin, or with news */
    struct lti_nt_list watch;     /* streams that hold a buffer, that nobody reads, or that wait for
                                 their thread */
    struct lti_nt_family *families;
    struct lti_nt_forward *forward; /* null: nobody asked for the waitable */
    uint64_t tick_at;
    uint32_t outstanding; /* operations that the system owns */
    uint32_t threads;     /* for the waitable, and one a synchronous handle */
    uint32_t ask;         /* how many completions may come */
    bool unheard;         /* the last wait did not ask for all of them */
    bool woken;           /* the last wait took a wake */
    atomic_bool posted;
    struct lti_os_completion completions[LTI_DONE_MAX];
};

/* port_windows_error.c: the one table; `code_out` (may be null) gets the raw fact. */
enum leat_error lti_port_error(int64_t result, struct os_code *code_out);

/* port_windows_name.c */
/* The name in UTF-16; false when it does not fit. */
bool lti_nt_name(const struct lti_address *address, uint16_t name_out[LTI_OS_PIPE_UNITS_MAX + 1]);

/* port_windows_who.c */
struct lti_nt_text { /* that grows, with a zero byte; size == room: it did not fit */
    char *bytes;
    size_t size, room;
};
void lti_nt_put(struct lti_nt_text *text, const char *more, size_t size);
bool lti_nt_put_all(struct lti_nt_text *text, const char *const *parts); /* false: did not fit */
/* Who may open a pipe of ours (null: this user), as the system wants it. */
enum leat_error lti_nt_security(const struct lti_access *access, void **security_out,
                                struct os_code *code_out);
/* The descriptor of a text of the user's, as it stands. OPTIONS, MEMORY. */
enum leat_error lti_nt_security_given(const char *sddl, void **security_out,
                                      struct os_code *code_out);
/* Judges a client whose first bytes were read. */
enum leat_error lti_nt_client_judge(struct lti_nt_stream *stream, struct os_code *code_out);
/* What may be asked of a handle while nothing else is done with it; the owner is empty at the
 * server's end. */
enum leat_error lti_nt_peer_ask(intptr_t handle, char owner_out[LTI_OS_SID_BYTES],
                                struct lti_peer *peer_out, struct os_code *code_out);

/* port_windows_stream.c */
static inline uint32_t lti_nt_pipe_flags(bool packets)
{
    return packets ? LTI_OS_PIPE_MESSAGE : 0;
}
void lti_nt_op_begun(struct lti_port *port, struct lti_nt_op *op, int64_t result);
void lti_nt_list_add(struct lti_nt_list *list, struct lti_nt_stream *stream, bool watch);
void lti_nt_list_remove(struct lti_nt_list *list, struct lti_nt_stream *stream, bool watch);
/* The same for a stream's operation; returns what its result amounts to. */
int64_t lti_nt_stream_begun(const struct lti_nt_stream *stream, struct lti_nt_op *op,
                            int64_t result);
struct lti_nt_stream *lti_nt_stream_new(struct lti_port *port, uint64_t cookie, bool packets);
void lti_nt_stream_open(struct lti_nt_stream *stream, struct lti_link *link, intptr_t handle);
/* Frees it when nobody needs it any more. */
void lti_nt_stream_release(struct lti_nt_stream *stream);
bool lti_nt_stream_end(struct lti_nt_stream *stream); /* as lti_port_end */

/* port_windows_sync.c: calls of another thread, which tells of their end through the queue. */
/* On failure the handle is unchanged. MEMORY, LIMIT, SYSTEM. */
enum leat_error lti_nt_sync_start(struct lti_nt_stream *stream, intptr_t handle,
                                  const struct lti_peer *peer, struct os_code *code_out);
/* LTI_OS_IN_PROGRESS, or why it never can be. */
int64_t lti_nt_sync_read(struct lti_nt_sync *sync, void *buffer, size_t size);
int64_t lti_nt_sync_write(struct lti_nt_sync *sync, const void *data, size_t size);
void lti_nt_sync_give_up(struct lti_nt_sync *sync);    /* the read; its end still comes */
bool lti_nt_sync_left(const struct lti_nt_sync *sync); /* the peer did */
const struct lti_peer *lti_nt_sync_peer(const struct lti_nt_sync *sync);
/* Gives everything up and closes the handle. To be repeated until it has gone. */
void lti_nt_sync_end(struct lti_nt_sync *sync);
bool lti_nt_sync_gone(const struct lti_nt_sync *sync);
void lti_nt_sync_free(struct lti_nt_sync *sync); /* once it has gone */

/* port_windows_io.c */
void lti_nt_stream_watch(struct lti_nt_stream *stream);  /* it is looked at from now on */
void lti_nt_stream_settle(struct lti_nt_stream *stream); /* puts it on the lists it belongs on */
/* Reads for who must know what comes first; what came is held. EMPTY: a read waits; MEMORY. */
enum leat_error lti_nt_stream_fetch(struct lti_nt_stream *stream);
void lti_nt_stream_begin(struct lti_nt_stream *stream); /* the next read, if it is due */
void lti_nt_stream_tick(struct lti_nt_stream *stream);
uint32_t lti_nt_read_done(struct lti_nt_stream *stream, int64_t result); /* news */
uint32_t lti_nt_write_done(struct lti_nt_stream *stream, int64_t result);

/* port_windows_listen.c */
uint32_t lti_nt_listen_done(struct lti_nt_instance *instance, int64_t result);
bool lti_nt_listener_end(struct lti_nt_listener *listener);
void lti_nt_family_drop(struct lti_port *port, struct lti_nt_family *family);

/* port_windows_forward.c */
enum leat_error lti_nt_forward_start(struct lti_port *port, struct os_code *code_out);
bool lti_nt_forward_stop(struct lti_port *port);
intptr_t lti_nt_forward_waitable(const struct lti_port *port);
int64_t lti_nt_forward_wait(struct lti_port *port, int64_t timeout_ns);

#endif
