/* SPDX-License-Identifier: MIT
 *
 * The leat command: finds the command and runs it.
 *
 * Happy path: main prepares the process, parses the words, calls one lti_tool_ function and returns
 * its exit code.
 *
 * Fails: usage mistakes are exit code 2, with a word on how to get help.
 *
 * Invariants: everything printed is checked to have been written before a success is reported.
 */
#include "os.h"
#include "tool.h"

#include <string.h>

/* Longer than any address a system has: leat_resolve says TOO_BIG otherwise. */
#define ADDRESS_BYTES_MAX 4096u

static int leat_path(const struct lti_tool_options *o)
{
    char address[ADDRESS_BYTES_MAX];
    size_t size;
    enum leat_error error = leat_resolve(o->name, address, sizeof address, &size);
    const char *place;

    if (error != LEAT_OK) {
        return lti_tool_fail(o, error, 0);
    }
    place = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;
    if (o->json) {
        bool abstract = place[0] == '@';

        fputc('{', stdout);
        lti_tool_json_text(stdout, "name", o->name, strlen(o->name));
        fputc(',', stdout);
        lti_tool_json_text(stdout, "address", address, size);
        fputc(',', stdout);
        lti_tool_json_text(stdout, abstract ? "abstract" : "path", place + abstract,
                           strlen(place + abstract));
        fputs("}\n", stdout);
    } else {
        puts(place);
    }
    return lti_tool_output_check(o);
}

static int leat_show_version(const struct lti_tool_options *o)
{
    if (o->json) {
        fputc('{', stdout);
        lti_tool_json_text(stdout, "version", leat_version(), strlen(leat_version()));
        fputs("}\n", stdout);
    } else {
        printf("leat %s\n", leat_version());
    }
    return lti_tool_output_check(o);
}

static int leat_help(const struct lti_tool_options *o)
{
    enum lti_tool_command command = LTI_TOOL_HELP;

    if (o->name != NULL && !lti_tool_command_find(o->name, &command)) {
        return lti_tool_fail_text(o, LTI_TOOL_EXIT_USAGE, "no such command; see leat help", 0);
    }
    lti_tool_help_print(stdout, command);
    return lti_tool_output_check(o);
}

static int leat_run(const struct lti_tool_options *o)
{
    switch (o->command) {
    case LTI_TOOL_SERVE:
        return lti_tool_serve(o);
    case LTI_TOOL_CONNECT:
        return lti_tool_connect(o);
    case LTI_TOOL_SEND:
        return lti_tool_send(o);
    case LTI_TOOL_WAIT_FOR:
        return lti_tool_wait_for(o);
    case LTI_TOOL_PATH:
        return leat_path(o);
    case LTI_TOOL_WHO:
        return lti_tool_who(o);
    case LTI_TOOL_DOCTOR:
        return lti_tool_doctor(o);
    case LTI_TOOL_VERSION:
        return leat_show_version(o);
    default:
        return leat_help(o);
    }
}

int main(int argc, char **argv)
{
    struct lti_tool_options o = {.command = LTI_TOOL_HELP, .verb = "help"};
    int64_t os_code = lti_tool_os_start(&argc, &argv);
    const char *word = argc > 1 ? argv[1] : "";

    if (os_code != 0) {
        return lti_tool_fail_text(&o, LTI_TOOL_EXIT_OTHER, "cannot begin", os_code);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return leat_help(&o);
    }
    if (strcmp(word, "--version") == 0) {
        word = "version";
    }
    if (!lti_tool_command_find(word, &o.command)) {
        fputs(argc > 1 ? "leat: no such command; see leat help\n"
                       : "leat: a command is needed; see leat help\n",
              stderr);
        return LTI_TOOL_EXIT_USAGE;
    }
    o.verb = word;
    if (!lti_tool_options_parse(&o, argc - 2, argv + 2)) {
        return LTI_TOOL_EXIT_USAGE;
    }
    if (o.help) {
        lti_tool_help_print(stdout, o.command);
        return lti_tool_output_check(&o);
    }
    return leat_run(&o);
}
