/* SPDX-License-Identifier: MIT
 *
 * docs/wire.md, read once more: sections 2 (hello), 3 (frames) and 4 (the end), rule by rule.
 */
#include "wire_reference.h"

#include <string.h>

static uint32_t number(const uint8_t *bytes, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value += (uint32_t)bytes[i] << (8 * i);
    return value;
}

void wire_told_message(struct wire_told *told, const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001B3);
    if (told->count < WIRE_MESSAGES_MAX)
        told->messages[told->count] = (struct wire_message){(uint32_t)size, sum};
    told->count++;
}

enum leat_error wire_reference_hello(const uint8_t *bytes, size_t size, uint32_t *size_out)
{
    static const char magic[] = "leat\r\n\x1A\n";
    for (size_t i = 0; i < 8 && i < size; i++)
        if (bytes[i] != (uint8_t)magic[i])
            return LEAT_E_PROTOCOL;
    if (size >= 10 && number(bytes + 8, 2) == 0)
        return LEAT_E_UNSUPPORTED;
    uint32_t whole = size >= 12 ? number(bytes + 10, 2) : 32;
    if (whole < 32 || whole > 4096)
        return LEAT_E_PROTOCOL;
    if (size >= 16 && number(bytes + 12, 4) < 65536)
        return LEAT_E_PROTOCOL;
    for (size_t i = 24; i < 32 && size >= 32; i++)
        if (bytes[i] != 0)
            return LEAT_E_UNSUPPORTED;
    *size_out = whole;
    return size >= whole ? LEAT_OK : LEAT_E_EMPTY;
}

enum leat_error wire_reference_header(const uint8_t bytes[8], uint32_t frame_bytes_max)
{
    static const uint32_t control[6] = {0, 0, 0, 1, 8, 8}; /* sizes of types 2 to 5 */
    uint32_t size = number(bytes, 4), type = bytes[4];
    if (bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0)
        return LEAT_E_PROTOCOL;
    if (type >= 2 && type <= 5)
        return size == control[type] ? LEAT_OK : LEAT_E_PROTOCOL;
    if (type != 1 && type < 128)
        return LEAT_E_PROTOCOL;
    return size <= frame_bytes_max ? LEAT_OK : LEAT_E_TOO_BIG;
}

static enum leat_error close_meaning(uint8_t code)
{
    static const enum leat_error meanings[] = {LEAT_E_CLOSED, LEAT_E_PROTOCOL, LEAT_E_TOO_BIG,
                                               LEAT_E_BUSY,   LEAT_E_DENIED,   LEAT_E_TIMEOUT};
    return code < 6 ? meanings[code] : LEAT_E_PROTOCOL;
}

/* The frames, and how it ended. */
static enum leat_error frames(const uint8_t *bytes, size_t size, uint32_t frame_bytes_max,
                              struct wire_told *told)
{
    bool finish = false;
    while (size >= 8) {
        enum leat_error error = wire_reference_header(bytes, frame_bytes_max);
        uint32_t payload = number(bytes, 4);
        if (error != LEAT_OK)
            return error;
        if (size - 8 < payload)
            return LEAT_E_BROKEN;
        if (bytes[4] <= 2 && finish)
            return LEAT_E_PROTOCOL;
        if (bytes[4] == 1)
            wire_told_message(told, bytes + 8, payload);
        if (bytes[4] == 3) {
            told->finished = bytes[8] == 0;
            return close_meaning(bytes[8]);
        }
        finish = finish || bytes[4] == 2;
        bytes += 8 + payload;
        size -= 8 + payload;
    }
    told->finished = finish && size == 0;
    return told->finished ? LEAT_E_CLOSED : LEAT_E_BROKEN;
}

void wire_reference(const uint8_t *bytes, size_t size, uint32_t frame_bytes_max,
                    struct wire_told *told_out)
{
    uint32_t hello = 0;
    *told_out = (struct wire_told){.end = wire_reference_hello(bytes, size, &hello)};
    if (told_out->end == LEAT_E_EMPTY)
        told_out->end = LEAT_E_BROKEN;
    if (told_out->end != LEAT_OK)
        return;
    told_out->opened = true;
    told_out->end = frames(bytes + hello, size - hello, frame_bytes_max, told_out);
}
