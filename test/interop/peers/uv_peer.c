/* SPDX-License-Identifier: MIT
 *
 * A client and a server of libuv's pipes that know nothing of leat.
 *
 * usage: uv_peer client|echo|reverse PATH
 *   client   sends standard input and half-closes; what comes goes to standard output
 *   echo     serves one client: gives back what comes, until the client ends
 *   reverse  serves one client: reads all until its half-close, and answers with that, reversed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define PART_BYTES 65536

/* One direction: what comes from here goes there. One part is on its way at a time. */
struct copy {
    uv_stream_t *from, *to;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char part[PART_BYTES];
};

static uv_pipe_t listener, stream, standard_input, standard_output;
static struct copy outward, inward;
static char *question;
static size_t question_size, question_room;
static uv_write_t answer;

static void check(int code, const char *what)
{
    if (code < 0) {
        fprintf(stderr, "uv_peer: %s: %s\n", what, uv_strerror(code));
        exit(1);
    }
}

static void closed(uv_handle_t *handle)
{
    (void)handle;
}

static void part_give(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct copy *copy = handle->data;

    (void)wanted;
    *buffer = uv_buf_init(copy->part, sizeof copy->part);
}

static void copy_read(uv_stream_t *from, ssize_t size, const uv_buf_t *buffer);

static void copy_written(uv_write_t *request, int status)
{
    struct copy *copy = request->data;

    check(status, "write");
    check(uv_read_start(copy->from, part_give, copy_read), "read");
}

static void copy_told(uv_shutdown_t *request, int status)
{
    (void)request;
    check(status, "shutdown");
}

static void copy_read(uv_stream_t *from, ssize_t size, const uv_buf_t *buffer)
{
    struct copy *copy = from->data;

    if (size == UV_EOF) {
        uv_read_stop(from);
        if (copy->to == (uv_stream_t *)&standard_output || copy->to == from) {
            uv_close((uv_handle_t *)copy->to, closed);
            if (copy->to != from) {
                uv_close((uv_handle_t *)from, closed);
            }
        } else {
            check(uv_shutdown(&copy->shutdown, copy->to, copy_told), "shutdown");
        }
        return;
    }
    check((int)size, "read");
    if (size > 0) {
        const uv_buf_t part = uv_buf_init(buffer->base, (unsigned int)size);
        uv_read_stop(from);
        check(uv_write(&copy->write, copy->to, &part, 1, copy_written), "write");
    }
}

static void copy_begin(struct copy *copy, uv_pipe_t *from, uv_pipe_t *to)
{
    copy->from = (uv_stream_t *)from;
    copy->to = (uv_stream_t *)to;
    copy->write.data = copy;
    from->data = copy;
    check(uv_read_start(copy->from, part_give, copy_read), "read");
}

static void connected(uv_connect_t *request, int status)
{
    (void)request;
    check(status, "connect");
    copy_begin(&outward, &standard_input, &stream);
    copy_begin(&inward, &stream, &standard_output);
}

static void question_give(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)handle;
    (void)wanted;
    if (question_room - question_size < PART_BYTES) {
        question_room = question_room == 0 ? PART_BYTES : 2 * question_room;
        question = realloc(question, question_room);
        check(question == NULL ? UV_ENOMEM : 0, "realloc");
    }
    *buffer = uv_buf_init(question + question_size, PART_BYTES);
}

static void answered(uv_write_t *request, int status)
{
    check(status, "write");
    uv_close((uv_handle_t *)request->handle, closed);
}

static void question_read(uv_stream_t *from, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    if (size == UV_EOF) {
        for (size_t at = 0; at < question_size / 2; at++) {
            const char byte = question[at];
            question[at] = question[question_size - 1 - at];
            question[question_size - 1 - at] = byte;
        }
        const uv_buf_t all = uv_buf_init(question, (unsigned int)question_size);
        uv_read_stop(from);
        check(uv_write(&answer, from, &all, 1, answered), "write");
        return;
    }
    check((int)size, "read");
    question_size += (size_t)size;
}

static void arrived(uv_stream_t *server, int status)
{
    const int *reverse = server->data;

    check(status, "listen");
    check(uv_pipe_init(server->loop, &stream, 0), "pipe");
    check(uv_accept(server, (uv_stream_t *)&stream), "accept");
    uv_close((uv_handle_t *)server, closed);
    if (*reverse) {
        check(uv_read_start((uv_stream_t *)&stream, question_give, question_read), "read");
    } else {
        copy_begin(&outward, &stream, &stream);
    }
}

int main(int count, char **words)
{
    uv_loop_t *loop = uv_default_loop();
    uv_connect_t request;

    if (count != 3) {
        fprintf(stderr, "usage: uv_peer client|echo|reverse PATH\n");
        return 2;
    }
    int reverse = strcmp(words[1], "reverse") == 0;
    if (strcmp(words[1], "client") == 0) {
        check(uv_pipe_init(loop, &stream, 0), "pipe");
        check(uv_pipe_init(loop, &standard_input, 0), "pipe");
        check(uv_pipe_open(&standard_input, STDIN_FILENO), "standard input");
        check(uv_pipe_init(loop, &standard_output, 0), "pipe");
        check(uv_pipe_open(&standard_output, STDOUT_FILENO), "standard output");
        uv_pipe_connect(&request, &stream, words[2], connected);
    } else {
        check(uv_pipe_init(loop, &listener, 0), "pipe");
        listener.data = &reverse;
        check(uv_pipe_bind(&listener, words[2]), "bind");
        check(uv_listen((uv_stream_t *)&listener, 1, arrived), "listen");
    }
    uv_run(loop, UV_RUN_DEFAULT);
    free(question);
    return 0;
}
