/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share. Each story is small by itself; what makes it prove something is the
 * tale: every thread and process of a story tells it what it asks of a connection and what it is
 * told, and at the end the history checker judges all of it together.
 *
 * A story has two sizes: the brief one of every test run, and the full one, when the environment
 * has LEAT_STRESS=full. What is random comes from one seed, which is printed when a test fails, and
 * which LEAT_STRESS_SEED sets.
 *
 * Read from the top: sizes, names, the tale, ends, threads, what is open.
 */
#ifndef LTI_STRESS_H
#define LTI_STRESS_H

#include "harness.h"
#include "history.h"
#include "prng.h"

#include "leat/leat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef LTI_NT
#define STRESS_PIPES true
#else
#define STRESS_PIPES false
#endif

/* Generous: what is to happen happens long before. */
#define STRESS_SOON_MS 20000u
#define STRESS_KIB ((size_t)1024)
#define STRESS_MIB (STRESS_KIB * 1024)

/* ---- Sizes ----------------------------------------------------------------------------------- */

bool stress_full(void);
uint64_t stress_count(uint64_t brief, uint64_t full);
struct prng stress_random(void); /* says its seed */

/* ---- Names ----------------------------------------------------------------------------------- */

/* Plain names of the test's own, from here to stress_end, which sees that none is left. */
void stress_begin(void);
void stress_end(void);
const char *stress_name(const char *word); /* valid until the next call */
struct leat_hub *stress_hub(void);

/* ---- The tale -------------------------------------------------------------------------------- */

/* It lies in memory that forked children share. A teller is one process or thread: when it is
 * killed, all its ends that were not over are. */
#define STRESS_TELLERS 256u
struct stress_tale;
struct stress_tale *stress_tale_begin(uint64_t key, size_t lines_max);
void stress_tell(struct stress_tale *tale, uint32_t teller, uint32_t conn, uint32_t end,
                 enum lti_history_kind kind, uint64_t a, uint64_t b, uint64_t c);
/* The teller does nothing any more, and will never again. */
void stress_tell_killed(struct stress_tale *tale, uint32_t teller);
size_t stress_tale_lines(const struct stress_tale *tale); /* how many were told */
const struct lti_history *stress_tale_content(const struct stress_tale *tale);
/* The history checker judges, every end being over; a violation fails the test. What is told is
 * then forgotten. */
struct lti_history_result stress_tale_judge(struct stress_tale *tale);
void stress_tale_end(struct stress_tale *tale);

/* ---- Ends ------------------------------------------------------------------------------------ */

/* One end of a connection that sends and receives as fast as it may, and tells of all of it. */
struct stress_end {
    struct stress_tale *tale;
    struct leat_hub *hub;
    leat_conn conn;
    uint32_t teller, number, end; /* the conn's number in the tale; 0 dialled, 1 accepted */
    bool messages;
    size_t piece_max;    /* bytes of a write, or of the largest message */
    uint64_t to_send;    /* bytes or messages */
    uint64_t sent;       /* of these */
    uint64_t received;   /* the peer's */
    struct prng random;  /* sizes of messages */
    size_t piece;        /* of the message that waits for room, + 1 */
    bool finished, over; /* the peer said so; CLOSED came, or we ended it */
};

/* Sends until all is sent, there is no more room, or the connection is over. */
void stress_pour(struct stress_end *end);
/* Takes all that is there, or what `most` reads bring. */
void stress_drink(struct stress_end *end, uint32_t most);
/* Does what an event of this connection asks for. */
void stress_event(struct stress_end *end, const struct leat_event *event);
/* Ends it, telling so: with a linger time, or at once. */
void stress_close(struct stress_end *end, uint32_t linger_ms);
void stress_abort(struct stress_end *end);
/* leat_close_wait; what is left unsent then is told. */
void stress_close_wait(struct stress_end *end, uint32_t linger_ms);
/* leat_close_report with this tag; the report is told when it comes. */
void stress_close_report(struct stress_end *end, uint32_t linger_ms, uint64_t tag);
void stress_reported(const struct stress_end *end, enum leat_error error, uint64_t undelivered);

/* ---- Threads --------------------------------------------------------------------------------- */

struct stress_thread;
struct stress_thread *stress_thread_start(void (*run)(void *argument), void *argument);
void stress_thread_join(struct stress_thread *thread);
void stress_handle_close(intptr_t handle); /* the system's */

/* ---- What is open ---------------------------------------------------------------------------- */

struct stress_use {
    int64_t handles;       /* descriptors or handles of this process, as the system counts them */
    int64_t descriptors;   /* those of the library */
    int64_t allocations;   /* of the library */
    uint64_t hub_bytes;    /* of the hub's memory */
    uint64_t memory_bytes; /* of this process that are in memory; 0: nobody says */
};
struct stress_use stress_use(struct leat_hub *hub);
/* Nothing has grown, save memory by what an allocator may keep. */
void stress_use_same(const struct stress_use *before, const struct stress_use *after);

/* ---- The system's part of the kit ------------------------------------------------------------ */

void *stress_memory(size_t bytes); /* zeroed, and shared with forked children */
void stress_memory_end(void *memory, size_t bytes);
void stress_system_begin(void);
void stress_system_end(void);
const char *stress_system_name(const char *word);
int64_t stress_system_handles(void);
uint64_t stress_system_memory(void);

#endif
