/* SPDX-License-Identifier: MIT
 *
 * Lesson 1: a client that blocks. Connect with a deadline, send a line, read the answer, close.
 *
 *   leat serve hello --echo &
 *   01_blocking_client hello 'good morning'
 */
#include <leat/leat.h>

#include <stdio.h>
#include <string.h>

/* Says what went wrong. Every call of leat that can fail returns a reason. */
static int failed(const char *what, enum leat_error error)
{
    fprintf(stderr, "%s: %s (%s)\n", what, leat_error_text(error), leat_error_name(error));
    return 1;
}

static int talk(struct leat_hub *hub, const char *name, const char *text)
{
    struct leat_connect_options options = {.size = sizeof options, .timeout_ms = 2000};
    leat_conn conn;
    char answer[1000];
    size_t size;
    enum leat_error error = leat_connect_wait(hub, name, &options, &conn);

    if (error != LEAT_OK)
        return failed("connect", error);
    error = leat_write_full(hub, conn, text, strlen(text), 2000, &size);
    if (error == LEAT_OK)
        error = leat_write_full(hub, conn, "\n", 1, 2000, &size);
    if (error != LEAT_OK)
        return failed("write", error);
    error = leat_read_line(hub, conn, answer, sizeof answer, 2000, &size);
    if (error != LEAT_OK)
        return failed("read", error);
    printf("the answer: %s", answer);
    error = leat_close_wait(hub, conn, 2000, NULL);
    return error == LEAT_OK ? 0 : failed("close", error);
}

int main(int argc, char **argv)
{
    struct leat_hub *hub;
    enum leat_error error = leat_hub_create(NULL, &hub);
    int code;

    if (error != LEAT_OK)
        return failed("hub", error);
    code = talk(hub, argc > 1 ? argv[1] : "hello", argc > 2 ? argv[2] : "good morning");
    (void)leat_hub_destroy(hub);
    return code;
}
