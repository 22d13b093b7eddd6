/* SPDX-License-Identifier: MIT
 *
 * Names of pipes and their instances: what is one name, how many may have it, when it is gone.
 *
 * Happy path: instances are made and opened, and their facts asked for.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: no handle outlives its test.
 */
#include "probe.h"

/* "\\.\pipe\" and letters, `units` in all. */
static void names_long(uint16_t *name_out, size_t units)
{
    uint16_t unique[64];
    probe_name(unique);
    size_t size = 0;
    for (; unique[size] != 0; size++)
        name_out[size] = unique[size];
    for (; size < units; size++)
        name_out[size] = 'x';
    name_out[size] = 0;
}

TEST(nt_name_case_does_not_matter)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    for (size_t i = strlen(PROBE_PREFIX); probe->name[i] != 0; i++)
        if (probe->name[i] >= 'a' && probe->name[i] <= 'z')
            probe->name[i] = (uint16_t)(probe->name[i] - 'a' + 'A');
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    probe_end(probe);
}

TEST(nt_name_pipe_folder_case_does_not_matter)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->name[4] = 'P';
    probe->name[6] = 'P';
    probe->client = probe_open(probe);
    probe_end(probe);
}

TEST(nt_name_question_mark_prefix_is_the_same)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->name[2] = '?';
    probe->client = probe_open(probe);
    CHECK_INT(probe_listen(probe, probe->server, 0), 0);
    probe_end(probe);
}

TEST(nt_name_may_have_folders)
{
    struct probe *probe = probe_begin();
    size_t size = 0;
    while (probe->name[size] != 0)
        size++;
    probe_widen("\\one\\two", probe->name + size);
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    probe->name[size] = 0;
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_NOT_FOUND);
    probe_end(probe);
}

TEST(nt_name_of_256_units_works)
{
    struct probe *probe = probe_begin();
    names_long(probe->name, LTI_OS_PIPE_UNITS_MAX);
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    probe_end(probe);
}

TEST(nt_name_too_long_is_never_cut)
{
    /* Windows documents 256 units, and that a longer name is invalid; wine says that it is too
     * long, some units later. */
    uint16_t name[LTI_OS_PIPE_UNITS_MAX + 64];
    names_long(name, LTI_OS_PIPE_UNITS_MAX + 32);
    int64_t result = lti_os_pipe_create(name, 0, 1, PROBE_QUOTA, NULL);
    name[LTI_OS_PIPE_UNITS_MAX] = 0;
    CHECK_KIND(lti_os_pipe_open(name), LTI_OS_NOT_FOUND);
    if (result >= 0) {
        CHECK_INT(lti_os_handle_close((intptr_t)result), 0);
    } else {
        enum lti_os_kind kind = lti_os_kind_of(result);
        CHECK(kind == LTI_OS_INVALID || kind == LTI_OS_TOO_LONG);
    }
}

TEST(nt_name_empty_is_refused)
{
    uint16_t name[64];
    probe_widen(PROBE_PREFIX, name);
    CHECK(lti_os_pipe_create(name, 0, 1, PROBE_QUOTA, NULL) < 0);
}

TEST(nt_name_nobody_made_is_not_found)
{
    uint16_t name[64];
    probe_name(name);
    int64_t result = lti_os_pipe_open(name);
    CHECK_KIND(result, LTI_OS_NOT_FOUND);
    CHECK_INT(lti_os_code_of(result).raw, LTI_NT_FILE_NOT_FOUND);
}

TEST(nt_name_goes_with_its_last_instance)
{
    struct probe *probe = probe_begin();
    intptr_t other = probe_create(probe, LTI_OS_PIPE_FIRST, PROBE_QUOTA);
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe_close(&other);
    probe->client = probe_open(probe);
    probe_close(&probe->client);
    probe_close(&probe->server);
    CHECK_KIND(lti_os_pipe_open(probe->name), LTI_OS_NOT_FOUND);
    probe->server = probe_create(probe, LTI_OS_PIPE_FIRST, PROBE_QUOTA);
    probe_end(probe);
}

TEST(nt_name_first_is_refused_on_a_taken_name)
{
    bool ignored = probe_first_ignored();
    if (ignored && probe_access_ignored())
        SKIP_NEEDS("real Windows");
    CHECK(!ignored);
}

TEST(nt_name_has_the_type_of_its_first_instance)
{
    struct probe *probe = probe_begin();
    struct lti_os_pipe_facts facts;
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    /* Refused or not: a pipe of bytes does not become one of messages. */
    int64_t other =
        lti_os_pipe_create(probe->name, LTI_OS_PIPE_MESSAGE, PROBE_UNLIMITED, PROBE_QUOTA, NULL);
    if (other >= 0) {
        REQUIRE_INT(lti_os_pipe_facts((intptr_t)other, &facts), 0);
        CHECK(!facts.message);
        CHECK_INT(lti_os_handle_close((intptr_t)other), 0);
    }
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK(!facts.message);
    CHECK_INT(facts.instances, 1);
    probe_end(probe);
}

/* ---- Instances ------------------------------------------------------------------------------- */

TEST(nt_instances_end_at_the_maximum)
{
    struct probe *probe = probe_begin();
    int64_t one = lti_os_pipe_create(probe->name, LTI_OS_PIPE_FIRST, 2, PROBE_QUOTA, NULL);
    int64_t two = lti_os_pipe_create(probe->name, 0, 2, PROBE_QUOTA, NULL);
    REQUIRE_HANDLE(one);
    REQUIRE_HANDLE(two);
    int64_t three = lti_os_pipe_create(probe->name, 0, 2, PROBE_QUOTA, NULL);
    CHECK_KIND(three, LTI_OS_BUSY);
    CHECK_INT(lti_os_code_of(three).raw, LTI_NT_PIPE_BUSY);
    CHECK_INT(lti_os_handle_close((intptr_t)one), 0);
    three = lti_os_pipe_create(probe->name, 0, 2, PROBE_QUOTA, NULL);
    REQUIRE_HANDLE(three);
    CHECK_INT(lti_os_handle_close((intptr_t)two), 0);
    CHECK_INT(lti_os_handle_close((intptr_t)three), 0);
    probe_end(probe);
}

TEST(nt_instances_maximum_is_the_first_ones)
{
    struct probe *probe = probe_begin();
    int64_t one = lti_os_pipe_create(probe->name, 0, 1, PROBE_QUOTA, NULL);
    REQUIRE_HANDLE(one);
    CHECK_KIND(lti_os_pipe_create(probe->name, 0, 9, PROBE_QUOTA, NULL), LTI_OS_BUSY);
    CHECK_INT(lti_os_handle_close((intptr_t)one), 0);
    probe_end(probe);
}

TEST(nt_instances_are_counted_at_both_ends)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    intptr_t other = probe_create(probe, 0, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.instances, 2);
    CHECK_INT(facts.instances_max, UINT32_MAX);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK_INT(facts.instances, 2);
    probe_close(&other);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.instances, 1);
    probe_end(probe);
}

TEST(nt_instances_maximum_is_a_fact)
{
    struct probe *probe = probe_begin();
    struct lti_os_pipe_facts facts;
    probe->server = (intptr_t)lti_os_pipe_create(probe->name, 0, 3, PROBE_QUOTA, NULL);
    REQUIRE_HANDLE(probe->server);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.instances, 1);
    CHECK_INT(facts.instances_max, 3);
    probe_end(probe);
}

/* ---- Facts ----------------------------------------------------------------------------------- */

TEST(nt_facts_of_an_instance_without_client)
{
    struct probe *probe = probe_begin();
    struct lti_os_pipe_facts facts;
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK(facts.pipe && facts.server && facts.overlapped);
    CHECK(!facts.message && !facts.connected && !facts.closing);
    probe_end(probe);
}

TEST(nt_facts_of_a_connected_pipe)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK(facts.pipe && facts.server && facts.overlapped && facts.connected);
    CHECK(!facts.message && !facts.closing);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK(facts.pipe && facts.overlapped && facts.connected);
    CHECK(!facts.server && !facts.message && !facts.closing);
    probe_end(probe);
}

TEST(nt_facts_count_what_is_readable)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_pipe_facts facts;
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 100), 100);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.readable, 100);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK_INT(facts.readable, 0);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 60), 60);
    REQUIRE_INT(lti_os_pipe_facts(probe->server, &facts), 0);
    CHECK_INT(facts.readable, 40);
    probe_end(probe);
}

TEST(nt_facts_of_what_is_no_pipe)
{
    struct lti_os_pipe_facts facts;
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    CHECK(lti_os_pipe_facts((intptr_t)signal, &facts) < 0 || !facts.pipe);
    CHECK_INT(lti_os_handle_close((intptr_t)signal), 0);
    CHECK_KIND(lti_os_pipe_facts(-1, &facts), LTI_OS_NOT_SOCKET);
    CHECK_KIND(lti_os_pipe_facts(0x7ffffff0, &facts), LTI_OS_NOT_SOCKET);
}
