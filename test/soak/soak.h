/* SPDX-License-Identifier: MIT
 *
 * A day's load in minutes: a server, a client, a pinger and a victim, each a process of its own, on
 * real sockets; the test's own process directs them, judges what they tell, and looks at what they
 * use.
 *
 * A storm is a hundred connections that are dialled at once. A day has 8640 of them, six a minute;
 * in each minute the victim is killed and another one takes its place. Every connection has a tale
 * of its own in a place of shared memory: when both ends are over, the history checker judges it
 * and the place is used again. So memory is bounded, and nothing is left out.
 *
 * Read from the top: sizes, places, what is shared, parties, processes, figures.
 */
#ifndef LTI_SOAK_H
#define LTI_SOAK_H

#include "harness.h"
#include "history.h"
#include "prng.h"
#include "stress/stress.h"

#include <stdatomic.h>

/* ---- Sizes ----------------------------------------------------------------------------------- */

#define SOAK_STORM 100u         /* connections */
#define SOAK_DAY_STORMS 8640u   /* in a day */
#define SOAK_STORMS_PER_KILL 6u /* that is, in a minute of the day */
#define SOAK_DAY_SECONDS 600u   /* that the day lasts here */
#define SOAK_DAY_MESSAGES UINT64_C(86400000)
#define SOAK_SIDE_MESSAGES 70u /* of a connection, each way; every fourth one has bytes instead */
#define SOAK_SIDE_BYTES 8192u
#define SOAK_LINES 4096u        /* of one connection's tale, at most */
#define SOAK_PLACES_CLIENT 256u /* connections under way and not yet judged */
#define SOAK_PLACES_VICTIM 16u
#define SOAK_PLACES (SOAK_PLACES_CLIENT + SOAK_PLACES_VICTIM)
#define SOAK_PEERS 256u
#define SOAK_PINGS_MAX 4096u /* in one second */
#define SOAK_SAMPLES_MAX 36000u
#define SOAK_SOON_MS 60000u

enum soak_process { SOAK_SERVER = 0, SOAK_CLIENT, SOAK_PINGER, SOAK_VICTIM, SOAK_PROCESSES };
enum soak_pinged { SOAK_LEAT = 0, SOAK_PLAIN, SOAK_PINGED };
#define SOAK_WATCHED 3u /* those that live as long as the day; the victim does not */

/* ---- Places ---------------------------------------------------------------------------------- */

/* The life of one end, in a word with the number of the connection that the place is used for, so
 * that who comes late cannot take the wrong one. */
enum soak_phase { SOAK_NONE = 0, SOAK_LIVE, SOAK_OVER };

/* How a connection ends. */
enum soak_way { SOAK_DIALLER, SOAK_ACCEPTOR, SOAK_FINISH, SOAK_ABORT, SOAK_WAYS, SOAK_PING };

/* The first message or bytes of a connection; its tale begins after it. */
struct soak_hello {
    uint32_t place, number; /* of the connection, from 1 */
    uint32_t way, to_send;  /* each way */
};

struct soak_line {
    uint64_t a, b, c;
    uint8_t end, kind;
    atomic_uchar told;
};

/* kit_end.c of the stress tests tells its tales here. */
struct stress_tale {
    atomic_uint number;    /* 0: the place is free */
    atomic_uint phases[2]; /* number * 4 + phase, of the dialled and of the accepted end */
    uint32_t way, to_send;
    bool messages, victim; /* one of the two ends may be killed */
    uint32_t teller[2];
    struct lti_history *content; /* the same for all; who forks has it too */
    atomic_uint count;
    struct soak_line lines[SOAK_LINES];
};

struct soak;

/* The first free one of a range; null: none is now. */
struct stress_tale *soak_place_take(struct soak *soak, enum soak_process process);
/* The accepted end begins; false when the connection is a former one. */
bool soak_place_accept(struct soak *soak, const struct soak_hello *hello, uint32_t teller);
void soak_place_over(struct stress_tale *place, uint32_t end);
/* Who dialled it is done with it; if nobody accepted it, nobody will. */
void soak_place_void(struct stress_tale *place);
/* The victim stands still and is about to be killed: so it ends. */
void soak_places_kill(struct soak *soak);
/* Judges those whose two ends are over, and frees them; how many are in use. */
uint32_t soak_places_judge(struct soak *soak);

/* ---- What is shared -------------------------------------------------------------------------- */

/* What a process says of itself. */
struct soak_own {
    atomic_uint told; /* the number of the question that is answered */
    uint64_t hub_bytes, allocations, descriptors, slots_used, slots_live;
    uint64_t order, waits, accepted, generation; /* counters, as they are */
    uint32_t conns;
};

/* What the system says of it. */
struct soak_use {
    uint64_t resident_bytes, descriptors, threads, mappings;
};

struct soak_totals {
    uint64_t connections, messages, bytes, lines, lost, killed_ends, violations, pings;
    char first[200]; /* violation */
};

struct soak_latency {
    uint32_t p50_us, p99_us, p999_us, count;
};

struct soak_sample {
    uint64_t time_ms, storms, messages, kills, places;
    struct soak_use use[SOAK_WATCHED];
    uint64_t hub_bytes[SOAK_WATCHED], allocations[SOAK_WATCHED];
    struct soak_latency latency[SOAK_PINGED];
};

struct soak {
    uint32_t seconds;
    uint64_t storms, storm_us; /* how many, and one each so many microseconds */
    uint64_t storm_tenth;      /* after so many all stands still once */
    uint32_t generations;      /* that a slot has at the beginning */
    atomic_uint ask, go, over; /* questions; the client goes on; all end */
    atomic_uint trim;          /* who is asked gives back first what it keeps for the next one */
    atomic_uint number;        /* of the next connection */
    atomic_uint storms_done, settled;
    atomic_uint victim_live, victim_stop, victim_events, victim_conns;
    struct soak_own own[SOAK_PROCESSES];
    atomic_uint latency_turn; /* which of the two is the latest, + 2 for each second */
    struct soak_latency latency[2][SOAK_PINGED];
    int plain[2]; /* a pair of sockets without leat: the pinger's end, and that of who answers */
    atomic_ullong pings;
    uint64_t pings_counted; /* by the library, which began just below 2^32 */
    struct soak_totals totals;
    uint32_t sample_count;
    struct soak_sample samples[SOAK_SAMPLES_MAX];
    struct soak_use before[SOAK_WATCHED], after[SOAK_WATCHED];
    struct soak_own own_before[SOAK_WATCHED], own_after[SOAK_WATCHED];
    uint64_t kills, began_ms, ended_ms, memory_bytes;
    uint64_t forced; /* kills of a victim that had not said much yet */
    struct stress_tale places[SOAK_PLACES];
};

struct soak *soak_begin(uint32_t seconds);
void soak_end(struct soak *soak);

/* ---- Parties --------------------------------------------------------------------------------- */

struct soak_peer {
    struct stress_end end;
    struct stress_tale *place; /* null: nobody told yet which, or a ping */
    uint32_t way;
    bool used, greeted, reporting, finish_said;
};

/* One process's part: its hub and its connections. An event's tag is the peer's index + 1. */
struct soak_party {
    struct soak *soak;
    struct leat_hub *hub;
    enum soak_process process;
    struct soak_peer peers[SOAK_PEERS];
    uint32_t live;
    uint64_t done;
    leat_listener listeners[2];
    uint32_t listener_count;
    uint32_t turns;
};

void soak_party_begin(struct soak_party *party, struct soak *soak, enum soak_process process);
void soak_party_end(struct soak_party *party);
leat_listener soak_party_listen(struct soak_party *party, const char *name, bool messages);
/* Dials; `victim`: the victim listens there. False when no place is free. */
bool soak_party_dial(struct soak_party *party, const char *name, uint32_t number_in_storm,
                     bool victim);
/* Aborts all that have a tale, or only those with the victim. */
void soak_party_abort(struct soak_party *party, bool victims_only);
/* How many of those that it dialled live, of those with the victim or of the others. */
uint32_t soak_party_dialled(const struct soak_party *party, bool victims);
void soak_party_tell(struct soak_party *party); /* answers a question */
/* One event, or none within timeout_ms; answers questions. True when there was one. */
bool soak_party_turn(struct soak_party *party, uint32_t timeout_ms, struct leat_event *event_out);

/* ---- Processes ------------------------------------------------------------------------------- */

void soak_server_run(void *argument); /* each takes the struct soak */
void soak_client_run(void *argument);
void soak_pinger_run(void *argument);
void soak_victim_run(void *argument);
void soak_plain_run(void *argument); /* answers over soak->plain[1] */

/* ---- Figures --------------------------------------------------------------------------------- */

struct soak_use soak_use_of(int64_t process);
/* Writes all of it as JSON, judging the limits; false when one is not kept. */
bool soak_report(struct soak *soak, const char *path);

#endif
