/* SPDX-License-Identifier: MIT
 *
 * What leat doctor sees of a POSIX system's files and sockets.
 *
 * Happy path: one look each: lstat, readlink, a table of /proc.
 *
 * Fails: with errno, or with nothing where a table is not there: other systems have no /proc.
 *
 * Invariants: nothing is opened but tables of the system.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_posix_place.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#endif

/* Longer rows are of no path that we look for. */
#define ROW_BYTES 1024u
#define ROWS_MAX 1000000u
/* Descriptors of a busy machine; who has more of them is told less. */
#define LOOKS_MAX 200000u

static enum lti_tool_node_kind kind_of(mode_t mode)
{
    if (S_ISSOCK(mode)) {
        return LTI_TOOL_NODE_SOCKET;
    }
    if (S_ISDIR(mode)) {
        return LTI_TOOL_NODE_FOLDER;
    }
    if (S_ISREG(mode)) {
        return LTI_TOOL_NODE_FILE;
    }
    if (S_ISLNK(mode)) {
        return LTI_TOOL_NODE_LINK;
    }
    return S_ISFIFO(mode) ? LTI_TOOL_NODE_FIFO : LTI_TOOL_NODE_OTHER;
}

int lti_tool_node_look(const char *path, bool follow, struct lti_tool_node *node_out)
{
    struct stat status;
    char uid[16];

    memset(node_out, 0, sizeof *node_out);
    if ((follow ? stat(path, &status) : lstat(path, &status)) != 0) {
        return errno;
    }
    node_out->kind = kind_of(status.st_mode);
    node_out->uid = (uint32_t)status.st_uid;
    node_out->mode = (uint32_t)(status.st_mode & 07777);
    node_out->size = (uint64_t)status.st_size;
    node_out->links = (uint64_t)status.st_nlink;
    node_out->device = (uint64_t)status.st_dev;
    node_out->inode = (uint64_t)status.st_ino;
    (void)snprintf(uid, sizeof uid, "%" PRIu32, node_out->uid);
    lti_tool_identity_user(uid, false, node_out->owner, sizeof node_out->owner);
    (void)snprintf(node_out->rights, sizeof node_out->rights, "%04o", node_out->mode & 07777u);
    return 0;
}

const char *lti_tool_node_kind(const struct lti_tool_node *node)
{
    static const char *const kinds[] = {"a device", "a socket", "a folder",
                                        "a file",   "a link",   "a fifo"};

    return kinds[node->kind];
}

bool lti_tool_link_target(const char *path, char *target_out, size_t size)
{
    ssize_t got = readlink(path, target_out, size);

    if (got <= 0 || (size_t)got >= size) {
        return false;
    }
    target_out[got] = '\0';
    return true;
}

bool lti_tool_place_real(const char *path, char *real_out, size_t size)
{
    char folder[LTI_TOOL_PLACE_BYTES];
    const char *last = strrchr(path, '/');
    char *real;
    int written;

    if (last == NULL || last == path || (size_t)(last - path) >= sizeof folder) {
        return false;
    }
    memcpy(folder, path, (size_t)(last - path));
    folder[last - path] = '\0';
    real = realpath(folder, NULL);
    if (real == NULL) {
        return false;
    }
    written = snprintf(real_out, size, "%s%s", strcmp(real, "/") == 0 ? "" : real, last);
    free(real);
    return written > 0 && (size_t)written < size;
}

bool lti_tool_lock_held(const struct lti_tool_node *node)
{
    FILE *table = fopen("/proc/locks", "re");
    char row[ROW_BYTES];
    bool held = false;

    for (unsigned i = 0; table != NULL && !held && i < ROWS_MAX; i++) {
        unsigned device_major;
        unsigned device_minor;
        uint64_t inode;

        if (fgets(row, sizeof row, table) == NULL) {
            break;
        }
        /* A row of somebody who waits for a lock has one word more. */
        held = sscanf(row, "%*u: %*s %*s %*s %*d %x:%x:%" SCNu64, &device_major, &device_minor,
                      &inode) == 3 &&
               inode == node->inode && device_major == (unsigned)major((dev_t)node->device) &&
               device_minor == (unsigned)minor((dev_t)node->device);
    }
    if (table != NULL) {
        (void)fclose(table);
    }
    return held;
}

static bool process_has(const char *pid, const struct lti_tool_node *node, unsigned *looks)
{
    char path[300];
    DIR *files;
    struct dirent *file;
    struct stat status;
    bool has = false;

    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    files = opendir(path);
    while (files != NULL && !has && *looks < LOOKS_MAX && (file = readdir(files)) != NULL) {
        *looks += 1;
        /* An open folder has one: NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions) */
        has = fstatat(dirfd(files), file->d_name, &status, 0) == 0 &&
              (uint64_t)status.st_dev == node->device && (uint64_t)status.st_ino == node->inode;
    }
    if (files != NULL) {
        (void)closedir(files);
    }
    return has;
}

int64_t lti_tool_opened_by(const struct lti_tool_node *node)
{
    DIR *processes = opendir("/proc");
    struct dirent *process;
    unsigned looks = 0;
    int64_t pid = 0;

    while (processes != NULL && pid == 0 && looks < LOOKS_MAX &&
           (process = readdir(processes)) != NULL) {
        looks++;
        if (process->d_name[0] >= '1' && process->d_name[0] <= '9' &&
            process_has(process->d_name, node, &looks)) {
            pid = strtoll(process->d_name, NULL, 10);
        }
    }
    if (processes != NULL) {
        (void)closedir(processes);
    }
    return pid;
}

unsigned lti_tool_socket_type(const char *path)
{
    FILE *table = fopen("/proc/net/unix", "re");
    char row[ROW_BYTES];
    unsigned found = 0;

    for (unsigned i = 0; table != NULL && i < ROWS_MAX; i++) {
        unsigned type;
        int at = 0;

        if (fgets(row, sizeof row, table) == NULL) {
            break;
        }
        row[strcspn(row, "\n")] = '\0';
        if (sscanf(row, "%*s %*x %*x %*x %x %*x %*u %n", &type, &at) == 1 && at > 0 &&
            strcmp(row + at, path) == 0) {
            found = type;
        }
    }
    if (table != NULL) {
        (void)fclose(table);
    }
    return found;
}

/* A relative one counts for nothing; blanks at its end as leat takes it. */
static bool runtime_dir(char *path_out, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    size_t length = runtime != NULL && runtime[0] == '/' ? strlen(runtime) : 0;

    while (length > 1 && runtime[length - 1] == '/') {
        length--;
    }
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(path_out, runtime, length);
    path_out[length] = '\0';
    return true;
}

/* The folder that the system keeps for the user, where leat looks after the environment. */
static bool kept_dir(char *path_out, size_t size)
{
#ifdef __APPLE__
    char told[LTI_TOOL_PLACE_BYTES];
    size_t length = confstr(_CS_DARWIN_USER_TEMP_DIR, told, sizeof told);
    char *real = length > 1 && length <= sizeof told ? realpath(told, NULL) : NULL;
    int written = real != NULL ? snprintf(path_out, size, "%s", real) : -1;

    free(real);
    return written > 0 && (size_t)written < size;
#else
    int written = snprintf(path_out, size, "/run/user/%" PRIu32, (uint32_t)geteuid());

    return written > 0 && (size_t)written < size;
#endif
}

const char *lti_tool_scope_system(void)
{
#if defined __APPLE__
    return "/private/var/run/leat";
#elif defined __linux__
    return "/run/leat";
#else
    return "/var/run/leat";
#endif
}

bool lti_tool_scope_path(unsigned which, const char *name, char *path_out, size_t size)
{
    char base[LTI_TOOL_PLACE_BYTES];
    const char *folder = which == 2 ? "" : "/leat";
    int written;

    if ((which == 0 && !runtime_dir(base, sizeof base)) ||
        (which == 1 && !kept_dir(base, sizeof base))) {
        return false;
    }
    if (which > 1) {
#ifdef __APPLE__
        static const char tmp[] = "/private/tmp";
#else
        static const char tmp[] = "/tmp";
#endif
        (void)snprintf(base, sizeof base, "%s/leat-%" PRIu32, tmp, (uint32_t)geteuid());
    }
    written = snprintf(path_out, size, "%s%s%s%s", base, folder, name != NULL ? "/" : "",
                       name != NULL ? name : "");
    return written > 0 && (size_t)written < size;
}
