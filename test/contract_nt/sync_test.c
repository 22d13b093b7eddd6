/* SPDX-License-Identifier: MIT
 *
 * Handles that were opened for synchronous I/O: calls that wait, and how they are given up.
 *
 * Happy path: a read takes what is there; a write of more than the pipe holds waits for its peer.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: every thread that waits is seen to come out.
 */
#include "probe.h"
#include "sync_pipe.h"

#include <stdatomic.h>
#include <stdio.h>

#define SYNC_BYTES 20000u

struct sync_call {
    intptr_t handle;
    bool write;
    int64_t result;
    atomic_bool begun, over;
    uint8_t bytes[SYNC_BYTES];
};

static void sync_call_run(void *argument)
{
    struct sync_call *call = argument;
    atomic_store(&call->begun, true);
    if (call->write)
        call->result = lti_os_pipe_write_sync(call->handle, call->bytes, SYNC_BYTES);
    else
        call->result = lti_os_pipe_read_sync(call->handle, call->bytes, SYNC_BYTES);
    atomic_store(&call->over, true);
}

/* The first end is synchronous, the second one belongs to the probe's queue. */
static struct probe *sync_pair(bool one_way, intptr_t *handle_out)
{
    static uint32_t count;
    struct probe *probe = probe_begin();
    uint64_t word = 0;
    char name[80];
    intptr_t handles[2] = {-1, -1};
    REQUIRE(lti_os_random(&word, sizeof word) == sizeof word);
    (void)snprintf(name, sizeof name, PROBE_PREFIX "leat-probe-sync-%08lx-%u",
                   (unsigned long)(word & 0xFFFFFFFF), ++count);
    const struct lti_sync_kind kind = {.one_way = one_way, .quota = PROBE_QUOTA};
    REQUIRE(lti_sync_pipe(name, kind, handles));
    *handle_out = handles[0];
    probe->client = handles[1];
    REQUIRE_INT(lti_os_queue_add(probe->queue, probe->client, false), 0);
    return probe;
}

static struct sync_call *call_new(intptr_t handle, bool write)
{
    struct sync_call *call = lti_os_alloc(sizeof *call);
    REQUIRE(call != NULL);
    memset(call, 0, sizeof *call);
    call->handle = handle;
    call->write = write;
    return call;
}

/* Until the thread is out; a cancel may come before the call that it is meant for. */
static void call_cancel(struct probe *probe, intptr_t thread, const struct sync_call *call)
{
    uint64_t until = lti_test_now_ms() + lti_test_scaled_ms(PROBE_LIMIT_MS);
    while (!atomic_load(&call->over) && lti_test_now_ms() < until) {
        int64_t result = atomic_load(&call->begun) ? lti_os_thread_cancel(thread) : 0;
        CHECK(result == 0 || lti_os_kind_of(result) == LTI_OS_NOT_FOUND);
        probe_take(probe, PROBE_SLICE_NS);
    }
    REQUIRE(atomic_load(&call->over));
    CHECK_INT(lti_os_thread_join(thread), 0);
}

TEST(nt_sync_facts)
{
    struct lti_os_pipe_facts facts;
    intptr_t handle;
    struct probe *probe = sync_pair(false, &handle);
    REQUIRE_INT(lti_os_pipe_facts(handle, &facts), 0);
    CHECK(facts.pipe && !facts.overlapped && facts.connected && facts.can_read && facts.can_write);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK(facts.pipe && facts.overlapped && facts.connected && facts.can_read && facts.can_write);
    CHECK_KIND(lti_os_queue_add(probe->queue, handle, false), LTI_OS_INVALID);
    CHECK_INT(lti_os_handle_close(handle), 0);
    probe_end(probe);
}

TEST(nt_sync_facts_of_one_way)
{
    struct lti_os_pipe_facts facts;
    intptr_t handle;
    struct probe *probe = sync_pair(true, &handle);
    REQUIRE_INT(lti_os_pipe_facts(handle, &facts), 0);
    CHECK(facts.pipe && facts.connected && facts.can_read && !facts.can_write);
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK(facts.pipe && facts.connected && !facts.can_read && facts.can_write);
    CHECK_KIND(lti_os_pipe_write_sync(handle, probe->sent, 1), LTI_OS_ACCESS);
    CHECK_INT(lti_os_handle_close(handle), 0);
    /* Who only writes can ask whether the reader has gone. */
    REQUIRE_INT(lti_os_pipe_facts(probe->client, &facts), 0);
    CHECK(facts.closing && !facts.connected);
    probe_end(probe);
}

TEST(nt_sync_reads_what_is_there)
{
    intptr_t handle;
    struct probe *probe = sync_pair(false, &handle);
    CHECK_INT(probe_write(probe, probe->client, 0, 0, 100), 100);
    CHECK_INT(lti_os_pipe_read_sync(handle, probe->got, 40), 40);
    CHECK_INT(lti_os_pipe_read_sync(handle, probe->got + 40, 1000), 60);
    CHECK_MEM(probe->got, probe->sent, 100);
    CHECK_INT(lti_os_pipe_write_sync(handle, probe->sent, 10), 10);
    CHECK_INT(probe_read(probe, probe->client, 0, 0, 50), 10);
    CHECK_INT(probe_write(probe, probe->client, 0, 7, 3), 3);
    probe_close(&probe->client);
    /* What it sent can still be read, and nothing waits. */
    CHECK_INT(lti_os_pipe_read_sync(handle, probe->got, 50), 3);
    CHECK_MEM(probe->got, probe->sent + 7, 3);
    CHECK_KIND(lti_os_pipe_read_sync(handle, probe->got, 50), LTI_OS_PIPE);
    CHECK_KIND(lti_os_pipe_write_sync(handle, probe->sent, 10), LTI_OS_PIPE);
    CHECK_INT(lti_os_handle_close(handle), 0);
    probe_end(probe);
}

TEST(nt_sync_write_waits_for_its_reader)
{
    intptr_t handle;
    struct probe *probe = sync_pair(false, &handle);
    struct sync_call *call = call_new(handle, true);
    memcpy(call->bytes, probe->sent, SYNC_BYTES);
    int64_t thread = lti_os_thread_start(sync_call_run, call);
    REQUIRE_HANDLE(thread);
    CHECK(probe_read_all(probe, probe->client, 0, PROBE_QUOTA / 2));
    CHECK(!atomic_load(&call->over));
    CHECK(probe_read_all(probe, probe->client, 0, SYNC_BYTES - PROBE_QUOTA / 2));
    CHECK_INT(lti_os_thread_join((intptr_t)thread), 0);
    CHECK_INT(call->result, SYNC_BYTES);
    CHECK_INT(lti_os_handle_close(handle), 0);
    lti_os_free(call);
    probe_end(probe);
}

static void sync_cancelled(bool write)
{
    intptr_t handle;
    struct probe *probe = sync_pair(false, &handle);
    struct sync_call *call = call_new(handle, write);
    int64_t thread = lti_os_thread_start(sync_call_run, call);
    REQUIRE_HANDLE(thread);
    call_cancel(probe, (intptr_t)thread, call);
    CHECK_KIND(call->result, LTI_OS_CANCELLED);
    CHECK_INT(lti_os_handle_close(handle), 0);
    lti_os_free(call);
    probe_end(probe);
}

TEST(nt_sync_read_is_given_up)
{
    sync_cancelled(false);
}

TEST(nt_sync_write_is_given_up)
{
    sync_cancelled(true);
}

TEST(nt_sync_write_ends_when_its_reader_goes)
{
    intptr_t handle;
    struct probe *probe = sync_pair(false, &handle);
    struct sync_call *call = call_new(handle, true);
    int64_t thread = lti_os_thread_start(sync_call_run, call);
    REQUIRE_HANDLE(thread);
    CHECK(probe_read_all(probe, probe->client, 0, 100));
    probe_close(&probe->client);
    CHECK_INT(lti_os_thread_join((intptr_t)thread), 0);
    CHECK_KIND(call->result, LTI_OS_PIPE);
    CHECK_INT(lti_os_handle_close(handle), 0);
    lti_os_free(call);
    probe_end(probe);
}

/* What somebody did for himself comes out of the queue like what the system did. */
TEST(nt_queue_post_of_an_operation)
{
    struct probe *probe = probe_begin();
    const int64_t results[] = {0,
                               5,
                               70000,
                               INT64_C(9) | LTI_OS_PIPE_MORE,
                               lti_nt_fail(LTI_NT_BROKEN_PIPE),
                               lti_os_fail(LTI_OS_CANCELLED, 0)};
    for (uint32_t i = 0; i < 6; i++) {
        struct lti_os_op *op = probe_slot(probe, i);
        (void)probe_noted(probe, i, lti_nt_fail(LTI_NT_IO_PENDING));
        CHECK_INT(lti_os_queue_post(probe->queue, op, results[i]), 0);
    }
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_INT(probe_done(probe, i), results[i]);
        CHECK_INT(probe->order[i], i);
    }
    CHECK_INT(probe->posts, 0);
    probe_end(probe);
}
