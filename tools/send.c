/* SPDX-License-Identifier: MIT
 *
 * leat send and leat wait-for: one short exchange, written with leat's blocking calls.
 *
 * Happy path: connect, send each text, print the replies as they come, close.
 *
 * Fails: one deadline covers everything; fewer replies than expected are exit code 9, and those
 * that came were printed.
 *
 * Invariants: a reply is printed whole or not at all.
 */
#include "os.h"
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Above what a command line can hold, so that replies to it never block the sending. */
#define REPLY_BYTES_MAX (4u * 1024 * 1024)

struct send {
    const struct lti_tool_options *o;
    struct leat_hub *hub;
    leat_conn conn;
    uint64_t started_ms;
    bool untold;  /* the peer does not know that we have finished */
    char *buffer; /* REPLY_BYTES_MAX and a zero byte */
};

static uint32_t send_left_ms(const struct send *s)
{
    uint64_t passed = lti_tool_os_now_ms() - s->started_ms;

    if (s->o->timeout_ms == LEAT_FOREVER) {
        return LEAT_FOREVER;
    }
    return passed >= s->o->timeout_ms ? 0 : s->o->timeout_ms - (uint32_t)passed;
}

static int send_connect(struct send *s, const struct lti_tool_options *o, enum leat_absent absent,
                        size_t inbox_bytes)
{
    struct leat_hub_options hub_options = {.size = sizeof hub_options, .single_thread = true};
    struct leat_conn_options conn_options;
    struct leat_connect_options options = {.size = sizeof options, .conn = &conn_options};
    enum leat_error error = leat_hub_create(&hub_options, &s->hub);

    s->o = o;
    s->started_ms = lti_tool_os_now_ms();
    if (error != LEAT_OK) {
        return lti_tool_fail(o, error, 0);
    }
    lti_tool_conn_options(o, &conn_options);
    conn_options.inbox_bytes = inbox_bytes;
    lti_tool_policy_connect(&o->policy, &options);
    options.timeout_ms = o->timeout_ms;
    options.absent = absent;
    error = leat_connect(s->hub, o->name, &options, &s->conn);
    if (error != LEAT_OK) {
        return lti_tool_fail(o, error, 0);
    }
    error = leat_wait_connected(s->hub, s->conn, LEAT_FOREVER);
    return error == LEAT_OK ? LTI_TOOL_EXIT_OK : lti_tool_fail_conn(o, s->hub, s->conn, error);
}

static enum leat_error send_text(struct send *s, const char *text)
{
    size_t size = strlen(text);
    size_t done;
    char *line;
    enum leat_error error;

    if (s->o->messages) {
        return leat_send_wait(s->hub, s->conn, text, size, send_left_ms(s));
    }
    if (!s->o->line) {
        return leat_write_full(s->hub, s->conn, text, size, send_left_ms(s), &done);
    }
    line = malloc(size + 1);
    if (line == NULL) {
        return LEAT_E_MEMORY;
    }
    memcpy(line, text, size);
    line[size] = '\n';
    error = leat_write_full(s->hub, s->conn, line, size + 1, send_left_ms(s), &done);
    free(line);
    return error;
}

static enum leat_error send_texts(struct send *s)
{
    enum leat_error error = LEAT_OK;

    for (int i = 0; i < s->o->texts_count && error == LEAT_OK; i++) {
        error = send_text(s, s->o->texts[i]);
    }
    if (error == LEAT_OK && !s->o->messages && !s->o->line) {
        error = leat_finish(s->hub, s->conn);
        s->untold = error == LEAT_E_UNSUPPORTED;
        error = s->untold ? LEAT_OK : error;
    }
    return error;
}

static void send_print(const struct send *s, uint32_t n, const char *reply, size_t size)
{
    if (s->o->json) {
        printf("{\"n\":%" PRIu32 ",\"size\":%zu,", n, size);
        lti_tool_json_text(stdout, "reply", reply, size);
        fputs("}\n", stdout);
    } else {
        fwrite(reply, 1, size, stdout);
        fputc('\n', stdout);
    }
    fflush(stdout);
}

/* A reply without a newline ends with the peer, or when nothing more came for so long. */
static enum leat_error send_read_quiet(struct send *s, uint32_t quiet_ms, size_t *size_out)
{
    struct leat_conn_info info = {.size = sizeof info};
    enum leat_error error =
        leat_read_until(s->hub, s->conn, '\n', s->buffer, REPLY_BYTES_MAX, size_out);

    while (error == LEAT_E_EMPTY) {
        uint32_t left_ms = send_left_ms(s);
        bool begun = leat_conn_info_get(s->hub, s->conn, &info) == LEAT_OK && info.inbox_bytes > 0;
        bool quiet = begun && quiet_ms < left_ms;

        error = leat_wait_readable(s->hub, s->conn, quiet ? quiet_ms : left_ms);
        if (quiet && error == LEAT_E_TIMEOUT) {
            return leat_read(s->hub, s->conn, s->buffer, REPLY_BYTES_MAX, size_out);
        }
        if (error == LEAT_OK || error == LEAT_E_FINISHED) {
            error = leat_read_until(s->hub, s->conn, '\n', s->buffer, REPLY_BYTES_MAX, size_out);
        }
    }
    return error;
}

static enum leat_error send_read(struct send *s, size_t *size_out)
{
    uint32_t quiet_ms = lti_tool_after_end_ms(s->o, !s->untold);

    if (!s->o->line && quiet_ms != LEAT_FOREVER) {
        return send_read_quiet(s, quiet_ms, size_out);
    }
    return leat_read_line(s->hub, s->conn, s->buffer, REPLY_BYTES_MAX + 1, send_left_ms(s),
                          size_out);
}

static enum leat_error send_reply(struct send *s, uint32_t n)
{
    size_t size = 0;
    enum leat_error error;

    if (s->o->messages) {
        error =
            leat_receive_wait(s->hub, s->conn, s->buffer, REPLY_BYTES_MAX, send_left_ms(s), &size);
    } else {
        error = send_read(s, &size);
        if (error == LEAT_OK && size > 0 && s->buffer[size - 1] == '\n') {
            size--;
        }
    }
    if (error == LEAT_OK) {
        send_print(s, n, s->buffer, size);
    }
    return error;
}

/* After the last reply only what we ourselves could not deliver is a failure. */
static int send_end(struct send *s)
{
    uint64_t undelivered = 0;
    enum leat_error error = leat_close_wait(s->hub, s->conn, send_left_ms(s), &undelivered);

    if (undelivered > 0) {
        return lti_tool_fail(s->o, error == LEAT_OK ? LEAT_E_BROKEN : error, 0);
    }
    return lti_tool_output_check(s->o);
}

static int send_exchange(struct send *s)
{
    enum leat_error error = send_texts(s);

    for (uint32_t n = 1; n <= s->o->expect && error == LEAT_OK; n++) {
        error = send_reply(s, n);
        if (ferror(stdout)) {
            return lti_tool_output_check(s->o);
        }
    }
    if (error == LEAT_E_FINISHED || error == LEAT_E_CLOSED) {
        return lti_tool_fail_text(s->o, LTI_TOOL_EXIT_EARLY,
                                  "the peer ended before all replies had come", 0);
    }
    if (error != LEAT_OK) {
        return lti_tool_fail_conn(s->o, s->hub, s->conn, error);
    }
    return send_end(s);
}

int lti_tool_send(const struct lti_tool_options *o)
{
    struct send s = {0};
    int code = send_connect(&s, o, o->wait ? LEAT_ABSENT_WAIT : LEAT_ABSENT_FAIL, REPLY_BYTES_MAX);

    if (code == LTI_TOOL_EXIT_OK) {
        s.buffer = malloc((size_t)REPLY_BYTES_MAX + 1);
        code = s.buffer == NULL ? lti_tool_fail(o, LEAT_E_MEMORY, 0) : send_exchange(&s);
    }
    free(s.buffer);
    if (s.hub != NULL) {
        (void)leat_hub_destroy(s.hub);
    }
    return code;
}

int lti_tool_wait_for(const struct lti_tool_options *o)
{
    struct send s = {0};
    int code = send_connect(&s, o, LEAT_ABSENT_WAIT, 0);
    int64_t os_code;

    if (s.hub != NULL) {
        (void)leat_hub_destroy(s.hub);
    }
    if (code != LTI_TOOL_EXIT_OK) {
        return code;
    }
    if (o->json) {
        fputc('{', stdout);
        lti_tool_json_text(stdout, "name", o->name, strlen(o->name));
        printf(",\"listening\":true,\"waited_ms\":%" PRIu64 "}\n",
               lti_tool_os_now_ms() - s.started_ms);
    }
    code = lti_tool_output_check(o);
    if (code != LTI_TOOL_EXIT_OK || o->run == NULL) {
        return code;
    }
    os_code = lti_tool_os_become(o->run);
    return lti_tool_fail_text(o, LTI_TOOL_EXIT_OTHER, "cannot run the command", os_code);
}
