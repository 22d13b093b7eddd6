/* SPDX-License-Identifier: MIT
 *
 * Assertions under test: a statement that must end its process, run in a forked one.
 */
#ifndef LTI_TEST_TRAPS_H
#define LTI_TEST_TRAPS_H

#include "harness.h"

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
