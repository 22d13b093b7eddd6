/* SPDX-License-Identifier: MIT
 *
 * The checks of test/harness.h for a fuzz target: the first one that fails ends the program, as a
 * fuzzer wants it, and says what it was.
 */
#include "fuzz.h"

#include "leat/leat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void check_fail(const char *text, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    abort();
}

bool lti_test_check(bool held, const char *text, const char *file, int line)
{
    if (!held)
        check_fail(text, file, line);
    return true;
}

bool lti_test_check_int(int64_t actual, int64_t expected, const char *text, const char *file,
                        int line)
{
    if (actual != expected) {
        (void)fprintf(stderr, "%" PRId64 " and not %" PRId64 "\n", actual, expected);
        check_fail(text, file, line);
    }
    return true;
}

bool lti_test_check_error(int actual, int expected, const char *text, const char *file, int line)
{
    if (actual != expected) {
        (void)fprintf(stderr, "%s and not %s\n", leat_error_name((enum leat_error)actual),
                      leat_error_name((enum leat_error)expected));
        check_fail(text, file, line);
    }
    return true;
}

bool lti_test_check_str(const char *actual, const char *expected, const char *text,
                        const char *file, int line)
{
    if (strcmp(actual, expected) != 0) {
        (void)fprintf(stderr, "%s and not %s\n", actual, expected);
        check_fail(text, file, line);
    }
    return true;
}

bool lti_test_check_mem(const void *actual, const void *expected, size_t size, const char *text,
                        const char *file, int line)
{
    return lti_test_check(memcmp(actual, expected, size) == 0, text, file, line);
}

void lti_test_stop(void)
{
    abort();
}
