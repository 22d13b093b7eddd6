/* SPDX-License-Identifier: MIT
 *
 * One part of the kill tests as a program, to be run under strace.
 *
 *     kill_actor server|client PATH bytes|messages|packets PATIENCE_MS [next]
 *
 * Happy path: asks for its parent's number, which marks the place in strace's output; plays its
 *             part; says what it came to at the end.
 * Fails:      with 1 when it was told an error; the line says which, and what said so.
 * Invariants: "next" is a client that is not the last one.
 */
#include "actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void main_mark(const void *argument)
{
    (void)argument;
    (void)getppid();
}

static void main_say(const struct kill_end *end, enum leat_protocol protocol)
{
    const char *where = NULL;
    enum leat_error error = kill_end_error(end, &where);
    uint32_t talks = atomic_load(&end->talks_count);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < talks; i++)
        wrong += atomic_load(&end->talks[i].wrong);
    bool whole = talks > 0 && atomic_load(&end->talks[talks - 1].whole) &&
                 atomic_load(&end->talks[talks - 1].received) == kill_messages(protocol);
    (void)printf("error=%s where=%s whole=%d wrong=%u descriptors=%d\n",
                 error == LEAT_OK ? "OK" : leat_error_name(error), where ? where : "-", whole,
                 wrong, atomic_load(&end->descriptors));
}

int main(int count, char **arguments)
{
    static struct kill_end end;
    if (count < 5)
        return 2;
    const char *protocol = arguments[3];
    struct kill_part part = {.end = &end,
                             .path = arguments[2],
                             .protocol = strcmp(protocol, "bytes") == 0      ? LEAT_BYTES
                                         : strcmp(protocol, "messages") == 0 ? LEAT_MESSAGES
                                                                             : LEAT_PACKETS,
                             .patience_ms = (uint32_t)strtoul(arguments[4], NULL, 10),
                             .serves = strcmp(arguments[1], "server") == 0,
                             .last = count == 5,
                             .absent = LEAT_ABSENT_WAIT,
                             .mark = main_mark};
    kill_act(&part);
    main_say(&end, part.protocol);
    const char *where = NULL;
    return kill_end_error(&end, &where) == LEAT_OK ? 0 : 1;
}
