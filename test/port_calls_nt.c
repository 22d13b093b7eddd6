/* SPDX-License-Identifier: MIT
 *
 * Changes what the seam tells the Windows port: see the header.
 *
 * Happy path: the kernel's own answer, in which a test's words take the place of its own.
 * Fails:      as a test says.
 * Invariants: nothing is changed that a test did not name.
 */
#include "port_calls_nt.h"

#include <stdio.h>
#include <string.h>

struct lti_port_answers lti_port_answers;

static struct {
    const char *function;
    int before, times;
    int64_t result;
} answer;

void lti_nt_answer(const char *function, int nth, int times, int64_t result)
{
    answer.function = function;
    answer.before = nth - 1;
    answer.times = times;
    answer.result = result;
}

int lti_nt_answers_left(void)
{
    return answer.times;
}

static bool answered(const char *function)
{
    if (answer.times <= 0 || strcmp(answer.function, function) != 0 || answer.before-- > 0)
        return false;
    answer.times--;
    return true;
}

#define WRAP(name, parameters, arguments)                                                          \
    int64_t __real_lti_os_##name parameters;                                                       \
    int64_t __wrap_lti_os_##name parameters;                                                       \
    int64_t __wrap_lti_os_##name parameters                                                        \
    {                                                                                              \
        return answered(#name) ? answer.result : __real_lti_os_##name arguments;                   \
    }

WRAP(pipe_read, (intptr_t handle, void *buffer, size_t size, struct lti_os_op *op),
     (handle, buffer, size, op))
WRAP(pipe_write, (intptr_t handle, const void *data, size_t size, struct lti_os_op *op),
     (handle, data, size, op))
WRAP(pipe_create,
     (const uint16_t *name, uint32_t flags, uint32_t count, uint32_t quota, const void *security),
     (name, flags, count, quota, security))
WRAP(pipe_listen, (intptr_t handle, struct lti_os_op *op), (handle, op))
WRAP(signal_create, (void), ())
WRAP(signal_wait, (intptr_t signal, int64_t timeout_ns), (signal, timeout_ns))
WRAP(thread_start, (void (*function)(void *argument), void *argument), (function, argument))
WRAP(thread_join, (intptr_t thread), (thread))
WRAP(queue_wait,
     (intptr_t queue, struct lti_os_completion *completions_out, size_t count, int64_t timeout_ns),
     (queue, completions_out, count, timeout_ns))

static void put(char to[LTI_OS_SID_BYTES], const char *text)
{
    if (text)
        (void)snprintf(to, LTI_OS_SID_BYTES, "%s", text);
}

int64_t __real_lti_os_identity(struct lti_os_identity *identity_out);
int64_t __wrap_lti_os_identity(struct lti_os_identity *identity_out);
int64_t __wrap_lti_os_identity(struct lti_os_identity *identity_out)
{
    int64_t result = __real_lti_os_identity(identity_out);
    put(identity_out->integrity, lti_port_answers.integrity);
    return result;
}

int64_t __real_lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
int64_t __wrap_lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
int64_t __wrap_lti_os_pipe_label(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    if (lti_port_answers.label_fails < 0)
        return lti_port_answers.label_fails;
    int64_t result = __real_lti_os_pipe_label(handle, sid_out);
    put(sid_out, lti_port_answers.label);
    return result;
}

int64_t __real_lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
int64_t __wrap_lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES]);
int64_t __wrap_lti_os_pipe_owner(intptr_t handle, char sid_out[LTI_OS_SID_BYTES])
{
    if (lti_port_answers.owner_fails < 0)
        return lti_port_answers.owner_fails;
    int64_t result = __real_lti_os_pipe_owner(handle, sid_out);
    put(sid_out, lti_port_answers.owner);
    return result;
}

int64_t __real_lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *out);
int64_t __wrap_lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *out);
int64_t __wrap_lti_os_pipe_client(intptr_t handle, const char *group, struct lti_os_identity *out)
{
    if (lti_port_answers.client_fails < 0)
        return lti_port_answers.client_fails;
    int64_t result = __real_lti_os_pipe_client(handle, group, out);
    if (lti_port_answers.client_changed) {
        put(out->user, lti_port_answers.client_user);
        out->level = lti_port_answers.client_level;
        out->member = false;
    }
    return result;
}

int64_t __real_lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out);
int64_t __wrap_lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out);
int64_t __wrap_lti_os_pipe_facts(intptr_t handle, struct lti_os_pipe_facts *facts_out)
{
    return lti_port_answers.facts_fails < 0 ? lti_port_answers.facts_fails
                                            : __real_lti_os_pipe_facts(handle, facts_out);
}

int64_t __real_lti_os_pipe_peer_pid(intptr_t handle, bool server);
int64_t __wrap_lti_os_pipe_peer_pid(intptr_t handle, bool server);
int64_t __wrap_lti_os_pipe_peer_pid(intptr_t handle, bool server)
{
    return lti_port_answers.pid_changed ? lti_port_answers.pid
                                        : __real_lti_os_pipe_peer_pid(handle, server);
}

int64_t __real_lti_os_security_create(const char *sddl, void **security_out);
int64_t __wrap_lti_os_security_create(const char *sddl, void **security_out);
int64_t __wrap_lti_os_security_create(const char *sddl, void **security_out)
{
    (void)snprintf(lti_port_answers.sddl, sizeof lti_port_answers.sddl, "%s", sddl);
    return lti_port_answers.create_fails < 0 ? lti_port_answers.create_fails
                                             : __real_lti_os_security_create(sddl, security_out);
}
