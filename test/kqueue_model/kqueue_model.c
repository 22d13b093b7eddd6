/* SPDX-License-Identifier: MIT
 *
 * A model of kqueue on epoll, so that leat's kqueue poller runs where there is no kqueue. It shows
 * that the poller keeps to the manual as this file reads it, and nothing about real systems.
 *
 * Happy path: a queue is an epoll; a table by descriptor has the filters. An edge is told to each
 *             filter that holds, and adding a filter again makes epoll look anew, as both manuals
 *             say. What does not hold any more when it is taken is not told.
 * Fails:      with -1 and errno as kevent does: ENOENT for a filter that is not there, EINVAL for
 *             what the poller does not use.
 * Invariants: a descriptor is in one queue at most; one that was closed, and whose number came
 *             back, has no filters, because epoll forgot it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#define MODEL_DESCRIPTORS_MAX 131072
#define MODEL_EVENTS_MAX 128

static struct model_entry {
    bool reading, writing;
    void *read_data, *write_data;
} model_table[MODEL_DESCRIPTORS_MAX];
static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER;

int kqueue(void)
{
    return epoll_create1(0);
}

static int model_watch(int queue, int operation, int fd, const struct model_entry *entry)
{
    struct epoll_event event = {.data = {.fd = fd}};
    event.events = EPOLLET | EPOLLPRI;
    if (entry->reading)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (entry->writing)
        event.events |= EPOLLOUT;
    return epoll_ctl(queue, operation, fd, &event);
}

static int model_add(int queue, int fd, const struct kevent *change)
{
    struct model_entry alone = {.reading = change->filter == EVFILT_READ,
                                .writing = change->filter == EVFILT_WRITE,
                                .read_data = change->udata,
                                .write_data = change->udata};
    struct model_entry *entry = &model_table[fd];
    if (model_watch(queue, EPOLL_CTL_ADD, fd, &alone) == 0) {
        *entry = alone;
        return 0;
    }
    if (errno != EEXIST)
        return -1;
    if (alone.reading)
        entry->read_data = change->udata;
    else
        entry->write_data = change->udata;
    entry->reading = entry->reading || alone.reading;
    entry->writing = entry->writing || alone.writing;
    return model_watch(queue, EPOLL_CTL_MOD, fd, entry);
}

static int model_delete(int queue, int fd, const struct kevent *change)
{
    struct model_entry *entry = &model_table[fd];
    bool *filter = change->filter == EVFILT_READ ? &entry->reading : &entry->writing;
    if (!*filter) {
        errno = ENOENT;
        return -1;
    }
    *filter = false;
    if (entry->reading || entry->writing)
        return model_watch(queue, EPOLL_CTL_MOD, fd, entry);
    return epoll_ctl(queue, EPOLL_CTL_DEL, fd, NULL);
}

static int model_change(int queue, const struct kevent *change)
{
    int result = -1;
    bool known = change->filter == EVFILT_READ || change->filter == EVFILT_WRITE;
    bool adds = change->flags == (EV_ADD | EV_CLEAR);
    if (!known || (!adds && change->flags != EV_DELETE) || change->ident >= MODEL_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    (void)pthread_mutex_lock(&model_lock);
    if (adds)
        result = model_add(queue, (int)change->ident, change);
    else
        result = model_delete(queue, (int)change->ident, change);
    int number = errno;
    (void)pthread_mutex_unlock(&model_lock);
    errno = number;
    return result;
}

/* Both filters of a descriptor may hold: up to two events. */
static int model_tell(int fd, uint32_t bits, struct kevent *events)
{
    struct model_entry entry = model_table[fd];
    struct pollfd now = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    int count = 0;
    (void)poll(&now, 1, 0);
    bool gone = (bits & (EPOLLHUP | EPOLLERR)) != 0;
    if (entry.reading && ((bits & (EPOLLIN | EPOLLRDHUP | EPOLLPRI)) || gone) &&
        (now.revents & (POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLPRI))) {
        int flags = (now.revents & (POLLRDHUP | POLLHUP)) ? EV_EOF : 0;
        flags |= (now.revents & POLLPRI) ? EV_OOBAND : 0;
        EV_SET(&events[count], (uintptr_t)fd, EVFILT_READ, flags,
               (now.revents & POLLERR) ? ECONNRESET : 0, 0, entry.read_data);
        count++;
    }
    if (entry.writing && ((bits & EPOLLOUT) || gone) &&
        (now.revents & (POLLOUT | POLLHUP | POLLERR))) {
        EV_SET(&events[count], (uintptr_t)fd, EVFILT_WRITE, (now.revents & POLLHUP) ? EV_EOF : 0, 0,
               0, entry.write_data);
        count++;
    }
    return count;
}

static int model_milliseconds(const struct timespec *timeout)
{
    if (!timeout)
        return -1;
    int64_t ms = (int64_t)timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int kevent(int queue, const struct kevent *changes, int changes_count, struct kevent *events,
           int events_count, const struct timespec *timeout)
{
    struct epoll_event natives[MODEL_EVENTS_MAX / 2];
    for (int i = 0; i < changes_count; i++) {
        if (model_change(queue, &changes[i]) != 0)
            return -1;
    }
    if (events_count == 0)
        return 0;
    if (events_count == 1) { /* one descriptor may have two events */
        errno = EINVAL;
        return -1;
    }
    int room = events_count / 2 < MODEL_EVENTS_MAX / 2 ? events_count / 2 : MODEL_EVENTS_MAX / 2;
    int found = epoll_wait(queue, natives, room, model_milliseconds(timeout));
    int count = 0;
    (void)pthread_mutex_lock(&model_lock);
    for (int i = 0; i < found; i++)
        count += model_tell(natives[i].data.fd, natives[i].events, events + count);
    (void)pthread_mutex_unlock(&model_lock);
    return found < 0 ? -1 : count;
}
