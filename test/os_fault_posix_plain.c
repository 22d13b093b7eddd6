/* SPDX-License-Identifier: MIT
 *
 * The fault object's calls that cannot fail, or of which nothing is written down, because they are
 * made on systems only that have no better ones.
 *
 * Happy path: forwarded.
 * Fails:      a thread cannot be started, when armed.
 * Invariants: nothing of these is counted but the start of a thread.
 */
#include "os_fault_private.h"

bool lti_os_descriptors_left(uint32_t want)
{
    return lti_real_descriptors_left(want);
}

bool lti_os_sockets_plain(void)
{
    return lti_real_sockets_plain() || lti_fault_stand_in;
}

bool lti_os_accept_ready(int fd)
{
    return lti_real_accept_ready(fd);
}

bool lti_os_accept_more(int fd)
{
    return lti_real_accept_more(fd);
}

void lti_os_listen_over(int fd)
{
    lti_real_listen_over(fd);
}

int64_t lti_os_recv_over(int fd)
{
    return lti_real_recv_over(fd);
}

int64_t lti_os_linger_none(int fd)
{
    return lti_real_linger_none(fd);
}

/* In virtual time nobody else does anything: what a thread has to do is done at once. */
static int64_t fault_thread_run(void (*function)(void *argument), void *argument)
{
    if (!lti_fault_is_virtual())
        return lti_real_thread_run(function, argument);
    function(argument);
    return 0;
}

int64_t lti_os_thread_run(void (*function)(void *argument), void *argument)
{
    FAULT_CALL(thread_run, fault_thread_run(function, argument));
    return result;
}

uint32_t lti_os_euid(void)
{
    return lti_real_euid();
}

bool lti_os_privileged(void)
{
    return lti_real_privileged();
}

const char *lti_os_getenv(const char *name)
{
    return lti_real_getenv(name);
}

const char *lti_os_place(enum lti_os_place place)
{
    return lti_real_place(place);
}

size_t lti_os_path_max(void)
{
    return lti_real_path_max();
}

int64_t lti_os_path_group(const char *path, uint32_t gid)
{
    return lti_real_path_group(path, gid);
}

int64_t lti_os_path_mode(const char *path, uint32_t mode)
{
    return lti_real_path_mode(path, mode);
}

int64_t lti_os_poller_waitable(int poller)
{
    return lti_real_poller_waitable(poller);
}
