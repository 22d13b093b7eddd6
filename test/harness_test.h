/* SPDX-License-Identifier: MIT
 *
 * Shared by the tests of the harness: those of every system, and those of one.
 */
#ifndef LTI_TEST_HARNESS_TEST_H
#define LTI_TEST_HARNESS_TEST_H

#include "harness.h"

/* Runs this program with one or two arguments; returns its exit code, and what it printed. */
int program_run(const char *first, const char *second, char *text, size_t size);

/* The broken test must be reported as failed, with these words. */
void expect_failed(const char *name, const char *words);

#define BROKEN(name, words)                                                                        \
    TEST(harness_reports_##name)                                                                   \
    {                                                                                              \
        expect_failed("broken_" #name, words);                                                     \
    }                                                                                              \
    TEST_ON_DEMAND(broken_##name, 60)

#endif
