/* SPDX-License-Identifier: MIT
 *
 * JSON members for programs that read the command's output.
 *
 * Happy path: lti_tool_json_text writes "key":"text", escaped as RFC 8259 section 7 asks.
 *
 * Fails: text that is not UTF-8 cannot be a JSON string: it goes out as "key_base64". Errors of the
 * stream are found by lti_tool_output_check at the end.
 *
 * Invariants: every byte of the text is in the output, whatever it is.
 */
#include "tool.h"

#include <string.h>

/* The size of the well-formed UTF-8 sequence at `text` (Unicode 15, table 3-7), or 0. */
size_t lti_tool_utf8_size(const unsigned char *text, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t size;

    if (left == 0) {
        return 0;
    }
    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }
    size = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (text[0] == 0xe0) {
        low = 0xa0;
    } else if (text[0] == 0xed) {
        high = 0x9f;
    } else if (text[0] == 0xf0) {
        low = 0x90;
    } else if (text[0] == 0xf4) {
        high = 0x8f;
    }
    if (left < size || text[1] < low || text[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

bool lti_tool_utf8_valid(const void *text, size_t size)
{
    const unsigned char *at = text;

    while (size > 0) {
        size_t step = lti_tool_utf8_size(at, size);

        if (step == 0) {
            return false;
        }
        at += step;
        size -= step;
    }
    return true;
}

static void json_escaped(FILE *to, const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = text[i];

        if (c == '"' || c == '\\') {
            fprintf(to, "\\%c", c);
        } else if (c == '\n') {
            fputs("\\n", to);
        } else if (c == '\t') {
            fputs("\\t", to);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(to, "\\u%04x", (unsigned)c);
        } else {
            fputc(c, to);
        }
    }
}

static void json_base64(FILE *to, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)data[i] << 16;

        word |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        word |= i + 2 < size ? (uint32_t)data[i + 2] : 0;
        fputc(digits[word >> 18], to);
        fputc(digits[(word >> 12) & 63], to);
        fputc(i + 1 < size ? digits[(word >> 6) & 63] : '=', to);
        fputc(i + 2 < size ? digits[word & 63] : '=', to);
    }
}

void lti_tool_json_text(FILE *to, const char *key, const void *text, size_t size)
{
    if (lti_tool_utf8_valid(text, size)) {
        fprintf(to, "\"%s\":\"", key);
        json_escaped(to, text, size);
    } else {
        fprintf(to, "\"%s_base64\":\"", key);
        json_base64(to, text, size);
    }
    fputc('"', to);
}
