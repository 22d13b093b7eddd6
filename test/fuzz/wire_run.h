/* SPDX-License-Identifier: MIT
 *
 * A stream from a raw peer into a connection of messages, cut at random, and what the library's
 * user was told of it, to be compared with wire_reference.h.
 */
#ifndef LTI_FUZZ_WIRE_RUN_H
#define LTI_FUZZ_WIRE_RUN_H

#include "conformance/kit.h"
#include "fuzz.h"
#include "wire_reference.h"

struct wire_run {
    struct leat_hub *hub;
    leat_conn conn;
    int fd;            /* the raw peer */
    bool silent, over; /* the raw peer has said all; CLOSED has come */
    bool finish_event;
    struct prng cuts;
    struct wire_told told;
};

/* Sends all of it in pieces that `cuts` draws, ends the stream, and takes what comes until the
 * connection has ended. */
void wire_run(struct wire_run *run, const uint8_t *bytes, size_t size);
/* Ends the program when the user was told anything else than docs/wire.md says. */
void wire_run_judge(const struct wire_run *run, const uint8_t *bytes, size_t size,
                    uint32_t frame_bytes_max);

#endif
