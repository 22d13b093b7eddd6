/* SPDX-License-Identifier: MIT
 *
 * Failures as people and programs see them: one line on standard error, one exit code.
 *
 * Happy path: lti_tool_fail prints "leat VERB: NAME: what (os text)" and returns the code. With
 * --json the same goes to standard output as one object, for programs.
 *
 * Fails: never; a standard error that cannot be written to is nobody's to hear of.
 *
 * Invariants: words of others are shown with control characters and invalid UTF-8 as \xNN, so that
 * neither a name nor a program's name can play with the terminal. Bytes of the peer are never
 * shown.
 */
#include "os.h"
#include "tool.h"

#include <inttypes.h>
#include <string.h>

#define NOTES_PER_SECOND_MAX 10u

int lti_tool_exit_of(enum leat_error error)
{
    switch (error) {
    case LEAT_OK:
        return LTI_TOOL_EXIT_OK;
    case LEAT_E_NAME:
    case LEAT_E_NAME_TOO_LONG:
    case LEAT_E_OPTIONS:
    case LEAT_E_ARGUMENT:
        return LTI_TOOL_EXIT_USAGE;
    case LEAT_E_NOT_FOUND:
        return LTI_TOOL_EXIT_NOT_FOUND;
    case LEAT_E_REFUSED:
    case LEAT_E_STALE:
        return LTI_TOOL_EXIT_REFUSED;
    case LEAT_E_DENIED:
    case LEAT_E_UNTRUSTED:
        return LTI_TOOL_EXIT_DENIED;
    case LEAT_E_TIMEOUT:
        return LTI_TOOL_EXIT_TIMEOUT;
    case LEAT_E_BUSY:
    case LEAT_E_IN_USE:
        return LTI_TOOL_EXIT_BUSY;
    case LEAT_E_PROTOCOL:
        return LTI_TOOL_EXIT_PROTOCOL;
    case LEAT_E_CLOSED:
    case LEAT_E_BROKEN:
    case LEAT_E_FINISHED:
        return LTI_TOOL_EXIT_EARLY;
    default:
        return LTI_TOOL_EXIT_OTHER;
    }
}

/* Valid UTF-8 but for C0 and C1 controls passes as it is. */
void lti_tool_word(FILE *to, const char *word)
{
    const unsigned char *at = (const unsigned char *)word;
    size_t left = strlen(word);

    while (left > 0) {
        size_t step = lti_tool_utf8_size(at, left);
        bool control =
            at[0] < 0x20 || at[0] == 0x7f || (step == 2 && at[0] == 0xc2 && at[1] < 0xa0);

        if (step == 0 || control) {
            fprintf(to, "\\x%02x", (unsigned)at[0]);
            step = 1;
        } else {
            fwrite(at, 1, step, to);
        }
        at += step;
        left -= step;
    }
}

static void report_line(const struct lti_tool_options *o, const char *what, int64_t os_code)
{
    fprintf(stderr, "leat %s: ", o->verb);
    if (o->name != NULL) {
        lti_tool_word(stderr, o->name);
        fputs(": ", stderr);
    }
    fputs(what, stderr);
    if (os_code != 0) {
        char text[256];

        lti_tool_os_text(os_code, text, sizeof text);
        fprintf(stderr, " (%s)", text);
    }
    fputc('\n', stderr);
    fflush(stderr);
}

static int report(const struct lti_tool_options *o, int code, const char *error, const char *what,
                  int64_t os_code)
{
    report_line(o, what, os_code);
    if (o->json) {
        printf("{\"command\":\"%s\",", o->verb);
        if (o->name != NULL) {
            lti_tool_json_text(stdout, "name", o->name, strlen(o->name));
            fputc(',', stdout);
        }
        printf("\"error\":\"%s\",", error);
        lti_tool_json_text(stdout, "text", what, strlen(what));
        printf(",\"os_code\":%" PRId64 ",\"exit\":%d}\n", os_code, code);
        fflush(stdout);
    }
    return code;
}

int lti_tool_fail(const struct lti_tool_options *o, enum leat_error error, int64_t os_code)
{
    return report(o, lti_tool_exit_of(error), leat_error_name(error), leat_error_text(error),
                  os_code);
}

int lti_tool_fail_conn(const struct lti_tool_options *o, struct leat_hub *hub, leat_conn conn,
                       enum leat_error error)
{
    struct leat_conn_info info = {.size = sizeof info};

    if (leat_conn_info_get(hub, conn, &info) != LEAT_OK || info.error != error) {
        info.os_code = 0;
    }
    return lti_tool_fail(o, error, info.os_code);
}

int lti_tool_fail_text(const struct lti_tool_options *o, int code, const char *what,
                       int64_t os_code)
{
    enum leat_error error = code == LTI_TOOL_EXIT_EARLY   ? LEAT_E_CLOSED
                            : code == LTI_TOOL_EXIT_USAGE ? LEAT_E_ARGUMENT
                                                          : LEAT_E_SYSTEM;

    return report(o, code, leat_error_name(error), what, os_code);
}

/* What was printed must have arrived: a full disk is a failure, not a short answer. */
int lti_tool_output_check(const struct lti_tool_options *o)
{
    bool bad = fflush(stdout) != 0;

    if (bad || ferror(stdout)) {
        return lti_tool_fail_text(o, LTI_TOOL_EXIT_OTHER, "cannot write standard output", 0);
    }
    return LTI_TOOL_EXIT_OK;
}

/* A note of a server that goes on. Clients cause them, so their number is bounded. */
void lti_tool_note(const struct lti_tool_options *o, const char *what, int64_t os_code)
{
    static uint64_t second;
    static unsigned count;
    uint64_t now = lti_tool_os_now_ms() / 1000;

    if (now != second) {
        second = now;
        count = 0;
    }
    count++;
    if (!o->quiet && count <= NOTES_PER_SECOND_MAX) {
        report_line(o, what, os_code);
    }
}
