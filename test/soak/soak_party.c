/* SPDX-License-Identifier: MIT
 *
 * What all processes of a soak do with their connections: dial, accept, send, receive, end.
 *
 * Happy path: who dials says which place the tale is told in; then both ends send and receive what
 *             the place says, and end in the way it says.
 * Fails:      a call that fails otherwise than leat.h says ends the test.
 * Invariants: an end is over when its last event or its report came, or it was aborted; a
 *             connection whose hello is of a former use of its place is dropped.
 */
#include "soak.h"

#include "core.h"
#include "os_fault.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define PIECE_BYTES 4096u
#define LARGE_EVERY 16u /* so many connections have one with large messages */

static const struct leat_conn_options conn_options[2] = {
    {.size = sizeof(struct leat_conn_options), .protocol = LEAT_BYTES},
    {.size = sizeof(struct leat_conn_options), .protocol = LEAT_MESSAGES},
};

void soak_party_begin(struct soak_party *party, struct soak *soak, enum soak_process process)
{
    memset(party, 0, sizeof *party);
    party->soak = soak;
    party->process = process;
    const struct leat_hub_options options = {.size = sizeof options,
                                             .single_thread = process == SOAK_PINGER};
    REQUIRE_ERROR(leat_hub_create(&options, &party->hub), LEAT_OK);
    /* What counts begins just below where it, or the half of it that somebody might have cut off,
     * comes round: in the first part of the day all of these do. */
    party->hub->conns.generation_first = LTI_GENERATION_MAX - soak->generations + 1;
    party->hub->listeners.generation_first = LTI_GENERATION_MAX - soak->generations + 1;
    party->hub->timers.generation_first = LTI_GENERATION_MAX - soak->generations + 1;
    party->hub->deadlines.order = UINT32_MAX - 1000u;
    party->hub->waits = UINT32_MAX - 1000u;
}

leat_listener soak_party_listen(struct soak_party *party, const char *name, bool messages)
{
    const struct leat_listen_options options = {.size = sizeof options,
                                                .backlog = 256,
                                                .conns_max = SOAK_PEERS,
                                                .handshakes_max = SOAK_PEERS,
                                                .conn = &conn_options[messages]};
    leat_listener listener;
    REQUIRE_ERROR(leat_listen(party->hub, name, &options, &listener), LEAT_OK);
    lti_hub_listener(party->hub, listener)->accepted = UINT32_MAX - 1000u;
    party->listeners[party->listener_count++] = listener;
    return listener;
}

void soak_party_end(struct soak_party *party)
{
    REQUIRE_ERROR(leat_hub_destroy(party->hub), LEAT_OK);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static struct soak_peer *peer_new(struct soak_party *party)
{
    for (uint32_t i = 0; i < SOAK_PEERS; i++) {
        struct soak_peer *peer = &party->peers[i];
        if (peer->used)
            continue;
        *peer = (struct soak_peer){.used = true, .end = {.hub = party->hub}};
        peer->end.teller = (uint32_t)party->process;
        party->live++;
        return peer;
    }
    REQUIRE(false);
    return NULL;
}

static void peer_over(struct soak_party *party, struct soak_peer *peer)
{
    if (peer->place != NULL && peer->end.end == 0 && peer->place->victim)
        soak_place_void(peer->place); /* the victim may have been killed before it accepted */
    if (peer->place != NULL)
        soak_place_over(peer->place, peer->end.end);
    peer->used = false;
    party->live--;
    party->done++;
}

/* Without a tale, or without one any more. */
static void peer_drop(struct soak_party *party, struct soak_peer *peer)
{
    REQUIRE_ERROR(leat_abort(party->hub, peer->end.conn), LEAT_OK);
    peer_over(party, peer);
}

static void peer_placed(struct soak_peer *peer, struct stress_tale *place, uint32_t number)
{
    peer->place = place;
    peer->way = place->way;
    peer->greeted = true;
    peer->end.tale = place;
    peer->end.number = number;
    peer->end.messages = place->messages;
    peer->end.to_send = place->to_send;
    /* Sizes need not be told to the other end: the bytes alone say what is right. */
    peer->end.random = (struct prng){((uint64_t)number << 1) + peer->end.end};
    peer->end.piece_max = place->messages && number % LARGE_EVERY != 0 ? 120 : PIECE_BYTES;
}

bool soak_party_dial(struct soak_party *party, const char *name, uint32_t number_in_storm,
                     bool victim)
{
    struct stress_tale *place = soak_place_take(party->soak, party->process);
    if (place == NULL)
        return false;
    place->way = number_in_storm % SOAK_WAYS;
    place->messages = number_in_storm / SOAK_WAYS % 4 != 3;
    place->to_send = place->messages ? SOAK_SIDE_MESSAGES : SOAK_SIDE_BYTES;
    place->victim = victim || party->process == SOAK_VICTIM;
    struct soak_peer *peer = peer_new(party);
    peer_placed(peer, place, atomic_load(&place->number));
    const struct leat_connect_options options = {.size = sizeof options,
                                                 .tag = (uint64_t)(peer - party->peers) + 1,
                                                 .timeout_ms = SOAK_SOON_MS,
                                                 .absent = LEAT_ABSENT_WAIT,
                                                 .conn = &conn_options[place->messages]};
    char full[64];
    (void)snprintf(full, sizeof full, "%s-%s", name, place->messages ? "messages" : "bytes");
    REQUIRE_ERROR(leat_connect(party->hub, full, &options, &peer->end.conn), LEAT_OK);
    return true;
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static void peer_connected(struct soak_party *party, struct soak_peer *peer)
{
    const struct soak_hello hello = {.place = (uint32_t)(peer->place - party->soak->places),
                                     .number = peer->end.number,
                                     .way = peer->way,
                                     .to_send = peer->place->to_send};
    size_t size = sizeof hello;
    enum leat_error error =
        peer->end.messages ? leat_send(party->hub, peer->end.conn, &hello, sizeof hello)
                           : leat_write(party->hub, peer->end.conn, &hello, sizeof hello, &size);
    if (error == LEAT_E_BROKEN || error == LEAT_E_CLOSED)
        return; /* the victim is gone: CLOSED tells */
    REQUIRE_ERROR(error, LEAT_OK);
    REQUIRE_INT(size, sizeof hello);
    stress_pour(&peer->end);
}

static void peer_accepted(struct soak_party *party, const struct leat_event *event)
{
    struct soak_peer *peer = peer_new(party);
    struct leat_conn_info info = {.size = sizeof info};
    peer->end.conn = event->conn;
    peer->end.end = 1;
    REQUIRE_ERROR(leat_conn_info_get(party->hub, event->conn, &info), LEAT_OK);
    peer->end.messages = info.protocol == LEAT_MESSAGES;
    REQUIRE_ERROR(leat_set_tag(party->hub, event->conn, (uint64_t)(peer - party->peers) + 1),
                  LEAT_OK);
}

/* True when the hello was there. */
static bool hello_read(struct soak_party *party, const struct soak_peer *peer,
                       struct soak_hello *hello)
{
    size_t size = 0;
    if (peer->end.messages) {
        enum leat_error error =
            leat_receive(party->hub, peer->end.conn, hello, sizeof *hello, &size);
        return error == LEAT_OK && CHECK_INT(size, sizeof *hello);
    }
    const void *bytes = NULL;
    if (leat_peek(party->hub, peer->end.conn, &bytes, &size) != LEAT_OK || size < sizeof *hello)
        return false;
    memcpy(hello, bytes, sizeof *hello);
    REQUIRE_ERROR(leat_consume(party->hub, peer->end.conn, sizeof *hello), LEAT_OK);
    return true;
}

/* False when there is no tale to go on with. */
static bool peer_greet(struct soak_party *party, struct soak_peer *peer)
{
    struct soak_hello hello;
    if (!hello_read(party, peer, &hello))
        return false;
    if (hello.way == SOAK_PING) {
        peer->way = SOAK_PING;
        peer->greeted = true;
        return false;
    }
    if (!soak_place_accept(party->soak, &hello, (uint32_t)party->process)) {
        peer_drop(party, peer); /* a victim's: it was killed meanwhile */
        return false;
    }
    peer_placed(peer, &party->soak->places[hello.place], hello.number);
    stress_pour(&peer->end);
    return true;
}

/* ---- Going on and ending --------------------------------------------------------------------- */

static void peer_close(struct soak_party *party, struct soak_peer *peer)
{
    stress_close_report(&peer->end, SOAK_SOON_MS, (uint64_t)(peer - party->peers) + 1);
    peer->reporting = true;
}

static void peer_finish(struct soak_party *party, struct soak_peer *peer)
{
    peer->finish_said = true;
    stress_tell(peer->place, 0, 0, peer->end.end, LTI_HISTORY_FINISH, 0, 0, 0);
    enum leat_error error = leat_finish(party->hub, peer->end.conn);
    REQUIRE(error == LEAT_OK || error == LEAT_E_BROKEN || error == LEAT_E_CLOSED);
}

/* What its way says, when it is time. */
static void peer_on(struct soak_party *party, struct soak_peer *peer)
{
    struct stress_end *end = &peer->end;
    bool sent = end->sent == end->to_send, whole = sent && end->received == end->to_send;
    uint32_t closer = peer->way == SOAK_ACCEPTOR ? 1 : 0;
    if (end->over)
        return;
    if (peer->way == SOAK_ABORT && end->end == 0 && end->received >= end->to_send / 2) {
        stress_abort(end);
        peer_over(party, peer);
        return;
    }
    if (peer->way == SOAK_FINISH) {
        if (sent && !peer->finish_said)
            peer_finish(party, peer);
        return;
    }
    if (end->finished || (whole && peer->way != SOAK_ABORT && end->end == closer))
        peer_close(party, peer);
}

static void ping_echo(struct soak_party *party, struct soak_peer *peer)
{
    uint8_t buffer[256];
    size_t size = 0;
    while (leat_receive(party->hub, peer->end.conn, buffer, sizeof buffer, &size) == LEAT_OK)
        REQUIRE_ERROR(leat_send(party->hub, peer->end.conn, buffer, size), LEAT_OK);
}

/* An accepted end that did not say yet which it is, or the pinger's. */
static void stranger_event(struct soak_party *party, struct soak_peer *peer,
                           const struct leat_event *event)
{
    if (event->type == LEAT_EVENT_CLOSED) {
        peer_over(party, peer);
        return;
    }
    if (event->type == LEAT_EVENT_FINISHED) {
        peer_drop(party, peer);
        return;
    }
    if (event->type != LEAT_EVENT_READABLE)
        return;
    if (!peer->greeted && peer_greet(party, peer)) {
        stress_drink(&peer->end, UINT32_MAX);
        peer_on(party, peer);
    } else if (peer->used && peer->way == SOAK_PING) {
        ping_echo(party, peer);
    }
}

static void party_event(struct soak_party *party, const struct leat_event *event)
{
    if (event->type == LEAT_EVENT_ACCEPTED) {
        peer_accepted(party, event);
        return;
    }
    if (event->tag == 0 || event->tag > SOAK_PEERS || event->type == LEAT_EVENT_TIMER)
        return;
    struct soak_peer *peer = &party->peers[event->tag - 1];
    REQUIRE(peer->used);
    if (event->type == LEAT_EVENT_CLOSE_REPORT) {
        REQUIRE(peer->reporting);
        stress_reported(&peer->end, event->error, event->bytes_undelivered);
        peer_over(party, peer);
        return;
    }
    if (peer->place == NULL) {
        stranger_event(party, peer, event);
        return;
    }
    if (event->type == LEAT_EVENT_CONNECTED)
        peer_connected(party, peer);
    else
        stress_event(&peer->end, event);
    if (event->type == LEAT_EVENT_CLOSED) {
        peer_over(party, peer);
        return;
    }
    peer_on(party, peer);
}

void soak_party_abort(struct soak_party *party, bool victims_only)
{
    for (uint32_t i = 0; i < SOAK_PEERS; i++) {
        struct soak_peer *peer = &party->peers[i];
        if (!peer->used || peer->place == NULL || peer->reporting ||
            (victims_only && !peer->place->victim))
            continue;
        stress_abort(&peer->end);
        peer_over(party, peer);
    }
}

uint32_t soak_party_dialled(const struct soak_party *party, bool victims)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SOAK_PEERS; i++) {
        const struct soak_peer *peer = &party->peers[i];
        count += peer->used && peer->end.end == 0 && peer->place != NULL &&
                 peer->place->victim == victims;
    }
    return count;
}

/* What the pool keeps for the next one is not in use. */
static uint64_t pool_kept(const struct lti_pool *pool)
{
    return pool->free_count[0] * (uint64_t)LTI_BLOCK_SMALL +
           pool->free_count[1] * (uint64_t)LTI_BLOCK_LARGE;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

/* Blocks that the pool keeps go when the limit says no; then what the C library keeps. */
static void party_trim(struct soak_party *party)
{
    REQUIRE(lti_pool_alloc(&party->hub->pool, SIZE_MAX) == NULL);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void soak_party_tell(struct soak_party *party)
{
    struct soak_own *own = &party->soak->own[party->process];
    const struct lti_pool *pool = &party->hub->pool;
    struct leat_hub_info info = {.size = sizeof info};
    uint32_t ask = atomic_load(&party->soak->ask);
    if (atomic_load(&own->told) == ask)
        return;
    if (atomic_load(&party->soak->trim))
        party_trim(party);
    REQUIRE_ERROR(leat_hub_info_get(party->hub, &info), LEAT_OK);
    own->hub_bytes = info.memory_bytes - pool_kept(pool);
    own->conns = info.conns;
    own->waits = info.waits;
    own->allocations =
        (uint64_t)lti_test_allocations_live() - pool->free_count[0] - pool->free_count[1];
    own->descriptors = (uint64_t)lti_test_descriptors_live();
    own->slots_used = party->hub->conns.used;
    own->slots_live = party->hub->conns.count;
    own->order = party->hub->deadlines.order;
    own->accepted = 0;
    for (uint32_t i = 0; i < party->listener_count; i++) {
        struct leat_listener_info listener = {.size = sizeof listener};
        REQUIRE_ERROR(leat_listener_info_get(party->hub, party->listeners[i], &listener), LEAT_OK);
        own->accepted += listener.accepted;
    }
    atomic_store(&own->told, ask);
}

static void party_generations(struct soak_party *party)
{
    party->hub->conns.generation_first = 1;
    party->hub->listeners.generation_first = 1;
    party->hub->timers.generation_first = 1;
}

bool soak_party_turn(struct soak_party *party, uint32_t timeout_ms, struct leat_event *event_out)
{
    soak_party_tell(party);
    if (party->done == SOAK_STORM) /* slots that come later have all their generations */
        party_generations(party);
    enum leat_error error = leat_next(party->hub, event_out, timeout_ms);
    if (error == LEAT_E_TIMEOUT)
        return false;
    REQUIRE_ERROR(error, LEAT_OK);
    party_event(party, event_out);
    return true;
}
