/* SPDX-License-Identifier: MIT
 *
 * The real poller of systems that have nothing but poll(): slower with many descriptors, and not to
 * be waited on by another loop.
 *
 * Happy path: a table by descriptor says what is asked for and what was told since. What was told
 *             is not asked for again until somebody looks (lti_real_looked), writes or registers
 *             anew: so poll, which tells states, tells edges. A wait asks for a copy of the table,
 *             unlocked; a change meanwhile ends that poll by the poller's own pipe, and the wait
 *             goes on with the new table.
 * Fails:      with the kind of errno; LTI_OS_MEMORY when the table cannot grow.
 * Invariants: an answer counts only for the registration that it was asked for (`serial`). What is
 *             over in both directions is told once per registration. The lock is held for short
 *             stretches, never across poll, and never across a fork.
 */
#include "os_real_posix.h"

#if LTI_REAL_POLLER == LTI_REAL_POLL

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef POLLRDHUP
#define POLL_HALF POLLRDHUP
#else
#define POLL_HALF 0
#endif

struct poll_entry {
    uint64_t cookie;
    uint32_t serial;   /* 0: not registered */
    uint32_t interest; /* LTI_OS_IN, LTI_OS_OUT */
    uint32_t told;     /* LTI_OS_*, since somebody looked last */
};

struct poller {
    struct poller *next;
    int reading, writing; /* its pipe; the reading end is its number */
    bool woken;           /* a byte is in the pipe */
    uint32_t serial;
    int room, high; /* of the table; above the last descriptor that is in it */
    struct poll_entry *entries;
    /* What one wait asks for: one at a time has them, and `waiting` is set. */
    bool waiting;
    int asked_room;
    struct pollfd *asked;
    uint32_t *asked_serials;
};

static struct poller *poll_list;
static pthread_mutex_t poll_lock = PTHREAD_MUTEX_INITIALIZER;
static int poll_fork_error;

static void poll_enter(void)
{
    (void)pthread_mutex_lock(&poll_lock);
}

static void poll_leave(void)
{
    (void)pthread_mutex_unlock(&poll_lock);
}

static void poll_watch_forks(void)
{
    poll_fork_error = pthread_atfork(poll_enter, poll_leave, poll_leave);
}

static struct poller *poll_find(int fd)
{
    struct poller *it = poll_list;
    while (it && it->reading != fd)
        it = it->next;
    return it;
}

static struct poll_entry *poll_entry_of(const struct poller *poller, int fd)
{
    bool known = fd >= 0 && fd < poller->high && poller->entries[fd].serial != 0;
    return known ? &poller->entries[fd] : NULL;
}

/* A wait that asks for less than it should by now is to ask again. */
static void poll_wake(struct poller *poller)
{
    static const char byte = 1;
    if (poller->waiting && !poller->woken)
        poller->woken = write(poller->writing, &byte, 1) == 1;
}

int64_t lti_os_poller_create(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int ends[2];
    if (pthread_once(&once, poll_watch_forks) != 0 || poll_fork_error != 0)
        return lti_real_errno(ENOMEM);
    struct poller *poller = lti_os_alloc(sizeof *poller);
    if (!poller)
        return lti_real_errno(ENOMEM);
    int64_t result = lti_real_pipe(ends);
    if (result < 0) {
        lti_os_free(poller);
        return result;
    }
    *poller = (struct poller){.reading = ends[0], .writing = ends[1]};
    poll_enter();
    poller->next = poll_list;
    poll_list = poller;
    poll_leave();
    return poller->reading;
}

int64_t lti_os_poller_close(int poller_fd, bool forked)
{
    (void)forked; /* a child has a copy of all */
    poll_enter();
    struct poller **place = &poll_list;
    while (*place && (*place)->reading != poller_fd)
        place = &(*place)->next;
    struct poller *poller = *place;
    if (poller)
        *place = poller->next;
    poll_leave();
    if (!poller)
        return lti_real_errno(EBADF);
    int64_t result = lti_real_result(close(poller->reading));
    (void)close(poller->writing);
    lti_os_free(poller->entries);
    lti_os_free(poller->asked);
    lti_os_free(poller->asked_serials);
    lti_os_free(poller);
    return result;
}

int64_t lti_os_poller_waitable(int poller)
{
    (void)poller;
    return lti_os_fail(LTI_OS_UNSUPPORTED, EOPNOTSUPP);
}

void lti_real_closing(int fd)
{
    lti_real_event_closing(fd);
    poll_enter();
    for (struct poller *it = poll_list; it; it = it->next) {
        struct poll_entry *entry = poll_entry_of(it, fd);
        if (entry)
            entry->serial = 0;
    }
    poll_leave();
}

static void poll_tell_again(int fd, uint32_t again)
{
    poll_enter();
    for (struct poller *it = poll_list; it; it = it->next) {
        struct poll_entry *entry = poll_entry_of(it, fd);
        if (entry && (entry->told & again)) {
            entry->told &= ~again;
            poll_wake(it);
        }
    }
    poll_leave();
}

void lti_real_looked(int fd)
{
    poll_tell_again(fd, LTI_OS_IN | LTI_OS_READ_HANGUP | LTI_OS_ERROR | LTI_OS_URGENT);
}

void lti_real_wrote(int fd)
{
    poll_tell_again(fd, LTI_OS_OUT);
}

static bool poll_grow(struct poller *poller, int fd)
{
    if (fd < poller->room)
        return true;
    int room = poller->room ? poller->room : 64;
    while (room <= fd)
        room = room > INT_MAX / 2 ? INT_MAX : room * 2;
    struct poll_entry *entries = lti_os_alloc((size_t)room * sizeof *entries);
    if (!entries)
        return false;
    memset(entries, 0, (size_t)room * sizeof *entries);
    if (poller->high > 0)
        memcpy(entries, poller->entries, (size_t)poller->high * sizeof *entries);
    lti_os_free(poller->entries);
    poller->entries = entries;
    poller->room = room;
    return true;
}

/* Locked. */
static int64_t poll_set(struct poller *poller, int fd, bool add, uint32_t interest, uint64_t cookie)
{
    if (!poller || fd < 0)
        return lti_real_errno(EBADF);
    bool known = poll_entry_of(poller, fd) != NULL;
    if (known == add)
        return lti_real_errno(add ? EEXIST : ENOENT);
    if (!poll_grow(poller, fd))
        return lti_real_errno(ENOMEM);
    if (poller->high <= fd)
        poller->high = fd + 1;
    if (++poller->serial == 0)
        poller->serial = 1;
    poller->entries[fd] = (struct poll_entry){.cookie = cookie,
                                              .serial = poller->serial,
                                              .interest = interest & (LTI_OS_IN | LTI_OS_OUT)};
    poll_wake(poller);
    return 0;
}

int64_t lti_os_poller_add(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    poll_enter();
    int64_t result = poll_set(poll_find(poller), fd, true, interest, cookie);
    poll_leave();
    return result;
}

int64_t lti_os_poller_modify(int poller, int fd, uint32_t interest, uint64_t cookie)
{
    poll_enter();
    int64_t result = poll_set(poll_find(poller), fd, false, interest, cookie);
    poll_leave();
    return result;
}

int64_t lti_os_poller_remove(int poller_fd, int fd)
{
    poll_enter();
    struct poller *poller = poll_find(poller_fd);
    struct poll_entry *entry = poller ? poll_entry_of(poller, fd) : NULL;
    if (entry)
        entry->serial = 0;
    poll_leave();
    return entry ? 0 : lti_real_errno(poller ? ENOENT : EBADF);
}

/* Locked. The first is the poller's own pipe. */
static int poll_ask(struct poller *poller)
{
    if (poller->asked_room < poller->high + 1) {
        int room = poller->room + 1;
        lti_os_free(poller->asked);
        lti_os_free(poller->asked_serials);
        poller->asked = lti_os_alloc((size_t)room * sizeof *poller->asked);
        poller->asked_serials = lti_os_alloc((size_t)room * sizeof *poller->asked_serials);
        poller->asked_room = poller->asked && poller->asked_serials ? room : 0;
        if (poller->asked_room == 0)
            return -1;
    }
    int count = 1;
    poller->asked[0] = (struct pollfd){.fd = poller->reading, .events = POLLIN};
    for (int fd = 0; fd < poller->high; fd++) {
        const struct poll_entry *entry = &poller->entries[fd];
        if (entry->serial == 0 || (entry->told & (LTI_OS_HANGUP | LTI_OS_ERROR)))
            continue;
        uint32_t wanted = entry->interest & ~entry->told;
        int events = (wanted & LTI_OS_IN ? POLLIN : 0) | (wanted & LTI_OS_OUT ? POLLOUT : 0) |
                     (entry->told & LTI_OS_READ_HANGUP ? 0 : POLL_HALF) |
                     (entry->told & LTI_OS_URGENT ? 0 : POLLPRI);
        poller->asked[count] = (struct pollfd){.fd = fd, .events = (short)events};
        poller->asked_serials[count++] = entry->serial;
    }
    return count;
}

static uint32_t poll_flags(int events)
{
    uint32_t flags = 0;
    if (events & POLLIN)
        flags |= LTI_OS_IN;
    if (events & POLLOUT)
        flags |= LTI_OS_OUT;
    if (events & POLL_HALF)
        flags |= LTI_OS_READ_HANGUP;
    if (events & POLLHUP)
        flags |= LTI_OS_HANGUP;
    if (events & (POLLERR | POLLNVAL))
        flags |= LTI_OS_ERROR;
    if (events & POLLPRI)
        flags |= LTI_OS_URGENT;
    return flags;
}

/* Locked. What does not fit is found by the next wait, since it was not told. */
static int poll_answer(struct poller *poller, int asked, struct lti_os_ready *ready_out, int count)
{
    int found = 0;
    char byte;
    if (poller->asked[0].revents != 0 && read(poller->reading, &byte, 1) == 1)
        poller->woken = false;
    for (int i = 1; i < asked && found < count; i++) {
        struct poll_entry *entry = poll_entry_of(poller, poller->asked[i].fd);
        if (poller->asked[i].revents == 0 || !entry || entry->serial != poller->asked_serials[i])
            continue;
        uint32_t flags = poll_flags(poller->asked[i].revents);
        entry->told |= flags;
        ready_out[found++] = (struct lti_os_ready){.cookie = entry->cookie, .flags = flags};
    }
    return found;
}

/* One poll. 0: nothing yet, and *woken_out when the table changed meanwhile. */
static int64_t poll_once(int poller_fd, struct lti_os_ready *ready_out, int count, int64_t left_ns,
                         bool *woken_out)
{
    poll_enter();
    struct poller *poller = poll_find(poller_fd);
    int asked = poller && !poller->waiting ? poll_ask(poller) : 0;
    if (asked > 0)
        poller->waiting = true;
    poll_leave();
    if (asked <= 0)
        return lti_real_errno(asked < 0 ? ENOMEM : poller ? EBUSY : EBADF);
    int result = poll(poller->asked, (nfds_t)asked, lti_real_milliseconds(left_ns));
    int number = errno;
    poll_enter();
    poller->waiting = false;
    int found = result > 0 ? poll_answer(poller, asked, ready_out, count) : 0;
    *woken_out = result > 0 && found == 0;
    poll_leave();
    return result < 0 ? lti_real_errno(number) : found;
}

int64_t lti_os_poller_wait(int poller, struct lti_os_ready *ready_out, size_t count,
                           int64_t timeout_ns)
{
    uint64_t end = timeout_ns > 0 ? lti_os_now_ns() + (uint64_t)timeout_ns : 0;
    int most = count > INT_MAX ? INT_MAX : (int)count;
    int64_t left_ns = timeout_ns;
    for (;;) {
        bool woken = false;
        int64_t result = poll_once(poller, ready_out, most, left_ns, &woken);
        if (result != 0 || !woken)
            return result;
        if (timeout_ns > 0) {
            uint64_t now = lti_os_now_ns();
            left_ns = now < end ? (int64_t)(end - now) : 0;
        }
    }
}

#endif
