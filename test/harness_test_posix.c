/* SPDX-License-Identifier: MIT
 *
 * The harness tested with itself: what only a POSIX system can break.
 */
#include "harness_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int program_run(const char *first, const char *second, char *text, size_t size)
{
    int ends[2];
    size_t used = 0;
    REQUIRE_INT(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        unsetenv("LEAT_TEST_FOLDER");
        execl(lti_test_program(), lti_test_program(), first, second, (char *)NULL);
        _exit(126);
    }
    close(ends[1]);
    ssize_t got = 0;
    while (used < size - 1 && (got = read(ends[0], text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    int status = 0;
    REQUIRE_INT(waitpid(pid, &status, 0), pid);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

BROKEN(abort, "crashed: signal 6")
{
    CHECK(true);
    abort();
}

BROKEN(kill, "crashed: signal 9")
{
    CHECK(true);
    kill(getpid(), SIGKILL);
}

BROKEN(descriptor, "left open: /dev/null")
{
    CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

BROKEN(closed_descriptor, "descriptor 0 closed, but not opened")
{
    CHECK_INT(close(0), 0);
}

BROKEN(process, "left a process running")
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0)
        for (;;)
            pause();
}

BROKEN(fork, "a forked process returned from the test")
{
    pid_t pid = fork();
    int status = 0;
    REQUIRE(pid >= 0);
    if (pid == 0)
        return;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}
