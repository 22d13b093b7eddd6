/* SPDX-License-Identifier: MIT
 *
 * Messages on the simulated named pipes, under all faults: each comes once, whole and in its place,
 * the empty ones too.
 *
 * Happy path: clients write messages of many sizes, above the quota as well; a server reads them
 *             with a buffer that is too small for most, now and then with none.
 * Fails:      never by design; what does not hold is a failed check.
 * Invariants: a read that leaves nothing of a message says so, and only such a read.
 */
#include "harness.h"

#include "sim_pipe_test.h"
#include "sim_story.h"

#define CLIENTS 3u
#define MESSAGES 60u
#define LARGEST 6000u

static uint32_t story_size(uint32_t message)
{
    if (message % 7 == 3)
        return 0;
    return message % 16 == 5 ? LARGEST : message * 37 % 700;
}

static uint8_t story_byte(uint32_t message, uint32_t at)
{
    return (uint8_t)(message * 31 + at * 7 + at / 251);
}

static void story_client(void *argument)
{
    struct sim_test_story *story = argument;
    struct lti_os_op op;
    uint8_t bytes[LARGEST];
    intptr_t queue = sim_test_queue();
    intptr_t handle = sim_test_open(queue);
    for (uint32_t message = 0; message < MESSAGES;) {
        uint32_t size = story_size(message);
        for (uint32_t i = 0; i < size; i++)
            bytes[i] = story_byte(message, i);
        int64_t result = lti_os_pipe_write(handle, bytes, size, sim_test_clear(&op));
        result = sim_test_result(queue, &op, result);
        message += result == size;
        if (result != size && !sim_test_waits(result)) {
            story->bad++;
            break;
        }
    }
    /* The server closes first: a close must not take back what waits to be read. */
    int64_t end = 0;
    while (lti_os_kind_of(end) != LTI_OS_PIPE) {
        end = lti_os_pipe_read(handle, bytes, 1, sim_test_clear(&op));
        end = sim_test_result(queue, &op, end);
    }
    (void)lti_os_handle_close(handle);
    (void)lti_os_handle_close(queue);
}

static void story_read(struct sim_test_story *story, intptr_t queue, intptr_t handle)
{
    struct lti_os_op op;
    uint8_t chunk[256];
    uint32_t at = 0, turn = 0, message = 0;
    while (message < MESSAGES) {
        size_t size = turn++ % 3 == 0 ? 0 : sizeof chunk;
        int64_t result = lti_os_pipe_read(handle, chunk, size, sim_test_clear(&op));
        result = sim_test_result(queue, &op, result);
        if (result < 0 && sim_test_waits(result))
            continue;
        if (result < 0) {
            story->bad++;
            return;
        }
        bool more = result & LTI_OS_PIPE_MORE;
        uint32_t bytes = (uint32_t)(result & ~LTI_OS_PIPE_MORE);
        /* A message goes on only when it has filled the buffer. */
        story->bad += more && bytes < size;
        for (uint32_t i = 0; i < bytes; i++)
            story->bad += chunk[i] != story_byte(message, at++);
        story->parts++;
        story->bad += more == (at == story_size(message));
        if (!more) {
            message++;
            at = 0;
        }
    }
    story->received += message;
}

static void story_server(void *argument)
{
    sim_test_serve(argument, LTI_OS_PIPE_MESSAGE, CLIENTS, story_read);
}

static uint64_t story_run(const struct lti_sim_options *options)
{
    struct sim_test_story story = {.done = 0};
    uint64_t hash = sim_test_story_run(options, &story, story_server, story_client, CLIENTS);
    CHECK_INT(story.received, CLIENTS * MESSAGES);
    CHECK(story.parts > story.received);
    return hash;
}

TEST(sim_pipe_messages_in_every_schedule)
{
    sim_story_every_schedule(story_run);
}

TEST(sim_pipe_messages_survive_faults)
{
    sim_story_with_faults(story_run, sim_test_faults);
}

TEST(sim_pipe_messages_are_one_run)
{
    sim_story_is_one_run(story_run, sim_test_faults, UINT64_C(0x9a4dc521c74af825));
}
