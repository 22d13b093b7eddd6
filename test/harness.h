/* SPDX-License-Identifier: MIT
 *
 * The one test harness. A file of tests includes this and writes:
 *
 *     TEST(frame_hello_round_trip)
 *     {
 *         CHECK_INT(lti_hello_decode(bytes, size, &hello), LEAT_OK);
 *     }
 *
 * Each test runs in a process of its own, with a time limit. It fails when a check fails, when it
 * makes no check, crashes, runs out of time, or leaves a descriptor, an allocation of the library,
 * a file or a process behind. What it prints is shown only when it fails.
 *
 *     program [--list] [--verbose] [FILTER...]   tests whose name contains one of the filters
 *     program --run NAME                         one test in this process, for a debugger
 *
 * LEAT_TEST_JOBS (default 2) tests run at a time; LEAT_TEST_TIMEOUT_SCALE multiplies time limits.
 */
#ifndef LTI_TEST_HARNESS_H
#define LTI_TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sanitizers keep freed memory for long, so that what is resident says nothing; they judge leaks in
 * their own way. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LTI_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LTI_TEST_SANITIZED 1
#endif
#endif
#ifndef LTI_TEST_SANITIZED
#define LTI_TEST_SANITIZED 0
#endif

/* Defines and registers a test. Names are unique in a program; begin them with the module's. */
#define TEST(name) TEST_TIMEOUT(name, 60)
#define TEST_TIMEOUT(name, seconds) LTI_TEST_DEFINE(name, seconds, false)
/* One that runs only when it is asked for by its full name. */
#define TEST_ON_DEMAND(name, seconds) LTI_TEST_DEFINE(name, seconds, true)

/* A check that fails marks the test as failed and goes on; each gives true when it held. They may
 * be used in any thread. The first argument is what came, the second what should have. */
#define CHECK(condition) lti_test_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected)                                                                \
    lti_test_check_int((int64_t)(actual), (int64_t)(expected), #actual ", " #expected, __FILE__,   \
                       __LINE__)
#define CHECK_ERROR(actual, expected)                                                              \
    lti_test_check_error((int)(actual), (int)(expected), #actual ", " #expected, __FILE__, __LINE__)
#define CHECK_STR(actual, expected)                                                                \
    lti_test_check_str((actual), (expected), #actual ", " #expected, __FILE__, __LINE__)
#define CHECK_MEM(actual, expected, size)                                                          \
    lti_test_check_mem((actual), (expected), (size), #actual ", " #expected, __FILE__, __LINE__)

/* Waits until the condition holds, asking again every millisecond; fails after limit_ms. */
#define CHECK_WITHIN(limit_ms, condition)                                                          \
    do {                                                                                           \
        uint64_t lti_until_ = lti_test_now_ms() + lti_test_scaled_ms(limit_ms);                    \
        bool lti_held_ = (condition);                                                              \
        while (!lti_held_ && lti_test_now_ms() < lti_until_) {                                     \
            lti_test_pause();                                                                      \
            lti_held_ = (condition);                                                               \
        }                                                                                          \
        lti_test_check(lti_held_, #condition " within " #limit_ms " ms", __FILE__, __LINE__);      \
    } while (0)

/* A requirement that fails ends the test. */
#define REQUIRE(condition)                                                                         \
    LTI_TEST_REQUIRE(lti_test_check((condition), #condition, __FILE__, __LINE__))
#define REQUIRE_INT(actual, expected)                                                              \
    LTI_TEST_REQUIRE(lti_test_check_int((int64_t)(actual), (int64_t)(expected),                    \
                                        #actual ", " #expected, __FILE__, __LINE__))
#define REQUIRE_ERROR(actual, expected)                                                            \
    LTI_TEST_REQUIRE(lti_test_check_error((int)(actual), (int)(expected), #actual ", " #expected,  \
                                          __FILE__, __LINE__))

/* Ends the test as neither passed nor failed: `what` ("real Windows") is not here. */
#define SKIP_NEEDS(what) lti_test_skip(what, __FILE__, __LINE__)

/* A folder for this test's files: short enough for socket paths, empty at first, removed after the
 * test, which must have emptied it. */
const char *lti_test_folder(void);
/* The path of this test program, to start helpers from the folder that it is in. */
const char *lti_test_program(void);
uint64_t lti_test_now_ms(void);                   /* monotonic */
uint64_t lti_test_scaled_ms(uint64_t timeout_ms); /* a time limit, on this machine */
void lti_test_pause(void);                        /* one millisecond */
bool lti_test_on_wine(void);                      /* it stands in for Windows, and is not Windows */

/* ---- What the macros stand on ---------------------------------------------------------------- */

struct lti_test {
    const char *name;
    void (*run)(void);
    struct lti_test *next;
    uint32_t seconds;
    bool on_demand;
};

#define LTI_TEST_DEFINE(id, limit, demand)                                                         \
    static void test_##id(void);                                                                   \
    __attribute__((constructor)) static void test_register_##id(void)                              \
    {                                                                                              \
        static struct lti_test test = {#id, test_##id, NULL, limit, demand};                       \
        lti_test_register(&test);                                                                  \
    }                                                                                              \
    static void test_##id(void)

#define LTI_TEST_REQUIRE(check)                                                                    \
    do {                                                                                           \
        if (!(check))                                                                              \
            lti_test_stop();                                                                       \
    } while (0)

void lti_test_register(struct lti_test *test);
bool lti_test_check(bool held, const char *text, const char *file, int line);
bool lti_test_check_int(int64_t actual, int64_t expected, const char *text, const char *file,
                        int line);
bool lti_test_check_error(int actual, int expected, const char *text, const char *file, int line);
bool lti_test_check_str(const char *actual, const char *expected, const char *text,
                        const char *file, int line);
bool lti_test_check_mem(const void *actual, const void *expected, size_t size, const char *text,
                        const char *file, int line);
__attribute__((noreturn)) void lti_test_stop(void);
__attribute__((noreturn)) void lti_test_skip(const char *what, const char *file, int line);

/* Allocations of the library that are alive. Optional: test/os_fault.c has it, other programs may;
 * without it allocations are not judged. */
int64_t lti_test_allocations_live(void);

#endif
