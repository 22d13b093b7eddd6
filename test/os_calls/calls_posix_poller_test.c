/* SPDX-License-Identifier: MIT
 *
 * What each poller and its wake-up make of a C library that fails, and of numbers that are none of
 * theirs. Linked once with each poller: what only one of them does, the others are not asked.
 */
#include "calls.h"
#include "harness.h"
#include "os_real_posix.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define COOKIE UINT64_C(0x123456789)
#define FAR_ABOVE 1000000 /* no descriptor has this number */

struct set {
    int poller, event;
};

static struct set set_open(void)
{
    struct set set = {(int)lti_os_poller_create(), (int)lti_os_event_create()};
    REQUIRE(set.poller >= 0 && set.event >= 0);
    return set;
}

static void set_close(struct set set)
{
    CHECK_INT(lti_os_close(set.event), 0);
    CHECK_INT(lti_os_poller_close(set.poller, false), 0);
}

TEST(calls_more_room_than_a_poller_fills)
{
    static struct lti_os_ready ready[500];
    struct set set = set_open();
    CHECK_INT(lti_os_poller_add(set.poller, set.event, LTI_OS_IN, COOKIE), 0);
    CHECK(lti_os_event_set(set.event) >= 0);
    CHECK(lti_os_event_set(set.event) >= 0);
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 500, -1), 1);
    CHECK(ready[0].cookie == COOKIE && ready[0].flags == LTI_OS_IN);
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 500, 0), 0);
    set_close(set);
}

TEST(calls_a_wait_that_fails)
{
    struct lti_os_ready ready[4];
    struct set set = set_open();
    const char *wait = LTI_REAL_POLLER == LTI_REAL_EPOLL    ? "epoll_wait"
                       : LTI_REAL_POLLER == LTI_REAL_KQUEUE ? "kevent"
                                                            : "poll";
    CHECK_FAILS(wait, 1, EINTR, LTI_OS_INTERRUPTED, lti_os_poller_wait(set.poller, ready, 4, 0));
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 4, 0), 0);
    set_close(set);
}

TEST(calls_numbers_that_no_poller_knows)
{
    struct lti_os_ready ready[1];
    struct set set = set_open();
    CHECK(lti_os_poller_add(set.poller, -1, LTI_OS_IN, COOKIE) < 0);
    CHECK(lti_os_poller_add(set.event, set.event, LTI_OS_IN, COOKIE) < 0);
    CHECK(lti_os_poller_wait(FAR_ABOVE, ready, 1, 0) < 0);
    CHECK(lti_os_poller_remove(FAR_ABOVE, set.event) < 0);
    CHECK(lti_os_poller_remove(set.poller, set.event) < 0);
    CHECK(lti_os_poller_remove(set.poller, FAR_ABOVE) < 0);
    CHECK(lti_os_event_set(FAR_ABOVE) < 0);
    CHECK(lti_os_event_clear(FAR_ABOVE) < 0);
    set_close(set);
    CHECK(lti_os_poller_wait(set.poller, ready, 1, 0) < 0);
}

#if LTI_REAL_POLLER != LTI_REAL_EPOLL

TEST(calls_a_wake_up_whose_pipe_fails)
{
    struct set set = set_open();
    CHECK_FAILS("write", 1, EIO, LTI_OS_IO, lti_os_event_set(set.event));
    CHECK(lti_os_event_set(set.event) >= 0);
    CHECK_FAILS("read", 1, EIO, LTI_OS_IO, lti_os_event_clear(set.event));
    CHECK(lti_os_event_clear(set.event) >= 0);
    CHECK_FAILS("pipe", 1, EMFILE, LTI_OS_DESCRIPTORS, lti_os_event_create());
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY, lti_os_event_create());
    for (int nth = 1; nth <= 8; nth++) /* four for each end */
        CHECK_FAILS("fcntl", nth, EPERM, LTI_OS_ACCESS, lti_os_event_create());
    set_close(set);
}

TEST(calls_wake_ups_want_to_be_told_of_forks)
{
    lti_call_fails("pthread_once", 1, EINVAL);
    CHECK_INT(lti_os_kind_of(lti_os_event_create()), LTI_OS_MEMORY);
    lti_call_fails("pthread_atfork", 1, ENOMEM);
    CHECK_INT(lti_os_kind_of(lti_os_event_create()), LTI_OS_MEMORY);
    CHECK_INT(lti_os_kind_of(lti_os_event_create()), LTI_OS_MEMORY);
    CHECK(!lti_call_waits());
}

#endif

#if LTI_REAL_POLLER == LTI_REAL_KQUEUE

TEST(calls_a_queue_that_refuses)
{
    struct set set = set_open();
    CHECK_FAILS("fcntl", 1, EPERM, LTI_OS_ACCESS, lti_os_poller_create());
    CHECK_FAILS("kevent", 1, ENOMEM, LTI_OS_MEMORY,
                lti_os_poller_add(set.poller, set.event, LTI_OS_IN | LTI_OS_OUT, COOKIE));
    CHECK_INT(lti_os_poller_add(set.poller, set.event, LTI_OS_IN, COOKIE), 0);
    CHECK_FAILS("kevent", 1, EBADF, LTI_OS_NOT_SOCKET,
                lti_os_poller_modify(set.poller, set.event, LTI_OS_IN, COOKIE));
    CHECK_FAILS("kevent", 1, EBADF, LTI_OS_NOT_SOCKET, lti_os_poller_remove(set.poller, set.event));
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
    CHECK_INT(lti_os_poller_add(set.poller, fds[0], LTI_OS_IN | LTI_OS_OUT, COOKIE), 0);
    CHECK_INT(lti_os_poller_remove(set.poller, fds[0]), 0);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
    set_close(set);
}

#endif

#if LTI_REAL_POLLER == LTI_REAL_POLL

TEST(calls_a_poller_without_memory_or_news_of_forks)
{
    lti_call_fails("pthread_once", 1, EINVAL);
    CHECK_INT(lti_os_kind_of(lti_os_poller_create()), LTI_OS_MEMORY);
    lti_call_fails("pthread_atfork", 1, ENOMEM);
    CHECK_INT(lti_os_kind_of(lti_os_poller_create()), LTI_OS_MEMORY);
    CHECK_INT(lti_os_kind_of(lti_os_poller_create()), LTI_OS_MEMORY);
    CHECK(!lti_call_waits());
}

TEST(calls_a_table_that_cannot_grow)
{
    struct lti_os_ready ready[1];
    struct set set = set_open();
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY, lti_os_poller_create());
    CHECK_FAILS("pipe", 1, EMFILE, LTI_OS_DESCRIPTORS, lti_os_poller_create());
    CHECK_FAILS("malloc", 1, ENOMEM, LTI_OS_MEMORY,
                lti_os_poller_add(set.poller, set.event, LTI_OS_IN, COOKIE));
    CHECK_INT(lti_os_poller_add(set.poller, set.event, LTI_OS_IN, COOKIE), 0);
    CHECK_INT(lti_os_kind_of(lti_os_poller_add(set.poller, set.event, LTI_OS_IN, COOKIE)),
              LTI_OS_EXISTS);
    CHECK_INT(lti_os_kind_of(lti_os_poller_modify(set.poller, 900, LTI_OS_IN, COOKIE)),
              LTI_OS_NOT_FOUND);
    for (int nth = 1; nth <= 2; nth++)
        CHECK_FAILS("malloc", nth, ENOMEM, LTI_OS_MEMORY,
                    lti_os_poller_wait(set.poller, ready, 1, 0));
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 1, 0), 0);
    set_close(set);
    CHECK_INT(lti_os_kind_of(lti_os_poller_close(set.poller, false)), LTI_OS_NOT_SOCKET);
}

/* ---- What happens while a wait polls --------------------------------------------------------- */

static struct set during;

static int poll_and_register_anew(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int result = poll(fds, count, timeout_ms);
    CHECK_INT(lti_os_poller_modify(during.poller, during.event, LTI_OS_IN, COOKIE + 1), 0);
    return result;
}

/* The answer was for the registration before; the one that took its place gets its own. */
TEST(calls_an_answer_is_for_the_registration_that_asked)
{
    struct lti_os_ready ready[2];
    during = set_open();
    CHECK_INT(lti_os_poller_add(during.poller, during.event, LTI_OS_IN, COOKIE), 0);
    CHECK(lti_os_event_set(during.event) >= 0);
    lti_call_poll(poll_and_register_anew);
    CHECK_INT(lti_os_poller_wait(during.poller, ready, SIZE_MAX, -1), 1);
    CHECK(ready[0].cookie == COOKIE + 1);
    CHECK(!lti_call_waits());
    set_close(during);
}

static int poll_and_forget(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int result = poll(fds, count, timeout_ms);
    CHECK_INT(lti_os_poller_remove(during.poller, during.event), 0);
    return result;
}

/* Nobody hears of a descriptor that is watched no more. */
TEST(calls_an_answer_for_what_is_watched_no_more)
{
    struct lti_os_ready ready[2];
    during = set_open();
    CHECK_INT(lti_os_poller_add(during.poller, during.event, LTI_OS_IN, COOKIE), 0);
    CHECK(lti_os_event_set(during.event) >= 0);
    lti_call_poll(poll_and_forget);
    CHECK_INT(lti_os_poller_wait(during.poller, ready, 2, 1000000), 0);
    CHECK(!lti_call_waits());
    set_close(during);
}

static int register_and_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct lti_os_ready ready[1];
    CHECK_INT(lti_os_poller_modify(during.poller, during.event, LTI_OS_IN, COOKIE), 0);
    /* One wait at a time. */
    CHECK_INT(lti_os_code_of(lti_os_poller_wait(during.poller, ready, 1, 0)).raw, EBUSY);
    return poll(fds, count, timeout_ms);
}

/* A table that changes ends the poll; the wait goes on for what is left of its time, be it none. */
TEST(calls_a_wait_that_is_woken_goes_on)
{
    struct lti_os_ready ready[1];
    during = set_open();
    CHECK_INT(lti_os_poller_add(during.poller, during.event, LTI_OS_IN, COOKIE), 0);
    lti_call_poll(register_and_poll);
    CHECK_INT(lti_os_poller_wait(during.poller, ready, 1, 1), 0);
    CHECK(!lti_call_waits());
    lti_call_poll(register_and_poll);
    CHECK_INT(lti_os_poller_wait(during.poller, ready, 1, 1000000), 0);
    CHECK(!lti_call_waits());
    /* The byte of a wake-up that could not be read stays, and ends the next poll. */
    lti_call_poll(register_and_poll);
    lti_call_fails("read", 1, EINTR);
    CHECK_INT(lti_os_poller_wait(during.poller, ready, 1, 1000000), 0);
    CHECK(!lti_call_waits());
    set_close(during);
}

TEST(calls_urgent_bytes_are_told_once)
{
    struct lti_os_ready ready[1];
    struct set set = set_open();
    int fds[2];
    REQUIRE_INT(lti_os_socketpair(false, fds), 0);
    if (send(fds[1], "!", 1, MSG_OOB) != 1)
        SKIP_NEEDS("a kernel with urgent bytes between local sockets");
    CHECK_INT(lti_os_poller_add(set.poller, fds[0], 0, COOKIE), 0);
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 1, -1), 1);
    CHECK(ready[0].flags & LTI_OS_URGENT);
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 1, 0), 0);
    lti_real_looked(-1); /* no descriptor, and nothing that was told is forgotten */
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 1, 0), 0);
    lti_real_looked(fds[0]);
    CHECK_INT(lti_os_poller_wait(set.poller, ready, 1, -1), 1);
    CHECK_INT(lti_os_close(fds[0]), 0);
    CHECK_INT(lti_os_close(fds[1]), 0);
    set_close(set);
}

#endif
