/* SPDX-License-Identifier: MIT
 *
 * The real places of Apple's systems. Written from the manuals; untested on real systems.
 *
 * Happy path: the system tells the user's own folder, once in a process.
 * Fails:      with null when there is no such folder.
 * Invariants: what was told once stays.
 */
#include "os_real_posix.h"

#ifdef __APPLE__

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* The system tells the path through a link that it has had since its beginnings. */
#define DARWIN_PRIVATE "/private"

static char darwin_folder[1024];

static void darwin_find_folder(void)
{
    const size_t prefix = sizeof DARWIN_PRIVATE - 1;
    char told[sizeof darwin_folder - sizeof DARWIN_PRIVATE];
    size_t size = confstr(_CS_DARWIN_USER_TEMP_DIR, told, sizeof told);
    if (size <= 1 || size > sizeof told || told[0] != '/')
        return;
    size--; /* its zero byte */
    while (size > 1 && told[size - 1] == '/')
        size--;
    size_t at = size > 5 && memcmp(told, "/var/", 5) == 0 ? prefix : 0;
    memcpy(darwin_folder + at, told, size);
    memcpy(darwin_folder, DARWIN_PRIVATE, at);
}

uint32_t lti_os_cpus(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

const char *lti_os_place(enum lti_os_place place)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    switch (place) {
    case LTI_OS_PLACE_SYSTEM:
        return "/private/var/run/leat";
    case LTI_OS_PLACE_TMP:
        return "/private/tmp";
    case LTI_OS_PLACE_USER:
        if (pthread_once(&once, darwin_find_folder) == 0 && darwin_folder[0] != '\0')
            return darwin_folder;
        break;
    }
    return 0;
}

#endif
