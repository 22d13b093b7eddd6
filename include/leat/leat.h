/* SPDX-License-Identifier: MIT
 *
 * leat: talk to another process on the same machine. One API over Unix-domain sockets and Windows
 * named pipes.
 *
 * Read from the top: types, hub, listen and connect, next event, bytes, messages, ending, waiting,
 * asking, errors.
 *
 * What holds everywhere:
 *   - Every fallible function returns enum leat_error; LEAT_OK is 0. On failure outputs are
 *     untouched, unless said otherwise.
 *   - Timeouts are in milliseconds, relative to the call; LEAT_FOREVER must be written to be had.
 *     Inside they are absolute and monotonic.
 *   - Names and text are UTF-8. Nothing is ever truncated.
 *   - Any call may return STALE (the handle), ARGUMENT (a null pointer where none may be) and
 *     FORKED; "Fails" lists the rest.
 *   - Descriptors that a peer sends along (POSIX) are never given to anybody: Linux refuses them
 *     for us from 6.16 on. Else a thread of the hub closes them, and a peer that sends more than
 *     can be closed, or than this process has room for, is cut off: PROTOCOL.
 *   - The library never calls the user, save the trace and log hooks of struct leat_hub_options.
 */
#ifndef LEAT_LEAT_H
#define LEAT_LEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_VERSION_MAJOR 0
#define LEAT_VERSION_MINOR 1
#define LEAT_VERSION_PATCH 0

#if defined(LEAT_SHARED) && defined(_WIN32)
#if defined(LEAT_BUILDING)
#define LEAT_API __declspec(dllexport)
#else
#define LEAT_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define LEAT_API __attribute__((visibility("default")))
#else
#define LEAT_API
#endif

#if defined(__GNUC__)
#define LEAT_CHECKED __attribute__((warn_unused_result))
#else
#define LEAT_CHECKED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ----------------------------------------------------------------------------------- */

enum leat_error {
    LEAT_OK = 0,
#define LEAT_ERROR(name, value, text) LEAT_E_##name = value,
#include "leat/error.def"
#undef LEAT_ERROR
};

#define LEAT_FOREVER UINT32_MAX

/* A hub owns memory, clock, the operating system's event source and all deadlines of its
 * endpoints. */
struct leat_hub;

/* Handles are ids: a stale, foreign or made-up one gives LEAT_E_STALE, never undefined behaviour.
 * {0} is never valid. */
typedef struct leat_conn {
    uint64_t id;
} leat_conn;
typedef struct leat_listener {
    uint64_t id;
} leat_listener;
typedef struct leat_timer {
    uint64_t id;
} leat_timer;

/* A piece of memory to be sent; gathered calls take an array of them. */
struct leat_slice {
    const void *data;
    size_t size;
};
#define LEAT_SLICES_MAX 64

enum leat_protocol {
    LEAT_BYTES = 1,    /* the raw stream; talks to any program (default) */
    LEAT_MESSAGES = 2, /* whole messages over the leat wire protocol, docs/wire.md */
    LEAT_PACKETS = 3   /* whole messages whose boundaries the system keeps, for programs that know
                        * nothing of leat. Linux: SOCK_SEQPACKET; Windows: a pipe of messages.
                        * Both ends must be of this kind; no hello, and no keepalive_ms */
};

enum leat_state {
    LEAT_STATE_CONNECTING = 1, /* dialled, not yet connected */
    LEAT_STATE_HANDSHAKE,      /* connected, hello not complete (LEAT_MESSAGES) */
    LEAT_STATE_OPEN,           /* usable */
    LEAT_STATE_ENDED           /* over: unread bytes may still be read, CLOSED comes or has come */
};

/* Who may be at the other end. Checked on both ends before the first byte; an unknown identity is a
 * denial. Not checked: leat_adopt_conn, where who handed the descriptor over has decided, and
 * leat_pair.
 *
 * POSIX: 65534 is the number of the user nobody, and also what the system shows for every user that
 * is not mapped into our user namespace. The two cannot be told apart, so a peer with this number
 * is never the same user, not even when it is our own: such a process needs root at the other end,
 * or LEAT_WHO_INSECURE_ANYONE. The log hook says it when a peer is refused for that.
 *
 * Windows: a client judges a server by its pipe: who owns it, and its integrity label, which no
 * program can put above its own level; no label counts as medium. A pipe that is trusted because
 * this user owns it must not be below this process's level. One of SYSTEM, of the administrators,
 * or of whom GROUP (the owner is that group) or LIST names, must be medium, or of this process's
 * level where that is lower. Servers for SAME_USER and ADMIN label their pipes with their own
 * level; others let lower ones in, and are medium: an elevated client that is to trust such a
 * server of its own user names that user by LIST. */
enum leat_who {
    LEAT_WHO_SAME_USER = 0,       /* this process's effective user, or root; Windows: or SYSTEM and
                                   * services of administrators (default) */
    LEAT_WHO_INSECURE_ANYONE = 1, /* no check; whoever reaches the name comes in */
    LEAT_WHO_ADMIN = 2,           /* SAME_USER, or an administrator; POSIX: that is root alone */
    LEAT_WHO_GROUP = 3,           /* SAME_USER, or a member of `group` */
    LEAT_WHO_LIST = 4,            /* SAME_USER, or one of `users` */
    LEAT_WHO_ASK = 5              /* listeners: everybody with a known identity, once you said so:
                                   * ASKED, then leat_allow or leat_refuse */
};
#define LEAT_USERS_MAX 64

enum leat_operation {
    LEAT_OP_NONE = 0,
    LEAT_OP_LISTEN,
    LEAT_OP_ACCEPT,
    LEAT_OP_CONNECT,
    LEAT_OP_IDENTIFY,
    LEAT_OP_HANDSHAKE,
    LEAT_OP_READ,
    LEAT_OP_WRITE,
    LEAT_OP_FINISH,
    LEAT_OP_CLOSE,
    LEAT_OP_WAIT,
    LEAT_OP_ADOPT
};

/* ---- Hub ------------------------------------------------------------------------------------- */

enum leat_trace_kind { LEAT_TRACE_RECEIVED = 1, LEAT_TRACE_SENT = 2, LEAT_TRACE_STATE = 3 };

/* One record for the trace hook. `data` is valid during the call only. */
struct leat_trace {
    enum leat_trace_kind kind;
    leat_conn conn;
    uint64_t tag;
    const void *data; /* RECEIVED, SENT: the bytes as they cross the system's boundary */
    size_t size;
    enum leat_state state; /* STATE: the new state */
    enum leat_error error; /* STATE: why, when ENDED */
    uint64_t time_ns;      /* monotonic */
};

/* How a hub reads. What is promised is the same; the last two are to be had on Linux from 6.16 on,
 * and a hub has up to 140 KiB more. */
enum leat_backend {
    LEAT_BACKEND_DEFAULT = 0, /* ONE_BY_ONE, and AHEAD, where it is to be had, from when four
                               * connections spoke at once; or what who built leat chose */
    LEAT_BACKEND_ONE_BY_ONE,  /* each connection is read when its event is to be handed out */
    /* What has come for several connections of bytes or messages is read at once, up to 1 KiB of
     * each, before their events: faster where many speak. */
    LEAT_BACKEND_AHEAD,
    LEAT_BACKEND_URING /* the same in one call of io_uring; built with liburing */
};

/* All options structs: set `size` to sizeof the struct; a member that is zero means its default; a
 * non-zero tail that this version does not know is OPTIONS. A null pointer means all defaults. */
struct leat_hub_options {
    size_t size;
    bool single_thread;      /* no lock: only leat_wake may be called from another thread than the
                              * first; a build without NDEBUG traps when it is not so */
    uint32_t conns_max;      /* default 65536, which is the cap */
    size_t memory_bytes_max; /* bytes this hub may allocate; default 1 GiB; on top comes what reads
                              * ahead: Linux 132 KiB; Windows 69 KiB a connection, and listeners */
    /* The only two places where leat calls its user. Both are called with the hub locked and must
     * not call leat. */
    void (*trace)(void *context, const struct leat_trace *record);
    void (*log)(void *context, const char *text); /* one line, at most 10 a second */
    void *hook_context;
    /* Microseconds that a wait may ask the system again and again, before it sleeps: an answer that
     * comes meanwhile costs no waking, which is most of a round trip between two CPUs, and less of
     * the processor's time. Whether it asks is learned: after a long wait, or in vain, it does not,
     * so that who is idle sleeps. 0, the default: 50 where this thread may run on more than one
     * CPU, else never (Windows: never); LEAT_SPIN_OFF: never; else so many, at most 1000, however
     * many CPUs there are. leat_hub_info has how it went. */
    uint32_t spin_us;
    enum leat_backend backend;
};
#define LEAT_SPIN_OFF UINT32_MAX

/* leat_hub_create makes a hub.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    the caller owns the hub and gives it back with leat_hub_destroy.
 * Fails:   OPTIONS, MEMORY, LIMIT (descriptors), DENIED or UNSUPPORTED (a sandbox), UNSUPPORTED
 *          (a backend that is not to be had; the log hook hears why), SYSTEM.
 * Systems: the same everywhere, save the backends.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_hub_create(const struct leat_hub_options *options,
                                                      struct leat_hub **hub_out);

/* leat_hub_destroy aborts everything the hub still has and frees it. A null hub is allowed.
 *
 * In a forked child it frees memory and closes the child's copies of the descriptors; the parent's
 * names stay. A child that was forked while another thread was inside a call on this hub must not
 * destroy it, only exec.
 *
 * Waits:   never.
 * Thread:  any, but no other call on this hub may run or follow.
 * Owns:    takes the hub back, unless it fails.
 * Fails:   BUSY (a thread is inside leat_next or a wait); SYSTEM (Windows: the system kept memory
 *          of an operation for ten seconds after it was told to give it up; the hub is gone, and
 *          that memory is never freed).
 * Systems: the same everywhere; on Windows it may wait for operations to be given up, which takes
 *          next to no time. POSIX: at most 50 ms for descriptors that a peer sent along and that do
 *          not close; their thread then ends when they do. Without a thread to be had in all that
 *          time, they are closed here.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_hub_destroy(struct leat_hub *hub);

/* leat_hub_waitable gives what a foreign event loop can wait on: when it is readable, or when
 * leat_hub_deadline has passed, call leat_next(hub, &event, 0) until TIMEOUT. Not needed when
 * leat_next itself does the waiting.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    the handle stays the hub's: do not close, read or write it.
 * Fails:   BUSY (a thread is inside leat_next or a wait); UNSUPPORTED (the library was built to
 *          wait by poll); Windows: LIMIT, MEMORY, SYSTEM.
 * Systems: POSIX: a descriptor for poll, level-triggered. Windows: a HANDLE for WaitForSingleObject
 *          and the like, set as long as something is there; the first call starts a thread, which
 *          ends with the hub. leat starts no other one but those of leat_adopt_conn.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_hub_waitable(struct leat_hub *hub,
                                                        intptr_t *waitable_out);

/* leat_hub_deadline says how long a foreign loop may wait before it must call leat_next again: 0
 * when events are ready, LEAT_FOREVER when nothing is due.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_hub_deadline(struct leat_hub *hub,
                                                        uint32_t *timeout_ms_out);

/* leat_wake makes the running or next leat_next return a WOKEN event, or the running or next wait
 * return LEAT_E_WOKEN. Wakes that nobody took yet count as one. Who is woken again and again hears
 * of the rest all the same: after a WOKEN, that of the next wake lets one other event go first, if
 * there is one.
 *
 * Waits:   never.
 * Thread:  any, also with single_thread. Not from a signal handler.
 * Owns:    nothing of the caller's.
 * Fails:   SYSTEM.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_wake(struct leat_hub *hub);

/* leat_timer_start makes a TIMER event with `tag` come once, after delay_ms.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's; the timer is gone when its event was handed out.
 * Fails:   MEMORY, LIMIT (65536 timers), ARGUMENT (LEAT_FOREVER).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_timer_start(struct leat_hub *hub, uint32_t delay_ms,
                                                       uint64_t tag, leat_timer *timer_out);

/* leat_timer_cancel ends a timer; its event will not come any more.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   STALE (its event was handed out before, too).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_timer_cancel(struct leat_hub *hub, leat_timer timer);

/* ---- Listen and connect ---------------------------------------------------------------------- */

/* Names: one grammar on every system. leat_resolve shows where a name leads.
 *
 *   mail                 a plain name ([a-z0-9][a-z0-9._-]{0,63}, no ".." in it): private to this
 *                        user. POSIX: in leat/ below $XDG_RUNTIME_DIR, else below /run/user/UID
 *                        (macOS: the user's temporary folder), else in /tmp/leat-UID.
 *                        Windows: \\.\pipe\leat\SID\mail.
 *   system:mail          a plain name for all users of the machine, served by root (POSIX:
 *                        /run/leat/mail, elsewhere than on Linux below /var; only root makes that
 *                        folder) or by a service (Windows: \\.\pipe\leat\system\mail).
 *                        It says where, not who: see enum leat_who.
 *   qt:My App            where QLocalServer listens with that name. POSIX: in $TMPDIR, else in
 *                        /tmp, or the name itself when it begins with '/'. Windows:
 *                        \\.\pipe\My App.
 *   /path, unix:/path    an explicit path: absolute, UTF-8, no ".." in it. POSIX.
 *   unix:@x              an abstract name. Linux.
 *   \\.\pipe\x, pipe:x   an explicit pipe, also as \\?\pipe\x. Windows.
 *
 * A name that another system has is UNSUPPORTED; what none has is NAME. A folder that a name does
 * not spell out must be safe, or the name is UNTRUSTED: plain names need folders that are ours, no
 * links, and closed to others, below folders that nobody but root and we can change; system: needs
 * a folder of root's that others cannot write to. A runtime folder that is not safe is passed over
 * as if it were not there. A program with more rights than its caller (set-uid) does not believe
 * the environment. What is true of explicit paths is true of those of qt:. The log hook says what
 * is wrong. */

struct leat_conn_options {
    size_t size;
    enum leat_protocol protocol;
    size_t inbox_bytes;           /* reading stops here; default 256 KiB, [1 byte, 1 GiB]; messages:
                                   * frame_bytes_max + 8 if that is more, and never below it */
    size_t inbox_low_bytes;       /* reading resumes at or below; default inbox_bytes / 2, below
                                   * inbox_bytes */
    size_t outbox_bytes;          /* writing is FULL here; default 4 MiB, [1 byte, 1 GiB];
                                   * messages: an empty outbox takes any one message */
    size_t outbox_stream_bytes;   /* the same for a stream, which what fits no cache makes slower:
                                   * from a FULL on, until all is sent and nobody waits for room;
                                   * default 128 KiB, and where outbox_bytes is given as much;
                                   * [1 byte, outbox_bytes] */
    size_t outbox_low_bytes;      /* WRITABLE comes at or below; default outbox_stream_bytes / 2,
                                   * below outbox_stream_bytes */
    uint32_t outbox_messages_max; /* messages waiting in the outbox: sending is FULL here, too;
                                   * default 1024. Those that only gather are sent first */
    uint32_t frame_bytes_max;     /* largest message, in bytes, that we accept; default 1 MiB,
                                   * [64 KiB, 256 MiB]; packets: also the largest that we send,
                                   * and on POSIX the socket's send buffer may allow less */
    uint32_t handshake_ms;        /* messages, accepted or adopted: the peer's hello must have come
                                   * within; with ASK the answer, too; default 5000, [100, 60000];
                                   * a dialled one has its timeout_ms */
    uint32_t partial_frame_ms;    /* a frame that began must be complete within; default 30000 */
    uint32_t write_stall_ms;      /* a peer that takes nothing for so long is cut off; default
                                   * 30000 */
    uint32_t keepalive_ms;        /* messages: a peer that was silent so long is asked for a sign of
                                   * life, and cut off when silent as long again; default 0, which
                                   * is never */
    size_t gather_bytes;  /* bytes, messages: small writes go to the system together, so many
                                   * bytes at a time: see leat_flush; default 0, each by itself;
                                   * [0, 64 KiB], at most outbox_stream_bytes */
    bool empty_is_finish; /* packets: an empty one means that no more will come, in both
                                   * directions; leat_finish sends it */
};

struct leat_listen_options {
    size_t size;
    uint64_t tag; /* comes back in the listener's events */
    enum leat_who who;
    uint32_t backlog;                     /* connections the system holds for us; default 64, cap
                                           * 4096; Windows: instances of the pipe that wait for
                                           * clients; default 4, never more than 64 */
    uint32_t conns_max;                   /* accepted and not yet closed; default 128; more wait in
                                           * the backlog */
    uint32_t handshakes_max;              /* of these, not yet through the handshake; default 16 */
    uint32_t per_user_max;                /* of these, of one user other than ours and root or
                                           * SYSTEM; default 16, cap 65536; one too many gets no
                                           * byte */
    uint32_t own_user_max;                /* of these, of our own user's programs; default 64, and
                                           * where conns_max is given so many; cap 65536; root and
                                           * SYSTEM are not counted, also when we are that; one too
                                           * many gets no byte */
    const struct leat_conn_options *conn; /* for accepted connections; read during the call */
    const char *group; /* with GROUP, else null. A user or a group is its number as text, such
                               * as "1000"; Windows: its SID, "S-1-5-..." */
    const char *const *users; /* with LIST, else null */
    uint32_t users_count;     /* at most LEAT_USERS_MAX */
    bool take_over;           /* a path that a server of this user has is taken from it: see
                               * leat_listen */
    const char *sddl;         /* Windows: the pipe's security descriptor as text, read during the
                               * call; null: leat's own: see leat_listen */
    size_t queued_bytes_max;  /* what accepted connections hold together, unread and unsent; default
                               * 64 MiB. Once they do, each may go on with up to 64 KiB in each
                               * direction, and one at a time with a larger message; others are not
                               * read, and sending is FULL, until there is room again */
};

enum leat_absent {
    LEAT_ABSENT_FAIL = 0, /* nobody there: NOT_FOUND or REFUSED at once (default) */
    LEAT_ABSENT_WAIT = 1  /* nobody there: try again until the deadline */
};

struct leat_connect_options {
    size_t size;
    uint64_t tag;
    enum leat_who who;
    uint32_t timeout_ms; /* for the whole connect, hello included; default 5000 */
    enum leat_absent absent;
    const struct leat_conn_options *conn; /* read during the call */
    const char *group;                    /* as in struct leat_listen_options */
    const char *const *users;
    uint32_t users_count;
};

/* leat_listen makes a name that others can connect to. ACCEPTED events bring the connections.
 *
 * A stale socket of a server that is gone is taken over; anything else at the name is left alone
 * and is IN_USE. With take_over, so is a server of the same user that lives: at each moment one of
 * the two has the name, and no client finds nobody there. The other server is not told; it keeps
 * its connections and those in its backlog, and leaves the name alone when it closes.
 *
 * The mode of the socket at a path says who may connect, whatever the umask: 0600; with GROUP
 * 0660, and the socket is given to the group; with LIST, ASK and INSECURE_ANYONE 0666. The folders
 * on the way are the caller's to open. The last one must be this user's or root's, and sticky if
 * others may write to it; else it is UNTRUSTED.
 *
 * Beside a path stands the empty file PATH.leat-lock as long as the listener lives;
 * what is no lock of ours there is left alone, too. A listen that fails leaves the disk as it was,
 * save for a stale socket whose turn had come.
 *
 * When the system gives no descriptor for a client, or fails otherwise, LISTEN_ERROR says so once,
 * and accepting is tried again after pauses of 0.1 s, doubling to 2 s; clients wait meanwhile. When
 * descriptors are still short after 3 s, those who wait are closed without a byte, 16 a pause, and
 * count as denied; so they hear at once what they would else hear at their deadline. For that a
 * listener holds one descriptor in reserve, if it can have it. Pipes have none: there clients wait.
 *
 * Windows: the pipe's descriptor lets in whom `who` asks for: docs/access.md. With sddl it is that
 * one instead, and nothing is added to it: it must let this process make instances (GA), and have a
 * list of who may (D:), for without one everybody may. An owner or a group that it leaves out is
 * the process's usual one, and a label that it leaves out is none. It only says who reaches us:
 * what comes from other machines is refused all the same, and `who` judges the token of each client
 * as ever, so that programs in an AppContainer are let in by INSECURE_ANYONE alone. Of levels of
 * integrity the descriptor alone decides. A client counts for per_user_max or own_user_max from its
 * first bytes on: one too many that ACCEPTED told of (bytes, packets) ends with CLOSED, LIMIT,
 * before a READABLE. Who says nothing is bounded by conns_max; with messages and ASK by
 * handshakes_max, too.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   NAME, NAME_TOO_LONG, IN_USE (take_over: also when two do it at once), NOT_FOUND (no such
 *          folder), DENIED (also: the socket may not be given to that group; sddl does not let us
 *          make instances), UNTRUSTED (the folder of plain names, or the lock beside the path, is
 *          not ours alone; or that lock is not empty; or the folder of the path is open to others,
 *          or that of system: is not safe), OPTIONS (also: sddl is no descriptor, which the OS code
 *          explains, or has no list), LIMIT, MEMORY, UNSUPPORTED (take_over where a name is no
 *          path; sddl where there are none), SYSTEM (also: sddl has an owner or a label that is not
 *          ours to give).
 * Systems: the same everywhere. Linux: a mode other than 0600, and a path above 107 bytes, want
 *          /proc; without it they are UNSUPPORTED. macOS and the BSDs, untested on real systems:
 *          UNSUPPORTED are paths above 103 bytes and LEAT_PACKETS; the BSDs: take_over of a
 *          server that lives. Windows: connections that live on keep the name of a listener that
 *          was closed; only its own hub can listen there again before they end. When somebody
 *          else's pipe appears at the name, LISTEN_ERROR says SQUATTED.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_listen(struct leat_hub *hub, const char *name,
                                                  const struct leat_listen_options *options,
                                                  leat_listener *listener_out);

/* leat_allow lets a connection in that ASKED brought: ACCEPTED follows when it is open. leat_refuse
 * closes it without a byte and without a reason, as leat_abort would.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    leat_refuse ends the connection.
 * Fails:   STATE (it was not asked about, was allowed before, or is gone).
 * Systems: the same everywhere. Windows: ASKED comes with the client's first bytes, because the
 *          system does not say before who it is.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_allow(struct leat_hub *hub, leat_conn conn);
LEAT_API enum leat_error leat_refuse(struct leat_hub *hub, leat_conn conn);

/* leat_listener_close stops listening and removes the name. Accepted connections live on; those not
 * yet announced by an ACCEPTED event are aborted.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    ends the listener.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_listener_close(struct leat_hub *hub, leat_listener listener);

/* leat_connect starts a connection. CONNECTED follows, or CLOSED with the reason: TIMEOUT,
 * NOT_FOUND, REFUSED, DENIED, UNTRUSTED, LIMIT, MEMORY, UNSUPPORTED, SYSTEM; BROKEN when the server
 * went before it had shaken hands; messages also PROTOCOL and what the server says of itself
 * (BUSY). A server whose backlog is
 * full is tried again until the deadline. Writing and sending are allowed at once; the bytes wait
 * in the outbox.
 *
 * POSIX: what stands at an explicit path is looked at before anything is connected to it. A link is
 * not followed, and a socket must belong to somebody whom `who` lets be there (GROUP and
 * INSECURE_ANYONE: to anybody); else the connection ends with UNTRUSTED.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   NAME, NAME_TOO_LONG, UNTRUSTED (the folder of plain names is not ours alone, or that of
 *          system: is not safe), DENIED, OPTIONS, LIMIT, MEMORY, UNSUPPORTED, SYSTEM.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_connect(struct leat_hub *hub, const char *name,
                                                   const struct leat_connect_options *options,
                                                   leat_conn *conn_out);

/* leat_adopt_conn makes a connection of an existing connected socket. With LEAT_MESSAGES the
 * handshake starts and CONNECTED follows; with LEAT_BYTES and LEAT_PACKETS the connection is open
 * at once and CONNECTED comes too. Who is at the other end is not checked.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    takes the descriptor when it returns LEAT_OK; a refused one stays the caller's,
 *          unchanged.
 * Fails:   HANDLE (not a connected Unix-domain socket of the protocol's kind; Windows: not one end
 *          of a connected pipe of that kind; bound to a completion port; with LEAT_MESSAGES, one
 *          that can only be read or only be written; with LEAT_PACKETS, one that was opened for
 *          synchronous I/O), OPTIONS, LIMIT, MEMORY, SYSTEM.
 * Systems: POSIX: a descriptor. Windows: the HANDLE of a named or anonymous pipe, standard handles
 *          included. Where it can only be read, leat_write is CLOSED and reading goes on; where it
 *          can only be written, nothing comes but the end. One that was opened for synchronous I/O
 *          (without FILE_FLAG_OVERLAPPED) costs a thread, which ends with the connection and closes
 *          the handle then, a moment after the call that ended it. Such a handle does one thing at
 *          a time: nobody else may use it, in whichever process, and while what is written waits
 *          for the peer, nothing is read. Two programs that both write more than the pipe holds
 *          before they read stop each other, until write_stall_ms has passed.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_adopt_conn(struct leat_hub *hub, intptr_t handle,
                                                      uint64_t tag,
                                                      const struct leat_conn_options *options,
                                                      leat_conn *conn_out);

/* leat_adopt_listener makes a listener of an existing listening socket, such as one handed down by
 * a service manager. Its path is never removed; its backlog is what it has, not options->backlog.
 * Whoever else has it finds it non-blocking, and with a receive time-out of one clock tick.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    takes the descriptor when it returns LEAT_OK; a refused one stays the caller's,
 *          unchanged.
 * Fails:   HANDLE (not a listening Unix-domain socket of the protocol's kind), OPTIONS, LIMIT,
 *          MEMORY, SYSTEM.
 * Systems: POSIX: a descriptor; UNSUPPORTED with sddl. Windows: UNSUPPORTED, because no handle is a
 *          listener there.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_adopt_listener(struct leat_hub *hub, intptr_t handle,
                                                          const struct leat_listen_options *options,
                                                          leat_listener *listener_out);

/* leat_pair makes two connections that are connected to each other, each on its hub (which may be
 * the same).
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   OPTIONS, LIMIT, MEMORY, DENIED or UNSUPPORTED (a sandbox), SYSTEM.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_pair(struct leat_hub *hub_a, struct leat_hub *hub_b,
                                                const struct leat_conn_options *options,
                                                leat_conn *a_out, leat_conn *b_out);

/* ---- Next event ------------------------------------------------------------------------------ */

enum leat_event_type {
    LEAT_EVENT_CONNECTED = 1, /* conn, tag: a dialled or adopted connection is open */
    LEAT_EVENT_ACCEPTED,      /* listener, conn, tag (the listener's): a new connection, open */
    LEAT_EVENT_READABLE,      /* conn, tag: bytes or a whole message can be read; comes again while
                               * they are not */
    LEAT_EVENT_WRITABLE,      /* conn, tag: after FULL or a short count, once: there is room
                               * again */
    LEAT_EVENT_FINISHED,      /* conn, tag: once: the peer finished sending and everything was
                               * read */
    LEAT_EVENT_HANGUP,        /* conn, tag: once: the peer is gone, or was cut off while reading
                               * is paused; what it sent can still be read */
    LEAT_EVENT_CLOSED,        /* conn, tag, error, bytes_undelivered: the last one; the handle is
                               * stale from the next leat_next */
    LEAT_EVENT_CLOSE_REPORT,  /* tag (of leat_close_report), error, bytes_undelivered */
    LEAT_EVENT_LISTEN_ERROR,  /* listener, tag, error: accepting failed; it goes on after a pause */
    LEAT_EVENT_TIMER,         /* timer, tag */
    LEAT_EVENT_WOKEN,         /* leat_wake was called */
    LEAT_EVENT_ASKED          /* listener, conn, tag (the listener's): LEAT_WHO_ASK: may it come in?
                               * After handshake_ms without an answer it is gone: CLOSED, TIMEOUT */
};

struct leat_event {
    enum leat_event_type type;
    enum leat_error error;
    uint64_t tag;
    leat_conn conn;
    leat_listener listener;
    leat_timer timer;
    uint64_t bytes_undelivered; /* accepted for sending, but not taken by the system before the
                                 * end; Windows: of a write that was given up the peer may have
                                 * read a part, and all of it counts */
};

/* leat_next hands out one event: one that is ready, or the first within timeout_ms.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT (no event), BUSY (another thread waits), SYSTEM.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_next(struct leat_hub *hub, struct leat_event *event_out,
                                                uint32_t timeout_ms);

/* leat_set_tag changes the tag that comes back in a connection's events, for instance after
 * ACCEPTED.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_set_tag(struct leat_hub *hub, leat_conn conn, uint64_t tag);

/* ---- Bytes (LEAT_BYTES) ---------------------------------------------------------------------- */

/* leat_read copies up to `size` bytes out of the inbox.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   EMPTY, FINISHED (end of stream), BROKEN, TIMEOUT or another reason the connection ended
 *          for, STATE (messages).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_read(struct leat_hub *hub, leat_conn conn, void *buffer,
                                                size_t size, size_t *size_out);

/* leat_peek shows all bytes of the inbox, without copying.
 *
 * Waits:   never.
 * Thread:  any; another thread's read or consume ends the view.
 * Owns:    the view is the library's and valid until the next call on this connection or leat_next,
 *          whichever is first.
 * Fails:   as leat_read.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_peek(struct leat_hub *hub, leat_conn conn,
                                                const void **data_out, size_t *size_out);

/* leat_consume drops the first `size` bytes of the inbox, after leat_peek.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    ends the view.
 * Fails:   ARGUMENT (more than the inbox holds), STATE (messages).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_consume(struct leat_hub *hub, leat_conn conn, size_t size);

/* leat_read_until copies bytes up to and including `delimiter`. At the end of the stream the
 * unterminated rest is given. After EMPTY, READABLE and leat_wait_readable tell of new bytes only,
 * so that a loop does not spin over half a line.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   EMPTY (no delimiter yet), TOO_BIG (no delimiter within `size` or within the inbox;
 *          nothing is consumed), else as leat_read.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_read_until(struct leat_hub *hub, leat_conn conn,
                                                      char delimiter, void *buffer, size_t size,
                                                      size_t *size_out);

/* leat_skip drops up to `size` bytes of the inbox and says how many.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   as leat_read.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_skip(struct leat_hub *hub, leat_conn conn, size_t size,
                                                size_t *size_out);

/* leat_write accepts up to `size` bytes for sending and says how many; fewer when the outbox
 * becomes full, and then one WRITABLE event follows. What fits is given to the system at once. Zero
 * bytes are accepted and do nothing.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's; accepted bytes are copied or sent before it returns.
 * Fails:   FULL (not one byte accepted), CLOSED, BROKEN or another reason the connection ended for,
 *          STATE (finished, or messages), MEMORY (nothing accepted), ARGUMENT (a null pointer where
 *          `size` is not 0).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_write(struct leat_hub *hub, leat_conn conn,
                                                 const void *data, size_t size,
                                                 size_t *accepted_out);

/* leat_write_slices is leat_write of several pieces, as if they were one.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   ARGUMENT (more than LEAT_SLICES_MAX, or sizes that make no sense), else as leat_write.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_write_slices(struct leat_hub *hub, leat_conn conn,
                                                        const struct leat_slice *slices,
                                                        size_t count, size_t *accepted_out);

/* ---- Messages (LEAT_MESSAGES, LEAT_PACKETS) -------------------------------------------------- */

/* leat_send queues one whole message. Zero-length messages are legal. A message is accepted whole
 * or not at all; order is kept. What the system takes goes out at once.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's; the bytes are copied or sent before it returns.
 * Fails:   FULL (one WRITABLE will follow; also above 64 KiB before the handshake is complete),
 *          TOO_BIG (above what the peer accepts; packets: above what can be sent), CLOSED, BROKEN
 *          or another reason the connection ended for, STATE (finished, or bytes), MEMORY (nothing
 *          sent), ARGUMENT (an empty one where that means the end).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_send(struct leat_hub *hub, leat_conn conn,
                                                const void *data, size_t size);

/* leat_send_slices sends one message made of several pieces.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   ARGUMENT (more than LEAT_SLICES_MAX, or sizes that make no sense), else as leat_send.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_send_slices(struct leat_hub *hub, leat_conn conn,
                                                       const struct leat_slice *slices,
                                                       size_t count);

/* leat_send_many sends several messages, each as leat_send would, in their order, until one cannot
 * be sent. Small ones leave together, in few system calls; nothing waits when it returns but what
 * the system did not take, or what gathers (gather_bytes).
 *
 * Waits:   never.
 * Thread:  any; messages of another thread do not come in between.
 * Owns:    nothing of the caller's.
 * Fails:   ARGUMENT (sizes that make no sense: nothing was sent), else as leat_send, for the first
 *          one. When others were sent before one that could not be, that is OK: *sent_out says how
 *          many, and sending the rest tells why (after FULL one WRITABLE will follow).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_send_many(struct leat_hub *hub, leat_conn conn,
                                                     const struct leat_slice *messages,
                                                     size_t count, size_t *sent_out);

/* leat_flush gives the system what gathers: see gather_bytes.
 *
 * A connection with gather_bytes keeps what is written or sent to it, but for the first since the
 * hub last turned, until there are so many bytes, or the user next calls leat_next or a wait on the
 * hub (before it looks for anything), leat_flush, leat_finish or leat_close. While a thread is
 * inside leat_next or a wait, nothing is kept; nor is one of more than half of gather_bytes that
 * does not fit behind others. leat_hub_deadline says 0 while something is. So it is for whoever
 * calls one of these soon; nobody else sends what is kept. leat_abort and leat_hub_destroy drop it.
 * A system call then moves a thousand messages, not one. Named pipes gather by themselves while a
 * write is under way.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   CLOSED, BROKEN or another reason the connection ended for, STATE (ended in good order).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_flush(struct leat_hub *hub, leat_conn conn);

/* leat_receive copies the next whole message and removes it from the inbox.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   EMPTY, TOO_BIG (larger than `size`: *size_out says how large, the message stays),
 *          FINISHED, BROKEN, PROTOCOL or another reason the connection ended for, STATE (bytes, or
 *          a view is held).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_receive(struct leat_hub *hub, leat_conn conn,
                                                   void *buffer, size_t size, size_t *size_out);

/* leat_view shows the next whole message, without copying. leat_release removes it.
 *
 * Waits:   never.
 * Thread:  any; one view per connection.
 * Owns:    the view is the library's and valid until leat_release or the connection is closed by
 *          the user, whichever is first; leat_next does not end it.
 * Fails:   as leat_receive, but not TOO_BIG.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_view(struct leat_hub *hub, leat_conn conn,
                                                const void **data_out, size_t *size_out);

/* leat_view_many shows the next messages that have come whole, without copying: at least one, at
 * most `count`. leat_release removes all that were shown.
 *
 * Waits:   never.
 * Thread:  any; one view per connection.
 * Owns:    as leat_view.
 * Fails:   as leat_view; ARGUMENT (room for none). With packets it shows one.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_view_many(struct leat_hub *hub, leat_conn conn,
                                                     struct leat_slice *messages_out, size_t count,
                                                     size_t *count_out);

/* leat_release removes what leat_view or leat_view_many showed.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    ends the view.
 * Fails:   STATE (no view is held).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_release(struct leat_hub *hub, leat_conn conn);

/* leat_pause stops READABLE events and reading; the peer feels it when the system's buffers are
 * full. HANGUP still comes.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_pause(struct leat_hub *hub, leat_conn conn);

/* leat_resume ends leat_pause.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_resume(struct leat_hub *hub, leat_conn conn);

/* ---- Ending ---------------------------------------------------------------------------------- */

/* leat_finish says: no more from me (half-close). What was accepted is delivered first; the peer
 * may go on talking. When both have finished, CLOSED comes.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   STATE (finished before, or not connected yet), CLOSED, BROKEN or another reason the
 *          connection ended for, MEMORY (messages; not finished, try again), UNSUPPORTED (bytes,
 *          and packets without empty_is_finish, over a named pipe; the connection goes on).
 * Systems: messages, and packets with empty_is_finish: the same everywhere. Else POSIX only,
 *          because a named pipe has no half-close.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_finish(struct leat_hub *hub, leat_conn conn);

/* leat_close delivers what was accepted for sending, says goodbye, and is gone after linger_ms at
 * the latest. The handle dies at once and no event of this connection comes any more. What the peer
 * still sends is read and dropped.
 *
 * Waits:   never; leat_next and the waits do the rest. leat_close_wait waits.
 * Thread:  any.
 * Owns:    ends the connection; a view is over.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_close(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms);

/* leat_close_report is leat_close, and when it is done one CLOSE_REPORT event comes with `tag`:
 * error (OK, TIMEOUT, BROKEN, or why the connection had ended before) and bytes_undelivered.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    ends the connection; a view is over.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_close_report(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                           uint64_t tag);

/* leat_abort ends a connection now and drops what is unsent: the only call that drops without a
 * report.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    ends the connection; a view is over.
 * Fails:   nothing more.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_abort(struct leat_hub *hub, leat_conn conn);

/* ---- Waiting --------------------------------------------------------------------------------- */

/* Blocking calls with deadlines, on any hub, also beside other endpoints, whose events are kept.
 * Each may also fail with SYSTEM, when the system's event source does; those that wait for bytes or
 * messages with STATE while the connection is paused. */

/* leat_wait_connected waits until a connection is open. The CONNECTED event is then used up.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, or the reason the connection ended for.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_connected(struct leat_hub *hub, leat_conn conn,
                                                          uint32_t timeout_ms);

/* leat_wait_readable waits until bytes or a whole message can be read.
 *
 * Waits:   up to timeout_ms; not at all on a paused connection with an empty inbox (STATE).
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, STATE, FINISHED, or the reason the connection ended for.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_readable(struct leat_hub *hub, leat_conn conn,
                                                         uint32_t timeout_ms);

/* leat_wait_writable waits until the outbox is at or below its low mark. A WRITABLE event that is
 * due is then used up.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, or the reason the connection ended for.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_writable(struct leat_hub *hub, leat_conn conn,
                                                         uint32_t timeout_ms);

/* leat_wait_sent waits until the connection is there and its outbox is empty: the system has taken
 * everything.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, or the reason the connection ended for.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_sent(struct leat_hub *hub, leat_conn conn,
                                                     uint32_t timeout_ms);

/* leat_wait_closed waits until the connection has ended by the peer or by both having finished,
 * dropping unread bytes; a pause is over. LEAT_OK means an orderly end. The handle stays valid.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    ends a view.
 * Fails:   TIMEOUT, WOKEN, BUSY, or the reason the connection ended for, when it is not orderly.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_closed(struct leat_hub *hub, leat_conn conn,
                                                       uint32_t timeout_ms);

/* leat_wait_accepted waits for a new connection and hands it out. Its ACCEPTED event is then used
 * up.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    the caller ends the connection.
 * Fails:   TIMEOUT, WOKEN, BUSY.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_wait_accepted(struct leat_hub *hub,
                                                         leat_listener listener,
                                                         uint32_t timeout_ms, leat_conn *conn_out);

/* leat_connect_wait is leat_connect and leat_wait_connected; options->timeout_ms is the deadline.
 * On failure nothing is left.
 *
 * Waits:   up to options->timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    the caller ends the connection.
 * Fails:   as leat_connect and its CLOSED event, WOKEN, BUSY.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_connect_wait(struct leat_hub *hub, const char *name,
                                                        const struct leat_connect_options *options,
                                                        leat_conn *conn_out);

/* leat_read_full reads exactly `size` bytes. *size_out is always set: on failure it says how many
 * bytes were read.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, else as leat_read.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_read_full(struct leat_hub *hub, leat_conn conn,
                                                     void *buffer, size_t size, uint32_t timeout_ms,
                                                     size_t *size_out);

/* leat_read_line waits for a line and reads it, its '\n' included, and adds a zero byte (so `size`
 * is one more than the longest line). At the end of the stream the unterminated rest is given.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, TOO_BIG (nothing is consumed), ARGUMENT (`size` 0), else as
 *          leat_read.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_read_line(struct leat_hub *hub, leat_conn conn,
                                                     char *buffer, size_t size, uint32_t timeout_ms,
                                                     size_t *size_out);

/* leat_write_full writes all `size` bytes. *size_out is always set: on failure it says how many
 * bytes were accepted.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, else as leat_write.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_write_full(struct leat_hub *hub, leat_conn conn,
                                                      const void *data, size_t size,
                                                      uint32_t timeout_ms, size_t *size_out);

/* leat_send_wait is leat_send that waits while the outbox is full.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT (not sent), WOKEN, BUSY, else as leat_send.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_send_wait(struct leat_hub *hub, leat_conn conn,
                                                     const void *data, size_t size,
                                                     uint32_t timeout_ms);

/* leat_receive_wait is leat_receive that waits for a message.
 *
 * Waits:   up to timeout_ms.
 * Thread:  any, one at a time inside leat_next or a wait.
 * Owns:    nothing of the caller's.
 * Fails:   TIMEOUT, WOKEN, BUSY, else as leat_receive.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_receive_wait(struct leat_hub *hub, leat_conn conn,
                                                        void *buffer, size_t size,
                                                        uint32_t timeout_ms, size_t *size_out);

/* leat_close_wait is leat_close that waits until it is done. *undelivered_out (may be null) is
 * always set: bytes accepted for sending that the system did not take.
 *
 * Waits:   up to linger_ms.
 * Thread:  any, one at a time inside leat_next or a wait. With BUSY the connection is closed as by
 *          leat_close.
 * Owns:    ends the connection.
 * Fails:   with undelivered bytes: TIMEOUT, BROKEN (the peer went) or another reason the connection
 *          ended for; WOKEN (closing goes on), BUSY.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API enum leat_error leat_close_wait(struct leat_hub *hub, leat_conn conn, uint32_t linger_ms,
                                         uint64_t *undelivered_out);

/* ---- Asking ---------------------------------------------------------------------------------- */

/* Set `size` to sizeof the struct before the call. */
struct leat_conn_info {
    size_t size;
    enum leat_state state;
    enum leat_protocol protocol;
    bool dialled; /* by leat_connect; else accepted or adopted */
    bool paused;
    bool finished; /* by us */
    bool peer_finished;
    bool hangup; /* the peer is gone */
    uint64_t tag;
    uint64_t inbox_bytes;  /* received and unread; messages: frame headers count */
    uint64_t outbox_bytes; /* accepted and not yet taken by the system, framing included */
    uint64_t outbox_messages;
    enum leat_error error; /* why it ended */
    int64_t os_code;       /* of the failed operation: errno or GetLastError, 0 if the system had
                               * no part in it */
    enum leat_operation operation; /* the one that failed */
    bool peer_known;   /* the next three are as the kernel said at connect time; for logs,
                               * not for decisions */
    uint32_t peer_uid; /* Windows: 1 this user, 0 SYSTEM or the administrators, 2 another one */
    uint32_t peer_gid; /* Windows: 0 */
    int64_t peer_pid;
    uint32_t peer_frame_bytes_max;    /* largest message that the peer accepts; 0 before the
                                    * handshake */
    struct leat_conn_options options; /* in force */
};

struct leat_conn_stats {
    size_t size;
    uint64_t bytes_received, bytes_sent;       /* over the system's boundary, framing included */
    uint64_t messages_received, messages_sent; /* delivered whole to the inbox; given whole to the
                                                * system */
    uint64_t reads, writes;                    /* system calls that moved bytes */
    uint64_t write_stalls;                     /* times the system would not take more */
    uint64_t read_stalls;                      /* times the inbox was full */
    uint64_t full;                             /* times FULL or a short count was returned */
    uint64_t inbox_bytes_high, outbox_bytes_high; /* high-water marks */
};

struct leat_listener_info {
    size_t size;
    uint64_t tag;
    uint32_t conns;        /* accepted and not yet closed */
    uint32_t handshakes;   /* of these, in the handshake */
    enum leat_error error; /* of the last failed accept or handshake */
    int64_t os_code;
    /* Since leat_listen. denied: also who was turned away because no descriptor was left. */
    uint64_t accepted, denied, handshakes_failed, accept_errors;
    uint64_t queued_bytes; /* what these conns hold, unread and unsent */
};

struct leat_hub_info {
    size_t size;
    uint32_t conns, listeners, timers;
    uint64_t memory_bytes, memory_bytes_high;
    uint64_t waits; /* times the system's event source was asked; once a wait */
    int64_t
        os_code; /* of the last leat_listen, leat_connect, leat_peer_* or adopting call that failed
                      * because of the system: errno or GetLastError, 0 when that says nothing (a
                      * lock that another holds); connections keep their own */
    uint32_t threads;   /* that the hub has started and that still run; POSIX: one while descriptors
                       * that a peer sent along are closed, where they come; Windows: one for the
                       * waitable, one for each handle that was opened for synchronous I/O */
    uint64_t spins;     /* of the waits, those that began with asking again and again: spin_us */
    uint64_t spin_hits; /* of these, those that were over before they slept */
    enum leat_backend backend; /* that is used now; never DEFAULT */
};

/* leat_conn_info_get, leat_conn_stats_get, leat_listener_info_get and leat_hub_info_get fill the
 * struct, up to its `size`: what a later version has and this one does not know is cleared.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   OPTIONS (size is less than this version's, or more than 4096 bytes).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_conn_info_get(struct leat_hub *hub, leat_conn conn,
                                                         struct leat_conn_info *info_out);
LEAT_API LEAT_CHECKED enum leat_error leat_conn_stats_get(struct leat_hub *hub, leat_conn conn,
                                                          struct leat_conn_stats *stats_out);
LEAT_API LEAT_CHECKED enum leat_error leat_listener_info_get(struct leat_hub *hub,
                                                             leat_listener listener,
                                                             struct leat_listener_info *info_out);
LEAT_API LEAT_CHECKED enum leat_error leat_hub_info_get(struct leat_hub *hub,
                                                        struct leat_hub_info *info_out);

/* What the system says of the peer. On Windows a server's label is that of its pipe, which is at
 * most its own. */
#define LEAT_PEER_USER 1u       /* uid; Windows: user */
#define LEAT_PEER_GROUP 2u      /* gid */
#define LEAT_PEER_PROCESS 4u    /* pid; never decide by it: it may be somebody else's by now */
#define LEAT_PEER_LABEL 8u      /* label: SELinux, AppArmor; Windows: the integrity level's SID */
#define LEAT_PEER_SESSION 16u   /* session; Windows, of a client */
#define LEAT_PEER_CONTAINER 32u /* container; Windows, of a client */
#define LEAT_PEER_TEXT_BYTES 256u

struct leat_peer {
    size_t size;
    uint32_t known; /* LEAT_PEER_* bits: which of the rest are meant */
    uint32_t uid, gid;
    int64_t pid;
    uint32_t session;
    bool container;                  /* it runs in an AppContainer */
    char user[LEAT_PEER_TEXT_BYTES]; /* the user as `users` takes it: "1000", "S-1-5-..." */
    char label[LEAT_PEER_TEXT_BYTES];
};

/* leat_peer_get says who the system says is at the other end: as it was when the peer connected or,
 * for a dialled connection, when it began to listen. Windows: a client is known once its first
 * bytes came; of a server its user is the owner of the pipe. A connection of a handle that was
 * opened for synchronous I/O is not asked: UNSUPPORTED.
 *
 * leat_peer_groups says which groups it is in beside gid; *count_out is how many there are, also
 * with TOO_BIG. leat_peer_process gives a handle of its process, which stays meant for that process
 * whatever becomes of its pid: a pidfd, or a HANDLE for waiting and asking (SYNCHRONIZE,
 * PROCESS_QUERY_LIMITED_INFORMATION).
 *
 * On Linux the handle is of the process that connected or listened. Windows keeps only a pid: the
 * handle is of the process that has it now, has not ended, and began, by the system's clock, before
 * we met the peer. That it is the one that opened the pipe is not proven, for that one may have
 * ended before we met, and its pid be another's; nor that it is the one that speaks, for an end of
 * a pipe can be handed on. It is for showing and for waiting, never for deciding.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    leat_peer_process: the handle is the caller's, to be closed with close or CloseHandle.
 * Fails:   STATE (not connected, or no more), UNTRUSTED (the system does not say), UNSUPPORTED,
 *          OPTIONS (`size`), TOO_BIG (groups), LIMIT, NOT_FOUND (the process is gone), DENIED,
 *          SYSTEM.
 * Systems: groups: Linux; macOS and FreeBSD, the first 16. The handle: Linux 6.5; Windows, but not
 *          of a handle that was opened for synchronous I/O; DENIED for many processes of other
 *          users.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_peer_get(struct leat_hub *hub, leat_conn conn,
                                                    struct leat_peer *peer_out);
LEAT_API LEAT_CHECKED enum leat_error leat_peer_groups(struct leat_hub *hub, leat_conn conn,
                                                       uint32_t *groups, size_t count,
                                                       size_t *count_out);
LEAT_API LEAT_CHECKED enum leat_error leat_peer_process(struct leat_hub *hub, leat_conn conn,
                                                        intptr_t *handle_out);

/* leat_conn_name and leat_listener_name copy the address in its explicit form, such as
 * unix:/run/user/1000/leat/x, and a zero byte: for a dialled connection where it connected to, for
 * an accepted one the listener's; empty for adopted ones and pairs. *size_out is the length without
 * the zero byte.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   TOO_BIG (*size_out says how long it is).
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_conn_name(struct leat_hub *hub, leat_conn conn,
                                                     char *buffer, size_t size, size_t *size_out);
LEAT_API LEAT_CHECKED enum leat_error leat_listener_name(struct leat_hub *hub,
                                                         leat_listener listener, char *buffer,
                                                         size_t size, size_t *size_out);

/* leat_resolve says what a name resolves to on this system, in its explicit form, and a zero byte.
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    nothing of the caller's.
 * Fails:   NAME, NAME_TOO_LONG, UNTRUSTED (the folder of plain names is not ours alone, or that of
 *          system: is not safe), DENIED, UNSUPPORTED, TOO_BIG (*size_out says how long it is),
 *          SYSTEM.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API LEAT_CHECKED enum leat_error leat_resolve(const char *name, char *buffer, size_t size,
                                                   size_t *size_out);

/* ---- Errors ---------------------------------------------------------------------------------- */

/* leat_error_name gives "TIMEOUT", leat_error_text a short text, for an error; leat_operation_name
 * and leat_state_name and leat_event_name the same for theirs. Never null; unknown values give
 * "UNKNOWN" or "unknown error". leat_version gives "0.1.0".
 *
 * Waits:   never.
 * Thread:  any.
 * Owns:    static storage.
 * Fails:   never.
 * Systems: the same everywhere.
 * Since:   0.1
 */
LEAT_API const char *leat_error_name(enum leat_error error);
LEAT_API const char *leat_error_text(enum leat_error error);
LEAT_API const char *leat_operation_name(enum leat_operation operation);
LEAT_API const char *leat_state_name(enum leat_state state);
LEAT_API const char *leat_event_name(enum leat_event_type type);
LEAT_API const char *leat_version(void);

#ifdef __cplusplus
}
#endif

#endif
