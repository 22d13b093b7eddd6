/* SPDX-License-Identifier: MIT
 *
 * The leat command's contact with a POSIX system.
 *
 * Happy path: streams are read and written after a wait said so; children run by /bin/sh with two
 * pipes; signals arrive as bytes in a pipe of our own.
 *
 * Fails: with errno values, as they are.
 *
 * Invariants: no descriptor of ours is inherited by a child. The non-blocking flag is never set on
 * a stream that other processes share with us.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Some systems declare it, POSIX does not. NOLINTNEXTLINE(readability-redundant-declaration) */
extern char **environ;

/* A pipe with room takes so much without blocking (POSIX.1-2008, write). */
#define WRITE_CAUTIOUS_BYTES 512u

enum output_kind { OUTPUT_DIRECT = 0, OUTPUT_SOCKET, OUTPUT_CAUTIOUS };

static enum output_kind output_kind;
static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t signal_end;

int64_t lti_tool_os_start(int *count, char ***words)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    /* A missing standard stream must not become one of leat's own descriptors. Writing to a
     * standard output that was closed stays a failure, so it is opened for reading. */
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
        }
    }
    (void)count; /* the words are bytes, as they came */
    (void)words;
    sigemptyset(&ignore.sa_mask);
    return sigaction(SIGPIPE, &ignore, NULL) == 0 ? 0 : errno;
}

/* A pipe is opened once more for ourselves, without blocking, where the system offers that; the
 * flag would otherwise change under every process that shares the pipe. */
void lti_tool_os_output_prepare(void)
{
    struct stat status;
    int fd;

    output_kind = OUTPUT_DIRECT;
    if (fstat(STDOUT_FILENO, &status) != 0 || S_ISREG(status.st_mode)) {
        return;
    }
    if (S_ISSOCK(status.st_mode)) {
        output_kind = OUTPUT_SOCKET;
        return;
    }
    output_kind = OUTPUT_CAUTIOUS;
    if (!S_ISFIFO(status.st_mode)) {
        return;
    }
    fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO) {
        output_kind = OUTPUT_DIRECT;
    }
    (void)close(fd);
}

intptr_t lti_tool_os_stdin(void)
{
    return STDIN_FILENO;
}

intptr_t lti_tool_os_stdout(void)
{
    return STDOUT_FILENO;
}

bool lti_tool_os_is_terminal(intptr_t handle)
{
    return isatty((int)handle) == 1;
}

/* One terminal has several names: /dev/tty is the session's own, whatever else it is called. */
bool lti_tool_os_same_terminal(intptr_t one, intptr_t other)
{
    struct stat first;
    struct stat second;

    if (!lti_tool_os_is_terminal(one) || !lti_tool_os_is_terminal(other) ||
        fstat((int)one, &first) != 0 || fstat((int)other, &second) != 0) {
        return false;
    }
    return first.st_rdev == second.st_rdev ||
           (tcgetsid((int)one) > 0 && tcgetsid((int)one) == tcgetsid((int)other));
}

static enum lti_tool_io io_result(ssize_t result, size_t *size_out, int64_t *os_code_out)
{
    if (result > 0) {
        *size_out = (size_t)result;
        return LTI_TOOL_IO_DONE;
    }
    if (result == 0) {
        return LTI_TOOL_IO_END;
    }
    *os_code_out = errno;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return LTI_TOOL_IO_LATER;
    }
    return LTI_TOOL_IO_FAILED;
}

enum lti_tool_io lti_tool_os_read(intptr_t handle, void *buffer, size_t size, size_t *size_out,
                                  int64_t *os_code_out)
{
    return io_result(read((int)handle, buffer, size), size_out, os_code_out);
}

enum lti_tool_io lti_tool_os_write(intptr_t handle, const void *data, size_t size, size_t *size_out,
                                   int64_t *os_code_out)
{
    enum output_kind kind = handle == STDOUT_FILENO ? output_kind : OUTPUT_DIRECT;
    enum lti_tool_io io;
    ssize_t result;

    if (kind == OUTPUT_SOCKET) {
        result = send((int)handle, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind == OUTPUT_CAUTIOUS) {
        struct pollfd item = {.fd = (int)handle, .events = POLLOUT};

        if (poll(&item, 1, 0) != 1) {
            return LTI_TOOL_IO_LATER;
        }
        result =
            write((int)handle, data, size < WRITE_CAUTIOUS_BYTES ? size : WRITE_CAUTIOUS_BYTES);
    } else {
        result = write((int)handle, data, size);
    }
    io = io_result(result, size_out, os_code_out);
    return io == LTI_TOOL_IO_FAILED && *os_code_out == EPIPE ? LTI_TOOL_IO_END : io;
}

enum lti_tool_io lti_tool_os_flush(intptr_t handle, int64_t *os_code_out)
{
    (void)handle; /* nothing waits on our side */
    (void)os_code_out;
    return LTI_TOOL_IO_DONE;
}

int64_t lti_tool_os_end(intptr_t handle)
{
    int64_t os_code = close((int)handle) == 0 ? 0 : errno;

    if (handle == STDOUT_FILENO) {
        (void)open("/dev/null", O_RDONLY); /* The lowest free descriptor: this one again. */
    }
    return os_code;
}

bool lti_tool_os_wake_by(void (*wake)(void *context), void *context)
{
    (void)wake;
    (void)context;
    return false;
}

int64_t lti_tool_os_wait(struct lti_tool_wait *items, size_t count, uint32_t timeout_ms)
{
    struct pollfd fds[LTI_TOOL_WAIT_MAX];
    int limit = timeout_ms == UINT32_MAX ? -1 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    int ready;

    if (count > LTI_TOOL_WAIT_MAX) {
        return EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        fds[i] = (struct pollfd){.fd = (int)items[i].handle};
        fds[i].events =
            (short)((items[i].want_read ? POLLIN : 0) | (items[i].want_write ? POLLOUT : 0));
    }
    ready = poll(fds, (nfds_t)count, limit);
    if (ready < 0 && errno != EINTR) {
        return errno;
    }
    for (size_t i = 0; i < count; i++) {
        short got = ready > 0 ? fds[i].revents : 0;

        items[i].can_read = items[i].want_read && (got & (POLLIN | POLLHUP | POLLERR)) != 0;
        items[i].can_write = items[i].want_write && (got & (POLLOUT | POLLERR)) != 0;
        items[i].gone = (got & (POLLERR | POLLNVAL)) != 0;
    }
    return 0;
}

uint64_t lti_tool_os_now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void signal_arrived(int number)
{
    int saved = errno;

    if (number != SIGCHLD) {
        signal_end = 1;
    }
    /* A full pipe is as good: the other end is readable already. */
    ssize_t ignored = write(signal_pipe[1], "", 1);

    (void)ignored;
    errno = saved;
}

/* pipe2 is not everywhere; no other thread could start a program meanwhile. */
static int pipe_open(int ends_out[2], bool waits)
{
    if (pipe(ends_out) != 0) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (fcntl(ends_out[i], F_SETFD, FD_CLOEXEC) != 0 ||
            (!waits && fcntl(ends_out[i], F_SETFL, O_NONBLOCK) != 0)) {
            return -1;
        }
    }
    return 0;
}

int64_t lti_tool_os_signals_open(intptr_t *handle_out)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    struct sigaction action = {.sa_handler = signal_arrived, .sa_flags = SA_RESTART};
    struct sigaction before;

    if (pipe_open(signal_pipe, false) != 0) {
        return errno;
    }
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &before) != 0) {
            return errno;
        }
        /* nohup has leat outlive its terminal. */
        if (numbers[i] == SIGHUP && before.sa_handler == SIG_IGN) {
            continue;
        }
        if (sigaction(numbers[i], &action, NULL) != 0) {
            return errno;
        }
    }
    *handle_out = signal_pipe[0];
    return 0;
}

bool lti_tool_os_signals_take(void)
{
    char drop[64];

    while (read(signal_pipe[0], drop, sizeof drop) == (ssize_t)sizeof drop) {
    }
    return signal_end != 0;
}

static int spawn_shell(const char *command, int in, int out, pid_t *pid_out)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *words[4] = {shell, option, NULL, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int error;

    /* posix_spawn takes char *const[] but does not change the words. */
    memcpy(&words[2], &command, sizeof words[2]);
    error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        posix_spawnattr_setflags(&attributes,
                                 (short)(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF));
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        error = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (error == 0) {
            error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        }
        if (error == 0) {
            error = posix_spawn(pid_out, "/bin/sh", &actions, &attributes, words, environ);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int64_t lti_tool_os_spawn(const char *command, int64_t *pid_out, intptr_t *to_child_out,
                          intptr_t *from_child_out)
{
    int to[2] = {-1, -1};
    int from[2] = {-1, -1};
    pid_t pid = -1;
    int error = 0;

    if (pipe_open(to, true) != 0 || pipe_open(from, true) != 0 ||
        fcntl(to[1], F_SETFL, O_NONBLOCK) != 0 || fcntl(from[0], F_SETFL, O_NONBLOCK) != 0) {
        error = errno;
    } else {
        error = spawn_shell(command, to[0], from[1], &pid);
    }
    for (int i = 0; i < 2; i++) {
        int theirs = i == 0 ? to[0] : from[1];
        int ours = i == 0 ? to[1] : from[0];

        if (theirs >= 0) {
            (void)close(theirs);
        }
        if (ours >= 0 && error != 0) {
            (void)close(ours);
        }
    }
    if (error == 0) {
        *pid_out = pid;
        *to_child_out = to[1];
        *from_child_out = from[0];
    }
    return error;
}

bool lti_tool_os_reap(int64_t pid)
{
    int status;
    pid_t result = waitpid((pid_t)pid, &status, WNOHANG);

    return result == (pid_t)pid || (result < 0 && errno == ECHILD);
}

void lti_tool_os_terminate(int64_t pid)
{
    (void)kill(-(pid_t)pid, SIGTERM);
}

int64_t lti_tool_os_become(char **words)
{
    struct sigaction normal = {.sa_handler = SIG_DFL};

    sigemptyset(&normal.sa_mask);
    (void)sigaction(SIGPIPE, &normal, NULL);
    (void)execvp(words[0], words);
    return errno;
}

void lti_tool_os_text(int64_t os_code, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%s", strerror((int)os_code));
}
