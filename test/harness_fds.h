/* SPDX-License-Identifier: MIT
 *
 * Which descriptors this process has open: the harness's part that knows /proc. Where there is no
 * such folder nothing is seen, and nothing is judged.
 */
#ifndef LTI_TEST_HARNESS_FDS_H
#define LTI_TEST_HARNESS_FDS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 65536
struct fds {
    uint8_t open[FDS_MAX / 8];
};

static inline void fds_note(struct fds *fds)
{
    memset(fds, 0, sizeof *fds);
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        long fd = strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && fd != dirfd(folder) && fd < FDS_MAX)
            fds->open[fd / 8] |= (uint8_t)(1u << (fd % 8));
    }
    closedir(folder);
}

/* Tells what differs. */
static inline bool fds_same(const struct fds *before, const struct fds *after)
{
    bool same = true;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        bool was = (before->open[fd / 8] >> (fd % 8) & 1) != 0;
        bool is = (after->open[fd / 8] >> (fd % 8) & 1) != 0;
        if (was == is)
            continue;
        char path[64];
        char target[256] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (is && readlink(path, target, sizeof target - 1) < 0)
            target[0] = '\0';
        printf("descriptor %d %s%s\n", fd, is ? "left open: " : "closed, but not opened", target);
        same = false;
    }
    return same;
}

#endif
