/* SPDX-License-Identifier: MIT
 *
 * What the attack tests share: users, a world of folders, other processes that really are other
 * users, raw sockets, and a way to stop a process at each of its system calls.
 *
 * A test is called attack_lNN_... for row LNN of attacks.def, or attack_qNN_... for a defect. It
 * says what it saw with attack_seen; report.py makes the table of it.
 */
#ifndef LTI_ATTACK_KIT_H
#define LTI_ATTACK_KIT_H

#include "harness.h"

#include "leat/leat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Generous: what is to happen happens long before. */
#define ATTACK_SOON_MS 10000u

/* Users that need no entry anywhere. The last one is who everybody looks like that is not mapped
 * into a user namespace. */
#define ROOT 0u
#define ALICE 60101u
#define BOB 60102u
#define NOBODY 65534u
#define STAFF 60200u /* a group */

/* ---- The test -------------------------------------------------------------------------------- */

/* One half line of the table: what came of the attack. */
__attribute__((format(printf, 2, 3))) void attack_seen(const char *id, const char *format, ...);
/* The long form was asked for. */
bool attack_deep(void);
void attack_needs_root(void);

/* ---- The world ------------------------------------------------------------------------------- */

/* Everybody may pass through the test's folder; each user has a runtime folder in it, RUN-USER,
 * and the environment says so. attack_world_end removes those again, which must be empty. */
void attack_world(void);
void attack_world_end(void);
/* A path in the test's folder. Valid until the thirty-second call after. */
__attribute__((format(printf, 1, 2))) const char *attack_path(const char *format, ...);
/* The same with unix: in front. */
const char *attack_name(const char *path);
const char *attack_runtime(uint32_t user); /* its runtime folder */
void attack_folder(const char *path, uint32_t owner, uint32_t mode);
void attack_remove(const char *path); /* a file, a link or an empty folder, which must be there */
bool attack_exists(const char *path);
/* From now on, who becomes another user sees the folder "tmp" of the test's folder as /tmp. */
void attack_private_tmp(void);

/* From now on, who becomes another user is in this group beside its own; ROOT is none. */
void attack_in_group(uint32_t group);
/* From now on, who becomes another user is in a user namespace of its own, where it has the number
 * `inside` and nobody else has one. */
#define ATTACK_NO_NAMESPACE UINT32_MAX
void attack_own_namespace(uint32_t inside);

uint64_t attack_cpu_ms(void); /* of this process */
uint32_t attack_descriptors(void);
uint64_t attack_resident_bytes(void); /* 0 with a sanitizer, where it says nothing */

/* ---- Other processes ------------------------------------------------------------------------- */

/* A process of another user, and a channel of words to it. Nothing else of ours is open there. */
struct attack_actor {
    pid_t pid;
    int fd;
};

struct attack_actor attack_begin(uint32_t user, void (*part)(int fd, void *argument),
                                 void *argument);
void attack_end(struct attack_actor *actor); /* it ends by itself, with 0 */
void attack_kill(struct attack_actor *actor);
void attack_say(int fd, int64_t word);
int64_t attack_hear(int fd); /* within ATTACK_SOON_MS */
/* A descriptor that attack_raw_send_fds sent over the channel. */
int attack_hear_fd(int fd);
/* Does this as the user, and returns what it returned. */
int64_t attack_as(uint32_t user, int64_t (*act)(void *argument), void *argument);
/* Becomes the user for good, as attack_begin does; false when that is not to be had. */
bool attack_become(uint32_t user);

/* A leat server. */
struct attack_server {
    const char *name;
    const struct leat_listen_options *options;
    const char *greeting; /* for who is let in; may be null */
};
struct attack_facts {
    int64_t conns, accepted, denied, bytes, closed;
};
struct attack_actor attack_serve(uint32_t user, const struct attack_server *server,
                                 enum leat_error expected);
/* Only tries to listen: the error. */
enum leat_error attack_listen(uint32_t user, const char *name);
struct attack_facts attack_server_facts(const struct attack_actor *actor);
void attack_server_end(struct attack_actor *actor);

/* A leat client: connects with something to say already, and waits for the greeting (may be null).
 * Returns the error. */
struct attack_client {
    const char *name;
    const char *greeting;
    enum leat_who who;
    const char *group;
    uint32_t timeout_ms;
};
enum leat_error attack_dial(uint32_t user, const struct attack_client *client);

/* A server that nobody wants: it takes every connection, and reads what comes. */
struct attack_actor attack_squat(uint32_t user, const char *path);        /* "@x" is abstract */
struct attack_facts attack_squat_facts(const struct attack_actor *actor); /* conns and bytes */

/* ---- Raw sockets ----------------------------------------------------------------------------- */

#define ATTACK_HELLO_BYTES 32u
extern const uint8_t attack_hello[ATTACK_HELLO_BYTES]; /* what a client of messages says first */

int attack_raw_connect(const char *path); /* non-blocking; -errno */
int attack_raw_listen(const char *path, int backlog);
/* Waits for the end of what comes: how many bytes came before it; -1 when it does not come. */
int64_t attack_raw_drain(int fd, uint32_t within_ms);
/* For attack_as, with a path: a stranger says something; how many bytes it hears before its end, or
 * as attack_raw_connect and attack_raw_drain. */
int64_t attack_listen_in(void *argument);
/* sendmsg of one byte with descriptors; 0 or -errno. */
int attack_raw_send_fds(int fd, const int *fds, size_t count);

/* ---- Steps ----------------------------------------------------------------------------------- */

enum attack_step { STEP_ON, STEP_RUN, STEP_KILL };
struct attack_steps {
    uint32_t user;
    /* Gets ready, calls attack_steps_from_here, does it, and returns its exit code. */
    int (*act)(void *argument);
    /* Called at the begin and at the end of each system call. */
    enum attack_step (*look)(void *context, uint32_t step);
    void *argument, *context;
};
/* Returns how often it stopped; *code_out is the exit code, -1 when it was killed. */
uint32_t attack_stepwise(const struct attack_steps *steps, int *code_out);
void attack_steps_from_here(void);

#endif
