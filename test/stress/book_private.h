/* SPDX-License-Identifier: MIT
 *
 * What book.c and book_judge.c share.
 */
#ifndef LTI_STRESS_BOOK_PRIVATE_H
#define LTI_STRESS_BOOK_PRIVATE_H

#include "book.h"

#include <stdatomic.h>

struct flow {
    uint64_t bytes, messages;
    atomic_bool busy;    /* a thread is at it; the rest of this struct is that thread's */
    bool dead, finished; /* what was so before its call: nothing more may move */
};

struct stress_shared {
    struct stress_book *book;
    struct leat_hub *hub; /* null: alone */
    leat_conn conn;
    uint32_t number;  /* in the book; in the tale, of the stream that it sends */
    atomic_uint peer; /* number + 1; 0: not known yet */
    struct flow out, in;
    uint8_t head[STRESS_HEAD_BYTES]; /* of what comes, until it says whose it is */
    uint32_t head_size;
    atomic_bool made, drops;
    atomic_bool finish, finished;             /* by us; by the peer, as we were told */
    atomic_uint over;                         /* how the user ended it; 0: not */
    atomic_bool reported, closed;             /* told, and what was told is here: */
    enum leat_error report_error, error;      /* of the report; of CLOSED */
    uint64_t report_undelivered, undelivered; /* likewise */
};

struct stress_book {
    struct stress_tale *tale;
    atomic_uint count;
    size_t ends_max, places; /* places: a power of two, for finding them by hub and id */
    size_t ends_bytes, table_bytes;
    struct stress_shared *ends;
    atomic_uint *table; /* numbers + 1 */
    uint64_t key;
};

/* Null as long as it is not known. */
struct stress_shared *stress_shared_peer(const struct stress_shared *end);

#endif
