/* SPDX-License-Identifier: MIT
 *
 * Sockets below the runner: where the listeners' names are, and what a raw peer does.
 *
 * Happy path: the folder is made before the run; afterwards it is empty.
 * Fails:      a file that is left fails the run; raw calls may fail as they like.
 * Invariants: nothing here goes through the library.
 */
#include "run.h"

#include <string.h>

void run_names_begin(void)
{
    (void)lti_sim_file_add(RUN_FOLDER, 'd', 1000, 0700);
}

void run_names_judge(void)
{
    if (lti_sim_files() != 1)
        run_fail("%u files are left", lti_sim_files() - 1);
}

int64_t run_hostile_connect(bool messages)
{
    const char *path = messages ? RUN_FOLDER "/m" : RUN_FOLDER "/b";
    bool packets = messages && run_state.plan.messages.protocol == LEAT_PACKETS;
    int64_t fd = lti_os_socket(packets);
    if (fd < 0 || lti_os_connect((int)fd, path, strlen(path)) >= 0)
        return fd;
    (void)lti_os_close((int)fd);
    return RUN_HOSTILE_CLOSED;
}

void run_hostile_send(intptr_t handle, const void *data, size_t size)
{
    const struct leat_slice slice = {data, size};
    (void)lti_os_send((int)handle, &slice, 1);
}

void run_hostile_receive(intptr_t handle)
{
    uint8_t buffer[64];
    uint32_t flags = 0;
    (void)lti_os_recv((int)handle, buffer, sizeof buffer, NULL, &flags);
}

void run_hostile_finish(intptr_t handle)
{
    (void)lti_os_shutdown_write((int)handle);
}

void run_hostile_close(intptr_t handle)
{
    (void)lti_os_close((int)handle);
}
