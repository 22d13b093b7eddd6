/* SPDX-License-Identifier: MIT
 *
 * What docs/wire.md says of a stream: a second reading of it, short and with the whole stream in
 * hand, to compare the library with. It shares no code with src/.
 */
#ifndef LTI_FUZZ_WIRE_REFERENCE_H
#define LTI_FUZZ_WIRE_REFERENCE_H

#include "leat/leat.h"

#define WIRE_MESSAGES_MAX 4096u

/* What a receiver tells its user, whatever pieces the stream came in. */
struct wire_told {
    bool opened;   /* the hello was good */
    bool finished; /* FINISHED was told, or is to be told when the end is in good order */
    enum leat_error end;
    uint32_t count; /* of the messages; those above the limit are counted only */
    struct wire_message {
        uint32_t size;
        uint64_t sum;
    } messages[WIRE_MESSAGES_MAX];
};

void wire_told_message(struct wire_told *told, const uint8_t *bytes, size_t size);

/* Judges a hello as far as it is there. OK: it is whole, *size_out bytes long; EMPTY: right so far;
 * PROTOCOL, UNSUPPORTED. */
enum leat_error wire_reference_hello(const uint8_t *bytes, size_t size, uint32_t *size_out);
/* Judges a frame's header. OK, PROTOCOL, TOO_BIG. */
enum leat_error wire_reference_header(const uint8_t bytes[8], uint32_t frame_bytes_max);
/* A whole stream, hello included, which ended behind its last byte. */
void wire_reference(const uint8_t *bytes, size_t size, uint32_t frame_bytes_max,
                    struct wire_told *told_out);

#endif
