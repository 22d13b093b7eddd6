/* SPDX-License-Identifier: MIT
 *
 * The kit of the kill tests: processes that play the parts of actor.h, one of them followed from
 * system call to system call and struck at one of them.
 *
 * Read from the top: processes, following, rounds, cases, names of calls.
 */
#ifndef LTI_TEST_KILL_H
#define LTI_TEST_KILL_H

#include "actor.h"
#include "harness.h"

#include <sys/types.h>

#define KILL_PATIENCE_MS 20000u /* of an actor's calls: nobody may need it */
#define KILL_SOON_MS 4000u      /* within which a survivor is to be done */

/* ---- Processes ------------------------------------------------------------------------------- */

/* Who is who; each has an end of its own in memory that all share. */
enum kill_who { KILL_SERVER, KILL_CLIENT, KILL_NEXT_SERVER, KILL_NEXT_CLIENT, KILL_WHO_COUNT };

struct kill_world {
    struct kill_end ends[KILL_WHO_COUNT];
};

struct kill_world *kill_world_begin(void); /* of this test */
/* Gives it back. The test's folder is empty, or that fails the test. */
void kill_world_end(struct kill_world *world);
const char *kill_path(void); /* where the servers of a test listen */
bool kill_folder_is_empty(void);

pid_t kill_start(const struct kill_part *part, bool followed);
/* Waits for the end of a process that was started; false when it does not come in time, and then
 * it is killed. */
bool kill_wait(pid_t pid, uint64_t limit_ms, int *status_out);
/* Until the server listens, or will never. */
void kill_wait_listening(const struct kill_end *server, pid_t pid);
uint64_t kill_cpu_ms(void); /* of the process that kill_wait has waited for last */

/* ---- Following ------------------------------------------------------------------------------- */

enum kill_blow {
    KILL_BLOW_NONE,
    KILL_BLOW_KILL, /* dies before the call is made */
    KILL_BLOW_STOP  /* is stopped within it, or behind it if it does not wait */
};

#define KILL_CALLS_MAX 2048u

struct kill_trace {
    pid_t pid;
    const struct kill_end *end; /* of who is followed */
    enum kill_blow blow;
    uint32_t at;                  /* at which call, from 1 on */
    void (*each)(void *argument); /* called at each call of the followed one */
    void *argument;
    uint32_t count;              /* of calls until the blow, or the end */
    int numbers[KILL_CALLS_MAX]; /* the calls */
    bool struck;
    int status; /* of the process, unless it was only stopped */
};

/* Follows a process to the blow, or to its end. */
void kill_follow(struct kill_trace *trace);

/* ---- Rounds ---------------------------------------------------------------------------------- */

struct kill_round {
    struct kill_world *world;
    enum leat_protocol protocol;
    enum kill_who victim; /* the server or the client */
    struct kill_trace trace;
};

/* A server and a client; one of them is struck. The client tries once, as soon as the server
 * listens or is gone. Whoever is left over has a new peer then. */
void kill_round(struct kill_round *round);
/* Gives the result of a check back; when it did not hold, says in which round. */
bool kill_held(bool held);
bool kill_is_hopeless(void); /* so much did not hold that more would not help */
/* Fails the test unless all that must hold does. */
void kill_round_judge(struct kill_round *round);
/* A server and a client, both unharmed, at the same name: all must be well. */
void kill_next_pair(struct kill_world *world, enum leat_protocol protocol);
/* Fails the test unless this end came to its end by itself and left nothing. */
bool kill_end_tidy(const struct kill_end *end, int status);
/* One talk that nothing went wrong with. */
bool kill_talk_whole(const struct kill_talk *talk, enum leat_protocol protocol);

/* ---- Cases ----------------------------------------------------------------------------------- */

#define KILL_OUTCOME_BYTES 128

struct kill_case {
    struct kill_world *world;
    enum leat_protocol protocol;
    enum kill_who who;                  /* who is harmed: the server or the client */
    void (*harm)(const void *argument); /* called there before the first call of the library */
    const void *argument;
    bool may_not_close; /* the harm is that descriptors cannot be closed */
    uint64_t cpu_ms;    /* of who was harmed */
    int status;         /* the same */
    bool ended;         /* all of them */
};

void kill_case_play(struct kill_case *it);
/* "works", or what failed first and how: of who was harmed, else of whom it talked with. */
void kill_case_outcome(const struct kill_case *it, char text[KILL_OUTCOME_BYTES]);
/* Fails the test, and is false, unless nobody crashed, hung, spun, read what was not sent, or left
 * a descriptor. */
bool kill_case_sound(const struct kill_case *it);

/* ---- Names of calls -------------------------------------------------------------------------- */

const char *kill_call_name(int number); /* "call 999" for one that the table does not have */
int kill_call_number(const char *name); /* -1: this system has no such call */
const char *kill_protocol_name(enum leat_protocol protocol);

#endif
