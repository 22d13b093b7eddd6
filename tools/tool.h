/* SPDX-License-Identifier: MIT
 *
 * What the files of the leat command share: the options of one invocation, error reports and exit
 * codes, text and JSON output.
 */
#ifndef LTI_TOOL_H
#define LTI_TOOL_H

#include "leat/leat.h"

#include <stdio.h>

/* Exit codes are part of the command's interface: docs/command.md has the same table. */
enum lti_tool_exit {
    LTI_TOOL_EXIT_OK = 0,
    LTI_TOOL_EXIT_OTHER = 1,
    LTI_TOOL_EXIT_USAGE = 2,
    LTI_TOOL_EXIT_NOT_FOUND = 3,
    LTI_TOOL_EXIT_REFUSED = 4,
    LTI_TOOL_EXIT_DENIED = 5,
    LTI_TOOL_EXIT_TIMEOUT = 6,
    LTI_TOOL_EXIT_BUSY = 7,
    LTI_TOOL_EXIT_PROTOCOL = 8,
    LTI_TOOL_EXIT_EARLY = 9
};

enum lti_tool_command {
    LTI_TOOL_SERVE = 1,
    LTI_TOOL_CONNECT,
    LTI_TOOL_SEND,
    LTI_TOOL_WAIT_FOR,
    LTI_TOOL_PATH,
    LTI_TOOL_WHO,
    LTI_TOOL_DOCTOR,
    LTI_TOOL_VERSION,
    LTI_TOOL_HELP
};

/* Who may be at the other end, as --who says. The texts point into the room: never copied. */
struct lti_tool_policy {
    enum leat_who who;
    bool given;         /* by --who or --insecure-anyone */
    const char *spoken; /* as it was written; null: not by --who */
    uint32_t count;     /* of the texts: one group, or the users */
    const char *texts[LEAT_USERS_MAX];
    char room[LEAT_USERS_MAX][LEAT_PEER_TEXT_BYTES];
};

struct lti_tool_options {
    enum lti_tool_command command;
    const char *verb; /* "serve", for messages */
    const char *name; /* the address, or null */
    char **texts;     /* what follows the name */
    int texts_count;
    char **run; /* wait-for: the command after "--", ends with a null; or null */
    const char *exec;
    const char *sddl; /* null: not given */
    bool echo, keep_open, wait, messages, line, json, quiet, help;
    bool bytes, timeout_given, stall_given, after_end_given;
    uint32_t timeout_ms;
    uint32_t stall_ms;
    uint32_t after_end_ms;
    uint32_t expect;
    struct lti_tool_policy policy;
    const char *wrong; /* what is wrong with a value; null: nothing more to say */
};

/* options.c */
bool lti_tool_options_parse(struct lti_tool_options *o, int count, char **words);
bool lti_tool_duration_parse(const char *text, uint32_t *ms_out);
bool lti_tool_command_find(const char *word, enum lti_tool_command *command_out);
void lti_tool_conn_options(const struct lti_tool_options *o, struct leat_conn_options *c);
/* How long to listen when nothing comes any more; `told`: the peer knows that we have finished. */
uint32_t lti_tool_after_end_ms(const struct lti_tool_options *o, bool told);

/* policy.c */
/* Null, or what is wrong. */
const char *lti_tool_policy_parse(struct lti_tool_policy *policy, const char *text);
void lti_tool_policy_listen(const struct lti_tool_policy *policy, struct leat_listen_options *l);
void lti_tool_policy_connect(const struct lti_tool_policy *policy, struct leat_connect_options *c);

/* help.c */
void lti_tool_help_print(FILE *to, enum lti_tool_command command);

/* report.c. All return the exit code that belongs to the failure. */
int lti_tool_exit_of(enum leat_error error);
int lti_tool_fail(const struct lti_tool_options *o, enum leat_error error, int64_t os_code);
int lti_tool_fail_conn(const struct lti_tool_options *o, struct leat_hub *hub, leat_conn conn,
                       enum leat_error error);
int lti_tool_fail_text(const struct lti_tool_options *o, int code, const char *what,
                       int64_t os_code);
int lti_tool_output_check(const struct lti_tool_options *o);
/* A word of somebody else, without anything that a terminal would obey. */
void lti_tool_word(FILE *to, const char *word);
void lti_tool_note(const struct lti_tool_options *o, const char *what, int64_t os_code);

/* json.c */
size_t lti_tool_utf8_size(const unsigned char *text, size_t left);
bool lti_tool_utf8_valid(const void *text, size_t size);
void lti_tool_json_text(FILE *to, const char *key, const void *text, size_t size);

/* One function per command, each returns the exit code. */
int lti_tool_serve(const struct lti_tool_options *o);
int lti_tool_connect(const struct lti_tool_options *o);
int lti_tool_send(const struct lti_tool_options *o);
int lti_tool_wait_for(const struct lti_tool_options *o);
int lti_tool_who(const struct lti_tool_options *o);
int lti_tool_doctor(const struct lti_tool_options *o);

#endif
