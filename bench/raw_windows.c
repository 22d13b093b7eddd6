/* SPDX-License-Identifier: MIT
 *
 * The peer `raw-overlapped`, the reference on Windows: what one writes by hand around a completion
 * port for one connection, with nothing but what the case needs. One read and one write at most are
 * under way; what succeeds at once skips the port; no buffer is made while it runs.
 */
#include "bench.h"

#define QUOTA 65536u

struct end {
    HANDLE pipe, port;
    OVERLAPPED read, write;
    bool reading, writing, gone;
    DWORD got; /* by the read that is over */
};

static void end_open(struct end *end, HANDLE pipe)
{
    memset(end, 0, sizeof *end);
    bench_need(pipe != INVALID_HANDLE_VALUE, "pipe");
    end->pipe = pipe;
    end->port = CreateIoCompletionPort(pipe, NULL, 0, 1);
    bench_need(end->port != NULL, "completion port");
    bench_need(SetFileCompletionNotificationModes(pipe, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
                                                            FILE_SKIP_SET_EVENT_ON_HANDLE),
               "modes");
}

static void end_close(const struct end *end)
{
    CloseHandle(end->pipe);
    CloseHandle(end->port);
}

/* One completion. */
static void end_wait(struct end *end)
{
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *over = NULL;
    bool good = GetQueuedCompletionStatus(end->port, &bytes, &key, &over, INFINITE);
    if (over == &end->read) {
        end->reading = false;
        end->gone = !good && GetLastError() == ERROR_BROKEN_PIPE;
        end->got = good ? bytes : 0;
    } else {
        end->writing = false;
    }
    bench_need(good || end->gone, "completion");
}

/* How much came, at least one byte; 0: the peer has gone. */
static size_t end_read(struct end *end, void *buffer, size_t size)
{
    memset(&end->read, 0, sizeof end->read);
    if (ReadFile(end->pipe, buffer, (DWORD)size, NULL, &end->read))
        return end->read.InternalHigh;
    if (GetLastError() == ERROR_BROKEN_PIPE)
        return 0;
    bench_need(GetLastError() == ERROR_IO_PENDING, "read");
    end->reading = true;
    while (end->reading)
        end_wait(end);
    return end->got;
}

/* One write is under way at most; its memory stays as it is until the next one. */
static void end_write(struct end *end, const void *data, size_t size)
{
    while (end->writing)
        end_wait(end);
    memset(&end->write, 0, sizeof end->write);
    if (WriteFile(end->pipe, data, (DWORD)size, NULL, &end->write))
        return;
    bench_need(GetLastError() == ERROR_IO_PENDING, "write");
    end->writing = true;
}

/* ---- Server ---------------------------------------------------------------------------------- */

static void overlapped_serve(struct bench *b)
{
    struct end end;
    HANDLE pipe = CreateNamedPipeA(
        b->path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, QUOTA, QUOTA, 0, NULL);
    end_open(&end, pipe);
    if (!ConnectNamedPipe(pipe, &end.read) && GetLastError() != ERROR_PIPE_CONNECTED) {
        bench_need(GetLastError() == ERROR_IO_PENDING, "connect");
        end.reading = true;
    }
    bench_ready(b);
    while (end.reading)
        end_wait(&end);
    for (;;) {
        size_t size = end_read(&end, b->buffer, BENCH_BLOCK);
        if (size == 0)
            break;
        if (b->kind != BENCH_STREAM)
            end_write(&end, b->buffer, size);
        else if (bench_stream_got(b, b->buffer, size))
            end_write(&end, &b->stream_bytes, sizeof b->stream_bytes);
        /* The next read goes to the memory that is being written. */
        while (end.writing)
            end_wait(&end);
    }
    end_close(&end);
}

/* ---- Client ---------------------------------------------------------------------------------- */

static void overlapped_dial(const struct bench *b, struct end *end)
{
    bench_need(b->conns == 1, "one connection only");
    end_open(end,
             CreateFileA(b->path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                         FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
                         NULL));
}

static void overlapped_echo(struct bench *b)
{
    struct bench_flow *flow = &b->flows[0];
    struct end end;
    overlapped_dial(b, &end);
    bench_begin(b);
    flow->sent_ns = b->begin_ns;
    while (!b->over) {
        bool whole = false;
        end_write(&end, bench_message(b, flow), b->size);
        while (!whole) {
            size_t size = end_read(&end, b->buffer, BENCH_BLOCK);
            bench_need(size > 0, "the server has gone");
            whole = bench_got(b, flow, b->buffer, size);
        }
    }
    bench_end(b);
    end_close(&end);
}

static void overlapped_stream(struct bench *b)
{
    const unsigned char *chunk;
    uint64_t arrived = 0;
    struct end end;
    overlapped_dial(b, &end);
    bench_begin(b);
    while ((chunk = bench_stream_next(b)) != NULL)
        end_write(&end, chunk, b->size);
    size_t size = end_read(&end, &arrived, sizeof arrived);
    bench_end(b);
    bench_stream_total(b, &arrived, size);
    end_close(&end);
}

int main(int argc, char **argv)
{
    static const struct bench_peer peer = {
        "raw-overlapped",
        "none",
        overlapped_serve,
        {overlapped_echo, overlapped_stream, NULL, NULL, NULL, NULL, NULL},
    };
    return bench_main(&peer, argc, argv);
}
