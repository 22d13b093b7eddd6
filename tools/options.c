/* SPDX-License-Identifier: MIT
 *
 * The command line, taken apart. Our own parser: options may stand before and after the name, as
 * "--timeout 2s" or "--timeout=2s", the same on every system.
 *
 * Happy path: lti_tool_options_parse fills the options; words that are no options are moved to the
 * front of the given array, in their order.
 *
 * Fails: it prints what is wrong and how to get help, and returns false. A help wish ends parsing.
 *
 * Invariants: every option is accepted only by the commands it means something to.
 */
#include "tool.h"

#include <string.h>

#define ON(command) (1u << (command))
#define TALKING (ON(LTI_TOOL_SERVE) | ON(LTI_TOOL_CONNECT) | ON(LTI_TOOL_SEND))
#define DIALLING (ON(LTI_TOOL_CONNECT) | ON(LTI_TOOL_SEND) | ON(LTI_TOOL_WHO) | ON(LTI_TOOL_DOCTOR))
#define SAYING                                                                                     \
    (ON(LTI_TOOL_SEND) | ON(LTI_TOOL_WAIT_FOR) | ON(LTI_TOOL_PATH) | ON(LTI_TOOL_WHO) |            \
     ON(LTI_TOOL_DOCTOR) | ON(LTI_TOOL_VERSION))
#define EXPECT_MAX 1000000u
#define TIMEOUT_DEFAULT_MS 5000u
#define AFTER_END_DEFAULT_MS 2000u

struct option_rule {
    const char *word;
    unsigned commands;
    bool valued;
    bool (*set)(struct lti_tool_options *o, const char *value);
};

bool lti_tool_command_find(const char *word, enum lti_tool_command *command_out)
{
    static const char *const words[] = {"serve", "connect", "send",    "wait-for", "path",
                                        "who",   "doctor",  "version", "help"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *command_out = (enum lti_tool_command)(LTI_TOOL_SERVE + i);
            return true;
        }
    }
    return false;
}

/* Digits up to a limit; *rest_out is what follows them. No digit at all is a failure. */
static bool number_parse(const char *text, uint64_t max, uint64_t *number_out,
                         const char **rest_out)
{
    uint64_t number = 0;
    const char *at = text;

    while (*at >= '0' && *at <= '9') {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > max) {
            return false;
        }
        at++;
    }
    if (at == text) {
        return false;
    }
    *number_out = number;
    *rest_out = at;
    return true;
}

bool lti_tool_duration_parse(const char *text, uint32_t *ms_out)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    uint64_t number;
    const char *rest;

    if (strcmp(text, "forever") == 0) {
        *ms_out = LEAT_FOREVER;
        return true;
    }
    if (!number_parse(text, LEAT_FOREVER, &number, &rest)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(rest, units[i].unit) == 0 && number * units[i].ms < LEAT_FOREVER) {
            uint32_t ms = (uint32_t)(number * units[i].ms);

            *ms_out = ms == 0 ? 1 : ms; /* In leat's options 0 would mean the default. */
            return true;
        }
    }
    return false;
}

static bool set_echo(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->echo = true;
}

static bool set_exec(struct lti_tool_options *o, const char *value)
{
    o->exec = value;
    return value[0] != '\0';
}

static bool set_keep_open(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->keep_open = true;
}

static bool set_wait(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->wait = true;
}

static bool set_bytes(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->bytes = true;
}

static bool set_messages(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->messages = true;
}

static bool set_line(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->line = true;
}

static bool set_json(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->json = true;
}

static bool set_quiet(struct lti_tool_options *o, const char *value)
{
    (void)value;
    return o->quiet = true;
}

static bool policy_is_given(struct lti_tool_options *o)
{
    if (o->policy.given) {
        o->wrong = ": --who and --insecure-anyone exclude each other, and once is enough";
    }
    return o->policy.given;
}

static bool set_insecure_anyone(struct lti_tool_options *o, const char *value)
{
    (void)value;
    if (policy_is_given(o)) {
        return false;
    }
    o->policy.who = LEAT_WHO_INSECURE_ANYONE;
    return o->policy.given = true;
}

static bool set_who(struct lti_tool_options *o, const char *value)
{
    if (policy_is_given(o)) {
        return false;
    }
    o->wrong = lti_tool_policy_parse(&o->policy, value);
    if (o->wrong == NULL && o->policy.who == LEAT_WHO_ASK && o->command != LTI_TOOL_SERVE) {
        o->wrong = ": only serve can ask";
    }
    return o->wrong == NULL;
}

static bool set_sddl(struct lti_tool_options *o, const char *value)
{
    o->sddl = value;
    return true;
}

static bool set_timeout(struct lti_tool_options *o, const char *value)
{
    return lti_tool_duration_parse(value, &o->timeout_ms);
}

static bool set_stall(struct lti_tool_options *o, const char *value)
{
    return o->stall_given = lti_tool_duration_parse(value, &o->stall_ms);
}

static bool set_after_end(struct lti_tool_options *o, const char *value)
{
    return o->after_end_given = lti_tool_duration_parse(value, &o->after_end_ms);
}

static bool set_expect(struct lti_tool_options *o, const char *value)
{
    uint64_t number;
    const char *rest;

    if (!number_parse(value, EXPECT_MAX, &number, &rest) || *rest != '\0') {
        return false;
    }
    o->expect = (uint32_t)number;
    return true;
}

static const struct option_rule option_rules[] = {
    {"--echo", ON(LTI_TOOL_SERVE), false, set_echo},
    {"--exec", ON(LTI_TOOL_SERVE), true, set_exec},
    {"--keep-open", ON(LTI_TOOL_SERVE), false, set_keep_open},
    {"--wait", ON(LTI_TOOL_CONNECT) | ON(LTI_TOOL_SEND), false, set_wait},
    {"--timeout", DIALLING | ON(LTI_TOOL_WAIT_FOR), true, set_timeout},
    {"--stall", ON(LTI_TOOL_SERVE) | ON(LTI_TOOL_CONNECT), true, set_stall},
    {"--after-end", TALKING, true, set_after_end},
    {"--expect", ON(LTI_TOOL_SEND), true, set_expect},
    {"--bytes", TALKING, false, set_bytes},
    {"--messages", TALKING, false, set_messages},
    {"--line", TALKING, false, set_line},
    {"--quiet", ON(LTI_TOOL_SERVE) | ON(LTI_TOOL_CONNECT), false, set_quiet},
    /* Two sets of commands may share some. NOLINTNEXTLINE(misc-redundant-expression) */
    {"--insecure-anyone", TALKING | DIALLING | ON(LTI_TOOL_WAIT_FOR), false, set_insecure_anyone},
    {"--who", DIALLING | ON(LTI_TOOL_SERVE), true, set_who},
    {"--sddl", ON(LTI_TOOL_SERVE), true, set_sddl},
    {"--json", SAYING, false, set_json},
};

static bool usage(const struct lti_tool_options *o, const char *what, const char *word)
{
    char text[200];

    (void)snprintf(text, sizeof text, "%s%s; see leat %s --help", what, word, o->verb);
    lti_tool_fail_text(o, LTI_TOOL_EXIT_USAGE, text, 0);
    return false;
}

/* What a message may repeat as it is: short, and nothing that a terminal would obey. */
static bool showable(const char *word)
{
    size_t size = 0;

    while (word[size] > ' ' && word[size] < 0x7f) {
        size++;
    }
    return size <= 60 && word[size] == '\0';
}

static const struct option_rule *rule_find(enum lti_tool_command command, const char *word,
                                           size_t size)
{
    for (size_t i = 0; i < sizeof option_rules / sizeof option_rules[0]; i++) {
        const struct option_rule *rule = &option_rules[i];

        if (strlen(rule->word) == size && memcmp(rule->word, word, size) == 0 &&
            (rule->commands & ON(command)) != 0) {
            return rule;
        }
    }
    return NULL;
}

/* One option at words[*at]; *at moves on when the value is a word of its own. */
static bool option_take(struct lti_tool_options *o, int count, char **words, int *at)
{
    const char *word = words[*at];
    const char *value = strchr(word, '=');
    size_t size = value != NULL ? (size_t)(value - word) : strlen(word);
    const struct option_rule *rule = rule_find(o->command, word, size);

    if (rule == NULL) {
        return usage(o, "unknown option ", showable(word) ? word : "given");
    }
    if (value != NULL) {
        value++;
    } else if (rule->valued && *at + 1 < count) {
        *at += 1;
        value = words[*at];
    }
    if (rule->valued != (value != NULL)) {
        return usage(o, rule->word, rule->valued ? " needs a value" : " takes no value");
    }
    if (!rule->set(o, value)) {
        return usage(o, rule->word, o->wrong != NULL ? o->wrong : ": not a valid value");
    }
    return true;
}

static bool options_check(struct lti_tool_options *o, int words_count)
{
    bool named = o->command != LTI_TOOL_VERSION && o->command != LTI_TOOL_HELP;

    if (named && o->name == NULL) {
        return usage(o, "a name is needed", "");
    }
    if (o->command == LTI_TOOL_SEND && o->texts_count == 0) {
        return usage(o, "a text to send is needed", "");
    }
    if (o->command != LTI_TOOL_SEND && words_count > (o->command == LTI_TOOL_VERSION ? 0 : 1)) {
        return usage(o, "too many words", "");
    }
    if (o->echo && o->exec != NULL) {
        return usage(o, "--echo and --exec exclude each other", "");
    }
    if (o->keep_open && (o->echo || o->exec != NULL)) {
        return usage(o, "--keep-open is for standard input and output", "");
    }
    if (o->after_end_given && (o->echo || o->exec != NULL)) {
        return usage(o, "--after-end is for standard input and output", "");
    }
    if (o->bytes && o->messages) {
        return usage(o, "--bytes and --messages exclude each other", "");
    }
    return true;
}

bool lti_tool_options_parse(struct lti_tool_options *o, int count, char **words)
{
    int kept = 0;
    bool options_over = false;

    o->timeout_ms = TIMEOUT_DEFAULT_MS;
    for (int at = 0; at < count; at++) {
        char *word = words[at];

        if (!options_over && strcmp(word, "--") == 0) {
            if (o->command == LTI_TOOL_WAIT_FOR) {
                o->run = at + 1 < count ? &words[at + 1] : NULL;
                break;
            }
            options_over = true;
        } else if (!options_over && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            o->help = true;
            return true;
        } else if (!options_over && word[0] == '-' && word[1] != '\0') {
            if (!option_take(o, count, words, &at)) {
                return false;
            }
        } else {
            words[kept++] = word;
        }
    }
    if (kept > 0) {
        o->name = words[0];
        o->texts = words + 1;
        o->texts_count = kept - 1;
    }
    return options_check(o, kept);
}

/* A peer that cannot be told of our end may wait for it, so somebody has to give up. */
uint32_t lti_tool_after_end_ms(const struct lti_tool_options *o, bool told)
{
    return o->after_end_given ? o->after_end_ms : told ? LEAT_FOREVER : AFTER_END_DEFAULT_MS;
}

/* A person at a pager may take nothing for minutes, so only --echo and --exec, which serve anybody,
 * cut off by default. */
void lti_tool_conn_options(const struct lti_tool_options *o, struct leat_conn_options *c)
{
    bool many = o->echo || o->exec != NULL;

    *c = (struct leat_conn_options){.size = sizeof *c};
    c->protocol = o->messages ? LEAT_MESSAGES : LEAT_BYTES;
    c->write_stall_ms = o->stall_given ? o->stall_ms : many ? 0 : LEAT_FOREVER;
}
