/* SPDX-License-Identifier: MIT
 *
 * The frame decoder: any stream, in any pieces, gives the messages and the end that docs/wire.md
 * says.
 *
 * Input: a byte of choices (1: a good hello comes first; 2: the frame limit is 128 KiB and not 64;
 * 4: a payload follows), two bytes that choose the cuts, two for the size of that payload in pieces
 * of four, then the stream.
 */
#include "wire_run.h"

#include "frame.h"

#include <string.h>

#define STREAM_MAX 400000u

static uint8_t stream[STREAM_MAX];

/* The header alone, too: it must be judged alike wherever it stands, and come back as it was. */
static void header_judge(const uint8_t *bytes, size_t size, uint32_t frame_bytes_max)
{
    for (size_t at = 0; at + 8 <= size && at < 64; at++) {
        struct lti_frame frame = {77, 77};
        uint8_t again[LTI_FRAME_HEADER_BYTES];
        enum leat_error error = lti_frame_decode(bytes + at, frame_bytes_max, &frame);
        CHECK_ERROR(error, wire_reference_header(bytes + at, frame_bytes_max));
        if (error != LEAT_OK) {
            CHECK(frame.size == 77 && frame.type == 77);
            continue;
        }
        lti_frame_encode(&frame, again);
        CHECK_MEM(again, bytes + at, sizeof again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t choices = fuzz_byte(&input);
    struct leat_conn_options options = kit_messages;
    options.frame_bytes_max = choices & 2 ? 131072 : 65536;
    static struct wire_run run;
    run = (struct wire_run){.cuts = {fuzz_word(&input)}};
    size_t payload = 4 * (size_t)fuzz_word(&input), length = 0;
    header_judge(input.data, input.size, options.frame_bytes_max);

    if (choices & 1) {
        memcpy(stream, kit_hello, sizeof kit_hello);
        length = sizeof kit_hello;
    }
    struct fuzz_input rest = fuzz_part(&input, 100000);
    if (rest.size > 0)
        memcpy(stream + length, rest.data, rest.size);
    length += rest.size;
    if (choices & 4) {
        kit_pattern(stream + length, payload, 0);
        length += payload;
    }

    intptr_t handle;
    fuzz_world_begin(NULL);
    run.hub = kit_hub(NULL);
    run.fd = kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(run.hub, handle, 0, &options, &run.conn), LEAT_OK);
    wire_run(&run, stream, length);
    wire_run_judge(&run, stream, length, options.frame_bytes_max);
    CHECK(kit_hub_info(run.hub).memory_bytes_high < 1000000);
    kit_raw_close(run.fd);
    CHECK_ERROR(leat_hub_destroy(run.hub), LEAT_OK);
    fuzz_world_end();
    return 0;
}
