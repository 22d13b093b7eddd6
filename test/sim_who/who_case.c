/* SPDX-License-Identifier: MIT
 *
 * One case: the server echoes; the client tries to talk with it, several times; the witness, whom
 * the server trusts, talks with it before, meanwhile and after.
 *
 * Happy path: the client's words come back; or it gets nothing, and its words reach nobody.
 * Fails:      what is not as the outcome says fails a check, and the case is printed.
 * Invariants: the processes share this file's variables, and act on them between system calls only.
 *             What a stranger says begins with another letter than what the witness says.
 */
#include "who.h"

#include <stdio.h>
#include <string.h>

#define TRIES 3u
#define WITNESS_VISITS 2u /* before and meanwhile; after */
#define CONNS_MAX 16u
#define STEPS_MAX 1000000u
#define PATIENCE_MS 20000u
#define TURN_MS 5u

static const char client_word[] = "Stranger";
static const char witness_word[] = "Witness!"; /* as long */
#define WORD_BYTES (sizeof client_word - 1)

struct conn_seen { /* by the server */
    uint64_t id;
    uint64_t received, sent; /* over the system's boundary */
    uint64_t heard;          /* by the user */
    bool witness, accepted;
};

struct try_seen { /* by the client */
    enum leat_error error;
    enum leat_operation operation;
    bool echoed, closed, connected;
    uint64_t received; /* over the system's boundary */
};

static struct {
    const struct who_case *it;
    /* What the processes tell each other. */
    bool witness_met, client_over, witness_over;
    uint64_t echoes; /* of the witness */
    /* What the server saw. */
    struct conn_seen conns[CONNS_MAX];
    uint32_t conns_count, asked, untrusted;
    struct leat_listener_info info;
    leat_conn undecided;
    uint64_t undecided_since; /* the witness's echoes then */
    /* What the client saw. */
    struct try_seen tries[TRIES];
    uint32_t try;
} state;

/* ---- What all three do ----------------------------------------------------------------------- */

static struct leat_hub *hub_make(void (*trace)(void *context, const struct leat_trace *record))
{
    const struct leat_hub_options options = {.size = sizeof options, .trace = trace};
    struct leat_hub *hub = NULL;
    REQUIRE_ERROR(leat_hub_create(&options, &hub), LEAT_OK);
    return hub;
}

static struct leat_conn_options conn_options(void)
{
    return (struct leat_conn_options){.size = sizeof(struct leat_conn_options),
                                      .protocol = state.it->protocol};
}

static enum leat_error say(struct leat_hub *hub, leat_conn conn, const char *word, size_t size)
{
    size_t accepted = 0;
    if (state.it->protocol != LEAT_BYTES)
        return leat_send(hub, conn, word, size);
    enum leat_error error = leat_write(hub, conn, word, size, &accepted);
    if (error == LEAT_OK)
        CHECK_INT(accepted, size);
    return error;
}

static enum leat_error hear(struct leat_hub *hub, leat_conn conn, char *buffer, size_t size,
                            size_t *size_out)
{
    return state.it->protocol == LEAT_BYTES ? leat_read(hub, conn, buffer, size, size_out)
                                            : leat_receive(hub, conn, buffer, size, size_out);
}

static leat_conn dial(struct leat_hub *hub, const struct who_policy *policy)
{
    const struct leat_conn_options conn = conn_options();
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .who = policy->who,
                                                 .absent = LEAT_ABSENT_WAIT,
                                                 .group = policy->group,
                                                 .users = policy->users,
                                                 .users_count = policy->users_count,
                                                 .conn = &conn};
    leat_conn dialled = {0};
    REQUIRE_ERROR(leat_connect(hub, who_name, &options, &dialled), LEAT_OK);
    return dialled;
}

/* The peer is told as the user that it is, at either end; groups where they are numbers. */
static void peer_check(struct leat_hub *hub, leat_conn conn, const struct who_user *user)
{
    char text[LEAT_PEER_TEXT_BYTES];
    uint32_t groups[LTI_SIM_GROUPS_MAX];
    size_t count = 0;
    struct leat_peer peer = {.size = sizeof peer};
    who_text(user, text);
    CHECK_ERROR(leat_peer_get(hub, conn, &peer), LEAT_OK);
    CHECK((peer.known & LEAT_PEER_USER) != 0);
    CHECK_STR(peer.user, text);
    if (!(peer.known & LEAT_PEER_GROUP))
        return;
    CHECK_INT(peer.uid, user->uid);
    CHECK_INT(peer.gid, user->gid);
    CHECK_ERROR(leat_peer_groups(hub, conn, groups, LTI_SIM_GROUPS_MAX, &count), LEAT_OK);
    CHECK_INT(count, user->groups_count);
    CHECK_MEM(groups, user->groups, count * sizeof groups[0]);
}

/* ---- The server ------------------------------------------------------------------------------ */

static struct conn_seen *seen(uint64_t id)
{
    for (uint32_t i = 0; i < state.conns_count; i++)
        if (state.conns[i].id == id)
            return &state.conns[i];
    REQUIRE(state.conns_count < CONNS_MAX);
    struct conn_seen *conn = &state.conns[state.conns_count++];
    conn->id = id;
    return conn;
}

static void server_trace(void *context, const struct leat_trace *record)
{
    (void)context;
    struct conn_seen *conn = seen(record->conn.id);
    if (record->kind == LEAT_TRACE_RECEIVED)
        conn->received += record->size;
    else if (record->kind == LEAT_TRACE_SENT)
        conn->sent += record->size;
}

static void server_echo(struct leat_hub *hub, leat_conn conn)
{
    char buffer[64];
    size_t size = 0;
    struct conn_seen *from = seen(conn.id);
    while (hear(hub, conn, buffer, sizeof buffer, &size) == LEAT_OK) {
        from->witness = from->witness || buffer[0] == witness_word[0];
        if (!from->witness && from->heard == 0)
            peer_check(hub, conn, state.it->client);
        from->heard += size;
        CHECK_ERROR(say(hub, conn, buffer, size), LEAT_OK);
    }
}

/* The client is decided about once the witness was served meanwhile; it is known who it is. */
static void server_asked(struct leat_hub *hub, leat_conn conn)
{
    if (!state.witness_met || state.client_over) {
        CHECK_ERROR(leat_allow(hub, conn), LEAT_OK);
        return;
    }
    peer_check(hub, conn, state.it->client);
    state.asked++;
    state.undecided = conn;
    state.undecided_since = state.echoes;
}

static void server_decide(struct leat_hub *hub)
{
    if (state.undecided.id == 0 || state.echoes < state.undecided_since + 2)
        return;
    CHECK_INT(seen(state.undecided.id)->sent, 0);
    CHECK_ERROR(state.it->serves->allows ? leat_allow(hub, state.undecided)
                                         : leat_refuse(hub, state.undecided),
                LEAT_OK);
    state.undecided.id = 0;
}

static void server_event(struct leat_hub *hub, const struct leat_event *event)
{
    switch (event->type) {
    case LEAT_EVENT_ASKED:
        server_asked(hub, event->conn);
        break;
    case LEAT_EVENT_ACCEPTED:
        seen(event->conn.id)->accepted = true;
        break;
    case LEAT_EVENT_READABLE:
        server_echo(hub, event->conn);
        break;
    case LEAT_EVENT_CLOSED:
        state.untrusted += event->error == LEAT_E_UNTRUSTED;
        break;
    case LEAT_EVENT_LISTEN_ERROR:
        CHECK_ERROR(event->error, LEAT_OK);
        break;
    default:
        break;
    }
}

static void server_main(void *argument)
{
    const struct who_policy *policy = state.it->serves;
    const struct leat_conn_options conn = conn_options();
    const struct leat_listen_options options = {.size = sizeof options,
                                                .who = policy->who,
                                                .group = policy->group,
                                                .users = policy->users,
                                                .users_count = policy->users_count,
                                                .conn = &conn,
                                                .sddl = policy->sddl};
    leat_listener listener;
    struct leat_event event;
    (void)argument;
    struct leat_hub *hub = hub_make(server_trace);
    REQUIRE_ERROR(leat_listen(hub, who_name, &options, &listener), LEAT_OK);
    while (!state.witness_over) {
        enum leat_error error = leat_next(hub, &event, TURN_MS);
        if (error == LEAT_OK)
            server_event(hub, &event);
        else
            CHECK_ERROR(error, LEAT_E_TIMEOUT);
        server_decide(hub);
    }
    state.info.size = sizeof state.info;
    CHECK_ERROR(leat_listener_info_get(hub, listener, &state.info), LEAT_OK);
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
}

/* ---- The witness ----------------------------------------------------------------------------- */

static void witness_talk(struct leat_hub *hub, leat_conn conn)
{
    char buffer[64];
    size_t size = 0, total = 0;
    REQUIRE_ERROR(say(hub, conn, witness_word, WORD_BYTES), LEAT_OK);
    while (total < WORD_BYTES) {
        REQUIRE_ERROR(leat_wait_readable(hub, conn, PATIENCE_MS), LEAT_OK);
        REQUIRE_ERROR(hear(hub, conn, buffer + total, sizeof buffer - total, &size), LEAT_OK);
        total += size;
    }
    CHECK_INT(total, WORD_BYTES);
    CHECK_MEM(buffer, witness_word, WORD_BYTES);
    state.echoes++;
}

static void witness_main(void *argument)
{
    static const struct who_policy anyone = {.who = LEAT_WHO_INSECURE_ANYONE};
    (void)argument;
    struct leat_hub *hub = hub_make(NULL);
    for (uint32_t i = 0; i < WITNESS_VISITS; i++) {
        leat_conn conn = dial(hub, &anyone);
        do {
            witness_talk(hub, conn);
            state.witness_met = true;
        } while (!state.client_over);
        CHECK_ERROR(leat_close_wait(hub, conn, PATIENCE_MS, NULL), LEAT_OK);
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    state.witness_over = true;
}

/* ---- The client ------------------------------------------------------------------------------ */

static void client_trace(void *context, const struct leat_trace *record)
{
    (void)context;
    if (record->kind == LEAT_TRACE_RECEIVED)
        state.tries[state.try].received += record->size;
}

static void client_closed(struct leat_hub *hub, const struct leat_event *event,
                          struct try_seen *seen_out)
{
    struct leat_conn_info info = {.size = sizeof info};
    CHECK_ERROR(leat_conn_info_get(hub, event->conn, &info), LEAT_OK);
    seen_out->closed = true;
    seen_out->error = event->error;
    seen_out->operation = info.operation;
}

/* Speaks before it knows whether anybody is there: what it says waits until the server is known. */
static void client_try(struct leat_hub *hub, struct try_seen *seen_out)
{
    char buffer[64];
    size_t total = 0;
    struct leat_event event;
    leat_conn conn = dial(hub, state.it->dials);
    (void)say(hub, conn, client_word, WORD_BYTES);
    while (!seen_out->closed && !seen_out->echoed) {
        size_t size = 0;
        REQUIRE_ERROR(leat_next(hub, &event, PATIENCE_MS), LEAT_OK);
        CHECK_INT(event.conn.id, conn.id);
        if (event.type == LEAT_EVENT_CONNECTED) {
            seen_out->connected = true;
            if (state.it->outcome == WHO_IN) /* else it may have gone by now */
                peer_check(hub, conn, state.it->server);
        }
        if (event.type == LEAT_EVENT_CLOSED)
            client_closed(hub, &event, seen_out);
        if (event.type != LEAT_EVENT_READABLE)
            continue;
        CHECK_ERROR(hear(hub, conn, buffer + total, sizeof buffer - total, &size), LEAT_OK);
        total += size;
        seen_out->echoed = total == WORD_BYTES && memcmp(buffer, client_word, total) == 0;
        CHECK(total <= WORD_BYTES);
    }
    if (!seen_out->closed)
        CHECK_ERROR(leat_close_wait(hub, conn, PATIENCE_MS, NULL), LEAT_OK);
}

static void client_main(void *argument)
{
    (void)argument;
    while (!state.witness_met)
        lti_sim_sleep(UINT64_C(1000000));
    struct leat_hub *hub = hub_make(client_trace);
    for (state.try = 0; state.try < TRIES; state.try++) {
        uint64_t before = state.echoes;
        client_try(hub, &state.tries[state.try]);
        while (state.echoes < before + 2) /* one that began meanwhile, at least */
            lti_sim_sleep(UINT64_C(1000000));
    }
    CHECK_ERROR(leat_hub_destroy(hub), LEAT_OK);
    state.client_over = true;
}

/* ---- Judging --------------------------------------------------------------------------------- */

/* The server would have let it in, and may greet who does not trust it, too. */
static bool spurned(void)
{
    return state.it->outcome == WHO_SPURNED || (state.it->outcome == WHO_MISTRUSTED &&
                                                state.it->serves->who == LEAT_WHO_INSECURE_ANYONE);
}

static bool try_judge(const struct try_seen *it)
{
    enum who_outcome outcome = state.it->outcome;
    if (outcome == WHO_IN)
        return CHECK(it->echoed && it->connected && !it->closed);
    bool good = CHECK(it->closed && !it->echoed);
    good = CHECK_INT(it->received, 0) && good;
    switch (outcome) {
    case WHO_SHUT_OUT:
        good = CHECK_ERROR(it->error, LEAT_E_DENIED) && good;
        good = CHECK_INT(it->operation, LEAT_OP_CONNECT) && good;
        return CHECK(!it->connected) && good;
    case WHO_MISTRUSTED:
    case WHO_SPURNED:
        good = CHECK_ERROR(it->error, LEAT_E_UNTRUSTED) && good;
        good = CHECK_INT(it->operation, LEAT_OP_IDENTIFY) && good;
        return CHECK(!it->connected) && good;
    default: /* it is told nothing that it could not see by itself: the server has gone */
        if (it->error != LEAT_E_CLOSED)
            good = CHECK_ERROR(it->error, LEAT_E_BROKEN) && good;
        return CHECK(!it->connected || state.it->protocol != LEAT_MESSAGES) && good;
    }
}

/* What the server's user, and its library, know of the client. */
static bool strangers_judge(void)
{
    bool in = state.it->outcome == WHO_IN, good = true;
    uint64_t heard = 0;
    uint32_t witnesses = 0, accepted = 0;
    for (uint32_t i = 0; i < state.conns_count; i++) {
        const struct conn_seen *conn = &state.conns[i];
        witnesses += conn->witness;
        if (conn->witness)
            continue;
        heard += conn->heard;
        accepted += conn->accepted;
        if (in)
            continue;
        good = CHECK_INT(conn->received, 0) && good;
        if (!spurned())
            good = CHECK_INT(conn->sent, 0) && good;
    }
    good = CHECK_INT(witnesses, WITNESS_VISITS) && good;
    good = CHECK_INT(heard, in ? TRIES * WORD_BYTES : 0) && good;
    bool late = state.it->outcome == WHO_FOUND_OUT && state.it->protocol != LEAT_MESSAGES;
    if (late)
        good = CHECK_INT(state.untrusted, TRIES) && good;
    else
        good = CHECK_INT(state.untrusted, 0) && good;
    /* A client that does not trust the server may be gone before it is accepted, or after. */
    if (state.it->outcome != WHO_MISTRUSTED && state.it->outcome != WHO_SPURNED)
        good = CHECK_INT(accepted, in || late ? TRIES : 0) && good;
    return good;
}

static bool counts_judge(void)
{
    const struct who_case *it = state.it;
    bool refused = it->outcome == WHO_REFUSED || it->outcome == WHO_UNASKED ||
                   it->outcome == WHO_FOUND_OUT || (it->outcome == WHO_MISTRUSTED && !spurned());
    bool asked =
        it->serves->who == LEAT_WHO_ASK && (it->outcome == WHO_IN || it->outcome == WHO_REFUSED);
    bool good = CHECK_INT(state.info.denied, refused ? TRIES : 0);
    good = CHECK_INT(state.asked, asked ? TRIES : 0) && good;
    good = CHECK_INT(state.info.accept_errors, 0) && good;
    if (it->outcome == WHO_SHUT_OUT)
        good = CHECK_INT(state.info.accepted, WITNESS_VISITS) && good;
    for (uint32_t i = 1; i <= 3; i++) {
        struct lti_sim_count count;
        lti_sim_count(i, &count);
        good = CHECK_INT(count.descriptors, 0) && good;
        good = CHECK_INT(count.allocations, 0) && good;
    }
    return CHECK_INT(lti_sim_misuses(), 0) && good;
}

static void user_set(uint32_t process, const struct who_user *user)
{
    static const struct lti_sim_token usual = LTI_SIM_TOKEN_USUAL;
    lti_sim_set_user(process, user->uid, user->gid);
    lti_sim_set_groups(process, user->groups, user->groups_count);
    lti_sim_set_token(process, user->token.integrity ? &user->token : &usual);
}

/* Nothing of it changes who may come in. */
static const struct lti_sim_faults rough = {.short_read = 100000,
                                            .short_write = 100000,
                                            .interrupt = 100000,
                                            .again = 100000,
                                            .poll_spurious = 100000,
                                            .poll_duplicate = 100000,
                                            .poll_empty = 100000,
                                            .poll_shuffle = 100000,
                                            .delay = 100000,
                                            .pend = 100000};

void who_try(const struct who_case *it)
{
    static const struct who_user root = {.token = {16384, 1, false, false}};
    struct lti_sim_options options = {.seed = it->seed};
    if (it->seed % 2 == 0)
        options.faults = rough;
    memset(&state, 0, sizeof state);
    state.it = it;
    lti_sim_begin(&options);
    user_set(lti_sim_spawn("server", server_main, NULL), it->server);
    user_set(lti_sim_spawn("client", client_main, NULL), it->client);
    /* A server of an unmapped user trusts root alone. */
    user_set(lti_sim_spawn("witness", witness_main, NULL),
             it->server->uid == 65534 ? &root : it->server);
    bool good = CHECK_INT(lti_sim_run(STEPS_MAX), LTI_SIM_DONE);
    for (uint32_t i = 0; i < TRIES; i++)
        good = try_judge(&state.tries[i]) && good;
    good = strangers_judge() && good;
    good = counts_judge() && good;
    if (!good)
        (void)printf("server: %s, for %s; client: %s, for %s; protocol %d, seed %u, outcome %c\n",
                     it->server->what, it->serves->what, it->client->what, it->dials->what,
                     (int)it->protocol, (unsigned)it->seed, (char)it->outcome);
    lti_sim_end();
}
