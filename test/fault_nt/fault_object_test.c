/* SPDX-License-Identifier: MIT
 *
 * The fault object of Windows does what its table says: each fault is seen by the caller as the
 * system would show it, and nothing is left over.
 *
 * Happy path: a pipe is made, one fault is armed, the call is made, and what came is compared.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: after each test handles and allocations are as before.
 */
#include "../contract_nt/probe.h"
#include "os_fault.h"

#include <stdio.h>

static size_t object_fault(enum lti_fault_call call, const char *name)
{
    for (size_t i = 0; i < lti_fault_count(); i++)
        if (lti_fault_at(i)->call == call && strcmp(lti_fault_at(i)->name, name) == 0)
            return i;
    bool there_is_a_fault_of_that_name = false;
    REQUIRE(there_is_a_fault_of_that_name);
    return 0;
}

/* At the next call of that function. */
static void object_arm(enum lti_fault_call call, const char *name)
{
    lti_fault_reset();
    lti_fault_arm_nth(1, object_fault(call, name), LTI_FAULT_ONCE);
}

static void object_hit(void)
{
    CHECK_INT(lti_fault_fired(), 1);
    lti_fault_reset();
}

TEST(nt_fault_table_is_grouped_and_named)
{
    bool seen[LTI_FAULT_CALL_count] = {false};
    enum lti_fault_call last = LTI_FAULT_CALL_count;
    for (size_t i = 0; i < lti_fault_count(); i++) {
        const struct lti_fault *fault = lti_fault_at(i);
        REQUIRE(fault->call < LTI_FAULT_CALL_count && fault->action != 0);
        CHECK(fault->call == last || !seen[fault->call]);
        CHECK((fault->action == LTI_FAULT_ERROR || fault->action == LTI_FAULT_LATE_ERROR) ==
              (fault->raw != 0));
        seen[fault->call] = true;
        last = fault->call;
    }
    for (size_t i = 0; i < LTI_FAULT_CALL_count; i++)
        if (!CHECK(seen[i]))
            printf("no fault for %s\n", lti_fault_call_name((enum lti_fault_call)i));
}

TEST(nt_fault_counts_handles)
{
    int64_t before = lti_test_descriptors_live();
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(lti_test_descriptors_live(), before + 3);
    probe_end(probe);
    CHECK_INT(lti_test_descriptors_live(), before);
    CHECK_INT(lti_test_wild_closes(), 0);
}

TEST(nt_fault_counts_allocations)
{
    int64_t before = lti_test_allocations_live();
    void *security = NULL;
    struct lti_os_mutex *mutex = NULL;
    REQUIRE_INT(lti_os_security_create("D:P(A;;GA;;;SY)", &security), 0);
    REQUIRE_INT(lti_os_mutex_create(&mutex), 0);
    CHECK_INT(lti_test_allocations_live(), before + 2);
    lti_os_security_free(security);
    lti_os_mutex_destroy(mutex);
    CHECK_INT(lti_test_allocations_live(), before);
}

TEST(nt_fault_errors_make_nothing)
{
    static const struct {
        enum lti_fault_call call;
        const char *name;
        int raw;
    } rows[] = {
        {LTI_FAULT_CALL_pipe_create, "BUSY", LTI_NT_PIPE_BUSY},
        {LTI_FAULT_CALL_pipe_create, "DENIED", LTI_NT_ACCESS_DENIED},
        {LTI_FAULT_CALL_pipe_create, "NAME", LTI_NT_INVALID_NAME},
        {LTI_FAULT_CALL_pipe_create, "RESOURCES", LTI_NT_NO_SYSTEM_RESOURCES},
    };
    uint16_t name[64];
    probe_name(name);
    int64_t before = lti_test_descriptors_live();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        object_arm(rows[i].call, rows[i].name);
        int64_t result = lti_os_pipe_create(name, LTI_OS_PIPE_FIRST, 1, PROBE_QUOTA, NULL);
        CHECK_INT(lti_os_code_of(result).raw, rows[i].raw);
        CHECK_INT(lti_test_descriptors_live(), before);
        object_hit();
        CHECK_KIND(lti_os_pipe_open(name), LTI_OS_NOT_FOUND);
    }
}

TEST(nt_fault_late_read_is_done_and_told_later)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    object_arm(LTI_FAULT_CALL_pipe_read, "LATE");
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_done(probe, 1), 10);
    CHECK_MEM(probe->got, probe->sent, 10);
    CHECK(probe_quiet(probe));
    CHECK_INT(probe->posts, 1);
    probe_end(probe);
}

TEST(nt_fault_late_write_and_listen)
{
    struct probe *probe = probe_begin();
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    probe->client = probe_open(probe);
    object_arm(LTI_FAULT_CALL_pipe_listen, "LATE");
    CHECK_KIND(probe_listen(probe, probe->server, 0), LTI_OS_IN_PROGRESS);
    object_hit();
    object_arm(LTI_FAULT_CALL_pipe_write, "LATE");
    CHECK_KIND(probe_write(probe, probe->client, 1, 0, 10), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK_INT(probe_done(probe, 1), 10);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 100), 10);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_fault_untold_is_done_and_does_not_say_how_much)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    object_arm(LTI_FAULT_CALL_pipe_write, "UNTOLD");
    CHECK_KIND(probe_write(probe, probe->client, 0, 0, 10), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_done(probe, 0), LTI_OS_PIPE_UNTOLD);
    object_arm(LTI_FAULT_CALL_pipe_read, "UNTOLD");
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 4), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_done(probe, 1), LTI_OS_PIPE_UNTOLD);
    CHECK_INT(probe_read(probe, probe->server, 0, 0, 100), 6);
    CHECK(probe_quiet(probe));
    probe_end(probe);
}

TEST(nt_fault_late_leaves_what_waits_anyway)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    object_arm(LTI_FAULT_CALL_pipe_read, "LATE");
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    CHECK_INT(probe_done(probe, 1), 10);
    probe_end(probe);
}

TEST(nt_fault_late_error_comes_even_after_the_close)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    object_arm(LTI_FAULT_CALL_pipe_read, "LATE_ABORTED");
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 100), LTI_OS_IN_PROGRESS);
    object_hit();
    object_arm(LTI_FAULT_CALL_pipe_write, "LATE_QUOTA");
    CHECK_KIND(probe_write(probe, probe->client, 2, 0, 100), LTI_OS_IN_PROGRESS);
    object_hit();
    probe_close(&probe->server);
    CHECK_INT(lti_os_code_of(probe_done(probe, 1)).raw, LTI_NT_OPERATION_ABORTED);
    CHECK_INT(lti_os_code_of(probe_done(probe, 2)).raw, LTI_NT_NOT_ENOUGH_QUOTA);
    probe_end(probe);
}

TEST(nt_fault_short_transfers)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    object_arm(LTI_FAULT_CALL_pipe_write, "HALF");
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 5);
    object_hit();
    object_arm(LTI_FAULT_CALL_pipe_read, "ONE");
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 100), 1);
    object_hit();
    object_arm(LTI_FAULT_CALL_pipe_read, "HALF");
    CHECK_INT(probe_read(probe, probe->server, 1, 1, 4), 2);
    object_hit();
    /* A read of nothing stays one. */
    object_arm(LTI_FAULT_CALL_pipe_read, "ONE");
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 0), 0);
    object_hit();
    CHECK_INT(probe_read(probe, probe->server, 1, 3, 100), 2);
    CHECK_MEM(probe->got, probe->sent, 5);
    probe_end(probe);
}

TEST(nt_fault_messages_are_written_whole_and_not_made_up)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    const intptr_t ends[2] = {probe->server, probe->client};
    for (int i = 0; i < 2; i++) {
        object_arm(LTI_FAULT_CALL_pipe_write, "HALF");
        CHECK_INT(probe_write(probe, ends[i], 0, 0, 10), 10);
        object_hit();
        object_arm(LTI_FAULT_CALL_pipe_read, "HALF");
        CHECK_INT(probe_read(probe, ends[1 - i], 1, 0, 12), LTI_OS_PIPE_MORE | 6);
        object_hit();
        CHECK_INT(probe_read(probe, ends[1 - i], 1, 6, 12), 4);
        CHECK_MEM(probe->got, probe->sent, 10);
        CHECK_KIND(probe_read(probe, ends[i], 2, 0, 12), LTI_OS_IN_PROGRESS);
        object_arm(LTI_FAULT_CALL_pipe_cancel, "ENDS_WELL");
        CHECK_INT(lti_os_pipe_cancel(ends[i], &probe->ops[2].os), 0);
        object_hit();
        CHECK_KIND(probe_done(probe, 2), LTI_OS_CANCELLED);
    }
    probe_end(probe);
}

TEST(nt_fault_late_message_that_goes_on)
{
    struct probe *probe = probe_pair(LTI_OS_PIPE_MESSAGE, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 10), 10);
    object_arm(LTI_FAULT_CALL_pipe_read, "LATE");
    CHECK_KIND(probe_read(probe, probe->server, 1, 0, 4), LTI_OS_IN_PROGRESS);
    object_hit();
    CHECK_INT(probe_done(probe, 1), LTI_OS_PIPE_MORE | 4);
    CHECK_INT(probe_read(probe, probe->server, 1, 4, 6), 6);
    CHECK_MEM(probe->got, probe->sent, 10);
    probe_end(probe);
}

TEST(nt_fault_cancel_that_finds_nothing_has_cancelled)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    object_arm(LTI_FAULT_CALL_pipe_cancel, "NOT_FOUND");
    CHECK_KIND(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), LTI_OS_NOT_FOUND);
    object_hit();
    CHECK_KIND(probe_done(probe, 0), LTI_OS_CANCELLED);
    probe_end(probe);
}

TEST(nt_fault_cancel_and_success)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_KIND(probe_read(probe, probe->server, 0, 0, 10), LTI_OS_IN_PROGRESS);
    object_arm(LTI_FAULT_CALL_pipe_cancel, "ENDS_WELL");
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[0].os), 0);
    object_hit();
    CHECK_INT(probe_done(probe, 0), 0);
    CHECK_KIND(probe_write(probe, probe->server, 1, 0, PROBE_BYTES), LTI_OS_IN_PROGRESS);
    object_arm(LTI_FAULT_CALL_pipe_cancel, "ENDS_WELL");
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[1].os), 0);
    object_hit();
    CHECK_INT(probe_done(probe, 1), PROBE_BYTES);
    /* What was done before: it comes with its bytes. */
    CHECK_KIND(probe_read(probe, probe->server, 2, 0, 10), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 3, 0, 7), 7);
    object_arm(LTI_FAULT_CALL_pipe_cancel, "ENDS_WELL");
    CHECK_INT(lti_os_pipe_cancel(probe->server, &probe->ops[2].os), 0);
    object_hit();
    CHECK_INT(probe_done(probe, 2), 7);
    probe_end(probe);
}

TEST(nt_fault_wait_that_ends_early_loses_nothing)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion;
    REQUIRE_INT(lti_os_queue_post(probe->queue, NULL, 0), 0);
    object_arm(LTI_FAULT_CALL_queue_wait, "EMPTY");
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, -1), 0);
    object_hit();
    object_arm(LTI_FAULT_CALL_queue_wait, "RESOURCES");
    CHECK_KIND(lti_os_queue_wait(probe->queue, &completion, 1, -1), LTI_OS_MEMORY);
    object_hit();
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, -1), 1);
    probe_end(probe);
}

TEST(nt_fault_completions_in_another_order)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(probe_read(probe, probe->server, i, i, 1), LTI_OS_IN_PROGRESS);
    CHECK_INT(probe_write(probe, probe->client, 4, 0, 3), 3);
    /* All three are there before the first is asked for. */
    for (uint32_t i = 0; i < 3; i++)
        CHECK_KIND(lti_os_pipe_cancel(probe->server, &probe->ops[i].os), LTI_OS_NOT_FOUND);
    object_arm(LTI_FAULT_CALL_queue_wait, "REORDER");
    probe_take(probe, -1);
    object_hit();
    uint32_t came = probe->ended;
    for (uint32_t i = 0; i < came; i++)
        CHECK_INT(probe->order[i], came - 1 - i);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_INT(probe_done(probe, i), 1);
    probe_end(probe);
}

TEST(nt_fault_strangers)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_identity own, client;
    REQUIRE_INT(lti_os_identity(&own), 0);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1), 1);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 1), 1);
    object_arm(LTI_FAULT_CALL_pipe_client, "STRANGER");
    REQUIRE_INT(lti_os_pipe_client(probe->server, NULL, &client), 0);
    CHECK(strcmp(client.user, own.user) != 0);
    object_hit();
    REQUIRE_INT(lti_os_pipe_client(probe->server, NULL, &client), 0);
    CHECK_STR(client.user, own.user);
    probe_end(probe);
}

TEST(nt_fault_close_that_fails_has_closed)
{
    int64_t before = lti_test_descriptors_live();
    int64_t signal = lti_os_signal_create();
    REQUIRE_HANDLE(signal);
    object_arm(LTI_FAULT_CALL_handle_close, "HANDLE");
    CHECK_KIND(lti_os_handle_close((intptr_t)signal), LTI_OS_NOT_SOCKET);
    object_hit();
    CHECK_INT(lti_test_descriptors_live(), before);
}

TEST(nt_fault_virtual_time_passes_in_waits)
{
    struct probe *probe = probe_begin();
    struct lti_os_completion completion;
    lti_fault_reset();
    lti_fault_virtual_time();
    uint64_t begin = lti_os_now_ns();
    CHECK_INT(lti_os_queue_wait(probe->queue, &completion, 1, INT64_C(3600000000000)), 0);
    CHECK(lti_os_now_ns() - begin >= UINT64_C(3600000000000));
    lti_fault_reset();
    probe_end(probe);
}

TEST(nt_fault_jail_keeps_names_in)
{
    struct probe *probe = probe_begin();
    lti_fault_jail("\\\\.\\pipe\\leat-probe-");
    probe->server = probe_create(probe, 0, PROBE_QUOTA);
    lti_fault_jail("\\\\.\\pipe\\elsewhere-");
    CHECK_KIND(lti_os_pipe_create(probe->name, 0, 4, PROBE_QUOTA, NULL), LTI_OS_ACCESS);
    lti_fault_jail(NULL);
    probe_end(probe);
}
