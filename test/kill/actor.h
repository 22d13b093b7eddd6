/* SPDX-License-Identifier: MIT
 *
 * A server and a client of the shipped library, who write what they are told into memory that
 * outlives them: for tests that kill them, stop them and refuse them what they ask of the system.
 *
 * Happy path: the client sends its messages, the server gives each back; both finish and close.
 *             The server serves clients until one says that it is the last.
 * Fails:      the first error, and the call that gave it, is in the log; the rest of what the peer
 *             sent is still read, and everything given back.
 * Invariants: an actor uses the public header only, and makes no call of the system that the
 *             library does not make, from its first mark to its end.
 */
#ifndef LTI_TEST_KILL_ACTOR_H
#define LTI_TEST_KILL_ACTOR_H

#include "leat/leat.h"

#include <stdatomic.h>
#include <stdbool.h>

#define KILL_CLIENTS_MAX 4u /* that a server serves before it gives up */

/* What one end of one connection came to. */
struct kill_talk {
    atomic_uint sent;            /* messages that were accepted for sending */
    atomic_uint taken;           /* of these, told to be with the system */
    atomic_uint received;        /* whole, right and in order */
    atomic_uint wrong;           /* otherwise */
    atomic_bool whole;           /* closed in order, when all was said */
    _Atomic(const char *) where; /* the first call that failed; null: none */
    atomic_int error;            /* what it said */
};

/* What one process came to. */
struct kill_end {
    struct kill_talk talks[KILL_CLIENTS_MAX]; /* a client has one */
    atomic_uint talks_count;
    _Atomic(const char *) where; /* of the hub and the listener */
    atomic_int error;
    atomic_int listener_error;            /* what a listener said of itself when nobody came */
    atomic_bool listening, closing, over; /* over: everything was given back */
    atomic_int descriptors;               /* left open that were not before */
};

struct kill_part {
    struct kill_end *end;
    const char *path;
    enum leat_protocol protocol;
    uint32_t patience_ms; /* of each call that waits */
    bool serves;
    bool take_over;                     /* a server: the path of one that lives */
    bool last;                          /* a client: the server need not wait for another */
    enum leat_absent absent;            /* a client */
    void (*mark)(const void *argument); /* called before the first call of the library */
    const void *argument;
};

/* Plays the part in this process. */
void kill_act(const struct kill_part *part);

/* What went wrong first in an end. Null and LEAT_OK: nothing. */
enum leat_error kill_end_error(const struct kill_end *end, const char **where_out);
uint32_t kill_messages(enum leat_protocol protocol); /* of a whole talk, each way */

#endif
