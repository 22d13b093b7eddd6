/* SPDX-License-Identifier: MIT
 *
 * leat doctor: why a connect fails, in plain words.
 *
 * Happy path: the name is resolved, what stands there is looked at, and leat itself connects as
 * leat connect would; what that says is explained by what was seen.
 *
 * Fails: with the exit code of the connect, whatever was found.
 *
 * Invariants: nothing is changed, and not one byte is sent. It connects once, and once more without
 * a policy when nothing else tells who the peer is that the policy keeps out.
 */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES_MAX 4096u
/* A server that does not let us in closes as soon as it looks at us. */
#define CLOSES_WITHIN_MS 250u
#define EVENTS_MAX 16 /* more than one connection has that says nothing */

struct attempt {
    struct leat_hub *hub;
    leat_conn conn;
    enum leat_error error;
    int64_t os_code;
    char log[256]; /* what leat logged last */
};

static void attempt_log(void *context, const char *text)
{
    struct attempt *a = context;

    (void)snprintf(a->log, sizeof a->log, "%s", text);
}

static void attempt_end(struct attempt *a)
{
    if (a->hub != NULL) {
        (void)leat_hub_destroy(a->hub);
        a->hub = NULL;
    }
}

/* Connects as leat connect does, or lets anybody be there. */
static void attempt_begin(struct attempt *a, const struct lti_tool_options *o, bool anyone)
{
    struct leat_hub_options hub_options = {
        .size = sizeof hub_options, .single_thread = true, .log = attempt_log, .hook_context = a};
    struct leat_connect_options options = {.size = sizeof options};
    struct leat_conn_info info = {.size = sizeof info};

    *a = (struct attempt){.hub = NULL};
    a->error = leat_hub_create(&hub_options, &a->hub);
    if (a->error != LEAT_OK) {
        return;
    }
    lti_tool_policy_connect(&o->policy, &options);
    if (anyone) {
        options =
            (struct leat_connect_options){.size = sizeof options, .who = LEAT_WHO_INSECURE_ANYONE};
    }
    options.timeout_ms = o->timeout_ms;
    a->error = leat_connect(a->hub, o->name, &options, &a->conn);
    if (a->error != LEAT_OK) {
        return;
    }
    a->error = leat_wait_connected(a->hub, a->conn, LEAT_FOREVER);
    if (a->error != LEAT_OK && leat_conn_info_get(a->hub, a->conn, &info) == LEAT_OK) {
        a->os_code = info.os_code;
    }
}

static void find_resolving(struct lti_tool_doctor *d, enum leat_error error)
{
    const char *name = d->o->name;
    struct attempt a;

    switch (error) {
    case LEAT_E_NAME:
        lti_tool_found(d, LTI_TOOL_F_NAME, name, lti_tool_os_name_example(), NULL, NULL);
        break;
    case LEAT_E_NAME_TOO_LONG:
        lti_tool_found(d, LTI_TOOL_F_TOO_LONG, name, NULL, NULL, NULL);
        break;
    case LEAT_E_UNSUPPORTED:
        lti_tool_found(d, LTI_TOOL_F_UNSUPPORTED, name, NULL, NULL, NULL);
        break;
    default:
        lti_tool_os_doctor_scope(d);
        if (d->faults == 0) {
            /* It fails in the same way, and says more. */
            attempt_begin(&a, d->o, false);
            lti_tool_found(d, LTI_TOOL_F_SCOPE, a.log[0] != '\0' ? a.log : leat_error_text(error),
                           NULL, NULL, NULL);
            attempt_end(&a);
        }
        break;
    }
}

/* The policy keeps the peer out, and nothing at the name explains it: who is it? */
static void find_peer(struct lti_tool_doctor *d)
{
    struct attempt a;
    struct lti_tool_identity identity;
    char user[LTI_TOOL_USER_BYTES];

    attempt_begin(&a, d->o, true);
    memset(&identity, 0, sizeof identity);
    if (a.error == LEAT_OK) {
        lti_tool_identity_get(a.hub, a.conn, &identity);
    }
    lti_tool_identity_user(identity.peer.user, false, user, sizeof user);
    switch (lti_tool_judge(&d->o->policy, &identity)) {
    case LTI_TOOL_NOT_LET:
        lti_tool_found(d, LTI_TOOL_F_PEER_OTHER, user, lti_tool_policy_words(&d->o->policy),
                       d->o->name, identity.peer.user);
        break;
    case LTI_TOOL_NOT_CERTAIN:
        lti_tool_found(d, LTI_TOOL_F_PEER_CERTAIN, user, d->o->name, NULL, NULL);
        break;
    case LTI_TOOL_NOT_LEVEL:
        lti_tool_found(d, LTI_TOOL_F_PIPE_LEVEL, user, d->o->name, identity.peer.user, NULL);
        break;
    case LTI_TOOL_NOT_KNOWN:
        if (a.error == LEAT_OK) {
            lti_tool_found(d, LTI_TOOL_F_PEER_UNKNOWN, d->o->name, NULL, NULL, NULL);
        }
        break;
    default:
        break;
    }
    attempt_end(&a);
}

static void find_failed(struct lti_tool_doctor *d, const struct attempt *a)
{
    char text[600];

    if (d->faults == 0) {
        lti_tool_os_doctor_failed(d, a->error, a->os_code);
    }
    if (d->faults == 0 && a->error == LEAT_E_UNTRUSTED) {
        find_peer(d);
    }
    if (d->faults > 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "%s", a->log[0] != '\0' ? a->log : leat_error_text(a->error));
    /* Who is refused, and why, is in the log only. */
    if (a->os_code != 0 && (a->error != LEAT_E_UNTRUSTED || a->log[0] == '\0')) {
        char system[256];

        lti_tool_os_text(a->os_code, system, sizeof system);
        (void)snprintf(text, sizeof text, "%s (%s)", leat_error_text(a->error), system);
    }
    lti_tool_found(d, LTI_TOOL_F_OTHER, text, NULL, NULL, NULL);
}

/* Whether the server ends the connection at once. That it has nothing more to say is no end, but
 * may be the first of one. */
static bool server_closes(const struct attempt *a)
{
    struct leat_event event;
    enum leat_error error = leat_wait_readable(a->hub, a->conn, CLOSES_WITHIN_MS);

    if (error != LEAT_E_FINISHED) {
        return error != LEAT_OK && error != LEAT_E_TIMEOUT;
    }
    for (int i = 0; i < EVENTS_MAX && leat_next(a->hub, &event, CLOSES_WITHIN_MS) == LEAT_OK; i++) {
        if (event.type == LEAT_EVENT_HANGUP || event.type == LEAT_EVENT_CLOSED) {
            return true;
        }
    }
    return false;
}

/* Returns the exit code. */
static int find_connected(struct lti_tool_doctor *d, const struct attempt *a)
{
    struct lti_tool_identity identity;
    char user[LTI_TOOL_USER_BYTES];

    lti_tool_os_doctor_connected(d);
    lti_tool_identity_get(a->hub, a->conn, &identity);
    if (server_closes(a)) {
        lti_tool_os_own_user(user, sizeof user);
        lti_tool_found(d, LTI_TOOL_F_CLOSES, user, NULL, NULL, NULL);
        return LTI_TOOL_EXIT_EARLY;
    }
    lti_tool_identity_user(identity.peer.user, false, user, sizeof user);
    lti_tool_found(d, LTI_TOOL_F_ANSWERS, user,
                   lti_tool_verdict_text(lti_tool_judge(&d->o->policy, &identity)), NULL, NULL);
    return LTI_TOOL_EXIT_OK;
}

/* Returns the exit code. */
static int examine(struct lti_tool_doctor *d, char *address, size_t room)
{
    size_t size = 0;
    struct attempt a;
    enum leat_error error = leat_resolve(d->o->name, address, room, &size);
    int code;

    if (error != LEAT_OK) {
        address[0] = '\0';
        find_resolving(d, error);
        return lti_tool_exit_of(error);
    }
    lti_tool_found(d, LTI_TOOL_F_RESOLVES, d->o->name, address, NULL, NULL);
    lti_tool_os_doctor_place(d);
    attempt_begin(&a, d->o, false);
    if (a.error == LEAT_OK) {
        code = find_connected(d, &a);
    } else {
        code = lti_tool_exit_of(a.error);
        attempt_end(&a); /* what is looked at next may have room for one client only */
        find_failed(d, &a);
    }
    attempt_end(&a);
    return code;
}

int lti_tool_doctor(const struct lti_tool_options *o)
{
    struct lti_tool_doctor *d = calloc(1, sizeof *d);
    char address[ADDRESS_BYTES_MAX] = "";
    int code;
    int printed;

    if (d == NULL) {
        return lti_tool_fail(o, LEAT_E_MEMORY, 0);
    }
    d->o = o;
    d->address = address;
    code = examine(d, address, sizeof address);
    if (o->json) {
        fputc('{', stdout);
        lti_tool_json_text(stdout, "name", o->name, strlen(o->name));
        if (address[0] != '\0') {
            fputc(',', stdout);
            lti_tool_json_text(stdout, "address", address, strlen(address));
        }
        fputc(',', stdout);
        lti_tool_json_text(stdout, "who", lti_tool_policy_words(&o->policy),
                           strlen(lti_tool_policy_words(&o->policy)));
        fputc(',', stdout);
        lti_tool_found_json(d);
        printf(",\"exit\":%d}\n", code);
    } else {
        lti_tool_found_print(d);
    }
    printed = lti_tool_output_check(o);
    free(d);
    return printed != LTI_TOOL_EXIT_OK ? printed : code;
}
