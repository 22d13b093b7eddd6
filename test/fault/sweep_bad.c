/* SPDX-License-Identifier: MIT
 *
 * Stories with a defect each. The sweep tells them first and must find every one wrong.
 *
 * Happy path: without a fault each of them does nothing wrong.
 * Fails:      with the right fault each does what a careless library would.
 * Invariants: they use seam 2 itself, since the library cannot be asked to be careless. Of an open
 *             that failed they say what the table expects, so that only the defect is found.
 */
#include "sweep.h"

#ifdef LTI_NT
#include "os_nt.h"
#else
#include "os_posix.h"
#endif

#include <stdlib.h>

#ifdef LTI_NT

static int64_t bad_open(void)
{
    return lti_os_signal_create();
}

static int64_t bad_close(int64_t handle)
{
    return lti_os_handle_close((intptr_t)handle);
}

/* Sends four bytes through a pair of its own; what the reader got in one piece, or a failure. */
static int64_t bad_transfer(void)
{
    static const uint16_t name[] = {'\\', '\\', '.', '\\', 'p', 'i', 'p', 'e', '\\',
                                    'l',  'e',  'a', 't',  '-', 'b', 'a', 'd', 0};
    static struct lti_os_op ops[3];
    char buffer[8];
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        ops[i] = (struct lti_os_op){{0}};
    int64_t server = lti_os_pipe_create(name, LTI_OS_PIPE_FIRST, 1, 4096, NULL);
    int64_t client = server < 0 ? server : lti_os_pipe_open(name);
    int64_t got = client;
    if (client >= 0) {
        (void)lti_os_pipe_listen((intptr_t)server, &ops[0]);
        (void)lti_os_pipe_write((intptr_t)client, "abcd", 4, &ops[1]);
        got = lti_os_pipe_read((intptr_t)server, buffer, sizeof buffer, &ops[2]);
        (void)bad_close(client);
    }
    if (server >= 0)
        (void)bad_close(server);
    return got;
}

#else

/* No socket: a listener may do without one of those. */
static int64_t bad_open(void)
{
    return lti_os_event_create();
}

static int64_t bad_close(int64_t handle)
{
    return lti_os_close((int)handle);
}

/* Sends four bytes through a pair of its own; what the reader got in one piece, or a failure. */
static int64_t bad_transfer(void)
{
    int fds[2];
    char buffer[8];
    uint32_t flags = 0;
    struct leat_slice slice = {"abcd", 4};
    int64_t result = lti_os_socketpair(false, fds);
    if (result < 0)
        return result;
    (void)lti_os_send(fds[0], &slice, 1);
    result = lti_os_recv(fds[1], buffer, sizeof buffer, NULL, &flags);
    (void)lti_os_close(fds[0]);
    (void)lti_os_close(fds[1]);
    return result;
}

#endif

/* What the library would say of it. */
static enum leat_error bad_error(int64_t result)
{
    switch (lti_os_kind_of(result)) {
    case LTI_OS_NONE:
        return LEAT_OK;
    case LTI_OS_MEMORY:
        return LEAT_E_MEMORY;
    case LTI_OS_ACCESS:
        return LEAT_E_DENIED;
    default:
        return LEAT_E_LIMIT;
    }
}

/* Forgets the first descriptor when the second cannot be had. */
static void bad_leaks_descriptor(struct lti_story *story)
{
    int64_t first = bad_open();
    int64_t second = first < 0 ? first : bad_open();
    if (!lti_story_note(story, 0, "both", bad_error(second)))
        return;
    (void)bad_close(second);
    (void)bad_close(first);
}

static void bad_leaks_memory(struct lti_story *story)
{
    void *memory = lti_os_alloc(64);
    if (!memory) {
        (void)lti_story_note(story, 0, "memory", LEAT_E_MEMORY);
        return;
    }
    int64_t fd = bad_open();
    if (!lti_story_note(story, 0, "socket", bad_error(fd)))
        return;
    (void)bad_close(fd);
    lti_os_free(memory);
}

/* Tries without end. */
static void bad_spins(struct lti_story *story)
{
    int64_t fd = bad_open();
    while (fd < 0)
        fd = bad_open();
    (void)bad_close(fd);
    (void)lti_story_note(story, 0, "socket", LEAT_OK);
}

/* Takes a short read for the whole. */
static void bad_shows_short_reads(struct lti_story *story)
{
    int64_t got = bad_transfer();
    if (got < 0) {
        (void)lti_story_note(story, 0, "pair", bad_error(got));
        return;
    }
    lti_story_say(story, 1, "%d bytes\n", (int)got);
}

static void bad_crashes(struct lti_story *story)
{
    int64_t fd = bad_open();
    if (fd < 0)
        abort();
    (void)bad_close(fd);
    (void)lti_story_note(story, 0, "socket", LEAT_OK);
}

/* Closes again what a failed close has closed. */
static void bad_closes_twice(struct lti_story *story)
{
    int64_t fd = bad_open();
    if (fd >= 0 && bad_close(fd) < 0)
        (void)bad_close(fd);
    (void)lti_story_note(story, 0, "close", bad_error(fd));
}

static void bad_says_the_wrong_error(struct lti_story *story)
{
    int64_t fd = bad_open();
    (void)lti_story_note(story, 0, "socket", fd < 0 ? LEAT_E_PROTOCOL : LEAT_OK);
    if (fd >= 0)
        (void)bad_close(fd);
}

/* Remembers a failure that is over. */
static void bad_bears_a_grudge(struct lti_story *story)
{
    static const struct lti_story *of;
    static struct leat_hub *hub;
    int64_t fd = bad_open();
    if (fd < 0) {
        of = story;
        hub = story->hub;
    }
    static enum leat_error error;
    if (fd < 0)
        error = bad_error(fd);
    bool grudge = fd < 0 || (of == story && hub == story->hub);
    (void)lti_story_note(story, 0, "socket", grudge ? error : LEAT_OK);
    if (fd >= 0)
        (void)bad_close(fd);
}

/* Goes on as if nothing had happened. */
static void bad_swallows(struct lti_story *story)
{
    int64_t fd = bad_open();
    if (fd >= 0)
        (void)bad_close(fd);
    (void)lti_story_note(story, 0, "socket", LEAT_OK);
}

/* Tells the failure, and then loses what came first. */
static void bad_loses_the_beginning(struct lti_story *story)
{
    int64_t fd = bad_open();
    lti_story_say(story, 1, "\"%s\" read\n", fd < 0 ? "irst" : "first");
    (void)lti_story_note(story, 0, "socket", bad_error(fd));
    if (fd >= 0)
        (void)bad_close(fd);
}

size_t lti_sweep_bad_stories(const struct lti_sweep_story **stories_out)
{
    static const struct lti_sweep_story stories[] = {
        {"bad_leaks_descriptor", 0, 0, bad_leaks_descriptor},
        {"bad_leaks_memory", 0, 0, bad_leaks_memory},
        {"bad_spins", LTI_SWEEP_FATAL, 0, bad_spins},
        {"bad_shows_short_reads", 0, 0, bad_shows_short_reads},
        {"bad_crashes", LTI_SWEEP_FATAL, 0, bad_crashes},
        {"bad_closes_twice", 0, 0, bad_closes_twice},
        {"bad_says_the_wrong_error", 0, 0, bad_says_the_wrong_error},
        {"bad_bears_a_grudge", 0, 0, bad_bears_a_grudge},
        {"bad_swallows", 0, 0, bad_swallows},
        {"bad_loses_the_beginning", 0, 0, bad_loses_the_beginning},
    };
    *stories_out = stories;
    return sizeof stories / sizeof stories[0];
}
