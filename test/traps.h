/* SPDX-License-Identifier: MIT
 *
 * Assertions under test: a statement that must end its process. On POSIX it runs in a forked
 * process; on Windows a new process runs the same test as far as the statement.
 */
#ifndef LTI_TEST_TRAPS_H
#define LTI_TEST_TRAPS_H

#include "harness.h"

#ifdef _WIN32

/* harness_windows.c has these. */
bool lti_test_trap_chosen(void);
void lti_test_trap_survived(void);
bool lti_test_trap_held(const char *test);

/* The function of a test is called test_NAME. */
#define CHECK_TRAPS(statement)                                                                     \
    do {                                                                                           \
        if (lti_test_trap_chosen()) {                                                              \
            statement;                                                                             \
            lti_test_trap_survived();                                                              \
        }                                                                                          \
        lti_test_check(lti_test_trap_held(__func__ + sizeof "test_" - 1), "traps: " #statement,    \
                       __FILE__, __LINE__);                                                        \
    } while (0)

#else

#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAPS_SURVIVED 42

/* A sanitizer may turn the trap into an exit code of its own, so only survival is told apart. */
static inline bool traps_wait(pid_t pid)
{
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFSIGNALED(status) ||
           (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != TRAPS_SURVIVED);
}

#define CHECK_TRAPS(statement)                                                                     \
    do {                                                                                           \
        fflush(NULL);                                                                              \
        pid_t traps_pid_ = fork();                                                                 \
        if (traps_pid_ == 0) {                                                                     \
            statement;                                                                             \
            _exit(TRAPS_SURVIVED);                                                                 \
        }                                                                                          \
        lti_test_check(traps_wait(traps_pid_), "traps: " #statement, __FILE__, __LINE__);          \
    } while (0)

#endif

#endif
