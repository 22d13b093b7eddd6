/* SPDX-License-Identifier: MIT
 *
 * The peer `libuv`: uv_pipe_t on both sides, uv_read_start with one buffer for all connections, and
 * uv_try_write first, uv_write of a copy for what did not fit.
 */
#include "../bench_loop.h"

#include <uv.h>

struct pipe {
    uv_pipe_t handle; /* first: the handle is the pipe */
    uv_connect_t connect;
    struct bench *b;
    struct bench_conn *end;
};

struct request {
    uv_write_t write; /* first */
    struct pipe *pipe;
    unsigned char data[]; /* a copy of what waits */
};

static uv_loop_t *const loop = &(uv_loop_t){0};
static uv_pipe_t listener;

static void check(const char *what, int code)
{
    if (code >= 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, uv_strerror(code));
    exit(1);
}

static void peer_open(struct bench *b)
{
    (void)b;
    check("loop", uv_loop_init(loop));
}

static void peer_shut(struct bench *b)
{
    if (b->served_here)
        uv_close((uv_handle_t *)&listener, NULL);
    uv_run(loop, UV_RUN_DEFAULT); /* the callbacks of what was closed */
    check("loop", uv_loop_close(loop));
}

static struct pipe *pipe_make(struct bench *b, struct bench_conn *end)
{
    struct pipe *pipe = malloc(sizeof *pipe);
    bench_need(pipe != NULL, "memory");
    check("pipe", uv_pipe_init(loop, &pipe->handle, 0));
    pipe->b = b;
    pipe->end = end;
    end->peer = pipe;
    return pipe;
}

static void pipe_closed(uv_handle_t *handle)
{
    free(handle);
}

static void peer_close(struct bench *b, struct bench_conn *end)
{
    struct pipe *pipe = end->peer;
    (void)b;
    uv_close((uv_handle_t *)&pipe->handle, pipe_closed);
    end->peer = NULL;
}

/* What was read is used before the next read, so that one buffer does for all. */
static void pipe_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)wanted;
    *buffer = uv_buf_init((char *)((struct pipe *)handle)->b->buffer, BENCH_BLOCK);
}

static void pipe_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct pipe *pipe = (struct pipe *)stream;
    struct bench_conn *end = pipe->end;
    struct bench *b = pipe->b;
    if (size > 0) {
        bench_data(b, end, buffer->base, (size_t)size);
    } else if (size < 0) {
        check("read", size == UV_EOF && b->served_here ? 0 : (int)size);
        peer_close(b, end);
        bench_closed(b, end);
    }
}

static void pipe_written(uv_write_t *write, int code)
{
    struct request *request = (struct request *)write;
    struct pipe *pipe = request->pipe;
    free(request);
    if (code == UV_ECANCELED)
        return;
    check("write", code);
    if (uv_stream_get_write_queue_size((uv_stream_t *)&pipe->handle) == 0)
        bench_writable(pipe->b, pipe->end);
}

static size_t peer_send(struct bench *b, struct bench_conn *end, const void *data, size_t size)
{
    struct pipe *pipe = end->peer;
    uv_stream_t *stream = (uv_stream_t *)&pipe->handle;
    size_t queued = uv_stream_get_write_queue_size(stream), done = 0;
    size_t limit = b->kind == BENCH_BURST ? bench_high_water(b) : 0; /* only there it is wanted */
    if (queued == 0) {
        uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
        int code = uv_try_write(stream, &buffer, 1);
        check("write", code == UV_EAGAIN ? 0 : code);
        done = code > 0 ? (size_t)code : 0;
        if (done == size)
            return size;
    }
    if (queued > limit)
        return 0;
    struct request *request = malloc(sizeof *request + size - done);
    bench_need(request != NULL, "memory");
    request->pipe = pipe;
    memcpy(request->data, (const unsigned char *)data + done, size - done);
    uv_buf_t rest = uv_buf_init((char *)request->data, (unsigned)(size - done));
    check("write", uv_write(&request->write, stream, &rest, 1, pipe_written));
    return size;
}

static void pipe_accept(uv_stream_t *server, int code)
{
    struct bench *b = server->data;
    check("listen", code);
    struct pipe *pipe = pipe_make(b, bench_accepted(b));
    check("accept", uv_accept(server, (uv_stream_t *)&pipe->handle));
    check("read", uv_read_start((uv_stream_t *)&pipe->handle, pipe_buffer, pipe_read));
}

static void peer_listen(struct bench *b)
{
    check("pipe", uv_pipe_init(loop, &listener, 0));
    listener.data = b;
    check("bind", uv_pipe_bind(&listener, b->path));
    check("listen", uv_listen((uv_stream_t *)&listener, BENCH_BACKLOG, pipe_accept));
}

static void pipe_connected(uv_connect_t *connect, int code)
{
    struct pipe *pipe = (struct pipe *)connect->handle;
    check("connect", code);
    check("read", uv_read_start((uv_stream_t *)&pipe->handle, pipe_buffer, pipe_read));
    bench_opened(pipe->b, pipe->end);
}

static void peer_dial(struct bench *b, struct bench_conn *end)
{
    struct pipe *pipe = pipe_make(b, end);
    uv_pipe_connect(&pipe->connect, &pipe->handle, b->path, pipe_connected);
}

static void peer_run(struct bench *b)
{
    (void)b;
    uv_run(loop, UV_RUN_DEFAULT);
}

static void peer_stop(struct bench *b)
{
    (void)b;
    uv_stop(loop);
}

int main(int argc, char **argv)
{
    return bench_loop_main("libuv", uv_version_string(), argc, argv);
}
