/* SPDX-License-Identifier: MIT
 *
 * Who may open a simulated pipe, who is seen there, and what a client that stays keeps alive.
 *
 * Happy path: processes of several users and kinds try what a descriptor allows or denies.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: each test begins its own world; the harness ends the process after it.
 */
#include "sim_pipe_test.h"

#define USER "S-1-5-21-0-0-0-1000"
#define OTHER "S-1-5-21-0-0-0-1001"
/* What the port gives to its pipes. */
#define PRIVATE                                                                                    \
    "O:" USER "G:" USER "D:P(D;;GA;;;NU)(D;;GA;;;AN)(A;;GA;;;" USER ")(A;;0x12019b;;;SY)"          \
    "S:(ML;;NWNR;;;S-1-16-8192)"

static void client_main(void *argument);

/* ---- Trying ---------------------------------------------------------------------------------- */

struct visitor {
    const char *sddl; /* null: opens; else makes an instance with it */
    uint32_t uid;
    uint32_t group; /* beside its own; 0: none */
    struct lti_sim_token token;
    int64_t result;
    char owner[LTI_OS_SID_BYTES]; /* of the pipe, as a client sees it */
    char label[LTI_OS_SID_BYTES];
};

static void visitor_main(void *argument)
{
    struct visitor *visitor = argument;
    if (visitor->sddl) {
        void *security = NULL;
        CHECK_INT(lti_os_security_create(visitor->sddl, &security), 0);
        visitor->result = lti_os_pipe_create(SIM_TEST_NAME, 0, 255, 100, security);
        lti_os_security_free(security);
    } else {
        visitor->result = lti_os_pipe_open(SIM_TEST_NAME);
    }
    if (visitor->result < 0)
        return;
    CHECK_INT(lti_os_pipe_owner((intptr_t)visitor->result, visitor->owner), 0);
    CHECK_INT(lti_os_pipe_label((intptr_t)visitor->result, visitor->label), 0);
}

/* What another process is told; its handles are closed again. */
static uint32_t visit(struct visitor *visitor)
{
    uint32_t process = lti_sim_spawn("visitor", visitor_main, visitor);
    lti_sim_set_user(process, visitor->uid, visitor->uid);
    lti_sim_set_groups(process, &visitor->group, visitor->group ? 1 : 0);
    if (visitor->token.integrity != 0)
        lti_sim_set_token(process, &visitor->token);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_DONE);
    return visitor->result >= 0 ? 0 : (uint32_t)lti_os_code_of(visitor->result).raw;
}

static intptr_t pipe_with(const char *sddl)
{
    void *security = NULL;
    REQUIRE_INT(lti_os_security_create(sddl, &security), 0);
    int64_t handle = lti_os_pipe_create(SIM_TEST_NAME, LTI_OS_PIPE_FIRST, 255, 100, security);
    lti_os_security_free(security);
    REQUIRE(handle > 0);
    return (intptr_t)handle;
}

/* What a client of that kind is told by a new pipe. */
static uint32_t visit_pipe(const char *sddl, struct visitor visitor)
{
    lti_sim_begin(NULL);
    intptr_t handle = pipe_with(sddl);
    uint32_t error = visit(&visitor);
    CHECK_INT(lti_os_handle_close(handle), 0);
    return error;
}

TEST(sim_who_a_users_pipe_is_the_users)
{
    CHECK_INT(visit_pipe(PRIVATE, (struct visitor){.uid = 1000}), 0);
    CHECK_INT(visit_pipe(PRIVATE, (struct visitor){.uid = 1001}), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit_pipe(PRIVATE, (struct visitor){.uid = 0}), 0);
}

TEST(sim_who_kinds_of_logon_and_integrity)
{
    struct visitor visitor = {.uid = 1000, .token = {8192, 1, false, true}};
    CHECK_INT(visit_pipe(PRIVATE, visitor), LTI_NT_ACCESS_DENIED); /* over the network */
    visitor.token = (struct lti_sim_token){4096, 1, false, false};
    CHECK_INT(visit_pipe(PRIVATE, visitor), LTI_NT_ACCESS_DENIED); /* of low integrity */
    visitor.token = (struct lti_sim_token){12288, 1, false, false};
    CHECK_INT(visit_pipe(PRIVATE, visitor), 0);
    visitor.token = (struct lti_sim_token){8192, 1, true, false};
    CHECK_INT(visit_pipe(PRIVATE, visitor), LTI_NT_ACCESS_DENIED); /* in a container */
    CHECK_INT(visit_pipe("D:(A;;GA;;;WD)(A;;0x12019b;;;AC)", visitor), 0);
    CHECK_INT(visit_pipe("D:(A;;GA;;;WD)", visitor), LTI_NT_ACCESS_DENIED);
}

TEST(sim_who_an_order_of_entries_counts)
{
    const struct visitor other = {.uid = 1001};
    CHECK_INT(visit_pipe("D:(A;;GA;;;WD)(D;;GA;;;" OTHER ")", other), 0);
    CHECK_INT(visit_pipe("D:(D;;GA;;;" OTHER ")(A;;GA;;;WD)", other), LTI_NT_ACCESS_DENIED);
    /* Rights add up, and less than all is nothing. */
    CHECK_INT(visit_pipe("D:(A;;GR;;;WD)(A;;GW;;;AU)", other), 0);
    CHECK_INT(visit_pipe("D:(A;;GR;;;WD)", other), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit_pipe("D:", other), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit_pipe("O:" USER, other), 0);
}

TEST(sim_who_only_the_owner_makes_instances)
{
    lti_sim_begin(NULL);
    intptr_t handle = pipe_with("D:P(A;;GA;;;" USER ")(A;;0x12019b;;;WD)");
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .sddl = "D:(A;;GA;;;WD)"}),
              LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1000, .sddl = "D:(A;;GA;;;WD)"}), 0);
    /* Who comes second changes nothing: the first one's descriptor stays. */
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .sddl = "D:(A;;GA;;;WD)"}),
              LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1001}), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
}

TEST(sim_who_usual_descriptor_shuts_others_out)
{
    lti_sim_begin(NULL);
    int64_t handle = lti_os_pipe_create(SIM_TEST_NAME, 0, 255, 100, NULL);
    REQUIRE(handle > 0);
    CHECK_INT(visit(&(struct visitor){.uid = 1001}), LTI_NT_ACCESS_DENIED);
    struct visitor same = {.uid = 1000};
    CHECK_INT(visit(&same), 0);
    CHECK_STR(same.owner, USER);
    CHECK_INT(lti_os_handle_close((intptr_t)handle), 0);
}

TEST(sim_who_an_owner_is_oneself)
{
    lti_sim_begin(NULL);
    CHECK_INT(visit(&(struct visitor){.uid = 1000, .sddl = "O:SYD:(A;;GA;;;WD)"}), 1307);
    struct visitor service = {.uid = 0, .sddl = "O:BAD:(A;;GA;;;WD)"};
    CHECK_INT(visit(&service), 0);
    CHECK_STR(service.owner, "S-1-5-32-544");
    lti_sim_set_privileged(true);
    struct visitor user = {.uid = 1000, .sddl = "O:SYD:(A;;GA;;;WD)"};
    CHECK_INT(visit(&user), 0);
    CHECK_STR(user.owner, "S-1-5-18");
}

/* Nobody makes a pipe of a higher level than his own, nor one that looks so. */
TEST(sim_who_a_label_is_ones_own_at_most)
{
    static const struct {
        uint32_t level;
        const char *sddl;
        uint32_t error;
        const char *label;
    } rows[] = {
        {8192, "D:(A;;GA;;;WD)S:(ML;;NW;;;HI)", 1299, ""},
        {8192, "D:(A;;GA;;;WD)S:(ML;;NW;;;ME)", 0, "S-1-16-8192"},
        {8192, "D:(A;;GA;;;WD)S:(ML;;NW;;;LW)", 0, "S-1-16-4096"},
        {8192, "D:(A;;GA;;;WD)", 0, ""},
        {4096, "D:(A;;GA;;;WD)S:(ML;;NW;;;ME)", 1299, ""},
        {4096, "D:(A;;GA;;;WD)", 0, "S-1-16-4096"},
        {12288, "D:(A;;GA;;;WD)", 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lti_sim_begin(NULL);
        struct visitor visitor = {
            .uid = 1000, .sddl = rows[i].sddl, .token = {rows[i].level, 1, false, false}};
        CHECK_INT(visit(&visitor), rows[i].error);
        CHECK_STR(visitor.label, rows[i].label);
    }
}

TEST(sim_who_processes_and_pids)
{
    lti_sim_begin(NULL);
    uint32_t number = lti_sim_spawn("client", client_main, NULL);
    int64_t pid = lti_sim_pid(number), before = lti_os_time_of_day();
    CHECK_INT(lti_os_code_of(lti_os_process_open(pid + 1)).raw, LTI_NT_INVALID_PARAMETER);
    int64_t process = lti_os_process_open(pid);
    REQUIRE(process > 0);
    CHECK(lti_os_process_began((intptr_t)process) <= before);
    CHECK_INT(lti_os_signal_wait((intptr_t)process, 0), 0);
    lti_sim_kill(number);
    CHECK_INT(lti_os_signal_wait((intptr_t)process, 0), 1);
    CHECK_INT(lti_os_kind_of(lti_os_process_began((intptr_t)process)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_code_of(lti_os_process_open(pid)).raw, LTI_NT_INVALID_PARAMETER);
    CHECK_INT(lti_os_handle_close((intptr_t)process), 0);
    number = lti_sim_spawn("other", client_main, NULL);
    lti_sim_set_user(number, 1001, 1001);
    CHECK_INT(lti_os_kind_of(lti_os_process_open(lti_sim_pid(number))), LTI_OS_ACCESS);
    lti_sim_kill(number);
}

TEST(sim_who_groups_count_as_users_do)
{
    lti_sim_begin(NULL);
    intptr_t handle = pipe_with("D:(A;;0x12019b;;;BA)(A;;0x12019b;;;S-1-5-21-0-0-0-2000)");
    CHECK_INT(visit(&(struct visitor){.uid = 1001}), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .group = 2001}), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .group = 2000}), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
    handle = pipe_with("D:(A;;0x12019b;;;BA)");
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .group = 2000}), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .group = 544}), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
    handle = pipe_with("D:(D;;GA;;;S-1-5-21-0-0-0-2000)(A;;GA;;;WD)");
    CHECK_INT(visit(&(struct visitor){.uid = 1001, .group = 2000}), LTI_NT_ACCESS_DENIED);
    CHECK_INT(visit(&(struct visitor){.uid = 1001}), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
}

/* ---- Squatting ------------------------------------------------------------------------------- */

TEST(sim_who_a_squatter_is_found_by_its_owner)
{
    lti_sim_begin(NULL);
    struct lti_os_pipe_facts facts;
    char owner[LTI_OS_SID_BYTES];
    lti_sim_set_user(0, 1001, 1001);
    intptr_t handle = pipe_with("D:(A;;GA;;;WD)");
    lti_sim_set_user(0, 1000, 1000);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_create(SIM_TEST_NAME, LTI_OS_PIPE_FIRST, 255, 100, NULL)),
              LTI_OS_ACCESS);
    int64_t second = lti_os_pipe_create(SIM_TEST_NAME, 0, 255, 100, NULL);
    REQUIRE(second > 0);
    CHECK_INT(lti_os_pipe_facts((intptr_t)second, &facts), 0);
    CHECK_INT(facts.instances, 2);
    CHECK_INT(lti_os_pipe_owner((intptr_t)second, owner), 0);
    CHECK_STR(owner, OTHER);
    CHECK_INT(lti_os_handle_close((intptr_t)second), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
}

TEST(sim_who_a_client_that_stays_keeps_the_instance)
{
    lti_sim_begin(NULL);
    struct lti_os_pipe_facts facts;
    struct sim_test_pair *pair = sim_test_pair(100);
    CHECK_INT(lti_os_handle_close(pair->server), 0);
    pair->server = -1;
    CHECK_INT(lti_os_pipe_facts(pair->client, &facts), 0);
    CHECK_INT(facts.instances, 1);
    CHECK(facts.closing);
    /* Nobody serves the name, and yet it is not free. */
    CHECK_INT(lti_os_kind_of(lti_os_pipe_open(SIM_TEST_NAME)), LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_create(SIM_TEST_NAME, LTI_OS_PIPE_FIRST, 255, 100, NULL)),
              LTI_OS_ACCESS);
    pair->server = (intptr_t)lti_os_pipe_create(SIM_TEST_NAME, 0, 255, 100, NULL);
    REQUIRE(pair->server > 0);
    CHECK_INT(lti_os_pipe_facts(pair->server, &facts), 0);
    CHECK_INT(facts.instances, 2);
    sim_test_unpair(pair);
    CHECK_INT(lti_os_kind_of(lti_os_pipe_open(SIM_TEST_NAME)), LTI_OS_NOT_FOUND);
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void client_main(void *argument)
{
    (void)argument;
    struct lti_os_op op;
    int64_t handle = lti_os_pipe_open(SIM_TEST_NAME);
    if (handle < 0)
        return;
    (void)lti_os_pipe_write((intptr_t)handle, "abc", 3, sim_test_clear(&op));
    lti_sim_stop();
}

/* Who a client of that kind is seen to be, after its first byte and not before. */
static struct lti_os_identity client_seen(uint32_t uid, struct lti_sim_token token)
{
    struct lti_os_identity identity = {.level = 9};
    struct lti_os_op op;
    char bytes[3];
    lti_sim_begin(NULL);
    intptr_t handle = pipe_with("D:(A;;GA;;;WD)(A;;GA;;;AC)");
    uint32_t process = lti_sim_spawn("client", client_main, NULL);
    lti_sim_set_user(process, uid, uid);
    lti_sim_set_token(process, &token);
    lti_sim_set_session(process, 7);
    CHECK_INT(lti_sim_run(1000), LTI_SIM_STOPPED);
    CHECK_INT(lti_os_code_of(lti_os_pipe_client(handle, NULL, &identity)).raw,
              LTI_NT_CANNOT_IMPERSONATE);
    CHECK_INT(lti_os_pipe_read(handle, bytes, 0, sim_test_clear(&op)), 0);
    CHECK_INT(lti_os_code_of(lti_os_pipe_client(handle, NULL, &identity)).raw,
              LTI_NT_CANNOT_IMPERSONATE);
    CHECK_INT(lti_os_pipe_read(handle, bytes, 1, sim_test_clear(&op)), 1);
    /* It is who it was when it came, also when it has gone. */
    lti_sim_set_user(process, 5, 5);
    lti_sim_set_session(process, 8);
    lti_sim_kill(process);
    CHECK_INT(lti_os_pipe_client(handle, NULL, &identity), 0);
    CHECK_INT(lti_os_handle_close(handle), 0);
    return identity;
}

TEST(sim_who_a_client_is_seen_after_its_first_byte)
{
    struct lti_os_identity seen = client_seen(1001, (struct lti_sim_token){8192, 1, false, false});
    CHECK_STR(seen.user, OTHER);
    CHECK_STR(seen.integrity, "S-1-16-8192");
    CHECK(seen.session_known);
    CHECK_INT(seen.session, 7);
    CHECK_INT(seen.level, 1);
    CHECK(!seen.container);
    seen = client_seen(0, (struct lti_sim_token){16384, 2, false, false});
    CHECK_STR(seen.user, "S-1-5-18");
    CHECK_STR(seen.integrity, "S-1-16-16384");
    CHECK_INT(seen.level, 2);
    seen = client_seen(1000, (struct lti_sim_token){8192, 1, true, false});
    CHECK(seen.container);
    seen = client_seen(1000, (struct lti_sim_token){8192, 0, false, false});
    CHECK_STR(seen.user, "S-1-5-7");
    CHECK(!seen.session_known);
    CHECK_INT(seen.level, 0);
}

TEST(sim_who_texts)
{
    static const struct {
        const char *text;
        int32_t error; /* 0: it is one */
    } rows[] = {
        {"O:SYG:BAD:PAI(A;OICI;FA;;;S-1-5-21-1-2-3-500)(D;;0x1;;;OW)", 0},
        {"D:(A;;GRGW;;;PS)S:(ML;;NWNRNX;;;HI)", 0},
        {"D:", 0},
        {"", 1338},
        {"X:SY", 1338},
        {"OSY", 1338},
        {"O:ZZ", 1337},
        {"O:S-1", 1337},
        {"O:S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", 1337},
        {"G:S-2-5-18", 1337},
        {"D:(A;;GA;;;SY", 1336},
        {"D:(A;;GA;;SY)", 1336},
        {"D:(A;;0x1;;;SY)x", 1338},
        {"D:(A;;QQ;;;SY)", 1336},
        {"D:(ML;;NW;;;LW)", 1336},
        {"S:(ML;;NW;;;SY)", 1336},
        {"S:(ML;;GA;;;LW)", 1336},
    };
    lti_sim_begin(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *security = NULL;
        int64_t result = lti_os_security_create(rows[i].text, &security);
        CHECK_INT(lti_os_code_of(result).raw, rows[i].error);
        lti_os_security_free(security);
    }
    const struct lti_sim_faults faults = {.memory = 1000000};
    lti_sim_set_faults(&faults);
    void *security = NULL;
    CHECK_INT(lti_os_kind_of(lti_os_security_create("O:SY", &security)), LTI_OS_MEMORY);
    CHECK_INT(lti_test_allocations_live(), 0);
}
