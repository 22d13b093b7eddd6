/* SPDX-License-Identifier: MIT
 *
 * Names of system calls, as far as the library and the C library below it make them.
 *
 * Happy path: a name for each number of the table.
 * Fails:      with "call N"; a test then fails that wants a name, and the table gets one more.
 * Invariants: none beside.
 */
#include "kill.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define CALL(name)                                                                                 \
    {                                                                                              \
#name, SYS_##name                                                                          \
    }
static const struct {
    const char *name;
    int number;
} calls[] = {
    CALL(accept4),       CALL(bind),           CALL(brk),
    CALL(clock_gettime), CALL(close),          CALL(connect),
    CALL(epoll_create1), CALL(epoll_ctl),      CALL(epoll_pwait),
    CALL(eventfd2),      CALL(exit_group),     CALL(fchmod),
    CALL(fchmodat),      CALL(fcntl),          CALL(fstat),
    CALL(futex),         CALL(geteuid),        CALL(getpid),
    CALL(getrandom),     CALL(getsockopt),     CALL(listen),
    CALL(lseek),         CALL(madvise),        CALL(mkdirat),
    CALL(mmap),          CALL(mprotect),       CALL(mremap),
    CALL(munmap),        CALL(newfstatat),     CALL(openat),
    CALL(ppoll),         CALL(prlimit64),      CALL(read),
    CALL(readlinkat),    CALL(recvfrom),       CALL(recvmsg),
    CALL(renameat),      CALL(rt_sigprocmask), CALL(sched_getaffinity),
    CALL(sendmsg),       CALL(sendto),         CALL(setsockopt),
    CALL(shutdown),      CALL(socket),         CALL(socketpair),
    CALL(statx),         CALL(unlinkat),       CALL(write),
    CALL(writev),
#ifdef SYS_open /* the older forms, which newer kinds of machines do not have */
    CALL(access),        CALL(chmod),          CALL(epoll_wait),
    CALL(lstat),         CALL(mkdir),          CALL(open),
    CALL(poll),          CALL(readlink),       CALL(rename),
    CALL(stat),          CALL(unlink),
#endif
};

const char *kill_call_name(int number)
{
    static char text[32];
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number)
            return calls[i].name;
    (void)snprintf(text, sizeof text, "call %d", number);
    return text;
}

int kill_call_number(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].number;
    return -1;
}

const char *kill_protocol_name(enum leat_protocol protocol)
{
    static const char *const names[] = {
        [LEAT_BYTES] = "bytes", [LEAT_MESSAGES] = "messages", [LEAT_PACKETS] = "packets"};
    return names[protocol];
}
