/* SPDX-License-Identifier: MIT
 *
 * What the files of the simulated kernel's Windows personality share: operations that the system
 * owns, completion queues, pipes, who may open them.
 */
#ifndef LTI_SIM_NT_H
#define LTI_SIM_NT_H

#include "sim_kernel.h"

/* The table of error numbers is compiled once more for the simulator, under a name of its own:
 * not every program that it is linked with has the port's. */
#define lti_nt_fail sim_nt_fail
#include "os_nt.h"
#include "os_nt_code.h"

/* ---- Operations ------------------------------------------------------------------------------ */

enum sim_direction { SIM_READS = 0, SIM_WRITES, SIM_LISTENS, SIM_DIRECTIONS };

/* One operation that the system owns, from the call that said IN_PROGRESS until its completion
 * came out of the queue. It is on one list at a time: its pipe waits for it, it is under way, it
 * is in the queue. */
struct sim_request {
    struct sim_request *next;
    struct sim_request *all_next, *all_previous; /* of the world */
    struct sim_object *end;                      /* whose operation; a reference; null: a post */
    struct lti_os_op *op;                        /* null: a post, or its process has died */
    uint32_t process;
    enum sim_direction direction;
    bool over; /* result is known */
    void *buffer;
    size_t size;
    const void *data; /* of a write */
    uint64_t sum;     /* of the data, when the write began */
    uint8_t *bytes;   /* what a read got */
    int64_t result;
    uint64_t arrival_ns;
    struct sim_fiber *sleeper; /* it is in the call, and waits; null: nobody is */
};

struct sim_requests { /* first in, first out */
    struct sim_request *first, *last;
};

void sim_requests_add(struct sim_requests *list, struct sim_request *request);
struct sim_request *sim_requests_take(struct sim_requests *list);
void sim_requests_remove(struct sim_requests *list, const struct sim_request *request);

/* What must be true of an operation that is handed over: it is cleared. */
void sim_op_check(const struct lti_os_op *op);
/* One that was over at once: its record shows it. */
void sim_op_done(struct lti_os_op *op, int64_t result);
/* Takes the operation over. A write gives its data, a read its buffer; without an end it is
 * nobody's but the caller's. */
struct sim_request *sim_request_begin(struct sim_object *end, enum sim_direction direction,
                                      struct lti_os_op *op, void *buffer, const void *data,
                                      size_t size);
/* What a read got, until its completion is taken. */
void sim_request_bytes(struct sim_request *request, const uint8_t *bytes, size_t size);
/* The operation is over; it is on no list. It goes to the queue of its handle, if there is one. */
void sim_request_complete(struct sim_request *request, int64_t result);
/* Gives the operation back, with what it says. */
void sim_request_finish(struct sim_request *request);
/* True when an operation of the end, or exactly this one, is over and was not taken. */
bool sim_request_untaken(const struct sim_object *end, const struct lti_os_op *op);

/* ---- Security -------------------------------------------------------------------------------- */

#define SIM_ACES_MAX 16u
#define SIM_RIGHT_READ UINT32_C(0x00120089)     /* FILE_GENERIC_READ */
#define SIM_RIGHT_WRITE UINT32_C(0x00120116)    /* FILE_GENERIC_WRITE */
#define SIM_RIGHT_INSTANCE UINT32_C(0x00000004) /* FILE_CREATE_PIPE_INSTANCE */
/* What lti_os_pipe_open asks for. */
#define SIM_RIGHTS_CLIENT UINT32_C(0x00120183)

struct sim_ace {
    bool deny;
    uint32_t rights;
    char sid[LTI_OS_SID_BYTES];
};

struct sim_security {
    char owner[LTI_OS_SID_BYTES]; /* empty: whoever makes the object */
    bool listed;                  /* there is a list; else everybody may */
    uint32_t count;
    struct sim_ace aces[SIM_ACES_MAX];
    uint32_t label, label_denies; /* integrity below it may not do these */
};

/* Who somebody was when a pipe was opened. */
struct sim_who {
    uint32_t uid;
    struct lti_sim_token token;
    uint32_t session;
    struct sim_groups groups;
};

struct sim_who sim_who_now(void);
/* The descriptor of a new object; null means the usual one. Zero, or a failure. */
int64_t sim_security_assign(const void *security, struct sim_security *assigned_out);
bool sim_security_allows(const struct sim_security *security, const struct sim_who *who,
                         uint32_t rights);

/* ---- Pipes ----------------------------------------------------------------------------------- */

#define SIM_SERVER 0
#define SIM_CLIENT 1

enum sim_pipe_state { SIM_LISTENING = 0, SIM_CONNECTED, SIM_CLOSING, SIM_DISCONNECTED };

/* One write that was not read completely. */
struct sim_entry {
    struct sim_entry *next;
    struct sim_request *request; /* it waits; null: it does not */
    uint32_t size, taken;
    uint8_t data[];
};

/* One direction, of the end that reads it: either bytes wait there or readers. */
struct sim_channel {
    struct sim_entry *first, *last;
    struct sim_requests readers;
    uint64_t unread;
    uint32_t quota;
};

struct sim_instance {
    struct sim_pipe_name *name;
    struct sim_instance *next; /* made after it */
    enum sim_pipe_state state;
    struct sim_object *ends[2]; /* null: closed, or not yet there */
    struct sim_channel channels[2];
    struct sim_requests listens;
    int64_t pids[2];
    struct sim_who client;
    bool client_read; /* a byte of the client was read, so that its identity may be asked for */
};

struct sim_pipe_name {
    struct sim_pipe_name *next;
    struct sim_instance *first;
    uint32_t instances, instances_max, servers; /* servers: open handles of that end */
    bool messages;
    struct sim_security security;
    uint16_t text[LTI_OS_PIPE_UNITS_MAX + 1]; /* below the prefix, in small letters */
};

/* ---- Objects: what a handle stands for ------------------------------------------------------- */

struct sim_nt {
    struct { /* SIM_PIPE */
        /* Null: a client that was disconnected. It may be gone when the handle is closed. */
        struct sim_instance *instance;
        uint32_t side;
        bool messages;                    /* read as messages */
        bool synchronous;                 /* opened for synchronous I/O */
        bool busy;                        /* and somebody is in a call that waits */
        bool no_read, no_write;           /* what the handle may not be used for */
        bool nowait;                      /* a write without room does nothing */
        struct sim_object *queue;         /* a reference */
        bool queue_all;                   /* what succeeds at once comes to it, too */
        uint64_t last_ns[SIM_DIRECTIONS]; /* when the last completion arrives */
    } pipe;
    struct { /* SIM_QUEUE */
        struct sim_requests ready, coming;
    } queue;
    uint32_t process; /* SIM_PROCESS: its number */
};

struct sim_object *sim_nt_object(enum sim_kind kind);
/* 4, 8, ...: the number is used again at once. */
int64_t sim_handle_add(struct sim_object *object);
struct sim_object *sim_handle_look(intptr_t handle); /* null: not open */
/* Null: not open, counted, or of another kind; *result_out says so. */
struct sim_object *sim_handle_find(intptr_t handle, enum sim_kind kind, int64_t *result_out);

/* sim_pipe.c */
void sim_pipe_close(struct sim_object *end);
/* Null: not open, counted, no pipe, or disconnected; *result_out says so. */
struct sim_object *sim_pipe_find(intptr_t handle, int64_t *result_out);

/* sim_pipe_io.c */
/* Ends what waits in the channel, with this error, and forgets what is unread. */
void sim_channel_break(struct sim_channel *channel, uint32_t error);
/* Ends what the closed end still writes, and forgets what nobody read of it. */
void sim_channel_break_writes(struct sim_channel *channel);
/* Takes a waiting operation out of its pipe. False: it was not there. */
bool sim_pipe_withdraw(struct sim_instance *instance, struct sim_request *request);
int64_t sim_pipe_read(struct sim_object *end, void *buffer, size_t size, struct lti_os_op *op);
int64_t sim_pipe_write(struct sim_object *end, const uint8_t *data, size_t size,
                       struct lti_os_op *op);
/* The first operation of the end that waits, or exactly this one; null: there is none. */
struct sim_request *sim_pipe_waiting(const struct sim_object *end, const struct lti_os_op *op);

/* sim_pipe_sync.c */
/* Of a call on the end: counted when another call on it waits, and so would this one. */
void sim_pipe_sync_check(const struct sim_object *end);

/* sim_queue.c */
void sim_queue_put(struct sim_object *queue, struct sim_request *request);
/* The deadline of a wait: whole milliseconds, as the real system counts them. */
uint64_t sim_queue_deadline(int64_t timeout_ns);
void sim_queue_close(struct sim_object *queue);

#endif
