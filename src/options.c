/* SPDX-License-Identifier: MIT
 *
 * Size-versioned structs: options in, complete ones with defaults out; answers out.
 *
 * Happy path: what the caller set is taken, what is zero gets its default. An answer is copied, and
 *             what a caller's larger struct has behind it is zero.
 * Fails:      OPTIONS for a size no version had, a non-zero tail that we do not know, or a value
 *             out of its range.
 * Invariants: what comes out satisfies every relation between the limits: a low mark below its
 *             high mark, and room for one whole frame in the inbox of a connection of messages.
 */
#include "core.h"

#include <string.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define BOX_BYTES_CAP (1024 * MIB)
#define FRAME_BYTES_CAP ((uint32_t)(256 * MIB))
#define GATHER_BYTES_CAP (64 * KIB)
#define HANDSHAKE_MS_LEAST 100u
#define HANDSHAKE_MS_CAP 60000u
#define FRAME_ROOM (LTI_FRAME_HEADER_BYTES)
/* No struct will ever be larger: a size above is no size, and nothing is cleared up to there. */
#define STRUCT_BYTES_MAX 4096u

/* Copies a struct that begins with its size. */
static enum leat_error options_take(void *to, size_t known, const void *from)
{
    memset(to, 0, known);
    if (from) {
        size_t size;
        memcpy(&size, from, sizeof size);
        if (size < known)
            return LEAT_E_OPTIONS;
        const unsigned char *bytes = from;
        for (size_t i = known; i < size; i++)
            if (bytes[i])
                return LEAT_E_OPTIONS;
        memcpy(to, from, known);
    }
    memcpy(to, &known, sizeof known);
    return LEAT_OK;
}

enum leat_error lti_struct_give(void *to, const void *from, size_t known)
{
    size_t size;
    memcpy(&size, to, sizeof size);
    if (size < known || size > STRUCT_BYTES_MAX)
        return LEAT_E_OPTIONS;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size, known - sizeof size);
    memset((char *)to + known, 0, size - known);
    return LEAT_OK;
}

static void number_default(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static bool number_take(uint32_t *value, uint32_t otherwise, uint32_t cap)
{
    number_default(value, otherwise);
    return *value <= cap;
}

static bool box_take(size_t *high, size_t *low, size_t otherwise)
{
    if (*high == 0)
        *high = otherwise;
    if (*high > BOX_BYTES_CAP)
        return false;
    if (*low == 0)
        *low = *high / 2;
    return *low < *high;
}

/* Who names one bound means it for streams, too. */
static bool outbox_take(struct leat_conn_options *to)
{
    size_t stream = to->outbox_bytes ? to->outbox_bytes : 128 * KIB;
    if (to->outbox_bytes == 0)
        to->outbox_bytes = 4 * MIB;
    return box_take(&to->outbox_stream_bytes, &to->outbox_low_bytes, stream) &&
           to->outbox_stream_bytes <= to->outbox_bytes && to->outbox_bytes <= BOX_BYTES_CAP;
}

enum leat_error lti_options_hub(const struct leat_hub_options *from, struct leat_hub_options *to)
{
    enum leat_error error = options_take(to, sizeof *to, from);
    if (error != LEAT_OK)
        return error;
    if (to->memory_bytes_max == 0)
        to->memory_bytes_max = 1024 * MIB;
    bool good = to->backend == LEAT_BACKEND_DEFAULT || to->backend == LEAT_BACKEND_ONE_BY_ONE ||
                to->backend == LEAT_BACKEND_AHEAD || to->backend == LEAT_BACKEND_URING;
    good = number_take(&to->conns_max, 65536, 65536) && good;
    good = good && (to->spin_us <= LTI_SPIN_US_MAX || to->spin_us == LEAT_SPIN_OFF);
    return good ? LEAT_OK : LEAT_E_OPTIONS;
}

enum leat_error lti_options_conn(const struct leat_conn_options *from, struct leat_conn_options *to)
{
    enum leat_error error = options_take(to, sizeof *to, from);
    if (error != LEAT_OK)
        return error;
    if (to->protocol == 0)
        to->protocol = LEAT_BYTES;
    bool messages = to->protocol == LEAT_MESSAGES || to->protocol == LEAT_PACKETS;
    if (!messages && to->protocol != LEAT_BYTES)
        return LEAT_E_OPTIONS;
    if (to->empty_is_finish && to->protocol != LEAT_PACKETS)
        return LEAT_E_OPTIONS;
    if (to->frame_bytes_max && to->frame_bytes_max < LTI_FRAME_BYTES_EARLY)
        return LEAT_E_OPTIONS;
    bool good = number_take(&to->frame_bytes_max, (uint32_t)MIB, FRAME_BYTES_CAP);
    size_t frame = messages ? to->frame_bytes_max + FRAME_ROOM : 1;
    size_t inbox = 256 * KIB > frame ? 256 * KIB : frame;
    good = good && box_take(&to->inbox_bytes, &to->inbox_low_bytes, inbox);
    good = outbox_take(to) && good;
    good = good && to->inbox_bytes >= frame;
    good = good && to->gather_bytes <= GATHER_BYTES_CAP;
    good = good && to->gather_bytes <= to->outbox_stream_bytes;
    good = good && (to->gather_bytes == 0 || to->protocol != LEAT_PACKETS);
    number_default(&to->outbox_messages_max, 1024);
    good = number_take(&to->handshake_ms, 5000, HANDSHAKE_MS_CAP) && good;
    good = good && to->handshake_ms >= HANDSHAKE_MS_LEAST;
    number_default(&to->partial_frame_ms, 30000);
    number_default(&to->write_stall_ms, 30000);
    return good ? LEAT_OK : LEAT_E_OPTIONS;
}

enum leat_error lti_options_listen(const struct leat_listen_options *from,
                                   struct leat_listen_options *to)
{
    enum leat_error error = options_take(to, sizeof *to, from);
    if (error != LEAT_OK)
        return error;
    if (to->queued_bytes_max == 0)
        to->queued_bytes_max = 64 * MIB;
    bool good = number_take(&to->backlog, 0, 4096);
    /* Who asks for thousands of clients means his own user's, too. */
    good = good && number_take(&to->own_user_max, to->conns_max ? to->conns_max : 64, 65536);
    good = good && number_take(&to->conns_max, 128, 65536);
    good = good && number_take(&to->handshakes_max, 16, 65536);
    good = good && number_take(&to->per_user_max, 16, 65536);
    return good ? LEAT_OK : LEAT_E_OPTIONS;
}

enum leat_error lti_options_connect(const struct leat_connect_options *from,
                                    struct leat_connect_options *to)
{
    enum leat_error error = options_take(to, sizeof *to, from);
    if (error != LEAT_OK)
        return error;
    bool good = (to->absent == LEAT_ABSENT_FAIL || to->absent == LEAT_ABSENT_WAIT);
    number_default(&to->timeout_ms, 5000);
    return good ? LEAT_OK : LEAT_E_OPTIONS;
}
