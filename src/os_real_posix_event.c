/* SPDX-License-Identifier: MIT
 *
 * The real wake-up of systems without eventfd: a pipe.
 *
 * Happy path: whoever has the reading end is found by its number in a list, with the writing end
 *             and whether a byte is in the pipe; so there is one at most.
 * Fails:      with the kind of errno; LTI_OS_NOT_SOCKET when it is no wake-up.
 * Invariants: the list is locked for short stretches, and never across a fork, so that a child
 *             finds it whole.
 */
#include "os_real_posix.h"

#if LTI_REAL_POLLER != LTI_REAL_EPOLL

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct event {
    struct event *next;
    int reading, writing;
    bool set;
};

static struct event *event_list;
static pthread_mutex_t event_lock = PTHREAD_MUTEX_INITIALIZER;
static int event_fork_error;

static void event_fork_begins(void)
{
    (void)pthread_mutex_lock(&event_lock);
}

static void event_fork_ends(void)
{
    (void)pthread_mutex_unlock(&event_lock);
}

static void event_watch_forks(void)
{
    event_fork_error = pthread_atfork(event_fork_begins, event_fork_ends, event_fork_ends);
}

/* Locked from here on; null when it is none. */
static struct event *event_find(int fd)
{
    (void)pthread_mutex_lock(&event_lock);
    struct event *it = event_list;
    while (it && it->reading != fd)
        it = it->next;
    return it;
}

int64_t lti_real_pipe(int ends_out[2])
{
    int ends[2];
    if (pipe(ends) != 0)
        return lti_real_errno(errno);
    if (lti_real_set_up(ends[0]) != 0 || lti_real_set_up(ends[1]) != 0) {
        int number = errno;
        (void)close(ends[0]);
        (void)close(ends[1]);
        return lti_real_errno(number);
    }
    ends_out[0] = ends[0];
    ends_out[1] = ends[1];
    return 0;
}

int64_t lti_os_event_create(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int ends[2];
    if (pthread_once(&once, event_watch_forks) != 0 || event_fork_error != 0)
        return lti_real_errno(ENOMEM);
    struct event *event = lti_os_alloc(sizeof *event);
    if (!event)
        return lti_real_errno(ENOMEM);
    int64_t result = lti_real_pipe(ends);
    if (result < 0) {
        lti_os_free(event);
        return result;
    }
    *event = (struct event){.reading = ends[0], .writing = ends[1]};
    (void)pthread_mutex_lock(&event_lock);
    event->next = event_list;
    event_list = event;
    (void)pthread_mutex_unlock(&event_lock);
    return event->reading;
}

int64_t lti_os_event_set(int fd)
{
    static const char byte = 1;
    int64_t result = 0;
    struct event *event = event_find(fd);
    if (!event)
        result = lti_real_errno(EBADF);
    else if (!event->set)
        result = lti_real_result(write(event->writing, &byte, 1));
    if (event && result >= 0)
        event->set = true;
    (void)pthread_mutex_unlock(&event_lock);
    return result;
}

int64_t lti_os_event_clear(int fd)
{
    char byte;
    int64_t result = 0;
    struct event *event = event_find(fd);
    if (!event)
        result = lti_real_errno(EBADF);
    else
        result = lti_real_result(read(event->reading, &byte, 1));
    if (event && result >= 0)
        event->set = false;
    (void)pthread_mutex_unlock(&event_lock);
    lti_real_looked(fd);
    return result;
}

void lti_real_event_closing(int fd)
{
    struct event *event = event_find(fd);
    if (event) {
        struct event **place = &event_list;
        while (*place != event)
            place = &(*place)->next;
        *place = event->next;
        (void)close(event->writing);
    }
    (void)pthread_mutex_unlock(&event_lock);
    lti_os_free(event);
}

#endif
