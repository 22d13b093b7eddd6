/* SPDX-License-Identifier: MIT
 *
 * The core's own structures: hub, endpoint, conn, listener, timer. What the files of the core
 * share, and nobody else, by way of core.h. The public calls are in api_*.c and wait.c, on top.
 */
#ifndef LTI_CORE_BASE_H
#define LTI_CORE_BASE_H

#include "access.h"
#include "deadlines.h"
#include "frame.h"
#include "inbox.h"
#include "os_base.h"
#include "outbox.h"
#include "port.h"
#include "slots.h"
#include "spin.h"
#include "users.h"

#include <stdatomic.h>

/* What an endpoint has to say, or has to do. */
#define LTI_PENDING_WORK 1u /* the port has something for it */
#define LTI_PENDING_CONNECTED 2u
#define LTI_PENDING_WRITABLE 4u
#define LTI_PENDING_HANGUP 8u
#define LTI_PENDING_READABLE 16u
#define LTI_PENDING_FINISHED 32u
#define LTI_PENDING_CLOSED 64u
#define LTI_PENDING_REPORT 128u
#define LTI_PENDING_ACCEPTED 256u
#define LTI_PENDING_ERROR 512u
#define LTI_PENDING_TIMER 1024u
#define LTI_PENDING_ASKED 2048u

/* Which of the hub's lists an endpoint is on. */
enum lti_listed { LTI_LIST_NONE = 0, LTI_LIST_READY, LTI_LIST_CHORES, LTI_LISTS };

struct lti_list {
    struct lti_endpoint *first, *last;
    uint32_t count;
};

struct lti_endpoint {
    struct lti_endpoint *previous, *next;
    uint64_t tag;
    struct lti_deadline deadline;
    int32_t os_code; /* the raw one, of what failed last */
    uint16_t pending;
    uint8_t kind; /* enum lti_kind */
    uint8_t list; /* enum lti_listed */
};

/* States of a conn; ARCHITECTURE.md has the table. Only lti_conn_enter changes them. */
enum lti_conn_state {
    LTI_CONN_NEW = 0,
    LTI_CONN_CONNECTING, /* dialled; the next attempt is due at attempt_at */
    LTI_CONN_ASKING,     /* connected; the user is to say whether the peer may come in */
    LTI_CONN_HANDSHAKE,  /* connected; the peer's hello is not complete */
    LTI_CONN_OPEN,
    LTI_CONN_LINGER, /* closed by the user: sending the rest, dropping what comes */
    LTI_CONN_ENDED,  /* over; unread bytes and CLOSED are still to be taken */
    LTI_CONN_GONE    /* nobody's any more; waits for the port, or for its report to be taken */
};

/* What connections of one listener, or such that were dialled or adopted alike, need only once. */
struct lti_common {
    uint32_t holders;
    struct leat_conn_options options; /* in force */
    struct lti_access *access;        /* null: whoever handed it over has judged */
    struct lti_address *address;      /* null: none; the block ends with its text */
    struct lti_listener *listener;    /* null: none, or none any more */
};
#define LTI_COMMONS_RECENT 4 /* a hub remembers so many to find equal ones by */

/* leat_conn_stats, as it is kept: what has a bound of 32 bits takes 32 bits. */
struct lti_conn_stats {
    uint64_t bytes_received, bytes_sent;
    uint64_t messages_received, messages_sent;
    uint64_t reads, writes;
    uint64_t write_stalls, read_stalls;
    union {
        uint64_t full;
        uint64_t report_tag; /* closing: statistics can be asked for no more */
    };
    uint32_t inbox_bytes_high, outbox_bytes_high;
};

/* Of lti_peer, what is asked for later. */
struct lti_conn_peer {
    uint32_t uid, gid;
    uint32_t pid;  /* 0: not known */
    uint32_t user; /* with user_counted */
};

/* What every message touches comes first: with many connections the cache lines count. */
struct lti_conn {
    struct lti_endpoint base;
    struct lti_link link;
    enum lti_conn_state state : 8;
    enum leat_protocol protocol : 8; /* as in its options: every message asks for it */
    enum leat_error write_error : 8; /* OK: writing works */
    enum leat_error error : 8;       /* why it ended; the first one sticks */
    union {
        uint32_t message_size; /* of the message at the inbox's head, or of the last one */
        uint32_t skip_left;    /* skipping: of an ignorable frame's payload */
    };

    union {
        struct {
            bool dialled : 1;
            bool head_message : 1;   /* the outbox's first frame is a message */
            bool closing : 1;        /* the user closed it: the id is dead, no event comes */
            bool announced : 1;      /* the user has it: CONNECTED or ACCEPTED, or dialled it */
            bool ask_due : 1;        /* ASKED is to be told */
            bool asked_told : 1;     /* the user knows it from ASKED */
            bool handshaking : 1;    /* counts in the listener's handshakes */
            bool accepted_queue : 1; /* waits in the listener's accepted queue */
            bool readable : 1;       /* the port may have bytes for us */
            bool eof : 1;            /* the port has no more */
            bool paused : 1;
            bool read_stalled : 1;  /* the inbox was full; until its low mark */
            bool writing : 1;       /* a write_start is under way */
            bool want_writable : 1; /* FULL was returned: one WRITABLE is due */
            bool streams : 1;       /* FULL was returned, and not all is sent since */
            bool writable_due : 1;
            bool connected_due : 1;
            bool finish_wanted : 1; /* by us: after the outbox */
            bool finish_done : 1;
            bool peer_finished : 1; /* no more will come */
            bool peer_goodbye : 1;  /* a CLOSE frame came */
            bool finished_told : 1;
            bool hangup : 1;
            bool hangup_told : 1;
            bool closed_told : 1;
            bool message_ready : 1; /* a whole message is at the inbox's head */
            bool need_more : 1; /* the user looked for a delimiter in vain: new bytes are news */
            bool view : 1;      /* the user looks at it */
            bool asked : 1;     /* keep-alive: nothing was heard since we asked */
            bool goodbye_queued : 1; /* our CLOSE frame is in the outbox */
            bool report : 1;         /* leat_close_report: an event is due at the end */
            bool drained : 1;        /* closing: what had come was looked for */
            bool waited : 1;         /* leat_close_wait: a caller takes the result */
            bool link_draining : 1;  /* lti_port_end said: not yet */
            bool buried : 1;         /* in the graveyard */
            bool unidentified : 1;   /* who it is will be known when its first bytes came */
            bool user_counted : 1;   /* among the listener's users */
            bool share_held : 1;     /* is not read: the listener is full */
            bool share_large : 1;    /* for a packet that is larger than it may hold then */
            bool share_waits : 1;    /* in the listener's waiting queue */
            bool absent_waits : 1;   /* CONNECTING: nobody there is a reason to try again */
            bool peer_known : 1;
            bool listened : 1;  /* the listener counts it as one of its own */
            bool skipping : 1;  /* what comes is an ignorable frame's payload */
            bool heard : 1;     /* keep-alive: something came since the last look */
            bool gathering : 1; /* among the hub's gatherers: a write went since its last turn */
            uint8_t operation;  /* enum leat_operation; what failed */
            uint8_t attempts;   /* CONNECTING: so many failed, or more */
        };
        uint64_t flags; /* all of them at once, to be compared with LTI_CONN_FLAGS */
    };

    struct lti_inbox inbox;
    struct lti_outbox outbox;
    uint32_t head_left; /* bytes of the outbox's first frame (or hello) that are unsent; 0: not
                         * known */
    uint32_t own_bytes; /* of the outbox: hello and control frames, not the user's */
    uint32_t want_room; /* with want_writable: what must fit into the outbox */
    uint32_t peer_frame_bytes_max;

    /* Times, 0: none. The state tells which member of a union is meant. */
    union {
        uint64_t limit_at; /* all but OPEN: give up; LINGER: be gone */
        uint64_t alive_at; /* OPEN: keep-alive, next look */
    };
    union {
        uint64_t attempt_at; /* CONNECTING: next attempt */
        uint64_t partial_at; /* OPEN: the frame at the head must be complete */
        uint64_t drop_end;   /* LINGER, no time: so many bytes received, and no more is dropped */
    };
    uint64_t stall_at; /* the peer must have taken something */
    uint64_t retry_at; /* memory was short: try to read again */

    struct lti_common *common; /* its own, or that of others too */
    struct lti_conn_stats stats;
    uint32_t undelivered;                         /* what was in the outbox when nothing more
                                                     * could be sent */
    uint32_t queued_bytes;                        /* of the listener's: ours */
    struct lti_conn *queue_previous, *queue_next; /* in the listener's handshake, accepted or
                                                     * waiting queue */
    struct lti_conn_peer peer;
};
/* With its slot, its place among the deadlines and what an allocation costs, less than 400 bytes:
 * 10,000 idle clients need 4 MB. A new member is to find a place in common, or in a union with one
 * of another state. The figure fits the steps of 16 in which memory is given out. */
_Static_assert(sizeof(struct lti_conn) <= 312, "an idle connection is small");

/* What `flags` is with just these set: LTI_CONN_FLAGS(.closing = true, .view = true). */
#define LTI_CONN_FLAGS(...) (((struct lti_conn){__VA_ARGS__}).flags)
_Static_assert(offsetof(struct lti_conn, attempts) - offsetof(struct lti_conn, flags) == 7,
               "`flags` has room for all of them");

/* One connection of a listener a direction may go on over its bound; conn_share.c. */
enum lti_share_turn { LTI_SHARE_READ = 0, LTI_SHARE_WRITE, LTI_SHARE_TURNS };

struct lti_listener {
    struct lti_endpoint base;
    struct lti_link link;
    struct lti_claim claim;
    struct lti_common *common; /* of its connections; the address is its own, too */
    struct lti_conn *accepted_first, *accepted_last;
    struct lti_conn *handshake_first, *handshake_last; /* oldest first */
    uint64_t pause_ns;                                 /* back-off after a failure; 0: none */
    uint64_t accepted, denied, handshakes_failed, accept_errors;
    enum leat_error error;
    uint32_t conns, conns_max, handshakes, handshakes_max, per_user_max, own_user_max;
    struct lti_users users; /* of these conns, those that count against one of the last two */
    size_t queued_bytes, queued_bytes_max;
    struct lti_conn *waiting_first, *waiting_last; /* until they may hold more */
    struct lti_conn *turns[LTI_SHARE_TURNS];       /* null: nobody has it */
    bool acceptable : 1;
    bool backing_off : 1;
    bool error_told : 1; /* of this run of failures */
    bool crowded : 1;    /* more came in the last turn than it took, most likely */
    bool releasing : 1;  /* who waited looks again */
    bool error_due : 1;
};

struct lti_timer {
    struct lti_endpoint base;
    uint64_t id;
};

/* What each message touches comes first, on few cache lines.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct leat_hub {
    struct lti_port *port;
    struct lti_os_mutex *mutex; /* null: single_thread */
    uint32_t fork_count;
    bool waiter;     /* a thread is inside leat_next or a wait */
    bool waiting;    /* it has let the lock go and asks the port */
    bool foreign;    /* the waitable was handed out */
    bool changed;    /* something became ready or due: a waiter must look again */
    bool woken_last; /* a wake-up was told, and nothing since: it is the others' turn */
    bool may_ahead;  /* no backend was asked for, and none was tried */
    bool gathered;   /* something does wait */
    atomic_bool woken;
    struct lti_conn *graveyard; /* to be freed when nobody holds a pointer to it */
    uint64_t retire;            /* the conn whose CLOSED was handed out */
    uint32_t gatherers_count, gatherers_room;
    uint32_t round_left; /* of the ready list, until the port is asked again */
    uint32_t unasked;    /* turns in a row that had an event without asking the port */
    uint64_t waits;
    union {
        struct lti_list lists[LTI_LISTS]; /* by enum lti_listed */
        struct {
            struct lti_list none;   /* stays empty */
            struct lti_list ready;  /* has an event, or bytes to look at for one */
            struct lti_list chores; /* has work that no event comes from: handshakes, lingering */
        };
    };
    struct lti_deadlines deadlines;
    uint64_t wait_end_ns;   /* until when the waiter, or a foreign loop, means to wait */
    uint64_t hot, hot_last; /* who spoke alone, twice in a row; and in the last wait; 0: nobody */
    uint32_t hot_turns;     /* in a row that began with reading from it */
    uint32_t full_batches;  /* in a row */
    struct lti_slots conns;
    struct leat_hub_options options;
    struct lti_spin spin;
    struct lti_pool pool;
    struct lti_slots listeners, timers;
    struct lti_common *commons[LTI_COMMONS_RECENT]; /* null: none; held by others */
    uint32_t commons_next;                          /* place of the one to be forgotten next */
    struct lti_conn **gatherers;                    /* what they write now waits for the next
                                                     * turn; null: no room yet */
    uint32_t conns_used, listeners_used, timers_used;
    uint64_t now_ns;        /* at the last look at the clock */
    uint64_t random;        /* state of the generator for jitter */
    struct os_code os_code; /* of the last call that failed by the system's word */
    uint64_t log_second;
    uint32_t log_count;
    uint64_t owner_thread; /* single_thread: the first that came */
    uint64_t loop_thread;  /* who called leat_next or leat_hub_deadline last */
    struct lti_done done[LTI_DONE_MAX];
};

/* The port tells by it whom a completion is for. */
static inline uint64_t lti_conn_id(const struct lti_conn *conn)
{
    return conn->link.cookie;
}
static inline uint64_t lti_listener_id(const struct lti_listener *listener)
{
    return listener->link.cookie;
}

/* What is asked of a connection all the time. */

/* Null: it was not accepted, or its listener has lost it. */
static inline struct lti_listener *lti_conn_listener(const struct lti_conn *conn)
{
    return conn->listened ? conn->common->listener : NULL;
}

/* The link can be read and written. */
static inline bool lti_conn_connected(const struct lti_conn *conn)
{
    return conn->state == LTI_CONN_HANDSHAKE || conn->state == LTI_CONN_OPEN ||
           conn->state == LTI_CONN_LINGER;
}

/* Bytes, or a whole message. */
static inline bool lti_conn_has_data(const struct lti_conn *conn)
{
    return conn->protocol != LEAT_BYTES ? conn->message_ready : lti_inbox_size(&conn->inbox) > 0;
}

static inline bool lti_conn_may_read(const struct lti_conn *conn)
{
    if (conn->eof || !lti_conn_connected(conn))
        return false;
    if (conn->closing || conn->state == LTI_CONN_HANDSHAKE)
        return true;
    if (conn->message_ready && conn->protocol == LEAT_PACKETS)
        return false; /* one at a time */
    return conn->announced && !conn->paused && !conn->read_stalled && !conn->share_held;
}

/* What comes first is to be looked at only for who it is of. */
static inline bool lti_conn_may_hear(const struct lti_conn *conn)
{
    return conn->unidentified && (conn->state == LTI_CONN_ASKING || lti_conn_may_read(conn));
}

/* hub.c */
enum leat_error lti_hub_enter_other(struct leat_hub *hub); /* lti_hub_enter, in full */
void lti_hub_leave_told(struct leat_hub *hub);             /* lti_hub_leave, in full */
void lti_hub_reap(struct leat_hub *hub);
uint64_t lti_hub_now(struct leat_hub *hub);                /* looks at the clock */
uint64_t lti_hub_after(struct leat_hub *hub, uint32_t ms); /* LTI_NEVER for LEAT_FOREVER */
uint32_t lti_hub_random(struct leat_hub *hub, uint32_t below);
void lti_hub_log(struct leat_hub *hub, const char *what, enum leat_error error);
void lti_hub_list(struct leat_hub *hub, struct lti_endpoint *endpoint, enum lti_listed list);
void lti_hub_due(struct leat_hub *hub, struct lti_endpoint *endpoint, uint64_t time_ns);
struct lti_listener *lti_hub_listener(const struct leat_hub *hub, leat_listener listener);

/* hub_pump.c */
enum leat_error lti_hub_wait_enter(struct leat_hub *hub); /* enters as the one who waits; BUSY */
void lti_hub_wait_leave(struct leat_hub *hub);
/* Asks the port until deadline_ns, the hub's first deadline or a wake-up, without the lock, and
 * does what completions, deadlines and chores ask for. SYSTEM when the port fails. Who gives a time
 * for deadline_ns has just looked at the clock; 0 and LTI_NEVER need none. */
enum leat_error lti_hub_pump(struct leat_hub *hub, uint64_t deadline_ns);
/* True when somebody woke the hub, which is then told. Who is woken all the time is to hear of
 * others as well: not twice in a row unless they were `asked` meanwhile. */
static inline bool lti_hub_take_wake(struct leat_hub *hub, bool asked)
{
    /* The plain load keeps the common case free of a locked instruction. */
    if (!atomic_load_explicit(&hub->woken, memory_order_acquire) || (hub->woken_last && !asked))
        return false;
    hub->woken_last = true;
    return atomic_exchange(&hub->woken, false);
}

/* options.c: checks, and fills in the defaults. */
enum leat_error lti_options_hub(const struct leat_hub_options *from, struct leat_hub_options *to);
enum leat_error lti_options_conn(const struct leat_conn_options *from,
                                 struct leat_conn_options *to);
enum leat_error lti_options_listen(const struct leat_listen_options *from,
                                   struct leat_listen_options *to);
enum leat_error lti_options_connect(const struct leat_connect_options *from,
                                    struct leat_connect_options *to);
/* Fills a struct of the caller's that begins with its size, which stays. OPTIONS: no such size. */
enum leat_error lti_struct_give(void *to, const void *from, size_t known);

/* conn_state.c */
void lti_conn_enter(struct leat_hub *hub, struct lti_conn *conn, enum lti_conn_state state);
void lti_conn_update(struct leat_hub *hub, struct lti_conn *conn); /* what is pending and due */
void lti_conn_fail(struct leat_hub *hub, struct lti_conn *conn, enum leat_operation operation,
                   enum leat_error error, struct os_code code); /* the first error sticks */
void lti_conn_bury(struct leat_hub *hub, struct lti_conn *conn);
uint64_t lti_conn_unsent(const struct lti_conn *conn); /* what the user sent of the outbox */
/* What may wait in its outbox: less of a stream, so that what it copies stays in the caches. */
static inline size_t lti_conn_outbox_limit(const struct lti_conn *conn)
{
    const struct leat_conn_options *options = &conn->common->options;
    return conn->streams ? options->outbox_stream_bytes : options->outbox_bytes;
}
enum leat_state lti_conn_public_state(const struct lti_conn *conn);

/* conn_open.c */
enum leat_error lti_conn_create(struct leat_hub *hub, struct lti_conn **conn_out);
/* Before it is used in any way: what it has in common with others, which it holds from now on. */
void lti_conn_join(struct lti_conn *conn, struct lti_common *common);
void lti_conn_free(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_attempt(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_established(struct leat_hub *hub, struct lti_conn *conn); /* the link is connected */
void lti_conn_identify(struct leat_hub *hub, struct lti_conn *conn);    /* by its first bytes */
void lti_conn_admit(struct leat_hub *hub, struct lti_conn *conn);       /* it may come in */
/* It may not: logged, with the reason (null: none is known), counted, failed. */
void lti_conn_denied(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                     const char *reason, struct os_code code);
void lti_conn_opened(struct leat_hub *hub, struct lti_conn *conn); /* it is usable */

/* conn_common.c */
/* A new one, without an address, that the caller holds. The access is its own from now on, or gone:
 * MEMORY. */
enum leat_error lti_common_make(struct leat_hub *hub, const struct leat_conn_options *options,
                                struct lti_access *access, struct lti_common **common_out);
/* Copies the address of one that nobody else holds; false: no memory. */
bool lti_common_place(struct leat_hub *hub, struct lti_common *common,
                      const struct lti_address *address);
/* The same one for connections that have all of it in common; else as lti_common_make, with a copy
 * of the address (null: none). */
enum leat_error lti_common_share(struct leat_hub *hub, const struct leat_conn_options *options,
                                 struct lti_access *access, const struct lti_address *address,
                                 struct lti_common **common_out);
struct lti_common *lti_common_hold(struct lti_common *common);
void lti_common_drop(struct leat_hub *hub, struct lti_common *common); /* null is allowed */

/* conn_read.c */
void lti_conn_fill(struct leat_hub *hub, struct lti_conn *conn); /* reads once, if it may */
void lti_conn_consume(struct leat_hub *hub, struct lti_conn *conn, size_t size);
void lti_conn_hangup(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_check_finished(struct leat_hub *hub, struct lti_conn *conn);
/* Sees to it that there is data, bytes or a whole message, or says why not. */
enum leat_error lti_conn_want(struct leat_hub *hub, struct lti_conn *conn, bool bytes);
/* Takes bytes out of the inbox, into a buffer or, without one, nowhere. */
enum leat_error lti_conn_take(struct leat_hub *hub, struct lti_conn *conn, void *buffer,
                              size_t size, size_t *size_out);
/* Copies and drops the message at the head; TOO_BIG when the buffer is too small. */
enum leat_error lti_conn_receive(struct leat_hub *hub, struct lti_conn *conn, void *buffer,
                                 size_t size, size_t *size_out);
void lti_conn_drop_message(struct leat_hub *hub, struct lti_conn *conn);
/* Finds the delimiter within `limit` bytes, fetching more while that may help; the size includes
 * it. At the end of the stream the rest is found. EMPTY, TOO_BIG, or as lti_conn_read_end. */
enum leat_error lti_conn_find(struct leat_hub *hub, struct lti_conn *conn, char delimiter,
                              size_t limit, size_t *size_out);
enum leat_error lti_conn_read_end(const struct lti_conn *conn); /* why nothing is there */
void lti_conn_received_trace(struct leat_hub *hub, const struct lti_conn *conn, const void *data,
                             size_t size);
/* A read brought nothing; `error` says why. */
void lti_conn_read_over(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                        struct os_code code);
void lti_conn_read_later(struct leat_hub *hub, struct lti_conn *conn); /* memory was short */

/* conn_frame.c */
/* Describes the message at the head and those right behind it, at most `count`, at least one. */
size_t lti_conn_messages(struct lti_conn *conn, struct leat_slice *messages_out, size_t count);
void lti_conn_parse(struct leat_hub *hub, struct lti_conn *conn);

/* conn_write.c */
/* Sends or queues. `whole`: all of it or nothing; else *accepted_out says how much. */
enum leat_error lti_conn_offer(struct leat_hub *hub, struct lti_conn *conn,
                               const struct leat_slice *slices, size_t count, size_t total,
                               bool whole, size_t *accepted_out);
void lti_conn_flush(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_flushed(struct leat_hub *hub, struct lti_conn *conn); /* what follows from that */
void lti_conn_written(struct leat_hub *hub, struct lti_conn *conn, size_t bytes, bool taken);
void lti_conn_write_waits(struct leat_hub *hub, struct lti_conn *conn); /* a write is under way */
void lti_conn_write_dead(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error,
                         struct os_code code); /* the link takes nothing more */
void lti_conn_sent_trace(struct leat_hub *hub, const struct lti_conn *conn,
                         const struct leat_slice *slices, size_t count, size_t size);
void lti_conn_check_writable(struct lti_conn *conn); /* there may be room now */
/* One WRITABLE is owed from now on. */
void lti_conn_offer_full(struct lti_conn *conn, size_t want_room);
bool lti_conn_has_room(const struct lti_conn *conn); /* for what was FULL, or at the low mark */
bool lti_conn_queue_hello(struct leat_hub *hub, struct lti_conn *conn);
bool lti_conn_queue_frame(struct leat_hub *hub, struct lti_conn *conn, uint8_t type,
                          const void *data, uint32_t size);
/* Tells the peer why, if that is possible without waiting. */
void lti_conn_goodbye(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error);

/* conn_gather.c */
void lti_gather_forget(struct leat_hub *hub); /* gives the list's memory back */
void lti_gather_begin(struct leat_hub *hub, struct lti_conn *conn); /* a write went out */
void lti_gather_end(struct leat_hub *hub, struct lti_conn *conn);
/* Of one that gathers: where the next `size` bytes are to be put, which then belong to the outbox.
 * Null: they are not to wait, and nothing does any more; the connection may have ended. */
void *lti_gather_room(struct leat_hub *hub, struct lti_conn *conn, size_t size);
void lti_gather_flush(struct leat_hub *hub); /* a turn: all that gathered goes out */

/* conn_share.c */
bool lti_share_read(struct lti_conn *conn, size_t want);         /* it may read; else it waits */
size_t lti_share_room(const struct lti_conn *conn, size_t room); /* of that, in the outbox */
/* How much of that one read may bring. */
size_t lti_share_piece(const struct lti_conn *conn, size_t want);
bool lti_share_fits(const struct lti_conn *conn, size_t want); /* one message may be sent */
void lti_share_sends(struct lti_conn *conn, size_t want);      /* which it then is */
void lti_share_changed(struct leat_hub *hub, struct lti_conn *conn);
void lti_share_leave(struct leat_hub *hub, struct lti_conn *conn); /* has no listener any more */
/* conn_packet.c */
void lti_conn_packet_fill(struct leat_hub *hub, struct lti_conn *conn); /* reads one */
void lti_conn_packet_drop(struct leat_hub *hub, struct lti_conn *conn); /* and drops it */
enum leat_error lti_conn_packet_offer(struct leat_hub *hub, struct lti_conn *conn,
                                      const struct leat_slice *slices, size_t count, size_t total);
/* A packet, or (LTI_FRAME_FINISH) the empty one that means the end; false without memory. */
bool lti_conn_packet_queue(struct leat_hub *hub, struct lti_conn *conn, uint8_t type,
                           const struct leat_slice *slices, size_t count, size_t total);
/* A packet that began has a deadline, unless we are the ones who do not read. */
void lti_conn_packet_patience(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_packet_flush(struct leat_hub *hub, struct lti_conn *conn);
void lti_conn_packet_written(struct leat_hub *hub, struct lti_conn *conn, bool taken);

/* conn_end.c */
void lti_conn_linger_begin(struct leat_hub *hub, struct lti_conn *conn, uint64_t linger_at);
void lti_conn_close(struct leat_hub *hub, struct lti_conn *conn, uint64_t linger_at);
void lti_conn_linger(struct leat_hub *hub, struct lti_conn *conn); /* goes on with it */
void lti_conn_linger_over(struct leat_hub *hub, struct lti_conn *conn, enum leat_error error);
void lti_conn_due(struct leat_hub *hub, struct lti_conn *conn); /* its deadline has come */

/* listener.c */
void lti_listener_work(struct leat_hub *hub, struct lti_listener *listener);
void lti_listener_due(struct leat_hub *hub, struct lti_listener *listener);
void lti_listener_update(struct leat_hub *hub, struct lti_listener *listener);
/* Counts a connection that was judged as one of its user's. LIMIT: he has all that he may have.
 * MEMORY. */
enum leat_error lti_listener_count_user(struct leat_hub *hub, struct lti_conn *conn,
                                        const struct lti_peer *peer);
bool lti_listener_greets(const struct lti_listener *listener);
void lti_listener_accepted(struct leat_hub *hub, struct lti_conn *conn); /* to the accepted queue */
void lti_listener_lost(struct leat_hub *hub, struct lti_conn *conn);     /* one of it is gone */
void lti_listener_waits(struct lti_conn *conn);                          /* in the waiting queue */
void lti_listener_waits_no_more(struct lti_conn *conn);
struct lti_conn *lti_listener_take(struct leat_hub *hub, struct lti_listener *listener);
enum leat_error lti_listener_create(struct leat_hub *hub, const struct leat_listen_options *options,
                                    struct lti_listener **listener_out);
void lti_listener_end(struct leat_hub *hub, struct lti_listener *listener, bool forked);

/* timer.c */
void lti_timer_end(struct leat_hub *hub, struct lti_timer *timer);

/* wait.c */
/* One deadline for several waits; the clock starts with the first turn of the hub. */
struct lti_patience {
    uint64_t end_ns; /* 0: not started */
    uint32_t timeout_ms;
    bool turned; /* by the present wait */
};
/* Looks once. EMPTY: not yet; anything else is the answer. */
typedef enum leat_error (*lti_look)(struct leat_hub *hub, struct lti_conn *conn, void *context);
#define LTI_WAIT_READS 1u /* what is waited for may come by reading */
#define LTI_WAIT_TRIES 2u /* BUSY only if there is something to wait for */
enum leat_error lti_conn_wait(struct leat_hub *hub, leat_conn conn, struct lti_patience *patience,
                              lti_look look, void *context, uint32_t flags);
enum leat_error lti_look_writable(struct leat_hub *hub, struct lti_conn *conn, void *context);

#endif
