/* SPDX-License-Identifier: MIT
 *
 * A server and a client that may have few descriptors, or little memory: each number from none to
 * enough.
 *
 * Happy path: with enough of it all works, and with more of it, too.
 * Fails:      LIMIT, or MEMORY; TIMEOUT where the library tries again until a deadline.
 * Invariants: nobody crashes, spins, or leaves a descriptor; the next one at the name is well.
 */
#include "kill.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define LIMITS_DESCRIPTORS 16u
#define LIMITS_PAGES 32u
#define LIMITS_PAGES_DEEP 6u
#define LIMITS_STEPS 512u
#define LIMITS_WORKS_AGAIN 4u

/* So many descriptors more than are open. */
static void limits_descriptors(const void *argument)
{
    int next = dup(0);
    struct rlimit limit;
    if (next < 0 || close(next) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(8);
    limit.rlim_cur = (rlim_t)next + *(const uint32_t *)argument;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(8);
}

static uint32_t limits_pages(void)
{
    return getenv("LEAT_DEEP") ? LIMITS_PAGES_DEEP : LIMITS_PAGES;
}

/* So many steps of memory more than are in use. */
static void limits_memory(const void *argument)
{
    char room[65536], text[64];
    unsigned long pages = 0;
    memset(room, 1, sizeof room); /* the stack has grown before */
    __asm__ volatile("" : : "r"(room) : "memory");
#ifdef __GLIBC__
    (void)malloc_trim(0); /* nor is there room in what was given back */
#endif
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t size = read(file, text, sizeof text - 1);
    if (size <= 0 || close(file) != 0)
        _exit(8);
    text[size] = '\0';
    pages = strtoul(text, NULL, 10);
    rlim_t bytes = (rlim_t)sysconf(_SC_PAGESIZE) *
                   (pages + (rlim_t)limits_pages() * *(const uint32_t *)argument);
    const struct rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(8);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* The word for what ran out; or a deadline, for what may come back. */
static bool limits_allow(const char *text, const char *error)
{
    return ends_with(text, error) || ends_with(text, " TIMEOUT") ||
           strcmp(text, "peer's leat_connect_wait BROKEN") == 0 ||
           strcmp(text, "peer's leat_receive BROKEN") == 0;
}

static void limits_sweep(enum leat_protocol protocol, enum kill_who who,
                         void (*harm)(const void *argument), uint32_t most, const char *error)
{
    struct kill_world *world = kill_world_begin();
    uint32_t failed = 0, works = 0;
    for (uint32_t i = 0; i < most && works < LIMITS_WORKS_AGAIN; i++) {
        char text[KILL_OUTCOME_BYTES];
        struct kill_case it = {
            .world = world, .protocol = protocol, .who = who, .harm = harm, .argument = &i};
        kill_case_play(&it);
        kill_case_outcome(&it, text);
        bool well = strcmp(text, "works") == 0;
        bool good = CHECK(well || limits_allow(text, error));
        if (!kill_case_sound(&it) || !good)
            (void)printf("    above: %s, with %u: %s\n", kill_protocol_name(protocol), i, text);
        works = well ? works + 1 : 0;
        failed += !well;
    }
    CHECK(failed > 0);
    CHECK_INT(works, LIMITS_WORKS_AGAIN);
    kill_next_pair(world, protocol);
    kill_world_end(world);
}

#define LIMITS(name, protocol, who, harm, most, error)                                             \
    TEST_TIMEOUT(name, 300)                                                                        \
    {                                                                                              \
        limits_sweep(protocol, who, harm, most, error);                                            \
    }

LIMITS(limits_of_descriptors_of_a_server, LEAT_MESSAGES, KILL_SERVER, limits_descriptors,
       LIMITS_DESCRIPTORS, "LIMIT")
LIMITS(limits_of_descriptors_of_a_client, LEAT_MESSAGES, KILL_CLIENT, limits_descriptors,
       LIMITS_DESCRIPTORS, "LIMIT")
LIMITS(limits_of_memory_of_a_server_of_bytes, LEAT_BYTES, KILL_SERVER, limits_memory, LIMITS_STEPS,
       "MEMORY")
LIMITS(limits_of_memory_of_a_server_of_messages, LEAT_MESSAGES, KILL_SERVER, limits_memory,
       LIMITS_STEPS, "MEMORY")
LIMITS(limits_of_memory_of_a_server_of_packets, LEAT_PACKETS, KILL_SERVER, limits_memory,
       LIMITS_STEPS, "MEMORY")
LIMITS(limits_of_memory_of_a_client_of_bytes, LEAT_BYTES, KILL_CLIENT, limits_memory, LIMITS_STEPS,
       "MEMORY")
LIMITS(limits_of_memory_of_a_client_of_messages, LEAT_MESSAGES, KILL_CLIENT, limits_memory,
       LIMITS_STEPS, "MEMORY")
LIMITS(limits_of_memory_of_a_client_of_packets, LEAT_PACKETS, KILL_CLIENT, limits_memory,
       LIMITS_STEPS, "MEMORY")
