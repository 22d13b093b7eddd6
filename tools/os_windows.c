/* SPDX-License-Identifier: MIT
 *
 * The leat command's contact with Windows: the process, waiting, the clock, texts.
 *
 * Happy path: the loop looks at streams and signals without waiting; a thread that changes one of
 * them wakes the loop, wherever it waits.
 *
 * Fails: with what GetLastError says.
 *
 * Invariants: no handle of ours is inherited by a child but those that it is meant to have. One
 * lock guards what threads share; it is held for short stretches only.
 */
#include "os_windows.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 65536u

SRWLOCK lti_tool_windows_lock = SRWLOCK_INIT;

static void (*waker)(void *context);
static void *waker_context;
static bool signal_arrived, signal_end;

/* A standard handle that is none could later be the number of a handle of our own. */
static void standard_check(DWORD which)
{
    HANDLE file = GetStdHandle(which);

    SetLastError(NO_ERROR);
    if (file == INVALID_HANDLE_VALUE ||
        (file != NULL && GetFileType(file) == FILE_TYPE_UNKNOWN && GetLastError() != NO_ERROR)) {
        (void)SetStdHandle(which, NULL);
    }
}

HANDLE lti_tool_windows_standard(int number)
{
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};

    return GetStdHandle(names[number]);
}

static void process_ends(void)
{
    (void)fflush(stdout); /* by exit it would come too late: the console is ours only until then */
    (void)fflush(stderr);
    lti_tool_windows_streams_drain();
    lti_tool_windows_console_restore();
}

/* A console is given whole characters: without a buffer, the C library writes byte by byte. Whoever
 * prints something that is to be seen at once flushes. */
static int64_t texts_buffer(void)
{
    static char out[TEXT_BYTES];
    static char err[TEXT_BYTES];

    return setvbuf(stdout, out, _IOFBF, sizeof out) == 0 &&
                   setvbuf(stderr, err, _IOFBF, sizeof err) == 0
               ? 0
               : ERROR_NOT_ENOUGH_MEMORY;
}

int64_t lti_tool_os_start(int *count, char ***words)
{
    int wide_count;
    char **utf8 = lti_tool_windows_words(&wide_count);

    standard_check(STD_INPUT_HANDLE);
    standard_check(STD_OUTPUT_HANDLE);
    standard_check(STD_ERROR_HANDLE);
    for (int fd = 0; fd <= 2; fd++) {
        (void)_setmode(fd, _O_BINARY);
    }
    if (utf8 == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    *count = wide_count;
    *words = utf8;
    /* A failure is a failure, not a box that somebody has to click away. */
    (void)SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    lti_tool_windows_console_start();
    return atexit(process_ends) == 0 ? texts_buffer() : ERROR_NOT_ENOUGH_MEMORY;
}

bool lti_tool_os_wake_by(void (*wake)(void *context), void *context)
{
    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    waker = wake;
    waker_context = context;
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return true;
}

void lti_tool_windows_wake(void)
{
    if (waker != NULL) {
        waker(waker_context);
    }
}

void lti_tool_windows_signal(bool end)
{
    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    signal_arrived = true;
    signal_end = signal_end || end;
    lti_tool_windows_wake();
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
}

bool lti_tool_os_signals_take(void)
{
    bool end;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    signal_arrived = false;
    end = signal_end;
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return end;
}

/* Waiting is leat_next's, see lti_tool_os_wake_by. */
int64_t lti_tool_os_wait(struct lti_tool_wait *items, size_t count, uint32_t timeout_ms)
{
    (void)timeout_ms;
    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    for (size_t i = 0; i < count; i++) {
        struct lti_tool_wait *item = &items[i];

        item->can_read = item->can_write = item->gone = false;
        if (item->handle == LTI_TOOL_SIGNALS) {
            item->can_read = signal_arrived;
        } else {
            lti_tool_windows_stream_look(item);
        }
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return 0;
}

bool lti_tool_os_is_terminal(intptr_t handle)
{
    return handle >= 0 && handle <= 2 &&
           lti_tool_windows_console(lti_tool_windows_standard((int)handle));
}

/* A process has one console at most. */
bool lti_tool_os_same_terminal(intptr_t one, intptr_t other)
{
    return lti_tool_os_is_terminal(one) && lti_tool_os_is_terminal(other);
}

uint64_t lti_tool_os_now_ms(void)
{
    LARGE_INTEGER ticks;
    LARGE_INTEGER per_second;

    /* Neither fails on a system that we run on. */
    (void)QueryPerformanceFrequency(&per_second);
    (void)QueryPerformanceCounter(&ticks);
    return (uint64_t)(ticks.QuadPart / per_second.QuadPart) * 1000 +
           (uint64_t)(ticks.QuadPart % per_second.QuadPart * 1000 / per_second.QuadPart);
}

void lti_tool_os_text(int64_t os_code, char *buffer, size_t size)
{
    wchar_t wide[256];
    DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                  FORMAT_MESSAGE_MAX_WIDTH_MASK; /* no line ends */
    DWORD units = FormatMessageW(flags, NULL, (DWORD)os_code, 0, wide, 256, NULL);
    int bytes = 0;

    while (units > 0 && (wide[units - 1] == L' ' || wide[units - 1] == L'.')) {
        units--;
    }
    if (units > 0) {
        bytes =
            WideCharToMultiByte(CP_UTF8, 0, wide, (int)units, buffer, (int)size - 1, NULL, NULL);
    }
    if (bytes > 0) {
        buffer[bytes] = '\0';
    } else {
        (void)snprintf(buffer, size, "error %lu", (unsigned long)os_code);
    }
}
