/* SPDX-License-Identifier: MIT
 *
 * The leat command's contact with a POSIX system: users, groups, programs, the terminal.
 *
 * Happy path: names come from the system's databases, programs from /proc.
 *
 * Fails: what has no name stays a number; a name that is not known is no user.
 *
 * Invariants: a number is written one way only, without leading zeros, so texts can be compared.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* What the system shows for a user or a group that has no number in our namespace. */
#define OVERFLOW_NUMBER 65534u

/* A number that a user can have; the last one means "none" to the system. */
static bool number_parse(const char *text, uint32_t *number_out)
{
    uint64_t number = 0;
    size_t size = strlen(text);

    if (size == 0 || size > 10 || strspn(text, "0123456789") != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *number_out = (uint32_t)number;
    return number < UINT32_MAX;
}

bool lti_tool_os_user_find(const char *name, bool group, char *text_out, size_t size)
{
    uint32_t number;

    if (!number_parse(name, &number)) {
        const struct group *g = group ? getgrnam(name) : NULL;
        const struct passwd *p = group ? NULL : getpwnam(name);

        if (g == NULL && p == NULL) {
            return false;
        }
        number = g != NULL ? (uint32_t)g->gr_gid : (uint32_t)p->pw_uid;
    }
    (void)snprintf(text_out, size, "%" PRIu32, number);
    return true;
}

void lti_tool_os_user_name(const char *text, bool group, char *name_out, size_t size)
{
    uint32_t number;
    const char *name = NULL;

    if (number_parse(text, &number)) {
        const struct group *g = group ? getgrgid((gid_t)number) : NULL;
        const struct passwd *p = group ? NULL : getpwuid((uid_t)number);

        name = g != NULL ? g->gr_name : p != NULL ? p->pw_name : NULL;
    }
    (void)snprintf(name_out, size, "%s", name != NULL && strlen(name) < size ? name : "");
}

/* As it is when no shell would do something to it, else in single quotation marks. */
size_t lti_tool_os_quote(const char *text, char *to, size_t room)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:@%+=,-";
    size_t size = strlen(text);
    size_t at = 0;

    if (size > 0 && text[0] != '-' && strspn(text, plain) == size) {
        memcpy(to, text, size < room ? size : 0);
        return size < room ? size : 0;
    }
    if (4 * size + 3 > room) {
        return 0;
    }
    to[at++] = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            memcpy(to + at, "'\\''", 4);
            at += 4;
        } else {
            to[at++] = *text;
        }
    }
    to[at++] = '\'';
    return at;
}

enum lti_tool_user lti_tool_os_user_standing(const char *text)
{
    uint32_t number;

    if (!number_parse(text, &number)) {
        return LTI_TOOL_USER_OTHER;
    }
    if (number == OVERFLOW_NUMBER) {
        return LTI_TOOL_USER_ANYBODY;
    }
    if (number == (uint32_t)geteuid()) {
        return LTI_TOOL_USER_SELF;
    }
    return number == 0 ? LTI_TOOL_USER_ADMIN : LTI_TOOL_USER_OTHER;
}

bool lti_tool_os_label_fits(const char *label, bool as_us)
{
    (void)label;
    (void)as_us;
    return true;
}

void lti_tool_os_own_user(char *text_out, size_t size)
{
    (void)snprintf(text_out, size, "%" PRIu32, (uint32_t)geteuid());
}

const char *lti_tool_os_name_example(void)
{
    return "/run/x.sock";
}

/* The short name that the process itself may have chosen, when its program is not told. */
static void program_short(int64_t pid, char *program_out, size_t size)
{
    char path[48];
    ssize_t got = -1;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/comm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, program_out, size - 1);
        (void)close(fd);
    }
    program_out[got > 0 ? got : 0] = '\0';
    program_out[strcspn(program_out, "\n")] = '\0';
}

void lti_tool_os_program(int64_t pid, char *program_out, size_t size)
{
    char path[48];
    ssize_t got;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/exe", pid);
    got = readlink(path, program_out, size);
    if (got > 0 && (size_t)got < size) {
        program_out[got] = '\0';
    } else {
        program_short(pid, program_out, size);
    }
}

bool lti_tool_os_process_gone(intptr_t process)
{
    struct pollfd item = {.fd = (int)process, .events = POLLIN};
    bool gone = poll(&item, 1, 0) != 0;

    (void)close((int)process);
    return gone;
}

intptr_t lti_tool_os_terminal_open(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

    return fd >= 0 ? fd : LTI_TOOL_NO_HANDLE;
}

void lti_tool_os_terminal_forget(intptr_t handle)
{
    (void)tcflush((int)handle, TCIFLUSH);
}
