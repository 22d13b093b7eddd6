/* SPDX-License-Identifier: MIT
 *
 * The harness tested with itself: tests that are broken on purpose must each be reported so.
 *
 * Happy path: a test runs this program again for one broken test, and looks at the exit code and
 * at what was printed. A program of its own, of harness*.c and harness_test*.c: it counts
 * allocations by itself.
 *
 * Fails: a broken test that passes, or is reported with the wrong words, fails here.
 *
 * Invariants: broken tests run on demand only.
 */
#include "harness_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t allocations;

int64_t lti_test_allocations_live(void)
{
    return allocations;
}

void expect_failed(const char *name, const char *words)
{
    static char text[200000];
    char heading[100];
    snprintf(heading, sizeof heading, "FAILED %s", name);
    CHECK_INT(program_run(name, NULL, text, sizeof text), 1);
    CHECK(strstr(text, heading) != NULL);
    CHECK(strstr(text, words) != NULL);
    CHECK(strstr(text, "0 passed, 1 failed\n") != NULL);
    if (strstr(text, words) == NULL)
        printf("it printed:\n%s", text);
}

BROKEN(check, "does not hold: 1 > 2")
{
    CHECK(1 < 2);
    CHECK(1 > 2);
}

BROKEN(check_int, "5 (0x5) is not 6 (0x6): 2 + 3, 6")
{
    CHECK_INT(2 + 3, 6);
}

BROKEN(check_error, "TIMEOUT (4) is not OK (0)")
{
    CHECK_ERROR(4, 0);
}

BROKEN(check_str, "\"one\" is not \"two\"")
{
    CHECK_STR("one", "two");
}

BROKEN(check_null_str, "\"(null)\" is not \"two\"")
{
    CHECK_STR(NULL, "two");
}

BROKEN(check_mem, "byte 2 of 3: 0x63 is not 0x64")
{
    CHECK_MEM("abc", "abd", 3);
}

BROKEN(check_within, "within 20 ms")
{
    CHECK_WITHIN(20, allocations == 1);
}

BROKEN(nothing, "the test made no check")
{
}

BROKEN(exit, "the test called exit")
{
    CHECK(true);
    exit(0);
}

BROKEN(exit_code, "ended with exit code 42")
{
    CHECK(true);
    _Exit(42);
}

BROKEN(allocation, "allocations left: 2")
{
    CHECK(true);
    allocations += 2;
}

BROKEN(file, "left files behind")
{
    char path[200];
    snprintf(path, sizeof path, "%s/file", lti_test_folder());
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    CHECK_INT(fclose(file), 0);
}

BROKEN(flood, "(the rest of its output was dropped)")
{
    for (int i = 0; i < 20000; i++)
        printf("line %d\n", i);
    CHECK(false);
}

TEST(harness_reports_timeout)
{
    expect_failed("broken_timeout", "ran longer than ");
}

TEST_ON_DEMAND(broken_timeout, 1)
{
    CHECK(true);
    for (;;)
        lti_test_pause();
}

TEST_ON_DEMAND(broken_require, 60)
{
    REQUIRE(false);
    printf("went on\n");
}

TEST(harness_reports_require)
{
    char text[2000];
    expect_failed("broken_require", "does not hold: false");
    CHECK_INT(program_run("broken_require", NULL, text, sizeof text), 1);
    CHECK(strstr(text, "went on") == NULL);
}

TEST_ON_DEMAND(skipped_one, 60)
{
    SKIP_NEEDS("a real moon");
}

TEST(harness_counts_skipped_apart)
{
    char text[2000];
    CHECK_INT(program_run("skipped_one", NULL, text, sizeof text), 1);
    CHECK(strstr(text, "needs a real moon\n") != NULL);
    CHECK(strstr(text, "0 passed, 0 failed, 1 skipped\n") != NULL);
    CHECK_INT(program_run("skipped_one", "good_one", text, sizeof text), 0);
    CHECK(strstr(text, "1 passed, 0 failed, 1 skipped\n") != NULL);
}

TEST_ON_DEMAND(skipped_after_failure, 60)
{
    CHECK(false);
    SKIP_NEEDS("a real moon");
}

TEST(harness_does_not_skip_after_failure)
{
    expect_failed("skipped_after_failure", "does not hold: false");
}

TEST_ON_DEMAND(good_one, 60)
{
    printf("what a good test prints\n");
    CHECK(true);
    CHECK_INT(UINT64_MAX, UINT64_MAX);
    CHECK_WITHIN(20, true);
}

TEST(harness_passes_good)
{
    char text[2000];
    CHECK_INT(program_run("good_one", NULL, text, sizeof text), 0);
    CHECK_STR(text, "1 passed, 0 failed\n");
    CHECK_INT(program_run("--run", "good_one", text, sizeof text), 0);
    CHECK_STR(text, "what a good test prints\n");
}

TEST(harness_refuses_no_test)
{
    char text[2000];
    CHECK_INT(program_run("no_such_test", NULL, text, sizeof text), 1);
    CHECK_STR(text, "0 passed, 0 failed\n");
    CHECK_INT(program_run("--run", "no_such_test", text, sizeof text), 2);
    CHECK_INT(program_run("--no-such-option", NULL, text, sizeof text), 2);
}

TEST(harness_lists)
{
    char text[2000];
    CHECK_INT(program_run("--list", "harness_lists", text, sizeof text), 0);
    CHECK_STR(text, "harness_lists\n");
}
