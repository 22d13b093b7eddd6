/* SPDX-License-Identifier: MIT
 *
 * What the process tests on Windows need beside leat.exe: parents that hand down odd handles, and
 * peers that know nothing of leat. The first word says which.
 *
 * Happy path: the last line printed is what the test looks for, the exit code is the child's or 0.
 *
 * Fails: with the failed call and GetLastError on standard error, exit code 99.
 *
 * Invariants: nothing outlives the test: children are in a job that ends with us.
 */
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>
#include <windows.h>
/* It needs windows.h before it. */
#include <sddl.h>

#define DATA_BYTES (4u << 20)
#define TIMEOUT_MS 60000

static void need(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s: %lu\n", what, GetLastError());
        exit(99);
    }
}

/* Starts a command line with these standard handles, which it inherits with all others that can
 * be; in a job that ends with us. */
static HANDLE start(char *line, HANDLE in, HANDLE out)
{
    STARTUPINFOA info = {.cb = sizeof info, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = in};
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {0};
    PROCESS_INFORMATION made;
    HANDLE job = CreateJobObjectW(NULL, NULL);

    info.hStdOutput = out;
    info.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    limit.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    need(SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof limit),
         "job");
    need(CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &info, &made),
         "process");
    need(AssignProcessToJobObject(job, made.hProcess), "assign");
    need(ResumeThread(made.hThread) != (DWORD)-1, "resume");
    return made.hProcess;
}

static int finish(HANDLE process)
{
    DWORD code = 99;

    need(WaitForSingleObject(process, TIMEOUT_MS) == WAIT_OBJECT_0, "wait");
    need(GetExitCodeProcess(process, &code), "code");
    return (int)code;
}

/* Without standard input, or without standard output. */
static int without(char **words)
{
    bool in = strcmp(words[0], "in") == 0;

    return finish(start(words[1], in ? NULL : GetStdHandle(STD_INPUT_HANDLE),
                        in ? GetStdHandle(STD_OUTPUT_HANDLE) : NULL));
}

/* A server whose process has a handle that any child without a list of handles inherits. */
static int leak(char **words)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    HANDLE event = CreateEventW(&inherited, TRUE, FALSE, NULL);
    char line[2000];

    (void)snprintf(line, sizeof line, words[0], (unsigned long long)(uintptr_t)event);
    return finish(start(line, GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE)));
}

/* Whether such a handle arrived here. */
static int probe(char **words)
{
    HANDLE event = (HANDLE)(uintptr_t)strtoull(words[0], NULL, 10);

    puts(SetEvent(event) ? "leaked" : "clean");
    return 0;
}

/* A pipe both of whose ends are overlapped; theirs is inherited. */
static HANDLE pair(const char *kind, bool to_them, HANDLE *theirs_out)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    char name[100];
    HANDLE ours;

    (void)snprintf(name, sizeof name, "\\\\.\\pipe\\leat-helper-%lu-%s", GetCurrentProcessId(),
                   kind);
    ours = CreateNamedPipeA(name, to_them ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND, 0, 1, 65536,
                            65536, 0, NULL);
    need(ours != INVALID_HANDLE_VALUE, "pipe");
    *theirs_out = CreateFileA(name, to_them ? GENERIC_READ : GENERIC_WRITE, 0, &inherited,
                              OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    need(*theirs_out != INVALID_HANDLE_VALUE, "open");
    return ours;
}

static unsigned char data_at(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

/* Both ends of what a child has as standard streams. A socket is both ways. */
struct ends {
    HANDLE to, from;
    SOCKET both; /* INVALID_SOCKET: pipes */
};

static DWORD WINAPI feed(void *words)
{
    const struct ends *ends = words;
    char piece[5000];
    DWORD done;

    for (size_t at = 0; at < DATA_BYTES; at += done) {
        size_t size = DATA_BYTES - at < sizeof piece ? DATA_BYTES - at : sizeof piece;

        for (size_t i = 0; i < size; i++) {
            piece[i] = (char)data_at(at + i);
        }
        if (ends->both != INVALID_SOCKET) {
            int sent = send(ends->both, piece, (int)size, 0);

            need(sent > 0, "send");
            done = (DWORD)sent;
        } else {
            need(WriteFile(ends->to, piece, (DWORD)size, &done, NULL), "feed");
        }
    }
    if (ends->both != INVALID_SOCKET) {
        need(shutdown(ends->both, SD_SEND) == 0, "shutdown");
    } else {
        CloseHandle(ends->to);
    }
    return 0;
}

static bool take(const struct ends *ends, unsigned char *piece, int size, DWORD *done_out)
{
    int got;

    if (ends->both == INVALID_SOCKET) {
        return ReadFile(ends->from, piece, (DWORD)size, done_out, NULL);
    }
    got = recv(ends->both, (char *)piece, size, 0);
    *done_out = got > 0 ? (DWORD)got : 0;
    return got > 0;
}

/* Whether an echo gives back what it was told. */
static int echoed(struct ends ends, HANDLE process)
{
    unsigned char piece[4096];
    size_t got = 0;
    bool same = true;
    DWORD done;
    HANDLE thread = CreateThread(NULL, 0, feed, &ends, 0, NULL);

    while (take(&ends, piece, sizeof piece, &done)) {
        for (DWORD i = 0; i < done; i++) {
            same = same && piece[i] == data_at(got++);
        }
    }
    need(WaitForSingleObject(thread, TIMEOUT_MS) == WAIT_OBJECT_0, "thread");
    puts(same && got == DATA_BYTES ? "same" : "different");
    return finish(process);
}

/* A client whose standard streams are overlapped pipes, as some programs hand down. */
static int overlapped(char **words)
{
    struct ends ends = {.both = INVALID_SOCKET};
    HANDLE process;
    HANDLE in;
    HANDLE out;

    ends.to = pair("in", true, &in);
    ends.from = pair("out", false, &out);
    process = start(words[0], in, out);
    CloseHandle(in);
    CloseHandle(out);
    return echoed(ends, process);
}

/* A client whose standard streams are one socket, as inetd's are. */
static int sockets(char **words)
{
    struct ends ends = {.both = INVALID_SOCKET};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int size = sizeof address;
    SOCKET listener;
    SOCKET theirs;
    HANDLE process;
    WSADATA data;

    need(WSAStartup(MAKEWORD(2, 2), &data) == 0, "startup");
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ends.both = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
             connect(ends.both, (struct sockaddr *)&address, size) == 0,
         "sockets");
    theirs = accept(listener, NULL, NULL);
    need(theirs != INVALID_SOCKET &&
             SetHandleInformation((HANDLE)theirs, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) &&
             SetHandleInformation((HANDLE)ends.both, HANDLE_FLAG_INHERIT, 0) &&
             SetHandleInformation((HANDLE)listener, HANDLE_FLAG_INHERIT, 0),
         "accept");
    process = start(words[0], (HANDLE)theirs, (HANDLE)theirs);
    closesocket(theirs);
    closesocket(listener);
    return echoed(ends, process);
}

/* A server that reads so many bytes, says something and leaves, stays and drops what comes, or is
 * deaf. */
static int server(char **words)
{
    unsigned long wanted = strtoul(words[1], NULL, 10);
    bool stay = strcmp(words[3], "stay") == 0;
    char drop[4096];
    DWORD done;
    HANDLE pipe = CreateNamedPipeA(words[0], PIPE_ACCESS_DUPLEX, 0, 1, 4096, 4096, 0, NULL);

    need(pipe != INVALID_HANDLE_VALUE, "pipe");
    need(ConnectNamedPipe(pipe, NULL) || GetLastError() == ERROR_PIPE_CONNECTED, "connect");
    while (wanted > 0) {
        need(ReadFile(pipe, drop, wanted < sizeof drop ? wanted : sizeof drop, &done, NULL),
             "read");
        wanted -= done;
    }
    need(WriteFile(pipe, words[2], (DWORD)strlen(words[2]), &done, NULL), "write");
    if (strcmp(words[3], "deaf") == 0) {
        (void)WaitForSingleObject(GetCurrentProcess(), TIMEOUT_MS);
    }
    while (stay && ReadFile(pipe, drop, sizeof drop, &done, NULL)) {
    }
    if (!stay) {
        need(FlushFileBuffers(pipe) || GetLastError() == ERROR_BROKEN_PIPE, "flush");
    }
    CloseHandle(pipe);
    puts("left");
    return 0;
}

/* ---- Pipes of every kind and owner ----------------------------------------------------------- */

struct offered {
    const char *name;
    DWORD way, kind, instances;
    SECURITY_ATTRIBUTES security;
    bool closes;
    HANDLE offers; /* counts the instances that are there */
};

static HANDLE offer(const struct offered *o)
{
    SECURITY_ATTRIBUTES security = o->security;
    HANDLE pipe = CreateNamedPipeA(o->name, o->way, o->kind, o->instances, 4096, 4096, 0,
                                   security.lpSecurityDescriptor != NULL ? &security : NULL);

    need(pipe != INVALID_HANDLE_VALUE, "pipe");
    return pipe;
}

/* One instance: gives each client back what it says, and tells how much that was. One that leads
 * out only talks for as long as its client is there. */
static DWORD WINAPI offer_always(void *words)
{
    const struct offered *o = words;
    HANDLE pipe = offer(o);
    char piece[4096] = "";
    DWORD size;
    DWORD done;

    (void)ReleaseSemaphore(o->offers, 1, NULL);
    for (;;) {
        unsigned long said = 0;

        (void)ConnectNamedPipe(pipe, NULL); /* who came and went already is told by the read */
        while (o->way == PIPE_ACCESS_OUTBOUND &&
               WriteFile(pipe, piece, sizeof piece, &done, NULL)) {
        }
        while (!o->closes && ReadFile(pipe, piece, sizeof piece, &size, NULL)) {
            said += size;
            (void)WriteFile(pipe, piece, size, &done, NULL);
        }
        printf("%lu\n", said);
        fflush(stdout);
        (void)DisconnectNamedPipe(pipe);
    }
    return 0;
}

/* NAME KIND DESCRIPTOR INSTANCES: a foreign server, until the end of its input. Kinds: bytes,
 * messages, in, out; shut closes at once; taken has a client of its own in each instance. */
static int offer_pipes(char **words)
{
    struct offered o = {.name = words[0], .way = PIPE_ACCESS_DUPLEX};
    bool taken = strcmp(words[1], "taken") == 0;
    char drop[16];

    o.instances = (DWORD)strtoul(words[3], NULL, 10);
    o.closes = strcmp(words[1], "shut") == 0;
    o.kind = strcmp(words[1], "messages") == 0 ? PIPE_TYPE_MESSAGE : PIPE_TYPE_BYTE;
    if (strcmp(words[1], "in") == 0 || strcmp(words[1], "out") == 0) {
        o.way = words[1][0] == 'i' ? PIPE_ACCESS_INBOUND : PIPE_ACCESS_OUTBOUND;
    }
    o.offers = CreateSemaphoreW(NULL, 0, 100, NULL);
    o.security.nLength = sizeof o.security;
    need(words[2][0] == '-' ||
             ConvertStringSecurityDescriptorToSecurityDescriptorA(
                 words[2], SDDL_REVISION_1, &o.security.lpSecurityDescriptor, NULL),
         "descriptor");
    for (DWORD i = 0; i < o.instances; i++) {
        need(CreateThread(NULL, 0, offer_always, &o, 0, NULL) != NULL, "thread");
        need(WaitForSingleObject(o.offers, TIMEOUT_MS) == WAIT_OBJECT_0, "instance");
        if (taken) {
            need(CreateFileA(o.name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) !=
                     INVALID_HANDLE_VALUE,
                 "open");
        }
    }
    puts("ready");
    fflush(stdout);
    while (fread(drop, 1, sizeof drop, stdin) > 0) {
    }
    ExitProcess(0); /* the threads wait for clients */
}

/* Our own level of integrity, as a SID. */
static int level(char **words)
{
    union {
        TOKEN_MANDATORY_LABEL label;
        char room[sizeof(TOKEN_MANDATORY_LABEL) + SECURITY_MAX_SID_SIZE];
    } record;
    HANDLE token;
    DWORD size;
    char *text;

    (void)words;
    need(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token), "token");
    need(GetTokenInformation(token, TokenIntegrityLevel, &record, sizeof record, &size), "level");
    need(ConvertSidToStringSidA(record.label.Label.Sid, &text), "text");
    puts(text);
    LocalFree(text);
    CloseHandle(token);
    return 0;
}

/* A client that sends something, prints the answer until the server ends, and leaves. */
static int client(char **words)
{
    char piece[4096];
    DWORD done;
    HANDLE pipe =
        CreateFileA(words[0], GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    need(pipe != INVALID_HANDLE_VALUE, "open");
    need(WriteFile(pipe, words[1], (DWORD)strlen(words[1]), &done, NULL), "write");
    while (ReadFile(pipe, piece, sizeof piece, &done, NULL)) {
        fwrite(piece, 1, done, stdout);
        fflush(stdout);
    }
    CloseHandle(pipe);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int words;
        int (*run)(char **words);
    } modes[] = {
        {"without", 2, without},       {"leak", 1, leak},       {"probe", 1, probe},
        {"overlapped", 1, overlapped}, {"server", 4, server},   {"client", 2, client},
        {"offer", 4, offer_pipes},     {"sockets", 1, sockets}, {"level", 0, level},
    };

    (void)_setmode(1, _O_BINARY);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (argc - 2 == modes[i].words && strcmp(argv[1], modes[i].word) == 0) {
            return modes[i].run(argv + 2);
        }
    }
    fputs("unknown words\n", stderr);
    return 98;
}
