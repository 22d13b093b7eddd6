/* SPDX-License-Identifier: MIT
 *
 * What os_real_nt_* make of a Windows that fails, or that says what it seldom says.
 */
#include "calls.h"
#include "contract_nt/probe.h"
#include "traps.h"

#include "os_real_nt.h"

#include <aclapi.h>
#include <sddl.h>

#define DENIED ERROR_ACCESS_DENIED
#define STATUS_DENIED ((intptr_t)(int32_t)0xC0000022) /* STATUS_ACCESS_DENIED */

/* The call that was asked to fail was made. */
#define CHECK_TAKEN() CHECK(!lti_call_waits())
#define CHECK_DENIED(function, nth, expression)                                                    \
    CHECK_FAILS(function, nth, DENIED, LTI_OS_ACCESS, expression)
/* A status of the kernel is no success. */
#define CHECK_STATUS(function, nth, expression)                                                    \
    do {                                                                                           \
        lti_call_answers(function, nth, STATUS_DENIED);                                            \
        CHECK_INT(lti_os_kind_of(expression), LTI_OS_ACCESS);                                      \
        CHECK_TAKEN();                                                                             \
    } while (0)

/* Below the fault object, which knows of no such completion. */
int64_t lti_real_queue_wait(intptr_t queue, struct lti_os_completion *completions_out, size_t count,
                            int64_t timeout_ns);

extern __typeof__(lti_os_cpus) lti_real_cpus; /* the fault object answers for itself */

static void nothing(void *argument)
{
    (void)argument;
}

TEST(calls_times_and_sizes_are_bounded)
{
    char byte;
    CHECK_INT(lti_real_milliseconds(-1), INFINITE);
    CHECK_INT(lti_real_milliseconds(1), 1);
    CHECK_INT(lti_real_milliseconds(1000001), 2);
    CHECK_INT(lti_real_milliseconds(INT64_MAX), INFINITE - 1);
    lti_call_answers("BCryptGenRandom", 1, 0);
    CHECK_INT(lti_os_random(&byte, SIZE_MAX), 0x40000000);
    CHECK_TAKEN();
    CHECK_STATUS("BCryptGenRandom", 1, lti_os_random(&byte, 1));
}

TEST(calls_without_memory)
{
    struct lti_os_mutex *mutex = NULL;
    lti_call_fails("HeapAlloc", 1, 0);
    CHECK_INT(lti_os_kind_of(lti_os_mutex_create(&mutex)), LTI_OS_MEMORY);
    CHECK_TAKEN();
    lti_call_fails("HeapAlloc", 1, 0);
    CHECK_INT(lti_os_kind_of(lti_os_thread_start(nothing, NULL)), LTI_OS_MEMORY);
    CHECK_TAKEN();
    CHECK_DENIED("CreateThread", 1, lti_os_thread_start(nothing, NULL));
}

/* Who is not told, or is bound to one, has one: then nobody asks instead of sleeping. */
TEST(calls_cpus_of_this_process)
{
    DWORD_PTR ours = 0, all = 0;
    uint32_t count = 0;
    REQUIRE(GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) && ours);
    for (size_t bit = 0; bit < 8 * sizeof ours; bit++)
        count += (uint32_t)(ours >> bit & 1u);
    CHECK_INT(lti_real_cpus(), count);
    lti_call_fails("GetProcessAffinityMask", 1, DENIED);
    CHECK_INT(lti_real_cpus(), 1);
    CHECK_TAKEN();
    lti_call_answers("GetProcessAffinityMask", 1, TRUE); /* no mask: several groups of them */
    CHECK_INT(lti_real_cpus(), 1);
    CHECK_TAKEN();
    REQUIRE(SetProcessAffinityMask(GetCurrentProcess(), ours & (~ours + 1)));
    CHECK_INT(lti_real_cpus(), 1);
}

TEST(calls_signals_and_threads_that_fail)
{
    CHECK_DENIED("CreateEventW", 1, lti_os_signal_create());
    intptr_t signal = (intptr_t)lti_os_signal_create();
    intptr_t thread = (intptr_t)lti_os_thread_start(nothing, NULL);
    REQUIRE(signal > 0 && thread > 0);
    CHECK_DENIED("SetEvent", 1, lti_os_signal_set(signal));
    CHECK_DENIED("ResetEvent", 1, lti_os_signal_clear(signal));
    CHECK_DENIED("WaitForSingleObject", 1, lti_os_signal_wait(signal, 0));
    CHECK_INT(lti_os_signal_wait(signal, 0), 0);
    CHECK_DENIED("WaitForSingleObject", 1, lti_os_thread_join(thread));
    CHECK_DENIED("CloseHandle", 1, lti_os_thread_join(thread));
    CHECK(CloseHandle((HANDLE)thread));
    CHECK_DENIED("CloseHandle", 1, lti_os_handle_close(signal));
    CHECK(CloseHandle((HANDLE)signal));
}

TEST(calls_queues_that_fail)
{
    struct lti_os_completion done;
    CHECK_DENIED("CreateIoCompletionPort", 1, lti_os_queue_create());
    struct probe *probe = probe_begin();
    probe->server =
        (intptr_t)lti_os_pipe_create(probe->name, 0, PROBE_UNLIMITED, PROBE_QUOTA, NULL);
    REQUIRE(probe->server > 0);
    CHECK_DENIED("SetFileCompletionNotificationModes", 1,
                 lti_os_queue_add(probe->queue, probe->server, true));
    CHECK_DENIED("PostQueuedCompletionStatus", 1, lti_os_queue_post(probe->queue, NULL, 0));
    CHECK_DENIED("GetQueuedCompletionStatusEx", 1, lti_os_queue_wait(probe->queue, &done, 1, 0));
    /* Nobody was left who could write the record. */
    lti_call_completion((int32_t)STATUS_DENIED);
    CHECK_INT(lti_real_queue_wait(probe->queue, &done, 1, 0), 1);
    CHECK_INT(lti_os_kind_of(done.result), LTI_OS_ACCESS);
    lti_call_completion(0);
    CHECK_INT(lti_real_queue_wait(probe->queue, &done, 1, 0), 1);
    CHECK(done.result == LTI_OS_PIPE_UNTOLD);
    CHECK_TAKEN();
    probe_end(probe);
}

TEST(calls_pipes_that_fail)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    struct lti_os_op op = {.system = {0}};
    struct lti_os_pipe_facts facts;
    char byte;
    const intptr_t handle = probe->server;
    lti_call_answers("ConnectNamedPipe", 1, TRUE);
    CHECK_INT(lti_os_pipe_listen(handle, &op), 0);
    CHECK_TAKEN();
    CHECK_DENIED("ReadFile", 1, lti_os_pipe_read(handle, &byte, SIZE_MAX, &op));
    CHECK_DENIED("ReadFile", 1, lti_os_pipe_read_sync(handle, &byte, SIZE_MAX));
    lti_call_fails("ReadFile", 1, ERROR_MORE_DATA);
    CHECK(lti_os_pipe_read_sync(handle, &byte, 1) == LTI_OS_PIPE_MORE);
    CHECK_DENIED("GetFileType", 1, lti_os_pipe_facts(handle, &facts));
    lti_call_answers("GetFileType", 1, FILE_TYPE_UNKNOWN);
    CHECK_INT(lti_os_pipe_facts(handle, &facts), 0);
    CHECK(!facts.pipe);
    CHECK_STATUS("NtQueryInformationFile", 2, lti_os_pipe_facts(handle, &facts));
    CHECK_STATUS("NtQueryInformationFile", 3, lti_os_pipe_facts(handle, &facts));
    CHECK(!facts.pipe);
    CHECK_DENIED("GetNamedPipeServerProcessId", 1, lti_os_pipe_peer_pid(handle, true));
    probe_end(probe);
}

TEST(calls_an_identity_that_cannot_be_told)
{
    struct lti_os_identity own;
    CHECK_DENIED("OpenProcessToken", 1, lti_os_identity(&own));
    CHECK_DENIED("GetTokenInformation", 1, lti_os_identity(&own));
    CHECK_DENIED("GetTokenInformation", 3, lti_os_identity(&own));
    CHECK_DENIED("ConvertSidToStringSidA", 1, lti_os_identity(&own));
    CHECK_DENIED("ConvertSidToStringSidA", 2, lti_os_identity(&own));
    lti_call_answers("ConvertSidToStringSidA", 1, LTI_OS_SID_BYTES);
    CHECK_INT(lti_os_kind_of(lti_os_identity(&own)), LTI_OS_INVALID);
    /* No level is no failure: it is not known. */
    lti_call_fails("GetTokenInformation", 2, DENIED);
    CHECK_INT(lti_os_identity(&own), 0);
    CHECK_STR(own.integrity, "");
    CHECK_TAKEN();
}

static struct probe *client_that_wrote(void)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 1), 1);
    CHECK_INT(probe_read(probe, probe->server, 1, 0, 1), 1);
    return probe;
}

TEST(calls_a_client_that_cannot_be_told)
{
    struct probe *probe = client_that_wrote();
    struct lti_os_identity client;
    const intptr_t handle = probe->server;
    const char *everybody = "S-1-1-0";
    CHECK_DENIED("OpenThreadToken", 1, lti_os_pipe_client(handle, NULL, &client));
    CHECK_DENIED("OpenThreadToken", 2, lti_os_pipe_client(handle, NULL, &client));
    CHECK_DENIED("GetTokenInformation", 1, lti_os_pipe_client(handle, everybody, &client));
    CHECK_DENIED("GetTokenInformation", 5, lti_os_pipe_client(handle, everybody, &client));
    CHECK_DENIED("ConvertStringSidToSidA", 1, lti_os_pipe_client(handle, everybody, &client));
    CHECK_DENIED("CheckTokenMembership", 1, lti_os_pipe_client(handle, everybody, &client));
    lti_call_fails("OpenThreadToken", 2, ERROR_CANT_OPEN_ANONYMOUS);
    CHECK_INT(lti_os_pipe_client(handle, NULL, &client), 0);
    CHECK_STR(client.user, "S-1-5-7");
    CHECK_INT(client.level, SecurityAnonymous);
    CHECK_TAKEN();
    probe_end(probe);
}

/* A thread that acts as somebody goes on doing so; one that could not must not go on at all. */
TEST(calls_who_asks_stays_who_it_was)
{
    struct probe *probe = client_that_wrote();
    struct lti_os_identity client;
    const intptr_t handle = probe->server;
    HANDLE token = NULL;
    CHECK_TRAPS({
        lti_call_fails("RevertToSelf", 1, DENIED);
        (void)lti_os_pipe_client(handle, NULL, &client);
    });
    REQUIRE(ImpersonateSelf(SecurityImpersonation));
    CHECK_TRAPS({
        lti_call_fails("SetThreadToken", 1, DENIED);
        (void)lti_os_pipe_client(handle, NULL, &client);
    });
    CHECK_INT(lti_os_pipe_client(handle, NULL, &client), 0);
    CHECK(OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token));
    CHECK(CloseHandle(token));
    CHECK(RevertToSelf());
    probe_end(probe);
}

TEST(calls_owners_and_labels_that_cannot_be_told)
{
    struct probe *probe = probe_pair(0, PROBE_QUOTA);
    char sid[LTI_OS_SID_BYTES];
    CHECK_DENIED("GetSecurityInfo", 1, lti_os_pipe_owner(probe->server, sid));
    CHECK_DENIED("GetSecurityInfo", 1, lti_os_pipe_label(probe->server, sid));
    probe_end(probe);
}

/* Of a list of labels the first that is not for what comes inside counts. */
TEST(calls_the_label_that_counts)
{
    struct {
        ACL list;
        struct {
            ACE_HEADER header;
            ACCESS_MASK mask;
            SID sid;
        } entries[3]; /* each is a SYSTEM_MANDATORY_LABEL_ACE, with its SID */
    } all;
    char sid[LTI_OS_SID_BYTES] = "?";
    memset(&all, 0, sizeof all);
    REQUIRE(InitializeAcl(&all.list, sizeof all, ACL_REVISION));
    all.list.AceCount = 3;
    for (int i = 0; i < 3; i++) {
        all.entries[i].header.AceType =
            i == 0 ? SYSTEM_AUDIT_ACE_TYPE : SYSTEM_MANDATORY_LABEL_ACE_TYPE;
        all.entries[i].header.AceFlags = i == 1 ? INHERIT_ONLY_ACE : 0;
        all.entries[i].header.AceSize = sizeof all.entries[i];
        all.entries[i].sid = (SID){SID_REVISION, 1, {SECURITY_MANDATORY_LABEL_AUTHORITY}, {0x1000}};
    }
    lti_call_labels(&all.list);
    CHECK_DENIED("GetAce", 1, lti_os_pipe_label(0, sid));
    all.list.AceCount = 2;
    lti_call_labels(&all.list);
    CHECK_INT(lti_os_pipe_label(0, sid), 0);
    CHECK_STR(sid, "");
    all.list.AceCount = 3;
    lti_call_labels(&all.list);
    CHECK_INT(lti_os_pipe_label(0, sid), 0);
    CHECK_STR(sid, "S-1-16-4096");
    CHECK_TAKEN();
}

TEST(calls_a_list_that_is_none)
{
    SECURITY_DESCRIPTOR security;
    REQUIRE(InitializeSecurityDescriptor(&security, SECURITY_DESCRIPTOR_REVISION));
    CHECK(!lti_os_security_listed(&security));
    REQUIRE(SetSecurityDescriptorDacl(&security, TRUE, NULL, FALSE));
    CHECK(!lti_os_security_listed(&security));
    lti_call_fails("GetSecurityDescriptorDacl", 1, DENIED);
    CHECK(!lti_os_security_listed(&security));
    CHECK_TAKEN();
}

TEST(calls_a_process_that_cannot_be_asked)
{
    intptr_t process = (intptr_t)lti_os_process_open((int64_t)GetCurrentProcessId());
    REQUIRE(process > 0);
    CHECK_DENIED("GetProcessTimes", 1, lti_os_process_began(process));
    CHECK_DENIED("WaitForSingleObject", 1, lti_os_process_began(process));
    CHECK(lti_os_process_began(process) > 0);
    lti_call_answers("WaitForSingleObject", 1, WAIT_OBJECT_0); /* it has ended */
    CHECK_INT(lti_os_kind_of(lti_os_process_began(process)), LTI_OS_NOT_FOUND);
    CHECK_TAKEN();
    CHECK_INT(lti_os_handle_close(process), 0);
}
