/* SPDX-License-Identifier: MIT
 *
 * Close: two ends of a connection, each of which sends, reads, closes with a linger time, with or
 * without a report, or aborts, whenever it likes. Each ends, once; what it reports is true; no
 * memory that the system still holds is freed.
 *
 * Models src/conn_end.c (lti_conn_close, lti_conn_linger_begin, lti_conn_linger,
 * lti_conn_linger_over, limit_reached), src/conn_state.c (the table of legal changes,
 * lti_conn_enter, link_end, outbox_drop, lti_conn_fail, lti_conn_bury), src/conn_write.c
 * (lti_conn_offer, lti_conn_flush, write_begin, lti_conn_write_dead, lti_conn_written),
 * src/conn_read.c (lti_conn_fill, read_and_drop, lti_conn_read_over, stream_end, lti_conn_hangup),
 * src/hub_pump.c (conn_done), src/api_event.c (conn_event: CLOSED, REPORT; retire), src/api_send.c
 * (close_start), leat_abort. Where the code is changed, this is to be changed with it.
 *
 * Variants, by -D:
 *   SOCKETS   the system copies what is written: a pending write only waits for room
 *   PIPES     a pending write's memory is lent, and comes back after it was done or cancelled
 *   FOREVER   no linger time ever passes (else it may, at any moment)
 *
 * The state of an end is LEAT_BYTES; a byte is a unit, of which the system holds CAP, and an outbox
 * BOX. Left out: the handshake, finish by the user, the shares of a listener, want of memory, and
 * leat_close_wait, which waits for the same end as a report does.
 *
 * The errors that test/models/run.sh plants: NO_DROP, CLOSE_BLIND, FREE_LENT, BURY_LENT,
 * COUNT_TWICE.
 */
#if !defined(PIPES) && !defined(SOCKETS)
#define SOCKETS
#endif
#define CAP 1
#define BOX 2
#ifndef SENDS
#define SENDS 1
#endif
#define DROP 2 /* DROP_BYTES_MAX */

#define OPEN 0
#define LINGER 1
#define ENDED 2
#define GONE 3

/* enum leat_error, as far as it comes here */
#define OK 0
#define CLOSED 1
#define BROKEN 2
#define TIMEOUT 3

/* struct lti_conn */
byte state[2], outbox[2], own[2], error[2], write_error[2], undelivered[2], drop_left[2];
bool closing[2], writing[2], readable[2], eof[2], hangup[2], drained[2], finish_done[2], report[2],
    link_draining[2], buried[2];

/* The system: what is in the stream that an end writes, whether it is open, said that no more
 * comes, or was closed over unread bytes; its write that waits (1 waits, 2 has been done, 3 has failed);
 * what its poller has for it. */
byte stream[2], write[2];
bool open[2] = true, fin[2], reset[2], edge_in[2], edge_hangup[2];

/* What is only to be proved by. */
byte accepted[2], taken[2], received[2], doubtful[2];
bool aborted[2], asked[2], told[2], reported[2], late[2];

#define unsent(e) (outbox[e] - own[e])
#define peer(e) (1 - (e))

/* What its end of the link tells the peer. */
inline system_close(e)
{
    open[e] = false;
    edge_in[peer(e)] = true;
    edge_hangup[peer(e)] = true;
#ifdef SOCKETS
    if
    :: stream[peer(e)] > 0 -> reset[peer(e)] = true
    :: else
    fi;
#endif
    stream[peer(e)] = 0
}

/* One unit goes into the stream. */
inline system_take(e)
{
    stream[e]++;
    taken[e]++;
    edge_in[peer(e)] = true;
    late[e] = late[e] || closing[peer(e)]
}

inline bury(e)
{
    assert(state[e] == GONE && !buried[e] && !link_draining[e]);
    /* Everything that was accepted went to the system, or is said to be undelivered; both only what
     * the system had just taken when the write was to be cancelled. */
    assert(accepted[e] + doubtful[e] == taken[e] + undelivered[e]);
    assert(!asked[e] || reported[e]);
    assert(write[e] == 0);
    buried[e] = true
}

/* lti_outbox_clear: the blocks are freed. */
inline outbox_clear(e)
{
#ifdef PIPES
    assert(write[e] == 0);
#endif
    outbox[e] = 0;
    own[e] = 0
}

/* lti_conn_enter, with link_end and outbox_drop. */
inline enter(e, to)
{
    assert((state[e] == OPEN) || (state[e] == LINGER && to == GONE) ||
           (state[e] == ENDED && to == GONE));
    state[e] = to;
    if
    :: to == ENDED || to == GONE ->
        if
        :: open[e] ->
#ifdef PIPES
            link_draining[e] = write[e] != 0;
#else
            write[e] = 0;
#endif
            system_close(e)
        :: else
        fi;
        readable[e] = false;
        eof[e] = true;
        undelivered[e] = undelivered[e] + unsent(e);
#ifndef COUNT_TWICE
        own[e] = outbox[e];
#endif
        if
#ifdef FREE_LENT
        :: true -> outbox_clear(e)
#else
        :: !link_draining[e] -> outbox_clear(e)
        :: else
#endif
        fi
    :: else
    fi;
    if
    :: to == GONE && !link_draining[e] && !report[e] -> bury(e)
    :: else
    fi
}

inline linger_over(e, why)
{
    assert(why != OK || undelivered[e] + unsent(e) == 0);
    if
    :: undelivered[e] + unsent(e) == 0 -> error[e] = OK
    :: else -> error[e] = (why == CLOSED -> BROKEN : why)
    fi;
    enter(e, GONE)
}

/* lti_conn_fail */
inline fail(e, why)
{
    if
    :: state[e] == ENDED || state[e] == GONE
    :: else ->
        if
        :: error[e] == OK -> error[e] = why
        :: else
        fi;
        if
        :: closing[e] -> linger_over(e, why)
        :: else -> enter(e, ENDED)
        fi
    fi
}

/* lti_conn_write_dead */
inline write_dead(e)
{
    write_error[e] = BROKEN;
    writing[e] = false;
    if
    :: closing[e] -> fail(e, BROKEN)
    :: else ->
        undelivered[e] = undelivered[e] + unsent(e);
        outbox_clear(e)
    fi
}

/* write_begin: the outbox's first unit is the system's, when it can take it. */
inline write_begin(e)
{
    if
#ifdef PIPES
    :: !open[peer(e)] -> write_dead(e)
#endif
    :: else -> writing[e] = true; write[e] = 1
    fi
}

/* lti_conn_flush, but for what follows an empty outbox: outbox_empty, in the caller. */
inline flush(e)
{
    do
    :: outbox[e] > 0 && !writing[e] && (state[e] == OPEN || state[e] == LINGER) ->
        if
#ifdef SOCKETS
        :: !open[peer(e)] -> write_dead(e)
        :: open[peer(e)] && stream[e] < CAP -> system_take(e); outbox[e]--
#endif
        :: else -> write_begin(e)
        fi
    :: else -> break
    od
}

/* lti_port_read: 0 a unit, else an error of this file; 255 EMPTY, 254 FINISHED. */
#define EMPTY 255
#define FINISHED 254
inline port_read(e, said)
{
    if
    :: stream[peer(e)] > 0 -> stream[peer(e)]--; said = OK
    :: stream[peer(e)] == 0 && reset[e] -> reset[e] = false; said = BROKEN
    :: stream[peer(e)] == 0 && !reset[e] && (!open[peer(e)] || fin[peer(e)]) -> said = FINISHED
    :: else -> said = EMPTY
    fi
}

/* lti_conn_linger, read_and_drop and lti_conn_fill of an end that the user closed: they call each
 * other, and here they are one loop. `read`: begin with reading. */
inline linger(e, read, said)
{
    do
    :: state[e] == LINGER && read ->
        read = false;
        if
        :: !readable[e] || eof[e] -> skip
        :: else ->
            port_read(e, said);
            if
            :: said == OK -> drop_left[e] = (drop_left[e] > 0 -> drop_left[e] - 1 : 0)
            :: said == EMPTY -> readable[e] = false
            :: said == FINISHED -> readable[e] = false; eof[e] = true
            :: else -> readable[e] = false; hangup[e] = true; fail(e, BROKEN)
            fi
        fi
    :: state[e] == LINGER && !read && outbox[e] == 0 && !writing[e] ->
        if
#ifndef CLOSE_BLIND
        :: !drained[e] && !eof[e] ->
            drained[e] = true;
            readable[e] = true;
            drop_left[e] = DROP;
            read = true
#endif
        :: else ->
            if
            :: !readable[e] || eof[e] || drop_left[e] == 0 -> linger_over(e, OK)
            :: else ->
                if
                :: !finish_done[e] ->
                    finish_done[e] = true;
#ifdef SOCKETS
                    fin[e] = true; /* lti_port_finish; pipes have none */
                    edge_in[peer(e)] = true
#endif
                :: else
                fi
            fi;
            break
        fi
    :: else -> break
    od
}

/* leat_write of one unit: lti_conn_offer. */
inline send(e)
{
    if
    :: outbox[e] == 0 && !writing[e] ->
        if
#ifdef SOCKETS
        :: !open[peer(e)] -> write_dead(e)
        :: open[peer(e)] && stream[e] < CAP -> accepted[e]++; system_take(e)
        :: open[peer(e)] && stream[e] >= CAP -> accepted[e]++; outbox[e]++; write_begin(e)
#else
        :: !open[peer(e)] -> write_error[e] = BROKEN /* nothing was accepted, nothing is owed */
        :: open[peer(e)] -> accepted[e]++; outbox[e]++; write_begin(e)
#endif
        fi
    :: else -> accepted[e]++; outbox[e]++
    fi
}

/* lti_conn_fill for the user, who takes what comes. */
inline fill(e, said)
{
    port_read(e, said);
    if
    :: said == OK -> received[e]++
    :: said == EMPTY -> readable[e] = false
    :: said == FINISHED ->
        readable[e] = false;
        eof[e] = true;
        if
        :: hangup[e] -> fail(e, CLOSED) /* stream_end */
        :: else
        fi
    :: else -> readable[e] = false; hangup[e] = true; fail(e, BROKEN)
    fi
}

/* lti_conn_close, with linger_begin. */
inline close(e, read, said)
{
    closing[e] = true;
    if
    :: state[e] == ENDED ->
        said = (error[e] != OK -> error[e] : CLOSED);
        linger_over(e, said)
    :: else ->
        enter(e, LINGER);
        if
        :: write_error[e] != OK -> said = write_error[e]; linger_over(e, said)
        :: else ->
            flush(e);
            read = false;
            linger(e, read, said)
        fi
    fi
}

/* conn_done: what the port has for this end. */
inline done(e, read, said)
{
    if
    :: write[e] >= 2 && link_draining[e] ->
        doubtful[e] = (write[e] == 2 -> 1 : 0);
        write[e] = 0;
        link_draining[e] = false;
        if
        :: state[e] == GONE ->
            outbox[e] = 0; /* lti_conn_free */
            own[e] = 0;
            if
            :: !report[e] -> bury(e)
            :: else
            fi
        :: else
        fi
    :: write[e] >= 2 && !link_draining[e] ->
        said = write[e];
        write[e] = 0;
        writing[e] = false;
#ifdef PIPES
        if
        :: said == 2 -> outbox[e]--
        :: else -> write_dead(e)
        fi;
#endif
        flush(e);
        read = false;
        linger(e, read, said)
    :: else ->
        if
        :: edge_in[e] -> edge_in[e] = false; readable[e] = !eof[e]
        :: else
        fi;
        if
        :: edge_hangup[e] ->
            edge_hangup[e] = false;
            hangup[e] = true;
            readable[e] = !eof[e];
            if
            :: eof[e] && state[e] == OPEN -> fail(e, CLOSED)
            :: else
            fi
        :: else
        fi
    fi
}

#define live(e) (state[e] == OPEN || state[e] == LINGER)

/* One end: its user and its hub. Each step is one stretch with the lock held. Who closes may do so
 * at any time; end 1 may also read on until it is told that it is over. */
proctype end(byte e; bool closes)
{
    byte sends = SENDS, said;
    bool read;
    do
    :: atomic { !buried[e] && state[e] == OPEN && !closing[e] && sends > 0 && outbox[e] < BOX &&
                write_error[e] == OK -> sends--; send(e) }
    :: atomic { !buried[e] && state[e] == OPEN && readable[e] && !eof[e] -> fill(e, said) }
    :: atomic { !buried[e] && (write[e] >= 2 || (live(e) && (edge_in[e] || edge_hangup[e]))) ->
                done(e, read, said) }
#ifndef NO_DROP
    :: atomic { !buried[e] && state[e] == LINGER && readable[e] && !eof[e] ->
                read = true; linger(e, read, said) }
#endif
    :: atomic { closes && !closing[e] && state[e] <= ENDED && !told[e] -> close(e, read, said) }
    :: atomic { closes && !closing[e] && state[e] <= ENDED && !told[e] ->
                asked[e] = true; report[e] = true; close(e, read, said) }
    :: atomic { closes && !closing[e] && state[e] <= ENDED && !told[e] ->
                closing[e] = true; aborted[e] = true; enter(e, GONE) }
#ifndef FOREVER
    :: atomic { state[e] == LINGER -> linger_over(e, TIMEOUT) }
#endif
    :: atomic { !closing[e] && state[e] == ENDED && !told[e] ->
                told[e] = true;
                /* The end of who read on: the peer went in good order, and all came. */
                assert(!(error[e] == CLOSED && closing[peer(e)] && !aborted[peer(e)] &&
                         state[peer(e)] == GONE && error[peer(e)] == OK) ||
                       received[e] == accepted[peer(e)]);
                /* A close in good order looks like one, but to who still sent. */
                assert(error[e] != BROKEN || late[e] || aborted[peer(e)] ||
                       error[peer(e)] != OK || told[peer(e)]) }
    :: atomic { told[e] && !closing[e] -> closing[e] = true; enter(e, GONE) /* retire */ }
    :: atomic { !buried[e] && state[e] == GONE && report[e] ->
                assert(!reported[e]);
                assert((error[e] == OK) == (undelivered[e] == 0));
                assert(error[e] != OK || taken[e] == accepted[e]);
                reported[e] = true;
                report[e] = false;
                if
#ifdef BURY_LENT
                :: true -> bury(e)
#else
                :: !link_draining[e] -> bury(e)
                :: else
#endif
                fi }
    :: buried[e] -> break
    od
}

/* The system does what waits. */
proctype system(byte e)
{
    do
    :: atomic { write[e] == 1 && open[e] && open[peer(e)] && stream[e] < CAP ->
                write[e] = 2;
#ifdef PIPES
                system_take(e)
#endif
              }
    :: atomic { write[e] == 1 && !open[peer(e)] -> write[e] = 3 }
    :: atomic { write[e] == 1 && !open[e] -> write[e] = 3 } /* cancelled */
    :: buried[e] -> break
    od
}

init
{
    atomic {
        run system(0);
        run system(1);
        run end(0, true);
        if
        :: run end(1, true)
        :: run end(1, false)
        fi
    }
}

/* Whatever is done when, both ends end, and nothing is left of them. */
ltl ends { <> (buried[0] && buried[1]) }
