/* SPDX-License-Identifier: MIT
 *
 * What the files of the simulated kernel share. One world, one operating system thread.
 */
#ifndef LTI_SIM_KERNEL_H
#define LTI_SIM_KERNEL_H

#include "os_posix.h"
#include "sim.h"
#include "sim_context.h"

struct sim_object;
struct sim_process;

/* ---- Random: SplitMix64, one stream for each purpose, so that a draw here shifts nothing there
 * ---- */

struct sim_random {
    uint64_t state;
};
uint64_t sim_random_next(struct sim_random *random);
uint32_t sim_random_below(struct sim_random *random, uint32_t bound); /* bound > 0 */
bool sim_fault(uint32_t millionths);                                  /* draws and counts */

/* ---- Objects: what a descriptor stands for
 * ---------------------------------------------------- */

enum sim_kind {
    SIM_SOCKET,
    SIM_STREAM,
    SIM_LISTENER,
    SIM_POLLER,
    SIM_EVENT,
    SIM_LOCK,
    SIM_NODE, /* stands for a file that is not opened */
    SIM_PIPE, /* from here on: of Windows, see sim_nt.h */
    SIM_QUEUE,
    SIM_SIGNAL,
    SIM_THREAD,
    SIM_PROCESS
};

/* One send's bytes, or one packet, in the queue of the one who will read them. */
struct sim_segment {
    struct sim_segment *next;
    uint32_t size, shown, taken, charge; /* taken <= shown <= size */
    bool arrived;         /* some of it is shown; of a packet, which may be empty, all */
    uint32_t descriptors; /* that come along with its first byte */
    uint8_t data[];
};

/* One descriptor in one poller. */
struct sim_watch {
    struct sim_object *poller, *target;
    struct sim_watch *target_next, *poller_next;
    struct sim_watch *ready_next, *ready_previous;
    uint32_t interest;
    uint64_t cookie;
    bool ready;
};

struct sim_state { /* of a stream, as the kernel's sk_shutdown and sk_err */
    bool no_read, no_write, reset;
};

struct sim_groups {
    uint32_t count;
    uint32_t list[LTI_SIM_GROUPS_MAX];
};

/* The two locks of a file: of the name, and of whose turn it is. */
enum sim_lock_kind { SIM_LOCK_NAME, SIM_LOCK_TURN, SIM_LOCKS };

struct sim_object {
    enum sim_kind kind;
    uint32_t references; /* its descriptor, pending actions, sleeping fibers */
    bool closed;
    uint64_t serial;
    struct sim_watch *watches; /* who polls it */
    struct lti_os_peer owner, peer_credentials;
    struct sim_groups owner_groups, peer_groups; /* as they were when those were taken */
    uint32_t mode;
    uint32_t inode; /* index + 1 of the name it is bound to, or of the lock file or node */
    bool bound, delayed;
    bool shares[SIM_LOCKS]; /* SIM_LOCK: has it beside others */
    bool packets;           /* a socket of packets; its kind is that of a stream's */
    bool stamped; /* received packets are stamped, so that an empty one is told from the end */
    struct {      /* SIM_STREAM */
        struct sim_object *peer;
        struct sim_segment *first, *last;
        struct sim_state state, hidden;
        uint32_t charged, budget; /* what we sent and the peer did not read yet */
        uint32_t attached;        /* descriptors that go with the next send */
    } stream;
    struct { /* SIM_LISTENER: streams nobody accepted yet */
        struct sim_object **queue;
        uint32_t count, visible, capacity, backlog;
        bool over;                      /* nobody can connect any more */
        char name[LTI_OS_PATH_MAX + 1]; /* abstract: without its zero byte */
        size_t name_size;
        struct sim_object *abstract_next;
    } listener;
    struct { /* SIM_POLLER */
        struct sim_watch *watches, *ready_first, *ready_last;
    } poller;
    uint64_t event;    /* SIM_EVENT: the counter */
    struct sim_nt *nt; /* SIM_PIPE and what follows it */
};

/* ---- Processes and fibers
 * --------------------------------------------------------------------- */

struct sim_block;     /* one allocation */
struct sim_request;   /* an operation of a pipe */
struct sim_pipe_name; /* a name of pipes and its instances */

struct sim_process {
    const char *name;
    bool used, alive;
    uint32_t uid, gid, forks;
    int64_t pid;
    uint64_t began_ns;
    struct sim_object **descriptors;
    uint32_t capacity, open;
    struct sim_block *blocks;
    int64_t allocations, bytes, bytes_high;
    uint64_t memory_faults, calls, dies_at; /* 0: not */
    uint64_t descriptors_end_ns;            /* until then no descriptor is to be had */
    struct lti_sim_token token;
    uint32_t session;         /* of Windows */
    struct sim_groups groups; /* beside gid */
};

enum sim_fiber_state { SIM_FREE = 0, SIM_READY, SIM_POLLING, SIM_SLEEPING, SIM_LOCKING, SIM_OVER };

struct sim_fiber {
    enum sim_fiber_state state;
    const char *name;
    uint32_t process, locks;
    uint64_t wake_ns;          /* UINT64_MAX: never */
    struct sim_object *poller; /* or whatever else it waits for */
    struct sim_object *thread; /* a reference; null: nobody can join it */
    struct lti_os_mutex *mutex;
    struct sim_request *waits; /* for this, in a call on a synchronous handle; null: for none */
    int64_t told;              /* its result */
    void (*function)(void *argument);
    void *argument;
    struct sim_context context;
    void *stack, *follow; /* what sim_follow.h notes of the fiber */
    size_t stack_bytes;
};

/* ---- Kernel actions: what happens later by itself
 * ------------------------------------------------ */

enum sim_action_kind { SIM_REVEAL, SIM_EDGE, SIM_ARRIVE };

struct sim_action {
    uint64_t time_ns, order;
    enum sim_action_kind kind;
    struct sim_object *object; /* a reference */
};

/* ---- Files ----------------------------------------------------------------------------------- */

#define SIM_INODES_MAX 512u

struct sim_inode {
    char *path; /* null: free, or unlinked and still open */
    char type;  /* 'f' 'd' 'l' 's' */
    uint32_t uid, gid, mode, opens;
    uint64_t number;
    struct sim_object *socket; /* bound to it */
    struct sim_lock {
        struct sim_object *holder; /* has it alone */
        uint32_t sharers;
    } locks[SIM_LOCKS];
    bool made; /* since begin */
};

struct sim_world {
    bool begun, tracing;
    bool threaded; /* threads were started outside of lti_sim_run; they run when main waits */
    struct lti_sim_options options;
    struct sim_random clock_random, schedule_random, fault_random, delay_random, user_random;
    uint64_t now_ns, clock_floor_ns, clock_still_ns;
    uint64_t steps, steps_max, hash, faults_done, misuses, serial, order, inode_number;
    uint64_t clock_reads, busy; /* clock reads since the last other call; the most there were */
    struct sim_process processes[LTI_SIM_PROCESSES_MAX];
    uint32_t process_count;
    struct sim_fiber fibers[LTI_SIM_FIBERS_MAX + 1]; /* 0: the caller of lti_sim_run */
    uint32_t fiber_count, running, last, starved;
    enum lti_sim_result stop_result;
    bool stop;
    struct sim_action *actions;
    uint32_t action_count, action_capacity;
    struct sim_object *abstract; /* listeners and bound sockets without a file */
    struct sim_pipe_name *pipe_names;
    struct sim_inode inodes[SIM_INODES_MAX];
    char *environment[16][2];
    bool privileged, no_proc, no_nodes;
    const char *user_place;
};

extern struct sim_world sim_world;

/* sim_core.c */
_Noreturn void sim_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts it, or ends the program when nobody counts. */
void sim_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t sim_fail(int error);
/* Every system call starts with sim_enter (a point where others may run, and where a process may
 * die) and returns through sim_leave (hash and trace). */
void sim_enter(void);
int64_t sim_leave(const char *call, int64_t a, int64_t b, int64_t result);
struct sim_process *sim_process_now(void);
struct sim_object *sim_object_new(enum sim_kind kind);
void sim_object_hold(struct sim_object *object);
void sim_object_drop(struct sim_object *object); /* frees with the last reference */

/* sim_fiber.c */
struct sim_fiber *sim_fiber_now(void); /* number 0 outside of lti_sim_run */
void sim_fiber_maybe_yield(void);
void sim_fiber_block(void); /* the state was set: others run until it is over */
_Noreturn void sim_fiber_die(void);
/* 0: there is no room for it. */
uint32_t sim_fiber_add(uint32_t process, const char *name, void (*function)(void *argument),
                       void *argument);
/* Outside of lti_sim_run: gives one fiber a turn; false: none can run. */
bool sim_fibers_turn(void);
uint64_t sim_fibers_wake(void); /* when the next one can, or the next action is; UINT64_MAX */
void sim_fibers_of_process_die(uint32_t process);
void sim_fibers_end(void);

/* sim_time.c */
void sim_action_add(enum sim_action_kind kind, struct sim_object *object, uint64_t delay_ns);
void sim_actions_run(void); /* those that are due */
uint64_t sim_actions_first(void);
void sim_actions_end(void);
uint64_t sim_delay(void); /* how long something that comes later takes */
void sim_time_tick(void);

/* sim_table.c: descriptors */
int64_t sim_descriptor_add(struct sim_object *object); /* takes the reference; EMFILE drops it */
bool sim_descriptors_full(void);
struct sim_object *sim_descriptor_find(int fd); /* null: not open, counted */
struct sim_object *sim_descriptor_look(int fd); /* null: not open */
bool sim_descriptor_close(int fd);              /* false: not open, counted */
void sim_object_close(struct sim_object *object);
void sim_process_end(struct sim_process *process);

/* sim_socket.c */
void sim_socket_close(struct sim_object *object);
void sim_socket_reveal(struct sim_object *object);
uint32_t sim_socket_mask(const struct sim_object *object);

/* sim_poll.c */
void sim_poll_wake(struct sim_object *object, uint32_t flags); /* 0: whatever it is */
uint32_t sim_poll_mask(const struct sim_object *object);
bool sim_poll_ready(struct sim_object *poller);
/* Waits until the object has something, or the deadline, or something happened by itself. */
void sim_poll_sleep(struct sim_object *object, uint64_t deadline_ns);
void sim_poll_forget(
    struct sim_object *object); /* out of all pollers; a poller: with all it watches */

/* sim_file.c */
void sim_files_begin(void);
void sim_files_end(void);
int64_t sim_file_bind(struct sim_object *socket, const char *path, size_t size);
int64_t sim_file_find_socket(const char *path, size_t size, struct sim_object **socket_out);
int64_t sim_path_find(const char *path, struct sim_inode **inode_out);
void sim_inode_settle(struct sim_inode *inode); /* nobody reaches its socket any more, perhaps */
int64_t sim_inode_find_socket(const struct sim_inode *inode, struct sim_object **socket_out);
void sim_file_socket_closed(struct sim_object *socket);
void sim_lock_close(struct sim_object *lock);

/* sim_node.c: the same by a descriptor of a node, or of a folder. */
/* A path through /proc becomes one without. */
#define SIM_PATH_MAX 1024
int64_t sim_path_real(const char *path, char real_out[SIM_PATH_MAX]);
int64_t sim_node_find_socket(int node, struct sim_object **socket_out);
void sim_node_close(struct sim_object *node);

/* Windows' personality: sim_nt.h has the rest. */
bool sim_nt_ready(const struct sim_object *object); /* a wait for it is over */
void sim_nt_close(struct sim_object *object);
void sim_nt_free(struct sim_nt *nt);
void sim_queue_arrive(struct sim_object *queue);          /* what was under way until now */
void sim_requests_abandon(uint32_t process);              /* its memory is going */
void sim_requests_check(const void *memory, size_t size); /* that is being freed */

#endif
