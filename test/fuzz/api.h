/* SPDX-License-Identifier: MIT
 *
 * What the files of the target `api` share: the hubs, ends, listeners and timers of one script, and
 * what must be true of each.
 */
#ifndef LTI_FUZZ_API_H
#define LTI_FUZZ_API_H

#include "conformance/kit.h"
#include "fuzz.h"

#define API_HUBS 2u
#define API_ENDS 16u
#define API_LISTENERS 3u
#define API_TIMERS 4u
#define API_BLOCK_BYTES 200000u
#define API_VIEWS 4u /* that one call shows */

struct api_end {
    bool used, dying; /* CLOSED was told: stale from the next leat_next */
    bool lost;        /* its listener went before it was let in: it is gone, or its end is told */
    bool dead;        /* ended by us, or told to be over: each call is STALE */
    bool connected, finished_told, hangup_told, view, asked, paused;
    bool foreign; /* a raw peer, or one of another protocol, is at the other end */
    uint32_t hub;
    leat_conn conn;
    enum leat_protocol protocol;
    uint64_t said, heard; /* bytes, or messages */
    struct leat_slice views[API_VIEWS];
    size_t view_count;
    uint8_t view_first[API_VIEWS], view_last[API_VIEWS];
};

struct api_listener {
    bool used;
    uint32_t hub;
    leat_listener listener;
};

struct api_timer {
    bool used;
    uint32_t hub;
    leat_timer timer;
};

struct api {
    struct fuzz_input input;
    bool faults, tight; /* the system fails now and then; the hubs may have little memory */
    bool mixed;         /* two ends of one connection may speak differently: nothing is compared */
    struct leat_hub *hubs[API_HUBS];
    struct api_end ends[API_ENDS];
    struct api_listener listeners[API_LISTENERS];
    struct api_timer timers[API_TIMERS];
    uint32_t wakes[API_HUBS], reports[API_HUBS];
    int raws[2]; /* -1: none */
};

extern struct api api;
extern uint8_t api_block[API_BLOCK_BYTES];

/* Sets of errors. */
#define API_BIT(error) (UINT64_C(1) << LEAT_E_##error)
#define API_OK UINT64_C(1)
/* Why a connection may have ended; more of them where peers are hostile. */
#define API_ENDED                                                                                  \
    (API_BIT(CLOSED) | API_BIT(BROKEN) | API_BIT(TIMEOUT) | API_BIT(FINISHED) |                    \
     API_BIT(PROTOCOL) | API_BIT(REFUSED) | API_BIT(NOT_FOUND) | API_BIT(BUSY) |                   \
     API_BIT(TOO_BIG) | API_BIT(UNSUPPORTED) | API_BIT(DENIED) | API_BIT(UNTRUSTED) |              \
     API_BIT(LIMIT) | API_BIT(MEMORY))
#define API_NAMES                                                                                  \
    (API_BIT(NAME) | API_BIT(NAME_TOO_LONG) | API_BIT(UNTRUSTED) | API_BIT(DENIED) |               \
     API_BIT(UNSUPPORTED) | API_BIT(NOT_FOUND) | API_BIT(IN_USE))
#define API_WAITS (API_BIT(TIMEOUT) | API_BIT(WOKEN))

/* Ends the program when the error is none of the set. Where the system fails, LIMIT and MEMORY are
 * in each set; only there, or in a hub of little memory. */
void api_allow(const char *call, enum leat_error error, uint64_t set);
/* The same for a call on an end: STALE just when it is dead. */
void api_allow_end(const char *call, const struct api_end *end, enum leat_error error,
                   uint64_t set);
/* A call that waits came back within its time, and a second. */
void api_waited(const char *call, uint64_t began_ns, uint32_t timeout_ms);

uint32_t api_hub_choose(void);
struct api_end *api_end_choose(void); /* used, perhaps dead; null: there is none */
struct api_end *api_end_new(uint32_t hub, leat_conn conn, enum leat_protocol protocol);
struct api_end *api_end_find(uint32_t hub, leat_conn conn);
void api_options_for(enum leat_protocol protocol, struct leat_conn_options *options_out);
const char *api_name(void);            /* one of three, or anything */
bool api_name_known(const char *name); /* one of the three */
/* The three names have a protocol each. */
enum leat_protocol api_protocol_of(const char *name);
void api_hub_begin(uint32_t hub);
void api_hub_end(uint32_t hub);

/* api_open.c */
void api_act_open(uint32_t act);
void api_event(uint32_t hub, const struct leat_event *event);
void api_next(uint32_t hub, uint32_t timeout_ms);
/* api_talk.c */
void api_act_talk(uint32_t act);
void api_read(struct api_end *end);
void api_ended(struct api_end *end); /* the handle is dead, and so is a view */

#define API_ACTS_OPEN 16u
#define API_ACTS_TALK 30u

#endif
