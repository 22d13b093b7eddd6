/* SPDX-License-Identifier: MIT
 *
 * Controls of the simulated kernel: the same lti_os_* symbols as the real one, with virtual time,
 * one seed and no real I/O. It has both personalities, os_posix.h and os_nt.h, in one world. Read
 * from the top: options and begin, processes and fibers, faults, asking.
 *
 * Without any of these calls the kernel begins by itself, with all defaults, at the first lti_os_*
 * call; everything then runs in process 0, on the caller's stack. A call that would block runs the
 * kernel's pending actions and moves the clock; if nothing can ever happen it ends the program with
 * the word "deadlock". Threads that are started there run while main waits.
 */
#ifndef LTI_SIM_H
#define LTI_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LTI_SIM_PROCESSES_MAX 32u
#define LTI_SIM_FIBERS_MAX 32u

/* Who runs next, decided inside lti_os_* calls only. */
enum lti_sim_schedule {
    LTI_SIM_RANDOM = 0,  /* now and then, anybody */
    LTI_SIM_ROUND_ROBIN, /* at each call, the next one */
    LTI_SIM_STARVE_ONE   /* as RANDOM, but one fiber runs only when no other can, or very seldom */
};

/* Probabilities in millionths a chance: 1000 is 0.1 %. Zero: never, and no random number is
 * drawn. */
struct lti_sim_faults {
    uint32_t short_read, short_write; /* less than could be had; a later edge follows */
    uint32_t interrupt;               /* EINTR before anything happened */
    uint32_t again;                   /* EAGAIN though there is something; a later edge follows */
    uint32_t poll_spurious;           /* IN or OUT reported though it is not so */
    uint32_t poll_duplicate;          /* an event reported once more */
    uint32_t poll_empty;              /* a wait that ends at once with nothing */
    uint32_t poll_shuffle;            /* a wait's events in any order */
    uint32_t delay;                   /* what is sent arrives by a kernel action, later */
    uint32_t memory;                  /* lti_os_alloc gives null */
    uint32_t descriptors;             /* a window in which no descriptor is to be had (EMFILE) */
    uint32_t clock;                   /* a window in which the clock stands still */
    /* Of Windows. There, too: short_read for bytes; poll_empty: a wait for completions that ends
     * early; poll_shuffle: completions of several handles in any order; delay: a completion
     * arrives later; descriptors: a window in which no handle is to be had (1450). */
    uint32_t pend;      /* what could be over at once is told by a completion */
    uint32_t resources; /* a call for which the kernel has no memory (1450, 1816) */
    uint32_t cancel;    /* a cancel that says yes though the operation was over */
    uint32_t linger;    /* a write that waits is not ended when its own handle is closed, only when
                           the peer has read it or gone */
};

struct lti_sim_options {
    uint64_t seed;             /* default 1 */
    uint32_t buffer_bytes;     /* what a stream accepts unread; default 212992, with the kernel's
                                  accounting; below 4608 plain bytes are counted; a pipe: at most
                                  this, whatever it asked for */
    uint32_t buffer_bytes_max; /* what a socket of packets may ask for; default 4194304, as Linux
                                  6.18; 212992 before */
    uint32_t descriptors_max;  /* a process; default 1024 */
    uint32_t clock_grain_ns;   /* what the clock counts by; default 1 */
    uint32_t yield_one_in;     /* RANDOM, STARVE_ONE: chance of a switch at each call; default 8 */
    int ring_errno;            /* not 0: nobody can make a ring, and this is why */
    bool descriptors_pass;     /* peers may send descriptors: short reads may say RECV_MORE */
    bool misuse_is_counted;    /* else a call on a closed descriptor ends the program, and so does
                                  what is done to an operation that the system owns */
    enum lti_sim_schedule schedule;
    struct lti_sim_faults faults;
};

/* Makes a new world. Null means all defaults. Whatever the old one had is gone. */
void lti_sim_begin(const struct lti_sim_options *options);
void lti_sim_end(void);

/* ---- Processes and fibers ------------------------------------------------------------------- */

enum lti_sim_result {
    LTI_SIM_DONE = 0, /* every fiber came to its end or was killed */
    LTI_SIM_LIMIT,    /* the steps were used up: a livelock, or a limit too small */
    LTI_SIM_DEADLOCK, /* somebody waits for what can never happen */
    LTI_SIM_STOPPED   /* lti_sim_stop was called */
};

/* Makes a process of uid 1000 with one fiber and says its number, which is never 0. */
uint32_t lti_sim_spawn(const char *name, void (*function)(void *argument), void *argument);
/* Adds a fiber, a thread, to the process. */
void lti_sim_thread(uint32_t process, const char *name, void (*function)(void *argument),
                    void *argument);
/* Runs all fibers, for at most so many system calls. */
enum lti_sim_result lti_sim_run(uint64_t steps_max);
/* From a fiber: lti_sim_run returns; the next lti_sim_run goes on. */
void lti_sim_stop(void);
/* From a fiber: lets the others run, as a system call might. */
void lti_sim_yield(void);
/* From a fiber: lets virtual time pass. */
void lti_sim_sleep(uint64_t time_ns);
/* As kill -9 does: closes the descriptors and takes back the memory of the process. It does not
 * return when the caller's own process is meant. */
void lti_sim_kill(uint32_t process);
/* The same, by the kernel, before the process's system call number `calls` from now. */
void lti_sim_kill_after(uint32_t process, uint64_t calls);
/* What Windows knows of a process beside its user. The user's SID is S-1-5-21-0-0-0-UID, that of
 * uid 0 S-1-5-18. */
struct lti_sim_token {
    uint32_t integrity; /* 8192 is medium */
    uint32_t level;     /* what it lets servers do: 0 nothing, 1 identify, 2 act as it */
    bool container;     /* it runs in an AppContainer */
    bool network;       /* it logged on over the network */
};
#define LTI_SIM_TOKEN_USUAL                                                                        \
    {                                                                                              \
        8192, 1, false, false                                                                      \
    }
void lti_sim_set_token(uint32_t process, const struct lti_sim_token *token);
void lti_sim_set_user(uint32_t process, uint32_t uid, uint32_t gid);
void lti_sim_set_session(uint32_t process, uint32_t session); /* Windows; 1 at first */
void lti_sim_set_pid(uint32_t process, int64_t pid); /* one that was another's, as happens */
int64_t lti_sim_pid(uint32_t process);
/* The groups beside gid; none at first. On Windows below 1000 that of the system, S-1-5-32-GROUP
 * (544: the administrators), else S-1-5-21-0-0-0-GROUP; gid means nothing there. */
#define LTI_SIM_GROUPS_MAX 8u
void lti_sim_set_groups(uint32_t process, const uint32_t *groups, uint32_t count);
/* The process believes that it is a forked child. */
void lti_sim_forked(uint32_t process);
uint32_t lti_sim_process(void); /* of the caller */

/* ---- Faults and environment ----------------------------------------------------------------- */

void lti_sim_set_faults(const struct lti_sim_faults *faults); /* null: none; open windows close */
void lti_sim_set_buffer(uint32_t buffer_bytes);               /* of sockets made from now on */
void lti_sim_setenv(const char *name, const char *value);     /* null: unset */
/* From now on a pipe's handle is one that was opened in this way. A synchronous one belongs to no
 * queue, and a second call on it while one waits is a misuse: it would wait as well. */
void lti_sim_pipe_opened(intptr_t handle, bool synchronous, bool can_read, bool can_write);
/* A write on the synchronous handle that there is no room for does nothing (PIPE_NOWAIT). */
void lti_sim_pipe_nowait(intptr_t handle);
void lti_sim_set_privileged(bool privileged);
/* What servers other than ours do before they use an instance again: all that was not read is lost,
 * at both ends, and whatever the client tries is 233. The library never does it, so it is no call
 * of the seam. */
int64_t lti_sim_pipe_disconnect(intptr_t server);
/* Files for tests; paths are absolute. A folder's parent must exist. */
bool lti_sim_file_add(const char *path, char type, uint32_t uid, uint32_t mode); /* f d l s */
bool lti_sim_file_give(const char *path, uint32_t uid, uint32_t gid); /* false: nothing is there */
/* Without it, descriptors of nodes and folders lead nowhere (a system without /proc). */
void lti_sim_set_proc(bool there);
/* Without them, only a path tells what is at it (a system without O_PATH). */
void lti_sim_set_nodes(bool there);
/* The folder that the system keeps for this user alone; null: none. The text must live on. */
void lti_sim_set_user_place(const char *folder);

/* Over this connected socket, the next send carries so many new descriptors along. False: none can
 * be sent (descriptors_pass is not set). */
bool lti_sim_attach(int fd, uint32_t count);

/* ---- Asking --------------------------------------------------------------------------------- */

struct lti_sim_count {
    uint64_t calls;
    uint32_t descriptors;
    int64_t allocations, bytes, bytes_high;
    uint64_t memory_faults; /* allocations that were refused */
    bool alive;
};

void lti_sim_count(uint32_t process, struct lti_sim_count *count_out);
uint64_t lti_sim_misuses(void); /* calls on descriptors that were not open, and the like */
uint32_t lti_sim_files(void);   /* files and folders made since begin */
uint64_t lti_sim_time_ns(void); /* the true virtual time */
/* The most looks at the clock in a row with no other call between: a busy loop has thousands. */
uint64_t lti_sim_busy(void);
uint64_t lti_sim_steps(void);
uint64_t lti_sim_hash(void);        /* of all calls and results so far */
uint64_t lti_sim_faults_done(void); /* how many faults were injected */
void lti_sim_trace(bool on);        /* writes each call to standard error */
bool lti_sim_readable(int fd);      /* a descriptor of the caller's process, as poll would say */

/* The two counters the test harness compares before and after a test. */
int64_t lti_test_allocations_live(void);
int64_t lti_test_descriptors_live(void);

#endif
