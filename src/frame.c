/* SPDX-License-Identifier: MIT
 *
 * The wire protocol of LEAT_MESSAGES, byte for byte; docs/wire.md is its description.
 *
 * Happy path: a hello is encoded once and decoded as it comes in, however it was cut; then each
 *             frame's header is encoded and decoded whole.
 * Fails:      decoding gives PROTOCOL, UNSUPPORTED or TOO_BIG as soon as the bytes that are
 *             there cannot become anything that is allowed.
 * Invariants: no byte behind the given size is looked at; a judgement on a part of a hello is
 *             never taken back when more of it comes.
 */
#include "frame.h"

#include <string.h>

/* CR LF and LF show a transport that changes line ends, SUB stops a text display. */
static const uint8_t hello_magic[8] = {'l', 'e', 'a', 't', '\r', '\n', 0x1A, '\n'};

#define HELLO_VERSION_AT 8u
#define HELLO_SIZE_AT 10u
#define HELLO_FRAME_BYTES_MAX_AT 12u
#define HELLO_FEATURES_AT 16u
#define HELLO_FEATURES_REQUIRED_AT 24u

#define FRAME_TYPE_AT 4u
#define FRAME_FLAGS_AT 5u
#define FRAME_RESERVED_AT 6u

#define CLOSE_PAYLOAD_BYTES 1u
#define PING_PAYLOAD_BYTES 8u

static void little_put(uint8_t *bytes_out, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes_out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t little_get(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* Four bytes as one: frames are many. */
static uint32_t little_get_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

void lti_hello_encode(const struct lti_hello *hello, uint8_t bytes_out[LTI_HELLO_BYTES])
{
    memcpy(bytes_out, hello_magic, sizeof hello_magic);
    little_put(bytes_out + HELLO_VERSION_AT, 2, hello->version);
    little_put(bytes_out + HELLO_SIZE_AT, 2, LTI_HELLO_BYTES);
    little_put(bytes_out + HELLO_FRAME_BYTES_MAX_AT, 4, hello->frame_bytes_max);
    little_put(bytes_out + HELLO_FEATURES_AT, 8, hello->features);
    little_put(bytes_out + HELLO_FEATURES_REQUIRED_AT, 8, hello->features_required);
}

enum leat_error lti_hello_decode(const uint8_t *bytes, size_t size, struct lti_hello *hello_out)
{
    struct lti_hello hello;
    if (size == 0)
        return LEAT_E_EMPTY; /* and `bytes` may be null */
    size_t magic_size = size < sizeof hello_magic ? size : sizeof hello_magic;
    if (memcmp(bytes, hello_magic, magic_size) != 0)
        return LEAT_E_PROTOCOL;
    if (size < HELLO_SIZE_AT)
        return LEAT_E_EMPTY;
    hello.version = (uint16_t)little_get(bytes + HELLO_VERSION_AT, 2);
    if (hello.version == 0)
        return LEAT_E_UNSUPPORTED;
    if (size < HELLO_FRAME_BYTES_MAX_AT)
        return LEAT_E_EMPTY;
    hello.size = (uint16_t)little_get(bytes + HELLO_SIZE_AT, 2);
    if (hello.size < LTI_HELLO_BYTES || hello.size > LTI_HELLO_BYTES_MAX)
        return LEAT_E_PROTOCOL;
    if (size < HELLO_FEATURES_AT)
        return LEAT_E_EMPTY;
    hello.frame_bytes_max = (uint32_t)little_get(bytes + HELLO_FRAME_BYTES_MAX_AT, 4);
    if (hello.frame_bytes_max < LTI_FRAME_BYTES_EARLY)
        return LEAT_E_PROTOCOL;
    if (size < LTI_HELLO_BYTES)
        return LEAT_E_EMPTY;
    hello.features = little_get(bytes + HELLO_FEATURES_AT, 8);
    hello.features_required = little_get(bytes + HELLO_FEATURES_REQUIRED_AT, 8);
    if (hello.features_required != 0)
        return LEAT_E_UNSUPPORTED; /* this version knows no feature */
    if (size < hello.size)
        return LEAT_E_EMPTY;
    *hello_out = hello;
    return LEAT_OK;
}

void lti_frame_encode(const struct lti_frame *frame, uint8_t bytes_out[LTI_FRAME_HEADER_BYTES])
{
    memset(bytes_out, 0, LTI_FRAME_HEADER_BYTES);
    little_put(bytes_out, 4, frame->size);
    bytes_out[FRAME_TYPE_AT] = frame->type;
}

/* The one length that a control frame may have; -1: not a control frame. */
static int64_t frame_control_size(uint8_t type)
{
    switch (type) {
    case LTI_FRAME_FINISH:
        return 0;
    case LTI_FRAME_CLOSE:
        return CLOSE_PAYLOAD_BYTES;
    case LTI_FRAME_PING:
    case LTI_FRAME_PONG:
        return PING_PAYLOAD_BYTES;
    default:
        return -1;
    }
}

enum leat_error lti_frame_decode(const uint8_t bytes[LTI_FRAME_HEADER_BYTES],
                                 uint32_t frame_bytes_max, struct lti_frame *frame_out)
{
    struct lti_frame frame;
    frame.size = little_get_32(bytes);
    frame.type = bytes[FRAME_TYPE_AT];
    if (little_get_32(bytes + FRAME_TYPE_AT) != frame.type) /* flags, and what is reserved */
        return LEAT_E_PROTOCOL;
    bool limited = frame.type == LTI_FRAME_MESSAGE || (frame.type & LTI_FRAME_IGNORABLE) != 0;
    if (limited && frame.size > frame_bytes_max)
        return LEAT_E_TOO_BIG;
    if (!limited && frame.size != frame_control_size(frame.type))
        return LEAT_E_PROTOCOL;
    *frame_out = frame;
    return LEAT_OK;
}

enum leat_error lti_close_code_error(uint8_t code)
{
    switch (code) {
    case LTI_CLOSE_NORMAL:
        return LEAT_E_CLOSED;
    case LTI_CLOSE_TOO_BIG:
        return LEAT_E_TOO_BIG;
    case LTI_CLOSE_BUSY:
        return LEAT_E_BUSY;
    case LTI_CLOSE_DENIED:
        return LEAT_E_DENIED;
    case LTI_CLOSE_TIMEOUT:
        return LEAT_E_TIMEOUT;
    case LTI_CLOSE_PROTOCOL:
    default: /* a code of a later version: all that is certain is that it is no goodbye */
        return LEAT_E_PROTOCOL;
    }
}

uint8_t lti_close_code_for(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
    case LEAT_E_CLOSED:
    case LEAT_E_FINISHED:
        return LTI_CLOSE_NORMAL;
    case LEAT_E_TOO_BIG:
        return LTI_CLOSE_TOO_BIG;
    case LEAT_E_BUSY:
    case LEAT_E_LIMIT:
    case LEAT_E_MEMORY:
    case LEAT_E_SYSTEM: /* the sender's own trouble, not a reproach to the one who gets it */
        return LTI_CLOSE_BUSY;
    case LEAT_E_DENIED:
    case LEAT_E_UNTRUSTED:
        return LTI_CLOSE_DENIED;
    case LEAT_E_TIMEOUT:
        return LTI_CLOSE_TIMEOUT;
    default:
        return LTI_CLOSE_PROTOCOL;
    }
}
