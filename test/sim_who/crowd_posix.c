/* SPDX-License-Identifier: MIT
 *
 * The crowd's clients, as sockets.
 *
 * Happy path: a socket is connected, and sends one byte.
 * Fails:      a check, where the system must not refuse; without room there is no client.
 * Invariants: none.
 */
#include "crowd.h"
#include "os_posix.h"

#define PATH "/tmp/crowd"

const char *const crowd_name = "unix:" PATH;

intptr_t crowd_connect(void)
{
    int64_t fd = lti_os_socket(false);
    REQUIRE(fd >= 0);
    REQUIRE_INT(lti_os_connect((int)fd, PATH, sizeof PATH - 1), 0);
    return (intptr_t)fd;
}

void crowd_say(intptr_t end)
{
    const struct leat_slice slice = {"l", 1};
    CHECK_INT(lti_os_send((int)end, &slice, 1), 1);
}

bool crowd_ended_silently(intptr_t end)
{
    char byte;
    uint32_t flags = LTI_OS_RECV_PLAIN;
    int64_t result = lti_os_recv((int)end, &byte, 1, NULL, &flags);
    return result == 0 || lti_os_kind_of(result) == LTI_OS_RESET;
}

void crowd_leave(intptr_t end)
{
    CHECK_INT(lti_os_close((int)end), 0);
}
