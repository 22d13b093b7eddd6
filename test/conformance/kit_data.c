/* SPDX-License-Identifier: MIT
 *
 * What the conformance tests share: bytes, messages, raw peers.
 *
 * Happy path: all of it is sent or received, and compared.
 * Fails:      a helper that cannot do its work ends the test.
 * Invariants: raw peers go through the system seam only, so that they live on either kernel.
 */
#include "kit.h"

#include "os_posix.h"

#include <stdio.h>
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

/* The bytes of sun_path that a name stands for. */
static size_t raw_address(const char *name, char address[LTI_OS_PATH_MAX + 8])
{
    size_t size = 0;
    REQUIRE_ERROR(leat_resolve(name, address, LTI_OS_PATH_MAX + 8, &size), LEAT_OK);
    size -= 5;
    memmove(address, address + 5, size + 1);
    if (address[0] == '@')
        address[0] = '\0';
    return size;
}

int kit_raw_connect(const char *name)
{
    char address[LTI_OS_PATH_MAX + 8];
    size_t size = raw_address(name, address);
    int64_t fd = lti_os_socket();
    REQUIRE(fd >= 0);
    REQUIRE_INT(lti_os_connect((int)fd, address, size), 0);
    return (int)fd;
}

int kit_raw_listen(const char *name, uint32_t backlog)
{
    char address[LTI_OS_PATH_MAX + 8];
    size_t size = raw_address(name, address);
    int64_t fd = lti_os_socket();
    REQUIRE(fd >= 0);
    REQUIRE_INT(lti_os_bind((int)fd, address, size), 0);
    REQUIRE_INT(lti_os_listen((int)fd, backlog), 0);
    return (int)fd;
}

int kit_raw_accept(int listener)
{
    int64_t fd = lti_os_accept(listener);
    REQUIRE(fd >= 0);
    return (int)fd;
}

void kit_raw_send(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    REQUIRE_INT(lti_os_send(fd, &slice, 1), size);
}

size_t kit_raw_try_send(int fd, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    int64_t result = lti_os_send(fd, &slice, 1);
    return result > 0 ? (size_t)result : 0;
}

int64_t kit_raw_recv(int fd, void *buffer, size_t size)
{
    uint32_t flags = 0;
    int64_t result = lti_os_recv(fd, buffer, size, &flags);
    if (result > 0)
        return result;
    if (result == 0)
        return -1;
    if (lti_os_kind_of(result) == LTI_OS_RESET)
        return -2;
    REQUIRE_INT(lti_os_kind_of(result), LTI_OS_AGAIN);
    return 0;
}

void kit_raw_close(int fd)
{
    CHECK_INT(lti_os_close(fd), 0);
}

void kit_raw_finish(int fd)
{
    CHECK_INT(lti_os_shutdown_write(fd), 0);
}

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
