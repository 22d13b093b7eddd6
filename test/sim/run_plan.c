/* SPDX-License-Identifier: MIT
 *
 * What a seed means: the swarm of settings of one run.
 *
 * Happy path: each setting is drawn on its own, so that every combination comes up sooner or later;
 *             each fault's chance is zero half the time.
 * Fails:      never.
 * Invariants: the plan is a function of the seed alone; limits are such that an honest run can end
 *             well.
 */
#include "run.h"

#include <stdio.h>

uint64_t run_next(struct run_random *random)
{
    uint64_t word = random->state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

uint32_t run_below(struct run_random *random, uint32_t bound)
{
    return (uint32_t)(((run_next(random) >> 32) * bound) >> 32);
}

bool run_chance(struct run_random *random, uint32_t one_in)
{
    return one_in != 0 && run_below(random, one_in) == 0;
}

static uint32_t draw_fault(struct run_random *random)
{
    static const uint32_t chances[8] = {0, 0, 0, 0, 1000, 10000, 10000, 200000};
    return chances[run_below(random, 8)];
}

static void draw_sim(struct run_random *random, uint64_t seed, struct lti_sim_options *sim)
{
    static const uint32_t buffers[8] = {0, 0, 0, 1, 100, 4096, 20000, 65536};
    static const uint32_t grains[4] = {1, 1, 1000000, 4000000};
    struct lti_sim_faults *faults = &sim->faults;
    sim->seed = seed;
    sim->misuse_is_counted = true;
    sim->descriptors_pass = run_chance(random, 2);
    sim->schedule = (enum lti_sim_schedule)run_below(random, 3);
    sim->yield_one_in = 2 + run_below(random, 30);
    sim->buffer_bytes = buffers[run_below(random, 8)];
    sim->clock_grain_ns = grains[run_below(random, 4)];
    faults->short_read = draw_fault(random);
    faults->short_write = draw_fault(random);
    faults->interrupt = draw_fault(random);
    faults->again = draw_fault(random);
    faults->poll_spurious = draw_fault(random);
    faults->poll_duplicate = draw_fault(random);
    faults->poll_empty = draw_fault(random);
    faults->poll_shuffle = draw_fault(random);
    faults->delay = draw_fault(random);
    faults->memory = draw_fault(random) / 4;
    faults->descriptors = draw_fault(random) / 20;
    faults->clock = draw_fault(random) / 20;
#ifdef LTI_NT
    faults->pend = draw_fault(random);
    faults->resources = draw_fault(random) / 20;
    faults->cancel = draw_fault(random);
    faults->linger = draw_fault(random);
#endif
}

static void draw_box(struct run_random *random, size_t least, size_t *high, size_t *low)
{
    static const uint32_t extra[8] = {0, 0, 1, 15, 1000, 4096, 70000, 200000};
    uint32_t more = extra[run_below(random, 8)];
    if (run_chance(random, 2))
        return;
    *high = least + more;
    if (run_chance(random, 2))
        *low = run_below(random, (uint32_t)*high);
}

static void draw_conn(struct run_random *random, enum leat_protocol protocol,
                      struct leat_conn_options *options)
{
    *options = (struct leat_conn_options){.size = sizeof *options, .protocol = protocol};
    size_t least = 1;
    if (protocol == LEAT_MESSAGES) {
        options->frame_bytes_max = 65536 + (run_chance(random, 2) ? 0 : run_below(random, 100000));
        least = options->frame_bytes_max + 8;
        if (run_chance(random, 4))
            options->outbox_messages_max = 1 + run_below(random, 5);
        if (run_chance(random, 4))
            options->keepalive_ms = 50 + run_below(random, 5000);
    }
    draw_box(random, least, &options->inbox_bytes, &options->inbox_low_bytes);
    draw_box(random, least, &options->outbox_bytes, &options->outbox_low_bytes);
    if (run_chance(random, 10))
        options->write_stall_ms = 50 + run_below(random, 1000);
    if (run_chance(random, 10))
        options->partial_frame_ms = 50 + run_below(random, 1000);
    if (run_chance(random, 4))
        options->handshake_ms = 100 + run_below(random, 2000);
}

/* Messages whose boundaries the system keeps, in a third of the runs. */
static void draw_packets(struct run_random *random, struct leat_conn_options *options)
{
    if (!run_chance(random, 3))
        return;
    options->protocol = LEAT_PACKETS;
    options->empty_is_finish = run_chance(random, 2);
}

/* In a third of the runs. */
static void draw_gather(struct run_random *random, struct leat_conn_options *options)
{
    static const uint32_t most[4] = {1, 100, 4000, 65536};
    uint32_t bytes = most[run_below(random, 4)];
    if (!run_chance(random, 3) || options->protocol == LEAT_PACKETS)
        return;
    options->gather_bytes = 1 + run_below(random, bytes);
    if (options->outbox_bytes != 0 && options->gather_bytes > options->outbox_bytes)
        options->gather_bytes = options->outbox_bytes;
}

/* In half of the runs whose outbox is bounded: a stream is, by less. */
static void draw_stream(struct run_random *random, struct leat_conn_options *options)
{
    bool less = run_chance(random, 2);
    if (options->outbox_bytes == 0 || !less)
        return;
    size_t low = options->outbox_low_bytes;
    options->outbox_stream_bytes =
        low + 1 + run_below(random, (uint32_t)(options->outbox_bytes - low));
    if (options->gather_bytes > options->outbox_stream_bytes)
        options->gather_bytes = options->outbox_stream_bytes;
}

static void draw_less(uint32_t *chunk_max, uint32_t buffer_bytes)
{
    if (buffer_bytes != 0 && buffer_bytes < 20000 && *chunk_max > 2 * buffer_bytes + 100)
        *chunk_max = 2 * buffer_bytes + 100;
}

void run_plan_draw(uint64_t seed, struct run_plan *plan_out)
{
    static const uint32_t chunks[6] = {1, 16, 200, 1000, 8000, RUN_CHUNK_MAX};
    struct run_random random = {seed * UINT64_C(0x2545F4914F6CDD1D) + 77};
    *plan_out = (struct run_plan){.clients = 1 + run_below(&random, 8)};
    draw_sim(&random, seed, &plan_out->sim);
    draw_conn(&random, LEAT_BYTES, &plan_out->bytes);
    draw_conn(&random, LEAT_MESSAGES, &plan_out->messages);
    plan_out->conns = 1 + run_below(&random, run_chance(&random, 3) ? RUN_CONNS_MAX : 12);
    plan_out->bytes_one_in = run_below(&random, 4);
    plan_out->chunk_max = chunks[run_below(&random, 6)];
    /* A tiny buffer takes a system call for each of its fillings. */
    draw_less(&plan_out->chunk_max, plan_out->sim.buffer_bytes);
    draw_less(&plan_out->chunk_max, (uint32_t)plan_out->bytes.inbox_bytes);
    draw_less(&plan_out->chunk_max, (uint32_t)plan_out->bytes.outbox_bytes);
    plan_out->turns = 30 + run_below(&random, 300);
    plan_out->hostiles = run_chance(&random, 2) ? 0 : 1 + run_below(&random, 3);
    plan_out->backlog = run_chance(&random, 2) ? 0 : 1 + run_below(&random, 8);
    plan_out->conns_max = run_chance(&random, 4) ? RUN_CONNS_MAX + 8 : 0;
    plan_out->handshakes_max = run_chance(&random, 4) ? 1 + run_below(&random, 4) : 0;
    plan_out->single_thread = run_chance(&random, 2);
    plan_out->helpers = !plan_out->single_thread && run_chance(&random, 2);
    if (run_chance(&random, 4))
        plan_out->memory_bytes_max = (size_t)1000000 * (1 + run_below(&random, 50));
    if (run_chance(&random, 5))
        plan_out->server_dies = 100 + run_below(&random, 3000);
    if (run_chance(&random, 4))
        plan_out->client_dies = 1 + run_below(&random, 1000);
    draw_packets(&random, &plan_out->messages);
    if (run_chance(&random, 4))
        plan_out->spin_us = 1 + run_below(&random, 200);
    draw_gather(&random, &plan_out->bytes);
    draw_gather(&random, &plan_out->messages);
    draw_stream(&random, &plan_out->bytes);
    draw_stream(&random, &plan_out->messages);
}

void run_plan_print(const struct run_plan *plan)
{
    static const char *const names[] = {"bytes", "messages", "packets"};
    const struct lti_sim_faults *faults = &plan->sim.faults;
    (void)printf("clients %u, connections %u (bytes one in %u), hostile %u, turns %u, chunk %u\n",
                 plan->clients, plan->conns, plan->bytes_one_in, plan->hostiles, plan->turns,
                 plan->chunk_max);
    (void)printf("backlog %u, conns_max %u, handshakes_max %u, memory %zu, single_thread %d, "
                 "second threads %d\n",
                 plan->backlog, plan->conns_max, plan->handshakes_max, plan->memory_bytes_max,
                 plan->single_thread, plan->helpers);
    for (int i = 0; i < 2; i++) {
        const struct leat_conn_options *it = i == 0 ? &plan->bytes : &plan->messages;
        (void)printf("%s: inbox %zu (%zu), outbox %zu (%zu, %u), frame %u, stall %u, partial %u, "
                     "handshake %u, keepalive %u, gather %zu\n",
                     names[it->protocol - 1], it->inbox_bytes, it->inbox_low_bytes,
                     it->outbox_bytes, it->outbox_low_bytes, it->outbox_messages_max,
                     it->frame_bytes_max, it->write_stall_ms, it->partial_frame_ms,
                     it->handshake_ms, it->keepalive_ms, it->gather_bytes);
    }
    (void)printf("server dies %u, client dies %u, buffer %u, grain %u, schedule %d, yield %u, "
                 "spin %u\n",
                 plan->server_dies, plan->client_dies, plan->sim.buffer_bytes,
                 plan->sim.clock_grain_ns, (int)plan->sim.schedule, plan->sim.yield_one_in,
                 plan->spin_us);
    (void)printf("faults: read %u write %u interrupt %u again %u spurious %u duplicate %u empty %u "
                 "shuffle %u delay %u memory %u descriptors %u clock %u pend %u resources %u "
                 "cancel %u linger %u\n",
                 faults->short_read, faults->short_write, faults->interrupt, faults->again,
                 faults->poll_spurious, faults->poll_duplicate, faults->poll_empty,
                 faults->poll_shuffle, faults->delay, faults->memory, faults->descriptors,
                 faults->clock, faults->pend, faults->resources, faults->cancel, faults->linger);
}
