/* SPDX-License-Identifier: MIT
 *
 * Makes this kernel one from before Linux 6.16, which knows nothing of SO_PASSRIGHTS, for a program
 * that it is loaded into with LD_PRELOAD: descriptors come along with bytes there, and a thread of
 * the library closes them.
 *
 * Happy path: the option is refused as such a kernel does; all else goes to the system.
 * Fails:      as the system says.
 * Invariants: none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level == SOL_SOCKET && name == SO_PASSRIGHTS) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}
