/* SPDX-License-Identifier: MIT
 *
 * The hello: judged as docs/wire.md says, at each number of bytes that have come so far; a
 * judgement is never taken back; what was decoded is what the bytes say.
 *
 * Input: the bytes of a hello; when the first one is 0, the magic is put in its place.
 */
#include "fuzz.h"

#include "frame.h"
#include "wire_reference.h"

#include <stdlib.h>
#include <string.h>

#define HELLO_MAX 5000u

static void decoded_judge(const struct lti_hello *hello, const uint8_t *bytes)
{
    uint8_t again[LTI_HELLO_BYTES];
    lti_hello_encode(hello, again);
    CHECK_MEM(again, bytes, 10);
    CHECK_MEM(again + 12, bytes + 12, LTI_HELLO_BYTES - 12);
    CHECK_INT(hello->size, bytes[10] | bytes[11] << 8);
}

/* Of the first `size` bytes, in memory of just that size. */
static enum leat_error part_judge(const uint8_t *bytes, size_t size)
{
    static const struct lti_hello untouched = {7, 7, 7, 7, 7};
    struct lti_hello hello = untouched;
    uint32_t whole = 0;
    uint8_t *part = malloc(size > 0 ? size : 1);
    REQUIRE(part != NULL);
    if (size > 0)
        memcpy(part, bytes, size);
    enum leat_error error = lti_hello_decode(part, size, &hello);
    CHECK_ERROR(error, wire_reference_hello(part, size, &whole));
    if (error == LEAT_OK) {
        decoded_judge(&hello, part);
        CHECK_INT(hello.size, whole);
    } else {
        CHECK_MEM(&hello, &untouched, sizeof hello);
    }
    free(part);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t magic[8] = {'l', 'e', 'a', 't', '\r', '\n', 0x1A, '\n'};
    uint8_t bytes[HELLO_MAX] = {0};
    size_t length = size < HELLO_MAX - sizeof magic ? size : HELLO_MAX - sizeof magic;
    size_t skip = length > 0 && data[0] == 0 ? 1 : 0, at = skip ? sizeof magic : 0;
    memcpy(bytes, magic, at);
    if (length > skip)
        memcpy(bytes + at, data + skip, length - skip);
    length = at + length - skip;

    enum leat_error before = LEAT_E_EMPTY;
    for (size_t part = 0; part <= length; part += part < 48 || length - part < 97 ? 1 : 97) {
        enum leat_error error = part_judge(bytes, part);
        if (before != LEAT_E_EMPTY)
            CHECK_ERROR(error, before);
        before = error;
    }
    return 0;
}
