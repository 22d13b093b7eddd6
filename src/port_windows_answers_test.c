/* SPDX-License-Identifier: MIT
 *
 * The Windows port and a system that says little, or what it never should: who is trusted then.
 */
#include "access.h"
#include "port_windows.h"

#include "harness.h"
#include "port_calls_nt.h"

#include <stdio.h>
#include <string.h>

#define ADMINISTRATORS "S-1-5-32-544"
#define SOMEBODY "S-1-5-21-1-2-3-1001"

static struct lti_access same = {.who = LEAT_WHO_SAME_USER};
static struct lti_access anyone = {.who = LEAT_WHO_INSECURE_ANYONE};
static struct lti_access admin = {.who = LEAT_WHO_ADMIN};

static int64_t denied(void)
{
    return lti_os_fail(LTI_OS_ACCESS, 5);
}

static void answers_clear(void)
{
    memset(&lti_port_answers, 0, sizeof lti_port_answers);
}

/* The label that our pipe gets, "" for none. */
static const char *label_given(const struct lti_access *access, const char *integrity)
{
    static char label[LTI_OS_SID_BYTES];
    struct os_code code;
    void *security = NULL;
    answers_clear();
    lti_port_answers.integrity = integrity;
    /* Not every odd level makes a descriptor; what was asked for is looked at. */
    if (lti_nt_security(access, &security, &code) == LEAT_OK)
        lti_os_security_free(security);
    const char *begin = strstr(lti_port_answers.sddl, "S:(ML;;NWNR;;;");
    (void)snprintf(label, sizeof label, "%s", begin ? begin + strlen("S:(ML;;NWNR;;;") : "");
    label[strcspn(label, ")")] = '\0';
    answers_clear();
    return label;
}

static struct lti_access *access_of(struct lti_pool *pool, enum leat_who who, const char *group)
{
    struct lti_access *access = NULL;
    REQUIRE_ERROR(lti_access_make(pool, who, group, NULL, 0, true, &access), LEAT_OK);
    return access;
}

TEST(port_windows_answers_levels_that_are_none)
{
    static const char *const odd[] = {"",         "S-1-16-",   "S-1-16-1234567890", "X-1-16-8192",
                                      "S-1-16-/", "S-1-16-1a", "S-1-5-8192"};
    struct lti_pool pool = {.bytes_max = 1 << 20};
    struct lti_access *group = access_of(&pool, LEAT_WHO_GROUP, SOMEBODY);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        /* Of other users those of the usual level; of this one who is not below us, if we know. */
        CHECK_STR(label_given(group, odd[i]), "S-1-16-8192");
        CHECK_STR(label_given(&same, odd[i]), odd[i]);
        CHECK_STR(label_given(&admin, odd[i]), odd[i]);
        CHECK_STR(label_given(&anyone, odd[i]), "");
    }
    CHECK_STR(label_given(group, "S-1-16-4096"), "S-1-16-4096");
    CHECK_STR(label_given(group, "S-1-16-12288"), "S-1-16-8192");
    CHECK_STR(label_given(&admin, "S-1-16-16384"), "S-1-16-12288");
    CHECK_STR(label_given(&admin, "S-1-16-12288"), "S-1-16-12288");
    lti_access_free(&pool, group);
}

TEST(port_windows_answers_a_descriptor_that_cannot_be_made)
{
    struct os_code code;
    void *security = NULL;
    answers_clear();
    lti_port_answers.create_fails = lti_os_fail(LTI_OS_MEMORY, 8);
    CHECK_ERROR(lti_nt_security_given("D:", &security, &code), LEAT_E_MEMORY);
    lti_port_answers.create_fails = denied();
    CHECK_ERROR(lti_nt_security_given("D:", &security, &code), LEAT_E_OPTIONS);
    CHECK(!security);
}

TEST(port_windows_answers_texts_that_do_not_fit)
{
    char bytes[8];
    struct lti_nt_text text = {bytes, 0, sizeof bytes};
    const char *const parts[] = {"123", "4567", "8", 0};
    const char *const more[] = {"9", 0};
    CHECK(!lti_nt_put_all(&text, parts));
    CHECK_INT(text.size, sizeof bytes);
    CHECK(!lti_nt_put_all(&text, more));
    char sid[LTI_OS_SID_BYTES + 10];
    memset(sid, '1', sizeof sid);
    memcpy(sid, "S-1-", 4);
    sid[sizeof sid - 1] = '\0';
    CHECK(!lti_port_user_valid(sid));
    CHECK(!lti_port_user_valid("S-1-5-1234567890123456"));
    CHECK(lti_port_user_valid("S-1-5-123456789012345"));
}

TEST(port_windows_answers_names_that_are_too_long)
{
    struct os_code code;
    struct lti_port *port = NULL;
    struct lti_link link;
    struct lti_claim claim;
    struct lti_address address = {.size = LTI_ADDRESS_TEXT_MAX - 1};
    const struct lti_listen listen = {.access = &same};
    const struct lti_listen taking = {.access = &same, .take_over = true};
    memset(address.text, 'x', address.size);
    lti_link_init(&link);
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    CHECK_ERROR(lti_port_listen(port, &link, &claim, &address, &listen, &code),
                LEAT_E_NAME_TOO_LONG);
    CHECK_ERROR(lti_port_listen(port, &link, &claim, &address, &taking, &code), LEAT_E_UNSUPPORTED);
    CHECK_ERROR(lti_port_connect(port, &link, &address, &same, false, &code), LEAT_E_NAME_TOO_LONG);
    CHECK(lti_port_destroy(port));
}

/* ---- The two ends of a pipe ------------------------------------------------------------------ */

struct ends {
    struct lti_port *port;
    struct lti_link listener, server, client;
    struct lti_claim claim;
    struct lti_address address;
};

static void ends_open(struct ends *ends, struct lti_access *access)
{
    struct os_code code;
    const struct lti_listen listen = {.access = access, .backlog = 100000};
    struct lti_done done[LTI_DONE_MAX];
    const char *reason;
    bool more;
    char name[64];
    answers_clear();
    memset(ends, 0, sizeof *ends);
    lti_link_init(&ends->listener);
    lti_link_init(&ends->server);
    lti_link_init(&ends->client);
    ends->server.cookie = 1;
    ends->client.cookie = 2;
    struct lti_link *const links[] = {&ends->listener, &ends->server, &ends->client};
    (void)snprintf(name, sizeof name, "answers-%llu", (unsigned long long)lti_os_now_ns());
    REQUIRE_ERROR(lti_port_create(&ends->port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_resolve(name, true, &ends->address, &reason, &code), LEAT_OK);
    REQUIRE_ERROR(
        lti_port_listen(ends->port, &ends->listener, &ends->claim, &ends->address, &listen, &code),
        LEAT_OK);
    REQUIRE_ERROR(lti_port_connect(ends->port, &ends->client, &ends->address, access, false, &code),
                  LEAT_OK);
    uint32_t news = 0;
    for (int turn = 0; turn < 2000 && !(news & LTI_DONE_READABLE); turn++) {
        int count = lti_port_prepare(ends->port, done);
        if (count == 0)
            count = lti_port_wait(ends->port, done, INT64_C(5000000), &code);
        REQUIRE(count >= 0);
        for (int i = 0; i < count; i++)
            news |= lti_port_take(ends->port, links[done[i].cookie], &done[i]);
    }
    REQUIRE_ERROR(lti_port_accept(ends->port, &ends->listener, &ends->server, access,
                                  LTI_ACCEPT_ASK, &more, &code),
                  LEAT_OK);
}

static void ends_close(struct ends *ends)
{
    answers_clear();
    CHECK(lti_port_end(ends->port, &ends->client, NULL, NULL, false));
    CHECK(lti_port_end(ends->port, &ends->server, NULL, NULL, false));
    CHECK(lti_port_end(ends->port, &ends->listener, &ends->claim, &ends->address, false));
    CHECK(lti_port_destroy(ends->port));
}

static enum leat_error client_judges(struct ends *ends)
{
    struct lti_peer peer = {.known = false};
    struct os_code code;
    enum leat_error error = lti_port_judge(&ends->client, &same, &peer, &code);
    answers_clear();
    return error;
}

TEST(port_windows_answers_decide_whether_a_server_is_trusted)
{
    struct ends ends;
    ends_open(&ends, &same);
    CHECK_ERROR(client_judges(&ends), LEAT_OK);
    lti_port_answers.integrity = "";
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.label = "S-1-16-x";
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.label = "S-1-16-0";
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.integrity = "S-1-16-8192";
    lti_port_answers.label = ""; /* counts as medium */
    CHECK_ERROR(client_judges(&ends), LEAT_OK);
    lti_port_answers.label_fails = denied();
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.owner_fails = denied();
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.facts_fails = denied();
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.owner = SOMEBODY;
    CHECK_ERROR(client_judges(&ends), LEAT_E_UNTRUSTED);
    lti_port_answers.owner = ADMINISTRATORS; /* who could read our memory anyway */
    lti_port_answers.label = "S-1-16-12288";
    CHECK_ERROR(client_judges(&ends), LEAT_OK);
    ends_close(&ends);
}

TEST(port_windows_answers_are_told_as_far_as_they_go)
{
    struct ends ends;
    struct os_code code;
    struct leat_peer peer;
    intptr_t process = -7;
    ends_open(&ends, &same);
    memset(&peer, 0, sizeof peer);
    lti_port_answers.label_fails = denied();
    CHECK_ERROR(lti_port_identity(&ends.client, &peer, &code), LEAT_OK);
    CHECK(!(peer.known & LEAT_PEER_LABEL) && (peer.known & LEAT_PEER_PROCESS));
    answers_clear();
    lti_port_answers.owner_fails = denied();
    CHECK_ERROR(lti_port_identity(&ends.client, &peer, &code), LEAT_E_UNTRUSTED);
    answers_clear();
    for (int64_t pid = -1; pid <= 0; pid++) {
        lti_port_answers.pid_changed = true;
        lti_port_answers.pid = pid < 0 ? denied() : pid;
        memset(&peer, 0, sizeof peer);
        CHECK_ERROR(lti_port_identity(&ends.client, &peer, &code), LEAT_OK);
        CHECK(!(peer.known & LEAT_PEER_PROCESS));
        CHECK_ERROR(lti_port_process(&ends.client, &process, &code), LEAT_E_UNTRUSTED);
    }
    CHECK_INT(process, -7);
    size_t count = 77;
    CHECK_ERROR(lti_port_groups(&ends.client, NULL, 0, &count, &code), LEAT_E_UNSUPPORTED);
    ends_close(&ends);
}

/* ---- What is written ------------------------------------------------------------------------- */

TEST(port_windows_answers_of_a_write)
{
    static char most[LTI_NT_WRITE_MOST + 1];
    struct ends ends;
    struct os_code code;
    size_t written = 77;
    bool done = true;
    ends_open(&ends, &same);
    struct lti_nt_stream *stream = ends.client.state;
    /* Success with nothing done; and nothing to be done. */
    lti_nt_answer("pipe_write", 1, 1, 0);
    CHECK_ERROR(lti_port_write_start(ends.port, &ends.client, "x", 1, &done, &written, &code),
                LEAT_E_MEMORY);
    CHECK(!done);
    lti_nt_answer("pipe_write", 1, 1, 0);
    CHECK_ERROR(lti_port_write_start(ends.port, &ends.client, "", 0, &done, &written, &code),
                LEAT_OK);
    CHECK(done && written == 0);
    lti_nt_answer("pipe_write", 1, 1, LTI_NT_WRITE_MOST);
    CHECK_ERROR(
        lti_port_write_start(ends.port, &ends.client, most, sizeof most, &done, &written, &code),
        LEAT_OK);
    CHECK_INT(stream->write.size, LTI_NT_WRITE_MOST);
    stream->packets = true; /* a packet goes whole, or not at all */
    lti_nt_answer("pipe_write", 1, 1, lti_os_fail(LTI_OS_MEMORY, 8));
    CHECK_ERROR(
        lti_port_write_start(ends.port, &ends.client, most, sizeof most, &done, &written, &code),
        LEAT_E_MEMORY);
    CHECK_INT(stream->write.size, sizeof most);
    stream->packets = false;
    /* The first failure stays. */
    lti_nt_answer("pipe_write", 1, 1, lti_os_fail(LTI_OS_PIPE, 232));
    enum leat_error error =
        lti_port_write_start(ends.port, &ends.client, "x", 1, &done, &written, &code);
    CHECK(error != LEAT_OK);
    CHECK_ERROR(lti_port_write_start(ends.port, &ends.client, "x", 1, &done, &written, &code),
                error);
    CHECK_INT(code.kind, LTI_OS_PIPE);
    CHECK_INT(lti_nt_answers_left(), 0);
    ends_close(&ends);
}

/* ---- Instances ------------------------------------------------------------------------------- */

static enum leat_error listens(const char *function, int nth, int times, int64_t result)
{
    struct os_code code;
    struct lti_port *port = NULL;
    struct lti_link link;
    struct lti_claim claim;
    struct lti_address address;
    const struct lti_listen listen = {.access = &same};
    const char *reason;
    char name[64];
    lti_link_init(&link);
    (void)snprintf(name, sizeof name, "answers-%llu", (unsigned long long)lti_os_now_ns());
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    REQUIRE_ERROR(lti_port_resolve(name, true, &address, &reason, &code), LEAT_OK);
    lti_nt_answer(function, nth, times, result);
    enum leat_error error = lti_port_listen(port, &link, &claim, &address, &listen, &code);
    lti_nt_answer("", 1, 0, 0);
    if (error == LEAT_OK)
        CHECK(lti_port_end(port, &link, &claim, &address, false));
    CHECK(lti_port_destroy(port));
    return error;
}

TEST(port_windows_answers_of_instances)
{
    CHECK_ERROR(listens("", 1, 0, 0), LEAT_OK);
    /* Clients come and go as fast as instances are made. */
    CHECK_ERROR(listens("pipe_listen", 1, 100000, lti_os_fail(LTI_OS_PIPE, 232)), LEAT_E_LIMIT);
    CHECK_ERROR(listens("pipe_create", 1, 1, lti_os_fail(LTI_OS_DESCRIPTORS, 4)), LEAT_E_LIMIT);
    CHECK_ERROR(listens("pipe_create", 1, 1, lti_os_fail(LTI_OS_BUSY, 231)), LEAT_E_IN_USE);
    CHECK_ERROR(listens("pipe_create", 2, 1, lti_os_fail(LTI_OS_DESCRIPTORS, 4)), LEAT_E_LIMIT);
}

/* Nothing is held in reserve, and nobody is turned away: who came has his instance. */
TEST(port_windows_answers_nobody_is_turned_away)
{
    struct ends ends;
    struct os_code code;
    struct lti_link client;
    ends_open(&ends, &same);
    lti_link_init(&client);
    client.cookie = 3;
    REQUIRE_ERROR(lti_port_connect(ends.port, &client, &ends.address, &same, false, &code),
                  LEAT_OK);
    lti_port_reserve(&ends.claim);
    CHECK_INT(ends.claim.reserve, -1);
    CHECK_INT(lti_port_turn_away(&ends.listener, &ends.claim, 16), 0);
    CHECK(lti_port_end(ends.port, &client, NULL, NULL, false));
    ends_close(&ends);
}

TEST(port_windows_answers_of_an_instance_that_is_lost_at_once)
{
    struct ends ends;
    struct os_code code;
    struct lti_link link;
    bool more = false;
    ends_open(&ends, &same);
    lti_link_init(&link);
    struct lti_nt_listener *listener = ends.listener.state;
    REQUIRE(listener->instances[0] != NULL);
    listener->instances[0]->state = LTI_NT_LOST;
    lti_nt_answer("pipe_create", 1, 1, lti_os_fail(LTI_OS_DESCRIPTORS, 4));
    CHECK_ERROR(
        lti_port_accept(ends.port, &ends.listener, &link, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_LIMIT);
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK_ERROR(
        lti_port_accept(ends.port, &ends.listener, &link, &same, LTI_ACCEPT_ASK, &more, &code),
        LEAT_E_EMPTY);
    ends_close(&ends);
}

/* ---- Handles that were opened for synchronous I/O -------------------------------------------- */

TEST(port_windows_answers_of_a_handle_that_waits)
{
    struct ends ends;
    struct os_code code;
    struct leat_peer peer = {.known = 0};
    intptr_t process = -7;
    ends_open(&ends, &same);
    struct lti_nt_stream *stream = ends.client.state;
    const struct lti_peer nobody = {.known = false};
    lti_nt_answer("signal_create", 1, 1, lti_os_fail(LTI_OS_DESCRIPTORS, 4));
    CHECK_ERROR(lti_nt_sync_start(stream, 7, &nobody, &code), LEAT_E_LIMIT);
    lti_nt_answer("signal_create", 1, 1, lti_os_fail(LTI_OS_MEMORY, 8));
    CHECK_ERROR(lti_nt_sync_start(stream, 7, &nobody, &code), LEAT_E_MEMORY);
    lti_nt_answer("thread_start", 1, 1, denied());
    CHECK_ERROR(lti_nt_sync_start(stream, 7, &nobody, &code), LEAT_E_SYSTEM);
    CHECK(!stream->sync);
    /* Its thread may be busy with it, so nothing is asked. */
    stream->sync = (struct lti_nt_sync *)(void *)&ends;
    CHECK_ERROR(lti_port_identity(&ends.client, &peer, &code), LEAT_E_UNSUPPORTED);
    CHECK_ERROR(lti_port_process(&ends.client, &process, &code), LEAT_E_UNSUPPORTED);
    CHECK_INT(process, -7);
    stream->sync = NULL;
    ends_close(&ends);
    struct lti_nt_stream over = {.ended = true};
    lti_nt_stream_settle(&over); /* has no port any more */
    CHECK(!over.hangup);
}

TEST(port_windows_answers_of_who_cannot_be_waited_on)
{
    static const struct {
        enum lti_os_kind kind;
        enum leat_error error;
    } rows[] = {{LTI_OS_MEMORY, LEAT_E_MEMORY},
                {LTI_OS_UNSUPPORTED, LEAT_E_UNSUPPORTED},
                {LTI_OS_ACCESS, LEAT_E_SYSTEM}};
    struct os_code code;
    struct lti_port *port = NULL;
    struct lti_link none;
    struct lti_nt_stream hung = {.hangup = true}, not = {.hangup = false};
    intptr_t waitable = -7;
    answers_clear();
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lti_nt_answer("thread_start", 1, 1, lti_os_fail(rows[i].kind, 1));
        CHECK_ERROR(lti_port_waitable(port, &waitable, &code), rows[i].error);
        lti_nt_answer("signal_create", 2, 1, lti_os_fail(rows[i].kind, 1));
        CHECK_ERROR(lti_port_waitable(port, &waitable, &code), rows[i].error);
    }
    CHECK_INT(lti_nt_answers_left(), 0);
    CHECK_INT(waitable, -7);
    lti_link_init(&none);
    CHECK(!lti_port_hangup(&none));
    none.state = &not ;
    CHECK(!lti_port_hangup(&none));
    none.state = &hung;
    CHECK(lti_port_hangup(&none));
    CHECK(lti_port_destroy(port));
}

/* ---- A connection whose reads fail ----------------------------------------------------------- */

/* Whatever read fails, at either end, however a client is let in: somebody hears of it, and the
 * hubs can be destroyed. */
TEST(port_windows_answers_of_reads)
{
    /* The last one is no failure: a read that brings nothing. */
    static const enum lti_os_kind kinds[] = {LTI_OS_INVALID, LTI_OS_RESET, LTI_OS_CANCELLED,
                                             LTI_OS_NONE};
    for (int run = 0; run < 32; run++) {
        const enum lti_os_kind kind = kinds[run / 2 % 4];
        struct leat_hub *hubs[2] = {NULL, NULL};
        leat_listener listener;
        leat_conn conn;
        const struct leat_listen_options listen = {
            .size = sizeof listen, .who = run % 2 ? LEAT_WHO_ASK : LEAT_WHO_SAME_USER};
        char name[64];
        answers_clear();
        (void)snprintf(name, sizeof name, "reads-%llu", (unsigned long long)lti_os_now_ns());
        REQUIRE_ERROR(leat_hub_create(NULL, &hubs[0]), LEAT_OK);
        REQUIRE_ERROR(leat_hub_create(NULL, &hubs[1]), LEAT_OK);
        REQUIRE_ERROR(leat_listen(hubs[0], name, &listen, &listener), LEAT_OK);
        REQUIRE_ERROR(leat_connect(hubs[1], name, NULL, &conn), LEAT_OK);
        lti_nt_answer("pipe_read", 1 + run / 8, 1,
                      kind == LTI_OS_NONE ? 0 : lti_os_fail(kind, 995));
        bool closed = false;
        for (int turn = 0; turn < 60; turn++) {
            struct leat_event event;
            struct leat_hub *hub = hubs[turn % 2];
            if (leat_next(hub, &event, 5) != LEAT_OK)
                continue;
            closed = closed || event.type == LEAT_EVENT_CLOSED;
            size_t accepted;
            enum leat_error error = LEAT_OK;
            if (event.type == LEAT_EVENT_CONNECTED)
                error = leat_write(hub, event.conn, "x", 1, &accepted);
            if (event.type == LEAT_EVENT_ASKED)
                error = leat_allow(hub, event.conn);
            closed = closed || error != LEAT_OK; /* it is over already */
        }
        bool happened = lti_nt_answers_left() == 0;
        lti_nt_answer("", 1, 0, 0);
        struct leat_listener_info info = {.size = sizeof info};
        CHECK_ERROR(leat_listener_info_get(hubs[0], listener, &info), LEAT_OK);
        if (happened && (kind == LTI_OS_INVALID || kind == LTI_OS_RESET))
            CHECK(closed || info.handshakes_failed > 0 || info.denied > 0);
        CHECK_ERROR(leat_hub_destroy(hubs[1]), LEAT_OK);
        CHECK_ERROR(leat_hub_destroy(hubs[0]), LEAT_OK);
    }
}

/* What is over at once is told by the queue all the same where packets are read, and only there. */
TEST(port_windows_answers_of_packets_come_by_the_queue)
{
    struct os_code code;
    struct lti_port *port = NULL;
    REQUIRE_ERROR(lti_port_create(&port, &code), LEAT_OK);
    const uint32_t outstanding = port->outstanding;
    for (int packets = 0; packets < 2; packets++) {
        const struct lti_nt_stream stream = {.port = port, .packets = packets};
        struct lti_nt_op op = {.pending = !packets};
        int64_t result = lti_nt_stream_begun(&stream, &op, 7);
        CHECK_INT(lti_os_kind_of(result), packets ? LTI_OS_IN_PROGRESS : LTI_OS_NONE);
        CHECK(packets || result == 7);
        CHECK(op.pending == packets);
        CHECK_INT(port->outstanding, outstanding + (uint32_t)packets);
        port->outstanding = outstanding;
        result = lti_nt_stream_begun(&stream, &op, lti_os_fail(LTI_OS_PIPE, 109));
        CHECK_INT(lti_os_kind_of(result), LTI_OS_PIPE);
        CHECK(!op.pending);
        CHECK_INT(port->outstanding, outstanding);
    }
    CHECK(lti_port_destroy(port));
}

/* What a client says of itself with its first byte. */
static void client_is(struct lti_access *access, const char *user, uint32_t level,
                      enum leat_error error)
{
    struct ends ends;
    struct os_code code;
    struct lti_peer peer = {.known = false};
    struct lti_done done[LTI_DONE_MAX];
    size_t written = 0;
    bool over = false;
    ends_open(&ends, access);
    struct lti_link *const links[] = {&ends.listener, &ends.server, &ends.client};
    CHECK_ERROR(lti_port_judge(&ends.server, access, &peer, &code), LEAT_E_EMPTY);
    lti_port_answers.client_changed = true;
    lti_port_answers.client_user = user;
    lti_port_answers.client_level = level;
    CHECK_ERROR(lti_port_write_start(ends.port, &ends.client, "x", 1, &over, &written, &code),
                LEAT_OK);
    uint32_t news = 0;
    for (int turn = 0; turn < 2000 && !(news & LTI_DONE_READABLE); turn++) {
        int count = lti_port_prepare(ends.port, done);
        if (count == 0)
            count = lti_port_wait(ends.port, done, INT64_C(5000000), &code);
        REQUIRE(count >= 0);
        for (int i = 0; i < count; i++) {
            uint32_t one = lti_port_take(ends.port, links[done[i].cookie], &done[i]);
            news |= done[i].cookie == 1 ? one : 0;
        }
    }
    CHECK_ERROR(lti_port_hear(&ends.server, &peer, &code), error);
    ends_close(&ends);
}

TEST(port_windows_answers_decide_whether_a_client_comes_in)
{
    struct lti_pool pool = {.bytes_max = 1 << 20};
    struct lti_access *group = access_of(&pool, LEAT_WHO_GROUP, SOMEBODY);
    client_is(&same, NULL, 1, LEAT_OK);
    client_is(&same, NULL, 0, LEAT_E_UNTRUSTED);      /* it hides */
    client_is(&same, "S-1-5-7", 1, LEAT_E_UNTRUSTED); /* nobody in particular */
    client_is(&same, SOMEBODY, 1, LEAT_E_UNTRUSTED);
    client_is(&same, "S-1-5-18", 1, LEAT_OK);
    client_is(group, SOMEBODY, 1, LEAT_E_UNTRUSTED); /* who is no member */
    lti_access_free(&pool, group);
}
