/* SPDX-License-Identifier: MIT
 *
 * Named pipes below the runner: what a raw peer does.
 *
 * Happy path: each read and write has a block of its own, which is used once in a run: its peer may
 *             leave it pending for ever.
 * Fails:      raw calls may fail as they like.
 * Invariants: nothing here goes through the library. The blocks are never freed, because the system
 *             may own them when the handle is long closed.
 */
#include "run.h"

#include <string.h>

#define HOSTILE_BYTES 256u
#define HOSTILE_BLOCKS 512u

struct hostile_block {
    struct lti_os_op op;
    uint8_t bytes[HOSTILE_BYTES];
};

static struct hostile_block hostile_blocks[HOSTILE_BLOCKS];
static uint32_t hostile_used;

void run_names_begin(void)
{
    hostile_used = 0;
    memset(hostile_blocks, 0, sizeof hostile_blocks);
}

void run_names_judge(void)
{
    if (lti_sim_files() != 0)
        run_fail("%u files were made", lti_sim_files());
}

int64_t run_hostile_connect(bool messages)
{
    static const char *const names[2][2] = RUN_NAMES;
    static const char prefix[] = "\\\\.\\pipe\\" RUN_PLACE;
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    size_t at = 0;
    for (const char *from = prefix; *from; from++)
        units[at++] = (unsigned char)*from;
    for (const char *from = names[0][messages]; *from; from++)
        units[at++] = (unsigned char)*from;
    units[at] = 0;
    return lti_os_pipe_open(units);
}

static struct hostile_block *block_take(void)
{
    return hostile_used < HOSTILE_BLOCKS ? &hostile_blocks[hostile_used++] : NULL;
}

void run_hostile_send(intptr_t handle, const void *data, size_t size)
{
    struct hostile_block *block = block_take();
    if (!block || size > HOSTILE_BYTES)
        return;
    memcpy(block->bytes, data, size);
    (void)lti_os_pipe_write(handle, block->bytes, size, &block->op);
}

void run_hostile_receive(intptr_t handle)
{
    struct hostile_block *block = block_take();
    if (block)
        (void)lti_os_pipe_read(handle, block->bytes, HOSTILE_BYTES, &block->op);
}

/* There is no half-close: it takes back what it said. */
void run_hostile_finish(intptr_t handle)
{
    (void)lti_os_pipe_cancel(handle, NULL);
}

void run_hostile_close(intptr_t handle)
{
    (void)lti_os_handle_close(handle);
}
