/* SPDX-License-Identifier: MIT
 *
 * Abstract names as other programs say them: the address is built here, not by leat's seam.
 *
 * Happy path: who says the name with its length is met.
 * Fails:      who says it with a zero byte more, as padding, is refused by the system.
 * Invariants: the name has this test's folder in it, so that no other test has it.
 */
#include "conformance/kit_posix.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 0, or why the system did not connect to the name with so many zero bytes behind it. */
static int connect_padded(const char *name, size_t padding)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    REQUIRE(1 + size + padding <= sizeof address.sun_path);
    memcpy(address.sun_path + 1, name, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size + padding);
    int result = connect(fd, (const struct sockaddr *)&address, length) == 0 ? 0 : errno;
    CHECK_INT(close(fd), 0);
    return result;
}

TEST(abstract_names_have_no_padding)
{
    struct leat_hub *hub = kit_begin();
    char name[150];
    (void)snprintf(name, sizeof name, "unix:@%s/x", lti_test_folder());
    (void)kit_listen(hub, name, NULL);
    CHECK_INT(connect_padded(name + 6, 0), 0);
    CHECK_INT(connect_padded(name + 6, 1), ECONNREFUSED);
    CHECK_INT(connect_padded(name + 6, 10), ECONNREFUSED);
    (void)KIT_NEXT(hub, LEAT_EVENT_ACCEPTED);
    kit_end(hub);
}
