/* SPDX-License-Identifier: MIT
 *
 * A hostile server: whatever it replies, a client is told what docs/wire.md says, and its hub's
 * other connections are not hurt.
 *
 * Input: a byte of choices (1: the client sends a message early; 2: it asks for signs of life;
 * 4: the answer begins with a good hello), two bytes that choose the cuts, then the answer.
 */
#include "wire_run.h"

#include <string.h>

#define STREAM_MAX 100000u

static void friends_talk(struct leat_hub *hub, const struct kit_ends *friends)
{
    kit_send_text(hub, friends->dialled, "untouched");
    kit_receive_text(hub, friends->accepted, "untouched");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t stream[STREAM_MAX + KIT_HELLO_BYTES];
    struct fuzz_input input = {data, size};
    uint8_t choices = fuzz_byte(&input);
    struct leat_conn_options options = kit_messages;
    static struct wire_run run;
    run = (struct wire_run){.cuts = {fuzz_word(&input)}};
    size_t length = choices & 4 ? KIT_HELLO_BYTES : 0;
    memcpy(stream, kit_hello, length);
    struct fuzz_input rest = fuzz_part(&input, STREAM_MAX);
    if (rest.size > 0)
        memcpy(stream + length, rest.data, rest.size);
    length += rest.size;

    options.frame_bytes_max = 65536;
    options.keepalive_ms = choices & 2 ? 1000 : 0;
    fuzz_world_begin(NULL);
    const char *name = kit_path("server");
    int listener = kit_raw_listen(name, 4);
    run.hub = kit_hub(NULL);
    struct kit_ends friends = kit_pair(run.hub, &kit_messages);
    run.conn = kit_connect(run.hub, name, 0, &options);
    run.fd = kit_raw_accept(listener);
    if (choices & 1)
        REQUIRE_ERROR(leat_send(run.hub, run.conn, "early", 5), LEAT_OK);
    wire_run(&run, stream, length);
    wire_run_judge(&run, stream, length, options.frame_bytes_max);
    CHECK(kit_hub_info(run.hub).memory_bytes_high < 1000000);
    friends_talk(run.hub, &friends);
    kit_raw_close(run.fd);
    kit_raw_unlisten(listener, name);
    CHECK_ERROR(leat_hub_destroy(run.hub), LEAT_OK);
    fuzz_world_end();
    return 0;
}
