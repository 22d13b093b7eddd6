/* SPDX-License-Identifier: MIT
 *
 * Streams: standard input and output, and our ends of a child's pipes.
 *
 * Happy path: a reader's thread fills a ring that the loop empties; a writer's thread writes one
 * piece that the loop gave it, and only then takes another.
 *
 * Fails: an end or an error comes after the bytes before it. An error of writing is told by the
 * next write or flush.
 *
 * Invariants: a console is read only while somebody wants to read, so that what is typed waits in
 * the console, where it can be dropped. Of the ring, [head, head + filled) is the loop's and the
 * rest the thread's. A writer's piece is the thread's while `busy`. Only a thread whose calls can
 * be taken back is ever stopped; the standard streams, whose calls may not be, live as long as the
 * process.
 */
#include "os_windows.h"

#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

#define STREAMS_MAX (3 + 2 * 128)
#define BUFFER_BYTES (256u * 1024)
#define STEP_BYTES 65536u
#define CONSOLE_STEP_BYTES 8192u /* what a console takes at once */
#define STACK_BYTES 65536u
#define STOP_MS 5000u
#define DRAIN_MS 5000u

struct stream {
    HANDLE file;
    HANDLE thread; /* null: not yet */
    HANDLE stop, done;
    CONDITION_VARIABLE go;   /* the loop did something */
    CONDITION_VARIABLE went; /* the thread did something */
    bool reading, console, overlapped, socket;
    bool busy;
    bool wanted;  /* a console: somebody waits for what is typed */
    bool stale;   /* a console: what is being read began before it was to be dropped */
    bool dropped; /* so it was, and nobody was told yet */
    bool stopped;
    bool ended;
    DWORD error;     /* that ended it */
    uint64_t offset; /* of a file that has no position of its own */
    char *buffer;
    size_t head, filled;
};

static struct stream *streams[STREAMS_MAX];

/* Whether calls on it have to say where and when, which depends on how it was opened. */
static bool file_overlapped(HANDLE file)
{
    IO_STATUS_BLOCK status;
    ULONG mode = 0;
    const ULONG synchronous = 0x30; /* FILE_SYNCHRONOUS_IO_ALERT, _NONALERT */

    return NtQueryInformationFile(file, &status, &mode, sizeof mode, FileModeInformation) >= 0 &&
           (mode & synchronous) == 0;
}

/* Waits for an operation, or for the word to stop and then for the operation to be given up. */
static DWORD transfer_wait(struct stream *s, OVERLAPPED *operation, DWORD *done_out)
{
    HANDLE either[] = {s->done, s->stop};

    if (WaitForMultipleObjects(2, either, FALSE, INFINITE) != WAIT_OBJECT_0) {
        (void)CancelIoEx(s->file, operation);
    }
    return GetOverlappedResult(s->file, operation, done_out, TRUE) ? 0 : GetLastError();
}

static bool error_is_end(DWORD error)
{
    return error == ERROR_BROKEN_PIPE || error == ERROR_NO_DATA ||
           error == ERROR_PIPE_NOT_CONNECTED || error == ERROR_HANDLE_EOF;
}

/* One ReadFile or WriteFile, until it is done. */
static DWORD transfer(struct stream *s, char *buffer, DWORD size, DWORD *done_out)
{
    /* The low bit: no completion for a queue that another process has bound the file to. */
    OVERLAPPED operation = {.hEvent = (HANDLE)((uintptr_t)s->done | 1)};
    OVERLAPPED *used = s->overlapped ? &operation : NULL;
    DWORD error = 0;
    BOOL good;

    *done_out = 0;
    operation.Offset = (DWORD)s->offset;
    operation.OffsetHigh = (DWORD)(s->offset >> 32);
    (void)ResetEvent(s->done);
    if (s->reading) {
        good = ReadFile(s->file, buffer, size, used != NULL ? NULL : done_out, used);
    } else {
        good = WriteFile(s->file, buffer, size, used != NULL ? NULL : done_out, used);
    }
    error = good ? 0 : GetLastError();
    if (used != NULL && (good || error == ERROR_IO_PENDING || error == ERROR_MORE_DATA)) {
        error = transfer_wait(s, &operation, done_out);
    }
    s->offset += *done_out;
    return error == ERROR_MORE_DATA ? 0 : error;
}

/* Reads once into [buffer, size). True: go on, perhaps with nothing. */
static bool read_once(struct stream *s, char *buffer, size_t size, size_t *done_out,
                      DWORD *error_out)
{
    DWORD done = 0;
    bool end = false;

    *done_out = 0;
    if (s->console) {
        *error_out = lti_tool_windows_console_read(s->file, buffer, size, done_out, &end);
        /* Ctrl-C ends the line that is being typed; whether it ends us is decided elsewhere. */
        return !end && (*error_out == 0 || *error_out == ERROR_OPERATION_ABORTED);
    }
    *error_out = transfer(s, buffer, size < STEP_BYTES ? (DWORD)size : STEP_BYTES, &done);
    *done_out = done;
    if (error_is_end(*error_out)) {
        *error_out = 0;
        return false;
    }
    /* Nothing is the end, but of a pipe it is somebody's empty write. */
    return *error_out == 0 && (done > 0 || (!s->socket && GetFileType(s->file) == FILE_TYPE_PIPE));
}

static DWORD WINAPI reader_run(void *argument)
{
    struct stream *s = argument;
    bool more = true;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    while (more && !s->stopped) {
        size_t at = (s->head + s->filled) % BUFFER_BYTES;
        size_t room = at >= s->head && s->filled < BUFFER_BYTES ? BUFFER_BYTES - at : s->head - at;
        size_t done;
        DWORD error = 0;

        if (BUFFER_BYTES - s->filled < STEP_BYTES || room < 4) {
            /* The console's reader wants room for a character; a ring that is empty has it. */
            if (s->filled == 0) {
                s->head = 0;
                continue;
            }
            (void)SleepConditionVariableSRW(&s->go, &lti_tool_windows_lock, INFINITE, 0);
            continue;
        }
        if (s->console && !s->wanted) {
            (void)SleepConditionVariableSRW(&s->go, &lti_tool_windows_lock, INFINITE, 0);
            continue;
        }
        s->busy = true;
        ReleaseSRWLockExclusive(&lti_tool_windows_lock);
        more = read_once(s, s->buffer + at, room, &done, &error);
        AcquireSRWLockExclusive(&lti_tool_windows_lock);
        s->busy = false;
        s->wanted = s->wanted && done == 0;
        if (s->stale && (done > 0 || !more)) {
            lti_tool_windows_console_forget();
            s->stale = false;
            s->dropped = true;
            done = 0;
            more = true;
            lti_tool_windows_wake();
        }
        s->filled += done;
        s->ended = !more;
        s->error = error;
        WakeAllConditionVariable(&s->went);
        if (!more || (done > 0 && s->filled == done)) {
            lti_tool_windows_wake();
        }
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return 0;
}

/* Writes the whole piece, or says why not. A console gets whole characters only. */
static DWORD write_all(struct stream *s, char *from, size_t size)
{
    DWORD error = 0;

    while (size > 0 && error == 0) {
        DWORD step = size < STEP_BYTES ? (DWORD)size : STEP_BYTES;
        DWORD done;

        if (s->console && step > CONSOLE_STEP_BYTES) {
            step = (DWORD)lti_tool_windows_whole(from, CONSOLE_STEP_BYTES);
        }
        error = transfer(s, from, step, &done);
        from += done;
        size -= done;
        if (error == 0 && done == 0) {
            error = ERROR_NO_DATA; /* would go on for ever */
        }
    }
    return error;
}

static DWORD WINAPI writer_run(void *argument)
{
    struct stream *s = argument;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    while (!s->stopped) {
        if (!s->busy) {
            (void)SleepConditionVariableSRW(&s->go, &lti_tool_windows_lock, INFINITE, 0);
            continue;
        }
        size_t size = s->filled;
        size_t whole = s->console ? lti_tool_windows_whole(s->buffer, size) : size;
        DWORD error;

        ReleaseSRWLockExclusive(&lti_tool_windows_lock);
        error = write_all(s, s->buffer, whole);
        AcquireSRWLockExclusive(&lti_tool_windows_lock);
        memmove(s->buffer, s->buffer + whole, size - whole);
        s->filled = size - whole; /* the rest of a character comes with the next piece */
        s->busy = false;
        s->ended = s->ended || error != 0;
        s->error = error;
        WakeAllConditionVariable(&s->went);
        lti_tool_windows_wake();
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return 0;
}

static void stream_free(struct stream *s)
{
    if (s->done != NULL) {
        (void)CloseHandle(s->done);
    }
    if (s->stop != NULL) {
        (void)CloseHandle(s->stop);
    }
    free(s->buffer);
    free(s);
}

static struct stream *stream_make(HANDLE file, bool reading)
{
    struct stream *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    s->file = file;
    s->reading = reading;
    s->console = lti_tool_windows_console(file);
    s->overlapped = !s->console && file_overlapped(file);
    s->socket =
        GetFileType(file) == FILE_TYPE_PIPE && !GetNamedPipeInfo(file, NULL, NULL, NULL, NULL);
    InitializeConditionVariable(&s->go);
    InitializeConditionVariable(&s->went);
    s->buffer = malloc(BUFFER_BYTES);
    s->stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    s->done = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (s->buffer == NULL || s->stop == NULL || s->done == NULL) {
        stream_free(s);
        return NULL;
    }
    if (file == NULL) {
        s->ended = true;
        s->error = reading ? 0 : ERROR_INVALID_HANDLE;
    }
    return s;
}

intptr_t lti_tool_windows_stream_open(HANDLE file, bool reading)
{
    for (int i = 3; i < STREAMS_MAX; i++) {
        if (streams[i] == NULL) {
            streams[i] = stream_make(file, reading);
            if (streams[i] != NULL) {
                return i;
            }
            break;
        }
    }
    (void)CloseHandle(file);
    return LTI_TOOL_NO_HANDLE;
}

/* The standard streams are made when they are first used. Null: no memory, or not open. */
static struct stream *stream_find(intptr_t handle)
{
    if (handle < 0 || handle >= STREAMS_MAX) {
        return NULL;
    }
    if (handle <= 1 && streams[handle] == NULL) {
        streams[handle] = stream_make(lti_tool_windows_standard((int)handle), handle == 0);
    }
    return streams[handle];
}

static void thread_begin(struct stream *s)
{
    if (s->thread == NULL && !s->ended) {
        s->thread = CreateThread(NULL, STACK_BYTES, s->reading ? reader_run : writer_run, s,
                                 STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
        if (s->thread == NULL) {
            s->error = GetLastError();
            s->ended = true;
        }
    }
}

void lti_tool_windows_stream_look(struct lti_tool_wait *item)
{
    struct stream *s = stream_find(item->handle);

    if (s == NULL) {
        item->can_read = item->want_read;
        item->can_write = item->want_write;
    } else if (item->want_read) {
        thread_begin(s);
        item->can_read = s->filled > 0 || s->ended || s->dropped;
        if (s->console && !item->can_read && !s->wanted) {
            s->wanted = true;
            WakeConditionVariable(&s->go);
        }
    } else {
        item->can_write = item->want_write && (!s->busy || s->ended);
        item->gone = !item->want_write && s->ended && error_is_end(s->error);
    }
}

static enum lti_tool_io stream_failed(const struct stream *s, int64_t *os_code_out)
{
    *os_code_out = s == NULL ? ERROR_NOT_ENOUGH_MEMORY : s->error;
    return *os_code_out == 0 || error_is_end((DWORD)*os_code_out) ? LTI_TOOL_IO_END
                                                                  : LTI_TOOL_IO_FAILED;
}

enum lti_tool_io lti_tool_os_read(intptr_t handle, void *buffer, size_t size, size_t *size_out,
                                  int64_t *os_code_out)
{
    struct stream *s = stream_find(handle);
    enum lti_tool_io io = LTI_TOOL_IO_LATER;
    size_t part;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    if (s != NULL && s->filled > 0 && size > 0) {
        part = s->filled < BUFFER_BYTES - s->head ? s->filled : BUFFER_BYTES - s->head;
        part = part < size ? part : size;
        memcpy(buffer, s->buffer + s->head, part);
        s->head = (s->head + part) % BUFFER_BYTES;
        s->filled -= part;
        *size_out = part;
        WakeConditionVariable(&s->go);
        io = LTI_TOOL_IO_DONE;
    } else if (s == NULL || s->ended) {
        io = stream_failed(s, os_code_out);
    } else if (s->dropped) {
        s->dropped = false;
        *size_out = 0;
        io = LTI_TOOL_IO_DONE;
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return io;
}

/* A line that somebody has begun cannot be taken back: it is dropped when it comes. An end that was
 * typed is dropped like a line, and then the console is read again. */
void lti_tool_windows_stream_forget(intptr_t handle)
{
    struct stream *s = stream_find(handle);

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    if (s != NULL && s->console) {
        s->filled = 0;
        s->dropped = false;
        s->stale = s->busy;
        if (!s->busy) {
            lti_tool_windows_console_forget();
        }
        if (s->ended && s->error == 0) {
            s->ended = false;
            (void)CloseHandle(s->thread);
            s->thread = NULL;
        }
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
}

enum lti_tool_io lti_tool_os_write(intptr_t handle, const void *data, size_t size, size_t *size_out,
                                   int64_t *os_code_out)
{
    struct stream *s = stream_find(handle);
    enum lti_tool_io io = LTI_TOOL_IO_LATER;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    if (s == NULL || s->ended) {
        io = stream_failed(s, os_code_out);
    } else if (!s->busy && size > 0) {
        size_t part = size < BUFFER_BYTES - s->filled ? size : BUFFER_BYTES - s->filled;

        memcpy(s->buffer + s->filled, data, part);
        s->filled += part;
        s->busy = true;
        *size_out = part;
        io = LTI_TOOL_IO_DONE;
        thread_begin(s);
        WakeConditionVariable(&s->go);
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return io;
}

enum lti_tool_io lti_tool_os_flush(intptr_t handle, int64_t *os_code_out)
{
    struct stream *s = stream_find(handle);
    enum lti_tool_io io = LTI_TOOL_IO_DONE;

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    if (s == NULL || (s->ended && (s->busy || s->thread != NULL))) {
        io = stream_failed(s, os_code_out);
    } else if (s->busy) {
        io = LTI_TOOL_IO_LATER;
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    return io;
}

/* Our end of a child's pipe: the thread goes before the handle does. */
static int64_t stream_close(intptr_t handle)
{
    struct stream *s = streams[handle];

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    s->stopped = true;
    WakeAllConditionVariable(&s->go);
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
    (void)SetEvent(s->stop);
    if (s->thread != NULL) {
        if (WaitForSingleObject(s->thread, STOP_MS) != WAIT_OBJECT_0) {
            return ERROR_TIMEOUT; /* it still uses the stream, which therefore stays */
        }
        (void)CloseHandle(s->thread);
    }
    streams[handle] = NULL;
    (void)CloseHandle(s->file);
    stream_free(s);
    return 0;
}

int64_t lti_tool_os_end(intptr_t handle)
{
    struct stream *s = stream_find(handle);

    if (s == NULL) {
        return ERROR_INVALID_HANDLE;
    }
    if (handle > 2) {
        return stream_close(handle);
    }
    if (handle == 1 && s->file != NULL) {
        AcquireSRWLockExclusive(&lti_tool_windows_lock);
        s->ended = true;
        s->error = ERROR_INVALID_HANDLE;
        ReleaseSRWLockExclusive(&lti_tool_windows_lock);
        /* By the C library, which has it too. */
        return _close(1) == 0 ? 0 : ERROR_INVALID_HANDLE;
    }
    return 0;
}

/* What was accepted before an end in a hurry still has a moment to get out. */
void lti_tool_windows_streams_drain(void)
{
    ULONGLONG limit = GetTickCount64() + DRAIN_MS;
    struct stream *s = streams[1];

    AcquireSRWLockExclusive(&lti_tool_windows_lock);
    while (s != NULL && s->busy && GetTickCount64() < limit) {
        (void)SleepConditionVariableSRW(&s->went, &lti_tool_windows_lock, DRAIN_MS, 0);
    }
    ReleaseSRWLockExclusive(&lti_tool_windows_lock);
}

void lti_tool_os_output_prepare(void)
{
    /* Streams never block the loop. */
}

intptr_t lti_tool_os_stdin(void)
{
    return 0;
}

intptr_t lti_tool_os_stdout(void)
{
    return 1;
}
