/* SPDX-License-Identifier: MIT
 *
 * Wake-up: who sleeps in a hub is woken by leat_wake, by another thread's change and by the system,
 * each time and not for ever.
 *
 * Models src/api_event.c (leat_wake, next_event, leat_hub_deadline), src/core_base.h
 * (lti_hub_take_wake), src/hub.c (lti_hub_leave_told), src/hub_pump.c (lti_hub_pump, patience, port_ask,
 * lti_hub_wait_leave), src/wait.c (lti_conn_wait, wait_turn), src/port_posix.c (lti_port_wait,
 * lti_port_wake). Where the code is changed, this is to be changed with it.
 *
 * One variant each, by -D:
 *   NEXT     a thread calls leat_next(LEAT_FOREVER) for ever; others wake and change
 *   FOREIGN  a foreign loop polls leat_hub_waitable; another thread waits for a connection
 *            meanwhile
 *   WAIT     a thread waits for a connection without a limit; others wake and change
 *
 * Left out: deadlines and timers (their part, lti_hub_due, is a change like any other), the rounds
 * of the ready list beyond two endpoints, errors of the system. What the lock protects is one step;
 * each access to `woken` and to the event is a step of its own, because these have no lock.
 *
 * The errors that test/models/run.sh plants: EVENT_FIRST, WAITING_LATE, EVENT_KEPT, LEAVE_SILENT,
 * ALWAYS_TAKEN.
 */
#if !defined(NEXT) && !defined(FOREIGN) && !defined(WAIT)
#define NEXT
#endif
#ifdef NEXT
#define WAKERS 2
#else
#define WAKERS 1
#endif
#ifdef WAIT
#define CHANGES 2
#else
#define CHANGES 1
#endif
#ifndef WAKES
#define WAKES 2
#endif
#define NEWS 1
#define READY_MAX 2
#define LOOP 1 /* the thread of the loop; the others */
#define OTHER 2
#define CHANGER 3

/* struct leat_hub */
bool locked;
bool woken, woken_last, waiter, waiting, foreign, changed;
byte ready, round_left, loop_thread;

/* The kernel's: the eventfd's counter, and what the poller's list of edges has. */
bool counter, event_edge, socket_edge;

/* What is only to be proved by. */
bool asleep;       /* the loop's thread is in the kernel, without a limit */
bool mine;         /* what the thread that waits for a connection waits for */
bool time_over;    /* of the wait that is timed */
bool in_port;      /* somebody is inside the pump's unlocked part */
bool woken_before; /* a wake was told, and nothing since */
byte wanting;      /* threads that want the lock */

inline lock()
{
#ifdef FOREIGN
    wanting++;
    atomic { !locked -> locked = true; wanting-- }
#else
    atomic { !locked -> locked = true }
#endif
}

/* lti_os_event_set: a write to the eventfd is an edge, whether or not it was read before. */
inline event_set()
{
    atomic { counter = true; event_edge = true }
}

/* leat_wake: the flag first, the event only if nobody else is at it. */
inline leat_wake(before)
{
#ifdef EVENT_FIRST
    before = woken;
    if
    :: !before -> event_set()
    :: else
    fi;
    woken = true
#else
    atomic { before = woken; woken = true };
    if
    :: !before -> event_set()
    :: else
    fi
#endif
}

/* lti_hub_leave: whoever changed something wakes who sleeps. Within an atomic step of the caller,
 * which ends with the lock; hub_wake is what comes after. */
inline hub_leave(me, wake)
{
    wake = changed && (waiting || (foreign && !waiter && me != loop_thread));
    changed = false;
    locked = false
}

inline hub_wake(wake)
{
    if
    :: wake -> event_set(); wake = false
    :: else
    fi
}

/* lti_hub_take_wake. Its look and its exchange are one step, for nobody else takes a wake away. */
inline take_wake(asked, got)
{
#ifdef ALWAYS_TAKEN
    got = woken;
#else
    got = woken && (!woken_last || asked);
#endif
    if
    :: got -> woken_last = true; woken = false
    :: else
    fi
}

/* lti_hub_pump with patience, port_ask and lti_port_wait. `block`: there is no deadline; `timed`:
 * there is one, which may pass at any time. */
inline pump(me, block, timed, event_seen, news_seen)
{
    atomic {
        changed = false;
        block = block && !woken;
        if
        :: block ->
#ifdef WAITING_LATE
            locked = false
#else
            waiting = true;
            locked = false
#endif
        :: else
        fi
    };
    if
    :: block ->
#ifdef WAITING_LATE
        waiting = true;
#endif
        atomic { assert(!in_port); in_port = true; asleep = (me == LOOP) };
        /* The poller's list of edges is emptied; an edge of a counter that is 0 is none. */
end_asleep:
        atomic {
            if
            :: (event_edge && counter) || socket_edge ->
                event_seen = event_edge && counter;
                news_seen = socket_edge;
                event_edge = false;
                socket_edge = false
            :: timed -> time_over = true
            fi;
            if
            :: me == LOOP -> asleep = false
            :: else
            fi;
            in_port = false
        }
    :: else ->
        atomic {
            event_seen = event_edge && counter;
            news_seen = socket_edge;
            event_edge = false;
            socket_edge = false
        }
    fi;
    if
#ifdef EVENT_KEPT
    :: event_seen -> event_edge = true
#else
    :: event_seen -> counter = false /* lti_os_event_clear */
#endif
    :: else
    fi;
    if
    :: block -> lock(); waiting = false
    :: else
    fi;
    atomic {
        if
        :: news_seen -> ready++; changed = true; assert(ready <= READY_MAX)
        :: else
        fi;
        event_seen = false;
        news_seen = false
    }
}

/* leat_next and next_event, entered with the lock as the waiter. The ready list's head may have
 * nothing to say when it is asked. */
#define NOTHING 0
#define TIMEOUT 1
#define WOKEN 2
#define EVENT 3
inline next_event(me, forever, told, got, turned, block, event_seen, news_seen)
{
    turned = false;
    told = NOTHING;
    do
    :: told == NOTHING ->
        atomic {
            take_wake(false, got);
            if
            :: got -> told = WOKEN; assert(!woken_before)
            :: else
            fi;
            do
            :: told == NOTHING && ready > 0 && round_left > 0 ->
                ready--;
                round_left--;
                if
                :: told = EVENT; woken_last = false
                :: true /* what it had to say is so no more */
                fi
            :: else -> break
            od
        };
        atomic {
            if
            :: told == NOTHING ->
                take_wake(turned, got);
                if
                :: got ->
                    /* Who is woken all the time hears of the rest: all that was ready was asked. */
                    told = WOKEN;
                    assert(!woken_before || (turned && (ready == 0 || round_left == 0)))
                :: !got && turned && ready == 0 && !forever -> told = TIMEOUT
                :: else
                fi
            :: else
            fi;
            block = told == NOTHING && forever && ready == 0
        };
        if
        :: told == NOTHING ->
            pump(me, block, false, event_seen, news_seen);
            atomic { round_left = ready; turned = true }
        :: else
        fi
    :: else -> break
    od;
    atomic {
        woken_before = told == WOKEN || (told == TIMEOUT && woken_before);
        got = false;
        turned = false;
        block = false
    }
}

/* lti_hub_wait_leave */
inline wait_leave(me, wake)
{
    atomic {
        waiter = false;
#ifdef LEAVE_SILENT
        changed = false;
#else
        changed = foreign;
#endif
        hub_leave(me, wake)
    };
    hub_wake(wake)
}

/* lti_conn_wait: waits for `mine`, not for what is on the ready list. */
inline conn_wait(me, timed, done, got, turned, block, wake, event_seen, news_seen)
{
    lock();
    if
    :: waiter -> atomic { hub_leave(me, wake) }; hub_wake(wake) /* BUSY */
    :: else ->
        waiter = true;
        turned = false;
        done = false;
        do
        :: !done ->
            atomic {
                if
                :: mine -> mine = false; woken_last = false; woken_before = false; done = true
                :: else ->
                    take_wake(turned, got);
                    if
                    :: got -> woken_before = true; done = true
                    :: !got && turned && time_over -> done = true
                    :: !got && !(turned && time_over)
                    fi
                fi;
                block = true
            };
            if
            :: !done -> turned = true; pump(me, block, timed, event_seen, news_seen)
            :: else
            fi
        :: else -> break
        od;
        wait_leave(me, wake);
        atomic { done = false; got = false; turned = false; block = false }
    fi
}

/* Calls leat_wake a few times. */
proctype waker()
{
    bool before;
    byte left = WAKES;
    do
    :: left > 0 -> left--; leat_wake(before)
    :: else -> break
    od
}

/* Makes calls that leave something ready, or what the conn's waiter waits for. */
proctype changer()
{
    bool wake;
    byte left = CHANGES;
    do
    :: left > 0 ->
        left--;
        lock();
        atomic {
            changed = true;
#ifdef WAIT
            mine = true;
#else
            ready++;
            assert(ready <= READY_MAX);
#endif
            hub_leave(CHANGER, wake)
        };
        hub_wake(wake)
    :: else -> break
    od
}

/* Bytes of peers come. */
proctype system()
{
    byte left = NEWS;
    do
    :: left > 0 && !socket_edge -> left--; socket_edge = true
    :: left == 0 -> break
    od
}

#ifdef NEXT
active proctype loop()
{
    bool got, turned, block, wake, event_seen, news_seen;
    byte told;
    do
    :: true ->
        lock();
        atomic { assert(!waiter); waiter = true };
        next_event(LOOP, true, told, got, turned, block, event_seen, news_seen);
        told = NOTHING;
        wait_leave(LOOP, wake)
    od
}
#endif

#ifdef FOREIGN
active proctype loop()
{
    bool got, turned, block, wake, event_seen, news_seen;
    byte told;
    do
    :: true ->
        /* leat_hub_deadline */
        lock();
        atomic {
            block = ready == 0 && !woken;
            loop_thread = LOOP;
            changed = false;
            hub_leave(LOOP, wake)
        };
        hub_wake(wake);
        if
        :: block ->
            asleep = true;
end_poll:
            /* poll on the poller's descriptor takes nothing from it. */
            atomic { ((event_edge && counter) || socket_edge); asleep = false }
        :: else
        fi;
        told = EVENT;
        do
        :: told != TIMEOUT ->
            lock();
            if
            :: waiter -> /* BUSY: it comes again, and a mutex lets others in between */
                told = TIMEOUT;
                atomic { hub_leave(LOOP, wake) };
                hub_wake(wake);
                wanting == 0
            :: else ->
                waiter = true;
                loop_thread = LOOP;
                next_event(LOOP, false, told, got, turned, block, event_seen, news_seen);
                wait_leave(LOOP, wake)
            fi
        :: else -> break
        od;
        told = NOTHING
    od
}

active proctype other()
{
    bool done, got, turned, block, wake, event_seen, news_seen;
    conn_wait(OTHER, true, done, got, turned, block, wake, event_seen, news_seen)
}
#endif

#ifdef WAIT
active proctype loop()
{
    bool done, got, turned, block, wake, event_seen, news_seen;
    do
    :: true -> conn_wait(LOOP, false, done, got, turned, block, wake, event_seen, news_seen)
    od
}
#endif

init
{
    byte i = 0;
    atomic {
#ifdef FOREIGN
        foreign = true;
        loop_thread = LOOP;
#endif
        do
        :: i < WAKERS -> i++; run waker()
        :: else -> break
        od;
        run changer();
        run system()
    }
}

/* No wake-up is lost. */
ltl told { [] (woken -> <> !woken) }
/* What others have made ready is heard, and what is waited for is seen. */
#ifdef WAIT
ltl heard { [] (mine -> <> !mine) }
#else
ltl heard { [] (ready > 0 -> <> (ready == 0)) }
#endif
/* No wake-up goes on for ever: when nobody does anything any more, the loop sleeps. */
ltl quiet { <> [] asleep }
