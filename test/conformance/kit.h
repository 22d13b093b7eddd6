/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share. The suite uses the public API only, save for raw peers, which
 * speak through the system seam; so the same tests run on the real and on the simulated kernel.
 *
 * Read from the top: beginning and end, events, connections, bytes, raw peers.
 */
#ifndef LTI_CONFORMANCE_KIT_H
#define LTI_CONFORMANCE_KIT_H

#include "harness.h"

#include "leat/leat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The library speaks named pipes. They have no half-close, and what is behind a listener is not a
 * queue of the system's: instances that wait. */
#ifdef LTI_NT
#define KIT_PIPES true
#else
#define KIT_PIPES false
#endif

/* Defines a test that does not run over named pipes. posix_only.def has it, with its reason. */
#define TEST_POSIX(name)                                                                           \
    const char *const kit_reason_##name = KIT_REASON_##name;                                       \
    TEST(name)

/* Generous: what is to happen happens long before. */
#define KIT_SOON_MS 10000u
#define KIT_MIB ((size_t)1024 * 1024)

/* ---- Beginning and end ----------------------------------------------------------------------- */

/* Makes a hub; names of the test are its own. kit_end destroys it, and checks that no name, no lock
 * file, no descriptor and no raw peer is left. */
struct leat_hub *kit_begin(void);
void kit_end(struct leat_hub *hub);
struct leat_hub *kit_hub(const struct leat_hub_options *options); /* one more */
bool kit_simulated(void);
/* A server of messages says hello to a client that has said nothing yet; not where the system says
 * who a client is with its first bytes only. */
bool kit_greets_first(void);

/* A plain name, and an explicit one (unix:FOLDER/name, or a pipe's), that no other
 * test has. The same word gives the same name. Valid until the sixteenth call after. */
const char *kit_plain(const char *name);
const char *kit_path(const char *name);
uint32_t kit_user(void); /* this process's, as leat_conn_info tells it */
/* The same as `users` takes it. A client that names it trusts a server that lets others in, even
 * where the client is one of an administrator: Windows tells such servers' levels apart. */
const char *kit_user_text(void);

uint64_t kit_now_ms(void);
void kit_pass(uint32_t time_ms); /* lets time go by, without touching the test's hubs */
/* The bytes of one endless pattern from `offset` on, in which lost, repeated and exchanged pieces
 * show. */
void kit_pattern(void *buffer, size_t size, uint64_t offset);
bool kit_pattern_is(const void *buffer, size_t size, uint64_t offset);

/* ---- Names ----------------------------------------------------------------------------------- */

void kit_listen_refused(struct leat_hub *hub, const char *name, enum leat_error error);
/* The same for listening, connecting and resolving; what they would give is untouched. */
void kit_name_refused(struct leat_hub *hub, const char *name, enum leat_error error);
/* It resolves to this text, into a buffer that just holds it, and into none that is smaller. */
void kit_name_resolves(const char *name, const char *expected);
/* Who listens at one name is met at the other, which may be the same one; all is closed again. */
void kit_names_meet(struct leat_hub *hub, const char *one, const char *other);

/* ---- Events ---------------------------------------------------------------------------------- */

/* The next event must be of this type; the test ends if it is not. */
#define KIT_NEXT(hub, type) kit_next((hub), (type), __FILE__, __LINE__)
/* The first of this type; others are dropped. */
#define KIT_UNTIL(hub, type) kit_until((hub), (type), __FILE__, __LINE__)
/* No event is there now. */
#define KIT_QUIET(hub) kit_quiet((hub), __FILE__, __LINE__)
/* The next event is CLOSED, for this reason, with nothing undelivered. */
#define KIT_CLOSED(hub, conn, error) kit_closed((hub), (conn), (error), __FILE__, __LINE__)
/* The handle is dead for every call. */
#define KIT_STALE(hub, conn) kit_stale((hub), (conn), __FILE__, __LINE__)

struct leat_event kit_next(struct leat_hub *hub, enum leat_event_type type, const char *file,
                           int line);
struct leat_event kit_until(struct leat_hub *hub, enum leat_event_type type, const char *file,
                            int line);
void kit_quiet(struct leat_hub *hub, const char *file, int line);
void kit_closed(struct leat_hub *hub, leat_conn conn, enum leat_error error, const char *file,
                int line);
void kit_stale(struct leat_hub *hub, leat_conn conn, const char *file, int line);
/* Takes all events that are there, on both hubs by turns (b may be null); they are counted by type
 * in counts (may be null). */
#define KIT_EVENT_TYPES (LEAT_EVENT_ASKED + 1)
void kit_drain(struct leat_hub *a, struct leat_hub *b, uint32_t counts[KIT_EVENT_TYPES]);

/* ---- Connections ----------------------------------------------------------------------------- */

struct kit_ends {
    leat_conn dialled, accepted;
};
extern const struct leat_conn_options kit_messages; /* LEAT_MESSAGES, all defaults */
extern const struct leat_conn_options kit_packets;  /* LEAT_PACKETS, all defaults */
/* An outbox of 4 MiB: much more than the system holds. */
#define KIT_ROOMY_BYTES (4 * KIT_MIB)
extern const struct leat_conn_options kit_roomy, kit_roomy_messages;

leat_listener kit_listen(struct leat_hub *hub, const char *name,
                         const struct leat_conn_options *options);
leat_conn kit_connect(struct leat_hub *hub, const char *name, uint64_t tag,
                      const struct leat_conn_options *options);
/* Both ends of a connection to the listener, open, with no event left. */
struct kit_ends kit_open(struct leat_hub *hub, leat_listener listener, const char *name,
                         const struct leat_conn_options *options);
/* leat_pair, with CONNECTED of both taken. */
struct kit_ends kit_pair(struct leat_hub *hub, const struct leat_conn_options *options);
/* The same, but a pipe between the two holds so little that it is soon full, byte by byte. */
struct kit_ends kit_pair_narrow(struct leat_hub *hub, const struct leat_conn_options *options);

struct leat_conn_info kit_info(struct leat_hub *hub, leat_conn conn);
struct leat_conn_stats kit_stats(struct leat_hub *hub, leat_conn conn);
struct leat_listener_info kit_listener_info(struct leat_hub *hub, leat_listener listener);
struct leat_hub_info kit_hub_info(struct leat_hub *hub);

/* ---- Bytes and messages ---------------------------------------------------------------------- */

void kit_write(struct leat_hub *hub, leat_conn conn, const void *data, size_t size); /* all of it */
void kit_write_text(struct leat_hub *hub, leat_conn conn, const char *text);
/* Reads exactly this text. */
void kit_read_text(struct leat_hub *hub, leat_conn conn, const char *text);
/* No more bytes come from it: leat_finish; over pipes that is UNSUPPORTED, and it is closed, with
 * what was accepted for sending delivered. */
void kit_finish(struct leat_hub *hub, leat_conn conn);
void kit_send_text(struct leat_hub *hub, leat_conn conn, const char *text);
void kit_receive_text(struct leat_hub *hub, leat_conn conn, const char *text);
/* The next message or packet is these bytes of the pattern, at most 2 MiB of them. */
void kit_receive_pattern(struct leat_hub *hub, leat_conn conn, size_t size, uint64_t offset);
/* One of each two above, as the protocol of these options asks for; null is bytes. */
void kit_say(struct leat_hub *hub, leat_conn conn, const struct leat_conn_options *options,
             const char *text);
void kit_hear(struct leat_hub *hub, leat_conn conn, const struct leat_conn_options *options,
              const char *text);
/* Writes the pattern from `offset` on until FULL; returns how many bytes were accepted. */
uint64_t kit_fill(struct leat_hub *hub, leat_conn conn, uint64_t offset);
/* Reads the `total` bytes of the pattern from `offset` on, in small pieces. */
void kit_read_pattern(struct leat_hub *hub, leat_conn conn, uint64_t offset, uint64_t total);
/* Turns until so much is in the inbox, and then it is no more. */
void kit_inbox_comes(struct leat_hub *hub, leat_conn conn, uint64_t bytes);
/* Reads until there is no more, checks the pattern, and counts; *end_out says why it ended. */
uint64_t kit_read_to_the_end(struct leat_hub *hub, leat_conn conn, enum leat_error *end_out);

/* ---- Raw peers ------------------------------------------------------------------------------- */

/* They are small numbers that the kit knows; none of these calls waits for what a hub must do. */
int kit_raw_connect(const char *name); /* plain or explicit */
int kit_raw_listen(const char *name, uint32_t backlog);
int kit_raw_accept(int listener);
void kit_raw_unlisten(int listener,
                      const char *name); /* closes it, and removes what is left of it */
/* A raw peer and, as a handle to be adopted, what it is connected to. */
int kit_raw_pair(intptr_t *handle_out);
/* A connection of these options (null is bytes), open, with no event left. Its other end is a raw
 * peer, of packets if they ask for them; hellos of messages are exchanged. */
leat_conn kit_raw_conn(struct leat_hub *hub, const struct leat_conn_options *options, int *fd_out);
void kit_raw_send(int fd, const void *data, size_t size);       /* all of it */
size_t kit_raw_try_send(int fd, const void *data, size_t size); /* what fits now, maybe 0 */
/* What is there now: bytes, 0 when nothing is, -1 at the end, -2 when the connection was reset. */
int64_t kit_raw_recv(int fd, void *buffer, size_t size);
void kit_raw_close(int fd);
/* No more comes from it: half-close, or the end where there is none. It is still to be closed. */
void kit_raw_finish(int fd);

/* The same of packets; accept, send and close are those of above. An empty packet can be sent. */
int kit_raw_connect_packets(const char *name);
int kit_raw_listen_packets(const char *name, uint32_t backlog);
int kit_raw_pair_packets(intptr_t *handle_out);
bool kit_raw_try_packet(int fd, const void *data, size_t size); /* false: not now, or never again */
/* One whole packet, which must fit; or why there is none. */
#define KIT_RAW_NONE (-1)  /* nothing is there now */
#define KIT_RAW_END (-2)   /* nothing will come */
#define KIT_RAW_RESET (-3) /* the connection was reset */
int64_t kit_raw_recv_packet(int fd, void *buffer, size_t size);

#define KIT_HELLO_BYTES 32u
#define KIT_HEADER_BYTES 8u
extern const uint8_t kit_hello[KIT_HELLO_BYTES]; /* a good one: version 1, frames of 1 MiB */
void kit_raw_frame(int fd, uint8_t type, const void *data, uint32_t size);
/* A header that announces `size` bytes, and nothing else. */
void kit_raw_header(int fd, uint8_t type, uint32_t size);

/* ---- Threads and foreign loops (real kernels only) ------------------------------------------- */

struct kit_thread;
struct kit_thread *kit_thread_start(void (*run)(void *argument), void *argument);
void kit_thread_join(struct kit_thread *thread);
/* True when a thread is inside leat_next or a wait: a second one is BUSY. */
bool kit_somebody_waits(struct leat_hub *hub);
/* False: what leat waits with here is poll, which gives another loop nothing to wait on. */
bool kit_waitable_there(void);
/* True when what leat_hub_waitable gave is ready within that time. */
bool kit_waitable_ready(intptr_t waitable, uint32_t timeout_ms);

/* ---- The system's part of the kit ------------------------------------------------------------ */

void kit_system_begin(void); /* before the test's first hub */
void kit_system_end(void);   /* after the last one: looks at what is left */

/* The reasons, for TEST_POSIX: without one a test does not compile. */
#define KIT_POSIX_ONLY(suite, name, reason, instead)                                               \
    static const char KIT_REASON_##name[] __attribute__((unused)) = reason;                        \
    extern const char *const kit_reason_##name;
#include "posix_only.def"
#undef KIT_POSIX_ONLY

#endif
