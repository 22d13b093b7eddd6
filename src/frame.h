/* SPDX-License-Identifier: MIT
 *
 * The wire protocol of LEAT_MESSAGES (docs/wire.md): encode and decode hello and frame headers.
 * Pure.
 */
#ifndef LTI_FRAME_H
#define LTI_FRAME_H

#include "leat/leat.h"

#define LTI_HELLO_BYTES 32u /* what we send; preface included */
/* what we accept: a longer hello of a later version, whose tail we skip */
#define LTI_HELLO_BYTES_MAX 4096u
#define LTI_FRAME_HEADER_BYTES 8u
/* every peer accepts messages of this size; what may be sent before its hello came */
#define LTI_FRAME_BYTES_EARLY 65536u
#define LTI_WIRE_VERSION 1u

enum lti_frame_type {
    LTI_FRAME_MESSAGE = 1,
    LTI_FRAME_FINISH = 2, /* payload empty */
    LTI_FRAME_CLOSE = 3,  /* payload 1 byte: enum lti_close_code */
    LTI_FRAME_PING = 4,   /* payload 8 bytes, echoed by PONG */
    LTI_FRAME_PONG = 5
};
/* types with this bit set are skipped by who does not know them */
#define LTI_FRAME_IGNORABLE 0x80u

enum lti_close_code {
    LTI_CLOSE_NORMAL = 0,
    LTI_CLOSE_PROTOCOL = 1,
    LTI_CLOSE_TOO_BIG = 2,
    LTI_CLOSE_BUSY = 3,
    LTI_CLOSE_DENIED = 4,
    LTI_CLOSE_TIMEOUT = 5
};

/* Feature bits of the hello. None is offered by this version; both are reserved. */
#define LTI_FEATURE_HANDLES (UINT64_C(1) << 0)
#define LTI_FEATURE_SHARED_MEMORY (UINT64_C(1) << 1)

struct lti_hello {
    uint16_t version;
    uint16_t size; /* of the whole hello */
    uint32_t frame_bytes_max;
    uint64_t features;          /* offered; unknown bits are ignored */
    uint64_t features_required; /* an unknown bit here is UNSUPPORTED */
};

struct lti_frame {
    uint32_t size; /* payload */
    uint8_t type;
};

void lti_hello_encode(const struct lti_hello *hello, uint8_t bytes_out[LTI_HELLO_BYTES]);

/* Looks at the first `size` bytes received. OK: a whole hello is there, hello_out->size bytes long.
 * EMPTY: so far right, more is needed. PROTOCOL: no leat peer, or a malformed hello (also when only
 * a part is there that cannot become one). UNSUPPORTED: version 0, or a required feature that we do
 * not know. */
enum leat_error lti_hello_decode(const uint8_t *bytes, size_t size, struct lti_hello *hello_out);

void lti_frame_encode(const struct lti_frame *frame, uint8_t bytes_out[LTI_FRAME_HEADER_BYTES]);

/* Judges a header of exactly 8 bytes. OK; PROTOCOL: unknown type, reserved bytes not zero, or a
 * control frame of a wrong length; TOO_BIG: a MESSAGE, or an ignorable frame, above
 * frame_bytes_max. */
enum leat_error lti_frame_decode(const uint8_t bytes[LTI_FRAME_HEADER_BYTES],
                                 uint32_t frame_bytes_max, struct lti_frame *frame_out);

/* What a CLOSE frame's code means to the one who gets it, and the reverse. */
enum leat_error lti_close_code_error(uint8_t code);
uint8_t lti_close_code_for(enum leat_error error);

#endif
