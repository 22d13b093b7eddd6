/* SPDX-License-Identifier: MIT
 *
 * Who is at the other end: asked for, judged, shown.
 *
 * Happy path: leat says what the system knows; names of users and of the program are looked up for
 * people, and decide nothing.
 *
 * Fails: what is not known is left out; an identity that is not known is let in by nobody.
 *
 * Invariants: the verdict is the one that leat itself would come to: the tests hold them against
 * each other. A pid that was given to another process meanwhile shows no program.
 */
#include "identity.h"

#include <inttypes.h>
#include <string.h>

static void number_text(uint32_t number, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%" PRIu32, number);
}

void lti_tool_identity_get(struct leat_hub *hub, leat_conn conn,
                           struct lti_tool_identity *identity_out)
{
    struct lti_tool_identity *i = identity_out;
    intptr_t process = LTI_TOOL_NO_HANDLE;
    enum leat_error error;
    char gid[16];

    memset(i, 0, sizeof *i);
    i->peer.size = sizeof i->peer;
    if (leat_peer_get(hub, conn, &i->peer) != LEAT_OK) {
        i->peer.known = 0;
        return;
    }
    i->groups_known =
        leat_peer_groups(hub, conn, i->groups, LTI_TOOL_GROUPS_MAX, &i->groups_count) == LEAT_OK;
    if ((i->peer.known & LEAT_PEER_USER) != 0) {
        lti_tool_os_user_name(i->peer.user, false, i->user_name, sizeof i->user_name);
    }
    if ((i->peer.known & LEAT_PEER_GROUP) != 0) {
        number_text(i->peer.gid, gid, sizeof gid);
        lti_tool_os_user_name(gid, true, i->group_name, sizeof i->group_name);
    }
    if ((i->peer.known & LEAT_PEER_PROCESS) == 0) {
        return;
    }
    error = leat_peer_process(hub, conn, &process);
    if (error != LEAT_E_NOT_FOUND) {
        lti_tool_os_program(i->peer.pid, i->program, sizeof i->program);
    }
    if (error == LEAT_OK && lti_tool_os_process_gone(process)) {
        i->program[0] = '\0';
    }
}

void lti_tool_identity_user(const char *text, bool group, char *buffer, size_t size)
{
    char name[LTI_TOOL_NAME_BYTES];

    lti_tool_os_user_name(text, group, name, sizeof name);
    (void)snprintf(buffer, size, name[0] != '\0' ? "%s (%s)" : "%s", text, name);
}

void lti_tool_identity_line(const struct lti_tool_identity *identity, char *buffer, size_t size)
{
    const struct lti_tool_identity *i = identity;
    char user[LTI_TOOL_USER_BYTES] = "unknown";
    char process[LTI_TOOL_PROGRAM_BYTES + 40] = "";

    if ((i->peer.known & LEAT_PEER_USER) != 0) {
        lti_tool_identity_user(i->peer.user, false, user, sizeof user);
    }
    if ((i->peer.known & LEAT_PEER_PROCESS) != 0) {
        (void)snprintf(process, sizeof process,
                       i->program[0] != '\0' ? ", process %" PRId64 " (%s)"
                                             : ", process %" PRId64 "%s",
                       i->peer.pid, i->program);
    }
    (void)snprintf(buffer, size, "user %s%s", user, process);
}

static void row(const char *key, const char *text, const char *more)
{
    printf("%-10s", key);
    lti_tool_word(stdout, text);
    if (more[0] != '\0') {
        fputs(" (", stdout);
        lti_tool_word(stdout, more);
        fputc(')', stdout);
    }
    fputc('\n', stdout);
}

static void groups_print(const struct lti_tool_identity *identity)
{
    char gid[16];
    char text[LTI_TOOL_NAME_BYTES + 32];

    printf("%-10s", "groups");
    for (size_t i = 0; i < identity->groups_count; i++) {
        number_text(identity->groups[i], gid, sizeof gid);
        lti_tool_identity_user(gid, true, text, sizeof text);
        fputs(i > 0 ? ", " : "", stdout);
        lti_tool_word(stdout, text);
    }
    fputs(identity->groups_count > 0 ? "\n" : "none beside that one\n", stdout);
}

void lti_tool_identity_print(const struct lti_tool_identity *identity)
{
    const struct lti_tool_identity *i = identity;
    char number[32];

    if ((i->peer.known & LEAT_PEER_USER) == 0) {
        row("user", "the system does not say", "");
        return;
    }
    row("user", i->peer.user, i->user_name);
    if ((i->peer.known & LEAT_PEER_GROUP) != 0) {
        number_text(i->peer.gid, number, sizeof number);
        row("group", number, i->group_name);
    }
    if (i->groups_known) {
        groups_print(i);
    }
    if ((i->peer.known & LEAT_PEER_PROCESS) != 0) {
        (void)snprintf(number, sizeof number, "%" PRId64, i->peer.pid);
        row("process", number, i->program);
    }
    if ((i->peer.known & LEAT_PEER_LABEL) != 0) {
        row("label", i->peer.label, "");
    }
    if ((i->peer.known & LEAT_PEER_SESSION) != 0) {
        number_text(i->peer.session, number, sizeof number);
        row("session", number, "");
    }
    if ((i->peer.known & LEAT_PEER_CONTAINER) != 0) {
        row("container", i->peer.container ? "yes" : "no", "");
    }
}

static void member(const char *key, const char *text)
{
    if (text[0] != '\0') {
        fputc(',', stdout);
        lti_tool_json_text(stdout, key, text, strlen(text));
    }
}

void lti_tool_identity_json(const struct lti_tool_identity *identity)
{
    const struct lti_tool_identity *i = identity;

    if ((i->peer.known & LEAT_PEER_USER) != 0) {
        member("user", i->peer.user);
        member("user_name", i->user_name);
        if (strspn(i->peer.user, "0123456789") == strlen(i->peer.user)) {
            printf(",\"uid\":%" PRIu32, i->peer.uid); /* where users are numbers */
        }
    }
    if ((i->peer.known & LEAT_PEER_GROUP) != 0) {
        printf(",\"gid\":%" PRIu32, i->peer.gid);
        member("group_name", i->group_name);
    }
    if (i->groups_known) {
        fputs(",\"groups\":[", stdout);
        for (size_t at = 0; at < i->groups_count; at++) {
            printf("%s%" PRIu32, at > 0 ? "," : "", i->groups[at]);
        }
        fputc(']', stdout);
    }
    if ((i->peer.known & LEAT_PEER_PROCESS) != 0) {
        printf(",\"pid\":%" PRId64, i->peer.pid);
        member("program", i->program);
    }
    if ((i->peer.known & LEAT_PEER_LABEL) != 0) {
        member("label", i->peer.label);
    }
    if ((i->peer.known & LEAT_PEER_SESSION) != 0) {
        printf(",\"session\":%" PRIu32, i->peer.session);
    }
    if ((i->peer.known & LEAT_PEER_CONTAINER) != 0) {
        printf(",\"container\":%s", i->peer.container ? "true" : "false");
    }
}
