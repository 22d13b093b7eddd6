/* SPDX-License-Identifier: MIT
 *
 * What the stories of the fault sweep are told with: steps that note their result in a transcript.
 *
 * A story is one thing that a user does, in one process and thread, through the public API only.
 * Its transcript must be the same whenever no fault, or a transparent one, happens; so it holds
 * results, whole pieces of data and events, but neither times nor the number of READABLE events.
 * Each endpoint writes to a lane of its own, since the order between endpoints is nobody's promise.
 */
#ifndef LTI_TEST_STORY_H
#define LTI_TEST_STORY_H

#include "leat/leat.h"

#define LTI_STORY_LANES 8
#define LTI_STORY_LANE_BYTES 1024
#define LTI_STORY_HANDLES 32
#define LTI_STORY_ERRORS 64
#define LTI_STORY_MS 300u /* the time limit of a step; virtual time, so it costs nothing */

/* A handle that the story was given, so that what comes after its end is noticed. */
struct lti_story_handle {
    uint64_t id;
    int lane;
    enum { LTI_STORY_CONN, LTI_STORY_LISTENER, LTI_STORY_TIMER } kind;
    bool over;           /* the user ended it, or CLOSED came */
    uint64_t bytes, sum; /* read by events, and their checksum */
};

struct lti_story {
    struct leat_hub *hub;
    const char *folder; /* for names; ends without '/' */
    char text[LTI_STORY_LANES][LTI_STORY_LANE_BYTES];
    size_t used[LTI_STORY_LANES];
    struct lti_story_handle handles[LTI_STORY_HANDLES];
    size_t handles_count;
    uint32_t events[16];                      /* how many came, by type */
    enum leat_error errors[LTI_STORY_ERRORS]; /* in the order they came; the first ones */
    size_t errors_count;
    char complaint[256]; /* what must never be; empty: nothing */
    struct leat_hub *bystander_hub;
    leat_conn bystander_a, bystander_b;
    uint32_t bystander_turns;
};

/* ---- Telling, for the sweep and for the steps ------------------------------------------------ */

/* False when the bystander could not be made: no fault is armed then, so that is a failure. */
bool lti_story_begin(struct lti_story *story, const char *folder);
void lti_story_clear(struct lti_story *story); /* an empty transcript, no handles */
void lti_story_end(struct lti_story *story);   /* ends the endpoints that are left */
void lti_story_leave(struct lti_story *story); /* ends the bystander */

/* Notes a result; true when it is OK. Every step ends with it, and lets the bystander talk. */
bool lti_story_note(struct lti_story *story, int lane, const char *what, enum leat_error error);
void lti_story_say(struct lti_story *story, int lane, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void lti_story_complain(struct lti_story *story, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Steps: each is true when it went well --------------------------------------------------- */

/* The name `file` in the story's folder, in one of two turning buffers; each system has its
 * own. */
const char *lti_story_path(const struct lti_story *story, const char *file);

bool lti_story_listen(struct lti_story *story, int lane, const char *name,
                      const struct leat_listen_options *options, leat_listener *listener_out);
bool lti_story_connect(struct lti_story *story, int lane, const char *name,
                       const struct leat_connect_options *options, leat_conn *conn_out);
bool lti_story_connect_wait(struct lti_story *story, int lane, const char *name,
                            const struct leat_connect_options *options, leat_conn *conn_out);
bool lti_story_wait_connected(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_accept(struct lti_story *story, int lane, leat_listener listener,
                      leat_conn *conn_out);
bool lti_story_pair(struct lti_story *story, int lane_a, int lane_b,
                    const struct leat_conn_options *options, leat_conn *a_out, leat_conn *b_out);
bool lti_story_adopt(struct lti_story *story, int lane, intptr_t handle,
                     const struct leat_conn_options *options, leat_conn *conn_out);
/* Waits until the system has taken everything. */
bool lti_story_wait_sent(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_write(struct lti_story *story, int lane, leat_conn conn, const char *text);
bool lti_story_read(struct lti_story *story, int lane, leat_conn conn, size_t size);
bool lti_story_line(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_send(struct lti_story *story, int lane, leat_conn conn, const char *text);
bool lti_story_receive(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_finish(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_wait_closed(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_close(struct lti_story *story, int lane, leat_conn conn, uint32_t linger_ms);
bool lti_story_close_wait(struct lti_story *story, int lane, leat_conn conn, uint32_t linger_ms);
bool lti_story_abort(struct lti_story *story, int lane, leat_conn conn);
bool lti_story_listener_close(struct lti_story *story, int lane, leat_listener listener);
bool lti_story_timer(struct lti_story *story, int lane, uint32_t delay_ms, uint64_t tag,
                     leat_timer *timer_out);

/* Takes events until `count` of the type have come since the beginning, or none comes for a while,
 * or far too many did. Bytes that can be read are read and summed up; everything but READABLE,
 * WRITABLE and HANGUP is noted. */
bool lti_story_events(struct lti_story *story, enum leat_event_type type, uint32_t count);
void lti_story_sums(struct lti_story *story); /* says what was read by events */
/* Lets the hub do what is under way, without noting anything. */
void lti_story_settle(struct lti_story *story);
void lti_story_rest(struct lti_story *story, uint32_t time_ms); /* and what becomes due */
/* A listener at the name, one client, a word each way, and the end. */
void lti_story_serve(struct lti_story *story, const char *name);
/* The same by messages or packets: a request and its response. */
void lti_story_serve_request(struct lti_story *story, const char *name,
                             const struct leat_listen_options *listen);
/* A pair, both ends connected, in lanes 1 and 2. */
bool lti_story_pair_open(struct lti_story *story, const struct leat_conn_options *options,
                         leat_conn *a_out, leat_conn *b_out);
/* So many messages or packets of so many bytes from one end of a pair to the other, which receives
 * only when there is no more room, and the end. */
void lti_story_pair_bulk(struct lti_story *story, const struct leat_conn_options *options,
                         size_t bytes, int count);
/* The user knows this handle from now on; for handles that came in an event. */
void lti_story_know(struct lti_story *story, int lane, uint64_t id, int kind);

/* ---- The stories ----------------------------------------------------------------------------- */

#define LTI_STORY_BULK 1u     /* moves so much that lengthy faults are left out */
#define LTI_STORY_PROBE 2u    /* listens over a dead socket: a probe that cannot tell says IN_USE */
#define LTI_STORY_INDIRECT 4u /* the one who asks first may not be the one whom the fault hit */
#define LTI_STORY_ELSEWHERE                                                                        \
    8u /* a folder that cannot be looked at makes plain names lead elsewhere */

#define LTI_STORY_PAIR 16u  /* makes a pair: what a stranger does at its name is an error */
#define LTI_STORY_GIVEN 32u /* both ends are given to it */

#define LTI_STORY_SEVERAL 64u /* its hub reads several connections in one call */
#define LTI_STORY_AHEAD 128u  /* the same with a call each */

/* X(name, traits, the errors that belong to it). */
#define LTI_STORIES_ALL(X, E)                                                                      \
    X(hub, 0, E(TIMEOUT))                                                                          \
    X(pair, LTI_STORY_PAIR, 0)                                                                     \
    X(lines, LTI_STORY_PAIR, E(FINISHED))                                                          \
    X(serve, 0, 0)                                                                                 \
    X(plain_name, LTI_STORY_ELSEWHERE, 0)                                                          \
    X(nobody, 0, E(NOT_FOUND))                                                                     \
    X(wait_for_server, 0, E(TIMEOUT))                                                              \
    X(name_in_use, 0, E(IN_USE))                                                                   \
    X(backlog, LTI_STORY_INDIRECT, 0)                                                              \
    X(bulk, LTI_STORY_BULK | LTI_STORY_PAIR, 0)                                                    \
    X(linger, LTI_STORY_BULK | LTI_STORY_PAIR, E(TIMEOUT) | E(FINISHED))                           \
    X(abort, LTI_STORY_PAIR, 0)                                                                    \
    X(adopt, LTI_STORY_GIVEN, LTI_STORY_ADOPT)                                                     \
    X(listener_close, 0, E(FINISHED) | E(NOT_FOUND))                                               \
    X(timers, 0, E(TIMEOUT))                                                                       \
    X(events, LTI_STORY_INDIRECT, E(CLOSED))                                                       \
    X(messages, LTI_STORY_PAIR, E(FINISHED))                                                       \
    X(messages_served, LTI_STORY_INDIRECT, 0)                                                      \
    X(messages_view, LTI_STORY_PAIR, 0)                                                            \
    X(gather, LTI_STORY_PAIR, 0)                                                                   \
    X(messages_bulk, LTI_STORY_BULK | LTI_STORY_PAIR, 0)                                           \
    X(packets, LTI_STORY_PAIR, 0)                                                                  \
    X(packets_finish, LTI_STORY_PAIR, E(FINISHED))                                                 \
    X(packets_served, LTI_STORY_INDIRECT, 0)                                                       \
    X(packets_bulk, LTI_STORY_BULK | LTI_STORY_PAIR, 0)                                            \
    X(two_hubs, LTI_STORY_PAIR, 0)

#ifdef _WIN32
#define LTI_STORIES_SIMULATED(X, E)
#else
#define LTI_STORIES_SIMULATED(X, E)                                                                \
    X(adopt_sync, LTI_STORY_GIVEN, E(FINISHED))                                                    \
    X(strangers, 0, E(LIMIT))
#endif

#ifdef LTI_NT
#define LTI_STORY_SOCKETS false
#define LTI_STORY_NO_FOLDER "no\\folder"
#define LTI_STORY_ADOPT (UINT64_C(1) << LEAT_E_HANDLE)
#define LTI_STORIES(X, E)                                                                          \
    LTI_STORIES_ALL(X, E)                                                                          \
    X(no_finish, LTI_STORY_PAIR, E(UNSUPPORTED))                                                   \
    X(pool, LTI_STORY_INDIRECT, E(FINISHED))                                                       \
    X(squatter, LTI_STORY_INDIRECT, E(SQUATTED))                                                   \
    X(waitable, LTI_STORY_PAIR, 0)                                                                 \
    X(process, LTI_STORY_PAIR, 0)                                                                  \
    LTI_STORIES_SIMULATED(X, E)
#else
#define LTI_STORY_SOCKETS true
#define LTI_STORY_NO_FOLDER "no/folder"
#define LTI_STORY_ADOPT 0
#define LTI_STORIES(X, E)                                                                          \
    LTI_STORIES_ALL(X, E)                                                                          \
    X(abstract, 0, 0)                                                                              \
    X(half_close, LTI_STORY_PAIR, E(FINISHED))                                                     \
    X(take_over, LTI_STORY_PROBE, E(REFUSED))                                                      \
    X(adopt_listener, 0, 0)                                                                        \
    X(long_path, 0, 0)                                                                             \
    X(for_a_group, 0, 0)                                                                           \
    X(hand_over, 0, 0)                                                                             \
    X(several, LTI_STORY_SEVERAL, 0)                                                               \
    X(ahead, LTI_STORY_AHEAD, 0)
#endif

#define LTI_STORY_ERROR(name) (UINT64_C(1) << LEAT_E_##name)
#define LTI_STORY(name, traits, errors) void lti_story_of_##name(struct lti_story *story);
LTI_STORIES(LTI_STORY, LTI_STORY_ERROR)
#undef LTI_STORY

#endif
