/* SPDX-License-Identifier: MIT
 *
 * Handles of pipes that were opened for synchronous I/O, as other programs make them; leat makes
 * none. On Windows by the system's own calls, on the simulated kernel by its control.
 */
#ifndef LTI_TEST_SYNC_PIPE_H
#define LTI_TEST_SYNC_PIPE_H

#include "os_nt.h"
#ifndef _WIN32
#include "os_sim/sim.h"
#endif

#include <stdbool.h>
#include <stdint.h>
#ifdef _WIN32
#include <windows.h>
#endif

struct lti_sync_kind {
    bool one_way;  /* the first end reads, the second one writes */
    bool both;     /* both ends are synchronous, or only the first one */
    bool messages; /* of the pipe */
    uint32_t quota;
};

#ifdef _WIN32

static inline int64_t lti_sync_create(const char *name, struct lti_sync_kind kind)
{
    DWORD mode = kind.messages ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE;
    HANDLE handle = CreateNamedPipeA(name, kind.one_way ? PIPE_ACCESS_INBOUND : PIPE_ACCESS_DUPLEX,
                                     mode, 1, kind.quota, kind.quota, 0, NULL);
    return handle == INVALID_HANDLE_VALUE ? -1 : (intptr_t)handle;
}

static inline int64_t lti_sync_open(const char *name, struct lti_sync_kind kind)
{
    /* As CreatePipe opens its writing end. */
    DWORD access =
        kind.one_way ? GENERIC_WRITE | FILE_READ_ATTRIBUTES : GENERIC_READ | GENERIC_WRITE;
    HANDLE handle = CreateFileA(name, access, 0, NULL, OPEN_EXISTING,
                                kind.both ? 0 : FILE_FLAG_OVERLAPPED, NULL);
    return handle == INVALID_HANDLE_VALUE ? -1 : (intptr_t)handle;
}

static inline void lti_sync_shut(intptr_t handle)
{
    (void)CloseHandle((HANDLE)handle);
}
#else

static inline void lti_sync_units(const char *name, uint16_t units_out[LTI_OS_PIPE_UNITS_MAX + 1])
{
    uint32_t at = 0;
    for (; name[at] != '\0' && at < LTI_OS_PIPE_UNITS_MAX; at++)
        units_out[at] = (unsigned char)name[at];
    units_out[at] = 0;
}

static inline int64_t lti_sync_create(const char *name, struct lti_sync_kind kind)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    lti_sync_units(name, units);
    int64_t handle =
        lti_os_pipe_create(units, kind.messages ? LTI_OS_PIPE_MESSAGE : 0, 1, kind.quota, NULL);
    if (handle >= 0)
        lti_sim_pipe_opened((intptr_t)handle, true, true, !kind.one_way);
    return handle;
}

static inline int64_t lti_sync_open(const char *name, struct lti_sync_kind kind)
{
    uint16_t units[LTI_OS_PIPE_UNITS_MAX + 1];
    lti_sync_units(name, units);
    int64_t handle = lti_os_pipe_open(units);
    if (handle >= 0)
        lti_sim_pipe_opened((intptr_t)handle, kind.both, !kind.one_way, true);
    return handle;
}

static inline void lti_sync_shut(intptr_t handle)
{
    (void)lti_os_handle_close(handle);
}
#endif

/* Both ends of one pipe; false: there is none. */
static inline bool lti_sync_pipe(const char *name, struct lti_sync_kind kind,
                                 intptr_t handles_out[2])
{
    int64_t server = lti_sync_create(name, kind);
    int64_t client = server < 0 ? server : lti_sync_open(name, kind);
    handles_out[0] = (intptr_t)server;
    handles_out[1] = (intptr_t)client;
    if (server >= 0 && client < 0)
        lti_sync_shut((intptr_t)server);
    return client >= 0;
}

#endif
