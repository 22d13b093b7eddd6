/* SPDX-License-Identifier: MIT
 *
 * Stands between os_real_* and the C library.
 *
 * Happy path: a call that nobody asked to fail goes on to the C library.
 * Fails:      the one call that was asked for, once, with errno or a number as that call does.
 * Invariants: one failure waits at a time; tests that use this have one thread.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *function;
    int left, number;
} waiting;

static lti_poll_fake *poll_fake;
static lti_recvmsg_fake *recvmsg_fake;

static struct {
    int option;
    const void *bytes;
    socklen_t size;
} option_fake;

static struct {
    int left, number;
    enum { LATE_NOT, LATE_NEXT, LATE_TAKEN } late;
} submits;

void lti_call_submits(int count, int number)
{
    submits.left = count;
    submits.number = number;
}

void lti_call_late(void)
{
    submits.late = LATE_NEXT;
}

void lti_call_fails(const char *function, int nth, int number)
{
    waiting.function = function;
    waiting.left = nth;
    waiting.number = number;
}

bool lti_call_waits(void)
{
    return waiting.function || poll_fake || recvmsg_fake || option_fake.bytes || submits.left > 0 ||
           submits.late != LATE_NOT;
}

void lti_call_poll(lti_poll_fake *fake)
{
    poll_fake = fake;
}

void lti_call_recvmsg(lti_recvmsg_fake *fake)
{
    recvmsg_fake = fake;
}

void lti_call_option(int option, const void *bytes, socklen_t size)
{
    option_fake.option = option;
    option_fake.bytes = bytes;
    option_fake.size = size;
}

/* The number that this call is to fail with; 0: it is to be made. */
static int fails(const char *function)
{
    if (!waiting.function || strcmp(waiting.function, function) != 0 || --waiting.left > 0)
        return 0;
    waiting.function = NULL;
    errno = waiting.number;
    return waiting.number;
}

/* Calls that give -1 and set errno. */
#define WRAP(type, name, parameters, arguments)                                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(#name) ? (type)-1 : __real_##name arguments;                                  \
    }

/* Calls that give the number itself. */
#define WRAP_NUMBER(name, parameters, arguments)                                                   \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        int number = fails(#name);                                                                 \
        return number ? number : __real_##name arguments;                                          \
    }

WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size))
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(int, connect, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size))
WRAP(int, epoll_wait, (int poller, struct epoll_event *events, int count, int timeout_ms),
     (poller, events, count, timeout_ms))
WRAP(int, pipe, (int ends[2]), (ends))
WRAP(int, getrlimit, (int resource, struct rlimit *limit_out), (resource, limit_out))
WRAP(int, sched_getaffinity, (pid_t process, size_t size, cpu_set_t *set_out),
     (process, size, set_out))
WRAP(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
WRAP(ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, access, (const char *path, int mode), (path, mode))
WRAP(int, clock_gettime, (clockid_t clock, struct timespec *time_out), (clock, time_out))
WRAP_NUMBER(pthread_once, (pthread_once_t * once, void (*function)(void)), (once, function))
WRAP_NUMBER(pthread_atfork, (void (*before)(void), void (*parent)(void), void (*child)(void)),
            (before, parent, child))
WRAP_NUMBER(pthread_create,
            (pthread_t * thread_out, const pthread_attr_t *attributes, void *(*function)(void *),
             void *argument),
            (thread_out, attributes, function, argument))

struct kevent; /* the model's, where the poller is kqueue's; else never called */
int __attribute__((weak))
__real_kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
              int events_count, const struct timespec *most);
int __wrap_kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
                  int events_count, const struct timespec *most);
int __wrap_kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
                  int events_count, const struct timespec *most)
{
    return fails("kevent")
               ? -1
               : __real_kevent(queue, changes, changes_count, events, events_count, most);
}

#ifdef LEAT_HAVE_URING

struct io_uring;
struct io_uring_probe;

/* Calls that give the number, negative. */
#define WRAP_NEGATIVE(name, parameters, arguments)                                                 \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        int number = fails(#name);                                                                 \
        return number ? -number : __real_##name arguments;                                         \
    }
WRAP_NEGATIVE(io_uring_queue_init, (unsigned entries, struct io_uring *ring, unsigned flags),
              (entries, ring, flags))
WRAP_NEGATIVE(io_uring_ring_dontfork, (struct io_uring * ring), (ring))

struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
    return fails("io_uring_get_probe_ring") ? NULL : __real_io_uring_get_probe_ring(ring);
}

void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
    if (!fails("io_uring_queue_exit"))
        __real_io_uring_queue_exit(ring);
}

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    if (submits.late == LATE_NEXT) {
        submits.late = LATE_TAKEN;
        return (int)count;
    }
    if (submits.left == 0)
        return __real_io_uring_submit_and_wait(ring, count);
    submits.left--;
    return -submits.number;
}

/* What io_uring_wait_cqe calls when no answer is there. */
struct io_uring_cqe;
int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **answer_out,
                              unsigned submit, unsigned wait_count, sigset_t *signals);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **answer_out,
                              unsigned submit, unsigned wait_count, sigset_t *signals);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **answer_out,
                              unsigned submit, unsigned wait_count, sigset_t *signals)
{
    if (submits.late == LATE_TAKEN) {
        submits.late = LATE_NOT;
        (void)__real_io_uring_submit_and_wait(ring, wait_count);
    }
    return __real___io_uring_get_cqe(ring, answer_out, submit, wait_count, signals);
}

#endif

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return fails("malloc") ? NULL : __real_malloc(size);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

/* Every third argument that is used is an int or a pointer, and is handed on as it came. */
int __wrap_fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

/* The six arguments that a system call has at most are handed on as they came. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long words[6];
    va_list list;
    va_start(list, number);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        words[i] = va_arg(list, long);
    va_end(list);
    return fails("syscall")
               ? -1
               : __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    lti_poll_fake *fake = poll_fake;
    poll_fake = NULL;
    if (fails("poll"))
        return -1;
    return fake ? fake(fds, count, timeout_ms) : __real_poll(fds, count, timeout_ms);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    lti_recvmsg_fake *fake = recvmsg_fake;
    recvmsg_fake = NULL;
    return fake ? fake(message) : __real_recvmsg(fd, message, flags);
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    if (fails("getsockopt"))
        return -1;
    if (option_fake.bytes && option_fake.option == name && option_fake.size <= *size) {
        memcpy(value, option_fake.bytes, option_fake.size);
        *size = option_fake.size;
        option_fake.bytes = NULL;
        return 0;
    }
    return __real_getsockopt(fd, level, name, value, size);
}

/* A program that must not go on ends in a way that a sanitizer and a count of lines can tell. */
void __wrap_abort(void);
void __wrap_abort(void)
{
    _exit(99);
}
