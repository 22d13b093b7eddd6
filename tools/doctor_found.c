/* SPDX-License-Identifier: MIT
 *
 * Findings of leat doctor: the table, what was found, and how it is shown.
 *
 * Happy path: a finding is kept with what it is about, and shown as a sentence and, where there is
 * something to do, as a command to type.
 *
 * Fails: more findings than there is room for, or words that do not fit, are left out; there is
 * room for one of each kind.
 *
 * Invariants: names and paths in commands are quoted for a shell; what is shown holds nothing that
 * a terminal obeys.
 */
#include "doctor.h"

#include <string.h>

#define SENTENCE_BYTES 4096u

const struct lti_tool_finding lti_tool_findings[LTI_TOOL_FINDINGS] = {
#define FINDING(name, id, weight, words, advice)                                                   \
    [LTI_TOOL_F_##name] = {id, LTI_TOOL_##weight, words, advice},
#include "findings.def"
#undef FINDING
};

static void arg_set(char *to, const char *text)
{
    if (text != NULL && strlen(text) < LTI_TOOL_ARG_BYTES) {
        memcpy(to, text, strlen(text) + 1);
    }
}

void lti_tool_found(struct lti_tool_doctor *d, enum lti_tool_finding_name name, const char *one,
                    const char *two, const char *three, const char *four)
{
    struct lti_tool_found *found = &d->found[d->count];

    if (d->count == LTI_TOOL_FOUND_MAX) {
        return;
    }
    memset(found, 0, sizeof *found);
    found->name = name;
    arg_set(found->args[0], one);
    arg_set(found->args[1], two);
    arg_set(found->args[2], three);
    arg_set(found->args[3], four);
    for (size_t i = 0; i < d->count; i++) {
        if (memcmp(&d->found[i], found, sizeof *found) == 0) {
            return;
        }
    }
    d->count++;
    d->faults += lti_tool_findings[name].weight == LTI_TOOL_FAULT;
}

const struct lti_tool_found *lti_tool_found_find(const struct lti_tool_doctor *d,
                                                 enum lti_tool_finding_name name)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->found[i].name == name) {
            return &d->found[i];
        }
    }
    return NULL;
}

/* Puts the arguments into the sentence. */
static void sentence(const struct lti_tool_found *found, const char *words, char *to, size_t room)
{
    char word[4 * LTI_TOOL_ARG_BYTES + 4];
    size_t at = 0;

    while (*words != '\0' && at + 1 < room) {
        bool quoted = words[0] == '{' && words[1] == 'q';
        char digit = words[0] == '{' ? words[1 + quoted] : '\0';
        size_t size;

        if (digit < '1' || digit > '0' + (char)LTI_TOOL_ARGS) {
            to[at++] = *words++;
            continue;
        }
        size = strlen(found->args[digit - '1']);
        if (quoted) {
            size = lti_tool_os_quote(found->args[digit - '1'], word, sizeof word);
        } else {
            memcpy(word, found->args[digit - '1'], size);
        }
        size = size < room - at - 1 ? size : 0;
        memcpy(to + at, word, size);
        at += size;
        words += 3 + quoted;
    }
    to[at] = '\0';
}

void lti_tool_found_print(const struct lti_tool_doctor *d)
{
    static const char *const marks[] = {"ok    ", "      ", "FAULT "};
    char text[SENTENCE_BYTES];

    for (size_t i = 0; i < d->count; i++) {
        const struct lti_tool_finding *finding = &lti_tool_findings[d->found[i].name];

        sentence(&d->found[i], finding->words, text, sizeof text);
        fputs(marks[finding->weight], stdout);
        lti_tool_word(stdout, text);
        fputc('\n', stdout);
        sentence(&d->found[i], finding->advice, text, sizeof text);
        if (text[0] != '\0') {
            fputs("         -> ", stdout);
            lti_tool_word(stdout, text);
            fputc('\n', stdout);
        }
    }
}

void lti_tool_found_json(const struct lti_tool_doctor *d)
{
    static const char *const weights[] = {"fine", "remark", "fault"};
    char text[SENTENCE_BYTES];

    fputs("\"findings\":[", stdout);
    for (size_t i = 0; i < d->count; i++) {
        const struct lti_tool_finding *finding = &lti_tool_findings[d->found[i].name];

        sentence(&d->found[i], finding->words, text, sizeof text);
        printf("%s{\"id\":\"%s\",\"weight\":\"%s\",", i > 0 ? "," : "", finding->id,
               weights[finding->weight]);
        lti_tool_json_text(stdout, "words", text, strlen(text));
        sentence(&d->found[i], finding->advice, text, sizeof text);
        if (text[0] != '\0') {
            fputc(',', stdout);
            lti_tool_json_text(stdout, "advice", text, strlen(text));
        }
        fputc('}', stdout);
    }
    fputc(']', stdout);
}

const char *lti_tool_policy_words(const struct lti_tool_policy *policy)
{
    return policy->spoken != NULL                    ? policy->spoken
           : policy->who == LEAT_WHO_INSECURE_ANYONE ? "anyone"
                                                     : "same-user";
}
