/* SPDX-License-Identifier: MIT
 *
 * leat over a simulated machine, to test a protocol of your own: many processes in one, virtual
 * time, faults, and one seed that decides all. EXPERIMENTAL: names and meanings may change with any
 * version. POSIX systems only, with sockets.
 *
 * A test is linked with libleat_sim.a in the place of libleat.a: all of leat.h is in it, above a
 * kernel that exists in this program only. Your code is the code that ships, except that it must
 * wait and tell the time through leat and this header only. examples/simulated_posix.c is a whole
 * test; docs/simulation.md says what the kernel does.
 *
 * What holds everywhere:
 *   - A run is a function of its options, its seed among them, on every machine.
 *   - A process here is a function with a stack of its own (200 KiB are yours). It gives up the
 *     processor inside calls of leat and of this header only; so processes may share variables, and
 *     a loop without such a call never ends.
 *   - Handles and hubs of one process mean nothing in another.
 *   - What can only be a mistake of the test (too many processes, a sleep outside of any) ends the
 *     program with a word on standard error: nothing here returns an error.
 */
#ifndef LEAT_SIM_H
#define LEAT_SIM_H

#include "leat/leat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Processes and threads that may be made between begin and end. */
#define LEAT_SIM_PROCESSES_MAX 31
#define LEAT_SIM_THREADS_MAX 32

/* Who runs next, which is decided at each system call. */
enum leat_sim_schedule {
    LEAT_SIM_RANDOM = 0,  /* now and then, anybody */
    LEAT_SIM_ROUND_ROBIN, /* the next one, at every call */
    LEAT_SIM_STARVE_ONE   /* as RANDOM, but one thread runs only when no other can, or seldom */
};

/* Chances in millionths, at each system call of that kind: 1000 is 0.1 %. A fault changes when
 * something is seen, never whether. What leat does not hide is told as leat.h says. */
struct leat_sim_faults {
    size_t size;                      /* of each struct here: its sizeof */
    uint32_t short_read, short_write; /* less is moved than could be; hidden */
    uint32_t interrupt;               /* a signal interrupts a call; hidden */
    uint32_t again;                   /* "not now", though there is something; hidden */
    uint32_t wrong_event;             /* an event that is not so, comes twice or late; hidden */
    uint32_t delay;                   /* what is sent arrives later, in pieces; hidden */
    uint32_t memory;                  /* no memory: MEMORY */
    uint32_t descriptors;             /* no descriptor for some milliseconds: LIMIT */
    uint32_t clock;                   /* the clock stands still for some milliseconds; hidden */
};

struct leat_sim_options {
    size_t size;
    uint64_t seed;                   /* default 1 */
    uint32_t buffer_bytes;           /* what a socket holds for its reader; default as Linux */
    uint32_t switch_one_in;          /* chance of a switch at a call, one in so many; default 8 */
    enum leat_sim_schedule schedule; /* default RANDOM */
    const struct leat_sim_faults *faults; /* null: none */
};

/* Why leat_sim_run came back. */
enum leat_sim_result {
    LEAT_SIM_DONE = 0, /* every process came to its end or was killed */
    LEAT_SIM_LIMIT,    /* the system calls were used up: a livelock, or a limit too small */
    LEAT_SIM_DEADLOCK, /* somebody waits for what can never happen */
    LEAT_SIM_STOPPED   /* leat_sim_stop was called */
};

/* What a process has, also after its end. */
struct leat_sim_process_info {
    size_t size;
    uint64_t calls;       /* system calls it made */
    uint32_t descriptors; /* open now; what is open at its end is what it leaked */
    int64_t allocations;  /* of leat, live now */
    bool alive;
};

/* leat_sim_begin makes a machine. What an earlier one had is gone.
 *
 * Null means all defaults. There are the folders / and /tmp, no environment variable and one user.
 *
 * Waits:   never.
 * Thread:  one for all of this header.
 * Owns:    the machine lasts until leat_sim_end, or another begin.
 * Fails:   ends the program: inside a process; options of another version.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_begin(const struct leat_sim_options *options);

/* leat_sim_end takes the machine down, with all that its processes left open.
 *
 * Waits:   never.
 * Thread:  that of leat_sim_begin.
 * Owns:    frees the machine; ask before it for what is of interest.
 * Fails:   ends the program: inside a process.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_end(void);

/* leat_sim_spawn makes a process that calls the function, and says its number, which is never 0.
 *
 * It ends when the function and those of its threads have returned; what it has open is closed
 * then. The name appears in the trace.
 *
 * Waits:   never: it runs inside leat_sim_run.
 * Thread:  before leat_sim_run, or inside any process.
 * Owns:    name and argument must last as long as the process.
 * Fails:   ends the program: more than LEAT_SIM_PROCESSES_MAX.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API uint32_t leat_sim_spawn(const char *name, void (*function)(void *argument),
                                 void *argument);

/* leat_sim_thread adds a thread to a process.
 *
 * Waits:   never.
 * Thread:  as leat_sim_spawn.
 * Owns:    as leat_sim_spawn.
 * Fails:   ends the program: more than LEAT_SIM_THREADS_MAX, the processes' own included.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_thread(uint32_t process, const char *name, void (*function)(void *argument),
                              void *argument);

/* leat_sim_run runs all processes, for at most so many system calls of all of them.
 *
 * When none can run, time jumps to what comes next. It may be called again after LIMIT and STOPPED.
 *
 * Waits:   for no real time.
 * Thread:  that of leat_sim_begin, outside of any process.
 * Owns:    nothing.
 * Fails:   says why it came back; ends the program: inside a process.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API LEAT_CHECKED enum leat_sim_result leat_sim_run(uint64_t calls_max);

/* leat_sim_stop makes leat_sim_run return: a test that has seen enough.
 *
 * Waits:   inside a process, until leat_sim_run is called again.
 * Thread:  inside any process.
 * Owns:    nothing.
 * Fails:   never.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_stop(void);

/* leat_sim_sleep lets virtual time pass for the calling thread.
 *
 * Waits:   that long, of virtual time.
 * Thread:  inside any process.
 * Owns:    nothing.
 * Fails:   ends the program: outside of a process.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_sleep(uint64_t time_ms);

/* leat_sim_now is the machine's true time in nanoseconds since it began, whatever its clock shows.
 *
 * Waits:   never.
 * Thread:  any of the test.
 * Owns:    nothing.
 * Fails:   never.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API uint64_t leat_sim_now(void);

/* leat_sim_kill ends a process as kill -9 does. Of its own process it does not return.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    what the process had is closed and freed by the kernel.
 * Fails:   ends the program: a number that is no process's.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_kill(uint32_t process);

/* leat_sim_kill_after ends a process before its system call of that number from now: try them all.
 *
 * Waits:   never.
 * Thread:  as leat_sim_kill.
 * Owns:    as leat_sim_kill.
 * Fails:   ends the program: a number that is no process's.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_kill_after(uint32_t process, uint64_t calls);

/* leat_sim_set_faults changes the chances of faults from now on. Null: no more faults.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    nothing: it copies.
 * Fails:   ends the program: faults of another version.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_set_faults(const struct leat_sim_faults *faults);

/* leat_sim_process_info_get says what a process has.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    nothing.
 * Fails:   ends the program: a number that is no process's, info of another version.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_process_info_get(uint32_t process, struct leat_sim_process_info *info);

/* leat_sim_trace writes each system call to standard error from now on, or no longer.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    nothing.
 * Fails:   never.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API void leat_sim_trace(bool on);

/* leat_sim_calls counts the machine's system calls so far.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    nothing.
 * Fails:   never.
 * Systems: POSIX.
 * Since:   0.1, experimental
 */
LEAT_API uint64_t leat_sim_calls(void);

/* leat_sim_hash is a number made of all system calls and results so far: the same for the same run.
 *
 * Waits:   never.
 * Thread:  inside or outside of a process.
 * Owns:    nothing.
 * Fails:   never.
 * Systems: POSIX; the same on all of them.
 * Since:   0.1, experimental
 */
LEAT_API uint64_t leat_sim_hash(void);

#ifdef __cplusplus
}
#endif

#endif
