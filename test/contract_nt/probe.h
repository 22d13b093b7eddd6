/* SPDX-License-Identifier: MIT
 *
 * What the probes of named pipes share. They ask the kernel below the seam, whichever it is
 * (Windows, wine, the simulated one), and know nothing of what stands above it.
 *
 * Where a probe accepts that a kernel does not keep a promise of Windows, another promise is asked
 * for as well, so that only a kernel that is lenient in several things is let off.
 */
#ifndef LTI_CONTRACT_NT_PROBE_H
#define LTI_CONTRACT_NT_PROBE_H

#include "harness.h"
#include "os_nt.h"
#include "os_nt_code.h"

#include <string.h>

#define PROBE_OPS 8
#define PROBE_BYTES 262144u
#define PROBE_QUOTA 4096u
#define PROBE_LIMIT_MS 20000
#define PROBE_SLICE_NS INT64_C(10000000)
#define PROBE_UNLIMITED 255u
#define PROBE_PREFIX "\\\\.\\pipe\\"

#define CHECK_KIND(result, kind) CHECK_INT(lti_os_kind_of(result), kind)
#define REQUIRE_HANDLE(result) REQUIRE_INT(lti_os_code_of(result).raw, 0)

struct probe_op {
    struct lti_os_op os; /* first: completions name this */
    bool pending;
    int64_t result;
};

/* Both ends of one pipe at one queue. In memory of the seam's: a kernel may look whether operations
 * and buffers are alive. */
struct probe {
    intptr_t queue, server, client; /* -1: closed */
    uint32_t posts;
    uint32_t order[PROBE_OPS], ended; /* slots as their completions came */
    struct probe_op ops[PROBE_OPS];
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 64];
    uint8_t sent[PROBE_BYTES], got[PROBE_BYTES];
};

static inline void probe_widen(const char *text, uint16_t *name_out)
{
    size_t i = 0;
    for (; text[i] != '\0'; i++)
        name_out[i] = (uint16_t)(unsigned char)text[i];
    name_out[i] = 0;
}

/* A name that nobody else has. */
static inline void probe_name(uint16_t *name_out)
{
    static const char digits[] = "0123456789abcdef";
    char text[64] = PROBE_PREFIX "leat-probe-";
    uint8_t random[12];
    size_t at = strlen(text);
    REQUIRE_INT(lti_os_random(random, sizeof random), sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        text[at++] = digits[random[i] >> 4];
        text[at++] = digits[random[i] & 15];
    }
    text[at] = '\0';
    probe_widen(text, name_out);
}

/* A queue and a name; no pipe. */
static inline struct probe *probe_begin(void)
{
    struct probe *probe = lti_os_alloc(sizeof *probe);
    REQUIRE(probe != NULL);
    memset(probe, 0, sizeof *probe);
    for (uint32_t i = 0; i < PROBE_BYTES; i++)
        probe->sent[i] = (uint8_t)(i * 7 + i / 251);
    probe->server = probe->client = -1;
    probe->queue = (intptr_t)lti_os_queue_create();
    REQUIRE_HANDLE(probe->queue);
    probe_name(probe->name);
    return probe;
}

/* One instance that belongs to the queue. */
static inline intptr_t probe_create(struct probe *probe, uint32_t flags, uint32_t quota)
{
    int64_t handle = lti_os_pipe_create(probe->name, flags, PROBE_UNLIMITED, quota, NULL);
    REQUIRE_HANDLE(handle);
    REQUIRE_INT(lti_os_queue_add(probe->queue, (intptr_t)handle, false), 0);
    return (intptr_t)handle;
}

static inline intptr_t probe_open(struct probe *probe)
{
    int64_t handle = lti_os_pipe_open(probe->name);
    REQUIRE_HANDLE(handle);
    REQUIRE_INT(lti_os_queue_add(probe->queue, (intptr_t)handle, false), 0);
    return (intptr_t)handle;
}

/* A connected pipe. */
static inline struct probe *probe_pair(uint32_t flags, uint32_t quota)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, flags, quota);
    probe->client = probe_open(probe);
    REQUIRE_INT(lti_os_pipe_listen(probe->server, &probe->ops[0].os), 0);
    if (flags & LTI_OS_PIPE_MESSAGE)
        REQUIRE_INT(lti_os_pipe_read_messages(probe->client), 0);
    return probe;
}

/* ---- Operations: one in a slot --------------------------------------------------------------- */

static inline int64_t probe_noted(struct probe *probe, uint32_t slot, int64_t result)
{
    probe->ops[slot].pending = lti_os_kind_of(result) == LTI_OS_IN_PROGRESS;
    probe->ops[slot].result = result;
    return result;
}

static inline struct lti_os_op *probe_slot(struct probe *probe, uint32_t slot)
{
    REQUIRE(slot < PROBE_OPS && !probe->ops[slot].pending);
    memset(&probe->ops[slot].os, 0, sizeof probe->ops[slot].os);
    return &probe->ops[slot].os;
}

/* Into `got`, from `at` on. */
static inline int64_t probe_read(struct probe *probe, intptr_t handle, uint32_t slot, size_t at,
                                 size_t size)
{
    struct lti_os_op *op = probe_slot(probe, slot);
    return probe_noted(probe, slot, lti_os_pipe_read(handle, probe->got + at, size, op));
}

/* Out of `sent`, from `at` on. */
static inline int64_t probe_write(struct probe *probe, intptr_t handle, uint32_t slot, size_t at,
                                  size_t size)
{
    struct lti_os_op *op = probe_slot(probe, slot);
    return probe_noted(probe, slot, lti_os_pipe_write(handle, probe->sent + at, size, op));
}

static inline int64_t probe_listen(struct probe *probe, intptr_t handle, uint32_t slot)
{
    return probe_noted(probe, slot, lti_os_pipe_listen(handle, probe_slot(probe, slot)));
}

/* Takes completions, at most PROBE_OPS, for at most that long. */
static inline void probe_take(struct probe *probe, int64_t timeout_ns)
{
    struct lti_os_completion completions[PROBE_OPS];
    int64_t count = lti_os_queue_wait(probe->queue, completions, PROBE_OPS, timeout_ns);
    REQUIRE(count >= 0 && count <= PROBE_OPS);
    for (int64_t i = 0; i < count; i++) {
        struct probe_op *op = (struct probe_op *)completions[i].op;
        if (op == NULL) {
            probe->posts++;
            continue;
        }
        /* No operation ends twice, nor one that was over at once. */
        REQUIRE(op >= probe->ops && op < probe->ops + PROBE_OPS && op->pending);
        op->pending = false;
        op->result = completions[i].result;
        REQUIRE(probe->ended < PROBE_OPS);
        probe->order[probe->ended++] = (uint32_t)(op - probe->ops);
    }
}

/* The result of a slot's operation, when it is over. */
static inline int64_t probe_done(struct probe *probe, uint32_t slot)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(PROBE_LIMIT_MS);
    while (probe->ops[slot].pending && lti_test_now_ms() < until)
        probe_take(probe, PROBE_SLICE_NS);
    REQUIRE(!probe->ops[slot].pending);
    return probe->ops[slot].result;
}

/* True when nothing came that was on the way before this call. */
static inline bool probe_quiet(struct probe *probe)
{
    uint32_t posts = probe->posts, ended = probe->ended;
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(PROBE_LIMIT_MS);
    REQUIRE_INT(lti_os_queue_post(probe->queue, NULL, 0), 0);
    while (probe->posts == posts && lti_test_now_ms() < until)
        probe_take(probe, PROBE_SLICE_NS);
    REQUIRE_INT(probe->posts, posts + 1);
    return probe->ended == ended;
}

/* Reads exactly that much into `got`, in pieces. */
static inline bool probe_read_all(struct probe *probe, intptr_t handle, uint32_t slot, size_t size)
{
    size_t at = 0;
    for (uint32_t turn = 0; turn < PROBE_BYTES && at < size; turn++) {
        (void)probe_read(probe, handle, slot, at, size - at);
        int64_t result = probe_done(probe, slot);
        if (!CHECK(result > 0))
            return false;
        at += (size_t)(result & ~LTI_OS_PIPE_MORE);
        probe->ended = 0;
    }
    return CHECK_INT(at, size);
}

static inline void probe_close(intptr_t *handle)
{
    if (*handle != -1)
        CHECK_INT(lti_os_handle_close(*handle), 0);
    *handle = -1;
}

/* Gives everything back; what was under way ends because its handle is closed. */
static inline void probe_end(struct probe *probe)
{
    probe_close(&probe->client);
    probe_close(&probe->server);
    for (uint32_t slot = 0; slot < PROBE_OPS; slot++) {
        probe->ended = 0;
        (void)probe_done(probe, slot);
    }
    probe_close(&probe->queue);
    lti_os_free(probe);
}

/* ---- Promises that wine 8 does not keep ------------------------------------------------------ */

/* The kernel ignores that the name must be new. */
static inline bool probe_first_ignored(void)
{
    uint16_t name[64];
    probe_name(name);
    int64_t one = lti_os_pipe_create(name, LTI_OS_PIPE_FIRST, PROBE_UNLIMITED, 4096, NULL);
    REQUIRE_HANDLE(one);
    int64_t two = lti_os_pipe_create(name, LTI_OS_PIPE_FIRST, PROBE_UNLIMITED, 4096, NULL);
    CHECK_INT(lti_os_handle_close((intptr_t)one), 0);
    if (two >= 0)
        CHECK_INT(lti_os_handle_close((intptr_t)two), 0);
    else
        CHECK_KIND(two, LTI_OS_ACCESS);
    return two >= 0;
}

/* The kernel lets somebody open a pipe whose descriptor lets nobody. */
static inline bool probe_access_ignored(void)
{
    uint16_t name[64];
    void *security = NULL;
    probe_name(name);
    REQUIRE_INT(lti_os_security_create("D:P(D;;GA;;;WD)", &security), 0);
    int64_t server = lti_os_pipe_create(name, 0, PROBE_UNLIMITED, 4096, security);
    lti_os_security_free(security);
    REQUIRE_HANDLE(server);
    int64_t client = lti_os_pipe_open(name);
    CHECK_INT(lti_os_handle_close((intptr_t)server), 0);
    if (client >= 0)
        CHECK_INT(lti_os_handle_close((intptr_t)client), 0);
    else
        CHECK_KIND(client, LTI_OS_ACCESS);
    return client >= 0;
}

#endif
