/* SPDX-License-Identifier: MIT
 *
 * Ends of connections that any thread uses while any other ends them, and what is known of each:
 * what was sent and received by whomever, and how it ended. The history checker judges all of it.
 *
 * What an end sends is one stream, whoever sends it. It says whose it is: a stream of bytes at its
 * beginning, a message at its own. So a connection that was dialled needs nobody to say which two
 * ends it has. One thread at a time sends at an end, and one receives there, so that the tale has
 * the order in which it was; who comes second does something else meanwhile. Everything that is
 * not the sending or receiving of content goes on at any moment, and above all whatever ends it.
 *
 * Read from the top: the book, ends, sending, receiving, ending, the last word.
 */
#ifndef LTI_STRESS_BOOK_H
#define LTI_STRESS_BOOK_H

#include "stress.h"

/* The smallest message, and the first bytes of a stream: whose it is. */
#define STRESS_HEAD_BYTES 8u
/* The largest message, and what a thread writes or reads at most. */
#define STRESS_PIECE_MAX 4096u

/* ---- The book -------------------------------------------------------------------------------- */

struct stress_book;
/* Every id that a call is made with is an end to the book, also one that nobody made. */
struct stress_book *stress_book_begin(uint64_t key, size_t ends_max, size_t lines_max);
void stress_book_end(struct stress_book *book);

/* ---- Ends ------------------------------------------------------------------------------------ */

struct stress_shared;
struct stress_shared *stress_shared(struct stress_book *book, struct leat_hub *hub, leat_conn conn);
/* One of a hub that no other thread knows, and that will not be there at the end. */
struct stress_shared *stress_shared_alone(struct stress_book *book);
/* The library handed it out: from here on it does not vanish by itself. */
void stress_shared_made(struct stress_shared *end);
/* They are the two ends of one connection. */
void stress_shared_pair(struct stress_shared *a, struct stress_shared *b);
/* What leat_close_report is to bring back. */
uint64_t stress_shared_tag(const struct stress_shared *end);

/* ---- Sending --------------------------------------------------------------------------------- */

/* Makes the next `size` bytes of its stream, and announces them. False: another thread is at it. */
bool stress_write_begin(struct stress_shared *end, void *buffer, size_t size);
void stress_write_done(struct stress_shared *end, enum leat_error error, size_t accepted);
/* The same for its next message; which one it is decides how large: STRESS_PIECE_MAX at most. */
bool stress_send_begin(struct stress_shared *end, void *buffer, size_t *size_out);
void stress_send_done(struct stress_shared *end, enum leat_error error);
/* Sends that message, and others behind it, in one call; it is the done, too. */
#define STRESS_MANY 4u
enum leat_error stress_send_many(struct stress_shared *end, const void *first, size_t size,
                                 size_t count);

/* ---- Receiving ------------------------------------------------------------------------------- */

/* False: another thread is at it. */
bool stress_take_begin(struct stress_shared *end);
/* True when it is known whose stream comes here, so that content may be passed over unseen. */
bool stress_take_blind(const struct stress_shared *end);
/* What was taken out of the inbox; null: nobody saw it. Who drops unread bytes by a wait for the
 * end says so before; from then on only whole messages are judged, each by itself. */
void stress_take_bytes(struct stress_shared *end, const void *data, size_t size);
void stress_take_message(struct stress_shared *end, const void *data, size_t size);
void stress_take_done(struct stress_shared *end, enum leat_error error);
void stress_shared_drops(struct stress_shared *end);

/* ---- Ending ---------------------------------------------------------------------------------- */

/* A call succeeded: `how` is LTI_HISTORY_FINISH, CLOSE, ABORT, or REPORT when one will come. Two
 * threads cannot both have ended it. */
void stress_shared_over(struct stress_shared *end, enum lti_history_kind how);
/* What leat_close_wait gave, whatever it is. */
void stress_shared_close_wait(struct stress_shared *end, enum leat_error error,
                              uint64_t undelivered);
/* Notes what the event says of an end: accepted, finished, closed, reported. */
void stress_book_event(struct stress_book *book, struct leat_hub *hub,
                       const struct leat_event *event);

/* ---- The last word --------------------------------------------------------------------------- */

/* When all threads are done: whatever is open says something more, all that is under way is read,
 * and every report comes. Then the history checker judges. */
struct lti_history_result stress_book_judge(struct stress_book *book, struct leat_hub *const *hubs,
                                            size_t count);

#endif
