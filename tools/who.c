/* SPDX-License-Identifier: MIT
 *
 * leat who: who serves a name, and whether leat would trust it.
 *
 * Happy path: connect without a policy, ask who is there, leave; then judge.
 *
 * Fails: as the connect does; a server that would not be trusted is exit code 5.
 *
 * Invariants: one connection, over which not one byte is sent.
 */
#include "doctor.h"

#include <string.h>

#define ADDRESS_BYTES_MAX 4096u

struct who {
    const struct lti_tool_options *o;
    char address[ADDRESS_BYTES_MAX];
    struct lti_tool_identity identity;
};

static int who_look(struct who *w)
{
    struct leat_hub_options hub_options = {.size = sizeof hub_options, .single_thread = true};
    struct leat_connect_options options = {
        .size = sizeof options, .who = LEAT_WHO_INSECURE_ANYONE, .timeout_ms = w->o->timeout_ms};
    struct leat_hub *hub = NULL;
    leat_conn conn;
    size_t size;
    int code = LTI_TOOL_EXIT_OK;
    enum leat_error error = leat_hub_create(&hub_options, &hub);

    if (error != LEAT_OK) {
        return lti_tool_fail(w->o, error, 0);
    }
    error = leat_connect(hub, w->o->name, &options, &conn);
    if (error != LEAT_OK) {
        code = lti_tool_fail(w->o, error, 0);
    } else {
        error = leat_wait_connected(hub, conn, LEAT_FOREVER);
        if (error != LEAT_OK) {
            code = lti_tool_fail_conn(w->o, hub, conn, error);
        } else {
            lti_tool_identity_get(hub, conn, &w->identity);
            if (leat_conn_name(hub, conn, w->address, sizeof w->address, &size) != LEAT_OK) {
                w->address[0] = '\0';
            }
        }
    }
    (void)leat_hub_destroy(hub);
    return code;
}

/* The name is looked at before anybody is connected to, so it has the first word. */
static enum lti_tool_verdict who_judge(const struct who *w, const struct lti_tool_policy *policy)
{
    enum lti_tool_verdict verdict = lti_tool_os_place_judge(w->o, policy, w->address);

    return lti_tool_let(verdict) ? lti_tool_judge(policy, &w->identity) : verdict;
}

static void who_print_verdict(const char *policy, enum lti_tool_verdict verdict)
{
    fputs(lti_tool_let(verdict) ? "trusted   yes, by --who " : "trusted   no, by --who ", stdout);
    lti_tool_word(stdout, policy);
    printf(": %s\n", lti_tool_verdict_text(verdict));
}

static void who_print(const struct who *w, enum lti_tool_verdict usual,
                      enum lti_tool_verdict verdict)
{
    const struct lti_tool_policy *policy = &w->o->policy;

    fputs("address   ", stdout);
    lti_tool_word(stdout, w->address);
    fputc('\n', stdout);
    lti_tool_identity_print(&w->identity);
    who_print_verdict("same-user", usual);
    if (policy->given && policy->who != LEAT_WHO_SAME_USER) {
        who_print_verdict(lti_tool_policy_words(policy), verdict);
    }
}

static void who_print_json(const struct who *w, enum lti_tool_verdict usual,
                           enum lti_tool_verdict verdict, int code)
{
    const struct lti_tool_policy *policy = &w->o->policy;
    const char *words = lti_tool_policy_words(policy);

    fputc('{', stdout);
    lti_tool_json_text(stdout, "name", w->o->name, strlen(w->o->name));
    fputc(',', stdout);
    lti_tool_json_text(stdout, "address", w->address, strlen(w->address));
    lti_tool_identity_json(&w->identity);
    printf(",\"trusted\":%s,\"because\":\"%s\"", lti_tool_let(usual) ? "true" : "false",
           lti_tool_verdict_text(usual));
    if (policy->given) {
        fputc(',', stdout);
        lti_tool_json_text(stdout, "who", words, strlen(words));
        printf(",\"who_trusted\":%s,\"who_because\":\"%s\"",
               lti_tool_let(verdict) ? "true" : "false", lti_tool_verdict_text(verdict));
    }
    printf(",\"exit\":%d}\n", code);
}

int lti_tool_who(const struct lti_tool_options *o)
{
    static const struct lti_tool_policy usual_policy = {.who = LEAT_WHO_SAME_USER};
    static struct who w;
    enum lti_tool_verdict usual;
    enum lti_tool_verdict verdict;
    int printed;
    int code;

    w.o = o;
    code = who_look(&w);
    if (code != LTI_TOOL_EXIT_OK) {
        return code;
    }
    usual = who_judge(&w, &usual_policy);
    verdict = who_judge(&w, &o->policy);
    code = lti_tool_let(verdict) ? LTI_TOOL_EXIT_OK : LTI_TOOL_EXIT_DENIED;
    if (o->json) {
        who_print_json(&w, usual, verdict, code);
    } else {
        who_print(&w, usual, verdict);
    }
    printed = lti_tool_output_check(o);
    return printed != LTI_TOOL_EXIT_OK ? printed : code;
}
