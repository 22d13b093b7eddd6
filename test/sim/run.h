/* SPDX-License-Identifier: MIT
 *
 * What the files of the simulation runner share: the plan that a seed draws, the processes and ends
 * that live by it, and the history they write.
 *
 * One run: a server and some clients, each a simulated process with one hub. CHAOS: they connect,
 * move data and end connections while faults happen. DRAIN: no more faults; every pair that is left
 * must bring everything accepted to its reader, and something fresh in each direction. SHUTDOWN:
 * all end, and nothing may be left. The library's users here know leat.h only; the hostile ones use
 * the system itself. LTI_NT: the system below is that of named pipes.
 */
#ifndef LTI_SIM_RUN_H
#define LTI_SIM_RUN_H

#include "history.h"
#include "leat/leat.h"
#include "os_sim/sim.h"
#ifdef LTI_NT
#include "os_nt.h"
#else
#include "os_posix.h"
#endif

#define RUN_CONNS_MAX 50u
#define RUN_PROCESSES_MAX 16u
#define RUN_STRANGERS_MAX 96u
#define RUN_CHUNK_MAX 65536u
#define RUN_HEADER_BYTES 8u
#define RUN_BUSY_MAX 1000u
#define RUN_CLIENTS_MAX 8u
#define RUN_HOSTILES_MAX 3u
#define RUN_EDITS_MAX 64u
#define RUN_WHY_MAX 256u
#define RUN_MS UINT64_C(1000000)

/* Names of the listeners, of bytes and of messages, each in two spellings. Only sockets have a
 * half-close of bytes. */
#ifdef LTI_NT
#define RUN_PLACE "leat\\S-1-5-21-0-0-0-1000\\"
#define RUN_NAMES                                                                                  \
    {                                                                                              \
        {"run-b", "run-m"},                                                                        \
        {                                                                                          \
            "\\\\?\\PIPE\\" RUN_PLACE "run-b", "\\\\.\\pipe\\" RUN_PLACE "RUN-M"                   \
        }                                                                                          \
    }
#define RUN_SOCKETS false
/* Streams that bytes just came on have a buffer each, which the hub does not count. */
#define RUN_PORT_BYTES(conns) ((int64_t)(conns)*69 * 1024 + 65536)
#else
#define RUN_FOLDER "/tmp/run"
#define RUN_NAMES                                                                                  \
    {                                                                                              \
        {"unix:" RUN_FOLDER "/b", RUN_FOLDER "/m"},                                                \
        {                                                                                          \
            RUN_FOLDER "/b", "unix:" RUN_FOLDER "/m"                                               \
        }                                                                                          \
    }
#define RUN_SOCKETS true
/* What is read ahead, and the port's records of what is open. */
#define RUN_PORT_BYTES(conns) (INT64_C(132) * 1024 + 65536)
#endif

#define RUN_TAG_STRANGER UINT64_C(1000)
#define RUN_TAG_LISTENER UINT64_C(5000)
#define RUN_TAG_REPORT UINT64_C(10000)

enum run_phase { RUN_CHAOS, RUN_DRAIN, RUN_SHUTDOWN };
enum run_ending { RUN_STAY, RUN_FINISH, RUN_CLOSE, RUN_CLOSE_WAIT, RUN_ABORT, RUN_ENDINGS };

struct run_random {
    uint64_t state;
};
uint64_t run_next(struct run_random *random);
uint32_t run_below(struct run_random *random, uint32_t bound);
bool run_chance(struct run_random *random, uint32_t one_in);

struct run_plan {
    struct lti_sim_options sim;
    struct leat_conn_options bytes, messages;
    uint32_t clients, conns, hostiles, turns;
    uint32_t bytes_one_in; /* how many of the connections carry bytes; 0: none */
    uint32_t chunk_max;    /* largest write or message */
    uint32_t backlog, conns_max, handshakes_max;
    uint32_t server_dies, client_dies; /* before that call; 0: never */
    size_t memory_bytes_max;
    bool single_thread, helpers;
    uint32_t spin_us;
};

/* One end of one connection. */
struct run_end {
    struct run_process *process; /* null: not born */
    leat_conn conn;
    uint32_t index, side;        /* side 0 dialled, side 1 accepted */
    uint64_t accepted, received; /* bytes, or messages */
    uint64_t quota, drain_mark;
    uint64_t read_pause_until_ns;
    uint32_t header_done; /* bytes of it written, or read */
    uint32_t message_size;
    uint64_t tried; /* messages below this number were offered, and have their sizes */
    enum run_ending ending;
    uint8_t header[RUN_HEADER_BYTES];
    bool messages, trying, paused, owed, connected;
    bool write_over, finish, finished, over, closed, reports;
};

struct run_process {
    const char *name;
    uint32_t number, turns;
    bool server, over, noted;
    struct leat_hub *hub;
    leat_listener listeners[2]; /* bytes, messages */
    struct run_random random, helper_random;
    uint32_t timers, woken, helpers;
    uint8_t buffer[RUN_CHUNK_MAX];
    struct run_end strangers[RUN_STRANGERS_MAX]; /* accepted, and not known yet */
};

struct run {
    struct run_plan plan;
    struct lti_history *history;
    struct run_process processes[RUN_PROCESSES_MAX];
    struct run_end ends[RUN_CONNS_MAX][2];
    enum run_phase phase;
    uint64_t seed, drain_ns;
    uint32_t process_count, dialled, chaos_over, server;
    bool failed;
    bool planted; /* a defect in the records of the run, for the shrinker's own test */
    char why[RUN_WHY_MAX];
};

extern struct run run_state;

/* What all seeds did together: a simulation in which nothing happens proves nothing. */
struct run_sum {
    uint64_t conns, bytes, messages, lost, steps, faults;
};
extern struct run_sum run_sum;

/* run_plan.c */
void run_plan_draw(uint64_t seed, struct run_plan *plan_out);
void run_plan_print(const struct run_plan *plan);

/* run_fields.c: settings by name */
struct run_edit {
    uint32_t field;
    uint64_t value;
};
struct run_edits {
    struct run_edit list[RUN_EDITS_MAX];
    uint32_t count;
};
bool run_edit_read(const char *text, struct run_edit *edit_out); /* NAME=VALUE */
void run_edits_apply(const struct run_edits *edits, struct run_plan *plan);
uint32_t run_field_count(void);
const char *run_field_name(uint32_t index);
uint64_t run_field_least(uint32_t index); /* what makes a run simplest */
uint64_t run_field_get(const struct run_plan *plan, uint32_t index);
void run_field_set(struct run_plan *plan, uint32_t index, uint64_t value);

/* run_shrink.c: prints the smallest plan that fails as this one does; false: it does not fail. */
bool run_shrink(uint64_t seed, const struct run_edits *edits, const char *program);

/* run_main.c: the first failure counts; does not come back inside a fiber. */
void run_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t run_key(uint32_t index); /* what a header carries */
bool run_seed(uint64_t seed, const struct run_plan *plan);
void run_quiet(void); /* no word of a crash, and no trace */

/* run_end.c: what users do with an end; each may find that it is over. */
void run_end_write(struct run_end *end);
void run_end_read(struct run_end *end);
void run_end_poke(struct run_end *end); /* anything, chosen at random */
void run_end_finish(struct run_end *end);
void run_end_close(struct run_end *end, enum run_ending ending);
void run_end_info(struct run_end *end);
bool run_end_usable(const struct run_end *end);
bool run_end_wants(const struct run_end *end); /* to send, in this phase */
void run_log(const struct run_end *end, enum lti_history_kind kind, uint64_t a, uint64_t b);
/* A call with a deadline came back: R11. */
void run_waited(const struct run_end *end, uint64_t began_ns, uint32_t timeout_ms, bool timed_out);

/* run_process.c */
void run_client(void *argument);
void run_server(void *argument);
bool run_event(struct run_process *process, const struct leat_event *event);
void run_note_kills(void);
void run_wake(const struct run_process *process);

/* run_helper.c: a second thread */
void run_helper(void *argument);

/* run_known.c: the accepted side learns which connection it has. */
void run_stranger_read(struct run_end *end);

/* run_hostile.c, and what of it belongs to the system */
#define RUN_HOSTILE_CLOSED INT64_C(-1)
void run_hostile(void *argument);
int64_t run_hostile_connect(bool messages);
void run_hostile_send(intptr_t handle, const void *data, size_t size);
void run_hostile_receive(intptr_t handle);
void run_hostile_finish(intptr_t handle);
void run_hostile_close(intptr_t handle);

/* run_names_*.c: what is below the listeners. */
void run_names_begin(void);
void run_names_judge(void); /* nothing may be left of them */

#endif
