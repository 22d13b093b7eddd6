/* SPDX-License-Identifier: MIT
 *
 * The wire protocol: the vectors of test/vectors/wire.txt, and every cut and every changed byte.
 */
#include "frame.h"

#include "harness.h"
#include "prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_LIMIT 1048576u /* what the vectors are judged with */

/* ---- Vectors --------------------------------------------------------------------------------- */

struct vector {
    char line[600];
    const char *kind, *name, *result, *fields;
    uint8_t bytes[256];
    size_t size;
};

/* This file's neighbour in the tree. */
static FILE *vectors_open(void)
{
    static const char there[] = "../test/vectors/wire.txt";
    char path[1024] = __FILE__;
    char *end = strrchr(path, '/');
    end = end != NULL ? end + 1 : path;
    REQUIRE((size_t)(end - path) + sizeof there <= sizeof path);
    memcpy(end, there, sizeof there);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        printf("%s cannot be opened\n", path);
    REQUIRE(file != NULL);
    return file;
}

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr(digits, digit);
    REQUIRE(at != NULL && digit != '\0');
    return (int)(at - digits);
}

static bool vector_next(FILE *file, struct vector *vector)
{
    do {
        if (fgets(vector->line, sizeof vector->line, file) == NULL)
            return false;
    } while (vector->line[0] == '#' || vector->line[0] == '\n');
    char *rest = NULL;
    vector->kind = strtok_r(vector->line, " \n", &rest);
    vector->name = strtok_r(NULL, " \n", &rest);
    vector->result = strtok_r(NULL, " \n", &rest);
    const char *hex = strtok_r(NULL, " \n", &rest);
    REQUIRE(hex != NULL);
    vector->fields = rest;
    vector->size = 0;
    if (strcmp(hex, "-") == 0)
        return true;
    REQUIRE(strlen(hex) % 2 == 0 && strlen(hex) / 2 <= sizeof vector->bytes);
    for (; *hex != '\0'; hex += 2)
        vector->bytes[vector->size++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
    return true;
}

static uint64_t vector_field(const struct vector *vector, const char *name)
{
    const char *at = strstr(vector->fields, name);
    REQUIRE(at != NULL && at[strlen(name)] == '=');
    return strtoull(at + strlen(name) + 1, NULL, 10);
}

static bool vector_hello(const struct vector *vector)
{
    struct lti_hello hello = {0};
    bool good = CHECK_STR(leat_error_name(lti_hello_decode(vector->bytes, vector->size, &hello)),
                          vector->result);
    if (strcmp(vector->result, "OK") != 0)
        return CHECK_INT(hello.size, 0) && good;
    good = CHECK_INT(hello.version, vector_field(vector, "version")) && good;
    good = CHECK_INT(hello.size, vector_field(vector, "size")) && good;
    good = CHECK_INT(hello.frame_bytes_max, vector_field(vector, "frame_bytes_max")) && good;
    good = CHECK_INT(hello.features, vector_field(vector, "features")) && good;
    if (hello.size == LTI_HELLO_BYTES) {
        uint8_t again[LTI_HELLO_BYTES];
        lti_hello_encode(&hello, again);
        good = CHECK_MEM(again, vector->bytes, LTI_HELLO_BYTES) && good;
    }
    return good;
}

static bool vector_frame(const struct vector *vector)
{
    struct lti_frame frame = {0};
    REQUIRE(vector->size >= LTI_FRAME_HEADER_BYTES);
    bool good = CHECK_STR(leat_error_name(lti_frame_decode(vector->bytes, FRAME_LIMIT, &frame)),
                          vector->result);
    if (strcmp(vector->result, "OK") != 0)
        return CHECK_INT(frame.type, 0) && good;
    uint8_t again[LTI_FRAME_HEADER_BYTES];
    good = CHECK_INT(frame.type, vector_field(vector, "type")) && good;
    good = CHECK_INT(frame.size, vector_field(vector, "size")) && good;
    lti_frame_encode(&frame, again);
    return CHECK_MEM(again, vector->bytes, LTI_FRAME_HEADER_BYTES) && good;
}

TEST(frame_vectors)
{
    struct vector vector;
    int counts[3] = {0};
    FILE *file = vectors_open();
    while (vector_next(file, &vector)) {
        bool good = false;
        if (strcmp(vector.kind, "hello") == 0) {
            good = vector_hello(&vector);
            counts[0]++;
        } else if (strcmp(vector.kind, "frame") == 0) {
            good = vector_frame(&vector);
            counts[1]++;
        } else if (CHECK_STR(vector.kind, "close")) {
            enum leat_error error = lti_close_code_error(vector.bytes[0]);
            good = CHECK_STR(leat_error_name(error), vector.result);
            counts[2]++;
        }
        if (!good)
            printf("in vector %s %s\n", vector.kind, vector.name);
    }
    fclose(file);
    CHECK(counts[0] >= 29 && counts[1] >= 29 && counts[2] >= 8);
}

/* ---- Hello ----------------------------------------------------------------------------------- */

static const struct lti_hello hello_plain = {LTI_WIRE_VERSION, LTI_HELLO_BYTES, 1 << 20, 0, 0};

/* From a block of just this size, so that a checker sees any byte read behind it. */
static enum leat_error decode_exactly(const uint8_t *bytes, size_t size, struct lti_hello *hello)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, size);
    enum leat_error error = lti_hello_decode(size > 0 ? copy : NULL, size, hello);
    free(copy);
    return error;
}

TEST(hello_cut_at_every_length)
{
    struct lti_hello hello;
    uint8_t bytes[LTI_HELLO_BYTES_MAX + 1] = {0};
    for (uint16_t whole = LTI_HELLO_BYTES; whole <= LTI_HELLO_BYTES_MAX; whole += 508) {
        lti_hello_encode(&hello_plain, bytes);
        bytes[10] = (uint8_t)whole;
        bytes[11] = (uint8_t)(whole >> 8);
        for (size_t size = 0; size < whole; size++)
            REQUIRE_ERROR(decode_exactly(bytes, size, &hello), LEAT_E_EMPTY);
        CHECK_ERROR(decode_exactly(bytes, whole, &hello), LEAT_OK);
        CHECK_ERROR(decode_exactly(bytes, whole + 1u, &hello), LEAT_OK);
        CHECK_INT(hello.size, whole);
    }
}

/* What a hello with one byte changed must give, from the table in docs/wire.md. */
static enum leat_error hello_judge(const uint8_t *bytes, size_t size)
{
    uint32_t limit = 0;
    if (memcmp(bytes, "leat\r\n\x1A\n", size < 8 ? size : 8) != 0)
        return LEAT_E_PROTOCOL;
    if (size >= 10 && bytes[8] == 0 && bytes[9] == 0)
        return LEAT_E_UNSUPPORTED;
    uint32_t whole = bytes[10] | (uint32_t)bytes[11] << 8;
    if (size >= 12 && (whole < 32 || whole > 4096))
        return LEAT_E_PROTOCOL;
    for (int i = 3; i >= 0; i--)
        limit = limit << 8 | bytes[12 + i];
    if (size >= 16 && limit < 65536)
        return LEAT_E_PROTOCOL;
    for (int i = 24; size >= 32 && i < 32; i++)
        if (bytes[i] != 0)
            return LEAT_E_UNSUPPORTED;
    return size >= 32 && size >= whole ? LEAT_OK : LEAT_E_EMPTY;
}

TEST(hello_with_every_byte_changed)
{
    struct lti_hello hello;
    uint8_t bytes[LTI_HELLO_BYTES];
    for (size_t at = 0; at < LTI_HELLO_BYTES; at++) {
        for (uint32_t value = 0; value < 256; value++) {
            lti_hello_encode(&hello_plain, bytes);
            bytes[at] = (uint8_t)value;
            for (size_t size = 0; size <= LTI_HELLO_BYTES; size++)
                REQUIRE_ERROR(decode_exactly(bytes, size, &hello), hello_judge(bytes, size));
        }
    }
}

TEST(hello_round_trip)
{
    struct prng prng = {5};
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[LTI_HELLO_BYTES];
        struct lti_hello back;
        struct lti_hello hello = {(uint16_t)(1 + prng_below(&prng, 65535)), LTI_HELLO_BYTES,
                                  (uint32_t)(65536 + prng_below(&prng, 4294901760u)),
                                  prng_next(&prng), 0};
        lti_hello_encode(&hello, bytes);
        REQUIRE_ERROR(lti_hello_decode(bytes, sizeof bytes, &back), LEAT_OK);
        REQUIRE_INT(back.version, hello.version);
        REQUIRE_INT(back.size, hello.size);
        REQUIRE_INT(back.frame_bytes_max, hello.frame_bytes_max);
        REQUIRE_INT(back.features, hello.features);
        REQUIRE_INT(back.features_required, 0);
    }
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static enum leat_error frame_judge(const uint8_t *bytes, uint32_t limit)
{
    static const uint32_t control[6] = {0, 0, 0, 1, 8, 8};
    uint32_t size = 0;
    for (int i = 3; i >= 0; i--)
        size = size << 8 | bytes[i];
    if (bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0)
        return LEAT_E_PROTOCOL;
    if (bytes[4] == 0 || (bytes[4] > 5 && bytes[4] < 128))
        return LEAT_E_PROTOCOL;
    if (bytes[4] >= 2 && bytes[4] <= 5)
        return size == control[bytes[4]] ? LEAT_OK : LEAT_E_PROTOCOL;
    return size > limit ? LEAT_E_TOO_BIG : LEAT_OK;
}

TEST(frame_with_every_byte_changed)
{
    const uint32_t sizes[] = {0, 1, 5, 8, 65535, 65536, 65537, 0xFFFFFFFF};
    for (uint8_t type = 0; type < 7; type++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct lti_frame frame = {sizes[i], type};
            for (size_t at = 0; at < LTI_FRAME_HEADER_BYTES; at++) {
                for (uint32_t value = 0; value < 256; value++) {
                    uint8_t bytes[LTI_FRAME_HEADER_BYTES];
                    struct lti_frame back;
                    lti_frame_encode(&frame, bytes);
                    bytes[at] = (uint8_t)value;
                    REQUIRE_ERROR(lti_frame_decode(bytes, 65536, &back), frame_judge(bytes, 65536));
                }
            }
        }
    }
}

TEST(frame_lengths_around_the_limit)
{
    const uint32_t limits[] = {65536, 1 << 20, 256u << 20, 0xFFFFFFFE, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const uint32_t sizes[] = {0, 1, limits[i] - 1, limits[i], limits[i] + 1, 0xFFFFFFFF};
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            for (uint8_t type = 1; type != 0; type = type == 1 ? 128 : type == 128 ? 255 : 0) {
                uint8_t bytes[LTI_FRAME_HEADER_BYTES];
                struct lti_frame frame = {sizes[j], type};
                struct lti_frame back = {7, 7};
                bool fits = sizes[j] <= limits[i];
                lti_frame_encode(&frame, bytes);
                CHECK_ERROR(lti_frame_decode(bytes, limits[i], &back),
                            fits ? LEAT_OK : LEAT_E_TOO_BIG);
                CHECK_INT(back.size, fits ? sizes[j] : 7);
                CHECK_INT(back.type, fits ? type : 7);
            }
        }
    }
}

TEST(frame_close_codes)
{
    for (uint32_t code = 0; code < 6; code++)
        CHECK_INT(lti_close_code_for(lti_close_code_error((uint8_t)code)), code);
    for (uint32_t code = 6; code < 256; code++)
        CHECK_ERROR(lti_close_code_error((uint8_t)code), LEAT_E_PROTOCOL);
    CHECK_INT(lti_close_code_for(LEAT_OK), LTI_CLOSE_NORMAL);
    CHECK_INT(lti_close_code_for(LEAT_E_FINISHED), LTI_CLOSE_NORMAL);
    CHECK_INT(lti_close_code_for(LEAT_E_MEMORY), LTI_CLOSE_BUSY);
    CHECK_INT(lti_close_code_for(LEAT_E_LIMIT), LTI_CLOSE_BUSY);
    CHECK_INT(lti_close_code_for(LEAT_E_SYSTEM), LTI_CLOSE_BUSY);
    CHECK_INT(lti_close_code_for(LEAT_E_UNTRUSTED), LTI_CLOSE_DENIED);
    CHECK_INT(lti_close_code_for(LEAT_E_UNSUPPORTED), LTI_CLOSE_PROTOCOL);
}
