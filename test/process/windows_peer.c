/* SPDX-License-Identifier: MIT
 *
 * A peer made of Windows calls alone, which knows nothing of leat and does what no good peer does.
 *
 * usage: windows_peer PIPE STEP...
 *
 *   create, create-messages   an instance of the pipe, of bytes or of messages
 *   create-plain              of bytes, without a word about its owner
 *   accept                    waits for a client of that instance
 *   open, open-read, open-write   connects, with all rights or with one
 *   open-when-there           the same as open, but waits until the pipe exists
 *   mode-messages             asks for reading in messages
 *   hello                     writes the hello of docs/wire.md
 *   bytes:N, hex:DIGITS       writes
 *   zero:N                    writes nothing, N times
 *   echo:N                    writes N bytes and reads the same back
 *   read:N, end               reads N bytes; reads until the pipe ends
 *   part:N                    reads once, with room for N bytes: 234 says that the message goes on
 *   cancel                    gives up what was begun and left waiting
 *   pend-read, pend-write:N   begins it and leaves it waiting
 *   churn:N                   connects and leaves N times
 *   crowd:N                   N threads connect; when all have, each does echo:1000
 *   wait                      waits for a line on standard input
 *   close                     closes the handle
 *   kill:PID                  ends that process, as if it had crashed
 *
 * Happy path: each step prints one JSON line with the time, Windows' error and the bytes it moved;
 *             the exit code is 0 when none had an error.
 * Fails:      a step that takes too long has error 258 (WAIT_TIMEOUT). Whatever fails, the next
 *             step is done all the same.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define LIMIT_MS 60000u
#define QUOTA 65536u
#define CROWD_MAX 256

struct peer {
    const char *name;
    HANDLE handle;
    uint64_t moved; /* bytes, by this step */
};

struct member { /* of a crowd */
    const char *name;
    HANDLE together; /* set when all have connected */
    volatile LONG *missing;
    size_t size;
    uint64_t moved;
    DWORD error;
};

/* What was begun and left: it lives as long as the process. */
struct pending {
    OVERLAPPED operation;
    char *buffer;
};

static uint64_t now_ms(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&ticks);
    return (uint64_t)(ticks.QuadPart / per_second.QuadPart) * 1000 +
           (uint64_t)(ticks.QuadPart % per_second.QuadPart) * 1000 / (uint64_t)per_second.QuadPart;
}

static void tell(const char *step, DWORD error, uint64_t bytes)
{
    printf("{\"at\":%" PRIu64 ",\"step\":\"%s\",\"error\":%lu,\"bytes\":%" PRIu64 "}\n", now_ms(),
           step, error, bytes);
    fflush(stdout);
}

/* ---- One operation --------------------------------------------------------------------------- */

/* Waits for what was begun, and gives it up when it takes too long. */
static DWORD finish(HANDLE handle, OVERLAPPED *operation, DWORD error, DWORD *bytes)
{
    *bytes = 0;
    if (error != ERROR_SUCCESS && error != ERROR_IO_PENDING && error != ERROR_MORE_DATA)
        return error;
    bool late = error == ERROR_IO_PENDING &&
                WaitForSingleObject(operation->hEvent, LIMIT_MS) != WAIT_OBJECT_0;
    if (late)
        CancelIoEx(handle, operation);
    BOOL done = GetOverlappedResult(handle, operation, bytes, TRUE);
    if (late)
        return WAIT_TIMEOUT;
    return done ? ERROR_SUCCESS : GetLastError();
}

static DWORD transfer(HANDLE handle, bool write, void *buffer, DWORD size, DWORD *bytes)
{
    OVERLAPPED operation = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    BOOL done = write ? WriteFile(handle, buffer, size, NULL, &operation)
                      : ReadFile(handle, buffer, size, NULL, &operation);
    DWORD error = finish(handle, &operation, done ? ERROR_SUCCESS : GetLastError(), bytes);
    CloseHandle(operation.hEvent);
    return error;
}

static char *pattern(size_t size)
{
    char *bytes = malloc(size + 1);
    if (bytes == NULL)
        exit(3);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 31 + (i >> 8) * 7);
    return bytes;
}

/* ---- Getting a handle ------------------------------------------------------------------------ */

/* This user owns it, it has this process's level, and everybody may open it. (wine gives a pipe no
 * owner by itself, and nobody gives it a level above medium.) */
static void descriptor_make(SECURITY_DESCRIPTOR *descriptor)
{
    static union {
        TOKEN_USER user;
        char room[256];
    } token;
    static union {
        TOKEN_MANDATORY_LABEL label;
        char room[256];
    } level;
    static union {
        ACL list;
        char room[256];
    } labels;
    HANDLE handle;
    DWORD size;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &handle) ||
        !GetTokenInformation(handle, TokenUser, &token, sizeof token, &size) ||
        !GetTokenInformation(handle, TokenIntegrityLevel, &level, sizeof level, &size) ||
        !InitializeAcl(&labels.list, sizeof labels, ACL_REVISION) ||
        !AddMandatoryAce(&labels.list, ACL_REVISION, 0, SYSTEM_MANDATORY_LABEL_NO_WRITE_UP,
                         level.label.Label.Sid) ||
        !InitializeSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION) ||
        !SetSecurityDescriptorOwner(descriptor, token.user.User.Sid, FALSE) ||
        !SetSecurityDescriptorSacl(descriptor, TRUE, &labels.list, FALSE) ||
        !SetSecurityDescriptorDacl(descriptor, TRUE, NULL, FALSE))
        exit(3);
    CloseHandle(handle);
}

static DWORD pipe_create(struct peer *peer, DWORD mode, bool owned)
{
    SECURITY_DESCRIPTOR descriptor;
    SECURITY_ATTRIBUTES attributes = {sizeof attributes, &descriptor, FALSE};
    descriptor_make(&descriptor);
    peer->handle =
        CreateNamedPipeA(peer->name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, mode,
                         PIPE_UNLIMITED_INSTANCES, QUOTA, QUOTA, 0, owned ? &attributes : NULL);
    return peer->handle != INVALID_HANDLE_VALUE ? ERROR_SUCCESS : GetLastError();
}

static DWORD pipe_accept(struct peer *peer)
{
    OVERLAPPED operation = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD bytes;
    BOOL done = ConnectNamedPipe(peer->handle, &operation);
    DWORD error = done ? ERROR_SUCCESS : GetLastError();
    if (error != ERROR_PIPE_CONNECTED)
        error = finish(peer->handle, &operation, error, &bytes);
    else
        error = ERROR_SUCCESS;
    CloseHandle(operation.hEvent);
    return error;
}

/* A server that has no instance free just now is tried again. */
static DWORD pipe_open(const char *name, DWORD access, HANDLE *handle_out)
{
    uint64_t limit = now_ms() + LIMIT_MS;
    for (;;) {
        *handle_out = CreateFileA(name, access, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
        if (*handle_out != INVALID_HANDLE_VALUE)
            return ERROR_SUCCESS;
        DWORD error = GetLastError();
        if (error != ERROR_PIPE_BUSY || now_ms() > limit)
            return error;
        WaitNamedPipeA(name, 1000);
    }
}

static DWORD peer_open(struct peer *peer, DWORD access)
{
    return pipe_open(peer->name, access, &peer->handle);
}

static DWORD peer_open_there(struct peer *peer)
{
    uint64_t limit = now_ms() + LIMIT_MS;
    DWORD error;
    while ((error = peer_open(peer, GENERIC_READ | GENERIC_WRITE)) == ERROR_FILE_NOT_FOUND &&
           now_ms() < limit)
        SwitchToThread();
    return error;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static DWORD write_all(struct peer *peer, const void *data, size_t size)
{
    DWORD bytes;
    DWORD error = transfer(peer->handle, true, (void *)(uintptr_t)data, (DWORD)size, &bytes);
    peer->moved += bytes;
    return error;
}

static DWORD write_hex(struct peer *peer, const char *digits)
{
    unsigned char bytes[256];
    size_t size = 0;
    unsigned value;
    while (size < sizeof bytes && sscanf(digits + 2 * size, "%2x", &value) == 1)
        bytes[size++] = (unsigned char)value;
    return write_all(peer, bytes, size);
}

static DWORD write_hello(struct peer *peer)
{
    return write_hex(peer, "6c6561740d0a1a0a01002000000010000000000000000000"
                           "0000000000000000");
}

static DWORD write_pattern(struct peer *peer, size_t size)
{
    char *bytes = pattern(size);
    DWORD error = write_all(peer, bytes, size);
    free(bytes);
    return error;
}

static DWORD write_nothing(struct peer *peer, size_t times)
{
    DWORD error = ERROR_SUCCESS;
    for (size_t i = 0; i < times && error == ERROR_SUCCESS; i++)
        error = write_all(peer, "", 0);
    return error;
}

static DWORD read_some(struct peer *peer, uint64_t most)
{
    char bytes[4096];
    while (peer->moved < most) {
        DWORD got;
        uint64_t want = most - peer->moved < sizeof bytes ? most - peer->moved : sizeof bytes;
        DWORD error = transfer(peer->handle, false, bytes, (DWORD)want, &got);
        peer->moved += got;
        if (error != ERROR_SUCCESS)
            return error;
    }
    return ERROR_SUCCESS;
}

static DWORD read_part(struct peer *peer, size_t size)
{
    DWORD got;
    char *bytes = pattern(size);
    DWORD error = transfer(peer->handle, false, bytes, (DWORD)size, &got);
    peer->moved = got;
    free(bytes);
    return error;
}

/* The bytes come back as they were, or the error is ERROR_CRC. */
static DWORD echo(HANDLE handle, size_t size, uint64_t *moved)
{
    char *sent = pattern(size);
    char *got = pattern(0);
    DWORD bytes;
    DWORD error = transfer(handle, true, sent, (DWORD)size, &bytes);
    got = realloc(got, size + 1);
    if (got == NULL)
        exit(3);
    for (size_t at = 0; at < size && error == ERROR_SUCCESS; at += bytes) {
        error = transfer(handle, false, got + at, (DWORD)(size - at), &bytes);
        *moved += bytes;
    }
    if (error == ERROR_SUCCESS && memcmp(sent, got, size) != 0)
        error = ERROR_CRC;
    free(sent);
    free(got);
    return error;
}

static DWORD leave_pending(struct peer *peer, bool write, size_t size)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL)
        exit(3);
    pending->buffer = pattern(size);
    BOOL done =
        write ? WriteFile(peer->handle, pending->buffer, (DWORD)size, NULL, &pending->operation)
              : ReadFile(peer->handle, pending->buffer, (DWORD)size, NULL, &pending->operation);
    return done ? ERROR_SUCCESS : GetLastError();
}

/* ---- Many ------------------------------------------------------------------------------------ */

static DWORD churn(struct peer *peer, size_t times)
{
    HANDLE handle;
    for (size_t i = 0; i < times; i++) {
        DWORD error = pipe_open(peer->name, GENERIC_READ | GENERIC_WRITE, &handle);
        if (error != ERROR_SUCCESS)
            return error;
        CloseHandle(handle);
        peer->moved++;
    }
    return ERROR_SUCCESS;
}

static DWORD WINAPI member_run(void *argument)
{
    struct member *member = argument;
    HANDLE handle;
    member->error = pipe_open(member->name, GENERIC_READ | GENERIC_WRITE, &handle);
    if (InterlockedDecrement(member->missing) == 0)
        SetEvent(member->together);
    if (member->error != ERROR_SUCCESS)
        return 0;
    if (WaitForSingleObject(member->together, LIMIT_MS) == WAIT_OBJECT_0)
        member->error = echo(handle, member->size, &member->moved);
    else
        member->error = WAIT_TIMEOUT;
    CloseHandle(handle);
    return 0;
}

static DWORD crowd(struct peer *peer, size_t count)
{
    static struct member members[CROWD_MAX];
    static HANDLE threads[CROWD_MAX];
    volatile LONG missing = (LONG)count;
    HANDLE together = CreateEventA(NULL, TRUE, FALSE, NULL);
    DWORD error = ERROR_SUCCESS;
    if (count > CROWD_MAX)
        return ERROR_INVALID_PARAMETER;
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct member){peer->name, together, &missing, 1000, 0, ERROR_SUCCESS};
        threads[i] = CreateThread(NULL, 256 * 1024, member_run, &members[i], 0, NULL);
        if (threads[i] == NULL)
            exit(3);
    }
    for (size_t i = 0; i < count; i++) {
        WaitForSingleObject(threads[i], INFINITE);
        CloseHandle(threads[i]);
        if (error == ERROR_SUCCESS)
            error = members[i].error;
        peer->moved += members[i].moved;
    }
    CloseHandle(together);
    return error;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static DWORD kill_process(DWORD pid)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, pid);
    if (process == NULL)
        return GetLastError();
    tell("killing", 0, pid);
    BOOL done = TerminateProcess(process, 9);
    DWORD error = done ? ERROR_SUCCESS : GetLastError();
    CloseHandle(process);
    return error;
}

static DWORD wait_line(void)
{
    char line[64];
    return fgets(line, sizeof line, stdin) != NULL ? ERROR_SUCCESS : ERROR_HANDLE_EOF;
}

static DWORD handle_step(struct peer *peer, const char *step)
{
    const DWORD all = PIPE_REJECT_REMOTE_CLIENTS | PIPE_WAIT;
    DWORD messages = PIPE_READMODE_MESSAGE;
    if (strcmp(step, "create") == 0)
        return pipe_create(peer, all, true);
    if (strcmp(step, "create-messages") == 0)
        return pipe_create(peer, all | PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, true);
    if (strcmp(step, "create-plain") == 0)
        return pipe_create(peer, all, false);
    if (strcmp(step, "accept") == 0)
        return pipe_accept(peer);
    if (strcmp(step, "open") == 0)
        return peer_open(peer, GENERIC_READ | GENERIC_WRITE);
    if (strcmp(step, "open-when-there") == 0)
        return peer_open_there(peer);
    if (strcmp(step, "open-read") == 0)
        return peer_open(peer, GENERIC_READ);
    if (strcmp(step, "open-write") == 0)
        return peer_open(peer, GENERIC_WRITE);
    if (strcmp(step, "mode-messages") == 0)
        return SetNamedPipeHandleState(peer->handle, &messages, NULL, NULL) ? ERROR_SUCCESS
                                                                            : GetLastError();
    if (strcmp(step, "close") == 0)
        return CloseHandle(peer->handle) ? ERROR_SUCCESS : GetLastError();
    if (strcmp(step, "hello") == 0)
        return write_hello(peer);
    if (strcmp(step, "end") == 0)
        return read_some(peer, UINT64_MAX);
    if (strcmp(step, "cancel") == 0)
        return CancelIoEx(peer->handle, NULL) ? ERROR_SUCCESS : GetLastError();
    if (strcmp(step, "pend-read") == 0)
        return leave_pending(peer, false, QUOTA);
    if (strcmp(step, "wait") == 0)
        return wait_line();
    fprintf(stderr, "windows_peer: no such step: %s\n", step);
    exit(2);
}

static DWORD counted_step(struct peer *peer, const char *step, const char *colon)
{
    static const char *const names[] = {"hex",   "bytes", "zero", "echo", "read", "pend-write",
                                        "churn", "crowd", "kill", "part", NULL};
    size_t count = strtoul(colon + 1, NULL, 10);
    size_t length = (size_t)(colon - step);
    int which = 0;
    while (names[which] && (strlen(names[which]) != length || memcmp(names[which], step, length)))
        which++;
    switch (which) {
    case 0:
        return write_hex(peer, colon + 1);
    case 1:
        return write_pattern(peer, count);
    case 2:
        return write_nothing(peer, count);
    case 3:
        return echo(peer->handle, count, &peer->moved);
    case 4:
        return read_some(peer, count);
    case 5:
        return leave_pending(peer, true, count);
    case 6:
        return churn(peer, count);
    case 7:
        return crowd(peer, count);
    case 8:
        return kill_process((DWORD)count);
    case 9:
        return read_part(peer, count);
    default:
        fprintf(stderr, "windows_peer: no such step: %s\n", step);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int code = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: windows_peer PIPE STEP...\n");
        return 2;
    }
    struct peer peer = {.name = argv[1], .handle = INVALID_HANDLE_VALUE};
    tell("pid", 0, GetCurrentProcessId());
    for (int i = 2; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        peer.moved = 0;
        DWORD error = colon ? counted_step(&peer, argv[i], colon) : handle_step(&peer, argv[i]);
        tell(argv[i], error, peer.moved);
        if (error != ERROR_SUCCESS && error != ERROR_IO_PENDING)
            code = 1;
    }
    return code;
}
