/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share: bytes, messages, frames of raw peers.
 *
 * Happy path: all of it is sent or received, and compared.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: nothing here knows which system it runs on.
 */
#include "kit.h"

#include <string.h>

/* ---- Bytes and messages ---------------------------------------------------------------------- */

void kit_write(struct leat_hub *hub, leat_conn conn, const void *data, size_t size)
{
    size_t accepted = 0;
    REQUIRE_ERROR(leat_write(hub, conn, data, size, &accepted), LEAT_OK);
    REQUIRE_INT(accepted, size);
}

void kit_write_text(struct leat_hub *hub, leat_conn conn, const char *text)
{
    kit_write(hub, conn, text, strlen(text));
}

void kit_read_text(struct leat_hub *hub, leat_conn conn, const char *text)
{
    char buffer[256] = "";
    size_t size = 0;
    REQUIRE(strlen(text) < sizeof buffer);
    REQUIRE_ERROR(leat_read_full(hub, conn, buffer, strlen(text), KIT_SOON_MS, &size), LEAT_OK);
    CHECK_STR(buffer, text);
}

void kit_finish(struct leat_hub *hub, leat_conn conn)
{
    CHECK_ERROR(leat_finish(hub, conn), KIT_PIPES ? LEAT_E_UNSUPPORTED : LEAT_OK);
    if (KIT_PIPES)
        CHECK_ERROR(leat_close(hub, conn, KIT_SOON_MS), LEAT_OK);
}

void kit_send_text(struct leat_hub *hub, leat_conn conn, const char *text)
{
    REQUIRE_ERROR(leat_send(hub, conn, text, strlen(text)), LEAT_OK);
}

void kit_receive_text(struct leat_hub *hub, leat_conn conn, const char *text)
{
    char buffer[256] = "";
    size_t size = 0;
    REQUIRE_ERROR(leat_receive_wait(hub, conn, buffer, sizeof buffer - 1, KIT_SOON_MS, &size),
                  LEAT_OK);
    CHECK_INT(size, strlen(text));
    CHECK_STR(buffer, text);
}

void kit_receive_pattern(struct leat_hub *hub, leat_conn conn, size_t size, uint64_t offset)
{
    static uint8_t message[2 * KIT_MIB];
    size_t came = 77;
    REQUIRE_ERROR(leat_receive_wait(hub, conn, message, sizeof message, KIT_SOON_MS, &came),
                  LEAT_OK);
    REQUIRE_INT(came, size);
    REQUIRE(kit_pattern_is(message, size, offset));
}

static bool is_messages(const struct leat_conn_options *options)
{
    return options != NULL && options->protocol == LEAT_MESSAGES;
}

void kit_say(struct leat_hub *hub, leat_conn conn, const struct leat_conn_options *options,
             const char *text)
{
    if (is_messages(options))
        kit_send_text(hub, conn, text);
    else
        kit_write_text(hub, conn, text);
}

void kit_hear(struct leat_hub *hub, leat_conn conn, const struct leat_conn_options *options,
              const char *text)
{
    if (is_messages(options))
        kit_receive_text(hub, conn, text);
    else
        kit_read_text(hub, conn, text);
}

uint64_t kit_fill(struct leat_hub *hub, leat_conn conn, uint64_t offset)
{
    static uint8_t block[65536];
    uint64_t total = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        size_t accepted = 0;
        kit_pattern(block, sizeof block, offset + total);
        enum leat_error error = leat_write(hub, conn, block, sizeof block, &accepted);
        if (error == LEAT_E_FULL)
            return total;
        REQUIRE_ERROR(error, LEAT_OK);
        total += accepted;
    }
    REQUIRE(total == 0); /* an outbox without a limit */
    return 0;
}

void kit_read_pattern(struct leat_hub *hub, leat_conn conn, uint64_t offset, uint64_t total)
{
    static uint8_t buffer[3000];
    for (uint64_t got = 0; got < total;) {
        size_t size = 0;
        uint64_t left = total - got;
        size_t want = left < sizeof buffer ? (size_t)left : sizeof buffer;
        REQUIRE_ERROR(leat_read_full(hub, conn, buffer, want, KIT_SOON_MS, &size), LEAT_OK);
        REQUIRE(kit_pattern_is(buffer, size, offset + got));
        got += size;
    }
}

void kit_inbox_comes(struct leat_hub *hub, leat_conn conn, uint64_t bytes)
{
    struct leat_event event;
    uint64_t end_ms = kit_now_ms() + lti_test_scaled_ms(KIT_SOON_MS);
    while (kit_info(hub, conn).inbox_bytes < bytes && kit_now_ms() < end_ms)
        (void)!leat_next(hub, &event, 1);
    REQUIRE_INT(kit_info(hub, conn).inbox_bytes, bytes);
}

uint64_t kit_read_to_the_end(struct leat_hub *hub, leat_conn conn, enum leat_error *end_out)
{
    static uint8_t block[65536];
    uint64_t total = 0;
    enum leat_error error = LEAT_OK;
    while (error == LEAT_OK) {
        size_t size = 0;
        error = leat_read(hub, conn, block, sizeof block, &size);
        REQUIRE(error != LEAT_OK || kit_pattern_is(block, size, total));
        total += error == LEAT_OK ? size : 0;
        if (error == LEAT_E_EMPTY)
            error = leat_wait_readable(hub, conn, KIT_SOON_MS);
    }
    *end_out = error;
    return total;
}

/* ---- Raw peers ------------------------------------------------------------------------------- */

const uint8_t kit_hello[KIT_HELLO_BYTES] = {
    'l', 'e', 'a', 't', '\r', '\n', 0x1A, '\n', /* magic */
    1,   0,   32,  0,                           /* version, size */
    0,   0,   16,  0,                           /* frame limit */
};

void kit_raw_header(int fd, uint8_t type, uint32_t size)
{
    const uint8_t header[KIT_HEADER_BYTES] = {
        (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24), type,
    };
    kit_raw_send(fd, header, sizeof header);
}

void kit_raw_frame(int fd, uint8_t type, const void *data, uint32_t size)
{
    kit_raw_header(fd, type, size);
    if (size > 0)
        kit_raw_send(fd, data, size);
}

leat_conn kit_raw_conn(struct leat_hub *hub, const struct leat_conn_options *options, int *fd_out)
{
    intptr_t handle = -1;
    leat_conn conn = {0};
    bool packets = options != NULL && options->protocol == LEAT_PACKETS;
    *fd_out = packets ? kit_raw_pair_packets(&handle) : kit_raw_pair(&handle);
    REQUIRE_ERROR(leat_adopt_conn(hub, handle, 1, options, &conn), LEAT_OK);
    if (is_messages(options)) {
        uint8_t hello[KIT_HELLO_BYTES];
        kit_raw_send(*fd_out, kit_hello, sizeof kit_hello);
        CHECK_INT(kit_raw_recv(*fd_out, hello, sizeof hello), sizeof hello);
    }
    REQUIRE_ERROR(leat_wait_connected(hub, conn, KIT_SOON_MS), LEAT_OK);
    return conn;
}
