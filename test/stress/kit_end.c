/* SPDX-License-Identifier: MIT
 *
 * What the stress tests share: one end of a connection that sends and receives, and tells of it.
 *
 * Happy path: each write and message is announced, made, and reported; what comes is compared with
 *             what its place says it must be.
 * Fails:      a call that fails otherwise than leat.h says ends the test.
 * Invariants: content is a function of the connection's number, its end and the place, so nobody
 *             keeps what was sent.
 */
#include "stress.h"

#include <stdlib.h>

#define BUFFER_BYTES (256 * STRESS_KIB)

static void tell(const struct stress_end *end, enum lti_history_kind kind, uint64_t a, uint64_t b,
                 uint64_t c)
{
    stress_tell(end->tale, end->teller, end->number, end->end, kind, a, b, c);
}

/* It ended while we were at it: CLOSED tells why. */
static bool is_end(enum leat_error error)
{
    return error == LEAT_E_CLOSED || error == LEAT_E_BROKEN || error == LEAT_E_TIMEOUT;
}

/* True when it can go on. */
static bool pour_bytes(struct stress_end *end, uint8_t *buffer)
{
    uint64_t left = end->to_send - end->sent;
    size_t size = left < end->piece_max ? (size_t)left : end->piece_max;
    size_t accepted = 0;
    lti_history_fill(stress_tale_content(end->tale), end->number, end->end, LTI_HISTORY_BYTES,
                     end->sent, buffer, size);
    tell(end, LTI_HISTORY_SUBMIT, end->sent, size, 0);
    enum leat_error error = leat_write(end->hub, end->conn, buffer, size, &accepted);
    if (error == LEAT_OK) {
        tell(end, LTI_HISTORY_ACCEPTED, end->sent, accepted, 0);
        end->sent += accepted;
    }
    if (error == LEAT_E_FULL || (error == LEAT_OK && accepted < size))
        tell(end, LTI_HISTORY_FULL, 0, 0, 0);
    REQUIRE(error == LEAT_OK || error == LEAT_E_FULL || is_end(error));
    return error == LEAT_OK && accepted == size;
}

static bool pour_message(struct stress_end *end, uint8_t *buffer)
{
    if (end->piece == 0)
        end->piece = 1 + prng_below(&end->random, end->piece_max + 1);
    size_t size = end->piece - 1;
    lti_history_fill(stress_tale_content(end->tale), end->number, end->end, end->sent, 0, buffer,
                     size);
    tell(end, LTI_HISTORY_SEND, end->sent, size, 0);
    enum leat_error error = leat_send(end->hub, end->conn, buffer, size);
    if (error == LEAT_OK) {
        tell(end, LTI_HISTORY_SENT, end->sent++, 0, 0);
        end->piece = 0;
    }
    if (error == LEAT_E_FULL)
        tell(end, LTI_HISTORY_FULL, 0, 0, 0);
    REQUIRE(error == LEAT_OK || error == LEAT_E_FULL || is_end(error));
    return error == LEAT_OK;
}

static uint8_t *buffer_make(size_t size)
{
    uint8_t *buffer = malloc(size + 1);
    REQUIRE(buffer != NULL);
    return buffer;
}

void stress_pour(struct stress_end *end)
{
    if (end->over || end->sent == end->to_send)
        return;
    uint8_t *buffer = buffer_make(end->piece_max);
    bool more = true;
    while (more && end->sent < end->to_send)
        more = end->messages ? pour_message(end, buffer) : pour_bytes(end, buffer);
    free(buffer);
}

/* True when there may be more. */
static bool drink_once(struct stress_end *end, uint8_t *buffer)
{
    size_t size = 0;
    enum leat_error error = end->messages
                                ? leat_receive(end->hub, end->conn, buffer, BUFFER_BYTES, &size)
                                : leat_read(end->hub, end->conn, buffer, BUFFER_BYTES, &size);
    if (error != LEAT_OK) {
        REQUIRE(error == LEAT_E_EMPTY || error == LEAT_E_FINISHED || is_end(error));
        return false;
    }
    uint64_t number = end->messages ? end->received : LTI_HISTORY_BYTES;
    uint64_t offset = end->messages ? 0 : end->received;
    uint64_t wrong = lti_history_wrong(stress_tale_content(end->tale), end->number, end->end ^ 1u,
                                       number, offset, buffer, size);
    tell(end, end->messages ? LTI_HISTORY_MESSAGE : LTI_HISTORY_RECEIVED, end->received, size,
         wrong);
    end->received += end->messages ? 1 : size;
    return true;
}

void stress_drink(struct stress_end *end, uint32_t most)
{
    if (end->over)
        return;
    uint8_t *buffer = buffer_make(BUFFER_BYTES);
    for (uint32_t i = 0; i < most && drink_once(end, buffer); i++) {
    }
    free(buffer);
}

void stress_event(struct stress_end *end, const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_READABLE:
        stress_drink(end, UINT32_MAX);
        break;
    case LEAT_EVENT_CONNECTED:
    case LEAT_EVENT_ACCEPTED:
        stress_pour(end);
        break;
    case LEAT_EVENT_WRITABLE:
        tell(end, LTI_HISTORY_WRITABLE, 0, 0, 0);
        stress_pour(end);
        break;
    case LEAT_EVENT_FINISHED:
        tell(end, LTI_HISTORY_FINISHED, 0, 0, 0);
        end->finished = true;
        break;
    case LEAT_EVENT_CLOSED:
        tell(end, LTI_HISTORY_CLOSED, (uint64_t)event->error, event->bytes_undelivered, 0);
        end->over = true;
        break;
    default:
        break;
    }
}

void stress_close(struct stress_end *end, uint32_t linger_ms)
{
    tell(end, LTI_HISTORY_CLOSE, 0, 0, 0);
    end->over = true;
    REQUIRE_ERROR(leat_close(end->hub, end->conn, linger_ms), LEAT_OK);
}

void stress_abort(struct stress_end *end)
{
    tell(end, LTI_HISTORY_ABORT, 0, 0, 0);
    end->over = true;
    REQUIRE_ERROR(leat_abort(end->hub, end->conn), LEAT_OK);
}

void stress_reported(const struct stress_end *end, enum leat_error error, uint64_t undelivered)
{
    tell(end, LTI_HISTORY_REPORT, (uint64_t)error, undelivered, 0);
}

void stress_close_report(struct stress_end *end, uint32_t linger_ms, uint64_t tag)
{
    tell(end, LTI_HISTORY_CLOSE, 1, 0, 0);
    end->over = true;
    REQUIRE_ERROR(leat_close_report(end->hub, end->conn, linger_ms, tag), LEAT_OK);
}

void stress_close_wait(struct stress_end *end, uint32_t linger_ms)
{
    uint64_t undelivered = 0;
    tell(end, LTI_HISTORY_CLOSE, 1, 0, 0);
    end->over = true;
    enum leat_error error = leat_close_wait(end->hub, end->conn, linger_ms, &undelivered);
    REQUIRE(error == LEAT_OK || error == LEAT_E_TIMEOUT || error == LEAT_E_BROKEN);
    stress_reported(end, error, undelivered);
}
