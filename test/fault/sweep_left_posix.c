/* SPDX-License-Identifier: MIT
 *
 * The fault sweep's surroundings where the system is the real one with sockets: a folder, what is
 * left in it, what is open.
 *
 * Happy path: each run has the folder to itself.
 * Fails:      never; what cannot be listed is not there.
 * Invariants: only the sweep's own folder is touched.
 */
#include "sweep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char left_folder[] = "/tmp/leat-sweep-XXXXXX";

const char *lti_sweep_folder_make(void)
{
    const char *folder = mkdtemp(left_folder);
    lti_fault_jail(folder);
    lti_fault_ring_stands_in();
    return folder;
}

bool lti_sweep_folder_remove(void)
{
    return rmdir(left_folder) == 0;
}

bool lti_sweep_world(void (*function)(void *argument), void *argument)
{
    function(argument);
    return true;
}

int64_t lti_sweep_open_files(void)
{
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return -1;
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count;
}

/* Lists the names in the folder, then removes them. */
void lti_sweep_take_files(const char *folder, char files_out[LTI_SWEEP_FILES])
{
    struct dirent **names = NULL;
    size_t used = 0;
    files_out[0] = '\0';
    int count = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            char path[600];
            (void)snprintf(path, sizeof path, "%s/%s", folder, name);
            if (names[i]->d_type == DT_DIR) {
                char inner[LTI_SWEEP_FILES];
                lti_sweep_take_files(path, inner);
                (void)rmdir(path);
            } else {
                (void)unlink(path);
            }
            if (used + strlen(name) + 2 < LTI_SWEEP_FILES)
                used += (size_t)snprintf(files_out + used, LTI_SWEEP_FILES - used, "%s ", name);
        }
        free(names[i]);
    }
    free(names);
}
