/* SPDX-License-Identifier: MIT
 *
 * The accepted side learns which connection it has: the first eight bytes, or the first message,
 * say so.
 *
 * Happy path: the key in the header is that of a connection that was dialled; the stranger becomes
 *             end 1 of it.
 * Fails:      who sends anything else is hostile, and is aborted.
 * Invariants: a connection is known once; what comes behind the header belongs to the history.
 */
#include "run.h"

#include <string.h>

static void stranger_is(struct run_end *stranger, uint32_t index)
{
    struct run_end *end = &run_state.ends[index][1];
    struct run_random *random = &stranger->process->random;
    if (end->process) {
        run_fail("conn %u was accepted twice", index);
        return;
    }
    *end = *stranger;
    *stranger = (struct run_end){.process = NULL};
    end->index = index;
    end->side = 1;
    end->connected = true;
    end->quota = run_state.ends[index][0].quota / (1 + run_below(random, 3));
    end->ending = (enum run_ending)run_below(random, RUN_ENDINGS);
    if (leat_set_tag(end->process->hub, end->conn, index) != LEAT_OK)
        run_fail("set_tag of conn %u failed", index);
}

static void stranger_judge(struct run_end *end)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < RUN_HEADER_BYTES; i++)
        word |= (uint64_t)end->header[i] << (8 * i);
    for (uint32_t i = 0; i < RUN_CONNS_MAX; i++) {
        struct run_end *dialled = &run_state.ends[i][0];
        if (dialled->process && dialled->messages == end->messages && run_key(i) == word) {
            stranger_is(end, i);
            return;
        }
    }
    run_end_close(end, RUN_ABORT);
    *end = (struct run_end){.process = NULL};
}

void run_stranger_read(struct run_end *end)
{
    struct run_process *process = end->process;
    size_t size = 0;
    enum leat_error error;
    if (end->messages) {
        error = leat_receive(process->hub, end->conn, process->buffer, RUN_CHUNK_MAX, &size);
        if (error == LEAT_E_TOO_BIG || (error == LEAT_OK && size != RUN_HEADER_BYTES)) {
            run_end_close(end, RUN_ABORT);
            *end = (struct run_end){.process = NULL};
            return;
        }
        if (error == LEAT_OK)
            memcpy(end->header, process->buffer, RUN_HEADER_BYTES);
    } else {
        error = leat_read(process->hub, end->conn, end->header + end->header_done,
                          RUN_HEADER_BYTES - end->header_done, &size);
    }
    if (error != LEAT_OK)
        return;
    end->header_done += (uint32_t)size;
    if (end->header_done == RUN_HEADER_BYTES)
        stranger_judge(end);
}
