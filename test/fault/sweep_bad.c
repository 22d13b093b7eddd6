/* SPDX-License-Identifier: MIT
 *
 * Stories with a defect each. The sweep tells them first and must find every one wrong.
 *
 * Happy path: without a fault each of them does nothing wrong.
 * Fails:      with the right fault each does what a careless library would.
 * Invariants: they use seam 2 itself, since the library cannot be asked to be careless.
 */
#include "sweep.h"

#include "os_posix.h"

#include <stdlib.h>

/* Forgets the first descriptor when the second cannot be had. */
static void bad_leaks_descriptor(struct lti_story *story)
{
    int64_t first = lti_os_socket();
    int64_t second = lti_os_socket();
    if (second < 0) {
        (void)lti_story_note(story, 0, "second", LEAT_E_LIMIT);
        return;
    }
    (void)lti_os_close((int)second);
    (void)lti_os_close((int)first);
}

static void bad_leaks_memory(struct lti_story *story)
{
    void *memory = lti_os_alloc(64);
    if (!memory) {
        (void)lti_story_note(story, 0, "memory", LEAT_E_MEMORY);
        return;
    }
    int64_t fd = lti_os_socket();
    if (fd < 0) {
        (void)lti_story_note(story, 0, "socket", LEAT_E_LIMIT);
        return;
    }
    (void)lti_os_close((int)fd);
    lti_os_free(memory);
}

/* Tries without end. */
static void bad_spins(struct lti_story *story)
{
    int64_t fd = lti_os_socket();
    while (fd < 0)
        fd = lti_os_socket();
    (void)lti_os_close((int)fd);
    (void)lti_story_note(story, 0, "socket", LEAT_OK);
}

/* Takes a short read for the whole. */
static void bad_shows_short_reads(struct lti_story *story)
{
    int fds[2];
    char buffer[8];
    uint32_t flags = 0;
    struct leat_slice slice = {"abcd", 4};
    if (lti_os_socketpair(fds) < 0) {
        (void)lti_story_note(story, 0, "pair", LEAT_E_LIMIT);
        return;
    }
    (void)lti_os_send(fds[0], &slice, 1);
    lti_story_say(story, 1, "%d bytes\n", (int)lti_os_recv(fds[1], buffer, sizeof buffer, &flags));
    (void)lti_os_close(fds[0]);
    (void)lti_os_close(fds[1]);
}

static void bad_crashes(struct lti_story *story)
{
    int64_t fd = lti_os_socket();
    if (fd < 0)
        abort();
    (void)lti_os_close((int)fd);
    (void)lti_story_note(story, 0, "socket", LEAT_OK);
}

/* Closes again what a failed close has closed. */
static void bad_closes_twice(struct lti_story *story)
{
    int64_t fd = lti_os_socket();
    if (fd >= 0 && lti_os_close((int)fd) < 0)
        (void)lti_os_close((int)fd);
    (void)lti_story_note(story, 0, "close", fd < 0 ? LEAT_E_LIMIT : LEAT_OK);
}

static void bad_says_the_wrong_error(struct lti_story *story)
{
    int64_t fd = lti_os_socket();
    (void)lti_story_note(story, 0, "socket", fd < 0 ? LEAT_E_PROTOCOL : LEAT_OK);
    if (fd >= 0)
        (void)lti_os_close((int)fd);
}

/* Remembers a failure that is over. */
static void bad_bears_a_grudge(struct lti_story *story)
{
    static const struct lti_story *of;
    static struct leat_hub *hub;
    int64_t fd = lti_os_socket();
    if (fd < 0) {
        of = story;
        hub = story->hub;
    }
    bool grudge = fd < 0 || (of == story && hub == story->hub);
    (void)lti_story_note(story, 0, "socket", grudge ? LEAT_E_LIMIT : LEAT_OK);
    if (fd >= 0)
        (void)lti_os_close((int)fd);
}

size_t lti_sweep_bad_stories(const struct lti_sweep_story **stories_out)
{
    static const struct lti_sweep_story stories[] = {
        {"bad_leaks_descriptor", 0, 0, bad_leaks_descriptor},
        {"bad_leaks_memory", 0, 0, bad_leaks_memory},
        {"bad_spins", 0, 0, bad_spins},
        {"bad_shows_short_reads", 0, 0, bad_shows_short_reads},
        {"bad_crashes", 0, 0, bad_crashes},
        {"bad_closes_twice", 0, 0, bad_closes_twice},
        {"bad_says_the_wrong_error", 0, 0, bad_says_the_wrong_error},
        {"bad_bears_a_grudge", 0, 0, bad_bears_a_grudge},
    };
    *stories_out = stories;
    return sizeof stories / sizeof stories[0];
}
